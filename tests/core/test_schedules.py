"""When schedules are due: against a walk over every minute, and against what AWS's own pages say."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluvial import clock, schedules
from fluvial.errors import InvalidError
from fluvial.schedules import Schedule


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * clock.SECOND


def times(schedule: Schedule, after: str, count: int) -> list[str]:
    """The next times, as clocks in the schedule's zone show them."""
    found, moment = [], at(after)
    for _ in range(count):
        due = schedule.next(moment)
        if due is None:
            break
        found.append(f"{datetime.fromtimestamp(due / 1000, ZoneInfo(schedule.zone)):%Y-%m-%d %H:%M}")
        moment = due
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("cron(15 10 * * ? *)", ["2026-01-31 10:15", "2026-02-01 10:15"]),
        ("cron(0 18 ? * MON-FRI *)", ["2026-02-02 18:00", "2026-02-03 18:00"]),
        ("cron(0 8 1 * ? *)", ["2026-02-01 08:00", "2026-03-01 08:00"]),
        ("cron(0/30 8-9 ? * 2 *)", ["2026-02-02 08:00", "2026-02-02 08:30"]),
        ("cron(0 5 L * ? *)", ["2026-01-31 05:00", "2026-02-28 05:00"]),
        ("cron(0 5 LW * ? *)", ["2026-02-27 05:00", "2026-03-31 05:00"]),
        ("cron(0 5 1W * ? *)", ["2026-02-02 05:00", "2026-03-02 05:00"]),
        ("cron(0 5 15W * ? *)", ["2026-02-16 05:00", "2026-03-16 05:00"]),
        ("cron(15 10 ? * 6L 2026-2030)", ["2026-02-27 10:15", "2026-03-27 10:15"]),
        ("cron(0 9 ? * 2#1 *)", ["2026-02-02 09:00", "2026-03-02 09:00"]),
        ("cron(0 9 ? * TUE#5 *)", ["2026-03-31 09:00", "2026-06-30 09:00"]),
        ("cron(0 9 ? * L *)", ["2026-01-31 09:00", "2026-02-07 09:00"]),
        ("cron(0 0 29 2 ? *)", ["2028-02-29 00:00", "2032-02-29 00:00"]),
        ("cron(5,10 0 ? JAN,DEC * 2027)", ["2027-01-01 00:05", "2027-01-01 00:10"]),
        ("cron(0 0 1 1 ? 2026)", []),
    ],
)
def test_a_cron_expression_is_due_when_its_fields_say(expression: str, expected: list[str]) -> None:
    assert times(Schedule(expression), "2026-01-31T00:00:00Z", 2) == expected


def test_a_time_that_a_change_of_clocks_leaves_out_is_skipped() -> None:
    berlin = Schedule("cron(30 2 * * ? *)", "Europe/Berlin")
    assert times(berlin, "2026-03-28T00:00:00Z", 3) == ["2026-03-28 02:30", "2026-03-30 02:30", "2026-03-31 02:30"]


def test_a_time_that_comes_twice_is_due_once_at_the_first() -> None:
    berlin = Schedule("cron(30 2 * * ? *)", "Europe/Berlin")
    assert berlin.next(at("2026-10-24T12:00:00Z")) == at("2026-10-25T00:30:00Z")
    assert berlin.next(at("2026-10-25T00:30:00Z")) == at("2026-10-26T01:30:00Z")


def test_days_of_a_rate_have_24_hours_whatever_the_clocks_do() -> None:
    daily = Schedule("rate(1 day)", "Europe/Berlin", start=at("2026-03-28T08:00:00Z"))
    assert daily.next(0) == at("2026-03-28T08:00:00Z")
    assert daily.next(at("2026-03-28T08:00:00Z")) == at("2026-03-29T08:00:00Z")
    assert daily.next(at("2026-03-30T07:59:59Z")) == at("2026-03-30T08:00:00Z")


def test_a_rate_without_a_start_is_counted_from_its_anchor() -> None:
    schedule = Schedule("rate(15 minutes)", anchor=at("2026-01-01T00:07:00Z"))
    assert schedule.next(at("2026-01-01T01:00:00Z")) == at("2026-01-01T01:07:00Z")


