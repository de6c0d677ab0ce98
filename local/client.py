"""A small client of the reference API for the demo: JSON calls, and uploads straight from the disk."""

from __future__ import annotations

import http.client
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.state import LocalError

MAX_INLINE_BYTES = 4_500_000
"""Above this the gateway takes no file: it goes to the bucket, by a presigned form."""

_TIMEOUT_SECONDS = 60
_CHUNK_BYTES = 256 * 1024

Progress = Callable[[int], None]


class Client:
    """The reference API with one key. Whatever is not a 2xx becomes a LocalError in the API's words."""

    def __init__(self, base_url: str, key: str) -> None:
        self.base_url = base_url
        self._authorization = {"Authorization": f"Bearer {key}"}

    def get(self, path: str) -> dict[str, Any]:
        return _json(_send("GET", self.base_url + path, self._authorization))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        headers = self._authorization | {"Content-Type": "application/json"}
        return _json(_send("POST", self.base_url + path, headers, json.dumps(body or {}).encode()))

    def upload(self, project_id: str, file: Path, progress: Progress) -> dict[str, Any]:
        """Upload a file to a project; `progress` is told how many bytes have gone. Returns the dataset."""
        size = file.stat().st_size
        if size <= MAX_INLINE_BYTES:
            url = f"{self.base_url}/data/upload"
            return _json(_send_form(url, self._authorization, {"project_id": project_id}, file, progress))
        upload = self.post("/data/uploads", {"project_id": project_id, "filename": file.name, "size": size})
        form = upload["upload"]
        _send_form(form["url"], {}, form["fields"], file, progress)
        return self.post(f"/data/uploads/{upload['id']}/complete")


def _send_form(
    url: str, headers: Mapping[str, str], fields: Mapping[str, str], file: Path, progress: Progress
) -> tuple[str, bytes]:
    boundary = secrets.token_hex(16)
    # As browsers do it: these three characters would end the name or the line.
    name = file.name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in fields.items()
    )
    # S3 ignores what comes after the file, so the file is last.
    head += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    tail = f"\r\n--{boundary}--\r\n"
    length = len(head.encode()) + file.stat().st_size + len(tail.encode())

    def parts() -> Iterator[bytes]:
        yield head.encode()
        sent = 0
        with file.open("rb") as opened:
            while chunk := opened.read(_CHUNK_BYTES):
                yield chunk
                sent += len(chunk)
                progress(sent)
        yield tail.encode()

    form = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Content-Length": str(length)}
    return _send("POST", url, {**headers, **form}, parts())


def _send(
    method: str, url: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None = None
) -> tuple[str, bytes]:
    """Send a request; returns what was asked for, to name it in errors, and the body of a 2xx answer."""
    parts = urlsplit(url)
    what = f"{method} {parts.path}"
    connection = http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request(method, f"{parts.path}?{parts.query}" if parts.query else parts.path, body, dict(headers))
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise LocalError(f"{what} was not answered: {error or type(error).__name__}") from error
    finally:
        connection.close()
    if not 200 <= response.status < 300:
        raise LocalError(f"{what} was answered with {response.status}: {_message(answer)}")
    return what, answer


def _json(answer: tuple[str, bytes]) -> dict[str, Any]:
    what, body = answer
    try:
        # Decimal keeps the digits that were sent, to show them as they are.
        value = json.loads(body, parse_float=Decimal)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise LocalError(f"{what} was answered with something else than a JSON object: {body[:200]!r}")
    return value


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, TypeError, KeyError):
        return body.decode(errors="replace")[:300] or "an empty body"
