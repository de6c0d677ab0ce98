"""Stage two of a report that is to be generated: its answers -> a page, a PDF, a workbook and CSV files in the bucket.

Nothing is computed here, so this needs no engine, for which there is no room beside what draws.

At least once, and the outcome exactly once: report, job and event change in one transaction that only the holder of
the job's lease can make. Each run writes under a prefix of its own; what a dead one left goes with the next, but for
the answers. A worker that dies leaves a lease behind; its message comes back after it. One that dies again and again
is ended by fail_job.
"""

from __future__ import annotations

import json
from typing import Any

from fluvial import blobs, bus, clock, generated_reports, jobs, report_data, report_sections
from fluvial.config import settings
from fluvial.errors import InvalidError
from fluvial.generated_reports import File, Generated, Snapshot
from fluvial.report_render import render
from fluvial.report_render.spreadsheets import SheetError
from fluvial.store import generated_reports as store
from fluvial.store import jobs as stored_jobs
from workers.running import OVERTAKEN, run_job

LEASE_MILLISECONDS = 6 * clock.MINUTE  # longer than the function's time-out, shorter than the queue's visibility
RETRY_SECONDS = 30
DELETED = "The generated report was deleted."


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event whose bodies are EventBridge events of report jobs that are to be rendered."""
    queue_url = settings().need("render_report_queue_url")
    return bus.run_batch(event, _run, queue_url=queue_url, retry_seconds=RETRY_SECONDS)


def _run(message: dict[str, Any]) -> None:
    run_job(message, _render, lease_milliseconds=LEASE_MILLISECONDS, name="render_report")


def _render(job: jobs.Job) -> str:
    generated_id = job.inputs["generated_report"]
    generated, snapshot = store.get(job.account, generated_id), store.snapshot(job.account, generated_id)
    # Whatever ran before is dead: this attempt was claimed after its lease had ended. Its answers are what is drawn.
    blobs.delete_all(blobs.report(job.account, generated_id), but=generated.answers if generated else None)
    if generated is None or snapshot is None:
        stored_jobs.cancel(job, DELETED, now=clock.now())
        return "cancelled"
    location = blobs.report_run(job.account, generated_id, job.id, job.attempt) + generated_reports.FILES
    try:
        files, digest = _draw(generated, snapshot, location)
    except (InvalidError, SheetError) as error:
        outcome = "failed" if generated_reports.fail(job, generated, str(error)) else OVERTAKEN
    else:
        done = generated_reports.finish(job, generated, location=location, files=files, digest=digest)
        outcome = "succeeded" if done else OVERTAKEN
    if outcome == OVERTAKEN:
        # Another worker has the job, or the report was deleted meanwhile: what this run made belongs to nobody.
        blobs.delete_all(location)
    return outcome


def _draw(generated: Generated, snapshot: Snapshot, location: str) -> tuple[list[File], str]:
    """Stores the files; returns what they are, and the SHA-256 of what they say."""
    if generated.answers is None or generated.as_of is None:
        raise AssertionError("unreachable: a report is handed over with its answers")
    report = report_sections.parse(snapshot.definition).with_values(snapshot.parameters)
    answers = json.loads(blobs.get(generated.answers))
    results = {key: report_data.from_json(answer) for key, answer in answers.items()}
    files = []
    for file in render(report, results, made=generated.as_of, formats=generated.formats):
        blobs.put(location + file.path, file.content, content_type=file.content_type)
        files.append(File(file.path, file.content_type, len(file.content)))
    return files, report_data.digest(report, results)
