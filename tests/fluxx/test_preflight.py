"""What a browser asks before it calls a route of the Fluxx API, and what it may read of an answer."""

from __future__ import annotations

import pytest

from fluvial import config
from fluvial.http import preflight
from fluxx import documentation
from tests.factories import CONTEXT, request


@pytest.mark.parametrize("origin", ["*", "https://app.example.com"])
def test_a_preflight_of_any_path_is_answered_without_a_token(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUVIAL_ALLOWED_ORIGIN", origin)
    config.settings.cache_clear()
    event = request("OPTIONS", "/{proxy+}", path={"proxy": "api/rest/v2/grant_request/5"})
    answer = documentation.handler(event, CONTEXT)
    told = {name: value[0] for name, value in answer["multiValueHeaders"].items()}
    assert (answer["statusCode"], answer["body"]) == (200, "")
    assert told["Access-Control-Allow-Origin"] == origin
    assert told["Access-Control-Max-Age"] == "7200"
    assert set(told["Access-Control-Allow-Methods"].split(",")) == set(preflight.METHODS)
    assert set(told["Access-Control-Allow-Headers"].split(",")) == {
        "Authorization",
        "Content-Type",
        "Idempotency-Key",
        "If-Match",
        "If-None-Match",
        "X-HTTP-Method-Override",
    }
