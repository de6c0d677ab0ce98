"""Two tenants in one data plane in moto, made once; each test leaves the table as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from fluvial import config, record_replicas
from tests import in_moto
from tests.isolation import tenants
from tests.isolation.tenants import Stored, Tenant
from tests.stack.conftest import account, new_account, run_folder, stack
from tests.workers.pipeline import Pipeline

__all__ = ["account", "new_account", "run_folder", "stack"]


@dataclass(frozen=True, slots=True)
class World:
    own: Tenant
    foreign: Tenant
    pipeline: Pipeline
    settings: dict[str, str]
    stored: Stored
    items: in_moto.Partitions


@pytest.fixture(scope="module")
def made(data_plane: str) -> Iterator[World]:
    with in_moto.stack(data_plane) as (resources, settings), pytest.MonkeyPatch.context() as patch:
        for name, value in (in_moto.ENVIRONMENT | settings).items():
            patch.setenv(name, value)
        config.settings.cache_clear()
        pipeline = Pipeline(resources)
        # The stranger's site has a version more: there is a number that only it has.
        own, foreign = (
            tenants.new("OWN", pipeline, versions=2),
            tenants.new("FOREIGN", pipeline, versions=3),
        )
        for tenant in (own, foreign):
            tenants.begin_a_job(tenant)
        items = in_moto.partitions(resources["Table"])
        yield World(own, foreign, pipeline, settings, tenants.stored(pipeline), items)


@pytest.fixture
def world(made: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name, value in made.settings.items():
        monkeypatch.setenv(name, value)
    config.settings.cache_clear()
    # What a test restores has left no trace in the log from which replicas catch up.
    record_replicas.forget_all()
    # Objects stay: only the items say which of them count.
    objects = {key: each for key, each in tenants.stored(made.pipeline).items() if key[0] == "object"}
    yield replace(made, stored={key: each for key, each in made.stored.items() if key[0] != "object"} | objects)
    tenants.restore(made.pipeline, made.stored, made.items)
