"""The shapes of the webhooks group."""

from __future__ import annotations

from typing import Annotated, Any

from fluvial import clock, deliveries, events, ids, signing, webhooks
from fluvial.http.wire import A_CHANGE, Documented, Request, Shape, one_of
from reference.wire.common import Page

Url = Annotated[str, Documented(format="uri", pattern="^[Hh][Tt][Tt][Pp][Ss]?://")]
Events = Annotated[list[Annotated[str, one_of((*events.TYPES, webhooks.EVERYTHING))]], Documented(minItems=1)]
Secret = Annotated[str, Documented(minLength=signing.MIN_TEXT_BYTES)]


class EndpointCreate(Request):
    url: Url
    events: Events
    secret: Secret | None = None


class EndpointUpdate(Request):
    model_config = A_CHANGE

    url: Url | None = None
    events: Events | None = None
    secret: Secret | None = None
    enabled: bool | None = None

    def to_core(self) -> webhooks.Change:
        return webhooks.Change(self.url, self.events, self.secret, self.enabled)


class Endpoint(Shape):
    id: str
    url: str
    events: list[str]
    enabled: bool
    disabled_reason: str | None
    created_at: str
    updated_at: str

    @classmethod
    def from_core(cls, endpoint: webhooks.Endpoint) -> Endpoint:
        return cls(**_endpoint_fields(endpoint))


class NewEndpoint(Endpoint):
    """The answers that have the signing secret: creation, and a change of the secret."""

    secret: str

    @classmethod
    def shown_once(cls, endpoint: webhooks.Endpoint) -> NewEndpoint:
        return cls(**_endpoint_fields(endpoint), secret=endpoint.secret)


class EndpointsPage(Page):
    data: list[Endpoint]


class Attempt(Shape):
    at: str
    status: int | None
    error: str | None
    milliseconds: int
    body: str


class Delivery(Shape):
    id: str
    event_id: str
    event_type: str
    state: str
    attempts: list[Attempt]
    created_at: str
    next_attempt_at: str | None
    ended_at: str | None
    failure: str | None

    @classmethod
    def from_core(cls, delivery: deliveries.Delivery) -> Delivery:
        waits = delivery.state == "waiting" and delivery.next_at is not None
        return cls(
            id=delivery.id,
            event_id=delivery.event,
            event_type=delivery.event_type,
            state=delivery.state,
            attempts=[
                Attempt(
                    at=clock.iso(attempt.at),
                    status=attempt.status,
                    error=attempt.error,
                    milliseconds=attempt.milliseconds,
                    body=attempt.body,
                )
                for attempt in delivery.attempts
            ],
            created_at=clock.iso(delivery.created),
            next_attempt_at=clock.iso(delivery.next_at) if waits and delivery.next_at is not None else None,
            ended_at=None if delivery.ended is None else clock.iso(delivery.ended),
            failure=delivery.failure,
        )


class DeliveriesPage(Page):
    data: list[Delivery]


def _endpoint_fields(endpoint: webhooks.Endpoint) -> dict[str, Any]:
    return {
        "id": ids.spell(ids.ENDPOINT, endpoint.id),
        "url": endpoint.url,
        "events": list(endpoint.events),
        "enabled": endpoint.enabled,
        "disabled_reason": endpoint.disabled_reason,
        "created_at": clock.iso(endpoint.created),
        "updated_at": clock.iso(endpoint.updated),
    }
