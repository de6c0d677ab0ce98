"""The data plane of the real template in moto, and the settings that go with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
from moto import mock_aws

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
    with mock_aws():
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
                "FLUVIAL_PUBLISH_SITE_QUEUE_URL": resources["PublishSiteQueue"],
                "FLUVIAL_ANALYSE_QUEUE_URL": resources["AnalyseQueue"],
                "FLUVIAL_USAGE_PLANS": ",".join(f"{name}={id}" for name, id in plans.items()),
                "FLUVIAL_WEBHOOKS_ALLOW_PRIVATE": "true",
            },
        )


@cache
def _client(service: str) -> Any:
    """Made once per process: making a client takes longer than most tests."""
    return boto3.client(service)
