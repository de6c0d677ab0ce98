"""Executions of preparations: the versions of their inputs are pinned, then a worker makes the output's next version.

    execute   preparation (executing), job (queued), version (processing) of the output, which is made with the first
        │     one: one transaction
        ├─ finish: the output points at its new version     events data.processed, preparation.completed
        ├─ finish, without rows: recipe and inputs are those of the current version, which stays; the same events
        ├─ fail:   with a reason, the output as it was      events data.failed, preparation.failed
        └─ cancel: as fail, but cancelled

Each end is one transaction that only the holder of the job's lease can make, so readers of the output see the version
before or the new one. An execution is its job: what it tells there goes with the job, its report lies in the bucket.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from fluvial import blobs, clock, dataset_versions, datasets, events, ids, jobs, preparations, projects, steps
from fluvial.attempts import attempts
from fluvial.caller import Caller
from fluvial.dataset_versions import Found, MadeBy, Version
from fluvial.errors import ConflictError, NotFoundError
from fluvial.idempotency import Once, guard
from fluvial.paging import Scanned
from fluvial.preparations import CANCELLED, COMPLETED, EXECUTING, FAILED, Preparation
from fluvial.steps import Lineage, Pin
from fluvial.store import dataset_versions as stored_versions
from fluvial.store import datasets as stored_datasets
from fluvial.store import jobs as stored_jobs
from fluvial.store import preparations as store
from fluvial.store.table import Action

PREPARATION = "preparation"  # the kind of its jobs
REPORT = "report.json"  # under what a run tells in the bucket
OUTPUT_GONE = "The output was deleted while the preparation was executed: execute it again, and it is made anew."
DELETED = "The preparation was deleted."


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker has to do: an execution's job, its preparation, and the version that it is to make."""

    job: jobs.Job
    preparation: Preparation
    output: datasets.Dataset
    version: Version

    @property
    def made_by(self) -> MadeBy:
        if self.version.made_by is None:
            raise AssertionError("unreachable: an execution's version says what makes it")
        return self.version.made_by


@dataclass(frozen=True, slots=True)
class Report:
    """What an execution did: of each step that was done what `engine.preparation.StepReport` tells, as JSON values.

    Without steps where nothing was run: it has not begun, was recognised as made already, or failed before.
    """

    job: jobs.Job
    steps: list[dict[str, Any]]
    lineage: dict[str, Any] | None = None
    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None


