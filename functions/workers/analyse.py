"""An analysis that is to be run -> its result, or the reason why there is none.

At least once, and the outcome exactly once: analysis, job and event change in one transaction that only the holder of
the job's lease can make. Each run writes under a prefix of its own. The result before it stays until the next run
begins, so that whoever is reading it can go on; what dead runs left goes then, too. A worker that dies leaves a lease
behind; its message comes back after it. One that dies again and again is ended by fail_job.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from fluvial import analyses, blobs, bus, clock, datasets, jobs, queries
from fluvial.config import settings
from fluvial.engine.analysis import TOO_SLOW, AnalysisFailedError, Outcome, run
from fluvial.engine.manifest import Manifest
from fluvial.errors import InvalidError
from fluvial.store import analyses as store
from fluvial.store import datasets as stored_datasets
from fluvial.store import jobs as stored_jobs
from workers.running import OVERTAKEN, run_job

LEASE_MILLISECONDS = 16 * clock.MINUTE  # longer than the function's time-out, shorter than the queue's visibility
RETRY_SECONDS = 30
TIMEOUT_SECONDS = 10 * 60  # to fetch and compute; what is left of the function's 15 minutes is for storing the result
MAX_PARTS_BYTES = 6 * 1024**3  # the rest of the disk is for what does not fit into memory, and the result


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event whose bodies are EventBridge events of analysis jobs."""
    return bus.run_batch(event, _run, queue_url=settings().need("analyse_queue_url"), retry_seconds=RETRY_SECONDS)


def _run(message: dict[str, Any]) -> None:
    run_job(message, _analyse, lease_milliseconds=LEASE_MILLISECONDS, name="analyse")


def _analyse(job: jobs.Job) -> str:
    analysis_id = job.inputs["analysis"]
    analysis = store.get(job.account, analysis_id)
    # No other run of this analysis is alive: one is recorded only after the one before has ended, and this attempt
    # was claimed after the lease of the last had.
    blobs.delete_all(blobs.analyses(job.account, analysis_id), but=analysis.location if analysis else None)
    if analysis is None:
        stored_jobs.cancel(job, "The analysis was deleted.", now=clock.now())
        return "cancelled"
    location = blobs.result(job.account, analysis_id, job.id, job.attempt)
    try:
        summary = _make_result(analysis, location, deadline=time.monotonic() + TIMEOUT_SECONDS)
    except (InvalidError, AnalysisFailedError) as error:
        outcome = "failed" if analyses.fail(job, analysis, str(error)) else OVERTAKEN
    else:
        outcome = "succeeded" if analyses.finish(job, analysis, summary, location=location) else OVERTAKEN
    if outcome == OVERTAKEN:
        # Another worker has the job, or the analysis was deleted meanwhile: what this run made belongs to nobody.
        blobs.delete_all(location)
    return outcome


def _make_result(analysis: analyses.Analysis, location: str, *, deadline: float) -> analyses.Summary:
    """Stores the result over the version that the dataset has now."""
    dataset = _dataset(analysis)
    manifest = Manifest.from_json(blobs.get(f"{dataset.location}{datasets.MANIFEST}"))
    query = queries.parse(analysis.query)
    queries.check(query, {column.name: column.type for column in manifest.columns})
    with tempfile.TemporaryDirectory() as folder:
        files = _fetched(manifest, str(dataset.location), Path(folder, "parts"), deadline=deadline)
        out = Path(folder, "out")
        out.mkdir()
        outcome = run(
            query,
            manifest.columns,
            files,
            out,
            part_rows=analyses.PART_ROWS,
            timeout_seconds=deadline - time.monotonic(),
        )
        summary = analyses.Summary(outcome.columns, outcome.rows, outcome.groups_total, manifest.rows, dataset.version)
        _store(outcome, summary, location)
    return summary


def _dataset(analysis: analyses.Analysis) -> datasets.Dataset:
    dataset = stored_datasets.get(analysis.account, analysis.dataset)
    if dataset is None:
        raise AnalysisFailedError("The data was deleted.")
    if dataset.status == "processing":
        raise AnalysisFailedError("The data is still being processed: run the analysis when its status is 'ready'.")
    if dataset.location is None:
        raise AnalysisFailedError(f"The data has no rows, because its file could not be read: {dataset.failure}")
    return dataset


def _fetched(manifest: Manifest, location: str, folder: Path, *, deadline: float) -> list[Path]:
    size = sum(part.bytes for part in manifest.parts)
    if size > MAX_PARTS_BYTES:
        raise AnalysisFailedError(f"The data takes {size} bytes; at most {MAX_PARTS_BYTES} can be analysed.")
    folder.mkdir()
    files = []
    for number, part in enumerate(manifest.parts):
        if time.monotonic() > deadline:
            raise AnalysisFailedError(TOO_SLOW)
        # Parts of several versions may have one name.
        files.append(folder / f"{number}.parquet")
        blobs.fetch(part.key(location), files[-1])
    return files


def _store(outcome: Outcome, summary: analyses.Summary, location: str) -> None:
    for number, path in enumerate(outcome.parts):
        blobs.put_file(location + analyses.part_name(number), path)
    blobs.put(location + analyses.SUMMARY, summary.to_json())
