"""An account's definitions in the table, and in an item of its own their revision: all that most requests read."""

from __future__ import annotations

from fluvial.store import keys, table

TYPE = "record_schema"
DEFINITIONS_TYPE = "record_definitions"


def revision(account_id: int) -> int:
    """The revision of the account's definitions; 0 where there never were any. One read."""
    item = table.get(_key(account_id, TYPE))
    return item["revision"] if item else 0


def definitions(account_id: int) -> tuple[int, str | None]:
    """The account's definitions as they are stored, with their revision; 0 and None where there never were any."""
    item = table.get(_key(account_id, DEFINITIONS_TYPE))
    return (item["revision"], item["definitions"]) if item else (0, None)


def change(account_id: int, before: int, stored: str) -> list[table.Action]:
    """Puts definitions in the place of those of the revision `before`, for the transaction of their record."""
    return [
        _put(account_id, TYPE, before, {}),
        _put(account_id, DEFINITIONS_TYPE, before, {"definitions": stored}),
    ]


def _put(account_id: int, type: str, before: int, content: dict[str, str]) -> table.Action:
    nobody_changed_them_since = "revision = :before"
    item = {"type": type, "account": account_id, "revision": before + 1, **content}
    if before == 0:
        return table.put(_key(account_id, type), item)
    return table.put(_key(account_id, type), item, nobody_changed_them_since, before=before)


def _key(account_id: int, type: str) -> table.Key:
    return keys.account(account_id), type
