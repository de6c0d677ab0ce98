"""How well polluted delimited files are read, in the spirit of the benchmark Pollock (VLDB 2023), beside DuckDB.

    python tests/bench/pollock.py [--seed 1] [--worst 12]

One clean table is written with one kind of pollution at a time: another dialect, lines around the table, broken
records, missing headers. For each file the reader gets points for success, and for precision, recall and F1 of the
header cells, the records and all cells, as multisets: 10 in total. The simple score is the mean of the files, the
weighted one counts a kind as often as files of that kind seem to occur; these weights are our estimate. DuckDB reads
with everything detected and no types (`all_varchar`), so that it changes no cell. A record that cannot be read with
certainty is rejected by us; it counts as lost here.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

CORE = Path(__file__).resolve().parents[2] / "layers" / "core" / "python"
Rows = list[list[str]]
HEADER = ["day", "time", "city", "comment", "price", "share", "count", "code", "contact"]
POINTS = 10.0


@dataclass(frozen=True)
class Case:
    """One polluted file and the table that should be read; `names` None: the file has no header."""

    name: str
    data: bytes
    names: list[str] | None
    rows: Rows
    weight: float = 1.0


def clean(seed: int, rows: int = 60) -> Rows:
    """A table with dates, times, words, sentences with delimiters and quotes, numbers and codes."""
    made = random.Random(seed)
    cities = ["Köln", "Nairobi", "São Paulo", "Lyon", "Oslo", "Kraków", "Den Haag"]
    said = ["fine", "late, but fine", 'they said "yes"', "two; three", "", "see note", "it's open", "n/a"]
    table = []
    for row in range(rows):
        day = f"2024-{row % 12 + 1:02d}-{made.randint(1, 28):02d}"
        table.append([
            day, f"{made.randint(0, 23):02d}:{made.randint(0, 59):02d}", made.choice(cities), made.choice(said),
            f"{made.randint(100, 99999) / 100:.2f}", repr(made.random()), str(made.randint(0, 400)),
            f"{made.randint(1, 99999):05d}", f"user{row}@example.org",
        ])  # fmt: skip
    return table


def line(
    cells: Sequence[str], delimiter: str = ",", quote: str = '"', escape: str | None = None, *, always: bool = False
) -> str:
    """A record; cells are quoted where they have to be, or always. Without an escape, quotes are doubled."""

    def cell(text: str) -> str:
        if quote and (always or any(mark in text for mark in (delimiter.strip() or delimiter, quote, "\n", "\r"))):
            text = text.replace("\\", "\\\\") if escape == "\\" else text
            return quote + text.replace(quote, (escape or quote) + quote) + quote
        return text

    return delimiter.join(map(cell, cells))


def lines(table: Iterable[Sequence[str]], ending: str = "\n", **dialect: object) -> str:
    return "".join(line(row, **dialect) + ending for row in table)  # type: ignore[arg-type]


def dialects(rows: Rows) -> Iterable[Case]:
    """The whole table in other dialects, encodings and line ends."""
    table = [HEADER, *rows]
    for mark in (";", "\t", "|", " ", ":", "^", "~", ", ", "; ", "\x1f"):
        quoted = [[cell.replace(" ", "_") for cell in row] for row in rows] if mark == " " else rows
        text = lines([HEADER, *quoted], delimiter=mark, always=mark in " :")
        yield Case(f"delimiter {mark!r}", text.encode(), HEADER, quoted, 8.0 if mark in ";\t" else 1.0)
    yield Case("quote '", lines(table, quote="'").encode(), HEADER, rows)
    yield Case("quote ' everywhere", lines(table, quote="'", always=True).encode(), HEADER, rows)
    yield Case("quotes everywhere", lines(table, always=True).encode(), HEADER, rows, 5.0)
    yield Case("escape backslash", lines(table, escape="\\").encode(), HEADER, rows, 2.0)
    yield Case("escape backslash, quote '", lines(table, quote="'", escape="\\").encode(), HEADER, rows)
    for name, ending in (("CR LF", "\r\n"), ("CR", "\r")):
        yield Case(f"line end {name}", lines(table, ending).encode(), HEADER, rows, 8.0 if name == "CR LF" else 1.0)
    mixed = "".join(line(row) + ("\r\n", "\n", "\r")[at % 3] for at, row in enumerate(table))
    yield Case("line ends mixed", mixed.encode(), HEADER, rows)
    broken = [[cell.replace(", ", ",\n") for cell in row] for row in rows]
    yield Case("line ends within cells", lines([HEADER, *broken]).encode(), HEADER, broken, 3.0)
    yield Case("line ends within cells, CR LF", lines([HEADER, *broken], "\r\n").encode(), HEADER, broken, 2.0)
    for encoding in ("utf-8-sig", "utf-16", "cp1252", "latin-1"):
        kept = [[cell.encode(encoding, "replace").decode(encoding) for cell in row] for row in rows]
        data = lines([HEADER, *kept]).encode(encoding)
        yield Case(f"encoding {encoding}", data, HEADER, kept, 4.0 if encoding == "utf-8-sig" else 2.0)
    commas = [[cell.replace(".", ",") if at in (4, 5) else cell for at, cell in enumerate(row)] for row in rows]
    yield Case("decimal comma, semicolon", lines([HEADER, *commas], delimiter=";").encode(), HEADER, commas, 4.0)
    yield Case("mark twice", b"\xef\xbb\xbf\xef\xbb\xbf" + lines(table).encode(), HEADER, rows)


def surroundings(rows: Rows) -> Iterable[Case]:
    """Lines above, below and between, and tables that are cut down."""
    table, text = [HEADER, *rows], lines([HEADER, *rows])
    above = {
        "a title": "Sales of 2024\n", "a title and a blank line": "Sales of 2024\n\n",
        "five lines": "Report\nMade by: the office, room 4\nOn: 2024-05-06\n\nAll amounts in euro\n",
        "a title with delimiters": "Sales of 2024,,,,,,,,\n", "blank lines": "\n\n\n",
        "two padded titles": "Sales,,,,,,,,\nof the year,,,,,,,,\n", "keys and values": "source,register\ndate,today\n",
        "a quoted title": '"Sales, of 2024"\n',
    }  # fmt: skip
    for name, lead in above.items():
        yield Case(f"above: {name}", (lead + text).encode(), HEADER, rows, 2.0)
    yield Case("above: sep=", ("sep=;\r\n" + lines(table, "\r\n", delimiter=";")).encode(), HEADER, rows, 2.0)
    yield Case("above: comments", ("# made, by hand\n# v2\n" + text).encode(), HEADER, rows)
    half = len(rows) // 2
    between = lines([HEADER, *rows[:half]]) + "# checked until here\n" + lines(rows[half:])
    yield Case("comment between", between.encode(), HEADER, rows)
    yield Case("comment below", (text + "# the end\n").encode(), HEADER, rows)
    yield Case("below: a note", (text + "Source: the register\n").encode(), HEADER, rows, 2.0)
    yield Case("below: notes", (text + "\nNotes\n1) all, of it\n\n").encode(), HEADER, rows, 2.0)
    yield Case("no last line end", text.rstrip("\n").encode(), HEADER, rows, 8.0)
    yield Case("two last line ends", (text + "\n").encode(), HEADER, rows, 3.0)
    yield Case("blank lines between", text.replace("\n2024-06", "\n\n2024-06").encode(), HEADER, rows)
    yield Case("no header", lines(rows).encode(), None, rows, 3.0)
    yield Case("one row", lines(table[:2]).encode(), HEADER, rows[:1])
    yield Case("two rows", lines(table[:3]).encode(), HEADER, rows[:2])
    yield Case("narrow second table", (text + "\nname,size\na,1\nb,2\n").encode(), HEADER, rows)
    wide = [[*HEADER, "more"], [*rows[0], "x"], [*rows[1], "y"]]
    yield Case("wide second table", (text + "\n" + lines(wide)).encode(), HEADER, rows)
    yield Case("like second table", (text + "\n" + lines(table[:9])).encode(), HEADER, [*rows, *table[:9]])
    units = ["d", "h", "name", "words", "EUR", "ratio", "pieces", "text", "mail"]
    yield Case("second header line", lines([HEADER, units, *rows]).encode(), HEADER, [units, *rows])


def headers(rows: Rows) -> Iterable[Case]:
    """Headers that are incomplete, repeated, wide or narrow."""
    for at in (0, 4, 8):
        names = [*HEADER[:at], "", *HEADER[at + 1 :]]
        yield Case(f"header: empty cell {at + 1}", lines([names, *rows]).encode(), names, rows)
    again = [*HEADER[:-1], HEADER[2]]
    yield Case("header: a name twice", lines([again, *rows]).encode(), again, rows, 2.0)
    spaced = [f" {name} " for name in HEADER]
    yield Case("header: spaces", lines([spaced, *rows]).encode(), spaced, rows)
    yield Case("header: quoted, rows not", (lines([HEADER], always=True) + lines(rows)).encode(), HEADER, rows)
    yield Case("header: line ends", lines([["day\nUTC", *HEADER[1:]], *rows]).encode(), ["day\nUTC", *HEADER[1:]], rows)
    years = [["name", "2019", "2020", "2021"], *([row[2], row[6], row[6][::-1], row[6]] for row in rows)]
    yield Case("header: years", lines(years).encode(), years[0], years[1:], 2.0)
    yield Case(
        "header: upper case", lines([[n.upper() for n in HEADER], *rows]).encode(), [n.upper() for n in HEADER], rows
    )
    missing = HEADER[:-1]
    yield Case("header: one cell fewer", lines([missing, *rows]).encode(), missing, rows)
    yield Case("header: one delimiter more", lines([[*HEADER, ""], *rows]).encode(), HEADER, rows)
    yield Case(
        "header: one delimiter more within", lines([[*HEADER[:3], "", *HEADER[3:]], *rows]).encode(), HEADER, rows
    )
    labelled = [[str(at), *row] for at, row in enumerate(rows, 1)]
    yield Case("header: labels of rows", lines([HEADER, *labelled]).encode(), HEADER, labelled)


def broken(rows: Rows) -> Iterable[Case]:
    """Single records with delimiters or quotes too many or too few, and delimiters at every line's end."""
    text = [line(row) for row in [HEADER, *rows]]

    def with_line(at: int, change: Callable[[str], str]) -> bytes:
        return "".join((change(one) if number == at else one) + "\n" for number, one in enumerate(text)).encode()

    for at in (1, len(rows) // 2, len(rows)):
        row = rows[at - 1]
        fewer, more = [row[0] + row[1], *row[2:]], [*row, ""]
        expected = [*rows[: at - 1], fewer, *rows[at:]]
        yield Case(
            f"row {at}: one delimiter fewer", with_line(at, lambda t: t.replace(",", "", 1)), HEADER, expected, 3.0
        )
        expected = [*rows[: at - 1], more, *rows[at:]]
        yield Case(f"row {at}: one delimiter more", with_line(at, lambda t: t + ","), HEADER, expected, 3.0)
        expected = [*rows[: at - 1], ["", *row], *rows[at:]]
        yield Case(f"row {at}: one delimiter first", with_line(at, lambda t: "," + t), HEADER, expected)
        expected = [*rows[: at - 1], row[:5], *rows[at:]]
        yield Case(f"row {at}: cut off", with_line(at, lambda t, r=row: line(r[:5])), HEADER, expected, 2.0)  # type: ignore[misc]
        quoted = [[*row[:2], 'Lyon"', *row[3:]] if number == at else one for number, one in enumerate(rows, 1)]
        data = "".join(",".join(line([c]) if c != 'Lyon"' else c for c in one) + "\n" for one in [HEADER, *quoted])
        yield Case(f"row {at}: a quote in a bare cell", data.encode(), HEADER, quoted)
        opened = with_line(at, lambda t, r=row: t.replace(r[2], '"' + r[2], 1))  # type: ignore[misc]
        yield Case(f"row {at}: a quote never closed", opened, HEADER, [*rows[: at - 1], *rows[at:]])
        semi = with_line(at, lambda t, r=row: line(r, delimiter=";"))  # type: ignore[misc]
        yield Case(f"row {at}: other delimiter", semi, HEADER, [*rows[: at - 1], *rows[at:]])
    trailing = "".join(one + ",\n" for one in text)
    yield Case("a delimiter at every line's end", trailing.encode(), HEADER, rows, 3.0)
    below = text[0] + "\n" + "".join(one + ",\n" for one in text[1:])
    yield Case("a delimiter at every row's end", below.encode(), HEADER, rows, 2.0)
    padded = "".join(one + ",,,\n" for one in text)
    yield Case("three delimiters at every line's end", padded.encode(), HEADER, rows)
    spaced = "".join(", ".join(line([cell]) for cell in row) + "\n" for row in [HEADER, *rows])
    yield Case("a space behind every delimiter", spaced.encode(), HEADER, rows, 2.0)
    bad = text[5].replace("@", "\xe9").encode("latin-1", "replace")
    data = b"".join((bad if at == 5 else one.encode()) + b"\n" for at, one in enumerate(text))
    yield Case("one record in another encoding", data, HEADER, [*rows[:4], *rows[5:]])


def cases(seed: int = 1) -> list[Case]:
    """All files, of one table."""
    rows = clean(seed)
    found = [Case("clean", lines([HEADER, *rows]).encode(), HEADER, rows, 20.0)]
    return [*found, *dialects(rows), *surroundings(rows), *headers(rows), *broken(rows)]


def rated(wanted: Counter[object], got: Counter[object]) -> float:
    """Precision, recall and F1 of one multiset against another, added up."""
    common = sum((wanted & got).values())
    precision = common / got.total() if got else float(not wanted)
    recall = common / wanted.total() if wanted else float(not got)
    return (
        precision
        + recall
        + (2 * precision * recall / (precision + recall) if common else float(not wanted and not got))
    )


def score(case: Case, got: tuple[list[str] | None, Rows] | None) -> float:
    """Points of one file, at most 10; None, which is a refusal, has none."""
    if got is None:
        return 0.0
    names, rows = got
    cells = [Counter[object](cell for row in table for cell in row) for table in (case.rows, rows)]
    records = [Counter[object](map(tuple, table)) for table in (case.rows, rows)]
    header = rated(Counter(case.names or []), Counter(names or []))
    return 1 + header + rated(*records) + rated(*cells)


def ours(path: Path, out: Path) -> tuple[list[str] | None, Rows] | None:
    """What Fluvial reads, every value as its source wrote it."""
    from fluvial.engine.ingest import ingest
    from fluvial.engine.rows import locate, read_page
    from fluvial.errors import UnreadableFileError

    try:
        manifest = ingest(path, out, filename=path.name, threads=1)
    except UnreadableFileError:
        return None
    assert manifest.rows + manifest.rejected == manifest.source_rows
    page = read_page([(out / p.file, s, t) for p, s, t in locate(manifest, 0, manifest.rows)], manifest.columns)
    formats = [(column.name, column.format) for column in manifest.columns]
    rows = [[written(row[name], format_) for name, format_ in formats] for row in page]
    names = [_named(column.name, column.reason) for column in manifest.columns]
    return names if (manifest.dialect or {})["header"] else None, rows


def _named(name: str, reason: str) -> str:
    """The name as the header has it: one that was made because there was none, or another like it, is undone."""
    if "has no name for column" in reason or "have no name" in reason:
        return ""
    return name.rpartition("_")[0] if "this one is renamed" in reason else name


def written(value: object, format_: str | None) -> str:
    """A JSON-ready value as its source wrote it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(format_).split("/")[0 if value else 1]
    if isinstance(value, float):
        return repr(value).removesuffix(".0") if format_ else repr(value)
    return str(value).replace(".", ",") if format_ == "decimal comma" else str(value)


def duckdbs(path: Path, out: Path) -> tuple[list[str] | None, Rows] | None:
    """What DuckDB reads, with everything detected; a header is one if the sniffer says so."""
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    try:
        has_header = connection.execute("SELECT HasHeader FROM sniff_csv(?)", [str(path)]).fetchone()
        found = connection.execute("SELECT * FROM read_csv(?, all_varchar = true)", [str(path)])
        names = [one[0] for one in found.description or []]
        rows = [["" if cell is None else cell for cell in row] for row in found.fetchall()]
    except duckdb.Error:
        return None
    finally:
        connection.close()
    return names if has_header and has_header[0] else None, rows


def scores(
    files: Sequence[Case], reader: Callable[[Path, Path], tuple[list[str] | None, Rows] | None]
) -> dict[str, float]:
    """The points of every file."""
    found = {}
    with tempfile.TemporaryDirectory() as temp:
        for at, case in enumerate(files):
            path = Path(temp, f"{at}.csv")
            path.write_bytes(case.data)
            found[case.name] = score(case, reader(path, Path(temp, f"out{at}")))
    return found


def means(files: Sequence[Case], found: dict[str, float]) -> tuple[float, float]:
    """The simple and the weighted score."""
    weights = sum(case.weight for case in files)
    simple = sum(found.values()) / len(files)
    return simple, sum(found[case.name] * case.weight for case in files) / weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worst", type=int, default=12)
    arguments = parser.parse_args()
    sys.path.insert(0, str(CORE))
    files = cases(arguments.seed)
    mine, theirs = scores(files, ours), scores(files, duckdbs)
    print(f"{len(files)} files, points of {POINTS:g}")
    for name, found in (("Fluvial", mine), ("DuckDB read_csv", theirs)):
        simple, weighted = means(files, found)
        failed = sum(not points for points in found.values())
        print(f"{name}: simple {simple:.3f}, weighted {weighted:.3f}, not read at all: {failed}")
    print(f"{'worst for Fluvial':45} Fluvial  DuckDB")
    for name in sorted(mine, key=lambda one: mine[one])[: arguments.worst]:
        print(f"{name[:45]:45} {mine[name]:7.3f} {theirs[name]:7.3f}")


if __name__ == "__main__":
    main()
