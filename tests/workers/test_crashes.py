"""A worker may die before or after any call to AWS: after redelivery nothing is lost, twice or stuck."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fluvial import (
    analyses,
    blobs,
    clock,
    dataset_versions,
    datasets,
    deliveries,
    events,
    exports,
    ids,
    imports,
    outbound,
    projects,
    webhooks,
)
from fluvial import aws as aws_clients
from fluvial.aws import client
from fluvial.caller import Caller
from fluvial.imports import Import
from fluvial.store import keys, table
from tests import factories
from tests.workers.pipeline import Died, Pipeline, own_client
from workers import sweep

SERVICES = ("dynamodb", "s3", "sqs", "events")
CSV = b"code,n\n007,1\n008,2\nbroken\n"


class Clock:
    """A clock that the test moves; leases end when it says so."""

    def __init__(self) -> None:
        self.skipped = 0
        self.real = clock.time.time_ns

    def time_ns(self) -> int:
        return self.real() + self.skipped * 1_000_000


class Crash:
    """Lets the process die before or after its nth call to AWS from now on."""

    def __init__(self) -> None:
        self.countdown: int | None = None
        self.when = "before"
        self.calls = 0

    def arm(self, call: int, when: str) -> None:
        self.countdown, self.when = call, when

    def wrap(self, make_call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(make_call)
        def call(operation: str, arguments: dict[str, Any]) -> Any:
            self.calls += 1
            if operation == "ChangeMessageVisibility":
                # The clock of moto's queues cannot be moved: a message that has to wait is there again at once.
                arguments = {**arguments, "VisibilityTimeout": 0}
            dies = self.countdown == 0
            if self.countdown is not None:
                self.countdown -= 1
            if dies and self.when == "before":
                raise Died
            answer = make_call(operation, arguments)
            if dies:
                raise Died
            return answer

        return call


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock()
    monkeypatch.setattr(clock.time, "time_ns", moved.time_ns)
    return moved


@pytest.fixture
def crash(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Crash]:
    crash = Crash()
    for service in SERVICES:
        made = client(service)
        monkeypatch.setattr(made, "_make_api_call", crash.wrap(made._make_api_call))
    yield crash
    aws_clients.client.cache_clear()


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


def events_of(caller: Caller) -> Counter[str]:
    return Counter(item["event_type"] for item in table.query(keys.listed(caller.account, "events")))


def objects(resources: dict[str, str]) -> list[str]:
    listed = own_client("s3").list_objects_v2(Bucket=resources["Bucket"])
    return sorted(item["Key"].split("/")[0] for item in listed.get("Contents", []))


def settle_after_deaths(pipeline: Pipeline, time: Clock) -> None:
    """Everything again, once the leases of the dead have ended."""
    time.skipped += 30 * clock.MINUTE
    pipeline.settle()


def count_calls(crash: Crash, work: Callable[[], object]) -> int:
    before = crash.calls
    work()
    return crash.calls - before


def test_an_ingest_survives_a_death_at_any_call(aws: dict[str, str], crash: Crash, time: Clock, caller: Caller) -> None:
    project = factories.new_project(caller)
    pipeline = Pipeline(aws)
    pipeline.settle()
    factories.new_dataset(caller, project, CSV)
    calls = count_calls(crash, pipeline.settle)
    assert calls >= 14
    left_by_one = Counter(objects(aws))
    for datasets_before, (number, when) in enumerate(itertools.product(range(calls), ("before", "after")), start=1):
        events_before = events_of(caller)
        dataset = factories.new_dataset(caller, project, CSV)
        crash.arm(number, when)
        pipeline.settle()
        crash.countdown = None
        settle_after_deaths(pipeline, time)
        found = datasets.get(caller, dataset.id)
        assert (found.status, found.rows, found.rejected, found.version) == ("ready", 2, 1, 1), (number, when)
        assert events_of(caller) - events_before == {"data.uploaded": 1, "data.processed": 1}, (number, when)
        kept = {kind: count * (datasets_before + 1) for kind, count in left_by_one.items()}
        # An upload whose worker died at the very end is left to the bucket's lifecycle rule.
        assert Counter(objects(aws)) - Counter({"incoming": datasets_before}) == kept, (number, when)
    # A round may need a call less than the first, when the publisher finds more in one batch.
    assert pipeline.deaths >= 2 * (calls - 1)
    used = table.query(keys.listed(caller.account, "usage"))
    assert sum(item["data_processed"] for item in used) == len(CSV) * (1 + 2 * calls)


# All modes end by the same transactions; tests/bench/crashes.py tries the others, too, at points of chance.
IMPORTS = [Import("append"), Import("upsert", ["code"])]


@pytest.mark.parametrize("wanted", IMPORTS, ids=lambda wanted: f"{wanted.mode}{'-dry' * wanted.dry_run}")
def test_an_import_survives_a_death_at_any_call_and_readers_see_the_old_or_the_new(
    aws: dict[str, str], crash: Crash, time: Clock, caller: Caller, wanted: Import
) -> None:
    project = factories.new_project(caller)
    pipeline = Pipeline(aws)
    dataset = factories.new_dataset(caller, project, CSV)
    pipeline.settle()
    before = datasets.get(caller, dataset.id)

    def start() -> dataset_versions.Version:
        if datasets.get(caller, dataset.id).version > 1:
            dataset_versions.point(caller, dataset.id, 1)
        return imports.add(caller, dataset.id, wanted, filename="next.csv", data=b"code,n\n007,3\n009,4\n")

    expected = start()
    calls = count_calls(crash, pipeline.settle)
    expected = dataset_versions.get(caller, dataset.id, expected.number)
    assert calls >= 12
    for number, when in itertools.product(range(calls), ("before", "after")):
        version = start()
        was = datasets.get(caller, dataset.id)
        events_before = events_of(caller)
        crash.arm(number, when)
        pipeline.settle()
        crash.countdown = None
        seen = datasets.get(caller, dataset.id)
        assert (seen.version, seen.location) in (
            (1, before.location),
            (version.number, blobs.version(caller.account, dataset.id, version.job, 1)),
        ), (number, when)
        settle_after_deaths(pipeline, time)
        found = dataset_versions.get(caller, dataset.id, version.number)
        assert (found.status, found.counts, found.rows) == (expected.status, expected.counts, expected.rows)
        current = datasets.get(caller, dataset.id)
        assert (current.importing, current.status) == (None, "ready"), (number, when)
        assert current.version == (was.version if wanted.dry_run else version.number), (number, when)
        told = {} if wanted.dry_run else {"data.processed": 1}
        assert events_of(caller) - events_before == told, (number, when)
        # Of every version its parts, rejects and manifest, once: nothing of a run that died is left.
        runs = {key.split("/")[3].split("-")[0] for key in keys_under(aws, "datasets/")}
        folders = {key.rsplit("/", 1)[0] for key in keys_under(aws, "datasets/")}
        assert len(runs) == len(folders), (number, when)
    assert pipeline.deaths >= 2 * (calls - 1)


def keys_under(resources: dict[str, str], prefix: str) -> list[str]:
    listed = own_client("s3").list_objects_v2(Bucket=resources["Bucket"], Prefix=prefix)
    return [item["Key"] for item in listed.get("Contents", [])]


def test_an_analysis_survives_a_death_at_any_call(
    aws: dict[str, str], crash: Crash, time: Clock, caller: Caller
) -> None:
    project = factories.new_project(caller)
    pipeline = Pipeline(aws)
    dataset = factories.new_dataset(caller, project, CSV)
    pipeline.settle()
    query = {"group_by": ["code"], "aggregates": [{"function": "sum", "column": "n", "as": "n"}]}

    def new_run() -> analyses.Analysis:
        made = analyses.create(caller, project_id=project.id, name="Sums", dataset_id=dataset.id, query=query)
        return analyses.run(caller, made.id)

    new_run()
    calls = count_calls(crash, pipeline.settle)
    assert calls >= 12
    for analyses_before, (number, when) in enumerate(itertools.product(range(calls), ("before", "after")), start=1):
        events_before = events_of(caller)
        analysis = new_run()
        crash.arm(number, when)
        pipeline.settle()
        crash.countdown = None
        settle_after_deaths(pipeline, time)
        found = analyses.get(caller, analysis.id)
        assert (found.status, found.rows, found.rows_scanned) == ("completed", 2, 2), (number, when)
        result = analyses.result(caller, analysis.id, offset=0, limit=10)
        assert result.items == [{"code": "007", "n": 1}, {"code": "008", "n": 2}], (number, when)
        assert events_of(caller) - events_before == {"analysis.created": 1, "analysis.completed": 1}, (number, when)
        # One part and one summary each: nothing of a run that died is left.
        assert Counter(objects(aws))["analyses"] == 2 * (analyses_before + 1), (number, when)
    assert pipeline.deaths >= 2 * (calls - 1)


def test_an_export_survives_a_death_at_any_call(aws: dict[str, str], crash: Crash, time: Clock, caller: Caller) -> None:
    pipeline = Pipeline(aws)
    dataset = factories.new_dataset(caller, factories.new_project(caller), CSV)
    pipeline.settle()

    def new_export() -> exports.Export:
        return exports.create(caller, dataset.id, exports.Wanted("csv"))

    new_export()
    calls = count_calls(crash, pipeline.settle)
    assert calls >= 9
    for exports_before, (number, when) in enumerate(itertools.product(range(calls), ("before", "after")), start=1):
        events_before = events_of(caller)
        made = new_export()
        crash.arm(number, when)
        pipeline.settle()
        crash.countdown = None
        settle_after_deaths(pipeline, time)
        found = exports.get(caller, dataset.id, made.id)
        assert (found.status, found.rows) == ("completed", 2), (number, when)
        assert blobs.get(found.file or "") == b"code,n\n007,1\n008,2\n", (number, when)
        assert events_of(caller) - events_before == {"export.completed": 1}, (number, when)
        # One file each: nothing of an attempt that died is left.
        assert Counter(objects(aws))["exports"] == exports_before + 1, (number, when)
    assert pipeline.deaths >= 2 * (calls - 1)


def test_the_analyses_of_a_deleted_project_go_whatever_dies_on_the_way(
    aws: dict[str, str], crash: Crash, caller: Caller
) -> None:
    pipeline = Pipeline(aws)

    def settle() -> None:
        while pipeline.stream() | pipeline.drain("SweepQueue", sweep.handler):
            pass

    def delete_one() -> None:
        project = factories.new_project(caller)
        # Of data that is gone, which the analyses of a project outlive.
        made = analyses.Analysis(ids.new_id(), caller.account, project.id, 1, "All", None, {}, clock.now(), clock.now())
        event = events.happened(caller.account, "analysis.created", made.described(), at=made.created)
        assert analyses.store.create(made, event, None) == "created"
        blobs.put(f"{blobs.result(caller.account, made.id, 1, 1)}{analyses.SUMMARY}", b"{}")
        settle()
        projects.delete(caller, project.id)

    delete_one()
    calls = count_calls(crash, settle)
    assert calls >= 12
    for number, when in itertools.product(range(calls), ("before", "after")):
        events_before = events_of(caller)
        delete_one()
        crash.arm(number, when)
        settle()
        crash.countdown = None
        settle()
        assert objects(aws) == [], (number, when)
        for kind in ("analyses", "projects"):
            assert table.query(keys.listed(caller.account, kind)) == [], (number, when)
        assert (events_of(caller) - events_before)["analysis.deleted"] == 1, (number, when)
    assert pipeline.deaths >= 2 * (calls - 1)


def test_an_event_reaches_its_endpoint_whatever_dies_on_the_way(
    aws: dict[str, str], crash: Crash, time: Clock, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: Counter[str] = Counter()

    def post(url: str, body: bytes, headers: dict[str, str], *, allow_private: bool) -> outbound.Answer:
        received[headers["webhook-id"]] += 1
        return outbound.Answer(204, "", None, 1)

    monkeypatch.setattr("workers.deliver.deliveries.attempt", functools.partial(deliveries.attempt, post=post))
    endpoint = webhooks.create(caller, url="http://127.0.0.1:9/hook", events=["*"])
    pipeline = Pipeline(aws)
    pipeline.settle()

    def change() -> None:
        projects.create(caller, name="A project")

    change()
    calls = count_calls(crash, pipeline.settle)
    assert calls >= 8
    for number in range(calls):
        for when in ("before", "after"):
            received.clear()
            change()
            crash.arm(number, when)
            pipeline.settle()
            crash.countdown = None
            settle_after_deaths(pipeline, time)
            listed = deliveries.page(caller, endpoint.id, offset=0, limit=1)
            (delivery,) = listed.items
            assert (delivery.event_type, delivery.state) == ("project.created", "delivered"), (number, when)
            assert list(received) == [delivery.event], (number, when)
    assert pipeline.deaths >= 2 * (calls - 1)
