"""One run of a job whose message has come: claimed, done, and told in the log; or left to a later attempt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fluvial import bus, causes, clock, ids, jobs
from fluvial.log import write_line
from fluvial.store import jobs as stored_jobs
from workers.messages import parse_job, parse_stage

OVERTAKEN = "overtaken"
"""How a run ends whose outcome nobody waits for any more."""


def run_job(
    message: dict[str, Any], work: Callable[[jobs.Job], str], *, lease_milliseconds: int, name: str | None = None
) -> None:
    """Does the work, which ends the job and returns how, under a lease; nothing where the job has ended already.

    Of a job of several stages that is the stage of the message: one that is over is not done again. A job that was
    overtaken, but by no other run, is cancelled.

    The log calls it by `name`, or by the kind of the job. LaterError while another run holds the lease. What the work
    raises gives the lease back and goes on.
    """
    account_id, job_id = parse_job(message)
    try:
        job = jobs.claim(account_id, job_id, lease_milliseconds=lease_milliseconds, stage=parse_stage(message))
    except jobs.JobIsRunningError as error:
        # A second message for a job that runs. It must not use up the job's receives while it does.
        raise bus.LaterError(str(error), seconds=lease_milliseconds // clock.SECOND) from error
    if job is None:
        return
    try:
        with causes.of(job.cause):
            outcome = work(job)
    except Exception:
        jobs.release(job)
        raise
    if outcome == OVERTAKEN:
        # Another run has the job, and then this changes nothing of it; or what it was for was deleted meanwhile.
        stored_jobs.cancel(job, "What it was for was deleted.", now=clock.now())
    write_line(
        name or job.kind,
        account=ids.spell(ids.ACCOUNT, account_id),
        job=ids.spell(ids.JOB, job_id),
        attempt=job.attempt,
        outcome=outcome,
    )
