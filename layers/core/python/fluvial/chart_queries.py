"""What a chart asks of a dataset: labels along one dimension, and measures of the rows of each. Without an engine.

    {"dimension": {"column": "sold_at", "bucket": "day", "timeZone": "Europe/Berlin", "fill": true},
     "series":    {"column": "country", "limit": 5, "other": true},
     "measures":  [{"aggregation": "sum", "column": "price", "as": "revenue"},
                   {"aggregation": "percentile", "column": "price", "p": 95}],
     "filters":   [{"column": "status", "operator": "eq", "value": "paid"}],      as in `queries`
     "sort":      [{"by": "label", "order": "asc"}],                              or the name of a measure
     "limit":     100,
     "other":     false}

`dimension` and `series` may be the name of a column. A measure without "as" is called "sum(price)", "count",
"percentile(price, 95)". `limit` keeps the first labels, and `other` adds one for all rows of the rest. The limit of the
series keeps those with the greatest first measure.

The shape is checked first (`parse`), columns and values once the dataset's columns are known (`check`). Every refusal
names the place, such as `measures.0.column`; only whether a time zone exists the engine alone knows.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fluvial import queries
from fluvial.errors import InvalidError
from fluvial.plain_json import fields_of, listed, name_of, one_of, shown, truth_of, whole_of
from fluvial.text import checked_line

MAX_MEASURES = 20
MAX_LABELS = 10_000  # and, with `fill`, buckets
MAX_SERIES = 100
MAX_CELLS = 200_000  # values of one answer
MAX_ZONE_LENGTH = 64
PERCENTILE_DIGITS = 4  # after the point of p

CLOCK_BUCKETS = ("minute", "hour")
BUCKETS = (*CLOCK_BUCKETS, *queries.BUCKETS)
# The words of the API's document, each with the function that it is in `queries`.
FUNCTIONS = {
    "count": "count",
    "distinct": "count_distinct",
    "sum": "sum",
    "avg": "avg",
    "min": "min",
    "max": "max",
    "median": "median",
}
PERCENTILE = "percentile"
AGGREGATIONS = (*FUNCTIONS, PERCENTILE)
LABEL = "label"  # what `sort` calls the labels
ETAG_FORM = 1  # goes up when the same question gets another answer
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")


@dataclass(frozen=True, slots=True)
class Dimension:
    """A column whose values, or the buckets of time that they are in, make the labels or the series.

    Without a zone the buckets are those of the clock that the column's cells show. With `fill`, buckets without rows
    between the first and the last are there, too.
    """

    column: str
    bucket: str | None = None
    time_zone: str | None = None
    fill: bool = False


@dataclass(frozen=True, slots=True)
class Measure:
    """What is computed from the rows of a label. `p` is a percentile's, from 0 to 100; without a column, rows count."""

    aggregation: str
    name: str
    column: str | None = None
    p: float | None = None

    @property
    def share(self) -> str:
        """A percentile's p as a share of 1, with exactly its digits."""
        return f"{Decimal(repr(self.p)) / 100:f}"


@dataclass(frozen=True, slots=True)
class ChartQuery:
    """A whole question. `sort` is by `label` or by names of measures; all defaults are spelled out."""

    dimension: Dimension
    measures: tuple[Measure, ...]
    series: Dimension | None
    series_limit: int
    series_other: bool
    filters: tuple[queries.Filter, ...]
    sort: tuple[queries.Sort, ...]
    limit: int
    other: bool

    def to_json(self) -> dict[str, Any]:
        """The question with nothing left out; `parse` makes an equal one of it."""
        series = None
        if self.series is not None:
            series = {**_zoned_json(self.series), "limit": self.series_limit, "other": self.series_other}
        return {
            "dimension": {**_zoned_json(self.dimension), "fill": self.dimension.fill},
            "series": series,
            "measures": [
                {"aggregation": each.aggregation, "column": each.column, "p": each.p, "as": each.name}
                for each in self.measures
            ],
            "filters": [queries.filter_json(each) for each in self.filters],
            "sort": [{"by": each.by, "order": queries.ORDERS[each.descending]} for each in self.sort],
            "limit": self.limit,
            "other": self.other,
        }


def _zoned_json(each: Dimension) -> dict[str, Any]:
    return {"column": each.column, "bucket": each.bucket, "timeZone": each.time_zone}


