"""The tree of a site's pages: who is below whom, in which order, under which slug. Pure.

    about        0  depth 1          path about
    ├── team     0  depth 2          path about/team
    └── history  1  depth 2          path about/history
    contact      1  depth 1          path contact

Nodes stand in pre-order: a page, then all that is below it, then its next sibling. So siblings stand in their own
order, a parent stands before its children, a subtree is one run of nodes, and reading the tree out needs no sorting. A
position is counted among siblings from 0 without a gap, because it is not stored but where a node stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fluvial import slugs
from fluvial.errors import ConflictError, InvalidError, NotFoundError

MAX_PAGES = 1_000
MAX_DEPTH = 8

# A page at the root has its folder beside those of the languages, which have names such as `de`.
LANGUAGE = re.compile(r"[a-z]{2}")


@dataclass(frozen=True, slots=True)
class Node:
    """One page's place; `parent` is None at the root."""

    page: int
    parent: int | None
    slug: str


@dataclass(frozen=True, slots=True)
class Tree:
    """All places, in pre-order. `revision` counts the changes and is kept by whoever stores the tree."""

    nodes: tuple[Node, ...] = ()
    revision: int = 0

    def find(self, page: int) -> Node | None:
        return next((node for node in self.nodes if node.page == page), None)

    def node(self, page: int) -> Node:
        """The page's node; NotFoundError where it has none."""
        node = self.find(page)
        if node is None:
            raise NotFoundError("page", page)
        return node

    def children(self, parent: int | None) -> list[Node]:
        return [node for node in self.nodes if node.parent == parent]

    def order(self, page: int) -> int:
        """The page's position among its siblings, from 0."""
        return [node.page for node in self.children(self.node(page).parent)].index(page)

    def path(self, page: int) -> str:
        """The slugs down to the page, such as `about/team`."""
        return "/".join(node.slug for node in self.way(page))

    def way(self, page: int) -> list[Node]:
        """The nodes from the root down to the page."""
        by_page = {node.page: node for node in self.nodes}
        way = [by_page[page]]
        while (parent := way[0].parent) is not None:
            way.insert(0, by_page[parent])
        return way

    def subtree(self, page: int) -> list[Node]:
        """The page and all below it; NotFoundError where the page is not there."""
        found: list[Node] = []
        inside: set[int | None] = {self.node(page).page}
        for node in self.nodes:
            if node.page == page or node.parent in inside:
                found.append(node)
                inside.add(node.page)
        return found


def add(tree: Tree, node: Node, order: int | None = None) -> Tree:
    """The tree with a new page; at the end of its siblings unless `order` says where."""
    if len(tree.nodes) >= MAX_PAGES:
        raise ConflictError(f"A project has at most {MAX_PAGES} pages: delete one first.")
    return _place(tree, [node], node.parent, order)


def move(tree: Tree, page: int, parent: int | None, order: int | None = None) -> Tree:
    """The tree with the page, and all below it, at another place; last of its siblings unless `order` says where."""
    subtree = tree.subtree(page)
    if parent in {node.page for node in subtree}:
        raise InvalidError(
            "parent_id", "A page cannot be moved below itself.", constraint="a page that is not below this one"
        )
    moved = [replace(subtree[0], parent=parent), *subtree[1:]]
    gone = {node.page for node in subtree}
    rest = replace(tree, nodes=tuple(node for node in tree.nodes if node.page not in gone))
    return _place(rest, moved, parent, order)


def rename(tree: Tree, page: int, slug: str) -> Tree:
    """The tree with another slug for the page."""
    node = replace(tree.node(page), slug=slug)
    _check_slug(node, [each for each in tree.children(node.parent) if each.page != page])
    return replace(tree, nodes=tuple(node if each.page == page else each for each in tree.nodes))


def remove(tree: Tree, page: int, *, recursive: bool) -> tuple[Tree, list[int]]:
    """The tree without the page, and the pages that went; ConflictError for one with children, unless `recursive`."""
    subtree = [node.page for node in tree.subtree(page)]
    if len(subtree) > 1 and not recursive:
        reason = f"There are {len(subtree) - 1} pages below this one: delete or move them first, or delete recursively."
        raise ConflictError(reason)
    gone = set(subtree)
    return replace(tree, nodes=tuple(node for node in tree.nodes if node.page not in gone)), subtree


def free_slug(tree: Tree, parent: int | None, title: str) -> str:
    """A slug made of a title, with -2, -3 and so on where a sibling has it."""
    taken = {node.slug for node in tree.children(parent)}
    base = slugs.of(title, "page")
    candidate, number = base, 1
    while candidate in taken or _is_kept_for_languages(candidate, parent):
        number += 1
        candidate = slugs.ending_in(base, number)
    return candidate


def problems(tree: Tree, published: Mapping[int, bool]) -> list[tuple[int | None, str]]:
    """Why the pages that are to be published make no site: each problem with its page, None for the whole site."""
    shown = [node for node in tree.nodes if published.get(node.page, False)]
    if not shown:
        return [(None, "No page is published: set the status of at least one to 'published'.")]
    return [
        (node.page, "The page is published, but the page above it is a draft: publish that, or make this a draft.")
        for node in shown
        if node.parent is not None and not published.get(node.parent, False)
    ]


def _place(tree: Tree, run: Sequence[Node], parent: int | None, order: int | None) -> Tree:
    """The tree with a subtree, of which the first node is the top, put below `parent`."""
    if parent is not None and tree.find(parent) is None:
        raise NotFoundError("page", parent, field="parent_id")
    siblings = tree.children(parent)
    _check_slug(run[0], siblings)
    allowed = f"0-{len(siblings)}"
    if order is not None and not 0 <= order <= len(siblings):
        raise InvalidError("order", f"'order' must be {allowed} here.", value=order, constraint=allowed)
    _check_depth(tree, run, parent)
    if order is None or order == len(siblings):
        before = tree.subtree(parent) if parent is not None else tree.nodes
        start = tree.nodes.index(before[-1]) + 1 if before else 0
    else:
        start = tree.nodes.index(siblings[order])
    return replace(tree, nodes=(*tree.nodes[:start], *run, *tree.nodes[start:]))


def _check_depth(tree: Tree, run: Iterable[Node], parent: int | None) -> None:
    depths: dict[int | None, int] = {parent: 0 if parent is None else len(tree.way(parent))}
    for node in run:
        depths[node.page] = depths[node.parent] + 1
    if max(depths.values()) > MAX_DEPTH:
        raise InvalidError(
            "parent_id", f"Pages are at most {MAX_DEPTH} deep.", constraint=f"at most {MAX_DEPTH} levels of pages"
        )


def _check_slug(node: Node, siblings: Iterable[Node]) -> None:
    slug = slugs.checked(node.slug)
    if _is_kept_for_languages(slug, node.parent):
        reason = "A slug of two letters is kept for a language where the page has none above it."
        raise InvalidError("slug", reason, value=slug, constraint="three characters or more, or a digit")
    if any(sibling.slug == slug for sibling in siblings):
        raise ConflictError(f"A page beside this one has the slug '{slug}' already.", field="slug")


def _is_kept_for_languages(slug: str, parent: int | None) -> bool:
    return parent is None and LANGUAGE.fullmatch(slug) is not None
