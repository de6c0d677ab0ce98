"""Uploads and the data that they become."""

from __future__ import annotations

from fluvial import clock, datasets, profiles, upload_parts
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from reference.errors import render
from reference.wire import common
from reference.wire import data as shapes

app = make_app("reference", render)


@app.post("/data/upload", "data:write")
def upload_data(caller: Caller, form: shapes.UploadForm) -> Response[shapes.DataItem]:
    """Takes a file of at most 4.5 MB; it is read into typed rows at once."""
    project_id = common.PROJECT.parse(form.project_id, field="project_id")
    return app.once(
        lambda once: datasets.receive(
            caller,
            project_id=project_id,
            filename=form.file.filename,
            data=form.file.data,
            format=form.format,
            once=once,
        ),
        shapes.DataItem.from_core,
    )


@app.post("/data/uploads", "data:write")
def open_upload(caller: Caller, body: shapes.UploadOpen) -> Response[shapes.Upload]:
    """Opens the way for a larger file, which goes straight to S3: by one form, or in `parts`."""
    project_id = common.PROJECT.parse(body.project_id, field="project_id")
    return app.once(
        lambda once: datasets.open_upload(
            caller,
            project_id=project_id,
            filename=body.filename,
            size=body.size,
            format=body.format,
            parts=body.parts,
            once=once,
        ),
        lambda opened: shapes.Upload.from_core(*opened),
    )


@app.get("/data/uploads/{id}/parts", "data:write")
def list_upload_parts(caller: Caller, id: common.UploadId, query: common.PageQuery) -> Response[shapes.UploadPartsPage]:
    """The parts of an upload: where to send them, and which have arrived."""
    found = upload_parts.page(caller, id, offset=query.offset, limit=query.per_page)
    path = f"/data/uploads/{common.UPLOAD.spell(id)}/parts"
    more = {"part_size": found.part_size, "urls_expire_at": clock.iso(found.urls_expire)}
    return app.answer(shapes.UploadPartsPage.of(found.parts, query, shapes.UploadPart.from_core, app, path, **more))


@app.post("/data/uploads/{id}/complete", "data:write")
def complete_upload(caller: Caller, id: common.UploadId) -> Response[shapes.DataItem]:
    """Says that the file has arrived; it is then read."""
    return app.once(lambda once: datasets.complete_upload(caller, id, once=once), shapes.DataItem.from_core)


@app.get("/data/{id}", "data:read")
def get_data(caller: Caller, id: common.DataId) -> Response[shapes.Data]:
    """Data with its columns: their types, and why they are what they are."""
    dataset = datasets.get(caller, id)
    return app.answer(shapes.Data.whole(dataset, datasets.manifest(dataset)))


@app.get("/data/{id}/profile", "data:read")
def get_profile(caller: Caller, id: common.DataId, query: shapes.ProfileQuery) -> Response[shapes.DataProfile]:
    """What the columns of data are like: nulls, different values, bounds, means, quantiles, the most frequent."""
    found = profiles.get(caller, id, columns=query.to_core(), version=query.version)
    return app.answer(shapes.DataProfile.from_core(found))


@app.delete("/data/{id}", "data:write")
def delete_data(caller: Caller, id: common.DataId) -> Response[common.Done]:
    """Removes data, its rows and its source."""
    datasets.delete(caller, id)
    return app.answer(common.Done(message="Data deleted successfully"))


@app.get("/projects/{id}/data", "data:read")
def list_data(caller: Caller, id: common.ProjectId, query: common.ListQuery) -> Response[shapes.DataPage]:
    """The data of a project, a page at a time."""
    found = datasets.page(caller, id, query.to_core(), offset=query.offset, limit=query.per_page)
    path = f"/projects/{common.PROJECT.spell(id)}/data"
    return app.answer(shapes.DataPage.of(found, query, shapes.DataItem.from_core, app, path))


handler = app
