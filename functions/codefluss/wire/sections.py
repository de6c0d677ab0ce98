"""The shapes of the sections and components groups."""

from __future__ import annotations

from typing import Annotated, Any

from codefluss.wire.common import (
    PAGE,
    PROJECT,
    SECTION,
    Answer,
    ListAnswer,
    ListQuery,
    Order,
    PageIdText,
    Request,
    SectionIdText,
    Shape,
)
from fluvial import clock, css, element_types, elements, pages, sections
from fluvial.http.wire import A_CHANGE, NOT_NULL, Documented, line, one_of

SectionType = Annotated[str, one_of(tuple(element_types.SECTIONS))]
ComponentType = Annotated[str, one_of(tuple(element_types.COMPONENTS))]
ComponentIdText = Annotated[str, Documented(pattern=f"^{elements.COMPONENT_ID.pattern}$")]
Name = Annotated[str, line(elements.MAX_NAME_LENGTH)]
STYLES = {"propertyNames": {"enum": sorted(css.PROPERTIES)}, "additionalProperties": {"type": "string"}}
Styles = Annotated[dict[str, Any], Documented(**STYLES)]
CHANGED = {"visible": {"type": "boolean"}, "styles": {"type": "object", **STYLES}}
AT_BREAKPOINT = {"type": "object", "properties": CHANGED, "additionalProperties": False}
Responsive = Annotated[
    dict[str, Any],
    Documented(properties=dict.fromkeys(css.BREAKPOINTS, AT_BREAKPOINT), additionalProperties=False),
]


class SectionCreate(Request):
    """`content` has the fields of the type, and `components`; docs/apis.md lists the types."""

    type: SectionType
    name: Name | None = None
    order: Order | None = None
    visible: bool = True
    content: dict[str, Any] | None = None
    styles: Styles | None = None
    responsive: Responsive | None = None


class EditorSectionCreate(SectionCreate):
    """As the product's own editor sends it: the page in the body."""

    page_id: PageIdText


class EditorQuery(ListQuery):
    pageId: PageIdText


class SectionUpdate(Request):
    """Null stands for nothing: an empty object, or shown."""

    model_config = A_CHANGE

    type: Annotated[SectionType | None, NOT_NULL] = None
    name: Annotated[Name | None, NOT_NULL] = None
    visible: bool | None = None
    content: dict[str, Any] | None = None
    styles: Styles | None = None
    responsive: Responsive | None = None

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

    page_id: PageIdText | None = None
    order: Order | None = None

    def page(self) -> int | None:
        return None if self.page_id is None else PAGE.parse(self.page_id, field="page_id")


class SectionOrder(Request):
    """All sections of the page, in their new order."""

    section_ids: list[SectionIdText]

    def to_core(self) -> list[int]:
        return [SECTION.parse(text, field=f"section_ids.{position}") for position, text in enumerate(self.section_ids)]


class ComponentAdd(Request):
    """Into the section, or into the component `parentId`; last there unless `order` says where."""

    component: dict[str, Any]
    parent_id: ComponentIdText | None = None
    order: Order | None = None


class Component(Request):
    """A component in the place of another."""

    type: ComponentType
    visible: bool | None = None
    content: dict[str, Any] | None = None
    styles: Styles | None = None
    responsive: Responsive | None = None
    components: list[dict[str, Any]] | None = None

    def to_core(self) -> dict[str, Any]:
        return {name: value for name, value in self if value is not None}


class ComponentMove(Request):
    parent_id: ComponentIdText | None
    order: Order | None = None


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
    section_ids: list[SectionIdText]

    @classmethod
    def from_core(cls, page: pages.Page) -> Ordered:
        return cls(page_id=PAGE.spell(page.id), section_ids=[SECTION.spell(each) for each in page.sections])


class OrderAnswer(Answer):
    data: Ordered


class SectionList(ListAnswer):
    data: list[Section]
