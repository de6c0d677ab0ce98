"""What detection makes of delimited text: where the table begins, what divides it, and what it says about that."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvial.engine.ingest import ingest
from fluvial.engine.manifest import Manifest
from fluvial.engine.rows import locate, read_page, read_rejects

SLOW = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))


def take(tmp: Path, data: bytes | str) -> tuple[Manifest, list[list[object]], list[int]]:
    """The manifest, the rows as lists, and the lines of the rejects."""
    out = Path(tempfile.mkdtemp(dir=tmp))
    source = tmp / "source"
    source.write_bytes(data if isinstance(data, bytes) else data.encode())
    manifest = ingest(source, out, filename="t.csv", threads=1)
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert manifest.rows + manifest.rejected == manifest.source_rows
    rows = read_page([(out / p.file, s, t) for p, s, t in locate(manifest, 0, manifest.rows)], manifest.columns)
    rejected = read_rejects(out / "rejects.ndjson", 0, 10**6) if manifest.rejected else []
    return manifest, [list(row.values()) for row in rows], [int(str(one["line"])) for one in rejected]


def names(manifest: Manifest) -> list[str]:
    return [column.name for column in manifest.columns]


def said(manifest: Manifest, words: str) -> bool:
    return any(words in reason for reason in manifest.detected_because)


@pytest.mark.parametrize(
    ("above", "skipped"),
    [
        ("Sales of 2024\n", 1),
        ("Sales of 2024\n\n", 2),
        ("Report\nby: the office, room 4\n\nin euro\n", 4),
        ("Sales,,,\n", 1),
        ("Sales,,,\nof the year,,,\n", 2),
        ('"Sales, of 2024"\r\n', 1),
    ],
)
def test_lines_above_the_table_are_no_part_of_it_and_are_quoted(tmp_path, above, skipped):
    manifest, rows, _ = take(tmp_path, above + "id,name,city,n\n1,Anna,Oslo,5\n2,Ben,Lyon,6\n3,Cy,Bonn,7\n")
    assert names(manifest) == ["id", "name", "city", "n"]
    assert rows[0] == [1, "Anna", "Oslo", 5]
    assert (manifest.source_rows, manifest.dialect["skip_lines"]) == (3, skipped)
    assert said(manifest, "records that stand above the table")


def test_a_record_that_lost_a_delimiter_is_no_title(tmp_path):
    manifest, _, rejected = take(tmp_path, "1,2,a b\n3,4,5,c\n6,7,8,d\n9,9,9,e\n")
    assert (manifest.rows, rejected) == (3, [1])


def test_excels_first_line_names_the_delimiter(tmp_path):
    manifest, rows, _ = take(tmp_path, "sep=;\r\na;b,c\r\n1;2,5\r\n")
    assert (names(manifest), rows) == (["a", "b,c"], [[1, "2.5"]])
    assert said(manifest, "as Excel writes it")


def test_notes_below_the_table_are_rejected_with_their_lines(tmp_path):
    _, rows, rejected = take(tmp_path, "a,b,c\n1,2,3\n4,5,6\n\nSource: the register\n")
    assert (rows, rejected) == ([[1, 2, 3], [4, 5, 6]], [5])


def test_lines_with_a_hash_and_another_width_are_comments(tmp_path):
    manifest, rows, rejected = take(tmp_path, "# made, by, hand\na,b\n1,x\n# until here\n2,y\n")
    assert (rows, rejected, manifest.source_rows) == ([[1, "x"], [2, "y"]], [], 2)
    assert manifest.dialect["comment"] == "#"
    assert "2 comment lines are not records" in manifest.detected_because


def test_a_line_with_a_hash_that_is_a_record_keeps_all_of_them_records(tmp_path):
    manifest, rows, rejected = take(tmp_path, "a,b\n#1,x\n#2\n3,y\n")
    assert (rows, rejected) == ([["#1", "x"], ["3", "y"]], [3])
    assert "comment" not in manifest.dialect


@pytest.mark.parametrize(
    ("data", "header"),
    [
        ("country,2019,2020\nNL,5,6\nDE,7,8\n", True),
        ("name,from,to\nNL,2019,2020\nDE,2018,2021\n", True),
        ("NL,2019,2020\nDE,2018,2021\nFR,2017,2019\n", False),
        ("id,1,2,3\na,9,9,9\nb,8,8,8\n", True),
        ("code,x\n007,a\n008,b\n", True),
        ("red,big\nblue,small\nred,small\n", False),
        ("a,b\n1,2\n1,3\n", True),
        ("time,note\n10:20,x\n10:30,y\n", True),
    ],
)
def test_a_header_is_told_from_a_record(tmp_path, data, header):
    assert take(tmp_path, data)[0].dialect["header"] is header


def test_a_possible_second_line_of_the_header_is_noted_and_kept(tmp_path):
    manifest, rows, _ = take(tmp_path, "weight,name\nkg,first\n5,a\n6,b\n7,c\n")
    assert rows[0] == ["kg", "first"]
    assert said(manifest, "may be its second line, as 'kg' stands over numbers")


@pytest.mark.parametrize(
    ("header", "expected", "words"),
    [
        ("a,b", ["a", "b", "column_3"], "1 cells fewer"),
        ("a,b,c,", ["a", "b", "c"], "more than the records"),
        ("a,,b,c", ["a", "b", "c"], "1 empty cells more"),
        ("a,b,c,d", ["a", "b", "c"], "which are no names: 'd'"),
    ],
)
def test_a_header_of_another_width_still_names_the_columns(tmp_path, header, expected, words):
    manifest, rows, rejected = take(tmp_path, header + "\n" + "".join(f"{at},x{at},z\n" for at in range(5, 15)))
    assert (names(manifest), len(rows), rejected) == (expected, 10, [])
    assert said(manifest, words)


def test_labels_of_rows_as_r_writes_them_shift_the_header(tmp_path):
    manifest, rows, _ = take(tmp_path, '"x","y"\n"1",5,a\n"2",6,b\n"3",7,c\n')
    assert (names(manifest), rows[0]) == (["column_1", "x", "y"], [1, 5, "a"])


@pytest.mark.parametrize("header", ["a,b,", "a,b", "a,b,,,"])
def test_a_last_column_without_name_and_cells_is_left_out(tmp_path, header):
    end = ",,," if header.endswith(",,,") else ","
    manifest, rows, _ = take(tmp_path, header + "\n" + f"1,x{end}\n" * 2000)
    assert (names(manifest), rows[0], len(rows)) == (["a", "b"], [1, "x"], 2000)
    assert said(manifest, "is left out")


def test_a_last_column_without_name_that_has_a_late_cell_stays(tmp_path):
    manifest, rows, _ = take(tmp_path, "a,b,\n" + "1,x,\n" * 3000 + "1,x,late\n")
    assert names(manifest) == ["a", "b", "column_3"]
    assert rows[-1] == [1, "x", "late"]


@pytest.mark.parametrize(
    ("data", "delimiter"),
    [
        ("a^b^c\n1^2,5^x\n2^3,5^y\n", "^"),
        ("a~b\n1~x, y\n2~z\n", "~"),
        ("user:uid:home\nroot:0:/root\nanna:1000:/home\n", ":"),
        ("x y z\n1 2 a\n3 4 b\n", " "),
        ('a, b\n1, "x, y"\n2, "z"\n', ", "),
        ("id;v\n1;1,5\n2;2,5\n", ";"),
        ("t\n10:20\n11:30\n", None),
        ("at\n2025-01-02 10:20:00\n2025-01-02 10:21:00\n", None),
        ("name\nAnna Smith\nBen Jones\n", None),
        ("10:00 INFO started\n10:01 WARN low\n", None),
        ("Hello, world.\nIt has, well, commas.\nNo table\n", None),
    ],
)
def test_a_delimiter_is_found_only_where_it_is_sure(tmp_path, data, delimiter):
    manifest, _, _ = take(tmp_path, data)
    assert manifest.dialect["delimiter"] == delimiter, manifest.detected_because
    assert manifest.rejected == 0


ROWS = [["id", "name", "day"], ["1", "Anna", "2024-01-02"], ["2", "Ben", "2024-02-03"], ["3", "Cy", "2024-03-04"]]


@pytest.mark.parametrize("delimiter", ["||", ";;", "\t\t", ",,", " | ", " ; ", "; ", "║", "→", "·", "•"])
def test_a_delimiter_may_be_doubled_spaced_or_a_symbol(tmp_path, delimiter):
    manifest, rows, rejected = take(tmp_path, "".join(delimiter.join(row) + "\n" for row in ROWS))
    assert manifest.dialect["delimiter"] == delimiter
    assert names(manifest) == ROWS[0]
    assert rows == [[int(first), *rest] for first, *rest in ROWS[1:]]
    assert not rejected


@pytest.mark.parametrize(
    "data",
    ["a;;b\n1;;2\n3;4;5\n6;7;8\n", "a||b\n1||2\n3|4|5\n", "name·s\nx·1·2\ny\nz\n", "a | b\n1 |2\n3 | 4\n"],
)
def test_a_delimiter_is_doubled_spaced_or_a_symbol_only_without_exception(tmp_path, data):
    assert take(tmp_path, data)[0].dialect["delimiter"] in (";", "|", None)


def test_a_backtick_is_a_quote_where_whole_columns_are_in_it(tmp_path):
    manifest, rows, rejected = take(tmp_path, "id,name\n1,`a, b`\n2,`c`\n3,`e, f`\n")
    assert (manifest.dialect["quote"], rows, rejected) == ("`", [[1, "a, b"], [2, "c"], [3, "e, f"]], [])
    manifest, rows, _ = take(tmp_path, "id,name\n1,`a`\n2,c\n3,e\n")
    assert (manifest.dialect["quote"], rows[0]) == ('"', [1, "`a`"])


@pytest.mark.parametrize("quoted", [False, True])
def test_a_line_of_spaces_is_blank_in_a_table_of_several_columns(tmp_path, quoted):
    cell = '"x"' if quoted else "x"
    manifest, rows, rejected = take(tmp_path, f"a,b\n1,{cell}\n  \n2,{cell}\n \n")
    assert (rows, rejected) == ([[1, "x"], [2, "x"]], [])
    assert said(manifest, "2 blank lines are not records")
    assert take(tmp_path, "name\nx\n  \ny\n")[1] == [["x"], ["  "], ["y"]]


def test_a_few_control_characters_do_not_make_a_small_table_a_binary_file(tmp_path):
    assert take(tmp_path, "a,b\n\x02\x03,1\n\x0b,2\n")[1] == [["\x02\x03", 1], ["\x0b", 2]]


def test_the_other_delimiters_and_types_are_named_with_what_speaks_against_them(tmp_path):
    manifest, _, _ = take(tmp_path, "a;b\n1;x,y\n2;z\n3,5;z\n")
    assert manifest.alternatives == [{"delimiter": ",", "quote": '"', "columns": 2, "fits": 0.5}]
    assert manifest.columns[0].alternatives[0] == {
        "type": "integer",
        "format": None,
        "counter_example": {"row": 3, "line": 4, "value": "3,5"},
    }


@pytest.mark.parametrize(
    ("cells", "type_"),
    [
        (["1,50", "2,25"], "decimal(18,2)"),
        (["-0,5", "12,5"], "decimal(18,1)"),
        (["1,500", "2,250"], "text"),
        (["1.234,56", "2,25"], "text"),
        (["1,50", "2"], "text"),
        (["1,50", "2.50"], "text"),
        (["-0,00", "1,00"], "text"),
    ],
)
def test_a_decimal_comma_is_one_where_it_divides_nothing_else(tmp_path, cells, type_):
    manifest, rows, _ = take(tmp_path, "v;n\n" + "".join(f"{cell};x\n" for cell in cells * 600))
    column = manifest.columns[0]
    assert (column.type, column.format) == (type_, "decimal comma" if type_ != "text" else None), column.reason
    assert [str(row[0]).replace(".", ",") if type_ != "text" else row[0] for row in rows[:2]] == cells


def test_a_second_mark_before_the_header_is_no_part_of_its_name_and_one_within_is_noted(tmp_path):
    manifest, rows, _ = take(tmp_path, "\ufeff\ufeffa,b\n1,x\n\ufeff2,y\n")
    assert names(manifest) == ["a", "b"]
    assert rows[1] == ["\ufeff2", "y"]
    assert said(manifest, "were files joined?")


SAFE = st.one_of(
    st.integers(-99999, 99999).map(str), st.dates().map(str), st.text("abcdefgh é'\"\n,;|\t", min_size=1, max_size=9)
)


@SLOW
@given(
    cells=st.lists(st.lists(SAFE, min_size=3, max_size=3), min_size=4, max_size=12),
    delimiter=st.sampled_from(",;|\t^~"),
    above=st.sampled_from(["", "A title\n", "A title\n\nmade by hand\n"]),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_every_cell_of_a_table_in_quotes_comes_back_under_any_title(tmp_path, cells, delimiter, above, ending):
    table = [["first", "second", "third"], *cells]
    quoted = [[f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row] for row in table]
    manifest, rows, rejected = take(tmp_path, above + "".join(delimiter.join(row) + ending for row in quoted))
    assert names(manifest) == table[0]
    assert [[str(cell) for cell in row] for row in rows] == cells
    assert rejected == []
