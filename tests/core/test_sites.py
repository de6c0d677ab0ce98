"""Publishing, comparing, rolling back and previewing, as far as no worker is needed or its work is given."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluvial import blobs, ids, jobs, pages, previews, projects, sections, sites, snapshots
from fluvial.caller import Caller
from fluvial.errors import ConflictError, InvalidError, NotFoundError, UnpublishableError
from fluvial.idempotency import Once
from fluvial.pages import Change
from fluvial.store import keys, table
from fluvial.store import sites as sites_store
from tests import factories
from tests.core.test_pages import first_this, told
from tests.workers.test_publish_site import live, new_site, publish


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def project(caller: Caller) -> projects.Project:
    return factories.new_project(caller)


def test_publishing_records_a_version_and_its_job(caller: Caller, project: projects.Project) -> None:
    new_site(caller, project)
    version = sites.publish(caller, project.id, note="Autumn", now=lambda: 1_800_000_000_000)
    assert version == sites.Version(
        account=caller.account,
        project=project.id,
        number=1,
        job=version.job,
        by=caller.user,
        created=1_800_000_000_000,
        status="publishing",
        note="Autumn",
    )
    assert sites.get(caller, project.id, 1) == version
    job = jobs.get(caller, version.job)
    assert (job.kind, job.state, job.inputs) == ("publish_site", "queued", {"project": project.id, "number": 1})
    # A version is no change of the pages, and nothing is live yet.
    assert sites_store.get(caller.account, project.id) == sites_store.Site(revision=4, versions=1)
    assert live(caller, project) is None


def test_pages_that_make_no_site_are_refused_with_all_reasons(caller: Caller, project: projects.Project) -> None:
    with pytest.raises(UnpublishableError) as empty:
        sites.publish(caller, project.id)
    assert empty.value.problems == [(None, "No page is published: set the status of at least one to 'published'.")]
    draft = pages.create(caller, project_id=project.id, title="Draft")
    for title in ("One", "Two"):
        pages.create(caller, project_id=project.id, title=title, parent_id=draft.id, status="published")
    with pytest.raises(UnpublishableError) as refused:
        sites.publish(caller, project.id)
    reason = "The page is published, but the page above it is a draft: publish that, or make this a draft."
    assert refused.value.problems == [("draft/one", reason), ("draft/two", reason)]
    assert refused.value.field == "pages.draft/one"
    assert str(refused.value) == f"{reason} There are 1 more such problems."
    with pytest.raises(InvalidError) as too_long:
        sites.publish(caller, project.id, note="x" * 501)
    assert too_long.value.field == "note"
    assert sites.page(caller, project.id, limit=1) == pages.Listed([], False, 0)
    assert table.query(keys.listed(caller.account, "jobs")) == []


def test_numbers_count_without_a_gap_also_when_two_publish_at_once(
    caller: Caller, project: projects.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_site(caller, project)
    for _ in range(2):
        first_this(monkeypatch, lambda: sites.publish(caller, project.id))
        sites.publish(caller, project.id)
    listed = sites.page(caller, project.id, limit=3)
    assert ([version.number for version in listed.items], listed.has_more, listed.total) == ([4, 3, 2], True, 4)
    rest = sites.page(caller, project.id, after=2, limit=3)
    assert ([version.number for version in rest.items], rest.has_more, rest.total) == ([1], False, 4)
    assert sites.page(caller, project.id, after=1, limit=3).items == []
    assert [version.number for version in sites.page(caller, project.id, after=99, limit=1).items] == [4]


def test_what_is_foreign_absent_or_out_of_reach_looks_alike(caller: Caller, project: projects.Project) -> None:
    new_site(caller, project)
    sites.publish(caller, project.id)
    other = factories.new_project(caller)
    for stranger in (factories.new_caller(), replace(caller, project=other.id)):
        for look in (
            lambda: sites.get(stranger, project.id, 1),  # noqa: B023
            lambda: sites.page(stranger, project.id, limit=1),  # noqa: B023
            lambda: sites.publish(stranger, project.id),  # noqa: B023
            lambda: sites.roll_back(stranger, project.id, 1),  # noqa: B023
            lambda: sites.compare(stranger, project.id, 1, 1),  # noqa: B023
            lambda: previews.create(stranger, project.id, 1),  # noqa: B023
        ):
            with pytest.raises(NotFoundError) as refused:
                look()
            assert (refused.value.kind, refused.value.name) == ("project", project.id)
    for number in (0, -1, 2, 2**60):
        with pytest.raises(NotFoundError) as absent:
            sites.get(caller, project.id, number)
        assert (absent.value.kind, absent.value.name) == ("version", str(number))


def test_only_a_version_that_is_ready_is_compared_previewed_or_gone_back_to(
    caller: Caller, project: projects.Project
) -> None:
    new_site(caller, project)
    version = sites.publish(caller, project.id)

    def try_all(reason: str) -> None:
        for look in (
            lambda: sites.roll_back(caller, project.id, 1),
            lambda: sites.compare(caller, project.id, 1, 1),
            lambda: previews.create(caller, project.id, 1),
        ):
            with pytest.raises(ConflictError, match=reason):
                look()

    try_all("Version 1 is still being published")
    job = jobs.claim(caller.account, version.job, lease_milliseconds=1)
    assert job is not None
    assert sites.fail(job, version, "It rained.")
    try_all("Version 1 has no pages, because publishing it failed: It rained.")


def test_rolling_back_moves_the_pointer_and_nothing_else(caller: Caller, project: projects.Project) -> None:
    home = new_site(caller, project)
    first = publish(caller, project)
    changed = pages.update(caller, home.id, Change(frozenset({"title"}), title="Changed"))
    publish(caller, project)
    before = projects.get(caller, project.id)
    assert sites.roll_back(caller, project.id, 1, now=lambda: before.updated + 7_000) == first
    after = projects.get(caller, project.id)
    assert (live(caller, project), after.updated, after.revision) == (1, before.updated + 7_000, before.revision + 1)
    assert pages.get(caller, home.id) == changed
    (event,) = told(caller, "site.rolled_back")
    assert json.loads(event["data"]) == first.described()
    # It stands in the list by change under its new time.
    item = table.get((keys.listed(caller.account, "projects"), keys.number(project.id)))
    assert item is not None
    assert item["updated_key"] == f"{after.updated:014d}#{keys.number(project.id)}"


def test_going_back_to_the_live_version_changes_nothing_but_keeps_the_answer(
    caller: Caller, project: projects.Project
) -> None:
    new_site(caller, project)
    publish(caller, project)
    before = projects.get(caller, project.id)
    once: Once[sites.Version] = Once(
        caller.account, "POST /rollback", "key", "print", 200, lambda made: str(made.number)
    )
    assert sites.roll_back(caller, project.id, 1, once=once).number == 1
    assert sites.roll_back(caller, project.id, 1).number == 1
    assert projects.get(caller, project.id) == before
    assert told(caller, "site.rolled_back") == []
    found = once.find()
    assert found is not None
    assert found.body == "1"


def test_versions_are_compared_by_pages_sections_and_fields(caller: Caller, project: projects.Project) -> None:
    home = new_site(caller, project)
    (hero,) = sections.page(caller, home.id, limit=9).items
    gone = sections.create(caller, home.id, type="text", name="Gone")
    stays = sections.create(caller, home.id, type="text", name="Stays")
    publish(caller, project)
    publish(caller, project)
    assert sites.compare(caller, project.id, 1, 2) == snapshots.Comparison([], [], [])

    listed = pages.page(caller, project.id, limit=9)
    team = next(page for page in listed.items if page.title == "Team")
    pages.delete(caller, team.id)
    new = pages.create(caller, project_id=project.id, title="New", status="published")
    pages.update(caller, home.id, Change(frozenset({"title", "slug"}), title="Start", slug="start"))
    content = {**hero.content, "title": {"en": "Hello", "de": "Guten Tag"}}
    sections.update(caller, hero.id, sections.Change(frozenset({"content", "styles"}), content=content, styles={}))
    sections.delete(caller, gone.id)
    added = sections.create(caller, home.id, type="text", name="Added", order=0)
    sections.move(caller, hero.id, order=2)
    publish(caller, project)
    compared = sites.compare(caller, project.id, 2, 3)
    page = ids.spell(ids.PAGE, home.id)
    section = {
        name: ids.spell(ids.SECTION, each.id) for name, each in (("hero", hero), ("gone", gone), ("added", added))
    }
    assert [(each["id"], each["path"]) for each in compared.added] == [(ids.spell(ids.PAGE, new.id), "new")]
    assert [(each["id"], each["path"]) for each in compared.removed] == [(ids.spell(ids.PAGE, team.id), "home/team")]
    moved = compared.changed[0].sections_moved
    assert compared.changed == [
        snapshots.PageChange(
            id=page,
            path="start",
            title="Start",
            fields=["title", "slug", "path"],
            sections_added=[section["added"]],
            sections_removed=[section["gone"]],
            sections_moved=moved,
            sections_changed={section["hero"]: ["content.title.de", "styles.color"]},
        )
    ]
    # Of two that changed places, either may be said to have moved.
    assert moved in ([section["hero"]], [ids.spell(ids.SECTION, stays.id)])
    back = sites.compare(caller, project.id, 3, 2)
    assert ([each["title"] for each in back.added], [each["title"] for each in back.removed]) == (["Team"], ["New"])


def snapshot_of(order: list[str], title: str = "T") -> dict[str, Any]:
    page = {"id": "page_1", "path": "p", "title": title, "sections": [{"id": each} for each in order]}
    return {"pages": [page]}


@settings(deadline=None)
@given(st.permutations("abcdef"), st.integers(0, 5), st.integers(0, 4))
def test_one_section_that_moves_is_one_move(order: list[str], start: int, end: int) -> None:
    moved = list(order)
    moved.insert(end, moved.pop(start))
    compared = snapshots.compare(snapshot_of(order), snapshot_of(moved))
    assert [len(change.sections_moved) for change in compared.changed] == ([] if moved == order else [1])


@settings(deadline=None)
@given(st.permutations("abcde"), st.permutations("abcde"))
def test_taking_the_moved_sections_away_leaves_both_orders_the_same(before: list[str], after: list[str]) -> None:
    compared = snapshots.compare(snapshot_of(before), snapshot_of(after))
    moved = compared.changed[0].sections_moved if compared.changed else []
    assert [each for each in before if each not in moved] == [each for each in after if each not in moved]
    assert (moved == []) == (before == after)


# ---------------------------------------------------------------- previews


def test_a_preview_opens_the_files_of_its_version_without_a_key(caller: Caller, project: projects.Project) -> None:
    new_site(caller, project)
    version = publish(caller, project)
    token, preview = previews.create(caller, project.id, 1, now=lambda: 1_800_000_000_000)
    assert preview == previews.Preview(
        caller.account, project.id, 1, str(version.location), 1_800_000_000_000 + 60 * 60 * 1000
    )
    stored = table.get((f"preview#{hashlib.sha256(token.encode()).hexdigest()}", "preview"))
    assert stored is not None
    assert stored["expires"] == 1_800_003_600
    assert token not in json.dumps(stored)

    def look(path: str) -> previews.File:
        return previews.open(token, path, now=lambda: 1_800_000_000_001)

    for path in ("", "/", "index.html", "/index.html"):
        found = look(path)
        assert (found.path, found.content_type) == ("index.html", "text/html; charset=utf-8")
        assert found.data == blobs.get(f"{version.location}public/index.html")
    for path in ("home/team", "/home/team/", "home/team/index.html"):
        assert look(path).path == "home/team/index.html"
    assert look("de").path == "de/index.html"
    assert look("style.css").content_type == "text/css; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    [
        "nowhere",
        "site.json",
        "../site.json",
        "home/../../site.json",
        "..",
        ".",
        "./index.html",
        "//index.html",
        "home//team",
        "home/team//",
        "index.html/",
        "home\\team",
        "%2e%2e/site.json",
        "home/team\x00",
        "home/team\n",
        "http://example.com/",
        "x" * 2_000,
    ],
)
def test_a_path_that_is_no_file_of_the_version_opens_nothing(
    caller: Caller, project: projects.Project, path: str
) -> None:
    new_site(caller, project)
    publish(caller, project)
    token, _ = previews.create(caller, project.id, 1)
    with pytest.raises(NotFoundError) as refused:
        previews.open(token, path)
    assert refused.value.kind == "preview"


def test_a_preview_ends_after_an_hour_and_no_other_token_opens_it(caller: Caller, project: projects.Project) -> None:
    new_site(caller, project)
    publish(caller, project)
    token, preview = previews.create(caller, project.id, 1)
    assert previews.open(token, "", now=lambda: preview.ends - 1).path == "index.html"
    for other in ("", token[:-1], token.upper() if token.upper() != token else "x", "\u00e4", keys.number(1)):
        with pytest.raises(NotFoundError):
            previews.open(other, "")
    with pytest.raises(NotFoundError):
        previews.open(token, "", now=lambda: preview.ends)


def test_a_repeated_request_for_a_preview_has_the_same_token(caller: Caller, project: projects.Project) -> None:
    new_site(caller, project)
    publish(caller, project)
    once: Once[tuple[str, previews.Preview]] = Once(
        caller.account, "POST /preview", "key", "print", 201, lambda made: made[0], spell=previews.spell_token
    )
    token, _ = previews.create(caller, project.id, 1, once=once)
    found = once.find()
    assert found is not None
    assert found.body == token
    assert previews.open(token, "").path == "index.html"


def test_a_deleted_project_has_no_previews_once_it_is_swept(caller: Caller, project: projects.Project) -> None:
    new_site(caller, project)
    publish(caller, project)
    token, _ = previews.create(caller, project.id, 1)
    projects.delete(caller, project.id)
    sites.sweep(caller.account, project.id)
    with pytest.raises(NotFoundError):
        previews.open(token, "")
