"""Files that hold one other file: gzip, zip and zstd, unpacked piece by piece from bytes that are read once.

An unpacker is fed the whole container in order, however it is cut, so that the same pass can hash it. Nothing here
believes a size: what is yielded at a time is bounded, and what the container says of itself is checked at its end.
"""

from __future__ import annotations

import io
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fluvial.engine.limits import MIB
from fluvial.errors import UnreadableFileError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE_BYTES = 256 * 1024
# 128 MiB: what `zstd --long` writes, and what readers take unless they are asked for more.
WINDOW_LOG = 27
# A list of some 90,000 members; zipfile reads it as a whole.
DIRECTORY_BYTES = 4 * MIB
SHOWN_MEMBERS = 5
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_METHODS = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz", 98: "PPMd"}


class Unpacker(Protocol):
    """`feed` takes the next bytes of the container; `finish` fails unless they were all of it."""

    def feed(self, data: bytes) -> Iterator[bytes]: ...

    def finish(self) -> None: ...


def container_of(start: bytes) -> str | None:
    """gzip, zip or zstd, by a file's first bytes."""
    if start.startswith(b"\x1f\x8b"):
        return "gzip"
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return "zip"
    # A frame, or one of the sixteen kinds of frames that are to be skipped, which may come first.
    if start.startswith(b"\x28\xb5\x2f\xfd") or (start[1:4] == b"\x2a\x4d\x18" and start[0] >> 4 == 5):
        return "zstd"
    return None


class Gunzip:
    """A gzip stream of one or more members."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)
        self._complete = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        try:
            while data:
                if self._complete:
                    # Padding with zeros after the last member is common on tapes and block devices.
                    data = data.lstrip(b"\0")
                    if not data:
                        return
                    self._inflate, self._complete = zlib.decompressobj(wbits=31), False
                piece = self._inflate.decompress(data, PIECE_BYTES)
                data = self._inflate.unconsumed_tail or self._inflate.unused_data
                self._complete = self._inflate.eof
                if piece:
                    yield piece
        except zlib.error as exc:
            raise UnreadableFileError("The gzip file is damaged; compress and send it again.") from exc

    def finish(self) -> None:
        if not self._complete:
            raise UnreadableFileError("The gzip file is cut off before its end; compress and send it again.")


class Unzstd:
    """A zstd stream of one or more frames."""

    def __init__(self) -> None:
        self._frame: zstd.ZstdDecompressor | None = None
        self._complete = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        try:
            while data or self._frame is not None:
                if self._frame is None:
                    options = {int(zstd.DecompressionParameter.window_log_max): WINDOW_LOG}
                    self._frame, self._complete = zstd.ZstdDecompressor(options=options), False
                piece = self._frame.decompress(data, PIECE_BYTES)
                data = b""
                if piece:
                    yield piece
                if self._frame.eof:
                    data, self._frame, self._complete = self._frame.unused_data, None, True
                elif self._frame.needs_input:
                    return
        except zstd.ZstdError as exc:
            if "too much memory" in str(exc):
                raise UnreadableFileError(
                    f"The zstd file looks back over more than {(1 << WINDOW_LOG) // MIB} MiB; compress it without "
                    "--long and --ultra."
                ) from exc
            raise UnreadableFileError("The zstd file is damaged; compress and send it again.") from exc

    def finish(self) -> None:
        if not self._complete:
            raise UnreadableFileError("The zstd file is cut off before its end; compress and send it again.")


@dataclass(frozen=True)
class Member:
    """Where a member's packed bytes lie in a ZIP file, and what the file says of it."""

    name: str
    start: int
    packed_bytes: int
    size_bytes: int
    crc: int
    deflated: bool


