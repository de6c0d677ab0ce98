"""How errors are told: one envelope, whatever is wrong."""

from __future__ import annotations

import re

import pytest

from codefluss.errors import PREFIXES, TABLE, WIRE_NAMES, render_for
from fluvial import errors, limits, projects
from fluvial.caller import Caller
from fluvial.limits import Policy
from tests import factories, template
from tests.codefluss.calls import Api, refusal


def test_every_error_of_the_core_has_a_status_and_a_code() -> None:
    def all_below(kind: type[errors.FluvialError]) -> set[type[errors.FluvialError]]:
        return {kind, *(below for each in kind.__subclasses__() for below in all_below(each))}

    known = all_below(errors.FluvialError) - {errors.FluvialError}
    assert [kind for kind in known if not any(base in TABLE for base in kind.__mro__)] == []


def test_the_document_s_status_codes_are_among_ours() -> None:
    assert {400, 401, 403, 404, 429} <= {status for status, _ in TABLE.values()}


def test_the_document_s_example_is_told_to_the_letter(api: Api) -> None:
    assert api.post("/projects", {"name": "My"}) == (
        400,
        {
            "success": False,
            "error": {
                "code": "VALIDATION_ERROR",
                "message": "Invalid project name",
                "details": {"field": "name", "reason": "Name must be at least 3 characters"},
            },
        },
    )


def test_a_defect_tells_the_request_id_and_nothing_else(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the table is on fire at arn:aws:secret")

    monkeypatch.setattr(projects, "behind", broken)
    answer = api.send("GET", "/projects")
    (request_id,) = answer["multiValueHeaders"]["X-Request-Id"]
    message = "Something went wrong on our side; the request id finds it in the logs."
    assert answer["statusCode"] == 500
    assert api.get("/projects")[1]["error"]["code"] == "INTERNAL_ERROR"
    assert message in answer["body"]
    assert request_id in answer["body"]
    assert "fire" not in answer["body"]
    assert "arn" not in answer["body"]


def test_a_used_up_limit_is_a_429_that_says_when_to_come_again(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(limits.POLICIES, ("codefluss", "all"), {"professional": Policy(1, 3600)})
    api = Api(caller)
    assert api.send("GET", "/projects")["multiValueHeaders"]["X-RateLimit-Remaining"] == ["0"]
    answer = api.send("GET", "/projects")
    (retry_after,) = answer["multiValueHeaders"]["Retry-After"]
    assert answer["statusCode"] == 429
    assert 0 < int(retry_after) <= 3600
    assert answer["multiValueHeaders"]["X-RateLimit-Limit"] == ["1"]
    assert answer["multiValueHeaders"]["X-RateLimit-Remaining"] == ["0"]
    status, body = api.get("/projects")
    assert (status, body["error"]["code"], body["error"]["details"]) == (429, "RATE_LIMIT_EXCEEDED", {})


@pytest.mark.parametrize(
    ("plan", "limit"), [("free", 60), ("standard", 120), ("professional", 600), ("enterprise", 3000)]
)
def test_every_plan_has_its_limit_per_minute(aws: dict[str, str], plan: str, limit: int) -> None:
    headers = Api(factories.new_caller(plan)).send("GET", "/projects")["multiValueHeaders"]
    assert (headers["X-RateLimit-Limit"], headers["RateLimit-Policy"]) == ([str(limit)], [f'"default";q={limit};w=60'])


def test_fields_are_spelled_as_this_api_does_in_sentences_too() -> None:
    error = errors.InvalidError("section_ids.3", "'section_ids' lacks sec_1; 'parent_id' is wrong.")
    _, body = render_for("section")(error, "req_1")
    assert body == refusal(
        "VALIDATION_ERROR",
        "Invalid section sectionIds.3",
        field="sectionIds.3",
        reason="'sectionIds' lacks sec_1; 'parentId' is wrong",
    )
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for name in WIRE_NAMES)


def test_every_kind_of_thing_has_its_prefix() -> None:
    assert PREFIXES == {"project": "proj", "page": "page", "section": "sec"}


def test_what_the_gateway_answers_has_the_same_envelope() -> None:
    api = template.written()["Resources"]["CodeflussApi"]["Properties"]["GatewayResponses"]
    codes = {code for _, code in TABLE.values()} | {"INTERNAL_ERROR", "UNSUPPORTED_MEDIA_TYPE"}
    for response in api.values():
        text = response["ResponseTemplates"]["application/json"]
        found = re.fullmatch(
            r'\{"success": false, "error": \{"code": "(\w+)", "message": ".+", "details": \{\}\}\}', text
        )
        assert found is not None
        assert found[1] in codes
