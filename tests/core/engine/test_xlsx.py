# ruff: noqa: E501 (documents and sentences stay whole)
"""Workbooks: the sheet, the table on it, and every cell as the file stores it."""

from __future__ import annotations

import contextlib
import gzip
import io
import random
import tempfile
import zipfile
from datetime import date, datetime, time, timedelta
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvial.engine import workbook
from fluvial.engine.ingest import ingest
from fluvial.engine.limits import Limits
from fluvial.engine.options import Options
from fluvial.engine.rows import locate, read_page, read_rejects
from fluvial.engine.sheet_values import column_letters
from fluvial.errors import UnreadableFileError

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
DATE, MOMENT, CLOCK, DURATION, FINE = 1, 2, 3, 4, 5
STYLES = (
    f'<styleSheet {MAIN}><numFmts><numFmt numFmtId="164" formatCode="dd/mm/yyyy\\ hh:mm:ss"/>'
    '<numFmt numFmtId="165" formatCode="mm:ss.000"/></numFmts>'
    '<cellStyleXfs><xf numFmtId="14"/><xf numFmtId="14"/></cellStyleXfs>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="20"/><xf numFmtId="46"/>'
    '<xf numFmtId="165"/></cellXfs></styleSheet>'
)


def package(parts: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def book(
    *sheets: str | tuple[str, str, str], strings: str = "", properties: str = "", extra: dict[str, str] | None = None
) -> bytes:
    """A workbook of sheets, each the XML in its sheetData, or (name, state, XML)."""
    named = [(f"S{n}", "visible", one) if isinstance(one, str) else one for n, one in enumerate(sheets, 1)]
    tabs = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{n}" state="{state}" r:id="r{n}"/>'
        for n, (name, state, _) in enumerate(named, 1)
    )
    relations = "".join(
        f'<Relationship Id="r{n}" Type="{REL}/worksheet" Target="worksheets/s{n}.xml"/>'
        for n in range(1, len(named) + 1)
    )
    parts = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": f'<R><Relationship Id="m" Type="{REL}/officeDocument" Target="xl/workbook.xml"/></R>',
        "xl/workbook.xml": f'<workbook {MAIN} xmlns:r="{REL}">{properties}<sheets>{tabs}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<R>{relations}<Relationship Id="s" Type="{REL}/sharedStrings" '
        f'Target="/xl/sharedStrings.xml"/><Relationship Id="y" Type="{REL}/styles" Target="styles.xml"/></R>',
        "xl/sharedStrings.xml": f"<sst {MAIN}>{strings}</sst>",
        "xl/styles.xml": STYLES,
    }
    for n, (_, _, content) in enumerate(named, 1):
        body = content if content.startswith("<worksheet") else f"<sheetData>{content}</sheetData>"
        parts[f"xl/worksheets/s{n}.xml"] = body if body is content else f"<worksheet {MAIN}>{body}</worksheet>"
    return package(parts | (extra or {}))


def grid(*rows: list[object], first: int = 1, left: int = 1) -> str:
    """Rows of cells: str is inline text, int and float numbers, bool truth, (text, style) a styled number, None none.

    A str that starts with < is the cell's XML as it stands, without its reference.
    """
    out = []
    for y, row in enumerate(rows, first):
        cells = []
        for x, value in enumerate(row, left):
            ref = f"{column_letters(x)}{y}"
            if isinstance(value, bool):
                cells.append(f'<c r="{ref}" t="b"><v>{value:d}</v></c>')
            elif isinstance(value, (int, float)):
                cells.append(f'<c r="{ref}"><v>{value!r}</v></c>')
            elif isinstance(value, tuple):
                cells.append(f'<c r="{ref}" s="{value[1]}"><v>{value[0]}</v></c>')
            elif isinstance(value, str) and value.startswith("<c"):
                cells.append(value.replace("<c", f'<c r="{ref}"', 1))
            elif isinstance(value, str):
                cells.append(f'<c r="{ref}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>')
        out.append(f'<row r="{y}">{"".join(cells)}</row>')
    return "".join(out)


