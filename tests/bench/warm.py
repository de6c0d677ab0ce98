"""CPU of a warm request through our HTTP layer, limit and log line included, against a bare dictionary dispatch.

Both read a POST of 8 fields and answer 20 items; the counter of the limit is stubbed, for it is DynamoDB's time.
Run: python tests/bench/warm.py. Prints the ratio: median over interleaved rounds in one process.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "functions"), str(ROOT / "layers/core/python")]
os.environ.update(FLUVIAL_TABLE="none", AWS_DEFAULT_REGION="us-east-1")

ROUNDS = 25
REQUESTS = 400
TARGET = 3

BODY = {
    "name": "New Project",
    "description": "A new project",
    "industry": "retail",
    "count": 5,
    "ratio": 0.5,
    "public": True,
    "tags": ["a", "b"],
    "settings": {"visibility": "private"},
}
ITEM = {
    "id": "proj_06y8z8acp65",
    "name": "Project",
    "description": "A description",
    "created_at": "x",
    "updated_at": "x",
}


def bare_handler() -> Callable[..., Any]:
    """What no framework can do without: look the route up, read the body, answer, write one line."""

    def create(body: dict[str, Any]) -> tuple[int, Any]:
        return 201, {"data": [{**ITEM, "name": body["name"]} for _ in range(20)]}

    routes = {("POST", "/projects"): create}

    def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
        status, body = routes[event["httpMethod"], event["resource"]](json.loads(event["body"]))
        print(json.dumps({"route": event["resource"], "status": status}), file=sys.stderr)
        return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}

    return handler


def our_handler() -> Callable[..., Any]:
    """The same through make_app: route, caller, limit, pydantic in and out, headers, one line."""
    from pydantic import BaseModel

    from fluvial.caller import Caller
    from fluvial.http import Response, make_app
    from fluvial.http.wire import Request
    from fluvial.store import windows
    from reference.errors import render

    windows.count = lambda *_, **__: 1  # type: ignore[assignment]

    class Create(Request):
        name: str
        description: str
        industry: str
        count: int
        ratio: float
        public: bool
        tags: list[str]
        settings: dict[str, Any]

    class Item(BaseModel):
        id: str
        name: str
        description: str
        created_at: str
        updated_at: str

    class Page(BaseModel):
        data: list[Item]

    app = make_app("reference", render)

    def create(caller: Caller, body: Create) -> Response[Page]:
        return app.answer(Page(data=[Item(**{**ITEM, "name": body.name}) for _ in range(20)]))

    # The classes are local to this function, where the names of its hints are not found.
    create.__annotations__.update({"caller": Caller, "body": Create, "return": Response[Page]})
    app.post("/projects", "projects:write")(create)

    return app


def cpu_microseconds(handler: Callable[..., Any], event: dict[str, Any]) -> float:
    started = time.process_time_ns()
    for _ in range(REQUESTS):
        handler(event, None)
    return (time.process_time_ns() - started) / REQUESTS / 1000


def main() -> None:
    from fluvial.caller import Caller
    from tests.factories import request

    event = request("POST", "/projects", caller=Caller(1, 1, 1, "professional", frozenset("*")), body=BODY)
    ours, bare = our_handler(), bare_handler()
    pairs = []
    for handler in (ours, bare):
        with contextlib.redirect_stderr(io.StringIO()):
            answer = handler(event, None)
        if answer["statusCode"] != 201 or len(json.loads(answer["body"])["data"]) != 20:
            raise SystemExit(f"not what is to be measured: {answer}")
    with contextlib.redirect_stderr(io.StringIO()):
        for _ in range(ROUNDS):
            pairs.append((cpu_microseconds(ours, event), cpu_microseconds(bare, event)))
    ratio = statistics.median(one / other for one, other in pairs)
    one, other = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"warm request: {ratio:.1f} x bare dispatch ({one:.0f} against {other:.0f} us of CPU, target {TARGET} x)")


if __name__ == "__main__":
    main()
