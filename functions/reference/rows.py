"""The rows and the rejected rows of data. The one group that opens Parquet, and so the one with the engine's layer."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from fluvial import paging, rows
from fluvial.http import make_app
from reference.errors import render
from reference.wire import common
from reference.wire import data as shapes

app = make_app("reference", render)


@app.get("/data/<id>/rows")
def list_rows(id: str) -> Response[str]:
    caller, query = app.caller("data:read"), app.query(common.PageQuery)
    found = rows.page(caller, common.parse_id("dataset", id), offset=query.offset, limit=query.per_page)
    return _answer(found, query, f"/data/{id}/rows")


@app.get("/data/<id>/rejects")
def list_rejects(id: str) -> Response[str]:
    caller, query = app.caller("data:read"), app.query(common.PageQuery)
    found = rows.rejects_page(caller, common.parse_id("dataset", id), offset=query.offset, limit=query.per_page)
    return _answer(found, query, f"/data/{id}/rejects")


def _answer(found: rows.Rows, query: common.PageQuery, path: str) -> Response[str]:
    slice_ = paging.Slice(found.items, query.offset, found.total)
    page = common.page_of(slice_, query, lambda row: row, path=path, asked=app.asked)
    return app.answer(200, shapes.RowsPage(**dict(page), version=found.version))


handler = app
