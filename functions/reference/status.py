"""GET /status."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from fluvial import VERSION, clock, health
from fluvial.http import make_app
from reference.errors import render
from reference.wire import status as shapes

app = make_app("reference", render)


@app.get("/status")
def get_status() -> Response[str]:
    """Open to all, so that a monitor needs no key."""
    status = shapes.Status(
        status="operational" if health.storage_answers() else "degraded",
        version=VERSION,
        timestamp=clock.iso(clock.now()),
    )
    return app.answer(200, status)


handler = app
