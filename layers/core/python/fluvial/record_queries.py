"""What is asked of records: pages of lists, records by id, those that point at others, and whether a condition holds.

All is answered by a table of the class (`record_tables`): its replica, which is as current as DynamoDB itself, or, for
projects, data sources, analyses and pages, one that is filled for the request.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fluvial import (
    clock,
    record_columns,
    record_platform,
    record_replicas,
    record_sql,
    record_tables,
    record_walks,
    records,
)
from fluvial.attempts import attempts
from fluvial.caller import Caller
from fluvial.errors import InvalidError
from fluvial.record_classes import MANY, RELATION, STRING, TEXT, Field, ModelClass
from fluvial.record_filters import Condition, Related
from fluvial.record_sql import column_name, folded_name
from fluvial.store import records as store

if TYPE_CHECKING:
    from fluvial.record_schemas import Schema

MAX_WORDS = 50
MAX_SINGLE = 500  # records that are read one by one where the process does not have their class


@dataclass(frozen=True, slots=True)
class Query:
    """A list, and which page of it. `order` has fields, each with whether it descends; the id decides last."""

    model: ModelClass
    condition: Condition | None = None
    order: tuple[tuple[Field, bool], ...] = ()
    words: str | None = None
    page: int = 1
    per_page: int = 25


@dataclass(frozen=True, slots=True)
class Found:
    """The records of a page, and how many the list has."""

    records: list[records.Record]
    total: int


def page(caller: Caller, schema: Schema, query: Query, *, walk: str, now: clock.Now = clock.now) -> Found:
    """A page of the list. `walk` names who reads it, and the list with all that is asked for but the page's number.

    The first page, and any that does not follow another of the walk within an hour, is of the list as it is. Those
    that follow show each record once (`record_walks`), as it is now.
    """
    if query.page > 1:
        walked = _walked(caller, schema, query, walk, now)
        if walked is not None:
            return walked
    start = (query.page - 1) * query.per_page
    with table_of(caller, query.model) as table:
        ids = _listed(caller, schema, query, table)
        shown = list(table.stream(ids[start : start + query.per_page]))
    if len(ids) >= query.per_page:
        # Also behind a page that is just full, of which nobody can tell that it is the last.
        record_walks.begin(caller.account, walk, ids, per_page=query.per_page, now=now)
    return Found(shown, len(ids))


def some(
    caller: Caller,
    schema: Schema,  # noqa: ARG001 (all questions are asked alike)
    model: ModelClass,
    ids: Iterable[int],
) -> dict[int, records.Record]:
    """Records by id, in the order asked for; those that are absent, foreign or deleted are left out."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return {}
    if not model.platform and len(wanted) <= MAX_SINGLE and not record_replicas.is_warm(caller.account, model.name):
        items = store.items(caller.account, model.name, wanted)
        there = (store.from_item(model, item) for item in items)
        return {record.id: record for record in there if record.deleted is None}
    with table_of(caller, model) as table:
        return {record.id: record for record in table.stream(wanted)}


def every(caller: Caller, schema: Schema, model: ModelClass, condition: Condition | None) -> list[records.Record]:
    """All records for which the condition holds, by id; for what is known to be few."""
    with table_of(caller, model) as table:
        return list(table.stream(_listed(caller, schema, Query(model, condition), table)))


def pointing(
    caller: Caller, schema: Schema, field: Field, ids: Iterable[int], *, owner: ModelClass | None = None
) -> dict[int, list[int]]:
    """The ids of the records that a many shows, by the id of the record that has it; none for those without.

    `owner` is the class that has the field, which is needed where what points there can point at several classes.
    """
    if field.type != MANY or field.related is None:
        return {}
    model = schema.model(field.related)
    by, own_class, parameters = _pointer(model, field, owner)
    if by is None:
        return {}
    found: dict[int, list[int]] = defaultdict(list)
    with table_of(caller, model) as table:
        table.index(by)
        column = column_name(by)
        sql = (
            f"SELECT {column}, id FROM records "  # noqa: S608
            f"WHERE {column} IN (SELECT value FROM json_each(?)) AND {own_class} ORDER BY id"
        )
        for target, record_id in table.select(sql, (json.dumps(list(ids)), *parameters)):
            found[target].append(record_id)
    return dict(found)


def matches(caller: Caller, schema: Schema, condition: Condition, record: records.Record) -> bool:
    """Whether the condition holds of one record, as it is given; what it is related to is taken as it is now."""
    model = schema.model(record.model)
    table = record_tables.Table.create(record_tables.MEMORY, caller.account, model, position=0)
    try:
        table.put([store.to_item(model, record) | {"deleted": None}])
        where, parameters = condition_sql(caller, schema, condition)
        return table.select(f"SELECT 1 FROM records WHERE {where}", parameters).fetchone() is not None  # noqa: S608
    finally:
        table.close()


@contextmanager
def table_of(caller: Caller, model: ModelClass) -> Iterator[record_tables.Table]:
    """The table of the class's records that the caller sees, as they are now."""
    if not model.platform:
        with record_replicas.opened(caller.account, model) as table:
            yield table
        return
    table = record_tables.Table.create(record_tables.MEMORY, caller.account, model, position=0)
    try:
        table.put(store.to_item(model, record) for record in record_platform.records(caller, model))
        yield table
    finally:
        table.close()


