"""The reference API's document, executed: tests/contract/reference.yaml over HTTP against the local stack."""

from __future__ import annotations

import json
import re
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.state import Stack
from tests import template
from tests.contract.client import Answer, Client, multipart
from tests.stack.conftest import NewAccount

pytestmark = pytest.mark.stack

UNTIL_SECONDS = 60
POLL_SECONDS = 0.05

ID = r"[0-9a-hjkmnp-tv-z]{11}"
PATTERNS = {
    **{prefix: rf"{prefix}_{ID}" for prefix in ("proj", "data", "user", "wh", "job", "key")},
    "evt": rf"evt_{ID}[0-9a-f]{{10}}",
    "time": r"20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\dZ",
    "text": r"(?s:.+)",
    "email": r"[^@]+@example\.com",
    "secret": r"whsec_[A-Za-z0-9+/]+=*",
    "request": r"req_[0-9a-f-]{36}",
}
KINDS: dict[str, type] = {"object": dict, "list": list, "number": int}


@cache
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("reference.yaml").read_text())
    return loaded


@pytest.mark.parametrize("scenario", document()["scenarios"], ids=lambda scenario: scenario["name"])
def test_the_document_is_answered_as_it_says(account: Client, scenario: dict[str, Any]) -> None:
    kept: dict[str, str] = {}
    for step in scenario["steps"]:
        for _ in range(step.get("times", 1)):
            run(account, step, kept)


def test_every_endpoint_of_the_document_is_executed_or_listed_as_not_yet_served() -> None:
    sent = {route(step["send"]) for scenario in document()["scenarios"] for step in scenario["steps"]}
    named = {endpoint for group in document()["endpoints"].values() for endpoint in group}
    assert named - sent == set(document()["not_yet"])


def test_what_is_not_yet_served_is_not_in_the_template() -> None:
    served = {
        f"{event['Properties']['Method']} {event['Properties']['Path']}"
        for function in template.functions().values()
        for event in function.get("Events", {}).values()
        if event["Type"] == "Api"
    }
    assert served.isdisjoint(document()["not_yet"])


def test_what_is_not_yet_served_is_answered_as_an_unknown_route(account: Client) -> None:
    for endpoint in document()["not_yet"]:
        method, path = endpoint.split()
        assert account.send(method, path).status == 404, endpoint


@pytest.mark.parametrize(("plan", "limit"), document()["limits"].items())
def test_every_answer_tells_the_plan_s_limit_per_hour(new_account: NewAccount, plan: str, limit: int) -> None:
    account = new_account(plan)
    before = int(time.time())
    first, second = account.get("/projects"), account.get("/projects/proj_abc123")
    for answer in (first, second):
        assert answer.headers["x-ratelimit-limit"] == str(limit)
        reset = int(answer.headers["x-ratelimit-reset"])
        assert before < reset <= time.time() + 3600
        assert reset % 3600 == 0
        assert re.fullmatch(r'"default";r=\d+;t=\d+', answer.headers["ratelimit"])
        assert answer.headers["ratelimit-policy"] == f'"default";q={limit};w=3600'
    if first.headers["x-ratelimit-reset"] == second.headers["x-ratelimit-reset"]:
        assert first.headers["x-ratelimit-remaining"] == str(limit - 1)
        assert second.headers["x-ratelimit-remaining"] == str(limit - 2)


def test_a_status_request_needs_no_key_and_spends_none_of_its_limit(stack: Stack, account: Client) -> None:
    assert "x-ratelimit-limit" not in account.get("/status").headers


def run(client: Client, step: dict[str, Any], kept: dict[str, str]) -> None:
    """Sends the step, again until it is as wanted, and compares the whole answer."""
    what = f"{step['send']}:"
    deadline = time.monotonic() + UNTIL_SECONDS
    while True:
        answer = send(client, step, kept)
        wanted = step.get("until")
        if wanted is None or wanted.items() <= answer.json().items() or time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS)
    assert answer.status == step["status"], f"{what} {answer.body.decode()}"
    assert answer.headers["content-type"].split(";")[0] == "application/json", what
    assert re.fullmatch(r"(req_)?[0-9a-f-]{36}", answer.headers["x-request-id"]), what
    body = answer.json()
    if "answer" in step:
        expected = filled({**step["answer"], **step.get("extra", {})}, kept)
        assert matching(expected, body) == body, what
    if answer.headers["x-request-id"].startswith("req_") and "error" in body:
        assert body["error"]["request_id"] == answer.headers["x-request-id"], what
    for name, path in step.get("keep", {}).items():
        kept[name] = at(body, path)


def send(client: Client, step: dict[str, Any], kept: dict[str, str]) -> Answer:
    method, path = filled(step["send"], kept).split(" ", 1)
    headers = dict(step.get("headers", {}))
    body: bytes | None = None
    if "text" in step:
        body = step["text"].encode()
    elif "json" in step:
        headers["Content-Type"] = "application/json"
        body = json.dumps(filled(step["json"], kept)).encode()
    elif "file" in step:
        file = step["file"]
        body, headers["Content-Type"] = multipart(
            file["content"].encode(), filled(step["fields"], kept), filename=file["name"]
        )
    key = filled(step.get("key", client.key), kept)
    return Client(client.base_url, None if key == "none" else key).send(method, path, body, headers)


def filled(value: Any, kept: dict[str, str]) -> Any:
    """The value with every `${name}` replaced."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda found: kept[found[1]], value)
    if isinstance(value, dict):
        return {name: filled(part, kept) for name, part in value.items()}
    if isinstance(value, list):
        return [filled(part, kept) for part in value]
    return value


def matching(expected: Any, actual: Any) -> Any:
    """What was expected, with every placeholder that the actual value fits replaced by it: comparable, readable."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return {name: matching(part, actual.get(name)) for name, part in expected.items()}
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [matching(part, found) for part, found in zip(expected, actual, strict=True)]
    if isinstance(expected, str) and (placeholder := re.fullmatch(r"<(\w+)>", expected)):
        name = placeholder[1]
        if name in KINDS:
            return actual if isinstance(actual, KINDS[name]) else expected
        return actual if isinstance(actual, str) and re.fullmatch(PATTERNS[name], actual) else expected
    # 1 and true are equal in Python, and not in JSON.
    return expected if type(expected) is type(actual) else repr(expected)


def at(body: Any, path: str) -> Any:
    for name in path.split("."):
        body = body[name]
    return body


def route(sent: str) -> str:
    """`GET /projects/${project}?x=1` as the document writes it: `GET /projects/{id}`."""
    method, path = sent.split("?")[0].split(" ", 1)
    parts = ["{id}" if part.startswith("${") or re.match(r"(proj|data)_", part) else part for part in path.split("/")]
    return f"{method} {'/'.join(parts)}"
