"""The data sources of a project: files that become typed rows."""

from __future__ import annotations

from fluvial import datasets
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from fluxjiva.errors import render
from fluxjiva.wire import common
from fluxjiva.wire import data_sources as shapes

app = make_app("fluxjiva", render)


@app.get("/projects/{project_id}/data-sources", "data:read")
def list_data_sources(
    caller: Caller, project_id: common.ProjectId, query: common.WholeListQuery
) -> Response[shapes.DataSourceList]:
    """All data sources of a project; with `limit` or `offset` a page of them, answered with `meta`."""
    found = datasets.page(caller, project_id, query.to_core(), offset=query.first, limit=query.most)
    items = [shapes.DataSource.from_core(one) for one in found.items]
    return app.answer(shapes.DataSourceList(data=items, meta=query.meta_of(found)))


@app.post("/projects/{project_id}/data-sources", "data:write")
def upload_data_source(
    caller: Caller, project_id: common.ProjectId, form: shapes.UploadForm
) -> Response[shapes.DataSourceAnswer]:
    """Takes a file of at most 4.5 MB; it is read into typed rows at once."""
    return app.once(
        lambda once: datasets.receive(
            caller,
            project_id=project_id,
            filename=form.file.filename,
            data=form.file.data,
            name=form.name,
            format=form.type,
            once=once,
        ),
        shapes.DataSourceAnswer.of,
    )


@app.post("/projects/{project_id}/data-sources/uploads", "data:write")
def open_upload(caller: Caller, project_id: common.ProjectId, body: shapes.UploadOpen) -> Response[shapes.UploadAnswer]:
    """Opens the way for a larger file, which goes straight to S3."""
    return app.once(
        lambda once: datasets.open_upload(
            caller,
            project_id=project_id,
            filename=body.filename,
            size=body.size,
            name=body.name,
            format=body.type,
            parts=False,
            once=once,
        ),
        lambda opened: shapes.UploadAnswer.of(*opened),
    )


@app.post("/projects/{project_id}/data-sources/uploads/{upload_id}/complete", "data:write")
def complete_upload(
    caller: Caller, project_id: common.ProjectId, upload_id: common.UploadId
) -> Response[shapes.DataSourceAnswer]:
    """Says that the file has arrived; it is then read."""
    within = caller.within(project_id)
    return app.once(lambda once: datasets.complete_upload(within, upload_id, once=once), shapes.DataSourceAnswer.of)


@app.get("/projects/{project_id}/data-sources/{data_source_id}", "data:read")
def get_data_source(
    caller: Caller, project_id: common.ProjectId, data_source_id: common.DataSourceId
) -> Response[shapes.WholeDataSourceAnswer]:
    """A data source with its columns: their types, and why they are what they are."""
    dataset = datasets.get(caller.within(project_id), data_source_id)
    return app.answer(shapes.WholeDataSourceAnswer.whole(dataset, datasets.manifest(dataset)))


@app.put("/projects/{project_id}/data-sources/{data_source_id}", "data:write")
def rename_data_source(
    caller: Caller, project_id: common.ProjectId, data_source_id: common.DataSourceId, body: shapes.Rename
) -> Response[shapes.DataSourceAnswer]:
    """Gives a data source another name."""
    dataset = datasets.rename(caller.within(project_id), data_source_id, body.name)
    return app.answer(shapes.DataSourceAnswer.of(dataset))


@app.delete("/projects/{project_id}/data-sources/{data_source_id}", "data:write")
def delete_data_source(
    caller: Caller, project_id: common.ProjectId, data_source_id: common.DataSourceId
) -> Response[common.Deleted]:
    """Removes a data source, its rows and its file."""
    datasets.delete(caller.within(project_id), data_source_id)
    return app.answer(common.Deleted.of(common.DATA_SOURCE, data_source_id))


handler = app
