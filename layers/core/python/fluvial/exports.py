"""Exports: rows of one version of a dataset as a file, made once and there for a week.

create ──> queued ──claim──> running ──finish──> completed   event export.completed
                                └────fail──────> failed      event export.failed

An export is of one version, by default the one that is current when it is asked for. It ends
with as many rows as there are, or it fails. Deleting the dataset takes its exports along.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from fluvial import blobs, clock, dataset_versions, datasets, events, ids, jobs, selections
from fluvial.caller import Caller
from fluvial.errors import InvalidError, NotFoundError
from fluvial.idempotency import Once, guard
from fluvial.selections import Selection
from fluvial.store import exports as store
from fluvial.store import jobs as stored_jobs

EXPORT = "export"  # the kind of its jobs
KEPT_MILLISECONDS = 7 * clock.DAY  # the bucket's lifecycle keeps the file a little longer
LINK_VALID_SECONDS = clock.HOUR // clock.SECOND
CREATE_ATTEMPTS = 3

CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
FORMATS = tuple(CONTENT_TYPES)
DELIMITERS = (",", ";", "\t", "|")
MAX_SHEET_ROWS = (
    1_048_576 - 1
)  # below the header, https://support.microsoft.com/office/1672b34d-7043-467e-8e27-269d656771c3
MAX_TITLE_LENGTH = 200
MAX_SELECTION_BYTES = 200 * 1024  # an export has to fit into one item


@dataclass(frozen=True, slots=True)
class Wanted:
    """What kind of file, of which rows; `parse` makes one that can be had.

    `neutralise_formulas` puts an apostrophe before texts that a spreadsheet would compute: it changes the data.
    """

    format: str
    selection: Selection = selections.EVERYTHING
    delimiter: str = ","
    neutralise_formulas: bool = False


@dataclass(frozen=True, slots=True)
class Export:
    """Times in milliseconds; `status` is queued, running, completed or failed.

    `version` and `location` are those of the dataset that it is of. `file` is the key of what was made, `rows` and
    `bytes` are its size; `failure` says why there is none, for people.
    """

    id: int
    account: int
    project: int
    dataset: int
    title: str
    version: int
    location: str
    job: int
    wanted: Wanted
    created: int
    updated: int
    status: str = "queued"
    file: str | None = None
    rows: int | None = None
    bytes: int | None = None
    failure: str | None = None

    @property
    def expires(self) -> int:
        """When nobody is told of it any more."""
        return self.created + KEPT_MILLISECONDS

    @property
    def filename(self) -> str:
        """The name that the file is downloaded under."""
        stem = self.title.rsplit(".", 1)[0] or self.title
        return f"{stem[:MAX_TITLE_LENGTH]}.{self.wanted.format}"

    def described(self) -> dict[str, Any]:
        """The export as events show it: without a link, which would be open to whoever reads the event."""
        described: dict[str, Any] = {
            "id": ids.spell(ids.EXPORT, self.id),
            "project_id": ids.spell(ids.PROJECT, self.project),
            "data_id": ids.spell(ids.DATASET, self.dataset),
            "data_version": self.version,
            "format": self.wanted.format,
            "status": self.status,
            "rows": self.rows,
            "bytes": self.bytes,
            "created_at": clock.iso(self.created),
            "expires_at": clock.iso(self.expires),
        }
        if self.failure is not None:
            described["failure"] = {"reason": self.failure}
        return described


def parse(
    *, format: str, selection: Selection, delimiter: str | None = None, neutralise_formulas: bool = False
) -> Wanted:
    """What is wanted; InvalidError for what no such file can have."""
    if format not in FORMATS:
        raise InvalidError("format", f"'{format[:50]}' is not a format.", value=format, constraint=", ".join(FORMATS))
    if delimiter is not None and format != "csv":
        raise InvalidError("delimiter", "Only CSV has a 'delimiter'.", value=delimiter)
    if delimiter is not None and delimiter not in DELIMITERS:
        allowed = "a comma, a semicolon, a tab or a vertical bar"
        raise InvalidError("delimiter", f"'delimiter' must be {allowed}.", value=delimiter, constraint=allowed)
    if neutralise_formulas and format not in ("csv", "xlsx"):
        raise InvalidError("neutralise_formulas", "Only csv and xlsx are opened by spreadsheets.", value=True)
    size = len(json.dumps(selection.to_json(), ensure_ascii=False).encode())
    if size > MAX_SELECTION_BYTES:
        reason = f"Columns, filter and sort take {size} bytes as JSON; at most {MAX_SELECTION_BYTES} can be kept."
        raise InvalidError("filter", reason, constraint=f"at most {MAX_SELECTION_BYTES} bytes")
    return Wanted(format, selection, delimiter or ",", neutralise_formulas)


def create(
    caller: Caller,
    dataset_id: int,
    wanted: Wanted,
    *,
    version: int | None = None,
    once: Once[Export] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Export:
    """Records an export of a version, by default the current one, which a worker makes.

    One read of the bucket, for its columns.
    """
    dataset = dataset_versions.readable(caller, dataset_id, version)
    manifest = datasets.manifest(dataset)
    if manifest is None or dataset.location is None:
        raise AssertionError("unreachable: data that is ready has a manifest")
    selections.check(wanted.selection, {column["name"]: column["type"] for column in manifest["columns"]})
    if wanted.format == "xlsx" and not wanted.selection.filters:
        check_sheet(manifest["rows"])
    moment = now()
    export = Export(
        id=0,
        account=dataset.account,
        project=dataset.project,
        dataset=dataset.id,
        title=dataset.title,
        version=dataset.version,
        location=dataset.location,
        job=0,
        wanted=wanted,
        created=moment,
        updated=moment,
    )
    for _ in range(CREATE_ATTEMPTS):
        export = replace(export, id=new_id(), job=new_id())
        inputs = {"export": export.id, "dataset": export.dataset}
        job = jobs.Job(export.job, export.account, EXPORT, inputs, moment)
        outcome = store.create(export, job, guard(once, export))
        if outcome == "created":
            return export
        if outcome == "dataset_gone":
            raise NotFoundError("dataset", dataset_id)
    raise RuntimeError("no free id was found for an export")


def check_sheet(rows: int) -> None:
    """InvalidError where so many rows fit into no worksheet."""
    if rows > MAX_SHEET_ROWS:
        raise InvalidError(
            "format",
            f"A worksheet holds {MAX_SHEET_ROWS} rows below its header, and there are {rows}: filter, or export CSV.",
            value="xlsx",
            constraint=f"at most {MAX_SHEET_ROWS} rows",
        )


def get(caller: Caller, dataset_id: int, export_id: int, *, now: clock.Now = clock.now) -> Export:
    """The export; NotFoundError for an absent one, one whose week is over, and one of data that is out of reach."""
    dataset = datasets.get(caller, dataset_id)
    export = store.get(dataset.account, dataset.id, export_id)
    if export is None or export.expires <= now():
        raise NotFoundError("export", export_id)
    if export.status == "queued":
        job = stored_jobs.get(export.account, export.job)
        if job is not None and job.state == "running":
            return replace(export, status="running")
    return export


def link(export: Export) -> str | None:
    """A URL for its file, for an hour; None where there is no file. Made anew at each call, without a call to AWS."""
    if export.file is None:
        return None
    return blobs.presign_download(
        export.file,
        filename=export.filename,
        content_type=CONTENT_TYPES[export.wanted.format],
        valid_seconds=LINK_VALID_SECONDS,
    )


def finish(job: jobs.Job, export: Export, *, file: str, rows: int, bytes: int, now: clock.Now = clock.now) -> bool:
    """Points the export at the file that the job made; False where the export or the job's lease is gone."""
    completed = replace(export, status="completed", file=file, rows=rows, bytes=bytes, updated=now())
    return _end(job, completed, "succeeded")


def fail(
    job: jobs.Job, export: Export, reason: str, *, state: jobs.Unfinished = "failed", now: clock.Now = clock.now
) -> bool:
    """Ends export and job as failed; False where the export or the job's lease is gone.

    `state` is the job's: one that was called off is cancelled.
    """
    return _end(job, replace(export, status="failed", failure=reason, updated=now()), state)


def sweep(account_id: int, dataset_id: int) -> None:
    """Removes what a deleted dataset leaves behind of exports. Safe to repeat."""
    blobs.delete_all(blobs.exports(account_id, dataset_id))
    store.forget(account_id, dataset_id)


def _end(job: jobs.Job, ended: Export, state: str) -> bool:
    event = events.happened(ended.account, f"export.{ended.status}", ended.described(), at=ended.updated)
    return store.end(job, ended, event, state)
