"""Retries that do not duplicate: under one Idempotency-Key a request has its effect once, and one answer.

The record of a request is a part of the transaction of its effect. So there is no moment in which one is there
without the other, nothing to clean up after a death, and no state "in flight" to wait for:

    first call     read: no record -- effect + record --> answer
    retry later    read: record ------------------------> the first answer again
    two at once    read: no record -- effect + record --> refused, the record is there -- read --> the first answer
                   read: no record -- the effect is in the way: a slug that is taken -- read --> the first answer

A failure leaves no record, for nothing happened. Records are the account's own, by route and key, for 24 hours.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from fluvial import clock
from fluvial.errors import InvalidError, ReusedKeyError
from fluvial.store import idempotency as store
from fluvial.store import table

KEPT_MILLISECONDS = clock.DAY
MAX_KEY_LENGTH = 255

# Stands in a record where a secret stood in the answer. JSON escapes this character, so no answer contains it.
HOLE = "\x00"

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of a request: whether it is the same one, and its answer. `body` may have a HOLE."""

    fingerprint: str
    status: int
    body: str
    seed: str


@dataclass(frozen=True, slots=True)
class Once(Generic[Made]):
    """One request under an Idempotency-Key.

    `show` gives the answer's body for what was made. Where the answer holds a new secret, `spell` makes it of 256
    bits: they come from the key and a seed, and only the seed is stored, so that a retry with the key in hand can be
    answered alike and the table alone tells nothing.
    """

    account: int
    route: str
    key: str
    fingerprint: str
    status: int
    show: Callable[[Made], str]
    spell: Callable[[bytes], str] | None = None
    now: clock.Now = clock.now
    seed: str = field(default_factory=lambda: secrets.token_hex(32))

    def find(self) -> Record | None:
        """The first answer to this request; None where there was none. ReusedKeyError if it was another request."""
        record = store.get(self.account, self.route, self.key, now=self.now())
        if record is None:
            return None
        if record.fingerprint != self.fingerprint:
            raise ReusedKeyError(
                "This Idempotency-Key was used for a different request: use a new key, or repeat that one as it was."
            )
        if self.spell is None:
            return record
        secret = self.spell(_bits(self.key, record.seed))
        return Record(record.fingerprint, record.status, record.body.replace(HOLE, secret), record.seed)

    def secret(self) -> str:
        """The new secret of this request."""
        if self.spell is None:
            raise TypeError("this request makes no secret")
        return self.spell(_bits(self.key, self.seed))

    def record(self, made: Made) -> table.Action:
        """Keeps this request and its answer, for the transaction of its effect."""
        body = self.show(made)
        if self.spell is not None:
            body = body.replace(self.secret(), HOLE)
        moment = self.now()
        return store.creation(
            self.account,
            self.route,
            self.key,
            Record(self.fingerprint, self.status, body, self.seed),
            now=moment,
            ends=moment + KEPT_MILLISECONDS,
        )


def guard(once: Once[Made] | None, made: Made) -> table.Action | None:
    """The record of a request under a key, as the guard of its transaction; None for a request without."""
    return None if once is None else once.record(made)


def keep(once: Once[Made] | None, made: Made) -> None:
    """Keeps the answer to a request that had nothing to change, so that a late retry changes nothing either.

    GuardError where there is an answer already.
    """
    kept = guard(once, made)
    if kept is not None:
        table.transact([], kept)


def checked_key(key: str) -> str:
    """The key as it was sent; InvalidError for one that is empty, too long or not of visible ASCII characters."""
    if not 0 < len(key) <= MAX_KEY_LENGTH or not all("!" <= character <= "~" for character in key):
        allowed = f"1-{MAX_KEY_LENGTH} visible ASCII characters"
        raise InvalidError(
            "Idempotency-Key", f"'Idempotency-Key' must be {allowed}.", value=key[:50], constraint=allowed
        )
    return key


def fingerprint(path: str, content: bytes) -> str:
    """Tells requests of one route apart: by their concrete path, and what they say."""
    return hashlib.sha256(path.encode() + b"\n" + content).hexdigest()


def _bits(key: str, seed: str) -> bytes:
    return hmac.digest(key.encode(), seed.encode(), "sha256")
