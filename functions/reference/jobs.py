"""Jobs: what takes time."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from fluvial import jobs
from fluvial.http import make_app
from reference.errors import render
from reference.wire import common
from reference.wire import jobs as shapes

app = make_app("reference", render)


@app.get("/jobs/<id>")
def get_job(id: str) -> Response[str]:
    job = jobs.get(app.caller("jobs:read"), common.parse_id("job", id))
    return app.answer(200, shapes.Job.from_core(job))


handler = app