def take(tmp: Path, data: bytes, *, limits: dict[str, int] | None = None, **options: object):
    """The manifest, all rows and all rejects of these bytes."""
    out = Path(tempfile.mkdtemp(dir=tmp))
    (tmp / "source").write_bytes(data)
    manifest = ingest(
        tmp / "source", out, filename="t", options=Options(**options), limits=Limits(**limits or {}), threads=1
    )
    rows = read_page([(out / p.file, s, t) for p, s, t in locate(manifest, 0, manifest.rows)], manifest.columns)
    assert len(rows) == manifest.rows == manifest.source_rows - manifest.rejected
    rejected = read_rejects(out / "rejects.ndjson", 0, 10**6) if manifest.rejected else []
    return manifest, rows, rejected


def types(manifest) -> dict[str, str]:
    return {column.name: column.type for column in manifest.columns}


def column(manifest, name: str):
    return next(one for one in manifest.columns if one.name == name)


def refused(tmp: Path, data: bytes, **options: object) -> str:
    with pytest.raises(UnreadableFileError) as caught:
        take(tmp, data, **options)
    return str(caught.value)


def test_numbers_are_the_shortest_text_of_their_float_and_whole_numbers_stay_whole(tmp_path):
    stored = ["0.10000000000000001", "1.5", "1E-3", "12345.670000000000"]
    rows = [["x", "n", "e"], *([f"<c><v>{text}</v></c>", n, f"<c><v>{n}.0E0</v></c>"] for n, text in enumerate(stored))]
    manifest, got, _ = take(tmp_path, book(grid(*rows)))
    assert [row["x"] for row in got] == [0.1, 1.5, 0.001, 12345.67]
    assert [row["e"] for row in got] == [row["n"] for row in got] == [0, 1, 2, 3]
    assert types(manifest) == {"x": "float", "n": "integer", "e": "integer"}
    assert manifest.format == "xlsx"
    assert manifest.dialect == {
        "sheet": "S1", "sheets": ["S1"], "first_row": 1, "header": True, "date_system": 1900,
    }  # fmt: skip


def test_whole_numbers_that_a_float_would_round_keep_their_digits(tmp_path):
    manifest, rows, _ = take(tmp_path, book(grid(["n"], ["<c><v>9007199254740993</v></c>"])))
    assert rows == [{"n": 9007199254740993}]
    assert types(manifest) == {"n": "integer"}


def test_text_stays_text_whatever_it_looks_like(tmp_path):
    manifest, rows, _ = take(tmp_path, book(grid(["zip", "n"], ["00501", 1], ["10115", 2])))
    assert [row["zip"] for row in rows] == ["00501", "10115"]
    assert types(manifest) == {"zip": "text", "n": "integer"}
    assert column(manifest, "zip").reason == "the source has text cells"


def test_strings_of_every_kind_keep_their_spaces(tmp_path):
    strings = (
        '<si><t xml:space="preserve"> a  b </t></si><si><r><t>rich </t></r><r><rPr><b/></rPr><t>text</t></r></si>'
        "<si><t>東京</t><rPh sb='0' eb='2'><t>トウキョウ</t></rPh></si><si><t>line_x000D_\nend</t></si><si><t>_x005F_x000D_</t></si>"
    )
    cells = [f'<c t="s"><v>{n}</v></c>' for n in range(5)]
    formula = '<c t="str"><f>A1&amp;"x"</f><v> ax </v></c>'
    rich = '<c t="inlineStr"><is><r><t>in</t></r><r><t>line</t></r></is></c>'
    _, rows, _ = take(tmp_path, book(grid([*cells, formula, rich]), strings=strings), header=False)
    expected = [" a  b ", "rich text", "東京", "line\r\nend", "_x000D_", " ax ", "inline"]
    assert list(rows[0].values()) == expected


