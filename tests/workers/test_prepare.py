"""Preparations from their recipe to versions of their output: what an execution makes, tells, and leaves behind."""

from __future__ import annotations

import functools
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from fluvial import (
    blobs,
    comparisons,
    dataset_versions,
    datasets,
    executions,
    exports,
    imports,
    job_kinds,
    jobs,
    preparations,
    projects,
    rows,
)
from fluvial.caller import Caller
from fluvial.errors import ConflictError, InvalidError, NotFoundError, StaleError
from fluvial.idempotency import Once
from fluvial.imports import Import
from fluvial.preparations import Change, Input, Output, Preparation
from fluvial.store import keys, table
from fluvial.store.table import GuardError
from tests import factories
from tests.workers.pipeline import Pipeline, own_client
from workers import prepare, sweep

SALES = b"country,store,price\nDE,1,1.50\nFR,2,2.25\nDE,2,3.00\n,1,4.00\n"
STORES = b"store,city\n1,Bonn\n2,Kiel\n"
RECIPE: dict[str, Any] = {
    "steps": [
        {"step": "filter", "from": "sales", "expression": "price > 2", "as": "dear"},
        {"step": "join", "with": "stores", "on": ["store"]},
        {
            "step": "group",
            "group_by": ["city"],
            "aggregates": [{"function": "sum", "column": "price", "as": "revenue"}],
        },
    ]
}
REVENUE = [{"city": "Kiel", "revenue": "5.25"}, {"city": "Bonn", "revenue": "4.00"}]


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def pipeline(aws: dict[str, str]) -> Pipeline:
    return Pipeline(aws)


@pytest.fixture
def project(caller: Caller) -> projects.Project:
    return factories.new_project(caller)


@pytest.fixture
def sales(caller: Caller, project: projects.Project, pipeline: Pipeline) -> datasets.Dataset:
    made = factories.new_dataset(caller, project, SALES)
    pipeline.settle()
    return made


@pytest.fixture
def stores(caller: Caller, project: projects.Project, pipeline: Pipeline) -> datasets.Dataset:
    made = factories.new_dataset(caller, project, STORES)
    pipeline.settle()
    return made


@pytest.fixture
def made(caller: Caller, sales: datasets.Dataset, stores: datasets.Dataset) -> Preparation:
    return new(caller, {"sales": sales, "stores": stores})


def new(
    caller: Caller, inputs: dict[str, datasets.Dataset], recipe: dict[str, Any] | None = None, **fields: Any
) -> Preparation:
    given = {name: Input(dataset.id) for name, dataset in inputs.items()}
    return preparations.create(caller, **{"name": "Revenue", "inputs": given, "recipe": recipe or RECIPE, **fields})


def another(caller: Caller, made: Preparation, **fields: Any) -> Preparation:
    return preparations.create(caller, name="Another", inputs=made.inputs, recipe=RECIPE, **fields)


def one_step(**step: Any) -> dict[str, Any]:
    return {"steps": [step]}


def executed(caller: Caller, pipeline: Pipeline, preparation: Preparation) -> tuple[jobs.Job, Preparation]:
    job = executions.execute(caller, preparation.id)
    pipeline.settle()
    return jobs.get(caller, job.id), preparations.get(caller, preparation.id)


def data_of(caller: Caller, dataset_id: int | None, version: int | None = None) -> list[dict[str, Any]]:
    return rows.page(caller, dataset_id or 0, offset=0, limit=100, version=version).items


def events_of(caller: Caller) -> Counter[str]:
    return Counter(item["event_type"] for item in table.query(keys.listed(caller.account, "events")))


def stored_keys(resources: dict[str, str], prefix: str) -> list[str]:
    listed = own_client("s3").list_objects_v2(Bucket=resources["Bucket"], Prefix=prefix)
    return [item["Key"] for item in listed.get("Contents", [])]


# ---------------------------------------------------------------- what an execution makes


