"""Where the table of delimited text begins and ends in breadth: lines above it, its header, empty last columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fluvial.engine.detect_header import column_kinds, is_header, kind, looks_like_names, padded_titles
from fluvial.engine.dialect import Record
from fluvial.engine.options import Options
from fluvial.engine.sources import line_ends
from fluvial.engine.types import shown

SHOWN_LINES = 3
Texts = list[str | None]


@dataclass(frozen=True)
class Layout:
    """How the records become a table.

    `skip_lines` physical lines stand above it. `fit_header`: the first record is the header, whatever its width;
    otherwise the first of the table's width is. `labels`: it does not name the first column. The columns from
    `empty_from` on have neither name nor, as far as was seen, a cell.
    """

    header: bool
    skip_lines: int = 0
    fit_header: bool = False
    labels: bool = False
    empty_from: int | None = None
    because: list[str] = field(default_factory=list)


def layout(sample: bytes, records: Sequence[Record], width: int, options: Options, *, skipped: int) -> Layout:
    """The layout of these first records; `skipped` lines came before the sample."""
    rows = [_texts(record) for record in records]
    fits = [not record.error and len(record.cells) == width for record in records]
    start, fit_header, because = 0, False, []
    if options.skip_lines is None and width > 1:
        start, fit_header = _start(records, rows, fits, width)
        start = start if fit_header else _below_titles(rows, fits, start)
    if options.header is not None:
        fit_header = options.header and not (fits[start] if rows else True)
    if start:
        first = "; ".join(shown(" ".join(cell for cell in row if cell)) for row in rows[:start][:SHOWN_LINES])
        because.append(f"records that stand above the table and are not part of it: {start}, which are {first}")
    table = [row for row, fit in zip(rows[start:], fits[start:], strict=True) if fit]
    header, why = is_header(table) if not fit_header else (True, "the first record of the table is its header")
    if options.header is not None:
        header, why = options.header, f"the caller said that there is {'a' if options.header else 'no'} header"
    because.append(why)
    body = table[1:] if header and not fit_header else table
    if header and width > 1 and (note := _second_line(body)):
        because.append(note)
    names = rows[start] if header and rows else []
    labels = fit_header and _has_labels(records, fits, body, len(names), width)
    empty_from = _empty_from(names, body, width, labels=labels)
    if empty_from is not None:
        because.append(f"every record ends in {width - empty_from} delimiters with nothing behind them")
    lines = skipped + (line_ends(sample[: records[start].start]) if start else 0)
    return Layout(header, lines, fit_header, labels, empty_from, because)


def _texts(record: Record) -> Texts:
    return [cell.decode("utf-8", "replace") if cell or quoted else None for cell, quoted in record.cells]


def _start(records: Sequence[Record], rows: Sequence[Texts], fits: Sequence[bool], width: int) -> tuple[int, bool]:
    """The index of the record that the table begins with, and whether that is a header of another width."""
    if True not in fits:
        return 0, False
    first = fits.index(True)
    before = first - 1
    if before >= 0 and not records[before].error and abs(len(rows[before]) - width) <= max(1, width // 4):
        table = [row for row, fit in zip(rows, fits, strict=True) if fit]
        named = looks_like_names(rows[before]) and len(rows[before]) * 2 >= width
        titled = is_header(table)
        if named and not (titled[0] and "stands over" in titled[1]) and _is_above(rows[before], titled[0]):
            return before, True
    start = 0
    while start < first and _stands_above(records[start], rows[start], width):
        start += 1
    return start, False


def _is_above(row: Texts, words: bool) -> bool:
    """Whether the row names columns: beside a table of nothing but words, only a row that is nearly complete does."""
    return not words or all(row)


def _stands_above(record: Record, row: Texts, width: int) -> bool:
    """A title, a note: fewer cells than the table, and not what a record that lost a delimiter looks like."""
    if record.error or len(row) >= width:
        return False
    filled = [cell for cell in row if cell]
    return len(filled) < 2 or len(row) * 2 <= width or not any(kind(cell) for cell in filled)


def _below_titles(rows: Sequence[Texts], fits: Sequence[bool], start: int) -> int:
    """Further down where the first full records are titles with empty cells."""
    run = []
    for row, fit in zip(rows[start:], fits[start:], strict=True):
        if not fit:
            break
        run.append(row)
    return start + padded_titles(run)


def _second_line(body: Sequence[Texts]) -> str | None:
    """A note where the first row under the header may belong to it: words over numbers. It stays a row."""
    if len(body) < 3:
        return None
    kinds = column_kinds(body[1:], len(body[0]))
    over = [cell for cell, below in zip(body[0], kinds, strict=True) if cell and below]
    if not over or any(kind(cell) for cell in over):
        return None
    return f"the record below the header may be its second line, as {shown(over[0])} stands over numbers; it is a row"


def _has_labels(records: Sequence[Record], fits: Sequence[bool], body: Sequence[Texts], named: int, width: int) -> bool:
    """Whether the records begin with labels, as R writes them: distinct, counted or quoted, and without a name."""
    if named != width - 1 or not body or all(not row[-1] for row in body):
        return False
    first = [row[0] for row in body]
    counted = first == [str(number) for number in range(1, len(first) + 1)]
    quoted = all(record.cells[0][1] for record, fit in zip(records, fits, strict=True) if fit)
    return len(first) > 1 and len(set(first)) == len(first) and (counted or quoted)


def _empty_from(names: Texts, body: Sequence[Texts], width: int, *, labels: bool) -> int | None:
    """Where the unnamed, empty columns at the end begin; None if there are none."""
    if not body:
        return None
    names = [None, *names] if labels else names
    at = width
    while (
        at > 1
        and not ((names[at - 1] or "").strip() if at <= len(names) else "")
        and all(row[at - 1] is None for row in body)
    ):
        at -= 1
    return at if at < width else None
