"""What the columns of a dataset are like: how many values, which, and how they are spread. Computed from its parts.

A few columns at a time are read once for all that can be told in one pass; what needs every value apart (distinct
values, the most frequent, quantiles) is computed column by column. Up to the bounds below all of it is exact. Beyond
them it is approximate, and says so. Values are spelled as in rows; long texts are cut, as marked by `…`.
"""

# The SQL here is made of our own words and numbers, quoted identifiers and quoted literals.
# ruff: noqa: S608

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb

from fluvial.engine.conditions import finite, time_limit
from fluvial.engine.load import connect, identifier, quoted
from fluvial.engine.manifest import Column
from fluvial.engine.parts import numbered
from fluvial.engine.rows import json_ready
from fluvial.engine.select import Files
from fluvial.engine.types import decimal_shape
from fluvial.query_values import is_decimal

COLUMNS_AT_ONCE = 8
EXACT_DISTINCT = 100_000  # values of a column; beyond, their number is estimated
EXACT_QUANTILE_ROWS = 2_000_000  # beyond, quantiles are those of about so many rows, spread over the data
EXAMPLE_ROWS = 1_000
EXAMPLES = 5
TOP = 10
SHARES = (5, 25, 50, 75, 95)
MAX_CHARACTERS = 100
SUMMED_DIGITS = 28  # of a decimal: with ten more, so many rows as there can be are summed up within 38
_ORDERED = ("integer", "float", "date", "time", "timestamp", "timestamp_tz")

Profile = dict[str, Any]


def profile(
    files: Files,
    columns: Sequence[Column],
    rows: int,
    temp: Path,
    *,
    timeout_seconds: float = 120.0,
    memory_limit_mb: int = 500,
    threads: int = 2,
) -> Profile:
    """The profile of the rows in these files, as JSON values; `temp` is for what does not fit into memory.

    Columns that could not be computed in the time or the memory are no error: they have nulls and `"complete": false`.
    """
    end = time.monotonic() + timeout_seconds
    found: list[Profile] = []
    with closing(connect(temp, sorted({path.parent for path, _ in files}), memory_limit_mb, threads)) as connection:
        parts = _Parts(connection, files, columns, rows)
        for start in range(0, len(columns), COLUMNS_AT_ONCE):
            found += _profiled(parts, columns[start : start + COLUMNS_AT_ONCE], end)
    return {"rows": rows, "columns": found}


def _profiled(parts: _Parts, columns: Sequence[Column], end: float) -> list[Profile]:
    """All that is known of these columns once the time is over; of one that needs too much, what there is."""
    found = [_unknown(column) for column in columns]
    if time.monotonic() > end:
        return found
    # Out of time or memory: what was found so far is right.
    with (
        suppress(duckdb.InterruptException, duckdb.OutOfMemoryException),
        time_limit(parts.connection, end - time.monotonic()),
    ):
        parts.add_sums(columns, found)
        parts.add_examples(columns, found)
        for column, one in zip(columns, found, strict=True):
            _add_apart(parts, column, one)
    return found


def _add_apart(parts: _Parts, column: Column, one: Profile) -> None:
    """What needs the values of a column apart; a column that takes too much memory for it goes without."""
    with suppress(duckdb.OutOfMemoryException):
        if _wide(column):
            parts.add_wide_sum(column, one)
        parts.add_distinct(column, one)
        if column.type in _ORDERED or is_decimal(column.type):
            parts.add_quantiles(column, one)
        one["complete"] = True


def _unknown(column: Column) -> Profile:
    return {
        "name": column.name,
        "type": column.type,
        "complete": False,
        "nulls": column.nulls,
        "distinct": None,
        "distinct_exact": None,
        "min": None,
        "max": None,
        "sum": None,
        "mean": None,
        "quantiles": None,
        "quantiles_exact": None,
        "top": None,
        "examples": None,
        "min_length": None,
        "max_length": None,
    }