def test_an_execution_makes_a_version_of_its_output(caller: Caller, pipeline: Pipeline, made: Preparation) -> None:
    before = events_of(caller)
    job, found = executed(caller, pipeline, made)
    assert (job.state, job.reason) == ("succeeded", None)
    assert job.outputs == {"preparation": made.id, "dataset": found.output, "version": 1, "rows": 2, "same": False}
    assert (found.status, found.job, found.version, found.rows, found.same) == ("completed", job.id, 1, 2, False)
    assert found.ended is not None
    assert data_of(caller, found.output) == REVENUE
    output = datasets.get(caller, found.output or 0)
    assert (output.title, output.status, output.rows, output.columns) == ("Revenue", "ready", 2, 2)
    assert output.importing is None
    assert projects.default(caller).id == output.project
    assert output.size > 0
    assert events_of(caller) - before == {
        "project.created": 1,
        "data.uploaded": 1,
        "data.processed": 1,
        "preparation.completed": 1,
    }


def test_a_version_says_what_made_it(
    caller: Caller, pipeline: Pipeline, made: Preparation, sales: datasets.Dataset, stores: datasets.Dataset
) -> None:
    job, found = executed(caller, pipeline, made)
    version = dataset_versions.get(caller, found.output or 0, 1)
    assert (version.mode, version.status, version.parent, version.job) == ("prepare", "ready", 0, job.id)
    assert version.counts == {"insert": 2, "update": 0, "skip": 0, "delete": 0, "reject": 0}
    made_by = version.made_by
    assert made_by is not None
    assert (made_by.preparation, made_by.inputs) == (made.id, {"sales": (sales.id, 1), "stores": (stores.id, 1)})
    told = dataset_versions.lineage(version)
    assert told is not None
    assert told == executions.lineage(made.recipe, made_by.inputs).to_json()
    assert (told["sha256"], told["recipe_sha256"], told["recipe"]) == (
        made_by.sha256,
        made_by.recipe_sha256,
        made.recipe,
    )


def test_each_step_reports_its_rows_and_a_sample(caller: Caller, pipeline: Pipeline, made: Preparation) -> None:
    job, _ = executed(caller, pipeline, made)
    report = executions.report(caller, made.id)
    assert report.job.id == job.id
    assert [(each["step"], each["name"], each["rows_in"], each["rows_out"]) for each in report.steps] == [
        ("filter", "dear", {"sales": 4}, 3),
        ("join", "step 2", {"dear": 3, "stores": 2}, 3),
        ("group", "step 3", {"step 2": 3}, 2),
    ]
    assert report.steps[2]["sample"] == REVENUE
    assert report.steps[0]["failed"] == 0
    assert report.lineage is not None
    assert report.lineage["recipe"] == made.recipe
    assert report.peak_memory_bytes is not None
    assert report.peak_memory_bytes < prepare.BOUNDS.memory_bytes


def test_a_select_makes_a_version_too(
    caller: Caller, pipeline: Pipeline, sales: datasets.Dataset, stores: datasets.Dataset
) -> None:
    recipe = {"select": "SELECT city, count(*) AS n FROM sales JOIN stores USING (store) GROUP BY city ORDER BY city"}
    made = new(caller, {"sales": sales, "stores": stores}, recipe)
    job, found = executed(caller, pipeline, made)
    assert job.state == "succeeded", job.reason
    assert data_of(caller, found.output) == [{"city": "Bonn", "n": 2}, {"city": "Kiel", "n": 2}]
    (step,) = executions.report(caller, made.id).steps
    assert (step["step"], step["rows_in"], step["rows_out"]) == ("select", {"sales": 4, "stores": 2}, 2)


def test_the_same_recipe_over_the_same_versions_is_recognised(
    caller: Caller, pipeline: Pipeline, made: Preparation
) -> None:
    executed(caller, pipeline, made)
    job, found = executed(caller, pipeline, made)
    assert job.state == "succeeded"
    assert job.outputs == {"preparation": made.id, "dataset": found.output, "version": 1, "rows": 2, "same": True}
    assert (found.status, found.version, found.rows, found.same) == ("completed", 1, 2, True)
    output = datasets.get(caller, found.output or 0)
    assert (output.version, output.importing) == (1, None)
    again = dataset_versions.get(caller, output.id, 2)
    assert (again.status, again.same_as, again.location) == ("unchanged", 1, None)
    assert executions.report(caller, made.id).steps == []


