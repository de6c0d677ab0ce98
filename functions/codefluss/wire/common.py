"""What all groups share: camel case, ids, cursors, the envelope, the answer to a DELETE."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from codefluss.errors import PREFIXES
from fluvial import clock, ids
from fluvial.errors import MAX_SHOWN, InvalidError
from fluvial.http import App, Id
from fluvial.http.wire import LEFT_OUT_IF_NONE, WHOLE, WRITTEN_WHOLE, Documented
from fluvial.http.wire import Request as AnyRequest
from fluvial.http.wire import Shape as AnyShape
from fluvial.paging import Listed

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
CURSOR = "cursor_"
# Eight bytes in base64, of a number of 53 bits.
CURSOR_PATTERN = f"^{CURSOR}A[AB][A-Za-z0-9_-]{{8}}[AEIMQUYcgkosw048]$"

PROJECT = Id("project", PREFIXES["project"])
PAGE = Id("page", PREFIXES["page"])
SECTION = Id("section", PREFIXES["section"])

ProjectId = Annotated[int, PROJECT]
PageId = Annotated[int, PAGE]
SectionId = Annotated[int, SECTION]

# Ids in bodies and queries, as text until the core is asked: what is no id is answered as an absent one.
PageIdText = Annotated[str, Documented(pattern=PAGE.pattern)]
SectionIdText = Annotated[str, Documented(pattern=SECTION.pattern)]

Order = Annotated[int, Documented(minimum=0), WHOLE]

Core = TypeVar("Core")
AnyAnswer = TypeVar("AnyAnswer", bound="Answer")
AnyList = TypeVar("AnyList", bound="ListAnswer")

IN_CAMEL_CASE = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)


class Shape(AnyShape):
    """A part of an answer."""

    model_config = IN_CAMEL_CASE


class Request(AnyRequest):
    """A body."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _in_camel_case_only(cls, given: Any) -> Any:
        # pydantic 2.13, reading JSON, drops a field that comes under its Python name, where it should refuse it.
        for name in given if isinstance(given, dict) else ():
            if name in cls.model_fields and (alias := cls.model_fields[name].alias) != name:
                raise InvalidError(alias, f"Names are in camel case: send '{alias}'.", value=name)
        return given


class Meta(Shape):
    request_id: str
    timestamp: str


class Answer(Shape):
    """The envelope of every answer."""

    success: Literal[True] = True
    data: Any
    meta: Meta

    @classmethod
    def of(cls: type[AnyAnswer], data: Any, app: App) -> AnyAnswer:
        return cls(data=data, meta=_meta(app.request_id))


class Pagination(Shape):
    """`nextCursor` is there where `hasMore` is true."""

    has_more: bool
    next_cursor: Annotated[str | None, LEFT_OUT_IF_NONE] = None
    total: int


class ListAnswer(Answer):
    """The envelope of a list."""

    pagination: Pagination

    @classmethod
    def listed(
        cls: type[AnyList],
        found: Listed[Core],
        from_core: Callable[[Core], Any],
        position: Callable[[Core], int],
        app: App,
    ) -> AnyList:
        """`position` is what the list is read on from: a number of its last item."""
        cursor = spell_cursor(position(found.items[-1])) if found.has_more else None
        return cls(
            data=[from_core(item) for item in found.items],
            pagination=Pagination(has_more=found.has_more, next_cursor=cursor, total=found.total),
            meta=_meta(app.request_id),
        )


class Gone(Shape):
    id: str
    deleted: Literal[True] = True


class Deleted(Answer):
    """The answer to a DELETE."""

    data: Gone


class ListQuery(AnyShape):
    """Where in a list."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT), WRITTEN_WHOLE] = DEFAULT_LIMIT
    cursor: Annotated[str, Documented(pattern=CURSOR_PATTERN)] | None = None

    @property
    def after(self) -> int | None:
        return None if self.cursor is None else parse_cursor(self.cursor)


def spell_cursor(position: int) -> str:
    return CURSOR + base64.urlsafe_b64encode(position.to_bytes(8)).decode().rstrip("=")


def parse_cursor(cursor: str) -> int:
    """The position that the cursor spells; InvalidError for a text that no list has answered."""
    try:
        position = int.from_bytes(base64.b64decode(cursor.removeprefix(CURSOR) + "=", b"-_", validate=True))
    except (binascii.Error, ValueError):
        position = -1
    if not 0 <= position <= ids.MAX_ID or spell_cursor(position) != cursor:
        reason = "Send a cursor as it was answered, as 'nextCursor'."
        raise InvalidError("cursor", reason, value=cursor[:MAX_SHOWN], constraint="a cursor of this list")
    return position


def _true_or_false(text: Any) -> Any:
    """Only the two words: Python would also read `1`, `on` and `yes`."""
    return {"true": True, "false": False}.get(text, text) if isinstance(text, str) else text


Flag = Annotated[bool, BeforeValidator(_true_or_false), Field(strict=True)]


@lru_cache(maxsize=1)
def _meta(request_id: str) -> Meta:
    """The same for a request however often it is asked: what is kept for a retry is what was answered."""
    return Meta(request_id=request_id, timestamp=clock.iso(clock.now()))
