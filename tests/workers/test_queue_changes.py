"""From a change to a finished batch: whoever dies on the way, at whatever call, each change is served once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fluvial import aws as aws_clients
from fluvial import blobs, change_batches, change_queues, ids, record_schemas, records
from fluvial.aws import client
from fluvial.caller import Caller
from fluvial.change_queues import Queue
from fluvial.config import settings
from fluvial.events import Event
from fluvial.record_classes import ModelClass
from fluvial.record_schemas import Schema
from fluvial.records import Record
from fluvial.store import change_queues as store
from tests import factories
from tests.workers.pipeline import Died, Pipeline, own_client
from tests.workers.test_crashes import SERVICES, Crash, count_calls
from workers import queue_changes

MODEL = "grant_request"
MOMENTS = ("before", "after")


class QueuePipeline(Pipeline):
    """Only what brings changes to the queues: every round of each death asks every queue of messages."""

    def step(self) -> bool:
        return any([self.stream(), self.drain("QueueChangesQueue", queue_changes.handler)])


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def pipeline(aws: dict[str, str]) -> QueuePipeline:
    return QueuePipeline(aws)


@pytest.fixture
def crash(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Crash]:
    crash = Crash()
    for service in SERVICES:
        made = client(service)
        monkeypatch.setattr(made, "_make_api_call", crash.wrap(made._make_api_call))
    yield crash
    aws_clients.client.cache_clear()


def classes(caller: Caller) -> tuple[Schema, ModelClass]:
    schema = record_schemas.of(caller.account)
    return schema, schema.model(MODEL)


def new_record(caller: Caller, title: str = "Wells") -> Record:
    return records.create(caller, *classes(caller), {"project_title": title})


def new_queue(caller: Caller, **more: Any) -> Queue:
    return change_queues.create(caller, name="A queue", model=MODEL, **more)


def poll(caller: Caller, queue: Queue, limit: int = 1_000) -> tuple[str, list[int]]:
    text = change_batches.poll(caller, queue, limit=limit, new_uuid=change_queues.new_uuid)
    answer = json.loads(text)
    return answer["job_uuid"], [entry["identity"] for entry in answer["data"]]


def drain(caller: Caller, queue: Queue) -> list[int]:
    found: list[int] = []
    while (batch := poll(caller, queue))[1]:
        found += batch[1]
        change_batches.finish(queue, batch[0])
    return found


def once_more_after_death(crash: Crash, number: int, when: str, work: Callable[[], Any]) -> tuple[Any, bool]:
    """Dies at a call, and is tried again as a client does; what came of it, and whether it died."""
    crash.arm(number, when)
    try:
        return work(), False
    except Died:
        crash.countdown = None
        return work(), True
    finally:
        crash.countdown = None


def test_a_change_comes_through_stream_bus_and_queue_into_each_queue_that_wants_it(
    caller: Caller, pipeline: QueuePipeline
) -> None:
    every = new_queue(caller)
    wells = new_queue(caller, filter=["project_title", "eq", "Wells"], triggers=["created", "deleted"])
    first, second = new_record(caller), new_record(caller, "Roads")
    assert records.delete(caller, *classes(caller), first.id)
    pipeline.settle()
    assert drain(caller, every) == [first.id, second.id, first.id]
    assert drain(caller, wells) == [first.id, first.id]


def test_a_message_that_cannot_be_handled_comes_back_and_the_others_are_done(
    caller: Caller, pipeline: QueuePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = new_queue(caller)
    first, second = new_record(caller), new_record(caller, "Roads")
    collect = change_queues.collect
    failed = []

    def fail_once(event: Any) -> int:
        if event.data.get("id") == first.id and not failed:
            failed.append(event.id)
            raise RuntimeError("the table does not answer")
        return collect(event)

    monkeypatch.setattr(change_queues, "collect", fail_once)
    pipeline.settle()
    assert len(failed) == 1
    assert sorted(drain(caller, queue)) == [first.id, second.id]


def test_a_change_is_put_into_each_queue_once_whatever_dies_on_the_way(
    caller: Caller, pipeline: QueuePipeline, crash: Crash
) -> None:
    queues = [new_queue(caller), new_queue(caller, filter=["project_title", "eq", "Wells"])]
    pipeline.settle()
    new_record(caller)
    calls = count_calls(crash, pipeline.settle)
    assert calls >= 5
    for queue in queues:
        drain(caller, queue)
    for number, when in itertools.product(range(calls), MOMENTS):
        record = new_record(caller)
        crash.arm(number, when)
        pipeline.settle()
        crash.countdown = None
        pipeline.settle()
        # Half of them were served before the message came again.
        assert [drain(caller, queue) for queue in queues] == [[record.id]] * 2, (number, when)
    assert pipeline.deaths >= 2 * (calls - 1)


def test_a_page_with_many_below_it_is_collected_whole_whatever_dies_on_the_way(
    caller: Caller, pipeline: QueuePipeline, crash: Crash
) -> None:
    queue = change_queues.create(caller, name="Pages", model="page", triggers=["deleted"])
    moment = 1_795_104_125_000

    def event(start: int) -> Event:
        spelled = [ids.spell(ids.PAGE, start + number) for number in range(60)]
        data = {"id": spelled[0], "deleted_ids": spelled}
        return Event(f"{ids.spell(ids.EVENT, start)}0123456789", caller.account, "page.deleted", moment, data)

    calls = count_calls(crash, lambda: change_queues.collect(event(1_000)))
    assert len(store.waiting(queue, limit=1_000)) == 60
    for turn, (number, when) in enumerate(itertools.product(range(calls), MOMENTS), start=2):
        told = event(turn * 1_000)
        once_more_after_death(crash, number, when, lambda told=told: change_queues.collect(told))
        found = [entry.record for entry in store.waiting(queue, limit=10_000) if entry.event == told.id]
        assert sorted(found) == list(range(turn * 1_000, turn * 1_000 + 60)), (number, when)


def test_a_poll_survives_a_death_at_any_call(caller: Caller, pipeline: QueuePipeline, crash: Crash) -> None:
    queue = new_queue(caller)
    made = [new_record(caller).id, new_record(caller).id]
    pipeline.settle()
    calls = count_calls(crash, lambda: poll(caller, queue, 1))
    assert calls >= 5
    assert drain(caller, queue) == made
    died = 0
    for number, when in itertools.product(range(calls), MOMENTS):
        made = [new_record(caller).id, new_record(caller).id]
        pipeline.settle()
        (job, served), was_death = once_more_after_death(crash, number, when, lambda: poll(caller, queue, 1))
        died += was_death
        # The same batch again, also by a client that wants more.
        assert served == made[:1], (number, when)
        assert poll(caller, queue) == (job, served), (number, when)
        assert change_batches.finish(queue, job).count == 1
        assert drain(caller, queue) == made[1:], (number, when)
    assert died == 2 * calls


def test_a_finish_survives_a_death_at_any_call(caller: Caller, pipeline: QueuePipeline, crash: Crash) -> None:
    queue = new_queue(caller)

    def batch_of_two() -> tuple[str, list[int]]:
        made = [new_record(caller).id for _ in range(3)]
        pipeline.settle()
        job, served = poll(caller, queue, 2)
        assert served == made[:2]
        return job, made

    job, _ = batch_of_two()
    calls = count_calls(crash, lambda: change_batches.finish(queue, job))
    assert calls >= 4
    drain(caller, queue)
    for number, when in itertools.product(range(calls), MOMENTS):
        job, made = batch_of_two()
        finished, was_death = once_more_after_death(
            crash, number, when, lambda job=job: change_batches.finish(queue, job)
        )
        assert was_death, (number, when)
        assert finished == change_batches.Finished(job, 2), (number, when)
        assert drain(caller, queue) == made[2:], (number, when)
        assert change_batches.finish(queue, job).count == 2, (number, when)
    assert kept_answers(queue) == []


def test_what_a_dead_finish_began_is_ended_by_the_next_poll_before_it_serves_anything(
    caller: Caller, pipeline: QueuePipeline, crash: Crash
) -> None:
    queue = new_queue(caller)
    new_record(caller)
    pipeline.settle()
    job, _ = poll(caller, queue)
    calls = count_calls(crash, lambda: change_batches.finish(queue, job))
    for number, when in itertools.product(range(calls), MOMENTS):
        made = [new_record(caller).id for _ in range(3)]
        pipeline.settle()
        job, served = poll(caller, queue, 2)
        crash.arm(number, when)
        with pytest.raises(Died):
            change_batches.finish(queue, job)
        crash.countdown = None
        following, rest = poll(caller, queue)
        # Where the finish had not begun, the batch is still out.
        expected = served if following == job else made[2:]
        assert rest == expected, (number, when)
        assert change_batches.finish(queue, following).count == len(rest)
        assert change_batches.finish(queue, job).count == 2
        assert drain(caller, queue) == (made[2:] if following == job else []), (number, when)


def kept_answers(queue: Queue) -> list[str]:
    prefix = blobs.change_batch(queue.account, queue.id, "")
    found = own_client("s3").list_objects_v2(Bucket=settings().bucket, Prefix=prefix)
    return [item["Key"] for item in found.get("Contents", [])]
