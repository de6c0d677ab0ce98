"""Applications: what signs in."""

from __future__ import annotations

from fluvial import applications
from fluvial.caller import Caller
from fluvial.http import Response, make_app
from fluxx.errors import render
from fluxx.wire import applications as shapes

app = make_app("fluxx", render)


@app.get("/oauth/applications", "applications:read")
def list_applications(caller: Caller, query: shapes.ListQuery) -> Response[shapes.ApplicationsPage]:
    """The account's applications, newest first; never their secrets. For administrators."""
    found = applications.page(caller, offset=query.offset, limit=query.per_page)
    return app.answer(shapes.ApplicationsPage.of(found, query))


@app.post("/oauth/applications", "applications:write", status=200)
def create_application(caller: Caller, body: shapes.ApplicationCreate) -> Response[shapes.NewApplicationAnswer]:
    """Makes an application; the answer is the only one that has its secret. For administrators."""
    return app.once(
        lambda once: applications.create(caller, name=body.name, scopes=body.scopes, once=once),
        lambda made: shapes.NewApplicationAnswer.shown_once(*made),
        applications.spell_secret,
    )


@app.post("/oauth/applications/{application_id}/roll", "applications:write", status=200)
def roll_secret(
    caller: Caller, application_id: shapes.ApplicationId, body: shapes.SecretRoll
) -> Response[shapes.NewApplicationAnswer]:
    """Gives an application a new secret; the one before works on for the grace period. For administrators."""
    return app.once(
        lambda once: applications.roll(caller, application_id, grace_seconds=body.grace_seconds, once=once),
        lambda made: shapes.NewApplicationAnswer.shown_once(*made),
        applications.spell_secret,
    )


@app.delete("/oauth/applications/{application_id}", "applications:write")
def revoke_application(caller: Caller, application_id: shapes.ApplicationId) -> Response[shapes.ApplicationAnswer]:
    """Revokes an application at once, with its tokens. For administrators."""
    return app.answer(shapes.ApplicationAnswer.of(applications.revoke(caller, application_id)))


handler = app
