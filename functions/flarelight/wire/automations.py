"""The shapes of the automations group. Steps and triggers are objects in camel case here, and checked by the core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from flarelight.wire import described
from flarelight.wire.common import (
    ANALYSIS,
    AUTOMATION,
    GENERATED_REPORT,
    IMPORT,
    JOB,
    PREPARATION,
    PROJECT,
    REPORT,
    RUN,
    Answer,
    Message,
    Request,
    Shape,
)
from fluvial import automation_machine, automation_steps, automation_triggers, automations, clock, ids, jobs
from fluvial.errors import InvalidError
from fluvial.http import Uuid
from fluvial.http.wire import NOT_NULL, Documented, line, one_of, parse_time, text

Name = Annotated[str, line(automations.MAX_NAME_LENGTH)]
Description = Annotated[str, text(automations.MAX_DESCRIPTION_LENGTH)]
Concurrency = Annotated[str, one_of(automations.CONCURRENCIES)]

# What steps and triggers name, by its name here: the name in the core, and how its id is spelled.
THINGS: dict[str, tuple[str, Uuid]] = {
    "importId": ("dataset", IMPORT),
    "preparationId": ("preparation", PREPARATION),
    "reportId": ("report", REPORT),
    "generatedReportId": ("generated_report", GENERATED_REPORT),
    "analysisId": ("analysis", ANALYSIS),
    "automationId": ("automation", AUTOMATION),
    "projectId": ("project", PROJECT),
}
NAMES = {"backoffSeconds": "backoff_seconds", "timeZone": "time_zone"}
CORE_NAMES = {core: name for name, core in NAMES.items()}
Steps = Annotated[
    list[dict[str, Any]], Documented(minItems=1, maxItems=automation_steps.MAX_STEPS, items=described.STEP)
]
Triggers = Annotated[
    list[dict[str, Any]],
    Documented(minItems=1, maxItems=automation_triggers.MAX_TRIGGERS, items=described.triggers_of(THINGS)),
]
OF_STEPS = ("importId", "preparationId", "reportId", "analysisId")


class AutomationCreate(Request):
    """What is done (`steps`), and when (`triggers`). docs/apis.md has the fields of each kind."""

    name: Name
    description: Description | None = None
    enabled: bool | None = None
    triggers: Triggers
    steps: Steps
    concurrency: Concurrency | None = None


class AutomationUpdate(Request):
    """What is left out stays; a null takes the description away."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    name: Annotated[Name | None, NOT_NULL] = None
    description: Description | None = None
    enabled: Annotated[bool | None, NOT_NULL] = None
    triggers: Annotated[Triggers | None, NOT_NULL] = None
    steps: Annotated[Steps | None, NOT_NULL] = None
    concurrency: Annotated[Concurrency | None, NOT_NULL] = None

    def to_core(self) -> automations.Change:
        return automations.Change(
            frozenset(self.model_fields_set),
            name=self.name,
            description=self.description,
            enabled=self.enabled,
            triggers=None if self.triggers is None else triggers_to_core(self.triggers),
            steps=None if self.steps is None else steps_to_core(self.steps),
            concurrency=self.concurrency,
        )


class AutomationExecute(Request):
    """`input` is what conditions and webhooks of the run can use."""

    input: dict[str, Any] | None = None


class LastRun(Shape):
    """The newest run that was not skipped."""

    id: str
    created_at: str


