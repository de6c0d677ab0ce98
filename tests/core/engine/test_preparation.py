"""Compiled steps do what they say: in plain DuckDB beside a naive evaluator, and in the sandbox over Parquet parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import cmp_to_key
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvial import queries, step_checks, steps
from fluvial.engine import manifest, preparation, sandbox
from fluvial.engine.conditions import sql_type
from fluvial.engine.load import identifier
from fluvial.errors import InvalidError
from fluvial.expression_functions import FUNCTIONS

Rows = list[tuple[Any, ...]]

NASTY = 'a"b; DROP TABLE x'
TABLES: dict[str, tuple[dict[str, str], Rows]] = {
    "sales": (
        {
            "id": "integer",
            "country": "text",
            "price": "decimal(18,2)",
            "day": "date",
            "ratio": "float",
            "paid": "boolean",
            NASTY: "text",
        },
        [
            (1, "DE", "1.50", "2025-01-03", 1.5, True, "x-y-z"),
            (2, "FR", "2.25", "2025-02-03", -0.0, False, "12"),
            (3, None, None, None, None, None, None),
            (1, "DE", "3.00", "2025-01-09", 0.0, True, "'; DROP TABLE x; --"),
            (4, "ÄÖ", "-1.00", "2024-12-31", float("nan"), None, ""),
        ],
    ),
    "stores": ({"id": "integer", "city": "text"}, [(1, "Bonn"), (5, "Kiel"), (None, "Ulm"), (1, "日本")]),
}


def columns(types: dict[str, str]) -> list[manifest.Column]:
    formats = {"date": "%d/%m/%Y", "boolean": "true/false", "timestamp": "%Y-%m-%dT%H:%M:%S.%6f"}
    formats |= {"timestamp_tz": "%Y-%m-%dT%H:%M:%S+02:00", "time": "%H:%M:%S"}
    return [manifest.Column(name, type_, "", formats.get(type_)) for name, type_ in types.items()]


DATABASE = duckdb.connect(config={"threads": 2})
DATABASE.execute("SET TimeZone = 'UTC'")


@contextmanager
def connection(tables: dict[str, tuple[dict[str, str], Rows]]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with these tables, which are gone afterwards, and so is all that was made of them."""
    with DATABASE.cursor() as sql:
        try:
            for name, (types, rows) in tables.items():
                described = ", ".join(f"{identifier(each.name)} {sql_type(each)}" for each in columns(types))
                sql.execute(f"CREATE TABLE {identifier(name)} ({described})")
                for row in rows:
                    sql.execute(f"INSERT INTO {identifier(name)} VALUES ({', '.join('?' * len(row))})", list(row))
            yield sql
        finally:
            for (name,) in sql.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                sql.execute(f"DROP TABLE {identifier(name)}")


def planned(given: Sequence[dict[str, Any]], tables: dict[str, tuple[dict[str, str], Rows]] = TABLES) -> Any:
    inputs = {name: preparation.columns_of(columns(types)) for name, (types, _) in tables.items()}
    return step_checks.check(steps.parse({"steps": list(given)}), inputs)


def run(given: Sequence[dict[str, Any]], tables: dict[str, tuple[dict[str, str], Rows]] = TABLES) -> Rows:
    """The rows in plain DuckDB; their types are those of the plan."""
    plan = planned(given, tables)
    compiled = preparation.compiled(plan)
    with connection(tables) as sql:
        for step in compiled.steps:
            sql.execute(f"CREATE TABLE {identifier(step.name)} AS {step.sql}", step.values)
            if step.name != compiled.steps[-1].name:
                continue
            found = sql.execute(f"DESCRIBE {identifier(step.name)}").fetchall()
            wanted = [(each.name, sql_type(manifest.Column(each.name, each.type, ""))) for each in plan.columns]
            spelled = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
            assert [tuple(each[:2]) for each in found] == [
                (name, spelled.get(type_, type_.upper())) for name, type_ in wanted
            ]
            return sql.execute(f"SELECT * FROM {identifier(step.name)}").fetchall()
    raise AssertionError("a recipe has steps")


def derived(expression: str, types: dict[str, str] | None = None, row: tuple[Any, ...] = ()) -> Any:
    """What the expression is, over one row."""
    tables = {"t": ({"nothing": "integer", **(types or {})}, [(None, *row)])}
    alone = {"step": "select", "columns": ["found"]}
    ((found,),) = run([{"step": "derive", "columns": [{"as": "found", "expression": expression}]}, alone], tables)
    return found


def sales(step: str, **fields: Any) -> dict[str, Any]:
    return {"step": step, "from": "sales", **fields}


ID, PRICE = {"step": "select", "columns": ["id"]}, {"step": "select", "columns": ["id", "price"]}
D = Decimal

