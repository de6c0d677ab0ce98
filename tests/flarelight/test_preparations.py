"""Preparations over HTTP: made, changed, tried out, executed and reported on; with the real workers on moto."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fluvial import datasets, ids, recipes, rows
from fluvial.caller import Caller
from tests import factories
from tests.flarelight.calls import Api, absent, new_project, refusal
from tests.workers.pipeline import Pipeline

CSV = b"country,price\nDE,1.50\nFR,2.25\nDE,3.00\n"
STEPS = [
    {"step": "filter", "expression": "price > 2", "as": "dear"},
    {"step": "group", "groupBy": ["country"], "aggregates": [{"function": "sum", "column": "price", "as": "revenue"}]},
]
ROWS = [{"country": "FR", "revenue": "2.25"}, {"country": "DE", "revenue": "3.00"}]


@pytest.fixture
def data(caller: Caller, pipeline: Pipeline) -> datasets.Dataset:
    made = factories.new_dataset(caller, factories.new_project(caller), CSV)
    pipeline.settle()
    return made


def import_id(dataset: datasets.Dataset) -> str:
    return ids.uuid(ids.DATASET, dataset.id)


def body_of(data: datasets.Dataset, **fields: Any) -> dict[str, Any]:
    inputs = {"sales": {"importId": import_id(data), "version": None}}
    return {"name": "Revenue", "description": None, "inputs": inputs, "recipe": {"steps": STEPS}, **fields}


@pytest.fixture
def made(api: Api, data: datasets.Dataset) -> dict[str, Any]:
    status, answer = api.post("/Preparation", body_of(data))
    assert (status, answer["messages"]) == (200, []), answer
    found: dict[str, Any] = answer["data"]
    return found


def test_a_preparation_is_answered_as_it_was_given(api: Api, made: dict[str, Any], data: datasets.Dataset) -> None:
    assert made == {
        "id": made["id"],
        "name": "Revenue",
        "description": None,
        "status": "created",
        "inputs": {"sales": {"importId": import_id(data), "version": None}},
        "output": {"name": "Revenue", "projectId": None, "importId": None},
        "lastExecution": None,
        "createdAt": made["createdAt"],
        "updatedAt": made["createdAt"],
        "recipe": {
            "steps": [
                {"step": "filter", "from": None, "filters": [], "expression": "price > 2", "as": "dear"},
                {
                    "step": "group",
                    "from": None,
                    "groupBy": [{"column": "country", "bucket": None, "as": "country"}],
                    "aggregates": [{"function": "sum", "column": "price", "as": "revenue"}],
                    "as": None,
                },
            ]
        },
    }
    assert api.get(f"/Preparation/{made['id']}") == (200, {"data": made, "messages": []})
    # What was answered can be sent again.
    assert api.put(f"/Preparation/{made['id']}", {"recipe": made["recipe"]})[1]["data"]["recipe"] == made["recipe"]


def test_a_preparation_is_executed_and_reports(
    api: Api, made: dict[str, Any], data: datasets.Dataset, pipeline: Pipeline, caller: Caller
) -> None:
    status, answer = api.post(f"/Preparation/{made['id']}/Execute")
    started = answer["data"]
    assert status == 200
    assert answer == {
        "data": {"jobId": started["jobId"], "status": "queued", "importId": started["importId"], "version": 1},
        "messages": [],
    }
    assert api.get(f"/Preparation/{made['id']}")[1]["data"]["status"] == "executing"
    pipeline.settle()
    job = api.get(f"/Job/{started['jobId']}")[1]["data"]
    assert (job["status"], job["kind"], job["source"]) == (
        "succeeded",
        "preparation",
        {"type": "preparation", "id": made["id"]},
    )
    assert job["outputs"] == {
        "preparationId": made["id"],
        "importId": started["importId"],
        "version": 1,
        "rows": 2,
        "same": False,
    }
    found = api.get(f"/Preparation/{made['id']}")[1]["data"]
    assert (found["status"], found["output"]["importId"]) == ("completed", started["importId"])
    assert found["lastExecution"] == {
        "jobId": started["jobId"],
        "endedAt": found["updatedAt"],
        "version": 1,
        "rows": 2,
        "same": False,
        "error": None,
    }
    output = ids.of_uuid(ids.DATASET, started["importId"]) or 0
    assert rows.page(caller, output, offset=0, limit=9).items == ROWS
    report = api.get(f"/Preparation/{made['id']}/Report")[1]["data"]
    assert (report["job"], report["start"], report["total"]) == (job, 0, 2)
    assert report["lineage"] == {
        "sha256": report["lineage"]["sha256"],
        "recipeSha256": report["lineage"]["recipeSha256"],
        "recipe": made["recipe"],
        "inputs": [{"name": "sales", "importId": import_id(data), "version": 1}],
    }
    last = report["steps"][1]
    assert last == {
        "at": 1,
        "step": "group",
        "name": "step 2",
        "rowsIn": {"dear": 2},
        "rowsOut": 2,
        "columns": last["columns"],
        "sample": ROWS,
        "failed": 0,
        "failedSample": [],
        "milliseconds": last["milliseconds"],
    }
    assert [column["name"] for column in last["columns"]] == ["country", "revenue"]
    assert api.get(f"/Preparation/{made['id']}/Executions") == (200, {"data": [job], "messages": []})


def test_a_report_is_read_in_pieces_and_of_any_execution(api: Api, made: dict[str, Any], pipeline: Pipeline) -> None:
    path = f"/Preparation/{made['id']}/Report"
    assert api.get(path) == (409, refusal("CONFLICT", "The preparation has no report yet: execute it first."))
    first = api.post(f"/Preparation/{made['id']}/Execute")[1]["data"]["jobId"]
    pipeline.settle()
    api.post(f"/Preparation/{made['id']}/Execute")
    pipeline.settle()
    again = api.get(path)[1]["data"]
    assert (again["job"]["outputs"]["same"], again["steps"], again["lineage"]) == (True, [], None)
    status, piece = api.get(path, jobId=first, count="1")
    assert (status, [step["step"] for step in piece["data"]["steps"]]) == (200, ["filter"])
    message = "These are 1 of 2 steps: ask for more with 'start' and 'count'."
    assert piece["messages"] == [{"type": "information", "code": "MORE_ITEMS", "message": message, "field": "start"}]
    rest = api.get(path, jobId=first, start="1")[1]
    assert ([step["step"] for step in rest["data"]["steps"]], rest["messages"]) == (["group"], [])
    unknown = absent(ids.JOB)
    assert api.get(path, jobId=unknown) == (404, refusal("NOT_FOUND", f"No job '{unknown}' exists."))


def test_a_version_tells_its_lineage_in_the_reference_api(
    api: Api, made: dict[str, Any], data: datasets.Dataset, pipeline: Pipeline, caller: Caller
) -> None:
    from reference import versions

    started = api.post(f"/Preparation/{made['id']}/Execute")[1]["data"]
    pipeline.settle()
    output = ids.spell(ids.DATASET, ids.of_uuid(ids.DATASET, started["importId"]) or 0)

    def asked(resource: str, **path: str) -> Any:
        event = factories.request("GET", resource, caller=caller, path=path)
        return factories.answer(versions.handler, event)[1]

    one = asked("/data/{id}/versions/{number}", id=output, number="1")
    report = api.get(f"/Preparation/{made['id']}/Report")[1]["data"]
    told = one["lineage"]
    assert (one["mode"], one["status"], one["filename"]) == ("prepare", "ready", "Revenue")
    assert told == {
        "preparation_id": ids.spell(ids.PREPARATION, ids.of_uuid(ids.PREPARATION, made["id"]) or 0),
        "sha256": report["lineage"]["sha256"],
        "recipe_sha256": report["lineage"]["recipeSha256"],
        "inputs": [{"name": "sales", "data_id": ids.spell(ids.DATASET, data.id), "version": 1}],
        "recipe": told["recipe"],
    }
    assert told["recipe"]["steps"][1]["group_by"] == [{"column": "country", "bucket": None, "as": "country"}]
    (listed,) = asked("/data/{id}/versions", id=output)["data"]
    # A list leaves the recipe out, which may be long.
    assert listed["lineage"] == {name: value for name, value in told.items() if name != "recipe"}
    imported = asked("/data/{id}/versions/{number}", id=ids.spell(ids.DATASET, data.id), number="1")
    assert imported["lineage"] is None


def test_a_preview_shows_each_step_and_keeps_nothing(
    api: Api, data: datasets.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {name: value for name, value in body_of(data).items() if name in ("inputs", "recipe")}
    status, answer = api.post("/Preparation/Preview", {**body, "rows": 1})
    assert (status, answer["messages"]) == (200, [])
    found = answer["data"]
    assert found["inputs"] == [
        {"name": "sales", "importId": import_id(data), "version": 1, "rows": 3, "rowsTotal": 3, "sampled": False}
    ]
    assert [(step["step"], step["rowsIn"], step["rowsOut"], len(step["sample"])) for step in found["steps"]] == [
        ("filter", {"sales": 3}, 2, 1),
        ("group", {"dear": 2}, 2, 1),
    ]
    assert [column["type"] for column in found["columns"]] == ["text", "decimal(38,2)"]
    assert api.get("/Preparation/All")[1]["data"] == []
    monkeypatch.setattr(recipes, "PREVIEWED_ROWS", 2)
    status, answer = api.post("/Preparation/Preview", body)
    read = answer["data"]["inputs"][0]
    assert (read["rows"], read["rowsTotal"], read["sampled"]) == (2, 3, True)
    assert answer["data"]["steps"][1]["sample"] == [{"country": "FR", "revenue": "2.25"}]
    message = "The preview read the first 2 of 3 rows of 'sales'."
    assert answer["messages"] == [
        {"type": "information", "code": "SAMPLED", "message": message, "field": "inputs.sales"}
    ]


def test_a_preparation_is_previewed_by_its_id(api: Api, made: dict[str, Any]) -> None:
    status, answer = api.post(f"/Preparation/{made['id']}/Preview", {})
    assert (status, answer["data"]["steps"][1]["sample"]) == (200, ROWS)


@pytest.mark.parametrize(
    ("recipe", "field", "message"),
    [
        (
            {"steps": [{"step": "cast", "columns": [{"column": "country", "type": "date"}]}]},
            "steps.0",
            "Step 1 (cast): 'DE' in column 'country' cannot be cast to date",
        ),
        (
            {"steps": [{"step": "group", "groupBy": ["town"], "aggregates": []}]},
            "steps.0.groupBy.0.column",
            "The data has no column 'town'.",
        ),
        (
            {"steps": [{"step": "group", "group_by": ["country"]}]},
            "steps.0.groupBy",
            "Names are in camel case: send 'groupBy'.",
        ),
        ({"select": "SELECT * FROM read_csv('/etc/passwd')"}, "select", None),
        ({"select": "SELECT sum(a.i * b.i) FROM range(1000000) a(i), range(1000000) b(i)"}, "select", None),
        ({}, "recipe", "'recipe' must have either 'steps' or 'select'."),
    ],
)
def test_a_preview_that_cannot_be_says_where_and_why(
    api: Api,
    data: datasets.Dataset,
    monkeypatch: pytest.MonkeyPatch,
    recipe: dict[str, Any],
    field: str,
    message: str | None,
) -> None:
    monkeypatch.setattr(recipes, "TIMEOUT_SECONDS", 3)
    status, answer = api.post("/Preparation/Preview", {"inputs": body_of(data)["inputs"], "recipe": recipe})
    (told,) = answer["messages"]
    assert (status, told["code"], told["field"]) == (400, "INVALID_REQUEST", field), answer
    if message is not None:
        assert told["message"] == message


def test_a_change_goes_by_the_revision_that_was_read(api: Api, made: dict[str, Any]) -> None:
    path = f"/Preparation/{made['id']}"
    read = api.send("GET", path)["multiValueHeaders"]["ETag"][0]
    status, answer = api.put(path, {"name": "Sales", "output": {"name": "Result"}}, **{"If-Match": read})
    assert (status, answer["data"]["name"], answer["data"]["output"]["name"]) == (200, "Sales", "Result")
    status, answer = api.put(path, {"name": "Late"}, **{"If-Match": read})
    assert (status, answer["messages"][0]["code"]) == (412, "PRECONDITION_FAILED")
    assert api.send("GET", path, headers={"If-None-Match": '"2"'})["statusCode"] == 304


def test_an_input_is_of_the_version_that_is_named(api: Api, data: datasets.Dataset) -> None:
    inputs = {"sales": {"importId": import_id(data), "version": 1}}
    status, answer = api.post("/Preparation", body_of(data, inputs=inputs))
    assert (status, answer["data"]["inputs"]) == (200, inputs)
    missing = {"sales": {**inputs["sales"], "version": 9}}
    expected = (404, refusal("NOT_FOUND", "No version '9' exists.", "inputs.sales.version"))
    assert api.post("/Preparation", body_of(data, inputs=missing)) == expected


def test_an_output_is_data_in_the_other_apis(
    api: Api, made: dict[str, Any], pipeline: Pipeline, caller: Caller
) -> None:
    from fluxjiva import data_sources
    from reference import data as reference_data

    started = api.post(f"/Preparation/{made['id']}/Execute")[1]["data"]
    number = ids.of_uuid(ids.DATASET, started["importId"]) or 0
    project = ids.spell(ids.PROJECT, datasets.get(caller, number).project)

    def asked(handler: Any, resource: str, **path: str) -> Any:
        return factories.answer(handler, factories.request("GET", resource, caller=caller, path=path))

    of_data, route = {"id": ids.spell(ids.DATASET, number)}, "/projects/{project_id}/data-sources"
    assert asked(reference_data.handler, "/data/{id}", **of_data)[1]["status"] == "processing"
    assert asked(data_sources.handler, route, project_id=project)[0] == 200
    pipeline.settle()
    status, found = asked(reference_data.handler, "/data/{id}", **of_data)
    assert (status, found["status"], found["rows"], found["filename"]) == (200, "ready", 2, "Revenue")
    assert asked(reference_data.handler, "/data/{id}/profile", **of_data)[0] == 200
    status, listed = asked(data_sources.handler, route, project_id=project)
    assert (status, [each["name"] for each in listed["data"]]) == (200, ["Revenue"])


def test_preparations_are_listed_and_deleted(api: Api, made: dict[str, Any], data: datasets.Dataset) -> None:
    second = api.post("/Preparation", body_of(data, name="Second"))[1]["data"]
    listed = api.get("/Preparation/All")[1]
    assert listed["messages"] == []
    assert listed["data"] == [{k: v for k, v in each.items() if k != "recipe"} for each in (second, made)]
    first = api.get("/Preparation/All", count="1")[1]
    assert [each["id"] for each in first["data"]] == [second["id"]]
    assert f"after={second['id']}" in first["messages"][0]["message"]
    assert [each["id"] for each in api.get("/Preparation/All", after=second["id"])[1]["data"]] == [made["id"]]
    assert api.delete(f"/Preparation/{made['id']}") == (
        200,
        {"data": {"id": made["id"], "deleted": True}, "messages": []},
    )
    assert api.get(f"/Preparation/{made['id']}")[0] == 404


def test_a_retry_makes_and_executes_once(api: Api, data: datasets.Dataset, pipeline: Pipeline) -> None:
    first = api.post("/Preparation", body_of(data), **{"Idempotency-Key": "a"})
    assert api.post("/Preparation", body_of(data), **{"Idempotency-Key": "a"}) == first
    path = f"/Preparation/{first[1]['data']['id']}"
    started = api.post(f"{path}/Execute", **{"Idempotency-Key": "b"})
    assert api.post(f"{path}/Execute", **{"Idempotency-Key": "b"}) == started
    status, answer = api.post(f"{path}/Execute")
    reason = "The preparation is being executed already: wait until that execution has ended."
    assert (status, answer) == (409, refusal("CONFLICT", reason))
    assert len(api.get("/Preparation/All")[1]["data"]) == 1


def test_what_is_foreign_is_answered_as_what_is_absent(
    api: Api, stranger: Api, made: dict[str, Any], data: datasets.Dataset
) -> None:
    other, nothing = made["id"], absent(ids.PREPARATION)
    for method, path, body in (
        ("GET", "/Preparation/{}", None),
        ("PUT", "/Preparation/{}", {"name": "Mine"}),
        ("DELETE", "/Preparation/{}", None),
        ("POST", "/Preparation/{}/Execute", None),
        ("POST", "/Preparation/{}/Preview", {}),
        ("GET", "/Preparation/{}/Executions", None),
        ("GET", "/Preparation/{}/Report", None),
    ):
        for id_ in (other, nothing):
            expected = (404, refusal("NOT_FOUND", f"No preparation '{id_}' exists."))
            assert stranger.call(method, path.format(id_), body=body) == expected, (method, path)
    for id_ in (import_id(data), absent(ids.DATASET), "x"):
        inputs = {"sales": {"importId": id_}}
        expected = (404, refusal("NOT_FOUND", f"No import '{id_}' exists.", "inputs.sales"))
        recipe = {"steps": STEPS}
        assert stranger.post("/Preparation", {"name": "Mine", "inputs": inputs, "recipe": recipe}) == expected
        assert stranger.post("/Preparation/Preview", {"inputs": inputs, "recipe": recipe}) == expected
    project = new_project(stranger.caller)
    status, answer = api.post("/Preparation", body_of(data, output={"projectId": project}))
    assert (status, answer) == (404, refusal("NOT_FOUND", f"No project '{project}' exists.", "output.projectId"))


@pytest.mark.parametrize(
    ("scopes", "refused"),
    [
        (("preparations:read", "preparations:write"), "data:read"),
        (("data:read", "data:write"), "preparations:read"),
    ],
)
def test_a_key_needs_the_scopes(
    caller: Caller, made: dict[str, Any], data: datasets.Dataset, scopes: tuple[str, ...], refused: str
) -> None:
    limited = Api(replace(caller, scopes=frozenset(scopes)))
    body = {name: value for name, value in body_of(data).items() if name in ("inputs", "recipe")}
    expected = (403, refusal("FORBIDDEN", f"This API key lacks the scope '{refused}'."))
    assert limited.post("/Preparation/Preview", body) == expected
    assert limited.get(f"/Preparation/{made['id']}/Report") == expected


def test_an_account_without_the_feature_is_refused(caller: Caller) -> None:
    without = Api(replace(caller, features_off=frozenset({"preparations"})))
    status, answer = without.get("/Preparation/All")
    assert (status, answer["messages"][0]["code"]) == (403, "FEATURE_NOT_ENABLED")
