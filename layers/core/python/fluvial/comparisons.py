"""Comparisons of two versions of a dataset: computed once, and there for a week.

create ──> queued ──claim──> running ──finish──> completed
                                └────fail──────> failed

How the columns differ is told at once, from the two manifests. How the rows do is told by a worker, which reads the
parts that only one of the versions has (`engine.compare`). Versions never change, so neither does what it finds.
Deleting the dataset takes its comparisons along.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fluvial import blobs, clock, dataset_versions, datasets, ids, imports, jobs
from fluvial.caller import Caller
from fluvial.dataset_versions import Version
from fluvial.errors import ConflictError, InvalidError, NotFoundError
from fluvial.idempotency import Once, guard
from fluvial.store import comparisons as store
from fluvial.store import jobs as stored_jobs

COMPARISON = "comparison"  # the kind of its jobs
KEPT_MILLISECONDS = 7 * clock.DAY  # the bucket's lifecycle keeps the rows a little longer
CREATE_ATTEMPTS = 3
MAX_NAMES_SHOWN = 20

Columns = Sequence[Mapping[str, Any]]
"""Columns as a manifest's JSON has them."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Times in milliseconds; `status` is queued, running, completed or failed.

    `columns` says how those differ: added, removed and changed. `counts` has rows added, removed, changed and
    unchanged, and `differences` is the key of an object with the first of them; `truncated`: there are more.
    """

    id: int
    account: int
    dataset: int
    before: int
    after: int
    before_location: str
    after_location: str
    rows_before: int
    rows_after: int
    key: tuple[str, ...]
    columns: dict[str, list[dict[str, str]]]
    job: int
    created: int
    updated: int
    status: str = "queued"
    counts: dict[str, int] | None = None
    differences: str | None = None
    truncated: bool | None = None
    failure: str | None = None

    @property
    def expires(self) -> int:
        """When nobody is told of it any more."""
        return self.created + KEPT_MILLISECONDS


def create(
    caller: Caller,
    dataset_id: int,
    *,
    before: int,
    after: int,
    key: Sequence[str] | None = None,
    once: Once[Comparison] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Comparison:
    """Records a comparison, whose rows a worker compares. Two reads of the bucket, for the columns.

    Without `key` it is the one that the later version was imported by, or else the dataset's, if both versions have its
    columns; an empty one compares rows as a whole. ConflictError for a version without rows, InvalidError for a key
    that is not one of both.
    """
    dataset = datasets.get(caller, dataset_id)
    first, second = _with_rows(dataset, before, "from_version"), _with_rows(dataset, after, "to_version")
    old, new = _columns(dataset, first), _columns(dataset, second)
    moment = now()
    comparison = Comparison(
        id=0,
        account=dataset.account,
        dataset=dataset.id,
        before=first.number,
        after=second.number,
        before_location=str(first.location),
        after_location=str(second.location),
        rows_before=first.rows or 0,
        rows_after=second.rows or 0,
        key=_key(key, second, dataset, {first.number: old, second.number: new}),
        columns=_changes(old, new),
        job=0,
        created=moment,
        updated=moment,
    )
    for _ in range(CREATE_ATTEMPTS):
        comparison = replace(comparison, id=new_id(), job=new_id())
        inputs = {"comparison": comparison.id, "dataset": comparison.dataset}
        job = jobs.Job(comparison.job, comparison.account, COMPARISON, inputs, moment)
        outcome = store.create(comparison, job, guard(once, comparison))
        if outcome == "created":
            return comparison
        if outcome == "dataset_gone":
            raise NotFoundError("dataset", dataset_id)
    raise RuntimeError("no free id was found for a comparison")


def get(caller: Caller, dataset_id: int, comparison_id: int, *, now: clock.Now = clock.now) -> Comparison:
    """The comparison; NotFoundError for an absent one, one whose week is over, and data that is out of reach."""
    dataset = datasets.get(caller, dataset_id)
    comparison = store.get(dataset.account, dataset.id, comparison_id)
    if comparison is None or comparison.expires <= now():
        raise NotFoundError("comparison", comparison_id)
    if comparison.status == "queued":
        job = stored_jobs.get(comparison.account, comparison.job)
        if job is not None and job.state == "running":
            return replace(comparison, status="running")
    return comparison


def differences(comparison: Comparison) -> list[dict[str, Any]] | None:
    """The first rows that differ, of each kind; None until it is completed. One read of the bucket."""
    if comparison.differences is None:
        return None
    found: list[dict[str, Any]] = json.loads(blobs.get(comparison.differences))
    return found


def finish(
    job: jobs.Job,
    comparison: Comparison,
    *,
    counts: dict[str, int],
    differences: str,
    truncated: bool,
    now: clock.Now = clock.now,
) -> bool:
    """Ends it with what was found; False where the comparison or the job's lease is gone."""
    done = replace(comparison, status="completed", counts=counts, differences=differences, truncated=truncated)
    return store.end(job, replace(done, updated=now()), "succeeded")


