"""An account of its own for each test, with an application that is signed in."""

from __future__ import annotations

import pytest

from fluvial import accounts
from fluvial.caller import Caller
from tests import factories
from tests.fluxx.calls import Api, Client, caller_of, client_of, new_account


@pytest.fixture
def account(aws: dict[str, str]) -> accounts.Opened:
    return new_account()


@pytest.fixture
def client(account: accounts.Opened) -> Client:
    """The account's first application."""
    return client_of(account)


@pytest.fixture
def caller(client: Client) -> Caller:
    """The application, by an access token."""
    return caller_of(client)


@pytest.fixture
def token(client: Client) -> str:
    """An access token, for tests that go through the authorizer."""
    return client.token()


@pytest.fixture
def api(caller: Caller) -> Api:
    return Api(caller)


@pytest.fixture
def owner(account: accounts.Opened) -> Api:
    """The account's owner, by their API key."""
    return Api(factories.caller_of(account.api_key))


@pytest.fixture
def stranger(aws: dict[str, str]) -> Api:
    """An application of another account."""
    return Api(caller_of(client_of(new_account())))
