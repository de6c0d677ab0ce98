"""Pages: what is stored, told and refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fluvial import ids, pages, projects, sections, sites
from fluvial.caller import Caller
from fluvial.errors import ConflictError, InvalidError, NotFoundError, StaleError
from fluvial.idempotency import Once
from fluvial.pages import Change, Seo
from fluvial.store import keys, table
from fluvial.store import sites as sites_store
from tests import factories


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def project(caller: Caller) -> projects.Project:
    return factories.new_project(caller)


def at(moment: int) -> Callable[[], int]:
    return lambda: moment


def told(caller: Caller, *types: str) -> list[dict[str, Any]]:
    """The events of these types, oldest first, as they were recorded."""
    items = table.query(keys.listed(caller.account, "events"))
    return [item for item in items if item["event_type"] in types]


def titles(caller: Caller, project: projects.Project) -> list[str]:
    return [page.title for page in pages.page(caller, project.id, limit=100).items]


def first_this(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Lets another change through right before the next transaction."""
    transact, changes = table.transact, [change]

    def after_the_change(*arguments: Any) -> None:
        while changes:
            changes.pop()()
        transact(*arguments)

    monkeypatch.setattr(table, "transact", after_the_change)


def test_a_page_is_stored_in_its_place_with_its_event(caller: Caller, project: projects.Project) -> None:
    home = pages.create(caller, project_id=project.id, title="Home", now=at(1_800_000_000_000))
    page = pages.create(
        caller,
        project_id=project.id,
        title="About us",
        parent_id=home.id,
        status="published",
        seo=Seo("Who we are", "All of us"),
        now=at(1_800_000_001_000),
    )
    assert page == pages.Page(
        id=page.id,
        account=caller.account,
        project=project.id,
        title="About us",
        status="published",
        seo=Seo("Who we are", "All of us"),
        created=1_800_000_001_000,
        updated=1_800_000_001_000,
        slug="about-us",
        parent=home.id,
        order=0,
        path="home/about-us",
    )
    assert pages.get(caller, page.id) == page
    (_, event) = told(caller, "page.created")
    assert (event["event_type"], event["created"]) == ("page.created", 1_800_000_001_000)
    assert page.described() == {
        "id": ids.spell(ids.PAGE, page.id),
        "project_id": ids.spell(ids.PROJECT, project.id),
        "parent_id": ids.spell(ids.PAGE, home.id),
        "title": "About us",
        "slug": "about-us",
        "path": "home/about-us",
        "order": 0,
        "status": "published",
        "seo": {"title": "Who we are", "description": "All of us"},
        "created_at": "2027-01-15T08:00:01Z",
        "updated_at": "2027-01-15T08:00:01Z",
    }
    assert sites_store.get(caller.account, project.id) == sites_store.Site(revision=2)
    assert table.get((keys.site(caller.account, project.id), "tree")) == {
        "pk": keys.site(caller.account, project.id),
        "sk": "tree",
        "type": "site_tree",
        "account": caller.account,
        "project": project.id,
        "nodes": f'[[{home.id},null,"home"],[{page.id},{home.id},"about-us"]]',
        "revision": 2,
    }


def test_a_page_without_a_slug_gets_a_free_one_and_a_given_one_that_is_taken_is_refused(
    caller: Caller, project: projects.Project
) -> None:
    made = [pages.create(caller, project_id=project.id, title="News") for _ in range(3)]
    assert [page.slug for page in made] == ["news", "news-2", "news-3"]
    with pytest.raises(ConflictError) as refused:
        pages.create(caller, project_id=project.id, title="Other", slug="news")
    assert refused.value.field == "slug"
    assert (
        pages.create(caller, project_id=project.id, title="Other", slug="news", parent_id=made[0].id).path
        == "news/news"
    )


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("title", {"title": ""}),
        ("title", {"title": "x" * 201}),
        ("slug", {"title": "x", "slug": "No"}),
        ("status", {"title": "x", "status": "live"}),
        ("order", {"title": "x", "order": 1}),
        ("seo.title", {"title": "x", "seo": Seo("")}),
        ("seo.description", {"title": "x", "seo": Seo(None, "x" * 501)}),
    ],
)
def test_a_value_that_a_page_cannot_have_is_refused_and_nothing_is_stored(
    caller: Caller, project: projects.Project, field: str, given: dict[str, Any]
) -> None:
    with pytest.raises(InvalidError) as refused:
        pages.create(caller, project_id=project.id, **given)
    assert refused.value.field == field
    assert pages.page(caller, project.id, limit=1) == pages.Listed([], False, 0)
    assert told(caller, "page.created") == []


