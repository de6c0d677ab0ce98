"""Versions of datasets in the table, by number, and the transactions that begin and end imports."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from fluvial import dataset_versions, datasets, events, jobs
from fluvial.store import datasets as stored_datasets
from fluvial.store import events as outbox
from fluvial.store import jobs as stored_jobs
from fluvial.store import keys, table, usage
from fluvial.store.attributes import Item

FIRST = keys.number(1)

# Stored as JSON text.
_AS_TEXT = ("key", "options", "counts", "changes")


def creation(version: dataset_versions.Version) -> table.Action:
    """The action that records a version, for the transaction of its cause."""
    return table.put(_key(version.account, version.dataset, version.number), _to_item(version))


def begin(
    version: dataset_versions.Version, job: jobs.Job, upload: datasets.Upload | None, guard: table.Action | None
) -> bool:
    """Version and job, and the dataset taken for them, together; ends the upload session if there is one.

    False where another import has the dataset or the number, where the dataset or the session is gone, or where
    another version has become the current one.
    """
    nobody_imports = "attribute_not_exists(importing)"
    it_is_the_next = "latest = :before AND version = :parent"
    actions = [
        table.update(
            stored_datasets.key(version.account, version.dataset),
            "SET importing = :job, job = :job, latest = :number",
            f"{nobody_imports} AND {it_is_the_next}",
            job=job.id,
            number=version.number,
            before=version.number - 1,
            parent=version.parent,
        ),
        creation(version),
        stored_jobs.creation(job),
    ]
    if upload is not None:
        actions.append(table.delete(stored_datasets.upload_key(upload.account, upload.id)))
    try:
        table.transact(actions, guard)
    except table.ConditionError:
        return False
    return True


def get(account_id: int, dataset_id: int, number: int) -> dataset_versions.Version | None:
    item = table.get(_key(account_id, dataset_id, number))
    return _from_item(item) if item else None


def page(account_id: int, dataset_id: int, *, newest: int, limit: int) -> list[dataset_versions.Version]:
    """At most `limit` versions, from the number `newest` down."""
    items = table.query(
        keys.dataset_versions(account_id, dataset_id),
        between=(FIRST, keys.number(newest)),
        forward=False,
        limit=limit,
    )
    return [_from_item(item) for item in items]


def end(
    job: jobs.Job,
    dataset: datasets.Dataset,
    version: dataset_versions.Version,
    event: events.Event | None,
    *,
    changed: bool,
    now: int,
) -> bool:
    """The import's outcome, the dataset free again, the job's end, event and use, together.

    `changed`: the dataset is another than before, too. False where the dataset or the job's lease is gone.
    """
    state = "failed" if version.status == "failed" else "succeeded"
    outputs = {"dataset": dataset.id, "version": version.same_as or version.number}
    actions = [
        stored_datasets.import_ending(dataset, version.job, changed=changed),
        table.put(_key(version.account, version.dataset, version.number), _to_item(version), table.EXISTS),
        stored_jobs.ending(job, state, now=now, reason=version.failure, **outputs),
    ]
    if event is not None:
        actions.append(outbox.record(event))
    if version.status == "ready":
        actions.append(usage.add(dataset.account, at=now, data_processed=version.size))
    try:
        table.transact(actions)
    except table.ConditionError:
        return False
    return True


def point(before: datasets.Dataset, moved: datasets.Dataset, event: events.Event, guard: table.Action | None) -> bool:
    """Points the dataset at another version; False where an import has begun, or another came first."""
    try:
        table.transact([stored_datasets.pointing(before, moved), outbox.record(event)], guard)
    except table.ConditionError:
        return False
    return True


def note(guard: table.Action | None) -> None:
    """Keeps the answer to a request that had nothing to change."""
    if guard is not None:
        table.transact([], guard)


def forget(account_id: int, dataset_id: int) -> None:
    """Removes the versions of a dataset that is gone. Safe to repeat."""
    for item in table.query(keys.dataset_versions(account_id, dataset_id)):
        table.write(table.delete((item["pk"], item["sk"]), None))


def _key(account_id: int, dataset_id: int, number: int) -> table.Key:
    return keys.dataset_versions(account_id, dataset_id), keys.number(number)


def _to_item(version: dataset_versions.Version) -> Item:
    fields: dict[str, Any] = asdict(version)
    for name in _AS_TEXT:
        if fields[name] is not None:
            fields[name] = json.dumps(fields[name], ensure_ascii=False, separators=(",", ":"))
    return {"type": "dataset_version", **fields}


def _from_item(item: Item) -> dataset_versions.Version:
    fields = {name: value for name, value in item.items() if name not in ("pk", "sk", "type")}
    for name in _AS_TEXT:
        if name in fields:
            fields[name] = json.loads(fields[name])
    fields["key"] = tuple(fields["key"])
    return dataset_versions.Version(**fields)
