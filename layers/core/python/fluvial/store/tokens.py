"""Access tokens: for each the identity that the authorizer reads, as a key has one, and an entry of its application.

The entry is there so that whoever revokes the application finds its tokens. Both go by themselves some time after the
token has ended.
"""

from __future__ import annotations

from collections.abc import Sequence

from fluvial import applications, clock
from fluvial.store import api_keys, keys, table
from fluvial.store import applications as stored_applications

REMOVED_AT_ONCE = 50  # two writes each: a transaction has at most 100


def issue(client: applications.Client, digest: str, *, ends: int) -> bool:
    """Makes a token of the client; False where its application was revoked since it was read."""
    its_application_is_not_revoked = table.check(stored_applications.client_key(client.client_id))
    caller = client.caller
    actions = [
        its_application_is_not_revoked,
        api_keys.identity(digest, caller, gateway_key=client.gateway_key, ends=ends),
        table.put(
            _key(caller.account, caller.key, digest),
            {"type": "token", "account": caller.account, "not_after": ends, "expires": ends // clock.SECOND},
        ),
    ]
    try:
        table.transact(actions)
    except table.ConditionError:
        return False
    return True


def some_of(account_id: int, application_id: int) -> list[str]:
    """The digests of some of the application's tokens; none where there are no more."""
    entries = table.query(keys.application_tokens(account_id, application_id), limit=REMOVED_AT_ONCE)
    return [entry["sk"] for entry in entries]


def remove(account_id: int, application_id: int, digests: Sequence[str]) -> None:
    """Ends these tokens, at most REMOVED_AT_ONCE; those that are gone already may be among them."""
    table.transact(
        action
        for digest in digests
        for action in (
            table.delete(api_keys.identity_key(digest), None),
            table.delete(_key(account_id, application_id, digest), None),
        )
    )


def _key(account_id: int, application_id: int, digest: str) -> table.Key:
    return keys.application_tokens(account_id, application_id), digest
