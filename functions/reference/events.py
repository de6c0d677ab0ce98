"""The log of what has happened."""

from __future__ import annotations

from fluvial import events
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from reference.errors import render
from reference.wire import events as shapes

app = make_app("reference", render)


@app.get("/events", "events:read")
def list_events(caller: Caller, query: shapes.LogQuery) -> Response[shapes.Log]:
    """Events behind a position of the log, oldest first, so that a consumer can reconcile."""
    found = events.read(caller, query.position(), limit=query.per_page, type=query.type)
    return app.answer(shapes.Log.from_core(found))


handler = app
