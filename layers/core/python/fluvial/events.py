"""Events: what has happened, recorded in the transaction that made it happen (the outbox), told to all who asked."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any

from fluvial import clock, ids

TYPES = (
    "project.created",
    "project.updated",
    "project.deleted",
    "data.uploaded",
    "data.processed",
    "data.failed",
    "data.deleted",
    "user.invited",
)

# How long the outbox keeps an event, so that a consumer can reconcile.
KEPT_MILLISECONDS = 90 * clock.DAY


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `data` is the thing as it was then; JSON values only."""

    id: str  # evt_… , the same at every delivery
    account: int
    type: str
    created: int
    data: dict[str, Any]

    def body(self) -> bytes:
        """The payload of a webhook, in the form that Standard Webhooks recommends: type, timestamp, data."""
        payload = {"type": self.type, "timestamp": clock.iso(self.created), "data": self.data}
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def happened(account_id: int, type: str, data: dict[str, Any], *, at: int) -> Event:
    """An event of now. Its id sorts by time and has chance enough never to meet another, so recording cannot fail."""
    return Event(f"{ids.spell(ids.EVENT, ids.new_id())}{secrets.token_hex(5)}", account_id, type, at, data)
