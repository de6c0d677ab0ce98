"""An element of XML as the members of a record: attributes, text and elements in it, as docs/data-model.md says."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

from fluvial.engine.json_text import Members, Text
from fluvial.engine.markup import declares_namespace, local
from fluvial.engine.xml_outline import Outline

NIL = "xsi:nil"


class Values:
    """Flattens the elements of one document, whose outline says which names keep their prefix."""

    def __init__(self, known: Outline, nulls: tuple[str, ...]) -> None:
        self.known, self.nulls = known, frozenset(nulls)
        self._names: dict[str, str] = {}

    def members(self, record: Element) -> Members:
        """The columns of a record, in order."""
        members = Members()
        self._flatten(record, "", local(record.tag), members)
        return members

    def _name(self, tag: str) -> str:
        name = self._names.get(tag)
        if name is None:
            name = self._names[tag] = self.known.name(tag)
        return name

    def _flatten(self, element: Element, prefix: str, name: str, members: Members) -> None:
        """Append the columns of an element: those of its attributes, and its text or its children's."""
        text, nil = element.text or "", False
        attributes = element.items()
        for key, value in attributes:
            if key == NIL:
                nil = value in ("true", "1")
            elif not declares_namespace(key):
                members.append((f"{prefix}@{self._name(key)}", None if value in self.nulls else Text(value)))
        if not len(element):
            if text or nil or not attributes:
                members.append((name, None if not text or text in self.nulls else Text(text)))
        elif not is_blank(element):
            members.append((name, self._mixed(element)))
        else:
            names = [self._name(child.tag) for child in element]
            if len(set(names)) == len(names):
                for each, child in zip(names, element, strict=True):
                    self._flatten(child, f"{prefix}{each}.", f"{prefix}{each}", members)
            else:
                self._flatten_repeated(element, prefix, members)

    def _flatten_repeated(self, element: Element, prefix: str, members: Members) -> None:
        for name, same in self._grouped(element).items():
            if len(same) == 1:
                self._flatten(same[0], f"{prefix}{name}.", f"{prefix}{name}", members)
            else:
                members.append((f"{prefix}{name}", [self._json(each) for each in same]))

    def _grouped(self, element: Element) -> dict[str, list[Element]]:
        groups: dict[str, list[Element]] = {}
        for child in element:
            groups.setdefault(self._name(child.tag), []).append(child)
        return groups

    def _json(self, element: Element) -> Any:
        """An element as a JSON value: its text, or an object of its attributes, text and children."""
        text = element.text or ""
        members = Members(
            (f"@{self._name(key)}", value) for key, value in element.items() if not declares_namespace(key)
        )
        if not len(element):
            if not members:
                return text
            return Members([*members, ("#text", text)]) if text else members
        if not is_blank(element):
            return Members([*members, ("#content", self._mixed(element))]) if members else self._mixed(element)
        for child, same in self._grouped(element).items():
            members.append((child, self._json(same[0]) if len(same) == 1 else [self._json(each) for each in same]))
        return members

    def _mixed(self, element: Element) -> list[Any]:
        """Text with elements in it, in order."""
        content: list[Any] = [element.text] if element.text else []
        for child in element:
            content.append(Members([(self._name(child.tag), self._json(child))]))
            if child.tail:
                content.append(child.tail)
        return content


def is_blank(element: Element) -> bool:
    """Whether there is nothing but white space beside the element's children."""
    return blank(element.text) and all(blank(child.tail) for child in element)


def blank(text: str | None) -> bool:
    return not text or text.isspace()
