"""Change queues: an administrator says which changes of a class of records a queue collects, and clients poll it.

    record is changed --> event --> collect: one entry in each queue that wants it --> poll, finish (`change_batches`)

A queue wants a change by what happened (created, updated, deleted) and by a filter, which is judged on the record as
the event tells it: as it was right after the change, and of a deleted one as it last was. Words for days in a filter
are meant from the day of the change. A change that cannot be judged is collected: what a client does not need does
less harm than what it never hears of.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fluvial import (
    change_batches,
    clock,
    exact_json,
    ids,
    record_events,
    record_filters,
    record_queries,
    record_schemas,
    roles,
)
from fluvial.attempts import attempts
from fluvial.caller import Caller
from fluvial.config import settings
from fluvial.errors import ConflictError, FluvialError, ForbiddenError, InvalidError, NotFoundError
from fluvial.idempotency import Once, guard
from fluvial.log import write_line
from fluvial.record_classes import ModelClass
from fluvial.record_events import CREATED, DELETED, UPDATED, Changed
from fluvial.record_filters import Condition
from fluvial.record_schemas import Schema
from fluvial.store import change_queues as store
from fluvial.text import checked_line

if TYPE_CHECKING:
    from fluvial.events import Event

TRIGGERS = (CREATED, UPDATED, DELETED)
MAX_QUEUES = 50  # per account; each change is matched against all of them
MAX_NAME_LENGTH = 200
MAX_FILTER_BYTES = 16 * 1024
MAX_COLUMNS = 200
FIELDS = "name, filter, triggers, cols"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

NewUuid = Callable[[], str]


def new_uuid() -> str:
    """A UUID of chance."""
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Queue:
    """Times in milliseconds. `filter` is JSON text; None collects every record of the class.

    `columns` are the names of what is sent of each record; None is all core columns.
    """

    id: int
    account: int
    uuid: str
    name: str
    model: str
    filter: str | None
    triggers: tuple[str, ...]
    columns: tuple[str, ...] | None
    created: int
    updated: int
    revision: int = 1

    @property
    def filter_value(self) -> Any:
        """The filter as JSON values; numbers with a point are Decimals."""
        return None if self.filter is None else json.loads(self.filter, parse_float=Decimal)

    def wants(self, change: Changed) -> bool:
        """Whether the queue collects such changes, as far as that can be said without looking at the record."""
        return change.model == self.model and change.trigger in self.triggers


@dataclass(frozen=True, slots=True)
class Change:
    """New values of a queue's fields; fields that are not `given` stay. Of `filter` and `cols` None takes them away."""

    given: frozenset[str]
    name: str | None = None
    filter: object = None
    triggers: Sequence[str] | None = None
    columns: Sequence[str] | None = None

    def apply(self, queue: Queue, schema: Schema, now: int) -> Queue:
        """The changed queue; InvalidError for a value that it cannot have."""
        if not self.given:
            raise InvalidError(None, "Give at least one field to change.", constraint=FIELDS)
        changed = replace(queue, updated=max(now, queue.updated), revision=queue.revision + 1)
        if "name" in self.given:
            changed = replace(changed, name=_checked_name(self.name))
        if "filter" in self.given:
            changed = replace(changed, filter=_checked_filter(self.filter, schema.model(queue.model), schema, now))
        if "triggers" in self.given:
            changed = replace(changed, triggers=_checked_triggers(self.triggers))
        if "cols" in self.given:
            changed = replace(changed, columns=_checked_columns(self.columns, schema.model(queue.model)))
        return changed


def create(
    caller: Caller,
    *,
    name: str,
    model: str,
    filter: object = None,
    triggers: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    once: Once[Queue] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
    new_uuid: NewUuid = new_uuid,
) -> Queue:
    """Makes a queue, which collects from now on. ForbiddenError for whoever is no administrator.

    ConflictError where the account has MAX_QUEUES already; UnknownModelError for a class that it does not have.
    """
    _require_administrator(caller)
    schema = record_schemas.of(caller.account)
    of = schema.model(model)
    moment = now()
    queue = Queue(
        id=new_id(),
        account=caller.account,
        uuid=new_uuid(),
        name=_checked_name(name),
        model=of.name,
        filter=_checked_filter(filter, of, schema, moment),
        triggers=_checked_triggers(triggers),
        columns=_checked_columns(columns, of),
        created=moment,
        updated=moment,
    )
    if not store.create(queue, guard(once, queue), most=MAX_QUEUES):
        raise ConflictError(f"An account has at most {MAX_QUEUES} change queues: delete one first.")
    return queue


def get(caller: Caller, queue_id: int) -> Queue:
    """The queue, for administrators; NotFoundError for one that is absent or foreign."""
    _require_administrator(caller)
    queue = store.get(caller.account, queue_id)
    if queue is None:
        raise NotFoundError("queue", queue_id)
    return queue


def all_of(caller: Caller) -> list[Queue]:
    """Every queue of the account, oldest first, for administrators."""
    _require_administrator(caller)
    return store.all_of(caller.account)


def find(caller: Caller, queue_uuid: str) -> Queue:
    """The queue with this UUID, in either case of letters; NotFoundError for one that is absent or foreign."""
    spelled = queue_uuid.lower()
    queue = store.find(caller.account, spelled) if UUID.fullmatch(spelled) else None
    if queue is None:
        raise NotFoundError("queue", queue_uuid)
    return queue


