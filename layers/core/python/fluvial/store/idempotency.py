"""Records of requests under an Idempotency-Key. The key itself is stored as a hash only: see `idempotency.Once`."""

from __future__ import annotations

import hashlib

from fluvial import clock, idempotency
from fluvial.store import keys, table


def creation(account_id: int, route: str, key: str, record: idempotency.Record, *, now: int, ends: int) -> table.Action:
    """The action that keeps a record; it fails where there is one whose time is not over."""
    nobody_used_the_key = table.IS_NEW
    its_time_is_over = "ends <= :now"
    return table.put(
        _key(account_id, route, key),
        {
            "type": "idempotency",
            "fingerprint": record.fingerprint,
            "status": record.status,
            "body": record.body,
            "seed": record.seed,
            "ends": ends,
            "expires": ends // clock.SECOND,
        },
        f"{nobody_used_the_key} OR {its_time_is_over}",
        now=now,
    )


def get(account_id: int, route: str, key: str, *, now: int) -> idempotency.Record | None:
    item = table.get(_key(account_id, route, key))
    if item is None or item["ends"] <= now:
        return None
    return idempotency.Record(item["fingerprint"], item["status"], item["body"], item["seed"])


def _key(account_id: int, route: str, key: str) -> table.Key:
    return keys.listed(account_id, "idempotency"), hashlib.sha256(f"{route}\n{key}".encode()).hexdigest()
