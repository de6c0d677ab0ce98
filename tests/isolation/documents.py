"""The operations of the OpenAPI documents, and which of their parameters and fields name things."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from fluvial import ids
from local.openapi import apis
from tests.isolation.cases import IN_JSON, NO_THING

APIS = apis.names()
PATH, QUERY, BODY = "path", "query", "body"

# An id by its name: id, user_id, pageId, sectionIds, queue_uuid.
NAMED = re.compile(r"(^|_)(uu)?ids?$|[a-z]Ids?$")
# An id by its pattern in the document: how this API spells the ids of a kind.
PATTERN = re.compile(r"^\^([a-z]+)_(?:\[0-7\])?\[\w+\]\{1[01]\}")
# What names a thing without looking like an id: numbers of versions, and positions that are made of ids.
OTHERWISE = ("version", "from_version", "to_version", "number", "to", "cursor", "since")


@dataclass(frozen=True, slots=True)
class Place:
    """A parameter or field that names a thing; `prefix` is that of its pattern, where the document has one."""

    where: str
    name: str
    prefix: str | None = None

    def __str__(self) -> str:
        return f"{self.where} {self.name}"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of an API; `scope` is None where it is open to all."""

    api: str
    method: str
    path: str
    name: str
    scope: str | None
    places: tuple[Place, ...]

    def __str__(self) -> str:
        return f"{self.api} {self.name}"


@cache
def operations() -> tuple[Operation, ...]:
    return tuple(_read())


def of_the(*names: str) -> list[Operation]:
    """The operations with these names, as `reference get_status`."""
    return [operation for operation in operations() if str(operation) in names]


def _read() -> Iterator[Operation]:
    for api in APIS:
        document = json.loads((apis.FUNCTIONS / api / "openapi.json").read_text())
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                name = operation["operationId"]
                # The same body in several spellings has the same places.
                places = dict.fromkeys(place for place in _places(document, operation) if place is not None)
                places |= {Place(BODY, inner): None for inner in IN_JSON.get(f"{api} {name}", ())}
                kept = tuple(place for place in places if (f"{api} {name}", place.name) not in NO_THING)
                yield Operation(api, method.upper(), path, name, operation["x-scope"], kept)


def _places(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[Place | None]:
    for parameter in operation.get("parameters", []):
        if parameter["in"] in (PATH, QUERY):
            yield _place(parameter["in"], parameter["name"], parameter["schema"])
    for content in operation.get("requestBody", {}).get("content", {}).values():
        yield from _fields(document, content["schema"], "")


def _fields(document: dict[str, Any], schema: dict[str, Any], above: str) -> Iterator[Place | None]:
    """The fields of a body, dots between the names of nested ones."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for name, field in schema.get("properties", {}).items():
        yield _place(BODY, above + name, field)
        for each in (field, field.get("items", {}), *field.get("anyOf", [])):
            yield from _fields(document, each, f"{above}{name}.")


def _place(where: str, name: str, schema: dict[str, Any]) -> Place | None:
    if "enum" in schema:
        return None  # a word of those that there are
    spelled = [PATTERN.match(each.get("pattern", "")) for each in (schema, *schema.get("anyOf", []))]
    prefix = next((found[1] for found in spelled if found), None)
    last = name.rpartition(".")[2]
    is_uuid = any(each.get("pattern") == f"^{ids.UUID_PATTERN}$" for each in (schema, *schema.get("anyOf", [])))
    if prefix or is_uuid or NAMED.search(last) or (last in OTHERWISE and where != BODY):
        return Place(where, name, prefix)
    return None
