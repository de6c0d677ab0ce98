"""What the templates show: a site in one language, every text chosen, every address resolved, every heading in order.

The templates decide nothing. Each field of a section or component that its type has is there, None where it was not
given, so a template that asks for a field that no type has fails (StrictUndefined) instead of showing nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from fluvial import elements
from fluvial.element_types import COMPONENTS, SECTIONS, Address, Choice, Field, Flag, Group, Many, Text
from fluvial.site_html import stylesheet, words

INDEX = "index.html"
NOWHERE = "#"

_EMAIL = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+")
_TELEPHONE = re.compile(r"\+?[0-9 ()/.-]{3,40}")
_BLANK_LINES = re.compile(r"\n[ \t]*\n\s*")

View = dict[str, Any]


def paragraphs(text: str) -> list[list[str]]:
    """Paragraphs, each a list of lines."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    return [part.split("\n") for part in _BLANK_LINES.split(plain)]


class Site:
    """A snapshot in one of its languages."""

    def __init__(self, snapshot: View, language: str) -> None:
        self._snapshot = snapshot
        self._language = language
        self._pages: dict[str, View] = {page["id"]: page for page in snapshot["pages"]}
        self._paths = {page["path"]: page for page in snapshot["pages"]}
        self._home = snapshot["pages"][0]
        self._roots = [page for page in snapshot["pages"] if page["parent"] is None]

    def pages(self) -> Iterator[View]:
        """What each page shows, the home page first and once more under its own path."""
        yield self._page(self._home, self._file(self._home, self._language))
        for page in self._snapshot["pages"]:
            yield self._page(page, f"{self._folder(self._language)}{page['path']}/{INDEX}")

    def _page(self, page: View, file: str) -> View:
        here = _Here(self, file)
        way = list(self._way(page))
        shown = [section for section in page["sections"] if stylesheet.is_ever_shown(section)]
        main = [section for section in shown if section["type"] not in ("header", "footer")]
        hero = self._opening_hero(main)
        canonical = self._file(page, self._language)
        return {
            "file": file,
            "language": self._language,
            "direction": words.direction(self._language),
            "words": words.of(self._language),
            "words_language": words.language_of_words(self._language),
            "stylesheet": here.to("style.css"),
            "canonical": None if canonical == file else here.to(canonical),
            "site_name": self._snapshot["name"],
            "home": here.to(self._file(self._home, self._language)),
            "title": page["title"],
            "seo_title": page["seo"]["title"] or page["title"],
            "description": page["seo"]["description"],
            "navigation": [
                here.link(root, "page" if root is page else "true" if root in way else None) for root in self._roots
            ],
            "trail": [here.link(each, "page" if each is page else None) for each in way] if len(way) > 1 else [],
            "below": [here.link(each, None) for each in self._snapshot["pages"] if each["parent"] == page["id"]],
            "languages": [
                {
                    "code": language,
                    "name": words.name(language),
                    "direction": words.direction(language),
                    "href": here.to(self._file(page, language)),
                    "current": "page" if language == self._language else None,
                }
                for language in self._snapshot["languages"]
            ],
            "has_hero": hero is not None,
            "headers": [here.section(each, hero) for each in shown if each["type"] == "header"],
            "sections": [here.section(each, hero) for each in main],
            "footers": [here.section(each, hero) for each in shown if each["type"] == "footer"],
        }

    def text(self, value: str | Mapping[str, str]) -> str:
        """The text in this language, or its nearest relative, or the main language, or any that there is."""
        if isinstance(value, str):
            return value
        for language in (self._language, self._language[:2], self._snapshot["language"]):
            if language in value:
                return value[language]
        return value[min(value)]

    def target(self, address: str) -> str | None:
        """The file of the page that an address such as `/about#team` means; None where it means none of this site."""
        if not address.startswith("/") or address.startswith("//"):
            return None
        path, hash, fragment = address.partition("#")
        path = path.strip("/").removesuffix(f"/{INDEX}")
        page = self._home if path in ("", INDEX) else self._paths.get(path)
        return None if page is None else f"{self._file(page, self._language)}{hash}{fragment}"

    def file_of(self, page: View) -> str:
        """Where links to a page lead in this language."""
        return self._file(page, self._language)

    def _opening_hero(self, main: list[View]) -> str | None:
        """The section whose title is the page's heading: a hero with a title, if nothing with a title comes before."""
        for section in main:
            if section["content"].get("title"):
                return str(section["id"]) if section["type"] == "hero" else None
            if section["content"]["components"]:
                # They may begin with a heading.
                return None
        return None

    def _way(self, page: View) -> Iterator[View]:
        if page["parent"] is not None:
            yield from self._way(self._pages[page["parent"]])
        yield page

    def _folder(self, language: str) -> str:
        return "" if language == self._snapshot["language"] else f"{language}/"

    def _file(self, page: View, language: str) -> str:
        """Where links to a page lead; the home page's is at the top."""
        path = "" if page is self._home else f"{page['path']}/"
        return f"{self._folder(language)}{path}{INDEX}"


