"""A query over Parquet parts answers what plain Python answers over the same rows."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvial import queries
from fluvial.engine import analysis, conditions, load
from fluvial.engine.analysis import AnalysisFailedError, run
from fluvial.engine.load import identifier
from fluvial.engine.manifest import Column
from fluvial.query_values import bound

WIDE_CONTEXT = Context(prec=60)
NASTY = 'n"; DROP TABLE result; --'
COLUMNS = [
    Column(NASTY, "integer", ""),
    Column("amount", "decimal(18,2)", ""),
    Column("wide", "decimal(38,0)", ""),
    Column("ratio", "float", ""),
    Column("on", "boolean", "", "true/false"),
    Column("day", "date", "", "%d/%m/%Y"),
    Column("at", "timestamp", "", "%Y-%m-%dT%H:%M:%S.%3f"),
    Column("zoned", "timestamp_tz", "", "%Y-%m-%dT%H:%M:%S+02:00"),
    Column("clock", "time", "", "%H:%M"),
    Column("Größe '名'", "text", ""),
]
TYPES = {column.name: column.type for column in COLUMNS}
SQL = [
    "BIGINT",
    "DECIMAL(18,2)",
    "DECIMAL(38,0)",
    "DOUBLE",
    "BOOLEAN",
    "DATE",
    "TIMESTAMP",
    "TIMESTAMPTZ",
    "TIME",
    "VARCHAR",
]

INTEGERS = st.sampled_from([-(2**63), -1, 0, 1, 2, 2**53, 2**53 + 1, 2**63 - 1])
AMOUNTS = st.sampled_from(["-1.50", "0.00", "0.01", "2.25", "2.26", "9999999999999999.99"])
WIDE = st.sampled_from(["-7", "0", "12345678901234567890", "12345678901234567890123456789012345"])
RATIOS = st.sampled_from([-1.5, -0.0, 0.0, 0.1, 0.2, 1e300, math.inf, math.nan])
DAYS = st.sampled_from(["0001-01-01", "2024-02-29", "2025-01-01", "2025-12-31", "9999-12-31"])
MOMENTS = st.sampled_from(["2024-12-31T22:30:00.000", "2025-01-01T00:00:00.250", "2025-03-30T12:00:00.999"])
ZONED = st.sampled_from(["2024-12-31T22:30:00Z", "2025-01-01T00:00:00Z"])
CLOCKS = st.sampled_from(["00:00", "12:30", "23:59"])
TEXTS = st.sampled_from(
    ["", "a", "A", "ä", "a'b", 'a"b', "%", "_", "\\", "日本", "🙂", "a\x00b", "null", "'; DROP TABLE x; --"]
)
CELLS = [INTEGERS, AMOUNTS, WIDE, RATIOS, st.booleans(), DAYS, MOMENTS, ZONED, CLOCKS, TEXTS]

ROWS = st.lists(st.tuples(*(st.none() | cell for cell in CELLS)), min_size=0, max_size=12)


@st.composite
def asked(draw: st.DrawFn) -> dict[str, Any]:
    """A query that fits COLUMNS."""
    filters = []
    for at in draw(st.lists(st.integers(0, len(COLUMNS) - 1), max_size=2)):
        type_ = COLUMNS[at].type
        allowed = [each for each in queries.OPERATORS if type_ == "text" or each not in queries.OF_TEXT]
        if type_ == "boolean":
            allowed = [each for each in allowed if each not in queries.ORDERING]
        operator = draw(st.sampled_from(allowed))
        one = {"column": COLUMNS[at].name, "operator": operator}
        value = CELLS[at].map(_as_json)
        if operator in queries.WITH_VALUES:
            one["value"] = draw(st.lists(value, min_size=1, max_size=3))
        elif operator not in queries.WITHOUT_VALUE:
            one["value"] = draw(value)
        filters.append(one)
    groups: list[dict[str, Any]] = []
    for number, at in enumerate(draw(st.lists(st.integers(0, len(COLUMNS) - 1), max_size=2))):
        bucket = draw(st.none() | st.sampled_from(queries.BUCKETS)) if COLUMNS[at].type in queries.BUCKETED else None
        groups.append({"column": COLUMNS[at].name, "bucket": bucket, "as": f'g"{number}'})
    aggregates = []
    for number, at in enumerate(draw(st.lists(st.integers(0, len(COLUMNS) - 1), min_size=not groups, max_size=3))):
        numeric = COLUMNS[at].type in ("integer", "float") or COLUMNS[at].type.startswith("decimal")
        functions = [each for each in queries.FUNCTIONS if numeric or each not in queries.OF_NUMBERS]
        column = COLUMNS[at].name
        aggregates.append({"function": draw(st.sampled_from(functions)), "column": column, "as": f"a'{number}"})
    names = [each["as"] for each in (*groups, *aggregates)]
    sort = [
        {"by": name, "order": draw(st.sampled_from(queries.ORDERS))}
        for name in draw(st.lists(st.sampled_from(names), unique=True, max_size=2))
    ]
    limit = draw(st.none() | st.integers(1, 4))
    return {"filters": filters, "group_by": groups, "aggregates": aggregates, "sort": sort, "limit": limit}


def _as_json(value: Any) -> Any:
    """A cell as a filter's value."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity"
    return value


