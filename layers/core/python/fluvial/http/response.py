"""What a route answers."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Shown = TypeVar("Shown")


@dataclass(frozen=True, slots=True)
class Response(Generic[Shown]):
    """A status with a text, which is what a `Shown` was made of, or with bytes.

    `headers` win over those that every answer has.
    """

    status: int
    content_type: str = ""
    body: str | bytes = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def wire(self, common: Mapping[str, list[str]]) -> dict[str, Any]:
        """The answer as API Gateway takes it (Lambda proxy integration)."""
        headers = {**common, **{name: [value] for name, value in self.headers.items()}}
        if self.content_type:
            headers["Content-Type"] = [self.content_type]
        return {
            "statusCode": self.status,
            "multiValueHeaders": headers,
            "body": self.body if isinstance(self.body, str) else base64.b64encode(self.body).decode(),
            "isBase64Encoded": isinstance(self.body, bytes),
        }
