"""GET /status through its handler, on moto."""

from __future__ import annotations

import re

import pytest

from fluvial import VERSION, config
from reference.status import handler
from tests.factories import CONTEXT, answer, request


@pytest.mark.usefixtures("aws")
def test_the_status_is_open_to_all_and_operational_while_the_table_answers() -> None:
    status, body = answer(handler, request("GET", "/status"))
    assert (status, body) == (
        200,
        {"status": "operational", "version": VERSION, "timestamp": body["timestamp"]},
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["timestamp"])


def test_the_status_is_degraded_where_the_table_does_not_answer(
    aws: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUVIAL_TABLE", "no-such-table")
    config.settings.cache_clear()
    status, body = answer(handler, request("GET", "/status"))
    assert (status, body["status"]) == (200, "degraded")


@pytest.mark.usefixtures("aws")
def test_a_status_answer_has_a_request_id_and_no_limit() -> None:
    event = request("GET", "/status")
    headers = handler(event, CONTEXT)["multiValueHeaders"]
    assert headers["X-Request-Id"] == [f"req_{event['requestContext']['requestId']}"]
    assert not [name for name in headers if "ratelimit" in name.lower()]
