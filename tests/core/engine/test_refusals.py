# ruff: noqa: E501 (sentences are compared whole)
"""Files in which no table can be found get a sentence that their owner can act on, and leave nothing behind but rejects."""

from __future__ import annotations

import gzip
import io
import time
import zipfile
import zlib

import pytest

from fluvial.engine.ingest import AllRejectedError, ingest
from fluvial.engine.limits import Limits
from fluvial.engine.rows import read_rejects
from fluvial.engine.tables import REJECTS_FILE
from fluvial.errors import UnreadableFileError


def refused(tmp_path, data: bytes, *, fmt: str | None = None, **limits: int) -> str:
    source, out = tmp_path / "source", tmp_path / "out"
    source.write_bytes(data)
    with pytest.raises(UnreadableFileError) as caught:
        ingest(source, out, filename="t.csv", format=fmt, limits=Limits(**limits))
    kept = [REJECTS_FILE] if isinstance(caught.value, AllRejectedError) else []
    assert [path.name for path in out.iterdir()] == kept
    assert caught.value.field == "file"
    return str(caught.value)


def package(name: str = "x", first: str = "[Content_Types].xml") -> bytes:
    """An Office package with two parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(first, "")
        archive.writestr(name, "")
    return out.getvalue()


def test_a_file_of_which_every_record_is_rejected_keeps_them_and_what_it_was_read_as(tmp_path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.write_bytes(b'id;n\n1;"a" b\n2;"c" d\n')
    with pytest.raises(AllRejectedError) as caught:
        ingest(source, out, filename="t.csv")
    manifest = caught.value.manifest
    assert ([column.name for column in manifest.columns], manifest.parts) == (["id", "n"], [])
    assert (manifest.rows, manifest.rejected, manifest.source_rows) == (0, 2, 2)
    assert (manifest.dialect or {})["delimiter"] == ";"
    found = read_rejects(out / str(manifest.rejects_file), 0, 9)
    assert [(each["line"], each["raw"]) for each in found] == [(2, '1;"a" b'), (3, '2;"c" d')]


PACKED = gzip.compress(b"a,b\n" + b"1,2\n" * 50_000, mtime=0)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty: it has no bytes."),
        (gzip.compress(b"", mtime=0), "The file is empty: nothing is left when it is unpacked."),
        (b"\n \n", "The file has no rows: it holds nothing but blank space."),
        (b"name,age\n", "The file has a header but no rows."),
        (b"\xef\xbb\xbfname,age", "The file has a header but no rows."),
        (b"a,b\n1,x\n2,y\0z\n", "Line 3 contains a NUL byte, which text never has; save the file as plain text in UTF-8."),
        (bytes(range(256)) * 20, "The file is binary, not a table in text form; export it as CSV."),
        (b"\x7fELF" + b"\x02\0\0\0\0\0\0>A" * 100, "The file is binary, not a table in text form; export it as CSV."),
        ("a,b\n1,2\n".encode("utf-16-le"), "The file looks like UTF-16 without a byte order mark; save it as UTF-8."),
        ("a,b\n1,2\n".encode("utf-32"), "The file is written in UTF-32; save it as UTF-8."),
        (b"PK\x03\x04....", "The ZIP file is damaged, cut off or one of several volumes: its list of members cannot be read."),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600 + "Workbook".encode("utf-16-le"), "The file is an old Excel workbook (XLS), which is not read; save it as XLSX or CSV."),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"), "The file is protected by a password; save it without one."),
        (package("xl/workbook.bin"), "The file is a binary workbook (XLSB), which is not read; save it as XLSX or CSV."),
        (package("word/document.xml"), "The file is a Word document, not a table; save the table as XLSX or CSV."),
        (package(first="mimetype"), "The file is an OpenDocument file (such as ODS), which is not read; save it as XLSX or CSV."),
        (package("xl/styles.xml"), "The workbook is damaged: its part 'xl/workbook.xml' is missing."),
        (b'<?xml version="1.0"?><a>', "The XML is broken at line 1, column 25: no element found."),
        (b"<!DOCTYPE html><html>", "The file is a web page (HTML), which is not read; export it as CSV."),
        (PACKED[:-20], "The gzip file is cut off before its end; compress and send it again."),
        (PACKED[:200] + b"\xff" * 20 + PACKED[220:], "The gzip file is damaged; compress and send it again."),
        (PACKED[:-8] + b"\0" * 8, "The gzip file is damaged; compress and send it again."),
        (b"PAR1 nothing", "The Parquet file is cut off: it does not end with the mark PAR1. Write and send it again."),
        (b"PAR1" + b"x" * 40 + b"PAR1", "The Parquet file's footer cannot be read; the file is damaged. Write and send it again."),
        (b'[{"a": 1}, {"a" 2}]', "The JSON is broken at line 1, column 17"),
        (b'[{"a": 1},\n {"a": tru}]', "The JSON is broken at line 2, column 8: expecting value"),
        (b'[{"a": 1}', "The JSON is broken at line 1, column 10: the file ends between two records."),
        (b'[{"a": 1}] x', "The JSON is broken at line 1, column 12: there is more after the end of the document."),
        (b'[{"a": NaN}]', "The JSON is broken at line 1, column 2: NaN is not JSON."),
        (b"[]", "The file has no rows."),
        (b"[1, 2]", "None of the 2 records of the file can be loaded"),
        (b'[{"a": "\xff"}]', "Line 1 of the JSON is not UTF-8 (byte 0xff); save the file as UTF-8."),
        (b"[" * 100_000, "The JSON is broken at line 1, column 2: values are nested too deeply."),
        (b'{"a": [1, 2], "b": [3]}', "The JSON is an object of lists whose lengths or names do not agree"),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_no_table_is_refused_with_a_sentence(tmp_path, data, sentence):
    assert refused(tmp_path, data).startswith(sentence)


@pytest.mark.parametrize(
    ("fmt", "data", "sentence"),
    [
        ("json", b"a,b\n1,2\n", "sent as JSON but its bytes are delimited text"),
        ("csv", b'[{"a": 1}]', "sent as CSV but its bytes are one JSON document"),
        ("csv", b'{"a": 1}\n{"a": 2}\n', "sent as CSV but its bytes are JSON with one value per line"),
        ("parquet", b"a,b\n1,2\n", "sent as PARQUET but its bytes are delimited text"),
        ("csv", b"PAR1....PAR1", "sent as CSV but its bytes are Parquet"),
        ("json", b'{"a": 1}\n{"a": 2}\n', "sent as JSON but its bytes are JSON with one value per line"),
        ("xlsx", b"a,b\n1,2\n", "sent as XLSX but its bytes are delimited text"),
        ("csv", b"<r><a>1</a></r>", "sent as CSV but its bytes are XML"),
        ("csv", package(), "sent as CSV but its bytes are an Office package"),
        ("ods", b"a,b\n1,2\n", "'ods' is not a format that is read here"),
    ],
)
def test_a_format_that_the_bytes_contradict_is_refused(tmp_path, fmt, data, sentence):
    assert sentence in refused(tmp_path, data, fmt=fmt)


def test_more_columns_than_allowed_are_refused(tmp_path):
    wide = b",".join(b"c%d" % number for number in range(11)) + b"\n" + b",".join([b"1"] * 11) + b"\n"
    assert refused(tmp_path, wide, columns=10) == "The file has 11 columns; at most 10 are read."
    assert "more than 2 columns" in refused(tmp_path, b'[{"a":1,"b":2,"c":3}]', columns=2)


def test_a_line_that_never_ends_is_refused(tmp_path):
    data = b"a,b\n1,2\n" + b"x" * 5000
    assert refused(tmp_path, data, line_bytes=1000).startswith("Line 3 is longer than 1000 bytes")


def test_a_gzip_bomb_is_found_while_unpacking(tmp_path):
    packer = zlib.compressobj(9, wbits=31)
    packed = (
        packer.compress(b"a,b\n") + b"".join(packer.compress(b"1,2\n" * 262_144) for _ in range(80)) + packer.flush()
    )
    started = time.process_time()
    assert "unpacks to more than 200 times its size" in refused(tmp_path, packed)
    assert time.process_time() - started < 2


def test_an_unpacked_size_over_the_limit_is_refused(tmp_path):
    assert "larger than 0.0953674 MiB when unpacked" in refused(tmp_path, PACKED, unpacked_bytes=100_000)


def test_a_file_whose_every_record_is_rejected_is_refused_with_the_first_cause(tmp_path):
    sentence = refused(tmp_path, b'a,b\n"x"y,1\n"x"z,2\n')
    assert sentence.startswith("None of the 2 records of the file can be loaded: line 2 has text between")


def test_a_two_thousand_column_file_is_read(tmp_path):
    (tmp_path / "s").write_bytes(b",".join(b"c%d" % n for n in range(2000)) + b"\n" + b",".join([b"1"] * 2000) + b"\n")
    manifest = ingest(tmp_path / "s", tmp_path / "out", filename="s")
    assert {column.type for column in manifest.columns} == {"integer"}
