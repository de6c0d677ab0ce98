"""What a report shows, as plain values, every text spelled: the HTML and the PDF are two drawings of it.

The templates decide nothing but how it looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from fluvial import report_parameters
from fluvial.number_formats import NumberFormat, exact, spelled
from fluvial.report_charts import is_number
from fluvial.report_data import Cell, Result, digest
from fluvial.report_render import cells, figures, markdown, words
from fluvial.report_sections import ChartSection, KeyFigure, Report, ShownColumn, TableSection, Text

View = dict[str, Any]

CHANGE = NumberFormat(decimals=1, percent=True)
MAX_CHART_TABLE_ROWS = 1_000


def of(report: Report, results: Mapping[str, Result], made: int) -> View:
    """The whole report; `made` is when, in milliseconds. All charts are drawn on the way."""
    viewer = _Viewer(report, results)
    return {
        "title": report.title,
        "subtitle": report.subtitle,
        "language": report.language,
        "words": words.of(report.language),
        "made": datetime.fromtimestamp(made / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "parameters": [
            {"label": parameter.label, "value": report_parameters.shown(value)} for parameter, value in report.values
        ],
        "blocks": viewer.blocks(),
        "sources": viewer.sources(),
        "digest": digest(report, results),
    }


class _Viewer:
    def __init__(self, report: Report, results: Mapping[str, Result]) -> None:
        self._report, self._results = report, results
        self._language = report.language
        self._words = words.of(report.language)
        self._level = 1  # of the last heading: none skips one

    def blocks(self) -> list[View]:
        """The sections in order: key figures that follow each other are one block, and two narrow charts are."""
        found: list[View] = []
        for at, section in enumerate(self._report.sections):
            last: View = found[-1] if found else {"kind": None}
            match section:
                case Text():
                    blocks = markdown.tree(section.text, section.values)
                    self._fit(blocks)
                    found.append({"kind": "text", "blocks": blocks})
                case KeyFigure():
                    if last["kind"] != "figures":
                        found.append(last := {"kind": "figures", "cards": []})
                    last["cards"].append(self._card(section))
                case ChartSection():
                    chart = self._chart(section, at)
                    if chart["narrow"] and last["kind"] == "charts" and len(last["charts"]) == 1 and last["narrow"]:
                        last["charts"].append(chart)
                    else:
                        found.append({"kind": "charts", "charts": [chart], "narrow": chart["narrow"]})
                case TableSection():
                    found.append(self._table(section, at))
        return found

    def sources(self) -> list[View]:
        """Each version of a source once, in the order of the report."""
        found: dict[tuple[str, str, int], View] = {}
        for key in self._report.questions():
            result = self._results[key]
            found.setdefault(
                (result.source.kind, result.source.id, result.version),
                {
                    "name": result.source_name,
                    "id": result.source.id,
                    "version": str(result.version),
                    "rows_read": spelled(result.rows_scanned, NumberFormat(), self._language),
                },
            )
        return list(found.values())

    def _fit(self, blocks: Sequence[View]) -> None:
        for block in blocks:
            if block["kind"] == "heading":
                block["level"] = self._level = min(block["level"], self._level + 1)
            for inner in (block.get("blocks", ()), *block.get("items", ())):
                self._fit(inner)

    def _heading(self, title: str | None) -> int | None:
        """The level of a section's title."""
        if title is None:
            return None
        self._level = 2
        return 2

    def _card(self, section: KeyFigure) -> View:
        result = self._results[section.question.key]
        card: View = {"label": section.label, "value": None, "size": "", "change": None, "note": section.note}
        if not result.rows:
            return {**card, "note": self._words["no_row"]}
        value = result.column(section.value)[0]
        if value is not None:
            card["value"] = cells.text(value, section.format, self._language)
            card["size"] = _size(len(card["value"]))
        if section.compare_with is not None:
            card["change"] = self._change(value, result.column(section.compare_with)[0], section.format)
        return card

    def _change(self, value: Cell, before: Cell, format: NumberFormat | None) -> View | None:
        """The change from one number to the other: in percent of that, where there is one."""
        if not _finite(value) or not _finite(before):
            return None
        now, then = exact(value), exact(before)  # type: ignore[arg-type]
        direction = "up" if now > then else "down" if now < then else "same"
        text = cells.text(before, format, self._language)
        if not then:
            return {"direction": direction, "percent": None, "before": text}
        percent = spelled(((now - then) / abs(then)).copy_abs(), CHANGE, self._language)
        return {"direction": direction, "percent": percent, "before": text}

    def _chart(self, section: ChartSection, at: int) -> View:
        result = self._results[section.question.key]
        figure = figures.of(section, result, prefix=f"chart-{at + 1}", words=self._words, language=self._language)
        columns = tuple(
            ShownColumn(name, name, section.chart.format if is_number(result.types[name]) else None)
            for name in section.chart.columns
        )
        return {
            "level": self._heading(section.title),
            "title": section.title,
            "caption": section.caption,
            "alt": section.title or self._words["chart"],
            "svg": figure.drawing,
            "narrow": section.width == "half",
            "notes": [*figure.notes, *self._limited(result)],
            "table": self._rows(columns, result, cells.buckets(section.question.query), MAX_CHART_TABLE_ROWS),
        }

    def _table(self, section: TableSection, at: int) -> View:
        result = self._results[section.question.key]
        shown = self._rows(section.columns, result, cells.buckets(section.question.query), section.show_rows)
        notes = [shown["note"]] if shown["note"] else []
        if not result.rows:
            notes.append(self._words["no_data"])
        return {
            "kind": "table",
            "level": self._heading(section.title),
            "title": section.title,
            "caption": section.caption,
            "alt": section.title or f"{self._words['table']} {at + 1}",
            "table": shown,
            "notes": [*notes, *self._limited(result)],
        }

    def _rows(self, columns: Sequence[ShownColumn], result: Result, buckets: Mapping[str, str], most: int) -> View:
        """The first rows of a result as texts; None is null. The note says what is left out."""
        places = [(result.names.index(each.column), each.format, buckets.get(each.column)) for each in columns]
        rows = [
            [
                None if row[at] is None else cells.text(row[at], format, self._language, bucket)
                for at, format, bucket in places
            ]
            for row in result.rows[:most]
        ]
        note = None
        if len(result.rows) > most:
            note = self._words["first_rows"].format(shown=self._count(most), rows=self._count(len(result.rows)))
        return {
            "columns": [_column(each, result.types[each.column]) for each in columns],
            "rows": rows,
            "note": note,
        }

    def _limited(self, result: Result) -> list[str]:
        said = [
            self._words[word].format(shown=self._count(kept), all=self._count(whole))
            for word, kept, whole in result.left_out
        ]
        if result.total <= len(result.rows):
            return said
        return [
            *said,
            self._words["limited"].format(rows=self._count(len(result.rows)), total=self._count(result.total)),
        ]

    def _count(self, number: int) -> str:
        return spelled(number, NumberFormat(), self._language)


def _column(column: ShownColumn, type_: str) -> View:
    """`steady` is a column whose cells are never broken."""
    steady = is_number(type_) or type_ in ("date", "time", "timestamp", "timestamp_tz")
    return {"label": column.label, "numeric": is_number(type_), "steady": steady}


def _size(length: int) -> str:
    """How large a figure can be set that has so many characters."""
    return "" if length <= 11 else " long" if length <= 17 else " longest"


def _finite(value: Cell) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool) and exact(value).is_finite()
