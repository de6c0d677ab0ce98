"""moto as it is, but without the work that took most of the time of these tests: its answers stay the same.

moto sorts all of a table for each query, copies all of it for each transaction, looks at each attribute of each answer
in half a dozen spellings, goes through the addresses of all of AWS for each call, and makes a parser for each event.
"""

from __future__ import annotations

import copy
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

import jsonpath_ng.ext
from moto import backend_index, backends
from moto.core.serialize import BaseJSONSerializer
from moto.dynamodb.models import DynamoDBBackend, DynamoType, Table

SERVICES = frozenset(
    "apigateway cloudformation dynamodb events iam kms s3 scheduler sqs stepfunctions sts".split()  # noqa: SIM905
)


@contextmanager
def quick() -> Iterator[None]:
    """Other services than these answer 404."""
    with ExitStack() as patches:
        for owner, name, replacement in (
            (backend_index, "backend_url_patterns", _patterns),
            (backends, "get_backend", _backend),
            (jsonpath_ng.ext, "parse", _parse),
            (Table, "query", _query),
            (Table, "__deepcopy__", _copy_of_table),
            (DynamoDBBackend, "transact_write_items", _transact),
            (DynamoDBBackend, "update_item", _update_of_a_copy),
            (BaseJSONSerializer, "_serialize_type_map", _serialize_map),
            (DynamoType, "__hash__", _hash),
        ):
            patches.enter_context(patch.object(owner, name, replacement, create=True))
        yield


_patterns = [(service, pattern) for service, pattern in backend_index.backend_url_patterns if service in SERVICES]
_backend = cache(backends.get_backend)
_parse = cache(jsonpath_ng.ext.parse)

query = Table.query


def _query(table: Any, hash_key: Any, *arguments: Any, **named: Any) -> Any:
    """The query of a table that has nothing but the items under this key, of the table or of the index."""
    narrow = copy.copy(table)
    narrow.items = defaultdict(dict)
    index_name = arguments[6]
    if index_name is None:
        narrow.items[hash_key] = table.items.get(hash_key, {})
    else:
        name = table.get_index(index_name).schema[0]["AttributeName"]
        for partition, items in table.items.items():
            if found := {key: item for key, item in items.items() if _has(item, name, hash_key)}:
                narrow.items[partition] = found
    return query(narrow, hash_key, *arguments, **named)


def _has(item: Any, name: str, wanted: Any) -> bool:
    found = item.attrs.get(name)
    return found is not None and found.value == wanted.value


# Before a transaction moto copies the table, in case it fails. Here the copy shares the items with it: a put makes a
# new one anyway, an update takes a copy first, and the partitions that change are taken apart before.

transact_write_items = DynamoDBBackend.transact_write_items
update_item = DynamoDBBackend.update_item
_kept = threading.local()


def _transact(backend: Any, transact_items: list[dict[str, Any]]) -> None:
    operations = [operation for item in transact_items for operation in item.values()]
    _kept.tables = {}
    for name in {operation["TableName"] for operation in operations}:
        table = backend.get_table(name)
        _kept.tables[name] = kept = copy.copy(table)
        kept.items = table.items.copy()
        for operation in operations:
            partition = DynamoType((operation.get("Key") or operation["Item"])[table.hash_key_attr])
            table.items[partition] = dict(kept.items.get(partition, {}))
        if table.stream_shard is not None:
            kept.stream_shard = copy.copy(table.stream_shard)
            kept.stream_shard.table = kept
            kept.stream_shard.items = list(table.stream_shard.items)
    try:
        transact_write_items(backend, transact_items)
    finally:
        del _kept.tables


def _copy_of_table(table: Any, memo: dict[int, Any]) -> Any:
    if hasattr(_kept, "tables"):
        return _kept.tables[table.name]
    made = memo[id(table)] = copy.copy(table)
    vars(made).update(copy.deepcopy(vars(table), memo))
    return made


def _update_of_a_copy(backend: Any, table_name: str, key: dict[str, Any], *arguments: Any, **named: Any) -> Any:
    table = backend.get_table(table_name)
    partition, sort = (DynamoType(key[name]) for name in (table.hash_key_attr, table.range_key_attr))
    items = table.items.get(partition, {})
    if sort in items:
        items[sort] = copy.deepcopy(items[sort])
    return update_item(backend, table_name, key, *arguments, **named)


_serialize_type_map = BaseJSONSerializer._serialize_type_map


def _serialize_map(serializer: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
    """Attributes of DynamoDB have the form that they are sent in already: none of ours has bytes."""
    if shape.value.name == "AttributeValue":
        serializer._default_serialize(serialized, value, shape, key)
    else:
        _serialize_type_map(serializer, serialized, value, shape, key)


_hash_of_type = DynamoType.__hash__


def _hash(value: Any) -> int:
    return hash(value.value) if value.type == "S" else _hash_of_type(value)
