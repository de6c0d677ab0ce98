"""An export that is to be made -> its file, or the reason why there is none. Comparisons come here, too (`comparing`).

At least once, and the outcome exactly once: export, job and event change in one transaction that only the holder of the
job's lease can make. Each attempt writes a file of its own; what a dead one left goes with the next. A worker that dies
leaves a lease behind; its message comes back after it. One that dies again and again is ended by fail_job.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fluvial import blobs, bus, clock, comparisons, datasets, exports, jobs
from fluvial.config import settings
from fluvial.engine.export import TOO_SLOW, ExportFailedError, Job, export
from fluvial.engine.manifest import Manifest, Part
from fluvial.engine.prune import pruned
from fluvial.errors import InvalidError
from fluvial.store import exports as store
from fluvial.store import jobs as stored_jobs
from workers import comparing
from workers.running import OVERTAKEN, run_job

LEASE_MILLISECONDS = 16 * clock.MINUTE  # longer than the function's time-out, shorter than the queue's visibility
RETRY_SECONDS = 30
TIMEOUT_SECONDS = 11 * 60  # to fetch and write; what is left of the function's 15 minutes is for storing the file
MAX_PARTS_BYTES = 2 * 1024**3  # that are on the disk at once, which the file and what is sorted need as well


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event whose bodies are EventBridge events of export and comparison jobs."""
    return bus.run_batch(event, _run, queue_url=settings().need("export_queue_url"), retry_seconds=RETRY_SECONDS)


def _run(message: dict[str, Any]) -> None:
    run_job(message, _work, lease_milliseconds=LEASE_MILLISECONDS)


def _work(job: jobs.Job) -> str:
    return comparing.run(job) if job.kind == comparisons.COMPARISON else _export(job)


def _export(job: jobs.Job) -> str:
    dataset_id, export_id = job.inputs["dataset"], job.inputs["export"]
    made = store.get(job.account, dataset_id, export_id)
    folder = blobs.export(job.account, dataset_id, export_id)
    if job.attempt > 1 or made is None:
        # Whatever ran before this attempt is dead: its lease has ended, and its function's time-out lies before that.
        blobs.delete_all(folder)
    if made is None:
        stored_jobs.cancel(job, "The data was deleted.", now=clock.now())
        return "cancelled"
    key = f"{folder}{job.attempt}/data.{made.wanted.format}"
    try:
        rows, size = _make_file(made, key)
    except (InvalidError, ExportFailedError) as error:
        outcome = "failed" if exports.fail(job, made, str(error)) else OVERTAKEN
    else:
        outcome = "succeeded" if exports.finish(job, made, file=key, rows=rows, bytes=size) else OVERTAKEN
    if outcome == OVERTAKEN:
        # Another worker has the job, or the data was deleted meanwhile: what this attempt made belongs to nobody.
        blobs.delete_all(f"{folder}{job.attempt}/")
    return outcome


def _make_file(made: exports.Export, key: str) -> tuple[int, int]:
    """Stores the file under the key; returns its rows and bytes."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    manifest_bytes = blobs.find(made.location + datasets.MANIFEST)
    if manifest_bytes is None:
        raise ExportFailedError("The data was deleted.")
    manifest = Manifest.from_json(manifest_bytes)
    with tempfile.TemporaryDirectory() as folder:
        parts, out = Path(folder, "parts"), Path(folder, "out")
        parts.mkdir()
        out.mkdir()
        job = Job(
            parts=parts,
            columns=manifest.columns,
            wanted=made.wanted,
            title=made.title,
            file=out / f"data.{made.wanted.format}",
            timeout_seconds=TIMEOUT_SECONDS,
        )
        rows = export(_files(manifest, made, parts, deadline=deadline), job)
        blobs.put_file(key, job.file)
        return rows, job.file.stat().st_size


def _files(manifest: Manifest, made: exports.Export, folder: Path, *, deadline: float) -> Iterator[tuple[Path, int]]:
    """The parts that can have rows of the export, fetched when they are asked for.

    Of an export in the order of the source only one is on the disk at a time, but for Parquet, which is written of all
    at once; they are bounded.
    """
    wanted = made.wanted
    found = pruned(manifest.parts, manifest.columns, wanted.selection.filters)
    one_by_one = wanted.format != "parquet" and not wanted.selection.sort
    size = sum(part.bytes for part in found)
    if size > MAX_PARTS_BYTES and not one_by_one:
        raise ExportFailedError(
            f"The rows lie in {size} bytes, and at most {MAX_PARTS_BYTES} can be sorted or written as Parquet: filter, "
            "or export CSV or NDJSON without a sort."
        )
    for number, part in enumerate(found):
        if time.monotonic() > deadline:
            raise ExportFailedError(TOO_SLOW)
        path = _fetch(part, made.location, folder / f"{number:05d}.parquet")
        yield path, part.first_row
        if one_by_one:
            path.unlink()


def _fetch(part: Part, location: str, path: Path) -> Path:
    blobs.fetch(part.key(location), path)
    return path
