"""Charts as people define them: a few words, checked, of which we make the drawing. Pure.

    {"type": "bar", "dimension": "month", "measures": ["revenue"], "series": "region", "arrangement": "stacked",
     "horizontal": false, "sort": {"by": "value", "order": "desc"}, "labels": false,
     "format": {"decimals": 0}, "x_format": null, "x_title": null, "y_title": "Revenue"}

`dimension`, `measures` and `series` name columns of the query's result. A chart over a question of `chart_queries` has
those of the question, and says none. Nobody gives a specification of Vega: that
would be a program, with addresses to fetch and expressions to run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fluvial import number_formats
from fluvial.chart_queries import CLOCK_BUCKETS, FUNCTIONS, ChartQuery, Dimension
from fluvial.errors import InvalidError
from fluvial.number_formats import NumberFormat
from fluvial.plain_json import fields_of, listed, name_of, one_of, shown, truth_of
from fluvial.queries import result_type
from fluvial.query_values import is_decimal
from fluvial.text import checked_line

ROUND = ("pie", "donut")
TYPES = ("bar", "line", "area", *ROUND, "scatter")
ARRANGEMENTS = ("grouped", "stacked")
SORTS = ("query", "dimension", "value")
ORDERS = ("asc", "desc")
MAX_MEASURES = 8
MAX_TITLE_LENGTH = 100
OF_QUESTION = ("dimension", "measures", "series", "sort")  # what a question of `chart_queries` says itself
FIELDS = (
    "type",
    "dimension",
    "measures",
    "series",
    "arrangement",
    "horizontal",
    "sort",
    "labels",
    "format",
    "x_format",
    "x_title",
    "y_title",
)


@dataclass(frozen=True, slots=True)
class Chart:
    """A checked chart. `dimension` is None of a scatter plot, whose measures are x and y.

    `sort_by` is query (as the rows come), dimension or value (the sum over all series).
    """

    type: str
    measures: tuple[str, ...]
    dimension: str | None = None
    series: str | None = None
    arrangement: str = "grouped"
    horizontal: bool = False
    sort_by: str = "query"
    descending: bool = False
    labels: bool = False
    format: NumberFormat | None = None
    x_format: NumberFormat | None = None
    x_title: str | None = None
    y_title: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(name for name in (self.dimension, self.series, *self.measures) if name is not None)

    def to_json(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "dimension": self.dimension,
            "measures": list(self.measures),
            "series": self.series,
            "arrangement": self.arrangement,
            "horizontal": self.horizontal,
            "sort": {"by": self.sort_by, "order": ORDERS[self.descending]},
            "labels": self.labels,
            "format": None if self.format is None else self.format.to_json(),
            "x_format": None if self.x_format is None else self.x_format.to_json(),
            "x_title": self.x_title,
            "y_title": self.y_title,
        }


def parse(given: object, *, field: str = "chart") -> Chart:
    """The chart that plain JSON values describe; InvalidError where they describe none."""
    return _parsed(fields_of(field, given, FIELDS), field)


def parse_over(query: ChartQuery, given: object, *, field: str = "chart") -> Chart:
    """The chart over an answer to this question, whose columns `columns_of` names."""
    fields = fields_of(field, given, tuple(name for name in FIELDS if name not in OF_QUESTION))
    dimension, series, *measures = columns_of(query)
    return _parsed({**fields, "dimension": dimension, "series": series, "measures": measures}, field)


def columns_of(query: ChartQuery) -> tuple[str, str | None, *tuple[str, ...]]:
    """What the columns of an answer are called: the dimension's, the series' and the measures'; each is another."""
    taken = [each.name for each in query.measures]
    names: list[str | None] = []
    for each in (query.dimension, query.series):
        name = None if each is None else each.column
        while name is not None and name in taken:
            name = f"{name} '"
        taken += [] if name is None else [name]
        names.append(name)
    return (str(names[0]), names[1], *(each.name for each in query.measures))


def types_of(query: ChartQuery, types: Mapping[str, str]) -> dict[str, str]:
    """The types of an answer's columns, of a source with these types by column name."""
    dimension, series, *measures = columns_of(query)
    found = {dimension: _bucketed(query.dimension, types)}
    if query.series is not None and series is not None:
        found[series] = _bucketed(query.series, types)
    for name, each in zip(measures, query.measures, strict=True):
        type_ = "" if each.column is None else types[each.column]
        function = FUNCTIONS.get(each.aggregation)
        found[str(name)] = type_ if function is None else result_type(function, type_)
    return found


def _bucketed(each: Dimension, types: Mapping[str, str]) -> str:
    if each.bucket is None:
        return types[each.column]
    return types[each.column] if each.bucket in CLOCK_BUCKETS else "date"


