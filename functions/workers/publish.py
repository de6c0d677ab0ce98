"""Table stream -> bus: every recorded event, and every job that was recorded or handed over, for its worker.

At least once. What the bus does not take raises, and the stream gives the whole batch again: consumers know an event
by its id and a job by its state. The batch is never answered in part, because a stream that goes on after a part is
what loses events.
"""

from __future__ import annotations

from typing import Any

from fluvial import bus, ids
from fluvial.log import write_line
from fluvial.store import events as outbox
from fluvial.store import jobs
from fluvial.store.attributes import Item, item_from_wire


def handler(event: dict[str, Any], _: object) -> None:
    """Takes a DynamoDB stream event, filtered to new items of the types event and job, and to jobs queued again."""
    items = [item_from_wire(record["dynamodb"]["NewImage"]) for record in event["Records"]]
    entries = [entry for item in items if (entry := _entry(item)) is not None]
    bus.publish(entries)
    write_line("publish", entries=[entry.type for entry in entries])


def _entry(item: Item) -> bus.Entry | None:
    if item["type"] == outbox.TYPE:
        event = outbox.from_item(item)
        detail = {
            "id": event.id,
            "account": ids.spell(ids.ACCOUNT, event.account),
            "created": event.created,
            "data": event.data,
            **({"cause": event.cause.to_json()} if event.cause else {}),
            **({"silent": True} if event.silent else {}),
        }
        return bus.Entry("fluvial", event.type, detail)
    if item["type"] == jobs.TYPE:
        detail = {"account": ids.spell(ids.ACCOUNT, item["account"]), "job": ids.spell(ids.JOB, item["id"])}
        stage = {"stage": item["stage"]} if "stage" in item else {}
        return bus.Entry("fluvial.jobs", "job.queued", {**detail, "kind": item["kind"], **stage})
    return None
