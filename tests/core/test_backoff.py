"""Rules of backoff.py, with the clock and the randomness given."""

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvial import backoff

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC).timestamp()


def test_ten_attempts_are_made_over_75_hours_and_35_minutes():
    clock = 0
    made = []
    attempt = 1
    while (delay := backoff.delay_before(attempt, random=lambda: 0.5)) is not None:
        clock += delay
        made.append(clock)
        attempt += 1
    minute, hour = 60, 3600
    assert len(made) == 10
    assert made[:4] == [0, 5, 5 * minute + 5, 35 * minute + 5]
    assert made[-1] == 75 * hour + 35 * minute + 5


@given(attempt=st.integers(1, 10), seed=st.integers())
def test_every_delay_is_within_20_percent_of_its_schedule(attempt, seed):
    base = backoff.ATTEMPT_DELAYS_SECONDS[attempt - 1]
    delay = backoff.delay_before(attempt, random=random.Random(seed).random)
    assert isinstance(delay, int)
    assert base * 0.8 <= delay <= base * 1.2


def test_the_jitter_reaches_both_ends():
    assert backoff.delay_before(3, random=lambda: 0.0) == 240
    assert backoff.delay_before(3, random=lambda: 1.0) == 360


def test_the_first_attempt_is_made_at_once():
    assert backoff.delay_before(1, random=lambda: 1.0) == 0


def test_there_is_no_eleventh_attempt():
    assert backoff.delay_before(11, random=lambda: 0.5) is None


def test_attempts_are_counted_from_one():
    with pytest.raises(ValueError, match="counted from 1"):
        backoff.delay_before(0, random=lambda: 0.5)


def test_the_queue_alone_reaches_three_attempts_whatever_the_jitter():
    assert backoff.queue_attempts() == 3
    longest = [backoff.delay_before(attempt, random=lambda: 1.0) for attempt in (1, 2, 3)]
    assert max(longest) <= backoff.QUEUE_DELAY_LIMIT_SECONDS


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("86401", 86_400),
        ("9" * 5_000, 86_400),
        ("Sun, 22 Nov 2026 12:02:00 GMT", 120),
        ("Sunday, 22-Nov-26 12:02:00 GMT", 120),
        ("Sun Nov 22 12:02:00 2026", 120),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
        ("Sun, 22 Nov 2099 11:00:00 GMT", 86_400),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("١٢", None),
        ("Sun, 99 Nov 2026 12:02:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_bounded_to_a_day(header, seconds):
    assert backoff.retry_after_seconds(header, NOW) == seconds


@given(st.text())
def test_no_retry_after_header_can_raise(header):
    seconds = backoff.retry_after_seconds(header, NOW)
    assert seconds is None or 0 <= seconds <= 86_400