@pytest.mark.parametrize("changed", ["recipe", "input"])
def test_another_recipe_or_another_version_of_an_input_makes_another_version(
    caller: Caller, pipeline: Pipeline, made: Preparation, stores: datasets.Dataset, changed: str
) -> None:
    executed(caller, pipeline, made)
    if changed == "recipe":
        dearer = {"steps": [{**RECIPE["steps"][0], "expression": "price > 3"}, *RECIPE["steps"][1:]]}
        preparations.update(caller, made.id, Change(frozenset({"recipe"}), recipe=dearer))
        expected = [{"city": "Bonn", "revenue": "4.00"}]
    else:
        wanted = Import("replace")
        imports.add(caller, stores.id, wanted, filename="s.csv", data=b"store,city\n1,Ulm\n2,Kiel\n")
        pipeline.settle()
        expected = [{"city": "Kiel", "revenue": "5.25"}, {"city": "Ulm", "revenue": "4.00"}]
    job, found = executed(caller, pipeline, made)
    assert job.outputs["version"] == 2
    assert data_of(caller, found.output) == expected
    # The version before stays readable.
    assert data_of(caller, found.output, 1) == REVENUE
    version = dataset_versions.get(caller, found.output or 0, 2)
    assert version.counts == {"insert": len(expected), "update": 0, "skip": 0, "delete": 2, "reject": 0}


def test_a_pinned_input_stays_at_its_version(caller: Caller, pipeline: Pipeline, sales: datasets.Dataset) -> None:
    imports.add(caller, sales.id, Import("replace"), filename="s.csv", data=b"country,store,price\nIT,9,9.99\n")
    pipeline.settle()
    recipe = one_step(step="select", columns=["country"])
    pinned = preparations.create(caller, name="Old", inputs={"sales": Input(sales.id, 1)}, recipe=recipe)
    _, found = executed(caller, pipeline, pinned)
    assert [each["country"] for each in data_of(caller, found.output)] == ["DE", "FR", "DE", None]


def test_the_versions_are_those_of_the_moment_of_the_execution(
    caller: Caller, pipeline: Pipeline, sales: datasets.Dataset
) -> None:
    made = new(caller, {"sales": sales}, one_step(step="limit", limit=1))
    executions.execute(caller, made.id)
    # Its message is still to be carried when the input changes.
    imports.add(caller, sales.id, Import("replace"), filename="s.csv", data=b"country,store,price\nIT,9,9.99\n")
    pipeline.settle()
    found = preparations.get(caller, made.id)
    assert data_of(caller, found.output)[0]["country"] == "DE"


def test_an_output_without_rows_has_its_columns_and_can_be_added_to(
    caller: Caller, pipeline: Pipeline, sales: datasets.Dataset
) -> None:
    steps = [
        {"step": "filter", "expression": "price > 1000"},
        {"step": "select", "columns": ["country", "store"]},
    ]
    made = new(caller, {"sales": sales}, {"steps": steps})
    job, found = executed(caller, pipeline, made)
    assert (job.state, found.rows) == ("succeeded", 0), job.reason
    assert data_of(caller, found.output) == []
    manifest = datasets.manifest(datasets.get(caller, found.output or 0)) or {}
    assert [column["name"] for column in manifest["columns"]] == ["country", "store"]
    imports.add(caller, found.output or 0, Import("append"), filename="s.csv", data=b"country,store\nIT,9\n")
    pipeline.settle()
    assert data_of(caller, found.output) == [{"country": "IT", "store": 9}]


def test_what_a_cast_rejects_is_counted_and_shown(
    caller: Caller, pipeline: Pipeline, project: projects.Project
) -> None:
    codes = factories.new_dataset(caller, project, b"code,n\n1,a\nx,b\n3,c\n")
    pipeline.settle()
    cast = {"column": "code", "type": "integer", "on_error": "reject"}
    made = new(caller, {"codes": codes}, one_step(step="cast", columns=[cast]))
    _, found = executed(caller, pipeline, made)
    assert data_of(caller, found.output) == [{"code": 1, "n": "a"}, {"code": 3, "n": "c"}]
    (step,) = executions.report(caller, made.id).steps
    assert (step["rows_in"], step["rows_out"], step["failed"]) == ({"codes": 3}, 2, 1)
    assert step["failed_sample"] == [{"column": "code", "row": 2, "value": "x"}]


# ---------------------------------------------------------------- the output is data as any other


