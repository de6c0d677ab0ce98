"""The data of a chart from Parquet parts: exact, in one scan, and in a second one where the rest is asked for.

The rest ("other") is computed from its own rows, never from the numbers of its groups, as an average or a median cannot
be. Only the columns that are asked for are read, and values are bound: what somebody typed is never a part of the SQL.
"""

# The SQL here is made of our own words and numbers, and of quoted identifiers.
# ruff: noqa: S608

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from fluvial.chart_queries import FUNCTIONS, LABEL, MAX_CELLS, MAX_LABELS, PERCENTILE, ChartQuery, Measure, inside
from fluvial.engine import aggregates
from fluvial.engine.chart_keys import Key, check_zones, key_of, offset_text
from fluvial.engine.conditions import condition, finite, time_limit
from fluvial.engine.load import identifier
from fluvial.engine.manifest import Column
from fluvial.engine.rows import cursor, json_ready
from fluvial.engine.select import TooMuchMemoryError, TooSlowError
from fluvial.errors import InvalidError
from fluvial.query_values import is_decimal, scale

OTHER = "Other"
NO_VALUE = "(no value)"  # of series, whose names are text
ZERO_WITHOUT_ROWS = ("count", "distinct", "sum")


@dataclass(frozen=True)
class Series:
    """A measure for each label, of all rows or of those of one `group` of the second dimension.

    `group` is the group's value (None is a value, too); of the series of all other groups, `other` says so.
    """

    name: str
    measure: str
    data: list[object]
    group: object = None
    other: bool = False


@dataclass(frozen=True)
class Chart:
    """Labels and, for each, the values of the series.

    `other_label` is the position of the label that stands for the rest; None where there is none. `total_groups` counts
    all labels that there are, `total_series` all groups of the second dimension. It is truncated where some of either
    are in no number of the answer. `rows_scanned` are those of the parts that were looked through.
    """

    labels: list[object]
    series: list[Series]
    rows_scanned: int
    total_groups: int
    total_series: int | None
    truncated: bool
    other_label: int | None = None

    def to_json(self, version: int) -> dict[str, Any]:
        """The answer, with the version of the dataset that it is of."""
        return {
            "labels": self.labels,
            "series": [
                {"name": one.name, "data": one.data, "measure": one.measure, "group": one.group, "other": one.other}
                for one in self.series
            ],
            "rowsScanned": self.rows_scanned,
            "totalGroups": self.total_groups,
            "totalSeries": self.total_series,
            "truncated": self.truncated,
            "otherLabel": self.other_label,
            "version": version,
        }


def answer(
    query: ChartQuery,
    columns: Sequence[Column],
    files: Sequence[tuple[Path, int]],
    *,
    timeout_seconds: float,
    field: str = "chart",
) -> Chart:
    """Answers a question that was checked against these columns, over (part, its rows).

    Parts in which no filter can hold may be left out (`prune`). Raises InvalidError, with a place in `field`, for a
    time zone that does not exist, for more buckets or values than one answer has, and for a number beyond 38 digits;
    TooSlowError and TooMuchMemoryError.
    """
    check_zones(query, inside(field))
    if not files:
        return _of_nothing(query)
    compiled = compiled_query(query, columns)
    connection = cursor(compiled.threads)
    try:
        with time_limit(connection, timeout_seconds):
            return _answer(connection, query, compiled, files, inside(field))
    except duckdb.InterruptException as error:
        raise TooSlowError from error
    except duckdb.OutOfMemoryException as error:
        raise TooMuchMemoryError from error
    except duckdb.OutOfRangeException as error:
        reason = "A number of the answer would need more than 38 digits to be exact."
        raise InvalidError(f"{inside(field)}measures", reason, constraint="at most 38 digits") from error
    finally:
        # Its tables go with it.
        connection.close()


Cells = dict[tuple[int, int], list[object]]
"""The measures by position of label and of series."""