def _parsed(fields: Mapping[str, Any], field: str) -> Chart:
    type_ = one_of(f"{field}.type", fields.get("type"), TYPES)
    sort_by, descending = _sort(f"{field}.sort", fields.get("sort"))
    measures = _measures(f"{field}.measures", fields.get("measures"))
    several = len(measures) > 1 or fields.get("series") is not None
    natural = "stacked" if type_ == "area" and several else "grouped"
    chart = Chart(
        type=type_,
        measures=measures,
        dimension=_name(f"{field}.dimension", fields.get("dimension")),
        series=_name(f"{field}.series", fields.get("series")),
        arrangement=one_of(f"{field}.arrangement", fields.get("arrangement") or natural, ARRANGEMENTS),
        horizontal=truth_of(f"{field}.horizontal", fields.get("horizontal")),
        sort_by=sort_by,
        descending=descending,
        labels=truth_of(f"{field}.labels", fields.get("labels")),
        format=_format(f"{field}.format", fields.get("format")),
        x_format=_format(f"{field}.x_format", fields.get("x_format")),
        x_title=_title(f"{field}.x_title", fields.get("x_title")),
        y_title=_title(f"{field}.y_title", fields.get("y_title")),
    )
    _check_whole(chart, field)
    return chart


def check(chart: Chart, types: Mapping[str, str], *, field: str = "chart") -> None:
    """InvalidError where a column is not in the query's result, or is no number and has to be one."""
    for place, name in _named(chart):
        if name not in types:
            reason = f"The query's result has no column {shown(name)}."
            raise InvalidError(f"{field}.{place}", reason, value=name, constraint=", ".join(types))
    for at, name in enumerate(chart.measures):
        if types[name] and not is_number(types[name]):
            reason = f"A measure is a number; the type of {shown(name)} is {types[name]}."
            raise InvalidError(f"{field}.measures.{at}", reason, value=name)


def is_number(type_: str) -> bool:
    return type_ in ("integer", "float") or is_decimal(type_)


def _named(chart: Chart) -> list[tuple[str, str]]:
    places = [("dimension", chart.dimension), ("series", chart.series)]
    places += [(f"measures.{at}", name) for at, name in enumerate(chart.measures)]
    return [(place, name) for place, name in places if name is not None]


def _check_whole(chart: Chart, field: str) -> None:
    """What only the fields together show."""
    names = [name for _, name in _named(chart)]
    for at, (place, name) in enumerate(_named(chart)):
        if name in names[:at]:
            raise InvalidError(f"{field}.{place}", f"The column {shown(name)} is in the chart twice.", value=name)
    if chart.type == "scatter":
        if chart.dimension is not None:
            raise InvalidError(f"{field}.dimension", "A scatter plot has no dimension, but two measures: x and y.")
        if len(chart.measures) != 2:
            reason = "A scatter plot needs two measures: x and y."
            raise InvalidError(f"{field}.measures", reason, value=len(chart.measures), constraint="2 measures")
    elif chart.dimension is None:
        raise InvalidError(f"{field}.dimension", f"A chart of the type {chart.type} needs a dimension.")
    elif len(chart.measures) > 1 and chart.series is not None:
        reason = "A chart has either several measures or one measure in several series."
        raise InvalidError(f"{field}.series", reason, value=chart.series)
    if chart.type in ROUND and (len(chart.measures) != 1 or chart.series is not None):
        reason = f"A chart of the type {chart.type} needs one measure, and no series."
        raise InvalidError(f"{field}.measures", reason, value=len(chart.measures), constraint="1 measure")
    if chart.arrangement == "stacked" and chart.type not in ("bar", "area"):
        raise InvalidError(f"{field}.arrangement", "Only bars and areas can be stacked.", value="stacked")
    if chart.horizontal and chart.type != "bar":
        raise InvalidError(f"{field}.horizontal", "Only bars can be horizontal.", value=True)
    if chart.x_format is not None and chart.type != "scatter":
        raise InvalidError(f"{field}.x_format", "Only a scatter plot has numbers along both axes.")


def _measures(field: str, given: object) -> tuple[str, ...]:
    found = listed(field, given, MAX_MEASURES, name_of)
    if not found:
        allowed = f"1-{MAX_MEASURES} columns"
        raise InvalidError(field, f"'{field}' must be a list of {allowed}.", value=given, constraint=allowed)
    return found


def _name(field: str, given: object) -> str | None:
    return None if given is None else name_of(field, given)


def _sort(field: str, given: object) -> tuple[str, bool]:
    if given is None:
        return "query", False
    fields = fields_of(field, given, ("by", "order"))
    by, order = one_of(f"{field}.by", fields.get("by"), SORTS), fields.get("order")
    return by, order is not None and one_of(f"{field}.order", order, ORDERS) == "desc"


def _format(field: str, given: object) -> NumberFormat | None:
    return None if given is None else number_formats.parse(given, field=field)


def _title(field: str, given: object) -> str | None:
    return None if given is None else checked_line(field, name_of(field, given), MAX_TITLE_LENGTH)
