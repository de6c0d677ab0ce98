"""The outbox: events, written in the transaction of their cause and carried on by the table's stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fluvial import causes, clock, events, ids
from fluvial.store import keys, table
from fluvial.store.attributes import Item

TYPE = "event"


def record(event: events.Event) -> table.Action:
    """The action that records the event, for the transaction of its cause."""
    return table.put(_key(event.account, event.id), to_item(event))


def get(account_id: int, event_id: str) -> events.Event | None:
    item = table.get(_key(account_id, event_id))
    return from_item(item) if item else None


def some(account_id: int, event_ids: Sequence[str]) -> dict[str, events.Event]:
    """Those of the events that are there, by id."""
    found = [from_item(item) for item in table.batch_get([_key(account_id, event_id) for event_id in event_ids])]
    return {event.id: event for event in found}


def after(account_id: int, position: str, *, limit: int) -> list[events.Event]:
    """At most `limit` events behind a position, oldest first."""
    # A space sorts before whatever an id goes on with, so the event at the position itself is left out; a tilde, last.
    items = table.query(keys.listed(account_id, "events"), between=(f"{position} ", f"{ids.EVENT}_~"), limit=limit)
    return [from_item(item) for item in items]


def to_item(event: events.Event) -> Item:
    return {
        "type": TYPE,
        "id": event.id,
        "account": event.account,
        "event_type": event.type,
        "created": event.created,
        "data": json.dumps(event.data, ensure_ascii=False, separators=(",", ":")),
        "cause": event.cause.to_json() if event.cause else None,
        "silent": event.silent or None,
        "expires": (event.created + events.KEPT_MILLISECONDS) // clock.SECOND,
    }


def from_item(item: dict[str, Any]) -> events.Event:
    return events.Event(
        id=item["id"],
        account=item["account"],
        type=item["event_type"],
        created=item["created"],
        data=json.loads(item["data"]),
        cause=causes.from_json(item.get("cause")),
        silent=item.get("silent", False),
    )


def _key(account_id: int, event_id: str) -> table.Key:
    return keys.listed(account_id, "events"), event_id
