"""API keys: how they look, what they allow, and the life of one.

    flv_ <32 base62 characters, 190 bits of chance> <6 characters: CRC-32 of the 32, in base62>

The checksum refuses a typo without a read; only the SHA-256 of the whole key is stored.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fluvial import base62, clock, ids, projects, roles
from fluvial.caller import Caller
from fluvial.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from fluvial.idempotency import Once, guard
from fluvial.paging import Slice
from fluvial.store import accounts as accounts_store
from fluvial.store import api_keys as store
from fluvial.text import checked_line

if TYPE_CHECKING:
    from fluvial.accounts import User
    from fluvial.store.table import Action

PREFIX = "flv_"
RANDOM_LENGTH = 32

MAX_NAME_LENGTH = 100
MAX_LIFETIME_MILLISECONDS = 10 * 366 * clock.DAY
MAX_LIVE_KEYS = 40  # of a user: two writes each must fit into the transaction that removes the user
MAX_GRACE_SECONDS = 7 * clock.DAY // clock.SECOND
DEFAULT_GRACE_SECONDS = clock.DAY // clock.SECOND
NOTED_EVERY_MILLISECONDS = clock.MINUTE
ATTEMPTS = 12  # keys of one user meet on the user's item

EVERYTHING = roles.EVERYTHING
RESOURCES = (
    "analyses",
    "analytics",
    "applications",
    "automations",
    "data",
    "events",
    "jobs",
    "keys",
    "pages",
    "preparations",
    "projects",
    "records",
    "reports",
    "users",
    "webhooks",
)
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
    project: int | None = None  # the only one that it reaches; None for all
    replaced_by: int | None = None  # the key that it was rolled to
    last_used: int | None = None  # to the minute


@dataclass(frozen=True, slots=True)
class LiveKey:
    """A user's key that works, as the user's own item names it."""

    id: int
    digest: str
    expires: int | None = None


def new_secret() -> str:
    """A fresh key, to be shown once."""
    return spell_secret(secrets.token_bytes(32))


def spell_secret(bits: bytes) -> str:
    """256 bits as a key, which uses 190 of them."""
    return PREFIX + base62.spell(int.from_bytes(bits, "big"), RANDOM_LENGTH)


def well_formed(secret: str) -> bool:
    """Whether the text is a key without a typo; unknown and revoked keys are well formed, too."""
    return secret.startswith(PREFIX) and base62.is_spelled(secret[len(PREFIX) :], RANDOM_LENGTH)


def digest(secret: str) -> str:
    """What is stored and looked up in place of the key. Its 190 bits of chance need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def checked_scopes(scopes: list[str] | None, caller: Caller) -> tuple[str, ...]:
    """Scopes for a new key: known ones, and none that the caller does not have itself."""
    if scopes is None:
        return tuple(sorted(caller.scopes))
    if not scopes:
        raise InvalidError("scopes", "At least one scope is needed.", value=scopes, constraint=", ".join(SCOPES))
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
    user_id: int | None = None,
    project_id: int | None = None,
    once: Once[tuple[Key, str]] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> tuple[Key, str]:
    """Makes a key and returns it with its secret, which is nowhere else.

    A user key is the caller's own unless `user_id` names another user. With `project_id` it reaches this project only.
    """
    moment = now()
    _check_expiry(expires, moment)
    _check_type(caller, type, user_id)
    if project_id is not None:
        projects.get(caller, project_id, field="project_id")
    secret = once.secret() if once else new_secret()
    key = Key(
        id=0,
        account=caller.account,
        user=caller.user if user_id is None else user_id,
        name=checked_line("name", name, MAX_NAME_LENGTH),
        type=type,
        scopes=checked_scopes(scopes, caller),
        hint=secret[-4:],
        created=moment,
        expires=expires,
        project=project_id,
    )
    account = accounts_store.get(caller.account)
    for _ in range(ATTEMPTS):
        key = replace(key, id=new_id())
        holder = _holder(caller, key)
        if holder is None and type != roles.SYSTEM:
            raise NotFoundError("user", key.user, field="user_id")
        if store.create(
            key,
            digest(secret),
            account=account,
            role=holder.role if holder else roles.SYSTEM,
            holder=_with_key(holder, key, digest(secret), now=moment),
            guard=guard(once, (key, secret)),
        ):
            return key, secret
    raise RuntimeError(f"user {key.user} is changed by too many at once")


