"""Definitions of reports in the table, by id under their account."""

from __future__ import annotations

import json
from dataclasses import asdict

from fluvial import events, reports
from fluvial.store import events as outbox
from fluvial.store import keys, table, totals
from fluvial.store.attributes import Item


def create(report: reports.Report, event: events.Event, guard: table.Action | None) -> bool:
    """Report and event, in one transaction; False where the id is taken."""
    actions = [
        table.put(key(report.account, report.id), _to_item(report)),
        totals.add(_partition(report.account), +1),
        outbox.record(event),
    ]
    try:
        table.transact(actions, guard)
    except table.ConditionError:
        return False
    return True


def get(account_id: int, report_id: int) -> reports.Report | None:
    item = table.get(key(account_id, report_id))
    return _from_item(item) if item else None


def total(account_id: int) -> int:
    return totals.total(_partition(account_id))


def behind(account_id: int, after: int | None, *, limit: int) -> list[reports.Report]:
    """The newest first, those behind the id `after` if there is one."""
    before = None if after is None else (keys.number(0), keys.number(max(after - 1, 0)))
    items = table.query(_partition(account_id), between=before, forward=False, limit=limit)
    return [_from_item(item) for item in items]


def update(report: reports.Report, event: events.Event) -> bool:
    """Stores the changed report; False where another change came first, or the report went."""
    nobody_changed_it_since = "revision = :before"
    change = table.put(
        key(report.account, report.id), _to_item(report), nobody_changed_it_since, before=report.revision - 1
    )
    try:
        table.transact([change, outbox.record(event)])
    except table.ConditionError:
        return False
    return True


def delete(report: reports.Report, event: events.Event) -> bool:
    """Removes the report; False where a change came first, or it is gone already."""
    nobody_changed_it_since = "revision = :revision"
    actions = [
        table.delete(key(report.account, report.id), nobody_changed_it_since, revision=report.revision),
        totals.add(_partition(report.account), -1),
        outbox.record(event),
    ]
    try:
        table.transact(actions)
    except table.ConditionError:
        return False
    return True


def key(account_id: int, report_id: int) -> table.Key:
    return _partition(account_id), keys.number(report_id)


def _partition(account_id: int) -> str:
    return keys.listed(account_id, "reports")


def _to_item(report: reports.Report) -> Item:
    return {
        "type": "report",
        **asdict(report),
        "formats": list(report.formats),
        "definition": json.dumps(report.definition, ensure_ascii=False, separators=(",", ":")),
    }


def _from_item(item: Item) -> reports.Report:
    return reports.Report(
        id=item["id"],
        account=item["account"],
        name=item["name"],
        description=item.get("description"),
        definition=json.loads(item["definition"]),
        formats=tuple(item["formats"]),
        created=item["created"],
        updated=item["updated"],
        revision=item["revision"],
    )
