"""The keys group through its handler, and the authorizer that takes the keys, on moto."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from authorizer.authorize import handler as authorize
from fluvial import aws as clients
from fluvial import clock, ids, keys
from fluvial.caller import Caller
from reference.keys import handler
from tests import factories
from tests.factories import answer, request

ARN = "arn:aws:execute-api:us-east-1:123456789012:api/v1/GET/projects"


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


def create(caller: Caller, **body: Any) -> dict[str, Any]:
    status, key = answer(handler, request("POST", "/keys", caller=caller, body=body))
    assert status == 201
    return key


def listed(caller: Caller) -> list[dict[str, Any]]:
    return answer(handler, request("GET", "/keys", caller=caller))[1]["data"]


def authorized(header: str | None) -> dict[str, Any]:
    headers = {} if header is None else {"Authorization": header}
    return authorize({"headers": headers, "methodArn": ARN, "requestContext": {"requestId": "r"}}, None)


def effect(secret: str) -> str:
    return authorized(f"Bearer {secret}")["policyDocument"]["Statement"][0]["Effect"]


def whole_table(aws: dict[str, str]) -> str:
    return json.dumps(clients.client("dynamodb").scan(TableName=aws["Table"])["Items"], default=str)


def test_a_new_key_is_answered_whole_with_its_secret(caller: Caller) -> None:
    key = create(caller, name="Reader", scopes=["projects:read", "data:read"], expires_at="2027-01-01T00:00:00+01:00")
    assert key == {
        "id": key["id"],
        "name": "Reader",
        "type": "user",
        "user_id": ids.spell(ids.USER, caller.user),
        "project_id": None,
        "scopes": ["data:read", "projects:read"],
        "hint": key["key"][-4:],
        "created_at": key["created_at"],
        "expires_at": "2026-12-31T23:00:00Z",
        "revoked_at": None,
        "replaced_by": None,
        "last_used_at": None,
        "key": key["key"],
    }
    assert keys.well_formed(key["key"])


def test_a_secret_is_shown_once_and_stored_nowhere(aws: dict[str, str], caller: Caller) -> None:
    key = create(caller, name="Secret")
    shown = [item for item in listed(caller) if item["id"] == key["id"]]
    assert shown == [{name: value for name, value in key.items() if name != "key"}]
    assert key["key"] not in whole_table(aws)
    assert keys.digest(key["key"]) in whole_table(aws)


def test_a_key_without_scopes_gets_those_of_the_key_that_makes_it(caller: Caller) -> None:
    maker = replace(caller, scopes=frozenset({"keys:write", "data:read"}))
    assert create(maker, name="Same")["scopes"] == ["data:read", "keys:write"]


def test_a_key_cannot_give_a_scope_that_it_lacks(caller: Caller) -> None:
    maker = replace(caller, scopes=frozenset({"keys:write", "data:read"}))
    for scopes in (["data:write"], ["*"], ["data:read", "users:write"]):
        status, refusal = answer(handler, request("POST", "/keys", caller=maker, body={"name": "n", "scopes": scopes}))
        assert (status, refusal["error"]["code"]) == (403, "INSUFFICIENT_PERMISSIONS")
    assert [key["name"] for key in listed(caller)] == ["First key"]


def test_a_new_key_opens_what_it_is_for(caller: Caller) -> None:
    key = create(caller, name="Reader", scopes=["projects:read"])
    allowed = authorized(f"Bearer {key['key']}")
    assert allowed["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    assert allowed["context"] == {
        "account": str(caller.account),
        "user": str(caller.user),
        "key": allowed["context"]["key"],
        "plan": "professional",
        "scopes": "projects:read",
        "role": "owner",
    }


def test_a_revoked_key_opens_nothing_and_stays_in_the_list(caller: Caller) -> None:
    key = create(caller, name="Short-lived")
    revoke = request("DELETE", "/keys/{id}", caller=caller, path={"id": key["id"]})
    assert effect(key["key"]) == "Allow"
    assert answer(handler, revoke) == (200, {"success": True, "message": "API key revoked successfully"})
    assert effect(key["key"]) == "Deny"
    shown = next(item for item in listed(caller) if item["id"] == key["id"])
    assert shown["revoked_at"] is not None


def test_revoking_a_key_again_changes_nothing(caller: Caller) -> None:
    key = create(caller, name="Short-lived")
    revoke = request("DELETE", "/keys/{id}", caller=caller, path={"id": key["id"]})
    answer(handler, revoke)
    before = listed(caller)
    assert answer(handler, revoke)[0] == 200
    assert listed(caller) == before


def test_an_expired_key_opens_nothing(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    key = create(caller, name="Ends", expires_at="2027-01-01T00:00:00Z")
    assert effect(key["key"]) == "Allow"
    end = 1_798_761_600_000
    monkeypatch.setattr(clock, "now", lambda: end - 1)
    assert effect(key["key"]) == "Allow"
    monkeypatch.setattr(clock, "now", lambda: end)
    assert effect(key["key"]) == "Deny"


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer YOUR_API_KEY", "Bearer flv_", "Bearer ü" * 21]
)
def test_no_key_and_a_malformed_one_open_nothing_and_cost_no_read(header: str | None) -> None:
    # There is no table here: a read would fail.
    assert authorized(header)["policyDocument"]["Statement"][0]["Effect"] == "Deny"


def test_a_typo_in_a_key_is_found_without_a_read() -> None:
    secret = keys.new_secret()
    for position in range(len(secret)):
        typo = secret[:position] + ("a" if secret[position] != "a" else "b") + secret[position + 1 :]
        assert effect(typo) == "Deny"


def test_keys_of_another_account_are_neither_listed_nor_revoked(caller: Caller) -> None:
    key, stranger = create(caller, name="Mine"), factories.new_caller()
    assert [item["name"] for item in listed(stranger)] == ["First key"]
    foreign = request("DELETE", "/keys/{id}", caller=stranger, path={"id": key["id"]})
    status, refusal = answer(handler, foreign)
    assert (status, refusal["error"]["message"]) == (404, f"No key '{key['id']}' exists.")
    assert effect(key["key"]) == "Allow"


def test_keys_come_newest_first_by_page(caller: Caller) -> None:
    for number in range(3):
        create(caller, name=f"Key {number}")
    _, page = answer(handler, request("GET", "/keys", caller=caller, query={"per_page": "2", "page": "2"}))
    assert [key["name"] for key in page["data"]] == ["Key 0", "First key"]
    assert page["pagination"] == {"total": 4, "page": 2, "per_page": 2, "total_pages": 2}
    assert page["links"] == {"next": None, "prev": "/v1/keys?per_page=2&page=1"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "n", "scopes": []}, "scopes"),
        ({"name": "n", "scopes": ["projects:fly"]}, "scopes"),
        ({"name": "n", "scopes": "projects:read"}, "scopes"),
        ({"name": "n", "scopes": [1]}, "scopes.0"),
        ({"name": "n", "expires_at": "tomorrow"}, "expires_at"),
        ({"name": "n", "expires_at": "2027-01-01T00:00:00"}, "expires_at"),
        ({"name": "n", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "n", "expires_at": "2099-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "n", "type": "robot"}, "type"),
        ({"name": "n", "type": "system", "user_id": "user_00000000001"}, "user_id"),
    ],
)
def test_a_bad_key_is_refused_by_field_and_not_made(caller: Caller, body: dict[str, Any], field: str) -> None:
    status, refusal = answer(handler, request("POST", "/keys", caller=caller, body=body))
    assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (400, "VALIDATION_ERROR", field)
    assert [key["name"] for key in listed(caller)] == ["First key"]


@pytest.mark.parametrize(
    ("expires", "allowed"), [(1_798_761_600, "a string"), ("1798761600", "ISO 8601"), (True, "a string")]
)
def test_an_expiry_is_a_text_and_never_a_bare_number(caller: Caller, expires: object, allowed: str) -> None:
    body = {"name": "n", "expires_at": expires}
    status, refusal = answer(handler, request("POST", "/keys", caller=caller, body=body))
    assert (status, refusal["error"]["field"]) == (400, "expires_at")
    assert allowed in refusal["error"]["message"]
    assert [key["name"] for key in listed(caller)] == ["First key"]
