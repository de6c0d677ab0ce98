"""The data plane of the real template in moto, and the settings that go with it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

import boto3
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import DynamoDBBackend, DynamoType, Table, dynamodb_backends

from tests import template

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
}


@contextmanager
def stack(data_plane: str) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Physical ids by logical id, and the environment that functions get; `data_plane` is a template as JSON."""
    with (
        mock_aws(),
        patch.object(Table, "__deepcopy__", _snapshot, create=True),
        patch.object(DynamoDBBackend, "update_item", _update_of_a_copy),
    ):
        cloudformation = _client("cloudformation")
        cloudformation.create_stack(StackName="fluvial", TemplateBody=data_plane)
        found = cloudformation.list_stack_resources(StackName="fluvial")["StackResourceSummaries"]
        resources = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in found}
        apigateway = _client("apigateway")
        plans = {plan: apigateway.create_usage_plan(name=plan)["id"] for plan in template.PLANS}
        yield (
            resources,
            {
                "FLUVIAL_TABLE": resources["Table"],
                "FLUVIAL_BUCKET": resources["Bucket"],
                # moto does not tell a bus's physical id; the template names it after the stack.
                "FLUVIAL_BUS": "fluvial-events",
                "FLUVIAL_DELIVER_QUEUE_URL": resources["DeliverQueue"],
                "FLUVIAL_INGEST_QUEUE_URL": resources["IngestQueue"],
                "FLUVIAL_EXPORT_QUEUE_URL": resources["ExportQueue"],
                "FLUVIAL_PREPARE_QUEUE_URL": resources["PrepareQueue"],
                "FLUVIAL_PUBLISH_SITE_QUEUE_URL": resources["PublishSiteQueue"],
                "FLUVIAL_COMPUTE_REPORT_QUEUE_URL": resources["ComputeReportQueue"],
                "FLUVIAL_RENDER_REPORT_QUEUE_URL": resources["RenderReportQueue"],
                "FLUVIAL_ANALYSE_QUEUE_URL": resources["AnalyseQueue"],
                "FLUVIAL_USAGE_PLANS": ",".join(f"{name}={id}" for name, id in plans.items()),
                "FLUVIAL_WEBHOOKS_ALLOW_PRIVATE": "true",
            },
        )


def items(table: str) -> Iterator[tuple[tuple[str, str], Any]]:
    """Keys and attributes of all items of a table, out of moto's memory: a scan of a large one takes a second."""
    for item in dynamodb_backends[DEFAULT_ACCOUNT_ID][ENVIRONMENT["AWS_REGION"]].get_table(table).all_items():
        yield (str(item.hash_key.value), str(item.range_key.value)), item.attrs


def wire(attributes: Any) -> dict[str, Any]:
    """Attributes of `items` as DynamoDB sends them."""
    # What is in a list or a map is of moto's own type, too.
    sent: dict[str, Any] = json.loads(json.dumps(attributes, default=lambda value: value.to_json()))
    return sent


# moto copies all of a table before each transaction, in case it fails; that took most of the time of these tests. Here
# it keeps the items as they are instead, and an update, which alone changes an item in place, takes a new copy of it.


def _snapshot(table: Any, _: dict[int, Any]) -> Any:
    kept = copy.copy(table)
    kept.items = copy.copy(table.items)
    kept.items.update({partition: dict(items) for partition, items in table.items.items()})
    if table.stream_shard is not None:
        kept.stream_shard = copy.copy(table.stream_shard)
        kept.stream_shard.table = kept
        kept.stream_shard.items = list(table.stream_shard.items)
    return kept


_update_item = DynamoDBBackend.update_item


def _update_of_a_copy(backend: Any, table_name: str, key: dict[str, Any], *arguments: Any, **named: Any) -> Any:
    table = backend.get_table(table_name)
    partition, sort = (DynamoType(key[name]) for name in (table.hash_key_attr, table.range_key_attr))
    items = table.items.get(partition, {})
    if sort in items:
        items[sort] = copy.deepcopy(items[sort])
    return _update_item(backend, table_name, key, *arguments, **named)


@cache
def _client(service: str) -> Any:
    """Made once per process: making a client takes longer than most tests."""
    return boto3.client(service)
