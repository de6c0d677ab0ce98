"""Versions of a dataset: a chain in which every import adds one and nothing is ever changed.

`imports` ───────────────────────── version n (processing), job (queued), the dataset is being imported
                                          │ ingest worker
                                          ├─ finish: ready, and the dataset points at it     event data.processed
                                          ├─ same:   unchanged, the file is the current one  event data.processed
                                          ├─ plan:   planned, for a dry run; data as it was  no event
                                          └─ fail:   failed with a reason, data as it was;   event data.failed
                                                     keeps its rejects where they are all of the file
`preparations` ──────────────────── the same, but for the dry run, in the transactions of an execution
point ─────────────────────────────────── the dataset points at an earlier version         event data.version_changed

A dataset takes one import at a time. Each gets a number, also one that makes no rows. Readers see the version before
or the one after: which one is current is one attribute of the dataset.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from fluvial import blobs, clock, datasets, events, jobs
from fluvial.attempts import attempts
from fluvial.caller import Caller
from fluvial.errors import ConflictError, NotFoundError
from fluvial.idempotency import Once, guard
from fluvial.paging import Slice
from fluvial.store import dataset_versions as store
from fluvial.store.table import Action

CREATE = "create"
PREPARE = "prepare"
# Larger ones stand in the manifest alone: a list of a thousand datasets has to stay a list.
MAX_SHAPE_BYTES = 4 * 1024
Shape = tuple[tuple[str, str], ...]
"""Names and types of columns."""
LINEAGE = "lineage.json"  # under the location of a version that was made by a preparation


@dataclass(frozen=True, slots=True)
class MadeBy:
    """The execution of a preparation: `inputs` are datasets with their versions, by the names that the recipe has.

    `sha256` is equal where recipe (`recipe_sha256`) and inputs are. The recipe itself lies in LINEAGE.
    """

    preparation: int
    revision: int
    sha256: str
    recipe_sha256: str
    inputs: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Version:
    """One import, and what became of it. Times in milliseconds, sizes in bytes.

    `status` is processing, ready, failed, planned (a dry run) or unchanged (`same_as` is the version that the file is
    already). `parent` is the version that it changed, 0 for none. `counts` and `changes` say what it did to the rows
    and columns of that one; `rows` are all rows of the version. `replays` is the version whose rejects were sent again,
    as so many `records`. `location` is the prefix of what it is in the bucket: of one that failed, just its rejects.
    `made_by` is what made a version that is no import; it has no source, and `size` is that of its parts.
    `shape` are its columns, unless they are too many.
    """

    account: int
    dataset: int
    number: int
    job: int
    by: int
    mode: str
    created: int
    filename: str
    size: int
    source: str  # key of the original bytes
    incoming: str | None = None  # key of the upload; None where the source is that of another version
    etag: str | None = None  # of the upload as it was completed; until its bytes are kept, it may be replaced
    format: str | None = None
    key: tuple[str, ...] = ()
    drift: str = "evolve"
    options: dict[str, Any] = field(default_factory=dict)
    dry_run: bool = False
    parent: int = 0
    replays: int | None = None
    records: int | None = None
    status: str = "processing"
    ended: int | None = None
    rows: int | None = None
    rejected: int | None = None
    columns: int | None = None
    found_format: str | None = None
    sha256: str | None = None
    counts: dict[str, int] | None = None
    changes: dict[str, Any] | None = None
    location: str | None = None
    same_as: int | None = None
    failure: str | None = None
    made_by: MadeBy | None = None
    silent: bool = False  # whether nobody is told of its events
    shape: Shape | None = None


@dataclass(frozen=True, slots=True)
class Rejects:
    """What a worker kept of a file of which every record was rejected; `location` is its prefix in the bucket."""

    count: int
    format: str
    sha256: str
    location: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a worker found out of a version's file, and did with it; `size` where there is no file."""

    rows: int
    rejected: int
    columns: int
    format: str
    sha256: str | None
    counts: dict[str, int]
    changes: dict[str, Any]
    location: str
    size: int | None = None
    shape: Shape | None = None


def shape_of(columns: Iterable[tuple[str, str]]) -> Shape | None:
    """Names and types of columns, as datasets carry them; None for more than MAX_SHAPE_BYTES of them."""
    shape = tuple(columns)
    size = len(json.dumps(shape, ensure_ascii=False).encode(errors="replace"))
    return shape if size <= MAX_SHAPE_BYTES else None


def first(dataset: datasets.Dataset, by: int) -> Version:
    """Version 1 of a new dataset: its file."""
    return Version(
        account=dataset.account,
        dataset=dataset.id,
        number=1,
        job=dataset.job,
        by=by,
        mode=CREATE,
        created=dataset.created,
        filename=dataset.filename,
        size=dataset.size,
        source=blobs.source(dataset.account, dataset.id, dataset.job),
        incoming=dataset.incoming,
        format=dataset.format,
    )