# Steps, and the rows that they make of TABLES.
CASES: dict[str, tuple[list[dict[str, Any]], Rows]] = {
    "select": (
        [sales("select", columns=[NASTY, {"column": "id", "as": 'x"y'}]), {"step": "limit", "limit": 2}],
        [("x-y-z", 1), ("12", 2)],
    ),
    "select except": (
        [sales("select", **{"except": ["price", "day", "ratio", "paid", NASTY]}), {"step": "limit", "limit": 1}],
        [(1, "DE")],
    ),
    "rename swaps": (
        [
            sales("rename", columns=[{"column": "id", "as": NASTY}, {"column": NASTY, "as": "id"}]),
            {"step": "select", "columns": ["id", NASTY]},
            {"step": "limit", "limit": 1},
        ],
        [("x-y-z", 1)],
    ),
    "filter": (
        [
            sales("filter", filters=[{"column": "country", "operator": "eq", "value": "DE"}], expression="price > 2"),
            PRICE,
        ],
        [(1, D("3.00"))],
    ),
    "filter of hostile text": (
        [sales("filter", filters=[{"column": NASTY, "operator": "eq", "value": "'; DROP TABLE x; --"}]), ID],
        [(1,)],
    ),
    "derive replaces": (
        [sales("derive", columns=[{"as": "price", "expression": "-price", "replace": True}]), PRICE],
        [(1, D("-1.50")), (2, D("-2.25")), (3, None), (1, D("-3.00")), (4, D("1.00"))],
    ),
    "cast to null": (
        [sales("cast", columns=[{"column": NASTY, "type": "integer", "on_error": "null"}]), ID | {"columns": [NASTY]}],
        [(None,), (12,), (None,), (None,), (None,)],
    ),
    "cast that rejects": (
        [sales("cast", columns=[{"column": "price", "type": "integer", "on_error": "reject"}]), PRICE],
        [(3, None), (1, 3), (4, -1)],
    ),
    "fill with a value": (
        [sales("fill", columns=["price"], value=0), PRICE, {"step": "limit", "limit": 1, "offset": 2}],
        [(3, D("0.00"))],
    ),
    "fill from before": (
        [
            sales("fill", columns=["country", "price"], method="previous"),
            {"step": "select", "columns": ["country", "price"]},
        ],
        [("DE", D("1.50")), ("FR", D("2.25")), ("FR", D("2.25")), ("DE", D("3.00")), ("ÄÖ", D("-1.00"))],
    ),
    "fill from behind": (
        [sales("fill", columns=["price"], method="next", partition_by=["country"]), PRICE],
        [(1, D("1.50")), (2, D("2.25")), (3, None), (1, D("3.00")), (4, D("-1.00"))],
    ),
    "replace": (
        [
            sales("replace", column="country", values=[{"from": "DE", "to": "Germany"}, {"from": "FR", "to": None}]),
            {"step": "select", "columns": ["country"]},
        ],
        [("Germany",), (None,), (None,), ("Germany",), ("ÄÖ",)],
    ),
    "split": (
        [sales("split", column=NASTY, separator="-", into=["l", "r"]), {"step": "select", "columns": ["l", "r"]}],
        [("x", "y-z"), ("12", None), (None, None), ("'; DROP TABLE x; ", "-"), ("", None)],
    ),
    "dedupe keeps the first": (
        [sales("dedupe", columns=["id"]), PRICE],
        [(1, D("1.50")), (2, D("2.25")), (3, None), (4, D("-1.00"))],
    ),
    "dedupe keeps the last": (
        [sales("dedupe", columns=["id"], keep="last"), PRICE],
        [(2, D("2.25")), (3, None), (1, D("3.00")), (4, D("-1.00"))],
    ),
    "dedupe keeps the first of an order": (
        [sales("dedupe", columns=["paid"], sort=[{"by": "price", "order": "desc"}]), PRICE],
        [(2, D("2.25")), (1, D("3.00")), (4, D("-1.00"))],
    ),
    "dedupe of zeros": ([sales("dedupe", columns=["ratio"]), ID], [(1,), (2,), (3,), (4,)]),
    "sort": (
        [sales("sort", sort=[{"by": "country"}, {"by": "price", "order": "desc"}]), PRICE],
        [(1, D("3.00")), (1, D("1.50")), (2, D("2.25")), (4, D("-1.00")), (3, None)],
    ),
    "sort down has nulls last": (
        [sales("sort", sort=[{"by": "price", "order": "desc"}]), PRICE],
        [(1, D("3.00")), (2, D("2.25")), (1, D("1.50")), (4, D("-1.00")), (3, None)],
    ),
    "limit": ([sales("limit", limit=2, offset=1), ID], [(2,), (3,)]),
    "group": (
        [
            sales(
                "group",
                group_by=[{"column": "day", "bucket": "year", "as": "year"}],
                aggregates=[
                    {"function": "count", "as": "n"},
                    {"function": "sum", "column": "price", "as": "sum"},
                    {"function": "avg", "column": "price", "as": "avg"},
                    {"function": "median", "column": "price", "as": "median"},
                    {"function": "count_distinct", "column": "country", "as": "countries"},
                    {"function": "max", "column": "id", "as": "max"},
                    {"function": "sum", "column": "ratio", "as": "ratios"},
                ],
            )
        ],
        [
            (date(2025, 1, 1), 3, D("6.75"), 2.25, D("2.250"), 2, 2, 1.5),
            (None, 1, None, None, None, 0, 3, None),
            (date(2024, 1, 1), 1, D("-1.00"), -1.0, D("-1.000"), 1, 4, "nan"),
        ],
    ),
    "group of nothing": (
        [
            sales("filter", expression="id > 100"),
            {
                "step": "group",
                "aggregates": [{"function": "count", "as": "n"}, {"function": "sum", "column": "id", "as": "s"}],
            },
        ],
        [(0, None)],
    ),
    "group by swapped names": (
        [
            sales("select", columns=["id", "country"]),
            {
                "step": "group",
                "group_by": [{"column": "id", "as": "country"}, {"column": "country", "as": "id"}],
                "aggregates": [{"function": "count", "as": "n"}],
            },
        ],
        [(1, "DE", 2), (2, "FR", 1), (3, None, 1), (4, "ÄÖ", 1)],
    ),
    "pivot": (
        [
            sales(
                "pivot",
                group_by=["paid"],
                on="country",
                values=["DE", {"value": None, "as": "none"}],
                function="sum",
                column="price",
            )
        ],
        [(True, D("4.50"), None), (False, None, None), (None, None, None)],
    ),
    "pivot counts rows": (
        [sales("pivot", on="country", values=["DE", {"value": None, "as": "none"}], function="count")],
        [(2, 1)],
    ),
    "unpivot": (
        [
            sales("select", columns=["id", "country", NASTY]),
            {"step": "limit", "limit": 3},
            {"step": "unpivot", "columns": ["country", NASTY], "name_as": "name", "value_as": "value"},
        ],
        [
            (1, "country", "DE"),
            (1, NASTY, "x-y-z"),
            (2, "country", "FR"),
            (2, NASTY, "12"),
            (3, "country", None),
            (3, NASTY, None),
        ],
    ),
    "join inner": (
        [sales("select", columns=["id", "price"]), {"step": "join", "with": "stores", "on": ["id"]}],
        [(1, D("1.50"), "Bonn"), (1, D("1.50"), "日本"), (1, D("3.00"), "Bonn"), (1, D("3.00"), "日本")],
    ),
    "join left": (
        [sales("select", columns=["id"]), {"step": "join", "with": "stores", "on": ["id"], "kind": "left"}],
        [(1, "Bonn"), (1, "日本"), (2, None), (3, None), (1, "Bonn"), (1, "日本"), (4, None)],
    ),
    "join right": (
        [sales("select", columns=["id"]), {"step": "join", "with": "stores", "on": ["id"], "kind": "right"}],
        [(1, "Bonn"), (1, "日本"), (1, "Bonn"), (1, "日本"), (5, "Kiel"), (None, "Ulm")],
    ),
    "join full": (
        [
            sales("select", columns=["id", "country"]),
            {
                "step": "join",
                "with": "stores",
                "on": ["id"],
                "kind": "full",
                "columns": ["city", {"column": "id", "as": "store"}],
            },
        ],
        [
            (1, "DE", "Bonn", 1),
            (1, "DE", "日本", 1),
            (2, "FR", None, None),
            (3, None, None, None),
            (1, "DE", "Bonn", 1),
            (1, "DE", "日本", 1),
            (4, "ÄÖ", None, None),
            (5, None, "Kiel", 5),
            (None, None, "Ulm", None),
        ],
    ),
    "join semi": (
        [sales("select", columns=["id"]), {"step": "join", "with": "stores", "on": ["id"], "kind": "semi"}],
        [(1,), (1,)],
    ),
    "join anti": (
        [sales("select", columns=["id"]), {"step": "join", "with": "stores", "on": ["id"], "kind": "anti"}],
        [(2,), (3,), (4,)],
    ),
    "join with itself": (
        [
            sales("select", columns=["id"], **{"as": "ids"}),
            {"step": "join", "with": "ids", "on": ["id"], "columns": [{"column": "id", "as": "other"}]},
        ],
        [(1, 1), (1, 1), (2, 2), (3, 3), (1, 1), (1, 1), (4, 4)],
    ),
    "union": (
        [
            sales("select", columns=["id", "price"], **{"as": "a"}),
            {"step": "cast", "columns": [{"column": "price", "type": "decimal(38,2)"}]},
            {"step": "limit", "limit": 1},
            {"step": "union", "with": ["a"]},
            {"step": "limit", "limit": 3},
        ],
        [(1, D("1.50")), (1, D("1.50")), (2, D("2.25"))],
    ),
    "window": (
        [
            sales("select", columns=["id", "price"]),
            {
                "step": "window",
                "partition_by": ["id"],
                "sort": [{"by": "price", "order": "desc"}],
                "frame": "running",
                "columns": [
                    {"function": "row_number", "as": "n"},
                    {"function": "lag", "column": "price", "as": "lag"},
                    {"function": "sum", "column": "price", "as": "sum"},
                    {"function": "last", "column": "price", "as": "last"},
                ],
            },
        ],
        [
            (1, D("1.50"), 2, D("3.00"), D("4.50"), D("1.50")),
            (2, D("2.25"), 1, None, D("2.25"), D("2.25")),
            (3, None, 1, None, None, None),
            (1, D("3.00"), 1, None, D("3.00"), D("3.00")),
            (4, D("-1.00"), 1, None, D("-1.00"), D("-1.00")),
        ],
    ),
    "window of some rows": (
        [
            sales("select", columns=["id"]),
            {
                "step": "window",
                "frame": {"preceding": 1},
                "columns": [{"function": "sum", "column": "id", "as": "sum"}, {"function": "count", "as": "n"}],
            },
        ],
        [(1, 1, 1), (2, 3, 2), (3, 5, 2), (1, 4, 2), (4, 5, 2)],
    ),
    "window that ranks": (
        [
            sales("select", columns=["country"]),
            {
                "step": "window",
                "sort": [{"by": "country"}],
                "columns": [{"function": "rank", "as": "r"}, {"function": "dense_rank", "as": "d"}],
            },
        ],
        [("DE", 1, 1), ("FR", 3, 2), (None, 5, 4), ("DE", 1, 1), ("ÄÖ", 4, 3)],
    ),
}


