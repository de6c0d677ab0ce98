"""An account of its own for each test, and the pipeline behind the API."""

from __future__ import annotations

import pytest

from fluvial.caller import Caller
from tests import factories
from tests.flarelight.calls import Api
from tests.workers.pipeline import Pipeline


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def api(caller: Caller) -> Api:
    return Api(caller)


@pytest.fixture
def stranger(aws: dict[str, str]) -> Api:
    """Somebody of another account."""
    return Api(factories.new_caller())


@pytest.fixture
def pipeline(aws: dict[str, str]) -> Pipeline:
    return Pipeline(aws)
