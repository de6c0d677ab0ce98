"""Words for days and periods, such as `last-month`, and the days that they mean. Pure: `today` is a parameter.

    yesterday, today, tomorrow
    last-X, this-X, next-X       X: week, month, quarter, year, fiscal-quarter, fiscal-year
    last-fiscal, this-fiscal, next-fiscal                         the fiscal year, as clients also spell it
    last-n-X, next-n-X           X: days, weeks, months, quarters, years, fiscal-quarters, fiscal-years
    X-n-ago, n-X-ago, fiscal-n-quarters-ago, fiscal-n-years-ago   the one unit n before the current one

Periods are whole units of the calendar: `last-n-months` with 2 are the two months before this one, and `months-n-ago`
with 2 is the first of these alone. Weeks begin on Monday. A negative n looks the other way: `last-n-days` with -3 is
`next-n-days` with 3. The fiscal year is named by the year in which it ends: with July as its first month, 2018 is from
July 2017 to June 2018. Fiscal quarters are counted from its first month.

The number may stand in the word for its n (`last-5-days`), and _ or a blank for each hyphen.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import MAXYEAR, date, timedelta

Days = tuple[date, date]
"""The first and the last day of a period."""

MAX_COUNT = 10_000_000  # more days than all the years of the calendar have: no sum grows without bound

_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAYS = {"day": 1, "week": 7}
_DAY_WORDS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_SINGLE = {"last": -1, "this": 0, "next": 1}

_BLANK = re.compile(r"[-_\s]+")
_UNIT = r"(?P<unit>day|week|month|quarter|year)s?"
_COUNT = r"(?P<count>n|-?[0-9]{1,8})"
_PERIOD = re.compile(r"(?P<which>last|this|next)-(?:(?P<fiscal>fiscal)-?)?(?P<unit>week|month|quarter|year)?")
_COUNTED = tuple(
    re.compile(form)
    for form in (
        rf"(?P<direction>last|next)-{_COUNT}-(?P<fiscal>fiscal-)?{_UNIT}",
        rf"(?P<direction>last|next)-(?P<fiscal>fiscal)-{_COUNT}-{_UNIT}",
        rf"(?P<fiscal>fiscal-)?{_UNIT}-{_COUNT}-(?P<direction>ago)",
        rf"{_COUNT}-(?P<fiscal>fiscal-)?{_UNIT}-(?P<direction>ago)",
        rf"(?P<fiscal>fiscal)-{_COUNT}-{_UNIT}-(?P<direction>ago)",
    )
)


@dataclass(frozen=True, slots=True)
class Word:
    """What a word says."""

    unit: str
    fiscal: bool
    direction: str  # this: the unit `count` after the current one; ago: before it; last, next: `count` units beside it
    count: int | None  # None: the word leaves it open, and a number comes with it

    def days(self, count: int, *, today: date, fiscal_start: int) -> Days:
        """The period with this number of units; OverflowError where it is not within the years 1 to 9999.

        ValueError for no units at all, which are no period.
        """
        if abs(count) > MAX_COUNT:
            raise OverflowError(f"{count} is more than {MAX_COUNT}")
        if self.direction == "this":
            first = last = count
        elif self.direction == "ago":
            first = last = -count
        elif count == 0:
            raise ValueError("0 units are no period")
        else:
            ahead = (self.direction == "next") == (count > 0)
            first, last = (1, abs(count)) if ahead else (-abs(count), -1)
        if self.unit in _DAYS:
            size = _DAYS[self.unit]
            start = today - timedelta(days=today.weekday() if self.unit == "week" else 0)
            return start + timedelta(days=first * size), start + timedelta(days=last * size + size - 1)
        size = _MONTHS[self.unit]
        origin = fiscal_start - 1 if self.fiscal else 0
        month = today.year * 12 + today.month - 1
        start_month = month - (month - origin) % size
        return _months(start_month + first * size, start_month + last * size + size - 1)


def word(text: str) -> Word | None:
    """What the text says as a word for days; None where it is none."""
    spelled = _BLANK.sub("-", text.strip().lower())
    if spelled in _DAY_WORDS:
        return Word("day", False, "this", _DAY_WORDS[spelled])
    found = _PERIOD.fullmatch(spelled)
    if found is not None:
        unit, fiscal = found["unit"], found["fiscal"] is not None
        return _possible(Word(unit or ("year" if fiscal else ""), fiscal, "this", _SINGLE[found["which"]]))
    for form in _COUNTED:
        found = form.fullmatch(spelled)
        if found is not None:
            count = None if found["count"] == "n" else int(found["count"])
            return _possible(Word(found["unit"], bool(found["fiscal"]), found["direction"], count))
    return None


def fiscal_years(first: int, last: int, *, fiscal_start: int) -> Days:
    """All days of the fiscal years that end in these years; OverflowError outside the years 1 to 9999."""
    start = fiscal_start - 1 - (12 if fiscal_start > 1 else 0)
    return _months(first * 12 + start, last * 12 + start + 11)


def fiscal_year(day: date, *, fiscal_start: int) -> int:
    """The name of the fiscal year that has this day."""
    return day.year + (1 if 1 < fiscal_start <= day.month else 0)


def _possible(word: Word) -> Word | None:
    """Only quarters and years have a fiscal form."""
    allowed = ("quarter", "year") if word.fiscal else (*_DAYS, *_MONTHS)
    return word if word.unit in allowed else None


def _months(first: int, last: int) -> Days:
    """The days from one month to another; a month is the number of months since the year 0."""
    if not 12 <= first <= last < (MAXYEAR + 1) * 12:
        raise OverflowError("not within the years 1 to 9999")
    end_year, end_month = divmod(last, 12)
    end = date(end_year, end_month + 1, calendar.monthrange(end_year, end_month + 1)[1])
    return date(first // 12, first % 12 + 1, 1), end
