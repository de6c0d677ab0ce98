"""Who makes a request."""

from __future__ import annotations

from dataclasses import dataclass

from fluvial.errors import ForbiddenError


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request: what the authorizer found for the key."""

    account: int
    user: int
    key: int
    plan: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        return "*" in self.scopes or scope in self.scopes

    def require(self, scope: str) -> None:
        """ForbiddenError unless the key has the scope."""
        if not self.may(scope):
            raise ForbiddenError(f"This API key lacks the scope '{scope}'.")
