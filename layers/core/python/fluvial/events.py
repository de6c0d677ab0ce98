"""Events: what has happened, recorded in the transaction that made it happen (the outbox), told to all who asked."""

from __future__ import annotations

import json
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
)

# How long the outbox keeps an event, so that a consumer can reconcile.
KEPT_MILLISECONDS = 90 * clock.DAY


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `data` is the thing as it was then; JSON values only."""

    id: int
    account: int
    type: str
    created: int
    data: dict[str, Any]

    @property
    def spelling(self) -> str:
        """The id that consumers see, the same at every delivery."""
        return ids.spell(ids.EVENT, self.id)

    def body(self) -> bytes:
        """The payload of a webhook, in the form that Standard Webhooks recommends: type, timestamp, data."""
        payload = {"type": self.type, "timestamp": clock.iso(self.created), "data": self.data}
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
