"""Rows of a selection as one file. The file has as many rows as the selection, or there is none.

CSV and NDJSON are written line by line, each line made in SQL: a cell is what the source had (`types.sql_text`), null
is nothing and the empty string is "". Numbers of NDJSON have all their digits, decimals too. Parquet keeps the types.
"""

# The SQL here is made of our own words and numbers, quoted identifiers and quoted literals; values are bound.
# ruff: noqa: S608

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from fluvial.engine.conditions import sql_type, time_limit
from fluvial.engine.limits import GIB, Limits
from fluvial.engine.load import AccountingError, connect, identifier, quoted
from fluvial.engine.manifest import Column
from fluvial.engine.select import Asked, Files, asked
from fluvial.engine.types import SHORT_FLOAT, sql_text
from fluvial.engine.worksheet import Worksheet, new_book
from fluvial.exports import Wanted, check_sheet
from fluvial.query_values import is_decimal

MAX_FILE_BYTES = 4 * GIB  # S3 takes 5 GB at once, and the disk has to hold the parts as well
FETCHED_ROWS = 500
TOO_SLOW = "The export took too long and was stopped: filter, or leave out columns."
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the start of a formula, https://owasp.org/www-community/attacks/CSV_Injection."""


class ExportFailedError(Exception):
    """There can be no such file, nor would there be if it was tried again; `str(error)` is a sentence for its owner."""


@dataclass(frozen=True)
class Job:
    """One export: the directory of a version's parts, what is wanted of them, and the file that it becomes."""

    parts: Path
    columns: Sequence[Column]
    wanted: Wanted
    title: str
    file: Path
    timeout_seconds: float
    memory_limit_mb: int = 1_500

    @property
    def shown(self) -> list[Column]:
        by_name = {column.name: column for column in self.columns}
        names = self.wanted.selection.columns
        return list(self.columns) if names is None else [by_name[name] for name in names]


def export(files: Iterable[tuple[Path, int]], job: Job) -> int:
    """Writes the file; returns its rows. Parts may arrive one by one: all are needed at once for Parquet and a sort.

    Raises ExportFailedError; InvalidError for more rows than a worksheet has; AccountingError if the rows of the file
    are not as many as the selection has. Temporary files go to the file's directory.
    """
    spill = job.file.parent / "spill"
    spill.mkdir()
    groups: Iterable[Files] = ([each] for each in files)
    if job.wanted.format == "parquet" or job.wanted.selection.sort:
        groups = [list(files)]
    with closing(_Source(groups, job, spill)) as source, _owner_told(job, source):
        _WRITERS[job.wanted.format](source, job)
    if source.written != source.expected:
        raise AccountingError(f"{source.expected} rows were to be exported, but {source.written} were written")
    return source.written


