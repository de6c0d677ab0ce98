"""What was computed for a report: typed columns and their rows, with where they come from. Pure.

Values are spelled as rows are in JSON: integers are whole numbers, decimals text with their digits, floats numbers or
NaN, Infinity and -Infinity, dates and times text, null is None.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Any

from fluvial import report_charts
from fluvial.chart_queries import ChartQuery
from fluvial.number_formats import NOT_FINITE
from fluvial.query_values import is_decimal
from fluvial.report_sections import Question, Report, Source

Cell = int | float | Decimal | bool | str | None


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to a question. `types` are those of the columns, by name and in order.

    `total` counts the rows that there would be without the query's limit, `rows_scanned` those of the source.
    `left_out` is of a chart's answer: labels or series, how many of them it has, and of how many.
    """

    source: Source
    source_name: str
    version: int
    types: Mapping[str, str]
    rows: Sequence[Sequence[Cell]]
    total: int
    rows_scanned: int
    left_out: tuple[tuple[str, int, int], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.types)

    def column(self, name: str) -> list[Cell]:
        at = self.names.index(name)
        return [row[at] for row in self.rows]

    def to_json(self) -> dict[str, Any]:
        """The result as `from_json` reads it, and as it is hashed."""
        return {
            "source": [self.source.kind, self.source.id],
            "source_name": self.source_name,
            "version": self.version,
            "types": list(self.types.items()),
            "rows": [[_written(cell) for cell in row] for row in self.rows],
            "total": self.total,
            "rows_scanned": self.rows_scanned,
            "left_out": [list(each) for each in self.left_out],
        }


def from_json(given: Mapping[str, Any]) -> Result:
    """The result that `to_json` wrote."""
    kind, id_ = given["source"]
    types = dict(given["types"])
    return Result(
        Source(kind, id_),
        given["source_name"],
        given["version"],
        types,
        typed(given["rows"], list(types.values())),
        given["total"],
        given["rows_scanned"],
        tuple((word, kept, whole) for word, kept, whole in given["left_out"]),
    )


def of_chart(question: Question, source_name: str, types: Mapping[str, str], answer: Mapping[str, Any]) -> Result:
    """The result that an answer to a question of `chart_queries` is: a row for each label and series.

    `types` are those of the source's columns, `answer` is the answer's JSON.
    """
    query = question.query
    assert isinstance(query, ChartQuery)
    rest = answer["otherLabel"]
    labels = [_rest(answer["labels"]) if at == rest else label for at, label in enumerate(answer["labels"])]
    series: dict[str, list[Any]] = {}
    for each in answer["series"]:
        group = _rest([one["group"] for one in answer["series"]]) if each["other"] else each["group"]
        series.setdefault(json.dumps([group, each["other"]]), [group]).append(each["data"])
    rows = [
        (label, *([group] if query.series is not None else []), *(data[at] for data in measured))
        for at, label in enumerate(labels)
        for group, *measured in series.values()
    ]
    found = report_charts.types_of(query, types)
    exact = typed(
        rows, [type_ if at >= len(found) - len(query.measures) else "" for at, type_ in enumerate(found.values())]
    )
    return Result(
        question.source,
        source_name,
        answer["version"],
        found,
        exact,
        len(rows),
        answer["rowsScanned"],
        _left_out(answer, len(labels), len(series)),
    )


def _rest(taken: Sequence[Any]) -> str:
    """What stands for all the others, and for none that is there."""
    name = "Other"
    while taken.count(name) > (taken[-1] == name):
        name += " …"
    return name


def _left_out(answer: Mapping[str, Any], labels: int, series: int) -> tuple[tuple[str, int, int], ...]:
    found = []
    if answer["otherLabel"] is None and answer["totalGroups"] > labels:
        found.append(("labels_left_out", labels, answer["totalGroups"]))
    if answer["totalSeries"] is not None and answer["totalSeries"] > series and answer["truncated"]:
        found.append(("series_left_out", series, answer["totalSeries"]))
    return tuple(found)


def typed(rows: Sequence[Sequence[Any]], types: Sequence[str]) -> list[tuple[Cell, ...]]:
    """Rows of JSON values as exact ones: decimals and floats as what they are."""
    return [tuple(_typed(cell, type_) for cell, type_ in zip(row, types, strict=True)) for row in rows]


def digest(report: Report, results: Mapping[str, Result]) -> str:
    """SHA-256 of what a report says: definition, values and data. Made again of the same, it is the same."""
    says = {
        "definition": report.given,
        "values": {parameter.name: value for parameter, value in report.values},
        "data": {key: results[key].to_json() for key in report.questions()},
    }
    text = json.dumps(says, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _typed(cell: Any, type_: str) -> Cell:
    if cell is None:
        return None
    if is_decimal(type_):
        return Decimal(cell if isinstance(cell, str) else repr(cell))
    if type_ == "float":
        return float(cell)
    found: Cell = cell
    return found


def _written(cell: Cell) -> Any:
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    if isinstance(cell, float) and not isfinite(cell):
        return NOT_FINITE[str(cell)]
    return cell
