"""Examples of requests and answers, from tests/contract/<api>.yaml: every one of them is executed by the tests.

Of each operation it is the first step that succeeds and has an answer, or a body at least. What a step leaves to the
moment (`<proj>`, `<time>`, `${project}`) is replaced by constants.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from fluvial import ids
from fluvial.http import Route
from local.openapi.apis import ROOT, Api
from local.openapi.refusals import REQUEST_ID
from local.openapi.schemas import Schema, resolved

NUMBER = 243361632256017
"""The id of all things in examples."""

PREFIXES = {
    value for name, value in vars(ids).items() if name.isupper() and isinstance(value, str) and value.isalpha()
} | {"ds"}
TIME = "2026-11-22T09:30:00Z"
CONSTANTS: dict[str, Any] = {
    "time": TIME,
    "email": "mira@example.org",
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "request": REQUEST_ID,
    "sha256": "63b75126cd8328daf3bb8e27bbf55f61ac73bf982ee1f96c300c3b27999f6a9c",
    "url": "https://files.example.com/link",
    "uuid": ids.uuid(ids.DATASET, NUMBER),
    "whole": NUMBER,
    "evt": f"{ids.spell(ids.EVENT, NUMBER)}c1f0a93d2b",
}


@dataclass(frozen=True, slots=True)
class Example:
    """What is sent to an operation and what it answers; None where the contract does not say."""

    sent: Any = None
    answered: Any = None


def of(api: Api, answers: dict[str, Schema], components: dict[str, Schema]) -> dict[str, Example]:
    """Examples by the operation's name; `answers` are the schemas of the answers."""
    file = ROOT / "tests" / "contract" / f"{api.name}.yaml"
    if not file.is_file():
        return {}
    routes = {name: route for name, (_, route) in api.operations.items()}
    found: dict[str, Example] = {}
    for scenario in yaml.safe_load(file.read_text())["scenarios"]:
        kept: dict[str, Any] = {}
        for step in scenario["steps"]:
            name = sent_to(step["send"], routes)
            if name is None or step["status"] != routes[name].status:
                continue
            schema = answers.get(name, {})
            made = _example(step, schema, kept, components)
            old = found.get(name, Example())
            found[name] = Example(
                made.sent if old.sent is None else old.sent, made.answered if old.answered is None else old.answered
            )
            for each, path in step.get("keep", {}).items():
                answered = found[name].answered if made.answered is None else made.answered
                kept[each] = _at(sample(schema, components) if answered is None else answered, path)
    return found


def sent_to(sent: str, routes: Mapping[str, Route]) -> str | None:
    """The operation that gets `GET /projects/${project}?page=1`; one without parameters wins, as at the gateway."""
    method, path = sent.split("?")[0].split(" ", 1)
    fitting = [
        name for name, route in routes.items() if route.method == method and _pattern(route.path).fullmatch(path)
    ]
    return min(fitting, key=lambda name: routes[name].path.count("{"), default=None)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"({\w+\+?})", path)
    return re.compile("".join((".+" if "+" in part else "[^/]+") if "{" in part else re.escape(part) for part in parts))


def _example(step: dict[str, Any], schema: Schema, kept: dict[str, Any], components: dict[str, Schema]) -> Example:
    sent = json.loads(step["text"]) if "text" in step else step.get("json", step.get("form"))
    if "file" in step:
        sent = {**step.get("fields", {}), "file": step["file"]["content"]}
    answered = step.get("answer")
    if isinstance(answered, dict):
        answered = {**answered, **step.get("extra", {})}
    return Example(_filled(sent, {}, kept, components), _filled(answered, schema, kept, components))


def _filled(value: Any, schema: Schema, kept: dict[str, Any], components: dict[str, Schema], name: str = "") -> Any:
    """The value without placeholders; the schema tells of what shape those are that stand for anything."""
    schema = _first(schema, components)
    if isinstance(value, dict):
        fields, others = schema.get("properties", {}), schema.get("additionalProperties")
        rest = others if isinstance(others, dict) else {}
        return {key: _filled(part, fields.get(key, rest), kept, components, key) for key, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, schema.get("items", {}), kept, components) for part in value]
    if isinstance(value, str) and (placeholder := re.fullmatch(r"<(\w+)>", value)):
        kind = placeholder[1]
        if kind in CONSTANTS:
            return CONSTANTS[kind]
        return ids.spell(kind, NUMBER) if kind in PREFIXES else sample(schema, components, name)
    if isinstance(value, str):
        if alone := re.fullmatch(r"\$\{(\w+)\}", value):
            return kept.get(alone[1], alone[1])
        return re.sub(r"\$\{(\w+)\}", lambda found: str(kept.get(found[1], found[1])), value)
    return value


def sample(schema: Schema, components: dict[str, Schema], name: str = "text") -> Any:
    """Something that fits the schema; the schema's own example where it has one."""
    schema = _first(schema, components)
    if schema.get("examples"):
        return schema["examples"][0]
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kind = schema.get("type", "object")
    if kind == "object":
        fields = schema.get("properties", {})
        return {key: sample(fields[key], components, key) for key in schema.get("required", []) if key in fields}
    if kind == "array":
        return [sample(schema["items"], components, name)] if schema.get("items") else []
    if kind == "string":
        return TIME if name.endswith(("_at", "timestamp")) else name
    simple: dict[str, Any] = {"integer": schema.get("minimum", 1), "number": 1.5, "boolean": True, "null": None}
    return simple[kind]


def _first(schema: Schema, components: dict[str, Schema]) -> Schema:
    """The schema itself; the first of several that is not null."""
    schema = resolved(schema, components)
    while "anyOf" in schema:
        schema = resolved(next(kind for kind in schema["anyOf"] if kind.get("type") != "null"), components)
    return schema


def _at(body: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(body, list):
            body = body[int(name)] if name.isdecimal() and int(name) < len(body) else name
        else:
            body = body.get(name, name) if isinstance(body, dict) else name
    return body
