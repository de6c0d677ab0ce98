"""Tables of a report as files: CSV, and one workbook with a sheet for each. They have all rows that were computed.

A text never becomes a formula. CSV knows no types, so there a text that a spreadsheet would take for a formula begins
with an apostrophe, as exports write it that neutralise formulas; in a workbook it is a text as it stands.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from pathlib import Path

from xlsxwriter import Workbook

from fluvial import number_formats, slugs
from fluvial.engine.worksheet import MAX_NAME_CHARACTERS, Value, Worksheet, new_book, sheet_name
from fluvial.query_values import is_decimal, scale
from fluvial.report_charts import is_number
from fluvial.report_data import Cell, Result
from fluvial.report_render import words
from fluvial.report_render.view import View
from fluvial.report_sections import ChartSection, Report, ShownColumn, TableSection

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the start of a formula, https://owasp.org/www-community/attacks/CSV_Injection."""

MAX_NAME_LENGTH = 50
HEADER_HEIGHT = 20
MAX_WIDTH, MIN_WIDTH = 60, 9
WIDTH_ROWS = 200  # so many are looked at for the width of a column


class SheetError(Exception):
    """A cell that fits into no worksheet; `str(error)` is a sentence for its owner."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a report, or the data of a chart, with all its rows."""

    title: str
    columns: tuple[ShownColumn, ...]
    result: Result

    def rows(self) -> Iterator[list[Cell]]:
        places = [self.result.names.index(each.column) for each in self.columns]
        return ([row[at] for at in places] for row in self.result.rows)

    @property
    def types(self) -> list[str]:
        return [self.result.types[each.column] for each in self.columns]


def tables(report: Report, results: Mapping[str, Result]) -> list[Table]:
    """The tables in the order of the report; those without a title are numbered."""
    word = words.of(report.language)["table"]
    found = [each for each in report.sections if isinstance(each, TableSection)]
    return [
        Table(each.title or f"{word} {at + 1}", each.columns, results[each.question.key])
        for at, each in enumerate(found)
    ]


def charts(report: Report, results: Mapping[str, Result]) -> list[Table]:
    """The data of the charts, as they are drawn of it."""
    word = words.of(report.language)["chart"]
    found = [each for each in report.sections if isinstance(each, ChartSection)]
    return [
        Table(
            each.title or f"{word} {at + 1}", _columns_of(each, results[each.question.key]), results[each.question.key]
        )
        for at, each in enumerate(found)
    ]


def csv_name(table: Table, at: int) -> str:
    return f"{at + 1:02}-{slugs.of(table.title, 'table')[:MAX_NAME_LENGTH].rstrip('-')}.csv"


def as_csv(table: Table) -> bytes:
    """All rows with all digits; null is nothing, the empty text is "". In UTF-8 with the mark that Excel wants."""
    types = table.types
    lines = [",".join(_quoted(_neutral(each.label)) for each in table.columns)]
    lines += [",".join(_csv_cell(cell, type_) for cell, type_ in zip(row, types, strict=True)) for row in table.rows()]
    return "".join(f"{line}\n" for line in lines).encode("utf-8-sig")


