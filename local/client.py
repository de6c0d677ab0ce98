"""A small client of the reference API: JSON calls, and uploads straight from the disk."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from local import parts
from local.calls import Answer, send

MAX_INLINE_BYTES = 4_500_000
"""Above this the gateway takes no file: it goes to the bucket, in parts."""

_CHUNK_BYTES = 256 * 1024

Progress = Callable[[int], None]


class Client:
    """The reference API with one key. Whatever is not a 2xx becomes a RefusedError in the API's words."""

    def __init__(self, base_url: str, key: str) -> None:
        self.base_url = base_url
        self._authorization = {"Authorization": f"Bearer {key}"}

    def get(self, path: str) -> dict[str, Any]:
        return send("GET", self.base_url + path, self._authorization).json()

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        return self._call("POST", path, body, headers or {})

    def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._call("PUT", path, body, {})

    def upload(self, project_id: str, file: Path, progress: Progress) -> dict[str, Any]:
        """Upload a file to a project; `progress` is told how many bytes have gone. Returns the dataset."""
        if file.stat().st_size <= MAX_INLINE_BYTES:
            return self.upload_inline(project_id, file, progress)
        upload = parts.open_upload(self, project_id, file)
        parts.send_all(parts.listed(self, upload), file, progress)
        return parts.complete(self, upload)

    def upload_inline(self, project_id: str, file: Path, progress: Progress) -> dict[str, Any]:
        """Upload a file of at most MAX_INLINE_BYTES in one request."""
        url = f"{self.base_url}/data/upload"
        return _send_form(url, self._authorization, {"project_id": project_id}, file, progress).json()

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        sent = {**self._authorization, "Content-Type": "application/json", **headers}
        return send(method, self.base_url + path, sent, json.dumps(body or {}).encode()).json()


def _send_form(
    url: str, headers: Mapping[str, str], fields: Mapping[str, str], file: Path, progress: Progress
) -> Answer:
    boundary = secrets.token_hex(16)
    # As browsers do it: these three characters would end the name or the line.
    name = file.name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in fields.items()
    )
    head += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    tail = f"\r\n--{boundary}--\r\n"
    length = len(head.encode()) + file.stat().st_size + len(tail.encode())

    def body() -> Iterator[bytes]:
        yield head.encode()
        sent = 0
        with file.open("rb") as opened:
            while chunk := opened.read(_CHUNK_BYTES):
                yield chunk
                sent += len(chunk)
                progress(sent)
        yield tail.encode()

    form = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Content-Length": str(length)}
    return send("POST", url, {**headers, **form}, body())
