"""The shapes of the chart data group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, WithJsonSchema

from flarelight.wire import described
from flarelight.wire.common import IMPORT, PREPARATION, Answer, IdText, Message, Request, Shape
from fluvial import reports
from fluvial.caller import Caller
from fluvial.errors import ConflictError, InvalidError
from fluvial.http.wire import WHOLE

if TYPE_CHECKING:
    from fluvial.engine.chart_data import Chart

# What the core reads and words the refusals of; the document has the shape alone.
Dimension = Annotated[Any, WithJsonSchema(described.DIMENSION)]
SeriesBy = Annotated[Any, WithJsonSchema(described.or_null(described.SERIES))]
Measures = Annotated[Any, WithJsonSchema(described.MEASURES)]
Filters = Annotated[Any, WithJsonSchema(described.or_null(described.FILTERS))]
SortBy = Annotated[Any, WithJsonSchema(described.or_null(described.CHART_SORT))]
Limit = Annotated[Any, WithJsonSchema(described.or_null(described.LABELS))]
Truth = Annotated[Any, WithJsonSchema(described.or_null(described.TRUTH))]


class ChartQuestion(Request):
    """Of an import or a preparation: labels along `dimension`, and `measures` of the rows of each.

    `series` is a second dimension. `other` adds one label for the rest of them, or of the series one.
    """

    import_id: IdText | None = None
    preparation_id: IdText | None = None
    version: Annotated[int | None, Field(ge=1, le=2**31), WHOLE] = None
    dimension: Dimension = None
    series: SeriesBy = None
    measures: Measures = None
    filters: Filters = None
    sort: SortBy = None
    limit: Limit = None
    other: Truth = None

    def to_core(self) -> dict[str, Any]:
        """The question alone, as `chart_queries` reads it."""
        asked = ("dimension", "series", "measures", "filters", "sort", "limit", "other")
        return {name: getattr(self, name) for name in asked}

    def source(self, caller: Caller) -> int:
        """The dataset that is asked; ConflictError for a preparation that has made none."""
        if (self.import_id is None) == (self.preparation_id is None):
            allowed = "importId or preparationId"
            raise InvalidError("importId", "Say either 'importId' or 'preparationId'.", value=None, constraint=allowed)
        if self.import_id is not None:
            return IMPORT.parse(self.import_id, field="importId")
        number = PREPARATION.parse(self.preparation_id or "", field="preparationId")
        found = reports.output_of(caller, number, field="preparationId")
        if found is None:
            raise ConflictError("The preparation has no result: execute it first.", field="preparationId")
        return found.id


class Series(Shape):
    """A measure for each label. `group` is the value of the second dimension; `other` stands for all other groups."""

    name: str
    data: list[Any]
    measure: str
    group: Any
    other: bool


class ChartData(Shape):
    """`otherLabel` is the position of the label of the rest. All is exact: decimals are text with their digits."""

    labels: list[Any]
    series: list[Series]
    rows_scanned: int
    total_groups: int
    total_series: int | None
    truncated: bool
    other_label: int | None
    version: int


class ChartDataAnswer(Answer):
    data: ChartData

    @classmethod
    def of_core(cls, chart: Chart, version: int) -> ChartDataAnswer:
        data = ChartData.model_validate(chart.to_json(version), by_alias=True)
        if not chart.truncated:
            return cls.of(data)
        text = "Some groups are in no number of the answer: raise a limit, or ask for the rest with 'other'."
        return cls.of(data, Message(code="TRUNCATED", message=text))
