"""Turns a credential into an identity, whatever headers it came in.

A credential is an API key, or the access token of an application. A Deny is all that a bad one gets: malformed,
unknown, revoked and expired look alike, and each API's gateway responses word the 401. A malformed one, a typo
included, costs no read; any other costs one. A good one costs a write where the use of its key or application was not
noted in the last minute.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

from fluvial import applications, clock, keys
from fluvial.caller import Caller
from fluvial.log import log, write_line
from fluvial.store import api_keys

NOTE_SECONDS = 1.0
MAX_NOTED = 10_000
# When this process last noted the use of a key or application: the table decides, this only spares it most questions.
noted: dict[int, int] = {}


def answer(event: dict[str, Any], secret: str, *, account: int | None = None) -> dict[str, Any]:
    """What API Gateway's REQUEST authorizer returns: a policy, the identity as context, and the usage plan's key.

    `account` is the one that the key has to be of, where the request names it.
    """
    is_token = applications.well_formed(secret)
    may_be_known = is_token or keys.well_formed(secret)
    found = api_keys.identify(keys.digest(secret), now=clock.now()) if may_be_known else None
    allowed = found is not None and account in (None, found[0].account)
    write_line("authorize", request_id=f"req_{event['requestContext'].get('requestId')}", allowed=allowed)
    if found is None or not allowed:
        return _policy("nobody", "Deny", event["methodArn"])
    caller, gateway_key = found
    _note_use(caller, applications.note_use if is_token else keys.note_use)
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


def _note_use(caller: Caller, note: Callable[[Caller], None]) -> None:
    """Notes the use of the key or application. A request never fails for it, nor waits long: a later one notes it."""
    moment = clock.now()
    if moment - noted.get(caller.key, 0) < keys.NOTED_EVERY_MILLISECONDS:
        return
    if len(noted) >= MAX_NOTED:
        noted.clear()
    noted[caller.key] = moment
    # botocore would try for longer than a caller wants to wait.
    writer = Thread(target=_write_use, args=(caller, note), daemon=True)
    writer.start()
    writer.join(NOTE_SECONDS)


def _write_use(caller: Caller, note: Callable[[Caller], None]) -> None:
    try:
        note(caller)
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
