"""JSON records to the columns of a table: names in order of first appearance, kinds, and cleaned parts.

A JSON value has a type in its source, and keeps it: strings are text whatever they look like, numbers and truth
values are typed by their characters like cells of a CSV, and nested values become compact JSON. A column with
values of several kinds becomes JSON text as a whole, so that 12 and "12" stay apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fluvial.engine.dialect import Dialect, Grammar
from fluvial.engine.json_text import Members, Text, compact, kind_of
from fluvial.engine.limits import Limits
from fluvial.engine.tables import CleanPart, FixedText, LineIndex, PartWriter, Rejects, encoded_cell
from fluvial.errors import UnreadableFileError

_MIXED = "mixed"
# Kinds whose values are written as they are, until another kind shows up in their column.
_PLAIN = ("string", "text")
# Objects that lie deeper stay JSON.
MAX_FLATTENED = 32
# Stands for a text that is empty, in rows where "" is null. No text of XML has it.
EMPTY = "\0"
_TO_BE_QUOTED = re.compile('[",\r\n]')


@dataclass
class _Kind:
    """The kind of a column's values: the first, and the 0-based row and kind of the first that differs."""

    first: str = ""
    mixed_from: int | None = None
    other: str = ""
    value: str = ""

    @property
    def now(self) -> str:
        return _MIXED if self.mixed_from is not None else self.first


class JsonTable:
    """Collects records into cleaned parts; `finish` makes all parts rectangular and uniform."""

    def __init__(
        self,
        limits: Limits,
        rejects: Rejects,
        open_writer: Callable[[int, str], PartWriter],
        parts: list[CleanPart],
        *,
        flatten: bool = False,
    ) -> None:
        self.limits, self.rejects, self.parts, self.flatten = limits, rejects, parts, flatten
        self.writer = open_writer(0, ",")
        self.lines = LineIndex()
        self.source_rows = self.rows = 0
        self.arrays: bool | None = None
        self.header = False
        # Grows with every change of the columns: one more, or another kind.
        self.changes = 0
        self._places: dict[str, int] = {}
        self._kinds: list[_Kind] = []

    def add(self, value: Any, line: int) -> None:
        """Load or reject one record."""
        is_object = isinstance(value, Members)
        is_array = isinstance(value, list) and not is_object
        if self.arrays is None and (is_object or (is_array and value)):
            self.arrays = is_array
            if is_array and self._takes_header(value):
                return
        self.source_rows += 1
        cells: list[Any] | None
        if is_object and self.arrays is False:
            cells, cause = self._by_name(flattened(value) if self.flatten else value)
        elif is_array and self.arrays:
            cells, cause = self._by_position(value)
        else:
            wanted = "an array" if self.arrays else "an object"
            cells, cause = None, f"a {kind_of(value) or 'null'} value where {wanted} was expected"
        if cells is not None:
            encoded, cause = self._encoded(cells)
            if not cause:
                self.lines.note(self.rows + 1, line)
                self._write(cells, encoded)
                return
        self.rejects.add(line, None, cause, compact(value))

    @property
    def width(self) -> int:
        return len(self._places)

    def column(self, name: str) -> tuple[int | None, str]:
        """The place of a column, None if there is none yet, and the kind of its values so far."""
        place = self._places.get(name)
        return place, "" if place is None else self._kinds[place].now

    def add_texts(self, rows: Sequence[list[str]], lines: Sequence[int]) -> None:
        """Load records of text, each with a cell for every column there is; "" is null, and EMPTY the empty text.

        The columns are of the kind text, except for those whose cells here are all null.
        """
        start = 0
        while start < len(rows):
            if self.writer.room == self.limits.part_rows:
                self.writer.width = self.width
            some = rows[start : start + self.writer.room]
            for row, line in enumerate(lines[start : start + len(some)], self.rows + 1):
                self.lines.note(row, line)
            self.rows += len(some)
            self.source_rows += len(some)
            self.writer.write(_joined(some), len(some))
            start += len(some)

    def refuse(self, line: int, column: int | None, cause: str, raw: str | bytes) -> None:
        """Reject a record that could not even be decoded."""
        self.source_rows += 1
        self.rejects.add(line, column, cause, raw)

    def discard(self) -> None:
        """Forget all records, as if none had been read."""
        self.rejects.clear()
        for part in self.parts:
            part.path.unlink(missing_ok=True)
        self.parts.clear()

    def names(self) -> list[str]:
        return list(self._places)

    def finish(self) -> list[CleanPart]:
        """All parts, of which those are rewritten that are narrower, or that hold strings of mixed columns plain."""
        width = len(self._places)
        switches = {
            place: kind.mixed_from
            for place, kind in enumerate(self._kinds)
            if kind.mixed_from is not None and kind.first in _PLAIN
        }
        settled = []
        for part in self.parts:
            if part.width < width or any(part.first_row < switch for switch in switches.values()):
                part = rewritten(part, width, switches)
            settled.append(part)
        return settled

    def fixed_text(self) -> dict[int, FixedText]:
        """The columns that are text because of their JSON kinds, by index."""
        fixed = {}
        for place, kind in enumerate(self._kinds):
            if kind.mixed_from is not None:
                row = kind.mixed_from + 1
                reason = f"row {row} holds a {kind.other} value after {kind.first} ones, so every cell is kept as JSON"
                fixed[place] = FixedText(reason, "json", row, kind.value)
            elif kind.first == "nested":
                fixed[place] = FixedText("nested values, kept as compact JSON", "json")
            elif kind.first == "string":
                fixed[place] = FixedText("the source has strings")
        return fixed

    def _takes_header(self, value: list[Any]) -> bool:
        self.header = bool(value) and all(kind_of(cell) == "string" and cell for cell in value)
        self.header = self.header and len(set(value)) == len(value)
        for number, cell in enumerate(value, 1):
            self._place(str(cell) if self.header else f"column_{number}")
        return self.header

    def _place(self, name: str) -> int:
        place = self._places.get(name)
        if place is None:
            place = self._places[name] = len(self._places)
            self.changes += 1
            self._kinds.append(_Kind())
            if place >= self.limits.columns:
                raise UnreadableFileError(
                    f"The file has more than {self.limits.columns} columns; '{name[:60]}' is one too many.",
                    constraint=f"at most {self.limits.columns} columns",
                )
        return place

    def _by_name(self, members: Members) -> tuple[list[Any] | None, str]:
        values = dict(members)
        if len(values) < len(members):
            return None, "a key that occurs twice"
        new = [name for name in values if name not in self._places]
        for name in new:
            if "\0" in name or not _encodable(name):
                return None, "a key with a NUL character or half of a surrogate pair"
        for name in new:
            self._place(name)
        return [values.get(name) for name in self._places], ""

    def _by_position(self, values: list[Any]) -> tuple[list[Any] | None, str]:
        if len(values) == len(self._places):
            return values, ""
        kind = "few" if len(values) < len(self._places) else "many"
        return None, f"too {kind} values: {len(values)} where {len(self._places)} were expected"

    def _encoded(self, cells: list[Any]) -> tuple[list[bytes], str]:
        """Cells as bytes of a cleaned part, or the cause of rejection."""
        encoded = []
        for value, kind in zip(cells, self._kinds, strict=True):
            if value is None:
                encoded.append(b"")
                continue
            if type(value) is Text and kind.first == "text" and kind.mixed_from is None and "\0" not in value:
                # Most cells of XML, which have neither surrogates nor, if it comes to that, NULs.
                content = value.encode()
                if len(content) <= self.limits.cell_bytes:
                    encoded.append(encoded_cell(content, True, b","))
                    continue
            own = kind_of(value)
            plain = own in _PLAIN and kind.first in ("", own) and kind.now != _MIXED
            text = value if plain else compact(value)
            if "\0" in text or (own in _PLAIN and "\0" in value):
                return [], "a string with a NUL character"
            try:
                content = text.encode("utf-8")
            except UnicodeEncodeError:
                return [], "a string with half of a surrogate pair"
            if len(content) > self.limits.cell_bytes:
                return [], f"a value of more than {self.limits.cell_bytes} bytes"
            encoded.append(encoded_cell(content, True, b","))
        return encoded, ""

    def _write(self, cells: list[Any], encoded: list[bytes]) -> None:
        for value, kind in zip(cells, self._kinds, strict=True):
            if value is None or (kind.first == "text" and type(value) is Text):
                continue
            own = kind_of(value)
            if own and not kind.first:
                kind.first = own
                self.changes += 1
            elif own and own != kind.first and kind.mixed_from is None:
                self.changes += 1
                kind.mixed_from, kind.other, kind.value = self.rows, own, compact(value)
        if self.writer.room == self.limits.part_rows:
            self.writer.width = len(self._places)
        self.rows += 1
        # A record of one empty cell would be a blank line, which means the same: one null.
        self.writer.write(b",".join(encoded) + b"\n", 1)


