"""Jobs that are called off, of each kind: the job is cancelled, its thing ends with it, and a worker's work is dropped.

With the real workers, stream, bus and queues on moto.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from fluvial import (
    analyses,
    clock,
    comparisons,
    dataset_versions,
    datasets,
    events,
    exports,
    imports,
    job_kinds,
    jobs,
    pages,
    projects,
    sites,
)
from fluvial.caller import Caller
from fluvial.errors import ConflictError, NotFoundError
from fluvial.imports import Import
from tests import factories
from tests.workers.pipeline import Pipeline, own_client

CSV = b"city,n\nBonn,1\nKiel,2\n"
QUERY = {"aggregates": [{"function": "count", "as": "rows"}]}


@dataclass(frozen=True, slots=True)
class Begun:
    """A job that waits; `ended` reads status and failure of what it is to make, `event` tells of it (None: nothing)."""

    job: int
    ended: Callable[[], tuple[str, str | None]]
    event: str | None


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def project(caller: Caller) -> projects.Project:
    return factories.new_project(caller)


@pytest.fixture
def pipeline(aws: dict[str, str]) -> Pipeline:
    return Pipeline(aws)


def first_import(caller: Caller, project: projects.Project, pipeline: Pipeline) -> Begun:
    made = factories.new_dataset(caller, project, CSV)

    def ended() -> tuple[str, str | None]:
        version = dataset_versions.get(caller, made.id, 1)
        dataset = datasets.get(caller, made.id)
        assert (dataset.status, dataset.failure) == (version.status, version.failure)
        assert dataset.importing is None
        return version.status, version.failure

    return Begun(made.job, ended, "data.failed")


def further_import(caller: Caller, project: projects.Project, pipeline: Pipeline) -> Begun:
    made = ready(caller, project, pipeline)
    version = imports.add(caller, made.id, Import("append"), filename="more.csv", data=b"city,n\nUlm,3\n")

    def ended() -> tuple[str, str | None]:
        found, dataset = dataset_versions.get(caller, made.id, 2), datasets.get(caller, made.id)
        # The data is as it was, and takes imports again.
        assert (dataset.status, dataset.version, dataset.rows, dataset.importing) == ("ready", 1, 2, None)
        return found.status, found.failure

    return Begun(version.job, ended, "data.failed")


def analysis(caller: Caller, project: projects.Project, pipeline: Pipeline) -> Begun:
    dataset = ready(caller, project, pipeline)
    made = analyses.create(caller, project_id=project.id, name="Count", dataset_id=dataset.id, query=QUERY)
    run = analyses.run(caller, made.id)
    assert run.job is not None

    def ended() -> tuple[str, str | None]:
        found = analyses.get(caller, made.id)
        return found.status, found.failure

    return Begun(run.job, ended, "analysis.failed")


def export(caller: Caller, project: projects.Project, pipeline: Pipeline) -> Begun:
    dataset = ready(caller, project, pipeline)
    made = exports.create(caller, dataset.id, exports.Wanted("csv"))

    def ended() -> tuple[str, str | None]:
        found = exports.get(caller, dataset.id, made.id)
        return found.status, found.failure

    return Begun(made.job, ended, "export.failed")


def comparison(caller: Caller, project: projects.Project, pipeline: Pipeline) -> Begun:
    dataset = ready(caller, project, pipeline)
    imports.add(caller, dataset.id, Import("append"), filename="more.csv", data=b"city,n\nUlm,3\n")
    pipeline.settle()
    made = comparisons.create(caller, dataset.id, before=1, after=2)

    def ended() -> tuple[str, str | None]:
        found = comparisons.get(caller, dataset.id, made.id)
        return found.status, found.failure

    return Begun(made.job, ended, None)


def publication(caller: Caller, project: projects.Project, pipeline: Pipeline) -> Begun:
    pages.create(caller, project_id=project.id, title="Home", status="published")
    made = sites.publish(caller, project.id)

    def ended() -> tuple[str, str | None]:
        found = sites.get(caller, project.id, made.number)
        return found.status, found.failure

    return Begun(made.job, ended, "site.publish_failed")


BEGIN = [first_import, further_import, analysis, export, comparison, publication]


def ready(caller: Caller, project: projects.Project, pipeline: Pipeline) -> datasets.Dataset:
    made = factories.new_dataset(caller, project, CSV)
    pipeline.settle()
    return datasets.ready(caller, made.id)


def told(caller: Caller) -> list[str]:
    return [event.type for event in events.read(caller, events.BEGINNING, limit=100).events]


def stored(resources: dict[str, str]) -> set[str]:
    """What was made of files: the files themselves are kept, also of an import that failed."""
    listed = own_client("s3").list_objects_v2(Bucket=resources["Bucket"])
    return {item["Key"] for item in listed.get("Contents", []) if not item["Key"].startswith(("incoming/", "sources/"))}


@pytest.mark.parametrize("begin", BEGIN)
def test_a_job_that_waits_ends_with_its_thing_and_is_never_run(
    begin: Callable[..., Begun], caller: Caller, project: projects.Project, pipeline: Pipeline, aws: dict[str, str]
) -> None:
    begun = begin(caller, project, pipeline)
    before = stored(aws)
    cancelled = job_kinds.cancel(caller, begun.job)
    assert (cancelled.state, cancelled.reason) == ("cancelled", "It was cancelled.")
    assert (cancelled.started, cancelled.attempt) == (None, 0)
    assert cancelled.ended is not None
    assert begun.ended() == ("failed", "It was cancelled.")
    pipeline.settle()
    assert jobs.get(caller, begun.job) == cancelled
    assert begun.ended() == ("failed", "It was cancelled.")
    assert stored(aws) == before
    if begun.event is not None:
        assert told(caller).count(begun.event) == 1


@pytest.mark.parametrize("begin", BEGIN)
def test_a_job_that_runs_ends_at_once_and_its_worker_drops_what_it_made(
    begin: Callable[..., Begun],
    caller: Caller,
    project: projects.Project,
    pipeline: Pipeline,
    aws: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = begin(caller, project, pipeline)
    before = stored(aws)
    claim = jobs.claim
    seen: list[jobs.Job] = []

    @functools.wraps(claim)
    def cancelled_while_it_runs(*arguments: Any, **named: Any) -> jobs.Job | None:
        job = claim(*arguments, **named)
        if job is not None:
            seen.append(job_kinds.cancel(caller, job.id))
        return job

    monkeypatch.setattr(jobs, "claim", cancelled_while_it_runs)
    pipeline.settle()
    (cancelled,) = seen
    assert (cancelled.id, cancelled.state, cancelled.attempt) == (begun.job, "cancelled", 1)
    assert jobs.get(caller, begun.job) == cancelled
    assert begun.ended() == ("failed", "It was cancelled.")
    assert stored(aws) == before
    if begun.event is not None:
        assert told(caller).count(begun.event) == 1


@pytest.mark.parametrize("begin", BEGIN)
def test_a_worker_that_dies_on_after_a_cancellation_is_not_followed_by_another(
    begin: Callable[..., Begun], caller: Caller, project: projects.Project, pipeline: Pipeline
) -> None:
    begun = begin(caller, project, pipeline)
    assert jobs.claim(caller.account, begun.job, lease_milliseconds=1) is not None
    job_kinds.cancel(caller, begun.job)
    assert jobs.claim(caller.account, begun.job, lease_milliseconds=1, now=lambda: clock.now() + clock.HOUR) is None


def test_cancelling_again_changes_nothing(caller: Caller, project: projects.Project, pipeline: Pipeline) -> None:
    begun = first_import(caller, project, pipeline)
    cancelled = job_kinds.cancel(caller, begun.job)
    assert job_kinds.cancel(caller, begun.job) == cancelled
    assert told(caller).count("data.failed") == 1


def test_a_job_that_has_ended_is_not_cancelled(caller: Caller, project: projects.Project, pipeline: Pipeline) -> None:
    dataset = ready(caller, project, pipeline)
    with pytest.raises(ConflictError, match=r"The job has ended already: it is succeeded\."):
        job_kinds.cancel(caller, dataset.job)
    assert datasets.get(caller, dataset.id) == dataset


def test_a_foreign_job_is_absent(caller: Caller, project: projects.Project, pipeline: Pipeline) -> None:
    begun = first_import(caller, project, pipeline)
    with pytest.raises(NotFoundError):
        job_kinds.cancel(factories.new_caller(), begun.job)
    assert jobs.get(caller, begun.job).state == "queued"


def test_a_job_whose_thing_is_gone_ends_all_the_same(
    caller: Caller, project: projects.Project, pipeline: Pipeline
) -> None:
    made = factories.new_dataset(caller, project, CSV)
    datasets.delete(caller, made.id)
    cancelled = job_kinds.cancel(caller, made.job)
    assert (cancelled.state, cancelled.reason) == ("cancelled", "The dataset was deleted.")


def test_the_data_takes_an_import_at_once_after_one_was_cancelled(
    caller: Caller, project: projects.Project, pipeline: Pipeline
) -> None:
    begun = first_import(caller, project, pipeline)
    job_kinds.cancel(caller, begun.job)
    dataset_id = jobs.get(caller, begun.job).inputs["dataset"]
    imports.add(caller, dataset_id, Import("replace"), filename="data.csv", data=CSV)
    pipeline.settle()
    dataset = datasets.ready(caller, dataset_id)
    assert (dataset.version, dataset.rows, dataset.failure) == (2, 2, None)
