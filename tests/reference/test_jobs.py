"""The jobs group through its handler, on moto."""

from __future__ import annotations

from typing import Any

import pytest

from fluvial import analyses, clock, datasets, ids, jobs, pages, sites
from fluvial.caller import Caller
from fluvial.store import jobs as store
from reference.jobs import handler
from tests import factories
from tests.factories import answer, request


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def dataset(caller: Caller) -> datasets.Dataset:
    return factories.new_dataset(caller, factories.new_project(caller))


def get(caller: Caller, job: int | str) -> tuple[int, dict[str, Any]]:
    spelled = job if isinstance(job, str) else ids.spell(ids.JOB, job)
    return answer(handler, request("GET", "/jobs/{id}", caller=caller, path={"id": spelled}))


def test_a_queued_job_is_answered_whole(caller: Caller, dataset: datasets.Dataset) -> None:
    assert get(caller, dataset.job) == (
        200,
        {
            "id": ids.spell(ids.JOB, dataset.job),
            "kind": "ingest",
            "state": "queued",
            "created_at": clock.iso(dataset.created),
            "started_at": None,
            "ended_at": None,
            "attempt": 0,
            "reason": None,
            "inputs": {"data_id": ids.spell(ids.DATASET, dataset.id), "version": 1},
            "outputs": {},
        },
    )


def test_a_job_tells_its_attempt_its_times_and_how_it_ended(caller: Caller, dataset: datasets.Dataset) -> None:
    start = dataset.created + 60 * clock.SECOND
    job = jobs.claim(caller.account, dataset.job, lease_milliseconds=clock.MINUTE, now=lambda: start)
    assert job is not None
    _, running = get(caller, dataset.job)
    assert (running["state"], running["attempt"], running["started_at"]) == ("running", 1, clock.iso(start))
    assert running["ended_at"] is None
    assert factories.end_import(job, dataset, failure="The file has no rows.", now=lambda: start + clock.SECOND)
    _, ended = get(caller, dataset.job)
    assert ended == {
        **running,
        "state": "failed",
        "ended_at": clock.iso(start + clock.SECOND),
        "reason": "The file has no rows.",
        "outputs": {"data_id": ids.spell(ids.DATASET, dataset.id), "version": 1},
    }


def test_a_job_that_was_cancelled_has_its_reason(caller: Caller, dataset: datasets.Dataset) -> None:
    job = jobs.claim(caller.account, dataset.job, lease_milliseconds=clock.MINUTE)
    assert job is not None
    store.cancel(job, "The dataset was deleted.", now=clock.now())
    _, body = get(caller, dataset.job)
    assert (body["state"], body["reason"], body["outputs"]) == ("cancelled", "The dataset was deleted.", {})


def test_a_foreign_job_is_answered_like_an_absent_one(caller: Caller, dataset: datasets.Dataset) -> None:
    stranger = factories.new_caller()
    for asking, job in ((stranger, dataset.job), (caller, dataset.job + 1)):
        status, refusal = get(asking, job)
        assert (status, refusal["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")
        assert refusal["error"]["message"] == f"No job '{ids.spell(ids.JOB, job)}' exists."
    status, refusal = get(caller, "job_abc123")
    assert (status, refusal["error"]["message"]) == (404, "No job 'job_abc123' exists.")


def test_a_job_needs_its_scope(caller: Caller, dataset: datasets.Dataset) -> None:
    other = Caller(caller.account, caller.user, caller.key, caller.plan, frozenset({"data:read"}))
    assert get(other, dataset.job)[1]["error"]["message"] == "This API key lacks the scope 'jobs:read'."


def test_a_run_of_an_analysis_and_a_publication_name_what_they_are_of(caller: Caller) -> None:
    project = factories.new_project(caller)
    dataset = factories.new_dataset(caller, project)
    query = {"aggregates": [{"function": "count", "as": "rows"}]}
    analysis = analyses.create(caller, project_id=project.id, name="Count", dataset_id=dataset.id, query=query)
    run = analyses.run(caller, analysis.id)
    assert run.job is not None
    pages.create(caller, project_id=project.id, title="Home", status="published")
    version = sites.publish(caller, project.id)
    assert get(caller, run.job)[1]["inputs"] == {"analysis_id": ids.spell(ids.ANALYSIS, analysis.id)}
    assert get(caller, version.job)[1]["inputs"] == {"project_id": ids.spell(ids.PROJECT, project.id), "version": 1}
    claimed = jobs.claim(caller.account, version.job, lease_milliseconds=clock.MINUTE)
    assert claimed is not None
    assert sites.fail(claimed, version, "No.")
    assert get(caller, version.job)[1]["outputs"] == {"version": 1}
