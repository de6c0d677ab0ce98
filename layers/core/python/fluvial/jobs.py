"""Jobs: what takes time. Recorded before they run, and never stuck.

queued --claim--> running --finish--> succeeded
  |                 |  ^ |----------> failed       a reason that a person can act on
  '-----------------+--+-'----------> cancelled    somebody called it off, or what it was for is gone
           dies     '--' claimed again once the lease has ended

One of several stages is queued again with the next stage when one is done (`hand_over`), for a worker of that stage.
What an earlier stage's message finds by then is not its own, and stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from fluvial import causes, clock, ids
from fluvial.caller import Caller
from fluvial.causes import Cause
from fluvial.errors import NotFoundError
from fluvial.paging import Scanned
from fluvial.store import jobs as store

STATES = ("queued", "running", "succeeded", "failed", "cancelled")
ENDED = ("succeeded", "failed", "cancelled")
Unfinished = Literal["failed", "cancelled"]
"""How a job ends that did not succeed."""
MAX_LOOKED_AT = 1_000

# What jobs name in their inputs and outputs, with the prefix of its ids; None for what is no id.
NAMED: dict[str, str | None] = {
    "analysis": ids.ANALYSIS,
    "automation": ids.AUTOMATION,
    "comparison": ids.COMPARISON,
    "dataset": ids.DATASET,
    "export": ids.EXPORT,
    "generated_report": ids.GENERATED_REPORT,
    "number": None,
    "preparation": ids.PREPARATION,
    "project": ids.PROJECT,
    "report": ids.REPORT,
    "rows": None,
    "run": ids.RUN,
    "same": None,
    "version": None,
}


@dataclass(frozen=True, slots=True)
class Job:
    """One run of something. Times in milliseconds; `attempt` counts the claims, of all stages together.

    `stage` is what is to be done now of a job that several workers do one after the other; None for the work of one.
    `cause` is the run of an automation that wanted it, if one did.
    """

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
    stage: str | None = None
    cause: Cause | None = field(default_factory=causes.current)


class JobIsRunningError(Exception):
    """Another worker holds the job, and its lease has not ended: try again later."""


def get(caller: Caller, job_id: int) -> Job:
    """The job; NotFoundError for an absent or foreign one, and for one that ended so long ago that it is forgotten."""
    job = store.get(caller.account, job_id)
    if job is None:
        raise NotFoundError("job", job_id)
    return job


def behind(caller: Caller, after: int | None, *, limit: int, state: str | None = None) -> Scanned[Job]:
    """At most `limit` of the account's jobs behind the one with the id `after`, newest first; of one `state` only.

    It looks at MAX_LOOKED_AT jobs at most, so that a page costs the same whatever it finds: `next` says where to go
    on, also where there is little or nothing in it. At most that many reads of half a kilobyte each.
    """
    looked_at = limit if state is None else MAX_LOOKED_AT
    # One more than wanted tells whether anything follows.
    found = store.behind(caller.account, after, limit=looked_at + 1)
    seen = found[:looked_at]
    items = [job for job in seen if state in (None, job.state)]
    if len(items) > limit:
        items = items[:limit]
        return Scanned(items, items[-1].id)
    return Scanned(items, seen[-1].id if len(found) > looked_at else None)


def claim(
    account_id: int, job_id: int, *, lease_milliseconds: int, stage: str | None = None, now: clock.Now = clock.now
) -> Job | None:
    """The job, now running for the caller alone until the lease ends.

    None where nothing is to do: it has ended, or is at another stage than the caller's.
    """
    moment = now()
    job = store.claim(account_id, job_id, stage=stage, now=moment, lease_until=moment + lease_milliseconds)
    if job is not None:
        return job
    found = store.get(account_id, job_id)
    if found is None or found.state in ENDED or found.stage != stage:
        return None
    raise JobIsRunningError(f"job {job_id} is held by another worker")


def hand_over(job: Job, stage: str) -> bool:
    """Queues the job for the worker of its next stage; False where its lease is gone.

    A stage that has an effect of its own does both in one transaction, with `store.jobs.handing_over`.
    """
    return store.hand_over(job, stage)


def release(job: Job) -> None:
    """Gives a job back that could not be done now, so that it need not wait for the lease's end."""
    store.release(job)
