"""What a chart draws: labels along one axis, and a number or a gap for each in every series.

It is made of a query's rows. Whatever is not drawn is told in `notes`, as a word of `words` with its numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

from fluvial.number_formats import exact
from fluvial.report_charts import ROUND, Chart
from fluvial.report_data import Cell, Result

MAX_SERIES = 8  # as many colours as can be told apart
MAX_BARS = 60
MAX_POINTS = 5_000
MAX_SLICES = 10

Number = int | float | Decimal
Note = tuple[str, dict[str, Any]]


class NotDrawableError(Exception):
    """The data makes no such chart; `word` is the reason, by its name in `words`."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


@dataclass(slots=True)
class Series:
    """A name (None where there is only one, which needs none) and a value or a gap for each label."""

    name: Cell
    values: list[Number | None]


@dataclass(slots=True)
class ChartData:
    """`days` has the labels as days since 1970 where all are dates, as they are along an axis of time."""

    labels: list[Cell]
    series: list[Series]
    days: list[float] | None = None
    notes: list[Note] = field(default_factory=list)
    folded: bool = False


@dataclass(slots=True)
class Points:
    """What a scatter plot draws: points by series."""

    series: list[tuple[Cell, list[tuple[Number, Number]]]]
    notes: list[Note] = field(default_factory=list)


def of(chart: Chart, result: Result) -> ChartData:
    """The data of any chart but a scatter plot. NotDrawableError where the rows make none."""
    assert chart.dimension is not None
    labels = list(dict.fromkeys(result.column(chart.dimension)))
    data = ChartData(labels, _series(chart, result, labels))
    missing = [_number(value) is None for name in chart.measures for value in result.column(name)]
    if any(missing):
        data.notes.append(("not_drawn", {"count": sum(missing), "all": len(missing)}))
    _keep_largest_series(data)
    _sort(chart, data)
    if chart.type in ROUND:
        _fold(data)
    elif chart.type == "bar":
        _keep_first(data, MAX_BARS)
    else:
        _keep_first(data, MAX_POINTS)
        data.days = _days(data.labels)
    return data


def points(chart: Chart, result: Result) -> Points:
    """The data of a scatter plot."""
    names = [None] * len(result.rows) if chart.series is None else result.column(chart.series)
    found: dict[Cell, list[tuple[Number, Number]]] = {}
    missing = 0
    for name, *place in zip(names, *(result.column(each) for each in chart.measures), strict=True):
        x, y = (_number(each) for each in place)
        if x is None or y is None:
            missing += 1
        else:
            found.setdefault(name, []).append((x, y))
    data = Points(list(found.items()))
    if missing:
        data.notes.append(("not_drawn", {"count": missing, "all": len(result.rows)}))
    if len(data.series) > MAX_SERIES:
        data.notes.append(("series_left_out", {"shown": MAX_SERIES, "all": len(data.series)}))
        data.series = sorted(data.series, key=lambda each: -len(each[1]))[:MAX_SERIES]
    total = sum(len(each) for _, each in data.series)
    if total > MAX_POINTS:
        data.notes.append(("points_left_out", {"shown": MAX_POINTS, "all": total}))
        left = MAX_POINTS
        for at, (name, each) in enumerate(data.series):
            data.series[at] = (name, each[:left])
            left -= len(data.series[at][1])
        data.series = [each for each in data.series if each[1]]
    return data


def _series(chart: Chart, result: Result, labels: Sequence[Cell]) -> list[Series]:
    assert chart.dimension is not None
    at = {label: index for index, label in enumerate(labels)}
    places = [at[label] for label in result.column(chart.dimension)]
    if chart.series is None:
        if len(places) != len(labels):
            raise NotDrawableError("duplicates")
        only = len(chart.measures) == 1
        return [
            Series(None if only else name, [_number(value) for value in result.column(name)]) for name in chart.measures
        ]
    found: dict[Cell, list[Number | None]] = {}
    taken: set[tuple[Cell, int]] = set()
    for place, name, value in zip(places, result.column(chart.series), result.column(chart.measures[0]), strict=True):
        if (name, place) in taken:
            raise NotDrawableError("duplicates")
        taken.add((name, place))
        found.setdefault(name, [None] * len(labels))[place] = _number(value)
    return [Series(name, values) for name, values in found.items()]


def _number(value: Cell) -> Number | None:
    if value is None or isinstance(value, str | bool) or (isinstance(value, float) and not isfinite(value)):
        return None
    return value


def total(values: Sequence[Number | None]) -> Decimal:
    """The exact sum; gaps count nothing."""
    return sum((exact(value) for value in values if value is not None), Decimal(0))


def _keep_largest_series(data: ChartData) -> None:
    if len(data.series) > MAX_SERIES:
        data.notes.append(("series_left_out", {"shown": MAX_SERIES, "all": len(data.series)}))
        kept = sorted(
            data.series, key=lambda each: -sum(abs(exact(value)) for value in each.values if value is not None)
        )
        data.series = [each for each in data.series if each in kept[:MAX_SERIES]]


def _sort(chart: Chart, data: ChartData) -> None:
    order = list(range(len(data.labels)))
    if chart.sort_by == "value":
        sums = [total([each.values[at] for each in data.series]) for at in order]
        order.sort(key=lambda at: -sums[at] if chart.descending else sums[at])
    elif chart.sort_by == "dimension" or (chart.type in ("line", "area") and _days(data.labels)):
        # Time runs to the right whatever the rows' order is; nulls stand last.
        known = [at for at in order if data.labels[at] is not None]
        known.sort(key=lambda at: _key(data.labels[at]), reverse=chart.descending)
        order = known + [at for at in order if data.labels[at] is None]
    _take(data, order)


def _key(label: Cell) -> Any:
    return label if isinstance(label, str) else exact(label)  # type: ignore[arg-type]


def _take(data: ChartData, order: Sequence[int]) -> None:
    data.labels = [data.labels[at] for at in order]
    for each in data.series:
        each.values = [each.values[at] for at in order]


def _keep_first(data: ChartData, most: int) -> None:
    if len(data.labels) > most:
        data.notes.append(("labels_left_out", {"shown": most, "all": len(data.labels)}))
        _take(data, range(most))


def _fold(data: ChartData) -> None:
    """Slices: gaps go, and the smallest become one, which a sum of parts allows."""
    values = data.series[0].values if data.series else []
    if any(value is not None and value < 0 for value in values):
        raise NotDrawableError("negative")
    _take(data, [at for at, value in enumerate(values) if value])
    values = data.series[0].values if data.series else []
    if data.labels == []:
        raise NotDrawableError("zero")
    if len(values) <= MAX_SLICES:
        return
    largest = sorted(range(len(values)), key=lambda at: -exact(values[at] or 0))[: MAX_SLICES - 1]
    rest = total([value for at, value in enumerate(values) if at not in largest])
    count = len(values) - len(largest)
    data.notes.append(("folded", {"count": count, "all": len(values)}))
    _take(data, sorted(largest))
    data.labels.append(None)
    data.series[0].values.append(rest)
    data.folded = True


def _days(labels: Sequence[Cell]) -> list[float] | None:
    """The labels as days since 1970 if every one is a date or a time; None otherwise."""
    found = []
    for label in labels:
        if not isinstance(label, str) or len(label) < len("2025-01-01"):
            return None
        try:
            moment = datetime.fromisoformat(label).replace(tzinfo=None)
        except ValueError:
            return None
        seconds = (moment - datetime.combine(moment.date(), datetime.min.time())).total_seconds()
        found.append(moment.date().toordinal() - date(1970, 1, 1).toordinal() + seconds / 86_400)
    return found or None