def parse(given: object, *, field: str = "chart") -> ChartQuery:
    """The question that plain JSON values describe; InvalidError where they describe none.

    `field` is what the places in refusals begin with; with "" they are those of a body of its own.
    """
    known = ("dimension", "series", "measures", "filters", "sort", "limit", "other")
    fields = fields_of(field or "body", given, known)
    at = inside(field)
    dimension = _dimension(f"{at}dimension", fields.get("dimension"))
    series, series_limit, series_other = _series(f"{at}series", fields.get("series"))
    measures = listed(f"{at}measures", fields.get("measures"), MAX_MEASURES, _measure)
    if not measures:
        raise InvalidError(
            f"{at}measures", "A chart needs at least one measure.", constraint=f"1-{MAX_MEASURES} measures"
        )
    _check_names(f"{at}measures", measures)
    other = truth_of(f"{at}other", fields.get("other"))
    sort = listed(f"{at}sort", _as_list(fields.get("sort")), MAX_MEASURES + 1, _sort)
    _check_sort(f"{at}sort", sort, dimension, measures)
    # The rest of the labels says something only where the first of them do.
    sort = sort or (queries.Sort(measures[0].name, True) if other and not dimension.fill else queries.Sort(LABEL),)
    return ChartQuery(
        dimension,
        measures,
        series,
        series_limit,
        series_other,
        queries.parse_filters(fields.get("filters"), field=f"{at}filters"),
        sort,
        _limit(f"{at}limit", fields.get("limit"), MAX_LABELS),
        other,
    )


def check(query: ChartQuery, types: Mapping[str, str], *, field: str = "chart") -> None:
    """InvalidError where the question does not fit a dataset with these types by column name."""
    at = inside(field)
    queries.check_filters(query.filters, types, field=f"{at}filters")
    _check_dimension(f"{at}dimension", query.dimension, types)
    if query.series is not None:
        _check_dimension(f"{at}series", query.series, types)
    for number, each in enumerate(query.measures):
        if each.column is not None:
            place = f"{at}measures.{number}"
            _check_measure(place, each, queries.type_of(f"{place}.column", each.column, types))


def etag(query: ChartQuery, dataset: int, version: int) -> str:
    """An entity tag of the answer, which changes with the question and the version of the dataset, and with no more.

    The order of the filters is not part of the question, for all of them must hold.
    """
    asked = query.to_json()
    asked["filters"] = sorted(asked["filters"], key=lambda each: json.dumps(each, sort_keys=True))
    text = json.dumps([ETAG_FORM, dataset, version, asked], sort_keys=True, separators=(",", ":"))
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def inside(field: str) -> str:
    """What places inside of `field` begin with."""
    return f"{field}." if field else ""


def _dimension(field: str, given: object) -> Dimension:
    known = _members(field, given, ("column", "bucket", "timeZone", "fill"))
    found = _zoned(field, known, truth_of(f"{field}.fill", known.get("fill")))
    if found.fill and found.bucket is None:
        reason = f"'{field}.fill' fills gaps between buckets of time: say which with 'bucket'."
        raise InvalidError(f"{field}.fill", reason, value=True, constraint=", ".join(BUCKETS))
    return found


def _series(field: str, given: object) -> tuple[Dimension | None, int, bool]:
    if given is None:
        return None, MAX_SERIES, False
    known = _members(field, given, ("column", "bucket", "timeZone", "limit", "other"))
    limit = _limit(f"{field}.limit", known.get("limit"), MAX_SERIES)
    return _zoned(field, known, False), limit, truth_of(f"{field}.other", known.get("other"))


def _members(field: str, given: object, known: tuple[str, ...]) -> Mapping[str, Any]:
    if isinstance(given, str):
        return {"column": given}
    if not isinstance(given, Mapping):
        allowed = "the name of a column, or an object that has it as 'column'"
        raise InvalidError(field, f"'{field}' must be {allowed}.", constraint=allowed)
    return fields_of(field, given, known)


def _zoned(field: str, fields: Mapping[str, Any], fill: bool) -> Dimension:
    column = name_of(f"{field}.column", fields.get("column"))
    bucket, zone = fields.get("bucket"), fields.get("timeZone")
    if bucket is not None:
        bucket = one_of(f"{field}.bucket", bucket, BUCKETS)
    if zone is not None:
        place, allowed = f"{field}.timeZone", "a name of the IANA time zone database, such as Europe/Berlin or UTC"
        if not isinstance(zone, str) or len(zone) > MAX_ZONE_LENGTH or not _ZONE.fullmatch(zone):
            raise InvalidError(place, f"'{place}' must be {allowed}.", value=zone, constraint=allowed)
        if bucket is None:
            reason = f"'{place}' says where days and hours begin: it needs a 'bucket'."
            raise InvalidError(place, reason, value=zone, constraint=", ".join(BUCKETS))
    return Dimension(column, bucket, zone, fill)


