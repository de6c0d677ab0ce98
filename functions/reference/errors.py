"""How this API tells core errors: one table."""

from __future__ import annotations

from typing import Any

from fluvial import ids
from fluvial.errors import (
    ConflictError,
    FluvialError,
    ForbiddenError,
    InvalidError,
    LimitedError,
    NotFoundError,
    ReusedKeyError,
    TooLargeError,
    UnauthenticatedError,
)

TABLE: dict[type[FluvialError], tuple[int, str]] = {
    UnauthenticatedError: (401, "INVALID_API_KEY"),
    ForbiddenError: (403, "INSUFFICIENT_PERMISSIONS"),
    NotFoundError: (404, "RESOURCE_NOT_FOUND"),
    InvalidError: (400, "VALIDATION_ERROR"),
    ConflictError: (409, "CONFLICT"),
    ReusedKeyError: (422, "IDEMPOTENCY_KEY_REUSED"),
    TooLargeError: (413, "PAYLOAD_TOO_LARGE"),
    LimitedError: (429, "RATE_LIMIT_EXCEEDED"),
}

PREFIXES = {
    "project": ids.PROJECT,
    "dataset": ids.DATASET,
    "export": ids.EXPORT,
    "comparison": ids.COMPARISON,
    "key": ids.KEY,
    "upload": ids.UPLOAD,
    "endpoint": ids.ENDPOINT,
    "user": ids.USER,
    "job": ids.JOB,
}


def render(error: FluvialError | None, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body; None is a defect or an outage, of which a caller learns the request id only."""
    if error is None:
        message = "Something went wrong on our side; the request id finds it in the logs."
        return 500, _body("INTERNAL_ERROR", message, None, request_id)
    status, code = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
    return status, _body(code, _message(error), error.field, request_id)


def _message(error: FluvialError) -> str:
    if isinstance(error, TooLargeError) and error.field == "file":
        return f"{str(error).removesuffix('.')}: use POST /v1/data/uploads for larger ones."
    if not isinstance(error, NotFoundError):
        return str(error)
    if isinstance(error.name, str):
        return f"No {error.kind} '{error.name[:100]}' exists."
    return f"No {error.kind} '{ids.spell(PREFIXES[error.kind], error.name)}' exists."


def _body(code: str, message: str, field: str | None, request_id: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "field": field, "request_id": request_id}}