def plain(rows: Sequence[Sequence[Any]]) -> Rows:
    """Rows that can be compared: NaN is equal to itself."""
    return [tuple("nan" if isinstance(cell, float) and cell != cell else cell for cell in row) for row in rows]


@pytest.mark.parametrize("case", CASES)
def test_a_step_makes_these_rows_in_this_order(case: str) -> None:
    given, wanted = CASES[case]
    assert plain(run(given)) == wanted


def test_every_kind_of_step_has_a_case() -> None:
    covered = {step["step"] for given, _ in CASES.values() for step in given} | {"derive", "sample"}
    assert covered == set(steps.KINDS)


# ---------------------------------------------------------------- samples


def sampled(of: int, **fields: Any) -> list[int]:
    tables = {"t": ({"id": "integer"}, [(at,) for at in range(of)])}
    return [row[0] for row in run([{"step": "sample", **fields}], tables)]


def test_a_sample_is_the_same_again_and_another_one_with_another_seed() -> None:
    one = sampled(100, rows=10, seed=1)
    assert len(one) == len(set(one)) == 10
    assert one == sorted(one) == sampled(100, rows=10, seed=1)
    assert one != sampled(100, rows=10, seed=2)


def test_a_share_keeps_its_rows_when_others_are_added_behind() -> None:
    one = sampled(200, share=0.25, seed=3)
    assert one == [at for at in sampled(300, share=0.25, seed=3) if at < 200] == [each for each in one if each < 200]
    assert 25 <= len(one) <= 75
    assert sampled(50, share=1) == list(range(50))


