"""API keys: how they look, what they allow, and the life of one.

    flv_ <32 base62 characters, 190 bits of chance> <6 characters: CRC-32 of the 32, in base62>

The checksum refuses a typo without a read; only the SHA-256 of the whole key is stored.
"""

from __future__ import annotations

import hashlib
import secrets
import zlib
from dataclasses import dataclass, replace

from fluvial import clock, ids
from fluvial.caller import Caller
from fluvial.errors import ForbiddenError, InvalidError, NotFoundError
from fluvial.paging import Slice
from fluvial.store import accounts as accounts_store
from fluvial.store import api_keys as store
from fluvial.text import checked_line

PREFIX = "flv_"
RANDOM_LENGTH = 32
CHECKSUM_LENGTH = 6
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

MAX_NAME_LENGTH = 100
MAX_LIFETIME_MILLISECONDS = 10 * 366 * clock.DAY

EVERYTHING = "*"
RESOURCES = ("data", "keys", "projects", "users", "webhooks")
SCOPES = (EVERYTHING, *(f"{resource}:{access}" for resource in RESOURCES for access in ("read", "write")))


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key; never the key itself. Times in milliseconds."""

    id: int
    account: int
    user: int
    name: str
    type: str  # user: acts within its user's role; system: acts for the account
    scopes: tuple[str, ...]
    hint: str  # the last four characters, to tell keys apart
    created: int
    expires: int | None = None
    revoked: int | None = None


def new_secret() -> str:
    """A fresh key, to be shown once."""
    chance = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return f"{PREFIX}{chance}{_checksum(chance)}"


def well_formed(secret: str) -> bool:
    """Whether the text is a key without a typo; unknown and revoked keys are well formed, too."""
    body = secret.removeprefix(PREFIX)
    if len(secret) != len(PREFIX) + RANDOM_LENGTH + CHECKSUM_LENGTH or len(body) == len(secret):
        return False
    chance, checksum = body[:RANDOM_LENGTH], body[RANDOM_LENGTH:]
    return chance.isascii() and checksum == _checksum(chance)


def digest(secret: str) -> str:
    """What is stored and looked up in place of the key. Its 190 bits of chance need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def checked_scopes(scopes: list[str] | None, caller: Caller) -> tuple[str, ...]:
    """Scopes for a new key: known ones, and none that the caller does not have itself."""
    if scopes is None:
        return tuple(sorted(caller.scopes))
    if not scopes:
        raise InvalidError("scopes", "A key needs at least one scope.", value=scopes, constraint=", ".join(SCOPES))
    for scope in scopes:
        if scope not in SCOPES:
            raise InvalidError("scopes", f"'{scope}' is not a scope.", value=scope, constraint=", ".join(SCOPES))
        if not caller.may(scope):
            raise ForbiddenError(f"This key lacks the scope '{scope}' and cannot give it to another.")
    return tuple(sorted(set(scopes)))


def create(
    caller: Caller,
    *,
    name: str,
    scopes: list[str] | None = None,
    expires: int | None = None,
    type: str = "user",
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> tuple[Key, str]:
    """Makes a key and returns it with its secret, which is nowhere else."""
    moment = now()
    if expires is not None and not moment < expires <= moment + MAX_LIFETIME_MILLISECONDS:
        raise InvalidError(
            "expires_at", "The expiry must lie in the future, within ten years.", value=clock.iso(expires)
        )
    secret = new_secret()
    key = Key(
        id=new_id(),
        account=caller.account,
        user=caller.user,
        name=checked_line("name", name, MAX_NAME_LENGTH),
        type=type,
        scopes=checked_scopes(scopes, caller),
        hint=secret[-4:],
        created=moment,
        expires=expires,
    )
    account = accounts_store.get(caller.account)
    store.create(key, digest(secret), plan=account.plan, gateway_key=account.gateway_key)
    return key, secret


def page(caller: Caller, *, offset: int, limit: int) -> Slice[Key]:
    """The account's keys, newest first, revoked ones too."""
    total = store.total(caller.account)
    items = store.page(caller.account, skip=offset, limit=limit) if offset < total else []
    return Slice(items, offset, total)


def revoke(caller: Caller, key_id: int, *, now: clock.Now = clock.now) -> Key:
    """The key stops working with the next request; revoking it again changes nothing."""
    key, secret_digest = store.get(caller.account, key_id) or (None, "")
    if key is None:
        raise NotFoundError("key", key_id)
    if key.revoked is not None:
        return key
    revoked = replace(key, revoked=now())
    store.revoke(revoked, secret_digest)
    return revoked


def _checksum(text: str) -> str:
    number, characters = zlib.crc32(text.encode()), []
    for _ in range(CHECKSUM_LENGTH):
        number, rest = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[rest])
    return "".join(reversed(characters))
