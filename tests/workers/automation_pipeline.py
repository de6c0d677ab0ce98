"""The pipeline with what drives automations: their workers, and the state machine of template.yaml, interpreted here.

moto keeps executions and runs none. This runs their definition as it is in the template: each Task calls the worker, is
tried again as its Retry says, and a Wait ends when the test's clock gets there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fluvial import clock
from tests import template
from tests.workers.pipeline import Died, Pipeline, own_client
from workers import automation_events, automation_step, automations, fail_job, start_automation

NAME = "fluvial-automations"
ROLE = "arn:aws:iam::123456789012:role/fluvial"
REAL_TIME = clock.time.time_ns


class Clock:
    """The time of rules and workers, which the test moves."""

    def __init__(self) -> None:
        self.skipped = 0

    def time_ns(self) -> int:
        return REAL_TIME() + self.skipped * 1_000_000


@dataclass
class Execution:
    """One execution: the state it is in, its data, and until when it waits."""

    name: str
    state: str
    data: dict[str, Any]
    until: int = 0
    tries: int = 0
    transitions: int = 0
    ended: str | None = None


class AutomationPipeline(Pipeline):
    """Carries runs of automations to their end, and lets time pass where nothing else is to be done."""

    def __init__(self, resources: dict[str, str], time: Clock) -> None:
        super().__init__(resources)
        self.time = time
        self.executions: dict[str, Execution] = {}
        self.arn = arn()

    def step(self) -> bool:
        busy = [
            super().step(),
            self.drain("StartAutomationQueue", start_automation.handler),
            self.drain("AutomationEventsQueue", automation_events.handler),
            self.drain("AutomationsQueue", automations.handler),
            self.drain("StartAutomationDeadLetters", fail_job.handler),
            self.machine(),
        ]
        return any(busy)

    def finish(self, milliseconds: int = 400 * clock.DAY) -> None:
        """Settles, lets time pass until the next Wait is over, and so on, until no execution is left."""
        end = clock.now() + milliseconds
        self.settle()
        while (waiting := [each.until for each in self.executions.values() if each.ended is None]) and min(
            waiting
        ) < end:
            self.time.skipped += max(min(waiting) - clock.now(), 0) + 1
            self.settle()

    def machine(self) -> bool:
        """Goes on with every execution that does not wait; whether any moved."""
        sfn = own_client("stepfunctions")
        pages = sfn.get_paginator("list_executions").paginate(stateMachineArn=self.arn)
        for each in (execution for page in pages for execution in page["executions"]):
            if each["name"] not in self.executions:
                given = json.loads(sfn.describe_execution(executionArn=each["executionArn"])["input"])
                self.executions[each["name"]] = Execution(each["name"], definition()["StartAt"], given)
        moved = False
        for execution in list(self.executions.values()):
            while execution.ended is None and execution.until <= clock.now():
                self.transit(execution)
                moved = True
        return moved

    def transit(self, execution: Execution) -> None:
        """One state of an execution."""
        state = definition()["States"][execution.state]
        execution.transitions += 1
        assert execution.transitions < 5_000, "the machine does not come to rest"
        match state["Type"]:
            case "Task":
                self._task(execution, state)
            case "Choice":
                chosen = (each["Next"] for each in state["Choices"] if execution.data["next"] == each["StringEquals"])
                execution.state = next(chosen, state["Default"])
            case "Wait":
                if execution.tries == 0:
                    seconds = execution.data[state["SecondsPath"].removeprefix("$.")]
                    execution.until, execution.tries = clock.now() + seconds * clock.SECOND, 1
                else:
                    execution.state, execution.tries = state["Next"], 0
            case "Pass":
                execution.data = {**execution.data, state["ResultPath"].removeprefix("$."): state["Result"]}
                execution.state = state["Next"]
            case "Succeed":
                execution.ended = "SUCCEEDED"

    def _task(self, execution: Execution, state: dict[str, Any]) -> None:
        given = json.loads(json.dumps(execution.data))
        try:
            execution.data = json.loads(json.dumps(automation_step.handler(given, None)))
        except (Died, Exception):
            self.deaths += 1
            (retry,) = state["Retry"]
            execution.tries += 1
            if execution.tries <= retry["MaxAttempts"]:
                return
            execution.tries = 0
            if "Catch" in state:
                execution.data, execution.state = {**execution.data, "failure": {}}, state["Catch"][0]["Next"]
            else:
                execution.ended = "FAILED"
            return
        execution.tries, execution.state = 0, state["Next"]


def definition() -> dict[str, Any]:
    found: dict[str, Any] = template.written()["Resources"]["AutomationMachine"]["Properties"]["Definition"]
    return found


def arn() -> str:
    """The machine in moto, made if it is not there."""
    made = own_client("stepfunctions").create_state_machine(
        name=NAME, definition=json.dumps(definition()), roleArn=ROLE
    )
    return str(made["stateMachineArn"])


def settings(resources: dict[str, str]) -> dict[str, str]:
    """What the functions of automations get; the group of schedules is made."""
    own_client("scheduler").create_schedule_group(Name=NAME)
    return {
        "FLUVIAL_AUTOMATION_MACHINE": arn(),
        "FLUVIAL_SCHEDULE_GROUP": NAME,
        "FLUVIAL_SCHEDULE_ROLE": ROLE,
        "FLUVIAL_AUTOMATIONS_QUEUE_ARN": "arn:aws:sqs:us-east-1:123456789012:automations",
        "FLUVIAL_UNDELIVERED_QUEUE_ARN": "arn:aws:sqs:us-east-1:123456789012:undelivered",
    }
