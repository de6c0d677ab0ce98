"""The projects group through its handler, on moto."""

from __future__ import annotations

import base64
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from codefluss.wire.common import PROJECT
from fluvial import clock, ids
from fluvial import projects as core
from fluvial.caller import Caller
from fluvial.store import projects
from fluxjiva.projects import handler as fluxjiva
from reference.projects import handler as reference
from tests import factories
from tests.codefluss.calls import Api, absent, events_of, gone, invalid, refusal
from tests.core.test_pages import first_this
from tests.factories import answer, request


def names(body: dict[str, Any]) -> list[str]:
    return [project["name"] for project in body["data"]]


def test_a_created_project_is_answered_whole_and_recorded_with_its_event(caller: Caller, api: Api) -> None:
    status, body = api.post("/projects", {"name": "My Website", "description": "Bread"})
    project = body["data"]
    assert (status, body) == (
        201,
        {
            "data": {
                "id": project["id"],
                "name": "My Website",
                "slug": "my-website",
                "status": "draft",
                "createdAt": project["createdAt"],
                "updatedAt": project["createdAt"],
                "description": "Bread",
                "publishedVersion": None,
            }
        },
    )
    stored = projects.get(caller.account, PROJECT.parse(project["id"]))
    assert stored is not None
    assert (stored.name, stored.slug, stored.description, stored.published) == (
        "My Website",
        "my-website",
        "Bread",
        None,
    )
    assert api.get(f"/projects/{project['id']}") == (200, {"data": project})
    assert events_of(caller) == ["project.created"]


def test_a_list_shows_what_the_document_shows(api: Api) -> None:
    project = api.made("/projects", {"name": "My Website"})
    shown = {name: project[name] for name in ("id", "name", "slug", "status", "createdAt", "updatedAt")}
    assert api.get("/projects") == (200, {"data": [shown], "pagination": {"hasMore": False, "total": 1}})


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My Website", "my-website"),
        ("  Über  uns & Größe  ", "ueber-uns-groesse"),
        ("Café No. 1", "cafe-no-1"),
        ("日本語", "project"),
        ("x" * 100, "x" * 80),
    ],
)
def test_a_slug_is_made_of_the_name(api: Api, name: str, slug: str) -> None:
    assert api.made("/projects", {"name": name})["slug"] == slug


def test_a_slug_that_is_taken_gets_a_number_and_one_that_is_asked_for_a_refusal(caller: Caller, api: Api) -> None:
    first, second = (api.made("/projects", {"name": "Bakery"}) for _ in range(2))
    assert (first["slug"], second["slug"]) == ("bakery", "bakery-2")
    taken = (409, refusal("CONFLICT", "Another project has the slug 'bakery' already.", field="slug"))
    assert api.post("/projects", {"name": "Other", "slug": "bakery"}) == taken
    assert api.put(f"/projects/{second['id']}", {"slug": "bakery"}) == taken
    assert api.put(f"/projects/{first['id']}", {"slug": "the-bakery"})[1]["data"]["slug"] == "the-bakery"
    assert api.put(f"/projects/{second['id']}", {"slug": "bakery"})[1]["data"]["slug"] == "bakery"
    assert api.delete(f"/projects/{first['id']}")[0] == 200
    assert api.made("/projects", {"name": "New", "slug": "the-bakery"})["slug"] == "the-bakery"
    assert events_of(caller).count("project.created") == 3


def test_another_account_may_have_the_same_slug(api: Api, stranger: Api) -> None:
    assert [each.made("/projects", {"name": "Same", "slug": "same"})["slug"] for each in (api, stranger)] == [
        "same"
    ] * 2


def test_an_update_changes_only_what_it_names_and_null_empties(caller: Caller, api: Api) -> None:
    project = api.made("/projects", {"name": "Before", "description": "Kept"})
    status, body = api.put(f"/projects/{project['id']}", {"name": "After"})
    expected = {**project, "name": "After", "updatedAt": body["data"]["updatedAt"]}
    assert (status, body) == (200, {"data": expected})
    # The slug is in addresses: a new name leaves it as it is.
    assert body["data"]["slug"] == "before"
    assert api.put(f"/projects/{project['id']}", {"description": None})[1]["data"]["description"] is None
    assert events_of(caller) == ["project.created", "project.updated", "project.updated"]


