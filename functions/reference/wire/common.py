"""What all groups share: request bodies, ids, pages, the answer to a DELETE."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticKnownError

from fluvial import clock, ids, paging
from fluvial.errors import MAX_SHOWN, InvalidError, NotFoundError
from reference.errors import PREFIXES

BASE_PATH = "/v1"
DEFAULT_PER_PAGE = 20
MAX_PER_PAGE = 100

Core = TypeVar("Core")


class Request(BaseModel):
    """A body. Unknown fields are refused: what a caller sends is never silently dropped."""

    model_config = ConfigDict(extra="forbid")

    def said(self) -> bytes:
        """What the request says, in one spelling, whatever the order of its fields was."""
        return self.model_dump_json().encode()


def parse_id(kind: str, text: str, *, field: str | None = None) -> int:
    """The id that the text spells; a text that spells none is answered like an absent id."""
    number = ids.parse(PREFIXES[kind], text)
    if number is None:
        raise NotFoundError(kind, text, field=field)
    return number


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


# ---------------------------------------------------------------- pages


def digits(text: str) -> str:
    """Only what a whole number is written with: Python would also read `1_0`, ` 1 ` and `1.0`."""
    if not re.fullmatch(r"-?[0-9]+", text):
        raise PydanticKnownError("int_parsing")
    return text


class PageQuery(BaseModel):
    """Where in a list."""

    page: Annotated[int, BeforeValidator(digits), Field(ge=1, le=10**9)] = 1
    per_page: Annotated[int, BeforeValidator(digits), Field(ge=1, le=MAX_PER_PAGE)] = DEFAULT_PER_PAGE

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.per_page


class ListQuery(PageQuery):
    """Where in a list, and in which order."""

    sort: Literal["created_at", "updated_at", "name"] = "created_at"
    order: Literal["asc", "desc"] = "desc"

    def to_core(self) -> paging.Order:
        return paging.Order(self.sort.removesuffix("_at"), self.order == "desc")


class Pagination(BaseModel):
    total: int
    page: int
    per_page: int
    total_pages: int


class Links(BaseModel):
    next: str | None
    prev: str | None


class Page(BaseModel):
    """A page of a list, as every list of this API answers."""

    data: list[Any]
    pagination: Pagination
    links: Links


def page_of(
    slice_: paging.Slice[Core],
    query: PageQuery,
    from_core: Callable[[Core], Any],
    *,
    path: str,
    asked: Mapping[str, str] | None,
) -> Page:
    """The page with links that keep what was asked. `path` is below the base path, `asked` the query as it came."""
    pages = paging.total_pages(slice_.total, query.per_page)

    def link(page: int) -> str:
        kept = {name: value for name, value in (asked or {}).items() if name in type(query).model_fields}
        return f"{BASE_PATH}{path}?{urlencode({**kept, 'page': page})}"

    return Page(
        data=[from_core(item) for item in slice_.items],
        pagination=Pagination(total=slice_.total, page=query.page, per_page=query.per_page, total_pages=pages),
        links=Links(
            next=link(query.page + 1) if query.page < pages else None,
            prev=link(min(query.page - 1, max(pages, 1))) if query.page > 1 else None,
        ),
    )


class Done(BaseModel):
    """The answer to a DELETE."""

    success: Literal[True] = True
    message: str
