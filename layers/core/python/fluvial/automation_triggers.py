"""What starts an automation: a call of the API, a schedule, events of the account. Pure.

    api        POST /Automation/{id}/Execute
    schedule   expression [time_zone, start, end]     cron or rate, see `schedules`
    event      event [thing]                          a type, with * for any part: `data.processed`, `report.*`

An automation has any of them, but one schedule at most. `thing` narrows an event down to one thing, by its kind and
number: (`data`, 17) fits events that name this dataset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fluvial import events, ids, schedules
from fluvial.errors import MAX_SHOWN, InvalidError
from fluvial.schedules import Schedule

MAX_TRIGGERS = 12
MEMBERS = {"api": (), "schedule": ("expression", "time_zone", "start", "end"), "event": ("event", "thing")}
TYPES = tuple(MEMBERS)
THINGS = (ids.DATASET, ids.PREPARATION, ids.REPORT, ids.GENERATED_REPORT, ids.ANALYSIS, ids.AUTOMATION, ids.PROJECT)


@dataclass(frozen=True, slots=True)
class EventTrigger:
    """Events of a type, which may have `*` for a part of it, or be `*` for all; of one thing, if `thing` says so."""

    event: str
    thing: tuple[str, int] | None = None

    def fits(self, event_type: str, data: Mapping[str, Any]) -> bool:
        if not fits(self.event, event_type):
            return False
        return self.thing is None or ids.spell(*self.thing) in [each for each in data.values() if isinstance(each, str)]

    def to_json(self) -> dict[str, Any]:
        narrowed = {} if self.thing is None else {"thing": {"kind": self.thing[0], "id": self.thing[1]}}
        return {"type": "event", "event": self.event, **narrowed}


@dataclass(frozen=True, slots=True)
class Triggers:
    """All that starts one automation."""

    api: bool = False
    schedule: Schedule | None = None
    events: tuple[EventTrigger, ...] = ()

    def to_json(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [{"type": "api"}] if self.api else []
        if self.schedule is not None:
            schedule = self.schedule
            found.append(
                {
                    "type": "schedule",
                    "expression": schedule.expression,
                    "time_zone": schedule.zone,
                    "start": schedule.start,
                    "end": schedule.end,
                    "anchor": schedule.anchor,
                }
            )
        return [*found, *(event.to_json() for event in self.events)]


def from_json(stored: list[dict[str, Any]]) -> Triggers:
    """The triggers that `to_json` gave."""
    api, schedule, events_found = False, None, []
    for each in stored:
        if each["type"] == "api":
            api = True
        elif each["type"] == "schedule":
            schedule = Schedule(each["expression"], each["time_zone"], each["start"], each["end"], each["anchor"])
        else:
            thing = each.get("thing")
            events_found.append(EventTrigger(each["event"], None if thing is None else (thing["kind"], thing["id"])))
    return Triggers(api, schedule, tuple(events_found))


def parse(given: object, *, now: int) -> Triggers:
    """The triggers; InvalidError names the field by its path, such as `triggers.0.expression`.

    A rate without a start is counted from `now`, to the minute.
    """
    allowed = f"a list of 1-{MAX_TRIGGERS} triggers"
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_TRIGGERS:
        raise InvalidError("triggers", f"'triggers' must be {allowed}.", constraint=allowed)
    api, schedule, events_found = False, None, []
    for number, each in enumerate(given):
        place = f"triggers.{number}"
        if not isinstance(each, dict) or each.get("type") not in TYPES:
            kinds = ", ".join(TYPES)
            shown = str(each.get("type") if isinstance(each, dict) else each)[:MAX_SHOWN]
            raise InvalidError(
                f"{place}.type", f"'{place}.type' must be one of {kinds}.", value=shown, constraint=kinds
            )
        _check_members(place, each)
        fields = {name: value for name, value in each.items() if name != "type" and value is not None}
        if each["type"] == "api":
            api = True
        elif each["type"] == "schedule":
            if schedule is not None:
                raise InvalidError(place, "An automation has one schedule at most.", constraint="one schedule")
            schedule = _schedule(place, fields, now)
        else:
            events_found.append(_event(place, fields))
    return Triggers(api, schedule, tuple(dict.fromkeys(events_found)))


def _check_members(place: str, given: dict[str, Any]) -> None:
    for name in given:
        if name not in ("type", *MEMBERS[given["type"]]):
            reason = f"A trigger of the type '{given['type']}' has no field '{name[:50]}'."
            raise InvalidError(f"{place}.{name[:50]}", reason)


def fits(pattern: str, event_type: str) -> bool:
    """Whether a type is meant by a pattern: `*` alone is every one, `report.*` those of reports."""
    if pattern == "*":
        return True
    wanted, found = pattern.split("."), event_type.split(".")
    return len(wanted) == len(found) and all(one in ("*", other) for one, other in zip(wanted, found, strict=True))


def _schedule(place: str, fields: dict[str, Any], now: int) -> Schedule:
    expression, zone = fields.pop("expression", None), fields.pop("time_zone", "UTC")
    start, end = fields.pop("start", None), fields.pop("end", None)
    for name, value in (("expression", expression), ("time_zone", zone)):
        if not isinstance(value, str):
            raise InvalidError(f"{place}.{name}", f"'{place}.{name}' must be a text.", constraint=schedules.EXPRESSIONS)
    for name, value in (("start", start), ("end", end)):
        if value is not None and type(value) is not int:
            raise InvalidError(f"{place}.{name}", f"'{place}.{name}' must be a date and time.")
    schedule = Schedule(expression, zone, _whole_minute(start), end, anchor=_whole_minute(now) or 0)
    schedules.check(place, schedule, now=now)
    return schedule


def _whole_minute(moment: int | None) -> int | None:
    """AWS starts things to the minute; so what is due is told to the minute, at or after the moment."""
    return None if moment is None else -(-moment // 60_000) * 60_000


def _event(place: str, fields: dict[str, Any]) -> EventTrigger:
    pattern, thing = fields.pop("event", None), fields.pop("thing", None)
    allowed = ", ".join(events.TYPES)
    if not isinstance(pattern, str) or not any(fits(pattern, each) for each in events.TYPES):
        reason = f"'{place}.event' must be the type of an event; '*' stands for any part, as in 'report.*'."
        raise InvalidError(f"{place}.event", reason, value=str(pattern)[:MAX_SHOWN], constraint=allowed)
    if thing is None:
        return EventTrigger(pattern)
    if not isinstance(thing, dict) or thing.get("kind") not in THINGS or type(thing.get("id")) is not int:
        kinds = ", ".join(THINGS)
        raise InvalidError(f"{place}.thing", f"'{place}.thing' must name a kind and an id.", constraint=kinds)
    return EventTrigger(pattern, (thing["kind"], thing["id"]))
