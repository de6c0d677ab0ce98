"""What the caller says about a file holds: for the dialect, the encoding and the types, and for nothing else."""

from __future__ import annotations

import contextlib
import re
import tempfile
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvial.engine import options as engine_options
from fluvial.engine.ingest import ingest
from fluvial.engine.manifest import Column, Manifest
from fluvial.engine.rows import locate, read_page, read_rejects
from fluvial.errors import InvalidError, UnreadableFileError
from fluvial.reading import ENCODINGS, Options, parse

SLOW = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))


class Read:
    """One ingest with options: the manifest, the rows, and what was rejected."""

    def __init__(self, tmp: Path, data: bytes | str, said: object) -> None:
        out = Path(tempfile.mkdtemp(dir=tmp))
        source = tmp / "source"
        source.write_bytes(data if isinstance(data, bytes) else data.encode())
        self.manifest = ingest(source, out, filename="t.csv", options=parse(said), threads=1)
        assert Manifest.from_json(self.manifest.to_json()) == self.manifest
        assert self.manifest.rows + self.manifest.rejected == self.manifest.source_rows
        parts = [(out / p.file, s, t) for p, s, t in locate(self.manifest, 0, self.manifest.rows)]
        self.rows = read_page(parts, self.manifest.columns)
        self.rejects = read_rejects(out / "rejects.ndjson", 0, 10**6) if self.manifest.rejected else []

    def column(self, name: str) -> Column:
        return next(column for column in self.manifest.columns if column.name == name)

    def values(self, name: str) -> list[object]:
        return [row[name] for row in self.rows]


def test_options_are_what_was_said_and_come_back_from_json():
    said = {
        "delimiter": "\\t", "quote": None, "escape": "\\", "encoding": "CP1252", "header": False, "skip_lines": 2,
        "comment": "#", "types": {"a": "Decimal(10, 2)", "b": "integer"}, "date_order": "DMY",
        "null_tokens": ["NA", "-"], "sheet": 2, "record": "row", "flatten": True, "format": "csv",
    }  # fmt: skip
    options = parse(said)
    assert options == Options(
        "csv", "\t", None, "\\", "windows-1252", False, 2, "#", {"a": "decimal(10,2)", "b": "integer"}, "dmy",
        ("NA", "-"), 2, "row", True,
    )  # fmt: skip
    assert parse(options.to_json()) == options
    assert Options().to_json() == {}
    assert parse(None) == parse({}) == Options()
    assert engine_options.Options is Options


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_every_encoding_that_is_named_is_known(encoding):
    assert "é".encode(ENCODINGS[encoding], "replace")
    assert parse({"encoding": encoding.upper()}).encoding == encoding


@pytest.mark.parametrize(
    ("said", "field", "allowed"),
    [
        ([], "options", "an object"),
        ({"delimeter": ","}, "options.delimeter", "one of format, delimiter"),
        ({"delimiter": ",,"}, "options.delimiter", "one printable character or a tab"),
        ({"delimiter": "\n"}, "options.delimiter", "one printable character or a tab"),
        ({"delimiter": None}, "options.delimiter", "one printable character or a tab"),
        ({"delimiter": ";", "quote": ";"}, "options.quote", "another character"),
        ({"quote": ""}, "options.quote", "null"),
        ({"escape": "ab"}, "options.escape", "doubled"),
        ({"encoding": "utf-7"}, "options.encoding", "shift_jis"),
        ({"encoding": "zip"}, "options.encoding", "shift_jis"),
        ({"header": "yes"}, "options.header", "true or false or null"),
        ({"skip_lines": -1}, "options.skip_lines", "from 0"),
        ({"skip_lines": True}, "options.skip_lines", "from 0"),
        ({"comment": ""}, "options.comment", "characters on one line"),
        ({"types": {"a": "int"}}, "options.types.a", "decimal(p,s)"),
        ({"types": {"a": "decimal(39,2)"}}, "options.types.a", "p up to 38"),
        ({"types": {"a": "decimal(3,4)"}}, "options.types.a", "s up to p"),
        ({"types": ["a"]}, "options.types", "an object"),
        ({"date_order": "ydm"}, "options.date_order", "ymd, dmy, mdy"),
        ({"null_tokens": "NA"}, "options.null_tokens", "a list"),
        ({"null_tokens": ["a", 1]}, "options.null_tokens.1", "characters on one line"),
        ({"format": "xls"}, "options.format", "parquet"),
        ({"sheet": 0}, "options.sheet", "its number from 1"),
        ({"flatten": None}, "options.flatten", "true or false"),
    ],
)
def test_a_wrong_option_is_refused_with_its_field_its_value_and_what_is_allowed(said, field, allowed):
    with pytest.raises(InvalidError) as caught:
        parse(said)
    assert caught.value.field == field
    assert allowed in str(caught.value.constraint)
    assert caught.value.value is not None or None in said.values()


