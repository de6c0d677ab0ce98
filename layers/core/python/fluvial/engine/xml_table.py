"""XML to records, event by event; this defines what a record is and on which line it begins.

`xml_blocks` reads most documents several times as fast, and to the same result.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import TreeBuilder

from fluvial.engine.json_text import Members
from fluvial.engine.limits import MIB, Limits
from fluvial.engine.markup import Markup, declares_namespace, local
from fluvial.engine.xml_outline import SHOWN_NAMES, WHAT, Outline
from fluvial.engine.xml_values import Values

# What an element costs beside its text while its record is put together.
ELEMENT_BYTES = 512


class LeftOut:
    """The first elements that have content beside the records."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def note(self, tag: str) -> None:
        if len(self.names) <= SHOWN_NAMES:
            self.names[local(tag)] = None


class RecordReader:
    """Reads the records of a document whose outline is known; `encoding` is what the caller said it is in."""

    def __init__(self, known: Outline, limits: Limits, nulls: tuple[str, ...], encoding: str | None = None) -> None:
        self.known, self.limits, self.left_out = known, limits, LeftOut()
        self._values = Values(known, nulls)
        self._markup = Markup(WHAT, doctype=True, encoding=encoding)
        self._found: list[tuple[Members, int]] = []
        self._builder = TreeBuilder()
        self._paths: list[str] = [""]
        self._open = self._line = self._size = 0

    def records(self, chunks: Iterator[bytes]) -> Iterator[tuple[Members, int]]:
        """(members, line) of each record."""
        parser = self._markup.parser
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text
        for _ in self._markup.run(chunks):
            yield from self._found
            self._found.clear()

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if self._open:
            self._open += 1
            self._builder.start(tag, attributes)
            self._grow(ELEMENT_BYTES * (1 + len(attributes)) + sum(map(len, attributes.values())))
            return
        path = f"{self._paths[-1]}/{tag}"
        if path in self.known.records:
            self._line, self._size, self._open = self._markup.parser.CurrentLineNumber, 0, 1
            self._builder = TreeBuilder()
            self._builder.start(tag, attributes)
            return
        self._paths.append(path)
        if any(not declares_namespace(name) for name in attributes):
            self.left_out.note(tag)

    def _end(self, tag: str) -> None:
        if not self._open:
            self._paths.pop()
            return
        self._open -= 1
        self._builder.end(tag)
        if not self._open:
            self._found.append((self._values.members(self._builder.close()), self._line))

    def _text(self, data: str) -> None:
        if self._open:
            self._builder.data(data)
            self._grow(len(data))
        elif not data.isspace():
            self.left_out.note(self._paths[-1].rpartition("/")[2])

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self.limits.json_document_bytes:
            self._markup.refuse(f"a record needs more than {self.limits.json_document_bytes // MIB} MiB")
