"""The shapes of the keys group."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from fluvial import clock, ids, keys, roles
from fluvial.http.wire import WHOLE, Documented, Request, Shape, line, one_of, parse_time
from reference.wire.common import PROJECT, USER, Page, ProjectIdText, UserIdText


class KeyCreate(Request):
    name: Annotated[str, line(keys.MAX_NAME_LENGTH)]
    scopes: Annotated[list[Annotated[str, one_of(keys.SCOPES)]], Documented(minItems=1)] | None = None
    expires_at: Annotated[str, Documented(format="date-time")] | None = None
    type: Literal["user", "system"] = "user"
    user_id: UserIdText | None = None
    project_id: ProjectIdText | None = None

    def user(self) -> int | None:
        return None if self.user_id is None else USER.parse(self.user_id, field="user_id")

    def project(self) -> int | None:
        return None if self.project_id is None else PROJECT.parse(self.project_id, field="project_id")

    def expires(self) -> int | None:
        return None if self.expires_at is None else parse_time("expires_at", self.expires_at)


class KeyRoll(Request):
    grace_seconds: Annotated[int, Field(ge=0, le=keys.MAX_GRACE_SECONDS), WHOLE] = keys.DEFAULT_GRACE_SECONDS


class Key(Shape):
    id: str
    name: str
    type: str
    user_id: str | None
    project_id: str | None
    scopes: list[str]
    hint: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    replaced_by: str | None
    last_used_at: str | None

    @classmethod
    def from_core(cls, key: keys.Key) -> Key:
        return cls(**_key_fields(key))


class KeysPage(Page):
    data: list[Key]


class NewKey(Key):
    """The answer to the creation or the rolling of a key: the only one that has the key itself."""

    key: str

    @classmethod
    def shown_once(cls, key: keys.Key, secret: str) -> NewKey:
        return cls(**_key_fields(key), key=secret)


def _key_fields(key: keys.Key) -> dict[str, Any]:
    return {
        "id": ids.spell(ids.KEY, key.id),
        "name": key.name,
        "type": key.type,
        "user_id": None if key.type == roles.SYSTEM else ids.spell(ids.USER, key.user),
        "project_id": None if key.project is None else ids.spell(ids.PROJECT, key.project),
        "scopes": list(key.scopes),
        "hint": key.hint,
        "created_at": clock.iso(key.created),
        "expires_at": None if key.expires is None else clock.iso(key.expires),
        "revoked_at": None if key.revoked is None else clock.iso(key.revoked),
        "replaced_by": None if key.replaced_by is None else ids.spell(ids.KEY, key.replaced_by),
        "last_used_at": None if key.last_used is None else clock.iso(key.last_used),
    }
