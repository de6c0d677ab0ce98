"""The shapes of the data sources group."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from fluvial import blobs, clock, datasets, ids
from fluvial.http.wire import LEFT_OUT_IF_NONE, WHOLE, File, FormRequest, Request, Shape, line, one_of
from fluxjiva.wire.common import DATA_SOURCE, PROJECT, Meta

Name = Annotated[str, line(datasets.MAX_NAME_LENGTH)]
Format = Annotated[str, one_of(datasets.FORMATS)]


class UploadForm(FormRequest):
    file: File
    name: Name | None = None
    type: Format | None = None


class UploadOpen(Request):
    filename: Annotated[str, line(datasets.MAX_FILENAME_LENGTH)]
    size: Annotated[int, Field(ge=1), WHOLE]
    name: Name | None = None
    type: Format | None = None


class Rename(Request):
    name: Name


class DataSource(Shape):
    """A data source. `rows` and `columns` are null until its file was read, and `type`, unless the caller named it."""

    id: str
    name: str
    type: str | None
    rows: int | None
    columns: int | None
    created_at: str
    updated_at: str

    @classmethod
    def from_core(cls, dataset: datasets.Dataset) -> DataSource:
        return cls(**_fields(dataset))


class DataSourceList(Shape):
    """`meta` is there where a page was asked for."""

    data: list[DataSource]
    meta: Annotated[Meta | None, LEFT_OUT_IF_NONE] = None


class DataSourceAnswer(Shape):
    data: DataSource

    @classmethod
    def of(cls, dataset: datasets.Dataset) -> DataSourceAnswer:
        return cls(data=DataSource.from_core(dataset))


class Column(Shape):
    """A column: its type, and why it is not another."""

    name: str
    type: str
    reason: str
    nulls: int
    min: str | None
    max: str | None

    @classmethod
    def of(cls, column: dict[str, Any]) -> Column:
        return cls(**{name: column[name] for name in cls.model_fields})


class WholeDataSource(DataSource):
    """A data source alone: how far it is, and what its file holds."""

    project_id: str
    status: str
    filename: str
    size: int
    rejected_rows: int | None
    column_types: list[Column] | None
    error: str | None


class WholeDataSourceAnswer(Shape):
    data: WholeDataSource

    @classmethod
    def whole(cls, dataset: datasets.Dataset, manifest: dict[str, Any] | None) -> WholeDataSourceAnswer:
        source = WholeDataSource(
            **_fields(dataset),
            project_id=PROJECT.spell(dataset.project),
            status=dataset.status,
            filename=dataset.filename,
            size=dataset.size,
            rejected_rows=dataset.rejected,
            column_types=[Column.of(column) for column in manifest["columns"]] if manifest else None,
            error=dataset.failure,
        )
        return cls(data=source)


class UploadTarget(Shape):
    """Where and how to send the file: multipart/form-data, the fields first, then `file`."""

    method: Literal["POST"] = "POST"
    url: str
    fields: dict[str, str]
    expires_at: str


class Upload(Shape):
    """An open upload; it becomes the data source with `data_source_id` when it is completed."""

    id: str
    data_source_id: str
    upload: UploadTarget
    created_at: str


class UploadAnswer(Shape):
    data: Upload

    @classmethod
    def of(cls, upload: datasets.Upload, form: blobs.PostForm | None) -> UploadAnswer:
        if form is None:
            raise TypeError("this API opens no uploads in parts")
        return cls(
            data=Upload(
                id=ids.spell(ids.UPLOAD, upload.id),
                data_source_id=DATA_SOURCE.spell(upload.id),
                upload=UploadTarget(url=form.url, fields=form.fields, expires_at=clock.iso(upload.expires)),
                created_at=clock.iso(upload.created),
            )
        )


def _fields(dataset: datasets.Dataset) -> dict[str, Any]:
    return {
        "id": DATA_SOURCE.spell(dataset.id),
        "name": dataset.title,
        "type": dataset.found_format or dataset.format,
        "rows": dataset.rows,
        "columns": dataset.columns,
        "created_at": clock.iso(dataset.created),
        "updated_at": clock.iso(dataset.updated),
    }
