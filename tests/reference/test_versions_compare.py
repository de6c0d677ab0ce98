"""Comparisons of two versions through their handlers, made by the real worker on moto."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fluvial import clock, comparisons, datasets, ids, job_kinds, jobs
from fluvial.errors import NotFoundError
from fluvial.store import comparisons as store
from fluvial.store import keys, table
from reference.jobs import handler as jobs_handler
from tests import factories
from tests.factories import answer, request
from tests.reference.versions import Data
from tests.workers.pipeline import own_client
from workers import comparing


@pytest.fixture
def data(aws: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Data:
    made = Data(aws, tmp_path, monkeypatch, b"id,n,old\n1,10,a\n2,20,b\n3,30,c\n")
    made.add("id,n\n2,x\n4,40\n", mode="upsert", key="id")
    return made


def compare(data: Data, before: int, after: int, **more: Any) -> tuple[int, Any]:
    body = {"from_version": before, "to_version": after, **more}
    return data.ask("POST", "/comparisons", body=body)


def get(data: Data, comparison: str, **more: Any) -> tuple[int, Any]:
    return data.ask("GET", "/comparisons/{comparison_id}", path={"comparison_id": comparison}, **more)


def exported(data: Data) -> list[str]:
    listed = own_client("s3").list_objects_v2(Bucket=data.resources["Bucket"], Prefix="exports/")
    return [each["Key"] for each in listed.get("Contents", [])]


def test_a_comparison_tells_columns_at_once_and_rows_when_it_is_completed(data: Data) -> None:
    status, made = compare(data, 1, 2)
    number = ids.parse(ids.COMPARISON, made["id"])
    assert number is not None
    stored = comparisons.get(data.caller, data.dataset.id, number)
    asked = {
        "id": made["id"],
        "data_id": ids.spell(ids.DATASET, data.dataset.id),
        "from_version": 1,
        "to_version": 2,
        "key": ["id"],
        "status": "queued",
        "job_id": ids.spell(ids.JOB, stored.job),
        "rows_before": 3,
        "rows_after": 4,
        "columns": {"added": [], "removed": [], "changed": [{"name": "n", "from": "integer", "to": "text"}]},
        "counts": None,
        "differences": None,
        "truncated": None,
        "failure": None,
        "created_at": clock.iso(stored.created),
        "updated_at": clock.iso(stored.created),
        "expires_at": clock.iso(stored.created + 7 * clock.DAY),
    }
    assert (status, made) == (202, asked)
    assert get(data, made["id"]) == (200, asked)
    data.pipeline.settle()
    _, done = get(data, made["id"])
    assert done == asked | {
        "status": "completed",
        "counts": {"added": 1, "removed": 0, "changed": 1, "unchanged": 2, "ambiguous_keys": 0},
        "differences": [
            {"change": "added", "row_before": None, "row_after": 4, "before": None,
             "after": {"id": 4, "n": "40", "old": None}},
            {"change": "changed", "row_before": 2, "row_after": 2, "before": {"id": 2, "n": 20, "old": "b"},
             "after": {"id": 2, "n": "x", "old": "b"}},
        ],
        "truncated": False,
        "updated_at": done["updated_at"],
    }  # fmt: skip
    status, job = answer(jobs_handler, request("GET", "/jobs/{id}", caller=data.caller, path={"id": made["job_id"]}))
    assert (status, job["kind"], job["state"]) == (200, "comparison", "succeeded")
    assert job["outputs"] == {"comparison_id": made["id"], "data_id": made["data_id"]}


def test_without_a_key_and_in_either_direction(data: Data) -> None:
    data.add("name\nx\n", mode="replace")
    made = [compare(data, *pair)[1] for pair in ((2, 3), (3, 2), (2, 2))] + [compare(data, 1, 2, key=[])[1]]
    data.pipeline.settle()
    found = [get(data, each["id"])[1] for each in made]
    assert [each["key"] for each in found] == [[], [], ["id"], []]
    counts = [tuple((each["counts"] or {}).values()) for each in found]
    assert counts == [(1, 4, 0, 0, 0), (4, 1, 0, 0, 0), (0, 0, 0, 4, 0), (2, 1, 0, 2, 0)]
    assert found[0]["columns"] == {
        "added": [{"name": "name", "type": "text"}],
        "removed": [
            {"name": name, "type": type_} for name, type_ in (("id", "integer"), ("n", "text"), ("old", "text"))
        ],
        "changed": [],
    }


@pytest.mark.parametrize(
    ("body", "status", "field", "message"),
    [
        ({"to_version": 9}, 404, "to_version", "No version '9' exists."),
        ({"from_version": 9}, 404, "from_version", "No version '9' exists."),
        ({"from_version": 0}, 400, "from_version", None),
        ({"to_version": 10**15}, 400, "to_version", None),
        ({"to_version": None}, 400, "to_version", None),
        ({"key": ["id", "nope"]}, 400, "key", "Version 1 has no column 'nope' for the key. It has id, n, old."),
        ({"key": ["id", "ID"]}, 400, "key", "'key' must be 1-16 different names of columns."),
        ({"key": "id"}, 400, "key", None),
        ({"to_version": 3}, 409, "to_version", "Version 3 has no rows: it is failed."),
        ({"to_version": 4}, 409, "to_version", "Version 4 has no rows: it is processing."),
    ],
)
def test_what_cannot_be_compared_is_refused(
    data: Data, body: dict[str, Any], status: int, field: str, message: str | None
) -> None:
    data.add("id,n,t\n1,2,3\n", mode="append", drift="freeze")
    data.ask("POST", "/reparse", body={"options": {"header": False}})
    found, refusal = compare(data, before=1, after=2, **body)
    assert (found, refusal["error"]["field"]) == (status, field)
    assert message in (None, refusal["error"]["message"])
    assert table.query(keys.comparisons(data.caller.account, data.dataset.id)) == []


def test_a_comparison_is_its_accounts_alone_and_gone_after_a_week(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    _, made = compare(data, 1, 2)
    stranger = factories.new_caller()
    assert get(data, made["id"], caller=stranger)[0] == 404
    assert data.ask("POST", "/comparisons", body={"from_version": 1, "to_version": 2}, caller=stranger)[0] == 404
    later = clock.now() + 7 * clock.DAY
    number = ids.parse(ids.COMPARISON, made["id"]) or 0
    with pytest.raises(NotFoundError):
        comparisons.get(data.caller, data.dataset.id, number, now=lambda: later)


def test_deleted_data_takes_its_comparisons_along(data: Data) -> None:
    compare(data, 1, 2)
    data.pipeline.settle()
    assert len(exported(data)) == 1
    compare(data, 2, 1)
    datasets.delete(data.caller, data.dataset.id)
    data.pipeline.settle()
    assert exported(data) == []
    assert table.query(keys.comparisons(data.caller.account, data.dataset.id)) == []


def test_one_whose_worker_dies_or_fails_ends_as_failed(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    _, made = compare(data, 1, 2)
    found = store.get(data.caller.account, data.dataset.id, ids.parse(ids.COMPARISON, made["id"]) or 0)
    assert found is not None
    job = jobs.claim(data.caller.account, found.job, lease_milliseconds=clock.MINUTE)
    assert job is not None
    assert get(data, made["id"])[1]["status"] == "running"
    job_kinds.fail_stopped(job)
    failed = get(data, made["id"])[1]
    assert (failed["status"], failed["counts"]) == ("failed", None)
    assert "stopped without an answer" in failed["failure"]["reason"]
    monkeypatch.setattr(comparing, "TIMEOUT_SECONDS", -1)
    _, slow = compare(data, 1, 2)
    data.pipeline.settle()
    failed = get(data, slow["id"])[1]
    assert (failed["status"], failed["failure"]) == (
        "failed", {"reason": "The comparison took too long and was stopped."}
    )  # fmt: skip


def test_a_worker_that_was_overtaken_leaves_nothing_behind(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    _, made = compare(data, 1, 2)
    number = ids.parse(ids.COMPARISON, made["id"]) or 0
    found = store.get(data.caller.account, data.dataset.id, number)
    assert found is not None
    job = jobs.claim(data.caller.account, found.job, lease_milliseconds=0)
    assert job is not None
    other = jobs.claim(data.caller.account, found.job, lease_milliseconds=clock.MINUTE, now=lambda: clock.now() + 1)
    assert other is not None
    assert comparing.run(other) == "succeeded"
    before = exported(data)
    assert comparing.run(job) == "overtaken"
    assert exported(data) == before
    assert get(data, made["id"])[1]["status"] == "completed"


def test_the_same_request_twice_is_one_comparison(data: Data) -> None:
    body, headers = {"from_version": 1, "to_version": 2}, {"Idempotency-Key": "one"}
    first = data.ask("POST", "/comparisons", body=body, headers=headers)
    assert data.ask("POST", "/comparisons", body=body, headers=headers) == first
    assert len(table.query(keys.comparisons(data.caller.account, data.dataset.id))) == 1
