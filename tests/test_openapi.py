"""The OpenAPI documents: made of what serves, valid, whole, and with examples that fit."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from local.openapi import apis, document, examples, refusals
from tests import template

APIS = apis.names()
METHODS = ("get", "post", "put", "patch", "delete")
HOW = "run `make openapi` and commit what it writes"

Document = dict[str, Any]


@cache
def committed(api: str) -> Document:
    file = apis.FUNCTIONS / api / "openapi.json"
    assert file.is_file(), f"{file} is not there: {HOW}"
    loaded: Document = json.loads(file.read_text())
    return loaded


def operations(api: str) -> dict[str, Document]:
    """Operations by method and path."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in committed(api)["paths"].items()
        for method, operation in methods.items()
    }


def steps(api: str) -> list[Any]:
    """Every request of the contract."""
    contract = yaml.safe_load((template.ROOT / "tests" / "contract" / f"{api}.yaml").read_text())
    return [step for scenario in contract["scenarios"] for step in scenario["steps"]]


def served(api: str) -> set[str]:
    """What the template routes to the API's functions, its documentation aside."""
    return {
        f"{event['Properties']['Method']} {event['Properties']['Path']}".replace("+}", "}")
        for function in template.functions().values()
        for event in function.get("Events", {}).values()
        if event["Type"] == "Api"
        and function["Handler"].startswith(f"{api}.")
        and function["Handler"] != f"{api}.documentation.handler"
    }


@pytest.mark.parametrize("api", APIS)
def test_the_document_is_what_the_code_makes(api: str) -> None:
    assert (apis.FUNCTIONS / api / "openapi.json").read_text() == document.text(apis.load(api)), HOW


@pytest.mark.parametrize("api", APIS)
def test_the_document_is_valid(api: str) -> None:
    assert committed(api)["openapi"].startswith("3.1.")
    validate(committed(api))


@pytest.mark.parametrize("api", APIS)
def test_the_document_has_every_route_and_no_other(api: str) -> None:
    assert set(operations(api)) == served(api)


@pytest.mark.parametrize("api", APIS)
def test_every_operation_says_what_it_does_and_what_the_key_needs(api: str) -> None:
    names = [operation["operationId"] for operation in operations(api).values()]
    assert len(names) == len(set(names))
    tags = {tag["name"] for tag in committed(api)["tags"]}
    loaded = apis.load(api)
    # What is open and refuses in its own way does so with a 401: it is where one signs in.
    signs_in = {name for name, (group, _) in loaded.operations.items() if loaded.refusal_of(group)}
    for name, operation in operations(api).items():
        assert operation["summary"], name
        assert set(operation["tags"]) <= tags, name
        scope = operation["x-scope"]
        assert (operation.get("security") == []) == (scope is None), name
        assert ("401" in operation["responses"]) == (scope is not None or operation["operationId"] in signs_in), name
        assert (f"`{scope}`" in operation["description"]) == (scope is not None), name
        assert {"429", "500", "504"} <= set(operation["responses"]), name


@pytest.mark.parametrize("api", APIS)
def test_an_operation_has_the_examples_of_the_contract(api: str) -> None:
    routes = {name: route for name, (_, route) in apis.load(api).operations.items()}
    by_name = {operation["operationId"]: operation for operation in operations(api).values()}
    for step in steps(api):
        name = examples.sent_to(step["send"], routes)
        if name and step["status"] == routes[name].status and "answer" in step:
            (answer,) = by_name[name]["responses"][str(step["status"])]["content"].values()
            assert "example" in answer, name


@pytest.mark.parametrize("api", APIS)
def test_every_status_of_the_contract_is_documented(api: str) -> None:
    routes = {name: route for name, (_, route) in apis.load(api).operations.items()}
    by_name = {operation["operationId"]: operation for operation in operations(api).values()}
    for step in steps(api):
        name = examples.sent_to(step["send"], routes)
        # What fits no route, in this method, is answered by the gateway.
        assert name is None or str(step["status"]) in by_name[name]["responses"], step["send"]


@pytest.mark.parametrize("api", APIS)
def test_every_example_fits_its_schema(api: str) -> None:
    whole = committed(api)
    checked = 0
    parts = {"paths": whole["paths"], "responses": whole["components"]["responses"]}
    for place, content in contents(parts):
        shown = [content["example"]] if "example" in content else []
        for example in [*shown, *(each["value"] for each in content.get("examples", {}).values())]:
            checked += 1
            assert not complaints(content["schema"], example, whole), place
            assert not re.search(r"'<\w+>'|\$\{", str(example)), f"{place} has a placeholder: {example}"
    for name, schema in whole["components"]["schemas"].items():
        for example in schema.get("examples", []):
            assert not complaints(schema, example, whole), name
    assert checked


@pytest.mark.parametrize("api", APIS)
def test_every_example_of_a_path_parameter_fits(api: str) -> None:
    for name, operation in operations(api).items():
        for parameter in operation.get("parameters", []):
            if "example" in parameter:
                assert not complaints(parameter["schema"], parameter["example"], committed(api)), name


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", refusals.SAMPLES)
def test_an_error_has_the_documented_shape_and_nothing_else(api: str, kind: str) -> None:
    loaded = apis.load(api)
    _, body = loaded.render(refusals.SAMPLES[kind], refusals.REQUEST_ID)
    assert loaded.error_body.model_validate(body, strict=True).model_dump(mode="json", by_alias=True) == body


@pytest.mark.parametrize("api", APIS)
def test_an_error_status_is_listed_for_a_route_that_can_have_it(api: str) -> None:
    loaded = apis.load(api)
    status_of = {kind: str(loaded.render(error, "req_x")[0]) for kind, error in refusals.SAMPLES.items()}
    for name, operation in operations(api).items():
        listed = set(operation["responses"])
        if "{" in name:
            assert status_of["not_found"] in listed, name
        if "requestBody" in operation:
            assert {status_of["invalid"], status_of["too_large"]} <= listed, name
        if any(parameter["name"] == "If-Match" for parameter in operation.get("parameters", [])):
            assert status_of["stale"] in listed, name
        if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", [])):
            assert status_of["reused_key"] in listed, name


def contents(node: Any, place: str = "") -> list[tuple[str, Document]]:
    """Every media type of the document, with where it is."""
    if isinstance(node, list):
        return [found for each in node for found in contents(each, place)]
    if not isinstance(node, dict):
        return []
    own = [(place, media) for media in node.get("content", {}).values()] if "content" in node else []
    return own + [
        found for name, each in node.items() if name != "content" for found in contents(each, f"{place}/{name}")
    ]


def complaints(schema: Document, value: Any, whole: Document) -> list[str]:
    """Why the value does not fit; references are resolved in the document."""
    validator = Draft202012Validator({**schema, "components": whole["components"]})
    return [error.message for error in validator.iter_errors(value)]
