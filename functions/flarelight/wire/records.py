"""The body of an import as it was written: its records go on character for character, and the rest is read.

Whatever reads JSON into numbers and writes it again changes them: `1.10` would become `1.1`, and long ones would lose
digits. So the text of the records is cut out, and what the import reads is what the caller sent.
"""

from __future__ import annotations

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, NoReturn

from fluvial.errors import InvalidError

SPACE = re.compile(r"[ \t\n\r]*")
ALLOWED = 'a list of objects, or {"records": [a list of objects]}'


def cut(text: str, name: str) -> tuple[str, str | None]:
    """The JSON object with an empty text in this field, and the field's own; None where it is absent or null."""
    fields = _fields(text, 0)
    found = fields.get(name)
    rest = ",".join(f"{json.dumps(field)}:{value}" for field, value in {**fields, name: '""'}.items())
    return f"{{{rest}}}", None if found in (None, "null") else found


def records(text: str, field: str) -> str:
    """The text of the list of records in a field's text; InvalidError where it is none, or an empty one."""
    if text.startswith("{"):
        inside = _fields(text, 0)
        unknown = sorted(inside.keys() - {"records"})
        if "records" not in inside or unknown:
            _refuse(
                field, f"it has {', '.join(repr(name) for name in unknown[:3])}" if unknown else "it has no 'records'"
            )
        field, text = f"{field}.records", inside["records"]
    if not text.startswith("["):
        _refuse(field, f"it is {text[:100]}")
    found = _decoder.decode(text)
    if not found:
        raise InvalidError(field, f"'{field}' must have at least 1 record.", value=[], constraint="at least 1 record")
    for at, record in enumerate(found):
        if not isinstance(record, dict):
            shown = json.dumps(record, ensure_ascii=False)[:100]
            place = f"{field}.{at}"
            raise InvalidError(place, f"'{place}' must be an object, not {shown}.", value=shown, constraint="an object")
    return text


def _fields(text: str, start: int) -> dict[str, str]:
    """The fields of the object that begins here, each with its text. Of two with one name the last counts, as always.

    InvalidError for what is no JSON object.
    """
    try:
        at = _skip(text, start)
        if text[at : at + 1] != "{":
            raise InvalidError(None, "The body must be a JSON object.", value=text[:100])
        fields: dict[str, str] = {}
        at = _skip(text, at + 1)
        if text[at : at + 1] == "}":
            return _ended(text, at, fields)
        while True:
            if text[at : at + 1] != '"':
                raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, at)
            name, at = scanstring(text, at + 1, True)
            at = _skip(text, at)
            if text[at : at + 1] != ":":
                raise json.JSONDecodeError("Expecting ':' delimiter", text, at)
            begin = _skip(text, at + 1)
            _, at = _decoder.raw_decode(text, begin)
            fields[name] = text[begin:at]
            at = _skip(text, at)
            if text[at : at + 1] == "}":
                return _ended(text, at, fields)
            if text[at : at + 1] != ",":
                raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
            at = _skip(text, at + 1)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise InvalidError(None, f"The body is not valid JSON: {error.msg} at {place}.") from error
    except RecursionError as error:
        raise InvalidError(None, "The body is nested too deeply.") from error


def _ended(text: str, at: int, fields: dict[str, str]) -> dict[str, str]:
    end = _skip(text, at + 1)
    if end < len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return fields


def _skip(text: str, at: int) -> int:
    found = SPACE.match(text, at)
    return at if found is None else found.end()


def _refuse(field: str, why: str) -> NoReturn:
    raise InvalidError(field, f"'{field}' must be {ALLOWED}: {why}.", constraint=ALLOWED)


def _no_constant(name: str) -> Any:
    raise InvalidError(None, f"The body is not valid JSON: it has {name}, which is no number of JSON.", value=name)


# Numbers stay text: they are only looked at, and one may have more digits than Python reads.
_decoder = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_no_constant)
