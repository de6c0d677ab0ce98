"""The dialect of delimited text, found from its first records: delimiter, quote, escape, width, and where it begins.

Only the dialect is guessed from a sample. Every record of the file is then held against it, and one that does
not fit is rejected with its line: a wrong guess shows, and changes no cell. What the caller said is not guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fluvial.engine.detect_header import kind
from fluvial.engine.dialect import Dialect, Grammar, Record
from fluvial.engine.layout import Layout, layout
from fluvial.engine.options import Options
from fluvial.engine.sources import line_ends

SAMPLE_BYTES = 256 * 1024
SAMPLE_RECORDS = 500
# In the order of preference where two fit equally well: a comma is the likeliest to be part of a cell.
DELIMITERS = ("\t", ";", "|", ",")
# Taken only where they divide all of the table, and none of those above does: each is at home in ordinary text.
RARE_DELIMITERS = ("\x1f", "\x01", "^", "~", "¦", "§", "¬", ":", "!", "#", " ")
# These also occur within values and names, so there has to be a column of numbers or dates as well.
COMMON_IN_TEXT = frozenset(":!# ")
NAMES = {"\t": "tab", ";": "semicolon", "|": "vertical bar", ",": "comma", " ": "space", ":": "colon"}
# A character that divides fewer records than this into as many cells is no delimiter, but part of the text: one
# column keeps every record, where a delimiter would reject most.
LEAST_FIT = 1 / 3
# So many records alike in a row are a table nevertheless, under a preamble that is longer than they are.
LEAST_RUN = 4
NEARLY_ALL = 0.98
CLEAN_RECORDS = 100
MAX_ALTERNATIVES = 5
# Of a first line that is longer, only so much is looked at for a symbol that divides it.
SYMBOL_BYTES = 4096
_SEP_LINE = re.compile(rb'"?sep=([^\r\n])"?(?:\r\n|\r|\n|$)', re.IGNORECASE)
_CLOCK = re.compile(rb"(?<![0-9])[0-9]{1,2}:[0-9]{2}(?![0-9])")
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class Detected:
    """The dialect, the layout of the table in it, the reasons, and the other delimiters that were considered."""

    dialect: Dialect
    width: int
    layout: Layout
    because: list[str]
    alternatives: list[dict[str, object]]

    @property
    def header(self) -> bool:
        return self.layout.header


@dataclass(frozen=True)
class Rated:
    """What one dialect makes of the sample: `fit` is the share of records of that width, `score` compares dialects."""

    dialect: Dialect
    records: list[Record]
    width: int
    fit: float
    score: float


def detect(sample: bytes, *, complete: bool, tabs: bool = False, options: Options | None = None) -> Detected:
    """Detect from the first bytes, in UTF-8; `complete` says that they are the whole file.

    `tabs` fixes the delimiter (a caller who said TSV). Options fix what they say.
    """
    options = options or Options()
    if tabs and options.delimiter == "auto":
        options = replace(options, delimiter="\t")
    complete = complete and len(sample) <= SAMPLE_BYTES
    sample = sample[:SAMPLE_BYTES]
    because, skipped = _said(options), options.skip_lines or 0
    if options.skip_lines is None and (told := _SEP_LINE.match(sample)):
        mark = told[1].decode("utf-8", "replace")
        skipped = 1
        because.append(f"its first line says that {NAMES.get(mark, mark)!r} is the delimiter, as Excel writes it")
        if options.delimiter == "auto" and mark.isprintable():
            options = replace(options, delimiter=mark)
    body = sample[_after_lines(sample, skipped) :]
    ratings = list(_ratings(body, options, complete=complete))
    best = _best(ratings, options)
    if best is None:
        fixed = None if options.delimiter == "auto" else options.delimiter
        rated = _rate(body, _dialect(options, fixed, *_quotings(body, options)[0]), complete=complete)
        best = replace(rated, width=1, dialect=replace(rated.dialect, delimiter=fixed))
        because.append("no delimiter divides its lines alike")
    else:
        name = NAMES.get(best.dialect.delimiter or "", repr(best.dialect.delimiter))
        because.append(
            f"a {name} divides {best.fit:.0%} of the first {len(best.records)} records into {best.width} cells"
        )
    best, notes = _with_comments(body, best, options, complete=complete)
    found = layout(body, best.records, best.width, options, skipped=skipped)
    if b"\n\xef\xbb\xbf" in body:
        notes.append("a line inside the file begins with a byte order mark, which is kept: were files joined?")
    return Detected(best.dialect, best.width, found, [*because, *notes, *found.because], _alternatives(ratings, best))


def _said(options: Options) -> list[str]:
    said = []
    if options.delimiter != "auto":
        said.append(f"the delimiter is {NAMES.get(options.delimiter, options.delimiter)!r}")
    if options.quote != "auto":
        said.append("there are no quotes" if options.quote is None else f"the quote is {options.quote!r}")
    if options.escape != "auto":
        said.append("quotes are doubled" if options.escape == "doubled" else f"the escape is {options.escape!r}")
    if options.skip_lines is not None:
        said.append(f"{options.skip_lines} lines stand above the table")
    if options.comment:
        said.append(f"lines that start with {options.comment!r} are comments")
    return [f"the caller said that {one}" for one in said]


def _after_lines(sample: bytes, count: int) -> int:
    """Where the physical line after `count` of them begins."""
    pos = 0
    for _ in range(count):
        ended = _LINE_END.search(sample, pos)
        if ended is None:
            return len(sample)
        pos = ended.end()
    return pos


def _dialect(options: Options, delimiter: str | None, quote: str | None, escape: str | None) -> Dialect:
    bare = escape is not None and escape != quote and (quote is None or options.escape not in ("auto", "doubled"))
    return Dialect(delimiter, quote, escape, bare_escapes=bare, comment=options.comment)


def _quotings(sample: bytes, options: Options) -> list[tuple[str | None, str | None]]:
    """Quotes with their escapes, the likelier first."""
    quotes: list[str | None] = [options.quote]
    if options.quote == "auto":
        quotes = ['"', *(quote for quote in ("'", "`") if quote.encode() in sample)]
    found: list[tuple[str | None, str | None]] = []
    for quote in quotes:
        if options.escape not in ("auto", "doubled"):
            found.append((quote, options.escape))
            continue
        found.append((quote, quote))
        if options.escape == "auto" and b"\\" + (quote or "").encode() in sample:
            found.append((quote, "\\"))
    if options.quote == "auto" == options.escape and b"\\" in sample and b'"' not in sample:
        found.append((None, "\\"))
    return found


def _ratings(sample: bytes, options: Options, *, complete: bool) -> Iterator[Rated]:
    """The dialects that are worth a look, each with its rating; rare delimiters only if nothing else divides it all."""
    quotings = _quotings(sample, options)
    if options.delimiter != "auto":
        for quoting in quotings:
            yield _rate(sample, _dialect(options, options.delimiter, *quoting), complete=complete)
        return
    best = 0.0
    fits: dict[str, float] = {}
    for quoting in quotings:
        for delimiter in DELIMITERS:
            if delimiter.encode() in sample:
                rated = _rate(sample, _dialect(options, delimiter, *quoting), complete=complete)
                if rated.fit <= fits.setdefault(delimiter, rated.fit) and not _may_be_quote(rated, options):
                    continue
                best = max(best, rated.score)
                yield rated
                yield from _longer(sample, rated, complete=complete)
    if best >= NEARLY_ALL:
        return
    symbols = [symbol for symbol in _symbols(sample) if symbol not in RARE_DELIMITERS]
    for delimiter in (*RARE_DELIMITERS, *symbols):
        if delimiter.encode() in sample:
            for quoting in quotings:
                rated = _rate(sample, _dialect(options, delimiter, *quoting), complete=complete)
                if _is_sure(rated) and _may_be_quote(rated, options):
                    yield replace(rated, score=rated.score - 0.01)


def _may_be_quote(rated: Rated, options: Options) -> bool:
    """Whether ' or ` is a quote where that divides no better: all cells of a column but its first are in it, three at
    least.

    A single cell that begins and ends with it is a cell that does.
    """
    if rated.dialect.quote in (None, '"') or options.quote != "auto":
        return True
    records = [record.cells for record in rated.records[1:] if len(record.cells) == rated.width and not record.error]
    columns = ([quoted for cells in records for cell, quoted in [cells[at]] if cell] for at in range(rated.width))
    return any(len(column) > 2 and all(column) for column in columns)


def _longer(sample: bytes, rated: Rated, *, complete: bool) -> Iterator[Rated]:
    """The delimiter written twice, or with spaces, where without exception every record is written so."""
    mark = str(rated.dialect.delimiter)
    if rated.width == 1 or len(rated.records) < 2:
        return
    for delimiter in (f"{mark} ", f" {mark} ", mark * 2):
        if mark == "\t" and " " in delimiter:
            continue
        # Within quotes, there may be others.
        if sample.count(mark.encode()) > 1.5 * len(delimiter.strip(" ")) * sample.count(delimiter.encode()):
            continue
        longer = _rate(sample, replace(rated.dialect, delimiter=delimiter), complete=complete)
        bare = [cell for record in longer.records for cell, quoted in record.cells if not quoted]
        left = any(cell[:1] in (b" ", mark.encode()) or cell.endswith(mark.encode()) for cell in bare if cell)
        if longer.fit == 1 and longer.width > 1 and not left:
            yield replace(longer, score=max(longer.score, rated.score) + 0.01)


def _symbols(sample: bytes) -> list[str]:
    """The symbols beyond ASCII on the first line, other than quotes, dashes and currencies."""
    line = next((one for one in sample[:SYMBOL_BYTES].splitlines() if one.strip()), b"").decode("utf-8", "ignore")
    return sorted({one for one in line if ord(one) > 127 and unicodedata.category(one) in ("So", "Sm", "Po")})


def _is_sure(rated: Rated) -> bool:
    """Whether a character that is common in text divides it all the same."""
    fits = [len(record.cells) == rated.width and not record.error for record in rated.records]
    records = [record for record, fit in zip(rated.records, fits, strict=True) if fit]
    if rated.width < 2 or len(records) < 2 or rated.fit < LEAST_FIT:
        return False
    # What stands above the table does not count.
    fit = len(records) / (len(fits) - fits.index(True))
    if fit < NEARLY_ALL:
        return False
    if rated.dialect.delimiter not in COMMON_IN_TEXT and rated.dialect.delimiter in RARE_DELIMITERS:
        return True
    rows = [_texts(record) for record in records[:CLEAN_RECORDS]]
    delimiter = str(rated.dialect.delimiter)
    bare = [[cell for cell, quoted in record.cells if not quoted] for record in records[:CLEAN_RECORDS]]
    if not any(bare):
        return True
    whole = sum(bool(kind(delimiter.join(cell or "" for cell in row))) for row in rows)
    spaces = any(cell != cell.strip() or (not cell and rated.width < LEAST_RUN) for row in bare for cell in row)
    clocks = delimiter == ":" and 2 * sum(bool(_CLOCK.search(b":".join(row))) for row in bare) > len(bare)
    if fit < 1 or whole * 2 > len(rows) or clocks or (spaces and delimiter in " :"):
        return False
    # A header tells it from prose: words over a column of numbers or dates.
    return any(
        kind(rows[0][at] or "") is None and all(kind(row[at] or "") for row in rows[1:]) for at in range(rated.width)
    )


def _texts(record: Record) -> list[str | None]:
    return [cell.decode("utf-8", "replace") if cell or quoted else None for cell, quoted in record.cells]


def read_records(sample: bytes, grammar: Grammar, *, complete: bool) -> list[Record]:
    """The first records that are not blank lines."""
    pos = 0
    records: list[Record] = []
    while pos < len(sample) and len(records) < SAMPLE_RECORDS:
        record = grammar.read(sample, pos, final=complete)
        if record is None:
            break
        pos = record.next
        if record.end > record.start and not record.comment:
            records.append(record)
    if not records and sample and pos == 0:
        # One record longer than the sample: its width is the best there is.
        record = grammar.read(sample, 0, final=True)
        return [record] if record else []
    return records


def _rate(sample: bytes, dialect: Dialect, *, complete: bool) -> Rated:
    records = read_records(sample, Grammar(dialect), complete=complete)
    width, fit = _width_and_fit(records)
    fitting = [record for record in records if len(record.cells) == width and not record.error]
    clean = _cleanness(fitting[:CLEAN_RECORDS], str(dialect.delimiter))
    return Rated(dialect, records, width, fit, fit * (0.4 + 0.6 * clean) if width > 1 else 0.0)


def _width_and_fit(records: list[Record]) -> tuple[int, float]:
    """The number of columns and the share of records that have it: most of them, or the first's if half as many do.

    A first record with fewer cells is no reason to think the table narrower: it may stand above it.
    """
    widths = Counter(len(record.cells) for record in records if not record.error)
    if not widths:
        return 1, 0.0
    width, count = widths.most_common(1)[0]
    if width == 1 and len(widths) > 1:
        wider, often = max(((one, many) for one, many in widths.items() if one > 1), key=lambda pair: pair[1])
        run = len(records) - next(at for at, record in enumerate(records) if len(record.cells) == wider)
        table = wider > 2 and often >= LEAST_RUN and often >= 0.8 * run
        if often >= LEAST_FIT * len(records) or table:
            width, count = wider, max(often, -(-len(records) // 3) if table else 0)
    first = len(records[0].cells)
    if not records[0].error and first > width > 1 and widths[first] * 2 >= count:
        width, count = first, widths[first]
    if count < 2 < widths.total():
        return 1, 0.0
    return width, min(1.0, count / len(records))


def _cleanness(records: Sequence[Record], delimiter: str) -> float:
    """The share of cells that show no sign of having been divided in the wrong place."""
    others = bytes(ord(mark) for mark in DELIMITERS if mark not in delimiter)
    clean = total = 0
    for record in records:
        for cell, quoted in record.cells[:50]:
            total += 1
            if quoted or not cell:
                clean += 1
            elif cell[:1] in b" \"'" or cell[-1:] in b" \"'":
                continue
            elif len(cell.translate(None, others)) == len(cell) or kind(cell.decode("utf-8", "replace")):
                clean += 1
    return clean / total if total else 0.0


def _best(ratings: Sequence[Rated], options: Options) -> Rated | None:
    """The best rating of those that divide enough; the earlier of equals."""
    said = options.delimiter != "auto"
    worth = [one for one in ratings if said or (one.width > 1 and one.fit >= LEAST_FIT - 1e-9)]
    return max(worth, key=lambda one: (one.score, one.fit), default=None)


def _with_comments(sample: bytes, best: Rated, options: Options, *, complete: bool) -> tuple[Rated, list[str]]:
    """Without lines that start with # and are no records of the table, if all that start so are none."""
    if options.comment or best.width == 1 or best.dialect.delimiter == "#":
        return best, []
    marked = [record for record in best.records if sample.startswith(b"#", record.start)]
    if not marked or any(len(record.cells) == best.width for record in marked):
        return best, []
    dialect = replace(best.dialect, comment="#", comment_unfit=True)
    records = read_records(sample, Grammar(dialect, best.width), complete=complete)
    if not any(len(record.cells) == best.width for record in records):
        return best, []
    line = 1 + line_ends(sample[: marked[0].start])
    note = f"lines that start with # and have another number of cells are comments, such as line {line} of the table"
    return replace(best, dialect=dialect, records=records), [note]


def _alternatives(ratings: Sequence[Rated], best: Rated) -> list[dict[str, object]]:
    """The other delimiters, with what they would make of the sample, best first."""
    found: dict[str, Rated] = {}
    for one in sorted(ratings, key=lambda one: -one.score):
        if one.width > 1 and one.dialect.delimiter != best.dialect.delimiter:
            found.setdefault(str(one.dialect.delimiter), one)
    return [
        {"delimiter": delimiter, "quote": one.dialect.quote, "columns": one.width, "fits": round(one.fit, 3)}
        for delimiter, one in list(found.items())[:MAX_ALTERNATIVES]
    ]
