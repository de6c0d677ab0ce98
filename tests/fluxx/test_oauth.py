"""Signing in: the token endpoint as clients call it, whatever the spelling of their request, on moto."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest

from authorizer import authorize
from fluvial import accounts, applications, keys, limits, tokens
from fluvial.caller import Caller
from fluvial.store import applications as store
from fluvial.store import table
from fluxx.oauth import TABLE, UNKNOWN_CLIENT, handler
from tests import factories
from tests.contract.client import multipart
from tests.factories import CONTEXT, request
from tests.fluxx.calls import FORM, Client

ARN = "arn:aws:execute-api:us-east-1:123456789012:api/v1/GET/api/rest/v2/user"
INVALID_CLIENT = {"error": "invalid_client", "error_description": UNKNOWN_CLIENT}


def send(**arguments: Any) -> tuple[int, Any, dict[str, str]]:
    """Status, body and headers of a request for a token."""
    answer = handler(request("POST", "/oauth/token", **arguments), CONTEXT)
    headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
    return answer["statusCode"], json.loads(answer["body"]), headers


def pairs(fields: dict[str, str], label: str | None = FORM) -> dict[str, Any]:
    return {"raw": urlencode(fields), "headers": {} if label is None else {"Content-Type": label}}


def basic(client_id: str, client_secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()


def sent_as(spelling: str, client: Client) -> dict[str, Any]:
    """The arguments of one and the same request."""
    fields = client.fields()
    if spelling == "urlencoded form":
        return pairs(fields)
    if spelling == "form without a label":
        return pairs(fields, None)
    if spelling == "multipart without a boundary":
        return pairs(fields, "multipart/form-data")
    if spelling == "multipart":
        body, label = multipart(None, fields)
        return {"raw": base64.b64encode(body).decode(), "base64": True, "headers": {"Content-Type": label}}
    if spelling == "query with an empty body":
        return {"query": fields}
    if spelling == "query, labelled as JSON":
        return {"query": fields, "headers": {"Content-Type": "application/json"}}
    if spelling == "JSON":
        return {"body": fields, "headers": {"Content-Type": "application/json"}}
    credentials = quote_plus(client.client_id), quote_plus(client.client_secret)
    grant = pairs({"grant_type": "client_credentials"})
    return {**grant, "headers": {**grant["headers"], "Authorization": basic(*credentials)}}


SPELLINGS = (
    "urlencoded form",
    "form without a label",
    "multipart without a boundary",
    "multipart",
    "query with an empty body",
    "query, labelled as JSON",
    "JSON",
    "Basic",
)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_client_gets_a_token_however_it_asks(account: accounts.Opened, client: Client, spelling: str) -> None:
    status, token, headers = send(**sent_as(spelling, client))
    assert (status, token) == (
        200,
        {
            "access_token": token["access_token"],
            "token_type": "bearer",
            "expires_in": 7200,
            "created_at": token["created_at"],
        },
    )
    assert len(token["access_token"]) == 64
    assert type(token["created_at"]) is int
    assert (headers["Content-Type"], headers["Cache-Control"], headers["Pragma"]) == (
        "application/json",
        "no-store",
        "no-cache",
    )
    caller = factories.caller_of(token["access_token"])
    assert (caller.account, caller.key) == (account.account.id, account.application.id)


def test_a_token_opens_the_api_for_whoever_bears_it(client: Client) -> None:
    _, token, _ = send(**pairs(client.fields()))
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    policy = authorize.handler({"headers": headers, "methodArn": ARN, "requestContext": {"requestId": "r"}}, None)
    assert policy["policyDocument"]["Statement"][0]["Effect"] == "Allow"


def test_each_request_has_a_token_of_its_own_and_all_work(client: Client) -> None:
    made = {send(**pairs(client.fields()))[1]["access_token"] for _ in range(3)}
    assert len(made) == 3
    assert {factories.caller_of(token).role for token in made} == {"system"}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_wrong_secret_is_refused_however_it_comes(client: Client, spelling: str) -> None:
    wrong = Client(client.client_id, applications.new_text())
    status, refusal, headers = send(**sent_as(spelling, wrong))
    assert (status, refusal) == (401, INVALID_CLIENT)
    assert (headers["Cache-Control"], headers["Pragma"]) == ("no-store", "no-cache")
    # RFC 6749, section 5.2: in the scheme that the client used, and only then.
    assert headers.get("WWW-Authenticate") == (
        'Basic realm="Fluvial", charset="UTF-8"' if spelling == "Basic" else None
    )


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": None},
        {"client_secret": None},
        {"client_id": ""},
        {"client_secret": "x" * 5000},
        {"client_id": "é" * 64},
        {"client_id": None, "client_secret": None},
    ],
)
def test_credentials_that_are_none_are_refused_as_wrong_ones(client: Client, change: dict[str, str | None]) -> None:
    fields = {name: value for name, value in {**client.fields(), **change}.items() if value is not None}
    assert send(**pairs(fields))[:2] == (401, INVALID_CLIENT)


@pytest.mark.parametrize("value", [5, None, True, ["a"], {"a": "b"}])
def test_credentials_in_json_that_are_no_text_are_refused_as_wrong_ones(client: Client, value: object) -> None:
    assert send(body={**client.fields(), "client_secret": value})[:2] == (401, INVALID_CLIENT)


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !", "Basic " + base64.b64encode(b"\xff\xfe").decode(), "basic Zm9v"]
)
def test_basic_authentication_that_cannot_be_read_is_refused(client: Client, header: str) -> None:
    grant = pairs({"grant_type": "client_credentials"})
    status, refusal, headers = send(**{**grant, "headers": {**grant["headers"], "Authorization": header}})
    assert (status, refusal) == (401, INVALID_CLIENT)
    assert headers["WWW-Authenticate"].startswith("Basic ")


def test_a_token_of_before_in_the_header_is_no_hindrance(client: Client) -> None:
    arguments = pairs(client.fields())
    arguments["headers"]["Authorization"] = f"Bearer {applications.new_text()}"
    assert send(**arguments)[0] == 200


@pytest.mark.parametrize("grant", ["password", "authorization_code", "refresh_token", "Client_Credentials"])
def test_another_grant_is_not_supported(client: Client, grant: str) -> None:
    status, refusal, _ = send(**pairs(client.fields(grant_type=grant)))
    assert (status, refusal) == (
        401,
        {
            "error": "unsupported_grant_type",
            "error_description": (
                "The authorization grant type is not supported: 'grant_type' must be 'client_credentials'."
            ),
        },
    )


@pytest.mark.parametrize("grant", [None, ""])
def test_a_request_without_a_grant_is_invalid(client: Client, grant: str | None) -> None:
    fields = {name: value for name, value in client.fields().items() if name != "grant_type"}
    status, refusal, _ = send(**pairs(fields if grant is None else {**fields, "grant_type": grant}))
    assert (status, refusal) == (
        401,
        {"error": "invalid_request", "error_description": "Missing required parameter: grant_type."},
    )


@pytest.mark.parametrize(
    ("raw", "label", "reason"),
    [
        ('{"grant_type":', "application/json", "The body is not valid JSON: "),
        ("[1]", "application/json", "The body must be a JSON object."),
        ("--x\r\nnothing", "multipart/form-data; boundary=x", "The headers of a part are cut off"),
    ],
)
def test_a_body_that_cannot_be_read_is_invalid(aws: dict[str, str], raw: str, label: str, reason: str) -> None:
    status, refusal, _ = send(raw=raw, headers={"Content-Type": label})
    assert (status, refusal["error"]) == (401, "invalid_request")
    assert refusal["error_description"].startswith(reason)


def test_a_scope_that_is_asked_for_is_answered_with_what_the_token_has(owner: Any) -> None:
    application, secret = applications.create(owner.caller, name="Reader", scopes=["records:read", "data:read"])
    client = Client(application.client_id, secret)
    status, token, _ = send(**pairs(client.fields(scope="records:read")))
    assert (status, token["scope"]) == (200, "data:read records:read")
    assert "scope" not in send(**pairs(client.fields(scope="")))[1]


def test_too_many_tokens_are_refused_with_the_time_to_wait(
    client: Client, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = {plan: limits.Policy(1, limits.HOUR_SECONDS) for plan in accounts.PLANS}
    monkeypatch.setitem(limits.POLICIES, (tokens.API, limits.ALL), one)
    answers = [send(**pairs(client.fields())) for _ in range(2)]
    status, refusal, headers = answers[-1]
    assert (status, refusal["error"]) == (429, "temporarily_unavailable")
    assert "rate limit of 1 requests" in refusal["error_description"]
    assert 1 <= int(headers["Retry-After"]) <= limits.HOUR_SECONDS


def test_a_defect_is_told_by_its_request_id_alone(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise ConnectionError("the table is away")

    monkeypatch.setattr(store, "client", fail)
    status, refusal, headers = send(**pairs(client.fields()))
    assert (status, refusal) == (
        500,
        {
            "error": "server_error",
            "error_description": (
                f"Something went wrong on our side; the request id {headers['X-Request-Id']} finds it in the logs."
            ),
        },
    )


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("broken", [False, True])
def test_no_secret_and_no_token_is_ever_logged(
    client: Client,
    spelling: str,
    broken: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG, logger="fluvial")
    if broken:
        monkeypatch.setattr(store, "client", lambda _: 1 / 0)
    _, answered, _ = send(**sent_as(spelling, client))
    said = capfd.readouterr()
    logged = caplog.text + said.out + said.err
    assert '"route":"/oauth/token"' in logged.replace(" ", "")
    hidden = [client.client_secret, answered.get("access_token"), keys.digest(client.client_secret)]
    assert not [secret for secret in hidden if secret and secret in logged]


def test_a_refusal_does_not_repeat_a_secret(client: Client) -> None:
    secret = client.client_secret
    for fields in ({"client_secret": [secret]}, {"client_secret": {"a": secret}}, {"grant_type": [secret]}):
        assert secret not in json.dumps(send(body={**client.fields(), **fields})[1])


def test_errors_have_the_two_members_that_clients_read(client: Client) -> None:
    assert {code for _, code in TABLE.values()} == {
        "invalid_client",
        "invalid_request",
        "temporarily_unavailable",
        "unsupported_grant_type",
    }
    assert list(send()[1]) == ["error", "error_description"]


def test_a_revoked_application_gets_no_token(account: accounts.Opened, client: Client, owner: Any) -> None:
    token = send(**pairs(client.fields()))[1]["access_token"]
    applications.revoke(owner.caller, account.application.id)
    assert send(**pairs(client.fields()))[:2] == (401, INVALID_CLIENT)
    assert table.get((f"key#{keys.digest(token)}", "identity")) is None
