"""The capacity units that a call to DynamoDB takes, by the rules of DynamoDB's guide ("Capacity unit consumption").

A read unit is a strongly consistent read of up to 4 KB, an eventually consistent one is half of it; a write unit is a
write of up to 1 KB. In a transaction both count twice. A query counts the bytes of all it reads together. A write
counts the larger of the item before and after, and one unit more for each entry of an index that it makes, removes or
moves: the table's indexes hold keys only, so that nothing else of an item changes an entry, and each is below 1 KB.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any

READ_BYTES, WRITE_BYTES = 4096, 1024

Item = Mapping[str, Any]


def read_units(operation: str, arguments: Mapping[str, Any], answer: Mapping[str, Any]) -> float:
    """Of a call that reads, with its answer; 0 for any other."""
    if operation == "GetItem":
        return _read(size(answer.get("Item", {})), arguments.get("ConsistentRead", False))
    if operation == "Query":
        read = sum(size(item) for item in answer.get("Items", ()))
        return _read(read, arguments.get("ConsistentRead", False))
    if operation == "BatchGetItem":
        return sum(
            _read(size(item), arguments["RequestItems"][table].get("ConsistentRead", False))
            for table, items in answer["Responses"].items()
            for item in items
        )
    return 0


def written(operation: str, arguments: Mapping[str, Any]) -> list[tuple[Item, int]]:
    """The keys of the items that a call writes or checks, each with how often it counts."""
    if operation == "TransactWriteItems":
        actions = [action for each in arguments["TransactItems"] for action in each.values()]
        return [(_key(action), 2) for action in actions]
    return [(_key(arguments), 1)] if operation in ("PutItem", "UpdateItem", "DeleteItem") else []


def write_units(before: Item, after: Item, times: int, indexes: Iterable[tuple[str, str]]) -> int:
    """Of one write that counts so many times; an index is its two key attributes. No item is an empty one."""
    entries = [(_entry(before, keys), _entry(after, keys)) for keys in indexes]
    moved = sum(len({was, now} - {None}) for was, now in entries if was != now)
    return times * _units(max(size(before), size(after)), WRITE_BYTES) + moved


def size(item: Item) -> int:
    """The bytes of an item in DynamoDB's JSON: names and values."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: Mapping[str, Any]) -> int:
    ((kind, held),) = value.items()
    match kind:
        case "S":
            return len(held.encode())
        case "N":
            return ceil(len(held.lstrip("-").replace(".", "")) / 2) + 1
        case "B":
            return len(held)
        case "L":
            return 3 + sum(1 + _size(each) for each in held)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _size(each) for name, each in held.items())
        case "SS":
            return sum(len(each.encode()) for each in held)
    return 1  # BOOL and NULL


def _read(size: int, consistent: bool) -> float:
    return _units(size, READ_BYTES) * (1 if consistent else 0.5)


def _units(size: int, unit: int) -> int:
    return max(1, ceil(size / unit))


def _key(action: Mapping[str, Any]) -> Item:
    named: Item = action.get("Key") or action["Item"]
    return {name: named[name] for name in ("pk", "sk")}


def _entry(item: Item, keys: tuple[str, str]) -> tuple[str, ...] | None:
    return tuple(str(item[name]) for name in keys) if all(name in item for name in keys) else None
