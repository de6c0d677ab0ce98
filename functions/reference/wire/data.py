"""The shapes of the data and rows groups."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from fluvial import blobs, clock, datasets, ids, profiles, selections, upload_parts
from fluvial.http.wire import WHOLE, Documented, File, FormRequest, Request, Shape, line, one_of
from reference.wire.common import BASE_PATH, Page, PageQuery, ProjectIdText, VersionInQuery

# For the OpenAPI document: what a file `zip,city` with the row `01067,Dresden` is found to be.
SOURCE: dict[str, Any] = {
    "format": "csv",
    "compression": None,
    "encoding": "utf-8",
    "dialect": {"delimiter": ",", "quote": '"', "escape": '"', "header": True, "line_ending": "\n"},
    "detected_because": ["the content is plain text that is neither JSON nor XML"],
    "sha256": "63b75126cd8328daf3bb8e27bbf55f61ac73bf982ee1f96c300c3b27999f6a9c",
    "rows": 2,
}
COLUMN: dict[str, Any] = {
    "name": "zip",
    "type": "text",
    "reason": "row 1 holds '01067', which has leading zeros",
    "format": None,
    "nulls": 0,
    "min": "01067",
    "max": "80331",
    "counter_example": {"row": 1, "line": 2, "value": "01067"},
}

Format = Annotated[str, one_of(datasets.FORMATS)]

# As `selections` reads them.
NAME = '("([^"]|"")*"|[^",][^,]*)'
Names = Annotated[
    str,
    Documented(
        pattern=f"^{NAME}(,{NAME})*$",
        description='Names with commas between them; one that has a comma stands in "quotes".',
    ),
]
Order = Annotated[
    str,
    Documented(
        pattern=f"^-?{NAME}(,-?{NAME}){{0,{selections.MAX_SORTS - 1}}}$",
        description="Names with commas between them, a - before one that is sorted descending.",
    ),
]
Conditions = Annotated[
    str,
    Documented(
        contentMediaType="application/json",
        description='Conditions as JSON text: [{"column": "city", "operator": "eq", "value": "Bonn"}].',
    ),
]


class UploadForm(FormRequest):
    file: File
    project_id: ProjectIdText
    format: Format | None = None


class UploadOpen(Request):
    project_id: ProjectIdText
    filename: Annotated[str, line(datasets.MAX_FILENAME_LENGTH)]
    size: Annotated[int, Field(ge=1), WHOLE]
    format: Format | None = None
    parts: Annotated[
        bool | None, Field(description="Whether the file comes in parts; without, only one above 5 GiB does.")
    ] = None


class UploadTarget(Shape):
    """Where and how to send the file: multipart/form-data, the fields first, then `file`."""

    method: Literal["POST"] = "POST"
    url: str
    fields: dict[str, str]
    expires_at: str


class PartsTarget(Shape):
    """How to send the file in parts: each by PUT to its own URL, which `parts_path` lists, in any order."""

    method: Literal["PUT"] = "PUT"
    parts_path: str
    parts: int
    part_size: int
    expires_at: str


class Upload(Shape):
    """An open upload; it becomes the data with `data_id` when it is completed."""

    id: str
    data_id: str
    project_id: str
    filename: str
    size: int
    upload: UploadTarget | PartsTarget
    created_at: str

    @classmethod
    def from_core(cls, upload: datasets.Upload, form: blobs.PostForm | None) -> Upload:
        return cls(
            id=ids.spell(ids.UPLOAD, upload.id),
            data_id=ids.spell(ids.DATASET, upload.id),
            project_id=ids.spell(ids.PROJECT, upload.project),
            filename=upload.filename,
            size=upload.size,
            upload=_target(upload, form),
            created_at=clock.iso(upload.created),
        )


class UploadPart(Shape):
    """A part of an upload: `size` bytes of the file from `offset` on. `etag` is null until it has arrived."""

    number: int
    offset: int
    size: int
    etag: str | None
    url: str

    @classmethod
    def from_core(cls, part: upload_parts.Part) -> UploadPart:
        return cls(number=part.number, offset=part.offset, size=part.size, etag=part.etag, url=part.url)


class UploadPartsPage(Page):
    """Parts of an upload, by number. Asked for again, the URLs are new."""

    data: list[UploadPart]
    part_size: int
    urls_expire_at: str


class DataItem(Shape):
    """Uploaded data in a list, and as the answer to an upload. `rows` is null until the file has been read."""

    id: str
    project_id: str
    filename: str
    size: int
    rows: int | None
    rejected_rows: int | None
    status: str
    created_at: str
    updated_at: str

    @classmethod
    def from_core(cls, dataset: datasets.Dataset) -> DataItem:
        return cls(**_data_fields(dataset))


class DataPage(Page):
    data: list[DataItem]


class Column(Shape):
    """A column: its type, and why it is not another."""

    model_config = ConfigDict(json_schema_extra={"examples": [COLUMN]})

    name: str
    type: str
    reason: str
    format: str | None
    nulls: int
    min: str | None
    max: str | None
    counter_example: dict[str, Any] | None


class Source(Shape):
    """What was found about the file, and why it was read so."""

    model_config = ConfigDict(json_schema_extra={"examples": [SOURCE]})

    format: str
    compression: str | None
    encoding: str | None
    dialect: dict[str, Any] | None
    detected_because: list[str]
    sha256: str
    rows: int

    @classmethod
    def of(cls, manifest: dict[str, Any]) -> Source:
        return cls(
            **{name: manifest[name] for name in ("format", "compression", "encoding", "dialect", "detected_because")},
            sha256=manifest["source_sha256"],
            rows=manifest["source_rows"],
        )


class Failure(Shape):
    reason: str


class Data(DataItem):
    """Uploaded data alone."""

    version: int | None
    job_id: str
    source: Source | None
    columns: list[Column] | None
    failure: Failure | None

    @classmethod
    def whole(cls, dataset: datasets.Dataset, manifest: dict[str, Any] | None) -> Data:
        return cls(
            **_data_fields(dataset),
            version=dataset.version or None,
            job_id=ids.spell(ids.JOB, dataset.job),
            source=Source.of(manifest) if manifest else None,
            columns=[Column(**column) for column in manifest["columns"]] if manifest else None,
            failure=None if dataset.failure is None else Failure(reason=dataset.failure),
        )


class ProfileQuery(Shape):
    """Of which columns, without, of all; and of which version, without, of the current one."""

    columns: Names | None = None
    version: VersionInQuery | None = None

    def to_core(self) -> tuple[str, ...] | None:
        return selections.of_text(self.columns, None, None).columns


class Frequent(Shape):
    value: Any
    count: int


class ColumnProfile(Shape):
    """Values are spelled as in rows, texts cut to 100 characters. Null is what means nothing, or was not computed.

    `distinct_exact` and `quantiles_exact` say whether these are; `complete` whether all was computed.
    """

    name: str
    type: str
    complete: bool
    nulls: int
    distinct: int | None
    distinct_exact: bool | None
    min: Any
    max: Any
    sum: Any
    mean: Any
    quantiles: dict[str, Any] | None
    quantiles_exact: bool | None
    top: list[Frequent] | None
    examples: list[Any] | None
    min_length: int | None
    max_length: int | None


class DataProfile(Shape):
    """What the columns of a version of the data are like."""

    version: int
    rows: int
    columns: list[ColumnProfile]

    @classmethod
    def from_core(cls, profile: profiles.Profile) -> DataProfile:
        columns = [ColumnProfile(**column) for column in profile.columns]
        return cls(version=profile.version, rows=profile.rows, columns=columns)


class RowsQuery(PageQuery):
    """Which rows and columns, and in which order."""

    columns: Names | None = None
    filter: Conditions | None = None
    sort: Order | None = None

    def to_core(self) -> selections.Selection:
        return selections.of_text(self.columns, self.filter, self.sort)


class RejectsQuery(PageQuery):
    """Where in the rejects of which version; without, of the current one."""

    version: VersionInQuery | None = None


class RowsPage(Page):
    """Rows of a version of the data, in the order of the source unless another was asked for."""

    data: list[dict[str, Any]]
    version: int


def _target(upload: datasets.Upload, form: blobs.PostForm | None) -> UploadTarget | PartsTarget:
    expires_at = clock.iso(upload.expires)
    if form is not None:
        return UploadTarget(url=form.url, fields=form.fields, expires_at=expires_at)
    return PartsTarget(
        parts_path=f"{BASE_PATH}/data/uploads/{ids.spell(ids.UPLOAD, upload.id)}/parts",
        parts=upload_parts.count(upload),
        part_size=upload.part_size or upload.size,
        expires_at=expires_at,
    )


def _data_fields(dataset: datasets.Dataset) -> dict[str, Any]:
    return {
        "id": ids.spell(ids.DATASET, dataset.id),
        "project_id": ids.spell(ids.PROJECT, dataset.project),
        "filename": dataset.filename,
        "size": dataset.size,
        "rows": dataset.rows,
        "rejected_rows": dataset.rejected,
        "status": dataset.status,
        "created_at": clock.iso(dataset.created),
        "updated_at": clock.iso(dataset.updated),
    }
