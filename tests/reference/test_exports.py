"""Exports, profiles and rows by filter, through their handlers, over what the real workers made on moto."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fluvial import datasets, ids, part_files, rows
from fluvial.caller import Caller
from reference.data import handler as data_handler
from reference.exports import handler as exports_handler
from reference.rows import handler as rows_handler
from tests import factories
from tests.factories import answer, request
from tests.workers.pipeline import Pipeline

CSV = b'city,n,price\nBonn,1,1.50\nKiel,9007199254740993,2.25\n"a, b",3,2.50\nBonn,4,\n'


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts on the disk, of this test alone."""
    monkeypatch.setattr(part_files, "FOLDER", tmp_path / "parts")


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def pipeline(aws: dict[str, str]) -> Pipeline:
    return Pipeline(aws)


@pytest.fixture
def dataset(caller: Caller, pipeline: Pipeline) -> datasets.Dataset:
    made = factories.new_dataset(caller, factories.new_project(caller), CSV)
    pipeline.settle()
    return datasets.get(caller, made.id)


def of(dataset: datasets.Dataset) -> dict[str, str]:
    return {"id": ids.spell(ids.DATASET, dataset.id)}


def ask(caller: Caller, dataset: datasets.Dataset, **query: str) -> tuple[int, Any]:
    return answer(rows_handler, request("GET", "/data/{id}/rows", caller=caller, path=of(dataset), query=query))


def test_rows_are_filtered_sorted_and_cut_to_columns(caller: Caller, dataset: datasets.Dataset) -> None:
    conditions = json.dumps([{"column": "n", "operator": "gt", "value": 1}])
    query = {"filter": conditions, "sort": "-price,city", "columns": "price,city", "per_page": "2"}
    status, page = ask(caller, dataset, **query)
    assert status == 200
    assert page["data"] == [{"price": "2.50", "city": "a, b"}, {"price": "2.25", "city": "Kiel"}]
    assert [list(row) for row in page["data"]] == [["price", "city"]] * 2
    assert (page["pagination"], page["version"]) == ({"total": 3, "page": 1, "per_page": 2, "total_pages": 2}, 1)
    assert "sort=-price%2Ccity" in page["links"]["next"]
    # Nulls stand last, also where it is sorted descending.
    assert ask(caller, dataset, **query, page="2")[1]["data"] == [{"price": None, "city": "Bonn"}]
    past = ask(caller, dataset, **query, page="9")[1]
    assert (past["data"], past["pagination"]["total"]) == ([], 3)


def test_columns_alone_change_nothing_else(caller: Caller, dataset: datasets.Dataset) -> None:
    page = ask(caller, dataset, columns="n")[1]
    assert page["data"] == [{"n": 1}, {"n": 9007199254740993}, {"n": 3}, {"n": 4}]
    assert page["pagination"]["total"] == 4


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"columns": "nope"}, "columns.0"),
        ({"sort": "-nope"}, "sort.0"),
        ({"filter": '[{"column": "nope", "operator": "is_null"}]'}, "filter.0.column"),
    ],
)
def test_an_unknown_column_is_a_400_that_names_it_and_those_that_there_are(
    caller: Caller, dataset: datasets.Dataset, query: dict[str, str], field: str
) -> None:
    status, refusal = ask(caller, dataset, **query)
    assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (400, "VALIDATION_ERROR", field)
    assert refusal["error"]["message"] == "The data has no column 'nope'; it has: city, n, price."


