"""The pages group through its handler, on moto."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from codefluss.wire.common import PROJECT
from fluvial import ids, pages, slugs, trees
from fluvial.caller import Caller
from fluvial.store import pages as store
from tests.codefluss.calls import Api, absent, events_of, gone, invalid, page_id, refusal
from tests.core.test_pages import first_this

CYCLE = "A page cannot be moved below itself"


def paths(api: Api, project: str, **query: str) -> list[str]:
    status, body = api.get(f"/projects/{project}/pages", **query)
    assert status == 200, body
    return [page["path"] for page in body["data"]]


@pytest.fixture
def tree(api: Api, project: str) -> dict[str, str]:
    """Page ids by path: about with team and history below it, and contact beside it."""
    about = api.new_page(project, "About")
    return {
        "about": about,
        "about/team": api.new_page(project, "Team", parentId=about),
        "about/history": api.new_page(project, "History", parentId=about),
        "contact": api.new_page(project, "Contact"),
    }


def test_a_created_page_is_answered_whole_and_recorded_with_its_event(caller: Caller, api: Api, project: str) -> None:
    body = {"title": "Über uns", "status": "published", "seo": {"title": "Wir", "description": "Alle"}}
    status, answer = api.post(f"/projects/{project}/pages", body)
    page = answer["data"]
    assert (status, answer) == (
        201,
        {
            "data": {
                "id": page["id"],
                "projectId": project,
                "title": "Über uns",
                "slug": "ueber-uns",
                "path": "ueber-uns",
                "parentId": None,
                "status": "published",
                "seo": {"title": "Wir", "description": "Alle"},
                "order": 0,
                "createdAt": page["createdAt"],
                "updatedAt": page["createdAt"],
            }
        },
    )
    found = store.get(caller.account, page_id(page["id"]))
    assert found is not None
    stored, tree = found
    assert (stored.title, stored.status, stored.seo.title, stored.revision) == ("Über uns", "published", "Wir", 1)
    assert [(node.page, node.parent, node.slug) for node in tree.nodes] == [(stored.id, None, "ueber-uns")]
    assert api.get(f"/pages/{page['id']}") == (200, {"data": page})
    assert events_of(caller) == ["project.created", "page.created"]


def test_a_page_needs_no_more_than_a_title(api: Api, project: str) -> None:
    page = api.made(f"/projects/{project}/pages", {"title": "Home"})
    assert (page["status"], page["seo"], page["order"]) == ("draft", {"title": None, "description": None}, 0)


def test_pages_are_listed_in_the_order_of_the_tree(api: Api, project: str, tree: dict[str, str]) -> None:
    assert paths(api, project) == list(tree)
    assert paths(api, project, parentId="root") == ["about", "contact"]
    assert paths(api, project, parentId=tree["about"]) == ["about/team", "about/history"]
    assert paths(api, project, parentId=tree["contact"]) == []
    below = api.get(f"/projects/{project}/pages", parentId=tree["about"])[1]
    assert below["pagination"] == {"hasMore": False, "total": 2}
    assert [(page["order"], page["parentId"]) for page in below["data"]] == [(0, tree["about"]), (1, tree["about"])]


def test_cursors_cover_the_tree_without_gap_or_overlap(api: Api, project: str, tree: dict[str, str]) -> None:
    seen, query = [], {"limit": "3"}
    for expected in (3, 1):
        body = api.get(f"/projects/{project}/pages", **query)[1]
        assert (len(body["data"]), body["pagination"]["total"]) == (expected, 4)
        seen += [page["path"] for page in body["data"]]
        query["cursor"] = body["pagination"].get("nextCursor", "")
    assert seen == list(tree)
    assert body["pagination"] == {"hasMore": False, "total": 4}


def test_a_cursor_whose_page_is_gone_says_so(api: Api, project: str, tree: dict[str, str]) -> None:
    cursor = api.get(f"/projects/{project}/pages", limit="2")[1]["pagination"]["nextCursor"]
    assert api.delete(f"/pages/{tree['about/team']}")[0] == 200
    reason = "What this cursor stood at is gone or was moved: read the list from its start"
    refused = (400, refusal("VALIDATION_ERROR", "Invalid parameter 'cursor'", field="cursor", reason=reason))
    assert api.get(f"/projects/{project}/pages", cursor=cursor) == refused
    # So does one of another list.
    assert api.get(f"/projects/{project}/pages", cursor=cursor, parentId="root") == refused


@pytest.mark.parametrize("parent", ["nonsense", "", "page_00000000000", "proj_00000000000", "null"])
def test_pages_below_a_page_that_is_none_are_not_found(api: Api, project: str, parent: str) -> None:
    assert api.get(f"/projects/{project}/pages", parentId=parent) == gone("page", parent, field="parentId")


def test_a_page_goes_where_order_says(api: Api, project: str, tree: dict[str, str]) -> None:
    api.new_page(project, "First", order=0)
    api.new_page(project, "Boss", parentId=tree["about"], order=1)
    assert paths(api, project) == ["first", "about", "about/team", "about/boss", "about/history", "contact"]
    for order in (-1, 4):
        status, body = api.post(f"/projects/{project}/pages", {"title": "Out", "order": order})
        assert (status, body) == invalid("page", "order", "'order' must be 0-3 here")


def test_a_slug_is_made_of_the_title_and_one_that_is_asked_for_must_be_free(
    api: Api, project: str, tree: dict[str, str]
) -> None:
    again = api.made(f"/projects/{project}/pages", {"title": "About"})
    assert again["slug"] == "about-2"
    # Unique below its parent, not in the project.
    assert (
        api.made(f"/projects/{project}/pages", {"title": "About", "parentId": tree["about"]})["path"] == "about/about"
    )
    taken = (409, refusal("CONFLICT", "A page beside this one has the slug 'contact' already.", field="slug"))
    assert api.post(f"/projects/{project}/pages", {"title": "Mail", "slug": "contact"}) == taken
    assert api.put(f"/pages/{again['id']}", {"slug": "contact"}) == taken
    moved = api.made(f"/projects/{project}/pages", {"title": "C", "slug": "contact", "parentId": tree["about"]})["id"]
    assert api.post(f"/pages/{moved}/move", {"parentId": None}) == taken
    assert api.put(f"/pages/{moved}", {"parentId": None, "slug": "mail"})[1]["data"]["path"] == "mail"


def test_a_slug_of_two_letters_is_kept_for_a_language_at_the_top(api: Api, project: str, tree: dict[str, str]) -> None:
    reason = "A slug of two letters is kept for a language where the page has none above it"
    refused = invalid("page", "slug", reason)
    assert api.post(f"/projects/{project}/pages", {"title": "German", "slug": "de"}) == refused
    assert api.made(f"/projects/{project}/pages", {"title": "DE"})["slug"] == "de-2"
    below = {"title": "German", "slug": "de", "parentId": tree["about"]}
    assert api.made(f"/projects/{project}/pages", below)["path"] == "about/de"


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({}, "title", "'title' is required"),
        ({"title": 5}, "title", "'title' must be a string, not 5"),
        ({"title": ""}, "title", "'title' must not be empty: it has to show something"),
        ({"title": "t" * 201}, "title", "'title' must have at most 200 characters, not 201"),
        ({"title": "T", "status": "live"}, "status", "'status' must be draft or published"),
        ({"title": "T", "slug": "a b"}, "slug", f"'slug' must have {slugs.RULE}"),
        ({"title": "T", "seo": {"titel": "x"}}, "seo.titel", "'seo.titel' is not a field of this request"),
        ({"title": "T", "seo": {"title": 1}}, "seo.title", "'seo.title' must be a string, not 1"),
        (
            {"title": "T", "seo": {"description": "d" * 501}},
            "seo.description",
            "'seo.description' must have at most 500 characters, not 501",
        ),
        ({"title": "T", "order": "1"}, "order", "'order' must be a whole number, not \"1\""),
        ({"title": "T", "order": 1.5}, "order", "'order' must be a whole number, not 1.5"),
        ({"title": "T", "parent_id": None}, "parentId", "Names are in camel case: send 'parentId'"),
        ({"title": "T", "parent": None}, "parent", "'parent' is not a field of this request"),
        ({"title": "T", "parentId": 7}, "parentId", "'parentId' must be a string, not 7"),
    ],
)
def test_a_bad_field_is_refused_by_name_and_leaves_nothing_behind(
    caller: Caller, api: Api, project: str, fields: dict[str, Any], field: str, reason: str
) -> None:
    assert api.post(f"/projects/{project}/pages", fields) == invalid("page", field, reason)
    assert paths(api, project) == []
    assert events_of(caller) == ["project.created"]


def test_an_orphan_is_refused_by_its_parent(api: Api, stranger: Api, project: str) -> None:
    theirs = stranger.new_page(stranger.new_project())
    elsewhere = api.new_page(api.new_project("Another"))
    page = api.new_page(project)
    for parent in (absent(ids.PAGE), "nonsense", theirs, elsewhere):
        missing = gone("page", parent, field="parentId")
        assert api.post(f"/projects/{project}/pages", {"title": "Orphan", "parentId": parent}) == missing
        assert api.post(f"/pages/{page}/move", {"parentId": parent}) == missing
        assert api.put(f"/pages/{page}", {"parentId": parent}) == missing
    assert paths(api, project) == ["home"]


def test_a_page_does_not_go_below_itself(api: Api, project: str, tree: dict[str, str]) -> None:
    for parent in (tree["about"], tree["about/team"]):
        refused = invalid("page", "parentId", CYCLE)
        assert api.post(f"/pages/{tree['about']}/move", {"parentId": parent}) == refused
        assert api.put(f"/pages/{tree['about']}", {"parentId": parent}) == refused
    assert paths(api, project) == list(tree)


def test_pages_are_eight_deep_at_most_also_when_a_subtree_moves(api: Api, project: str) -> None:
    way: list[str] = []
    for depth in range(trees.MAX_DEPTH):
        way.append(api.new_page(project, f"Level {depth}", parentId=way[-1] if way else None))
    refused = invalid("page", "parentId", "Pages are at most 8 deep")
    assert api.post(f"/projects/{project}/pages", {"title": "Deep", "parentId": way[-1]}) == refused
    top = api.new_page(project, "Top")
    assert api.post(f"/pages/{way[0]}/move", {"parentId": top}) == refused


def test_a_page_moves_with_all_below_it(caller: Caller, api: Api, project: str, tree: dict[str, str]) -> None:
    status, body = api.post(f"/pages/{tree['about']}/move", {"parentId": tree["contact"]})
    assert (status, body["data"]["path"], body["data"]["order"]) == (200, "contact/about", 0)
    assert paths(api, project) == ["contact", "contact/about", "contact/about/team", "contact/about/history"]
    back = {"parentId": None, "order": 0}
    assert api.post(f"/pages/{tree['about']}/move", back)[1]["data"]["path"] == "about"
    assert paths(api, project) == list(tree)
    assert events_of(caller).count("page.updated") == 2


def test_pages_change_places_among_their_siblings(api: Api, project: str, tree: dict[str, str]) -> None:
    move = {"parentId": tree["about"], "order": 0}
    assert api.post(f"/pages/{tree['about/history']}/move", move)[1]["data"]["order"] == 0
    assert paths(api, project, parentId=tree["about"]) == ["about/history", "about/team"]
    assert api.put(f"/pages/{tree['about/history']}", {"order": 1})[1]["data"]["order"] == 1
    assert paths(api, project, parentId=tree["about"]) == ["about/team", "about/history"]
    assert api.post(f"/pages/{tree['contact']}/move", {"parentId": None, "order": 2}) == invalid(
        "page", "order", "'order' must be 0-1 here"
    )


def test_a_move_to_where_a_page_is_leaves_it_there(api: Api, project: str, tree: dict[str, str]) -> None:
    assert api.post(f"/pages/{tree['about']}/move", {"parentId": None})[1]["data"]["order"] == 0
    assert paths(api, project) == list(tree)


def test_a_move_says_where_to(api: Api, project: str, tree: dict[str, str]) -> None:
    required = invalid("page", "parentId", "'parentId' is required")
    assert api.post(f"/pages/{tree['about']}/move", {}) == required
    assert api.post(f"/pages/{tree['about']}/move") == required


def test_an_update_changes_only_what_it_names(caller: Caller, api: Api, project: str) -> None:
    page = api.made(f"/projects/{project}/pages", {"title": "Before", "seo": {"title": "S", "description": "D"}})
    status, body = api.put(f"/pages/{page['id']}", {"title": "After", "status": "published"})
    expected = {**page, "title": "After", "status": "published", "updatedAt": body["data"]["updatedAt"]}
    assert (status, body) == (200, {"data": expected})
    # `seo` is one value: what is not in the new one is gone.
    assert api.put(f"/pages/{page['id']}", {"seo": {"title": "T"}})[1]["data"]["seo"] == {
        "title": "T",
        "description": None,
    }
    assert api.put(f"/pages/{page['id']}", {"seo": None})[1]["data"]["seo"] == {"title": None, "description": None}
    nothing = refusal("VALIDATION_ERROR", "Invalid request", reason="Give at least one field to change")
    assert api.put(f"/pages/{page['id']}", {}) == (400, nothing)
    for field in ("title", "slug", "order", "status"):
        assert api.put(f"/pages/{page['id']}", {field: None}) == invalid("page", field, f"'{field}' must not be null")


def test_a_page_with_pages_below_it_goes_only_recursively(
    caller: Caller, api: Api, project: str, tree: dict[str, str]
) -> None:
    about = f"/pages/{tree['about']}"
    section = api.new_section(tree["about/team"])
    reason = "There are 2 pages below this one: delete or move them first, or delete recursively."
    for query in ({}, {"recursive": "false"}):
        assert api.delete(about, **query) == (409, refusal("CONFLICT", reason))
    assert api.delete(about, recursive="true") == (200, {"data": {"id": tree["about"], "deleted": True}})
    assert paths(api, project) == ["contact"]
    for path in ("about", "about/team", "about/history"):
        assert api.get(f"/pages/{tree[path]}") == gone("page", tree[path])
        assert api.get(f"/pages/{tree[path]}/sections") == gone("page", tree[path])
    assert api.get(f"/sections/{section}") == gone("section", section)
    assert api.delete(about, recursive="true") == gone("page", tree["about"])
    assert events_of(caller).count("page.deleted") == 1


@pytest.mark.parametrize("recursive", ["1", "yes", "True", ""])
def test_only_true_and_false_say_whether_to_delete_recursively(api: Api, project: str, recursive: str) -> None:
    page = api.new_page(project)
    reason = f"'recursive' must be true or false, not \"{recursive}\""
    refused = refusal("VALIDATION_ERROR", "Invalid parameter 'recursive'", field="recursive", reason=reason)
    assert api.delete(f"/pages/{page}", recursive=recursive) == (400, refused)


def test_a_foreign_page_is_answered_like_an_absent_one_byte_for_byte(api: Api, stranger: Api, project: str) -> None:
    page, missing = api.new_page(project), absent(ids.PAGE)
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "", {"title": "Theirs"}),
        ("DELETE", "", None),
        ("POST", "/move", {"parentId": None}),
        ("GET", "/sections", None),
        ("POST", "/sections", {"type": "text"}),
        ("PUT", "/sections/order", {"sectionIds": []}),
    ):
        foreign = stranger.send(method, f"/pages/{page}{path}", body=body)
        nobody_s = stranger.send(method, f"/pages/{missing}{path}", body=body)
        assert foreign["statusCode"] == nobody_s["statusCode"] == 404, (method, path)
        assert foreign["body"] == nobody_s["body"].replace(missing, page)
        assert set(foreign["multiValueHeaders"]) == set(nobody_s["multiValueHeaders"])


def test_a_key_of_another_project_does_not_find_the_page(caller: Caller, api: Api, project: str) -> None:
    page = api.new_page(project)
    restricted = Api(replace(caller, project=PROJECT.parse(api.new_project("Another"))))
    assert restricted.get(f"/pages/{page}") == gone("page", page)
    assert restricted.delete(f"/pages/{page}") == gone("page", page)


def test_reading_and_writing_pages_are_scopes_of_their_own(caller: Caller, api: Api, project: str) -> None:
    page = api.new_page(project)
    other = Api(replace(caller, scopes=frozenset({"projects:read", "projects:write"})))
    lacks = refusal("FORBIDDEN", "This API key lacks the scope 'pages:read'.")
    assert other.get(f"/projects/{project}/pages") == (403, lacks)
    reader = Api(replace(caller, scopes=frozenset({"pages:read"})))
    assert reader.get(f"/projects/{project}/pages")[0] == reader.get(f"/pages/{page}")[0] == 200
    lacks = refusal("FORBIDDEN", "This API key lacks the scope 'pages:write'.")
    for method, path, body in (
        ("POST", f"/projects/{project}/pages", {"title": "No"}),
        ("PUT", f"/pages/{page}", {"title": "No"}),
        ("POST", f"/pages/{page}/move", {"parentId": None}),
        ("DELETE", f"/pages/{page}", None),
        ("POST", f"/projects/{project}/publish", {}),
    ):
        assert reader.call(method, path, body=body) == (403, lacks)
    writer = Api(replace(caller, scopes=frozenset({"pages:write"})))
    assert writer.put(f"/pages/{page}", {"title": "Yes"})[0] == 200
    assert writer.get(f"/pages/{page}")[0] == 403


def test_a_retry_makes_or_moves_a_page_once(caller: Caller, api: Api, project: str, tree: dict[str, str]) -> None:
    headers = {"Idempotency-Key": "k"}
    for path, body in (
        (f"/projects/{project}/pages", {"title": "Once"}),
        (f"/pages/{tree['contact']}/move", {"parentId": tree["about"], "order": 0}),
    ):
        first, again = (api.send("POST", path, body=body, headers=headers) for _ in range(2))
        assert (again["statusCode"], again["body"]) == (first["statusCode"], first["body"])
        assert again["multiValueHeaders"]["Idempotent-Replayed"] == ["true"]
        status, refused = api.call("POST", path, body={**body, "order": 1}, headers=headers)
        assert (status, refused["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert (events_of(caller).count("page.created"), events_of(caller).count("page.updated")) == (5, 1)


def test_of_two_writers_who_name_what_they_read_the_second_is_told(api: Api, project: str) -> None:
    page = api.new_page(project)
    path = f"/pages/{page}"
    assert api.send("GET", path)["multiValueHeaders"]["ETag"] == ['"1"']
    changed = api.send("PUT", path, body={"title": "First"}, headers={"If-Match": '"1"'})
    assert (changed["statusCode"], changed["multiValueHeaders"]["ETag"]) == (200, ['"2"'])
    message = "The page was changed since you read it: read it again. It is at revision 2 now."
    stale = (412, refusal("PRECONDITION_FAILED", message))
    headers = {"If-Match": '"1"'}
    assert api.call("PUT", path, body={"title": "Second"}, headers=headers) == stale
    assert api.call("POST", f"{path}/move", body={"parentId": None}, headers=headers) == stale
    assert api.call("DELETE", path, headers=headers) == stale
    assert api.get(path)[1]["data"]["title"] == "First"
    assert api.call("DELETE", path, headers={"If-Match": '"2"'})[0] == 200


def test_two_writers_who_name_nothing_both_have_their_change(
    caller: Caller, api: Api, project: str, tree: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    team = f"/pages/{tree['about/team']}"
    renamed = pages.Change(frozenset({"title"}), title="The team")
    first_this(monkeypatch, lambda: pages.update(caller, page_id(tree["about/team"]), renamed))
    assert api.put(team, {"status": "published"})[0] == 200
    number = PROJECT.parse(project)
    first_this(monkeypatch, lambda: pages.create(caller, project_id=number, title="Meanwhile", order=0))
    assert api.post(f"{team}/move", {"parentId": None})[0] == 200
    data = api.get(team)[1]["data"]
    assert (data["title"], data["status"], data["path"]) == ("The team", "published", "team")
    assert paths(api, project) == ["meanwhile", "about", "about/history", "contact", "team"]


def test_a_page_has_an_etag_and_is_not_sent_again(api: Api, project: str) -> None:
    path = f"/pages/{api.new_page(project)}"
    again = api.send("GET", path, headers={"If-None-Match": '"1"'})
    assert (again["statusCode"], again["body"] or "") == (304, "")
    api.put(path, {"title": "New"})
    assert api.send("GET", path, headers={"If-None-Match": '"1"'})["statusCode"] == 200
