"""Schedules of automations: kept in step with EventBridge Scheduler, started when due, and watched.

The table is the truth, and the schedule in AWS a projection of it: every event `automation.created|updated|deleted`
brings it in step again (`project`), so whatever dies in between, the next delivery of the event heals it. At each time
AWS sends a message with the time that was due (`due`), at least once; the time is the run's occasion, so it starts one
run.

That a time passed and nothing came is found by a watch of its own (`watch`), which trusts neither. The next time of
each schedule is an item in the partition of its five minutes. Every five minutes the partitions are read that ended
LATE_MILLISECONDS ago or longer: a time that has its run is replaced by the schedule's next one, and of one that has
none `automation.missed` is told, once. So the cost goes with the times that are due, not with how many automations
there are. A late message starts its run all the same.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from fluvial import automation_runs, clock, events, ids, scheduler, schedules
from fluvial.automations import Automation
from fluvial.store import automation_runs as stored_runs
from fluvial.store import automations as store
from fluvial.store.automations import Expected

LATE_MILLISECONDS = 10 * clock.MINUTE
MAX_MISSED_AT_ONCE = 20  # of one schedule: three writes each in one transaction
MAX_BEHIND_BUCKETS = 14 * clock.DAY // store.BUCKET_MILLISECONDS
STEADY_ATTEMPTS = 10


def project(account_id: int, automation_id: int, *, now: clock.Now = clock.now) -> str:
    """Brings the schedule in AWS in step with the automation; returns what it did. Safe to repeat, and in any order.

    Two of these at once could leave what the slower one had read: so it is read again after it was written, and done
    again where it changed meanwhile.
    """
    name = schedule_name(automation_id)
    for _ in range(STEADY_ATTEMPTS):
        automation = store.get(account_id, automation_id)
        schedule = None if automation is None else automation.triggers.schedule
        if automation is None or schedule is None:
            scheduler.remove(name)
            outcome = "removed"
        else:
            scheduler.put(
                name,
                schedule.expression,
                zone=schedule.zone,
                start=_start(schedule, now()),
                end=schedule.end,
                enabled=automation.enabled and schedule.next(now()) is not None,
                body=_message(automation),
            )
            outcome = "stored"
        again = store.get(account_id, automation_id)
        if (None if again is None else again.revision) == (None if automation is None else automation.revision):
            return outcome
    raise RuntimeError(f"automation {automation_id} is changed by too many at once")


def due(account_id: int, automation_id: int, time: str, *, now: clock.Now = clock.now) -> str:
    """Starts the run of one time of a schedule, as AWS spells it (`2026-01-31T12:00:00Z`); returns what it did."""
    automation = store.get(account_id, automation_id)
    if automation is None or not automation.scheduled:
        return "not scheduled any more"
    moment = int(datetime.fromisoformat(time).astimezone(UTC).timestamp()) * clock.SECOND
    told = clock.iso(moment)
    trigger = {"type": "schedule", "scheduled_at": told}
    run = automation_runs.occur(automation, trigger, {"scheduled_at": told}, occasion=_occasion(moment), now=now)
    return "begun before" if run is None else run.status


def watch(*, now: clock.Now = clock.now) -> int:
    """Looks at all times that are due for long enough, and tells which were missed; returns how many. Safe to repeat.

    After an outage of its own it goes on where it stopped, fourteen days back at most.
    """
    moment = now()
    last = store.bucket_of(moment - LATE_MILLISECONDS) - 1
    begun = store.watched()
    first = last if begun is None else max(begun, last - MAX_BEHIND_BUCKETS)
    missed = 0
    for bucket in range(first, last + 1):
        for expected in store.expected(bucket):
            missed += _look_at(expected, moment)
        # What is expected next is always in a later bucket than this one, so nothing comes into it any more.
        store.note_watched(bucket + 1)
    return missed


def schedule_name(automation_id: int) -> str:
    return ids.spell(ids.AUTOMATION, automation_id)


def _look_at(expected: Expected, now: int) -> int:
    """Tells of the times of one schedule that were missed, and stores when it is expected next; how many they were."""
    automation = store.get(expected.account, expected.automation)
    schedule = None if automation is None else automation.triggers.schedule
    if automation is None or schedule is None or automation.scheduled != expected.scheduled:
        # Of a schedule that does not hold any more: the one that does has a time of its own.
        stored_runs.missed(expected.account, expected.automation, [], [], [store.no_longer_expected(expected)])
        return 0
    passed: list[int] = []
    following: int | None = expected.at
    while following is not None and following <= now - LATE_MILLISECONDS and len(passed) < MAX_MISSED_AT_ONCE:
        passed.append(following)
        following = schedule.next(following)
    known = stored_runs.occasions(expected.account, expected.automation, [_occasion(each) for each in passed])
    lost = [each for each in passed if _occasion(each) not in known]
    moves = [store.no_longer_expected(expected)]
    if following is not None:
        moves.append(store.expecting(replace(expected, at=following)))
    told = [_missed(automation, each, now) for each in lost]
    done = stored_runs.missed(expected.account, expected.automation, [clock.iso(each) for each in lost], told, moves)
    return len(lost) if done else 0


def _missed(automation: Automation, at: int, now: int) -> events.Event:
    data = {**automation.described(), "scheduled_at": clock.iso(at)}
    return events.happened(automation.account, "automation.missed", data, at=now)


def _occasion(moment: int) -> str:
    return f"time#{clock.iso(moment)}"


def _message(automation: Automation) -> dict[str, object]:
    """What AWS sends at each time, in the form that the bus's messages have."""
    return {
        "detail-type": "automation.due",
        "detail": {
            "account": ids.spell(ids.ACCOUNT, automation.account),
            "automation": ids.spell(ids.AUTOMATION, automation.id),
            "time": scheduler.TIME_PLACEHOLDER,
        },
    }


def _start(schedule: schedules.Schedule, now: int) -> int | None:
    """The start as AWS takes it: not long past. A rate needs one always, for it is counted from there."""
    if isinstance(schedules.parse(schedule.expression), int):
        return schedule.next(now)
    return schedule.start if schedule.start is not None and schedule.start > now else None