NAMES = st.sampled_from(["delimiter", "quote", "types", "comment", "encoding", "x"])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
)


@given(ANY_JSON)
def test_any_json_is_options_or_is_refused(said):
    with contextlib.suppress(InvalidError):
        assert parse(parse(said).to_json()) == parse(said)


CELL = st.text(st.sampled_from("ab,;|\t'\"\\ \n\r#é01^"), min_size=1, max_size=6)


TABLE = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=8)
)


@st.composite
def dialects(draw: st.DrawFn) -> dict[str, object]:
    delimiter = draw(st.sampled_from([",", ";", "\t", "|", "^", ":", "é", "x"]))
    quote = draw(st.sampled_from(['"', "'", "`"]))
    return {"delimiter": delimiter, "quote": quote, "escape": draw(st.sampled_from(["doubled", "\\", "$"]))}


def written(table: list[list[str]], said: dict[str, object], ending: str) -> str:
    quote, escape = str(said["quote"]), str(said["escape"])

    def cell(text: str) -> str:
        if escape != "doubled":
            text = text.replace(escape, escape * 2)
        return quote + text.replace(quote, (quote if escape == "doubled" else escape) + quote) + quote

    return "".join(str(said["delimiter"]).join(map(cell, row)) + ending for row in table)


@SLOW
@given(
    table=TABLE,
    said=dialects(),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    skipped=st.integers(0, 2),
    encoding=st.sampled_from(["auto", "utf-16", "gb18030", "iso-8859-15"]),
)
def test_every_cell_comes_back_where_the_dialect_is_said(tmp_path, table, said, ending, skipped, encoding):
    said = said | {"header": False, "skip_lines": skipped, "encoding": encoding, "format": "csv"}
    said["types"] = {f"column_{number + 1}": "text" for number in range(len(table[0]))}
    data = f'"above {ending}' * skipped + written(table, said, ending)
    read = Read(tmp_path, data.encode("utf-8" if encoding == "auto" else encoding), said)
    assert [list(row.values()) for row in read.rows] == table
    assert read.manifest.rejected == 0


@SLOW
@given(data=st.binary(max_size=200), said=dialects(), encoding=st.sampled_from(["auto", "shift_jis", "windows-1252"]))
def test_any_bytes_are_accounted_for_with_any_dialect(tmp_path, data, said, encoding):
    with contextlib.suppress(UnreadableFileError):
        Read(tmp_path, b"a,b\n1,2\n" + data, {**said, "encoding": encoding, "null_tokens": ["a"], "comment": "#"})


PIECES = [
    "a",
    "NA",
    "#",
    "^",
    "\n",
    "\r\n",
    '"',
    '""',
    "x^NA\n",
    "NA^1\n",
    "#^2\n",
    "# c\n",
    '"a\nb"^NA\n',
    "\\",
    "\x1f",
    "'",
]


