"""The pages of a project's site, as a tree."""

from __future__ import annotations

from codefluss.errors import render_for
from codefluss.wire import common
from codefluss.wire import pages as shapes
from fluvial import pages
from fluvial.caller import Caller
from fluvial.http import Response, make_app

app = make_app("codefluss", render_for("page"))


@app.get("/projects/{project_id}/pages", "pages:read")
def list_pages(caller: Caller, project_id: common.ProjectId, query: shapes.PagesQuery) -> Response[shapes.PageList]:
    """The pages of a project: a page, all below it, then the next beside it."""
    found = pages.page(caller, project_id, after=query.after, limit=query.limit, parent=query.parent())
    return app.answer(shapes.PageList.listed(found, shapes.Page.from_core, lambda page: page.id, app))


@app.post("/projects/{project_id}/pages", "pages:write")
def create_page(caller: Caller, project_id: common.ProjectId, body: shapes.PageCreate) -> Response[shapes.PageAnswer]:
    """Makes a page, last below its parent unless `order` says where."""
    return app.once(
        lambda once: pages.create(
            caller,
            project_id=project_id,
            title=body.title,
            slug=body.slug,
            parent_id=body.parent(),
            order=body.order,
            status=body.status,
            seo=None if body.seo is None else body.seo.to_core(),
            once=once,
        ),
        _shown,
    )


@app.get("/pages/{page_id}", "pages:read", also=(304,))
def get_page(caller: Caller, page_id: common.PageId) -> Response[shapes.PageAnswer]:
    """One page."""
    page = pages.get(caller, page_id)
    return app.answer(_shown(page), revision=page.revision)


@app.put("/pages/{page_id}", "pages:write")
def update_page(
    caller: Caller, page_id: common.PageId, body: shapes.PageUpdate, expected: int | None
) -> Response[shapes.PageAnswer]:
    """Changes the fields that are given; the others stay."""
    page = pages.update(caller, page_id, body.to_core(), expected=expected)
    return app.answer(_shown(page), revision=page.revision)


@app.delete("/pages/{page_id}", "pages:write")
def delete_page(
    caller: Caller, page_id: common.PageId, query: shapes.DeleteQuery, expected: int | None
) -> Response[common.Deleted]:
    """Removes a page with its sections; with `recursive=true` the pages below it, too."""
    pages.delete(caller, page_id, recursive=query.recursive, expected=expected)
    return app.answer(common.Deleted.of(common.Gone(id=common.PAGE.spell(page_id)), app))


@app.post("/pages/{page_id}/move", "pages:write", status=200)
def move_page(
    caller: Caller, page_id: common.PageId, body: shapes.PageMove, expected: int | None
) -> Response[shapes.PageAnswer]:
    """Puts a page, and all below it, elsewhere in the tree."""
    return app.once(
        lambda once: pages.update(caller, page_id, body.to_core(), expected=expected, once=once),
        _shown,
    )


def _shown(page: pages.Page) -> shapes.PageAnswer:
    return shapes.PageAnswer.of(shapes.Page.from_core(page), app)


handler = app