def test_an_output_can_be_exported_compared_and_undone(
    caller: Caller, pipeline: Pipeline, sales: datasets.Dataset
) -> None:
    made = new(caller, {"sales": sales}, one_step(step="select", columns=["country", "price"]))
    executed(caller, pipeline, made)
    fewer = {
        "steps": [{"step": "filter", "expression": "price > 2"}, {"step": "select", "columns": ["country", "price"]}]
    }
    preparations.update(caller, made.id, Change(frozenset({"recipe"}), recipe=fewer))
    _, found = executed(caller, pipeline, made)
    output = found.output or 0
    comparison = comparisons.create(caller, output, before=1, after=2)
    export = exports.create(caller, output, exports.Wanted("csv"))
    pipeline.settle()
    compared = comparisons.get(caller, output, comparison.id)
    assert (compared.status, compared.counts) == (
        "completed",
        {"added": 0, "removed": 1, "changed": 0, "unchanged": 3, "ambiguous_keys": 0},
    )
    done = exports.get(caller, output, export.id)
    assert blobs.get(done.file or "") == b"country,price\nFR,2.25\nDE,3.00\n,4.00\n"
    dataset_versions.point(caller, output)
    assert len(data_of(caller, output)) == 4
    assert [each.number for each in dataset_versions.page(caller, output, offset=0, limit=10).items] == [2, 1]


def test_an_import_into_an_output_stands_until_the_next_execution(
    caller: Caller, pipeline: Pipeline, made: Preparation
) -> None:
    _, found = executed(caller, pipeline, made)
    output = found.output or 0
    imports.add(caller, output, Import("append"), filename="more.csv", data=b"city,revenue\nUlm,1.25\n")
    pipeline.settle()
    assert data_of(caller, output) == [*REVENUE, {"city": "Ulm", "revenue": "1.25"}]
    job, _ = executed(caller, pipeline, made)
    # What is current was not made by the recipe alone, so it is made again.
    assert (job.outputs["version"], job.outputs["same"]) == (3, False)
    assert data_of(caller, output) == REVENUE


def test_a_version_that_a_preparation_made_cannot_be_reparsed(
    caller: Caller, pipeline: Pipeline, made: Preparation
) -> None:
    _, found = executed(caller, pipeline, made)
    with pytest.raises(ConflictError, match="Version 1 was made by a preparation: there is no file to read again"):
        imports.reparse(caller, found.output or 0, {"header": True})


def test_the_output_is_taken_while_the_preparation_is_executed(
    caller: Caller, pipeline: Pipeline, made: Preparation
) -> None:
    _, found = executed(caller, pipeline, made)
    executions.execute(caller, made.id)
    with pytest.raises(ConflictError, match="being imported"):
        imports.add(caller, found.output or 0, Import("append"), filename="m.csv", data=b"city,revenue\nUlm,1\n")
    pipeline.settle()
    imports.add(caller, found.output or 0, Import("append"), filename="m.csv", data=b"city,revenue\nUlm,1\n")
    with pytest.raises(ConflictError, match="The output is being imported into: wait until that import has ended"):
        executions.execute(caller, made.id)


def test_the_output_goes_into_the_project_and_by_the_name_that_were_said(
    caller: Caller, pipeline: Pipeline, sales: datasets.Dataset, project: projects.Project
) -> None:
    wanted = Output("Cheap things", project.id)
    made = new(caller, {"sales": sales}, one_step(step="limit", limit=1), output=wanted)
    _, found = executed(caller, pipeline, made)
    output = datasets.get(caller, found.output or 0)
    assert (output.title, output.project) == ("Cheap things", project.id)
    with pytest.raises(ConflictError, match="The output is there already"):
        preparations.update(caller, made.id, Change(frozenset({"output"}), output=Output("Other")))


@pytest.mark.parametrize("what", ["dataset", "project"])
def test_an_output_that_was_deleted_is_made_anew(
    caller: Caller, pipeline: Pipeline, made: Preparation, what: str
) -> None:
    _, first = executed(caller, pipeline, made)
    if what == "dataset":
        datasets.delete(caller, first.output or 0)
    else:
        projects.delete(caller, projects.default(caller).id)
    job, found = executed(caller, pipeline, made)
    assert (job.state, job.outputs["version"]) == ("succeeded", 1)
    assert found.output != first.output
    assert data_of(caller, found.output) == REVENUE


