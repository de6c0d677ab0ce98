"""The error table of the reference API, and the answers that only a failing or exhausted stack gives, on moto."""

from __future__ import annotations

import inspect
import json
import logging
import re
from typing import Any

import pytest

from fluvial import errors, limits
from fluvial.caller import Caller
from fluvial.store import projects, table, windows
from fluvial.store.keys import listed
from reference.errors import TABLE, render
from reference.projects import handler
from tests import factories
from tests.factories import CONTEXT, answer, request

# The document's table of common error codes.
DOCUMENTED = {
    "INVALID_API_KEY": 401,
    "INSUFFICIENT_PERMISSIONS": 403,
    "RESOURCE_NOT_FOUND": 404,
    "VALIDATION_ERROR": 400,
    "RATE_LIMIT_EXCEEDED": 429,
    "INTERNAL_ERROR": 500,
}


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


def test_every_error_of_the_core_has_a_rendering() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.FluvialError)]
    for kind in kinds:
        if kind is not errors.FluvialError:
            assert any(parent in TABLE for parent in kind.__mro__), kind


def test_the_document_s_codes_have_their_statuses() -> None:
    rendered = {code: status for status, code in TABLE.values()}
    rendered[render(None, "req_1")[1]["error"]["code"]] = render(None, "req_1")[0]
    assert {code: rendered[code] for code in DOCUMENTED} == DOCUMENTED


def test_an_error_is_rendered_whole() -> None:
    error = errors.InvalidError("name", "'name' must not be empty.")
    assert render(error, "req_abc123") == (
        400,
        {
            "error": {
                "code": "VALIDATION_ERROR",
                "message": "'name' must not be empty.",
                "field": "name",
                "request_id": "req_abc123",
            }
        },
    )


@pytest.mark.parametrize("kind", ["project", "dataset", "key", "upload", "endpoint", "job", "route"])
def test_whatever_can_be_absent_can_be_rendered(kind: str) -> None:
    name: int | str = "/nothing" if kind == "route" else 1
    assert render(errors.NotFoundError(kind, name), "req_1")[0] == 404


def test_an_exhausted_limit_is_told_with_the_time_to_wait_and_spends_nothing(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(limits.POLICIES[("reference", "all")], "professional", limits.Policy(2, 3600))
    event = request("GET", "/projects", caller=caller)
    assert [answer(handler, event)[0] for _ in range(2)] == [200, 200]
    for _ in range(2):
        response = handler(event, CONTEXT)
        body, headers = json.loads(response["body"]), response["multiValueHeaders"]
        wait = int(headers["Retry-After"][0])
        assert 1 <= wait <= 3600
        assert (response["statusCode"], body) == (
            429,
            {
                "error": {
                    "code": "RATE_LIMIT_EXCEEDED",
                    "message": f"You've exceeded your rate limit of 2 requests; it resets in {wait} seconds.",
                    "field": None,
                    "request_id": headers["X-Request-Id"][0],
                }
            },
        )
        assert headers["X-RateLimit-Limit"] == ["2"]
        assert headers["X-RateLimit-Remaining"] == ["0"]
        assert int(headers["X-RateLimit-Reset"][0]) % 3600 == 0
        assert re.fullmatch(r'"default";r=0;t=\d+', headers["RateLimit"][0])
        assert headers["RateLimit-Policy"] == ['"default";q=2;w=3600']
        assert headers["Content-Type"] == ["application/json"]
    counted = table.query(listed(caller.account, "usage"))
    assert sum(item["used"] for item in counted) == 2


def test_the_limit_of_a_key_is_its_own(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(limits.POLICIES[("reference", "all")], "professional", limits.Policy(1, 3600))
    other_key = Caller(caller.account, caller.user, caller.key + 1, caller.plan, caller.scopes)
    assert answer(handler, request("GET", "/projects", caller=caller))[0] == 200
    assert answer(handler, request("GET", "/projects", caller=caller))[0] == 429
    assert answer(handler, request("GET", "/projects", caller=other_key))[0] == 200


def test_a_request_whose_counter_cannot_be_reached_is_let_through_without_headers(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise windows.UnreachableError("no answer")

    before = handler(request("GET", "/projects", caller=caller), CONTEXT)
    monkeypatch.setattr(windows, "count", unreachable)
    with caplog.at_level(logging.ERROR):
        response = handler(request("GET", "/projects", caller=caller), CONTEXT)
    assert (response["statusCode"], response["body"]) == (200, before["body"])
    assert not any("ratelimit" in name.lower() for name in response["multiValueHeaders"])
    assert [(record.message, record.exc_info is not None) for record in caplog.records] == [("limit not counted", True)]
    # It is the limit that is waived, and nothing else.
    reader = Caller(caller.account, caller.user, caller.key, caller.plan, frozenset({"data:read"}))
    assert answer(handler, request("GET", "/projects", caller=reader))[0] == 403


def test_a_refusal_counts_as_a_request(caller: Caller) -> None:
    refused = handler(request("GET", "/projects", caller=caller, query={"page": "0"}), CONTEXT)
    assert refused["multiValueHeaders"]["X-RateLimit-Remaining"] == ["9999"]


def test_a_defect_of_ours_is_an_internal_error_that_tells_nothing_but_the_request_id(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr(projects, "get", fail)
    event = request("GET", "/projects/{id}", caller=caller, path={"id": "proj_00000000001"})
    with caplog.at_level(logging.ERROR):
        response = handler(event, CONTEXT)
    request_id = f"req_{event['requestContext']['requestId']}"
    assert (response["statusCode"], json.loads(response["body"])) == (
        500,
        {
            "error": {
                "code": "INTERNAL_ERROR",
                "message": "Something went wrong on our side; the request id finds it in the logs.",
                "field": None,
                "request_id": request_id,
            }
        },
    )
    assert response["multiValueHeaders"]["X-Request-Id"] == [request_id]
    assert request_id in caplog.text
    assert "the secret inside" in caplog.text


def test_a_route_that_a_function_does_not_have_is_answered_in_the_envelope(caller: Caller) -> None:
    status, refusal = answer(handler, request("GET", "/nothing", caller=caller))
    assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (404, "RESOURCE_NOT_FOUND", None)


def test_a_body_in_broken_utf_8_is_refused(caller: Caller) -> None:
    # As a multipart label makes the gateway send it: in base64.
    event = request("POST", "/projects", caller=caller, raw="eyJuYW1lIjoi/yJ9", base64=True)
    status, refusal = answer(handler, event)
    assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (400, "VALIDATION_ERROR", None)
    assert "codec" not in refusal["error"]["message"]


def test_no_answer_repeats_more_than_a_part_of_what_was_sent(caller: Caller) -> None:
    long = "x" * 5_000
    for event in (
        request("GET", "/projects", caller=caller, query={"sort": long}),
        request("GET", "/projects/{id}", caller=caller, path={"id": long}),
        request("POST", "/projects", caller=caller, body={"name": 5, long: 1}),
        request("POST", "/projects", caller=caller, body={"name": "n", long: 1}),
    ):
        status, refusal = answer(handler, event)
        assert status in (400, 404)
        assert len(json.dumps(refusal)) < 1_000


def test_an_answer_that_lambda_could_not_carry_is_refused_and_never_cut(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(handler, request("POST", "/projects", caller=caller, body={"name": "n" * 200}))
    monkeypatch.setattr("fluvial.http.app.MAX_ANSWER_BYTES", 200)
    status, refusal = answer(handler, request("GET", "/projects", caller=caller))
    assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (413, "PAYLOAD_TOO_LARGE", "per_page")
    assert "ask for fewer items" in refusal["error"]["message"]