# ---------------------------------------------------------------- expressions


@pytest.mark.parametrize(
    ("expression", "types", "row", "wanted"),
    [
        ("price * 1.19", {"price": "decimal(18,2)"}, ("10.05",), D("11.9595")),
        ("round(price * 1.19, 2)", {"price": "decimal(18,2)"}, ("10.05",), D("11.96")),
        ("round(price, 1)", {"price": "decimal(18,2)"}, ("-2.25",), D("-2.3")),
        ("floor(price)", {"price": "decimal(18,2)"}, ("-2.25",), D("-3")),
        ("ceil(price)", {"price": "decimal(18,2)"}, ("-2.25",), D("-2")),
        ("trunc(price)", {"price": "decimal(18,2)"}, ("-2.25",), D("-2")),
        ("sign(price)", {"price": "decimal(18,2)"}, ("-2.25",), -1),
        ("abs(price)", {"price": "decimal(18,2)"}, ("-2.25",), D("2.25")),
        ("-price - 1", {"price": "decimal(18,2)"}, ("-2.25",), D("1.25")),
        ("id / 2", {"id": "integer"}, (3,), 1.5),
        ("id // 2", {"id": "integer"}, (-7,), -3),
        ("id % 3", {"id": "integer"}, (-7,), -1),
        ("id + 9007199254740993", {"id": "integer"}, (0,), 9007199254740993),
        ("ratio * 2 + 0.1", {"ratio": "float"}, (1.5,), 3.1),
        ("power(ratio, 0.5)", {"ratio": "float"}, (4.0,), 2.0),
        ("coalesce(price, id)", {"price": "decimal(18,2)", "id": "integer"}, (None, 7), D("7.00")),
        ("nullif(id, 0)", {"id": "integer"}, (0,), None),
        ("greatest(id, 5, NULL)", {"id": "integer"}, (3,), 5),
        ("CASE WHEN id > 2 THEN 'x' WHEN id > 1 THEN 'y' END", {"id": "integer"}, (2,), "y"),
        ("CASE id WHEN 2 THEN true ELSE false END", {"id": "integer"}, (2,), True),
        ("id BETWEEN 1 AND 3 AND id IN (2, 4) AND NOT id = 3", {"id": "integer"}, (2,), True),
        ("id IS DISTINCT FROM NULL", {"id": "integer"}, (None,), False),
        ("name || '!' || upper(name)", {"name": "text"}, ("ä'",), "ä'!Ä'"),
        ("concat(name, NULL, 'x')", {"name": "text"}, (None,), "x"),
        ("name LIKE 'a_%'", {"name": "text"}, ("abc",), True),
        ("name = '''; DROP TABLE x; --'", {"name": "text"}, ("'; DROP TABLE x; --",), True),
        ("replace(substring(name, 2, 3), 'b', '🙂')", {"name": "text"}, ("abcde",), "🙂cd"),
        ("lpad(left(name, 2), 4, '0')", {"name": "text"}, ("abc",), "00ab"),
        ("split_part(name, ',', 2)", {"name": "text"}, ("a,b",), "b"),
        ("position(name, 'c')", {"name": "text"}, ("äbc",), 3),
        ("regexp_replace(name, '[0-9]', '#')", {"name": "text"}, ("a1b2",), "a#b#"),
        ("regexp_extract(name, '([a-z])([0-9])', 2)", {"name": "text"}, ("a1",), "1"),
        ("date_add('month', 1, day)", {"day": "date"}, ("2025-01-31",), date(2025, 2, 28)),
        ("date_diff('day', day, '2025-02-01')", {"day": "date"}, ("2025-01-31",), 1),
        ("weekday(day) * 100 + week(day)", {"day": "date"}, ("2025-01-01",), 301),
        ("make_date(year(day), 12, 31)", {"day": "date"}, ("2025-01-31",), date(2025, 12, 31)),
        ("day >= '2025-01-31'", {"day": "date"}, ("2025-01-31",), True),
        ("date_trunc('month', at)", {"at": "timestamp"}, ("2025-01-31 10:00:00",), date(2025, 1, 1)),
        ("date(at)", {"at": "timestamp"}, ("2025-01-31 10:00:00",), date(2025, 1, 31)),
        ("time(at)", {"at": "timestamp"}, ("2025-01-31 10:00:05",), time(10, 0, 5)),
        ("date_add('hour', 2, at)", {"at": "timestamp"}, ("2025-01-31 23:00:00",), datetime(2025, 2, 1, 1)),
        ("date(at)", {"at": "timestamp_tz"}, ("2025-01-31T22:30:00Z",), date(2025, 2, 1)),
        ("hour(at)", {"at": "timestamp_tz"}, ("2025-01-31T22:30:00Z",), 0),
        ("CAST(date_add('month', 1, at) AS text)", {"at": "timestamp_tz"}, ("2025-01-30T22:30:00Z",),
         "2025-02-28T00:30:00.000000+02:00"),
        ("minute(clock)", {"clock": "time"}, ("12:30:00",), 30),
        ("CAST(day AS text)", {"day": "date"}, ("2025-01-31",), "31/01/2025"),
        ("CAST(price AS float) / 4", {"price": "decimal(18,2)"}, ("0.10",), 0.025),
        ("CAST(CAST(price AS text) AS decimal(5,3))", {"price": "decimal(18,2)"}, ("0.10",), D("0.100")),
        ("CAST(ratio AS decimal(38,20))", {"ratio": "float"}, (0.1,), D("0.1")),
        ("CAST(name AS integer)", {"name": "text"}, ("+007",), 7),
        ("CAST(name AS integer)", {"name": "text"}, ("",), None),
        ("CAST(name AS boolean)", {"name": "text"}, ("Yes",), True),
        ("CAST(id AS boolean)", {"id": "integer"}, (0,), False),
        ("CAST(upper(name) AS date)", {"name": "text"}, ("4 Jan 2025",), date(2025, 1, 4)),
        ("CAST(at AS date)", {"at": "timestamp"}, ("2025-01-31 00:00:00",), date(2025, 1, 31)),
    ],
)  # fmt: skip
def test_an_expression_has_this_value(
    expression: str, types: dict[str, str], row: tuple[Any, ...], wanted: Any
) -> None:
    assert derived(expression, types, row) == wanted


