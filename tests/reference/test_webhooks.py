"""Webhook endpoints and their deliveries through their handler, on moto."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from fluvial import config, deliveries, ids, outbound, projects
from fluvial import webhooks as core
from fluvial.caller import Caller
from fluvial.store import events as outbox
from fluvial.store import keys, table, webhooks
from reference.webhooks import handler
from tests import factories
from tests.factories import answer, request
from workers import fan_out

URL = "http://127.0.0.1:9/webhooks"


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


def create(caller: Caller, **body: Any) -> dict[str, Any]:
    sent = {"url": URL, "events": ["project.created"], **body}
    status, endpoint = answer(handler, request("POST", "/webhooks", caller=caller, body=sent))
    assert status == 201
    return endpoint


def ask(caller: Caller, method: str, id: str, body: object = None) -> tuple[int, Any]:
    return answer(handler, request(method, "/webhooks/{id}", caller=caller, path={"id": id}, body=body))


def listed(caller: Caller, **query: str) -> Any:
    return answer(handler, request("GET", "/webhooks", caller=caller, query=query))[1]


def without_secret(endpoint: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in endpoint.items() if name != "secret"}


def stored(caller: Caller, id: str) -> core.Endpoint:
    endpoint = webhooks.get(caller.account, ids.parse(ids.ENDPOINT, id) or 0)
    assert endpoint is not None
    return endpoint


def deliveries_of(caller: Caller, id: str, **query: str) -> Any:
    event = request("GET", "/webhooks/{id}/deliveries", caller=caller, path={"id": id}, query=query)
    return answer(handler, event)[1]


def happen(caller: Caller) -> str:
    """A project is created and its event fanned out; returns the event's id."""
    factories.new_project(caller)
    event_id = table.query(keys.listed(caller.account, "events"))[-1]["id"]
    event = outbox.get(caller.account, event_id)
    assert event is not None
    assert deliveries.fan_out(event) > 0
    return event_id


class Receiver:
    """What an endpoint answers, and what it was sent, without a network."""

    def __init__(self, *answers: outbound.Answer) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, bytes, dict[str, str]]] = []

    def post(self, url: str, body: bytes, headers: dict[str, str], **_: Any) -> outbound.Answer:
        self.requests.append((url, body, headers))
        return self.answers.pop(0)


def attempt(caller: Caller, id: str, event: str, number: int, receiver: Receiver) -> None:
    endpoint = ids.parse(ids.ENDPOINT, id) or 0
    deliveries.attempt(caller.account, endpoint, event, number, post=receiver.post, chance=lambda: 0.5)


def test_a_new_endpoint_is_answered_whole_with_a_secret(caller: Caller) -> None:
    endpoint = create(caller, events=["project.created", "data.processed"])
    assert endpoint == {
        "id": endpoint["id"],
        "url": URL,
        "events": ["project.created", "data.processed"],
        "enabled": True,
        "disabled_reason": None,
        "created_at": endpoint["created_at"],
        "updated_at": endpoint["created_at"],
        "secret": endpoint["secret"],
    }
    assert len(base64.b64decode(endpoint["secret"].removeprefix("whsec_"))) == 32
    assert stored(caller, endpoint["id"]).secret == endpoint["secret"]


def test_a_secret_is_shown_only_where_it_is_made(caller: Caller) -> None:
    endpoint = create(caller)
    assert ask(caller, "GET", endpoint["id"]) == (200, without_secret(endpoint))
    assert listed(caller)["data"] == [without_secret(endpoint)]
    changed = ask(caller, "PUT", endpoint["id"], {"events": ["*"]})[1]
    assert "secret" not in changed
    rolled = ask(caller, "PUT", endpoint["id"], {"secret": "another-secret"})[1]
    assert rolled["secret"] == "whsec_" + base64.b64encode(b"another-secret").decode()


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("your_webhook_secret", "whsec_eW91cl93ZWJob29rX3NlY3JldA=="),
        ("geheim-ü", "whsec_" + base64.b64encode("geheim-ü".encode()).decode()),
        ("whsec_" + base64.b64encode(b"k" * 32).decode(), "whsec_" + base64.b64encode(b"k" * 32).decode()),
        ("whsec_" + base64.b64encode(b"k" * 32).decode().rstrip("="), "whsec_" + base64.b64encode(b"k" * 32).decode()),
    ],
)
def test_a_secret_of_the_client_is_taken_and_spelled_as_the_standard_does(
    caller: Caller, sent: str, shown: str
) -> None:
    assert create(caller, secret=sent)["secret"] == shown


