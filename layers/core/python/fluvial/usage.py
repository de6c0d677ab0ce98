"""Statistics of use: requests that were counted, bytes that became rows, projects that were made, by time.

    start            buckets of a week                      end
      |--- Wed ... Sun --|--- Mon ... Sun --|--- Mon ... ---|

Only what lies in the range is counted: its sums are the same in buckets of any size. All times are UTC.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fluvial import clock
from fluvial.caller import Caller
from fluvial.errors import InvalidError
from fluvial.store import accounts as accounts_store
from fluvial.store import keys
from fluvial.store import usage as store
from fluvial.store.usage import KEPT_SECONDS
from fluvial.store.usage import Counts as Counts

MAX_BUCKETS = 1_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was counted in one hour, day, week (from Monday) or month; `start` in milliseconds."""

    start: int
    counts: Counts


@dataclass(frozen=True, slots=True)
class Usage:
    """Every bucket that has a part of a range, empty ones too, the sum of all, and its requests by key and API."""

    buckets: Sequence[Bucket]
    total: Counts
    requests: Counter[tuple[str, str]]

    def by_key(self) -> Sequence[tuple[int, int]]:
        """Keys and their requests, most first."""
        return [(keys.parsed(key), count) for key, count in self._summed(0)]

    def by_api(self) -> Sequence[tuple[str, int]]:
        """APIs and their requests, most first."""
        return self._summed(1)

    def _summed(self, part: int) -> list[tuple[str, int]]:
        sums = Counter[str]()
        for source, count in self.requests.items():
            sums[source[part]] += count
        return sorted(sums.items(), key=lambda pair: (-pair[1], pair[0]))


def over(caller: Caller, *, start: int, end: int, granularity: str, now: clock.Now = clock.now) -> Usage:
    """What the account used in a range.

    `start` (inclusive) and `end` (exclusive) are whole hours in milliseconds. InvalidError for a range that is empty,
    too long, or begins before what is known.
    """
    if end <= start:
        raise InvalidError("end_date", "'end_date' must not be before 'start_date'.", constraint="start_date or later")
    starts = _starts(start, end, granularity)
    _check_known(caller, start, now())
    counts = [Counts()] * len(starts)
    requests = Counter[tuple[str, str]]()
    for counted in store.between(caller.account, start, end):
        counts[bisect_right(starts, counted.hour) - 1] += counted.counts
        if counted.source is not None:
            requests[counted.source] += counted.counts.api_calls
    buckets = [Bucket(*pair) for pair in zip(starts, counts, strict=True)]
    return Usage(buckets, sum(counts, Counts()), requests)


def _check_known(caller: Caller, start: int, moment: int) -> None:
    """Refuses a range of which a part may be forgotten; before the account was made nothing was to be counted."""
    earliest = -(-(moment - KEPT_SECONDS * clock.SECOND) // clock.HOUR) * clock.HOUR
    if start < earliest and accounts_store.get(caller.account).created < earliest:
        reason = f"'start_date' must not be before {clock.iso(earliest)}: use is known for 400 days."
        raise InvalidError("start_date", reason, value=clock.iso(start), constraint="within the last 400 days")


def _starts(start: int, end: int, granularity: str) -> list[int]:
    """The starts of the buckets, the first at `start` or before it."""
    starts: list[int] = []
    for moment in _buckets(datetime.fromtimestamp(start // clock.SECOND, UTC), granularity):
        milliseconds = int(moment.timestamp()) * clock.SECOND
        if milliseconds >= end:
            return starts
        if len(starts) == MAX_BUCKETS:
            break
        starts.append(milliseconds)
    raise InvalidError(
        "granularity",
        f"The range has more than {MAX_BUCKETS} of this 'granularity': ask for a coarser one, or for less time.",
        value=granularity,
        constraint=f"at most {MAX_BUCKETS} items",
    )


def _buckets(moment: datetime, granularity: str) -> Iterator[datetime]:
    """The start of the bucket that has this moment, and those of the buckets after it."""
    start = moment.replace(minute=0, second=0, microsecond=0)
    if granularity != "hour":
        start = start.replace(hour=0)
    if granularity == "week":
        start -= timedelta(days=start.weekday())
    if granularity == "month":
        start = start.replace(day=1)
    while True:
        yield start
        match granularity:
            case "hour":
                start += timedelta(hours=1)
            case "day":
                start += timedelta(days=1)
            case "week":
                start += timedelta(days=7)
            case _:
                start = (start + timedelta(days=31)).replace(day=1)
