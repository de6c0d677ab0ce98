"""Records of any class: lists, single records, writes."""

from __future__ import annotations

from fluvial import documents, record_groups, record_orders, record_queries, record_views
from fluvial import records as core
from fluvial.caller import Caller
from fluvial.errors import InvalidError
from fluvial.http import Response, make_app
from fluvial.idempotency import Once
from fluvial.record_classes import ModelClass
from fluvial.record_schemas import Schema
from fluxx.asked import class_of, condition
from fluxx.errors import render
from fluxx.wire import records as shapes

app = make_app("fluxx", render, tunnels=True)

LIST = "/api/rest/{version}/{model_type}"
SEARCH = "/api/rest/{version}/{model_type}/list"
ONE = "/api/rest/{version}/{model_type}/{id}"


@app.get(LIST, "records:read", limit="list")
def list_records(
    caller: Caller, version: shapes.Version, model_type: shapes.ModelType, params: shapes.RecordsQuery
) -> Response[shapes.RecordsPage]:
    """The records of a class, filtered, sorted and by page; with `group`, sums and the like of groups of them."""
    schema, model = class_of(caller, version, model_type)
    query = _query(model, schema, params)
    if params.group is not None:
        grouped = record_groups.groups(caller, schema, query, params.grouping(model, schema))
        return app.send(shapes.page(model, grouped.rows, grouped.total, params))
    view = params.view(model, version)
    found = record_queries.page(caller, schema, query, walk=params.walk(model, app.header("authorization")))
    shown = record_views.show(caller, schema, model, found.records, view)
    return app.send(shapes.page(model, shown, found.total, params))


@app.get(SEARCH, "records:read", limit="list")
def list_records_below(
    caller: Caller, version: shapes.Version, model_type: shapes.ModelType, params: shapes.RecordsQuery
) -> Response[shapes.RecordsPage]:
    """The same as the list."""
    return list_records(caller, version, model_type, params)


@app.post(SEARCH, "records:read", status=200, limit="list")
def search_records(
    caller: Caller, version: shapes.Version, model_type: shapes.ModelType, params: shapes.RecordsQuery
) -> Response[shapes.RecordsPage]:
    """The same, for filters that are too long for an address."""
    return list_records(caller, version, model_type, params)


@app.get(ONE, "records:read", limit="get")
def get_record(
    caller: Caller,
    version: shapes.Version,
    model_type: shapes.ModelType,
    id: shapes.RecordId,
    params: shapes.RecordQuery,
) -> Response[shapes.RecordAnswer]:
    """One record; of one that is not there, the id alone."""
    schema, model = class_of(caller, version, model_type)
    view = params.view(model, version)
    record_id = shapes.record_id(id)
    record = core.get(caller, schema, model, record_id)
    if record is None:
        return app.send(shapes.one(model, {"id": record_id}))
    return app.send(_shown(caller, schema, model, record, view))


@app.post(LIST, "records:write", status=200, limit="write")
def create_record(
    caller: Caller, version: shapes.Version, model_type: shapes.ModelType, params: shapes.RecordWrite
) -> Response[shapes.RecordAnswer]:
    """Makes a record of `data`; of a document, with the file in `content`."""
    schema, model = class_of(caller, version, model_type)
    view, values = params.view(model, version), params.values()

    def make(once: Once[core.Record] | None) -> core.Record:
        if model.name == documents.MODEL:
            return documents.create(caller, schema, values, params.content, once=once)
        return core.create(caller, schema, model, values, once=once)

    return app.once(make, lambda record: _shown(caller, schema, model, record, view))


@app.put(ONE, "records:write", limit="write")
def update_record(
    caller: Caller,
    version: shapes.Version,
    model_type: shapes.ModelType,
    id: shapes.RecordId,
    params: shapes.RecordWrite,
) -> Response[shapes.RecordAnswer]:
    """Changes the columns that `data` names; the others stay."""
    schema, model = class_of(caller, version, model_type)
    view, values, record_id = params.view(model, version), params.values(), shapes.record_id(id)
    if model.name == documents.MODEL:
        record = documents.update(caller, schema, record_id, values, params.content)
    else:
        record = core.update(caller, schema, model, record_id, values)
    return app.send(_shown(caller, schema, model, record, view))


@app.delete(ONE, "records:write", limit="write")
def delete_record(
    caller: Caller,
    version: shapes.Version,
    model_type: shapes.ModelType,
    id: shapes.RecordId,
    params: shapes.RecordDelete,
) -> Response[bool]:
    """Takes a record out of all lists; with `hard_delete=1` it is gone for good."""
    schema, model = class_of(caller, version, model_type)
    if model.name == documents.MODEL:
        documents.delete(caller, schema, shapes.record_id(id), hard=params.hard)
    else:
        core.delete(caller, schema, model, shapes.record_id(id), hard=params.hard)
    return app.send("true")


@app.post(ONE, "records:write", status=200, limit="write")
def tunnel(
    caller: Caller, version: shapes.Version, model_type: shapes.ModelType, id: shapes.RecordId
) -> Response[shapes.RecordAnswer | bool]:
    """With the header `X-HTTP-Method-Override`: what GET, PUT or DELETE does here. Without it, an error."""
    class_of(caller, version, model_type)
    shapes.record_id(id)
    allowed = "GET, PUT, DELETE"
    raise InvalidError(
        "X-HTTP-Method-Override", f"A POST to one record must say what it stands for: {allowed}.", constraint=allowed
    )


def _query(model: ModelClass, schema: Schema, params: shapes.RecordsQuery) -> record_queries.Query:
    return record_queries.Query(
        model=model,
        condition=condition(params.condition, model, schema),
        order=record_orders.parse_order(params.sorting, params.sort_attribute, params.sort_order, model),
        words=params.words,
        page=params.number,
        per_page=params.size,
    )


def _shown(caller: Caller, schema: Schema, model: ModelClass, record: core.Record, view: record_views.View) -> str:
    (shown,) = record_views.show(caller, schema, model, [record], view)
    return shapes.one(model, shown)


handler = app
