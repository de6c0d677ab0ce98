"""Jobs: what takes time."""

from __future__ import annotations

from flarelight.errors import render
from flarelight.wire import common
from flarelight.wire import jobs as shapes
from fluvial import jobs
from fluvial.caller import Caller
from fluvial.http import Response, make_app

app = make_app("flarelight", render)


@app.get("/Job/All", "jobs:read")
def list_jobs(caller: Caller, query: shapes.JobsQuery) -> Response[shapes.JobList]:
    """The account's jobs of the last 90 days, newest first; with a `status` it looks through 1,000 at a time."""
    found = jobs.behind(caller, query.behind(common.JOB), limit=query.count, state=query.status)
    return app.answer(shapes.JobList.of_found(found))


@app.get("/Job/{id}", "jobs:read")
def get_job(caller: Caller, id: common.JobId) -> Response[shapes.JobAnswer]:
    """One job: how far it is, its times, and why it failed if it did."""
    return app.answer(shapes.JobAnswer.of_job(jobs.get(caller, id)))


@app.post("/Job/{id}/Cancel", "jobs:write", status=200)
def cancel_job(caller: Caller, id: common.JobId) -> Response[shapes.JobAnswer]:
    """Calls off a job that waits or runs; what it was to make ends with it, and nothing of it stays."""
    # What ends each kind of job is most of a cold start, and only this route needs it.
    from fluvial import job_kinds

    return app.once(lambda once: job_kinds.cancel(caller, id, once=once), shapes.JobAnswer.of_job)


handler = app
