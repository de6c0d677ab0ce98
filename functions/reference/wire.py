"""The shapes of this API's requests and answers, and their ways to and from the core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlencode

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from fluvial import accounts, blobs, clock, datasets, ids, keys, paging, projects
from fluvial.errors import NotFoundError
from reference.errors import PREFIXES

BASE_PATH = "/v1"
DEFAULT_PER_PAGE = 20
MAX_PER_PAGE = 100

Core = TypeVar("Core")


class Request(BaseModel):
    """A body. Unknown fields are refused: what a caller sends is never silently dropped."""

    model_config = ConfigDict(extra="forbid")


def parse_id(kind: str, text: str, *, field: str | None = None) -> int:
    """The id that the text spells; a text that spells none is answered like an absent id."""
    number = ids.parse(PREFIXES[kind], text)
    if number is None:
        raise NotFoundError(kind, text, field=field)
    return number


# ---------------------------------------------------------------- pages


class PageQuery(BaseModel):
    """Where in a list."""

    page: Annotated[int, Field(ge=1, le=10**9)] = 1
    per_page: Annotated[int, Field(ge=1, le=MAX_PER_PAGE)] = DEFAULT_PER_PAGE

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.per_page


class ListQuery(PageQuery):
    """Where in a list, and in which order."""

    sort: Literal["created_at", "updated_at", "name"] = "created_at"
    order: Literal["asc", "desc"] = "desc"

    def to_core(self) -> paging.Order:
        return paging.Order(self.sort.removesuffix("_at"), self.order == "desc")


class Pagination(BaseModel):
    total: int
    page: int
    per_page: int
    total_pages: int


class Links(BaseModel):
    next: str | None
    prev: str | None


class Page(BaseModel):
    """A page of a list, as every list of this API answers."""

    data: list[Any]
    pagination: Pagination
    links: Links


def page_of(
    slice_: paging.Slice[Core],
    query: PageQuery,
    from_core: Callable[[Core], Any],
    *,
    path: str,
    asked: Mapping[str, str] | None,
) -> Page:
    """The page with links that keep what was asked. `path` is below the base path, `asked` the query as it came."""
    pages = paging.total_pages(slice_.total, query.per_page)

    def link(page: int) -> str:
        kept = {name: value for name, value in (asked or {}).items() if name in type(query).model_fields}
        return f"{BASE_PATH}{path}?{urlencode({**kept, 'page': page})}"

    return Page(
        data=[from_core(item) for item in slice_.items],
        pagination=Pagination(total=slice_.total, page=query.page, per_page=query.per_page, total_pages=pages),
        links=Links(
            next=link(query.page + 1) if query.page < pages else None,
            prev=link(min(query.page - 1, max(pages, 1))) if query.page > 1 else None,
        ),
    )


class Done(BaseModel):
    """The answer to a DELETE."""

    success: Literal[True] = True
    message: str


# ---------------------------------------------------------------- status


class Status(BaseModel):
    status: Literal["operational", "degraded"]
    version: str
    timestamp: str


# ---------------------------------------------------------------- projects


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


# ---------------------------------------------------------------- keys


class KeyCreate(Request):
    name: str
    scopes: list[str] | None = None
    # Not strict: in strict mode pydantic takes no text for a time outside of JSON schemas' own form.
    expires_at: Annotated[AwareDatetime | None, Field(strict=False)] = None

    def expires(self) -> int | None:
        return None if self.expires_at is None else int(self.expires_at.timestamp() * clock.SECOND)


class Key(BaseModel):
    id: str
    name: str
    type: str
    scopes: list[str]
    hint: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None

    @classmethod
    def from_core(cls, key: keys.Key) -> Key:
        return cls(**_key_fields(key))


class NewKey(Key):
    """The answer to the creation of a key: the only one that has the key itself."""

    key: str

    @classmethod
    def shown_once(cls, key: keys.Key, secret: str) -> NewKey:
        return cls(**_key_fields(key), key=secret)


def _key_fields(key: keys.Key) -> dict[str, Any]:
    return {
        "id": ids.spell(ids.KEY, key.id),
        "name": key.name,
        "type": key.type,
        "scopes": list(key.scopes),
        "hint": key.hint,
        "created_at": clock.iso(key.created),
        "expires_at": None if key.expires is None else clock.iso(key.expires),
        "revoked_at": None if key.revoked is None else clock.iso(key.revoked),
    }


# ---------------------------------------------------------------- users


class UserUpdate(Request):
    name: str | None = None
    email: str | None = None


class User(BaseModel):
    id: str
    email: str
    name: str
    created_at: str
    plan: str

    @classmethod
    def from_core(cls, user: accounts.User, plan: str) -> User:
        return cls(
            id=ids.spell(ids.USER, user.id),
            email=user.email,
            name=user.name,
            created_at=clock.iso(user.created),
            plan=plan,
        )


# ---------------------------------------------------------------- data


class UploadOpen(Request):
    project_id: str
    filename: str
    size: Annotated[int, Field(ge=1)]
    format: str | None = None


class UploadTarget(BaseModel):
    """Where and how to send the file: multipart/form-data, the fields first, then `file`."""

    method: Literal["POST"] = "POST"
    url: str
    fields: dict[str, str]
    expires_at: str


class Upload(BaseModel):
    """An open upload; it becomes the data with `data_id` when it is completed."""

    id: str
    data_id: str
    project_id: str
    filename: str
    size: int
    upload: UploadTarget
    created_at: str

    @classmethod
    def from_core(cls, upload: datasets.Upload, form: blobs.PostForm) -> Upload:
        return cls(
            id=ids.spell(ids.UPLOAD, upload.id),
            data_id=ids.spell(ids.DATASET, upload.id),
            project_id=ids.spell(ids.PROJECT, upload.project),
            filename=upload.filename,
            size=upload.size,
            upload=UploadTarget(url=form.url, fields=form.fields, expires_at=clock.iso(upload.expires)),
            created_at=clock.iso(upload.created),
        )


class DataItem(BaseModel):
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


class Column(BaseModel):
    """A column: its type, and why it is not another."""

    name: str
    type: str
    reason: str
    format: str | None
    nulls: int
    min: str | None
    max: str | None
    counter_example: dict[str, Any] | None


class Source(BaseModel):
    """What was found about the file, and why it was read so."""

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


class Failure(BaseModel):
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


class RowsPage(Page):
    """Rows of a version of the data, in the order of the source."""

    version: int


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
