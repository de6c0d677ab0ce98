"""API keys."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from fluvial import keys
from fluvial.http import make_app
from reference.errors import render
from reference.wire import common
from reference.wire import keys as shapes

app = make_app("reference", render)


@app.get("/keys")
def list_keys() -> Response[str]:
    caller, query = app.caller("keys:read"), app.query(common.PageQuery)
    found = keys.page(caller, offset=query.offset, limit=query.per_page)
    return app.answer(200, common.page_of(found, query, shapes.Key.from_core, path="/keys", asked=app.asked))


@app.post("/keys")
def create_key() -> Response[str]:
    caller, body = app.caller("keys:write"), app.body(shapes.KeyCreate)
    return app.once(
        caller,
        body.said(),
        lambda once: keys.create(
            caller,
            name=body.name,
            scopes=body.scopes,
            expires=body.expires(),
            type=body.type,
            user_id=body.user(),
            project_id=body.project(),
            once=once,
        ),
        lambda made: shapes.NewKey.shown_once(*made),
        keys.spell_secret,
    )


@app.post("/keys/<id>/roll")
def roll_key(id: str) -> Response[str]:
    caller, body, key_id = app.caller("keys:write"), app.body(shapes.KeyRoll), common.parse_id("key", id)
    return app.once(
        caller,
        body.said(),
        lambda once: keys.roll(caller, key_id, grace_seconds=body.grace_seconds, once=once),
        lambda made: shapes.NewKey.shown_once(*made),
        keys.spell_secret,
    )


@app.delete("/keys/<id>")
def revoke_key(id: str) -> Response[str]:
    keys.revoke(app.caller("keys:write"), common.parse_id("key", id))
    return app.answer(200, common.Done(message="API key revoked successfully"))


handler = app
