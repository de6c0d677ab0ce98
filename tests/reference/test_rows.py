"""Rows and rejected rows through their handler, read from what the ingest worker made on moto.

The worker is given its job as AWS would: from the recorded item, through `workers.publish`, the bus, its rule and the
queue of template.yaml.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from fluvial import aws as clients
from fluvial import blobs, datasets, ids, jobs, part_files
from fluvial.caller import Caller
from fluvial.store import datasets as store
from fluvial.store import jobs as stored_jobs
from fluvial.store import keys, table
from reference.data import handler as data_handler
from reference.rows import handler
from tests import factories
from tests.factories import answer, request
from workers import ingest, publish


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Parts on the disk, of this test alone."""
    monkeypatch.setattr(part_files, "FOLDER", tmp_path / "parts")
    return tmp_path / "parts"


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


def queued_job(aws: dict[str, str], dataset: datasets.Dataset) -> dict[str, Any]:
    """The SQS event of the dataset's recorded job."""
    found = clients.client("dynamodb").get_item(
        TableName=aws["Table"],
        Key={"pk": {"S": keys.listed(dataset.account, "jobs")}, "sk": {"S": keys.number(dataset.job)}},
    )
    publish.handler({"Records": [{"eventName": "INSERT", "dynamodb": {"NewImage": found["Item"]}}]}, None)
    message = clients.client("sqs").receive_message(QueueUrl=aws["IngestQueue"])["Messages"][0]
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "eventSource": "aws:sqs",
    }
    return {"Records": [record]}


def ingested(
    aws: dict[str, str], caller: Caller, data: bytes, *, filename: str = "data.csv", format: str | None = None
) -> datasets.Dataset:
    """The dataset of a file after the worker has run."""
    project = factories.new_project(caller)
    dataset = datasets.receive(caller, project_id=project.id, filename=filename, data=data, format=format)
    assert ingest.handler(queued_job(aws, dataset), None) == {"batchItemFailures": []}
    found = store.get(caller.account, dataset.id)
    assert found is not None
    return found


def ask(caller: Caller, dataset: datasets.Dataset, what: str = "rows", **query: str) -> tuple[int, Any]:
    path = {"id": ids.spell(ids.DATASET, dataset.id)}
    return answer(handler, request("GET", f"/data/{{id}}/{what}", caller=caller, path=path, query=query))


def get(caller: Caller, dataset: datasets.Dataset) -> Any:
    path = {"id": ids.spell(ids.DATASET, dataset.id)}
    return answer(data_handler, request("GET", "/data/{id}", caller=caller, path=path))[1]


def objects(aws: dict[str, str]) -> list[str]:
    found = clients.client("s3").list_objects_v2(Bucket=aws["Bucket"]).get("Contents", [])
    return [item["Key"] for item in found]


def events_of(caller: Caller) -> list[tuple[str, Any]]:
    items = table.query(keys.listed(caller.account, "events"))
    return [(item["event_type"], json.loads(item["data"])) for item in items]


def test_rows_are_answered_whole_with_their_types_and_version(aws: dict[str, str], caller: Caller) -> None:
    dataset = ingested(aws, caller, "zip,city,people\n01067,Dresden,563311\n80331,München,\n".encode())
    assert ask(caller, dataset) == (
        200,
        {
            "data": [
                {"zip": "01067", "city": "Dresden", "people": 563311},
                {"zip": "80331", "city": "München", "people": None},
            ],
            "pagination": {"total": 2, "page": 1, "per_page": 20, "total_pages": 1},
            "links": {"next": None, "prev": None},
            "version": 1,
        },
    )


def test_an_ingested_file_is_ready_with_its_source_kept_and_its_upload_gone(
    aws: dict[str, str], caller: Caller
) -> None:
    data = b"a,b\n1,2\n3\n"
    dataset = ingested(aws, caller, data)
    shown = get(caller, dataset)
    assert (shown["status"], shown["rows"], shown["rejected_rows"], shown["version"]) == ("ready", 1, 1, 1)
    assert [(column["name"], column["type"]) for column in shown["columns"]] == [("a", "integer"), ("b", "integer")]
    assert shown["source"]["rows"] == shown["rows"] + shown["rejected_rows"]
    assert (shown["source"]["format"], shown["failure"]) == ("csv", None)
    source = blobs.source(caller.account, dataset.id, dataset.job)
    assert blobs.get(source) == data
    prefix = blobs.version(caller.account, dataset.id, dataset.job, 1)
    names = ["manifest.json", "part-00000.parquet", "profile.json", "rejects.ndjson"]
    assert objects(aws) == [*(prefix + name for name in names), source]
    job = stored_jobs.get(caller.account, dataset.job)
    assert job is not None
    assert (job.state, job.attempt, job.outputs) == ("succeeded", 1, {"dataset": dataset.id, "version": 1})
    assert [type for type, _ in events_of(caller)] == ["project.created", "data.uploaded", "data.processed"]
    counts = {"insert": 1, "update": 0, "skip": 0, "delete": 0, "reject": 1}
    made = {"version": 1, "mode": "create", "counts": counts}
    assert events_of(caller)[-1][1] == {**dataset.described(), **made}


