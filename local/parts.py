"""A file to an upload in parts: several at once, each again where it fails. What has arrived is not sent again."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.calls import RefusedError, patiently, send
from local.state import LocalError

if TYPE_CHECKING:
    from local.client import Client

AT_ONCE = 4
PARTS_PER_PAGE = 100
FORBIDDEN = 403

_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the file, and how to get a URL that takes it once this one has expired."""

    number: int
    offset: int
    size: int
    etag: str | None
    url: str
    renew: Callable[[int], str]


def open_upload(client: Client, project_id: str, file: Path) -> str:
    """Opens an upload in parts for the file as it is now; returns its id."""
    body = {"project_id": project_id, "filename": file.name, "size": file.stat().st_size, "parts": True}
    headers = {"Idempotency-Key": secrets.token_hex(16)}
    return str(patiently(lambda: client.post("/data/uploads", body, headers))["id"])


def listed(client: Client, upload: str) -> list[Part]:
    """All parts of an upload; those with a tag have arrived."""
    path = f"/data/uploads/{upload}/parts"

    def renew(number: int) -> str:
        return str(patiently(lambda: client.get(f"{path}?per_page=1&page={number}"))["data"][0]["url"])

    def page(number: int) -> dict[str, Any]:
        return patiently(lambda: client.get(f"{path}?per_page={PARTS_PER_PAGE}&page={number}"))

    first = page(1)
    pages = [first, *(page(number) for number in range(2, first["pagination"]["total_pages"] + 1))]
    return [Part(**part, renew=renew) for answer in pages for part in answer["data"]]


def complete(client: Client, upload: str) -> dict[str, Any]:
    """The dataset that the upload becomes. Asked again, the API answers the same one."""
    return patiently(lambda: client.post(f"/data/uploads/{upload}/complete"))


def send_all(parts: Sequence[Part], file: Path, progress: Callable[[int], None]) -> int:
    """Sends the parts that have not arrived, or not as they are in the file; returns how many had.

    `progress` is told how many bytes of the file have arrived or gone; of a part that fails they count no more. The
    first part that cannot be sent ends all; what has arrived stays.
    """
    sending = _Sending(file, progress)
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        futures = [pool.submit(sending.part, part) for part in parts]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        return sum(future.result() for future in done)
    finally:
        # Ctrl-C, too, must not wait until the parts that are under way have gone.
        sending.stopped.set()
        pool.shutdown(wait=True, cancel_futures=True)


class _Sending:
    """What the threads share."""

    def __init__(self, file: Path, progress: Callable[[int], None]) -> None:
        self.file = file
        self.stopped = threading.Event()
        self._progress = progress
        self._sent = 0
        self._lock = threading.Lock()

    def part(self, part: Part) -> bool:
        """Sends the part; True where it had arrived before."""
        with self.file.open("rb") as opened:
            opened.seek(part.offset)
            data = opened.read(part.size)
        if len(data) != part.size:
            raise LocalError(f"{self.file} has become shorter meanwhile")
        tag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if part.etag is not None and part.etag.strip('"') == tag:
            self._count(part.size)
            return True
        url = part.url

        def put() -> None:
            nonlocal url
            try:
                self._put(part, url, data, tag)
            except RefusedError as error:
                if error.status not in (None, FORBIDDEN):
                    raise
                # The URL may have expired; S3 need not read a body to the end before it says so.
                url = part.renew(part.number)
                raise RefusedError(str(error)) from error

        patiently(put)
        return False

    def _put(self, part: Part, url: str, data: bytes, tag: str) -> None:
        counted = 0

        def chunks() -> Iterator[bytes]:
            nonlocal counted
            for start in range(0, len(data), _CHUNK_BYTES):
                if self.stopped.is_set():
                    raise LocalError("stopped")
                chunk = data[start : start + _CHUNK_BYTES]
                yield chunk
                counted += len(chunk)
                self._count(len(chunk))

        try:
            answer = send("PUT", url, {"Content-Length": str(part.size)}, chunks())
            # With the bucket's own encryption the tag of a part is the MD5 of its bytes.
            if answer.headers.get("etag", "").strip('"') != tag:
                raise RefusedError(f"part {part.number} did not arrive as it was sent")
        except LocalError:
            self._count(-counted)
            raise

    def _count(self, size: int) -> None:
        with self._lock:
            self._sent += size
            self._progress(self._sent)