def as_xlsx(view: View, sheets: Sequence[Table], made: int) -> bytes:
    """A workbook: first what the report is, then a sheet for each table. SheetError for a cell that fits into none."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "report.xlsx")
        with closing(new_book(file)) as book:
            book.set_properties({"title": view["title"], "created": datetime.fromtimestamp(made / 1000, UTC)})
            names = [view["words"]["about"]]
            _about(Worksheet(book, names[0], [], []), view)
            for table in sheets:
                names.append(_free_name(table.title, names))
                labels = [each.label for each in table.columns]
                _fill(Worksheet(book, names[-1], table.types, labels, _formats(table)), table, book)
        return file.read_bytes()


def _columns_of(section: ChartSection, result: Result) -> tuple[ShownColumn, ...]:
    return tuple(
        ShownColumn(name, name, section.chart.format if is_number(result.types[name]) else None)
        for name in section.chart.columns
    )


def _about(sheet: Worksheet, view: View) -> None:
    """The facts of the report in rows of two or more cells."""
    spelled = view["words"]
    lines: list[list[str]] = [[view["title"]], *([[view["subtitle"]]] if view["subtitle"] else [])]
    lines += [[spelled["generated"], view["made"]], [spelled["digest"], view["digest"]], []]
    lines += [[each["label"], each["value"]] for each in view["parameters"]]
    lines += [[], [spelled["sources"], spelled["source"], spelled["version"], spelled["rows_read"]]]
    lines += [[each["name"], each["id"], each["version"], each["rows_read"]] for each in view["sources"]]
    for at, line in enumerate(lines):
        for column, text in enumerate(line):
            sheet.sheet.write_string(at, column, text)
    sheet.sheet.set_column(0, 0, 30)
    sheet.sheet.set_column(1, 3, 24)


def _fill(sheet: Worksheet, table: Table, book: Workbook) -> None:
    """All rows; the header stays in sight, and columns are as wide as what is in them."""
    sheet.sheet.set_row(0, HEADER_HEIGHT, book.add_format({"bold": True, "bottom": 1, "valign": "vcenter"}))
    sheet.sheet.freeze_panes(1, 0)
    for at, width in enumerate(_widths(table)):
        sheet.sheet.set_column(at, at, width)
    types = table.types
    count = 0
    for row in table.rows():
        values = [_value(cell, type_) for cell, type_ in zip(row, types, strict=True)]
        texts = [None if cell is None else _digits(cell) for cell in row]
        if problem := sheet.add(values, texts):
            raise SheetError(problem)
        count += 1
    if table.columns:
        sheet.sheet.autofilter(0, 0, count, len(table.columns) - 1)


def _value(cell: Cell, type_: str) -> Value:
    """A cell as a worksheet holds it; a date or a time that it cannot hold stays text."""
    if isinstance(cell, str) and type_ in ("date", "timestamp"):
        try:
            return date.fromisoformat(cell) if type_ == "date" else datetime.fromisoformat(cell)
        except ValueError:
            return cell
    return cell


def _formats(table: Table) -> list[str | None]:
    """Of each number with a format of the report, or of any number: one in which digits are grouped as it says."""
    return [
        number_formats.excel(each.format, _places(type_)) if each.format is not None and is_number(type_) else None
        for each, type_ in zip(table.columns, table.types, strict=True)
    ]


def _places(type_: str) -> int | None:
    """Digits after the point, where the type has so many; None of floats."""
    if type_ == "integer":
        return 0
    return scale(type_) if is_decimal(type_) else None


def _widths(table: Table) -> list[int]:
    longest = [len(each.label) for each in table.columns]
    for _, row in zip(range(WIDTH_ROWS), table.rows(), strict=False):
        longest = [max(most, len(str(cell))) for most, cell in zip(longest, row, strict=True)]
    return [min(max(each + 4, MIN_WIDTH), MAX_WIDTH) for each in longest]


def _free_name(title: str, taken: Sequence[str]) -> str:
    """The sheet's name, numbered if Excel would take it for another's."""
    name, number = sheet_name(title), 1
    lower = {each.lower() for each in taken}
    found = name
    while found.lower() in lower:
        number += 1
        found = f"{name[: MAX_NAME_CHARACTERS - len(str(number)) - 1]} {number}"
    return found


def _csv_cell(cell: Cell, type_: str) -> str:
    if cell is None:
        return ""
    return _quoted(_neutral(cell) if isinstance(cell, str) and type_ == "text" else _digits(cell))


def _quoted(text: str) -> str:
    """A cell that is there: the empty text is not nothing."""
    if text and not any(each in text for each in ',"\r\n'):
        return text
    return '"' + text.replace('"', '""') + '"'


def _digits(cell: Cell) -> str:
    """Every digit, as rows have them."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    if isinstance(cell, float) and not isfinite(cell):
        return number_formats.NOT_FINITE[str(cell)]
    return str(cell)


def _neutral(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