def update(caller: Caller, queue_id: int, change: Change, *, now: clock.Now = clock.now) -> Queue:
    """Changes the given fields. What waits already stays, and is sent with the new columns."""
    for _ in attempts(f"queue {queue_id}"):
        queue = get(caller, queue_id)
        changed = change.apply(queue, record_schemas.of(caller.account), now())
        if store.update(changed):
            return changed
    raise AssertionError("attempts end with an error")


def delete(caller: Caller, queue_id: int) -> None:
    """Removes the queue with all that waits in it."""
    queue = get(caller, queue_id)
    batch = store.batch(queue)
    if not store.delete(queue):
        raise NotFoundError("queue", queue_id)
    change_batches.forget(batch)


def problem(queue: Queue, schema: Schema, *, now: clock.Now = clock.now) -> str | None:
    """Why the queue's filter cannot be judged any more, as when its class or a field of it was removed; else None."""
    try:
        _condition(queue, schema, _day(now()))
    except FluvialError as error:
        return str(error)
    return None


def collect(event: Event) -> int:
    """Puts one entry into each queue that wants what the event tells; returns how many are new.

    At least once: run again, it adds nothing that was put before, whether it still waits or was served.
    """
    changes = [] if event.silent else record_events.of(event)
    wanted = [
        (queue, fitting)
        for queue in (store.all_of(event.account) if changes else ())
        if (fitting := [change for change in changes if queue.wants(change)])
    ]
    if not wanted:
        return 0
    caller = record_events.reader(event.account)
    schema = record_schemas.of(event.account)
    added = 0
    for queue, fitting in wanted:
        entries = [
            change_batches.Entry(event.id, change.record, change.trigger, event.created)
            for change in fitting
            if _fits(caller, schema, queue, event, change)
        ]
        added += store.add(queue, entries)
    return added


def _fits(caller: Caller, schema: Schema, queue: Queue, event: Event, change: Changed) -> bool:
    """Whether the queue's filter holds of the record; also where that cannot be said."""
    try:
        condition = _condition(queue, schema, _day(event.created))
    except FluvialError as error:
        write_line("filter_unreadable", queue=queue.id, reason=str(error))
        return True
    if condition is None:
        return True
    record = record_events.as_told(caller, schema, event, change)
    return record is None or record_queries.matches(caller, schema, condition, record)


def _condition(queue: Queue, schema: Schema, today: date) -> Condition | None:
    """The queue's filter as a condition; an error where its class does not have it any more."""
    return _parsed(queue.filter_value, schema.model(queue.model), schema, today)


def _parsed(given: object, model: ModelClass, schema: Schema, today: date) -> Condition | None:
    fiscal_start = settings().fiscal_year_start_month
    return record_filters.parse(given, model, schema, today=today, fiscal_start=fiscal_start)


def _day(moment: int) -> date:
    return datetime.fromtimestamp(moment // clock.SECOND, UTC).date()


def _require_administrator(caller: Caller) -> None:
    caller.require_account()
    if caller.role not in roles.MANAGERS:
        raise ForbiddenError("Only owners, administrators and system keys define change queues.")


def _checked_name(name: str | None) -> str:
    if name is None:
        raise InvalidError("name", "'name' must not be null.", constraint=f"1-{MAX_NAME_LENGTH} characters")
    return checked_line("name", name, MAX_NAME_LENGTH)


def _checked_filter(given: object, model: ModelClass, schema: Schema, now: int) -> str | None:
    """The filter as JSON text, once it could be read; None for one that says nothing."""
    if _parsed(given, model, schema, _day(now)) is None:
        return None
    text = exact_json.dumps(given)
    size = len(text.encode())
    if size > MAX_FILTER_BYTES:
        reason = f"'filter' must take at most {MAX_FILTER_BYTES} bytes as JSON, not {size}."
        raise InvalidError("filter", reason, constraint=f"at most {MAX_FILTER_BYTES} bytes")
    return text


def _checked_triggers(given: Sequence[str] | None) -> tuple[str, ...]:
    """What happened to a record that is collected, in one order; all of it where nothing is said."""
    if given is None:
        return TRIGGERS
    allowed = ", ".join(TRIGGERS)
    if not given:
        raise InvalidError("triggers", "'triggers' must name at least one.", value=list(given), constraint=allowed)
    for each in given:
        if each not in TRIGGERS:
            reason = f"'triggers' has '{each[:100]}', which is none: use {allowed}."
            raise InvalidError("triggers", reason, value=each, constraint=allowed)
    return tuple(each for each in TRIGGERS if each in given)


def _checked_columns(given: Sequence[str] | None, model: ModelClass) -> tuple[str, ...] | None:
    if given is None:
        return None
    if len(given) > MAX_COLUMNS:
        reason = f"'cols' must have at most {MAX_COLUMNS} names, not {len(given)}."
        raise InvalidError("cols", reason, value=len(given), constraint=f"at most {MAX_COLUMNS}")
    for each in given:
        if model.field(each) is None:
            raise InvalidError("cols", f"'cols' has '{each[:100]}', which is no column of {model.camel}.", value=each)
    return tuple(dict.fromkeys(given))
