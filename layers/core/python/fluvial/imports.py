"""Imports: a file for a dataset that is there, to become its next version (`dataset_versions`).

Whatever can be told without the file is told at once; what only the file shows, such as a column that it lacks, ends
the version as failed, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fluvial import blobs, clock, dataset_versions, datasets, events, ids, jobs, reading
from fluvial.attempts import attempts
from fluvial.caller import Caller
from fluvial.config import settings
from fluvial.errors import ConflictError, InvalidError, NotFoundError, TooLargeError
from fluvial.idempotency import Once, guard
from fluvial.store import dataset_versions as store
from fluvial.store import datasets as stored_datasets
from fluvial.store.table import GuardError
from fluvial.text import checked_line

MODES = ("replace", "append", "upsert", "delete")
KEYED = ("upsert", "delete")
DRIFTS = ("evolve", "freeze", "reject")
MAX_KEY_COLUMNS = 16
MAX_COLUMN_NAME_LENGTH = 1_000


@dataclass(frozen=True, slots=True)
class Import:
    """What a caller wants to be done with a file. `key` and `drift` None: as the dataset has it; `options` are JSON."""

    mode: str
    key: Sequence[str] | None = None
    drift: str | None = None
    options: object = None
    dry_run: bool = False


def add(
    caller: Caller,
    dataset_id: int,
    wanted: Import,
    *,
    filename: str,
    data: bytes | memoryview,
    format: str | None = None,
    replays: int | None = None,
    records: int | None = None,
    said: datasets.Change | None = None,
    silent: bool = False,
    once: Once[dataset_versions.Version] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> dataset_versions.Version:
    """Takes a file that came inside a request. Returns its version, processing.

    One that holds another number of `records` than is said fails. `said` changes what its owner says of the dataset
    together with this, with the event `data.updated`. Nobody is told of the events of a `silent` one.
    """
    limit = settings().max_inline_bytes
    if len(data) > limit:
        reason = f"A file in a request must have at most {limit} bytes, not {len(data)}."
        raise TooLargeError(reason, field="file", limit_bytes=limit)
    datasets.check_file(filename, len(data), format=format)
    dataset = _open(caller, dataset_id)
    version = _wanted(caller, dataset, wanted, now())
    version = replace(
        version,
        filename=filename,
        size=len(data),
        incoming=blobs.new_incoming(caller.account),
        format=format,
        replays=replays,
        records=records,
        silent=silent,
    )
    blobs.put(str(version.incoming), data)
    try:
        return _begin(caller, dataset, version, said=said, once=once, new_id=new_id)
    except (NotFoundError, ConflictError, GuardError):
        blobs.delete(str(version.incoming))
        raise


def add_uploaded(
    caller: Caller,
    dataset_id: int,
    wanted: Import,
    *,
    upload_id: int,
    once: Once[dataset_versions.Version] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> dataset_versions.Version:
    """Takes a file whose bytes have arrived by an upload session of the dataset's project, which ends with it."""
    dataset = _open(caller, dataset_id)
    upload = datasets.arrived(caller, upload_id, now=now)
    if upload.project != dataset.project:
        raise NotFoundError("upload", upload_id, field="upload_id")
    version = replace(
        _wanted(caller, dataset, wanted, now()),
        filename=upload.filename,
        size=upload.size,
        incoming=upload.incoming,
        etag=upload.etag,
        format=upload.format,
    )
    return _begin(caller, dataset, version, upload=upload, once=once, new_id=new_id)


