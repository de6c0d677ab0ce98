"""The shape of every error. For the OpenAPI document alone: what answers is `fluxx.errors`, without a model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Problem(BaseModel):
    """`message` is JSON text where the code is 100, but of an unknown class: the reasons by the name of the field."""

    model_config = ConfigDict(extra="forbid")

    code: int
    message: str


class ErrorBody(BaseModel):
    """What every answer is that is not a success; its status is 200 for whatever sending it again cannot mend."""

    model_config = ConfigDict(extra="forbid")

    error: Problem
