"""One attempt of a delivery per message, ten at a time. At least once: see fluvial.deliveries for what that means."""

from __future__ import annotations

from typing import Any

from fluvial import bus, deliveries, ids
from fluvial.log import write_line

# The largest batch of an SQS event source without a batching window, so that slow receivers do not queue up.
THREADS = 10


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event whose bodies are `deliveries.Delivery.message`s."""
    return bus.run_batch(event, _attempt, threads=THREADS)


def _attempt(message: dict[str, Any]) -> None:
    deliveries.attempt(message["account"], message["endpoint"], message["event"], message["number"])
    endpoint = ids.spell(ids.ENDPOINT, message["endpoint"])
    write_line("deliver", event=message["event"], endpoint=endpoint, attempt=message["number"])
