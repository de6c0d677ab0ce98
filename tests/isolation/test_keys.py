"""Every operation of every API over HTTP with a key that opens nothing: the same 401, whatever is wrong with it.

The authorizer looks at no path, and no function is reached: which ids a request has makes no difference.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fluvial import keys
from local.openapi import apis, refusals
from local.state import Stack
from tests.contract.client import Answer, Client
from tests.isolation.cases import OPEN
from tests.isolation.documents import APIS, Operation, operations
from tests.stack.conftest import Account, account_on

pytestmark = pytest.mark.stack

WAIT_SECONDS = 120
REQUEST_ID = re.compile(rb"req_[0-9a-f-]{36}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
VOLATILE = {"date", "x-request-id", "x-amzn-requestid", "x-amz-request-id"}
SECRETS = ("missing", "unknown", "revoked", "expired")


@pytest.fixture(scope="module")
def account(stack: Stack) -> Account:
    return account_on(stack)


@pytest.fixture(scope="module")
def secrets(account: Account) -> dict[str, str | None]:
    """Keys that open nothing, by what is wrong with them."""
    revoked = account.post("/keys", {"name": "Revoked"}).json()
    expired = _expiring(account)
    assert account.delete(f"/keys/{revoked['id']}").status == 200
    deadline = time.monotonic() + WAIT_SECONDS
    while Client(account.base_url, expired["key"]).get("/projects").status == 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return {"missing": None, "unknown": keys.new_secret(), "revoked": revoked["key"], "expired": expired["key"]}


def _expiring(account: Client) -> dict[str, str]:
    """A key that ends soon: as soon as the machine is quick enough to make it before."""
    for seconds in (1, 5, 25, 50):
        soon = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        made = account.post("/keys", {"name": "Expired", "expires_at": soon})
        if made.status == 201:
            return dict(made.json())
    raise AssertionError(made.body)


@pytest.mark.parametrize("api", APIS)
def test_every_operation_answers_every_bad_key_alike(
    account: Account, api: str, secrets: dict[str, str | None]
) -> None:
    assert tuple(secrets) == SECRETS
    guarded = [each for each in operations() if each.api == api and str(each) not in OPEN]
    # What answers a HEAD has no body.
    silent = [each for each in guarded if each.method == "HEAD"]
    assert {ask(account, each, secret).status for each in silent for secret in secrets.values()} <= {401}
    answers = {
        (each.name, kind): told(ask(account, each, secret))
        for each in guarded
        if each not in silent
        for kind, secret in secrets.items()
    }
    first = next(iter(answers.values()))
    assert {asked: answer for asked, answer in answers.items() if answer != first} == {}
    loaded = apis.load(api)
    status, body = loaded.render(refusals.SAMPLES["unauthenticated"], "req_")
    assert (first[0], json.loads(first[1])) == (status, body)
    assert status == 401


@pytest.mark.parametrize("operation", [each for each in operations() if str(each) in OPEN], ids=str)
def test_what_is_open_to_all_is_answered_to_a_bad_key_as_to_none(
    account: Account, operation: Operation, secrets: dict[str, str | None]
) -> None:
    answers = [ask(account, operation, secret) for secret in secrets.values()]
    told = {"get_status": 200, "issue_token": 401}
    assert {answer.status for answer in answers} == {told.get(operation.name, 404)}


def ask(account: Account, operation: Operation, secret: str | None) -> Answer:
    """The operation with this key of the account, and with whatever fits the places of its path."""
    path = re.sub(r"{\w+}", "1", operation.path)
    headers = {"Content-Type": "application/json"}
    body = b"{}" if operation.method in ("POST", "PUT", "PATCH") else None
    return replace(account.of(operation.api), key=secret).send(operation.method, path, body, headers)


def told(answer: Answer) -> tuple[int, bytes, dict[str, str]]:
    """All of an answer that may not differ."""
    return (
        answer.status,
        REQUEST_ID.sub(b"req_", answer.body),
        {name: value for name, value in answer.headers.items() if name not in VOLATILE},
    )
