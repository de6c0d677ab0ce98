"""The error table of the Fluxjiva API, and the answers that only a failing or exhausted stack gives, on moto."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from fluvial import errors, limits
from fluvial.caller import Caller
from fluvial.store import projects
from fluxjiva.errors import PREFIXES, TABLE, render
from reference.projects import handler as reference
from tests.factories import CONTEXT, request
from tests.fluxjiva.calls import GROUPS, Api, refusal

# The document's list of statuses; its one code is invalid_parameter.
DOCUMENTED = {
    400: "invalid_parameter",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    429: "rate_limit_exceeded",
}


def test_every_error_of_the_core_has_a_rendering() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.FluvialError)]
    for kind in kinds:
        if kind is not errors.FluvialError:
            assert any(parent in TABLE for parent in kind.__mro__), kind


def test_the_document_s_statuses_have_their_codes() -> None:
    rendered = dict(TABLE.values())
    assert {status: rendered[status] for status in DOCUMENTED} == DOCUMENTED
    assert all(re.fullmatch(r"[a-z_]+", code) for code in rendered.values())


def test_the_document_s_error_is_rendered_letter_for_letter() -> None:
    reason = "The parameter 'limit' must be a number between 1 and 100"
    error = errors.InvalidError("limit", reason, value="200", constraint="1-100")
    assert json.dumps(render(error, "req_1")[1], indent=0) == (
        '{\n"error": {\n"code": "invalid_parameter",\n'
        '"message": "The parameter \'limit\' must be a number between 1 and 100",\n'
        '"details": {\n"parameter": "limit",\n"value": "200",\n"constraint": "1-100"\n}\n}\n}'
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [("x", "x"), (5, "5"), (1.5, "1.5"), (True, "true"), ([1, "a"], '[1, "a"]'), ({"a": None}, '{"a": null}')],
)
def test_every_value_is_told_as_a_string(value: object, shown: str) -> None:
    error = errors.InvalidError("field", "No.", value=value, constraint="another")
    expected = refusal("invalid_parameter", "No", parameter="field", value=shown, constraint="another")
    assert render(error, "req_1") == (400, expected)


def test_a_long_value_is_told_in_part() -> None:
    for value in ("v" * 1_000, ["v"] * 1_000):
        _, body = render(errors.InvalidError("field", "No.", value=value), "req_1")
        assert len(body["error"]["details"]["value"]) == errors.MAX_SHOWN


@pytest.mark.parametrize(("field", "parameter"), [("format", "type"), ("data_id", "data_source_id"), ("name", "name")])
def test_a_field_is_called_as_this_api_calls_it(field: str, parameter: str) -> None:
    _, body = render(errors.InvalidError(field, "No."), "req_1")
    assert body == refusal("invalid_parameter", "No", parameter=parameter)


@pytest.mark.parametrize("kind", [*PREFIXES, "route"])
def test_whatever_can_be_absent_can_be_rendered(kind: str) -> None:
    name: int | str = "/nothing" if kind == "route" else 1
    status, body = render(errors.NotFoundError(kind, name), "req_1")
    assert (status, body["error"]["code"], body["error"]["details"]) == (404, "not_found", {})


def test_every_kind_of_id_in_a_path_has_a_rendering() -> None:
    kinds = {
        note.kind
        for group in GROUPS
        for route in group.app.routes
        for type in route.types.values()
        for note in getattr(type, "__metadata__", ())
    }
    assert kinds == set(PREFIXES)


def test_an_exhausted_limit_is_told_with_the_time_to_wait_and_spends_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(limits.POLICIES[("fluxjiva", "all")], "professional", limits.Policy(2, 3600))
    assert [api.get("/projects")[0] for _ in range(2)] == [200, 200]
    for _ in range(2):
        answer = api.send("GET", "/projects")
        headers = answer["multiValueHeaders"]
        wait = int(headers["Retry-After"][0])
        assert 1 <= wait <= 3600
        message = f"You've exceeded your rate limit of 2 requests; it resets in {wait} seconds"
        assert (answer["statusCode"], json.loads(answer["body"])) == (429, refusal("rate_limit_exceeded", message))
        assert headers["X-RateLimit-Limit"] == ["2"]
        assert headers["X-RateLimit-Remaining"] == ["0"]
        assert int(headers["X-RateLimit-Reset"][0]) % 3600 == 0
        assert headers["Content-Type"] == ["application/json"]


@pytest.mark.parametrize(
    ("plan", "limit"), [("free", 20), ("standard", 60), ("professional", 300), ("enterprise", 3000)]
)
def test_a_plan_has_its_limit_per_minute(caller: Caller, plan: str, limit: int) -> None:
    headers = Api(replace(caller, plan=plan)).send("GET", "/projects")["multiValueHeaders"]
    assert headers["X-RateLimit-Limit"] == [str(limit)]
    assert headers["X-RateLimit-Remaining"] == [str(limit - 1)]
    assert int(headers["X-RateLimit-Reset"][0]) % 60 == 0
    assert headers["RateLimit-Policy"] == [f'"default";q={limit};w=60']


def test_a_contract_s_limit_stands_in_place_of_the_plan_s(caller: Caller) -> None:
    own = Api(replace(caller, plan="enterprise", limits={"fluxjiva": 7, "reference": 9}))
    assert own.send("GET", "/projects")["multiValueHeaders"]["X-RateLimit-Limit"] == ["7"]


def test_the_limits_of_two_apis_do_not_take_from_each_other(caller: Caller, api: Api) -> None:
    api.get("/projects")
    headers = reference(request("GET", "/projects", caller=caller), CONTEXT)["multiValueHeaders"]
    assert headers["X-RateLimit-Remaining"] == [str(int(headers["X-RateLimit-Limit"][0]) - 1)]


def test_a_defect_tells_nothing_but_the_request_id(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("a secret of the house")

    monkeypatch.setattr(projects, "get", broken)
    answer = api.send("GET", "/projects/proj_00000000001")
    (request_id,) = answer["multiValueHeaders"]["X-Request-Id"]
    message = "Something went wrong on our side; the request id finds it in the logs"
    body = refusal("internal_error", message, request_id=request_id)
    assert (answer["statusCode"], json.loads(answer["body"])) == (500, body)


def test_every_answer_carries_the_request_id_and_what_a_browser_needs(api: Api) -> None:
    for path in ("/projects", "/projects/proj_789012"):
        headers = api.send("GET", path)["multiValueHeaders"]
        assert headers["X-Request-Id"][0].startswith("req_")
        assert headers["Access-Control-Allow-Origin"] == ["*"]
        assert headers["Cache-Control"] == ["no-store"]
