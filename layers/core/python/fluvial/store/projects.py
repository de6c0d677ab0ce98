"""Projects in the table."""

from __future__ import annotations

import json
from typing import Literal

from fluvial import events, projects
from fluvial.paging import Order
from fluvial.store import events as outbox
from fluvial.store import keys, lists, table, totals, usage
from fluvial.store.attributes import Item


def key(account_id: int, project_id: int) -> table.Key:
    return _partition(account_id), keys.number(project_id)


def create(
    project: projects.Project,
    event: events.Event,
    guard: table.Action | None,
    *,
    default_after: int | Literal["no"] | None = "no",
) -> Literal["created", "slug_taken", "taken"]:
    """Project, slug, total, use and event in one transaction.

    With `default_after` it becomes the account's default, if that is still this one (None: there was none).
    """
    actions = [
        table.put(key(project.account, project.id), _to_item(project)),
        _take_slug(project),
        totals.add(_partition(project.account), +1),
        usage.add(project.account, at=project.created, projects_created=1),
        outbox.record(event),
    ]
    if default_after != "no":
        actions.append(_make_default(project, default_after))
    try:
        table.transact(actions, guard)
    except table.ConditionError as error:
        return "slug_taken" if 1 in error.failed else "taken"
    return "created"


def get(account_id: int, project_id: int) -> projects.Project | None:
    item = table.get(key(account_id, project_id))
    return _from_item(item) if item else None


def default(account_id: int) -> tuple[int | None, projects.Project | None]:
    """The id of the account's default project, and the project, if it is still there."""
    known = (table.get(_account_key(account_id)) or {}).get("default_project")
    return known, None if known is None else get(account_id, known)


def total(account_id: int) -> int:
    return totals.total(_partition(account_id))


def page(account_id: int, order: Order, *, skip: int, limit: int) -> list[projects.Project]:
    return [_from_item(item) for item in lists.page(_partition(account_id), order, skip=skip, limit=limit)]


def behind(account_id: int, after: int | None, *, limit: int) -> list[projects.Project]:
    """Projects older than one, newest first."""
    before = None if after is None else (keys.number(0), keys.number(max(after - 1, 0)))
    found = table.query(_partition(account_id), between=before, forward=False, limit=limit)
    return [_from_item(item) for item in found]


def update(
    before: projects.Project, project: projects.Project, event: events.Event
) -> Literal["updated", "slug_taken", "overtaken"]:
    """Stores the changed project; overtaken where another change came first, or the project went."""
    nobody_changed_it_since = "revision = :before"
    actions = [
        table.put(key(project.account, project.id), _to_item(project), nobody_changed_it_since, before=before.revision),
        outbox.record(event),
    ]
    if project.slug != before.slug:
        actions += [_take_slug(project), table.delete(_slug_key(before))]
    try:
        table.transact(actions)
    except table.ConditionError as error:
        return "slug_taken" if 2 in error.failed and 0 not in error.failed else "overtaken"
    return "updated"


def delete(project: projects.Project, event: events.Event) -> bool:
    """Removes the project; False where it was changed since, or is gone already."""
    nobody_changed_it_since = "revision = :revision"
    try:
        table.transact(
            [
                table.delete(key(project.account, project.id), nobody_changed_it_since, revision=project.revision),
                table.delete(_slug_key(project)),
                totals.add(_partition(project.account), -1),
                outbox.record(event),
            ]
        )
    except table.ConditionError:
        return False
    return True


def _make_default(project: projects.Project, before: int | None) -> table.Action:
    nobody_made_one_since = "attribute_not_exists(default_project)" if before is None else "default_project = :before"
    values = {"id": project.id} if before is None else {"id": project.id, "before": before}
    return table.update(
        _account_key(project.account), "SET default_project = :id", nobody_made_one_since, None, **values
    )


def _account_key(account_id: int) -> table.Key:
    return keys.account(account_id), "account"


def _take_slug(project: projects.Project) -> table.Action:
    return table.put(_slug_key(project), {"type": "slug", "project": project.id})


def _slug_key(project: projects.Project) -> table.Key:
    return keys.listed(project.account, "slugs"), project.slug


def _partition(account_id: int) -> str:
    return keys.listed(account_id, "projects")


def _to_item(project: projects.Project) -> Item:
    partition = _partition(project.account)
    return {
        "type": "project",
        "id": project.id,
        "account": project.account,
        "name": project.name,
        "slug": project.slug,
        "description": project.description,
        "industry": project.industry,
        "published": project.published,
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
        slug=item["slug"],
        description=item.get("description"),
        settings=json.loads(item["settings"]),
        created=item["created"],
        updated=item["updated"],
        revision=item["revision"],
        industry=item.get("industry"),
        published=item.get("published"),
    )
