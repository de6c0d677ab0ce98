"""The shapes of the pages group."""

from __future__ import annotations

from typing import Annotated, Literal

from codefluss.wire.common import PAGE, PROJECT, Answer, Flag, ListAnswer, ListQuery, Order, PageIdText, Request, Shape
from fluvial import clock, pages
from fluvial.http.wire import A_CHANGE, NOT_NULL, SLUG, Documented, line, one_of, text
from fluvial.http.wire import Shape as AnyShape

ROOT = "root"


class PagesQuery(ListQuery):
    """All pages in the order of the tree, or only those below a page; `root` for those at the top."""

    parentId: Annotated[str, Documented(pattern=f"^{ROOT}$|{PAGE.pattern}")] | None = None

    def parent(self) -> int | Literal["any"] | None:
        if self.parentId is None:
            return "any"
        return None if self.parentId == ROOT else PAGE.parse(self.parentId, field="parent_id")


class DeleteQuery(AnyShape):
    recursive: Flag = False


class Seo(Shape):
    title: str | None = None
    description: str | None = None


Title = Annotated[str, line(pages.MAX_TITLE_LENGTH)]
Slug = Annotated[str, SLUG]
Status = Annotated[str, one_of(pages.STATUSES)]


class SeoGiven(Request):
    title: Title | None = None
    description: Annotated[str, text(pages.MAX_SEO_DESCRIPTION_LENGTH)] | None = None

    def to_core(self) -> pages.Seo:
        return pages.Seo(self.title, self.description)


class PageCreate(Request):
    title: Title
    slug: Slug | None = None
    parent_id: PageIdText | None = None
    order: Order | None = None
    status: Status = pages.DRAFT
    seo: SeoGiven | None = None

    def parent(self) -> int | None:
        return None if self.parent_id is None else PAGE.parse(self.parent_id, field="parent_id")


class PageUpdate(Request):
    model_config = A_CHANGE

    title: Annotated[Title | None, NOT_NULL] = None
    slug: Annotated[Slug | None, NOT_NULL] = None
    parent_id: PageIdText | None = None
    order: Annotated[Order | None, NOT_NULL] = None
    status: Annotated[Status | None, NOT_NULL] = None
    seo: SeoGiven | None = None

    def to_core(self) -> pages.Change:
        return pages.Change(
            frozenset(self.model_fields_set),
            title=self.title,
            slug=self.slug,
            parent_id=None if self.parent_id is None else PAGE.parse(self.parent_id, field="parent_id"),
            order=self.order,
            status=self.status,
            seo=pages.Seo() if self.seo is None else self.seo.to_core(),
        )


class PageMove(Request):
    """To another parent (null: to the top), last there unless `order` says where."""

    parent_id: PageIdText | None
    order: Order | None = None

    def to_core(self) -> pages.Change:
        given = {"parent_id"} if self.order is None else {"parent_id", "order"}
        parent_id = None if self.parent_id is None else PAGE.parse(self.parent_id, field="parent_id")
        return pages.Change(frozenset(given), parent_id=parent_id, order=self.order)


class Page(Shape):
    """A page. `order` is its position below its parent, `path` the slugs down to it."""

    id: str
    project_id: str
    title: str
    slug: str
    path: str
    parent_id: str | None
    status: str
    seo: Seo
    order: int
    created_at: str
    updated_at: str

    @classmethod
    def from_core(cls, page: pages.Page) -> Page:
        return cls(
            id=PAGE.spell(page.id),
            project_id=PROJECT.spell(page.project),
            title=page.title,
            slug=page.slug,
            path=page.path,
            parent_id=None if page.parent is None else PAGE.spell(page.parent),
            status=page.status,
            seo=Seo(title=page.seo.title, description=page.seo.description),
            order=page.order,
            created_at=clock.iso(page.created),
            updated_at=clock.iso(page.updated),
        )


class PageAnswer(Answer):
    data: Page


class PageList(ListAnswer):
    data: list[Page]