@settings(SLOW, max_examples=40)
@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=40),
    said=st.sampled_from(
        [{"comment": "#"}, {}, {"quote": "'"}, {"quote": None}, {"escape": "\\"}, {"types": {"h1": "integer"}}]
    ),
    delimiter=st.sampled_from(["^", "|"]),
)
def test_whole_blocks_and_single_records_are_read_alike_with_options(tmp_path, monkeypatch, pieces, said, delimiter):
    from fluvial.engine import records, sources

    data = ("h1^h2\n1^2\n" + "".join(pieces)).replace("^", delimiter)
    said = {**said, "delimiter": delimiter, "header": True, "null_tokens": ["NA"]}
    results = []
    for at_once, chunk in ((True, 10_000), (False, 10_000), (True, 5)):
        with monkeypatch.context() as patch:
            patch.setattr(sources, "CHUNK_BYTES", chunk)
            if not at_once:
                patch.setattr(records.RecordReader, "_at_once", lambda self, block: False)
            read = Read(tmp_path, data, said)
            results.append((read.rows, read.rejects, read.manifest.columns, read.manifest.detected_because))
    assert results[0] == results[1] == results[2]


@SLOW
@given(
    cells=st.lists(st.sampled_from(["1", "+2", "007", "x", "", "1.5", "9223372036854775808"]), min_size=1, max_size=30),
    type_=st.sampled_from(["integer", "decimal(6,2)", "float", "text"]),
)
def test_a_forced_type_rejects_records_and_leaves_the_other_columns_as_they_are(tmp_path, cells, type_):
    pattern = {
        "integer": r"[+-]?[0-9]{0,18}", "decimal(6,2)": r"[+-]?[0-9]{0,4}(\.[0-9]{1,2})?",
        "float": r"[+-]?[0-9]*(\.[0-9]+)?", "text": ".*",
    }[type_]  # fmt: skip
    good = [at for at, cell in enumerate(cells, 1) if re.fullmatch(pattern, cell)]
    data = "k,v,w\n" + "".join(f"{at},{cell},w{at}\n" for at, cell in enumerate(cells, 1))
    if not good:
        with pytest.raises(UnreadableFileError, match="None of the"):
            Read(tmp_path, data, {"types": {"v": type_}, "header": True})
        return
    read = Read(tmp_path, data, {"types": {"v": type_}, "header": True})
    assert read.column("v").type == type_
    assert read.values("k") == good
    assert read.values("w") == [f"w{at}" for at in good]
    assert [reject["line"] for reject in read.rejects] == [at + 1 for at in range(1, len(cells) + 1) if at not in good]
    assert {reject["column"] for reject in read.rejects} <= {2}
    alone = Read(tmp_path, "k,w\n" + "".join(f"{at},w{at}\n" for at in good), {"header": True})
    assert [alone.column(name).reason for name in "kw"] == [read.column(name).reason for name in "kw"]


@SLOW
@given(days=st.lists(st.dates(date(1900, 1, 1)), min_size=1, max_size=10), order=st.sampled_from(["dmy", "mdy"]))
def test_the_order_of_dates_that_was_said_is_the_one_that_is_read(tmp_path, days, order):
    shape = "%d/%m/%Y" if order == "dmy" else "%m/%d/%Y"
    data = "d,n\n" + "".join(f"{day.strftime(shape)},1\n" for day in days)
    read = Read(tmp_path, data, {"types": {"d": "date"}, "date_order": order, "header": True})
    assert (read.column("d").type, read.column("d").format) == ("date", shape)
    assert read.values("d") == [day.strftime(shape) for day in days]
    assert read.column("d").min == min(days).isoformat()
    assert "normalised" not in read.column("d").reason


