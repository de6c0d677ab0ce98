"""Datasets and upload sessions in the table. A project's list holds entries; the datasets themselves are by id."""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from fluvial import clock, dataset_versions, datasets, events, ids, jobs
from fluvial.paging import Order
from fluvial.store import dataset_versions as stored_versions
from fluvial.store import events as outbox
from fluvial.store import jobs as stored_jobs
from fluvial.store import keys, lists, projects, table, totals
from fluvial.store.attributes import Item

# An upload session stays readable a while after its end, so that a late call gets a clear answer.
UPLOAD_KEPT_SECONDS = clock.DAY // clock.SECOND
# By then the index of names has long followed the table.
NAME_KEPT_SECONDS = clock.DAY // clock.SECOND
MAX_CALLED = 100


def create(
    dataset: datasets.Dataset,
    version: dataset_versions.Version,
    job: jobs.Job,
    event: events.Event,
    upload: datasets.Upload | None,
    guard: table.Action | None,
    own: table.Action | None = None,
) -> Literal["created", "project_gone", "taken", "overtaken"]:
    """Dataset, its first version and list entry, job and event, together; ends the upload session if there is one.

    `own` is a further action; overtaken where its condition does not hold.
    """
    actions = [
        *creation(dataset),
        stored_versions.creation(version),
        stored_jobs.creation(job),
        outbox.record(event),
    ]
    if upload is not None:
        actions.append(table.delete(upload_key(upload.account, upload.id)))
    if own is not None:
        actions.append(own)
    try:
        table.transact(actions, guard)
    except table.ConditionError as error:
        if own is not None and error.failed == (len(actions) - 1,):
            return "overtaken"
        return "project_gone" if 0 in error.failed else "taken"
    return "created"


def creation(dataset: datasets.Dataset) -> list[table.Action]:
    """The actions that record a dataset, for the transaction of its cause. The first is that its project exists."""
    return [
        table.check(projects.key(dataset.account, dataset.project)),
        table.put(key(dataset.account, dataset.id), _to_item(dataset)),
        table.put(_entry_key(dataset), {"type": "dataset_entry"}),
        totals.add(keys.project_data(dataset.account, dataset.project), +1),
    ]


def get(account_id: int, dataset_id: int) -> datasets.Dataset | None:
    item = table.get(key(account_id, dataset_id))
    return _from_item(item) if item else None


def project_exists(dataset: datasets.Dataset) -> bool:
    """Whether the dataset's project is there; after its end the datasets are swept, but not in the same moment."""
    return table.get(projects.key(dataset.account, dataset.project)) is not None


def total(account_id: int, project_id: int) -> int:
    return totals.total(keys.project_data(account_id, project_id))


def page(account_id: int, project_id: int, order: Order, *, skip: int, limit: int) -> list[datasets.Dataset]:
    home = keys.listed(account_id, "datasets")
    items = lists.page(keys.project_data(account_id, project_id), order, skip=skip, limit=limit, home=home)
    return [_from_item(item) for item in items]


def behind(account_id: int, project_id: int | None, after: int | None, *, limit: int) -> list[datasets.Dataset]:
    """Datasets of the account, or of one project, that are older than one, newest first."""
    before = None if after is None else (keys.number(0), keys.number(max(after - 1, 0)))
    home = keys.listed(account_id, "datasets")
    partition = home if project_id is None else keys.project_data(account_id, project_id)
    found = table.query(partition, between=before, forward=False, limit=limit)
    if project_id is not None:
        found = table.batch_get([(home, entry["sk"]) for entry in found])
    return [_from_item(item) for item in found]


def existing_projects(account_id: int, wanted: set[int]) -> set[int]:
    """Those of the projects that are there."""
    found = table.batch_get([projects.key(account_id, project_id) for project_id in sorted(wanted)])
    return {item["id"] for item in found}


def called(account_id: int, project_id: int, name: str) -> list[datasets.Dataset]:
    """Datasets of a project that have this name, up to MAX_CALLED. The index follows the table within a second."""
    start = lists.name_start(name)
    between = (f"{start}{keys.number(0)}", f"{start}{keys.number(ids.MAX_ID)}")
    partition = keys.project_data(account_id, project_id)
    found = table.query(partition, index="name", between=between, limit=MAX_CALLED)
    items = table.batch_get([(key["pk"], key["sk"]) for key in found])
    return [dataset for dataset in map(_from_item, items) if dataset.title == name]


def reserved(account_id: int, project_id: int, name: str) -> int | None:
    """The dataset that was last made under this name by who looked for it first; None where that is long ago."""
    item = table.get(_name_key(account_id, project_id, name))
    return item["dataset"] if item else None


