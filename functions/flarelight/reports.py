"""Reports: their definitions, and what is generated of them."""

from __future__ import annotations

from flarelight.errors import render
from flarelight.wire import common
from flarelight.wire import reports as shapes
from fluvial import generated_reports, reports
from fluvial.caller import Caller
from fluvial.http import Response, make_app

app = make_app("flarelight", render, feature="reports")


@app.post("/Report", "reports:write", status=200)
def create_report(caller: Caller, body: shapes.ReportCreate) -> Response[shapes.ReportAnswer]:
    """Makes a report: sections over imports and preparations. The key needs `data:read`, too, for it shows rows."""
    return app.once(
        lambda once: reports.create(
            caller,
            name=body.name,
            description=body.description,
            definition=body.to_core(),
            formats=body.formats,
            once=once,
        ),
        shapes.ReportAnswer.of_core,
    )


@app.get("/Report/All", "reports:read")
def list_generated_reports(caller: Caller, query: common.ListQuery) -> Response[shapes.GeneratedReportList]:
    """All generated reports, newest first; one alone is answered with links to its files."""
    found = generated_reports.behind(caller, query.behind(common.GENERATED_REPORT), limit=query.count)
    return app.answer(
        shapes.GeneratedReportList.listed(
            found, shapes.GeneratedReport.from_core, lambda one: common.GENERATED_REPORT.spell(one.id)
        )
    )


@app.get("/Report/Definitions", "reports:read")
def list_reports(caller: Caller, query: common.ListQuery) -> Response[shapes.ReportList]:
    """All reports that can be generated, newest first, without their sections."""
    found = reports.behind(caller, query.behind(common.REPORT), limit=query.count)
    return app.answer(
        shapes.ReportList.listed(found, shapes.ReportListed.from_core, lambda one: common.REPORT.spell(one.id))
    )


@app.get("/Report/Generated/{id}", "reports:read")
def get_generated_report(caller: Caller, id: common.GeneratedReportId) -> Response[shapes.GeneratedReportAnswer]:
    """A generated report; once it is completed, each of its files with a link that is valid for an hour."""
    return app.answer(
        shapes.GeneratedReportAnswer.of(shapes.GeneratedReport.with_links(generated_reports.get(caller, id)))
    )


@app.delete("/Report/Generated/{id}", "reports:write")
def delete_generated_report(caller: Caller, id: common.GeneratedReportId) -> Response[common.Deleted]:
    """Removes a generated report and its files; one that is being generated is called off."""
    generated_reports.delete(caller, id)
    return app.answer(common.Deleted.gone(common.GENERATED_REPORT, id))


@app.post("/Report/Generated/{id}/Regenerate", "reports:write", status=200)
def regenerate_report(
    caller: Caller, id: common.GeneratedReportId, body: shapes.ReportRegenerate
) -> Response[shapes.ReportStartedAnswer]:
    """Generates a completed report once more, of the same definition, parameters and versions of the data."""
    return app.once(
        lambda once: generated_reports.regenerate(caller, id, formats=body.formats, once=once),
        shapes.ReportStartedAnswer.of_core,
    )


@app.get("/Report/{id}", "reports:read")
def get_report(caller: Caller, id: common.ReportId) -> Response[shapes.ReportAnswer]:
    """A report as it is defined."""
    return _answered(reports.get(caller, id))


@app.put("/Report/{id}", "reports:write")
def update_report(
    caller: Caller, id: common.ReportId, body: shapes.ReportUpdate, expected: int | None
) -> Response[shapes.ReportAnswer]:
    """Changes the fields that are given. What was generated stays as it is."""
    return _answered(reports.update(caller, id, body.to_core(), expected=expected))


@app.delete("/Report/{id}", "reports:write")
def delete_report(caller: Caller, id: common.ReportId, expected: int | None) -> Response[common.Deleted]:
    """Removes a report; what was generated of it stays."""
    reports.delete(caller, id, expected=expected)
    return app.answer(common.Deleted.gone(common.REPORT, id))


@app.post("/Report/{id}/Generate", "reports:write", status=200)
def generate_report(
    caller: Caller, id: common.ReportId, body: shapes.ReportGenerate
) -> Response[shapes.ReportStartedAnswer]:
    """Generates a report over its data as it is now, as a job that leaves a page, a PDF, a workbook and CSV files."""
    return app.once(
        lambda once: generated_reports.generate(
            caller, id, parameters=body.parameters, formats=body.formats, once=once
        ),
        shapes.ReportStartedAnswer.of_core,
    )


def _answered(report: reports.Report) -> Response[shapes.ReportAnswer]:
    return app.answer(shapes.ReportAnswer.of_core(report), revision=report.revision)


handler = app
