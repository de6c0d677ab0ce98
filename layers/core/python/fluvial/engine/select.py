"""Rows of parts by filter and sort: first where they are, then these rows alone.

A position takes eight bytes and a row may take megabytes, so only the columns that are filtered and sorted by are ever
read as a whole.
"""

# The SQL here is made of our own words and numbers, quoted identifiers and quoted literals; values are bound.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from fluvial.engine import aggregates
from fluvial.engine.conditions import condition, time_limit
from fluvial.engine.manifest import Column
from fluvial.engine.parts import numbered
from fluvial.engine.rows import cursor, json_ready, record
from fluvial.queries import Sort
from fluvial.selections import Selection

Files = Sequence[tuple[Path, int]]
"""Parts on the disk, in the order of the source, each with the position of its first row in the dataset."""

POSITION = "nr"  # as `numbered` calls it


class TooSlowError(Exception):
    """The time for the question was over before its answer was there."""


class TooMuchMemoryError(Exception):
    """The question needs more memory than a request has."""


@dataclass(frozen=True)
class Asked:
    """`rows` is SQL for the rows that are wanted, with `order` behind it; its values are to be bound."""

    rows: str
    order: str
    values: dict[str, object]


def asked(files: Files, columns: Sequence[Column], selection: Selection, outputs: Sequence[str] = ()) -> Asked:
    """The rows of a selection that was checked against these columns, as outputs (SQL over the columns).

    Without outputs they are positions. Nulls stand last in either order, equal rows in that of the source; -0.0 is 0.0,
    as they are equal.
    """
    by_name = {column.name: column for column in columns}
    values: dict[str, object] = {}
    holds = [condition(each, by_name[each.column], values) for each in selection.filters]
    inner = [f"({' AND '.join(holds)}) AS fluvial_holds"] if holds else []
    inner += [f"{aggregates.value(by_name[each.by])} AS fluvial_key_{at}" for at, each in enumerate(selection.sort)]
    inner += [f"{output} AS fluvial_output_{at}" for at, output in enumerate(outputs)]
    wanted = ", ".join(f"fluvial_output_{at}" for at in range(len(outputs))) or POSITION
    rows = f"SELECT {wanted} FROM {numbered(files, inner, by_name)}" + (" WHERE fluvial_holds" if holds else "")
    return Asked(rows, _order(selection.sort), values)


def _order(sort: Sequence[Sort]) -> str:
    keys = [f"fluvial_key_{at} {'DESC' if each.descending else 'ASC'} NULLS LAST" for at, each in enumerate(sort)]
    return f" ORDER BY {', '.join([*keys, POSITION])}"


def select(
    files: Files,
    columns: Sequence[Column],
    shown: Sequence[Column],
    selection: Selection,
    *,
    offset: int,
    limit: int,
    timeout_seconds: float,
) -> tuple[list[dict[str, object]], int]:
    """The rows offset to offset + limit of a checked selection, ready for JSON, and how many there are in all.

    Raises TooSlowError and TooMuchMemoryError.
    """
    if not files:
        return [], 0
    question = asked(files, columns, selection)
    connection = cursor()
    try:
        with time_limit(connection, timeout_seconds):
            counted = connection.execute(f"SELECT count(*) FROM ({question.rows})", question.values).fetchone()
            total = int(counted[0]) if counted else 0
            if offset >= total:
                return [], total
            page = f"{question.rows}{question.order} LIMIT {int(limit)} OFFSET {int(offset)}"
            positions = [int(at) for (at,) in connection.execute(page, question.values).fetchall()]
            found = _rows_at(connection, files, positions, columns, shown)
    except duckdb.InterruptException as error:
        raise TooSlowError from error
    except duckdb.OutOfMemoryException as error:
        raise TooMuchMemoryError from error
    return [found[at] for at in positions], total


def _rows_at(
    connection: duckdb.DuckDBPyConnection,
    files: Files,
    positions: Sequence[int],
    columns: Sequence[Column],
    shown: Sequence[Column],
) -> dict[int, dict[str, object]]:
    """The rows by position, file by file: only groups of rows with one of them are read."""
    found: dict[int, dict[str, object]] = {}
    names = [column.name for column in columns]
    values = [f"{json_ready(column)} AS fluvial_{at}" for at, column in enumerate(shown)]
    ends = [first for _, first in files[1:]] + [max(positions, default=0) + 1]
    for (path, first), end in zip(files, ends, strict=True):
        here = [at for at in positions if first <= at < end]
        if here:
            listed = ", ".join(map(str, sorted(here)))
            sql = f"SELECT * FROM {numbered([(path, first)], values, names)} WHERE {POSITION} IN ({listed})"
            for at, *row in connection.execute(sql).fetchall():
                found[at] = record(row, shown)
    return found
