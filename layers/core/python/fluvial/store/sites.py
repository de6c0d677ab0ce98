"""How a project's site stands in the table: its counters, and the tree of its pages.

Two items, because a write costs by the size of the whole item, and most changes do not touch the tree:

    site    small. Each change of a page or section counts `revision` up; `structure` is the revision of the tree
    tree    up to about 120 KB. Written only together with a `site` that says so

So whoever changes anything proves with one small write that the tree is still the one they read. The live version is
`published` of the project itself, for whoever reads a project wants to know it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from fluvial.store import keys, lists, projects, table
from fluvial.store.attributes import Item
from fluvial.trees import Node, Tree


@dataclass(frozen=True, slots=True)
class Site:
    """Counters: changes of pages and sections, and versions. `newest` is the highest version that went live."""

    revision: int = 0
    versions: int = 0
    newest: int = 0


def site_key(account_id: int, project_id: int) -> table.Key:
    return keys.site(account_id, project_id), "site"


def tree_key(account_id: int, project_id: int) -> table.Key:
    return keys.site(account_id, project_id), "tree"


def get(account_id: int, project_id: int) -> Site:
    """The counters, all zero for a project that never had a page."""
    item = table.get(site_key(account_id, project_id))
    return Site() if item is None else Site(item["revision"], item.get("versions", 0), item.get("newest", 0))


def tree(account_id: int, project_id: int) -> Tree | None:
    """The tree, empty for a project that never had a page; None where the project is gone."""
    project, of_tree = projects.key(account_id, project_id), tree_key(account_id, project_id)
    found = {item["sk"]: item for item in table.batch_get([project, of_tree])}
    if project[1] not in found:
        return None
    return tree_from(found.get("tree"))


def left(account_id: int, project_id: int) -> Tree:
    """The tree that a project which is gone has left behind."""
    return tree_from(table.get(tree_key(account_id, project_id)))


def tree_from(item: Item | None) -> Tree:
    if item is None:
        return Tree()
    return Tree(tuple(Node(*node) for node in json.loads(item["nodes"])), item["revision"])


def touch(account_id: int, project_id: int, structure: int) -> table.Action:
    """Counts a change that leaves the tree as it is; fails where the tree is no longer the one of this revision."""
    return table.update(
        site_key(account_id, project_id),
        "ADD revision :one",
        "structure = :structure",
        structure=structure,
        one=1,
    )


def restructure(account_id: int, project_id: int, tree: Tree) -> list[table.Action]:
    """Stores a changed tree, whose revision is one more than the one read; fails where another change came first."""
    the_site_is_new = "attribute_not_exists(pk)"
    nobody_changed_it_since = "structure = :before"
    site = table.update(
        site_key(account_id, project_id),
        "SET #type = :type, account = :account, #project = :project, structure = :after ADD revision :one",
        the_site_is_new if tree.revision == 1 else nobody_changed_it_since,
        {"#type": "type", "#project": "project"},
        type="site",
        account=account_id,
        project=project_id,
        after=tree.revision,
        one=1,
        **({} if tree.revision == 1 else {"before": tree.revision - 1}),
    )
    nodes = [[node.page, node.parent, node.slug] for node in tree.nodes]
    item = {
        "type": "site_tree",
        "account": account_id,
        "project": project_id,
        "nodes": json.dumps(nodes, separators=(",", ":")),
        "revision": tree.revision,
    }
    return [site, table.put(tree_key(account_id, project_id), item, None)]


def count_version(account_id: int, project_id: int, number: int) -> table.Action:
    """Takes the next version's number; fails where another took it."""
    it_is_the_first = "attribute_exists(pk) AND attribute_not_exists(versions)"
    nobody_took_it = "versions = :before"
    return table.update(
        site_key(account_id, project_id),
        "SET versions = :number",
        it_is_the_first if number == 1 else nobody_took_it,
        None,
        **{"number": number} | ({} if number == 1 else {"before": number - 1}),
    )


def go_live(account_id: int, project_id: int, number: int, *, now: int) -> list[table.Action]:
    """Makes a version that was just built the live one; the first action fails where a later one went live already."""
    nothing_was_live = "attribute_not_exists(newest)"
    it_is_newer = "newest < :number"
    newest = table.update(
        site_key(account_id, project_id),
        "SET newest = :number",
        f"attribute_exists(pk) AND ({nothing_was_live} OR {it_is_newer})",
        number=number,
    )
    return [newest, point(account_id, project_id, number, now=now)]


def point(account_id: int, project_id: int, number: int, *, now: int) -> table.Action:
    """Points the project at its live version; fails where the project is gone or has that version already."""
    nothing_was_live = "attribute_not_exists(published)"
    another_was_live = "published <> :number"
    # The project stands in the list by change, whose key is made of the same time.
    index = lists.index_attributes("", name="", updated=now, number=project_id)
    return table.update(
        projects.key(account_id, project_id),
        "SET published = :number, updated = :now, updated_key = :updated_key ADD revision :one",
        f"attribute_exists(pk) AND ({nothing_was_live} OR {another_was_live})",
        number=number,
        now=now,
        updated_key=index["updated_key"],
        one=1,
    )


def forget(account_id: int, project_id: int) -> None:
    """Removes counters and tree of a project that is gone. Doing it twice is no error."""
    table.write(table.delete(tree_key(account_id, project_id), None))
    table.write(table.delete(site_key(account_id, project_id), None))
