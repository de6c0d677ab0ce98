"""Chart data over 1,000,000 rows of Parquet, warm and on two threads, and a page of its rows, against plain DuckDB.

Each chart is asked of the engine, and then as a request of the function that serves it, which reads the table (moto's,
in this process) and finds the parts on its disk. Plain DuckDB answers with SQL that a person would write for the same
chart, over the same parts; it is asked right after ours, so that a busy machine is busy for both. Run: python
tests/bench/chart_data.py. Prints medians, the best, and the median of the ratios of neighbours, in time and in
processor time, which other work disturbs less.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "functions"), str(ROOT / "layers/core/python")]

import duckdb  # noqa: E402

from flarelight import chart_data as function  # noqa: E402
from fluvial import blobs, chart_queries, config, datasets, ids, part_files  # noqa: E402
from fluvial.engine import chart_data  # noqa: E402
from fluvial.engine.limits import Limits  # noqa: E402
from fluvial.engine.manifest import Column, Manifest, Part  # noqa: E402
from fluvial.engine.rows import locate, read_page  # noqa: E402
from tests import factories, in_moto, template  # noqa: E402
from tests.workers.pipeline import Pipeline  # noqa: E402

ROWS = 1_000_000
ROUNDS = 15
THREADS = 2
TARGET_CHART_MS, TARGET_RATIO, TARGET_PAGE_MS = 300, 1.5, 100
OFFSET, PAGE_ROWS = 900_000, 100

COLUMNS = [
    Column("id", "integer", ""),
    Column("country", "text", ""),
    Column("customer", "integer", ""),
    Column("price", "decimal(18,2)", ""),
    Column("weight", "float", ""),
    Column("sold_at", "timestamp_tz", "", "%Y-%m-%dT%H:%M:%SZ"),
    Column("note", "text", ""),
]
MADE = """SELECT range AS id, 'country ' || (hash(range, 1) % 40)::VARCHAR AS country,
    (hash(range, 2) % 50000)::BIGINT AS customer, ((hash(range, 3) % 1000000) / 100)::DECIMAL(18,2) AS price,
    (hash(range, 4) % 1000003) / 7.0 AS weight,
    TIMESTAMPTZ '2022-01-01 00:00:00Z' + to_seconds((hash(range, 5) % 94608000)::BIGINT) AS sold_at,
    md5(range::VARCHAR) AS note FROM range({}, {})"""

SUM = {"aggregation": "sum", "column": "price"}
MONTHS = {"column": "sold_at", "bucket": "month"}
BERLIN = "timezone('Europe/Berlin', sold_at)"
FROM = "FROM read_parquet($files)"
# A name, what is asked of us, and the SQL of plain DuckDB.
CHARTS: list[tuple[str, dict[str, Any], str]] = [
    (
        "rows by country",
        {"dimension": "country", "measures": [{"aggregation": "count"}]},
        f"SELECT country, count(*) {FROM} GROUP BY 1 ORDER BY 1",
    ),
    (
        "sum and average of a decimal by month",
        {"dimension": MONTHS, "measures": [SUM, {"aggregation": "avg", "column": "price"}]},
        f"SELECT date_trunc('month', sold_at), sum(price), avg(price) {FROM} GROUP BY 1 ORDER BY 1",
    ),
    (
        "the same by day in Europe/Berlin, gaps filled",
        {
            "dimension": {"column": "sold_at", "bucket": "day", "timeZone": "Europe/Berlin", "fill": True},
            "measures": [SUM, {"aggregation": "avg", "column": "price"}],
        },
        f"SELECT date_trunc('day', {BERLIN})::DATE, sum(price), avg(price) {FROM} GROUP BY 1 ORDER BY 1",
    ),
    (
        "rows by hour in Europe/Berlin, first 1,000",
        {
            "dimension": {"column": "sold_at", "bucket": "hour", "timeZone": "Europe/Berlin"},
            "measures": [{"aggregation": "count"}],
            "limit": 1000,
        },
        f"SELECT date_trunc('hour', {BERLIN}), epoch_us({BERLIN}) - epoch_us(sold_at), count(*) {FROM} "
        "GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 1000",
    ),
    (
        "average of a float by country",
        {"dimension": "country", "measures": [{"aggregation": "avg", "column": "weight"}]},
        f"SELECT country, avg(weight) {FROM} GROUP BY 1 ORDER BY 1",
    ),
    (
        "median and 95th percentile by country",
        {
            "dimension": "country",
            "measures": [
                {"aggregation": "median", "column": "price"},
                {"aggregation": "percentile", "column": "price", "p": 95},
            ],
        },
        f"SELECT country, median(price), quantile_disc(price, 0.95) {FROM} GROUP BY 1 ORDER BY 1",
    ),
    (
        "customers by country, where the price is over 5,000",
        {
            "dimension": "country",
            "measures": [{"aggregation": "distinct", "column": "customer"}],
            "filters": [{"column": "price", "operator": "gt", "value": 5000}],
        },
        f"SELECT country, count(DISTINCT customer) {FROM} WHERE price > 5000 GROUP BY 1 ORDER BY 1",
    ),
    (
        "month by country, five countries and the rest",
        {"dimension": MONTHS, "series": {"column": "country", "limit": 5, "other": True}, "measures": [SUM]},
        f"WITH top AS (SELECT country AS c {FROM} GROUP BY 1 ORDER BY sum(price) DESC LIMIT 5) SELECT "
        f"date_trunc('month', sold_at), coalesce(c, 'Other'), sum(price) {FROM} LEFT JOIN top ON country = c "
        "GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    (
        "ten of 50,000 customers and the rest",
        {"dimension": "customer", "measures": [SUM], "limit": 10, "other": True},
        f"WITH top AS (SELECT customer AS c, sum(price) AS v {FROM} GROUP BY 1 ORDER BY v DESC LIMIT 10) SELECT c, v "
        f"FROM top UNION ALL SELECT NULL, sum(price) {FROM} WHERE customer NOT IN (SELECT c FROM top)",
    ),
]


def write(folder: Path, rows: int) -> list[Part]:
    """The rows in parts as an ingest writes them."""
    limits = Limits()
    parts = []
    for number, first in enumerate(range(0, rows, limits.part_rows)):
        last = min(first + limits.part_rows, rows)
        path = folder / f"part-{number:05d}.parquet"
        duckdb.execute(
            f"COPY ({MADE.format(first, last)}) TO '{path}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, "
            f"ROW_GROUP_SIZE {limits.row_group_rows})"
        )
        parts.append(Part(path.name, last - first, path.stat().st_size, first))
    return parts


@dataclass(frozen=True)
class Took:
    """Milliseconds on the wall, and of all threads' processor."""

    wall: float
    cpu: float