# ---------------------------------------------------------------- the naive evaluator


def comparable(value: Any, type_: str) -> Any:
    """A cell as Python orders it; NaN is equal to itself and above all, as DuckDB has it."""
    if value is None:
        return None
    if type_.startswith("decimal"):
        return Fraction(value)
    if type_ == "float":
        return (1, 0.0) if math.isnan(value) else (0, value + 0.0)
    if type_ in ("timestamp", "timestamp_tz"):
        return value.rstrip("Z").replace(" ", "T")
    return value


def holds(each: queries.Filter, cell: Any) -> bool:
    type_ = TYPES[each.column]
    if each.operator in queries.WITHOUT_VALUE:
        return (cell is None) == (each.operator == "is_null")
    if cell is None:
        return False
    values = [comparable(value, type_) for value in queries.filter_values(each, type_)]
    own = comparable(cell, type_)
    (first, *_) = values
    return {
        "eq": lambda: own == first,
        "ne": lambda: own != first,
        "lt": lambda: own < first,
        "le": lambda: own <= first,
        "gt": lambda: own > first,
        "ge": lambda: own >= first,
        "in": lambda: own in values,
        "not_in": lambda: own not in values,
        "contains": lambda: first in own,
        "starts_with": lambda: own.startswith(first),
    }[each.operator]()


