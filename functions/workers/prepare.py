"""An execution of a preparation -> the next version of its output, or the reason why there is none.

At least once, and the outcome exactly once: preparation, output, version, job and events change in one transaction that
only the holder of the job's lease can make. Each run writes under prefixes of its own, and what readers see is the
version before until that transaction. Where the current version was made by the same recipe over the same versions,
nothing is run. A worker that dies leaves a lease behind; its message comes back after it. One that dies again and again
is ended by fail_job; what it left goes with the next execution.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fluvial import blobs, bus, clock, dataset_versions, datasets, executions, jobs, steps
from fluvial.config import settings
from fluvial.dataset_versions import Found, Version
from fluvial.engine import prepared, sandbox
from fluvial.engine.limits import GIB
from fluvial.engine.manifest import Manifest
from fluvial.engine.preparation import StepReport
from fluvial.errors import InvalidError
from fluvial.executions import Work
from fluvial.log import log
from fluvial.store import dataset_versions as stored_versions
from workers.profiling import add_profile
from workers.running import OVERTAKEN, run_job

LEASE_MILLISECONDS = 16 * clock.MINUTE  # longer than the function's time-out, shorter than the queue's visibility
RETRY_SECONDS = 30
TIMEOUT_SECONDS = 10 * 60  # to fetch and compute; what is left of the function's 15 minutes is for storing the result
# The disk has 10 GiB: the inputs, what does not fit into memory, the result, and some room for the profile.
MAX_PARTS_BYTES = 3 * GIB
BOUNDS = sandbox.Bounds(
    cpu_seconds=TIMEOUT_SECONDS,
    memory_bytes=2 * GIB,  # of the function's 3,008 MB, where the worker itself needs some
    spill_bytes=4 * GIB,
    output_bytes=2 * GIB,
    sample_bytes=16 * 1024,  # of each step of up to a hundred: a report is read in one answer
)
TOO_SLOW = (
    f"The preparation takes longer than the {TIMEOUT_SECONDS // 60} minutes that it may: give it fewer rows, or make "
    "several of it."
)


@dataclass(frozen=True)
class Source:
    """An input as it is read: its version's manifest, and where its Parquet lies."""

    manifest: Manifest
    location: str


class NotPreparedError(Exception):
    """There is no result, and would be none if it ran again; `str(error)` is a sentence for the owner."""

    def __init__(self, reason: str, steps: Sequence[StepReport] = (), usage: sandbox.Usage | None = None) -> None:
        super().__init__(reason)
        self.steps, self.usage = steps, usage


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event whose bodies are EventBridge events of preparation jobs."""
    return bus.run_batch(event, _run, queue_url=settings().need("prepare_queue_url"), retry_seconds=RETRY_SECONDS)


def _run(message: dict[str, Any]) -> None:
    run_job(message, _prepare, lease_milliseconds=LEASE_MILLISECONDS, name="prepare")


def _prepare(job: jobs.Job) -> str:
    _sweep(job)
    work = executions.work(job)
    if work is None:
        return "over"
    location = blobs.version(job.account, work.output.id, job.id, job.attempt)
    outcome = _make_version(work, location)
    if outcome == OVERTAKEN:
        # Another worker has the job, it was cancelled, or its preparation or output deleted: this belongs to nobody.
        blobs.delete_all(location)
        blobs.delete(executions.report_key(job))
    return outcome


def _sweep(job: jobs.Job) -> None:
    """Removes what dead runs left of this execution, and of one before it that came to no end of its own."""
    dataset_id, number = job.inputs["dataset"], job.inputs["version"]
    if job.attempt > 1:
        # The run before this one died: its lease has ended, and its function's time-out lies before that.
        blobs.delete_all(blobs.runs(job.account, dataset_id, job.id))
        blobs.delete_all(blobs.execution(job.account, job.inputs["preparation"], job.id))
    before = stored_versions.get(job.account, dataset_id, number - 1) if number > 1 else None
    if before is not None and before.status == "failed" and before.location is None:
        blobs.delete_all(blobs.runs(job.account, dataset_id, before.job))


def _make_version(work: Work, location: str) -> str:
    """Stores what the recipe makes and ends the job; returns how it ended."""
    output, made_by = work.output, work.made_by
    current = stored_versions.get(output.account, output.id, output.version) if output.version else None
    if current is not None and current.made_by is not None and current.made_by.sha256 == made_by.sha256:
        return "unchanged" if executions.finish(work, None) else OVERTAKEN
    lineage = executions.lineage(work.preparation.recipe, made_by.inputs).to_json()
    try:
        with tempfile.TemporaryDirectory() as folder:
            found, done = _made(work, current, lineage, location, Path(folder))
    except NotPreparedError as error:
        _tell(work.job, lineage, error.steps, error.usage)
        return "failed" if executions.fail(work.job, work.preparation, str(error)) else OVERTAKEN
    _tell(work.job, lineage, *done)
    return "succeeded" if executions.finish(work, found) else OVERTAKEN


def _made(
    work: Work, current: Version | None, lineage: Mapping[str, Any], location: str, folder: Path
) -> tuple[Found, tuple[Sequence[StepReport], sandbox.Usage]]:
    """What was stored, and what each step did."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    sources = _sources(work)
    try:
        ready = prepared.ready(
            steps.parse(work.preparation.recipe), {name: source.manifest.columns for name, source in sources.items()}
        )
    except InvalidError as error:
        raise NotPreparedError(f"{error.field}: {error}") from error
    read = {name: sources[name] for name in ready.used}
    _check_size(read)
    out, parts = folder / "out", folder / "parts"
    out.mkdir()
    parts.mkdir()
    inputs = {
        name: sandbox.Input(_fetched(source, parts / str(number), deadline), source.manifest.columns)
        for number, (name, source) in enumerate(read.items())
    }
    rows = {name: source.manifest.rows for name, source in read.items()}
    bounds = replace(BOUNDS, seconds=max(deadline - time.monotonic(), 1))
    try:
        outcome = sandbox.run(inputs, ready.steps, temp=folder, out=out, bounds=bounds)
    except sandbox.SandboxError as error:
        if error.detail:
            log.warning("sandbox of job %s: %s", work.job.id, error.detail)
        reason = TOO_SLOW if isinstance(error, sandbox.TimeExceededError) else prepared.why(ready, error)[1]
        raise NotPreparedError(reason, prepared.reports(ready, error.done, rows), error.usage) from error
    manifest = prepared.manifest(ready, outcome, out)
    before = None if current is None else Manifest.from_json(blobs.get(f"{current.location}{datasets.MANIFEST}"))
    add_profile(manifest, out)
    _store(manifest, lineage, out, location)
    return _found(manifest, before, location), (prepared.reports(ready, outcome.steps, rows), outcome.usage)


