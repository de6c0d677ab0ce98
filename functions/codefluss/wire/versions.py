"""The shapes of the versions group."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from codefluss.wire.common import PROJECT, Answer, ListAnswer, Request, Shape
from fluvial import clock, ids, sites
from fluvial.http import Number
from fluvial.http.wire import WRITTEN_WHOLE, text
from fluvial.http.wire import Shape as AnyShape
from fluvial.snapshots import Comparison

VersionNumber = Annotated[int, Number("version")]


class Publish(Request):
    note: Annotated[str, text(sites.MAX_NOTE_LENGTH)] | None = None


class CompareQuery(AnyShape):
    to: Annotated[int, Field(ge=1, le=ids.MAX_ID), WRITTEN_WHOLE]


class Version(Shape):
    """A version of a project's site. `status` is publishing, ready or failed; `sha256` is of its content."""

    project_id: str
    version: int
    status: str
    note: str | None
    pages: int | None
    sha256: str | None
    error: str | None
    created_by: str
    created_at: str

    @classmethod
    def from_core(cls, version: sites.Version) -> Version:
        return cls(
            project_id=PROJECT.spell(version.project),
            version=version.number,
            status=version.status,
            note=version.note,
            pages=version.pages,
            sha256=version.sha256,
            error=version.failure,
            created_by=ids.spell(ids.USER, version.by),
            created_at=clock.iso(version.created),
        )


class VersionAnswer(Answer):
    data: Version


class VersionList(ListAnswer):
    data: list[Version]


class ComparedPage(Shape):
    """A page as it is in one of two versions."""

    id: str
    path: str
    title: str

    @classmethod
    def of(cls, page: dict[str, Any]) -> ComparedPage:
        return cls(id=page["id"], path=page["path"], title=page["title"])


class ChangedPage(ComparedPage):
    """A page that is in both versions: the paths of what differs, by section for what is in one."""

    fields_changed: list[str]
    sections_added: list[str]
    sections_removed: list[str]
    sections_moved: list[str]
    sections_changed: dict[str, list[str]]


class VersionComparison(Shape):
    """How version `to` differs from version `from`."""

    from_: Annotated[int, Field(alias="from")]
    to: int
    added: list[ComparedPage]
    removed: list[ComparedPage]
    changed: list[ChangedPage]

    @classmethod
    def from_core(cls, before: int, after: int, found: Comparison) -> VersionComparison:
        return cls(
            from_=before,
            to=after,
            added=[ComparedPage.of(page) for page in found.added],
            removed=[ComparedPage.of(page) for page in found.removed],
            changed=[
                ChangedPage(
                    id=page.id,
                    path=page.path,
                    title=page.title,
                    fields_changed=page.fields,
                    sections_added=page.sections_added,
                    sections_removed=page.sections_removed,
                    sections_moved=page.sections_moved,
                    sections_changed=page.sections_changed,
                )
                for page in found.changed
            ],
        )


class ComparisonAnswer(Answer):
    data: VersionComparison


class Preview(Shape):
    """A link that opens the version in a browser, without a key."""

    url: str
    expires_at: str


class PreviewAnswer(Answer):
    data: Preview
