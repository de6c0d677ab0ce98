"""How this API tells core errors: one table.

Clients of this API send again whatever is answered with a 4xx or 5xx, for ever. So all that would be refused again is
an HTTP 200 with an `error`; its code is 100 for whatever is wrong with a request.
"""

from __future__ import annotations

import json
from typing import Any

from fluvial.errors import (
    MAX_SHOWN,
    ConflictError,
    FluvialError,
    ForbiddenError,
    InvalidError,
    LimitedError,
    NotFoundError,
    RecordInvalidError,
    ReusedKeyError,
    TooLargeError,
    UnauthenticatedError,
    UnknownModelError,
)

REFUSED = 100
TABLE: dict[type[FluvialError], tuple[int, int]] = {
    UnauthenticatedError: (401, 401),
    ForbiddenError: (200, 403),
    NotFoundError: (200, REFUSED),
    InvalidError: (200, REFUSED),
    ConflictError: (200, REFUSED),
    ReusedKeyError: (200, REFUSED),
    TooLargeError: (200, REFUSED),
    LimitedError: (429, 429),
}
NO_FIELD = "base"
BAD_TOKEN = "The access token is invalid or expired."  # noqa: S105 (a sentence; the gateway says it, too)


def render(error: FluvialError | None, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body; None is a defect or an outage, of which a caller learns the request id only."""
    if error is None:
        return 500, _body(500, f"Something went wrong on our side; the request id {request_id} finds it in the logs.")
    status, code = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
    if isinstance(error, NotFoundError) and error.kind == "route":
        return 404, _body(404, f"No such route: '{str(error.name)[:MAX_SHOWN]}'.")
    if isinstance(error, UnauthenticatedError):
        return status, _body(code, BAD_TOKEN)
    return status, _body(code, _message(error) if code == REFUSED else str(error))


def _message(error: FluvialError) -> str:
    """JSON text, as clients expect it: the reasons by field; but of an unknown class the words that they look for."""
    if isinstance(error, UnknownModelError):
        return f"#<NameError: {error}>"
    problems = error.problems if isinstance(error, RecordInvalidError) else {error.field or NO_FIELD: [_reason(error)]}
    return json.dumps(problems, ensure_ascii=False)


def _reason(error: FluvialError) -> str:
    if isinstance(error, NotFoundError):
        return f"No {error.kind} '{str(error.name)[:MAX_SHOWN]}' exists."
    if isinstance(error, TooLargeError) and error.field == "content":
        return f"{str(error).removesuffix('.')}: use POST /api/rest/v2/model_document_upload for larger ones."
    return str(error)


def _body(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}
