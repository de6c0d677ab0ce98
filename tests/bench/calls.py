"""Prints the AWS calls of every API's routes, counted on moto. The authorizer adds one GetItem to each but GET /status.

Run: python tests/bench/calls.py
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "functions"), str(ROOT / "layers/core/python")]


def main() -> None:
    from tests import in_moto, template

    os.environ.update(in_moto.ENVIRONMENT)
    with in_moto.stack(json.dumps(template.data_plane())) as (resources, settings):
        os.environ.update(settings)
        # Only now: a handler reads its settings when it is imported.
        from tests import costs

        with contextlib.redirect_stderr(io.StringIO()):
            measured = costs.measure(resources)
    for api, routes in measured.items():
        for route, calls in routes.items():
            print(f"aws calls of {api} {route:34} {' + '.join(calls)}")


if __name__ == "__main__":
    main()
