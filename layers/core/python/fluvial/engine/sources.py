"""The bytes of an uploaded file: unpacked, hashed and recognised, in bounded memory."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fluvial.engine.containers import (
    Gunzip,
    Member,
    Unpacker,
    Unzip,
    Unzstd,
    container_of,
    directory,
    is_package,
    only_member,
)
from fluvial.engine.json_text import shape_of
from fluvial.engine.limits import MIB, Limits
from fluvial.errors import UnreadableFileError

# Small enough to stay in a core's cache through all the passes over a block: half the time of 2 MiB.
CHUNK_BYTES = 256 * 1024
HEAD_BYTES = 1 * MIB
FORMATS = ("csv", "tsv", "json", "ndjson", "parquet", "xlsx", "xml")

# Containers that are recognised in order to say what to do instead.
_OTHER_KINDS = (
    (b"BZh", "is compressed with bzip2, which is not read; compress it with gzip"),
    (b"\xfd7zXZ", "is compressed with xz, which is not read; compress it with gzip"),
    (b"7z\xbc\xaf", "is a 7-Zip archive, which is not read; compress the file with gzip"),
    (b"PARE", "is an encrypted Parquet file, which is not read; write it without encryption"),
    (b"ORC", "is an ORC file, which is not read; write it as Parquet"),
    (b"Obj\x01", "is an Avro file, which is not read; write it as Parquet"),
    (b"%PDF", "is a PDF document, not a table; export the table as CSV"),
    (b"SQLite format 3", "is an SQLite database, which is not read; export the table as CSV"),
)
# So many control characters may also be in the cells of a table that is small.
FEW_CONTROLS = 8
_MARKUP = re.compile(rb"\s*<(\?xml|!doctype|html|[a-z_][\w:.-]*[\s/>])", re.IGNORECASE)


@dataclass
class Source:
    """One uploaded file on disk; `sha256` is known once `chunks` has been read to its end."""

    path: Path
    limits: Limits
    progress: Callable[[int], None] | None = None
    compression: str | None = None
    sha256: str = ""
    size_bytes: int = field(init=False)
    _member: Member | None = None

    def __post_init__(self) -> None:
        self.size_bytes = self.path.stat().st_size
        if self.size_bytes == 0:
            raise UnreadableFileError("The file is empty: it has no bytes.")
        with self.path.open("rb") as file:
            self.compression = container_of(file.read(4))
        if self.compression == "zip":
            members = directory(self.path)
            # A workbook is a ZIP file, too, but not one that something else is packed in.
            if is_package([info.filename for info in members]):
                self.compression = None
            else:
                self._member = only_member(self.path, members)

    def chunks(self) -> Iterator[bytes]:
        """The unpacked bytes; raises UnreadableFileError for bombs, cut-off and damaged archives."""
        raw = self._raw()
        plain = self._unpack(raw) if self.compression else raw
        total = 0
        for chunk in plain:
            total += len(chunk)
            if total > self.limits.unpacked_bytes:
                raise UnreadableFileError(
                    f"The file is larger than {_sized(self.limits.unpacked_bytes)} when unpacked; split it.",
                    value=total,
                    constraint=f"at most {self.limits.unpacked_bytes} bytes unpacked",
                )
            yield chunk

    def head(self) -> bytes:
        """The first unpacked bytes, at most HEAD_BYTES; all of them if the file is shorter."""
        found = b""
        with self.path.open("rb") as file:
            if not self.compression:
                return file.read(HEAD_BYTES)
            unpacker = self._unpacker()
            while len(found) < HEAD_BYTES and (data := file.read(64 * 1024)):
                for piece in unpacker.feed(data):
                    found += piece
                    if len(found) >= HEAD_BYTES:
                        break
        return found[:HEAD_BYTES]

    def refuse_bomb(self) -> None:
        """Unpack as much as it takes to see a bomb, before any of it is worked on. One that starts later is
        found by `chunks`."""
        if not self.compression:
            return
        enough = self.limits.unpacked_ratio_from_bytes + CHUNK_BYTES
        with self.path.open("rb") as file:
            for piece in self._unpack(iter(lambda: file.read(64 * 1024), b"")):
                enough -= len(piece)
                if enough < 0:
                    return

    def finish_hash(self) -> None:
        """Hash the file where its bytes are not read through `chunks` (Parquet)."""
        for _ in self._raw():
            pass

    def _raw(self) -> Iterator[bytes]:
        digest, done = hashlib.sha256(), 0
        with self.path.open("rb") as file:
            while data := file.read(CHUNK_BYTES):
                digest.update(data)
                done += len(data)
                yield data
                if self.progress:
                    self.progress(done)
        self.sha256 = digest.hexdigest()

    def _unpacker(self) -> Unpacker:
        if self._member is not None:
            return Unzip(self._member)
        return Gunzip() if self.compression == "gzip" else Unzstd()

    def _unpack(self, raw: Iterator[bytes]) -> Iterator[bytes]:
        unpacker = self._unpacker()
        taken = made = 0
        for data in raw:
            for piece in unpacker.feed(data):
                made += len(piece)
                # The packed bytes of this round count in full, so that the ratio is never overestimated.
                suspicious = made > self.limits.unpacked_ratio_from_bytes
                if suspicious and made > self.limits.unpacked_ratio * (taken + len(data)):
                    raise UnreadableFileError(
                        f"The {self.compression} file unpacks to more than {self.limits.unpacked_ratio} times its "
                        "size, as no table does; it is not unpacked.",
                        constraint=f"at most {self.limits.unpacked_ratio} times the packed size",
                    )
                yield piece
            taken += len(data)
        unpacker.finish()


def _sized(size_bytes: int) -> str:
    return f"{size_bytes / (1024 * MIB):g} GiB" if size_bytes >= 1024 * MIB else f"{size_bytes / MIB:g} MiB"


def recognise(head: bytes, asked: str | None, filename: str) -> tuple[str, list[str]]:
    """The format (text formats as csv, json or ndjson) and what it was recognised by.

    Raises UnreadableFileError for what is no table, and where `asked` contradicts the bytes.
    """
    if asked is not None and asked not in FORMATS:
        raise UnreadableFileError(
            f"'{asked}' is not a format that is read here; use one of {', '.join(FORMATS)}.",
            value=asked,
            constraint=", ".join(FORMATS),
        )
    if not head:
        raise UnreadableFileError("The file is empty: nothing is left when it is unpacked.")
    for magic, what in _OTHER_KINDS:
        if head.startswith(magic):
            raise UnreadableFileError(f"The file {what}.", value=filename)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise UnreadableFileError(f"The file {_old_office(head)}.", value=filename)
    if (inner := container_of(head)) not in (None, "zip"):
        raise UnreadableFileError(f"The file is packed twice: in it is a {inner} file; unpack it once.", value=filename)
    found, because = _by_content(head, filename)
    if asked in (None, found) or (asked == "tsv" and found == "csv"):
        return asked or found, because
    if asked == "ndjson" and found == "json" and not head.lstrip().startswith(b"[") and b"\n" not in head.strip():
        return "ndjson", ["the caller said ndjson, and the file is one object on one line"]
    raise UnreadableFileError(
        f"The file was sent as {asked.upper() if asked else ''} but its bytes are {_NAMES[found]}; "
        f"send it as {found} or leave the format out.",
        value=asked,
        constraint=found,
    )


_NAMES = {
    "parquet": "Parquet",
    "json": "one JSON document",
    "ndjson": "JSON with one value per line",
    "csv": "delimited text, not JSON or Parquet",
    "xlsx": "an Office package, as workbooks (XLSX) are",
    "xml": "XML",
}


def _old_office(head: bytes) -> str:
    """What a compound file is, by the names of its streams, which are mostly near its start."""
    if "EncryptedPackage".encode("utf-16-le") in head:
        return "is protected by a password; save it without one"
    if "Workbook".encode("utf-16-le") in head or "Book".encode("utf-16-le") in head:
        return "is an old Excel workbook (XLS), which is not read; save it as XLSX or CSV"
    return (
        "is an old Office document (XLS), or is protected by a password; save it as XLSX without a password, or as CSV"
    )


def _by_content(head: bytes, filename: str) -> tuple[str, list[str]]:
    if head.startswith(b"PAR1"):
        return "parquet", ["the file starts with Parquet's mark PAR1"]
    if container_of(head) == "zip":
        return "xlsx", ["the file is an Office package, which starts as ZIP files do"]
    encoding, mark_bytes = mark(head)
    text = codecs.getincrementaldecoder(encoding or "utf-8")("replace").decode(head[mark_bytes:])
    if _MARKUP.match(text[:200].encode("utf-8", "replace")):
        if re.match(r"\s*<(!doctype html|html)", text, re.IGNORECASE):
            raise UnreadableFileError(
                "The file is a web page (HTML), which is not read; export it as CSV.", value=filename
            )
        return "xml", ["the content starts with markup"]
    if encoding not in ("utf-16-le", "utf-16-be"):
        _refuse_binary(head, filename)
    if re.match(r'\s*(?:\{\s*["}]|\[\s*(?:[\[\]{"0-9-]|true|false|null))', text):
        return shape_of(text)
    if not text.strip():
        raise UnreadableFileError("The file has no rows: it holds nothing but blank space.")
    return "csv", ["the content is plain text that is neither JSON nor XML"]


def mark(head: bytes) -> tuple[str | None, int]:
    """The encoding that a byte order mark announces, and the mark's length; (None, 0) without one."""
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8", 3
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise UnreadableFileError("The file is written in UTF-32; save it as UTF-8.")
    if head.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le", 2
    if head.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be", 2
    return None, 0


