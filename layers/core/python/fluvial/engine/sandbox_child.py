"""The process in which SELECTs of users run: `sandbox` starts this file as a script, with nothing of ours around it.

It takes one request (JSON, to the end of its input), and answers lines of JSON: `started` and `made` of each step, then
`done` or `failed`. Its walls, each of which is to hold if those before it fell:

    the check    only SELECTs, only names that were given, only functions that compute (`sandbox_check`)
    DuckDB       files of the run's own folder only, no network, no extensions, configuration locked (`sandbox_run`)
    the process  address space, CPU time, size and number of files, no further process or thread, nothing inherited
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

# Of the address space, for the interpreter, its libraries, and what DuckDB takes without counting it.
UNCOUNTED_BYTES = 200 * 1024 * 1024
OPEN_FILES = 256
# Of JSON in Python: DuckDB takes a thousand expressions in each other, which are three levels each.
NESTED = 10_000
# linux/prctl.h: die with the thread that started us; take no right that we do not have.
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def main() -> None:
    """Answers the one request. The exit code means nothing: a process that died has not answered."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")

    def send(name: str, value: Any) -> None:
        answers.write(json.dumps({name: value}, ensure_ascii=False) + "\n")
        answers.flush()

    answer(json.load(sys.stdin), send)
    # Nothing has to be put away.
    os._exit(0)


def answer(request: dict[str, Any], send: Callable[[str, Any], None]) -> None:
    limit(request["bounds"])
    sys.path[:0] = request["paths"]
    from fluvial.engine import sandbox_run

    try:
        sandbox_run.Run(request, send).run()
    except Exception as error:
        kind, message = sandbox_run.explained(error, request["work"])
        if kind == "stopped":
            traceback.print_exc()
        send("failed", {"kind": kind, "message": message})


def limit(bounds: dict[str, Any]) -> None:
    """From here on the process can take no more than this, whatever it does."""
    os.umask(0o077)
    sys.setrecursionlimit(NESTED)
    system = ctypes.CDLL(None)
    system.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    system.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # DuckDB's own limit of what it puts aside comes before, and says more than a file that cannot grow.
    written = max(bounds["output_bytes"], bounds["spill_bytes"]) + UNCOUNTED_BYTES
    for which, soft, hard in (
        (resource.RLIMIT_AS, bounds["memory_bytes"], bounds["memory_bytes"]),
        (resource.RLIMIT_CPU, bounds["cpu_seconds"], bounds["cpu_seconds"] + 1),
        (resource.RLIMIT_FSIZE, written, written),
        (resource.RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES),
        (resource.RLIMIT_CORE, 0, 0),
        # One thread is all that runs here. Root, where this runs as root, is not held by it.
        (resource.RLIMIT_NPROC, 0, 0),
    ):
        resource.setrlimit(which, (soft, hard))


if __name__ == "__main__":
    main()
