"""Versions of data through their handlers, with imports done by the real worker on moto."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fluvial import aws as clients
from fluvial import clock, dataset_versions, datasets, ids, part_files
from fluvial.caller import Caller
from reference.data import handler as data_handler
from reference.rows import handler as rows_handler
from reference.versions import handler
from tests import factories
from tests.contract.client import multipart
from tests.factories import answer, request
from tests.workers.pipeline import Pipeline


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
    made = factories.new_dataset(caller, factories.new_project(caller), b"id,n\n1,10\n2,20\n")
    pipeline.settle()
    return datasets.get(caller, made.id)


def ask(
    caller: Caller, dataset: datasets.Dataset, method: str, resource: str, *, on: Any = handler, **more: Any
) -> tuple[int, Any]:
    path = {"id": ids.spell(ids.DATASET, dataset.id), **more.pop("path", {})}
    return answer(on, request(method, f"/data/{{id}}{resource}", caller=caller, path=path, **more))


def add(caller: Caller, dataset: datasets.Dataset, data: str, **fields: str) -> tuple[int, Any]:
    body, kind = multipart(data.encode(), fields, filename="next.csv")
    return ask(caller, dataset, "POST", "/versions", raw=body.decode(), headers={"Content-Type": kind})


def test_an_import_is_answered_whole_and_can_be_followed(
    caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset
) -> None:
    status, made = add(caller, dataset, "id,n\n2,21\n3,30\n,1\n", mode="upsert", key='["id"]')
    version = dataset_versions.get(caller, dataset.id, 2)
    assert (status, made) == (
        201,
        {
            "number": 2,
            "data_id": ids.spell(ids.DATASET, dataset.id),
            "mode": "upsert",
            "status": "processing",
            "dry_run": False,
            "parent": 1,
            "same_as": None,
            "replays": None,
            "filename": "next.csv",
            "size": 18,
            "sha256": None,
            "key": ["id"],
            "drift": "evolve",
            "options": {},
            "rows": None,
            "rejected_rows": None,
            "counts": None,
            "schema_changes": None,
            "failure": None,
            "lineage": None,
            "job_id": ids.spell(ids.JOB, version.job),
            "created_by": ids.spell(ids.USER, caller.user),
            "created_at": clock.iso(version.created),
            "ended_at": None,
        },
    )
    pipeline.settle()
    version = dataset_versions.get(caller, dataset.id, 2)
    done = made | {
        "status": "ready",
        "sha256": version.sha256,
        "rows": 3,
        "rejected_rows": 1,
        "counts": {"insert": 1, "update": 1, "skip": 0, "delete": 0, "reject": 1},
        "schema_changes": {"added": [], "widened": [], "missing": []},
        "ended_at": clock.iso(version.ended or 0),
    }
    assert ask(caller, dataset, "GET", "/versions/{number}", path={"number": "2"}) == (200, done)
    status, listed = ask(caller, dataset, "GET", "/versions", query={"per_page": "1"})
    assert (status, listed["data"], listed["pagination"]["total"]) == (200, [done], 2)
    of_first = {"on": rows_handler, "path": {"number": "1"}}
    status, page = ask(caller, dataset, "GET", "/versions/{number}/rows", **of_first)
    assert (status, page["data"], page["version"]) == (200, [{"id": 1, "n": 10}, {"id": 2, "n": 20}], 1)
    of_second = {"on": rows_handler, "path": {"number": "2"}}
    status, page = ask(caller, dataset, "GET", "/versions/{number}/rejects", **of_second)
    assert (status, page["pagination"]["total"], page["version"]) == (200, 1, 2)
    assert page["data"][0]["raw"] == '{"id":null,"n":"1"}'


def test_rejects_are_sent_again_as_corrected(caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset) -> None:
    add(caller, dataset, "id,n\n3,30\n4,x\n5,\n", mode="append", drift="reject")
    pipeline.settle()
    body = {"version": 2, "rows": [{"id": "4", "n": "40"}]}
    status, made = ask(caller, dataset, "POST", "/rejects/replay", body=body)
    assert (status, made["replays"], made["mode"], made["drift"]) == (201, 2, "append", "reject")
    pipeline.settle()
    _, page = ask(caller, dataset, "GET", "/rows", on=rows_handler)
    assert page["data"][2:] == [{"id": 3, "n": 30}, {"id": 5, "n": None}, {"id": 4, "n": 40}]
    status, refusal = ask(caller, dataset, "POST", "/rejects/replay", body={"version": 2, "rows": [{}, {}]})
    assert (status, refusal["error"]["field"]) == (400, "rows")


def test_undo_and_its_way_back(caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset) -> None:
    add(caller, dataset, "id,n\n3,30\n", mode="append")
    pipeline.settle()
    status, now = ask(caller, dataset, "POST", "/undo")
    assert (status, now["version"], now["latest_version"], now["rows"]) == (200, 1, 2, 2)
    status, now = ask(caller, dataset, "POST", "/undo", body={"version": 2})
    assert (status, now["version"], now["rows"]) == (200, 2, 3)
    status, refusal = ask(caller, dataset, "POST", "/undo", body={"version": 3})
    assert (status, refusal["error"]["message"]) == (404, "No version '3' exists.")


def test_what_imports_go_by_is_changed_and_used(caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset) -> None:
    status, now = ask(caller, dataset, "PUT", "", body={"name": "Sales", "drift": "reject", "key": ["ID"]})
    assert (status, now["name"], now["drift"], now["key"]) == (200, "Sales", "reject", ["ID"])
    _, made = add(caller, dataset, "id,n\n2,x\n2,22\n", mode="upsert")
    assert (made["key"], made["drift"]) == (["ID"], "reject")
    pipeline.settle()
    _, done = ask(caller, dataset, "GET", "/versions/{number}", path={"number": "2"})
    assert done["counts"] == {"insert": 0, "update": 1, "skip": 0, "delete": 0, "reject": 1}
    for body, field in (({}, None), ({"drift": "x"}, "drift"), ({"key": ["z"]}, "key"), ({"name": ""}, "name")):
        status, refusal = ask(caller, dataset, "PUT", "", body=body)
        assert (status, refusal["error"]["field"]) == (400, field)
    status, now = ask(caller, dataset, "PUT", "", body={"key": []})
    assert (now["key"], now["name"]) == ([], "Sales")


def test_a_larger_file_comes_by_an_upload(
    aws: dict[str, str], caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset
) -> None:
    data = b"id,n\n3,30\n"
    body = {"project_id": ids.spell(ids.PROJECT, dataset.project), "filename": "big.csv", "size": len(data)}
    _, opened = answer(data_handler, request("POST", "/data/uploads", caller=caller, body=body))
    wanted = {"upload_id": opened["id"], "mode": "append", "dry_run": True}
    assert ask(caller, dataset, "POST", "/versions/upload", body=wanted)[0] == 409
    clients.client("s3").put_object(Bucket=aws["Bucket"], Key=opened["upload"]["fields"]["key"], Body=data)
    status, made = ask(caller, dataset, "POST", "/versions/upload", body=wanted)
    assert (status, made["filename"], made["dry_run"]) == (201, "big.csv", True)
    pipeline.settle()
    _, done = ask(caller, dataset, "GET", "/versions/{number}", path={"number": "2"})
    assert (done["status"], done["counts"]["insert"], done["rows"]) == ("planned", 1, None)
    status, refusal = ask(caller, dataset, "POST", "/versions/upload", body=wanted)
    assert (status, refusal["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")


def test_a_file_is_read_again_by_other_options(caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset) -> None:
    status, made = ask(caller, dataset, "POST", "/reparse", body={"options": {"header": False}})
    assert (status, made["options"], made["mode"]) == (201, {"header": False}, "replace")
    pipeline.settle()
    assert datasets.get(caller, dataset.id).rows == 3
    status, refusal = ask(caller, dataset, "POST", "/reparse", body={"options": {"header": "?"}})
    assert (status, refusal["error"]["field"]) == (400, "options.header")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"mode": "merge"}, "mode"),
        ({"mode": "upsert", "key": "[1]"}, "key"),
        ({"mode": "upsert", "key": "nr"}, "key"),
        ({"mode": "append", "options": "{"}, "options"),
        ({"mode": "append", "dry_run": "maybe"}, "dry_run"),
        ({}, "mode"),
    ],
)
def test_an_import_that_cannot_be_is_refused(
    caller: Caller, dataset: datasets.Dataset, fields: dict[str, str], field: str
) -> None:
    status, refusal = add(caller, dataset, "id,n\n1,1\n", **fields)
    assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (400, "VALIDATION_ERROR", field)
    assert json.dumps(refusal)
    assert datasets.get(caller, dataset.id) == dataset
