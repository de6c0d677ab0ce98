"""Kinds of jobs: how each ends together with what it was to make, in one transaction.

Used where no worker ends the job: its worker died again and again (`fail_stopped`), or somebody calls it off
(`cancel`). A kind is one entry of KINDS. What ends its things imports it, so that nothing else imports this module but
who ends jobs of any kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fluvial import (
    analyses,
    automation_runs,
    clock,
    comparisons,
    dataset_versions,
    datasets,
    executions,
    exports,
    generated_reports,
    jobs,
    sites,
)
from fluvial.attempts import attempts
from fluvial.caller import Caller
from fluvial.errors import ConflictError
from fluvial.idempotency import Once, guard
from fluvial.store import analyses as stored_analyses
from fluvial.store import automation_runs as stored_runs
from fluvial.store import comparisons as stored_comparisons
from fluvial.store import dataset_versions as stored_versions
from fluvial.store import datasets as stored_datasets
from fluvial.store import exports as stored_exports
from fluvial.store import generated_reports as stored_generated
from fluvial.store import jobs as stored_jobs
from fluvial.store import preparations as stored_preparations

CANCELLED = "It was cancelled."


@dataclass(frozen=True, slots=True)
class Kind:
    """`stopped` begins the sentence about one whose worker kept dying.

    `end` ends job and thing with the reason, the job in the state; False where the job is another's by now. Where the
    thing is gone, the job ends as cancelled.
    """

    stopped: str
    end: Callable[[jobs.Job, str, jobs.Unfinished], bool]


def fail_stopped(job: jobs.Job) -> bool:
    """Ends a job as failed whose worker died again and again; False where it is another's by now."""
    kind = KINDS[job.kind]
    return kind.end(job, f"{kind.stopped}: the work on it stopped without an answer again and again.", "failed")


def cancel(caller: Caller, job_id: int, *, once: Once[jobs.Job] | None = None) -> jobs.Job:
    """Calls a job off that waits or runs: it and its thing end together. A worker that runs it drops what it made.

    Cancelling it again changes nothing. ConflictError where it has ended otherwise.
    """
    for _ in attempts(f"job {job_id}"):
        job = jobs.get(caller, job_id)
        if job.state == "cancelled":
            # The effect is there, whoever had it: the answer is kept alone.
            stored_jobs.note(guard(once, job))
            return job
        if job.state in jobs.ENDED:
            raise ConflictError(f"The job has ended already: it is {job.state}.")
        KINDS[job.kind].end(job, CANCELLED, "cancelled")
    raise AssertionError("unreachable: attempts end with an error")


def gone(job: jobs.Job, reason: str) -> bool:
    """Ends a job whose thing was deleted; False where it is another's by now."""
    return stored_jobs.cancel(job, reason, now=clock.now())


def _end_ingest(job: jobs.Job, reason: str, state: jobs.Unfinished) -> bool:
    dataset = stored_datasets.get(job.account, job.inputs["dataset"])
    version = stored_versions.get(job.account, job.inputs["dataset"], job.inputs["version"])
    if dataset is None or version is None:
        return gone(job, "The dataset was deleted.")
    return dataset_versions.fail(job, dataset, version, reason, state=state)


def _end_analysis(job: jobs.Job, reason: str, state: jobs.Unfinished) -> bool:
    analysis = stored_analyses.get(job.account, job.inputs["analysis"])
    if analysis is None:
        return gone(job, "The analysis was deleted.")
    return analyses.fail(job, analysis, reason, state=state)


def _end_export(job: jobs.Job, reason: str, state: jobs.Unfinished) -> bool:
    export = stored_exports.get(job.account, job.inputs["dataset"], job.inputs["export"])
    return gone(job, "The data was deleted.") if export is None else exports.fail(job, export, reason, state=state)


def _end_comparison(job: jobs.Job, reason: str, state: jobs.Unfinished) -> bool:
    comparison = stored_comparisons.get(job.account, job.inputs["dataset"], job.inputs["comparison"])
    if comparison is None:
        return gone(job, "The data was deleted.")
    return comparisons.fail(job, comparison, reason, state=state)


def _end_publish_site(job: jobs.Job, reason: str, state: jobs.Unfinished) -> bool:
    version = sites.of_job(job)
    ended = version is not None and sites.fail(job, version, reason, state=state)
    return ended or gone(job, "The project was deleted.")


def _end_automation(job: jobs.Job, reason: str, state: jobs.Unfinished) -> bool:
    run = stored_runs.get(job.account, job.inputs["run"])
    if run is None:
        return gone(job, automation_runs.GONE)
    return automation_runs.fail(job, run, reason, state=state)


def _end_preparation(job: jobs.Job, reason: str, state: jobs.Unfinished) -> bool:
    preparation = stored_preparations.get(job.account, job.inputs["preparation"])
    if preparation is None:
        return executions.call_off(job)
    return executions.fail(job, preparation, reason, state=state)


def _end_report(job: jobs.Job, reason: str, state: jobs.Unfinished) -> bool:
    generated = stored_generated.get(job.account, job.inputs["generated_report"])
    if generated is None:
        return gone(job, "The generated report was deleted.")
    return generated_reports.fail(job, generated, reason, state=state)


KINDS: dict[str, Kind] = {
    datasets.INGEST: Kind("The file could not be processed", _end_ingest),
    analyses.ANALYSIS: Kind("The analysis could not be run", _end_analysis),
    automation_runs.AUTOMATION: Kind("The automation could not be run", _end_automation),
    exports.EXPORT: Kind("The export could not be made", _end_export),
    comparisons.COMPARISON: Kind("The versions could not be compared", _end_comparison),
    executions.PREPARATION: Kind("The preparation could not be executed", _end_preparation),
    generated_reports.REPORT: Kind("The report could not be generated", _end_report),
    sites.PUBLISH_SITE: Kind("The site could not be published", _end_publish_site),
}
"""By the name of the kind."""
