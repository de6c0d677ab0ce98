"""Groups of records with their sums and the like: `group=["program_id"]&aggregation={"amount_requested": "sum"}`.

Each group is a row with the values that its records share, their number as `count`, and each measure under the name of
its column; what is missing is left out. Sums are exact, and averages have 28 digits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from fluvial import record_columns, record_queries, record_values
from fluvial.caller import Caller
from fluvial.errors import MAX_SHOWN, InvalidError
from fluvial.record_classes import DATE, DATETIME, DECIMAL, INTEGER, RELATION, STRING, Field, ModelClass
from fluvial.record_filters import known_field
from fluvial.record_sql import column_name

if TYPE_CHECKING:
    from fluvial.record_queries import Query
    from fluvial.record_schemas import Schema
    from fluvial.record_tables import Table

COUNT = "count"
MAX_LEVELS = 5
MAX_MEASURES = 20
_NUMBERS = (INTEGER, DECIMAL)
_ORDERED = (INTEGER, DECIMAL, DATE, DATETIME, STRING)
FUNCTIONS = {"sum": _NUMBERS, "avg": _NUMBERS, "min": _ORDERED, "max": _ORDERED, "count": None}
"""By name, the types of the fields that they are of; None for all that have a value of their own."""


@dataclass(frozen=True, slots=True)
class Level:
    """What records of a group share: a field's value, or that of a field of the record to which the relation leads."""

    key: str  # as it was asked for
    field: Field
    relation: Field | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    key: str
    field: Field
    function: str


@dataclass(frozen=True, slots=True)
class Grouping:
    levels: tuple[Level, ...]
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows as JSON values, those of one page, and how many groups there are."""

    rows: list[dict[str, object]]
    total: int


def parse(group: object, aggregation: object, model: ModelClass, schema: Schema) -> Grouping:
    """The grouping that JSON values say; InvalidError names what cannot be grouped by or measured."""
    names = [group] if isinstance(group, str) else group or []
    if not isinstance(names, list | tuple) or len(names) > MAX_LEVELS:
        allowed = f"a list of at most {MAX_LEVELS} columns"
        raise InvalidError("group", f"'group' must be {allowed}.", value=str(group)[:MAX_SHOWN], constraint=allowed)
    said = aggregation or {}
    if not isinstance(said, Mapping) or len(said) > MAX_MEASURES:
        allowed = f"an object of at most {MAX_MEASURES} functions by column"
        shown = str(said)[:MAX_SHOWN]
        raise InvalidError("aggregation", f"'aggregation' must be {allowed}.", value=shown, constraint=allowed)
    return Grouping(
        tuple(_level(name, model, schema, f"group.{at}") for at, name in enumerate(names)),
        tuple(_measure(name, function, model) for name, function in said.items()),
    )


def groups(caller: Caller, schema: Schema, query: Query, grouping: Grouping) -> Groups:
    """A page of the groups of the query's records, in the order of what they share; what is missing comes first."""
    with record_queries.table_of(caller, query.model) as table, ExitStack() as temporary:
        where, parameters = record_queries.selection(caller, schema, query)
        joins: list[str] = []
        keys: list[str] = []
        for at, level in enumerate(grouping.levels):
            if level.relation is None:
                keys.append(column_name(level.field))
                continue
            keys.append(f"shared_{at}.value")
            joins.append(f"LEFT JOIN shared_{at} ON shared_{at}.record = {column_name(level.relation)}")
            temporary.callback(_share(caller, schema, level, table, f"shared_{at}"))
        measured = [_sql(measure) for measure in grouping.measures]
        by = f"GROUP BY {', '.join(keys)} ORDER BY {', '.join(keys)}" if keys else ""
        shown = ", ".join([*keys, "count(*)", *measured])
        sql = f"SELECT {shown} FROM records {' '.join(joins)} WHERE {where} {by}"  # noqa: S608
        rows = table.select(sql, parameters).fetchall()
    start = (query.page - 1) * query.per_page
    return Groups([_row(grouping, row) for row in rows[start : start + query.per_page]], len(rows))


def _level(name: object, model: ModelClass, schema: Schema, place: str) -> Level:
    if not isinstance(name, str):
        raise InvalidError(place, "A group is named by a column.", value=str(name)[:MAX_SHOWN], constraint="text")
    head, dot, tail = name.partition(".")
    field = known_field(model, head, place)
    if not dot:
        return Level(name, _groupable(field, place))
    if field.type != RELATION or field.related is None:
        reason = f"'{head[:MAX_SHOWN]}' leads to no one class: a . can stand behind relations that do."
        raise InvalidError(place, reason, value=name[:MAX_SHOWN], constraint="a relation to one class")
    return Level(name, _groupable(known_field(schema.model(field.related), tail, place), place), field)


def _groupable(field: Field, place: str) -> Field:
    if not field.groupable or not field.kept:
        raise InvalidError(place, f"Records cannot be grouped by '{field.name}'.", value=field.name)
    return field


def _measure(name: object, function: object, model: ModelClass) -> Measure:
    place = f"aggregation.{name}"[:MAX_SHOWN]
    field = known_field(model, name, place)
    called = str(function).lower()
    types = FUNCTIONS.get(called, ())
    if not field.kept or (types is not None and field.type not in types):
        fitting = [each for each, of in FUNCTIONS.items() if field.kept and (of is None or field.type in of)]
        allowed = ", ".join(fitting) or "none"
        reason = f"'{field.name}' has no '{called[:MAX_SHOWN]}'; allowed: {allowed}."
        raise InvalidError(place, reason, value=called[:MAX_SHOWN], constraint=allowed)
    return Measure(str(name), field, called)


def _sql(measure: Measure) -> str:
    column = column_name(measure.field)
    if measure.function in ("sum", "avg"):
        return f"exact_{measure.function}({column})"
    return f"{measure.function}({column})"


def _share(caller: Caller, schema: Schema, level: Level, table: Table, name: str) -> Callable[[], object]:
    """Brings the values of related records into a temporary table beside the records; returns what removes it."""
    related = schema.model(str(level.relation.related)) if level.relation else table.model
    with record_queries.table_of(caller, related) as other:
        rows = other.select(f"SELECT id, {column_name(level.field)} FROM records").fetchall()  # noqa: S608
    table.select(f"CREATE TEMP TABLE {name} (record INTEGER PRIMARY KEY, value)")
    table.insert(f"INSERT INTO {name} VALUES (?, ?)", rows)  # noqa: S608
    return lambda: table.select(f"DROP TABLE {name}")


def _row(grouping: Grouping, found: Sequence[record_columns.Kept]) -> dict[str, object]:
    row: dict[str, object] = {}
    levels, (count, *measured) = found[: len(grouping.levels)], found[len(grouping.levels) :]
    for level, kept in zip(grouping.levels, levels, strict=True):
        if (value := record_columns.value(level.field, kept)) is not None:
            row[level.key] = record_values.to_json(level.field, value)
    row[COUNT] = count
    for measure, kept in zip(grouping.measures, measured, strict=True):
        if measure.function == COUNT:
            row[measure.key] = kept
        elif kept is not None and measure.function in ("sum", "avg"):
            number = Decimal(str(kept))
            row[measure.key] = int(number) if measure.field.type == INTEGER and number == int(number) else number
        elif (value := record_columns.value(measure.field, kept)) is not None:
            row[measure.key] = record_values.to_json(measure.field, value)
    return row