def test_the_named_project_of_an_output_is_not_replaced_when_it_is_gone(
    caller: Caller, pipeline: Pipeline, sales: datasets.Dataset
) -> None:
    other = factories.new_project(caller, "Other")
    made = new(caller, {"sales": sales}, one_step(step="limit", limit=1), output=Output(project=other.id))
    projects.delete(caller, other.id)
    with pytest.raises(ConflictError, match="The project of the output was deleted: give the preparation another one"):
        executions.execute(caller, made.id)
    assert preparations.get(caller, made.id).status == "created"


# ---------------------------------------------------------------- failures


def test_a_failure_names_the_step_and_what_came_before_it_is_told(
    caller: Caller, pipeline: Pipeline, sales: datasets.Dataset
) -> None:
    steps = [
        {"step": "filter", "expression": "price > 2"},
        {"step": "cast", "columns": [{"column": "country", "type": "integer"}], "as": "numbers"},
    ]
    made = new(caller, {"sales": sales}, {"steps": steps})
    job, found = executed(caller, pipeline, made)
    reason = "Step 2 (cast, 'numbers'): 'FR' in column 'country' cannot be cast to integer"
    assert (job.state, job.reason) == ("failed", reason)
    assert (found.status, found.failure, found.version) == ("failed", reason, None)
    output = datasets.get(caller, found.output or 0)
    assert (output.status, output.failure, output.importing) == ("failed", reason, None)
    with pytest.raises(
        ConflictError, match="The data has no rows, because the preparation that makes it failed: Step 2"
    ):
        datasets.ready(caller, output.id)
    assert [(each["step"], each["rows_out"]) for each in executions.report(caller, made.id).steps] == [("filter", 3)]
    told = events_of(caller)
    assert (told["preparation.failed"], told["data.failed"]) == (1, 1)
    # It can be put right: the output is the same dataset.
    right = {"steps": steps[:1]}
    preparations.update(caller, made.id, Change(frozenset({"recipe"}), recipe=right))
    job, again = executed(caller, pipeline, made)
    assert (job.state, again.output) == ("succeeded", found.output)
    assert datasets.get(caller, output.id).status == "ready"


def test_a_failure_leaves_the_version_before(
    caller: Caller, pipeline: Pipeline, made: Preparation, sales: datasets.Dataset
) -> None:
    _, first = executed(caller, pipeline, made)
    imports.add(caller, sales.id, Import("replace"), filename="s.csv", data=b"other\n1\n")
    pipeline.settle()
    job, found = executed(caller, pipeline, made)
    assert job.state == "failed"
    assert (job.reason or "").startswith("steps.0.expression: ")
    assert (found.status, found.output) == ("failed", first.output)
    output = datasets.get(caller, found.output or 0)
    assert (output.status, output.version) == ("ready", 1)
    assert data_of(caller, found.output) == REVENUE


def test_what_is_too_large_fails_before_it_is_fetched(
    caller: Caller, pipeline: Pipeline, made: Preparation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "MAX_PARTS_BYTES", 10)
    job, _ = executed(caller, pipeline, made)
    assert job.state == "failed"
    assert "and at most 10 can be prepared at once" in (job.reason or "")


