"""The shapes of the projects group."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from codefluss.wire.common import PROJECT, Answer, ListAnswer, Request, Shape
from fluvial import clock, projects
from fluvial.errors import InvalidError
from fluvial.http.wire import A_CHANGE, NOT_NULL, SLUG, line, text

MIN_NAME_LENGTH = 3


def _long_enough(name: object) -> object:
    """This API's own rule, in its document's words; the core takes shorter names."""
    if isinstance(name, str) and len(name.strip()) < MIN_NAME_LENGTH:
        raise InvalidError("name", f"Name must be at least {MIN_NAME_LENGTH} characters", value=name)
    return name


Name = Annotated[str, line(projects.MAX_NAME_LENGTH, MIN_NAME_LENGTH), BeforeValidator(_long_enough)]


Description = Annotated[str, text(projects.MAX_DESCRIPTION_LENGTH)]
Slug = Annotated[str, SLUG]


class ProjectCreate(Request):
    name: Name
    slug: Slug | None = None
    description: Description | None = None


class ProjectUpdate(Request):
    model_config = A_CHANGE

    name: Annotated[Name | None, NOT_NULL] = None
    slug: Annotated[Slug | None, NOT_NULL] = None
    description: Description | None = None

    def to_core(self) -> projects.Change:
        return projects.Change(
            frozenset(self.model_fields_set), name=self.name, slug=self.slug, description=self.description
        )


class ProjectItem(Shape):
    """A project in a list. `status` is published once a version of its site is live."""

    id: str
    name: str
    slug: str
    status: str
    created_at: str
    updated_at: str

    @classmethod
    def from_core(cls, project: projects.Project) -> ProjectItem:
        return cls(
            id=PROJECT.spell(project.id),
            name=project.name,
            slug=project.slug,
            status=project.status,
            created_at=clock.iso(project.created),
            updated_at=clock.iso(project.updated),
        )


class Project(ProjectItem):
    """A project alone. `publishedVersion` is the one that is live."""

    description: str | None
    published_version: int | None

    @classmethod
    def from_core(cls, project: projects.Project) -> Project:
        return cls(
            **dict(ProjectItem.from_core(project)),
            description=project.description,
            published_version=project.published,
        )


class ProjectAnswer(Answer):
    data: Project


class ProjectList(ListAnswer):
    data: list[ProjectItem]
