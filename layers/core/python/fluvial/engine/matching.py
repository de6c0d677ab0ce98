"""Which rows of a file are rejected, which are in the data already, and which of those differ.

Everything is kept by position in tables of DuckDB, which go to the disk when they grow, and the data is read a part at
a time: so neither the file nor the data has to fit into memory.

    rejected   nr, why, col, again      rows of the file, by position
    incoming   nr, k0, k1, …            the keys of the others
    hits       part, pos, nr, changed   rows of the data that have such a key
"""

# The SQL here is made of our own numbers, quoted identifiers and quoted literals.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from fluvial.engine.load import identifier, quoted
from fluvial.engine.manifest import Column, Manifest, Part
from fluvial.engine.parts import numbered
from fluvial.engine.schema import Pair
from fluvial.engine.widening import Target, converted, fits, sql_type
from fluvial.errors import InvalidError

MISFIT, EXTRA, NULL, AGAIN = "misfit", "extra", "null", "again"

# DuckDB's bounds of these are not looked at: two values cannot leave anything out.
_WITHOUT_BOUNDS = ("boolean",)


def _unknown(_: int) -> None:
    """The line of a row of which none is known."""


@dataclass(frozen=True)
class Base:
    """The version before: `fetch` brings one of its parts into `folder`; `location` is its prefix in the bucket."""

    manifest: Manifest
    location: str
    folder: Path
    fetch: Callable[[Part], Path]


@dataclass(frozen=True)
class Incoming:
    """A file that was read into parts in `folder`. `line` tells where its nth row, from 1, began, if that is known."""

    manifest: Manifest
    folder: Path
    line: Callable[[int], int | None] = _unknown


