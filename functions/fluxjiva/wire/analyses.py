"""The shapes of the analyses group."""

from __future__ import annotations

from typing import Annotated, Any

from fluvial import analyses, clock
from fluvial.http.wire import A_CHANGE, LEFT_OUT_IF_NONE, NOT_NULL, Documented, Request, Shape, line, text
from fluxjiva.wire.common import ANALYSIS, DATA_SOURCE, PROJECT, Meta, PageQuery

Name = Annotated[str, line(analyses.MAX_NAME_LENGTH)]
Description = Annotated[str, text(analyses.MAX_DESCRIPTION_LENGTH)]


class AnalysisCreate(Request):
    """`query` filters, groups and aggregates; docs/apis.md has its fields."""

    name: Name
    data_source_id: Annotated[str, Documented(pattern=DATA_SOURCE.pattern)]
    query: dict[str, Any]
    description: Description | None = None


class AnalysisUpdate(Request):
    model_config = A_CHANGE

    name: Annotated[Name | None, NOT_NULL] = None
    description: Description | None = None
    query: Annotated[dict[str, Any] | None, NOT_NULL] = None

    def to_core(self) -> analyses.Change:
        return analyses.Change(frozenset(self.model_fields_set), self.name, self.description, self.query)


class LastResult(Shape):
    """What the last completed run found; its rows are at `/result`."""

    rows: int
    groups_total: int
    truncated: bool
    rows_scanned: int
    data_version: int
    completed_at: str


class Analysis(Shape):
    """An analysis. `status` is created, queued, running, completed or failed."""

    id: str
    project_id: str
    data_source_id: str
    name: str
    description: str | None
    query: dict[str, Any]
    status: str
    error: str | None
    result: LastResult | None
    created_at: str
    updated_at: str

    @classmethod
    def from_core(cls, analysis: analyses.Analysis) -> Analysis:
        return cls(
            id=ANALYSIS.spell(analysis.id),
            project_id=PROJECT.spell(analysis.project),
            data_source_id=DATA_SOURCE.spell(analysis.dataset),
            name=analysis.name,
            description=analysis.description,
            query=analysis.query,
            status=analysis.status,
            error=analysis.failure,
            result=None if analysis.ran is None else _last_result(analysis, analysis.ran),
            created_at=clock.iso(analysis.created),
            updated_at=clock.iso(analysis.updated),
        )


class AnalysisAnswer(Shape):
    data: Analysis

    @classmethod
    def of(cls, analysis: analyses.Analysis) -> AnalysisAnswer:
        return cls(data=Analysis.from_core(analysis))


class AnalysisList(Shape):
    """`meta` is there where a page was asked for."""

    data: list[Analysis]
    meta: Annotated[Meta | None, LEFT_OUT_IF_NONE] = None


class ResultColumn(Shape):
    name: str
    type: str


class ResultMeta(Meta):
    """Where in the result, and what it is of: `truncated` where the query's own limit left groups out."""

    columns: list[ResultColumn]
    groups_total: int
    truncated: bool
    rows_scanned: int
    data_version: int
    completed_at: str


class ResultPage(Shape):
    """Rows of a result. Integers and decimals are exact: decimals, and sums beyond 64 bits, keep all their digits."""

    data: list[dict[str, Any]]
    meta: ResultMeta

    @classmethod
    def of(cls, found: analyses.Result, query: PageQuery) -> ResultPage:
        summary = found.summary
        return cls(
            data=found.items,
            meta=ResultMeta(
                total=summary.rows,
                limit=query.limit,
                offset=query.offset,
                columns=[ResultColumn(name=name, type=kind) for name, kind in summary.columns.items()],
                groups_total=summary.groups_total,
                truncated=summary.truncated,
                rows_scanned=summary.rows_scanned,
                data_version=summary.dataset_version,
                completed_at=clock.iso(found.ran),
            ),
        )


def _last_result(analysis: analyses.Analysis, ran: int) -> LastResult:
    return LastResult(
        rows=analysis.rows or 0,
        groups_total=analysis.groups_total or 0,
        truncated=bool(analysis.truncated),
        rows_scanned=analysis.rows_scanned or 0,
        data_version=analysis.dataset_version or 0,
        completed_at=clock.iso(ran),
    )
