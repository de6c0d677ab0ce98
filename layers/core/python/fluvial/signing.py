"""Signatures of Standard Webhooks 1.0: what a receiver needs to know that a delivery is ours and unchanged.

    webhook-id         the event's id, the same on every attempt
    webhook-timestamp  when this attempt was made, in epoch seconds
    webhook-signature  "v1," and the base64 of HMAC-SHA256 over `id.timestamp.body`; one per secret, by spaces

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets as randomness
from collections.abc import Sequence

from fluvial.errors import InvalidError

PREFIX = "whsec_"
NEW_SECRET_BYTES = 32
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
MIN_TEXT_BYTES = 8
CONSTRAINT = (
    f"'{PREFIX}' and the base64 of {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes, "
    f"or any other text of {MIN_TEXT_BYTES} to {MAX_SECRET_BYTES} bytes"
)


def new_secret() -> str:
    """A fresh secret: `whsec_` and the base64 of 32 random bytes."""
    return _spell(randomness.token_bytes(NEW_SECRET_BYTES))


def accept_secret(text: str, field: str = "secret") -> str:
    """The canonical `whsec_…` spelling of a secret that a client chose.

    Text that is not in the standard's form is taken as the bytes of the key, because clients of APIs whose
    documents ask only for "a secret" send words. InvalidError never carries the secret: it would end up in
    answers and logs.
    """
    try:
        if text.startswith(PREFIX):
            encoded = text.removeprefix(PREFIX).rstrip("=")
            # Padding is often lost when secrets are copied, and the key is the same without it.
            key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
            minimum = MIN_SECRET_BYTES
        else:
            key = text.encode()
            minimum = MIN_TEXT_BYTES
    except ValueError:  # not base64, or half a surrogate pair
        key, minimum = b"", MIN_TEXT_BYTES
    if not minimum <= len(key) <= MAX_SECRET_BYTES:
        raise InvalidError(field, f"The secret must be {CONSTRAINT}.", constraint=CONSTRAINT)
    return _spell(key)


def sign(event_id: str, timestamp_seconds: int, body: bytes, secrets: Sequence[str]) -> str:
    """The value of `webhook-signature`: one signature per canonical secret, in their order.

    While a secret is rolled there are two, so that receivers accept deliveries whichever one they hold.
    ValueError for an id with a dot: `sign("m.1", 2, b"x")` would equal `sign("m", 1, b"2.x")`.
    """
    if "." in event_id:
        raise ValueError(f"the event id {event_id!r} contains a dot, so what is signed would be ambiguous")
    if not secrets:
        raise ValueError("a delivery without a secret cannot be signed")
    signed = f"{event_id}.{timestamp_seconds}.".encode() + body
    return " ".join(f"v1,{_signature(secret, signed)}" for secret in secrets)


def headers(event_id: str, timestamp_seconds: int, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The three headers of one attempt; the timestamp is the attempt's, not the event's."""
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp_seconds),
        "webhook-signature": sign(event_id, timestamp_seconds, body, secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _spell(key: bytes) -> str:
    return PREFIX + base64.b64encode(key).decode()
