"""Webhook endpoints and their deliveries."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from fluvial import deliveries, webhooks
from fluvial.http import make_app
from reference.errors import render
from reference.wire import common
from reference.wire import webhooks as shapes

app = make_app("reference", render)


@app.get("/webhooks")
def list_endpoints() -> Response[str]:
    caller, query = app.caller("webhooks:read"), app.query(common.PageQuery)
    found = webhooks.page(caller, offset=query.offset, limit=query.per_page)
    page = common.page_of(found, query, shapes.Endpoint.from_core, path="/webhooks", asked=app.asked)
    return app.answer(200, page)


@app.post("/webhooks")
def create_endpoint() -> Response[str]:
    caller, body = app.caller("webhooks:write"), app.body(shapes.EndpointCreate)
    return app.once(
        caller,
        body.said(),
        lambda once: webhooks.create(caller, url=body.url, events=body.events, secret=body.secret, once=once),
        shapes.NewEndpoint.shown_once,
    )


@app.get("/webhooks/<id>")
def get_endpoint(id: str) -> Response[str]:
    endpoint = webhooks.get(app.caller("webhooks:read"), common.parse_id("endpoint", id))
    return app.answer(200, shapes.Endpoint.from_core(endpoint))


@app.put("/webhooks/<id>")
def update_endpoint(id: str) -> Response[str]:
    caller, body = app.caller("webhooks:write"), app.body(shapes.EndpointUpdate)
    endpoint = webhooks.update(caller, common.parse_id("endpoint", id), body.to_core())
    shown = shapes.NewEndpoint.shown_once if body.secret is not None else shapes.Endpoint.from_core
    return app.answer(200, shown(endpoint))


@app.delete("/webhooks/<id>")
def delete_endpoint(id: str) -> Response[str]:
    webhooks.delete(app.caller("webhooks:write"), common.parse_id("endpoint", id))
    return app.answer(200, common.Done(message="Webhook deleted successfully"))


@app.get("/webhooks/<id>/deliveries")
def list_deliveries(id: str) -> Response[str]:
    caller, query = app.caller("webhooks:read"), app.query(common.PageQuery)
    found = deliveries.page(caller, common.parse_id("endpoint", id), offset=query.offset, limit=query.per_page)
    page = common.page_of(found, query, shapes.Delivery.from_core, path=f"/webhooks/{id}/deliveries", asked=app.asked)
    return app.answer(200, page)


handler = app
