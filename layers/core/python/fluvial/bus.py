"""The door to EventBridge and SQS: what is sent on, and what arrives."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from fluvial.aws import client
from fluvial.config import settings
from fluvial.log import log

BATCH = 10  # entries of one PutEvents or SendMessageBatch call
ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.1

Wire = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One event for the bus."""

    source: str
    type: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One message for a queue, to be seen after a delay of at most 900 seconds."""

    body: dict[str, Any]
    delay_seconds: int = 0


def publish(entries: Sequence[Entry]) -> None:
    """Puts all entries on the bus, those that it refuses again; raises if some still are refused at the end.

    After a failure it is unknown which arrived: the caller sends all again, and consumers know them by their id.
    """
    bus = settings().need("bus")

    def put(batch: list[Wire]) -> list[Wire]:
        results = client("events").put_events(Entries=batch)["Entries"]
        return [entry for entry, result in zip(batch, results, strict=True) if "ErrorCode" in result]

    _until_taken(
        [
            {"EventBusName": bus, "Source": entry.source, "DetailType": entry.type, "Detail": json.dumps(entry.detail)}
            for entry in entries
        ],
        put,
        "bus",
    )


def send(queue_url: str, messages: Sequence[Message]) -> None:
    """Puts all messages into the queue, those that it refuses again; raises if some still are refused at the end."""

    def put(batch: list[Wire]) -> list[Wire]:
        failed = client("sqs").send_message_batch(QueueUrl=queue_url, Entries=batch).get("Failed", ())
        ids = {failure["Id"] for failure in failed}
        return [entry for entry in batch if entry["Id"] in ids]

    _until_taken(
        [
            {"Id": str(position), "MessageBody": json.dumps(message.body), "DelaySeconds": message.delay_seconds}
            for position, message in enumerate(messages)
        ],
        put,
        "queue",
    )


def _until_taken(entries: list[Wire], put: Callable[[list[Wire]], list[Wire]], where: str) -> None:
    """Puts entries in batches, and those that `put` gives back as refused again after a growing pause."""
    waiting = entries
    for attempt in range(ATTEMPTS):
        batches = [waiting[start : start + BATCH] for start in range(0, len(waiting), BATCH)]
        waiting = [refused for batch in batches for refused in put(batch)]
        if not waiting:
            return
        time.sleep(FIRST_PAUSE_SECONDS * 2**attempt)
    raise RuntimeError(f"the {where} refused {len(waiting)} of {len(entries)}")


class LaterError(Exception):
    """Nothing is wrong with a message, but it cannot be handled for so many seconds yet."""

    def __init__(self, reason: str, *, seconds: int) -> None:
        super().__init__(reason)
        self.seconds = seconds


def run_batch(
    event: dict[str, Any],
    handle: Callable[[dict[str, Any]], None],
    *,
    threads: int = 1,
    queue_url: str | None = None,
    retry_seconds: int = 0,
) -> dict[str, Any]:
    """Handles each message of an SQS event and answers which failed, so that only those come back.

    A failed message returns when its visibility ends, and after the queue's last receive goes to its dead letters.
    With `queue_url`, for queues with a long visibility, it returns after `retry_seconds`, or when LaterError says.
    """

    def failed(record: dict[str, Any]) -> bool:
        try:
            handle(json.loads(record["body"]))
        except Exception as error:
            log.exception("message %s failed", record["messageId"])
            if queue_url is not None:
                seconds = error.seconds if isinstance(error, LaterError) else retry_seconds
                client("sqs").change_message_visibility(
                    QueueUrl=queue_url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=seconds
                )
            return True
        return False

    with ThreadPoolExecutor(threads) as pool:
        outcomes = list(pool.map(failed, event["Records"]))
    failures = [record["messageId"] for record, is_failed in zip(event["Records"], outcomes, strict=True) if is_failed]
    return {"batchItemFailures": [{"itemIdentifier": message} for message in failures]}
