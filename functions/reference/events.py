"""The log of what has happened."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from fluvial import events
from fluvial.http import make_app
from reference.errors import render
from reference.wire import events as shapes

app = make_app("reference", render)


@app.get("/events")
def list_events() -> Response[str]:
    caller, query = app.caller("events:read"), app.query(shapes.LogQuery)
    found = events.read(caller, query.position(), limit=query.per_page, type=query.type)
    return app.answer(200, shapes.Log.from_core(found))


handler = app
