"""Rows of a sheet to the columns of a table: where it lies on the sheet, its header, and the kinds of its cells.

Every cell is written as its text. A column whose cells are of one kind is typed by these texts; one with cells of
several kinds, such as numbers and words, stays text, and says where the other kind begins.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fluvial.engine.json_table import rewritten
from fluvial.engine.limits import MIB, Limits
from fluvial.engine.options import Options
from fluvial.engine.sheet import Cell, SheetRow
from fluvial.engine.sheet_values import column_letters
from fluvial.engine.tables import CleanPart, FixedText, LineIndex, PartWriter, Rejects, encoded_cell
from fluvial.engine.types import shown
from fluvial.errors import UnreadableFileError

# The header and the first column are decided on so many rows.
SAMPLE_ROWS = 1_000
SAMPLE_BYTES = 8 * MIB
SHOWN_CELL = 1_000
_PLURALS = {
    "number": "numbers", "text": "texts", "boolean": "truth values", "error": "errors", "date": "dates",
    "time": "times", "timestamp": "dates with a time",
}  # fmt: skip


@dataclass
class _Kind:
    """The kind of a column's first cell, and the first cell of another one: its 1-based row, place and text."""

    first: str
    row: int
    place: str
    text: str
    other: str = ""


class SheetTable:
    """Collects the rows of one sheet in cleaned parts; `finish` makes all parts equally wide."""

    def __init__(self, limits: Limits, rejects: Rejects, temp: Path, options: Options, source_bytes: int) -> None:
        self.limits, self.rejects, self.options = limits, rejects, options
        self.lines = LineIndex()
        self.source_rows = self.rows = self.first_row = 0
        self.header: dict[int, str] | None = None
        self.because: list[str] = []
        self.left = self.right = 0
        # Strings are stored once and used at will, so what they make is bounded, too.
        self._room = max(limits.unpacked_ratio * source_bytes, limits.unpacked_ratio_from_bytes)
        self._room = min(self._room, limits.unpacked_bytes)
        self._nulls = frozenset(options.null_tokens)
        self._kinds: dict[int, _Kind] = {}
        self._parts: list[tuple[CleanPart, int]] = []
        self._writer = PartWriter(temp, 0, ",", limits, lambda part: self._parts.append((part, self.left)))

    def read(self, rows: Iterator[SheetRow]) -> None:
        """Take all rows of the sheet, less those that the caller skips."""
        skipped = self.options.skip_lines or 0
        wanted = (row for row in rows if row.number > skipped)
        with self._writer:
            first: list[SheetRow] = []
            size = 0
            for row in wanted:
                first.append(row)
                size += sum(len(cell.text) for cell in row.cells)
                if len(first) == SAMPLE_ROWS or size > SAMPLE_BYTES:
                    break
            if not first:
                return
            self.first_row = first[0].number
            self._cover(first)
            for row in self._without_header(first):
                self._add(row)
            for row in wanted:
                self._add(row)

    def names(self) -> list[str]:
        """A name for each column, "" where the header has none."""
        columns = range(self.left, self.right + 1)
        if self.header is None:
            return [f"column_{number}" for number, _ in enumerate(columns, 1)]
        return [self.header.get(column, "") for column in columns]

    def fixed_text(self) -> dict[int, FixedText]:
        """The columns that are text because of the kinds of their cells, by index."""
        fixed = {}
        for column, kind in self._kinds.items():
            if kind.other:
                reason = (
                    f"cell {kind.place} holds the {kind.other} {shown(kind.text)} after {_PLURALS[kind.first]}, so "
                    "every cell is kept as text"
                )
                fixed[column - self.left] = FixedText(reason, None, kind.row, kind.text)
            elif kind.first == "error":
                reason = f"its cells are errors, the first {shown(kind.text)} in cell {kind.place}"
                fixed[column - self.left] = FixedText(reason, None, kind.row, kind.text)
            elif kind.first == "text":
                fixed[column - self.left] = FixedText("the source has text cells")
        return fixed

    def finish(self) -> list[CleanPart]:
        """All parts; those that were begun before the table's last column was seen, or its first, are rewritten."""
        width = self.right - self.left + 1
        return [
            part if part.width == width else rewritten(part, width, {}, before=left - self.left)
            for part, left in self._parts
        ]

    def _cover(self, rows: list[SheetRow]) -> None:
        """Take the filled columns of the rows into the table."""
        columns = [cell.column for row in rows for cell in row.cells if cell.text]
        left, right = min(columns), max(columns)
        if not self.left or left < self.left:
            self._writer.close()
            self.left = left
        self.right = max(self.right, right)
        if self.right - self.left >= self.limits.columns:
            raise UnreadableFileError(
                f"The sheet has more than {self.limits.columns} columns, from {column_letters(self.left)} to "
                f"{column_letters(self.right)}.",
                value=self.right - self.left + 1,
                constraint=f"at most {self.limits.columns} columns",
            )

    def _without_header(self, rows: list[SheetRow]) -> list[SheetRow]:
        at = next((at for at, row in enumerate(rows) if not row.cause), None)
        if at is None or self.options.header is False:
            return rows
        found, why = True, "the caller said that there is a header"
        if self.options.header is None:
            found, why = is_header(rows[at], rows[at + 1 :], self.right - self.left + 1)
        self.because.append(why)
        if not found:
            return rows
        self.header = {cell.column: cell.text for cell in rows[at].cells}
        return rows[:at] + rows[at + 1 :]

    def _add(self, row: SheetRow) -> None:
        self.source_rows += 1
        cells = [cell for cell in row.cells if cell.text not in self._nulls] if self._nulls else row.cells
        filled = [cell.column for cell in cells if cell.text]
        if filled and not (self.left <= filled[0] and filled[-1] <= self.right):
            self._cover([row])
        encoded = [b""] * (self.right - self.left + 1)
        cause = row.cause
        for cell in cells:
            if cause:
                break
            content = cell.text.encode()
            if len(content) > self.limits.cell_bytes:
                cause = f"a cell of more than {self.limits.cell_bytes} bytes"
            elif self.left <= cell.column <= self.right:
                encoded[cell.column - self.left] = encoded_cell(content, True, b",")
        if cause:
            self.rejects.add(row.number, None, cause, _raw(row))
            return
        self._write(row, cells, b",".join(encoded) + b"\n")

    def _write(self, row: SheetRow, cells: list[Cell], record: bytes) -> None:
        self._room -= len(record)
        if self._room < 0:
            raise UnreadableFileError(
                f"The cells of the workbook are more than {self.limits.unpacked_ratio} times as large as its file, as "
                "no table's are; it is not read.",
                constraint=f"at most {self.limits.unpacked_ratio} times the packed size",
            )
        self.rows += 1
        self.lines.note(self.rows, row.number)
        for cell in cells:
            kind = self._kinds.get(cell.column)
            if not cell.text or (kind is not None and (kind.first == cell.kind or kind.other)):
                continue
            place = f"{column_letters(cell.column)}{row.number}"
            if kind is None:
                self._kinds[cell.column] = _Kind(cell.kind, self.rows, place, cell.text)
            else:
                kind.row, kind.place, kind.text, kind.other = self.rows, place, cell.text, cell.kind
        if self._writer.room == self.limits.part_rows:
            self._writer.width = self.right - self.left + 1
        self._writer.write(record, 1)


