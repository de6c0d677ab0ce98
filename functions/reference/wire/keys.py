"""The shapes of the keys group."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from fluvial import clock, ids, keys
from reference.wire.common import Request, parse_time


class KeyCreate(Request):
    name: str
    scopes: list[str] | None = None
    expires_at: str | None = None

    def expires(self) -> int | None:
        return None if self.expires_at is None else parse_time("expires_at", self.expires_at)


class Key(BaseModel):
    id: str
    name: str
    type: str
    scopes: list[str]
    hint: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None

    @classmethod
    def from_core(cls, key: keys.Key) -> Key:
        return cls(**_key_fields(key))


class NewKey(Key):
    """The answer to the creation of a key: the only one that has the key itself."""

    key: str

    @classmethod
    def shown_once(cls, key: keys.Key, secret: str) -> NewKey:
        return cls(**_key_fields(key), key=secret)


def _key_fields(key: keys.Key) -> dict[str, Any]:
    return {
        "id": ids.spell(ids.KEY, key.id),
        "name": key.name,
        "type": key.type,
        "scopes": list(key.scopes),
        "hint": key.hint,
        "created_at": clock.iso(key.created),
        "expires_at": None if key.expires is None else clock.iso(key.expires),
        "revoked_at": None if key.revoked is None else clock.iso(key.revoked),
    }
