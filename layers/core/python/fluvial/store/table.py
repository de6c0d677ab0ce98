"""The door to the table: reads, writes and transactions in plain Python values.

Of DynamoDB's errors only two mean something to a rule: a condition that does not hold (`ConditionError`) and, in
transactions, two writers at once, which is tried again here. All others pass.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from fluvial.aws import client
from fluvial.config import settings
from fluvial.store.attributes import Item, item_from_wire, item_to_wire, to_wire

TRANSACTION_ATTEMPTS = 12
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 1.0
BATCH_KEYS = 100  # DynamoDB's own limit

Key = tuple[str, str]


class ConditionError(Exception):
    """A condition did not hold, and nothing was written.

    `failed` has the positions of the actions whose condition failed, `item` what a single write found instead.
    """

    def __init__(self, failed: Sequence[int] = (0,), item: Item | None = None) -> None:
        super().__init__(f"conditions failed at {list(failed)}")
        self.failed = tuple(failed)
        self.item = item


class GuardError(Exception):
    """The guard of a transaction failed, so nothing was written; whether other conditions held is not known."""


@dataclass(frozen=True, slots=True)
class Action:
    """One write (or check) of a transaction, also usable alone.

    `values` are the `:name` placeholders of `condition` and `update`; `names` the `#name` ones.
    """

    kind: str  # Put, Update, Delete or ConditionCheck
    key: Key
    item: Mapping[str, object] | None = None
    update: str | None = None
    condition: str | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def wire(self) -> dict[str, Any]:
        wire: dict[str, Any] = {"TableName": settings().need("table")}
        if self.item is not None:
            wire["Item"] = item_to_wire({"pk": self.key[0], "sk": self.key[1], **self.item})
        else:
            wire["Key"] = _key(self.key)
        if self.update:
            wire["UpdateExpression"] = self.update
        if self.condition:
            wire["ConditionExpression"] = self.condition
        if self.values:
            wire["ExpressionAttributeValues"] = {name: to_wire(value) for name, value in self.values.items()}
        if self.names:
            wire["ExpressionAttributeNames"] = dict(self.names)
        return wire


# The item is new: no other has this key.
IS_NEW = "attribute_not_exists(pk)"
# The item is there.
EXISTS = "attribute_exists(pk)"


def put(key: Key, item: Mapping[str, object], condition: str | None = IS_NEW, **values: object) -> Action:
    """A whole item; a new one unless another condition is given."""
    return Action("Put", key, item=item, condition=condition, values=_placeholders(values))


def update(
    key: Key,
    expression: str,
    condition: str | None = EXISTS,
    names: Mapping[str, str] | None = None,
    **values: object,
) -> Action:
    return Action(
        "Update", key, update=expression, condition=condition, values=_placeholders(values), names=names or {}
    )


def delete(key: Key, condition: str | None = EXISTS, **values: object) -> Action:
    return Action("Delete", key, condition=condition, values=_placeholders(values))


def check(key: Key, condition: str = EXISTS, **values: object) -> Action:
    return Action("ConditionCheck", key, condition=condition, values=_placeholders(values))


def get(key: Key, *, consistent: bool = True) -> Item | None:
    """The item, or None. One read."""
    answer = _dynamodb().get_item(TableName=settings().need("table"), Key=_key(key), ConsistentRead=consistent)
    return item_from_wire(answer["Item"]) if "Item" in answer else None


def batch_get(keys: Sequence[Key]) -> list[Item]:
    """The items that are there, in the order of the keys. One read each, one call for each BATCH_KEYS of them."""
    found: dict[Key, Item] = {}
    for start in range(0, len(keys), BATCH_KEYS):
        found |= _batch(keys[start : start + BATCH_KEYS])
    return [found[key] for key in keys if key in found]


def _batch(keys: Sequence[Key]) -> dict[Key, Item]:
    table = settings().need("table")
    found: dict[Key, Item] = {}
    asked: dict[str, Any] = {table: {"Keys": [_key(key) for key in keys], "ConsistentRead": True}}
    pause = FIRST_PAUSE_SECONDS
    while asked:
        answer = _dynamodb().batch_get_item(RequestItems=asked)
        for wire in answer["Responses"].get(table, ()):
            item = item_from_wire(wire)
            found[item["pk"], item["sk"]] = item
        asked = answer.get("UnprocessedKeys") or {}
        if asked:
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
    return found


def query(
    partition: str,
    *,
    index: str | None = None,
    between: tuple[str, str] | None = None,
    forward: bool = True,
    limit: int | None = None,
    skip: int = 0,
) -> list[Item]:
    """The items of a partition (or, from an index, only their keys) in key order, `skip` left out, at most `limit`.

    `between` are the first and the last sort key that are wanted. DynamoDB cannot skip: the items left
    out by `skip` are read, too (in an index they are about 150 bytes each).
    """
    arguments: dict[str, Any] = {
        "TableName": settings().need("table"),
        "KeyConditionExpression": "#p = :p",
        "ExpressionAttributeNames": {"#p": "scope" if index else "pk"},
        "ExpressionAttributeValues": {":p": {"S": partition}},
        "ScanIndexForward": forward,
    }
    if index:
        arguments["IndexName"] = index
    else:
        arguments["ConsistentRead"] = True
    if between:
        arguments["KeyConditionExpression"] += " AND #s BETWEEN :first AND :last"
        arguments["ExpressionAttributeNames"]["#s"] = f"{index}_key" if index else "sk"
        first, last = between
        arguments["ExpressionAttributeValues"] |= {":first": {"S": first}, ":last": {"S": last}}
    items: list[Item] = []
    wanted = None if limit is None else skip + limit
    while wanted is None or len(items) < wanted:
        if wanted is not None:
            arguments["Limit"] = wanted - len(items)
        answer = _dynamodb().query(**arguments)
        items += [item_from_wire(wire) for wire in answer["Items"]]
        if "LastEvaluatedKey" not in answer:
            break
        arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
    return items[skip:]


def write(action: Action) -> Item:
    """One write alone. Returns the item after it (empty for a delete); ConditionError has what was found instead."""
    arguments = action.wire()
    if action.condition:
        arguments["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    dynamodb = _dynamodb()
    try:
        if action.kind == "Put":
            dynamodb.put_item(**arguments)
            return dict(action.item or {})
        if action.kind == "Update":
            return item_from_wire(dynamodb.update_item(ReturnValues="ALL_NEW", **arguments)["Attributes"])
        dynamodb.delete_item(**arguments)
        return {}
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        found = error.response.get("Item")
        raise ConditionError(item=item_from_wire(found) if found else None) from error


def transact(actions: Iterable[Action], guard: Action | None = None) -> None:
    """All actions or none. ConditionError names those whose condition failed; GuardError says that the guard's did.

    Writers that meet (TransactionConflict) are tried again with growing random pauses. The token makes a retry after a
    lost answer the same transaction, not a second one: it changes only once a transaction was cancelled for certain.
    """
    requests = [{action.kind: action.wire()} for action in (*actions, *([guard] if guard else []))]
    pause, token = FIRST_PAUSE_SECONDS, uuid.uuid4().hex
    for attempt in range(1, TRANSACTION_ATTEMPTS + 1):
        try:
            _dynamodb().transact_write_items(TransactItems=requests, ClientRequestToken=token)
            return
        except ClientError as error:
            code = error.response["Error"]["Code"]
            reasons = [reason.get("Code") for reason in error.response.get("CancellationReasons", ())]
            failed = [position for position, reason in enumerate(reasons) if reason == "ConditionalCheckFailed"]
            if guard and len(requests) - 1 in failed:
                raise GuardError from error
            if failed:
                raise ConditionError(failed) from error
            in_progress = code == "TransactionInProgressException"
            if not (in_progress or "TransactionConflict" in reasons) or attempt == TRANSACTION_ATTEMPTS:
                raise
            if not in_progress:
                token = uuid.uuid4().hex
        time.sleep(pause * random.random())  # noqa: S311 (spreads writers, guards nothing)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _dynamodb() -> Any:
    return client("dynamodb")


def _key(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key[0]}, "sk": {"S": key[1]}}


def _placeholders(values: Mapping[str, object]) -> dict[str, object]:
    return {f":{name}": value for name, value in values.items()}