def test_what_takes_too_long_or_too_much_ends_with_a_reason(
    caller: Caller, pipeline: Pipeline, sales: datasets.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = "SELECT sum(a.price * b.i * c.i) AS x FROM sales a, range(100000) b(i), range(100000) c(i)"
    made = new(caller, {"sales": sales}, {"select": sql})
    monkeypatch.setattr(prepare, "TIMEOUT_SECONDS", 2)
    job, _ = executed(caller, pipeline, made)
    assert job.reason == prepare.TOO_SLOW
    monkeypatch.setattr(prepare, "TIMEOUT_SECONDS", 600)
    monkeypatch.setattr(prepare, "BOUNDS", replace(prepare.BOUNDS, output_rows=3))
    made = new(caller, {"sales": sales}, {"steps": [{"step": "limit", "limit": 9, "as": "all"}]})
    job, _ = executed(caller, pipeline, made)
    assert job.reason == "Step 1 (limit, 'all'): The SELECT makes more than 3 rows, which are kept at most."


def test_an_input_that_is_deleted_meanwhile_is_named(
    caller: Caller, pipeline: Pipeline, made: Preparation, stores: datasets.Dataset
) -> None:
    job = executions.execute(caller, made.id)
    datasets.delete(caller, stores.id)
    pipeline.stream()
    pipeline.drain("SweepQueue", sweep.handler)
    pipeline.settle()
    ended = jobs.get(caller, job.id)
    reason = "The data of the input 'stores' was deleted: give the preparation another one."
    assert (ended.state, ended.reason) == ("failed", reason)
    with pytest.raises(NotFoundError) as refused:
        executions.execute(caller, made.id)
    assert (refused.value.kind, refused.value.name, refused.value.field) == ("dataset", stores.id, "inputs.stores")


def test_a_worker_that_dies_five_times_leaves_a_failed_preparation(
    caller: Caller, pipeline: Pipeline, made: Preparation, aws: dict[str, str]
) -> None:
    job = executions.execute(caller, made.id)
    pipeline.stream()
    message = own_client("sqs").receive_message(QueueUrl=aws["PrepareQueue"])["Messages"][0]
    own_client("sqs").delete_message(QueueUrl=aws["PrepareQueue"], ReceiptHandle=message["ReceiptHandle"])
    own_client("sqs").send_message(QueueUrl=aws["PrepareDeadLetters"], MessageBody=message["Body"])
    pipeline.settle()
    reason = "The preparation could not be executed: the work on it stopped without an answer again and again."
    assert (jobs.get(caller, job.id).state, jobs.get(caller, job.id).reason) == ("failed", reason)
    found = preparations.get(caller, made.id)
    assert (found.status, found.failure) == ("failed", reason)
    assert datasets.get(caller, found.output or 0).importing is None
    # What the dead left is gone with the next execution.
    left = f"{blobs.version(caller.account, found.output or 0, job.id, 1)}part-00000.parquet"
    blobs.put(left, b"left")
    executed(caller, pipeline, made)
    assert left not in stored_keys(aws, "datasets/")


def test_an_execution_can_be_cancelled(caller: Caller, pipeline: Pipeline, made: Preparation) -> None:
    job = executions.execute(caller, made.id)
    cancelled = job_kinds.cancel(caller, job.id)
    assert (cancelled.state, cancelled.reason) == ("cancelled", "It was cancelled.")
    found = preparations.get(caller, made.id)
    assert (found.status, found.failure) == ("cancelled", "It was cancelled.")
    pipeline.settle()
    assert jobs.get(caller, job.id) == cancelled
    assert dataset_versions.get(caller, found.output or 0, 1).status == "failed"
    job, found = executed(caller, pipeline, made)
    assert (job.state, job.outputs["version"]) == ("succeeded", 2)


@pytest.mark.parametrize("what", ["cancelled", "preparation deleted", "output deleted"])
def test_what_is_called_off_while_it_runs_leaves_nothing(
    caller: Caller,
    pipeline: Pipeline,
    made: Preparation,
    aws: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    job = executions.execute(caller, made.id)
    output = preparations.get(caller, made.id).output or 0
    finish = executions.finish

    def too_late(*arguments: Any, **named: Any) -> bool:
        if what == "cancelled":
            job_kinds.cancel(caller, job.id)
        elif what == "preparation deleted":
            preparations.delete(caller, made.id)
        else:
            datasets.delete(caller, output)
        return finish(*arguments, **named)

    monkeypatch.setattr(executions, "finish", too_late)
    pipeline.settle()
    assert stored_keys(aws, blobs.versions(caller.account, output)) == []
    assert stored_keys(aws, "preparations/") == []
    ended = jobs.get(caller, job.id)
    if what == "output deleted":
        assert (ended.state, ended.reason) == ("failed", executions.OUTPUT_GONE)
        assert preparations.get(caller, made.id).failure == executions.OUTPUT_GONE
    else:
        assert ended.state == "cancelled"
        found = datasets.get(caller, output)
        assert (found.status, found.importing) == ("failed", None)


@pytest.mark.parametrize("what", ["preparation", "output"])
def test_what_is_deleted_before_it_runs_is_called_off(
    caller: Caller, pipeline: Pipeline, made: Preparation, what: str
) -> None:
    _, first = executed(caller, pipeline, made)
    job = executions.execute(caller, made.id)
    if what == "preparation":
        preparations.delete(caller, made.id)
    else:
        datasets.delete(caller, first.output or 0)
    pipeline.settle()
    ended = jobs.get(caller, job.id)
    if what == "preparation":
        assert (ended.state, ended.reason) == ("cancelled", "The preparation was deleted.")
        output = datasets.get(caller, first.output or 0)
        assert (output.status, output.version, output.importing) == ("ready", 1, None)
        assert data_of(caller, output.id) == REVENUE
    else:
        assert (ended.state, ended.reason) == ("failed", executions.OUTPUT_GONE)


# ---------------------------------------------------------------- the rules around it


def only_once(caller: Caller, route: str = "POST /x") -> Once[Any]:
    return Once(caller.account, route, "k", "f", 200, lambda made: json.dumps(made.id))


def test_an_execution_is_done_once_at_a_time_and_once_under_a_key(
    caller: Caller, pipeline: Pipeline, made: Preparation
) -> None:
    job = executions.execute(caller, made.id, once=only_once(caller))
    with pytest.raises(ConflictError, match="The preparation is being executed already"):
        executions.execute(caller, made.id)
    assert preparations.get(caller, made.id).job == job.id
    pipeline.settle()
    with pytest.raises(GuardError):
        executions.execute(caller, made.id, once=only_once(caller))
    with pytest.raises(GuardError):
        another(caller, made, once=only_once(caller))
    assert preparations.behind(caller, None, limit=10).total == 1


def test_what_an_execution_goes_by_is_not_changed_under_it_but_its_name_is(
    caller: Caller, pipeline: Pipeline, made: Preparation
) -> None:
    executions.execute(caller, made.id)
    other = one_step(step="limit", **{"from": "sales"}, limit=1)
    for change in (
        Change(frozenset({"recipe"}), recipe=other),
        Change(frozenset({"inputs"}), inputs={"sales": made.inputs["sales"]}),
        Change(frozenset({"output"}), output=Output("Other")),
    ):
        with pytest.raises(ConflictError, match="cannot be changed while the preparation is executed"):
            preparations.update(caller, made.id, change)
    # The same recipe is no change.
    preparations.update(caller, made.id, Change(frozenset({"name", "recipe"}), name="B", recipe=RECIPE))
    pipeline.settle()
    found = preparations.get(caller, made.id)
    assert (found.name, found.status) == ("B", "completed")


def test_inputs_without_rows_are_refused_at_an_execution_and_not_before(
    caller: Caller, pipeline: Pipeline, sales: datasets.Dataset, project: projects.Project
) -> None:
    late = factories.new_dataset(caller, project, STORES)
    made = new(caller, {"sales": sales, "stores": late})
    with pytest.raises(ConflictError, match="The input 'stores' cannot be read: The data is still being processed"):
        executions.execute(caller, made.id)
    pipeline.settle()
    job, _ = executed(caller, pipeline, made)
    assert job.state == "succeeded"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (Change(frozenset()), None),
        (Change(frozenset({"name"})), "name"),
        (Change(frozenset({"name"}), name=" "), "name"),
        (Change(frozenset({"description"}), description="x" * 2_001), "description"),
        (Change(frozenset({"inputs"}), inputs={}), "inputs"),
        (Change(frozenset({"recipe"}), recipe=None), "recipe"),
        (Change(frozenset({"recipe"}), recipe={"steps": []}), "steps"),
        (Change(frozenset({"recipe"}), recipe=one_step(step="limit", limit=1)), "steps.0.from"),
        (Change(frozenset({"recipe"}), recipe=one_step(step="limit", limit=1, **{"from": "x"})), "steps.0.from"),
        (
            Change(frozenset({"recipe"}), recipe=one_step(step="select", columns=["town"], **{"from": "sales"})),
            "steps.0.columns.0",
        ),
        (Change(frozenset({"recipe"}), recipe={"select": "SELECT town FROM sales"}), "select"),
        (Change(frozenset({"recipe"}), recipe={"select": "DROP TABLE sales"}), "select"),
        (Change(frozenset({"output"}), output=Output(" ")), "output.name"),
    ],
)
def test_a_change_that_cannot_be_is_refused(
    caller: Caller, made: Preparation, change: Change, field: str | None
) -> None:
    with pytest.raises(InvalidError) as refused:
        preparations.update(caller, made.id, change)
    assert refused.value.field == field
    assert preparations.get(caller, made.id) == made