def test_a_deleted_project_is_gone_and_deleting_it_again_says_so(api: Api) -> None:
    project = api.new_project()
    page = api.new_page(project)
    section = api.new_section(page)
    assert api.delete(f"/projects/{project}") == (200, {"data": {"id": project, "deleted": True}})
    for method, path in (("DELETE", ""), ("GET", ""), ("GET", "/pages"), ("GET", "/versions"), ("POST", "/publish")):
        assert api.call(method, f"/projects/{project}{path}") == gone("project", project)
    assert api.get(f"/pages/{page}") == gone("page", page)
    assert api.get(f"/sections/{section}") == gone("section", section)
    assert api.get("/projects") == (200, {"data": [], "pagination": {"hasMore": False, "total": 0}})


@pytest.mark.parametrize("name", ["Hi", "", " a ", "  \t", "ab\n"])
def test_a_name_that_is_too_short_is_refused_in_the_document_s_words(caller: Caller, api: Api, name: str) -> None:
    refused = invalid("project", "name", "Name must be at least 3 characters")
    assert api.post("/projects", {"name": name}) == refused
    project = api.new_project()
    assert api.put(f"/projects/{project}", {"name": name}) == refused
    assert events_of(caller) == ["project.created"]


@pytest.mark.parametrize(
    ("raw", "field", "reason"),
    [
        ("", "name", "'name' is required"),
        ('{"name": 5}', "name", "'name' must be a string, not 5"),
        ('{"name": null}', "name", "'name' must be a string, not null"),
        ('{"name": "' + "n" * 201 + '"}', "name", "'name' must have at most 200 characters, not 201"),
        ('{"name": "a\\nb"}', "name", "'name' must not contain control characters"),
        (
            '{"name": "Site", "slug": "No Slug"}',
            "slug",
            "'slug' must have 1-80 lower-case letters, digits and single hyphens between them",
        ),
        (
            '{"name": "Site", "slug": ""}',
            "slug",
            "'slug' must have 1-80 lower-case letters, digits and single hyphens between them",
        ),
        (
            '{"name": "Site", "description": "' + "d" * 2001 + '"}',
            "description",
            "'description' must have at most 2000 characters, not 2001",
        ),
        ('{"name": "Site", "status": "published"}', "status", "'status' is not a field of this request"),
        ('{"name": "Site", "created_at": "x"}', "created_at", "'created_at' is not a field of this request"),
    ],
)
def test_a_bad_field_is_refused_by_name_and_leaves_nothing_behind(
    caller: Caller, api: Api, raw: str, field: str, reason: str
) -> None:
    assert api.call("POST", "/projects", raw=raw) == invalid("project", field, reason)
    assert events_of(caller) == []


@pytest.mark.parametrize("raw", ["{nope", "[]", "null", '"name"', "\u0000"])
def test_a_body_that_is_no_object_is_refused(api: Api, raw: str) -> None:
    status, body = api.call("POST", "/projects", raw=raw)
    assert (status, body["error"]["code"], body["error"]["message"]) == (400, "VALIDATION_ERROR", "Invalid request")
    assert set(body["error"]["details"]) == {"reason"}


def test_an_update_of_nothing_or_of_a_name_to_null_is_refused(api: Api, project: str) -> None:
    nothing = refusal("VALIDATION_ERROR", "Invalid request", reason="Give at least one field to change")
    assert api.put(f"/projects/{project}", {}) == (400, nothing)
    for field in ("name", "slug"):
        assert api.put(f"/projects/{project}", {field: None}) == invalid(
            "project", field, f"'{field}' must not be null"
        )


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ("0", "'limit' must be at least 1, not \"0\""),
        ("101", "'limit' must be at most 100, not \"101\""),
        ("x", "'limit' must be a whole number, not \"x\""),
        ("", "'limit' must be a whole number, not \"\""),
        ("1.0", "'limit' must be a whole number, not \"1.0\""),
        ("-1", "'limit' must be at least 1, not \"-1\""),
    ],
)
def test_a_limit_out_of_bounds_is_refused_in_every_list(api: Api, project: str, limit: str, reason: str) -> None:
    page = api.new_page(project)
    refused = (400, refusal("VALIDATION_ERROR", "Invalid parameter 'limit'", field="limit", reason=reason))
    for path in ("/projects", f"/projects/{project}/pages", f"/projects/{project}/versions", f"/pages/{page}/sections"):
        assert api.get(path, limit=limit) == refused


