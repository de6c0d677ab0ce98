"""A workbook (XLSX): its sheets, the number formats of its cells, and its shared strings."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fluvial.engine.limits import MIB, Limits
from fluvial.engine.markup import Markup, local
from fluvial.engine.package import Package
from fluvial.engine.sheet_values import moment_kind, unescaped
from fluvial.errors import UnreadableFileError

MAX_SHEETS = 10_000
MAX_STYLES = 100_000
# Shared strings up to here are kept in memory, the others in a file.
KEPT_STRINGS = 200_000
KEPT_STRING_BYTES = 32 * MIB
_PLACE = struct.Struct("<QI")
SHOWN_SHEETS = 10


@dataclass(frozen=True)
class Sheet:
    """A sheet with cells, in the order of the workbook's tabs."""

    name: str
    part: str
    visible: bool


class Workbook:
    """What its parts say beside the sheets themselves; `temp` takes the strings that are too many for memory."""

    def __init__(self, path: Path, limits: Limits, temp: Path) -> None:
        self.package, self.limits = Package(path, limits), limits
        self.date_system = 1900
        self.sheets: list[Sheet] = []
        main = next((part for kind, part in self.package.relations("").values() if kind == "officeDocument"), None)
        if main is None or not self.package.has(main):
            main = "xl/workbook.xml"
        if main.endswith(".bin"):
            raise UnreadableFileError(
                "The file is a binary workbook (XLSB), which is not read; save it as XLSX or CSV."
            )
        relations = self.package.relations(main)
        self._read_sheets(main, relations)
        parts = dict(relations.values())
        self.moments: list[tuple[str, int] | None] = []
        if (styles := parts.get("styles")) and self.package.has(styles):
            self.moments = self._styles(styles)
        self._strings_part, self._temp = parts.get("sharedStrings"), temp
        self._strings: SharedStrings | None = None

    @property
    def strings(self) -> SharedStrings:
        """The shared strings, read when a cell first asks for one."""
        if self._strings is None:
            self._strings = SharedStrings(self._temp)
            if self._strings_part and self.package.has(self._strings_part):
                self._strings.read(self.package.chunks(self._strings_part), self.limits)
        return self._strings

    def close(self) -> None:
        if self._strings is not None:
            self._strings.close()

    def asked(self, sheet: str | int) -> Sheet:
        """The sheet of that name, else of that number from 1."""
        for one in self.sheets:
            if one.name == sheet:
                return one
        number = int(sheet) if isinstance(sheet, int) or (sheet.isascii() and sheet.isdigit()) else 0
        if 1 <= number <= len(self.sheets):
            return self.sheets[number - 1]
        names = ", ".join(f"'{one.name}'" for one in self.sheets[:SHOWN_SHEETS])
        more = f" and {len(self.sheets) - SHOWN_SHEETS} more" if len(self.sheets) > SHOWN_SHEETS else ""
        raise UnreadableFileError(
            f"The workbook has no sheet '{str(sheet)[:100]}'; its sheets are {names}{more}.", value=sheet
        )

    def _read_sheets(self, main: str, relations: dict[str, tuple[str, str]]) -> None:
        for name, fields in self.package.elements(main, "sheet", "workbookPr"):
            if name == "workbookPr":
                self.date_system = 1904 if fields.get("date1904") in ("1", "true", "on") else 1900
                continue
            kind, part = relations.get(fields.get("id", ""), ("", ""))
            # Sheets of charts and dialogs have no cells.
            if kind == "worksheet":
                self.sheets.append(Sheet(fields.get("name", ""), part, fields.get("state", "visible") == "visible"))
            if len(self.sheets) > MAX_SHEETS:
                raise UnreadableFileError(f"The workbook has more than {MAX_SHEETS} sheets.")
        if not self.sheets:
            raise UnreadableFileError("The workbook has no sheet with cells.")

    def _styles(self, part: str) -> list[tuple[str, int] | None]:
        """What each cell style makes of a number: a kind of moment, or None."""
        codes: dict[int, str] = {}
        found: list[tuple[str, int] | None] = []
        inside = False
        # cellXfs are the cells' own; cellStyleXfs, which look alike, come before, and dxfs after.
        for name, fields in self.package.elements(part, "numFmt", "cellXfs", "cellStyles", "dxfs", "xf"):
            if name == "numFmt":
                codes[_whole(fields.get("numFmtId"))] = fields.get("formatCode", "")
            elif name == "xf" and inside:
                format_id = _whole(fields.get("numFmtId"))
                found.append(moment_kind(format_id, codes.get(format_id)))
            elif name != "xf":
                inside = name == "cellXfs"
            if len(found) > MAX_STYLES or len(codes) > MAX_STYLES:
                raise UnreadableFileError(f"The workbook has more than {MAX_STYLES} cell formats.")
        return found


