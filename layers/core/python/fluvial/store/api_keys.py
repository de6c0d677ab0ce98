"""API keys in the table: a list item per key, and under its hash the identity that the authorizer reads.

The list item is what people see; the identity is what works, and revoking removes it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from fluvial import clock, roles
from fluvial import keys as api_keys
from fluvial.caller import Caller
from fluvial.paging import Order
from fluvial.store import keys, lists, table, totals
from fluvial.store.attributes import Item

if TYPE_CHECKING:
    from fluvial.accounts import Account


def creation(key: api_keys.Key, digest: str, *, account: Account, role: str) -> list[table.Action]:
    """The actions that make a key, for a transaction. `role` is that of its user."""
    caller = Caller(
        account=key.account,
        user=key.user,
        key=key.id,
        plan=account.plan,
        scopes=frozenset(key.scopes),
        role=role,
        project=key.project,
        limits=account.limits,
        features_off=frozenset(account.features_off),
    )
    return [
        table.put(_key(key.account, key.id), _to_item(key, digest)),
        identity(digest, caller, gateway_key=account.gateway_key, ends=key.expires),
        totals.add(_partition(key.account), +1),
    ]


def identity(digest: str, caller: Caller, *, gateway_key: str, ends: int | None) -> table.Action:
    """The action that lets a key or an access token stand for a caller, until it ends (milliseconds)."""
    return table.put(
        identity_key(digest),
        {
            "type": "key_secret",
            "account": caller.account,
            "user": caller.user,
            "key": caller.key,
            "plan": caller.plan,
            "limits": dict(caller.limits) or None,
            "features_off": sorted(caller.features_off) or None,
            "gateway_key": gateway_key,
            "scopes": sorted(caller.scopes),
            "role": caller.role,
            "project": caller.project,
            "expires": None if ends is None else ends // clock.SECOND,
            "not_after": ends,
        },
    )


def new_role(digest: str, role: str) -> table.Action:
    """The action that puts a key into its user's new role."""
    return table.update(identity_key(digest), "SET #role = :role", names={"#role": "role"}, role=role)


def revocation(account_id: int, key_id: int, digest: str, *, now: int) -> list[table.Action]:
    """The actions that note the revocation and remove the identity; noted already, it keeps its moment."""
    return [
        table.update(_key(account_id, key_id), "SET revoked = if_not_exists(revoked, :now)", now=now),
        table.delete(identity_key(digest), None),
    ]


def create(
    key: api_keys.Key,
    digest: str,
    *,
    account: Account,
    role: str,
    holder: table.Action | None,
    guard: table.Action | None,
) -> bool:
    """Makes a key, with the change of its user (`holder`) if it has one; False where that is outdated."""
    made = creation(key, digest, account=account, role=role)
    return _done([*made, *([holder] if holder else [])], guard)


def roll(
    old: tuple[api_keys.Key, str],
    new: tuple[api_keys.Key, str],
    *,
    ends: int,
    account: Account,
    role: str,
    holder: table.Action | None,
    guard: table.Action | None,
) -> bool:
    """Makes the new key and lets the old one end when it now expires; False where something changed since."""
    made = creation(*new, account=account, role=role)
    return _done([*made, *_ending(*old, new[0].id, ends=ends), *([holder] if holder else [])], guard)


def revoke(key: api_keys.Key, digest: str, *, now: int, holder: table.Action | None) -> bool:
    """Notes the revocation and removes the identity, together; False where the user was changed since."""
    return _done([*revocation(key.account, key.id, digest, now=now), *([holder] if holder else [])])


def identify(digest: str, *, now: int) -> tuple[Caller, str] | None:
    """The caller and the gateway key that a key or an access token stands for. One read.

    None: unknown, revoked or expired.
    """
    item = table.get(identity_key(digest))
    if item is None or ("not_after" in item and item["not_after"] <= now):
        return None
    caller = Caller(
        account=item["account"],
        user=item["user"],
        key=item["key"],
        plan=item["plan"],
        scopes=roles.effective(item["scopes"], item["role"], api_keys.SCOPES),
        role=item["role"],
        project=item.get("project"),
        limits=item.get("limits", {}),
        features_off=frozenset(item.get("features_off", ())),
    )
    return caller, item["gateway_key"]


def note_use(account_id: int, key_id: int, *, now: int, pause: int) -> None:
    """Notes that the key is used, unless that was noted less than `pause` milliseconds ago."""
    known = "attribute_exists(pk)"
    some_time_ago = "(attribute_not_exists(last_used) OR last_used <= :before)"
    note = table.update(
        _key(account_id, key_id), "SET last_used = :now", f"{known} AND {some_time_ago}", now=now, before=now - pause
    )
    with suppress(table.ConditionError):
        table.write(note)


def get(account_id: int, key_id: int) -> tuple[api_keys.Key, str] | None:
    """The key and the digest of its secret."""
    item = table.get(_key(account_id, key_id))
    return (_from_item(item), item["digest"]) if item else None


def total(account_id: int) -> int:
    return totals.total(_partition(account_id))


def page(account_id: int, *, skip: int, limit: int) -> list[api_keys.Key]:
    """Keys of the account, newest first, revoked ones too."""
    items = lists.page(_partition(account_id), Order(), skip=skip, limit=limit)
    return [_from_item(item) for item in items]


def _ending(key: api_keys.Key, digest: str, successor: int, *, ends: int) -> list[table.Action]:
    """The actions that let a key end at a moment, for it was rolled."""
    in_use = "attribute_exists(pk) AND attribute_not_exists(revoked)"
    not_rolled = "attribute_not_exists(replaced_by)"
    return [
        table.update(
            _key(key.account, key.id),
            "SET not_after = :ends, replaced_by = :successor",
            f"{in_use} AND {not_rolled}",
            ends=ends,
            successor=successor,
        ),
        table.update(
            identity_key(digest), "SET not_after = :ends, expires = :seconds", ends=ends, seconds=ends // clock.SECOND
        ),
    ]


def _done(actions: list[table.Action], guard: table.Action | None = None) -> bool:
    try:
        table.transact(actions, guard)
    except table.ConditionError:
        return False
    return True


def _partition(account_id: int) -> str:
    return keys.listed(account_id, "keys")


def _key(account_id: int, key_id: int) -> table.Key:
    return _partition(account_id), keys.number(key_id)


def identity_key(digest: str) -> table.Key:
    return keys.key_secret(digest), "identity"


def _to_item(key: api_keys.Key, digest: str) -> Item:
    return {
        "type": "key",
        "id": key.id,
        "account": key.account,
        "user": key.user,
        "name": key.name,
        "key_type": key.type,
        "scopes": list(key.scopes),
        "project": key.project,
        "hint": key.hint,
        "created": key.created,
        "not_after": key.expires,
        "revoked": key.revoked,
        "replaced_by": key.replaced_by,
        "last_used": key.last_used,
        "digest": digest,
    }


def _from_item(item: Item) -> api_keys.Key:
    return api_keys.Key(
        id=item["id"],
        account=item["account"],
        user=item["user"],
        name=item["name"],
        type=item["key_type"],
        scopes=tuple(item["scopes"]),
        project=item.get("project"),
        hint=item["hint"],
        created=item["created"],
        expires=item.get("not_after"),
        revoked=item.get("revoked"),
        replaced_by=item.get("replaced_by"),
        last_used=item.get("last_used"),
    )
