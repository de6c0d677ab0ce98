"""Records in the table, and the log of their changes, from which the replicas of a class follow it.

A record and its entry in the log change in one transaction. The entry's key begins with an id of the moment at which
the transaction was made, and so before it is committed: by at most as long as a function lives that writes records.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fluvial import clock, events, ids, record_values, records
from fluvial.record_classes import ModelClass
from fluvial.store import events as outbox
from fluvial.store import keys, table
from fluvial.store.attributes import Item

TYPE = "record"
LOG_TYPE = "record_change"

# How long a replica, or a snapshot of one, can catch up by the log; what is older is read anew.
LOG_KEPT_MILLISECONDS = 7 * clock.DAY

# Items of one read: about the megabyte that one Query answers.
PAGE = 1_500
BATCH = table.BATCH_KEYS
LOG_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the log: this record is at this revision, or further. `removed`: it is gone for good."""

    record: int
    revision: int
    removed: bool


def create(
    model: ModelClass,
    record: records.Record,
    event: events.Event | None,
    guard: table.Action | None = None,
    more: Sequence[table.Action] = (),
    *,
    new_id: ids.NewId = ids.new_id,
) -> bool:
    """Record, log entry, event and `more` in one transaction; False where the id is in use.

    ConditionError with the positions in `more` of the actions whose condition failed; GuardError where the guard's did.
    """
    action = table.put(key(record.account, record.model, record.id), to_item(model, record))
    return _transact(record, action, event, guard, more, new_id=new_id)


def update(
    model: ModelClass,
    record: records.Record,
    event: events.Event | None,
    guard: table.Action | None = None,
    more: Sequence[table.Action] = (),
    *,
    new_id: ids.NewId = ids.new_id,
) -> bool:
    """Stores the changed (or softly deleted) record, whose revision is one higher than it was.

    False where another change came first. Otherwise as `create`.
    """
    nobody_changed_it_since = "revision = :before"
    action = table.put(
        key(record.account, record.model, record.id),
        to_item(model, record),
        nobody_changed_it_since,
        before=record.revision - 1,
    )
    return _transact(record, action, event, guard, more, new_id=new_id)


def remove(
    record: records.Record,
    event: events.Event | None,
    guard: table.Action | None = None,
    more: Sequence[table.Action] = (),
    *,
    new_id: ids.NewId = ids.new_id,
) -> bool:
    """Removes the item of a record as it was read; False where another change came first. Otherwise as `create`."""
    nobody_changed_it_since = "revision = :before"
    action = table.delete(key(record.account, record.model, record.id), nobody_changed_it_since, before=record.revision)
    return _transact(record, action, event, guard, more, removed=True, new_id=new_id)


def writing(
    model: ModelClass, record: records.Record, *, before: int | None = None, new_id: ids.NewId = ids.new_id
) -> list[table.Action]:
    """The record and its log entry, for the transaction of what it comes with: it has no event of its own.

    It is new, or still at the revision `before`.
    """
    unchanged = table.IS_NEW if before is None else "revision = :before"
    values = {} if before is None else {"before": before}
    item = table.put(key(record.account, record.model, record.id), to_item(model, record), unchanged, **values)
    return [item, _entry(record, new_id=new_id)]


def get(model: ModelClass, account_id: int, record_id: int) -> records.Record | None:
    """The record, also a softly deleted one; None where there is none."""
    item = table.get(key(account_id, model.name, record_id))
    return from_item(model, item) if item else None


def items(account_id: int, model: str, record_ids: Sequence[int]) -> list[Item]:
    """The items that are there of these records, softly deleted ones included, in the order asked for.

    One call for each 100 of them.
    """
    return table.batch_get([key(account_id, model, record_id) for record_id in record_ids])


def pages(account_id: int, model: str) -> Iterator[list[Item]]:
    """The items of all records of a class by id, PAGE at a time; one call for each."""
    yield from _pages(keys.records(account_id, model), keys.number(0), PAGE)


def log(account_id: int, model: str, since: int) -> Iterator[list[Change]]:
    """The changes whose transactions were made at a time (milliseconds) or later, in this order, LOG_PAGE at a time."""
    count = min(max(since - ids.EPOCH_MILLISECONDS, 0) << ids.COUNT_BITS, ids.MAX_ID)
    for page in _pages(keys.record_log(account_id, model), keys.number(count), LOG_PAGE):
        yield [Change(item["record"], item["revision"], item.get("removed", False)) for item in page]


def key(account_id: int, model: str, record_id: int) -> table.Key:
    return keys.records(account_id, model), keys.number(record_id)


def to_item(model: ModelClass, record: records.Record) -> Item:
    return {
        "type": TYPE,
        "id": record.id,
        "account": record.account,
        "model": record.model,
        "values": record_values.pack(model, record.values, record.stored),
        "created": record.created,
        "updated": record.updated,
        "by": record.by,
        "updated_by": record.updated_by,
        "revision": record.revision,
        "deleted": record.deleted,
    }


def from_item(model: ModelClass, item: Item) -> records.Record:
    return records.Record(
        id=item["id"],
        account=item["account"],
        model=item["model"],
        values=record_values.unpack(model, item["values"]),
        created=item["created"],
        updated=item["updated"],
        by=item.get("by"),
        updated_by=item.get("updated_by"),
        revision=item["revision"],
        deleted=item.get("deleted"),
        stored=item["values"],
    )


def _transact(
    record: records.Record,
    action: table.Action,
    event: events.Event | None,
    guard: table.Action | None,
    more: Sequence[table.Action],
    *,
    removed: bool = False,
    new_id: ids.NewId,
) -> bool:
    """False where the condition of the record's own action did not hold."""
    entry = _entry(record, removed=removed, new_id=new_id)
    told = [] if event is None else [outbox.record(event)]
    try:
        table.transact([action, entry, *told, *more], guard)
    except table.ConditionError as error:
        if 0 in error.failed:
            return False
        own = 2 + len(told)
        raise table.ConditionError([position - own for position in error.failed]) from error
    return True


def _entry(record: records.Record, *, removed: bool = False, new_id: ids.NewId) -> table.Action:
    """The entry of the log that tells of a write."""
    moment = new_id()
    # The id sorts by time, and the chance behind it never meets another's: an entry is never written over.
    return table.put(
        (keys.record_log(record.account, record.model), f"{keys.number(moment)}{secrets.token_hex(5)}"),
        {
            "type": LOG_TYPE,
            "record": record.id,
            "revision": record.revision + 1 if removed else record.revision,
            "removed": removed or None,
            "expires": ((moment >> ids.COUNT_BITS) + ids.EPOCH_MILLISECONDS + LOG_KEPT_MILLISECONDS) // clock.SECOND,
        },
    )


def _pages(partition: str, first: str, limit: int) -> Iterator[list[Item]]:
    """The items of a partition from a sort key on, at most `limit` at a time."""
    while page := table.query(partition, between=(first, "~"), limit=limit):
        yield page
        if len(page) < limit:
            return
        # A space sorts before whatever a key goes on with, and behind the key itself.
        first = f"{page[-1]['sk']} "