@pytest.mark.parametrize("secret", ["", "short", "s" * 65, "whsec_", "whsec_c2hvcnQ=", "whsec_***", "\ud800" * 8])
def test_a_secret_that_cannot_be_used_is_refused_and_never_repeated(caller: Caller, secret: str) -> None:
    event = request("POST", "/webhooks", caller=caller, body={"url": URL, "events": ["*"], "secret": secret})
    status, refusal = answer(handler, event)
    assert (status, refusal["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert len(secret) < 7 or secret not in json.dumps(refusal)
    assert listed(caller)["data"] == []


def test_json_is_read_whatever_its_label_says(caller: Caller) -> None:
    mislabelled = {"content-type": "application/x-www-form-urlencoded"}
    body = {"url": URL, "events": ["project.created"], "secret": "your_webhook_secret"}
    assert answer(handler, request("POST", "/webhooks", caller=caller, body=body, headers=mislabelled))[0] == 201


def test_an_update_changes_only_what_it_names(caller: Caller) -> None:
    endpoint = create(caller)
    status, changed = ask(caller, "PUT", endpoint["id"], {"url": "http://127.0.0.1:10/other", "enabled": False})
    assert (status, changed) == (
        200,
        {
            **without_secret(endpoint),
            "url": "http://127.0.0.1:10/other",
            "enabled": False,
            "disabled_reason": "disabled by its owner",
            "updated_at": changed["updated_at"],
        },
    )
    enabled = ask(caller, "PUT", endpoint["id"], {"enabled": True})[1]
    assert (enabled["enabled"], enabled["disabled_reason"]) == (True, None)
    assert stored(caller, endpoint["id"]).secret == endpoint["secret"]


def test_a_deleted_endpoint_is_gone_and_deleting_it_again_says_so(caller: Caller) -> None:
    endpoint = create(caller)
    deleted = (200, {"success": True, "message": "Webhook deleted successfully"})
    assert ask(caller, "DELETE", endpoint["id"]) == deleted
    for method, body in (("DELETE", None), ("GET", None), ("PUT", {"enabled": True})):
        status, refusal = ask(caller, method, endpoint["id"], body)
        assert (status, refusal["error"]["message"]) == (404, f"No endpoint '{endpoint['id']}' exists.")
    assert listed(caller)["pagination"]["total"] == 0


def test_an_endpoint_of_another_account_is_answered_like_an_absent_one(caller: Caller) -> None:
    endpoint, stranger = create(caller), factories.new_caller()
    for method, body in (("GET", None), ("PUT", {"enabled": False}), ("DELETE", None)):
        status, refusal = ask(stranger, method, endpoint["id"], body)
        assert (status, refusal["error"]["message"]) == (404, f"No endpoint '{endpoint['id']}' exists.")
    assert deliveries_of(stranger, endpoint["id"])["error"]["code"] == "RESOURCE_NOT_FOUND"
    assert ask(caller, "GET", endpoint["id"])[1] == without_secret(endpoint)


def test_endpoints_come_newest_first_by_page(caller: Caller) -> None:
    made = [create(caller)["id"] for _ in range(3)]
    page = listed(caller, per_page="2")
    assert [endpoint["id"] for endpoint in page["data"]] == [made[2], made[1]]
    assert page["pagination"] == {"total": 3, "page": 1, "per_page": 2, "total_pages": 2}


def test_an_account_has_a_limited_number_of_endpoints(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "MAX_ENDPOINTS", 1)
    create(caller)
    event = request("POST", "/webhooks", caller=caller, body={"url": URL, "events": ["*"]})
    status, refusal = answer(handler, event)
    assert (status, refusal["error"]["code"]) == (409, "CONFLICT")
    assert listed(caller)["pagination"]["total"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": URL}, "events"),
        ({"url": 5, "events": ["*"]}, "url"),
        ({"url": "ftp://example.com", "events": ["*"]}, "url"),
        ({"url": "javascript:alert(1)", "events": ["*"]}, "url"),
        ({"url": "example.com", "events": ["*"]}, "url"),
        ({"url": "", "events": ["*"]}, "url"),
        ({"url": "http://user:word@127.0.0.1/", "events": ["*"]}, "url"),
        ({"url": "http://no-such-name.invalid/", "events": ["*"]}, "url"),
        ({"url": "http://127.0.0.1/" + "x" * 2048, "events": ["*"]}, "url"),
        ({"url": URL, "events": []}, "events"),
        ({"url": URL, "events": "project.created"}, "events"),
        ({"url": URL, "events": ["project.exploded"]}, "events"),
        ({"url": URL, "events": ["*"], "secret": 5}, "secret"),
        ({"url": URL, "events": ["*"], "colour": "red"}, "colour"),
    ],
)
def test_a_bad_endpoint_is_refused_by_field_and_not_made(
    caller: Caller, body: dict[str, Any], field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, refusal = answer(handler, request("POST", "/webhooks", caller=caller, body=body))
    assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (400, "VALIDATION_ERROR", field)
    assert listed(caller)["data"] == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "[::1]", "[fd00::1]", "100.64.0.1"],
)
def test_private_addresses_are_refused_where_the_setting_does_not_allow_them(
    caller: Caller, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUVIAL_WEBHOOKS_ALLOW_PRIVATE", "false")
    config.settings.cache_clear()
    event = request("POST", "/webhooks", caller=caller, body={"url": f"http://{host}/", "events": ["*"]})
    status, refusal = answer(handler, event)
    assert (status, refusal["error"]) == (
        400,
        {
            "code": "VALIDATION_ERROR",
            "message": f"The host '{host.strip('[]')}' is not on the public Internet.",
            "field": "url",
            "request_id": refusal["error"]["request_id"],
        },
    )
    assert listed(caller)["data"] == []


def test_a_name_with_a_private_address_is_refused(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUVIAL_WEBHOOKS_ALLOW_PRIVATE", "false")
    config.settings.cache_clear()
    # check_url has taken its default before the test began, so the look-up beneath it is replaced.
    monkeypatch.setattr(outbound.socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("10.0.0.1", 0))])
    event = request("POST", "/webhooks", caller=caller, body={"url": "https://hooks.example.com/", "events": ["*"]})
    status, refusal = answer(handler, event)
    assert (status, refusal["error"]["message"]) == (
        400,
        "The host 'hooks.example.com' is not on the public Internet.",
    )
    assert listed(caller)["data"] == []


