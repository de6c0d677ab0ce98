"""The projects group through its handler, on moto."""

from __future__ import annotations

from typing import Any

import pytest

from fluvial.caller import Caller
from fluvial.store import table
from reference.projects import handler
from tests import factories
from tests.factories import answer, request

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


def create(caller: Caller, **body: Any) -> dict[str, Any]:
    status, project = answer(handler, request("POST", "/projects", caller=caller, body=body))
    assert status == 201
    return project


def events_of(caller: Caller) -> list[str]:
    from fluvial.store import keys

    return [item["event_type"] for item in table.query(keys.listed(caller.account, "events"))]


def test_a_created_project_is_answered_whole_and_recorded_with_its_event(caller: Caller) -> None:
    project = create(caller, name="New Project", description="A new project", settings={"visibility": "private"})
    assert project == {
        "id": project["id"],
        "name": "New Project",
        "description": "A new project",
        "settings": {"visibility": "private"},
        "created_at": project["created_at"],
        "updated_at": project["created_at"],
    }
    assert answer(handler, request("GET", "/projects/{id}", caller=caller, path={"id": project["id"]})) == (
        200,
        project,
    )
    assert events_of(caller) == ["project.created"]


def test_settings_come_back_exactly_as_they_were_sent(caller: Caller) -> None:
    settings = {"visibility": "team", "ratio": 0.1, "big": 2**60, "nested": {"a": [1, None, True, "ü"]}}
    project = create(caller, name="Exact", settings=settings)
    _, found = answer(handler, request("GET", "/projects/{id}", caller=caller, path={"id": project["id"]}))
    assert found["settings"] == settings


def test_an_update_changes_only_what_it_names(caller: Caller) -> None:
    project = create(caller, name="Before", description="Kept")
    status, changed = answer(
        handler, request("PUT", "/projects/{id}", caller=caller, path={"id": project["id"]}, body={"name": "After"})
    )
    assert (status, changed["name"], changed["description"]) == (200, "After", "Kept")
    assert events_of(caller) == ["project.created", "project.updated"]


def test_a_description_can_be_cleared_and_a_name_cannot(caller: Caller) -> None:
    project = create(caller, name="Before", description="Gone soon")
    put = {"caller": caller, "path": {"id": project["id"]}}
    assert (
        answer(handler, request("PUT", "/projects/{id}", body={"description": None}, **put))[1]["description"] is None
    )
    status, refusal = answer(handler, request("PUT", "/projects/{id}", body={"name": None}, **put))
    assert (status, refusal["error"]["field"]) == (400, "name")