def test_a_filter_over_too_much_is_refused_with_the_way_out(
    caller: Caller, dataset: datasets.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MAX_SELECTED_BYTES", 10)
    status, refusal = ask(caller, dataset, filter='[{"column": "city", "operator": "eq", "value": "Bonn"}]')
    assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (413, "PAYLOAD_TOO_LARGE", "filter")
    assert refusal["error"]["message"].endswith("more than 10: narrow the filter, or use an export or an analysis.")
    # What the bounds exclude is not looked through.
    nothing = ask(caller, dataset, filter='[{"column": "city", "operator": "eq", "value": "zzz"}]', sort="n")
    assert (nothing[0], nothing[1]["pagination"]["total"]) == (200, 0)


def test_a_filter_that_takes_too_long_is_refused_with_the_way_out(
    caller: Caller, dataset: datasets.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "TIMEOUT_SECONDS", -1)
    status, refusal = ask(caller, dataset, sort="n")
    assert (status, refusal["error"]["field"]) == (413, "sort")
    assert "seconds: narrow the filter, or use an export" in refusal["error"]["message"]


def test_an_export_is_answered_whole(caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset) -> None:
    body = {
        "format": "csv",
        "columns": ["n", "city"],
        "filter": [{"column": "city", "operator": "ne", "value": "Kiel"}],
        "sort": [{"column": "n", "order": "desc"}],
        "delimiter": ";",
    }
    event = request("POST", "/data/{id}/exports", caller=caller, path=of(dataset), body=body)
    status, made = answer(exports_handler, event)
    assert (status, made["status"], made["url"]) == (202, "queued", None)
    pipeline.settle()
    path = {**of(dataset), "export_id": made["id"]}
    resource = "/data/{id}/exports/{export_id}"
    status, found = answer(exports_handler, request("GET", resource, caller=caller, path=path))
    assert status == 200
    url = found.pop("url")
    assert url.startswith("https://")
    assert "X-Amz-Expires=3600" in url
    assert found == {
        **{name: value for name, value in made.items() if name != "url"},
        "status": "completed",
        "rows": 3,
        "bytes": len(b"n;city\n4;Bonn\n3;a, b\n1;Bonn\n"),
        "url_expires_in_seconds": 3600,
        "updated_at": found["updated_at"],
    }
    stranger = factories.new_caller()
    status, refusal = answer(exports_handler, request("GET", resource, caller=stranger, path=path))
    assert (status, refusal["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")


def test_an_export_is_asked_for_once_under_one_key(caller: Caller, dataset: datasets.Dataset) -> None:
    answers = [
        answer(
            exports_handler,
            request(
                "POST",
                "/data/{id}/exports",
                caller=caller,
                path=of(dataset),
                body={"format": "parquet"},
                headers={"Idempotency-Key": "once"},
            ),
        )
        for _ in range(2)
    ]
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"format": "pdf"}, "format"),
        ({"format": "csv", "filter": [{"column": "n"}]}, "filter.0.operator"),
        ({"format": "csv", "sort": [{"column": "nope"}]}, "sort.0"),
        ({"format": "csv", "rows": 3}, "rows"),
    ],
)
def test_an_export_that_cannot_be_had_is_refused_by_name(
    caller: Caller, dataset: datasets.Dataset, body: dict[str, Any], field: str
) -> None:
    event = request("POST", "/data/{id}/exports", caller=caller, path=of(dataset), body=body)
    status, refusal = answer(exports_handler, event)
    assert (status, refusal["error"]["field"]) == (400, field)


def profile(caller: Caller, dataset: datasets.Dataset, **query: str) -> tuple[int, Any]:
    event = request("GET", "/data/{id}/profile", caller=caller, path=of(dataset), query=query or None)
    return answer(data_handler, event)


def test_a_profile_is_answered_whole(caller: Caller, dataset: datasets.Dataset) -> None:
    status, found = profile(caller, dataset, columns="price")
    assert (status, found) == (
        200,
        {
            "version": 1,
            "rows": 4,
            "columns": [
                {
                    "name": "price",
                    "type": "decimal(18,2)",
                    "complete": True,
                    "nulls": 1,
                    "distinct": 3,
                    "distinct_exact": True,
                    "min": "1.50",
                    "max": "2.50",
                    "sum": "6.25",
                    "mean": 6.25 / 3,
                    "quantiles": {"5": "1.50", "25": "1.50", "50": "2.25", "75": "2.50", "95": "2.50"},
                    "quantiles_exact": True,
                    "top": [{"value": value, "count": 1} for value in ("1.50", "2.25", "2.50")],
                    "examples": ["1.50", "2.25", "2.50"],
                    "min_length": None,
                    "max_length": None,
                }
            ],
        },
    )
    whole = profile(caller, dataset)[1]
    assert [column["name"] for column in whole["columns"]] == ["city", "n", "price"]
    assert whole["columns"][0]["top"][0] == {"value": "Bonn", "count": 2}
    assert profile(caller, dataset, columns="nope")[0] == 400


def test_data_whose_profile_failed_is_ready_and_says_that_it_has_none(
    caller: Caller, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("no profile today")

    monkeypatch.setattr("workers.profiling.profile", fails)
    made = factories.new_dataset(caller, factories.new_project(caller), CSV)
    pipeline.settle()
    assert datasets.get(caller, made.id).status == "ready"
    status, refusal = profile(caller, made)
    assert (status, refusal["error"]["code"]) == (409, "CONFLICT")
