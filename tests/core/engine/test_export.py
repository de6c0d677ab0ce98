"""Files of rows: what was in the source comes back, and no row is lost."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvial import exports, selections
from fluvial.engine import export as engine
from fluvial.engine import worksheet
from fluvial.engine.export import ExportFailedError, Job, export
from fluvial.engine.load import AccountingError, identifier
from fluvial.engine.manifest import Column
from fluvial.engine.types import decide
from fluvial.errors import InvalidError

Cells = list[str | None]


def made(folder: Path, columns: dict[str, Cells], part_rows: int = 2) -> tuple[list[Column], list[tuple[Path, int]]]:
    """Columns of source text as typed Parquet parts, by the rules of the ingest."""
    folder.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("CREATE TABLE t (r BIGINT, " + ", ".join(f"c{at} VARCHAR" for at in range(len(columns))) + ")")
    rows = list(zip(*columns.values(), strict=True))
    connection.executemany(
        f"INSERT INTO t VALUES (?, {', '.join('?' * len(columns))})", [(at, *row) for at, row in enumerate(rows)]
    )
    found, values = [], []
    for at, (name, cells) in enumerate(columns.items()):
        decision = decide(cells)
        found.append(Column(name, decision.type, "", decision.format))
        value = f"c{at}" if decision.candidate is None else decision.candidate.sql_value(f"c{at}")
        values.append(f"{value} AS {identifier(name)}")
    files = []
    for number, first in enumerate(range(0, len(rows), part_rows)):
        path = folder / f"{number:05d}.parquet"
        connection.execute(
            f"COPY (SELECT {', '.join(values)} FROM t WHERE r BETWEEN {first} AND {first + part_rows - 1} ORDER BY r) "
            f"TO '{path}' (FORMAT parquet)"
        )
        files.append((path, first))
    return found, files


def exported(
    tmp_path: Path, table: dict[str, Cells], format: str, title: str = "data.csv", **wanted: Any
) -> tuple[Path, int]:
    parts, out = tmp_path / "parts", tmp_path / "out"
    found, files = made(parts, table)
    out.mkdir()
    asked = {name: wanted.pop(name) for name in ("columns", "filter", "sort") if name in wanted}
    job = Job(
        parts=parts,
        columns=found,
        wanted=exports.parse(format=format, selection=selections.parse(asked), **wanted),
        title=title,
        file=out / f"data.{format}",
        timeout_seconds=60,
    )
    return job.file, export(iter(files), job)


def csv_records(text: str, delimiter: str = ",") -> list[list[str | None]]:
    """Records of CSV, None for a bare empty cell and "" for a quoted one: what the standard library does not tell."""
    records: list[list[str | None]] = []
    record: list[str | None] = []
    at = 0
    while at < len(text):
        if text[at] == '"':
            end, cell = at + 1, ""
            while text[end] != '"' or text[end + 1] == '"':
                cell += text[end]
                end += 2 if text[end] == '"' else 1
            record.append(cell)
            at = end + 1
        else:
            end = next(place for place in range(at, len(text)) if text[place] in (delimiter, "\n"))
            record.append(text[at:end] or None)
            at = end
        if text[at] == "\n":
            records.append(record)
            record = []
        elif text[at + 1] == "\n":
            record.append(None)
            records.append(record)
            record, at = [], at + 1
        at += 1
    return records


TEXT = st.none() | st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=6)
SPECIAL = st.none() | st.sampled_from(["", '"', '""', ",", ";", "\n", "\r\n", "=1+1", "-x", " a ", "'", "\t", 'ä\n"b"'])
KINDS = [
    TEXT,
    SPECIAL,
    st.none() | st.integers(-(2**63), 2**63 - 1).map(str),
    st.none() | st.decimals(-1000, 1000, places=2).map(lambda d: f"{d:.2f}").filter(lambda t: t != "-0.00"),
    st.none() | st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.none() | st.dates(date(1000, 1, 1)).map(lambda d: d.strftime("%d-%b-%Y")),
    st.none() | st.datetimes(datetime(1000, 1, 1)).map(lambda d: d.replace(microsecond=0).isoformat() + "+02:00"),
    st.none() | st.times().map(lambda t: t.isoformat(timespec="milliseconds")),
    st.none() | st.sampled_from(["yes", "no"]),
]


@st.composite
def tables(draw: Any) -> dict[str, Cells]:
    rows = draw(st.integers(1, 7))
    names = draw(
        st.lists(st.sampled_from(["a", "b,c", 'd"', "e\nf", "-g", "at", "ü"]), min_size=1, max_size=4, unique=True)
    )
    return {name: draw(st.lists(draw(st.sampled_from(KINDS)), min_size=rows, max_size=rows)) for name in names}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(columns=tables(), delimiter=st.sampled_from(exports.DELIMITERS))
def test_csv_has_each_cell_as_the_source_had_it(
    tmp_path_factory: pytest.TempPathFactory, columns: dict[str, Cells], delimiter: str
) -> None:
    file, rows = exported(tmp_path_factory.mktemp("x"), columns, "csv", delimiter=delimiter)
    # Empty cells of a typed column are null, however they were written.
    wanted = [
        cells if decide(cells).candidate is None else [cell or None for cell in cells] for cells in columns.values()
    ]
    records = [list(row) for row in zip(*wanted, strict=True)]
    assert rows == len(records)
    text = file.read_bytes().decode()
    if len(columns) == 1:
        # A null alone on its line is an empty line.
        assert text.count("\n") >= rows + 1
    assert csv_records(text, delimiter) == [list(columns), *records]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(columns=tables())
def test_ndjson_has_exact_numbers_and_text_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, columns: dict[str, Cells]
) -> None:
    file, rows = exported(tmp_path_factory.mktemp("x"), columns, "ndjson")
    lines = file.read_bytes().decode().split("\n")[:-1]
    found = [json.loads(line, parse_float=lambda text: ("number", text)) for line in lines]
    assert rows == len(found)
    for name, cells in columns.items():
        decision = decide(cells)
        for cell, record in zip(cells, found, strict=True):
            value = record[name]
            if cell is None or (cell == "" and decision.candidate is not None):
                assert value is None
            elif decision.type == "integer":
                assert value == int(cell)
            elif decision.type == "boolean":
                assert value is (cell == "yes")
            elif decision.type in ("float",) or decision.type.startswith("decimal"):
                assert value == ("number", cell) or value == int(cell)
            else:
                assert value == cell


COLUMNS: dict[str, Cells] = {
    "city": ["Bonn", "Kiel", None, "=SUM(A1)", "Ulm"],
    "n": ["5", "1", "3", "9007199254740993", "3"],
    "price": ["1.50", "2.25", None, "3.00", "12345678901234.56"],
    "day": ["2025-11-29", "1899-12-31", "1900-02-28", "1900-03-01", None],
    "at": ["2025-11-29T12:30:05", None, "1850-01-01T00:00:00", "2025-01-01T00:00:00", "2025-01-02T00:00:00"],
}


def test_columns_filter_and_sort_are_as_in_pages(tmp_path: Path) -> None:
    file, rows = exported(
        tmp_path,
        COLUMNS,
        "csv",
        columns=["n", "city"],
        filter=[{"column": "n", "operator": "le", "value": 5}],
        sort=[{"column": "n", "order": "desc"}],
    )
    assert (rows, file.read_text()) == (4, "n,city\n5,Bonn\n3,\n3,Ulm\n1,Kiel\n")


def test_parquet_keeps_the_types_and_the_order(tmp_path: Path) -> None:
    file, rows = exported(tmp_path, COLUMNS, "parquet")
    found = duckdb.connect().execute(f"SELECT * FROM '{file}'")
    assert [each[1].id for each in found.description] == ["varchar", "bigint", "decimal", "date", "timestamp"]
    assert rows == 5
    assert [row[1] for row in found.fetchall()] == [5, 1, 3, 9007199254740993, 3]


def test_a_worksheet_has_numbers_up_to_15_digits_dates_from_1900_and_text(tmp_path: Path) -> None:
    file, rows = exported(tmp_path, COLUMNS, "xlsx", title="Sales/2025: [all].csv")
    book = openpyxl.load_workbook(file)
    sheet = book.active
    assert (rows, sheet.title) == (5, "Sales 2025   all")
    day = datetime(2025, 11, 29)
    assert [[cell.value for cell in row] for row in sheet.rows] == [
        ["city", "n", "price", "day", "at"],
        ["Bonn", 5, 1.5, day, datetime(2025, 11, 29, 12, 30, 5)],
        ["Kiel", 1, 2.25, "1899-12-31", None],
        [None, 3, None, "1900-02-28", "1850-01-01T00:00:00"],
        ["=SUM(A1)", "9007199254740993", 3, datetime(1900, 3, 1), datetime(2025, 1, 1)],
        ["Ulm", 3, "12345678901234.56", None, datetime(2025, 1, 2)],
    ]
    # Text is text, also where it looks like a formula.
    assert (sheet["A5"].data_type, sheet["C2"].number_format) == ("s", "0.00")


def test_texts_that_are_formulas_are_made_harmless_only_where_that_is_asked_for(tmp_path: Path) -> None:
    texts: Cells = ["=1+1", "+1", "-1x", "@a", "\tb", "\rc", "d=", "", None]
    numbers: Cells = [str(-at) for at in range(1, 10)]
    columns = {"=t": texts, "n": numbers}
    plain, _ = exported(tmp_path / "plain", columns, "csv")
    assert [row[0] for row in csv_records(plain.read_bytes().decode())] == ["=t", *texts]
    safe, _ = exported(tmp_path / "safe", columns, "csv", neutralise_formulas=True)
    records = csv_records(safe.read_bytes().decode())
    assert [row[0] for row in records] == ["'=t", "'=1+1", "'+1", "'-1x", "'@a", "'\tb", "'\rc", "d=", "", None]
    assert [row[1] for row in records] == ["n", *numbers]


@pytest.mark.parametrize("format", exports.FORMATS)
def test_an_export_without_rows_is_a_file_without_rows(tmp_path: Path, format: str) -> None:
    nothing = [{"column": "n", "operator": "eq", "value": 77}]
    file, rows = exported(tmp_path / "parts", COLUMNS, format, filter=nothing)
    assert (rows, file.exists()) == (0, True)
    job = Job(
        tmp_path, [Column("n", "integer", "")], exports.parse(format=format, selection=selections.EVERYTHING), "t",
        tmp_path / f"none.{format}", 60,
    )  # fmt: skip
    assert (export(iter([]), job), job.file.exists()) == (0, True)


def test_rows_that_get_lost_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = engine._Source.rows
    monkeypatch.setattr(engine._Source, "rows", lambda self, outputs: itertools.islice(rows(self, outputs), 1))
    monkeypatch.setattr(engine, "FETCHED_ROWS", 1)
    with pytest.raises(AccountingError, match="rows were to be exported, but 1 were written"):
        exported(tmp_path, COLUMNS, "csv")


def test_more_rows_than_a_worksheet_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MAX_SHEET_ROWS", 4)
    with pytest.raises(InvalidError, match="A worksheet holds 4 rows below its header, and there are 5"):
        exported(tmp_path, COLUMNS, "xlsx", sort=[{"column": "n"}])


def test_a_text_that_no_cell_holds_is_refused_and_not_cut(tmp_path: Path) -> None:
    with pytest.raises(ExportFailedError, match="Row 2 has a text of 32768 characters in the column 't'"):
        exported(tmp_path, {"t": ["a", "b" * 32_768]}, "xlsx")


def test_a_file_that_grows_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MAX_FILE_BYTES", 20)
    with pytest.raises(ExportFailedError, match="more than 20 bytes"):
        exported(tmp_path, COLUMNS, "csv")


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("sales.csv", "sales"),
        ("a" * 40, "a" * 31),
        ("[]", "Data"),
        ("History", "Data"),
        ("'q'", "q"),
        ("😀" * 20, "😀" * 15),
    ],
)
def test_a_sheet_is_called_as_excel_allows(title: str, name: str) -> None:
    assert worksheet.sheet_name(title) == name


def test_floats_without_digits_are_spelled_as_in_rows(tmp_path: Path) -> None:
    path = tmp_path / "00000.parquet"
    duckdb.connect().execute(
        f"COPY (SELECT unnest(['nan', 'inf', '-inf', '1.5']::DOUBLE[]) AS f) TO '{path}' (FORMAT parquet)"
    )
    lines: dict[str, Sequence[str]] = {}
    for format in ("csv", "ndjson"):
        wanted = exports.parse(format=format, selection=selections.EVERYTHING)
        job = Job(tmp_path, [Column("f", "float", "")], wanted, "t", tmp_path / format / "x", 60)
        job.file.parent.mkdir()
        export(iter([(path, 0)]), job)
        lines[format] = job.file.read_text().splitlines()
    assert lines["csv"] == ["f", "NaN", "Infinity", "-Infinity", "1.5"]
    assert lines["ndjson"] == ['{"f":"NaN"}', '{"f":"Infinity"}', '{"f":"-Infinity"}', '{"f":1.5}']