def test_exact_numbers_survive(aws: dict[str, str], caller: Caller) -> None:
    dataset = ingested(aws, caller, b"big,price\n9007199254740993,0.10\n-9223372036854775808,12.30\n")
    path = {"id": ids.spell(ids.DATASET, dataset.id)}
    text = handler(request("GET", "/data/{id}/rows", caller=caller, path=path), factories.CONTEXT)["body"]
    for exact in ("9007199254740993", "-9223372036854775808", "0.10", "12.30"):
        assert exact in text


def test_pages_of_rows_have_no_gap_and_no_overlap(aws: dict[str, str], caller: Caller) -> None:
    dataset = ingested(aws, caller, b"n\n" + b"".join(b"%d\n" % number for number in range(45)))
    pages = [ask(caller, dataset, page=str(page))[1] for page in (1, 2, 3, 4)]
    assert [row["n"] for page in pages for row in page["data"]] == list(range(45))
    assert pages[1]["pagination"] == {"total": 45, "page": 2, "per_page": 20, "total_pages": 3}
    path = f"/v1/data/{ids.spell(ids.DATASET, dataset.id)}/rows"
    assert pages[1]["links"] == {"next": f"{path}?page=3", "prev": f"{path}?page=1"}
    assert (pages[3]["data"], pages[3]["links"]) == ([], {"next": None, "prev": f"{path}?page=3"})


def test_rejected_rows_say_where_and_why(aws: dict[str, str], caller: Caller) -> None:
    dataset = ingested(aws, caller, b"a,b\n1,2\n3\n4,5,6\n")
    assert ask(caller, dataset, "rejects") == (
        200,
        {
            "data": [
                {"line": 3, "column": 1, "cause": "too few cells: 1 where 2 were expected", "raw": "3"},
                {"line": 4, "column": 3, "cause": "too many cells: 3 where 2 were expected", "raw": "4,5,6"},
            ],
            "pagination": {"total": 2, "page": 1, "per_page": 20, "total_pages": 1},
            "links": {"next": None, "prev": None},
            "version": 1,
        },
    )
    second = ask(caller, dataset, "rejects", per_page="1", page="2")[1]
    assert [reject["line"] for reject in second["data"]] == [4]


def test_a_file_without_rejects_has_an_empty_list_of_them(aws: dict[str, str], caller: Caller) -> None:
    _, page = ask(caller, ingested(aws, caller, b"a\n1\n"), "rejects")
    assert (page["data"], page["pagination"]["total"]) == ([], 0)