class _Here:
    """One file: links are relative to it."""

    def __init__(self, site: Site, file: str) -> None:
        self._site = site
        self._up = "../" * file.count("/")

    def to(self, file: str) -> str:
        return f"{self._up}{file}"

    def link(self, page: View, current: str | None) -> View:
        file = self._site.file_of(page)
        return {"text": page["title"], "href": self.to(file), "current": current}

    def section(self, section: View, hero: str | None) -> View:
        content = section["content"]
        fields = self._fields(content, SECTIONS[section["type"]])
        level = 1 if section["id"] == hero else 2
        titled = bool(fields.get("title"))
        headings = _Headings(level if titled else 1)
        return {
            **fields,
            "id": section["id"],
            "type": section["type"],
            "level": level,
            "item_level": level + 1 if titled else 2,
            "components": self._components(section["id"], content["components"], headings),
            **({"contacts": _contacts(fields)} if section["type"] == "contact" else {}),
        }

    def _components(self, section_id: str, components: list[View], headings: _Headings) -> list[View]:
        return [
            {
                **self._fields(component["content"], COMPONENTS[component["type"]]),
                "class": f"{section_id}-{component['id']}",
                "type": component["type"],
                **({"level": headings.fit(component)} if component["type"] == "heading" else {}),
                "components": self._components(section_id, component["components"], headings),
            }
            for component in components
            if stylesheet.is_ever_shown(component)
        ]

    def _fields(self, content: View, fields: Mapping[str, Field]) -> View:
        return {name: self._field(content.get(name), field) for name, field in fields.items()}

    def _field(self, value: Any, field: Field) -> Any:
        match field:
            case Choice():
                return field.values[0] if value is None else value
            case Flag():
                return bool(value)
            case Many():
                return [self._field(each, field.each) for each in value or ()]
            case _ if value is None:
                return None
            case Text():
                return self._site.text(value)
            case Address():
                return self._address(self._site.text(value), fetched=field.fetched)
            case Group():
                return self._fields(value, field.fields)

    def _address(self, address: str, *, fetched: bool) -> str:
        if not elements.may_link(address, fetched=fetched):
            return NOWHERE
        target = self._site.target(address)
        return address if target is None else self.to(target)


class _Headings:
    """Levels of headings in a section: none skips one, whatever its author asked for."""

    def __init__(self, level: int) -> None:
        self._last = level

    def fit(self, heading: View) -> int:
        self._last = min(int(heading["content"].get("level", 2)), self._last + 1)
        return self._last


def _contacts(fields: View) -> list[View]:
    """Ways to reach somebody: each a text and, where there is one, its address."""
    found = []
    if fields["email"]:
        email = fields["email"]
        href = f"mailto:{quote(email, safe='@+')}" if _EMAIL.fullmatch(email) else None
        found.append({"text": email, "href": href})
    if fields["phone"]:
        phone = fields["phone"]
        href = f"tel:{re.sub(r'[^0-9+]', '', phone)}" if _TELEPHONE.fullmatch(phone) else None
        found.append({"text": phone, "href": href})
    return found
