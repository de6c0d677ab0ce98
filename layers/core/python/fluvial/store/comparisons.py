"""Comparisons in the table: each under its dataset, and gone by themselves after a week."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Literal

from fluvial import clock, comparisons, jobs
from fluvial.store import datasets, keys, table
from fluvial.store import jobs as stored_jobs
from fluvial.store.attributes import Item

# Stored as JSON text.
_AS_TEXT = ("key", "columns", "counts")


def create(
    comparison: comparisons.Comparison, job: jobs.Job, guard: table.Action | None
) -> Literal["created", "dataset_gone", "taken"]:
    """Comparison and job, in one transaction."""
    dataset_exists = table.check(datasets.key(comparison.account, comparison.dataset))
    actions = [dataset_exists, table.put(_key(comparison), _to_item(comparison)), stored_jobs.creation(job)]
    try:
        table.transact(actions, guard)
    except table.ConditionError as error:
        return "dataset_gone" if 0 in error.failed else "taken"
    return "created"


def get(account_id: int, dataset_id: int, comparison_id: int) -> comparisons.Comparison | None:
    item = table.get((keys.comparisons(account_id, dataset_id), keys.number(comparison_id)))
    return _from_item(item) if item else None


def end(job: jobs.Job, comparison: comparisons.Comparison, state: str) -> bool:
    """The comparison's outcome and the job's end, together; False where comparison or lease are gone."""
    it_still_waits_for_this_job = "job = :job AND #status = :queued"
    outputs = {"comparison": comparison.id, "dataset": comparison.dataset}
    change = table.Action(
        "Put",
        _key(comparison),
        item=_to_item(comparison),
        condition=it_still_waits_for_this_job,
        values={":job": job.id, ":queued": "queued"},
        names={"#status": "status"},
    )
    ending = stored_jobs.ending(job, state, now=comparison.updated, reason=comparison.failure, **outputs)
    try:
        table.transact([change, ending])
    except table.ConditionError:
        return False
    return True


def forget(account_id: int, dataset_id: int) -> None:
    """Removes the comparisons of a dataset that is gone. Safe to repeat."""
    for item in table.query(keys.comparisons(account_id, dataset_id)):
        table.write(table.delete((item["pk"], item["sk"]), condition=None))


def _key(comparison: comparisons.Comparison) -> table.Key:
    return keys.comparisons(comparison.account, comparison.dataset), keys.number(comparison.id)


def _to_item(comparison: comparisons.Comparison) -> Item:
    fields = asdict(comparison)
    for name in _AS_TEXT:
        if fields[name] is not None:
            fields[name] = json.dumps(fields[name], ensure_ascii=False, separators=(",", ":"))
    return {"type": "comparison", **fields, "expires": comparison.expires // clock.SECOND}


def _from_item(item: Item) -> comparisons.Comparison:
    fields = {name: value for name, value in item.items() if name not in ("pk", "sk", "type", "expires")}
    for name in _AS_TEXT:
        if name in fields:
            fields[name] = json.loads(fields[name])
    fields["key"] = tuple(fields["key"])
    return comparisons.Comparison(**fields)
