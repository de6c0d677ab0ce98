"""When a schedule is due: cron and rate expressions as EventBridge Scheduler reads them, in a time zone.

    cron(minute hour day-of-month month day-of-week year)     cron(30 8 ? * MON-FRI *)
    rate(number minutes|hours|days)                           rate(15 minutes)

EventBridge Scheduler starts things; this tells people the next times, refuses an expression with a reason before AWS
would without one, and finds out that a time passed and nothing was started. So it has to agree with AWS: the fields,
and what happens when clocks are changed, are those of
https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html: a local time that a change leaves out is
skipped, one that comes twice counts once, and a day of a rate is always 24 hours. Pure: the time is an argument.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from zoneinfo import ZoneInfo

from fluvial import clock
from fluvial.errors import MAX_SHOWN, InvalidError

FIRST_YEAR, LAST_YEAR = 1970, 2199
MAX_RATE_DAYS = 366
MAX_EXPRESSION_CHARACTERS = 256  # AWS's own limit
UNITS = {"minute": clock.MINUTE, "hour": clock.HOUR, "day": clock.DAY}
_MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
WEEKDAYS = {"SUN": 1, "MON": 2, "TUE": 3, "WED": 4, "THU": 5, "FRI": 6, "SAT": 7}
SATURDAY = 7
EXPRESSIONS = "cron(minute hour day-of-month month day-of-week year) or rate(number minutes|hours|days)"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a cron expression: what it is called, and what it can hold."""

    name: str
    least: int
    most: int
    names: dict[str, int]

    @property
    def allowed(self) -> str:
        named = f" or {next(iter(self.names))}-{list(self.names)[-1]}" if self.names else ""
        return f"{self.least}-{self.most}{named}"


MINUTE = Field("minute", 0, 59, {})
HOUR = Field("hour", 0, 23, {})
DAY = Field("day-of-month", 1, 31, {})
MONTH = Field("month", 1, 12, MONTHS)
WEEKDAY = Field("day-of-week", 1, 7, WEEKDAYS)
YEAR = Field("year", FIRST_YEAR, LAST_YEAR, {})
FIELDS = (MINUTE, HOUR, DAY, MONTH, WEEKDAY, YEAR)


