"""The projects of an account."""

from __future__ import annotations

from codefluss.errors import render_for
from codefluss.wire import common
from codefluss.wire import projects as shapes
from fluvial import projects
from fluvial.caller import Caller
from fluvial.http import Response, make_app

app = make_app("codefluss", render_for("project"))


@app.get("/projects", "projects:read")
def list_projects(caller: Caller, query: common.ListQuery) -> Response[shapes.ProjectList]:
    """The account's projects, newest first."""
    found = projects.behind(caller, query.after, limit=query.limit)
    return app.answer(shapes.ProjectList.listed(found, shapes.ProjectItem.from_core, lambda project: project.id, app))


@app.post("/projects", "projects:write")
def create_project(caller: Caller, body: shapes.ProjectCreate) -> Response[shapes.ProjectAnswer]:
    """Makes a project; without a slug it gets one made of its name."""
    return app.once(
        lambda once: projects.create(caller, name=body.name, slug=body.slug, description=body.description, once=once),
        _shown,
    )


@app.get("/projects/{project_id}", "projects:read", also=(304,))
def get_project(caller: Caller, project_id: common.ProjectId) -> Response[shapes.ProjectAnswer]:
    """One project."""
    project = projects.get(caller, project_id)
    return app.answer(_shown(project), revision=project.revision)


@app.put("/projects/{project_id}", "projects:write")
def update_project(
    caller: Caller, project_id: common.ProjectId, body: shapes.ProjectUpdate, expected: int | None
) -> Response[shapes.ProjectAnswer]:
    """Changes the fields that are given; the others stay."""
    project = projects.update(caller, project_id, body.to_core(), expected=expected)
    return app.answer(_shown(project), revision=project.revision)


@app.delete("/projects/{project_id}", "projects:write")
def delete_project(caller: Caller, project_id: common.ProjectId, expected: int | None) -> Response[common.Deleted]:
    """Removes a project and all that is in it."""
    projects.delete(caller, project_id, expected=expected)
    return app.answer(common.Deleted.of(common.Gone(id=common.PROJECT.spell(project_id)), app))


def _shown(project: projects.Project) -> shapes.ProjectAnswer:
    return shapes.ProjectAnswer.of(shapes.Project.from_core(project), app)


handler = app
