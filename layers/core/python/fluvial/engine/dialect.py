"""The dialect of delimited text, found from its first records: delimiter, quote, escape, width and header.

Only the dialect is guessed from a sample. Every record of the file is then held against it, and one that does
not fit is rejected with its line: a wrong guess shows, and changes no cell.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

from fluvial.engine.types import candidates, decide

SAMPLE_BYTES = 256 * 1024
SAMPLE_RECORDS = 500
# In the order of preference where two fit equally well: a comma is the likeliest to be part of a cell.
DELIMITERS = ("\t", ";", "|", ",")
_NAMES = {"\t": "tab", ";": "semicolon", "|": "vertical bar", ",": "comma"}


@dataclass(frozen=True)
class Dialect:
    """How the text is written; `delimiter` None is a file of one column, whose lines are its cells."""

    delimiter: str | None
    quote: str = '"'
    escape: str = '"'

    def described(self, *, header: bool, line_ending: str) -> dict[str, Any]:
        """As the manifest records it."""
        return {
            "delimiter": self.delimiter, "quote": self.quote, "escape": self.escape,
            "header": header, "line_ending": line_ending,
        }  # fmt: skip


class Record(NamedTuple):
    """A record in a buffer: bytes start to end without the line end, where the next one starts, and its cells.

    A cell is (content, quoted). `error` is (cause, 1-based column) and leaves `cells` incomplete.
    """

    start: int
    end: int
    next: int
    cells: list[tuple[bytes, bool]]
    error: tuple[str, int] | None = None


_LINE_END = re.compile(rb"\r\n|\n|\r")


class Grammar:
    r"""Reads one record at a time, character by character in effect; this defines what a record is.

    A quote opens a quoted cell only as the first character of a cell and is a character anywhere else. \n, \r\n
    and \r outside of quotes each end a record. Where a quote is never closed, or is followed by more than a
    delimiter, only the physical line that the record starts on is given up, and reading resumes on the next.
    """

    def __init__(self, dialect: Dialect) -> None:
        quote = dialect.quote.encode()
        q = re.escape(quote)
        self.quote, self.doubled = quote, dialect.escape == dialect.quote
        self.delimiter = dialect.delimiter.encode() if dialect.delimiter else b""
        stop = re.escape(self.delimiter)
        self._bare = re.compile(b"[^" + stop + rb"\r\n]*+")
        escaped = q + q if self.doubled else rb"\\.|" + q + q
        plain = b"[^" + q + (b"" if self.doubled else rb"\\") + b"]*+"
        self._quoted = re.compile(q + b"(" + plain + b"(?:(?:" + escaped + b")" + plain + b")*+)" + q, re.DOTALL)

    def read(self, buffer: bytes, pos: int, *, final: bool) -> Record | None:
        """The record at `pos`, or None if the buffer ends before it does and is not the last."""
        start, size = pos, len(buffer)
        cells: list[tuple[bytes, bool]] = []
        while True:
            if buffer.startswith(self.quote, pos):
                found = self._quoted.match(buffer, pos)
                if found is None:
                    return self._give_up(buffer, start, cells, "a quote that is never closed") if final else None
                pos = found.end()
                if pos == size and not final:
                    return None
                cells.append((self._content(found[1]), True))
            else:
                found = self._bare.match(buffer, pos)
                pos = found.end() if found else pos
                cells.append((buffer[found.start() : pos] if found else b"", False))
            if pos == size:
                return Record(start, pos, pos, cells) if final else None
            if self.delimiter and buffer.startswith(self.delimiter, pos):
                pos += 1
                continue
            ended = _LINE_END.match(buffer, pos)
            if ended is None:
                return self._give_up(
                    buffer, start, cells, "text between a closing quote and the delimiter", final=final
                )
            if ended.end() == size and ended[0] == b"\r" and not final:
                return None
            return Record(start, pos, ended.end(), cells)

    def _content(self, content: bytes) -> bytes:
        if not self.doubled:
            return re.sub(
                rb"\\([\\" + re.escape(self.quote) + b"])|" + self.quote * 2, lambda m: m[1] or self.quote, content
            )
        return content.replace(self.quote * 2, self.quote) if self.quote in content else content

    def _give_up(
        self, buffer: bytes, start: int, cells: list[tuple[bytes, bool]], cause: str, *, final: bool = True
    ) -> Record | None:
        column = len(cells) + 1 if "never" in cause else len(cells)
        ended = _LINE_END.search(buffer, start)
        if ended is None or (ended.end() == len(buffer) and not final):
            return Record(start, len(buffer), len(buffer), cells, (cause, column)) if final else None
        return Record(start, ended.start(), ended.end(), cells, (cause, column))


# A character that divides fewer records than this into as many cells is no delimiter, but part of the text: one
# column keeps every record, where a delimiter would reject most.
LEAST_FIT = 1 / 3


@dataclass(frozen=True)
class Detected:
    """The dialect with the number of columns, whether the first such record is a header, and the reasons."""

    dialect: Dialect
    width: int
    header: bool
    because: list[str]


def detect(sample: bytes, *, complete: bool, tabs: bool = False) -> Detected:
    """Detect from the first bytes, in UTF-8; `complete` says that they are the whole file.

    `tabs` fixes the delimiter (a caller who said TSV).
    """
    sample = sample[:SAMPLE_BYTES]
    best: tuple[float, Dialect, int, list[Record]] | None = None
    for quote, escape in _quotings(sample):
        for delimiter in ("\t",) if tabs else DELIMITERS:
            dialect = Dialect(delimiter, quote, escape)
            records = _read(sample, dialect, complete=complete)
            width, fit = _width_and_fit(records)
            if width > 1 and fit >= LEAST_FIT and (best is None or fit > best[0]):
                best = (fit, dialect, width, records)
    if best is None:
        dialect = Dialect("\t" if tabs else None)
        return _with_header(
            dialect, 1, _read(sample, dialect, complete=complete), ["no delimiter divides its lines alike"]
        )
    fit, dialect, width, records = best
    name = _NAMES[dialect.delimiter or ","]
    because = [f"a {name} divides {fit:.0%} of the first {len(records)} records into {width} cells"]
    return _with_header(dialect, width, records, because)


def _quotings(sample: bytes) -> list[tuple[str, str]]:
    quotings = [('"', '"')]
    if b'\\"' in sample:
        quotings.append(('"', "\\"))
    if b"'" in sample and b'"' not in sample:
        quotings.append(("'", "'"))
    return quotings


def _read(sample: bytes, dialect: Dialect, *, complete: bool) -> list[Record]:
    """The first records that are not blank lines."""
    grammar, pos = Grammar(dialect), 0
    records: list[Record] = []
    while pos < len(sample) and len(records) < SAMPLE_RECORDS:
        record = grammar.read(sample, pos, final=complete and len(sample) < SAMPLE_BYTES)
        if record is None:
            break
        pos = record.next
        if record.end > record.start:
            records.append(record)
    if not records and sample:
        # One record longer than the sample: its width is the best there is.
        record = grammar.read(sample, 0, final=True)
        return [record] if record else []
    return records


def _width_and_fit(records: list[Record]) -> tuple[int, float]:
    """The number of columns and the share of records that have it; the first record's width unless it is alone."""
    widths = Counter(len(record.cells) for record in records if not record.error)
    if not widths:
        return 1, 0.0
    width, count = widths.most_common(1)[0]
    first = len(records[0].cells)
    if not records[0].error and (widths[first] > 1 or widths[first] == count):
        width, count = first, widths[first]
    return width, count / len(records)