def reparse(
    caller: Caller,
    dataset_id: int,
    options: object,
    *,
    once: Once[dataset_versions.Version] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> dataset_versions.Version:
    """Reads the file of the current version once more, by other options; what it holds replaces the data."""
    dataset = _open(caller, dataset_id)
    current = dataset_versions.of(dataset, dataset.version or 1)
    if current.made_by is not None:
        raise ConflictError(
            f"Version {current.number} was made by a preparation: there is no file to read again. "
            "Execute the preparation."
        )
    wanted = _wanted(caller, dataset, Import("replace", options=options), now())
    version = replace(
        wanted, filename=current.filename, size=current.size, source=current.source, format=current.format
    )
    return _begin(caller, dataset, version, once=once, new_id=new_id)


def checked_key(key: Sequence[str], *, name: str = "key") -> tuple[str, ...]:
    """Names of columns that can be a key; InvalidError for others."""
    allowed = f"1-{MAX_KEY_COLUMNS} different names of columns"
    if len(key) > MAX_KEY_COLUMNS or len({each.lower() for each in key}) < len(key):
        raise InvalidError(name, f"'{name}' must be {allowed}.", value=list(key), constraint=allowed)
    return tuple(checked_line(name, each, MAX_COLUMN_NAME_LENGTH) for each in key)


def checked_drift(drift: str) -> str:
    """The rule for drift; InvalidError for a word that is none."""
    return _one_of("drift", drift, DRIFTS)


def check_columns(dataset: datasets.Dataset, key: Sequence[str]) -> None:
    """InvalidError where the data, if it has rows already, lacks a column of the key. One read of the bucket."""
    manifest = datasets.manifest(dataset) if key else None
    if manifest is None:
        return
    names = [column["name"] for column in manifest["columns"]]
    there = {name.lower() for name in names}
    for each in key:
        if each.lower() not in there:
            shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
            reason = f"The data has no column '{each[:100]}' for the key. It has {shown}."
            raise InvalidError("key", reason, value=each, constraint=shown)


def _open(caller: Caller, dataset_id: int) -> datasets.Dataset:
    """The dataset, if it can take an import now."""
    dataset = datasets.get(caller, dataset_id)
    dataset_versions.refuse_importing(dataset)
    return dataset


def _wanted(caller: Caller, dataset: datasets.Dataset, wanted: Import, moment: int) -> dataset_versions.Version:
    """The version without its number and its file; InvalidError where the import is not one that can be done."""
    _one_of("mode", wanted.mode, MODES)
    drift = _one_of("drift", wanted.drift, DRIFTS) if wanted.drift is not None else dataset.drift
    options = reading.parse(wanted.options).to_json()
    if dataset.location is None and wanted.mode != "replace":
        raise ConflictError("The data has no rows yet: import a file with mode 'replace' first.", field="mode")
    key: tuple[str, ...] = ()
    if wanted.mode in KEYED:
        key = dataset.key if wanted.key is None else checked_key(wanted.key)
        check_columns(dataset, key)
        if not key:
            reason = f"'key' must name the columns that tell rows apart, to {wanted.mode} by them."
            raise InvalidError("key", reason, constraint="names of columns")
    elif wanted.key:
        raise InvalidError("key", f"'key' means nothing to an import with mode '{wanted.mode}'.", value=wanted.key)
    return dataset_versions.Version(
        account=dataset.account,
        dataset=dataset.id,
        number=0,
        job=0,
        by=caller.user,
        mode=wanted.mode if dataset.location is not None else dataset_versions.CREATE,
        created=moment,
        filename="",
        size=0,
        source="",
        key=key,
        drift=drift,
        options=options,
        dry_run=wanted.dry_run,
    )


def _begin(
    caller: Caller,
    dataset: datasets.Dataset,
    version: dataset_versions.Version,
    *,
    once: Once[dataset_versions.Version] | None,
    new_id: ids.NewId,
    upload: datasets.Upload | None = None,
    said: datasets.Change | None = None,
) -> dataset_versions.Version:
    """Records the version with its job, in a transaction that takes the dataset for this import."""
    for _ in attempts(f"dataset {dataset.id}"):
        job_id = new_id()
        begun = replace(
            version,
            number=dataset.latest + 1,
            parent=dataset.version,
            job=job_id,
            source=version.source or blobs.source(dataset.account, dataset.id, job_id),
        )
        inputs = {"dataset": dataset.id, "version": begun.number}
        job = jobs.Job(job_id, dataset.account, datasets.INGEST, inputs, version.created)
        if store.begin(begun, job, upload, guard(once, begun), _described(dataset, said, begun)):
            return begun
        dataset = _open(caller, dataset.id)
        if upload is not None and stored_datasets.get_upload(upload.account, upload.id) is None:
            raise NotFoundError("upload", upload.id, field="upload_id")
    raise AssertionError("unreachable: attempts end with an error")


def _described(
    dataset: datasets.Dataset, said: datasets.Change | None, version: dataset_versions.Version
) -> tuple[datasets.Dataset, events.Event] | None:
    """The dataset as its owner describes it now, with the event of that; None where nothing new is said."""
    if said is None:
        return None
    changed = said.apply(dataset)
    if changed == dataset:
        return None
    changed = replace(changed, updated=max(version.created, dataset.updated))
    event = events.happened(
        dataset.account, "data.updated", changed.described(), at=changed.updated, silent=version.silent
    )
    return changed, event


def _one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        choice = ", ".join(allowed)
        raise InvalidError(name, f"'{name}' must be one of {choice}.", value=value, constraint=choice)
    return value
