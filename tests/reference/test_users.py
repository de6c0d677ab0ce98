"""The user of a key through its handler, on moto."""

from __future__ import annotations

from typing import Any

import pytest

from fluvial import accounts, ids
from fluvial.caller import Caller
from fluvial.store import accounts as store
from reference.users import handler
from tests import factories
from tests.factories import answer, request


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


def me(caller: Caller) -> dict[str, Any]:
    status, user = answer(handler, request("GET", "/users/me", caller=caller))
    assert status == 200
    return user


def change(caller: Caller, **body: Any) -> tuple[int, Any]:
    return answer(handler, request("PUT", "/users/me", caller=caller, body=body))


def test_the_user_is_answered_whole(aws: dict[str, str]) -> None:
    account, user, _ = accounts.create(email="user@example.com", plan="professional", name="John Doe")
    found = me(Caller(account.id, user.id, account.id, "professional", frozenset({"users:read"})))
    assert found == {
        "id": ids.spell(ids.USER, user.id),
        "email": "user@example.com",
        "name": "John Doe",
        "created_at": found["created_at"],
        "plan": "professional",
    }


def test_an_update_changes_only_what_it_names(caller: Caller) -> None:
    before = me(caller)
    assert change(caller, name="Jane Doe") == (200, {**before, "name": "Jane Doe"})
    assert me(caller) == {**before, "name": "Jane Doe"}


def test_a_new_address_frees_the_old_one(caller: Caller) -> None:
    before = me(caller)
    assert change(caller, email="new@example.com") == (200, {**before, "email": "new@example.com"})
    assert store.email_is_taken("new@example.com")
    assert not store.email_is_taken(before["email"])
    accounts.create(email=before["email"], plan="free")


@pytest.mark.parametrize("spelling", ["taken@example.com", "TAKEN@Example.com"])
def test_an_address_of_another_user_is_refused_and_nothing_changes(caller: Caller, spelling: str) -> None:
    accounts.create(email="taken@example.com", plan="free")
    before = me(caller)
    status, refusal = change(caller, name="Jane Doe", email=spelling)
    assert (status, refusal) == (
        409,
        {
            "error": {
                "code": "CONFLICT",
                "message": "Another user has this e-mail address.",
                "field": "email",
                "request_id": refusal["error"]["request_id"],
            }
        },
    )
    assert me(caller) == before
    assert store.email_is_taken(before["email"])


def test_one_s_own_address_in_another_case_is_no_conflict(caller: Caller) -> None:
    before = me(caller)
    louder = before["email"].upper()
    assert change(caller, email=louder) == (200, {**before, "email": louder})
    assert change(caller, email=louder)[0] == 200
    assert store.email_is_taken(before["email"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, None),
        ({"name": None, "email": None}, None),
        ({"name": ""}, "name"),
        ({"name": "n" * 201}, "name"),
        ({"name": 5}, "name"),
        ({"email": "nobody"}, "email"),
        ({"email": "a@b"}, "email"),
        ({"email": "a@b..example.com"}, "email"),
        ({"email": "a b@example.com"}, "email"),
        ({"email": "a@example.com\nBcc: b@example.com"}, "email"),
        ({"email": "a" * 250 + "@example.com"}, "email"),
        ({"plan": "enterprise"}, "plan"),
    ],
)
def test_a_bad_profile_is_refused_by_field_and_nothing_changes(
    caller: Caller, body: dict[str, Any], field: str | None
) -> None:
    before = me(caller)
    status, refusal = change(caller, **body)
    assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (400, "VALIDATION_ERROR", field)
    assert me(caller) == before


def test_a_reading_key_may_not_change_the_user(caller: Caller) -> None:
    reader = Caller(caller.account, caller.user, caller.key, caller.plan, frozenset({"users:read"}))
    assert change(reader, name="Jane Doe")[0] == 403
    assert me(reader)["name"] != "Jane Doe"
