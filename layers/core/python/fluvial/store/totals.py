"""How many things a list has: counters kept in the transaction that makes or removes a thing.

A counter is spread over shards, because every item takes one writer at a time: creations of one account would
otherwise meet on it. Reading a total is one query of at most SHARDS small items.
"""

from __future__ import annotations

import random

from fluvial.store import table

SHARDS = 8


def add(partition: str, change: int) -> table.Action:
    """Counts a thing in (+1) or out (-1) of the list with this partition."""
    shard = str(random.randrange(SHARDS))  # noqa: S311 (spreads load, guards nothing)
    return table.update(
        (f"{partition}#total", shard),
        "SET #type = :type ADD things :change",
        None,
        {"#type": "type"},
        type="total",
        change=change,
    )


def total(partition: str) -> int:
    """The number of things in the list; exact. A shard alone may be negative."""
    return sum(item["things"] for item in table.query(f"{partition}#total"))


def forget(partition: str) -> None:
    """Removes the counters of a list that is gone for good."""
    for item in table.query(f"{partition}#total"):
        table.write(table.delete((item["pk"], item["sk"]), None))
