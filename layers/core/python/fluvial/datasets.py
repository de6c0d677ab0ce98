"""Datasets: a file becomes typed rows.

receive ──────────────┐ bytes in `incoming/`, then one transaction:
open_upload ─ upload ─┴─ dataset (processing), job (queued), event data.uploaded
                                │ ingest worker: `dataset_versions`
                                ├─ ready, version 1, event data.processed
                                └─ failed with a reason, event data.failed

Each further import makes a version, and leaves the dataset as it is until then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fluvial import blobs, clock, dataset_versions, events, ids, imports, jobs, projects, upload_parts
from fluvial.attempts import attempts
from fluvial.caller import Caller
from fluvial.config import settings
from fluvial.errors import ConflictError, InvalidError, NotFoundError, TooLargeError
from fluvial.idempotency import Once, guard
from fluvial.paging import Order, Scanned, Slice
from fluvial.store import datasets as store
from fluvial.store.table import Action, GuardError
from fluvial.text import checked_line, checked_text

MAX_FILENAME_LENGTH = 255
MAX_NAME_LENGTH = 200
MAX_DESCRIPTION_LENGTH = 2_000
UPLOAD_VALID_MILLISECONDS = 1 * clock.HOUR
MAX_FORM_BYTES = 5 * 1024**3  # S3's own limit of one request
FORMATS = ("csv", "tsv", "json", "ndjson", "parquet", "xlsx", "xml")
INGEST = "ingest"
DEFAULT_DRIFT = "evolve"
MANIFEST = "manifest.json"  # under a version's location
CREATE_ATTEMPTS = 3
MAX_LISTED_SHAPES = 1_000_000  # characters of columns in a list, which has to fit into an answer


@dataclass(frozen=True, slots=True)
class Dataset:
    """Times in milliseconds, sizes in bytes.

    `status` is processing, ready or failed; `rows`, `rejected`, `columns` (their number) and `found_format` are known
    once it is ready, and `location` is then the prefix of its current version in the bucket. `failure` says why it
    failed, for people. Without a `name` it goes by its file's.

    `version` is the current one, `latest` the highest number that was given. `importing` is the job of the import that
    is under way. `drift` and `key` (names of columns) are what imports go by that say nothing of it. `shape` are names
    and types of the columns, unless they are too many.
    """

    id: int
    account: int
    project: int
    job: int
    incoming: str  # key of the upload in the bucket
    filename: str
    size: int
    created: int
    updated: int
    name: str | None = None
    format: str | None = None  # as the caller said
    found_format: str | None = None
    status: str = "processing"
    rows: int | None = None
    rejected: int | None = None
    columns: int | None = None
    version: int = 0
    location: str | None = None
    failure: str | None = None
    latest: int = 1
    drift: str = DEFAULT_DRIFT
    key: tuple[str, ...] = ()
    importing: int | None = None
    description: str | None = None
    shape: dataset_versions.Shape | None = None

    @property
    def title(self) -> str:
        return self.filename if self.name is None else self.name

    def described(self) -> dict[str, Any]:
        """The dataset as events show it."""
        described: dict[str, Any] = {
            "id": ids.spell(ids.DATASET, self.id),
            "project_id": ids.spell(ids.PROJECT, self.project),
            "name": self.title,
            "filename": self.filename,
            "size": self.size,
            "rows": self.rows,
            "rejected_rows": self.rejected,
            "status": self.status,
            "created_at": clock.iso(self.created),
        }
        if self.failure is not None:
            described["failure"] = {"reason": self.failure}
        return described


@dataclass(frozen=True, slots=True)
class Change:
    """New values of what the owner says of a dataset; None stays. An empty `key` or `description` takes it away."""

    name: str | None = None
    drift: str | None = None
    key: Sequence[str] | None = None
    description: str | None = None

    def apply(self, dataset: Dataset) -> Dataset:
        """The changed dataset; InvalidError for a value that it cannot have."""
        if self == Change():
            raise InvalidError(None, "Give at least one field to change.", constraint="name, drift, key")
        if self.name is not None:
            dataset = replace(dataset, name=checked_line("name", self.name, MAX_NAME_LENGTH))
        if self.drift is not None:
            dataset = replace(dataset, drift=imports.checked_drift(self.drift))
        if self.key is not None:
            key = imports.checked_key(self.key)
            imports.check_columns(dataset, key)
            dataset = replace(dataset, key=key)
        if self.description is not None:
            dataset = replace(dataset, description=checked_description(self.description))
        return dataset


@dataclass(frozen=True, slots=True)
class Upload:
    """A place for one file that is too large for a request. It becomes the dataset with the same id.

    One in parts has S3's id of the `multipart` upload, and the size of all parts but the last; one whose bytes have
    arrived the tag by which they are known, since its form takes others until it expires.
    """

    id: int
    account: int
    project: int
    incoming: str
    filename: str
    size: int
    created: int
    expires: int
    name: str | None = None
    format: str | None = None
    multipart: str | None = None
    part_size: int | None = None
    etag: str | None = None


Guarded = Callable[[Dataset], Action]
"""An action for the transaction that makes a dataset, under a condition of its own."""


class OvertakenError(Exception):
    """Another caller came first, so that the dataset is not to be made."""


Opened = tuple[Upload, blobs.PostForm | None]
"""An upload session, with the form that takes its file unless that comes in parts."""


def receive(
    caller: Caller,
    *,
    project_id: int,
    filename: str,
    data: bytes | memoryview,
    name: str | None = None,
    format: str | None = None,
    description: str | None = None,
    drift: str | None = None,
    silent: bool = False,
    guarded: Guarded | None = None,
    once: Once[Dataset] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Dataset:
    """Takes a file that came inside a request. Returns its dataset, processing.

    Nobody is told of the events of a `silent` one. OvertakenError where the condition of what `guarded` adds to the
    transaction does not hold.
    """
    limit = settings().max_inline_bytes
    if len(data) > limit:
        raise TooLargeError(
            f"A file in a request must have at most {limit} bytes, not {len(data)}.",
            field="file",
            limit_bytes=limit,
        )
    check_file(filename, len(data), name, format)
    projects.get(caller, project_id, field="project_id")
    moment = now()
    dataset = Dataset(
        id=0,
        account=caller.account,
        project=project_id,
        job=0,
        incoming=blobs.new_incoming(caller.account),
        filename=filename,
        size=len(data),
        created=moment,
        updated=moment,
        name=name,
        format=format,
        description=None if description is None else checked_description(description),
        drift=DEFAULT_DRIFT if drift is None else imports.checked_drift(drift),
    )
    blobs.put(dataset.incoming, data)
    try:
        for _ in range(CREATE_ATTEMPTS):
            dataset = replace(dataset, id=new_id(), job=new_id())
            if _record(dataset, caller.user, once=once, silent=silent, guarded=guarded):
                return dataset
    except (NotFoundError, GuardError, OvertakenError):
        blobs.delete(dataset.incoming)
        raise
    raise RuntimeError("no free id was found for a dataset")


def open_upload(
    caller: Caller,
    *,
    project_id: int,
    filename: str,
    size: int,
    name: str | None = None,
    format: str | None = None,
    parts: bool | None = None,
    once: Once[Opened] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Opened:
    """Opens a presigned upload for a file of exactly `size` bytes, in `parts` or by one form; None: by its size."""
    limit = settings().max_upload_bytes
    in_parts = size > MAX_FORM_BYTES if parts is None else parts
    if not in_parts:
        limit = min(limit, MAX_FORM_BYTES)
    if size > limit:
        reason = f"'size' must be at most {limit} bytes, not {size}."
        raise TooLargeError(reason, field="size", limit_bytes=limit)
    check_file(filename, size, name, format)
    projects.get(caller, project_id, field="project_id")
    moment = now()
    upload = Upload(
        id=new_id(),
        account=caller.account,
        project=project_id,
        incoming=blobs.new_incoming(caller.account),
        filename=filename,
        size=size,
        created=moment,
        expires=moment + (upload_parts.VALID_MILLISECONDS if in_parts else UPLOAD_VALID_MILLISECONDS),
        name=name,
        format=format,
    )
    if in_parts:
        return upload_parts.open_session(upload, once), None
    form = blobs.presign(upload.incoming, max_bytes=size, valid_seconds=UPLOAD_VALID_MILLISECONDS // clock.SECOND)
    store.create_upload(upload, guard(once, (upload, form)))
    return upload, form


def complete_upload(
    caller: Caller,
    upload_id: int,
    *,
    options: Mapping[str, Any] | None = None,
    once: Once[Dataset] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Dataset:
    """Makes the dataset of an upload whose bytes have arrived; called again, answers the same dataset.

    `options` say how to read the file, in the form of `reading.Options.to_json`.
    """
    try:
        upload = arrived(caller, upload_id, now=now)
    except NotFoundError:
        return _completed(caller, upload_id, once)
    moment = now()
    dataset = Dataset(
        id=upload.id,
        account=upload.account,
        project=upload.project,
        job=new_id(),
        incoming=upload.incoming,
        filename=upload.filename,
        size=upload.size,
        created=moment,
        updated=moment,
        name=upload.name,
        format=upload.format,
    )
    if not _record(dataset, caller.user, upload, once, options=options):
        # Another call completed the upload meanwhile.
        return _completed(caller, upload.id, once)
    return dataset


def session(caller: Caller, upload_id: int, *, now: clock.Now = clock.now) -> Upload:
    """The open upload session; NotFoundError for an absent, foreign or completed one, ConflictError after its end."""
    upload = store.get_upload(caller.account, upload_id)
    if upload is None or not caller.reaches(upload.project):
        raise NotFoundError("upload", upload_id)
    if upload.expires <= now():
        raise ConflictError("The time for this upload is over: open a new one.")
    return upload


def arrived(caller: Caller, upload_id: int, *, now: clock.Now = clock.now) -> Upload:
    """The upload session, if its bytes have arrived as they were announced; else ConflictError."""
    upload = session(caller, upload_id, now=now)
    if upload.multipart is not None:
        upload_parts.join(upload)
    arrived = blobs.stat(upload.incoming)
    if arrived is None and upload.multipart is not None:
        raise ConflictError("The parts of this upload are gone: open a new one.")
    if arrived is None:
        raise ConflictError("The file has not arrived yet: send it to the upload's URL first.")
    if arrived.size != upload.size:
        announced = f"not the {upload.size} that were announced"
        raise ConflictError(f"The file that arrived has {arrived.size} bytes, {announced}: send it again.")
    return replace(upload, etag=arrived.etag)


def get(caller: Caller, dataset_id: int) -> Dataset:
    """The dataset; NotFoundError for an absent or foreign one, and one whose project is gone or out of reach."""
    dataset = store.get(caller.account, dataset_id)
    if dataset is None or not caller.reaches(dataset.project) or not store.project_exists(dataset):
        raise NotFoundError("dataset", dataset_id)
    return dataset


def ready(caller: Caller, dataset_id: int) -> Dataset:
    """The dataset, if its rows can be read."""
    dataset = get(caller, dataset_id)
    if dataset.status == "processing":
        raise ConflictError("The data is still being processed: try again when its status is 'ready'.")
    if dataset.status == "failed":
        # The output of a preparation has no file.
        why = "its file could not be read" if dataset.incoming else "the preparation that makes it failed"
        raise ConflictError(f"The data has no rows, because {why}: {dataset.failure}")
    return dataset


def manifest(dataset: Dataset) -> dict[str, Any] | None:
    """The manifest of the dataset's version as plain JSON values; None while it has none. One read of the bucket."""
    if dataset.location is None:
        return None
    found: dict[str, Any] = json.loads(blobs.get(dataset.location + MANIFEST))
    return found


