"""The next version of a dataset: what was there, a file, and how the one changes the other.

    replace  the file's rows alone              insert: its rows       delete: all before
    append   its rows after those before        insert
    upsert   by key: rows in place, new ones    insert, update, skip (nothing differs)
             at the end; cells of columns
             that the file lacks stay
    delete   by key: the rows that it names go  delete, skip (the data has no such key)

Every record of the file is counted once: as one of these or as `reject`. (A key of a deletion can name several rows of
data that has doubles; `delete` then counts these.) Of several rows with one key the last counts, and the others are
rejected. A plan is what is going to be written: both come from the same tables (`matching`).

Parts that nothing changes are named, not copied. Others are written anew, one at a time.
"""

# The SQL here is made of our own numbers and quoted identifiers.
# ruff: noqa: S608

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from fluvial.engine import schema
from fluvial.engine.limits import Limits
from fluvial.engine.load import AccountingError, connect, identifier
from fluvial.engine.manifest import Column, Manifest
from fluvial.engine.matching import Base, Incoming, Matching, new_values, old_values
from fluvial.engine.merge_parts import PartList
from fluvial.engine.merge_rejects import write_rejects
from fluvial.engine.schema import Changes, Pair
from fluvial.engine.tables import REJECTS_FILE
from fluvial.engine.widening import Target, targets
from fluvial.errors import InvalidError

CREATE, REPLACE, APPEND, UPSERT, DELETE = "create", "replace", "append", "upsert", "delete"
MODES = (REPLACE, APPEND, UPSERT, DELETE)
KEYED = (UPSERT, DELETE)

# DuckDB's buffers per column, as in an ingest.
MEMORY_KB_PER_COLUMN = 640


@dataclass(frozen=True)
class Wish:
    """How a file is to change the data. `key` names columns, for upsert and delete."""

    mode: str
    key: tuple[str, ...] = ()
    drift: str = schema.EVOLVE


