"""An uploaded file -> version 1 of its dataset.

At least once, and the outcome exactly once: dataset, job and event change in one transaction that only the holder of
the job's lease can make. A worker that dies leaves a lease behind; its message comes back after it. One that dies
again and again is ended by fail_job.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from fluvial import blobs, bus, clock, datasets, ids, jobs
from fluvial.config import settings
from fluvial.engine.ingest import ingest
from fluvial.engine.manifest import Manifest
from fluvial.errors import UnreadableFileError
from fluvial.log import write_line
from fluvial.store import datasets as store
from fluvial.store import jobs as stored_jobs
from workers.messages import parse_job

LEASE_MILLISECONDS = 16 * clock.MINUTE  # longer than the function's time-out, shorter than the queue's visibility
RETRY_SECONDS = 30
OVERTAKEN = "overtaken"


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event whose bodies are EventBridge events of ingest jobs."""
    return bus.run_batch(event, _run, queue_url=settings().need("ingest_queue_url"), retry_seconds=RETRY_SECONDS)


def _run(message: dict[str, Any]) -> None:
    account_id, job_id = parse_job(message)
    try:
        job = jobs.claim(account_id, job_id, lease_milliseconds=LEASE_MILLISECONDS)
    except jobs.JobIsRunningError as error:
        # A second message for a job that runs. It must not use up the job's receives while it does.
        raise bus.LaterError(str(error), seconds=LEASE_MILLISECONDS // clock.SECOND) from error
    if job is None:
        return
    try:
        outcome = _ingest(job)
    except Exception:
        jobs.release(job)
        raise
    write_line(
        "ingest",
        account=ids.spell(ids.ACCOUNT, account_id),
        job=ids.spell(ids.JOB, job_id),
        attempt=job.attempt,
        outcome=outcome,
    )


def _ingest(job: jobs.Job) -> str:
    dataset = store.get(job.account, job.inputs["dataset"])
    if dataset is None:
        stored_jobs.cancel(job, "The dataset was deleted.", now=clock.now())
        return "cancelled"
    source = blobs.source(dataset.account, dataset.id)
    if blobs.size(source) is None:
        blobs.copy(dataset.incoming, source)
    if job.attempt > 1:
        # The run before this one died: its lease has ended, and its function's time-out lies before that.
        blobs.delete_all(blobs.runs(dataset.account, dataset.id, job.id))
    location = blobs.version(dataset.account, dataset.id, job.id, job.attempt)
    outcome = _make_version(job, dataset, source, location)
    if outcome == OVERTAKEN:
        _clean_up(dataset, source, location)
    else:
        blobs.delete(dataset.incoming)
    return outcome


def _make_version(job: jobs.Job, dataset: datasets.Dataset, source: str, location: str) -> str:
    """Reads the source into Parquet parts and ends the job; returns how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        raw, out = Path(folder, "source"), Path(folder, "out")
        out.mkdir()
        blobs.fetch(source, raw)
        try:
            manifest = ingest(raw, out, filename=dataset.filename, format=dataset.format)
        except UnreadableFileError as error:
            ended = datasets.fail(job, dataset, str(error))
            return "failed" if ended else OVERTAKEN
        _store(manifest, out, location)
    ended = datasets.finish(
        job,
        dataset,
        rows=manifest.rows,
        rejected=manifest.rejected,
        columns=len(manifest.columns),
        format=manifest.format,
        location=location,
    )
    return "succeeded" if ended else OVERTAKEN


def _clean_up(dataset: datasets.Dataset, source: str, location: str) -> None:
    """Another worker has the job, or the dataset was deleted meanwhile: what this run made belongs to nobody."""
    blobs.delete_all(location)
    if store.get(dataset.account, dataset.id) is None:
        # It may have been swept before this run copied the source.
        blobs.delete(source)
        blobs.delete(dataset.incoming)


def _store(manifest: Manifest, out: Path, location: str) -> None:
    for file in sorted(out.iterdir()):
        blobs.put_file(location + file.name, file)
    blobs.put(location + datasets.MANIFEST, manifest.to_json().encode())