def reservation(dataset: datasets.Dataset, name: str, *, before: int | None) -> table.Action:
    """The action that keeps others from making a dataset of this name too; `before` is what they would have found."""
    nobody_did_since = "attribute_not_exists(pk)" if before is None else "dataset = :before"
    item = {
        "type": "dataset_name",
        "dataset": dataset.id,
        "expires": dataset.created // clock.SECOND + NAME_KEPT_SECONDS,
    }
    key = _name_key(dataset.account, dataset.project, name)
    return table.put(key, item, nobody_did_since, **({} if before is None else {"before": before}))


def description(dataset: datasets.Dataset) -> Item:
    """What its owner says of it, as attributes to set, and where it stands in lists by that."""
    said = {"name": dataset.name, "description": dataset.description or "", "updated": dataset.updated}
    said |= {name: value for name, value in _index_attributes(dataset).items() if name != "scope"}
    return {name: value for name, value in said.items() if value is not None}


def some_of(account_id: int, project_id: int) -> list[datasets.Dataset]:
    """Up to 100 datasets of a project; none when none is left."""
    return page(account_id, project_id, Order(descending=False), skip=0, limit=100)


def forget_list(account_id: int, project_id: int) -> None:
    """Removes the counters of a project that is gone."""
    totals.forget(keys.project_data(account_id, project_id))


def update(before: datasets.Dataset, changed: datasets.Dataset, event: events.Event) -> bool:
    """Stores what its owner says of it; False where the dataset was changed since, or is gone."""
    nobody_changed_it_since = "updated = :before AND #status = :status"
    said = {"name": changed.name, **_settings(changed), "updated": changed.updated}
    said |= {name: value for name, value in _index_attributes(changed).items() if name != "scope"}
    values = {name: value for name, value in said.items() if value is not None}
    gone = [name for name, value in said.items() if value is None]
    expression = f"SET {', '.join(f'#{name} = :{name}' for name in values)}"
    if gone:
        expression += f" REMOVE {', '.join(f'#{name}' for name in gone)}"
    change = table.update(
        key(changed.account, changed.id),
        expression,
        nobody_changed_it_since,
        {f"#{name}": name for name in [*said, "status"]},
        before=before.updated,
        status=before.status,
        **values,
    )
    try:
        table.transact([change, outbox.record(event)])
    except table.ConditionError:
        return False
    return True


def import_ending(dataset: datasets.Dataset, job_id: int, *, changed: bool) -> table.Action:
    """The action that frees the dataset of the import of a job; one that `changed` it takes over its outcome.

    Nothing else is written: its name may have been changed meanwhile.
    """
    it_still_waits_for_this_job = "importing = :job"
    outcome = _outcome(dataset) if changed else {}
    values = {name: value for name, value in outcome.items() if value is not None}
    gone = ["importing", *(name for name, value in outcome.items() if value is None)]
    expression = f"REMOVE {', '.join(f'#{name}' for name in gone)}"
    if values:
        expression = f"SET {', '.join(f'#{name} = :{name}' for name in values)} {expression}"
    return table.update(
        key(dataset.account, dataset.id),
        expression,
        it_still_waits_for_this_job,
        {f"#{name}": name for name in [*values, *gone]},
        job=job_id,
        **values,
    )


def pointing(before: datasets.Dataset, moved: datasets.Dataset) -> table.Action:
    """The action that makes another version the current one."""
    nobody_imports = "attribute_not_exists(importing)"
    it_is_where_it_was = "version = :before AND updated = :read"
    outcome = _outcome(moved)
    values = {name: value for name, value in outcome.items() if value is not None}
    gone = [name for name, value in outcome.items() if value is None]
    expression = "SET " + ", ".join(f"#{name} = :{name}" for name in values)
    if gone:
        expression += " REMOVE " + ", ".join(f"#{name}" for name in gone)
    return table.update(
        key(moved.account, moved.id),
        expression,
        f"{nobody_imports} AND {it_is_where_it_was}",
        {f"#{name}": name for name in outcome},
        before=before.version,
        read=before.updated,
        **values,
    )


def delete(dataset: datasets.Dataset, event: events.Event) -> bool:
    """Removes dataset and entry; False where they are gone already."""
    try:
        table.transact(
            [
                table.delete(key(dataset.account, dataset.id)),
                table.delete(_entry_key(dataset)),
                totals.add(keys.project_data(dataset.account, dataset.project), -1),
                outbox.record(event),
            ]
        )
    except table.ConditionError:
        return False
    return True


