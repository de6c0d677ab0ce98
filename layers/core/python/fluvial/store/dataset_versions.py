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
_AS_TEXT = ("key", "options", "counts", "changes", "made_by", "shape")


def creation(version: dataset_versions.Version) -> table.Action:
    """The action that records a version, for the transaction of its cause."""
    return table.put(_key(version.account, version.dataset, version.number), _to_item(version))


def begin(
    version: dataset_versions.Version,
    job: jobs.Job,
    upload: datasets.Upload | None,
    guard: table.Action | None,
    said: tuple[datasets.Dataset, events.Event] | None = None,
) -> bool:
    """Version and job, and the dataset taken for them, together; ends the upload session if there is one.

    `said` is the dataset as its owner describes it now, with the event of that.

    False where another import has the dataset or the number, where the dataset or the session is gone, or where
    another version has become the current one.
    """
    described = stored_datasets.description(said[0]) if said else {}
    actions = [taking(version, described), creation(version), stored_jobs.creation(job)]
    if said is not None:
        actions.append(outbox.record(said[1]))
    if upload is not None:
        actions.append(table.delete(stored_datasets.upload_key(upload.account, upload.id)))
    try:
        table.transact(actions, guard)
    except table.ConditionError:
        return False
    return True


def taking(version: dataset_versions.Version, said: Item | None = None) -> table.Action:
    """The action that takes the dataset for the version's job, on the condition that nobody else has it.

    `said` are attributes that it gets, too.
    """
    nobody_imports = "attribute_not_exists(importing)"
    it_is_the_next = "latest = :before AND version = :parent"
    return table.update(
        stored_datasets.key(version.account, version.dataset),
        "SET importing = :job, job = :job, latest = :number" + "".join(f", #{name} = :{name}" for name in said or {}),
        f"{nobody_imports} AND {it_is_the_next}",
        {f"#{name}": name for name in said or {}},
        job=version.job,
        number=version.number,
        before=version.number - 1,
        parent=version.parent,
        **(said or {}),
    )


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


def outcome(
    dataset: datasets.Dataset,
    version: dataset_versions.Version,
    event: events.Event | None,
    *,
    changed: bool,
    now: int,
) -> list[table.Action]:
    """The version's outcome, the dataset free again, event and use, for the transaction that ends its job.

    `changed`: the dataset is another than before, too.
    """
    actions = [
        stored_datasets.import_ending(dataset, version.job, changed=changed),
        table.put(_key(version.account, version.dataset, version.number), _to_item(version), table.EXISTS),
    ]
    if event is not None:
        actions.append(outbox.record(event))
    if version.status == "ready":
        actions.append(usage.add(dataset.account, at=now, data_processed=version.size))
    return actions


def end(job: jobs.Job, version: dataset_versions.Version, outcome: list[table.Action], *, state: str, now: int) -> bool:
    """The import's `outcome` and the job's end, together; False where the dataset or the job's lease is gone."""
    outputs = {"dataset": version.dataset, "version": version.same_as or version.number}
    try:
        table.transact([*outcome, stored_jobs.ending(job, state, now=now, reason=version.failure, **outputs)])
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
    if "shape" in fields:
        fields["shape"] = tuple((name, type) for name, type in fields["shape"])
    if "made_by" in fields:
        made_by = fields["made_by"]
        inputs = {name: (dataset, version) for name, (dataset, version) in made_by["inputs"].items()}
        fields["made_by"] = dataset_versions.MadeBy(**made_by | {"inputs": inputs})
    return dataset_versions.Version(**fields)
