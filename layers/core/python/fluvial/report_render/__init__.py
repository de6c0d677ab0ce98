"""A generated report as files: a page, a PDF, a workbook, and its tables as CSV. Pure, and the same bytes each time.

    report + results ── view ──┬── html           report.html    charts by Vega (`figures`, `vega`, `svg`)
                               ├── pdf            report.pdf     set by Typst
                               └── spreadsheets   report.xlsx, tables/01-by-shop.csv, …

What people wrote is hostile until proven otherwise: Markdown becomes a tree (`markdown`), Jinja escapes, Typst gets
data, Vega gets data, drawings are checked, cells are never formulas. Whoever imports this needs the reports layer; it
needs no DuckDB, for everything is computed already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fluvial.report_data import Result
from fluvial.report_render import html, pdf, spreadsheets, view
from fluvial.report_sections import Report

FORMATS = ("html", "pdf", "xlsx", "csv")


@dataclass(frozen=True, slots=True)
class File:
    """A file of a report, by the path that it has below the report's place."""

    path: str
    content_type: str
    content: bytes


def render(
    report: Report, results: Mapping[str, Result], *, made: int, formats: Sequence[str] = FORMATS
) -> Iterator[File]:
    """The files, one at a time. `results` are by the keys of `report.questions()`; `made` is when, in milliseconds.

    SheetError for a table that fits into no worksheet.
    """
    shown = view.of(report, results, made)
    tables = spreadsheets.tables(report, results)
    if "html" in formats:
        yield File("report.html", "text/html; charset=utf-8", html.page(shown))
    if "pdf" in formats:
        yield File("report.pdf", "application/pdf", pdf.document(shown, made))
    if "xlsx" in formats:
        sheets = [*tables, *spreadsheets.charts(report, results)]
        content = spreadsheets.as_xlsx(shown, sheets, made)
        yield File("report.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", content)
    if "csv" in formats:
        for at, table in enumerate(tables):
            yield File(
                f"tables/{spreadsheets.csv_name(table, at)}", "text/csv; charset=utf-8", spreadsheets.as_csv(table)
            )
