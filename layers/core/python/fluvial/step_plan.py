"""What a checked recipe is: steps with the columns that they make, and what checks of all kinds of steps share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fluvial.errors import InvalidError
from fluvial.expression_types import Cell, Constant, Node, digits
from fluvial.query_values import bound, is_decimal
from fluvial.step_values import shown
from fluvial.steps import Column, Step, by_name, folded

_MOST_NAMED = 20  # names that a refusal lists

Source = str | int
"""An input by its name, or an earlier step by its place."""


@dataclass(frozen=True)
class Failing:
    """Cells that a cast cannot take, and that are counted: `condition` is true for them."""

    column: str
    condition: Node


@dataclass(frozen=True)
class Checked:
    """A step that fits. `columns` are those that it makes.

    `outputs` are their values where each row is made of one row; `condition` is true for the rows that stay.
    """

    at: int
    step: Step
    sources: tuple[Source, ...]
    before: tuple[tuple[Column, ...], ...]
    columns: tuple[Column, ...]
    outputs: tuple[tuple[str, Node], ...] | None = None
    condition: Node | None = None
    failing: tuple[Failing, ...] = ()
    picks: tuple[Node, ...] = ()

    @property
    def name(self) -> str:
        """What reports call it: what its owner does, or its number from 1."""
        return self.step.name or f"step {self.at + 1}"


@dataclass(frozen=True)
class Plan:
    """Steps in order; the last one makes the rows. `used` are the names of the inputs that some step reads."""

    steps: tuple[Checked, ...]
    inputs: Mapping[str, tuple[Column, ...]]

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.steps[-1].columns

    @property
    def used(self) -> list[str]:
        read = {source for each in self.steps for source in each.sources}
        return [name for name in self.inputs if name in read]


def listed_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def column_at(place: str, name: str, columns: Sequence[Column]) -> Column:
    for each in columns:
        if each.name == name:
            return each
    known = listed_names([each.name for each in columns])
    raise InvalidError(place, f"The data has no column {shown(name)}; it has: {known}.", value=name, constraint=known)


def columns_at(place: str, names: Sequence[str], columns: Sequence[Column]) -> list[Column]:
    """The columns of a list, none of them twice."""
    for at, name in enumerate(names):
        if name in names[:at]:
            raise InvalidError(f"{place}.{at}", f"{shown(name)} is in the list already.", value=name)
    known = by_name(columns)
    return [known.get(name) or column_at(f"{place}.{at}", name, columns) for at, name in enumerate(names)]


def check_unique(named: Sequence[tuple[str, str]]) -> None:
    """InvalidError where two of (place, name) are one name."""
    seen: set[str] = set()
    for place, name in named:
        if folded(name) in seen:
            reason = f"Two columns would be called {shown(name)} (case does not count): name one of them otherwise."
            raise InvalidError(place, reason, value=name)
        seen.add(folded(name))


def added(place: str, columns: Sequence[Column], new: Sequence[tuple[str, Column]]) -> tuple[Column, ...]:
    """The columns and new ones behind them, each with its place."""
    check_unique([*((place, each.name) for each in columns), *((where, each.name) for where, each in new)])
    return (*columns, *(each for _, each in new))


def cell_of(column: Column) -> Cell:
    return Cell(column.name, column.type, column.format)


def column_made(name: str, node: Node) -> Column:
    return Column(name, node.type, node.format)


def constant_at(place: str, value: object, column: Column) -> Constant:
    found = bound(place, value, column.type)
    if is_decimal(column.type):
        precision, places = digits(column.type)
        if abs(Decimal(str(found))) >= 10 ** (precision - places):
            reason = f"'{place}' must be a {column.type}, as {shown(column.name)} is."
            raise InvalidError(place, reason, value=value, constraint=column.type)
    return Constant(found, column.type)


def check_sort(place: str, sort: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> None:
    for at, each in enumerate(sort):
        column_at(f"{place}.{at}.by", each["by"], columns)
