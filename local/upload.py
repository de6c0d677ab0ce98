"""`make upload`: a file of any size to a stack, here or deployed, and what became of it.

A file that does not fit in a request goes in parts. An upload that was interrupted is remembered under
`.local/uploads/`, by address, file, size and project: the same command goes on with it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import parts, show, stack, state
from local.calls import RefusedError, patiently
from local.client import MAX_INLINE_BYTES, Client
from local.progress import Bar, size_text
from local.state import LocalError, Stack

PROJECT_NAME = "Uploads"
PLAN = "enterprise"
FIRST_POLL_SECONDS = 0.1
LONGEST_POLL_SECONDS = 5.0

# A file is read at some 10 MB/s; waiting is bounded at a hundredth of that.
READ_TIMEOUT_SECONDS = 60
SLOWEST_BYTES_PER_SECOND = 100_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be uploaded, and where to. Without `url` it is the local stack, and without `key` its own account."""

    file: Path
    project: str | None = None
    name: str | None = None
    port: int | None = None
    url: str | None = None
    key: str | None = None


def run(wanted: Wanted) -> int:
    """Uploads the file, waits until it has been read and says how many rows it had; exit status 0 where it was read."""
    size = _size_of(wanted.file)
    client = _client(wanted)
    began = time.monotonic()
    bar = Bar(wanted.file.name, size)
    if size <= MAX_INLINE_BYTES:
        dataset = client.upload_inline(_project(client, wanted), wanted.file, bar)
    else:
        dataset = _in_parts(client, wanted, size, bar)
    show.step(f"uploaded {wanted.file.name}, {size_text(size)}, as {dataset['id']}", began)
    if wanted.name is not None:
        name = wanted.name
        patiently(lambda: client.put(f"/data/{dataset['id']}", {"name": name}))
    await_read(client, dataset, wanted.file.name, size)
    return 0


def await_read(client: Client, dataset: dict[str, Any], name: str, size: int) -> dict[str, Any]:
    """Waits until the file has been read, and says how many rows it had; LocalError where it could not be."""
    began = time.monotonic()
    timeout_seconds = READ_TIMEOUT_SECONDS + size / SLOWEST_BYTES_PER_SECOND
    pause = FIRST_POLL_SECONDS
    path = f"/data/{dataset['id']}"
    while dataset["status"] == "processing":
        waited = time.monotonic() - began
        if waited > timeout_seconds:
            raise LocalError(f"{name} was not read within {timeout_seconds:.0f} s")
        show.progress(f"reading and typing {name} … {waited:.0f} s")
        time.sleep(pause)
        # Short files are answered at once; long ones need not be asked for all the time.
        pause = min(max(pause, waited / 20), LONGEST_POLL_SECONDS)
        dataset = patiently(lambda: client.get(path))
    if dataset["status"] != "ready":
        raise LocalError(f"{name} cannot be used: {(dataset.get('failure') or {}).get('reason', 'no reason given')}")
    loaded, rejected = dataset["rows"], dataset["rejected_rows"]
    show.step(f"read {loaded + rejected:,} rows: {loaded:,} loaded, {rejected:,} rejected", began)
    return dataset


def _in_parts(client: Client, wanted: Wanted, size: int, bar: Bar) -> dict[str, Any]:
    """Goes on with the upload that is remembered, or begins one; returns the dataset."""
    memory = _Memory(client.base_url, wanted.file, size, wanted.project)
    upload = memory.recall()
    found = _listed(client, upload) if upload else None
    if upload and found is None:
        # Perhaps it was completed, and nobody was there to hear the answer.
        completed = _completed(client, upload)
        if completed is not None:
            memory.forget()
            show.note(f"this file was uploaded already, as {completed['id']}")
            return completed
    if not upload or found is None:
        upload = parts.open_upload(client, _project(client, wanted), wanted.file)
        memory.keep(upload)
        found = parts.listed(client, upload)
    arrived = sum(part.size for part in found if part.etag is not None)
    if arrived:
        there = sum(part.etag is not None for part in found)
        show.note(f"goes on: {there} of {len(found)} parts have arrived, {size_text(arrived)} of {size_text(size)}")
    before = wanted.file.stat()
    try:
        parts.send_all(found, wanted.file, bar)
    except (LocalError, KeyboardInterrupt):
        show.clear_progress()
        show.note("what has arrived is kept for a day: the same command goes on with the rest")
        raise
    after = wanted.file.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise LocalError(f"{wanted.file} was changed while it was sent: run the same command again")
    dataset = parts.complete(client, upload)
    memory.forget()
    return dataset


