"""The shapes of the versions group."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field

from fluvial import clock, dataset_versions, datasets, ids, imports
from fluvial.errors import InvalidError
from fluvial.http import Number
from fluvial.http.wire import File, FormRequest, Request, Shape
from reference.wire.common import Page
from reference.wire.data import DataItem

VersionNumber = Annotated[int, Number("version")]
MAX_REPLAYED = 10_000


class VersionForm(FormRequest):
    """`key` is the name of a column, or a JSON list of names; `options` is JSON text."""

    file: File
    mode: str
    key: str | None = None
    drift: str | None = None
    options: str | None = None
    dry_run: Literal["true", "false"] = "false"

    def to_core(self) -> imports.Import:
        key: Any = None
        if self.key is not None:
            key = _json("key", self.key) if self.key.startswith("[") else [self.key]
            if not isinstance(key, list) or not all(isinstance(each, str) for each in key):
                raise InvalidError("key", "'key' must be a list of names.", value=self.key[:100])
        options = None if self.options is None else _json("options", self.options)
        return imports.Import(self.mode, key, self.drift, options, self.dry_run == "true")


class VersionUpload(Request):
    upload_id: str
    mode: str
    key: list[str] | None = None
    drift: str | None = None
    options: dict[str, Any] | None = None
    dry_run: bool = False

    def to_core(self) -> imports.Import:
        return imports.Import(self.mode, self.key, self.drift, self.options, self.dry_run)


class Undo(Request):
    """`version` is the one to go to; without it, the one before."""

    version: Annotated[int, Field(ge=1)] | None = None


class Reparse(Request):
    options: dict[str, Any]


class Replay(Request):
    """`version` is the one whose rejects were corrected."""

    version: Annotated[int, Field(ge=1)]
    rows: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_REPLAYED)]


class DataUpdate(Request):
    name: str | None = None
    drift: str | None = None
    key: list[str] | None = None

    def to_core(self) -> datasets.Change:
        return datasets.Change(self.name, self.drift, self.key)


class Counts(Shape):
    """What becomes of the file's records."""

    insert: int
    update: int
    skip: int
    delete: int
    reject: int


class Failure(Shape):
    reason: str


class Version(Shape):
    """One import and what it did. `counts` and `schema_changes` are null until it has ended."""

    number: int
    data_id: str
    mode: str
    status: str
    dry_run: bool
    parent: int | None
    same_as: int | None
    replays: int | None
    filename: str
    size: int
    sha256: str | None
    key: list[str]
    drift: str
    options: dict[str, Any]
    rows: int | None
    rejected_rows: int | None
    counts: Counts | None
    schema_changes: dict[str, Any] | None
    failure: Failure | None
    job_id: str
    created_by: str
    created_at: str
    ended_at: str | None

    @classmethod
    def from_core(cls, version: dataset_versions.Version) -> Version:
        return cls(
            number=version.number,
            data_id=ids.spell(ids.DATASET, version.dataset),
            mode=version.mode,
            status=version.status,
            dry_run=version.dry_run,
            parent=version.parent or None,
            same_as=version.same_as,
            replays=version.replays,
            filename=version.filename,
            size=version.size,
            sha256=version.sha256,
            key=list(version.key),
            drift=version.drift,
            options=version.options,
            rows=version.rows,
            rejected_rows=version.rejected,
            counts=None if version.counts is None else Counts(**version.counts),
            schema_changes=version.changes,
            failure=None if version.failure is None else Failure(reason=version.failure),
            job_id=ids.spell(ids.JOB, version.job),
            created_by=ids.spell(ids.USER, version.by),
            created_at=clock.iso(version.created),
            ended_at=None if version.ended is None else clock.iso(version.ended),
        )


class VersionsPage(Page):
    data: list[Version]


class Current(DataItem):
    """Data, the version that is current, and what its imports go by."""

    name: str
    version: int | None
    latest_version: int
    drift: str
    key: list[str]
    importing: bool

    @classmethod
    def from_core(cls, dataset: datasets.Dataset) -> Current:
        return cls(
            **DataItem.from_core(dataset).model_dump(),
            name=dataset.title,
            version=dataset.version or None,
            latest_version=dataset.latest,
            drift=dataset.drift,
            key=list(dataset.key),
            importing=dataset.importing is not None,
        )


def _json(field: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidError(field, f"'{field}' must be JSON: {error}.", value=text[:100]) from error
