"""Which element of an XML document is a row, and which of its names need their namespace's prefix.

Both are known only when all has been seen: what repeats first may not be what repeats most, and a name may clash with
another one at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fluvial.engine.markup import MAX_NAMES, Markup, declares_namespace, local
from fluvial.errors import UnreadableFileError

WHAT = "The XML"
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

    def names_rows_like(self, other: Outline) -> bool:
        """Whether the same rows and columns come of both."""
        return self.records == other.records and self.clashing == other.clashing


class Survey:
    """Counts elements by path, down to the shallowest level on which siblings repeat."""

    def __init__(self, markup: Markup, asked: str | None) -> None:
        self.counts: dict[str, int] = {}
        self.repeated: dict[str, int] = {}
        self.matched: dict[str, int] = {}
        self.tags: set[str] = set()
        self.root = ""
        self.encoding = "utf-8"
        self._markup = markup
        self._asked = tuple((asked or "").strip("/").split("/"))
        # Levels below this one are only counted when they are asked for.
        self._deepest = 10**9
        self._depth = 0
        self._paths: list[str] = [""]
        self._children: list[set[str]] = [set()]
        markup.parser.XmlDeclHandler = self._declaration

    def _declaration(self, _: str, encoding: str | None, __: int) -> None:
        self.encoding = (encoding or "utf-8").lower()

    def start(self, tag: str, _: dict[str, str]) -> None:
        self._depth += 1
        self.tags.add(tag)
        self._markup.opened(self._depth)
        if self._depth > self._deepest:
            return
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

    def more(self, tag: str, count: int) -> None:
        """So many elements of one name in a row; what is in them is not counted."""
        self.start(tag, {})
        self.end(tag)
        if count > 1:
            path = f"{self._paths[-1]}/{tag}"
            self.start(tag, {})
            self.end(tag)
            self.counts[path] += count - 2
            if path in self.matched:
                self.matched[path] = self.counts[path]

    def end(self, _: str) -> None:
        if self._depth < len(self._paths):
            self._paths.pop()
            self._children.pop()
        self._depth -= 1

    def outline(self, asked: str | None) -> Outline:
        """What was found so far; raises UnreadableFileError where it has no such record."""
        records, why = self._records()
        if not records:
            known = sorted(self.counts, key=lambda path: -self.counts[path])[:SHOWN_NAMES]
            names = ", ".join(f"'{_plain(path)}'" for path in known)
            raise UnreadableFileError(
                f"The XML has no element '{str(asked)[:100]}'; the most frequent are {names}.", value=asked
            )
        found = Outline(records, encoding=self.encoding, because=[why])
        found.shown = ", ".join(sorted(_plain(path) for path in records)[:SHOWN_NAMES])
        seen = {name for name in self._markup.parser.intern if not declares_namespace(name)}
        found.clashing = _clashing(self.tags) | _clashing(seen)
        found.prefixes = {name.partition(":")[0] for name in seen if ":" in name and name not in found.clashing}
        return found

    def _records(self) -> tuple[set[str], str]:
        """The paths that are records, and why."""
        if self._asked != ("",):
            return set(self.matched), "the caller named the element"
        level = min(self.repeated.values(), default=0)
        found = [path for path, depth in self.repeated.items() if depth == level]
        if not found:
            return {self.root}, "no element repeats, so the document is one record"
        best = max(found, key=lambda path: self.counts[path])
        return {best}, f"'{local(best.rpartition('/')[2])}' is the element that repeats most, {self.counts[best]} times"


def _clashing(names: Iterable[str]) -> set[str]:
    """The names that are equal to another one without their prefixes."""
    first: dict[str, str] = {}
    clashing: set[str] = set()
    for name in names:
        if first.setdefault(local(name), name) != name:
            clashing |= {name, first[local(name)]}
    return clashing


def ends_with(path: str, names: tuple[str, ...]) -> bool:
    """Whether the last elements of a path have these names; a name without prefix stands for any."""
    tags = path.split("/")[-len(names) :]
    pairs = zip(tags, names, strict=False)
    return len(tags) == len(names) and all(name in (tag, local(tag)) for tag, name in pairs)


def _plain(path: str) -> str:
    return "/".join(local(tag) for tag in path.strip("/").split("/"))


def outline(chunks: Iterator[bytes], asked: str | None, encoding: str | None = None) -> Outline:
    """Read the whole document once; raises UnreadableFileError for what is not XML, or has no such record."""
    markup = Markup(WHAT, doctype=True, encoding=encoding)
    survey = Survey(markup, asked)
    markup.parser.StartElementHandler, markup.parser.EndElementHandler = survey.start, survey.end
    for _ in markup.run(chunks):
        if local(survey.root.strip("/")).lower() == "html":
            raise UnreadableFileError("The file is a web page (HTML), which is not read; export it as CSV.")
    return survey.outline(asked)


def guessed(chunks: Iterator[bytes], asked: str | None, encoding: str | None = None) -> Outline | None:
    """The outline of a document's first chunk; None where that does not show one."""
    markup = Markup(WHAT, doctype=True, encoding=encoding)
    survey = Survey(markup, asked)
    markup.parser.StartElementHandler, markup.parser.EndElementHandler = survey.start, survey.end
    try:
        for _ in markup.run(chunks):
            break
        return survey.outline(asked) if local(survey.root.strip("/")).lower() != "html" else None
    except UnreadableFileError:
        return None
