"""How lists of records are fast: each warm process keeps the classes that it is asked for in SQLite files of its own.

DynamoDB is the truth. Before a class is read its replica catches up:

    log since the last time ── records whose revision it lacks, read consistently ── into the file

So who has written a record finds it at once, whichever process it was written through. The log is read from
LATE_MILLISECONDS before the last time on, since an entry's key tells when its transaction was made, not when it was
committed. Functions of APIs end within 30 seconds, and clocks differ by far less than 30 more: an entry that is older
than a minute had been committed when the log was read the time before. (The function that makes an account may take
longer, and nobody reads that account's records yet.) An entry whose record does not show its change yet, for a
transaction's items can be seen one after the other, keeps the position where it is.

A fresh process reads a small class whole. Of a larger one it takes the snapshot in the bucket (`record_snapshots`) and
catches up; without one, or with one that is older than the log reaches, it reads the class whole, too, and asks for a
snapshot. A process that had to take in many changes asks for a new one.

The files lie in a folder of the process, whose name is locked as long as it lives: folders of dead ones are removed,
and no process opens another's file. The least recently used go when all together are too large.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from fluvial import clock, record_snapshots, record_tables
from fluvial.config import settings
from fluvial.errors import LimitedError
from fluvial.log import log
from fluvial.record_classes import ModelClass
from fluvial.store import records as store

LATE_MILLISECONDS = 60 * clock.SECOND
# A day less than the log is kept (`store.records`), so that it is complete from there on.
REACH_MILLISECONDS = 6 * clock.DAY
MANY_CHANGES = 1_000
# An older one is renewed while it can be: a class that nobody changes needs one, too.
OLD_SNAPSHOT_MILLISECONDS = 3 * clock.DAY
# How long a request waits for a class that has to be read whole, of the 29 seconds that it has.
PATIENCE_SECONDS = 20.0
RETRY_SECONDS = 60

_lock = threading.RLock()
_replicas: dict[tuple[int, str], _Replica] = {}  # least recently used first


@dataclass(slots=True)
class _Replica:
    """`changes` were taken in since `since`, when the last snapshot was asked for, or this one's own was made."""

    table: record_tables.Table
    since: int
    changes: int = 0
    readers: int = 0


class _OutOfReachError(Exception):
    """The log does not lead from the replica to now, or the way is longer than to begin anew."""


@contextmanager
def opened(
    account_id: int, model: ModelClass, *, patience_seconds: float = PATIENCE_SECONDS
) -> Iterator[record_tables.Table]:
    """The table of the class's records as they are now; no other thread reads any replica meanwhile.

    LimitedError where the class is too large to be read in the time that there is, and has no snapshot yet.
    """
    key = account_id, model.name
    with _lock:
        replica = _current(key, model, time.monotonic() + patience_seconds)
        replica.readers += 1
        try:
            yield replica.table
        except sqlite3.DatabaseError as error:
            # Unless the query was wrong, the file is: the next one who asks gets a new one.
            if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR:
                _forget(key)
            raise
        finally:
            replica.readers -= 1


def is_warm(account_id: int, model: str) -> bool:
    """Whether this process has the class, so that reading it costs little."""
    return (account_id, model) in _replicas


def forget_all() -> None:
    """Throws all replicas of this process away."""
    with _lock:
        for key in list(_replicas):
            _forget(key)


def _current(key: tuple[int, str], model: ModelClass, deadline: float) -> _Replica:
    """The replica, with all changes up to now."""
    replica = _replicas.pop(key, None)
    if replica is not None and replica.readers:
        # Who asks in the middle of reading it sees what he read so far; it may not change, or go, under him.
        _replicas[key] = replica
        return replica
    if replica is None:
        replica = _first(key, model, deadline)
    else:
        replica.table.fit(model)
        try:
            _catch_up(key, replica, deadline)
        except _OutOfReachError:
            _close(replica)
            replica = _whole(key, model, deadline)
        except BaseException:
            _close(replica)
            raise
    _replicas[key] = replica
    if replica.changes > MANY_CHANGES:
        record_snapshots.ask(*key, than=replica.since)
        replica.since, replica.changes = replica.table.position, 0
    _make_room()
    return replica


def _first(key: tuple[int, str], model: ModelClass, deadline: float) -> _Replica:
    """A replica where this process has none: of the class itself if one read shows all of it, or of its snapshot."""
    moment = clock.now()
    pages = store.pages(*key)
    first = next(pages, [])
    if len(first) < store.PAGE:
        replica = _new(key, model, moment)
        replica.table.put(first)
        return replica
    found = _of_snapshot(key, model)
    if found is None:
        return _whole(key, model, deadline)
    try:
        _catch_up(key, found, deadline)
    except _OutOfReachError:
        _close(found)
        return _whole(key, model, deadline)
    except BaseException:
        _close(found)
        raise
    return found


