"""How far the records of a class are numbered for people: one counter for each."""

from __future__ import annotations

from fluvial.store import keys, table


def next_number(account_id: int, model: str) -> int:
    """A number that no other call was given, from 1 on. One that is not used is left out for good. One write."""
    counter = (keys.listed(account_id, "numbers"), model)
    item = table.write(
        table.update(
            counter, "SET #type = :type ADD #last :one", None, {"#type": "type", "#last": "last"}, type="number", one=1
        )
    )
    number: int = item["last"]
    return number
