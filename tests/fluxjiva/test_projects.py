"""The projects group through its handler, on moto."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fluvial import ids
from fluvial.caller import Caller
from fluvial.store import keys, projects, table
from fluxjiva.wire import projects as shapes
from fluxjiva.wire.common import PROJECT
from reference.projects import handler as reference
from tests import factories
from tests.factories import answer, request
from tests.fluxjiva.calls import QUERY, Api, absent, refusal
from tests.workers.pipeline import Pipeline


def create(api: Api, **body: Any) -> dict[str, Any]:
    status, made = api.post("/projects", body)
    assert status == 201
    project: dict[str, Any] = made["data"]
    return project


def events_of(caller: Caller) -> list[str]:
    return [item["event_type"] for item in table.query(keys.listed(caller.account, "events"))]


def names(body: dict[str, Any]) -> list[str]:
    return [project["name"] for project in body["data"]]


def test_a_created_project_is_answered_whole_and_recorded_with_its_event(caller: Caller, api: Api) -> None:
    project = create(api, name="Marketing", description="Q1", industry="retail")
    assert project == {
        "id": project["id"],
        "name": "Marketing",
        "description": "Q1",
        "industry": "retail",
        "created_at": project["created_at"],
        "updated_at": project["created_at"],
    }
    stored = projects.get(caller.account, PROJECT.parse(project["id"]))
    assert stored is not None
    assert (stored.name, stored.description, stored.industry, stored.settings) == ("Marketing", "Q1", "retail", {})
    assert api.get(f"/projects/{project['id']}") == (200, {"data": {**project, "data_sources": [], "analyses": []}})
    assert events_of(caller) == ["project.created"]


def test_a_project_has_its_newest_data_sources_and_analyses_in_it(
    api: Api, project: str, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [api.upload(project, fields={"name": name})[1]["data"] for name in ("First", "Second")]
    pipeline.settle()
    body = {"name": "ROI", "data_source_id": sources[0]["id"], "query": QUERY}
    analysis = api.post(f"/projects/{project}/analyses", body)[1]["data"]
    shown = [{**{key: source[key] for key in ("id", "name", "created_at")}, "type": "csv"} for source in sources]
    made = {**{key: analysis[key] for key in ("id", "name", "created_at")}, "status": "created"}
    status, found = api.get(f"/projects/{project}")
    assert (status, found["data"]["data_sources"], found["data"]["analyses"]) == (200, shown[::-1], [made])
    assert "meta" not in found

    monkeypatch.setattr(shapes, "MAX_INCLUDED", 1)
    status, found = api.get(f"/projects/{project}")
    assert (status, found["data"]["data_sources"], found["data"]["analyses"]) == (200, shown[:0:-1], [made])
    assert found["meta"] == {"data_sources": 2, "analyses": 1}


def test_an_update_changes_only_what_it_names_and_null_empties(caller: Caller, api: Api) -> None:
    project = create(api, name="Before", description="Kept", industry="retail")
    status, changed = api.put(f"/projects/{project['id']}", {"name": "After", "industry": None})
    expected = {**project, "name": "After", "industry": None, "updated_at": changed["data"]["updated_at"]}
    assert (status, changed) == (200, {"data": expected})
    assert api.get(f"/projects/{project['id']}")[1]["data"] == {**expected, "data_sources": [], "analyses": []}
    assert events_of(caller) == ["project.created", "project.updated"]


def test_a_deleted_project_is_gone_and_deleting_it_again_says_so(caller: Caller, api: Api) -> None:
    project = create(api, name="Short-lived")["id"]
    gone = (404, refusal("not_found", f"No project '{project}' exists"))
    assert api.delete(f"/projects/{project}") == (200, {"data": {"id": project, "deleted": True}})
    assert api.delete(f"/projects/{project}") == gone
    for path in ("", "/data-sources", "/analyses"):
        assert api.get(f"/projects/{project}{path}") == gone
    assert api.get("/projects") == (200, {"data": [], "meta": {"total": 0, "limit": 20, "offset": 0}})
    assert events_of(caller) == ["project.created", "project.deleted"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["gamma", "Alpha", "beta"]),
        ({"sort": "created_at", "order": "asc"}, ["beta", "Alpha", "gamma"]),
        ({"sort": "name"}, ["gamma", "beta", "Alpha"]),
        ({"sort": "name", "order": "asc"}, ["Alpha", "beta", "gamma"]),
        ({"sort": "updated_at"}, ["beta", "gamma", "Alpha"]),
        ({"sort": "updated_at", "order": "asc"}, ["Alpha", "gamma", "beta"]),
    ],
)
def test_lists_come_in_the_wanted_order(api: Api, query: dict[str, str], expected: list[str]) -> None:
    first = create(api, name="beta")
    create(api, name="Alpha")
    create(api, name="gamma")
    api.put(f"/projects/{first['id']}", {"description": "changed"})
    assert names(api.get("/projects", **query)[1]) == expected


def test_pages_cover_the_list_without_gap_or_overlap(api: Api) -> None:
    made = [create(api, name=f"Project {number}") for number in range(5)]
    seen = []
    for offset in ("0", "2", "4", "6"):
        status, page = api.get("/projects", limit="2", offset=offset, order="asc")
        assert (status, page["meta"]) == (200, {"total": 5, "limit": 2, "offset": int(offset)})
        seen += page["data"]
    assert seen == [{key: value for key, value in each.items() if key != "industry"} for each in made]


@pytest.mark.parametrize(
    ("parameter", "value", "constraint"),
    [
        *(("limit", value, "1-100") for value in ("200", "101", "0", "-1", "ten", "", "1.5", " 1", "1_0", "٣")),
        *(("offset", value, "0-1000000000") for value in ("-1", "1000000001", "9" * 50, "x", "")),
    ],
)
def test_a_number_out_of_bounds_is_refused_in_the_document_s_words(
    api: Api, parameter: str, value: str, constraint: str
) -> None:
    least, most = constraint.split("-")
    message = f"The parameter '{parameter}' must be a number between {least} and {most}"
    expected = refusal("invalid_parameter", message, parameter=parameter, value=value, constraint=constraint)
    assert api.get("/projects", **{parameter: value}) == (400, expected)


@pytest.mark.parametrize(("limit", "offset"), [("1", "0"), ("100", "1000000000")])
def test_the_bounds_themselves_are_taken(api: Api, limit: str, offset: str) -> None:
    meta = {"total": 0, "limit": int(limit), "offset": int(offset)}
    assert api.get("/projects", limit=limit, offset=offset) == (200, {"data": [], "meta": meta})


@pytest.mark.parametrize(("parameter", "allowed"), [("sort", "created_at, name, updated_at"), ("order", "asc, desc")])
@pytest.mark.parametrize("value", ["colour", "", "NAME", "c" * 300])
def test_an_order_that_is_none_is_refused(api: Api, parameter: str, allowed: str, value: str) -> None:
    message = f"The parameter '{parameter}' must be one of {allowed}"
    expected = refusal("invalid_parameter", message, parameter=parameter, value=value[:100], constraint=allowed)
    assert api.get("/projects", **{parameter: value}) == (400, expected)


@pytest.mark.parametrize(
    ("raw", "details"),
    [
        ("", {}),
        ("{nope", {}),
        ("[]", {"value": "[]"}),
        ("{}", {"parameter": "name"}),
        ('{"name": 5}', {"parameter": "name", "value": "5", "constraint": "a string"}),
        ('{"name": null}', {"parameter": "name", "constraint": "a string"}),
        ('{"name": ""}', {"parameter": "name", "value": "", "constraint": "1-200 characters"}),
        (
            '{"name": "' + "n" * 201 + '"}',
            {"parameter": "name", "value": "n" * 100, "constraint": "at most 200 characters"},
        ),
        (
            '{"name": "n", "description": "' + "d" * 2001 + '"}',
            {"parameter": "description", "value": "d" * 100, "constraint": "at most 2000 characters"},
        ),
        ('{"name": "n", "industry": ""}', {"parameter": "industry", "value": "", "constraint": "1-100 characters"}),
        ('{"name": "n", "industry": ["retail"]}', {"parameter": "industry", "value": '["retail"]'}),
        ('{"name": "n", "settings": {}}', {"parameter": "settings", "value": "{}"}),
    ],
)
def test_a_bad_body_is_refused_by_field_and_leaves_nothing_behind(
    caller: Caller, api: Api, raw: str, details: dict[str, str]
) -> None:
    status, body = api.call("POST", "/projects", raw=raw)
    assert (status, body["error"]["code"]) == (400, "invalid_parameter")
    assert body["error"]["details"].items() >= details.items()
    assert all(isinstance(value, str) for value in body["error"]["details"].values())
    assert not body["error"]["message"].endswith(".")
    assert api.get("/projects")[1]["meta"]["total"] == 0
    assert events_of(caller) == []


def test_a_foreign_project_is_answered_like_an_absent_one(api: Api, stranger: Api, project: str) -> None:
    missing = absent(ids.PROJECT)
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "", {"name": "Theirs"}),
        ("DELETE", "", None),
        ("GET", "/data-sources", None),
        ("GET", "/analyses", None),
        ("POST", "/data-sources/uploads", {"filename": "d.csv", "size": 8}),
    ):
        foreign = stranger.send(method, f"/projects/{project}{path}", body=body)
        nobody_s = stranger.send(method, f"/projects/{missing}{path}", body=body)
        assert foreign["statusCode"] == nobody_s["statusCode"] == 404
        assert foreign["body"] == nobody_s["body"].replace(missing, project)
        assert set(foreign["multiValueHeaders"]) == set(nobody_s["multiValueHeaders"])
    assert api.get(f"/projects/{project}")[0] == 200


@pytest.mark.parametrize("spelling", ["proj_789012", "nonsense", "proj_00000000000", "ds_00000000000", "..%2f"])
def test_an_id_that_cannot_exist_is_answered_like_an_absent_one(api: Api, spelling: str) -> None:
    expected = (404, refusal("not_found", f"No project '{spelling}' exists"))
    assert api.get(f"/projects/{spelling}") == expected
    assert api.upload(spelling) == expected


def test_a_project_made_here_is_the_same_in_the_reference_api_and_the_other_way_round(caller: Caller, api: Api) -> None:
    project = create(api, name="Here", industry="retail")
    path = {"id": project["id"]}
    status, seen = answer(reference, request("GET", "/projects/{id}", caller=caller, path=path))
    assert (status, seen) == (200, {**{k: v for k, v in project.items() if k != "industry"}, "settings": {}})
    body = {"name": "There", "settings": {"visibility": "team"}}
    _, other = answer(reference, request("POST", "/projects", caller=caller, body=body))
    assert api.get(f"/projects/{other['id']}")[1]["data"]["name"] == "There"
    # What the other API keeps there stays when it is changed here.
    assert api.put(f"/projects/{other['id']}", {"name": "Both"})[0] == 200
    _, seen = answer(reference, request("GET", "/projects/{id}", caller=caller, path={"id": other["id"]}))
    assert (seen["name"], seen["settings"]) == ("Both", {"visibility": "team"})


def test_a_key_of_one_project_sees_just_that(caller: Caller, api: Api, project: str) -> None:
    other = create(api, name="Another")["id"]
    restricted = Api(replace(caller, project=PROJECT.parse(project)))
    assert restricted.get("/projects")[1]["meta"]["total"] == 1
    assert restricted.get(f"/projects/{project}")[0] == 200
    missing = absent(ids.PROJECT)
    for method, body in (("GET", None), ("PUT", {"name": "N"}), ("DELETE", None)):
        status, found = restricted.call(method, f"/projects/{other}", body=body)
        assert (status, found) == (404, refusal("not_found", f"No project '{other}' exists"))
        assert restricted.call(method, f"/projects/{missing}", body=body)[0] == 404
    message = "This API key is for one project only"
    assert restricted.post("/projects", {"name": "No"}) == (403, refusal("forbidden", message))


def test_a_key_without_the_scope_may_not(caller: Caller, project: str) -> None:
    reader = Api(replace(caller, scopes=frozenset({"projects:read"})))
    assert reader.get("/projects")[0] == 200
    expected = (403, refusal("forbidden", "This API key lacks the scope 'projects:write'"))
    assert reader.post("/projects", {"name": "No"}) == expected
    assert reader.put(f"/projects/{project}", {"name": "No"}) == expected
    assert reader.delete(f"/projects/{project}") == expected
    assert reader.get(f"/projects/{project}/data-sources")[0] == 403


def test_a_retry_makes_one_project_and_another_request_under_its_key_is_refused(api: Api) -> None:
    first = api.send("POST", "/projects", body={"name": "Once"}, headers={"Idempotency-Key": "k"})
    again = api.send("POST", "/projects", body={"name": "Once"}, headers={"Idempotency-Key": "k"})
    assert (first["statusCode"], again["statusCode"], again["body"]) == (201, 201, first["body"])
    assert again["multiValueHeaders"]["Idempotent-Replayed"] == ["true"]
    status, body = api.call("POST", "/projects", body={"name": "Twice"}, headers={"Idempotency-Key": "k"})
    assert (status, body["error"]["code"]) == (422, "idempotency_key_reused")
    assert body["error"]["details"] == {"parameter": "Idempotency-Key"}
    assert api.get("/projects")[1]["meta"]["total"] == 1


def test_the_same_key_in_two_apis_stands_for_two_requests(caller: Caller, api: Api) -> None:
    headers = {"Idempotency-Key": "k"}
    assert api.call("POST", "/projects", body={"name": "One"}, headers=headers)[0] == 201
    event = request("POST", "/projects", caller=caller, body={"name": "Two"}, headers=headers)
    assert factories.answer(reference, event)[0] == 201
    assert api.get("/projects")[1]["meta"]["total"] == 2
