"""Sections: their order is their page's, their inside is their own."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fluvial import ids, pages, projects, sections
from fluvial.caller import Caller
from fluvial.errors import ConflictError, InvalidError, NotFoundError, StaleError
from fluvial.pages import Page
from fluvial.sections import Change
from fluvial.store import keys, table
from fluvial.store import sites as sites_store
from tests import factories
from tests.core.test_pages import first_this, told

HEADING = {"id": "h", "type": "heading", "content": {"text": "Hello"}}
BOX = {"id": "box", "type": "container"}


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def project(caller: Caller) -> projects.Project:
    return factories.new_project(caller)


@pytest.fixture
def page(caller: Caller, project: projects.Project) -> Page:
    return pages.create(caller, project_id=project.id, title="Home")


def three(caller: Caller, page: Page) -> list[sections.Section]:
    return [sections.create(caller, page.id, type="text", name=name) for name in ("A", "B", "C")]


def names(caller: Caller, page: Page) -> list[str]:
    listed = sections.page(caller, page.id, limit=100)
    assert [section.order for section in listed.items] == list(range(listed.total))
    return [section.name for section in listed.items]


def outline(section: sections.Section) -> list[Any]:
    def of(components: list[dict[str, Any]]) -> list[Any]:
        return [(each["id"], of(each["components"])) if each["components"] else each["id"] for each in components]

    return of(section.content["components"])


def test_a_section_is_stored_checked_on_its_page_with_an_event(
    caller: Caller, project: projects.Project, page: Page
) -> None:
    section = sections.create(
        caller,
        page.id,
        type="hero",
        content={"title": {"de": "Hallo", "en": "Hello"}, "components": [{"type": "divider"}]},
        styles={"color": "red"},
        responsive={"md": {"visible": False}},
        now=lambda: page.created + 1_000,
    )
    divider = {"id": "c1", "type": "divider", "visible": True, "content": {}, "styles": {}, "responsive": {}}
    assert section == sections.Section(
        id=section.id,
        account=caller.account,
        project=project.id,
        page=page.id,
        type="hero",
        name="hero",
        visible=True,
        content={"title": {"de": "Hallo", "en": "Hello"}, "components": [{**divider, "components": []}]},
        styles={"color": "red"},
        responsive={"md": {"visible": False}},
        created=page.created + 1_000,
        updated=page.created + 1_000,
    )
    assert sections.get(caller, section.id) == section
    changed = pages.get(caller, page.id)
    assert changed == replace(page, sections=(section.id,), updated=page.created + 1_000, revision=2)
    (event,) = told(caller, "page.updated")
    assert json.loads(event["data"]) == changed.described() | {"section_id": ids.spell(ids.SECTION, section.id)}
    assert sites_store.get(caller.account, project.id).revision == 2


def test_sections_are_listed_from_top_to_bottom_and_read_on_from_the_last(caller: Caller, page: Page) -> None:
    a, b, c = three(caller, page)
    listed = sections.page(caller, page.id, limit=2)
    assert (listed.items, listed.has_more, listed.total) == ([a, b], True, 3)
    rest = sections.page(caller, page.id, after=b.id, limit=2)
    assert (rest.items, rest.has_more, rest.total) == ([c], False, 3)
    with pytest.raises(InvalidError) as refused:
        sections.page(caller, page.id, after=4711, limit=2)
    assert refused.value.field == "cursor"


def test_a_section_goes_where_it_is_wanted(caller: Caller, page: Page) -> None:
    three(caller, page)
    sections.create(caller, page.id, type="text", name="First", order=0)
    assert names(caller, page) == ["First", "A", "B", "C"]
    with pytest.raises(InvalidError) as refused:
        sections.create(caller, page.id, type="text", order=5)
    assert (refused.value.field, refused.value.constraint) == ("order", "0-4")


def test_a_section_keeps_what_is_not_changed_and_its_page_stays_as_it_is(caller: Caller, page: Page) -> None:
    section = sections.create(caller, page.id, type="text", content={"title": "A"}, styles={"color": "red"})
    before = pages.get(caller, page.id)
    changed = sections.update(
        caller, section.id, Change(frozenset({"visible"}), visible=False), now=lambda: section.created + 9
    )
    assert changed == replace(section, visible=False, updated=section.created + 9, revision=2)
    assert sections.get(caller, section.id) == changed
    assert pages.get(caller, page.id) == before
    assert len(told(caller, "page.updated")) == 2
    for change, field in (
        (Change(frozenset({"type"}), type="nope"), "type"),
        (Change(frozenset({"content"}), content={"nope": 1}), "content.nope"),
        (Change(frozenset({"name"}), name=""), "name"),
        (Change(frozenset()), None),
    ):
        with pytest.raises(InvalidError) as refused:
            sections.update(caller, section.id, change)
        assert refused.value.field == field
    assert sections.get(caller, section.id) == changed


def test_a_deleted_section_leaves_no_gap(caller: Caller, page: Page) -> None:
    _, b, _ = three(caller, page)
    sections.delete(caller, b.id)
    assert names(caller, page) == ["A", "C"]
    with pytest.raises(NotFoundError) as refused:
        sections.get(caller, b.id)
    assert (refused.value.kind, refused.value.name) == ("section", b.id)
    assert len(table.query(keys.listed(caller.account, "sections"))) == 2


def test_a_section_moves_on_its_page_and_to_another(caller: Caller, project: projects.Project, page: Page) -> None:
    a, b, c = three(caller, page)
    other = pages.create(caller, project_id=project.id, title="Other")
    assert sections.move(caller, a.id, order=1).order == 1
    assert names(caller, page) == ["B", "A", "C"]
    before = len(told(caller, "page.updated"))
    moved = sections.move(caller, b.id, page_id=other.id)
    assert (moved.page, moved.order, moved.revision) == (other.id, 0, 2)
    assert sections.get(caller, b.id) == moved
    assert (names(caller, page), names(caller, other)) == (["A", "C"], ["B"])
    described = [json.loads(event["data"])["id"] for event in told(caller, "page.updated")[before:]]
    assert sorted(described) == sorted([ids.spell(ids.PAGE, other.id), ids.spell(ids.PAGE, page.id)])
    sections.move(caller, c.id, page_id=other.id, order=0)
    assert names(caller, other) == ["C", "B"]


def test_a_section_that_moves_while_it_is_read_is_found(
    caller: Caller, project: projects.Project, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    (a, *_) = three(caller, page)
    other = pages.create(caller, project_id=project.id, title="Other")
    get, moves = table.get, [lambda: sections.move(caller, a.id, page_id=other.id)]

    def get_and_move(*arguments: Any) -> Any:
        item = get(*arguments)
        if moves:
            moves.pop()()
        return item

    monkeypatch.setattr(table, "get", get_and_move)
    found = sections.get(caller, a.id)
    assert (found.page, found.order, found.name) == (other.id, 0, "A")


def test_a_section_stays_in_its_project(caller: Caller, page: Page) -> None:
    (a, *_) = three(caller, page)
    elsewhere = pages.create(caller, project_id=factories.new_project(caller).id, title="Elsewhere")
    with pytest.raises(InvalidError) as refused:
        sections.move(caller, a.id, page_id=elsewhere.id)
    assert refused.value.field == "page_id"
    with pytest.raises(NotFoundError) as absent:
        sections.move(caller, a.id, page_id=4711)
    assert (absent.value.kind, absent.value.field) == ("page", "page_id")


def test_a_new_order_names_every_section_once(caller: Caller, page: Page) -> None:
    a, b, c = three(caller, page)
    changed = sections.reorder(caller, page.id, [c.id, a.id, b.id], expected=4)
    assert changed.sections == (c.id, a.id, b.id)
    assert names(caller, page) == ["C", "A", "B"]
    spelled = ids.spell(ids.SECTION, c.id)
    for order, reason in (
        ([a.id, b.id], f"'section_ids' lacks {spelled}."),
        ([a.id, b.id, c.id, 4711], "has, though they are not of this page,"),
        ([a.id, b.id, c.id, c.id], f"'section_ids' has twice {spelled}."),
    ):
        with pytest.raises(InvalidError) as refused:
            sections.reorder(caller, page.id, order)
        assert reason in refused.value.reason
        assert refused.value.field == "section_ids"
    with pytest.raises(StaleError):
        sections.reorder(caller, page.id, [a.id, b.id, c.id], expected=4)
    assert names(caller, page) == ["C", "A", "B"]


def test_two_changes_at_once_both_stay(caller: Caller, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    section = sections.create(caller, page.id, type="text", content={"title": "A"})
    first_this(monkeypatch, lambda: sections.update(caller, section.id, Change(frozenset({"visible"}), visible=False)))
    changed = sections.update(caller, section.id, Change(frozenset({"name"}), name="New"))
    assert (changed.name, changed.visible, changed.revision) == ("New", False, 3)

    first_this(monkeypatch, lambda: sections.create(caller, page.id, type="text", name="Meanwhile"))
    sections.create(caller, page.id, type="text", name="Last")
    assert names(caller, page) == ["New", "Meanwhile", "Last"]

    first_this(monkeypatch, lambda: pages.delete(caller, page.id))
    with pytest.raises(NotFoundError):
        sections.update(caller, section.id, Change(frozenset({"name"}), name="Too late"))


def test_who_names_the_revision_they_know_is_told_when_it_is_old(caller: Caller, page: Page) -> None:
    section = sections.create(caller, page.id, type="custom", content={"components": [HEADING]})
    changed = sections.update(caller, section.id, Change(frozenset({"name"}), name="B"), expected=1)
    for change in (
        lambda: sections.update(caller, section.id, Change(frozenset({"name"}), name="C"), expected=1),
        lambda: sections.delete(caller, section.id, expected=1),
        lambda: sections.move(caller, section.id, order=0, expected=1),
        lambda: sections.add_component(caller, section.id, BOX, expected=1),
        lambda: sections.remove_component(caller, section.id, "h", expected=1),
    ):
        with pytest.raises(StaleError) as refused:
            change()
        assert (refused.value.kind, refused.value.revision) == ("section", 2)
    assert sections.get(caller, section.id) == changed


def test_components_are_changed_by_id(caller: Caller, page: Page) -> None:
    section = sections.create(caller, page.id, type="custom", content={"title": "T", "components": [HEADING]})
    added = sections.add_component(caller, section.id, BOX, order=0)
    assert outline(added) == ["box", "h"]
    moved = sections.move_component(caller, section.id, "h", parent_id="box")
    assert outline(moved) == [("box", ["h"])]
    sent = {"id": "ignored", "type": "text", "content": {"text": "New"}}
    replaced = sections.replace_component(caller, section.id, "h", sent)
    assert outline(replaced) == [("box", ["h"])]
    assert replaced.content["title"] == "T"
    with pytest.raises(InvalidError, match="cannot be moved into itself"):
        sections.move_component(caller, section.id, "box", parent_id="box")
    with pytest.raises(InvalidError) as wrong:
        sections.add_component(caller, section.id, {"type": "heading"}, parent_id="box")
    assert wrong.value.field == "content.components.0.components.1.content.text"
    with pytest.raises(NotFoundError) as absent:
        sections.remove_component(caller, section.id, "gone")
    assert (absent.value.kind, absent.value.name) == ("component", "gone")
    removed = sections.remove_component(caller, section.id, "box")
    assert (outline(removed), removed.revision) == ([], 5)
    assert sections.get(caller, section.id) == removed


def test_what_is_foreign_absent_or_out_of_reach_looks_alike(caller: Caller, page: Page) -> None:
    section = sections.create(caller, page.id, type="text")
    other = factories.new_project(caller)
    for stranger in (factories.new_caller(), replace(caller, project=other.id)):
        for look in (
            lambda: sections.get(stranger, section.id),  # noqa: B023
            lambda: sections.update(stranger, section.id, Change(frozenset({"name"}), name="x")),  # noqa: B023
            lambda: sections.delete(stranger, section.id),  # noqa: B023
            lambda: sections.move(stranger, section.id, order=0),  # noqa: B023
            lambda: sections.get(caller, 4711),
        ):
            with pytest.raises(NotFoundError) as refused:
                look()
            assert refused.value.kind == "section"
        for look in (
            lambda: sections.create(stranger, page.id, type="text"),  # noqa: B023
            lambda: sections.page(stranger, page.id, limit=1),  # noqa: B023
            lambda: sections.reorder(stranger, page.id, [section.id]),  # noqa: B023
        ):
            with pytest.raises(NotFoundError) as refused:
                look()
            assert refused.value.kind == "page"


def test_a_page_has_at_most_so_many_sections(caller: Caller, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    three(caller, page)
    monkeypatch.setattr(sections, "MAX_SECTIONS", 3)
    with pytest.raises(ConflictError, match="at most 3 sections"):
        sections.create(caller, page.id, type="text")
