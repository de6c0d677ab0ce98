"""The shapes of the users group."""

from __future__ import annotations

from typing import Annotated

from fluvial import accounts, clock, ids, roles
from fluvial.http.wire import A_CHANGE, EMAIL, Request, Shape, line, one_of
from reference.wire.common import Page

Name = Annotated[str, line(accounts.MAX_NAME_LENGTH)]
Email = Annotated[str, EMAIL]
Role = Annotated[str, one_of(roles.ROLES)]


class UserUpdate(Request):
    model_config = A_CHANGE

    name: Name | None = None
    email: Email | None = None


class UserInvite(Request):
    email: Email
    role: Role
    name: Name | None = None


class RoleUpdate(Request):
    role: Role


class Member(Shape):
    """A user as the others of the account see them."""

    id: str
    email: str
    name: str
    role: str
    created_at: str

    @classmethod
    def from_core(cls, user: accounts.User) -> Member:
        return cls(**user.described())


class MembersPage(Page):
    data: list[Member]


class User(Shape):
    """The user of the key: exactly the document's fields."""

    id: str
    email: str
    name: str
    created_at: str
    plan: str

    @classmethod
    def from_core(cls, user: accounts.User, plan: str) -> User:
        return cls(
            id=ids.spell(ids.USER, user.id),
            email=user.email,
            name=user.name,
            created_at=clock.iso(user.created),
            plan=plan,
        )
