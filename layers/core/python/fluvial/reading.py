"""How a caller wants a file to be read, where that is not to be left to detection.

Checked here, without the engine, so that an API refuses a wrong option in its answer, not a failed job minutes later.
What only the file can show, such as a column name that it does not have, is checked when it is read.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from fluvial.errors import InvalidError
from fluvial.plain_json import integral

FORMATS = ("csv", "tsv", "json", "ndjson", "parquet", "xlsx", "xml")
# The names that are shown, each with the codec that reads it.
ENCODINGS = {
    "utf-8": "utf-8", "utf-16": "utf-16", "utf-16-le": "utf-16-le", "utf-16-be": "utf-16-be",
    "windows-1250": "cp1250", "windows-1251": "cp1251", "windows-1252": "cp1252", "windows-1253": "cp1253",
    "windows-1254": "cp1254", "windows-1255": "cp1255", "windows-1256": "cp1256", "windows-1257": "cp1257",
    "windows-1258": "cp1258", "latin-1": "latin-1", "iso-8859-2": "iso8859-2", "iso-8859-5": "iso8859-5",
    "iso-8859-7": "iso8859-7", "iso-8859-9": "iso8859-9", "iso-8859-15": "iso8859-15", "koi8-r": "koi8-r",
    "macintosh": "mac-roman", "ibm437": "cp437", "ibm850": "cp850", "shift_jis": "cp932", "euc-jp": "euc-jp",
    "gb18030": "gb18030", "big5": "big5hkscs", "euc-kr": "cp949",
}  # fmt: skip
TYPES = ("integer", "float", "boolean", "date", "timestamp", "timestamp_tz", "time", "text")
DATE_ORDERS = ("ymd", "dmy", "mdy")
MAX_SKIPPED_LINES = 100_000
MAX_TYPES = 2_000
MAX_NULL_TOKENS = 50
MAX_TEXT = 200
AUTO = "auto"
DOUBLED = "doubled"
_DECIMAL = re.compile(r"decimal\((\d{1,2}),(\d{1,2})\)")


@dataclass(frozen=True)
class Options:
    """What the caller said; what keeps its default is detected.

    `quote` None says that there are no quotes, and `escape` "doubled" that a quote is written twice inside of quotes.
    `header` None detects. `types` maps column names to types, which then hold for every cell; `null_tokens` are the
    bare cells that are null, besides the empty one. `sheet` is of a workbook, `record` the element of XML that is a
    row, `flatten` turns nested objects into columns.
    """

    format: str | None = None
    delimiter: str = AUTO
    quote: str | None = AUTO
    escape: str = AUTO
    encoding: str = AUTO
    header: bool | None = None
    skip_lines: int | None = None
    comment: str | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    date_order: str | None = None
    null_tokens: tuple[str, ...] = ()
    sheet: str | int | None = None
    record: str | None = None
    flatten: bool = False

    def to_json(self) -> dict[str, Any]:
        """Only what was said; `parse` makes equal options of it."""
        said = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else dict(value) if name == "types" else value
            for name, value in said.items()
            if value != getattr(DEFAULTS, name)
        }

    def codec(self) -> str | None:
        """Python's name of the encoding; None where it is to be detected."""
        return None if self.encoding == AUTO else ENCODINGS[self.encoding]


DEFAULTS = Options()


def parse(json: object) -> Options:
    """The options of a JSON object; raises InvalidError that names the field, its value and what is allowed."""
    if json is None:
        return DEFAULTS
    if not isinstance(json, dict):
        raise InvalidError("options", "The options are not a JSON object.", value=json, constraint="an object")
    for name in json:
        if name not in _RULES:
            raise InvalidError(
                f"options.{str(name)[:MAX_TEXT]}",
                "There is no such option.",
                value=name,
                constraint="one of " + ", ".join(_RULES),
            )
    options = Options(**{name: _RULES[name](f"options.{name}", value) for name, value in json.items()})
    _refuse_contradictions(options)
    return options


def _refuse_contradictions(options: Options) -> None:
    one, other = options.delimiter, options.quote
    if one == other and one != AUTO:
        raise _invalid("options.quote", "is the delimiter as well", other, "another character than the delimiter")
    if options.escape == one and one != AUTO:
        raise _invalid("options.escape", "is the delimiter as well", one, "another character than the delimiter")
    if options.comment and options.comment.startswith((one, other or AUTO)):
        raise _invalid(
            "options.comment", "begins with the delimiter or the quote", options.comment, "another beginning"
        )


def _invalid(field_name: str, what: str, value: object, constraint: str) -> InvalidError:
    return InvalidError(field_name, f"The value {what}; allowed: {constraint}.", value=value, constraint=constraint)


