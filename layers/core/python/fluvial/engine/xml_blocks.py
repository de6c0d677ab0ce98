"""XML to rows, block by block: the elements are built without a call into Python for each, and rows of one shape
are written together.

This takes documents whose records stand in one place and begin where their tag is found in the bytes, which is
nearly all. Whatever else occurs raises UnusualError, and `xml_table`, which defines the result, reads the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from xml.etree.ElementTree import Element, TreeBuilder

from fluvial.engine.json_table import JsonTable
from fluvial.engine.limits import MIB
from fluvial.engine.markup import MAX_DEPTH, Markup, declares_namespace
from fluvial.engine.sources import line_ends
from fluvial.engine.xml_outline import WHAT, Outline, Survey
from fluvial.engine.xml_shapes import Shape, shape_of
from fluvial.engine.xml_table import ELEMENT_BYTES, LeftOut
from fluvial.engine.xml_values import Values, blank

# A block without the start of a record is not larger.
MAX_BLOCK_BYTES = 1 * MIB
MAX_SHAPES = 1_000
MAX_SHAPE_NODES = 1_000
MAX_BLANKS = 1_000
Key = tuple[tuple[str, ...], tuple[int, ...], tuple[tuple[str, ...], ...]]


class UnusualError(Exception):
    """The document has to be read element by element."""


class BlockReader:
    """Reads the records of a document into a table, by an outline that may turn out to be wrong."""

    def __init__(
        self,
        guess: Outline,
        table: JsonTable,
        nulls: tuple[str, ...],
        *,
        asked: str | None = None,
        encoding: str | None = None,
    ) -> None:
        """Raises UnusualError where the records are not in one place below the root."""
        if len(guess.records) != 1 or table.limits.cell_bytes < 2 * MAX_BLOCK_BYTES:
            raise UnusualError
        self.left_out = LeftOut()
        self._table, self._nulls = table, frozenset(nulls)
        self._values = Values(guess, nulls)
        self._markup = Markup(WHAT, doctype=True, encoding=encoding)
        self._survey, self._asked = Survey(self._markup, asked), asked
        self._path = next(iter(guess.records)).strip("/").split("/")
        if len(self._path) < 2:
            raise UnusualError
        self._begins = re.compile(b"<" + re.escape(self._path[-1].encode()) + rb"(?=[\s/>])")
        self._builder = TreeBuilder()
        self._root: Element | None = None
        # What may be beside the elements of a record: white space that was seen.
        self._blanks: set[str | None] = {None}
        self._shapes: dict[Key, Shape | None] = {}
        # The elements on the way to the records that are open, and the last one that was taken off each.
        self._way: list[Element] = []
        self._before: dict[int, tuple[Element, str]] = {}
        self._lines: list[int] = []
        self._has_attributes = True

    def read(self, chunks: Iterator[bytes]) -> Outline:
        """Fill the table; returns the outline of the whole document. If that is not the guess, the table is wrong."""
        parser = self._markup.parser
        parser.StartElementHandler, parser.EndElementHandler = self._first, self._builder.end
        parser.CharacterDataHandler = self._builder.data
        for _ in self._markup.run(self._blocks(chunks)):
            if self._root is not None:
                self._take(self._root)
        self._leave()
        return self._survey.outline(self._asked)

    def _first(self, tag: str, attributes: dict[str, str]) -> None:
        self._root = self._builder.start(tag, attributes)
        self._markup.parser.StartElementHandler = self._builder.start

    def _blocks(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The document in blocks that end where a record begins; notes the lines of those in each."""
        rest, line = b"", 1
        for chunk in chain(chunks, [None]):
            data = rest + (chunk or b"")
            starts = [found.start() for found in self._begins.finditer(data)]
            cut = len(data) if chunk is None else starts.pop() if starts else 0
            rest = data[cut:]
            if cut:
                self._has_attributes = b"=" in data
                self._lines, line = _lines_at(data[:cut], starts, line)
                yield data[:cut]
            elif len(rest) > MAX_BLOCK_BYTES:
                raise UnusualError

    def _take(self, root: Element) -> None:
        """Take the elements that are complete out of the tree, and load those that are records."""
        records: list[Element] = []
        if not self._way:
            if root.tag != self._path[0]:
                raise UnusualError
            self._enter(root)
        self._walk(root, 0, records)
        if len(records) != len(self._lines):
            raise UnusualError
        self._load(records)
        self._lines = []

    def _walk(self, node: Element, level: int, records: list[Element]) -> None:
        """What is complete below an open element on the way to the records."""
        if level in self._before:
            last, tag = self._before.pop(level)
            if not blank(last.tail):
                self.left_out.note(tag)
        children = list(node)
        if not children:
            return
        if not blank(node.text):
            self.left_out.note(node.tag)
            node.text = None
        is_last_level, alike = level + 2 == len(self._path), 0
        for at, child in enumerate(children):
            if child.tag != self._path[level + 1]:
                alike = self._count(alike)
                self._beside(child, level + 2)
            elif is_last_level:
                records.append(child)
                alike += 1
            else:
                if level + 1 == len(self._way):
                    self._enter(child)
                self._walk(child, level + 1, records)
                if at == len(children) - 1:
                    del node[:-1]
                    return
                self._leave(level + 1)
            if at < len(children) - 1 and not blank(child.tail):
                self.left_out.note(node.tag)
        self._count(alike)
        self._before[level] = children[-1], node.tag
        del node[:]

    def _count(self, alike: int) -> int:
        """Tell the survey of so many records, in order with the elements beside them; returns 0."""
        if alike:
            self._survey.more(self._path[-1], alike)
        return 0

    def _enter(self, node: Element) -> None:
        self._survey.start(node.tag, {})
        self._way.append(node)
        if any(not declares_namespace(name) for name in node.attrib):
            self.left_out.note(node.tag)

    def _leave(self, level: int = 0) -> None:
        """The elements on the way from this level on have ended."""
        while len(self._way) > level:
            node = self._way.pop()
            if not blank(node.text):
                self.left_out.note(node.tag)
            if self._way and not blank(node.tail):
                self.left_out.note(self._way[-1].tag)
            if (before := self._before.pop(len(self._way), None)) and not blank(before[0].tail):
                self.left_out.note(before[1])
            self._survey.end(node.tag)

    def _beside(self, element: Element, depth: int) -> None:
        """An element that is neither a record nor on the way to one; `depth` counts from 1."""
        if depth > MAX_DEPTH:
            raise UnusualError
        self._survey.start(element.tag, {})
        if any(not declares_namespace(name) for name in element.attrib) or not blank(element.text):
            self.left_out.note(element.tag)
        for child in element:
            self._beside(child, depth + 1)
            if not blank(child.tail):
                self.left_out.note(element.tag)
        self._survey.end(element.tag)

    def _load(self, records: Sequence[Element]) -> None:
        """Load the records, those of one shape that follow each other at once."""
        rows: list[list[str]] = []
        current: Shape | None = None
        start = 0
        for at, record in enumerate(records):
            nodes = list(record.iter())
            items = list(map(Element.items, nodes)) if self._has_attributes else []
            names = tuple([tuple([name for name, _ in one]) for one in items]) if any(items) else ()
            key = tuple([node.tag for node in nodes]), tuple(map(len, nodes)), names
            shape = self._shapes.get(key)
            if shape is not None and (shape.changes != self._table.changes or not self._is_blank(shape, nodes)):
                shape = None
            cells = shape.cells(nodes, items, self._nulls) if shape else None
            if cells is None or shape is not current:
                self._flush(current, rows, start)
                rows, start, current = [], at, shape
            if cells is None:
                self._one(record, key, self._lines[at])
                start = at + 1
            else:
                rows.append(cells)
        self._flush(current, rows, start)

    def _flush(self, shape: Shape | None, rows: list[list[str]], start: int) -> None:
        if shape is not None and rows:
            self._table.add_texts(rows, self._lines[start : start + len(rows)])

    def _is_blank(self, shape: Shape, nodes: Sequence[Element]) -> bool:
        """Whether there is nothing but white space beside the elements of a record."""
        between = {node.tail for node in nodes[1:]}
        between.update([nodes[at].text for at in shape.inner])
        if between <= self._blanks:
            return True
        if not all(map(blank, between)):
            return False
        if len(self._blanks) < MAX_BLANKS:
            self._blanks |= between
        return True

    def _one(self, record: Element, key: Key, line: int) -> None:
        """Load one record on its own, and learn its shape."""
        size = ELEMENT_BYTES * (len(key[0]) + sum(map(len, key[2]))) + 2 * MAX_BLOCK_BYTES
        if size > self._table.limits.json_document_bytes or _depth(record) + len(self._path) - 1 > MAX_DEPTH:
            raise UnusualError
        self._survey.tags.update(key[0])
        self._table.add(self._values.members(record), line)
        known = self._shapes.get(key)
        is_new = key not in self._shapes and len(self._shapes) < MAX_SHAPES and len(key[0]) <= MAX_SHAPE_NODES
        if is_new or (known is not None and known.changes != self._table.changes):
            self._shapes[key] = shape_of(record, self._values, self._table)


def _depth(element: Element) -> int:
    """The levels of an element, found without recursion; stops at more than are allowed."""
    level, depth = [element], 0
    while level and depth <= MAX_DEPTH:
        level, depth = [child for each in level for child in each], depth + 1
    return depth


def _lines_at(data: bytes, starts: Sequence[int], line: int) -> tuple[list[int], int]:
    """The physical lines of these places, and of the end; `line` is that of the beginning."""
    returns = b"\r" in data
    lines, done = [], 0
    for start in [*starts, len(data)]:
        line += line_ends(data[done:start]) if returns else data.count(b"\n", done, start)
        lines.append(line)
        done = start
    return lines[:-1], line
