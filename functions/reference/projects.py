"""The projects of an account."""

from __future__ import annotations

from fluvial import projects
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from reference.errors import render
from reference.wire import common
from reference.wire import projects as shapes

app = make_app("reference", render)


@app.get("/projects", "projects:read")
def list_projects(caller: Caller, query: common.ListQuery) -> Response[shapes.ProjectsPage]:
    """The account's projects, a page at a time."""
    found = projects.page(caller, query.to_core(), offset=query.offset, limit=query.per_page)
    return app.answer(shapes.ProjectsPage.of(found, query, shapes.ProjectItem.from_core, app, "/projects"))


@app.post("/projects", "projects:write")
def create_project(caller: Caller, body: shapes.ProjectCreate) -> Response[shapes.Project]:
    """Makes a project."""
    return app.once(
        lambda once: projects.create(
            caller, name=body.name, description=body.description, settings=body.settings, once=once
        ),
        shapes.Project.from_core,
    )


@app.get("/projects/{id}", "projects:read")
def get_project(caller: Caller, id: common.ProjectId) -> Response[shapes.Project]:
    """One project."""
    return app.answer(shapes.Project.from_core(projects.get(caller, id)))


@app.put("/projects/{id}", "projects:write")
def update_project(caller: Caller, id: common.ProjectId, body: shapes.ProjectUpdate) -> Response[shapes.Project]:
    """Changes the fields that are given; the others stay."""
    return app.answer(shapes.Project.from_core(projects.update(caller, id, body.to_core())))


@app.delete("/projects/{id}", "projects:write")
def delete_project(caller: Caller, id: common.ProjectId) -> Response[common.Done]:
    """Removes a project and all that is in it."""
    projects.delete(caller, id)
    return app.answer(common.Done(message="Project deleted successfully"))


handler = app
