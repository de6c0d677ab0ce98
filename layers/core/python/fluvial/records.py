"""Records of the classes that an account works with: grant requests, organizations, and those it defines itself.

One write is one transaction: the record, its entry in the log of its class, its event, the checks that the records it
points at are there, and the record of the request under its Idempotency-Key. A record is deleted softly first: it is
absent to all readers from then on, and can be removed for good later. What points at a deleted record keeps the id, and
shows nothing there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from fluvial import (
    clock,
    events,
    ids,
    record_changes,
    record_effects,
    record_numbers,
    record_platform,
    record_relations,
    record_values,
)
from fluvial.attempts import attempts
from fluvial.caller import Caller
from fluvial.errors import InvalidError, NotFoundError, RecordInvalidError, StaleError
from fluvial.idempotency import Once, guard, keep
from fluvial.record_changes import Change
from fluvial.record_classes import ModelClass
from fluvial.record_values import Value
from fluvial.store import records as store
from fluvial.store import table
from fluvial.store.table import Action

if TYPE_CHECKING:
    from fluvial.record_schemas import Schema

MAX_EVENT_RECORD_BYTES = 100 * 1024  # of a record as JSON in its event; EventBridge takes 256 KB in all

# Of the hundred of a transaction, besides the record, its entry in the log, its event and the answer that is kept.
MAX_ACTIONS = 95

# The common fields that are not among the values.
_OWN = {
    "id": "id",
    "created_at": "created",
    "updated_at": "updated",
    "created_by_id": "by",
    "updated_by_id": "updated_by",
}


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the class `model`; times in milliseconds, `revision` grows by one with each change.

    `values` are those of the class's fields that are set, in the forms of `record_values`; a cleared field is absent.
    `by` and `updated_by` are the users that made and last changed the record; None where that is not known. `deleted`
    is the time of its soft deletion; None for a record that is there. `stored` are the values as they were read: those
    of fields that the class does not have are stored again with a change.
    """

    id: int
    account: int
    model: str
    created: int
    updated: int
    by: int | None
    updated_by: int | None
    values: Mapping[str, Value] = field(default_factory=dict)
    revision: int = 1
    deleted: int | None = None
    stored: str | None = field(default=None, repr=False, compare=False)

    def value(self, name: str) -> Value | None:
        """The value of any field that the class keeps, the common ones included; None for one that is not set."""
        own = _OWN.get(name)
        return self.values.get(name) if own is None else getattr(self, own)

    def described(self, model: ModelClass) -> dict[str, Any]:
        """The record as events show it, without its values where these are many; decimals as text."""
        shown = {}
        for each in model.fields:
            value = self.value(each.name)
            if value is not None:
                wire = record_values.to_json(each, value)
                shown[each.name] = str(wire) if isinstance(wire, Decimal) else wire
        described = {"class": model.camel, "model": model.name, "id": self.id, "record": shown}
        size = len(json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode())
        if size > MAX_EVENT_RECORD_BYTES:
            reason = f"The record takes {size} bytes, and an event has room for {MAX_EVENT_RECORD_BYTES}: fetch it."
            return described | {"record": None, "omitted": reason}
        return described


