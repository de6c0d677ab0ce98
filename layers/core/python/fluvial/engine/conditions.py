"""What every question to Parquet parts shares: conditions as SQL, an end in time, floats as JSON can say them."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from fluvial import queries
from fluvial.engine.load import identifier
from fluvial.engine.manifest import Column
from fluvial.engine.types import SQL_TYPES
from fluvial.query_values import is_decimal, scale

INTERRUPTED_EVERY_SECONDS = 0.2
_COMPARED = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


def condition(each: queries.Filter, column: Column, values: dict[str, object]) -> str:
    """SQL that is true where the filter holds; null, which is not true, for a null cell.

    What the filter compares with is bound: it is added to `values`, never written into the SQL.
    """
    cell = identifier(column.name)
    if each.operator in queries.WITHOUT_VALUE:
        return f"{cell} IS {'NOT ' if each.operator == 'is_not_null' else ''}NULL"
    # A value may have more digits than the column's cells.
    type_ = f"DECIMAL(38, {scale(column.type)})" if is_decimal(column.type) else sql_type(column)
    wanted = []
    for value in queries.filter_values(each, column.type):
        name = f"v{len(values)}"
        values[name] = value
        wanted.append(f"CAST(${name} AS {type_})")
    if each.operator in queries.WITH_VALUES:
        return f"{cell} {'NOT ' if each.operator == 'not_in' else ''}IN ({', '.join(wanted)})"
    if each.operator in queries.OF_TEXT:
        return f"{each.operator}({cell}, {wanted[0]})"
    return f"{cell} {_COMPARED[each.operator]} {wanted[0]}"


def sql_type(column: Column) -> str:
    """The type that the column has in Parquet."""
    return column.type if is_decimal(column.type) else SQL_TYPES[column.type]


def finite(value: float | None) -> float | str | None:
    """JSON has no word for these three, so they are text, as in rows."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


class Interruptible(Protocol):
    """A connection, or what has several."""

    def interrupt(self) -> None: ...


@contextmanager
def time_limit(connection: Interruptible, seconds: float) -> Iterator[None]:
    """Interrupts whatever the connection does once the time is over: duckdb.InterruptException."""
    done = threading.Event()

    def stop() -> None:
        if not done.wait(max(seconds, 0)):
            # Again and again: an interrupt between two statements stops neither.
            while not done.wait(INTERRUPTED_EVERY_SECONDS):
                connection.interrupt()

    clock = threading.Thread(target=stop, daemon=True)
    clock.start()
    try:
        yield
    finally:
        done.set()
        clock.join()
