"""How this API tells core errors: one table."""

from __future__ import annotations

import re
from typing import Any

from fluvial import ids
from fluvial.errors import (
    MAX_SHOWN,
    ConflictError,
    FeatureOffError,
    FluvialError,
    ForbiddenError,
    InvalidError,
    LimitedError,
    NotFoundError,
    ReusedKeyError,
    StaleError,
    TooLargeError,
    UnauthenticatedError,
    UnchangedError,
)

TABLE: dict[type[FluvialError], tuple[int, str]] = {
    UnauthenticatedError: (401, "UNAUTHORIZED"),
    FeatureOffError: (403, "FEATURE_NOT_ENABLED"),
    ForbiddenError: (403, "FORBIDDEN"),
    NotFoundError: (404, "NOT_FOUND"),
    InvalidError: (400, "INVALID_REQUEST"),
    StaleError: (412, "PRECONDITION_FAILED"),
    UnchangedError: (412, "NOT_CHANGED"),
    ConflictError: (409, "CONFLICT"),
    ReusedKeyError: (422, "IDEMPOTENCY_KEY_REUSED"),
    TooLargeError: (413, "PAYLOAD_TOO_LARGE"),
    LimitedError: (429, "RATE_LIMIT_EXCEEDED"),
}

PREFIXES = {
    "project": ids.PROJECT,
    "dataset": ids.DATASET,
    "job": ids.JOB,
    "preparation": ids.PREPARATION,
    "report": ids.REPORT,
    "generated report": ids.GENERATED_REPORT,
    "automation": ids.AUTOMATION,
    "run": ids.RUN,
    "analysis": ids.ANALYSIS,
}
NAMES = {"dataset": "import"}
# What the core calls otherwise, by itself or in a place such as `sections.2.query.group_by.0`.
FIELDS = {
    "data_id": "id",
    "dataset_id": "importId",
    "project_id": "projectId",
    "output.project": "output.projectId",
    "format": "type",
}


SEGMENTS = {
    "chart_query": "chartQuery",
    "compare_with": "compareWith",
    "dataset": "importId",
    "group_by": "groupBy",
    "preparation": "preparationId",
    "show_rows": "showRows",
    "x_format": "xFormat",
    "x_title": "xTitle",
    "y_title": "yTitle",
}
# Members of the steps of a recipe, and of the steps and triggers of an automation.
STEP_MEMBERS = {
    "analysis": "analysisId",
    "backoff_seconds": "backoffSeconds",
    "report": "reportId",
    "time_zone": "timeZone",
    "date_order": "dateOrder",
    "group_by": "groupBy",
    "name_as": "nameAs",
    "on_error": "onError",
    "partition_by": "partitionBy",
    "value_as": "valueAs",
}
PLACE = re.compile(r"\b(?:sections|steps|triggers)\.[0-9]+(?:\.\w+)+")


def render(error: FluvialError | None, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body; None is a defect or an outage, of which a caller learns the request id only."""
    if error is None:
        message = "Something went wrong on our side; the request id finds it in the logs."
        return 500, _body("INTERNAL_ERROR", message, requestId=request_id)
    status, code = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
    return status, _body(code, _message(error), field=_field(error))


def _message(error: FluvialError) -> str:
    if isinstance(error, TooLargeError) and error.field in ("file", "data"):
        batches = "send the records in several requests, with the import's id and the mode 'append'"
        return f"{str(error).removesuffix('.')}: {batches}, or a larger file by the reference API, POST /data/uploads."
    if isinstance(error, UnauthenticatedError):
        return "The API key is invalid or expired, or the subscription id is not its own."
    if not isinstance(error, NotFoundError):
        return PLACE.sub(_place, str(error))
    name = NAMES.get(error.kind, error.kind)
    if isinstance(error.name, str):
        return f"No {name} '{error.name[:MAX_SHOWN]}' exists."
    return f"No {name} '{ids.uuid(PREFIXES[error.kind], error.name)}' exists."


def _field(error: FluvialError) -> str | None:
    return None if error.field is None else PLACE.sub(_place, FIELDS.get(error.field, error.field))


def _place(found: re.Match[str]) -> str:
    names = SEGMENTS | STEP_MEMBERS
    return ".".join(names.get(each, each) for each in found[0].split("."))


def _body(code: str, message: str, *, field: str | None = None, **more: str) -> dict[str, Any]:
    return {"data": None, "messages": [{"type": "error", "code": code, "message": message, "field": field, **more}]}
