"""What a key reaches: within its user's role, for the account, or in one project. Handlers and authorizer on moto."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fluvial import accounts, ids, keys, projects
from fluvial.caller import OF_A_PROJECT, Caller
from fluvial.errors import ForbiddenError
from fluvial.paging import Order
from reference import data, users, webhooks
from reference import keys as keys_group
from reference import projects as projects_group
from tests import factories
from tests.factories import answer, request


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


def create(caller: Caller, **body: Any) -> tuple[int, Any]:
    return answer(keys_group.handler, request("POST", "/keys", caller=caller, body={"name": "Key", **body}))


def spelled(user: accounts.User) -> str:
    return ids.spell(ids.USER, user.id)


def made(caller: Caller, **body: Any) -> Caller:
    """The caller that a new key makes."""
    status, key = create(caller, **body)
    assert status == 201, key
    return factories.caller_of(key["key"])


# ---------------------------------------------------------------- roles


def test_a_user_s_key_is_bounded_by_the_role_whatever_its_scopes_say(caller: Caller) -> None:
    viewer = factories.new_member(caller, "viewer")
    status, key = create(caller, user_id=spelled(viewer), scopes=["*"])
    assert (status, key["scopes"], key["user_id"]) == (201, ["*"], spelled(viewer))
    theirs = factories.caller_of(key["key"])
    assert (theirs.user, theirs.role) == (viewer.id, "viewer")
    assert answer(projects_group.handler, request("GET", "/projects", caller=theirs))[0] == 200
    event = request("POST", "/projects", caller=theirs, body={"name": "Mine"})
    status, refusal = answer(projects_group.handler, event)
    assert (status, refusal["error"]["code"]) == (403, "INSUFFICIENT_PERMISSIONS")


def test_a_role_gives_no_scope_that_the_key_lacks(caller: Caller) -> None:
    editor = factories.new_member(caller, "editor")
    theirs = made(caller, user_id=spelled(editor), scopes=["projects:read", "keys:write"])
    assert theirs.scopes == {"projects:read"}


@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_editors_and_viewers_read_keys_and_make_none(caller: Caller, role: str) -> None:
    theirs = made(caller, user_id=spelled(factories.new_member(caller, role)))
    assert answer(keys_group.handler, request("GET", "/keys", caller=theirs))[0] == 200
    assert create(theirs)[0] == 403
    own = {"id": ids.spell(ids.KEY, theirs.key)}
    assert answer(keys_group.handler, request("DELETE", "/keys/{id}", caller=theirs, path=own))[0] == 403
    event = request("POST", "/keys/{id}/roll", caller=theirs, path=own, body={})
    assert answer(keys_group.handler, event)[0] == 403


@pytest.mark.parametrize("type", ["user", "system"])
def test_only_an_owner_makes_rolls_or_revokes_keys_of_an_owner(caller: Caller, type: str) -> None:
    admin = made(caller, user_id=spelled(factories.new_member(caller, "admin")))
    manager = admin if type == "user" else made(admin, type="system")
    owner = factories.new_member(caller, "owner")
    key, secret = keys.create(caller, name="Theirs", user_id=owner.id)
    assert create(manager, user_id=spelled(owner))[0] == 403
    path = {"id": ids.spell(ids.KEY, key.id)}
    for method, resource in (("POST", "/keys/{id}/roll"), ("DELETE", "/keys/{id}")):
        event = request(method, resource, caller=manager, path=path, body={} if method == "POST" else None)
        assert answer(keys_group.handler, event)[0] == 403
    assert factories.caller_of(secret).role == "owner"
    assert create(manager, user_id=spelled(factories.new_member(caller, "editor")))[0] == 201


def test_a_key_for_a_user_of_another_account_or_none_is_not_made(caller: Caller) -> None:
    foreign = accounts.current_user(factories.new_caller())
    for user_id in (spelled(foreign), "user_00000000001", "nonsense"):
        status, refusal = create(caller, user_id=user_id)
        assert (status, refusal["error"]["field"]) == (404, "user_id")
    assert keys.page(caller, offset=0, limit=9).total == 1


# ---------------------------------------------------------------- system keys


def test_a_system_key_acts_for_the_account_and_outlives_who_made_it(caller: Caller) -> None:
    admin_user = factories.new_member(caller, "admin")
    admin = made(caller, user_id=spelled(admin_user))
    status, key = create(admin, type="system", scopes=["projects:write", "users:read"])
    assert (status, key["type"], key["user_id"]) == (201, "system", None)
    accounts.remove(caller, admin_user.id)
    system = factories.caller_of(key["key"])
    assert (system.role, system.scopes) == ("system", {"projects:write", "users:read"})
    event = request("POST", "/projects", caller=system, body={"name": "Nightly"})
    assert answer(projects_group.handler, event)[0] == 201


def test_a_system_key_has_no_user(caller: Caller) -> None:
    system = made(caller, type="system")
    for method, body in (("GET", None), ("PUT", {"name": "Nobody"})):
        event = request(method, "/users/me", caller=system, body=body)
        status, refusal = answer(users.handler, event)
        assert (status, refusal["error"]["message"]) == (404, "No user 'me' exists.")
    status, refusal = create(system)
    assert (status, refusal["error"]["field"]) == (400, "user_id")
    assert create(system, user_id=spelled(factories.new_member(caller, "editor")))[0] == 201
    assert create(system, type="system", scopes=["data:read"])[0] == 201


def test_a_system_key_manages_users_as_an_admin_does(caller: Caller) -> None:
    system = made(caller, type="system")
    with pytest.raises(ForbiddenError):
        accounts.invite(system, email="new@example.com", role="owner")
    assert accounts.invite(system, email="new@example.com", role="admin").role == "admin"
    with pytest.raises(ForbiddenError):
        accounts.change_role(system, caller.user, "viewer")
    with pytest.raises(ForbiddenError):
        accounts.remove(system, caller.user)


def test_a_system_key_is_rolled_and_revoked(caller: Caller) -> None:
    key, secret = keys.create(caller, name="Nightly", type="system")
    new, new_secret = keys.roll(caller, key.id)
    assert (new.type, factories.caller_of(secret).key) == ("system", key.id)
    assert factories.caller_of(new_secret).role == "system"
    for each in (key, new):
        keys.revoke(caller, each.id)
    for each in (secret, new_secret):
        with pytest.raises(LookupError):
            factories.caller_of(each)


# ---------------------------------------------------------------- one project


def test_a_key_is_made_for_a_project_that_is_there(caller: Caller) -> None:
    project = factories.new_project(caller)
    of_project = ids.spell(ids.PROJECT, project.id)
    status, key = create(caller, project_id=of_project)
    assert (status, key["project_id"]) == (201, of_project)
    assert factories.caller_of(key["key"]).project == project.id
    foreign = factories.new_project(factories.new_caller())
    for project_id in (ids.spell(ids.PROJECT, foreign.id), "nonsense"):
        status, refusal = create(caller, project_id=project_id)
        assert (status, refusal["error"]["field"]) == (404, "project_id")


def test_a_rolled_key_stays_with_its_project(caller: Caller) -> None:
    project = factories.new_project(caller)
    key, _ = keys.create(caller, name="One", project_id=project.id)
    assert factories.caller_of(keys.roll(caller, key.id)[1]).project == project.id


ACCOUNT_WIDE = [
    (projects_group.handler, "POST", "/projects", {"name": "New"}),
    (keys_group.handler, "GET", "/keys", None),
    (keys_group.handler, "POST", "/keys", {"name": "New"}),
    (users.handler, "GET", "/users", None),
    (users.handler, "GET", "/users/me", None),
    (users.handler, "POST", "/users", {"email": "a@example.com", "role": "viewer"}),
    (webhooks.handler, "GET", "/webhooks", None),
    (webhooks.handler, "POST", "/webhooks", {"url": "http://127.0.0.1:9/", "events": ["*"]}),
]


@pytest.mark.parametrize(("handler", "method", "resource", "body"), ACCOUNT_WIDE)
def test_a_key_of_one_project_is_forbidden_what_is_the_account_s(
    caller: Caller, handler: Callable[..., Any], method: str, resource: str, body: dict[str, Any] | None
) -> None:
    bound = replace(caller, project=factories.new_project(caller).id)
    status, refusal = answer(handler, request(method, resource, caller=bound, body=body))
    assert (status, refusal["error"]["code"], refusal["error"]["message"]) == (
        403,
        "INSUFFICIENT_PERMISSIONS",
        "This API key is for one project only.",
    )
    assert projects.page(caller, Order(), offset=0, limit=9).total == 1


@pytest.mark.parametrize("resource", sorted(set(keys.RESOURCES) - set(OF_A_PROJECT)))
@pytest.mark.parametrize("access", ["read", "write"])
def test_whatever_is_not_of_a_project_is_forbidden_to_its_key(resource: str, access: str) -> None:
    bound = Caller(1, 1, 1, "free", frozenset({"*"}), "owner", project=7)
    with pytest.raises(ForbiddenError, match="one project only"):
        bound.require(f"{resource}:{access}")
    replace(bound, project=None).require(f"{resource}:{access}")


OF_A_PROJECT = [
    (projects_group.handler, "GET", "/projects/{id}", "project", None),
    (projects_group.handler, "PUT", "/projects/{id}", "project", {"name": "Renamed"}),
    (projects_group.handler, "DELETE", "/projects/{id}", "project", None),
    (data.handler, "GET", "/projects/{id}/data", "project", None),
    (data.handler, "GET", "/data/{id}", "dataset", None),
    (data.handler, "DELETE", "/data/{id}", "dataset", None),
]


@pytest.mark.parametrize(("handler", "method", "resource", "kind", "body"), OF_A_PROJECT)
def test_to_a_key_of_one_project_another_is_absent(
    caller: Caller, handler: Callable[..., Any], method: str, resource: str, kind: str, body: dict[str, Any] | None
) -> None:
    project, other = factories.new_project(caller, "Its own"), factories.new_project(caller, "Another")
    bound, elsewhere = replace(caller, project=project.id), replace(caller, project=other.id)
    dataset = factories.new_dataset(caller, project)
    id = ids.spell(ids.PROJECT, project.id) if kind == "project" else ids.spell(ids.DATASET, dataset.id)
    asked = request(method, resource, caller=elsewhere, path={"id": id}, body=body)
    status, refusal = answer(handler, asked)
    assert (status, refusal["error"]["message"]) == (404, f"No {kind} '{id}' exists.")
    assert answer(handler, request(method, resource, caller=bound, path={"id": id}, body=body))[0] == 200


def test_a_key_of_one_project_lists_just_that(caller: Caller) -> None:
    project, _ = factories.new_project(caller, "Its own"), factories.new_project(caller, "Another")
    bound = replace(caller, project=project.id)
    _, page = answer(projects_group.handler, request("GET", "/projects", caller=bound))
    assert [item["name"] for item in page["data"]] == ["Its own"]
    assert page["pagination"]["total"] == 1
    _, second = answer(projects_group.handler, request("GET", "/projects", caller=bound, query={"page": "2"}))
    assert (second["data"], second["pagination"]["total"]) == ([], 1)
    projects.delete(bound, project.id)
    assert answer(projects_group.handler, request("GET", "/projects", caller=bound))[1]["data"] == []


def test_a_key_of_one_project_uploads_into_that_only(caller: Caller) -> None:
    project, other = factories.new_project(caller), factories.new_project(caller)
    bound, elsewhere = replace(caller, project=project.id), replace(caller, project=other.id)
    body = {"project_id": ids.spell(ids.PROJECT, project.id), "filename": "data.csv", "size": 8}
    assert answer(data.handler, request("POST", "/data/uploads", caller=elsewhere, body=body))[0] == 404
    status, opened = answer(data.handler, request("POST", "/data/uploads", caller=bound, body=body))
    assert status == 201
    path = {"id": opened["id"]}
    asked = request("POST", "/data/uploads/{id}/complete", caller=elsewhere, path=path)
    status, refusal = answer(data.handler, asked)
    assert (status, refusal["error"]["message"]) == (404, f"No upload '{opened['id']}' exists.")
    # The file is not there yet, which only a key that reaches the project is told.
    asked = request("POST", "/data/uploads/{id}/complete", caller=bound, path=path)
    assert answer(data.handler, asked)[0] == 409