def _refuse_binary(head: bytes, filename: str) -> None:
    """A NUL or many control characters: binary, or UTF-16 without its mark. The rare NUL is named by line later."""
    sample = head[: 64 * 1024]
    controls = len(sample.translate(None, bytes(range(32, 256)) + b"\t\n\r\f\x1b\x1f"))
    # Latin text in UTF-16 has its NULs at every other byte; those of a program lie anywhere.
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) * 4 > len(sample) and min(even, odd) * 20 < max(even, odd):
        raise UnreadableFileError(
            "The file looks like UTF-16 without a byte order mark; save it as UTF-8.", value=filename
        )
    if controls > FEW_CONTROLS and controls * 50 > len(sample):
        raise UnreadableFileError("The file is binary, not a table in text form; export it as CSV.", value=filename)


def decoded(chunks: Iterator[bytes], encoding: str, mark_bytes: int) -> Iterator[bytes]:
    """The same text as UTF-8 without a byte order mark. UTF-8 itself passes unchecked, for rows to be checked."""
    if encoding == "utf-8":
        for chunk in chunks:
            yield chunk[mark_bytes:] if mark_bytes else chunk
            mark_bytes = 0
        return
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    lines = 1
    try:
        for chunk in chunks:
            text = decoder.decode(chunk[mark_bytes:] if mark_bytes else chunk)
            mark_bytes = 0
            lines += text.count("\n")
            yield text.encode("utf-8")
        decoder.decode(b"", final=True)
    except UnicodeError as exc:
        raise UnreadableFileError(
            f"The file's {encoding} text is broken at or after line {lines}; save it as UTF-8."
        ) from exc


