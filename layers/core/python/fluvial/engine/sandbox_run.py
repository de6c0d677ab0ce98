"""Inside the sandbox's process: the locked database, the steps as tables, the last one's rows as Parquet parts."""

# The SQL here is made of our own numbers, quoted identifiers and quoted literals, and of SELECTs that were checked.
# ruff: noqa: S608

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import duckdb

from fluvial.engine.conditions import sql_type
from fluvial.engine.limits import Limits
from fluvial.engine.load import ColumnStats, identifier, merged_bounds, quoted, write_part
from fluvial.engine.manifest import Column, Part
from fluvial.engine.rows import json_ready, record
from fluvial.engine.sandbox_check import Checked, RefusedError, checked
from fluvial.engine.sandbox_child import UNCOUNTED_BYTES
from fluvial.engine.sandbox_columns import Made, made, spellings

MESSAGE_CHARACTERS = 1_000
TOO_MUCH_MEMORY = "The SQL needs more memory than a run has: filter, group or sort less at once."
_CELL = "fluvial: too large a cell in "


class ExceededError(Exception):
    """A limit that is seen here: `kind` is rows or output."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Run:
    """One request. `send` takes what is answered: a name and a value."""

    def __init__(self, request: dict[str, Any], send: Callable[[str, Any], None]) -> None:
        self._request, self._send = request, send
        self._bounds: dict[str, int] = request["bounds"]
        self._work = Path(request["work"])
        inputs = {
            name: (given["files"], [Column(**column) for column in given["columns"]])
            for name, given in request["inputs"].items()
        }
        self._names = list(inputs)
        self._spellings = spellings([column for _, columns in inputs.values() for column in columns])
        self._sql = locked(self._work, self._bounds, inputs)

    def run(self) -> None:
        steps = self._request["steps"]
        selects = self._checked()
        for at, (step, select) in enumerate(zip(steps, selects, strict=True)):
            self._send("started", step["name"])
            columns, rows = self._make(step, select)
            wanted = {steps[-1]["name"].lower()}.union(*(later.tables for later in selects[at + 1 :]))
            for earlier in steps[: at + 1]:
                if earlier["name"].lower() not in wanted:
                    self._sql.execute(f"DROP TABLE IF EXISTS {identifier(earlier['name'])}")
        written: tuple[list[Column], list[Part]] = ([], [])
        if self._request["write"]:
            written = self._write(steps[-1]["name"], columns, rows)
        self._send("done", {"columns": list(map(asdict, written[0])), "parts": list(map(asdict, written[1]))})

    def _checked(self) -> list[Checked]:
        """All steps are checked before the first one runs."""
        tables, found = {name.lower() for name in self._names}, []
        for step in self._request["steps"]:
            self._send("started", step["name"])
            select = checked(self._sql, step["sql"], tables)
            if missing := sorted(select.parameters - set(step["values"])):
                raise RefusedError(f"The SQL has a parameter that no value was given for: ${missing[0]}.")
            found.append(select)
            tables.add(step["name"].lower())
        return found

    def _make(self, step: dict[str, Any], select: Checked) -> tuple[list[Made], int]:
        """The step's rows as a table; tells of its columns, its size and its first rows."""
        began = time.monotonic()
        table, most = identifier(step["name"]), self._bounds["output_rows"]
        # The line break ends a comment. Lines are those of the owner's SQL, as an error may name one.
        statements = self._sql.extract_statements(
            f"CREATE TABLE {table} AS SELECT * FROM ({select.sql}\n) LIMIT {most + 1}"
        )
        if len(statements) != 1:
            raise ValueError("a SELECT that was checked is more than one statement")
        self._sql.execute(statements[0], {name: step["values"][name] for name in select.parameters})
        rows = int((self._sql.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,))[0])
        if rows > most:
            raise ExceededError("rows", f"The SELECT makes more than {most} rows, which are kept at most.")
        columns = made(self._sql, step["name"], self._spellings)
        if len(columns) > self._bounds["columns"]:
            widest = self._bounds["columns"]
            raise ExceededError("output", f"The SELECT makes {len(columns)} columns; at most {widest} are kept.")
        result = {
            "name": step["name"],
            "columns": [asdict(each.column) for each in columns],
            "rows": rows,
            "sample": self._sample(table, columns),
            "milliseconds": round((time.monotonic() - began) * 1000),
        }
        self._send("made", result)
        return columns, rows

    def _sample(self, table: str, columns: Sequence[Made]) -> list[dict[str, object]]:
        """The first rows, as many as are not too large together."""
        cells = ", ".join(f"{json_ready(each.column, each.value)} AS c{at}" for at, each in enumerate(columns))
        texts = [f"coalesce(strlen(c{at}), 0)" for at, each in enumerate(columns) if each.column.type == "text"]
        sized = f"SELECT *, sum({' + '.join(texts) or 0}) OVER (ROWS UNBOUNDED PRECEDING) AS size"
        shown = self._sql.execute(
            f"SELECT * EXCLUDE size FROM ({sized} FROM (SELECT {cells} FROM {table} "
            f"LIMIT {int(self._request['sample_rows'])})) WHERE size <= {self._bounds['sample_bytes']}"
        )
        return [record(row, [each.column for each in columns]) for row in shown.fetchall()]

    def _write(self, name: str, columns: Sequence[Made], rows: int) -> tuple[list[Column], list[Part]]:
        """The table's rows in order, as parts in the folder `out`, and a manifest's columns."""
        statistics = [ColumnStats() for _ in columns]
        parts: list[Part] = []
        first, total, step = 0, 0, int(self._request["part_rows"])
        while first < rows:
            path = self._work / "out" / f"part-{len(parts):05d}.parquet"
            select = self._select(columns, f"{identifier(name)} {_between(columns, first, step)}")
            count, size, said = write_part(self._sql, select, path, Limits())
            if count != min(step, rows - first):
                raise ValueError(f"a part has {count} of {rows} rows from {first} on")
            if size > self._bounds["part_bytes"] and count > 1:
                # A part is fetched as a whole for one row of it.
                step = max(count * self._bounds["part_bytes"] // (2 * size), 1)
                continue
            total += size
            if total > self._bounds["output_bytes"]:
                most = self._bounds["output_bytes"]
                raise ExceededError("output", f"The result takes more than {most} bytes, which are kept at most.")
            bounds = {}
            for each, sums in zip(columns, statistics, strict=True):
                if ends := sums.add(said[each.column.name], count):
                    bounds[each.column.name] = list(ends)
            parts.append(Part(path.name, count, size, first, bounds))
            first += count
        return [_summed(each.column, sums) for each, sums in zip(columns, statistics, strict=True)], parts

    def _select(self, columns: Sequence[Made], source: str) -> str:
        """SQL for the values as they are kept, which stops where a text is too large for a cell."""
        values = ", ".join(f"{each.value} AS c{at}" for at, each in enumerate(columns))
        kept = []
        for at, each in enumerate(columns):
            stop = f"error({quoted(_CELL + each.column.name)})"
            long = f"CASE WHEN strlen(c{at}) > {self._bounds['cell_bytes']} THEN {stop} ELSE c{at} END"
            kept.append(f"{long if each.column.type == 'text' else f'c{at}'} AS {identifier(each.column.name)}")
        return f"SELECT {', '.join(kept)} FROM (SELECT {values} FROM {source})"


def _between(columns: Sequence[Made], first: int, count: int) -> str:
    """SQL for rows by their position in a table."""
    if any(each.column.name.lower() == "rowid" for each in columns):
        # A column of that name hides the position, and all rows before have to be read.
        return f"LIMIT {count} OFFSET {first}"
    return f"WHERE rowid BETWEEN {first} AND {first + count - 1}"


def _summed(column: Column, sums: ColumnStats) -> Column:
    least, greatest = merged_bounds(column.type, sums.bounds)
    return replace(column, nulls=sums.nulls, min=least, max=greatest)


def locked(
    work: Path, bounds: Mapping[str, int], inputs: Mapping[str, tuple[Sequence[str], Sequence[Column]]]
) -> duckdb.DuckDBPyConnection:
    """A database that has the inputs (files and columns by name) as views, and cannot change what it may do."""
    connection = duckdb.connect(
        config={
            # One thread: the same inputs and SQL make the same rows in the same order, and the same sums of floats.
            "threads": 1,
            "async_threads": 0,
            "memory_limit": f"{max(bounds['memory_bytes'] - UNCOUNTED_BYTES, UNCOUNTED_BYTES) // 2}B",
            "temp_directory": str(work / "spill"),
            "preserve_insertion_order": True,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "allow_persistent_secrets": False,
            "python_enable_replacements": False,
            "enable_external_file_cache": False,
        }
    )
    # Not heeded where it is given with the others (DuckDB 2.0.0).
    connection.execute(f"SET max_temp_directory_size = '{bounds['spill_bytes']}B'")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SELECT setseed(0.5)")
    connection.execute(f"SET allowed_directories = [{quoted(f'{work}/')}]")
    connection.execute("SET enable_external_access = false")
    for name, (files, columns) in inputs.items():
        connection.execute(f"CREATE VIEW {identifier(name)} AS {_rows(files, columns)}")
    connection.execute("SET lock_configuration = true")
    return connection


def _rows(files: Sequence[str], columns: Sequence[Column]) -> str:
    """SQL for the rows of Parquet parts, in order."""
    if not files:
        nothing = ", ".join(f"CAST(NULL AS {sql_type(each)}) AS {identifier(each.name)}" for each in columns)
        return f"SELECT {nothing} WHERE false"
    names = ", ".join(identifier(each.name) for each in columns)
    return f"SELECT {names} FROM read_parquet([{', '.join(map(quoted, files))}], hive_partitioning = false)"


def explained(error: Exception, work: str) -> tuple[str, str]:
    """What ended the run (a name of `sandbox`), and a sentence for the owner of the SQL."""
    text = str(error)
    if isinstance(error, ExceededError):
        return error.kind, text
    if isinstance(error, RefusedError):
        return "refused", text
    if isinstance(error, RecursionError):
        return "refused", "The SQL is nested too deeply."
    if isinstance(error, UnicodeEncodeError):
        return "refused", "The SQL or a value has half of a character (a lone surrogate), which no text can have."
    if isinstance(error, duckdb.PermissionException):
        return "refused", "The SQL reaches for what it is not given."
    if _CELL in text:
        return "output", f"A cell of the column {text.split(_CELL)[1]!r} has too many bytes to be kept."
    if isinstance(error, duckdb.IOException) and f"{work}/out/" in text:
        return "output", "The result takes more space on the disk than a run has."
    # A file that could not grow is one that memory was to be put aside in.
    if isinstance(error, (MemoryError, duckdb.OutOfMemoryException, duckdb.IOException)) or "bad_alloc" in text:
        return "memory", TOO_MUCH_MEMORY
    if isinstance(error, (duckdb.InternalException, duckdb.FatalException)) or not isinstance(error, duckdb.Error):
        return "stopped", "The database broke down over this SQL: write it in another way."
    # The SQL around the place follows, which is not the owner's alone.
    said, *place = text.split("\n\nLINE ")
    line = f" (line {place[0].split(':')[0]})" if place else ""
    return "failed", said.strip().replace(work, "")[:MESSAGE_CHARACTERS] + line
