"""Versions of a dataset from the import to their rows, with the real worker, stream, bus and queues on moto."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from fluvial import blobs, clock, dataset_versions, datasets, imports, jobs, part_files, projects, rows
from fluvial.caller import Caller
from fluvial.dataset_versions import Version
from fluvial.errors import ConflictError, InvalidError, NotFoundError
from fluvial.imports import Import
from fluvial.store import keys, table
from tests import factories
from tests.workers.pipeline import Pipeline, own_client
from workers import ingest

CSV = b"id,n\n1,10\n2,20\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_files, "FOLDER", tmp_path / "parts")


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def pipeline(aws: dict[str, str]) -> Pipeline:
    return Pipeline(aws)


@pytest.fixture
def dataset(caller: Caller, pipeline: Pipeline) -> datasets.Dataset:
    made = factories.new_dataset(caller, factories.new_project(caller), CSV)
    pipeline.settle()
    return datasets.get(caller, made.id)


def start(caller: Caller, dataset: datasets.Dataset, data: bytes, mode: str, **more: Any) -> Version:
    once = more.pop("once", None)
    return imports.add(caller, dataset.id, Import(mode, **more), filename="next.csv", data=data, once=once)


def ended(caller: Caller, pipeline: Pipeline, version: Version) -> Version:
    pipeline.settle()
    return dataset_versions.get(caller, version.dataset, version.number)


def all_rows(caller: Caller, dataset: datasets.Dataset, version: int | None = None) -> list[dict[str, Any]]:
    return rows.page(caller, dataset.id, version=version, offset=0, limit=100).items


def events_of(caller: Caller) -> list[tuple[str, Any]]:
    found = table.query(keys.listed(caller.account, "events"))
    return [(each["event_type"], json.loads(each["data"])) for each in found]


def stored(resources: dict[str, str]) -> list[str]:
    listed = own_client("s3").list_objects_v2(Bucket=resources["Bucket"])
    return sorted(item["Key"] for item in listed.get("Contents", []))


def test_every_import_is_a_version_and_all_of_them_stay_readable(
    caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset
) -> None:
    appended = ended(caller, pipeline, start(caller, dataset, b"id,n\n3,30\n", "append"))
    upserted = ended(caller, pipeline, start(caller, dataset, b"id,n\n1,11\n4,40\n,5\n", "upsert", key=["id"]))
    deleted = ended(caller, pipeline, start(caller, dataset, b"id,n\n2,0\n9,0\n", "delete", key=["id"]))
    replaced = ended(caller, pipeline, start(caller, dataset, b"id,t\n7,x\n", "replace"))
    assert [each.number for each in (appended, upserted, deleted, replaced)] == [2, 3, 4, 5]
    assert all_rows(caller, dataset, 1) == [{"id": 1, "n": 10}, {"id": 2, "n": 20}]
    assert all_rows(caller, dataset, 2) == [*all_rows(caller, dataset, 1), {"id": 3, "n": 30}]
    assert all_rows(caller, dataset, 3) == [
        {"id": 1, "n": 11}, {"id": 2, "n": 20}, {"id": 3, "n": 30}, {"id": 4, "n": 40}
    ]  # fmt: skip
    assert all_rows(caller, dataset, 4) == [{"id": 1, "n": 11}, {"id": 3, "n": 30}, {"id": 4, "n": 40}]
    assert all_rows(caller, dataset) == all_rows(caller, dataset, 5) == [{"id": 7, "t": "x"}]
    none = {"insert": 0, "update": 0, "skip": 0, "delete": 0, "reject": 0}
    assert upserted.counts == none | {"insert": 1, "update": 1, "reject": 1}
    assert (deleted.counts, replaced.counts) == (
        none | {"delete": 1, "skip": 1}, none | {"insert": 1, "delete": 3}
    )  # fmt: skip
    rejected = rows.rejects_page(caller, dataset.id, version=3, offset=0, limit=10).items
    assert [each["cause"] for each in rejected] == ["the key column 'id' is empty"]
    listed = dataset_versions.page(caller, dataset.id, offset=1, limit=2)
    assert ([each.number for each in listed.items], listed.total) == ([4, 3], 5)
    kind, data = events_of(caller)[-1]
    assert (kind, data["version"], data["mode"], data["counts"]) == ("data.processed", 5, "replace", replaced.counts)


def test_a_dry_run_tells_what_the_import_would_do_and_does_nothing(
    aws: dict[str, str], caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset
) -> None:
    before, events = stored(aws), events_of(caller)
    file = b"id,n,t\n1,11,a\n2,20,\n5,1.50,\n"
    plan = ended(caller, pipeline, start(caller, dataset, file, "upsert", key=["ID"], dry_run=True))
    assert (plan.status, plan.location, plan.rows) == ("planned", None, None)
    assert (stored(aws), events_of(caller)) == (before, events)
    assert datasets.get(caller, dataset.id).version == 1
    done = ended(caller, pipeline, start(caller, dataset, file, "upsert", key=["ID"]))
    assert (done.status, done.counts, done.changes) == ("ready", plan.counts, plan.changes)
    assert done.changes == {
        "added": [{"name": "t", "type": "text"}],
        "widened": [{"name": "n", "from": "integer", "to": "text"}],
        "missing": [],
    }
    with pytest.raises(ConflictError, match="Version 2 has no rows: it is planned"):
        all_rows(caller, dataset, 2)


def test_a_failed_import_leaves_the_data_as_it_was(
    caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset
) -> None:
    failed = ended(caller, pipeline, start(caller, dataset, b"id,x\n1,2\n", "append", drift="freeze"))
    assert (failed.status, failed.number) == ("failed", 2)
    assert "column 'x' (integer) is new; column 'n' (integer) is missing" in str(failed.failure)
    assert datasets.get(caller, dataset.id) == replace(dataset, latest=2, job=failed.job)
    assert len(all_rows(caller, dataset)) == 2
    kind, data = events_of(caller)[-1]
    assert (kind, data["version"], data["status"]) == ("data.failed", 2, "ready")
    assert data["failure"] == {"reason": failed.failure}
    # A file that is sent again is not the failed one.
    assert ended(caller, pipeline, start(caller, dataset, b"id,x\n1,2\n", "append")).status == "ready"


def test_the_same_file_in_the_same_way_is_no_new_version(
    aws: dict[str, str], caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset
) -> None:
    before = stored(aws)
    again = ended(caller, pipeline, start(caller, dataset, CSV, "replace"))
    assert (again.status, again.same_as) == ("unchanged", 1)
    assert stored(aws) == before
    assert jobs.get(caller, again.job).outputs == {"dataset": dataset.id, "version": 1}
    assert events_of(caller)[-1][1]["version"] == 1
    assert ended(caller, pipeline, start(caller, dataset, CSV, "append")).rows == 4


def test_undo_moves_the_pointer_and_so_does_the_way_back(
    caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset
) -> None:
    ended(caller, pipeline, start(caller, dataset, b"id,n\n3,30\n", "append"))
    assert dataset_versions.point(caller, dataset.id).version == 1
    assert len(all_rows(caller, dataset)) == 2
    assert [kind for kind, _ in events_of(caller)].count("data.version_changed") == 1
    assert events_of(caller)[-1][1]["before"] == 2
    with pytest.raises(ConflictError, match="no version before this one"):
        dataset_versions.point(caller, dataset.id)
    # The next import stands on what is current, and no number is given twice.
    branch = ended(caller, pipeline, start(caller, dataset, b"id,n\n4,40\n", "append"))
    assert (branch.number, branch.parent, branch.rows) == (3, 1, 3)
    assert dataset_versions.point(caller, dataset.id, 2).rows == 3
    assert all_rows(caller, dataset)[-1] == {"id": 3, "n": 30}
    assert dataset_versions.point(caller, dataset.id, 2).version == 2
    with pytest.raises(NotFoundError):
        dataset_versions.point(caller, dataset.id, 9)


def test_a_dataset_takes_one_import_at_a_time(caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset) -> None:
    first = start(caller, dataset, b"id,n\n3,30\n", "append")
    for act in (
        lambda: start(caller, dataset, CSV, "append"),
        lambda: dataset_versions.point(caller, dataset.id, 1),
        lambda: imports.reparse(caller, dataset.id, {"header": False}),
    ):
        with pytest.raises(ConflictError, match="The data is being imported"):
            act()
    assert ended(caller, pipeline, first).status == "ready"
    assert start(caller, dataset, b"id,n\n4,40\n", "append").number == 3


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        duckdb.IOException('Could not write file "x": No space left on device'),
    ],
)
def test_a_file_for_which_the_disk_is_too_small_fails_with_the_reason(
    caller: Caller,
    pipeline: Pipeline,
    dataset: datasets.Dataset,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(ingest, "ingest", full)
    version = ended(caller, pipeline, start(caller, dataset, b"id,n\n3,30\n", "append"))
    reason = "The file needs more room on the worker's disk than there is: compress it, or append it in pieces."
    assert (version.status, version.failure) == ("failed", reason)
    assert datasets.get(caller, dataset.id).version == 1
    assert jobs.get(caller, version.job).state == "failed"


def test_a_source_is_read_again_by_other_options(caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset) -> None:
    again = ended(caller, pipeline, imports.reparse(caller, dataset.id, {"header": False}))
    assert (again.mode, again.rows, again.source) == ("replace", 3, dataset_versions.get(caller, dataset.id, 1).source)
    assert all_rows(caller, dataset)[0] == {"column_1": "id", "column_2": "n"}
    assert ended(caller, pipeline, imports.reparse(caller, dataset.id, {"header": False})).status == "unchanged"
    assert blobs.get(again.source) == CSV


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (Import("merge"), "mode"),
        (Import("append", drift="hope"), "drift"),
        (Import("append", options={"x": 1}), "options.x"),
        (Import("append", key=["id"]), "key"),
        (Import("upsert"), "key"),
        (Import("upsert", key=["nr"]), "key"),
        (Import("delete", key=["id", "ID"]), "key"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    aws: dict[str, str], caller: Caller, dataset: datasets.Dataset, wanted: Import, field: str
) -> None:
    before = stored(aws)
    with pytest.raises(InvalidError) as refused:
        imports.add(caller, dataset.id, wanted, filename="a.csv", data=CSV)
    assert refused.value.field == field
    assert (stored(aws), datasets.get(caller, dataset.id)) == (before, dataset)


def test_a_deleted_dataset_takes_all_versions_along(
    aws: dict[str, str], caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset
) -> None:
    ended(caller, pipeline, start(caller, dataset, b"id,n\n3,30\n", "append"))
    start(caller, dataset, b"id,n\n4,40\n", "append")
    datasets.delete(caller, dataset.id)
    pipeline.settle()
    # The file of an import that was called off is left to the bucket's lifecycle rule.
    assert [key.split("/")[0] for key in stored(aws)] == ["incoming"]
    assert table.query(keys.dataset_versions(caller.account, dataset.id)) == []
    with pytest.raises(NotFoundError):
        dataset_versions.page(caller, dataset.id, offset=0, limit=1)


def test_a_foreign_dataset_is_absent(caller: Caller, dataset: datasets.Dataset) -> None:
    stranger = factories.new_caller()
    for act in (
        lambda: start(stranger, dataset, CSV, "append"),
        lambda: dataset_versions.get(stranger, dataset.id, 1),
        lambda: dataset_versions.page(stranger, dataset.id, offset=0, limit=1),
        lambda: dataset_versions.point(stranger, dataset.id, 1),
        lambda: imports.reparse(stranger, dataset.id, {}),
        lambda: rows.page(stranger, dataset.id, version=1, offset=0, limit=1),
    ):
        with pytest.raises(NotFoundError) as refused:
            act()
        assert (refused.value.kind, refused.value.name) == ("dataset", dataset.id)


def test_an_import_that_dies_again_and_again_sets_the_dataset_free(
    caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset
) -> None:
    from fluvial import job_kinds

    version = start(caller, dataset, b"id,n\n3,30\n", "append")
    job = jobs.claim(caller.account, version.job, lease_milliseconds=clock.MINUTE)
    assert job is not None
    job_kinds.fail_stopped(job)
    assert dataset_versions.get(caller, dataset.id, 2).status == "failed"
    found = datasets.get(caller, dataset.id)
    assert (found.importing, found.status, found.version) == (None, "ready", 1)
    assert isinstance(found.project, int)
    assert projects.get(caller, found.project).id == found.project


@pytest.mark.parametrize("mode", ["append", "replace", "upsert"])
def test_a_file_with_rejected_records_is_loaded_and_brings_its_rejects_along(
    caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset, mode: str
) -> None:
    data = b"id,n\n3,30\n4,40\n5,50,too much\n6,60\n"
    made = ended(caller, pipeline, start(caller, dataset, data, mode, key=["id"] if mode == "upsert" else None))
    assert (made.status, made.rejected) == ("ready", 1)
    assert [row["id"] for row in all_rows(caller, dataset)][-3:] == [3, 4, 6]
    (reject,) = rows.rejects_page(caller, dataset.id, offset=0, limit=10).items
    assert (reject["line"], reject["raw"]) == (4, "5,50,too much")