class SharedStrings:
    """The strings of a workbook by number: the first in memory, the others in a file, two reads each."""

    def __init__(self, temp: Path) -> None:
        self._kept: list[str] = []
        self._count = self._bytes = 0
        self._temp = temp
        self._files: tuple[BinaryIO, BinaryIO] | None = None
        self._end = 0

    def __getitem__(self, number: int) -> str:
        if 0 <= number < len(self._kept):
            return self._kept[number]
        if self._files is None or not 0 <= number < self._count:
            raise UnreadableFileError(f"The workbook is damaged: there is no shared string {number}.")
        places, texts = self._files
        start, size = _PLACE.unpack(os.pread(places.fileno(), _PLACE.size, (number - len(self._kept)) * _PLACE.size))
        return os.pread(texts.fileno(), size, start).decode("utf-8", "surrogatepass")

    def read(self, chunks: Iterator[bytes], limits: Limits) -> None:
        """Take the strings of the part."""
        for text in string_items(chunks, limits):
            self._add(text)
        if self._files is not None:
            for file in self._files:
                file.flush()

    def close(self) -> None:
        for file in self._files or ():
            file.close()

    def _add(self, text: str) -> None:
        self._count += 1
        self._bytes += len(text)
        if self._files is None:
            if len(self._kept) < KEPT_STRINGS and self._bytes < KEPT_STRING_BYTES:
                self._kept.append(text)
                return
            places, texts = (tempfile.TemporaryFile(dir=self._temp) for _ in range(2))  # noqa: SIM115 (see close)
            self._files = places, texts
        content = text.encode("utf-8", "surrogatepass")
        self._files[0].write(_PLACE.pack(self._end, len(content)))
        self._files[1].write(content)
        self._end += len(content)


def string_items(chunks: Iterator[bytes], limits: Limits) -> Iterator[str]:
    """Each `si` of shared strings: the text of its runs, without the phonetic one."""
    markup = Markup("The workbook's list of strings", doctype=False)
    found: list[str] = []
    pieces: list[str] = []
    depth = phonetic = size = 0
    collecting = False

    def start(tag: str, _: dict[str, str]) -> None:
        nonlocal depth, phonetic, collecting, size
        depth += 1
        markup.opened(depth)
        tag = local(tag)
        if tag == "t":
            collecting = not phonetic
        elif tag == "rPh":
            phonetic = depth
        elif tag == "si":
            pieces.clear()
            size = 0

    def end(tag: str) -> None:
        nonlocal depth, phonetic, collecting
        tag = local(tag)
        if tag == "t":
            collecting = False
        elif tag == "si":
            found.append(unescaped("".join(pieces)))
        elif depth == phonetic:
            phonetic = 0
        depth -= 1

    def text(data: str) -> None:
        nonlocal size
        if collecting:
            size += len(data)
            if size > limits.line_bytes:
                markup.refuse(f"there is a string of more than {limits.line_bytes} characters")
            pieces.append(data)

    markup.parser.StartElementHandler, markup.parser.EndElementHandler = start, end
    markup.parser.CharacterDataHandler = text
    for _ in markup.run(chunks):
        yield from found
        found.clear()


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else -1
