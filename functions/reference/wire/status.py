"""The shapes of the status group."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class Status(BaseModel):
    status: Literal["operational", "degraded"]
    version: str
    timestamp: str
