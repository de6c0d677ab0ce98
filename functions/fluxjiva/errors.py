"""How this API tells core errors: one table."""

from __future__ import annotations

import json
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
    TooLargeError,
    UnauthenticatedError,
)

TABLE: dict[type[FluvialError], tuple[int, str]] = {
    UnauthenticatedError: (401, "unauthorized"),
    ForbiddenError: (403, "forbidden"),
    NotFoundError: (404, "not_found"),
    InvalidError: (400, "invalid_parameter"),
    ConflictError: (409, "conflict"),
    ReusedKeyError: (422, "idempotency_key_reused"),
    TooLargeError: (413, "payload_too_large"),
    LimitedError: (429, "rate_limit_exceeded"),
}

PREFIXES = {
    "project": ids.PROJECT,
    "dataset": "ds",
    "analysis": ids.ANALYSIS,
    "upload": ids.UPLOAD,
}
NAMES = {"dataset": "data source"}
# What the core calls otherwise.
PARAMETERS = {"data_id": "data_source_id", "format": "type"}


def render(error: FluvialError | None, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body; None is a defect or an outage, of which a caller learns the request id only."""
    if error is None:
        message = "Something went wrong on our side; the request id finds it in the logs."
        return 500, _body("internal_error", message, {"request_id": request_id})
    status, code = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
    return status, _body(code, _message(error), _details(error))


def _message(error: FluvialError) -> str:
    if isinstance(error, TooLargeError) and error.field == "file":
        place = "POST /v1/projects/{project_id}/data-sources/uploads"
        return f"{str(error).removesuffix('.')}: use {place} for larger ones."
    if not isinstance(error, NotFoundError):
        return str(error)
    name = NAMES.get(error.kind, error.kind)
    if isinstance(error.name, str):
        return f"No {name} '{error.name[:MAX_SHOWN]}' exists."
    return f"No {name} '{ids.spell(PREFIXES[error.kind], error.name)}' exists."


def _details(error: FluvialError) -> dict[str, str]:
    """What the error is about, every value as a string."""
    details: dict[str, str] = {}
    # A project is only ever named in the path, which is no parameter.
    if error.field is not None and not (isinstance(error, NotFoundError) and error.kind == "project"):
        details["parameter"] = PARAMETERS.get(error.field, error.field)
    if isinstance(error, InvalidError):
        if error.value is not None:
            given = error.value if isinstance(error.value, str) else json.dumps(error.value, default=str)
            details["value"] = given[:MAX_SHOWN]
        if error.constraint is not None:
            details["constraint"] = error.constraint
    return details


def _body(code: str, message: str, details: dict[str, str]) -> dict[str, Any]:
    # The document's sentences end without a full stop.
    return {"error": {"code": code, "message": message.removesuffix("."), "details": details}}
