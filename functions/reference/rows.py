"""The rows and the rejected rows of data. The one group that opens Parquet, and so the one with the engine's layer."""

from __future__ import annotations

from fluvial import paging, rows
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from reference.errors import render
from reference.wire import common
from reference.wire import data as shapes
from reference.wire.versions import VersionNumber

app = make_app("reference", render)


@app.get("/data/{id}/rows", "data:read")
def list_rows(caller: Caller, id: common.DataId, query: shapes.RowsQuery) -> Response[shapes.RowsPage]:
    """The rows of data with every value as it was in the source, and in its order unless another is asked for."""
    found = rows.page(caller, id, offset=query.offset, limit=query.per_page, selection=query.to_core())
    return app.answer(_page(found, query, id, "rows"))


@app.get("/data/{id}/rejects", "data:read")
def list_rejects(caller: Caller, id: common.DataId, query: shapes.RejectsQuery) -> Response[shapes.RowsPage]:
    """The records that could not be read: line, column, cause and raw text."""
    found = rows.rejects_page(caller, id, version=query.version, offset=query.offset, limit=query.per_page)
    return app.answer(_page(found, query, id, "rejects"))


@app.get("/data/{id}/versions/{number}/rows", "data:read")
def list_version_rows(
    caller: Caller, id: common.DataId, number: VersionNumber, query: shapes.RowsQuery
) -> Response[shapes.RowsPage]:
    """The rows of one version of data, as they were then and stay."""
    found = rows.page(caller, id, version=number, offset=query.offset, limit=query.per_page, selection=query.to_core())
    return app.answer(_page(found, query, id, f"versions/{number}/rows"))


@app.get("/data/{id}/versions/{number}/rejects", "data:read")
def list_version_rejects(
    caller: Caller, id: common.DataId, number: VersionNumber, query: common.PageQuery
) -> Response[shapes.RowsPage]:
    """The records of one import that were rejected: line, column, cause and raw text."""
    found = rows.rejects_page(caller, id, version=number, offset=query.offset, limit=query.per_page)
    return app.answer(_page(found, query, id, f"versions/{number}/rejects"))


def _page(found: rows.Rows, query: common.PageQuery, id: int, what: str) -> shapes.RowsPage:
    slice_ = paging.Slice(found.items, query.offset, found.total)
    path = f"/data/{common.DATA.spell(id)}/{what}"
    return shapes.RowsPage.of(slice_, query, lambda row: row, app, path, version=found.version)


handler = app
