"""Accounts and their users."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field, replace
from typing import Any

from fluvial import applications, clock, events, gateway, ids, keys, roles
from fluvial import limits as policies
from fluvial.caller import Caller
from fluvial.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from fluvial.idempotency import Once, guard
from fluvial.paging import Slice
from fluvial.store import accounts as store
from fluvial.text import checked_line

PLANS = ("free", "standard", "professional", "enterprise")
FEATURES = ("imports", "preparations", "reports", "automations")

MAX_NAME_LENGTH = 200
MAX_EMAIL_LENGTH = 254
UPDATE_ATTEMPTS = 5
# Not the grammar of RFC 5321: one @, something on both sides, a dot in the domain. Only a mail proves an address.
EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s.\x00-\x1f\x7f]+(\.[^@\s.\x00-\x1f\x7f]+)+")


@dataclass(frozen=True, slots=True)
class Account:
    """A customer. `gateway_key` is the value that binds its requests to its usage plan in API Gateway.

    `limits` are what its contract says in place of its plan's limits: requests per window, by API. `features_off` are
    the parts of the product that it does not have.
    """

    id: int
    subscription: str  # its id as a UUID
    plan: str
    gateway_key: str
    created: int
    limits: dict[str, int] = field(default_factory=dict)
    features_off: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class User:
    """A person in an account. `role` is owner, admin, editor or viewer; times in milliseconds.

    `revision` grows by one with each change, of the keys too: `live_keys` are those that were not revoked or swept.
    """

    id: int
    account: int
    email: str
    name: str
    role: str
    created: int
    updated: int
    revision: int = 1
    live_keys: tuple[keys.LiveKey, ...] = ()

    def described(self) -> dict[str, Any]:
        """The user as events show them."""
        return {
            "id": ids.spell(ids.USER, self.id),
            "email": self.email,
            "name": self.name,
            "role": self.role,
            "created_at": clock.iso(self.created),
        }

    def is_of(self, caller: Caller) -> bool:
        """Whether the caller uses a key of this user."""
        return caller.role != roles.SYSTEM and caller.user == self.id

    def managed_by(self, caller: Caller) -> bool:
        """Whether the caller may change this user and their keys, as far as the roles decide."""
        return roles.may_manage(caller.role, self.role)

    def keys_at(self, now: int) -> tuple[keys.LiveKey, ...]:
        """The keys that work; of others the table may have forgotten the identity."""
        return tuple(key for key in self.live_keys if key.expires is None or key.expires > now)

    def changed(self, now: int, **values: Any) -> User:
        """The user with these values, as changed now."""
        return replace(
            self, updated=max(now, self.updated), revision=self.revision + 1, live_keys=self.keys_at(now), **values
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """A new account with its owner, and how it is entered: the secrets of its first key and first application."""

    account: Account
    user: User
    api_key: str
    application: applications.Application
    client_secret: str


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


def checked_limits(plan: str, given: dict[str, Any] | None) -> dict[str, int]:
    """Limits of a contract: for enterprise accounts, of APIs that there are."""
    if not given:
        return {}
    if plan != "enterprise":
        raise InvalidError("limits", "Only an enterprise account has limits of its own.", value=given)
    for api, limit in given.items():
        if api not in policies.NAMES:
            known = ", ".join(policies.NAMES)
            raise InvalidError(
                "limits",
                f"'{api[:50]}' has no limit: name an API, or a class of its routes.",
                value=api,
                constraint=known,
            )
        if type(limit) is not int or limit < 1:
            reason = f"The limit of '{api}' must be a whole number of requests, at least 1."
            raise InvalidError(f"limits.{api}", reason, value=limit, constraint="at least 1")
    return dict(given)


def checked_features(given: list[Any] | None) -> tuple[str, ...]:
    """Features that an account shall not have."""
    for feature in given or ():
        if feature not in FEATURES:
            reason = f"'{str(feature)[:50]}' is not a feature."
            raise InvalidError("features_off", reason, value=feature, constraint=", ".join(FEATURES))
    return tuple(sorted(set(given or ())))


def checked_role(role: str) -> str:
    if role not in roles.ROLES:
        raise InvalidError("role", f"'{role[:50]}' is not a role.", value=role, constraint=", ".join(roles.ROLES))
    return role


def create(
    *,
    email: str,
    plan: str,
    name: str | None = None,
    limits: dict[str, Any] | None = None,
    features_off: list[Any] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Opened:
    """Makes an account with its owner, first key and first application, in one transaction.

    ConflictError when the address has an account already. The gateway's key comes first: without the account it opens
    nothing, whereas an account without it could not be called.
    """
    checked_email(email)
    checked_plan(plan)
    moment = now()
    number = new_id()
    account = Account(
        id=number,
        subscription=ids.uuid(ids.ACCOUNT, number),
        plan=plan,
        gateway_key=secrets.token_urlsafe(32),
        created=moment,
        limits=checked_limits(plan, limits),
        features_off=checked_features(features_off),
    )
    owner_name = checked_line("name", _name_of(email) if name is None else name, MAX_NAME_LENGTH)
    user = User(new_id(), account.id, email, owner_name, roles.OWNER, moment, moment)
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
    user = replace(user, live_keys=(keys.LiveKey(key.id, keys.digest(secret)),))
    client_secret = applications.new_text()
    application = applications.new(
        account=account.id,
        user=user.id,
        name="First application",
        scopes=(keys.EVERYTHING,),
        secret=client_secret,
        at=moment,
        new_id=new_id,
    )
    if store.email_is_taken(email):
        raise _email_taken()
    gateway.create_key(name=ids.spell(ids.ACCOUNT, account.id), value=account.gateway_key, plan=plan)
    entrances = (key, keys.digest(secret)), (application, keys.digest(client_secret))
    if not store.create(account, user, *entrances):
        raise _email_taken()
    return Opened(account, user, secret, application, client_secret)


def invite(
    caller: Caller,
    *,
    email: str,
    role: str,
    name: str | None = None,
    once: Once[User] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> User:
    """Makes a user of the caller's account, with the event `user.invited`. They have no key until one is made for them.

    No mail is sent: whoever listens to the event can send one.
    """
    moment = now()
    checked_email(email)
    invited_name = checked_line("name", _name_of(email) if name is None else name, MAX_NAME_LENGTH)
    user = User(0, caller.account, email, invited_name, checked_role(role), moment, moment)
    if not user.managed_by(caller):
        raise _owners_only()
    for _ in range(UPDATE_ATTEMPTS):
        user = replace(user, id=new_id())
        event = events.happened(caller.account, "user.invited", user.described(), at=moment)
        outcome = store.invite(user, event, guard(once, user))
        if outcome == "stored":
            return user
        if outcome == "taken":
            raise _email_taken()
    raise RuntimeError("no free id was found for a user")


def page(caller: Caller, *, offset: int, limit: int) -> Slice[User]:
    """The account's users, newest first."""
    total = store.total(caller.account)
    items = store.page(caller.account, skip=offset, limit=limit) if offset < total else []
    return Slice(items, offset, total)


