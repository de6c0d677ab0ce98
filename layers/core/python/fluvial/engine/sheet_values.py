"""What a cell of a sheet says, as text: numbers, and what number formats make dates and times of.

A sheet stores 64-bit floats. Excel writes them with up to 17 digits, so the shortest text that means the same float is
what was typed. A date is a count of days, and only the cell's number format says so.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache
from math import isfinite

MILLISECONDS_PER_DAY = 24 * 60 * 60 * 1000
# The day of 9999-12-31, beyond which Excel shows nothing but hashes.
LAST_DAY = {1900: 2_958_465, 1904: 2_957_003}
_BUILT_IN = {
    **dict.fromkeys((14, 15, 16, 17, *range(27, 32), 34, 35, 36, *range(50, 59)), "yyyy-mm-dd"),
    **dict.fromkeys((18, 19, 20, 21, 32, 33), "hh:mm:ss"),
    22: "yyyy-mm-dd hh:mm",
    45: "mm:ss",
    46: "[h]:mm:ss",
    47: "mm:ss.0",
}
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# Text in a format that is no field: quoted, escaped, skipped widths and fills, colours, conditions and locales.
_LITERAL = re.compile(
    r'"[^"]*"|\\.|_.|\*.|\[(?!(?:h+|m+|s+)\])[^\]]*\]|am/pm|a/p|general|standard|[e][+-]', re.IGNORECASE
)
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


@lru_cache(maxsize=4096)
def moment_kind(format_id: int, code: str | None) -> tuple[str, int] | None:
    """(date, time, timestamp or duration; digits of fractions of seconds) of a number format; None for numbers."""
    code = _BUILT_IN.get(format_id) if code is None else code
    if not code:
        return None
    fields = _LITERAL.sub("", code).split(";", 1)[0].lower()
    fraction = re.search(r"s\]?[.,](0+)", fields)
    digits = min(len(fraction[1]), 3) if fraction else 0
    if "[" in fields:
        return "duration", digits
    has_time = "h" in fields or "s" in fields
    if re.search("[ydg]|e", fields) or ("m" in fields and not has_time) or re.search("a{3}|b{2}", fields):
        return ("timestamp" if has_time else "date"), digits
    return ("time", digits) if has_time else None


def number_text(text: str) -> str | None:
    """The number as the shortest text of its float; whole numbers keep their digits. None where it is no number."""
    if _INTEGER.fullmatch(text):
        return text
    if not _NUMBER.fullmatch(text) or not isfinite(number := float(text)):
        return None
    if number == int(number) and abs(number) < 1e16:
        return str(int(number))
    return repr(number)


def moment_text(text: str, kind: str, digits: int, system: int) -> tuple[str, str] | None:
    """(kind, ISO text) of a count of days, to the millisecond as Excel keeps it; None where Excel shows no moment.

    A date with a time of day is a timestamp whatever its format hides, and so is a time on a day of its own.
    """
    try:
        whole = round(float(text) * MILLISECONDS_PER_DAY)
    except (ValueError, OverflowError):
        return None
    if whole < 0 and kind != "duration":
        return None
    day, rest = divmod(abs(whole), MILLISECONDS_PER_DAY)
    if day > LAST_DAY[system]:
        return None
    if kind == "duration":
        sign = "-" if whole < 0 else ""
        return "time", sign + _clock(day * MILLISECONDS_PER_DAY + rest, digits)
    if kind == "time" and not day:
        return "time", _clock(rest, digits)
    if kind == "date" and not rest:
        return "date", _day(day, system)
    return "timestamp", f"{_day(day, system)}T{_clock(rest, digits)}"


def _clock(milliseconds: int, digits: int) -> str:
    """Hours, minutes, seconds; fractions where the format has them, and where the time has."""
    seconds, fraction = divmod(milliseconds, 1000)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    if not fraction and not digits:
        return text
    exact = f"{fraction:03d}"
    return f"{text}.{exact if exact[digits:].strip('0') or not digits else exact[:digits]}"


@lru_cache(maxsize=65_536)
def _day(day: int, system: int) -> str:
    """The date of a day's number. Excel's 1900 has a day 0 and a 29 February, which are no dates but are shown."""
    if system == 1904:
        return (date(1904, 1, 1) + timedelta(days=day)).isoformat()
    if day == 0:
        return "1900-01-00"
    if day == 60:
        return "1900-02-29"
    return (date(1899, 12, 31 if day < 60 else 30) + timedelta(days=day)).isoformat()


def unescaped(text: str) -> str:
    """Text with `_x000D_` and its like replaced by the characters that they stand for."""
    if "_x" not in text or not _ESCAPE.search(text):
        return text
    text = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    # Characters beyond 16 bits are two escapes; half of one stays half, and its row is rejected.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def column_number(letters: str) -> int:
    """1 for A, 27 for AA; 0 for what is no column."""
    number = 0
    for letter in letters:
        if not "A" <= letter <= "Z" or number > 100_000:
            return 0
        number = number * 26 + ord(letter) - 64
    return number


def column_letters(number: int) -> str:
    """A for 1, AA for 27."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
