"""Who makes a request."""

from __future__ import annotations

from dataclasses import dataclass

from fluvial import roles
from fluvial.errors import ForbiddenError

# All that a key of one project reaches, and of these only what is of its project.
OF_A_PROJECT = ("projects", "data")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request: what the authorizer found for the key.

    `scopes` are what is left of the key's within its user's role. `user` made the key, if it is a system key. `project`
    is the only project that the key reaches; None for all.
    """

    account: int
    user: int
    key: int
    plan: str
    scopes: frozenset[str]
    role: str = roles.VIEWER
    project: int | None = None

    def may(self, scope: str) -> bool:
        return roles.EVERYTHING in self.scopes or scope in self.scopes

    def require(self, scope: str) -> None:
        """ForbiddenError unless the key has the scope, or where it is for one project and this is the account's."""
        if not self.may(scope):
            raise ForbiddenError(f"This API key lacks the scope '{scope}'.")
        if scope.partition(":")[0] not in OF_A_PROJECT:
            self.require_account()

    def require_account(self) -> None:
        """ForbiddenError for a key of one project."""
        if self.project is not None:
            raise ForbiddenError("This API key is for one project only.")

    def reaches(self, project_id: int) -> bool:
        """Whether the key sees this project; what it does not see is absent to it."""
        return self.project in (None, project_id)
