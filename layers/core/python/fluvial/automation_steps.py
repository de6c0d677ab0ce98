"""The steps of an automation: what each one is, and which of them follows. Pure.

    execute_preparation  preparation                     generate_report  report [parameters, formats]
    run_analysis         analysis                        export           dataset, format
    call_webhook         url [body]                      wait             seconds, or until (milliseconds)
    condition            conditions [match, then, else]

Every step has a `name` of its own, and may have `retries` (further attempts after one that failed) with
`backoff_seconds` before the first of them, twice as long before each one after. Steps are done in their order. Only a
condition goes elsewhere, and only forward, so every run comes to an end.

What a condition compares is found by its path: `input.region` in what the run was started with, `steps.load.rows` in
the result of an earlier step, beside `steps.load.status` and `steps.load.error`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fluvial import clock
from fluvial.errors import MAX_SHOWN, InvalidError
from fluvial.exports import FORMATS
from fluvial.plain_json import integral

MAX_STEPS = 50
MAX_RETRIES = 5
MAX_BACKOFF_SECONDS = 3_600
DEFAULT_BACKOFF_SECONDS = 10
MAX_WAIT_SECONDS = 366 * clock.DAY // clock.SECOND
MAX_CONDITIONS = 20
MAX_DEFINITION_BYTES = 100 * 1024  # a run keeps the steps as they were when it began, and has to fit into one item
MAX_PATH_CHARACTERS = 200

NAME = re.compile(r"[a-z][a-z0-9_-]{0,49}")
NAMES = "1-50 of a-z, 0-9, _ and -, beginning with a letter"
PATH = re.compile(r"(input|steps\.([a-z][a-z0-9_-]{0,49}))((\.[A-Za-z0-9_-]{1,100})+)")
PATHS = "input.<field> or steps.<name of an earlier step>.<field>"

JOBS = ("execute_preparation", "generate_report", "run_analysis", "export")
TYPES = (*JOBS, "call_webhook", "wait", "condition")
NEXT, END = "next", "end"
MATCHES = ("all", "any")

Found = tuple[bool, Any]
"""Whether there is something at a path, and what."""


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Orders numbers with numbers and texts with texts; nothing else has an order."""

    def compared(left: Any, right: Any) -> bool:
        numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (left, right))
        return (numbers or (isinstance(left, str) and isinstance(right, str))) and compare(left, right)

    return compared


