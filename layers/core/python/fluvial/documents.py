"""Documents: files that belong to records. One is a record of the class model_document, with bytes in the bucket.

    create, update     a message to the sweeper ─ the bytes, under a new key ─ record and key, in one transaction
    the same of an upload (`document_uploads`)    its file is copied to a new key, the rest as above; the upload ends

So a record that has bytes has all of them, from its first moment on. No key is written twice: who downloads while the
content is replaced gets the old bytes or the new ones. What a request leaves behind that dies on its way is known
beforehand: the message names the key, and comes to the sweeper when the request is over for certain. The sweeper
removes a key that the document does not have, and all of a document that is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fluvial import blobs, bus, clock, document_files, document_uploads, ids, records
from fluvial.attempts import attempts
from fluvial.caller import Caller
from fluvial.config import settings
from fluvial.document_files import CONTENT, FILE, LINK, OCTETS, PLAIN, TEXT, UPLOAD_ID, File
from fluvial.errors import ConflictError, FluvialError, NotFoundError, RecordInvalidError
from fluvial.idempotency import Once
from fluvial.multipart import FilePart
from fluvial.record_changes import REQUIRED
from fluvial.record_values import Value
from fluvial.store import documents as store
from fluvial.store import records as stored_records
from fluvial.store.table import Action, ConditionError, GuardError

if TYPE_CHECKING:
    from fluvial.document_uploads import Upload
    from fluvial.record_schemas import Schema
    from fluvial.records import Record

MODEL = "model_document"
OWNER = "documentable_id"
CREATE_ATTEMPTS = 3
LINK_VALID_SECONDS = 5 * 60
# No function that writes documents runs for so long; the longest delay that SQS knows.
SWEEP_DELAY_SECONDS = 15 * 60
SWEEP = "document.written"  # the type of the sweeper's message


@dataclass(frozen=True, slots=True)
class Content:
    """Where the bytes of a document are, and how many."""

    account: int
    document: int
    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Download:
    """What is downloaded: a file is in the bucket under a `key`, a text is its own `data`."""

    filename: str
    content_type: str
    size: int
    key: str | None = None
    data: bytes = b""

    def read(self) -> bytes:
        """All bytes; for a small one."""
        return self.data if self.key is None else blobs.get(self.key)

    def link(self) -> str | None:
        """A URL for the bytes of a file, for some minutes; None of a text. S3 is not asked."""
        if self.key is None:
            return None
        return blobs.presign_download(
            self.key, filename=self.filename, content_type=self.content_type, valid_seconds=LINK_VALID_SECONDS
        )


class _TakenError(Exception):
    """The id that a document was to have is in use."""


def create(
    caller: Caller,
    schema: Schema,
    given: Mapping[str, Any],
    part: FilePart | None = None,
    *,
    once: Once[Record] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Record:
    """Makes a document of a file that came with the request, or by an upload, or of a text.

    An upload makes one document: asked for again, it is the same. TooLargeError for a file that needs an upload.
    """
    said, upload_id = document_files.values(given)
    if part is None and upload_id is not None:
        return _complete(caller, schema, said, upload_id, once, now)
    _check_owner(schema, said)
    own = _own_of_text(said, now()) if part is None else {}
    for _ in range(CREATE_ATTEMPTS):
        try:
            if part is None:
                return _insert(caller, schema, said, own, new_id(), once=once, moment=now())
            return _record(caller, schema, said, document_files.sent(said, part), new_id(), once, now)
        except _TakenError:
            continue
    raise RuntimeError("no free id was found for a document")


def update(
    caller: Caller,
    schema: Schema,
    document_id: int,
    given: Mapping[str, Any],
    part: FilePart | None = None,
    *,
    expected: int | None = None,
    once: Once[Record] | None = None,
    now: clock.Now = clock.now,
) -> Record:
    """Changes what is given of a document; with a file, or an upload, its content, too, as its next version.

    Otherwise as `records.update`.
    """
    said, upload_id = document_files.values(given)
    if records.get(caller, schema, schema.model(MODEL), document_id) is None:
        raise NotFoundError(MODEL, document_id)
    if part is None and upload_id is None:
        own = _own_of_change(caller, document_id, said, now())
        return records.update(
            caller, schema, schema.model(MODEL), document_id, said, own=own, expected=expected, once=once, now=now
        )
    upload = None
    if part is not None:
        file = document_files.sent(said, part)
    else:
        upload, file = document_uploads.arrived(caller, upload_id or 0, now=now)
        said = {**upload.said, **said}
    content = Content(caller.account, document_id, blobs.new_document(caller.account, document_id), file.size)
    _tell_sweeper(caller.account, document_id, content.key, now())
    try:
        file.put(content.key)
        return _point(caller, schema, said, file, content, upload, expected, once, now)
    except (FluvialError, GuardError):
        # Nothing was stored, so nothing will ever point there.
        blobs.delete(content.key)
        raise


def download(caller: Caller, schema: Schema, document_id: int) -> Download:
    """The content of a document; NotFoundError for one that is absent, foreign or deleted, or has none."""
    record = records.get(caller, schema, schema.model(MODEL), document_id)
    if record is None:
        raise NotFoundError("document", document_id)
    filename = record.values.get("document_file_name")
    kind = record.values.get("document_content_type")
    content = store.content(caller.account, document_id)
    if content is not None:
        kind = kind if document_files.is_content_type(kind) else OCTETS
        return Download(str(filename or document_id), str(kind), content.size, content.key)
    text = record.values.get("document_text")
    if text is None:
        raise NotFoundError("document", document_id)
    kind = kind if document_files.is_content_type(kind) else PLAIN
    data = str(text).encode()
    return Download(str(filename or f"{document_id}.txt"), str(kind), len(data), data=data)


def delete(caller: Caller, schema: Schema, document_id: int, *, hard: bool = False, now: clock.Now = clock.now) -> bool:
    """Deletes the document as `records.delete` does; after a `hard` one its bytes are swept."""
    if hard:
        _tell_sweeper(caller.account, document_id, "", now())
    return records.delete(caller, schema, schema.model(MODEL), document_id, hard=hard, now=now)


def sweep(account_id: int, document_id: int, key: str) -> None:
    """Removes the bytes under a key if the document has others, and all of a document that is gone.

    Safe to repeat. It must run only when the request is over that would make the document have the key.
    """
    if not stored_records.items(account_id, MODEL, [document_id]):
        blobs.delete_all(blobs.documents(account_id, document_id))
        store.forget(account_id, document_id)
        return
    content = store.content(account_id, document_id)
    if key and (content is None or content.key != key):
        blobs.delete(key)


def _complete(
    caller: Caller,
    schema: Schema,
    said: Mapping[str, Any],
    upload_id: int,
    once: Once[Record] | None,
    now: clock.Now,
) -> Record:
    """The document of an upload whose file has arrived."""
    try:
        upload, file = document_uploads.arrived(caller, upload_id, now=now)
    except NotFoundError:
        return _completed(caller, schema, upload_id, once)
    said = {**upload.said, **said}
    _check_owner(schema, said)
    try:
        return _record(caller, schema, said, file, upload.id, once, now, upload)
    except (_TakenError, ConditionError):
        # Another call completed the upload meanwhile.
        return _completed(caller, schema, upload.id, once)


def _completed(caller: Caller, schema: Schema, upload_id: int, once: Once[Record] | None) -> Record:
    """The document that an upload became; NotFoundError for an upload that never was, or whose document is gone.

    GuardError if it was this very request that completed it: its answer is the one it had then.
    """
    if once is not None and once.find() is not None:
        raise GuardError
    record = records.get(caller, schema, schema.model(MODEL), upload_id)
    if record is None:
        raise NotFoundError("upload", upload_id, field=UPLOAD_ID)
    return record


def _record(
    caller: Caller,
    schema: Schema,
    said: Mapping[str, Any],
    file: File,
    document_id: int,
    once: Once[Record] | None,
    now: clock.Now,
    upload: Upload | None = None,
) -> Record:
    """Stores the bytes, and then the record that has them. _TakenError where its id is in use.

    ConditionError where the upload has ended.
    """
    moment = now()
    content = Content(caller.account, document_id, blobs.new_document(caller.account, document_id), file.size)
    _tell_sweeper(caller.account, document_id, content.key, moment)
    try:
        file.put(content.key)
        return _insert(
            caller,
            schema,
            document_files.without_file(said),
            file.own(moment),
            document_id,
            more=[store.placing(content, None), *([] if upload is None else [store.upload_ending(upload)])],
            once=once,
            moment=moment,
        )
    except (_TakenError, ConditionError, FluvialError, GuardError):
        # Nothing was stored, so nothing will ever point there.
        blobs.delete(content.key)
        raise


def _insert(
    caller: Caller,
    schema: Schema,
    said: Mapping[str, Any],
    own: Mapping[str, Value | None],
    document_id: int,
    *,
    more: Sequence[Action] = (),
    once: Once[Record] | None,
    moment: int,
) -> Record:
    """Makes the record, the first version of its document. _TakenError where its id is in use."""
    return records.create(
        caller,
        schema,
        schema.model(MODEL),
        said,
        own={**own, "model_document_master_id": document_id, "seq_number": 1},
        more=more,
        once=once,
        now=lambda: moment,
        new_id=_tried_twice(document_id),
    )


def _tried_twice(document_id: int) -> ids.NewId:
    """An id that can be had again once, as a write needs it to tell what is wrong with its relations."""
    left = [document_id, document_id]

    def next_id() -> int:
        if not left:
            raise _TakenError
        return left.pop()

    return next_id


def _point(
    caller: Caller,
    schema: Schema,
    said: Mapping[str, Any],
    file: File,
    content: Content,
    upload: Upload | None,
    expected: int | None,
    once: Once[Record] | None,
    now: clock.Now,
) -> Record:
    """Makes the document have the bytes, in place of those that it has."""
    model = schema.model(MODEL)
    for _ in attempts(f"document {content.document}"):
        record = records.get(caller, schema, model, content.document)
        if record is None:
            raise NotFoundError(MODEL, content.document)
        before = store.content(caller.account, content.document)
        if before is not None:
            _tell_sweeper(caller.account, content.document, before.key, now())
        version = record.values.get("seq_number")
        try:
            return records.update(
                caller,
                schema,
                model,
                content.document,
                document_files.without_file(said),
                expected=expected,
                own=file.own(now()) | {"seq_number": version + 1 if isinstance(version, int) else 1},
                more=[store.placing(content, before), *([] if upload is None else [store.upload_ending(upload)])],
                once=once,
                now=now,
            )
        except ConditionError as error:
            # The content was replaced meanwhile, so the next try is on top of that; or the upload was used.
            if upload is not None and store.get_upload(upload.account, upload.id) is None:
                raise ConflictError("This upload has been used already: open a new one.", field=UPLOAD_ID) from error
    raise AssertionError("attempts end with an error")


def _tell_sweeper(account_id: int, document_id: int, key: str, moment: int) -> None:
    """Has the document's bytes looked at when this request is over for certain, whatever becomes of it."""
    data = {"document": document_id, "key": key}
    detail = {"id": "", "account": ids.spell(ids.ACCOUNT, account_id), "created": moment, "data": data}
    message = bus.Message({"detail-type": SWEEP, "detail": detail}, SWEEP_DELAY_SECONDS)
    bus.send(settings().need("sweep_queue_url"), [message])


