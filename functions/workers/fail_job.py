"""Dead letters of ingest -> job and dataset failed, so that nobody waits for ever. At least once; the end is one."""

from __future__ import annotations

from typing import Any

from fluvial import bus, clock, datasets, ids, jobs
from fluvial.log import write_line
from fluvial.store import datasets as store
from fluvial.store import jobs as stored_jobs
from workers.messages import parse_job

REASON = "The file could not be processed: the work on it stopped without an answer again and again."
LEASE_MILLISECONDS = 1 * clock.MINUTE


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event of the ingest queue's dead letters."""
    return bus.run_batch(event, _fail)


def _fail(message: dict[str, Any]) -> None:
    account_id, job_id = parse_job(message)
    job = jobs.claim(account_id, job_id, lease_milliseconds=LEASE_MILLISECONDS)
    if job is None:
        return
    dataset = store.get(job.account, job.inputs["dataset"])
    if dataset is None:
        stored_jobs.cancel(job, "The dataset was deleted.", now=clock.now())
    else:
        datasets.fail(job, dataset, REASON)
    write_line("fail_job", account=ids.spell(ids.ACCOUNT, account_id), job=ids.spell(ids.JOB, job_id))
