"""Sections of a page: its blocks from top to bottom, with components in them.

The order is the page's: a list of ids there. So whatever adds, removes or moves a section changes the page in the same
transaction (and its revision), and what changes only the inside of a section leaves the page as it is. To those who
listen, either is `page.updated`, with the id of the section.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fluvial import clock, components, elements, events, ids, pages
from fluvial.attempts import attempts
from fluvial.caller import Caller
from fluvial.components import Component
from fluvial.errors import MAX_SHOWN, ConflictError, InvalidError, NotFoundError
from fluvial.idempotency import Once, guard
from fluvial.pages import Page, check_revision
from fluvial.paging import Listed
from fluvial.store import pages as pages_store
from fluvial.store import sections as store
from fluvial.trees import Tree

MAX_SECTIONS = 200  # on one page
FIELDS = "type, name, visible, content, styles, responsive"


@dataclass(frozen=True, slots=True)
class Section:
    """Times in milliseconds; `revision` grows by one with each change; `order` is its position on the page, from 0.

    `content` has the type's own fields and `components`, as `elements` checked them.
    """

    id: int
    account: int
    project: int
    page: int
    type: str
    name: str
    visible: bool
    content: dict[str, Any]
    styles: dict[str, str]
    responsive: dict[str, Any]
    created: int
    updated: int
    revision: int = 1
    order: int = 0

    def checked(self) -> Section:
        """The section as it is stored; InvalidError for what it cannot have."""
        content, styles, responsive = elements.checked_section(
            type=self.type,
            name=self.name,
            visible=self.visible,
            content=self.content,
            styles=self.styles,
            responsive=self.responsive,
        )
        return replace(self, content=content, styles=styles, responsive=responsive)


@dataclass(frozen=True, slots=True)
class Change:
    """New values of a section's fields; fields that are not `given` (by the names in FIELDS) stay."""

    given: frozenset[str]
    type: str = ""
    name: str = ""
    visible: bool = True
    content: dict[str, Any] = field(default_factory=dict)
    styles: dict[str, str] = field(default_factory=dict)
    responsive: dict[str, Any] = field(default_factory=dict)

    def apply(self, section: Section) -> Section:
        """The changed section; InvalidError for a value that it cannot have."""
        if not self.given:
            raise InvalidError(None, "Give at least one field to change.", constraint=FIELDS)
        return replace(section, **{name: getattr(self, name) for name in self.given}).checked()


