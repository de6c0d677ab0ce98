"""Identity: one 53-bit integer per thing, and its spellings.

    bit 52 ............ 12 11 ....... 0
        milliseconds since   a count that goes on
        2025-01-01 UTC       from a random start

Ids sort by time of creation and are exact in a JavaScript number. Two processes can make the same id in the
same millisecond; the conditional put that creates the thing is the guard, so creating code retries with a new id.
"""

from __future__ import annotations

import hashlib
import itertools
import re
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
APPLICATION = "app"
AUTOMATION = "auto"
COMPARISON = "cmp"
DATASET = "data"
DELIVERY = "dlv"
ENDPOINT = "wh"
EVENT = "evt"
EXPORT = "exp"
GENERATED_REPORT = "gen"
JOB = "job"
KEY = "key"
PAGE = "page"
PREPARATION = "prep"
PROJECT = "proj"
REPORT = "rep"
RUN = "run"
SECTION = "sec"
UPLOAD = "upl"
USER = "user"

# Crockford's base32, lower case: no i, l, o, u. https://www.crockford.com/base32.html
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
_VALUES = {character: value for value, character in enumerate(ALPHABET)}

# The bits of a UUIDv8: 48, four of the version, twelve, two of the variant, 62. https://www.rfc-editor.org/rfc/rfc9562
UUID_PATTERN = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-8[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}"
_HIGH_BITS, _MIDDLE_BITS, _LOW_BITS = 48, 12, 62
_CHECK_BITS = _HIGH_BITS + _MIDDLE_BITS + _LOW_BITS - MAX_ID.bit_length()

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


def uuid(kind: str, number: int) -> str:
    """The id as a UUIDv8: `uuid("proj", 123)` is `"00000000-0003-8de4-abf5-022d41b8fa18"`.

    `kind` is the prefix of the other spelling.
    The 53 bits come first, so that these, too, sort by time of creation. The other 69 bits that a UUIDv8 leaves free
    are of the SHA-256 of kind and id: the UUID of one kind of thing is never that of another.
    """
    bits = number << _CHECK_BITS | _check(kind, number)
    low = bits & (1 << _LOW_BITS) - 1
    middle = bits >> _LOW_BITS & (1 << _MIDDLE_BITS) - 1
    high = bits >> _LOW_BITS + _MIDDLE_BITS
    text = f"{high << 80 | 8 << 76 | middle << 64 | 2 << 62 | low:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def of_uuid(kind: str, text: str) -> int | None:
    """The id of this kind that the UUID spells, in either case of letters; None where it spells none of ours."""
    if not re.fullmatch(UUID_PATTERN, text):
        return None
    bits = int(text.replace("-", ""), 16)
    high, middle = bits >> 80, bits >> 64 & (1 << _MIDDLE_BITS) - 1
    number = (high << _MIDDLE_BITS | middle) >> _CHECK_BITS - _LOW_BITS
    return number if uuid(kind, number) == text.lower() else None


def _check(kind: str, number: int) -> int:
    digest = hashlib.sha256(f"{kind} {number}".encode()).digest()
    return int.from_bytes(digest) >> len(digest) * 8 - _CHECK_BITS
