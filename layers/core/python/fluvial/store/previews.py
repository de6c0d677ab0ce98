"""Public links to versions of sites. The token itself is nowhere in the table, only its SHA-256."""

from __future__ import annotations

import hashlib

from fluvial import clock, previews
from fluvial.store import keys, table


def create(token: str, preview: previews.Preview, guard: table.Action | None) -> None:
    item = {
        "type": "preview",
        "account": preview.account,
        "project": preview.project,
        "number": preview.number,
        "location": preview.location,
        "ends": preview.ends,
        "expires": preview.ends // clock.SECOND,
    }
    table.transact([table.put(_key(token), item)], guard)


def find(token: str) -> previews.Preview | None:
    item = table.get(_key(token))
    if item is None:
        return None
    return previews.Preview(
        account=item["account"],
        project=item["project"],
        number=item["number"],
        location=item["location"],
        ends=item["ends"],
    )


def _key(token: str) -> table.Key:
    return keys.preview(hashlib.sha256(token.encode()).hexdigest()), "preview"
