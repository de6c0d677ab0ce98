"""The documents of the APIs, executed: every tests/contract/<api>.yaml over HTTP against the local stack."""

from __future__ import annotations

import json
import re
import time
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from fluvial import ids
from local.state import Stack
from tests import template
from tests.contract import client as http
from tests.contract.client import Answer, Client, multipart
from tests.stack.conftest import Account, NewAccount

pytestmark = pytest.mark.stack

UNTIL_SECONDS = 60
FIRST_POLL_SECONDS = 0.05
LAST_POLL_SECONDS = 1.0

ID = r"[0-9a-hjkmnp-tv-z]{11}"
PREFIXES = ("an", "data", "ds", "exp", "job", "key", "page", "proj", "sec", "upl", "user", "wh")
PATTERNS = {
    **{prefix: rf"{prefix}_{ID}" for prefix in PREFIXES},
    "evt": rf"evt_{ID}[0-9a-f]{{10}}",
    "time": r"20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\dZ",
    "text": r"(?s:.+)",
    "email": r"[^@]+@example\.com",
    "secret": r"whsec_[A-Za-z0-9+/]+=*",
    "request": r"req_[0-9a-f-]{36}",
    "cursor": r"cursor_[A-Za-z0-9_-]{11}",
    "digits": r"[0-9]+",
    "sha256": r"[0-9a-f]{64}",
    "url": r"https?://\S+",
    "uuid": ids.UUID_PATTERN,
    "any_uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "token": r"[0-9A-Za-z]{64}",
}
# Two requests that are counted with a class of limits, where they are not for a list and an absent thing of projects.
ALL = "all"
COUNTED = {
    ("flarelight", ALL): ("GET /Import/All", "GET /Import/absent"),
    ("fluxx", ALL): ("GET /oauth/applications", "GET /poll/queues/1"),
    ("fluxx", "list"): ("GET /api/rest/v2/program", "GET /api/rest/v2/program/list"),
    ("fluxx", "get"): ("GET /api/rest/v2/program/1", "GET /api/rest/v2/model_document_download/1"),
    ("fluxx", "write"): ("DELETE /api/rest/v2/program/1", "PUT /api/rest/v2/program/1"),
}
KINDS: dict[str, type] = {"object": dict, "list": list, "number": int}
FORM = "application/x-www-form-urlencoded"


@cache
def documents() -> dict[str, dict[str, Any]]:
    """Every document by the name of its API."""
    loaded = [yaml.safe_load(path.read_text()) for path in sorted(Path(__file__).parent.glob("*.yaml"))]
    return {document["api"]: document for document in loaded}


def scenarios() -> list[Any]:
    return [
        pytest.param(api, scenario, id=f"{api}: {scenario['name']}")
        for api, document in documents().items()
        for scenario in document["scenarios"]
    ]


def limits() -> list[Any]:
    """Each plan's limits; of an API whose routes have different ones, by the class of routes."""
    return [
        pytest.param(api, of, plan, limit["requests"], limit["window_seconds"], id=f"{api}: {of} {plan}")
        for api, document in documents().items()
        for of, plans in (document["limits"] if "free" not in document["limits"] else {ALL: document["limits"]}).items()
        for plan, limit in plans.items()
    ]


def served(api: str) -> set[str]:
    """The routes of the API's functions in the template, every parameter as `{id}`; its documentation aside."""
    return {
        bare(f"{event['Properties']['Method']} {event['Properties']['Path']}")
        for function in template.functions().values()
        for event in function.get("Events", {}).values()
        if event["Type"] == "Api"
        and function["Handler"].startswith(f"{api}.")
        and function["Handler"] != f"{api}.documentation.handler"
    }


def named(document: dict[str, Any], *groups: str) -> set[str]:
    """The endpoints of these groups, every parameter as `{id}`."""
    return {bare(endpoint) for group in groups for part in document.get(group, {}).values() for endpoint in part}


def bare(endpoint: str) -> str:
    return re.sub(r"{\w+\+?}", "{id}", endpoint)


@pytest.mark.parametrize(("api", "scenario"), scenarios())
def test_the_document_is_answered_as_it_says(new_account: NewAccount, api: str, scenario: dict[str, Any]) -> None:
    account = new_account(scenario.get("plan", "professional"))
    kept: dict[str, Any] = {
        "account": account.id,
        "client_id": account.client_id,
        "client_secret": account.client_secret,
    }
    for step in scenario["steps"]:
        for _ in range(step.get("times", 1)):
            # Keys and the like are made by an API that has routes for them.
            run(account.of(step.get("api", api)), step, kept)


