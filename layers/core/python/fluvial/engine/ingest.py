"""One uploaded file to Parquet parts, rejects and a manifest: the engine's entry."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fluvial.engine import parquet
from fluvial.engine.dialect import SAMPLE_BYTES, column_names, detect
from fluvial.engine.json_table import JsonTable
from fluvial.engine.json_text import Reader, document_records, line_records
from fluvial.engine.limits import Limits
from fluvial.engine.load import AccountingError, ColumnStats, Loader, connect, merged_bounds
from fluvial.engine.manifest import Column, CounterExample, Manifest, Part
from fluvial.engine.records import NotUtf8Error, RecordReader
from fluvial.engine.sources import Source, decoded, mark, recognise, survey
from fluvial.engine.tables import REJECTS_FILE, CleanPart, FixedText, LineIndex, PartWriter, Rejects
from fluvial.engine.types import Decision
from fluvial.errors import UnreadableFileError

# A file is in another encoding only where lines that are not UTF-8 outnumber those that must be by this factor.
LEGACY_LINES_PER_UTF8_LINE = 20
# DuckDB's buffers per column while writing; only files of more than some hundred columns need more than is asked for.
MEMORY_KB_PER_COLUMN = 320


def ingest(
    source: Path,
    out: Path,
    *,
    filename: str,
    format: str | None = None,
    limits: Limits | None = None,
    progress: Callable[[int], None] | None = None,
    memory_limit_mb: int = 200,
    threads: int = 2,
) -> Manifest:
    """Read `source` into out/part-00000.parquet and on, out/rejects.ndjson and the manifest that is returned.

    `format` is csv, tsv, json, ndjson or parquet; None detects it from the bytes (`filename` is only quoted in
    messages). `memory_limit_mb` bounds DuckDB, except that very wide files get 320 KB per column. `progress` is
    called with the bytes of the source read so far. Raises UnreadableFileError, with a sentence for its owner,
    where no table can be made of the file; AccountingError if rows do not add up. Writes under `out` only, and
    nothing is left there after an error; temporary files go to a directory in it that is removed.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fluvial-", dir=out) as temp:
        job = _Job(source, out, Path(temp), filename, limits or Limits(), progress, memory_limit_mb, threads)
        try:
            return job.run(format)
        except BaseException:
            job.discard()
            raise


