"""API keys."""

from __future__ import annotations

from fluvial import keys
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from reference.errors import render
from reference.wire import common
from reference.wire import keys as shapes

app = make_app("reference", render)


@app.get("/keys", "keys:read")
def list_keys(caller: Caller, query: common.PageQuery) -> Response[shapes.KeysPage]:
    """The account's keys, newest first; never the keys themselves."""
    found = keys.page(caller, offset=query.offset, limit=query.per_page)
    return app.answer(shapes.KeysPage.of(found, query, shapes.Key.from_core, app, "/keys"))


@app.post("/keys", "keys:write")
def create_key(caller: Caller, body: shapes.KeyCreate) -> Response[shapes.NewKey]:
    """Makes a key; the answer is the only one that has it."""
    return app.once(
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


@app.post("/keys/{id}/roll", "keys:write")
def roll_key(caller: Caller, id: common.KeyId, body: shapes.KeyRoll) -> Response[shapes.NewKey]:
    """Replaces a key by a new one; the old one works on for the grace period."""
    return app.once(
        lambda once: keys.roll(caller, id, grace_seconds=body.grace_seconds, once=once),
        lambda made: shapes.NewKey.shown_once(*made),
        keys.spell_secret,
    )


@app.delete("/keys/{id}", "keys:write")
def revoke_key(caller: Caller, id: common.KeyId) -> Response[common.Done]:
    """Revokes a key at once."""
    keys.revoke(caller, id)
    return app.answer(common.Done(message="API key revoked successfully"))


handler = app
