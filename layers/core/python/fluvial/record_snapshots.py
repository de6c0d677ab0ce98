"""Snapshots of classes of records in the bucket: SQLite files of replicas, gzipped, for fresh processes to begin with.

`workers.snapshot_records` makes them, when a process says that it had to take in many changes (`ask`). A snapshot says
up to when it is complete; with one that is lost, old or late, reading takes longer, and nothing else. So they are made
at least once, an older one may take the place of a newer one, and nobody waits for any of them.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path

from fluvial import blobs, bus, record_tables
from fluvial.config import settings
from fluvial.log import log

COMPRESSION = 1  # the quickest: a file of 100 MB is unpacked in half a second at any
COPY_CHUNK_BYTES = 1024 * 1024
WINDOW_OF_GZIP = 31  # zlib's number for a gzip header and the largest window


def ask(account_id: int, model: str, *, than: int) -> None:
    """Asks for a snapshot that is newer `than` a time in milliseconds. What keeps it from asking is logged, no more."""
    queue_url = settings().snapshot_records_queue_url
    if not queue_url:
        return
    try:
        bus.send(queue_url, [bus.Message({"account": account_id, "model": model, "than": than})])
    except Exception:
        log.exception("a snapshot of a class of records was not asked for")


def position(account_id: int, model: str) -> int:
    """Up to when the snapshot in the bucket is complete, in milliseconds; 0 where there is none."""
    found = blobs.read(_key(account_id, model), last=0)
    return 0 if found is None else int(found.said["position"])


def fetch(account_id: int, model: str, path: Path, *, since: int, room: Callable[[int], None]) -> bool:
    """Brings the snapshot into a file, with `room` made for its bytes; False for none, or one older than `since`.

    What cannot be unpacked, or not all of it, is no snapshot.
    """
    found = blobs.read(_key(account_id, model))
    if found is None or int(found.said["position"]) < since:
        return False
    room(int(found.said["bytes"]))
    unpacking = zlib.decompressobj(wbits=WINDOW_OF_GZIP)
    unfinished = path.with_suffix(".part")
    try:
        with unfinished.open("wb") as file:
            for chunk in found.chunks:
                file.write(unpacking.decompress(chunk))
    except zlib.error:
        log.exception("the snapshot of a class of records cannot be unpacked")
    if not unpacking.eof:
        unfinished.unlink()
        return False
    unfinished.rename(path)
    return True


def store(table: record_tables.Table) -> int:
    """Puts the table's file, which nobody writes to, into the bucket; returns its bytes there."""
    packed = table.path.with_suffix(".gz")
    try:
        with table.path.open("rb") as file, gzip.open(packed, "wb", compresslevel=COMPRESSION) as to:
            while chunk := file.read(COPY_CHUNK_BYTES):
                to.write(chunk)
        said = {"position": str(table.position), "bytes": str(table.path.stat().st_size)}
        blobs.put_file(_key(table.account, table.model.name), packed, said=said)
        return packed.stat().st_size
    finally:
        packed.unlink(missing_ok=True)


def _key(account_id: int, model: str) -> str:
    # A hash, for keys are not made of names that somebody gave; a snapshot of another format is not even found.
    return blobs.record_snapshot(
        account_id, hashlib.sha256(f"{record_tables.FORMAT} {model}".encode()).hexdigest()[:32]
    )