@pytest.mark.parametrize(
    ("type_", "good", "bad", "values"),
    [
        ("integer", ["1", "007", "+5", "-0"], ["1.0", " 1", "1e3", "1,000", "9223372036854775808"], [1, 7, 5, 0]),
        ("decimal(5,2)", ["1.5", "2", ".25", "+3.10"], ["1.555", "1234.5", "x"], ["1.50", "2.00", "0.25", "3.10"]),
        ("float", ["1", "1e3", "-.5"], ["nan", "inf", "1,5", "1e999"], [1.0, 1000.0, -0.5]),
        ("boolean", ["yes", "N", "TRUE", "0"], ["2", "maybe"], [True, False, True, False]),
        ("date", ["2025-01-02", "2025/1/3", "20250104", "5 Mar 2025"], ["03/04/2025", "2025-02-30", "2025"],
         ["2025-01-02", "2025-01-03", "2025-01-04", "2025-03-05"]),
        ("timestamp", ["2025-01-02 10:20", "2025-01-02T10:20:30.5"], ["2025-01-02", "2025-01-02T10:20:30Z", "25:00"],
         ["2025-01-02T10:20:00.0", "2025-01-02T10:20:30.5"]),
        ("timestamp_tz", ["2025-01-02T10:20:30+02:00", "2025-01-02 10:20:30Z"], ["2025-01-02T10:20:30"],
         ["2025-01-02T10:20:30+02:00", "2025-01-02T12:20:30+02:00"]),
        ("time", ["9:05", "10:20:30"], ["24:00", "10:60", "10"], ["09:05:00", "10:20:30"]),
    ],
)  # fmt: skip
def test_a_forced_type_takes_its_spellings_and_rejects_the_rest_with_line_column_and_cause(
    tmp_path, type_, good, bad, values
):
    data = "n;v\n" + "".join(f"{at};{cell}\n" for at, cell in enumerate([*good, *bad]))
    data = data.replace(";", "\t")
    read = Read(tmp_path, data, {"types": {"v": type_}, "header": True})
    assert read.values("v")[: len(values)] == values or "1,5" in bad
    rejected = [reject for reject in read.rejects if reject["column"] == 2]
    expected = [cell for cell in bad if not (type_ == "float" and cell == "1,5")]
    assert [str(reject["raw"]).split("\t")[1] for reject in rejected] == expected
    assert all(f"is no {type_}, which the caller said 'v' is" in str(reject["cause"]) for reject in rejected)
    assert read.column("v").reason.startswith(f"the caller said {type_}; cells that were written in another way")


def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    with pytest.raises(InvalidError) as caught:
        Read(tmp_path, "a,b\n1,2\n", {"types": {"c": "integer"}})
    assert caught.value.field == "options.types.c"
    assert caught.value.constraint == "a, b"


def test_rejects_of_types_and_of_records_are_in_the_order_of_lines(tmp_path):
    read = Read(tmp_path, 'a,b\n1,2\nx,3\n4\n5,"y\nz"\nq,6\n7,8,9\n', {"types": {"a": "integer"}, "header": True})
    assert [(reject["line"], reject["column"]) for reject in read.rejects] == [(3, 1), (4, 1), (7, 1), (8, 3)]
    assert read.rejects[0]["raw"] == "x,3"
    assert read.values("b") == ["2", "y\nz"]


@pytest.mark.parametrize("type_", ["date", "time", "timestamp", "timestamp_tz", "float", "decimal(9,2)", "boolean"])
def test_a_forced_type_holds_of_a_column_without_values(tmp_path, type_):
    read = Read(tmp_path, '{"n": 1, "x": null}\n{"n": 2, "x": null}\n', {"types": {"x": type_}})
    assert read.rows == [{"n": 1, "x": None}, {"n": 2, "x": None}]
    assert read.column("x").type == type_


def test_forced_types_hold_in_json_too(tmp_path):
    read = Read(tmp_path, '{"a": "07", "b": 1}\n{"a": "x", "b": 2}\n{"a": null, "b": 3}\n', {"types": {"a": "integer"}})
    assert read.rows == [{"a": 7, "b": 1}, {"a": None, "b": 3}]
    assert [(reject["line"], reject["column"]) for reject in read.rejects] == [(2, 1)]


