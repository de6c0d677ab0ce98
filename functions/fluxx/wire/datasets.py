"""Shapes of datasets that are made of records."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import WithJsonSchema

from fluvial.datasets import Dataset
from fluvial.http import params
from fluvial.http.wire import Request, Shape
from fluxx.wire.records import Word, text, whole_id

MAX_NAME_LENGTH = 200


class DatasetCreate(Request):
    """Which records, into which project."""

    project_id: Annotated[
        Any,
        WithJsonSchema({"anyOf": [{"type": "string", "pattern": "^[0-9]{1,16}$"}, {"type": "integer", "minimum": 0}]}),
    ] = None
    name: Word = None
    filter: Annotated[Any, WithJsonSchema({"description": "JSON: as that of lists"})] = None

    @property
    def project(self) -> int:
        return whole_id("project_id", self.project_id)

    @property
    def title(self) -> str | None:
        return text("name", self.name, MAX_NAME_LENGTH) or None

    @property
    def condition(self) -> Any:
        """The filter as JSON values."""
        return params.json_value("filter", self.filter)


class DatasetItem(Shape):
    """A data source that is being made."""

    id: int
    name: str
    project_id: int
    status: str


class DatasetAnswer(Shape):
    """What is told of it at once; `GET /api/rest/v2/data_source/{id}` tells the rest."""

    data_source: DatasetItem

    @classmethod
    def of(cls, made: Dataset) -> DatasetAnswer:
        return cls(data_source=DatasetItem(id=made.id, name=made.title, project_id=made.project, status=made.status))
