"""Deliveries in the table, by endpoint. They expire; so their total is kept per day, and days expire alike."""

from __future__ import annotations

from typing import Any

from fluvial import clock, deliveries
from fluvial.store import keys, table
from fluvial.store.attributes import Item

KEPT_DAYS = 30


def create(delivery: deliveries.Delivery) -> bool:
    """Stores a new delivery and counts it; False where it is there already."""
    partition = keys.deliveries(delivery.account, delivery.endpoint)
    expires = _expires(delivery.created)
    day = table.update(
        (f"{partition}#total", f"{delivery.created // clock.DAY:06d}"),
        "SET #type = :type, expires = :expires ADD things :one",
        None,
        {"#type": "type"},
        type="total",
        expires=expires,
        one=1,
    )
    try:
        table.transact([table.put((partition, delivery.event), {**_to_item(delivery), "expires": expires}), day])
    except table.ConditionError:
        return False
    return True


def get(account_id: int, endpoint_id: int, event_id: str) -> deliveries.Delivery | None:
    item = table.get((keys.deliveries(account_id, endpoint_id), event_id))
    return _from_item(item) if item else None


def is_pending(delivery: deliveries.Delivery) -> bool:
    """Whether nobody began the delivery yet."""
    found = get(delivery.account, delivery.endpoint, delivery.event)
    return found is not None and found.state == "pending"


def total(account_id: int, endpoint_id: int, *, now: int) -> int:
    """Deliveries of the days that are kept."""
    first_day = f"{now // clock.DAY - KEPT_DAYS:06d}"
    days = table.query(f"{keys.deliveries(account_id, endpoint_id)}#total")
    return sum(day["things"] for day in days if day["sk"] >= first_day)


def page(account_id: int, endpoint_id: int, *, skip: int, limit: int) -> list[deliveries.Delivery]:
    """Newest first. The caller asks for no more than `total`, so those of expired days are not met."""
    items = table.query(keys.deliveries(account_id, endpoint_id), forward=False, skip=skip, limit=limit)
    return [_from_item(item) for item in items]


def claim(
    account_id: int, endpoint_id: int, event_id: str, number: int, *, now: int, lease_until: int
) -> deliveries.Delivery | None:
    """Begins the attempt with this number; None where it was begun, unless its worker's lease has ended."""
    it_is_the_next = "#number = :before AND #state IN (:pending, :waiting)"
    its_worker_died = "#number = :number AND #state = :sending AND lease_until < :now"
    try:
        item = table.write(
            table.update(
                (keys.deliveries(account_id, endpoint_id), event_id),
                "SET #number = :number, #state = :sending, lease_until = :lease_until",
                f"({it_is_the_next}) OR ({its_worker_died})",
                {"#number": "number", "#state": "state"},
                before=number - 1,
                number=number,
                pending="pending",
                waiting="waiting",
                sending="sending",
                now=now,
                lease_until=lease_until,
            )
        )
    except table.ConditionError:
        return None
    return _from_item(item)


def note(delivery: deliveries.Delivery) -> bool:
    """Stores the outcome of an attempt; False where another worker took it over after the lease."""
    still_this_attempt = "#number = :number AND #state = :sending"
    item = _to_item(delivery)
    values: dict[str, Any] = {"number": delivery.number, "sending": "sending"}
    names = {"#number": "number", "#state": "state"}
    changes = ["#state = :state", "attempts = :attempts"]
    values |= {"state": item["state"], "attempts": item["attempts"]}
    for name in ("next_at", "ended", "failure"):
        if item[name] is not None:
            changes.append(f"{name} = :{name}")
            values[name] = item[name]
    action = table.update(
        (keys.deliveries(delivery.account, delivery.endpoint), delivery.event),
        f"SET {', '.join(changes)}",
        still_this_attempt,
        names,
        **values,
    )
    try:
        table.write(action)
    except table.ConditionError:
        return False
    return True


def _expires(created: int) -> int:
    """Epoch seconds: the end of the day of creation, and the days that are kept."""
    return (created // clock.DAY + 1 + KEPT_DAYS) * clock.DAY // clock.SECOND


def _to_item(delivery: deliveries.Delivery) -> Item:
    return {
        "type": "delivery",
        "account": delivery.account,
        "endpoint": delivery.endpoint,
        "event": delivery.event,
        "event_type": delivery.event_type,
        "created": delivery.created,
        "state": delivery.state,
        "number": delivery.number,
        "attempts": [
            {
                "at": attempt.at,
                "status": attempt.status,
                "error": attempt.error,
                "milliseconds": attempt.milliseconds,
                "body": attempt.body,
            }
            for attempt in delivery.attempts
        ],
        "next_at": delivery.next_at,
        "ended": delivery.ended,
        "failure": delivery.failure,
    }


def _from_item(item: Item) -> deliveries.Delivery:
    return deliveries.Delivery(
        event=item["event"],
        account=item["account"],
        endpoint=item["endpoint"],
        event_type=item["event_type"],
        created=item["created"],
        state=item["state"],
        number=item["number"],
        attempts=tuple(deliveries.Attempt(**attempt) for attempt in item["attempts"]),
        next_at=item.get("next_at"),
        ended=item.get("ended"),
        failure=item.get("failure"),
    )
