"""The shape of every error. For the OpenAPI document alone: what answers is `fluxjiva.errors`, without a model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Problem(BaseModel):
    """`details` has `parameter`, `value` and `constraint` where they are known, and `request_id` of a defect."""

    model_config = ConfigDict(extra="forbid")

    code: str
    message: str
    details: dict[str, str]


class ErrorBody(BaseModel):
    """What every answer is that is not a success."""

    model_config = ConfigDict(extra="forbid")

    error: Problem
