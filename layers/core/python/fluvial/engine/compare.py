"""How two versions differ, exactly: rows added, removed, changed and unchanged.

Rows that both versions have alike, however often, are unchanged. Of the others, those that have a key in common are
changed, one by one in their order; what is left is removed from the first version, or added in the second. That holds
whatever rows share a key, and it does not depend on how rows lie in parts. So a part that both versions name is never
read: its rows cancel out.

Two rows are alike if their cells are, each as the value of the type that takes both columns (`widening`); a column that
one version lacks is null in its rows. Rows are compared by the SHA-256 of their cells, so what has to be kept of a row
is small whatever it holds; tables of DuckDB keep it, which go to the disk when they grow.

    cells     side, nr, row, key            of both versions, without the shared parts; side 0 is the first
    pairs     old, new                      positions of rows that differ: removed, added, or changed
"""

# The SQL here is made of our own numbers, quoted identifiers and quoted literals.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from fluvial.engine import schema
from fluvial.engine.conditions import time_limit
from fluvial.engine.load import AccountingError, connect, identifier
from fluvial.engine.manifest import Column, Manifest, Part
from fluvial.engine.parts import numbered
from fluvial.engine.rows import json_ready, record
from fluvial.engine.widening import Target, converted, targets

SHOWN = 100  # rows of each kind that are shown
MAX_SHOWN_BYTES = 1024 * 1024  # of all of them
TOO_SLOW = "The comparison took too long and was stopped."
MEMORY_KB_PER_COLUMN = 640
_KINDS = {
    "removed": "new IS NULL",
    "added": "old IS NULL",
    "changed": "old IS NOT NULL AND new IS NOT NULL",
}
_RANKED = "SELECT nr, key, row_number() OVER (PARTITION BY key ORDER BY nr) AS rank FROM differing WHERE side ="
_BY_KEY = (
    f"SELECT o.nr AS old, n.nr AS new FROM ({_RANKED} 0) o FULL JOIN ({_RANKED} 1) n "
    "ON o.key = n.key AND o.rank = n.rank"
)
_ALONE = "SELECT CASE side WHEN 0 THEN nr END AS old, CASE side WHEN 1 THEN nr END AS new FROM differing"


class CompareFailedError(Exception):
    """The versions cannot be compared, nor could they later; `str(error)` is a sentence for their owner."""


@dataclass(frozen=True)
class Side:
    """A version, and its prefix in the bucket."""

    manifest: Manifest
    location: str

    def keys(self) -> set[str]:
        return {part.key(self.location) for part in self.manifest.parts}


@dataclass(frozen=True)
class Counts:
    """In rows. `ambiguous_keys` are keys that several of the rows that differ have in one version."""

    added: int
    removed: int
    changed: int
    unchanged: int
    ambiguous_keys: int = 0


@dataclass(frozen=True)
class Difference:
    """One row that differs: positions from 1, cells as rows show them; None on the side that lacks it."""

    change: str
    row_before: int | None
    row_after: int | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass
class Comparison:
    """`truncated`: there are more differences than are shown."""

    counts: Counts
    differences: list[Difference] = field(default_factory=list)
    truncated: bool = False


@dataclass(frozen=True)
class _Pair:
    """A column of either version, or of both, with the type in which it is compared."""

    old: Column | None
    new: Column | None
    target: Target

    @property
    def name(self) -> str:
        return (self.old or self.new).name.lower()  # type: ignore[union-attr]


