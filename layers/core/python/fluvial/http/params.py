"""The parameters of a request, from wherever they came: the query, and a body in one of four spellings.

    application/json                     an object
    application/x-www-form-urlencoded    pairs
    multipart/form-data                  fields and files
    multipart/form-data, no boundary     pairs: some clients label these so

Names with brackets nest: `filter[user][email]=x` is `{"filter": {"user": {"email": "x"}}}`, `cols[]=a&cols[]=b` a list.
Of a name that is in both, the query's value holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl

from fluvial import multipart
from fluvial.errors import MAX_SHOWN, InvalidError

Params = dict[str, Any]
"""Parameters by name: texts, JSON values, `multipart.FilePart`s."""

MAX_FIELDS = 2_000
MAX_FIELD_BYTES = 5_000_000  # no less than a body has
MAX_PARTS = 100
MAX_DEPTH = 8  # of brackets in a name
BRACKETS = re.compile(r"\[([^\[\]]*)\]")


def merged(query: Mapping[str, Iterable[str]], body: bytes, content_type: str) -> Params:
    """All parameters of a request; InvalidError for a body that cannot be read."""
    found = read_body(body, content_type)
    found.update(nested((name, value) for name, values in query.items() for value in values))
    return found


def read_body(body: bytes, content_type: str) -> Params:
    """The parameters in a body; none in an empty one, whatever its label says."""
    if not body.strip():
        return {}
    label = Message()
    label["content-type"] = content_type
    kind = label.get_content_type()
    if kind == "multipart/form-data" and _has_boundary(label):
        form = multipart.parse(body, content_type, max_parts=MAX_PARTS, max_field_bytes=MAX_FIELD_BYTES)
        return {**nested(form.fields.items()), **form.files}
    text = _decoded(body)
    # Labels are often wrong or absent, but no pairs begin with a brace.
    if kind == "application/json" or text.lstrip().startswith("{"):
        return _object(text)
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise InvalidError(None, f"The body has more than {MAX_FIELDS} fields.", value=len(text)) from error
    return nested(pairs)


def nested(pairs: Iterable[tuple[str, str]]) -> Params:
    """Pairs as parameters; brackets in a name make objects and lists."""
    found: Params = {}
    for name, value in pairs:
        head, bracket, _ = name.partition("[")
        inner = BRACKETS.findall(name)
        # A name whose brackets do not fit is a name.
        if not bracket or head + "".join(f"[{each}]" for each in inner) != name or len(inner) > MAX_DEPTH:
            found[name] = value
        else:
            _put(found, head, inner, value, name)
    return found


def json_value(field: str, given: Any) -> Any:
    """What a parameter says that is JSON text, or a value already; numbers with a point are Decimals.

    None for an empty text. InvalidError names the place of what is no JSON.
    """
    if not isinstance(given, str):
        return given
    if not given.strip():
        return None
    return _parsed(given, field)


def _put(at: Params, name: str, inner: list[str], value: str, spelled: str) -> None:
    """Puts a value below names, such as `["user", "email"]`; an empty one is the next place of a list."""
    for below in inner:
        if below:
            at.setdefault(name, {})
            if not isinstance(at[name], dict):
                raise InvalidError(spelled[:MAX_SHOWN], f"'{spelled[:MAX_SHOWN]}' stands for a value and an object.")
            at, name = at[name], below
        else:
            at.setdefault(name, [])
            if not isinstance(at[name], list):
                raise InvalidError(spelled[:MAX_SHOWN], f"'{spelled[:MAX_SHOWN]}' stands for a value and a list.")
            # What follows an empty bracket would have to say which entry it is of.
            at[name].append(value)
            return
    at[name] = value


def _object(text: str) -> Params:
    found = _parsed(text, None)
    if not isinstance(found, dict):
        raise InvalidError(None, "The body must be a JSON object.", value=text[:MAX_SHOWN], constraint="an object")
    return found


def _parsed(text: str, field: str | None) -> Any:
    where = "The body" if field is None else f"'{field}'"
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise InvalidError(field, f"{where} is nested too deep.", value=text[:MAX_SHOWN]) from error
    except ValueError as error:
        reason = f"{where} is not valid JSON: {error}."
        raise InvalidError(field, reason, value=text[:MAX_SHOWN], constraint="JSON") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        reason = f"The body is not valid UTF-8: {error.reason} at byte {error.start}."
        raise InvalidError(None, reason, constraint="UTF-8") from error


def _has_boundary(label: Message) -> bool:
    try:
        return bool(label.get_boundary())
    except (ValueError, TypeError):  # what the library raises for contradictory RFC 2231 parameters
        return False
