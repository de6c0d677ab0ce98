"""The columns of the manifest, of what the loader decided and counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

from fluvial.engine.load import ColumnStats, merged_bounds
from fluvial.engine.manifest import Column, CounterExample
from fluvial.engine.tables import FixedText
from fluvial.engine.types import Decision, Refuted

MAX_ALTERNATIVES = 5


class Lines(Protocol):
    """Whoever knows the physical line of a 1-based row, or None where it was not kept."""

    def line(self, row: int) -> int | None: ...


def column_of(name: str, decision: Decision, note: str | None, lines: Lines) -> Column:
    """A column as it was decided; `note` is added to its reason."""
    return Column(
        name,
        decision.type,
        f"{decision.reason}; {note}" if note else decision.reason,
        decision.format,
        counter_example=_example(decision.counter_example, lines),
        alternatives=[_alternative(refuted, lines) for refuted in decision.refuted[:MAX_ALTERNATIVES]],
    )


def fixed_column(column: Column, fixed: FixedText, lines: Lines) -> Column:
    """The column where the source itself makes it text."""
    example = _example((fixed.row, fixed.value), lines) if fixed.row is not None else None
    return replace(column, format=fixed.format, counter_example=example)


def with_stats(column: Column, stats: ColumnStats) -> Column:
    """The column with its nulls and bounds."""
    least, greatest = merged_bounds(column.type, stats.bounds)
    return replace(column, nulls=stats.nulls, min=least, max=greatest)


def _example(found: tuple[int, str] | None, lines: Lines) -> CounterExample | None:
    if found is None:
        return None
    row, value = found
    line = lines.line(row)
    return {"row": row, "value": value} if line is None else {"row": row, "line": line, "value": value}


def _alternative(refuted: Refuted, lines: Lines) -> dict[str, Any]:
    type_, format_ = refuted.candidate.type, refuted.candidate.format
    return {"type": type_, "format": format_, "counter_example": _example((refuted.row, refuted.cell), lines)}
