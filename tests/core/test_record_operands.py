"""What a filter compares a field with: values, ranges, days and times, by the field's type."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from fluvial.record_filters import Comparison, Related, negated
from tests.core.record_asking import SITE_VISIT, any_of, days, eq, field, parse


@pytest.mark.parametrize(
    ("sent", "operator", "values"),
    [
        (["amount_requested", "range", "10000 - 20000"], "between", (Decimal(10000), Decimal(20000))),
        (["amount_requested", "range", "10-20"], "between", (Decimal(10), Decimal(20))),
        (["amount_requested", "range", "10 - -5.5"], "between", (Decimal("-5.5"), Decimal(10))),
        (["amount_requested", "range", "-3--1"], "between", (Decimal(-3), Decimal(-1))),
        (["amount_requested", "range", [1, "2.5"]], "between", (Decimal(1), Decimal("2.5"))),
        (["amount_requested", "eq", 1.10], "eq", (Decimal("1.1"),)),
        (["duration_in_months", "range", "1 – 3"], "between", (1, 3)),
        (["duration_in_months", "gte", " 12 "], "gte", (12,)),
        (["duration_in_months", "EQ", 12.0], "eq", (12,)),
        (["id", "lt", str(2**63 - 1)], "lt", (2**63 - 1,)),
        (["granted", "eq", "false"], "eq", (False,)),
        (["granted", "eq", 1], "eq", (True,)),
        (["project_title", "eq", 12], "eq", ("12",)),
        (["project_title", "starts-with", "The"], "starts_with", ("The",)),
        (["project_title", "contains", ["a", "b"]], "contains", ("a", "b")),
        (["project_title", "like", "The"], "contains", ("The",)),
        (["project_title", "like", "%The%"], "contains", ("The",)),
        (["project_title", "like", "The%"], "starts_with", ("The",)),
        (["project_title", "like", "%100%_"], "ends_with", ("100%_",)),
        (["project_title", "like", "%"], "contains", ("",)),
        (["state", "eq", "no such state"], "eq", ("no such state",)),
    ],
)
def test_a_value_is_read_by_the_type_of_its_field(sent: list[Any], operator: str, values: tuple[Any, ...]) -> None:
    assert parse(sent) == Comparison(field(sent[0]), operator, values)


@pytest.mark.parametrize(
    ("operator", "value", "first", "last"),
    [
        ("range", "01/01/2018 - 01/01/2019", "2018-01-01", "2019-01-01"),
        ("range", "01/01/2020-12/31/2020", "2020-01-01", "2020-12-31"),
        ("range", "2018-01-01-2019-01-01", "2018-01-01", "2019-01-01"),
        ("range", "2018-01-01 - 1/1/2019", "2018-01-01", "2019-01-01"),
        ("range", ["2019-01-01", "01/01/2018"], "2018-01-01", "2019-01-01"),
        ("range-year-cal", "2018 - 2019", "2018-01-01", "2019-12-31"),
        ("range-year-cal", "2010-2024", "2010-01-01", "2024-12-31"),
        ("range-year-cal", "1/1/2018 - 1/1/2019", "2018-01-01", "2019-12-31"),
        ("range-year-cal", 2018, "2018-01-01", "2018-12-31"),
        ("range_year_cal", [2018, 2019], "2018-01-01", "2019-12-31"),
        ("range-year-fiscal", "2018 - 2019", "2017-07-01", "2019-06-30"),
        ("range-year-fiscal", "1/1/2018 - 7/1/2018", "2017-07-01", "2019-06-30"),
        ("eq", "02/29/2024", "2024-02-29", "2024-02-29"),
        ("eq", "2024-02-29", "2024-02-29", "2024-02-29"),
        ("today", "", "2024-02-29", "2024-02-29"),
        ("this-year", "-", "2024-01-01", "2024-12-31"),
        ("last-n-months", "5", "2023-09-01", "2024-01-31"),
        ("last-5-months", "-", "2023-09-01", "2024-01-31"),
        ("last-fiscal", "-", "2022-07-01", "2023-06-30"),
        ("next-fiscal-year", "-", "2024-07-01", "2025-06-30"),
        ("fiscal-n-quarters-ago", "1", "2023-10-01", "2023-12-31"),
        ("days-n-ago", 1, "2024-02-28", "2024-02-28"),
    ],
)
def test_days_are_all_their_moments(operator: str, value: Any, first: str, last: str) -> None:
    created = Comparison(field("created_at"), "between", days(first, last))
    assert parse(["created_at", operator, value]) == created
    assert parse(["created_at", f"not-{operator}", value]) == negated(created)


def test_a_date_field_is_compared_with_days() -> None:
    visited = SITE_VISIT.fields[2]
    february = (date(2024, 2, 1), date(2024, 2, 29))
    assert parse(["visited_on", "this-month", "-"], SITE_VISIT) == Comparison(visited, "between", february)
    for sent in ("2024-02-29", "02/29/2024", "2024-02-29T23:00:00Z"):
        assert parse(["visited_on", "eq", sent], SITE_VISIT) == Comparison(visited, "eq", (date(2024, 2, 29),))


@pytest.mark.parametrize(
    ("sent", "first", "size"),
    [
        ("2024-02-29T08:00:05Z", "08:00:05", 1_000),
        ("2024-02-29T08:00:05.000Z", "08:00:05", 1_000),
        ("2024-02-29 08:00:05 UTC", "08:00:05", 1_000),
        ("2024-02-29T09:00:05+01:00", "08:00:05", 1_000),
        ("2024-02-29T08:00", "08:00:00", 60_000),
    ],
)
def test_a_time_is_all_moments_that_it_leaves_open(sent: str, first: str, size: int) -> None:
    start = int(datetime.fromisoformat(f"2024-02-29T{first}+00:00").timestamp()) * 1_000
    created = field("created_at")
    assert parse(["created_at", "eq", sent]) == Comparison(created, "between", (start, start + size - 1))
    assert [parse(["created_at", operator, sent]) for operator in ("lt", "lte", "gt", "gte")] == [
        Comparison(created, "lt", (start,)),
        Comparison(created, "lte", (start + size - 1,)),
        Comparison(created, "gt", (start + size - 1,)),
        Comparison(created, "gte", (start,)),
    ]


def test_every_operator_has_its_opposite() -> None:
    for name, operator, value in (("id", "eq", 1), ("id", "range", "1 - 2"), ("state", "contains", ["a", "b"])):
        plain = parse([name, operator, value])
        assert plain is not None
        assert parse([name, f"not-{operator}", value]) == negated(plain)
    program = Related(field("program_id"), "program", eq("name", "x", model="program"))
    assert parse(["program_id", "not-filter", {"name": "x"}]) == negated(program)


def test_values_of_a_list_may_be_missing_or_days() -> None:
    created = field("created_at")
    assert parse(["created_at", "eq", ["2024-01-01", None]]) == any_of(
        Comparison(created, "between", days("2024-01-01", "2024-01-01")), Comparison(created, "null")
    )
    assert parse({"state": ["new", ""]}) == any_of(eq("state", "new"), Comparison(field("state"), "null"))
