"""Words for days: against a calendar that is walked day by day."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fluvial import record_dates
from fluvial.record_dates import Word

DAY = timedelta(days=1)
TODAYS = st.dates(date(1990, 1, 1), date(2060, 12, 31)) | st.sampled_from(
    [date(2024, 2, 29), date(2023, 12, 31), date(2024, 1, 1), date(2023, 7, 1), date(2023, 6, 30), date(2100, 3, 1)]
)
STARTS = st.integers(1, 12)
UNITS = ["day", "week", "month", "quarter", "year", "fiscal-quarter", "fiscal-year"]


def days(text: str, count: int | None = None, *, today: date, fiscal_start: int = 1) -> tuple[date, date]:
    word = record_dates.word(text)
    assert word is not None, text
    number = word.count if count is None else count
    assert number is not None
    return word.days(number, today=today, fiscal_start=fiscal_start)


def begins(unit: str, day: date, fiscal_start: int) -> bool:
    """Whether a unit begins on this day."""
    if unit == "day":
        return True
    if unit == "week":
        return day.strftime("%A") == "Monday"
    if day.day != 1:
        return False
    first = fiscal_start if unit.startswith("fiscal-") else 1
    months = {"month": 1, "quarter": 3, "year": 12}[unit.removeprefix("fiscal-")]
    # The months that are a multiple of the unit behind its first one, walked around the year.
    return day.month in [(first - 1 + step) % 12 + 1 for step in range(0, 12, months)]


def unit_at(unit: str, offset: int, today: date, fiscal_start: int) -> tuple[date, date]:
    """The unit that is so many after the one with today, found by walking."""
    first = today
    while not begins(unit, first, fiscal_start):
        first -= DAY
    for _ in range(abs(offset)):
        first += DAY if offset > 0 else -DAY
        while not begins(unit, first, fiscal_start):
            first += DAY if offset > 0 else -DAY
    last = first
    while not begins(unit, last + DAY, fiscal_start):
        last += DAY
    return first, last


@given(st.sampled_from(UNITS), st.integers(-5, 5), TODAYS, STARTS)
def test_a_unit_n_ago_is_the_one_that_walking_back_finds(unit: str, count: int, today: date, start: int) -> None:
    walked = unit_at(unit, -count, today, start)
    for text in (f"{unit}s-n-ago", f"n-{unit}s-ago"):
        assert days(text, count, today=today, fiscal_start=start) == walked


@given(st.sampled_from(UNITS), st.integers(1, 5), TODAYS, STARTS)
def test_last_and_next_n_units_are_the_whole_ones_beside_the_current(
    unit: str, count: int, today: date, start: int
) -> None:
    last = unit_at(unit, -count, today, start)[0], unit_at(unit, -1, today, start)[1]
    following = unit_at(unit, 1, today, start)[0], unit_at(unit, count, today, start)[1]
    for text, number, expected in (
        (f"last-n-{unit}s", count, last),
        (f"next-n-{unit}s", count, following),
        (f"last-n-{unit}s", -count, following),
        (f"next-n-{unit}s", -count, last),
    ):
        assert days(text, number, today=today, fiscal_start=start) == expected


@given(st.sampled_from(UNITS[1:]), TODAYS, STARTS)
def test_last_this_and_next_unit_touch(unit: str, today: date, start: int) -> None:
    last, this, following = (
        days(f"{which}-{unit}", today=today, fiscal_start=start) for which in ("last", "this", "next")
    )
    assert this[0] <= today <= this[1]
    assert (last[1] + DAY, this[1] + DAY) == (this[0], following[0])
    assert this == unit_at(unit, 0, today, start)


@given(st.integers(1991, 2059), STARTS)
@example(2018, 7)
def test_a_fiscal_year_is_named_by_the_year_in_which_it_ends(year: int, start: int) -> None:
    first, last = record_dates.fiscal_years(year, year, fiscal_start=start)
    assert last.year == year
    assert (last + DAY).month == first.month == start
    assert first == date(last.year if start == 1 else year - 1, start, 1)
    day = first
    while day <= last:
        assert record_dates.fiscal_year(day, fiscal_start=start) == year
        assert days("this-fiscal-year", today=day, fiscal_start=start) == (first, last)
        day += 17 * DAY
    assert record_dates.fiscal_year(last, fiscal_start=start) == year
    assert record_dates.fiscal_year(last + DAY, fiscal_start=start) == year + 1


@pytest.mark.parametrize(
    ("text", "count", "first", "last"),
    [
        # The words of the contract and of real clients, on Thursday 29 February 2024, with a fiscal year from July.
        ("yesterday", None, "2024-02-28", "2024-02-28"),
        ("today", None, "2024-02-29", "2024-02-29"),
        ("tomorrow", None, "2024-03-01", "2024-03-01"),
        ("last-week", None, "2024-02-19", "2024-02-25"),
        ("this-week", None, "2024-02-26", "2024-03-03"),
        ("next-week", None, "2024-03-04", "2024-03-10"),
        ("last-month", None, "2024-01-01", "2024-01-31"),
        ("this-month", None, "2024-02-01", "2024-02-29"),
        ("next-month", None, "2024-03-01", "2024-03-31"),
        ("last-quarter", None, "2023-10-01", "2023-12-31"),
        ("this-quarter", None, "2024-01-01", "2024-03-31"),
        ("next-quarter", None, "2024-04-01", "2024-06-30"),
        ("last-year", None, "2023-01-01", "2023-12-31"),
        ("this-year", None, "2024-01-01", "2024-12-31"),
        ("next-year", None, "2025-01-01", "2025-12-31"),
        ("last-fiscal-quarter", None, "2023-10-01", "2023-12-31"),
        ("this-fiscal-quarter", None, "2024-01-01", "2024-03-31"),
        ("next-fiscal-quarter", None, "2024-04-01", "2024-06-30"),
        ("last-fiscal", None, "2022-07-01", "2023-06-30"),
        ("this-fiscal", None, "2023-07-01", "2024-06-30"),
        ("next-fiscal", None, "2024-07-01", "2025-06-30"),
        ("last-fiscal-year", None, "2022-07-01", "2023-06-30"),
        ("this-fiscal-year", None, "2023-07-01", "2024-06-30"),
        ("next-fiscal-year", None, "2024-07-01", "2025-06-30"),
        ("last-n-days", 1, "2024-02-28", "2024-02-28"),
        ("last-n-days", 730, "2022-03-01", "2024-02-28"),
        ("next-n-days", 1, "2024-03-01", "2024-03-01"),
        ("days-n-ago", 5, "2024-02-24", "2024-02-24"),
        ("days-n-ago", 0, "2024-02-29", "2024-02-29"),
        ("n-days-ago", 5, "2024-02-24", "2024-02-24"),
        ("last-n-weeks", 2, "2024-02-12", "2024-02-25"),
        ("next-n-weeks", 1, "2024-03-04", "2024-03-10"),
        ("weeks-n-ago", 1, "2024-02-19", "2024-02-25"),
        ("last-n-months", 5, "2023-09-01", "2024-01-31"),
        ("next-n-months", 2, "2024-03-01", "2024-04-30"),
        ("months-n-ago", 2, "2023-12-01", "2023-12-31"),
        ("last-n-quarters", 2, "2023-07-01", "2023-12-31"),
        ("next-n-quarters", 1, "2024-04-01", "2024-06-30"),
        ("quarters-n-ago", 2, "2023-07-01", "2023-09-30"),
        ("last-n-years", 3, "2021-01-01", "2023-12-31"),
        ("next-n-years", 1, "2025-01-01", "2025-12-31"),
        ("years-n-ago", 4, "2020-01-01", "2020-12-31"),
        ("last-n-fiscal-quarters", 1, "2023-10-01", "2023-12-31"),
        ("next-n-fiscal-quarters", 2, "2024-04-01", "2024-09-30"),
        ("fiscal-n-quarters-ago", 2, "2023-07-01", "2023-09-30"),
        ("fiscal-quarters-n-ago", 2, "2023-07-01", "2023-09-30"),
        ("last-n-fiscal-years", 2, "2021-07-01", "2023-06-30"),
        ("last-fiscal-n-years", 2, "2021-07-01", "2023-06-30"),
        ("next-n-fiscal-years", 1, "2024-07-01", "2025-06-30"),
        ("fiscal-n-years-ago", 1, "2022-07-01", "2023-06-30"),
        ("n-fiscal-years-ago", 1, "2022-07-01", "2023-06-30"),
        # The number in the word, and other signs for the hyphen.
        ("last-5-days", None, "2024-02-24", "2024-02-28"),
        ("3-days-ago", None, "2024-02-26", "2024-02-26"),
        ("Last_N Months", 1, "2024-01-01", "2024-01-31"),
        # A negative number looks the other way.
        ("last-n-days", -1, "2024-03-01", "2024-03-01"),
        ("days-n-ago", -1, "2024-03-01", "2024-03-01"),
    ],
)
def test_every_word_means_its_days(text: str, count: int | None, first: str, last: str) -> None:
    found = days(text, count, today=date(2024, 2, 29), fiscal_start=7)
    assert found == (date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", "last", "last-", "last-n", "this-day", "n-ago", "days-ago", "not-today", "between"),
        *("last-fiscal-week", "last-n-fiscal-months", "last-123456789-days", "x" * 10_000, "last-" * 5_000),
    ],
)
def test_what_is_no_word_is_none(text: str) -> None:
    assert record_dates.word(text) is None


@pytest.mark.parametrize("text", ["last-n-days", "next-n-fiscal-years"])
def test_no_units_are_no_period(text: str) -> None:
    with pytest.raises(ValueError, match="0 units are no period"):
        days(text, 0, today=date(2024, 2, 29))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("years-n-ago", 2_024),
        ("years-n-ago", -7_976),
        ("next-n-fiscal-years", 10_000),
        ("last-n-fiscal-quarters", 10_000),
        ("next-n-weeks", 500_000),
        ("days-n-ago", 10_000_000),
        ("days-n-ago", 10**30),
        ("last-n-months", -(10**30)),
    ],
)
def test_a_period_outside_the_calendar_is_refused(text: str, count: int) -> None:
    with pytest.raises(OverflowError):
        days(text, count, today=date(2024, 2, 29), fiscal_start=4)


def test_the_last_and_the_first_days_of_the_calendar_have_periods() -> None:
    assert days("this-year", today=date.max) == (date(9999, 1, 1), date.max)
    assert days("this-fiscal-quarter", today=date.max, fiscal_start=10) == (date(9999, 10, 1), date.max)
    assert days("this-month", today=date.min) == (date.min, date(1, 1, 31))
    assert record_dates.word("last-n-days") == Word("day", False, "last", None)
