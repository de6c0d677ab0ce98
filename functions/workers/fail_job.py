"""Dead letters of jobs -> job and its thing failed, so that nobody waits for ever. At least once; the end is one."""

from __future__ import annotations

from typing import Any

from fluvial import bus, causes, clock, ids, job_kinds, jobs
from fluvial.log import write_line
from workers.messages import parse_job, parse_stage

LEASE_MILLISECONDS = 1 * clock.MINUTE


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event of the dead letters of a queue of jobs."""
    return bus.run_batch(event, _fail)


def _fail(message: dict[str, Any]) -> None:
    account_id, job_id = parse_job(message)
    job = jobs.claim(account_id, job_id, lease_milliseconds=LEASE_MILLISECONDS, stage=parse_stage(message))
    if job is None:
        return
    with causes.of(job.cause):
        job_kinds.fail_stopped(job)
    write_line("fail_job", account=ids.spell(ids.ACCOUNT, account_id), job=ids.spell(ids.JOB, job_id), kind=job.kind)
