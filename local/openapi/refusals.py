"""Which errors a route can answer, by what it reads and does. Rather one too many than one that surprises a client."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, WithJsonSchema

from fluvial.errors import (
    ConflictError,
    FluvialError,
    ForbiddenError,
    InvalidError,
    LimitedError,
    NotFoundError,
    ReusedKeyError,
    StaleError,
    TooLargeError,
    UnauthenticatedError,
    UnreadableFileError,
)
from fluvial.http import Render, Route

REQUEST_ID = "req_7432c720-4be6-42bd-96b5-6d18cb54824d"
TIMED_OUT = 504
"""Answered by the gateway alone, where a function takes too long."""

# One of each kind, so that each API says by itself which status and body it makes of it.
SAMPLES: dict[str, FluvialError | None] = {
    "invalid": InvalidError("name", "'name' is required."),
    "unreadable": UnreadableFileError("The file has no header."),
    "unauthenticated": UnauthenticatedError("The API key is invalid or expired."),
    "forbidden": ForbiddenError("This API key lacks the scope 'projects:write'."),
    "not_found": NotFoundError("project", "proj_abc123"),
    "conflict": ConflictError("The data is still being processed: try again when its status is 'ready'."),
    "stale": StaleError("page", 3),
    "too_large": TooLargeError("The request is larger than what can be taken.", limit_bytes=4_500_000),
    "reused_key": ReusedKeyError("This Idempotency-Key was used for another request."),
    "limited": LimitedError("The limit of this hour is used up.", retry_after_seconds=60),
    "failed": None,
    "no_route": NotFoundError("route", "/api/rest/v9"),
}

BODY = {"$ref": "#/components/schemas/ErrorBody"}
CONTENT = {"application/json": {"schema": BODY}}
PARAMETER = re.compile(r"{(\w+)\+?}")
NAMES_A_THING = re.compile(r"(_id|[a-z]Id)s?$")


def statuses(route: Route, render: Render) -> list[int]:
    """The statuses of all errors that the route can answer, the gateway's among them."""
    return sorted({render(SAMPLES[kind], REQUEST_ID)[0] for kind in _kinds(route)} | {TIMED_OUT})


def _kinds(route: Route) -> Iterator[str]:
    models = [route.types[part] for part in ("query", "body", "form", "params") if part in route.types]
    fields = {name for model in models for name in _members(TypeAdapter(model).json_schema())}
    writes = route.method not in ("GET", "HEAD")
    sends = any(part in route.types for part in ("body", "form", "params"))
    yield from ("failed", "limited")
    if _names_a_version(route):
        yield "no_route"
    if route.scope is not None:
        yield from ("unauthenticated", "forbidden")
    if models or "expected" in route.types or route.method == "POST":
        yield "invalid"
    if "form" in route.types:
        yield "unreadable"
    # A system key has no user, so that what is its own can be absent, too.
    if (
        PARAMETER.search(route.path)
        or route.path.endswith("/me")
        or any(NAMES_A_THING.search(field) for field in fields)
    ):
        yield "not_found"
    # What belongs to a thing, such as the rows of data, may not be ready.
    if writes or re.search(r"}/[^{}]+$", route.path):
        yield "conflict"
    if "expected" in route.types:
        yield "stale"
    if route.method == "POST":
        yield "reused_key"
    # Also an answer can be more than can be sent, where the caller says how much is wanted.
    if sends or fields & {"per_page", "limit"}:
        yield "too_large"


def _members(node: Any) -> Iterator[str]:
    """The names of all members of a schema, of nested objects, too."""
    for name, each in node.items() if isinstance(node, dict) else ():
        if name == "properties":
            yield from each
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _members(each)


def versioned(operations: Mapping[str, tuple[str, Route]]) -> bool:
    """Whether any of the operations has a version in its path, so that it can be of one that there is not."""
    return any(_names_a_version(route) for _, route in operations.values())


def _names_a_version(route: Route) -> bool:
    """Whether its path has the version of the API in it, one of a few."""
    notes = getattr(route.types.get("version"), "__metadata__", ())
    return any(isinstance(note, WithJsonSchema) for note in notes)


def responses(renders: list[Render], headers: Any, *, versioned: bool) -> dict[str, Any]:
    """The answers of all errors by name: each with an example of every kind that the API answers with its status."""
    made: dict[int, dict[str, Any]] = {}
    for render, (kind, error) in itertools.product(renders, SAMPLES.items()):
        if kind == "no_route" and not versioned:
            continue
        status, body = render(error, REQUEST_ID)
        answer = made.setdefault(status, {"description": _described(error), "headers": headers(status), "content": {}})
        content = answer["content"].setdefault("application/json", {"schema": BODY, "examples": {}})
        content["examples"].setdefault(kind, {"value": body})
    made[TIMED_OUT] = {
        "description": "No answer within 29 seconds.",
        "headers": headers(TIMED_OUT),
        "content": {"application/json": {"schema": BODY, "example": renders[0](None, REQUEST_ID)[1]}},
    }
    return {component(status): answer for status, answer in sorted(made.items())}


def component(status: int) -> str:
    """The name of the answer with this status."""
    return f"Error{status}"


def _described(error: FluvialError | None) -> str:
    """The first sentence about the kind of error."""
    return "A defect or an outage." if error is None else (inspect.getdoc(error) or "").split("\n\n")[0]