@dataclass(frozen=True)
class EncodingSurvey:
    """Lines with characters beyond ASCII, by whether they are valid UTF-8, and the first broken place."""

    valid: int
    broken: int
    undefined_in_1252: bool
    first_broken_line: int
    first_broken_byte: int


_UNDEFINED_IN_1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")


def survey(chunks: Iterator[bytes]) -> EncodingSurvey:
    """Read the whole file to see whether broken UTF-8 is the rule (another encoding) or the exception."""
    valid = broken = lines = first_line = first_byte = 0
    undefined, rest = False, b""
    for chunk in chunks:
        block = rest + chunk
        cut = max(block.rfind(b"\n"), block.rfind(b"\r")) + 1 or len(block) * (len(block) > 8 * MIB)
        block, rest = block[:cut], block[cut:]
        for number, line in _beyond_ascii(block, lines):
            good, place = _valid(line)
            valid, broken = valid + good, broken + (not good)
            if not good:
                undefined = undefined or _UNDEFINED_IN_1252.search(line) is not None
                first_line, first_byte = (first_line, first_byte) if first_line else (number, place)
        lines += line_ends(block)
    for number, line in _beyond_ascii(rest, lines):
        good, place = _valid(line)
        valid, broken = valid + good, broken + (not good)
        undefined = undefined or (not good and _UNDEFINED_IN_1252.search(line) is not None)
        if not good and not first_line:
            first_line, first_byte = number, place
    return EncodingSurvey(valid, broken, undefined, first_line, first_byte)


def _beyond_ascii(block: bytes, lines_before: int) -> Iterator[tuple[int, bytes]]:
    if block.isascii():
        return
    for number, line in enumerate(block.splitlines(), lines_before + 1):
        if not line.isascii():
            yield number, line


def _valid(line: bytes) -> tuple[bool, int]:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as exc:
        return False, exc.start + 1
    return True, 0


def line_ends(data: bytes) -> int:
    r"""Physical line ends: each of \r\n, \n and \r counts once."""
    returns = data.count(b"\r")
    return data.count(b"\n") + (returns - data.count(b"\r\n") if returns else 0)
