"""The shape of every error. For the OpenAPI document alone: what answers is `reference.errors`, without a model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Problem(BaseModel):
    """`field` is the field or parameter at fault, with dots where it is nested; null where none is."""

    model_config = ConfigDict(extra="forbid")

    code: str
    message: str
    field: str | None
    request_id: str


class ErrorBody(BaseModel):
    """What every answer is that is not a success."""

    model_config = ConfigDict(extra="forbid")

    error: Problem
