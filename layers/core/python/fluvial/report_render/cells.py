"""Cells and labels as people read them: numbers by their format, dates as they are, buckets in short."""

from __future__ import annotations

from decimal import Decimal

from fluvial.chart_queries import ChartQuery
from fluvial.number_formats import PLAIN, NumberFormat, spelled
from fluvial.queries import Query
from fluvial.report_charts import columns_of, is_number
from fluvial.report_data import Cell, Result

NULL = "–"  # in a table; an empty text is empty


def text(cell: Cell, format: NumberFormat | None, language: str, bucket: str | None = None) -> str:
    """A cell that is not null. `bucket` is the one whose first day a date is."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, int | float | Decimal):
        return spelled(cell, format or PLAIN, language)
    return in_bucket(str(cell), bucket)


def in_bucket(day: str, bucket: str | None) -> str:
    """`2025-03`, `2025 Q1` or `2025` for the first day of a month, quarter or year; other days as they are."""
    match bucket:
        case "month":
            return day[:-3]
        case "quarter":
            return f"{day[:-6]} Q{(int(day[-5:-3]) + 2) // 3}"
        case "year":
            return day[:-6]
    return day


def buckets(query: Query | ChartQuery) -> dict[str, str]:
    """The buckets of a query's columns, of those that have one."""
    if isinstance(query, ChartQuery):
        dimension, series, *_ = columns_of(query)
        asked = [(dimension, query.dimension.bucket), (series, None if query.series is None else query.series.bucket)]
        return {name: bucket for name, bucket in asked if name is not None and bucket is not None}
    return {each.name: each.bucket for each in query.groups if each.bucket is not None}


def numeric(result: Result, name: str) -> bool:
    return is_number(result.types[name])
