"""One uploaded file to Parquet parts, rejects and a manifest: the engine's entry."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from fluvial.engine import parquet
from fluvial.engine.collect import Collected, Collector
from fluvial.engine.columns import column_of, fixed_column, with_stats
from fluvial.engine.detect import SAMPLE_BYTES, Detected, detect
from fluvial.engine.dialect import column_names
from fluvial.engine.encodings import decoded_as
from fluvial.engine.forced import Gate, forced_columns, merged
from fluvial.engine.limits import Limits
from fluvial.engine.load import AccountingError, Loader, connect
from fluvial.engine.manifest import Column, Manifest, Part
from fluvial.engine.options import Options
from fluvial.engine.records import NotUtf8Error, RecordReader
from fluvial.engine.sources import Source, decoded, mark, recognise, survey
from fluvial.engine.tables import REJECTS_FILE, FixedText, LineIndex, PartWriter, Rejects
from fluvial.engine.types import Style
from fluvial.errors import InvalidError, UnreadableFileError

# A file is in another encoding only where lines that are not UTF-8 outnumber those that must be by this factor.
LEGACY_LINES_PER_UTF8_LINE = 20
# DuckDB's buffers per column while writing; only files of more than some hundred columns need more than is asked for.
MEMORY_KB_PER_COLUMN = 320


_ReadAs = tuple[str, str | None, dict[str, object] | None, list[str], list[str]]
"""Format, encoding, dialect, why it was read so, and the names of the columns."""


class AllRejectedError(UnreadableFileError):
    """A file of which no record can be loaded. `manifest` is of a version without rows; the rejects lie beside it."""

    def __init__(self, reason: str, manifest: Manifest, *, value: object) -> None:
        super().__init__(reason, value=value)
        self.manifest = manifest


def ingest(
    source: Path,
    out: Path,
    *,
    filename: str,
    format: str | None = None,
    options: Options | None = None,
    limits: Limits | None = None,
    progress: Callable[[int], None] | None = None,
    memory_limit_mb: int = 200,
    threads: int = 2,
    on_lines: Callable[[Callable[[int], int | None]], None] | None = None,
) -> Manifest:
    """Read `source` into out/part-00000.parquet and on, out/rejects.ndjson and the manifest that is returned.

    `format` is one of FORMATS; None detects it from the bytes (`filename` is only quoted in messages). `options` say
    how to read them, see `fluvial.reading`; what they leave open is detected, and InvalidError is raised where they
    ask for what the file does not have. `memory_limit_mb` bounds DuckDB, except that very wide files get 320 KB per
    column. `progress` is called with the bytes of the source read so far. Raises UnreadableFileError, with a sentence
    for its owner, where no table can be made of the file; AccountingError if rows do not add up. Writes under `out`
    only, and nothing is left there after an error, but for the rejects where all records are (AllRejectedError);
    temporary files go to a directory in it that is removed. `on_lines` is given what tells on which line the nth loaded
    row, from 1, began: None where that is not known.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fluvial-", dir=out) as temp:
        job = _Job(source, out, Path(temp), filename, limits or Limits(), progress, memory_limit_mb, threads)
        job.options = options or Options()
        try:
            manifest = job.run(format)
        except AllRejectedError:
            job.discard(rejects=False)
            raise
        except BaseException:
            job.discard()
            raise
    if on_lines is not None and job.lines is not None:
        on_lines(job.lines.line)
    return manifest


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
        self.gate: Gate | None = None
        self.lines: Gate | LineIndex | None = None
        self.options = Options()

    def run(self, asked: str | None) -> Manifest:
        head = self.source.head()
        self.source.refuse_bomb()
        codec = self.options.codec()
        text = head if codec is None else head.decode(codec, "ignore").removeprefix("\ufeff").encode("utf-8", "ignore")
        if not self.options.delimiter.isprintable():
            # A control character that the caller calls the delimiter does not make the file a binary one.
            text = text.replace(self.options.delimiter.encode(), b"\t")
        found, because = recognise(text or head, asked or self.options.format, self.filename)
        if self.source.compression:
            because = [f"the bytes are packed as {self.source.compression}", *because]
        if found == "parquet":
            return self._parquet(because)
        if found in ("csv", "tsv"):
            return self._delimited(head, found, because)
        return self._collected(head, found, because)

    def discard(self, *, rejects: bool = True) -> None:
        """Leave nothing behind, or just the rejects."""
        if self.loader is not None:
            self.loader.close()
        self.rejects.close()
        for path in [*self.out.glob("part-*.parquet"), *([self.out / REJECTS_FILE] if rejects else [])]:
            path.unlink(missing_ok=True)

    def _open_loader(self, width: int) -> Loader:
        if self.loader is not None:
            self.loader.close()
        memory_limit_mb = max(self.memory_limit_mb, width * MEMORY_KB_PER_COLUMN // 1024)
        # A part is one thread's work, and parts are written side by side: DuckDB's threads would hand each other the
        # rows of a part in order, which costs a fifth more time, and memory.
        connection = connect(self.temp, [self.out], memory_limit_mb, threads=1)
        self.loader = Loader(connection, self.out, self.limits, workers=self.threads)
        return self.loader

    def _start(
        self, loader: Loader, names: list[str], fixed: dict[int, FixedText], lines: LineIndex, detected: Detected | None
    ) -> None:
        """Name the columns to the loader, with the types and the order of dates that the caller said."""
        # In a file of one column a comma may be what divides it, where every line was put in quotes.
        comma = "," not in ((detected.dialect.delimiter if detected else None) or ",")
        forced = forced_columns(names, self.options, comma=comma)
        self.gate = Gate(forced, names, lines, self.temp) if forced else None
        style = Style(self.options.date_order, decimal_comma=comma)
        empty_from = detected.layout.empty_from if detected else None
        loader.start(names, fixed, gate=self.gate, style=style, empty_from=empty_from)

    def _delimited(self, head: bytes, found: str, because: list[str]) -> Manifest:
        if codec := self.options.codec():
            because = [*because, f"the caller said that the encoding is {self.options.encoding}"]
            return self._delimited_as(codec, 0, head, found, because, sure=True)
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
        sample = _utf8_sample(head, encoding, mark_bytes).removeprefix(b"\xef\xbb\xbf")
        # Of a cut sample the last record is not looked at, so it only has to be known whether it was cut.
        complete = len(head) < SAMPLE_BYTES
        detected = detect(sample, complete=complete, tabs=found == "tsv", options=self.options)
        self._check_width(detected.width)
        loader = self._open_loader(detected.width)
        self.rejects = Rejects(self.out / REJECTS_FILE)
        reader = RecordReader(
            detected,
            self.limits,
            self.rejects,
            lambda width, delimiter: PartWriter(self.temp, width, delimiter, self.limits, loader.add),
            reject_undecodable=sure,
            encoding=self.options.encoding if self.options.codec() else "UTF-8",
            null_tokens=self.options.null_tokens,
            exact_lines=bool(self.options.types),
        )
        if not detected.header:
            self._start(loader, reader.names()[0], {}, reader.lines, detected)
        else:
            reader.on_header = lambda: self._start(loader, reader.names()[0], {}, reader.lines, detected)
        with reader.writer:
            reader.read(self._text(encoding, mark_bytes))
        names, notes = reader.names()
        because = [*because, *detected.because, *reader.notes()]
        encoding = self.options.encoding if self.options.codec() else encoding
        dialect = detected.dialect.described(
            header=detected.layout.header, line_ending=reader.line_ending(), skip_lines=detected.layout.skip_lines
        )
        self._require_rows(
            reader.source_rows,
            header=detected.header and reader.header is not None,
            read_as=(found, encoding, dialect, because, names),
        )
        manifest = self._manifest(
            found, encoding, because, names, reader.null_tokens.noted(notes), reader.source_rows, reader.lines,
            fixed={}, dialect=dialect,
        )  # fmt: skip
        return replace(manifest, alternatives=detected.alternatives)

    def _text(self, encoding: str, mark_bytes: int) -> Iterator[bytes]:
        """The text as UTF-8, of the encoding that the caller said or that was found."""
        codec = self.options.codec()
        chunks = self.source.chunks()
        return decoded(chunks, encoding, mark_bytes) if codec is None else decoded_as(chunks, codec)

    def _collected(self, head: bytes, found: str, because: list[str]) -> Manifest:
        """JSON, XML and workbooks, of which the columns are known when all has been read."""
        collector = Collector(self.limits, self.temp, self.rejects, self.options)
        got: Collected
        if found == "xlsx":
            got = collector.xlsx(self._on_disk("unpacked.xlsx"))
        elif found == "xml":
            got = collector.xml(self.source.chunks, mark(head)[0])
        else:
            announced, mark_bytes = mark(head)
            encoding = announced or "utf-8"
            got = collector.json(self._text(encoding, mark_bytes), encoding, lines=found == "ndjson")
        names, notes = column_names(got.names)
        because = [*because, *got.because]
        self._require_rows(
            got.source_rows, header=got.header, read_as=(found, got.encoding, got.dialect, because, names)
        )
        if not names:
            raise UnreadableFileError("The records have no columns: every one of them is empty.", value=self.filename)
        loader = self._open_loader(len(names))
        self._start(loader, names, got.fixed, got.lines, None)
        for part in got.parts:
            loader.add(part)
        return self._manifest(
            found, got.encoding, because, names, notes, got.source_rows, got.lines,
            dialect=got.dialect, fixed=got.fixed,
        )  # fmt: skip

    def _on_disk(self, name: str) -> Path:
        """The file as it is without its container; hashed in passing."""
        if not self.source.compression:
            self.source.finish_hash()
            return self.path
        path = self.temp / name
        with path.open("wb") as file:
            for chunk in self.source.chunks():
                file.write(chunk)
        return path

    def _parquet(self, because: list[str]) -> Manifest:
        if self.options.types:
            raise InvalidError(
                "options.types",
                "A Parquet file brings its own types; leave them out, or send the table as CSV.",
                value=next(iter(self.options.types)),
                constraint="no types for Parquet",
            )
        path = self._on_disk("unpacked.parquet")
        connection = connect(self.temp, [self.out, path.parent], self.memory_limit_mb, self.threads)
        columns = parquet.read_columns(connection, path, self.limits)
        source_rows, parts, stats = parquet.write(connection, path, columns, self.out, self.limits)
        self._require_rows(source_rows, header=True)
        typed = [with_stats(column, one) for (column, _), one in zip(columns, stats, strict=True)]
        return self._summed("parquet", None, None, because, typed, parts, source_rows)

    def _check_width(self, width: int) -> None:
        if width > self.limits.columns:
            raise UnreadableFileError(
                f"The file has {width} columns; at most {self.limits.columns} are read.",
                value=width,
                constraint=f"at most {self.limits.columns} columns",
            )

    def _require_rows(self, source_rows: int, *, header: bool, read_as: _ReadAs | None = None) -> None:
        """Refuses a file without a record that can be loaded; `read_as` is for the manifest beside its rejects."""
        if source_rows == 0:
            raise UnreadableFileError(
                "The file has a header but no rows." if header else "The file has no rows.", value=self.filename
            )
        if read_as is not None and source_rows == self.rejects.count:
            found, encoding, dialect, because, names = read_as
            columns = [Column(name, "text", "no record could be loaded") for name in names]
            raise AllRejectedError(
                f"None of the {source_rows} records of the file can be loaded: {self.rejects.first}.",
                self._summed(found, encoding, dialect, because, columns, [], source_rows),
                value=self.filename,
            )

    def _manifest(
        self,
        format_: str,
        encoding: str | None,
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
        if self.gate is not None:
            merged(self.rejects, self.gate.rejects)
            self._require_rows(source_rows, header=True, read_as=(format_, encoding, dialect, because, names))
        where, columns = self.gate or lines, []
        self.lines = where
        for at, (name, decision) in enumerate(zip(names, decisions[: self.loader.columns], strict=False)):
            column = column_of(name, decision, notes.get(at), where)
            if at in fixed and not (self.gate and at in self.gate.columns):
                column = fixed_column(column, fixed[at], where)
            columns.append(with_stats(column, self.loader.statistics[at]))
        for at in range(self.loader.columns, len(names)):
            because.append(f"column {at + 1} has neither a name nor a cell, and is left out")
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