def _sources(work: Work) -> dict[str, Source]:
    """The inputs at the versions that were pinned."""
    found = {}
    for name, (dataset_id, number) in work.made_by.inputs.items():
        version = stored_versions.get(work.job.account, dataset_id, number)
        told = None if version is None else blobs.find(f"{version.location}{datasets.MANIFEST}")
        if version is None or told is None:
            raise NotPreparedError(f"The data of the input '{name}' was deleted: give the preparation another one.")
        found[name] = Source(Manifest.from_json(told), str(version.location))
    return found


def _check_size(sources: Mapping[str, Source]) -> None:
    size = sum(part.bytes for source in sources.values() for part in source.manifest.parts)
    if size > MAX_PARTS_BYTES:
        raise NotPreparedError(
            f"The inputs take {size} bytes, and at most {MAX_PARTS_BYTES} can be prepared at once: make smaller data "
            "of them first, such as by one preparation for each year."
        )


def _fetched(source: Source, folder: Path, deadline: float) -> list[Path]:
    folder.mkdir()
    files = []
    for number, part in enumerate(source.manifest.parts):
        if time.monotonic() > deadline:
            raise NotPreparedError(TOO_SLOW)
        # Parts of several versions may have one name.
        files.append(folder / f"{number:05d}.parquet")
        blobs.fetch(part.key(source.location), files[-1])
    return files


def _store(manifest: Manifest, lineage: Mapping[str, Any], out: Path, location: str) -> None:
    for file in sorted(out.iterdir()):
        blobs.put_file(location + file.name, file)
    blobs.put(location + dataset_versions.LINEAGE, _json(lineage))
    blobs.put(location + datasets.MANIFEST, manifest.to_json().encode())


def _found(manifest: Manifest, before: Manifest | None, location: str) -> Found:
    counts, changes = prepared.changes(manifest, before)
    return Found(
        rows=manifest.rows,
        rejected=manifest.rejected,
        columns=len(manifest.columns),
        format=manifest.format,
        sha256=None,
        counts=counts,
        changes=changes,
        location=location,
        size=manifest.source_bytes,
        shape=dataset_versions.shape_of((column.name, column.type) for column in manifest.columns),
    )


def _tell(job: jobs.Job, lineage: Mapping[str, Any], done: Sequence[StepReport], usage: sandbox.Usage | None) -> None:
    """Stores the report of this run."""
    report = {"steps": [each.to_json() for each in done], "lineage": lineage}
    blobs.put(executions.report_key(job), _json(report | ({} if usage is None else asdict(usage))))


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
