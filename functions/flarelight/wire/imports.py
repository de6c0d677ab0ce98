"""The shapes of the imports group."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, WithJsonSchema

from flarelight.wire import records
from flarelight.wire.common import (
    IMPORT,
    JOB,
    PROJECT,
    Answer,
    IdText,
    Message,
    Request,
    Shape,
)
from fluvial import clock, datasets, imports, named_imports
from fluvial.errors import InvalidError
from fluvial.http.wire import A_CHANGE, NOT_NULL, WRITTEN_WHOLE, File, FormRequest, line, one_of, text
from fluvial.http.wire import Shape as AnyShape
from fluvial.paging import Scanned

DEFAULT_ROWS = 100
MAX_ROWS = 1_000
MAX_START = 10**15

Name = Annotated[str, line(datasets.MAX_NAME_LENGTH)]
Description = Annotated[str, text(datasets.MAX_DESCRIPTION_LENGTH)]
Mode = Annotated[str, one_of(named_imports.MODES)]
Drift = Annotated[str, one_of(imports.DRIFTS)]
Type = Annotated[str, one_of(datasets.FORMATS)]

RECORDS = {"type": "array", "items": {"type": "object"}, "minItems": 1}
DATA = {
    "anyOf": [
        {"type": "object", "properties": {"records": RECORDS}, "required": ["records"], "additionalProperties": False},
        RECORDS,
    ]
}


class ImportData(Request):
    """Records for an import: a new one, or the one with this `id` or `name`.

    `mode` is append (default), replace or upsert, which goes by the columns `key`. `sendEvents` false: neither webhooks
    nor automations are told of it.
    """

    data: Annotated[str, WithJsonSchema(DATA)]
    name: Name | None = None
    description: Description | None = None
    send_events: bool | None = None
    id: IdText | None = None
    project_id: IdText | None = None
    mode: Mode | None = None
    key: list[str] | None = None
    drift: Drift | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """As any request, but with the text of the records as it is in `data`."""
        rest, given = records.cut(text, "data")
        if given is None:
            raise InvalidError("data", f"'data' is required: {records.ALLOWED}.", constraint=records.ALLOWED)
        # Read last: it is the largest, and what stands beside it is refused sooner.
        return super().read(rest).model_copy(update={"data": records.records(given, "data")})

    def to_core(self, now: int) -> named_imports.Wanted:
        return named_imports.Wanted(
            data=self.data.encode(),
            filename=f"records-{clock.iso(now)}.json".replace(":", ""),
            field="data",
            format="json",
            dataset=None if self.id is None else IMPORT.parse(self.id, field="id"),
            project=None if self.project_id is None else PROJECT.parse(self.project_id, field="project_id"),
            name=self.name,
            description=self.description,
            mode=self.mode,
            key=self.key,
            drift=self.drift,
            silent=self.send_events is False,
        )


class ImportForm(FormRequest):
    """A file for an import: a new one, or the one with this `id` or `name`, by `mode` append (default) or replace."""

    file: File
    name: Name | None = None
    description: Description | None = None
    sendEvents: Literal["true", "false"] = "true"
    id: IdText | None = None
    projectId: IdText | None = None
    mode: Annotated[str, one_of(("append", "replace"))] | None = None
    type: Type | None = None

    def to_core(self) -> named_imports.Wanted:
        return named_imports.Wanted(
            data=self.file.data,
            filename=self.file.filename,
            field="file",
            format=self.type,
            dataset=None if self.id is None else IMPORT.parse(self.id, field="id"),
            project=None if self.projectId is None else PROJECT.parse(self.projectId, field="project_id"),
            name=self.name,
            description=self.description,
            mode=self.mode,
            silent=self.sendEvents == "false",
        )


class ImportUpdate(Request):
    """What its owner says of an import; an empty `description` takes it away."""

    model_config = A_CHANGE

    name: Annotated[Name | None, NOT_NULL] = None
    description: Annotated[Description | None, NOT_NULL] = None

    def to_core(self) -> datasets.Change:
        for name in sorted(self.model_fields_set):
            if getattr(self, name) is None:
                raise InvalidError(name, f"'{name}' must not be null: leave it out, and it stays.")
        return datasets.Change(name=self.name, description=self.description)


class DataQuery(AnyShape):
    """Where in the rows."""

    start: Annotated[int, Field(ge=0, le=MAX_START), WRITTEN_WHOLE] = 0
    count: Annotated[int, Field(ge=1, le=MAX_ROWS), WRITTEN_WHOLE] = DEFAULT_ROWS


class Column(Shape):
    name: str
    type: str


class Import(Shape):
    """An import. `status` is processing, ready or failed (`error` says why).

    `rowCount` and `columns` are null until it is ready; `columns` also where there are too many for a list:
    `GET /Import/{id}` has them all.
    """

    id: str
    name: str
    description: str | None
    project_id: str
    status: str
    version: int
    row_count: int | None
    columns: list[Column] | None
    error: str | None
    created_at: str
    updated_at: str

    @classmethod
    def from_core(cls, dataset: datasets.Dataset) -> Import:
        shape = dataset.shape
        return cls(
            id=IMPORT.spell(dataset.id),
            name=dataset.title,
            description=dataset.description,
            project_id=PROJECT.spell(dataset.project),
            status=dataset.status,
            version=dataset.version,
            row_count=dataset.rows,
            columns=None if shape is None else [Column(name=name, type=type) for name, type in shape],
            error=dataset.failure,
            created_at=clock.iso(dataset.created),
            updated_at=clock.iso(dataset.updated),
        )


class ImportList(Answer):
    data: list[Import]

    @classmethod
    def of_found(cls, found: Scanned[datasets.Dataset]) -> ImportList:
        messages = []
        if found.next is not None:
            after = IMPORT.spell(found.next)
            text = f"There are older imports: ask for those that follow with 'after={after}'."
            messages.append(Message(code="MORE_ITEMS", message=text, field="after"))
        for dataset in found.items:
            if dataset.shape is None and dataset.columns is not None:
                text = f"The {dataset.columns} columns of '{dataset.title}' are too many for a list: ask for it alone."
                messages.append(Message(code="COLUMNS_LEFT_OUT", message=text, field=IMPORT.spell(dataset.id)))
        return cls.of([Import.from_core(dataset) for dataset in found.items], *messages)


class WholeImport(Import):
    """An import alone, with all of its columns; `jobId` is that of its last import."""

    type: str | None
    rejected_row_count: int | None
    size: int
    job_id: str


class ImportAnswer(Answer):
    data: WholeImport

    @classmethod
    def whole(cls, dataset: datasets.Dataset) -> ImportAnswer:
        shown = Import.from_core(dataset)
        if shown.columns is None and (manifest := datasets.manifest(dataset)) is not None:
            shown.columns = [Column(name=column["name"], type=column["type"]) for column in manifest["columns"]]
        return cls.of(
            WholeImport(
                **dict(shown),
                type=dataset.found_format or dataset.format,
                rejected_row_count=dataset.rejected,
                size=dataset.size,
                job_id=JOB.spell(dataset.job),
            )
        )


class Begun(Shape):
    """An import that was begun, as `version` of the data: `GET /Job/{id}` tells how far its job is."""

    id: str
    job_id: str
    status: str
    name: str
    description: str | None
    project_id: str
    version: int
    mode: str


class BegunAnswer(Answer):
    data: Begun

    @classmethod
    def of_import(cls, made: named_imports.Imported) -> BegunAnswer:
        return cls.of(
            Begun(
                id=IMPORT.spell(made.dataset.id),
                job_id=JOB.spell(made.version.job),
                status="queued",
                name=made.dataset.title,
                description=made.dataset.description,
                project_id=PROJECT.spell(made.dataset.project),
                version=made.version.number,
                mode=made.version.mode,
            )
        )


class Records(Shape):
    """Rows of a version of the data, in its order: `count` of them from `start` on, of `total`.

    Integers and decimals are exact, as they were written.
    """

    records: list[dict[str, Any]]
    start: int
    count: int
    total: int
    version: int


class RecordsAnswer(Answer):
    data: Records
