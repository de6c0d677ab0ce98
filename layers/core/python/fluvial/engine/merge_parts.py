"""The parts of a version that a merge makes: kept, taken over from the file, or written."""

# The SQL here is made of our own numbers and quoted identifiers.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from fluvial.engine.limits import Limits
from fluvial.engine.load import ColumnStats, identifier, merged_bounds, write_part
from fluvial.engine.manifest import Column, Part
from fluvial.engine.matching import Base, Incoming
from fluvial.engine.parts import numbered
from fluvial.engine.schema import Pair


class PartList:
    """The parts, in order, and what they say of the columns."""

    def __init__(
        self,
        sql: duckdb.DuckDBPyConnection,
        base: Base,
        file: Incoming,
        pairs: Sequence[Pair],
        out: Path,
        limits: Limits,
    ) -> None:
        self.sql, self.base, self.file, self.pairs, self.out, self.limits = sql, base, file, pairs, out, limits
        self.parts: list[Part] = []
        self._written = 0
        self._rows = 0
        self._stats = {pair.name: ColumnStats() for pair in pairs}
        # Nulls in the parts of the version before that are kept: all but those of the parts that are not.
        self._kept_nulls = {column.name: column.nulls for column in base.manifest.columns}
        self._keeps = False

    def keep(self, part: Part) -> None:
        """A part of the version before, where it lies."""
        self._keeps = True
        self._add(replace(part, location=part.location or self.base.location))
        for column in self.base.manifest.columns:
            self._note_bounds(column, part, self.base.manifest.rows)

    def forget(self, part: Part) -> None:
        """A part of the version before that is written anew: its nulls are not those of the kept ones."""
        columns = self.base.manifest.columns
        nulls = ", ".join(f"count(*) - count(c{at})" for at in range(len(columns)))
        cells = [f"{identifier(column.name)} AS c{at}" for at, column in enumerate(columns)]
        rows = numbered([(self.base.fetch(part), 0)], cells, [column.name for column in columns])
        found = self.sql.execute(f"SELECT {nulls} FROM {rows}").fetchone() or ()
        for column, count in zip(columns, found, strict=True):
            self._kept_nulls[column.name] -= count

    def take(self, part: Part) -> None:
        """A part of the file, as it is."""
        name = self._next_name()
        (self.file.folder / part.file).rename(self.out / name)
        self._add(replace(part, file=name))
        nulls = self._nulls_of(self.out / name)
        for pair, count in zip(self.pairs, nulls, strict=True):
            self._stats[pair.name].nulls += count
            if count < part.rows:
                bounds = part.bounds.get(pair.name)
                self._stats[pair.name].bounds.append((bounds[0], bounds[1]) if bounds else None)

    def write(self, select: str, *, even_empty: bool = False) -> None:
        """A new part with these rows; where there are none, only if it is to be there even so."""
        name = self._next_name()
        path = self.out / name
        rows, size, statistics = write_part(self.sql, select, path, self.limits)
        if not rows and not even_empty:
            path.unlink()
            self._written -= 1
            return
        bounds = {}
        for pair in self.pairs:
            if rows and (found := self._stats[pair.name].add(statistics[pair.name], rows)):
                bounds[pair.name] = list(found)
        self._add(Part(name, rows, size, 0, bounds))

    def columns(self) -> list[Column]:
        """The version's columns, with their nulls and bounds."""
        return [self._summed(pair) for pair in self.pairs]

    def _summed(self, pair: Pair) -> Column:
        stats = self._stats[pair.name]
        nulls = stats.nulls + (self._kept_nulls.get(pair.name, 0) if self._keeps else 0)
        least, greatest = merged_bounds(pair.target.type, stats.bounds)
        return replace(pair.column(), nulls=nulls, min=least, max=greatest)

    def _note_bounds(self, column: Column, part: Part, rows: int) -> None:
        bounds = part.bounds.get(column.name)
        if bounds is not None:
            self._stats[column.name].bounds.append((bounds[0], bounds[1]))
        elif column.min is None and column.nulls < rows:
            # Nobody knows them: not even whether the part has nothing but nulls.
            self._stats[column.name].bounds.append(None)

    def _nulls_of(self, path: Path) -> tuple[int, ...]:
        nulls = ", ".join(f"count(*) - count({identifier(pair.name)})" for pair in self.pairs)
        return self.sql.execute(f"SELECT {nulls} FROM read_parquet($path)", {"path": str(path)}).fetchone() or ()

    def _add(self, part: Part) -> None:
        self.parts.append(replace(part, first_row=self._rows))
        self._rows += part.rows

    def _next_name(self) -> str:
        self._written += 1
        return f"part-{self._written - 1:05d}.parquet"