def get(caller: Caller, dataset_id: int, number: int) -> Version:
    """The version; NotFoundError where dataset or version are absent, foreign or out of reach."""
    return of(datasets.get(caller, dataset_id), number)


def of(dataset: datasets.Dataset, number: int) -> Version:
    """The version of a dataset that the caller may see; NotFoundError where there is none."""
    found = store.get(dataset.account, dataset.id, number)
    if found is None:
        raise NotFoundError("version", str(number))
    return found


def lineage(version: Version) -> dict[str, Any] | None:
    """What made a version that is no import, as `steps.Lineage` tells it; None of others. One read of the bucket."""
    if version.made_by is None or version.location is None:
        return None
    told: dict[str, Any] = json.loads(blobs.get(version.location + LINEAGE))
    return told


def page(caller: Caller, dataset_id: int, *, offset: int, limit: int) -> Slice[Version]:
    """The versions, newest first. Numbers have no gaps, so a page costs the same wherever it is."""
    dataset = datasets.get(caller, dataset_id)
    newest = dataset.latest - offset
    found = store.page(dataset.account, dataset.id, newest=newest, limit=limit) if newest > 0 else []
    return Slice(found, offset, dataset.latest)


def readable(caller: Caller, dataset_id: int, number: int | None) -> datasets.Dataset:
    """The dataset as it is at a version, the current one by default; ConflictError where that has no rows."""
    if number is None:
        return datasets.ready(caller, dataset_id)
    dataset = datasets.get(caller, dataset_id)
    version = of(dataset, number)
    if version.status != "ready":
        raise ConflictError(f"Version {number} has no rows: it is {version.status}.")
    return _pointed(dataset, version)


def with_rejects(caller: Caller, dataset_id: int, number: int | None) -> datasets.Dataset:
    """As `readable`, but for the rejects: a version that failed has them where they are all of its file."""
    if number is None:
        return datasets.ready(caller, dataset_id)
    dataset = datasets.get(caller, dataset_id)
    return _pointed(dataset, keeping_rejects(dataset, number))


def keeping_rejects(dataset: datasets.Dataset, number: int) -> Version:
    """The version, if what it rejected was kept; else ConflictError."""
    version = of(dataset, number)
    if version.location is None:
        raise ConflictError(f"Version {number} kept no rejects: it is {version.status}.", field="version")
    return version


def point(
    caller: Caller,
    dataset_id: int,
    number: int | None = None,
    *,
    once: Once[datasets.Dataset] | None = None,
    now: clock.Now = clock.now,
) -> datasets.Dataset:
    """Makes a version the current one, by default the one before; with the event `data.version_changed`.

    Nothing is removed: the way back is the same call. ConflictError during an import, whose version is going to stand
    on the current one.
    """
    for _ in attempts(f"dataset {dataset_id}"):
        dataset = datasets.ready(caller, dataset_id)
        refuse_importing(dataset)
        wanted = _before(dataset) if number is None else number
        version = of(dataset, wanted)
        if version.status != "ready":
            raise ConflictError(f"Version {wanted} has no rows: it is {version.status}.", field="version")
        if wanted == dataset.version:
            store.note(guard(once, dataset))
            return dataset
        moved = replace(_pointed(dataset, version), updated=max(now(), dataset.updated))
        data = {**moved.described(), "version": wanted, "before": dataset.version}
        event = events.happened(caller.account, "data.version_changed", data, at=moved.updated)
        if store.point(dataset, moved, event, guard(once, moved)):
            return moved
    raise AssertionError("unreachable: attempts end with an error")


def refuse_importing(dataset: datasets.Dataset) -> None:
    """ConflictError while an import is under way."""
    if dataset.importing is not None:
        raise ConflictError("The data is being imported: wait until that import has ended.")


def finish(
    job: jobs.Job, dataset: datasets.Dataset, version: Version, found: Found, *, now: clock.Now = clock.now
) -> bool:
    """Points the dataset at the version that the job made; False where the dataset or the job's lease is gone."""
    moment = now()
    return _end(job, *_finished(dataset, version, found, moment), "data.processed", moment)


def same(job: jobs.Job, dataset: datasets.Dataset, version: Version, *, now: clock.Now = clock.now) -> bool:
    """Ends an import whose file the current version is already; returns as `finish` does."""
    moment = now()
    return _end(job, *_same(dataset, version, moment), "data.processed", moment)