def bucketed(cell: Any, type_: str, bucket: str) -> str | None:
    if cell is None:
        return None
    day = date.fromisoformat(cell[:10])
    if type_ == "timestamp_tz" and int(cell[11:13]) >= 22:
        day += timedelta(days=1)  # +02:00 is the column's clock
    if bucket == "week":
        return (day - timedelta(days=day.weekday())).isoformat()
    month = {"day": day.month, "month": day.month, "quarter": (day.month - 1) // 3 * 3 + 1, "year": 1}[bucket]
    return day.replace(month=month, day=day.day if bucket == "day" else 1).isoformat()


def aggregated(function: str, cells: list[Any], type_: str) -> Any:
    """The value before it is written; None where nothing is left."""
    filled = [cell for cell in cells if cell is not None]
    if function == "count":
        return len(filled)
    if function == "count_distinct":
        return len({comparable(cell, type_) for cell in filled})
    if not filled:
        return None
    if function in ("min", "max"):
        pick = min if function == "min" else max
        return pick(filled, key=lambda cell: comparable(cell, type_))
    if type_ == "float":
        numbers = sorted(filled, key=lambda cell: comparable(cell, type_))
        if function == "sum":
            return sum(numbers)
        if function == "avg":
            return sum(numbers) / len(numbers)
        low, high = statistics.median_low(range(len(numbers))), statistics.median_high(range(len(numbers)))
        alike = comparable(numbers[low], type_) == comparable(numbers[high], type_)
        return numbers[low] if alike else numbers[low] * 0.5 + numbers[high] * 0.5
    exact = [Fraction(cell) for cell in filled]
    return {
        "sum": lambda: sum(exact),
        "avg": lambda: float(sum(exact) / len(exact)),
        "median": lambda: statistics.median(exact),
    }[function]()


def spelled(value: Any, type_: str, column: Column) -> Any:
    """A value as the result writes it."""
    if value is None:
        return None
    if type_ == "integer":
        return int(value)
    if type_ == "float":
        value = float(value)
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if type_.startswith("decimal"):
        digits = int(type_[:-1].split(",")[1])
        scaled = Fraction(value) * 10**digits
        assert scaled.denominator == 1
        return f"{Decimal(scaled.numerator).scaleb(-digits, context=WIDE_CONTEXT):f}"
    if type_ == "date":
        return f"{value[8:10]}/{value[5:7]}/{value[:4]}" if column.type == "date" else value
    if type_ == "timestamp_tz":
        day, hour = date.fromisoformat(value[:10]), int(value[11:13]) + 2
        return f"{day + timedelta(days=hour // 24)}T{hour % 24:02}{value[13:19]}+02:00"
    return value


def naive(query: queries.Query, rows: list[tuple[Any, ...]]) -> tuple[list[dict[str, Any]], int]:
    """The rows of the result and the number of groups."""
    by_name = {column.name: column for column in COLUMNS}
    at = {column.name: index for index, column in enumerate(COLUMNS)}
    kept = [row for row in rows if all(holds(each, row[at[each.column]]) for each in query.filters)]
    groups: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {} if query.groups else {(): kept}
    for row in kept if query.groups else ():
        key = tuple(
            comparable(row[at[each.column]], TYPES[each.column])
            if each.bucket is None
            else bucketed(row[at[each.column]], TYPES[each.column], each.bucket)
            for each in query.groups
        )
        groups.setdefault(key, []).append(row)
    types = queries.result_types(query, TYPES)
    found = []
    for key, members in groups.items():
        values: dict[str, tuple[Any, Any]] = {}  # written, and to sort by
        for each, part in zip(query.groups, key, strict=True):
            column = by_name[each.column]
            if each.bucket is not None:
                values[each.name] = (part, part)
            else:
                cell = members[0][at[each.column]]
                cell = cell + 0.0 if isinstance(cell, float) else cell
                values[each.name] = (spelled(cell, column.type, column), part)
        for one in query.aggregates:
            column = by_name[str(one.column)]
            value = aggregated(one.function, [row[at[column.name]] for row in members], column.type)
            value = value + 0.0 if isinstance(value, float) else value
            type_ = types[one.name]
            values[one.name] = (spelled(value, type_, column), comparable(value, type_))
        found.append(values)
    order = [(each.by, each.descending) for each in query.sort]
    order += [(each.name, False) for each in query.groups if each.name not in dict(order)]
    for name, descending in reversed(order):
        filled = [row for row in found if row[name][1] is not None]
        filled.sort(key=lambda row: row[name][1], reverse=descending)
        found = filled + [row for row in found if row[name][1] is None]
    total = len(found)
    return [{name: written for name, (written, _) in row.items()} for row in found][: query.limit], total


# ---------------------------------------------------------------- the comparison


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Any]:
    """Writes rows as Parquet parts of at most five rows; a new folder each time."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    count = iter(range(10_000))

    def write(rows: list[tuple[Any, ...]]) -> list[Path]:
        folder = tmp_path / str(next(count))
        folder.mkdir()
        files = []
        described = ", ".join(f"{identifier(c.name)} {sql}" for c, sql in zip(COLUMNS, SQL, strict=True))
        for first in range(0, max(len(rows), 1), 5):
            connection.execute(f"CREATE OR REPLACE TABLE t ({described})")
            for row in rows[first : first + 5]:
                connection.execute(f"INSERT INTO t VALUES ({', '.join('?' * len(row))})", list(row))
            files.append(folder / f"part-{first:05d}.parquet")
            connection.execute(f"COPY t TO '{files[-1]}' (FORMAT parquet)")
        return files

    yield write
    connection.close()


def answer(
    files: list[Path], query: queries.Query, columns: list[Column] = COLUMNS, **given: Any
) -> tuple[list[dict[str, Any]], analysis.Outcome]:
    out = files[0].parent / "out"
    out.mkdir()
    outcome = run(
        query, columns, files, out, **{"part_rows": 3, "timeout_seconds": 60, "memory_limit_mb": 200, **given}
    )
    lines = [line for part in outcome.parts for line in part.read_bytes().splitlines()]
    assert len(lines) == outcome.rows
    assert len(outcome.parts) == -(-outcome.rows // 3)
    return [json.loads(line) for line in lines], outcome


def close(found: Any, wanted: Any) -> bool:
    if isinstance(found, float) and isinstance(wanted, float):
        return math.isclose(found, wanted, rel_tol=1e-12, abs_tol=1e-300)
    return bool(found == wanted) and type(found) is type(wanted)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, wish=asked())
def test_every_query_answers_what_plain_python_does(
    parts: Any, rows: list[tuple[Any, ...]], wish: dict[str, Any]
) -> None:
    query = queries.parse(wish)
    queries.check(query, TYPES)
    wanted, total = naive(query, rows)
    found, outcome = answer(parts(rows), query)
    assert outcome.groups_total == total
    assert outcome.columns == queries.result_types(query, TYPES)
    assert [list(row) for row in found] == [list(row) for row in wanted]
    for mine, theirs in zip(found, wanted, strict=True):
        for name in mine:
            assert close(mine[name], theirs[name]), (name, mine, theirs)


ONE = (2**53 + 1, "2.25", "12345678901234567890", 0.5, True, "2025-03-30", "2025-03-30T12:00:00.250",
       "2024-12-31T22:30:00Z", "12:30", "O'Neill")  # fmt: skip
EMPTY = (None,) * len(COLUMNS)


@pytest.mark.parametrize(
    "value", ["' OR 1=1 --", '" OR ""="', "'; DROP TABLE result; --", "$v0", "$1", "%", "\\'", "O'Neill'"]
)
@pytest.mark.parametrize("operator", ["eq", "in", "contains", "starts_with"])
def test_a_value_is_never_a_part_of_the_sql(parts: Any, operator: str, value: str) -> None:
    def counting(text: str) -> queries.Query:
        one = {"column": "Größe '名'", "operator": operator, "value": [text] if operator == "in" else text}
        return queries.parse({"filters": [one], "aggregates": [{"function": "count", "as": "n"}]})

    query = counting(value)
    sql = analysis.compiled_query(query, COLUMNS)
    assert (sql.select, sql.values) == (analysis.compiled_query(counting("x"), COLUMNS).select, {"v0": value})
    found, _ = answer(parts([ONE, EMPTY]), query)
    assert found == [{"n": 0}]


def test_a_name_is_a_quoted_identifier_or_no_part_of_the_sql_at_all(parts: Any) -> None:
    output = 'x", (SELECT 1) AS "y'
    query = queries.parse({"group_by": [{"column": NASTY, "as": output}], "sort": [{"by": output}]})
    compiled = analysis.compiled_query(query, COLUMNS)
    assert compiled == analysis.Compiled(
        'SELECT "n""; DROP TABLE result; --" AS o0 FROM read_parquet($files) GROUP BY 1',
        " ORDER BY o0 ASC NULLS LAST",
        "o0",
        {},
    )
    found, _ = answer(parts([ONE, EMPTY]), query)
    assert found == [{output: 2**53 + 1}, {output: None}]


def test_values_are_bound_in_their_columns_type() -> None:
    wish = [
        {"column": "amount", "operator": "ge", "value": "1.5"},
        {"column": "day", "operator": "in", "value": ["2025-01-01", "2025-01-02"]},
        {"column": "on", "operator": "is_not_null"},
    ]
    query = queries.parse({"filters": wish, "aggregates": [{"function": "count", "as": "n"}]})
    assert analysis.compiled_query(query, COLUMNS) == analysis.Compiled(
        'SELECT count(*) AS o0 FROM read_parquet($files) WHERE "amount" >= CAST($v0 AS DECIMAL(38, 2)) '
        'AND "day" IN (CAST($v1 AS DATE), CAST($v2 AS DATE)) AND "on" IS NOT NULL',
        "",
        "o0",
        {"v0": "1.5", "v1": "2025-01-01", "v2": "2025-01-02"},
    )


def test_sums_beyond_64_bits_are_exact(parts: Any) -> None:
    rows = [(2**63 - 1, *ONE[1:])] * 3
    query = queries.parse({"aggregates": [{"function": "sum", "column": NASTY, "as": "n"}]})
    assert answer(parts(rows), query)[0] == [{"n": 3 * (2**63 - 1)}]


@pytest.mark.parametrize("other", ["9" * 38, "2" + "0" * 37])
def test_a_sum_that_does_not_fit_fails_and_never_wraps(parts: Any, other: str) -> None:
    rows = [(*ONE[:2], wide, *ONE[3:]) for wide in ("9" * 38, other)]
    query = queries.parse({"aggregates": [{"function": "sum", "column": "wide", "as": "n"}]})
    with pytest.raises(AnalysisFailedError) as failed:
        answer(parts(rows), query)
    assert str(failed.value) == "A number of the result would need more than 38 digits to be exact."


def test_the_median_of_two_is_the_exact_middle(parts: Any) -> None:
    rows = [(2**53, "2.25", *ONE[2:]), (2**53 + 1, "2.26", *ONE[2:])]
    wish = [{"function": "median", "column": column, "as": column} for column in (NASTY, "amount", "ratio")]
    found, outcome = answer(parts(rows), queries.parse({"aggregates": wish}))
    assert found == [{NASTY: "9007199254740992.5", "amount": "2.255", "ratio": 0.5}]
    assert outcome.columns == {NASTY: "decimal(38,1)", "amount": "decimal(38,3)", "ratio": "float"}


def test_no_rows_give_no_groups_but_one_total(parts: Any) -> None:
    functions = [{"function": each, "column": NASTY, "as": each} for each in queries.FUNCTIONS]
    nothing = {each: 0 if each.startswith("count") else None for each in queries.FUNCTIONS}
    assert answer(parts([]), queries.parse({"aggregates": functions}))[0] == [nothing]
    found, outcome = answer(parts([]), queries.parse({"aggregates": functions, "group_by": ["day"]}))
    assert (found, outcome.rows, outcome.groups_total, outcome.parts) == ([], 0, 0, [])


def test_more_rows_than_are_kept_fail_with_their_number(parts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MAX_ROWS", 2)
    rows = [(number, *ONE[1:]) for number in range(3)]
    query = queries.parse({"group_by": [NASTY]})
    with pytest.raises(AnalysisFailedError) as failed:
        answer(parts(rows), query)
    assert str(failed.value) == (
        "The result would have 3 rows; at most 2 are kept: filter, group more coarsely, or set a limit."
    )
    found, outcome = answer(parts(rows), replace(query, limit=2))
    assert (len(found), outcome.groups_total) == (2, 3)


def test_a_part_that_is_too_large_for_a_page_fails_with_its_size(parts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "PART_BYTES", 10)
    with pytest.raises(AnalysisFailedError, match="3 rows of the result take more than 10 bytes"):
        answer(parts([ONE]), queries.parse({"group_by": [{"column": "Größe '名'", "as": "text_of"}]}))


def test_a_query_is_stopped_when_its_time_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "INTERRUPTED_EVERY_SECONDS", 0.001)
    path = tmp_path / "part.parquet"
    duckdb.connect().execute(f"COPY (SELECT range AS a, hash(range)::VARCHAR AS b FROM range(3000000)) TO '{path}'")
    query = queries.parse({"group_by": ["b", "a"], "aggregates": [{"function": "median", "column": "a", "as": "m"}]})
    with pytest.raises(AnalysisFailedError) as failed:
        answer([path], query, [Column("a", "integer", ""), Column("b", "text", "")], timeout_seconds=0)
    assert str(failed.value) == analysis.TOO_SLOW


def test_a_query_that_needs_too_much_memory_fails_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    duckdb.connect().execute(f"COPY (SELECT range AS a FROM range(3000000)) TO '{path}'")
    query = queries.parse({"aggregates": [{"function": "median", "column": "a", "as": "m"}]})
    with pytest.raises(AnalysisFailedError, match="needs more than 8 MB of memory"):
        answer([path], query, [Column("a", "integer", "")], memory_limit_mb=8)


def test_the_database_of_a_query_reaches_nothing_else(parts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[duckdb.DuckDBPyConnection] = []
    tried: list[str] = []

    def connected(*given: Any) -> duckdb.DuckDBPyConnection:
        opened.append(load.connect(*given))
        return opened[0]

    def parts_of(*_: Any) -> Iterator[Path]:
        for sql in (
            "SELECT * FROM read_csv('/etc/passwd')",
            "ATTACH '/tmp/other.db'",
            "INSTALL httpfs",
            "SET memory_limit = '9GB'",
        ):
            with pytest.raises(duckdb.Error):
                opened[0].execute(sql)
            tried.append(sql)
        return iter(())

    monkeypatch.setattr(analysis, "connect", connected)
    monkeypatch.setattr(analysis, "_parts", parts_of)
    files = parts([ONE])
    run(queries.parse({"group_by": ["day"]}), COLUMNS, files, files[0].parent, part_rows=3, timeout_seconds=60)
    assert len(tried) == 4


def test_every_value_of_a_page_can_be_filtered_by(parts: Any) -> None:
    for column, cell in zip(COLUMNS, ONE, strict=True):
        value = bound("value", cell, column.type)
        wish = {"filters": [{"column": column.name, "operator": "eq", "value": value}], "group_by": [column.name]}
        found, _ = answer(parts([ONE, EMPTY]), queries.parse(wish))
        assert len(found) == 1, column.name
