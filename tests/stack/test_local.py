"""The local side itself: a stack comes up, answers, makes accounts and leaves nothing behind; the receiver verifies."""

from __future__ import annotations

import datetime
import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from standardwebhooks.webhooks import Webhook

from local import server, stack, state
from local.receiver import Receiver
from local.state import LocalError, Stack

pytestmark = pytest.mark.stack

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    made = stack.up(0, current=False)
    yield made
    assert stack.down(made.port)
    assert server.is_free(made.port)


def test_every_api_of_the_template_has_a_base_url_and_what_it_says_can_be_read_again(running: Stack) -> None:
    assert running.base_url("reference") == f"{running.endpoint_url}/_aws/execute-api/f1a00001/v1"
    assert state.read(state.directory(running.port) / "stack.json") == running
    assert stack.find(running.port) == running


def test_a_port_in_use_is_refused_with_one_sentence(running: Stack) -> None:
    with pytest.raises(LocalError, match=f"^a stack is running on port {running.port} already: [^\n]+$"):
        stack.up(running.port, current=False)
    with Receiver() as other, pytest.raises(LocalError, match=f"^port {other.port} is in use by another program: "):
        stack.up(other.port, current=False)


def test_an_account_gets_a_key_that_the_gateway_accepts_and_no_other_one_is(running: Stack) -> None:
    account = stack.create_account(running, "local@example.org", "professional", "Local")
    entrances = {"api_key", "client_id", "client_secret"}
    assert set(account) == {"account_id", "subscription_id", "user_id", "email", "plan"} | entrances

    def status(key: str) -> int:
        url = f"{running.base_url('reference')}/users/me"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})) as got:
                return int(got.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    assert status(account["api_key"]) == 200
    assert status("flv_nothing") == 401


def test_an_account_that_cannot_be_made_says_why_in_the_functions_words(running: Stack) -> None:
    with pytest.raises(LocalError, match="plan"):
        stack.create_account(running, "gold@example.org", "gold")


def test_the_receiver_answers_as_told_first_and_then_as_the_signature_deserves() -> None:
    with Receiver(statuses=[503], secret=SECRET) as receiver:
        assert [_post(receiver, signed=signed) for signed in (True, True, False)] == [503, 200, 401]
        assert receiver.wait(lambda requests: len(requests) == 3, timeout_seconds=5)
    assert [request.verified for request in receiver.requests] == [True, True, False]
    assert {(request.event, request.id) for request in receiver.requests} == {("project.created", "evt_1")}


def _post(receiver: Receiver, *, signed: bool) -> int:
    now, body = datetime.datetime.now(datetime.UTC), json.dumps({"type": "project.created", "data": {}})
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("evt_1", now, body) if signed else "v1,no base64 at all",
    }
    try:
        with urllib.request.urlopen(urllib.request.Request(receiver.url, body.encode(), headers)) as got:
            return int(got.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
