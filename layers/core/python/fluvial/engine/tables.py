"""Cleaned records on their way to DuckDB: rectangular CSV parts on disk, the rejects, and lines by row.

A cleaned part is UTF-8, `\\n` line ends, a first line that is skipped, every record of the same width, a bare empty
cell for null and a quoted one for the empty string. DuckDB has nothing left to guess in it.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from fluvial.engine.limits import Limits

# Stands in for the delimiter where a file has one column only.
UNIT_SEPARATOR = "\x1f"
REJECTS_FILE = "rejects.ndjson"


@dataclass(frozen=True)
class CleanPart:
    """One cleaned CSV file; `first_row` is 0-based."""

    path: Path
    rows: int
    first_row: int
    width: int
    delimiter: str


def encoded_cell(content: bytes, quoted: bool, delimiter: bytes) -> bytes:
    """A cell of a cleaned part. A quoted empty cell stays quoted; a cell with a special character is quoted."""
    if b'"' in content:
        return b'"' + content.replace(b'"', b'""') + b'"'
    if (quoted and not content) or delimiter in content or b"\n" in content or b"\r" in content:
        return b'"' + content + b'"'
    return content


@dataclass
class PartWriter:
    """Writes cleaned records to part after part, and hands each finished part on, in order."""

    directory: Path
    width: int
    delimiter: str
    limits: Limits
    on_part: Callable[[CleanPart], None]
    rows: int = 0
    _file: BinaryIO | None = None
    _part_rows: int = 0
    _part_bytes: int = 0
    _parts: int = 0

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the last part; after an error, only close its file."""
        if kind is None:
            self.close()
        elif self._file is not None:
            self._file.close()

    @property
    def room(self) -> int:
        """Rows that the current part can still take."""
        return self.limits.part_rows - self._part_rows

    def write(self, block: bytes, rows: int) -> None:
        """Append `rows` whole records, each with its line end; at most `room` of them."""
        if self._file is None:
            path = self.directory / f"clean-{self._parts:05d}.csv"
            self._file = path.open("wb")
            # A first line that is skipped: a part that began with a byte order mark of the data would lose it.
            self._file.write(b"-" + self.delimiter.encode() * (self.width - 1) + b"\n")
        self._file.write(block)
        self._part_rows += rows
        self._part_bytes += len(block)
        if not self.room or self._part_bytes >= self.limits.part_bytes:
            self.close()

    def close(self) -> None:
        """Finish the current part, if it has rows."""
        if self._file is None:
            return
        self._file.close()
        self._file = None
        path = self.directory / f"clean-{self._parts:05d}.csv"
        part = CleanPart(path, self._part_rows, self.rows, self.width, self.delimiter)
        self.rows += self._part_rows
        self._parts += 1
        self._part_rows = self._part_bytes = 0
        self.on_part(part)


@dataclass
class Rejects:
    """The records that could not be loaded, one JSON object per line: line, column, cause, raw."""

    path: Path
    count: int = 0
    first: str = ""
    _file: TextIO | None = None

    def add(self, line: int | None, column: int | None, cause: str, raw: bytes | str) -> None:
        """Keep one record: 1-based physical line of the file if it is known, 1-based column or None, and its text.

        Bytes that are not UTF-8 appear as `\\xNN`.
        """
        text = raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8", newline="\n")
            self.first = f"line {line} has {cause}"
        fields = {"line": line, "column": column, "cause": cause, "raw": text}
        try:
            self._file.write(json.dumps(fields, ensure_ascii=False) + "\n")
        except UnicodeEncodeError:
            self._file.write(json.dumps(fields) + "\n")
        self.count += 1

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def clear(self) -> None:
        """Forget what was rejected."""
        self.close()
        self.path.unlink(missing_ok=True)
        self.count, self.first = 0, ""


class LineIndex:
    """Physical lines of loaded rows: `line = row + shift`, with the shift kept wherever it changes."""

    MAX_ENTRIES = 100_000

    def __init__(self) -> None:
        self._rows: list[int] = []
        self._shifts: list[int | None] = []

    def note(self, row: int, line: int | None) -> None:
        """From this 1-based row on, lines follow rows one by one from `line`; None: not known."""
        shift = None if line is None or len(self._rows) >= self.MAX_ENTRIES else line - row
        if self._shifts and self._shifts[-1] == shift:
            return
        self._rows.append(row)
        self._shifts.append(shift)

    def line(self, row: int) -> int | None:
        """The line that the 1-based row starts on, or None if it was not kept."""
        at = bisect_right(self._rows, row) - 1
        shift = self._shifts[at] if at >= 0 else None
        return None if shift is None else row + shift


@dataclass(frozen=True)
class FixedText:
    """Why the source itself makes a column text; `format` json: its cells hold JSON.

    `row`, 1-based, and `value` are the witness.
    """

    reason: str
    format: str | None = None
    row: int | None = None
    value: str = ""
