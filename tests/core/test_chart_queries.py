"""The shape of a chart's question, what it may ask of which column, and the place that every refusal names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given as given_that
from hypothesis import strategies as st

from fluvial import chart_queries
from fluvial.chart_queries import ChartQuery, Dimension, Measure, check, etag, parse
from fluvial.errors import InvalidError
from fluvial.queries import Filter, Sort

TYPES = {
    "n": "integer",
    "price": "decimal(18,2)",
    "tiny": "decimal(38,38)",
    "ratio": "float",
    "on": "boolean",
    "day": "date",
    "at": "timestamp",
    "zoned": "timestamp_tz",
    "clock": "time",
    "name": "text",
}
COUNT = {"aggregation": "count"}
BUCKETS = "minute, hour, day, week, month, quarter, year"
PERCENTAGE = "a number from 0 to 100 with at most 4 digits after the point, such as 95"
COLUMN = "the name of a column, or an object that has it as 'column'"
ZONE = "a name of the IANA time zone database, such as Europe/Berlin or UTC"


def by(dimension: Any = "name", *measures: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"dimension": dimension, "measures": list(measures) or [COUNT], **more}


def test_the_shortest_question_has_every_default() -> None:
    query = parse(by("name"))
    assert query == ChartQuery(
        Dimension("name"), (Measure("count", "count"),), None, 100, False, (), (Sort("label"),), 10_000, False
    )
    check(query, TYPES)


def test_a_question_is_read_and_written_with_nothing_left_out() -> None:
    given = {
        "dimension": {"column": "zoned", "bucket": "hour", "timeZone": "Europe/Berlin", "fill": True},
        "series": {"column": "name", "limit": 5, "other": True},
        "measures": [
            {"aggregation": "sum", "column": "price", "as": "revenue"},
            {"aggregation": "percentile", "column": "n", "p": 99.9},
            COUNT,
        ],
        "filters": [{"column": "name", "operator": "in", "value": ["a", "b"]}],
        "sort": {"by": "label", "order": "desc"},
        "limit": 24,
        "other": True,
    }
    query = parse(given)
    assert query == ChartQuery(
        Dimension("zoned", "hour", "Europe/Berlin", fill=True),
        (
            Measure("sum", "revenue", "price"),
            Measure("percentile", "percentile(n, 99.9)", "n", 99.9),
            Measure("count", "count"),
        ),
        Dimension("name"),
        5,
        True,
        (Filter("name", "in", ["a", "b"]),),
        (Sort("label", descending=True),),
        24,
        True,
    )
    assert query.to_json() == {
        "dimension": {"column": "zoned", "bucket": "hour", "timeZone": "Europe/Berlin", "fill": True},
        "series": {"column": "name", "bucket": None, "timeZone": None, "limit": 5, "other": True},
        "measures": [
            {"aggregation": "sum", "column": "price", "p": None, "as": "revenue"},
            {"aggregation": "percentile", "column": "n", "p": 99.9, "as": "percentile(n, 99.9)"},
            {"aggregation": "count", "column": None, "p": None, "as": "count"},
        ],
        "filters": given["filters"],
        "sort": [{"by": "label", "order": "desc"}],
        "limit": 24,
        "other": True,
    }
    assert parse(query.to_json()) == query
    check(query, TYPES)


def test_the_rest_is_that_of_the_greatest_unless_something_else_is_sorted_by() -> None:
    revenue = {"aggregation": "sum", "column": "price"}
    assert parse(by("name", revenue, other=True)).sort == (Sort("sum(price)", descending=True),)
    assert parse(by("name", revenue, other=True, sort=[{"by": "label"}])).sort == (Sort("label"),)
    filled = {"column": "day", "bucket": "day", "fill": True}
    assert parse(by(filled, revenue, other=True)).sort == (Sort("label"),)


@pytest.mark.parametrize(
    ("p", "share"), [(0, "0"), (95, "0.95"), (99.9, "0.999"), (100, "1"), (7, "0.07"), (1e-4, "0.000001")]
)
def test_a_percentile_has_exactly_the_digits_that_were_given(p: float, share: str) -> None:
    (measure,) = parse(by("name", {"aggregation": "percentile", "column": "n", "p": p})).measures
    assert float(measure.share) == float(share)
    assert measure.share.rstrip("0").rstrip(".") == share


def refusal(given: Any, **how: Any) -> InvalidError:
    with pytest.raises(InvalidError) as refused:
        check(parse(given, **how), TYPES, **how)
    return refused.value


@pytest.mark.parametrize(
    ("given", "field", "value", "allowed", "reason"),
    [
        (None, "chart", None, "an object", "'chart' must be an object."),
        (
            by(top=3),
            "chart",
            "top",
            "dimension, series, measures, filters, sort, limit, other",
            "'chart' has no field 'top'.",
        ),
        ({"measures": [COUNT]}, "chart.dimension", None, COLUMN, f"'chart.dimension' must be {COLUMN}."),
        (by(series=["name"]), "chart.series", None, COLUMN, f"'chart.series' must be {COLUMN}."),
        (by({"bucket": "day"}), "chart.dimension.column", None, "text", "'chart.dimension.column' must be text."),
        (
            by({"column": "name", "limit": 3}),
            "chart.dimension",
            "limit",
            "column, bucket, timeZone, fill",
            "'chart.dimension' has no field 'limit'.",
        ),
        (
            by(series={"column": "name", "fill": True}),
            "chart.series",
            "fill",
            "column, bucket, timeZone, limit, other",
            "'chart.series' has no field 'fill'.",
        ),
        (
            by({"column": "day", "bucket": "decade"}),
            "chart.dimension.bucket",
            "decade",
            BUCKETS,
            f"'chart.dimension.bucket' must be one of: {BUCKETS}.",
        ),
        (
            by({"column": "day", "fill": "yes"}),
            "chart.dimension.fill",
            "yes",
            "true, false",
            "'chart.dimension.fill' must be true or false.",
        ),
        (
            by({"column": "day", "fill": True}),
            "chart.dimension.fill",
            True,
            BUCKETS,
            "'chart.dimension.fill' fills gaps between buckets of time: say which with 'bucket'.",
        ),
        (
            by({"column": "zoned", "bucket": "day", "timeZone": "'); DROP TABLE x; --"}),
            "chart.dimension.timeZone",
            "'); DROP TABLE x; --",
            ZONE,
            f"'chart.dimension.timeZone' must be {ZONE}.",
        ),
        (
            by({"column": "zoned", "timeZone": "UTC"}),
            "chart.dimension.timeZone",
            "UTC",
            BUCKETS,
            "'chart.dimension.timeZone' says where days and hours begin: it needs a 'bucket'.",
        ),
        (
            {"dimension": "name", "measures": []},
            "chart.measures",
            None,
            "1-20 measures",
            "A chart needs at least one measure.",
        ),
        (
            by("name", *[COUNT] * 21),
            "chart.measures",
            21,
            "at most 20",
            "'chart.measures' must have at most 20 entries, not 21.",
        ),
        (
            by("name", {"aggregation": "mean", "column": "n"}),
            "chart.measures.0.aggregation",
            "mean",
            "count, distinct, sum, avg, min, max, median, percentile",
            "'chart.measures.0.aggregation' must be one of: count, distinct, sum, avg, min, max, median, percentile.",
        ),
        (
            by("name", COUNT, {"aggregation": "sum"}),
            "chart.measures.1.column",
            None,
            "a column",
            "'sum' needs a column.",
        ),
        (
            by("name", {"aggregation": "avg", "column": "n", "p": 5}),
            "chart.measures.0.p",
            5,
            "null",
            "Only 'percentile' has a p.",
        ),
        (
            by("name", COUNT, COUNT),
            "chart.measures.1.as",
            "count",
            "another name",
            "Two measures would be called 'count': name one of them with 'as'.",
        ),
        (
            by("name", {**COUNT, "as": "label"}),
            "chart.measures.0.as",
            "label",
            "another name",
            "A measure cannot be called 'label', which 'sort' has for the labels.",
        ),
        (
            by(sort=[{"by": "n"}]),
            "chart.sort.0.by",
            "n",
            "label, count",
            "The chart has no 'n' to sort by: take 'label' or the name of a measure.",
        ),
        (
            by(sort=[{"by": "label"}, {"by": "label", "order": "desc"}]),
            "chart.sort.1.by",
            "label",
            "each at most once",
            "The labels are sorted by 'label' already.",
        ),
        (
            by({"column": "day", "bucket": "day", "fill": True}, sort=[{"by": "count"}]),
            "chart.sort.0.by",
            "count",
            "label",
            "Where gaps are filled, the labels are in the order of time: sort by 'label'.",
        ),
        (by(limit=0), "chart.limit", 0, "1-10000", "'chart.limit' must be a whole number, 1-10000."),
        (by(limit=True), "chart.limit", True, "1-10000", "'chart.limit' must be a whole number, 1-10000."),
        (
            by(series={"column": "name", "limit": 101}),
            "chart.series.limit",
            101,
            "1-100",
            "'chart.series.limit' must be a whole number, 1-100.",
        ),
        (by(other="Rest"), "chart.other", "Rest", "true, false", "'chart.other' must be true or false."),
        (by("town"), "chart.dimension.column", "town", ", ".join(TYPES), "The data has no column 'town'."),
        (by(series="NAME"), "chart.series.column", "NAME", ", ".join(TYPES), "The data has no column 'NAME'."),
        (
            by("name", {"aggregation": "min", "column": "x"}),
            "chart.measures.0.column",
            "x",
            ", ".join(TYPES),
            "The data has no column 'x'.",
        ),
        (
            by({"column": "name", "bucket": "day"}),
            "chart.dimension.bucket",
            "day",
            "date, timestamp, timestamp_tz",
            "Only dates and timestamps have buckets; the type of 'name' is text.",
        ),
        (
            by({"column": "day", "bucket": "hour"}),
            "chart.dimension.bucket",
            "hour",
            "day, week, month, quarter, year",
            "'day' has dates, which have no hours.",
        ),
        (
            by(series={"column": "at", "bucket": "day", "timeZone": "UTC"}),
            "chart.series.timeZone",
            "UTC",
            "timestamp_tz",
            "Only moments can be told in a time zone; the type of 'at' is timestamp, which does not say in which zone "
            "its values are.",
        ),
        (
            by("name", {"aggregation": "sum", "column": "day"}),
            "chart.measures.0.aggregation",
            "sum",
            None,
            "'sum' needs numbers; the type of 'day' is date.",
        ),
        (
            by("name", {"aggregation": "median", "column": "tiny"}),
            "chart.measures.0.aggregation",
            "median",
            None,
            "'median' needs one digit more than 'tiny' has room for: its type is decimal(38,38).",
        ),
        (
            by("name", {"aggregation": "percentile", "column": "on", "p": 5}),
            "chart.measures.0.aggregation",
            "percentile",
            None,
            "'percentile' needs numbers, dates or times; the type of 'on' is boolean.",
        ),
        (
            by(filters=[{"column": "n", "operator": "eq", "value": "x"}]),
            "chart.filters.0.value",
            "x",
            "a whole number of 64 bits",
            "'chart.filters.0.value' must be a whole number of 64 bits, as the column's type asks.",
        ),
    ],
)
def test_a_refusal_names_the_place_the_value_and_what_is_allowed(
    given: Any, field: str, value: Any, allowed: str | None, reason: str
) -> None:
    refused = refusal(given)
    assert (refused.field, refused.value, refused.constraint, refused.reason) == (field, value, allowed, reason)


@pytest.mark.parametrize("p", [None, True, "95", -1, 100.5, 1e-5, 12.34567, float("nan"), float("inf")])
def test_a_percentile_is_between_0_and_100(p: Any) -> None:
    refused = refusal(by("name", {"aggregation": "percentile", "column": "n", "p": p}))
    assert (refused.field, refused.constraint) == ("chart.measures.0.p", PERCENTAGE)
    assert refused.reason == f"'chart.measures.0.p' must be {PERCENTAGE}."


def test_a_question_that_is_a_body_of_its_own_has_short_places() -> None:
    assert refusal(by(limit=0), field="").field == "limit"
    assert refusal(by("town"), field="").field == "dimension.column"
    assert refusal(by("town"), field="sections.2.chart").field == "sections.2.chart.dimension.column"
    assert refusal([], field="").reason == "'body' must be an object."


def test_an_etag_is_that_of_question_dataset_and_version() -> None:
    first = {"column": "n", "operator": "ge", "value": 1}
    second = {"column": "name", "operator": "is_null"}
    tag = etag(parse(by(filters=[first, second])), 1, 2)
    assert tag.startswith('"')
    assert tag.endswith('"')
    assert len(tag) == 34
    # The same question, spelled otherwise.
    given = by({"column": "name", "bucket": None}, filters=[second, first], limit=10_000, sort={"by": "label"})
    assert etag(parse(given), 1, 2) == tag
    others = [
        etag(parse(by(filters=[first, second])), 1, 3),
        etag(parse(by(filters=[first, second])), 2, 2),
        etag(parse(by(filters=[first])), 1, 2),
        etag(parse(by("n", filters=[first, second])), 1, 2),
        etag(parse(by(filters=[first, second], series="n")), 1, 2),
        etag(parse(by(filters=[first, second], limit=3)), 1, 2),
    ]
    assert len({tag, *others}) == 7


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(sorted(TYPES)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("dimension", "series", "measures", "filters", "sort", "limit", "other")
PARTS = ("column", "bucket", "timeZone", "fill", "aggregation", "p", "as", "by", "order", "limit", "other")
OBJECTS = st.dictionaries(st.sampled_from(PARTS), JSON | st.sampled_from(chart_queries.BUCKETS), max_size=4)


@given_that(st.dictionaries(st.sampled_from(FIELDS), JSON | OBJECTS | st.lists(OBJECTS, max_size=2)) | JSON)
def test_whatever_is_sent_is_read_or_refused_with_its_place(given: Any) -> None:
    refused = None
    try:
        query = parse(given)
        assert parse(json.loads(json.dumps(query.to_json()))) == query
        check(query, TYPES)
    except InvalidError as error:
        refused = error
    assert refused is None or (refused.field or "").split(".")[0] == "chart"
