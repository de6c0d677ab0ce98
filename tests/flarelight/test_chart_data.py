"""The data of charts over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fluvial import blobs, charts, datasets, executions, ids, imports, part_files, preparations
from fluvial.caller import Caller
from fluvial.engine.select import TooSlowError
from fluvial.imports import Import
from fluvial.preparations import Input
from tests.flarelight.calls import Api, absent, refusal
from tests.flarelight.report_data import CSV, import_id, new_import
from tests.workers.pipeline import Pipeline

COUNT = [{"aggregation": "count"}]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The disk of a function of its own for each test."""
    monkeypatch.setattr(part_files, "FOLDER", tmp_path / "parts")
    return tmp_path / "parts"


@pytest.fixture
def data(caller: Caller, pipeline: Pipeline) -> datasets.Dataset:
    return new_import(caller, pipeline)


def ask(api: Api, data: datasets.Dataset, **question: Any) -> Any:
    return api.post("/Report/ChartData", {"importId": import_id(data), "measures": COUNT, **question})


def test_a_chart_has_labels_series_and_what_they_are_of(api: Api, data: datasets.Dataset) -> None:
    measures = [{"aggregation": "sum", "column": "price", "as": "revenue"}, {"aggregation": "sum", "column": "n"}]

    status, answer = ask(api, data, dimension="city", measures=measures, sort={"by": "revenue", "order": "desc"})

    assert status == 200
    assert answer == {
        "data": {
            "labels": ["Bonn", "Ulm", "Kiel"],
            "series": [
                {
                    "name": "revenue",
                    "data": ["4.00", "4.00", "2.25"],
                    "measure": "revenue",
                    "group": None,
                    "other": False,
                },
                {
                    "name": "sum(n)",
                    "data": [9007199254740994, 3, 9007199254740993],
                    "measure": "sum(n)",
                    "group": None,
                    "other": False,
                },
            ],
            "rowsScanned": 4,
            "totalGroups": 3,
            "totalSeries": None,
            "truncated": False,
            "otherLabel": None,
            "version": 1,
        },
        "messages": [],
    }


def test_buckets_of_time_are_filled_and_a_second_dimension_makes_series(api: Api, data: datasets.Dataset) -> None:
    dimension = {"column": "sold_on", "bucket": "month", "fill": True}
    series = {"column": "city", "limit": 1, "other": True}

    status, answer = ask(api, data, dimension=dimension, series=series)

    assert (status, answer["data"]["labels"]) == (200, ["2025-01-01", "2025-02-01", "2025-03-01"])
    assert {each["name"]: each["data"] for each in answer["data"]["series"]} == {"Bonn": [1, 0, 1], "Other": [1, 0, 1]}
    assert answer["data"]["totalSeries"] == 3


def test_an_answer_that_leaves_groups_out_says_so(api: Api, data: datasets.Dataset) -> None:
    status, answer = ask(api, data, dimension="city", limit=1)

    assert (status, answer["data"]["truncated"], answer["data"]["totalGroups"]) == (200, True, 3)
    assert [(message["type"], message["code"]) for message in answer["messages"]] == [("information", "TRUNCATED")]


