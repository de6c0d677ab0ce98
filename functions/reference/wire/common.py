"""What all groups share: ids, pages, the answer to a DELETE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlencode

from pydantic import Field

from fluvial import paging
from fluvial.http import App, Id
from fluvial.http.wire import WHOLE, WRITTEN_WHOLE, Documented, Shape
from reference.errors import PREFIXES

BASE_PATH = "/v1"
DEFAULT_PER_PAGE = 20
MAX_PER_PAGE = 100

Core = TypeVar("Core")
AnyPage = TypeVar("AnyPage", bound="Page")

DATA = Id("dataset", PREFIXES["dataset"])
ENDPOINT = Id("endpoint", PREFIXES["endpoint"])
KEY = Id("key", PREFIXES["key"])
PROJECT = Id("project", PREFIXES["project"])
UPLOAD = Id("upload", PREFIXES["upload"])
USER = Id("user", PREFIXES["user"])

DataId = Annotated[int, DATA]
ExportId = Annotated[int, Id("export", PREFIXES["export"])]
ComparisonId = Annotated[int, Id("comparison", PREFIXES["comparison"])]
EndpointId = Annotated[int, ENDPOINT]
JobId = Annotated[int, Id("job", PREFIXES["job"])]
KeyId = Annotated[int, KEY]
ProjectId = Annotated[int, PROJECT]
UploadId = Annotated[int, UPLOAD]
UserId = Annotated[int, USER]

# Numbers of versions in bodies and queries; what no version can have is refused, others are looked for.
MAX_VERSION = 10**15 - 1
VersionInBody = Annotated[int, Field(ge=1, le=MAX_VERSION, examples=[1]), WHOLE]
VersionInQuery = Annotated[int, Field(ge=1, le=MAX_VERSION), WRITTEN_WHOLE]

# Ids in bodies, as text until the core is asked: an absent thing and a text that is no id are answered alike.
UploadIdText = Annotated[str, Documented(pattern=UPLOAD.pattern)]
ProjectIdText = Annotated[str, Documented(pattern=PROJECT.pattern)]
UserIdText = Annotated[str, Documented(pattern=USER.pattern)]


class PageQuery(Shape):
    """Where in a list."""

    page: Annotated[int, Field(ge=1, le=10**9), WRITTEN_WHOLE] = 1
    per_page: Annotated[int, Field(ge=1, le=MAX_PER_PAGE), WRITTEN_WHOLE] = DEFAULT_PER_PAGE

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.per_page


class ListQuery(PageQuery):
    """Where in a list, and in which order."""

    sort: Literal["created_at", "updated_at", "name"] = "created_at"
    order: Literal["asc", "desc"] = "desc"

    def to_core(self) -> paging.Order:
        return paging.Order(self.sort.removesuffix("_at"), self.order == "desc")


class Pagination(Shape):
    total: int
    page: int
    per_page: int
    total_pages: int


class Links(Shape):
    next: str | None
    prev: str | None


class Page(Shape):
    """A page of a list, as every list of this API answers."""

    data: list[Any]
    pagination: Pagination
    links: Links

    @classmethod
    def of(
        cls: type[AnyPage],
        slice_: paging.Slice[Core],
        query: PageQuery,
        from_core: Callable[[Core], Any],
        app: App,
        path: str,
        **more: Any,
    ) -> AnyPage:
        """The page with links that keep what was asked; `path` is below the base path."""
        pages = paging.total_pages(slice_.total, query.per_page)
        kept = {name: value for name, value in app.asked.items() if name in type(query).model_fields}
        return cls(
            data=[from_core(item) for item in slice_.items],
            pagination=Pagination(total=slice_.total, page=query.page, per_page=query.per_page, total_pages=pages),
            links=Links(
                next=_link(path, kept, query.page + 1) if query.page < pages else None,
                prev=_link(path, kept, min(query.page - 1, max(pages, 1))) if query.page > 1 else None,
            ),
            **more,
        )


class Done(Shape):
    """The answer to a DELETE."""

    success: Literal[True] = True
    message: str


def _link(path: str, kept: Mapping[str, str], page: int) -> str:
    return f"{BASE_PATH}{path}?{urlencode({**kept, 'page': page})}"
