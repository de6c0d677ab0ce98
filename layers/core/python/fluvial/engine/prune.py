"""Which parts a filter can find anything in, by the bounds that the manifest has of them: no other is fetched."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from fluvial import queries
from fluvial.engine.manifest import Column, Part
from fluvial.query_values import is_decimal

# Python would drop what lies beyond microseconds, and a bound must never be narrower than its part.
_NANOSECONDS = re.compile(r"\.[0-9]{7,}")


def pruned(parts: Sequence[Part], columns: Sequence[Column], filters: Sequence[queries.Filter]) -> list[Part]:
    """The parts in which all filters can hold. Where a bound is not known or not understood, the part stays."""
    types = {column.name: column.type for column in columns}
    return [part for part in parts if all(_possible(part, each, types) for each in filters)]


def _possible(part: Part, each: queries.Filter, types: Mapping[str, str]) -> bool:
    known = part.bounds.get(each.column)
    excludes = _EXCLUDES.get(each.operator)
    if known is None or excludes is None:
        return True
    type_ = types[each.column]
    try:
        least, greatest = (_comparable(text, type_) for text in known)
        values = [_comparable(value, type_) for value in queries.filter_values(each, type_)]
        return not excludes(least, greatest, values)
    except (ValueError, TypeError, KeyError, InvalidOperation):
        return True


_EXCLUDES: dict[str, Callable[[Any, Any, list[Any]], bool]] = {
    "eq": lambda least, greatest, values: not least <= values[0] <= greatest,
    "in": lambda least, greatest, values: not any(least <= value <= greatest for value in values),
    "ne": lambda least, greatest, values: least == greatest == values[0],
    "not_in": lambda least, greatest, values: least == greatest and least in values,
    "lt": lambda least, _, values: least >= values[0],
    "le": lambda least, _, values: least > values[0],
    "gt": lambda _, greatest, values: greatest <= values[0],
    "ge": lambda _, greatest, values: greatest < values[0],
    "starts_with": lambda least, greatest, values: greatest < values[0] or least[: len(values[0])] > values[0],
}
"""Whether no cell between two bounds can fulfil a filter. Of the other operators bounds say nothing."""


def _comparable(value: object, type_: str) -> Any:
    """The value of a bound or a filter as what Python orders as the engine does; ValueError for any other."""
    if type_ == "integer":
        return int(value)  # type: ignore[call-overload]
    if is_decimal(type_):
        return Decimal(str(value))
    if type_ == "float":
        number = float(value)  # type: ignore[arg-type]
        if math.isnan(number):
            raise ValueError("the engine has NaN above all numbers, Python nowhere")
        return number
    if type_ == "boolean":
        return {"true": True, "false": False, True: True, False: False}[value]
    text = str(value)
    if type_ == "text":
        return text
    if _NANOSECONDS.search(text):
        raise ValueError("beyond microseconds")
    if type_ == "date":
        return date.fromisoformat(text)
    if type_ == "time":
        return time.fromisoformat(text)
    moment = datetime.fromisoformat(text)
    if (moment.tzinfo is not None) != (type_ == "timestamp_tz"):
        raise ValueError("a time with a zone and one without are not compared")
    return moment
