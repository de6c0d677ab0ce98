"""One run of a job whose message has come: claimed, done, and told in the log; or left to a later attempt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fluvial import bus, clock, ids, jobs
from fluvial.log import write_line
from workers.messages import parse_job


def run_job(
    message: dict[str, Any], work: Callable[[jobs.Job], str], *, lease_milliseconds: int, name: str | None = None
) -> None:
    """Does the work, which ends the job and returns how, under a lease; nothing where the job has ended already.

    The log calls it by `name`, or by the kind of the job. LaterError while another run holds the lease. What the work
    raises gives the lease back and goes on.
    """
    account_id, job_id = parse_job(message)
    try:
        job = jobs.claim(account_id, job_id, lease_milliseconds=lease_milliseconds)
    except jobs.JobIsRunningError as error:
        # A second message for a job that runs. It must not use up the job's receives while it does.
        raise bus.LaterError(str(error), seconds=lease_milliseconds // clock.SECOND) from error
    if job is None:
        return
    try:
        outcome = work(job)
    except Exception:
        jobs.release(job)
        raise
    write_line(
        name or job.kind,
        account=ids.spell(ids.ACCOUNT, account_id),
        job=ids.spell(ids.JOB, job_id),
        attempt=job.attempt,
        outcome=outcome,
    )
