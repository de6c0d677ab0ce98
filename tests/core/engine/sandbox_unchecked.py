"""The sandbox's process without its check of SQL: what the database and the process alone do not let through.

Takes {"paths", "bounds", "work", "input", "statements"}; answers what is around it,
then the rows or the error of each statement.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    request = json.load(sys.stdin)
    sys.path[:0] = request["paths"]
    from fluvial.engine import sandbox_child

    sandbox_child.limit(request["bounds"])
    import duckdb

    from fluvial.engine import sandbox_run
    from fluvial.engine.manifest import Column

    print(json.dumps(around()))
    connection = sandbox_run.locked(
        Path(request["work"]), request["bounds"], {"t": ([request["input"]], [Column("x", "text", "")])}
    )
    answers: list[dict[str, Any]] = []
    rows_of_python = [{"x": 1}]
    for statement in request["statements"]:
        try:
            found = connection.cursor().execute(statement)
            answers.append({"rows": repr(found.fetchall() if found else [])[:100_000]})
        except (duckdb.Error, MemoryError, ValueError) as error:
            answers.append({"error": str(error)})
    print(json.dumps(answers), len(rows_of_python), sep="\n")


def around() -> dict[str, Any]:
    return {
        "environment": dict(os.environ),
        "files": [os.readlink(f"/proc/self/fd/{fd}") for fd in sorted(os.listdir("/proc/self/fd"), key=int)[:-1]],
        "group": os.getpgid(0) == os.getpid(),
        "processes": resource.getrlimit(resource.RLIMIT_NPROC),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "threads": len(os.listdir("/proc/self/task")),
    }


if __name__ == "__main__":
    main()
