"""The worker that makes snapshots of classes of records: safe when it is run twice, at once, late or for nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fluvial import clock, record_queries, record_replicas, record_schemas, record_snapshots
from fluvial.caller import Caller
from fluvial.record_queries import Query
from fluvial.store import records as store
from tests import factories
from tests.core.record_sample import Process, changed, made
from tests.workers.pipeline import Died, Pipeline, own_client
from workers import snapshot_records

SCHEMA = record_schemas.Schema(0)
PROGRAM = SCHEMA.model("program")


@pytest.fixture
def caller(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Caller]:
    """The owner of an account with four programs, which are many here."""
    monkeypatch.setattr(store, "PAGE", 3)
    monkeypatch.setattr(record_replicas, "MANY_CHANGES", 3)
    caller = factories.new_caller()
    for number in range(4):
        made(caller, PROGRAM, name=str(number))
    yield caller
    record_replicas.forget_all()


@pytest.fixture
def pipeline(aws: dict[str, str]) -> Pipeline:
    return Pipeline(aws)


def names(caller: Caller) -> list[Any]:
    found = record_queries.page(caller, SCHEMA, Query(PROGRAM, per_page=500), walk="w")
    return [record.values["name"] for record in found.records]


def work(pipeline: Pipeline) -> bool:
    return pipeline.drain("SnapshotRecordsQueue", snapshot_records.handler)


def put(aws: dict[str, str], **message: Any) -> None:
    own_client("sqs").send_message(QueueUrl=aws["SnapshotRecordsQueue"], MessageBody=json.dumps(message))


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]


def test_who_reads_many_records_leaves_a_snapshot_behind_for_the_next(
    caller: Caller, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert names(caller) == ["0", "1", "2", "3"]
    assert record_snapshots.position(caller.account, "program") == 0
    assert work(pipeline)
    assert 0 < record_snapshots.position(caller.account, "program") <= clock.now()
    (line,) = [line for line in lines(capsys) if line["message"] == "snapshot_records"]
    assert (line["model"], line["outcome"]) == ("program", "made")
    assert not work(pipeline)
    whole = record_replicas._whole
    monkeypatch.setattr(record_replicas, "_whole", lambda *_: pytest.fail("the class was read whole"))
    other = Process()
    with other.at_work():
        assert names(caller) == ["0", "1", "2", "3"]
    other.end()
    monkeypatch.setattr(record_replicas, "_whole", whole)


def test_a_wish_that_came_true_meanwhile_does_nothing(
    caller: Caller, aws: dict[str, str], pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        put(aws, account=caller.account, model="program", than=0)
    stored: list[int] = []
    keep = record_snapshots.store
    monkeypatch.setattr(record_snapshots, "store", lambda table: stored.append(1) or keep(table))
    while work(pipeline):
        pass
    assert stored == [1]
    put(aws, account=caller.account, model="program", than=record_snapshots.position(caller.account, "program"))
    assert work(pipeline)
    assert stored == [1, 1]


def test_a_worker_that_dies_leaves_the_snapshot_before_and_its_message_comes_again(
    caller: Caller, aws: dict[str, str], pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(aws, account=caller.account, model="program", than=0)
    assert work(pipeline)
    before = record_snapshots.position(caller.account, "program")
    record = made(caller, PROGRAM, name="new")
    put(aws, account=caller.account, model="program", than=before)
    with monkeypatch.context() as patch:
        patch.setattr(record_snapshots.blobs, "put_file", lambda *_, **__: (_ for _ in ()).throw(Died()))
        assert work(pipeline)
    assert pipeline.deaths == 1
    assert record_snapshots.position(caller.account, "program") == before
    changed(record, PROGRAM, name="newer")
    assert work(pipeline)
    assert record_snapshots.position(caller.account, "program") > before
    other = Process()
    with other.at_work():
        assert names(caller)[-1] == "newer"
    other.end()


def test_a_class_that_is_gone_has_no_snapshot_and_its_message_does_not_come_again(
    caller: Caller, aws: dict[str, str], pipeline: Pipeline
) -> None:
    put(aws, account=caller.account, model="mac_model_type_dyn_gone", than=0)
    assert work(pipeline)
    assert not work(pipeline)
    assert record_snapshots.position(caller.account, "mac_model_type_dyn_gone") == 0