@pytest.mark.parametrize(
    ("expression", "types", "row", "message"),
    [
        ("id / (id - 1)", {"id": "integer"}, (1,), "division by zero"),
        ("id // 0", {"id": "integer"}, (1,), "division by zero"),
        ("id % 0", {"id": "integer"}, (1,), "division by zero"),
        ("ratio / 0", {"ratio": "float"}, (1.0,), "division by zero"),
        ("divide(id, 0, 2)", {"id": "integer"}, (1,), "division by zero"),
        ("id + 1", {"id": "integer"}, (2**63 - 1,), "Overflow"),
        ("id * id", {"id": "integer"}, (2**62,), "Overflow"),
        ("-id", {"id": "integer"}, (-(2**63),), "Overflow"),
        ("wide * 10", {"wide": "decimal(38,0)"}, ("9" * 38,), "Overflow"),
        ("wide + 1", {"wide": "decimal(38,0)"}, ("9" * 38,), "Overflow"),
        ("divide(wide, 1, 4)", {"wide": "decimal(38,0)"}, ("9" * 38,), "Overflow"),
        ("CAST(price AS integer)", {"price": "decimal(18,2)"}, ("1.50",), "'1.50' in column 'price' cannot be cast"),
        ("CAST(price AS decimal(3,2))", {"price": "decimal(18,2)"}, ("10.00",), "cannot be cast to decimal(3,2)"),
        ("CAST(id AS float)", {"id": "integer"}, (2**53 + 1,), "cannot be cast to float"),
        ("CAST(ratio AS integer)", {"ratio": "float"}, (1.5,), "cannot be cast to integer"),
        ("CAST(ratio AS decimal(18,2))", {"ratio": "float"}, (0.125,), "cannot be cast"),
        ("CAST(ratio AS integer)", {"ratio": "float"}, (float("nan"),), "cannot be cast"),
        ("CAST(name AS integer)", {"name": "text"}, (" 1",), "' 1' in column 'name' cannot be cast to integer"),
        ("CAST(name || 'x' AS integer)", {"name": "text"}, ("1",), "'1x' cannot be cast to integer"),
        ("CAST(at AS date)", {"at": "timestamp"}, ("2025-01-31 00:00:01",), "cannot be cast to date"),
        ("CAST(id AS boolean)", {"id": "integer"}, (2,), "cannot be cast to boolean"),
        ("make_date(id, 2, 30)", {"id": "integer"}, (2025,), "out of range"),
    ],
)
def test_what_has_no_value_fails_and_never_becomes_another_one(
    expression: str, types: dict[str, str], row: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(duckdb.Error) as caught:
        derived(expression, types, row)
    assert message in str(caught.value)


DIGITS = st.integers(-(10**9), 10**9)


@settings(max_examples=60, deadline=None)
@given(DIGITS, DIGITS.filter(bool), st.integers(0, 6))
def test_a_quotient_is_rounded_half_away_from_zero(dividend: int, divisor: int, places: int) -> None:
    left, right = D(dividend).scaleb(-2), D(divisor).scaleb(-3)
    found = derived(f"divide(a, b, {places})", {"a": "decimal(18,2)", "b": "decimal(18,3)"}, (str(left), str(right)))
    exact = Fraction(left) / Fraction(right) * 10**places
    rounded = int(abs(exact) + Fraction(1, 2)) * (-1 if exact < 0 else 1)
    assert found == D(rounded).scaleb(-places)


EVERY_TYPE = {
    "i": "integer",
    "d": "decimal(18,2)",
    "w": "decimal(38,10)",
    "f": "float",
    "b": "boolean",
    "day": "date",
    "at": "timestamp",
    "zoned": "timestamp_tz",
    "clock": "time",
    "t": "text",
}
EVERY_ROW = (
    3,
    "-2.25",
    "7.5",
    1.5,
    True,
    "2025-01-31",
    "2025-01-31 10:00:00",
    "2025-01-31T22:30:00Z",
    "12:30:05",
    "a1",
)
LEAVES = [
    *EVERY_TYPE,
    *(
        "0",
        "7",
        "1.5",
        "1e2",
        "NULL",
        "true",
        "'a'",
        "''",
        "'day'",
        "'month'",
        "'2025-02-28'",
        "'12:30'",
        "9223372036854775808",
    ),
]
TARGETS = [
    "integer",
    "decimal(18,2)",
    "decimal(38,38)",
    "float",
    "boolean",
    "date",
    "time",
    "timestamp",
    "timestamp_tz",
    "text",
]


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Calls, operators and casts, whether they fit or not."""
    calls = st.builds(
        lambda name, arguments: f"{name}({', '.join(arguments)})",
        st.sampled_from(sorted(FUNCTIONS)),
        st.lists(inner, min_size=1, max_size=3),
    )
    operators = ["+", "-", "*", "/", "//", "%", "||", "=", "<>", "<", "AND", "OR", "IS NOT DISTINCT FROM", "LIKE", "**"]
    between = st.builds(lambda a, op, b: f"({a} {op} {b})", inner, st.sampled_from(operators), inner)
    casts = st.builds(lambda a, type_: f"CAST({a} AS {type_})", inner, st.sampled_from(TARGETS))
    cases = st.builds(lambda a, b, c: f"CASE WHEN {a} THEN {b} ELSE {c} END", inner, inner, inner)
    others = st.builds(
        lambda a, form: form.format(a), inner, st.sampled_from(["NOT {}", "-{}", "{} IS NULL", "{} IN (1, 2)"])
    )
    return calls | between | casts | cases | others


@settings(max_examples=400, deadline=None)
@given(st.recursive(st.sampled_from(LEAVES), grown, max_leaves=5))
def test_whatever_passes_the_check_runs_and_has_the_type_that_was_said(expression: str) -> None:
    tables: dict[str, tuple[dict[str, str], Rows]] = {"x": (EVERY_TYPE, [EVERY_ROW, (None,) * len(EVERY_ROW)])}
    derive = {"step": "derive", "columns": [{"as": "found", "expression": expression}]}
    as_text = {"step": "cast", "columns": [{"column": "found", "type": "text"}]}
    given_steps = [derive, as_text, {"step": "select", "columns": ["found"]}]
    try:
        planned(given_steps, tables)
    except InvalidError:
        return
    try:
        run(given_steps, tables)
    except (duckdb.OutOfRangeException, duckdb.ConversionException, duckdb.InvalidInputException):
        # The values of the row, which is the only thing that the check cannot know.
        return


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [*LEAVES, *"()+-*/,.;[]{}?$:@'\"\\", "SELECT", "FROM", "CASE", "END", "::", "--", "/*", "\0", "🙂"]
        )
    )
)
def test_any_text_is_an_expression_or_refused(words: list[str]) -> None:
    with suppress(InvalidError):
        planned([{"step": "filter", "from": "sales", "expression": " ".join(words)}])


def test_nesting_does_not_multiply_the_sql() -> None:
    quotient, cast = "id", "name"
    for _ in range(10):
        quotient, cast = f"divide(1, {quotient}, 2)", f"CAST(CAST({cast} AS integer) AS text)"
    given = {"step": "derive", "columns": [{"as": "q", "expression": quotient}, {"as": "c", "expression": cast}]}
    tables: dict[str, tuple[dict[str, str], Rows]] = {"t": ({"id": "integer", "name": "text"}, [(1, "7")])}
    (step,) = preparation.compiled(planned([given], tables)).steps
    assert len(step.sql) < 50_000
    assert run([given], tables) == [(1, "7", D("1.00"), "7")]


def test_values_that_somebody_typed_are_bound() -> None:
    plan = planned(
        [
            sales("filter", filters=[{"column": "country", "operator": "in", "value": ["x'y", "\0"]}]),
            {"step": "derive", "columns": [{"as": "z", "expression": "country || 'k''k'"}]},
        ]
    )
    first, second = preparation.compiled(plan).steps
    assert (first.values, second.values) == ({"v0": "x'y", "v1": "\0"}, {"v0": "k'k"})
    assert "x'" not in first.sql
    assert "k''k" not in second.sql


def test_a_step_that_needs_too_much_sql_is_refused_at_its_place() -> None:
    tables: dict[str, tuple[dict[str, str], Rows]] = {"t": ({"x" * 200 + str(at): "text" for at in range(1_000)}, [])}
    plan = planned([{"step": "limit", "limit": 1}, {"step": "filter", "expression": "true"}], tables)
    with pytest.raises(InvalidError) as caught:
        preparation.compiled(plan)
    assert caught.value.field == "steps.0"


def test_hidden_names_stand_aside_for_columns_and_inputs_that_have_them() -> None:
    tables = {"step_0": ({"fluvial_row": "integer", "Fluvial_Row_part": "text"}, [(5, "a"), (4, "b")])}
    given = [
        {"step": "unpivot", "columns": ["fluvial_row"], "name_as": "t", "value_as": "other"},
        {"step": "sort", "sort": [{"by": "other"}]},
    ]
    assert run(given, tables) == [("b", "fluvial_row", 4), ("a", "fluvial_row", 5)]


# ---------------------------------------------------------------- the naive evaluator

COUNT, AMOUNT, WORD = 'n"; DROP TABLE result; --', "amount", "Größe '名'"
SMALL = {COUNT: "integer", AMOUNT: "decimal(18,2)", WORD: "text"}
CELLS = {
    COUNT: st.sampled_from([-(2**63), -1, 0, 1, 2, 2**53 + 1, 2**63 - 1]),
    AMOUNT: st.sampled_from(["-1.50", "0.00", "0.01", "2.25", "9999999999999999.99"]),
    WORD: st.sampled_from(["", "a", "A", "ä", "a'b", 'a"b', "日本", "🙂", "a\x00b", "'; DROP TABLE x; --"]),
}
TABLE = st.lists(st.tuples(*(st.none() | cell for cell in CELLS.values())), max_size=7)
Record = dict[str, Any]


def comparable(name: str, value: Any) -> Any:
    return D(value) if name == AMOUNT and value is not None else value


def compared(one: Any, other: Any, *, down: bool) -> int:
    """Nulls last in either order, text by code point."""
    if one is None or other is None:
        return (one is None) - (other is None)
    order = (one > other) - (one < other)
    return -order if down else order


@st.composite
def chains(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Steps over the table `t` and the table `u`, which keep the three columns but for a group at the end."""
    found: list[dict[str, Any]] = []
    names = st.sampled_from(list(SMALL))
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["filter", "sort", "dedupe", "limit", "join", "union"]))
        some = draw(st.lists(names, min_size=1, max_size=2, unique=True))
        sort = [{"by": name, "order": draw(st.sampled_from(queries.ORDERS))} for name in some]
        if kind == "filter":
            name = draw(names)
            operator = draw(st.sampled_from(["eq", "ne", "lt", "ge", "is_null", "is_not_null"]))
            test = {"column": name, "operator": operator}
            if "null" not in operator:
                test["value"] = draw(CELLS[name])
            found.append({"step": kind, "filters": [test]})
        elif kind == "sort":
            found.append({"step": kind, "sort": sort})
        elif kind == "dedupe":
            keep = draw(st.sampled_from(["first", "last"]))
            found.append({"step": kind, "columns": some, "keep": keep, "sort": sort[:1] * draw(st.booleans())})
        elif kind == "limit":
            found.append({"step": kind, "limit": draw(st.integers(0, 5)), "offset": draw(st.integers(0, 2))})
        elif kind == "join":
            on = draw(st.sampled_from(["inner", "left", "semi", "anti"]))
            columns = {} if on in ("semi", "anti") else {"columns": []}
            found.append({"step": kind, "with": "u", "on": some, "kind": on, **columns})
        else:
            found.append({"step": kind, "with": ["u"]})
    if draw(st.booleans()):
        found.append(
            {
                "step": "group",
                "group_by": [draw(names)],
                "aggregates": [
                    {"function": "count", "as": "n"},
                    {"function": "sum", "column": AMOUNT, "as": "s"},
                    {"function": "min", "column": WORD, "as": "m"},
                ],
            }
        )
    found[0]["from"] = "t"
    return found


