"""Identity: one 53-bit integer per thing, and its spellings.

    bit 52 ............ 12 11 ....... 0
        milliseconds since   a count that goes on
        2025-01-01 UTC       from a random start

Ids sort by time of creation and are exact in a JavaScript number. Two processes can make the same id in the
same millisecond; the conditional put that creates the thing is the guard, so creating code retries with a new id.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable

EPOCH_MILLISECONDS = 1_735_689_600_000  # 2025-01-01T00:00:00Z
COUNT_BITS = 12
COUNTS = 1 << COUNT_BITS
MAX_ID = 2**53 - 1
SPELLING_LENGTH = 11  # ceil(53 / 5) characters of five bits

# The prefixes of the spelling that the reference API and the events use.
ACCOUNT = "acc"
ANALYSIS = "an"
COMPARISON = "cmp"
DATASET = "data"
DELIVERY = "dlv"
ENDPOINT = "wh"
EVENT = "evt"
EXPORT = "exp"
JOB = "job"
KEY = "key"
PAGE = "page"
PROJECT = "proj"
SECTION = "sec"
UPLOAD = "upl"
USER = "user"

# Crockford's base32, lower case: no i, l, o, u. https://www.crockford.com/base32.html
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
_VALUES = {character: value for value, character in enumerate(ALPHABET)}

_count = itertools.count(secrets.randbelow(COUNTS))

NewId = Callable[[], int]


def new_id() -> int:
    """Returns an id for a thing created now."""
    milliseconds = time.time_ns() // 1_000_000 - EPOCH_MILLISECONDS
    return milliseconds << COUNT_BITS | next(_count) % COUNTS


def spell(prefix: str, number: int) -> str:
    """`spell("proj", 123)` is `"proj_0000000003v"`: the prefix and eleven characters of Crockford base32."""
    # Two characters at a time: an answer of 20 things spells 20 ids or more.
    return (
        f"{prefix}_{ALPHABET[number >> 50]}{_PAIRS[number >> 40 & 1023]}{_PAIRS[number >> 30 & 1023]}"
        f"{_PAIRS[number >> 20 & 1023]}{_PAIRS[number >> 10 & 1023]}{_PAIRS[number & 1023]}"
    )


def parse(prefix: str, spelling: str) -> int | None:
    """The id spelled so, or None where the text is no spelling of ours (such a thing cannot exist)."""
    head, separator, tail = spelling.rpartition("_")
    if not separator or head != prefix or len(tail) != SPELLING_LENGTH:
        return None
    number = 0
    for character in tail:
        value = _VALUES.get(character)
        if value is None:
            return None
        number = number * 32 + value
    return number if number <= MAX_ID else None
