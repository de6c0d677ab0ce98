"""The door to the bucket: bytes by key. Keys are made from ids here, never from what people typed."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from fluvial.aws import client
from fluvial.config import settings
from fluvial.store.keys import number

COPY_CHUNK_BYTES = 1024 * 1024
COPY_PART_BYTES = 128 * 1024 * 1024  # which S3 itself copies in a few seconds, well within a time-out
COPIES_AT_ONCE = 8
MAX_LISTED_PARTS = 1_000  # S3's own limit


@dataclass(frozen=True, slots=True)
class PostForm:
    """A presigned upload: send the fields and then the file as multipart/form-data to the URL."""

    url: str
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class ArrivedPart:
    """A part of a file that S3 has; sizes in bytes. The tag is another one when the part was sent again."""

    number: int
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Stat:
    """What is known of an object without its bytes. Its tag is another one when the object is replaced."""

    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Stream:
    """An object, or a part of one, that is read as far as it is wanted, and what was said of it when it was stored."""

    said: Mapping[str, str]
    etag: str
    chunks: Iterator[bytes]


class ReplacedError(Exception):
    """The object is another one than was meant: it was replaced since."""


def new_incoming(account_id: int) -> str:
    """A key where one upload lands, and expires. Of chance, so that no two uploads can meet there."""
    return f"incoming/{number(account_id)}/{secrets.token_hex(16)}"


def source(account_id: int, dataset_id: int, job_id: int) -> str:
    """Where the original bytes of one import are kept."""
    return f"{sources(account_id, dataset_id)}/{number(job_id)}"


def sources(account_id: int, dataset_id: int) -> str:
    """The prefix of the original bytes of all imports of a dataset."""
    return f"sources/{number(account_id)}/{number(dataset_id)}"


def versions(account_id: int, dataset_id: int) -> str:
    """The prefix of all that was made from a dataset's sources."""
    return f"datasets/{number(account_id)}/{number(dataset_id)}/"


def version(account_id: int, dataset_id: int, job_id: int, attempt: int) -> str:
    """The prefix of what one run of one job made; no other run writes there."""
    return f"{runs(account_id, dataset_id, job_id)}{attempt}/"


def runs(account_id: int, dataset_id: int, job_id: int) -> str:
    """The prefix of what all runs of one job made."""
    return f"{versions(account_id, dataset_id)}{number(job_id)}-"


def sites(account_id: int, project_id: int) -> str:
    """The prefix of all versions of a project's site."""
    return f"sites/{number(account_id)}/{number(project_id)}/"


def site_version(account_id: int, project_id: int, version: int, attempt: int) -> str:
    """The prefix of what one run made of a version of a site; no other run writes there."""
    return f"{site_runs(account_id, project_id, version)}{attempt}/"


def site_runs(account_id: int, project_id: int, version: int) -> str:
    """The prefix of what all runs made of a version of a site."""
    return f"{sites(account_id, project_id)}{version}-"


def analyses(account_id: int, analysis_id: int) -> str:
    """The prefix of all results of an analysis."""
    return f"analyses/{number(account_id)}/{number(analysis_id)}/"


def result(account_id: int, analysis_id: int, job_id: int, attempt: int) -> str:
    """The prefix of the result of one run of one job; no other run writes there."""
    return f"{analyses(account_id, analysis_id)}{number(job_id)}-{attempt}/"


def preparations(account_id: int, preparation_id: int) -> str:
    """The prefix of the reports of all executions of a preparation; the bucket's lifecycle empties it."""
    return f"preparations/{number(account_id)}/{number(preparation_id)}/"


def execution(account_id: int, preparation_id: int, job_id: int) -> str:
    """The prefix of what all runs of one execution tell."""
    return f"{preparations(account_id, preparation_id)}{number(job_id)}-"


def report(account_id: int, generated_id: int) -> str:
    """The prefix of what all runs made of a generated report."""
    return f"reports/{number(account_id)}/{number(generated_id)}/"


def report_run(account_id: int, generated_id: int, job_id: int, attempt: int) -> str:
    """The prefix of what one run made of a generated report; no other run writes there."""
    return f"{report(account_id, generated_id)}{number(job_id)}-{attempt}/"


def exports(account_id: int, dataset_id: int) -> str:
    """The prefix of all files that were exported from a dataset; the bucket's lifecycle empties it."""
    return f"exports/{number(account_id)}/{number(dataset_id)}/"


def export(account_id: int, dataset_id: int, export_id: int) -> str:
    """The prefix of what all runs of an export made."""
    return f"{exports(account_id, dataset_id)}{number(export_id)}/"


def documents(account_id: int, document_id: int) -> str:
    """The prefix of the bytes of a document."""
    return f"documents/{number(account_id)}/{number(document_id)}/"


