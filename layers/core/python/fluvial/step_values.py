"""Readers of the plain JSON values that recipes are made of: each takes a place and a value, and refuses with both."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, TypeVar

from fluvial.errors import InvalidError
from fluvial.plain_json import integral
from fluvial.query_values import MAX_TEXT_LENGTH, is_decimal
from fluvial.text import checked_line, checked_text

MAX_NAME_LENGTH = 200
TYPES = ("integer", "decimal(p,s)", "float", "boolean", "date", "time", "timestamp", "timestamp_tz", "text")
_DECIMAL = re.compile(r"decimal\(([0-9]{1,2}),([0-9]{1,2})\)")

T = TypeVar("T")


def listed(place: str, given: object, most: int, read: Callable[[str, object], T]) -> tuple[T, ...]:
    if not isinstance(given, list | tuple):
        raise InvalidError(place, f"'{place}' must be a list.")
    if len(given) > most:
        reason = f"'{place}' must have at most {most} entries, not {len(given)}."
        raise InvalidError(place, reason, value=len(given), constraint=f"at most {most}")
    return tuple(read(f"{place}.{at}", each) for at, each in enumerate(given))


def filled(place: str, given: object, most: int, read: Callable[[str, object], T]) -> list[T]:
    """A list with at least one entry."""
    if given is None or (isinstance(given, list | tuple) and not given):
        raise InvalidError(place, f"'{place}' must have at least one entry.", constraint=f"1-{most} entries")
    return list(listed(place, given, most, read))


def optional(place: str, given: object, read: Callable[[str, object], T]) -> T | None:
    return None if given is None else read(place, given)


def fields_of(place: str, given: object, known: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise InvalidError(place, f"'{place}' must be an object.")
    for name in given:
        if name not in known:
            raise InvalidError(place, f"'{place}' has no field {shown(name)}.", value=name, constraint=", ".join(known))
    return given


def one_of(place: str, given: object, allowed: Sequence[str]) -> str:
    if not isinstance(given, str) or given not in allowed:
        several = ", ".join(allowed)
        raise InvalidError(place, f"'{place}' must be one of: {several}.", value=given, constraint=several)
    return given


def text_of(place: str, given: object, most: int) -> str:
    if not isinstance(given, str):
        raise InvalidError(place, f"'{place}' must be text.", value=given)
    return checked_text(place, given, most)


def column_of(place: str, given: object) -> str:
    """A column that is there already, whose name may be anything."""
    return text_of(place, given, 10_000)


def name_of(place: str, given: object) -> str:
    """A name that the recipe gives."""
    return checked_line(place, text_of(place, given, MAX_NAME_LENGTH), MAX_NAME_LENGTH)


def type_of(place: str, given: object) -> str:
    spelled = given.replace(" ", "") if isinstance(given, str) else ""
    found = _DECIMAL.fullmatch(spelled)
    if found and 1 <= int(found[1]) <= 38 and int(found[2]) <= int(found[1]):
        return f"decimal({int(found[1])},{int(found[2])})"
    if spelled not in TYPES or is_decimal(spelled):
        several = ", ".join(TYPES)
        reason = f"'{place}' must be one of: {several}, with p up to 38 and s up to p."
        raise InvalidError(place, reason, value=given, constraint=several)
    return spelled


def whole(least: int, most: int) -> Callable[[str, object], int]:
    def read(place: str, given: object) -> int:
        given = integral(given)
        if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
            allowed = f"{least}-{most}"
            raise InvalidError(place, f"'{place}' must be a whole number, {allowed}.", value=given, constraint=allowed)
        return given

    return read


def truth(place: str, given: object) -> bool:
    if not isinstance(given, bool):
        raise InvalidError(place, f"'{place}' must be true or false.", value=given, constraint="true, false")
    return given


def scalar(place: str, given: object) -> object:
    """A value of JSON that a cell can be, without null: what filters compare with, too."""
    if isinstance(given, str):
        return text_of(place, given, MAX_TEXT_LENGTH)
    if not isinstance(given, int | float) or (isinstance(given, float) and not isfinite(given)):
        raise InvalidError(place, f"'{place}' must be text, a number or a truth value.")
    return given


def shown(name: object) -> str:
    text = repr(name)
    return text if len(text) <= 60 else text[:57] + "..."
