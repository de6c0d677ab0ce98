"""How a report spells numbers: with all their digits, or by an explicit format. Pure.

    {"decimals": 2, "grouping": true, "percent": false, "compact": false, "prefix": "", "suffix": " €"}

Without a format every digit is there, and nothing is grouped. A format's `decimals` round halves away from zero, as
people do on paper. `percent` multiplies by 100; `compact` writes 1.2M for 1234567. Arithmetic is decimal and exact:
neither 64-bit integers nor 38 digits pass through a float.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from math import isfinite
from typing import Any

from fluvial.errors import InvalidError
from fluvial.plain_json import fields_of, integral, truth_of
from fluvial.text import checked_text

MAX_DECIMALS = 10
MAX_AFFIX_LENGTH = 10
FIELDS = ("decimals", "grouping", "percent", "compact", "prefix", "suffix")
NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}  # as rows spell them
MINUS = "\u2212"  # as wide as a digit, unlike the hyphen

Number = int | float | Decimal

# Room for 38 digits, a percentage of them, and floats of any exponent.
_EXACT = Context(prec=700, rounding=ROUND_HALF_UP)
_THOUSAND = 1_000
# Of floats, what is longer than this stands in scientific notation.
_LONGEST_FLOAT = 25

_MARKS = {"en": (".", ","), "de": (",", ".")}
_PERCENT = {"en": "%", "de": "\u00a0%"}
_COMPACT = {
    "en": ((12, "T"), (9, "B"), (6, "M"), (3, "K")),
    "de": ((12, "\u00a0Bio."), (9, "\u00a0Mrd."), (6, "\u00a0Mio."), (3, "\u00a0Tsd.")),
}
LANGUAGES = tuple(_MARKS)


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """`decimals` None keeps those that the number has; of a compact number it means at most one."""

    decimals: int | None = None
    grouping: bool = True
    percent: bool = False
    compact: bool = False
    prefix: str = ""
    suffix: str = ""

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in FIELDS}


PLAIN = NumberFormat(grouping=False)


def parse(given: object, *, field: str) -> NumberFormat:
    """The format that plain JSON values describe; InvalidError where they describe none."""
    fields = fields_of(field, given, FIELDS)
    flags = {name: truth_of(f"{field}.{name}", fields.get(name)) for name in ("percent", "compact")}
    grouping = fields.get("grouping")
    if flags["percent"] and flags["compact"]:
        raise InvalidError(f"{field}.compact", "A percentage cannot be compact as well.", value=True)
    return NumberFormat(
        decimals=_decimals(f"{field}.decimals", fields.get("decimals")),
        grouping=grouping is None or truth_of(f"{field}.grouping", grouping),
        prefix=_affix(f"{field}.prefix", fields.get("prefix")),
        suffix=_affix(f"{field}.suffix", fields.get("suffix")),
        **flags,
    )


def spelled(value: Number, format: NumberFormat = PLAIN, language: str = "en") -> str:
    """The number for people; `language` decides on the marks, and is one of LANGUAGES."""
    if isinstance(value, float) and not isfinite(value):
        return NOT_FINITE[str(value)]
    number, unit = exact(value), ""
    if format.percent:
        number, unit = _EXACT.scaleb(number, 2), _PERCENT[language]
    elif format.compact and abs(number) >= _THOUSAND:
        number, unit = _shortened(number, format.decimals, language)
    if format.decimals is not None:
        number = _rounded(number, format.decimals)
    elif isinstance(value, float) and not unit:
        number = _EXACT.normalize(number)
        if len(f"{number:f}") > _LONGEST_FLOAT:
            return str(value).replace("-", MINUS)
    digits = _with_marks(f"{number.copy_abs():f}", format.grouping, language)
    # No line ends within a number.
    return f"{MINUS if number < 0 else ''}{format.prefix}{digits}{unit}{format.suffix}".replace(" ", "\u00a0")


def exact(value: Number) -> Decimal:
    """The number as a decimal: of a float, the shortest digits that mean it."""
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def excel(format: NumberFormat, scale: int | None) -> str:
    """The format as a worksheet's number format, of numbers with so many places (None: any); never a compact one."""
    decimals = format.decimals if format.decimals is not None and not format.compact else scale
    if decimals is None:
        number = "0.00" if format.percent else "General"
    else:
        number = ("#,##0" if format.grouping else "0") + ("." + "0" * decimals if decimals else "")
    return f"{_literal(format.prefix)}{number}{'%' if format.percent else ''}{_literal(format.suffix)}"


def _literal(text: str) -> str:
    """Text in a number format: every character on its own, so that none means anything there."""
    return "".join(f"\\{character}" for character in text)


def unit_of(number: Decimal, language: str) -> tuple[int, str]:
    """The largest unit, thousands to trillions, that a number from a thousand on has: power of ten and name."""
    return next(unit for unit in _COMPACT[language] if abs(number) >= Decimal(10) ** unit[0])


def _shortened(number: Decimal, decimals: int | None, language: str) -> tuple[Decimal, str]:
    """A number from a thousand on in thousands, millions, …, rounded, with the unit's name."""
    units = _COMPACT[language]
    at = units.index(unit_of(number, language))
    rounded = _rounded(_EXACT.scaleb(number, -units[at][0]), 1 if decimals is None else decimals)
    if abs(rounded) == _THOUSAND and at:
        # 999,999 is a million once it is rounded.
        at, rounded = at - 1, _EXACT.scaleb(rounded, -3)
    if decimals is None and rounded == rounded.to_integral_value():
        rounded = rounded.to_integral_value()
    return rounded, units[at][1]


def _rounded(number: Decimal, decimals: int) -> Decimal:
    return _EXACT.quantize(number, Decimal(1).scaleb(-decimals))


def _with_marks(digits: str, grouping: bool, language: str) -> str:
    point, separator = _MARKS[language]
    whole, _, places = digits.partition(".")
    if grouping:
        whole = f"{int(whole):,}".replace(",", separator)
    return f"{whole}{point}{places}" if places else whole


def _decimals(field: str, given: object) -> int | None:
    if given is None:
        return None
    given = integral(given)
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= MAX_DECIMALS:
        allowed = f"0-{MAX_DECIMALS}"
        raise InvalidError(field, f"'{field}' must be a whole number, {allowed}.", value=given, constraint=allowed)
    return given


def _affix(field: str, given: object) -> str:
    if given is None:
        return ""
    if not isinstance(given, str) or any(not character.isprintable() and character != "\u00a0" for character in given):
        raise InvalidError(field, f"'{field}' must be text without control characters.", value=given)
    return checked_text(field, given, MAX_AFFIX_LENGTH)
