"""Values of records: reading them from JSON, writing them to JSON, and the text in which they are stored.

    type                value                   on the wire                  accepted besides
    string, text        str                     text                         numbers, true and false, as their text
    integer             int, 64 bits            number                       digits as text, 5.0
    decimal             Decimal                 number                       digits as text
    boolean             bool                    true, false                  "true", "false", 1, 0, "1", "0"
    date                date                    2018-12-31                   12/31/2018, a datetime (its day)
    datetime            int, ms since 1970 UTC  2018-12-31T08:00:00Z         any zone, none (UTC), a bare date
    relation            int                     number                       digits as text, {"id": 1}, [1], [{"id": 1}]
    multi               tuple[str, ...]         list of texts                one text
    (any)               None: not set           absent                       null, "", {"id": ""}, []

An integer with the options 0 and 1 takes true and false for them. Datetimes are kept to the second, as they are shown.
No number is ever a float: JSON is read with `parse_float=Decimal`, and stored decimals are texts. A custom field is
stored under the id of its definition, so that one that is made anew under an old name does not find the old values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from fluvial.errors import MAX_SHOWN, InvalidError
from fluvial.record_classes import (
    BOOLEAN,
    DATE,
    DATETIME,
    DECIMAL,
    FLAG,
    INTEGER,
    MANY,
    MULTI,
    RELATION,
    STRING,
    TEXT,
    Field,
    ModelClass,
)

Value = str | int | Decimal | bool | date | tuple[str, ...]

MAX_STRING_LENGTH = 1_000
MAX_TEXT_LENGTH = 100_000
MAX_DECIMAL_DIGITS = 38
MAX_CHOICES = 500  # options of one multi value
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1
MAX_OPTIONS_SHOWN = 20

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INTEGER = re.compile(r"[+-]?[0-9]{1,40}(\.0{0,40})?", re.ASCII)
_DECIMAL = re.compile(r"[+-]?([0-9]{1,80}(\.[0-9]{0,80})?|\.[0-9]{1,80})([eE][+-]?[0-9]{1,3})?", re.ASCII)
_AMERICAN_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
# Ruby writes a space in the place of the T, and " UTC" in that of the Z.
_DATETIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.[0-9]{1,9})? ?"
    r"(?:[Zz]|UTC|([+-][0-9]{2}):?([0-9]{2}))?)?"
)


def read(field: Field, given: object, before: Value | None = None) -> Value | None:
    """The value that a caller gave a field in JSON; None where it clears the field.

    InvalidError names the field, the value and what is allowed. An option that is no more may stay where the record
    has it already (`before`).
    """
    if field.type == MANY:
        reason = f"shows the {field.related} records that point here: set '{field.by}' of those instead"
        raise InvalidError(field.name, reason, constraint=f"{field.related}.{field.by}")
    if given is None or given == "":
        return None
    value = _READERS[field.type](field, given)
    if field.options and value is not None:
        _check_options(field, value, before)
    return value


def to_json(field: Field, value: Value) -> object:
    """The value on the wire. A Decimal stays one: the caller's encoder writes its digits."""
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, date):
        return value.isoformat()
    if field.type == DATETIME and isinstance(value, int):
        return _iso(value)
    return value


def pack(model: ModelClass, values: Mapping[str, Value], before: str | None = None) -> str:
    """The values as the JSON text that is stored; decimals and dates as texts, so that they come back the same.

    What was stored `before` of fields that the class does not have stays: one that was defined meanwhile, or is gone.
    """
    stored: dict[str, Any] = {}
    if before is not None:
        stored |= {name: value for name, value in json.loads(before).items() if name not in model.stored}
    for name, value in values.items():
        field = model.field(name)
        if field is not None and field.kept:
            stored[field.stored_name] = str(value) if isinstance(value, Decimal | date) else value
    return json.dumps(stored, ensure_ascii=False, separators=(",", ":"))


def unpack(model: ModelClass, text: str) -> dict[str, Value]:
    """The values that `pack` stored; those of fields that the class no longer has are left out."""
    fields = model.stored
    return {
        fields[name].name: _restored(fields[name], stored)
        for name, stored in json.loads(text).items()
        if name in fields
    }