def took(call: Callable[[], object]) -> Took:
    started, used = time.perf_counter(), time.process_time()
    call()
    return Took((time.perf_counter() - started) * 1000, (time.process_time() - used) * 1000)


def neighbours(ours: Callable[[], object], plain: Callable[[], object], rounds: int) -> list[tuple[Took, Took]]:
    """What both took, each first in every other round, after one of each that warms up."""
    ours(), plain()
    found = []
    for number in range(rounds):
        if number % 2:
            late = took(plain)
            found.append((took(ours), late))
        else:
            found.append((took(ours), took(plain)))
    return found


@contextlib.contextmanager
def served(folder: Path, parts: list[Part], manifest: Manifest) -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
    """What the function answers that serves charts, over an import with these parts."""
    with in_moto.stack(json.dumps(template.data_plane())) as (resources, settings):
        os.environ |= in_moto.ENVIRONMENT | settings
        config.settings.cache_clear()
        part_files.FOLDER = folder / "cache"
        caller = factories.new_caller()
        dataset = factories.new_dataset(caller, factories.new_project(caller))
        Pipeline(resources).settle()
        location = str(datasets.get(caller, dataset.id).location)
        for part in parts:
            blobs.put_file(location + part.file, folder / part.file)
        blobs.put(location + datasets.MANIFEST, manifest.to_json().encode())

        def ask(question: dict[str, Any]) -> dict[str, Any]:
            body = {"importId": ids.uuid(ids.DATASET, dataset.id), **question}
            event = factories.request("POST", "/Report/ChartData", caller=caller, body=body)
            with contextlib.redirect_stderr(io.StringIO()):
                answer: dict[str, Any] = function.handler(event, factories.CONTEXT)
            assert answer["statusCode"] == 200, answer
            return answer

        yield ask


def report(name: str, seen: list[tuple[Took, Took]], target_ms: float) -> None:
    for what in ("wall", "cpu"):
        pairs = [(getattr(mine, what), getattr(plain, what)) for mine, plain in seen]
        (mine, best), (plain, plain_best) = ((statistics.median(one), min(one)) for one in zip(*pairs, strict=True))
        ratio = statistics.median(one / other for one, other in pairs)
        print(
            f"{name:52} {what:4} {mine:7.1f} ms (best {best:6.1f}), plain {plain:7.1f} ms (best {plain_best:6.1f}), "
            f"ratio {ratio:.2f}" + (f", target {target_ms} ms" if what == "wall" else "")
        )
        name = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        parts = write(folder, asked.rows)
        files = [(folder / part.file, part.rows) for part in parts]
        types = {column.name: column.type for column in COLUMNS}
        plain = duckdb.connect(config={"threads": THREADS})
        plain.execute("SET TimeZone = 'UTC'")
        # Its answers stay in a table: it is asked about the query, not about Python's objects of time.
        bound = {"files": [str(path) for path, _ in files]}
        manifest = Manifest("csv", None, None, None, [], COLUMNS, asked.rows, 0, asked.rows, 1, "", parts, None)
        megabytes = sum(part.bytes for part in parts) / 1e6
        print(f"{asked.rows} rows in {len(parts)} parts of {megabytes:.0f} MB, target ratio {TARGET_RATIO}")
        stack = contextlib.ExitStack()
        ask = stack.enter_context(served(folder, parts, manifest))
        for name, given, sql in CHARTS:
            query = chart_queries.parse(given)
            chart_queries.check(query, types)
            seen = neighbours(
                lambda query=query: chart_data.answer(query, COLUMNS, files, timeout_seconds=60),
                lambda sql=sql: plain.execute(f"CREATE OR REPLACE TEMP TABLE answer AS {sql}", bound),
                asked.rounds,
            )
            report(name, seen, TARGET_CHART_MS)
            seen = neighbours(
                lambda given=given: ask(given),
                lambda sql=sql: plain.execute(f"CREATE OR REPLACE TEMP TABLE answer AS {sql}", bound),
                asked.rounds,
            )
            report("    as a request", seen, TARGET_CHART_MS)
        stack.close()
        offset = min(OFFSET, asked.rows - PAGE_ROWS)
        page = f"CREATE OR REPLACE TEMP TABLE answer AS SELECT * {FROM} LIMIT {PAGE_ROWS} OFFSET {offset}"

        def ours() -> object:
            return read_page(
                [(folder / p.file, skip, take) for p, skip, take in locate(manifest, offset, PAGE_ROWS)], COLUMNS
            )

        report(
            f"{PAGE_ROWS} rows from row {offset} on",
            neighbours(ours, lambda: plain.execute(page, bound), asked.rounds),
            TARGET_PAGE_MS,
        )


if __name__ == "__main__":
    main()
