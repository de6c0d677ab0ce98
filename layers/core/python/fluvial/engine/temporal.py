"""Spellings of dates and times: the formats a cell can have, and SQL that reads and writes them.

A format is strftime's language with two additions: `%3f` is a fraction of exactly 3 digits (1 to 9), and whatever
follows the last field, such as `Z` or `+02:00`, is literal and gives the offset of a timestamp_tz.
"""

from __future__ import annotations

import re

_DATE_FIRST_YEAR = r"(?P<y>[0-9]{4})(?P<s>[-/.])[0-9]{2}(?P=s)[0-9]{2}"
_DATE_LAST_YEAR = r"(?P<a>[0-9]{1,2})(?P<t>[-/.])(?P<b>[0-9]{1,2})(?P=t)[0-9]{4}"
_DATE_NAMED = r"[0-9]{2}(?P<u>[- ])[A-Z][a-z]{2}(?P=u)[0-9]{4}"
_DATE = re.compile(f"(?:{_DATE_FIRST_YEAR}|{_DATE_LAST_YEAR}|{_DATE_NAMED})")
_TIME = re.compile(
    r"(?P<sep>[T ])?[0-9]{2}:[0-9]{2}(?P<seconds>:[0-9]{2}(?:\.(?P<f>[0-9]{1,6}))?)?"
    r"(?P<zone>Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_FIELDS = {
    # Years 0001 to 9999: year 0 exists for DuckDB, but not for Python.
    "%Y": r"(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])",
    "%-m": r"[1-9][0-9]?",
    "%-d": r"[1-9][0-9]?",
    "%b": r"[A-Z][a-z]{2}",
} | dict.fromkeys(("%m", "%d", "%H", "%M", "%S"), r"[0-9]{2}")
_FIELD = re.compile(r"%-?[A-Za-z]|%[0-9]f")
_FRACTION = re.compile(r"%([0-9])f")
_ZONE = re.compile(r"(Z|[+-][0-9]{2}(?::?[0-9]{2})?)$")


def formats_of(cell: str) -> list[str]:
    """Every format the cell's shape allows, padded spellings and day-first first; [] if it has none."""
    if not cell.isascii() or not 5 <= len(cell) <= 35:
        return []
    day = _DATE.match(cell)
    rest = cell[day.end() :] if day else cell
    if day and not rest:
        return _date_formats(day)
    clock = _TIME.fullmatch(rest)
    if clock is None or bool(clock["sep"]) != bool(day):
        return []
    time_format = "%H:%M" + (":%S" if clock["seconds"] else "") + (f".%{len(clock['f'])}f" if clock["f"] else "")
    if day is None:
        return [] if clock["zone"] else [time_format]
    return [f"{one}{clock['sep']}{time_format}{clock['zone'] or ''}" for one in _date_formats(day)]


def _date_formats(day: re.Match[str]) -> list[str]:
    if day["y"]:
        return ["%Y{0}%m{0}%d".format(day["s"])]
    if day["u"]:
        return ["%d{0}%b{0}%Y".format(day["u"])]
    found = []
    if len(day["a"]) == len(day["b"]) == 2:
        found += ["%d{0}%m{0}%Y", "%m{0}%d{0}%Y"]
    if not day["a"].startswith("0") and not day["b"].startswith("0"):
        found += ["%-d{0}%-m{0}%Y", "%-m{0}%-d{0}%Y"]
    return [one.format(day["t"]) for one in found]


def swapped(format_: str) -> str | None:
    """The same format with day and month exchanged; None where their order is beyond doubt."""
    if not re.match(r"%-?[dm].%-?[md]", format_):
        return None
    return format_.translate(str.maketrans("dm", "md"))


def temporal_type(format_: str) -> str:
    """date, time, timestamp or timestamp_tz, as the format's fields say."""
    if "%H" not in format_:
        return "date"
    if "%Y" not in format_:
        return "time"
    return "timestamp_tz" if _ZONE.search(_FIELD.sub("", format_)) and zone_of(format_) else "timestamp"


def zone_of(format_: str) -> str:
    """The literal zone at the end of the format: "", "Z" or an offset."""
    return format_[[found.end() for found in _FIELD.finditer(format_)][-1] :]