class _Source:
    """The rows of the groups of parts, counted twice: as the selection has them, and as they are taken."""

    def __init__(self, groups: Iterable[Files], job: Job, spill: Path) -> None:
        self.expected = self.written = 0
        self._groups, self._job, self._spill = groups, job, spill
        self._end = time.monotonic() + job.timeout_seconds
        self._connections: list[duckdb.DuckDBPyConnection] = []

    def questions(self, outputs: Sequence[str]) -> Iterator[tuple[duckdb.DuckDBPyConnection, Asked]]:
        """The question to each group that has any rows."""
        for files in self._groups:
            self._check_time()
            if not files:
                continue
            connection = self.connection()
            question = asked(files, self._job.columns, self._job.wanted.selection, outputs)
            counted = connection.execute(f"SELECT count(*) FROM ({question.rows})", question.values).fetchone()
            self.expected += int(counted[0]) if counted else 0
            if self._job.wanted.format == "xlsx":
                check_sheet(self.expected)
            yield connection, question

    def rows(self, outputs: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """The outputs of all rows, in order; few are in Python at a time, for a single cell may take megabytes."""
        for connection, question in self.questions(outputs):
            found = connection.execute(question.rows + self.order(question), question.values)
            for some in iter(lambda found=found: found.fetchmany(FETCHED_ROWS), []):  # type: ignore[misc]
                self._check_time()
                self.written += len(some)
                yield from some

    def interrupt(self) -> None:
        for connection in self._connections:
            connection.interrupt()

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def order(self, question: Asked) -> str:
        """What sorts the rows; nothing where nothing is asked for, as a scan has them in the order of the source."""
        return question.order if self._job.wanted.selection.sort else ""

    def connection(self) -> duckdb.DuckDBPyConnection:
        """One for all groups; it reaches the directory of the parts and that of the file alone."""
        if not self._connections:
            folders = [self._job.parts, self._job.file.parent]
            self._connections.append(connect(self._spill, folders, self._job.memory_limit_mb, 2))
        return self._connections[0]

    def _check_time(self) -> None:
        if time.monotonic() > self._end:
            raise ExportFailedError(TOO_SLOW)


def _write_csv(source: _Source, job: Job) -> None:
    wanted, shown = job.wanted, job.shown
    names = [_neutral(column.name) if wanted.neutralise_formulas else column.name for column in shown]
    cells = [_csv_cell(column, wanted) for column in shown]
    header = wanted.delimiter.join(_csv_quoted(name, wanted.delimiter) for name in names)
    _write_lines(source, job, f"concat_ws({quoted(wanted.delimiter)}, {', '.join(cells)})", header)


def _csv_cell(column: Column, wanted: Wanted) -> str:
    """SQL for a cell of CSV, quoted where it has to be."""
    text = _text(column, wanted)
    if column.type == "integer" and column.format is None:
        return f"coalesce({text}, '')"
    specials = "".join(f" OR contains({text}, {quoted(each)})" for each in (wanted.delimiter, '"', "\n", "\r"))
    inner = f"""'"' || replace({text}, '"', '""') || '"'"""
    return f"(CASE WHEN {text} IS NULL THEN '' WHEN {text} = ''{specials} THEN {inner} ELSE {text} END)"


def _csv_quoted(text: str, delimiter: str) -> str:
    if text and not any(each in text for each in (delimiter, '"', "\n", "\r")):
        return text
    return '"' + text.replace('"', '""') + '"'


def _text(column: Column, wanted: Wanted) -> str:
    cell = identifier(column.name)
    if column.type == "float":
        return _float_text(column, "")
    if column.type != "text":
        return sql_text(cell, column.type, column.format)
    if not wanted.neutralise_formulas:
        return cell
    starts = ", ".join(f"chr({ord(each)})" for each in FORMULA_STARTS)
    return f"(CASE WHEN left({cell}, 1) IN ({starts}) THEN '''' || {cell} ELSE {cell} END)"


def _float_text(column: Column, quote: str) -> str:
    """SQL for a float as text: those without digits as rows spell them, in these quotes."""
    cell = identifier(column.name)
    short = column.format if column.format in (None, SHORT_FLOAT) else None
    words = " ".join(
        f"WHEN {test} THEN {quoted(quote + word + quote)}"
        for test, word in {
            f"isnan({cell})": "NaN",
            f"{cell} = 'inf'::DOUBLE": "Infinity",
            f"{cell} = '-inf'::DOUBLE": "-Infinity",
        }.items()
    )
    return f"(CASE {words} ELSE {sql_text(cell, column.type, short)} END)"


def _neutral(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _write_ndjson(source: _Source, job: Job) -> None:
    members = [
        quoted(("{" if at == 0 else ",") + json.dumps(column.name, ensure_ascii=False) + ":")
        + f", {_json_cell(column)}"
        for at, column in enumerate(job.shown)
    ]
    _write_lines(source, job, f"concat({', '.join(members)}, '}}')", None)


def _json_cell(column: Column) -> str:
    """SQL for a value as JSON: numbers with all their digits, as the source had them."""
    cell = identifier(column.name)
    text = sql_text(cell, column.type, column.format)
    if column.type == "float":
        value = _float_text(column, '"')
    elif column.type == "integer" or is_decimal(column.type) or column.type == "boolean":
        value = f"CAST({cell} AS VARCHAR)"
    elif column.type == "text" and column.format == "json":
        # Nested values of the source, which are kept as their JSON.
        value = f"CASE WHEN json_valid({cell}) THEN {cell} ELSE CAST(to_json({cell}) AS VARCHAR) END"
    else:
        value = f"CAST(to_json({text}) AS VARCHAR)"
    return f"coalesce({value}, 'null')"


def _write_lines(source: _Source, job: Job, line: str, header: str | None) -> None:
    size = 0
    with job.file.open("wb") as file:
        if header is not None:
            size += file.write(header.encode() + b"\n")
        for (text,) in source.rows([line]):
            size += file.write(text.encode() + b"\n")
            if size > MAX_FILE_BYTES:
                raise _too_large()


def _write_parquet(source: _Source, job: Job) -> None:
    cells = [identifier(column.name) for column in job.shown]
    for connection, question in source.questions(cells):
        names = ", ".join(f"fluvial_output_{at} AS {cell}" for at, cell in enumerate(cells))
        copied = connection.execute(
            f"COPY (SELECT {names} FROM ({question.rows}{source.order(question)})) TO {quoted(str(job.file))} "
            f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {Limits().row_group_rows})",
            question.values,
        ).fetchone()
        source.written += int(copied[0]) if copied else 0
    if not job.file.exists():
        empty = ", ".join(f"CAST(NULL AS {sql_type(column)}) AS {identifier(column.name)}" for column in job.shown)
        source.connection().execute(f"COPY (SELECT {empty} LIMIT 0) TO {quoted(str(job.file))} (FORMAT parquet)")
    if job.file.stat().st_size > MAX_FILE_BYTES:
        raise _too_large()


def _write_xlsx(source: _Source, job: Job) -> None:
    shown = job.shown
    raw = {"integer", "float", "boolean", "date", "timestamp"}
    values = [
        identifier(column.name) if column.type in raw or is_decimal(column.type) else _text(column, job.wanted)
        for column in shown
    ]
    # Beside floats and dates, their text: a worksheet has neither all digits, nor days before 1900 or microseconds.
    texts = [_text(column, job.wanted) if column.type in ("float", "date", "timestamp") else "NULL" for column in shown]
    named = [_neutral(column.name) if job.wanted.neutralise_formulas else column.name for column in shown]
    with closing(new_book(job.file)) as book:
        sheet = Worksheet(book, job.title, [column.type for column in shown], named)
        for row in source.rows([*values, *texts]):
            if problem := sheet.add(row[: len(shown)], row[len(shown) :]):
                raise ExportFailedError(problem)


_WRITERS: dict[str, Callable[[_Source, Job], None]] = {
    "csv": _write_csv,
    "ndjson": _write_ndjson,
    "parquet": _write_parquet,
    "xlsx": _write_xlsx,
}


def _too_large() -> ExportFailedError:
    return ExportFailedError(
        f"The file would take more than {MAX_FILE_BYTES} bytes: filter, leave out columns, or export Parquet."
    )


@contextmanager
def _owner_told(job: Job, source: _Source) -> Iterator[None]:
    """Turns what the same export would meet again into a sentence for its owner."""
    try:
        with time_limit(source, job.timeout_seconds):
            yield
    except duckdb.InterruptException as error:
        raise ExportFailedError(TOO_SLOW) from error
    except duckdb.OutOfMemoryException as error:
        raise ExportFailedError(
            f"The export needs more than {job.memory_limit_mb} MB of memory: filter, sort by fewer columns, or leave "
            "out columns with long texts."
        ) from error
