"""Jobs: what takes time."""

from __future__ import annotations

from fluvial import jobs
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from reference.errors import render
from reference.wire import common
from reference.wire import jobs as shapes

app = make_app("reference", render)


@app.get("/jobs/{id}", "jobs:read")
def get_job(caller: Caller, id: common.JobId) -> Response[shapes.Job]:
    """One job: its state, its times, and why it failed if it did."""
    return app.answer(shapes.Job.from_core(jobs.get(caller, id)))


handler = app