def new_document(account_id: int, document_id: int) -> str:
    """A key for bytes of a document. Of chance, so that none is written twice: who reads one reads these bytes."""
    return f"{documents(account_id, document_id)}{secrets.token_hex(16)}"


def record_snapshot(account_id: int, name: str) -> str:
    """Where the latest snapshot of a class of records is kept; the bucket's lifecycle removes those that are old."""
    return f"snapshots/{number(account_id)}/{name}"


def walk(account_id: int, name: str) -> str:
    """Where the ids of one walk through a list are kept; the bucket's lifecycle removes them."""
    return f"walks/{number(account_id)}/{name}"


def change_batch(account_id: int, queue_id: int, job: str) -> str:
    """Where the answer with one batch of a change queue is kept; `job` is a UUID of ours."""
    return f"queues/{number(account_id)}/{number(queue_id)}/{job}"


def put(
    key: str,
    data: bytes | bytearray | memoryview,
    *,
    content_type: str | None = None,
    said: Mapping[str, str] | None = None,
    etag: str | None = None,
) -> None:
    """Stores an object; with a content type if somebody may serve it as it is, and with what is to be `said` of it.

    With a tag it takes the place of the object that has it; ReplacedError where there is another one, or none.
    """
    more = {} if content_type is None else {"ContentType": content_type}
    more |= {} if etag is None else {"IfMatch": etag}
    try:
        _s3().put_object(Bucket=_bucket(), Key=key, Body=bytes(data), Metadata=dict(said or {}), **more)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"):
            raise
        raise ReplacedError(key) from error


def put_file(key: str, path: Path, *, said: Mapping[str, str] | None = None) -> None:
    with path.open("rb") as file:
        _s3().put_object(Bucket=_bucket(), Key=key, Body=file, Metadata=dict(said or {}))


def get(key: str) -> bytes:
    """All bytes of an object; for small ones."""
    data: bytes = _s3().get_object(Bucket=_bucket(), Key=key)["Body"].read()
    return data


def find(key: str) -> bytes | None:
    """All bytes of a small object; None where there is none."""
    try:
        return get(key)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return None


def read(key: str, *, first: int = 0, last: int | None = None) -> Stream | None:
    """An object from its byte `first` to its byte `last`, which it need not have; None where there is none.

    Where it ends before its byte `first`, nothing of it is read.
    """
    end = "" if last is None else str(last)
    ranged = {} if first == 0 and last is None else {"Range": f"bytes={first}-{end}"}
    try:
        answer = _s3().get_object(Bucket=_bucket(), Key=key, **ranged)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "InvalidRange":
            head = _s3().head_object(Bucket=_bucket(), Key=key)
            return Stream(head["Metadata"], head["ETag"], iter(()))
        if code != "NoSuchKey":
            raise
        return None
    return Stream(answer["Metadata"], answer["ETag"], answer["Body"].iter_chunks(COPY_CHUNK_BYTES))


def fetch(key: str, path: Path, *, etag: str | None = None) -> None:
    """Brings an object into a file, in bounded memory; ReplacedError if it has not the tag that was named."""
    answer = _s3().get_object(Bucket=_bucket(), Key=key)
    if etag not in (None, answer["ETag"]):
        raise ReplacedError(key)
    with path.open("wb") as file:
        for chunk in answer["Body"].iter_chunks(COPY_CHUNK_BYTES):
            file.write(chunk)


def size(key: str) -> int | None:
    """Bytes of an object; None where there is none."""
    found = stat(key)
    return None if found is None else found.size


