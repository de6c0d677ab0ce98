"""Runs of automations in the table: by id under their account, with an entry in the list of their automation.

a#<account>#runs           the run, whole: its steps as they were when it began, and how each stands
a#<account>#u#<automation> one entry per run
a#<account>#occasions      guards that one event, or one time of a schedule, starts one run: by automation and occasion
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from fluvial import automation_machine, automation_steps, automations, clock, events, jobs
from fluvial.automation_machine import Run, State
from fluvial.store import automations as stored_automations
from fluvial.store import events as outbox
from fluvial.store import jobs as stored_jobs
from fluvial.store import keys, table
from fluvial.store.attributes import Item

KEPT_MILLISECONDS = 90 * clock.DAY  # after its end, as jobs and events are


def queue(
    run: Run, job: jobs.Job, line: automations.Line, *, occasion: str | None, guard: table.Action | None
) -> Literal["queued", "disabled", "again", "changed"]:
    """Run, entry and job, and its place in the line, in one transaction.

    `disabled` where the automation is gone or switched off, `again` where this occasion has its run, `changed` where
    the line is not as it was read, or the id is taken.
    """
    return _create(run, [stored_jobs.creation(job), stored_automations.moved(line)], occasion, guard)


def skip(
    run: Run, *, occasion: str | None, guard: table.Action | None
) -> Literal["queued", "disabled", "again", "changed"]:
    """A run that was not to be, with the reason; the answers are those of `queue`."""
    return _create(run, [], occasion, guard)


def _create(
    run: Run, more: list[table.Action], occasion: str | None, guard: table.Action | None
) -> Literal["queued", "disabled", "again", "changed"]:
    it_is_switched_on = "enabled = :yes"
    occasions = [] if occasion is None else [_occasion(run, occasion)]
    actions = [
        table.check(stored_automations.key(run.account, run.automation), it_is_switched_on, yes=True),
        *occasions,
        table.put(_key(run.account, run.id), _to_item(run)),
        table.put(_entry_key(run), {"type": "automation_run_entry", "expires": _expires(run) // clock.SECOND}),
        *more,
    ]
    try:
        table.transact(actions, guard)
    except table.ConditionError as error:
        if occasions and 1 in error.failed:
            return "again"
        return "disabled" if 0 in error.failed else "changed"
    return "queued"


def get(account_id: int, run_id: int) -> Run | None:
    item = table.get(_key(account_id, run_id))
    return _from_item(item) if item else None


def behind(account_id: int, automation_id: int, after: int | None, *, limit: int) -> tuple[list[Run], bool]:
    """At most `limit` runs of an automation, newest first, behind the id `after`; and whether more follow."""
    before = None if after is None else (keys.number(0), keys.number(max(after - 1, 0)))
    entries = table.query(_entries(account_id, automation_id), between=before, forward=False, limit=limit + 1)
    partition = keys.listed(account_id, "runs")
    items = table.batch_get([(partition, entry["sk"]) for entry in entries[:limit]])
    return [_from_item(item) for item in items], len(entries) > limit


def occasions(account_id: int, automation_id: int, named: Sequence[str]) -> set[str]:
    """Those of the occasions that have their run."""
    found = table.batch_get([_occasion_key(account_id, automation_id, each) for each in named])
    return {item["occasion"] for item in found}


def save(run: Run) -> bool:
    """Stores how the run stands; False where another change came first, or it went."""
    try:
        table.write(_change(run))
    except table.ConditionError:
        return False
    return True


def begin(run: Run, job: jobs.Job, *, lease_until: int) -> bool:
    """The run begins, and its job with it; False where another change came first."""
    return _done([_change(run), stored_jobs.beginning(job, now=run.updated, lease_until=lease_until)])


def end(run: Run, job: jobs.Job, event: events.Event, line: automations.Line | None) -> bool:
    """The run's end, its job's, the event, and its place in the line given up, together.

    False where any of them changed meanwhile. `line` None: the automation is gone.
    """
    reason = run.error if run.status != "succeeded" else None
    outputs = {"automation": run.automation, "run": run.id}
    return _done(
        [
            _change(run),
            stored_jobs.ending(job, run.status, now=run.updated, reason=reason, **outputs),
            outbox.record(event),
            *([] if line is None else [stored_automations.moved(line)]),
        ]
    )


def resume(run: Run, job: jobs.Job, line: automations.Line, guard: table.Action | None) -> bool:
    """The next attempt of a run, with its job and its place in the line; False where any of them changed meanwhile."""
    automation_exists = table.check(stored_automations.key(run.account, run.automation))
    return _done([_change(run), stored_jobs.creation(job), stored_automations.moved(line), automation_exists], guard)


def some_of(account_id: int, automation_id: int) -> list[Run]:
    """Up to 100 runs of an automation; none when none is left."""
    return behind(account_id, automation_id, None, limit=100)[0]


def forget(account_id: int, automation_id: int) -> None:
    """Removes the runs of an automation that is gone. Safe to repeat."""
    for entry in table.query(_entries(account_id, automation_id)):
        table.write(table.delete((keys.listed(account_id, "runs"), entry["sk"]), None))
        table.write(table.delete((entry["pk"], entry["sk"]), None))


def missed(
    account_id: int, automation_id: int, at: Sequence[str], event_of: Sequence[events.Event], more: list[table.Action]
) -> bool:
    """Events of occasions that passed without a run, each once ever, with `more`; False where one was told already."""
    guards = [
        table.put(
            _occasion_key(account_id, automation_id, f"missed#{each}"),
            {"type": "automation_occasion", "occasion": f"missed#{each}", "expires": _kept(event) // clock.SECOND},
        )
        for each, event in zip(at, event_of, strict=True)
    ]
    return _done([*guards, *(outbox.record(event) for event in event_of), *more])


def _kept(event: events.Event) -> int:
    return event.created + KEPT_MILLISECONDS + clock.DAY


def _done(actions: list[table.Action], guard: table.Action | None = None) -> bool:
    try:
        table.transact(actions, guard)
    except table.ConditionError:
        return False
    return True


def _change(run: Run) -> table.Action:
    nobody_changed_it_since = "revision = :before"
    return table.put(_key(run.account, run.id), _to_item(run), nobody_changed_it_since, before=run.revision - 1)


def _occasion(run: Run, occasion: str) -> table.Action:
    return table.put(
        _occasion_key(run.account, run.automation, occasion),
        {
            "type": "automation_occasion",
            "occasion": occasion,
            "run": run.id,
            # Longer than an event is kept, so that one that comes again is known whenever it comes.
            "expires": (run.created + KEPT_MILLISECONDS + clock.DAY) // clock.SECOND,
        },
    )


def _key(account_id: int, run_id: int) -> table.Key:
    return keys.listed(account_id, "runs"), keys.number(run_id)


def _entries(account_id: int, automation_id: int) -> str:
    return keys.automation_runs(account_id, automation_id)


def _entry_key(run: Run) -> table.Key:
    return _entries(run.account, run.automation), keys.number(run.id)


def _occasion_key(account_id: int, automation_id: int, occasion: str) -> table.Key:
    return keys.listed(account_id, "occasions"), f"{keys.number(automation_id)}#{occasion}"


def _expires(run: Run) -> int:
    """Milliseconds: what has not ended may take as long as a run can."""
    if run.ended is not None:
        return run.ended + KEPT_MILLISECONDS
    return run.created + automation_machine.MAX_RUN_MILLISECONDS + KEPT_MILLISECONDS


def _to_item(run: Run) -> Item:
    return {
        "type": "automation_run",
        "id": run.id,
        "account": run.account,
        "automation": run.automation,
        "name": run.name,
        "trigger": _json(run.trigger),
        "input": _json(run.input),
        "steps": _json([step.to_json() for step in run.steps]),
        "states": _json([_state_to_json(state) for state in run.states]),
        "by": run.by,
        "role": run.role,
        "scopes": list(run.scopes),
        "chain": list(run.chain),
        "created": run.created,
        "updated": run.updated,
        "status": run.status,
        "position": run.position,
        "attempt": run.attempt,
        "job": run.job,
        "started": run.started,
        "ended": run.ended,
        "error": run.error,
        "revision": run.revision,
        "expires": _expires(run) // clock.SECOND,
    }


def _from_item(item: Item) -> Run:
    return Run(
        id=item["id"],
        account=item["account"],
        automation=item["automation"],
        name=item["name"],
        trigger=json.loads(item["trigger"]),
        input=json.loads(item["input"]),
        steps=automation_steps.parse(json.loads(item["steps"])),
        by=item["by"],
        role=item["role"],
        scopes=tuple(item["scopes"]),
        chain=tuple(item["chain"]),
        created=item["created"],
        updated=item["updated"],
        states=tuple(State(**state) for state in json.loads(item["states"])),
        status=item["status"],
        position=item["position"],
        attempt=item["attempt"],
        job=item.get("job"),
        started=item.get("started"),
        ended=item.get("ended"),
        error=item.get("error"),
        revision=item["revision"],
    )


def _state_to_json(state: State) -> dict[str, Any]:
    return {name: value for name, value in asdict(state).items() if value is not None}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
