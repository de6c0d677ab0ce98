"""Generated reports in the table, by id under their account; what each is generated of lies in an item beside it.

So a page of them reads small items, however long their definitions are.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from fluvial import events, generated_reports, jobs, reports
from fluvial.store import events as outbox
from fluvial.store import jobs as stored_jobs
from fluvial.store import keys, table, totals
from fluvial.store import reports as stored_reports
from fluvial.store.attributes import Item


def create(
    generated: generated_reports.Generated,
    snapshot: generated_reports.Snapshot,
    job: jobs.Job,
    guard: table.Action | None,
    *,
    of: reports.Report | None = None,
) -> bool:
    """Generated report, its snapshot and job, in one transaction.

    False where an id is taken, or the report that the snapshot is `of` was changed or deleted meanwhile.
    """
    actions = [
        table.put(_key(generated.account, generated.id), _to_item(generated)),
        table.put(_snapshot_key(generated.account, generated.id), _snapshot_item(snapshot)),
        totals.add(_partition(generated.account), +1),
        stored_jobs.creation(job),
    ]
    if of is not None:
        nobody_changed_it_since = "revision = :revision"
        actions.append(
            table.check(stored_reports.key(of.account, of.id), nobody_changed_it_since, revision=of.revision)
        )
    try:
        table.transact(actions, guard)
    except table.ConditionError:
        return False
    return True


def get(account_id: int, generated_id: int) -> generated_reports.Generated | None:
    item = table.get(_key(account_id, generated_id))
    return _from_item(item) if item else None


def snapshot(account_id: int, generated_id: int) -> generated_reports.Snapshot | None:
    """What it is generated of."""
    item = table.get(_snapshot_key(account_id, generated_id))
    if item is None:
        return None
    return generated_reports.Snapshot(json.loads(item["definition"]), json.loads(item["parameters"]))


def total(account_id: int) -> int:
    return totals.total(_partition(account_id))


def behind(account_id: int, after: int | None, *, limit: int) -> list[generated_reports.Generated]:
    """The newest first, those behind the id `after` if there is one."""
    before = None if after is None else (keys.number(0), keys.number(max(after - 1, 0)))
    items = table.query(_partition(account_id), between=before, forward=False, limit=limit)
    return [_from_item(item) for item in items]


def hand_over(job: jobs.Job, generated: generated_reports.Generated, stage: str) -> bool:
    """What was computed, and the job queued for its next stage, together; False where report or lease are gone."""
    try:
        table.transact([_change(generated), stored_jobs.handing_over(job, stage)])
    except table.ConditionError:
        return False
    return True


def end(job: jobs.Job, generated: generated_reports.Generated, event: events.Event) -> bool:
    """The outcome, the job's end and the event, together; False where report or lease are gone."""
    state = "succeeded" if generated.status == "completed" else generated.status
    made = {"report": generated.report, "generated_report": generated.id}
    ending = stored_jobs.ending(job, state, now=generated.updated, reason=generated.failure, **made)
    try:
        table.transact([_change(generated), ending, outbox.record(event)])
    except table.ConditionError:
        return False
    return True


def delete(generated: generated_reports.Generated, event: events.Event) -> bool:
    """Removes it with its snapshot; False where it is gone already."""
    actions = [
        table.delete(_key(generated.account, generated.id)),
        table.delete(_snapshot_key(generated.account, generated.id)),
        totals.add(_partition(generated.account), -1),
        outbox.record(event),
    ]
    try:
        table.transact(actions)
    except table.ConditionError:
        return False
    return True


def _change(generated: generated_reports.Generated) -> table.Action:
    nobody_changed_it_since = "revision = :before"
    key = _key(generated.account, generated.id)
    return table.put(key, _to_item(generated), nobody_changed_it_since, before=generated.revision - 1)


def _partition(account_id: int) -> str:
    return keys.listed(account_id, "generated")


def _key(account_id: int, generated_id: int) -> table.Key:
    return _partition(account_id), keys.number(generated_id)


def _snapshot_key(account_id: int, generated_id: int) -> table.Key:
    return keys.listed(account_id, "snapshots"), keys.number(generated_id)


def _snapshot_item(snapshot: generated_reports.Snapshot) -> Item:
    return {
        "type": "report_snapshot",
        "definition": _text(snapshot.definition),
        "parameters": _text(snapshot.parameters),
    }


def _to_item(generated: generated_reports.Generated) -> Item:
    return {
        "type": "generated_report",
        **asdict(generated),
        "parameters": _text(generated.parameters),
        "formats": list(generated.formats),
        "pins": [asdict(each) for each in generated.pins],
        "files": [asdict(each) for each in generated.files],
    }


def _from_item(item: Item) -> generated_reports.Generated:
    return generated_reports.Generated(
        id=item["id"],
        account=item["account"],
        report=item["report"],
        name=item["name"],
        parameters=json.loads(item["parameters"]),
        formats=tuple(item["formats"]),
        job=item["job"],
        created=item["created"],
        updated=item["updated"],
        revision=item["revision"],
        status=item["status"],
        repeats=item.get("repeats"),
        pins=tuple(generated_reports.Pin(**each) for each in item["pins"]),
        as_of=item.get("as_of"),
        answers=item.get("answers"),
        location=item.get("location"),
        files=tuple(generated_reports.File(**each) for each in item["files"]),
        digest=item.get("digest"),
        ended=item.get("ended"),
        failure=item.get("failure"),
    )


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
