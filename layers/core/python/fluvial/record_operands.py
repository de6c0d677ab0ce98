"""What a filter compares a field with: values, periods and ranges, read by the field's type.

An operand is a `Span`, from its first to its last value. Of most types these are the same. On a datetime field a day is
all its moments, in UTC; a time to the minute or the second is all moments of these, too, since that is how far answers
show a datetime: what a client read, it finds again with `eq`, and not with `gt`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from fluvial import clock, record_dates, record_values
from fluvial.errors import MAX_SHOWN, InvalidError
from fluvial.record_classes import (
    DATE,
    DATETIME,
    INTEGER,
    MULTI,
    RELATION,
    STRING,
    TEXT,
    Field,
)
from fluvial.record_values import Value

Span = tuple[Value, Value]
"""The first and the last value, both included."""

FILLERS = ("-", "", None)  # what stands in the place of a value where the operator takes none
MAX_RANGE_LENGTH = 200

_EPOCH = date(1970, 1, 1).toordinal()
# Scripts write .000 behind the seconds of any datetime: zeros do not say that the milliseconds are known.
_TIME = re.compile(r"[0-9]{1,2}:[0-9]{2}(?P<seconds>:[0-9]{2}(?:\.0*(?P<fraction>[1-9])?)?)?")
_DASH = r"\s*[-–]\s*"
_NUMBER = r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?"
_MOMENT = (
    r"(?:[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{1,2}/[0-9]{1,2}/[0-9]{4})(?:[Tt ][0-9:.]+ ?(?:Z|z|UTC|[-+][0-9:]+)?)?"
)
_NUMBER_RANGE = re.compile(rf"\s*({_NUMBER}){_DASH}({_NUMBER})\s*")
_MOMENT_RANGE = re.compile(rf"\s*({_MOMENT}){_DASH}({_MOMENT})\s*")
_YEAR = r"[0-9]{4}|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}"
_YEAR_RANGE = re.compile(rf"\s*({_YEAR})(?:{_DASH}({_YEAR}))?\s*")


def shown(given: object) -> str:
    """A caller's own value as an error repeats it."""
    if isinstance(given, Mapping):
        return "an object"
    if isinstance(given, list | tuple):
        return "a list"
    if given is None or isinstance(given, bool):
        return {None: "null", True: "true", False: "false"}[given]
    text = str(given)
    text = text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"
    return f'"{text}"' if isinstance(given, str) else text


def refusal(place: str, field: Field, given: object, allowed: str) -> InvalidError:
    """The error for a value that does not fit the field."""
    value = given if isinstance(given, int | Decimal) else shown(given)[:MAX_SHOWN]
    reason = f"'{field.name}' can be compared with {allowed}, not with {shown(given)}."
    return InvalidError(place, reason, value=value, constraint=allowed)


def single(place: str, field: Field, given: object) -> Span | None:
    """The operand that is one value; None for null and the empty text, which stand for no value."""
    if isinstance(given, Mapping | list | tuple):
        raise refusal(place, field, given, "one value")
    try:
        value = record_values.read(_read_as(field, given), given)
    except InvalidError as error:
        reason = f"'{field.name}' {error.reason}."
        raise InvalidError(place, reason, value=error.value, constraint=error.constraint) from error
    if value is None:
        return None
    if field.type != DATETIME:
        return value, value
    return days(field, (value, value)) if isinstance(value, date) else _moments(value, str(given))


def between(place: str, field: Field, given: object) -> Span:
    """The operand of `range`: two values, as a list or as text with a - between them, in either order."""
    moments = field.type in (DATE, DATETIME)
    allowed = "01/01/2018 - 12/31/2018" if moments else "10000 - 20000"
    allowed = f"a range such as {allowed}"
    ends: list[object] = []
    if isinstance(given, list | tuple):
        ends = list(given)
    elif isinstance(given, str) and len(given) <= MAX_RANGE_LENGTH:
        found = (_MOMENT_RANGE if moments else _NUMBER_RANGE).fullmatch(given)
        ends = list(found.groups()) if found else []
    if len(ends) != 2:
        raise refusal(place, field, given, allowed)
    first, last = (single(place, field, end) for end in ends)
    if first is None or last is None:
        raise refusal(place, field, given, allowed)
    return _ordered(first, last)


