"""Reports over HTTP: definitions, generating, what is generated; with the real workers on moto."""

from __future__ import annotations

import csv
import io
import json
import urllib.parse
from dataclasses import replace
from typing import Any

import openpyxl
import pytest

from fluvial import datasets, events, executions, ids, imports, job_kinds, jobs, preparations
from fluvial.caller import Caller
from fluvial.imports import Import
from fluvial.preparations import Input
from fluvial.store import keys, table
from tests.core.test_report_render import HOSTILE, Page
from tests.flarelight.calls import Api, absent, refusal
from tests.flarelight.report_data import CSV, definition, import_id, new_import
from tests.workers.pipeline import Pipeline, own_client
from workers import compute_report


@pytest.fixture
def data(caller: Caller, pipeline: Pipeline) -> datasets.Dataset:
    return new_import(caller, pipeline)


@pytest.fixture
def report(api: Api, data: datasets.Dataset) -> dict[str, Any]:
    status, answer = api.post("/Report", definition(import_id(data)))
    assert (status, answer["messages"]) == (200, []), answer
    made: dict[str, Any] = answer["data"]
    return made


def generated(api: Api, pipeline: Pipeline, report: dict[str, Any], body: object = None) -> dict[str, Any]:
    """The report once it is generated."""
    status, answer = api.post(f"/Report/{report['id']}/Generate", body)
    assert status == 200, answer
    pipeline.settle()
    found: dict[str, Any] = api.get(f"/Report/Generated/{answer['data']['generatedReportId']}")[1]["data"]
    return found


def stored(aws: dict[str, str], url: str) -> bytes:
    """What a link leads to."""
    key = urllib.parse.unquote(urllib.parse.urlsplit(url).path).lstrip("/").removeprefix(f"{aws['Bucket']}/")
    body: bytes = own_client("s3").get_object(Bucket=aws["Bucket"], Key=key)["Body"].read()
    return body


def types_of(caller: Caller) -> list[str]:
    items = table.query(keys.listed(caller.account, "events"))
    return [item["event_type"] for item in items if item["event_type"].startswith("report.")]


def test_a_report_is_answered_as_it_was_given(api: Api, report: dict[str, Any], data: datasets.Dataset) -> None:
    given = definition(import_id(data))

    status, answer = api.get(f"/Report/{report['id']}")

    assert (status, answer["messages"]) == (200, [])
    assert answer["data"] == report
    assert {name: report[name] for name in given} == given
    assert (report["subtitle"], report["language"]) == (None, None)
    assert report["formats"] == ["html", "pdf", "xlsx", "csv"]


def test_a_generated_report_has_its_files_with_links(
    aws: dict[str, str], api: Api, pipeline: Pipeline, report: dict[str, Any], data: datasets.Dataset
) -> None:
    found = generated(api, pipeline, report)

    assert (found["status"], found["error"], found["reportId"]) == ("completed", None, report["id"])
    assert found["sources"] == [{"importId": import_id(data), "version": 1, "name": data.title}]
    assert found["parameters"] == {"since": "2025-01-01"}
    assert [file["path"] for file in found["files"]] == [
        "report.html",
        "report.pdf",
        "report.xlsx",
        "tables/01-cities.csv",
    ]
    files = {file["path"]: stored(aws, file["url"]) for file in found["files"]}
    assert [len(content) for content in files.values()] == [file["bytes"] for file in found["files"]]
    assert b"Sales since 2025-01-01" in files["report.html"]
    assert found["hash"].encode() in files["report.html"]
    assert files["report.pdf"].startswith(b"%PDF-")
    rows = list(csv.reader(io.StringIO(files["tables/01-cities.csv"].decode("utf-8-sig"))))
    # All rows with all digits, though the page shows two.
    assert rows == [
        ["city", "revenue", "n"],
        ["Bonn", "4.00", "9007199254740994"],
        ["Ulm", "4.00", "3"],
        ["Kiel", "2.25", "9007199254740993"],
    ]
    links = {file["path"]: urllib.parse.parse_qs(urllib.parse.urlsplit(file["url"]).query) for file in found["files"]}
    assert links["report.html"]["response-content-disposition"][0].startswith('inline; filename="sales.html"')
    assert links["report.xlsx"]["response-content-disposition"][0].startswith('attachment; filename="sales.xlsx"')


