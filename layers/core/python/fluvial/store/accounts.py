"""Accounts, users, and the guards that make an e-mail address unique."""

from __future__ import annotations

from typing import Literal

from fluvial import accounts
from fluvial import keys as api_keys
from fluvial.store import api_keys as stored_keys
from fluvial.store import keys, table
from fluvial.store.attributes import Item


def create(account: accounts.Account, user: accounts.User, key: api_keys.Key, digest: str) -> bool:
    """Account, owner, address guard and first key in one transaction; False where the address is taken."""
    try:
        table.transact(
            [
                table.put(_account_key(account.id), _account_to_item(account)),
                table.put(_user_key(user.account, user.id), _user_to_item(user)),
                _guard(user),
                *stored_keys.creation(key, digest, plan=account.plan, gateway_key=account.gateway_key),
            ]
        )
    except table.ConditionError:
        return False
    return True


def email_is_taken(address: str) -> bool:
    return table.get(_email_key(address)) is not None


def get(account_id: int) -> accounts.Account:
    """The account of a caller; it is there as long as one of its keys is."""
    item = table.get(_account_key(account_id))
    if item is None:
        raise LookupError(f"account {account_id} has a key but no item")
    return accounts.Account(
        id=item["id"],
        subscription=item["subscription"],
        plan=item["plan"],
        gateway_key=item["gateway_key"],
        created=item["created"],
    )


def get_user(account_id: int, user_id: int) -> accounts.User:
    """The user of a caller; it is there as long as one of its keys is."""
    item = table.get(_user_key(account_id, user_id))
    if item is None:
        raise LookupError(f"user {user_id} has a key but no item")
    return accounts.User(
        id=item["id"],
        account=item["account"],
        email=item["email"],
        name=item["name"],
        role=item["role"],
        created=item["created"],
        updated=item["updated"],
    )


def update_user(before: accounts.User, after: accounts.User) -> Literal["stored", "taken", "outdated"]:
    """Stores the user and moves the address guard along, or says why not: address taken, or `before` is outdated."""
    nobody_changed_it_since = "updated = :before"
    user = table.put(
        _user_key(after.account, after.id),
        _user_to_item(after),
        nobody_changed_it_since,
        before=before.updated,
    )
    moves = keys.email(before.email) != keys.email(after.email)
    try:
        table.transact([user, _guard(after), table.delete(_email_key(before.email), None)] if moves else [user])
    except table.ConditionError as error:
        return "outdated" if 0 in error.failed else "taken"
    return "stored"


def _guard(user: accounts.User) -> table.Action:
    return table.put(_email_key(user.email), {"type": "email", "account": user.account, "user": user.id})


def _account_key(account_id: int) -> table.Key:
    return keys.account(account_id), "account"


def _user_key(account_id: int, user_id: int) -> table.Key:
    return keys.account(account_id), f"user#{keys.number(user_id)}"


def _email_key(address: str) -> table.Key:
    return keys.email(address), "email"


def _account_to_item(account: accounts.Account) -> Item:
    return {
        "type": "account",
        "id": account.id,
        "subscription": account.subscription,
        "plan": account.plan,
        "gateway_key": account.gateway_key,
        "created": account.created,
    }


def _user_to_item(user: accounts.User) -> Item:
    return {
        "type": "user",
        "id": user.id,
        "account": user.account,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "created": user.created,
        "updated": user.updated,
    }
