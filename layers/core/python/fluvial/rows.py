"""Rows of a dataset, by page. A page at any offset opens one or two Parquet parts, found from the manifest.

With a filter or a sort it opens every part that can have rows of it, which is bounded in bytes and in time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluvial import dataset_versions, datasets, part_files, selections
from fluvial.caller import Caller
from fluvial.engine.manifest import Column, Manifest, Part
from fluvial.engine.prune import pruned
from fluvial.engine.rows import locate, read_page, read_rejects
from fluvial.engine.select import TooMuchMemoryError, TooSlowError, select
from fluvial.errors import TooLargeError

# What stays on the disk of a warm function: pages of one dataset tend to follow each other.
CACHE_BYTES = 512 * 1024 * 1024
# Of parts that one filter or sort looks through; what one request needs has to fit into the cache.
MAX_SELECTED_BYTES = 256 * 1024 * 1024
TIMEOUT_SECONDS = 20  # of the 29 that the gateway waits


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows (or rejected rows) from an offset on, of `total`, as JSON values; and the version that they are of."""

    items: list[dict[str, Any]]
    total: int
    version: int


def page(
    caller: Caller,
    dataset_id: int,
    *,
    offset: int,
    limit: int,
    selection: selections.Selection = selections.EVERYTHING,
    version: int | None = None,
) -> Rows:
    """At most `limit` rows of a selection, in the source's order unless it sorts; past the end there are none.

    They are of the current version unless another is named.

    InvalidError for columns that the data does not have; TooLargeError where the filter or the sort is over more than
    MAX_SELECTED_BYTES, or takes too long or too much memory.
    """
    dataset = dataset_versions.readable(caller, dataset_id, version)
    manifest = _manifest(dataset)
    selections.check(selection, {column.name: column.type for column in manifest.columns})
    by_name = {column.name: column for column in manifest.columns}
    shown = manifest.columns if selection.columns is None else [by_name[name] for name in selection.columns]
    if selection.filters or selection.sort:
        items, total = _selected(dataset, manifest, shown, selection, offset, limit)
        return Rows(items, total, dataset.version)
    parts = [(_cached(dataset, part), skip, take) for part, skip, take in locate(manifest, offset, limit)]
    return Rows(read_page(parts, shown, names=by_name), manifest.rows, dataset.version)


def _selected(
    dataset: datasets.Dataset,
    manifest: Manifest,
    shown: Sequence[Column],
    selection: selections.Selection,
    offset: int,
    limit: int,
) -> tuple[list[dict[str, Any]], int]:
    """The rows of a filter or a sort, from the parts that can have any, and their number."""
    end = time.monotonic() + TIMEOUT_SECONDS
    parts = pruned(manifest.parts, manifest.columns, selection.filters)
    size = sum(part.bytes for part in parts)
    if size > MAX_SELECTED_BYTES:
        raise _too_large(selection, f"would have to look through {size} bytes, more than {MAX_SELECTED_BYTES}")
    files = []
    for part in parts:
        if time.monotonic() > end:
            raise _too_large(selection, f"takes more than {TIMEOUT_SECONDS} seconds")
        files.append((_cached(dataset, part), part.first_row))
    try:
        return select(
            files,
            manifest.columns,
            shown,
            selection,
            offset=offset,
            limit=limit,
            timeout_seconds=end - time.monotonic(),
        )
    except TooSlowError as error:
        raise _too_large(selection, f"takes more than {TIMEOUT_SECONDS} seconds") from error
    except TooMuchMemoryError as error:
        raise _too_large(selection, "takes more memory than a request has") from error


def _too_large(selection: selections.Selection, why: str) -> TooLargeError:
    field = "filter" if selection.filters else "sort"
    return TooLargeError(
        f"The {field} {why}: narrow the filter, or use an export or an analysis.",
        field=field,
        limit_bytes=MAX_SELECTED_BYTES,
    )


def rejects_page(caller: Caller, dataset_id: int, *, offset: int, limit: int, version: int | None = None) -> Rows:
    """At most `limit` rejected rows with line, column, cause and raw text."""
    dataset = dataset_versions.with_rejects(caller, dataset_id, version)
    manifest = _manifest(dataset)
    if manifest.rejects_file is None:
        return Rows([], 0, dataset.version)
    file = _fetched(f"{dataset.location}{manifest.rejects_file}")
    return Rows(read_rejects(file, offset, limit), manifest.rejected, dataset.version)


def _manifest(dataset: datasets.Dataset) -> Manifest:
    return Manifest.from_json(_fetched(f"{dataset.location}{datasets.MANIFEST}").read_bytes())


def _cached(dataset: datasets.Dataset, part: Part) -> Path:
    return _fetched(part.key(str(dataset.location)))


def _fetched(key: str) -> Path:
    return part_files.fetched(key, keep_bytes=CACHE_BYTES)
