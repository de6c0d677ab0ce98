"""Event -> one delivery for each endpoint that wants it. At least once; run again it makes no second delivery."""

from __future__ import annotations

from typing import Any

from fluvial import bus, deliveries
from fluvial.log import write_line
from workers.messages import parse_event


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event whose bodies are EventBridge events."""
    return bus.run_batch(event, _fan_out)


def _fan_out(message: dict[str, Any]) -> None:
    event = parse_event(message)
    # A silent one is told to nobody, and goes no further.
    queued = 0 if event.silent else deliveries.fan_out(event)
    write_line("fan_out", event=event.id, type=event.type, deliveries=queued)
