"""The shapes of the versions group."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from fluvial import clock, dataset_versions, datasets, ids, imports, rejects, replays
from fluvial.errors import InvalidError
from fluvial.http import Number
from fluvial.http.wire import (
    A_CHANGE,
    LEFT_OUT_IF_NONE,
    LINE,
    Documented,
    File,
    FormRequest,
    Request,
    Shape,
    line,
    one_of,
)
from reference.wire.common import Page, UploadIdText, VersionInBody, VersionInQuery
from reference.wire.data import DataItem
from reference.wire.options import Options, OptionsText

VersionNumber = Annotated[int, Number("version")]

# A name that is no list, or a list of names that need no escapes.
NAME = r'"[^"\\\x00-\x1f\x7f]*[^"\\\s\x00-\x1f\x7f-\x9f][^"\\\x00-\x1f\x7f]*"'
KEY_TEXT = rf"^(?!\[){LINE[1:-1]}$|^\[{NAME}(, ?{NAME}){{0,{imports.MAX_KEY_COLUMNS - 1}}}\]$"
BLANKS_ASIDE = r"^[^\x00]*[^\s\x00-\x1f\x7f-\x9f][^\x00]*$"

Mode = Annotated[str, one_of(imports.MODES)]
Drift = Annotated[str, one_of(imports.DRIFTS)]
Names = Annotated[
    list[Annotated[str, line(imports.MAX_COLUMN_NAME_LENGTH)]],
    Documented(maxItems=imports.MAX_KEY_COLUMNS, uniqueItems=True),
]
# Only imports by key have one.
KEYED: dict[str, Any] = {"properties": {"mode": {"enum": list(imports.KEYED)}}}
UNKEYED: dict[str, Any] = {"properties": {"mode": {"enum": [m for m in imports.MODES if m not in imports.KEYED]}}}
OF_A_BODY: dict[str, Any] = {
    "anyOf": [KEYED, {"properties": {**UNKEYED["properties"], "key": {"anyOf": [{"type": "null"}, {"maxItems": 0}]}}}]
}
ROWS_OR_LINES: dict[str, Any] = {
    "oneOf": [
        {"required": ["rows"], "properties": {"rows": {"type": "array"}, "lines": {"type": "null"}}},
        {"required": ["lines"], "properties": {"lines": {"type": "array"}, "rows": {"type": "null"}}},
    ]
}


class VersionForm(FormRequest):
    """`key` is the name of a column, or a JSON list of names, for upsert and delete alone; `options` is JSON text."""

    file: File
    mode: Mode
    key: Annotated[str, Documented(pattern=KEY_TEXT)] | None = None
    drift: Drift | None = None
    options: OptionsText | None = None
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
    model_config = ConfigDict(json_schema_extra=OF_A_BODY)

    upload_id: UploadIdText
    mode: Mode
    key: Names | None = None
    drift: Drift | None = None
    options: Options | None = None
    dry_run: bool = False

    def to_core(self) -> imports.Import:
        return imports.Import(self.mode, self.key, self.drift, self.options, self.dry_run)


class Undo(Request):
    """`version` is the one to go to; without it, the one before."""

    version: VersionInBody | None = None


class Reparse(Request):
    options: Options


class Replay(Request):
    """`version` is the one whose rejects were corrected. Give `rows`, as objects, or `lines`, as raw text.

    Lines are read by the dialect that the version's file was found to have.
    """

    model_config = ConfigDict(json_schema_extra=ROWS_OR_LINES)

    version: VersionInBody
    rows: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=replays.MAX_RECORDS)] | None = None
    lines: (
        Annotated[
            list[Annotated[str, Documented(minLength=1, pattern=BLANKS_ASIDE)]],
            Field(min_length=1, max_length=replays.MAX_RECORDS),
        ]
        | None
    ) = None


class RejectsFileQuery(Shape):
    """Of which version; without, of the current one."""

    version: VersionInQuery | None = None


class RejectsFile(Shape):
    """All rejects of a version as NDJSON with `line`, `column`, `cause` and `raw`.

    `url` holds for an hour, and each request makes another; it is null where nothing was rejected.
    """

    data_id: str
    version: int
    format: Literal["ndjson"] = "ndjson"
    filename: str
    rows: int
    bytes: int
    url: str | None
    url_expires_in_seconds: int | None = Field(description="From this answer on.")

    @classmethod
    def from_core(cls, found: rejects.Download, dataset_id: int) -> RejectsFile:
        return cls(
            data_id=ids.spell(ids.DATASET, dataset_id),
            version=found.version,
            filename=found.filename,
            rows=found.rows,
            bytes=found.bytes,
            url=found.url,
            url_expires_in_seconds=None if found.url is None else rejects.LINK_VALID_SECONDS,
        )


class DataUpdate(Request):
    """What is given changes, the rest stays. An empty `key` takes the key away."""

    model_config = A_CHANGE

    name: Annotated[str, line(datasets.MAX_NAME_LENGTH)] | None = None
    drift: Drift | None = None
    key: Names | None = None

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


class PinnedInput(Shape):
    name: str
    data_id: str
    version: int


class Lineage(Shape):
    """What made a version that is no import: a preparation's recipe over versions of data.

    `sha256` is equal where recipe and inputs are. The recipe is in the answer of one version only.
    """

    preparation_id: str
    sha256: str
    recipe_sha256: str
    inputs: list[PinnedInput]
    recipe: Annotated[dict[str, Any] | None, LEFT_OUT_IF_NONE] = None

    @classmethod
    def from_core(cls, made_by: dataset_versions.MadeBy, told: dict[str, Any] | None) -> Lineage:
        return cls(
            preparation_id=ids.spell(ids.PREPARATION, made_by.preparation),
            sha256=made_by.sha256,
            recipe_sha256=made_by.recipe_sha256,
            inputs=[
                PinnedInput(name=name, data_id=ids.spell(ids.DATASET, dataset), version=version)
                for name, (dataset, version) in made_by.inputs.items()
            ],
            recipe=None if told is None else told["recipe"],
        )


class Version(Shape):
    """One import and what it did, or what a preparation made. `counts` and `schema_changes` are null until it ended."""

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
    lineage: Lineage | None
    job_id: str
    created_by: str
    created_at: str
    ended_at: str | None

    @classmethod
    def from_core(cls, version: dataset_versions.Version, lineage: dict[str, Any] | None = None) -> Version:
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
            lineage=None if version.made_by is None else Lineage.from_core(version.made_by, lineage),
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