@dataclass(frozen=True)
class Compiled:
    """`rows` makes of the rows that are wanted k, their key, with series s, and what the measures are computed from.

    The measures are SQL over these, each with its column; values are bound, `$files` is for the caller.
    """

    rows: str
    values: dict[str, object]
    key: Key
    series_key: Key | None
    measures: list[tuple[str, Column]]
    threads: int

    @property
    def computed(self) -> str:
        return ", ".join(f"{sql} AS m{at}" for at, (sql, _) in enumerate(self.measures))

    @property
    def written(self) -> str:
        return ", ".join(json_ready(column, f"m{at}") for at, (_, column) in enumerate(self.measures))


def compiled_query(query: ChartQuery, columns: Sequence[Column]) -> Compiled:
    """The SQL of a question that was checked against these columns."""
    by_name = {column.name: column for column in columns}
    values: dict[str, object] = {}
    conditions = [condition(each, by_name[each.column], values) for each in query.filters]
    key = key_of(query.dimension, by_name[query.dimension.column])
    series_key = None if query.series is None else key_of(query.series, by_name[query.series.column])
    # Under names of our own a column is never taken for one of ours.
    names = dict.fromkeys(each.column for each in query.measures if each.column is not None)
    cells = {name: replace(by_name[name], name=f"c{at}") for at, name in enumerate(names)}
    outputs = [f"{key.sql} AS k", *([f"{series_key.sql} AS s"] if series_key else [])]
    outputs += [f"{identifier(name)} AS {cell.name}" for name, cell in cells.items()]
    rows = f"SELECT {', '.join(outputs)} FROM read_parquet($files)"
    if conditions:
        rows += f" WHERE {' AND '.join(conditions)}"
    asked = [(each, None if each.column is None else cells[each.column]) for each in query.measures]
    adds_floats = aggregates.adds_floats((FUNCTIONS.get(each.aggregation, ""), cell) for each, cell in asked)
    measures = [_measure(each, cell) for each, cell in asked]
    return Compiled(rows, values, key, series_key, measures, 1 if adds_floats else 2)


def _measure(each: Measure, cell: Column | None) -> tuple[str, Column]:
    if each.aggregation == PERCENTILE and cell is not None:
        return aggregates.percentile(cell, each.share)
    return aggregates.computed(FUNCTIONS[each.aggregation], cell)


def _of_nothing(query: ChartQuery) -> Chart:
    series = [] if query.series is not None else [Series(each.name, each.name, []) for each in query.measures]
    return Chart([], series, 0, 0, None if query.series is None else 0, truncated=False)


def _answer(
    connection: duckdb.DuckDBPyConnection,
    query: ChartQuery,
    compiled: Compiled,
    files: Sequence[tuple[Path, int]],
    place: str,
) -> Chart:
    bound = {**compiled.values, "files": [str(path) for path, _ in files]}
    total = _group(connection, compiled, bound)
    groups: list[object] = [None]
    total_series = None
    # The usual chart has a label for each row of `groups`, and needs no tables beside it.
    simple = compiled.series_key is None and not query.dimension.fill
    if simple:
        labels, cells = _labels_with_cells(connection, query, compiled)
    else:
        total = _number_labels(connection, query, compiled, place)
        labels = _texts(connection, "labels", compiled.key)
    if compiled.series_key is not None:
        total_series = _number_series(connection, query)
        groups = _texts(connection, "shown", compiled.series_key)
    rest = query.other and total > len(labels)
    series_rest = query.series_other and total_series is not None and total_series > len(groups)
    size = Size(len(labels), rest, len(groups), series_rest)
    _check_size(size, len(query.measures), place)
    if not simple:
        cells = _cells(connection, compiled)
    elif rest:
        _number_labels(connection, query, compiled, place)
    if rest or series_rest:
        cells |= _cells_of_rest(connection, compiled, bound, size)
    left_out = total > len(labels) and not rest
    series_left_out = total_series is not None and total_series > len(groups) and not series_rest
    return Chart(
        [*labels, OTHER] if rest else labels,
        _series(query, compiled, cells, size, groups),
        sum(rows for _, rows in files),
        total,
        total_series,
        truncated=left_out or series_left_out,
        other_label=len(labels) if rest else None,
    )


