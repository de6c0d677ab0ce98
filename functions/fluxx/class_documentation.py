"""The documentation of the classes, for people: HTML, made of the account's own classes when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fluvial import limits, record_schemas, roles
from fluvial.caller import Caller
from fluvial.errors import FluvialError, ForbiddenError, NotFoundError, UnknownModelError
from fluvial.http import Response, make_app
from fluvial.record_schemas import Schema
from fluxx import errors, pages
from fluxx.wire import records as shapes

HTML = "text/html; charset=utf-8"
LIMITS = {"list": "Lists and searches", "get": "Single records and these pages", "write": "Create, update, delete"}


def render(error: FluvialError | None, request_id: str) -> tuple[int, dict[str, Any]]:
    """As everywhere in this API, but for a missing right: who reads a page goes by its status."""
    status, body = errors.render(error, request_id)
    return 403 if isinstance(error, ForbiddenError) else status, body


app = make_app("fluxx", render)


@app.get("/api/rest/{version}/doc", "records:read", also=(403,), limit="get")
def document_all_classes(caller: Caller, version: shapes.Version) -> Response[Annotated[str, "text/html"]]:
    """A page that says how the API is used, and which classes there are. For administrators."""
    return _answer(caller, version, lambda place, schema: pages.of_all_classes(place, schema, _limits(caller)))


@app.get("/api/rest/{version}/{model_type}/doc", "records:read", also=(403, 404), limit="get")
def document_class(
    caller: Caller, version: shapes.Version, model_type: shapes.ModelType
) -> Response[Annotated[str, "text/html"]]:
    """A page of one class, with sample calls and its fields. For administrators."""
    return _answer(caller, version, lambda place, schema: pages.of_class(place, schema, schema.model(model_type)))


def _answer(caller: Caller, version: str, make: Callable[[pages.Place, Schema], str]) -> Response[str]:
    if version not in shapes.VERSIONS:
        raise NotFoundError("route", f"/api/rest/{version}")
    place = pages.Place(app.base_url, version)
    if caller.role not in roles.MANAGERS:
        reason = "This documentation is for administrators: ask one of your account to send you the page."
        return _html(403, pages.refusal(place, "For administrators only", reason))
    try:
        return _html(200, make(place, record_schemas.of(caller.account)))
    except UnknownModelError as error:
        return _html(404, pages.refusal(place, "No such class", str(error)))


def _html(status: int, page: str) -> Response[str]:
    return Response(status, HTML, page, {"Content-Security-Policy": pages.policy(), "X-Robots-Tag": "noindex"})


def _limits(caller: Caller) -> list[pages.Limit]:
    """The limits that hold for the caller."""
    found = []
    for route_class, of in LIMITS.items():
        policy = limits.POLICIES["fluxx", route_class][caller.plan]
        own = caller.limits.get(limits.spelled("fluxx", route_class), policy.limit)
        found.append(pages.Limit(of, own))
    return found


handler = app