def create(
    caller: Caller,
    schema: Schema,
    model: ModelClass,
    given: object,
    *,
    own: Mapping[str, Value | None] | None = None,
    more: Sequence[Action] = (),
    once: Once[Record] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Record:
    """Makes a record of a JSON object, with its event `record.created`.

    RecordInvalidError has all that is wrong with it at once. `own` are values that the platform sets itself, and
    `more` is what else has to happen in the transaction, under conditions of its own.
    """
    if model.platform:
        return record_platform.create(caller, model, given, once=once, now=now, new_id=new_id)
    change, moment = _changed(schema, model, given, None, own), now()
    if not change.problems:
        record_numbers.give(caller.account, model, change.values, at=moment)
        record_changes.compute(model, change.values)
    record = Record(0, caller.account, model.name, moment, moment, caller.user, caller.user, change.values)
    for attempt in attempts(f"what a new {model.name} points at"):
        record = replace(record, id=new_id())
        checks = _checks(caller, schema, model, change, None, look=attempt > 1)
        needed = _together(checks, _effects(caller, schema, model, None, record))
        event = events.happened(caller.account, "record.created", record.described(model), at=moment)
        kept = guard(once, record)
        if _stored(partial(store.create, model, record, event, kept, [*needed, *more]), len(needed)):
            return record
    raise AssertionError("attempts end with an error")


def get(
    caller: Caller,
    schema: Schema,  # noqa: ARG001 (the four are called alike)
    model: ModelClass,
    record_id: int,
) -> Record | None:
    """The record; None for one that is absent, foreign or deleted. One read."""
    if model.platform:
        return record_platform.get(caller, model, record_id)
    record = store.get(model, caller.account, record_id)
    return None if record is None or record.deleted is not None else record


def update(
    caller: Caller,
    schema: Schema,
    model: ModelClass,
    record_id: int,
    given: object,
    *,
    expected: int | None = None,
    own: Mapping[str, Value | None] | None = None,
    more: Sequence[Action] = (),
    once: Once[Record] | None = None,
    now: clock.Now = clock.now,
) -> Record:
    """Changes the fields that are given, with the event `record.updated`. Of two writers at once, neither is lost.

    NotFoundError for a record that is absent, foreign or deleted; RecordInvalidError has all that is wrong at once;
    StaleError where the record is not at the revision that is `expected`. What changes nothing has no event. A time in
    `deleted_at` deletes the record, with the event `record.deleted`, and returns it as it last was.
    """
    if model.platform:
        return record_platform.update(caller, model, record_id, given, expected=expected, once=once, now=now)
    for attempt in attempts(f"{model.name} {record_id}"):
        before = get(caller, schema, model, record_id)
        if before is None:
            raise NotFoundError(model.name, record_id)
        if expected not in (None, before.revision):
            raise StaleError(model.name, before.revision)
        change = _changed(schema, model, given, before, own)
        checks = _checks(caller, schema, model, change, before, look=attempt > 1)
        if change.values == before.values and not change.deletes and not more:
            keep(once, before)
            return before
        record = _next(before, caller, now, values=change.values)
        if change.deletes:
            record = replace(record, deleted=record.updated)
        needed = _together(checks, _effects(caller, schema, model, before, record))
        type = "record.deleted" if change.deletes else "record.updated"
        event = events.happened(caller.account, type, record.described(model), at=record.updated)
        kept = guard(once, record)
        if _stored(partial(store.update, model, record, event, kept, [*needed, *more]), len(needed)):
            return record
    raise AssertionError("attempts end with an error")


def delete(
    caller: Caller,
    schema: Schema,
    model: ModelClass,
    record_id: int,
    *,
    hard: bool = False,
    now: clock.Now = clock.now,
) -> bool:
    """Deletes the record, with the event `record.deleted`; `hard` removes it for good, also a deleted one.

    Deleting it again is no error and has no second event. False for a record that is not there at all.
    """
    if model.platform:
        return record_platform.delete(caller, model, record_id, now=now)
    for _ in attempts(f"{model.name} {record_id}"):
        before = store.get(model, caller.account, record_id)
        if before is None:
            return False
        if before.deleted is not None and not hard:
            return True
        record = _next(before, caller, now)
        record = replace(record, deleted=record.updated)
        event = None
        if before.deleted is None:
            event = events.happened(caller.account, "record.deleted", record.described(model), at=record.updated)
        effects = _effects(caller, schema, model, before, record)
        write = partial(store.remove, before) if hard else partial(store.update, model, record)
        if _stored(partial(write, event, more=effects), len(effects)):
            return True
    raise AssertionError("attempts end with an error")


def _changed(
    schema: Schema, model: ModelClass, given: object, before: Record | None, own: Mapping[str, Value | None] | None
) -> Change:
    """What the caller wants and what the platform says; problems are still to be told."""
    derive = partial(record_effects.complete, schema, model)
    change = record_changes.read(model, given, before, own=own, derive=derive)
    record_changes.check_size(model, change, before)
    return change


def _effects(caller: Caller, schema: Schema, model: ModelClass, before: Record | None, after: Record) -> list[Action]:
    """What else changes with the record: the account's classes, if it defines something, and choices of options."""
    try:
        return record_effects.actions(caller, schema, model, before, after)
    except InvalidError as error:
        raise RecordInvalidError({error.field or "id": [record_changes.without_name(error)]}) from error


def _checks(
    caller: Caller, schema: Schema, model: ModelClass, change: Change, before: Record | None, *, look: bool
) -> list[Action]:
    """The checks of what the record points at; RecordInvalidError with all problems, if there is one."""
    record_id = None if before is None else before.id
    record_relations.check_many(caller, schema, model, change, record_id)
    checks = record_relations.checks(caller, schema, model, change, before, look=look)
    if change.problems:
        raise RecordInvalidError(change.problems)
    return checks


def _together(checks: list[Action], effects: list[Action]) -> list[Action]:
    """All of one transaction, which takes one action for an item: a write of it says that it is there, as a check does.

    RecordInvalidError where it is more than a transaction takes.
    """
    written = {action.key for action in effects}
    needed = [*(check for check in checks if check.key not in written), *effects]
    if len(needed) > MAX_ACTIONS:
        reason = f"takes {len(needed)} changes and checks at once, at most {MAX_ACTIONS}: change less at a time"
        raise RecordInvalidError({"id": [reason]})
    return needed


def _stored(write: Callable[[], bool | str], needed: int) -> bool:
    """Whether the record was stored; if not, it was overtaken, or one of the first so many conditions did not hold.

    ConditionError where only a condition of what was added to the transaction did not hold.
    """
    try:
        return write() in (True, "created")
    except table.ConditionError as error:
        if all(position >= needed for position in error.failed):
            raise
        return False


def _next(before: Record, caller: Caller, now: clock.Now, **values: Any) -> Record:
    moment = max(now(), before.updated)
    return replace(before, updated=moment, updated_by=caller.user, revision=before.revision + 1, **values)
