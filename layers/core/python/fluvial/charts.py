"""The data of charts over a dataset, or over the result of a preparation, computed while the caller waits.

Opens Parquet: whoever imports this needs the engine.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from fluvial import chart_queries, dataset_versions, datasets, part_files
from fluvial.caller import Caller
from fluvial.chart_queries import ChartQuery
from fluvial.engine import chart_data
from fluvial.engine.chart_data import Chart
from fluvial.engine.manifest import Manifest, Part
from fluvial.engine.prune import pruned
from fluvial.engine.select import TooMuchMemoryError, TooSlowError
from fluvial.errors import TooLargeError

# Of the parts that one chart looks through. They come at some 70 MB a second, and stay for the next chart.
MAX_BYTES = 1024 * 1024 * 1024
# What stays on the disk of a warm function; with the parts of one chart beside it, it fits on there.
CACHE_BYTES = 1536 * 1024 * 1024
TIMEOUT_SECONDS = 20  # of the 29 that the gateway waits
INSTEAD = "filter, or have it computed as a job, by an analysis or a report"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about one version of a dataset that can be read; `etag` changes with both, and with no more."""

    query: ChartQuery
    dataset: datasets.Dataset

    @property
    def etag(self) -> str:
        return chart_queries.etag(self.query, self.dataset.id, self.dataset.version)


def ask(caller: Caller, dataset_id: int, query: object, *, version: int | None = None) -> Asked:
    """The question about a version, the current one by default. Two reads of the table, or three with a version.

    InvalidError for a query that is none; ConflictError where the version has no rows.
    """
    parsed = chart_queries.parse(query, field="")
    return Asked(parsed, dataset_versions.readable(caller, dataset_id, version))


def answer(asked: Asked) -> Chart:
    """The answer. One read of the bucket for the manifest and one for each part, but for those that are still here.

    InvalidError where the question does not fit the dataset; TooLargeError where it is over more than MAX_BYTES, takes
    longer than TIMEOUT_SECONDS or too much memory.
    """
    end = time.monotonic() + TIMEOUT_SECONDS
    location = str(asked.dataset.location)
    manifest = Manifest.from_json(_file(location + datasets.MANIFEST).read_bytes())
    chart_queries.check(asked.query, {column.name: column.type for column in manifest.columns}, field="")
    parts = pruned(manifest.parts, manifest.columns, asked.query.filters)
    size = sum(part.bytes for part in parts)
    if size > MAX_BYTES:
        raise _too_large(f"would have to look through {size} bytes, and one request looks through {MAX_BYTES} at most")
    files = [(_fetched(part, location, end), part.rows) for part in parts]
    try:
        return chart_data.answer(
            asked.query, manifest.columns, files, timeout_seconds=max(end - time.monotonic(), 0.0), field=""
        )
    except TooSlowError as error:
        raise _too_slow() from error
    except TooMuchMemoryError as error:
        raise _too_large("takes more memory than a request has") from error


def _fetched(part: Part, location: str, end: float) -> Path:
    if time.monotonic() > end:
        raise _too_slow()
    return _file(part.key(location))


def _file(key: str) -> Path:
    return part_files.fetched(key, keep_bytes=CACHE_BYTES)


def _too_slow() -> TooLargeError:
    return _too_large(f"takes more than {TIMEOUT_SECONDS} seconds")


def _too_large(why: str) -> TooLargeError:
    return TooLargeError(f"The chart {why}: {INSTEAD}.", limit_bytes=MAX_BYTES)
