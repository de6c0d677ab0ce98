"""The workers and the machine of automations may die before or after any call to AWS: each thing happens once."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from fluvial import analyses, automation_runs, automations, clock, config, ids
from fluvial import aws as aws_clients
from fluvial.automations import Automation
from fluvial.aws import client
from fluvial.caller import Caller
from fluvial.store import automations as stored_automations
from fluvial.store import keys, table
from tests import factories
from tests.workers.automation_pipeline import AutomationPipeline, Clock, settings
from tests.workers.pipeline import Died, own_client
from tests.workers.test_crashes import Crash
from workers import analyse, ingest, start_automation
from workers import automations as automations_worker

SERVICES = ("dynamodb", "s3", "sqs", "events", "stepfunctions", "scheduler")
CSV = b"city,n\nBonn,1\nKiel,2\n"
API = [{"type": "api"}]


@pytest.fixture
def caller(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Caller:
    for name, value in settings(aws).items():
        monkeypatch.setenv(name, value)
    config.settings.cache_clear()
    return factories.new_caller()


class OwnCrash(Crash):
    """Counts, and dies at, the calls of what drives automations; other workers have tests of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.on = True

    def wrap(self, make_call: Callable[..., Any]) -> Callable[..., Any]:
        counted = super().wrap(make_call)
        return lambda *given: (counted if self.on else make_call)(*given)

    @contextmanager
    def off(self) -> Iterator[None]:
        self.on = False
        yield
        self.on = True


class Narrow(AutomationPipeline):
    """Only what these tests are about: every round of each of hundreds of deaths asks every queue."""

    def __init__(self, resources: dict[str, str], time: Clock, crash: OwnCrash) -> None:
        super().__init__(resources, time)
        self.crash = crash

    def step(self) -> bool:
        with self.crash.off():
            busy = [
                self.stream(),
                self.drain("IngestQueue", ingest.handler),
                self.drain("AnalyseQueue", analyse.handler),
            ]
        busy += [
            self.drain("StartAutomationQueue", start_automation.handler),
            self.drain("AutomationsQueue", automations_worker.handler),
            self.machine(),
        ]
        return any(busy)


@pytest.fixture
def pipeline(caller: Caller, aws: dict[str, str], crash: OwnCrash, monkeypatch: pytest.MonkeyPatch) -> Narrow:
    moved = Clock()
    monkeypatch.setattr(clock.time, "time_ns", moved.time_ns)
    return Narrow(aws, moved, crash)


@pytest.fixture
def crash(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnCrash]:
    crash = OwnCrash()
    for service in SERVICES:
        made = client(service)
        monkeypatch.setattr(made, "_make_api_call", crash.wrap(made._make_api_call))
    yield crash
    aws_clients.client.cache_clear()


def line(automation: Automation) -> automations.Line:
    found = stored_automations.line(automation.account, automation.id)
    assert found is not None
    return found


def of_type(caller: Caller, *types: str) -> Counter[str]:
    found = (item["event_type"] for item in table.query(keys.listed(caller.account, "events")))
    return Counter(each for each in found if each in types)


def calls_of(crash: OwnCrash, work: Callable[[], object]) -> int:
    before = crash.calls
    work()
    return crash.calls - before


def each_death(calls: int) -> Iterator[tuple[int, str]]:
    """After every call, and before the first: before any other is after the one that came before it."""
    return itertools.chain([(0, "before")], ((number, "after") for number in range(calls)))


def test_a_run_survives_a_death_at_any_call_of_its_machine(caller: Caller, pipeline: Narrow, crash: OwnCrash) -> None:
    """Start, a step with a job, a wait, the end: the analysis is run once, and everything ends once."""
    dataset = factories.new_dataset(caller, factories.new_project(caller), CSV)
    pipeline.settle()
    query = {"aggregates": [{"function": "count", "as": "rows"}]}
    analysis = analyses.create(caller, project_id=dataset.project, name="A", dataset_id=dataset.id, query=query)
    made = automations.create(
        caller,
        name="A",
        triggers=API,
        steps=[
            {"name": "count", "type": "run_analysis", "analysis": analysis.id},
            {"name": "rest", "type": "wait", "seconds": 30},
        ],
    )
    pipeline.settle()
    automation_runs.execute(caller, made.id)
    calls = calls_of(crash, pipeline.finish)
    assert calls >= 25
    types = ("automation.completed", "automation.failed", "analysis.completed")
    for number, when in each_death(calls):
        before = of_type(caller, *types)
        run = automation_runs.execute(caller, made.id)
        crash.arm(number, when)
        pipeline.finish()
        crash.countdown = None
        pipeline.finish()
        found = automation_runs.get(caller, run.id)
        assert (found.status, [state.attempts for state in found.states]) == ("succeeded", [1, 1]), (number, when)
        happened = of_type(caller, *types) - before
        assert happened == {"automation.completed": 1, "analysis.completed": 1}, (number, when)
        assert (line(made).active, line(made).waiting) == (None, ()), (number, when)
    assert pipeline.deaths == calls + 1


