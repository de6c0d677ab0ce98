"""Jobs: what takes time. Recorded before they run, and never stuck.

queued --claim--> running --finish--> succeeded
                    |  ^ |----------> failed       a reason that a person can act on
                    |  | '----------> cancelled    what it was for is gone
           dies     '--' claimed again once the lease has ended
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fluvial import clock
from fluvial.caller import Caller
from fluvial.errors import NotFoundError
from fluvial.store import jobs as store

ENDED = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Job:
    """One run of something. Times in milliseconds; `attempt` counts the claims."""

    id: int
    account: int
    kind: str
    inputs: dict[str, Any]
    created: int
    state: str = "queued"
    attempt: int = 0
    started: int | None = None
    ended: int | None = None
    reason: str | None = None
    outputs: dict[str, Any] = field(default_factory=dict)


class JobIsRunningError(Exception):
    """Another worker holds the job, and its lease has not ended: try again later."""


def get(caller: Caller, job_id: int) -> Job:
    """The job; NotFoundError for an absent or foreign one, and for one that ended so long ago that it is forgotten."""
    job = store.get(caller.account, job_id)
    if job is None:
        raise NotFoundError("job", job_id)
    return job


def claim(account_id: int, job_id: int, *, lease_milliseconds: int, now: clock.Now = clock.now) -> Job | None:
    """The job, now running for the caller alone until the lease ends; None where it has ended, so nothing is to do."""
    moment = now()
    job = store.claim(account_id, job_id, now=moment, lease_until=moment + lease_milliseconds)
    if job is not None:
        return job
    found = store.get(account_id, job_id)
    if found is None or found.state in ENDED:
        return None
    raise JobIsRunningError(f"job {job_id} is held by another worker")


def release(job: Job) -> None:
    """Gives a job back that could not be done now, so that it need not wait for the lease's end."""
    store.release(job)
