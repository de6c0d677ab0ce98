"""Analyses: named queries over a data source, their runs and their results."""

from __future__ import annotations

from fluvial import analyses
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from fluxjiva.errors import render
from fluxjiva.wire import analyses as shapes
from fluxjiva.wire import common

app = make_app("fluxjiva", render)


@app.get("/projects/{project_id}/analyses", "analyses:read")
def list_analyses(
    caller: Caller, project_id: common.ProjectId, query: common.WholeListQuery
) -> Response[shapes.AnalysisList]:
    """All analyses of a project; with `limit` or `offset` a page of them, answered with `meta`."""
    found = analyses.page(caller, project_id, query.to_core(), offset=query.first, limit=query.most)
    items = [shapes.Analysis.from_core(one) for one in found.items]
    return app.answer(shapes.AnalysisList(data=items, meta=query.meta_of(found)))


@app.post("/projects/{project_id}/analyses", "analyses:write")
def create_analysis(
    caller: Caller, project_id: common.ProjectId, body: shapes.AnalysisCreate
) -> Response[shapes.AnalysisAnswer]:
    """Makes an analysis; it is run when that is asked for."""
    dataset_id = common.DATA_SOURCE.parse(body.data_source_id, field="data_source_id")
    return app.once(
        lambda once: analyses.create(
            caller,
            project_id=project_id,
            name=body.name,
            dataset_id=dataset_id,
            query=body.query,
            description=body.description,
            once=once,
        ),
        shapes.AnalysisAnswer.of,
    )


@app.get("/projects/{project_id}/analyses/{analysis_id}", "analyses:read")
def get_analysis(
    caller: Caller, project_id: common.ProjectId, analysis_id: common.AnalysisId
) -> Response[shapes.AnalysisAnswer]:
    """One analysis: its query, and how far its last run is."""
    return app.answer(shapes.AnalysisAnswer.of(analyses.get(caller.within(project_id), analysis_id)))


@app.put("/projects/{project_id}/analyses/{analysis_id}", "analyses:write")
def update_analysis(
    caller: Caller, project_id: common.ProjectId, analysis_id: common.AnalysisId, body: shapes.AnalysisUpdate
) -> Response[shapes.AnalysisAnswer]:
    """Changes the fields that are given. Another query has no result until it is run."""
    analysis = analyses.update(caller.within(project_id), analysis_id, body.to_core())
    return app.answer(shapes.AnalysisAnswer.of(analysis))


@app.delete("/projects/{project_id}/analyses/{analysis_id}", "analyses:write")
def delete_analysis(
    caller: Caller, project_id: common.ProjectId, analysis_id: common.AnalysisId
) -> Response[common.Deleted]:
    """Removes an analysis and its result; a run is called off."""
    analyses.delete(caller.within(project_id), analysis_id)
    return app.answer(common.Deleted.of(common.ANALYSIS, analysis_id))


@app.post("/projects/{project_id}/analyses/{analysis_id}/run", "analyses:write", status=202)
def run_analysis(
    caller: Caller, project_id: common.ProjectId, analysis_id: common.AnalysisId
) -> Response[shapes.AnalysisAnswer]:
    """Runs an analysis over the data source as it is now; its status tells how far that is."""
    within = caller.within(project_id)
    return app.once(lambda once: analyses.run(within, analysis_id, once=once), shapes.AnalysisAnswer.of)


@app.get("/projects/{project_id}/analyses/{analysis_id}/result", "analyses:read")
def get_result(
    caller: Caller, project_id: common.ProjectId, analysis_id: common.AnalysisId, query: common.PageQuery
) -> Response[shapes.ResultPage]:
    """The rows that the last completed run found, a page at a time."""
    found = analyses.result(caller.within(project_id), analysis_id, offset=query.offset, limit=query.limit)
    return app.answer(shapes.ResultPage.of(found, query))


handler = app
