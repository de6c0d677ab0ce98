"""The error table of the Flarelight API, and the answers that only a failing or exhausted stack gives, on moto."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from flarelight.errors import PREFIXES, TABLE, render
from fluvial import errors, limits
from fluvial.caller import Caller
from fluvial.store import datasets
from tests.flarelight.calls import Api, absent, groups, refusal

# The document's list of statuses. It has no 413, 422 and 429; 500 is no error of the core.
DOCUMENTED = {400, 401, 403, 404}


def test_every_error_of_the_core_has_a_rendering() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.FluvialError)]
    for kind in kinds:
        if kind is not errors.FluvialError:
            assert any(parent in TABLE for parent in kind.__mro__), kind


def test_the_document_s_statuses_are_answered_and_codes_are_in_capitals() -> None:
    assert {status for status, _ in TABLE.values()} >= DOCUMENTED
    assert all(re.fullmatch(r"[A-Z_]+", code) for _, code in TABLE.values())


@pytest.mark.parametrize("kind", [*PREFIXES, "route"])
def test_whatever_can_be_absent_can_be_rendered(kind: str) -> None:
    name: int | str = "/nothing" if kind == "route" else 1
    status, body = render(errors.NotFoundError(kind, name), "req_1")
    assert (status, body["data"], body["messages"][0]["code"]) == (404, None, "NOT_FOUND")


def test_every_kind_of_id_in_a_path_has_a_rendering() -> None:
    kinds = {
        note.kind
        for group in groups()
        for route in group.app.routes
        for type in route.types.values()
        for note in getattr(type, "__metadata__", ())
        if hasattr(note, "prefix")
    }
    assert kinds <= set(PREFIXES)


def test_an_exhausted_limit_is_told_with_the_time_to_wait_and_spends_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(limits.POLICIES[("flarelight", "all")], "professional", limits.Policy(2, 3600))
    assert [api.get("/Import/All")[0] for _ in range(2)] == [200, 200]
    for _ in range(2):
        answer = api.send("GET", "/Import/All")
        headers = answer["multiValueHeaders"]
        wait = int(headers["Retry-After"][0])
        assert 1 <= wait <= 3600
        message = f"You've exceeded your rate limit of 2 requests; it resets in {wait} seconds."
        assert (answer["statusCode"], json.loads(answer["body"])) == (429, refusal("RATE_LIMIT_EXCEEDED", message))
        assert headers["X-RateLimit-Limit"] == ["2"]
        assert headers["X-RateLimit-Remaining"] == ["0"]


@pytest.mark.parametrize(
    ("plan", "limit"), [("free", 30), ("standard", 120), ("professional", 600), ("enterprise", 3000)]
)
def test_a_plan_has_its_limit_per_minute(caller: Caller, plan: str, limit: int) -> None:
    headers = Api(replace(caller, plan=plan)).send("GET", "/Import/All")["multiValueHeaders"]
    assert headers["X-RateLimit-Limit"] == [str(limit)]
    assert headers["X-RateLimit-Remaining"] == [str(limit - 1)]
    assert int(headers["X-RateLimit-Reset"][0]) % 60 == 0
    assert headers["RateLimit-Policy"] == [f'"default";q={limit};w=60']


def test_a_defect_tells_nothing_but_the_request_id(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("a secret of the house")

    monkeypatch.setattr(datasets, "get", broken)
    answer = api.send("GET", f"/Import/{absent('data')}")
    (request_id,) = answer["multiValueHeaders"]["X-Request-Id"]
    message = "Something went wrong on our side; the request id finds it in the logs."
    body = refusal("INTERNAL_ERROR", message)
    body["messages"][0]["requestId"] = request_id
    assert (answer["statusCode"], json.loads(answer["body"])) == (500, body)


def test_every_answer_carries_the_request_id_and_what_a_browser_needs(api: Api) -> None:
    for path in ("/Import/All", "/Import/absent"):
        headers = api.send("GET", path)["multiValueHeaders"]
        assert headers["X-Request-Id"][0].startswith("req_")
        assert headers["Access-Control-Allow-Origin"] == ["*"]
        assert headers["Cache-Control"] == ["no-store"]
