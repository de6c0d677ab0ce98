"""Time and peak memory of an ingest against DuckDB's own COPY of the same CSV, in interleaved child processes.

    python tests/bench/ingest.py [--rows 1000000] [--runs 3]

The plain COPY detects and converts without checking, which changes 0000007 to 7; ours checks every cell. Peak
memory is each child's maximum resident set, the interpreter and DuckDB's library included.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

CORE = Path(__file__).resolve().parents[2] / "layers" / "core" / "python"
MEMORY_LIMIT_MB = 200
THREADS = 2


def generate(path: Path, rows: int) -> None:
    """A table of 12 columns: integers, decimals, dates, timestamps, floats, truth values, codes and text."""
    made = random.Random(7)
    words = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"]
    start = datetime(2024, 1, 1)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("id,code,name,price,quantity,day,at,ratio,city,active,reference,note\n")
        for row in range(rows):
            at = start + timedelta(seconds=row * 37)
            file.write(
                f"{row},{row % 100_000:07d},{made.choice(words)} {made.choice(words)},"
                f"{made.randint(1, 99_999) / 100:.2f},{made.randint(0, 500)},{at:%Y-%m-%d},{at:%Y-%m-%dT%H:%M:%S},"
                f"{made.random()!r},{made.choice(words)},{'true' if row % 3 else 'false'},"
                f"{made.randint(10**15, 10**18)},{made.choice(words)}-{made.randint(0, 10**9)}\n"
            )


def child(kind: str, source: Path, out: Path) -> None:
    """Run one of the two and print its seconds and peak megabytes as JSON."""
    sys.path.insert(0, str(CORE))
    import duckdb

    from fluvial.engine.ingest import ingest

    started = time.perf_counter()
    if kind == "ours":
        ingest(source, out, filename=source.name, memory_limit_mb=MEMORY_LIMIT_MB, threads=THREADS)
    else:
        out.mkdir()
        connection = duckdb.connect(config={"threads": THREADS})
        suffix = " (COMPRESSION zstd)" if kind == "zstd" else ""
        connection.execute(f"COPY (SELECT * FROM read_csv('{source}')) TO '{out}/x.parquet'{suffix}")
    seconds = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss
    print(
        json.dumps(
            {
                "seconds": seconds,
                "cpu_seconds": cpu,
                "peak_mb": peak / (1024 * 1024 if sys.platform == "darwin" else 1024),
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--child", nargs=3, metavar=("KIND", "SOURCE", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        kind, source, out = arguments.child
        child(kind, Path(source), Path(out))
        return
    kinds = ("ours", "plain", "zstd")
    seen: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as temp:
        source = Path(temp) / "table.csv"
        generate(source, arguments.rows)
        print(f"{arguments.rows} rows x 12 columns, {source.stat().st_size / 1e6:.0f} MB, {THREADS} threads")
        for run in range(arguments.runs):
            for kind in kinds:
                with tempfile.TemporaryDirectory(dir=temp) as out:
                    command = [sys.executable, __file__, "--child", kind, str(source), f"{out}/{run}"]
                    done = subprocess.run(command, check=True, capture_output=True, text=True)
                seen[kind].append(json.loads(done.stdout))
    seconds = {kind: statistics.median(run["seconds"] for run in runs) for kind, runs in seen.items()}
    for kind, label in (("ours", "ingest"), ("plain", "plain COPY"), ("zstd", "plain COPY, zstd")):
        peak = max(run["peak_mb"] for run in seen[kind])
        cpu = statistics.median(run["cpu_seconds"] for run in seen[kind])
        print(f"{label}: {seconds[kind]:.2f} s, {cpu:.2f} s of CPU, peak {peak:.0f} MB")
    ratios = [ours["seconds"] / plain["seconds"] for ours, plain in zip(seen["ours"], seen["plain"], strict=True)]
    print(f"time ratio ingest / plain COPY: {statistics.median(ratios):.2f} (median of {len(ratios)} pairs)")
    cpu_ratios = [
        ours["cpu_seconds"] / plain["cpu_seconds"] for ours, plain in zip(seen["ours"], seen["plain"], strict=True)
    ]
    print(f"CPU ratio ingest / plain COPY: {statistics.median(cpu_ratios):.2f} (median; steadier on a busy machine)")
    print(f"time ratio ingest / plain COPY with zstd: {seconds['ours'] / seconds['zstd']:.2f}")


if __name__ == "__main__":
    main()
