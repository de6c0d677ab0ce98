"""Rows of a dataset, by page. A page at any offset opens one or two Parquet parts, found from the manifest."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluvial import blobs, datasets
from fluvial.caller import Caller
from fluvial.engine.manifest import Manifest
from fluvial.engine.rows import locate, read_page, read_rejects

# Parts stay on the disk of a warm function while they fit: pages of one dataset tend to follow each other.
CACHE = Path(tempfile.gettempdir(), "fluvial-parts")
CACHE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows (or rejected rows) from an offset on, of `total`, as JSON values; and the version that they are of."""

    items: list[dict[str, Any]]
    total: int
    version: int


def page(caller: Caller, dataset_id: int, *, offset: int, limit: int) -> Rows:
    """At most `limit` rows in the source's order; past the end there are none."""
    dataset = datasets.ready(caller, dataset_id)
    manifest = _manifest(dataset)
    parts = [(_cached(dataset, part.file), skip, take) for part, skip, take in locate(manifest, offset, limit)]
    return Rows(read_page(parts, manifest.columns), manifest.rows, dataset.version)


def rejects_page(caller: Caller, dataset_id: int, *, offset: int, limit: int) -> Rows:
    """At most `limit` rejected rows with line, column, cause and raw text."""
    dataset = datasets.ready(caller, dataset_id)
    manifest = _manifest(dataset)
    if manifest.rejects_file is None:
        return Rows([], 0, dataset.version)
    file = _cached(dataset, manifest.rejects_file)
    return Rows(read_rejects(file, offset, limit), manifest.rejected, dataset.version)


def _manifest(dataset: datasets.Dataset) -> Manifest:
    return Manifest.from_json(_cached(dataset, datasets.MANIFEST).read_bytes())


def _cached(dataset: datasets.Dataset, name: str) -> Path:
    """The file of the dataset's version, on disk. A version never changes, so what is there is right."""
    key = f"{dataset.location}{name}"
    path = CACHE / key.replace("/", "_")
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        _make_room()
        # Under its name only when it is whole: a function that is stopped while fetching leaves no half part.
        partial = path.with_suffix(".partial")
        blobs.fetch(key, partial)
        partial.rename(path)
    return path


def _make_room() -> None:
    files = sorted(CACHE.iterdir(), key=lambda file: file.stat().st_mtime)
    used = sum(file.stat().st_size for file in files)
    while files and used > CACHE_BYTES:
        used -= files[0].stat().st_size
        files.pop(0).unlink()
