"""Versions of sites in the table, by number."""

from __future__ import annotations

from typing import Literal

from fluvial import events, jobs, sites
from fluvial.store import events as outbox
from fluvial.store import jobs as stored_jobs
from fluvial.store import keys, projects, table
from fluvial.store import sites as stored_sites
from fluvial.store.attributes import Item

FIRST = keys.number(0)


def get(account_id: int, project_id: int, number: int) -> sites.Version | None:
    item = table.get(_key(account_id, project_id, number))
    return _from_item(item) if item else None


def page(account_id: int, project_id: int, *, before: int, limit: int) -> list[sites.Version]:
    """At most `limit` versions with a number less than `before`, newest first."""
    wanted = (FIRST, keys.number(before - 1))
    items = table.query(keys.versions(account_id, project_id), between=wanted, forward=False, limit=limit)
    return [_from_item(item) for item in items]


def create(version: sites.Version, job: jobs.Job, guard: table.Action | None) -> Literal["created", "gone", "changed"]:
    """The version and its job; `changed` where its number was taken meanwhile."""
    actions = [
        table.check(projects.key(version.account, version.project)),
        stored_sites.count_version(version.account, version.project, version.number),
        table.put(_key(version.account, version.project, version.number), _to_item(version)),
        stored_jobs.creation(job),
    ]
    try:
        table.transact(actions, guard)
    except table.ConditionError as error:
        return "gone" if 0 in error.failed else "changed"
    return "created"


def finish(job: jobs.Job, version: sites.Version, event: events.Event, *, now: int) -> Literal["live", "ready", "lost"]:
    """The version ready, the project pointing at it, the job's end and the event, together.

    Where a later version went live first, this one becomes `ready` without going live or an event. `lost` is it where
    the project or the job's lease is gone.
    """
    end = [_ended(version), stored_jobs.ending(job, "succeeded", now=now, version=version.number)]
    go_live = stored_sites.go_live(version.account, version.project, version.number, now=now)
    try:
        table.transact([*end, *go_live, outbox.record(event)])
    except table.ConditionError as error:
        if error.failed != (len(end),):
            return "lost"
    else:
        return "live"
    try:
        table.transact(end)
    except table.ConditionError:
        return "lost"
    return "ready"


def fail(job: jobs.Job, version: sites.Version, event: events.Event, *, state: str, now: int) -> bool:
    """The version failed, its job ended so, and the event; False where the version or the job's lease is gone."""
    ending = stored_jobs.ending(job, state, now=now, reason=version.failure, version=version.number)
    try:
        table.transact([_ended(version), ending, outbox.record(event)])
    except table.ConditionError:
        return False
    return True


def roll_back(
    version: sites.Version, event: events.Event, guard: table.Action | None, *, now: int
) -> Literal["done", "refused"]:
    """Points the project at an earlier version; `refused` where it is gone, or has that version already."""
    actions = [
        table.check(_key(version.account, version.project, version.number)),
        stored_sites.point(version.account, version.project, version.number, now=now),
        outbox.record(event),
    ]
    try:
        table.transact(actions, guard)
    except table.ConditionError:
        return "refused"
    return "done"


def note(guard: table.Action) -> None:
    """Keeps the answer to a request that had nothing to change."""
    table.transact([], guard)


def forget(account_id: int, project_id: int) -> None:
    """Removes the versions of a project that is gone."""
    for item in table.query(keys.versions(account_id, project_id)):
        table.write(table.delete((item["pk"], item["sk"]), None))


def _ended(version: sites.Version) -> table.Action:
    it_still_waits_for_this_job = "job = :job AND #status = :publishing"
    return table.Action(
        "Put",
        _key(version.account, version.project, version.number),
        item=_to_item(version),
        condition=it_still_waits_for_this_job,
        values={":job": version.job, ":publishing": sites.PUBLISHING},
        names={"#status": "status"},
    )


def _key(account_id: int, project_id: int, number: int) -> table.Key:
    return keys.versions(account_id, project_id), keys.number(number)


def _to_item(version: sites.Version) -> Item:
    return {
        "type": "version",
        "account": version.account,
        "project": version.project,
        "number": version.number,
        "job": version.job,
        "by": version.by,
        "status": version.status,
        "created": version.created,
        "note": version.note,
        "pages": version.pages,
        "location": version.location,
        "sha256": version.sha256,
        "failure": version.failure,
        "ended": version.ended,
    }


def _from_item(item: Item) -> sites.Version:
    return sites.Version(
        account=item["account"],
        project=item["project"],
        number=item["number"],
        job=item["job"],
        by=item["by"],
        status=item["status"],
        created=item["created"],
        note=item.get("note"),
        pages=item.get("pages"),
        location=item.get("location"),
        sha256=item.get("sha256"),
        failure=item.get("failure"),
        ended=item.get("ended"),
    )