def test_strings_beyond_those_in_memory_are_read_from_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "KEPT_STRINGS", 3)
    strings = "".join(f"<si><t>é{n}</t></si>" for n in range(50))
    order = random.Random(1).sample(range(50), 50)
    rows = grid(*([f'<c t="s"><v>{n}</v></c>'] for n in order))
    _, got, _ = take(tmp_path, book(rows, strings=strings), header=False)
    assert [row["column_1"] for row in got] == [f"é{n}" for n in order]


def test_dates_and_times_follow_from_the_number_format(tmp_path):
    rows = [
        ["day", "moment", "clock", "long", "fine"],
        [("45000", DATE), ("45000.333333333336", MOMENT), ("0.5", CLOCK), ("1.5", DURATION), ("0.00001447916", FINE)],
        [("1", DATE), ("45000", MOMENT), ("0.75", CLOCK), ("0.25", DURATION), ("0.5", FINE)],
    ]
    manifest, got, _ = take(tmp_path, book(grid(*rows)))
    assert got == [
        {"day": "2023-03-15", "moment": "2023-03-15T08:00:00", "clock": "12:00:00", "long": "36:00:00", "fine": "00:00:01.251"},
        {"day": "1900-01-01", "moment": "2023-03-15T00:00:00", "clock": "18:00:00", "long": "06:00:00", "fine": "12:00:00.000"},
    ]  # fmt: skip
    assert types(manifest) == {"day": "date", "moment": "timestamp", "clock": "time", "long": "text", "fine": "time"}


def test_a_date_with_a_hidden_time_keeps_it(tmp_path):
    manifest, rows, _ = take(tmp_path, book(grid(["d"], [("45000", DATE)], [("45000.5", DATE)])))
    assert [row["d"] for row in rows] == ["2023-03-15", "2023-03-15T12:00:00"]
    reason = "cell A3 holds the timestamp '2023-03-15T12:00:00' after dates, so every cell is kept as text"
    assert column(manifest, "d").reason == reason


def test_the_29_february_1900_that_never_was_stays_text(tmp_path):
    manifest, rows, _ = take(tmp_path, book(grid(["d"], *([(str(n), DATE)] for n in (0, 1, 59, 60, 61)))))
    assert [row["d"] for row in rows] == ["1900-01-00", "1900-01-01", "1900-02-28", "1900-02-29", "1900-03-01"]
    assert types(manifest) == {"d": "text"}


@settings(deadline=None, max_examples=30)
@given(st.dates(date(1904, 1, 1), date(9999, 12, 31)))
def test_days_are_those_of_both_date_systems(day):
    from fluvial.engine.sheet_values import moment_text

    assert moment_text(str((day - date(1904, 1, 1)).days), "date", 0, 1904) == ("date", day.isoformat())
    assert moment_text(str((day - date(1899, 12, 30)).days), "date", 0, 1900) == ("date", day.isoformat())


def test_a_workbook_of_1904_counts_from_there(tmp_path):
    data = book(grid(["d"], [("0", DATE)], [("1462", DATE)]), properties='<workbookPr date1904="1"/>')
    manifest, rows, _ = take(tmp_path, data)
    assert [row["d"] for row in rows] == ["1904-01-01", "1908-01-02"]
    assert manifest.dialect["date_system"] == 1904


def test_a_number_that_is_no_day_stays_a_number(tmp_path):
    manifest, rows, _ = take(tmp_path, book(grid(["d"], [("-1", DATE)], [("2958466", DATE)])))
    assert rows == [{"d": -1}, {"d": 2958466}]
    assert types(manifest) == {"d": "integer"}


def test_truth_values_and_dates_as_text(tmp_path):
    iso = '<c t="d"><v>2025-01-02</v></c>'
    manifest, rows, _ = take(tmp_path, book(grid(["b", "d"], [True, iso], [False, iso])))
    assert rows == [{"b": True, "d": "2025-01-02"}, {"b": False, "d": "2025-01-02"}]
    assert types(manifest) == {"b": "boolean", "d": "date"}