def evaluated(step: dict[str, Any], rows: list[Record], others: list[Record]) -> list[Record]:
    return EVALUATED[step["step"]](step, rows, others)


def _filtered(step: dict[str, Any], rows: list[Record], _: list[Record]) -> list[Record]:
    (test,) = step["filters"]
    name, operator = test["column"], test["operator"]
    if "null" in operator:
        return [row for row in rows if (row[name] is None) == (operator == "is_null")]
    value = comparable(name, test["value"])
    holds: dict[str, Callable[[Any], bool]] = {
        "eq": lambda cell: cell == value,
        "ne": lambda cell: cell != value,
        "lt": lambda cell: cell < value,
        "ge": lambda cell: cell >= value,
    }
    return [row for row in rows if row[name] is not None and holds[operator](row[name])]


def _sorted(step: dict[str, Any], rows: list[Record], _: list[Record]) -> list[Record]:
    found = list(rows)
    for each in reversed(step["sort"]):
        by, down = each["by"], each["order"] == "desc"
        found.sort(key=cmp_to_key(lambda a, b, by=by, down=down: compared(a[by], b[by], down=down)))  # type: ignore[misc]
    return found


def _deduped(step: dict[str, Any], rows: list[Record], _: list[Record]) -> list[Record]:
    order = _sorted(step, rows, []) if step["sort"] else list(rows)
    kept: dict[tuple[Any, ...], Record] = {}
    for row in order if step["keep"] == "last" else reversed(order):
        kept[tuple(row[name] for name in step["columns"])] = row
    chosen = {id(row) for row in kept.values()}
    return [row for row in rows if id(row) in chosen]


