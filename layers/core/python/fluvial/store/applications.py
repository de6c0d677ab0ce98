"""Applications, and what is found under their client_id.

An application is two items: its own, in the account's list, and that of its client_id, which has all that issuing a
token needs. The second one is gone once the application is revoked, and whoever issues a token looks that it is there.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from fluvial import applications, events, roles
from fluvial.caller import Caller
from fluvial.paging import Order
from fluvial.store import events as outbox
from fluvial.store import keys, lists, table, totals
from fluvial.store.attributes import Item

if TYPE_CHECKING:
    from fluvial.accounts import Account


def creation(application: applications.Application, digest: str, *, account: Account) -> list[table.Action]:
    """The actions that make an application, for a transaction."""
    client = {
        "type": "client",
        "account": application.account,
        "user": application.user,
        "application": application.id,
        "plan": account.plan,
        "limits": account.limits or None,
        "features_off": list(account.features_off) or None,
        "gateway_key": account.gateway_key,
        "scopes": list(application.scopes),
        "digest": digest,
    }
    return [
        table.put(_key(application.account, application.id), _to_item(application)),
        table.put(client_key(application.client_id), client),
        totals.add(_partition(application.account), +1),
    ]


def create(application: applications.Application, digest: str, *, account: Account, guard: table.Action | None) -> bool:
    """Makes an application; False where its id is taken."""
    return _done(creation(application, digest, account=account), guard)


def roll(after: applications.Application, digest: str, *, guard: table.Action | None) -> bool:
    """Puts a new secret in the place of the one before; False where something changed since."""
    unchanged = "revision = :before AND attribute_not_exists(revoked)"
    application = table.update(
        _key(after.account, after.id),
        "SET hint = :hint, rolled = :rolled, old_ends = :old_ends, revision = :after",
        unchanged,
        hint=after.hint,
        rolled=after.rolled,
        old_ends=after.old_ends,
        after=after.revision,
        before=after.revision - 1,
    )
    client = table.update(
        client_key(after.client_id),
        "SET old_digest = digest, old_ends = :old_ends, digest = :digest",
        old_ends=after.old_ends,
        digest=digest,
    )
    return _done([application, client], guard)


def revoke(after: applications.Application, event: events.Event) -> bool:
    """Notes the revocation and removes the client, with the event; False where something changed since."""
    unchanged = "revision = :before AND attribute_not_exists(revoked)"
    application = table.update(
        _key(after.account, after.id),
        "SET revoked = :now, revision = :after",
        unchanged,
        now=after.revoked,
        after=after.revision,
        before=after.revision - 1,
    )
    return _done([application, table.delete(client_key(after.client_id)), outbox.record(event)])


def client(client_id: str) -> applications.Client | None:
    """The client of this id; None for one that is unknown or revoked. One read."""
    item = table.get(client_key(client_id))
    if item is None:
        return None
    caller = Caller(
        account=item["account"],
        user=item["user"],
        key=item["application"],
        plan=item["plan"],
        scopes=frozenset(item["scopes"]),
        role=roles.SYSTEM,
        limits=item.get("limits", {}),
        features_off=frozenset(item.get("features_off", ())),
    )
    return applications.Client(
        client_id=client_id,
        caller=caller,
        gateway_key=item["gateway_key"],
        digest=item["digest"],
        old_digest=item.get("old_digest"),
        old_ends=item.get("old_ends"),
    )


def client_key(client_id: str) -> table.Key:
    return keys.client(client_id), "client"


def note_use(account_id: int, application_id: int, *, now: int, pause: int) -> None:
    """Notes that a token is used, unless that was noted less than `pause` milliseconds ago."""
    known = "attribute_exists(pk)"
    some_time_ago = "(attribute_not_exists(last_used) OR last_used <= :before)"
    key, condition = _key(account_id, application_id), f"{known} AND {some_time_ago}"
    with suppress(table.ConditionError):
        table.write(table.update(key, "SET last_used = :now", condition, now=now, before=now - pause))


def get(account_id: int, application_id: int) -> applications.Application | None:
    item = table.get(_key(account_id, application_id))
    return _from_item(item) if item else None


def total(account_id: int) -> int:
    return totals.total(_partition(account_id))


def page(account_id: int, *, skip: int, limit: int) -> list[applications.Application]:
    """Applications of the account, newest first, revoked ones too."""
    return [_from_item(item) for item in lists.page(_partition(account_id), Order(), skip=skip, limit=limit)]


def _done(actions: list[table.Action], guard: table.Action | None = None) -> bool:
    try:
        table.transact(actions, guard)
    except table.ConditionError:
        return False
    return True


def _partition(account_id: int) -> str:
    return keys.listed(account_id, "applications")


def _key(account_id: int, application_id: int) -> table.Key:
    return _partition(account_id), keys.number(application_id)


def _to_item(application: applications.Application) -> Item:
    return {
        "type": "application",
        "id": application.id,
        "account": application.account,
        "user": application.user,
        "name": application.name,
        "client_id": application.client_id,
        "scopes": list(application.scopes),
        "hint": application.hint,
        "created": application.created,
        "revision": application.revision,
        "rolled": application.rolled,
        "old_ends": application.old_ends,
        "revoked": application.revoked,
        "last_used": application.last_used,
    }


def _from_item(item: Item) -> applications.Application:
    return applications.Application(
        id=item["id"],
        account=item["account"],
        user=item["user"],
        name=item["name"],
        client_id=item["client_id"],
        scopes=tuple(item["scopes"]),
        hint=item["hint"],
        created=item["created"],
        revision=item["revision"],
        rolled=item.get("rolled"),
        old_ends=item.get("old_ends"),
        revoked=item.get("revoked"),
        last_used=item.get("last_used"),
    )
