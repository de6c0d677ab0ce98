"""Statistics of an account's use."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from fluvial import usage
from fluvial.http import make_app
from reference.errors import render
from reference.wire import analytics as shapes

app = make_app("reference", render)


@app.get("/analytics/usage")
def get_usage() -> Response[str]:
    caller, query = app.caller("analytics:read"), app.query(shapes.UsageQuery)
    start, end = query.range()
    buckets, total = usage.over(caller, start=start, end=end, granularity=query.granularity)
    return app.answer(200, shapes.Usage.from_core(buckets, total, query.granularity))


handler = app
