"""The shapes of the users group."""

from __future__ import annotations

from pydantic import BaseModel

from fluvial import accounts, clock, ids
from fluvial.http.wire import Request
from reference.wire.common import Page


class UserUpdate(Request):
    name: str | None = None
    email: str | None = None


class UserInvite(Request):
    email: str
    role: str
    name: str | None = None


class RoleUpdate(Request):
    role: str


class Member(BaseModel):
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


class User(BaseModel):
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