def create_upload(upload: datasets.Upload, guard: table.Action | None) -> None:
    session = table.put(
        upload_key(upload.account, upload.id),
        {
            "type": "upload",
            "id": upload.id,
            "account": upload.account,
            "project": upload.project,
            "incoming": upload.incoming,
            "filename": upload.filename,
            "size": upload.size,
            "created": upload.created,
            "ends": upload.expires,
            "name": upload.name,
            "format": upload.format,
            "multipart": upload.multipart,
            "part_size": upload.part_size,
            "expires": upload.expires // clock.SECOND + UPLOAD_KEPT_SECONDS,
        },
    )
    table.transact([session], guard)


def get_upload(account_id: int, upload_id: int) -> datasets.Upload | None:
    item = table.get(upload_key(account_id, upload_id))
    if item is None:
        return None
    return datasets.Upload(
        id=item["id"],
        account=item["account"],
        project=item["project"],
        incoming=item["incoming"],
        filename=item["filename"],
        size=item["size"],
        created=item["created"],
        expires=item["ends"],
        name=item.get("name"),
        format=item.get("format"),
        multipart=item.get("multipart"),
        part_size=item.get("part_size"),
    )


def key(account_id: int, dataset_id: int) -> table.Key:
    return keys.listed(account_id, "datasets"), keys.number(dataset_id)


def _name_key(account_id: int, project_id: int, name: str) -> table.Key:
    # By its hash: a name may be longer than a key.
    return keys.project_names(account_id, project_id), hashlib.sha256(name.encode()).hexdigest()


def _entry_key(dataset: datasets.Dataset) -> table.Key:
    return keys.project_data(dataset.account, dataset.project), keys.number(dataset.id)


def upload_key(account_id: int, upload_id: int) -> table.Key:
    return keys.listed(account_id, "uploads"), keys.number(upload_id)


def _to_item(dataset: datasets.Dataset) -> Item:
    return {
        "type": "dataset",
        "id": dataset.id,
        "account": dataset.account,
        "project": dataset.project,
        "job": dataset.job,
        "incoming": dataset.incoming,
        "filename": dataset.filename,
        "name": dataset.name,
        "created": dataset.created,
        "format": dataset.format,
        "latest": dataset.latest,
        "importing": dataset.importing,
        **_settings(dataset),
        **_outcome(dataset),
        **_index_attributes(dataset),
    }


def _settings(dataset: datasets.Dataset) -> Item:
    """What its owner says of it."""
    return {
        "description": dataset.description,
        "drift": dataset.drift,
        "key_columns": json.dumps(dataset.key, ensure_ascii=False) if dataset.key else None,
    }


def _outcome(dataset: datasets.Dataset) -> Item:
    """What the end of an ingest changes."""
    return {
        "updated": dataset.updated,
        "updated_key": _index_attributes(dataset)["updated_key"],
        "status": dataset.status,
        "rows": dataset.rows,
        "rejected": dataset.rejected,
        "columns": dataset.columns,
        "found_format": dataset.found_format,
        "version": dataset.version,
        "location": dataset.location,
        "failure": dataset.failure,
        "shape": json.dumps(dataset.shape, ensure_ascii=False, separators=(",", ":")) if dataset.shape else None,
        "size": dataset.size,
    }


def _index_attributes(dataset: datasets.Dataset) -> Item:
    partition = keys.project_data(dataset.account, dataset.project)
    return lists.index_attributes(partition, name=dataset.title, updated=dataset.updated, number=dataset.id)


def _from_item(item: Item) -> datasets.Dataset:
    return datasets.Dataset(
        id=item["id"],
        account=item["account"],
        project=item["project"],
        job=item["job"],
        incoming=item["incoming"],
        filename=item["filename"],
        name=item.get("name"),
        size=item["size"],
        created=item["created"],
        updated=item["updated"],
        format=item.get("format"),
        found_format=item.get("found_format"),
        status=item["status"],
        rows=item.get("rows"),
        rejected=item.get("rejected"),
        columns=item.get("columns"),
        version=item["version"],
        location=item.get("location"),
        failure=item.get("failure"),
        latest=item.get("latest", 1),
        drift=item.get("drift", "evolve"),
        key=tuple(json.loads(item.get("key_columns", "[]"))),
        importing=item.get("importing"),
        description=item.get("description") or None,
        shape=_shape(item.get("shape")),
    )


def _shape(text: str | None) -> dataset_versions.Shape | None:
    return None if text is None else tuple((name, type) for name, type in json.loads(text))