class Automation(Shape):
    """An automation. `nextRunAt` is when its schedule is due next; runs under way and waiting are counted apart."""

    id: str
    name: str
    description: str | None
    enabled: bool
    triggers: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    concurrency: str
    next_run_at: str | None
    last_run: LastRun | None
    running_run_id: str | None
    waiting_runs: int
    revision: int
    created_at: str
    updated_at: str

    @classmethod
    def from_core(cls, automation: automations.Automation, line: automations.Line | None, now: int) -> Automation:
        due = automation.next_run(now)
        last, last_at = (None, None) if line is None else (line.last, line.last_at)
        return cls(
            id=AUTOMATION.spell(automation.id),
            name=automation.name,
            description=automation.description,
            enabled=automation.enabled,
            triggers=[_trigger(each) for each in automation.triggers.to_json()],
            steps=[_step(step) for step in automation.steps],
            concurrency=automation.concurrency,
            next_run_at=None if due is None else clock.iso(due),
            last_run=None
            if last is None or last_at is None
            else LastRun(id=RUN.spell(last), created_at=clock.iso(last_at)),
            running_run_id=None if line is None or line.active is None else RUN.spell(line.active),
            waiting_runs=0 if line is None else len(line.waiting),
            revision=automation.revision,
            created_at=clock.iso(automation.created),
            updated_at=clock.iso(automation.updated),
        )


class AutomationAnswer(Answer):
    data: Automation

    @classmethod
    def of_core(cls, automation: automations.Automation, line: automations.Line | None = None) -> AutomationAnswer:
        return cls.of(Automation.from_core(automation, line, clock.now()))


class AutomationList(Answer):
    data: list[Automation]


class RunStep(Shape):
    """How a step of a run stands. `until` is the end of a wait, or when a retry is due."""

    name: str
    type: str
    status: str
    attempts: int
    started_at: str | None
    ended_at: str | None
    until: str | None
    job_id: str | None
    result: dict[str, Any] | None
    error: str | None

    @classmethod
    def from_core(cls, step: automation_steps.Step, state: automation_machine.State) -> RunStep:
        return cls(
            name=step.name,
            type=step.type,
            status=state.status,
            attempts=state.attempts,
            started_at=_time(state.started),
            ended_at=_time(state.ended),
            until=_time(state.until),
            job_id=None if state.job is None else JOB.spell(state.job),
            result=None if state.result is None else _spelled(state.result),
            error=state.error,
        )


class RunListed(Shape):
    """A run in a list. `status` is queued, running, succeeded, failed, cancelled or skipped."""

    id: str
    automation_id: str
    name: str
    status: str
    attempt: int
    job_id: str | None
    trigger: dict[str, Any]
    error: str | None
    created_at: str
    started_at: str | None
    ended_at: str | None
    duration_ms: int | None

    @classmethod
    def from_core(cls, run: automation_machine.Run) -> RunListed:
        return cls(**_fields(run))


class Run(RunListed):
    """A run alone: what it was given, and how each of its steps stands."""

    input: dict[str, Any]
    steps: list[RunStep]

    @classmethod
    def from_core(cls, run: automation_machine.Run) -> Run:
        steps = [RunStep.from_core(step, state) for step, state in zip(run.steps, run.states, strict=True)]
        return cls(**_fields(run), input=dict(run.input), steps=steps)


class RunAnswer(Answer):
    data: Run

    @classmethod
    def of_core(cls, run: automation_machine.Run) -> RunAnswer:
        return cls.of(Run.from_core(run))


class RunList(Answer):
    data: list[RunListed]

    @classmethod
    def of_core(cls, runs: list[automation_machine.Run], more: bool) -> RunList:
        messages = []
        if more:
            after = RUN.spell(runs[-1].id)
            told = f"These are the newest {len(runs)}: ask for those that follow with 'after={after}'."
            messages = [Message(code="MORE_ITEMS", message=told, field="after")]
        return cls.of([RunListed.from_core(run) for run in runs], *messages)


class RunStarted(Shape):
    """A run that was recorded; a skipped one has no job."""

    job_id: str | None
    run_id: str
    status: str


class RunStartedAnswer(Answer):
    data: RunStarted

    @classmethod
    def of_core(cls, run: automation_machine.Run) -> RunStartedAnswer:
        job = None if run.job is None else JOB.spell(run.job)
        messages = [] if run.error is None else [Message(code="RUN_SKIPPED", message=run.error)]
        return cls.of(RunStarted(job_id=job, run_id=RUN.spell(run.id), status=run.status), *messages)


