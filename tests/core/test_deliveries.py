"""Deliveries: attempts, retries, and what survives a worker that dies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from standardwebhooks import Webhook

from fluvial import bus, clock, deliveries, events, outbound, webhooks
from fluvial.caller import Caller
from fluvial.store import deliveries as store
from fluvial.store import events as outbox
from fluvial.store import table
from tests import factories

OK = outbound.Answer(200, "thanks", None, 3)
BUSY = outbound.Answer(503, "later", None, 3)


class Died(BaseException):
    """A worker that is gone in the middle: nothing of it runs on."""


class Queue:
    """Messages as they were sent to the deliver queue."""

    def __init__(self) -> None:
        self.messages: list[bus.Message] = []

    def send(self, _: str, messages: list[bus.Message]) -> None:
        self.messages += messages


class Receiver:
    """Answers as told, one after the other, and keeps what came."""

    def __init__(self, *answers: outbound.Answer) -> None:
        self.answers = list(answers)
        self.received: list[tuple[str, bytes, dict[str, str]]] = []

    def post(self, url: str, body: bytes, headers: dict[str, str], *, allow_private: bool) -> outbound.Answer:
        self.received.append((url, body, headers))
        return self.answers.pop(0)


@pytest.fixture
def queue(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Queue:
    queue = Queue()
    monkeypatch.setattr(bus, "send", queue.send)
    return queue


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def endpoint(caller: Caller) -> webhooks.Endpoint:
    return webhooks.create(caller, url="http://127.0.0.1:9/hook", events=["project.created"])


@pytest.fixture
def event(caller: Caller) -> events.Event:
    event = events.happened(caller.account, "project.created", {"id": "proj_x"}, at=clock.now())
    table.write(outbox.record(event))
    return event


def attempt(endpoint: webhooks.Endpoint, event: events.Event, number: int, **arguments: Any) -> None:
    deliveries.attempt(endpoint.account, endpoint.id, event.id, number, chance=lambda: 0.5, **arguments)


def found(endpoint: webhooks.Endpoint, event: events.Event) -> deliveries.Delivery:
    delivery = store.get(endpoint.account, endpoint.id, event.id)
    assert delivery is not None
    return delivery


def test_fan_out_makes_one_delivery_for_each_endpoint_that_wants_the_event(
    caller: Caller, endpoint: webhooks.Endpoint, event: events.Event, queue: Queue
) -> None:
    everything = webhooks.create(caller, url="http://127.0.0.1:9/all", events=["*"])
    webhooks.create(caller, url="http://127.0.0.1:9/other", events=["data.failed"])
    off = webhooks.create(caller, url="http://127.0.0.1:9/off", events=["*"])
    webhooks.update(caller, off.id, webhooks.Change(enabled=False))
    stranger = factories.new_caller()
    webhooks.create(stranger, url="http://127.0.0.1:9/stranger", events=["*"])
    assert deliveries.fan_out(event) == 2
    assert {message.body["endpoint"] for message in queue.messages} == {endpoint.id, everything.id}


def test_fan_out_again_makes_no_second_delivery_but_queues_what_nobody_began(
    endpoint: webhooks.Endpoint, event: events.Event, queue: Queue, caller: Caller
) -> None:
    assert deliveries.fan_out(event) == 1
    assert deliveries.fan_out(event) == 1
    assert deliveries.page(caller, endpoint.id, offset=0, limit=10).total == 1
    attempt(endpoint, event, 1, post=Receiver(OK).post)
    assert deliveries.fan_out(event) == 0


def test_what_is_sent_is_accepted_by_the_standard_verifier(
    endpoint: webhooks.Endpoint, event: events.Event, queue: Queue
) -> None:
    deliveries.fan_out(event)
    receiver = Receiver(OK)
    attempt(endpoint, event, 1, post=receiver.post)
    ((url, body, headers),) = receiver.received
    assert url == endpoint.url
    assert headers["webhook-id"] == event.id
    assert "." not in event.id
    assert Webhook(endpoint.secret).verify(body, headers) == {
        "type": "project.created",
        "timestamp": clock.iso(event.created),
        "data": {"id": "proj_x"},
    }
    delivery = found(endpoint, event)
    assert (delivery.state, delivery.attempts[0].status, delivery.attempts[0].body) == ("delivered", 200, "thanks")


def test_while_a_secret_rolls_both_secrets_verify(
    caller: Caller, endpoint: webhooks.Endpoint, event: events.Event, queue: Queue
) -> None:
    deliveries.fan_out(event)
    rolled = webhooks.update(caller, endpoint.id, webhooks.Change(secret="a-new-secret-of-mine"))
    receiver = Receiver(OK)
    attempt(endpoint, event, 1, post=receiver.post)
    ((_, body, headers),) = receiver.received
    for secret in (endpoint.secret, rolled.secret):
        Webhook(secret).verify(body, headers)


def test_failed_attempts_are_repeated_after_5_seconds_and_5_minutes_and_then_given_up(
    endpoint: webhooks.Endpoint, event: events.Event, queue: Queue
) -> None:
    deliveries.fan_out(event)
    receiver = Receiver(BUSY, outbound.Answer(None, "", "The connection was refused.", 1), BUSY)
    for number in (1, 2, 3):
        attempt(endpoint, event, number, post=receiver.post)
    assert [(message.body["number"], message.delay_seconds) for message in queue.messages] == [(1, 0), (2, 5), (3, 300)]
    delivery = found(endpoint, event)
    assert (delivery.state, delivery.failure) == ("failed", "Given up after 3 attempts.")
    assert [each.status for each in delivery.attempts] == [503, None, 503]
    assert {headers["webhook-id"] for _, _, headers in receiver.received} == {event.id}


def test_a_receivers_retry_after_is_honoured_as_far_as_the_queue_can_wait(
    endpoint: webhooks.Endpoint, event: events.Event, queue: Queue
) -> None:
    deliveries.fan_out(event)
    attempt(endpoint, event, 1, post=Receiver(outbound.Answer(429, "", None, 1, retry_after="120")).post)
    attempt(endpoint, event, 2, post=Receiver(outbound.Answer(429, "", None, 1, retry_after="86400")).post)
    assert [message.delay_seconds for message in queue.messages] == [0, 120, 900]


def test_410_disables_the_endpoint(
    caller: Caller, endpoint: webhooks.Endpoint, event: events.Event, queue: Queue
) -> None:
    deliveries.fan_out(event)
    attempt(endpoint, event, 1, post=Receiver(outbound.Answer(410, "", None, 1)).post)
    assert found(endpoint, event).state == "failed"
    now = webhooks.get(caller, endpoint.id)
    assert (now.enabled, now.disabled_reason) == (False, "it answered 410 Gone")


def test_of_two_messages_for_one_attempt_only_one_sends(
    endpoint: webhooks.Endpoint, event: events.Event, queue: Queue
) -> None:
    deliveries.fan_out(event)
    receiver = Receiver(OK)
    attempt(endpoint, event, 1, post=receiver.post)
    attempt(endpoint, event, 1, post=receiver.post)
    assert len(receiver.received) == 1


def test_a_worker_that_dies_while_sending_is_followed_by_another_after_its_lease(
    endpoint: webhooks.Endpoint, event: events.Event, queue: Queue
) -> None:
    deliveries.fan_out(event)

    def die(*_: object, **__: object) -> outbound.Answer:
        raise Died

    with pytest.raises(Died):
        attempt(endpoint, event, 1, post=die)
    with pytest.raises(deliveries.BeingSentError):
        attempt(endpoint, event, 1, post=Receiver().post)
    later = clock.now() + deliveries.LEASE_MILLISECONDS + 1
    attempt(endpoint, event, 1, post=Receiver(OK).post, now=lambda: later)
    assert found(endpoint, event).state == "delivered"


def test_a_worker_that_dies_before_it_queued_the_next_attempt_loses_nothing(
    endpoint: webhooks.Endpoint, event: events.Event, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries.fan_out(event)

    def die(*_: object) -> None:
        raise Died

    with monkeypatch.context() as broken:
        broken.setattr(bus, "send", die)
        with pytest.raises(Died):
            attempt(endpoint, event, 1, post=Receiver(BUSY).post)
    receiver = Receiver(OK)
    attempt(endpoint, event, 1, post=receiver.post)
    assert receiver.received == []
    assert [message.body["number"] for message in queue.messages] == [1, 2]
    attempt(endpoint, event, 2, post=receiver.post)
    assert found(endpoint, event).state == "delivered"


@pytest.mark.parametrize(
    "change",
    [lambda c, e: webhooks.delete(c, e.id), lambda c, e: webhooks.update(c, e.id, webhooks.Change(enabled=False))],
)
def test_nothing_is_sent_to_an_endpoint_that_is_gone_or_off(
    caller: Caller,
    endpoint: webhooks.Endpoint,
    event: events.Event,
    queue: Queue,
    change: Callable[[Caller, webhooks.Endpoint], object],
) -> None:
    deliveries.fan_out(event)
    change(caller, endpoint)
    receiver = Receiver()
    attempt(endpoint, event, 1, post=receiver.post)
    assert receiver.received == []
    assert found(endpoint, event).failure == "Not sent: the endpoint was deleted or disabled."


def test_deliveries_are_listed_newest_first_for_thirty_days(
    caller: Caller, endpoint: webhooks.Endpoint, queue: Queue
) -> None:
    def send_on(day: int) -> str:
        event = events.happened(caller.account, "project.created", {}, at=day * clock.DAY)
        deliveries.fan_out(event, now=lambda: day * clock.DAY)
        return event.id

    made = [send_on(day) for day in (100, 120, 121)]
    listed = deliveries.page(caller, endpoint.id, offset=0, limit=10, now=lambda: 125 * clock.DAY)
    assert (listed.total, [item.event for item in listed.items]) == (3, made[::-1])
    later = deliveries.page(caller, endpoint.id, offset=0, limit=10, now=lambda: 140 * clock.DAY)
    assert (later.total, [item.event for item in later.items]) == (2, made[:0:-1])
