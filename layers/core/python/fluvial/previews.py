"""Previews: a link that opens one version of a site for an hour, to whoever has it.

The link holds a random token and stands for itself: no key, no account. Only the token's SHA-256 is stored.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from fluvial import blobs, clock, sites
from fluvial.caller import Caller
from fluvial.errors import NotFoundError
from fluvial.idempotency import Once, guard
from fluvial.store import previews as store

VALID_MILLISECONDS = 1 * clock.HOUR
INDEX = "index.html"
MAX_PATH_LENGTH = 1_000

CONTENT_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
}

# One part of a path as we make them. There are no dots but the one before an ending, so no way up.
_FOLDER = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
_FILE = re.compile(r"[a-z]+\.(?P<ending>[a-z]+)")


@dataclass(frozen=True, slots=True)
class Preview:
    """What a token opens: the files under `location`, until `ends` (milliseconds)."""

    account: int
    project: int
    number: int
    location: str
    ends: int


@dataclass(frozen=True, slots=True)
class File:
    """One file of a version. `path` is its own, such as `about/index.html`: links in it are relative to that."""

    path: str
    content_type: str
    data: bytes


def create(
    caller: Caller,
    project_id: int,
    number: int,
    *,
    once: Once[tuple[str, Preview]] | None = None,
    now: clock.Now = clock.now,
) -> tuple[str, Preview]:
    """A new token for a version that is ready, and what it opens."""
    version = sites.ready(caller, project_id, number)
    token = spell_token(secrets.token_bytes(32)) if once is None else once.secret()
    preview = Preview(
        account=caller.account,
        project=project_id,
        number=number,
        location=str(version.location),
        ends=now() + VALID_MILLISECONDS,
    )
    store.create(token, preview, guard(once, (token, preview)))
    return token, preview


def spell_token(bits: bytes) -> str:
    """256 bits as a token: 64 hexadecimal digits."""
    return bits.hex()


def open(token: str, path: str, *, now: clock.Now = clock.now) -> File:
    """A file of the version that the token opens. NotFoundError, always the same, for all that opens nothing.

    `path` is decoded already. A folder stands for its `index.html`; see `File.path` for where the reader then is.
    """
    file = normalise(path)
    preview = store.find(token) if file and token.isascii() else None
    data = None
    if preview is not None and preview.ends > now():
        data = blobs.find(f"{preview.location}{sites.PUBLIC}{file}")
    if file is None or data is None:
        raise NotFoundError("preview", path)
    return File(file, CONTENT_TYPES[file.rpartition(".")[2]], data)


def normalise(path: str) -> str | None:
    """The file that a path means, such as `about/index.html` for `/about/`; None for a path that we never make."""
    if len(path) > MAX_PATH_LENGTH:
        return None
    parts = path.removeprefix("/").removesuffix("/").split("/")
    named = _FILE.fullmatch(parts[-1])
    if named is not None and not path.endswith("/"):
        if named["ending"] not in CONTENT_TYPES:
            return None
        folders, file = parts[:-1], parts[-1]
    else:
        folders, file = ([] if parts == [""] else parts), INDEX
    if not all(_FOLDER.fullmatch(folder) for folder in folders):
        return None
    return "/".join((*folders, file))
