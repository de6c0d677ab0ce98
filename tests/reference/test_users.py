"""The users group through its handler, on moto."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fluvial import accounts, clock, ids, keys
from fluvial import aws as clients
from fluvial.caller import Caller
from fluvial.errors import ConflictError, NotFoundError
from fluvial.store import accounts as store
from fluvial.store import table
from fluvial.store.attributes import item_from_wire
from fluvial.store.keys import key_secret
from reference.users import handler
from tests import factories
from tests.costs import Cost, counted
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
    opened = accounts.create(email="user@example.com", plan="professional", name="John Doe")
    account, user = opened.account, opened.user
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


# ---------------------------------------------------------------- the users of an account


def member(caller: Caller, role: str, **key: Any) -> tuple[accounts.User, Caller]:
    """A user in this role, and the caller that a key of theirs makes."""
    user = factories.new_member(caller, role)
    _, secret = keys.create(caller, name="Theirs", user_id=user.id, **key)
    return user, factories.caller_of(secret)


def listed(caller: Caller) -> list[dict[str, Any]]:
    status, page = answer(handler, request("GET", "/users", caller=caller))
    assert status == 200
    return page["data"]


def invite(caller: Caller, **body: Any) -> tuple[int, Any]:
    return answer(handler, request("POST", "/users", caller=caller, body=body))


def set_role(caller: Caller, user_id: int, role: object) -> tuple[int, Any]:
    path = {"id": ids.spell(ids.USER, user_id)}
    return answer(handler, request("PUT", "/users/{id}", caller=caller, path=path, body={"role": role}))


def remove(caller: Caller, user_id: int) -> tuple[int, Any]:
    return answer(handler, request("DELETE", "/users/{id}", caller=caller, path={"id": ids.spell(ids.USER, user_id)}))


def invitations(aws: dict[str, str]) -> list[dict[str, Any]]:
    items = clients.client("dynamodb").scan(TableName=aws["Table"])["Items"]
    found = [item_from_wire(item) for item in items if item["type"]["S"] == "event"]
    return [json.loads(event["data"]) for event in found if event["event_type"] == "user.invited"]


def test_an_invited_user_is_answered_whole_and_told_in_an_event(aws: dict[str, str], caller: Caller) -> None:
    status, user = invite(caller, email="ben@example.com", role="editor", name="Ben")
    assert (status, user) == (
        201,
        {
            "id": user["id"],
            "email": "ben@example.com",
            "name": "Ben",
            "role": "editor",
            "created_at": user["created_at"],
        },
    )
    assert invitations(aws) == [user]
    assert listed(caller)[0] == user
    assert store.email_is_taken("ben@example.com")


def test_an_invited_user_without_a_name_is_called_as_the_address_begins(caller: Caller) -> None:
    assert invite(caller, email="ben@example.com", role="viewer")[1]["name"] == "ben"


def test_an_invited_user_has_no_key_until_one_is_made_for_them(caller: Caller) -> None:
    user = factories.new_member(caller, "viewer")
    assert [key.user for key in keys.page(caller, offset=0, limit=9).items] == [caller.user]
    key, secret = keys.create(caller, name="Theirs", user_id=user.id)
    assert key.user == user.id
    assert me(factories.caller_of(secret))["email"] == user.email


@pytest.mark.parametrize("spelling", ["taken@example.com", "TAKEN@Example.com"])
def test_an_address_of_any_account_is_not_invited_again(aws: dict[str, str], caller: Caller, spelling: str) -> None:
    accounts.create(email="taken@example.com", plan="free")
    status, refusal = invite(caller, email=spelling, role="viewer")
    assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (409, "CONFLICT", "email")
    assert len(listed(caller)) == 1
    assert invitations(aws) == []


def test_the_same_invitation_again_under_its_key_makes_no_second_user(caller: Caller) -> None:
    event = request(
        "POST",
        "/users",
        caller=caller,
        body={"email": "ben@example.com", "role": "viewer"},
        headers={"Idempotency-Key": "once"},
    )
    first = answer(handler, event)
    assert first[0] == 201
    assert answer(handler, event) == first
    assert len(listed(caller)) == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "viewer"}, "email"),
        ({"email": "a@example.com"}, "role"),
        ({"email": "nobody", "role": "viewer"}, "email"),
        ({"email": "a@example.com", "role": "system"}, "role"),
        ({"email": "a@example.com", "role": "Owner"}, "role"),
        ({"email": "a@example.com", "role": None}, "role"),
        ({"email": "a@example.com", "role": "viewer", "name": ""}, "name"),
        ({"email": "a@example.com", "role": "viewer", "plan": "enterprise"}, "plan"),
    ],
)
def test_a_bad_invitation_is_refused_by_field_and_nobody_is_made(
    caller: Caller, body: dict[str, Any], field: str
) -> None:
    status, refusal = invite(caller, **body)
    assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (400, "VALIDATION_ERROR", field)
    assert len(listed(caller)) == 1
    assert not store.email_is_taken("a@example.com")


def test_users_come_newest_first_by_page(caller: Caller) -> None:
    members = [factories.new_member(caller, "viewer") for _ in range(3)]
    _, page = answer(handler, request("GET", "/users", caller=caller, query={"per_page": "2", "page": "2"}))
    assert [user["id"] for user in page["data"]] == [ids.spell(ids.USER, id) for id in (members[0].id, caller.user)]
    assert page["pagination"] == {"total": 4, "page": 2, "per_page": 2, "total_pages": 2}
    assert page["links"] == {"next": None, "prev": "/v1/users?per_page=2&page=1"}


def test_a_new_role_is_answered_whole_and_holds_for_the_keys_there_are(caller: Caller) -> None:
    user, _ = member(caller, "viewer")
    _, secret = keys.create(caller, name="Second", user_id=user.id)
    assert not factories.caller_of(secret).may("projects:write")
    assert set_role(caller, user.id, "editor") == (200, {**user.described(), "role": "editor"})
    assert factories.caller_of(secret).may("projects:write")
    assert set_role(caller, user.id, "viewer")[0] == 200
    assert not factories.caller_of(secret).may("projects:write")


def test_a_role_changes_although_a_key_has_expired_or_was_revoked(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = factories.new_member(caller, "viewer")
    end = clock.now() + clock.HOUR
    expired, secret = keys.create(caller, name="Ends", user_id=user.id, expires=end)
    revoked, _ = keys.create(caller, name="Revoked", user_id=user.id)
    keys.revoke(caller, revoked.id)
    # The table forgets the identity of a key that has expired.
    table.write(table.delete((key_secret(keys.digest(secret)), "identity")))
    monkeypatch.setattr(clock, "now", lambda: end)
    assert accounts.change_role(caller, user.id, "editor", now=lambda: end).role == "editor"
    accounts.remove(caller, user.id, now=lambda: end)
    shown = {key.id: key for key in keys.page(caller, offset=0, limit=9).items}
    assert shown[expired.id].expires == end


def test_a_key_that_is_made_while_the_role_changes_acts_in_the_new_one(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = factories.new_member(caller, "editor")
    real = store.get_user

    def read_then_demoted(account_id: int, user_id: int) -> accounts.User | None:
        found = real(account_id, user_id)
        monkeypatch.setattr(store, "get_user", real)
        accounts.change_role(caller, user.id, "viewer")
        return found

    monkeypatch.setattr(store, "get_user", read_then_demoted)
    _, secret = keys.create(caller, name="Meanwhile", user_id=user.id)
    assert factories.caller_of(secret).role == "viewer"
    assert store.get_user(caller.account, user.id).role == "viewer"  # type: ignore[union-attr]


def test_no_key_is_made_for_a_user_who_is_removed_meanwhile(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    user = factories.new_member(caller, "editor")
    real = store.get_user

    def read_then_removed(account_id: int, user_id: int) -> accounts.User | None:
        found = real(account_id, user_id)
        monkeypatch.setattr(store, "get_user", real)
        accounts.remove(caller, user.id)
        return found

    monkeypatch.setattr(store, "get_user", read_then_removed)
    with pytest.raises(NotFoundError):
        keys.create(caller, name="Late", user_id=user.id)
    assert keys.page(caller, offset=0, limit=9).total == 1


def test_a_removed_user_is_gone_with_their_keys_and_their_address_is_free(caller: Caller) -> None:
    user = factories.new_member(caller, "editor")
    made = [keys.create(caller, name="Theirs", user_id=user.id) for _ in range(3)]
    assert remove(caller, user.id) == (200, {"success": True, "message": "User removed successfully"})
    for key, secret in made:
        with pytest.raises(LookupError):
            factories.caller_of(secret)
        shown = next(item for item in keys.page(caller, offset=0, limit=9).items if item.id == key.id)
        assert shown.revoked is not None
    assert [item["id"] for item in listed(caller)] == [ids.spell(ids.USER, caller.user)]
    assert invite(caller, email=user.email, role="viewer")[0] == 201
    assert remove(caller, user.id)[0] == 404


def test_a_user_with_as_many_keys_as_can_be_is_changed_and_removed_in_one_transaction(
    aws: dict[str, str], caller: Caller
) -> None:
    user = factories.new_member(caller, "editor")
    for number in range(keys.MAX_LIVE_KEYS):
        keys.create(caller, name=f"Key {number}", user_id=user.id)
    with pytest.raises(ConflictError, match="at most 40 keys"):
        keys.create(caller, name="One more", user_id=user.id)
    cost = Cost()
    with counted(cost):
        assert set_role(caller, user.id, "viewer")[0] == 200
        assert remove(caller, user.id)[0] == 200
    assert [call for call in cost.calls if call.startswith("Transact")] == [
        f"TransactWriteItems({1 + keys.MAX_LIVE_KEYS})",
        f"TransactWriteItems({3 + 2 * keys.MAX_LIVE_KEYS})",
    ]


def test_there_is_always_an_owner(caller: Caller) -> None:
    assert set_role(caller, caller.user, "admin")[0] == 409
    second, also_owner = member(caller, "owner")
    assert set_role(caller, caller.user, "admin")[0] == 200
    status, refusal = set_role(also_owner, second.id, "viewer")
    assert (status, refusal["error"]["message"]) == (
        409,
        "An account has at least one owner: make another user an owner first.",
    )
    assert set_role(also_owner, caller.user, "owner")[0] == 200
    assert remove(also_owner, caller.user)[0] == 200
    assert [user["role"] for user in listed(also_owner)] == ["owner"]


def test_the_last_owner_cannot_be_removed_by_an_owner_who_is_demoted_meanwhile(caller: Caller) -> None:
    second, _ = member(caller, "owner")
    # Both requests were let in as owners; the count in the table decides.
    assert set_role(caller, caller.user, "viewer")[0] == 200
    assert remove(caller, second.id)[0] == 409
    assert [user["role"] for user in listed(caller)] == ["owner", "viewer"]


def test_nobody_removes_themselves(caller: Caller) -> None:
    factories.new_member(caller, "owner")
    status, refusal = remove(caller, caller.user)
    assert (status, refusal["error"]["code"]) == (409, "CONFLICT")
    assert me(caller)


def test_an_admin_manages_all_but_owners(caller: Caller) -> None:
    _, admin = member(caller, "admin")
    editor, _ = member(caller, "editor")
    assert set_role(admin, editor.id, "admin")[0] == 200
    assert set_role(admin, editor.id, "owner")[0] == 403
    assert set_role(admin, admin.user, "owner")[0] == 403
    assert set_role(admin, caller.user, "viewer")[0] == 403
    assert remove(admin, caller.user)[0] == 403
    assert invite(admin, email="new@example.com", role="owner")[0] == 403
    assert invite(admin, email="new@example.com", role="admin")[0] == 201
    assert remove(admin, editor.id)[0] == 200


@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_editors_and_viewers_read_users_and_change_none(caller: Caller, role: str) -> None:
    user, reader = member(caller, role)
    before = listed(reader)
    assert invite(reader, email="new@example.com", role="viewer")[0] == 403
    assert set_role(reader, user.id, "owner")[0] == 403
    assert remove(reader, caller.user)[0] == 403
    assert change(reader, name="Jane Doe")[0] == 403
    assert listed(reader) == before
    assert me(reader)["id"] == ids.spell(ids.USER, user.id)


def test_users_of_another_account_are_absent(caller: Caller) -> None:
    stranger = factories.new_caller()
    assert len(listed(stranger)) == 1
    spelled = ids.spell(ids.USER, caller.user)
    for status, refusal in (set_role(stranger, caller.user, "viewer"), remove(stranger, caller.user)):
        assert (status, refusal["error"]["message"]) == (404, f"No user '{spelled}' exists.")
    event = request("PUT", "/users/{id}", caller=caller, path={"id": "nonsense"}, body={"role": "viewer"})
    assert answer(handler, event)[0] == 404


def test_a_role_that_is_none_is_refused_and_the_same_one_changes_nothing(caller: Caller) -> None:
    user = factories.new_member(caller, "viewer")
    for role in ("boss", "", None, 5):
        status, refusal = set_role(caller, user.id, role)
        assert (status, refusal["error"]["field"]) == (400, "role")
    assert set_role(caller, user.id, "viewer") == (200, user.described())


def test_a_new_profile_keeps_role_and_keys(caller: Caller) -> None:
    user, admin = member(caller, "admin")
    assert change(admin, name="Jane Doe", email="jane@example.com")[0] == 200
    assert remove(caller, user.id)[0] == 200
    shown = next(key for key in keys.page(caller, offset=0, limit=9).items if key.user == user.id)
    assert shown.revoked is not None
    assert not store.email_is_taken("jane@example.com")
