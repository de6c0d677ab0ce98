"""The records of an account's own users: so that `created_by_id` of every record names one that is there.

A user has a record with the same id, made with them in one transaction. Name and address follow the user's profile;
what is changed in the record stays there, and does not change how the user signs in. The record stays when the user
goes, as what they made does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fluvial import record_catalogue, record_changes
from fluvial.record_values import Value
from fluvial.records import Record
from fluvial.store import records as store
from fluvial.store.table import Action

if TYPE_CHECKING:
    from fluvial.accounts import User

MODEL = "user"


def creation(user: User) -> list[Action]:
    """Makes the user's record, for the transaction that makes the user."""
    model = record_catalogue.model(MODEL)
    values: dict[str, Value] = {
        **_named(user.name),
        "email": user.email,
        "active": True,
        record_changes.STATE: "active",
    }
    record_changes.compute(model, values)
    record = Record(user.id, user.account, MODEL, user.created, user.created, user.id, user.id, values)
    return store.writing(model, record)


def change(before: User, after: User) -> list[Action]:
    """Brings the user's record in step with a changed profile; nothing where it was deleted. One read.

    What of the profile did not change is left as it is in the record.
    """
    model = record_catalogue.model(MODEL)
    record = store.get(model, after.account, after.id)
    if record is None or record.deleted is not None:
        return []
    values = dict(record.values)
    if after.name != before.name:
        for name in ("first_name", "last_name"):
            values.pop(name, None)
        values |= _named(after.name)
        record_changes.compute(model, values)
    if after.email != before.email:
        values["email"] = after.email
    if values == record.values:
        return []
    moment = max(after.updated, record.updated)
    changed = replace(record, values=values, updated=moment, updated_by=after.id, revision=record.revision + 1)
    return store.writing(model, changed, before=record.revision)


def _named(name: str) -> dict[str, Value]:
    """The last word of a name is the last name; a single word is the first."""
    first, _, last = name.rpartition(" ")
    return {"first_name": first, "last_name": last} if first else {"first_name": last}