def compare(
    before: Side,
    after: Side,
    key: Sequence[str],
    *,
    fetch: Callable[[str], Path],
    folder: Path,
    temp: Path,
    timeout_seconds: float,
    memory_limit_mb: int = 1_200,
    threads: int = 2,
) -> Comparison:
    """Compares the versions, by a key or (without) as multisets of rows. `fetch` brings a part, by key, into `folder`.

    One part is on the disk at a time. Raises CompareFailedError where time or memory do not suffice; AccountingError if
    rows do not add up.
    """
    width = len(before.manifest.columns) + len(after.manifest.columns)
    memory = max(memory_limit_mb, width * MEMORY_KB_PER_COLUMN // 1024)
    with closing(connect(temp, [folder], memory, threads)) as sql:
        try:
            with time_limit(sql, timeout_seconds):
                return _Compare(sql, before, after, key, fetch).run()
        except duckdb.InterruptException as error:
            raise CompareFailedError(TOO_SLOW) from error
        except duckdb.OutOfMemoryException as error:
            raise CompareFailedError(f"The comparison needs more than {memory} MB of memory.") from error


def column_pairs(before: Manifest, after: Manifest) -> list[_Pair]:
    """The columns of both versions, matched by name whatever its case."""
    news = schema.by_name(after.columns)
    olds = schema.by_name(before.columns)
    pairs = []
    for name, old in olds.items():
        new = news.get(name)
        if new is None:
            pairs.append(_Pair(old, None, Target.of(old)))
            continue
        empty = schema.is_empty(old, before.rows), schema.is_empty(new, after.rows)
        found = targets(old, new, old_empty=empty[0], new_empty=empty[1])
        pairs.append(_Pair(old, new, next(target for target in found if target.sure)))
    return [*pairs, *(_Pair(None, new, Target.of(new)) for name, new in news.items() if name not in olds)]


class _Compare:
    """One comparison."""

    def __init__(
        self,
        sql: duckdb.DuckDBPyConnection,
        before: Side,
        after: Side,
        key: Sequence[str],
        fetch: Callable[[str], Path],
    ) -> None:
        self.sql, self.sides, self.fetch = sql, (before, after), fetch
        self.pairs = column_pairs(before.manifest, after.manifest)
        wanted = {name.lower() for name in key}
        self.key = [pair for pair in self.pairs if pair.name in wanted]
        # A part that both name holds the columns of both: where those differ, none is shared.
        self.shared = before.keys() & after.keys() if self._same_columns() else set()

    def run(self) -> Comparison:
        self._read()
        unchanged = self._match()
        counts = Counts(
            **{kind: self._count(f"pairs WHERE {test}") for kind, test in _KINDS.items()},
            unchanged=unchanged + self._shared_rows(),
            ambiguous_keys=self._ambiguous(),
        )
        self._account(counts)
        differences = self._shown()
        return Comparison(counts, differences, counts.added + counts.removed + counts.changed > len(differences))

    def _same_columns(self) -> bool:
        return all(
            pair.old and pair.new and Target.of(pair.old) == Target.of(pair.new) and pair.old.name == pair.new.name
            for pair in self.pairs
        )

    def _shared_rows(self) -> int:
        before = self.sides[0]
        return sum(part.rows for part in before.manifest.parts if part.key(before.location) in self.shared)

    def _parts(self, side: int) -> Iterator[Part]:
        version = self.sides[side]
        return (part for part in version.manifest.parts if part.rows and part.key(version.location) not in self.shared)

    def _source(self, side: int, part: Part, values: Sequence[str]) -> str:
        """SQL for values of a part's rows; `nr` is the position in the version."""
        version = self.sides[side]
        path = self.fetch(part.key(version.location))
        return numbered([(path, part.first_row)], values, [column.name for column in version.manifest.columns])

    def _read(self) -> None:
        self.sql.execute("CREATE TEMP TABLE cells (side TINYINT, nr BIGINT, row BLOB, key BLOB)")
        for side in (0, 1):
            key = _digest(self.key, side) if self.key else "NULL"
            values = [f"{_digest(self.pairs, side)} AS row", f"{key} AS key"]
            for part in self._parts(side):
                self.sql.execute(
                    f"INSERT INTO cells SELECT {side}, nr, row, key FROM {self._source(side, part, values)}"
                )

    def _match(self) -> int:
        """Fills `pairs`; returns how many of the rows that were read are unchanged."""
        self.sql.execute(
            "CREATE TEMP TABLE left_over AS SELECT row, count(*) FILTER (side = 0) AS olds, "
            "count(*) FILTER (side = 1) AS news FROM cells GROUP BY row HAVING olds <> news"
        )
        # Of rows that are alike, the first ones of either side cancel out.
        self.sql.execute(
            "CREATE TEMP TABLE differing AS SELECT side, nr, key FROM ("
            "SELECT c.side, c.nr, c.key, row_number() OVER (PARTITION BY c.side, c.row ORDER BY c.nr) AS rank, "
            "CASE c.side WHEN 0 THEN l.news ELSE l.olds END AS alike FROM cells c JOIN left_over l ON l.row = c.row"
            ") WHERE rank > alike"
        )
        unchanged = self._count("cells WHERE side = 0") - self._count("differing WHERE side = 0")
        self.sql.execute(f"CREATE TEMP TABLE pairs AS {_BY_KEY if self.key else _ALONE}")
        return unchanged

    def _ambiguous(self) -> int:
        if not self.key:
            return 0
        several = "SELECT key FROM differing GROUP BY key, side HAVING count(*) > 1"
        return self._count(f"(SELECT DISTINCT key FROM ({several}))")

    def _account(self, counts: Counts) -> None:
        rows = [side.manifest.rows for side in self.sides]
        found = [counts.unchanged + counts.changed + each for each in (counts.removed, counts.added)]
        if rows != found:
            raise AccountingError(f"the versions have {rows} rows, but {found} were compared")

    def _count(self, of: str) -> int:
        return int((self.sql.execute(f"SELECT count(*) FROM {of}").fetchone() or (0,))[0])

    # ------------------------------------------------------------ what is shown

    def _shown(self) -> list[Difference]:
        """The first differences of each kind, as many as there is room for."""
        wanted: list[tuple[str, int | None, int | None]] = [
            (kind, old, new)
            for kind, test in _KINDS.items()
            for old, new in self.sql.execute(
                f"SELECT old, new FROM pairs WHERE {test} ORDER BY new, old LIMIT {SHOWN}"
            ).fetchall()
        ]
        olds = self._rows(0, {old for _, old, _ in wanted if old is not None})
        news = self._rows(1, {new for _, _, new in wanted if new is not None})
        found, room = [], MAX_SHOWN_BYTES
        for kind, old, new in wanted:
            if old not in (None, *olds) or new not in (None, *news):
                continue  # there was no room for its cells
            before = None if old is None else olds[old]
            after = None if new is None else news[new]
            room -= len(repr(before)) + len(repr(after))
            if room < 0:
                break
            found.append(Difference(kind, _from_one(old), _from_one(new), before, after))
        return found

    def _rows(self, side: int, positions: set[int]) -> dict[int, dict[str, Any]]:
        """Rows by their position, at most MAX_SHOWN_BYTES of them."""
        columns = self.sides[side].manifest.columns
        values = [f"{json_ready(column)} AS fluvial_{at}" for at, column in enumerate(columns)]
        found: dict[int, dict[str, Any]] = {}
        room = MAX_SHOWN_BYTES
        for part in self._parts(side):
            here = sorted(nr for nr in positions if part.first_row <= nr < part.first_row + part.rows)
            if not here or room < 0:
                continue
            numbers = ", ".join(map(str, here))
            rows = self.sql.execute(f"SELECT * FROM {self._source(side, part, values)} WHERE nr IN ({numbers})")
            while room >= 0 and (row := rows.fetchone()):
                found[row[0]] = record(row[1:], columns)
                room -= len(repr(row))
        return found


def _digest(pairs: Sequence[_Pair], side: int) -> str:
    """SQL for 32 bytes that rows have in common if all of these cells are alike.

    A cell is its length and its text, so that no two rows are written alike: `3:abc`, `-` for null.
    """
    cells = []
    for pair in pairs:
        column = (pair.old, pair.new)[side]
        cell = "NULL" if column is None else converted(identifier(column.name), column, pair.target)
        cells.append(f"CAST({cell} AS VARCHAR)")
    written = ", ".join(f"coalesce(strlen({cell}) || ':' || {cell}, '-')" for cell in cells)
    return f"unhex(sha256(concat({written})))"


def _from_one(position: int | None) -> int | None:
    return None if position is None else position + 1
