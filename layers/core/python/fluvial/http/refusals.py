"""What pydantic complains of, in our words: which field, what was given, what is allowed."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from fluvial import multipart
from fluvial.errors import MAX_SHOWN, InvalidError


def exact(text: str) -> float:
    """The number, if a 64-bit float keeps all its digits; else InvalidError, for it would change silently."""
    number = float(text)
    if Decimal(text) != Decimal(repr(number)):
        reason = f"The number {text[:MAX_SHOWN]} has more digits than a 64-bit float keeps: send it as a string."
        raise InvalidError(None, reason, value=text[:MAX_SHOWN])
    return number


def invalid(error: ValidationError) -> InvalidError:
    """The first complaint of pydantic in our words: which field, what was given, what is allowed."""
    first = error.errors(include_url=False)[0]
    kind, context = first["type"], first.get("ctx", {})
    field = ".".join(str(part) for part in first["loc"])[:MAX_SHOWN] or None
    given = first.get("input")
    if isinstance(given, multipart.FilePart):
        given = "a file"
    if kind == "json_invalid":
        return InvalidError(None, f"The body is not valid JSON: {context['error']}.")
    if field is None:
        return InvalidError(None, "The body must be a JSON object.", value=given)
    if kind == "missing":
        return InvalidError(field, f"'{field}' is required.")
    if kind == "extra_forbidden":
        return InvalidError(field, f"'{field}' is not a field of this request.", value=given)
    rule = _ALLOWED.get(kind)
    allowed = rule(context) if rule else None
    shown = json.dumps(given, ensure_ascii=False, default=str)
    shown = shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}…"
    if allowed is None:
        return InvalidError(field, f"'{field}' cannot be {shown}: {first['msg']}.", value=given)
    return InvalidError(field, f"'{field}' must be {allowed}, not {shown}.", value=given, constraint=allowed)


_ALLOWED: dict[str, Callable[[dict[str, Any]], str]] = {
    "string_type": lambda _: "a string",
    "int_type": lambda _: "a whole number",
    "int_parsing": lambda _: "a whole number",
    "int_parsing_size": lambda _: "a whole number",
    "int_from_float": lambda _: "a whole number",
    "bool_type": lambda _: "true or false",
    "dataclass_type": lambda _: "a file: a part with a file name",
    "dict_type": lambda _: "an object",
    "list_type": lambda _: "a list",
    "greater_than_equal": lambda context: f"at least {context['ge']}",
    "less_than_equal": lambda context: f"at most {context['le']}",
    "literal_error": lambda context: f"one of {context['expected']}",
}