class _Parts:
    """The files, and the questions to them."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, files: Files, columns: Sequence[Column], rows: int
    ) -> None:
        self.connection, self.rows = connection, rows
        self._files, self._names = files, [column.name for column in columns]
        self._scan = f"read_parquet([{', '.join(quoted(str(path)) for path, _ in files)}])"

    def add_sums(self, columns: Sequence[Column], found: Sequence[Profile]) -> None:
        """One pass: nulls, bounds, sums, lengths, and about how many values there are."""
        wanted = ", ".join(sql for column in columns for sql in _sums(column))
        values = iter(self._one(f"SELECT {wanted} FROM {self._scan}"))
        for column, one in zip(columns, found, strict=True):
            filled, distinct, low, high, total, shortest, longest = (next(values) for _ in range(7))
            one |= {"nulls": self.rows - filled, "distinct": distinct, "distinct_exact": False}
            one |= {"min": _spelled(low), "max": _spelled(high), "min_length": shortest, "max_length": longest}
            one |= _sum_and_mean(column, total, filled)

    def add_examples(self, columns: Sequence[Column], found: Sequence[Profile]) -> None:
        """The first different values of the first rows, in the order of the source."""
        shown = ", ".join(_cut(column) for column in columns)
        rows = self.connection.execute(f"SELECT {shown} FROM {self._scan} LIMIT {EXAMPLE_ROWS}").fetchall()
        for at, one in enumerate(found):
            values = dict.fromkeys(_spelled(row[at]) for row in rows if row[at] is not None)
            one["examples"] = list(values)[:EXAMPLES]

    def add_wide_sum(self, column: Column, one: Profile) -> None:
        """The sum of decimals that may need more than 38 digits; then there is none."""
        with suppress(duckdb.OutOfRangeException):
            (total,) = self._one(f"SELECT sum({identifier(column.name)}) FROM {self._scan}")
            one |= _sum_and_mean(column, total, self.rows - one["nulls"])

    def add_distinct(self, column: Column, one: Profile) -> None:
        """How many values there are, and the most frequent: of these none where there are too many to count."""
        if one["distinct"] > EXACT_DISTINCT:
            return
        filled = f"FROM {self._scan} WHERE {identifier(column.name)} IS NOT NULL"
        rows = self.connection.execute(
            f"SELECT {_cut(column, 'v')}, n, count(*) OVER () FROM "
            f"(SELECT {_value(column)} AS v, count(*) AS n {filled} GROUP BY 1) ORDER BY n DESC, v LIMIT {TOP}"
        ).fetchall()
        one |= {"distinct": rows[0][2] if rows else 0, "distinct_exact": True}
        one["top"] = [{"value": _spelled(value), "count": count} for value, count, _ in rows]

    def add_quantiles(self, column: Column, one: Profile) -> None:
        """Values of the data, each with so many percent of all at or below it."""
        every = -(-self.rows // EXACT_QUANTILE_ROWS)
        # By a hash, which is the same each time and follows no rhythm of the data.
        sample = f"{numbered(self._files, [f'{_value(column)} AS v'], self._names)} WHERE hash(nr) % {every} = 0"
        values = self._scan if every <= 1 else f"(SELECT v FROM {sample})"
        shares = ", ".join(f"{share / 100}" for share in SHARES)
        shown = ", ".join(json_ready(column, f"q[{at}]") for at in range(1, len(SHARES) + 1))
        cell = _value(column) if every <= 1 else "v"
        found = self._one(f"SELECT {shown} FROM (SELECT quantile_disc({cell}, [{shares}]) AS q FROM {values})")
        one["quantiles"] = {str(share): _spelled(value) for share, value in zip(SHARES, found, strict=True)}
        one["quantiles_exact"] = every <= 1

    def _one(self, sql: str) -> tuple[Any, ...]:
        return self.connection.execute(sql).fetchone() or ()


def _sums(column: Column) -> list[str]:
    """SQL for count, distinct values, min, max, sum, and lengths, null where they mean nothing."""
    cell = identifier(column.name)
    value = _value(column)
    bounds = ["NULL", "NULL"]
    if column.type != "boolean":
        bounds = [_cut(column, f"min({value})"), _cut(column, f"max({value})")]
    total = "NULL"
    if column.type == "float":
        total = f"fsum({cell})"
    elif column.type == "integer" or (is_decimal(column.type) and not _wide(column)):
        total = f"sum({cell})"
    lengths = [f"min(length({cell}))", f"max(length({cell}))"] if column.type == "text" else ["NULL", "NULL"]
    return [f"count({cell})", f"approx_count_distinct({value})", *bounds, total, *lengths]


def _wide(column: Column) -> bool:
    """Whether a sum over very many rows could need more than 38 digits."""
    return is_decimal(column.type) and decimal_shape(column.type)[0] > SUMMED_DIGITS


def _value(column: Column) -> str:
    """The cell, with one zero only: -0.0 and 0.0 are equal, and which one stood for both would be left to chance."""
    cell = identifier(column.name)
    return f"({cell} + CAST(0 AS DOUBLE))" if column.type == "float" else cell


def _cut(column: Column, value: str | None = None) -> str:
    """SQL for the value as in rows, of a text only the beginning."""
    text = json_ready(column, value)
    if column.type != "text":
        return text
    return f"(CASE WHEN length({text}) > {MAX_CHARACTERS} THEN left({text}, {MAX_CHARACTERS}) || '…' ELSE {text} END)"


def _spelled(value: Any) -> Any:
    return finite(value) if isinstance(value, float) else value


def _sum_and_mean(column: Column, total: Any, count: int) -> Profile:
    """Exact but for floats, whose last digits depend on the order of adding and are left out."""
    if total is None or not count:
        return {"sum": None, "mean": None}
    if column.type == "float":
        return {"sum": _spelled(float(f"{total:.15g}")), "mean": _spelled(float(f"{total / count:.15g}"))}
    return {"sum": total if column.type == "integer" else str(total), "mean": float(Fraction(total) / count)}
