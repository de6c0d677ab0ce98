"""Jobs in the table. A new job item is carried to its worker by the table's stream."""

from __future__ import annotations

import json
from typing import Any

from fluvial import clock, jobs
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
            "lease_until": 0,
            "expires": (job.created + KEPT_MILLISECONDS) // clock.SECOND,
        },
    )


def get(account_id: int, job_id: int) -> jobs.Job | None:
    item = table.get(_key(account_id, job_id))
    return _from_item(item) if item else None


def claim(account_id: int, job_id: int, *, now: int, lease_until: int) -> jobs.Job | None:
    """Takes the job if it is queued, or running under a lease that has ended; else None."""
    nobody_had_it = "#state = :queued"
    whoever_had_it_died = "#state = :running AND lease_until < :now"
    try:
        item = table.write(
            table.update(
                _key(account_id, job_id),
                "SET #state = :running, lease_until = :lease_until, started = :now ADD attempt :one",
                f"{nobody_had_it} OR ({whoever_had_it_died})",
                {"#state": "state"},
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


def ending(job: jobs.Job, state: str, *, now: int, reason: str | None = None, **outputs: Any) -> table.Action:
    """The action that ends this attempt, for the transaction of its effect."""
    values = {"running": "running", "attempt": job.attempt, "state": state, "now": now, "outputs": json.dumps(outputs)}
    expression = "SET #state = :state, ended = :now, outputs = :outputs"
    if reason is not None:
        expression += ", reason = :reason"
        values["reason"] = reason
    return table.update(_key(job.account, job.id), expression, _STILL_OURS, {"#state": "state"}, **values)


def cancel(job: jobs.Job, reason: str, *, now: int) -> None:
    """Ends this attempt, for what it was for is gone; if another worker has it by now, nothing changes."""
    try:
        table.transact([ending(job, "cancelled", now=now, reason=reason)])
    except table.ConditionError:
        return


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
    )