def _listed(client: Client, upload: str) -> list[parts.Part] | None:
    """The parts of a remembered upload; None where it takes none any more."""
    try:
        return parts.listed(client, upload)
    except RefusedError as error:
        if error.status not in (404, 409):
            raise
        return None


def _completed(client: Client, upload: str) -> dict[str, Any] | None:
    try:
        return parts.complete(client, upload)
    except RefusedError as error:
        if error.status not in (404, 409):
            raise
        return None


def _size_of(file: Path) -> int:
    try:
        with file.open("rb") as opened:
            if not opened.read(1):
                raise LocalError(f"{file} is empty")
        return file.stat().st_size
    except OSError as error:
        raise LocalError(f"{file} cannot be read: {error.strerror}") from None


def _client(wanted: Wanted) -> Client:
    if wanted.url is not None:
        if not wanted.url.startswith(("http://", "https://")):
            raise LocalError(f"{wanted.url!r} is not the URL of an API, such as https://….amazonaws.com/v1")
        if wanted.key is None:
            raise LocalError("say with which key: export KEY=flv_…")
        return Client(wanted.url.rstrip("/"), wanted.key)
    running = stack.find(wanted.port)
    return Client(running.base_url("reference"), wanted.key or _own_key(running))


def _own_key(running: Stack) -> str:
    """A key of the account that uploads without a key have on a local stack; it is made once per stack."""
    kept = state.directory(running.port) / "upload-account.json"
    try:
        found = json.loads(kept.read_text())
    except (FileNotFoundError, ValueError):
        found = {}
    if found.get("pid") == running.pid:
        return str(found["api_key"])
    account = stack.create_account(running, f"upload-{secrets.token_hex(4)}@example.org", PLAN, PROJECT_NAME)
    kept.touch(mode=0o600)
    kept.write_text(json.dumps({"pid": running.pid, "api_key": account["api_key"]}) + "\n")
    show.step(f"account {account['account_id']} for uploads to this stack; its key is in {kept}")
    return account["api_key"]


def _project(client: Client, wanted: Wanted) -> str:
    """The project that was named, else the one called PROJECT_NAME, which is made where there is none."""
    if wanted.project is not None:
        return wanted.project
    for project in patiently(lambda: client.get("/projects?sort=name&per_page=100"))["data"]:
        if project["name"] == PROJECT_NAME:
            return str(project["id"])
    headers = {"Idempotency-Key": secrets.token_hex(16)}
    made = patiently(lambda: client.post("/projects", {"name": PROJECT_NAME}, headers))
    show.step(f"project {made['id']}, {PROJECT_NAME}")
    return str(made["id"])


class _Memory:
    """Which upload of a file is under way."""

    def __init__(self, base_url: str, file: Path, size: int, project: str | None) -> None:
        told = "\n".join([base_url, str(file.resolve()), str(size), project or ""])
        self._path = state.STATE / "uploads" / f"{hashlib.sha256(told.encode()).hexdigest()[:32]}.json"

    def recall(self) -> str | None:
        try:
            return str(json.loads(self._path.read_text())["upload"])
        except (FileNotFoundError, ValueError, KeyError):
            return None

    def keep(self, upload: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps({"upload": upload}) + "\n")

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)
