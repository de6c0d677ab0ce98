"""What the shapes of all APIs are made with."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticKnownError

from fluvial import clock, multipart
from fluvial.errors import MAX_SHOWN, InvalidError


class Request(BaseModel):
    """A body. Unknown fields are refused: what a caller sends is never silently dropped."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    def said(self) -> bytes:
        """What the request says, in one spelling, whatever the order of its fields was."""
        return self.model_dump_json().encode()


File = Annotated[multipart.FilePart, WithJsonSchema({"type": "string", "format": "binary"})]
"""A part with a file, in a form."""


class FormRequest(Request):
    """A multipart/form-data body."""

    def said(self) -> bytes:
        """What the form says; of its files, their hashes."""
        given: dict[str, Any] = dict(self)
        files = {name: part for name, part in given.items() if isinstance(part, multipart.FilePart)}
        fields = {name: value for name, value in given.items() if name not in files and value is not None}
        return multipart.Form(fields, files).said()


def is_none(value: object) -> bool:
    return value is None


LEFT_OUT_IF_NONE = Field(exclude_if=is_none)
"""For a field of an answer that is there only where there is something to say."""


def digits(text: Any) -> Any:
    """Only what a whole number is written with: Python would also read `1_0`, ` 1 ` and `1.0`."""
    if isinstance(text, str) and not re.fullmatch(r"-?[0-9]+", text):
        raise PydanticKnownError("int_parsing")
    return text


WholeNumber = Annotated[int, BeforeValidator(digits)]
"""A whole number in a query."""


def parse_time(field: str, text: str) -> int:
    """Milliseconds since 1970 of a date and time in ISO 8601 with its zone; InvalidError for anything else."""
    try:
        moment = datetime.fromisoformat(text)
        milliseconds = int(moment.timestamp() * clock.SECOND)
        # Also in UTC it has to be a date that can be written.
        moment.astimezone(UTC)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment.tzinfo is None:
        shown = text[:MAX_SHOWN]
        allowed = "a date and time in ISO 8601 with its time zone, such as 2026-01-31T12:00:00Z"
        raise InvalidError(field, f"'{field}' must be {allowed}, not '{shown}'.", value=shown, constraint=allowed)
    return milliseconds