def test_kinds_that_mix_make_text_and_name_the_cell(tmp_path):
    error = '<c t="e"><f>1/0</f><v>#DIV/0!</v></c>'
    manifest, rows, _ = take(tmp_path, book(grid(["a", "b"], [501, 1.5], ["00501", 2], [None, error])))
    assert rows == [{"a": "501", "b": "1.5"}, {"a": "00501", "b": "2"}, {"a": None, "b": "#DIV/0!"}]
    assert types(manifest) == {"a": "text", "b": "text"}
    assert column(manifest, "a").reason == "cell A3 holds the text '00501' after numbers, so every cell is kept as text"
    assert column(manifest, "b").counter_example == {"row": 3, "line": 4, "value": "#DIV/0!"}


def test_a_formula_without_a_stored_value_is_null_and_counted(tmp_path):
    rows = grid(["a", "b"], ["<c><f>1+1</f><v>2</v></c>", "<c><f>NOW()</f></c>"], [3, 4])
    manifest, got, _ = take(tmp_path, book(rows))
    assert got == [{"a": 2, "b": None}, {"a": 3, "b": 4}]
    assert "1 formulas have no stored value and are null, the first in B2" in manifest.detected_because


def test_a_formula_that_gives_an_empty_text_does_not_make_numbers_text(tmp_path):
    empty = '<c t="str"><f>""</f><v></v></c>'
    manifest, rows, _ = take(tmp_path, book(grid(["n", "t"], [1, "x"], [empty, empty], [2, "y"])))
    assert [row["n"] for row in rows[:1]] == [1]
    assert types(manifest) == {"n": "integer", "t": "text"}
    assert len(rows) == 2  # a row of nothing but empty texts looks empty, and is


def test_what_lies_around_the_table_is_left_out_and_noted(tmp_path):
    sheet = (
        f'<worksheet {MAIN}><cols><col min="3" max="4" hidden="1"/></cols><sheetData>'
        + grid(["a", "b"], [1, 2], [None, None], [3, 4], first=5, left=3).replace('r="6"', 'r="6" hidden="1"', 1)
        + '</sheetData><mergeCells><mergeCell ref="C6:D6"/></mergeCells></worksheet>'
    )
    manifest, rows, _ = take(tmp_path, book(sheet))
    assert rows == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    assert manifest.dialect["first_row"] == 5
    assert manifest.detected_because[-4:] == [
        "5 empty rows are not records",
        "1 hidden rows and 2 hidden columns are read, too",
        "1 merged areas have their value in their first cell; the others are null",
        "2 empty columns before the first filled one are left out",
    ]


def test_cells_outside_of_the_first_rows_widen_the_table_on_both_sides(tmp_path, monkeypatch):
    from fluvial.engine import sheet_table

    monkeypatch.setattr(sheet_table, "SAMPLE_ROWS", 2)
    rows = [[None, "b", None], [None, 1, None], [None, 2, None], [None, 3, 'q"'], ["left", 4, None], [None, 5, None]]
    for part_rows in (2, 100):
        manifest, got, _ = take(tmp_path, book(grid(*rows)), limits={"part_rows": part_rows})
        assert [list(row.values()) for row in got] == [
            [None, 1, None], [None, 2, None], [None, 3, 'q"'], ["left", 4, None], [None, 5, None],
        ]  # fmt: skip
        assert list(types(manifest)) == ["column_1", "b", "column_3"]


