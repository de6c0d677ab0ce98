"""The error table of the Fluxx API, and the answers that only a failing or exhausted stack gives, on moto."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from typing import Any

import pytest

from fluvial import errors, limits
from fluvial.store import records
from fluxx.errors import BAD_TOKEN, TABLE, render
from tests.fluxx.calls import Api, refusal

V2 = "/api/rest/v2"
ONE_OF_EACH_CLASS = {"list": f"{V2}/program", "get": f"{V2}/program/1", "all": "/poll/queues"}


def test_every_error_of_the_core_has_a_rendering() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.FluvialError)]
    for kind in kinds:
        if kind not in (errors.FluvialError, errors.UnchangedError):
            assert any(parent in TABLE for parent in kind.__mro__), kind


def test_only_a_bad_token_and_a_limit_have_statuses_of_their_own() -> None:
    assert {kind: status for kind, (status, _) in TABLE.items() if status != 200} == {
        errors.UnauthenticatedError: 401,
        errors.LimitedError: 429,
    }
    assert render(errors.UnauthenticatedError("whatever"), "req_1") == (401, refusal(BAD_TOKEN, 401))
    assert render(errors.NotFoundError("route", "/nothing"), "req_1") == (
        404,
        refusal("No such route: '/nothing'.", 404),
    )


def test_reasons_are_json_text_by_field_but_of_an_unknown_class_the_words_that_clients_look_for() -> None:
    invalid = errors.InvalidError("name", "'name' is required.")
    assert render(invalid, "req_1") == (200, refusal({"name": ["'name' is required."]}))
    assert render(errors.ConflictError("Try again."), "req_1") == (200, refusal({"base": ["Try again."]}))
    unknown = errors.UnknownModelError("Foo")
    assert render(unknown, "req_1") == (200, refusal("#<NameError: uninitialized constant Foo>"))


@pytest.mark.parametrize("of", ONE_OF_EACH_CLASS)
def test_an_exhausted_limit_of_a_class_of_routes_is_told_with_the_time_to_wait(
    api: Api, of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(limits.POLICIES[("fluxx", of)], "professional", limits.Policy(1, 3600))
    assert api.get(ONE_OF_EACH_CLASS[of])[0] == 200
    answer = api.send("GET", ONE_OF_EACH_CLASS[of])
    headers = answer["multiValueHeaders"]
    wait = int(headers["Retry-After"][0])
    message = f"You've exceeded your rate limit of 1 requests; it resets in {wait} seconds."
    assert (answer["statusCode"], json.loads(answer["body"])) == (429, refusal(message, 429))
    # The other classes are counted by themselves.
    assert {api.get(path)[0] for other, path in ONE_OF_EACH_CLASS.items() if other != of} == {200}


@pytest.mark.parametrize(("of", "limit"), [("list", 1_500), ("get", 180), ("all", 60)])
@pytest.mark.parametrize("plan", ["free", "standard", "professional", "enterprise"])
def test_a_class_of_routes_has_its_limit_per_minute(owner: Api, of: str, limit: int, plan: str) -> None:
    limit = limit * 10 if plan == "enterprise" else limit
    headers = Api(replace(owner.caller, plan=plan)).send("GET", ONE_OF_EACH_CLASS[of])["multiValueHeaders"]
    assert headers["X-RateLimit-Limit"] == [str(limit)]
    assert headers["X-RateLimit-Remaining"] == [str(limit - 1)]
    assert headers["RateLimit-Policy"] == [f'"default";q={limit};w=60']


def test_a_defect_tells_nothing_but_the_request_id(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("a secret of the house")

    monkeypatch.setattr(records, "get", broken)
    answer = api.send("GET", f"{V2}/program/1")
    (request_id,) = answer["multiValueHeaders"]["X-Request-Id"]
    message = f"Something went wrong on our side; the request id {request_id} finds it in the logs."
    assert (answer["statusCode"], json.loads(answer["body"])) == (500, refusal(message, 500))
