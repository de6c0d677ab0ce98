"""The shape of every error. For the OpenAPI document alone: what answers is `codefluss.errors`, without a model."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Problem(BaseModel):
    """`details` has `field` and `reason` where they are known, all `problems` of a site that cannot be published, and
    `requestId` of a defect."""

    model_config = ConfigDict(extra="forbid")

    code: str
    message: str
    details: dict[str, Any]


class ErrorBody(BaseModel):
    """What every answer is that is not a success."""

    model_config = ConfigDict(extra="forbid")

    success: Literal[False]
    error: Problem