def test_an_update_to_a_private_address_is_refused_and_changes_nothing(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = create(caller)
    monkeypatch.setenv("FLUVIAL_WEBHOOKS_ALLOW_PRIVATE", "false")
    config.settings.cache_clear()
    assert ask(caller, "PUT", endpoint["id"], {"url": "http://10.0.0.1/", "events": ["*"]})[0] == 400
    assert ask(caller, "GET", endpoint["id"])[1] == without_secret(endpoint)


def test_an_event_is_sent_signed_and_its_delivery_listed(caller: Caller) -> None:
    endpoint = create(caller)
    receiver = Receiver(outbound.Answer(204, "", None, 7))
    event = happen(caller)
    attempt(caller, endpoint["id"], event, 1, receiver)
    ((url, body, headers),) = receiver.requests
    assert (url, headers["webhook-id"]) == (URL, event)
    sent = Webhook(endpoint["secret"]).verify(body, headers)
    assert (sent["type"], sent["data"]["name"]) == ("project.created", "A project")
    (delivery,) = deliveries_of(caller, endpoint["id"])["data"]
    assert delivery == {
        "id": event.replace("evt_", "dlv_"),
        "event_id": event,
        "event_type": "project.created",
        "state": "delivered",
        "attempts": [
            {"at": delivery["attempts"][0]["at"], "status": 204, "error": None, "milliseconds": 7, "body": ""}
        ],
        "created_at": delivery["created_at"],
        "next_attempt_at": None,
        "ended_at": delivery["ended_at"],
        "failure": None,
    }
    assert delivery["ended_at"] is not None


def test_a_failed_attempt_is_listed_with_the_time_of_the_next(caller: Caller) -> None:
    endpoint, event = create(caller), happen(caller)
    attempt(caller, endpoint["id"], event, 1, Receiver(outbound.Answer(None, "", "The receiver hung up.", 3)))
    (waiting,) = deliveries_of(caller, endpoint["id"])["data"]
    assert (waiting["state"], waiting["attempts"][0]["error"]) == ("waiting", "The receiver hung up.")
    assert waiting["next_attempt_at"] > waiting["attempts"][0]["at"]
    attempt(caller, endpoint["id"], event, 2, Receiver(outbound.Answer(200, "ok", None, 3)))
    (delivered,) = deliveries_of(caller, endpoint["id"])["data"]
    assert (delivered["state"], delivered["next_attempt_at"]) == ("delivered", None)
    assert [(try_["status"], try_["body"]) for try_ in delivered["attempts"]] == [(None, ""), (200, "ok")]


def test_while_a_secret_is_rolled_both_sign(caller: Caller) -> None:
    endpoint = create(caller)
    rolled = ask(caller, "PUT", endpoint["id"], {"secret": "another-secret"})[1]
    receiver = Receiver(outbound.Answer(200, "", None, 1))
    attempt(caller, endpoint["id"], happen(caller), 1, receiver)
    ((_, body, headers),) = receiver.requests
    for secret in (endpoint["secret"], rolled["secret"]):
        assert Webhook(secret).verify(body, headers)


def test_an_endpoint_that_answers_410_is_disabled_and_says_why(caller: Caller) -> None:
    endpoint = create(caller)
    attempt(caller, endpoint["id"], happen(caller), 1, Receiver(outbound.Answer(410, "", None, 1)))
    shown = ask(caller, "GET", endpoint["id"])[1]
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "it answered 410 Gone")
    (delivery,) = deliveries_of(caller, endpoint["id"])["data"]
    assert (delivery["state"], delivery["failure"]) == ("failed", "The endpoint answered 410 Gone.")


