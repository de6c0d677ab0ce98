"""How values stand in the columns of SQLite, so that its own comparisons are exact.

    type                kept as
    string, text        the text; the empty one is NULL
    integer, relation   the number
    decimal             a text that sorts as the number does, see `decimal_key`
    boolean             0 or 1
    date                2018-12-31
    datetime            milliseconds since 1970 UTC
    multi               a JSON array of two: the texts, and the texts folded; without any, NULL

A many has no column. The columns have no declared type and no collation: SQLite compares numbers as numbers and texts
by their bytes, which is the order of their characters in Unicode.
"""

from __future__ import annotations

import json
import unicodedata
from datetime import date
from decimal import Decimal

from fluvial.record_classes import (
    BOOLEAN,
    DATETIME,
    INTEGER,
    RELATION,
    Field,
)
from fluvial.record_values import Value

Kept = int | str | None

MAX_EXPONENT = 4_999  # of a number's first digit, in either direction; DynamoDB ends at 125 and -130

_INTEGERS = (INTEGER, RELATION, BOOLEAN, DATETIME)
_NEGATIVE, _ZERO, _POSITIVE = "0", "1", "2"
_AFTER_DIGITS = "~"
_COMPLEMENT = str.maketrans("0123456789", "9876543210")


def column(field: Field, value: Value | None) -> Kept:
    """How a value is kept in the field's column."""
    if value is None or value in ("", ()):
        return None
    if isinstance(value, Decimal):
        return decimal_key(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        texts = [list(value), [folded(each) for each in value]]
        return json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
    return int(value) if field.type in _INTEGERS else str(value)


def value(field: Field, kept: Kept) -> Value | None:
    """The value of which `column` made this; a decimal without the zeros at its end."""
    if kept is None:
        return None
    match field.type:
        case "decimal":
            return decimal_of_key(str(kept))
        case "boolean":
            return bool(kept)
        case "date":
            return date.fromisoformat(str(kept))
        case "multi":
            return tuple(json.loads(str(kept))[0])
        case _:
            return kept


def folded(text: str) -> str:
    """The text without regard to case, and with one form for characters that can be written in several."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def decimal_key(number: Decimal) -> str:
    """A text that sorts among others of its kind as the number does, and is equal where the number is.

    It has the sign, the exponent of the first digit, and the digits: 2 5002 12 is 120. Of negative numbers all digits
    are turned around (9 for 0), and ~ follows them, so that of -1.2 and -1.23 the longer one is the less.
    OverflowError where the exponent is over MAX_EXPONENT, or for what is no number.
    """
    if not number.is_finite():
        raise OverflowError(f"{number} is no number that sorts")
    if not number:
        return _ZERO
    exponent = number.adjusted()
    if abs(exponent) > MAX_EXPONENT:
        raise OverflowError(f"the exponent of the first digit, {exponent}, is over {MAX_EXPONENT}")
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0")
    key = f"{exponent + MAX_EXPONENT + 1:04}{digits}"
    return _NEGATIVE + key.translate(_COMPLEMENT) + _AFTER_DIGITS if number.is_signed() else _POSITIVE + key


def decimal_of_key(key: str) -> Decimal:
    """The number of which `decimal_key` made the text."""
    if key == _ZERO:
        return Decimal(0)
    negative = key[0] == _NEGATIVE
    plain = key[1:-1].translate(_COMPLEMENT) if negative else key[1:]
    digits = tuple(map(int, plain[4:]))
    exponent = int(plain[:4]) - MAX_EXPONENT - 1 - (len(digits) - 1)
    whole = max(exponent, 0) if 0 <= exponent <= 40 else 0
    return Decimal((int(negative), digits + (0,) * whole, exponent - whole))
