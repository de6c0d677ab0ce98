"""Charts of a report: from a section and its result to a drawing, what it leaves out, and its data as a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fluvial.number_formats import NumberFormat, exact, spelled
from fluvial.report_charts import ROUND
from fluvial.report_data import Cell, Result
from fluvial.report_render import cells, chart_data, svg, vega
from fluvial.report_render.chart_data import ChartData, NotDrawableError
from fluvial.report_sections import ChartSection


@dataclass(slots=True)
class Figure:
    """`drawing` is SVG, None where there is nothing to draw: then the last of the notes says why."""

    drawing: str | None
    notes: list[str] = field(default_factory=list)


def of(section: ChartSection, result: Result, *, prefix: str, words: dict[str, str], language: str) -> Figure:
    if not result.rows:
        return Figure(None, [words["no_data"]])
    drawer = _Drawer(section, result, words, language)
    try:
        spec, notes = drawer.scatter() if section.chart.type == "scatter" else drawer.other()
    except NotDrawableError as error:
        return Figure(None, [words[error.word]])
    said = [words[word].format(**numbers) for word, numbers in notes]
    return Figure(None if spec is None else svg.draw(spec, prefix), said)


class _Drawer:
    def __init__(self, section: ChartSection, result: Result, words: dict[str, str], language: str) -> None:
        self._chart, self._result, self._width = section.chart, result, section.width
        self._words, self._language = words, language
        self._buckets = cells.buckets(section.question.query)

    def scatter(self) -> tuple[dict[str, Any] | None, list[chart_data.Note]]:
        data = chart_data.points(self._chart, self._result)
        if not data.series:
            return None, data.notes
        names = [self._label(name, self._chart.series) for name, _ in data.series]
        return vega.scatter(self._chart, data, names, width=self._width, language=self._language), data.notes

    def other(self) -> tuple[dict[str, Any] | None, list[chart_data.Note]]:
        data = chart_data.of(self._chart, self._result)
        if all(value is None for each in data.series for value in each.values):
            return None, data.notes
        texts = self._slices(data) if self._chart.type in ROUND else self._texts(data)
        spec = vega.of(self._chart, data, texts, width=self._width, language=self._language)
        return spec, data.notes

    def _texts(self, data: ChartData) -> vega.Texts:
        names = [self._label(each.name, self._chart.series) for each in data.series]
        labels = [self._label(each, self._chart.dimension) for each in data.labels]
        if not self._chart.labels:
            return vega.Texts(labels, names)
        values = [["" if value is None else self._number(value) for value in each.values] for each in data.series]
        return vega.Texts(labels, names, values)

    def _slices(self, data: ChartData) -> vega.Texts:
        """Slices are named with their numbers and shares, as nobody reads either off an angle."""
        values = [value for value in data.series[0].values if value is not None]
        whole = chart_data.total(values)
        labels = [self._label(each, self._chart.dimension) for each in data.labels]
        if data.folded:
            labels[-1] = self._words["other"]
        share = NumberFormat(decimals=1, percent=True)
        names = [
            f"{label} · {self._number(value)} · {spelled(exact(value) / whole, share, self._language)}"
            for label, value in zip(labels, values, strict=True)
        ]
        return vega.Texts(labels, names, centre=self._number(whole))

    def _number(self, value: Any) -> str:
        return spelled(value, self._chart.format or NumberFormat(), self._language)

    def _label(self, value: Cell, column: str | None) -> str:
        if value is None:
            return self._words["none"]
        return cells.text(value, None, self._language, self._buckets.get(column or ""))