def _same(left: Any, right: Any) -> bool:
    """JSON's equality: true is not 1."""
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _contains(left: Any, right: Any) -> bool:
    if isinstance(left, str):
        return isinstance(right, str) and right in left
    return isinstance(left, list) and any(_same(each, right) for each in left)


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": _same,
    "ne": lambda left, right: not _same(left, right),
    "gt": _ordered(lambda left, right: left > right),
    "gte": _ordered(lambda left, right: left >= right),
    "lt": _ordered(lambda left, right: left < right),
    "lte": _ordered(lambda left, right: left <= right),
    "contains": _contains,
    "in": lambda left, right: _contains(right, left) if isinstance(right, list) else False,
}
EXISTS = ("exists", "absent")


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `settings` are the fields of its type, checked; whether what they name exists is not known here."""

    name: str
    type: str
    settings: Mapping[str, Any]
    retries: int = 0
    backoff_seconds: int = DEFAULT_BACKOFF_SECONDS

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "type": self.type,
            "retries": self.retries,
            "backoff_seconds": self.backoff_seconds,
            **self.settings,
        }


def parse(given: object) -> tuple[Step, ...]:
    """The steps; InvalidError names the field by its path, such as `steps.2.retries`."""
    allowed = f"a list of 1-{MAX_STEPS} steps"
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_STEPS:
        many = f", not {len(given)}" if isinstance(given, list) else ""
        raise InvalidError("steps", f"'steps' must be {allowed}{many}.", constraint=allowed)
    steps: list[Step] = []
    for number, each in enumerate(given):
        steps.append(_step(f"steps.{number}", each, steps))
    _check_gotos(steps)
    size = len(json.dumps([step.to_json() for step in steps], ensure_ascii=False).encode())
    if size > MAX_DEFINITION_BYTES:
        reason = f"The steps take {size} bytes as JSON; at most {MAX_DEFINITION_BYTES} can be kept."
        raise InvalidError("steps", reason, constraint=f"at most {MAX_DEFINITION_BYTES} bytes")
    return tuple(steps)


def holds(step: Step, look_up: Callable[[str], Found]) -> bool:
    """Whether a condition holds, of what is found at its paths. What is not there equals nothing and has no order."""
    outcomes = (_holds(each, look_up) for each in step.settings["conditions"])
    return all(outcomes) if step.settings["match"] == "all" else any(outcomes)


def target(step: Step, holding: bool, position: int, steps: Sequence[Step]) -> int:
    """The position at which a condition goes on; one past the last step for the end."""
    name = step.settings["then" if holding else "else"]
    if name == NEXT:
        return position + 1
    if name == END:
        return len(steps)
    return next(at for at, each in enumerate(steps) if each.name == name)


def _holds(condition: Mapping[str, Any], look_up: Callable[[str], Found]) -> bool:
    there, value = look_up(condition["value"])
    operator = condition["operator"]
    if operator in EXISTS:
        wanted: bool = operator == "exists"
        return there is wanted
    if not there:
        return bool(operator == "ne")
    return OPERATORS[operator](value, condition["to"])


def _step(place: str, given: object, before: Sequence[Step]) -> Step:
    fields = _fields(place, given)
    name = fields.pop("name", None)
    if not isinstance(name, str) or not NAME.fullmatch(name) or name in (NEXT, END):
        raise _refused(f"{place}.name", name, NAMES)
    if any(step.name == name for step in before):
        reason = f"'{place}.name' must be unique: another step is called '{name}'."
        raise InvalidError(f"{place}.name", reason, value=name)
    kind = fields.pop("type", None)
    if kind not in TYPES:
        raise _refused(f"{place}.type", kind, ", ".join(TYPES))
    retries = _whole(place, "retries", fields.pop("retries", None), 0, MAX_RETRIES, default=0)
    backoff = fields.pop("backoff_seconds", None)
    seconds = _whole(place, "backoff_seconds", backoff, 1, MAX_BACKOFF_SECONDS, default=DEFAULT_BACKOFF_SECONDS)
    if kind in ("wait", "condition") and retries:
        raise InvalidError(
            f"{place}.retries", f"A step of the type '{kind}' cannot fail: leave out 'retries'.", value=retries
        )
    settings = SETTINGS[kind](place, fields, before)
    if fields:
        unknown = next(iter(fields))
        reason = f"A step of the type '{kind}' has no field '{unknown[:50]}'."
        raise InvalidError(f"{place}.{unknown[:50]}", reason, value=unknown[:MAX_SHOWN])
    return Step(name, kind, settings, retries, seconds)


def _thing(field: str) -> Callable[[str, dict[str, Any], Sequence[Step]], dict[str, Any]]:
    def settings(place: str, fields: dict[str, Any], _: Sequence[Step]) -> dict[str, Any]:
        number = fields.pop(field, None)
        if type(number) is not int:
            raise _refused(f"{place}.{field}", number, f"the id of {'an' if field[0] in 'aeiou' else 'a'} {field}")
        return {field: number}

    return settings


def _report(place: str, fields: dict[str, Any], before: Sequence[Step]) -> dict[str, Any]:
    settings = _thing("report")(place, fields, before)
    parameters, formats = fields.pop("parameters", None), fields.pop("formats", None)
    if parameters is not None:
        settings["parameters"] = _fields(f"{place}.parameters", parameters)
    if formats is not None:
        if not isinstance(formats, list) or not all(isinstance(each, str) for each in formats):
            raise _refused(f"{place}.formats", formats, "a list of formats")
        settings["formats"] = formats
    return settings


def _export(place: str, fields: dict[str, Any], before: Sequence[Step]) -> dict[str, Any]:
    settings = _thing("dataset")(place, fields, before)
    settings["format"] = fields.pop("format", None)
    if settings["format"] not in FORMATS:
        raise _refused(f"{place}.format", settings["format"], ", ".join(FORMATS))
    return settings


def _webhook(place: str, fields: dict[str, Any], _: Sequence[Step]) -> dict[str, Any]:
    url, body = fields.pop("url", None), fields.pop("body", None)
    if not isinstance(url, str):
        raise _refused(f"{place}.url", url, "an http or https URL with a public host")
    return {"url": url} if body is None else {"url": url, "body": _fields(f"{place}.body", body)}


def _wait(place: str, fields: dict[str, Any], _: Sequence[Step]) -> dict[str, Any]:
    seconds, until = fields.pop("seconds", None), fields.pop("until", None)
    if (seconds is None) == (until is None):
        reason = f"'{place}' must have 'seconds' or 'until', and not both."
        raise InvalidError(place, reason, constraint="seconds or until")
    if until is None:
        return {"seconds": _whole(place, "seconds", seconds, 1, MAX_WAIT_SECONDS, default=0)}
    if type(until) is not int:
        raise _refused(f"{place}.until", until, "a date and time")
    return {"until": until}


def _condition(place: str, fields: dict[str, Any], before: Sequence[Step]) -> dict[str, Any]:
    given = fields.pop("conditions", None)
    allowed = f"a list of 1-{MAX_CONDITIONS} conditions"
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_CONDITIONS:
        raise _refused(f"{place}.conditions", given, allowed)
    match = fields.pop("match", None)
    match = MATCHES[0] if match is None else match
    if match not in MATCHES:
        raise _refused(f"{place}.match", match, ", ".join(MATCHES))
    conditions = [_comparison(f"{place}.conditions.{at}", each, before) for at, each in enumerate(given)]
    then, other = fields.pop("then", None), fields.pop("else", None)
    then, other = NEXT if then is None else then, END if other is None else other
    for name, goto in (("then", then), ("else", other)):
        if not isinstance(goto, str):
            raise _refused(f"{place}.{name}", goto, f"{NEXT}, {END} or the name of a later step")
    return {"conditions": conditions, "match": match, "then": then, "else": other}


def _comparison(place: str, given: object, before: Sequence[Step]) -> dict[str, Any]:
    fields = _fields(place, given)
    path, operator = fields.pop("value", None), fields.pop("operator", None)
    found = PATH.fullmatch(path) if isinstance(path, str) and len(path) <= MAX_PATH_CHARACTERS else None
    if found is None:
        raise _refused(f"{place}.value", path, PATHS)
    if found[2] is not None and all(step.name != found[2] for step in before):
        reason = f"'{place}.value' names the step '{found[2]}', which does not come before this one."
        raise InvalidError(f"{place}.value", reason, value=path, constraint=PATHS)
    if operator not in (*OPERATORS, *EXISTS):
        raise _refused(f"{place}.operator", operator, ", ".join((*OPERATORS, *EXISTS)))
    comparison: dict[str, Any] = {"value": path, "operator": operator}
    if operator not in EXISTS:
        if "to" not in fields:
            raise InvalidError(f"{place}.to", f"'{place}.to' is missing: say what to compare with.")
        comparison["to"] = fields.pop("to")
        if operator == "in" and not isinstance(comparison["to"], list):
            raise _refused(f"{place}.to", comparison["to"], "a list of values")
    if fields:
        unknown = next(iter(fields))[:50]
        raise InvalidError(f"{place}.{unknown}", f"A condition with '{operator}' has no field '{unknown}'.")
    return comparison


SETTINGS: dict[str, Callable[[str, dict[str, Any], Sequence[Step]], dict[str, Any]]] = {
    "execute_preparation": _thing("preparation"),
    "generate_report": _report,
    "run_analysis": _thing("analysis"),
    "export": _export,
    "call_webhook": _webhook,
    "wait": _wait,
    "condition": _condition,
}


def _check_gotos(steps: Sequence[Step]) -> None:
    """Conditions go forward only: what they name comes after them."""
    for at, step in enumerate(steps):
        for field in ("then", "else") if step.type == "condition" else ():
            name = step.settings[field]
            later = [each.name for each in steps[at + 1 :]]
            if name not in (NEXT, END, *later):
                allowed = f"{NEXT}, {END} or the name of a later step"
                reason = f"'steps.{at}.{field}' must be {allowed}, not '{name[:50]}'."
                raise InvalidError(f"steps.{at}.{field}", reason, value=name[:MAX_SHOWN], constraint=allowed)


def _fields(place: str, given: object) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise _refused(place, given, "an object")
    return dict(given)


def _whole(place: str, field: str, given: object, least: int, most: int, *, default: int) -> int:
    if given is None:
        return default
    given = integral(given)
    if type(given) is not int or not least <= given <= most:
        raise _refused(f"{place}.{field}", given, f"a whole number from {least} to {most}")
    return given


def _refused(field: str, given: object, allowed: str) -> InvalidError:
    if given is None:
        return InvalidError(field, f"'{field}' is missing: it must be {allowed}.", constraint=allowed)
    shown = str(given)[:MAX_SHOWN]
    return InvalidError(field, f"'{field}' must be {allowed}.", value=shown, constraint=allowed)