class _Job:
    """One run of `ingest`."""

    def __init__(
        self,
        source: Path,
        out: Path,
        temp: Path,
        filename: str,
        limits: Limits,
        progress: Callable[[int], None] | None,
        memory_limit_mb: int,
        threads: int,
    ) -> None:
        self.path, self.out, self.temp, self.filename, self.limits = source, out, temp, filename, limits
        self.source = Source(source, limits, progress)
        self.rejects = Rejects(out / REJECTS_FILE)
        self.memory_limit_mb, self.threads = memory_limit_mb, threads
        self.loader: Loader | None = None

    def run(self, asked: str | None) -> Manifest:
        head = self.source.head()
        self.source.refuse_bomb()
        found, because = recognise(head, asked, self.filename)
        if self.source.compression:
            because = ["the bytes are a gzip stream", *because]
        if found == "parquet":
            return self._parquet(because)
        if found in ("csv", "tsv"):
            return self._delimited(head, found, because)
        return self._json(head, found, because)

    def discard(self) -> None:
        """Leave nothing behind."""
        if self.loader is not None:
            self.loader.close()
        self.rejects.close()
        for path in [*self.out.glob("part-*.parquet"), self.out / REJECTS_FILE]:
            path.unlink(missing_ok=True)

    def _open_loader(self, width: int) -> Loader:
        if self.loader is not None:
            self.loader.close()
        memory_limit_mb = max(self.memory_limit_mb, width * MEMORY_KB_PER_COLUMN // 1024)
        connection = connect(self.temp, [self.out], memory_limit_mb, self.threads)
        self.loader = Loader(connection, self.out, self.limits, workers=self.threads)
        return self.loader

    def _delimited(self, head: bytes, found: str, because: list[str]) -> Manifest:
        announced, mark_bytes = mark(head)
        encoding = announced or "utf-8"
        if mark_bytes:
            because = [*because, f"a byte order mark says {encoding}"]
        try:
            return self._delimited_as(encoding, mark_bytes, head, found, because, sure=False)
        except NotUtf8Error:
            self.discard()
        seen = survey(self.source.chunks())
        if announced is None and seen.broken >= LEGACY_LINES_PER_UTF8_LINE * seen.valid:
            encoding = "latin-1" if seen.undefined_in_1252 else "windows-1252"
            why = (
                f"{seen.broken} lines are not UTF-8 (first: line {seen.first_broken_line}, byte "
                f"{seen.first_broken_byte}) and {seen.valid} lines are, so the text is read as {encoding}"
            )
        else:
            why = (
                f"the text is UTF-8 ({seen.valid} lines beyond ASCII); {seen.broken} lines are not, the first is "
                f"line {seen.first_broken_line}, and their records are rejected"
            )
        return self._delimited_as(encoding, mark_bytes, head, found, [*because, why], sure=True)

    def _delimited_as(
        self, encoding: str, mark_bytes: int, head: bytes, found: str, because: list[str], *, sure: bool
    ) -> Manifest:
        sample = _utf8_sample(head, encoding, mark_bytes)
        # Of a cut sample the last record is not looked at, so it only has to be known whether it was cut.
        complete = len(head) < SAMPLE_BYTES
        detected = detect(sample, complete=complete, tabs=found == "tsv")
        self._check_width(detected.width)
        loader = self._open_loader(detected.width)
        self.rejects = Rejects(self.out / REJECTS_FILE)
        reader = RecordReader(
            detected,
            self.limits,
            self.rejects,
            lambda width, delimiter: PartWriter(self.temp, width, delimiter, self.limits, loader.add),
            reject_undecodable=sure,
        )
        if not detected.header:
            loader.start(reader.names()[0], {})
        else:
            reader.on_header = lambda: loader.start(reader.names()[0], {})
        with reader.writer:
            reader.read(decoded(self.source.chunks(), encoding, mark_bytes))
        names, notes = reader.names()
        self._require_rows(reader.source_rows, header=detected.header and reader.header is not None)
        because = [*because, *detected.because]
        if reader.blank_lines:
            because.append(f"{reader.blank_lines} blank lines are not records")
        return self._manifest(
            found, encoding, because, names, notes, reader.source_rows, reader.lines,
            dialect=detected.dialect.described(header=detected.header, line_ending=reader.line_ending()),
            fixed={},
        )  # fmt: skip

    def _json(self, head: bytes, found: str, because: list[str]) -> Manifest:
        announced, mark_bytes = mark(head)
        encoding = announced or "utf-8"
        because = list(because)
        chunks = decoded(self.source.chunks(), encoding, mark_bytes)
        parts: list[CleanPart] = []
        table = JsonTable(
            self.limits,
            self.rejects,
            lambda width, delimiter: PartWriter(self.temp, width, delimiter, self.limits, parts.append),
            parts,
        )
        if found == "ndjson":
            records = line_records(chunks, self.limits, table.refuse)
        else:
            records = document_records(Reader(chunks, self.limits), because)
        with table.writer:
            for value, line in records:
                table.add(value, line)
        self._require_rows(table.source_rows, header=table.header)
        names, notes = column_names(table.names())
        if not names:
            raise UnreadableFileError("The records have no columns: every one of them is empty.", value=self.filename)
        if table.header:
            because.append("the first array is a header: its values are filled, distinct strings")
        fixed = table.fixed_text()
        loader = self._open_loader(len(names))
        loader.start(names, fixed)
        for part in table.finish():
            loader.add(part)
        return self._manifest(
            found, encoding, because, names, notes, table.source_rows, table.lines, dialect=None, fixed=fixed
        )

    def _parquet(self, because: list[str]) -> Manifest:
        path = self.path
        if self.source.compression:
            path = self.temp / "unpacked.parquet"
            with path.open("wb") as file:
                for chunk in self.source.chunks():
                    file.write(chunk)
        else:
            self.source.finish_hash()
        connection = connect(self.temp, [self.out, path.parent], self.memory_limit_mb, self.threads)
        columns = parquet.read_columns(connection, path, self.limits)
        source_rows, parts, stats = parquet.write(connection, path, columns, self.out, self.limits)
        self._require_rows(source_rows, header=True)
        typed = [_with_stats(column, one) for (column, _), one in zip(columns, stats, strict=True)]
        return self._summed("parquet", None, None, because, typed, parts, source_rows)

    def _check_width(self, width: int) -> None:
        if width > self.limits.columns:
            raise UnreadableFileError(
                f"The file has {width} columns; at most {self.limits.columns} are read.",
                value=width,
                constraint=f"at most {self.limits.columns} columns",
            )

    def _require_rows(self, source_rows: int, *, header: bool) -> None:
        if source_rows == 0:
            raise UnreadableFileError(
                "The file has a header but no rows." if header else "The file has no rows.", value=self.filename
            )
        if source_rows == self.rejects.count:
            raise UnreadableFileError(
                f"None of the {source_rows} records of the file can be loaded: {self.rejects.first}.",
                value=self.filename,
            )

    def _manifest(
        self,
        format_: str,
        encoding: str,
        because: list[str],
        names: list[str],
        notes: dict[int, str],
        source_rows: int,
        lines: LineIndex,
        *,
        dialect: dict[str, object] | None,
        fixed: dict[int, FixedText],
    ) -> Manifest:
        if self.loader is None:
            raise AccountingError("nothing was loaded")
        decisions, parts = self.loader.finish()
        columns = []
        for at, (name, decision, stats) in enumerate(zip(names, decisions, self.loader.statistics, strict=True)):
            column = _column(name, decision, notes.get(at), lines)
            if at in fixed:
                column = _fixed_column(column, fixed[at], lines)
            columns.append(_with_stats(column, stats))
        self.loader.close()
        return self._summed(format_, encoding, dialect, because, columns, parts, source_rows)

    def _summed(
        self,
        format_: str,
        encoding: str | None,
        dialect: dict[str, object] | None,
        because: list[str],
        columns: list[Column],
        parts: list[Part],
        source_rows: int,
    ) -> Manifest:
        self.rejects.close()
        rows = sum(part.rows for part in parts)
        if rows + self.rejects.count != source_rows:
            raise AccountingError(
                f"{source_rows} records were read, but {rows} were loaded and {self.rejects.count} rejected"
            )
        return Manifest(
            format=format_,
            compression=self.source.compression,
            encoding=encoding,
            dialect=dialect,
            detected_because=because,
            columns=columns,
            rows=rows,
            rejected=self.rejects.count,
            source_rows=source_rows,
            source_bytes=self.source.size_bytes,
            source_sha256=self.source.sha256,
            parts=parts,
            rejects_file=REJECTS_FILE if self.rejects.count else None,
        )


def _utf8_sample(head: bytes, encoding: str, mark_bytes: int) -> bytes:
    """The head as UTF-8, without the character that its end may have cut."""
    body = head[mark_bytes:]
    if encoding == "utf-8":
        return body
    return body.decode(encoding, "ignore").encode("utf-8")


def _column(name: str, decision: Decision, note: str | None, lines: LineIndex) -> Column:
    reason = f"{decision.reason}; {note}" if note else decision.reason
    return Column(
        name, decision.type, reason, decision.format, counter_example=_example(decision.counter_example, lines)
    )


def _fixed_column(column: Column, fixed: FixedText, lines: LineIndex) -> Column:
    example: CounterExample | None = None
    if fixed.row is not None:
        example = {"row": fixed.row, "value": fixed.value}
        if (line := lines.line(fixed.row)) is not None:
            example["line"] = line
    return replace(column, format=fixed.format, counter_example=example)


def _example(found: tuple[int, str] | None, lines: LineIndex) -> CounterExample | None:
    if found is None:
        return None
    row, value = found
    line = lines.line(row)
    return {"row": row, "value": value} if line is None else {"row": row, "line": line, "value": value}


def _with_stats(column: Column, stats: ColumnStats) -> Column:
    least, greatest = merged_bounds(column.type, stats.bounds)
    return replace(column, nulls=stats.nulls, min=least, max=greatest)