@pytest.mark.parametrize("api", documents())
def test_a_document_has_the_name_of_its_file(api: str) -> None:
    assert Path(__file__).with_name(f"{api}.yaml").is_file()


@pytest.mark.parametrize("api", documents())
def test_every_endpoint_of_the_document_is_executed_or_listed_as_not_yet_served(api: str) -> None:
    document = documents()[api]
    known = named(document, "endpoints", "ours") | served(api)
    sent = {
        bare(step["route"]) if "route" in step else route(step["send"], known)
        for scenario in document["scenarios"]
        for step in scenario["steps"]
        if step.get("api", api) == api
    }
    assert named(document, "endpoints", "ours") - sent == set(document["not_yet"])


@pytest.mark.parametrize("api", documents())
def test_what_the_document_names_is_in_the_template_but_what_is_not_yet_served(api: str) -> None:
    document = documents()[api]
    assert named(document, "endpoints", "ours") - served(api) == set(document["not_yet"])
    if "ours" in document:
        assert served(api) <= named(document, "endpoints", "ours")


@pytest.mark.parametrize("api", documents())
def test_what_is_not_yet_served_is_answered_as_an_unknown_route(account: Account, api: str) -> None:
    for endpoint in documents()[api]["not_yet"]:
        method, path = endpoint.split()
        assert account.of(api).send(method, path).status == 404, endpoint


@pytest.mark.parametrize(("api", "of", "plan", "limit", "window_seconds"), limits())
def test_every_answer_tells_the_plan_s_limit(
    new_account: NewAccount, api: str, of: str, plan: str, limit: int, window_seconds: int
) -> None:
    account = new_account(plan).of(api)
    before = int(time.time())
    counted = COUNTED.get((api, of), ("GET /projects", "GET /projects/proj_abc123"))
    first, second = (account.send(method, path) for method, path in map(str.split, counted))
    for answer in (first, second):
        assert answer.headers["x-ratelimit-limit"] == str(limit)
        reset = int(answer.headers["x-ratelimit-reset"])
        assert before < reset <= time.time() + window_seconds
        assert reset % window_seconds == 0
        assert re.fullmatch(r'"default";r=\d+;t=\d+', answer.headers["ratelimit"])
        assert answer.headers["ratelimit-policy"] == f'"default";q={limit};w={window_seconds}'
    if first.headers["x-ratelimit-reset"] == second.headers["x-ratelimit-reset"]:
        assert first.headers["x-ratelimit-remaining"] == str(limit - 1)
        assert second.headers["x-ratelimit-remaining"] == str(limit - 2)


def test_a_status_request_needs_no_key_and_spends_none_of_its_limit(stack: Stack, account: Account) -> None:
    assert "x-ratelimit-limit" not in account.of("reference").get("/status").headers


def run(client: Client, step: dict[str, Any], kept: dict[str, Any]) -> None:
    """Sends the step, again until it is as wanted, and compares the whole answer."""
    what = f"{step['send']}:"
    deadline, pause = time.monotonic() + UNTIL_SECONDS, FIRST_POLL_SECONDS
    while True:
        answer = send(client, step, kept)
        if all(at(answer.json(), path) == value for path, value in filled(step.get("until", {}), kept).items()):
            break
        if time.monotonic() > deadline:
            break
        if not step.get("at_once"):
            time.sleep(pause)
        # Fewer and fewer, so that waiting does not use up the plan's limit.
        pause = min(pause * 1.5, LAST_POLL_SECONDS)
    assert answer.status == step["status"], f"{what} {answer.body.decode()}"
    received = filled(step.get("received", {}), kept)
    assert matching(received, answer.headers) == {name: answer.headers.get(name) for name in received}, what
    shown = answer.body.decode()
    assert [text for text in step.get("shows", []) if text not in shown] == [], f"{what} {shown}"
    if step["send"].split(" ", 1)[1].startswith("${") or answer.status in (302, 304) or "content-type" in received:
        return  # it is no JSON: the bucket has a language of its own, a page is one for people
    assert answer.headers["content-type"].split(";")[0] == "application/json", what
    assert re.fullmatch(r"(req_)?[0-9a-f-]{36}", answer.headers["x-request-id"]), what
    body = answer.json()
    if "answer" in step:
        whole = step["answer"]
        expected = filled({**whole, **step.get("extra", {})} if isinstance(whole, dict) else whole, kept)
        assert matching(expected, body) == body, what
    if step.get("in_order"):
        assert order(body) == order(step["answer"]), what
    check_request_id(body, answer, what)
    for name, path in step.get("keep", {}).items():
        path, _, pattern = path.partition(" ")
        kept[name] = at(body, path)
        assert kept[name] is not None, f"{what} no {path} in {body}"
        if pattern:
            (kept[name],) = re.findall(pattern, kept[name])