@pytest.mark.parametrize("limit", ["1", "100"])
def test_the_bounds_themselves_are_taken(api: Api, project: str, limit: str) -> None:
    assert api.get("/projects", limit=limit)[1]["pagination"] == {"hasMore": False, "total": 1}


def cursor_of(position: int) -> str:
    return "cursor_" + base64.urlsafe_b64encode(position.to_bytes(8, "big")).decode().rstrip("=")


NO_CURSORS = [
    "",
    "cursor_",
    "xyz789",
    "cursor_xyz789",
    "AAAAAAAAAAA",
    "cursor_AAAAAAAAAAB",  # spells the same position as another
    "cursor_AAAAAAAAAAA=",
    "cursor_ÄÄÄÄÄÄÄÄÄÄÄ",
    "cursor_" + "A" * 500,
    "cursor_AAAAAAAA AA",
    "' OR 1=1",
    *(cursor_of(position) for position in (2**53, 2**55, 2**64 - 1)),
]


@pytest.mark.parametrize("cursor", NO_CURSORS)
def test_a_text_that_is_no_cursor_is_refused_in_every_list(api: Api, project: str, cursor: str) -> None:
    page = api.new_page(project)
    reason = "Send a cursor as it was answered, as 'nextCursor'"
    refused = (400, refusal("VALIDATION_ERROR", "Invalid parameter 'cursor'", field="cursor", reason=reason))
    for path in ("/projects", f"/projects/{project}/pages", f"/projects/{project}/versions", f"/pages/{page}/sections"):
        assert api.get(path, cursor=cursor) == refused


@pytest.mark.parametrize("position", [0, 1, 2**53 - 1])
def test_a_cursor_that_was_made_up_shows_no_more_than_the_list_has(api: Api, stranger: Api, position: int) -> None:
    stranger.new_project("Theirs")
    api.new_project("Ours")
    status, body = api.get("/projects", cursor=cursor_of(position))
    assert status == 200
    assert names(body) in ([], ["Ours"])


def test_cursors_cover_the_list_without_gap_or_overlap_newest_first(api: Api) -> None:
    made = [api.new_project(f"Project {number}") for number in range(5)]
    seen: list[str] = []
    query = {"limit": "2"}
    for expected in (2, 2, 1):
        status, body = api.get("/projects", **query)
        assert (status, len(body["data"]), body["pagination"]["total"]) == (200, expected, 5)
        seen += [project["id"] for project in body["data"]]
        assert body["pagination"]["hasMore"] == ("nextCursor" in body["pagination"]) == (len(seen) < 5)
        query["cursor"] = body["pagination"].get("nextCursor", "")
    assert seen == made[::-1]


def test_a_list_whose_last_page_is_full_says_that_there_is_no_more(api: Api) -> None:
    for number in range(4):
        api.new_project(f"Project {number}")
    first = api.get("/projects", limit="2")[1]["pagination"]
    last = api.get("/projects", limit="2", cursor=first["nextCursor"])[1]
    assert (names(last), last["pagination"]) == (["Project 1", "Project 0"], {"hasMore": False, "total": 4})


def test_a_list_is_read_on_where_its_last_project_was_deleted_or_a_new_one_made(api: Api) -> None:
    made = [api.new_project(f"Project {number}") for number in range(3)]
    cursor = api.get("/projects", limit="1")[1]["pagination"]["nextCursor"]
    assert api.delete(f"/projects/{made[2]}")[0] == 200
    api.new_project("Newer")
    assert names(api.get("/projects", cursor=cursor)[1]) == ["Project 1", "Project 0"]


def test_parameters_that_are_none_are_left_alone(api: Api) -> None:
    assert api.get("/projects", page="7", sort="name")[0] == 200


def test_a_project_made_through_another_api_is_seen_here_with_a_slug(caller: Caller, api: Api) -> None:
    _, there = answer(reference, request("POST", "/projects", caller=caller, body={"name": "Tide Gauges"}))
    body = {"name": "TV", "industry": "media"}
    _, short = answer(fluxjiva, request("POST", "/projects", caller=caller, body=body))
    found = api.get("/projects")[1]
    assert [(project["name"], project["slug"], project["status"]) for project in found["data"]] == [
        ("TV", "tv", "draft"),
        ("Tide Gauges", "tide-gauges", "draft"),
    ]
    assert [project["id"] for project in found["data"]] == [short["data"]["id"], there["id"]]
    # Two characters are too few for a name that is given here; the one that is there stays.
    path = f"/projects/{short['data']['id']}"
    assert api.put(path, {"description": "Channels"})[1]["data"]["name"] == "TV"
    assert api.put(path, {"name": "TV"}) == invalid("project", "name", "Name must be at least 3 characters")


