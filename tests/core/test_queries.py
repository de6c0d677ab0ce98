"""The shape of a query, what it may ask of which column, and the place that every refusal names."""

from __future__ import annotations

from typing import Any

import pytest

from fluvial import queries
from fluvial.errors import InvalidError
from fluvial.queries import Aggregate, Filter, Group, Query, Sort
from fluvial.query_values import bound

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
COUNT = {"function": "count", "as": "rows"}


def refusal(given: Any) -> tuple[str | None, str]:
    """Field and reason with which a query is refused, by its shape or against TYPES."""
    with pytest.raises(InvalidError) as refused:
        queries.check(queries.parse(given), TYPES)
    return refused.value.field, refused.value.reason


def filtered(column: str, operator: str, *value: Any) -> dict[str, Any]:
    one = {"column": column, "operator": operator, **({"value": value[0]} if value else {})}
    return {"filters": [one], "aggregates": [COUNT]}


def test_a_query_is_read_and_written_with_nothing_left_out() -> None:
    given = {
        "filters": [
            {"column": "name", "operator": "in", "value": ["a", "b"]},
            {"column": "price", "operator": "is_not_null"},
        ],
        "group_by": ["name", {"column": "day", "bucket": "month", "as": "month"}],
        "aggregates": [COUNT, {"function": "sum", "column": "price", "as": "revenue"}],
        "sort": [{"by": "revenue", "order": "desc"}, {"by": "month"}],
        "limit": 10,
    }
    query = queries.parse(given)
    assert query == Query(
        (Filter("name", "in", ["a", "b"]), Filter("price", "is_not_null")),
        (Group("name", "name"), Group("day", "month", "month")),
        (Aggregate("count", "rows"), Aggregate("sum", "revenue", "price")),
        (Sort("revenue", descending=True), Sort("month")),
        10,
    )
    assert query.to_json() == {
        "filters": given["filters"],
        "group_by": [
            {"column": "name", "bucket": None, "as": "name"},
            {"column": "day", "bucket": "month", "as": "month"},
        ],
        "aggregates": [
            {"function": "count", "column": None, "as": "rows"},
            {"function": "sum", "column": "price", "as": "revenue"},
        ],
        "sort": [{"by": "revenue", "order": "desc"}, {"by": "month", "order": "asc"}],
        "limit": 10,
    }
    assert queries.parse(query.to_json()) == query
    queries.check(query, TYPES)


def test_the_result_has_a_type_for_each_of_its_columns() -> None:
    aggregates = [
        {"function": function, "column": column, "as": f"{function} {column}"}
        for function, columns in (
            ("sum", ("n", "price", "ratio")),
            ("avg", ("n", "price")),
            ("median", ("n", "price", "ratio")),
            ("min", ("name", "at")),
            ("count_distinct", ("name",)),
        )
        for column in columns
    ]
    query = queries.parse({"group_by": ["at", {"column": "at", "bucket": "week", "as": "w"}], "aggregates": aggregates})
    queries.check(query, TYPES)
    assert queries.result_types(query, TYPES) == {
        "at": "timestamp",
        "w": "date",
        "sum n": "integer",
        "sum price": "decimal(38,2)",
        "sum ratio": "float",
        "avg n": "float",
        "avg price": "float",
        "median n": "decimal(38,1)",
        "median price": "decimal(38,3)",
        "median ratio": "float",
        "min name": "text",
        "min at": "timestamp",
        "count_distinct name": "integer",
    }


