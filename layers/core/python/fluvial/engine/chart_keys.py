"""The labels of a chart as SQL: values of a column, or buckets of time on a clock.

A bucket from the day up is a date. A minute or an hour is a time of the clock that the column's cells show. In a named
time zone, where a clock that is put back shows an hour twice, it is that time with its offset from UTC: both in one
integer, which sorts as time goes by (two that begin in one instant, as where clocks change in the middle of an hour, by
the offset).
"""

# The SQL here is made of our own words and numbers, quoted identifiers and quoted literals.
# ruff: noqa: S608

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from fluvial.chart_queries import CLOCK_BUCKETS, ChartQuery, Dimension
from fluvial.engine import aggregates
from fluvial.engine.load import identifier, quoted
from fluvial.engine.manifest import Column
from fluvial.engine.rows import cursor, json_ready
from fluvial.engine.temporal import offset_minutes, zone_of
from fluvial.errors import InvalidError

_SECONDS = {"minute": 60, "hour": 3600}
MAX_SUGGESTED = 3  # names of zones
# How far apart moments may be that every bucket has one of: clocks are put back and forth by quarters of an hour.
_STEP_SECONDS = {"minute": 60, "hour": 900}
# An instant and an offset in one integer, with what keeps both from being negative.
_OFFSETS = 2**18
_OFFSET_ZERO = 2**17
_INSTANT_ZERO = 2**36


@dataclass(frozen=True)
class Key:
    """`sql` makes the key of a row, `text` and `offset` make of a key what the answer has of it.

    The offset is null, or the seconds that stand behind the text. `count` and `between` are SQL for how many buckets
    there are from the least key `lo` to the greatest `hi`, and for these themselves as rows.
    """

    sql: str
    text: Callable[[str], str]
    offset: Callable[[str], str] = lambda _: "NULL"
    count: str = ""
    between: str = ""


def key_of(dimension: Dimension, column: Column) -> Key:
    """The key of a dimension that was checked, by its column."""
    if dimension.bucket is None:
        return Key(aggregates.value(column), lambda key: json_ready(column, key))
    if dimension.bucket not in CLOCK_BUCKETS:
        return _days(dimension.bucket, dimension.time_zone, column)
    if dimension.time_zone is not None:
        return _zoned(dimension.bucket, dimension.time_zone, identifier(column.name))
    return _clock(dimension.bucket, column)


def offset_text(seconds: int) -> str:
    """An offset from UTC, such as +02:00."""
    minutes, rest = divmod(abs(seconds), 60)
    text = f"{'-' if seconds < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{rest:02}" if rest else text


@lru_cache(maxsize=1)
def time_zones() -> frozenset[str]:
    """The zones of the IANA database; short names beside UTC are left out, for many mean different zones to people."""
    names = {name for (name,) in cursor().execute("SELECT name FROM pg_timezone_names()").fetchall()}
    return frozenset({"UTC"} | {name for name in names if "/" in name and not name.startswith("SystemV/")})


def check_zones(query: ChartQuery, place: str) -> None:
    """InvalidError for a time zone that does not exist, with names that are like it."""
    for name, dimension in (("dimension", query.dimension), ("series", query.series)):
        zone = None if dimension is None else dimension.time_zone
        if zone is not None and zone not in time_zones():
            like = difflib.get_close_matches(zone, sorted(time_zones()), MAX_SUGGESTED) or ["Europe/Berlin", "UTC"]
            reason = f"There is no time zone '{zone}'; there are names such as {', '.join(like)}."
            raise InvalidError(
                f"{place}{name}.timeZone", reason, value=zone, constraint="a name of the IANA time zone database"
            )


def _days(bucket: str, zone: str | None, column: Column) -> Key:
    moment = aggregates.clock(column)
    if zone is not None:
        moment = f"timezone({quoted(zone)}, {identifier(column.name)})"
    step = "INTERVAL 3 MONTH" if bucket == "quarter" else f"INTERVAL 1 {bucket.upper()}"
    between = f"SELECT CAST(unnest(generate_series(CAST(lo AS TIMESTAMP), CAST(hi AS TIMESTAMP), {step})) AS DATE) AS k"
    if zone is not None and bucket == "day":
        # A zone that changes sides of the date line leaves out a day: its noon is told as one of the next.
        noon = f"timezone({quoted(zone)}, timezone({quoted(zone)}, CAST(k AS TIMESTAMP) + INTERVAL 12 HOUR))"
        between = f"SELECT k FROM ({between} FROM ends) WHERE CAST({noon} AS DATE) = k"
    else:
        between = f"{between} FROM ends"
    return Key(
        aggregates.days_of(bucket, moment),
        lambda key: f"CAST({key} AS VARCHAR)",
        count=f"date_diff('{bucket}', lo, hi) + 1",
        between=between,
    )


def _clock(bucket: str, column: Column) -> Key:
    suffix = ""
    if column.type == "timestamp_tz":
        minutes = offset_minutes(zone_of(str(column.format)))
        suffix = offset_text(minutes * 60) if minutes else "Z"
    return Key(
        f"date_trunc('{bucket}', {aggregates.clock(column)})",
        lambda key: f"strftime({key}, '%Y-%m-%dT%H:%M:%S{suffix}')",
        count=f"date_diff('{bucket}', lo, hi) + 1",
        between=f"SELECT unnest(generate_series(lo, hi, INTERVAL 1 {bucket.upper()})) AS k FROM ends",
    )


def _zoned(bucket: str, zone: str, cell: str) -> Key:
    step = _STEP_SECONDS[bucket]
    instant = f"make_timestamptz((unnest(range({_instant('lo')}, {_instant('hi')} + 1, {step}))) * 1000000)"
    return Key(
        _packed(bucket, zone, cell),
        lambda key: f"strftime(make_timestamp(({_instant(key)} + {_offset(key)}) * 1000000), '%Y-%m-%dT%H:%M:%S')",
        offset=_offset,
        count=f"({_instant('hi')} - {_instant('lo')}) // {_SECONDS[bucket]} + 1",
        between=f"SELECT DISTINCT k FROM (SELECT {_packed(bucket, zone, 't')} AS k, lo, hi FROM "
        f"(SELECT {instant} AS t, lo, hi FROM ends)) WHERE k BETWEEN lo AND hi",
    )


def _packed(bucket: str, zone: str, moment: str) -> str:
    """What the zone's clock shows, cut to the bucket, as its instant in seconds, and its offset."""
    local = f"epoch_us(timezone({quoted(zone)}, {moment}))"
    offset = f"(({local} - epoch_us({moment})) // 1000000)"
    shown = f"(epoch_us(date_trunc('{bucket}', timezone({quoted(zone)}, {moment}))) // 1000000)"
    return f"({shown} - {offset} + {_INSTANT_ZERO}) * {_OFFSETS} + {offset} + {_OFFSET_ZERO}"


def _instant(key: str) -> str:
    return f"({key} // {_OFFSETS} - {_INSTANT_ZERO})"


def _offset(key: str) -> str:
    return f"({key} % {_OFFSETS} - {_OFFSET_ZERO})"
