"""Request counters: one item per key, API, route class and window."""

from __future__ import annotations

from fluvial import clock
from fluvial.caller import Caller
from fluvial.store import keys, table

# Usage statistics read the counters long after their window; then they may go.
KEPT_SECONDS = 400 * clock.DAY // clock.SECOND


def count(caller: Caller, *, api: str, route_class: str, start: int, limit: int, reset: int) -> int | None:
    """Counts one request and returns how many that makes, or None where `limit` is reached. Times in epoch seconds."""
    nothing_counted_yet = "attribute_not_exists(used)"
    room_is_left = "used < :limit"
    try:
        item = table.write(
            table.update(
                (keys.window(caller.key, api, route_class), f"{start:010d}"),
                "SET #type = :type, account = :account, expires = :expires ADD used :one",
                f"{nothing_counted_yet} OR {room_is_left}",
                {"#type": "type"},
                type="window",
                account=caller.account,
                expires=reset + KEPT_SECONDS,
                one=1,
                limit=limit,
            )
        )
    except table.ConditionError:
        return None
    used: int = item["used"]
    return used