def _group(connection: duckdb.DuckDBPyConnection, compiled: Compiled, bound: dict[str, object]) -> int:
    """Makes `groups`, the measures by k and s: level 0 is of a key and a series, 1 of a key, 2 of a series.

    Returns how many rows it has.
    """
    select, by = "k, 1 AS level", "k"
    if compiled.series_key is not None:
        select, by = "k, s, grouping(k, s) AS level", "GROUPING SETS ((k, s), (k), (s))"
    return int(
        _one(
            connection,
            f"CREATE TEMP TABLE groups AS SELECT {select}, {compiled.computed} FROM ({compiled.rows}) GROUP BY {by}",
            bound,
        )
    )


def _labels_with_cells(
    connection: duckdb.DuckDBPyConnection, query: ChartQuery, compiled: Compiled
) -> tuple[list[object], Cells]:
    """The labels and measures of a chart without series and filled gaps, where the groups are all that there is."""
    key = compiled.key
    found = connection.execute(
        f"SELECT {key.text('k')}, {key.offset('k')}, {compiled.written} FROM groups "
        f"ORDER BY {_order(query)} LIMIT {query.limit}"
    ).fetchall()
    labels = [_label(text, offset) for text, offset, *_ in found]
    return labels, {(at, 0): values for at, (_, _, *values) in enumerate(found)}


def _number_labels(connection: duckdb.DuckDBPyConnection, query: ChartQuery, compiled: Compiled, place: str) -> int:
    """Makes `labels`, the keys of the labels that are shown with their positions; returns how many there are in all."""
    found = "SELECT * FROM groups WHERE level = 1"
    if query.dimension.fill:
        _check_buckets(connection, compiled.key, place)
        found = f"SELECT k FROM ({found}) UNION SELECT k FROM ({_with_ends(compiled.key.between)})"
    order = _order(query)
    connection.execute(
        f"CREATE TEMP TABLE labels AS SELECT k, row_number() OVER (ORDER BY {order}) - 1 AS position "
        f"FROM (SELECT * FROM ({found}) ORDER BY {order} LIMIT {query.limit})"
    )
    return int(_one(connection, f"SELECT count(*) FROM ({found})"))


def _order(query: ChartQuery) -> str:
    """Labels differ, so with the label behind what was asked for no two are equal. Nulls stand last in either order."""
    names = [each.name for each in query.measures]
    asked = {"k" if each.by == LABEL else f"m{names.index(each.by)}": each.descending for each in query.sort}
    terms = {**asked, "k": asked.get("k", False)}
    return ", ".join(f"{name} {'DESC' if down else 'ASC'} NULLS LAST" for name, down in terms.items())


def _check_buckets(connection: duckdb.DuckDBPyConnection, key: Key, place: str) -> None:
    count = _one(connection, _with_ends(f"SELECT {key.count} FROM ends")) or 0
    if count > MAX_LABELS:
        reason = (
            f"Without gaps there would be {count} buckets; at most {MAX_LABELS} are made: "
            "take a wider bucket, or filter."
        )
        raise InvalidError(f"{place}dimension.fill", reason, value=True, constraint=f"at most {MAX_LABELS} buckets")


def _with_ends(select: str) -> str:
    return f"WITH ends AS (SELECT min(k) AS lo, max(k) AS hi FROM groups WHERE level = 1) {select}"


def _number_series(connection: duckdb.DuckDBPyConnection, query: ChartQuery) -> int:
    """Makes `shown`, the groups of the second dimension that are shown, by their values; returns of how many."""
    connection.execute(
        "CREATE TEMP TABLE shown AS SELECT s AS k, row_number() OVER (ORDER BY s ASC NULLS LAST) - 1 AS position FROM "
        "(SELECT s FROM groups WHERE level = 2 ORDER BY m0 DESC NULLS LAST, s ASC NULLS LAST "
        f"LIMIT {query.series_limit})"
    )
    return int(_one(connection, "SELECT count(*) FROM groups WHERE level = 2"))


def _texts(connection: duckdb.DuckDBPyConnection, table: str, key: Key) -> list[object]:
    sql = f"SELECT {key.text('k')}, {key.offset('k')} FROM {table} ORDER BY position"
    return [_label(text, offset) for text, offset in connection.execute(sql).fetchall()]


