"""When a webhook delivery is attempted again.

    attempt   1    2     3      4     5     6     7      8      9      10
    gap       0    5 s   5 min  30 m  2 h   5 h   10 h   14 h   20 h   24 h     ±20 %

Ten attempts over 75 h 35 min, as in the example schedule of Standard Webhooks 1.0. Pure: randomness and the
time are arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR

ATTEMPT_DELAYS_SECONDS = (
    0,
    5,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
"""The gap before each attempt, counted from the end of the one before."""

JITTER = 0.2
"""Each gap is up to this share shorter or longer, so that what failed together does not return together."""

MAX_RETRY_AFTER_SECONDS = DAY
"""A receiver that asks for more is asked again after this."""

QUEUE_DELAY_LIMIT_SECONDS = 15 * MINUTE
"""The longest DelaySeconds of an SQS message; longer waits need a scheduler."""


def delay_before(attempt: int, *, random: Callable[[], float]) -> int | None:
    """Seconds to wait before this attempt (the first is 1), or None when it is one too many.

    `random` gives numbers from 0 to 1, such as `random.random`.
    """
    if attempt < 1:
        raise ValueError(f"attempts are counted from 1, not {attempt}")
    if attempt > len(ATTEMPT_DELAYS_SECONDS):
        return None
    return round(ATTEMPT_DELAYS_SECONDS[attempt - 1] * (1 - JITTER + 2 * JITTER * random()))


def queue_attempts() -> int:
    """How many attempts can be made with the queue's delay alone, whatever the jitter says."""
    attempts = 0
    for delay in ATTEMPT_DELAYS_SECONDS:
        if delay * (1 + JITTER) > QUEUE_DELAY_LIMIT_SECONDS:
            break
        attempts += 1
    return attempts


def retry_after_seconds(header: str | None, now: float) -> int | None:
    """Seconds that a `Retry-After` header asks for, 0 to 24 h; None where there is none or it means nothing.

    `now` is in epoch seconds. Both forms of RFC 9110, section 10.2.3: a number of seconds, or an HTTP date.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdecimal():
        # Python refuses to read numbers of thousands of digits, and this many are over the bound anyway.
        return min(int(text), MAX_RETRY_AFTER_SECONDS) if len(text) <= 10 else MAX_RETRY_AFTER_SECONDS
    # Here, because few answers have a date and the schedule is also imported where none are read.
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)  # the asctime form of HTTP dates names no zone, and means UTC
        seconds = round(moment.timestamp() - now)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return min(max(seconds, 0), MAX_RETRY_AFTER_SECONDS)
