"""Parquet in: the types of the file are kept, and only what has no type here becomes text, with its reason."""

# The SQL here is made of our own numbers, quoted identifiers and quoted literals.
# ruff: noqa: S608

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from fluvial.engine.limits import Limits
from fluvial.engine.load import AccountingError, ColumnStats, identifier, quoted, write_part
from fluvial.engine.manifest import Column, Part
from fluvial.errors import UnreadableFileError

_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_TIMES = {
    "DATE": ("date", "%Y-%m-%d"),
    "TIME": ("time", "%H:%M:%S.%6f"),
    "TIMESTAMP": ("timestamp", "%Y-%m-%dT%H:%M:%S.%6f"),
    "TIMESTAMP_S": ("timestamp", "%Y-%m-%dT%H:%M:%S"),
    "TIMESTAMP_MS": ("timestamp", "%Y-%m-%dT%H:%M:%S.%3f"),
    "TIMESTAMP_NS": ("timestamp", "%Y-%m-%dT%H:%M:%S.%9f"),
    "TIMESTAMP WITH TIME ZONE": ("timestamp_tz", "%Y-%m-%dT%H:%M:%S.%6fZ"),
}


def read_columns(connection: duckdb.DuckDBPyConnection, source: Path, limits: Limits) -> list[tuple[Column, str]]:
    """Each column with the SQL that reads it; raises UnreadableFileError for a damaged file."""
    try:
        with source.open("rb") as file:
            file.seek(max(0, source.stat().st_size - 4))
            if file.read() != b"PAR1":
                raise UnreadableFileError(
                    "The Parquet file is cut off: it does not end with the mark PAR1. Write and send it again."
                )
        described = connection.execute(f"DESCRIBE SELECT * FROM read_parquet({quoted(str(source))})").fetchall()
    except duckdb.Error as exc:
        raise UnreadableFileError(
            "The Parquet file's footer cannot be read; the file is damaged. Write and send it again."
        ) from exc
    if len(described) > limits.columns:
        raise UnreadableFileError(
            f"The file has {len(described)} columns; at most {limits.columns} are read.",
            value=len(described),
            constraint=f"at most {limits.columns} columns",
        )
    return [column_of(name, type_) for name, type_, *_ in described]


def column_of(name: str, type_: str, has: str = "the Parquet file has") -> tuple[Column, str]:
    """The column that stands for one of a type of DuckDB, and SQL for its value; `has` begins the reason."""
    cell = identifier(name)
    if type_ in _INTEGERS:
        return Column(name, "integer", f"{has} {type_}"), f"CAST({cell} AS BIGINT)"
    if type_ == "UBIGINT":
        return Column(name, "decimal(20,0)", f"{has} unsigned 64-bit integers"), f"CAST({cell} AS DECIMAL(20,0))"
    if found := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", type_):
        return Column(name, f"decimal({found[1]},{found[2]})", f"{has} decimals"), cell
    if type_ in ("FLOAT", "DOUBLE"):
        return Column(name, "float", f"{has} {type_}"), f"CAST({cell} AS DOUBLE)"
    if type_ == "BOOLEAN":
        return Column(name, "boolean", f"{has} truth values", "true/false"), cell
    if type_ in _TIMES:
        kind, format_ = _TIMES[type_]
        return Column(name, kind, f"{has} {type_}", format_), cell
    if type_ == "VARCHAR":
        return Column(name, "text", f"{has} strings"), cell
    if type_ == "BLOB":
        return Column(name, "text", "binary values, kept as base64", "base64"), f"base64({cell})"
    if type_.startswith(("STRUCT", "MAP")) or type_.endswith("]"):
        # to_json writes a decimal of up to 9 digits as a float, without its trailing zeros; wider ones in full.
        exact = re.sub(r"DECIMAL\([1-9],", "DECIMAL(18,", type_)
        value = f"CAST({cell} AS {exact})" if exact != type_ else cell
        return Column(name, "text", "nested values, kept as compact JSON", "json"), f"CAST(to_json({value}) AS VARCHAR)"
    return Column(name, "text", f"{has} {type_}, kept as its text"), f"CAST({cell} AS VARCHAR)"


def write(
    connection: duckdb.DuckDBPyConnection, source: Path, columns: list[tuple[Column, str]], out: Path, limits: Limits
) -> tuple[int, list[Part], list[ColumnStats]]:
    """Write the parts in source order; returns the rows that the footer announces, the parts and what they say."""
    path = quoted(str(source))
    found = connection.execute(f"SELECT sum(num_rows) FROM parquet_file_metadata({path})").fetchone()
    source_rows = int(found[0] or 0) if found else 0
    stats = [ColumnStats() for _ in columns]
    parts: list[Part] = []
    select = ", ".join(f"{value} AS {identifier(column.name)}" for column, value in columns)
    try:
        for index, first in enumerate(range(0, source_rows, limits.part_rows)):
            last = min(first + limits.part_rows, source_rows) - 1
            target = out / f"part-{index:05d}.parquet"
            sql = f"SELECT {select} FROM read_parquet({path}) WHERE file_row_number BETWEEN {first} AND {last}"
            rows, size, statistics = write_part(connection, sql, target, limits)
            if rows != last - first + 1:
                raise AccountingError(f"part {index} should hold {last - first + 1} rows, but {rows} were written")
            bounds = {}
            for (column, _), one in zip(columns, stats, strict=True):
                if found_bounds := one.add(statistics[column.name], rows):
                    bounds[column.name] = list(found_bounds)
            parts.append(Part(target.name, rows, size, first, bounds))
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as exc:
        raise UnreadableFileError(
            f"The Parquet file is damaged in its data ({str(exc).splitlines()[0][:200]}). Write and send it again."
        ) from exc
    return source_rows, parts, stats
