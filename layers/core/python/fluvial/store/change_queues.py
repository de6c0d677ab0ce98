"""Change queues in the table: definitions, what waits in each, and the batch that is out.

Of a change that a queue wants there are two items: `entry#<event>#<record>` as long as it waits or is out, and
`seen#<event>#<record>`, which stays when the entry goes. An event can be brought again after its entry was served; the
second item tells so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from fluvial import change_batches, change_queues, clock, events
from fluvial.store import keys, table
from fluvial.store.attributes import Item

AT_ONCE = 100  # actions of one transaction, DynamoDB's own limit
COUNTER_POSITION = 1  # of the action that counts, in the transaction that creates


def create(queue: change_queues.Queue, guard: table.Action | None, *, most: int) -> bool:
    """Stores a new queue with its UUID and counts it; False where the account has `most` of them."""
    there_is_room = "attribute_not_exists(things) OR things < :most"
    actions = [
        table.put(_key(queue.account, queue.id), _to_item(queue)),
        _count(queue.account, +1, there_is_room, most=most),
        table.put(_uuid_key(queue.account, queue.uuid), {"type": "change_queue_uuid", "queue": queue.id}),
    ]
    try:
        table.transact(actions, guard)
    except table.ConditionError as error:
        if COUNTER_POSITION not in error.failed:
            raise
        return False
    return True


def get(account_id: int, queue_id: int) -> change_queues.Queue | None:
    item = table.get(_key(account_id, queue_id))
    return _from_item(item) if item else None


def find(account_id: int, uuid: str) -> change_queues.Queue | None:
    """The queue with this UUID."""
    item = table.get(_uuid_key(account_id, uuid))
    return get(account_id, item["queue"]) if item else None


def all_of(account_id: int) -> list[change_queues.Queue]:
    """Every queue of the account, oldest first; at most `change_queues.MAX_QUEUES`."""
    return [_from_item(item) for item in table.query(_partition(account_id))]


def update(queue: change_queues.Queue) -> bool:
    """Stores the changed queue; False where another change came first, or it is gone."""
    nobody_changed_it_since = "revision = :before"
    action = table.put(
        _key(queue.account, queue.id), _to_item(queue), nobody_changed_it_since, before=queue.revision - 1
    )
    return _holds(action)


def delete(queue: change_queues.Queue) -> bool:
    """Removes the queue and its batch; False where it is gone already. What waits in it expires, seen by nobody."""
    actions = [
        table.delete(_key(queue.account, queue.id)),
        table.delete(_uuid_key(queue.account, queue.uuid)),
        _count(queue.account, -1, None),
        table.delete(_batch_key(queue), None),
    ]
    try:
        table.transact(actions)
    except table.ConditionError:
        return False
    return True


def add(queue: change_queues.Queue, entries: Sequence[change_batches.Entry]) -> int:
    """Puts entries into the queue; returns how many of them it had not seen before. Two actions each."""
    added = 0
    for start in range(0, len(entries), AT_ONCE // 2):
        waiting = list(entries[start : start + AT_ONCE // 2])
        while waiting:
            # The marks come first, so that a mark that is there tells by its position whose it is.
            marks = [table.put(_seen_key(queue, entry), _seen_item(entry)) for entry in waiting]
            puts = [table.put(_entry_key(queue, entry.key), _entry_item(entry), None) for entry in waiting]
            try:
                table.transact([*marks, *puts])
            except table.ConditionError as error:
                waiting = [entry for position, entry in enumerate(waiting) if position not in error.failed]
                continue
            added += len(waiting)
            break
    return added


def waiting(queue: change_queues.Queue, *, limit: int) -> list[change_batches.Entry]:
    """At most `limit` entries in the order of their events."""
    between = ("entry#", "entry#~")
    items = table.query(keys.change_queue(queue.account, queue.id), between=between, limit=limit)
    return [change_batches.Entry(item["event"], item["record"], item["trigger"], item["created"]) for item in items]


def remove(queue: change_queues.Queue, entry_keys: Sequence[str]) -> None:
    """Removes entries; safe to run again."""
    for start in range(0, len(entry_keys), AT_ONCE):
        table.transact(
            [table.delete(_entry_key(queue, entry_key), None) for entry_key in entry_keys[start : start + AT_ONCE]]
        )


def batch(queue: change_queues.Queue) -> change_batches.Batch:
    """How the queue's batch stands."""
    item = table.get(_batch_key(queue))
    if item is None:
        return change_batches.Batch()
    return change_batches.Batch(
        state=item["state"],
        job=item["job"],
        entries=tuple(item["entries"]),
        location=item["location"],
        began=item["began"],
        finished={each["job"]: each["count"] for each in item["finished"]},
        revision=item["revision"],
    )


