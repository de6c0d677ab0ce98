"""Pages of a project's site. Where they stand is the tree's business (`trees`); a page has the rest.

A page and its place change in one transaction, so that no reader finds one without the other. Nothing here is seen on
the site before it is published (`sites`): `status` says only whether the next version shall have the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from fluvial import clock, events, ids, trees
from fluvial.attempts import attempts
from fluvial.caller import Caller
from fluvial.errors import InvalidError, NotFoundError, StaleError
from fluvial.idempotency import Once, guard
from fluvial.paging import Listed
from fluvial.store import pages as store
from fluvial.store import sites as sites_store
from fluvial.text import checked_line, checked_text
from fluvial.trees import Node, Tree

MAX_TITLE_LENGTH = 200
MAX_SEO_DESCRIPTION_LENGTH = 500
DRAFT = "draft"
PUBLISHED = "published"
STATUSES = (DRAFT, PUBLISHED)
FIELDS = "title, slug, parent_id, order, status, seo"


@dataclass(frozen=True, slots=True)
class Seo:
    """What search engines are told; without a title they are told the page's."""

    title: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Times in milliseconds; `revision` grows by one with each change of its fields, its place or its sections' order.

    `slug`, `parent`, `order` (among its siblings, from 0) and `path` are read off the tree. `sections` are in order.
    """

    id: int
    account: int
    project: int
    title: str
    status: str
    seo: Seo
    created: int
    updated: int
    sections: tuple[int, ...] = ()
    revision: int = 1
    slug: str = ""
    parent: int | None = None
    order: int = 0
    path: str = ""

    def placed(self, tree: Tree) -> Page:
        """The page as it stands in this tree."""
        node = tree.node(self.id)
        return replace(self, slug=node.slug, parent=node.parent, order=tree.order(self.id), path=tree.path(self.id))

    def described(self) -> dict[str, Any]:
        """The page as events show it."""
        return {
            "id": ids.spell(ids.PAGE, self.id),
            "project_id": ids.spell(ids.PROJECT, self.project),
            "parent_id": None if self.parent is None else ids.spell(ids.PAGE, self.parent),
            "title": self.title,
            "slug": self.slug,
            "path": self.path,
            "order": self.order,
            "status": self.status,
            "seo": {"title": self.seo.title, "description": self.seo.description},
            "created_at": clock.iso(self.created),
            "updated_at": clock.iso(self.updated),
        }


@dataclass(frozen=True, slots=True)
class Change:
    """New values of a page's fields; fields that are not `given` (by the names in FIELDS) stay."""

    given: frozenset[str]
    title: str | None = None
    slug: str | None = None
    parent_id: int | None = None  # None is the root
    order: int | None = None
    status: str | None = None
    seo: Seo = field(default_factory=Seo)

    def apply(self, page: Page) -> Page:
        """The page with new values of its own fields; InvalidError for one that it cannot have."""
        if not self.given:
            raise InvalidError(None, "Give at least one field to change.", constraint=FIELDS)
        for name in ("title", "slug", "order", "status"):
            if name in self.given and getattr(self, name) is None:
                raise InvalidError(name, f"'{name}' must not be null.")
        changed = page
        if "title" in self.given:
            changed = replace(changed, title=_checked_title(str(self.title)))
        if "status" in self.given:
            changed = replace(changed, status=_checked_status(str(self.status)))
        if "seo" in self.given:
            changed = replace(changed, seo=_checked_seo(self.seo))
        return changed

    def arrange(self, tree: Tree, page: Page) -> Tree:
        """The tree with the page at its new place, under its new slug."""
        changed = tree
        if "parent_id" in self.given and self.parent_id != page.parent:
            if "slug" in self.given and self.slug is not None:
                # It may be the old slug that is taken at the new place: both change at once.
                changed = _with_slug(changed, page.id, self.slug)
            return trees.move(changed, page.id, self.parent_id, self.order)
        if "slug" in self.given and self.slug is not None:
            changed = trees.rename(changed, page.id, self.slug)
        if "order" in self.given:
            changed = trees.move(changed, page.id, page.parent, self.order)
        return changed


