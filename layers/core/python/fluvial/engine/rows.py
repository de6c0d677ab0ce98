"""Pages of typed rows and of rejects, ready for JSON.

An integer is an exact int, a float a float (NaN and infinities, which only Parquet can bring in, are the strings
"NaN", "Infinity" and "-Infinity"), a decimal a string with its digits, so that no JSON reader rounds it. Dates
and times are text as the source wrote them; null is None.
"""

# The SQL here is made of our own numbers, quoted identifiers and quoted literals.
# ruff: noqa: S608

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path

import duckdb

from fluvial.engine.conditions import finite
from fluvial.engine.load import identifier
from fluvial.engine.manifest import Column, Manifest, Part
from fluvial.engine.parts import numbered
from fluvial.engine.types import sql_text

MEMORY_LIMIT_MB = 800  # of the function's 1,769; what is more goes to the disk
_LOCK = threading.Lock()


@lru_cache(maxsize=2)
def _connection(threads: int) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        config={
            "threads": threads,
            "memory_limit": f"{MEMORY_LIMIT_MB}MB",
            "temp_directory": str(Path(tempfile.gettempdir(), "fluvial-spill")),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def cursor(threads: int = 2) -> duckdb.DuckDBPyConnection:
    # Opening takes milliseconds and a cursor microseconds: one connection per process and number of threads.
    with _LOCK:
        return _connection(threads).cursor()


def locate(manifest: Manifest, offset: int, limit: int) -> list[tuple[Part, int, int]]:
    """The parts that hold rows offset to offset + limit, each with the rows to skip and to take in it."""
    found = []
    end = offset + limit
    for part in manifest.parts:
        first, last = max(offset, part.first_row), min(end, part.first_row + part.rows)
        if first < last:
            found.append((part, first - part.first_row, last - first))
    return found


def read_page(
    parts: Sequence[tuple[Path, int, int]], columns: Sequence[Column], *, names: Collection[str] | None = None
) -> list[dict[str, object]]:
    """The rows of (part file, rows to skip, rows to take), in source order, as JSON-ready dictionaries.

    `names` are those of all columns of the files, where `columns` are only some.
    """
    names = [column.name for column in columns] if names is None else names
    values = [f"{json_ready(column)} AS fluvial_{at}" for at, column in enumerate(columns)]
    page: list[dict[str, object]] = []
    connection = cursor()
    for path, skip, take in parts:
        wanted = f"nr BETWEEN {int(skip)} AND {int(skip) + int(take) - 1}"
        sql = f"SELECT * EXCLUDE nr FROM {numbered([(path, 0)], values, names)} WHERE {wanted} ORDER BY nr"
        for row in connection.execute(sql).fetchall():
            page.append(record(row, columns))
    return page


def record(row: Sequence[object], columns: Sequence[Column]) -> dict[str, object]:
    """A row of `json_ready` values by name."""
    found: dict[str, object] = {}
    for column, value in zip(columns, row, strict=False):
        found[column.name] = finite(value) if isinstance(value, float) else value
    return found


def json_ready(column: Column, value: str | None = None) -> str:
    """SQL for a cell, or another value of the column, as answers have it, but for floats that are not finite."""
    cell = identifier(column.name) if value is None else value
    if column.type in ("integer", "float", "boolean", "text"):
        return cell
    # A number is one to whoever reads the answer, however its source wrote it.
    return sql_text(cell, column.type, None if column.type.startswith("decimal") else column.format)


def read_rejects(path: Path, offset: int, limit: int) -> list[dict[str, object]]:
    """Rejected records offset to offset + limit in source order: line, column, cause, raw."""
    found: list[dict[str, object]] = []
    if limit <= 0:
        return found
    with path.open("rb") as file:
        for position, line in enumerate(file):
            if position >= offset:
                found.append(json.loads(line))
                if len(found) == limit:
                    break
    return found