def roll(
    caller: Caller,
    key_id: int,
    *,
    grace_seconds: int = DEFAULT_GRACE_SECONDS,
    once: Once[tuple[Key, str]] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> tuple[Key, str]:
    """Makes a new key like the old one, and returns it with its secret. The old one works on for the grace.

    ConflictError where it does not work any more, or was rolled already.
    """
    secret = once.secret() if once else new_secret()
    account = accounts_store.get(caller.account)
    for _ in range(ATTEMPTS):
        moment = now()
        old, old_digest = _get(caller, key_id)
        holder = _holder(caller, old)
        if old.revoked is not None or (holder is None and old.type != roles.SYSTEM):
            raise ConflictError("This key is revoked: make a new one.")
        if old.expires is not None and old.expires <= moment:
            raise ConflictError("This key has expired: make a new one.")
        if old.replaced_by is not None:
            raise ConflictError(f"This key was rolled already: its successor is {ids.spell(ids.KEY, old.replaced_by)}.")
        # The answer has the new secret: rolling gives all that the key may do.
        checked_scopes(list(old.scopes), caller)
        ends = moment + grace_seconds * clock.SECOND
        ends = ends if old.expires is None else min(ends, old.expires)
        key = replace(old, id=new_id(), hint=secret[-4:], created=moment, last_used=None)
        if holder is not None:
            # The holder remembers when the old key ends, for until then it has to follow the user's role.
            kept = (replace(live, expires=ends) if live.id == old.id else live for live in holder.live_keys)
            holder = replace(holder, live_keys=tuple(kept))
        if store.roll(
            (old, old_digest),
            (key, digest(secret)),
            ends=ends,
            account=account,
            role=holder.role if holder else roles.SYSTEM,
            holder=_with_key(holder, key, digest(secret), now=moment),
            guard=guard(once, (key, secret)),
        ):
            return key, secret
    raise RuntimeError(f"key {key_id} is changed by too many at once")


def page(caller: Caller, *, offset: int, limit: int) -> Slice[Key]:
    """The account's keys, newest first, revoked ones too."""
    total = store.total(caller.account)
    items = store.page(caller.account, skip=offset, limit=limit) if offset < total else []
    return Slice(items, offset, total)


def revoke(caller: Caller, key_id: int, *, now: clock.Now = clock.now) -> Key:
    """The key stops working with the next request; revoking it again changes nothing."""
    for _ in range(ATTEMPTS):
        key, secret_digest = _get(caller, key_id)
        if key.revoked is not None:
            return key
        moment, holder = now(), _holder(caller, key)
        if store.revoke(key, secret_digest, now=moment, holder=_without_key(holder, key, now=moment)):
            return replace(key, revoked=moment)
    raise RuntimeError(f"key {key_id} is changed by too many at once")


def note_use(caller: Caller, *, now: clock.Now = clock.now) -> None:
    """Notes that the caller's key is used, at most once a minute. At most one write."""
    store.note_use(caller.account, caller.key, now=now(), pause=NOTED_EVERY_MILLISECONDS)


def _get(caller: Caller, key_id: int) -> tuple[Key, str]:
    """The key, with the digest of its secret; NotFoundError for an absent or foreign one."""
    found = store.get(caller.account, key_id)
    if found is None:
        raise NotFoundError("key", key_id)
    return found


def _check_expiry(expires: int | None, moment: int) -> None:
    if expires is not None and not moment < expires <= moment + MAX_LIFETIME_MILLISECONDS:
        raise InvalidError(
            "expires_at", "The expiry must lie in the future, within ten years.", value=clock.iso(expires)
        )


def _check_type(caller: Caller, type: str, user_id: int | None) -> None:
    if type == roles.SYSTEM and user_id is not None:
        raise InvalidError("user_id", "A system key acts for the account: leave out 'user_id'.", value=user_id)
    if type != roles.SYSTEM and user_id is None and caller.role == roles.SYSTEM:
        raise InvalidError(
            "user_id", "A system key has no user: say for whom the new key is.", constraint="a user's id"
        )


def _holder(caller: Caller, key: Key) -> User | None:
    """The user in whose role the key acts; None for a system key, and where the user is gone.

    ForbiddenError where the caller may not manage this user's keys.
    """
    if key.type == roles.SYSTEM:
        return None
    user = accounts_store.get_user(caller.account, key.user)
    if user is not None and not user.managed_by(caller):
        raise ForbiddenError("Only an owner manages the keys of an owner.")
    return user


def _with_key(user: User | None, key: Key, secret_digest: str, *, now: int) -> Action | None:
    """The change of the user that a new key is; ConflictError where they have as many as can be kept in step."""
    if user is None:
        return None
    live = user.keys_at(now)
    if len(live) >= MAX_LIVE_KEYS:
        raise ConflictError(f"A user has at most {MAX_LIVE_KEYS} keys that work: revoke one first.")
    added = (*live, LiveKey(key.id, secret_digest, key.expires))
    return accounts_store.change(replace(user, live_keys=added, revision=user.revision + 1))


def _without_key(user: User | None, key: Key, *, now: int) -> Action | None:
    """The change of the user that the end of a key is."""
    if user is None:
        return None
    left = tuple(live for live in user.keys_at(now) if live.id != key.id)
    return accounts_store.change(replace(user, live_keys=left, revision=user.revision + 1))
