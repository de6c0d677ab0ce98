"""Analyses in the table. A project's list holds entries; the analyses themselves are by id."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

from fluvial import analyses, events, jobs
from fluvial.paging import Order
from fluvial.store import events as outbox
from fluvial.store import jobs as stored_jobs
from fluvial.store import keys, lists, projects, table, totals
from fluvial.store.attributes import Item


def create(
    analysis: analyses.Analysis, event: events.Event, guard: table.Action | None
) -> Literal["created", "project_gone", "taken"]:
    """Analysis, its list entry and event, in one transaction."""
    project_exists = table.check(projects.key(analysis.account, analysis.project))
    actions = [
        project_exists,
        table.put(_key(analysis.account, analysis.id), _to_item(analysis)),
        table.put(_entry_key(analysis), {"type": "analysis_entry"}),
        totals.add(keys.project_analyses(analysis.account, analysis.project), +1),
        outbox.record(event),
    ]
    try:
        table.transact(actions, guard)
    except table.ConditionError as error:
        return "project_gone" if 0 in error.failed else "taken"
    return "created"


def get(account_id: int, analysis_id: int) -> analyses.Analysis | None:
    item = table.get(_key(account_id, analysis_id))
    return _from_item(item) if item else None


def project_exists(analysis: analyses.Analysis) -> bool:
    """Whether the analysis's project is there; after its end analyses are swept, but not in the same moment."""
    return table.get(projects.key(analysis.account, analysis.project)) is not None


def running(account_id: int, job_ids: Sequence[int]) -> set[int]:
    """Those of up to 100 jobs that a worker has begun."""
    partition = keys.listed(account_id, "jobs")
    items = table.batch_get([(partition, keys.number(job_id)) for job_id in job_ids])
    return {item["id"] for item in items if item["state"] == "running"}


def total(account_id: int, project_id: int) -> int:
    return totals.total(keys.project_analyses(account_id, project_id))


def page(account_id: int, project_id: int, order: Order, *, skip: int, limit: int) -> list[analyses.Analysis]:
    home = keys.listed(account_id, "analyses")
    items = lists.page(keys.project_analyses(account_id, project_id), order, skip=skip, limit=limit, home=home)
    return [_from_item(item) for item in items]


def some_of(account_id: int, project_id: int) -> list[analyses.Analysis]:
    """Up to 100 analyses of a project; none when none is left."""
    return page(account_id, project_id, Order(descending=False), skip=0, limit=100)


def forget_list(account_id: int, project_id: int) -> None:
    """Removes the counters of a project that is gone."""
    totals.forget(keys.project_analyses(account_id, project_id))


def update(analysis: analyses.Analysis, event: events.Event) -> bool:
    """Stores the changed analysis; False where another change came first, or the analysis went."""
    try:
        table.transact([_change(analysis), outbox.record(event)])
    except table.ConditionError:
        return False
    return True


def queue(analysis: analyses.Analysis, job: jobs.Job, guard: table.Action | None) -> bool:
    """The analysis, queued, and its job; False where another change came first, or the analysis went."""
    try:
        table.transact([_change(analysis), stored_jobs.creation(job)], guard)
    except table.ConditionError:
        return False
    return True


def end_run(
    job: jobs.Job, analysis: analyses.Analysis, event: events.Event, *, state: str, now: int
) -> Literal["ended", "changed", "overtaken"]:
    """The analysis's outcome, the job's end and the event, together.

    `changed` where another change came first, or the analysis went; `overtaken` where the lease is gone.
    """
    actions = [
        _change(analysis),
        stored_jobs.ending(job, state, now=now, reason=analysis.failure, analysis=analysis.id),
        outbox.record(event),
    ]
    try:
        table.transact(actions)
    except table.ConditionError as error:
        return "overtaken" if 1 in error.failed else "changed"
    return "ended"


def delete(analysis: analyses.Analysis, event: events.Event) -> bool:
    """Removes analysis and entry; False where they are gone already."""
    try:
        table.transact(
            [
                table.delete(_key(analysis.account, analysis.id)),
                table.delete(_entry_key(analysis)),
                totals.add(keys.project_analyses(analysis.account, analysis.project), -1),
                outbox.record(event),
            ]
        )
    except table.ConditionError:
        return False
    return True


def _change(analysis: analyses.Analysis) -> table.Action:
    nobody_changed_it_since = "revision = :before"
    return table.put(
        _key(analysis.account, analysis.id), _to_item(analysis), nobody_changed_it_since, before=analysis.revision - 1
    )


def _key(account_id: int, analysis_id: int) -> table.Key:
    return keys.listed(account_id, "analyses"), keys.number(analysis_id)


def _entry_key(analysis: analyses.Analysis) -> table.Key:
    return keys.project_analyses(analysis.account, analysis.project), keys.number(analysis.id)


def _to_item(analysis: analyses.Analysis) -> Item:
    partition = keys.project_analyses(analysis.account, analysis.project)
    return {
        "type": "analysis",
        **asdict(analysis),
        "query": json.dumps(analysis.query, ensure_ascii=False, separators=(",", ":")),
        **lists.index_attributes(partition, name=analysis.name, updated=analysis.updated, number=analysis.id),
    }


def _from_item(item: Item) -> analyses.Analysis:
    return analyses.Analysis(
        id=item["id"],
        account=item["account"],
        project=item["project"],
        dataset=item["dataset"],
        name=item["name"],
        description=item.get("description"),
        query=json.loads(item["query"]),
        created=item["created"],
        updated=item["updated"],
        revision=item["revision"],
        status=item["status"],
        job=item.get("job"),
        location=item.get("location"),
        rows=item.get("rows"),
        groups_total=item.get("groups_total"),
        truncated=item.get("truncated"),
        rows_scanned=item.get("rows_scanned"),
        dataset_version=item.get("dataset_version"),
        ran=item.get("ran"),
        failure=item.get("failure"),
    )
