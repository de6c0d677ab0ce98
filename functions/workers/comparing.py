"""A comparison that is to be made -> its counts and first differences, or the reason why there are none.

The worker of exports does it, under the same rules: the outcome of a comparison and the end of its job are one
transaction, and each attempt writes under a prefix of its own.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from fluvial import blobs, clock, comparisons, datasets, jobs
from fluvial.engine.compare import TOO_SLOW, CompareFailedError, Comparison, Side, compare
from fluvial.engine.manifest import Manifest
from fluvial.store import comparisons as store
from fluvial.store import jobs as stored_jobs
from workers.running import OVERTAKEN

TIMEOUT_SECONDS = 11 * 60  # of the function's 15 minutes, to fetch and compare
DIFFERENCES = "differences.json"


def run(job: jobs.Job) -> str:
    """Ends the job; returns how."""
    dataset_id, comparison_id = job.inputs["dataset"], job.inputs["comparison"]
    made = store.get(job.account, dataset_id, comparison_id)
    folder = blobs.export(job.account, dataset_id, comparison_id)
    if job.attempt > 1 or made is None:
        # Whatever ran before this attempt is dead: its lease has ended, and its function's time-out lies before that.
        blobs.delete_all(folder)
    if made is None:
        stored_jobs.cancel(job, "The data was deleted.", now=clock.now())
        return "cancelled"
    key = f"{folder}{job.attempt}/{DIFFERENCES}"
    try:
        found = _compared(made)
    except CompareFailedError as error:
        return "failed" if comparisons.fail(job, made, str(error)) else OVERTAKEN
    shown = [asdict(each) for each in found.differences]
    blobs.put(key, json.dumps(shown, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode())
    if comparisons.finish(job, made, counts=asdict(found.counts), differences=key, truncated=found.truncated):
        return "succeeded"
    # Another worker has the job, or the data was deleted meanwhile: what this attempt made belongs to nobody.
    blobs.delete(key)
    return OVERTAKEN


def _compared(made: comparisons.Comparison) -> Comparison:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    before, after = _side(made.before_location), _side(made.after_location)
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp, "parts")
        folder.mkdir()
        fetched = 0

        def fetch(key: str) -> Path:
            """The part, as the only one on the disk; under a new name, for DuckDB may remember files by theirs."""
            nonlocal fetched
            if time.monotonic() > deadline:
                raise CompareFailedError(TOO_SLOW)
            for path in folder.iterdir():
                path.unlink()
            fetched += 1
            path = folder / f"{fetched:05d}.parquet"
            blobs.fetch(key, path)
            return path

        left = deadline - time.monotonic()
        return compare(before, after, made.key, fetch=fetch, folder=folder, temp=Path(temp), timeout_seconds=left)


def _side(location: str) -> Side:
    manifest = blobs.find(location + datasets.MANIFEST)
    if manifest is None:
        raise CompareFailedError("The data was deleted.")
    return Side(Manifest.from_json(manifest), location)
