"""The shapes of the exports group."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from fluvial import clock, exports, ids, selections
from fluvial.http.wire import Request, Shape


class FilterEntry(Request):
    """A condition; `value` is a list for in and not_in, and not there for is_null and is_not_null."""

    column: str
    operator: str
    value: Any = None


class SortEntry(Request):
    column: str
    order: Literal["asc", "desc"] = "asc"


class ExportCreate(Request):
    """Without columns all of them, without filter all rows, without sort the order of the source."""

    format: str
    columns: list[str] | None = None
    filter: list[FilterEntry] | None = None
    sort: list[SortEntry] | None = None
    delimiter: str | None = None
    neutralise_formulas: bool = False

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
