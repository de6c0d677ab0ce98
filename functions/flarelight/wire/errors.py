"""The shape of every error. For the OpenAPI document alone: what answers is `flarelight.errors`, without a model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict

from fluvial.http.wire import LEFT_OUT_IF_NONE


class Problem(BaseModel):
    """`field` is the one that the error is about, `requestId` is there for a defect."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["error"]
    code: str
    message: str
    field: str | None
    requestId: Annotated[str | None, LEFT_OUT_IF_NONE] = None


class ErrorBody(BaseModel):
    """What every answer is that is not a success."""

    model_config = ConfigDict(extra="forbid")

    data: None
    messages: list[Problem]
