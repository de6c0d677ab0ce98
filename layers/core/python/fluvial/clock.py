"""Time, as whole milliseconds since 1970 UTC: what is stored. Text forms are made at the edges."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Now = Callable[[], int]

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def now() -> int:
    """Milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000


def iso(milliseconds: int) -> str:
    """`2025-11-29T12:00:00Z`: UTC to the second, as all five documents write it."""
    # isoformat ends in +00:00; strftime could write the Z itself, but takes ten times as long.
    return datetime.fromtimestamp(milliseconds // 1000, UTC).isoformat()[:-6] + "Z"