def test_a_project_made_here_is_the_same_in_the_other_apis(caller: Caller, api: Api) -> None:
    project = api.made("/projects", {"name": "Here", "slug": "here-and-there", "description": "D"})
    for handler, parameter, unwrap in ((reference, "id", False), (fluxjiva, "project_id", True)):
        event = request("GET", f"/projects/{{{parameter}}}", caller=caller, path={parameter: project["id"]})
        status, seen = answer(handler, event)
        seen = seen["data"] if unwrap else seen
        assert (status, seen["id"], seen["name"], seen["description"]) == (200, project["id"], "Here", "D")
        assert seen["created_at"] == project["createdAt"]
    # What is changed there stays what it is here.
    event = request("PUT", "/projects/{id}", caller=caller, path={"id": project["id"]}, body={"name": "There"})
    assert answer(reference, event)[0] == 200
    changed = api.get(f"/projects/{project['id']}")[1]["data"]
    assert (changed["name"], changed["slug"]) == ("There", "here-and-there")


def test_a_foreign_project_is_answered_like_an_absent_one_byte_for_byte(api: Api, stranger: Api, project: str) -> None:
    missing = absent(ids.PROJECT)
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "", {"name": "Theirs"}),
        ("DELETE", "", None),
        ("GET", "/pages", None),
        ("POST", "/pages", {"title": "Theirs"}),
        ("POST", "/publish", {}),
        ("GET", "/versions", None),
        ("GET", "/versions/1", None),
        ("POST", "/versions/1/rollback", None),
        ("POST", "/versions/1/preview", None),
    ):
        foreign = stranger.send(method, f"/projects/{project}{path}", body=body)
        nobody_s = stranger.send(method, f"/projects/{missing}{path}", body=body)
        assert foreign["statusCode"] == nobody_s["statusCode"] == 404, (method, path)
        assert foreign["body"] == nobody_s["body"].replace(missing, project)
        assert set(foreign["multiValueHeaders"]) == set(nobody_s["multiValueHeaders"])
    assert api.get(f"/projects/{project}")[0] == 200


@pytest.mark.parametrize("spelling", ["proj_abc123", "nonsense", "proj_00000000000", "page_00000000000", "..%2f"])
def test_an_id_that_cannot_exist_is_answered_like_an_absent_one(api: Api, spelling: str) -> None:
    assert api.get(f"/projects/{spelling}") == gone("project", spelling)


def test_a_key_of_one_project_sees_just_that(caller: Caller, api: Api, project: str) -> None:
    other = api.new_project("Another")
    page = api.new_page(other)
    restricted = Api(replace(caller, project=PROJECT.parse(project)))
    status, body = restricted.get("/projects")
    assert (status, names(body), body["pagination"]) == (200, ["My Website"], {"hasMore": False, "total": 1})
    assert restricted.get("/projects", cursor=cursor_of(1))[1]["data"] == []
    assert restricted.new_page(project).startswith("page_")
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/pages"), ("POST", "/publish"), ("GET", "/versions")):
        assert restricted.call(method, f"/projects/{other}{path}") == gone("project", other)
    assert restricted.get(f"/pages/{page}") == gone("page", page)
    expected = (403, refusal("FORBIDDEN", "This API key is for one project only."))
    assert restricted.post("/projects", {"name": "Not here"}) == expected


def test_a_key_without_the_scope_may_not(caller: Caller, project: str) -> None:
    reader = Api(replace(caller, scopes=frozenset({"projects:read"})))
    assert reader.get("/projects")[0] == 200
    expected = (403, refusal("FORBIDDEN", "This API key lacks the scope 'projects:write'."))
    assert reader.post("/projects", {"name": "No"}) == expected
    assert reader.put(f"/projects/{project}", {"name": "No"}) == expected
    assert reader.delete(f"/projects/{project}") == expected


