"""Datasets of records, through the real ingest: exact values under the types of the class."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from fluvial import blobs, datasets, record_datasets, record_filters, record_replicas, rows
from fluvial.caller import Caller
from fluvial.errors import ForbiddenError, InvalidError, NotFoundError
from fluvial.idempotency import Once
from fluvial.store.table import GuardError
from tests import factories
from tests.core.record_sample import GRANT, PROGRAM, SCHEMA, deleted, made, money
from tests.workers.pipeline import Pipeline, own_client


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    record_replicas.forget_all()
    return factories.new_caller()


def condition(given: object) -> record_filters.Condition | None:
    return record_filters.parse(given, GRANT, SCHEMA, today=date(2026, 11, 29), fiscal_start=1)


def stored(aws: dict[str, str], prefix: str) -> list[str]:
    listed = own_client("s3").list_objects_v2(Bucket=aws["Bucket"], Prefix=prefix)
    return [item["Key"] for item in listed.get("Contents", [])]


def types_of(dataset: datasets.Dataset) -> dict[str, str]:
    manifest = datasets.manifest(dataset)
    assert manifest is not None
    return {column["name"]: column["type"] for column in manifest["columns"]}


def test_records_become_rows_with_exact_values_under_their_own_types(caller: Caller, aws: dict[str, str]) -> None:
    project = factories.new_project(caller)
    arts = made(caller, PROGRAM, name="Arts")
    one = made(
        caller, title="007", summary="a,\n\"b\"", amount=money("12345678901234567890.12"), months=2**62, granted=True,
        due=date(1926, 2, 28), places=("here", "there"), program_id=arts.id, state="draft",
    )  # fmt: skip
    two = made(caller, title="2018", amount=money("-1E+3"))
    deleted(made(caller, title="gone"))
    made(caller, title="else", months=-1)
    given = condition(["months", "not-eq", -1])
    dataset = record_datasets.to_dataset(caller, SCHEMA, GRANT, given, project_id=project.id, name="Grants")
    assert (dataset.status, dataset.title, dataset.format) == ("processing", "Grants", "ndjson")
    Pipeline(aws).settle()
    dataset = datasets.ready(caller, dataset.id)
    assert (dataset.rows, dataset.rejected) == (2, 0)
    assert types_of(dataset) == {
        "id": "integer", "created_at": "timestamp_tz", "updated_at": "timestamp_tz", "created_by_id": "integer",
        "updated_by_id": "integer", "migrate_id": "text", "state": "text", "title": "text", "summary": "text",
        "amount": "decimal(22,2)", "months": "integer", "granted": "boolean", "due": "date", "places": "text",
        "program_id": "integer",
    }  # fmt: skip
    page = rows.page(caller, dataset.id, offset=0, limit=10)
    found = page.items
    assert {name: found[0][name] for name in ("id", "title", "summary", "months", "granted", "places")} == {
        "id": one.id,
        "title": "007",
        "summary": 'a,\n"b"',
        "months": 2**62,
        "granted": True,
        "places": "here, there",
    }
    assert [str(row["amount"]) for row in found] == ["12345678901234567890.12", "-1000.00"]
    assert [row["id"] for row in found] == [one.id, two.id]
    assert stored(aws, "incoming/") == []


def test_a_column_without_values_is_there_and_too_many_digits_are_text(caller: Caller, aws: dict[str, str]) -> None:
    project = factories.new_project(caller)
    made(caller, amount=money("1" * 38))
    made(caller, amount=money("0.5"))
    dataset = record_datasets.to_dataset(caller, SCHEMA, GRANT, None, project_id=project.id)
    assert dataset.title == "Grant"
    Pipeline(aws).settle()
    found = types_of(datasets.ready(caller, dataset.id))
    assert {name: found[name] for name in ("amount", "due", "months", "title")} == {
        "amount": "text",
        "due": "date",
        "months": "integer",
        "title": "text",
    }


def test_no_records_and_too_many_are_refused_and_leave_nothing(
    caller: Caller, aws: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = factories.new_project(caller)
    with pytest.raises(InvalidError, match="1 to 100000 records, and the filter finds 0"):
        record_datasets.to_dataset(caller, SCHEMA, GRANT, None, project_id=project.id)
    monkeypatch.setattr(record_datasets, "MAX_RECORDS", 1)
    for _ in range(2):
        made(caller)
    with pytest.raises(InvalidError, match="finds 2"):
        record_datasets.to_dataset(caller, SCHEMA, GRANT, None, project_id=project.id)
    with pytest.raises(NotFoundError):
        record_datasets.to_dataset(caller, SCHEMA, GRANT, None, project_id=1)
    assert stored(aws, "incoming/") == []


def test_it_takes_the_scopes_of_both_sides(aws: dict[str, str]) -> None:
    for scope in ("records:read", "data:write"):
        caller = factories.new_caller(scopes=(scope,))
        with pytest.raises(ForbiddenError):
            record_datasets.to_dataset(caller, SCHEMA, GRANT, None, project_id=1)


def test_under_one_key_it_is_one_dataset(caller: Caller, aws: dict[str, str]) -> None:
    project = factories.new_project(caller)
    made(caller, title="x")

    def once() -> Once[datasets.Dataset]:
        def show(made: Any) -> str:
            return json.dumps(made.id)

        return Once(account=caller.account, route="POST /x", key="k", fingerprint="f", status=202, show=show)

    record_datasets.to_dataset(caller, SCHEMA, GRANT, None, project_id=project.id, once=once())
    with pytest.raises(GuardError):
        record_datasets.to_dataset(caller, SCHEMA, GRANT, None, project_id=project.id, once=once())
    assert len(stored(aws, "incoming/")) == 1
    assert blobs.get(stored(aws, "incoming/")[0]).count(b"\n") == 1
