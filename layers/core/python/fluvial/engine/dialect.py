"""The dialect of delimited text and the grammar that follows from it: what a record is, and what its cells are."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Dialect:
    r"""How the text is written; `delimiter` None is a file of one column, whose lines are its cells.

    `quote` None: there are no quotes. `escape` is the quote itself where it is doubled, or the character that takes
    the meaning from a quote, a delimiter, a line end or itself; before any other it is a character. In bare cells it
    is one only with `bare_escapes`, for a path may end in a backslash. Lines that start with `comment` are no records;
    with `comment_unfit`, only those that are not a record of the table's width.
    """

    delimiter: str | None
    quote: str | None = '"'
    escape: str | None = '"'
    bare_escapes: bool = False
    comment: str | None = None
    comment_unfit: bool = False

    @property
    def doubled(self) -> bool:
        return self.escape == self.quote or self.escape is None

    def described(self, *, header: bool, line_ending: str, skip_lines: int = 0) -> dict[str, Any]:
        """As the manifest records it."""
        said: dict[str, Any] = {
            "delimiter": self.delimiter, "quote": self.quote, "escape": self.escape,
            "header": header, "line_ending": line_ending,
        }  # fmt: skip
        if self.comment:
            said["comment"] = self.comment
        if skip_lines:
            said["skip_lines"] = skip_lines
        return said


class Record(NamedTuple):
    """A record in a buffer: bytes start to end without the line end, where the next one starts, and its cells.

    A cell is (content, quoted). `error` is (cause, 1-based column) and leaves `cells` incomplete. `comment`: it is a
    line that is no record.
    """

    start: int
    end: int
    next: int
    cells: list[tuple[bytes, bool]]
    error: tuple[str, int] | None = None
    comment: bool = False


_LINE_END = re.compile(rb"\r\n|\n|\r")
NEVER_CLOSED = "a quote that is never closed"
BEHIND_QUOTE = "text between a closing quote and the delimiter"


class Grammar:
    r"""Reads one record at a time, character by character in effect; this defines what a record is.

    A quote opens a quoted cell only as the first character of a cell and is a character anywhere else. \n, \r\n
    and \r outside of quotes each end a record. Where a quote is never closed, or is followed by more than a
    delimiter, only the physical line that the record starts on is given up, and reading resumes on the next.
    """

    def __init__(self, dialect: Dialect, width: int = 0) -> None:
        """`width` is the table's, for comments that are told from records by it."""
        self.doubled, self._width = dialect.doubled, width
        self.quote = (dialect.quote or "").encode()
        self.delimiter = (dialect.delimiter or "").encode()
        self.comment = (dialect.comment or "").encode()
        self._comment_unfit = dialect.comment_unfit
        self.escape = b"" if self.doubled else str(dialect.escape).encode()
        q, e, stop = re.escape(self.quote), re.escape(self.escape), re.escape(self.delimiter)
        bare_e = e if dialect.bare_escapes else b""
        # An escaped line end belongs to its cell.
        any_one = bare_e + rb"(?:\r\n|[\s\S])|" if bare_e else b""
        if len(self.delimiter) > 1:
            self._bare = re.compile(b"(?:" + any_one + b"(?!" + stop + b")[^" + bare_e + rb"\r\n])*+")
        elif bare_e:
            self._bare = re.compile(b"(?:" + any_one + b"[^" + stop + bare_e + rb"\r\n]++)*+")
        else:
            self._bare = re.compile(b"[^" + stop + rb"\r\n]*+")
        escaped = q + q if self.doubled else e + rb"[\s\S]|" + q + q
        plain = b"[^" + q + e + b"]*+" if q else b""
        self._quoted = re.compile(q + b"(" + plain + b"(?:(?:" + escaped + b")" + plain + b")*+)" + q) if q else None
        meant = b"|".join([*([q] if q else []), *([stop] if stop else []), e, rb"\r\n", rb"\n", rb"\r"])
        self._escapes = re.compile(e + b"(" + meant + b")" + (b"|" + q + q if q else b"")) if e else None
        self._bare_escapes = re.compile(e + b"(" + meant + b")") if bare_e else None

    def read(self, buffer: bytes, pos: int, *, final: bool) -> Record | None:
        """The record at `pos`, or None if the buffer ends before it does and is not the last."""
        if self.comment and buffer.startswith(self.comment, pos):
            return self._comment_line(buffer, pos, final=final)
        return self._read(buffer, pos, final=final)

    def _read(self, buffer: bytes, pos: int, *, final: bool) -> Record | None:
        start, size = pos, len(buffer)
        cells: list[tuple[bytes, bool]] = []
        while True:
            if self._quoted and buffer.startswith(self.quote, pos):
                found = self._quoted.match(buffer, pos)
                if found is None:
                    return self._give_up(buffer, start, cells, NEVER_CLOSED) if final else None
                pos = found.end()
                if pos == size and not final:
                    return None
                cells.append((self._content(found[1]), True))
            else:
                found = self._bare.match(buffer, pos)
                bare = buffer[pos : found.end()] if found else b""
                pos += len(bare)
                cells.append((self._bare_escapes.sub(_meant, bare) if self._bare_escapes else bare, False))
            if pos == size:
                return Record(start, pos, pos, cells) if final else None
            if self.delimiter and buffer.startswith(self.delimiter, pos):
                pos += len(self.delimiter)
                continue
            ended = _LINE_END.match(buffer, pos)
            if ended is None and not cells[-1][1]:
                # An escape that has nothing left to escape, at the end of the buffer.
                if not final:
                    return None
                cells[-1] = (cells[-1][0] + buffer[pos:], False)
                return Record(start, size, size, cells)
            if ended is None:
                return self._give_up(buffer, start, cells, BEHIND_QUOTE, final=final)
            if ended.end() == size and ended[0] == b"\r" and not final:
                return None
            return Record(start, pos, ended.end(), cells)

    def _comment_line(self, buffer: bytes, pos: int, *, final: bool) -> Record | None:
        ended = _LINE_END.search(buffer, pos)
        if (ended is None or ended.end() == len(buffer)) and not final:
            return None
        end, after = (ended.start(), ended.end()) if ended else (len(buffer), len(buffer))
        if self._comment_unfit:
            record = self._read(buffer[:end], pos, final=True)
            if record and not record.error and record.end == end and len(record.cells) == self._width:
                return record._replace(next=after)
        return Record(pos, end, after, [], comment=True)

    def _content(self, content: bytes) -> bytes:
        if self._escapes:
            return self._escapes.sub(lambda found: found[1] or self.quote, content)
        return content.replace(self.quote * 2, self.quote) if self.quote in content else content

    def _give_up(
        self, buffer: bytes, start: int, cells: list[tuple[bytes, bool]], cause: str, *, final: bool = True
    ) -> Record | None:
        column = len(cells) + 1 if cause == NEVER_CLOSED else len(cells)
        ended = _LINE_END.search(buffer, start)
        if ended is None or (ended.end() == len(buffer) and not final):
            return Record(start, len(buffer), len(buffer), cells, (cause, column)) if final else None
        return Record(start, ended.start(), ended.end(), cells, (cause, column))


def _meant(found: re.Match[bytes]) -> bytes:
    return found[1]


def column_names(cells: list[str]) -> tuple[list[str], dict[int, str]]:
    """Unique names for the header cells, and a note by index for every name that had to change.

    Names that differ only in case count as equal, because SQL would not tell them apart.
    """
    names: list[str] = []
    notes: dict[int, str] = {}
    reserved = Counter(cell.lower() for cell in cells)
    taken: dict[str, int] = {}
    suffixes: Counter[str] = Counter()
    for index, cell in enumerate(cells):
        name = cell if cell.strip() else f"column_{index + 1}"
        if not cell.strip():
            notes[index] = f"the header has no name for column {index + 1}"
        while name.lower() in taken or (name != cell and reserved[name.lower()]):
            first = taken.get(cell.lower() if cell.strip() else name.lower(), index)
            suffixes[cell.lower()] += 1
            name = f"{cell if cell.strip() else f'column_{index + 1}'}_{suffixes[cell.lower()] + 1}"
            notes[index] = f"the header names columns {first + 1} and {index + 1} both {cell!r}; this one is renamed"
        taken[name.lower()] = index
        names.append(name)
    return names, notes
