"""A file that was taken in -> the next version of its dataset, or the reason why there is none.

At least once, and the outcome exactly once: dataset, version, job and event change in one transaction that only the
holder of the job's lease can make. Each run writes under a prefix of its own, and what readers see is the version
before until that transaction. A worker that dies leaves a lease behind; its message comes back after it. One that dies
again and again is ended by fail_job.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from fluvial import blobs, bus, clock, dataset_versions, datasets, jobs, reading
from fluvial.config import settings
from fluvial.dataset_versions import Found, Rejects, Version
from fluvial.engine.ingest import AllRejectedError, ingest
from fluvial.engine.manifest import Manifest, Part
from fluvial.engine.matching import Base, Incoming
from fluvial.engine.merge import Merge, Plan, Wish, created
from fluvial.errors import InvalidError
from fluvial.store import dataset_versions as stored_versions
from fluvial.store import datasets as store
from fluvial.store import jobs as stored_jobs
from workers.profiling import add_profile
from workers.running import OVERTAKEN, run_job

LEASE_MILLISECONDS = 16 * clock.MINUTE  # longer than the function's time-out, shorter than the queue's visibility
RETRY_SECONDS = 30
MERGE_MEMORY_MB = 800
READ = "read"  # the folder of the parts of the file alone


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event whose bodies are EventBridge events of ingest jobs."""
    return bus.run_batch(event, _run, queue_url=settings().need("ingest_queue_url"), retry_seconds=RETRY_SECONDS)


def _run(message: dict[str, Any]) -> None:
    run_job(message, _ingest, lease_milliseconds=LEASE_MILLISECONDS)


def _ingest(job: jobs.Job) -> str:
    dataset = store.get(job.account, job.inputs["dataset"])
    version = stored_versions.get(job.account, job.inputs["dataset"], job.inputs["version"])
    if dataset is None or version is None:
        stored_jobs.cancel(job, "The dataset was deleted.", now=clock.now())
        return "cancelled"
    if job.attempt > 1:
        # The run before this one died: its lease has ended, and its function's time-out lies before that.
        blobs.delete_all(blobs.runs(dataset.account, dataset.id, job.id))
    location = blobs.version(dataset.account, dataset.id, job.id, job.attempt)
    outcome = _make_version(job, dataset, version, location)
    if outcome == OVERTAKEN:
        _clean_up(dataset, version, location)
    elif version.incoming is not None:
        if outcome == "unchanged":
            blobs.delete(version.source)
        blobs.delete(version.incoming)
    return outcome


def _make_version(job: jobs.Job, dataset: datasets.Dataset, version: Version, location: str) -> str:
    """Reads the source into Parquet parts and ends the job; returns how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with _disk_told(version):
                read = _read(version, Path(folder))
            current = stored_versions.get(dataset.account, dataset.id, dataset.version) if dataset.version else None
            if dataset_versions.repeats(version, current, read.manifest.source_sha256):
                return "unchanged" if dataset_versions.same(job, dataset, version) else OVERTAKEN
            with _disk_told(version):
                plan, manifest, out = _merged(dataset, version, read, Path(folder))
        except InvalidError as error:
            rejects = _kept(error, version, Path(folder), location)
            return "failed" if dataset_versions.fail(job, dataset, version, str(error), rejects=rejects) else OVERTAKEN
        described = plan.described()
        counts, changes = described["counts"], described["schema"]
        if manifest is None:
            ended = dataset_versions.planned(job, dataset, version, counts, changes)
            return "planned" if ended else OVERTAKEN
        add_profile(manifest, out)
        _store(manifest, out, location)
    found = Found(
        rows=manifest.rows,
        rejected=manifest.rejected,
        columns=len(manifest.columns),
        format=manifest.format,
        sha256=manifest.source_sha256,
        counts=counts,
        changes=changes,
        location=location,
        shape=dataset_versions.shape_of((column.name, column.type) for column in manifest.columns),
    )
    return "succeeded" if dataset_versions.finish(job, dataset, version, found) else OVERTAKEN


def _read(version: Version, folder: Path) -> Incoming:
    """The source, read into parts as if it were alone."""
    raw, parts = folder / "source", folder / READ
    parts.mkdir()
    _bring(version, raw)
    lines: list[Callable[[int], int | None]] = []
    try:
        manifest = ingest(
            raw,
            parts,
            filename=version.filename,
            format=version.format,
            options=reading.parse(version.options),
            on_lines=lines.append,
        )
    except AllRejectedError as error:
        _check_records(version, error.manifest)
        raise
    raw.unlink()
    _check_records(version, manifest)
    return Incoming(manifest, parts, *lines)


def _bring(version: Version, path: Path) -> None:
    """Keeps the upload as the version's source, and brings it here; InvalidError where that cannot be."""
    # The file of a dry run is not kept: nothing is made of it.
    key = version.incoming if version.dry_run and version.incoming else version.source
    try:
        if version.incoming not in (None, key) and blobs.size(version.source) is None:
            blobs.copy(str(version.incoming), version.source, etag=version.etag)
        _check_room(version, path.parent)
        blobs.fetch(key, path, etag=version.etag if key == version.incoming else None)
    except blobs.ReplacedError as error:
        reason = "The file was replaced by another one after its upload was completed: upload it again."
        raise InvalidError("file", reason) from error


