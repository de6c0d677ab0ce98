"""Python values as DynamoDB attributes, and back.

Only what our items hold: text, whole numbers, booleans, None, lists and maps of them. A float is refused, because
DynamoDB's numbers would change it; free JSON is stored as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Item = dict[str, Any]
Wire = dict[str, Any]


def to_wire(value: object) -> Wire:
    """`{"S": …}`, `{"N": …}` and so on; TypeError for a value that would not come back the same."""
    match value:
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case None:
            return {"NULL": True}
        case list() | tuple():
            return {"L": [to_wire(each) for each in value]}
        case dict():
            return {"M": {key: to_wire(each) for key, each in value.items()}}
    raise TypeError(f"{type(value).__name__} is not stored")


def from_wire(value: Mapping[str, Any]) -> Any:
    """The Python value of one attribute."""
    ((kind, content),) = value.items()
    match kind:
        case "S" | "BOOL":
            return content
        case "N":
            return int(content)
        case "NULL":
            return None
        case "L":
            return [from_wire(each) for each in content]
        case "M":
            return {key: from_wire(each) for key, each in content.items()}
    raise TypeError(f"attributes of type {kind} are not read")


def item_to_wire(item: Mapping[str, object]) -> Wire:
    """A whole item; absent (None) attributes are left out, so that sparse indexes stay sparse."""
    return {name: to_wire(value) for name, value in item.items() if value is not None}


def item_from_wire(wire: Mapping[str, Mapping[str, Any]]) -> Item:
    """A whole item; read optional attributes with `.get`."""
    return {name: from_wire(value) for name, value in wire.items()}