@pytest.mark.parametrize(
    ("rows", "header"),
    [
        ([["a", "b"], ["x", 1]], True),
        ([["a", "b"], ["x", "y"]], True),
        ([["a", "a"], ["x", "y"]], False),
        ([["a", None], ["x", "y"]], False),
        ([[None, "n"], ["x", 1]], True),
        ([[1, 2], [3, 4]], False),
        ([["2024", "2025"], [3, 4]], True),
        ([["a", 1], ["b", 2]], False),
    ],
)
def test_a_header_is_told_by_the_kinds_below_it(tmp_path, rows, header):
    manifest, got, _ = take(tmp_path, book(grid(*rows)))
    assert manifest.dialect["header"] is header
    assert len(got) == 2 - header


def test_the_caller_can_say_where_the_header_is(tmp_path):
    data = book(grid(["Report of 2025"], ["a", "b"], [1, 2]))
    assert take(tmp_path, data, skip_lines=1)[1] == [{"a": 1, "b": 2}]
    assert len(take(tmp_path, data, header=False)[1]) == 3
    assert list(take(tmp_path, data, header=True)[1][0]) == ["Report of 2025", "column_2"]


def test_words_for_nothing_are_null_where_the_caller_says_so(tmp_path):
    manifest, rows, _ = take(tmp_path, book(grid(["n"], [1], ["n/a"], [3])), null_tokens=("n/a",))
    assert rows == [{"n": 1}, {"n": None}, {"n": 3}]
    assert types(manifest) == {"n": "integer"}


def test_the_first_visible_sheet_with_cells_is_read_unless_one_is_named(tmp_path):
    data = book(
        ("Secret", "hidden", grid(["h"], [1])), ("Empty", "visible", grid([None])), ("Data", "visible", grid(["a"], [2])),
        ("More", "veryHidden", grid(["m"], [3])),
    )  # fmt: skip
    manifest, rows, _ = take(tmp_path, data)
    assert rows == [{"a": 2}]
    assert manifest.dialect["sheet"] == "Data"
    assert manifest.dialect["sheets"] == ["Secret", "Empty", "Data", "More"]
    assert take(tmp_path, data, sheet="Secret")[1] == take(tmp_path, data, sheet=1)[1] == [{"h": 1}]
    assert take(tmp_path, data, sheet="4")[1] == [{"m": 3}]
    assert refused(tmp_path, data, sheet="Dta") == (
        "The workbook has no sheet 'Dta'; its sheets are 'Secret', 'Empty', 'Data', 'More'."
    )
    assert refused(tmp_path, data, sheet=5).startswith("The workbook has no sheet '5'")
    assert refused(tmp_path, data, sheet="Empty") == "Sheet 'Empty' of the workbook has no filled cells."


def test_rows_that_cannot_be_loaded_are_rejected_with_their_row(tmp_path):
    rows = grid(["a"], ["ok"], ["x_x0000_y"], ["_xD83D_"], ["_xD83D__xDE00_"], ["long" * 9])
    _, got, rejected = take(tmp_path, book(rows), limits={"cell_bytes": 30})
    assert got == [{"a": "ok"}, {"a": "😀"}]
    assert [(one["line"], one["cause"]) for one in rejected] == [
        (3, "a text with a NUL character"), (4, "a text with half of a surrogate pair"), (6, "a cell of more than 30 bytes"),
    ]  # fmt: skip


def test_cells_without_references_and_with_prefixes_are_read(tmp_path):
    sheet = (
        '<x:worksheet xmlns:x="m"><x:sheetData><x:row><x:c t="str"><x:v>a</x:v></x:c><x:c t="str"><x:v>b</x:v></x:c></x:row>'
        "<x:row><x:c><x:v>1</x:v></x:c><x:c><x:v>2</x:v></x:c></x:row></x:sheetData></x:worksheet>"
    )
    data = book("", extra={"xl/worksheets/s1.xml": sheet})
    assert take(tmp_path, data)[1] == [{"a": 1, "b": 2}]


def test_a_workbook_in_a_container_is_read(tmp_path):
    data = book(grid(["a"], [1]))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("t.xlsx", data)
    for packed, compression in ((gzip.compress(data), "gzip"), (zipped.getvalue(), "zip")):
        manifest, rows, _ = take(tmp_path, packed)
        assert rows == [{"a": 1}]
        assert (manifest.format, manifest.compression) == ("xlsx", compression)