def stat(key: str) -> Stat | None:
    """Size and tag of an object; None where there is none."""
    try:
        head = _s3().head_object(Bucket=_bucket(), Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        return None
    return Stat(head["ContentLength"], head["ETag"])


def copy(from_key: str, to_key: str, *, etag: str | None = None) -> None:
    """Copies inside the bucket; a large object in parts, since S3 copies at most 5 GB at once.

    ReplacedError if it has not the tag that was named. One that is replaced meanwhile is refused by S3 itself.
    """
    head = _s3().head_object(Bucket=_bucket(), Key=from_key)
    if etag not in (None, head["ETag"]):
        raise ReplacedError(from_key)
    source = {
        "Bucket": _bucket(),
        "CopySource": {"Bucket": _bucket(), "Key": from_key},
        "CopySourceIfMatch": head["ETag"],
        "Key": to_key,
    }
    if head["ContentLength"] <= COPY_PART_BYTES:
        _s3().copy_object(**source)
        return
    upload = open_parts(to_key)

    def copy_part(start: int) -> ArrivedPart:
        end = min(start + COPY_PART_BYTES, head["ContentLength"])
        number = start // COPY_PART_BYTES + 1
        answer = _s3().upload_part_copy(
            **source, UploadId=upload, PartNumber=number, CopySourceRange=f"bytes={start}-{end - 1}"
        )
        return ArrivedPart(number, end - start, answer["CopyPartResult"]["ETag"])

    with ThreadPoolExecutor(COPIES_AT_ONCE) as copiers:
        copied = list(copiers.map(copy_part, range(0, head["ContentLength"], COPY_PART_BYTES)))
    join_parts(to_key, upload, copied)


def delete(key: str) -> None:
    """Removes an object; one that is not there is no error."""
    _s3().delete_object(Bucket=_bucket(), Key=key)


def delete_all(prefix: str, *, but: str | None = None) -> None:
    """Removes every object under a prefix, except what is under the prefix `but`; safe to run again."""
    pages = _s3().get_paginator("list_objects_v2").paginate(Bucket=_bucket(), Prefix=prefix)
    for page in pages:
        keys = (item["Key"] for item in page.get("Contents", ()))
        _delete_batch(key for key in keys if but is None or not key.startswith(but))


def presign(key: str, *, max_bytes: int, valid_seconds: int, min_bytes: int = 1) -> PostForm:
    """Lets the holder upload this one object of `min_bytes` to `max_bytes` bytes; S3 itself checks the size."""
    sizes = ["content-length-range", min_bytes, max_bytes]
    form = _s3().generate_presigned_post(Bucket=_bucket(), Key=key, Conditions=[sizes], ExpiresIn=valid_seconds)
    return PostForm(form["url"], form["fields"])


def open_parts(key: str) -> str:
    """Opens a multi-part upload of an object; returns S3's id of it. One never ended goes by the bucket's lifecycle."""
    upload: str = _s3().create_multipart_upload(Bucket=_bucket(), Key=key)["UploadId"]
    return upload


def presign_part(key: str, upload: str, number: int, *, size: int, valid_seconds: int) -> str:
    """A URL that takes this one part, of exactly `size` bytes, by PUT: the length is signed. S3 is not asked."""
    part = {"Bucket": _bucket(), "Key": key, "UploadId": upload, "PartNumber": number, "ContentLength": size}
    url: str = _s3().generate_presigned_url("upload_part", Params=part, ExpiresIn=valid_seconds)
    return url


def arrived_parts(key: str, upload: str) -> list[ArrivedPart] | None:
    """Parts that have arrived, by number, of at most MAX_LISTED_PARTS; None where the upload has ended."""
    try:
        listed = _s3().list_parts(Bucket=_bucket(), Key=key, UploadId=upload).get("Parts", ())
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchUpload":
            raise
        return None
    return [ArrivedPart(part["PartNumber"], part["Size"], part["ETag"]) for part in listed]


def join_parts(key: str, upload: str, parts: Iterable[ArrivedPart]) -> bool:
    """Makes the object of just these parts; False where one was sent again since. No error where it was made before."""
    named = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
    try:
        _s3().complete_multipart_upload(Bucket=_bucket(), Key=key, UploadId=upload, MultipartUpload={"Parts": named})
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code not in ("NoSuchUpload", "InvalidPart"):
            raise
        return bool(code == "NoSuchUpload")
    return True


def abort_parts(key: str, upload: str) -> None:
    """Ends a multi-part upload without an object; its parts are gone."""
    _s3().abort_multipart_upload(Bucket=_bucket(), Key=key, UploadId=upload)


def presign_download(key: str, *, filename: str, content_type: str, valid_seconds: int, shown: bool = False) -> str:
    """A URL that lets its holder download this one object, under a file name. S3 is not asked.

    One that may be `shown` is opened by a browser and not saved: for files of ours that run nothing.
    """
    disposition = disposed(filename, shown=shown)
    named = {"ResponseContentDisposition": disposition, "ResponseContentType": content_type}
    url: str = _s3().generate_presigned_url(
        "get_object", Params={"Bucket": _bucket(), "Key": key, **named}, ExpiresIn=valid_seconds
    )
    return url


def disposed(filename: str, *, shown: bool = False) -> str:
    """The Content-Disposition of a file: https://www.rfc-editor.org/rfc/rfc6266, with a plain name for old clients."""
    plain = "".join(each if each.isascii() and (each.isalnum() or each in "-_. ") else "_" for each in filename)
    kind = "inline" if shown else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _delete_batch(keys: Iterable[str]) -> None:
    objects = [{"Key": key} for key in keys]
    if not objects:
        return
    answer = _s3().delete_objects(Bucket=_bucket(), Delete={"Objects": objects, "Quiet": True})
    if answer.get("Errors"):
        raise RuntimeError(f"S3 did not delete {len(answer['Errors'])} of {len(objects)} objects")


def _s3() -> Any:
    return client("s3")


def _bucket() -> str:
    return settings().need("bucket")
