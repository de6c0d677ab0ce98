"""GET /status."""

from __future__ import annotations

from fluvial import VERSION, clock, health
from fluvial.http import Response, make_app
from reference.errors import render
from reference.wire import status as shapes

app = make_app("reference", render)


@app.get("/status", None)
def get_status() -> Response[shapes.Status]:
    """Whether the API works. Open to all, so that a monitor needs no key."""
    status = shapes.Status(
        status="operational" if health.storage_answers() else "degraded",
        version=VERSION,
        timestamp=clock.iso(clock.now()),
    )
    return app.answer(status)


handler = app
