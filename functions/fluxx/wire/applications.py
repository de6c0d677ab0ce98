"""The shapes of the applications group."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from fluvial import applications, clock, keys, paging
from fluvial.http import Number
from fluvial.http.wire import WHOLE, WRITTEN_WHOLE, Documented, Request, Shape, line, one_of

DEFAULT_PER_PAGE = 25
MAX_PER_PAGE = 500


class BareId(Number):
    """An id as it is: a number of at most 53 bits."""

    @property
    def pattern(self) -> str:
        return "^[1-9][0-9]{0,15}$"


ApplicationId = Annotated[int, BareId("application")]


class ListQuery(Shape):
    page: Annotated[int, Field(ge=1, le=10**9), WRITTEN_WHOLE] = 1
    per_page: Annotated[int, Field(ge=1, le=MAX_PER_PAGE), WRITTEN_WHOLE] = DEFAULT_PER_PAGE

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.per_page


class ApplicationCreate(Request):
    name: Annotated[str, line(applications.MAX_NAME_LENGTH)]
    scopes: Annotated[list[Annotated[str, one_of(keys.SCOPES)]], Documented(minItems=1)] | None = None


class SecretRoll(Request):
    grace_seconds: Annotated[int, Field(ge=0, le=applications.MAX_GRACE_SECONDS), WHOLE] = (
        applications.DEFAULT_GRACE_SECONDS
    )


class Application(Shape):
    id: int
    name: str
    client_id: str
    scopes: list[str]
    hint: str
    created_at: str
    created_by_id: int
    rolled_at: str | None
    old_secret_expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class NewApplication(Application):
    """The answer to the creation of an application, or the rolling of its secret: the only one that has the secret."""

    client_secret: str


class ApplicationAnswer(Shape):
    application: Application

    @classmethod
    def of(cls, application: applications.Application) -> ApplicationAnswer:
        return cls(application=Application(**_fields(application)))


class NewApplicationAnswer(Shape):
    application: NewApplication

    @classmethod
    def shown_once(cls, application: applications.Application, secret: str) -> NewApplicationAnswer:
        return cls(application=NewApplication(**_fields(application), client_secret=secret))


class Applications(Shape):
    application: list[Application]


class ApplicationsPage(Shape):
    """A page, in the form of this API's lists."""

    records: Applications
    total_pages: int
    total_entries: int
    current_page: int
    per_page: int

    @classmethod
    def of(cls, found: paging.Slice[applications.Application], query: ListQuery) -> ApplicationsPage:
        return cls(
            records=Applications(application=[Application(**_fields(each)) for each in found.items]),
            total_pages=max(paging.total_pages(found.total, query.per_page), 1),
            total_entries=found.total,
            current_page=query.page,
            per_page=query.per_page,
        )


def _fields(application: applications.Application) -> dict[str, Any]:
    return {
        "id": application.id,
        "name": application.name,
        "client_id": application.client_id,
        "scopes": list(application.scopes),
        "hint": application.hint,
        "created_at": clock.iso(application.created),
        "created_by_id": application.user,
        "rolled_at": _time(application.rolled),
        "old_secret_expires_at": _time(application.old_ends),
        "revoked_at": _time(application.revoked),
        "last_used_at": _time(application.last_used),
    }


def _time(moment: int | None) -> str | None:
    return None if moment is None else clock.iso(moment)
