"""What the emulator does differently from AWS, made up for in the template and through the AWS API alone.

Before the stack is created, in the template (`prepare`):

- IAM, where it is enforced, wants `sqs:SendMessageBatch` allowed. On AWS `sqs:SendMessage` allows batches, too, and
  the action that the emulator wants does not exist.
- IAM there takes every schedule for one of the group `default`, whatever its group is.

Afterwards (`localise`), from the deployed template alone, any number of times:

- the table's time to live,
- each API's gateway responses and the answers of its CORS preflights,
- `ApiKeySourceType: AUTHORIZER`, which the emulator does not know: where an API key is required it would want
  the `x-api-key` header, so the requirement is turned off. The authorizer, which does the real work, stays.
"""

from __future__ import annotations

import json
import re
from typing import Any

from local import aws, server

_GROUP = re.compile(r"schedule/\$\{\w+\}/")
_BATCHED_ACTIONS = ("sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")


def prepare(document: Any) -> None:
    """Change the policies of a template that is about to be deployed, wherever in it they are."""
    if isinstance(document, dict):
        actions = document.get("Action")
        if "Effect" in document and actions is not None:
            actions = actions if isinstance(actions, list) else [actions]
            document["Action"] = actions + [f"{action}Batch" for action in actions if action in _BATCHED_ACTIONS]
            if any(action.startswith("scheduler:") for action in actions):
                document["Resource"] = {"Fn::Sub": _GROUP.sub("schedule/default/", document["Resource"]["Fn::Sub"])}
        document = list(document.values())
    if isinstance(document, list):
        for part in document:
            prepare(part)


def localise(name: str, port: int, resources: dict[str, str]) -> dict[str, str]:
    """Localise the stack; returns the base URL of each API by the logical id of its RestApi."""
    cloudformation, gateway = aws.client("cloudformation", port), aws.client("apigateway", port)
    template = cloudformation.get_template(StackName=name, TemplateStage="Processed")["TemplateBody"]
    document: dict[str, Any] = json.loads(template) if isinstance(template, str) else template
    given = cloudformation.describe_stacks(StackName=name)["Stacks"][0].get("Parameters", [])
    parameters = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in given}

    base_urls: dict[str, str] = {}
    for logical_id, resource in document["Resources"].items():
        # What a condition kept out of the stack is in the template nevertheless.
        if logical_id not in resources:
            continue
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::DynamoDB::Table":
            _time_to_live(port, resources[logical_id], properties)
        elif resource["Type"] == "AWS::ApiGateway::RestApi":
            api_id = resources[logical_id]
            _api(gateway, api_id, _filled(properties.get("Body") or {}, parameters))
            stage = _redeploy(gateway, api_id)
            base_urls[logical_id] = base_url(port, api_id, stage)
    return base_urls


def base_url(port: int, api_id: str, stage: str) -> str:
    """Where the emulator serves an API."""
    return f"{server.endpoint_url(port)}/_aws/execute-api/{api_id}/{stage}"


def _filled(value: Any, parameters: dict[str, str]) -> Any:
    """The value with the stack's parameters in place of `${Name}` in its Subs; other names stay."""
    if isinstance(value, dict):
        text = value.get("Fn::Sub")
        if len(value) == 1 and isinstance(text, str):
            return re.sub(r"\$\{(\w+)\}", lambda found: parameters.get(found[1], found[0]), text)
        return {name: _filled(part, parameters) for name, part in value.items()}
    return [_filled(part, parameters) for part in value] if isinstance(value, list) else value


def _time_to_live(port: int, table: str, properties: dict[str, Any]) -> None:
    wanted = properties.get("TimeToLiveSpecification")
    if not wanted:
        return
    dynamodb = aws.client("dynamodb", port)
    if dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["TimeToLiveStatus"] != "ENABLED":
        dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=wanted)


def _api(gateway: Any, api_id: str, body: dict[str, Any]) -> None:
    for kind, response in body.get("x-amazon-apigateway-gateway-responses", {}).items():
        status = {"statusCode": str(response["statusCode"])} if "statusCode" in response else {}
        gateway.put_gateway_response(
            restApiId=api_id,
            responseType=kind,
            responseParameters=response.get("responseParameters", {}),
            responseTemplates=response.get("responseTemplates", {}),
            **status,
        )
    for resource in gateway.get_resources(restApiId=api_id, limit=500, embed=["methods"])["items"]:
        for method, settings in resource.get("resourceMethods", {}).items():
            if settings.get("apiKeyRequired"):
                # Not a replacement by "false": the emulator keeps that as text, and takes any text for true.
                gateway.update_method(
                    restApiId=api_id,
                    resourceId=resource["id"],
                    httpMethod=method,
                    patchOperations=[{"op": "remove", "path": "/apiKeyRequired"}],
                )
        preflight = body.get("paths", {}).get(resource["path"], {}).get("options", {})
        integration = preflight.get("x-amazon-apigateway-integration", {})
        if integration.get("type") == "mock":
            _preflight(gateway, api_id, resource["id"], integration)


def _preflight(gateway: Any, api_id: str, resource_id: str, integration: dict[str, Any]) -> None:
    target = {"restApiId": api_id, "resourceId": resource_id, "httpMethod": "OPTIONS"}
    gateway.put_integration(**target, type="MOCK", requestTemplates=integration.get("requestTemplates", {}))
    for response in integration.get("responses", {}).values():
        gateway.put_integration_response(
            **target,
            statusCode=str(response["statusCode"]),
            responseParameters=response.get("responseParameters", {}),
            responseTemplates=response.get("responseTemplates", {}),
        )


def _redeploy(gateway: Any, api_id: str) -> str:
    """Make the changes take effect; returns the name of the API's stage."""
    stages = [stage["stageName"] for stage in gateway.get_stages(restApiId=api_id)["item"]]
    # SAM makes a second stage of this name where a template sets no OpenApiVersion.
    if len(stages) > 1 and "Stage" in stages:
        gateway.delete_stage(restApiId=api_id, stageName="Stage")
        stages.remove("Stage")
    for stage in stages:
        gateway.create_deployment(restApiId=api_id, stageName=stage)
    return str(stages[0])
