"""Ticks of an axis of numbers: round, few, and spelled by us, so that their digits are right in every language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from math import ceil, floor, log10

from fluvial.number_formats import NumberFormat, spelled, unit_of

STEPS = (1, 2, 5, 10)
COMPACT_FROM = 10_000
MAX_PLACES = 10


def ticks(low: float, high: float, wanted: int = 5) -> list[Decimal]:
    """Round numbers that begin at or below `low` and end at or above `high`."""
    if low == high:
        low, high = (low - abs(low) / 2, high + abs(high) / 2) if low else (0.0, 1.0)
    rough = (high - low) / wanted
    power = Decimal(10) ** floor(log10(rough))
    step = next(each * power for each in STEPS if float(each * power) >= rough * 0.999)
    first, last = floor(Decimal(low) / step), ceil(Decimal(high) / step)
    return [step * at for at in range(first, last + 1)]


def spelled_ticks(values: Sequence[Decimal], format: NumberFormat | None, language: str) -> list[str]:
    """The ticks' texts, in the affixes of the chart's numbers: all in one unit, and none of them rounded."""
    given = replace(format or NumberFormat(), compact=False, grouping=True)
    largest = max(map(abs, values))
    power, unit = (0, "") if given.percent or largest < COMPACT_FROM else unit_of(largest, language)
    scaled = [value.scaleb(-power) for value in values]
    places = max(map(_places, scaled)) - (2 if given.percent else 0)
    if places > MAX_PLACES:
        return [f"{value.normalize():E}" for value in values]
    shown = replace(given, decimals=max(0, places), suffix=f"{unit}{given.suffix}")
    zero = replace(given, decimals=0)
    return [spelled(value, shown if value else zero, language) for value in scaled]


def _places(value: Decimal) -> int:
    return max(0, -int(value.normalize().as_tuple().exponent))