def test_nothing_is_due_before_the_start_or_after_the_end() -> None:
    start, end = at("2026-01-02T10:15:00Z"), at("2026-01-03T10:15:00Z")
    schedule = Schedule("cron(15 10 * * ? *)", start=start, end=end)
    assert (schedule.next(0), schedule.next(start), schedule.next(end)) == (start, end, None)


# The oracle knows nothing of the evaluator: it takes each minute of the world's clock, looks at what a wall clock shows
# and asks each field, by its text, whether it is meant.


def meant(text: str, value: int, least: int, most: int) -> bool:
    for part in text.split(","):
        head, _, step = part.partition("/")
        first, _, last = head.partition("-")
        low = least if first == "*" else int(first)
        high = most if first == "*" or (step and not last) else int(last or first)
        if low <= value <= high and (value - low) % int(step or 1) == 0:
            return True
    return False


def day_is_meant(text: str, moment: datetime) -> bool:
    length = calendar.monthrange(moment.year, moment.month)[1]
    if text == "L":
        return moment.day == length
    if text.endswith("W"):
        # Some day of Monday to Friday that no other weekday of the month is nearer to than this one.
        wanted = length if text == "LW" else int(text[:-1])
        if wanted > length or moment.isoweekday() > 5:
            return False
        weekdays = [day for day in range(1, length + 1) if moment.replace(day=day).isoweekday() <= 5]
        return min(weekdays, key=lambda day: abs(day - wanted)) == moment.day
    return meant(text, moment.day, 1, 31)


def weekday_is_meant(text: str, moment: datetime) -> bool:
    weekday = moment.isoweekday() % 7 + 1
    if "#" in text:
        wanted, _, which = text.partition("#")
        before = [day for day in range(1, moment.day + 1) if moment.replace(day=day).isoweekday() % 7 + 1 == weekday]
        return weekday == int(wanted) and len(before) == int(which)
    if text.endswith("L"):
        return weekday == int(text[:-1]) and (moment + timedelta(days=7)).month != moment.month
    return meant(text, weekday, 1, 7)


def walk(expression: str, zone: str, start: datetime, minutes: int) -> list[int]:
    minute, hour, day, month, weekday, year = expression[5:-1].split()
    found, shown = [], set()
    # A wall clock's time of before the walk can come again in it.
    for number in range(-180, minutes):
        moment = start + timedelta(minutes=number)
        local = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
        again = local in shown
        shown.add(local)
        if number < 0 or again:
            continue
        if (
            meant(minute, local.minute, 0, 59)
            and meant(hour, local.hour, 0, 23)
            and (day_is_meant(day, local) if weekday == "?" else weekday_is_meant(weekday, local))
            and meant(month, local.month, 1, 12)
            and meant(year, local.year, 1970, 2199)
        ):
            found.append(int(moment.timestamp()) * 1000)
    return found


