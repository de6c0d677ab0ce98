"""The data sources group through its handler, on moto."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fluvial import blobs, config, ids
from fluvial import jobs as core_jobs
from fluvial.aws import client
from fluvial.caller import Caller
from fluvial.store import datasets as store
from fluvial.store import jobs, keys, table
from fluxjiva.wire import common
from fluxjiva.wire.common import DATA_SOURCE, PROJECT
from reference.data import handler as reference
from tests.factories import answer, request
from tests.fluxjiva.calls import CSV, Api, absent, form, new_project, refusal
from tests.workers.pipeline import Pipeline


def sources(project: str) -> str:
    return f"/projects/{project}/data-sources"


def uploads(project: str) -> str:
    return f"/projects/{project}/data-sources/uploads"


def upload(api: Api, project: str, data: bytes = CSV, **fields: str) -> dict[str, Any]:
    status, made = api.upload(project, data, fields)
    assert status == 201
    source: dict[str, Any] = made["data"]
    return source


def opened(api: Api, project: str, size: int = len(CSV), **more: Any) -> dict[str, Any]:
    status, made = api.post(uploads(project), {"filename": "data.csv", "size": size, **more})
    assert status == 201
    found: dict[str, Any] = made["data"]
    return found


def arrive(upload: dict[str, Any], data: bytes = CSV) -> None:
    """What S3 does with the presigned form; moto checks no policies, so the bytes are put."""
    blobs.put(upload["upload"]["fields"]["key"], data)


def objects(aws: dict[str, str]) -> list[str]:
    found = client("s3").list_objects_v2(Bucket=aws["Bucket"]).get("Contents", [])
    return [item["Key"] for item in found]


def events_of(caller: Caller) -> list[tuple[str, Any]]:
    items = table.query(keys.listed(caller.account, "events"))
    return [(item["event_type"], json.loads(item["data"])) for item in items if item["event_type"].startswith("data.")]


def assert_nothing_was_kept(aws: dict[str, str], caller: Caller) -> None:
    for kind in ("datasets", "jobs", "uploads"):
        assert table.query(keys.listed(caller.account, kind)) == []
    assert events_of(caller) == []
    assert objects(aws) == []


# ---------------------------------------------------------------- uploads


def test_an_upload_is_answered_whole_and_stored_with_its_bytes_job_and_event(
    aws: dict[str, str], caller: Caller, api: Api, project: str
) -> None:
    source = upload(api, project, name="Campaign Data")
    assert source == {
        "id": source["id"],
        "name": "Campaign Data",
        "type": None,
        "rows": None,
        "columns": None,
        "created_at": source["created_at"],
        "updated_at": source["created_at"],
    }
    dataset = store.get(caller.account, DATA_SOURCE.parse(source["id"]))
    assert dataset is not None
    assert (dataset.project, dataset.name, dataset.filename) == (PROJECT.parse(project), "Campaign Data", "data.csv")
    assert objects(aws) == [dataset.incoming]
    assert blobs.get(dataset.incoming) == CSV
    job = jobs.get(caller.account, dataset.job)
    inputs = {"dataset": dataset.id, "version": 1}
    assert job == core_jobs.Job(dataset.job, caller.account, "ingest", inputs, dataset.created)
    (event,) = events_of(caller)
    assert event == ("data.uploaded", dataset.described())


def test_a_data_source_tells_how_far_it_is_and_what_its_file_holds(api: Api, project: str, pipeline: Pipeline) -> None:
    source = upload(api, project)
    path = f"{sources(project)}/{source['id']}"
    whole = {
        **source,
        "name": "data.csv",
        "project_id": project,
        "status": "processing",
        "filename": "data.csv",
        "size": len(CSV),
        "rejected_rows": None,
        "column_types": None,
        "error": None,
    }
    assert api.get(path) == (200, {"data": whole})
    pipeline.settle()
    status, found = api.get(path)
    columns = found["data"].pop("column_types")
    whole.pop("column_types")
    known = {"type": "csv", "rows": 3, "columns": 3, "status": "ready", "rejected_rows": 0}
    assert (status, found["data"]) == (200, {**whole, **known, "updated_at": found["data"]["updated_at"]})
    assert [(each["name"], each["type"]) for each in columns] == [
        ("city", "text"),
        ("n", "integer"),
        ("price", "decimal(18,2)"),
    ]
    assert all(set(each) == {"name", "type", "reason", "nulls", "min", "max"} for each in columns)


def test_a_file_without_a_table_fails_and_says_why(api: Api, project: str, pipeline: Pipeline) -> None:
    source = upload(api, project, b"a,b\n")
    pipeline.settle()
    _, found = api.get(f"{sources(project)}/{source['id']}")
    told = {key: found["data"][key] for key in ("status", "error", "rows", "type", "column_types")}
    assert told == {
        "status": "failed",
        "error": "The file has a header but no rows.",
        "rows": None,
        "type": None,
        "column_types": None,
    }


def test_a_type_that_the_caller_names_is_told_before_the_file_is_read(api: Api, project: str) -> None:
    assert upload(api, project, b'[{"a": 1}]', type="json")["type"] == "json"


@pytest.mark.parametrize(
    ("data", "fields", "details"),
    [
        (None, {"name": "N"}, {"parameter": "file"}),
        (None, {"file": "text"}, {"parameter": "file", "value": "text"}),
        (b"", {}, {"parameter": "file", "value": "0", "constraint": "at least 1 byte"}),
        (CSV, {"name": ""}, {"parameter": "name", "value": "", "constraint": "1-200 characters"}),
        (CSV, {"name": "n" * 201}, {"parameter": "name", "constraint": "at most 200 characters"}),
        (CSV, {"typ": "csv"}, {"parameter": "typ", "value": "csv"}),
        (
            CSV,
            {"type": "doc"},
            {"parameter": "type", "value": "doc", "constraint": "csv, tsv, json, ndjson, parquet, xlsx, xml"},
        ),
    ],
)
def test_a_bad_upload_is_refused_by_field_and_leaves_nothing_behind(
    aws: dict[str, str],
    caller: Caller,
    api: Api,
    project: str,
    data: bytes | None,
    fields: dict[str, str],
    details: dict[str, str],
) -> None:
    status, body = api.upload(project, data, fields)
    assert (status, body["error"]["code"]) == (400, "invalid_parameter")
    assert body["error"]["details"].items() >= details.items()
    assert all(isinstance(value, str) for value in body["error"]["details"].values())
    assert_nothing_was_kept(aws, caller)


def test_a_file_that_is_too_large_is_told_where_to_go(
    aws: dict[str, str], caller: Caller, api: Api, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUVIAL_MAX_INLINE_BYTES", "10")
    monkeypatch.setenv("FLUVIAL_MAX_UPLOAD_BYTES", "20")
    config.settings.cache_clear()
    message = (
        f"A file in a request must have at most 10 bytes, not {len(CSV)}: "
        "use POST /v1/projects/{project_id}/data-sources/uploads for larger ones"
    )
    assert api.upload(project) == (413, refusal("payload_too_large", message, parameter="file"))
    message = "'size' must be at most 20 bytes, not 21"
    too_large = (413, refusal("payload_too_large", message, parameter="size"))
    assert api.post(uploads(project), {"filename": "d.csv", "size": 21}) == too_large
    assert_nothing_was_kept(aws, caller)


# ---------------------------------------------------------------- uploads by a form of their own


def test_an_upload_by_a_form_becomes_the_data_source_that_it_names(
    caller: Caller, api: Api, project: str, pipeline: Pipeline
) -> None:
    made = opened(api, project, name="Large")
    assert made == {
        "id": made["id"],
        "data_source_id": made["data_source_id"],
        "upload": {
            "method": "POST",
            "url": made["upload"]["url"],
            "fields": made["upload"]["fields"],
            "expires_at": made["upload"]["expires_at"],
        },
        "created_at": made["created_at"],
    }
    assert api.get(f"{sources(project)}/{made['data_source_id']}")[0] == 404
    path = f"{uploads(project)}/{made['id']}/complete"
    message = "The file has not arrived yet: send it to the upload's URL first"
    assert api.post(path) == (409, refusal("conflict", message))
    arrive(made)
    status, completed = api.post(path)
    assert (status, completed["data"]["id"], completed["data"]["name"]) == (201, made["data_source_id"], "Large")
    assert api.post(path) == (201, completed)
    pipeline.settle()
    assert api.get(f"{sources(project)}/{made['data_source_id']}")[1]["data"]["status"] == "ready"


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({"size": 8}, {"parameter": "filename"}),
        ({"filename": "d.csv"}, {"parameter": "size"}),
        ({"filename": "d.csv", "size": 0}, {"parameter": "size", "value": "0", "constraint": "at least 1"}),
        ({"filename": "d.csv", "size": "8"}, {"parameter": "size", "value": "8", "constraint": "a whole number"}),
        ({"filename": "", "size": 8}, {"parameter": "filename", "value": "", "constraint": "1-255 characters"}),
        ({"filename": "d.csv", "size": 8, "type": "doc"}, {"parameter": "type", "value": "doc"}),
        ({"filename": "d.csv", "size": 8, "colour": True}, {"parameter": "colour", "value": "true"}),
    ],
)
def test_a_bad_opening_is_refused_by_field(
    aws: dict[str, str], caller: Caller, api: Api, project: str, body: dict[str, Any], details: dict[str, str]
) -> None:
    status, refused = api.post(uploads(project), body)
    assert (status, refused["error"]["code"]) == (400, "invalid_parameter")
    assert refused["error"]["details"].items() >= details.items()
    assert_nothing_was_kept(aws, caller)


def test_an_upload_is_absent_under_another_project_and_to_others(
    caller: Caller, api: Api, stranger: Api, project: str
) -> None:
    made, other, nobody_s = opened(api, project), new_project(caller), absent(ids.UPLOAD)
    arrive(made)
    for who, at in ((api, other), (stranger, new_project(stranger.caller))):
        found = who.send("POST", f"{uploads(at)}/{made['id']}/complete")
        missing = who.send("POST", f"{uploads(at)}/{nobody_s}/complete")
        assert found["statusCode"] == missing["statusCode"] == 404
        assert found["body"] == missing["body"].replace(nobody_s, made["id"])
    assert json.loads(found["body"]) == refusal("not_found", f"No upload '{made['id']}' exists")
    assert api.post(f"{uploads(project)}/{made['id']}/complete")[0] == 201
    # Also once it is a data source.
    assert api.post(f"{uploads(other)}/{made['id']}/complete")[0] == 404


# ---------------------------------------------------------------- one of them


def test_a_renamed_data_source_keeps_the_rest(caller: Caller, api: Api, project: str) -> None:
    source = upload(api, project)
    status, renamed = api.put(f"{sources(project)}/{source['id']}", {"name": "Levels"})
    assert (status, renamed["data"]) == (
        200,
        {**source, "name": "Levels", "updated_at": renamed["data"]["updated_at"]},
    )
    stored = store.get(caller.account, DATA_SOURCE.parse(source["id"]))
    assert stored is not None
    assert (stored.name, stored.filename) == ("Levels", "data.csv")
    assert [type for type, _ in events_of(caller)] == ["data.uploaded", "data.updated"]


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({}, {"parameter": "name"}),
        ({"name": None}, {"parameter": "name", "constraint": "a string"}),
        ({"name": "\n"}, {"parameter": "name", "value": "\n", "constraint": "1-200 characters"}),
        ({"name": "n", "type": "csv"}, {"parameter": "type", "value": "csv"}),
    ],
)
def test_a_bad_name_is_refused(api: Api, project: str, body: dict[str, Any], details: dict[str, str]) -> None:
    path = f"{sources(project)}/{upload(api, project)['id']}"
    status, refused = api.put(path, body)
    assert (status, refused["error"]["code"]) == (400, "invalid_parameter")
    assert refused["error"]["details"].items() >= details.items()
    assert api.get(path)[1]["data"]["name"] == "data.csv"


def test_a_deleted_data_source_is_gone_with_its_bytes(
    aws: dict[str, str], api: Api, project: str, pipeline: Pipeline
) -> None:
    source = upload(api, project)["id"]
    pipeline.settle()
    path = f"{sources(project)}/{source}"
    assert api.delete(path) == (200, {"data": {"id": source, "deleted": True}})
    gone = (404, refusal("not_found", f"No data source '{source}' exists"))
    assert api.delete(path) == api.get(path) == api.put(path, {"name": "N"}) == gone
    assert api.get(sources(project)) == (200, {"data": []})
    pipeline.settle()
    assert objects(aws) == []


def test_a_data_source_is_absent_under_another_project_and_to_others(
    caller: Caller, api: Api, stranger: Api, project: str
) -> None:
    source, nobody_s = upload(api, project)["id"], absent("ds")
    for who, at in (
        (api, new_project(caller)),
        (stranger, new_project(stranger.caller)),
        (stranger, project),
        (Api(replace(caller, project=PROJECT.parse(new_project(caller)))), project),
    ):
        for method, body in (("GET", None), ("PUT", {"name": "Theirs"}), ("DELETE", None)):
            found = who.send(method, f"{sources(at)}/{source}", body=body)
            missing = who.send(method, f"{sources(at)}/{nobody_s}", body=body)
            assert found["statusCode"] == missing["statusCode"] == 404
            assert found["body"] == missing["body"].replace(nobody_s, source)
    assert api.get(f"{sources(project)}/{source}")[1]["data"]["name"] == "data.csv"


def test_a_key_of_the_project_does_all_that_there_is_to_do(caller: Caller, project: str) -> None:
    restricted = Api(replace(caller, project=PROJECT.parse(project)))
    source = upload(restricted, project)["id"]
    assert len(restricted.get(sources(project))[1]["data"]) == 1
    assert restricted.put(f"{sources(project)}/{source}", {"name": "N"})[0] == 200
    assert restricted.delete(f"{sources(project)}/{source}")[0] == 200
    made = opened(restricted, project)
    arrive(made)
    assert restricted.post(f"{uploads(project)}/{made['id']}/complete")[0] == 201


def test_a_key_without_the_scope_may_not(caller: Caller, project: str) -> None:
    reader = Api(replace(caller, scopes=frozenset({"data:read"})))
    assert reader.get(sources(project))[0] == 200
    expected = (403, refusal("forbidden", "This API key lacks the scope 'data:write'"))
    assert reader.upload(project) == expected
    assert reader.post(uploads(project), {"filename": "d.csv", "size": 8}) == expected
    assert reader.post(f"{uploads(project)}/{absent(ids.UPLOAD)}/complete") == expected
    assert reader.put(f"{sources(project)}/{absent('ds')}", {"name": "N"}) == expected
    assert reader.delete(f"{sources(project)}/{absent('ds')}") == expected


def test_a_data_source_is_the_reference_api_s_dataset_under_another_prefix(
    caller: Caller, api: Api, project: str
) -> None:
    source = upload(api, project)["id"]
    data = source.replace("ds_", "data_")
    status, seen = answer(reference, request("GET", "/data/{id}", caller=caller, path={"id": data}))
    assert (status, seen["id"], seen["project_id"]) == (200, data, project)
    assert api.get(f"{sources(project)}/{data}")[0] == 404


# ---------------------------------------------------------------- lists


def test_a_list_is_whole_without_a_page_and_paged_with_one(api: Api, project: str) -> None:
    made = [upload(api, project, name=name) for name in ("beta", "Alpha", "gamma")]
    assert api.get(sources(project)) == (200, {"data": made[::-1]})
    assert api.get(sources(project), sort="name", order="asc") == (200, {"data": [made[1], made[0], made[2]]})
    for query, items, meta in (
        ({"limit": "2"}, [made[2], made[1]], {"total": 3, "limit": 2, "offset": 0}),
        ({"limit": "2", "offset": "2"}, [made[0]], {"total": 3, "limit": 2, "offset": 2}),
        ({"offset": "1"}, [made[1], made[0]], {"total": 3, "limit": 20, "offset": 1}),
        ({"offset": "0"}, made[::-1], {"total": 3, "limit": 20, "offset": 0}),
        ({"offset": "3"}, [], {"total": 3, "limit": 20, "offset": 3}),
        ({"limit": "1", "order": "asc"}, [made[0]], {"total": 3, "limit": 1, "offset": 0}),
    ):
        assert api.get(sources(project), **query) == (200, {"data": items, "meta": meta})


def test_a_list_that_is_too_long_to_be_whole_is_refused_and_never_cut(
    api: Api, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common, "MAX_WHOLE", 2)
    made = [upload(api, project) for _ in range(2)]
    assert api.get(sources(project)) == (200, {"data": made[::-1]})
    made.append(upload(api, project))
    message = "The list has more than 2 items: ask for them by page, with the parameters 'limit' and 'offset'"
    expected = (400, refusal("invalid_parameter", message, parameter="limit", constraint="1-100"))
    assert api.get(sources(project)) == expected
    paged = (200, {"data": made[::-1], "meta": {"total": 3, "limit": 100, "offset": 0}})
    assert api.get(sources(project), limit="100") == paged


def test_a_list_that_is_short_of_its_counter_is_still_whole(
    api: Api, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One was removed after it had been counted, or an index does not have it yet.
    made = upload(api, project)
    monkeypatch.setattr(store, "total", lambda *_: 2)
    assert api.get(sources(project)) == (200, {"data": [made]})
    assert api.get(sources(project), sort="name") == (200, {"data": [made]})


@pytest.mark.parametrize(
    ("parameter", "value", "constraint"),
    [
        ("limit", "200", "1-100"),
        ("limit", "0", "1-100"),
        ("limit", "", "1-100"),
        ("offset", "-1", "0-1000000000"),
        ("sort", "rows", "created_at, name, updated_at"),
        ("order", "up", "asc, desc"),
    ],
)
def test_a_bad_parameter_is_refused(api: Api, project: str, parameter: str, value: str, constraint: str) -> None:
    status, body = api.get(sources(project), **{parameter: value})
    assert (status, body["error"]["details"]) == (
        400,
        {"parameter": parameter, "value": value, "constraint": constraint},
    )


# ---------------------------------------------------------------- retries


@pytest.mark.parametrize("what", ["upload", "opening", "completion"])
def test_a_retry_has_no_second_effect_and_gets_the_first_answer(
    aws: dict[str, str], api: Api, project: str, what: str
) -> None:
    call: dict[str, Any] = {"path": sources(project), **form(CSV)}
    if what == "opening":
        call = {"path": uploads(project), "body": {"filename": "d.csv", "size": len(CSV)}}
    if what == "completion":
        made = opened(api, project)
        arrive(made)
        call = {"path": f"{uploads(project)}/{made['id']}/complete"}
    call["headers"] = {**call.get("headers", {}), "Idempotency-Key": "retry"}
    first = api.send("POST", **call)
    before = objects(aws)
    again = api.send("POST", **call)
    assert (first["statusCode"], again["statusCode"], again["body"]) == (201, 201, first["body"])
    assert "Idempotent-Replayed" not in first["multiValueHeaders"]
    assert again["multiValueHeaders"]["Idempotent-Replayed"] == ["true"]
    assert objects(aws) == before


def test_a_key_used_in_one_project_is_another_request_in_the_next(caller: Caller, api: Api, project: str) -> None:
    body, headers = {"filename": "d.csv", "size": 8}, {"Idempotency-Key": "k"}
    assert api.call("POST", uploads(project), body=body, headers=headers)[0] == 201
    status, refused = api.call("POST", uploads(new_project(caller)), body=body, headers=headers)
    assert (status, refused["error"]["code"]) == (422, "idempotency_key_reused")
