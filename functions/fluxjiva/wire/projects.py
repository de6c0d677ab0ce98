"""The shapes of the projects group."""

from __future__ import annotations

from typing import Annotated

from fluvial import analyses, clock, datasets, paging, projects
from fluvial.http.wire import A_CHANGE, LEFT_OUT_IF_NONE, NOT_NULL, Request, Shape, line, text
from fluxjiva.wire.common import ANALYSIS, DATA_SOURCE, PROJECT, Meta

MAX_INCLUDED = 100


Name = Annotated[str, line(projects.MAX_NAME_LENGTH)]
Description = Annotated[str, text(projects.MAX_DESCRIPTION_LENGTH)]
Industry = Annotated[str, line(projects.MAX_INDUSTRY_LENGTH)]


class ProjectCreate(Request):
    name: Name
    description: Description | None = None
    industry: Industry | None = None


class ProjectUpdate(Request):
    model_config = A_CHANGE

    name: Annotated[Name | None, NOT_NULL] = None
    description: Description | None = None
    industry: Industry | None = None

    def to_core(self) -> projects.Change:
        return projects.Change(
            frozenset(self.model_fields_set), name=self.name, description=self.description, industry=self.industry
        )


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
            id=PROJECT.spell(project.id),
            name=project.name,
            description=project.description,
            created_at=clock.iso(project.created),
            updated_at=clock.iso(project.updated),
        )


class ProjectsPage(Shape):
    data: list[ProjectItem]
    meta: Meta


class Project(Shape):
    """A project alone."""

    id: str
    name: str
    description: str | None
    industry: str | None
    created_at: str
    updated_at: str

    @classmethod
    def from_core(cls, project: projects.Project) -> Project:
        return cls(
            id=PROJECT.spell(project.id),
            name=project.name,
            description=project.description,
            industry=project.industry,
            created_at=clock.iso(project.created),
            updated_at=clock.iso(project.updated),
        )


class ProjectAnswer(Shape):
    data: Project

    @classmethod
    def of(cls, project: projects.Project) -> ProjectAnswer:
        return cls(data=Project.from_core(project))


class IncludedDataSource(Shape):
    """A data source in its project. `type` is null until its file was read, unless the caller named it."""

    id: str
    name: str
    type: str | None
    created_at: str

    @classmethod
    def from_core(cls, dataset: datasets.Dataset) -> IncludedDataSource:
        return cls(
            id=DATA_SOURCE.spell(dataset.id),
            name=dataset.title,
            type=dataset.found_format or dataset.format,
            created_at=clock.iso(dataset.created),
        )


class IncludedAnalysis(Shape):
    """An analysis in its project."""

    id: str
    name: str
    status: str
    created_at: str

    @classmethod
    def from_core(cls, analysis: analyses.Analysis) -> IncludedAnalysis:
        return cls(
            id=ANALYSIS.spell(analysis.id),
            name=analysis.name,
            status=analysis.status,
            created_at=clock.iso(analysis.created),
        )


class WholeProject(Project):
    """A project with what is in it."""

    data_sources: list[IncludedDataSource]
    analyses: list[IncludedAnalysis]


class IncludedMeta(Shape):
    """How many there are of what a project includes; the rest is in their lists."""

    data_sources: int
    analyses: int


class WholeProjectAnswer(Shape):
    """`meta` is there only where something was left out."""

    data: WholeProject
    meta: Annotated[IncludedMeta | None, LEFT_OUT_IF_NONE] = None

    @classmethod
    def whole(
        cls,
        project: projects.Project,
        sources: paging.Slice[datasets.Dataset],
        made: paging.Slice[analyses.Analysis],
    ) -> WholeProjectAnswer:
        left_out = sources.total > len(sources.items) or made.total > len(made.items)
        return cls(
            data=WholeProject(
                **dict(Project.from_core(project)),
                data_sources=[IncludedDataSource.from_core(one) for one in sources.items],
                analyses=[IncludedAnalysis.from_core(one) for one in made.items],
            ),
            meta=IncludedMeta(data_sources=sources.total, analyses=made.total) if left_out else None,
        )
