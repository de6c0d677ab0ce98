"""Statistics of an account's use."""

from __future__ import annotations

from fluvial import usage
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from reference.errors import render
from reference.wire import analytics as shapes

app = make_app("reference", render)


@app.get("/analytics/usage", "analytics:read")
def get_usage(caller: Caller, query: shapes.UsageQuery) -> Response[shapes.Usage]:
    """What the account used, by hour, day, week or month; intervals without use are zero."""
    start, end = query.range()
    found = usage.over(caller, start=start, end=end, granularity=query.granularity)
    return app.answer(shapes.Usage.from_core(found, query))


handler = app
