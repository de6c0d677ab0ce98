"""The published pages of a project -> a version of its site: snapshot, HTML and stylesheet.

At least once, and the outcome exactly once: version, project, job and event change in one transaction that only the
holder of the job's lease can make. Each run writes under a prefix of its own, which nobody sees before that transaction
names it. A worker that dies leaves a lease behind; its message comes back after it, and what it had written is removed
by the run that follows. One that dies again and again is ended by fail_job.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from fluvial import blobs, bus, clock, jobs, projects, sites, snapshots
from fluvial.config import settings
from fluvial.errors import ConflictError, FluvialError
from fluvial.previews import CONTENT_TYPES
from fluvial.site_html import MAX_FILES, count_files, render
from fluvial.snapshots import Snapshot
from fluvial.store import jobs as stored_jobs
from fluvial.store import projects as projects_store
from workers.running import run_job

LEASE_MILLISECONDS = 4 * clock.MINUTE  # longer than the function's time-out, shorter than the queue's visibility
UPLOADS_AT_ONCE = 8
GONE = "The project was deleted."
RETRY_SECONDS = 30
LOST = "lost"
BATCH = 64  # files held in memory at a time


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event whose bodies are EventBridge events of publish_site jobs."""
    return bus.run_batch(event, _run, queue_url=settings().need("publish_site_queue_url"), retry_seconds=RETRY_SECONDS)


def _run(message: dict[str, Any]) -> None:
    run_job(message, _publish, lease_milliseconds=LEASE_MILLISECONDS)


def _publish(job: jobs.Job) -> str:
    version = sites.of_job(job)
    project = projects_store.get(job.account, job.inputs["project"])
    if version is None or project is None:
        stored_jobs.cancel(job, GONE, now=clock.now())
        # The run before this one may have died after the project's files were swept.
        blobs.delete_all(blobs.sites(job.account, job.inputs["project"]))
        return "cancelled"
    if job.attempt > 1:
        # The run before this one died: its lease has ended, and its function's time-out lies before that.
        blobs.delete_all(blobs.site_runs(job.account, version.project, version.number))
    return _make(job, version, project)


def _make(job: jobs.Job, version: sites.Version, project: projects.Project) -> str:
    """Takes the snapshot, stores all files and ends the job; returns how it ended."""
    location = blobs.site_version(job.account, version.project, version.number, job.attempt)
    try:
        snapshot = sites.take(project)
        _check_files(snapshot)
    except FluvialError as error:
        # The pages changed since they were found good for publishing.
        outcome = "failed" if sites.fail(job, version, str(error)) else LOST
    else:
        _store(snapshot, location)
        outcome = sites.finish(job, version, snapshot, location=location)
    if outcome == LOST:
        # Another worker has the job, and then this changes nothing of it; or the project was deleted meanwhile.
        blobs.delete_all(location)
        stored_jobs.cancel(job, GONE, now=clock.now())
    return outcome


def _check_files(snapshot: Snapshot) -> None:
    files = count_files(snapshot)
    if files > MAX_FILES:
        reason = f"Pages in all languages make {files} files, and a version has at most {MAX_FILES}."
        raise ConflictError(reason)


def _store(snapshot: Snapshot, location: str) -> None:
    def put(file: tuple[str, bytes]) -> None:
        path, data = file
        blobs.put(f"{location}{sites.PUBLIC}{path}", data, content_type=CONTENT_TYPES[path.rpartition(".")[2]])

    files: Iterator[tuple[str, bytes]] = render(snapshot)
    with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
        while batch := list(islice(files, BATCH)):
            list(pool.map(put, batch))
    blobs.put(f"{location}{sites.SNAPSHOT}", snapshots.spell(snapshot), content_type="application/json")
