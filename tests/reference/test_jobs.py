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


def listed(caller: Caller, **query: str) -> tuple[int, dict[str, Any]]:
    return answer(handler, request("GET", "/jobs", caller=caller, query=query or None))


def test_jobs_are_listed_newest_first_and_by_state(caller: Caller) -> None:
    project = factories.new_project(caller)
    made = [ids.spell(ids.JOB, factories.new_dataset(caller, project).job) for _ in range(3)][::-1]
    status, body = listed(caller)
    assert (status, [job["id"] for job in body["data"]], body["next"]) == (200, made, None)
    assert body["data"][0] == get(caller, made[0])[1]
    _, page = listed(caller, per_page="2")
    assert ([job["id"] for job in page["data"]], page["next"]) == (made[:2], made[1])
    _, page = listed(caller, per_page="2", after=made[1])
    assert ([job["id"] for job in page["data"]], page["next"]) == (made[2:], None)
    cancel(caller, made[1])
    assert [job["id"] for job in listed(caller, state="cancelled")[1]["data"]] == [made[1]]
    assert [job["id"] for job in listed(caller, state="queued")[1]["data"]] == [made[0], made[2]]
    assert listed(factories.new_caller())[1] == {"data": [], "next": None}


@pytest.mark.parametrize(("name", "value"), [("state", "done"), ("after", "job_x"), ("per_page", "101")])
def test_a_list_of_jobs_refuses_what_it_does_not_know(caller: Caller, name: str, value: str) -> None:
    status, body = listed(caller, **{name: value})
    assert (status, body["error"]["field"]) == (400, name)


def cancel(caller: Caller, job: str) -> tuple[int, dict[str, Any]]:
    return answer(handler, request("POST", "/jobs/{id}/cancel", caller=caller, path={"id": job}))


def test_a_job_is_called_off_with_what_it_was_to_make(caller: Caller, dataset: datasets.Dataset) -> None:
    job = ids.spell(ids.JOB, dataset.job)
    status, body = cancel(caller, job)
    assert (status, body["state"], body["reason"], body["attempt"]) == (200, "cancelled", "It was cancelled.", 0)
    assert body == get(caller, job)[1] == cancel(caller, job)[1]
    assert datasets.get(caller, dataset.id).failure == "It was cancelled."
    assert cancel(factories.new_caller(), job)[0] == 404
    poor = Caller(caller.account, caller.user, caller.key, caller.plan, frozenset({"jobs:read"}))
    assert cancel(poor, job)[1]["error"]["message"] == "This API key lacks the scope 'jobs:write'."


def test_a_job_that_has_ended_is_not_called_off(caller: Caller, dataset: datasets.Dataset) -> None:
    job = jobs.claim(caller.account, dataset.job, lease_milliseconds=clock.MINUTE)
    assert job is not None
    assert factories.end_import(job, dataset)
    status, body = cancel(caller, ids.spell(ids.JOB, dataset.job))
    assert (status, body["error"]["message"]) == (409, "The job has ended already: it is succeeded.")
