"""The type that takes the cells of two columns without changing one: rules first, and where they do not decide, a look.

    same type and format                          stays
    nothing but nulls on one side                 the type of the other
    integer, decimal(p,0)                         decimal(38,0)
    decimal(p,s), decimal(q,s)                    decimal(max(p,q),s)
    other pairs of integer, decimal and float     float, if every cell on both sides comes back; else text
    anything else                                 text

The last rule always holds, because every value can be written as its source wrote it (`types.sql_text`). So 1 and 2.50
become text and not 1.00 and 2.50, as they would in one file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fluvial.engine.load import quoted
from fluvial.engine.manifest import Column
from fluvial.engine.types import SHORT_FLOAT, SQL_TYPES, Candidate, decimal_shape, sql_text

_NUMBERS = ("integer", "decimal", "float")


@dataclass(frozen=True)
class Target:
    """A type and the spelling of its values. `sure`: it takes all cells of both columns, whatever they are."""

    type: str
    format: str | None = None
    sure: bool = True

    @classmethod
    def of(cls, column: Column) -> Target:
        return cls(column.type, column.format)

    def shown(self) -> str:
        return f"{self.type} ({self.format})" if self.format else self.type


def targets(old: Column, new: Column, *, old_empty: bool, new_empty: bool) -> list[Target]:
    """What the two columns could become, best first; the last one is sure. `…_empty`: every cell is null."""
    if new_empty or (old.type, old.format) == (new.type, new.format):
        return [Target.of(old)]
    if old_empty:
        return [Target.of(new)]
    text = Target("text")
    if not all(column.type.startswith(_NUMBERS) for column in (old, new)):
        return [text]
    if "float" in (old.type, new.type) or _scale(old) != _scale(new):
        return [Target("float", None, sure=False), Target("float", SHORT_FLOAT, sure=False), text]
    if "integer" in (old.type, new.type):
        return [Target("decimal(38,0)")]
    precision = max(decimal_shape(old.type)[0], decimal_shape(new.type)[0])
    return [Target(f"decimal({precision},{_scale(old)})")]


def _scale(column: Column) -> int:
    return decimal_shape(column.type)[1] if column.type.startswith("decimal") else 0


def sql_type(target: Target) -> str:
    """The type as SQL spells it."""
    if target.type == "timestamp" and re.search("%[789]f", str(target.format)):
        return "TIMESTAMP_NS"
    return SQL_TYPES.get(target.type, target.type)


def as_text(cell: str, source: Column) -> str:
    """SQL for the cell as its source wrote it."""
    return cell if source.type == "text" else sql_text(cell, source.type, source.format)


def converted(cell: str, source: Column | None, target: Target) -> str:
    """SQL for the value of the target's type; null where the cell does not fit, or the column is missing."""
    if source is None:
        return f"CAST(NULL AS {sql_type(target)})"
    if (source.type, source.format) == (target.type, target.format):
        return cell
    if target.type == "text":
        return as_text(cell, source)
    if _is_cast(source, target):
        return f"TRY_CAST({cell} AS {sql_type(target)})"
    text = as_text(cell, source)
    candidate = Candidate(target.type, target.format)
    return f"CASE WHEN {candidate.sql_holds(text)} THEN {candidate.sql_value(text)} END"


def fits(cell: str, source: Column, target: Target) -> str | None:
    """SQL that is true where the cell keeps its text as the target's type; None where every cell does.

    As in a file, an empty cell that was written "" is null in a column that is not text.
    """
    if target.type == "text" or (source.type, source.format) == (target.type, target.format):
        return None
    if _is_cast(source, target):
        return f"({cell} IS NULL OR TRY_CAST({cell} AS {sql_type(target)}) IS NOT NULL)"
    text = as_text(cell, source)
    empty = f"{cell} IS NULL" + (f" OR {cell} = {quoted('')}" if source.type == "text" else "")
    return f"({empty} OR coalesce({Candidate(target.type, target.format).sql_holds(text)}, false))"


def _is_cast(source: Column, target: Target) -> bool:
    """Whether both are numbers of one scale, so that the value alone says whether it fits."""
    exact = ("integer", "decimal")
    if not (source.type.startswith(exact) and target.type.startswith(exact)):
        return False
    target_scale = decimal_shape(target.type)[1] if target.type.startswith("decimal") else 0
    return _scale(source) == target_scale
