"""What each role may do. A user's key acts within its user's role: a request has the scopes that both allow.

             reads        writes                           manages users and keys
    owner    everything   everything                       all of them
    admin    everything   everything                       all but owners and their keys
    editor   everything   projects and what is in them,    none
                          webhooks, preparations,
                          reports, records, automations,
                          jobs
    viewer   everything   nothing                          none

A system key has no user. It acts for the account with the scopes that it was given, and ranks with an admin.
"""

from __future__ import annotations

from collections.abc import Iterable

EVERYTHING = "*"  # among scopes: all there are

OWNER = "owner"
ADMIN = "admin"
EDITOR = "editor"
VIEWER = "viewer"
ROLES = (OWNER, ADMIN, EDITOR, VIEWER)
SYSTEM = "system"  # stands where a role would, for keys without a user

WRITES: dict[str, frozenset[str]] = {
    OWNER: frozenset({EVERYTHING}),
    ADMIN: frozenset({EVERYTHING}),
    SYSTEM: frozenset({EVERYTHING}),
    EDITOR: frozenset(
        {
            "projects",
            "data",
            "analyses",
            "pages",
            "webhooks",
            "preparations",
            "records",
            "reports",
            "automations",
            "jobs",
        }
    ),
    VIEWER: frozenset(),
}
MANAGERS = (OWNER, ADMIN, SYSTEM)


def allows(role: str, scope: str) -> bool:
    """Whether the role has this one scope, which is not `*`."""
    resource, _, access = scope.partition(":")
    writes = WRITES[role]
    return access == "read" or EVERYTHING in writes or resource in writes


def effective(scopes: Iterable[str], role: str, known: Iterable[str]) -> frozenset[str]:
    """The scopes of a request: those of the key that the role has, too. `known` are all scopes there are."""
    given = frozenset(scopes)
    if EVERYTHING in WRITES[role]:
        return given
    wanted = frozenset(known) - {EVERYTHING} if EVERYTHING in given else given
    return frozenset(scope for scope in wanted if allows(role, scope))


def may_manage(manager: str, role: str) -> bool:
    """Whether someone of the first role may make, change or remove users of the second, and keys of theirs."""
    return manager == OWNER or (manager in MANAGERS and role != OWNER)
