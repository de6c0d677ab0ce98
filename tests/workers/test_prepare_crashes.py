"""The worker that executes preparations may die before or after any call to AWS: nothing is lost, twice or stuck."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from fluvial import blobs, dataset_versions, datasets, executions, jobs, preparations
from fluvial.caller import Caller
from fluvial.preparations import Change, Input, Preparation
from tests import factories
from tests.workers.pipeline import Pipeline
from tests.workers.test_crashes import (
    CSV,
    Clock,
    Crash,
    count_calls,
    crash,
    events_of,
    keys_under,
    settle_after_deaths,
    time,
)

__all__ = ["crash", "time"]


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def pipeline(aws: dict[str, str]) -> Pipeline:
    return Pipeline(aws)


@pytest.fixture
def made(caller: Caller, pipeline: Pipeline) -> Preparation:
    dataset = factories.new_dataset(caller, factories.new_project(caller), CSV)
    pipeline.settle()
    recipe = {"steps": [{"step": "limit", "limit": 1}]}
    return preparations.create(caller, name="One", inputs={"data": Input(dataset.id)}, recipe=recipe)


def start(caller: Caller, made: Preparation, number: int, *, fails: bool) -> jobs.Job:
    """An execution of a recipe that was not executed before."""
    last = {"step": "cast", "columns": [{"column": "code", "type": "date"}]}
    steps = [{"step": "limit", "limit": 1, "offset": number}, *([last] if fails else [])]
    recipe = {"steps": [{**steps[0], "offset": 0}, {"step": "sample", "rows": 1, "seed": number}, *steps[1:]]}
    preparations.update(caller, made.id, Change(frozenset({"recipe"}), recipe=recipe))
    return executions.execute(caller, made.id)


@pytest.mark.parametrize("fails", [False, True], ids=["succeeds", "fails"])
def test_an_execution_survives_a_death_at_any_call_and_readers_see_the_old_or_the_new(
    aws: dict[str, str],
    crash: Crash,
    time: Clock,
    caller: Caller,
    pipeline: Pipeline,
    made: Preparation,
    fails: bool,
) -> None:
    executions.execute(caller, made.id)
    pipeline.settle()
    output = preparations.get(caller, made.id).output or 0
    start(caller, made, 1, fails=fails)
    calls = count_calls(crash, pipeline.settle)
    assert calls >= 12
    for at, (number, when) in enumerate(itertools.product(range(calls), ("before", "after")), start=2):
        job = start(caller, made, at, fails=fails)
        wanted = job.inputs["version"]
        before = datasets.get(caller, output)
        events_before = events_of(caller)
        crash.arm(number, when)
        pipeline.settle()
        crash.countdown = None
        seen = datasets.get(caller, output)
        new = (wanted, blobs.version(caller.account, output, job.id, 1))
        assert (seen.version, seen.location) in ((before.version, before.location), new), (number, when)
        settle_after_deaths(pipeline, time)
        found, ended = preparations.get(caller, made.id), jobs.get(caller, job.id)
        current = datasets.get(caller, output)
        assert (current.importing, current.status) == (None, "ready"), (number, when)
        if fails:
            assert (ended.state, found.status, current.version) == ("failed", "failed", before.version), (number, when)
            told = {"data.failed": 1, "preparation.failed": 1}
        else:
            assert (ended.state, found.status, current.version) == ("succeeded", "completed", wanted), (number, when)
            told = {"data.processed": 1, "preparation.completed": 1}
        assert dataset_versions.get(caller, output, wanted).status == ("failed" if fails else "ready")
        assert events_of(caller) - events_before == Counter(told), (number, when)
        assert len(executions.report(caller, made.id).steps) == 2, (number, when)
        # Of every version its part, profile, lineage and manifest, of every execution one report: nothing else.
        folders = Counter(key.rsplit("/", 1)[0] for key in keys_under(aws, blobs.versions(caller.account, output)))
        assert set(folders.values()) == {4}, (number, when)
        assert len(folders) == (1 if fails else at + 1), (number, when)
        assert len(keys_under(aws, "preparations/")) == at + 1, (number, when)
    assert pipeline.deaths >= 2 * (calls - 1)


def test_a_recognised_execution_survives_a_death_at_any_call(
    aws: dict[str, str], crash: Crash, time: Clock, caller: Caller, pipeline: Pipeline, made: Preparation
) -> None:
    executions.execute(caller, made.id)
    pipeline.settle()
    executions.execute(caller, made.id)
    calls = count_calls(crash, pipeline.settle)
    output = preparations.get(caller, made.id).output or 0
    kept = keys_under(aws, blobs.versions(caller.account, output))
    for number, when in itertools.product(range(calls), ("before", "after")):
        job = executions.execute(caller, made.id)
        crash.arm(number, when)
        pipeline.settle()
        crash.countdown = None
        settle_after_deaths(pipeline, time)
        assert jobs.get(caller, job.id).outputs["same"] is True, (number, when)
        current = datasets.get(caller, output)
        assert (current.version, current.importing) == (1, None), (number, when)
        assert keys_under(aws, blobs.versions(caller.account, output)) == kept, (number, when)
    assert pipeline.deaths >= 2 * (calls - 1)