def years(place: str, field: Field, given: object, *, fiscal_start: int) -> Span:
    """The operand of `range-year-fiscal` and, with a fiscal year that begins in January, of `range-year-cal`.

    A date in the place of a year stands for the year, or the fiscal year, that has it.
    """
    allowed = "a range of years such as 2018 - 2019"
    text = " - ".join(map(str, given)) if isinstance(given, list | tuple) and len(given) <= 2 else str(given)
    found = _YEAR_RANGE.fullmatch(text) if len(text) <= MAX_RANGE_LENGTH else None
    if found is None or isinstance(given, Mapping):
        raise refusal(place, field, given, allowed)
    day = replace(field, type=DATE)
    named = []
    for text in (found[1], found[2] or found[1]):
        if len(text) == 4:
            named.append(int(text))
        else:
            first, _ = single(place, day, text) or (date.min, date.min)
            assert isinstance(first, date)
            named.append(record_dates.fiscal_year(first, fiscal_start=fiscal_start))
    try:
        return days(field, record_dates.fiscal_years(min(named), max(named), fiscal_start=fiscal_start))
    except OverflowError as error:
        raise refusal(place, field, given, "years from 1 to 9999") from error


def period(place: str, field: Field, word: record_dates.Word, given: object, *, today: date, fiscal_start: int) -> Span:
    """The operand of a word for days, whose number comes with it unless it is a part of the word."""
    count = word.count
    if count is None:
        count = _count(place, field, given)
    elif given not in FILLERS:
        raise refusal(place, field, given, 'no value: "-" stands in its place')
    try:
        return days(field, word.days(count, today=today, fiscal_start=fiscal_start))
    except OverflowError as error:
        raise refusal(place, field, given, "a number of units that stays within the years 1 to 9999") from error
    except ValueError as error:
        raise refusal(place, field, given, "a number of units other than 0") from error


def days(field: Field, period: tuple[date, date]) -> Span:
    """The days as the operand of a date field, or all their moments as that of a datetime field."""
    first, last = period
    if field.type != DATETIME:
        return period
    return (first.toordinal() - _EPOCH) * clock.DAY, (last.toordinal() - _EPOCH + 1) * clock.DAY - 1


def _count(place: str, field: Field, given: object) -> int:
    """The n of `last-n-days`."""
    number = replace(field, type=INTEGER, options=())
    allowed = "a whole number of units, such as 5"
    try:
        count = record_values.read(number, given)
    except InvalidError as error:
        raise refusal(place, field, given, allowed) from error
    if not isinstance(count, int):
        raise refusal(place, field, given, allowed)
    return count


def _read_as(field: Field, given: object) -> Field:
    """The field as whose value the operand is read: what its own values have to keep besides is left out."""
    if field.type in (STRING, TEXT, MULTI):
        return replace(field, type=TEXT, options=())
    if field.type == RELATION:
        return replace(field, type=INTEGER)
    if field.type == DATETIME and not (isinstance(given, str) and _TIME.search(given)):
        return replace(field, type=DATE)
    return field


def _moments(moment: Value, text: str) -> Span:
    """All moments that the text leaves open."""
    assert isinstance(moment, int)
    written = _TIME.search(text)
    if written is None or written["fraction"]:
        return moment, moment
    return moment, moment + (clock.SECOND if written["seconds"] else clock.MINUTE) - 1


def _ordered(first: Span, last: Span) -> Span:
    """From the less of two values to the greater."""
    less, more = (first, last) if _key(first[0]) <= _key(last[0]) else (last, first)
    return less[0], more[1]


def _key(value: Value) -> Any:
    """The value: two of one field can be compared, which their type does not say."""
    return value
