"""What template.yaml promises, as tests: samples, permissions, queues, alarms, the gateway's answers, the docs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from typing import Any

import pytest

from fluvial.config import PREFIX, Settings
from fluvial.http import preflight as preflight_of_bytes
from tests import template
from tests.template import ROOT

FUNCTIONS = template.functions()
TIMES_THE_TIMEOUT = 6  # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of every resource of a type, after SAM's transform."""
    resources = template.expanded()["Resources"]
    return {name: item.get("Properties", {}) for name, item in resources.items() if item["Type"] == kind}


def named(value: Any) -> str:
    """The logical id that a Ref or GetAtt points at."""
    if "Ref" in value:
        return str(value["Ref"])
    target = value["Fn::GetAtt"]
    return str(target.split(".")[0] if isinstance(target, str) else target[0])


def text_of(value: Any) -> str:
    """A Sub, Ref or GetAtt as text."""
    return value if isinstance(value, str) else json.dumps(value)


QUEUES = of_type("AWS::SQS::Queue")


@cache
def consumers() -> dict[str, str]:
    """Function by the queue that it consumes."""
    return {
        named(mapping["EventSourceArn"]): named(mapping["FunctionName"])
        for mapping in of_type("AWS::Lambda::EventSourceMapping").values()
        if named(mapping["EventSourceArn"]) in QUEUES
    }


def dead_letter_queues() -> set[str]:
    """Queues that take what could not be done: of queues, of rules, of streams."""
    found = {
        named(queue["RedrivePolicy"]["deadLetterTargetArn"]) for queue in QUEUES.values() if "RedrivePolicy" in queue
    }
    for rule in of_type("AWS::Events::Rule").values():
        found |= {named(target["DeadLetterConfig"]["Arn"]) for target in rule["Targets"]}
    for mapping in of_type("AWS::Lambda::EventSourceMapping").values():
        if "DestinationConfig" in mapping:
            found.add(named(mapping["DestinationConfig"]["OnFailure"]["Destination"]))
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_a_sample_event(name: str) -> None:
    folder, module, _ = FUNCTIONS[name]["Handler"].split(".")
    sample = ROOT / "events" / folder / f"{module}.json"
    assert sample.is_file(), f"{name} has no {sample.relative_to(ROOT)}"
    assert isinstance(json.loads(sample.read_text()), dict)


def test_every_sample_event_has_a_function() -> None:
    samples = {
        ".".join(path.relative_to(ROOT / "events").with_suffix("").parts) for path in (ROOT / "events").rglob("*.json")
    }
    assert samples == {function["Handler"].rsplit(".", 1)[0] for function in FUNCTIONS.values()}


def statements(name: str) -> Iterator[dict[str, Any]]:
    for policy in FUNCTIONS[name].get("Policies", []):
        # Managed policies and SAM's own give more than one function needs.
        assert set(policy) == {"Statement"}, f"{name} has a policy that is not written out: {policy}"
        yield from policy["Statement"]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_a_policy_without_a_wildcard_action(name: str) -> None:
    allowed = list(statements(name))
    # The one kind that touches nothing: it answers files that come with it.
    assert bool(allowed) != FUNCTIONS[name]["Handler"].endswith(".documentation.handler")
    for statement in allowed:
        assert set(statement) == {"Effect", "Action", "Resource"}
        for action in listed(statement["Action"]):
            assert "*" not in action, f"{name} may {action}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_function_may_touch_more_than_named_resources(name: str) -> None:
    for statement in statements(name):
        for resource in listed(statement["Resource"]):
            text = text_of(resource)
            assert text != "*", f"{name} may {statement['Action']} on everything"
            assert not text.endswith(":*"), f"{name} may {statement['Action']} on {text}"
            # A prefix of the bucket, not all that is in it.
            assert "${Bucket.Arn}/*" not in text, f"{name} may {statement['Action']} on the whole bucket"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_the_settings_of_what_it_may_touch(name: str) -> None:
    variables = FUNCTIONS[name].get("Environment", {}).get("Variables", {})
    everyone = template.written()["Globals"]["Function"]["Environment"]["Variables"]
    known = {PREFIX + field.name.upper() for field in fields(Settings)}
    assert set(variables) | set(everyone) <= known
    touches_the_bucket = any("Bucket.Arn" in text_of(statement["Resource"]) for statement in statements(name))
    assert ("FLUVIAL_BUCKET" in variables) == touches_the_bucket


