"""Spends requests of one key from many threads at once, as a function would under load. A process of its own.

    python -m tests.stack.spender '{"api": "fluxjiva", "plan": "standard", "account": 1, "key": 2, "threads": 8,
                                    "moments": […]}'

Prints `ready`, begins with the first line of its input, and prints one outcome per moment: [remaining, reset], where
remaining is null for a refusal.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor

from fluvial import limits
from fluvial.caller import Caller


def main() -> None:
    given = json.loads(sys.argv[1])
    caller = Caller(given["account"], 1, key=given["key"], plan=given["plan"], scopes=frozenset())

    def spend(moment: int) -> tuple[int | None, int]:
        try:
            window = limits.spend(caller, api=given["api"], now=lambda: moment)
        except limits.WindowUsedUpError as error:
            return None, error.window.reset
        return window.remaining, window.reset

    print("ready", flush=True)
    sys.stdin.readline()
    with ThreadPoolExecutor(given["threads"]) as threads:
        print(json.dumps(list(threads.map(spend, given["moments"]))))


if __name__ == "__main__":
    main()
