"""What the roles allow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvial import keys, roles

SINGLE = sorted(set(keys.SCOPES) - {roles.EVERYTHING})
SCOPES = st.sets(st.sampled_from(keys.SCOPES))
ROLE = st.sampled_from((*roles.ROLES, roles.SYSTEM))


def allowed(scopes: frozenset[str]) -> set[str]:
    """Each scope that these are."""
    return set(SINGLE) if roles.EVERYTHING in scopes else set(scopes)


@given(SCOPES, ROLE)
def test_a_request_has_what_both_key_and_role_have_and_nothing_else(scopes: set[str], role: str) -> None:
    of_role = {scope for scope in SINGLE if roles.allows(role, scope)}
    of_key = allowed(frozenset(scopes))
    assert allowed(roles.effective(scopes, role, keys.SCOPES)) == of_role & of_key


@given(SCOPES, ROLE)
def test_bounding_twice_is_bounding_once(scopes: set[str], role: str) -> None:
    once = roles.effective(scopes, role, keys.SCOPES)
    assert roles.effective(once, role, keys.SCOPES) == once


def test_each_role_has_all_that_the_next_one_has_and_more() -> None:
    of = [{scope for scope in SINGLE if roles.allows(role, scope)} for role in roles.ROLES]
    assert of[0] == of[1] == set(SINGLE)
    assert of[1] > of[2] > of[3]


def test_an_editor_writes_what_is_of_projects_and_a_viewer_writes_nothing() -> None:
    reads = {scope for scope in SINGLE if scope.endswith(":read")}
    everything = [roles.EVERYTHING]
    assert roles.effective(everything, roles.EDITOR, keys.SCOPES) == reads | {
        "projects:write",
        "data:write",
        "analyses:write",
        "pages:write",
        "webhooks:write",
        "preparations:write",
        "records:write",
        "reports:write",
        "automations:write",
        "jobs:write",
    }
    assert roles.effective(everything, roles.VIEWER, keys.SCOPES) == reads


@pytest.mark.parametrize(
    ("manager", "managed"),
    [
        ("owner", ["owner", "admin", "editor", "viewer"]),
        ("admin", ["admin", "editor", "viewer"]),
        ("system", ["admin", "editor", "viewer"]),
        ("editor", []),
        ("viewer", []),
    ],
)
def test_only_owners_manage_owners_and_only_they_and_admins_anybody(manager: str, managed: list[str]) -> None:
    assert [role for role in roles.ROLES if roles.may_manage(manager, role)] == managed


def test_a_role_that_is_not_known_has_nothing() -> None:
    with pytest.raises(KeyError):
        roles.effective(keys.SCOPES, "superuser", keys.SCOPES)
