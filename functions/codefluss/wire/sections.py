"""The shapes of the sections and components groups."""

from __future__ import annotations

from typing import Any

from codefluss.wire.common import PAGE, PROJECT, SECTION, Answer, ListAnswer, ListQuery, Request, Shape
from fluvial import clock, pages, sections


class SectionCreate(Request):
    """`content` has the fields of the type, and `components`; docs/apis.md lists the types."""

    type: str
    name: str | None = None
    order: int | None = None
    visible: bool = True
    content: dict[str, Any] | None = None
    styles: dict[str, Any] | None = None
    responsive: dict[str, Any] | None = None


class EditorSectionCreate(SectionCreate):
    """As the product's own editor sends it: the page in the body."""

    page_id: str


class EditorQuery(ListQuery):
    pageId: str


class SectionUpdate(Request):
    """Null stands for nothing: an empty object."""

    type: str | None = None
    name: str | None = None
    visible: bool | None = None
    content: dict[str, Any] | None = None
    styles: dict[str, Any] | None = None
    responsive: dict[str, Any] | None = None

    def to_core(self) -> sections.Change:
        return sections.Change(
            frozenset(self.model_fields_set),
            type=self.type or "",
            name=self.name or "",
            visible=self.visible is not False,
            content=self.content or {},
            styles=self.styles or {},
            responsive=self.responsive or {},
        )


class SectionMove(Request):
    """To another place on its page, or to another page; last there unless `order` says where."""

    page_id: str | None = None
    order: int | None = None

    def page(self) -> int | None:
        return None if self.page_id is None else PAGE.parse(self.page_id, field="page_id")


class SectionOrder(Request):
    """All sections of the page, in their new order."""

    section_ids: list[str]

    def to_core(self) -> list[int]:
        return [SECTION.parse(text, field=f"section_ids.{position}") for position, text in enumerate(self.section_ids)]


class ComponentAdd(Request):
    """Into the section, or into the component `parentId`; last there unless `order` says where."""

    component: dict[str, Any]
    parent_id: str | None = None
    order: int | None = None


class Component(Request):
    """A component in the place of another."""

    type: str
    visible: bool | None = None
    content: dict[str, Any] | None = None
    styles: dict[str, Any] | None = None
    responsive: dict[str, Any] | None = None
    components: list[dict[str, Any]] | None = None

    def to_core(self) -> dict[str, Any]:
        return {name: value for name, value in self if value is not None}


class ComponentMove(Request):
    parent_id: str | None
    order: int | None = None


class Section(Shape):
    """A section. `order` is its position on its page."""

    id: str
    page_id: str
    project_id: str
    type: str
    name: str
    order: int
    visible: bool
    content: dict[str, Any]
    styles: dict[str, Any]
    responsive: dict[str, Any]
    created_at: str
    updated_at: str

    @classmethod
    def from_core(cls, section: sections.Section) -> Section:
        return cls(
            id=SECTION.spell(section.id),
            page_id=PAGE.spell(section.page),
            project_id=PROJECT.spell(section.project),
            type=section.type,
            name=section.name,
            order=section.order,
            visible=section.visible,
            content=section.content,
            styles=section.styles,
            responsive=section.responsive,
            created_at=clock.iso(section.created),
            updated_at=clock.iso(section.updated),
        )


class SectionAnswer(Answer):
    data: Section


class Ordered(Shape):
    """The sections of a page in their order; by id only, for all of them would not always fit into one answer."""

    page_id: str
    section_ids: list[str]

    @classmethod
    def from_core(cls, page: pages.Page) -> Ordered:
        return cls(page_id=PAGE.spell(page.id), section_ids=[SECTION.spell(each) for each in page.sections])


class OrderAnswer(Answer):
    data: Ordered


class SectionList(ListAnswer):
    data: list[Section]
