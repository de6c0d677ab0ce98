"""Kills imports at 200 random calls to AWS, each in one of all modes, and counts third states: there must be none.

    python -m tests.bench.crashes [points] [seed]

`tests/workers/test_crashes.py` tries every call of one import; this goes on from whatever state the deaths before left.
"""

from __future__ import annotations

import json
import os
import random
import sys
from typing import Any

from fluvial import clock, config, dataset_versions, datasets, imports
from fluvial.aws import client
from fluvial.caller import Caller
from tests import factories, in_moto, template
from tests.workers.pipeline import Pipeline
from tests.workers.test_crashes import IMPORTS, SERVICES, Clock, Crash, settle_after_deaths

CALLS = 16  # of one import, from the stream to the last event
FILES = (b"code,n\n007,3\n009,4\n", b"code,n\n009,5\n010,6\n011,x\n", b"code,n,t\n007,1,a\n")


def main(points: int = 200, seed: int = 0) -> None:
    chance = random.Random(seed)
    for name, value in in_moto.ENVIRONMENT.items():
        os.environ[name] = value
    with in_moto.stack(json.dumps(template.data_plane())) as (resources, settings):
        os.environ.update(settings)
        config.settings.cache_clear()
        crash, time = Crash(), Clock()
        clock.time = type("Moved", (), {"time_ns": staticmethod(time.time_ns)})  # type: ignore[assignment]
        for service in SERVICES:
            made = client(service)
            made._make_api_call = crash.wrap(made._make_api_call)
        caller, pipeline = factories.new_caller(), Pipeline(resources)
        dataset = factories.new_dataset(caller, factories.new_project(caller), b"code,n\n007,1\n008,2\n")
        pipeline.settle()
        wrong = [found for _ in range(points) if (found := _one(caller, dataset.id, pipeline, crash, time, chance))]
    print(f"{points} points, {pipeline.deaths} deaths, {len(wrong)} third states")
    for each in wrong:
        print(each)
    sys.exit(bool(wrong))


def _one(
    caller: Caller, dataset_id: int, pipeline: Pipeline, crash: Crash, time: Clock, chance: random.Random
) -> dict[str, Any] | None:
    """What is wrong after a death at one point; None if nothing is."""
    wanted, data = chance.choice(IMPORTS), chance.choice(FILES)
    before = datasets.get(caller, dataset_id)
    version = imports.add(caller, dataset_id, wanted, filename="next.csv", data=data)
    point = chance.randrange(CALLS), chance.choice(("before", "after"))
    crash.arm(*point)
    pipeline.settle()
    crash.countdown = None
    seen = datasets.get(caller, dataset_id)
    settle_after_deaths(pipeline, time)
    after, ended = datasets.get(caller, dataset_id), dataset_versions.get(caller, dataset_id, version.number)
    expected = version.number if ended.status == "ready" else before.version
    is_right = (
        seen.version in (before.version, version.number)
        and after.version == expected
        and after.importing is None
        and ended.status in ("ready", "planned", "unchanged", "failed")
    )
    return None if is_right else {"mode": wanted.mode, "point": point, "version": version.number, "ended": ended.status}


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
