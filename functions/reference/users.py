"""The user of a key."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from fluvial import accounts
from fluvial.http import make_app
from reference.errors import render
from reference.wire import users as shapes

app = make_app("reference", render)


@app.get("/users/me")
def get_current_user() -> Response[str]:
    caller = app.caller("users:read")
    return app.answer(200, shapes.User.from_core(accounts.current_user(caller), caller.plan))


@app.put("/users/me")
def update_current_user() -> Response[str]:
    caller, body = app.caller("users:write"), app.body(shapes.UserUpdate)
    user = accounts.update_user(caller, name=body.name, email=body.email)
    return app.answer(200, shapes.User.from_core(user, caller.plan))


handler = app
