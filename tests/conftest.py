"""A clean environment for every test, and the data plane of template.yaml in moto for those that ask for `aws`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator

import pytest

from tests import in_moto, template

# The tests start hundreds of processes: each would compile all of our modules and its packages anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No credentials, endpoints or settings of the machine reach a test."""
    from fluvial import config

    for name in list(os.environ):
        if name.startswith(("AWS_", "FLUVIAL_")):
            monkeypatch.delenv(name)
    for name, value in in_moto.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    config.settings.cache_clear()
    yield
    config.settings.cache_clear()


@pytest.fixture(scope="session")
def data_plane() -> str:
    return json.dumps(template.data_plane())


@pytest.fixture
def aws(data_plane: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Table, bucket, bus and queues of the real template in moto; physical ids by logical id."""
    with in_moto.stack(data_plane) as (resources, settings):
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield resources
