"""Sections in the table, by id. Their order stands in their page: a section that no page names does not exist."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from fluvial import events, pages, sections
from fluvial.store import events as outbox
from fluvial.store import keys, sites, table
from fluvial.store import pages as stored_pages
from fluvial.store.attributes import Item
from fluvial.trees import Tree

READ_ATTEMPTS = 3
BATCH = 20  # sections of up to 200 KB: DynamoDB answers at most 16 MB at a time


def get(account_id: int, section_id: int) -> tuple[sections.Section, pages.Page, Tree] | None:
    """The section, its page, and the tree in which that stands; None where any of them is gone."""
    # Between the two reads it may move to another page; then it is looked for there.
    for _ in range(READ_ATTEMPTS):
        item = table.get(_key(account_id, section_id))
        if item is None:
            return None
        found = stored_pages.get(account_id, item["page"])
        if found is not None and section_id in found[0].sections:
            page, tree = found
            return replace(_from_item(item), order=page.sections.index(section_id)), page, tree
    return None


def some(account_id: int, page: pages.Page, section_ids: Sequence[int]) -> list[sections.Section]:
    """These sections of a page, in the order asked for; those that went meanwhile are left out."""
    found: list[sections.Section] = []
    for start in range(0, len(section_ids), BATCH):
        wanted = [_key(account_id, section_id) for section_id in section_ids[start : start + BATCH]]
        found += [_from_item(item) for item in table.batch_get(wanted)]
    return [replace(section, order=page.sections.index(section.id)) for section in found]


def create(
    section: sections.Section, page: pages.Page, tree: Tree, event: events.Event, guard: table.Action | None
) -> bool:
    """Section, its page with the new order, and event; False where the page changed since, or the id is taken."""
    put = table.put(_key(section.account, section.id), _to_item(section))
    return _transact([put, stored_pages.replacement(page)], page, tree, [event], guard)


def update(
    section: sections.Section,
    page: pages.Page,
    tree: Tree,
    event: events.Event,
    guard: table.Action | None = None,
) -> bool:
    """Stores the changed section of an unchanged page; False where another change came first."""
    return _transact([_replacement(section)], page, tree, [event], guard)


def move(
    section: sections.Section,
    changed_pages: Sequence[pages.Page],
    tree: Tree,
    happened: Sequence[events.Event],
    guard: table.Action | None,
) -> bool:
    """The section on its new page, and the pages with their new orders; False where another change came first."""
    actions = [_replacement(section), *map(stored_pages.replacement, changed_pages)]
    return _transact(actions, changed_pages[0], tree, happened, guard)


def delete(section: sections.Section, page: pages.Page, tree: Tree, event: events.Event) -> bool:
    """Removes the section and its place in the page; False where another change came first."""
    nobody_changed_it_since = "revision = :revision"
    gone = table.delete(_key(section.account, section.id), nobody_changed_it_since, revision=section.revision)
    return _transact([gone, stored_pages.replacement(page)], page, tree, [event], None)


def _transact(
    actions: list[table.Action],
    page: pages.Page,
    tree: Tree,
    happened: Sequence[events.Event],
    guard: table.Action | None,
) -> bool:
    actions = [*actions, sites.touch(page.account, page.project, tree.revision), *map(outbox.record, happened)]
    try:
        table.transact(actions, guard)
    except table.ConditionError:
        return False
    return True


def _replacement(section: sections.Section) -> table.Action:
    nobody_changed_it_since = "revision = :before"
    key = _key(section.account, section.id)
    return table.put(key, _to_item(section), nobody_changed_it_since, before=section.revision - 1)


def _key(account_id: int, section_id: int) -> table.Key:
    return keys.listed(account_id, "sections"), keys.number(section_id)


def _to_item(section: sections.Section) -> Item:
    return {
        "type": "section",
        "id": section.id,
        "account": section.account,
        "project": section.project,
        "page": section.page,
        "section_type": section.type,
        "name": section.name,
        "visible": section.visible,
        "content": _json(section.content),
        "styles": _json(section.styles),
        "responsive": _json(section.responsive),
        "created": section.created,
        "updated": section.updated,
        "revision": section.revision,
    }


def _from_item(item: Item) -> sections.Section:
    return sections.Section(
        id=item["id"],
        account=item["account"],
        project=item["project"],
        page=item["page"],
        type=item["section_type"],
        name=item["name"],
        visible=item["visible"],
        content=json.loads(item["content"]),
        styles=json.loads(item["styles"]),
        responsive=json.loads(item["responsive"]),
        created=item["created"],
        updated=item["updated"],
        revision=item["revision"],
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
