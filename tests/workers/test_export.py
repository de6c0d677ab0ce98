"""Exports from the request to the file, with the real worker, stream, bus and queues on moto."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from fluvial import blobs, clock, datasets, events, exports, idempotency, ids, jobs, projects, selections
from fluvial.caller import Caller
from fluvial.errors import ConflictError, InvalidError, NotFoundError
from fluvial.store import keys, table
from fluvial.store.table import GuardError
from tests import factories
from tests.workers.pipeline import Pipeline, own_client
from workers import export

CSV = b'city,n,price\nBonn,1,1.50\n"",9007199254740993,2.25\n,3,2.50\n'


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def project(caller: Caller) -> projects.Project:
    return factories.new_project(caller)


@pytest.fixture
def pipeline(aws: dict[str, str]) -> Pipeline:
    return Pipeline(aws)


@pytest.fixture
def dataset(caller: Caller, project: projects.Project, pipeline: Pipeline) -> datasets.Dataset:
    made = factories.new_dataset(caller, project, CSV)
    pipeline.settle()
    return made


def wanted(format: str = "csv", **given: Any) -> exports.Wanted:
    asked = {name: given.pop(name) for name in ("columns", "filter", "sort") if name in given}
    return exports.parse(format=format, selection=selections.parse(asked), **given)


def stored_keys(resources: dict[str, str]) -> list[str]:
    listed = own_client("s3").list_objects_v2(Bucket=resources["Bucket"], Prefix="exports/")
    return [item["Key"] for item in listed.get("Contents", [])]


def types_of_events(caller: Caller) -> Counter[str]:
    happened = events.read(caller, events.BEGINNING, limit=250).events
    return Counter(event.type for event in happened if event.type.startswith("export."))


def test_an_export_is_asked_for_made_and_downloaded(
    aws: dict[str, str], caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset
) -> None:
    queued = exports.create(caller, dataset.id, wanted(delimiter=";", columns=["n", "city"]))
    assert (queued.status, queued.version, exports.link(queued)) == ("queued", 1, None)
    assert exports.get(caller, dataset.id, queued.id) == queued
    pipeline.settle()

    found = exports.get(caller, dataset.id, queued.id)
    content = b'n;city\n1;Bonn\n9007199254740993;""\n3;\n'
    assert found.described() == {
        "id": ids.spell("exp", queued.id),
        "project_id": ids.spell("proj", dataset.project),
        "data_id": ids.spell("data", dataset.id),
        "data_version": 1,
        "format": "csv",
        "status": "completed",
        "rows": 3,
        "bytes": len(content),
        "created_at": clock.iso(queued.created),
        "expires_at": clock.iso(queued.created + 7 * clock.DAY),
    }
    (key,) = stored_keys(aws)
    assert blobs.get(key) == content
    url = urlsplit(exports.link(found) or "")
    query = parse_qs(url.query)
    assert url.path.endswith(key)
    assert query["X-Amz-Expires"] == ["3600"]
    assert query["response-content-disposition"] == ["attachment; filename=\"data.csv\"; filename*=UTF-8''data.csv"]
    job = jobs.get(caller, queued.job)
    assert (job.kind, job.state, job.outputs) == ("export", "succeeded", {"export": queued.id, "dataset": dataset.id})
    assert types_of_events(caller) == {"export.completed": 1}


@pytest.mark.parametrize("format", exports.FORMATS)
def test_every_format_has_all_rows(
    aws: dict[str, str], caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset, format: str
) -> None:
    made = exports.create(caller, dataset.id, wanted(format))
    pipeline.settle()
    found = exports.get(caller, dataset.id, made.id)
    (key,) = stored_keys(aws)
    assert (found.status, found.rows, found.bytes) == ("completed", 3, len(blobs.get(key)))


def test_an_export_reads_only_the_parts_that_can_have_its_rows_one_after_the_other(
    caller: Caller, project: projects.Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fluvial.engine import ingest as engine
    from fluvial.engine.limits import Limits

    monkeypatch.setattr(engine, "Limits", lambda: Limits(part_rows=10))
    rows = "".join(f"{number}\n" for number in range(50))
    dataset = factories.new_dataset(caller, project, f"n\n{rows}".encode())
    pipeline.settle()
    fetched: list[str] = []
    fetch = export.blobs.fetch
    monkeypatch.setattr(export.blobs, "fetch", lambda key, path: fetched.append(path.name) or fetch(key, path))
    made = exports.create(caller, dataset.id, wanted(filter=[{"column": "n", "operator": "in", "value": [9, 25, 49]}]))
    pipeline.settle()
    found = exports.get(caller, dataset.id, made.id)
    assert (found.rows, blobs.get(found.file or "")) == (3, b"n\n9\n25\n49\n")
    assert len(fetched) == 3


def test_an_export_that_can_never_be_made_fails_with_the_reason(
    aws: dict[str, str],
    caller: Caller,
    pipeline: Pipeline,
    dataset: datasets.Dataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = exports.create(caller, dataset.id, wanted("xlsx", filter=[{"column": "n", "operator": "is_not_null"}]))
    monkeypatch.setattr(exports, "MAX_SHEET_ROWS", 2)
    pipeline.settle()
    found = exports.get(caller, dataset.id, made.id)
    reason = "A worksheet holds 2 rows below its header, and there are 3: filter, or export CSV."
    assert (found.status, found.failure, found.file) == ("failed", reason, None)
    assert found.described()["failure"] == {"reason": reason}
    assert (jobs.get(caller, made.job).state, jobs.get(caller, made.job).reason) == ("failed", reason)
    assert types_of_events(caller) == {"export.failed": 1}
    assert stored_keys(aws) == []


def test_an_export_that_takes_too_long_ends_as_failed(
    caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "TIMEOUT_SECONDS", -1)
    made = exports.create(caller, dataset.id, wanted())
    pipeline.settle()
    assert exports.get(caller, dataset.id, made.id).failure == export.TOO_SLOW


def test_an_export_whose_data_is_deleted_goes_with_it(
    aws: dict[str, str], caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset
) -> None:
    done = exports.create(caller, dataset.id, wanted())
    pipeline.settle()
    waiting = exports.create(caller, dataset.id, wanted())
    datasets.delete(caller, dataset.id)
    pipeline.settle()
    assert stored_keys(aws) == []
    assert table.query(keys.exports(caller.account, dataset.id)) == []
    assert jobs.get(caller, waiting.job).state in ("cancelled", "failed", "succeeded")
    for each in (done, waiting):
        with pytest.raises(NotFoundError):
            exports.get(caller, dataset.id, each.id)


def test_data_that_is_deleted_while_it_is_exported_leaves_nothing(
    aws: dict[str, str],
    caller: Caller,
    pipeline: Pipeline,
    dataset: datasets.Dataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finish = exports.finish

    def deleted_first(*arguments: Any, **named: Any) -> bool:
        datasets.delete(caller, dataset.id)
        exports.sweep(caller.account, dataset.id)
        return finish(*arguments, **named)

    monkeypatch.setattr(export.exports, "finish", deleted_first)
    exports.create(caller, dataset.id, wanted())
    pipeline.settle()
    assert stored_keys(aws) == []
    assert types_of_events(caller) == {}


def test_an_export_is_of_the_version_that_was_asked_for_and_running_while_it_is_made(
    caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    make = export._make_file
    made = exports.create(caller, dataset.id, wanted())

    def watched(*arguments: Any) -> Any:
        seen.append(exports.get(caller, dataset.id, made.id).status)
        return make(*arguments)

    monkeypatch.setattr(export, "_make_file", watched)
    pipeline.settle()
    assert seen == ["running"]


def test_a_worker_that_dies_five_times_leaves_a_failed_export(
    caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset, aws: dict[str, str]
) -> None:
    made = exports.create(caller, dataset.id, wanted())
    pipeline.stream()
    message = own_client("sqs").receive_message(QueueUrl=aws["ExportQueue"])["Messages"][0]
    own_client("sqs").delete_message(QueueUrl=aws["ExportQueue"], ReceiptHandle=message["ReceiptHandle"])
    own_client("sqs").send_message(QueueUrl=aws["ExportDeadLetters"], MessageBody=message["Body"])
    pipeline.settle()
    found = exports.get(caller, dataset.id, made.id)
    reason = "The export could not be made: the work on it stopped without an answer again and again."
    assert (found.status, found.failure) == ("failed", reason)


def test_an_export_that_is_asked_for_twice_under_one_key_is_one(caller: Caller, dataset: datasets.Dataset) -> None:
    def once() -> idempotency.Once[exports.Export]:
        return idempotency.Once(
            account=caller.account,
            route="POST /x",
            key="k",
            fingerprint="f",
            status=202,
            show=lambda made: json.dumps(made.described()),
        )

    exports.create(caller, dataset.id, wanted(), once=once())
    with pytest.raises(GuardError):
        exports.create(caller, dataset.id, wanted(), once=once())
    assert len(table.query(keys.exports(caller.account, dataset.id))) == 1


def test_an_export_is_told_of_for_a_week(caller: Caller, dataset: datasets.Dataset) -> None:
    made = exports.create(caller, dataset.id, wanted())
    assert exports.get(caller, dataset.id, made.id, now=lambda: made.expires - 1).id == made.id
    with pytest.raises(NotFoundError):
        exports.get(caller, dataset.id, made.id, now=lambda: made.expires)


def test_data_that_is_not_ready_cannot_be_exported(caller: Caller, project: projects.Project) -> None:
    with pytest.raises(ConflictError):
        exports.create(caller, factories.new_dataset(caller, project).id, wanted())


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"format": "pdf"}, "format"),
        ({"format": "ndjson", "delimiter": ";"}, "delimiter"),
        ({"format": "csv", "delimiter": "x"}, "delimiter"),
        ({"format": "parquet", "neutralise_formulas": True}, "neutralise_formulas"),
    ],
)
def test_what_no_file_can_be_is_refused_by_name(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as refused:
        wanted(**given)
    assert refused.value.field == field


def test_a_column_that_is_not_there_and_a_sheet_that_is_too_long_are_refused_at_once(
    caller: Caller, dataset: datasets.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidError, match="The data has no column 'x'; it has: city, n, price"):
        exports.create(caller, dataset.id, wanted(columns=["x"]))
    monkeypatch.setattr(exports, "MAX_SHEET_ROWS", 2)
    with pytest.raises(InvalidError, match="A worksheet holds 2 rows"):
        exports.create(caller, dataset.id, wanted("xlsx"))