@dataclass(frozen=True)
class Counts:
    """What becomes of a file's records, in rows."""

    insert: int = 0
    update: int = 0
    skip: int = 0
    delete: int = 0
    reject: int = 0

    def described(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """What a merge is going to do; what it does is the same."""

    mode: str
    counts: Counts
    changes: Changes

    def described(self) -> dict[str, Any]:
        return {"mode": self.mode, "counts": self.counts.described(), "schema": self.changes.described()}


def created(file: Manifest) -> Plan:
    """The plan of the first version, which is the file."""
    return Plan(CREATE, Counts(insert=file.rows, reject=file.rejected), Changes())


class Merge:
    """One merge, as a context: `plan` says what `write` is going to write. Temporary files go to `temp`.

    Raises InvalidError, with a sentence for the file's owner, where the file cannot change the data as wished;
    AccountingError if rows do not add up.
    """

    def __init__(
        self,
        base: Base,
        file: Incoming,
        wish: Wish,
        *,
        temp: Path,
        out: Path,
        limits: Limits | None = None,
        memory_limit_mb: int = 200,
        threads: int = 2,
    ) -> None:
        self.base, self.file, self.wish, self.out = base, file, wish, out
        self.limits = limits or Limits()
        self._temp = tempfile.TemporaryDirectory(prefix="merge-", dir=temp)
        width = len(base.manifest.columns) + len(file.manifest.columns)
        self.sql = connect(
            Path(self._temp.name),
            [base.folder, file.folder, out],
            max(memory_limit_mb, width * MEMORY_KB_PER_COLUMN // 1024),
            threads,
        )
        self.matching = Matching(self.sql, base, file)
        self.pairs: list[Pair] = []
        self._plan: Plan | None = None

    def __enter__(self) -> Merge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sql.close()
        self._temp.cleanup()

    # ------------------------------------------------------------ the plan

    def plan(self) -> Plan:
        """Counts and changes of columns, exactly. Writes nothing."""
        if self._plan is None:
            keys = self._keys() if self.wish.mode in KEYED else []
            self.pairs = self._pairs()
            if self.wish.mode == DELETE:
                counts = self._matched(keys)
                changes = Changes()
            else:
                self._check_drift()
                counts = self._counted(keys)
                changes = schema.changes(self.base.manifest, self.file.manifest, self.pairs)
            self._plan = Plan(self.wish.mode, counts, changes)
        return self._plan

    def _pairs(self) -> list[Pair]:
        base, file = self.base.manifest, self.file.manifest
        if self.wish.mode == DELETE or self.wish.drift != schema.EVOLVE:
            return schema.kept(base, file)
        if self.wish.mode == REPLACE:
            return schema.own(file)
        return schema.evolved(base, file, self.matching.holds)

    def _check_drift(self) -> None:
        """Rejects rows that do not fit, or refuses the file for them, as the rule for drift says."""
        base, file = self.base.manifest, self.file.manifest
        if self.wish.drift == schema.EVOLVE:
            return
        if self.wish.drift == schema.FREEZE:
            schema.refuse_drift(base, file)
        self.matching.reject_misfits(self.pairs, schema.extra_columns(base, file))
        if self.wish.drift == schema.FREEZE and (misfits := self.matching.misfitting()):
            wrong = [pair for pair in self.pairs if pair.new is not None and pair.new.name in misfits]
            raise schema.frozen([schema.retyped(pair) for pair in wrong])

    def _keys(self) -> list[Pair]:
        """The key's columns in data and file, with the type in which they are compared."""
        base, file = self.base.manifest, self.file.manifest
        if not self.wish.key:
            raise InvalidError("key", f"'key' must name the columns that tell rows apart, to {self.wish.mode} by them.")
        found = []
        for name in self.wish.key:
            sides = []
            for what, columns in (("data", base.columns), ("file", file.columns)):
                column = schema.by_name(columns).get(name.lower())
                if column is None:
                    there = ", ".join(each.name for each in columns[:20]) + (", …" if len(columns) > 20 else "")
                    reason = f"The {what} has no column '{name[:100]}' for the key. It has {there}."
                    raise InvalidError("key", reason, value=name, constraint=there)
                sides.append(column)
            found.append(Pair(sides[0].name, _compared(sides[0], sides[1], base, file), *sides))
        return found

    def _counted(self, keys: Sequence[Pair]) -> Counts:
        rejects = self.matching.count("rejected")
        rows = self.file.manifest.rows - rejects
        rejected = self.file.manifest.rejected + rejects
        if self.wish.mode == APPEND:
            return Counts(insert=rows, reject=rejected)
        if self.wish.mode == REPLACE:
            return Counts(insert=rows, delete=self.base.manifest.rows, reject=rejected)
        by_name = {pair.name: pair for pair in self.pairs}
        return self._matched([by_name[key.name] for key in keys])

    def _matched(self, keys: Sequence[Pair]) -> Counts:
        matching = self.matching
        matching.take_keys(keys)
        matching.find_hits(keys)
        rejected = self.file.manifest.rejected + matching.count("rejected")
        hits, rows = matching.count("hits"), matching.count("incoming")
        if self.wish.mode == DELETE:
            skipped = matching.count("incoming i WHERE NOT EXISTS (SELECT 1 FROM hits h WHERE h.nr = i.nr)")
            return Counts(delete=hits, skip=skipped, reject=rejected)
        matching.refuse_ambiguous(keys)
        matching.mark_changed(self.pairs)
        updated = matching.count("hits WHERE changed")
        return Counts(insert=rows - hits, update=updated, skip=hits - updated, reject=rejected)

    # ------------------------------------------------------------ the writing

    def write(self) -> Manifest:
        """Writes the parts that are new, and the rejects; returns the version's manifest, with what `plan` says."""
        plan = self.plan()
        # First, for the parts of the file may be moved where they stay.
        rejects = write_rejects(self.matching, self.pairs, self.file, self.out / REJECTS_FILE)
        parts = PartList(self.sql, self.base, self.file, self.pairs, self.out, self.limits)
        if self.wish.mode != REPLACE:
            self._write_old(parts)
        if self.wish.mode != DELETE:
            self._write_new(parts)
        if not parts.parts:
            # Whoever reads Parquet needs a file that says which columns there are.
            parts.write(self._empty(), even_empty=True)
        counts = plan.counts
        rows = sum(part.rows for part in parts.parts)
        if rows != self.base.manifest.rows + counts.insert - counts.delete:
            raise AccountingError(f"{rows} rows were written, which is not what the plan says: {plan}")
        if rejects != counts.reject:
            raise AccountingError(f"{rejects} rejects were written, which is not what the plan says: {plan}")
        return replace(
            self.file.manifest,
            columns=parts.columns(),
            rows=rows,
            rejected=rejects,
            parts=parts.parts,
            rejects_file=REJECTS_FILE if rejects else None,
            merged={
                **plan.described(),
                "key": list(self.wish.key),
                "drift": self.wish.drift,
                "file_columns": [column.name for column in self.file.manifest.columns],
            },
        )

    def _write_old(self, parts: PartList) -> None:
        matching = self.matching
        stays = all(pair.old_stays for pair in self.pairs)
        hit = dict(matching.hit_parts("true" if self.wish.mode == DELETE else "changed"))
        for number, part in enumerate(self.base.manifest.parts):
            if number not in hit:
                if not part.rows:
                    continue
                if stays:
                    parts.keep(part)
                else:
                    parts.write(self._select(matching.old(part, old_values(self.pairs))))
                continue
            parts.forget(part)
            old = matching.old(part, old_values(self.pairs))
            if self.wish.mode == DELETE:
                gone = f"SELECT 1 FROM hits h WHERE h.part = {number} AND h.pos = o.nr"
                parts.write(f"{self._select(f'{old} o')} WHERE NOT EXISTS ({gone}) ORDER BY nr")
            else:
                parts.write(self._updated(old, number))

    def _updated(self, old: str, number: int) -> str:
        """SQL for a part's rows with the file's cells where it has others."""
        cells = ", ".join(
            (f"CASE WHEN n.nr IS NULL THEN o.c{at} ELSE n.c{at} END" if pair.new else f"o.c{at}")
            + f" AS {identifier(pair.name)}"
            for at, pair in enumerate(self.pairs)
        )
        changed = self.matching.changed_rows(self.pairs, number)
        return f"SELECT {cells} FROM {old} o LEFT JOIN {changed} n ON n.pos = o.nr ORDER BY o.nr"

    def _write_new(self, parts: PartList) -> None:
        matching, file = self.matching, self.file.manifest
        # As they are in the file, its parts can be taken over whole.
        as_they_are = [pair.name for pair in self.pairs] == [column.name for column in file.columns] and all(
            pair.new_stays for pair in self.pairs
        )
        if self.wish.mode == UPSERT:
            wanted = "EXISTS (SELECT 1 FROM incoming i WHERE i.nr = n.nr) AND NOT EXISTS (SELECT 1 FROM hits h "
            wanted += "WHERE h.nr = n.nr)"
        else:
            wanted = "NOT EXISTS (SELECT 1 FROM rejected r WHERE r.nr = n.nr)"
        for part in file.parts:
            rows = matching.count(f"{matching.new([], [part])} n WHERE {wanted}")
            if rows == part.rows and as_they_are:
                parts.take(part)
            elif rows:
                selected = self._select(f"{matching.new(new_values(self.pairs), [part])} n")
                parts.write(selected + (f" WHERE {wanted} ORDER BY nr" if rows < part.rows else ""))

    def _select(self, source: str) -> str:
        cells = ", ".join(f"c{at} AS {identifier(pair.name)}" for at, pair in enumerate(self.pairs))
        return f"SELECT {cells} FROM {source}"

    def _empty(self) -> str:
        if self.wish.mode == REPLACE:
            return f"{self._select(self.matching.new(new_values(self.pairs)))} WHERE false"
        return f"{self._select(self.matching.old(self.base.manifest.parts[0], old_values(self.pairs)))} WHERE false"


def _compared(old: Column, new: Column, base: Manifest, file: Manifest) -> Target:
    """The first type that is sure to take both keys."""
    empty = schema.is_empty(old, base.rows), schema.is_empty(new, file.rows)
    return next(target for target in targets(old, new, old_empty=empty[0], new_empty=empty[1]) if target.sure)