def begin(queue: change_queues.Queue, batch: change_batches.Batch) -> Literal["begun", "gone", "overtaken"]:
    """Stores a batch that begins; gone where the queue is, overtaken where another batch came first."""
    try:
        table.transact([table.check(_key(queue.account, queue.id)), _batch_put(queue, batch)])
    except table.ConditionError as error:
        return "gone" if 0 in error.failed else "overtaken"
    return "begun"


def advance(queue: change_queues.Queue, batch: change_batches.Batch) -> bool:
    """Stores the next state of a batch; False where another change came first, or the queue is gone."""
    return _holds(_batch_put(queue, batch))


def _batch_put(queue: change_queues.Queue, batch: change_batches.Batch) -> table.Action:
    nobody_changed_it_since = table.IS_NEW if batch.revision == 1 else "revision = :before"
    before = {} if batch.revision == 1 else {"before": batch.revision - 1}
    item = {
        "type": "change_batch",
        "state": batch.state,
        "job": batch.job,
        "entries": list(batch.entries),
        "location": batch.location,
        "began": batch.began,
        "finished": [{"job": job, "count": count} for job, count in batch.finished.items()],
        "revision": batch.revision,
    }
    return table.put(_batch_key(queue), item, nobody_changed_it_since, **before)


def _holds(action: table.Action) -> bool:
    try:
        table.write(action)
    except table.ConditionError:
        return False
    return True


def _count(account_id: int, change: int, condition: str | None, **values: object) -> table.Action:
    """Counts a queue in or out, on one item: a limit that is shared over shards could be passed."""
    return table.update(
        (f"{_partition(account_id)}#total", "0"),
        "SET #type = :type ADD things :change",
        condition,
        {"#type": "type"},
        type="total",
        change=change,
        **values,
    )


def _partition(account_id: int) -> str:
    return keys.listed(account_id, "queues")


def _key(account_id: int, queue_id: int) -> table.Key:
    return _partition(account_id), keys.number(queue_id)


def _uuid_key(account_id: int, uuid: str) -> table.Key:
    return keys.listed(account_id, "queue_uuids"), uuid


def _batch_key(queue: change_queues.Queue) -> table.Key:
    return keys.change_queue(queue.account, queue.id), "batch"


def _entry_key(queue: change_queues.Queue, entry_key: str) -> table.Key:
    return keys.change_queue(queue.account, queue.id), f"entry#{entry_key}"


def _seen_key(queue: change_queues.Queue, entry: change_batches.Entry) -> table.Key:
    return keys.change_queue(queue.account, queue.id), f"seen#{entry.key}"


def _entry_item(entry: change_batches.Entry) -> Item:
    return {
        "type": "change_entry",
        "event": entry.event,
        "record": entry.record,
        "trigger": entry.trigger,
        "created": entry.created,
        "expires": _expires(entry),
    }


def _seen_item(entry: change_batches.Entry) -> Item:
    return {"type": "change_seen", "expires": _expires(entry)}


def _expires(entry: change_batches.Entry) -> int:
    """Epoch seconds: as the event itself, which an entry is nothing without."""
    return (entry.created + events.KEPT_MILLISECONDS) // clock.SECOND


def _to_item(queue: change_queues.Queue) -> Item:
    return {
        "type": "change_queue",
        "id": queue.id,
        "account": queue.account,
        "uuid": queue.uuid,
        "name": queue.name,
        "model": queue.model,
        "filter": queue.filter,
        "triggers": list(queue.triggers),
        "columns": None if queue.columns is None else list(queue.columns),
        "created": queue.created,
        "updated": queue.updated,
        "revision": queue.revision,
    }


def _from_item(item: Item) -> change_queues.Queue:
    return change_queues.Queue(
        id=item["id"],
        account=item["account"],
        uuid=item["uuid"],
        name=item["name"],
        model=item["model"],
        filter=item.get("filter"),
        triggers=tuple(item["triggers"]),
        columns=tuple(item["columns"]) if "columns" in item else None,
        created=item["created"],
        updated=item["updated"],
        revision=item["revision"],
    )
