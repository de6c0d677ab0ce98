"""The users of an account, and the one of a key."""

from __future__ import annotations

from fluvial import accounts
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from reference.errors import render
from reference.wire import common
from reference.wire import users as shapes

app = make_app("reference", render)


@app.get("/users", "users:read")
def list_users(caller: Caller, query: common.PageQuery) -> Response[shapes.MembersPage]:
    """The account's users, newest first."""
    found = accounts.page(caller, offset=query.offset, limit=query.per_page)
    return app.answer(shapes.MembersPage.of(found, query, shapes.Member.from_core, app, "/users"))


@app.post("/users", "users:write")
def invite_user(caller: Caller, body: shapes.UserInvite) -> Response[shapes.Member]:
    """Adds a user, with the event `user.invited`."""
    return app.once(
        lambda once: accounts.invite(caller, email=body.email, role=body.role, name=body.name, once=once),
        shapes.Member.from_core,
    )


@app.get("/users/me", "users:read")
def get_current_user(caller: Caller) -> Response[shapes.User]:
    """The user of the key."""
    return app.answer(shapes.User.from_core(accounts.current_user(caller), caller.plan))


@app.put("/users/me", "users:write")
def update_current_user(caller: Caller, body: shapes.UserUpdate) -> Response[shapes.User]:
    """Changes name or address of the key's user."""
    user = accounts.update_user(caller, name=body.name, email=body.email)
    return app.answer(shapes.User.from_core(user, caller.plan))


@app.put("/users/{id}", "users:write")
def change_role(caller: Caller, id: common.UserId, body: shapes.RoleUpdate) -> Response[shapes.Member]:
    """Changes a user's role; their keys act within it from the next request on."""
    return app.answer(shapes.Member.from_core(accounts.change_role(caller, id, body.role)))


@app.delete("/users/{id}", "users:write")
def remove_user(caller: Caller, id: common.UserId) -> Response[common.Done]:
    """Removes a user and revokes their keys."""
    accounts.remove(caller, id)
    return app.answer(common.Done(message="User removed successfully"))


handler = app