def test_an_event_goes_only_to_endpoints_of_its_account_that_want_it(aws: dict[str, str], caller: Caller) -> None:
    wanted, everything = create(caller), create(caller, events=["*"])
    other = create(caller, events=["data.processed"])
    disabled = create(caller)
    ask(caller, "PUT", disabled["id"], {"enabled": False})
    stranger = factories.new_caller()
    foreign = create(stranger, events=["*"])
    happen(caller)
    counts = {
        endpoint["id"]: deliveries_of(owner, endpoint["id"])["pagination"]["total"]
        for owner, endpoint in (
            (caller, wanted),
            (caller, everything),
            (caller, other),
            (caller, disabled),
            (stranger, foreign),
        )
    }
    assert list(counts.values()) == [1, 1, 0, 0, 0]


def test_an_event_that_is_fanned_out_twice_is_delivered_once(caller: Caller) -> None:
    endpoint = create(caller)
    project = projects.create(caller, name="Twice")
    (item,) = table.query(keys.listed(caller.account, "events"))
    detail = {
        "id": item["id"],
        "account": ids.spell(ids.ACCOUNT, caller.account),
        "created": item["created"],
        "data": project.described(),
    }
    record = {"messageId": "m", "body": json.dumps({"detail-type": "project.created", "detail": detail})}
    for _ in range(2):
        assert fan_out.handler({"Records": [record]}, None) == {"batchItemFailures": []}
    receiver = Receiver(outbound.Answer(200, "", None, 1))
    for _ in range(2):
        attempt(caller, endpoint["id"], item["id"], 1, receiver)
    assert len(receiver.requests) == 1
    assert deliveries_of(caller, endpoint["id"])["pagination"]["total"] == 1


def test_deliveries_come_newest_first_by_page(caller: Caller) -> None:
    endpoint = create(caller)
    made = [happen(caller) for _ in range(3)]
    page = deliveries_of(caller, endpoint["id"], per_page="2", page="2")
    assert [delivery["event_id"] for delivery in page["data"]] == [made[0]]
    assert page["pagination"] == {"total": 3, "page": 2, "per_page": 2, "total_pages": 2}
