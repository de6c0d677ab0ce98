"""Preparations: recipes over imports, and their executions. What is made and changed of them is in `recipes`."""

from __future__ import annotations

from flarelight.errors import render
from flarelight.wire import common, jobs
from flarelight.wire import preparations as shapes
from fluvial import executions, preparations
from fluvial.caller import Caller
from fluvial.http import Response, make_app

app = make_app("flarelight", render, feature="preparations")


@app.get("/Preparation/All", "preparations:read")
def list_preparations(caller: Caller, query: common.ListQuery) -> Response[shapes.PreparationList]:
    """All preparations, newest first, without their recipes."""
    found = preparations.behind(caller, query.behind(common.PREPARATION), limit=query.count)
    return app.answer(
        shapes.PreparationList.listed(
            found, shapes.PreparationListed.from_core, lambda one: common.PREPARATION.spell(one.id)
        )
    )


@app.get("/Preparation/{id}", "preparations:read", also=(304,))
def get_preparation(caller: Caller, id: common.PreparationId) -> Response[shapes.PreparationAnswer]:
    """A preparation, its output, and how its last execution ended."""
    preparation = preparations.get(caller, id)
    return app.answer(shapes.PreparationAnswer.of_core(preparation), revision=preparation.revision)


@app.delete("/Preparation/{id}", "preparations:write")
def delete_preparation(caller: Caller, id: common.PreparationId, expected: int | None) -> Response[common.Deleted]:
    """Removes a preparation and its reports; its output stays. An execution is called off."""
    preparations.delete(caller, id, expected=expected)
    return app.answer(common.Deleted.gone(common.PREPARATION, id))


@app.post("/Preparation/{id}/Execute", "preparations:write", status=200)
def execute_preparation(caller: Caller, id: common.PreparationId) -> Response[shapes.ExecutionAnswer]:
    """Executes a preparation over its inputs as they are now, as a job that makes the next version of the output."""
    return app.once(lambda once: executions.execute(caller, id, once=once), shapes.ExecutionAnswer.of_core)


@app.get("/Preparation/{id}/Executions", "preparations:read")
def list_executions(caller: Caller, id: common.PreparationId, query: common.ListQuery) -> Response[jobs.JobList]:
    """The executions of a preparation in the last 90 days, newest first: each one is its job."""
    found = executions.behind(caller, id, query.behind(common.JOB), limit=query.count)
    return app.answer(jobs.JobList.of_found(found))


@app.get("/Preparation/{id}/Report", "preparations:read")
def get_execution_report(
    caller: Caller, id: common.PreparationId, query: shapes.ReportQuery
) -> Response[shapes.ExecutionReportAnswer]:
    """What an execution did, by default the last one: each step's rows and a sample. The key needs `data:read`, too."""
    return app.answer(shapes.ExecutionReportAnswer.of_core(executions.report(caller, id, query.job()), query))


handler = app
