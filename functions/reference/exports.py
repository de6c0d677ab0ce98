"""Exports: rows of data as a file."""

from __future__ import annotations

from fluvial import exports
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from reference.errors import render
from reference.wire import common
from reference.wire import exports as shapes

app = make_app("reference", render)


@app.post("/data/{id}/exports", "data:write", status=202)
def create_export(caller: Caller, id: common.DataId, body: shapes.ExportCreate) -> Response[shapes.Export]:
    """Begins an export of a version of the data, by default as it is now: as CSV, NDJSON, Parquet or XLSX."""
    wanted = body.to_core()
    return app.once(
        lambda once: exports.create(caller, id, wanted, version=body.version, once=once), shapes.Export.from_core
    )


@app.get("/data/{id}/exports/{export_id}", "data:read")
def get_export(caller: Caller, id: common.DataId, export_id: common.ExportId) -> Response[shapes.Export]:
    """An export, with a link to its file once it is completed."""
    return app.answer(shapes.Export.from_core(exports.get(caller, id, export_id)))


handler = app
