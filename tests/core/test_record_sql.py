"""Filters as SQLite runs them, against what they say, evaluated in Python over the values themselves."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluvial import record_columns, record_filters, record_sql
from fluvial.record_classes import Field, ModelClass
from fluvial.record_filters import Comparison, Condition, Group, Related
from fluvial.record_sql import quoted
from tests.core.record_worlds import (
    COMPARED,
    NOTE,
    OF_NOTES,
    OF_PART,
    PART,
    PARTS,
    THING,
    THINGS,
    TODAY,
    WORLDS,
    Asked,
    Schema,
    World,
    worlds,
)


def stored(world: World) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    for model in (THING, PART, NOTE):
        fields = [field for field in model.fields if field.kept]
        folded = [field for field in fields if field.type in ("string", "text")]
        names = [quoted(f"f_{each.name}") for each in fields] + [quoted(f"t_{each.name}") for each in folded]
        connection.execute(f"CREATE TABLE {model.name} (id INTEGER PRIMARY KEY, {', '.join(names)})")
        for row in world[model.name]:
            values = [record_columns.column(field, row[field.name]) for field in fields]
            values += [row[each.name] and record_columns.folded(row[each.name]) for each in folded]
            marks = ", ".join("?" * (len(values) + 1))
            connection.execute(f"INSERT INTO {model.name} VALUES ({marks})", [row["id"], *values])
    return connection


def found(connection: sqlite3.Connection, model: ModelClass, condition: Condition) -> list[int]:
    def related(asked: Related) -> list[int]:
        sql, parameters = record_sql.where(asked.inner, related)
        wanted = f'"f_{asked.field.by}"' if asked.field.type == "many" else "id"
        rows = connection.execute(f"SELECT DISTINCT {wanted} FROM {asked.model} WHERE {sql}", parameters)
        return [each for (each,) in rows if each is not None]

    sql, parameters = record_sql.where(condition, related)
    rows = connection.execute(f"SELECT id FROM {model.name} WHERE {sql} ORDER BY id", parameters)
    return [each for (each,) in rows]


def parsed(sent: Any, model: ModelClass = THING) -> Condition:
    condition = record_filters.parse(sent, model, Schema(), today=TODAY, fiscal_start=7)
    assert condition is not None
    return condition


def check(world: World, model: ModelClass, asked: Asked) -> None:
    """Two-valued: of a condition and its opposite exactly one holds of each record."""
    connection = stored(world)
    expected = [row["id"] for row in world[model.name] if asked.holds(row, world)]
    rest = [row["id"] for row in world[model.name] if row["id"] not in expected]
    assert found(connection, model, parsed(asked.sent, model)) == expected
    assert found(connection, model, parsed({"group_type": "not-and", "conditions": [asked.sent]}, model)) == rest


@given(WORLDS, THINGS)
@settings(max_examples=200, deadline=None)
def test_a_filter_finds_what_it_says(world: World, asked: Asked) -> None:
    check(world, THING, asked)


@pytest.mark.parametrize("kind", COMPARED)
def test_each_comparison_holds_where_it_says(kind: str) -> None:
    few = worlds(6, 6).map(lambda world: world | {"part": [], "note": []})

    @given(few, COMPARED[kind])
    @settings(max_examples=60, deadline=None)
    def holds(world: World, asked: Asked) -> None:
        check(world, THING, asked)

    holds()


@pytest.mark.parametrize("asked", [OF_PART, OF_NOTES], ids=["relation", "list"])
def test_each_relation_holds_where_it_says(asked: st.SearchStrategy[Asked]) -> None:
    @given(worlds(3, 5), asked)
    @settings(max_examples=60, deadline=None)
    def holds(world: World, asked: Asked) -> None:
        check(world, THING, asked)

    holds()


def test_what_begins_with_the_last_characters_of_unicode_is_found() -> None:
    names = ["\ud7ff", "\ud7ffx", "\ue000", "\U0010ffff", "\U0010ffff\U0010ffff", "a\U0010ffff", "a\U0010ffffb", "b"]
    empty: dict[str, Any] = dict.fromkeys(field.name for field in THING.fields)
    things = [empty | {"id": at, "name": name} for at, name in enumerate(names)]
    connection = stored({"thing": things, "part": [], "note": []})
    for begin in (*names, "a", "\ud7fe"):
        expected = [at for at, name in enumerate(names) if name.startswith(begin)]
        assert found(connection, THING, parsed(["name", "starts_with", begin])) == expected


@given(WORLDS, PARTS)
@settings(max_examples=150, deadline=None)
def test_a_filter_goes_across_classes(world: World, asked: Asked) -> None:
    check(world, PART, asked)


# --- the limits of SQLite -------------------------------------------------------------------------------------------


def counted(number: int) -> Comparison:
    return Comparison(THING.fields[3], "eq", (number,))


def multi(*texts: str) -> Comparison:
    return Comparison(THING.fields[9], "contains", texts)


@st.composite
def deep(draw: st.DrawFn) -> Condition:
    """As deep and as long as filters may be, or more, in the shapes that are the worst for a parser."""
    leaves = draw(st.integers(1, 60))
    twins = draw(st.integers(0, 5))
    condition: Condition = multi("a", "b", "c")
    for level in range(32):
        kind = draw(st.sampled_from(["and", "or"]))
        beside: list[Condition] = [counted(each) for each in range(leaves)]
        beside[len(beside) // 2 :] = [multi("x", "y", "z")]
        parts = [*beside, condition] if draw(st.booleans()) else [condition, *beside]
        parts += [condition] if level < twins else []
        condition = Group(kind, draw(st.booleans()), tuple(parts))
    return condition


@given(deep())
@settings(max_examples=40, deadline=None)
def test_the_deepest_filters_are_within_the_limits_of_sqlite(condition: Condition) -> None:
    connection = stored({"thing": [], "part": [], "note": []})
    opposite = Group("and", True, (condition,))
    assert found(connection, THING, Group("or", False, (condition, opposite))) == []


def test_every_shape_of_a_thousand_conditions_runs() -> None:
    row = dict.fromkeys(field.name for field in THING.fields) | {"id": 1, "count": 999, "name": "a"}
    connection = stored({"thing": [row], "part": [], "note": []})
    flat: Any = {"group_type": "or", "conditions": [["count", "eq", each] for each in range(1, 999)]}
    assert found(connection, THING, parsed(flat)) == []
    flat["conditions"].append(["count", "eq", "999"])
    assert found(connection, THING, parsed(flat)) == [1]
    assert found(connection, THING, parsed({"count": list(range(1_000))})) == [1]
    assert found(connection, THING, parsed({"count": list(range(10_000, 11_000))})) == []
    assert found(connection, THING, parsed(["name", "not-contains", [f"x{each}" for each in range(1_000)]])) == [1]
    assert found(connection, THING, parsed(["colours", "not-like", [f"x{each}" for each in range(1_000)]])) == [1]
    assert found(connection, THING, parsed({"name": [f"x{each}" for each in range(999)] + ["a"]})) == [1]
    chain: Any = ["count", "eq", 999]
    for level in range(31):
        more = [["count", "eq", 999]] * 30
        chain = {
            "group_type": ("not-and", "and")[level % 2],
            "conditions": [chain, *more] if level % 3 else [*more, chain],
        }
    assert found(connection, THING, parsed(chain)) in ([], [1])


def test_ids_are_one_parameter_however_many() -> None:
    part = THING.field("part_id")
    assert part is not None
    condition = Related(part, "part", record_filters.anything())
    ids = [2**62 + each for each in range(50_000)]
    sql, parameters = record_sql.where(condition, lambda asked: ids)
    assert sql == '"f_part_id" IN (SELECT value FROM json_each(?))'
    connection = stored({"thing": [], "part": [], "note": []})
    connection.execute("INSERT INTO thing (id, f_part_id) VALUES (1, ?), (2, ?), (3, NULL)", (ids[-1], ids[-1] + 1))
    assert len(parameters) == 1
    assert [row[0] for row in connection.execute(f"SELECT id FROM thing WHERE {sql}", parameters)] == [1]


def test_names_are_quoted_and_values_are_parameters() -> None:
    odd = Field('a"b; --', "string", "")
    condition = Group("and", False, (Comparison(odd, "eq", ("'; --",)), Comparison(odd, "starts_with", ("'",))))
    sql, parameters = record_sql.where(condition, lambda asked: [])
    assert sql == '(("t_a""b; --" >= ? AND "t_a""b; --" < ?) AND "f_a""b; --" = ?)'
    assert parameters == ["'", "(", "'; --"]
