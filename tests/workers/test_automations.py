"""Automations from their creation to the end of their runs, with the real workers, and the machine of the template."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from fluvial import (
    analyses,
    automation_runs,
    automations,
    clock,
    config,
    datasets,
    events,
    idempotency,
    ids,
    job_kinds,
    jobs,
    projects,
)
from fluvial.automation_machine import Run
from fluvial.automations import Automation
from fluvial.caller import Caller
from fluvial.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from fluvial.store import automations as stored_automations
from fluvial.store.table import GuardError
from tests import factories
from tests.workers.automation_pipeline import AutomationPipeline, Clock, settings
from workers import automation_step

API = [{"type": "api"}]
CSV = b"city,n\nBonn,1\nKiel,2\n"
WAIT = {"name": "rest", "type": "wait", "seconds": 3_600}


@pytest.fixture
def caller(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Caller:
    for name, value in settings(aws).items():
        monkeypatch.setenv(name, value)
    config.settings.cache_clear()
    return factories.new_caller()


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock()
    monkeypatch.setattr(clock.time, "time_ns", moved.time_ns)
    return moved


@pytest.fixture
def pipeline(caller: Caller, aws: dict[str, str], time: Clock) -> AutomationPipeline:
    return AutomationPipeline(aws, time)


@pytest.fixture
def project(caller: Caller) -> projects.Project:
    return factories.new_project(caller)


@pytest.fixture
def dataset(caller: Caller, project: projects.Project, pipeline: AutomationPipeline) -> datasets.Dataset:
    made = factories.new_dataset(caller, project, CSV)
    pipeline.settle()
    return made


@pytest.fixture
def analysis(caller: Caller, dataset: datasets.Dataset) -> analyses.Analysis:
    query = {"group_by": ["city"], "aggregates": [{"function": "count", "as": "rows"}]}
    return analyses.create(caller, project_id=dataset.project, name="Cities", dataset_id=dataset.id, query=query)


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict[str, Any]], list[int]]]:
    """A receiver of webhooks: its address, what it got, and what it answers next (200 once nothing is left)."""
    got: list[dict[str, Any]] = []
    answers: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            got.append({"key": self.headers["idempotency-key"], **body})
            self.send_response(answers.pop(0) if answers else 200)
            self.end_headers()
            self.wfile.write(b"so it is")

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got, answers
    server.shutdown()
    server.server_close()


def new(caller: Caller, steps: list[dict[str, Any]], triggers: object = API, **given: Any) -> Automation:
    return automations.create(caller, name="Nightly", steps=steps, triggers=triggers, **given)


def types_of_events(caller: Caller) -> Counter[str]:
    happened = events.read(caller, events.BEGINNING, limit=250).events
    return Counter(event.type for event in happened if event.type.startswith("automation."))


def all_runs(caller: Caller, automation: Automation) -> list[Run]:
    return automation_runs.behind(caller, automation.id, None, limit=100)[0]


def line(automation: Automation) -> automations.Line:
    found = stored_automations.line(automation.account, automation.id)
    assert found is not None
    return found


def statuses(run: Run) -> list[str]:
    return [state.status for state in run.states]


# ---------------------------------------------------------------- from the call to the end


def test_a_run_does_its_steps_in_order_and_tells_what_each_came_to(
    caller: Caller, pipeline: AutomationPipeline, dataset: datasets.Dataset, analysis: analyses.Analysis
) -> None:
    made = new(
        caller,
        [
            {"name": "count", "type": "run_analysis", "analysis": analysis.id},
            {"name": "file", "type": "export", "dataset": dataset.id, "format": "csv"},
        ],
    )
    queued = automation_runs.execute(caller, made.id, {"why": "a test"})
    assert (queued.status, queued.trigger, queued.input) == ("queued", {"type": "api"}, {"why": "a test"})
    assert jobs.get(caller, queued.job or 0).state == "queued"
    assert line(made).active == queued.id

    pipeline.finish()

    run = automation_runs.get(caller, queued.id)
    assert (run.status, run.error, statuses(run)) == ("succeeded", None, ["succeeded", "succeeded"])
    count, file = run.states
    assert count.result == {
        "analysis": analysis.id,
        "rows": 2,
        "groups_total": 2,
        "truncated": False,
        "version": 1,
    }
    assert file.result is not None
    assert (file.result["dataset"], file.result["rows"], file.attempts) == (dataset.id, 2, 1)
    assert count.ended is not None
    assert file.started is not None
    assert (run.started or 0) <= count.ended <= file.started <= (run.ended or 0)
    job = jobs.get(caller, run.job or 0)
    assert (job.kind, job.state, job.outputs) == ("automation", "succeeded", {"automation": made.id, "run": run.id})
    assert types_of_events(caller) == {"automation.created": 1, "automation.completed": 1}
    assert (line(made).active, line(made).waiting, line(made).last) == (None, (), run.id)
    assert all_runs(caller, made) == [run]
    (execution,) = pipeline.executions.values()
    assert (execution.name, execution.ended) == (f"{ids.spell('run', run.id)}-1-0", "SUCCEEDED")


def test_a_preparation_and_a_report_are_steps_too(
    caller: Caller, pipeline: AutomationPipeline, dataset: datasets.Dataset
) -> None:
    from fluvial import preparations, reports

    prepared = preparations.create(
        caller,
        name="One city",
        inputs={"data": preparations.Input(dataset.id)},
        recipe={"steps": [{"step": "limit", "limit": 1}]},
    )
    section = {"type": "table", "dataset": ids.uuid("data", dataset.id), "query": {"group_by": ["city"]}}
    report = reports.create(caller, name="Cities", definition={"sections": [section]}, formats=["csv"])
    few = {"value": "steps.prepare.rows", "operator": "eq", "to": 1}
    made = new(
        caller,
        [
            {"name": "prepare", "type": "execute_preparation", "preparation": prepared.id},
            {"name": "few", "type": "condition", "conditions": [few]},
            {"name": "report", "type": "generate_report", "report": report.id},
        ],
    )
    run = automation_runs.execute(caller, made.id)
    pipeline.finish()
    run = automation_runs.get(caller, run.id)
    assert (run.status, run.error, statuses(run)) == ("succeeded", None, ["succeeded"] * 3)
    prepare, _, show = run.states
    assert prepare.result is not None
    assert (prepare.result["rows"], prepare.result["version"], prepare.result["same"]) == (1, 1, False)
    assert show.result is not None
    assert show.result["report"] == report.id
    happened = events.read(caller, events.BEGINNING, limit=250).events
    caused = {event.type for event in happened if event.cause is not None}
    assert {"preparation.completed", "data.processed", "report.generated"} <= caused


def test_what_is_done_for_a_run_carries_its_cause(
    caller: Caller, pipeline: AutomationPipeline, analysis: analyses.Analysis
) -> None:
    made = new(caller, [{"name": "count", "type": "run_analysis", "analysis": analysis.id}])
    run = automation_runs.execute(caller, made.id)
    pipeline.finish()
    happened = {event.type: event for event in events.read(caller, events.BEGINNING, limit=250).events}
    for kind in ("analysis.completed", "automation.completed"):
        cause = happened[kind].cause
        assert cause is not None
        assert (cause.run, cause.chain) == (run.id, (made.id,))
    assert happened["automation.created"].cause is None
    assert happened["analysis.created"].cause is None


def test_a_condition_goes_past_steps_and_a_wait_takes_its_time(
    caller: Caller, pipeline: AutomationPipeline, time: Clock, analysis: analyses.Analysis
) -> None:
    made = new(
        caller,
        [
            {"name": "count", "type": "run_analysis", "analysis": analysis.id},
            {
                "name": "many",
                "type": "condition",
                "conditions": [
                    {"value": "steps.count.rows", "operator": "gte", "to": 2},
                    {"value": "input.region", "operator": "eq", "to": "north"},
                ],
                "then": "rest",
                "else": "end",
            },
            {"name": "never", "type": "wait", "seconds": 5},
            WAIT,
        ],
    )
    run = automation_runs.execute(caller, made.id, {"region": "north"})
    pipeline.finish()
    run = automation_runs.get(caller, run.id)
    assert (run.status, statuses(run)) == ("succeeded", ["succeeded", "succeeded", "skipped", "succeeded"])
    assert (run.ended or 0) - (run.started or 0) >= 3_600_000
    other = automation_runs.execute(caller, made.id, {"region": "south"})
    pipeline.finish()
    other = automation_runs.get(caller, other.id)
    assert (other.status, statuses(other)) == ("succeeded", ["succeeded", "succeeded", "skipped", "skipped"])
    assert other.states[1].result == {"holds": False}


def test_a_webhook_is_called_again_after_a_failure_and_knows_each_attempt(
    caller: Caller, pipeline: AutomationPipeline, receiver: tuple[str, list[dict[str, Any]], list[int]]
) -> None:
    url, got, answers = receiver
    answers += [500, 503]
    step = {"name": "tell", "type": "call_webhook", "url": url, "body": {"a": 1}, "retries": 2, "backoff_seconds": 60}
    made = new(caller, [step])
    run = automation_runs.execute(caller, made.id, {"who": "me"})
    pipeline.finish()
    run = automation_runs.get(caller, run.id)
    assert (run.status, run.states[0].attempts, run.states[0].error) == ("succeeded", 3, None)
    # After 60 seconds, and after 120 more.
    assert 180_000 <= (run.ended or 0) - (run.started or 0) < 200_000
    assert len({each["key"] for each in got}) == 3
    assert got[0]["data"] == {
        "automation_id": ids.spell("auto", made.id),
        "run_id": ids.spell("run", run.id),
        "step": "tell",
        "input": {"who": "me"},
        "results": {},
        "body": {"a": 1},
    }


def test_a_run_that_failed_is_resumed_from_the_step_that_failed(
    caller: Caller,
    pipeline: AutomationPipeline,
    analysis: analyses.Analysis,
    receiver: tuple[str, list[dict[str, Any]], list[int]],
) -> None:
    url, got, answers = receiver
    answers += [500]
    made = new(
        caller,
        [
            {"name": "count", "type": "run_analysis", "analysis": analysis.id},
            {"name": "tell", "type": "call_webhook", "url": url},
        ],
    )
    first = automation_runs.execute(caller, made.id)
    pipeline.finish()
    run = automation_runs.get(caller, first.id)
    assert (run.status, statuses(run)) == ("failed", ["succeeded", "failed"])
    assert run.error == "The step 'tell' failed: The receiver answered 500: so it is"
    assert jobs.get(caller, run.job or 0).reason == run.error
    assert types_of_events(caller)["automation.failed"] == 1

    again = automation_runs.resume(caller, run.id)
    assert (again.status, again.attempt, statuses(again)) == ("queued", 2, ["succeeded", "pending"])
    assert again.job != run.job
    pipeline.finish()
    run = automation_runs.get(caller, first.id)
    assert (run.status, run.states[0].attempts, run.states[1].attempts) == ("succeeded", 1, 2)
    assert got[1]["data"]["results"]["count"]["rows"] == 2
    with pytest.raises(ConflictError, match="this one is succeeded"):
        automation_runs.resume(caller, run.id)


def test_a_step_whose_thing_is_gone_fails_with_the_reason(
    caller: Caller, pipeline: AutomationPipeline, analysis: analyses.Analysis
) -> None:
    made = new(caller, [{"name": "count", "type": "run_analysis", "analysis": analysis.id}])
    analyses.delete(caller, analysis.id)
    run = automation_runs.execute(caller, made.id)
    pipeline.finish()
    run = automation_runs.get(caller, run.id)
    assert run.status == "failed"
    assert "no analysis" in str(run.error)


def test_a_run_acts_with_what_its_maker_may_do_now(
    caller: Caller, pipeline: AutomationPipeline, analysis: analyses.Analysis
) -> None:
    from fluvial import accounts

    editor = factories.new_member(caller, "editor")
    theirs = Caller(caller.account, editor.id, key=1, plan="free", scopes=frozenset({"*"}), role="editor")
    made = new(theirs, [{"name": "count", "type": "run_analysis", "analysis": analysis.id}])
    accounts.change_role(caller, editor.id, "viewer")
    run = automation_runs.execute(caller, made.id)
    pipeline.finish()
    found = automation_runs.get(caller, run.id)
    assert found.status == "failed"
    assert "the scope 'analyses:write' is missing" in str(found.error)
    accounts.remove(caller, editor.id)
    again = automation_runs.resume(caller, run.id)
    pipeline.finish()
    assert "was removed" in str(automation_runs.get(caller, again.id).error)
    # Whoever changes it makes it theirs.
    automations.update(caller, made.id, automations.Change(frozenset({"name"}), name="Mine"))
    mine = automation_runs.execute(caller, made.id)
    pipeline.finish()
    assert automation_runs.get(caller, mine.id).status == "succeeded"


# ---------------------------------------------------------------- what a run may meet


def test_runs_of_one_automation_wait_for_each_other(caller: Caller, pipeline: AutomationPipeline) -> None:
    made = new(caller, [WAIT])
    runs = [automation_runs.execute(caller, made.id) for _ in range(3)]
    assert line(made).waiting == (runs[1].id, runs[2].id)
    pipeline.settle()
    assert [automation_runs.get(caller, run.id).status for run in runs] == ["running", "queued", "queued"]
    pipeline.finish()
    ended = [automation_runs.get(caller, run.id) for run in runs]
    assert [run.status for run in ended] == ["succeeded"] * 3
    for before, after in itertools.pairwise(ended):
        assert (before.ended or 0) <= (after.started or 0)
    assert (line(made).active, line(made).waiting) == (None, ())


def test_a_run_is_skipped_where_another_is_under_way(caller: Caller, pipeline: AutomationPipeline) -> None:
    made = new(caller, [WAIT], concurrency="skip")
    first = automation_runs.execute(caller, made.id)
    second = automation_runs.execute(caller, made.id)
    assert (second.status, second.job) == ("skipped", None)
    assert second.error == f"Another run was under way: {ids.spell('run', first.id)}."
    pipeline.finish()
    assert [run.status for run in all_runs(caller, made)] == ["skipped", "succeeded"]


def test_too_many_that_wait_are_refused(
    caller: Caller, pipeline: AutomationPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(automation_runs, "MAX_WAITING", 2)
    made = new(caller, [WAIT])
    for _ in range(3):
        automation_runs.execute(caller, made.id)
    with pytest.raises(ConflictError, match="2 runs of the automation wait already"):
        automation_runs.execute(caller, made.id)
    pipeline.finish()
    assert len(all_runs(caller, made)) == 3


@pytest.mark.parametrize("way", ["run", "job"])
def test_a_run_is_cancelled_with_its_job_and_the_next_one_begins(
    caller: Caller, pipeline: AutomationPipeline, way: str
) -> None:
    made = new(caller, [WAIT])
    first, second = automation_runs.execute(caller, made.id), automation_runs.execute(caller, made.id)
    pipeline.settle()
    if way == "run":
        automation_runs.cancel(caller, first.id)
        assert automation_runs.cancel(caller, first.id).status == "cancelled"
    else:
        job_kinds.cancel(caller, first.job or 0)
    run = automation_runs.get(caller, first.id)
    assert (run.status, statuses(run), run.error) == ("cancelled", ["cancelled"], "It was cancelled.")
    assert jobs.get(caller, first.job or 0).state == "cancelled"
    pipeline.settle()
    assert automation_runs.get(caller, second.id).status == "running"
    pipeline.finish()
    assert automation_runs.get(caller, second.id).status == "succeeded"
    assert types_of_events(caller) == {
        "automation.created": 1,
        "automation.cancelled": 1,
        "automation.completed": 1,
    }
    with pytest.raises(ConflictError, match="it is succeeded"):
        automation_runs.cancel(caller, second.id)


def test_one_that_waits_its_turn_can_be_cancelled(caller: Caller, pipeline: AutomationPipeline) -> None:
    made = new(caller, [WAIT])
    runs = [automation_runs.execute(caller, made.id) for _ in range(3)]
    automation_runs.cancel(caller, runs[1].id)
    assert (line(made).active, line(made).waiting) == (runs[0].id, (runs[2].id,))
    pipeline.finish()
    found = [automation_runs.get(caller, run.id).status for run in runs]
    assert found == ["succeeded", "cancelled", "succeeded"]


def test_the_job_of_a_step_is_called_off_with_its_run(
    caller: Caller, pipeline: AutomationPipeline, analysis: analyses.Analysis
) -> None:
    made = new(caller, [{"name": "count", "type": "run_analysis", "analysis": analysis.id}])
    run = automation_runs.execute(caller, made.id)
    pipeline.stream()
    from workers import start_automation

    pipeline.drain("StartAutomationQueue", start_automation.handler)
    pipeline.machine()
    step_job = automation_runs.get(caller, run.id).states[0].job
    assert step_job is not None
    automation_runs.cancel(caller, run.id)
    pipeline.time.skipped += 5_000
    pipeline.machine()
    assert jobs.get(caller, step_job).state == "cancelled"
    pipeline.finish()
    assert analyses.get(caller, analysis.id).status == "failed"


def test_a_run_whose_machine_fails_again_and_again_ends_as_failed(
    caller: Caller, pipeline: AutomationPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = new(caller, [WAIT])
    run = automation_runs.execute(caller, made.id)

    def broken(*_: object, **__: object) -> None:
        raise OSError("no disk")

    monkeypatch.setattr(automation_step.automation_runs, "turn", broken)
    pipeline.finish()
    run = automation_runs.get(caller, run.id)
    assert (run.status, run.error) == ("failed", automation_runs.STOPPED)
    assert line(made).active is None


def test_an_execution_that_aws_ended_ends_its_run(
    caller: Caller, pipeline: AutomationPipeline, aws: dict[str, str]
) -> None:
    from workers import automations as worker

    made = new(caller, [WAIT])
    run = automation_runs.execute(caller, made.id)
    pipeline.settle()
    (execution,) = pipeline.executions.values()
    message = {
        "detail-type": "Step Functions Execution Status Change",
        "detail": {"status": "ABORTED", "input": json.dumps({**execution.data, "turn": 0})},
    }
    record = {"messageId": "1", "receiptHandle": "1", "body": json.dumps(message)}
    for _ in range(2):
        assert worker.handler({"Records": [record]}, None) == {"batchItemFailures": []}
    assert automation_runs.get(caller, run.id).status == "failed"
    assert types_of_events(caller)["automation.failed"] == 1


def test_a_turn_that_takes_long_goes_on_in_the_next(
    caller: Caller,
    pipeline: AutomationPipeline,
    receiver: tuple[str, list[dict[str, Any]], list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, got, _ = receiver
    monkeypatch.setattr(automation_runs, "MAX_TURN_SECONDS", 0.05)
    steps = [{"name": f"tell{number}", "type": "call_webhook", "url": url} for number in range(8)]
    run = automation_runs.execute(caller, new(caller, steps).id)
    pipeline.finish()
    assert automation_runs.get(caller, run.id).status == "succeeded"
    assert [each["data"]["step"] for each in got] == [step["name"] for step in steps]
    (execution,) = pipeline.executions.values()
    assert execution.data["turn"] > 1


def test_a_deleted_automation_takes_its_runs_along(caller: Caller, pipeline: AutomationPipeline) -> None:
    made = new(caller, [WAIT])
    runs = [automation_runs.execute(caller, made.id) for _ in range(2)]
    pipeline.settle()
    automations.delete(caller, made.id)
    pipeline.finish()
    for run in runs:
        assert jobs.get(caller, run.job or 0).state == "cancelled"
        with pytest.raises(NotFoundError):
            automation_runs.get(caller, run.id)
    assert stored_automations.line(made.account, made.id) is None
    with pytest.raises(NotFoundError):
        automation_runs.execute(caller, made.id)


def test_a_long_run_goes_on_in_another_execution(
    caller: Caller, pipeline: AutomationPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(automation_step, "MAX_TURNS", 3)
    made = new(caller, [{"name": f"rest{number}", "type": "wait", "seconds": 60} for number in range(8)])
    run = automation_runs.execute(caller, made.id)
    pipeline.finish()
    assert automation_runs.get(caller, run.id).status == "succeeded"
    names = sorted(pipeline.executions)
    assert names == [f"{ids.spell('run', run.id)}-1-{part}" for part in range(len(names))]
    assert len(names) == 4
    assert types_of_events(caller)["automation.completed"] == 1


def test_a_wait_of_a_year_is_waited_in_parts_and_two_take_too_long(
    caller: Caller, pipeline: AutomationPipeline
) -> None:
    year = {"type": "wait", "seconds": 365 * 86_400}
    made = new(caller, [{**year, "name": "one"}])
    run = automation_runs.execute(caller, made.id)
    pipeline.finish(800 * clock.DAY)
    assert automation_runs.get(caller, run.id).status == "succeeded"
    assert sorted(execution.ended for execution in pipeline.executions.values()) == ["SUCCEEDED"] * 2
    other = automation_runs.execute(caller, new(caller, [{**year, "name": "one"}, {**year, "name": "two"}]).id)
    pipeline.finish(1_200 * clock.DAY)
    found = automation_runs.get(caller, other.id)
    assert (found.status, found.error) == ("failed", "The run took longer than 366 days.")


# ---------------------------------------------------------------- what is refused


def test_only_an_automation_that_the_api_may_start_is_executed(caller: Caller) -> None:
    scheduled = new(caller, [WAIT], [{"type": "schedule", "expression": "rate(1 day)"}])
    with pytest.raises(ConflictError, match="not configured for API triggers"):
        automation_runs.execute(caller, scheduled.id)
    off = new(caller, [WAIT], enabled=False)
    with pytest.raises(ConflictError, match="switched off"):
        automation_runs.execute(caller, off.id)
    with pytest.raises(InvalidError, match="at most 32768"):
        automation_runs.execute(caller, new(caller, [WAIT]).id, {"a": "x" * 40_000})


def test_a_key_cannot_make_steps_that_it_may_not_do(caller: Caller, analysis: analyses.Analysis) -> None:
    from dataclasses import replace

    step = {"name": "count", "type": "run_analysis", "analysis": analysis.id}
    poor = replace(caller, scopes=frozenset({"automations:write"}))
    with pytest.raises(ForbiddenError, match="lacks the scope 'analyses:write'"):
        new(poor, [step])
    made = new(caller, [step])
    with pytest.raises(ForbiddenError):
        automations.update(poor, made.id, automations.Change(frozenset({"name"}), name="Mine"))
    with pytest.raises(NotFoundError) as refusal:
        new(caller, [WAIT, {**step, "analysis": ids.new_id()}])
    assert refusal.value.field == "steps.1.analysis"
    stranger = factories.new_caller()
    with pytest.raises(NotFoundError):
        new(stranger, [step])


def test_an_execution_under_an_idempotency_key_happens_once(caller: Caller, pipeline: AutomationPipeline) -> None:
    made = new(caller, [WAIT])

    def once() -> idempotency.Once[Run]:
        return idempotency.Once(caller.account, "POST /x", "k", "f", 200, lambda run: json.dumps(run.id))

    first = automation_runs.execute(caller, made.id, once=once())
    with pytest.raises(GuardError):
        automation_runs.execute(caller, made.id, once=once())
    assert [run.id for run in all_runs(caller, made)] == [first.id]


# ---------------------------------------------------------------- events as triggers


def on(*patterns: str, **more: Any) -> list[dict[str, Any]]:
    return [{"type": "event", "event": pattern, **more} for pattern in patterns]


def test_an_event_starts_one_run_of_each_automation_that_wants_it(
    caller: Caller, project: projects.Project, pipeline: AutomationPipeline
) -> None:
    wanting = new(caller, [WAIT], on("data.processed"))
    anything = new(caller, [WAIT], on("data.*"))
    other = new(caller, [WAIT], on("report.generated"))
    off = new(caller, [WAIT], on("data.processed"), enabled=False)
    dataset = factories.new_dataset(caller, project, CSV)
    pipeline.settle()
    (run,) = all_runs(caller, wanting)
    processed = next(
        event for event in events.read(caller, events.BEGINNING, limit=250).events if event.type == "data.processed"
    )
    assert run.trigger == {"type": "event", "event": "data.processed", "event_id": processed.id}
    assert run.input["event"]["data"]["id"] == ids.spell("data", dataset.id)
    assert len(all_runs(caller, anything)) >= 2
    assert all_runs(caller, other) == []
    assert all_runs(caller, off) == []

    # However often it is delivered.
    from workers import automation_events

    body = {
        "detail-type": processed.type,
        "detail": {
            "id": processed.id,
            "account": ids.spell("acc", caller.account),
            "created": processed.created,
            "data": processed.data,
        },
    }
    record = {"messageId": "1", "receiptHandle": "1", "body": json.dumps(body)}
    automation_events.handler({"Records": [record, record]}, None)
    assert len(all_runs(caller, wanting)) == 1


def test_an_event_of_another_thing_or_another_account_starts_nothing(
    caller: Caller, project: projects.Project, dataset: datasets.Dataset, pipeline: AutomationPipeline
) -> None:
    made = new(caller, [WAIT], on("data.*", thing={"kind": "data", "id": dataset.id}))
    factories.new_dataset(caller, project, CSV)
    stranger = factories.new_caller()
    factories.new_dataset(stranger, factories.new_project(stranger), CSV)
    pipeline.settle()
    assert all_runs(caller, made) == []
    datasets.delete(caller, dataset.id)
    pipeline.settle()
    assert [run.trigger["event"] for run in all_runs(caller, made)] == ["data.deleted"]


def test_an_event_that_nobody_is_to_be_told_of_starts_nothing(
    caller: Caller, project: projects.Project, pipeline: AutomationPipeline
) -> None:
    made = new(caller, [WAIT], on("data.*"))
    datasets.receive(caller, project_id=project.id, filename="a.csv", data=CSV, silent=True)
    pipeline.settle()
    assert all_runs(caller, made) == []
    datasets.receive(caller, project_id=project.id, filename="a.csv", data=CSV)
    pipeline.settle()
    assert len(all_runs(caller, made)) == 2  # data.uploaded and data.processed


def test_an_automation_does_not_start_itself_again_and_says_so(
    caller: Caller, pipeline: AutomationPipeline, analysis: analyses.Analysis
) -> None:
    step = {"name": "count", "type": "run_analysis", "analysis": analysis.id}
    made = new(caller, [step], [*API, *on("analysis.completed")])
    automation_runs.execute(caller, made.id)
    pipeline.finish()
    skipped, first = all_runs(caller, made)
    assert (first.status, skipped.status) == ("succeeded", "skipped")
    assert skipped.error == "This automation itself led to the event: it would start itself again and again."
    assert (skipped.trigger["event"], skipped.job) == ("analysis.completed", None)
    # What people do starts it as ever.
    analyses.run(caller, analysis.id)
    pipeline.finish()
    assert [run.status for run in all_runs(caller, made)] == ["skipped", "succeeded", "skipped", "succeeded"]


def test_two_automations_do_not_start_each_other_for_ever(caller: Caller, pipeline: AutomationPipeline) -> None:
    ping = new(caller, [WAIT], [*API, *on("automation.completed")])
    pong = new(caller, [WAIT], on("automation.completed"))
    automation_runs.execute(caller, ping.id)
    pipeline.finish()
    # ping, then by its end pong (and not itself), then by pong's end neither.
    assert [run.status for run in all_runs(caller, ping)] == ["skipped", "skipped", "succeeded"]
    assert [run.status for run in all_runs(caller, pong)] == ["skipped", "succeeded"]
    assert all_runs(caller, pong)[1].chain == (ping.id, pong.id)


def test_a_chain_of_automations_has_an_end(
    caller: Caller, pipeline: AutomationPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(automation_runs, "MAX_CHAIN", 2)
    first = new(caller, [WAIT])
    before = first
    for _ in range(3):
        thing = {"kind": "auto", "id": before.id}
        before = new(caller, [WAIT], on("automation.completed", thing=thing))
    automation_runs.execute(caller, first.id)
    pipeline.finish()
    made = automations.behind(caller, None, limit=10).items
    assert [[run.status for run in all_runs(caller, each)] for each in reversed(made)] == [
        ["succeeded"],
        ["succeeded"],
        ["skipped"],
        [],
    ]
    assert "a chain of 2 automations" in str(all_runs(caller, made[1])[0].error)


def test_an_account_has_a_bounded_number_of_listeners(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automations, "MAX_LISTENERS", 2)
    first = new(caller, [WAIT], on("data.*"))
    new(caller, [WAIT], on("data.*"))
    with pytest.raises(ConflictError, match="At most 2 automations"):
        new(caller, [WAIT], on("data.*"))
    automations.update(caller, first.id, automations.Change(frozenset({"triggers"}), triggers=on("report.*")))
    automations.update(caller, first.id, automations.Change(frozenset({"triggers"}), triggers=API))
    new(caller, [WAIT], on("data.*"))


# ---------------------------------------------------------------- schedules


DAILY = [{"type": "schedule", "expression": "cron(0 6 * * ? *)", "time_zone": "Europe/Berlin"}]
EVERY_MINUTE = [{"type": "schedule", "expression": "rate(1 minute)"}]


def schedules_in_aws() -> dict[str, dict[str, Any]]:
    from tests.workers.pipeline import own_client

    scheduler = own_client("scheduler")
    names = [each["Name"] for each in scheduler.list_schedules(GroupName="fluvial-automations")["Schedules"]]
    return {name: scheduler.get_schedule(Name=name, GroupName="fluvial-automations") for name in names}


def occurrence(automation: Automation, moment: int) -> dict[str, Any]:
    """The message that AWS sends, as the schedule there has it."""
    target = schedules_in_aws()[ids.spell("auto", automation.id)]["Target"]
    body = target["Input"].replace("<aws.scheduler.scheduled-time>", clock.iso(moment))
    return {"messageId": "1", "receiptHandle": "1", "body": body}


def test_a_schedule_in_aws_follows_the_automation(caller: Caller, pipeline: AutomationPipeline) -> None:
    made = new(caller, [WAIT], DAILY)
    pipeline.settle()
    name = ids.spell("auto", made.id)
    found = schedules_in_aws()[name]
    assert (found["ScheduleExpression"], found["ScheduleExpressionTimezone"], found["State"]) == (
        "cron(0 6 * * ? *)",
        "Europe/Berlin",
        "ENABLED",
    )
    assert found["FlexibleTimeWindow"] == {"Mode": "OFF"}
    automations.update(caller, made.id, automations.Change(frozenset({"enabled"}), enabled=False))
    pipeline.settle()
    assert schedules_in_aws()[name]["State"] == "DISABLED"
    automations.update(
        caller, made.id, automations.Change(frozenset({"enabled", "triggers"}), enabled=True, triggers=EVERY_MINUTE)
    )
    pipeline.settle()
    found = schedules_in_aws()[name]
    assert (found["ScheduleExpression"], found["State"]) == ("rate(1 minute)", "ENABLED")
    assert found["StartDate"].timestamp() * 1000 == automations.get(caller, made.id).next_run(clock.now())
    automations.delete(caller, made.id)
    pipeline.settle()
    assert schedules_in_aws() == {}


def test_a_time_of_a_schedule_starts_one_run_however_often_it_comes(
    caller: Caller, pipeline: AutomationPipeline
) -> None:
    from workers import automations as worker

    made = new(caller, [WAIT], DAILY)
    pipeline.settle()
    due = made.next_run(clock.now())
    assert due is not None
    record = occurrence(made, due)
    worker.handler({"Records": [record, record]}, None)
    worker.handler({"Records": [record]}, None)
    (run,) = all_runs(caller, made)
    assert (run.trigger, run.input) == (
        {"type": "schedule", "scheduled_at": clock.iso(due)},
        {"scheduled_at": clock.iso(due)},
    )
    pipeline.finish()
    assert automation_runs.get(caller, run.id).status == "succeeded"
    automations.update(caller, made.id, automations.Change(frozenset({"enabled"}), enabled=False))
    worker.handler({"Records": [occurrence(made, due + clock.DAY)]}, None)
    assert len(all_runs(caller, made)) == 1


def watch() -> None:
    """What EventBridge sends every five minutes."""
    from workers import automations as worker

    body = json.dumps({"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}})
    answer = worker.handler({"Records": [{"messageId": "1", "receiptHandle": "1", "body": body}]}, None)
    assert answer == {"batchItemFailures": []}


def let_pass(time: Clock, milliseconds: int) -> None:
    """Time passes, with a watch every five minutes."""
    for _ in range(milliseconds // (5 * clock.MINUTE)):
        time.skipped += 5 * clock.MINUTE
        watch()


def missed(caller: Caller) -> list[str]:
    happened = events.read(caller, events.BEGINNING, limit=250).events
    return [event.data["scheduled_at"] for event in happened if event.type == "automation.missed"]


def test_a_time_that_passed_without_a_run_is_told_once(
    caller: Caller, pipeline: AutomationPipeline, time: Clock
) -> None:
    from workers import automations as worker

    watch()
    made = new(caller, [WAIT], DAILY)
    pipeline.settle()
    first = made.next_run(clock.now())
    assert first is not None
    second, third = first + clock.DAY, first + 2 * clock.DAY
    time.skipped += first - clock.now() - 15 * clock.MINUTE
    let_pass(time, 20 * clock.MINUTE)
    assert missed(caller) == []
    let_pass(time, 30 * clock.MINUTE)
    assert missed(caller) == [clock.iso(first)]
    # The second comes, the third does not.
    time.skipped += second - clock.now()
    worker.handler({"Records": [occurrence(made, second)]}, None)
    let_pass(time, clock.HOUR)
    time.skipped += third - clock.now()
    let_pass(time, clock.HOUR)
    watch()
    assert missed(caller) == [clock.iso(first), clock.iso(third)]
    # One that comes late is done all the same.
    worker.handler({"Records": [occurrence(made, third)]}, None)
    assert [run.input["scheduled_at"] for run in all_runs(caller, made)] == [clock.iso(third), clock.iso(second)]


def test_after_an_outage_of_the_watch_every_missed_time_is_told(
    caller: Caller, pipeline: AutomationPipeline, time: Clock
) -> None:
    watch()
    made = new(caller, [WAIT], EVERY_MINUTE)
    first = made.next_run(clock.now())
    assert first is not None
    time.skipped += 2 * clock.HOUR
    watch()
    told = missed(caller)
    expected = [clock.iso(first + number * clock.MINUTE) for number in range(len(told))]
    assert (sorted(told), len(set(told))) == (expected, len(told))
    assert 105 <= len(told) <= 112


def test_a_schedule_that_was_changed_or_switched_off_is_not_missed(
    caller: Caller, pipeline: AutomationPipeline, time: Clock
) -> None:
    watch()
    changed, off, gone = (new(caller, [WAIT], EVERY_MINUTE) for _ in range(3))
    automations.update(caller, changed.id, automations.Change(frozenset({"triggers"}), triggers=DAILY))
    automations.update(caller, off.id, automations.Change(frozenset({"enabled"}), enabled=False))
    automations.delete(caller, gone.id)
    let_pass(time, clock.HOUR)
    assert missed(caller) == []
    found = automations.get(caller, off.id)
    assert (found.scheduled, automations.get(caller, changed.id).scheduled) == (0, 2)


def test_the_watch_reads_what_is_due_and_not_what_there_is(
    caller: Caller, pipeline: AutomationPipeline, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fluvial.store import table

    watch()
    for _ in range(10):
        new(caller, [WAIT], [{"type": "schedule", "expression": "cron(0 0 1 1 ? 2050)"}])
    read: list[object] = []
    query, get = table.query, table.get
    monkeypatch.setattr(table, "query", lambda *given, **more: read.append(given) or query(*given, **more))
    monkeypatch.setattr(table, "get", lambda *given, **more: read.append(given) or get(*given, **more))
    let_pass(time, 5 * clock.MINUTE)
    # Where it stopped, and one partition.
    assert len(read) <= 3