def test_a_job_of_two_stages_leads_to_the_report_and_an_event(
    api: Api, pipeline: Pipeline, caller: Caller, report: dict[str, Any]
) -> None:
    answer = api.post(f"/Report/{report['id']}/Generate", {"parameters": {"since": "2025-03-01"}, "formats": ["csv"]})[
        1
    ]
    job_id = ids.of_uuid(ids.JOB, answer["data"]["jobId"])
    assert job_id is not None
    assert answer["data"]["status"] == "queued"

    pipeline.settle()

    job = jobs.get(caller, job_id)
    generated_id = ids.of_uuid(ids.GENERATED_REPORT, answer["data"]["generatedReportId"])
    assert (job.state, job.attempt, job.stage) == ("succeeded", 2, "render")
    assert job.outputs == {"report": ids.of_uuid(ids.REPORT, report["id"]), "generated_report": generated_id}
    assert types_of(caller) == ["report.created", "report.generated"]
    told = events.read(caller, events.BEGINNING, limit=100, type="report.generated").events[0].data
    found = api.get(f"/Report/Generated/{answer['data']['generatedReportId']}")[1]["data"]
    assert told["hash"] == found["hash"]
    assert (told["id"], told["job_id"], told["status"]) == (
        ids.spell(ids.GENERATED_REPORT, generated_id or 0),
        ids.spell(ids.JOB, job_id),
        "completed",
    )
    assert told["sources"][0]["data_version"] == 1
    assert told["files"] == [{"path": "tables/01-cities.csv", "bytes": found["files"][0]["bytes"]}]
    assert "url" not in json.dumps(told)


def test_generated_again_it_has_the_same_hash_and_bytes_though_the_data_have_changed(
    aws: dict[str, str], api: Api, pipeline: Pipeline, caller: Caller, report: dict[str, Any], data: datasets.Dataset
) -> None:
    first = generated(api, pipeline, report)
    imports.add(caller, data.id, Import("append"), filename="more.csv", data=CSV)
    pipeline.settle()
    assert datasets.get(caller, data.id).version == 2
    api.put(f"/Report/{report['id']}", {"title": "Another title"})
    status, answer = api.post(f"/Report/Generated/{first['id']}/Regenerate")
    assert status == 200, answer
    pipeline.settle()
    again = api.get(f"/Report/Generated/{answer['data']['generatedReportId']}")[1]["data"]

    assert (again["status"], again["repeats"], again["hash"]) == ("completed", first["id"], first["hash"])
    assert (again["asOf"], again["sources"]) == (first["asOf"], first["sources"])
    for one, other in zip(first["files"], again["files"], strict=True):
        assert stored(aws, one["url"]) == stored(aws, other["url"]), one["path"]
    # And generated anew, it is of the new version.
    new = generated(api, pipeline, report)
    assert (new["sources"][0]["version"], new["hash"] == first["hash"]) == (2, False)


def test_it_cannot_be_generated_again_once_the_data_are_gone(
    api: Api, pipeline: Pipeline, caller: Caller, report: dict[str, Any], data: datasets.Dataset
) -> None:
    first = generated(api, pipeline, report, {"formats": ["csv"]})
    datasets.delete(caller, data.id)
    pipeline.settle()

    status, answer = api.post(f"/Report/Generated/{first['id']}/Regenerate")

    message = f"Version 1 of '{data.title}' is gone, so the report cannot be generated of it again."
    assert (status, answer) == (409, refusal("CONFLICT", message))
    # What was generated is still there.
    assert api.get(f"/Report/Generated/{first['id']}")[1]["data"]["status"] == "completed"


def test_a_report_whose_data_are_gone_fails_with_a_reason(
    api: Api, pipeline: Pipeline, caller: Caller, report: dict[str, Any], data: datasets.Dataset
) -> None:
    datasets.delete(caller, data.id)

    found = generated(api, pipeline, report)

    assert (found["status"], found["files"]) == ("failed", [])
    assert found["error"] == f"The dataset {import_id(data)} was deleted."
    assert types_of(caller)[-1] == "report.failed"


