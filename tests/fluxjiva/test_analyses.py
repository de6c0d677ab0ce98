"""The analyses group through its handler, with the real worker behind it, on moto."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fluvial import ids
from fluvial.caller import Caller
from fluvial.http import app as http
from fluvial.store import analyses as store
from fluvial.store import keys, table
from fluxjiva.wire import common
from fluxjiva.wire.common import ANALYSIS, DATA_SOURCE, PROJECT
from tests.fluxjiva.calls import QUERY, STORED_QUERY, Api, absent, new_project, refusal
from tests.template import ROOT
from tests.workers.pipeline import Pipeline


@pytest.fixture
def source(api: Api, project: str, pipeline: Pipeline) -> str:
    """A data source that is ready."""
    made: str = api.upload(project)[1]["data"]["id"]
    pipeline.settle()
    return made


def paths(project: str, analysis: str = "") -> str:
    return f"/projects/{project}/analyses{'/' if analysis else ''}{analysis}"


def create(api: Api, project: str, source: str, name: str = "Revenue", **more: Any) -> dict[str, Any]:
    status, made = api.post(paths(project), {"name": name, "data_source_id": source, "query": QUERY, **more})
    assert status == 201
    analysis: dict[str, Any] = made["data"]
    return analysis


def run(api: Api, pipeline: Pipeline, project: str, analysis: str) -> dict[str, Any]:
    assert api.post(f"{paths(project, analysis)}/run")[0] == 202
    pipeline.settle()
    found: dict[str, Any] = api.get(paths(project, analysis))[1]["data"]
    return found


def events_of(caller: Caller) -> list[str]:
    types = [item["event_type"] for item in table.query(keys.listed(caller.account, "events"))]
    return [type for type in types if type.startswith("analysis.")]


def test_a_created_analysis_is_answered_whole_and_recorded_with_its_event(
    caller: Caller, api: Api, project: str, source: str
) -> None:
    analysis = create(api, project, source, description="By city")
    assert analysis == {
        "id": analysis["id"],
        "project_id": project,
        "data_source_id": source,
        "name": "Revenue",
        "description": "By city",
        "query": STORED_QUERY,
        "status": "created",
        "error": None,
        "result": None,
        "created_at": analysis["created_at"],
        "updated_at": analysis["created_at"],
    }
    stored = store.get(caller.account, ANALYSIS.parse(analysis["id"]))
    assert stored is not None
    assert (stored.project, stored.dataset) == (PROJECT.parse(project), DATA_SOURCE.parse(source))
    assert (stored.query, stored.job) == (STORED_QUERY, None)
    assert api.get(paths(project, analysis["id"])) == (200, {"data": analysis})
    assert events_of(caller) == ["analysis.created"]


def test_an_analysis_is_run_and_its_result_read_by_page(
    caller: Caller, api: Api, project: str, source: str, pipeline: Pipeline
) -> None:
    analysis = create(api, project, source)
    path = paths(project, analysis["id"])
    message = "The analysis has no result yet: run it first"
    assert api.get(f"{path}/result") == (409, refusal("conflict", message))

    status, queued = api.post(f"{path}/run")
    assert (status, queued["data"]) == (
        202,
        {**analysis, "status": "queued", "updated_at": queued["data"]["updated_at"]},
    )
    message = "The analysis is being run: its result can be read when its status is 'completed'"
    assert api.get(f"{path}/result") == (409, refusal("conflict", message))
    message = "The analysis is being run already: wait until that run has ended"
    assert api.post(f"{path}/run") == (409, refusal("conflict", message))
    message = "The query cannot be changed while the analysis runs: wait until it has ended"
    other = {"aggregates": [{"function": "count", "as": "rows"}]}
    assert api.put(path, {"query": other}) == (409, refusal("conflict", message))

    pipeline.settle()
    _, done = api.get(path)
    summary = {"rows": 2, "groups_total": 2, "truncated": False, "rows_scanned": 3, "data_version": 1}
    completed = done["data"]["updated_at"]
    result = {**summary, "completed_at": completed}
    assert done["data"] == {**analysis, "status": "completed", "result": result, "updated_at": completed}

    rows = [{"city": "Bonn", "revenue": "4.00"}, {"city": "Kiel", "revenue": "2.25"}]
    columns = [{"name": "city", "type": "text"}, {"name": "revenue", "type": "decimal(38,2)"}]
    told = {"columns": columns, **{key: value for key, value in result.items() if key != "rows"}}
    for query, items in (
        ({}, rows),
        ({"limit": "1"}, rows[:1]),
        ({"limit": "1", "offset": "1"}, rows[1:]),
        ({"offset": "2"}, []),
    ):
        meta = {"total": 2, "limit": int(query.get("limit", 20)), "offset": int(query.get("offset", 0)), **told}
        assert api.get(f"{path}/result", **query) == (200, {"data": items, "meta": meta})
    assert events_of(caller) == ["analysis.created", "analysis.completed"]


def test_sums_beyond_64_bits_and_decimals_keep_all_their_digits(api: Api, project: str, pipeline: Pipeline) -> None:
    data = b"n,price\n9223372036854775807,12345678901234567.89\n9223372036854775807,0.01\n"
    source = api.upload(project, data)[1]["data"]["id"]
    pipeline.settle()
    aggregates = [{"function": "sum", "column": column, "as": column} for column in ("n", "price")]
    analysis = create(api, project, source, query={"aggregates": aggregates})["id"]
    assert run(api, pipeline, project, analysis)["status"] == "completed"
    answer = api.send("GET", f"{paths(project, analysis)}/result")
    assert '"n":18446744073709551614' in answer["body"]
    assert '"price":"12345678901234567.90"' in answer["body"]


def test_the_example_of_the_docs_is_run(api: Api, project: str, pipeline: Pipeline) -> None:
    section = (ROOT / "docs" / "apis.md").read_text().partition("### Analyses\n")[2]
    body = json.loads(section.partition("```json\n")[2].partition("```")[0])
    data = b"country,sold_on,price\nDE,2026-01-31,1.50\nDE,2026-01-01,2.00\nFR,2026-02-01,9.00\nIT,2026-02-01,5.00\n"
    source = api.upload(project, data)[1]["data"]["id"]
    pipeline.settle()
    analysis = create(api, project, source, **{**body, "data_source_id": source})["id"]
    assert run(api, pipeline, project, analysis)["status"] == "completed"
    assert api.get(f"{paths(project, analysis)}/result")[1]["data"] == [
        {"country": "FR", "month": "2026-02-01", "revenue": "9.00", "sales": 1},
        {"country": "DE", "month": "2026-01-01", "revenue": "3.50", "sales": 2},
    ]


def test_nulls_are_what_the_docs_say(api: Api, project: str, pipeline: Pipeline) -> None:
    source = api.upload(project, b"city,n\nBonn,1\nBonn,\n,3\nKiel,\n")[1]["data"]["id"]
    pipeline.settle()
    aggregates = [
        {"function": "count", "as": "rows"},
        {"function": "count", "column": "n", "as": "known"},
        {"function": "sum", "column": "n", "as": "sum"},
    ]
    null = {"city": None, "rows": 1, "known": 1, "sum": 3}
    kiel = {"city": "Kiel", "rows": 1, "known": 0, "sum": None}
    bonn = {"city": "Bonn", "rows": 2, "known": 1, "sum": 1}
    for filters, order, expected in (
        ([], "asc", [bonn, kiel, null]),
        ([], "desc", [kiel, bonn, null]),
        ([{"column": "city", "operator": "ne", "value": "Bonn"}], "asc", [kiel]),
        ([{"column": "city", "operator": "not_in", "value": ["Kiel"]}], "asc", [bonn]),
        ([{"column": "city", "operator": "is_null"}], "asc", [null]),
    ):
        query = {"filters": filters, "group_by": ["city"], "aggregates": aggregates}
        analysis = create(api, project, source, query={**query, "sort": [{"by": "city", "order": order}]})["id"]
        assert run(api, pipeline, project, analysis)["status"] == "completed"
        assert api.get(f"{paths(project, analysis)}/result")[1]["data"] == expected


def test_a_run_that_fails_says_why_and_has_no_result(api: Api, project: str, pipeline: Pipeline) -> None:
    source = api.upload(project, b"a,b\n")[1]["data"]["id"]
    analysis = create(api, project, source)["id"]
    found = run(api, pipeline, project, analysis)
    assert (found["status"], found["result"]) == ("failed", None)
    assert found["error"]
    status, refused = api.get(f"{paths(project, analysis)}/result")
    assert (status, refused["error"]["code"]) == (409, "conflict")
    assert found["error"].removesuffix(".") in refused["error"]["message"]


def test_another_query_has_no_result_until_it_is_run_and_a_new_name_keeps_it(
    caller: Caller, api: Api, project: str, source: str, pipeline: Pipeline
) -> None:
    analysis = create(api, project, source)["id"]
    done = run(api, pipeline, project, analysis)
    status, named = api.put(paths(project, analysis), {"name": "Named", "description": "D"})
    changed = {"name": "Named", "description": "D", "updated_at": named["data"]["updated_at"]}
    assert (status, named["data"]) == (200, {**done, **changed})
    status, asked = api.put(paths(project, analysis), {"query": {"group_by": ["city"]}})
    assert (status, asked["data"]["status"], asked["data"]["result"]) == (200, "created", None)
    assert asked["data"]["query"]["aggregates"] == []
    assert api.get(f"{paths(project, analysis)}/result")[0] == 409
    assert events_of(caller)[-2:] == ["analysis.updated"] * 2


def test_a_deleted_analysis_is_gone(caller: Caller, api: Api, project: str, source: str) -> None:
    analysis = create(api, project, source)["id"]
    path = paths(project, analysis)
    assert api.delete(path) == (200, {"data": {"id": analysis, "deleted": True}})
    gone = (404, refusal("not_found", f"No analysis '{analysis}' exists"))
    assert api.delete(path) == api.get(path) == api.put(path, {"name": "N"}) == api.post(f"{path}/run") == gone
    assert api.get(f"{path}/result") == gone
    assert api.get(paths(project)) == (200, {"data": []})
    assert store.get(caller.account, ANALYSIS.parse(analysis)) is None


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("change", "details"),
    [
        ({"name": None}, {"parameter": "name", "constraint": "a string"}),
        ({"name": ""}, {"parameter": "name", "value": "", "constraint": "1-200 characters"}),
        ({"description": "d" * 2001}, {"parameter": "description", "constraint": "at most 2000 characters"}),
        ({"colour": "red"}, {"parameter": "colour", "value": "red"}),
        ({"data_source_id": 5}, {"parameter": "data_source_id", "value": "5", "constraint": "a string"}),
        ({"query": None}, {"parameter": "query", "constraint": "an object"}),
        ({"query": []}, {"parameter": "query", "value": "[]", "constraint": "an object"}),
        ({"query": {}}, {"parameter": "query"}),
        ({"query": {"group": ["city"]}}, {"parameter": "query"}),
        (
            {"query": {"group_by": ["city"], "limit": 0}},
            {"parameter": "query.limit", "value": "0", "constraint": "1-1000000"},
        ),
        (
            {"query": {"group_by": ["town"]}},
            {"parameter": "query.group_by.0.column", "value": "town"},
        ),
        (
            {"query": {"group_by": ["city"], "filters": [{"column": "n", "operator": "gt", "value": "many"}]}},
            {"parameter": "query.filters.0.value", "value": "many", "constraint": "a whole number of 64 bits"},
        ),
        (
            {"query": {"aggregates": [{"function": "sum", "column": "city", "as": "x"}]}},
            {"parameter": "query.aggregates.0.function", "value": "sum"},
        ),
    ],
)
def test_a_bad_analysis_is_refused_by_field_and_leaves_nothing_behind(
    caller: Caller, api: Api, project: str, source: str, change: dict[str, Any], details: dict[str, str]
) -> None:
    body = {"name": "N", "data_source_id": source, "query": QUERY, **change}
    status, refused = api.post(paths(project), body)
    assert (status, refused["error"]["code"]) == (400, "invalid_parameter")
    assert refused["error"]["details"].items() >= details.items()
    assert all(isinstance(value, str) for value in refused["error"]["details"].values())
    assert not refused["error"]["message"].endswith(".")
    assert api.get(paths(project)) == (200, {"data": []})
    assert events_of(caller) == []


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({}, {"constraint": "name, description, query"}),
        ({"name": None}, {"parameter": "name"}),
        ({"query": None}, {"parameter": "query"}),
        ({"data_source_id": "ds_00000000000"}, {"parameter": "data_source_id"}),
        ({"query": {"group_by": ["town"]}}, {"parameter": "query.group_by.0.column"}),
    ],
)
def test_a_bad_change_is_refused_and_changes_nothing(
    api: Api, project: str, source: str, body: dict[str, Any], details: dict[str, str]
) -> None:
    analysis = create(api, project, source)
    status, refused = api.put(paths(project, analysis["id"]), body)
    assert (status, refused["error"]["code"]) == (400, "invalid_parameter")
    assert refused["error"]["details"].items() >= details.items()
    assert api.get(paths(project, analysis["id"])) == (200, {"data": analysis})


def test_a_data_source_that_is_absent_foreign_or_of_another_project_is_not_found_by_field(
    caller: Caller, api: Api, stranger: Api, project: str
) -> None:
    foreign = stranger.upload(new_project(stranger.caller))[1]["data"]["id"]
    elsewhere = api.upload(new_project(caller))[1]["data"]["id"]
    for source in (absent("ds"), "ds_123456", "", foreign, elsewhere):
        body = {"name": "N", "data_source_id": source, "query": QUERY}
        message = f"No data source '{source}' exists"
        expected = (404, refusal("not_found", message, parameter="data_source_id"))
        assert api.post(paths(project), body) == expected
    assert api.get(paths(project)) == (200, {"data": []})


def test_an_analysis_is_absent_under_another_project_and_to_others(
    caller: Caller, api: Api, stranger: Api, project: str, source: str
) -> None:
    analysis, nobody_s = create(api, project, source), absent(ids.ANALYSIS)
    for who, at in (
        (api, new_project(caller)),
        (stranger, new_project(stranger.caller)),
        (stranger, project),
        (Api(replace(caller, project=PROJECT.parse(new_project(caller)))), project),
    ):
        for method, more, body in (
            ("GET", "", None),
            ("PUT", "", {"name": "Theirs"}),
            ("DELETE", "", None),
            ("POST", "/run", None),
            ("GET", "/result", None),
        ):
            found = who.send(method, paths(at, analysis["id"]) + more, body=body)
            missing = who.send(method, paths(at, nobody_s) + more, body=body)
            assert found["statusCode"] == missing["statusCode"] == 404
            assert found["body"] == missing["body"].replace(nobody_s, analysis["id"])
    # The last was a key of another project, to which this one is absent, too.
    assert json.loads(found["body"]) == refusal("not_found", f"No project '{project}' exists")
    assert api.get(paths(project, analysis["id"])) == (200, {"data": analysis})


def test_a_key_of_the_project_does_all_that_there_is_to_do(
    caller: Caller, project: str, source: str, pipeline: Pipeline
) -> None:
    restricted = Api(replace(caller, project=PROJECT.parse(project)))
    analysis = create(restricted, project, source)["id"]
    assert run(restricted, pipeline, project, analysis)["status"] == "completed"
    assert restricted.get(f"{paths(project, analysis)}/result")[0] == 200
    assert len(restricted.get(paths(project))[1]["data"]) == 1
    assert restricted.put(paths(project, analysis), {"name": "N"})[0] == 200
    assert restricted.delete(paths(project, analysis))[0] == 200


def test_reading_and_writing_need_scopes_of_their_own(caller: Caller, api: Api, project: str, source: str) -> None:
    analysis = create(api, project, source)["id"]
    reader = Api(replace(caller, scopes=frozenset({"analyses:read"})))
    assert reader.get(paths(project))[0] == reader.get(paths(project, analysis))[0] == 200
    assert reader.get(f"{paths(project, analysis)}/result")[0] == 409
    lacks = (403, refusal("forbidden", "This API key lacks the scope 'analyses:write'"))
    body = {"name": "N", "data_source_id": source, "query": QUERY}
    assert reader.post(paths(project), body) == reader.post(f"{paths(project, analysis)}/run") == lacks
    assert reader.put(paths(project, analysis), {"name": "N"}) == reader.delete(paths(project, analysis)) == lacks
    writer = Api(replace(caller, scopes=frozenset({"analyses:write", "projects:read", "data:read"})))
    lacks = (403, refusal("forbidden", "This API key lacks the scope 'analyses:read'"))
    for path in (paths(project), paths(project, analysis), f"{paths(project, analysis)}/result"):
        assert writer.get(path) == lacks
    assert writer.post(f"{paths(project, analysis)}/run")[0] == 202


# ---------------------------------------------------------------- lists


def test_a_list_is_whole_without_a_page_and_paged_with_one(
    api: Api, project: str, source: str, pipeline: Pipeline
) -> None:
    made = [create(api, project, source, name) for name in ("beta", "Alpha", "gamma")]
    made[0] = run(api, pipeline, project, made[0]["id"])
    assert api.get(paths(project)) == (200, {"data": made[::-1]})
    assert api.get(paths(project), sort="name", order="asc") == (200, {"data": [made[1], made[0], made[2]]})
    assert api.get(paths(project), sort="updated_at") == (200, {"data": [made[0], made[2], made[1]]})
    for query, items, meta in (
        ({"limit": "2"}, [made[2], made[1]], {"total": 3, "limit": 2, "offset": 0}),
        ({"offset": "2"}, [made[0]], {"total": 3, "limit": 20, "offset": 2}),
        ({"offset": "3"}, [], {"total": 3, "limit": 20, "offset": 3}),
    ):
        assert api.get(paths(project), **query) == (200, {"data": items, "meta": meta})


def test_a_list_that_is_too_long_to_be_whole_is_refused_and_never_cut(
    api: Api, project: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common, "MAX_WHOLE", 1)
    made = [create(api, project, source)]
    assert api.get(paths(project)) == (200, {"data": made})
    made.append(create(api, project, source))
    message = "The list has more than 1 items: ask for them by page, with the parameters 'limit' and 'offset'"
    expected = (400, refusal("invalid_parameter", message, parameter="limit", constraint="1-100"))
    assert api.get(paths(project)) == expected
    assert api.get(paths(project), offset="0")[1]["data"] == made[::-1]


def test_an_answer_that_lambda_cannot_carry_is_refused_and_never_cut(
    api: Api, project: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(api, project, source)
    monkeypatch.setattr(http, "MAX_ANSWER_BYTES", 100)
    status, refused = api.get(paths(project))
    assert (status, refused["error"]["code"]) == (413, "payload_too_large")
    assert refused["error"]["details"] == {"parameter": "limit"}
    assert refused["error"]["message"].endswith("ask for fewer items")


@pytest.mark.parametrize("parameter", ["limit", "offset"])
@pytest.mark.parametrize("more", ["", "/result"])
def test_a_page_out_of_bounds_is_refused(api: Api, project: str, source: str, parameter: str, more: str) -> None:
    path = f"{paths(project, create(api, project, source)['id'])}/result" if more else paths(project)
    status, refused = api.get(path, **{parameter: "-1"})
    constraint = {"limit": "1-100", "offset": "0-1000000000"}[parameter]
    assert (status, refused["error"]["details"]) == (
        400,
        {"parameter": parameter, "value": "-1", "constraint": constraint},
    )


# ---------------------------------------------------------------- retries


@pytest.mark.parametrize("what", ["creation", "run"])
def test_a_retry_has_no_second_effect_and_gets_the_first_answer(
    caller: Caller, api: Api, project: str, source: str, pipeline: Pipeline, what: str
) -> None:
    path, status = paths(project), 201
    body: dict[str, Any] | None = {"name": "N", "data_source_id": source, "query": QUERY}
    if what == "run":
        path, body, status = f"{paths(project, create(api, project, source)['id'])}/run", None, 202
    headers = {"Idempotency-Key": "retry"}
    first = api.send("POST", path, body=body, headers=headers)
    again = api.send("POST", path, body=body, headers=headers)
    assert (first["statusCode"], again["statusCode"], again["body"]) == (status, status, first["body"])
    assert again["multiValueHeaders"]["Idempotent-Replayed"] == ["true"]
    pipeline.settle()
    # Also when the run is over, the retry is no second one.
    assert api.send("POST", path, body=body, headers=headers)["body"] == first["body"]
    pipeline.settle()
    assert len(api.get(paths(project))[1]["data"]) == 1
    wanted = {"creation": ["analysis.created"], "run": ["analysis.created", "analysis.completed"]}
    assert events_of(caller) == wanted[what]


def test_a_key_used_for_one_analysis_is_another_request_for_the_next(api: Api, project: str, source: str) -> None:
    first, second = (create(api, project, source)["id"] for _ in range(2))
    headers = {"Idempotency-Key": "k"}
    assert api.call("POST", f"{paths(project, first)}/run", headers=headers)[0] == 202
    status, refused = api.call("POST", f"{paths(project, second)}/run", headers=headers)
    assert (status, refused["error"]["code"]) == (422, "idempotency_key_reused")
    assert api.get(paths(project, second))[1]["data"]["status"] == "created"
