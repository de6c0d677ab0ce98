"""Webhook endpoints in the table."""

from __future__ import annotations

from fluvial import webhooks
from fluvial.paging import Order
from fluvial.store import keys, lists, table, totals
from fluvial.store.attributes import Item


def create(endpoint: webhooks.Endpoint, guard: table.Action | None) -> None:
    table.transact(
        [
            table.put(_key(endpoint.account, endpoint.id), _to_item(endpoint)),
            totals.add(_partition(endpoint.account), +1),
        ],
        guard,
    )


def get(account_id: int, endpoint_id: int) -> webhooks.Endpoint | None:
    item = table.get(_key(account_id, endpoint_id))
    return _from_item(item) if item else None


def total(account_id: int) -> int:
    return totals.total(_partition(account_id))


def page(account_id: int, order: Order, *, skip: int, limit: int) -> list[webhooks.Endpoint]:
    return [_from_item(item) for item in lists.page(_partition(account_id), order, skip=skip, limit=limit)]


def all_of(account_id: int) -> list[webhooks.Endpoint]:
    """Every endpoint of the account, at most `webhooks.MAX_ENDPOINTS` or so."""
    return [_from_item(item) for item in table.query(_partition(account_id))]


def update(endpoint: webhooks.Endpoint) -> bool:
    """Stores the changed endpoint; False where another change came first, or it is gone."""
    nobody_changed_it_since = "revision = :before"
    try:
        table.write(
            table.put(
                _key(endpoint.account, endpoint.id),
                _to_item(endpoint),
                nobody_changed_it_since,
                before=endpoint.revision - 1,
            )
        )
    except table.ConditionError:
        return False
    return True


def delete(endpoint: webhooks.Endpoint) -> bool:
    """Removes the endpoint; False where it is gone already."""
    try:
        table.transact(
            [table.delete(_key(endpoint.account, endpoint.id)), totals.add(_partition(endpoint.account), -1)]
        )
    except table.ConditionError:
        return False
    return True


def _partition(account_id: int) -> str:
    return keys.listed(account_id, "endpoints")


def _key(account_id: int, endpoint_id: int) -> table.Key:
    return _partition(account_id), keys.number(endpoint_id)


def _to_item(endpoint: webhooks.Endpoint) -> Item:
    return {
        "type": "endpoint",
        "id": endpoint.id,
        "account": endpoint.account,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "secret": endpoint.secret,
        "created": endpoint.created,
        "updated": endpoint.updated,
        "enabled": endpoint.enabled,
        "disabled_reason": endpoint.disabled_reason,
        "old_secret": endpoint.old_secret,
        "old_secret_until": endpoint.old_secret_until,
        "revision": endpoint.revision,
    }


def _from_item(item: Item) -> webhooks.Endpoint:
    return webhooks.Endpoint(
        id=item["id"],
        account=item["account"],
        url=item["url"],
        events=tuple(item["events"]),
        secret=item["secret"],
        created=item["created"],
        updated=item["updated"],
        enabled=item["enabled"],
        disabled_reason=item.get("disabled_reason"),
        old_secret=item.get("old_secret"),
        old_secret_until=item.get("old_secret_until"),
        revision=item["revision"],
    )