@pytest.mark.parametrize("queue", sorted(consumers()))
def test_a_queue_with_a_consumer_has_dead_letters_and_time_enough(queue: str) -> None:
    properties, function = QUEUES[queue], consumers()[queue]
    assert "RedrivePolicy" in properties, f"{queue} has no dead letters"
    timeout = FUNCTIONS[function].get("Timeout", template.written()["Globals"]["Function"]["Timeout"])
    assert properties["VisibilityTimeout"] >= TIMES_THE_TIMEOUT * timeout


def test_every_consumer_answers_for_each_message() -> None:
    for name, mapping in of_type("AWS::Lambda::EventSourceMapping").items():
        if named(mapping["EventSourceArn"]) in QUEUES:
            assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name


def test_every_target_of_a_rule_has_dead_letters() -> None:
    for name, rule in of_type("AWS::Events::Rule").items():
        assert all("DeadLetterConfig" in target for target in rule["Targets"]), name


@pytest.mark.parametrize("queue", sorted(QUEUES))
def test_queues_are_encrypted_and_keep_messages_as_long_as_they_can(queue: str) -> None:
    assert QUEUES[queue]["SqsManagedSseEnabled"] is True
    assert QUEUES[queue]["MessageRetentionPeriod"] == 14 * 24 * 60 * 60


@pytest.mark.parametrize("queue", sorted(dead_letter_queues()))
def test_every_dead_letter_queue_has_an_alarm(queue: str) -> None:
    alarms = [
        alarm
        for alarm in of_type("AWS::CloudWatch::Alarm").values()
        if any(
            dimension["Name"] == "QueueName" and named(dimension["Value"]) == queue for dimension in alarm["Dimensions"]
        )
    ]
    assert alarms, f"nobody is told of messages in {queue}"
    for alarm in alarms:
        assert (alarm["Namespace"], alarm["Threshold"]) == ("AWS/SQS", 0)
        assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}]


def test_table_and_bucket_outlive_the_stack_and_can_be_restored() -> None:
    resources = template.written()["Resources"]
    for name in ("Table", "Bucket"):
        assert (resources[name]["DeletionPolicy"], resources[name]["UpdateReplacePolicy"]) == ("Retain", "Retain")
    table, bucket = resources["Table"]["Properties"], resources["Bucket"]["Properties"]
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}


APIS = of_type("AWS::ApiGateway::RestApi")
SENTENCE = r"[A-Z].*\."
SENTENCE_WITHOUT_A_STOP = r"[A-Z].*[^.]"


def gateway_responses(api: str) -> dict[str, Any]:
    found: dict[str, Any] = template.written()["Resources"][api]["Properties"]["GatewayResponses"]
    return found


GATEWAY_ANSWERS = [(api, kind) for api in APIS for kind in gateway_responses(api)]


def check_reference_envelope(body: dict[str, Any]) -> None:
    assert list(body) == ["error"]
    assert list(body["error"]) == ["code", "message", "field", "request_id"]
    assert re.fullmatch(r"[A-Z_]+", body["error"]["code"])
    assert re.fullmatch(SENTENCE, body["error"]["message"])
    assert (body["error"]["field"], body["error"]["request_id"]) == (None, "req_$context.requestId")


def check_fluxjiva_envelope(body: dict[str, Any]) -> None:
    assert list(body) == ["error"]
    assert list(body["error"]) == ["code", "message", "details"]
    assert re.fullmatch(r"[a-z_]+", body["error"]["code"])
    assert re.fullmatch(SENTENCE_WITHOUT_A_STOP, body["error"]["message"])
    assert body["error"]["details"] == {}


def check_codefluss_envelope(body: dict[str, Any]) -> None:
    assert list(body) == ["success", "error"]
    assert body["success"] is False
    assert list(body["error"]) == ["code", "message", "details"]
    assert re.fullmatch(r"[A-Z_]+", body["error"]["code"])
    assert re.fullmatch(SENTENCE, body["error"]["message"])
    assert body["error"]["details"] == {}


def check_flarelight_envelope(body: dict[str, Any]) -> None:
    assert list(body) == ["data", "messages"]
    assert body["data"] is None
    (message,) = body["messages"]
    assert list(message) == ["type", "code", "message", "field"]
    assert re.fullmatch(r"[A-Z_]+", message["code"])
    assert re.fullmatch(SENTENCE, message["message"])
    assert (message["type"], message["field"]) == ("error", None)


