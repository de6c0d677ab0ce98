"""The rejects of a version as one file: what the ingest stored, NDJSON with line, column, cause and raw text."""

from __future__ import annotations

from dataclasses import dataclass

from fluvial import blobs, clock, dataset_versions
from fluvial.caller import Caller

FILE = "rejects.ndjson"  # under a version's location, where anything was rejected
CONTENT_TYPE = "application/x-ndjson"
LINK_VALID_SECONDS = clock.HOUR // clock.SECOND


@dataclass(frozen=True, slots=True)
class Download:
    """`url` gives the file to its holder for an hour; without rejects there is none."""

    version: int
    filename: str
    rows: int
    bytes: int
    url: str | None


def download(caller: Caller, dataset_id: int, *, version: int | None = None) -> Download:
    """The rejects of a version, by default the current one. One question to the bucket, for the size.

    ConflictError where the version kept none.
    """
    dataset = dataset_versions.with_rejects(caller, dataset_id, version)
    key = f"{dataset.location}{FILE}"
    size = blobs.size(key) if dataset.rejected else None
    filename = f"{dataset.title.rsplit('.', 1)[0] or dataset.title}-rejects-{dataset.version}.ndjson"
    if size is None:
        return Download(dataset.version, filename, 0, 0, None)
    url = blobs.presign_download(key, filename=filename, content_type=CONTENT_TYPE, valid_seconds=LINK_VALID_SECONDS)
    return Download(dataset.version, filename, dataset.rejected or 0, size, url)
