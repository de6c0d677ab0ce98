"""HTTP as the tests of a running stack need it: no library of ours in between, every byte and header visible."""

from __future__ import annotations

import http.client
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Client:
    """One API with one key, or with none. With the id of its `subscription` it is sent as Flarelight wants it."""

    base_url: str
    key: str | None = None
    subscription: str | None = field(default=None, kw_only=True)

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """`path` begins below the base path, and may have a query."""
        return send(method, self.base_url + path, body, {**self._credentials(), **(headers or {})})

    def _credentials(self) -> dict[str, str]:
        if self.key is None:
            return {}
        if self.subscription is None:
            return {"Authorization": f"Bearer {self.key}"}
        return {"X-Api-Key": self.key, "X-Subscription-Id": self.subscription}

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def post(self, path: str, body: object = None) -> Answer:
        return self.send("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def put(self, path: str, body: object) -> Answer:
        return self.send("PUT", path, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def delete(self, path: str) -> Answer:
        return self.send("DELETE", path)

    def upload(
        self, data: bytes | None, fields: Mapping[str, str] | None = None, *, filename: str = "data.csv"
    ) -> Answer:
        """POST /data/upload, with a part `file` unless `data` is None."""
        body, content_type = multipart(data, fields or {}, filename=filename)
        return self.send("POST", "/data/upload", body, {"Content-Type": content_type})


def send(method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, f"{parts.path}?{parts.query}" if parts.query else parts.path, body, headers or {})
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def multipart(
    data: bytes | None, fields: Mapping[str, str], *, filename: str = "data.csv", part: str = "file"
) -> tuple[bytes, str]:
    """A form as curl -F makes it, and its Content-Type: the fields, then the file."""
    boundary = f"------------------------{secrets.token_hex(8)}"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    if data is not None:
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{part}"; filename="{filename}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        parts.append(head.encode() + data + b"\r\n")
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"
