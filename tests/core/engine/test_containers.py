# ruff: noqa: E501 (documents and sentences stay whole)
"""Files in other files: gzip, zip and zstd are unpacked, and what only looks like them costs no memory."""

from __future__ import annotations

import gzip
import io
import os
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from fluvial.engine.containers import zstd
from fluvial.engine.ingest import ingest
from fluvial.engine.limits import Limits
from fluvial.engine.rows import locate, read_page
from fluvial.errors import UnreadableFileError

CSV = b"a,b\n" + b"".join(b"%d,x%d\n" % (n, n * 7919) for n in range(20_000))
ROWS = [{"a": n, "b": f"x{n * 7919}"} for n in range(20_000)]
MIB = 1024 * 1024


def take(tmp: Path, data: bytes, **limits: int):
    out = Path(tempfile.mkdtemp(dir=tmp))
    (tmp / "source").write_bytes(data)
    manifest = ingest(tmp / "source", out, filename="t", limits=Limits(**limits), threads=1)
    return manifest, read_page(
        [(out / p.file, s, t) for p, s, t in locate(manifest, 0, manifest.rows)], manifest.columns
    )


def refused(tmp: Path, data: bytes, **limits: int) -> str:
    with pytest.raises(UnreadableFileError) as caught:
        take(tmp, data, **limits)
    return str(caught.value)


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


