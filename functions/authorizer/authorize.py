"""Turns the credential of a request into an identity.

A Deny is all that a bad credential gets: malformed, unknown, revoked and expired look alike, and each API's gateway
responses word the 401. A malformed key, a typo included, costs no read; any other costs one.
"""

from __future__ import annotations

from typing import Any

from fluvial import clock, keys
from fluvial.caller import Caller
from fluvial.log import write_line
from fluvial.store import api_keys


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """API Gateway's REQUEST authorizer: returns a policy, the identity as context, and the usage plan's key."""
    found = _identify(_bearer(event.get("headers") or {}))
    write_line("authorize", request_id=f"req_{event['requestContext'].get('requestId')}", allowed=found is not None)
    if found is None:
        return _policy("nobody", "Deny", event["methodArn"])
    caller, gateway_key = found
    return {
        **_policy(str(caller.key), "Allow", event["methodArn"]),
        "usageIdentifierKey": gateway_key,
        "context": {
            "account": str(caller.account),
            "user": str(caller.user),
            "key": str(caller.key),
            "plan": caller.plan,
            "scopes": " ".join(sorted(caller.scopes)),
        },
    }


def _bearer(headers: dict[str, str]) -> str:
    """The token of the Authorization header, whatever the case of the names; empty for another scheme."""
    for name, value in headers.items():
        if name.lower() == "authorization":
            scheme, _, token = value.partition(" ")
            return token.strip() if scheme.lower() == "bearer" else ""
    return ""


def _identify(secret: str) -> tuple[Caller, str] | None:
    if not keys.well_formed(secret):
        return None
    return api_keys.identify(keys.digest(secret), now=clock.now())


def _policy(principal: str, effect: str, method: str) -> dict[str, Any]:
    return {
        "principalId": principal,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": method}],
        },
    }
