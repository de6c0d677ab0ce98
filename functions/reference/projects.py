"""The projects of an account."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from fluvial import projects
from fluvial.http import make_app
from reference.errors import render
from reference.wire import common
from reference.wire import projects as shapes

app = make_app("reference", render)


@app.get("/projects")
def list_projects() -> Response[str]:
    caller, query = app.caller("projects:read"), app.query(common.ListQuery)
    found = projects.page(caller, query.to_core(), offset=query.offset, limit=query.per_page)
    return app.answer(
        200, common.page_of(found, query, shapes.ProjectItem.from_core, path="/projects", asked=app.asked)
    )


@app.post("/projects")
def create_project() -> Response[str]:
    caller, body = app.caller("projects:write"), app.body(shapes.ProjectCreate)
    return app.once(
        caller,
        body.said(),
        lambda once: projects.create(
            caller, name=body.name, description=body.description, settings=body.settings, once=once
        ),
        shapes.Project.from_core,
    )


@app.get("/projects/<id>")
def get_project(id: str) -> Response[str]:
    caller = app.caller("projects:read")
    return app.answer(200, shapes.Project.from_core(projects.get(caller, common.parse_id("project", id))))


@app.put("/projects/<id>")
def update_project(id: str) -> Response[str]:
    caller, body = app.caller("projects:write"), app.body(shapes.ProjectUpdate)
    return app.answer(
        200, shapes.Project.from_core(projects.update(caller, common.parse_id("project", id), body.to_core()))
    )


@app.delete("/projects/<id>")
def delete_project(id: str) -> Response[str]:
    projects.delete(app.caller("projects:write"), common.parse_id("project", id))
    return app.answer(200, common.Done(message="Project deleted successfully"))


handler = app