def test_the_tag_changes_with_question_and_version_alone(
    api: Api, caller: Caller, pipeline: Pipeline, data: datasets.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tag(body: dict[str, Any], **headers: str) -> tuple[int, str]:
        answer = api.send("POST", "/Report/ChartData", body={"importId": import_id(data), **body}, headers=headers)
        return answer["statusCode"], answer["multiValueHeaders"].get("ETag", [""])[0]

    asked = {"dimension": "city", "measures": COUNT}
    first = tag(asked)[1]
    assert tag({"measures": COUNT, "dimension": {"column": "city"}}) == (200, first)
    assert tag({**asked, "limit": 2})[1] != first
    # Nothing is read or computed while it holds.
    monkeypatch.setattr(charts, "answer", lambda asked: pytest.fail("it was computed"))
    assert tag(asked, **{"If-None-Match": first}) == (412, "")
    monkeypatch.undo()
    imports.add(caller, data.id, Import("append"), filename="more.csv", data=CSV)
    pipeline.settle()
    status, second = tag(asked, **{"If-None-Match": first})
    assert (status, second == first) == (200, False)
    # The version before is still what it was.
    assert tag({**asked, "version": 1}) == (200, first)


def test_what_is_known_already_is_answered_in_the_envelope(api: Api, data: datasets.Dataset) -> None:
    body = {"importId": import_id(data), "dimension": "city", "measures": COUNT}
    status, answer = api.call("POST", "/Report/ChartData", body=body, headers={"If-None-Match": "*"})
    message = "The answer that you have, by its ETag, still holds: nothing was computed."
    assert (status, answer) == (412, refusal("NOT_CHANGED", message))


def test_parts_are_fetched_once_by_a_warm_function(
    api: Api, data: datasets.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    fetch = blobs.fetch
    monkeypatch.setattr(blobs, "fetch", lambda key, path: (fetched.append(key), fetch(key, path))[1])
    assert ask(api, data, dimension="city")[0] == 200
    assert len(fetched) == 2
    assert ask(api, data, dimension="n")[0] == 200
    assert len(fetched) == 2


def test_a_fetch_that_is_cut_off_leaves_nothing_that_is_taken_for_a_part(
    api: Api, data: datasets.Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CutOffError(Exception):
        pass

    def half(key: str, path: Path) -> None:
        path.write_bytes(b"PAR1")
        raise CutOffError

    with monkeypatch.context() as broken:
        broken.setattr(blobs, "fetch", half)
        assert ask(api, data, dimension="city")[0] == 500
    assert [path.suffix for path in folder.iterdir()] == [".partial"]
    assert ask(api, data, dimension="city")[1]["data"]["labels"] == ["Bonn", "Kiel", "Ulm"]


def test_the_parts_that_were_used_longest_ago_make_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "fetch", lambda key, path: path.write_bytes(bytes(100)))
    for key in ("a/1", "a/2", "a/3"):
        part_files.fetched(key, keep_bytes=250)
    part_files.fetched("a/1", keep_bytes=250)
    part_files.fetched("a/4", keep_bytes=250)
    assert {path.name for path in folder.iterdir()} == {"a_1", "a_3", "a_4"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MAX_BYTES": 10}, "would have to look through"),
        ({"TIMEOUT_SECONDS": -1}, "takes more than -1 seconds"),
    ],
)
def test_what_is_too_much_for_a_request_is_refused_with_what_to_do_instead(
    api: Api, data: datasets.Dataset, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], message: str
) -> None:
    for name, value in change.items():
        monkeypatch.setattr(charts, name, value)
    status, answer = ask(api, data, dimension="city")
    (told,) = answer["messages"]
    assert (status, told["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert told["message"].startswith(f"The chart {message}")
    assert told["message"].endswith("filter, or have it computed as a job, by an analysis or a report.")


def test_a_slow_answer_is_refused(api: Api, data: datasets.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*arguments: object, **named: object) -> None:
        raise TooSlowError

    monkeypatch.setattr(charts.chart_data, "answer", slow)
    status, answer = ask(api, data, dimension="city")
    assert (status, answer["messages"][0]["message"][:40]) == (413, "The chart takes more than 20 seconds: fi")


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"dimension": "town"}, "dimension.column"),
        ({"dimension": "city", "measures": []}, "measures"),
        ({"dimension": "city", "measures": [{"aggregation": "mean", "column": "n"}]}, "measures.0.aggregation"),
        ({"dimension": "city", "filters": [{"column": "n", "operator": "eq", "value": "x"}]}, "filters.0.value"),
        ({"dimension": {"column": "sold_on", "bucket": "decade"}}, "dimension.bucket"),
        ({"dimension": "city", "limit": 0}, "limit"),
        ({"dimension": "city", "colour": "red"}, "colour"),
        ({"dimension": "city", "preparationId": absent(ids.PREPARATION)}, "importId"),
        ({"dimension": "city", "version": 0}, "version"),
    ],
)
def test_a_question_that_cannot_be_is_refused_with_its_place(
    api: Api, data: datasets.Dataset, question: dict[str, Any], field: str
) -> None:
    status, answer = ask(api, data, **question)
    assert (status, answer["messages"][0]["code"], answer["messages"][0]["field"]) == (400, "INVALID_REQUEST", field)


def test_an_import_that_is_absent_or_another_s_is_not_found(api: Api, stranger: Api, data: datasets.Dataset) -> None:
    nobodys = absent(ids.DATASET)
    for who, source in ((api, nobodys), (stranger, import_id(data)), (api, "nonsense")):
        answer = who.post("/Report/ChartData", {"importId": source, "dimension": "city", "measures": COUNT})
        assert answer[0] == 404
        assert answer[1]["messages"][0]["message"] == f"No import '{source}' exists."
    assert ask(api, data, dimension="city", version=9)[0] == 404


def test_the_result_of_a_preparation_is_charted_once_there_is_one(
    api: Api, stranger: Api, caller: Caller, pipeline: Pipeline, data: datasets.Dataset
) -> None:
    def asked(who: Api, preparation: int) -> Any:
        source = ids.uuid(ids.PREPARATION, preparation)
        return who.post("/Report/ChartData", {"preparationId": source, "dimension": "city", "measures": COUNT})

    steps = {"steps": [{"step": "filter", "from": "sales", "expression": "price > 2"}]}
    made = preparations.create(caller, name="Dear", inputs={"sales": Input(data.id)}, recipe=steps).id
    status, answer = asked(api, made)
    message = "The preparation has no result: execute it first."
    assert (status, answer) == (409, refusal("CONFLICT", message, "preparationId"))
    executions.execute(caller, made)
    pipeline.settle()
    found = asked(api, made)[1]["data"]
    assert (found["labels"], found["series"][0]["data"], found["version"]) == (["Bonn", "Kiel", "Ulm"], [1, 1, 1], 1)
    assert asked(stranger, made)[0] == 404