def _check_room(version: Version, folder: Path) -> None:
    """InvalidError where the file does not even fit on the disk alone, without the parts that it becomes."""
    free = shutil.disk_usage(folder).free
    if version.size > free:
        reason = f"The file has {version.size} bytes, and the worker has room for {free}: compress it, or split it."
        raise InvalidError("file", reason, value=version.size, constraint=f"at most {free} bytes")


@contextmanager
def _disk_told(version: Version) -> Iterator[None]:
    """InvalidError where the disk is full: another attempt would come as far."""
    try:
        yield
    except (OSError, duckdb.Error) as error:
        if getattr(error, "errno", None) != errno.ENOSPC and os.strerror(errno.ENOSPC) not in str(error):
            raise
        reason = "The file needs more room on the worker's disk than there is: compress it, or append it in pieces."
        raise InvalidError("file", reason, value=version.size) from error


def _check_records(version: Version, manifest: Manifest) -> None:
    """InvalidError where a replay has another number of records than were sent."""
    if version.records in (None, manifest.source_rows):
        return
    raise InvalidError(
        "lines",
        f"{version.records} records were sent, but read by the version's dialect they are {manifest.source_rows}: "
        "each text must be one whole record.",
        value=manifest.source_rows,
        constraint=f"{version.records} records",
    )


def _kept(error: InvalidError, version: Version, folder: Path, location: str) -> Rejects | None:
    """Stores the rejects of a file of which no record could be loaded, with a manifest; not of a dry run."""
    if not isinstance(error, AllRejectedError) or version.dry_run:
        return None
    manifest = error.manifest
    _store(manifest, folder / READ, location)
    return Rejects(manifest.rejected, manifest.format, manifest.source_sha256, location)


def _merged(
    dataset: datasets.Dataset, version: Version, read: Incoming, folder: Path
) -> tuple[Plan, Manifest | None, Path]:
    """What the file does to the dataset, the new version's manifest (None of a dry run), and where its files lie."""
    if dataset.location is None:
        return created(read.manifest), None if version.dry_run else read.manifest, read.folder
    location, base, out = dataset.location, folder / "base", folder / "out"
    base.mkdir()
    out.mkdir()

    def fetch(part: Part) -> Path:
        path = base / part.key(location).replace("/", "_")
        if not path.exists():
            blobs.fetch(part.key(location), path)
        return path

    manifest = Manifest.from_json(blobs.get(location + datasets.MANIFEST))
    with Merge(
        Base(manifest, location, base, fetch),
        read,
        Wish(version.mode, version.key, version.drift),
        temp=folder,
        out=out,
        memory_limit_mb=MERGE_MEMORY_MB,
    ) as merge:
        return merge.plan(), None if version.dry_run else merge.write(), out


def _clean_up(dataset: datasets.Dataset, version: Version, location: str) -> None:
    """Another worker has the job, or the dataset was deleted meanwhile: what this run made belongs to nobody."""
    blobs.delete_all(location)
    if version.incoming is not None and store.get(dataset.account, dataset.id) is None:
        # It may have been swept before this run copied the source.
        blobs.delete(version.source)
        blobs.delete(version.incoming)


def _store(manifest: Manifest, out: Path, location: str) -> None:
    for file in sorted(out.iterdir()):
        blobs.put_file(location + file.name, file)
    blobs.put(location + datasets.MANIFEST, manifest.to_json().encode())