def test_a_change_is_refused_where_it_goes_by_an_older_revision(caller: Caller, made: Preparation) -> None:
    changed = preparations.update(caller, made.id, Change(frozenset({"name"}), name="B"), expected=1)
    assert changed.revision == 2
    with pytest.raises(StaleError):
        preparations.update(caller, made.id, Change(frozenset({"name"}), name="C"), expected=1)
    with pytest.raises(StaleError):
        preparations.delete(caller, made.id, expected=1)
    assert preparations.get(caller, made.id).name == "B"


def test_too_many_inputs_are_refused(caller: Caller, sales: datasets.Dataset) -> None:
    inputs = {f"i{number}": Input(sales.id) for number in range(21)}
    with pytest.raises(InvalidError, match="1 to 20 inputs"):
        preparations.create(caller, name="Many", inputs=inputs, recipe=one_step(step="limit", limit=1))


def test_foreign_data_is_absent_at_every_step(
    caller: Caller, pipeline: Pipeline, made: Preparation, project: projects.Project
) -> None:
    from fluvial import recipes

    stranger = factories.new_caller()
    theirs = factories.new_dataset(stranger, factories.new_project(stranger), SALES)
    pipeline.settle()
    recipe = one_step(step="limit", limit=1)
    for dataset_id in (theirs.id, 12345):
        inputs = {"sales": Input(dataset_id)}
        for act in (
            functools.partial(preparations.create, caller, name="X", inputs=inputs, recipe=recipe),
            functools.partial(
                preparations.update,
                caller,
                made.id,
                Change(frozenset({"inputs", "recipe"}), inputs=inputs, recipe=recipe),
            ),
            functools.partial(recipes.preview, caller, inputs, recipe),
        ):
            with pytest.raises(NotFoundError) as refused:
                act()
            assert (refused.value.kind, refused.value.name, refused.value.field) == (
                "dataset",
                dataset_id,
                "inputs.sales",
            )
    for act in (
        functools.partial(preparations.get, stranger, made.id),
        functools.partial(preparations.update, stranger, made.id, Change(frozenset({"name"}), name="B")),
        functools.partial(preparations.delete, stranger, made.id),
        functools.partial(executions.execute, stranger, made.id),
        functools.partial(executions.report, stranger, made.id),
        functools.partial(executions.behind, stranger, made.id, None, limit=10),
        functools.partial(preparations.get, replace(caller, project=project.id), made.id),
    ):
        with pytest.raises(NotFoundError) as refused:
            act()
        assert (refused.value.kind, refused.value.name) == ("preparation", made.id)


