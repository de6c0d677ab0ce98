"""What a browser needs of every API, on the emulator: preflights without a key, and headers on every answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fluvial.http import headers
from local.openapi import apis
from tests.contract.client import Answer, Client
from tests.stack.conftest import Account

pytestmark = pytest.mark.stack

ORIGIN = {"Origin": "https://app.example.com"}
# A list and an absent thing in it, of each API.
LISTS = dict.fromkeys(apis.names(), ("/projects", "/projects/proj_abc123")) | {
    "flarelight": ("/Import/All", "/Import/abc123"),
    "fluxx": ("/api/rest/v2/program", "/api/rest/v2/program/abc123"),
}
# Where a POST of JSON goes, if not to the list.
POSTED = {"flarelight": "/Import/Data"}
# The API that tells refusals with the status of a success.
TOLD_AS_SUCCESS = "fluxx"
SENT = ("Content-Type", "Idempotency-Key", "If-Match", "If-None-Match")
CREDENTIALS = dict.fromkeys(apis.names(), ("Authorization",)) | {"flarelight": ("X-Api-Key", "X-Subscription-Id")}


@pytest.mark.parametrize("api", apis.names())
@pytest.mark.parametrize("alone", [False, True])
def test_a_preflight_is_answered_without_a_key(account: Account, api: str, alone: bool) -> None:
    path = LISTS[api][alone]
    method, allowed = ("DELETE", {"GET", "OPTIONS"}) if alone else ("GET", {"OPTIONS"})
    asked = {
        **ORIGIN,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    }
    answer = Client(account.of(api).base_url).send("OPTIONS", path, headers=asked)
    assert answer.status == 200, answer.body
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-max-age"] == "7200"
    assert {method, *allowed} <= set(answer.headers["access-control-allow-methods"].split(","))
    sent = {*SENT, *CREDENTIALS[api]}
    assert sent <= set(answer.headers["access-control-allow-headers"].split(","))


@pytest.mark.parametrize("api", apis.names())
def test_every_answer_of_a_function_can_be_read_by_a_browser_and_is_safe_in_one(account: Account, api: str) -> None:
    client = account.of(api)
    path, absent = LISTS[api]
    for status, answer in (
        (200, client.send("GET", path, headers=ORIGIN)),
        (400, client.send("GET", f"{path}?limit=0&per_page=0&count=0", headers=ORIGIN)),
        (400, client.send("POST", POSTED.get(api, path), b"{", ORIGIN)),
        (404, client.send("GET", absent, headers=ORIGIN)),
    ):
        assert answer.status == (200 if api == TOLD_AS_SUCCESS else status), answer.body
        assert (b'"error":' in answer.body or b'"type": "error"' in answer.body) == (status != 200), answer.body
        assert_open(answer)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["access-control-expose-headers"] == headers.EXPOSED
        for name, value in headers.SECURITY.items():
            assert answer.headers[name.lower()] == value, name


@pytest.mark.parametrize("api", apis.names())
def test_every_answer_of_the_gateway_itself_can_be_read_by_a_browser(account: Account, api: str) -> None:
    client = account.of(api)
    for status, answer in (
        (401, Client(client.base_url).send("GET", LISTS[api][0], headers=ORIGIN)),
        (401, replace(client, key="YOUR_API_KEY").send("GET", LISTS[api][0], headers=ORIGIN)),
        (404, client.send("GET", "/nothing", headers=ORIGIN)),
        (404, client.send("PATCH", LISTS[api][0], headers=ORIGIN)),
    ):
        assert answer.status == status, answer.body
        assert_open(answer)


def assert_open(answer: Answer) -> None:
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-request-id"]
    assert answer.headers["content-type"].split(";")[0] == "application/json"
