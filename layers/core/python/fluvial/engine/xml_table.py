"""XML to records: which element is a row, and its content as the members of a record.

The document is read twice. What repeats first may not be what repeats most, and an element may need its namespace's
prefix because of another one at the end; both are known only when all has been seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fluvial.engine.json_text import Members, Text
from fluvial.engine.limits import MIB, Limits
from fluvial.engine.markup import MAX_NAMES, Markup, declares_namespace, local
from fluvial.errors import UnreadableFileError

WHAT = "The XML"
# What an element costs beside its text while its record is put together.
ELEMENT_BYTES = 512
SHOWN_NAMES = 5


@dataclass
class Outline:
    """What a first reading shows: the paths of the record element, the names that clash, and the encoding."""

    records: set[str] = field(default_factory=set)
    shown: str = ""
    because: list[str] = field(default_factory=list)
    clashing: set[str] = field(default_factory=set)
    prefixes: set[str] = field(default_factory=set)
    encoding: str = "utf-8"

    def name(self, tag: str) -> str:
        """A name without its prefix, unless another one would then be equal."""
        return tag if tag in self.clashing else local(tag)


class _Survey:
    """Counts elements by path, down to the shallowest level on which siblings repeat."""

    def __init__(self, markup: Markup, asked: str | None) -> None:
        self.counts: dict[str, int] = {}
        self.repeated: dict[str, int] = {}
        self.matched: dict[str, int] = {}
        self.tags: set[str] = set()
        self.root = ""
        self._markup = markup
        self._asked = tuple((asked or "").strip("/").split("/"))
        # Levels below this one are only counted when they are asked for.
        self._deepest = 10**9
        self._depth = 0
        self._paths: list[str] = [""]
        self._children: list[set[str]] = [set()]

    def start(self, tag: str, _: dict[str, str]) -> None:
        self._depth += 1
        self.tags.add(tag)
        if self._depth > self._deepest:
            self._markup.opened(self._depth)
            return
        self._markup.opened(self._depth)
        path = f"{self._paths[-1]}/{tag}"
        self.root = self.root or path
        self.counts[path] = self.counts.get(path, 0) + 1
        if len(self.counts) > MAX_NAMES:
            self._markup.refuse(f"its elements lie in more than {MAX_NAMES} different places, so it is no table")
        if self._asked != ("",):
            if local(tag) == local(self._asked[-1]) and ends_with(path, self._asked):
                self.matched[path] = self.counts[path]
        elif tag in self._children[-1]:
            self.repeated.setdefault(path, self._depth)
            self._deepest = min(self._deepest, self._depth)
        self._children[-1].add(tag)
        self._paths.append(path)
        self._children.append(set())

    def end(self, _: str) -> None:
        if self._depth < len(self._paths):
            self._paths.pop()
            self._children.pop()
        self._depth -= 1

    def records(self) -> tuple[set[str], str]:
        """The paths that are records, and why."""
        if self._asked != ("",):
            return set(self.matched), "the caller named the element"
        level = min(self.repeated.values(), default=0)
        found = [path for path, depth in self.repeated.items() if depth == level]
        if not found:
            return {self.root}, "no element repeats, so the document is one record"
        best = max(found, key=lambda path: self.counts[path])
        return {best}, f"'{local(best.rpartition('/')[2])}' is the element that repeats most, {self.counts[best]} times"


def ends_with(path: str, names: tuple[str, ...]) -> bool:
    """Whether the last elements of a path have these names; a name without prefix stands for any."""
    tags = path.split("/")[-len(names) :]
    pairs = zip(tags, names, strict=False)
    return len(tags) == len(names) and all(name in (tag, local(tag)) for tag, name in pairs)


def outline(chunks: Iterator[bytes], asked: str | None) -> Outline:
    """Read the whole document once; raises UnreadableFileError for what is not XML, or has no such record."""
    markup = Markup(WHAT, doctype=True)
    survey, found = _Survey(markup, asked), Outline()

    def declaration(_: str, encoding: str | None, __: int) -> None:
        found.encoding = (encoding or "utf-8").lower()

    markup.parser.XmlDeclHandler = declaration
    markup.parser.StartElementHandler, markup.parser.EndElementHandler = survey.start, survey.end
    for _ in markup.run(chunks):
        if local(survey.root.strip("/")).lower() == "html":
            raise UnreadableFileError("The file is a web page (HTML), which is not read; export it as CSV.")
    found.records, why = survey.records()
    if not found.records:
        known = sorted(survey.counts, key=lambda path: -survey.counts[path])[:SHOWN_NAMES]
        names = ", ".join(f"'{_plain(path)}'" for path in known)
        raise UnreadableFileError(
            f"The XML has no element '{str(asked)[:100]}'; the most frequent are {names}.", value=asked
        )
    found.shown = ", ".join(sorted(_plain(path) for path in found.records)[:SHOWN_NAMES])
    found.because.append(why)
    names_seen = {name for name in markup.parser.intern if not declares_namespace(name)}
    for some in (survey.tags, names_seen):
        first: dict[str, str] = {}
        for name in some:
            if first.setdefault(local(name), name) != name:
                found.clashing |= {name, first[local(name)]}
    found.prefixes = {name.partition(":")[0] for name in names_seen if ":" in name and name not in found.clashing}
    return found


def _plain(path: str) -> str:
    return "/".join(local(tag) for tag in path.strip("/").split("/"))


class _Element:
    """An element of a record: all of its text, and its elements, each with where in that text it stands (`at`)."""

    __slots__ = ("at", "attributes", "children", "tag", "text")

    def __init__(self, tag: str, attributes: dict[str, str], at: int) -> None:
        self.tag, self.attributes, self.at, self.text = tag, attributes, at, ""
        self.children: list[_Element] | None = None


class RecordReader:
    """Reads the records of a document whose outline is known."""

    def __init__(self, known: Outline, limits: Limits, nulls: tuple[str, ...]) -> None:
        self.known, self.limits, self.nulls = known, limits, frozenset(nulls)
        self.left_out: dict[str, None] = {}
        self._markup = Markup(WHAT, doctype=True)
        self._found: list[tuple[Members, int]] = []
        self._open: list[_Element] = []
        self._paths: list[str] = [""]
        self._names: dict[str, str] = {}
        self._line = self._size = 0

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
            parent = self._open[-1]
            element = _Element(tag, attributes, len(parent.text))
            if parent.children is None:
                parent.children = [element]
            else:
                parent.children.append(element)
            self._open.append(element)
            self._size += ELEMENT_BYTES * (1 + len(attributes))
            if attributes:
                self._size += sum(map(len, attributes.values()))
            if self._size > self.limits.json_document_bytes:
                self._refuse_record()
            return
        path = f"{self._paths[-1]}/{tag}"
        if path in self.known.records:
            self._line, self._size = self._markup.parser.CurrentLineNumber, 0
            self._open.append(_Element(tag, attributes, 0))
            return
        self._paths.append(path)
        if any(not declares_namespace(name) for name in attributes):
            self._leave_out(tag)

    def _end(self, _: str) -> None:
        if not self._open:
            self._paths.pop()
            return
        element = self._open.pop()
        if not self._open:
            members = Members()
            self._flatten(element, "", local(element.tag), members)
            self._found.append((members, self._line))

    def _text(self, data: str) -> None:
        if self._open:
            self._open[-1].text += data
            self._size += len(data)
            if self._size > self.limits.json_document_bytes:
                self._refuse_record()
        elif not data.isspace():
            self._leave_out(self._paths[-1].rpartition("/")[2])

    def _leave_out(self, tag: str) -> None:
        if len(self.left_out) <= SHOWN_NAMES:
            self.left_out[local(tag)] = None

    def _refuse_record(self) -> None:
        self._markup.refuse(f"a record needs more than {self.limits.json_document_bytes // MIB} MiB")

    def _name(self, tag: str) -> str:
        name = self._names.get(tag)
        if name is None:
            name = self._names[tag] = self.known.name(tag)
        return name

    def _flatten(self, element: _Element, prefix: str, name: str, members: Members) -> None:
        """Append the columns of an element: those of its attributes, and its text or its children's."""
        text, nil = element.text, False
        for key, value in element.attributes.items():
            if key == "xsi:nil":
                nil = value in ("true", "1")
            elif not declares_namespace(key):
                members.append((f"{prefix}@{self._name(key)}", None if value in self.nulls else Text(value)))
        if not element.children:
            if text or nil or not element.attributes:
                members.append((name, None if not text or text in self.nulls else Text(text)))
        elif text and not text.isspace():
            members.append((name, self._mixed(element)))
        else:
            names = [self._name(child.tag) for child in element.children]
            if len(set(names)) == len(names):
                for each, child in zip(names, element.children, strict=True):
                    self._flatten(child, f"{prefix}{each}.", f"{prefix}{each}", members)
            else:
                self._flatten_repeated(element, prefix, members)

    def _flatten_repeated(self, element: _Element, prefix: str, members: Members) -> None:
        for name, same in self._grouped(element).items():
            if len(same) == 1:
                self._flatten(same[0], f"{prefix}{name}.", f"{prefix}{name}", members)
            else:
                members.append((f"{prefix}{name}", [self._json(each) for each in same]))

    def _grouped(self, element: _Element) -> dict[str, list[_Element]]:
        groups: dict[str, list[_Element]] = {}
        for child in element.children or ():
            groups.setdefault(self._name(child.tag), []).append(child)
        return groups

    def _json(self, element: _Element) -> Any:
        """An element as a JSON value: its text, or an object of its attributes, text and children."""
        text = element.text
        members = Members(
            (f"@{self._name(key)}", value) for key, value in element.attributes.items() if not declares_namespace(key)
        )
        if not element.children:
            if not members:
                return text
            return Members([*members, ("#text", text)]) if text else members
        if text and not text.isspace():
            return Members([*members, ("#content", self._mixed(element))]) if members else self._mixed(element)
        for child, same in self._grouped(element).items():
            members.append((child, self._json(same[0]) if len(same) == 1 else [self._json(each) for each in same]))
        return members

    def _mixed(self, element: _Element) -> list[Any]:
        """Text with elements in it, in order."""
        content: list[Any] = []
        done = 0
        for child in element.children or ():
            if child.at > done:
                content.append(element.text[done : child.at])
            content.append(Members([(self._name(child.tag), self._json(child))]))
            done = child.at
        return [*content, element.text[done:]] if done < len(element.text) else content