def page(caller: Caller, project_id: int, order: Order, *, offset: int, limit: int) -> Slice[Dataset]:
    """The project's datasets from `offset` on."""
    projects.get(caller, project_id)
    total = store.total(caller.account, project_id)
    items = store.page(caller.account, project_id, order, skip=offset, limit=limit) if offset < total else []
    return Slice(items, offset, total)


def behind(caller: Caller, after: int | None, *, limit: int) -> Scanned[Dataset]:
    """At most `limit` of all datasets that the caller sees, behind the one with the id `after`, newest first.

    Fewer where some that it looked at are of a deleted project, and soon gone, or where their columns are many: `next`
    says where to go on. One read for each, and one for each project that they are of.
    """
    # One more than wanted tells whether anything follows.
    found = store.behind(caller.account, caller.project, after, limit=limit + 1)
    seen: list[Dataset] = []
    weight = 0
    for dataset in found[:limit]:
        weight += sum(len(name) + len(type) for name, type in dataset.shape or ())
        if weight > MAX_LISTED_SHAPES and seen:
            break
        seen.append(dataset)
    there = store.existing_projects(caller.account, {dataset.project for dataset in seen})
    items = [dataset for dataset in seen if dataset.project in there]
    return Scanned(items, seen[-1].id if len(found) > len(seen) else None)