def test_a_deleted_project_is_gone_and_deleting_it_again_says_so(caller: Caller) -> None:
    project = create(caller, name="Short-lived")
    delete = request("DELETE", "/projects/{id}", caller=caller, path={"id": project["id"]})
    assert answer(handler, delete) == (200, {"success": True, "message": "Project deleted successfully"})
    status, refusal = answer(handler, delete)
    assert (status, refusal["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")
    assert answer(handler, request("GET", "/projects", caller=caller))[1]["pagination"]["total"] == 0
    assert events_of(caller) == ["project.created", "project.deleted"]


def test_a_foreign_project_is_answered_like_an_absent_one(caller: Caller) -> None:
    project = create(caller, name="Mine")
    stranger = factories.new_caller()
    for method, body in (("GET", None), ("PUT", {"name": "Theirs"}), ("DELETE", None)):
        foreign = request(method, "/projects/{id}", caller=stranger, path={"id": project["id"]}, body=body)
        status, refusal = answer(handler, foreign)
        assert (status, refusal["error"]["message"]) == (404, f"No project '{project['id']}' exists.")
    assert answer(handler, request("GET", "/projects/{id}", caller=caller, path={"id": project["id"]}))[0] == 200


@pytest.mark.parametrize("spelling", ["proj_abc123", "nonsense", "proj_00000000000", "data_00000000000", "..%2f"])
def test_an_id_that_cannot_exist_is_answered_like_an_absent_one(caller: Caller, spelling: str) -> None:
    status, refusal = answer(handler, request("GET", "/projects/{id}", caller=caller, path={"id": spelling}))
    assert (status, refusal["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize(
    ("sort", "order", "expected"),
    [
        ("created_at", "asc", ["beta", "Alpha", "gamma"]),
        ("created_at", "desc", ["gamma", "Alpha", "beta"]),
        ("name", "asc", ["Alpha", "beta", "gamma"]),
        ("name", "desc", ["gamma", "beta", "Alpha"]),
        ("updated_at", "desc", ["beta", "gamma", "Alpha"]),
    ],
)
def test_lists_come_in_the_wanted_order(caller: Caller, sort: str, order: str, expected: list[str]) -> None:
    first = create(caller, name="beta")
    create(caller, name="Alpha")
    create(caller, name="gamma")
    answer(handler, request("PUT", "/projects/{id}", caller=caller, path={"id": first["id"]}, body={"name": "beta"}))
    _, page = answer(handler, request("GET", "/projects", caller=caller, query={"sort": sort, "order": order}))
    assert [project["name"] for project in page["data"]] == expected


def test_pages_cover_the_list_without_gap_or_overlap_and_link_to_each_other(caller: Caller) -> None:
    names = [create(caller, name=f"Project {number}")["name"] for number in range(5)]
    query, seen, links = {"per_page": "2", "order": "asc"}, [], []
    for page_number in ("1", "2", "3"):
        _, page = answer(handler, request("GET", "/projects", caller=caller, query={**query, "page": page_number}))
        seen += [project["name"] for project in page["data"]]
        links.append(page["links"])
        assert page["pagination"] == {"total": 5, "page": int(page_number), "per_page": 2, "total_pages": 3}
    assert seen == names
    assert links[0] == {"next": "/v1/projects?per_page=2&order=asc&page=2", "prev": None}
    assert links[2] == {"next": None, "prev": "/v1/projects?per_page=2&order=asc&page=2"}


def test_a_page_past_the_end_is_empty_and_leads_back(caller: Caller) -> None:
    create(caller, name="Only")
    _, page = answer(handler, request("GET", "/projects", caller=caller, query={"page": "7"}))
    assert page["data"] == []
    assert page["links"] == {"next": None, "prev": "/v1/projects?page=1"}


@pytest.mark.parametrize(
    ("query", "field", "part"),
    [
        ({"per_page": "101"}, "per_page", "at most 100"),
        ({"per_page": "0"}, "per_page", "at least 1"),
        ({"page": "0"}, "page", "at least 1"),
        ({"page": "one"}, "page", "a whole number"),
        ({"page": "1.5"}, "page", "a whole number"),
        ({"page": "1_0"}, "page", "a whole number"),
        ({"page": " 1"}, "page", "a whole number"),
        ({"page": "9" * 5000}, "page", "a whole number"),
        ({"sort": "colour"}, "sort", "'created_at', 'updated_at' or 'name'"),
        ({"order": "up"}, "order", "'asc' or 'desc'"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(caller: Caller, query: dict[str, str], field: str, part: str) -> None:
    status, refusal = answer(handler, request("GET", "/projects", caller=caller, query=query))
    assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (400, "VALIDATION_ERROR", field)
    assert part in refusal["error"]["message"]


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ("", "name"),
        ("{nope", None),
        ("[]", None),
        ('"text"', None),
        ("{}", "name"),
        ('{"name": 5}', "name"),
        ('{"name": null}', "name"),
        ('{"name": ""}', "name"),
        ('{"name": "  "}', "name"),
        ('{"name": "\\u200b"}', "name"),
        ('{"name": "n", "settings": {"x": 0.12345678901234567890123}}', None),
        ('{"name": "a\\u0000b"}', "name"),
        ('{"name": "' + "n" * 201 + '"}', "name"),
        ('{"name": "n", "description": 5}', "description"),
        ('{"name": "n", "description": "' + "d" * 2001 + '"}', "description"),
        ('{"name": "n", "settings": []}', "settings"),
        ('{"name": "n", "settings": {"x": 1e999}}', "settings"),
        ('{"name": "n", "settings": {"x": "' + "s" * 17000 + '"}}', "settings"),
        ('{"name": "n", "settings": {"visibility": "public"}}', "settings.visibility"),
        ('{"name": "n", "colour": "red"}', "colour"),
    ],
)
def test_a_bad_body_is_refused_by_field_and_leaves_nothing_behind(caller: Caller, raw: str, field: str | None) -> None:
    status, refusal = answer(handler, request("POST", "/projects", caller=caller, raw=raw))
    assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (400, "VALIDATION_ERROR", field)
    assert answer(handler, request("GET", "/projects", caller=caller))[1]["pagination"]["total"] == 0
    assert events_of(caller) == []


def test_json_is_read_whatever_its_label_says(caller: Caller) -> None:
    mislabelled = {"content-type": "application/x-www-form-urlencoded"}
    event = request("POST", "/projects", caller=caller, body={"name": "From curl"}, headers=mislabelled)
    assert answer(handler, event)[0] == 201


def test_a_key_without_the_scope_may_not(caller: Caller) -> None:
    reader = Caller(caller.account, caller.user, caller.key, caller.plan, frozenset({"projects:read"}))
    assert answer(handler, request("GET", "/projects", caller=reader))[0] == 200
    status, refusal = answer(handler, request("POST", "/projects", caller=reader, body={"name": "No"}))
    assert (status, refusal["error"]["code"]) == (403, "INSUFFICIENT_PERMISSIONS")


def test_every_answer_carries_the_request_id_and_the_limit(caller: Caller) -> None:
    event = request("GET", "/projects/{id}", caller=caller, path={"id": "proj_abc123"})
    response = handler(event, factories.CONTEXT)
    headers = response["multiValueHeaders"]
    assert headers["X-Request-Id"] == [f"req_{event['requestContext']['requestId']}"]
    assert headers["X-RateLimit-Limit"] == ["10000"]
    assert headers["X-RateLimit-Remaining"] == ["9999"]
    assert int(headers["X-RateLimit-Reset"][0]) % 3600 == 0
