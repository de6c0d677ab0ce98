"""Event -> a run of each automation that starts at it. At least once; however often it comes, there is one run of each.

What an event was caused by comes with it: an automation that led to it itself is not started, and that is recorded.
"""

from __future__ import annotations

import json
from typing import Any

from fluvial import automation_runs, bus, clock, ids
from fluvial.events import Event
from fluvial.log import write_line
from fluvial.store import automations as store
from workers.messages import parse_event

MAX_DATA_BYTES = automation_runs.MAX_INPUT_BYTES - 1024


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event whose bodies are EventBridge events."""
    return bus.run_batch(event, _start)


def _start(message: dict[str, Any]) -> None:
    event = parse_event(message)
    chain = event.cause.chain if event.cause else ()
    started = []
    # A silent one is told to nobody, automations included.
    for listener in [] if event.silent else store.listeners(event.account):
        if not any(trigger.fits(event.type, event.data) for trigger in listener.events):
            continue
        automation = store.get(event.account, listener.automation)
        if automation is None or not automation.enabled:
            continue
        trigger = {"type": "event", "event": event.type, "event_id": event.id}
        run = automation_runs.occur(automation, trigger, _input(event), occasion=f"event#{event.id}", chain=chain)
        if run is not None:
            started.append({"run": ids.spell(ids.RUN, run.id), "status": run.status})
    write_line("automation_events", event=event.id, type=event.type, started=started)


def _input(event: Event) -> dict[str, Any]:
    """What the run is given: the event, or the word that its data was too large to be kept with the run."""
    told: dict[str, Any] = {"id": event.id, "type": event.type, "created_at": clock.iso(event.created)}
    if len(json.dumps(event.data, ensure_ascii=False).encode()) > MAX_DATA_BYTES:
        return {"event": {**told, "data_left_out": True}}
    return {"event": {**told, "data": event.data}}