def _check_owner(schema: Schema, said: Mapping[str, Any]) -> None:
    """RecordInvalidError where no record is named to which the document belongs."""
    model = schema.model(MODEL)
    for name, value in said.items():
        field = model.field(name)
        if field is not None and field.name == OWNER:
            named = value.get("id") if isinstance(value, Mapping) else value
            if named is not None and named != "":
                return
    how = '{"model_type": "grant_request", "id": 1}'
    raise RecordInvalidError({"owner_model": [f"{REQUIRED}: name the record that the document belongs to, as {how}"]})


def _own_of_text(said: dict[str, Any], moment: int) -> dict[str, Value | None]:
    """What the platform says of a new document without a file, which has to be a text."""
    text = said.get("document_text")
    kind = said.setdefault("document_type", TEXT if text else FILE)
    if kind == FILE:
        how = f"send the file as the part '{CONTENT}' of multipart/form-data, or name an '{UPLOAD_ID}'"
        raise RecordInvalidError({CONTENT: [f"{REQUIRED}: {how}"]})
    if kind not in (TEXT, LINK):
        raise RecordInvalidError({"document_type": [f"must be {FILE}, {TEXT} or {LINK}"]})
    if kind == TEXT and not text:
        raise RecordInvalidError({"document_text": [REQUIRED]})
    return _own_of_words(said, moment)


def _own_of_change(caller: Caller, document_id: int, said: dict[str, Any], moment: int) -> dict[str, Value | None]:
    """What the platform says of a change of a document that does not bring a file."""
    if store.content(caller.account, document_id) is None:
        return _own_of_words(said, moment)
    if said.get("document_text"):
        raise RecordInvalidError({"document_text": ["is of texts alone, and this document has a file"]})
    if said.get("document_type", FILE) != FILE:
        raise RecordInvalidError({"document_type": [f"is {FILE} while the document has a file"]})
    own: dict[str, Value | None] = {}
    if "document_file_name" in said:
        own["document_file_name"] = document_files.named(said, "document")
    if "document_content_type" in said:
        own["document_content_type"] = document_files.typed(said, str(own.get("document_file_name", "")), OCTETS)
    return own


def _own_of_words(said: Mapping[str, Any], moment: int) -> dict[str, Value | None]:
    """What follows from the words of a text, where they are given."""
    text = said.get("document_text")
    if not isinstance(text, str) or not text:
        return {}
    # Half of a surrogate pair has no bytes; the record's own rules refuse it.
    size = len(text.encode(errors="replace"))
    return {"document_file_size": size, "document_updated_at": moment, "upload_state": "uploaded"}
