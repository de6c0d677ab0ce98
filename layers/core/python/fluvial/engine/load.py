"""Cleaned parts to typed Parquet: decide every column's type, then write, and count what was written.

The types are first decided on the first rows. While the parts are written, every cell is checked to come back as
its text; a single cell that does not stops the writing. Only then are all parts asked for their facts, and
written again. Both ways end in the same decision, see `types`.
"""

# The SQL here is made of our own numbers, quoted identifiers and quoted literals.
# ruff: noqa: S608

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from fluvial.engine.forced import Gate, facts_of
from fluvial.engine.limits import MIB, Limits
from fluvial.engine.manifest import Part
from fluvial.engine.tables import CleanPart, FixedText
from fluvial.engine.types import PLAIN, Candidate, Decision, Facts, Style, candidates, conclude, decide

# The sample is typed in Python at about a microsecond a cell and candidate.
SAMPLE_CELLS = 20_000
SAMPLE_ROWS = range(50, 1_000)
FACT_COLUMNS = 64
_MISMATCH = "fluvial: a cell does not come back"


class AccountingError(RuntimeError):
    """Rows went missing or appeared between reading and writing: a defect, never the caller's file."""


@dataclass
class ColumnStats:
    """What the written parts say of one column; bounds are canonical text, None when not known."""

    nulls: int = 0
    bounds: list[tuple[str, str] | None] = field(default_factory=list)

    def add(self, statistics: dict[str, str], rows: int) -> tuple[str, str] | None:
        """Add what DuckDB says of the column in a part of `rows` rows; returns the part's exact bounds, if known."""
        nulls = int(statistics["null_count"])
        self.nulls += nulls
        if nulls == rows:
            return None
        exact = statistics.get("min_is_exact") == "true" and statistics.get("max_is_exact") == "true"
        known = exact and statistics.get("has_nan") != "true"
        self.bounds.append((statistics["min"], statistics["max"]) if known else None)
        return self.bounds[-1]


