"""Deliveries: one event on its way to one endpoint, at least once and under one id.

    pending --claim 1--> sending --2xx--> delivered
                           | ^  '-------> failed     no attempt is left, the endpoint answered 410, or is gone
                  not 2xx  v |
                         waiting --claim 2, 3 …

Each attempt has one message in the queue, and the claim is conditional on the attempt's number: of two messages for
one attempt only one sends. A worker that dies while sending holds a lease; its message comes back after the lease
and sends again. A worker that dies after noting a failure has not queued the next attempt; its message comes back,
too, and queues it. So nothing is lost at any point, and a receiver may see an event twice.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from fluvial import backoff, bus, clock, ids, outbound, signing
from fluvial.caller import Caller
from fluvial.config import settings
from fluvial.events import Event
from fluvial.paging import Slice
from fluvial.store import deliveries as store
from fluvial.store import events as outbox
from fluvial.store import webhooks as endpoints
from fluvial.webhooks import Endpoint, get

LEASE_MILLISECONDS = 2 * clock.MINUTE  # longer than an attempt can take, shorter than the queue's visibility
KEPT_BODY_CHARACTERS = 2_000
GONE = 410


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: when, and either the receiver's status with the beginning of its answer, or what went wrong."""

    at: int
    status: int | None
    error: str | None
    milliseconds: int
    body: str

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Delivery:
    """Times in milliseconds. `number` is that of the last attempt begun, `attempts` are those that ended."""

    event: str
    account: int
    endpoint: int
    event_type: str
    created: int
    state: str = "pending"
    number: int = 0
    attempts: tuple[Attempt, ...] = ()
    next_at: int | None = None
    ended: int | None = None
    failure: str | None = None

    @property
    def id(self) -> str:
        """The event's id under the delivery's prefix; unique for its endpoint."""
        return self.event.replace(ids.EVENT, ids.DELIVERY, 1)

    def message(self, number: int, delay_seconds: int = 0) -> bus.Message:
        """The queue's message for the attempt with this number."""
        body = {"account": self.account, "endpoint": self.endpoint, "event": self.event, "number": number}
        return bus.Message(body, delay_seconds)


class BeingSentError(Exception):
    """Another worker is sending this attempt: the message has to come back later."""


def fan_out(event: Event, *, now: clock.Now = clock.now) -> int:
    """Makes one delivery for each endpoint that wants the event, and queues them; returns how many.

    At least once: run again, it finds its deliveries and queues those that nobody began.
    """
    messages = []
    for endpoint in endpoints.all_of(event.account):
        if endpoint.wants(event.type):
            delivery = Delivery(event.id, event.account, endpoint.id, event.type, now())
            if store.create(delivery) or store.is_pending(delivery):
                messages.append(delivery.message(1))
    if messages:
        bus.send(settings().need("deliver_queue_url"), messages)
    return len(messages)


def attempt(
    account_id: int,
    endpoint_id: int,
    event_id: str,
    number: int,
    *,
    now: clock.Now = clock.now,
    post: Callable[..., outbound.Answer] = outbound.post,
    chance: Callable[[], float] = random.random,
) -> None:
    """Makes the attempt with this number, once: sends, notes the outcome, queues the next if one is due.

    BeingSentError while another worker may still be sending it.
    """
    moment = now()
    delivery = store.claim(
        account_id, endpoint_id, event_id, number, now=moment, lease_until=moment + LEASE_MILLISECONDS
    )
    if delivery is None:
        _resume(account_id, endpoint_id, event_id, number, moment)
        return
    endpoint, event = endpoints.get(account_id, endpoint_id), outbox.get(account_id, event_id)
    if endpoint is None or event is None or not endpoint.enabled:
        what = "the event has expired" if event is None else "the endpoint was deleted or disabled"
        store.note(replace(delivery, state="failed", ended=moment, failure=f"Not sent: {what}."))
        return
    body, seconds = event.body(), moment // clock.SECOND
    answer = post(
        endpoint.url,
        body,
        {"content-type": "application/json", **signing.headers(event.id, seconds, body, endpoint.secrets(moment))},
        allow_private=settings().webhooks_allow_private,
    )
    _conclude(delivery, endpoint, answer, now(), chance)


def page(caller: Caller, endpoint_id: int, *, offset: int, limit: int, now: clock.Now = clock.now) -> Slice[Delivery]:
    """The endpoint's deliveries of the last 30 days, newest first."""
    get(caller, endpoint_id)
    total = store.total(caller.account, endpoint_id, now=now())
    items = (
        store.page(caller.account, endpoint_id, skip=offset, limit=min(limit, total - offset)) if offset < total else []
    )
    return Slice(items, offset, total)


def _conclude(
    delivery: Delivery, endpoint: Endpoint, answer: outbound.Answer, now: int, chance: Callable[[], float]
) -> None:
    """Notes what became of the attempt, and queues the next if one is due."""
    made = Attempt(now, answer.status, answer.error, answer.milliseconds, answer.body[:KEPT_BODY_CHARACTERS])
    delivery = replace(delivery, attempts=(*delivery.attempts, made))
    if made.succeeded:
        store.note(replace(delivery, state="delivered", ended=now))
        return
    if answer.status == GONE:
        disabled = replace(
            endpoint,
            enabled=False,
            disabled_reason="it answered 410 Gone",
            updated=max(now, endpoint.updated),
            revision=endpoint.revision + 1,
        )
        # Where the owner changed the endpoint meanwhile, the owner's word stands.
        endpoints.update(disabled)
        store.note(replace(delivery, state="failed", ended=now, failure="The endpoint answered 410 Gone."))
        return
    delay_seconds = _next_delay(delivery.number, answer, now, chance)
    if delay_seconds is None:
        failure = f"Given up after {delivery.number} attempts."
        store.note(replace(delivery, state="failed", ended=now, failure=failure))
        return
    waiting = replace(delivery, state="waiting", next_at=now + delay_seconds * clock.SECOND)
    if store.note(waiting):
        _queue(waiting, delivery.number + 1, delay_seconds)


def _next_delay(number: int, answer: outbound.Answer, now: int, chance: Callable[[], float]) -> int | None:
    """Seconds until the attempt after this one, or None if it was the last.

    Attempts are made as far as a queue can delay them, 15 minutes; a Retry-After moves them back within that.
    """
    if number >= backoff.queue_attempts():
        return None
    scheduled = backoff.delay_before(number + 1, random=chance)
    if scheduled is None:
        return None
    asked = backoff.retry_after_seconds(answer.retry_after, now / clock.SECOND) or 0
    return min(max(scheduled, asked), backoff.QUEUE_DELAY_LIMIT_SECONDS)


def _resume(account_id: int, endpoint_id: int, event_id: str, number: int, now: int) -> None:
    """What to do with a message whose attempt cannot be claimed: it ended, or somebody is at it."""
    delivery = store.get(account_id, endpoint_id, event_id)
    if delivery is None or delivery.number != number:
        return
    if delivery.state == "sending":
        raise BeingSentError(f"attempt {number} of {delivery.id} is being sent")
    if delivery.state == "waiting" and delivery.next_at is not None:
        # Its worker may have died before it queued the next attempt; a second message for it does no harm.
        left_seconds = max(delivery.next_at - now, 0) // clock.SECOND
        _queue(delivery, number + 1, min(left_seconds, backoff.QUEUE_DELAY_LIMIT_SECONDS))


def _queue(delivery: Delivery, number: int, delay_seconds: int) -> None:
    bus.send(settings().need("deliver_queue_url"), [delivery.message(number, delay_seconds)])
