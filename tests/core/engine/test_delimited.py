# ruff: noqa: SIM905 (a list of cells reads best as words)
"""Delimited text: nothing is lost, nothing is changed, and every record is accounted for."""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
import json
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvial.engine.ingest import ingest
from fluvial.engine.limits import Limits
from fluvial.engine.manifest import Column, Manifest
from fluvial.engine.rows import locate, read_page, read_rejects
from fluvial.errors import UnreadableFileError

SLOW = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))


def take(
    tmp: Path, data: bytes | str, *, fmt: str | None = None, **limits: int
) -> tuple[Manifest, list[dict[str, object]]]:
    """Ingest these bytes in a fresh directory, with the manifest through JSON and all rows."""
    out = Path(tempfile.mkdtemp(dir=tmp))
    source = tmp / "source"
    source.write_bytes(data if isinstance(data, bytes) else data.encode())
    manifest = ingest(source, out, filename="t.csv", format=fmt, limits=Limits(**limits), threads=1)
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert manifest.rows + manifest.rejected == manifest.source_rows
    left = {path.name for path in out.iterdir()}
    assert left == {part.file for part in manifest.parts} | ({"rejects.ndjson"} if manifest.rejected else set())
    take.out = out  # type: ignore[attr-defined]
    return manifest, page(manifest, out, 0, manifest.rows)


def page(manifest: Manifest, out: Path, offset: int, limit: int) -> list[dict[str, object]]:
    return read_page([(out / p.file, s, t) for p, s, t in locate(manifest, offset, limit)], manifest.columns)


def rejects(manifest: Manifest) -> list[dict[str, object]]:
    return read_rejects(take.out / "rejects.ndjson", 0, 10**6) if manifest.rejected else []  # type: ignore[attr-defined]


def types(manifest: Manifest) -> dict[str, str]:
    return {column.name: column.type for column in manifest.columns}


def witness(column: Column) -> tuple[int, str] | None:
    found = column.counter_example
    return (found["row"], found["value"]) if found else None


