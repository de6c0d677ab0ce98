"""What of records is shown: the columns that are asked for, and related records with theirs.

    asked for                    shown
    program_organization_id      5                             the relation's value
    program_organization         [5]                           a list, also of one
    request_reports              [7, 9]                        what points here
    any of these as a relation   [{"id": 5, "name": "Acme"}]   with columns of its own, one level deep

A value that is not set, or blank, is left out; names that the class does not have are left alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fluvial import record_paths, record_queries, record_values
from fluvial.caller import Caller
from fluvial.errors import InvalidError
from fluvial.record_classes import MANY, MULTI, RELATION, Field, ModelClass
from fluvial.record_schemas import Schema
from fluvial.records import Record

FULL, COMPACT = "full", "compact"
MAX_RELATIONS = 25  # each costs a look into another class

Shown = dict[str, object]


@dataclass(frozen=True, slots=True)
class Column:
    """A field under the name by which it was asked for: its own, or the short one of a relation."""

    key: str
    field: Field


@dataclass(frozen=True, slots=True)
class Relation:
    """Related records, with these of their columns; by class, where the relation can lead to several."""

    key: str
    field: Field
    wanted: tuple[str, ...] | str  # names of columns, or a style


@dataclass(frozen=True, slots=True)
class View:
    """What is shown of each record. With `paths` multi-value fields show where in their trees the options are."""

    columns: tuple[Column, ...]
    relations: tuple[Relation, ...] = ()
    paths: bool = False


def view(
    model: ModelClass,
    cols: Iterable[str] | None,
    relations: Mapping[str, Sequence[str] | str],
    *,
    all_core: bool = False,
    all_dynamic: bool = False,
    paths: bool = False,
) -> View:
    """The view that is asked for; all core columns where nothing is."""
    if cols is None and not all_dynamic:
        all_core = True
    keys = dict.fromkeys(cols or ())
    keys |= dict.fromkeys(each.name for each in model.fields if each.kept and _is_of(each, all_core, all_dynamic))
    wanted = [
        Relation(key, field, columns if isinstance(columns, str) else tuple(columns))
        for key, columns in relations.items()
        if (field := model.field(key)) and field.type in (RELATION, MANY)
    ]
    if len(wanted) > MAX_RELATIONS:
        raise InvalidError(
            "relation",
            f"'relation' must name at most {MAX_RELATIONS} relations.",
            value=len(wanted),
            constraint=f"at most {MAX_RELATIONS}",
        )
    shown_whole = {each.key for each in wanted}
    columns = tuple(
        Column(key, field) for key in keys if key not in shown_whole and (field := model.field(key)) and key != "id"
    )
    return View(columns, tuple(wanted), paths)


def show(caller: Caller, schema: Schema, model: ModelClass, records: Sequence[Record], view: View) -> list[Shown]:
    """The records as they are asked for, their ids first."""
    shown = [_plain(model, each, view.columns) for each in records]
    if view.paths:
        _show_paths(caller, schema, records, view.columns, shown)
    for column in view.columns:
        if column.field.type == MANY:
            found = record_queries.pointing(caller, schema, column.field, [each.id for each in records], owner=model)
            for one, record in zip(shown, records, strict=True):
                if ids := found.get(record.id):
                    one[column.key] = ids
    for relation in view.relations:
        _show_related(caller, schema, model, records, relation, shown, view)
    return shown


def _is_of(field: Field, all_core: bool, all_dynamic: bool) -> bool:
    return all_dynamic if field.custom else all_core


def _plain(model: ModelClass, record: Record, columns: Iterable[Column]) -> Shown:
    """The record's own values."""
    shown: Shown = {"id": record.id}
    if model.custom_type is not None:
        shown["type"] = model.camel
    for column in columns:
        value = record.value(column.field.name) if column.field.kept else None
        if value is None or value in ("", ()):
            continue
        said = record_values.to_json(column.field, value)
        shown[column.key] = [said] if column.field.listed_as(column.key) else said
    return shown


def _show_paths(
    caller: Caller,
    schema: Schema,
    records: Sequence[Record],
    columns: Iterable[Column],
    shown: Sequence[Shown],
) -> None:
    """Puts the paths of chosen options in the place of their names."""
    for column in columns:
        if column.field.type == MULTI and column.field.custom:
            paths = record_paths.paths(caller, schema, column.field, records)
            for one, record in zip(shown, records, strict=True):
                if column.key in one:
                    one[column.key] = paths.get(record.id, [])


def _show_related(
    caller: Caller,
    schema: Schema,
    model: ModelClass,
    records: Sequence[Record],
    relation: Relation,
    shown: Sequence[Shown],
    of: View,
) -> None:
    """Puts related records into what is shown; those that are gone are left out."""
    targets = _targets(caller, schema, model, records, relation.field)
    wanted: dict[str, set[int]] = defaultdict(set)
    for name, ids in targets.values():
        wanted[name].update(ids)
    found: dict[str, dict[int, Shown]] = {}
    for name in wanted:
        other = schema.model(name)
        there = list(record_queries.some(caller, schema, other, sorted(wanted[name])).values())
        inner = View(_columns(other, relation.wanted), paths=of.paths)
        found[name] = {each.id: one for each, one in zip(there, show(caller, schema, other, there, inner), strict=True)}
    for one, record in zip(shown, records, strict=True):
        name, ids = targets.get(record.id, ("", []))
        if related := [found[name][each] for each in ids if each in found[name]]:
            one[relation.key] = related


def _targets(
    caller: Caller, schema: Schema, model: ModelClass, records: Sequence[Record], field: Field
) -> dict[int, tuple[str, list[int]]]:
    """The class and ids of what each record is related to."""
    if field.type == MANY:
        if field.related is None:
            return {}
        found = record_queries.pointing(caller, schema, field, [each.id for each in records], owner=model)
        return {record_id: (field.related, ids) for record_id, ids in found.items()}
    targets = {}
    for record in records:
        value = record.value(field.name)
        name = field.related or _named_class(schema, model, record, field)
        if isinstance(value, int) and name is not None:
            targets[record.id] = (name, [value])
    return targets


def _named_class(schema: Schema, model: ModelClass, record: Record, field: Field) -> str | None:
    """The class that a record of several possible ones is of, where there still is one of this name."""
    names = model.field(field.type_field) if field.type_field else None
    named = record.value(names.name) if names else None
    return found.name if isinstance(named, str) and (found := schema.find(named)) else None


def _columns(model: ModelClass, wanted: tuple[str, ...] | str) -> tuple[Column, ...]:
    if isinstance(wanted, str):
        return view(
            model,
            list(model.label) if wanted == COMPACT else None,
            {},
            all_dynamic=wanted == FULL,
            all_core=wanted != COMPACT,
        ).columns
    return view(model, wanted, {}).columns
