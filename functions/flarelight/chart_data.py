"""The data of charts. A function of its own, because it opens Parquet: the engine is imported when it is asked."""

from __future__ import annotations

from flarelight.errors import render
from flarelight.wire import chart_data as shapes
from fluvial.caller import Caller
from fluvial.http import Response, make_app

app = make_app("flarelight", render, feature="reports")


@app.post("/Report/ChartData", "data:read", status=200)
def get_chart_data(caller: Caller, body: shapes.ChartQuestion) -> Response[shapes.ChartDataAnswer]:
    """Labels and series of a chart over an import, or over the result of a preparation, at one version of it.

    The ETag changes with the question and the version alone. With it in `If-None-Match` nothing is computed while it
    holds: the answer is 412 with `NOT_CHANGED`, as HTTP has no 304 for a POST.
    """
    from fluvial import charts

    asked = charts.ask(caller, body.source(caller), body.to_core(), version=body.version)
    app.refuse_known(asked.etag)
    return app.answer(shapes.ChartDataAnswer.of_core(charts.answer(asked), asked.dataset.version), tag=asked.etag)


handler = app
