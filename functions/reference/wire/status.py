"""The shapes of the status group."""

from __future__ import annotations

from typing import Literal

from fluvial.http.wire import Shape


class Status(Shape):
    status: Literal["operational", "degraded"]
    version: str
    timestamp: str
