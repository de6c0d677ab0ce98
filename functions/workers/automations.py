"""What concerns automations beside the steps of their runs: schedules, lines, machines that stopped, the watch.

At least once, and each safe to repeat: the table says what is to be done, and a message only when.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fluvial import automation_runs, automation_schedules, bus, ids
from fluvial.log import write_line
from workers.messages import parse_event, parse_id

Message = dict[str, Any]


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event whose bodies are EventBridge events, or what schedules send, of the types in HOW."""
    return bus.run_batch(event, _handle)


def _handle(message: Message) -> None:
    kind = message["detail-type"]
    write_line("automations", type=kind, outcome=HOW[kind](message))


def _changed(message: Message) -> object:
    """Made, changed: the schedule in AWS is brought in step."""
    event = parse_event(message)
    return automation_schedules.project(event.account, parse_id(ids.AUTOMATION, event.data["id"]))


def _deleted(message: Message) -> object:
    event = parse_event(message)
    automation_id = parse_id(ids.AUTOMATION, event.data["id"])
    automation_runs.sweep(event.account, automation_id)
    return automation_schedules.project(event.account, automation_id)


def _ended(message: Message) -> object:
    """A run ended: the next one's turn has come, if one waits."""
    event = parse_event(message)
    return automation_runs.start_machine(event.account, parse_id(ids.AUTOMATION, event.data["id"]))


def _due(message: Message) -> object:
    detail = message["detail"]
    account_id, automation_id = parse_id(ids.ACCOUNT, detail["account"]), parse_id(ids.AUTOMATION, detail["automation"])
    return automation_schedules.due(account_id, automation_id, detail["time"])


def _stopped(message: Message) -> object:
    """An execution failed, was aborted or ran out of time, whatever became of it: its run ends."""
    given = json.loads(message["detail"]["input"])
    account_id, run_id = parse_id(ids.ACCOUNT, given["account"]), parse_id(ids.RUN, given["run"])
    return automation_runs.stopped(account_id, run_id, given["attempt"])


def _watch(_: Message) -> object:
    return automation_schedules.watch()


HOW: dict[str, Callable[[Message], object]] = {
    "automation.created": _changed,
    "automation.updated": _changed,
    "automation.deleted": _deleted,
    "automation.completed": _ended,
    "automation.failed": _ended,
    "automation.cancelled": _ended,
    "automation.due": _due,
    "Scheduled Event": _watch,
    "Step Functions Execution Status Change": _stopped,
}
"""By type of message."""
