"""The shapes of the analytics group."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Annotated, Literal

from fluvial import clock, ids, usage
from fluvial.errors import MAX_SHOWN, InvalidError
from fluvial.http.wire import LEFT_OUT_IF_NONE, Documented, Shape, parse_time

DEFAULT_DAYS = 30
# Beyond them nothing was counted, nor will be soon.
YEARS = range(2000, 2200)
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# A time is for the granularity `hour`.
MOMENT = [{"format": "date"}, {"format": "date-time"}]


class UsageQuery(Shape):
    """From the first to the last day or hour, both of them counted; without any, the last 30 days."""

    start_date: Annotated[str, Documented(anyOf=MOMENT)] | None = None
    end_date: Annotated[str, Documented(anyOf=MOMENT)] | None = None
    granularity: Literal["hour", "day", "week", "month"] = "day"
    breakdown: Literal["key", "api"] | None = None

    def range(self) -> tuple[int, int]:
        """Start and end in milliseconds; the end lies behind the last hour."""
        if self.end_date is None:
            end = clock.now() // clock.DAY * clock.DAY + clock.DAY
        else:
            end = sum(self._span("end_date", self.end_date))
        if self.start_date is None:
            return max(end - DEFAULT_DAYS * clock.DAY, 0), end
        return self._span("start_date", self.start_date)[0], end

    def _span(self, field: str, text: str) -> tuple[int, int]:
        """Start and length of the day or hour that the text names."""
        if DATE.fullmatch(text):
            return _day(field, text), clock.DAY
        if self.granularity != "hour":
            raise _no_date(field, text, "a date such as 2026-01-31; times are for the granularity 'hour'")
        moment = parse_time(field, text)
        if datetime.fromtimestamp(moment // clock.SECOND, UTC).year not in YEARS:
            raise _no_date(field, text, f"a date in the years {YEARS[0]} to {YEARS[-1]}")
        return moment // clock.HOUR * clock.HOUR, clock.HOUR


def _day(field: str, text: str) -> int:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise _no_date(field, text, "a date that exists, such as 2026-01-31") from error
    if day.year not in YEARS:
        raise _no_date(field, text, f"a date in the years {YEARS[0]} to {YEARS[-1]}")
    return int(datetime.combine(day, time(), UTC).timestamp()) * clock.SECOND


def _no_date(field: str, text: str, allowed: str) -> InvalidError:
    shown = text[:MAX_SHOWN]
    return InvalidError(field, f"'{field}' must be {allowed}, not '{shown}'.", value=shown, constraint=allowed)


class UsageItem(Shape):
    date: str
    api_calls: int
    data_processed: int
    projects_created: int


class Summary(Shape):
    total_api_calls: int
    total_data_processed: int
    total_projects: int


class KeyUsage(Shape):
    key_id: str
    api_calls: int


class ApiUsage(Shape):
    api: str
    api_calls: int


class Usage(Shape):
    """`breakdown` is there where it was asked for: the requests of the whole range by key or by API, most first."""

    data: list[UsageItem]
    summary: Summary
    breakdown: Annotated[list[KeyUsage] | list[ApiUsage] | None, LEFT_OUT_IF_NONE] = None

    @classmethod
    def from_core(cls, found: usage.Usage, query: UsageQuery) -> Usage:
        date_length = None if query.granularity == "hour" else len("2026-01-31")
        return cls(
            data=[
                UsageItem(
                    date=clock.iso(bucket.start)[:date_length],
                    api_calls=bucket.counts.api_calls,
                    data_processed=bucket.counts.data_processed,
                    projects_created=bucket.counts.projects_created,
                )
                for bucket in found.buckets
            ],
            summary=Summary(
                total_api_calls=found.total.api_calls,
                total_data_processed=found.total.data_processed,
                total_projects=found.total.projects_created,
            ),
            breakdown=_breakdown(found, query.breakdown),
        )


def _breakdown(found: usage.Usage, by: str | None) -> list[KeyUsage] | list[ApiUsage] | None:
    if by == "key":
        return [KeyUsage(key_id=ids.spell(ids.KEY, key), api_calls=calls) for key, calls in found.by_key()]
    if by == "api":
        return [ApiUsage(api=api, api_calls=calls) for api, calls in found.by_api()]
    return None