def _limited(step: dict[str, Any], rows: list[Record], _: list[Record]) -> list[Record]:
    return rows[step["offset"] : step["offset"] + step["limit"]]


def _joined(step: dict[str, Any], rows: list[Record], others: list[Record]) -> list[Record]:
    found = []
    for row in rows:
        equal = [
            other for other in others if all(row[name] is not None and row[name] == other[name] for name in step["on"])
        ]
        times = {"inner": len(equal), "left": max(len(equal), 1), "semi": bool(equal), "anti": not equal}
        found += [dict(row) for _ in range(times[step["kind"]])]
    return found


def _grouped(step: dict[str, Any], rows: list[Record], _: list[Record]) -> list[Record]:
    (name,) = step["group_by"]
    groups: dict[Any, list[Record]] = {}
    for row in rows:
        groups.setdefault(row[name], []).append(row)
    found = []
    for key, each in groups.items():
        amounts = [row[AMOUNT] for row in each if row[AMOUNT] is not None]
        words = [row[WORD] for row in each if row[WORD] is not None]
        total = sum(amounts, D(0)) if amounts else None
        found.append({name: key, "n": len(each), "s": total, "m": min(words, default=None)})
    return found


EVALUATED: dict[str, Callable[[dict[str, Any], list[Record], list[Record]], list[Record]]] = {
    "filter": _filtered,
    "sort": _sorted,
    "dedupe": _deduped,
    "limit": _limited,
    "join": _joined,
    "union": lambda _, rows, others: [*rows, *map(dict, others)],
    "group": _grouped,
}


def records(rows: Rows) -> list[Record]:
    return [{name: comparable(name, cell) for name, cell in zip(SMALL, row, strict=True)} for row in rows]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TABLE, TABLE, chains())