def offset_minutes(zone: str) -> int:
    """Minutes east of UTC of "Z", "+02", "+0200" or "+02:00"."""
    if zone in ("", "Z"):
        return 0
    digits = zone[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return -minutes if zone[0] == "-" else minutes


def format_pattern(format_: str, *, named: bool = False) -> str:
    """A regular expression, the same to Python and to RE2, for texts of the format."""
    out, end = [], 0
    for found in _FIELD.finditer(format_):
        out.append(re.escape(format_[end : found.start()]))
        fraction = _FRACTION.fullmatch(found[0])
        body = f"[0-9]{{{fraction[1]}}}" if fraction else _FIELDS[found[0]]
        out.append(f"(?P<{found[0][-1]}>{body})" if named else body)
        end = found.end()
    return "".join(out) + re.escape(format_[end:])


def sql_parse(cell: str, type_: str, format_: str) -> str:
    """SQL for the DATE, TIME, TIMESTAMP or TIMESTAMPTZ in the text expression `cell`, or NULL."""
    zone = zone_of(format_)
    body = f"left({cell}, length({cell}) - {len(zone)})" if zone else cell
    iso = format_.startswith("%Y-%m-%d")
    if type_ == "time":
        padded = f"{body} || ':00'" if "%S" not in format_ else body
        return f"TRY_CAST({padded} AS TIME)"
    if type_ == "date":
        return f"TRY_CAST({cell} AS DATE)" if iso else f"CAST(try_strptime({cell}, '{format_}') AS DATE)"
    if iso and "%S" in format_:
        moment = f"TRY_CAST({body} AS TIMESTAMP)"
    else:
        moment = f"try_strptime({body}, '{_FRACTION.sub('%f', format_.removesuffix(zone) if zone else format_)}')"
    if type_ == "timestamp":
        return moment
    # With the session's zone at UTC, this cast neither needs nor consults a table of zones.
    return f"CAST(({moment} - INTERVAL ({offset_minutes(zone)}) MINUTE) AS TIMESTAMPTZ)"


def sql_render(value: str, type_: str, format_: str) -> str:
    """SQL that writes the typed expression `value` in the format."""
    zone = zone_of(format_)
    if type_ == "time":
        value = f"(DATE '2000-01-01' + {value})"
    elif type_ == "timestamp_tz":
        value = f"(CAST({value} AS TIMESTAMP) + INTERVAL ({offset_minutes(zone)}) MINUTE)"
    elif type_ == "date" and format_ == "%Y-%m-%d":
        return f"CAST({value} AS VARCHAR)"
    body = format_.removesuffix(zone) if zone else format_
    fraction = _FRACTION.search(body)
    if fraction is None:
        text = f"strftime({value}, '{body}')"
    else:
        digits = int(fraction[1])
        directive, surplus = ("%n", 9 - digits) if digits > 6 else ("%f", 6 - digits)
        text = f"strftime({value}, '{_FRACTION.sub(directive, body)}')"
        text = f"left({text}, length({text}) - {surplus})" if surplus else text
    return f"{text} || '{zone}'" if zone else text


_CLOCK = r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]{1,6})?)?"
_ANY_ZONE = r"Z|[+-][0-9]{2}(?::?[0-9]{2})?"
_YEAR_FIRST = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d")
_NAMED_MONTHS = ("%d-%b-%Y", "%d %b %Y", "%d-%B-%Y", "%d %B %Y")


def forced_date(cell: str, order: str | None) -> str:
    """SQL for the DATE in `cell` in any spelling that a forced type takes, or NULL.

    Day and month in digits before the year are read only in the order that was said.
    """
    formats, shapes = [*_YEAR_FIRST, *_NAMED_MONTHS], ["[0-9]{8}", "[0-9]{1,2}([- ])[A-Za-z]{3,9}([- ])[0-9]{4}"]
    for separator in "-/.":
        shapes.append(f"[0-9]{{4}}[{separator}][0-9]{{1,2}}[{separator}][0-9]{{1,2}}")
        if order in ("dmy", "mdy"):
            shapes.append(f"[0-9]{{1,2}}[{separator}][0-9]{{1,2}}[{separator}][0-9]{{4}}")
            day, month = ("%d", "%m") if order == "dmy" else ("%m", "%d")
            formats.append(f"{day}{separator}{month}{separator}%Y")
    listed = ", ".join(f"'{one}'" for one in formats)
    value = f"CAST(try_strptime({cell}, [{listed}]) AS DATE)"
    return f"(CASE WHEN regexp_full_match({cell}, '{'|'.join(shapes)}') AND year({value}) > 0 THEN {value} END)"


def forced_time(cell: str) -> str:
    """SQL for the TIME in `cell`, or NULL."""
    padded = f"CASE WHEN length({cell}) < 6 THEN {cell} || ':00' ELSE {cell} END"
    return f"(CASE WHEN regexp_full_match({cell}, '{_CLOCK}') THEN TRY_CAST({padded} AS TIME) END)"


def forced_moment(cell: str, order: str | None, *, zoned: bool) -> str:
    """SQL for the TIMESTAMP in `cell`, or the TIMESTAMPTZ, which has to name its zone; or NULL."""
    whole = f"^(.*)[T ]({_CLOCK})({_ANY_ZONE if zoned else ''})$"
    day, clock, zone = (f"regexp_extract({cell}, '{whole}', {group})" for group in (1, 2, 3))
    moment = f"({forced_date(day, order)} + {forced_time(clock)})"
    if not zoned:
        return moment
    digits = f"rpad(replace({zone}[2:], ':', ''), 4, '0')"
    minutes = f"(TRY_CAST({digits}[:2] AS INTEGER) * 60 + TRY_CAST({digits}[3:] AS INTEGER))"
    offset = f"CASE {zone}[1] WHEN '+' THEN {minutes} WHEN '-' THEN -{minutes} ELSE 0 END"
    return f"CAST(({moment} - to_minutes({offset})) AS TIMESTAMPTZ)"
