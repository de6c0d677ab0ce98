"""The shapes of the projects group."""

from __future__ import annotations

from typing import Annotated, Any

from fluvial import clock, ids, projects
from fluvial.http.wire import A_CHANGE, NOT_NULL, Documented, Request, Shape, line, text
from reference.wire.common import Page

Name = Annotated[str, line(projects.MAX_NAME_LENGTH)]
Description = Annotated[str, text(projects.MAX_DESCRIPTION_LENGTH)]
Settings = Annotated[dict[str, Any], Documented(properties={"visibility": {"enum": list(projects.VISIBILITIES)}})]


class ProjectCreate(Request):
    name: Name
    description: Description | None = None
    settings: Settings | None = None


class ProjectUpdate(Request):
    model_config = A_CHANGE

    name: Annotated[Name | None, NOT_NULL] = None
    description: Description | None = None
    settings: Settings | None = None

    def to_core(self) -> projects.Change:
        return projects.Change(frozenset(self.model_fields_set), self.name, self.description, self.settings)


class ProjectItem(Shape):
    """A project in a list."""

    id: str
    name: str
    description: str | None
    created_at: str
    updated_at: str

    @classmethod
    def from_core(cls, project: projects.Project) -> ProjectItem:
        return cls(
            id=ids.spell(ids.PROJECT, project.id),
            name=project.name,
            description=project.description,
            created_at=clock.iso(project.created),
            updated_at=clock.iso(project.updated),
        )


class ProjectsPage(Page):
    data: list[ProjectItem]


class Project(Shape):
    """A project alone."""

    id: str
    name: str
    description: str | None
    settings: dict[str, Any]
    created_at: str
    updated_at: str

    @classmethod
    def from_core(cls, project: projects.Project) -> Project:
        return cls(
            id=ids.spell(ids.PROJECT, project.id),
            name=project.name,
            description=project.description,
            settings=project.settings,
            created_at=clock.iso(project.created),
            updated_at=clock.iso(project.updated),
        )
