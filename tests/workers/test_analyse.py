"""Analyses from creation to result, with the real worker, stream, bus and queues on moto."""

from __future__ import annotations

import functools
import json
from collections import Counter
from typing import Any

import pytest

from fluvial import analyses, clock, datasets, events, idempotency, ids, jobs, projects, queries
from fluvial.analyses import Change
from fluvial.caller import Caller
from fluvial.engine import analysis as engine
from fluvial.errors import ConflictError, InvalidError, NotFoundError
from fluvial.paging import Order
from fluvial.store import keys, table
from fluvial.store.table import GuardError
from tests import factories
from tests.workers.pipeline import Pipeline, own_client
from workers import analyse

CSV = b"city,n,price\nBonn,1,1.50\nKiel,9007199254740993,2.25\nBonn,9007199254740993,2.50\n"
QUERY = {
    "group_by": ["city"],
    "aggregates": [
        {"function": "count", "as": "rows"},
        {"function": "sum", "column": "n", "as": "n"},
        {"function": "sum", "column": "price", "as": "revenue"},
    ],
    "sort": [{"by": "revenue", "order": "desc"}],
}
NORMALISED = queries.parse(QUERY).to_json()


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def project(caller: Caller) -> projects.Project:
    return factories.new_project(caller)


@pytest.fixture
def pipeline(aws: dict[str, str]) -> Pipeline:
    return Pipeline(aws)


@pytest.fixture
def dataset(caller: Caller, project: projects.Project, pipeline: Pipeline) -> datasets.Dataset:
    made = factories.new_dataset(caller, project, CSV)
    pipeline.settle()
    return made


@pytest.fixture
def made(caller: Caller, project: projects.Project, dataset: datasets.Dataset) -> analyses.Analysis:
    return new(caller, dataset)


def new(caller: Caller, dataset: datasets.Dataset, query: object = QUERY, **given: Any) -> analyses.Analysis:
    return analyses.create(
        caller, **{"project_id": dataset.project, "name": "Revenue", "dataset_id": dataset.id, "query": query, **given}
    )


def ran(caller: Caller, pipeline: Pipeline, analysis: analyses.Analysis) -> analyses.Analysis:
    analyses.run(caller, analysis.id)
    pipeline.settle()
    return analyses.get(caller, analysis.id)


def stored_keys(resources: dict[str, str]) -> list[str]:
    listed = own_client("s3").list_objects_v2(Bucket=resources["Bucket"], Prefix="analyses/")
    return [item["Key"] for item in listed.get("Contents", [])]


def types_of_events(caller: Caller) -> Counter[str]:
    happened = events.read(caller, events.BEGINNING, limit=250).events
    return Counter(event.type for event in happened if event.type.startswith("analysis."))


def only_once(caller: Caller) -> idempotency.Once[analyses.Analysis]:
    return idempotency.Once(
        account=caller.account,
        route="POST /x",
        key="k",
        fingerprint="f",
        status=201,
        show=lambda analysis: json.dumps(analysis.described()),
    )


# ---------------------------------------------------------------- from the query to the result


def test_an_analysis_is_created_run_and_read(
    aws: dict[str, str], caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset
) -> None:
    made = new(caller, dataset, description="by city")
    assert made == analyses.Analysis(
        id=made.id,
        account=caller.account,
        project=dataset.project,
        dataset=dataset.id,
        name="Revenue",
        description="by city",
        query=NORMALISED,
        created=made.created,
        updated=made.created,
    )
    assert analyses.get(caller, made.id) == made

    queued = analyses.run(caller, made.id)
    assert (queued.status, queued.revision) == ("queued", 2)
    pipeline.settle()

    found = analyses.get(caller, made.id)
    assert found.described() == {
        "id": ids.spell("an", made.id),
        "project_id": ids.spell("proj", dataset.project),
        "data_id": ids.spell("data", dataset.id),
        "name": "Revenue",
        "description": "by city",
        "status": "completed",
        "rows": 2,
        "groups_total": 2,
        "truncated": False,
        "rows_scanned": 3,
        "data_version": 1,
        "created_at": clock.iso(made.created),
        "updated_at": clock.iso(found.updated),
        "ran_at": clock.iso(found.updated),
    }
    assert analyses.result(caller, made.id, offset=0, limit=10) == analyses.Result(
        [
            {"city": "Bonn", "rows": 2, "n": 9007199254740994, "revenue": "4.00"},
            {"city": "Kiel", "rows": 1, "n": 9007199254740993, "revenue": "2.25"},
        ],
        0,
        analyses.Summary(
            columns={"city": "text", "rows": "integer", "n": "integer", "revenue": "decimal(38,2)"},
            rows=2,
            groups_total=2,
            rows_scanned=3,
            dataset_version=1,
        ),
        found.ran,
    )
    job = jobs.get(caller, queued.job or 0)
    assert (job.kind, job.state, job.outputs) == ("analysis", "succeeded", {"analysis": made.id})
    assert types_of_events(caller) == {"analysis.created": 1, "analysis.completed": 1}
    assert [key.rsplit("/", 1)[1] for key in stored_keys(aws)] == ["part-00000.ndjson", "result.json"]