def check_fluxx_envelope(body: dict[str, Any]) -> None:
    assert list(body) == ["error"]
    assert list(body["error"]) == ["code", "message"]
    assert body["error"]["code"] in range(400, 600)
    assert re.fullmatch(SENTENCE, body["error"]["message"])


ENVELOPES = {
    "ReferenceApi": check_reference_envelope,
    "FluxjivaApi": check_fluxjiva_envelope,
    "CodeflussApi": check_codefluss_envelope,
    "FlarelightApi": check_flarelight_envelope,
    "FluxxApi": check_fluxx_envelope,
}
BEARER = {"Authorization"}
CREDENTIALS = dict.fromkeys(ENVELOPES, BEARER) | {"FlarelightApi": {"X-Api-Key", "X-Subscription-Id"}}


def test_every_api_has_an_envelope_here() -> None:
    assert set(APIS) == set(ENVELOPES)


@pytest.mark.parametrize(("api", "kind"), GATEWAY_ANSWERS)
def test_what_the_gateway_answers_itself_is_in_the_envelope(api: str, kind: str) -> None:
    templates = gateway_responses(api)[kind]["ResponseTemplates"]
    assert list(templates) == ["application/json"]
    ENVELOPES[api](json.loads(templates["application/json"]))


@pytest.mark.parametrize(("api", "kind"), GATEWAY_ANSWERS)
def test_what_the_gateway_answers_itself_can_be_traced_and_read_by_a_browser(api: str, kind: str) -> None:
    response = gateway_responses(api)[kind]
    headers = response["ResponseParameters"]["Headers"]
    assert headers["X-Request-Id"] == "context.requestId"
    assert headers["Access-Control-Allow-Origin"] == {"Fn::Sub": "'${AllowedOrigin}'"}
    assert ("Retry-After" in headers) == (response.get("StatusCode") == 429)


@pytest.mark.parametrize("api", APIS)
def test_every_kind_of_refusal_by_the_gateway_has_its_status(api: str) -> None:
    statuses = {kind: response.get("StatusCode") for kind, response in gateway_responses(api).items()}
    assert {"DEFAULT_4XX", "DEFAULT_5XX"} <= set(statuses)
    for kind, status in {
        "UNAUTHORIZED": 401,
        "ACCESS_DENIED": 401,
        "INVALID_API_KEY": 401,
        "MISSING_AUTHENTICATION_TOKEN": 404,
        "RESOURCE_NOT_FOUND": 404,
        "REQUEST_TOO_LARGE": 413,
        "THROTTLED": 429,
        "QUOTA_EXCEEDED": 429,
        "INTEGRATION_TIMEOUT": 504,
    }.items():
        assert statuses[kind] == status


@pytest.mark.parametrize("api", APIS)
def test_no_api_leaves_a_refusal_to_the_gateway_s_own_words(api: str) -> None:
    assert set(gateway_responses(api)) == set(gateway_responses("ReferenceApi"))
    # And none is lost on the way through SAM.
    assert set(APIS[api]["Body"]["x-amazon-apigateway-gateway-responses"]) == set(gateway_responses(api))


OF_BYTES = [api for api in APIS if "*/*" in APIS[api].get("BinaryMediaTypes", [])]


@pytest.mark.parametrize("api", OF_BYTES)
def test_where_bytes_come_as_they_are_a_function_answers_the_preflights_of_all_paths(api: str) -> None:
    # There the gateway's own would answer 500: https://github.com/aws/serverless-application-model/issues/553
    paths = APIS[api]["Body"]["paths"]
    assert [path for path, methods in paths.items() if "options" in methods] == ["/{proxy+}"]
    preflight = paths["/{proxy+}"]["options"]
    assert preflight["security"] == [{"NONE": []}]
    assert preflight["x-amazon-apigateway-integration"]["type"] == "aws_proxy"
    methods = {method.upper() for methods in paths.values() for method in methods}
    assert methods <= set(preflight_of_bytes.METHODS)


