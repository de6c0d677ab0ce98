"""What a version of a site is made of: its pages as plain JSON values, and how two of them differ. Pure.

    {"format": 1, "name", "language", "languages": […],
     "pages": [{"id", "parent", "title", "slug", "path", "seo": {…},
                "sections": [{"id", "type", "name", "visible", "content", "styles", "responsive"}]}]}

Pages stand in the order of the tree, drafts are left out. Nothing in it tells when it was taken or by whom: the same
site makes the same bytes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fluvial import elements, ids
from fluvial.element_types import COMPONENTS, SECTIONS, Address, Field, Group, Many, Text
from fluvial.pages import Page
from fluvial.projects import Project
from fluvial.sections import Section

FORMAT = 1
FALLBACK_LANGUAGE = "en"

Snapshot = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PageChange:
    """How a page differs: paths of its own fields, and of what became of its sections.

    `sections_changed` has the paths of the changed fields by section. `sections_moved` are those that others passed:
    the fewest that explain the new order.
    """

    id: str
    path: str
    title: str
    fields: list[str]
    sections_added: list[str]
    sections_removed: list[str]
    sections_moved: list[str]
    sections_changed: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one version has that another has not. Pages as they stand in the snapshots, without their sections."""

    added: list[dict[str, Any]]
    removed: list[dict[str, Any]]
    changed: list[PageChange]


def take(project: Project, pages: Sequence[Page], sections: Mapping[int, Sequence[Section]]) -> Snapshot:
    """The snapshot of these pages, with the sections of each by page id."""
    shown = [_page(page, sections[page.id]) for page in pages]
    languages = Counter(
        language for page in shown for section in page["sections"] for language in languages_of(section)
    )
    language = _main_language(project, languages)
    others = sorted(set(languages) - {language})
    return {
        "format": FORMAT,
        "name": project.name,
        "language": language,
        "languages": [language, *others],
        "pages": shown,
    }


def spell(snapshot: Snapshot) -> bytes:
    """The snapshot as it is stored; the same snapshot is always the same bytes."""
    return json.dumps(snapshot, ensure_ascii=False, separators=(",", ":")).encode()


def languages_of(section: dict[str, Any]) -> Iterator[str]:
    """The languages in which a section says something, once for each text."""
    yield from _languages(section["content"], SECTIONS[section["type"]])
    for component in elements.walk(section["content"]["components"]):
        yield from _languages(component["content"], COMPONENTS[component["type"]])


def compare(before: Snapshot, after: Snapshot) -> Comparison:
    """How the later snapshot differs from the earlier."""
    old = {page["id"]: page for page in before["pages"]}
    new = {page["id"]: page for page in after["pages"]}
    changes = [_page_change(old[id], page) for id, page in new.items() if id in old and old[id] != page]
    return Comparison(
        added=[_without_sections(page) for id, page in new.items() if id not in old],
        removed=[_without_sections(page) for id, page in old.items() if id not in new],
        changed=changes,
    )


def _page(page: Page, sections: Sequence[Section]) -> dict[str, Any]:
    return {
        "id": ids.spell(ids.PAGE, page.id),
        "parent": None if page.parent is None else ids.spell(ids.PAGE, page.parent),
        "title": page.title,
        "slug": page.slug,
        "path": page.path,
        "order": page.order,
        "seo": {"title": page.seo.title, "description": page.seo.description},
        "sections": [
            {
                "id": ids.spell(ids.SECTION, section.id),
                "type": section.type,
                "name": section.name,
                "visible": section.visible,
                "content": section.content,
                "styles": section.styles,
                "responsive": section.responsive,
            }
            for section in sections
        ],
    }


def _main_language(project: Project, languages: Counter[str]) -> str:
    """The project's setting `locale`, or else the language of most texts; of as many, the one that comes first."""
    wanted = project.settings.get("locale")
    if isinstance(wanted, str) and elements.LANGUAGE.fullmatch(wanted):
        return wanted
    return max(languages, key=lambda language: languages[language], default=FALLBACK_LANGUAGE)


def _languages(content: dict[str, Any], fields: Mapping[str, Field]) -> Iterator[str]:
    for name, field in fields.items():
        if name in content:
            yield from _languages_in(content[name], field)


def _languages_in(value: Any, field: Field) -> Iterator[str]:
    match field:
        case Text() | Address() if isinstance(value, dict):
            yield from value
        case Group():
            yield from _languages(value, field.fields)
        case Many():
            for each in value:
                yield from _languages_in(each, field.each)


def _page_change(before: dict[str, Any], after: dict[str, Any]) -> PageChange:
    old = {section["id"]: section for section in before["sections"]}
    new = {section["id"]: section for section in after["sections"]}
    stayed = [id for id in new if id in old]
    return PageChange(
        id=after["id"],
        path=after["path"],
        title=after["title"],
        fields=_changed_fields(_without_sections(before), _without_sections(after)),
        sections_added=[id for id in new if id not in old],
        sections_removed=[id for id in old if id not in new],
        sections_moved=_moved([id for id in old if id in new], stayed),
        sections_changed={id: _changed_fields(old[id], new[id]) for id in stayed if old[id] != new[id]},
    )


def _changed_fields(before: Any, after: Any, path: str = "") -> list[str]:
    """The paths of the leaves that differ; a list of another length differs as a whole."""
    if before == after and type(before) is type(after):
        return []
    if isinstance(before, dict) and isinstance(after, dict):
        parts = [(str(name), before.get(name), after.get(name)) for name in {**before, **after}]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        parts = [(str(index), old, new) for index, (old, new) in enumerate(zip(before, after, strict=True))]
    else:
        return [path]
    return [found for name, old, new in parts for found in _changed_fields(old, new, f"{path}.{name}".lstrip("."))]


def _moved(before: list[str], after: list[str]) -> list[str]:
    """The fewest that must have moved: all but a longest run that kept its order. A page has few enough for n²."""
    place = {id: index for index, id in enumerate(before)}
    longest: list[str] = []
    ending_at: list[list[str]] = []
    for id in after:
        run: list[str] = []
        for earlier in ending_at:
            if place[earlier[-1]] < place[id] and len(earlier) > len(run):
                run = earlier
        ending_at.append([*run, id])
        if len(ending_at[-1]) > len(longest):
            longest = ending_at[-1]
    kept = set(longest)
    return [id for id in after if id not in kept]


def _without_sections(page: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in page.items() if name != "sections"}