@dataclass(frozen=True, slots=True)
class Days:
    """Which days of a month are meant. A month has the union of what is given; `any` stands for all of its days.

    `numbers` are days of the month, `nearest` such whose nearest weekday (Monday to Friday) is meant, `last` and
    `last_weekday` the month's last day and last weekday. `weekdays` are 1 (Sunday) to 7, `last_of` the last such day of
    the month, `nth` pairs of a weekday and which of the month.
    """

    any: bool = False
    numbers: frozenset[int] = frozenset()
    nearest: frozenset[int] = frozenset()
    last: bool = False
    last_weekday: bool = False
    weekdays: frozenset[int] = frozenset()
    last_of: frozenset[int] = frozenset()
    nth: frozenset[tuple[int, int]] = frozenset()

    def of(self, year: int, month: int) -> list[int]:
        """The days in order."""
        length = calendar.monthrange(year, month)[1]
        if self.any:
            return list(range(1, length + 1))
        found = {day for day in self.numbers if day <= length}
        found |= {_nearest_weekday(year, month, day, length) for day in self.nearest if day <= length}
        if self.last:
            found.add(length)
        if self.last_weekday:
            found.add(_nearest_weekday(year, month, length, length))
        for day in range(1, length + 1) if self.weekdays or self.last_of or self.nth else ():
            weekday = _weekday(year, month, day)
            if (
                weekday in self.weekdays
                or (weekday in self.last_of and day + 7 > length)
                or (weekday, (day + 6) // 7) in self.nth
            ):
                found.add(day)
        return sorted(found)


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression, read. Minutes, hours, months and years are sorted."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: Days
    months: tuple[int, ...]
    years: frozenset[int]

    def local_times(self, first: datetime) -> Iterator[datetime]:
        """Every time that is meant, from one on, as clocks on the wall show it."""
        for year in range(first.year, LAST_YEAR + 1):
            for month in self.months if year in self.years else ():
                if (year, month) >= (first.year, first.month):
                    for day in self.days.of(year, month):
                        yield from self._of_day(date(year, month, day), first)

    def _of_day(self, day: date, first: datetime) -> Iterator[datetime]:
        if day < first.date():
            return
        for hour in self.hours:
            if day > first.date() or hour >= first.hour:
                for minute in self.minutes:
                    local = datetime(day.year, day.month, day.day, hour, minute)
                    if local >= first:
                        yield local


@dataclass(frozen=True, slots=True)
class Schedule:
    """An expression with its zone; `start` and `end` in milliseconds, both inclusive, None for open.

    `anchor` is when a rate is counted from: its start, else the time at which the schedule was made.
    """

    expression: str
    zone: str = "UTC"
    start: int | None = None
    end: int | None = None
    anchor: int = 0

    def next(self, after: int) -> int | None:
        """The first time that is due after a moment (milliseconds); None where there is none any more."""
        after = max(after, (self.start or 0) - 1)
        found = self._next(after)
        return None if found is None or (self.end is not None and found > self.end) else found

    def _next(self, after: int) -> int | None:
        parsed = parse(self.expression)
        if isinstance(parsed, int):
            first = self.anchor if self.start is None else self.start
            return first if after < first else first + ((after - first) // parsed + 1) * parsed
        zone = _zone(self.zone)
        # Of a local time that comes twice the first is meant, so none before the one that clocks show now is still due.
        shown = datetime.fromtimestamp(after / clock.SECOND, zone).replace(tzinfo=None, second=0, microsecond=0)
        for local in parsed.local_times(shown):
            moment = _moment(local, zone)
            if moment is not None and moment > after:
                return moment
        return None


def check(field: str, schedule: Schedule, *, now: int) -> None:
    """InvalidError where an expression or a zone cannot be read, or the schedule is never due again.

    `field` is the path of the schedule in what the caller sent, such as `triggers.0`.
    """
    try:
        parse(schedule.expression)
    except ValueError as error:
        raise InvalidError(
            f"{field}.expression",
            f"'{field}.expression' cannot be read: {error}",
            value=schedule.expression[:MAX_SHOWN],
            constraint=EXPRESSIONS,
        ) from None
    if not is_zone(schedule.zone):
        reason = f"'{schedule.zone[:50]}' is not a time zone."
        allowed = "a name of the IANA time zone database, such as Europe/Berlin"
        raise InvalidError(f"{field}.time_zone", reason, value=schedule.zone[:MAX_SHOWN], constraint=allowed)
    if schedule.start is not None and schedule.end is not None and schedule.end <= schedule.start:
        reason = f"'{field}.end' must lie after '{field}.start'."
        raise InvalidError(f"{field}.end", reason, value=clock.iso(schedule.end), constraint="after the start")
    if schedule.next(now) is None:
        reason = "The schedule is never due: no time of its expression lies ahead, before its end."
        raise InvalidError(f"{field}.expression", reason, value=schedule.expression[:MAX_SHOWN])


@cache
def parse(expression: str) -> Cron | int:
    """A cron expression, or the milliseconds of a rate; ValueError with a sentence for anything else."""
    if len(expression) > MAX_EXPRESSION_CHARACTERS:
        raise ValueError(f"it has {len(expression)} characters, and at most {MAX_EXPRESSION_CHARACTERS} are taken.")
    if rate := re.fullmatch(r"rate\(([0-9]{1,6}) (minute|hour|day)s?\)", expression):
        milliseconds = int(rate[1]) * UNITS[rate[2]]
        if not 0 < milliseconds <= MAX_RATE_DAYS * clock.DAY:
            raise ValueError(f"a rate is from 1 minute to {MAX_RATE_DAYS} days.")
        return milliseconds
    cron = re.fullmatch(r"cron\(([^()]*)\)", expression)
    if cron is None:
        raise ValueError(f"it must be {EXPRESSIONS}.")
    texts = cron[1].upper().split()
    if len(texts) != len(FIELDS):
        raise ValueError(f"cron has {len(FIELDS)} fields, not {len(texts)}: it must be {EXPRESSIONS}.")
    minutes, hours, days, months, weekdays, years = texts
    if (days == "?") == (weekdays == "?"):
        raise ValueError("one of day-of-month and day-of-week must be '?', and only one.")
    return Cron(
        minutes=_numbers(MINUTE, minutes),
        hours=_numbers(HOUR, hours),
        days=_days(days) if weekdays == "?" else _weekdays(weekdays),
        months=_numbers(MONTH, months),
        years=frozenset(_numbers(YEAR, years)),
    )


def is_zone(name: str) -> bool:
    """Whether it is the name of a time zone."""
    try:
        _zone(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _days(text: str) -> Days:
    """The day-of-month field: numbers, ranges and steps, `L`, `LW` and `15W`."""
    if text == "*":
        return Days(any=True)
    numbers: set[int] = set()
    nearest: set[int] = set()
    last = last_weekday = False
    for part in text.split(","):
        if part == "L":
            last = True
        elif part == "LW":
            last_weekday = True
        elif found := re.fullmatch(r"([0-9]{1,2})W", part):
            nearest.add(_number(DAY, found[1]))
        else:
            numbers |= set(_part(DAY, part))
    return Days(numbers=frozenset(numbers), nearest=frozenset(nearest), last=last, last_weekday=last_weekday)


def _weekdays(text: str) -> Days:
    """The day-of-week field: numbers, names, ranges and steps, `L` (Saturday), `6L` (the last Friday), `2#1`."""
    if text == "*":
        return Days(any=True)
    weekdays: set[int] = set()
    last_of: set[int] = set()
    nth: set[tuple[int, int]] = set()
    for part in text.split(","):
        if part == "L":
            weekdays.add(SATURDAY)
        elif found := re.fullmatch(r"([1-7]|[A-Z]{3})L", part):
            last_of.add(_number(WEEKDAY, found[1]))
        elif found := re.fullmatch(r"([1-7]|[A-Z]{3})#([1-5])", part):
            nth.add((_number(WEEKDAY, found[1]), int(found[2])))
        else:
            weekdays |= set(_part(WEEKDAY, part))
    return Days(weekdays=frozenset(weekdays), last_of=frozenset(last_of), nth=frozenset(nth))


def _numbers(field: Field, text: str) -> tuple[int, ...]:
    return tuple(sorted({number for part in text.split(",") for number in _part(field, part)}))


def _part(field: Field, text: str) -> range:
    """One of the parts between commas: `*`, `5`, `5-10`, and each with a step, as in `0/15`."""
    found = re.fullmatch(r"(\*|[0-9A-Z]+)(?:-([0-9A-Z]+))?(?:/([0-9]{1,4}))?", text)
    if found is None or (found[1] == "*" and found[2] is not None):
        raise ValueError(f"'{text[:50]}' is no {field.name}: it has {field.allowed}, with , - * and /.")
    step = 1 if found[3] is None else int(found[3])
    if step < 1:
        raise ValueError(f"the step of '{text[:50]}' in the {field.name} must be at least 1.")
    if found[1] == "*":
        return range(field.least, field.most + 1, step)
    first = _number(field, found[1])
    if found[2] is not None:
        last = _number(field, found[2])
        if last < first:
            raise ValueError(f"the range '{text[:50]}' of the {field.name} runs backwards.")
    else:
        last = first if found[3] is None else field.most
    return range(first, last + 1, step)


def _number(field: Field, text: str) -> int:
    number = field.names.get(text, int(text) if text.isdecimal() and len(text) <= 4 else -1)
    if not field.least <= number <= field.most:
        raise ValueError(f"'{text[:50]}' is no {field.name}: it has {field.allowed}.")
    return number


def _weekday(year: int, month: int, day: int) -> int:
    """1 for Sunday to 7 for Saturday."""
    return date(year, month, day).isoweekday() % 7 + 1


def _nearest_weekday(year: int, month: int, day: int, length: int) -> int:
    """The day of Monday to Friday that is nearest, in the same month."""
    weekday = date(year, month, day).weekday()
    if weekday == 5:  # Saturday
        return day - 1 if day > 1 else day + 2
    if weekday == 6:
        return day + 1 if day < length else day - 2
    return day


def _moment(local: datetime, zone: ZoneInfo) -> int | None:
    """The first moment at which clocks of the zone show this; None where a change of the clocks leaves it out."""
    moment = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != local:
        return None
    return int(moment.timestamp()) * clock.SECOND


@cache
def _zone(name: str) -> ZoneInfo:
    """KeyError, ValueError or OSError for what is no zone."""
    if not re.fullmatch(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+){0,2}", name):
        raise ValueError("no name of a zone")
    return ZoneInfo(name)
