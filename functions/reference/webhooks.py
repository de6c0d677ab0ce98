"""Webhook endpoints and their deliveries."""

from __future__ import annotations

from fluvial import deliveries, webhooks
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from reference.errors import render
from reference.wire import common
from reference.wire import webhooks as shapes

app = make_app("reference", render)


@app.get("/webhooks", "webhooks:read")
def list_endpoints(caller: Caller, query: common.PageQuery) -> Response[shapes.EndpointsPage]:
    """The account's endpoints, newest first."""
    found = webhooks.page(caller, offset=query.offset, limit=query.per_page)
    return app.answer(shapes.EndpointsPage.of(found, query, shapes.Endpoint.from_core, app, "/webhooks"))


@app.post("/webhooks", "webhooks:write")
def create_endpoint(caller: Caller, body: shapes.EndpointCreate) -> Response[shapes.NewEndpoint]:
    """Subscribes an address to events; the answer has the secret that signs them."""
    return app.once(
        lambda once: webhooks.create(caller, url=body.url, events=body.events, secret=body.secret, once=once),
        shapes.NewEndpoint.shown_once,
    )


@app.get("/webhooks/{id}", "webhooks:read")
def get_endpoint(caller: Caller, id: common.EndpointId) -> Response[shapes.Endpoint]:
    """One endpoint."""
    return app.answer(shapes.Endpoint.from_core(webhooks.get(caller, id)))


@app.put("/webhooks/{id}", "webhooks:write")
def update_endpoint(
    caller: Caller, id: common.EndpointId, body: shapes.EndpointUpdate
) -> Response[shapes.NewEndpoint | shapes.Endpoint]:
    """Changes the fields that are given; a new secret is answered, an old one is not."""
    endpoint = webhooks.update(caller, id, body.to_core())
    shown = shapes.NewEndpoint.shown_once if body.secret is not None else shapes.Endpoint.from_core
    return app.answer(shown(endpoint))


@app.delete("/webhooks/{id}", "webhooks:write")
def delete_endpoint(caller: Caller, id: common.EndpointId) -> Response[common.Done]:
    """Removes an endpoint; what waits to be delivered to it is dropped."""
    webhooks.delete(caller, id)
    return app.answer(common.Done(message="Webhook deleted successfully"))


@app.get("/webhooks/{id}/deliveries", "webhooks:read")
def list_deliveries(caller: Caller, id: common.EndpointId, query: common.PageQuery) -> Response[shapes.DeliveriesPage]:
    """What was sent to an endpoint, each with its attempts, newest first."""
    found = deliveries.page(caller, id, offset=query.offset, limit=query.per_page)
    path = f"/webhooks/{common.ENDPOINT.spell(id)}/deliveries"
    return app.answer(shapes.DeliveriesPage.of(found, query, shapes.Delivery.from_core, app, path))


handler = app