@pytest.mark.parametrize(
    ("given", "field", "reason"),
    [
        (None, "query", "'query' must be an object."),
        ([], "query", "'query' must be an object."),
        ({}, "query", "A query needs at least one column in 'group_by' or one in 'aggregates'."),
        (
            {"group_by": [], "aggregates": []},
            "query",
            "A query needs at least one column in 'group_by' or one in 'aggregates'.",
        ),
        ({"where": []}, "query", "'query' has no field 'where'."),
        ({"group_by": "name"}, "query.group_by", "'query.group_by' must be a list."),
        (
            {"group_by": ["name"] * 11},
            "query.group_by",
            "'query.group_by' must have at most 10 entries, not 11.",
        ),
        ({"filters": [{}] * 51}, "query.filters", "'query.filters' must have at most 50 entries, not 51."),
        ({"aggregates": [COUNT] * 51}, "query.aggregates", "'query.aggregates' must have at most 50 entries, not 51."),
        ({"group_by": [1]}, "query.group_by.0", "'query.group_by.0' must be an object."),
        ({"group_by": [{"column": 1}]}, "query.group_by.0.column", "'query.group_by.0.column' must be text."),
        (
            {"group_by": ["name", {"column": "name"}]},
            "query.group_by.1.as",
            "Two columns of the result would be called 'name': name one of them with 'as'.",
        ),
        (
            {"group_by": ["name"], "aggregates": [{"function": "count", "as": "name"}]},
            "query.aggregates.0.as",
            "Two columns of the result would be called 'name': name one of them with 'as'.",
        ),
        (
            {"group_by": [{"column": "day", "bucket": "hour"}]},
            "query.group_by.0.bucket",
            "'query.group_by.0.bucket' must be one of: day, week, month, quarter, year.",
        ),
        (
            {"group_by": [{"column": "name", "bucket": "day"}]},
            "query.group_by.0.bucket",
            "Only dates and timestamps have buckets; the type of 'name' is text.",
        ),
        (
            {"group_by": ["name"], "aggregates": [{"function": "sum", "as": "x"}]},
            "query.aggregates.0.column",
            "'sum' needs a column.",
        ),
        (
            {"aggregates": [{"function": "sum", "column": "name", "as": "x"}]},
            "query.aggregates.0.function",
            "'sum' needs numbers; the type of 'name' is text.",
        ),
        (
            {"aggregates": [{"function": "median", "column": "tiny", "as": "x"}]},
            "query.aggregates.0.function",
            "'median' needs one digit more than 'tiny' has room for: its type is decimal(38,38).",
        ),
        (
            {"aggregates": [{"function": "first", "column": "n", "as": "x"}]},
            "query.aggregates.0.function",
            "'query.aggregates.0.function' must be one of: count, count_distinct, sum, avg, min, max, median.",
        ),
        ({"aggregates": [{"function": "count"}]}, "query.aggregates.0.as", "'query.aggregates.0.as' must be text."),
        (
            {"aggregates": [{"function": "count", "as": " "}]},
            "query.aggregates.0.as",
            "'query.aggregates.0.as' must not be empty: it has to show something.",
        ),
        (
            {"aggregates": [COUNT], "sort": [{"by": "n"}]},
            "query.sort.0.by",
            "The result has no column 'n': sort by what is grouped by, or by an aggregate.",
        ),
        (
            {"aggregates": [COUNT], "sort": [{"by": "rows"}, {"by": "rows"}]},
            "query.sort.1.by",
            "The result is sorted by 'rows' already.",
        ),
        (
            {"aggregates": [COUNT], "sort": [{"by": "rows", "order": "down"}]},
            "query.sort.0.order",
            "'query.sort.0.order' must be one of: asc, desc.",
        ),
        ({"aggregates": [COUNT], "limit": 0}, "query.limit", "'query.limit' must be a whole number, 1-1000000."),
        ({"aggregates": [COUNT], "limit": True}, "query.limit", "'query.limit' must be a whole number, 1-1000000."),
        (filtered("town", "eq", 1), "query.filters.0.column", "The data has no column 'town'."),
        (filtered("NAME", "eq", "a"), "query.filters.0.column", "The data has no column 'NAME'."),
        (filtered("n", "is_null", 1), "query.filters.0.value", "'is_null' takes no value."),
        (
            filtered("n", "eq"),
            "query.filters.0.value",
            "'query.filters.0.value' must not be null: use is_null or is_not_null to look for nulls.",
        ),
        (
            filtered("n", "in", [1, None]),
            "query.filters.0.value.1",
            "'query.filters.0.value.1' must not be null: use is_null or is_not_null to look for nulls.",
        ),
        (filtered("n", "in", []), "query.filters.0.value", "'in' needs a list of 1 to 1000 values."),
        (filtered("n", "not_in", [1] * 1_001), "query.filters.0.value", "'not_in' needs a list of 1 to 1000 values."),
        (
            filtered("n", "eq", [1]),
            "query.filters.0.value",
            "'query.filters.0.value' must be text, a number or a truth value.",
        ),
        (
            filtered("ratio", "eq", float("nan")),
            "query.filters.0.value",
            "'query.filters.0.value' must be text, a number or a truth value.",
        ),
        (
            filtered("n", "contains", "1"),
            "query.filters.0.operator",
            "'contains' does not apply to 'n', whose type is integer.",
        ),
        (
            filtered("on", "lt", True),
            "query.filters.0.operator",
            "'lt' does not apply to 'on', whose type is boolean.",
        ),
        (
            filtered("name", "in", ["x" * 9_000] * 5),
            "query",
            "'query' must take at most 32768 bytes as JSON, not 45194.",
        ),
        (
            filtered("name", "eq", "\ud800"),
            "query.filters.0.value",
            "'query.filters.0.value' has half of a surrogate pair, which is no character.",
        ),
        (
            filtered("name\ud800", "eq", "x"),
            "query.filters.0.column",
            "'query.filters.0.column' has half of a surrogate pair, which is no character.",
        ),
    ],
)
def test_a_query_that_cannot_be_is_refused_at_its_place(given: Any, field: str, reason: str) -> None:
    assert refusal(given) == (field, reason)