def test_generated_reports_are_listed_newest_first_and_a_cut_list_says_so(
    api: Api, pipeline: Pipeline, report: dict[str, Any]
) -> None:
    made = [generated(api, pipeline, report, {"formats": ["csv"]})["id"] for _ in range(3)]

    status, answer = api.get("/Report/All")
    assert (status, [each["id"] for each in answer["data"]], answer["messages"]) == (200, made[::-1], [])
    assert "url" not in answer["data"][0]["files"][0]
    first = api.get("/Report/All", count="2")[1]
    assert [each["id"] for each in first["data"]] == [made[2], made[1]]
    assert first["messages"][0]["code"] == "MORE_ITEMS"
    assert [each["id"] for each in api.get("/Report/All", after=made[1])[1]["data"]] == [made[0]]


def test_definitions_are_listed_without_their_sections(api: Api, report: dict[str, Any]) -> None:
    status, answer = api.get("/Report/Definitions")

    wanted = {name: report[name] for name in ("id", "name", "description", "formats", "createdAt", "updatedAt")}
    assert (status, answer) == (200, {"data": [wanted], "messages": []})


def test_a_changed_report_keeps_what_was_not_given(api: Api, report: dict[str, Any], caller: Caller) -> None:
    status, answer = api.put(f"/Report/{report['id']}", {"name": "Sold", "subtitle": "All", "formats": ["pdf", "html"]})

    assert status == 200
    assert answer["data"] == {
        **report,
        "name": "Sold",
        "subtitle": "All",
        "formats": ["html", "pdf"],
        "updatedAt": answer["data"]["updatedAt"],
    }
    assert types_of(caller) == ["report.created", "report.updated"]


def test_a_change_of_what_has_changed_since_is_refused(api: Api, report: dict[str, Any]) -> None:
    tag = api.send("GET", f"/Report/{report['id']}")["multiValueHeaders"]["ETag"][0]
    assert api.put(f"/Report/{report['id']}", {"name": "One"}, **{"If-Match": tag})[0] == 200
    status, answer = api.put(f"/Report/{report['id']}", {"name": "Two"}, **{"If-Match": tag})
    assert (status, answer["messages"][0]["code"]) == (412, "PRECONDITION_FAILED")


def test_a_deleted_report_leaves_what_was_generated(
    api: Api, pipeline: Pipeline, caller: Caller, report: dict[str, Any]
) -> None:
    found = generated(api, pipeline, report, {"formats": ["csv"]})

    assert api.delete(f"/Report/{report['id']}") == (
        200,
        {"data": {"id": report["id"], "deleted": True}, "messages": []},
    )

    assert api.get(f"/Report/{report['id']}")[0] == 404
    assert api.post(f"/Report/{report['id']}/Generate")[0] == 404
    assert api.get(f"/Report/Generated/{found['id']}")[1]["data"]["status"] == "completed"
    assert types_of(caller)[-1] == "report.deleted"


def test_a_deleted_generated_report_leaves_nothing(
    aws: dict[str, str], api: Api, pipeline: Pipeline, caller: Caller, report: dict[str, Any]
) -> None:
    found = generated(api, pipeline, report, {"formats": ["csv"]})
    assert own_client("s3").list_objects_v2(Bucket=aws["Bucket"], Prefix="reports/")["KeyCount"] == 2

    assert api.delete(f"/Report/Generated/{found['id']}")[0] == 200
    pipeline.settle()

    assert api.get("/Report/All")[1]["data"] == []
    assert api.get(f"/Report/Generated/{found['id']}")[0] == 404
    assert own_client("s3").list_objects_v2(Bucket=aws["Bucket"], Prefix="reports/")["KeyCount"] == 0
    assert table.query(keys.listed(caller.account, "snapshots")) == []


def test_one_that_is_deleted_while_it_waits_is_called_off(
    api: Api, pipeline: Pipeline, caller: Caller, report: dict[str, Any]
) -> None:
    started = api.post(f"/Report/{report['id']}/Generate")[1]["data"]
    api.delete(f"/Report/Generated/{started['generatedReportId']}")
    pipeline.settle()
    assert jobs.get(caller, ids.of_uuid(ids.JOB, started["jobId"]) or 0).state == "cancelled"


