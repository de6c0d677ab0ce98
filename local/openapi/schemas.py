"""JSON Schema of the models of routes, by pydantic: bodies as they are read, answers as they are written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

Schema = dict[str, Any]
Mode = Literal["validation", "serialization"]
Key = tuple[str, str]
"""Which operation, and which part of it."""

REFERENCE = "#/components/schemas/"
# What holds values, in which a title is none of a schema.
VALUES = ("const", "default", "enum", "example", "examples")


class _Plain(GenerateJsonSchema):
    """Without a title for each field, which would only repeat its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def default_schema(self, schema: Any) -> Any:
        """Without a default of null for what may be left out, but not be null (`fluvial.http.wire.NOT_NULL`)."""
        found = super().default_schema(schema)
        if found.get("default", 0) is None and {"type": "null"} not in found.get("anyOf", []):
            del found["default"]
        return found


def of(models: Iterable[tuple[Key, Mode, Any]]) -> tuple[dict[Key, Schema], dict[str, Schema]]:
    """The schema of each, and the components that they refer to."""
    adapters = [(key, mode, TypeAdapter(model)) for key, mode, model in models]
    made, more = TypeAdapter.json_schemas(
        adapters, ref_template=f"{REFERENCE}{{model}}", schema_generator=_Plain, title=None
    )
    components = dict(sorted(_lifted(more.get("$defs", {})).items()))
    clashes = [name for name in components if "__" in name or re.search(r"-(Input|Output)$", name)]
    if clashes:
        raise SystemExit(f"make openapi: two models of one API have the same name, rename one: {', '.join(clashes)}")
    return {key: schema for (key, _), schema in made.items()}, components


def _lifted(components: dict[str, Schema]) -> dict[str, Schema]:
    """With what has a title inside of a component as a component of its own, by this title."""
    found: dict[str, Schema] = {}

    def of(node: Any) -> Any:
        if isinstance(node, list):
            return [of(each) for each in node]
        if not isinstance(node, dict):
            return node
        lifted = {name: each if name in VALUES else of(each) for name, each in node.items()}
        if not isinstance(name := node.get("title"), str):
            return lifted
        if found.setdefault(name, lifted) != lifted or name in components:
            raise SystemExit(f"make openapi: two schemas of one API are called {name}")
        return {"$ref": f"{REFERENCE}{name}"}

    whole = {name: {key: of(each) for key, each in schema.items()} for name, schema in components.items()}
    return {**whole, **found}


def in_text(schema: Schema, components: dict[str, Schema]) -> Schema:
    """A model whose fields are sent as text, in a query or a form: none of them can be null there."""
    model = resolved(schema, components)
    fields = {name: _without_null(field) for name, field in model.get("properties", {}).items()}
    return {**model, "properties": fields}


def in_params(schema: Schema, components: dict[str, Schema], *, text: bool) -> Schema:
    """A model whose fields come in the query, a form or JSON, each the same in all three: as `text` in the first two.

    Fields that the model does not have are left alone there.
    """
    model = resolved(schema, components)
    fields = model.get("properties", {})
    if text:
        fields = {name: _as_text(field) for name, field in fields.items()}
    return {**{name: value for name, value in model.items() if name != "additionalProperties"}, "properties": fields}


def _as_text(field: Schema) -> Schema:
    """What of the field's values is text; anything is, as JSON text."""
    found = {name: value for name, value in field.items() if (name, value) != ("default", None)}
    if "enum" in found:
        found["enum"] = [value for value in found["enum"] if isinstance(value, str)]
    if "anyOf" in found:
        (kind,) = (each for each in found.pop("anyOf") if each.get("type") == "string")
        found = {**kind, **found}
    return {"type": "string", **found}


def _without_null(field: Schema) -> Schema:
    kept = [kind for kind in field.get("anyOf", []) if kind != {"type": "null"}]
    rest = {name: value for name, value in field.items() if (name, value) != ("default", None)}
    if len(kept) == 1:
        del rest["anyOf"]
        return {**kept[0], **rest}
    return rest


def resolved(schema: Schema, components: dict[str, Schema]) -> Schema:
    """The schema itself where it only refers to a component."""
    while "$ref" in schema:
        schema = components[schema["$ref"].removeprefix(REFERENCE)]
    return schema


def in_use(document: Any, components: dict[str, Schema]) -> dict[str, Schema]:
    """The components that the document refers to, and those that these refer to."""
    used: set[str] = set()
    waiting = [document]
    while waiting:
        text = json.dumps(waiting.pop())
        for name in set(re.findall(rf'"\$ref": "{REFERENCE}([^"]+)"', text)) - used:
            used.add(name)
            waiting.append(components[name])
    return {name: schema for name, schema in components.items() if name in used}
