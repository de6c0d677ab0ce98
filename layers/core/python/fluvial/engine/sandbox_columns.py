"""The columns of a table that a SELECT made, as a dataset's: types, spellings, and SQL for their values."""

# The SQL here is made of our own numbers and quoted identifiers.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from fluvial.engine.load import identifier
from fluvial.engine.manifest import Column
from fluvial.engine.parquet import column_of
from fluvial.engine.types import Candidate, sql_text

_WIDE = ("HUGEINT", "UHUGEINT", "UBIGINT")
_NARROW = "BETWEEN -9223372036854775808 AND 9223372036854775807"


@dataclass(frozen=True)
class Made:
    """A column, and SQL for its value as that column's type in Parquet."""

    column: Column
    value: str


Spellings = Mapping[tuple[str, str], str | None]
"""How the columns that went in are written, by name in lower case and type."""


def spellings(columns: Sequence[Column]) -> dict[tuple[str, str], str | None]:
    """Those that all columns of one name and type have in common."""
    found: dict[tuple[str, str], str | None] = {}
    for column in columns:
        key = column.name.lower(), column.type
        found[key] = column.format if found.get(key, column.format) == column.format else None
    return found


def made(connection: duckdb.DuckDBPyConnection, table: str, known: Spellings) -> list[Made]:
    """The columns of a table.

    Whole numbers that may be wider than 64 bits are integers if all of them fit, as in a file. A column is written as
    the one of the same name and type that went in, if every cell comes back from that spelling.
    """
    described = connection.execute(f"DESCRIBE {identifier(table)}").fetchall()
    found = [_made(connection, table, name, type_) for name, type_, *_ in described]
    candidates = {
        at: Candidate(one.column.type, spelling)
        for at, one in enumerate(found)
        if one.column.type != "text" and (spelling := known.get((one.column.name.lower(), one.column.type)))
    }
    if candidates:
        differs = ", ".join(_differs(found[at].value, candidate) for at, candidate in candidates.items())
        counted = connection.execute(f"SELECT {differs} FROM {identifier(table)}").fetchone() or ()
        for (at, candidate), count in zip(candidates.items(), counted, strict=True):
            if not count:
                found[at] = replace(found[at], column=replace(found[at].column, format=candidate.format))
    return found


def _differs(value: str, candidate: Candidate) -> str:
    text = sql_text(value, candidate.type, candidate.format)
    return f"count(*) FILTER ({value} IS NOT NULL AND {candidate.sql_value(text)} IS DISTINCT FROM {value})"


def _made(connection: duckdb.DuckDBPyConnection, table: str, name: str, type_: str) -> Made:
    cell = identifier(name)
    if type_ not in _WIDE:
        return Made(*column_of(name, type_, "the SELECT has"))
    row = connection.execute(f"SELECT coalesce(bool_and({cell} {_NARROW}), true) FROM {identifier(table)}").fetchone()
    if row and row[0]:
        return Made(Column(name, "integer", "the SELECT has whole numbers"), f"CAST({cell} AS BIGINT)")
    reason = "the SELECT has whole numbers, and some are beyond 64 bits"
    return Made(Column(name, "decimal(38,0)", reason), f"CAST({cell} AS DECIMAL(38,0))")