class Matching:
    """The tables of one merge."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, base: Base, file: Incoming) -> None:
        self.sql, self.base, self.file = connection, base, file
        self.sql.execute("CREATE TEMP TABLE rejected (nr BIGINT, why VARCHAR, col INTEGER, again BIGINT)")
        self.sql.execute("CREATE TEMP TABLE hits (part INTEGER, pos BIGINT, nr BIGINT, changed BOOLEAN)")

    def count(self, of: str) -> int:
        """How many rows `SELECT … FROM` this gives."""
        return int((self.sql.execute(f"SELECT count(*) FROM {of}").fetchone() or (0,))[0])

    def old(self, part: Part, values: Iterable[str]) -> str:
        """SQL for values of a part's rows; `nr` is the position in the part."""
        return numbered([(self.base.fetch(part), 0)], values, _names(self.base.manifest))

    def new(self, values: Iterable[str], parts: Sequence[Part] | None = None) -> str:
        """SQL for values of the file's rows; `nr` is the position in the file."""
        wanted = self.file.manifest.parts if parts is None else parts
        files = [(self.file.folder / part.file, part.first_row) for part in wanted]
        return numbered(files, values, _names(self.file.manifest))

    # ------------------------------------------------------------ what does not fit

    def holds(self, old: Column, new: Column, target: Target) -> bool:
        """Whether every cell of both columns keeps its text as the target."""
        misfit = f"NOT {fits(identifier(new.name), new, target) or 'true'} AS misfit"
        if self._any(self.new([misfit])):
            return False
        misfit = f"NOT {fits(identifier(old.name), old, target) or 'true'} AS misfit"
        return not any(self._any(self.old(part, [misfit])) for part in self.base.manifest.parts)

    def _any(self, rows: str) -> bool:
        return self.sql.execute(f"SELECT 1 FROM {rows} WHERE misfit LIMIT 1").fetchone() is not None

    def reject_misfits(self, pairs: Sequence[Pair], extra: Sequence[Column]) -> None:
        """Rejects rows of which a cell is not of its column's type, or stands in a column that the data lacks."""
        columns = [column.name for column in self.file.manifest.columns]
        cases = []
        for pair in pairs:
            if pair.new is not None and (holds := fits(identifier(pair.new.name), pair.new, pair.target)):
                cases.append(f"WHEN NOT {holds} THEN {columns.index(pair.new.name)}")
        for column in extra:
            cases.append(f"WHEN {identifier(column.name)} IS NOT NULL THEN {columns.index(column.name)}")
        if not cases:
            return
        extras = ", ".join(str(columns.index(column.name)) for column in extra)
        why = f"CASE WHEN col IN ({extras}) THEN '{EXTRA}' ELSE '{MISFIT}' END" if extra else f"'{MISFIT}'"
        rows = self.new([f"CASE {' '.join(cases)} END AS col"])
        self.sql.execute(f"INSERT INTO rejected SELECT nr, {why}, col, NULL FROM {rows} WHERE col IS NOT NULL")

    def misfitting(self) -> list[str]:
        """The file's columns for which rows were rejected."""
        found = self.sql.execute("SELECT DISTINCT col FROM rejected WHERE col IS NOT NULL ORDER BY col").fetchall()
        return [self.file.manifest.columns[at].name for (at,) in found]

    # ------------------------------------------------------------ keys

    def take_keys(self, keys: Sequence[Pair]) -> None:
        """Rejects rows without a whole key, and all but the last row with one; the other keys are `incoming`."""
        columns = [column.name for column in self.file.manifest.columns]
        values, empty = [], []
        for at, pair in enumerate(keys):
            name = pair.new.name if pair.new else pair.name
            values.append(f"{converted(identifier(name), pair.new, pair.target)} AS k{at}")
            empty.append(f"WHEN k{at} IS NULL THEN {columns.index(name)}")
        names = ", ".join(f"k{at}" for at in range(len(keys)))
        self.sql.execute(
            f"CREATE TEMP TABLE keyed AS SELECT *, CASE {' '.join(empty)} END AS col FROM {self.new(values)} n "
            "WHERE NOT EXISTS (SELECT 1 FROM rejected r WHERE r.nr = n.nr)"
        )
        self.sql.execute(f"INSERT INTO rejected SELECT nr, '{NULL}', col, NULL FROM keyed WHERE col IS NOT NULL")
        self.sql.execute(
            f"CREATE TEMP TABLE incoming AS SELECT nr, {names}, "
            f"lead(nr) OVER (PARTITION BY {names} ORDER BY nr) AS again FROM keyed WHERE col IS NULL"
        )
        self.sql.execute("DROP TABLE keyed")
        self.sql.execute(
            f"INSERT INTO rejected SELECT nr, '{AGAIN}', NULL, again FROM incoming WHERE again IS NOT NULL"
        )
        self.sql.execute("DELETE FROM incoming WHERE again IS NOT NULL")

    def find_hits(self, keys: Sequence[Pair]) -> None:
        """Finds the rows of the data that have a key of the file."""
        values = [
            f"{converted(identifier(pair.old.name), pair.old, pair.target)} AS k{at}"
            for at, pair in enumerate(keys)
            if pair.old is not None
        ]
        same = " AND ".join(f"o.k{at} = i.k{at}" for at in range(len(keys)))
        for number, part in enumerate(self.base.manifest.parts):
            if self._may_hold(part, keys):
                self.sql.execute(
                    f"INSERT INTO hits SELECT {number}, o.nr, i.nr, false FROM {self.old(part, values)} o "
                    f"JOIN incoming i ON {same}"
                )

    def _may_hold(self, part: Part, keys: Sequence[Pair]) -> bool:
        """Whether the part's bounds leave room for a key of the file. Looks at nothing but the bounds."""
        within = []
        for at, pair in enumerate(keys):
            bounds = part.bounds.get(pair.name)
            if bounds is not None and pair.old_stays and pair.target.type not in _WITHOUT_BOUNDS:
                least, greatest = (f"TRY_CAST({quoted(end)} AS {sql_type(pair.target)})" for end in bounds)
                within.append(f"coalesce(k{at} >= {least}, true) AND coalesce(k{at} <= {greatest}, true)")
        where = " AND ".join(within) or "true"
        return self.sql.execute(f"SELECT 1 FROM incoming WHERE {where} LIMIT 1").fetchone() is not None

    def refuse_ambiguous(self, keys: Sequence[Pair]) -> None:
        """InvalidError where a key of the file is that of several rows of the data: which one is meant?"""
        found = self.sql.execute(
            "SELECT h.nr, list([h.part, h.pos] ORDER BY h.part, h.pos)[:2] FROM hits h "
            "GROUP BY h.nr HAVING count(*) > 1 ORDER BY h.nr LIMIT 1"
        ).fetchone()
        if found is None:
            return
        rows = [self.base.manifest.parts[part].first_row + pos + 1 for part, pos in found[1]]
        names = ", ".join(pair.name for pair in keys)
        raise InvalidError(
            "key",
            f"'{names}' does not tell the rows of the data apart: rows {rows[0]} and {rows[1]} have the same, "
            "and the file has a row for them.",
            value=names,
            constraint="columns that no two rows have alike",
        )

    def mark_changed(self, pairs: Sequence[Pair]) -> None:
        """Marks the hits of which a cell is another in the file."""
        both = [pair for pair in pairs if pair.new is not None]
        differs = " OR ".join(
            f"{_exact(f'o.c{at}', pair)} IS DISTINCT FROM {_exact(f'n.c{at}', pair)}" for at, pair in enumerate(both)
        )
        for number, part in self.hit_parts():
            self.sql.execute(
                f"UPDATE hits SET changed = true WHERE part = {number} AND pos IN (SELECT h.pos FROM hits h "
                f"JOIN {self.old(part, old_values(both))} o ON o.nr = h.pos "
                f"JOIN {self.new(new_values(both), self._parts_of_hits(number))} n ON n.nr = h.nr "
                f"WHERE h.part = {number} AND ({differs}))"
            )

    def hit_parts(self, where: str = "true") -> list[tuple[int, Part]]:
        """The parts that have hits, with their numbers."""
        found = self.sql.execute(f"SELECT DISTINCT part FROM hits WHERE {where} ORDER BY part").fetchall()
        return [(number, self.base.manifest.parts[number]) for (number,) in found]

    def changed_rows(self, pairs: Sequence[Pair], number: int) -> str:
        """SQL for the file's rows that take the place of rows of a part: `pos` is that place."""
        rows = self.new(new_values(pairs), self._parts_of_hits(number))
        return f"(SELECT h.pos, n.* FROM hits h JOIN {rows} n ON n.nr = h.nr WHERE h.part = {number} AND h.changed)"

    def _parts_of_hits(self, number: int) -> list[Part]:
        """The parts of the file that have rows for a part of the data."""
        found = self.sql.execute(f"SELECT min(nr), max(nr) FROM hits WHERE part = {number}").fetchone()
        least, greatest = found or (0, 0)
        parts = self.file.manifest.parts
        return [part for part in parts if part.first_row <= greatest and part.first_row + part.rows > least]


def old_values(pairs: Sequence[Pair]) -> list[str]:
    """SQL for the cells of the data, as c0, c1, …"""
    return [
        f"{converted(identifier(pair.old.name) if pair.old else '', pair.old, pair.target)} AS c{at}"
        for at, pair in enumerate(pairs)
    ]


def new_values(pairs: Sequence[Pair]) -> list[str]:
    """SQL for the cells of the file, as c0, c1, …"""
    return [
        f"{converted(identifier(pair.new.name) if pair.new else '', pair.new, pair.target)} AS c{at}"
        for at, pair in enumerate(pairs)
    ]


def _exact(cell: str, pair: Pair) -> str:
    """The cell, with two zeros if it is a float: 0.0 and -0.0 are equal, but written in two ways."""
    return f"CAST({cell} AS VARCHAR)" if pair.target.type == "float" else cell


def _names(manifest: Manifest) -> list[str]:
    return [column.name for column in manifest.columns]
