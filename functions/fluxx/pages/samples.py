"""Sample calls of a class, for a shell: with `$TOKEN` as the page's first sample sets it, and `$ID`, a record's id."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fluvial.record_classes import (
    BOOLEAN,
    DATE,
    DATETIME,
    DECIMAL,
    INTEGER,
    MANY,
    MULTI,
    RELATION,
    STRING,
    TEXT,
    Field,
    ModelClass,
)
from fluvial.record_schemas import Schema

AUTHORIZATION = '-H "Authorization: Bearer $TOKEN"'
LONG = " \\\n  "  # between the arguments of one command
MAX_COLUMNS = 6
MAX_VALUES = 4
STAMPS = ("created_by_id", "updated_by_id")

# Made elsewhere: by uploading a file.
NOT_MADE = ("data_source",)
# What the general rule would not find, since more has to hold of these than their fields tell.
CREATED: dict[str, dict[str, Any]] = {
    "machine_model_type": {"name": "Site Visits", "description": "Visits to grantees."},
    "model_attribute": {"description": "People reached", "model_type": "GrantRequest", "attribute_type": "integer"},
    "model_attribute_value": {"model_attribute_id": 1, "value": "TX", "description": "Texas"},
    "model_attribute_choice": {"model_attribute_value_id": 1, "model_id": 1, "amount_value": 40},
    "model_document": {"owner_model": {"model_type": "grant_request", "id": 1}, "doc_label": "default"},
    "analysis": {
        "name": "Rows",
        "project_id": 1,
        "data_source_id": 1,
        "query": {"group_by": ["city"]},
    },
}
CHANGED: dict[str, dict[str, Any]] = {
    "machine_model_type": {"description": "Visits to grantees, since 2026."},
    "model_attribute": {"include_in_export": True},
    "model_attribute_value": {"display_order": 2},
    "model_attribute_choice": {"amount_value": 60},
    "model_document": {"document_description": "Signed by both sides."},
}
EXAMPLES: dict[str, Any] = {
    STRING: "Clean water",
    TEXT: "Clean water for three villages.",
    INTEGER: 12,
    DECIMAL: 25000,
    BOOLEAN: True,
    DATE: "2026-11-30",
    DATETIME: "2026-11-30T09:00:00Z",
    MULTI: ["Clean water"],
}
NAMED: dict[str, Any] = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "email": "ada@example.org",
    "city": "London",
    "url": "https://example.org",
    "phone": "+44 20 7946 0000",
    "abbreviation": "CW",
    "slug": "clean-water",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One command, and what it does."""

    does: str
    command: str


@dataclass(frozen=True, slots=True)
class Group:
    """Samples under a heading."""

    title: str
    anchor: str
    samples: tuple[Sample, ...]


def token(base: str) -> str:
    """Sets `$TOKEN`."""
    return LONG.join(
        (
            f"TOKEN=$(curl -s -X POST {shlex.quote(f'{base}/oauth/token')}",
            "-d 'grant_type=client_credentials'",
            "-d 'client_id=YOUR_CLIENT_ID'",
            "-d 'client_secret=YOUR_CLIENT_SECRET'",
            r"""| sed 's/.*"access_token" *: *"\([^"]*\)".*/\1/')""",
        )
    )


def of(model: ModelClass, schema: Schema, base: str) -> tuple[Group, ...]:
    """The samples of a class; `base` is the address that its paths begin with, and has nothing that a shell reads."""
    address = f"{base}/{model.name}"
    cols = _json("cols", _columns(model))
    groups = [
        Group("Sample List/Search Queries", "lists", _lists(model, address, cols)),
        Group("Sample Fetch Queries", "fetch", _fetches(model, schema, address, cols)),
    ]
    if model.name not in NOT_MADE:
        create = _create(model, address, cols)
        groups.append(Group("Sample POST Query", "create", (Sample(f"Create a {model.name} record", create),)))
    deleted = Sample(f"Delete a {model.name} record", _call(f'-X DELETE "{address}/$ID"'))
    groups += [
        Group("Sample PUT Query", "update", _updates(model, address, cols)),
        Group("Sample DELETE Query", "delete", (deleted,)),
        Group("Sample Aggregation Queries", "aggregation", (_aggregation(model, address),)),
    ]
    return tuple(groups)


def example(field: Field) -> Any:
    """A value that the field can have, as JSON."""
    if field.options:
        first = field.options[0]
        return {MULTI: [first], INTEGER: int(first) if first.isdecimal() else 0}.get(field.type, first)
    if field.type == STRING and field.name in NAMED:
        return NAMED[field.name]
    return EXAMPLES[field.type]


def _lists(model: ModelClass, address: str, cols: str) -> tuple[Sample, ...]:
    name = model.name
    where = {"group_type": "and", "conditions": [_condition(model), ["created_at", "last-n-months", "12"]]}
    search = [_json("cols", _columns(model)), _json("filter", where), _json("sort", ["created_at", "desc"])]
    return (
        Sample(f"Load the first page of {name}", _get(address, cols)),
        Sample(f"Load the first page of {name} using an alternate path", _get(f"{address}/list", cols)),
        Sample(f"Load the second page of {name}", _get(address, cols, "'page=2'", "'per_page=100'")),
        Sample(f"Do a full text search for {name}", _get(address, cols, "'query=water'")),
        Sample(
            f"Do an advanced search using POST instead of GET for {name}",
            _call(f"-X POST {shlex.quote(f'{address}/list')}", *_data(search)),
        ),
    )


