"""Access tokens of applications: 64 characters that open the APIs for two hours, as a key does for longer.

    client_id + client_secret --- issue ---> token --- two hours, or its application is revoked: no use any more

Only the SHA-256 of a token is stored, and its checksum refuses a typo without a read, as with keys.
"""

from __future__ import annotations

from dataclasses import dataclass

from fluvial import applications, clock, keys, limits
from fluvial.errors import UnauthenticatedError
from fluvial.store import applications as stored_applications
from fluvial.store import tokens as store

LIFETIME_MILLISECONDS = 2 * clock.HOUR
API = "fluxx"  # whose limits count how many tokens an application gets


@dataclass(frozen=True, slots=True)
class Token:
    """A new token: `text` is nowhere else. Times in milliseconds."""

    text: str
    created: int
    ends: int
    scopes: tuple[str, ...]


def issue(client_id: str, client_secret: str, *, now: clock.Now = clock.now) -> Token:
    """Makes a token for whoever has the application's secret. One read, one count, one transaction.

    UnauthenticatedError does not tell what is wrong. WindowUsedUpError where the application gets too many: so what
    its revocation has to end stays few.
    """
    if not (applications.well_formed(client_id) and applications.well_formed(client_secret)):
        raise _refused()
    client = stored_applications.client(client_id)
    if client is None or not client.is_opened_by(keys.digest(client_secret), now=now()):
        raise _refused()
    limits.spend(client.caller, api=API, now=now)
    moment = now()
    token = Token(applications.new_text(), moment, moment + LIFETIME_MILLISECONDS, tuple(sorted(client.caller.scopes)))
    if not store.issue(client, keys.digest(token.text), ends=token.ends):
        raise _refused()
    return token


def _refused() -> UnauthenticatedError:
    return UnauthenticatedError("The client_id or the client_secret is unknown, or is not valid any more.")
