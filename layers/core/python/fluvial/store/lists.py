"""Lists in the three orders that all APIs offer, a page at a time.

    created   the list's own partition, by id: strongly consistent
    updated   index, by time of the last change: follows the table within a second on AWS
    name      index, by name without regard to case: the same

The indexes hold keys only, so a page from them is one query and one batch of reads.
"""

from __future__ import annotations

from fluvial.paging import Order
from fluvial.store import keys, table
from fluvial.store.attributes import Item
from fluvial.text import sort_key


def index_attributes(partition: str, *, name: str, updated: int, number: int) -> Item:
    """What an item carries to stand in the updated and name orders of the list with this partition."""
    return {
        "scope": partition,
        "updated_key": f"{updated:014d}#{keys.number(number)}",
        "name_key": f"{name_start(name)}{keys.number(number)}",
    }


def name_start(name: str) -> str:
    """What the name order's keys of things with this name begin with; those of longer names may, too."""
    return f"{sort_key(name)}#"


def page(partition: str, order: Order, *, skip: int, limit: int, home: str | None = None) -> list[Item]:
    """At most `limit` items of the list. `home` is the partition of the things if the list holds entries."""
    if order.sort == "created":
        found = table.query(partition, forward=not order.descending, skip=skip, limit=limit)
        return found if home is None else table.batch_get([(home, entry["sk"]) for entry in found])
    found = table.query(partition, index=order.sort, forward=not order.descending, skip=skip, limit=limit)
    return table.batch_get([(key["pk"], key["sk"]) for key in found])
