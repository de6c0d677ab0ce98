"""Multipart parsing against a plain `bytes.find` splitter, and python-multipart beside it, on kind and hostile
bodies of 4 MiB. Target: ours at most 2 times the splitter, on every body.

    python tests/bench/multipart.py
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from python_multipart import MultipartParser

sys.path.insert(0, str(Path(__file__).parents[2] / "layers" / "core" / "python"))

from fluvial.multipart import parse

SIZE = 4 * 1024 * 1024
ROUNDS = 7
BOUNDARIES = [b"----WebKitFormBoundary7MA4YWxkTrZu0gW", b"b"]


def split(body: bytes, boundary: bytes) -> list[bytes]:
    """The yardstick: contents only, no names, no refusals; it believes every body to be well made."""
    delimiter = b"\r\n--" + boundary
    position = len(delimiter) - 2
    contents = []
    while body.startswith(b"\r\n", position):
        start = body.index(b"\r\n\r\n", position) + 4
        end = body.index(delimiter, start)
        while not body.startswith((b"\r\n", b"--"), end + len(delimiter)):
            end = body.index(delimiter, end + 1)
        contents.append(body[start:end])
        position = end + len(delimiter)
    return contents


def with_library(body: bytes, boundary: bytes) -> list[bytes]:
    contents: list[bytes] = []
    MultipartParser(boundary, {"on_part_data": lambda data, start, end: contents.append(data[start:end])}).write(body)
    return contents


def with_ours(body: bytes, boundary: bytes) -> list[bytes]:
    form = parse(body, f"multipart/form-data; boundary={boundary.decode()}")
    return [file.data for file in form.files.values()]


def milliseconds(work: Callable[[bytes, bytes], list[bytes]], body: bytes, boundary: bytes) -> float:
    started = time.perf_counter()
    work(body, boundary)
    return (time.perf_counter() - started) * 1000


def main() -> None:
    print(f"{'boundary':>8} {'file full of':<18} {'splitter':>9} {'ours':>15} {'python-multipart':>17}")
    worst = 0.0
    for boundary in BOUNDARIES:
        units = {
            "CSV lines": b"2026-11-22,north,12.5,true\n",
            "CR LF -": b"\r\n-",
            "almost a boundary": b"\r\n--" + boundary[:-1] + b"!",
            "boundary x": b"\r\n--" + boundary + b"x",
            "boundary CR": b"\r\n--" + boundary + b"\r",
            "boundary -x": b"\r\n--" + boundary + b"-x",
            "boundary blanks x": b"\r\n--" + boundary + b" " * 1000 + b"x",
        }
        for name, unit in units.items():
            content = (unit * (SIZE // len(unit) + 1))[:SIZE] + b"."
            head = b'Content-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
            body = b"--" + boundary + b"\r\n" + head + content + b"\r\n--" + boundary + b"--\r\n"
            works = [split, with_ours] if name == "boundary blanks x" else [split, with_ours, with_library]
            times: dict[Callable[[bytes, bytes], list[bytes]], list[float]] = {work: [] for work in works}
            for work in works:
                if work(body, boundary) != [content]:
                    raise SystemExit(f"{work.__name__} does not give the file full of {name} back")
            for _ in range(ROUNDS):
                for work in works:
                    times[work].append(milliseconds(work, body, boundary))
            base, ours, *library = (statistics.median(times[work]) for work in works)
            worst = max(worst, ours / base)
            beside = f"{library[0]:8.2f} ({library[0] / base:4.1f} x)" if library else "refuses it"
            print(f"{len(boundary):>8} {name:<18} {base:6.2f} ms {ours:6.2f} ({ours / base:4.2f} x) {beside:>17}")
    print(f"multipart, ours / splitter, worst body: {worst:.2f} (target 2.00)")


if __name__ == "__main__":
    main()