def test_what_is_foreign_absent_or_out_of_reach_looks_alike(caller: Caller, project: projects.Project) -> None:
    page = pages.create(caller, project_id=project.id, title="Home")
    other = factories.new_project(caller)
    for stranger in (factories.new_caller(), replace(caller, project=other.id)):
        for look in (
            lambda: pages.get(stranger, page.id),  # noqa: B023
            lambda: pages.update(stranger, page.id, Change(frozenset({"title"}), title="x")),  # noqa: B023
            lambda: pages.delete(stranger, page.id),  # noqa: B023
            lambda: pages.get(caller, 4711),
        ):
            with pytest.raises(NotFoundError) as refused:
                look()
            assert refused.value.kind == "page"
        for look in (
            lambda: pages.page(stranger, project.id, limit=1),  # noqa: B023
            lambda: pages.create(stranger, project_id=project.id, title="x"),  # noqa: B023
        ):
            with pytest.raises(NotFoundError) as refused:
                look()
            assert refused.value.kind == "project"
    assert pages.get(replace(caller, project=project.id), page.id) == page


def test_pages_are_listed_in_the_order_of_the_tree_and_read_on_from_the_last(
    caller: Caller, project: projects.Project
) -> None:
    first = pages.create(caller, project_id=project.id, title="First")
    second = pages.create(caller, project_id=project.id, title="Second")
    below = pages.create(caller, project_id=project.id, title="Below", parent_id=first.id)
    listed = pages.page(caller, project.id, limit=2)
    assert (listed.items, listed.has_more, listed.total) == ([first, below], True, 3)
    rest = pages.page(caller, project.id, after=below.id, limit=2)
    assert (rest.items, rest.has_more, rest.total) == ([second], False, 3)
    assert pages.page(caller, project.id, after=second.id, limit=2).items == []
    roots = pages.page(caller, project.id, parent=None, limit=5)
    assert (roots.items, roots.total) == ([first, second], 2)
    assert pages.page(caller, project.id, parent=first.id, limit=5).items == [below]
    with pytest.raises(InvalidError) as refused:
        pages.page(caller, project.id, after=4711, limit=1)
    assert refused.value.field == "cursor"
    with pytest.raises(NotFoundError) as absent:
        pages.page(caller, project.id, parent=4711, limit=1)
    assert (absent.value.kind, absent.value.field) == ("page", "parent_id")


def test_a_page_keeps_what_is_not_changed(caller: Caller, project: projects.Project) -> None:
    page = pages.create(caller, project_id=project.id, title="Home", seo=Seo("t", "d"))
    moment = page.created + 5_000
    changed = pages.update(
        caller, page.id, Change(frozenset({"title", "status"}), title="Start", status="published"), now=at(moment)
    )
    assert changed == replace(page, title="Start", status="published", updated=moment, revision=2)
    assert pages.get(caller, page.id) == changed
    assert [event["event_type"] for event in told(caller, "page.updated")] == ["page.updated"]
    # The tree was not written: it is the same as when it was made.
    assert table.get(sites_store.tree_key(caller.account, project.id))["revision"] == 1  # type: ignore[index]


@pytest.mark.parametrize("field", ["title", "slug", "order", "status"])
def test_only_the_parent_and_seo_can_be_null(caller: Caller, project: projects.Project, field: str) -> None:
    page = pages.create(caller, project_id=project.id, title="Home")
    with pytest.raises(InvalidError) as refused:
        pages.update(caller, page.id, Change(frozenset({field})))
    assert refused.value.field == field
    with pytest.raises(InvalidError, match="at least one field"):
        pages.update(caller, page.id, Change(frozenset()))


def test_a_page_moves_with_all_below_it(caller: Caller, project: projects.Project) -> None:
    first = pages.create(caller, project_id=project.id, title="First")
    second = pages.create(caller, project_id=project.id, title="Second")
    below = pages.create(caller, project_id=project.id, title="Below", parent_id=first.id)
    moved = pages.update(caller, first.id, Change(frozenset({"parent_id", "slug"}), parent_id=second.id, slug="one"))
    assert (moved.path, moved.parent, moved.order, moved.revision) == ("second/one", second.id, 0, 2)
    assert pages.get(caller, below.id) == replace(below, path="second/one/below")
    assert titles(caller, project) == ["Second", "First", "Below"]
    with pytest.raises(InvalidError, match="cannot be moved below itself"):
        pages.update(caller, second.id, Change(frozenset({"parent_id"}), parent_id=below.id))
    back = pages.update(caller, first.id, Change(frozenset({"parent_id", "order"}), parent_id=None, order=0))
    assert (back.path, back.order, pages.get(caller, second.id).order) == ("one", 0, 1)
    last = pages.update(caller, first.id, Change(frozenset({"order"}), order=1))
    assert (last.order, titles(caller, project)) == (1, ["Second", "First", "Below"])