def _joined(rows: Sequence[list[str]]) -> bytes:
    """Rows of text as lines of a cleaned part."""
    text = "\n".join([",".join(row) for row in rows])
    commas, ends = len(rows) * (len(rows[0]) - 1), len(rows) - 1
    if '"' in text or "\r" in text or text.count("\n") != ends or text.count(",") != commas:
        text = "\n".join([",".join([_quoted(cell) for cell in row]) for row in rows])
    return (text.replace(EMPTY, '""') + "\n").encode()


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _TO_BE_QUOTED.search(cell) else cell


def flattened(members: Members, prefix: str = "", depth: int = 0) -> Members:
    """The members with those of filled objects in their place, named `outer.inner`; lists stay what they are."""
    flat = Members()
    for name, value in members:
        if isinstance(value, Members) and value and depth < MAX_FLATTENED:
            flat.extend(flattened(value, f"{prefix}{name}.", depth + 1))
        else:
            flat.append((f"{prefix}{name}", value))
    return flat


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def rewritten(part: CleanPart, width: int, switches: dict[int, int], *, before: int = 0) -> CleanPart:
    """The part with every record `width` cells wide, and plain strings of mixed columns written as JSON.

    Of the cells that are missing, which are null, `before` come first.
    """
    path = part.path.with_suffix(".even.csv")
    grammar = Grammar(Dialect(","))
    row = part.first_row
    with part.path.open("rb") as source, path.open("wb") as target:
        source.readline()
        target.write(b"-" + b"," * (width - 1) + b"\n")
        buffer, pos, final = b"", 0, False
        while not final or pos < len(buffer):
            record = grammar.read(buffer, pos, final=final) if pos < len(buffer) else None
            if record is None:
                data = source.read(1024 * 1024)
                buffer, pos, final = buffer[pos:] + data, 0, not data
                continue
            cells = [
                (compact(cell.decode("utf-8")).encode(), quoted)
                if (cell or quoted) and row < switches.get(place, 0)
                else (cell, quoted)
                for place, (cell, quoted) in enumerate(record.cells)
            ]
            encoded = [encoded_cell(cell, quoted, b",") for cell, quoted in cells]
            after = width - before - len(encoded)
            target.write(b",".join([b""] * before + encoded + [b""] * after) + b"\n")
            row, pos = row + 1, record.next
    part.path.unlink()
    return CleanPart(path, part.rows, part.first_row, width, part.delimiter)
