"""The columns of the next version: those of the data and those of a file, under the dataset's rule for drift.

    evolve   new columns are added, types widen (`widening`), columns that the file lacks are null in its rows
    freeze   a new or missing column, or a cell that is not of its column's type, refuses the file
    reject   the columns stay; rows with a cell that does not fit are rejected, the others are loaded

Columns are the same if their names are, whatever their case; the data's spelling stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fluvial.engine.manifest import Column, Manifest
from fluvial.engine.widening import Target, targets
from fluvial.errors import InvalidError

EVOLVE, FREEZE, REJECT = "evolve", "freeze", "reject"
DRIFTS = (EVOLVE, FREEZE, REJECT)

Holds = Callable[[Column, Column, Target], bool]
"""Whether every cell of an old and of a new column keeps its text as the target."""


@dataclass(frozen=True)
class Pair:
    """One column of the next version, and where its cells come from: the data, the file, or both."""

    name: str
    target: Target
    old: Column | None
    new: Column | None

    @property
    def old_stays(self) -> bool:
        """Whether the data has the column just so."""
        return self.old is not None and Target.of(self.old) == replace(self.target, sure=True)

    @property
    def new_stays(self) -> bool:
        """Whether the file has the column just so."""
        return self.new is not None and self.new.name == self.name and _same(self.target, self.new)

    def column(self) -> Column:
        """What the manifest says of it, but for nulls and bounds."""
        if self.old is None:
            if self.new is None:
                raise ValueError("a column comes from somewhere")
            return replace(self.new, name=self.name)
        if self.old_stays or self.new is None:
            return self.old
        reason = f"{_shown(self.old)} before, and {_shown(self.new)} in a later file: {self.new.reason}"
        return Column(self.name, self.target.type, reason, self.target.format)


@dataclass(frozen=True)
class Changes:
    """How the columns differ from those before: (name, type), (name, from, to), names that the file lacks."""

    added: list[tuple[str, str]] = field(default_factory=list)
    widened: list[tuple[str, str, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def described(self) -> dict[str, Any]:
        return {
            "added": [{"name": name, "type": type_} for name, type_ in self.added],
            "widened": [{"name": name, "from": old, "to": new} for name, old, new in self.widened],
            "missing": list(self.missing),
        }


def evolved(base: Manifest, file: Manifest, holds: Holds) -> list[Pair]:
    """The data's columns, each wide enough for the file's cells, and the file's own after them."""
    news = by_name(file.columns)
    pairs = []
    for old in base.columns:
        new = news.get(old.name.lower())
        target = Target.of(old) if new is None else _common(old, new, base, file, holds)
        pairs.append(Pair(old.name, target, old, new))
    return [*pairs, *(Pair(new.name, Target.of(new), None, new) for new in extra_columns(base, file))]


def kept(base: Manifest, file: Manifest) -> list[Pair]:
    """The data's columns as they are, with those of the file that have their names."""
    news = by_name(file.columns)
    return [Pair(old.name, Target.of(old), old, news.get(old.name.lower())) for old in base.columns]


def own(file: Manifest) -> list[Pair]:
    """The file's columns as they are: it replaces the data."""
    return [Pair(new.name, Target.of(new), None, new) for new in file.columns]


def changes(base: Manifest, file: Manifest, pairs: Sequence[Pair]) -> Changes:
    """What the pairs change of the data's columns, and which of these the file lacks."""
    olds, news = by_name(base.columns), by_name(file.columns)
    found = Changes()
    for pair in pairs:
        old = olds.get(pair.name.lower())
        if old is None:
            found.added.append((pair.name, pair.target.type))
        elif not _same(pair.target, old):
            found.widened.append((pair.name, old.type, pair.target.type))
    found.missing.extend(old.name for name, old in olds.items() if name not in news)
    return found


def extra_columns(base: Manifest, file: Manifest) -> list[Column]:
    """The file's columns that the data lacks."""
    olds = by_name(base.columns)
    return [new for new in file.columns if new.name.lower() not in olds]


def refuse_drift(base: Manifest, file: Manifest) -> None:
    """InvalidError where the file's columns are not those of the data, whose columns are frozen."""
    problems = [f"column '{new.name}' ({_shown(new)}) is new" for new in extra_columns(base, file)]
    missing = changes(base, file, kept(base, file)).missing
    problems += [f"column '{name}' ({_shown(by_name(base.columns)[name.lower()])}) is missing" for name in missing]
    if problems:
        raise frozen(problems)


def frozen(problems: Sequence[str]) -> InvalidError:
    """The refusal of a file by frozen columns."""
    return InvalidError(
        "file", f"The columns of this data are frozen, and the file has others: {'; '.join(problems)}.", value="file"
    )


def retyped(pair: Pair) -> str:
    """What is wrong with a file's column under frozen columns."""
    if pair.old is None or pair.new is None:
        raise ValueError("only a column of both can have two types")
    return f"column '{pair.name}' is {_shown(pair.old)}, and {_shown(pair.new)} in the file"


def by_name(columns: Sequence[Column]) -> dict[str, Column]:
    return {column.name.lower(): column for column in columns}


def is_empty(column: Column, rows: int) -> bool:
    return column.nulls == rows


def _common(old: Column, new: Column, base: Manifest, file: Manifest, holds: Holds) -> Target:
    found = targets(old, new, old_empty=is_empty(old, base.rows), new_empty=is_empty(new, file.rows))
    return next(target for target in found if target.sure or holds(old, new, target))


def _same(target: Target, column: Column) -> bool:
    return (target.type, target.format) == (column.type, column.format)


def _shown(column: Column) -> str:
    return Target.of(column).shown()
