"""The rows of one sheet of a workbook, in the order of its XML, a few at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from fluvial.engine.markup import Markup, local
from fluvial.engine.sheet_values import column_letters, column_number, moment_text, number_text, unescaped
from fluvial.engine.workbook import Sheet, Workbook

# What Excel itself can hold; more is no sheet.
MAX_ROW = 1_048_576
MAX_COLUMN = 16_384
_TRUTHS = {"1": "TRUE", "true": "TRUE", "0": "FALSE", "false": "FALSE"}


class Cell(NamedTuple):
    """A filled cell: column from 1, its text, and number, text, boolean, error, date, time or timestamp."""

    column: int
    text: str
    kind: str


class SheetRow(NamedTuple):
    """A row with filled cells: its number from 1, its cells in order, and why it cannot be loaded, if so."""

    number: int
    cells: list[Cell]
    cause: str = ""


@dataclass
class SheetNotes:
    """What a sheet has beside values, as far as it was read."""

    empty_rows: int = 0
    hidden_rows: int = 0
    hidden_columns: int = 0
    merged: int = 0
    uncomputed: int = 0
    first_uncomputed: str = ""

    def sentences(self) -> list[str]:
        found = []
        if self.empty_rows:
            found.append(f"{self.empty_rows} empty rows are not records")
        if self.hidden_rows or self.hidden_columns:
            found.append(f"{self.hidden_rows} hidden rows and {self.hidden_columns} hidden columns are read, too")
        if self.merged:
            found.append(f"{self.merged} merged areas have their value in their first cell; the others are null")
        if self.uncomputed:
            found.append(
                f"{self.uncomputed} formulas have no stored value and are null, the first in {self.first_uncomputed}"
            )
        return found


@dataclass
class SheetReader:
    """Reads one sheet from its start; `rows` can be run once."""

    workbook: Workbook
    sheet: Sheet
    notes: SheetNotes = field(default_factory=SheetNotes)
    _found: list[SheetRow] = field(default_factory=list)
    _cells: dict[int, Cell] = field(default_factory=dict)
    _pieces: list[str] = field(default_factory=list)
    _columns: dict[str, int] = field(default_factory=dict)
    _depth: int = 0
    _row: int = 0
    _row_bytes: int = 0
    _column: int = 0
    _type: str = "n"
    _style: str = ""
    _formula: bool = False
    _valued: bool = False
    _collecting: bool = False
    _phonetic: int = 0

    def __post_init__(self) -> None:
        self._markup = Markup(f"Sheet '{self.sheet.name[:100]}'", doctype=False)
        self._moments = {str(at): moment for at, moment in enumerate(self.workbook.moments) if moment is not None}
        # A row may take no more than a line of text.
        self._most = self.workbook.limits.line_bytes

    def rows(self) -> Iterator[SheetRow]:
        """Every row with a filled cell."""
        parser = self._markup.parser
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text
        for _ in self._markup.run(self.workbook.package.chunks(self.sheet.part)):
            yield from self._found
            self._found.clear()

    def _start(self, tag: str, fields: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > 16:
            self._markup.opened(self._depth)
        if ":" in tag:
            tag = local(tag)
        if tag == "c":
            self._place(fields.get("r"))
            self._type, self._style = fields.get("t", "n"), fields.get("s", "")
            self._formula = self._valued = False
            self._pieces.clear()
        elif tag == "v":
            self._collecting = self._valued = True
        elif tag == "t":
            self._collecting = self._valued = not self._phonetic
        elif tag == "f":
            self._formula = True
        elif tag == "row":
            self._start_row(fields)
        elif tag == "rPh":
            self._phonetic = self._depth
        elif tag == "mergeCell":
            self.notes.merged += 1
        elif tag == "col" and fields.get("hidden") in ("1", "true"):
            low, high = fields.get("min", ""), fields.get("max", "")
            if low.isdecimal() and high.isdecimal() and int(low[:6]) <= int(high[:6]) <= MAX_COLUMN:
                self.notes.hidden_columns += int(high[:6]) - int(low[:6]) + 1

    def _end(self, tag: str) -> None:
        if ":" in tag:
            tag = local(tag)
        if tag == "v" or tag == "t":
            self._collecting = False
        elif tag == "c":
            self._end_cell()
        elif tag == "row":
            self._end_row()
        elif self._depth == self._phonetic:
            self._phonetic = 0
        self._depth -= 1

    def _text(self, data: str) -> None:
        if self._collecting:
            self._row_bytes += len(data)
            if self._row_bytes > self._most:
                self._refuse_row()
            self._pieces.append(data)

    def _refuse_row(self) -> None:
        self._markup.refuse(f"row {self._row} holds more than {self._most} bytes")

    def _start_row(self, fields: dict[str, str]) -> None:
        number = fields.get("r")
        row = self._row + 1 if number is None else int(number) if number.isdecimal() and len(number) < 8 else 0
        if not self._row < row <= MAX_ROW:
            self._markup.refuse(
                f"row '{(number or str(row))[:20]}' comes after row {self._row}; rows count upwards to {MAX_ROW}"
            )
        self.notes.empty_rows += row - self._row - 1
        self._row, self._column, self._row_bytes = row, 0, 0
        self._cells.clear()
        if fields.get("hidden") in ("1", "true"):
            self.notes.hidden_rows += 1

    def _place(self, reference: str | None) -> None:
        """The column of a cell; one without reference follows the cell before it."""
        if reference is None:
            self._column += 1
        else:
            letters = reference.rstrip("0123456789")
            column = self._columns.get(letters)
            if column is None:
                column = column_number(letters)
                if 1 <= column <= MAX_COLUMN:
                    self._columns[letters] = column
            self._column = column
        if not 1 <= self._column <= MAX_COLUMN:
            self._markup.refuse(f"cell '{(reference or '')[:20]}' lies beyond column XFD, the last there is")

    def _end_cell(self) -> None:
        text, type_, cell = "".join(self._pieces), self._type, None
        if self._formula and not text and (type_ == "n" or not self._valued):
            self._note_uncomputed()
        elif type_ == "n":
            cell = self._number(text) if text else None
        elif type_ == "s":
            cell = Cell(self._column, self._shared(text), "text") if text else None
        elif type_ in ("b", "d", "e"):
            cell = Cell(self._column, *_other(text, type_)) if text else None
        elif self._valued:
            cell = Cell(self._column, unescaped(text), "text")
        if cell is not None:
            self._cells[self._column] = cell

    def _shared(self, text: str) -> str:
        number = int(text) if text.isdecimal() and len(text) < 12 else -1
        text = self.workbook.strings[number]
        self._row_bytes += len(text)
        if self._row_bytes > self._most:
            self._refuse_row()
        return text

    def _number(self, text: str) -> Cell:
        moment = self._moments.get(self._style)
        if moment is not None and (found := moment_text(text, *moment, self.workbook.date_system)):
            return Cell(self._column, found[1], found[0])
        if text.isdecimal() and text.isascii() and (text[0] != "0" or text == "0"):
            return Cell(self._column, text, "number")
        shortest = number_text(text.strip())
        # What is no number stays as it stands, as text that nobody can mistake for a number.
        return Cell(self._column, text, "text") if shortest is None else Cell(self._column, shortest, "number")

    def _note_uncomputed(self) -> None:
        self.notes.uncomputed += 1
        self.notes.first_uncomputed = self.notes.first_uncomputed or f"{column_letters(self._column)}{self._row}"

    def _end_row(self) -> None:
        cells = self._cells
        if not any(cell.text for cell in cells.values()):
            self.notes.empty_rows += 1
            return
        ordered = [cells[column] for column in sorted(cells)]
        cause = ""
        for cell in ordered:
            if not cell.text.isascii() or "\0" in cell.text:
                cause = cause or _unloadable(cell.text)
        self._found.append(SheetRow(self._row, ordered, cause))


def _other(text: str, type_: str) -> tuple[str, str]:
    """Text and kind of a truth value, of a date that is written as such, or of an error."""
    if type_ == "b":
        return _TRUTHS.get(text, text), "boolean"
    if type_ == "e":
        return text, "error"
    return text, "timestamp" if "T" in text else "time" if ":" in text else "date"


def _unloadable(text: str) -> str:
    """Why no row with this text can be loaded; "" for nearly all texts."""
    if "\0" in text:
        return "a text with a NUL character"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "a text with half of a surrogate pair"
    return ""
