"""Preparations in the table, by id, and one entry for each execution. An execution itself is its job."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Literal

from fluvial import clock, dataset_versions, datasets, events, ids, jobs, preparations
from fluvial.store import dataset_versions as stored_versions
from fluvial.store import datasets as stored_datasets
from fluvial.store import events as outbox
from fluvial.store import jobs as stored_jobs
from fluvial.store import keys, table, totals
from fluvial.store.attributes import Item

# How a job ends, by what becomes of its preparation.
_STATES = {"completed": "succeeded", "failed": "failed", "cancelled": "cancelled"}

# Stored as JSON text.
_AS_TEXT = ("inputs", "recipe")


def create(preparation: preparations.Preparation, event: events.Event, guard: table.Action | None) -> bool:
    """Preparation, total and event, in one transaction; False where the id is taken."""
    actions = [
        table.put(_key(preparation.account, preparation.id), _to_item(preparation)),
        totals.add(_partition(preparation.account), +1),
        outbox.record(event),
    ]
    try:
        table.transact(actions, guard)
    except table.ConditionError:
        return False
    return True


def get(account_id: int, preparation_id: int) -> preparations.Preparation | None:
    item = table.get(_key(account_id, preparation_id))
    return _from_item(item) if item else None


def total(account_id: int) -> int:
    return totals.total(_partition(account_id))


def behind(account_id: int, after: int | None, *, limit: int) -> list[preparations.Preparation]:
    """At most `limit` preparations behind the id, newest first."""
    items = table.query(_partition(account_id), between=_before(after), forward=False, limit=limit)
    return [_from_item(item) for item in items]


def update(preparation: preparations.Preparation, event: events.Event, guard: table.Action | None) -> bool:
    """Stores the changed preparation; False where another change came first, or it went."""
    try:
        table.transact(ending(preparation, event), guard)
    except table.ConditionError:
        return False
    return True


def begin(
    preparation: preparations.Preparation,
    job: jobs.Job,
    version: dataset_versions.Version,
    output: datasets.Dataset | None,
    event: events.Event | None,
    guard: table.Action | None,
) -> bool:
    """The preparation, executing, its job, and the version that it is to make; and the output, if that is new.

    False where another change came first: of the preparation, of its output, or of the project of a new one.
    """
    actions = [
        _change(preparation),
        stored_jobs.creation(job),
        table.put(_execution_key(preparation.account, preparation.id, job.id), _entry(job)),
        stored_versions.creation(version),
    ]
    if output is None:
        actions.append(stored_versions.taking(version))
    else:
        actions += stored_datasets.creation(output)
    if event is not None:
        actions.append(outbox.record(event))
    try:
        table.transact(actions, guard)
    except table.ConditionError:
        return False
    return True


def ending(preparation: preparations.Preparation, event: events.Event) -> list[table.Action]:
    """The changed preparation and its event, for a transaction; the first one's condition is that nobody changed it."""
    return [_change(preparation), outbox.record(event)]


def end(
    job: jobs.Job, preparation: preparations.Preparation, event: events.Event, outcome: list[table.Action], *, now: int
) -> Literal["ended", "changed", "output_gone", "overtaken"]:
    """The execution's end: preparation, job, event, and the `outcome` of its version, together.

    `changed` where the preparation was changed since, or went; `overtaken` where the job's lease is gone.
    """
    state = _STATES[preparation.status]
    outputs: dict[str, Any] = {"preparation": preparation.id, "dataset": preparation.output}
    if preparation.status == preparations.COMPLETED:
        outputs |= {"version": preparation.version, "rows": preparation.rows, "same": preparation.same}
    job_ends = stored_jobs.ending(job, state, now=now, reason=preparation.failure, **outputs)
    try:
        table.transact([job_ends, *ending(preparation, event), *outcome])
    except table.ConditionError as error:
        if 0 in error.failed:
            return "overtaken"
        return "changed" if 1 in error.failed else "output_gone"
    return "ended"


def call_off(job: jobs.Job, outcome: list[table.Action], *, reason: str, now: int) -> bool:
    """The job's end as cancelled, and the `outcome` of its version; False where the lease or the output is gone."""
    try:
        table.transact([stored_jobs.ending(job, "cancelled", now=now, reason=reason), *outcome])
    except table.ConditionError:
        return False
    return True


def executions(account_id: int, preparation_id: int, *, before: int | None, limit: int) -> list[int]:
    """The jobs of at most `limit` executions, newest first."""
    partition = keys.executions(account_id, preparation_id)
    items = table.query(partition, between=_before(before), forward=False, limit=limit)
    return [keys.parsed(item["sk"]) for item in items]


def delete(preparation: preparations.Preparation, event: events.Event) -> bool:
    """Removes the preparation; False where another change came first, or it is gone."""
    nobody_changed_it_since = "revision = :read"
    actions = [
        table.delete(_key(preparation.account, preparation.id), nobody_changed_it_since, read=preparation.revision),
        totals.add(_partition(preparation.account), -1),
        outbox.record(event),
    ]
    try:
        table.transact(actions)
    except table.ConditionError:
        return False
    return True


def forget(account_id: int, preparation_id: int) -> None:
    """Removes the entries of the executions of a preparation that is gone. Safe to repeat."""
    for item in table.query(keys.executions(account_id, preparation_id)):
        table.write(table.delete((item["pk"], item["sk"]), None))


def _before(position: int | None) -> tuple[str, str]:
    """The first and the last sort key of what was made before the thing with this id; None: of all."""
    return keys.number(0), keys.number(ids.MAX_ID if position is None else max(position - 1, 0))


def _change(preparation: preparations.Preparation) -> table.Action:
    nobody_changed_it_since = "revision = :before"
    return table.put(
        _key(preparation.account, preparation.id),
        _to_item(preparation),
        nobody_changed_it_since,
        before=preparation.revision - 1,
    )


def _partition(account_id: int) -> str:
    return keys.listed(account_id, "preparations")


def _key(account_id: int, preparation_id: int) -> table.Key:
    return _partition(account_id), keys.number(preparation_id)


def _execution_key(account_id: int, preparation_id: int, job_id: int) -> table.Key:
    return keys.executions(account_id, preparation_id), keys.number(job_id)


def _entry(job: jobs.Job) -> Item:
    return {"type": "execution", "expires": (job.created + stored_jobs.KEPT_MILLISECONDS) // clock.SECOND}


def _to_item(preparation: preparations.Preparation) -> Item:
    fields: dict[str, Any] = asdict(preparation)
    for name in _AS_TEXT:
        fields[name] = json.dumps(fields[name], ensure_ascii=False, separators=(",", ":"))
    return {"type": "preparation", **fields}


def _from_item(item: Item) -> preparations.Preparation:
    fields = {name: value for name, value in item.items() if name not in ("pk", "sk", "type")}
    fields["description"] = fields.get("description")
    fields["recipe"] = json.loads(fields["recipe"])
    fields["inputs"] = {name: preparations.Input(**each) for name, each in json.loads(fields["inputs"]).items()}
    return preparations.Preparation(**fields)
