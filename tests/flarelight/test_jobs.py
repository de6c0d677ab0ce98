"""The jobs group through its handler, with the real worker, stream, bus and queues on moto."""

from __future__ import annotations

import json

import pytest

from fluvial import clock, datasets, ids, jobs
from fluvial.caller import Caller
from fluvial.store import jobs as store
from tests import factories
from tests.flarelight.calls import Api, absent, refusal
from tests.workers.pipeline import Pipeline


def begun(api: Api) -> str:
    status, body = api.post("/Import/Data", {"data": [{"a": 1}]})
    assert status == 200
    job: str = body["data"]["jobId"]
    return job


def test_a_job_is_answered_whole_from_its_beginning_to_its_end(api: Api, caller: Caller, pipeline: Pipeline) -> None:
    _, made = api.post("/Import/Data", {"data": [{"a": 1}]})
    id, import_id = made["data"]["jobId"], made["data"]["id"]
    number = ids.of_uuid(ids.JOB, id)
    assert number is not None
    created = jobs.get(caller, number).created
    queued = {
        "id": id,
        "kind": "ingest",
        "status": "queued",
        "source": {"type": "import", "id": import_id},
        "createdAt": clock.iso(created),
        "startedAt": None,
        "endedAt": None,
        "durationMs": None,
        "error": None,
        "outputs": {},
    }
    assert api.get(f"/Job/{id}") == (200, {"data": queued, "messages": []})
    pipeline.settle()
    job = jobs.get(caller, number)
    assert job.started is not None
    assert job.ended is not None
    ended = {
        **queued,
        "status": "succeeded",
        "startedAt": clock.iso(job.started),
        "endedAt": clock.iso(job.ended),
        "durationMs": job.ended - job.started,
        "outputs": {"importId": import_id, "version": 1},
    }
    assert api.get(f"/Job/{id}") == (200, {"data": ended, "messages": []})


def test_a_failed_job_says_why(api: Api, caller: Caller, pipeline: Pipeline) -> None:
    project = factories.new_project(caller)
    dataset = datasets.receive(caller, project_id=project.id, filename="a.json", data=b"{")
    pipeline.settle()
    _, body = api.get(f"/Job/{ids.uuid(ids.JOB, dataset.job)}")
    assert body["data"]["status"] == "failed"
    assert body["data"]["error"] == datasets.get(caller, dataset.id).failure


def test_jobs_are_listed_newest_first_and_by_status(api: Api, caller: Caller, pipeline: Pipeline) -> None:
    first, second = begun(api), begun(api)
    pipeline.settle()
    third = begun(api)
    assert [job["id"] for job in api.get("/Job/All")[1]["data"]] == [third, second, first]
    assert [job["id"] for job in api.get("/Job/All", status="queued")[1]["data"]] == [third]
    assert [job["id"] for job in api.get("/Job/All", status="succeeded", count="1")[1]["data"]] == [second]
    _, page = api.get("/Job/All", count="2")
    text = f"There are older jobs: ask for those that follow with 'after={second}'."
    assert page["messages"] == [{"type": "information", "code": "MORE_ITEMS", "message": text, "field": "after"}]
    assert [job["id"] for job in api.get("/Job/All", after=second)[1]["data"]] == [first]
    status, body = api.get("/Job/All", status="done")
    assert (status, body["messages"][0]["field"]) == (400, "status")


def test_a_rare_status_is_looked_for_a_stretch_at_a_time(
    api: Api, caller: Caller, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begun(api)
    pipeline.settle()
    others = [begun(api) for _ in range(4)]
    monkeypatch.setattr(jobs, "MAX_LOOKED_AT", 3)
    _, page = api.get("/Job/All", status="succeeded")
    # Nothing among the first three; it goes on behind the last of them.
    assert page["data"] == []
    assert f"'after={others[1]}'" in page["messages"][0]["message"]
    _, page = api.get("/Job/All", status="succeeded", after=others[1])
    assert ([job["id"] for job in page["data"]], page["messages"]) == ([first], [])


def test_a_cancelled_job_ends_with_its_import(api: Api, caller: Caller, pipeline: Pipeline) -> None:
    id = begun(api)
    status, body = api.post(f"/Job/{id}/Cancel")
    assert (status, body["data"]["status"], body["data"]["error"]) == (200, "cancelled", "It was cancelled.")
    assert (body["data"]["startedAt"], body["data"]["durationMs"]) == (None, None)
    assert api.get(f"/Job/{id}")[1] == body
    (item,) = api.get("/Import/All")[1]["data"]
    assert (item["status"], item["error"]) == ("failed", "It was cancelled.")
    assert api.post(f"/Job/{id}/Cancel")[1] == body


def test_a_cancellation_under_a_key_is_answered_alike(api: Api, pipeline: Pipeline) -> None:
    id = begun(api)
    first = api.post(f"/Job/{id}/Cancel", **{"Idempotency-Key": "one"})
    again = api.send("POST", f"/Job/{id}/Cancel", headers={"Idempotency-Key": "one"})
    assert (again["statusCode"], json.loads(again["body"])) == first
    assert again["multiValueHeaders"]["Idempotent-Replayed"] == ["true"]


def test_what_has_ended_is_not_cancelled(api: Api, pipeline: Pipeline) -> None:
    id = begun(api)
    pipeline.settle()
    expected = (409, refusal("CONFLICT", "The job has ended already: it is succeeded."))
    assert api.post(f"/Job/{id}/Cancel") == expected


def test_an_absent_and_a_foreign_job_look_alike(api: Api, stranger: Api) -> None:
    theirs = begun(stranger)
    for id in (theirs, absent(ids.JOB), ids.uuid(ids.DATASET, 5), "job_00000000001"):
        expected = (404, refusal("NOT_FOUND", f"No job '{id}' exists."))
        assert api.get(f"/Job/{id}") == expected
        assert api.post(f"/Job/{id}/Cancel") == expected
    assert api.get("/Job/All") == (200, {"data": [], "messages": []})
    number = ids.of_uuid(ids.JOB, theirs)
    assert number is not None
    found = store.get(stranger.caller.account, number)
    assert found is not None
    assert found.state == "queued"
