"""What a browser needs of every API, on the emulator: preflights without a key, and headers on every answer."""

from __future__ import annotations

import pytest

from fluvial.http import headers
from local.openapi import apis
from tests.contract.client import Answer, Client
from tests.stack.conftest import Account

pytestmark = pytest.mark.stack

ORIGIN = {"Origin": "https://app.example.com"}
# A method on each, and one with a parameter; what the path has beside it is the template's.
ROUTES = [("/projects", "POST", {"GET", "POST", "OPTIONS"}), ("/projects/proj_abc123", "DELETE", {"GET", "OPTIONS"})]
SENT = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match")


@pytest.mark.parametrize("api", apis.names())
@pytest.mark.parametrize(("path", "method", "allowed"), ROUTES)
def test_a_preflight_is_answered_without_a_key(
    account: Account, api: str, path: str, method: str, allowed: set[str]
) -> None:
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
    assert set(SENT) <= set(answer.headers["access-control-allow-headers"].split(","))


@pytest.mark.parametrize("api", apis.names())
def test_every_answer_of_a_function_can_be_read_by_a_browser_and_is_safe_in_one(account: Account, api: str) -> None:
    client = account.of(api)
    for status, answer in (
        (200, client.send("GET", "/projects", headers=ORIGIN)),
        (400, client.send("GET", "/projects?limit=0&per_page=0", headers=ORIGIN)),
        (400, client.send("POST", "/projects", b"{", ORIGIN)),
        (404, client.send("GET", "/projects/proj_abc123", headers=ORIGIN)),
    ):
        assert answer.status == status, answer.body
        assert_open(answer)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["access-control-expose-headers"] == headers.EXPOSED
        for name, value in headers.SECURITY.items():
            assert answer.headers[name.lower()] == value, name


@pytest.mark.parametrize("api", apis.names())
def test_every_answer_of_the_gateway_itself_can_be_read_by_a_browser(account: Account, api: str) -> None:
    client = account.of(api)
    for status, answer in (
        (401, Client(client.base_url).send("GET", "/projects", headers=ORIGIN)),
        (401, Client(client.base_url, "YOUR_API_KEY").send("GET", "/projects", headers=ORIGIN)),
        (404, client.send("GET", "/nothing", headers=ORIGIN)),
        (404, client.send("PATCH", "/projects", headers=ORIGIN)),
    ):
        assert answer.status == status, answer.body
        assert_open(answer)


def assert_open(answer: Answer) -> None:
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-request-id"]
    assert answer.headers["content-type"].split(";")[0] == "application/json"