def _with_header(dialect: Dialect, width: int, records: list[Record], because: list[str]) -> Detected:
    rows = [
        [(cell.decode("utf-8", "replace") if cell or quoted else None) for cell, quoted in record.cells]
        for record in records
        if not record.error and len(record.cells) == width
    ]
    header, why = _is_header(rows)
    return Detected(dialect, width, header, [*because, why])


def _is_header(rows: list[list[str | None]]) -> tuple[bool, str]:
    if not rows:
        return False, "no record has that width"
    first, rest = rows[0], rows[1:]
    named = all(first) and len(set(first)) == len(first)
    typed = [column for cell in first if cell and (column := candidates(cell))]
    for_: list[tuple[str, str]] = []
    against: list[tuple[str, str]] = []
    for index, cell in enumerate(first):
        decision = decide(row[index] for row in rest)
        if decision.candidate is None or not cell:
            continue
        (against if decision.candidate.holds(cell) else for_).append((cell, decision.type))
    if len(for_) > len(against):
        cell, type_ = for_[0]
        return True, f"the first record is a header: '{cell}' stands over a column of type {type_}"
    if against:
        cell, type_ = against[0]
        return False, f"there is no header: '{cell}' in the first record is a {type_} like the cells below it"
    if named and not typed:
        return True, "the first record is a header: its cells are filled, distinct and no numbers or dates"
    return False, "there is no header: the first record has empty, repeated or numeric cells"


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