def test_a_retry_and_the_next_in_line_survive_a_death_at_any_call(
    caller: Caller, pipeline: Narrow, crash: OwnCrash
) -> None:
    """A step that always fails, with one retry, twice in line: two runs end as failed, one after the other."""
    step = {"name": "file", "type": "call_webhook", "url": "http://127.0.0.1:9/", "retries": 1, "backoff_seconds": 5}
    made = automations.create(caller, name="A", triggers=API, steps=[step])
    pipeline.settle()

    def two() -> list[int]:
        return [automation_runs.execute(caller, made.id).id for _ in range(2)]

    two()
    calls = calls_of(crash, pipeline.finish)
    for number, when in each_death(calls):
        before = of_type(caller, "automation.failed")
        runs = [automation_runs.execute(caller, made.id).id for _ in range(2)]
        crash.arm(number, when)
        pipeline.finish()
        crash.countdown = None
        pipeline.finish()
        found = [automation_runs.get(caller, run) for run in runs]
        assert [(run.status, run.states[0].attempts) for run in found] == [("failed", 2)] * 2, (number, when)
        assert (found[0].ended or 0) <= (found[1].started or 0)
        assert of_type(caller, "automation.failed") - before == {"automation.failed": 2}, (number, when)
        assert (line(made).active, line(made).waiting) == (None, ()), (number, when)


def schedules() -> list[str]:
    found = own_client("scheduler").list_schedules(GroupName="fluvial-automations")["Schedules"]
    return sorted(each["Name"] for each in found)


def test_a_schedule_in_aws_is_in_step_after_a_death_at_any_call(
    caller: Caller, pipeline: Narrow, crash: OwnCrash
) -> None:
    def life() -> Automation:
        """Made, changed, and one of two deleted."""
        triggers: Any = [{"type": "schedule", "expression": "rate(1 hour)"}]
        kept, gone = (
            automations.create(caller, name="A", triggers=triggers, steps=[{"name": "a", "type": "wait", "seconds": 9}])
            for _ in range(2)
        )
        pipeline.settle()
        automations.update(caller, kept.id, automations.Change(frozenset({"enabled"}), enabled=False))
        automations.delete(caller, gone.id)
        return kept

    kept = life()
    calls = calls_of(crash, pipeline.settle)
    left = [kept]
    for number, when in each_death(calls):
        left.append(life())
        crash.arm(number, when)
        pipeline.settle()
        crash.countdown = None
        pipeline.settle()
        assert schedules() == sorted(ids.spell("auto", each.id) for each in left), (number, when)
    states = {
        own_client("scheduler").get_schedule(Name=name, GroupName="fluvial-automations")["State"]
        for name in schedules()
    }
    assert states == {"DISABLED"}


def test_a_cancelled_run_takes_its_step_s_job_along_after_a_death_at_any_call(
    caller: Caller, pipeline: Narrow, crash: OwnCrash
) -> None:
    made = automations.create(caller, name="A", triggers=API, steps=[{"name": "rest", "type": "wait", "seconds": 600}])

    def under_way() -> int:
        run = automation_runs.execute(caller, made.id)
        pipeline.settle()
        return run.id

    first = under_way()
    calls = calls_of(crash, lambda: (automation_runs.cancel(caller, first), pipeline.finish()))
    for number, when in each_death(calls):
        run_id = under_way()
        before = of_type(caller, "automation.cancelled")
        crash.arm(number, when)
        with suppress(Died):
            automation_runs.cancel(caller, run_id)
        pipeline.finish(clock.MINUTE)
        crash.countdown = None
        # Whoever asked and had no answer asks again; nothing of it happens twice.
        if automation_runs.get(caller, run_id).status != "succeeded":
            automation_runs.cancel(caller, run_id)
        pipeline.finish()
        assert automation_runs.get(caller, run_id).status == "cancelled", (number, when)
        assert of_type(caller, "automation.cancelled") - before == {"automation.cancelled": 1}, (number, when)
        assert (line(made).active, line(made).waiting) == (None, ()), (number, when)
