"""API keys in the table: a list item per key, and under its hash the identity that the authorizer reads.

The list item is what people see; the identity is what works, and revoking removes it.
"""

from __future__ import annotations

from fluvial import clock
from fluvial import keys as api_keys
from fluvial.caller import Caller
from fluvial.paging import Order
from fluvial.store import keys, lists, table, totals
from fluvial.store.attributes import Item


def creation(key: api_keys.Key, digest: str, *, plan: str, gateway_key: str) -> list[table.Action]:
    """The actions that make a key, for a transaction."""
    identity = {
        "type": "key_secret",
        "account": key.account,
        "user": key.user,
        "key": key.id,
        "plan": plan,
        "gateway_key": gateway_key,
        "scopes": list(key.scopes),
        "expires": None if key.expires is None else key.expires // clock.SECOND,
        "not_after": key.expires,
    }
    return [
        table.put(_key(key.account, key.id), _to_item(key, digest)),
        table.put((keys.key_secret(digest), "identity"), identity),
        totals.add(_partition(key.account), +1),
    ]


def create(key: api_keys.Key, digest: str, *, plan: str, gateway_key: str) -> None:
    table.transact(creation(key, digest, plan=plan, gateway_key=gateway_key))


def identify(digest: str, *, now: int) -> tuple[Caller, str] | None:
    """The caller and the gateway key that a key stands for, or None: unknown, revoked or expired. One read."""
    item = table.get((keys.key_secret(digest), "identity"))
    if item is None or ("not_after" in item and item["not_after"] <= now):
        return None
    caller = Caller(item["account"], item["user"], item["key"], item["plan"], frozenset(item["scopes"]))
    return caller, item["gateway_key"]


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


def revoke(key: api_keys.Key, digest: str) -> None:
    """Notes the revocation and removes the identity, together."""
    table.transact(
        [
            table.put(_key(key.account, key.id), _to_item(key, digest), table.EXISTS),
            table.delete((keys.key_secret(digest), "identity"), None),
        ]
    )


def _partition(account_id: int) -> str:
    return keys.listed(account_id, "keys")


def _key(account_id: int, key_id: int) -> table.Key:
    return _partition(account_id), keys.number(key_id)


def _to_item(key: api_keys.Key, digest: str) -> Item:
    return {
        "type": "key",
        "id": key.id,
        "account": key.account,
        "user": key.user,
        "name": key.name,
        "key_type": key.type,
        "scopes": list(key.scopes),
        "hint": key.hint,
        "created": key.created,
        "not_after": key.expires,
        "revoked": key.revoked,
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
        hint=item["hint"],
        created=item["created"],
        expires=item.get("not_after"),
        revoked=item.get("revoked"),
    )
