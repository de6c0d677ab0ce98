"""Jobs of two stages: a worker may die before or after any call to AWS, and nothing is lost, twice or stuck."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest

from fluvial import blobs, clock, datasets, generated_reports, ids, job_kinds, jobs, report_render, reports
from fluvial.caller import Caller
from fluvial.generated_reports import COMPUTE, RENDER, Generated
from fluvial.reports import Report
from fluvial.store import jobs as stored_jobs
from fluvial.store import keys, table
from tests import factories
from tests.workers.pipeline import Pipeline, own_client
from tests.workers.test_crashes import Clock, Crash, count_calls, crash, settle_after_deaths, time
from workers import compute_report, fail_job, render_report

__all__ = ["crash", "time"]

CSV = b"city,price\nBonn,1.50\nKiel,2.25\nBonn,2.50\n"
TABLE = b"\xef\xbb\xbfcity,revenue\nBonn,4.00\nKiel,2.25\n"


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def pipeline(aws: dict[str, str]) -> Pipeline:
    return Pipeline(aws)


@pytest.fixture
def data(caller: Caller, pipeline: Pipeline) -> datasets.Dataset:
    made = factories.new_dataset(caller, factories.new_project(caller), CSV)
    pipeline.settle()
    return made


@pytest.fixture
def report(caller: Caller, pipeline: Pipeline, data: datasets.Dataset) -> Report:
    query = {"group_by": ["city"], "aggregates": [{"function": "sum", "column": "price", "as": "revenue"}]}
    section = {"type": "table", "title": "Cities", "dataset": ids.spell(ids.DATASET, data.id), "query": query}
    made = reports.create(caller, name="Sales", definition={"sections": [section]}, formats=["csv"])
    pipeline.settle()
    return made


def objects(aws: dict[str, str]) -> list[str]:
    """What is stored of reports, by name."""
    listed = own_client("s3").list_objects_v2(Bucket=aws["Bucket"], Prefix="reports/")
    return sorted(item["Key"].rsplit("/", 1)[1] for item in listed.get("Contents", []))


def told(caller: Caller) -> Counter[str]:
    items = table.query(keys.listed(caller.account, "events"))
    ends = ("report.generated", "report.failed")
    return Counter(item["event_type"] for item in items if item["event_type"] in ends)


def message(generated: Generated, stage: str) -> dict[str, Any]:
    """As the bus brings it to the worker of a stage."""
    detail = {"account": ids.spell(ids.ACCOUNT, generated.account), "job": ids.spell(ids.JOB, generated.job)}
    return {"detail": {**detail, "kind": generated_reports.REPORT, "stage": stage}}


def test_a_report_survives_a_death_at_any_call_of_both_stages_and_between_them(
    aws: dict[str, str], crash: Crash, time: Clock, pipeline: Pipeline, caller: Caller, report: Report
) -> None:
    first = generated_reports.generate(caller, report.id)
    calls = count_calls(crash, pipeline.settle)
    # Of each stage: claim, report, snapshot, what is left of dead runs, the end; the data, answers and file; and what
    # carries the job to both, and the event.
    assert calls >= 18
    hash_ = generated_reports.get(caller, first.id).digest
    for before, (number, when) in enumerate(itertools.product(range(calls), ("before", "after")), start=1):
        made = generated_reports.generate(caller, report.id)
        crash.arm(number, when)
        pipeline.settle()
        crash.countdown = None
        settle_after_deaths(pipeline, time)
        found = generated_reports.get(caller, made.id)
        assert (found.status, found.digest) == ("completed", hash_), (number, when, found.failure)
        assert blobs.get(f"{found.location}{found.files[0].path}") == TABLE, (number, when)
        assert jobs.get(caller, made.job).state == "succeeded", (number, when)
        assert told(caller) == {"report.generated": before + 1}, (number, when)
        # Answers and a file each: nothing of an attempt that died is left.
        assert len(objects(aws)) == 2 * (before + 1), (number, when)
    assert pipeline.deaths >= 2 * (calls - 1)


def test_a_message_that_comes_twice_does_its_stage_once(
    aws: dict[str, str], pipeline: Pipeline, caller: Caller, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = generated_reports.generate(caller, report.id)
    done: list[str] = []
    for worker, name in ((compute_report, "_compute"), (render_report, "_render")):
        work = getattr(worker, name)
        monkeypatch.setattr(worker, name, lambda job, work=work, name=name: (done.append(name), work(job))[1])
    compute_report._run(message(made, COMPUTE))
    # The job waits for its second stage, which this is no message of.
    compute_report._run(message(made, COMPUTE))
    assert jobs.get(caller, made.job).stage == RENDER
    render_report._run(message(made, RENDER))
    render_report._run(message(made, RENDER))
    compute_report._run(message(made, COMPUTE))
    assert done == ["_compute", "_render"]
    pipeline.settle()
    assert done == ["_compute", "_render"]
    assert told(caller) == {"report.generated": 1}


def test_a_late_worker_of_the_first_stage_changes_nothing_of_the_second(
    aws: dict[str, str],
    time: Clock,
    pipeline: Pipeline,
    caller: Caller,
    report: Report,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = generated_reports.generate(caller, report.id)
    hand_over, slow = generated_reports.hand_over, [True]

    def hand_over_late(job: jobs.Job, *arguments: Any, **named: Any) -> bool:
        if slow and slow.pop():
            # It was thought dead: another did the stage, and the next is under way.
            time.skipped += 30 * clock.MINUTE
            compute_report._run(message(made, COMPUTE))
            assert jobs.claim(caller.account, made.job, lease_milliseconds=clock.HOUR, stage=RENDER) is not None
        return hand_over(job, *arguments, **named)

    monkeypatch.setattr(generated_reports, "hand_over", hand_over_late)
    compute_report._run(message(made, COMPUTE))
    job = jobs.get(caller, made.job)
    assert (job.state, job.stage, job.attempt) == ("running", RENDER, 3)
    # What the late one had stored is gone; what is drawn is what the other found.
    assert objects(aws) == ["answers.json"]
    time.skipped += 2 * clock.HOUR
    render_report._run(message(made, RENDER))
    assert generated_reports.get(caller, made.id).status == "completed"
    assert told(caller) == {"report.generated": 1}


def test_dead_letters_of_a_stage_that_is_over_end_nothing(
    aws: dict[str, str], pipeline: Pipeline, caller: Caller, report: Report
) -> None:
    made = generated_reports.generate(caller, report.id)
    compute_report._run(message(made, COMPUTE))
    fail_job._fail(message(made, COMPUTE))
    assert jobs.get(caller, made.job).state == "queued"
    fail_job._fail(message(made, RENDER))
    found = generated_reports.get(caller, made.id)
    reason = "The report could not be generated: the work on it stopped without an answer again and again."
    assert (found.status, found.failure) == ("failed", reason)
    assert told(caller) == {"report.failed": 1}


def test_a_job_that_is_cancelled_while_its_files_are_drawn_leaves_none(
    aws: dict[str, str], pipeline: Pipeline, caller: Caller, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = generated_reports.generate(caller, report.id)
    render = render_report.render

    def cancelled_meanwhile(*arguments: Any, **named: Any) -> Any:
        job_kinds.cancel(caller, made.job)
        return render(*arguments, **named)

    monkeypatch.setattr(render_report, "render", cancelled_meanwhile)
    pipeline.settle()
    assert generated_reports.get(caller, made.id).status == "cancelled"
    assert jobs.get(caller, made.job).state == "cancelled"
    assert objects(aws) == ["answers.json"]
    assert told(caller) == {"report.failed": 1}


def test_a_job_that_is_handed_over_alone_is_queued_for_the_next_worker(caller: Caller, report: Report) -> None:
    made = generated_reports.generate(caller, report.id)
    job = jobs.claim(caller.account, made.job, lease_milliseconds=clock.MINUTE, stage=COMPUTE)
    assert job is not None
    assert jobs.hand_over(job, RENDER)
    assert jobs.claim(caller.account, made.job, lease_milliseconds=clock.MINUTE, stage=COMPUTE) is None
    # Of this attempt nothing can be ended, released or handed over any more.
    assert not jobs.hand_over(job, "third")
    jobs.release(job)
    assert not stored_jobs.cancel(job, "Gone.", now=clock.now())
    again = jobs.claim(caller.account, made.job, lease_milliseconds=clock.MINUTE, stage=RENDER)
    assert again is not None
    assert (again.stage, again.attempt) == (RENDER, 2)


def test_the_formats_are_those_that_can_be_rendered() -> None:
    assert reports.FORMATS == report_render.FORMATS
