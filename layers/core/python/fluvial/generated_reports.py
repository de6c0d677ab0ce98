"""Generated reports: what a definition said at one moment, over pinned versions of data, as files.

generate ──> queued ──compute──> computed ──render──> completed   event report.generated
                └───────┴────── fail ──────┴────────> failed      event report.failed

One job does it in two stages: COMPUTE pins the versions of the data and answers the questions, RENDER draws the files
of the answers. The definition is copied when a report is asked for, so that changing or deleting it changes nothing of
what was generated. Generated again (`regenerate`) from the same versions, it has the same hash, and with the same
formats the same bytes: it tells of the same moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fluvial import blobs, clock, dataset_versions, events, ids, jobs, reports, slugs
from fluvial.attempts import attempts
from fluvial.caller import Caller
from fluvial.errors import ConflictError, NotFoundError
from fluvial.idempotency import Once, guard
from fluvial.paging import Listed
from fluvial.store import generated_reports as store
from fluvial.store import jobs as stored_jobs

REPORT = "report"  # the kind of its jobs
COMPUTE, RENDER = "compute", "render"  # and their stages
LINK_VALID_SECONDS = clock.HOUR // clock.SECOND
ANSWERS = "answers.json"  # under the place of the run that computed them
FILES = "files/"  # under that of the run that drew them
CREATE_ATTEMPTS = 3
# What a browser shows; nothing in these files runs.
SHOWN = ("text/html", "application/pdf")


@dataclass(frozen=True, slots=True)
class Pin:
    """The version of a dataset that a source stood for; `kind` and `source` are as the definition has it."""

    kind: str
    source: str
    dataset: int
    version: int
    name: str


@dataclass(frozen=True, slots=True)
class File:
    """A file, by its path below the place of all; its size in bytes."""

    path: str
    content_type: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is generated: a definition as it was, and values for its parameters."""

    definition: dict[str, Any]
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Generated:
    """Times in milliseconds; `status` is queued, running, completed, failed or cancelled.

    `report` is its definition, which may be gone, and `name` what that was called. `pins` and `as_of` are known once
    the answers are computed, which lie at `answers`; in one that repeats another, `repeats`, from the beginning.
    `location` is the prefix of its files, `digest` the SHA-256 of what it says. `failure` says why there is none.
    """

    id: int
    account: int
    report: int
    name: str
    parameters: dict[str, Any]
    formats: tuple[str, ...]
    job: int
    created: int
    updated: int
    revision: int = 1
    status: str = "queued"
    repeats: int | None = None
    pins: tuple[Pin, ...] = ()
    as_of: int | None = None
    answers: str | None = None
    location: str | None = None
    files: tuple[File, ...] = ()
    digest: str | None = None
    ended: int | None = None
    failure: str | None = None

    def described(self) -> dict[str, Any]:
        """The generated report as events show it: without links, which would be open to whoever reads the event."""
        described: dict[str, Any] = {
            "id": ids.spell(ids.GENERATED_REPORT, self.id),
            "report_id": ids.spell(ids.REPORT, self.report),
            "job_id": ids.spell(ids.JOB, self.job),
            "name": self.name,
            "status": self.status,
            "parameters": self.parameters,
            "sources": [
                {"data_id": ids.spell(ids.DATASET, each.dataset), "data_version": each.version, "name": each.name}
                for each in self.pins
            ],
            "formats": list(self.formats),
            "files": [{"path": each.path, "bytes": each.bytes} for each in self.files],
            "hash": self.digest,
            "created_at": clock.iso(self.created),
            "ended_at": None if self.ended is None else clock.iso(self.ended),
        }
        if self.failure is not None:
            described["failure"] = {"reason": self.failure}
        return described


