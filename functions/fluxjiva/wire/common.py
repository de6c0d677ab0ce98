"""What all groups share: ids, pages, the answer to a DELETE."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field

from fluvial import paging
from fluvial.errors import MAX_SHOWN, InvalidError
from fluvial.http import Id
from fluvial.http.wire import Shape
from fluxjiva.errors import PREFIXES

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
MAX_OFFSET = 10**9
# Of a list that is asked for whole; a longer one has to be read by page.
MAX_WHOLE = 1_000
SORTS = ("created_at", "name", "updated_at")
ORDERS = ("asc", "desc")

PROJECT = Id("project", PREFIXES["project"])
DATA_SOURCE = Id("dataset", PREFIXES["dataset"])
ANALYSIS = Id("analysis", PREFIXES["analysis"])

ProjectId = Annotated[int, PROJECT]
DataSourceId = Annotated[int, DATA_SOURCE]
AnalysisId = Annotated[int, ANALYSIS]
UploadId = Annotated[int, Id("upload", PREFIXES["upload"])]

Core = TypeVar("Core")


def _between(parameter: str, least: int, most: int) -> Callable[[object], object]:
    """Checks a number of the query and refuses it in the document's own words."""

    def check(given: object) -> object:
        if not isinstance(given, str):
            return given
        if not re.fullmatch(r"-?[0-9]{1,15}", given) or not least <= int(given) <= most:
            reason = f"The parameter '{parameter}' must be a number between {least} and {most}"
            raise InvalidError(parameter, reason, value=given[:MAX_SHOWN], constraint=f"{least}-{most}")
        return given

    return check


def _one_of(parameter: str, allowed: tuple[str, ...]) -> Callable[[object], object]:
    def check(given: object) -> object:
        if given not in allowed:
            listed = ", ".join(allowed)
            reason = f"The parameter '{parameter}' must be one of {listed}"
            raise InvalidError(parameter, reason, value=str(given)[:MAX_SHOWN], constraint=listed)
        return given

    return check


Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT), BeforeValidator(_between("limit", 1, MAX_LIMIT))]
Offset = Annotated[int, Field(ge=0, le=MAX_OFFSET), BeforeValidator(_between("offset", 0, MAX_OFFSET))]


class Meta(Shape):
    """Where in a list."""

    total: int
    limit: int
    offset: int


class PageQuery(Shape):
    """Where in a list."""

    limit: Limit = DEFAULT_LIMIT
    offset: Offset = 0

    def meta(self, found: paging.Slice[Any]) -> Meta:
        return Meta(total=found.total, limit=self.limit, offset=self.offset)


class OrderQuery(Shape):
    """In which order."""

    sort: Annotated[Literal["created_at", "name", "updated_at"], BeforeValidator(_one_of("sort", SORTS))] = "created_at"
    order: Annotated[Literal["asc", "desc"], BeforeValidator(_one_of("order", ORDERS))] = "desc"

    def to_core(self) -> paging.Order:
        return paging.Order(self.sort.removesuffix("_at"), self.order == "desc")


class ListQuery(PageQuery, OrderQuery):
    """Where in a list, and in which order."""


class WholeListQuery(OrderQuery):
    """A list that the document answers whole; `limit` or `offset` ask for a page of it."""

    limit: Limit | None = None
    offset: Offset | None = None

    @property
    def first(self) -> int:
        return self.offset or 0

    @property
    def most(self) -> int:
        # One more than a whole list may have tells that it is too long, whatever the counter says meanwhile.
        return MAX_WHOLE + 1 if self._whole else self.limit or DEFAULT_LIMIT

    @property
    def _whole(self) -> bool:
        return self.limit is None and self.offset is None

    def meta_of(self, found: paging.Slice[Any]) -> Meta | None:
        """None for a whole list. InvalidError for one that is too long to be answered so: it is never cut."""
        if not self._whole:
            return Meta(total=found.total, limit=self.most, offset=self.first)
        if len(found.items) > MAX_WHOLE:
            way = "ask for them by page, with the parameters 'limit' and 'offset'"
            reason = f"The list has more than {MAX_WHOLE} items: {way}"
            raise InvalidError("limit", reason, constraint=f"1-{MAX_LIMIT}")
        return None


class DeletedThing(Shape):
    id: str
    deleted: Literal[True] = True


class Deleted(Shape):
    """The answer to a DELETE."""

    data: DeletedThing

    @classmethod
    def of(cls, kind: Id, number: int) -> Deleted:
        return cls(data=DeletedThing(id=kind.spell(number)))
