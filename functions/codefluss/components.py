"""The components in a section. Every answer is the whole section, whose revision they share."""

from __future__ import annotations

from codefluss.errors import render_for
from codefluss.wire import common
from codefluss.wire import sections as shapes
from fluvial import sections
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from fluvial.idempotency import Once

app = make_app("codefluss", render_for("component"))


@app.post("/sections/{section_id}/components", "pages:write")
def add_component(
    caller: Caller, section_id: common.SectionId, body: shapes.ComponentAdd, expected: int | None
) -> Response[shapes.SectionAnswer]:
    """Puts a new component into the section, or into one of its components."""

    def add(once: Once[sections.Section] | None) -> sections.Section:
        return sections.add_component(
            caller,
            section_id,
            body.component,
            parent_id=body.parent_id,
            order=body.order,
            expected=expected,
            once=once,
        )

    return app.once(add, _shown)


@app.put("/sections/{section_id}/components/{component_id}", "pages:write")
def replace_component(
    caller: Caller, section_id: common.SectionId, component_id: str, body: shapes.Component, expected: int | None
) -> Response[shapes.SectionAnswer]:
    """Puts another component, with what is in it, into the place of this one; it keeps the id."""
    section = sections.replace_component(caller, section_id, component_id, body.to_core(), expected=expected)
    return app.answer(_shown(section), revision=section.revision)


@app.delete("/sections/{section_id}/components/{component_id}", "pages:write")
def remove_component(
    caller: Caller, section_id: common.SectionId, component_id: str, expected: int | None
) -> Response[shapes.SectionAnswer]:
    """Takes a component out of the section, with all in it."""
    section = sections.remove_component(caller, section_id, component_id, expected=expected)
    return app.answer(_shown(section), revision=section.revision)


@app.post("/sections/{section_id}/components/{component_id}/move", "pages:write", status=200)
def move_component(
    caller: Caller,
    section_id: common.SectionId,
    component_id: str,
    body: shapes.ComponentMove,
    expected: int | None,
) -> Response[shapes.SectionAnswer]:
    """Puts a component, with all in it, elsewhere in the section; `parentId` null is the section itself."""

    def move(once: Once[sections.Section] | None) -> sections.Section:
        return sections.move_component(
            caller,
            section_id,
            component_id,
            parent_id=body.parent_id,
            order=body.order,
            expected=expected,
            once=once,
        )

    return app.once(move, _shown)


def _shown(section: sections.Section) -> shapes.SectionAnswer:
    return shapes.SectionAnswer.of(shapes.Section.from_core(section), app)


handler = app