def selection(caller: Caller, schema: Schema, query: Query) -> tuple[str, list[object]]:
    """What follows WHERE for the query, and its parameters."""
    where, parameters = condition_sql(caller, schema, query.condition)
    words = list(dict.fromkeys(record_columns.folded(query.words or "").split()))
    if len(words) > MAX_WORDS:
        reason = f"'query' must have at most {MAX_WORDS} words, not {len(words)}."
        raise InvalidError("query", reason, value=len(words), constraint=f"at most {MAX_WORDS} words")
    columns = [folded_name(field) for field in query.model.fields if field.type in (STRING, TEXT)]
    for word in words:
        where += f" AND ({' OR '.join(f'instr({column}, ?)' for column in columns)})"
        parameters += [word] * len(columns)
    return where, parameters


def condition_sql(caller: Caller, schema: Schema, condition: Condition | None) -> tuple[str, list[object]]:
    """The condition as SQL; what it says of other classes is looked up in their tables."""
    if condition is None:
        return "1", []

    def related(part: Related) -> list[int]:
        return _related(caller, schema, part)

    where, parameters = record_sql.where(condition, related)
    return f"({where})", list(parameters)


def order_sql(order: Sequence[tuple[Field, bool]]) -> str:
    """What follows ORDER BY. Texts are sorted without regard to case, and what is missing stands first."""
    parts = []
    for field, descends in order:
        column = folded_name(field) if field.type in (STRING, TEXT) else column_name(field)
        parts.append(column + (" DESC" if descends else ""))
    return ", ".join([*parts, "id"])


def _listed(caller: Caller, schema: Schema, query: Query, table: record_tables.Table) -> list[int]:
    """The ids of the list, in its order."""
    where, parameters = selection(caller, schema, query)
    sql = f"SELECT id FROM records WHERE {where} ORDER BY {order_sql(query.order)}"  # noqa: S608
    return [record_id for (record_id,) in table.select(sql, parameters)]


def _walked(caller: Caller, schema: Schema, query: Query, name: str, now: clock.Now) -> Found | None:
    """A page of a walk; None where there is no such walk."""
    part = record_walks.page(caller.account, name, query.page, per_page=query.per_page, now=now)
    if part is None:
        return None
    found = some(caller, schema, query.model, part.ids)
    if found and len(found) == len(part.ids):
        return Found(list(found.values()), part.total)
    start = (query.page - 1) * query.per_page
    for _ in attempts("a walk through a list"):
        walk = record_walks.whole(caller.account, name)
        if walk is None:
            return None
        ids = _completed(caller, schema, query, walk)
        if ids == walk.ids or record_walks.rewrite(walk, ids, now=now):
            wanted = [each for each in ids[start : start + query.per_page] if each != record_walks.NOTHING]
            found = some(caller, schema, query.model, wanted)
            if len(found) == len(wanted):
                return Found(list(found.values()), walk.total)
    raise AssertionError("attempts end with an error")


def _completed(caller: Caller, schema: Schema, query: Query, walk: record_walks.Walk) -> record_walks.Ids:
    """The ids of the whole walk, with others for those that are gone from the page, or what came in behind its end."""
    start = (query.page - 1) * query.per_page
    wanted = [each for each in walk.ids[start : start + query.per_page] if each != record_walks.NOTHING]
    if start >= len(walk.ids):
        seen = set(walk.ids)
        with table_of(caller, query.model) as table:
            late = [record_id for record_id in _listed(caller, schema, query, table) if record_id not in seen]
        return record_walks.extended(walk, late) if late else walk.ids
    gone = set(wanted) - some(caller, schema, query.model, wanted).keys()
    if not gone:
        return walk.ids
    return record_walks.filled(walk, query.page, gone, lambda ids: some(caller, schema, query.model, ids))


def _related(caller: Caller, schema: Schema, part: Related) -> list[int]:
    """The ids of the related records for which a part of a condition holds; of a many, of those that they point at."""
    model = schema.model(part.model)
    where, parameters = condition_sql(caller, schema, part.inner)
    column = "id"
    if part.field.type == MANY:
        by = model.field(part.field.by or "")
        if by is None:
            return []
        column = column_name(by)
        where = f"{where} AND {column} IS NOT NULL"
    with table_of(caller, model) as table:
        sql = f"SELECT DISTINCT {column} FROM records WHERE {where}"  # noqa: S608
        return [found for (found,) in table.select(sql, parameters)]


def _pointer(model: ModelClass, many: Field, owner: ModelClass | None) -> tuple[Field | None, str, list[object]]:
    """The field of a class by which its records point at those with the many, and what holds of those that do.

    No field where the class has it no more.
    """
    by = model.field(many.by) if many.by else None
    if by is None or by.type != RELATION:
        return None, "0", []
    named = model.field(by.type_field) if by.related is None and by.type_field else None
    if named is None:
        return by, "1", []
    if owner is None:
        raise LookupError(f"'{many.name}' is of several classes: say which")
    return by, f"{column_name(named)} = ?", [owner.camel]
