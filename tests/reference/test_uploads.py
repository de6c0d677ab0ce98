"""Uploads in parts through their handler, on moto."""

from __future__ import annotations

import urllib.parse
from types import SimpleNamespace
from typing import Any

import pytest

from fluvial import aws as clients
from fluvial import blobs, clock, dataset_versions, datasets, ids, jobs, projects, upload_parts
from fluvial.caller import Caller
from fluvial.store import datasets as store
from fluvial.store import keys, table
from reference import data, versions
from tests import factories
from tests.factories import answer, request
from tests.workers.pipeline import Pipeline

MIB = 1024 * 1024
PART = 5 * MIB  # S3's own least, which moto asks for, too
FILE = b"a,b\n" + b"1,2\n" * (11 * MIB // 4)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_parts, "LEAST_PART_BYTES", PART)


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def project(caller: Caller) -> str:
    return ids.spell(ids.PROJECT, factories.new_project(caller).id)


def open_upload(caller: Caller, project: str, *, headers: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    body = {"project_id": project, "filename": "data.csv", "size": len(FILE), "parts": True, **more}
    status, upload = answer(data.handler, request("POST", "/data/uploads", caller=caller, body=body, headers=headers))
    assert status == 201, upload
    return upload


def parts_of(caller: Caller, upload: dict[str, Any], **query: str) -> tuple[int, Any]:
    event = request("GET", "/data/uploads/{id}/parts", caller=caller, path={"id": upload["id"]}, query=query)
    return answer(data.handler, event)


def complete(caller: Caller, upload: dict[str, Any], **more: Any) -> tuple[int, Any]:
    path = {"id": upload["id"]}
    return answer(data.handler, request("POST", "/data/uploads/{id}/complete", caller=caller, path=path, **more))


def send(url: str, body: bytes) -> str:
    """What S3 does with a part's URL; moto checks no signatures. Returns the tag."""
    parts = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(parts.query))
    tag: str = clients.client("s3").upload_part(
        Bucket=parts.netloc.split(".")[0],
        Key=parts.path.lstrip("/"),
        UploadId=query["uploadId"],
        PartNumber=int(query["partNumber"]),
        Body=body,
    )["ETag"]
    return tag


def arrive(caller: Caller, upload: dict[str, Any], *numbers: int, file: bytes = FILE) -> None:
    for part in parts_of(caller, upload)[1]["data"]:
        if part["number"] in (numbers or (1, 2, 3)):
            send(part["url"], file[part["offset"] : part["offset"] + part["size"]])


def message(answered: tuple[int, Any]) -> tuple[int, str]:
    status, body = answered
    return status, body["error"]["message"]


def session_of(caller: Caller, upload: dict[str, Any]) -> datasets.Upload | None:
    return store.get_upload(caller.account, ids.parse(ids.UPLOAD, upload["id"]) or 0)


def unfinished(aws: dict[str, str]) -> list[str]:
    """Keys of the multi-part uploads that are open."""
    listed = clients.client("s3").list_multipart_uploads(Bucket=aws["Bucket"])
    return [upload["Key"] for upload in listed.get("Uploads", [])]


def assert_no_data(caller: Caller) -> None:
    assert table.query(keys.listed(caller.account, "datasets")) == []
    assert table.query(keys.listed(caller.account, "jobs")) == []


# ---------------------------------------------------------------- opening


def test_an_upload_in_parts_is_answered_whole(aws: dict[str, str], caller: Caller, project: str) -> None:
    upload = open_upload(caller, project)
    assert upload == {
        "id": upload["id"],
        "data_id": upload["id"].replace("upl_", "data_"),
        "project_id": project,
        "filename": "data.csv",
        "size": len(FILE),
        "upload": {
            "method": "PUT",
            "parts_path": f"/v1/data/uploads/{upload['id']}/parts",
            "parts": 3,
            "part_size": PART,
            "expires_at": upload["upload"]["expires_at"],
        },
        "created_at": upload["created_at"],
    }
    session = session_of(caller, upload)
    assert session is not None
    assert session.expires - session.created == upload_parts.VALID_MILLISECONDS
    assert unfinished(aws) == [session.incoming]


@pytest.mark.parametrize(
    ("size", "parts", "method"),
    [
        (12, None, "POST"),
        (12, False, "POST"),
        (12, True, "PUT"),
        (5 * 1024**3, None, "POST"),
        (5 * 1024**3 + 1, None, "PUT"),
        (10 * 1024**3, True, "PUT"),
    ],
)
def test_a_file_goes_by_a_form_unless_parts_are_asked_for_or_needed(
    caller: Caller, project: str, size: int, parts: bool | None, method: str
) -> None:
    assert open_upload(caller, project, size=size, parts=parts)["upload"]["method"] == method


@pytest.mark.parametrize(
    ("size", "parts", "limit"), [(5 * 1024**3 + 1, False, 5 * 1024**3), (10 * 1024**3 + 1, True, 10 * 1024**3)]
)
def test_a_file_that_is_too_large_is_refused_and_opens_nothing(
    aws: dict[str, str], caller: Caller, project: str, size: int, parts: bool, limit: int
) -> None:
    body = {"project_id": project, "filename": "data.csv", "size": size, "parts": parts}
    refused = answer(data.handler, request("POST", "/data/uploads", caller=caller, body=body))
    assert message(refused) == (413, f"'size' must be at most {limit} bytes, not {size}.")
    assert unfinished(aws) == []


@pytest.mark.parametrize("size", [1, 8 * MIB, 8 * MIB + 1, 8_000 * MIB, 8_000 * MIB + 1, 10 * 1024**3])
def test_parts_are_of_a_size_that_s3_takes_and_few_enough_to_be_listed_at_once(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.undo()
    part = upload_parts.part_bytes(size)
    assert 5 * MIB <= part <= 5 * 1024**3
    assert -(-size // part) <= blobs.MAX_LISTED_PARTS


def test_a_repeated_request_opens_one_upload(aws: dict[str, str], caller: Caller, project: str) -> None:
    headers = {"Idempotency-Key": "one"}
    assert open_upload(caller, project, headers=headers) == open_upload(caller, project, headers=headers)
    assert len(unfinished(aws)) == 1


def test_a_request_that_comes_twice_at_once_leaves_one_multi_part_upload(
    aws: dict[str, str], caller: Caller, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers, open_parts, first = {"Idempotency-Key": "one"}, blobs.open_parts, []

    def open_after_the_other(key: str) -> str:
        monkeypatch.setattr(blobs, "open_parts", open_parts)
        first.append(open_upload(caller, project, headers=headers))
        return open_parts(key)

    monkeypatch.setattr(blobs, "open_parts", open_after_the_other)
    assert [open_upload(caller, project, headers=headers)] == first
    assert len(unfinished(aws)) == 1


# ---------------------------------------------------------------- parts


def test_parts_are_listed_with_their_place_in_the_file_and_a_url_that_holds_them_to_their_length(
    caller: Caller, project: str
) -> None:
    upload = open_upload(caller, project)
    status, page = parts_of(caller, upload)
    assert status == 200
    assert [{**part, "url": ""} for part in page["data"]] == [
        {"number": number, "offset": offset, "size": size, "etag": None, "url": ""}
        for number, offset, size in ((1, 0, PART), (2, PART, PART), (3, 2 * PART, len(FILE) - 2 * PART))
    ]
    assert page["part_size"] == PART
    assert page["pagination"] == {"total": 3, "page": 1, "per_page": 20, "total_pages": 1}
    assert page["urls_expire_at"] < upload["upload"]["expires_at"]
    session = session_of(caller, upload)
    assert session is not None
    for part in page["data"]:
        found = urllib.parse.urlsplit(part["url"])
        query = dict(urllib.parse.parse_qsl(found.query))
        assert found.path == f"/{session.incoming}"
        assert (query["uploadId"], query["partNumber"]) == (session.multipart, str(part["number"]))
        assert query["X-Amz-SignedHeaders"] == "content-length;host"
        assert 3_590 < int(query["X-Amz-Expires"]) <= 3_600


def test_a_page_of_parts_tells_which_have_arrived(caller: Caller, project: str) -> None:
    upload = open_upload(caller, project)
    arrive(caller, upload, 1, 3)
    _, first = parts_of(caller, upload, per_page="2")
    assert [(part["number"], part["etag"] is None) for part in first["data"]] == [(1, False), (2, True)]
    assert first["links"]["next"] == f"{upload['upload']['parts_path']}?per_page=2&page=2"
    _, second = parts_of(caller, upload, per_page="2", page="2")
    assert [(part["number"], part["etag"] is None) for part in second["data"]] == [(3, False)]
    assert parts_of(caller, upload, page="9")[1]["data"] == []


def test_urls_end_with_the_upload(caller: Caller, project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_parts, "VALID_MILLISECONDS", 10 * clock.MINUTE)
    upload = open_upload(caller, project)
    _, page = parts_of(caller, upload)
    assert page["urls_expire_at"] == upload["upload"]["expires_at"]
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page["data"][0]["url"]).query))
    assert int(query["X-Amz-Expires"]) <= 600


def test_an_upload_by_a_form_has_no_parts(caller: Caller, project: str) -> None:
    upload = open_upload(caller, project, parts=False)
    expected = "This upload is not in parts: send its file by the form that it was opened with."
    assert message(parts_of(caller, upload)) == (409, expected)


# ---------------------------------------------------------------- completing


def test_a_completed_upload_is_the_file_byte_for_byte_and_takes_no_part_any_more(
    aws: dict[str, str], caller: Caller, project: str
) -> None:
    upload = open_upload(caller, project, format="csv")
    _, page = parts_of(caller, upload)
    arrive(caller, upload, 3)
    arrive(caller, upload, 1, 2)
    status, made = complete(caller, upload)
    assert (status, made["id"], made["size"], made["status"]) == (201, upload["data_id"], len(FILE), "processing")
    dataset = store.get(caller.account, ids.parse(ids.DATASET, made["id"]) or 0)
    assert dataset is not None
    with pytest.raises(KeyError):  # moto's way to say NoSuchUpload
        send(page["data"][0]["url"], b"x" * PART)
    assert (dataset.format, blobs.get(dataset.incoming)) == ("csv", FILE)
    assert complete(caller, upload) == (status, made)
    assert len(table.query(keys.listed(caller.account, "jobs"))) == 1
    assert unfinished(aws) == []
    assert parts_of(caller, upload)[0] == 404


def test_a_part_that_is_sent_twice_counts_as_it_was_sent_last(caller: Caller, project: str) -> None:
    upload = open_upload(caller, project)
    arrive(caller, upload, file=FILE.replace(b"1", b"9"))
    arrive(caller, upload)
    assert complete(caller, upload)[0] == 201
    dataset = store.get(caller.account, ids.parse(ids.DATASET, upload["data_id"]) or 0)
    assert dataset is not None
    assert blobs.get(dataset.incoming) == FILE


def test_missing_parts_are_named_and_nothing_is_made(caller: Caller, project: str) -> None:
    upload = open_upload(caller, project)
    assert message(complete(caller, upload)) == (409, "3 of 3 parts have not arrived yet: 1-3.")
    arrive(caller, upload, 2)
    assert message(complete(caller, upload)) == (409, "2 of 3 parts have not arrived yet: 1, 3.")
    assert_no_data(caller)
    arrive(caller, upload, 1, 3)
    assert complete(caller, upload)[0] == 201


def test_of_many_missing_parts_the_first_are_named(caller: Caller, project: str) -> None:
    upload = open_upload(caller, project, size=60 * PART)
    for part in parts_of(caller, upload, per_page="100")[1]["data"]:
        if part["number"] % 2:
            send(part["url"], b"")
    status, told = message(complete(caller, upload))
    assert (status, told.split(":")[0]) == (409, "30 of 60 parts have not arrived yet")
    assert told.endswith("2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40 and more.")


@pytest.mark.parametrize(("number", "size"), [(1, PART + 1), (2, PART - 1), (3, 0)])
def test_a_part_of_another_size_is_refused_until_it_is_sent_right(
    caller: Caller, project: str, number: int, size: int
) -> None:
    upload = open_upload(caller, project)
    arrive(caller, upload)
    part = parts_of(caller, upload)[1]["data"][number - 1]
    send(part["url"], b"x" * size)
    expected = f"Part {number} has {size} bytes, not {part['size']}: send it again."
    assert message(complete(caller, upload)) == (409, expected)
    assert_no_data(caller)
    arrive(caller, upload, number)
    assert complete(caller, upload)[0] == 201


def test_a_part_that_is_sent_while_the_upload_is_completed_is_not_taken(
    caller: Caller, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = open_upload(caller, project)
    arrive(caller, upload)
    url, join = parts_of(caller, upload)[1]["data"][1]["url"], blobs.join_parts

    def join_late(*arguments: Any) -> bool:
        send(url, b"x" * PART)
        return join(*arguments)

    monkeypatch.setattr(blobs, "join_parts", join_late)
    expected = "A part was sent again meanwhile: complete the upload once more."
    assert message(complete(caller, upload)) == (409, expected)
    assert_no_data(caller)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", ["CompleteMultipartUpload", "HeadObject", "TransactWriteItems"])
def test_an_upload_can_be_completed_again_after_a_crash_at_any_step(
    caller: Caller, project: str, monkeypatch: pytest.MonkeyPatch, at: str, when: str
) -> None:
    upload = open_upload(caller, project)
    arrive(caller, upload)
    with monkeypatch.context() as dying:
        for service in ("s3", "dynamodb"):
            made = clients.client(service)

            def call(operation: str, arguments: Any, make: Any = made._make_api_call) -> Any:
                if operation == at and when == "before":
                    raise OSError("died")
                answered = make(operation, arguments)
                if operation == at:
                    raise OSError("died")
                return answered

            dying.setattr(made, "_make_api_call", call)
        assert complete(caller, upload)[0] == 500
    status, made_data = complete(caller, upload)
    assert (status, made_data["id"]) == (201, upload["data_id"])
    dataset = store.get(caller.account, ids.parse(ids.DATASET, made_data["id"]) or 0)
    assert dataset is not None
    assert blobs.get(dataset.incoming) == FILE
    assert len(table.query(keys.listed(caller.account, "jobs"))) == 1


def test_two_that_complete_at_once_make_one_dataset(
    caller: Caller, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = open_upload(caller, project)
    arrive(caller, upload)
    join, other = blobs.join_parts, []

    def join_after_the_other(*arguments: Any) -> bool:
        monkeypatch.setattr(blobs, "join_parts", join)
        other.append(complete(caller, upload))
        return join(*arguments)

    monkeypatch.setattr(blobs, "join_parts", join_after_the_other)
    assert [complete(caller, upload)] == other
    assert len(table.query(keys.listed(caller.account, "jobs"))) == 1


def test_an_upload_whose_parts_are_gone_says_so(caller: Caller, project: str) -> None:
    upload = open_upload(caller, project)
    session = session_of(caller, upload)
    assert session is not None
    blobs.abort_parts(session.incoming, str(session.multipart))
    assert message(complete(caller, upload)) == (409, "The parts of this upload are gone: open a new one.")
    assert parts_of(caller, upload)[0] == 409
    assert_no_data(caller)


def test_an_upload_whose_time_is_over_takes_and_makes_nothing(
    caller: Caller, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_parts, "VALID_MILLISECONDS", 0)
    upload = open_upload(caller, project)
    expected = (409, "The time for this upload is over: open a new one.")
    assert message(parts_of(caller, upload)) == expected
    assert message(complete(caller, upload)) == expected
    assert_no_data(caller)


def test_an_upload_into_a_project_that_is_gone_meanwhile_makes_nothing(caller: Caller, project: str) -> None:
    upload = open_upload(caller, project)
    arrive(caller, upload)
    projects.delete(caller, ids.parse(ids.PROJECT, project) or 0)
    assert message(complete(caller, upload)) == (404, f"No project '{project}' exists.")
    assert_no_data(caller)


# ---------------------------------------------------------------- whose


def test_an_upload_of_another_account_is_answered_like_an_absent_one(caller: Caller, project: str) -> None:
    upload, stranger = open_upload(caller, project), factories.new_caller()
    arrive(caller, upload)
    expected = (404, f"No upload '{upload['id']}' exists.")
    assert message(parts_of(stranger, upload)) == expected
    assert message(complete(stranger, upload)) == expected
    assert complete(caller, upload)[0] == 201


def test_a_reading_key_gets_no_urls(caller: Caller, project: str) -> None:
    upload = open_upload(caller, project)
    reader = Caller(caller.account, caller.user, caller.key, caller.plan, frozenset({"data:read"}))
    assert parts_of(reader, upload)[0] == 403


# ---------------------------------------------------------------- what becomes of it


def test_a_further_version_comes_in_parts_too(caller: Caller, project: str) -> None:
    dataset = datasets.receive(
        caller, project_id=ids.parse(ids.PROJECT, project) or 0, filename="a.csv", data=b"a\n1\n"
    )
    job = jobs.claim(caller.account, dataset.job, lease_milliseconds=clock.MINUTE)
    assert job is not None
    assert factories.end_import(job, dataset)
    upload = open_upload(caller, project)
    body = {"upload_id": upload["id"], "mode": "replace"}
    path = {"id": ids.spell(ids.DATASET, dataset.id)}
    event = request("POST", "/data/{id}/versions/upload", caller=caller, path=path, body=body)
    assert message(answer(versions.handler, event)) == (409, "3 of 3 parts have not arrived yet: 1-3.")
    arrive(caller, upload)
    status, version = answer(versions.handler, event)
    assert (status, version["size"], version["status"]) == (201, len(FILE), "processing")


def test_a_large_object_is_copied_in_parts_and_whole(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "COPY_PART_BYTES", PART)
    blobs.put("incoming/x", FILE)
    blobs.copy("incoming/x", "sources/x")
    head = clients.client("s3").head_object(Bucket=blobs._bucket(), Key="sources/x")
    assert head["ETag"].endswith('-3"')
    assert blobs.get("sources/x") == FILE


# ---------------------------------------------------------------- what was completed is what is read


def test_a_file_that_is_replaced_after_its_upload_was_completed_is_not_read(
    aws: dict[str, str], caller: Caller, project: str
) -> None:
    upload = open_upload(caller, project, size=12, parts=False)
    key = upload["upload"]["fields"]["key"]
    blobs.put(key, b"a,b\n1,2\n3,4\n")
    assert complete(caller, upload)[0] == 201
    blobs.put(key, b"a,b\n1,2\n3,5\n")
    Pipeline(aws).settle()
    found = datasets.get(caller, ids.parse(ids.DATASET, upload["data_id"]) or 0)
    expected = "The file was replaced by another one after its upload was completed: upload it again."
    assert (found.status, found.failure) == ("failed", expected)


def test_a_dry_run_does_not_read_a_file_that_was_replaced_either(
    aws: dict[str, str], caller: Caller, project: str
) -> None:
    pipeline = Pipeline(aws)
    dataset = datasets.receive(
        caller, project_id=ids.parse(ids.PROJECT, project) or 0, filename="a.csv", data=b"a\n1\n"
    )
    pipeline.settle()
    upload = open_upload(caller, project, size=4, parts=False)
    blobs.put(upload["upload"]["fields"]["key"], b"a\n2\n")
    body = {"upload_id": upload["id"], "mode": "append", "dry_run": True}
    path = {"id": ids.spell(ids.DATASET, dataset.id)}
    event = request("POST", "/data/{id}/versions/upload", caller=caller, path=path, body=body)
    assert answer(versions.handler, event)[0] == 201
    blobs.put(upload["upload"]["fields"]["key"], b"a\n3\n")
    pipeline.settle()
    version = dataset_versions.get(caller, dataset.id, 2)
    assert (version.status, version.failure) == (
        "failed",
        "The file was replaced by another one after its upload was completed: upload it again.",
    )


def test_a_file_in_parts_is_read_to_its_rows(aws: dict[str, str], caller: Caller, project: str) -> None:
    upload = open_upload(caller, project)
    arrive(caller, upload)
    assert complete(caller, upload)[0] == 201
    Pipeline(aws).settle()
    found = datasets.get(caller, ids.parse(ids.DATASET, upload["data_id"]) or 0)
    assert (found.status, found.rows, found.rejected) == ("ready", 11 * MIB // 4, 0)
    assert blobs.find(found.incoming) is None
    assert blobs.get(blobs.source(found.account, found.id, found.job)) == FILE


def test_a_file_that_the_worker_has_no_room_for_ends_as_failed_and_says_so(
    aws: dict[str, str], caller: Caller, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = datasets.receive(
        caller, project_id=ids.parse(ids.PROJECT, project) or 0, filename="a.csv", data=b"a\n1\n"
    )
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=3))
    Pipeline(aws).settle()
    found = datasets.get(caller, dataset.id)
    expected = "The file has 4 bytes, and the worker has room for 3: compress it, or split it."
    assert (found.status, found.failure) == ("failed", expected)