def check_request_id(body: Any, answer: Answer, what: str) -> None:
    """That the body has the request's id, where its API puts it there."""
    error, meta = (body.get(name, {}) if isinstance(body, dict) else {} for name in ("error", "meta"))
    if answer.headers["x-request-id"].startswith("req_") and "request_id" in error:
        assert error["request_id"] == answer.headers["x-request-id"], what
    if "requestId" in meta and "idempotent-replayed" not in answer.headers:
        assert meta["requestId"] == answer.headers["x-request-id"], what


def send(client: Client, step: dict[str, Any], kept: dict[str, Any]) -> Answer:
    method, path = filled(step["send"], kept).split(" ", 1)
    if "query" in step:
        path = f"{path}?{urlencode(filled(step['query'], kept))}"
    headers = filled(dict(step.get("headers", {})), kept)
    body: bytes | None = None
    if "text" in step:
        body = step["text"].encode()
    elif "form" in step:
        headers.setdefault("Content-Type", FORM)
        body = urlencode(filled(step["form"], kept)).encode()
    elif "json" in step:
        headers["Content-Type"] = "application/json"
        body = json.dumps(filled(step["json"], kept)).encode()
    elif "file" in step:
        file = step["file"]
        body, headers["Content-Type"] = multipart(
            file["content"].encode(),
            filled(step.get("fields", {}), kept),
            filename=file["name"],
            part=file.get("part", "file"),
        )
    elif "fields" in step:
        body, headers["Content-Type"] = multipart(None, filled(step["fields"], kept))
    if path.startswith("http"):
        return http.send(method, path, body, headers)
    key = filled(step.get("key", client.key), kept)
    sender = Client(client.base_url, None if key == "none" else key, subscription=client.subscription)
    return sender.send(method, path, body, headers)


def filled(value: Any, kept: dict[str, Any]) -> Any:
    """The value with every `${name}` replaced; alone, it stands for what was kept, also where that is no text."""
    if isinstance(value, str):
        if alone := re.fullmatch(r"\$\{(\w+)\}", value):
            return kept[alone[1]]
        return re.sub(r"\$\{(\w+)\}", lambda found: str(kept[found[1]]), value)
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
        if name == "whole":
            return actual if type(actual) is int and actual > 0 else expected
        if name in KINDS:
            return actual if isinstance(actual, KINDS[name]) else expected
        return actual if isinstance(actual, str) and re.fullmatch(PATTERNS[name], actual) else expected
    # 1 and true are equal in Python, and not in JSON.
    return expected if type(expected) is type(actual) else repr(expected)


def at(body: Any, path: str) -> Any:
    """What is at the dotted path; None where the body has nothing there."""
    for name in path.split("."):
        if isinstance(body, list) and name.isdecimal():
            body = body[int(name)] if int(name) < len(body) else None
        else:
            body = body.get(name) if isinstance(body, dict) else None
    return body


def order(body: Any) -> Any:
    """The names of all members, in their order."""
    if isinstance(body, dict):
        return [(name, order(part)) for name, part in body.items()]
    return [order(part) for part in body] if isinstance(body, list) else None


def route(sent: str, known: set[str]) -> str:
    """`GET /projects/${project}?x=1` as the document writes it: `GET /projects/{id}`.

    Of several that fit it is, as at the gateway, the one with the fewest parameters; what fits none is as it was sent.
    """
    sent = sent.split("?")[0]
    fitting = [each for each in known if re.fullmatch(re.escape(each).replace(r"\{id\}", "[^/]+"), sent)]
    return min(fitting, key=lambda each: each.count("{id}"), default=sent)
