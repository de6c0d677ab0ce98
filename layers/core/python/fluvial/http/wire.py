"""What the shapes of all APIs are made with."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema, PydanticKnownError

from fluvial import clock, multipart, slugs
from fluvial.errors import MAX_SHOWN, InvalidError
from fluvial.http.refusals import exact
from fluvial.plain_json import integral

# Shorter numbers are kept by any 64-bit float, so that most bodies need no second look.
LONG_NUMBER = re.compile(r"[0-9][0-9.]{15}")


class Shape(BaseModel):
    """A part of a request or an answer.

    Its validator is built when it is first used: a cold start pays for what its request needs, and not for a group.
    """

    model_config = ConfigDict(defer_build=True)


class Request(Shape):
    """A body. Unknown fields are refused: what a caller sends is never silently dropped."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    @classmethod
    def read(cls, text: str) -> Self:
        """The request that the JSON says. InvalidError for a number that would lose digits on the way.

        ValidationError for what does not fit.
        """
        found = cls.model_validate_json(text, strict=True)
        if LONG_NUMBER.search(text):
            json.loads(text, parse_float=exact)
        return found

    def said(self) -> bytes:
        """What the request says, in one spelling, whatever the order of its fields was."""
        return self.model_dump_json().encode()


File = Annotated[multipart.FilePart, WithJsonSchema({"type": "string", "format": "binary", "minLength": 1})]
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


WRITTEN_WHOLE = BeforeValidator(digits)
"""For a whole number in a query. Behind its bounds in `Annotated`: before them, the document would lose them."""


WHOLE = BeforeValidator(integral)
"""For a whole number in a body. Behind its bounds in `Annotated`, as WRITTEN_WHOLE."""


class Documented:
    """Rules that the core checks and words, for the document alone: `Annotated[str, Documented(maxLength=9)]`."""

    def __init__(self, **rules: Any) -> None:
        self.rules = rules

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), **self.rules}


def line(max_length: int, min_length: int = 1) -> Documented:
    """As `fluvial.text.checked_line`. That it shows something is more than a pattern can say of all of Unicode."""
    return Documented(minLength=min_length, maxLength=max_length, pattern=LINE)


def text(max_length: int) -> Documented:
    """As `fluvial.text.checked_text`."""
    return Documented(maxLength=max_length)


def one_of(values: Sequence[str]) -> Documented:
    return Documented(enum=list(values))


LINE = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f]*$"
SLUG = Documented(pattern="^[a-z0-9]+(-[a-z0-9]+)*$", maxLength=slugs.MAX_LENGTH)
EMAIL = Documented(pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s.\x00-\x1f\x7f]+(\.[^@\s.\x00-\x1f\x7f]+)+$", maxLength=254)


@dataclass(frozen=True, slots=True)
class NotNull:
    """For a field of a change that may be left out, and that the core refuses to set to null."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        found = handler(schema)
        kinds = [kind for kind in found.pop("anyOf") if kind != {"type": "null"}]
        return {**found, **kinds[0]} if len(kinds) == 1 else {**found, "anyOf": kinds}


NOT_NULL = NotNull()
A_CHANGE = ConfigDict(json_schema_extra={"minProperties": 1})
"""For a body of which at least one field has to be given."""


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