def test_a_cancelled_job_ends_the_report_with_it(
    api: Api, pipeline: Pipeline, caller: Caller, report: dict[str, Any]
) -> None:
    started = api.post(f"/Report/{report['id']}/Generate")[1]["data"]
    job_kinds.cancel(caller, ids.of_uuid(ids.JOB, started["jobId"]) or 0)
    pipeline.settle()
    found = api.get(f"/Report/Generated/{started['generatedReportId']}")[1]["data"]
    assert (found["status"], found["error"]) == ("cancelled", "It was cancelled.")


def test_an_idempotency_key_makes_one_report_and_generates_it_once(
    api: Api, pipeline: Pipeline, data: datasets.Dataset
) -> None:
    given, key = definition(import_id(data)), {"Idempotency-Key": "one"}
    first = api.post("/Report", given, **key)
    assert api.post("/Report", given, **key) == first
    assert len(api.get("/Report/Definitions")[1]["data"]) == 1
    path = f"/Report/{first[1]['data']['id']}/Generate"
    started = api.post(path, {"formats": ["csv"]}, **key)
    assert api.post(path, {"formats": ["csv"]}, **key) == started
    assert len(api.get("/Report/All")[1]["data"]) == 1


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"sections": []}, "sections", "'sections' must be a list of 1-100 sections."),
        ({"formats": ["docx"]}, "formats", "'docx' is not a format."),
        ({"formats": []}, "formats", "'formats' must name at least one format."),
        ({"name": ""}, "name", None),
        ({"sections": [{"type": "key_figure"}]}, "sections.0.keyFigure", "Names are in camel case: send 'keyFigure'."),
        (
            {"sections": [{"type": "chart", "query": {"group_by": []}}]},
            "sections.0.query.groupBy",
            "Names are in camel case: send 'groupBy'.",
        ),
    ],
)
def test_a_definition_that_is_none_is_refused(
    api: Api, data: datasets.Dataset, change: dict[str, Any], field: str, message: str | None
) -> None:
    status, answer = api.post("/Report", {**definition(import_id(data)), **change})
    told = answer["messages"][0]
    assert (status, told["code"], told["field"]) == (400, "INVALID_REQUEST", field)
    assert message in (None, told["message"])


def test_a_section_that_does_not_fit_its_import_is_refused_in_the_words_of_this_api(
    api: Api, data: datasets.Dataset
) -> None:
    given = definition(import_id(data))
    given["sections"][4]["query"] |= {"groupBy": ["town"], "sort": []}
    status, answer = api.post("/Report", given)
    assert (status, answer["messages"][0]["field"]) == (400, "sections.4.query.groupBy.0.column")


def test_a_report_over_what_is_absent_or_another_s_is_refused_alike(
    api: Api, stranger: Api, data: datasets.Dataset
) -> None:
    nobodys = absent(ids.DATASET)
    for who, source in ((api, nobodys), (stranger, import_id(data)), (api, "nonsense")):
        status, answer = who.post("/Report", definition(source))
        wanted = refusal("NOT_FOUND", f"No import '{source}' exists.", "sections.1.importId")
        assert (status, answer) == (404, wanted)


def test_a_parameter_that_is_not_allowed_is_refused(api: Api, report: dict[str, Any]) -> None:
    status, answer = api.post(f"/Report/{report['id']}/Generate", {"parameters": {"since": "yesterday"}})
    assert (status, answer["messages"][0]["field"]) == (400, "parameters.since")
    status, answer = api.post(f"/Report/{report['id']}/Generate", {"parameters": {"until": "2025-01-01"}})
    assert (status, answer["messages"][0]["code"]) == (400, "INVALID_REQUEST")


def test_only_a_completed_report_is_generated_again(api: Api, report: dict[str, Any]) -> None:
    started = api.post(f"/Report/{report['id']}/Generate")[1]["data"]
    status, answer = api.post(f"/Report/Generated/{started['generatedReportId']}/Regenerate")
    message = "Only a completed report can be generated again: this one is queued."
    assert (status, answer) == (409, refusal("CONFLICT", message))