def fail(
    job: jobs.Job, comparison: Comparison, reason: str, *, state: jobs.Unfinished = "failed", now: clock.Now = clock.now
) -> bool:
    """Ends comparison and job as failed; False where the comparison or the job's lease is gone.

    `state` is the job's: one that was called off is cancelled.
    """
    return store.end(job, replace(comparison, status="failed", failure=reason, updated=now()), state)


def _with_rows(dataset: datasets.Dataset, number: int, field: str) -> Version:
    try:
        version = dataset_versions.of(dataset, number)
    except NotFoundError as error:
        raise NotFoundError("version", str(number), field=field) from error
    if version.status != "ready":
        raise ConflictError(f"Version {number} has no rows: it is {version.status}.", field=field)
    return version


def _columns(dataset: datasets.Dataset, version: Version) -> Columns:
    manifest = datasets.manifest(replace(dataset, location=version.location))
    if manifest is None:
        raise AssertionError("unreachable: a version with rows has a manifest")
    columns: Columns = manifest["columns"]
    return columns


def _key(
    wanted: Sequence[str] | None, second: Version, dataset: datasets.Dataset, sides: Mapping[int, Columns]
) -> tuple[str, ...]:
    """The key that was asked for, else one that is on record and that both versions have."""
    if wanted is None:
        recorded = (key for key in (second.key, dataset.key) if key)
        return next((key for key in recorded if not any(_lacking(key, side) for side in sides.values())), ())
    key = imports.checked_key(wanted)
    for number, columns in sides.items():
        if lacking := _lacking(key, columns):
            names = [column["name"] for column in columns]
            shown = ", ".join(names[:MAX_NAMES_SHOWN]) + (", …" if len(names) > MAX_NAMES_SHOWN else "")
            reason = f"Version {number} has no column '{lacking[0][:100]}' for the key. It has {shown}."
            raise InvalidError("key", reason, value=lacking[0], constraint=shown)
    return key


def _lacking(key: Sequence[str], columns: Columns) -> list[str]:
    there = {column["name"].lower() for column in columns}
    return [name for name in key if name.lower() not in there]


def _changes(before: Columns, after: Columns) -> dict[str, list[dict[str, str]]]:
    """Columns by name, whatever its case: as a version's `schema_changes`."""
    olds = {column["name"].lower(): column for column in before}
    news = {column["name"].lower(): column for column in after}
    return {
        "added": [_named(each) for name, each in news.items() if name not in olds],
        "removed": [_named(each) for name, each in olds.items() if name not in news],
        "changed": [
            {"name": each["name"], "from": _type(olds[name]), "to": _type(each)}
            for name, each in news.items()
            if name in olds and _type(olds[name]) != _type(each)
        ],
    }


def _named(column: Mapping[str, Any]) -> dict[str, str]:
    return {"name": column["name"], "type": column["type"]}


def _type(column: Mapping[str, Any]) -> str:
    """The type with the spelling of its values, if that is not the only one."""
    return f"{column['type']} ({column['format']})" if column["format"] else str(column["type"])
