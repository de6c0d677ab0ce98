"""Uploads of documents that are too large for a request: a form takes the file, which then becomes a document.

The form holds for an hour, and S3 itself refuses a file of another size. The session holds longer: a slow upload that
began in time may still arrive. What never becomes a document is removed by the bucket's lifecycle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fluvial import blobs, clock, document_files, exact_json, ids, record_changes, record_relations
from fluvial.caller import Caller
from fluvial.config import settings
from fluvial.document_files import MAX_FILENAME_LENGTH, OCTETS, UPLOAD_ID, File
from fluvial.errors import ConflictError, InvalidError, NotFoundError, RecordInvalidError, TooLargeError
from fluvial.idempotency import Once, guard
from fluvial.store import documents as store

if TYPE_CHECKING:
    from fluvial.record_schemas import Schema

MAX_BYTES = 2 * 1024**3  # what S3 copies well within the time of a request
MAX_SAID_BYTES = 100 * 1024
FORM_VALID_MILLISECONDS = 1 * clock.HOUR
VALID_MILLISECONDS = 1 * clock.DAY


@dataclass(frozen=True, slots=True)
class Upload:
    """A place for one file of exactly `size` bytes. Times in milliseconds.

    It becomes the document with the same id. `said` is what else was said of that when it was opened.
    """

    id: int
    account: int
    incoming: str  # key of the file in the bucket
    filename: str
    content_type: str
    size: int
    said: Mapping[str, Any]
    created: int
    expires: int

    @property
    def form_expires(self) -> int:
        """Until when its form takes a file."""
        return self.created + FORM_VALID_MILLISECONDS


Opened = tuple[Upload, blobs.PostForm]
"""An upload, with the form that takes its file."""


def open_upload(
    caller: Caller,
    schema: Schema,
    given: Mapping[str, Any],
    *,
    once: Once[Opened] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Opened:
    """Opens an upload for a file of `size` bytes. What else is said of the document need not be said again."""
    said, _ = document_files.values(given)
    size = _size(said.pop("size", None))
    filename = document_files.named(said, "")
    if not filename:
        raise InvalidError("file_name", "'file_name' is required.", constraint=f"1-{MAX_FILENAME_LENGTH} characters")
    content_type = document_files.typed(said, filename, OCTETS)
    said = document_files.without_file(said)
    _check(caller, schema, said)
    moment = now()
    upload = Upload(
        id=new_id(),
        account=caller.account,
        incoming=blobs.new_incoming(caller.account),
        filename=filename,
        content_type=content_type,
        size=size,
        said=said,
        created=moment,
        expires=moment + VALID_MILLISECONDS,
    )
    valid_seconds = FORM_VALID_MILLISECONDS // clock.SECOND
    form = blobs.presign(upload.incoming, min_bytes=size, max_bytes=size, valid_seconds=valid_seconds)
    store.create_upload(upload, guard(once, (upload, form)))
    return upload, form


def arrived(caller: Caller, upload_id: int, *, now: clock.Now = clock.now) -> tuple[Upload, File]:
    """The upload and its file, if that has arrived as it was announced; else ConflictError.

    NotFoundError for an upload that is absent, foreign, or has become a document.
    """
    upload = store.get_upload(caller.account, upload_id)
    if upload is None:
        raise NotFoundError("upload", upload_id, field=UPLOAD_ID)
    if upload.expires <= now():
        raise ConflictError("The time for this upload is over: open a new one.", field=UPLOAD_ID)
    found = blobs.stat(upload.incoming)
    if found is None and upload.form_expires <= now():
        reason = "The file has not arrived, and the time for sending it is over: open a new upload."
        raise ConflictError(reason, field=UPLOAD_ID)
    if found is None:
        raise ConflictError("The file has not arrived yet: send it to the upload's URL first.", field=UPLOAD_ID)
    if found.size != upload.size:
        announced = f"not the {upload.size} that were announced"
        reason = f"The file that arrived has {found.size} bytes, {announced}: send it again."
        raise ConflictError(reason, field=UPLOAD_ID)

    def put(key: str) -> None:
        try:
            blobs.copy(upload.incoming, key, etag=found.etag)
        except blobs.ReplacedError as error:
            reason = "The file was sent again meanwhile: create the document once more."
            raise ConflictError(reason, field=UPLOAD_ID) from error

    return upload, File(upload.filename, upload.content_type, upload.size, put)


def _check(caller: Caller, schema: Schema, said: Mapping[str, Any]) -> None:
    """RecordInvalidError for what no document can have, so that no file is sent in vain."""
    size = len(exact_json.dumps(said).encode())
    if size > MAX_SAID_BYTES:
        allowed = f"at most {MAX_SAID_BYTES} bytes"
        reason = f"'data' must have {allowed}, not {size}: say the rest when you create the document."
        raise InvalidError("data", reason, constraint=allowed)
    model = schema.model("model_document")
    change = record_changes.read(model, said, None)
    record_relations.checks(caller, schema, model, change, None, look=True)
    if change.problems:
        raise RecordInvalidError(change.problems)


def _size(given: Any) -> int:
    limit = min(MAX_BYTES, settings().max_upload_bytes)
    allowed = f"a whole number of bytes, from 1 to {limit}"
    if isinstance(given, str) and given.isascii() and given.isdigit():
        given = int(given[:20])
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise InvalidError("size", f"'size' must be {allowed}.", value=given, constraint=allowed)
    if given > limit:
        raise TooLargeError(f"'size' must be at most {limit} bytes, not {given}.", field="size", limit_bytes=limit)
    return given
