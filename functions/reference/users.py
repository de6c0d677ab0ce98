"""The users of an account, and the one of a key."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from fluvial import accounts
from fluvial.http import make_app
from reference.errors import render
from reference.wire import common
from reference.wire import users as shapes

app = make_app("reference", render)


@app.get("/users")
def list_users() -> Response[str]:
    caller, query = app.caller("users:read"), app.query(common.PageQuery)
    found = accounts.page(caller, offset=query.offset, limit=query.per_page)
    return app.answer(200, common.page_of(found, query, shapes.Member.from_core, path="/users", asked=app.asked))


@app.post("/users")
def invite_user() -> Response[str]:
    caller, body = app.caller("users:write"), app.body(shapes.UserInvite)
    return app.once(
        caller,
        body.said(),
        lambda once: accounts.invite(caller, email=body.email, role=body.role, name=body.name, once=once),
        shapes.Member.from_core,
    )


@app.get("/users/me")
def get_current_user() -> Response[str]:
    caller = app.caller("users:read")
    return app.answer(200, shapes.User.from_core(accounts.current_user(caller), caller.plan))


@app.put("/users/me")
def update_current_user() -> Response[str]:
    caller, body = app.caller("users:write"), app.body(shapes.UserUpdate)
    user = accounts.update_user(caller, name=body.name, email=body.email)
    return app.answer(200, shapes.User.from_core(user, caller.plan))


@app.put("/users/<id>")
def change_role(id: str) -> Response[str]:
    caller, body = app.caller("users:write"), app.body(shapes.RoleUpdate)
    user = accounts.change_role(caller, common.parse_id("user", id), body.role)
    return app.answer(200, shapes.Member.from_core(user))


@app.delete("/users/<id>")
def remove_user(id: str) -> Response[str]:
    accounts.remove(app.caller("users:write"), common.parse_id("user", id))
    return app.answer(200, common.Done(message="User removed successfully"))


handler = app