def test_two_changes_at_once_both_stay(
    caller: Caller, project: projects.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = pages.create(caller, project_id=project.id, title="Home")
    other = pages.create(caller, project_id=project.id, title="Other")
    first_this(monkeypatch, lambda: pages.update(caller, page.id, Change(frozenset({"status"}), status="published")))
    changed = pages.update(caller, page.id, Change(frozenset({"title"}), title="Start"))
    assert (changed.title, changed.status, changed.revision) == ("Start", "published", 3)

    first_this(monkeypatch, lambda: pages.create(caller, project_id=project.id, title="Meanwhile"))
    pages.create(caller, project_id=project.id, title="Last")
    assert titles(caller, project) == ["Start", "Other", "Meanwhile", "Last"]

    # A change of the tree alone is noticed, too: the page must still be in it.
    first_this(monkeypatch, lambda: pages.delete(caller, other.id))
    with pytest.raises(NotFoundError):
        pages.update(caller, other.id, Change(frozenset({"title"}), title="Too late"))
    assert len(told(caller, "page.updated")) == 2


def test_two_pages_cannot_be_moved_below_each_other_at_once(
    caller: Caller, project: projects.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = pages.create(caller, project_id=project.id, title="One")
    two = pages.create(caller, project_id=project.id, title="Two")
    first_this(monkeypatch, lambda: pages.update(caller, one.id, Change(frozenset({"parent_id"}), parent_id=two.id)))
    with pytest.raises(InvalidError, match="cannot be moved below itself"):
        pages.update(caller, two.id, Change(frozenset({"parent_id"}), parent_id=one.id))
    assert pages.get(caller, one.id).path == "two/one"


def test_who_names_the_revision_they_know_is_told_when_it_is_old(caller: Caller, project: projects.Project) -> None:
    page = pages.create(caller, project_id=project.id, title="Home")
    changed = pages.update(caller, page.id, Change(frozenset({"title"}), title="Start"), expected=1)
    for change in (
        lambda: pages.update(caller, page.id, Change(frozenset({"title"}), title="x"), expected=1),
        lambda: pages.delete(caller, page.id, expected=1),
    ):
        with pytest.raises(StaleError) as refused:
            change()
        assert (refused.value.kind, refused.value.revision) == ("page", 2)
    assert pages.get(caller, page.id) == changed


def test_a_repeated_request_makes_one_page(caller: Caller, project: projects.Project) -> None:
    once: Once[pages.Page] = Once(caller.account, "POST /pages", "key", "print", 201, lambda page: page.slug)
    pages.create(caller, project_id=project.id, title="Home", once=once)
    found = once.find()
    assert found is not None
    assert found.body == "home"
    with pytest.raises(table.GuardError):
        pages.create(caller, project_id=project.id, title="Home", once=once)
    assert titles(caller, project) == ["Home"]


def test_a_page_with_pages_below_goes_only_recursively_and_then_all_are_gone_at_once(
    caller: Caller, project: projects.Project
) -> None:
    top = pages.create(caller, project_id=project.id, title="Top")
    below = pages.create(caller, project_id=project.id, title="Below", parent_id=top.id)
    section = sections.create(caller, below.id, type="text")
    with pytest.raises(ConflictError, match="There are 1 pages below this one"):
        pages.delete(caller, top.id)
    pages.delete(caller, top.id, recursive=True)
    for look in (
        lambda: pages.get(caller, top.id),
        lambda: pages.get(caller, below.id),
        lambda: sections.get(caller, section.id),
        lambda: sections.create(caller, below.id, type="text"),
        lambda: pages.delete(caller, top.id),
    ):
        with pytest.raises(NotFoundError):
            look()
    assert pages.page(caller, project.id, limit=1) == pages.Listed([], False, 0)
    (event,) = told(caller, "page.deleted")
    assert f'"deleted_ids":["{ids.spell(ids.PAGE, top.id)}","{ids.spell(ids.PAGE, below.id)}"]' in event["data"]


def test_what_deleted_pages_leave_behind_is_swept(caller: Caller, project: projects.Project) -> None:
    page = pages.create(caller, project_id=project.id, title="Home")
    sections.create(caller, page.id, type="text")
    pages.delete(caller, page.id)
    for _ in range(2):
        pages.sweep(caller.account, [page.id])
        assert table.query(keys.listed(caller.account, "pages")) == []
        assert table.query(keys.listed(caller.account, "sections")) == []


def test_the_pages_of_a_deleted_project_are_gone_and_swept(caller: Caller, project: projects.Project) -> None:
    page = pages.create(caller, project_id=project.id, title="Home")
    section = sections.create(caller, page.id, type="text")
    projects.delete(caller, project.id)
    for look in (lambda: pages.get(caller, page.id), lambda: sections.get(caller, section.id)):
        with pytest.raises(NotFoundError):
            look()
    with pytest.raises(NotFoundError) as refused:
        pages.create(caller, project_id=project.id, title="Late")
    assert refused.value.kind == "project"
    for _ in range(2):
        sites.sweep(caller.account, project.id)
        for partition in (
            keys.listed(caller.account, "pages"),
            keys.listed(caller.account, "sections"),
            keys.site(caller.account, project.id),
            keys.versions(caller.account, project.id),
        ):
            assert table.query(partition) == []
