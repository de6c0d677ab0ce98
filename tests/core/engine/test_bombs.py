# ruff: noqa: E501 (documents stay whole)
"""Files that unfold to more than they look: refused with a reason, in a process that may have 512 MB."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1024 * 1024
MOST_MB = 512
CORE = Path(__file__).resolve().parents[3] / "layers" / "core" / "python"
# As the worker reads a file; prints the reason and the most memory that it ever had.
WORKER = """
import resource, sys
from pathlib import Path
def peak_mb():
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 * 1024)
    # The maximum resident set that Linux reports begins with that of the process before exec.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))
from fluvial.engine.ingest import ingest
from fluvial.errors import InvalidError
try:
    ingest(Path(sys.argv[1]), Path(sys.argv[2]), filename="bomb")
except InvalidError as error:
    print(peak_mb())
    print(error)
"""


def packed(members: dict[str, tuple[bytes, int]]) -> bytes:
    """A ZIP file of members that are each a beginning and so many MiB of spaces."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, (start, size_mib) in members.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(start)
                for _ in range(size_mib):
                    member.write(b" " * MIB)
    return out.getvalue()


def workbook(size_mib: int) -> bytes:
    main = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    relation = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    sheet = b'<sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>'
    return packed({
        "[Content_Types].xml": (b"<Types/>", 0),
        "_rels/.rels": (b'<R><Relationship Id="m" Type="%s/officeDocument" Target="xl/workbook.xml"/></R>' % relation, 0),
        "xl/workbook.xml": (b'<workbook %s xmlns:r="%s">%s' % (main, relation, sheet), 0),
        "xl/_rels/workbook.xml.rels": (
            b'<R><Relationship Id="r1" Type="%s/worksheet" Target="worksheets/s.xml"/></R>' % relation, 0
        ),
        "xl/worksheets/s.xml": (b"<worksheet %s><sheetData>" % main, size_mib),
    })  # fmt: skip


def gzipped(size_mib: int) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as file:
        file.write(b"a,b\n")
        for _ in range(size_mib):
            file.write(b"1,2\n" * (MIB // 4))
    return out.getvalue()


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "gzip": (lambda: gzipped(400), "The gzip file unpacks to more than 200 times its size"),
    "zip": (lambda: packed({"t.csv": (b"a,b\n", 1024)}), "The zip file unpacks to more than 200 times its size"),
    "zstd": (lambda: zstd.compress(b"1,2\n" * (100 * MIB)), "The zstd file unpacks to more than 200 times its size"),
    "workbook": (lambda: workbook(1024), "unpacks to more than 200 times its size"),
    "columns": (lambda: b",".join(b"c%d" % n for n in range(20_000)) + b"\n" + b"1," * 19_999 + b"1\n", "20000 columns"),
    "columns of JSON": (lambda: b"[{" + b",".join(b'"c%d":1' % n for n in range(20_000)) + b"}]", "more than 2000 columns"),
    "columns of XML": (
        lambda: b"<r>" + (b"<x>" + b"".join(b"<c%d/>" % n for n in range(19_000)) + b"</x>") * 2 + b"</r>",
        "more than 2000 columns",
    ),
    "a line": (lambda: b"a,b\n" + b"x" * (100 * MIB), "Line 2 is longer than 8 MiB"),
    "a quoted line": (lambda: b'a,b\n1,"' + b"x" * (100 * MIB), "Line 2 is longer than 8 MiB"),
    "a line alone": (lambda: b"x" * (100 * MIB), "Line 1 is longer than 8 MiB"),
    "a line of JSON": (lambda: b'{"a":1}\n{"a":"' + b"x" * (100 * MIB), "Line 2"),
    "a JSON text": (lambda: b'[{"a":"' + b"x" * (100 * MIB) + b'"}]', "64 MiB"),
    "an XML tag": (lambda: b"<r><x>1</x><x a='" + b"x" * (100 * MIB) + b"'/></r>", "a tag of more than 8 MiB"),
    "an XML text": (lambda: b"<r><x>1</x><x>" + b"x" * (100 * MIB) + b"</x></r>", "a record needs more than 64 MiB"),
    "depth of XML": (lambda: b"<a>" * (4 * MIB), "more than 256 deep"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_with_a_reason_in_little_memory(tmp_path, name):
    make, reason = BOMBS[name]
    (tmp_path / "bomb").write_bytes(make())
    command = [sys.executable, "-c", WORKER, str(tmp_path / "bomb"), str(tmp_path / "out")]
    done = subprocess.run(command, env={"PYTHONPATH": str(CORE)}, capture_output=True, text=True, check=True)
    peak_mb, _, said = done.stdout.partition("\n")
    assert reason in said
    assert int(peak_mb) < MOST_MB
    assert list((tmp_path / "out").iterdir()) == []