def _fetches(model: ModelClass, schema: Schema, address: str, cols: str) -> tuple[Sample, ...]:
    one = f'"{address}/$ID"'
    samples = [Sample(f"Fetch one {model.name} record with specific fields", _call(f"-G {one}", *_data([cols])))]
    relation = _relation(model)
    if relation is not None and relation.related is not None:
        wanted = list(schema.model(relation.related).label) or ["id"]
        related = _json("relation", {relation.name: wanted})
        does = f"Fetch one {model.name} record and pull in the relation {relation.short_name}, with specific fields"
        samples.append(Sample(does, _call(f"-G {one}", *_data([cols, related]))))
    return tuple(samples)


def _create(model: ModelClass, address: str, cols: str) -> str:
    values = _json("data", CREATED.get(model.name) or _values(model))
    if model.name == "model_document":
        return _call(f"-X POST {shlex.quote(address)}", f"-F {values}", f"-F {cols}", "-F 'content=@report.pdf'")
    return _call(f"-X POST {shlex.quote(address)}", *_data([values, cols]))


def _updates(model: ModelClass, address: str, cols: str) -> tuple[Sample, ...]:
    one = f'-X PUT "{address}/$ID"'
    change = CHANGED.get(model.name) or _change(model)
    does = f"Update one {model.name} record and return back the record with specific fields"
    samples = [Sample(does, _call(one, *_data([_json("data", change), cols])))]
    if len(model.states) > 1:
        state = model.states[1]
        moved = _json("data", {"state": state})
        samples.append(Sample(f"Promote one {model.name} record to state {state}", _call(one, *_data([moved, cols]))))
    return tuple(samples)


def _aggregation(model: ModelClass, address: str) -> Sample:
    group = "state" if model.states else next((each.name for each in model.fields if _groups(each)), "created_at")
    numbers = (each for each in model.fields if each.type in (DECIMAL, INTEGER) and each.name != "id")
    number = next((each.name for each in sorted(numbers, key=lambda each: each.type != DECIMAL)), None)
    measure = {"id": "count"} if number is None else {number: "sum"}
    does = f"Count the {model.name} records by {group}" + (f", with the sum of {number}" if number else "")
    return Sample(does, _get(address, _json("group", [group]), _json("aggregation", measure)))


def _columns(model: ModelClass) -> list[str]:
    """A few columns: what names a record to people, and the first ones besides."""
    named = [name for name in ("id", *model.label) if model.field(name)]
    own = [each.name for each in model.fields if each.kept and each.name not in named and each.name not in STAMPS]
    # The common ones come first in every class, and say least.
    own.sort(key=lambda name: name in ("created_at", "updated_at", "migrate_id"))
    return [*named, *own][:MAX_COLUMNS]


def _values(model: ModelClass) -> dict[str, Any]:
    """What a new record is made of: all that is required, and a few more."""
    required = [each for each in model.fields if each.required]
    named = [found for name in model.label if (found := model.field(name))]
    more = [*required, *named, *(each for each in model.fields if each.type in (DECIMAL, TEXT, STRING))]
    values: dict[str, Any] = {}
    for field in more:
        # A number in some other system, or the state, is nothing to begin with.
        wanted = field.required or (len(values) < MAX_VALUES and not field.name.endswith(("_id", "_type", "state")))
        if wanted and field.writable and field.type != MANY:
            values[field.name] = 1 if field.type == RELATION else example(field)
    return values or {"migrate_id": "CW-1"}


def _change(model: ModelClass) -> dict[str, Any]:
    kinds = (DECIMAL, TEXT, INTEGER, STRING)
    fields = [each for each in model.fields if each.writable and each.type in kinds and each.name != "state"]
    chosen = min(fields, key=lambda each: (each.name == "migrate_id", kinds.index(each.type)))
    return {chosen.name: example(chosen)}


def _condition(model: ModelClass) -> list[Any]:
    for field in model.fields:
        if field.type == DECIMAL:
            return [field.name, "gte", "1000"]
    named = (model.field(name) for name in model.label)
    text = next((each for each in named if each is not None and each.type in (STRING, TEXT)), None)
    return ["id", "not-null", "-"] if text is None else [text.name, "contains", "water"]


def _relation(model: ModelClass) -> Field | None:
    found = [each for each in model.fields if each.type == RELATION and each.related is not None]
    return min(found, key=lambda each: each.name in STAMPS, default=None)


def _groups(field: Field) -> bool:
    return field.groupable and field.type in (RELATION, BOOLEAN, STRING) and field.name not in STAMPS


def _json(name: str, value: Any) -> str:
    """A parameter whose value is JSON text, as one word of a shell."""
    return shlex.quote(f"{name}={json.dumps(value, ensure_ascii=False, separators=(',', ':'))}")


def _data(parameters: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"--data-urlencode {each}" for each in parameters)


def _get(address: str, *parameters: str) -> str:
    return _call(f"-G {shlex.quote(address)}", *_data(parameters))


def _call(first: str, *more: str) -> str:
    return LONG.join((f"curl -g {first}", AUTHORIZATION, *more))
