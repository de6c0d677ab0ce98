"""Files of dataset versions on the disk of a warm function, kept from one request to the next while they fit.

A version never changes, so a file that is there is right, whoever fetched it. The one that was used longest ago goes
first.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from fluvial import blobs

FOLDER = Path(tempfile.gettempdir(), "fluvial-parts")


def fetched(key: str, *, keep_bytes: int) -> Path:
    """The object of this key as a file; one read of the bucket unless it is there already.

    What is kept beside it makes room until it takes no more than `keep_bytes`. Files of one request are not taken from
    each other as long as these fit into that together.
    """
    path = FOLDER / key.replace("/", "_")
    if path.exists():
        # What is in use is not what has to make room for the next part of the same request.
        path.touch()
        return path
    FOLDER.mkdir(exist_ok=True)
    _make_room(keep_bytes)
    # Under its name only when it is whole: a function that is stopped while fetching leaves no half part.
    partial = path.with_name(f"{path.name}.partial")
    blobs.fetch(key, partial)
    partial.rename(path)
    return path


def _make_room(keep_bytes: int) -> None:
    files = sorted(FOLDER.iterdir(), key=lambda file: file.stat().st_mtime_ns)
    used = sum(file.stat().st_size for file in files)
    while files and used > keep_bytes:
        used -= files[0].stat().st_size
        files.pop(0).unlink()