class Unzip:
    """One member of a ZIP file, fed the bytes of the whole file from `position` on."""

    def __init__(self, member: Member, position: int = 0) -> None:
        self._member, self._position = member, position
        self._inflate = zlib.decompressobj(wbits=-15) if member.deflated else None
        self._crc = self._made = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        end = self._member.start + self._member.packed_bytes
        mine = data[max(self._member.start - self._position, 0) : max(end - self._position, 0)]
        self._position += len(data)
        try:
            while mine:
                if self._inflate is None:
                    piece, mine = mine, b""
                else:
                    piece = self._inflate.decompress(mine, PIECE_BYTES)
                    mine = self._inflate.unconsumed_tail
                    if self._inflate.unused_data:
                        self._fail("has bytes left over")
                self._crc = zlib.crc32(piece, self._crc)
                self._made += len(piece)
                if self._made > self._member.size_bytes:
                    self._fail("is longer than the archive says")
                if piece:
                    yield piece
        except zlib.error as exc:
            raise UnreadableFileError(f"{self._what()} is damaged; make and send the file again.") from exc

    def finish(self) -> None:
        if self._position < self._member.start + self._member.packed_bytes:
            self._fail("is cut off before its end")
        if self._inflate is not None and not self._inflate.eof:
            self._fail("is cut off before its end")
        if self._made != self._member.size_bytes or self._crc != self._member.crc:
            self._fail("is damaged: its bytes are not those that were packed")

    def _what(self) -> str:
        return f"'{self._member.name[:100]}' in the ZIP file"

    def _fail(self, what: str) -> None:
        raise UnreadableFileError(f"{self._what()} {what}; make and send the file again.")


class _Guarded(io.BufferedReader):
    """A file that refuses to be read in pieces which only a hostile directory asks for."""

    def read(self, size: int | None = -1, /) -> bytes:
        # Without a size, zipfile reads the few bytes that end the file.
        asked = DIRECTORY_BYTES if size is None or size < 0 else size
        if asked > DIRECTORY_BYTES:
            raise UnreadableFileError(f"The ZIP file's list of members is longer than {DIRECTORY_BYTES // MIB} MiB.")
        return super().read(asked)


def directory(path: Path) -> list[zipfile.ZipInfo]:
    """The members of a ZIP file, as its central directory lists them; sizes in it are claims."""
    try:
        with _Guarded(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
            return archive.infolist()
    except UnreadableFileError:
        raise
    # Broken names, times and ZIP64 fields each raise something of their own.
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error, OSError) as exc:
        raise UnreadableFileError(
            "The ZIP file is damaged, cut off or one of several volumes: its list of members cannot be read."
        ) from exc


def located(path: Path, info: zipfile.ZipInfo) -> Member:
    """Where a listed member lies, once its own header agrees that it can be read."""
    shown = f"'{info.filename[:100]}' in the ZIP file"
    if info.flag_bits & 0x2041:
        raise UnreadableFileError(f"{shown} is protected by a password; send it without one.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        method = _METHODS.get(info.compress_type, f"method {info.compress_type}")
        raise UnreadableFileError(f"{shown} is compressed with {method}, which is not read; use Deflate, or gzip.")
    with path.open("rb") as file:
        file.seek(info.header_offset)
        header = file.read(_LOCAL_HEADER.size)
        size = path.stat().st_size
    fields = _LOCAL_HEADER.unpack(header) if len(header) == _LOCAL_HEADER.size else (b"",)
    if fields[0] != b"PK\x03\x04" or fields[3] != info.compress_type:
        raise UnreadableFileError(f"{shown} is not where the archive says; make and send the file again.")
    start = info.header_offset + _LOCAL_HEADER.size + fields[9] + fields[10]
    if start + info.compress_size > size:
        raise UnreadableFileError(f"{shown} is cut off before its end; make and send the file again.")
    deflated = info.compress_type == zipfile.ZIP_DEFLATED
    return Member(info.filename, start, info.compress_size, info.file_size, info.CRC, deflated)


def is_package(names: list[str]) -> bool:
    """Whether a ZIP file is itself a document: Office's, OpenDocument's or that of Apple's Numbers."""
    return "[Content_Types].xml" in names or names[:1] == ["mimetype"] or "Index/Document.iwa" in names


def only_member(path: Path, members: list[zipfile.ZipInfo]) -> Member:
    """The one file in the archive, beside directories and what macOS adds."""
    files = [info for info in members if not info.is_dir() and not _of_macos(info.filename)]
    if not files:
        raise UnreadableFileError("The ZIP file has no file in it.")
    if len(files) > 1:
        names = ", ".join(f"'{info.filename[:100]}'" for info in files[:SHOWN_MEMBERS])
        more = f" and {len(files) - SHOWN_MEMBERS} more" if len(files) > SHOWN_MEMBERS else ""
        raise UnreadableFileError(
            f"The ZIP file has {len(files)} files in it: {names}{more}; send one file at a time.",
            value=len(files),
            constraint="one file in the archive",
        )
    return located(path, files[0])


def _of_macos(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] == ".DS_Store"