def create(
    caller: Caller,
    page_id: int,
    *,
    type: str,
    name: str | None = None,
    visible: bool = True,
    content: dict[str, Any] | None = None,
    styles: dict[str, str] | None = None,
    responsive: dict[str, Any] | None = None,
    order: int | None = None,
    once: Once[Section] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Section:
    """Makes a section, last on its page unless `order` says where; without a name it is called as its type."""
    moment = now()
    for _ in attempts(f"page {page_id}"):
        page, tree = pages.find(caller, page_id)
        section = Section(
            id=new_id(),
            account=caller.account,
            project=page.project,
            page=page_id,
            type=type,
            name=type if name is None else name,
            visible=visible,
            content={} if content is None else content,
            styles={} if styles is None else styles,
            responsive={} if responsive is None else responsive,
            created=moment,
            updated=moment,
        ).checked()
        changed = _with(page, section.id, order, moment)
        section = replace(section, order=changed.sections.index(section.id))
        event = _page_updated(changed, section.id, moment)
        if store.create(section, changed, tree, event, guard(once, section)):
            return section
    raise AssertionError("attempts end with an error")


def get(caller: Caller, section_id: int) -> Section:
    """The section; NotFoundError for one that is absent, foreign or out of the key's reach, or whose page is gone."""
    return _find(caller, section_id)[0]


def page(caller: Caller, page_id: int, *, after: int | None = None, limit: int) -> Listed[Section]:
    """At most `limit` sections of a page behind the section `after`, from top to bottom."""
    found, _ = pages.find(caller, page_id)
    wanted = pages.behind(found.sections, after)
    items = store.some(caller.account, found, wanted[:limit])
    return Listed(items, len(wanted) > limit, len(found.sections))


def update(
    caller: Caller,
    section_id: int,
    change: Change,
    *,
    expected: int | None = None,
    once: Once[Section] | None = None,
    now: clock.Now = clock.now,
) -> Section:
    """Changes the given fields. Of two writers at once, neither change is lost. StaleError as with pages."""
    return _change(caller, section_id, change.apply, expected, once, now)


def delete(caller: Caller, section_id: int, *, expected: int | None = None, now: clock.Now = clock.now) -> None:
    """Removes the section and all in it."""
    for _ in attempts(f"section {section_id}"):
        section, page, tree = _find(caller, section_id)
        check_revision("section", section.revision, expected)
        moment = max(now(), page.updated)
        changed = _without(page, section_id, moment)
        if store.delete(section, changed, tree, _page_updated(changed, section_id, moment)):
            return


def move(
    caller: Caller,
    section_id: int,
    *,
    page_id: int | None = None,
    order: int | None = None,
    expected: int | None = None,
    once: Once[Section] | None = None,
    now: clock.Now = clock.now,
) -> Section:
    """Puts the section elsewhere on its page, or on another page of its project; last unless `order` says where."""
    for _ in attempts(f"section {section_id}"):
        section, page, tree = _find(caller, section_id)
        check_revision("section", section.revision, expected)
        moment = max(now(), section.updated, page.updated)
        if page_id in (None, page.id):
            changed = [_with(replace(page, sections=_others(page, section_id)), section_id, order, moment)]
        else:
            target = pages.get(caller, page_id or 0, field="page_id")
            if target.project != page.project:
                reason = "A section moves within its project only."
                raise InvalidError("page_id", reason, constraint="a page of the same project")
            changed = [_with(target, section_id, order, moment), _without(page, section_id, moment)]
        position = changed[0].sections.index(section_id)
        moved = replace(section, page=changed[0].id, order=position, updated=moment, revision=section.revision + 1)
        happened = [_page_updated(each, section_id, moment) for each in changed]
        if store.move(moved, changed, tree, happened, guard(once, moved)):
            return moved
    raise AssertionError("attempts end with an error")


def reorder(
    caller: Caller,
    page_id: int,
    section_ids: Sequence[int],
    *,
    expected: int | None = None,
    once: Once[Page] | None = None,
    now: clock.Now = clock.now,
) -> Page:
    """Gives all sections of a page a new order; `section_ids` must name each of them once. `expected` is the page's."""
    for _ in attempts(f"page {page_id}"):
        page, tree = pages.find(caller, page_id)
        check_revision("page", page.revision, expected)
        _check_same(page, section_ids)
        moment = max(now(), page.updated)
        changed = replace(page, sections=tuple(section_ids), updated=moment, revision=page.revision + 1)
        event = events.happened(caller.account, "page.updated", changed.described(), at=moment)
        if pages_store.update(changed, tree, event, guard(once, changed)):
            return changed
    raise AssertionError("attempts end with an error")


def add_component(
    caller: Caller,
    section_id: int,
    component: Component,
    *,
    parent_id: str | None = None,
    order: int | None = None,
    expected: int | None = None,
    once: Once[Section] | None = None,
    now: clock.Now = clock.now,
) -> Section:
    """Puts a new component into the section, or into another component. What it refuses names the place it goes to."""
    return _change_components(
        caller, section_id, lambda all: components.add(all, component, parent_id, order), expected, once, now
    )


def replace_component(
    caller: Caller,
    section_id: int,
    component_id: str,
    component: Component,
    *,
    expected: int | None = None,
    once: Once[Section] | None = None,
    now: clock.Now = clock.now,
) -> Section:
    """Puts another component, and what is in it, into the place of this one; it keeps the id."""
    new = {**component, "id": component_id}
    return _change_components(
        caller, section_id, lambda all: components.replace(all, component_id, new), expected, once, now
    )


def remove_component(
    caller: Caller,
    section_id: int,
    component_id: str,
    *,
    expected: int | None = None,
    now: clock.Now = clock.now,
) -> Section:
    """Takes a component out of the section, with all in it."""
    return _change_components(caller, section_id, lambda all: components.remove(all, component_id), expected, None, now)


def move_component(
    caller: Caller,
    section_id: int,
    component_id: str,
    *,
    parent_id: str | None = None,
    order: int | None = None,
    expected: int | None = None,
    once: Once[Section] | None = None,
    now: clock.Now = clock.now,
) -> Section:
    """Puts a component, with all in it, elsewhere in the section: into `parent_id`, or None for the section itself."""
    return _change_components(
        caller, section_id, lambda all: components.move(all, component_id, parent_id, order), expected, once, now
    )


def _change_components(
    caller: Caller,
    section_id: int,
    change: Callable[[list[Component]], list[Component]],
    expected: int | None,
    once: Once[Section] | None,
    now: clock.Now,
) -> Section:
    def apply(section: Section) -> Section:
        content = {**section.content, "components": change(section.content["components"])}
        return replace(section, content=content).checked()

    return _change(caller, section_id, apply, expected, once, now)


def _change(
    caller: Caller,
    section_id: int,
    apply: Callable[[Section], Section],
    expected: int | None,
    once: Once[Section] | None,
    now: clock.Now,
) -> Section:
    for _ in attempts(f"section {section_id}"):
        section, page, tree = _find(caller, section_id)
        check_revision("section", section.revision, expected)
        moment = max(now(), section.updated)
        changed = replace(apply(section), updated=moment, revision=section.revision + 1)
        event = _page_updated(page, section_id, moment)
        if store.update(changed, page, tree, event, guard(once, changed)):
            return changed
    raise AssertionError("attempts end with an error")


def _find(caller: Caller, section_id: int) -> tuple[Section, Page, Tree]:
    found = store.get(caller.account, section_id)
    if found is None or not caller.reaches(found[0].project):
        raise NotFoundError("section", section_id)
    return found


def _with(page: Page, section_id: int, order: int | None, moment: int) -> Page:
    """The page with one section more at this position."""
    there = page.sections
    if len(there) >= MAX_SECTIONS:
        raise ConflictError(f"A page has at most {MAX_SECTIONS} sections: delete one first.")
    position = len(there) if order is None else order
    if not 0 <= position <= len(there):
        allowed = f"0-{len(there)}"
        raise InvalidError("order", f"'order' must be {allowed} here.", value=order, constraint=allowed)
    sections = (*there[:position], section_id, *there[position:])
    return replace(page, sections=sections, updated=max(moment, page.updated), revision=page.revision + 1)


def _without(page: Page, section_id: int, moment: int) -> Page:
    return replace(
        page, sections=_others(page, section_id), updated=max(moment, page.updated), revision=page.revision + 1
    )


def _others(page: Page, section_id: int) -> tuple[int, ...]:
    return tuple(each for each in page.sections if each != section_id)


def _check_same(page: Page, section_ids: Sequence[int]) -> None:
    """InvalidError, naming what is missing, foreign or twice, unless these are all sections of the page."""
    twice = {each for each in section_ids if section_ids.count(each) > 1}
    for what, wrong in (
        ("lacks", set(page.sections) - set(section_ids)),
        ("has, though they are not of this page,", set(section_ids) - set(page.sections)),
        ("has twice", twice),
    ):
        if wrong:
            names = ", ".join(ids.spell(ids.SECTION, each) for each in sorted(wrong))
            raise InvalidError(
                "section_ids",
                f"'section_ids' {what} {names}.",
                value=names[:MAX_SHOWN],
                constraint="every section of the page, once",
            )


def _page_updated(page: Page, section_id: int, moment: int) -> events.Event:
    data = page.described() | {"section_id": ids.spell(ids.SECTION, section_id)}
    return events.happened(page.account, "page.updated", data, at=moment)
