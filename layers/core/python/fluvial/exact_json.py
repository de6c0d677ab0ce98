"""JSON whose numbers keep their digits: a Decimal is written as the number that it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_text = json.JSONEncoder(ensure_ascii=False).encode


def dumps(value: Any) -> str:
    """The value as JSON text, without blanks. TypeError for what JSON has no form for, infinities included."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_text(name)}:{dumps(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(dumps, value)) + "]"
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise TypeError(f"JSON has no number {value}")
        return str(value)
    if value is None or isinstance(value, int):
        return _text(value)
    raise TypeError(f"JSON has no form for {type(value).__name__}")
