"""An Office package: its parts, unpacked in bounded memory, and what kind of document it is."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path

from fluvial.engine.containers import PIECE_BYTES, Unzip, directory, located
from fluvial.engine.limits import MIB, Limits
from fluvial.engine.markup import Markup, local
from fluvial.errors import UnreadableFileError

# Parts that are kept in memory: the list of sheets, relations and styles.
SMALL_PART_BYTES = 64 * MIB

_OTHERS = (
    ("xl/workbook.bin", "a binary workbook (XLSB), which is not read; save it as XLSX or CSV"),
    ("mimetype", "an OpenDocument file (such as ODS), which is not read; save it as XLSX or CSV"),
    ("Index/Document.iwa", "a document of Apple's iWork, which is not read; export it as XLSX or CSV"),
    ("word/document.xml", "a Word document, not a table; save the table as XLSX or CSV"),
    ("ppt/presentation.xml", "a presentation, not a table; save the table as XLSX or CSV"),
)


class Package:
    """The parts of one file by name; all that is unpacked from it counts towards the limits."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path, self.limits = path, limits
        self.size_bytes = path.stat().st_size
        self._infos = {info.filename: info for info in directory(path)}
        # Office ignores the case of part names, and some writers count on it.
        self._names = {name.lower(): name for name in self._infos}
        self._unpacked = 0
        for name, what in _OTHERS:
            if name in self._infos:
                raise UnreadableFileError(f"The file is {what}.")
        if "[Content_Types].xml" not in self._infos:
            raise UnreadableFileError("The file is a ZIP archive in another container; unpack it once.")

    def has(self, name: str) -> bool:
        return name.lower() in self._names

    def chunks(self, name: str) -> Iterator[bytes]:
        """The unpacked bytes of a part; raises UnreadableFileError for bombs and damage."""
        info = self._infos.get(self._names.get(name.lower(), name))
        if info is None:
            raise UnreadableFileError(f"The workbook is damaged: its part '{name[:100]}' is missing.")
        limits, member = self.limits, located(self.path, info)
        # What it says it has is the most that is unpacked, so a bomb shows before any work is done.
        if member.size_bytes > max(limits.unpacked_ratio * member.packed_bytes, limits.unpacked_ratio_from_bytes):
            raise UnreadableFileError(
                f"The workbook's part '{name[:100]}' unpacks to more than {limits.unpacked_ratio} times its size, as "
                "no table does; it is not unpacked.",
                constraint=f"at most {limits.unpacked_ratio} times the packed size",
            )
        self._unpacked += member.size_bytes
        if self._unpacked > limits.unpacked_bytes:
            raise UnreadableFileError(
                f"The workbook is larger than {limits.unpacked_bytes} bytes when unpacked; split it.",
                constraint=f"at most {limits.unpacked_bytes} bytes unpacked",
            )
        return self._unzipped(Unzip(member, member.start), member.start, member.packed_bytes)

    def _unzipped(self, unzip: Unzip, start: int, left: int) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(start)
            while left and (data := file.read(min(left, PIECE_BYTES))):
                left -= len(data)
                yield from unzip.feed(data)
        unzip.finish()

    def small(self, name: str) -> Iterator[bytes]:
        """The bytes of a part whose content is to be kept."""
        size = 0
        for chunk in self.chunks(name):
            size += len(chunk)
            if size > SMALL_PART_BYTES:
                raise UnreadableFileError(f"The workbook's part '{name[:100]}' is larger than a workbook needs.")
            yield chunk

    def elements(self, name: str, *wanted: str) -> Iterator[tuple[str, dict[str, str]]]:
        """(name, attributes) of those elements of a part that are wanted, all names without prefix."""
        markup = Markup(f"The workbook's part '{name[:100]}'", doctype=False)
        found: list[tuple[str, dict[str, str]]] = []
        depth = 0

        def start(tag: str, attributes: dict[str, str]) -> None:
            nonlocal depth
            depth += 1
            markup.opened(depth)
            if (tag := local(tag)) in wanted:
                found.append((tag, {local(key): value for key, value in attributes.items()}))

        def end(_: str) -> None:
            nonlocal depth
            depth -= 1

        markup.parser.StartElementHandler, markup.parser.EndElementHandler = start, end
        for _ in markup.run(self.small(name)):
            yield from found
            found.clear()

    def relations(self, name: str) -> dict[str, tuple[str, str]]:
        """(last word of the type, part name) of the part's relations by id; those to other places are left out."""
        folder, _, file = name.rpartition("/")
        part = f"{folder}/_rels/{file}.rels".lstrip("/")
        if not self.has(part):
            return {}
        found = {}
        for _, each in self.elements(part, "Relationship"):
            if each.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, each.get("Target", "")))
                found[each.get("Id", "")] = (each.get("Type", "").rpartition("/")[2], target.lstrip("/"))
        return found