def test_a_report_is_another_account_s_absent(
    api: Api, stranger: Api, pipeline: Pipeline, report: dict[str, Any]
) -> None:
    found = generated(api, pipeline, report, {"formats": ["csv"]})
    for path in (f"/Report/{report['id']}", f"/Report/Generated/{found['id']}"):
        assert stranger.get(path)[0] == stranger.delete(path)[0] == 404
    assert stranger.put(f"/Report/{report['id']}", {"name": "Mine"})[0] == 404
    assert stranger.post(f"/Report/{report['id']}/Generate")[0] == 404
    assert stranger.post(f"/Report/Generated/{found['id']}/Regenerate")[0] == 404
    assert stranger.get("/Report/All")[1]["data"] == stranger.get("/Report/Definitions")[1]["data"] == []


def test_a_key_that_may_not_read_data_defines_no_report(caller: Caller, data: datasets.Dataset) -> None:
    limited = Api(replace(caller, scopes=frozenset({"reports:read", "reports:write"})))
    status, answer = limited.post("/Report", definition(import_id(data)))
    assert (status, answer) == (403, refusal("FORBIDDEN", "This API key lacks the scope 'data:read'."))


def test_an_account_without_reports_is_refused(caller: Caller) -> None:
    status, answer = Api(replace(caller, features_off=frozenset({"reports"}))).get("/Report/All")
    assert (status, answer["messages"][0]["code"]) == (403, "FEATURE_NOT_ENABLED")


def test_sections_over_a_preparation_are_of_its_result(
    aws: dict[str, str], api: Api, pipeline: Pipeline, caller: Caller, data: datasets.Dataset
) -> None:
    steps = {"steps": [{"step": "filter", "from": "sales", "expression": "price > 2"}]}
    made = preparations.create(caller, name="Dear", inputs={"sales": Input(data.id)}, recipe=steps)
    query = {"groupBy": ["city"], "aggregates": [{"function": "count", "as": "rows"}]}
    section = {"type": "table", "preparationId": ids.uuid(ids.PREPARATION, made.id), "query": query}
    status, answer = api.post("/Report", {"name": "Dear", "sections": [section]})
    assert (status, answer["data"]["sections"]) == (200, [section])
    failed = generated(api, pipeline, answer["data"])
    assert failed["error"] == f"The preparation {section['preparationId']} has no result yet: execute it first."
    executions.execute(caller, made.id)
    pipeline.settle()
    found = generated(api, pipeline, answer["data"], {"formats": ["csv"]})
    output = preparations.get(caller, made.id).output
    assert (found["status"], found["sources"][0]["importId"]) == ("completed", ids.uuid(ids.DATASET, output or 0))
    assert stored(aws, found["files"][0]["url"]).decode("utf-8-sig") == "city,rows\nBonn,1\nKiel,1\nUlm,1\n"
    # Now its columns are known, and a section that does not fit them is refused at once.
    query["groupBy"] = ["town"]
    assert api.post("/Report", {"name": "Dear", "sections": [section]})[0] == 400


def test_a_time_zone_that_does_not_exist_ends_the_report_with_its_place(
    api: Api, pipeline: Pipeline, caller: Caller
) -> None:
    moments = new_import(caller, pipeline, b"at,n\n2025-01-01T12:00:00Z,1\n2025-01-02T12:00:00Z,2\n")
    chart_query = {
        "dimension": {"column": "at", "bucket": "day", "timeZone": "Europe/Berlim"},
        "measures": [{"aggregation": "count"}],
    }
    section = {"type": "chart", "title": "By day", "importId": import_id(moments), "chartQuery": chart_query}
    made = api.post("/Report", {"name": "Days", "sections": [{**section, "chart": {"type": "bar"}}]})[1]["data"]
    found = generated(api, pipeline, made)
    assert found["status"] == "failed"
    assert found["error"].startswith("Section 1 ('By day'): There is no time zone 'Europe/Berlim'; there are names")


def test_rows_that_no_report_has_room_for_end_it_with_what_to_do(
    api: Api, pipeline: Pipeline, report: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute_report, "MAX_ANSWER_BYTES", 300)
    found = generated(api, pipeline, report)
    assert found["status"] == "failed"
    assert found["error"].startswith(
        "The rows of the report take more than 300 bytes with those of Section 3 ('By city')"
    )