def test_executions_are_listed_newest_first(caller: Caller, pipeline: Pipeline, made: Preparation) -> None:
    done = [executed(caller, pipeline, made)[0].id for _ in range(3)][::-1]
    listed = executions.behind(caller, made.id, None, limit=2)
    assert ([job.id for job in listed.items], listed.next) == (done[:2], done[1])
    listed = executions.behind(caller, made.id, done[1], limit=2)
    assert ([job.id for job in listed.items], listed.next) == (done[2:], None)
    first = executions.report(caller, made.id, done[2])
    assert (first.job.outputs["same"], len(first.steps)) == (False, 3)
    other = another(caller, made)
    with pytest.raises(NotFoundError):
        executions.report(caller, other.id, done[2])
    with pytest.raises(ConflictError, match="no report yet"):
        executions.report(caller, other.id)


def test_preparations_are_listed_newest_first(caller: Caller, made: Preparation) -> None:
    second = another(caller, made)
    found = preparations.behind(caller, None, limit=1)
    assert ([each.id for each in found.items], found.has_more, found.total) == ([second.id], True, 2)
    found = preparations.behind(caller, second.id, limit=1)
    assert ([each.id for each in found.items], found.has_more, found.total) == ([made.id], False, 2)
    assert preparations.behind(factories.new_caller(), None, limit=1).total == 0


def test_a_deleted_preparation_leaves_its_output_and_nothing_else(
    caller: Caller, pipeline: Pipeline, made: Preparation, aws: dict[str, str]
) -> None:
    _, found = executed(caller, pipeline, made)
    preparations.delete(caller, made.id)
    pipeline.settle()
    with pytest.raises(NotFoundError):
        preparations.get(caller, made.id)
    assert data_of(caller, found.output) == REVENUE
    assert stored_keys(aws, "preparations/") == []
    for left in (keys.listed(caller.account, "preparations"), keys.executions(caller.account, made.id)):
        assert table.query(left) == []
    assert preparations.behind(caller, None, limit=1).total == 0
    assert events_of(caller)["preparation.deleted"] == 1
