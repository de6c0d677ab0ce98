"""The values that filters compare with: exact, in the spelling of rows, and of the column's own type."""

from __future__ import annotations

import math
import re
from datetime import date, time
from decimal import Decimal

from fluvial.errors import InvalidError
from fluvial.text import checked_text

INT64 = range(-(2**63), 2**63)
MAX_DIGITS = 38
MAX_TEXT_LENGTH = 10_000
# A number of JSON arrives as a 64-bit float, which keeps so many decimal digits whatever they are.
EXACT_DIGITS = 15
NO_FINITE_NUMBERS = ("NaN", "Infinity", "-Infinity")

_INTEGER = re.compile(r"-?[0-9]{1,40}")
_DECIMAL = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?")
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_ZONE = r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
_TEMPORAL = {
    "date": (re.compile(_DATE), "a date such as 2025-11-29"),
    "time": (re.compile(_TIME), "a time such as 12:30 or 12:30:05.250"),
    "timestamp": (re.compile(f"{_DATE}(?:[T ]{_TIME})?"), "a time without a zone such as 2025-11-29T12:30:00"),
    "timestamp_tz": (re.compile(f"{_DATE}[T ]{_TIME}{_ZONE}"), "a time with its zone such as 2025-11-29T12:30:00Z"),
}


def is_decimal(type_: str) -> bool:
    return type_.startswith("decimal(")


def scale(type_: str) -> int:
    """Digits after the point of `decimal(p,s)`; 0 of integers."""
    return int(type_[:-1].split(",")[1]) if is_decimal(type_) else 0


def bound(field: str, value: object, type_: str) -> object:
    """The value as the engine takes it for a column of this type: text for decimals, dates and times.

    InvalidError for a value of another type, or one that could only be compared after rounding.
    """
    if type_ == "integer":
        return _integer(field, value)
    if is_decimal(type_):
        return _decimal(field, value, type_)
    if type_ == "float":
        return _float(field, value)
    if type_ == "boolean":
        if not isinstance(value, bool):
            raise _refused(field, value, "true or false")
        return value
    if type_ in _TEMPORAL:
        return _moment(field, value, type_)
    if not isinstance(value, str):
        raise _refused(field, value, "text")
    return checked_text(field, value, MAX_TEXT_LENGTH)


def _integer(field: str, value: object) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value not in INT64:
        raise _refused(field, value, "a whole number of 64 bits")
    return value


def _decimal(field: str, value: object, type_: str) -> str:
    digits = scale(type_)
    allowed = f"a number, or text with its digits, at most {MAX_DIGITS} of them and {digits} after the point"
    if isinstance(value, str):
        number = Decimal(value) if _DECIMAL.fullmatch(value) else None
    elif isinstance(value, bool) or not isinstance(value, int | float):
        number = None
    else:
        number = Decimal(repr(value))
        if isinstance(value, float) and len(number.as_tuple().digits) > EXACT_DIGITS:
            raise _refused(field, value, f"{allowed}; more than {EXACT_DIGITS} digits only as text")
    if number is None or not number.is_finite():
        raise _refused(field, value, allowed)
    sign, numerals, exponent = number.as_tuple()
    significant = "".join(map(str, numerals)).lstrip("0")
    kept = significant.rstrip("0")
    places = -int(exponent) - (len(significant) - len(kept))
    if kept and (places > digits or len(kept) - places > MAX_DIGITS - digits):
        raise _refused(field, value, allowed)
    return f"{'-' if sign and kept else ''}{number.copy_abs():f}" if kept else "0"


def _float(field: str, value: object) -> float:
    if isinstance(value, str) and value in NO_FINITE_NUMBERS:
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(field, value, f"a number, or one of {', '.join(NO_FINITE_NUMBERS)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or number != value:
        raise _refused(field, value, "a number that a 64-bit float can be")
    return number + 0.0  # -0.0 is 0.0


def _moment(field: str, value: object, type_: str) -> str:
    pattern, allowed = _TEMPORAL[type_]
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _refused(field, value, allowed)
    day, clock = (value[:10], value[11:]) if type_ != "time" else ("", value)
    zone = re.search(f"{_ZONE}$", clock)
    try:
        if day:
            date.fromisoformat(day)
        if clock:
            time.fromisoformat(clock[: zone.start()] if zone else clock)
        if zone and zone[0] != "Z" and (int(zone[0][1:3]) > 14 or int(zone[0][4:]) > 59):
            raise ValueError(zone[0])
    except ValueError as error:
        raise _refused(field, value, allowed) from error
    return value


def _refused(field: str, value: object, allowed: str) -> InvalidError:
    return InvalidError(
        field, f"'{field}' must be {allowed}, as the column's type asks.", value=value, constraint=allowed
    )
