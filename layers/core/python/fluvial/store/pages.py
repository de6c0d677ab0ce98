"""Pages in the table. Where a page stands is known by its site's tree alone: one that is not in it does not exist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from fluvial import events, pages
from fluvial.store import events as outbox
from fluvial.store import keys, projects, sites, table
from fluvial.store.attributes import Item
from fluvial.trees import Tree

BATCH = 100  # keys of one BatchGetItem


def key(account_id: int, page_id: int) -> table.Key:
    return keys.listed(account_id, "pages"), keys.number(page_id)


def get(account_id: int, page_id: int) -> tuple[pages.Page, Tree] | None:
    """The page and the tree in which it stands; None where it stands in none, or its project is gone."""
    item = table.get(key(account_id, page_id))
    tree = None if item is None else sites.tree(account_id, item["project"])
    if item is None or tree is None or tree.find(page_id) is None:
        return None
    return from_item(item, tree), tree


def some(account_id: int, tree: Tree, page_ids: Sequence[int]) -> list[pages.Page]:
    """These pages of a tree, in the order asked for; those that went meanwhile are left out."""
    found: list[pages.Page] = []
    for start in range(0, len(page_ids), BATCH):
        items = table.batch_get([key(account_id, page_id) for page_id in page_ids[start : start + BATCH]])
        found += [from_item(item, tree) for item in items]
    return found


def create(
    page: pages.Page, tree: Tree, event: events.Event, guard: table.Action | None
) -> Literal["created", "project_gone", "taken", "changed"]:
    """Page, changed tree and event; `changed` where another change of the tree came first."""
    actions = [
        table.check(projects.key(page.account, page.project)),
        table.put(key(page.account, page.id), to_item(page)),
        *sites.restructure(page.account, page.project, tree),
        outbox.record(event),
    ]
    try:
        table.transact(actions, guard)
    except table.ConditionError as error:
        if 0 in error.failed:
            return "project_gone"
        return "taken" if 1 in error.failed else "changed"
    return "created"


def update(
    page: pages.Page, tree: Tree, event: events.Event, guard: table.Action | None = None, *, moved: bool = False
) -> bool:
    """Stores the changed page and, if it `moved`, the changed tree; False where another change came first."""
    account_id, project_id = page.account, page.project
    if moved:
        of_site = sites.restructure(account_id, project_id, tree)
    else:
        of_site = [sites.touch(account_id, project_id, tree.revision)]
    try:
        table.transact([replacement(page), *of_site, outbox.record(event)], guard)
    except table.ConditionError:
        return False
    return True


def delete(page: pages.Page, tree: Tree, event: events.Event) -> bool:
    """Takes the page out of the tree, if neither changed since; the items are swept."""
    actions = [
        table.check(key(page.account, page.id), "revision = :revision", revision=page.revision),
        *sites.restructure(page.account, page.project, tree),
        outbox.record(event),
    ]
    try:
        table.transact(actions)
    except table.ConditionError:
        return False
    return True


def sweep(account_id: int, page_id: int) -> None:
    """Removes a page that is in no tree any more, its sections first: who dies on the way finds the rest again."""
    item = table.get(key(account_id, page_id))
    if item is None:
        return
    for section_id in item["sections"]:
        table.write(table.delete((keys.listed(account_id, "sections"), keys.number(section_id)), None))
    table.write(table.delete(key(account_id, page_id), None))


def replacement(page: pages.Page) -> table.Action:
    """The action that stores a changed page; fails where another change came first."""
    nobody_changed_it_since = "revision = :before"
    return table.put(key(page.account, page.id), to_item(page), nobody_changed_it_since, before=page.revision - 1)


def to_item(page: pages.Page) -> Item:
    return {
        "type": "page",
        "id": page.id,
        "account": page.account,
        "project": page.project,
        "title": page.title,
        "status": page.status,
        "seo_title": page.seo.title,
        "seo_description": page.seo.description,
        "sections": list(page.sections),
        "created": page.created,
        "updated": page.updated,
        "revision": page.revision,
    }


def from_item(item: Item, tree: Tree) -> pages.Page:
    page = pages.Page(
        id=item["id"],
        account=item["account"],
        project=item["project"],
        title=item["title"],
        status=item["status"],
        seo=pages.Seo(item.get("seo_title"), item.get("seo_description")),
        sections=tuple(item["sections"]),
        created=item["created"],
        updated=item["updated"],
        revision=item["revision"],
    )
    return page.placed(tree)