def create(
    caller: Caller,
    *,
    project_id: int,
    title: str,
    slug: str | None = None,
    parent_id: int | None = None,
    order: int | None = None,
    status: str = DRAFT,
    seo: Seo | None = None,
    once: Once[Page] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Page:
    """Makes a page, with its event `page.created`; without a slug it gets a free one made of its title."""
    moment = now()
    page = Page(
        id=0,
        account=caller.account,
        project=project_id,
        title=_checked_title(title),
        status=_checked_status(status),
        seo=_checked_seo(seo or Seo()),
        created=moment,
        updated=moment,
    )
    for _ in attempts(f"the page tree of project {project_id}"):
        tree = tree_of(caller, project_id)
        page_id = new_id()
        node = Node(page_id, parent_id, trees.free_slug(tree, parent_id, title) if slug is None else slug)
        tree = replace(trees.add(tree, node, order), revision=tree.revision + 1)
        made = replace(page, id=page_id).placed(tree)
        event = events.happened(caller.account, "page.created", made.described(), at=moment)
        outcome = store.create(made, tree, event, guard(once, made))
        if outcome == "created":
            return made
        if outcome == "project_gone":
            raise NotFoundError("project", project_id)
    raise AssertionError("attempts end with an error")


def get(caller: Caller, page_id: int, *, field: str | None = None) -> Page:
    """The page; NotFoundError for one that is absent, foreign, out of the key's reach, or whose project is gone."""
    return find(caller, page_id, field=field)[0]


def find(caller: Caller, page_id: int, *, field: str | None = None) -> tuple[Page, Tree]:
    """The page and the tree in which it stands."""
    found = store.get(caller.account, page_id)
    if found is None or not caller.reaches(found[0].project):
        raise NotFoundError("page", page_id, field=field)
    return found


def page(
    caller: Caller,
    project_id: int,
    *,
    after: int | None = None,
    limit: int,
    parent: int | Literal["any"] | None = "any",
) -> Listed[Page]:
    """At most `limit` pages behind the page `after`: a page, all below it, then its next sibling.

    With `parent` only the pages right below that page (None: at the root), in order.
    """
    tree = tree_of(caller, project_id)
    if isinstance(parent, int) and tree.find(parent) is None:
        raise NotFoundError("page", parent, field="parent_id")
    nodes = tree.nodes if parent == "any" else tree.children(parent)
    wanted = behind([node.page for node in nodes], after)
    items = store.some(caller.account, tree, wanted[:limit])
    return Listed(items, len(wanted) > limit, len(nodes))


def update(
    caller: Caller,
    page_id: int,
    change: Change,
    *,
    expected: int | None = None,
    once: Once[Page] | None = None,
    now: clock.Now = clock.now,
) -> Page:
    """Changes the given fields, with the event `page.updated`. Of two writers at once, neither change is lost.

    StaleError where the page is no longer at the revision that is `expected`.
    """
    for _ in attempts(f"page {page_id}"):
        page, tree = find(caller, page_id)
        check_revision("page", page.revision, expected)
        moment = max(now(), page.updated)
        arranged = change.arrange(tree, page)
        moved = arranged != tree
        if moved:
            arranged = replace(arranged, revision=tree.revision + 1)
        changed = replace(change.apply(page), updated=moment, revision=page.revision + 1).placed(arranged)
        event = events.happened(caller.account, "page.updated", changed.described(), at=moment)
        if store.update(changed, arranged, event, guard(once, changed), moved=moved):
            return changed
    raise AssertionError("attempts end with an error")


def delete(
    caller: Caller,
    page_id: int,
    *,
    recursive: bool = False,
    expected: int | None = None,
    now: clock.Now = clock.now,
) -> None:
    """Removes the page with its sections and, if `recursive`, all pages below it; else these are a ConflictError.

    One event `page.deleted` names all pages that went. None of them can be read from then on; the items are swept.
    """
    for _ in attempts(f"page {page_id}"):
        page, tree = find(caller, page_id)
        check_revision("page", page.revision, expected)
        rest, gone = trees.remove(tree, page_id, recursive=recursive)
        deleted = {"deleted_ids": [ids.spell(ids.PAGE, each) for each in gone]}
        event = events.happened(caller.account, "page.deleted", page.described() | deleted, at=now())
        if store.delete(page, replace(rest, revision=tree.revision + 1), event):
            return


def sweep(account_id: int, page_ids: Sequence[int]) -> None:
    """Removes what deleted pages left behind. Doing it again finds nothing."""
    for page_id in page_ids:
        store.sweep(account_id, page_id)


def tree_of(caller: Caller, project_id: int) -> Tree:
    """The tree of a project's pages; NotFoundError for a project that is absent, foreign or out of the key's reach."""
    tree = sites_store.tree(caller.account, project_id) if caller.reaches(project_id) else None
    if tree is None:
        raise NotFoundError("project", project_id)
    return tree


def check_revision(kind: str, revision: int, expected: int | None) -> None:
    """StaleError unless the thing is at the revision that the caller knows, or names none."""
    if expected is not None and expected != revision:
        raise StaleError(kind, revision)


def behind(listed: Sequence[int], after: int | None) -> list[int]:
    """What stands in a list behind the last one that the caller has seen."""
    if after is None:
        return list(listed)
    if after not in listed:
        raise InvalidError("cursor", "What this cursor stood at is gone or was moved: read the list from its start.")
    return list(listed[listed.index(after) + 1 :])


def _with_slug(tree: Tree, page_id: int, slug: str) -> Tree:
    """The tree with a slug that is checked only where the page goes to."""
    nodes = tuple(replace(node, slug=slug) if node.page == page_id else node for node in tree.nodes)
    return replace(tree, nodes=nodes)


def _checked_title(title: str) -> str:
    return checked_line("title", title, MAX_TITLE_LENGTH)


def _checked_status(status: str) -> str:
    if status not in STATUSES:
        raise InvalidError(
            "status", "'status' must be draft or published.", value=status[:100], constraint=", ".join(STATUSES)
        )
    return status


def _checked_seo(seo: Seo) -> Seo:
    if seo.title is not None:
        checked_line("seo.title", seo.title, MAX_TITLE_LENGTH)
    if seo.description is not None:
        checked_text("seo.description", seo.description, MAX_SEO_DESCRIPTION_LENGTH)
    return seo
