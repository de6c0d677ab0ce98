"""A query to SQL, and its result from Parquet parts.

Names stand in the SQL as quoted identifiers of columns that the manifest has, values are bound: what somebody typed is
never a part of the SQL.
"""

# The SQL here is made of our own words and numbers, and of quoted identifiers.
# ruff: noqa: S608

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from fluvial import queries
from fluvial.engine import aggregates
from fluvial.engine.conditions import condition, finite, time_limit
from fluvial.engine.limits import MIB
from fluvial.engine.load import connect
from fluvial.engine.manifest import Column
from fluvial.engine.types import sql_text

TOO_SLOW = "The analysis took too long and was stopped: filter, group more coarsely, or ask for less at once."
FETCHED_ROWS = 50
PART_BYTES = 32 * MIB  # of a result's part, which a page reads as a whole


class AnalysisFailedError(Exception):
    """The query cannot be answered, and would not be if it ran again; `str(error)` is a sentence for its owner."""


@dataclass(frozen=True)
class Outcome:
    """Types by name of the result's columns, its rows in files of JSON lines, and how many groups there were."""

    columns: dict[str, str]
    rows: int
    groups_total: int
    parts: list[Path]


@dataclass(frozen=True)
class Compiled:
    """`select` makes the groups as o0, o1, …; `order` sorts them beyond doubt; `written` makes them ready for JSON."""

    select: str
    order: str
    written: str
    values: dict[str, object]


def run(
    query: queries.Query,
    columns: Sequence[Column],
    files: Sequence[Path],
    out: Path,
    *,
    part_rows: int,
    timeout_seconds: float,
    memory_limit_mb: int = 1_500,
) -> Outcome:
    """Answers a query that was checked, over a dataset's Parquet files, with files in `out`.

    Raises AnalysisFailedError. The memory is bounded, what is more goes to the disk under `out`.
    """
    spill = out / "spill"
    spill.mkdir()
    compiled = compiled_query(query, columns)
    threads = 1 if aggregates.adds_floats(_aggregates(query, columns)) else 2
    connection = connect(spill, sorted({file.parent for file in files}), memory_limit_mb, threads)
    try:
        with _stopped_in_time(connection, timeout_seconds), _owner_told(memory_limit_mb):
            connection.execute(
                f"CREATE TEMP TABLE result AS {compiled.select}",
                {**compiled.values, "files": [str(file) for file in files]},
            )
            groups_total = int((connection.execute("SELECT count(*) FROM result").fetchone() or (0,))[0])
            rows = groups_total if query.limit is None else min(query.limit, groups_total)
            if rows > queries.MAX_ROWS:
                raise AnalysisFailedError(
                    f"The result would have {rows} rows; at most {queries.MAX_ROWS} are kept: filter, group more "
                    "coarsely, or set a limit."
                )
            found = connection.execute(f"SELECT {compiled.written} FROM result{compiled.order} LIMIT {rows}")
            types = queries.result_types(query, {column.name: column.type for column in columns})
            parts = list(_parts(found, types, out, part_rows))
    finally:
        connection.close()
    return Outcome(types, rows, groups_total, parts)


def compiled_query(query: queries.Query, columns: Sequence[Column]) -> Compiled:
    """The SQL of a query that was checked against these columns. Its values are bound, `$files` is for the caller."""
    by_name = {column.name: column for column in columns}
    values: dict[str, object] = {}
    conditions = [condition(each, by_name[each.column], values) for each in query.filters]
    keys = [_key(each, by_name[each.column]) for each in query.groups]
    outputs = [*keys, *(aggregates.computed(*each) for each in _aggregates(query, columns))]
    select = f"SELECT {', '.join(f'{sql} AS o{at}' for at, (sql, _) in enumerate(outputs))} FROM read_parquet($files)"
    if conditions:
        select += f" WHERE {' AND '.join(conditions)}"
    if keys:
        select += f" GROUP BY {', '.join(str(at + 1) for at in range(len(keys)))}"
    written = [_written(f"o{at}", column) for at, (_, column) in enumerate(outputs)]
    return Compiled(select, _order(query), ", ".join(written), values)


def _key(each: queries.Group, column: Column) -> tuple[str, Column]:
    if each.bucket is None:
        return aggregates.value(column), column
    return aggregates.days_of(each.bucket, aggregates.clock(column)), Column(each.name, "date", "", "%Y-%m-%d")


def _aggregates(query: queries.Query, columns: Sequence[Column]) -> list[tuple[str, Column | None]]:
    by_name = {column.name: column for column in columns}
    return [(each.function, None if each.column is None else by_name[each.column]) for each in query.aggregates]


def _written(value: str, column: Column) -> str:
    # An integer may be a HUGEINT here, and is exact in Python.
    if column.type in ("integer", "float", "boolean", "text"):
        return value
    return sql_text(value, column.type, column.format)


def _order(query: queries.Query) -> str:
    """Groups differ in their columns, so with all of these behind what was asked for no two rows are equal."""
    names = [*(each.name for each in query.groups), *(each.name for each in query.aggregates)]
    asked = {each.by: each.descending for each in query.sort}
    asked |= {each.name: False for each in query.groups if each.name not in asked}
    terms = [f"o{names.index(name)} {'DESC' if down else 'ASC'} NULLS LAST" for name, down in asked.items()]
    return f" ORDER BY {', '.join(terms)}" if terms else ""


def _parts(found: duckdb.DuckDBPyConnection, types: dict[str, str], out: Path, part_rows: int) -> Iterator[Path]:
    """Writes the rows part by part. Few are in Python at a time, for a single cell may take megabytes."""
    floats = [name for name, type_ in types.items() if type_ == "float"]
    rows = (row for some in iter(lambda: found.fetchmany(FETCHED_ROWS), []) for row in some)
    for number in itertools.count():
        path, size = out / f"part-{number:05d}", 0
        with path.open("wb") as file:
            for row in itertools.islice(rows, part_rows):
                record: dict[str, Any] = dict(zip(types, row, strict=True))
                for name in floats:
                    record[name] = finite(record[name])
                line = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
                size += file.write(line + b"\n")
                if size > PART_BYTES:
                    raise AnalysisFailedError(
                        f"{part_rows} rows of the result take more than {PART_BYTES} bytes, which a page could not "
                        "show: leave out columns with long texts."
                    )
        if not size:
            return
        yield path


@contextmanager
def _stopped_in_time(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    try:
        with time_limit(connection, seconds):
            yield
    except duckdb.InterruptException as error:
        raise AnalysisFailedError(TOO_SLOW) from error


@contextmanager
def _owner_told(memory_limit_mb: int) -> Iterator[None]:
    """Turns what the same query would meet again into a sentence for its owner."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise AnalysisFailedError(
            f"The analysis needs more than {memory_limit_mb} MB of memory: filter, group more coarsely, or use fewer "
            "of the functions count_distinct and median."
        ) from error
    except duckdb.OutOfRangeException as error:
        raise AnalysisFailedError("A number of the result would need more than 38 digits to be exact.") from error
    except duckdb.ConversionException as error:
        raise AnalysisFailedError(
            f"A value is beyond what can be computed with: {str(error).splitlines()[0][:200]}."
        ) from error
