"""Webhook endpoints: who is told of which events, where."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fluvial import clock, events, ids, outbound, signing
from fluvial.caller import Caller
from fluvial.config import settings
from fluvial.errors import ConflictError, InvalidError, NotFoundError
from fluvial.idempotency import Once, guard
from fluvial.paging import Order, Slice
from fluvial.store import webhooks as store

EVERYTHING = "*"
MAX_ENDPOINTS = 50  # per account; each event is matched against all of them
OLD_SECRET_MILLISECONDS = 24 * clock.HOUR  # how long a replaced secret still signs, beside the new one
UPDATE_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Times in milliseconds. While `old_secret_until` lies ahead, deliveries carry two signatures."""

    id: int
    account: int
    url: str
    events: tuple[str, ...]
    secret: str
    created: int
    updated: int
    enabled: bool = True
    disabled_reason: str | None = None
    old_secret: str | None = None
    old_secret_until: int | None = None
    revision: int = 1

    def wants(self, event_type: str) -> bool:
        return self.enabled and (EVERYTHING in self.events or event_type in self.events)

    def secrets(self, now: int) -> list[str]:
        """The secrets that sign now, the newest first."""
        if self.old_secret and self.old_secret_until and now < self.old_secret_until:
            return [self.secret, self.old_secret]
        return [self.secret]


@dataclass(frozen=True, slots=True)
class Change:
    """New values of an endpoint; what is None stays."""

    url: str | None = None
    events: list[str] | None = None
    secret: str | None = None
    enabled: bool | None = None

    def apply(self, endpoint: Endpoint, now: int) -> Endpoint:
        """The changed endpoint; InvalidError for a value that it cannot have."""
        if self == Change():
            raise InvalidError(None, "Give at least one field to change.", constraint="url, events, secret, enabled")
        changed = replace(endpoint, updated=max(now, endpoint.updated), revision=endpoint.revision + 1)
        if self.url is not None:
            changed = replace(changed, url=_checked_url(self.url))
        if self.events is not None:
            changed = replace(changed, events=_checked_events(self.events))
        if self.secret is not None:
            changed = replace(
                changed,
                secret=signing.accept_secret(self.secret),
                old_secret=endpoint.secret,
                old_secret_until=now + OLD_SECRET_MILLISECONDS,
            )
        if self.enabled is not None:
            changed = replace(
                changed, enabled=self.enabled, disabled_reason=None if self.enabled else "disabled by its owner"
            )
        return changed


def create(
    caller: Caller,
    *,
    url: str,
    events: list[str],
    secret: str | None = None,
    once: Once[Endpoint] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Endpoint:
    """Makes an endpoint that is told of events from now on."""
    moment = now()
    endpoint = Endpoint(
        id=new_id(),
        account=caller.account,
        url=_checked_url(url),
        events=_checked_events(events),
        secret=signing.new_secret() if secret is None else signing.accept_secret(secret),
        created=moment,
        updated=moment,
    )
    if store.total(caller.account) >= MAX_ENDPOINTS:
        raise ConflictError(f"An account has at most {MAX_ENDPOINTS} webhook endpoints: delete one first.")
    store.create(endpoint, guard(once, endpoint))
    return endpoint


def get(caller: Caller, endpoint_id: int) -> Endpoint:
    endpoint = store.get(caller.account, endpoint_id)
    if endpoint is None:
        raise NotFoundError("endpoint", endpoint_id)
    return endpoint


def page(caller: Caller, *, offset: int, limit: int) -> Slice[Endpoint]:
    """The account's endpoints, newest first."""
    total = store.total(caller.account)
    items = store.page(caller.account, Order(), skip=offset, limit=limit) if offset < total else []
    return Slice(items, offset, total)


def update(caller: Caller, endpoint_id: int, change: Change, *, now: clock.Now = clock.now) -> Endpoint:
    """Changes the given values. Deliveries that wait already go to the new address."""
    for _ in range(UPDATE_ATTEMPTS):
        changed = change.apply(get(caller, endpoint_id), now())
        if store.update(changed):
            return changed
    raise RuntimeError(f"endpoint {endpoint_id} is changed by too many at once")


def delete(caller: Caller, endpoint_id: int) -> None:
    """Removes the endpoint; deliveries that still wait are dropped."""
    if not store.delete(get(caller, endpoint_id)):
        raise NotFoundError("endpoint", endpoint_id)


def _checked_url(url: str) -> str:
    outbound.check_url(url, allow_private=settings().webhooks_allow_private)
    return url


def _checked_events(names: list[str]) -> tuple[str, ...]:
    allowed = ", ".join((*events.TYPES, EVERYTHING))
    if not names:
        raise InvalidError("events", "'events' must name at least one event.", value=names, constraint=allowed)
    for name in names:
        if name not in (*events.TYPES, EVERYTHING):
            raise InvalidError(
                "events", f"'{name[:100]}' is not an event: use {allowed}.", value=name, constraint=allowed
            )
    return tuple(dict.fromkeys(names))