def parts(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    spans = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    base = st.one_of(st.just("*"), number.map(str), spans)
    stepped = st.tuples(base, st.integers(1, most)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    return st.lists(st.one_of(base, stepped), min_size=1, max_size=3).map(",".join)


def either(day: str, weekday: str, by_weekday: bool) -> tuple[str, str]:
    return ("?", weekday) if by_weekday else (day, "?")


DAYS = st.one_of(parts(1, 31), st.just("L"), st.just("LW"), st.integers(1, 31).map(lambda day: f"{day}W"))
WEEKDAYS = st.one_of(
    parts(1, 7),
    st.integers(1, 7).map(lambda day: f"{day}L"),
    st.tuples(st.integers(1, 7), st.integers(1, 5)).map(lambda pair: f"{pair[0]}#{pair[1]}"),
)
# Zones whose clocks change by an hour, by half of one, by a whole day, and never.
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "UTC")
CHANGES = (
    datetime(2026, 3, 28, 12, tzinfo=UTC),
    datetime(2026, 10, 24, 12, tzinfo=UTC),
    datetime(2026, 3, 7, 20, tzinfo=UTC),
    datetime(2026, 10, 31, 20, tzinfo=UTC),
    datetime(2026, 4, 4, 2, tzinfo=UTC),
    datetime(2026, 10, 3, 2, tzinfo=UTC),
    datetime(2018, 11, 3, 12, tzinfo=UTC),
    datetime(2028, 2, 28, 12, tzinfo=UTC),
)


@settings(max_examples=80, deadline=None)
@given(
    minute=parts(0, 59),
    hour=st.one_of(st.just("*"), parts(0, 23), st.just("0-3")),
    day=DAYS,
    weekday=WEEKDAYS,
    by_weekday=st.booleans(),
    month=st.one_of(st.just("*"), parts(1, 12)),
    zone=st.sampled_from(ZONES),
    start=st.sampled_from(CHANGES),
)
def test_what_is_due_is_what_a_walk_over_every_minute_finds(
    minute: str, hour: str, day: str, weekday: str, by_weekday: bool, month: str, zone: str, start: datetime
) -> None:
    days, weekdays = either(day, weekday, by_weekday)
    expression = f"cron({minute} {hour} {days} {month} {weekdays} *)"
    minutes = 1_500
    expected = walk(expression, zone, start, minutes)
    moment, end = int(start.timestamp()) * 1000 - 1, int(start.timestamp()) * 1000 + minutes * clock.MINUTE
    schedule, found = Schedule(expression, zone), []
    while (due := schedule.next(moment)) is not None and due < end:
        found.append(due)
        moment = due
    assert found == expected


def test_a_zone_that_left_out_a_whole_day_had_nothing_due_on_it() -> None:
    samoa = Schedule("cron(0 12 * * ? *)", "Pacific/Apia")
    assert times(samoa, "2011-12-28T00:00:00Z", 4) == [
        "2011-12-28 12:00",
        "2011-12-29 12:00",
        "2011-12-31 12:00",
        "2012-01-01 12:00",
    ]


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("every day", "it must be cron"),
        ("cron(0 0 * * ?)", "6 fields, not 5"),
        ("cron(0 0 * * * *)", "one of day-of-month and day-of-week must be '?'"),
        ("cron(0 0 ? * ? *)", "one of day-of-month and day-of-week must be '?'"),
        ("cron(60 0 * * ? *)", "'60' is no minute: it has 0-59"),
        ("cron(0 24 * * ? *)", "'24' is no hour: it has 0-23"),
        ("cron(0 0 32 * ? *)", "'32' is no day-of-month: it has 1-31"),
        ("cron(0 0 * 13 ? *)", "'13' is no month: it has 1-12 or JAN-DEC"),
        ("cron(0 0 ? * 8 *)", "'8' is no day-of-week: it has 1-7 or SUN-SAT"),
        ("cron(0 0 ? * FRI-MON *)", "runs backwards"),
        ("cron(0 0 * * ? 2200)", "'2200' is no year: it has 1970-2199"),
        ("cron(0/0 0 * * ? *)", "must be at least 1"),
        ("cron(1-2-3 0 * * ? *)", "'1-2-3' is no minute"),
        ("rate(0 minutes)", "from 1 minute to 366 days"),
        ("rate(367 days)", "from 1 minute to 366 days"),
        ("rate(1 week)", "it must be cron"),
        ("at(2026-01-01T00:00:00)", "it must be cron"),
        ("cron(0 0 31 2 ? *)", "never due"),
        ("cron(0 0 1 1 ? 2001)", "never due"),
        ("cron(" + "1," * 200 + "1 0 * * ? *)", "at most 256 are taken"),
    ],
)
def test_an_expression_that_cannot_be_used_is_refused_with_the_reason(expression: str, told: str) -> None:
    with pytest.raises(InvalidError) as refusal:
        schedules.check("triggers.0", Schedule(expression), now=at("2026-01-01T00:00:00Z"))
    assert refusal.value.field == "triggers.0.expression"
    assert told in refusal.value.reason


@pytest.mark.parametrize(
    "zone", ["Europe/Atlantis", "", "../etc/passwd", "/etc/localtime", "Europe", "Berlin/Europe\x00"]
)
def test_a_zone_that_there_is_not_is_refused(zone: str) -> None:
    with pytest.raises(InvalidError, match="is not a time zone"):
        schedules.check("triggers.0", Schedule("rate(1 hour)", zone), now=0)


def test_an_end_before_the_start_and_an_end_that_is_over_are_refused() -> None:
    with pytest.raises(InvalidError, match="must lie after"):
        schedules.check("triggers.0", Schedule("rate(1 hour)", start=2_000, end=2_000), now=0)
    with pytest.raises(InvalidError, match="never due"):
        schedules.check("triggers.0", Schedule("rate(1 hour)", end=2_000, anchor=5_000), now=5_000)
