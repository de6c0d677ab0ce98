"""Automations in the table, with what belongs to each: its line of runs, its place among those that listen to events,
and the time that its schedule is expected at next.

    a#<account>#automations    the automation
    a#<account>#lines          which of its runs is under way, and which wait
    a#<account>#listeners      its triggers, if it starts at events: all that an event is matched against
    due#<five minutes>         under account, automation and the revision of its schedule: when a run is expected
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from fluvial import automation_steps, automation_triggers, automations, clock, events
from fluvial.automation_triggers import EventTrigger
from fluvial.store import events as outbox
from fluvial.store import keys, table, totals
from fluvial.store.attributes import Item

BUCKET_MILLISECONDS = 5 * clock.MINUTE


@dataclass(frozen=True, slots=True)
class Listener:
    """An automation that starts at events."""

    automation: int
    events: tuple[EventTrigger, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """The time at which a schedule starts a run next, if all goes well. `scheduled` is `Automation.scheduled`."""

    account: int
    automation: int
    scheduled: int
    at: int


def create(automation: automations.Automation, event: events.Event, guard: table.Action | None, *, now: int) -> bool:
    """Automation, line and event, in one transaction, with listener and expected time; False where the id is taken."""
    account, number = automation.account, automation.id
    line = automations.Line(account, number)
    actions = [
        table.put(key(account, number), _to_item(automation)),
        table.put(line_key(account, number), _line_to_item(line)),
        totals.add(_partition(account), +1),
        outbox.record(event),
        *_listening(automation),
        *_expecting(automation, now),
    ]
    try:
        table.transact(actions, guard)
    except table.ConditionError:
        return False
    return True


def get(account_id: int, automation_id: int) -> automations.Automation | None:
    item = table.get(key(account_id, automation_id))
    return _from_item(item) if item else None


def some(pairs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], automations.Automation]:
    """Automations by account and id; those that are gone are left out."""
    items = table.batch_get([key(*pair) for pair in dict.fromkeys(pairs)])
    return {(item["account"], item["id"]): _from_item(item) for item in items}


def total(account_id: int) -> int:
    return totals.total(_partition(account_id))


def behind(account_id: int, after: int | None, *, limit: int) -> list[automations.Automation]:
    """The newest first, those behind the id `after` if there is one."""
    before = None if after is None else (keys.number(0), keys.number(max(after - 1, 0)))
    items = table.query(_partition(account_id), between=before, forward=False, limit=limit)
    return [_from_item(item) for item in items]


def listeners(account_id: int) -> list[Listener]:
    """All automations of the account that start at events and are switched on or off: at most about a hundred."""
    return [
        Listener(item["automation"], automation_triggers.from_json(json.loads(item["triggers"])).events)
        for item in table.query(keys.listed(account_id, "listeners"))
    ]


def line(account_id: int, automation_id: int) -> automations.Line | None:
    item = table.get(line_key(account_id, automation_id))
    return _line_from_item(item) if item else None


def lines(found: Sequence[automations.Automation]) -> list[automations.Line]:
    return [_line_from_item(item) for item in table.batch_get([line_key(one.account, one.id) for one in found])]


def update(
    automation: automations.Automation, event: events.Event, *, before: automations.Automation, now: int
) -> bool:
    """Stores the changed automation; False where another change came first, or it went."""
    nobody_changed_it_since = "revision = :before"
    account, number = automation.account, automation.id
    change = table.put(key(account, number), _to_item(automation), nobody_changed_it_since, before=before.revision)
    listening = _listening(automation)
    if before.triggers.events and not listening:
        listening = [table.delete(_listener_key(account, number), None)]
    # What an older schedule expects is dropped when its time comes: nobody else knows where that stands.
    expecting = _expecting(automation, now) if automation.scheduled != before.scheduled else []
    try:
        table.transact([change, outbox.record(event), *listening, *expecting])
    except table.ConditionError:
        return False
    return True


def delete(automation: automations.Automation, event: events.Event) -> bool:
    """Removes automation and listener; False where a change came first, or it is gone already. Its line is swept."""
    nobody_changed_it_since = "revision = :revision"
    account, number = automation.account, automation.id
    actions = [
        table.delete(key(account, number), nobody_changed_it_since, revision=automation.revision),
        totals.add(_partition(account), -1),
        outbox.record(event),
        *([table.delete(_listener_key(account, number), None)] if automation.triggers.events else []),
    ]
    try:
        table.transact(actions)
    except table.ConditionError:
        return False
    return True


def moved(line: automations.Line) -> table.Action:
    """The action that stores a changed line, if nobody changed it since it was read."""
    nobody_changed_it_since = "revision = :before"
    return table.put(
        line_key(line.account, line.automation),
        _line_to_item(line),
        nobody_changed_it_since,
        before=line.revision - 1,
    )


def forget_line(account_id: int, automation_id: int) -> None:
    table.write(table.delete(line_key(account_id, automation_id), None))


def expected(bucket: int) -> list[Expected]:
    """What is expected within five minutes, by their number."""
    return [
        Expected(item["account"], item["automation"], item["scheduled"], item["at"])
        for item in table.query(_bucket_partition(bucket))
    ]


def expecting(expected: Expected) -> table.Action:
    """The action that says when a run is expected; the same time of the same schedule is said once."""
    return table.put(
        _expected_key(expected),
        {
            "type": "automation_due",
            "account": expected.account,
            "automation": expected.automation,
            "scheduled": expected.scheduled,
            "at": expected.at,
        },
        None,
    )


def no_longer_expected(expected: Expected) -> table.Action:
    return table.delete(_expected_key(expected))


def bucket_of(moment: int) -> int:
    return moment // BUCKET_MILLISECONDS


def watched() -> int | None:
    """The first five minutes whose expectations were not all looked at; None before the first time."""
    item = table.get(_WATCHED)
    return item["watched_to"] if item else None


def note_watched(bucket: int) -> None:
    """From this bucket on is to be watched next. Never goes back: of two watchers the later word counts."""
    nobody_did = "attribute_not_exists(watched_to)"
    nobody_is_further = "watched_to < :bucket"
    noted = table.update(
        _WATCHED,
        "SET watched_to = :bucket, #type = :type",
        f"{nobody_did} OR {nobody_is_further}",
        {"#type": "type"},
        bucket=bucket,
        type="automation_watch",
    )
    try:
        table.write(noted)
    except table.ConditionError:
        return


def key(account_id: int, automation_id: int) -> table.Key:
    return _partition(account_id), keys.number(automation_id)


def line_key(account_id: int, automation_id: int) -> table.Key:
    return keys.listed(account_id, "lines"), keys.number(automation_id)


_WATCHED = ("due", "watched")


def _listening(automation: automations.Automation) -> list[table.Action]:
    if not automation.triggers.events:
        return []
    item = {
        "type": "automation_listener",
        "automation": automation.id,
        "triggers": _json([each.to_json() for each in automation.triggers.events]),
    }
    return [table.put(_listener_key(automation.account, automation.id), item, None)]


def _expecting(automation: automations.Automation, now: int) -> list[table.Action]:
    at = automation.next_run(now)
    if at is None:
        return []
    return [expecting(Expected(automation.account, automation.id, automation.scheduled, at))]


def _partition(account_id: int) -> str:
    return keys.listed(account_id, "automations")


def _listener_key(account_id: int, automation_id: int) -> table.Key:
    return keys.listed(account_id, "listeners"), keys.number(automation_id)


def _bucket_partition(bucket: int) -> str:
    return f"due#{bucket:010d}"


def _expected_key(expected: Expected) -> table.Key:
    names = keys.number(expected.account), keys.number(expected.automation), str(expected.scheduled)
    return _bucket_partition(bucket_of(expected.at)), "#".join(names)


def _to_item(automation: automations.Automation) -> Item:
    return {
        "type": "automation",
        "id": automation.id,
        "account": automation.account,
        "name": automation.name,
        "description": automation.description,
        "enabled": automation.enabled,
        "triggers": _json(automation.triggers.to_json()),
        "steps": _json([step.to_json() for step in automation.steps]),
        "concurrency": automation.concurrency,
        "by": automation.by,
        "role": automation.role,
        "scopes": list(automation.scopes),
        "created": automation.created,
        "updated": automation.updated,
        "revision": automation.revision,
        "scheduled": automation.scheduled,
    }


def _from_item(item: Item) -> automations.Automation:
    return automations.Automation(
        id=item["id"],
        account=item["account"],
        name=item["name"],
        description=item.get("description"),
        enabled=item["enabled"],
        triggers=automation_triggers.from_json(json.loads(item["triggers"])),
        steps=automation_steps.parse(json.loads(item["steps"])),
        concurrency=item["concurrency"],
        by=item["by"],
        role=item["role"],
        scopes=tuple(item["scopes"]),
        created=item["created"],
        updated=item["updated"],
        revision=item["revision"],
        scheduled=item["scheduled"],
    )


def _line_to_item(line: automations.Line) -> Item:
    return {
        "type": "automation_line",
        "account": line.account,
        "automation": line.automation,
        "active": line.active,
        "waiting": list(line.waiting),
        "last": line.last,
        "last_at": line.last_at,
        "revision": line.revision,
    }


def _line_from_item(item: Item) -> automations.Line:
    return automations.Line(
        account=item["account"],
        automation=item["automation"],
        active=item.get("active"),
        waiting=tuple(item["waiting"]),
        last=item.get("last"),
        last_at=item.get("last_at"),
        revision=item["revision"],
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
