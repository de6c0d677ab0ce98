"""A webhook receiver that verifies what it gets, with the `standardwebhooks` package and nothing of ours."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

HOST = "127.0.0.1"
_MAX_BODY_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came, and what it was answered."""

    path: str
    headers: dict[str, str]
    """Header names are lower-case."""
    body: bytes
    status: int
    verified: bool
    """Whether the signature was one of the receiver's secret, at the time it came."""
    received_at: float
    """Unix time, in seconds."""

    @property
    def id(self) -> str:
        """The message's id. A message that comes twice has the same."""
        return self.headers.get("webhook-id", "")

    @property
    def event(self) -> str:
        """The name of the event; empty where the body has none."""
        return str(self.json().get("type", ""))

    def json(self) -> dict[str, Any]:
        """The body; an empty object where it is not a JSON object."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


class Receiver:
    """Listens on a port of its own as long as the `with` block lasts, and keeps every request in `requests`.

    The first requests are answered with `statuses`, one after the other; each later one with 200 where its
    signature holds, else with 401. Without a `secret` nothing can be verified, and all is answered with 200.
    """

    def __init__(self, port: int = 0, statuses: Iterable[int] = (), secret: str | None = None) -> None:
        self.secret = secret
        self.requests: list[Request] = []
        self._statuses = list(statuses)
        self._changed = threading.Condition()
        self._server = _Server((HOST, port), _handler(self._receive))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.port: int = self._server.server_address[1]
        self.url = f"http://{HOST}:{self.port}/webhooks"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def verify(self, body: bytes, headers: dict[str, str]) -> bool:
        """Whether a message is signed with the receiver's secret, and not older than five minutes."""
        if self.secret is None:
            return False
        try:
            Webhook(self.secret).verify(body, headers)
        # The verifier lets the errors of a signature that is no base64 or no pair through as they are.
        except (WebhookVerificationError, ValueError):
            return False
        return True

    def wait(self, condition: Callable[[list[Request]], bool], timeout_seconds: float) -> bool:
        """Wait until the requests so far fulfil the condition; False where they do not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self.requests), timeout_seconds)

    def wait_for_more(self, seen: int, timeout_seconds: float) -> bool:
        """Wait until there are more requests than `seen`; False where none comes in time."""
        return self.wait(lambda requests: len(requests) > seen, timeout_seconds)

    def _receive(self, path: str, headers: dict[str, str], body: bytes) -> int:
        verified = self.verify(body, headers)
        with self._changed:
            earned = 200 if verified or self.secret is None else 401
            status = self._statuses.pop(0) if self._statuses else earned
            self.requests.append(Request(path, headers, body, status, verified, time.time()))
            self._changed.notify_all()
        return status


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        # Not HTTPServer's: it asks the DNS for this machine's name, and a DNS can be slow.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]


def _handler(receive: Callable[[str, dict[str, str], bytes], int]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 15

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or int(length) > _MAX_BODY_BYTES:
                self.send_error(411 if not length.isdecimal() else 413)
                return
            body = self.rfile.read(int(length))
            status = receive(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: what came is in `requests`."""

    return Handler