def text(value: object, type_: str, format_: str | None) -> str | None:
    """A JSON-ready value as its source wrote it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(format_).split("/")[0 if value else 1]
    if isinstance(value, float):
        return repr(value).removesuffix(".0") if format_ else repr(value)
    return str(value)


def originals(manifest: Manifest, rows: list[dict[str, object]]) -> list[list[str | None]]:
    return [[text(row[c.name], c.type, c.format) for c in manifest.columns] for row in rows]


CELLS = st.one_of(
    st.sampled_from(
        "007 +5 1e5 1.50 1.5 -0 -0.0 0 1 12 NaN inf NULL N/A - true True TRUE false yes no 1,000 03/04/2025 13/04/2025 "
        "04/13/2025 2025-01-02 2025-02-30 2025-01-02T03:04:05Z 2025-01-02T03:04:05.120 10:20 9223372036854775807 "
        "9223372036854775808 123456789012345678901234567890123456789 1e+20 0.1 é 日本 infinity epoch #x \\N".split()
    ),
    st.sampled_from(
        [" 5", "5 ", "a,b", 'say "hi"', '"', '""', "a\nb", "a\r\nb", "a\rb", "a;b", "\tx", "'q'", "\ufeffx", "a|b"]
    ),
    st.integers(-(10**6), 10**6).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.dates().map(str),
    st.datetimes().map(lambda moment: moment.isoformat(timespec="seconds")),
    st.decimals(-1000, 1000, places=2).map(str),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=8),
)
COLUMN = st.one_of(
    st.tuples(st.just("same"), st.sampled_from(range(6))),
    st.tuples(st.just("any"), st.just(0)),
)
KINDS = [
    st.integers(-(2**63), 2**63 - 1).map(str),
    st.decimals(-1000, 1000, places=2).map(str),
    st.dates().map(str),
    st.booleans().map(lambda value: "true" if value else "false"),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.dates().map(lambda day: f"{day:%d/%m/}{day.year:04d}"),
]


@st.composite
def tables(draw: st.DrawFn) -> list[list[str | None]]:
    columns = draw(st.lists(COLUMN, min_size=1, max_size=4))
    rows = draw(st.integers(1, 30))
    made = []
    for kind, index in columns:
        cells = KINDS[index] if kind == "same" else CELLS
        made.append(draw(st.lists(st.one_of(cells, cells, cells, st.none()), min_size=rows, max_size=rows)))
    return [list(row) for row in zip(*made, strict=True)]


def write(table: list[list[str | None]], delimiter: str, ending: str, quoting: str) -> str:
    def cell(value: str | None) -> str:
        if value is None:
            return ""
        special = any(mark in value for mark in ('"', "\n", "\r", delimiter)) or value == ""
        return '"' + value.replace('"', '""') + '"' if special or quoting == "all" else value

    return "".join(delimiter.join(map(cell, row)) + ending for row in table)


@SLOW
@given(
    table=tables(),
    delimiter=st.sampled_from(",;\t|"),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from(["minimal", "all"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    packed=st.booleans(),
    part_rows=st.sampled_from([3, 1000]),
)
def test_every_cell_of_any_table_comes_back_in_any_dialect(
    tmp_path, table, delimiter, ending, quoting, encoding, packed, part_rows
):
    header = [f"name{number}" for number in range(len(table[0]))]
    data = write([header, *table], delimiter, ending, quoting).encode(encoding)
    manifest, rows = take(
        tmp_path, gzip.compress(data) if packed else data, fmt="csv" if delimiter != "\t" else None, part_rows=part_rows
    )
    width_one = len(header) == 1
    blank = [row for row in table if row == [None]]
    if width_one and manifest.dialect["delimiter"] is not None:
        return  # a column of "a;b" cells cannot be told from two columns
    assert manifest.dialect["header"] or rows
    got = originals(manifest, rows)
    expected = table if manifest.dialect["header"] else [header, *table]
    assert got == expected, (data, blank)
    assert manifest.rejected == 0
    assert manifest.source_rows == len(expected)
    assert len(manifest.parts) == -(-len(expected) // part_rows) or part_rows == 3
    assert page(manifest, take.out, 1, 2) == rows[1:3]


@SLOW
@given(data=st.binary(max_size=300))
def test_any_bytes_are_accounted_for_or_refused(tmp_path, data):
    with contextlib.suppress(UnreadableFileError):
        take(tmp_path, data)


@settings(SLOW, max_examples=60)
@given(
    pieces=st.lists(
        st.sampled_from(
            ['"', '""', ",", "\n", "\r", "\r\n", "a", "1", "é", "x,y\n", '1,"a"\n', "\n\n", '"a\nb",2\n', "\\"]
        ),
        max_size=60,
    ),
    line_bytes=st.sampled_from([30, 10_000]),
)
def test_any_arrangement_of_quotes_and_line_ends_is_accounted_for(tmp_path, pieces, line_bytes):
    data = "h1,h2\n1,2\n" + "".join(pieces)
    try:
        manifest, rows = take(tmp_path, data, part_rows=5, line_bytes=line_bytes)
    except UnreadableFileError:
        return
    assert len(rows) == manifest.rows
    assert len(rejects(manifest)) == manifest.rejected


@settings(SLOW, max_examples=40)
@given(
    pieces=st.lists(
        st.sampled_from(['"', '""', ",", "\n", "\r", "\r\n", "a", "x,y\n", '1,"a"\n', '"a\nb",2\n', '"a""b",\r\n']),
        max_size=40,
    ),
    seed=st.integers(0, 9),
)
def test_whole_blocks_and_single_records_are_read_alike(tmp_path, monkeypatch, pieces, seed):
    from fluvial.engine import records, sources

    data = "h1,h2\n1,2\n" + "".join(pieces)
    results = []
    for at_once, chunk in ((True, 10_000), (False, 10_000), (True, 3 + seed)):
        with monkeypatch.context() as patch:
            patch.setattr(sources, "CHUNK_BYTES", chunk)
            if not at_once:
                patch.setattr(records.RecordReader, "_at_once", lambda self, block: False)
            manifest, rows = take(tmp_path, data)
            results.append((rows, rejects(manifest), [witness(c) for c in manifest.columns], manifest.dialect))
    assert results[0] == results[1] == results[2]


def test_leading_zeros_stay_and_the_reason_names_the_row_and_line(tmp_path):
    manifest, rows = take(tmp_path, "code,n\n1,1\n007,2\n")
    assert types(manifest) == {"code": "text", "n": "integer"}
    assert [row["code"] for row in rows] == ["1", "007"]
    column = manifest.columns[0]
    assert column.counter_example == {"row": 2, "line": 3, "value": "007"}
    assert "leading zeros" in column.reason


def test_a_late_cell_that_does_not_fit_makes_its_column_text(tmp_path):
    data = "n,d\n" + "".join(f"{n},2025-01-{n % 28 + 1:02d}\n" for n in range(3000)) + "N/A,2025-01-01\n"
    manifest, rows = take(tmp_path, data, part_rows=700)
    assert types(manifest) == {"n": "text", "d": "date"}
    assert manifest.columns[0].counter_example == {"row": 3001, "line": 3002, "value": "N/A"}
    assert [row["n"] for row in rows] == [*map(str, range(3000)), "N/A"]
    assert len(manifest.parts) == 5


def test_a_column_that_is_empty_at_first_is_typed_by_what_follows(tmp_path):
    data = "a,b,c\n" + "1,,\n" * 1500 + "1,5,\n"
    manifest, rows = take(tmp_path, data)
    assert types(manifest) == {"a": "integer", "b": "integer", "c": "text"}
    assert manifest.columns[1].nulls == 1500
    assert manifest.columns[2].reason == "every cell is empty"
    assert rows[-1] == {"a": 1, "b": 5, "c": None}


def test_a_day_that_is_decided_late_decides_the_order_for_all(tmp_path):
    manifest, _ = take(tmp_path, "d,x\n" + "03/04/2025,1\n" * 1200 + "13/04/2025,1\n")
    assert manifest.columns[0].format == "%d/%m/%Y"
    manifest, _ = take(tmp_path, "d,x\n" + "03/04/2025,1\n" * 1200)
    assert manifest.columns[0].type == "text"


def test_ragged_rows_are_rejected_with_line_column_cause_and_text(tmp_path):
    manifest, rows = take(tmp_path, "a,b,c\n1,2,3\n4,5\n6,7,8,9\n\n10,11,12\n")
    assert [list(row.values()) for row in rows] == [[1, 2, 3], [10, 11, 12]]
    assert rejects(manifest) == [
        {"line": 3, "column": 2, "cause": "too few cells: 2 where 3 were expected", "raw": "4,5"},
        {"line": 4, "column": 4, "cause": "too many cells: 4 where 3 were expected", "raw": "6,7,8,9"},
    ]
    assert "1 blank lines are not records" in manifest.detected_because


def test_a_quote_that_is_never_closed_costs_its_line_only(tmp_path):
    manifest, rows = take(tmp_path, 'a,b\n1,x\n2,"open\n3,y\n4,z\n')
    assert [row["a"] for row in rows] == [1, 3, 4]
    assert rejects(manifest) == [{"line": 3, "column": 2, "cause": "a quote that is never closed", "raw": '2,"open'}]


def test_text_behind_a_closing_quote_is_rejected(tmp_path):
    manifest, rows = take(tmp_path, 'a,b\n1,"x"y\n2,"z"\n')
    assert [row["a"] for row in rows] == [2]
    assert [(r["line"], r["column"], r["raw"]) for r in rejects(manifest)] == [(2, 2, '1,"x"y')]


def test_a_quote_inside_a_bare_cell_is_a_character(tmp_path):
    _, rows = take(tmp_path, 'size,n\n5" pipe,1\n6",2\n')
    assert [row["size"] for row in rows] == ['5" pipe', '6"']


def test_quoted_and_bare_empty_cells_stay_apart_in_text(tmp_path):
    manifest, rows = take(tmp_path, 'a,b,c\nx,1,\n"",,""\n,2,\n')
    assert [row["a"] for row in rows] == ["x", "", None]
    assert types(manifest) == {"a": "text", "b": "integer", "c": "text"}
    assert [row["c"] for row in rows] == [None, "", None]


def test_quoted_empty_cells_are_null_where_all_empties_are_quoted(tmp_path):
    manifest, rows = take(tmp_path, '"n","d"\n"1","2025-01-02"\n"",""\n')
    assert types(manifest) == {"n": "integer", "d": "date"}
    assert rows[1] == {"n": None, "d": None}
    assert 'written "", are null' in manifest.columns[0].reason


def test_blank_lines_of_a_single_column_are_null_rows(tmp_path):
    _, rows = take(tmp_path, "n\n1\n\n3\n")
    assert rows == [{"n": 1}, {"n": None}, {"n": 3}]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_all_three_line_ends_end_records(tmp_path, ending):
    manifest, rows = take(tmp_path, ending.join(["a,b", "1,2", '3,"x\ny"', ""]))
    assert rows == [{"a": 1, "b": "2"}, {"a": 3, "b": "x\ny"}]
    assert manifest.dialect["line_ending"] == ending


def test_mixed_line_ends_all_count(tmp_path):
    manifest, rows = take(tmp_path, "a,b\r\n1,2\n3,4\r5,6")
    assert rows == [{"a": 1, "b": 2}, {"a": 3, "b": 4}, {"a": 5, "b": 6}]
    assert manifest.dialect["line_ending"] == "mixed"


def test_comment_like_lines_are_rows(tmp_path):
    _, rows = take(tmp_path, "a,b\n#1,2\n3,4\n")
    assert rows[0] == {"a": "#1", "b": 2}


def test_a_byte_order_mark_inside_the_data_stays(tmp_path):
    _, rows = take(tmp_path, "a,b\nx,1\n\ufeffy,2\n", part_rows=1)
    assert [row["a"] for row in rows] == ["x", "\ufeffy"]


def test_duplicate_names_are_renamed_and_said_so(tmp_path):
    manifest, rows = take(tmp_path, "id,name,ID,name,,name_2\n1,a,2,b,3,c\n")
    assert [column.name for column in manifest.columns] == ["id", "name", "ID_2", "name_3", "column_5", "name_2"]
    assert "columns 1 and 3" in manifest.columns[2].reason
    assert list(rows[0].values()) == [1, "a", 2, "b", 3, "c"]


def test_a_file_without_header_gets_numbered_columns(tmp_path):
    manifest, rows = take(tmp_path, "1,x\n2,y\n")
    assert rows == [{"column_1": 1, "column_2": "x"}, {"column_1": 2, "column_2": "y"}]
    assert manifest.dialect["header"] is False


def test_windows_1252_is_read_where_no_line_is_utf8(tmp_path):
    manifest, rows = take(tmp_path, "naam,n\ncafé,1\n€uro,2\n".encode("cp1252"))
    assert manifest.encoding == "windows-1252"
    assert [row["naam"] for row in rows] == ["café", "€uro"]
    assert any("line 2, byte 4" in one for one in manifest.detected_because)


def test_a_single_broken_line_of_utf8_is_rejected_not_mangled(tmp_path):
    manifest, rows = take(tmp_path, "naam,n\ncafé,1\n".encode() + b"caf\xe9,2\nx,3\n")
    assert manifest.encoding == "utf-8"
    assert [row["n"] for row in rows] == [1, 3]
    assert [(r["line"], r["column"], r["raw"]) for r in rejects(manifest)] == [(3, 1, "caf\\xe9,2")]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_with_its_mark_is_read(tmp_path, encoding):
    mark = codecs.BOM_UTF16_LE if encoding.endswith("le") else codecs.BOM_UTF16_BE
    manifest, rows = take(tmp_path, mark + "a;b\né;1\n".encode(encoding))
    assert rows == [{"a": "é", "b": 1}]
    assert manifest.encoding == encoding


def test_other_quotes_and_escapes_are_found(tmp_path):
    _, rows = take(tmp_path, 'a,b\n1,"say \\"hi\\", ok"\n2,"b"\n')
    assert rows[0] == {"a": 1, "b": 'say "hi", ok'}
    manifest, rows = take(tmp_path, "a,b\n1,'x, y'\n2,'z'\n")
    assert rows[0] == {"a": 1, "b": "x, y"}
    assert manifest.dialect["quote"] == "'"


def test_order_is_kept_over_many_parts_and_pages(tmp_path):
    data = "n,s\n" + "".join(f'{n},"row\n{n}"\n' if n % 7 == 0 else f"{n},row {n}\n" for n in range(20_000))
    manifest, rows = take(tmp_path, data, part_rows=3000)
    assert [row["n"] for row in rows] == list(range(20_000))
    assert [part.first_row for part in manifest.parts] == [
        sum(p.rows for p in manifest.parts[:i]) for i in range(len(manifest.parts))
    ]
    assert all(part.rows <= 3000 for part in manifest.parts)
    for offset in (0, 2999, 3000, 8_999, 19_990):
        assert [row["n"] for row in page(manifest, take.out, offset, 25)] == list(
            range(offset, min(offset + 25, 20_000))
        )


def test_the_same_bytes_give_the_same_manifest(tmp_path):
    data = "a,b\n1,x\n2,y\n3\n"
    assert take(tmp_path, data)[0] == take(tmp_path, data)[0]


def test_rows_read_are_the_rows_of_pythons_csv_reader(tmp_path):
    made = random.Random(5)
    table = [
        [str(made.random()), made.choice(["a,b", 'x"y', "p\nq", "plain", "é"]), str(made.randrange(99))]
        for _ in range(500)
    ]
    file = io.StringIO()
    csv.writer(file).writerows([["f", "t", "n"], *table])
    manifest, rows = take(tmp_path, file.getvalue(), part_rows=64)
    assert originals(manifest, rows) == list(csv.reader(io.StringIO(file.getvalue())))[1:]


def test_rejects_can_be_paged(tmp_path):
    take(tmp_path, "a,b\n" + "1,2\n3\n" * 10)
    lines = [reject["line"] for reject in read_rejects(take.out / "rejects.ndjson", 2, 3)]
    assert lines == [7, 9, 11]
    assert json.loads((take.out / "rejects.ndjson").read_text().splitlines()[0])["raw"] == "3"


def test_a_character_that_divides_few_lines_is_no_delimiter(tmp_path: Path) -> None:
    lines = ["prose without anything"] * 8 + ["here; a semicolon", "and; another"]
    manifest, rows = take(tmp_path, "\n".join(["note", *lines]))
    assert manifest.rejected == 0
    assert rows == [{"note": line} for line in lines]
