"""The shapes of the exports group."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from fluvial import clock, exports, ids, queries, selections
from fluvial.http.wire import Documented, Request, Shape, one_of
from reference.wire.common import VersionInBody

# The rules that the core checks and words, for the document. Which values an operator takes:
SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean"]}
VALUES: dict[str, Any] = {"type": "array", "items": SCALAR, "minItems": 1, "maxItems": queries.MAX_VALUES}
WITH_ONE = [name for name in queries.OPERATORS if name not in (*queries.WITH_VALUES, *queries.WITHOUT_VALUE)]
CONDITION: dict[str, Any] = {
    "oneOf": [
        {"properties": {"operator": {"enum": WITH_ONE}, "value": SCALAR}, "required": ["value"]},
        {"properties": {"operator": {"enum": list(queries.WITH_VALUES)}, "value": VALUES}, "required": ["value"]},
        {"properties": {"operator": {"enum": list(queries.WITHOUT_VALUE)}, "value": {"type": "null"}}},
    ]
}
# Only CSV has a delimiter, and only what spreadsheets open has formulas:
EXPORT: dict[str, Any] = {
    "anyOf": [
        {"properties": {"format": {"const": "csv"}}},
        {"properties": {"format": {"const": "xlsx"}, "delimiter": {"type": "null"}}},
        {"properties": {"delimiter": {"type": "null"}, "neutralise_formulas": {"const": False}}},
    ]
}
Columns = Annotated[list[str], Documented(minItems=1, maxItems=selections.MAX_COLUMNS, uniqueItems=True)]


class FilterEntry(Request):
    """A condition; `value` is a list for in and not_in, and not there for is_null and is_not_null."""

    model_config = ConfigDict(json_schema_extra=CONDITION)

    column: str
    operator: Annotated[str, one_of(queries.OPERATORS)]
    value: Any = None


class SortEntry(Request):
    column: str
    order: Literal["asc", "desc"] = "asc"


class ExportCreate(Request):
    """Without columns all of them, without filter all rows, without sort the order of the source.

    Without `version` it is of the current one.
    """

    model_config = ConfigDict(json_schema_extra=EXPORT)

    format: Annotated[str, one_of(exports.FORMATS)]
    columns: Columns | None = None
    filter: Annotated[list[FilterEntry], Documented(maxItems=queries.MAX_FILTERS)] | None = None
    sort: Annotated[list[SortEntry], Documented(maxItems=selections.MAX_SORTS)] | None = None
    delimiter: Annotated[str, one_of(exports.DELIMITERS)] | None = None
    neutralise_formulas: bool = False
    version: VersionInBody | None = None

    def to_core(self) -> exports.Wanted:
        return exports.parse(
            format=self.format,
            selection=selections.parse(
                {
                    "columns": self.columns,
                    "filter": None if self.filter is None else [each.model_dump() for each in self.filter],
                    "sort": None if self.sort is None else [each.model_dump() for each in self.sort],
                }
            ),
            delimiter=self.delimiter,
            neutralise_formulas=self.neutralise_formulas,
        )


class Failure(Shape):
    reason: str


class Export(Shape):
    """`url` is there once it is completed: it holds for an hour, and each request makes another."""

    id: str
    data_id: str
    version: int
    format: str
    filename: str
    status: str
    job_id: str
    rows: int | None
    bytes: int | None
    url: str | None
    url_expires_in_seconds: int | None = Field(description="From this answer on.")
    failure: Failure | None
    created_at: str
    updated_at: str
    expires_at: str

    @classmethod
    def from_core(cls, export: exports.Export) -> Export:
        url = exports.link(export)
        return cls(
            id=ids.spell(ids.EXPORT, export.id),
            data_id=ids.spell(ids.DATASET, export.dataset),
            version=export.version,
            format=export.wanted.format,
            filename=export.filename,
            status=export.status,
            job_id=ids.spell(ids.JOB, export.job),
            rows=export.rows,
            bytes=export.bytes,
            url=url,
            url_expires_in_seconds=None if url is None else exports.LINK_VALID_SECONDS,
            failure=None if export.failure is None else Failure(reason=export.failure),
            created_at=clock.iso(export.created),
            updated_at=clock.iso(export.updated),
            expires_at=clock.iso(export.expires),
        )
