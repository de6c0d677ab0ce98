"""Formats that are collected before they are loaded, because their last record may still add a column."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fluvial.engine.encodings import decoded_as
from fluvial.engine.json_table import JsonTable
from fluvial.engine.json_text import Reader, document_records, line_records
from fluvial.engine.limits import Limits
from fluvial.engine.options import Options
from fluvial.engine.sheet import SheetReader
from fluvial.engine.sheet_table import SheetTable
from fluvial.engine.tables import CleanPart, FixedText, LineIndex, PartWriter, Rejects
from fluvial.engine.workbook import Sheet, Workbook
from fluvial.engine.xml_blocks import BlockReader, UnusualError
from fluvial.engine.xml_outline import Outline, guessed, outline
from fluvial.engine.xml_table import LeftOut, RecordReader
from fluvial.errors import UnreadableFileError

# The outline of the first bytes, and that of the whole document where it is another one.
MAX_GUESSES = 2


@dataclass(frozen=True)
class Collected:
    """Cleaned parts of equal width, with what the manifest says of their source."""

    names: list[str]
    fixed: dict[int, FixedText]
    parts: list[CleanPart]
    source_rows: int
    lines: LineIndex
    header: bool
    because: list[str]
    encoding: str | None
    dialect: dict[str, Any] | None = None


@dataclass(frozen=True)
class Collector:
    """Reads one source; temporary files go to `temp`, and records that cannot be loaded to `rejects`."""

    limits: Limits
    temp: Path
    rejects: Rejects
    options: Options = field(default_factory=Options)

    def json(self, chunks: Iterator[bytes], encoding: str, *, lines: bool) -> Collected:
        """A JSON document, or one value per line, in UTF-8; `encoding` is what it was written in."""
        table = self._table()
        because: list[str] = []
        if lines:
            records = line_records(chunks, self.limits, table.refuse)
        else:
            records = document_records(Reader(chunks, self.limits), because)
        with table.writer:
            for value, line in records:
                table.add(value, line)
        if table.header:
            because.append("the first array is a header: its values are filled, distinct strings")
        return self._of_json(table, because, encoding)

    def xml(self, chunks: Callable[[], Iterator[bytes]], announced: str | None) -> Collected:
        """An XML document, which may be read several times; `announced` is the encoding of its byte order mark.

        What the caller said that it is written in holds against that mark and what the document declares.
        """
        codec = self.options.codec() or (announced if announced != "utf-8" else None)
        if codec is not None:
            bytes_of_file = chunks

            def chunks() -> Iterator[bytes]:
                return decoded_as(bytes_of_file(), codec)

        encoding = "utf-8" if codec else None
        table, known, left_out = self._rows_of_xml(chunks, encoding)
        because = list(known.because)
        if self.options.codec():
            because.append(f"the caller said that the encoding is {self.options.encoding}")
        if known.prefixes:
            because.append("prefixes are left out of names: " + ", ".join(sorted(known.prefixes)[:10]))
        if known.clashing:
            because.append(
                "names that are equal without their prefix keep it: " + ", ".join(sorted(known.clashing)[:10])
            )
        if left_out.names:
            because.append("elements beside the records were left out: " + ", ".join(left_out.names))
        written = self.options.encoding if self.options.codec() else announced or known.encoding
        return self._of_json(table, because, written, {"record": known.shown})

    def _rows_of_xml(
        self, chunks: Callable[[], Iterator[bytes]], encoding: str | None
    ) -> tuple[JsonTable, Outline, LeftOut]:
        """The rows of a document, in blocks where that goes; else element by element."""
        asked, nulls = self.options.record, self.options.null_tokens
        guess = guessed(chunks(), asked, encoding)
        for _ in range(MAX_GUESSES):
            if guess is None:
                break
            table = self._table()
            try:
                blocks = BlockReader(guess, table, nulls, asked=asked, encoding=encoding)
                with table.writer:
                    known = blocks.read(chunks())
            except (UnusualError, UnreadableFileError):
                # If the document cannot be read at all, the reading below says why and where.
                table.discard()
                break
            if known.names_rows_like(guess):
                return table, known, blocks.left_out
            table.discard()
            guess = known
        known, table = outline(chunks(), asked, encoding), self._table()
        reader = RecordReader(known, self.limits, nulls, encoding)
        with table.writer:
            for members, line in reader.records(chunks()):
                table.add(members, line)
        return table, known, reader.left_out

    def xlsx(self, path: Path) -> Collected:
        """One sheet of a workbook."""
        book = Workbook(path, self.limits, self.temp)
        try:
            reader, table, because = self._sheet(book, path.stat().st_size)
            parts = table.finish()
        finally:
            book.close()
        because += [*table.because, *reader.notes.sentences()]
        if table.left > 1:
            because.append(f"{table.left - 1} empty columns before the first filled one are left out")
        dialect = {
            "sheet": reader.sheet.name,
            "sheets": [sheet.name for sheet in book.sheets],
            "first_row": table.first_row,
            "header": table.header is not None,
            "date_system": book.date_system,
        }
        return Collected(
            table.names(), table.fixed_text(), parts, table.source_rows, table.lines, table.header is not None,
            because, None, dialect,
        )  # fmt: skip

    def _sheet(self, book: Workbook, source_bytes: int) -> tuple[SheetReader, SheetTable, list[str]]:
        """The sheet that was asked for, read; else the first visible one that has cells."""
        asked = self.options.sheet
        wanted = [book.asked(asked)] if asked is not None else [sheet for sheet in book.sheets if sheet.visible]
        for sheet in wanted:
            reader = SheetReader(book, sheet)
            table = SheetTable(self.limits, self.rejects, self.temp, self.options, source_bytes)
            table.read(reader.rows())
            if table.first_row:
                return reader, table, [_why(sheet, book.sheets, asked=asked is not None)]
        if asked is not None:
            raise UnreadableFileError(f"Sheet '{wanted[0].name[:100]}' of the workbook has no filled cells.")
        raise UnreadableFileError("No visible sheet of the workbook has filled cells.")

    def _table(self) -> JsonTable:
        parts: list[CleanPart] = []
        return JsonTable(
            self.limits,
            self.rejects,
            lambda width, delimiter: PartWriter(self.temp, width, delimiter, self.limits, parts.append),
            parts,
            flatten=self.options.flatten,
        )

    def _of_json(
        self, table: JsonTable, because: list[str], encoding: str | None, dialect: dict[str, Any] | None = None
    ) -> Collected:
        return Collected(
            table.names(), table.fixed_text(), table.finish(), table.source_rows, table.lines, table.header,
            because, encoding, dialect,
        )  # fmt: skip


def _why(sheet: Sheet, sheets: list[Sheet], *, asked: bool) -> str:
    others = f"; the workbook has {len(sheets) - 1} more" if len(sheets) > 1 else ""
    why = "is the one that was asked for" if asked else "is the first visible one with filled cells"
    return f"sheet '{sheet.name}' {why}{others}"