def _of_snapshot(key: tuple[int, str], model: ModelClass) -> _Replica | None:
    """A replica that is as old as the snapshot; None where there is none of use."""
    path = _folder() / _new_name()
    found = record_snapshots.fetch(*key, path, since=clock.now() - REACH_MILLISECONDS, room=_make_room)
    if not found:
        return None
    try:
        table = record_tables.Table.open(path, key[0], model)
    except record_tables.StrangeTableError:
        log.warning("the snapshot of a class of records is not used: it is not what it should be", exc_info=True)
        path.unlink()
        return None
    replica = _Replica(table, since=table.position)
    if table.position < clock.now() - OLD_SNAPSHOT_MILLISECONDS:
        replica.changes = MANY_CHANGES + 1
    return replica


def _whole(key: tuple[int, str], model: ModelClass, deadline: float) -> _Replica:
    """A replica of all records, one read after the other; it asks for a snapshot as soon as there are many."""
    replica = _new(key, model, clock.now())
    asked = False
    try:
        for page in store.pages(*key):
            replica.table.put(page)
            if not asked and replica.table.count() > MANY_CHANGES:
                # At once, for this process may not live to see the last one.
                record_snapshots.ask(*key, than=0)
                asked = True
            _check_time(deadline)
    except BaseException:
        _close(replica)
        raise
    return replica


def _new(key: tuple[int, str], model: ModelClass, position: int) -> _Replica:
    table = record_tables.Table.create(_folder() / _new_name(), key[0], model, position=position)
    return _Replica(table, since=position)


def _catch_up(key: tuple[int, str], replica: _Replica, deadline: float) -> None:
    """Takes all changes in that the table lacks. _OutOfReachError where the class has to be read whole."""
    table, moment = replica.table, clock.now()
    if table.position < moment - REACH_MILLISECONDS:
        raise _OutOfReachError
    newest: dict[int, int] = {}
    removed: dict[int, int] = {}
    for changes in store.log(*key, table.position - LATE_MILLISECONDS):
        known = table.revisions({change.record for change in changes})
        for change in changes:
            if known.get(change.record, 0) < change.revision:
                of = removed if change.removed else newest
                of[change.record] = max(of.get(change.record, 0), change.revision)
    wanted = [record for record in newest if record not in removed]
    if len(wanted) > MANY_CHANGES and len(wanted) > table.count() / 2:
        raise _OutOfReachError
    behind = False
    for start in range(0, len(wanted), store.BATCH):
        asked = wanted[start : start + store.BATCH]
        items = store.items(*key, asked)
        table.put(items)
        there = {item["id"]: item["revision"] for item in items}
        behind = behind or any(there.get(record, 0) < newest[record] for record in asked)
        _check_time(deadline)
    table.remove(list(removed.items()))
    replica.changes += len(wanted) + len(removed)
    if not behind:
        table.position = moment


def _check_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        reason = "There are so many records of this class that they are still being prepared: try again in a minute."
        raise LimitedError(reason, retry_after_seconds=RETRY_SECONDS)


def _make_room(wanted_bytes: int = 0) -> None:
    """Removes the least recently used files that nobody reads until the others leave so much room."""
    limit = settings().max_record_files_bytes - wanted_bytes
    sizes = {key: replica.table.path.stat().st_size for key, replica in _replicas.items()}
    newest = next(reversed(_replicas), None)
    for key in list(_replicas):
        if sum(sizes.values()) <= limit:
            return
        if not _replicas[key].readers and (wanted_bytes or key != newest):
            del sizes[key]
            _forget(key)


def _forget(key: tuple[int, str]) -> None:
    replica = _replicas.pop(key, None)
    if replica is not None:
        _close(replica)


def _close(replica: _Replica) -> None:
    replica.table.close()
    replica.table.path.unlink(missing_ok=True)


def _new_name() -> str:
    return f"{time.monotonic_ns():x}.sqlite"


@cache
def _folder() -> Path:
    """The folder of this process, made at its first use; those of processes that are gone are removed."""
    home = Path(tempfile.gettempdir(), f"fluvial-records-{os.getuid()}")
    home.mkdir(mode=0o700, exist_ok=True)
    with (home / "lock").open("w") as starting:
        # One process at a time, so that none takes a folder for abandoned whose lock is about to be taken.
        fcntl.flock(starting, fcntl.LOCK_EX)
        for other in home.iterdir():
            if other.is_dir() and (lock := _take(other / "lock")) is not None:
                _leave(other, lock)
        folder = Path(tempfile.mkdtemp(dir=home))
        atexit.register(_leave, folder, _take(folder / "lock"))
    return folder


def _leave(folder: Path, lock: IO[str] | None) -> None:
    """Removes a folder whose lock is held until then."""
    shutil.rmtree(folder, ignore_errors=True)
    if lock is not None:
        lock.close()


def _take(lock: Path) -> IO[str] | None:
    """The file, now locked by this process; None where another has it."""
    file = lock.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