class Pipe(io.BytesIO):
    """A file that cannot seek, so that zipfile writes sizes behind the data."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


def streamed() -> bytes:
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", CSV)
    return pipe.getvalue()


def of_64_bits() -> bytes:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("t.csv", "w", force_zip64=True) as file,
    ):
        file.write(CSV)
    return out.getvalue()


ZIP, ZSTD = zipped(("t.csv", CSV)), zstd.compress(CSV, options={zstd.CompressionParameter.checksum_flag: 1})
SKIPPED = b"\x52\x2a\x4d\x18" + struct.pack("<I", 5) + b"hello"


@pytest.mark.parametrize(
    ("data", "compression"),
    [
        (gzip.compress(CSV), "gzip"),
        (ZIP, "zip"),
        (zipped(("t.csv", CSV), method=zipfile.ZIP_STORED), "zip"),
        (zipped(("d/", b""), ("__MACOSX/d/._t.csv", b"x"), ("d/t.csv", CSV), ("d/.DS_Store", b"x")), "zip"),
        (streamed(), "zip"),
        (of_64_bits(), "zip"),
        (ZSTD, "zstd"),
        (zstd.compress(CSV[:1000]) + SKIPPED + zstd.compress(CSV[1000:]), "zstd"),
        (SKIPPED + ZSTD, "zstd"),
    ],
    ids=["gzip", "zip", "stored", "macos", "descriptor", "zip64", "zstd", "frames", "skippable"],
)  # fmt: skip
def test_a_file_in_a_container_is_read_as_itself(tmp_path, data, compression):
    manifest, rows = take(tmp_path, data)
    assert rows == ROWS
    assert (manifest.compression, manifest.format, manifest.source_bytes) == (compression, "csv", len(data))


def forged(data: bytes, *, size: int | None = None, crc: int | None = None, flags: int | None = None) -> bytes:
    """A ZIP file with other values in its directory."""
    changed = bytearray(data)
    at = data.rindex(b"PK\x01\x02")
    for place, value, form in ((24, size, "<I"), (16, crc, "<I"), (8, flags, "<H")):
        if value is not None:
            struct.pack_into(form, changed, at + place, value)
    return bytes(changed)


MANY = zipped(*((f"{n}.csv", b"a,b\n") for n in range(7)))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (MANY, "The ZIP file has 7 files in it: '0.csv', '1.csv', '2.csv', '3.csv', '4.csv' and 2 more; send one file at a time."),
        (zipped(("d/", b"")), "The ZIP file has no file in it."),
        (zipped(), "The ZIP file has no file in it."),
        (forged(ZIP, flags=1), "'t.csv' in the ZIP file is protected by a password; send it without one."),
        (forged(ZIP, size=1000), "'t.csv' in the ZIP file is longer than the archive says; make and send the file again."),
        (forged(ZIP, size=10**6), "'t.csv' in the ZIP file is damaged: its bytes are not those that were packed; make"),
        (forged(ZIP, crc=1), "'t.csv' in the ZIP file is damaged: its bytes are not those that were packed; make"),
        (zipped(("t.csv", CSV), method=zipfile.ZIP_BZIP2), "'t.csv' in the ZIP file is compressed with bzip2, which is not read"),
        (ZIP[:-30], "The ZIP file is damaged, cut off or one of several volumes"),
        (ZIP[:2000], "The ZIP file is damaged, cut off or one of several volumes"),
        (ZSTD[:-9], "The zstd file is cut off before its end; compress and send it again."),
        (ZSTD[:9000] + b"\xff" * 99 + ZSTD[9099:], "The zstd file is damaged; compress and send it again."),
        (ZSTD + b"more", "The zstd file is damaged; compress and send it again."),
        (b"\x28\xb5\x2f\xfd....", "The zstd file is damaged; compress and send it again."),
        (gzip.compress(gzip.compress(CSV)), "The file is packed twice: in it is a gzip file; unpack it once."),
        (zipped(("t.zst", ZSTD)), "The file is packed twice: in it is a zstd file; unpack it once."),
        (gzip.compress(ZIP), "The file is a ZIP archive in another container; unpack it once."),
        (gzip.compress(b"", mtime=0), "The file is empty: nothing is left when it is unpacked."),
        (zipped(("t.csv", b"")), "The file is empty: nothing is left when it is unpacked."),
    ],
)  # fmt: skip
def test_what_cannot_be_unpacked_is_refused_with_a_sentence(tmp_path, data, sentence):
    assert refused(tmp_path, data).startswith(sentence)


def test_a_window_of_gigabytes_is_refused(tmp_path):
    options = {zstd.CompressionParameter.window_log: 30, zstd.CompressionParameter.enable_long_distance_matching: 1}
    packer = zstd.ZstdCompressor(options=options)
    data = packer.compress(CSV) + packer.flush()
    assert refused(tmp_path, data).startswith("The zstd file looks back over more than 128 MiB")


def bomb(kind: str) -> bytes:
    """A small file that says, or hides, gigabytes."""
    block = b"1,2\n" * (MIB // 4)
    if kind == "zstd":
        packer = zstd.ZstdCompressor()
        return b"".join(packer.compress(block) for _ in range(400)) + packer.flush()
    out = io.BytesIO()
    name = (
        "t.csv"
        if kind in ("zip", "lying zip")
        else "xl/sharedStrings.xml"
        if kind == "strings"
        else "xl/worksheets/s1.xml"
    )
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        if not kind.endswith("zip"):
            for part, content in workbook(kind).items():
                archive.writestr(part, content)
        if kind not in ("rows", "columns", "entity", "repeat", "members"):
            with archive.open(name, "w") as file:
                for _ in range(400):
                    file.write(block)
        if kind == "members":
            for n in range(40_000):
                archive.writestr(f"{n:060d}", b"")
    data = out.getvalue()
    return forged(data, size=1000) if kind == "lying zip" else data


def workbook(kind: str) -> dict[str, str]:
    rel = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    parts = {
        "[Content_Types].xml": "<Types/>",
        "xl/workbook.xml": f'<workbook xmlns:r="{rel}"><sheets><sheet name="S" r:id="a"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<R><Relationship Id="a" Type="{rel}/worksheet" Target="worksheets/s1.xml"/>'
        f'<Relationship Id="b" Type="{rel}/sharedStrings" Target="sharedStrings.xml"/></R>',
    }
    row = '<c t="s"><v>0</v></c>' * 1000
    sheets = {
        "strings": '<sheetData><row><c t="s"><v>0</v></c></row></sheetData>',
        "rows": '<dimension ref="A1:XFD1048576"/><sheetData><row r="4000000000"><c><v>1</v></c></row></sheetData>',
        "columns": '<sheetData><row r="1"><c r="ZZZZZZZ1"><v>1</v></c></row></sheetData>',
        "entity": "<sheetData/>",
        "repeat": f"<sheetData>{f'<row>{row}</row>' * 200}</sheetData>",
    }
    doctype = '<!DOCTYPE x [<!ENTITY a "b">]>' if kind == "entity" else ""
    if kind in sheets:
        parts["xl/worksheets/s1.xml"] = f"{doctype}<worksheet>{sheets[kind]}</worksheet>"
    if kind == "repeat":
        parts["xl/sharedStrings.xml"] = f"<sst><si><t>{'x' * 7000}</t></si></sst>"
    return parts


REFUSED_IN_A_BOX = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (512 * 1024 * 1024,) * 2)
from fluvial.engine.ingest import ingest
from fluvial.errors import UnreadableFileError
try:
    ingest(Path(sys.argv[1]), Path(sys.argv[2]), filename="t")
except UnreadableFileError as error:
    print(error)
used = resource.getrusage(resource.RUSAGE_SELF)
print(f"{used.ru_utime + used.ru_stime:.1f} s, {used.ru_maxrss // 1024} MB", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("zip", "The zip file unpacks to more than 200 times its size"),
        ("lying zip", "'t.csv' in the ZIP file is longer than the archive says"),
        ("zstd", "The zstd file unpacks to more than 200 times its size"),
        ("sheet", "The workbook's part 'xl/worksheets/s1.xml' unpacks to more than 200 times its size"),
        ("strings", "The workbook's part 'xl/sharedStrings.xml' unpacks to more than 200 times its size"),
        ("rows", "row '4000000000' comes after row 0; rows count upwards to 1048576."),
        ("columns", "cell 'ZZZZZZZ1' lies beyond column XFD, the last there is."),
        ("entity", "it has a document type, which Office never writes."),
        ("repeat", "The cells of the workbook are more than 200 times as large as its file"),
        ("members", "The ZIP file's list of members is longer than 4 MiB."),
    ],
)
def test_bombs_are_refused_in_bounded_memory(tmp_path, kind, sentence):
    source = tmp_path / "bomb"
    source.write_bytes(bomb(kind))
    assert source.stat().st_size < 16 * MIB
    found = subprocess.run(
        [sys.executable, "-c", REFUSED_IN_A_BOX, source, tmp_path / "out"],
        env=os.environ | {"PYTHONPATH": "layers/core/python"}, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert sentence in found.stdout, found
