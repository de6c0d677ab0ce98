"""What every HTTP handler shares; rules never import it.

    app = make_app("reference", render)

    @app.get("/projects/{id}", "projects:read")
    def get_project(caller: Caller, id: common.ProjectId) -> Response[shapes.Project]:
        \"""One project.\"""
        return app.answer(shapes.Project.from_core(projects.get(caller, id)))

The signature is the contract: what it names is read, checked and handed over, and what the API's OpenAPI document says
is made of the same signatures (see `route`).
"""

from fluvial.http.app import App, Render, make_app
from fluvial.http.response import Response
from fluvial.http.route import Id, Number, Route, Uuid

__all__ = ["App", "Id", "Number", "Render", "Response", "Route", "Uuid", "make_app"]
