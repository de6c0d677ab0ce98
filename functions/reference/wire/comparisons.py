"""The shapes of comparisons, which belong to the versions group."""

from __future__ import annotations

from typing import Any

from fluvial import clock, comparisons, ids
from fluvial.http.wire import Request, Shape
from reference.wire.common import VersionInBody
from reference.wire.versions import Failure, Names


class ComparisonCreate(Request):
    """Without `key` it is the one that `to_version` was imported by, or the data's own; an empty one is none."""

    from_version: VersionInBody
    to_version: VersionInBody
    key: Names | None = None


class ColumnChanges(Shape):
    """Columns that only one version has, and those whose type differs."""

    added: list[dict[str, str]]
    removed: list[dict[str, str]]
    changed: list[dict[str, str]]


class RowCounts(Shape):
    """In rows. `ambiguous_keys` are keys that several of the rows that differ have in one version."""

    added: int
    removed: int
    changed: int
    unchanged: int
    ambiguous_keys: int


class Difference(Shape):
    """A row that was added, removed or changed; `row_before` and `row_after` are its positions, from 1."""

    change: str
    row_before: int | None
    row_after: int | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Comparison(Shape):
    """`counts`, `differences` and `truncated` are null until it is completed.

    `differences` has the first rows of each kind; `truncated` says that there are more, which `counts` counts.
    """

    id: str
    data_id: str
    from_version: int
    to_version: int
    key: list[str]
    status: str
    job_id: str
    rows_before: int
    rows_after: int
    columns: ColumnChanges
    counts: RowCounts | None
    differences: list[Difference] | None
    truncated: bool | None
    failure: Failure | None
    created_at: str
    updated_at: str
    expires_at: str

    @classmethod
    def from_core(
        cls, comparison: comparisons.Comparison, differences: list[dict[str, Any]] | None = None
    ) -> Comparison:
        return cls(
            id=ids.spell(ids.COMPARISON, comparison.id),
            data_id=ids.spell(ids.DATASET, comparison.dataset),
            from_version=comparison.before,
            to_version=comparison.after,
            key=list(comparison.key),
            status=comparison.status,
            job_id=ids.spell(ids.JOB, comparison.job),
            rows_before=comparison.rows_before,
            rows_after=comparison.rows_after,
            columns=ColumnChanges(**comparison.columns),
            counts=None if comparison.counts is None else RowCounts(**comparison.counts),
            differences=None if differences is None else [Difference(**each) for each in differences],
            truncated=comparison.truncated,
            failure=None if comparison.failure is None else Failure(reason=comparison.failure),
            created_at=clock.iso(comparison.created),
            updated_at=clock.iso(comparison.updated),
            expires_at=clock.iso(comparison.expires),
        )
