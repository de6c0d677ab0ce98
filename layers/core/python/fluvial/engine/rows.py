"""Pages of typed rows and of rejects, ready for JSON.

An integer is an exact int, a float a float (NaN and infinities, which only Parquet can bring in, are the strings
"NaN", "Infinity" and "-Infinity"), a decimal a string with its digits, so that no JSON reader rounds it. Dates
and times are text as the source wrote them; null is None.
"""

# The SQL here is made of our own numbers, quoted identifiers and quoted literals.
# ruff: noqa: S608

from __future__ import annotations

import json
import math
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import duckdb

from fluvial.engine.load import identifier
from fluvial.engine.manifest import Column, Manifest, Part
from fluvial.engine.types import sql_text

_LOCK = threading.Lock()


@lru_cache(maxsize=1)
def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        config={"threads": 2, "autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _cursor() -> duckdb.DuckDBPyConnection:
    # Opening takes milliseconds and a cursor microseconds: one connection per process.
    with _LOCK:
        return _connection().cursor()


def locate(manifest: Manifest, offset: int, limit: int) -> list[tuple[Part, int, int]]:
    """The parts that hold rows offset to offset + limit, each with the rows to skip and to take in it."""
    found = []
    end = offset + limit
    for part in manifest.parts:
        first, last = max(offset, part.first_row), min(end, part.first_row + part.rows)
        if first < last:
            found.append((part, first - part.first_row, last - first))
    return found


def read_page(parts: Sequence[tuple[Path, int, int]], columns: Sequence[Column]) -> list[dict[str, object]]:
    """The rows of (part file, rows to skip, rows to take), in source order, as JSON-ready dictionaries."""
    names = [column.name for column in columns]
    floats = [at for at, column in enumerate(columns) if column.type == "float"]
    select = ", ".join(_json_ready(column) for column in columns) or "1"
    page: list[dict[str, object]] = []
    cursor = _cursor()
    for path, skip, take in parts:
        sql = (
            f"SELECT {select} FROM read_parquet($path) "
            f"WHERE file_row_number BETWEEN {int(skip)} AND {int(skip) + int(take) - 1} ORDER BY file_row_number"
        )
        for row in cursor.execute(sql, {"path": str(path)}).fetchall():
            record: dict[str, object] = dict(zip(names, row, strict=False))
            for at in floats:
                if row[at] is not None and not math.isfinite(row[at]):
                    record[names[at]] = _word(row[at])
            page.append(record)
    return page


def _json_ready(column: Column) -> str:
    cell = identifier(column.name)
    if column.type in ("integer", "float", "boolean", "text"):
        return cell
    return sql_text(cell, column.type, column.format)


def _word(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


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