def execute(
    caller: Caller,
    preparation_id: int,
    *,
    once: Once[jobs.Job] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> jobs.Job:
    """Records an execution over the inputs as they are now, which a worker does.

    ConflictError while another is under way, while the output is being imported into, and where an input has no rows.
    """
    for _ in attempts(f"preparation {preparation_id}"):
        preparation = preparations.get(caller, preparation_id)
        if preparation.status == EXECUTING:
            raise ConflictError("The preparation is being executed already: wait until that execution has ended.")
        moment = max(now(), preparation.updated)
        pins = _pins(caller, preparation)
        output = _output(caller, preparation)
        job_id = new_id()
        version = _version(caller, preparation, output, pins, job_id, moment)
        made = None if output is not None else _new_output(caller, preparation, version, new_id(), moment)
        if made is not None:
            version = replace(version, dataset=made.id)
        inputs = {
            "preparation": preparation.id,
            "dataset": version.dataset,
            "version": version.number,
        }
        job = jobs.Job(job_id, caller.account, PREPARATION, inputs, moment)
        executing = replace(
            preparation,
            status=EXECUTING,
            output=version.dataset,
            job=job.id,
            ended=None,
            version=None,
            rows=None,
            same=None,
            failure=None,
            updated=moment,
            revision=preparation.revision + 1,
        )
        event = None
        if made is not None:
            event = events.happened(caller.account, "data.uploaded", made.described(), at=moment)
        if store.begin(executing, job, version, made, event, guard(once, job)):
            return job
    raise AssertionError("unreachable: attempts end with an error")


def behind(caller: Caller, preparation_id: int, after: int | None, *, limit: int) -> Scanned[jobs.Job]:
    """At most `limit` executions behind the job `after`, newest first.

    One that ended so long ago that its job is forgotten is in no list.
    """
    preparation = preparations.get(caller, preparation_id)
    # One more than wanted tells whether anything follows.
    found = store.executions(preparation.account, preparation.id, before=after, limit=limit + 1)
    following = found[limit - 1] if len(found) > limit else None
    return Scanned(stored_jobs.some(preparation.account, found[:limit]), following)


def report(caller: Caller, preparation_id: int, job_id: int | None = None) -> Report:
    """What an execution did, by default the last one. NotFoundError for one that is not this preparation's.

    One read of the bucket. ConflictError where there was no execution yet; ForbiddenError for a key that may not read
    data, of which a report has samples.
    """
    caller.require(preparations.NEEDED_SCOPE)
    preparation = preparations.get(caller, preparation_id)
    wanted = preparation.job if job_id is None else job_id
    if wanted is None:
        raise ConflictError("The preparation has no report yet: execute it first.")
    job = stored_jobs.get(preparation.account, wanted)
    if job is None or job.kind != PREPARATION or job.inputs["preparation"] != preparation.id:
        raise NotFoundError("job", wanted)
    told = blobs.find(report_key(job)) if job.state in jobs.ENDED else None
    return Report(job, []) if told is None else Report(job, **json.loads(told))


def report_key(job: jobs.Job) -> str:
    """Where this run of an execution tells what it did."""
    return f"{blobs.execution(job.account, job.inputs['preparation'], job.id)}{job.attempt}/{REPORT}"


def lineage(recipe: Mapping[str, Any], inputs: Mapping[str, tuple[int, int]]) -> Lineage:
    """What an execution of the recipe over these versions of datasets is recognised by."""
    pins = {name: Pin(ids.spell(ids.DATASET, dataset), version) for name, (dataset, version) in inputs.items()}
    return steps.lineage(steps.parse(recipe), pins)


def work(job: jobs.Job) -> Work | None:
    """What the job, which the caller has claimed, is to do; None where it is over, and has been ended so.

    The preparation may have been deleted since, or its output.
    """
    preparation = store.get(job.account, job.inputs["preparation"])
    if preparation is None or preparation.job != job.id:
        call_off(job)
        return None
    output, version = _made(job)
    if output is None or version is None:
        fail(job, preparation, OUTPUT_GONE)
        return None
    return Work(job, preparation, output, version)


def finish(work: Work, found: Found | None, *, now: clock.Now = clock.now) -> bool:
    """Points the output at what was made; without, ends as recognised: the current version was made by the same.

    False where nothing was changed of the output: it, the preparation or the job's lease is gone.
    """
    told: dict[str, Any] = {"status": COMPLETED, "failure": None, "same": found is None}
    if found is None:
        told |= {"version": work.output.version, "rows": work.output.rows}
    else:
        told |= {"version": work.version.number, "rows": found.rows}
    done = _end(work.job, work.preparation, work.output, work.version, told, found=found, now=now)
    if done == "output_gone":
        fail(work.job, work.preparation, OUTPUT_GONE, now=now)
    return done == "ended"


def fail(
    job: jobs.Job,
    preparation: Preparation,
    reason: str,
    *,
    state: jobs.Unfinished = "failed",
    now: clock.Now = clock.now,
) -> bool:
    """Ends the execution as failed or cancelled, the output as it was; False where the job is another's by now."""
    told = {"status": CANCELLED if state == "cancelled" else FAILED, "failure": reason}
    output, version = _made(job)
    done = _end(job, preparation, output, version, told, now=now)
    if done == "output_gone":
        done = _end(job, preparation, None, None, told, now=now)
    return done == "ended"


def call_off(job: jobs.Job, *, now: clock.Now = clock.now) -> bool:
    """Ends the execution of a preparation that is gone, and frees its output; False where the lease is gone."""
    moment = now()
    output, version = _made(job)
    if output is not None and version is not None:
        outcome = dataset_versions.outcome(output, version, moment=moment, failure=DELETED)
        if store.call_off(job, outcome, reason=DELETED, now=moment):
            return True
    # Without the output, or overtaken; then this changes nothing.
    return stored_jobs.cancel(job, DELETED, now=moment)


def _made(job: jobs.Job) -> tuple[datasets.Dataset | None, Version | None]:
    """The output, and the version of it that the job is to make; None of what was deleted."""
    dataset_id, number = job.inputs["dataset"], job.inputs["version"]
    return stored_datasets.get(job.account, dataset_id), stored_versions.get(job.account, dataset_id, number)


def _end(
    job: jobs.Job,
    preparation: Preparation | None,
    output: datasets.Dataset | None,
    version: Version | None,
    told: Mapping[str, Any],
    *,
    now: clock.Now,
    found: Found | None = None,
) -> Literal["ended", "output_gone", "overtaken"]:
    for _ in attempts(f"preparation {job.inputs['preparation']}"):
        if preparation is None or preparation.job != job.id or preparation.status != EXECUTING:
            # It was deleted, or cancelled, while this ran.
            call_off(job, now=now)
            return "overtaken"
        moment = max(now(), preparation.updated)
        ended, event = _ended(preparation, told, moment)
        outcome: list[Action] = []
        if output is not None and version is not None:
            failure = told["failure"]
            outcome = dataset_versions.outcome(output, version, moment=moment, found=found, failure=failure)
        done = store.end(job, ended, event, outcome, now=moment)
        if done != "changed":
            return done
        # Its name was changed meanwhile, or it was deleted.
        preparation = store.get(job.account, preparation.id)
    raise AssertionError("unreachable: attempts end with an error")


def _ended(preparation: Preparation, told: Mapping[str, Any], moment: int) -> tuple[Preparation, events.Event]:
    ended = replace(preparation, **told, ended=moment, updated=moment, revision=preparation.revision + 1)
    type_ = "preparation.completed" if ended.status == COMPLETED else "preparation.failed"
    return ended, events.happened(ended.account, type_, ended.described(), at=moment)


def _pins(caller: Caller, preparation: Preparation) -> dict[str, tuple[int, int]]:
    """Dataset and version of each input, as they are now."""
    return {
        name: (each.dataset, preparations.readable(caller, name, each).version)
        for name, each in preparation.inputs.items()
    }


def _output(caller: Caller, preparation: Preparation) -> datasets.Dataset | None:
    """The output, if it is there and can take a version now; None where it has to be made, perhaps anew."""
    if preparation.output is None:
        return None
    try:
        output = datasets.get(caller, preparation.output)
    except NotFoundError:
        return None
    if output.importing is not None:
        raise ConflictError("The output is being imported into: wait until that import has ended.")
    return output


def _version(
    caller: Caller,
    preparation: Preparation,
    output: datasets.Dataset | None,
    pins: Mapping[str, tuple[int, int]],
    job_id: int,
    moment: int,
) -> Version:
    known = lineage(preparation.recipe, pins)
    return Version(
        account=caller.account,
        dataset=0 if output is None else output.id,
        number=1 if output is None else output.latest + 1,
        job=job_id,
        by=caller.user,
        mode=dataset_versions.PREPARE,
        created=moment,
        filename=preparation.title,
        size=0,
        source="",
        parent=0 if output is None else output.version,
        made_by=MadeBy(preparation.id, preparation.revision, known.sha256, known.recipe_sha256, dict(pins)),
    )


def _new_output(
    caller: Caller, preparation: Preparation, version: Version, dataset_id: int, moment: int
) -> datasets.Dataset:
    try:
        project = (
            projects.default(caller)
            if preparation.output_project is None
            else projects.get(caller, preparation.output_project)
        )
    except NotFoundError as error:
        reason = "The project of the output was deleted: give the preparation another one, and execute it again."
        raise ConflictError(reason, field="output.project") from error
    return datasets.Dataset(
        id=dataset_id,
        account=caller.account,
        project=project.id,
        job=version.job,
        incoming="",
        filename=preparation.title,
        size=0,
        created=moment,
        updated=moment,
        name=preparation.title,
        importing=version.job,
    )