def connect(temp: Path, directories: Sequence[Path], memory_limit_mb: int, threads: int) -> duckdb.DuckDBPyConnection:
    """A DuckDB that reaches these directories only: no network, no extensions, no other file."""
    connection = duckdb.connect(
        config={
            "threads": threads,
            "memory_limit": f"{memory_limit_mb}MB",
            "temp_directory": str(temp / "duckdb"),
            "preserve_insertion_order": True,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    allowed = ", ".join(quoted(str(one.resolve()) + "/") for one in (temp, *directories))
    connection.execute(f"SET allowed_directories = [{allowed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET lock_configuration = true")
    return connection


def quoted(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def write_part(
    connection: duckdb.DuckDBPyConnection, select: str, path: Path, limits: Limits
) -> tuple[int, int, dict[str, dict[str, str]]]:
    """Write one Parquet file; returns rows, bytes, and DuckDB's statistics by column name."""
    row = connection.execute(
        f"COPY ({select}) TO {quoted(str(path))} (FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, "
        f"COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {limits.row_group_rows}, RETURN_STATS)"
    ).fetchone()
    if row is None:
        return 0, path.stat().st_size, {}
    statistics = {name[1:-1].replace('""', '"'): value for name, value in (row[4] or {}).items()}
    return int(row[1]), path.stat().st_size, statistics


_Written = tuple[Part, list[dict[str, str]]]


class Loader:
    """Takes cleaned parts in order and writes them as Parquet, a few at a time, beside the reading of the next."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, out: Path, limits: Limits, *, workers: int) -> None:
        self.out, self.limits, self.workers = out, limits, workers
        self.parts: list[CleanPart] = []
        self.statistics: list[ColumnStats] = []
        self._connection = connection
        self._pool = ThreadPoolExecutor(workers)
        self._jobs: list[Future[_Written | None]] = []
        self._names: list[str] = []
        self._fixed: dict[int, FixedText] = {}
        self._gate: Gate | None = None
        self._style = PLAIN
        self._empty_from: int | None = None
        self._plan: list[Decision] | None = None
        self._stopped = False

    def start(
        self,
        names: list[str],
        fixed: dict[int, FixedText],
        *,
        gate: Gate | None = None,
        style: Style = PLAIN,
        empty_from: int | None = None,
    ) -> None:
        """Name the columns, before the first part. Those from `empty_from` on are left out if they stay empty."""
        self._names, self._fixed, self._gate = names, fixed, gate
        self._style, self._empty_from = style, empty_from

    def add(self, part: CleanPart) -> None:
        """Take the next part; what the gate does not let pass is rejected."""
        kept: CleanPart | None = part
        if self._gate is not None:
            kept = self._gate.passed(self._connection, part, self._numbered(part, range(part.width)))
        if kept is not None:
            self.parts.append(kept)
            self._submit(kept)

    @property
    def columns(self) -> int:
        """How many columns there are, once `finish` has said which of the last are left out."""
        return self._kept(self._plan or [])

    def close(self) -> None:
        """Stop what is under way and wait for it."""
        self._stopped = True
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._connection.close()

    def finish(self) -> tuple[list[Decision], list[Part]]:
        """The decision of every column and all parts, written and counted."""
        written = [job.result() for job in self._jobs]
        if self._stopped or self._plan is None or None in written:
            self._plan = self._decided_on_everything()
            self._stopped = False
            written = list(self._pool.map(self._write, self.parts, range(len(self.parts))))
        self.statistics = [ColumnStats() for _ in range(self._kept(self._plan))]
        parts = []
        for one in written:
            if one is not None:
                parts.append(self._summed(*one))
        if self._gate is not None:
            for at in self._gate.columns:
                self._plan[at] = self._concluded(self._gate, at)
        return self._plan, parts

    def _kept(self, plan: list[Decision]) -> int:
        """The number of columns without the empty ones at the end that are left out."""
        count = len(plan)
        while self._empty_from is not None and count > self._empty_from and plan[count - 1].empty:
            count -= 1
        return count

    def _concluded(self, gate: Gate, at: int) -> Decision:
        """A forced column's format, and how many cells are not written so."""
        facts = []
        for part in self.parts:
            row = self._connection.execute(f"SELECT {facts_of(at)} FROM {self._numbered(part, [at])}").fetchone()
            facts.append(row or (None, None, None))

        def altered(condition: str) -> int:
            total = 0
            for part in self.parts:
                sql = f"SELECT count(*) FILTER ({condition}) FROM {self._numbered(part, [at])}"
                total += (self._connection.execute(sql).fetchone() or (0,))[0]
            return total

        first = next((one[0] for one in facts if one[0]), None)
        return gate.concluded(
            at, (first, any(one[1] for one in facts), max((one[2] or 0 for one in facts), default=0)), altered
        )

    def _submit(self, part: CleanPart) -> None:
        if self._plan is None and not self._stopped:
            self._plan = self._decided_on_sample(part)
            self._stopped = not all(decision.settled or decision.empty for decision in self._plan)
        self._jobs.append(self._pool.submit(self._try, part, len(self._jobs)))
        # Reading waits for writing once every worker has a part and one more is ready.
        if len(self._jobs) > self.workers:
            self._jobs[-1 - self.workers].result()

    def _try(self, part: CleanPart, index: int) -> _Written | None:
        """Write the part by the plan from the first rows; None once that plan has failed."""
        if self._stopped:
            return None
        try:
            return self._write(part, index)
        except duckdb.Error as exc:
            if _MISMATCH not in str(exc):
                raise
            self._stopped = True
            return None

    def _read(self, part: CleanPart, columns: Sequence[int] | None = None) -> str:
        types = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(part.width))
        wanted = "*" if columns is None else ", ".join(f"c{at}" for at in columns)
        line_bytes = max(2 * self.limits.line_bytes + part.width * 3, 2 * MIB)
        return (
            f"SELECT {wanted} FROM read_csv({quoted(str(part.path))}, auto_detect=false, header=true, "
            f"columns={{{types}}}, delim={quoted(part.delimiter)}, quote='\"', escape='\"', new_line='\\n', "
            f"comment='', nullstr='', allow_quoted_nulls=false, strict_mode=true, max_line_size={line_bytes}, "
            f"buffer_size={max(line_bytes, 32 * MIB)})"
        )

    def _decided_on_sample(self, part: CleanPart) -> list[Decision]:
        wanted = min(max(SAMPLE_CELLS // part.width, SAMPLE_ROWS.start), SAMPLE_ROWS.stop)
        rows = self._connection.execute(self._read(part) + f" LIMIT {wanted}").fetchall()
        plan = []
        for at in range(part.width):
            plan.append(self._fixed_decision(at) or decide((row[at] for row in rows), self._style))
        return plan

    def _fixed_decision(self, at: int) -> Decision | None:
        if self._gate is not None and at in self._gate.columns:
            return self._gate.decision(at)
        fixed = self._fixed.get(at)
        return None if fixed is None else Decision(None, fixed.reason, settled=True)

    def _write(self, part: CleanPart, index: int) -> _Written:
        names, plan = self._names, self._plan or []
        kept = self._kept(plan)
        values = [
            f"{self._value(at, decision)} AS {identifier(name)}"
            for at, (name, decision) in enumerate(zip(names[:kept], plan[:kept], strict=True))
        ]
        path = self.out / f"part-{index:05d}.parquet"
        select = f"SELECT {', '.join(values)} FROM ({self._typed(part, plan[:kept])})"
        if kept < len(names):
            tests = (f"({_checked(at, plan[at])}) IS NULL" for at in range(kept, len(names)))
            select += f" WHERE {' AND '.join(tests)}"
        rows, size, statistics = write_part(self._connection.cursor(), select, path, self.limits)
        if rows != part.rows:
            raise AccountingError(f"{part.rows} rows were read into part {index}, but {rows} were written")
        return Part(path.name, rows, size, part.first_row), [statistics[name] for name in names[:kept]]

    def _typed(self, part: CleanPart, plan: list[Decision]) -> str:
        """SQL for the part with a value v… beside each cell c… that is checked, so that it is converted once."""
        values = [
            f"{decision.candidate.sql_value(f'c{at}')} AS v{at}"
            for at, decision in enumerate(plan)
            if decision.candidate and not self._is_forced(at)
        ]
        return f"SELECT {', '.join(['*', *values])} FROM ({self._read(part)})"

    def _value(self, at: int, decision: Decision) -> str:
        if self._gate is not None and at in self._gate.columns:
            return self._gate.columns[at].sql_value(f"c{at}")
        return _checked(at, decision)

    def _is_forced(self, at: int) -> bool:
        return self._gate is not None and at in self._gate.columns

    def _summed(self, part: Part, statistics: list[dict[str, str]]) -> Part:
        """The part with its bounds, after its statistics have been added to those of the columns."""
        bounds = {}
        for name, column, sums in zip(self._names[: len(statistics)], statistics, self.statistics, strict=True):
            if found := sums.add(column, part.rows):
                bounds[name] = list(found)
        return replace(part, bounds=bounds)

    def _decided_on_everything(self) -> list[Decision]:
        plan: list[Decision] = []
        width = len(self._names)
        for start in range(0, width, FACT_COLUMNS):
            columns = [at for at in range(start, min(start + FACT_COLUMNS, width)) if not self._fixed_decision(at)]
            facts = self._facts(columns)
            for at in range(start, min(start + FACT_COLUMNS, width)):
                plan.append(self._fixed_decision(at) or conclude(facts[at], self._style))
        return plan

    def _facts(self, columns: list[int]) -> dict[int, Facts]:
        facts = {at: Facts() for at in columns}
        for part in self.parts:
            unknown = [at for at in columns if facts[at].first is None]
            for at, (row, cell) in self._first_cells(part, unknown).items():
                facts[at].first = (row, cell)
                facts[at].failures = [None] * len(candidates(cell, self._style))
            self._gather(part, facts)
        return facts

    def _numbered(self, part: CleanPart, columns: Sequence[int]) -> str:
        return f"(SELECT *, row_number() OVER () + {part.first_row} AS r FROM ({self._read(part, columns)}))"

    def _first_cells(self, part: CleanPart, columns: list[int]) -> dict[int, tuple[int, str]]:
        if not columns:
            return {}
        wanted = ", ".join(f"min(r) FILTER (c{at} <> ''), arg_min(c{at}, r) FILTER (c{at} <> '')" for at in columns)
        row = self._connection.execute(f"SELECT {wanted} FROM {self._numbered(part, columns)}").fetchone() or ()
        pairs = zip(row[::2], row[1::2], strict=True)
        return {at: pair for at, pair in zip(columns, pairs, strict=True) if pair[0] is not None}

    def _gather(self, part: CleanPart, facts: dict[int, Facts]) -> None:
        """Add one part's facts: empties, truth words, and where candidates that still hold first fail."""
        wanted, values, failures = ["count(*)"], ["*"], ["*"]
        for at, known in facts.items():
            cell = f"c{at}"
            wanted.append(f"min(r) FILTER ({cell} IS NULL), min(r) FILTER ({cell} = '')")
            for number, candidate in enumerate(_alive(known, self._style)):
                value, failed = f"v{at}_{number}", f"f{at}_{number}"
                values.append(f"{candidate.sql_value(cell)} AS {value}")
                holds = f"{cell} IS NULL OR {cell} = '' OR {candidate.sql_holds(cell, value)}"
                failures.append(f"CASE WHEN {holds} THEN NULL ELSE r END AS {failed}")
                wanted.append(f"min({failed}), arg_min({cell}, {failed})")
                if candidate.both:
                    wanted.append(f"min({cell}) FILTER ({cell} <> ''), max({cell}) FILTER ({cell} <> '')")
        typed = f"SELECT {', '.join(values)} FROM {self._numbered(part, list(facts))}"
        sql = f"SELECT {', '.join(wanted)} FROM (SELECT {', '.join(failures)} FROM ({typed}))"
        row = iter(self._connection.execute(sql).fetchone() or ())
        if next(row) != part.rows:
            raise AccountingError(f"a part of {part.rows} rows was read with another number of rows")
        for known in facts.values():
            _add(known, row, self._style)


def _alive(known: Facts, style: Style) -> list[Candidate]:
    if known.first is None:
        return []
    found = candidates(known.first[1], style)
    return [candidate for candidate, failure in zip(found, known.failures, strict=True) if failure is None]


def _add(known: Facts, values: Any, style: Style) -> None:
    """Take the values that `_gather` asked for on behalf of one column, in the same order."""
    alive = _alive(known, style)
    null_row, empty_row = next(values), next(values)
    known.null_row = known.null_row or null_row
    known.empty_row = known.empty_row or empty_row
    found = candidates(known.first[1], style) if known.first else ()
    for candidate in alive:
        row, cell = next(values), next(values)
        if row is not None:
            known.failures[found.index(candidate)] = (row, cell)
        if candidate.both:
            known.truths |= {word for word in (next(values), next(values)) if word is not None}


def _checked(at: int, decision: Decision) -> str:
    """SQL for the typed value v… of the cell c… that stops the query where the cell would not come back as its text."""
    cell, value = f"c{at}", f"v{at}"
    stop = f"error({quoted(_MISMATCH)})"
    candidate = decision.candidate
    if candidate is None:
        return f"CASE WHEN {cell} IS NOT NULL THEN {stop} END::VARCHAR" if decision.empty else cell
    holds = candidate.sql_holds(cell, value)
    if decision.quoted_empties:
        return f"CASE WHEN {cell} = '' THEN NULL WHEN {holds} THEN {value} ELSE {stop} END"
    return f"CASE WHEN {cell} IS NULL OR {holds} THEN {value} ELSE {stop} END"


_FOUR_DIGIT_YEAR = re.compile(r"[0-9]{4}-")


def merged_bounds(type_: str, bounds: Sequence[tuple[str, str] | None]) -> tuple[str | None, str | None]:
    """The bounds of a whole column from those of its parts; (None, None) unless all are known and comparable."""
    known = [pair for pair in bounds if pair is not None]
    if not known or len(known) < len(bounds) or type_ == "boolean":
        return None, None
    if type_.startswith("decimal") or type_ in ("integer", "float"):
        key: Any = Decimal
    else:
        key = str
        if type_ in ("date", "timestamp", "timestamp_tz") and not all(
            _FOUR_DIGIT_YEAR.match(end) for pair in known for end in pair
        ):
            return None, None
    return min((pair[0] for pair in known), key=key), max((pair[1] for pair in known), key=key)
