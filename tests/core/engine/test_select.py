"""Rows by filter and sort, against plain Python over the same rows; and parts that are left out, never a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvial import queries, selections
from fluvial.engine.limits import Limits
from fluvial.engine.load import ColumnStats, connect, identifier, write_part
from fluvial.engine.manifest import Column, Part
from fluvial.engine.prune import pruned
from fluvial.engine.rows import read_page
from fluvial.engine.select import TooSlowError, select

COLUMNS = [
    Column("i", "integer", ""),
    Column("f", "float", ""),
    Column("d", "decimal(18,2)", ""),
    Column("t, 'x'", "text", ""),
    Column("day", "date", "", "%Y-%m-%d"),
    Column("at", "timestamp", "", "%Y-%m-%dT%H:%M:%S"),
    Column("b", "boolean", "", "true/false"),
]
SQL = ("BIGINT", "DOUBLE", "DECIMAL(18,2)", "VARCHAR", "DATE", "TIMESTAMP", "BOOLEAN")
WORDS = ("", "a", "ab", "b", "Ä", "zz", "a\x00b", "\U0001f600")
ROW = st.tuples(
    st.none() | st.integers(-3, 3) | st.sampled_from([2**63 - 1, -(2**63)]),
    st.none() | st.sampled_from([0.0, -0.0, 1.5, -2.25, 1e300, math.inf, -math.inf, math.nan]),
    st.none() | st.integers(-300, 300).map(lambda n: Decimal(n) / 100),
    st.none() | st.sampled_from(WORDS),
    st.none() | st.integers(0, 4).map(lambda n: date(2025, 1, 1) + timedelta(n)),
    st.none() | st.integers(0, 4).map(lambda n: datetime(2025, 1, 1) + timedelta(hours=7 * n)),
    st.none() | st.booleans(),
)
VALUES: dict[str, Any] = {
    "i": st.integers(-4, 4),
    "f": st.sampled_from([0, 1.5, -2.25, "NaN", "Infinity", "-Infinity"]),
    "d": st.integers(-300, 300).map(lambda n: str(Decimal(n) / 100)),
    "t, 'x'": st.sampled_from([word for word in WORDS if "\x00" not in word]),
    "day": st.integers(0, 4).map(lambda n: (date(2025, 1, 1) + timedelta(n)).isoformat()),
    "at": st.integers(0, 4).map(lambda n: (datetime(2025, 1, 1) + timedelta(hours=7 * n)).isoformat()),
    "b": st.booleans(),
}


@st.composite
def filters(draw: Any) -> dict[str, Any]:
    column = draw(st.sampled_from([column.name for column in COLUMNS]))
    operators = [
        each
        for each in queries.OPERATORS
        if (each not in queries.OF_TEXT or column.startswith("t")) and (each not in queries.ORDERING or column != "b")
    ]
    operator = draw(st.sampled_from(operators))
    if operator in queries.WITHOUT_VALUE:
        return {"column": column, "operator": operator}
    values = VALUES[column]
    if operator in queries.WITH_VALUES:
        return {"column": column, "operator": operator, "value": draw(st.lists(values, min_size=1, max_size=3))}
    return {"column": column, "operator": operator, "value": draw(values)}


SORTS = st.lists(st.sampled_from([column.name for column in COLUMNS]), max_size=2, unique=True)


def written(folder: Path, parts: Sequence[Sequence[tuple[Any, ...]]]) -> list[Part]:
    """The rows as the loader writes them, with the bounds that it takes down."""
    connection = connect(folder, [folder], 200, 1)
    made, first = [], 0
    types = ", ".join(f"{identifier(column.name)} {sql}" for column, sql in zip(COLUMNS, SQL, strict=True))
    for number, rows in enumerate(parts):
        connection.execute(f"CREATE OR REPLACE TABLE t ({types})")
        if rows:
            connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(COLUMNS))})", rows)
        path = folder / f"{number}.parquet"
        count, size, statistics = write_part(connection, "SELECT * FROM t", path, Limits())
        bounds = {}
        for column in COLUMNS:
            if column.name in statistics and (found := ColumnStats().add(statistics[column.name], count)):
                bounds[column.name] = list(found)
        made.append(Part(path.name, count, size, first, bounds))
        first += count
    connection.close()
    return made


def rank(value: Any) -> Any:
    """As the engine orders: NaN is above all numbers, and equal to itself; text by code point."""
    if isinstance(value, float):
        return (1, 0.0) if math.isnan(value) else (0, value)
    return value.encode() if isinstance(value, str) else value


def read(value: object, column: str) -> Any:
    if column == "f":
        return rank(float(value))  # type: ignore[arg-type]
    if column == "d":
        return Decimal(str(value))
    if column == "day":
        return date.fromisoformat(str(value))
    return datetime.fromisoformat(str(value)) if column == "at" else rank(value)


def holds(each: dict[str, Any], row: dict[str, Any]) -> bool:
    cell, operator, column = row[each["column"]], each["operator"], each["column"]
    if operator in queries.WITHOUT_VALUE:
        return (cell is None) == (operator == "is_null")
    if cell is None:
        return False
    own = rank(cell)
    if operator in queries.WITH_VALUES:
        return (own in [read(value, column) for value in each["value"]]) == (operator == "in")
    value = read(each["value"], column)
    compared = {
        "eq": lambda: own == value,
        "ne": lambda: own != value,
        "lt": lambda: own < value,
        "le": lambda: own <= value,
        "gt": lambda: own > value,
        "ge": lambda: own >= value,
        "contains": lambda: value in own,
        "starts_with": lambda: own.startswith(value),
    }
    return bool(compared[operator]())


def expected(rows: list[dict[str, Any]], asked: list[dict[str, Any]], sort: list[tuple[str, bool]]) -> list[int]:
    """The positions of the rows, in order."""
    found = [at for at, row in enumerate(rows) if all(holds(each, row) for each in asked)]
    for column, descending in reversed(sort):
        filled = [at for at in found if rows[at][column] is not None]
        # `reverse` keeps equal ones in order, too.
        filled.sort(key=lambda at, column=column: rank(rows[at][column]), reverse=descending)  # type: ignore[misc]
        found = filled + [at for at in found if rows[at][column] is None]
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(st.lists(ROW, max_size=6), min_size=1, max_size=4),
    asked=st.lists(filters(), max_size=2),
    sort=SORTS.flatmap(lambda names: st.tuples(*(st.tuples(st.just(name), st.booleans()) for name in names))),
    page=st.tuples(st.integers(0, 5), st.integers(1, 5)),
)
def test_a_page_is_what_plain_python_finds_and_pruning_loses_no_row(
    tmp_path_factory: pytest.TempPathFactory,
    parts: list[list[tuple[Any, ...]]],
    asked: list[dict[str, Any]],
    sort: tuple[tuple[str, bool], ...],
    page: tuple[int, int],
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    names = [column.name for column in COLUMNS]
    rows = [dict(zip(names, row, strict=True)) for part in parts for row in part]
    selection = selections.parse(
        {
            "filter": asked,
            "sort": [{"column": column, "order": "desc" if down else "asc"} for column, down in sort],
        }
    )
    made = written(folder, parts)
    kept = pruned(made, COLUMNS, selection.filters)
    wanted = expected(rows, asked, list(sort))
    lost = [part for part in made if part not in kept]
    assert not [at for part in lost for at in wanted if part.first_row <= at < part.first_row + part.rows]

    offset, limit = page
    files = [(folder / part.file, part.first_row) for part in kept]
    found, total = select(files, COLUMNS, COLUMNS[:1], selection, offset=offset, limit=limit, timeout_seconds=60)
    assert total == len(wanted)
    assert found == [{"i": rows[at]["i"]} for at in wanted[offset : offset + limit]]


BOUNDS = Part("p", 3, 1, 0, {"i": ["5", "9"], "day": ["2025-01-02", "2025-01-03"], "b": ["true", "true"]})


@pytest.mark.parametrize(
    ("column", "operator", "value", "stays"),
    [
        ("i", "eq", 4, False),
        ("i", "eq", 5, True),
        ("i", "gt", 9, False),
        ("i", "ge", 9, True),
        ("i", "lt", 5, False),
        ("i", "in", [1, 10], False),
        ("i", "in", [1, 7], True),
        ("i", "ne", 5, True),
        ("i", "is_null", None, True),
        ("day", "gt", "2025-01-03", False),
        ("b", "eq", False, False),
        ("b", "ne", True, False),
        ("f", "eq", 1, True),
    ],
)
def test_a_part_is_left_out_where_its_bounds_exclude_the_filter(
    column: str, operator: str, value: object, stays: bool
) -> None:
    assert bool(pruned([BOUNDS], COLUMNS, [queries.Filter(column, operator, value)])) == stays


def test_bounds_beyond_microseconds_or_years_leave_nothing_out() -> None:
    for low in ("2025-01-01 00:00:00.123456789", "0044-03-15 (BC) 00:00:00", "-infinity"):
        part = Part("p", 1, 1, 0, {"at": [low, low]})
        assert pruned([part], COLUMNS, [queries.Filter("at", "eq", "2030-01-01")]) == [part]


def test_columns_that_are_called_as_the_engines_own_are_no_trouble(tmp_path: Path) -> None:
    columns = [Column("file_row_number", "integer", ""), Column("at", "integer", "")]
    files = []
    for number in range(2):
        path = tmp_path / f"{number}.parquet"
        duckdb.connect().execute(f"COPY (SELECT -range AS file_row_number, range AS at FROM range(3)) TO '{path}'")
        files.append((path, 3 * number))
    selection = selections.of_text(None, '[{"column": "at", "operator": "ge", "value": 1}]', "-at")
    found, total = select(files, columns, columns, selection, offset=1, limit=2, timeout_seconds=60)
    assert total == 4
    assert found == [{"file_row_number": -2, "at": 2}, {"file_row_number": -1, "at": 1}]


def test_a_filter_is_stopped_when_its_time_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fluvial.engine import conditions

    monkeypatch.setattr(conditions, "INTERRUPTED_EVERY_SECONDS", 0.001)
    path = tmp_path / "part.parquet"
    duckdb.connect().execute(f"COPY (SELECT range AS a, hash(range)::VARCHAR AS b FROM range(2000000)) TO '{path}'")
    columns = [Column("a", "integer", ""), Column("b", "text", "")]
    selection = selections.of_text(None, None, "b,-a")
    with pytest.raises(TooSlowError):
        select([(path, 0)], columns, columns, selection, offset=0, limit=9, timeout_seconds=0)


def test_a_page_of_some_columns_is_right_where_another_hides_the_engines_own(tmp_path: Path) -> None:
    path = tmp_path / "0.parquet"
    duckdb.connect().execute(f"COPY (SELECT 9 - range AS file_row_number, range AS a FROM range(10)) TO '{path}'")
    columns = [Column("a", "integer", "")]
    assert read_page([(path, 2, 2)], columns, names=["file_row_number", "a"]) == [{"a": 2}, {"a": 3}]