def _one_of(allowed: tuple[str, ...] | dict[str, str], *extra: str, none: bool = False) -> Callable[[str, object], Any]:
    words = ", ".join([*extra, *allowed])

    def check(name: str, value: object) -> Any:
        if value is None and none:
            return None
        if not isinstance(value, str) or value.lower() not in (*extra, *allowed):
            raise _invalid(name, "is none of those that are known", value, words)
        return value.lower()

    return check


def _character(*words: str, none: bool = False) -> Callable[[str, object], Any]:
    allowed = ", ".join(["one printable character or a tab", *(f'"{word}"' for word in words), *(["null"] * none)])

    def check(name: str, value: object) -> Any:
        if (value is None and none) or value in words:
            return value
        if value == "\\t":
            return "\t"
        if not isinstance(value, str) or len(value) != 1 or not (value.isprintable() or value in "\t\x1f\x1e\x01"):
            raise _invalid(name, "is not one character", value, allowed)
        return value

    return check


def _number(value: object) -> int | None:
    """A whole number of JSON; None for anything else."""
    value = integral(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _whole(name: str, value: object) -> int | None:
    if value is None:
        return None
    number = _number(value)
    if number is None or not 0 <= number <= MAX_SKIPPED_LINES:
        raise _invalid(name, "is no such number", value, f"a whole number from 0 to {MAX_SKIPPED_LINES}")
    return number


def _truth(*, none: bool) -> Callable[[str, object], Any]:
    def check(name: str, value: object) -> Any:
        if not isinstance(value, bool) and not (none and value is None):
            raise _invalid(name, "is no truth value", value, "true or false" + (" or null" if none else ""))
        return value

    return check


def _text(name: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or any(end in value for end in "\r\n\0"):
        raise _invalid(name, "is no such text", value, f"1 to {MAX_TEXT} characters on one line, or null")
    return value


def _comment(name: str, value: object) -> str | None:
    text = _text(name, value)
    if text is not None and text != text.strip():
        raise _invalid(name, "begins or ends with a space", value, "a prefix without spaces around it, or null")
    return text


def _sheet(name: str, value: object) -> str | int | None:
    number = _number(value)
    if number is not None and number >= 1:
        return number
    if value is not None and not isinstance(value, str):
        raise _invalid(name, "is no sheet", value, "the name of a sheet, or its number from 1")
    return _text(name, value)


def _tokens(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_NULL_TOKENS:
        raise _invalid(name, "is no such list", value, f"a list of at most {MAX_NULL_TOKENS} texts")
    return tuple(str(_text(f"{name}.{at}", "" if one is None else one)) for at, one in enumerate(value))


def _types(name: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > MAX_TYPES:
        raise _invalid(name, "is no object of column names", value, f"an object of at most {MAX_TYPES} types by name")
    return {str(column): checked_type(f"{name}.{str(column)[:MAX_TEXT]}", type_) for column, type_ in value.items()}


def checked_type(name: str, value: object) -> str:
    """The type as the manifest spells it; raises InvalidError."""
    allowed = ", ".join(TYPES) + ", decimal(p,s) with p up to 38 and s up to p"
    spelled = value.lower().replace(" ", "") if isinstance(value, str) else ""
    if found := _DECIMAL.fullmatch(spelled):
        precision, scale = int(found[1]), int(found[2])
        if 1 <= precision <= 38 and scale <= precision:
            return f"decimal({precision},{scale})"
    elif spelled in TYPES:
        return spelled
    raise _invalid(name, "is no type", value, allowed)


def _encoding(name: str, value: object) -> str:
    if isinstance(value, str):
        if value.lower() in (AUTO, *ENCODINGS):
            return value.lower()
        try:
            codec = codecs.lookup(value).name
        except (LookupError, ValueError):
            codec = ""
        for shown, known in ENCODINGS.items():
            if codec and codecs.lookup(known).name == codec:
                return shown
    raise _invalid(name, "is no encoding that is read", value, ", ".join([AUTO, *ENCODINGS]))


_RULES: dict[str, Callable[[str, object], Any]] = {
    "format": _one_of(FORMATS, none=True),
    "delimiter": _character(AUTO),
    "quote": _character(AUTO, none=True),
    "escape": _character(AUTO, DOUBLED),
    "encoding": _encoding,
    "header": _truth(none=True),
    "skip_lines": _whole,
    "comment": _comment,
    "types": _types,
    "date_order": _one_of(DATE_ORDERS, none=True),
    "null_tokens": _tokens,
    "sheet": _sheet,
    "record": _text,
    "flatten": _truth(none=False),
}