def _raw(row: SheetRow) -> str:
    """A row as rejects show it: its cells' texts as JSON, long ones cut."""
    return json.dumps([cell.text[:SHOWN_CELL] for cell in row.cells], ensure_ascii=False, separators=(",", ":"))


def is_header(first: SheetRow, below: list[SheetRow], width: int) -> tuple[bool, str]:
    """Whether a row names the columns below it, and why: by the kinds of cells, where the text of a CSV has to do."""
    kinds: dict[int, set[str]] = {}
    for row in below:
        for cell in row.cells:
            if cell.text and cell.kind != "error":
                kinds.setdefault(cell.column, set()).add(cell.kind)
    for_ = [cell for cell in first.cells if cell.kind == "text" and "text" not in kinds.get(cell.column, {"text"})]
    against = [cell for cell in first.cells if cell.kind != "text" and kinds.get(cell.column) == {cell.kind}]
    if len(for_) > len(against):
        below_it = _PLURALS[min(kinds[for_[0].column])]
        return True, f"row {first.number} is a header: {shown(for_[0].text)} stands over {below_it}"
    if against:
        cell = against[0]
        return False, f"there is no header: {shown(cell.text)} in row {first.number} is a {cell.kind} like those below"
    names = [cell.text for cell in first.cells if cell.kind == "text" and cell.text]
    if len(names) == width == len(set(names)):
        return True, f"row {first.number} is a header: its cells are filled, distinct texts"
    return False, f"there is no header: row {first.number} has empty, repeated or other cells than texts"