CELLS = st.one_of(
    st.none(),
    st.integers(-(10**15), 10**15),
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), min_size=1, max_size=8).filter(
        lambda text: "_x" not in text and not text.startswith(("=", "<c"))
    ),
    st.dates(date(1950, 1, 1), date(2100, 1, 1)),
    # openpyxl writes 16 digits.
    st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0).filter(
        lambda number: float(f"{number:.16g}") == number
    ),
    st.booleans(),
)  # fmt: skip


def as_text(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value == int(value) and abs(value) < 1e16:
        return str(int(value))
    return None if value is None else str(value)


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=8)))
def test_any_table_that_openpyxl_writes_comes_back(tmp_path, cells):
    wanted = [row for row in cells if any(cell is not None for cell in row)]
    written = openpyxl.Workbook()
    for y, row in enumerate(cells, 1):
        for x, value in enumerate(row, 1):
            if value is not None:
                written.active.cell(y, x, value)
    written.save(tmp_path / "w.xlsx")
    data = (tmp_path / "w.xlsx").read_bytes()
    if not wanted:
        assert refused(tmp_path, data) == "No visible sheet of the workbook has filled cells."
        return
    manifest, rows, _ = take(tmp_path, data, header=False)
    left = min(x for row in wanted for x, cell in enumerate(row) if cell is not None)
    right = max(x for row in wanted for x, cell in enumerate(row) if cell is not None)
    for row, written_row in zip(rows, wanted, strict=True):
        for one, value in zip(manifest.columns, written_row[left : right + 1], strict=True):
            assert same(as_text(row[one.name]), as_text(value)), (one, row, value)


def same(got: str | None, wanted: str | None) -> bool:
    """Equal, or the same number: openpyxl's spelling of floats is not ours."""
    if got == wanted:
        return True
    with contextlib.suppress(ValueError, TypeError):
        return float(got) == float(wanted)
    return False


def test_moments_that_openpyxl_writes_come_back(tmp_path):
    written = openpyxl.Workbook()
    moments = [datetime(2000, 1, 1) + timedelta(seconds=977_531 * n) for n in range(500)]
    clocks = [time(n % 24, n % 60, n * 7 % 60) for n in range(500)]
    for moment, clock in zip(moments, clocks, strict=True):
        written.active.append([moment, clock])
    written.save(tmp_path / "w.xlsx")
    manifest, rows, _ = take(tmp_path, (tmp_path / "w.xlsx").read_bytes())
    assert [row["column_1"] for row in rows] == [moment.isoformat() for moment in moments]
    assert [row["column_2"] for row in rows] == [clock.isoformat() for clock in clocks]
    assert types(manifest) == {"column_1": "timestamp", "column_2": "time"}


def test_types_that_the_caller_says_hold_for_cells_of_a_sheet(tmp_path):
    rows = [
        ["code", "n", "day", "share"],
        ["007", "1", (45_000, DATE), 1],
        ["x", "2,5", (45_001, DATE), 0.5],
        [8, 3, "soon", 2],
    ]
    said = {"code": "integer", "n": "text", "day": "date", "share": "decimal(5,2)"}
    manifest, got, rejected = take(tmp_path, book(grid(*rows, [9, "", None, 0.25])), types=said)
    assert got == [
        {"code": 7, "n": "1", "day": "2023-03-15", "share": "1.00"},
        {"code": 9, "n": "", "day": None, "share": "0.25"},
    ]
    assert {column.name: column.type for column in manifest.columns} == said
    assert [(one["line"], one["column"], one["cause"]) for one in rejected] == [
        (3, 1, "'x' is no integer, which the caller said 'code' is"),
        (4, 3, "'soon' is no date, which the caller said 'day' is"),
    ]
