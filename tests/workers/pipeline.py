"""The asynchronous half of the stack on moto: what the table's stream, the bus and the queues do between the workers.

moto carries events from the bus through the template's rules into the queues, but runs no function and feeds no
stream. This does, and lets a worker die on the way: a stream batch or a message whose worker died comes again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import boto3

from tests import in_moto
from workers import (
    analyse,
    compute_report,
    deliver,
    export,
    fail_job,
    fan_out,
    ingest,
    prepare,
    publish,
    publish_site,
    render_report,
    sweep,
)


class Died(BaseException):
    """A worker that is gone at once, as in a crash: it catches nothing and cleans up nothing."""


@cache
def own_client(service: str) -> Any:
    """A client of the pipeline's own: its calls are AWS's, and no worker dies of them."""
    return boto3.client(service)


class Pipeline:
    """Carries everything that was recorded as far as it goes."""

    def __init__(self, resources: dict[str, str]) -> None:
        self.resources = resources
        self.published: set[tuple[object, ...]] = set()
        self.deaths = 0

    def settle(self, rounds: int = 60) -> None:
        """Runs the workers until nothing moves: all is done, or waits for a lease to end."""
        for _ in range(rounds):
            if not self.step():
                return
        raise AssertionError("the pipeline does not come to rest")

    def step(self) -> bool:
        """One round of all workers; whether there was anything to do."""
        busy = [
            self.stream(),
            self.drain("IngestQueue", ingest.handler),
            self.drain("AnalyseQueue", analyse.handler),
            self.drain("ExportQueue", export.handler),
            self.drain("PrepareQueue", prepare.handler),
            self.drain("PublishSiteQueue", publish_site.handler),
            self.drain("ComputeReportQueue", compute_report.handler),
            self.drain("RenderReportQueue", render_report.handler),
            self.drain("FanOutQueue", fan_out.handler),
            self.drain("DeliverQueue", deliver.handler),
            self.drain("SweepQueue", sweep.handler),
            self.drain("IngestDeadLetters", fail_job.handler),
            self.drain("AnalyseDeadLetters", fail_job.handler),
            self.drain("ExportDeadLetters", fail_job.handler),
            self.drain("PrepareDeadLetters", fail_job.handler),
            self.drain("PublishSiteDeadLetters", fail_job.handler),
            self.drain("ComputeReportDeadLetters", fail_job.handler),
            self.drain("RenderReportDeadLetters", fail_job.handler),
        ]
        return any(busy)

    def stream(self) -> bool:
        """New events and jobs of the table, and jobs that were handed over, to the publisher; again if it died."""
        fresh = {
            mark: in_moto.wire(attributes)
            for key, attributes in in_moto.items(self.resources["Table"])
            if (mark := _mark(key, attributes)) is not None and mark not in self.published
        }
        if not fresh:
            return False
        records = [{"eventName": "INSERT", "dynamodb": {"NewImage": item}} for item in fresh.values()]
        if self._survives(lambda: publish.handler({"Records": records}, None)):
            self.published |= fresh.keys()
        return True

    def drain(self, queue: str, handler: Callable[[dict[str, Any], Any], Any]) -> bool:
        """One receive of a queue, to its worker; what fails, or whose worker died, stays. Whether anything moved."""
        sqs, url = own_client("sqs"), self.resources[queue]
        if in_moto.is_empty(url):
            return False
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
        if not messages:
            return False
        records = [
            {"messageId": each["MessageId"], "receiptHandle": each["ReceiptHandle"], "body": each["Body"]}
            for each in messages
        ]
        answer: dict[str, Any] = {}
        if not self._survives(lambda: answer.update(handler({"Records": records}, None))):
            return True
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for each in messages:
            if each["MessageId"] not in failed:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
        return len(failed) < len(messages)

    def _survives(self, work: Callable[[], object]) -> bool:
        try:
            work()
        except Died:
            self.deaths += 1
            return False
        return True


def _mark(key: tuple[str, str], attributes: Any) -> tuple[object, ...] | None:
    """What tells a record of the stream apart from those before it; None for an item that its filter leaves out."""
    type_, stage = attributes["type"].value, attributes.get("stage")
    if type_ == "event" or (type_ == "job" and stage is None):
        return key
    if type_ == "job" and attributes["state"].value == "queued":
        return *key, stage.value, attributes["attempt"].value
    return None