def test_a_chain_of_steps_makes_what_python_makes(one: Rows, other: Rows, given: list[dict[str, Any]]) -> None:
    expected = records(one)
    for step in given:
        expected = evaluated(step, expected, records(other))
    found = run(given, {"t": (SMALL, one), "u": (SMALL, other)})
    assert found == [tuple(row.values()) for row in expected]


# ---------------------------------------------------------------- in the sandbox


def parts(folder: Path) -> dict[str, sandbox.Input]:
    """TABLES as Parquet parts of two rows."""
    found = {}
    with connection(TABLES) as sql:
        for name, (types, rows) in TABLES.items():
            files = []
            for first in range(0, len(rows), 2):
                files.append(folder / f"{name}-{first}.parquet")
                wanted = f"SELECT * FROM {identifier(name)} WHERE rowid BETWEEN {first} AND {first + 1}"
                sql.execute(f"COPY ({wanted}) TO '{files[-1]}' (FORMAT parquet)")
            found[name] = sandbox.Input(files, columns(types))
    return found


def executed(given: Sequence[dict[str, Any]], folder: Path) -> tuple[list[preparation.StepReport], Rows, Any]:
    plan = planned(given)
    compiled = preparation.compiled(plan)
    temp, out = folder / "temp", folder / "out"
    temp.mkdir()
    out.mkdir()
    inputs = {name: each for name, each in parts(folder).items() if name in plan.used}
    done = sandbox.run(inputs, compiled.steps, temp=temp, out=out)
    reported = preparation.reports(compiled, done.steps, {"sales": 5, "stores": 4})
    files = [str(out / part.file) for part in done.parts]
    with duckdb.connect() as sql:
        rows = sql.execute("SELECT * FROM read_parquet($files)", {"files": files}).fetchall() if files else []
    return reported, rows, preparation.result_columns(plan, done.columns)


@pytest.mark.parametrize("case", CASES)
def test_the_sandbox_makes_the_same_rows(case: str, tmp_path: Path) -> None:
    given, wanted = CASES[case]
    reported, rows, _ = executed(given, tmp_path)
    assert plain(rows) == wanted
    assert [each.kind for each in reported] == [each["step"] for each in given]
    assert reported[-1].rows_out == len(wanted)


def test_every_step_reports_rows_in_and_out_a_sample_and_the_cells_that_failed(tmp_path: Path) -> None:
    given = [
        sales("select", columns=["id", NASTY], **{"as": "texts"}),
        {"step": "cast", "columns": [{"column": NASTY, "type": "integer", "on_error": "reject"}]},
        {"step": "join", "with": "stores", "on": ["id"], "kind": "left"},
    ]
    reported, rows, made = executed(given, tmp_path)
    assert [(each.name, each.rows_in, each.rows_out, each.failed) for each in reported] == [
        ("texts", {"sales": 5}, 5, 0),
        ("step 2", {"texts": 5}, 3, 2),
        ("step 3", {"step 2": 3, "stores": 4}, 3, 0),
    ]
    assert reported[0].sample[0] == {"id": 1, NASTY: "x-y-z"}
    assert reported[1].failed_sample == [
        {"column": NASTY, "row": 1, "value": "x-y-z"},
        {"column": NASTY, "row": 4, "value": "'; DROP TABLE x; --"},
    ]
    assert rows == [(2, 12, None), (3, None, None), (4, None, None)]
    assert [(each.name, each.type, each.nulls) for each in made] == [
        ("id", "integer", 0),
        (NASTY, "integer", 2),
        ("city", "text", 3),
    ]


def test_a_result_keeps_the_spelling_of_its_columns(tmp_path: Path) -> None:
    given = [sales("select", columns=[{"column": "day", "as": "sold"}])]
    _, _, made = executed(given, tmp_path)
    assert [(each.name, each.type, each.format) for each in made] == [("sold", "date", "%d/%m/%Y")]


def test_a_cast_that_fails_ends_the_run_at_its_step(tmp_path: Path) -> None:
    with pytest.raises(sandbox.SqlFailedError) as caught:
        executed(
            [sales("limit", limit=5), {"step": "cast", "columns": [{"column": "price", "type": "integer"}]}], tmp_path
        )
    assert caught.value.step == "step_1"
    assert "'1.50' in column 'price' cannot be cast to integer" in str(caught.value)
    assert [each.name for each in caught.value.done] == ["step_0"]


def test_the_columns_of_a_select_are_known_without_a_row(tmp_path: Path) -> None:
    recipe = steps.parse({"select": "SELECT country, sum(price) AS revenue, count(*) n FROM sales GROUP BY ALL"})
    inputs = {name: columns(types) for name, (types, _) in TABLES.items()}
    found = preparation.select_columns(recipe, inputs, temp=tmp_path)
    assert [(each.name, each.type) for each in found] == [
        ("country", "text"),
        ("revenue", "decimal(38,2)"),
        ("n", "integer"),
    ]


@pytest.mark.parametrize("select", ["SELECT prize FROM sales", "SELECT * FROM shops", "DROP TABLE sales", "SELEKT 1"])
def test_a_select_that_cannot_run_is_refused_when_it_is_checked(select: str, tmp_path: Path) -> None:
    inputs = {name: columns(types) for name, (types, _) in TABLES.items()}
    with pytest.raises(InvalidError) as caught:
        preparation.select_columns(steps.parse({"select": select}), inputs, temp=tmp_path)
    assert caught.value.field == "select"


def test_rounding_in_decimal_is_half_away_from_zero() -> None:
    for text in ("0.005", "-0.005", "2.345", "-2.345", "1.0049"):
        wanted = D(text).quantize(D("0.01"), ROUND_HALF_UP)
        assert derived("round(x, 2)", {"x": "decimal(18,4)"}, (text,)) == wanted
