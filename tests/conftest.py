"""A clean environment for every test, and the data plane of template.yaml in moto for those that ask for `aws`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID

from tests import template

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No credentials, endpoints or settings of the machine reach a test."""
    from fluvial import config

    for name in list(os.environ):
        if name.startswith(("AWS_", "FLUVIAL_")):
            monkeypatch.delenv(name)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    config.settings.cache_clear()
    yield
    config.settings.cache_clear()


@cache
def _client(service: str) -> Any:
    """Made once per process: making a client takes longer than most tests."""
    return boto3.client(service)


@pytest.fixture(scope="session")
def data_plane() -> str:
    return json.dumps(template.data_plane())


@pytest.fixture
def aws(data_plane: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Table, bucket, bus and queues of the real template in moto; physical ids by logical id."""
    with mock_aws():
        cloudformation = _client("cloudformation")
        cloudformation.create_stack(StackName="fluvial", TemplateBody=data_plane)
        found = cloudformation.list_stack_resources(StackName="fluvial")["StackResourceSummaries"]
        resources = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in found}
        apigateway = _client("apigateway")
        plans = {plan: apigateway.create_usage_plan(name=plan)["id"] for plan in template.PLANS}
        monkeypatch.setenv("FLUVIAL_TABLE", resources["Table"])
        monkeypatch.setenv("FLUVIAL_BUCKET", resources["Bucket"])
        # moto does not tell a bus's physical id; the template names it after the stack.
        monkeypatch.setenv("FLUVIAL_BUS", "fluvial-events")
        monkeypatch.setenv("FLUVIAL_DELIVER_QUEUE_URL", resources["DeliverQueue"])
        monkeypatch.setenv("FLUVIAL_INGEST_QUEUE_URL", resources["IngestQueue"])
        monkeypatch.setenv("FLUVIAL_USAGE_PLANS", ",".join(f"{name}={id}" for name, id in plans.items()))
        monkeypatch.setenv("FLUVIAL_WEBHOOKS_ALLOW_PRIVATE", "true")
        yield {**resources, "AccountId": DEFAULT_ACCOUNT_ID}