def _label(text: object, offset_seconds: int | None) -> object:
    if offset_seconds is not None:
        return f"{text}{offset_text(offset_seconds)}"
    return finite(text) if isinstance(text, float) else text


@dataclass(frozen=True)
class Size:
    """How many labels and groups of the second dimension are shown, and whether there is one more for the rest."""

    labels: int
    rest: bool
    groups: int
    series_rest: bool


def _check_size(size: Size, measures: int, place: str) -> None:
    values = (size.labels + size.rest) * (size.groups + size.series_rest) * measures
    if values > MAX_CELLS:
        reason = f"The answer would have {values} values; it has at most {MAX_CELLS}: lower the limits or ask for less."
        raise InvalidError(f"{place}limit", reason, value=size.labels, constraint=f"at most {MAX_CELLS} values")


def _cells(connection: duckdb.DuckDBPyConnection, compiled: Compiled) -> Cells:
    join = "JOIN labels ON groups.k IS NOT DISTINCT FROM labels.k"
    level, position = 1, "0"
    if compiled.series_key is not None:
        join += " JOIN shown ON groups.s IS NOT DISTINCT FROM shown.k"
        level, position = 0, "shown.position"
    sql = f"SELECT labels.position, {position}, {compiled.written} FROM groups {join} WHERE level = {level}"
    return {(label, series): values for label, series, *values in connection.execute(sql).fetchall()}


def _cells_of_rest(
    connection: duckdb.DuckDBPyConnection, compiled: Compiled, bound: dict[str, object], size: Size
) -> Cells:
    """What is in the rest of the labels, of the series, or of both, from their rows."""
    join = f"{'LEFT' if size.rest else 'INNER'} JOIN labels ON found.k IS NOT DISTINCT FROM labels.k"
    outside, position = "labels.position IS NULL", "0"
    if compiled.series_key is not None:
        join += f" {'LEFT' if size.series_rest else 'INNER'} JOIN shown ON found.s IS NOT DISTINCT FROM shown.k"
        outside += " OR shown.position IS NULL"
        position = f"coalesce(shown.position, {size.groups})"
    sql = (
        f"SELECT label, series, {compiled.written} FROM (SELECT coalesce(labels.position, {size.labels}) AS label, "
        f"{position} AS series, {compiled.computed} FROM ({compiled.rows}) AS found {join} WHERE {outside} "
        "GROUP BY label, series)"
    )
    return {(label, series): values for label, series, *values in connection.execute(sql, bound).fetchall()}


def _series(query: ChartQuery, compiled: Compiled, cells: Cells, size: Size, groups: Sequence[object]) -> list[Series]:
    """One for each group and measure."""
    found = []
    for position in range(size.groups + size.series_rest):
        other = position == size.groups
        group = None if other else groups[position]
        for at, each in enumerate(query.measures):
            empty = _without_rows(each, compiled.measures[at][1])
            values = [
                cells[label, position][at] if (label, position) in cells else empty
                for label in range(size.labels + size.rest)
            ]
            data = [finite(value) if isinstance(value, float) else value for value in values]
            name = each.name
            if query.series is not None:
                name = OTHER if other else _shown(group)
                name = name if len(query.measures) == 1 else f"{name} / {each.name}"
            found.append(Series(name, each.name, data, group, other))
    return found


def _without_rows(each: Measure, column: Column) -> object:
    """What a measure is where there are no rows: nothing was counted and nothing adds up to zero; the rest is null."""
    if each.aggregation not in ZERO_WITHOUT_ROWS:
        return None
    if is_decimal(column.type):
        digits = scale(column.type)
        return "0." + "0" * digits if digits else "0"
    return 0.0 if column.type == "float" else 0


def _shown(group: object) -> str:
    if group is None:
        return NO_VALUE
    return group if isinstance(group, str) else json.dumps(group)


def _one(connection: duckdb.DuckDBPyConnection, sql: str, bound: dict[str, object] | None = None) -> Any:
    return (connection.execute(sql, bound).fetchone() or (None,))[0]
