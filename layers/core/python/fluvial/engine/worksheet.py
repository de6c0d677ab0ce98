"""Worksheets of an XLSX file, written row by row in memory that does not grow.

A worksheet's numbers are 64-bit floats that keep 15 digits, so what has more is written as text. A text is never a
formula or a link here, whatever it starts with. Empty strings and nulls are both empty cells: XLSX does not tell them
apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from pathlib import Path

from xlsxwriter import Workbook

from fluvial.query_values import is_decimal, scale

# What Excel can hold, https://support.microsoft.com/office/1672b34d-7043-467e-8e27-269d656771c3
MAX_CELL_CHARACTERS = 32_767
MAX_NAME_CHARACTERS = 31
EXACT_DIGITS = 15
WHOLE_BELOW: int = 10**EXACT_DIGITS
# Excel takes 1900 for a leap year, so that days are right from March on.
FIRST_DAY = date(1900, 3, 1)
_NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\\x00-\x1f]")
_MILLISECOND = 1_000  # microseconds

Value = int | float | Decimal | bool | date | datetime | str | None


def new_book(file: Path) -> Workbook:
    """An empty file; it is written when it is closed."""
    options = {
        "constant_memory": True,
        "tmpdir": str(file.parent),
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    book = Workbook(str(file), options)
    book.use_zip64()
    return book


class Worksheet:
    """One sheet of a book: the names of the columns, then the rows as they are added."""

    def __init__(
        self,
        book: Workbook,
        title: str,
        types: Sequence[str],
        names: Sequence[str],
        number_formats: Sequence[str | None] | None = None,
    ) -> None:
        """`number_formats` are those of columns that have one of their own, in Excel's notation."""
        self._book = book
        self.sheet = book.add_worksheet(sheet_name(title))
        self._names = list(names)
        given = number_formats or [None] * len(types)
        self._formats = [self._format(type_, own) for type_, own in zip(types, given, strict=True)]
        self._row = 0
        for at, name in enumerate(names):
            self.sheet.write_string(0, at, name[:MAX_CELL_CHARACTERS])

    def add(self, values: Sequence[Value], texts: Sequence[str | None]) -> str | None:
        """Writes a row of typed values; a sentence where a cell does not fit into a worksheet.

        `texts` has the source's text of floats and times, which may have to stand for them.
        """
        self._row += 1
        for at, value in enumerate(values):
            if value is None:
                continue
            if isinstance(value, str):
                text = value
            elif isinstance(value, bool):
                self.sheet.write_boolean(self._row, at, value)
                continue
            elif isinstance(value, date):
                if _has_day(value):
                    self.sheet.write_datetime(self._row, at, value, self._formats[at])
                    continue
                text = texts[at] or str(value)
            else:
                if _exact(value):
                    self.sheet.write_number(self._row, at, value, self._formats[at])
                    continue
                text = texts[at] or str(value)
            if len(text) > MAX_CELL_CHARACTERS // 2 and _units(text) > MAX_CELL_CHARACTERS:
                return (
                    f"Row {self._row} has a text of {_units(text)} characters in the column {self._names[at]!r}, and a "
                    f"worksheet's cell holds {MAX_CELL_CHARACTERS}: leave the column out, or export CSV."
                )
            self.sheet.write_string(self._row, at, text)
        return None

    def _format(self, type_: str, own: str | None) -> object:
        if own is not None:
            return self._book.add_format({"num_format": own})
        if type_ == "date":
            return self._book.add_format({"num_format": "yyyy-mm-dd"})
        if type_ == "timestamp":
            return self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"})
        if is_decimal(type_) and scale(type_):
            return self._book.add_format({"num_format": "0." + "0" * min(scale(type_), EXACT_DIGITS)})
        return None


def sheet_name(title: str) -> str:
    """The title as Excel takes a sheet's name; "Data" where nothing is left of it."""
    stem = title.rsplit(".", 1)[0] or title
    name = _NOT_IN_NAMES.sub(" ", stem)
    while _units(name) > MAX_NAME_CHARACTERS:
        name = name[:-1]
    name = name.strip().strip("'").strip()
    # Excel keeps this one for itself.
    return name if name and name.lower() != "history" else "Data"


def _units(text: str) -> int:
    """The length of a text as Excel counts it: in units of UTF-16."""
    return len(text) + sum(character > "\uffff" for character in text)


def _exact(value: int | float | Decimal) -> bool:
    """Whether a number has no more digits than a worksheet keeps."""
    if isinstance(value, int):
        return -WHOLE_BELOW < value < WHOLE_BELOW
    if isinstance(value, float):
        return isfinite(value) and float(f"{value:.{EXACT_DIGITS}g}") == value
    _, digits, _ = value.as_tuple()
    return len(digits) <= EXACT_DIGITS


def _has_day(value: date) -> bool:
    if isinstance(value, datetime):
        return value.date() >= FIRST_DAY and value.microsecond % _MILLISECOND == 0 and value.tzinfo is None
    return value >= FIRST_DAY
