"""template.yaml as the tests see it: after SAM's transform, and the part of it that moto can hold."""

from __future__ import annotations

import copy
import os
from functools import cache
from pathlib import Path
from typing import Any

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parent.parent
PLANS = ("free", "standard", "professional", "enterprise")

IN_MOTO = (
    "AWS::DynamoDB::Table",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::Events::EventBus",
    "AWS::Events::Rule",
)
NOWHERE = "s3://bucket/key"  # the code is not uploaded


class _NoManagedPolicies:
    """SAM asks IAM for managed policies; none is needed here."""

    def load(self) -> dict[str, str]:
        return {}


@cache
def written() -> dict[str, Any]:
    """The template as it is written."""
    parsed: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
    return parsed


@cache
def expanded() -> dict[str, Any]:
    """The template after SAM's transform."""
    source = copy.deepcopy(written())
    source["Globals"]["Function"].pop("CodeUri")
    for resource in source["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = NOWHERE
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            resource["Properties"]["ContentUri"] = NOWHERE
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    result: dict[str, Any] = transform(source, {}, _NoManagedPolicies())
    return result


def indexes() -> list[tuple[str, str]]:
    """The two key attributes of each of the table's indexes."""
    table = written()["Resources"]["Table"]["Properties"]
    schemas = [index["KeySchema"] for index in table["GlobalSecondaryIndexes"]]
    return [(partition["AttributeName"], sort["AttributeName"]) for partition, sort in schemas]


def routes() -> dict[str, list[str]]:
    """Method and path of each route by API, in the template's order."""
    found: dict[str, list[str]] = {}
    for properties in functions().values():
        for event in properties.get("Events", {}).values():
            if event["Type"] == "Api":
                route = f"{event['Properties']['Method']} {event['Properties']['Path']}"
                found.setdefault(properties["Handler"].split(".")[0], []).append(route)
    return found


def data_plane() -> dict[str, Any]:
    """Table, bucket, bus, rules and queues."""
    source = copy.deepcopy(expanded())
    kept = {name: resource for name, resource in source["Resources"].items() if resource["Type"] in IN_MOTO}
    for resource in kept.values():
        resource.pop("DependsOn", None)
        properties = resource["Properties"]
        if resource["Type"] == "AWS::Events::Rule" and "EventBusName" in properties:
            # moto hands a bus's Ref over as an object; its ARN is text.
            properties["EventBusName"] = {"Fn::GetAtt": [properties["EventBusName"]["Ref"], "Arn"]}
    return {"Resources": kept, "Parameters": source["Parameters"], "Conditions": source["Conditions"]}


def functions() -> dict[str, dict[str, Any]]:
    """The properties of every function, with the globals that are not merged into lists left aside."""
    return {
        name: resource["Properties"]
        for name, resource in written()["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
