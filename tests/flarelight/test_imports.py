"""Imports by their handlers, with the real worker, stream, bus and queues on moto."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fluvial import clock, dataset_versions, datasets, events, ids, named_imports, projects, webhooks
from fluvial.caller import Caller
from fluvial.errors import ConflictError
from fluvial.store import datasets as store
from fluvial.store import deliveries as stored_deliveries
from tests import factories
from tests.contract.client import multipart
from tests.flarelight.calls import Api, absent, new_project, refusal
from tests.workers.pipeline import Pipeline

RECORDS = [{"city": "Bonn", "n": 1}, {"city": "Kiel", "n": 2}]


def raw(api: Api, text: str, **headers: str) -> tuple[int, Any]:
    return api.call("POST", "/Import/Data", raw=text, headers=headers)


def brought(api: Api, pipeline: Pipeline, records: Any = None, **more: Any) -> dict[str, Any]:
    """What `POST /Import/Data` answered, once the import has ended."""
    status, body = api.post("/Import/Data", {"data": {"records": RECORDS if records is None else records}, **more})
    assert status == 200, body
    pipeline.settle()
    data: dict[str, Any] = body["data"]
    return data


def rows(api: Api, id: str, **query: str) -> Any:
    status, body = api.get(f"/Import/{id}/Data", **query)
    assert status == 200, body
    return body["data"]["records"]


def number(data: dict[str, Any]) -> int:
    found = ids.of_uuid(ids.DATASET, data["id"])
    assert found is not None
    return found


# ---------------------------------------------------------------- POST /Import/Data


def test_the_document_s_own_body_makes_an_import(api: Api, caller: Caller, pipeline: Pipeline) -> None:
    body = {"data": {"records": [{"name": "John Doe"}]}, "name": None, "description": None, "sendEvents": True}
    status, answer = api.post("/Import/Data", body)
    data = answer["data"]
    dataset = datasets.get(caller, number(data))
    default = projects.default(caller)
    assert (status, answer) == (
        200,
        {
            "data": {
                "id": ids.uuid(ids.DATASET, dataset.id),
                "jobId": ids.uuid(ids.JOB, dataset.job),
                "status": "queued",
                "name": dataset.filename,
                "description": None,
                "projectId": ids.uuid(ids.PROJECT, default.id),
                "version": 1,
                "mode": "create",
            },
            "messages": [],
        },
    )
    assert dataset.filename.startswith("records-2")
    pipeline.settle()
    assert rows(api, data["id"]) == [{"name": "John Doe"}]


@pytest.mark.parametrize("wrapped", [True, False])
def test_records_come_in_an_object_or_bare(api: Api, pipeline: Pipeline, wrapped: bool) -> None:
    status, body = api.post("/Import/Data", {"data": {"records": RECORDS} if wrapped else RECORDS})
    assert status == 200
    pipeline.settle()
    assert rows(api, body["data"]["id"]) == RECORDS


def test_every_number_is_what_was_sent(api: Api, caller: Caller, pipeline: Pipeline) -> None:
    text = (
        '{"sendEvents":null, "data": [ {"big":9007199254740993,"huge":123456789012345678901234567890,'
        '"price":1.10,"long":0.1000000000000000055511151231257827,"zip":"01067","e":1e3},\n'
        '{"big":-9223372036854775808,"huge":1,"price":12.00,"long":2.5,"zip":"1","e":2} ] }'
    )
    status, body = raw(api, text)
    assert status == 200, body
    pipeline.settle()
    answer = api.send("GET", f"/Import/{body['data']['id']}/Data")
    # Also the text of the answer has every digit.
    assert '"big":9007199254740993' in answer["body"]
    assert "123456789012345678901234567890" in answer["body"]
    assert "0.1000000000000000055511151231257827" in answer["body"]
    first, second = json.loads(answer["body"], parse_float=str, parse_int=str)["data"]["records"]
    assert (first["big"], second["big"]) == ("9007199254740993", "-9223372036854775808")
    assert (first["price"], second["price"]) == ("1.10", "12.00")
    assert (first["zip"], second["zip"]) == ("01067", "1")
    dataset = datasets.get(caller, number(body["data"]))
    assert dataset.shape is not None
    assert dict(dataset.shape)["big"] == "integer"


def test_records_may_differ_in_their_keys_and_be_nested(api: Api, pipeline: Pipeline) -> None:
    records = [
        {"id": 1, "address": {"city": "Bonn", "zip": "53111"}, "tags": ["a", "b"]},
        {"id": 2, "note": None},
        {"id": 3, "address": {"city": "Kiel"}, "note": "late"},
    ]
    data = brought(api, pipeline, records)
    # As in a file of JSON: what is nested is kept as JSON text.
    assert rows(api, data["id"]) == [
        {"id": 1, "address": '{"city":"Bonn","zip":"53111"}', "tags": '["a","b"]', "note": None},
        {"id": 2, "address": None, "tags": None, "note": None},
        {"id": 3, "address": '{"city":"Kiel"}', "tags": None, "note": "late"},
    ]


def test_five_thousand_records_are_one_request(api: Api, pipeline: Pipeline) -> None:
    data = brought(api, pipeline, [{"n": n, "text": f"row {n}"} for n in range(5000)])
    assert rows(api, data["id"], start="4999", count="5") == [{"n": 4999, "text": "row 4999"}]


def test_a_name_that_is_there_takes_further_records_and_loses_none(
    api: Api, caller: Caller, pipeline: Pipeline
) -> None:
    first = brought(api, pipeline, name="Orders")
    second = brought(api, pipeline, [{"city": "Ulm", "n": 3}], name="Orders")
    assert (second["id"], second["version"], second["mode"]) == (first["id"], 2, "append")
    assert [row["city"] for row in rows(api, first["id"])] == ["Bonn", "Kiel", "Ulm"]
    third = brought(api, pipeline, [{"city": "Jena", "n": 4}], name="Orders", mode="replace")
    assert (third["id"], third["version"]) == (first["id"], 3)
    assert rows(api, first["id"]) == [{"city": "Jena", "n": 4}]
    # Another name, another import; case counts.
    assert brought(api, pipeline, name="orders")["id"] != first["id"]


def test_an_upsert_goes_by_its_key(api: Api, pipeline: Pipeline) -> None:
    first = brought(api, pipeline, name="Orders")
    more = [{"city": "Kiel", "n": 20}, {"city": "Ulm", "n": 3}]
    second = brought(api, pipeline, more, id=first["id"], mode="upsert", key=["city"])
    assert (second["id"], second["mode"]) == (first["id"], "upsert")
    found = {row["city"]: row["n"] for row in rows(api, first["id"])}
    assert found == {"Bonn": 1, "Kiel": 20, "Ulm": 3}


def test_an_id_wins_over_the_name_which_then_is_given_to_it(api: Api, caller: Caller, pipeline: Pipeline) -> None:
    first = brought(api, pipeline, name="Orders")
    body = {"id": first["id"], "name": "Sales", "description": "By city"}
    second = brought(api, pipeline, [{"city": "Ulm", "n": 3}], **body)
    assert (second["id"], second["name"], second["description"]) == (first["id"], "Sales", "By city")
    dataset = datasets.get(caller, number(first))
    assert (dataset.title, dataset.description, dataset.rows) == ("Sales", "By city", 3)
    told = list(events.read(caller, events.BEGINNING, limit=100).events)
    (updated,) = [event for event in told if event.type == "data.updated"]
    assert updated.data["name"] == "Sales"
    # Saying it once more is no change.
    brought(api, pipeline, [{"city": "Jena", "n": 4}], **body)
    told = list(events.read(caller, events.BEGINNING, limit=100).events)
    assert [event.type for event in told].count("data.updated") == 1
    assert brought(api, pipeline, name="Sales")["id"] == first["id"]


def test_an_import_goes_where_its_project_says(api: Api, caller: Caller, pipeline: Pipeline) -> None:
    project = new_project(caller)
    first = brought(api, pipeline, name="Orders", projectId=project)
    assert first["projectId"] == project
    # The name is the project's own.
    assert brought(api, pipeline, name="Orders")["id"] != first["id"]
    assert brought(api, pipeline, name="Orders", projectId=project)["id"] == first["id"]
    # An id is of one project.
    other = new_project(caller, "Another")
    status, body = api.post("/Import/Data", {"data": RECORDS, "id": first["id"], "projectId": other})
    assert (status, body) == (404, refusal("NOT_FOUND", f"No import '{first['id']}' exists."))


def test_a_name_that_several_have_is_refused(api: Api, caller: Caller, pipeline: Pipeline) -> None:
    project = projects.default(caller)
    for _ in range(2):
        datasets.receive(caller, project_id=project.id, filename="a.csv", data=b"a\n1\n", name="Orders")
    status, body = api.post("/Import/Data", {"data": RECORDS, "name": "Orders"})
    message = "There are 2 imports called 'Orders': say which one by its 'id'."
    assert (status, body) == (409, refusal("CONFLICT", message, "name"))


def test_two_that_make_a_name_at_once_make_one(
    api: Api, caller: Caller, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = datasets.receive
    made: list[datasets.Dataset] = []

    def overtaken(*arguments: Any, **named: Any) -> datasets.Dataset:
        if not made:
            monkeypatch.setattr(datasets, "receive", receive)
            # The index does not show it yet, either.
            monkeypatch.setattr(store, "called", lambda *_: [])
            made.append(bring(caller, name="Orders").dataset)
        return receive(*arguments, **named)

    monkeypatch.setattr(datasets, "receive", overtaken)
    # It goes into the one that was made first, which takes one import at a time.
    with pytest.raises(ConflictError, match="is being imported"):
        bring(caller, name="Orders")
    pipeline.settle()
    version = bring(caller, name="Orders").version
    assert (version.dataset, version.number) == (made[0].id, 2)


def bring(caller: Caller, **more: Any) -> named_imports.Imported:
    wanted = named_imports.Wanted(json.dumps(RECORDS).encode(), "records.json", "data", "json", **more)
    return named_imports.bring(caller, wanted)


def test_a_name_is_free_again_once_its_import_is_gone_or_called_otherwise(
    api: Api, caller: Caller, pipeline: Pipeline
) -> None:
    first = brought(api, pipeline, name="Orders")
    api.put(f"/Import/{first['id']}", {"name": "Old orders"})
    second = brought(api, pipeline, name="Orders")
    assert second["id"] != first["id"]
    api.delete(f"/Import/{second['id']}")
    third = brought(api, pipeline, name="Orders")
    assert third["id"] not in (first["id"], second["id"])
    assert third["version"] == 1


def test_what_failed_first_is_replaced_by_default(api: Api, caller: Caller, pipeline: Pipeline) -> None:
    project = projects.default(caller)
    failed = datasets.receive(caller, project_id=project.id, filename="a.json", data=b"{", name="Orders")
    pipeline.settle()
    assert datasets.get(caller, failed.id).status == "failed"
    data = brought(api, pipeline, name="Orders")
    assert number(data) == failed.id
    assert rows(api, data["id"]) == RECORDS


def test_while_it_is_imported_it_takes_no_other(api: Api, pipeline: Pipeline) -> None:
    assert api.post("/Import/Data", {"data": RECORDS, "name": "Orders"})[0] == 200
    status, body = api.post("/Import/Data", {"data": RECORDS, "name": "Orders"})
    message = "The data is being imported: wait until that import has ended."
    assert (status, body) == (409, refusal("CONFLICT", message))


def test_an_absent_and_a_foreign_import_look_alike(api: Api, stranger: Api, pipeline: Pipeline) -> None:
    theirs = brought(stranger, pipeline)["id"]
    for id in (theirs, absent(ids.DATASET), ids.uuid(ids.PROJECT, 5), "data_00000000001", "x"):
        expected = (404, refusal("NOT_FOUND", f"No import '{id}' exists."))
        assert api.get(f"/Import/{id}") == expected
        assert api.get(f"/Import/{id}/Data") == expected
        assert api.delete(f"/Import/{id}") == expected
        assert api.put(f"/Import/{id}", {"name": "Mine"}) == expected
        status, body = api.post("/Import/Data", {"data": RECORDS, "id": id})
        assert (status, body["messages"][0]["code"]) == (404, "NOT_FOUND")
        assert body["messages"][0]["message"] == f"No import '{id}' exists."
    status, body = api.post("/Import/Data", {"data": RECORDS, "projectId": absent(ids.PROJECT)})
    assert (status, body["messages"][0]["field"]) == (404, "projectId")


@pytest.mark.parametrize(
    ("text", "message", "field"),
    [
        ("", "'data' is required: a list of objects, or {\"records\": [a list of objects]}.", "data"),
        ("{}", "'data' is required: a list of objects, or {\"records\": [a list of objects]}.", "data"),
        ('{"data":null}', "'data' is required: a list of objects, or {\"records\": [a list of objects]}.", "data"),
        ('{"data":[]}', "'data' must have at least 1 record.", "data"),
        ('{"data":{"records":[]}}', "'data.records' must have at least 1 record.", "data.records"),
        ('{"data":[1]}', "'data.0' must be an object, not \"1\".", "data.0"),
        ('{"data":[{},null]}', "'data.1' must be an object, not null.", "data.1"),
        (
            '{"data":{}}',
            "'data' must be a list of objects, or {\"records\": [a list of objects]}: it has no 'records'.",
            "data",
        ),
        (
            '{"data":{"records":[{}],"rows":1}}',
            "'data' must be a list of objects, or {\"records\": [a list of objects]}: it has 'rows'.",
            "data",
        ),
        (
            '{"data":"a,b"}',
            '\'data\' must be a list of objects, or {"records": [a list of objects]}: it is "a,b".',
            "data",
        ),
        ('{"data":[{"a":NaN}]}', "The body is not valid JSON: it has NaN, which is no number of JSON.", None),
        ('{"data":[{"a":1}', "The body is not valid JSON: Expecting ',' delimiter at line 1 column 17.", None),
        ('{"data":[{"a":1}]} x', "The body is not valid JSON: Extra data at line 1 column 20.", None),
        ("[1]", "The body must be a JSON object.", None),
        ('{"data":[{}],"rows":5}', "'rows' is not a field of this request.", "rows"),
        ('{"data":[{}],"send_events":true}', "Names are in camel case: send 'sendEvents'.", "sendEvents"),
        ('{"data":[{}],"mode":"delete"}', "'mode' must be one of append, replace, upsert.", "mode"),
        ('{"data":[{}],"sendEvents":"no"}', "'sendEvents' must be true or false, not \"no\".", "sendEvents"),
        (
            '{"data":[{}],"key":["a"]}',
            "'key' means nothing to a new import: only 'upsert' goes by it.",
            "key",
        ),
        ('{"data":[{}],"name":""}', "'name' must not be empty: it has to show something.", "name"),
    ],
)
def test_what_cannot_be_imported_is_refused_with_the_reason(
    api: Api, text: str, message: str, field: str | None
) -> None:
    assert raw(api, text) == (400, refusal("INVALID_REQUEST", message, field))


def test_a_body_that_is_nested_for_ever_is_refused(api: Api) -> None:
    text = '{"data":' + "[" * 200_000 + "]" * 200_000 + "}"
    assert raw(api, text) == (400, refusal("INVALID_REQUEST", "The body is nested too deeply."))


def test_an_upsert_into_nothing_is_refused(api: Api) -> None:
    status, body = api.post("/Import/Data", {"data": RECORDS, "mode": "upsert", "key": ["city"]})
    message = "There are no rows yet to upsert into: send the first ones with the mode 'append' or 'replace'."
    assert (status, body) == (409, refusal("CONFLICT", message, "mode"))


def test_more_than_a_request_takes_is_told_how_to_go_on(
    api: Api, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUVIAL_MAX_INLINE_BYTES", "100")
    from fluvial import config

    config.settings.cache_clear()
    status, body = api.post("/Import/Data", {"data": RECORDS * 10})
    size = len(json.dumps(RECORDS * 10))
    message = (
        f"'data' must have at most 100 bytes in one request, not {size}: send the records in several requests, with "
        "the import's id and the mode 'append', or a larger file by the reference API, POST /data/uploads."
    )
    assert (status, body) == (413, refusal("PAYLOAD_TOO_LARGE", message, "data"))
    assert list(events.read(caller, events.BEGINNING, limit=10).events) == []


def test_the_same_request_under_a_key_is_done_once(api: Api, caller: Caller, pipeline: Pipeline) -> None:
    body = {"data": RECORDS, "name": "Orders"}
    first = api.post("/Import/Data", body, **{"Idempotency-Key": "one"})
    again = api.send("POST", "/Import/Data", body=body, headers={"Idempotency-Key": "one"})
    assert (again["statusCode"], json.loads(again["body"])) == first
    assert again["multiValueHeaders"]["Idempotent-Replayed"] == ["true"]
    pipeline.settle()
    # A further import, too.
    second = api.post("/Import/Data", body, **{"Idempotency-Key": "two"})
    pipeline.settle()
    assert api.post("/Import/Data", body, **{"Idempotency-Key": "two"}) == second
    pipeline.settle()
    assert second[1]["data"]["version"] == 2
    assert datasets.get(caller, number(first[1]["data"])).rows == 4
    # Another body under the key is another request: one that differs in a digit.
    status, _ = api.post("/Import/Data", {**body, "data": [*RECORDS, {"n": 3}]}, **{"Idempotency-Key": "two"})
    assert status == 422


def test_without_events_nobody_is_told_and_the_log_is_whole(api: Api, caller: Caller, pipeline: Pipeline) -> None:
    endpoint = webhooks.create(caller, url="http://127.0.0.1:9/", events=["data.uploaded", "data.processed"])
    first = brought(api, pipeline, name="Orders", sendEvents=False)
    brought(api, pipeline, name="Orders", sendEvents=False)
    assert stored_deliveries.page(caller.account, endpoint.id, skip=0, limit=10) == []
    told = [event for event in events.read(caller, events.BEGINNING, limit=100).events if "data" in event.type]
    assert [(event.type, event.silent) for event in told] == [
        ("data.uploaded", True),
        ("data.processed", True),
        ("data.processed", True),
    ]
    # The next one is told again.
    brought(api, pipeline, name="Orders")
    assert len(stored_deliveries.page(caller.account, endpoint.id, skip=0, limit=10)) == 1
    assert number(first)


# ---------------------------------------------------------------- POST /Import/File


def upload(api: Api, data: bytes, filename: str = "data.csv", **fields: str) -> tuple[int, Any]:
    import base64

    body, kind = multipart(data, fields, filename=filename)
    encoded = base64.b64encode(body).decode()
    return api.call("POST", "/Import/File", raw=encoded, base64=True, headers={"Content-Type": kind})


def test_a_file_is_imported_as_records_are(api: Api, caller: Caller, pipeline: Pipeline) -> None:
    status, body = upload(api, b"city,n\nBonn,1\n", name="Orders", description="By city", sendEvents="false")
    assert status == 200, body
    pipeline.settle()
    assert body["data"]["description"] == "By city"
    status, more = upload(api, b"city,n\nKiel,2\n", name="Orders")
    assert (status, more["data"]["id"], more["data"]["mode"]) == (200, body["data"]["id"], "append")
    pipeline.settle()
    assert rows(api, body["data"]["id"]) == RECORDS
    assert dataset_versions.get(caller, number(body["data"]), 1).silent


def test_an_empty_file_is_refused(api: Api) -> None:
    status, body = upload(api, b"")
    assert (status, body["messages"][0]["field"]) == (400, "file")


# ---------------------------------------------------------------- GET /Import/All, /Import/{id}


def test_all_imports_are_listed_newest_first_with_their_columns(api: Api, caller: Caller, pipeline: Pipeline) -> None:
    project = factories.new_project(caller)
    by_file = datasets.receive(caller, project_id=project.id, filename="a.csv", data=b"a,b\n1,x\n")
    pipeline.settle()
    made = brought(api, pipeline, name="Orders", description="By city")
    status, body = api.get("/Import/All")
    dataset = datasets.get(caller, number(made))
    assert status == 200
    assert body["messages"] == []
    assert body["data"][0] == {
        "id": made["id"],
        "name": "Orders",
        "description": "By city",
        "projectId": made["projectId"],
        "status": "ready",
        "version": 1,
        "rowCount": 2,
        "columns": [{"name": "city", "type": "text"}, {"name": "n", "type": "integer"}],
        "error": None,
        "createdAt": clock.iso(dataset.created),
        "updatedAt": clock.iso(dataset.updated),
    }
    assert [item["id"] for item in body["data"]] == [made["id"], ids.uuid(ids.DATASET, by_file.id)]
    assert api.get(f"/Import/{made['id']}") == (
        200,
        {
            "data": {
                **body["data"][0],
                "type": "json",
                "rejectedRowCount": 0,
                "size": len(json.dumps(RECORDS)),
                "jobId": made["jobId"],
            },
            "messages": [],
        },
    )


def test_an_import_that_is_not_read_yet_has_no_columns(api: Api) -> None:
    api.post("/Import/Data", {"data": RECORDS})
    (item,) = api.get("/Import/All")[1]["data"]
    assert (item["status"], item["rowCount"], item["columns"], item["version"]) == ("processing", None, None, 0)


def test_a_list_that_goes_on_says_so_and_how(api: Api, caller: Caller) -> None:
    project = factories.new_project(caller)
    made = [ids.uuid(ids.DATASET, factories.new_dataset(caller, project).id) for _ in range(5)][::-1]
    status, body = api.get("/Import/All", count="2")
    assert status == 200
    assert [item["id"] for item in body["data"]] == made[:2]
    text = f"There are older imports: ask for those that follow with 'after={made[1]}'."
    assert body["messages"] == [{"type": "information", "code": "MORE_ITEMS", "message": text, "field": "after"}]
    # On from there, also when that one is gone.
    api.delete(f"/Import/{made[1]}")
    assert [item["id"] for item in api.get("/Import/All", count="3", after=made[1])[1]["data"]] == made[2:]
    assert api.get("/Import/All", count="3", after=made[1])[1]["messages"] == []
    assert len(api.get("/Import/All")[1]["data"]) == 4


def test_what_is_of_a_deleted_project_is_not_listed(api: Api, caller: Caller) -> None:
    gone, stays = factories.new_project(caller), factories.new_project(caller)
    factories.new_dataset(caller, gone)
    kept = factories.new_dataset(caller, stays)
    factories.new_dataset(caller, gone)
    projects.delete(caller, gone.id)
    assert [item["id"] for item in api.get("/Import/All")[1]["data"]] == [ids.uuid(ids.DATASET, kept.id)]
    # A page of nothing goes on all the same.
    first = api.get("/Import/All", count="1")[1]
    assert first["data"] == []
    after = first["messages"][0]["message"].split("after=")[1].removesuffix("'.")
    assert len(api.get("/Import/All", count="1", after=after)[1]["data"]) == 1


def test_a_key_of_one_project_sees_its_imports_alone(api: Api, caller: Caller, pipeline: Pipeline) -> None:
    project = factories.new_project(caller)
    other = brought(api, pipeline)["id"]
    own = Api(replace(caller, project=project.id))
    made = brought(own, pipeline)
    assert made["projectId"] == ids.uuid(ids.PROJECT, project.id)
    assert [item["id"] for item in own.get("/Import/All")[1]["data"]] == [made["id"]]
    assert own.get(f"/Import/{other}")[0] == 404
    assert own.get(f"/Import/{other}/Data")[0] == 404


def test_very_many_columns_are_left_out_of_the_list_and_that_is_said(
    api: Api, caller: Caller, pipeline: Pipeline
) -> None:
    made = brought(api, pipeline, [{f"a column with a long name {n}": n for n in range(200)}], name="Wide")
    (item,), (message,) = (api.get("/Import/All")[1][part] for part in ("data", "messages"))
    assert item["columns"] is None
    text = "The 200 columns of 'Wide' are too many for a list: ask for it alone."
    assert message == {"type": "information", "code": "COLUMNS_LEFT_OUT", "message": text, "field": made["id"]}
    assert len(api.get(f"/Import/{made['id']}")[1]["data"]["columns"]) == 200


@pytest.mark.parametrize("after", ["x", "", ids.uuid(ids.PROJECT, 5)])
def test_an_after_that_is_no_import_is_refused(api: Api, after: str) -> None:
    status, body = api.get("/Import/All", after=after)
    message = f"'after' must be the id of the last item that was answered, not '{after}'."
    assert (status, body) == (400, refusal("INVALID_REQUEST", message, "after"))


def test_undoing_a_version_takes_its_columns_along(api: Api, caller: Caller, pipeline: Pipeline) -> None:
    made = brought(api, pipeline, [{"a": 1}], name="Orders")
    brought(api, pipeline, [{f"a column with a long name {n}": n for n in range(200)}], id=made["id"], mode="replace")
    assert api.get("/Import/All")[1]["data"][0]["columns"] is None
    dataset_versions.point(caller, number(made))
    assert api.get("/Import/All")[1]["data"][0]["columns"] == [{"name": "a", "type": "integer"}]
    dataset_versions.point(caller, number(made), 2)
    assert api.get("/Import/All")[1]["data"][0]["columns"] is None


# ---------------------------------------------------------------- GET /Import/{id}/Data


def test_rows_come_a_page_at_a_time(api: Api, pipeline: Pipeline) -> None:
    made = brought(api, pipeline, [{"n": n} for n in range(250)])
    status, body = api.get(f"/Import/{made['id']}/Data", start="0", count="100")
    assert (status, body) == (
        200,
        {
            "data": {
                "records": [{"n": n} for n in range(100)],
                "start": 0,
                "count": 100,
                "total": 250,
                "version": 1,
            },
            "messages": [],
        },
    )
    assert api.get(f"/Import/{made['id']}/Data")[1] == body
    assert [row["n"] for row in rows(api, made["id"], start="200")] == list(range(200, 250))
    assert rows(api, made["id"], start="250") == rows(api, made["id"], start="999999999999999") == []


@pytest.mark.parametrize(
    ("query", "message", "field"),
    [
        ({"count": "0"}, "'count' must be at least 1, not \"0\".", "count"),
        ({"count": "1001"}, "'count' must be at most 1000, not \"1001\".", "count"),
        ({"start": "-1"}, "'start' must be at least 0, not \"-1\".", "start"),
        ({"start": "1.5"}, "'start' must be a whole number, not \"1.5\".", "start"),
    ],
)
def test_bounds_are_refused_and_never_clamped(
    api: Api, pipeline: Pipeline, query: dict[str, str], message: str, field: str
) -> None:
    made = brought(api, pipeline)
    assert api.get(f"/Import/{made['id']}/Data", **query) == (400, refusal("INVALID_REQUEST", message, field))


def test_rows_of_what_is_still_read_are_a_conflict(api: Api) -> None:
    _, body = api.post("/Import/Data", {"data": RECORDS})
    status, answer = api.get(f"/Import/{body['data']['id']}/Data")
    message = "The data is still being processed: try again when its status is 'ready'."
    assert (status, answer) == (409, refusal("CONFLICT", message))


# ---------------------------------------------------------------- PUT and DELETE


def test_name_and_description_can_be_changed(api: Api, caller: Caller, pipeline: Pipeline) -> None:
    made = brought(api, pipeline, name="Orders", description="By city")
    status, body = api.put(f"/Import/{made['id']}", {"name": "Sales"})
    assert (status, body["data"]["name"], body["data"]["description"]) == (200, "Sales", "By city")
    assert api.put(f"/Import/{made['id']}", {"description": ""})[1]["data"]["description"] is None
    assert api.get(f"/Import/{made['id']}")[1]["data"]["name"] == "Sales"
    assert rows(api, made["id"]) == RECORDS


@pytest.mark.parametrize("name", ["name", "description"])
def test_a_change_to_null_is_refused(api: Api, pipeline: Pipeline, name: str) -> None:
    made = brought(api, pipeline)
    message = f"'{name}' must not be null: leave it out, and it stays."
    assert api.put(f"/Import/{made['id']}", {name: None}) == (400, refusal("INVALID_REQUEST", message, name))


def test_a_deleted_import_is_gone_with_its_rows(api: Api, caller: Caller, pipeline: Pipeline) -> None:
    made = brought(api, pipeline)
    assert api.delete(f"/Import/{made['id']}") == (200, {"data": {"id": made["id"], "deleted": True}, "messages": []})
    assert api.get(f"/Import/{made['id']}")[0] == 404
    assert api.get("/Import/All")[1]["data"] == []


def test_imports_can_be_switched_off(caller: Caller) -> None:
    api = Api(replace(caller, features_off=frozenset({"imports"})))
    expected = (
        403,
        refusal("FEATURE_NOT_ENABLED", "The feature 'imports' is not enabled for your subscription."),
    )
    assert api.get("/Import/All") == expected
    assert api.post("/Import/Data", {"data": RECORDS}) == expected
    assert api.get(f"/Import/{absent(ids.DATASET)}/Data") == expected
    # Its jobs can be seen.
    assert api.get("/Job/All")[0] == 200