def test_a_page_of_a_result_reads_the_parts_that_it_touches(
    caller: Caller, project: projects.Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = 2_500
    data = "n\n" + "".join(f"{number}\n" for number in range(rows))
    dataset = factories.new_dataset(caller, project, data.encode())
    pipeline.settle()
    made = ran(caller, pipeline, new(caller, dataset, {"group_by": ["n"]}))
    read: list[str] = []
    get = analyses.blobs.get
    monkeypatch.setattr(analyses.blobs, "get", lambda key: read.append(key.rsplit("/", 1)[1]) or get(key))

    for offset, limit, parts in [
        (0, 100, ["part-00000.ndjson"]),
        (950, 100, ["part-00000.ndjson", "part-00001.ndjson"]),
        (1_000, 1_000, ["part-00001.ndjson"]),
        (2_450, 100, ["part-00002.ndjson"]),
        (2_500, 100, []),
        (9_999_999, 100, []),
    ]:
        read.clear()
        page = analyses.result(caller, made.id, offset=offset, limit=limit)
        assert page.items == [{"n": number} for number in range(offset, min(offset + limit, rows))]
        assert (page.offset, page.summary.rows) == (offset, rows)
        assert read == ["result.json", *parts]


def test_only_the_querys_own_limit_cuts_a_result_and_it_says_so(
    caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset
) -> None:
    found = ran(caller, pipeline, new(caller, dataset, {**QUERY, "limit": 1}))
    assert (found.rows, found.groups_total, found.truncated) == (1, 2, True)
    page = analyses.result(caller, found.id, offset=0, limit=10)
    assert [row["city"] for row in page.items] == ["Bonn"]
    assert page.summary.truncated


def test_the_older_result_stays_readable_until_another_is_there(
    aws: dict[str, str], caller: Caller, pipeline: Pipeline, made: analyses.Analysis
) -> None:
    first = ran(caller, pipeline, made)
    before = analyses.result(caller, made.id, offset=0, limit=10)
    again = analyses.run(caller, made.id)
    assert (again.status, again.location) == ("queued", first.location)
    assert analyses.result(caller, made.id, offset=0, limit=10) == before
    pipeline.settle()
    second = analyses.get(caller, made.id)
    assert second.location != first.location
    assert analyses.result(caller, made.id, offset=0, limit=10).items == before.items
    # Whoever was reading the first one could go on; the third run removes it.
    assert len(stored_keys(aws)) == 4
    third = ran(caller, pipeline, made)
    assert {key.rsplit("/", 1)[0] + "/" for key in stored_keys(aws)} == {second.location, third.location}


# ---------------------------------------------------------------- what a run may meet


def test_an_analysis_of_data_that_was_deleted_fails_with_the_reason_and_keeps_its_result(
    caller: Caller, pipeline: Pipeline, dataset: datasets.Dataset, made: analyses.Analysis
) -> None:
    before = ran(caller, pipeline, made)
    datasets.delete(caller, dataset.id)
    pipeline.settle()
    found = ran(caller, pipeline, made)
    assert (found.status, found.failure, found.location, found.rows) == (
        "failed",
        "The data was deleted.",
        before.location,
        2,
    )
    assert found.described()["failure"] == {"reason": "The data was deleted."}
    assert len(analyses.result(caller, made.id, offset=0, limit=10).items) == 2
    job = jobs.get(caller, found.job or 0)
    assert (job.state, job.reason) == ("failed", "The data was deleted.")
    assert types_of_events(caller)["analysis.failed"] == 1


def test_a_query_made_before_the_data_was_read_is_checked_when_it_runs(
    caller: Caller, project: projects.Project, pipeline: Pipeline
) -> None:
    dataset = factories.new_dataset(caller, project, CSV)
    wrong = {"group_by": ["city"], "filters": [{"column": "n", "operator": "eq", "value": "one"}]}
    made = new(caller, dataset, wrong)
    pipeline.settle()
    found = ran(caller, pipeline, made)
    assert (found.status, found.failure) == (
        "failed",
        "'query.filters.0.value' must be a whole number of 64 bits, as the column's type asks.",
    )
    with pytest.raises(ConflictError, match=r"has no result, because its run failed: 'query\.filters"):
        analyses.result(caller, made.id, offset=0, limit=10)


def test_an_analysis_of_data_that_is_still_processed_fails_and_can_be_run_later(
    caller: Caller, project: projects.Project, pipeline: Pipeline, aws: dict[str, str]
) -> None:
    dataset = factories.new_dataset(caller, project, CSV)
    made = new(caller, dataset)
    analyses.run(caller, made.id)
    pipeline.stream()
    pipeline.drain("AnalyseQueue", analyse.handler)
    found = analyses.get(caller, made.id)
    assert (found.status, found.failure) == (
        "failed",
        "The data is still being processed: run the analysis when its status is 'ready'.",
    )
    pipeline.settle()
    assert ran(caller, pipeline, made).status == "completed"


def test_a_run_that_takes_too_long_ends_as_failed(
    caller: Caller, pipeline: Pipeline, made: analyses.Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analyse, "TIMEOUT_SECONDS", -1)
    found = ran(caller, pipeline, made)
    assert (found.status, found.failure) == ("failed", engine.TOO_SLOW)


def test_an_analysis_that_is_deleted_before_it_runs_is_called_off(
    aws: dict[str, str], caller: Caller, pipeline: Pipeline, made: analyses.Analysis
) -> None:
    queued = analyses.run(caller, made.id)
    analyses.delete(caller, made.id)
    pipeline.settle()
    job = jobs.get(caller, queued.job or 0)
    assert (job.state, job.reason) == ("cancelled", "The analysis was deleted.")
    assert stored_keys(aws) == []


def test_an_analysis_that_is_deleted_while_it_runs_leaves_nothing(
    aws: dict[str, str],
    caller: Caller,
    pipeline: Pipeline,
    made: analyses.Analysis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finish = analyses.finish

    def deleted_first(*arguments: Any, **named: Any) -> bool:
        analyses.delete(caller, made.id)
        return finish(*arguments, **named)

    monkeypatch.setattr(analyse.analyses, "finish", deleted_first)
    job_id = analyses.run(caller, made.id).job
    pipeline.settle()
    assert stored_keys(aws) == []
    assert types_of_events(caller) == {"analysis.created": 1, "analysis.deleted": 1}
    assert job_id is not None
    assert jobs.get(caller, job_id).state == "cancelled"


def test_a_name_that_is_changed_while_it_runs_is_not_lost_and_nor_is_the_result(
    caller: Caller, pipeline: Pipeline, made: analyses.Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = analyses.finish
    seen: list[str] = []

    def renamed_first(*arguments: Any, **named: Any) -> bool:
        seen.append(analyses.get(caller, made.id).status)
        analyses.update(caller, made.id, Change(frozenset({"name"}), name="Renamed"))
        return finish(*arguments, **named)

    monkeypatch.setattr(analyse.analyses, "finish", renamed_first)
    found = ran(caller, pipeline, made)
    assert seen == ["running"]
    assert (found.name, found.status, found.rows) == ("Renamed", "completed", 2)


def test_a_worker_that_dies_five_times_leaves_a_failed_analysis(
    caller: Caller, pipeline: Pipeline, made: analyses.Analysis, aws: dict[str, str]
) -> None:
    queued = analyses.run(caller, made.id)
    pipeline.stream()
    message = own_client("sqs").receive_message(QueueUrl=aws["AnalyseQueue"])["Messages"][0]
    own_client("sqs").delete_message(QueueUrl=aws["AnalyseQueue"], ReceiptHandle=message["ReceiptHandle"])
    own_client("sqs").send_message(QueueUrl=aws["AnalyseDeadLetters"], MessageBody=message["Body"])
    pipeline.settle()
    found = analyses.get(caller, made.id)
    reason = "The analysis could not be run: the work on it stopped without an answer again and again."
    assert (found.status, found.failure) == ("failed", reason)
    job = jobs.get(caller, queued.job or 0)
    assert (job.state, job.reason) == ("failed", reason)


# ---------------------------------------------------------------- the rules around it


def test_an_analysis_is_run_once_at_a_time(caller: Caller, made: analyses.Analysis) -> None:
    analyses.run(caller, made.id)
    with pytest.raises(ConflictError, match="The analysis is being run already: wait until that run has ended"):
        analyses.run(caller, made.id)


def test_a_creation_that_is_asked_for_twice_under_one_key_is_one_analysis(
    caller: Caller, dataset: datasets.Dataset
) -> None:
    new(caller, dataset, once=only_once(caller))
    with pytest.raises(GuardError):
        new(caller, dataset, once=only_once(caller))
    assert analyses.page(caller, dataset.project, Order(), offset=0, limit=10).total == 1


def test_a_query_is_not_changed_while_the_analysis_runs_but_its_name_is(
    caller: Caller, pipeline: Pipeline, made: analyses.Analysis
) -> None:
    other = {"group_by": ["city"]}
    analyses.run(caller, made.id)
    with pytest.raises(ConflictError, match="query cannot be changed while"):
        analyses.update(caller, made.id, Change(frozenset({"query"}), query=other))
    # The same query is no change.
    changed = analyses.update(caller, made.id, Change(frozenset({"query", "name"}), name="B", query=QUERY))
    assert (changed.name, changed.status) == ("B", "queued")
    pipeline.settle()
    assert analyses.get(caller, made.id).status == "completed"


def test_another_query_takes_the_result_of_the_old_one_away(
    aws: dict[str, str], caller: Caller, pipeline: Pipeline, made: analyses.Analysis
) -> None:
    ran(caller, pipeline, made)
    changed = analyses.update(caller, made.id, Change(frozenset({"query"}), query={"group_by": ["city"]}))
    assert (changed.status, changed.rows, changed.location, changed.ran) == ("created", None, None, None)
    assert analyses.get(caller, made.id) == changed
    with pytest.raises(ConflictError, match="The analysis has no result yet: run it first"):
        analyses.result(caller, made.id, offset=0, limit=10)
    found = ran(caller, pipeline, made)
    assert analyses.result(caller, made.id, offset=0, limit=10).items == [{"city": "Bonn"}, {"city": "Kiel"}]
    assert {key.rsplit("/", 1)[0] + "/" for key in stored_keys(aws)} == {found.location}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (Change(frozenset()), None),
        (Change(frozenset({"name"})), "name"),
        (Change(frozenset({"name"}), name=" "), "name"),
        (Change(frozenset({"description"}), description="x" * 2_001), "description"),
        (Change(frozenset({"query"}), query=None), "query"),
        (Change(frozenset({"query"}), query={"group_by": ["town"]}), "query.group_by.0.column"),
    ],
)
def test_a_change_that_cannot_be_is_refused(
    caller: Caller, made: analyses.Analysis, change: Change, field: str | None
) -> None:
    with pytest.raises(InvalidError) as refused:
        analyses.update(caller, made.id, change)
    assert refused.value.field == field
    assert analyses.get(caller, made.id) == made


def test_a_description_can_be_taken_away(caller: Caller, dataset: datasets.Dataset) -> None:
    made = new(caller, dataset, description="by city")
    changed = analyses.update(caller, made.id, Change(frozenset({"description"})))
    assert (changed.description, changed.revision) == (None, 2)
    assert types_of_events(caller) == {"analysis.created": 1, "analysis.updated": 1}


def test_a_query_is_checked_against_the_data_that_is_there(caller: Caller, dataset: datasets.Dataset) -> None:
    with pytest.raises(InvalidError) as refused:
        new(caller, dataset, {"group_by": ["town"]})
    assert (refused.value.field, str(refused.value)) == ("query.group_by.0.column", "The data has no column 'town'.")
    assert analyses.page(caller, dataset.project, Order(), offset=0, limit=10).total == 0


def test_only_data_of_the_same_project_can_be_analysed(
    caller: Caller, dataset: datasets.Dataset, project: projects.Project
) -> None:
    elsewhere = factories.new_project(caller, "Another")
    stranger = factories.new_caller()
    strange = factories.new_project(stranger)
    for who, of in ((caller, elsewhere), (stranger, strange)):
        with pytest.raises(NotFoundError) as refused:
            new(who, dataset, project_id=of.id)
        assert (refused.value.kind, refused.value.name, refused.value.field) == ("dataset", dataset.id, "data_id")
    with pytest.raises(NotFoundError) as refused:
        new(stranger, dataset)
    assert (refused.value.kind, refused.value.field) == ("project", "project_id")


def test_a_foreign_analysis_is_absent(caller: Caller, made: analyses.Analysis) -> None:
    stranger = factories.new_caller()
    other_project = Caller(caller.account, caller.user, caller.key, caller.plan, caller.scopes, project=1)
    for who in (stranger, other_project):
        for act in (
            functools.partial(analyses.get, who, made.id),
            functools.partial(analyses.run, who, made.id),
            functools.partial(analyses.delete, who, made.id),
            functools.partial(analyses.result, who, made.id, offset=0, limit=1),
            functools.partial(analyses.update, who, made.id, Change(frozenset({"name"}), name="B")),
        ):
            with pytest.raises(NotFoundError) as refused:
                act()
            assert (refused.value.kind, refused.value.name) == ("analysis", made.id)
    assert analyses.get(caller, made.id) == made


def test_a_projects_analyses_are_listed_in_every_order(
    caller: Caller, dataset: datasets.Dataset, pipeline: Pipeline
) -> None:
    first, second = new(caller, dataset, name="beta"), new(caller, dataset, name="Alpha")
    analyses.run(caller, first.id)
    assert jobs.claim(caller.account, analyses.get(caller, first.id).job or 0, lease_milliseconds=0) is not None

    def listed(order: Order, **where: int) -> list[tuple[str, str]]:
        page = analyses.page(caller, dataset.project, order, **{"offset": 0, "limit": 10, **where})
        assert page.total == 2
        return [(each.name, each.status) for each in page.items]

    beta, alpha = ("beta", "running"), ("Alpha", "created")
    assert listed(Order()) == [alpha, beta]
    assert listed(Order(descending=False)) == [beta, alpha]
    assert listed(Order("name", descending=False)) == [alpha, beta]
    assert listed(Order(), offset=1, limit=1) == [beta]
    assert listed(Order(), offset=2) == []
    assert second.status == "created"


def test_a_deleted_analysis_goes_with_its_bytes(
    aws: dict[str, str], caller: Caller, pipeline: Pipeline, made: analyses.Analysis
) -> None:
    ran(caller, pipeline, made)
    analyses.delete(caller, made.id)
    with pytest.raises(NotFoundError):
        analyses.get(caller, made.id)
    pipeline.settle()
    assert stored_keys(aws) == []
    assert table.query(keys.listed(caller.account, "analyses")) == []
    assert analyses.page(caller, made.project, Order(), offset=0, limit=10).total == 0


def test_a_deleted_project_takes_its_analyses_along(
    aws: dict[str, str], caller: Caller, pipeline: Pipeline, made: analyses.Analysis
) -> None:
    ran(caller, pipeline, made)
    projects.delete(caller, made.project)
    with pytest.raises(NotFoundError):
        analyses.get(caller, made.id)
    pipeline.settle()
    assert stored_keys(aws) == []
    partition = keys.project_analyses(caller.account, made.project)
    for left in (keys.listed(caller.account, "analyses"), partition, f"{partition}#total"):
        assert table.query(left) == []
    assert types_of_events(caller)["analysis.deleted"] == 1