def generate(
    caller: Caller,
    report_id: int,
    *,
    parameters: Mapping[str, Any] | None = None,
    formats: Sequence[str] | None = None,
    once: Once[Generated] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Generated:
    """Records that a report is to be generated, by two workers in turn, over its data as it is when the first begins.

    InvalidError for parameters that the definition does not allow, or that lack.
    """
    wanted = None if formats is None else reports.checked_formats(formats)
    for _ in attempts(f"report {report_id}"):
        report = reports.get(caller, report_id)
        parsed = report.parsed()
        values = parsed.with_values(parameters).values
        moment = now()
        generated = Generated(
            id=new_id(),
            account=caller.account,
            report=report.id,
            name=report.name,
            parameters={parameter.name: value for parameter, value in values},
            formats=wanted or report.formats,
            job=new_id(),
            created=moment,
            updated=moment,
        )
        snapshot = Snapshot(parsed.given, generated.parameters)
        if store.create(generated, snapshot, _job(generated), guard(once, generated), of=report):
            return generated
        # The report was changed or deleted meanwhile, or an id is taken.
    raise AssertionError("unreachable: attempts end with an error")


def regenerate(
    caller: Caller,
    generated_id: int,
    *,
    formats: Sequence[str] | None = None,
    once: Once[Generated] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Generated:
    """Records that a completed report is to be generated once more, of the same definition, values and versions.

    ConflictError where it was not completed, or one of the versions is gone.
    """
    wanted = None if formats is None else reports.checked_formats(formats)
    before = get(caller, generated_id)
    snapshot = store.snapshot(before.account, before.id)
    if before.status != "completed" or snapshot is None:
        raise ConflictError(f"Only a completed report can be generated again: this one is {before.status}.")
    for pin in before.pins:
        try:
            dataset_versions.readable(caller, pin.dataset, pin.version)
        except (NotFoundError, ConflictError) as error:
            raise ConflictError(gone(pin)) from error
    for _ in range(CREATE_ATTEMPTS):
        moment = now()
        generated = Generated(
            id=new_id(),
            account=before.account,
            report=before.report,
            name=before.name,
            parameters=before.parameters,
            formats=wanted or before.formats,
            job=new_id(),
            created=moment,
            updated=moment,
            repeats=before.id,
            pins=before.pins,
            as_of=before.as_of,
        )
        if store.create(generated, snapshot, _job(generated), guard(once, generated)):
            return generated
    raise RuntimeError("no free id was found for a generated report")


def get(caller: Caller, generated_id: int) -> Generated:
    """The generated report; NotFoundError for an absent or foreign one."""
    generated = store.get(caller.account, generated_id)
    if generated is None:
        raise NotFoundError("generated report", generated_id)
    if generated.status == "queued":
        job = stored_jobs.get(generated.account, generated.job)
        if job is not None and (job.state == "running" or job.attempt):
            return replace(generated, status="running")
    return generated


def behind(caller: Caller, after: int | None, *, limit: int) -> Listed[Generated]:
    """At most `limit` of the account's generated reports, newest first, behind the id `after`, or from the newest on.

    One that has begun is told as queued until it ends.
    """
    found = store.behind(caller.account, after, limit=limit + 1)
    return Listed(found[:limit], len(found) > limit, store.total(caller.account))


def delete(caller: Caller, generated_id: int, *, now: clock.Now = clock.now) -> None:
    """Removes it, with the event `report.generated_deleted`; its files are swept soon after. A run is called off."""
    generated = get(caller, generated_id)
    event = events.happened(caller.account, "report.generated_deleted", generated.described(), at=now())
    if not store.delete(generated, event):
        raise NotFoundError("generated report", generated_id)


def link(generated: Generated, file: File) -> str:
    """A URL for a file, for an hour. Made anew at each call, without a call to AWS."""
    head, _, tail = file.path.rpartition("/")
    stem, _, suffix = tail.rpartition(".")
    name = slugs.of(generated.name, "report")
    return blobs.presign_download(
        f"{generated.location}{file.path}",
        filename=f"{name}-{stem}.{suffix}" if head else f"{name}.{suffix}",
        content_type=file.content_type,
        valid_seconds=LINK_VALID_SECONDS,
        shown=file.content_type.startswith(SHOWN),
    )


def gone(pin: Pin) -> str:
    """Why a report over this version cannot be generated any more."""
    return f"Version {pin.version} of '{pin.name}' is gone, so the report cannot be generated of it again."


def hand_over(
    job: jobs.Job, generated: Generated, *, pins: Sequence[Pin], as_of: int, answers: str, now: clock.Now = clock.now
) -> bool:
    """Notes what was computed and queues the job for RENDER; False where the report or the job's lease is gone."""
    computed = replace(
        generated,
        pins=tuple(pins),
        as_of=as_of,
        answers=answers,
        updated=max(now(), generated.updated),
        revision=generated.revision + 1,
    )
    return store.hand_over(job, computed, RENDER)


def finish(
    job: jobs.Job,
    generated: Generated,
    *,
    location: str,
    files: Sequence[File],
    digest: str,
    now: clock.Now = clock.now,
) -> bool:
    """Points at the files that the job made, with `report.generated`; False where report or lease are gone."""
    found = replace(generated, status="completed", location=location, files=tuple(files), digest=digest)
    return _end(job, found, "report.generated", now)


def fail(
    job: jobs.Job, generated: Generated, reason: str, *, state: jobs.Unfinished = "failed", now: clock.Now = clock.now
) -> bool:
    """Ends report and job as failed or cancelled, with `report.failed`; False where the report or the job is gone."""
    return _end(job, replace(generated, status=state, failure=reason), "report.failed", now)


def sweep(account_id: int, generated_id: int) -> None:
    """Removes what a deleted one leaves behind. Safe to repeat."""
    blobs.delete_all(blobs.report(account_id, generated_id))


def _job(generated: Generated) -> jobs.Job:
    inputs = {"report": generated.report, "generated_report": generated.id}
    return jobs.Job(generated.job, generated.account, REPORT, inputs, generated.created, stage=COMPUTE)


def _end(job: jobs.Job, generated: Generated, event_type: str, now: clock.Now) -> bool:
    moment = max(now(), generated.updated)
    ended = replace(generated, updated=moment, ended=moment, revision=generated.revision + 1)
    return store.end(job, ended, events.happened(ended.account, event_type, ended.described(), at=moment))