def steps_to_core(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Steps as the core reads them: ids as numbers, times in milliseconds, names of its own."""
    return [_step_to_core(f"steps.{number}", step) for number, step in enumerate(given)]


def triggers_to_core(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Triggers as the core reads them."""
    return [_trigger_to_core(f"triggers.{number}", trigger) for number, trigger in enumerate(given)]


def _step_to_core(place: str, given: dict[str, Any]) -> dict[str, Any]:
    step: dict[str, Any] = {}
    for name, value in given.items():
        _check_case(place, name)
        if name in OF_STEPS and value is not None:
            core, kind = THINGS[name]
            step[core] = kind.parse(str(value), field=f"{place}.{name}")
        elif name == "until" and value is not None:
            step[name] = parse_time(f"{place}.until", str(value))
        else:
            step[NAMES.get(name, name)] = value
    return step


def _trigger_to_core(place: str, given: dict[str, Any]) -> dict[str, Any]:
    trigger: dict[str, Any] = {}
    for name, value in given.items():
        _check_case(place, name)
        if name in THINGS:
            if "thing" in trigger:
                raise InvalidError(f"{place}.{name}", "A trigger is narrowed down to one thing at most.")
            _, kind = THINGS[name]
            number = None if value is None else kind.parse(str(value), field=f"{place}.{name}")
            trigger["thing"] = None if number is None else {"kind": kind.prefix, "id": number}
        elif name in ("start", "end") and value is not None:
            trigger[name] = parse_time(f"{place}.{name}", str(value))
        else:
            trigger[NAMES.get(name, name)] = value
    return trigger


def _check_case(place: str, name: str) -> None:
    """A field under the core's name is refused as any other that there is not."""
    if name in CORE_NAMES or name == "thing" or name in {core for core, _ in THINGS.values()}:
        raise InvalidError(f"{place}.{name}", f"'{place}' has no field '{name}': names are in camel case.", value=name)


def _step(step: automation_steps.Step) -> dict[str, Any]:
    """A step as it was given, with what is default."""
    shown: dict[str, Any] = {}
    for name, value in step.to_json().items():
        if name in [core for core, _ in THINGS.values()]:
            wire, kind = next((wire, kind) for wire, (core, kind) in THINGS.items() if core == name)
            shown[wire] = kind.spell(value)
        elif name == "until":
            shown[name] = clock.iso(value)
        else:
            shown[CORE_NAMES.get(name, name)] = value
    return shown


def _trigger(trigger: Mapping[str, Any]) -> dict[str, Any]:
    if trigger["type"] == "schedule":
        return {
            "type": "schedule",
            "expression": trigger["expression"],
            "timeZone": trigger["time_zone"],
            "start": _time(trigger["start"]),
            "end": _time(trigger["end"]),
        }
    if "thing" not in trigger:
        return dict(trigger)
    thing = trigger["thing"]
    wire = next(wire for wire, (_, kind) in THINGS.items() if kind.prefix == thing["kind"])
    return {"type": "event", "event": trigger["event"], wire: ids.uuid(thing["kind"], thing["id"])}


def _fields(run: automation_machine.Run) -> dict[str, Any]:
    took = None if run.started is None or run.ended is None else run.ended - run.started
    return {
        "id": RUN.spell(run.id),
        "automation_id": AUTOMATION.spell(run.automation),
        "name": run.name,
        "status": run.status,
        "attempt": run.attempt,
        "job_id": None if run.job is None else JOB.spell(run.job),
        "trigger": {to_camel(name): value for name, value in run.trigger.items()},
        "error": run.error,
        "created_at": clock.iso(run.created),
        "started_at": _time(run.started),
        "ended_at": _time(run.ended),
        "duration_ms": took,
    }


def _spelled(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result with ids as this API spells them."""
    spelled = {}
    for name, value in result.items():
        prefix = jobs.NAMED.get(name)
        if prefix is None or value is None:
            spelled[to_camel(name)] = value
        else:
            called = "importId" if name == "dataset" else to_camel(f"{name}_id")
            spelled[called] = ids.uuid(prefix, value)
    return spelled


def _time(moment: int | None) -> str | None:
    return None if moment is None else clock.iso(moment)
