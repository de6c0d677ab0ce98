"""Accounts, users, and the guards that make an e-mail address unique.

A user's item names the user's live keys. Whatever changes a user or their keys stores it whole, if its revision is the
one read, together with the keys' identities: so no key ever acts in a role that its user does not have, or outlives
its user.
"""

from __future__ import annotations

from typing import Literal

from fluvial import accounts, events, roles
from fluvial import applications as core_applications
from fluvial import keys as api_keys
from fluvial.paging import Order
from fluvial.store import api_keys as stored_keys
from fluvial.store import applications as stored_applications
from fluvial.store import events as outbox
from fluvial.store import keys, lists, table, totals
from fluvial.store.attributes import Item

Outcome = Literal["stored", "outdated", "last_owner"]


def create(
    account: accounts.Account,
    user: accounts.User,
    key: tuple[api_keys.Key, str],
    application: tuple[core_applications.Application, str],
) -> bool:
    """Account, owner with record, address guard, first key and first application in one transaction, the latter two
    with the digests of their secrets; False where the address is taken."""
    actions = [
        table.put(_account_key(account.id), {**_account_to_item(account), "owners": 1}),
        table.put(_user_key(user.account, user.id), _user_to_item(user)),
        totals.add(_users(user.account), +1),
        _guard(user),
        *stored_keys.creation(*key, account=account, role=user.role),
        *stored_applications.creation(*application, account=account),
        *_record(user),
    ]
    try:
        table.transact(actions)
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
        limits=item.get("limits", {}),
        features_off=tuple(item.get("features_off", ())),
        created=item["created"],
    )


def get_user(account_id: int, user_id: int) -> accounts.User | None:
    item = table.get(_user_key(account_id, user_id))
    return _user_from_item(item) if item else None


def total(account_id: int) -> int:
    return totals.total(_users(account_id))


def page(account_id: int, *, skip: int, limit: int) -> list[accounts.User]:
    """Users of the account, newest first."""
    return [_user_from_item(item) for item in lists.page(_users(account_id), Order(), skip=skip, limit=limit)]


def invite(
    user: accounts.User, event: events.Event, guard: table.Action | None
) -> Literal["stored", "taken", "id_taken"]:
    """User with record, address guard and event in one transaction, or why not: the address or the id is taken."""
    actions = [
        table.put(_user_key(user.account, user.id), _user_to_item(user)),
        _guard(user),
        totals.add(_users(user.account), +1),
        outbox.record(event),
        *_owners(user.account, int(user.role == roles.OWNER)),
        *_record(user),
    ]
    try:
        table.transact(actions, guard)
    except table.ConditionError as error:
        return "taken" if 1 in error.failed else "id_taken"
    return "stored"


def update_user(before: accounts.User, after: accounts.User) -> Literal["stored", "taken", "outdated"]:
    """Stores the user and their record, and moves the address guard along.

    Or says why not: the address is taken, or what was read is outdated.
    """
    moves = keys.email(before.email) != keys.email(after.email)
    moved = [_guard(after), table.delete(_email_key(before.email), None)] if moves else []
    try:
        table.transact([change(after), *moved, *_record_change(before, after)])
    except table.ConditionError as error:
        address_is_taken = moves and error.failed == (1,)
        return "taken" if address_is_taken else "outdated"
    return "stored"


def change_role(before: accounts.User, after: accounts.User) -> Outcome:
    """Stores the user in the new role, and the role with each of the user's live keys, in one transaction."""
    more_owners = int(after.role == roles.OWNER) - int(before.role == roles.OWNER)
    actions = [
        change(after),
        *(stored_keys.new_role(key.digest, after.role) for key in after.live_keys),
        *_owners(after.account, more_owners),
    ]
    return _outcome(actions, owners_at=len(actions) - 1 if more_owners else None)


def remove_user(user: accounts.User, *, now: int) -> Outcome:
    """Removes the user and the address guard, and revokes the user's live keys, in one transaction."""
    unchanged = "revision = :before"
    actions = [
        table.delete(_user_key(user.account, user.id), unchanged, before=user.revision),
        table.delete(_email_key(user.email), None),
        totals.add(_users(user.account), -1),
        *(
            action
            for key in user.live_keys
            for action in stored_keys.revocation(user.account, key.id, key.digest, now=now)
        ),
        *_owners(user.account, -int(user.role == roles.OWNER)),
    ]
    return _outcome(actions, owners_at=len(actions) - 1 if user.role == roles.OWNER else None)


def change(user: accounts.User) -> table.Action:
    """Stores a changed user, if nobody changed it since it was read."""
    unchanged = "revision = :before"
    return table.put(_user_key(user.account, user.id), _user_to_item(user), unchanged, before=user.revision - 1)


def _outcome(actions: list[table.Action], owners_at: int | None) -> Outcome:
    try:
        table.transact(actions)
    except table.ConditionError as error:
        return "last_owner" if error.failed == (owners_at,) else "outdated"
    return "stored"


def _owners(account_id: int, change: int) -> list[table.Action]:
    """Counts owners in or out; the last one cannot go."""
    if change == 0:
        return []
    another_stays = "owners > :one"
    counted = "ADD owners :change"
    if change > 0:
        return [table.update(_account_key(account_id), counted, change=change)]
    return [table.update(_account_key(account_id), counted, another_stays, change=change, one=1)]


def _record(user: accounts.User) -> list[table.Action]:
    """Makes the record of the class `user` that others name as their maker."""
    # Late: the authorizer imports this module, and has no use for records.
    from fluvial import record_users

    return record_users.creation(user)


def _record_change(before: accounts.User, after: accounts.User) -> list[table.Action]:
    from fluvial import record_users

    return record_users.change(before, after)


def _guard(user: accounts.User) -> table.Action:
    return table.put(_email_key(user.email), {"type": "email", "account": user.account, "user": user.id})


def _account_key(account_id: int) -> table.Key:
    return keys.account(account_id), "account"


def _users(account_id: int) -> str:
    return keys.listed(account_id, "users")


def _user_key(account_id: int, user_id: int) -> table.Key:
    return _users(account_id), keys.number(user_id)


def _email_key(address: str) -> table.Key:
    return keys.email(address), "email"


def _account_to_item(account: accounts.Account) -> Item:
    return {
        "type": "account",
        "id": account.id,
        "subscription": account.subscription,
        "plan": account.plan,
        "gateway_key": account.gateway_key,
        "limits": account.limits or None,
        "features_off": list(account.features_off) or None,
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
        "revision": user.revision,
        "live_keys": [{"key": key.id, "digest": key.digest, "not_after": key.expires} for key in user.live_keys],
    }


def _user_from_item(item: Item) -> accounts.User:
    return accounts.User(
        id=item["id"],
        account=item["account"],
        email=item["email"],
        name=item["name"],
        role=item["role"],
        created=item["created"],
        updated=item["updated"],
        revision=item["revision"],
        live_keys=tuple(api_keys.LiveKey(key["key"], key["digest"], key["not_after"]) for key in item["live_keys"]),
    )
