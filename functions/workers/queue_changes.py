"""Event -> one entry in each change queue that wants it. At least once; coming again, it adds no second one."""

from __future__ import annotations

from typing import Any

from fluvial import bus, change_queues
from fluvial.log import write_line
from workers.messages import parse_event


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event whose bodies are EventBridge events."""
    return bus.run_batch(event, _collect)


def _collect(message: dict[str, Any]) -> None:
    event = parse_event(message)
    write_line("queue_changes", event=event.id, type=event.type, entries=change_queues.collect(event))
