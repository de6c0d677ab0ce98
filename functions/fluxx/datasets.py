"""Records as datasets, on which analyses, charts and reports work."""

from __future__ import annotations

from fluvial import record_datasets
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from fluxx.asked import class_of, condition
from fluxx.errors import render
from fluxx.wire import datasets as shapes
from fluxx.wire import records as common

app = make_app("fluxx", render)


@app.post("/api/rest/{version}/{model_type}/dataset", "records:read", status=200, limit="write")
def create_dataset(
    caller: Caller, version: common.Version, model_type: common.ModelType, params: shapes.DatasetCreate
) -> Response[shapes.DatasetAnswer]:
    """Makes a data source of the records that fit the filter, as they are now; it can be read when it is `ready`."""
    schema, model = class_of(caller, version, model_type)
    wanted = condition(params.condition, model, schema)
    return app.once(
        lambda once: record_datasets.to_dataset(
            caller, schema, model, wanted, project_id=params.project, name=params.title, once=once
        ),
        shapes.DatasetAnswer.of,
    )


handler = app
