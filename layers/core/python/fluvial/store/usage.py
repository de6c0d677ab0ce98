"""Counters of use: what an account did, by hour. Written in the transaction of what they count, so exact.

Beside them in the account's partition, `windows` counts requests; reading a range of time finds both.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from fluvial import clock
from fluvial.store import keys, table

# An hour's counter is spread, because every item takes one writer at a time: writers of one account would meet on it.
SHARDS = 8

# Use can be asked for long after; then the counters may go.
KEPT_SECONDS = 400 * clock.DAY // clock.SECOND


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests, bytes of files that became rows, projects made."""

    api_calls: int = 0
    data_processed: int = 0
    projects_created: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.api_calls + other.api_calls,
            self.data_processed + other.data_processed,
            self.projects_created + other.projects_created,
        )


def add(account_id: int, *, at: int, data_processed: int = 0, projects_created: int = 0) -> table.Action:
    """The action that counts, for the transaction of what is counted; `at` in milliseconds, data in bytes."""
    start = at // clock.HOUR * clock.HOUR // clock.SECOND
    shard = random.randrange(SHARDS)  # noqa: S311 (spreads load, guards nothing)
    return table.update(
        (_partition(account_id), f"{start:010d}#{shard}"),
        "SET #type = :type, account = :account, expires = :expires "
        "ADD data_processed :bytes, projects_created :projects",
        None,
        {"#type": "type"},
        type="usage",
        account=account_id,
        expires=start + clock.HOUR // clock.SECOND + KEPT_SECONDS,
        bytes=data_processed,
        projects=projects_created,
    )


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted in an hour; `hour` in milliseconds. `source` is key and API for requests, else None."""

    hour: int
    counts: Counts
    source: tuple[str, str] | None


def between(account_id: int, start: int, end: int) -> Iterator[Counted]:
    """What was counted from `start` to before `end`, in pieces. Times in milliseconds, whole hours."""
    # A sort key goes on after its time, so those of `end` itself come after the last one wanted.
    wanted = (f"{start // clock.SECOND:010d}", f"{end // clock.SECOND:010d}")
    for item in table.query(_partition(account_id), between=wanted):
        counts = Counts(
            api_calls=item.get("used", 0),
            data_processed=item.get("data_processed", 0),
            projects_created=item.get("projects_created", 0),
        )
        hour = int(item["sk"].partition("#")[0]) * clock.SECOND
        yield Counted(hour, counts, keys.window_source(item["sk"]))


def _partition(account_id: int) -> str:
    return keys.listed(account_id, "usage")