@pytest.mark.parametrize("api", [api for api in APIS if api not in OF_BYTES])
def test_every_path_answers_a_browser_s_preflight_without_a_key(api: str) -> None:
    assert APIS[api]["Body"]["paths"]
    for path, methods in APIS[api]["Body"]["paths"].items():
        preflight = methods["options"]
        assert not preflight.get("security"), f"the preflight of {path} needs a key or the authorizer"
        integration = preflight["x-amazon-apigateway-integration"]
        assert integration["type"] == "mock"
        (answer,) = integration["responses"].values()
        told = {name.rsplit(".", 1)[1]: value for name, value in answer["responseParameters"].items()}
        assert told["Access-Control-Allow-Origin"] == {"Fn::Sub": "'${AllowedOrigin}'"}
        assert told["Access-Control-Max-Age"] == "'7200'"
        sent = {"Content-Type", "Idempotency-Key", "If-Match", "If-None-Match"} | CREDENTIALS[api]
        assert set(told["Access-Control-Allow-Headers"].strip("'").split(",")) == sent
        allowed = set(told["Access-Control-Allow-Methods"].strip("'").split(","))
        assert allowed == {method.upper() for method in methods}, path


@pytest.mark.parametrize("api", APIS)
def test_whatever_is_not_open_to_all_needs_a_key_and_the_authorizer(api: str) -> None:
    open_to_all = {
        (event["Properties"]["Path"], event["Properties"]["Method"].lower())
        for function in FUNCTIONS.values()
        for event in function.get("Events", {}).values()
        if event["Type"] == "Api" and event["Properties"].get("Auth", {}).get("Authorizer") == "NONE"
    }
    for path, methods in APIS[api]["Body"]["paths"].items():
        for method, operation in methods.items():
            if method != "options" and (path, method) not in open_to_all:
                needed = {name for each in operation["security"] for name in each}
                assert needed == {"Keys", "api_key"}, f"{method} {path}"


@pytest.mark.parametrize("api", APIS)
def test_the_authorizer_is_asked_anew_for_each_request_with_the_api_s_headers(api: str) -> None:
    authorizer = APIS[api]["Body"]["components"]["securitySchemes"]["Keys"]["x-amazon-apigateway-authorizer"]
    headers = {source.rsplit(".", 1)[1] for source in authorizer["identitySource"].split(", ")}
    assert headers == CREDENTIALS[api]
    assert authorizer["authorizerResultTtlInSeconds"] == 0
    function = "SubscriptionAuthorizerFunction" if api == "FlarelightApi" else "AuthorizerFunction"
    assert function in str(authorizer["authorizerUri"])


@pytest.mark.parametrize("api", APIS)
def test_answers_are_compressed_and_the_usage_plan_s_key_comes_from_the_authorizer(api: str) -> None:
    assert APIS[api]["MinimumCompressionSize"] == 2048
    assert APIS[api]["ApiKeySourceType"] == "AUTHORIZER"


def test_only_the_status_previews_tokens_and_the_documentation_are_open_to_all() -> None:
    open_routes = {
        f"{function['Handler'].split('.')[0]} {event['Properties']['Path']}"
        for function in FUNCTIONS.values()
        for event in function.get("Events", {}).values()
        if event["Type"] == "Api" and event["Properties"].get("Auth", {}).get("Authorizer") == "NONE"
    }
    documented = {
        function["Handler"].split(".")[0]
        for function in FUNCTIONS.values()
        if function["Handler"].endswith(".documentation.handler")
    }
    pages = {f"{api} {path}" for api in documented for path in ("/openapi.json", "/docs", "/docs/{file}")}
    # The token in a preview's address is its key.
    previews = {"codefluss /preview/{token}", "codefluss /preview/{token}/{path+}"}
    # What opens this one is in the request.
    tokens = {"fluxx /oauth/token"}
    preflights = {"fluxx /{proxy+}"}
    assert open_routes == {"reference /status"} | previews | tokens | preflights | pages


def operations() -> str:
    page = ROOT / "docs" / "operations.md"
    assert page.is_file(), "docs/operations.md is not written"
    return page.read_text()


@pytest.mark.parametrize("field", [field.name for field in fields(Settings)])
def test_every_setting_is_in_the_docs(field: str) -> None:
    assert PREFIX + field.upper() in operations()


@pytest.mark.parametrize("parameter", template.written()["Parameters"])
def test_every_parameter_is_in_the_docs(parameter: str) -> None:
    assert re.search(rf"\b{parameter}\b", operations())