def planned(
    job: jobs.Job,
    dataset: datasets.Dataset,
    version: Version,
    counts: dict[str, int],
    changes: dict[str, Any],
    *,
    now: clock.Now = clock.now,
) -> bool:
    """Ends a dry run with what would have happened; returns as `finish` does."""
    moment = now()
    done = replace(
        version, status="planned", ended=moment, counts=counts, changes=changes, rejected=counts.get("reject")
    )
    return _end(job, dataset, done, None, moment)


def fail(
    job: jobs.Job,
    dataset: datasets.Dataset,
    version: Version,
    reason: str,
    *,
    rejects: Rejects | None = None,
    state: jobs.Unfinished = "failed",
    now: clock.Now = clock.now,
) -> bool:
    """Ends version and job as failed, and a dataset without rows with them; returns as `finish` does.

    `state` is the job's: one that was called off is cancelled.
    """
    moment = now()
    dataset, failed = _failed(dataset, version, reason, moment)
    if rejects is not None:
        failed = replace(
            failed,
            rejected=rejects.count,
            found_format=rejects.format,
            sha256=rejects.sha256,
            location=rejects.location,
        )
    return _end(job, dataset, failed, None if version.dry_run else "data.failed", moment, state)


def outcome(
    dataset: datasets.Dataset, version: Version, *, moment: int, found: Found | None = None, failure: str | None = None
) -> list[Action]:
    """What `finish` (with what was found), `fail` (with a failure) or `same` stores, for another's transaction.

    The condition of the first action is that the dataset is there and still waits for the version's job.
    """
    if found is not None:
        return _actions(*_finished(dataset, version, found, moment), "data.processed", moment)
    if failure is not None:
        return _actions(*_failed(dataset, version, failure, moment), "data.failed", moment)
    return _actions(*_same(dataset, version, moment), "data.processed", moment)


def _finished(
    dataset: datasets.Dataset, version: Version, found: Found, moment: int
) -> tuple[datasets.Dataset, Version]:
    done = replace(
        version,
        status="ready",
        ended=moment,
        rows=found.rows,
        rejected=found.rejected,
        columns=found.columns,
        found_format=found.format,
        sha256=found.sha256,
        counts=found.counts,
        changes=found.changes,
        location=found.location,
        shape=found.shape,
        size=version.size if found.size is None else found.size,
    )
    return replace(_pointed(dataset, done), updated=moment), done


def _same(dataset: datasets.Dataset, version: Version, moment: int) -> tuple[datasets.Dataset, Version]:
    return dataset, replace(version, status="unchanged", ended=moment, same_as=dataset.version)


def _failed(dataset: datasets.Dataset, version: Version, reason: str, moment: int) -> tuple[datasets.Dataset, Version]:
    if dataset.location is None:
        dataset = replace(dataset, status="failed", failure=reason, updated=moment)
    # One that has rows keeps them, and stays as it was.
    return dataset, replace(version, status="failed", ended=moment, failure=reason)


def _end(
    job: jobs.Job,
    dataset: datasets.Dataset,
    version: Version,
    type_: str | None,
    moment: int,
    state: Literal["succeeded", "failed", "cancelled"] = "succeeded",
) -> bool:
    return store.end(job, version, _actions(dataset, version, type_, moment), state=state, now=moment)


def _actions(dataset: datasets.Dataset, version: Version, type_: str | None, moment: int) -> list[Action]:
    event = None
    if type_ is not None:
        data: dict[str, Any] = {**dataset.described(), "version": version.same_as or version.number}
        data |= {"mode": version.mode, "counts": version.counts}
        if version.failure is not None:
            data["failure"] = {"reason": version.failure}
        event = events.happened(dataset.account, type_, data, at=moment, silent=version.silent)
    changed = version.status == "ready" or (version.status == "failed" and dataset.location is None)
    return store.outcome(dataset, version, event, changed=changed, now=moment)


def _pointed(dataset: datasets.Dataset, version: Version) -> datasets.Dataset:
    return replace(
        dataset,
        status="ready",
        version=version.number,
        rows=version.rows,
        rejected=version.rejected,
        columns=version.columns,
        found_format=version.found_format,
        location=version.location,
        shape=version.shape,
        failure=None,
        size=dataset.size if version.made_by is None else version.size,
    )


def _before(dataset: datasets.Dataset) -> int:
    parent = of(dataset, dataset.version).parent
    if not parent:
        raise ConflictError("There is no version before this one: there is nothing to undo.", field="version")
    return parent


def repeats(version: Version, current: Version | None, sha256: str) -> bool:
    """Whether the current version is this very import: the same bytes, read and used in the same way."""
    if current is None or current.sha256 != sha256:
        return False
    return _way(current) == _way(version)


def _way(version: Version) -> tuple[Any, ...]:
    mode = "replace" if version.mode == CREATE else version.mode
    return mode, version.key, version.drift, version.options, version.format
