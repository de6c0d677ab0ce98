"""The door to the bus and the queues: what is refused in part, and what comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fluvial import bus


class Aws:
    """The calls of the door, answered as told."""

    def __init__(self) -> None:
        self.events: list[list[str]] = []
        self.messages: list[list[str]] = []
        self.refuse: list[set[str]] = []
        self.visibility: dict[str, int] = {}

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:
        types = [entry["DetailType"] for entry in Entries]
        self.events.append(types)
        refused = self.refuse.pop(0) if self.refuse else set()
        return {"Entries": [{"ErrorCode": "Throttled"} if name in refused else {"EventId": name} for name in types]}

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        bodies = [json.loads(entry["MessageBody"])["n"] for entry in Entries]
        self.messages.append(bodies)
        refused = self.refuse.pop(0) if self.refuse else set()
        return {"Failed": [{"Id": entry["Id"]} for entry, n in zip(Entries, bodies, strict=True) if n in refused]}

    def change_message_visibility(self, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:
        self.visibility[ReceiptHandle] = VisibilityTimeout


@pytest.fixture
def aws_calls(monkeypatch: pytest.MonkeyPatch) -> Aws:
    calls = Aws()
    monkeypatch.setattr(bus, "client", lambda _: calls)
    monkeypatch.setattr(bus, "FIRST_PAUSE_SECONDS", 0)
    monkeypatch.setenv("FLUVIAL_BUS", "bus")
    return calls


def entries(*types: str) -> list[bus.Entry]:
    return [bus.Entry("fluvial", type, {}) for type in types]


def sqs_event(*bodies: dict[str, Any]) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": f"m{number}", "receiptHandle": f"r{number}", "body": json.dumps(body)}
            for number, body in enumerate(bodies)
        ]
    }


def test_events_go_ten_at_a_time(aws_calls: Aws) -> None:
    bus.publish(entries(*map(str, range(23))))
    assert [len(batch) for batch in aws_calls.events] == [10, 10, 3]


def test_only_the_events_that_the_bus_refused_are_sent_again(aws_calls: Aws) -> None:
    aws_calls.refuse = [{"b"}, {"b"}, set()]
    bus.publish(entries("a", "b", "c"))
    assert aws_calls.events == [["a", "b", "c"], ["b"], ["b"]]


def test_an_event_that_stays_refused_is_an_error_so_that_the_stream_brings_it_again(aws_calls: Aws) -> None:
    aws_calls.refuse = [{"b"}] * bus.ATTEMPTS
    with pytest.raises(RuntimeError, match="refused 1 of 2"):
        bus.publish(entries("a", "b"))


def test_only_the_messages_that_the_queue_refused_are_sent_again(aws_calls: Aws) -> None:
    aws_calls.refuse = [{2}, set()]
    bus.send("queue", [bus.Message({"n": n}) for n in range(3)])
    assert aws_calls.messages == [[0, 1, 2], [2]]


def test_a_message_that_stays_refused_is_an_error(aws_calls: Aws) -> None:
    aws_calls.refuse = [{1}] * bus.ATTEMPTS
    with pytest.raises(RuntimeError, match="refused 1 of 2"):
        bus.send("queue", [bus.Message({"n": n}) for n in range(2)])


def test_only_failed_messages_of_a_batch_come_back(aws_calls: Aws) -> None:
    def handle(message: dict[str, Any]) -> None:
        if message["poison"]:
            raise ValueError("poison")

    event = sqs_event({"poison": False}, {"poison": True}, {"poison": False})
    assert bus.run_batch(event, handle, threads=2) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert aws_calls.visibility == {}


def test_a_message_that_is_no_json_fails_alone(aws_calls: Aws) -> None:
    event = sqs_event({})
    event["Records"].append({"messageId": "bad", "receiptHandle": "bad", "body": "{nope"})
    assert bus.run_batch(event, lambda _: None) == {"batchItemFailures": [{"itemIdentifier": "bad"}]}


def test_a_failed_message_of_a_queue_with_long_visibility_comes_back_soon_and_one_that_must_wait_when_it_says(
    aws_calls: Aws,
) -> None:
    def handle(message: dict[str, Any]) -> None:
        raise bus.LaterError("held", seconds=960) if message["held"] else ValueError("broken")

    bus.run_batch(sqs_event({"held": True}, {"held": False}), handle, queue_url="queue", retry_seconds=30)
    assert aws_calls.visibility == {"r0": 960, "r1": 30}
