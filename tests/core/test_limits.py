"""Exact limits on moto; races are tested on the emulator, because moto does not hold them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from fluvial import limits
from fluvial.aws import client
from fluvial.store import windows
from tests import factories

NOON = 1_767_268_800_000  # 2026-01-01T12:00:00Z


@pytest.fixture(autouse=True)
def small_limit(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(limits.POLICIES, ("reference", "all"), {"free": limits.Policy(3, 60)})


def test_exactly_the_limit_passes_in_a_window_and_remaining_counts_down() -> None:
    caller = factories.new_caller(plan="free")
    windows = [
        limits.spend(caller, api="reference", now=lambda moment=NOON + second * 1000: moment) for second in (0, 1, 59)
    ]
    assert [window.remaining for window in windows] == [2, 1, 0]
    assert {window.reset for window in windows} == {NOON // 1000 + 60}
    for _ in range(3):
        with pytest.raises(limits.WindowUsedUpError) as refusal:
            limits.spend(caller, api="reference", now=lambda: NOON + 59_000)
        assert refusal.value.retry_after_seconds == 1
    assert limits.spend(caller, api="reference", now=lambda: NOON + 60_000).remaining == 2


def test_each_key_has_a_window_of_its_own() -> None:
    one, other = factories.new_caller(plan="free"), factories.new_caller(plan="free")
    for _ in range(3):
        limits.spend(one, api="reference", now=lambda: NOON)
    assert limits.spend(other, api="reference", now=lambda: NOON).remaining == 2


def refuse(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(client("dynamodb"), "_make_api_call", fail)


def client_error(status: int, code: str) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "UpdateItem"
    )


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://dynamodb"),
        ConnectTimeoutError(endpoint_url="https://dynamodb"),
        ReadTimeoutError(endpoint_url="https://dynamodb"),
        client_error(500, "InternalServerError"),
        client_error(503, "ServiceUnavailable"),
        client_error(400, "ProvisionedThroughputExceededException"),
        client_error(400, "ThrottlingException"),
    ],
    ids=str,
)
def test_a_table_that_does_not_answer_is_told_from_a_limit(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    caller = factories.new_caller(plan="free")
    refuse(monkeypatch, error)
    with pytest.raises(windows.UnreachableError):
        limits.spend(caller, api="reference")


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException", "ResourceNotFoundException"])
def test_a_defect_of_ours_is_not_taken_for_an_outage(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    caller = factories.new_caller(plan="free")
    refuse(monkeypatch, client_error(400, code))
    with pytest.raises(ClientError):
        limits.spend(caller, api="reference")


def test_headers_say_limit_remaining_and_reset() -> None:
    window = limits.Window(limit=60, remaining=58, reset=NOON // 1000 + 60, window_seconds=60)
    assert window.headers(NOON + 20_000) == {
        "X-RateLimit-Limit": "60",
        "X-RateLimit-Remaining": "58",
        "X-RateLimit-Reset": str(NOON // 1000 + 60),
        "RateLimit": '"default";r=58;t=40',
        "RateLimit-Policy": '"default";q=60;w=60',
    }
