"""Who makes a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fluvial import roles
from fluvial.errors import FeatureOffError, ForbiddenError, NotFoundError

# All that a key of one project reaches, and of these only what is of its project.
OF_A_PROJECT = ("projects", "data", "analyses", "pages")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request: what the authorizer found for the key.

    `scopes` are what is left of the key's within its user's role. `user` made the key, if it is a system key. `project`
    is the only project that the key reaches; None for all. `limits` are what the account's contract says in place of
    its plan: requests per window, by API. `features_off` are the parts of the product that the account does not have.
    """

    account: int
    user: int
    key: int
    plan: str
    scopes: frozenset[str]
    role: str = roles.VIEWER
    project: int | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    features_off: frozenset[str] = frozenset()

    @classmethod
    def of_context(cls, context: Mapping[str, str]) -> Caller:
        """The caller that `context` told; API Gateway hands texts on, and nothing else."""
        return cls(
            account=int(context["account"]),
            user=int(context["user"]),
            key=int(context["key"]),
            plan=context["plan"],
            scopes=frozenset(context["scopes"].split()),
            role=context["role"],
            project=int(context["project"]) if "project" in context else None,
            limits={api: int(limit) for api, limit in _pairs(context.get("limits", ""))},
            features_off=frozenset(context.get("features_off", "").split()),
        )

    def context(self) -> dict[str, str]:
        """The caller as the authorizer hands it to the functions."""
        context = {
            "account": str(self.account),
            "user": str(self.user),
            "key": str(self.key),
            "plan": self.plan,
            "scopes": " ".join(sorted(self.scopes)),
            "role": self.role,
        }
        if self.project is not None:
            context["project"] = str(self.project)
        if self.limits:
            context["limits"] = " ".join(f"{api}={limit}" for api, limit in sorted(self.limits.items()))
        if self.features_off:
            context["features_off"] = " ".join(sorted(self.features_off))
        return context

    def may(self, scope: str) -> bool:
        return roles.EVERYTHING in self.scopes or scope in self.scopes

    def require(self, scope: str) -> None:
        """ForbiddenError unless the key has the scope, or where it is for one project and this is the account's."""
        if not self.may(scope):
            raise ForbiddenError(f"This API key lacks the scope '{scope}'.")
        if scope.partition(":")[0] not in OF_A_PROJECT:
            self.require_account()

    def require_feature(self, feature: str) -> None:
        """FeatureOffError where the account does not have this part of the product."""
        if feature in self.features_off:
            raise FeatureOffError(feature)

    def require_account(self) -> None:
        """ForbiddenError for a key of one project."""
        if self.project is not None:
            raise ForbiddenError("This API key is for one project only.")

    def within(self, project_id: int) -> Caller:
        """The same caller, who sees no other project; NotFoundError where the key does not see this one."""
        if not self.reaches(project_id):
            raise NotFoundError("project", project_id)
        return replace(self, project=project_id)

    def reaches(self, project_id: int) -> bool:
        """Whether the key sees this project; what it does not see is absent to it."""
        return self.project in (None, project_id)


def _pairs(text: str) -> list[list[str]]:
    return [pair.split("=") for pair in text.split()]
