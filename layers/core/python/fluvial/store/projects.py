"""Projects in the table."""

from __future__ import annotations

import json

from fluvial import events, projects
from fluvial.paging import Order
from fluvial.store import events as outbox
from fluvial.store import keys, lists, table, totals, usage
from fluvial.store.attributes import Item


def key(account_id: int, project_id: int) -> table.Key:
    return _partition(account_id), keys.number(project_id)


def create(project: projects.Project, event: events.Event, guard: table.Action | None) -> bool:
    """Four writes in one transaction; False where the id is taken."""
    try:
        table.transact(
            [
                table.put(key(project.account, project.id), _to_item(project)),
                totals.add(_partition(project.account), +1),
                usage.add(project.account, at=project.created, projects_created=1),
                outbox.record(event),
            ],
            guard,
        )
    except table.ConditionError:
        return False
    return True


def get(account_id: int, project_id: int) -> projects.Project | None:
    item = table.get(key(account_id, project_id))
    return _from_item(item) if item else None


def total(account_id: int) -> int:
    return totals.total(_partition(account_id))


def page(account_id: int, order: Order, *, skip: int, limit: int) -> list[projects.Project]:
    return [_from_item(item) for item in lists.page(_partition(account_id), order, skip=skip, limit=limit)]


def update(project: projects.Project, event: events.Event) -> bool:
    """Stores the changed project; False where another change came first, or the project went."""
    nobody_changed_it_since = "revision = :before"
    try:
        table.transact(
            [
                table.put(
                    key(project.account, project.id),
                    _to_item(project),
                    nobody_changed_it_since,
                    before=project.revision - 1,
                ),
                outbox.record(event),
            ]
        )
    except table.ConditionError:
        return False
    return True


def delete(project: projects.Project, event: events.Event) -> bool:
    """Removes the project; False where it is gone already."""
    try:
        table.transact(
            [
                table.delete(key(project.account, project.id)),
                totals.add(_partition(project.account), -1),
                outbox.record(event),
            ]
        )
    except table.ConditionError:
        return False
    return True


def _partition(account_id: int) -> str:
    return keys.listed(account_id, "projects")


def _to_item(project: projects.Project) -> Item:
    partition = _partition(project.account)
    return {
        "type": "project",
        "id": project.id,
        "account": project.account,
        "name": project.name,
        "description": project.description,
        "settings": json.dumps(project.settings, ensure_ascii=False, separators=(",", ":")),
        "created": project.created,
        "updated": project.updated,
        "revision": project.revision,
        **lists.index_attributes(partition, name=project.name, updated=project.updated, number=project.id),
    }


def _from_item(item: Item) -> projects.Project:
    return projects.Project(
        id=item["id"],
        account=item["account"],
        name=item["name"],
        description=item.get("description"),
        settings=json.loads(item["settings"]),
        created=item["created"],
        updated=item["updated"],
        revision=item["revision"],
    )
