"""Routes: one operation of an API each, as data that both serves and documents it.

A route's function says by its signature what it takes and answers:

    caller      who calls; the key must have the route's scope
    query       a model of the query parameters
    body        a model of the JSON body
    form        a model of the multipart/form-data body
    params      a model of what query and body say together, whatever the body's spelling (`http.params`)
    expected    the revision that `If-Match` names, None without it
    any other   the path parameter of this name; an `Id` or a `Number` in its type reads it
    returns     `Response` of the model of the answer, or of `str` where the function makes the text itself
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args, get_type_hints

from fluvial import ids
from fluvial.errors import NotFoundError

NOT_IN_THE_PATH = ("caller", "query", "body", "form", "params", "expected", "return")


@dataclass(frozen=True, slots=True)
class Id:
    """How an API spells the ids of a kind of thing."""

    kind: str
    prefix: str

    @property
    def pattern(self) -> str:
        return f"^{self.prefix}_[{ids.ALPHABET}]{{{ids.SPELLING_LENGTH}}}$"

    def spell(self, number: int) -> str:
        return ids.spell(self.prefix, number)

    def parse(self, text: str, *, field: str | None = None) -> int:
        """The id that the text spells; a text that spells none is answered like an absent id."""
        number = ids.parse(self.prefix, text)
        if number is None:
            raise NotFoundError(self.kind, text, field=field)
        return number


@dataclass(frozen=True, slots=True)
class Uuid(Id):
    """How an API spells them that has UUIDs."""

    @property
    def pattern(self) -> str:
        return f"^{ids.UUID_PATTERN}$"

    def spell(self, number: int) -> str:
        return ids.uuid(self.prefix, number)

    def parse(self, text: str, *, field: str | None = None) -> int:
        """The id that the text spells; a text that spells none is answered like an absent id."""
        number = ids.of_uuid(self.prefix, text)
        if number is None:
            raise NotFoundError(self.kind, text, field=field)
        return number


@dataclass(frozen=True, slots=True)
class Number:
    """A number that stands for a thing in a path, such as that of a version."""

    kind: str

    @property
    def pattern(self) -> str:
        return "^[1-9][0-9]{0,14}$"

    def parse(self, text: str) -> int:
        """The number; a text that is none is answered like the number of an absent thing."""
        if not re.fullmatch(self.pattern, text):
            raise NotFoundError(self.kind, text)
        return int(text)


@dataclass(frozen=True)
class Route:
    """`path` as API Gateway writes it, below the base path; `scope` is None where no key is needed.

    `status` is that of a success, `also` are others that are no error (302, and 304 where the answer has an ETag), or
    an error that is told in the form of the answer, such as a page.
    `limit` is the class of routes that it is counted with (`limits.POLICIES`).
    """

    method: str
    path: str
    scope: str | None
    status: int
    also: tuple[int, ...]
    limit: str
    serve: Callable[..., Any]

    @cached_property
    def types(self) -> dict[str, Any]:
        """The types of the function's parameters and of its return; read when first wanted, not at a cold start."""
        return get_type_hints(self.serve, include_extras=True)

    @property
    def answer(self) -> Any:
        """The model of the answer, or str."""
        (answer,) = get_args(self.types["return"])
        return answer

    def path_value(self, name: str, text: str) -> Any:
        """What a path parameter stands for."""
        for note in getattr(self.types[name], "__metadata__", ()):
            if isinstance(note, Id | Number):
                return note.parse(text)
        return text