def rename(caller: Caller, dataset_id: int, name: str, *, now: clock.Now = clock.now) -> Dataset:
    """Gives the dataset another name, with the event `data.updated`."""
    return update(caller, dataset_id, Change(name=name), now=now)


def update(caller: Caller, dataset_id: int, change: Change, *, now: clock.Now = clock.now) -> Dataset:
    """Changes the given fields, with the event `data.updated`. Of two writers at once, neither change is lost."""
    for _ in attempts(f"dataset {dataset_id}"):
        dataset = get(caller, dataset_id)
        changed = replace(change.apply(dataset), updated=max(now(), dataset.updated))
        event = events.happened(caller.account, "data.updated", changed.described(), at=changed.updated)
        if store.update(dataset, changed, event):
            return changed
    raise AssertionError("unreachable: attempts end with an error")


def delete(caller: Caller, dataset_id: int, *, now: clock.Now = clock.now) -> None:
    """Removes the dataset, with the event `data.deleted`; its bytes are swept soon after."""
    remove(get(caller, dataset_id), now=now)


def remove(dataset: Dataset, *, now: clock.Now = clock.now) -> None:
    """Removes a dataset, also one whose project is gone. Removing it twice is no error."""
    event = events.happened(dataset.account, "data.deleted", dataset.described(), at=now())
    store.delete(dataset, event)


