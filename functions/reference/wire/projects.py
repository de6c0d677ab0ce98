"""The shapes of the projects group."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from fluvial import clock, ids, projects
from fluvial.http.wire import Request
from reference.wire.common import Page


class ProjectCreate(Request):
    name: str
    description: str | None = None
    settings: dict[str, Any] | None = None


class ProjectUpdate(Request):
    name: str | None = None
    description: str | None = None
    settings: dict[str, Any] | None = None

    def to_core(self) -> projects.Change:
        return projects.Change(frozenset(self.model_fields_set), self.name, self.description, self.settings)


class ProjectItem(BaseModel):
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


class Project(BaseModel):
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
