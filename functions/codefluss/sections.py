"""The sections of a page, from top to bottom."""

from __future__ import annotations

from codefluss.errors import render_for
from codefluss.wire import common
from codefluss.wire import sections as shapes
from fluvial import sections
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from fluvial.idempotency import Once

app = make_app("codefluss", render_for("section"))

# As the product's own editor calls them.
EDITOR = "/editor/grid-sections-files"


@app.get("/pages/{page_id}/sections", "pages:read")
def list_sections(caller: Caller, page_id: common.PageId, query: common.ListQuery) -> Response[shapes.SectionList]:
    """The sections of a page, from top to bottom."""
    return _listed(caller, page_id, query)


@app.get(EDITOR, "pages:read")
def list_sections_in_the_editor(caller: Caller, query: shapes.EditorQuery) -> Response[shapes.SectionList]:
    """The sections of the page `pageId`."""
    return _listed(caller, common.PAGE.parse(query.pageId, field="page_id"), query)


@app.post("/pages/{page_id}/sections", "pages:write")
def create_section(
    caller: Caller, page_id: common.PageId, body: shapes.SectionCreate
) -> Response[shapes.SectionAnswer]:
    """Makes a section, last on its page unless `order` says where."""
    return _created(caller, page_id, body)


@app.post(EDITOR, "pages:write")
def create_section_in_the_editor(caller: Caller, body: shapes.EditorSectionCreate) -> Response[shapes.SectionAnswer]:
    """Makes a section on the page `pageId`."""
    return _created(caller, common.PAGE.parse(body.page_id, field="page_id"), body)


@app.put("/pages/{page_id}/sections/order", "pages:write")
def reorder_sections(
    caller: Caller, page_id: common.PageId, body: shapes.SectionOrder, expected: int | None
) -> Response[shapes.OrderAnswer]:
    """Gives the sections of a page a new order. `If-Match` and the answer's ETag are the page's."""
    page = sections.reorder(caller, page_id, body.to_core(), expected=expected)
    return app.answer(shapes.OrderAnswer.of(shapes.Ordered.from_core(page), app), revision=page.revision)


@app.get("/sections/{section_id}", "pages:read", also=(304,))
@app.get(EDITOR + "/{section_id}", "pages:read", also=(304,))
def get_section(caller: Caller, section_id: common.SectionId) -> Response[shapes.SectionAnswer]:
    """One section."""
    section = sections.get(caller, section_id)
    return app.answer(_shown(section), revision=section.revision)


@app.put("/sections/{section_id}", "pages:write")
@app.put(EDITOR + "/{section_id}", "pages:write")
def update_section(
    caller: Caller, section_id: common.SectionId, body: shapes.SectionUpdate, expected: int | None
) -> Response[shapes.SectionAnswer]:
    """Changes the fields that are given; the others stay."""
    section = sections.update(caller, section_id, body.to_core(), expected=expected)
    return app.answer(_shown(section), revision=section.revision)


@app.delete("/sections/{section_id}", "pages:write")
@app.delete(EDITOR + "/{section_id}", "pages:write")
def delete_section(caller: Caller, section_id: common.SectionId, expected: int | None) -> Response[common.Deleted]:
    """Removes a section and all in it."""
    sections.delete(caller, section_id, expected=expected)
    return app.answer(common.Deleted.of(common.Gone(id=common.SECTION.spell(section_id)), app))


@app.post("/sections/{section_id}/move", "pages:write", status=200)
def move_section(
    caller: Caller, section_id: common.SectionId, body: shapes.SectionMove, expected: int | None
) -> Response[shapes.SectionAnswer]:
    """Puts a section elsewhere on its page, or on another page of its project."""

    def move(once: Once[sections.Section] | None) -> sections.Section:
        return sections.move(caller, section_id, page_id=body.page(), order=body.order, expected=expected, once=once)

    return app.once(move, _shown)


def _listed(caller: Caller, page_id: int, query: common.ListQuery) -> Response[shapes.SectionList]:
    found = sections.page(caller, page_id, after=query.after, limit=query.limit)
    return app.answer(shapes.SectionList.listed(found, shapes.Section.from_core, lambda section: section.id, app))


def _created(caller: Caller, page_id: int, body: shapes.SectionCreate) -> Response[shapes.SectionAnswer]:
    def create(once: Once[sections.Section] | None) -> sections.Section:
        return sections.create(
            caller,
            page_id,
            type=body.type,
            name=body.name,
            visible=body.visible,
            content=body.content,
            styles=body.styles,
            responsive=body.responsive,
            order=body.order,
            once=once,
        )

    return app.once(create, _shown)


def _shown(section: sections.Section) -> shapes.SectionAnswer:
    return shapes.SectionAnswer.of(shapes.Section.from_core(section), app)


handler = app
