"""Who gets in: the authorizer of this API, and the parts of the product that an account has. Handlers on moto."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

import pytest

from authorizer import authorize, subscription
from flarelight.errors import render
from flarelight.wire import common
from fluvial import accounts, ids
from fluvial.caller import Caller
from fluvial.errors import FeatureOffError, InvalidError
from fluvial.http import Response, make_app
from tests import factories
from tests.factories import CONTEXT, request
from tests.flarelight.calls import refusal
from workers import create_account

ARN = "arn:aws:execute-api:eu-central-1:123456789012:f1a00004/v1/GET/Import/All"


def asked(headers: dict[str, str], handler: Any = subscription.handler) -> dict[str, Any]:
    answer: dict[str, Any] = handler({"headers": headers, "methodArn": ARN, "requestContext": {"requestId": "r"}}, None)
    return answer


def effect(headers: dict[str, str], handler: Any = subscription.handler) -> str:
    return str(asked(headers, handler)["policyDocument"]["Statement"][0]["Effect"])


def new_account(**more: Any) -> tuple[accounts.Account, str]:
    opened = accounts.create(email=f"{secrets.token_hex(6)}@example.com", plan="standard", **more)
    return opened.account, opened.api_key


def test_a_key_with_its_account_s_subscription_is_let_in(aws: dict[str, str]) -> None:
    account, secret = new_account()
    assert account.subscription == ids.uuid(ids.ACCOUNT, account.id)
    answer = asked({"X-Api-Key": secret, "X-Subscription-Id": account.subscription})
    assert answer["policyDocument"]["Statement"] == [
        {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": ARN}
    ]
    assert answer["usageIdentifierKey"] == account.gateway_key
    assert Caller.of_context(answer["context"]) == factories.caller_of(secret)
    assert effect({"x-api-key": secret, "x-subscription-id": account.subscription.upper()}) == "Allow"


def test_whatever_is_wrong_looks_alike(aws: dict[str, str]) -> None:
    account, secret = new_account()
    other, _ = new_account()
    bad = [
        {},
        {"X-Api-Key": secret},
        {"X-Subscription-Id": account.subscription},
        {"X-Api-Key": secret, "X-Subscription-Id": ""},
        {"X-Api-Key": secret, "X-Subscription-Id": other.subscription},
        {"X-Api-Key": secret, "X-Subscription-Id": ids.uuid(ids.PROJECT, account.id)},
        {"X-Api-Key": secret, "X-Subscription-Id": ids.spell(ids.ACCOUNT, account.id)},
        {"X-Api-Key": secret[:-1] + "x", "X-Subscription-Id": account.subscription},
        {"X-Api-Key": f"Bearer {secret}", "X-Subscription-Id": account.subscription},
        {"Authorization": f"Bearer {secret}", "X-Subscription-Id": account.subscription},
        {"Authorization": f"Bearer {secret}"},
    ]
    answers = [asked(headers) for headers in bad]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert set(answers[0]) == {"principalId", "policyDocument"}


def test_the_headers_of_this_api_open_no_other(aws: dict[str, str]) -> None:
    account, secret = new_account()
    headers = {"X-Api-Key": secret, "X-Subscription-Id": account.subscription}
    assert effect(headers, authorize.handler) == "Deny"
    # And a bearer's key is judged as ever, whatever other headers say.
    wrong = {"Authorization": f"Bearer {secret}", "X-Api-Key": "no", "X-Subscription-Id": "no"}
    assert effect(wrong, authorize.handler) == "Allow"


def test_features_that_are_off_reach_the_function_with_every_key(aws: dict[str, str]) -> None:
    account, secret = new_account(features_off=["reports", "automations", "reports"])
    assert account.features_off == ("automations", "reports")
    caller = factories.caller_of(secret)
    assert caller.features_off == {"automations", "reports"}
    assert Caller.of_context(caller.context()) == caller
    # A key that is made later, too.
    from fluvial import keys

    _, another = keys.create(caller, name="Another")
    assert factories.caller_of(another).features_off == {"automations", "reports"}


def test_an_operator_says_which_features_are_off(aws: dict[str, str]) -> None:
    event = {"email": "a@example.com", "plan": "free", "features_off": ["imports"]}
    made = create_account.handler(event, None)
    assert factories.caller_of(made["api_key"]).features_off == {"imports"}
    refused = create_account.handler({**event, "email": "b@example.com", "features_off": ["dashboards"]}, None)
    assert refused == {"error": {"message": "'dashboards' is not a feature.", "field": "features_off"}}


def test_an_unknown_feature_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidError) as refused:
        accounts.checked_features(["reports", 5])
    assert refused.value.constraint == "imports, preparations, reports, automations"


def test_a_feature_that_is_off_is_answered_with_the_document_s_meaning(aws: dict[str, str]) -> None:
    app = make_app("flarelight", render, feature="reports")

    @app.get("/Report/All", "reports:read")
    def list_reports(caller: Caller) -> Response[common.Deleted]:
        return app.answer(common.Deleted.gone(common.REPORT, caller.account))

    caller = factories.new_caller()
    status, _ = factories.answer(app, request("GET", "/Report/All", caller=caller))
    assert status == 200
    # Another feature does not matter.
    without = replace(caller, features_off=frozenset({"automations"}))
    assert factories.answer(app, request("GET", "/Report/All", caller=without))[0] == 200
    without = replace(caller, features_off=frozenset({"reports"}))
    answer = app(request("GET", "/Report/All", caller=without), CONTEXT)
    assert answer["statusCode"] == 403
    expected = refusal("FEATURE_NOT_ENABLED", "The feature 'reports' is not enabled for your subscription.")
    assert factories.answer(app, request("GET", "/Report/All", caller=without)) == (403, expected)
    # It counts against the limit all the same.
    assert answer["multiValueHeaders"]["X-RateLimit-Remaining"] == ["597"]
    # Without the scope it is the scope that is told of.
    poor = replace(without, scopes=frozenset({"data:read"}))
    status, body = factories.answer(app, request("GET", "/Report/All", caller=poor))
    assert (status, body["messages"][0]["code"]) == (403, "FORBIDDEN")


def test_a_feature_error_names_the_feature() -> None:
    assert FeatureOffError("imports").feature == "imports"
