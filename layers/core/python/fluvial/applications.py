"""Applications: programs that sign in for themselves (OAuth 2, client credentials), and the life of one.

An application has a `client_id`, which is public, and a `client_secret`, of which only the SHA-256 is stored. With
both it gets access tokens (`fluvial.tokens`), which act for the account with the application's scopes, as system keys
do. It belongs to the account: it stays when the user who made it goes.

    created --- roll: a new secret, the one before works on for a grace --- revoked: no secret, no token works
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, replace
from typing import Any

from fluvial import base62, clock, events, ids, keys, roles
from fluvial.attempts import attempts
from fluvial.caller import Caller
from fluvial.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from fluvial.idempotency import Once, guard
from fluvial.paging import Slice
from fluvial.store import accounts as accounts_store
from fluvial.store import applications as store
from fluvial.store import tokens as stored_tokens
from fluvial.text import checked_line

RANDOM_LENGTH = 58  # of client_id, client_secret and access token; with their checksum, 64 characters
MAX_NAME_LENGTH = 100
MAX_GRACE_SECONDS = 7 * clock.DAY // clock.SECOND  # both as of keys
DEFAULT_GRACE_SECONDS = clock.DAY // clock.SECOND
NOTED_EVERY_MILLISECONDS = clock.MINUTE


@dataclass(frozen=True, slots=True)
class Application:
    """What is known of an application; never its secret. Times in milliseconds."""

    id: int
    account: int
    user: int  # who made it, as far as it was a user
    name: str
    client_id: str
    scopes: tuple[str, ...]
    hint: str  # the last four characters of the secret
    created: int
    revision: int = 1
    rolled: int | None = None  # when it got the secret that it has
    old_ends: int | None = None  # when the secret before ends, or ended
    revoked: int | None = None
    last_used: int | None = None  # by a token, to the minute

    def described(self) -> dict[str, Any]:
        """The application as events show it."""
        return {
            "id": ids.spell(ids.APPLICATION, self.id),
            "name": self.name,
            "client_id": self.client_id,
            "scopes": list(self.scopes),
            "created_at": clock.iso(self.created),
            "revoked_at": None if self.revoked is None else clock.iso(self.revoked),
        }


@dataclass(frozen=True, slots=True)
class Client:
    """What is found under a client_id: as whom its tokens act, and by which secrets it is known."""

    client_id: str
    caller: Caller
    gateway_key: str
    digest: str
    old_digest: str | None = None
    old_ends: int | None = None

    def is_opened_by(self, digest: str, *, now: int) -> bool:
        """Whether a secret with this digest is the client's; it takes as long for any."""
        current = hmac.compare_digest(digest, self.digest)
        before = hmac.compare_digest(digest, self.old_digest or self.digest)
        return current or (before and self.old_ends is not None and now < self.old_ends)


def new_text() -> str:
    """A fresh client_id, client_secret or access token."""
    return base62.spell(int.from_bytes(secrets.token_bytes(48), "big"), RANDOM_LENGTH)


def spell_secret(bits: bytes) -> str:
    """A client_secret of 256 bits."""
    return base62.spell_wide(bits, RANDOM_LENGTH)


def well_formed(text: str) -> bool:
    """Whether the text looks like a client_id, a client_secret or an access token, and has no typo."""
    return base62.is_spelled(text, RANDOM_LENGTH)


def new(
    *, account: int, user: int, name: str, scopes: tuple[str, ...], secret: str, at: int, new_id: ids.NewId
) -> Application:
    """An application that is not stored yet."""
    return Application(
        id=new_id(),
        account=account,
        user=user,
        name=checked_line("name", name, MAX_NAME_LENGTH),
        client_id=new_text(),
        scopes=scopes,
        hint=secret[-4:],
        created=at,
    )


