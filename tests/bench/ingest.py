"""Time and peak memory of an ingest against DuckDB's own COPY of the same file, in interleaved child processes.

    python tests/bench/ingest.py [--rows 1000000] [--runs 3] [--formats csv,gz,zst,zip,ndjson,json,parquet,xml,xlsx]

    make bench BENCH=ingest ARGS='--rows 8000000 --runs 3'                  a CSV of 1 GB
    make bench BENCH=ingest ARGS='--formats csv,gz,zst,zip,ndjson,json,parquet,xml,xlsx'

What DuckDB cannot read is first made a CSV by what can: the standard library's iterparse for XML and zipfile for ZIP,
openpyxl, without its styles, for workbooks. The plain COPY detects and converts without checking, which changes 0000007
to 7; ours checks every cell. Peak memory is each child's maximum resident set, the interpreter and DuckDB's library
included.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

CORE = Path(__file__).resolve().parents[2] / "layers" / "core" / "python"
# How DuckDB reads and writes each; a further format is one line here. A JSON document is at most 64 MiB for us.
READERS = {
    "csv": "read_csv('{}')", "gz": "read_csv('{}')", "zst": "read_csv('{}', compression = 'zstd')",
    "ndjson": "read_json('{}', format = 'newline_delimited')",
    "json": "read_json('{}', format = 'array', maximum_object_size = 67108864)", "parquet": "read_parquet('{}')",
}  # fmt: skip
WRITERS = {
    "gz": "FORMAT csv, COMPRESSION gzip", "zst": "FORMAT csv, COMPRESSION zstd",
    "ndjson": "FORMAT json", "json": "FORMAT json, ARRAY true",
    "parquet": "FORMAT parquet",
}  # fmt: skip
MOST_ROWS = {"json": 200_000, "xlsx": 50_000, "xml": 300_000}
MEMORY_LIMIT_MB = 200
THREADS = 2
KINDS = {"ours": "ingest", "plain": "plain COPY", "zstd": "plain COPY, zstd"}


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
        reader = READERS[source.suffix[1:]].format(source) if source.suffix[1:] in READERS else unpacked(source, out)
        connection.execute(f"COPY (SELECT * FROM {reader}) TO '{out}/x.parquet'{suffix}")
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


def unpacked(source: Path, out: Path) -> str:
    """A reader of the CSV that another library makes of the file."""
    target = out / "table.csv"
    if source.suffix == ".zip":
        with zipfile.ZipFile(source) as archive:
            return f"read_csv('{archive.extract(archive.namelist()[0], out)}')"
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if source.suffix == ".xml":
            for _, element in ElementTree.iterparse(source):
                if element.tag == "row":
                    if not file.tell():
                        writer.writerow([child.tag for child in element])
                    writer.writerow([child.text for child in element])
                    element.clear()
        else:
            import openpyxl

            book = openpyxl.load_workbook(source, read_only=True)
            writer.writerows(book.worksheets[0].iter_rows(values_only=True))
    return f"read_csv('{target}')"


def made(source: Path, format_: str, rows: int) -> Path:
    """The generated table in a format that DuckDB does not write."""
    target = source.with_suffix(f".{format_}")
    if format_ == "zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(source, "table.csv")
        return target
    with source.open(encoding="utf-8", newline="") as file:
        table = list(islice(csv.reader(file), rows + 1))
    if format_ == "xml":
        with target.open("w", encoding="utf-8") as out:
            out.write("<table>\n")
            for row in table[1:]:
                cells = "".join(f"    <{name}>{cell}</{name}>\n" for name, cell in zip(table[0], row, strict=True))
                out.write(f"  <row>\n{cells}  </row>\n")
            out.write("</table>\n")
        return target
    import xlsxwriter

    book = xlsxwriter.Workbook(target, {"constant_memory": True, "strings_to_numbers": True})
    sheet = book.add_worksheet()
    for at, row in enumerate(table):
        sheet.write_row(at, 0, row)
    book.close()
    return target


def convert(source: Path, format_: str) -> Path:
    """The generated table in another format, by DuckDB; of text only, so that codes keep their zeros."""
    import duckdb

    if format_ == "csv":
        return source
    if format_ not in WRITERS:
        return made(source, format_, MOST_ROWS.get(format_, 10**9))
    target = source.with_suffix(f".{format_}")
    most, texts = MOST_ROWS.get(format_, 10**9), format_ in ("gz", "zst")
    rows = f"SELECT * FROM read_csv('{source}', all_varchar = {texts}) LIMIT {most}"
    duckdb.execute(f"COPY ({rows}) TO '{target}' ({WRITERS[format_]})")
    return target


def measure(source: Path, runs: int, temp: Path) -> dict[str, list[dict[str, float]]]:
    """What every kind of run took, in turn, so that a busy machine is busy for all of them."""
    seen: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for run in range(runs):
        for kind in KINDS:
            with tempfile.TemporaryDirectory(dir=temp) as out:
                command = [sys.executable, __file__, "--child", kind, str(source), f"{out}/{run}"]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
            seen[kind].append(json.loads(done.stdout))
    return seen


def report(format_: str, seen: dict[str, list[dict[str, float]]]) -> None:
    """Times, memory, and ratios of runs that followed each other."""
    for kind, label in KINDS.items():
        seconds = statistics.median(run["seconds"] for run in seen[kind])
        cpu = statistics.median(run["cpu_seconds"] for run in seen[kind])
        peak = max(run["peak_mb"] for run in seen[kind])
        print(f"  {label}: {seconds:.2f} s, {cpu:.2f} s of CPU, peak {peak:.0f} MB")
    for other in ("plain", "zstd"):
        for what, word in (("seconds", "time"), ("cpu_seconds", "CPU")):
            ratios = [ours[what] / one[what] for ours, one in zip(seen["ours"], seen[other], strict=True)]
            print(f"  {format_}: {word} ratio ingest / {KINDS[other]}: {statistics.median(ratios):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--formats", default="csv")
    parser.add_argument("--child", nargs=3, metavar=("KIND", "SOURCE", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        kind, source, out = arguments.child
        child(kind, Path(source), Path(out))
        return
    with tempfile.TemporaryDirectory() as temp:
        table = Path(temp) / "table.csv"
        generate(table, arguments.rows)
        for format_ in arguments.formats.split(","):
            path = convert(table, format_)
            print(f"{format_}: {path.stat().st_size / 1e6:.0f} MB, 12 columns, {THREADS} threads")
            report(format_, measure(path, arguments.runs, Path(temp)))


if __name__ == "__main__":
    main()
