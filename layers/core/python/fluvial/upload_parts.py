"""Upload sessions whose file comes in parts: each by a PUT of its own, in any order, again where one went wrong.

datasets.open_upload ─ session, S3's multi-part upload
page ───────────────── URLs of parts, and which have arrived; asked for again, URLs are new
datasets.arrived ───── join: all parts as announced become one object, and no URL takes anything more

S3 itself holds a part to its length. What is joined is what was listed and checked: a part that is sent again in
between is another one. A session that is never completed leaves its parts to the bucket's lifecycle rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from fluvial import blobs, clock, datasets
from fluvial.caller import Caller
from fluvial.errors import ConflictError
from fluvial.idempotency import Once, guard
from fluvial.paging import Slice
from fluvial.store import datasets as store
from fluvial.store.table import GuardError

VALID_MILLISECONDS = 24 * clock.HOUR  # the lifecycle rule leaves parts for longer
URL_VALID_MILLISECONDS = 1 * clock.HOUR
LEAST_PART_BYTES = 8 * 1024 * 1024  # S3 asks for 5 MiB
MAX_PARTS = blobs.MAX_LISTED_PARTS  # so that one call lists all; S3 would take 10,000
MAX_NAMED = 20


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the file, in bytes; `etag` is S3's tag of what has arrived of it, None before."""

    number: int
    offset: int
    size: int
    etag: str | None
    url: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some parts of an upload, with URLs that hold until a time in milliseconds."""

    parts: Slice[Part]
    part_size: int
    urls_expire: int


def open_session(upload: datasets.Upload, once: Once[datasets.Opened] | None) -> datasets.Upload:
    """Stores the session, with S3's multi-part upload for it."""
    multipart = blobs.open_parts(upload.incoming)
    upload = replace(upload, multipart=multipart, part_size=part_bytes(upload.size))
    try:
        store.create_upload(upload, guard(once, (upload, None)))
    except GuardError:
        # The same request at the same time has opened another.
        blobs.abort_parts(upload.incoming, multipart)
        raise
    return upload


def page(caller: Caller, upload_id: int, *, offset: int, limit: int, now: clock.Now = clock.now) -> Page:
    """Parts from `offset` on; ConflictError for an upload that takes a form, or no parts any more."""
    upload = datasets.session(caller, upload_id, now=now)
    if upload.multipart is None or upload.part_size is None:
        raise ConflictError("This upload is not in parts: send its file by the form that it was opened with.")
    total = count(upload)
    numbers = range(offset + 1, min(offset + limit, total) + 1)
    arrived = blobs.arrived_parts(upload.incoming, upload.multipart)
    if arrived is None:
        raise ConflictError("This upload takes no parts any more: complete it, and if that is refused open a new one.")
    etags = {part.number: part.etag for part in arrived}
    moment = now()
    expire = min(moment + URL_VALID_MILLISECONDS, upload.expires)
    valid_seconds = max((expire - moment) // clock.SECOND, 1)
    parts = [
        Part(
            number=number,
            offset=(number - 1) * upload.part_size,
            size=size_of(upload, number),
            etag=etags.get(number),
            url=blobs.presign_part(
                upload.incoming, upload.multipart, number, size=size_of(upload, number), valid_seconds=valid_seconds
            ),
        )
        for number in numbers
    ]
    return Page(Slice(parts, offset, total), upload.part_size, expire)


def join(upload: datasets.Upload) -> None:
    """Makes the object of the parts; ConflictError names those that are missing. Nothing is done where it was made."""
    arrived = blobs.arrived_parts(upload.incoming, str(upload.multipart))
    if arrived is None:
        return
    here = {part.number for part in arrived}
    total = count(upload)
    if missing := [number for number in range(1, total + 1) if number not in here]:
        raise ConflictError(f"{len(missing)} of {total} parts have not arrived yet: {_named(missing)}.")
    for part in arrived:
        if part.size != size_of(upload, part.number):
            wanted = size_of(upload, part.number)
            raise ConflictError(f"Part {part.number} has {part.size} bytes, not {wanted}: send it again.")
    if not blobs.join_parts(upload.incoming, str(upload.multipart), arrived):
        raise ConflictError("A part was sent again meanwhile: complete the upload once more.")


def part_bytes(size: int) -> int:
    """The size of each part but the last, of a file of `size` bytes."""
    part = LEAST_PART_BYTES
    while size > part * MAX_PARTS:
        part *= 2
    return part


def count(upload: datasets.Upload) -> int:
    """How many parts the upload has; 0 for one by a form."""
    return -(-upload.size // upload.part_size) if upload.part_size else 0


def size_of(upload: datasets.Upload, number: int) -> int:
    """Bytes of a part of an upload in parts."""
    part = upload.part_size or 0
    return min(part, upload.size - (number - 1) * part)


def _named(numbers: Iterable[int]) -> str:
    """Numbers in rising order as text, `3, 7-9`; of many only the first."""
    runs = list(_runs(numbers))
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs[:MAX_NAMED])
    return shown if len(runs) <= MAX_NAMED else f"{shown} and more"


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = last = 0
    for number in numbers:
        if first and number == last + 1:
            last = number
            continue
        if first:
            yield first, last
        first = last = number
    if first:
        yield first, last
