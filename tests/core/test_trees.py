"""The tree of pages: whatever is done to it in whatever order, it stays a tree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluvial import slugs, trees
from fluvial.errors import ConflictError, InvalidError, NotFoundError
from fluvial.trees import Node, Tree

#   1 about
#   ├── 2 team
#   │   └── 3 lead
#   └── 4 history
#   5 contact
SMALL = Tree(
    (
        Node(1, None, "about"),
        Node(2, 1, "team"),
        Node(3, 2, "lead"),
        Node(4, 1, "history"),
        Node(5, None, "contact"),
    )
)


def pages(tree: Tree) -> list[int]:
    return [node.page for node in tree.nodes]


def check(tree: Tree) -> None:
    """All that is always true of a tree."""
    seen: dict[int | None, int] = {None: 0}
    for node in tree.nodes:
        assert node.page not in seen, "a page stands twice"
        assert node.parent in seen, "an orphan, a cycle, or a parent behind its child"
        seen[node.page] = seen[node.parent] + 1
        assert seen[node.page] <= trees.MAX_DEPTH
        slugs = [sibling.slug for sibling in tree.children(node.parent)]
        assert len(slugs) == len(set(slugs)), "a slug twice under one parent"
    for parent in seen:
        siblings = tree.children(parent)
        assert [tree.order(node.page) for node in siblings] == list(range(len(siblings)))
    assert pages(tree) == list(walk(tree, None)), "not in pre-order"
    assert len({tree.path(page) for page in pages(tree)}) == len(tree.nodes)


def walk(tree: Tree, parent: int | None) -> list[int]:
    return [page for node in tree.children(parent) for page in (node.page, *walk(tree, node.page))]


@settings(deadline=None)
@given(st.data())
def test_no_sequence_of_changes_breaks_the_tree(data: st.DataObject) -> None:
    tree = Tree()
    some_page = st.integers(0, 14)
    somewhere = st.one_of(st.none(), some_page)
    an_order = st.one_of(st.none(), st.integers(-1, 5))
    a_slug = st.sampled_from(["home", "about", "news", "a-b", "de", "No", ""])
    for number in range(data.draw(st.integers(1, 30))):
        changes: list[Callable[[], Tree]] = [
            lambda: trees.add(tree, Node(number, data.draw(somewhere), data.draw(a_slug)), data.draw(an_order)),  # noqa: B023
            lambda: trees.move(tree, data.draw(some_page), data.draw(somewhere), data.draw(an_order)),  # noqa: B023
            lambda: trees.rename(tree, data.draw(some_page), data.draw(a_slug)),  # noqa: B023
            lambda: trees.remove(tree, data.draw(some_page), recursive=data.draw(st.booleans()))[0],  # noqa: B023
        ]
        before = tree
        try:
            tree = data.draw(st.sampled_from(changes))()
        except (ConflictError, InvalidError, NotFoundError):
            assert tree is before
        check(tree)


@settings(deadline=None)
@given(st.permutations([1, 2, 3, 4, 5]), st.sampled_from([None, 1, 2, 3, 4, 5]), st.integers(0, 2))
def test_a_move_takes_all_below_along_and_leaves_the_rest_in_order(
    order: list[int], parent: int | None, position: int
) -> None:
    page = order[0]
    below = pages(replace(SMALL, nodes=tuple(SMALL.subtree(page))))
    try:
        moved = trees.move(SMALL, page, parent, position)
    except (ConflictError, InvalidError):
        return
    check(moved)
    assert [each for each in pages(moved) if each in below] == below
    assert [each for each in pages(moved) if each not in below] == [each for each in pages(SMALL) if each not in below]
    assert (moved.node(page).parent, moved.order(page)) == (parent, position)


def test_a_page_is_placed_by_parent_and_position() -> None:
    added = trees.add(SMALL, Node(6, 1, "jobs"), 1)
    assert pages(added) == [1, 2, 3, 6, 4, 5]
    assert (added.path(6), added.order(6), added.order(4)) == ("about/jobs", 1, 2)
    assert pages(trees.add(SMALL, Node(6, 1, "jobs"))) == [1, 2, 3, 4, 6, 5]
    assert pages(trees.add(SMALL, Node(6, None, "jobs"), 0)) == [6, 1, 2, 3, 4, 5]
    assert pages(trees.add(SMALL, Node(6, 5, "jobs"))) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("parent", [1, 2, 3])
def test_a_page_cannot_be_moved_below_itself(parent: int) -> None:
    with pytest.raises(InvalidError, match="A page cannot be moved below itself") as refused:
        trees.move(SMALL, 1, parent)
    assert refused.value.field == "parent_id"


def test_a_slug_is_used_once_under_a_parent_and_may_be_used_again_elsewhere() -> None:
    with pytest.raises(ConflictError, match="has the slug 'team' already") as refused:
        trees.rename(SMALL, 4, "team")
    assert refused.value.field == "slug"
    with pytest.raises(ConflictError):
        trees.move(trees.rename(SMALL, 3, "history"), 3, 1)
    assert trees.rename(SMALL, 5, "team").path(5) == "team"
    assert trees.rename(SMALL, 4, "history") == SMALL


@pytest.mark.parametrize("slug", ["", "A", "a b", "-a", "a-", "a--b", "ä", "a/b", "..", "a.html", "a" * 81, "a\n"])
def test_a_slug_has_lower_case_letters_digits_and_single_hyphens_only(slug: str) -> None:
    with pytest.raises(InvalidError) as refused:
        trees.rename(SMALL, 2, slug)
    assert (refused.value.field, refused.value.constraint) == ("slug", slugs.RULE)


def test_two_letters_at_the_root_are_kept_for_languages() -> None:
    with pytest.raises(InvalidError, match="kept for a language"):
        trees.rename(SMALL, 5, "de")
    assert trees.rename(SMALL, 4, "de").path(4) == "about/de"
    with pytest.raises(InvalidError, match="kept for a language"):
        trees.move(trees.rename(SMALL, 4, "de"), 4, None)


@pytest.mark.parametrize("order", [-1, 3])
def test_a_position_lies_among_the_siblings(order: int) -> None:
    with pytest.raises(InvalidError) as refused:
        trees.add(SMALL, Node(6, 1, "jobs"), order)
    assert (refused.value.field, refused.value.value, refused.value.constraint) == ("order", order, "0-2")


def test_a_parent_that_does_not_exist_makes_no_orphan() -> None:
    for change in (lambda: trees.add(SMALL, Node(6, 99, "jobs")), lambda: trees.move(SMALL, 4, 99)):
        with pytest.raises(NotFoundError) as refused:
            change()
        assert (refused.value.kind, refused.value.name, refused.value.field) == ("page", 99, "parent_id")


def test_pages_are_at_most_eight_deep_however_they_get_there() -> None:
    deep = Tree()
    for page in range(trees.MAX_DEPTH):
        deep = trees.add(deep, Node(page, page - 1 if page else None, f"level-{page}"))
    with pytest.raises(InvalidError, match="at most 8 deep"):
        trees.add(deep, Node(9, 7, "too-deep"))
    two = trees.add(trees.add(deep, Node(20, None, "top")), Node(21, 20, "below"))
    with pytest.raises(InvalidError, match="at most 8 deep"):
        trees.move(two, 20, 6)
    assert trees.move(two, 20, 5).path(21) == "level-0/level-1/level-2/level-3/level-4/level-5/top/below"


def test_a_project_has_at_most_a_thousand_pages() -> None:
    full = Tree(tuple(Node(page, None, f"page-{page}") for page in range(trees.MAX_PAGES)))
    with pytest.raises(ConflictError, match="at most 1000 pages"):
        trees.add(full, Node(5000, None, "more"))


def test_a_page_with_pages_below_goes_only_recursively() -> None:
    with pytest.raises(ConflictError, match="There are 3 pages below this one"):
        trees.remove(SMALL, 1, recursive=False)
    rest, gone = trees.remove(SMALL, 1, recursive=True)
    assert (pages(rest), gone) == ([5], [1, 2, 3, 4])
    rest, gone = trees.remove(SMALL, 3, recursive=False)
    assert (pages(rest), gone) == ([1, 2, 4, 5], [3])


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("About us", "about-us"),
        ("  Über  uns! ", "ueber-uns"),
        ("Stra\u00dfe", "strasse"),
        ("Cafe\u0301 & Küche", "cafe-kueche"),
        ("U\u0308ber", "ueber"),
        ("日本語", "page"),
        ("!!!", "page"),
        ("de", "de-2"),
        ("Contact", "contact-2"),
        ("x" * 100, "x" * 80),
    ],
)
def test_a_slug_is_made_of_the_title(title: str, slug: str) -> None:
    made = trees.free_slug(SMALL, None, title)
    assert made == slug
    assert made in [node.slug for node in trees.add(SMALL, Node(6, None, made)).nodes]


@settings(deadline=None)
@given(st.text(max_size=200), st.integers(1, 12))
def test_whatever_the_title_a_slug_of_it_is_free_and_valid(title: str, times: int) -> None:
    tree = Tree()
    for page in range(times):
        tree = trees.add(tree, Node(page, None, trees.free_slug(tree, None, title)))
    check(tree)


def test_a_site_needs_a_published_page_and_no_published_page_below_a_draft() -> None:
    assert trees.problems(SMALL, {}) == [(None, "No page is published: set the status of at least one to 'published'.")]
    assert trees.problems(SMALL, {5: True}) == []
    assert trees.problems(SMALL, {1: True, 2: True, 3: True}) == []
    assert [page for page, _ in trees.problems(SMALL, {3: True, 4: True, 5: True})] == [3, 4]
