"""Exports in the table: each under its dataset, and gone by themselves after a week."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Literal

from fluvial import clock, events, exports, jobs, selections
from fluvial.store import datasets, keys, table
from fluvial.store import events as outbox
from fluvial.store import jobs as stored_jobs
from fluvial.store.attributes import Item


def create(
    export: exports.Export, job: jobs.Job, guard: table.Action | None
) -> Literal["created", "dataset_gone", "taken"]:
    """Export and job, in one transaction."""
    dataset_exists = table.check(datasets.key(export.account, export.dataset))
    actions = [dataset_exists, table.put(_key(export), _to_item(export)), stored_jobs.creation(job)]
    try:
        table.transact(actions, guard)
    except table.ConditionError as error:
        return "dataset_gone" if 0 in error.failed else "taken"
    return "created"


def get(account_id: int, dataset_id: int, export_id: int) -> exports.Export | None:
    item = table.get((keys.exports(account_id, dataset_id), keys.number(export_id)))
    return _from_item(item) if item else None


def end(job: jobs.Job, export: exports.Export, event: events.Event, state: str) -> bool:
    """The export's outcome, the job's end and the event, together; False where export or lease are gone."""
    it_still_waits_for_this_job = "job = :job AND #status = :queued"
    item, outputs = _to_item(export), {"export": export.id, "dataset": export.dataset}
    ending = stored_jobs.ending(job, state, now=export.updated, reason=export.failure, **outputs)
    change = table.Action(
        "Put",
        _key(export),
        item=item,
        condition=it_still_waits_for_this_job,
        values={":job": job.id, ":queued": "queued"},
        names={"#status": "status"},
    )
    try:
        table.transact([change, ending, outbox.record(event)])
    except table.ConditionError:
        return False
    return True


def forget(account_id: int, dataset_id: int) -> None:
    """Removes the exports of a dataset that is gone."""
    for item in table.query(keys.exports(account_id, dataset_id)):
        table.write(table.delete((item["pk"], item["sk"]), condition=None))


def _key(export: exports.Export) -> table.Key:
    return keys.exports(export.account, export.dataset), keys.number(export.id)


def _to_item(export: exports.Export) -> Item:
    wanted = {**asdict(export.wanted), "selection": export.wanted.selection.to_json()}
    return {
        "type": "export",
        **asdict(export),
        "wanted": json.dumps(wanted, ensure_ascii=False, separators=(",", ":")),
        "expires": export.expires // clock.SECOND,
    }


def _from_item(item: Item) -> exports.Export:
    wanted = json.loads(item["wanted"])
    return exports.Export(
        id=item["id"],
        account=item["account"],
        project=item["project"],
        dataset=item["dataset"],
        title=item["title"],
        version=item["version"],
        location=item["location"],
        job=item["job"],
        wanted=exports.Wanted(**{**wanted, "selection": selections.parse(wanted["selection"])}),
        created=item["created"],
        updated=item["updated"],
        status=item["status"],
        file=item.get("file"),
        rows=item.get("rows"),
        bytes=item.get("bytes"),
        failure=item.get("failure"),
    )