def create(
    caller: Caller,
    *,
    name: str,
    scopes: list[str] | None = None,
    once: Once[tuple[Application, str]] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> tuple[Application, str]:
    """Makes an application and returns it with its secret, which is nowhere else.

    It has the caller's scopes, or those of them that are given. ForbiddenError where the caller is no administrator.
    """
    _require_administrator(caller)
    granted = keys.checked_scopes(scopes, caller)
    secret = once.secret() if once else new_text()
    account = accounts_store.get(caller.account)
    for _ in attempts("the list of applications"):
        application = new(
            account=caller.account,
            user=caller.user,
            name=name,
            scopes=granted,
            secret=secret,
            at=now(),
            new_id=new_id,
        )
        made = (application, secret)
        if store.create(application, keys.digest(secret), account=account, guard=guard(once, made)):
            return made
    raise AssertionError("attempts end with an error")


def page(caller: Caller, *, offset: int, limit: int) -> Slice[Application]:
    """The account's applications, newest first, revoked ones too."""
    _require_administrator(caller)
    total = store.total(caller.account)
    items = store.page(caller.account, skip=offset, limit=limit) if offset < total else []
    return Slice(items, offset, total)


def roll(
    caller: Caller,
    application_id: int,
    *,
    grace_seconds: int = DEFAULT_GRACE_SECONDS,
    once: Once[tuple[Application, str]] | None = None,
    now: clock.Now = clock.now,
) -> tuple[Application, str]:
    """Gives the application a new secret, and returns both. The secret before works on for the grace; tokens stay.

    There are never more than two: a secret that is still in its grace ends when the next one comes. ConflictError
    where the application is revoked, or is rolled by two at once.
    """
    _require_administrator(caller)
    if not 0 <= grace_seconds <= MAX_GRACE_SECONDS:
        allowed = f"0 to {MAX_GRACE_SECONDS}"
        reason = f"'grace_seconds' must be {allowed}, not {grace_seconds}."
        raise InvalidError("grace_seconds", reason, value=grace_seconds, constraint=allowed)
    before = _get(caller, application_id)
    if before.revoked is not None:
        raise ConflictError("This application is revoked: make a new one.")
    # The answer has the new secret: rolling gives all that the application may do.
    keys.checked_scopes(list(before.scopes), caller)
    secret = once.secret() if once else new_text()
    moment = now()
    after = replace(
        before,
        hint=secret[-4:],
        rolled=moment,
        old_ends=moment + grace_seconds * clock.SECOND,
        revision=before.revision + 1,
    )
    if not store.roll(after, keys.digest(secret), guard=guard(once, (after, secret))):
        raise ConflictError("This application was changed at the same moment: look at it, and roll it again.")
    return after, secret


def revoke(caller: Caller, application_id: int, *, now: clock.Now = clock.now) -> Application:
    """No secret and no token of the application works any more, with the event `application.revoked`.

    Again, it changes nothing, but ends tokens that a death in between left; the event has a worker do so, too.
    """
    _require_administrator(caller)
    for _ in attempts(f"application {application_id}"):
        application = _get(caller, application_id)
        if application.revoked is None:
            moment = now()
            application = replace(application, revoked=moment, revision=application.revision + 1)
            event = events.happened(caller.account, "application.revoked", application.described(), at=moment)
            if not store.revoke(application, event):
                continue
        sweep(caller.account, application_id)
        return application
    raise AssertionError("attempts end with an error")


def sweep(account_id: int, application_id: int) -> None:
    """Ends all tokens of a revoked application. None comes after its revocation, which issuing looks for."""
    while left := stored_tokens.some_of(account_id, application_id):
        stored_tokens.remove(account_id, application_id, left)


def note_use(caller: Caller, *, now: clock.Now = clock.now) -> None:
    """Notes that a token of the calling application is used, at most once a minute. At most one write."""
    store.note_use(caller.account, caller.key, now=now(), pause=NOTED_EVERY_MILLISECONDS)


def _get(caller: Caller, application_id: int) -> Application:
    """NotFoundError for an absent or foreign one."""
    found = store.get(caller.account, application_id)
    if found is None:
        raise NotFoundError("application", application_id)
    return found


def _require_administrator(caller: Caller) -> None:
    """An application acts for the account, as a system key does, so it is for those who may make these."""
    if caller.role not in roles.MANAGERS:
        raise ForbiddenError("Only owners and admins manage applications.")
