"""Events: what has happened, recorded in the transaction that made it happen (the outbox), told to all who asked."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fluvial import causes, clock, ids
from fluvial.caller import Caller
from fluvial.causes import Cause
from fluvial.store import events as store

TYPES = (
    "project.created",
    "project.updated",
    "project.deleted",
    "data.uploaded",
    "data.processed",
    "data.failed",
    "data.updated",
    "data.version_changed",
    "data.deleted",
    "analysis.created",
    "analysis.updated",
    "analysis.completed",
    "analysis.failed",
    "analysis.deleted",
    "export.completed",
    "export.failed",
    "preparation.created",
    "preparation.updated",
    "preparation.completed",
    "preparation.failed",
    "preparation.deleted",
    "report.created",
    "report.updated",
    "report.generated",
    "report.failed",
    "report.generated_deleted",
    "report.deleted",
    "automation.created",
    "automation.updated",
    "automation.completed",
    "automation.failed",
    "automation.cancelled",
    "automation.missed",
    "automation.deleted",
    "page.created",
    "page.updated",
    "page.deleted",
    "site.published",
    "site.publish_failed",
    "site.rolled_back",
    "user.invited",
    "application.revoked",
    "record.created",
    "record.updated",
    "record.deleted",
)

# How long the outbox keeps an event, so that a consumer can reconcile.
KEPT_MILLISECONDS = 90 * clock.DAY

# How many events one reading of the log looks at, at most and at a time: a rare type may be far away.
MAX_LOOKED_AT = 1_000
LOOKED_AT_ONCE = 250

BEGINNING = ids.spell(ids.EVENT, 0)
"""The position before every event."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `data` is the thing as it was then; JSON values only.

    `cause` is the run of an automation that made it happen, if one did; webhooks are not told of it. A `silent` one
    stands in the log, and neither webhooks nor automations are told of it: who made it happen asked for that.
    """

    id: str  # evt_… , the same at every delivery
    account: int
    type: str
    created: int
    data: dict[str, Any]
    cause: Cause | None = None
    silent: bool = False

    def body(self) -> bytes:
        """The payload of a webhook, in the form that Standard Webhooks recommends: type, timestamp, data."""
        payload = {"type": self.type, "timestamp": clock.iso(self.created), "data": self.data}
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Stretch:
    """Events in the order of the log; `next` is the position to read on from, None at the log's end."""

    events: Sequence[Event]
    next: str | None


def position(moment: int) -> str:
    """The position before the events that were recorded from this time on (milliseconds)."""
    count = min(max(moment - ids.EPOCH_MILLISECONDS, 0) << ids.COUNT_BITS, ids.MAX_ID)
    return ids.spell(ids.EVENT, count)


def read(caller: Caller, position: str, *, limit: int, type: str | None = None) -> Stretch:
    """At most `limit` events behind a position (an event's id, or what `position` makes of a time), oldest first.

    Of one type, it looks at MAX_LOOKED_AT events and answers what it found, with `next` where to look on: a stretch
    can be short, or empty, before the log's end. Nothing is left out in between.
    """
    found: list[Event] = []
    looked_at = 0
    while looked_at < MAX_LOOKED_AT:
        # One more than wanted tells whether anything follows.
        wanted = limit + 1 if type is None else min(LOOKED_AT_ONCE, MAX_LOOKED_AT - looked_at)
        events = store.after(caller.account, position, limit=wanted)
        for event in events:
            if type is None or event.type == type:
                if len(found) == limit:
                    return Stretch(found, found[-1].id)
                found.append(event)
            position = event.id
        if len(events) < wanted:
            return Stretch(found, None)
        looked_at += wanted
    return Stretch(found, position)


def happened(account_id: int, type: str, data: dict[str, Any], *, at: int, silent: bool = False) -> Event:
    """An event of now. Its id sorts by time and has chance enough never to meet another, so recording cannot fail."""
    number = ids.spell(ids.EVENT, ids.new_id())
    return Event(f"{number}{secrets.token_hex(5)}", account_id, type, at, data, causes.current(), silent)
