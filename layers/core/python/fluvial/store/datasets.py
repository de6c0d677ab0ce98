"""Datasets and upload sessions in the table. A project's list holds entries; the datasets themselves are by id."""

from __future__ import annotations

from typing import Literal

from fluvial import clock, datasets, events, jobs
from fluvial.paging import Order
from fluvial.store import events as outbox
from fluvial.store import jobs as stored_jobs
from fluvial.store import keys, lists, projects, table, totals, usage
from fluvial.store.attributes import Item

# An upload session stays readable a while after its end, so that a late call gets a clear answer.
UPLOAD_KEPT_SECONDS = clock.DAY // clock.SECOND


def create(
    dataset: datasets.Dataset,
    job: jobs.Job,
    event: events.Event,
    upload: datasets.Upload | None,
    guard: table.Action | None,
) -> Literal["created", "project_gone", "taken"]:
    """Dataset, its list entry, job and event, in one transaction that also ends the upload session if there is one."""
    project_exists = table.check(projects.key(dataset.account, dataset.project))
    actions = [
        project_exists,
        table.put(_key(dataset.account, dataset.id), _to_item(dataset)),
        table.put(_entry_key(dataset), {"type": "dataset_entry"}),
        totals.add(keys.project_data(dataset.account, dataset.project), +1),
        stored_jobs.creation(job),
        outbox.record(event),
    ]
    if upload is not None:
        actions.append(table.delete(_upload_key(upload.account, upload.id)))
    try:
        table.transact(actions, guard)
    except table.ConditionError as error:
        return "project_gone" if 0 in error.failed else "taken"
    return "created"


def get(account_id: int, dataset_id: int) -> datasets.Dataset | None:
    item = table.get(_key(account_id, dataset_id))
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


def some_of(account_id: int, project_id: int) -> list[datasets.Dataset]:
    """Up to 100 datasets of a project; none when none is left."""
    return page(account_id, project_id, Order(descending=False), skip=0, limit=100)


def forget_list(account_id: int, project_id: int) -> None:
    """Removes the counters of a project that is gone."""
    totals.forget(keys.project_data(account_id, project_id))


def rename(before: datasets.Dataset, renamed: datasets.Dataset, event: events.Event) -> bool:
    """Stores the new name; False where the dataset was changed since, or is gone."""
    nobody_changed_it_since = "updated = :before AND #status = :status"
    index = _index_attributes(renamed)
    try:
        table.transact(
            [
                table.update(
                    _key(renamed.account, renamed.id),
                    "SET #name = :name, updated = :updated, updated_key = :updated_key, name_key = :name_key",
                    nobody_changed_it_since,
                    {"#name": "name", "#status": "status"},
                    before=before.updated,
                    status=before.status,
                    name=renamed.name,
                    updated=renamed.updated,
                    updated_key=index["updated_key"],
                    name_key=index["name_key"],
                ),
                outbox.record(event),
            ]
        )
    except table.ConditionError:
        return False
    return True


def end_ingest(job: jobs.Job, dataset: datasets.Dataset, event: events.Event, *, now: int) -> bool:
    """The dataset's outcome, the job's end, the event and the use, together; False where dataset or lease are gone."""
    it_still_waits_for_this_job = "job = :job AND #status = :processing"
    outcome = {"ready": "succeeded", "failed": "failed"}[dataset.status]
    # Only what the outcome changes: its name may have been changed meanwhile.
    values = {name: value for name, value in _outcome(dataset).items() if value is not None}
    actions = [
        table.update(
            _key(dataset.account, dataset.id),
            "SET " + ", ".join(f"#{name} = :{name}" for name in values),
            it_still_waits_for_this_job,
            {f"#{name}": name for name in values},
            job=job.id,
            processing="processing",
            **values,
        ),
        stored_jobs.ending(job, outcome, now=now, reason=dataset.failure, dataset=dataset.id),
        outbox.record(event),
    ]
    if outcome == "succeeded":
        actions.append(usage.add(dataset.account, at=now, data_processed=dataset.size))
    try:
        table.transact(actions)
    except table.ConditionError:
        return False
    return True


def delete(dataset: datasets.Dataset, event: events.Event) -> bool:
    """Removes dataset and entry; False where they are gone already."""
    try:
        table.transact(
            [
                table.delete(_key(dataset.account, dataset.id)),
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
        _upload_key(upload.account, upload.id),
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
            "expires": upload.expires // clock.SECOND + UPLOAD_KEPT_SECONDS,
        },
    )
    table.transact([session], guard)


def get_upload(account_id: int, upload_id: int) -> datasets.Upload | None:
    item = table.get(_upload_key(account_id, upload_id))
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
    )


def _key(account_id: int, dataset_id: int) -> table.Key:
    return keys.listed(account_id, "datasets"), keys.number(dataset_id)


def _entry_key(dataset: datasets.Dataset) -> table.Key:
    return keys.project_data(dataset.account, dataset.project), keys.number(dataset.id)


def _upload_key(account_id: int, upload_id: int) -> table.Key:
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
        "size": dataset.size,
        "created": dataset.created,
        "format": dataset.format,
        **_outcome(dataset),
        **_index_attributes(dataset),
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
    )
