"""Uploads and the data that they become."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from fluvial import datasets, multipart
from fluvial.errors import MAX_SHOWN, InvalidError
from fluvial.http import make_app
from reference.errors import render
from reference.wire import common
from reference.wire import data as shapes

PARTS = ("file", "project_id", "format")

app = make_app("reference", render)


@app.post("/data/upload")
def upload_data() -> Response[str]:
    caller, form = app.caller("data:write"), app.form()
    _check_names(form)
    file, project_id = _file(form), common.parse_id("project", _field(form, "project_id"), field="project_id")
    return app.once(
        caller,
        form.said(),
        lambda once: datasets.receive(
            caller,
            project_id=project_id,
            filename=file.filename,
            data=file.data,
            format=form.fields.get("format"),
            once=once,
        ),
        shapes.DataItem.from_core,
    )


@app.post("/data/uploads")
def open_upload() -> Response[str]:
    caller, body = app.caller("data:write"), app.body(shapes.UploadOpen)
    project_id = common.parse_id("project", body.project_id, field="project_id")
    return app.once(
        caller,
        body.said(),
        lambda once: datasets.open_upload(
            caller, project_id=project_id, filename=body.filename, size=body.size, format=body.format, once=once
        ),
        lambda opened: shapes.Upload.from_core(*opened),
    )


@app.post("/data/uploads/<id>/complete")
def complete_upload(id: str) -> Response[str]:
    caller, upload_id = app.caller("data:write"), common.parse_id("upload", id)
    return app.once(
        caller,
        b"",
        lambda once: datasets.complete_upload(caller, upload_id, once=once),
        shapes.DataItem.from_core,
    )


@app.get("/data/<id>")
def get_data(id: str) -> Response[str]:
    dataset = datasets.get(app.caller("data:read"), common.parse_id("dataset", id))
    return app.answer(200, shapes.Data.whole(dataset, datasets.manifest(dataset)))


@app.delete("/data/<id>")
def delete_data(id: str) -> Response[str]:
    datasets.delete(app.caller("data:write"), common.parse_id("dataset", id))
    return app.answer(200, common.Done(message="Data deleted successfully"))


@app.get("/projects/<id>/data")
def list_data(id: str) -> Response[str]:
    caller, query = app.caller("data:read"), app.query(common.ListQuery)
    project_id = common.parse_id("project", id)
    found = datasets.page(caller, project_id, query.to_core(), offset=query.offset, limit=query.per_page)
    return app.answer(
        200, common.page_of(found, query, shapes.DataItem.from_core, path=f"/projects/{id}/data", asked=app.asked)
    )


def _check_names(form: multipart.Form) -> None:
    """Refuses parts that are not known: what a caller sends is never silently dropped."""
    for name in (*form.fields, *form.files):
        if name not in PARTS:
            shown = name[:MAX_SHOWN]
            raise InvalidError(shown, f"'{shown}' is not a field of this request.", constraint=", ".join(PARTS))


def _file(form: multipart.Form) -> multipart.FilePart:
    file = form.files.get("file")
    if file is None:
        raise InvalidError("file", "'file' is required: a part with a file name.", constraint="a file")
    return file


def _field(form: multipart.Form, name: str) -> str:
    if name not in form.fields:
        raise InvalidError(name, f"'{name}' is required.", constraint="a text part")
    return form.fields[name]


handler = app
