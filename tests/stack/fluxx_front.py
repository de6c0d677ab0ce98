"""What stands before the local stack for clients that insist on `https://<instance>.fluxx.io`.

A proxy on a port of this machine: it takes `CONNECT <instance>.fluxx.io:443`, speaks TLS under a certificate of that
name, and hands every request on to the Fluxx API's base URL. The client needs two settings from outside, its proxy and
whom to trust, and no change.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import trustme

TIMEOUT_SECONDS = 60
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "host"}


@dataclass(frozen=True, slots=True)
class Front:
    """The environment that leads a client here."""

    environment: dict[str, str]


@contextmanager
def front(base_url: str, instance: str, folder: Path) -> Iterator[Front]:
    """The proxy, as long as it is needed; `folder` takes the certificate of who signs for it."""
    host = f"{instance}.fluxx.io"
    signer = trustme.CA()
    trusted = folder / "trusted.pem"
    signer.cert_pem.write_to_path(trusted)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    signer.issue_cert(host).configure_cert(tls)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = TIMEOUT_SECONDS

        def do_CONNECT(self) -> None:
            if self.path != f"{host}:443":
                self.send_error(502, f"only {host} is here")
                return
            self.send_response(200, "Connection established")
            self.end_headers()
            # From here on the same connection speaks TLS, and this handler serves it as if it had begun so.
            with tls.wrap_socket(self.connection, server_side=True) as connection:
                self.rfile = connection.makefile("rb")
                self.wfile = connection.makefile("wb", buffering=0)  # type: ignore[assignment]
                self.close_connection = False
                while not self.close_connection:
                    self.handle_one_request()
                self.rfile.close()
                self.wfile.close()

        def hand_on(self) -> None:
            target = urlsplit(base_url)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            connection = http.client.HTTPConnection(target.netloc, timeout=TIMEOUT_SECONDS)
            try:
                connection.request(self.command, target.path + self.path, body or None, headers)
                response = connection.getresponse()
                answer = response.read()
                self.send_response(response.status)
                for name, value in response.getheaders():
                    if name.lower() not in {*HOP_BY_HOP, "content-length"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            finally:
                connection.close()

        do_GET = do_POST = do_PUT = do_DELETE = hand_on

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: a failing test shows what the client printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    serving = Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        proxy = f"http://127.0.0.1:{server.server_port}"
        yield Front({"HTTPS_PROXY": proxy, "https_proxy": proxy, "REQUESTS_CA_BUNDLE": str(trusted)})
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