def test_data_that_no_function_has_room_for_end_it_with_what_to_do(
    api: Api, pipeline: Pipeline, report: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute_report, "MAX_PARTS_BYTES", 100)
    found = generated(api, pipeline, report)
    assert found["status"] == "failed"
    assert "at most 100 can be read for one: prepare smaller data of them first." in found["error"]


def test_data_without_rows_make_a_report_that_says_so(
    aws: dict[str, str], api: Api, pipeline: Pipeline, caller: Caller, data: datasets.Dataset
) -> None:
    steps = {"steps": [{"step": "filter", "from": "sales", "expression": "price > 100"}]}
    none = preparations.create(caller, name="None", inputs={"sales": Input(data.id)}, recipe=steps).id
    executions.execute(caller, none)
    pipeline.settle()
    empty = datasets.get(caller, preparations.get(caller, none).output or 0)
    assert (empty.status, empty.rows) == ("ready", 0)
    query = {"groupBy": ["city"], "aggregates": [{"function": "count", "as": "rows"}]}
    sections = [
        {"type": "table", "importId": import_id(empty), "query": query},
        {
            "type": "chart",
            "importId": import_id(empty),
            "chartQuery": {"dimension": "city", "measures": [{"aggregation": "count"}]},
            "chart": {"type": "bar"},
        },
    ]
    made = api.post("/Report", {"name": "Nothing", "sections": sections})[1]["data"]
    found = generated(api, pipeline, made, {"formats": ["html"]})
    assert (found["status"], found["error"]) == ("completed", None)
    assert b"<h1>Nothing</h1>" in stored(aws, found["files"][0]["url"])


def test_what_somebody_wrote_stays_text_in_every_file(
    aws: dict[str, str], api: Api, pipeline: Pipeline, caller: Caller
) -> None:
    # Column names, cells, titles, parameters: through upload, ingest, both workers and the bucket.
    out = io.StringIO()
    lines = csv.writer(out)
    # Not first: a file that begins with markup is XML.
    lines.writerow(["n", *HOSTILE[:3]])
    lines.writerows([[1, text, text, text] for text in HOSTILE])
    data = new_import(caller, pipeline, out.getvalue().encode())
    query = {"groupBy": [HOSTILE[0]], "aggregates": [{"function": "sum", "column": "n", "as": "n"}]}
    table_query = {"groupBy": list(HOSTILE[:3]), "aggregates": [{"function": "count", "as": HOSTILE[5]}]}
    sections = [
        {"type": "text", "text": "\n\n".join([*HOSTILE, "{{said}}"]).replace("{{ 7 * 7 }}", "7 * 7")},
        {
            "type": "chart",
            "title": HOSTILE[0],
            "caption": HOSTILE[5],
            "importId": import_id(data),
            "query": query,
            "chart": {"type": "bar", "dimension": HOSTILE[0], "measures": ["n"], "yTitle": HOSTILE[4]},
        },
        {"type": "table", "title": HOSTILE[8], "importId": import_id(data), "query": table_query},
    ]
    parameters = [{"name": "said", "type": "text", "label": HOSTILE[1]}]
    given = {"name": HOSTILE[0], "subtitle": HOSTILE[2], "parameters": parameters, "sections": sections}
    status, answer = api.post("/Report", given)
    assert status == 200, answer
    found = generated(api, pipeline, answer["data"], {"parameters": {"said": HOSTILE[3]}})
    assert (found["status"], found["error"]) == ("completed", None)
    files = {file["path"].split("/")[-1].split(".")[-1]: stored(aws, file["url"]) for file in found["files"]}
    Page(files["html"])
    assert b"/JavaScript" not in files["pdf"]
    book = openpyxl.load_workbook(io.BytesIO(files["xlsx"]))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert {cell.value for cell in cells} >= set(HOSTILE)
    assert [cell for cell in cells if cell.data_type == "f" or cell.hyperlink] == []
    rows = list(csv.reader(io.StringIO(files["csv"].decode("utf-8-sig"))))
    assert [cell for row in rows for cell in row if cell[:1] in ("=", "+", "-", "@")] == []