def change_role(caller: Caller, user_id: int, role: str, *, now: clock.Now = clock.now) -> User:
    """Gives the user another role, and all their keys with it in one transaction; there is always an owner."""
    checked_role(role)
    for _ in range(UPDATE_ATTEMPTS):
        user = _get(caller, user_id)
        changed = user.changed(now(), role=role)
        if not (user.managed_by(caller) and changed.managed_by(caller)):
            raise _owners_only()
        if user.role == role:
            return user
        if _done(store.change_role(user, changed)):
            return changed
    raise RuntimeError(f"user {user_id} is changed by too many at once")


def remove(caller: Caller, user_id: int, *, now: clock.Now = clock.now) -> None:
    """Removes the user and revokes their keys, in one transaction. What they made stays.

    So do system keys and applications, which act for the account.
    """
    for _ in range(UPDATE_ATTEMPTS):
        user, moment = _get(caller, user_id), now()
        if not user.managed_by(caller):
            raise _owners_only()
        if user.is_of(caller):
            raise ConflictError("Nobody can remove themselves: ask another owner or admin.")
        if _done(store.remove_user(replace(user, live_keys=user.keys_at(moment)), now=moment)):
            return
    raise RuntimeError(f"user {user_id} is changed by too many at once")


def update_user(
    caller: Caller, *, name: str | None = None, email: str | None = None, now: clock.Now = clock.now
) -> User:
    """Changes the calling user's profile; what is None stays."""
    if name is None and email is None:
        raise InvalidError(None, "Give 'name', 'email' or both.", constraint="name, email")
    for _ in range(UPDATE_ATTEMPTS):
        user = current_user(caller)
        changed = user.changed(
            now(),
            name=user.name if name is None else checked_line("name", name, MAX_NAME_LENGTH),
            email=user.email if email is None else checked_email(email),
        )
        outcome = store.update_user(user, changed)
        if outcome == "stored":
            return changed
        if outcome == "taken":
            raise _email_taken()
    raise RuntimeError(f"user {caller.user} is changed by too many at once")


def current_user(caller: Caller) -> User:
    """The user whose key is used; NotFoundError for a system key, which has none."""
    if caller.role == roles.SYSTEM:
        raise NotFoundError("user", "me")
    return _get(caller, caller.user)


def _name_of(email: str) -> str:
    """What somebody is called who gave no name."""
    return email.partition("@")[0][:MAX_NAME_LENGTH]


def _get(caller: Caller, user_id: int) -> User:
    user = store.get_user(caller.account, user_id)
    if user is None:
        raise NotFoundError("user", user_id)
    return user


def _done(outcome: store.Outcome) -> bool:
    """Whether it was stored, or has to be tried again; ConflictError where no owner would be left."""
    if outcome == "last_owner":
        raise ConflictError("An account has at least one owner: make another user an owner first.")
    return outcome == "stored"


def _owners_only() -> ForbiddenError:
    return ForbiddenError("Only an owner makes, changes or removes owners.")


def _email_taken() -> ConflictError:
    return ConflictError("Another user has this e-mail address.", field="email")
