"""The records of an account's own users, on moto."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fluvial import accounts, events, record_schemas, record_users, records
from fluvial.accounts import User
from fluvial.caller import Caller
from fluvial.errors import ConflictError
from fluvial.record_catalogue.shapes import string
from fluvial.records import Record
from fluvial.store import records as store
from tests import factories

SCHEMA: Any = record_schemas.Schema(0)
USER = SCHEMA.model("user")


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


def record_of(caller: Caller, user_id: int) -> Record:
    record = records.get(caller, SCHEMA, USER, user_id)
    assert record is not None
    return record


def invited(caller: Caller, name: str) -> User:
    return accounts.invite(caller, role="editor", name=name, email=f"x{caller.account}@example.com")


def test_whoever_makes_an_account_has_a_record(caller: Caller) -> None:
    user = accounts.current_user(caller)
    assert record_of(caller, caller.user) == Record(
        id=user.id,
        account=caller.account,
        model="user",
        created=user.created,
        updated=user.created,
        by=user.id,
        updated_by=user.id,
        values={
            "first_name": user.name,
            "full_name": user.name,
            "email": user.email,
            "active": True,
            "state": "active",
        },
    )
    assert [entry.record for page in store.log(caller.account, "user", 0) for entry in page] == [caller.user]
    assert events.read(caller, events.position(0), limit=10).events == []


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("Ada", "Ada", None), ("Ada Lovelace", "Ada", "Lovelace"), ("Ada King Lovelace", "Ada King", "Lovelace")],
)
def test_whoever_is_invited_has_a_record(caller: Caller, name: str, first: str, last: str | None) -> None:
    record = record_of(caller, invited(caller, name).id)
    assert (record.values["first_name"], record.values.get("last_name")) == (first, last)
    assert record.values["full_name"] == name
    told = events.read(caller, events.position(0), limit=10).events
    assert [event.type for event in told] == ["user.invited"]


def test_an_invitation_that_is_refused_leaves_no_record(caller: Caller) -> None:
    taken = accounts.current_user(caller).email
    with pytest.raises(ConflictError):
        accounts.invite(caller, role="editor", email=taken)
    assert [entry.record for page in store.log(caller.account, "user", 0) for entry in page] == [caller.user]


def test_a_changed_profile_is_in_the_record(caller: Caller) -> None:
    before = record_of(caller, caller.user)
    accounts.update_user(caller, name="Ada Lovelace")
    accounts.update_user(caller, email=f"ada{caller.account}@example.com")
    after = record_of(caller, caller.user)
    assert after.values == dict(before.values) | {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "full_name": "Ada Lovelace",
        "email": f"ada{caller.account}@example.com",
    }
    assert (after.revision, after.updated_by) == (3, caller.user)


def test_what_is_said_in_the_record_stays_where_the_profile_did_not_change(caller: Caller) -> None:
    records.update(caller, SCHEMA, USER, caller.user, {"first_name": "Augusta", "last_name": "King", "phone": "1"})
    accounts.update_user(caller, email=f"ada{caller.account}@example.com")
    values = record_of(caller, caller.user).values
    assert (values["full_name"], values["phone"]) == ("Augusta King", "1")
    assert accounts.current_user(caller).name != "Augusta King"


def test_fields_that_the_account_defined_stay(caller: Caller) -> None:
    more = replace(USER, fields=(*USER.fields, replace(string("badge", ""), custom=True, attribute=5)))
    records.update(caller, SCHEMA, more, caller.user, {"badge": "7", "last_name": "x"})
    accounts.update_user(caller, name="Ada Lovelace")
    record = records.get(caller, SCHEMA, more, caller.user)
    assert record is not None
    assert (record.values["badge"], record.values["last_name"]) == ("7", "Lovelace")


def test_a_profile_can_be_changed_without_a_record(caller: Caller) -> None:
    records.delete(caller, SCHEMA, USER, caller.user)
    accounts.update_user(caller, name="Ada Lovelace")
    records.delete(caller, SCHEMA, USER, caller.user, hard=True)
    assert accounts.update_user(caller, name="Ada King").name == "Ada King"


def test_a_profile_and_its_record_change_at_once(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    change = record_users.change

    def overtaken(*users: User) -> Any:
        found = change(*users)
        monkeypatch.setattr(record_users, "change", change)
        records.update(caller, SCHEMA, USER, caller.user, {"phone": "1", "last_name": "x"})
        return found

    monkeypatch.setattr(record_users, "change", overtaken)
    accounts.update_user(caller, name="Ada Lovelace")
    values = record_of(caller, caller.user).values
    assert (values["full_name"], values["phone"]) == ("Ada Lovelace", "1")


def test_the_record_stays_when_the_user_goes(caller: Caller) -> None:
    user = invited(caller, "Ada")
    accounts.remove(caller, user.id)
    assert record_of(caller, user.id).values["full_name"] == "Ada"
