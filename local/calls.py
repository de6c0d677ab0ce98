"""HTTP as the client needs it: one request at a time, bodies from the disk, and patience where it may help."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import urlsplit

from local.state import LocalError

ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0

_TIMEOUT_SECONDS = 60
_SAY_LATER = (408, 429)

Result = TypeVar("Result")


class RefusedError(LocalError):
    """An answer that is no 2xx, or none at all: `status` is None then."""

    def __init__(self, text: str, status: int | None = None, retry_after_seconds: float | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after_seconds = retry_after_seconds

    @property
    def may_pass(self) -> bool:
        """Whether the same request may be answered otherwise in a while."""
        return self.status is None or self.status in _SAY_LATER or self.status >= 500


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx. `what` names the request in errors; names of headers are in lower case."""

    what: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        try:
            # Decimal keeps the digits that were sent, to show them as they are.
            value = json.loads(self.body, parse_float=Decimal)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise LocalError(f"{self.what} was answered with something else than a JSON object: {self.body[:200]!r}")
        return value


def send(method: str, url: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None = None) -> Answer:
    """Sends a request; RefusedError for all but a 2xx."""
    parts = urlsplit(url)
    what = f"{method} {parts.path}"
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=_TIMEOUT_SECONDS)
    try:
        # Who refuses need not read the body to its end; the answer may be there all the same.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request(
                method, f"{parts.path}?{parts.query}" if parts.query else parts.path, body, dict(headers)
            )
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise RefusedError(f"{what} was not answered: {error or type(error).__name__}") from error
    finally:
        connection.close()
    if not 200 <= response.status < 300:
        text = f"{what} was answered with {response.status}: {_message(answer)}"
        raise RefusedError(text, response.status, _seconds(response.getheader("Retry-After")))
    return Answer(what, {name.lower(): value for name, value in response.getheaders()}, answer)


def patiently(call: Callable[[], Result]) -> Result:
    """What the call returns, tried again with growing pauses while it is refused for reasons that may pass."""
    pause = FIRST_PAUSE_SECONDS
    for _ in range(ATTEMPTS - 1):
        try:
            return call()
        except RefusedError as error:
            if not error.may_pass or (error.retry_after_seconds or 0) > LONGEST_PAUSE_SECONDS:
                raise
            time.sleep(error.retry_after_seconds or pause * random.uniform(0.5, 1))
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
    return call()


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, TypeError, KeyError):
        return body.decode(errors="replace")[:300] or "an empty body"
