"""Dead letters of jobs -> job and its thing failed, so that nobody waits for ever. At least once; the end is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fluvial import analyses, bus, clock, comparisons, dataset_versions, datasets, exports, ids, jobs, sites
from fluvial.log import write_line
from fluvial.store import analyses as stored_analyses
from fluvial.store import comparisons as stored_comparisons
from fluvial.store import dataset_versions as stored_versions
from fluvial.store import datasets as stored_datasets
from fluvial.store import exports as stored_exports
from fluvial.store import jobs as stored_jobs
from workers.messages import parse_job

LEASE_MILLISECONDS = 1 * clock.MINUTE


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event of the dead letters of a queue of jobs."""
    return bus.run_batch(event, _fail)


def _fail(message: dict[str, Any]) -> None:
    account_id, job_id = parse_job(message)
    job = jobs.claim(account_id, job_id, lease_milliseconds=LEASE_MILLISECONDS)
    if job is None:
        return
    HOW[job.kind](job)
    write_line("fail_job", account=ids.spell(ids.ACCOUNT, account_id), job=ids.spell(ids.JOB, job_id), kind=job.kind)


def _fail_ingest(job: jobs.Job) -> None:
    dataset = stored_datasets.get(job.account, job.inputs["dataset"])
    version = stored_versions.get(job.account, job.inputs["dataset"], job.inputs["version"])
    if dataset is None or version is None:
        stored_jobs.cancel(job, "The dataset was deleted.", now=clock.now())
    else:
        reason = "The file could not be processed: the work on it stopped without an answer again and again."
        dataset_versions.fail(job, dataset, version, reason)


def _fail_analysis(job: jobs.Job) -> None:
    analysis = stored_analyses.get(job.account, job.inputs["analysis"])
    if analysis is None:
        stored_jobs.cancel(job, "The analysis was deleted.", now=clock.now())
    else:
        reason = "The analysis could not be run: the work on it stopped without an answer again and again."
        analyses.fail(job, analysis, reason)


def _fail_export(job: jobs.Job) -> None:
    export = stored_exports.get(job.account, job.inputs["dataset"], job.inputs["export"])
    if export is None:
        stored_jobs.cancel(job, "The data was deleted.", now=clock.now())
    else:
        reason = "The export could not be made: the work on it stopped without an answer again and again."
        exports.fail(job, export, reason)


def _fail_comparison(job: jobs.Job) -> None:
    comparison = stored_comparisons.get(job.account, job.inputs["dataset"], job.inputs["comparison"])
    if comparison is None:
        stored_jobs.cancel(job, "The data was deleted.", now=clock.now())
    else:
        reason = "The versions could not be compared: the work on it stopped without an answer again and again."
        comparisons.fail(job, comparison, reason)


def _fail_publish_site(job: jobs.Job) -> None:
    version = sites.of_job(job)
    reason = "The site could not be published: the work on it stopped without an answer again and again."
    if version is None or not sites.fail(job, version, reason):
        stored_jobs.cancel(job, "The project was deleted.", now=clock.now())


HOW: dict[str, Callable[[jobs.Job], None]] = {
    datasets.INGEST: _fail_ingest,
    analyses.ANALYSIS: _fail_analysis,
    exports.EXPORT: _fail_export,
    comparisons.COMPARISON: _fail_comparison,
    sites.PUBLISH_SITE: _fail_publish_site,
}
"""By kind of job."""