def _restored(field: Field, stored: Any) -> Value:
    if field.type == DECIMAL:
        return Decimal(stored)
    if field.type == DATE:
        return date.fromisoformat(stored)
    restored: Value = tuple(stored) if field.type == MULTI else stored
    return restored


def _iso(milliseconds: int) -> str:
    # Not by way of a timestamp: those before 1970 are not had on every platform.
    return (_EPOCH + timedelta(seconds=milliseconds // 1000)).isoformat()[:-6] + "Z"


def _read_string(field: Field, given: object) -> Value:
    return _text(field, given, MAX_STRING_LENGTH)


def _read_text(field: Field, given: object) -> Value:
    return _text(field, given, MAX_TEXT_LENGTH)


def _text(field: Field, given: object, most: int) -> str:
    if isinstance(given, bool):
        return "true" if given else "false"
    text = format(given, "f") if isinstance(given, Decimal) and abs(given.adjusted()) < MAX_STRING_LENGTH else given
    if isinstance(text, int):
        text = str(text)
    if not isinstance(text, str):
        raise _refused(field, given, "text")
    if len(text) > most:
        reason = f"must have at most {most} characters, not {len(text)}"
        raise InvalidError(field.name, reason, value=text[:MAX_SHOWN], constraint=f"at most {most} characters")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        reason = "must not have a NUL, or half of a surrogate pair, which is no character"
        raise InvalidError(field.name, reason, constraint="characters of Unicode but NUL")
    return text


def _read_integer(field: Field, given: object) -> Value:
    if field.options == FLAG and _truth(given) is not None:
        return int(bool(_truth(given)))
    number = _whole(given)
    if number is None or not MIN_INTEGER <= number <= MAX_INTEGER:
        raise _refused(field, given, "a whole number", f"{MIN_INTEGER} to {MAX_INTEGER}")
    return number


def _whole(given: object) -> int | None:
    """The whole number that this is or spells; None for everything else."""
    if isinstance(given, bool):
        return None
    if isinstance(given, int):
        return given
    if isinstance(given, Decimal):
        plain = _plain(given)
        return int(plain) if plain is not None and plain.as_tuple().exponent == 0 else None
    if isinstance(given, str) and _INTEGER.fullmatch(given.strip()):
        return int(given.strip().partition(".")[0])
    return None


def _read_decimal(field: Field, given: object) -> Value:
    if isinstance(given, str) and _DECIMAL.fullmatch(given.strip()):
        number = Decimal(given.strip())
    elif isinstance(given, Decimal) or (isinstance(given, int) and not isinstance(given, bool)):
        number = Decimal(given)
    else:
        raise _refused(field, given, "a number")
    exact = _plain(number)
    if exact is None:
        raise _refused(field, given, f"a number of at most {MAX_DECIMAL_DIGITS} digits")
    return exact


def _plain(number: Decimal) -> Decimal | None:
    """The number without zeros behind its last decimal; None for one of more digits than are kept exactly."""
    if not number.is_finite():
        return None
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)  # of a finite number
    kept = "".join(map(str, digits)).lstrip("0")
    stripped = kept.rstrip("0")
    if not stripped:
        return Decimal(0)
    exponent += len(kept) - len(stripped)
    if exponent > 0:
        if len(stripped) + exponent > MAX_DECIMAL_DIGITS:
            return None
        stripped, exponent = stripped + "0" * exponent, 0
    if len(stripped) > MAX_DECIMAL_DIGITS or exponent < -MAX_DECIMAL_DIGITS:
        return None
    return Decimal((sign, tuple(map(int, stripped)), exponent))


def _read_boolean(field: Field, given: object) -> Value:
    truth = _truth(given)
    if truth is None:
        raise _refused(field, given, "true or false")
    return truth


def _truth(given: object) -> bool | None:
    word = given.strip().lower() if isinstance(given, str) else given
    if word in (True, "1", "true"):  # 1 and Decimal("1.0") are equal to True
        return True
    return False if word in (False, "0", "false") else None


def _read_date(field: Field, given: object) -> Value:
    # A client that means a day and sends a time means the day as it stands there.
    if isinstance(given, str) and (found := _DATETIME.fullmatch(given.strip())):
        return _day(field, given, found[1])
    return _american_day(field, given, "a date")


def _read_datetime(field: Field, given: object) -> Value:
    found = _DATETIME.fullmatch(given.strip()) if isinstance(given, str) else None
    if found is None:
        day, time, hours, minutes = _american_day(field, given, "a date and time").isoformat(), None, None, None
    else:
        day, time, hours, minutes = found[1], found[2], found[3], found[4]
    try:
        moment = datetime.fromisoformat(f"{day}T{time or '00:00'}{f'{hours}:{minutes}' if hours else '+00:00'}")
        return (moment.astimezone(UTC) - _EPOCH) // timedelta(seconds=1) * 1000
    except (ValueError, OverflowError) as error:
        raise _refused(field, given, "a date and time that there is") from error


def _american_day(field: Field, given: object, wanted: str) -> date:
    found = _AMERICAN_DATE.fullmatch(given.strip()) if isinstance(given, str) else None
    if found is None:
        allowed = "YYYY-MM-DD, MM/DD/YYYY" + ("" if field.type == DATE else ", YYYY-MM-DDTHH:MM:SSZ")
        raise _refused(field, given, wanted, allowed)
    month, day, year = found.groups()
    return _day(field, given, f"{year}-{int(month):02}-{int(day):02}")


def _day(field: Field, given: object, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise _refused(field, given, "a day of the calendar") from error


def _read_relation(field: Field, given: object) -> Value | None:
    named = given
    if isinstance(named, list | tuple):
        if len(named) > 1:
            raise _refused(field, given, "one record", "an id")
        named = named[0] if named else None
    if isinstance(named, Mapping):
        named = named.get("id", named)  # an object without one is refused below
    if named is None or named == "":
        return None
    number = _whole(named)
    if number is None or not 0 < number <= MAX_INTEGER:
        raise _refused(field, given, "the id of a record", 'an id, {"id": 1}')
    return number


def _read_multi(field: Field, given: object) -> Value | None:
    entries = list(given) if isinstance(given, list | tuple) else [given]
    texts = [_text(field, each, MAX_STRING_LENGTH) for each in entries if each not in (None, "")]
    chosen = tuple(dict.fromkeys(texts))
    if len(chosen) > MAX_CHOICES:
        reason = f"must have at most {MAX_CHOICES} options, not {len(chosen)}"
        raise InvalidError(field.name, reason, value=len(chosen), constraint=f"at most {MAX_CHOICES}")
    return chosen or None


def _check_options(field: Field, value: Value, before: Value | None) -> None:
    chosen = value if isinstance(value, tuple) else (str(value),)
    kept = before if isinstance(before, tuple) else () if before is None else (str(before),)
    for each in chosen:
        if each not in field.options and each not in kept:
            shown = ", ".join(field.options[:MAX_OPTIONS_SHOWN])
            more = len(field.options) - MAX_OPTIONS_SHOWN
            allowed = f"{shown} and {more} more" if more > 0 else shown
            reason = f"must be one of {allowed}, not {_shown(each)}"
            raise InvalidError(field.name, reason, value=each[:MAX_SHOWN], constraint=allowed)


def _refused(field: Field, given: object, wanted: str, allowed: str | None = None) -> InvalidError:
    said = given[:MAX_SHOWN] if isinstance(given, str) else given if isinstance(given, int | Decimal) else None
    return InvalidError(field.name, f"must be {wanted}, not {_shown(given)}", value=said, constraint=allowed or wanted)


def _shown(given: object) -> str:
    """A caller's value as a refusal repeats it."""
    if isinstance(given, Mapping):
        return "an object"
    if isinstance(given, list | tuple):
        return "a list"
    if isinstance(given, str):
        return json.dumps(given[:MAX_SHOWN], ensure_ascii=False)
    return str(given).lower()[:MAX_SHOWN] if isinstance(given, bool) else str(given)[:MAX_SHOWN]


_READERS: dict[str, Callable[[Field, object], Value | None]] = {
    STRING: _read_string,
    TEXT: _read_text,
    INTEGER: _read_integer,
    DECIMAL: _read_decimal,
    BOOLEAN: _read_boolean,
    DATE: _read_date,
    DATETIME: _read_datetime,
    RELATION: _read_relation,
    MULTI: _read_multi,
}
