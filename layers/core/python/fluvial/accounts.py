"""Accounts and their users."""

from __future__ import annotations

import re
import secrets
import uuid
from dataclasses import dataclass, replace

from fluvial import clock, gateway, ids, keys
from fluvial.caller import Caller
from fluvial.errors import ConflictError, InvalidError
from fluvial.store import accounts as store
from fluvial.text import checked_line

PLANS = ("free", "standard", "professional", "enterprise")

MAX_NAME_LENGTH = 200
MAX_EMAIL_LENGTH = 254
UPDATE_ATTEMPTS = 5
# Not the grammar of RFC 5321: one @, something on both sides, a dot in the domain. Only a mail proves an address.
EMAIL = re.compile(r"[^@\s\x00-\x1f]+@[^@\s.\x00-\x1f]+(\.[^@\s.\x00-\x1f]+)+")


@dataclass(frozen=True, slots=True)
class Account:
    """A customer. `gateway_key` is the value that binds its requests to its usage plan in API Gateway."""

    id: int
    subscription: str  # a UUID
    plan: str
    gateway_key: str
    created: int


@dataclass(frozen=True, slots=True)
class User:
    """A person in an account. `role` is owner, admin, editor or viewer."""

    id: int
    account: int
    email: str
    name: str
    role: str
    created: int
    updated: int


def checked_email(email: str) -> str:
    """The address as given; InvalidError if it cannot be one."""
    if len(email) > MAX_EMAIL_LENGTH or not EMAIL.fullmatch(email):
        raise InvalidError(
            "email", "'email' must be an e-mail address.", value=email[:300], constraint="name@example.com"
        )
    return email


def checked_plan(plan: str) -> str:
    if plan not in PLANS:
        raise InvalidError("plan", f"'{plan}' is not a plan.", value=plan, constraint=", ".join(PLANS))
    return plan


def create(
    *,
    email: str,
    plan: str,
    name: str | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> tuple[Account, User, str]:
    """Makes an account with its owner and first key, in one transaction, and returns them with the key's secret.

    ConflictError when the address has an account already. The gateway's key comes first: without the account it opens
    nothing, whereas an account without it could not be called.
    """
    checked_email(email)
    checked_plan(plan)
    moment = now()
    account = Account(new_id(), str(uuid.uuid4()), plan, secrets.token_urlsafe(32), moment)
    owner_name = checked_line("name", name if name is not None else email.partition("@")[0], MAX_NAME_LENGTH)
    user = User(new_id(), account.id, email, owner_name, "owner", moment, moment)
    secret = keys.new_secret()
    key = keys.Key(
        id=new_id(),
        account=account.id,
        user=user.id,
        name="First key",
        type="user",
        scopes=(keys.EVERYTHING,),
        hint=secret[-4:],
        created=moment,
    )
    if store.email_is_taken(email):
        raise _email_taken()
    gateway.create_key(name=ids.spell(ids.ACCOUNT, account.id), value=account.gateway_key, plan=plan)
    if not store.create(account, user, key, keys.digest(secret)):
        raise _email_taken()
    return account, user, secret


def update_user(
    caller: Caller, *, name: str | None = None, email: str | None = None, now: clock.Now = clock.now
) -> User:
    """Changes the calling user's profile; what is None stays."""
    if name is None and email is None:
        raise InvalidError(None, "Give 'name', 'email' or both.", constraint="name, email")
    for _ in range(UPDATE_ATTEMPTS):
        user = store.get_user(caller.account, caller.user)
        changed = replace(
            user,
            name=user.name if name is None else checked_line("name", name, MAX_NAME_LENGTH),
            email=user.email if email is None else checked_email(email),
            updated=max(now(), user.updated + 1),
        )
        outcome = store.update_user(user, changed)
        if outcome == "stored":
            return changed
        if outcome == "taken":
            raise _email_taken()
    raise RuntimeError(f"user {caller.user} is changed by too many at once")


def current_user(caller: Caller) -> User:
    """The user whose key is used."""
    return store.get_user(caller.account, caller.user)


def _email_taken() -> ConflictError:
    return ConflictError("Another user has this e-mail address.", field="email")
