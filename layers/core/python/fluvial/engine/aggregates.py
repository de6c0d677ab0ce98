"""Groups and what is computed from their rows, as SQL: exact for integers and decimals, whatever their digits.

Each expression comes with the column that it makes, whose type and format say how its values are written.
"""

from __future__ import annotations

from collections.abc import Iterable

from fluvial import queries
from fluvial.engine.load import identifier
from fluvial.engine.manifest import Column
from fluvial.engine.temporal import offset_minutes, zone_of
from fluvial.query_values import scale

ADDED = ("sum", "avg")


def value(column: Column) -> str:
    """The cell, with one zero only: -0.0 and 0.0 are equal, and which one stood for both would be left to chance."""
    cell = identifier(column.name)
    return f"({cell} + CAST(0 AS DOUBLE))" if column.type == "float" else cell


def clock(column: Column) -> str:
    """The TIMESTAMP that the column's own clock shows for a date or a time with a date."""
    cell = identifier(column.name)
    if column.type != "timestamp_tz":
        return f"CAST({cell} AS TIMESTAMP)"
    # In UTC this is the cast to TIMESTAMP, which consults a table of zones for each row and takes ten times as long.
    return f"(make_timestamp(epoch_us({cell})) + INTERVAL ({offset_minutes(zone_of(str(column.format)))}) MINUTE)"


def days_of(bucket: str, moment: str) -> str:
    """The first day of the day, week, month, quarter or year in which the TIMESTAMP `moment` is."""
    return f"CAST(date_trunc('{bucket}', {moment}) AS DATE)"


def computed(function: str, column: Column | None) -> tuple[str, Column]:
    """An aggregate of `queries.FUNCTIONS`; without a column the number of rows."""
    if column is None:
        return "count(*)", Column("", "integer", "")
    cell = identifier(column.name)
    made = Column("", queries.result_type(function, column.type), "", column.format)
    if function == "count":
        return f"count({cell})", made
    if function == "count_distinct":
        return f"count(DISTINCT {value(column)})", made
    if function == "avg":
        # DuckDB's own avg adds integers and decimals up as floats.
        return f"CAST(sum({cell}) AS DOUBLE) / count({cell})", made
    if function == "median":
        return _median(column), made
    return f"{function}({value(column)})", made


def percentile(column: Column, share: str) -> tuple[str, Column]:
    """The least value such that a share of the values, a decimal literal from 0 to 1, is not above it.

    DuckDB counts with the literal's digits, not with a float that is near to it.
    """
    return f"quantile_disc({value(column)}, {share})", Column("", column.type, "", column.format)


def _median(column: Column) -> str:
    """The middle value, or of two the value between; DuckDB's own median rounds decimals and makes floats of integers.

    A share that is above a half by less than one in all rows finds the upper of the two.
    """
    both = f"quantile_disc({value(column)}, [0.5, 0.500000000001])"
    lower, upper = f"({both})[1]", f"({both})[2]"
    if column.type == "float":
        return f"(CASE WHEN {lower} = {upper} THEN {lower} ELSE {lower} * 0.5 + {upper} * 0.5 END)"
    exact = f"DECIMAL(37, {scale(column.type)})"
    wide = "HUGEINT" if column.type == "integer" else f"DECIMAL(38, {scale(column.type)})"
    return f"(CAST(CAST({lower} AS {wide}) + {upper} AS {exact}) * CAST('0.5' AS DECIMAL(1, 1)))"


def adds_floats(aggregates: Iterable[tuple[str, Column | None]]) -> bool:
    """Sums of floats depend on the order of adding, which only a single thread keeps."""
    return any(function in ADDED and column is not None and column.type == "float" for function, column in aggregates)