def _completed(caller: Caller, upload_id: int, once: Once[Dataset] | None) -> Dataset:
    """The dataset that an upload became; NotFoundError for an upload that never was, or whose dataset is gone.

    GuardError if it was this very request that completed it: its answer is the one it had then.
    """
    if once is not None and once.find() is not None:
        raise GuardError
    try:
        return get(caller, upload_id)
    except NotFoundError as error:
        raise NotFoundError("upload", upload_id) from error


def check_file(filename: str, size: int, name: str | None = None, format: str | None = None) -> None:
    """InvalidError for a file that is not worth storing."""
    checked_line("filename", filename, MAX_FILENAME_LENGTH)
    if name is not None:
        checked_line("name", name, MAX_NAME_LENGTH)
    if size == 0:
        raise InvalidError("file", "The file is empty.", value=0, constraint="at least 1 byte")
    if format is not None and format not in FORMATS:
        raise InvalidError("format", f"'{format[:50]}' is not a format.", value=format, constraint=", ".join(FORMATS))


def checked_description(description: str) -> str | None:
    """The description; None for an empty one."""
    return checked_text("description", description, MAX_DESCRIPTION_LENGTH) or None


def _record(
    dataset: Dataset,
    by: int,
    upload: Upload | None = None,
    once: Once[Dataset] | None = None,
    *,
    silent: bool = False,
    guarded: Guarded | None = None,
    options: Mapping[str, Any] | None = None,
) -> bool:
    """Stores the dataset with its job and event; False where its id is taken (by its own upload, if it has one)."""
    dataset = replace(dataset, importing=dataset.job)
    etag = upload.etag if upload else None
    version = replace(dataset_versions.first(dataset, by), drift=dataset.drift, etag=etag, silent=silent)
    version = replace(version, options=dict(options or {}))
    inputs = {"dataset": dataset.id, "version": version.number}
    job = jobs.Job(dataset.job, dataset.account, INGEST, inputs, dataset.created)
    event = events.happened(dataset.account, "data.uploaded", dataset.described(), at=dataset.created, silent=silent)
    own = guarded(dataset) if guarded else None
    outcome = store.create(dataset, version, job, event, upload, guard(once, dataset), own)
    if outcome == "overtaken":
        raise OvertakenError(f"dataset {dataset.id}")
    if outcome == "project_gone":
        raise NotFoundError("project", dataset.project, field=None if upload else "project_id")
    return outcome == "created"
