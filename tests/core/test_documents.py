"""Documents on moto: their bytes, uploads, versions, what two writers and deaths make of them, and the sweeper."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sqs.models import sqs_backends

from fluvial import aws as aws_clients
from fluvial import (
    blobs,
    clock,
    config,
    document_files,
    document_uploads,
    documents,
    idempotency,
    record_schemas,
    records,
)
from fluvial.aws import client
from fluvial.caller import Caller
from fluvial.errors import ConflictError, InvalidError, NotFoundError, RecordInvalidError, TooLargeError
from fluvial.idempotency import Once
from fluvial.multipart import FilePart
from fluvial.record_schemas import Schema
from fluvial.records import Record
from fluvial.store import documents as store
from fluvial.store.table import GuardError
from tests import factories
from tests.in_moto import ENVIRONMENT
from tests.workers.pipeline import Died
from tests.workers.test_crashes import Crash
from workers import sweep

BYTES = bytes(range(256)) + b"\r\n--x\r\n\x00\xff"
PART = FilePart("report.pdf", "application/pdf", BYTES)
CALLS = 12  # more calls to AWS than any write of a document makes
OTHER = FilePart("next.txt", "text/plain", b"the next version")


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def schema(caller: Caller) -> Schema:
    return record_schemas.of(caller.account)


@pytest.fixture
def grant(caller: Caller, schema: Schema) -> Record:
    model = schema.model("grant_request")
    return records.create(caller, schema, model, {"project_title": "Clean water"})


@pytest.fixture
def crash(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Crash]:
    crash = Crash()
    for service in ("dynamodb", "s3", "sqs"):
        made = client(service)
        monkeypatch.setattr(made, "_make_api_call", crash.wrap(made._make_api_call))
    yield crash
    aws_clients.client.cache_clear()


def owned(grant: Record, **more: Any) -> dict[str, Any]:
    return {"owner_model": {"model_type": "grant_request", "id": grant.id}, "doc_label": "default", **more}


def create(caller: Caller, grant: Record, part: FilePart | None = PART, **more: Any) -> Record:
    return documents.create(caller, record_schemas.of(caller.account), owned(grant, **more), part)


def update(caller: Caller, record: Record, given: dict[str, Any], part: FilePart | None = None, **more: Any) -> Record:
    return documents.update(caller, record_schemas.of(caller.account), record.id, given, part, **more)


def read(caller: Caller, record: Record) -> bytes:
    return download(caller, record).read()


def download(caller: Caller, record: Record) -> documents.Download:
    return documents.download(caller, record_schemas.of(caller.account), record.id)


def open_upload(caller: Caller, grant: Record, **more: Any) -> document_uploads.Opened:
    given = owned(grant, file_name="film.mp4", size=len(BYTES), **more)
    return document_uploads.open_upload(caller, record_schemas.of(caller.account), given)


def keys(caller: Caller) -> list[str]:
    """All keys under which the account has bytes of documents."""
    prefix = blobs.documents(caller.account, 0).split("/")[:2]
    found = client("s3").list_objects_v2(Bucket=blobs._bucket(), Prefix="/".join(prefix))
    return [each["Key"] for each in found.get("Contents", ())]


def swept(aws: dict[str, str]) -> None:
    """Lets the sweeper see every message there is, as it does when requests are over."""
    backend = sqs_backends[DEFAULT_ACCOUNT_ID][ENVIRONMENT["AWS_REGION"]]
    queue = backend.queues[aws["SweepQueue"].rpartition("/")[2]]
    for number, message in enumerate(queue._messages):
        assert message.delayed
        answer = sweep.handler({"Records": [{"messageId": str(number), "body": message.body}]}, None)
        assert answer == {"batchItemFailures": []}
    queue._messages.clear()


def once(caller: Caller, key: str = "k") -> Once[Record]:
    return Once(caller.account, "fluxx POST", key, "print", 200, lambda record: json.dumps(record.id))


# ------------------------------------------------------------------ files in a request


def test_a_document_is_a_record_with_bytes(caller: Caller, grant: Record) -> None:
    record = create(caller, grant, document_description="What we plan")
    assert record.values == {
        "document_type": "file",
        "document_file_name": "report.pdf",
        "original_file_name": "report.pdf",
        "document_content_type": "application/pdf",
        "document_file_size": len(BYTES),
        "document_updated_at": record.created,
        "document_description": "What we plan",
        "storage_type": "file",
        "upload_state": "uploaded",
        "doc_label": "default",
        "locked_manually": False,
        "documentable_type": "GrantRequest",
        "documentable_id": grant.id,
        "model_document_master_id": record.id,
        "seq_number": 1,
    }
    assert download(caller, record) == documents.Download("report.pdf", "application/pdf", len(BYTES), keys(caller)[0])
    assert read(caller, record) == BYTES


def test_the_key_of_the_bytes_has_the_account_and_nothing_that_the_caller_said(caller: Caller, grant: Record) -> None:
    create(caller, grant, file_name="../../secret name.pdf")
    (key,) = keys(caller)
    assert key.startswith(blobs.documents(caller.account, create(caller, grant).id).rpartition("/")[0][:20])
    assert "secret" not in key
    assert ".." not in key


def test_what_is_said_of_the_file_goes_before_what_it_came_with(caller: Caller, grant: Record) -> None:
    said: dict[str, Any] = {
        "file_name": "a/b\\Plan.TXT",
        "content_type": "text/plain; charset=utf-8",
        "storage_type": "file",
    }
    record = create(caller, grant, **said, document_type="file")
    assert record.values["document_file_name"] == "Plan.TXT"
    assert record.values["document_content_type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("name", "sent", "kind"),
    [
        ("x.pdf", "application/octet-stream", "application/pdf"),
        ("x.unheard-of", "application/octet-stream", "application/octet-stream"),
        ("x.pdf", "bad\r\nSet-Cookie: x", "application/pdf"),
        ("x.pdf", "image/png", "image/png"),
    ],
)
def test_a_file_without_a_telling_type_gets_that_of_its_name(
    caller: Caller, grant: Record, name: str, sent: str, kind: str
) -> None:
    record = create(caller, grant, FilePart(name, sent, b"x"))
    assert record.values["document_content_type"] == kind


def test_the_owner_may_be_named_in_either_case_or_by_the_fields_themselves(caller: Caller, grant: Record) -> None:
    schema = record_schemas.of(caller.account)
    for owner in (
        {"owner_model": {"model_type": "GrantRequest", "id": str(grant.id)}},
        {"documentable_type": "grant_request", "documentable_id": grant.id},
    ):
        record = documents.create(caller, schema, owner, PART)
        assert record.values["documentable_type"] == "GrantRequest"
        assert record.values["documentable_id"] == grant.id


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "owner_model"),
        ({"owner_model": {"model_type": "grant_request", "id": ""}}, "owner_model"),
        ({"owner_model": {"model_type": "grant_request", "id": 5}}, "documentable_id"),
        ({"owner_model": {"model_type": "planet", "id": 5}}, "documentable_type"),
        ({"owner_model": {"model_type": "grant_request", "id": 5}, "colour": "red"}, "colour"),
    ],
)
def test_a_document_without_an_owner_that_is_there_is_refused_and_leaves_nothing(
    caller: Caller, given: dict[str, Any], problem: str
) -> None:
    with pytest.raises(RecordInvalidError) as refused:
        documents.create(caller, record_schemas.of(caller.account), given, PART)
    assert problem in refused.value.problems
    assert keys(caller) == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"content_type": "text/html\r\nX: y"}, "content_type"),
        ({"content_type": 7}, "content_type"),
        ({"file_name": "x\n.pdf"}, "file_name"),
        ({"file_name": "x" * 256}, "file_name"),
        ({"file_name": "a.pdf", "document_file_name": "b.pdf"}, "file_name"),
        ({"upload_id": "12a"}, "upload_id"),
        ({"upload_id": True}, "upload_id"),
    ],
)
def test_what_no_file_can_be_called_is_refused(
    caller: Caller, grant: Record, given: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidError) as refused:
        create(caller, grant, **given)
    assert refused.value.field == field
    assert keys(caller) == []


def test_a_file_that_is_too_large_for_a_request_needs_an_upload(
    caller: Caller, grant: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = len(BYTES) - 1
    monkeypatch.setenv("FLUVIAL_MAX_INLINE_BYTES", str(limit))
    config.settings.cache_clear()
    with pytest.raises(TooLargeError) as refused:
        create(caller, grant)
    assert (refused.value.field, refused.value.limit_bytes) == ("content", limit)


def test_an_empty_file_is_a_file(caller: Caller, grant: Record) -> None:
    record = create(caller, grant, FilePart("empty.txt", "text/plain", b""))
    assert record.values["document_file_size"] == 0
    assert read(caller, record) == b""


def test_under_one_key_a_document_is_made_once_and_its_bytes_are_stored_once(caller: Caller, grant: Record) -> None:
    schema = record_schemas.of(caller.account)
    record = documents.create(caller, schema, owned(grant), PART, once=once(caller))
    with pytest.raises(GuardError):
        documents.create(caller, schema, owned(grant), PART, once=once(caller))
    found = once(caller).find()
    assert found is not None
    assert json.loads(found.body) == record.id
    assert len(keys(caller)) == 1


def test_an_id_that_is_in_use_is_not_taken_over(caller: Caller, grant: Record) -> None:
    first = create(caller, grant)
    numbers = iter([first.id, first.id + 1])
    schema = record_schemas.of(caller.account)
    second = documents.create(caller, schema, owned(grant), OTHER, new_id=lambda: next(numbers))
    assert second.id == first.id + 1
    assert second.values["model_document_master_id"] == second.id
    assert (read(caller, first), read(caller, second)) == (BYTES, OTHER.data)
    assert len(keys(caller)) == 2


def test_to_another_account_a_document_does_not_exist(caller: Caller, grant: Record) -> None:
    record, other = create(caller, grant), factories.new_caller()
    with pytest.raises(NotFoundError):
        download(other, record)
    with pytest.raises(NotFoundError):
        update(other, record, {}, OTHER)
    assert not documents.delete(other, record_schemas.of(other.account), record.id, hard=True)
    assert read(caller, record) == BYTES


# ------------------------------------------------------------------ texts


def test_a_text_is_its_own_content(caller: Caller, grant: Record) -> None:
    record = create(caller, grant, None, document_type="text", document_text="Grüße\n")
    assert record.values["document_file_size"] == 8
    assert (record.values["model_document_master_id"], record.values["seq_number"]) == (record.id, 1)
    found = download(caller, record)
    assert (found.filename, found.content_type, found.size, found.link()) == (
        f"{record.id}.txt",
        "text/plain; charset=utf-8",
        8,
        None,
    )
    assert found.read() == "Grüße\n".encode()


def test_words_alone_make_a_text(caller: Caller, grant: Record) -> None:
    record = create(caller, grant, None, document_text="x", file_name="note.md", content_type="text/markdown")
    assert record.values["document_type"] == "text"
    found = download(caller, record)
    assert (found.filename, found.content_type) == ("note.md", "text/markdown")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "content"),
        ({"document_type": "file", "document_text": "x"}, "content"),
        ({"document_type": "text"}, "document_text"),
        ({"document_type": "film", "document_text": "x"}, "document_type"),
    ],
)
def test_a_document_has_a_file_or_words(caller: Caller, grant: Record, given: dict[str, Any], field: str) -> None:
    with pytest.raises(RecordInvalidError) as refused:
        create(caller, grant, None, **given)
    assert list(refused.value.problems) == [field]


def test_the_words_of_a_text_can_be_changed_and_become_a_file(caller: Caller, grant: Record) -> None:
    record = create(caller, grant, None, document_text="first")
    changed = update(caller, record, {"document_text": "second!"})
    assert changed.values["document_file_size"] == 7
    assert read(caller, record) == b"second!"
    changed = update(caller, record, {}, OTHER)
    assert "document_text" not in changed.values
    assert changed.values["document_type"] == "file"
    assert read(caller, record) == OTHER.data


def test_a_link_has_no_content(caller: Caller, grant: Record) -> None:
    record = create(caller, grant, None, document_type="link", external_id="https://example.com/x")
    with pytest.raises(NotFoundError):
        download(caller, record)


# ------------------------------------------------------------------ new content


def test_new_content_is_the_next_version_of_the_document(caller: Caller, grant: Record, aws: dict[str, str]) -> None:
    record = create(caller, grant)
    link = download(caller, record)
    changed = update(caller, record, {"document_description": "better"}, OTHER)
    assert changed.values == dict(record.values) | {
        "document_file_name": "next.txt",
        "original_file_name": "next.txt",
        "document_content_type": "text/plain",
        "document_file_size": len(OTHER.data),
        "document_updated_at": changed.values["document_updated_at"],
        "document_description": "better",
        "seq_number": 2,
    }
    assert read(caller, record) == OTHER.data
    # Who has begun to download the old content can still read it.
    assert link.read() == BYTES
    swept(aws)
    assert len(keys(caller)) == 1
    assert read(caller, record) == OTHER.data


def test_a_document_can_be_renamed_without_new_content(caller: Caller, grant: Record) -> None:
    record = create(caller, grant)
    changed = update(caller, record, {"file_name": "renamed.pdf", "doc_label": "final"})
    assert changed.values == dict(record.values) | {"document_file_name": "renamed.pdf", "doc_label": "final"}
    assert download(caller, record).filename == "renamed.pdf"
    assert read(caller, record) == BYTES
    for said, field in (
        ({"document_text": "x"}, "document_text"),
        ({"document_type": "text"}, "document_type"),
        ({"content_type": "no type"}, "content_type"),
        ({"document_file_size": 5}, "document_file_size"),
    ):
        with pytest.raises(InvalidError) as refused:
            update(caller, record, said)
        assert refused.value.field == field


def test_refused_new_content_leaves_the_document_as_it_is(caller: Caller, grant: Record) -> None:
    record = create(caller, grant)
    with pytest.raises(RecordInvalidError):
        update(caller, record, {"colour": "red"}, OTHER)
    assert read(caller, record) == BYTES
    assert len(keys(caller)) == 1


def test_of_two_new_contents_at_once_one_is_the_last_whole(
    caller: Caller, grant: Record, monkeypatch: pytest.MonkeyPatch, aws: dict[str, str]
) -> None:
    record, write = create(caller, grant), records.update
    third = FilePart("third.txt", "text/plain", b"third")

    def replaced_meanwhile(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(records, "update", write)
        update(caller, record, {}, third)
        return write(*arguments, **named)

    monkeypatch.setattr(records, "update", replaced_meanwhile)
    changed = update(caller, record, {}, OTHER)
    assert (changed.values["document_file_name"], changed.values["seq_number"]) == ("next.txt", 3)
    assert read(caller, record) == OTHER.data
    swept(aws)
    assert len(keys(caller)) == 1


# ------------------------------------------------------------------ uploads


def test_an_upload_becomes_one_document(caller: Caller, grant: Record, aws: dict[str, str]) -> None:
    schema = record_schemas.of(caller.account)
    upload, form = open_upload(caller, grant, content_type="video/mp4")
    assert form.url
    with pytest.raises(ConflictError, match="not arrived yet"):
        documents.create(caller, schema, {"upload_id": upload.id})
    blobs.put(upload.incoming, BYTES)
    record = documents.create(caller, schema, {"upload_id": str(upload.id), "document_description": "A film"})
    assert record.id == upload.id
    assert record.values["documentable_id"] == grant.id
    assert record.values["document_description"] == "A film"
    assert record.values["document_file_name"] == "film.mp4"
    assert record.values["document_content_type"] == "video/mp4"
    assert record.values["document_file_size"] == len(BYTES)
    assert read(caller, record) == BYTES
    assert documents.create(caller, schema, {"upload_id": upload.id}) == record
    swept(aws)
    assert len(keys(caller)) == 1


def test_the_form_takes_a_file_of_the_announced_size_alone(caller: Caller, grant: Record) -> None:
    _, form = open_upload(caller, grant)
    policy = json.loads(base64.b64decode(form.fields["policy"]))
    assert ["content-length-range", len(BYTES), len(BYTES)] in policy["conditions"]


def test_an_upload_of_another_size_or_too_late_is_told(caller: Caller, grant: Record) -> None:
    schema = record_schemas.of(caller.account)
    upload, _ = open_upload(caller, grant)

    def attempt(after: int) -> None:
        documents.create(caller, schema, {"upload_id": upload.id}, now=lambda: upload.created + after)

    with pytest.raises(ConflictError, match="time for sending it is over"):
        attempt(document_uploads.FORM_VALID_MILLISECONDS)
    blobs.put(upload.incoming, BYTES[:-1])
    with pytest.raises(ConflictError, match=f"has {len(BYTES) - 1} bytes, not the {len(BYTES)}"):
        attempt(0)
    blobs.put(upload.incoming, BYTES)
    with pytest.raises(ConflictError, match="The time for this upload is over"):
        attempt(document_uploads.VALID_MILLISECONDS)
    attempt(document_uploads.VALID_MILLISECONDS - 1)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"size": 5}, "file_name"),
        ({"file_name": "x"}, "size"),
        ({"file_name": "x", "size": 0}, "size"),
        ({"file_name": "x", "size": "many"}, "size"),
        ({"file_name": "x", "size": 5.5}, "size"),
        ({"file_name": "x", "size": 5, "content_type": "no"}, "content_type"),
        ({"file_name": "x", "size": 5, "colour": "red"}, "colour"),
        ({"file_name": "x", "size": 5, "owner_model": {"model_type": "grant_request", "id": 5}}, "documentable_id"),
        ({"file_name": "x", "size": 5, "document_description": "x" * 200_000}, "data"),
    ],
)
def test_an_upload_is_refused_before_a_file_is_sent_in_vain(caller: Caller, given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as refused:
        document_uploads.open_upload(caller, record_schemas.of(caller.account), given)
    assert refused.value.field == field


def test_an_upload_is_at_most_so_large(caller: Caller) -> None:
    schema, limit = record_schemas.of(caller.account), document_uploads.MAX_BYTES
    document_uploads.open_upload(caller, schema, {"file_name": "x", "size": limit})
    with pytest.raises(TooLargeError) as refused:
        document_uploads.open_upload(caller, schema, {"file_name": "x", "size": str(limit + 1)})
    assert (refused.value.field, refused.value.limit_bytes) == ("size", limit)


def test_an_upload_needs_an_owner_at_last(caller: Caller, grant: Record) -> None:
    schema = record_schemas.of(caller.account)
    upload, _ = document_uploads.open_upload(caller, schema, {"file_name": "x", "size": 1})
    blobs.put(upload.incoming, b"x")
    with pytest.raises(RecordInvalidError, match="owner_model"):
        documents.create(caller, schema, {"upload_id": upload.id})
    assert documents.create(caller, schema, owned(grant, upload_id=upload.id)).id == upload.id


def test_an_upload_of_another_account_is_absent(caller: Caller, grant: Record) -> None:
    other = factories.new_caller()
    upload, _ = open_upload(caller, grant)
    blobs.put(upload.incoming, BYTES)
    for named in (upload.id, upload.id + 1):
        with pytest.raises(NotFoundError) as refused:
            documents.create(other, record_schemas.of(other.account), {"upload_id": named})
        assert (refused.value.kind, refused.value.name) == ("upload", named)


def test_a_file_that_is_sent_again_while_it_becomes_a_document_is_not_taken_for_the_first(
    caller: Caller, grant: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, _ = open_upload(caller, grant)
    blobs.put(upload.incoming, BYTES)
    stat = blobs.stat

    def sent_again(key: str) -> blobs.Stat | None:
        found = stat(key)
        blobs.put(key, BYTES[::-1])
        return found

    monkeypatch.setattr(blobs, "stat", sent_again)
    schema = record_schemas.of(caller.account)
    with pytest.raises(ConflictError, match="sent again meanwhile"):
        documents.create(caller, schema, {"upload_id": upload.id})
    monkeypatch.undo()


def test_an_upload_can_be_new_content_once(caller: Caller, grant: Record) -> None:
    record, other = create(caller, grant), create(caller, grant)
    upload, _ = open_upload(caller, grant)
    blobs.put(upload.incoming, BYTES[::-1])
    changed = update(caller, record, {"upload_id": upload.id})
    assert (changed.values["document_file_name"], changed.values["seq_number"]) == ("film.mp4", 2)
    assert read(caller, record) == BYTES[::-1]
    with pytest.raises(NotFoundError):
        update(caller, other, {"upload_id": upload.id})
    assert read(caller, other) == BYTES


def test_an_upload_that_two_use_at_once_is_one_s_alone(
    caller: Caller, grant: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, schema, write = create(caller, grant), record_schemas.of(caller.account), records.create
    upload, _ = open_upload(caller, grant)
    blobs.put(upload.incoming, BYTES)
    made: list[Record] = []

    def completed_meanwhile(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(records, "create", write)
        made.append(documents.create(caller, schema, {"upload_id": upload.id}))
        return write(*arguments, **named)

    monkeypatch.setattr(records, "create", completed_meanwhile)
    assert documents.create(caller, schema, {"upload_id": upload.id}) == made[0]
    assert len(keys(caller)) == 2

    another, _ = open_upload(caller, grant)
    blobs.put(another.incoming, BYTES)
    change = records.update

    def used_meanwhile(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(records, "update", change)
        documents.create(caller, schema, {"upload_id": another.id})
        return change(*arguments, **named)

    monkeypatch.setattr(records, "update", used_meanwhile)
    with pytest.raises(ConflictError, match="used already"):
        update(caller, record, {"upload_id": another.id})


# ------------------------------------------------------------------ deletion and death


def test_a_deleted_document_is_gone_and_its_bytes_only_after_it_is_gone_for_good(
    caller: Caller, grant: Record, aws: dict[str, str]
) -> None:
    schema, record, other = record_schemas.of(caller.account), create(caller, grant), create(caller, grant)
    assert documents.delete(caller, schema, record.id)
    with pytest.raises(NotFoundError):
        download(caller, record)
    swept(aws)
    assert len(keys(caller)) == 2
    assert documents.delete(caller, schema, record.id, hard=True)
    swept(aws)
    assert keys(caller) == [download(caller, other).key]
    assert store.content(caller.account, record.id) is None
    assert not documents.delete(caller, schema, record.id, hard=True)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_death_at_any_call_loses_nothing_and_leaves_nothing(
    caller: Caller, grant: Record, crash: Crash, aws: dict[str, str], when: str
) -> None:
    schema = record_schemas.of(caller.account)

    def retried(key: str, write: Any, number: int) -> Record:
        """A client that was not answered sends its request again under its key, until it is."""
        crash.arm(number, when)
        for _ in range(3):
            try:
                write(once(caller, key))
                break
            except GuardError:
                break
            except Died:
                crash.countdown = None
        crash.countdown = None
        found = once(caller, key).find()
        assert found is not None
        record = records.get(caller, schema, schema.model(documents.MODEL), json.loads(found.body))
        assert record is not None
        return record

    for number in range(CALLS):
        upload, _ = open_upload(caller, grant)
        blobs.put(upload.incoming, BYTES)

        def by_upload(kept: Once[Record], upload: document_uploads.Upload = upload) -> Record:
            return documents.create(caller, schema, {"upload_id": upload.id}, once=kept)

        sent = retried(
            f"c{number}", lambda kept: documents.create(caller, schema, owned(grant), PART, once=kept), number
        )
        uploaded = retried(f"u{number}", by_upload, number)
        assert (read(caller, sent), read(caller, uploaded)) == (BYTES, BYTES)
        retried(f"r{number}", lambda kept, record=sent: update(caller, record, {}, OTHER, once=kept), number)
        assert (read(caller, sent), read(caller, uploaded)) == (OTHER.data, BYTES)
        swept(aws)
        assert (read(caller, sent), read(caller, uploaded)) == (OTHER.data, BYTES)
        assert len(keys(caller)) == 2 * (number + 1)


# ------------------------------------------------------------------ names


@given(st.text())
def test_no_name_breaks_a_header(name: str) -> None:
    header = blobs.disposed(name.encode(errors="replace").decode())
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2


@given(st.text() | st.from_regex(r"[a-z]+/[a-z]+(;[a-z]+=[a-z]+)?", fullmatch=True))
def test_a_content_type_has_nothing_that_breaks_a_header(kind: str) -> None:
    if document_files.is_content_type(kind):
        assert kind.isascii()
        assert kind.isprintable()


def test_an_open_upload_answers_alike_under_one_key(caller: Caller, grant: Record) -> None:
    schema = record_schemas.of(caller.account)
    kept: idempotency.Once[document_uploads.Opened] = Once(
        caller.account, "fluxx POST", "k", "print", 200, lambda opened: json.dumps(opened[0].id)
    )
    given = owned(grant, file_name="x", size=1)
    upload, _ = document_uploads.open_upload(caller, schema, given, once=kept)
    with pytest.raises(GuardError):
        document_uploads.open_upload(caller, schema, given, once=kept)
    found = kept.find()
    assert found is not None
    assert json.loads(found.body) == upload.id
    assert upload.expires == upload.created + clock.DAY
