"""The data plane of the real template in moto, and the settings that go with it."""

from __future__ import annotations

import copy
import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Condition
from typing import Any
from unittest.mock import patch

import boto3
from moto import mock_aws
from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.sqs.models import sqs_backends

from tests import template
from tests.quick_moto import quick

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
}
SERVICES = ("apigateway", "dynamodb", "events", "kms", "s3", "sqs")

# What moto has in its memory, by service, and by account and region.
States = dict[str, dict[tuple[str, str], dict[str, Any]]]
# Items of a table, by partition and sort key.
Partitions = dict[Any, dict[Any, Any]]


@contextmanager
def stack(data_plane: str) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Physical ids by logical id, and the environment that functions get; `data_plane` is a template as JSON."""
    with quick(), mock_aws():
        made = _made(data_plane)
        for service, states in _copied(made.states).items():
            for (account, region), state in states.items():
                get_backend(service)[account][region].__dict__.update(state)
        yield dict(made.resources), dict(made.settings)


@dataclass(frozen=True, slots=True)
class Made:
    resources: dict[str, str]
    settings: dict[str, str]
    states: States


@cache
def _made(data_plane: str) -> Made:
    """A stack as it is right after its creation, which takes longer than most tests: made once per process."""
    cloudformation = _client("cloudformation")
    cloudformation.create_stack(StackName="fluvial", TemplateBody=data_plane)
    found = cloudformation.list_stack_resources(StackName="fluvial")["StackResourceSummaries"]
    resources = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in found}
    apigateway = _client("apigateway")
    plans = {plan: apigateway.create_usage_plan(name=plan)["id"] for plan in template.PLANS}
    settings = {
        "FLUVIAL_TABLE": resources["Table"],
        "FLUVIAL_BUCKET": resources["Bucket"],
        # moto does not tell a bus's physical id; the template names it after the stack.
        "FLUVIAL_BUS": "fluvial-events",
        "FLUVIAL_DELIVER_QUEUE_URL": resources["DeliverQueue"],
        "FLUVIAL_INGEST_QUEUE_URL": resources["IngestQueue"],
        "FLUVIAL_SWEEP_QUEUE_URL": resources["SweepQueue"],
        "FLUVIAL_SNAPSHOT_RECORDS_QUEUE_URL": resources["SnapshotRecordsQueue"],
        "FLUVIAL_EXPORT_QUEUE_URL": resources["ExportQueue"],
        "FLUVIAL_PREPARE_QUEUE_URL": resources["PrepareQueue"],
        "FLUVIAL_PUBLISH_SITE_QUEUE_URL": resources["PublishSiteQueue"],
        "FLUVIAL_COMPUTE_REPORT_QUEUE_URL": resources["ComputeReportQueue"],
        "FLUVIAL_RENDER_REPORT_QUEUE_URL": resources["RenderReportQueue"],
        "FLUVIAL_ANALYSE_QUEUE_URL": resources["AnalyseQueue"],
        "FLUVIAL_USAGE_PLANS": ",".join(f"{name}={id}" for name, id in plans.items()),
        "FLUVIAL_WEBHOOKS_ALLOW_PRIVATE": "true",
    }
    states = {
        service: {(account, region): vars(each) for account, region, each in get_backend(service).iter_backends()}
        for service in SERVICES
    }
    return Made(resources, settings, _copied(states))


def _copied(states: States) -> States:
    # A queue has a condition, which cannot be copied; nobody waits for it.
    with patch.object(Condition, "__deepcopy__", lambda *_: Condition(), create=True):
        return copy.deepcopy(states)


def items(table: str) -> Iterator[tuple[tuple[str, str], Any]]:
    """Keys and attributes of all items of a table, out of moto's memory: a scan of a large one takes a second."""
    for partition, items in sorted(_table(table).items.items(), key=lambda each: each[0].value):
        for sort, item in sorted(items.items(), key=lambda each: each[0].value):
            yield (str(partition.value), str(sort.value)), item.attrs


def partitions(table: str) -> Partitions:
    """What `put_back` takes: all items as they are now, which are replaced, never changed."""
    return {partition: dict(items) for partition, items in _table(table).items.items()}


def put_back(table: str, kept: Partitions) -> None:
    _table(table).items = defaultdict(dict, {partition: dict(items) for partition, items in kept.items()})


def _table(name: str) -> Any:
    return dynamodb_backends[DEFAULT_ACCOUNT_ID][ENVIRONMENT["AWS_REGION"]].get_table(name)


def is_empty(queue_url: str) -> bool:
    """Whether the queue has no message, not even one that is hidden: a receive that finds nothing takes 5 ms."""
    queues = sqs_backends[DEFAULT_ACCOUNT_ID][ENVIRONMENT["AWS_REGION"]].queues
    return not queues[queue_url.rsplit("/", 1)[1]]._messages


def wire(attributes: Any) -> dict[str, Any]:
    """Attributes of `items` as DynamoDB sends them, made once of each."""
    sent: dict[str, Any] | None = getattr(attributes, "sent", None)
    if sent is None:
        # What is in a list or a map is of moto's own type, too.
        sent = attributes.sent = json.loads(json.dumps(attributes, default=lambda value: value.to_json()))
    return sent


@cache
def _client(service: str) -> Any:
    """Made once per process: making a client takes longer than most tests."""
    return boto3.client(service)