@pytest.mark.parametrize(
    ("type_", "value", "taken"),
    [
        ("integer", 2**63 - 1, 2**63 - 1),
        ("integer", "-9223372036854775808", -(2**63)),
        ("decimal(18,2)", "1.50", "1.50"),
        ("decimal(18,2)", "1.500", "1.500"),
        ("decimal(18,2)", 1.5, "1.5"),
        ("decimal(18,2)", 7, "7"),
        ("decimal(18,2)", "-0.00", "0"),
        ("decimal(38,0)", "1" * 38, "1" * 38),
        ("decimal(38,0)", 1e20, "1" + "0" * 20),
        ("float", 1, 1.0),
        ("float", 0.1, 0.1),
        ("float", "-Infinity", float("-inf")),
        ("boolean", False, False),
        ("date", "2024-02-29", "2024-02-29"),
        ("time", "12:30", "12:30"),
        ("time", "12:30:05.250", "12:30:05.250"),
        ("timestamp", "2025-11-29", "2025-11-29"),
        ("timestamp", "2025-11-29T12:30:00", "2025-11-29T12:30:00"),
        ("timestamp_tz", "2025-11-29T12:30:00+05:30", "2025-11-29T12:30:00+05:30"),
        ("text", "", ""),
    ],
)
def test_a_value_is_taken_exactly(type_: str, value: Any, taken: Any) -> None:
    found = bound("value", value, type_)
    assert (found, type(found)) == (taken, type(taken))


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("integer", 2**63),
        ("integer", 1.0),
        ("integer", True),
        ("integer", "1.0"),
        ("integer", "١"),
        ("decimal(18,2)", "1.505"),
        ("decimal(18,2)", "1e2"),
        ("decimal(18,2)", True),
        ("decimal(18,2)", 0.1 + 0.2),
        ("decimal(18,2)", "1" * 37),
        ("decimal(38,0)", 10**38),
        ("float", 2**53 + 1),
        ("float", 10**400),
        ("float", "0.1"),
        ("boolean", 1),
        ("boolean", "true"),
        ("date", "29/02/2024"),
        ("date", "2025-02-29"),
        ("date", "20250228"),
        ("date", "0000-01-01"),
        ("time", "24:00"),
        ("time", "12"),
        ("timestamp", "2025-11-29T12:30:00Z"),
        ("timestamp", "2025-11-29T25:00"),
        ("timestamp_tz", "2025-11-29T12:30:00"),
        ("timestamp_tz", "2025-11-29"),
        ("timestamp_tz", "2025-11-29T12:30:00+25:00"),
        ("text", 1),
        ("text", "x" * 10_001),
        ("text", "\ud800"),
    ],
)
def test_a_value_of_another_type_or_that_would_be_rounded_is_refused(type_: str, value: Any) -> None:
    with pytest.raises(InvalidError) as refused:
        bound("query.filters.0.value", value, type_)
    assert refused.value.field == "query.filters.0.value"
    assert refused.value.reason.startswith("'query.filters.0.value' ")
