"""Turns a credential into an identity, whatever headers it came in.

A Deny is all that a bad credential gets: malformed, unknown, revoked and expired look alike, and each API's gateway
responses word the 401. A malformed key, a typo included, costs no read; any other costs one. A good one costs a write
where its use was not noted in the last minute.
"""

from __future__ import annotations

from threading import Thread
from typing import Any

from fluvial import clock, keys
from fluvial.caller import Caller
from fluvial.log import log, write_line
from fluvial.store import api_keys

NOTE_SECONDS = 1.0
MAX_NOTED = 10_000
# When this process last noted a key's use: the table decides, this only spares it most questions.
noted: dict[int, int] = {}


def answer(event: dict[str, Any], secret: str, *, account: int | None = None) -> dict[str, Any]:
    """What API Gateway's REQUEST authorizer returns: a policy, the identity as context, and the usage plan's key.

    `account` is the one that the key has to be of, where the request names it.
    """
    found = _identify(secret)
    allowed = found is not None and account in (None, found[0].account)
    write_line("authorize", request_id=f"req_{event['requestContext'].get('requestId')}", allowed=allowed)
    if found is None or not allowed:
        return _policy("nobody", "Deny", event["methodArn"])
    caller, gateway_key = found
    _note_use(caller)
    return {
        **_policy(str(caller.key), "Allow", event["methodArn"]),
        "usageIdentifierKey": gateway_key,
        "context": caller.context(),
    }


def header(event: dict[str, Any], wanted: str) -> str:
    """A header's value, whatever the case of the names; empty without it."""
    for name, value in (event.get("headers") or {}).items():
        if name.lower() == wanted:
            return str(value)
    return ""


def _identify(secret: str) -> tuple[Caller, str] | None:
    if not keys.well_formed(secret):
        return None
    return api_keys.identify(keys.digest(secret), now=clock.now())


def _note_use(caller: Caller) -> None:
    """Notes that the key is used. A request never fails for it, nor waits long: a later one notes it as well."""
    moment = clock.now()
    if moment - noted.get(caller.key, 0) < keys.NOTED_EVERY_MILLISECONDS:
        return
    if len(noted) >= MAX_NOTED:
        noted.clear()
    noted[caller.key] = moment
    # botocore would try for longer than a caller wants to wait.
    writer = Thread(target=_write_use, args=(caller,), daemon=True)
    writer.start()
    writer.join(NOTE_SECONDS)


def _write_use(caller: Caller) -> None:
    try:
        keys.note_use(caller)
    except Exception:
        log.warning("the use of a key was not noted", exc_info=True)


def _policy(principal: str, effect: str, method: str) -> dict[str, Any]:
    return {
        "principalId": principal,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": method}],
        },
    }
