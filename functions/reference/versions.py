"""Versions of data: imports into what is there, and the way back."""

from __future__ import annotations

from fluvial import comparisons, dataset_versions, datasets, imports, rejects, replays
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from reference.errors import render
from reference.wire import common
from reference.wire import comparisons as comparison_shapes
from reference.wire import versions as shapes

app = make_app("reference", render)


@app.get("/data/{id}/versions", "data:read")
def list_versions(caller: Caller, id: common.DataId, query: common.PageQuery) -> Response[shapes.VersionsPage]:
    """The versions of data, newest first: each import, and what it did."""
    found = dataset_versions.page(caller, id, offset=query.offset, limit=query.per_page)
    path = f"/data/{common.DATA.spell(id)}/versions"
    return app.answer(shapes.VersionsPage.of(found, query, shapes.Version.from_core, app, path))


@app.post("/data/{id}/versions", "data:write")
def add_version(caller: Caller, id: common.DataId, form: shapes.VersionForm) -> Response[shapes.Version]:
    """Imports a file of at most 4.5 MB into data: `mode` is replace, append, upsert or delete.

    With `dry_run` it only tells what the import would do.
    """
    return app.once(
        lambda once: imports.add(
            caller, id, form.to_core(), filename=form.file.filename, data=form.file.data, once=once
        ),
        shapes.Version.from_core,
    )


@app.post("/data/{id}/versions/upload", "data:write")
def add_uploaded_version(caller: Caller, id: common.DataId, body: shapes.VersionUpload) -> Response[shapes.Version]:
    """Imports a larger file, which was sent to an upload of the same project (`POST /data/uploads`)."""
    upload_id = common.UPLOAD.parse(body.upload_id, field="upload_id")
    return app.once(
        lambda once: imports.add_uploaded(caller, id, body.to_core(), upload_id=upload_id, once=once),
        shapes.Version.from_core,
    )


@app.get("/data/{id}/versions/{number}", "data:read")
def get_version(caller: Caller, id: common.DataId, number: shapes.VersionNumber) -> Response[shapes.Version]:
    """One version: its state, its counts, what made it, and why it failed if it did."""
    version = dataset_versions.get(caller, id, number)
    return app.answer(shapes.Version.from_core(version, dataset_versions.lineage(version)))


@app.post("/data/{id}/undo", "data:write", status=200)
def undo(caller: Caller, id: common.DataId, body: shapes.Undo) -> Response[shapes.Current]:
    """Makes another version the current one, by default the one before; nothing is removed."""
    return app.once(lambda once: dataset_versions.point(caller, id, body.version, once=once), shapes.Current.from_core)


@app.post("/data/{id}/reparse", "data:write")
def reparse(caller: Caller, id: common.DataId, body: shapes.Reparse) -> Response[shapes.Version]:
    """Reads the kept file of the current version again, by other options; what it holds replaces the data."""
    return app.once(lambda once: imports.reparse(caller, id, body.options, once=once), shapes.Version.from_core)


@app.post("/data/{id}/rejects/replay", "data:write")
def replay_rejects(caller: Caller, id: common.DataId, body: shapes.Replay) -> Response[shapes.Version]:
    """Appends corrected records of a version's rejects; those that still do not fit are rejected again."""
    return app.once(
        lambda once: replays.replay(caller, id, body.version, rows=body.rows, lines=body.lines, once=once),
        shapes.Version.from_core,
    )


@app.get("/data/{id}/rejects/download", "data:read")
def download_rejects(caller: Caller, id: common.DataId, query: shapes.RejectsFileQuery) -> Response[shapes.RejectsFile]:
    """A link to all records that an import rejected, as one file: line, column, cause and raw text."""
    return app.answer(shapes.RejectsFile.from_core(rejects.download(caller, id, version=query.version), id))


@app.post("/data/{id}/comparisons", "data:read", status=202)
def create_comparison(
    caller: Caller, id: common.DataId, body: comparison_shapes.ComparisonCreate
) -> Response[comparison_shapes.Comparison]:
    """Compares two versions of data. How columns differ is in the answer, how rows do is told once it is completed."""
    return app.once(
        lambda once: comparisons.create(
            caller, id, before=body.from_version, after=body.to_version, key=body.key, once=once
        ),
        comparison_shapes.Comparison.from_core,
    )


@app.get("/data/{id}/comparisons/{comparison_id}", "data:read")
def get_comparison(
    caller: Caller, id: common.DataId, comparison_id: common.ComparisonId
) -> Response[comparison_shapes.Comparison]:
    """A comparison, with the numbers of rows added, removed, changed and unchanged once it is completed."""
    found = comparisons.get(caller, id, comparison_id)
    return app.answer(comparison_shapes.Comparison.from_core(found, comparisons.differences(found)))


@app.put("/data/{id}", "data:write")
def update_data(caller: Caller, id: common.DataId, body: shapes.DataUpdate) -> Response[shapes.Current]:
    """Changes the name of data, and what its imports go by."""
    return app.answer(shapes.Current.from_core(datasets.update(caller, id, body.to_core())))


handler = app
