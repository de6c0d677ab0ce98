"""Stage one of a report that is to be generated -> the answers to its questions, or the reason why there are none.

The versions of the data are pinned here, so that the answers are of one moment. `render_report` draws them.

At least once, and handed over or ended exactly once: what was found and the job's next stage are one transaction that
only the holder of the job's lease can make. Each run writes under a prefix of its own; what a dead one left goes with
the next. A worker that dies leaves a lease behind; its message comes back after it. One that dies again and again is
ended by fail_job. A message that comes when the job is at its second stage is dropped by `run_job`.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluvial import blobs, bus, clock, datasets, generated_reports, jobs, report_data, report_sections, reports
from fluvial.chart_queries import ChartQuery
from fluvial.config import settings
from fluvial.engine import chart_data
from fluvial.engine.analysis import AnalysisFailedError, run
from fluvial.engine.manifest import Manifest
from fluvial.engine.select import TooMuchMemoryError, TooSlowError
from fluvial.errors import InvalidError
from fluvial.generated_reports import Generated, Pin, Snapshot
from fluvial.report_data import Result
from fluvial.report_sections import Question, Report, Source
from fluvial.store import dataset_versions as stored_versions
from fluvial.store import datasets as stored_datasets
from fluvial.store import generated_reports as store
from fluvial.store import jobs as stored_jobs
from fluvial.store import preparations as stored_preparations
from workers.running import OVERTAKEN, run_job

LEASE_MILLISECONDS = 16 * clock.MINUTE  # longer than the function's time-out, shorter than the queue's visibility
RETRY_SECONDS = 30
TIMEOUT_SECONDS = 11 * 60  # to fetch and compute; what is left of the function's 15 minutes is for storing the answers
MAX_PARTS_BYTES = 6 * 1024**3  # of all sources together; the rest of the disk is for what does not fit into memory
MAX_ANSWER_BYTES = 64 * 1024**2  # of all questions as JSON, which the next stage holds in memory
PART_ROWS = 10_000
DELETED = "The generated report was deleted."


class NotComputableError(Exception):
    """The report cannot be computed, and would not be if it ran again; `str(error)` is a sentence for its owner."""


@dataclass(frozen=True)
class Data:
    """A source as it is read: the version, its types by column, and where its Parquet lies."""

    pin: Pin
    manifest: Manifest
    location: str

    @property
    def types(self) -> dict[str, str]:
        return {column.name: column.type for column in self.manifest.columns}


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event whose bodies are EventBridge events of report jobs that are to be computed."""
    queue_url = settings().need("compute_report_queue_url")
    return bus.run_batch(event, _run, queue_url=queue_url, retry_seconds=RETRY_SECONDS)


def _run(message: dict[str, Any]) -> None:
    run_job(message, _compute, lease_milliseconds=LEASE_MILLISECONDS, name="compute_report")


def _compute(job: jobs.Job) -> str:
    generated_id = job.inputs["generated_report"]
    generated, snapshot = store.get(job.account, generated_id), store.snapshot(job.account, generated_id)
    # Whatever ran before is dead: this attempt was claimed after its lease had ended.
    blobs.delete_all(blobs.report(job.account, generated_id))
    if generated is None or snapshot is None:
        stored_jobs.cancel(job, DELETED, now=clock.now())
        return "cancelled"
    location = blobs.report_run(job.account, generated_id, job.id, job.attempt)
    try:
        pins, as_of, answers = _answers(generated, snapshot, deadline=time.monotonic() + TIMEOUT_SECONDS)
    except (InvalidError, NotComputableError) as error:
        outcome = "failed" if generated_reports.fail(job, generated, str(error)) else OVERTAKEN
    else:
        key = location + generated_reports.ANSWERS
        blobs.put(key, answers, content_type="application/json")
        done = generated_reports.hand_over(job, generated, pins=pins, as_of=as_of, answers=key)
        outcome = "computed" if done else OVERTAKEN
    if outcome == OVERTAKEN:
        # Another worker has the job, or the report was deleted meanwhile: what this run made belongs to nobody.
        blobs.delete_all(location)
    return outcome


def _answers(generated: Generated, snapshot: Snapshot, *, deadline: float) -> tuple[list[Pin], int, bytes]:
    """The versions that were read, the moment at which they were pinned, and the answers as JSON."""
    report = report_sections.parse(snapshot.definition).with_values(snapshot.parameters)
    as_of = clock.now() if generated.as_of is None else generated.as_of
    sources = {source: _data(generated, source) for source in _sources(report)}
    report_sections.check(report, {source: data.types for source, data in sources.items()})
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = _fetched(sources, folder, deadline=deadline)
        found: dict[str, Any] = {}
        size = 0
        for key, question in report.questions().items():
            try:
                result = _answered(question, sources[question.source], files[question.source], folder, deadline)
            except (InvalidError, NotComputableError) as error:
                raise NotComputableError(f"{_named(report, key)}: {error}") from error
            found[key] = result.to_json()
            size += len(json.dumps(found[key], ensure_ascii=False).encode())
            if size > MAX_ANSWER_BYTES:
                raise NotComputableError(
                    f"The rows of the report take more than {MAX_ANSWER_BYTES} bytes with those of "
                    f"{_named(report, key)}: set a 'limit' in the queries of its tables, or export the data."
                )
    pins = [data.pin for data in sources.values()]
    return pins, as_of, json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()