def _measure(field: str, given: object) -> Measure:
    fields = fields_of(field, given, ("column", "aggregation", "p", "as"))
    aggregation = one_of(f"{field}.aggregation", fields.get("aggregation"), AGGREGATIONS)
    column, p, name = fields.get("column"), fields.get("p"), fields.get("as")
    if column is not None:
        column = name_of(f"{field}.column", column)
    elif aggregation != "count":
        raise InvalidError(f"{field}.column", f"'{aggregation}' needs a column.", value=None, constraint="a column")
    if aggregation == PERCENTILE:
        p = _percentage(f"{field}.p", p)
    elif p is not None:
        raise InvalidError(f"{field}.p", f"Only '{PERCENTILE}' has a p.", value=p, constraint="null")
    if name is not None:
        name = checked_line(f"{field}.as", name_of(f"{field}.as", name), queries.MAX_NAME_LENGTH)
    return Measure(aggregation, name or _measure_name(aggregation, column, p), column, p)


def _measure_name(aggregation: str, column: str | None, p: float | None) -> str:
    if column is None:
        return aggregation
    return f"{aggregation}({column})" if p is None else f"{aggregation}({column}, {p:g})"


def _percentage(field: str, given: object) -> float:
    allowed = f"a number from 0 to 100 with at most {PERCENTILE_DIGITS} digits after the point, such as 95"
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 100:
        raise InvalidError(field, f"'{field}' must be {allowed}.", value=given, constraint=allowed)
    if -int(Decimal(repr(float(given))).normalize().as_tuple().exponent) > PERCENTILE_DIGITS:
        raise InvalidError(field, f"'{field}' must be {allowed}.", value=given, constraint=allowed)
    return abs(float(given))


def _limit(field: str, given: object, most: int) -> int:
    return most if given is None else whole_of(field, given, most)


def _as_list(given: object) -> object:
    return [given] if isinstance(given, Mapping) else given


def _sort(field: str, given: object) -> queries.Sort:
    fields = fields_of(field, given, ("by", "order"))
    order = fields.get("order")
    descending = order is not None and one_of(f"{field}.order", order, queries.ORDERS) == "desc"
    return queries.Sort(name_of(f"{field}.by", fields.get("by")), descending)


def _check_names(field: str, measures: tuple[Measure, ...]) -> None:
    for at, each in enumerate(measures):
        if each.name == LABEL:
            reason = f"A measure cannot be called '{LABEL}', which 'sort' has for the labels."
            raise InvalidError(f"{field}.{at}.as", reason, value=each.name, constraint="another name")
        if any(each.name == other.name for other in measures[:at]):
            reason = f"Two measures would be called {shown(each.name)}: name one of them with 'as'."
            raise InvalidError(f"{field}.{at}.as", reason, value=each.name, constraint="another name")


def _check_sort(
    field: str, sort: tuple[queries.Sort, ...], dimension: Dimension, measures: tuple[Measure, ...]
) -> None:
    allowed = [LABEL, *(each.name for each in measures)]
    for at, each in enumerate(sort):
        if each.by not in allowed:
            reason = f"The chart has no {shown(each.by)} to sort by: take '{LABEL}' or the name of a measure."
            raise InvalidError(f"{field}.{at}.by", reason, value=each.by, constraint=", ".join(allowed))
        if any(each.by == other.by for other in sort[:at]):
            reason = f"The labels are sorted by {shown(each.by)} already."
            raise InvalidError(f"{field}.{at}.by", reason, value=each.by, constraint="each at most once")
        if dimension.fill and each.by != LABEL:
            reason = "Where gaps are filled, the labels are in the order of time: sort by 'label'."
            raise InvalidError(f"{field}.{at}.by", reason, value=each.by, constraint=LABEL)


def _check_dimension(field: str, each: Dimension, types: Mapping[str, str]) -> None:
    type_ = queries.type_of(f"{field}.column", each.column, types)
    if each.bucket is not None and type_ not in queries.BUCKETED:
        reason = f"Only dates and timestamps have buckets; the type of {shown(each.column)} is {type_}."
        raise InvalidError(f"{field}.bucket", reason, value=each.bucket, constraint=", ".join(queries.BUCKETED))
    if each.bucket in CLOCK_BUCKETS and type_ == "date":
        reason = f"{shown(each.column)} has dates, which have no {each.bucket}s."
        raise InvalidError(f"{field}.bucket", reason, value=each.bucket, constraint=", ".join(queries.BUCKETS))
    if each.time_zone is not None and type_ != "timestamp_tz":
        reason = (
            f"Only moments can be told in a time zone; the type of {shown(each.column)} is {type_}, "
            "which does not say in which zone its values are."
        )
        raise InvalidError(f"{field}.timeZone", reason, value=each.time_zone, constraint="timestamp_tz")


def _check_measure(field: str, each: Measure, type_: str) -> None:
    if each.aggregation != PERCENTILE:
        queries.check_function(
            f"{field}.aggregation", queries.Aggregate(FUNCTIONS[each.aggregation], each.name, each.column), type_
        )
    elif type_ in ("text", "boolean"):
        reason = f"'{PERCENTILE}' needs numbers, dates or times; the type of {shown(each.column)} is {type_}."
        raise InvalidError(f"{field}.aggregation", reason, value=PERCENTILE)
