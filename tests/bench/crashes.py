"""Kills imports at 200 random calls to AWS, each in one of all modes, and counts what comes of them.

    python tests/bench/crashes.py [--points 200] [--seed 0]

`tests/workers/test_crashes.py` tries every call of one import; this goes on from whatever state the deaths before left.
After redelivery each dataset is at the old or the new version, its one event is there once, and no job is left.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "functions"), str(ROOT / "layers/core/python")]

if TYPE_CHECKING:
    from fluvial.caller import Caller
    from fluvial.imports import Import
    from tests.workers.pipeline import Pipeline
    from tests.workers.test_crashes import Clock, Crash

CALLS = 16  # of one import, from the stream to the last event
# The table of moto's stream is read whole at each step: a stack of its own for so many points.
POINTS_OF_A_STACK = 20
FILES = (b"code,n\n007,3\n009,4\n", b"code,n\n009,5\n010,6\n011,x\n", b"code,n,t\n007,1,a\n")
EVENTS = {"ready": "data.processed", "unchanged": "data.processed", "failed": "data.failed"}
WRONG = ("third state", "event lost", "event twice", "job stuck")


def wanted_imports() -> list[Import]:
    """One of each mode, and dry runs."""
    from fluvial.imports import Import

    modes = [("append", []), ("replace", []), ("upsert", ["code"]), ("delete", ["code"])]
    return [Import(mode, key, dry_run=dry) for mode, key in modes for dry in (False, True)]


def sweep(points: int, chance: random.Random) -> Counter[str]:
    """Deaths at that many points, in one stack."""
    from fluvial import clock, config
    from fluvial.aws import client
    from tests import factories, in_moto, template
    from tests.workers.pipeline import Pipeline
    from tests.workers.test_crashes import SERVICES, Clock, Crash

    seen: Counter[str] = Counter()
    with in_moto.stack(json.dumps(template.data_plane())) as (resources, settings):
        os.environ.update(settings)
        config.settings.cache_clear()
        client.cache_clear()
        crash, time = Crash(), Clock()
        clock.time = type("Moved", (), {"time_ns": staticmethod(time.time_ns)})  # type: ignore[assignment]
        for service in SERVICES:
            made = client(service)
            made._make_api_call = crash.wrap(made._make_api_call)
        caller, pipeline = factories.new_caller(), Pipeline(resources)
        dataset = factories.new_dataset(caller, factories.new_project(caller), b"code,n\n007,1\n008,2\n")
        pipeline.settle()
        for _ in range(points):
            seen.update(one(caller, dataset.id, pipeline, crash, time, chance))
        seen["deaths"] = pipeline.deaths
    return seen


def one(
    caller: Caller, dataset_id: int, pipeline: Pipeline, crash: Crash, time: Clock, chance: random.Random
) -> list[str]:
    """What came of an import that died at one point."""
    from fluvial import dataset_versions, datasets, imports, jobs
    from tests.workers.test_crashes import events_of, settle_after_deaths

    before, told = datasets.get(caller, dataset_id), events_of(caller)
    wanted, data = chance.choice(wanted_imports()), chance.choice(FILES)
    version = imports.add(caller, dataset_id, wanted, filename="next.csv", data=data)
    crash.arm(chance.randrange(CALLS), chance.choice(("before", "after")))
    pipeline.settle()
    crash.countdown = None
    between = datasets.get(caller, dataset_id)
    settle_after_deaths(pipeline, time)
    after, ended = datasets.get(caller, dataset_id), dataset_versions.get(caller, dataset_id, version.number)
    found = ["new version" if after.version == version.number else "old version"]
    expected = version.number if ended.status == "ready" else before.version
    if between.version not in (before.version, version.number) or after.version != expected:
        found.append("third state")
    if after.importing is not None or jobs.get(caller, version.job).state not in jobs.ENDED:
        found.append("job stuck")
    silent = wanted.dry_run and ended.status != "unchanged"
    due = Counter([EVENTS[ended.status]] if ended.status in EVENTS and not silent else [])
    fresh = events_of(caller) - told
    fresh = Counter({kind: count for kind, count in fresh.items() if kind in EVENTS.values()})
    return [*found, *["event lost"] * (due - fresh).total(), *["event twice"] * (fresh - due).total()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    from tests import in_moto

    os.environ.update(in_moto.ENVIRONMENT)
    seen: Counter[str] = Counter()
    for start in range(0, arguments.points, POINTS_OF_A_STACK):
        points = min(POINTS_OF_A_STACK, arguments.points - start)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            seen += sweep(points, random.Random(arguments.seed * 1_000_003 + start))
        told = ", ".join(f"{what}: {seen[what]}" for what in ("deaths", "old version", "new version", *WRONG))
        print(f"{start + points} points, {told}", flush=True)
    sys.exit(any(seen[what] for what in WRONG))


if __name__ == "__main__":
    main()
