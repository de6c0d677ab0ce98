"""The projects of an account, each with its data sources and analyses."""

from __future__ import annotations

from fluvial import analyses, datasets, paging, projects
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from fluxjiva.errors import render
from fluxjiva.wire import common
from fluxjiva.wire import projects as shapes

app = make_app("fluxjiva", render)

NEWEST = paging.Order()


@app.get("/projects", "projects:read")
def list_projects(caller: Caller, query: common.ListQuery) -> Response[shapes.ProjectsPage]:
    """The projects that the key can see."""
    found = projects.page(caller, query.to_core(), offset=query.offset, limit=query.limit)
    return app.answer(
        shapes.ProjectsPage(data=[shapes.ProjectItem.from_core(one) for one in found.items], meta=query.meta(found))
    )


@app.post("/projects", "projects:write")
def create_project(caller: Caller, body: shapes.ProjectCreate) -> Response[shapes.ProjectAnswer]:
    """Makes a project."""
    return app.once(
        lambda once: projects.create(
            caller, name=body.name, description=body.description, industry=body.industry, once=once
        ),
        shapes.ProjectAnswer.of,
    )


@app.get("/projects/{project_id}", "projects:read")
def get_project(caller: Caller, project_id: common.ProjectId) -> Response[shapes.WholeProjectAnswer]:
    """A project with its newest data sources and analyses, 100 of each at most; `meta` says where there are more."""
    project = projects.get(caller, project_id)
    sources = datasets.page(caller, project_id, NEWEST, offset=0, limit=shapes.MAX_INCLUDED)
    made = analyses.page(caller, project_id, NEWEST, offset=0, limit=shapes.MAX_INCLUDED)
    return app.answer(shapes.WholeProjectAnswer.whole(project, sources, made))


@app.put("/projects/{project_id}", "projects:write")
def update_project(
    caller: Caller, project_id: common.ProjectId, body: shapes.ProjectUpdate
) -> Response[shapes.ProjectAnswer]:
    """Changes the fields that are given; the others stay."""
    return app.answer(shapes.ProjectAnswer.of(projects.update(caller, project_id, body.to_core())))


@app.delete("/projects/{project_id}", "projects:write")
def delete_project(caller: Caller, project_id: common.ProjectId) -> Response[common.Deleted]:
    """Removes a project and all that is in it."""
    projects.delete(caller, project_id)
    return app.answer(common.Deleted.of(common.PROJECT, project_id))


handler = app
