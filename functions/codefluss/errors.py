"""How this API tells core errors: one table."""

from __future__ import annotations

from typing import Any

from fluvial import ids
from fluvial.errors import (
    MAX_SHOWN,
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
    UnpublishableError,
)
from fluvial.http import Render

TABLE: dict[type[FluvialError], tuple[int, str]] = {
    UnauthenticatedError: (401, "UNAUTHORIZED"),
    ForbiddenError: (403, "FORBIDDEN"),
    NotFoundError: (404, "NOT_FOUND"),
    InvalidError: (400, "VALIDATION_ERROR"),
    StaleError: (412, "PRECONDITION_FAILED"),
    ConflictError: (409, "CONFLICT"),
    ReusedKeyError: (422, "IDEMPOTENCY_KEY_REUSED"),
    TooLargeError: (413, "PAYLOAD_TOO_LARGE"),
    LimitedError: (429, "RATE_LIMIT_EXCEEDED"),
}

PREFIXES = {
    "project": ids.PROJECT,
    "page": ids.PAGE,
    "section": ids.SECTION,
}

# Fields of the core that this API spells otherwise.
WIRE_NAMES = {"page_id": "pageId", "parent_id": "parentId", "project_id": "projectId", "section_ids": "sectionIds"}
# What is not a field of the thing that is sent.
PARAMETERS = ("cursor", "limit", "to", "recursive", "If-Match", "Idempotency-Key")


def render_for(thing: str) -> Render:
    """The table for a group of routes; `thing` is what its requests send, for sentences such as the document's."""

    def render(error: FluvialError | None, request_id: str) -> tuple[int, dict[str, Any]]:
        if error is None:
            message = "Something went wrong on our side; the request id finds it in the logs."
            return 500, _body("INTERNAL_ERROR", message, {"requestId": request_id})
        status, code = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
        return status, _body(code, _message(error, thing), _details(error))

    return render


def _message(error: FluvialError, thing: str) -> str:
    if isinstance(error, InvalidError):
        field = _field(error)
        if field is None:
            return "Invalid request"
        return f"Invalid parameter '{field}'" if field in PARAMETERS else f"Invalid {thing} {field}"
    if not isinstance(error, NotFoundError):
        return str(error)
    if error.kind == "preview":
        return "This link opens nothing: it has ended, or there is no such page."
    if isinstance(error.name, str):
        return f"No {error.kind} '{error.name[:MAX_SHOWN]}' exists."
    return f"No {error.kind} '{ids.spell(PREFIXES[error.kind], error.name)}' exists."


def _details(error: FluvialError) -> dict[str, Any]:
    details: dict[str, Any] = {}
    field = _field(error)
    if field is not None:
        details["field"] = field
    if isinstance(error, InvalidError):
        details["reason"] = _spelled(error.reason.removesuffix("."))
    if isinstance(error, UnpublishableError):
        details["problems"] = [{"path": path, "reason": reason.removesuffix(".")} for path, reason in error.problems]
    return details


def _field(error: FluvialError) -> str | None:
    if error.field is None:
        return None
    name, dot, inner = error.field.partition(".")
    return WIRE_NAMES.get(name, name) + dot + inner


def _spelled(reason: str) -> str:
    """The core's sentence, with fields as this API spells them."""
    for name, wire in WIRE_NAMES.items():
        reason = reason.replace(f"'{name}'", f"'{wire}'")
    return reason


def _body(code: str, message: str, details: dict[str, Any]) -> dict[str, Any]:
    return {"success": False, "error": {"code": code, "message": message, "details": details}}
