"""Uploads and data through their handler, on moto."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from fluvial import aws as clients
from fluvial import blobs, config, datasets, events, ids, projects
from fluvial import jobs as core_jobs
from fluvial.caller import Caller
from fluvial.store import datasets as store
from fluvial.store import jobs, keys, table
from reference.data import handler
from tests import factories
from tests.contract.client import multipart
from tests.factories import answer, request

CSV = b"a,b\n1,2\n3,4\n"


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def project(caller: Caller) -> str:
    return ids.spell(ids.PROJECT, factories.new_project(caller).id)


def form(caller: Caller, data: bytes | None, filename: str = "data.csv", **fields: str) -> dict[str, Any]:
    body, content_type = multipart(data, fields, filename=filename)
    return raw_form(caller, body, content_type)


def raw_form(caller: Caller, body: bytes, content_type: str) -> dict[str, Any]:
    text = base64.b64encode(body).decode()
    headers = {"Content-Type": content_type}
    return request("POST", "/data/upload", caller=caller, raw=text, base64=True, headers=headers)


def open_upload(caller: Caller, project: str, size: int = len(CSV), **more: Any) -> dict[str, Any]:
    body = {"project_id": project, "filename": "data.csv", "size": size, **more}
    status, upload = answer(handler, request("POST", "/data/uploads", caller=caller, body=body))
    assert status == 201
    return upload


def complete(caller: Caller, upload: dict[str, Any]) -> tuple[int, Any]:
    path = {"id": upload["id"]}
    return answer(handler, request("POST", "/data/uploads/{id}/complete", caller=caller, path=path))


def arrive(upload: dict[str, Any], data: bytes = CSV) -> None:
    """What S3 does with the presigned form; moto checks no policies, so the bytes are put."""
    blobs.put(upload["upload"]["fields"]["key"], data)


def get(caller: Caller, id: str) -> tuple[int, Any]:
    return answer(handler, request("GET", "/data/{id}", caller=caller, path={"id": id}))


def list_of(caller: Caller, project: str, **query: str) -> Any:
    event = request("GET", "/projects/{id}/data", caller=caller, path={"id": project}, query=query)
    return answer(handler, event)[1]


def objects(aws: dict[str, str]) -> list[str]:
    found = clients.client("s3").list_objects_v2(Bucket=aws["Bucket"]).get("Contents", [])
    return [item["Key"] for item in found]


def events_of(caller: Caller) -> list[tuple[str, Any]]:
    items = table.query(keys.listed(caller.account, "events"))
    return [(item["event_type"], json.loads(item["data"])) for item in items if item["event_type"].startswith("data.")]


def jobs_of(caller: Caller) -> list[core_jobs.Job | None]:
    return [jobs.get(caller.account, item["id"]) for item in table.query(keys.listed(caller.account, "jobs"))]


def assert_nothing_was_kept(aws: dict[str, str], caller: Caller) -> None:
    for kind in ("datasets", "jobs", "uploads"):
        assert table.query(keys.listed(caller.account, kind)) == []
    assert events_of(caller) == []
    assert objects(aws) == []


def test_an_upload_is_answered_whole_and_stored_with_its_bytes_job_and_event(
    aws: dict[str, str], caller: Caller, project: str
) -> None:
    status, data = answer(handler, form(caller, CSV, project_id=project))
    assert (status, data) == (
        201,
        {
            "id": data["id"],
            "project_id": project,
            "filename": "data.csv",
            "size": len(CSV),
            "rows": None,
            "rejected_rows": None,
            "status": "processing",
            "created_at": data["created_at"],
            "updated_at": data["created_at"],
        },
    )
    dataset = store.get(caller.account, ids.parse(ids.DATASET, data["id"]) or 0)
    assert dataset is not None
    assert objects(aws) == [dataset.incoming]
    assert blobs.get(dataset.incoming) == CSV
    job = jobs.get(caller.account, dataset.job)
    inputs = {"dataset": dataset.id, "version": 1}
    assert job == core_jobs.Job(dataset.job, caller.account, "ingest", inputs, dataset.created)
    shown = {name: value for name, value in data.items() if name != "updated_at"}
    assert events_of(caller) == [("data.uploaded", {**shown, "name": "data.csv"})]


def test_bytes_are_kept_as_they_came(aws: dict[str, str], caller: Caller, project: str) -> None:
    data = bytes(range(256)) * 4 + b"\r\n--boundary\r\n"
    assert answer(handler, form(caller, data, project_id=project))[0] == 201
    assert blobs.get(objects(aws)[0]) == data


def test_data_that_is_being_processed_says_so(caller: Caller, project: str) -> None:
    _, data = answer(handler, form(caller, CSV, project_id=project))
    status, found = get(caller, data["id"])
    assert (status, found) == (
        200,
        {**data, "version": None, "job_id": found["job_id"], "source": None, "columns": None, "failure": None},
    )


def test_a_folder_in_a_file_name_is_no_part_of_it(caller: Caller, project: str) -> None:
    status, data = answer(handler, form(caller, CSV, filename="../../etc/data.csv", project_id=project))
    assert (status, data["filename"]) == (201, "data.csv")


@pytest.mark.parametrize(
    ("data", "fields", "status", "code", "field"),
    [
        (None, {"project_id": "<own>"}, 400, "VALIDATION_ERROR", "file"),
        (None, {"project_id": "<own>", "file": "text"}, 400, "VALIDATION_ERROR", "file"),
        (CSV, {}, 400, "VALIDATION_ERROR", "project_id"),
        (CSV, {"project_id": ""}, 404, "RESOURCE_NOT_FOUND", "project_id"),
        (CSV, {"project_id": "proj_abc123"}, 404, "RESOURCE_NOT_FOUND", "project_id"),
        (CSV, {"project_id": "<foreign>"}, 404, "RESOURCE_NOT_FOUND", "project_id"),
        (b"", {"project_id": "<own>"}, 400, "VALIDATION_ERROR", "file"),
        (CSV, {"project_id": "<own>", "format": "doc"}, 400, "VALIDATION_ERROR", "format"),
        (CSV, {"project_id": "<own>", "fromat": "csv"}, 400, "VALIDATION_ERROR", "fromat"),
    ],
)
def test_a_bad_upload_is_refused_by_field_and_leaves_nothing_behind(
    aws: dict[str, str],
    caller: Caller,
    project: str,
    data: bytes | None,
    fields: dict[str, str],
    status: int,
    code: str,
    field: str,
) -> None:
    foreign = ids.spell(ids.PROJECT, factories.new_project(factories.new_caller()).id)
    sent = {name: {"<own>": project, "<foreign>": foreign}.get(value, value) for name, value in fields.items()}
    found, refusal = answer(handler, form(caller, data, **sent))
    assert (found, refusal["error"]["code"], refusal["error"]["field"]) == (status, code, field)
    assert refusal["error"]["message"]
    assert_nothing_was_kept(aws, caller)


@pytest.mark.parametrize("filename", ["", "n" * 256, "a\x00b.csv"])
def test_a_bad_file_name_is_refused(aws: dict[str, str], caller: Caller, project: str, filename: str) -> None:
    status, refusal = answer(handler, form(caller, CSV, filename=filename, project_id=project))
    assert (status, refusal["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert_nothing_was_kept(aws, caller)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"file": "a,b"}', "application/json"),
        (b"", "multipart/form-data; boundary=x"),
        (b"a,b\n", "multipart/form-data"),
        (b"--x\r\nContent-Dis", "multipart/form-data; boundary=x"),
        (b"--x--\r\n", "multipart/form-data; boundary=x"),
        (b"", ""),
    ],
)
def test_a_body_that_is_no_form_is_refused_without_naming_a_field(
    aws: dict[str, str], caller: Caller, body: bytes, content_type: str
) -> None:
    status, refusal = answer(handler, raw_form(caller, body, content_type))
    assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (400, "VALIDATION_ERROR", None)
    assert_nothing_was_kept(aws, caller)


def test_too_large_a_file_is_sent_to_the_other_way(
    aws: dict[str, str], caller: Caller, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUVIAL_MAX_INLINE_BYTES", str(len(CSV)))
    config.settings.cache_clear()
    status, refusal = answer(handler, form(caller, CSV + b"5", project_id=project))
    assert (status, refusal["error"]) == (
        413,
        {
            "code": "PAYLOAD_TOO_LARGE",
            "message": "A file in a request must have at most 12 bytes, not 13: "
            "use POST /v1/data/uploads for larger ones.",
            "field": "file",
            "request_id": refusal["error"]["request_id"],
        },
    )
    assert_nothing_was_kept(aws, caller)
    assert answer(handler, form(caller, CSV, project_id=project))[0] == 201


def test_a_project_deleted_during_the_upload_leaves_nothing_behind(
    aws: dict[str, str], caller: Caller, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = blobs.put

    def put_while_the_project_goes(key: str, data: bytes) -> None:
        put(key, data)
        projects.delete(caller, ids.parse(ids.PROJECT, project) or 0)

    monkeypatch.setattr(blobs, "put", put_while_the_project_goes)
    status, refusal = answer(handler, form(caller, CSV, project_id=project))
    assert (status, refusal["error"]["field"]) == (404, "project_id")
    assert_nothing_was_kept(aws, caller)


def test_an_opened_upload_is_answered_whole_with_a_form_for_the_bucket(
    aws: dict[str, str], caller: Caller, project: str
) -> None:
    upload = open_upload(caller, project)
    assert upload == {
        "id": upload["id"],
        "data_id": upload["id"].replace("upl_", "data_"),
        "project_id": project,
        "filename": "data.csv",
        "size": len(CSV),
        "upload": {
            "method": "POST",
            "url": upload["upload"]["url"],
            "fields": upload["upload"]["fields"],
            "expires_at": upload["upload"]["expires_at"],
        },
        "created_at": upload["created_at"],
    }
    fields = upload["upload"]["fields"]
    policy = json.loads(base64.b64decode(fields["policy"]))
    assert aws["Bucket"] in upload["upload"]["url"]
    assert ["content-length-range", 1, len(CSV)] in policy["conditions"]
    assert {"key": fields["key"]} in policy["conditions"]
    assert table.query(keys.listed(caller.account, "datasets")) == []


def test_a_completed_upload_becomes_the_data_that_was_announced(caller: Caller, project: str) -> None:
    upload = open_upload(caller, project, format="csv")
    arrive(upload)
    status, data = complete(caller, upload)
    assert (status, data) == (
        201,
        {
            "id": upload["data_id"],
            "project_id": project,
            "filename": "data.csv",
            "size": len(CSV),
            "rows": None,
            "rejected_rows": None,
            "status": "processing",
            "created_at": data["created_at"],
            "updated_at": data["created_at"],
        },
    )
    dataset = store.get(caller.account, ids.parse(ids.DATASET, data["id"]) or 0)
    assert dataset is not None
    assert (dataset.format, blobs.get(dataset.incoming)) == ("csv", CSV)
    assert [type for type, _ in events_of(caller)] == ["data.uploaded"]
    assert [job.inputs for job in jobs_of(caller) if job] == [{"dataset": dataset.id, "version": 1}]


def test_completing_an_upload_twice_makes_one_dataset_and_one_job(caller: Caller, project: str) -> None:
    upload = open_upload(caller, project)
    arrive(upload)
    first, second = complete(caller, upload), complete(caller, upload)
    assert first == second
    assert list_of(caller, project)["pagination"]["total"] == 1
    assert len(jobs_of(caller)) == 1
    assert [type for type, _ in events_of(caller)] == ["data.uploaded"]


def test_an_upload_cannot_be_completed_before_its_file_has_arrived(caller: Caller, project: str) -> None:
    upload = open_upload(caller, project)
    status, refusal = complete(caller, upload)
    assert (status, refusal["error"]["code"], refusal["error"]["message"]) == (
        409,
        "CONFLICT",
        "The file has not arrived yet: send it to the upload's URL first.",
    )
    assert list_of(caller, project)["data"] == []
    assert jobs_of(caller) == []


def test_an_upload_of_another_size_than_announced_is_refused_until_it_is_right(caller: Caller, project: str) -> None:
    upload = open_upload(caller, project)
    arrive(upload, CSV[:-4])
    status, refusal = complete(caller, upload)
    assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (409, "CONFLICT", None)
    assert "8 bytes, not the 12" in refusal["error"]["message"]
    assert list_of(caller, project)["data"] == []
    arrive(upload)
    assert complete(caller, upload)[0] == 201


def test_an_expired_upload_cannot_be_completed(caller: Caller, project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = open_upload(caller, project)
    arrive(upload)
    monkeypatch.setattr(datasets, "UPLOAD_VALID_MILLISECONDS", 0)
    late = open_upload(caller, project)
    arrive(late)
    status, refusal = complete(caller, late)
    assert (status, refusal["error"]["code"], refusal["error"]["message"]) == (
        409,
        "CONFLICT",
        "The time for this upload is over: open a new one.",
    )
    assert list_of(caller, project)["data"] == []
    assert complete(caller, upload)[0] == 201


def test_an_upload_to_a_project_that_is_gone_meanwhile_is_refused_without_naming_a_field(
    caller: Caller, project: str
) -> None:
    upload = open_upload(caller, project)
    arrive(upload)
    projects.delete(caller, ids.parse(ids.PROJECT, project) or 0)
    status, refusal = complete(caller, upload)
    assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (404, "RESOURCE_NOT_FOUND", None)
    assert refusal["error"]["message"] == f"No project '{project}' exists."
    assert jobs_of(caller) == []


def test_an_upload_of_another_account_is_answered_like_an_absent_one(caller: Caller, project: str) -> None:
    upload, stranger = open_upload(caller, project), factories.new_caller()
    arrive(upload)
    status, refusal = complete(stranger, upload)
    assert (status, refusal["error"]["message"]) == (404, f"No upload '{upload['id']}' exists.")
    assert complete(caller, upload)[0] == 201


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"size": 0}, 400, "size"),
        ({"size": "12"}, 400, "size"),
        ({"size": 1.5}, 400, "size"),
        ({"size": 10 * 2**30 + 1}, 413, "size"),
        ({"filename": ""}, 400, "filename"),
        ({"filename": "n" * 256}, 400, "filename"),
        ({"format": "doc"}, 400, "format"),
        ({"project_id": "proj_abc123"}, 404, "project_id"),
        ({"colour": "red"}, 400, "colour"),
    ],
)
def test_a_bad_upload_is_not_opened(
    aws: dict[str, str], caller: Caller, project: str, change: dict[str, Any], status: int, field: str
) -> None:
    body = {"project_id": project, "filename": "data.csv", "size": 12, **change}
    found, refusal = answer(handler, request("POST", "/data/uploads", caller=caller, body=body))
    assert (found, refusal["error"]["field"]) == (status, field)
    assert_nothing_was_kept(aws, caller)


def test_data_is_listed_per_project_in_the_wanted_order(caller: Caller, project: str) -> None:
    other = ids.spell(ids.PROJECT, factories.new_project(caller).id)
    for name in ("b.csv", "A.csv", "c.csv"):
        answer(handler, form(caller, CSV, filename=name, project_id=project))
    answer(handler, form(caller, CSV, filename="other.csv", project_id=other))
    assert [item["filename"] for item in list_of(caller, project)["data"]] == ["c.csv", "A.csv", "b.csv"]
    by_name = list_of(caller, project, sort="name", order="asc", per_page="2")
    assert [item["filename"] for item in by_name["data"]] == ["A.csv", "b.csv"]
    assert by_name["pagination"] == {"total": 3, "page": 1, "per_page": 2, "total_pages": 2}
    assert by_name["links"] == {
        "next": f"/v1/projects/{project}/data?sort=name&order=asc&per_page=2&page=2",
        "prev": None,
    }
    assert [item["filename"] for item in list_of(caller, other)["data"]] == ["other.csv"]


def test_deleted_data_is_gone_at_once_and_says_so(caller: Caller, project: str) -> None:
    _, data = answer(handler, form(caller, CSV, project_id=project))
    delete = request("DELETE", "/data/{id}", caller=caller, path={"id": data["id"]})
    assert answer(handler, delete) == (200, {"success": True, "message": "Data deleted successfully"})
    for status, refusal in (get(caller, data["id"]), answer(handler, delete)):
        assert (status, refusal["error"]["message"]) == (404, f"No dataset '{data['id']}' exists.")
    assert list_of(caller, project)["pagination"]["total"] == 0
    assert [type for type, _ in events_of(caller)] == ["data.uploaded", "data.deleted"]
    assert "data.deleted" in events.TYPES


def test_data_of_a_deleted_project_is_gone_with_it(caller: Caller, project: str) -> None:
    _, data = answer(handler, form(caller, CSV, project_id=project))
    projects.delete(caller, ids.parse(ids.PROJECT, project) or 0)
    assert get(caller, data["id"])[0] == 404


def test_data_of_another_account_is_answered_like_absent_data(caller: Caller, project: str) -> None:
    _, data = answer(handler, form(caller, CSV, project_id=project))
    stranger = factories.new_caller()
    for method in ("GET", "DELETE"):
        event = request(method, "/data/{id}", caller=stranger, path={"id": data["id"]})
        status, refusal = answer(handler, event)
        assert (status, refusal["error"]["message"]) == (404, f"No dataset '{data['id']}' exists.")
    event = request("GET", "/projects/{id}/data", caller=stranger, path={"id": project})
    assert answer(handler, event)[0] == 404
    assert get(caller, data["id"])[0] == 200


def test_a_reading_key_may_not_upload(aws: dict[str, str], caller: Caller, project: str) -> None:
    reader = Caller(caller.account, caller.user, caller.key, caller.plan, frozenset({"data:read"}))
    status, refusal = answer(handler, form(reader, CSV, project_id=project))
    assert (status, refusal["error"]["code"]) == (403, "INSUFFICIENT_PERMISSIONS")
    assert_nothing_was_kept(aws, caller)