def _sources(report: Report) -> list[Source]:
    return list(dict.fromkeys(question.source for question in report.questions().values()))


def _data(generated: Generated, source: Source) -> Data:
    """The version that was pinned for the source before, or else the one that is current."""
    pinned = next((pin for pin in generated.pins if (pin.kind, pin.source) == (source.kind, source.id)), None)
    if pinned is None:
        pin, location = _current(generated.account, source)
    else:
        pin = pinned
        version = stored_versions.get(generated.account, pin.dataset, pin.version)
        location = "" if version is None or version.location is None else version.location
    manifest = blobs.find(location + datasets.MANIFEST) if location else None
    if manifest is None:
        raise NotComputableError(generated_reports.gone(pin) if pinned else _deleted(source))
    return Data(pin, Manifest.from_json(manifest), location)


def _current(account_id: int, source: Source) -> tuple[Pin, str]:
    """The version that the source's data has now, and its place."""
    number = reports.id_of(source)
    if source.kind == "preparation" and number is not None:
        preparation = stored_preparations.get(account_id, number)
        if preparation is None:
            raise NotComputableError(_deleted(source))
        number = preparation.output
        if number is None:
            raise NotComputableError(f"The preparation {source.id} has no result yet: execute it first.")
    dataset = None if number is None else stored_datasets.get(account_id, number)
    if dataset is None:
        raise NotComputableError(_deleted(source))
    if dataset.status == "processing":
        raise NotComputableError(f"The data '{dataset.title}' is still being processed: try again when it is ready.")
    if dataset.location is None:
        reason = f"its file could not be read: {dataset.failure}"
        raise NotComputableError(f"The data '{dataset.title}' has no rows, because {reason}")
    pin = Pin(source.kind, source.id, dataset.id, dataset.version, dataset.title)
    return pin, dataset.location


def _deleted(source: Source) -> str:
    return f"The {source.kind} {source.id} was deleted."


def _fetched(sources: Mapping[Source, Data], folder: Path, *, deadline: float) -> dict[Source, list[tuple[Path, int]]]:
    """The Parquet files of all sources, each with its rows; of two sources that are one version only once."""
    keys = {part.key(data.location): part for data in sources.values() for part in data.manifest.parts}
    size = sum(part.bytes for part in keys.values())
    if size > MAX_PARTS_BYTES:
        raise NotComputableError(
            f"The data of the report take {size} bytes; at most {MAX_PARTS_BYTES} can be read for one: "
            "prepare smaller data of them first."
        )
    paths: dict[str, Path] = {}
    for number, key in enumerate(keys):
        if time.monotonic() > deadline:
            raise NotComputableError(f"The data of the report could not be read within {TIMEOUT_SECONDS} seconds.")
        # Parts of several versions may have one name.
        paths[key] = folder / f"{number}.parquet"
        blobs.fetch(key, paths[key])
    return {
        source: [(paths[part.key(data.location)], part.rows) for part in data.manifest.parts]
        for source, data in sources.items()
    }


def _answered(question: Question, data: Data, files: list[tuple[Path, int]], folder: Path, deadline: float) -> Result:
    """The answer to one question; InvalidError and NotComputableError tell its owner why there is none."""
    left = max(deadline - time.monotonic(), 0.0)
    if isinstance(question.query, ChartQuery):
        try:
            chart = chart_data.answer(question.query, data.manifest.columns, files, timeout_seconds=left)
        except TooSlowError as error:
            raise NotComputableError("The chart took too long: filter, or ask for less at once.") from error
        except TooMuchMemoryError as error:
            raise NotComputableError("The chart takes too much memory: filter, or group more coarsely.") from error
        return report_data.of_chart(question, data.pin.name, data.types, chart.to_json(data.pin.version))
    with tempfile.TemporaryDirectory(dir=folder) as out:
        try:
            outcome = run(
                question.query,
                data.manifest.columns,
                [path for path, _ in files],
                Path(out),
                part_rows=PART_ROWS,
                timeout_seconds=left,
            )
        except AnalysisFailedError as error:
            raise NotComputableError(str(error)) from error
        size = sum(part.stat().st_size for part in outcome.parts)
        if size > MAX_ANSWER_BYTES:
            raise NotComputableError(
                f"The rows take {size} bytes, more than the {MAX_ANSWER_BYTES} of a report: set a 'limit' in the "
                "query, or export the data."
            )
        rows = [list(json.loads(line).values()) for part in outcome.parts for line in part.read_bytes().splitlines()]
    types = outcome.columns
    return Result(
        question.source,
        data.pin.name,
        data.pin.version,
        types,
        report_data.typed(rows, list(types.values())),
        outcome.groups_total,
        data.manifest.rows,
    )


def _named(report: Report, key: str) -> str:
    """The first section that asks the question, as people find it."""
    for number, section in enumerate(report.sections, 1):
        if not isinstance(section, report_sections.Text) and section.question.key == key:
            title = section.label if isinstance(section, report_sections.KeyFigure) else section.title
            return f"Section {number}" + (f" ('{title}')" if title else "")
    raise AssertionError("unreachable: every question is a section's")
