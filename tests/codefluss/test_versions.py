"""The versions group through its handler, with the worker's work given, on moto."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codefluss.wire.common import PROJECT
from fluvial import ids, jobs, sites
from fluvial.caller import Caller
from tests.codefluss.calls import Api, events_of, gone, refusal

DRAFTS_ONLY = "No page is published: set the status of at least one to 'published'"


@pytest.fixture
def site(api: Api, project: str) -> str:
    """A project with a published page, `home`."""
    api.new_page(project, status="published")
    return project


def test_publishing_answers_a_version_that_is_not_ready_yet(caller: Caller, api: Api, site: str) -> None:
    status, answer = api.post(f"/projects/{site}/publish", {"note": "Autumn"})
    version = answer["data"]
    assert (status, answer) == (
        202,
        {
            "data": {
                "projectId": site,
                "version": 1,
                "status": "publishing",
                "note": "Autumn",
                "pages": None,
                "sha256": None,
                "error": None,
                "createdBy": ids.spell(ids.USER, caller.user),
                "createdAt": version["createdAt"],
            }
        },
    )
    assert api.get(f"/projects/{site}/versions/1") == (200, {"data": version})
    stored = sites.get(caller, PROJECT.parse(site), 1)
    assert (stored.note, jobs.get(caller, stored.job).kind) == ("Autumn", "publish_site")
    assert api.get(f"/projects/{site}")[1]["data"]["status"] == "draft"


def test_a_version_that_is_ready_is_live(caller: Caller, api: Api, site: str) -> None:
    assert api.published(site) == 1
    version = api.get(f"/projects/{site}/versions/1")[1]["data"]
    assert (version["status"], version["pages"], len(version["sha256"])) == ("ready", 1, 64)
    project = api.get(f"/projects/{site}")[1]["data"]
    assert (project["status"], project["publishedVersion"]) == ("published", 1)
    assert api.get("/projects")[1]["data"][0]["status"] == "published"
    assert events_of(caller)[-1] == "site.published"


def test_versions_are_listed_newest_first_with_cursors(api: Api, site: str) -> None:
    for _ in range(3):
        api.post(f"/projects/{site}/publish")
    first = api.get(f"/projects/{site}/versions", limit="2")[1]
    assert [each["version"] for each in first["data"]] == [3, 2]
    assert first["pagination"].keys() == {"hasMore", "nextCursor", "total"}
    cursor = first["pagination"]["nextCursor"]
    last = api.get(f"/projects/{site}/versions", cursor=cursor)[1]
    assert ([each["version"] for each in last["data"]], last["pagination"]) == ([1], {"hasMore": False, "total": 3})
    assert api.get(f"/projects/{api.new_project('Empty')}/versions") == (
        200,
        {"data": [], "pagination": {"hasMore": False, "total": 0}},
    )


def test_pages_that_make_no_site_are_refused_with_all_reasons(caller: Caller, api: Api, project: str) -> None:
    status, body = api.post(f"/projects/{project}/publish", {})
    problems = [{"path": None, "reason": DRAFTS_ONLY}]
    details = {"field": "pages", "reason": DRAFTS_ONLY, "problems": problems}
    assert (status, body) == (400, refusal("VALIDATION_ERROR", "Invalid version pages", **details))
    draft = api.new_page(project, "Draft")
    for title in ("One", "Two"):
        api.new_page(project, title, parentId=draft, status="published")
    reason = "The page is published, but the page above it is a draft: publish that, or make this a draft"
    status, body = api.post(f"/projects/{project}/publish", {})
    assert (status, body["error"]["details"]["field"]) == (400, "pages.draft/one")
    assert body["error"]["details"]["problems"] == [
        {"path": "draft/one", "reason": reason},
        {"path": "draft/two", "reason": reason},
    ]
    assert api.get(f"/projects/{project}/versions")[1]["pagination"]["total"] == 0


def test_a_note_is_text_of_500_characters_at_most(api: Api, site: str) -> None:
    for note, reason in (("x" * 501, "'note' must have at most 500 characters, not 501"), (5, None)):
        status, body = api.post(f"/projects/{site}/publish", {"note": note})
        assert (status, body["error"]["details"]["field"]) == (400, "note")
        assert body["error"]["details"]["reason"] == (reason or "'note' must be a string, not 5")


def test_comparing_names_what_differs(api: Api, site: str) -> None:
    (home,) = api.get(f"/projects/{site}/pages")[1]["data"]
    hero = api.new_section(home["id"], "hero", content={"title": "Hello"})
    old = api.new_page(site, "Old", status="published")
    api.published(site)
    new = api.new_page(site, "New", status="published")
    api.delete(f"/pages/{old}")
    text = api.new_section(home["id"], "text", order=0)
    api.put(f"/sections/{hero}", {"content": {"title": "Hi"}})
    api.put(f"/pages/{home['id']}", {"title": "Start"})
    api.published(site)
    found = api.get(f"/projects/{site}/versions/1/compare", to="2")
    assert found == (
        200,
        {
            "data": {
                "from": 1,
                "to": 2,
                "added": [{"id": new, "path": "new", "title": "New"}],
                "removed": [{"id": old, "path": "old", "title": "Old"}],
                "changed": [
                    {
                        "id": home["id"],
                        "path": "home",
                        "title": "Start",
                        "fieldsChanged": ["title"],
                        "sectionsAdded": [text],
                        "sectionsRemoved": [],
                        "sectionsMoved": [],
                        "sectionsChanged": {hero: ["content.title"]},
                    }
                ],
            }
        },
    )
    same = api.get(f"/projects/{site}/versions/2/compare", to="2")[1]["data"]
    assert same == {"from": 2, "to": 2, "added": [], "removed": [], "changed": []}


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({}, "'to' is required"),
        ({"to": "x"}, "'to' must be a whole number, not \"x\""),
        ({"to": "0"}, "'to' must be at least 1, not \"0\""),
        ({"to": "9" * 20}, f"'to' must be at most {2**53 - 1}, not \"{'9' * 20}\""),
    ],
)
def test_comparing_needs_the_number_of_another(api: Api, site: str, query: dict[str, str], reason: str) -> None:
    refused = refusal("VALIDATION_ERROR", "Invalid parameter 'to'", field="to", reason=reason)
    assert api.get(f"/projects/{site}/versions/1/compare", **query) == (400, refused)


@pytest.mark.parametrize("number", ["0", "2", "x", "1.0", "-1", "01", "9" * 30])
def test_a_version_that_never_was_is_not_found(api: Api, site: str, number: str) -> None:
    api.published(site)
    missing = gone("version", number)
    assert api.get(f"/projects/{site}/versions/{number}") == missing
    assert api.post(f"/projects/{site}/versions/{number}/rollback") == missing
    assert api.post(f"/projects/{site}/versions/{number}/preview") == missing
    assert api.get(f"/projects/{site}/versions/{number}/compare", to="1") == missing


def test_what_is_not_ready_is_not_compared_previewed_or_gone_back_to(api: Api, site: str) -> None:
    api.post(f"/projects/{site}/publish")
    reason = "Version 1 is still being published: try again when its status is 'ready'."
    waits = (409, refusal("CONFLICT", reason))
    assert api.post(f"/projects/{site}/versions/1/rollback") == waits
    assert api.post(f"/projects/{site}/versions/1/preview") == waits
    assert api.get(f"/projects/{site}/versions/1/compare", to="1") == waits


def test_rolling_back_makes_the_earlier_version_live_and_leaves_the_pages(caller: Caller, api: Api, site: str) -> None:
    api.published(site)
    (home,) = api.get(f"/projects/{site}/pages")[1]["data"]
    changed = api.put(f"/pages/{home['id']}", {"title": "Changed"})[1]["data"]
    api.published(site)
    status, answer = api.post(f"/projects/{site}/versions/1/rollback")
    assert (status, answer["data"]) == (200, api.get(f"/projects/{site}/versions/1")[1]["data"])
    assert api.get(f"/projects/{site}")[1]["data"]["publishedVersion"] == 1
    assert api.get(f"/pages/{home['id']}")[1]["data"] == changed
    assert api.get(f"/projects/{site}/versions")[1]["pagination"]["total"] == 2
    # What is live already changes nothing and tells nobody.
    assert api.post(f"/projects/{site}/versions/1/rollback")[0] == 200
    assert events_of(caller).count("site.rolled_back") == 1


def test_a_retry_publishes_or_rolls_back_once(caller: Caller, api: Api, site: str) -> None:
    headers = {"Idempotency-Key": "k"}
    first, again = (api.send("POST", f"/projects/{site}/publish", body={}, headers=headers) for _ in range(2))
    assert (first["statusCode"], again["statusCode"], again["body"]) == (202, 202, first["body"])
    status, body = api.call("POST", f"/projects/{site}/publish", body={"note": "Other"}, headers=headers)
    assert (status, body["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert api.get(f"/projects/{site}/versions")[1]["pagination"]["total"] == 1
    for _ in range(2):
        api.published(site)
    first, again = (api.send("POST", f"/projects/{site}/versions/2/rollback", headers=headers) for _ in range(2))
    assert (first["statusCode"], again["statusCode"], again["body"]) == (200, 200, first["body"])
    # The path belongs to the request: another version under the same key is another request.
    status, body = api.call("POST", f"/projects/{site}/versions/3/rollback", headers=headers)
    assert (status, body["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert events_of(caller).count("site.rolled_back") == 1


def test_scopes_and_foreign_accounts(caller: Caller, api: Api, stranger: Api, site: str) -> None:
    api.published(site)
    reader = Api(replace(caller, scopes=frozenset({"pages:read"})))
    assert reader.get(f"/projects/{site}/versions")[0] == 200
    assert reader.post(f"/projects/{site}/versions/1/preview")[0] == 201
    lacks = (403, refusal("FORBIDDEN", "This API key lacks the scope 'pages:write'."))
    assert reader.post(f"/projects/{site}/publish") == lacks
    assert reader.post(f"/projects/{site}/versions/1/rollback") == lacks
    assert stranger.get(f"/projects/{site}/versions/1/compare", to="1") == gone("project", site)
