"""The rows of imports. It opens Parquet, and so it is apart from the other imports, with the engine's layer."""

from __future__ import annotations

from flarelight.errors import render
from flarelight.wire import common
from flarelight.wire import imports as shapes
from fluvial import rows
from fluvial.caller import Caller
from fluvial.http import Response, make_app

app = make_app("flarelight", render, feature="imports")


@app.get("/Import/{id}/Data", "data:read")
def list_records(caller: Caller, id: common.ImportId, query: shapes.DataQuery) -> Response[shapes.RecordsAnswer]:
    """The rows of an import from `start` on, at most `count`; past the end there are none."""
    found = rows.page(caller, id, offset=query.start, limit=query.count)
    data = shapes.Records(
        records=found.items, start=query.start, count=query.count, total=found.total, version=found.version
    )
    return app.answer(shapes.RecordsAnswer.of(data))


handler = app
