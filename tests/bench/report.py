"""How long a report with three charts takes, in a new process and again in the same one.

    .venv/bin/python tests/bench/report.py [--runs 5]

First its files alone, a page and a PDF; then all of it: both workers, one after the other, over the rows that `make
demo` uploads, in all formats, with the table, bucket, bus and queues of moto in this process. Wall seconds, seconds of
processor time beside them (a busy machine shows in the first only), and the highest memory.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET_SECONDS = 5.0
SAMPLE = ROOT / "local" / "data" / "zipcodes.csv"


def main(runs: int) -> None:
    for what in ("files", "workers"):
        print(what)
        for _ in range(runs):
            subprocess.run([sys.executable, __file__, "--once", what], check=True)


def files() -> None:
    began = Watch()
    from fluvial.report_render import render
    from tests.core import report_sample

    report, results = report_sample.report(), report_sample.results()
    for name in ("cold", "warm"):
        sizes = {each.path: len(each.content) for each in render(report, results, made=0, formats=("html", "pdf"))}
        began.tell(name, str(sizes))
        began = Watch()


def workers() -> None:
    from fluvial import config, datasets, generated_reports, ids
    from local import report as demo
    from tests import factories, in_moto, template

    with in_moto.stack(json.dumps(template.data_plane())) as (resources, settings):
        os.environ |= in_moto.ENVIRONMENT | settings
        config.settings.cache_clear()
        from tests.flarelight.calls import Api
        from tests.workers.pipeline import Pipeline

        caller, pipeline = factories.new_caller(), Pipeline(resources)
        dataset = factories.new_dataset(caller, factories.new_project(caller), SAMPLE.read_bytes())
        with contextlib.redirect_stderr(io.StringIO()):
            pipeline.settle()
        columns = (datasets.manifest(datasets.get(caller, dataset.id)) or {})["columns"]
        definition = demo.definition({"columns": columns}, ids.uuid(ids.DATASET, dataset.id))
        made = Api(caller).post("/Report", definition)[1]["data"]
        for name in ("cold", "warm"):
            began = Watch()
            with contextlib.redirect_stderr(io.StringIO()):
                generated = generated_reports.generate(caller, ids.of_uuid(ids.REPORT, made["id"]) or 0)
                pipeline.settle()
            ended = generated_reports.get(caller, generated.id)
            began.tell(name, f"{ended.status}, {len(ended.files)} files")


class Watch:
    """What has gone by since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def tell(self, name: str, what: str) -> None:
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        verdict = "" if wall < TARGET_SECONDS else f"   over {TARGET_SECONDS} s"
        print(f"{name}: {wall:.2f} s, {cpu:.2f} s of processor, {memory} MB at most, {what}{verdict}")


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "functions"), str(ROOT / "layers" / "core" / "python")]
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--once", choices=["files", "workers"])
    given = parser.parse_args()
    {"files": files, "workers": workers, None: lambda: main(given.runs)}[given.once]()
