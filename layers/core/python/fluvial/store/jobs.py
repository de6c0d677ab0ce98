"""Jobs in the table. A new job item, and one that is handed over, is carried to its worker by the table's stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fluvial import causes, clock, jobs
from fluvial.store import keys, table
from fluvial.store.attributes import Item

TYPE = "job"

# After that an ended job may go; its outcome stands in what it made.
KEPT_MILLISECONDS = 90 * clock.DAY


def creation(job: jobs.Job) -> table.Action:
    """The action that records the job, for the transaction of its cause."""
    return table.put(
        _key(job.account, job.id),
        {
            "type": TYPE,
            "id": job.id,
            "account": job.account,
            "kind": job.kind,
            "inputs": json.dumps(job.inputs),
            "created": job.created,
            "state": job.state,
            "attempt": job.attempt,
            "stage": job.stage,
            "cause": job.cause.to_json() if job.cause else None,
            "lease_until": 0,
            "expires": (job.created + KEPT_MILLISECONDS) // clock.SECOND,
        },
    )


def get(account_id: int, job_id: int) -> jobs.Job | None:
    item = table.get(_key(account_id, job_id))
    return _from_item(item) if item else None


def some(account_id: int, job_ids: Sequence[int]) -> list[jobs.Job]:
    """These jobs, in the order asked for; those that are forgotten are left out."""
    return [_from_item(item) for item in table.batch_get([_key(account_id, job_id) for job_id in job_ids])]


def claim(account_id: int, job_id: int, *, stage: str | None, now: int, lease_until: int) -> jobs.Job | None:
    """Takes the job if it is at this stage, and queued, or running under a lease that has ended; else None."""
    nobody_had_it = "#state = :queued"
    whoever_had_it_died = "#state = :running AND lease_until < :now"
    it_is_at_this_stage = "stage = :stage" if stage is not None else "attribute_not_exists(stage)"
    try:
        item = table.write(
            table.update(
                _key(account_id, job_id),
                "SET #state = :running, lease_until = :lease_until, started = :now ADD attempt :one",
                f"({nobody_had_it} OR ({whoever_had_it_died})) AND {it_is_at_this_stage}",
                {"#state": "state"},
                **({} if stage is None else {"stage": stage}),
                queued="queued",
                running="running",
                now=now,
                lease_until=lease_until,
                one=1,
            )
        )
    except table.ConditionError:
        return None
    return _from_item(item)


def release(job: jobs.Job) -> None:
    """Ends the lease of this attempt; if another has it by now, nothing changes."""
    try:
        table.write(
            table.update(
                _key(job.account, job.id),
                "SET lease_until = :zero",
                _STILL_OURS,
                {"#state": "state"},
                zero=0,
                running="running",
                attempt=job.attempt,
            )
        )
    except table.ConditionError:
        return


def beginning(job: jobs.Job, *, now: int, lease_until: int) -> table.Action:
    """The action that begins a job that waits, for the transaction that says so of its thing; its attempt is the first.

    For work that is watched by other means than the lease, and may take longer than ended jobs are kept.
    """
    nobody_had_it = "#state = :queued AND attempt = :zero"
    return table.update(
        _key(job.account, job.id),
        "SET #state = :running, lease_until = :lease_until, started = :now, attempt = :one, expires = :expires",
        nobody_had_it,
        {"#state": "state"},
        queued="queued",
        zero=0,
        running="running",
        one=1,
        now=now,
        lease_until=lease_until,
        expires=(lease_until + KEPT_MILLISECONDS) // clock.SECOND,
    )


def handing_over(job: jobs.Job, stage: str) -> table.Action:
    """The action that queues the job of this attempt for its next stage, for the transaction of this one's effect."""
    return table.update(
        _key(job.account, job.id),
        "SET #state = :queued, stage = :stage, lease_until = :zero",
        _STILL_OURS,
        {"#state": "state"},
        queued="queued",
        stage=stage,
        zero=0,
        running="running",
        attempt=job.attempt,
    )


def hand_over(job: jobs.Job, stage: str) -> bool:
    """Queues the job for its next stage; False where another worker has it by now."""
    try:
        table.write(handing_over(job, stage))
    except table.ConditionError:
        return False
    return True


def ending(job: jobs.Job, state: str, *, now: int, reason: str | None = None, **outputs: Any) -> table.Action:
    """The action that ends this attempt, for the transaction of its effect.

    Of a job that was read and not claimed, such as one that waits: if nothing has happened to it since.
    """
    values = {"before": job.state, "attempt": job.attempt, "state": state, "now": now, "outputs": json.dumps(outputs)}
    expression = "SET #state = :state, ended = :now, outputs = :outputs"
    if reason is not None:
        expression += ", reason = :reason"
        values["reason"] = reason
    it_is_as_it_was = "#state = :before AND attempt = :attempt"
    return table.update(_key(job.account, job.id), expression, it_is_as_it_was, {"#state": "state"}, **values)


def cancel(job: jobs.Job, reason: str, *, now: int) -> bool:
    """Ends this attempt, for what it was for is gone; if another worker has it by now, nothing changes (False)."""
    try:
        table.transact([ending(job, "cancelled", now=now, reason=reason)])
    except table.ConditionError:
        return False
    return True


def note(guard: table.Action | None) -> None:
    """Keeps the answer to a request that had nothing to change."""
    if guard is not None:
        table.transact([], guard)


def behind(account_id: int, after: int | None, *, limit: int) -> list[jobs.Job]:
    """At most `limit` jobs older than one, newest first."""
    before = None if after is None else (keys.number(0), keys.number(max(after - 1, 0)))
    found = table.query(keys.listed(account_id, "jobs"), between=before, forward=False, limit=limit)
    return [_from_item(item) for item in found]


# No other worker has claimed the job since this attempt began.
_STILL_OURS = "#state = :running AND attempt = :attempt"


def _key(account_id: int, job_id: int) -> table.Key:
    return keys.listed(account_id, "jobs"), keys.number(job_id)


def _from_item(item: Item) -> jobs.Job:
    return jobs.Job(
        id=item["id"],
        account=item["account"],
        kind=item["kind"],
        inputs=json.loads(item["inputs"]),
        created=item["created"],
        state=item["state"],
        attempt=item["attempt"],
        started=item.get("started"),
        ended=item.get("ended"),
        reason=item.get("reason"),
        outputs=json.loads(item.get("outputs", "{}")),
        stage=item.get("stage"),
        cause=causes.from_json(item.get("cause")),
    )