def test_a_retry_makes_one_project_and_another_request_under_its_key_is_refused(api: Api) -> None:
    headers = {"Idempotency-Key": "k"}
    first, again = (api.send("POST", "/projects", body={"name": "Once"}, headers=headers) for _ in range(2))
    assert (first["statusCode"], again["statusCode"], again["body"]) == (201, 201, first["body"])
    assert again["multiValueHeaders"]["Idempotent-Replayed"] == ["true"]
    status, body = api.call("POST", "/projects", body={"name": "Twice"}, headers=headers)
    assert (status, body["error"]["code"], body["error"]["details"]) == (
        422,
        "IDEMPOTENCY_KEY_REUSED",
        {"field": "Idempotency-Key"},
    )
    assert api.get("/projects")[1]["pagination"]["total"] == 1


def test_a_retry_is_answered_alike_also_where_the_second_changed_while_the_first_was_answered(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = count(clock.now(), clock.SECOND)
    monkeypatch.setattr(clock, "now", lambda: next(seconds))
    headers = {"Idempotency-Key": "k"}
    first, again = (api.send("POST", "/projects", body={"name": "Once"}, headers=headers) for _ in range(2))
    assert (first["statusCode"], again["body"]) == (201, first["body"])


def test_a_single_project_has_an_etag_and_is_not_sent_again(api: Api, project: str) -> None:
    answered = api.send("GET", f"/projects/{project}")
    assert answered["multiValueHeaders"]["ETag"] == ['"1"']
    for known in ('"1"', '"7", "1"'):
        again = api.send("GET", f"/projects/{project}", headers={"If-None-Match": known})
        assert (again["statusCode"], again["body"] or "") == (304, ""), known
        assert again["multiValueHeaders"]["ETag"] == ['"1"']
    for known in ('"7", "1"', 'W/"1"', "*"):
        # Whoever compresses on the way makes a tag weak.
        assert api.send("GET", f"/projects/{project}", headers={"If-None-Match": known})["statusCode"] == 304
    assert api.send("GET", f"/projects/{project}", headers={"If-None-Match": '"2"'})["statusCode"] == 200


def test_of_two_writers_who_name_what_they_read_the_second_is_told(caller: Caller, api: Api, project: str) -> None:
    path = f"/projects/{project}"
    changed = api.send("PUT", path, body={"description": "First"}, headers={"If-Match": '"1"'})
    assert (changed["statusCode"], changed["multiValueHeaders"]["ETag"]) == (200, ['"2"'])
    message = "The project was changed since you read it: read it again. It is at revision 2 now."
    stale = (412, refusal("PRECONDITION_FAILED", message))
    assert api.put(path, {"description": "Second"}, If_Match='"1"') == stale
    assert api.call("DELETE", path, headers={"If-Match": '"1"'}) == stale
    assert api.get(path)[1]["data"]["description"] == "First"
    assert api.put(path, {"description": "Third"}, If_Match="*")[0] == 200
    assert api.call("DELETE", path, headers={"If-Match": '"3"'})[0] == 200


def test_two_writers_who_name_nothing_both_have_their_change(
    caller: Caller, api: Api, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/projects/{project}"
    theirs = core.Change(frozenset({"description"}), description="Theirs")
    first_this(monkeypatch, lambda: core.update(caller, PROJECT.parse(project), theirs))
    assert api.put(path, {"name": "Ours"})[0] == 200
    found = api.send("GET", path)
    assert found["multiValueHeaders"]["ETag"] == ['"3"']
    data = api.get(path)[1]["data"]
    assert (data["name"], data["description"]) == ("Ours", "Theirs")


def test_an_if_match_that_is_no_etag_is_refused(api: Api, project: str) -> None:
    for given in ("1", '"x"', "", '"1", "2"'):
        reason = "'If-Match' must be an ETag as it was answered, such as \"3\", or *"
        refused = refusal("VALIDATION_ERROR", "Invalid parameter 'If-Match'", field="If-Match", reason=reason)
        assert api.put(f"/projects/{project}", {"name": "New name"}, If_Match=given) == (400, refused)


def test_a_member_s_role_holds_here_too(caller: Caller) -> None:
    viewer = factories.new_member(caller, "viewer")
    looking = Api(replace(caller, user=viewer.id, role="viewer", scopes=frozenset({"projects:read", "pages:read"})))
    assert looking.get("/projects")[0] == 200
    assert looking.post("/projects", {"name": "Nope"})[0] == 403
