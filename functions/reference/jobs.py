"""Jobs: what takes time."""

from __future__ import annotations

from fluvial import jobs
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from reference.errors import render
from reference.wire import common
from reference.wire import jobs as shapes

app = make_app("reference", render)


@app.get("/jobs", "jobs:read")
def list_jobs(caller: Caller, query: shapes.JobsQuery) -> Response[shapes.JobList]:
    """The account's jobs of the last 90 days, newest first; with a `state` it looks through 1,000 at a time."""
    found = jobs.behind(caller, query.position(), limit=query.per_page, state=query.state)
    return app.answer(shapes.JobList.from_core(found))


@app.get("/jobs/{id}", "jobs:read")
def get_job(caller: Caller, id: common.JobId) -> Response[shapes.Job]:
    """One job: its state, its times, and why it failed if it did."""
    return app.answer(shapes.Job.from_core(jobs.get(caller, id)))


@app.post("/jobs/{id}/cancel", "jobs:write", status=200)
def cancel_job(caller: Caller, id: common.JobId) -> Response[shapes.Job]:
    """Calls off a job that waits or runs; what it was to make fails with it, and nothing of it stays."""
    # What ends each kind of job is most of a cold start, and only this route needs it.
    from fluvial import job_kinds

    return app.once(lambda once: job_kinds.cancel(caller, id, once=once), shapes.Job.from_core)


handler = app