# In what stays of a file that cannot be read: its original bytes, and the reason.
UNREADABLE = {
    "a header and no rows": (b"a,b\n", "The file has a header but no rows."),
    "nothing but blank lines": (b"\n\n \n", "The file has no rows: it holds nothing but blank space."),
    "binary junk named .csv": (
        bytes(range(256)) * 20,
        "The file is binary, not a table in text form; export it as CSV.",
    ),
    "a NUL byte": (
        b"a,b\n1,x\x00y\n",
        "Line 2 contains a NUL byte, which text never has; save the file as plain text in UTF-8.",
    ),
    "a gzip bomb": (
        gzip.compress(b"a\n" + b"0" * (100 * 1024 * 1024), 9),
        "The gzip file unpacks to more than 200 times its size, as no table does; it is not unpacked.",
    ),
    "a gzip file that is cut off": (
        gzip.compress(b"a\n1\n")[:-4],
        "The gzip file is cut off before its end; compress and send it again.",
    ),
    "broken JSON": (b'[{"a": 1},', "The JSON is broken at line 1, column 11: expecting value."),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_file_that_cannot_be_read_fails_with_a_reason_and_leaves_no_rows(
    aws: dict[str, str], caller: Caller, kind: str
) -> None:
    data, reason = UNREADABLE[kind]
    dataset = ingested(aws, caller, data)
    shown = get(caller, dataset)
    assert (shown["status"], shown["rows"], shown["version"]) == ("failed", None, None)
    assert shown["failure"] == {"reason": reason}
    assert (shown["columns"], shown["source"]) == (None, None)
    for what in ("rows", "rejects"):
        status, refusal = ask(caller, dataset, what)
        assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (409, "CONFLICT", None)
        assert reason in refusal["error"]["message"]
    job = stored_jobs.get(caller.account, dataset.job)
    assert job is not None
    assert (job.state, job.reason) == ("failed", reason)
    assert [type for type, _ in events_of(caller)] == ["project.created", "data.uploaded", "data.failed"]
    assert events_of(caller)[-1][1]["failure"] == {"reason": reason}
    assert objects(aws) == [blobs.source(caller.account, dataset.id, dataset.job)]


def test_a_file_without_a_header_gets_names_and_keeps_every_row(aws: dict[str, str], caller: Caller) -> None:
    _, page = ask(caller, ingested(aws, caller, b"1,2\n3,4\n"))
    assert page["data"] == [{"column_1": 1, "column_2": 2}, {"column_1": 3, "column_2": 4}]


def test_duplicate_and_empty_names_of_columns_are_told_apart(aws: dict[str, str], caller: Caller) -> None:
    _, page = ask(caller, ingested(aws, caller, b"a,a,,a_2\n1,2,3,4\n"))
    assert sorted(page["data"][0].values()) == [1, 2, 3, 4]
    assert next(iter(page["data"][0])) == "a"


def test_rows_in_broken_utf_8_are_rejected_and_the_others_kept(aws: dict[str, str], caller: Caller) -> None:
    dataset = ingested(aws, caller, b"a,b\n1,ok\n2,\xff\xfe\n3,\xc3\xbc\n")
    assert ask(caller, dataset)[1]["data"] == [{"a": 1, "b": "ok"}, {"a": 3, "b": "ü"}]
    (reject,) = ask(caller, dataset, "rejects")[1]["data"]
    assert (reject["line"], reject["column"]) == (3, 2)
    assert "not UTF-8" in reject["cause"]


def test_rows_of_data_that_is_being_processed_are_not_there_yet(caller: Caller) -> None:
    dataset = factories.new_dataset(caller, factories.new_project(caller))
    for what in ("rows", "rejects"):
        status, refusal = ask(caller, dataset, what)
        assert (status, refusal["error"]["code"], refusal["error"]["message"]) == (
            409,
            "CONFLICT",
            "The data is still being processed: try again when its status is 'ready'.",
        )


def test_rows_of_another_account_are_answered_like_absent_ones(aws: dict[str, str], caller: Caller) -> None:
    dataset, stranger = ingested(aws, caller, b"a\n1\n"), factories.new_caller()
    # What one caller's request left on the disk must not answer another's.
    assert ask(caller, dataset)[0] == 200
    for what in ("rows", "rejects"):
        status, refusal = ask(stranger, dataset, what)
        name = ids.spell(ids.DATASET, dataset.id)
        assert (status, refusal["error"]["message"]) == (404, f"No dataset '{name}' exists.")


@pytest.mark.parametrize("query", [{"page": "0"}, {"per_page": "101"}, {"per_page": "x"}])
def test_a_bad_page_of_rows_is_refused_by_name(caller: Caller, query: dict[str, str]) -> None:
    dataset = factories.new_dataset(caller, factories.new_project(caller))
    status, refusal = ask(caller, dataset, **query)
    assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (400, "VALIDATION_ERROR", next(iter(query)))


def test_a_job_that_comes_twice_is_done_once(aws: dict[str, str], caller: Caller) -> None:
    dataset = factories.new_dataset(caller, factories.new_project(caller))
    event = queued_job(aws, dataset)
    for _ in range(2):
        assert ingest.handler(event, None) == {"batchItemFailures": []}
    job = stored_jobs.get(caller.account, dataset.job)
    assert job is not None
    assert (job.state, job.attempt) == ("succeeded", 1)
    assert [type for type, _ in events_of(caller)].count("data.processed") == 1


def test_a_job_that_another_worker_holds_comes_back(aws: dict[str, str], caller: Caller) -> None:
    dataset = factories.new_dataset(caller, factories.new_project(caller))
    event = queued_job(aws, dataset)
    assert jobs.claim(caller.account, dataset.job, lease_milliseconds=60_000) is not None
    failed = [{"itemIdentifier": event["Records"][0]["messageId"]}]
    assert ingest.handler(event, None) == {"batchItemFailures": failed}
    assert get(caller, dataset)["status"] == "processing"


def test_a_job_of_deleted_data_is_cancelled_and_leaves_nothing_of_a_version(
    aws: dict[str, str], caller: Caller
) -> None:
    dataset = factories.new_dataset(caller, factories.new_project(caller))
    event = queued_job(aws, dataset)
    datasets.delete(caller, dataset.id)
    assert ingest.handler(event, None) == {"batchItemFailures": []}
    job = stored_jobs.get(caller.account, dataset.job)
    assert job is not None
    assert job.state == "cancelled"
    assert [key for key in objects(aws) if not key.startswith("incoming/")] == []