def test_types_are_refused_for_parquet_which_has_its_own(tmp_path):
    import duckdb

    duckdb.execute(f"COPY (SELECT 1 AS a) TO '{tmp_path}/x.parquet'")
    with pytest.raises(InvalidError, match="brings its own types"):
        Read(tmp_path, (tmp_path / "x.parquet").read_bytes(), {"types": {"a": "text"}})


def test_null_tokens_are_bare_whole_cells_and_are_counted(tmp_path):
    read = Read(tmp_path, 'n,s,t\n1,NA,"NA"\nNA,NAN,x\n3,-,"a\nb"\nNA,x,y\n', {"null_tokens": ["NA", "-"]})
    assert read.values("n") == [1, None, 3, None]
    assert read.values("s") == [None, "NAN", None, "x"]
    assert read.values("t") == ["NA", "x", "a\nb", "y"]
    assert read.column("n").reason.endswith("cells that are null because the caller said so: 2")


def test_an_ambiguous_date_follows_the_order_that_was_said_and_a_clear_one_does_not(tmp_path):
    data = "d,e,n\n01/02/2025,13/02/2025,1\n03/04/2025,03/04/2025,2\n"
    read = Read(tmp_path, data, {"date_order": "mdy"})
    assert (read.column("d").format, read.column("e").format) == ("%m/%d/%Y", "%d/%m/%Y")
    assert "the caller said mdy" in read.column("d").reason


def test_bytes_that_the_named_encoding_lacks_reject_their_record(tmp_path):
    read = Read(tmp_path, b"naam,n\n\x80uro,1\nb\x81d,2\nx,3\n", {"encoding": "windows-1252"})
    assert read.values("naam") == ["€uro", "x"]
    assert read.rejects == [
        {
            "line": 3,
            "column": 1,
            "cause": "bytes that are not windows-1252, from byte 2 of the record",
            "raw": "b\\x81d,2",
        }
    ]
    assert read.manifest.encoding == "windows-1252"
    assert "the caller said that the encoding is windows-1252" in read.manifest.detected_because


def test_a_dialect_that_was_said_is_marked_and_held_to(tmp_path):
    read = Read(tmp_path, "x;y\n// c\na;b,c\n1;2,3\n", {"delimiter": ",", "comment": "//", "header": False})
    assert read.manifest.dialect["delimiter"] == ","
    assert read.rows == [{"column_1": "a;b", "column_2": "c"}, {"column_1": "1;2", "column_2": "3"}]
    said = [reason for reason in read.manifest.detected_because if reason.startswith("the caller said")]
    assert said == [
        "the caller said that the delimiter is 'comma'",
        "the caller said that lines that start with '//' are comments",
        "the caller said that there is no header",
    ]


@pytest.mark.parametrize("quote", ['"', None])
def test_without_quotes_a_quote_is_a_character(tmp_path, quote):
    read = Read(tmp_path, 'n,s\n1,"x"\n2,y\n', {"quote": quote})
    assert read.values("s") == ["x" if quote else '"x"', "y"]


@pytest.mark.parametrize("delimiter", ["\x01", "\x1f", "\t", " "])
def test_a_delimiter_of_no_print_is_one_where_it_is_said(tmp_path, delimiter):
    read = Read(tmp_path, "a?b\n1?x,y\n2?z\n".replace("?", delimiter) * 30, {"delimiter": delimiter})
    assert read.rows[0] == {"a": "1", "b": "x,y"}
    assert read.manifest.rejected == 0


def test_skipped_lines_count_as_lines_of_the_file(tmp_path):
    read = Read(tmp_path, "one\r\ntwo\r\na,b\r\n1,2\r\n3\r\n", {"skip_lines": 2})
    assert read.rows == [{"a": 1, "b": 2}]
    assert read.rejects[0]["line"] == 5
