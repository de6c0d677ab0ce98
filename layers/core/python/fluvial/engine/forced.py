"""Columns whose type the caller said: each cell is a value of that type, or its record is rejected.

The gate stands before the loader. It looks at every cleaned part and hands on what holds, so that a rejected record
has no say in what the other columns are. What a forced type accepts is written down in docs/data-model.md.
"""

# The SQL here is made of our own numbers, quoted identifiers and quoted literals.
# ruff: noqa: S608

from __future__ import annotations

import json
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from pathlib import Path
from typing import Any

import duckdb

from fluvial.engine.options import Options
from fluvial.engine.tables import CleanPart, LineIndex, Rejects, encoded_cell
from fluvial.engine.temporal import forced_date, forced_moment, forced_time, formats_of, temporal_type
from fluvial.engine.types import (
    DECIMAL_COMMA,
    SHORT_FLOAT,
    TRUTH_WORDS,
    Candidate,
    Decision,
    decimal_shape,
    shown,
    sql_text,
)
from fluvial.errors import InvalidError

TEMPORAL = ("date", "timestamp", "timestamp_tz", "time")
TRUE, FALSE = ("true", "t", "yes", "y", "on", "1"), ("false", "f", "no", "n", "off", "0")
_MOST_NAMES = 20


@dataclass(frozen=True)
class Forced:
    """A type that the caller gave a column; `comma`: a decimal comma is read as well."""

    type: str
    date_order: str | None = None
    comma: bool = False

    def sql_value(self, cell: str) -> str:
        """SQL for the typed value of the text expression `cell`, NULL where it is no such value."""
        if self.type == "text":
            return cell
        if self.type == "integer":
            return f"(CASE WHEN regexp_full_match({cell}, '[+-]?[0-9]+') THEN TRY_CAST({cell} AS BIGINT) END)"
        if self.type == "boolean":
            yes, no = (", ".join(f"'{word}'" for word in words) for words in (TRUE, FALSE))
            return f"(CASE WHEN lower({cell}) IN ({yes}) THEN true WHEN lower({cell}) IN ({no}) THEN false END)"
        if self.type == "date":
            return forced_date(cell, self.date_order)
        if self.type == "time":
            return forced_time(cell)
        if self.type in TEMPORAL:
            return forced_moment(cell, self.date_order, zoned=self.type == "timestamp_tz")
        point = "[.,]" if self.comma else "[.]"
        number = f"replace({cell}, ',', '.')" if self.comma else cell
        if self.type == "float":
            spelling = f"[+-]?([0-9]+({point}[0-9]*)?|{point}[0-9]+)([eE][+-]?[0-9]+)?"
            value = f"TRY_CAST({number} AS DOUBLE)"
            return f"(CASE WHEN regexp_full_match({cell}, '{spelling}') AND isfinite({value}) THEN {value} END)"
        scale = decimal_shape(self.type)[1]
        behind = f"{point}[0-9]{{1,{scale}}}"
        spelling = f"[+-]?([0-9]+({behind})?|{behind})" if scale else "[+-]?[0-9]+"
        return f"(CASE WHEN regexp_full_match({cell}, '{spelling}') THEN TRY_CAST({number} AS {self.type}) END)"

    def sql_fails(self, cell: str) -> str:
        return f"({cell} <> '' AND {self.sql_value(cell)} IS NULL)"

    def format_of(self, first: str, *, seconds: bool, fraction: int) -> str | None:
        """The format to write values in: the first cell's, unless others have more digits than it shows."""
        if self.type == "float":
            return None if set(first) & set(".,eE") else SHORT_FLOAT
        if self.type.startswith("decimal"):
            return DECIMAL_COMMA if self.comma and "," in first else None
        if self.type == "boolean":
            return next((f"{yes}/{no}" for yes, no in TRUTH_WORDS if first in (yes, no)), "true/false")
        if self.type not in TEMPORAL:
            return None
        for found in formats_of(first):
            shows = ("%S" in found or not seconds) and (not fraction or f".%{fraction}f" in found)
            last = found.lstrip("%-")[:1] in ("d", "m") and "%b" not in found
            ordered = not last or found.lstrip("%-").startswith("d" if self.date_order == "dmy" else "m")
            if temporal_type(found) == self.type and ordered and (shows or self.type == "date"):
                return found
        clock = "%H:%M:%S" + (f".%{fraction}f" if fraction else "")
        zone = "Z" if self.type == "timestamp_tz" else ""
        return {"date": "%Y-%m-%d", "time": clock}.get(self.type, f"%Y-%m-%dT{clock}{zone}")


def forced_columns(names: Sequence[str], options: Options, *, comma: bool) -> dict[int, Forced]:
    """The forced types by place; raises InvalidError that names the columns there are for one that is not there."""
    places = {name: at for at, name in enumerate(names)}
    for name in options.types:
        if name not in places:
            listed = ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
            raise InvalidError(
                f"options.types.{name}",
                f"The file has no column {shown(name)}; its columns are {listed}.",
                value=name,
                constraint=listed,
            )
    return {places[name]: Forced(type_, options.date_order, comma) for name, type_ in options.types.items()}


class Gate:
    """Takes the records that do not fit the forced types out of the cleaned parts, and rejects them."""

    def __init__(self, columns: Mapping[int, Forced], names: Sequence[str], lines: LineIndex, directory: Path) -> None:
        self.columns, self.names = dict(columns), names
        self.rejects = Rejects(directory / "rejects-of-types.ndjson")
        self.dropped = array("q")
        self._lines, self._directory = lines, directory

    def passed(self, connection: duckdb.DuckDBPyConnection, part: CleanPart, source: str) -> CleanPart | None:
        """The part without the records that fail; None if none is left. `source` is SQL for its numbered rows (r)."""
        tests = [self.columns[at].sql_fails(f"c{at}") for at in self.columns]
        fails = " OR ".join(tests)
        cells = ", ".join(f"c{at}" for at in range(part.width))
        bad = connection.execute(f"SELECT r, {cells}, {', '.join(tests)} FROM {source} WHERE {fails} ORDER BY r")
        before = len(self.dropped)
        while rows := bad.fetchmany(1000):
            for row in rows:
                self._reject(part, row[0], row[1 : part.width + 1], row[part.width + 1 :])
        lost = len(self.dropped) - before
        shifted = replace(part, first_row=part.first_row - before, rows=part.rows - lost)
        if not lost or not shifted.rows:
            return shifted if shifted.rows else None
        path = self._directory / f"kept-{part.path.name}"
        connection.execute(
            f"COPY (SELECT {cells} FROM {source} WHERE NOT coalesce({fails}, false) ORDER BY r) TO '{path}' "
            f"(FORMAT csv, HEADER true, DELIMITER '{part.delimiter}', QUOTE '\"', ESCAPE '\"', NULLSTR '')"
        )
        part.path.unlink()
        return replace(shifted, path=path)

    def line(self, row: int) -> int | None:
        """The line of a 1-based row of those that are left."""
        clean = row
        while (found := row + bisect_right(self.dropped, clean)) != clean:
            clean = found
        return self._lines.line(clean)

    def _reject(self, part: CleanPart, row: int, cells: Sequence[str | None], failed: Sequence[bool | None]) -> None:
        at = next(at for at, one in zip(self.columns, failed, strict=True) if one)
        forced, cell = self.columns[at], cells[at] or ""
        cause = f"{shown(cell)} is no {forced.type}, which the caller said {shown(self.names[at])} is"
        if forced.type in ("date", "timestamp", "timestamp_tz") and forced.date_order in (None, "ymd"):
            cause += "; for day and month first, say date_order dmy or mdy" if formats_of(cell) else ""
        delimiter = part.delimiter.encode()
        raw = delimiter.join(encoded_cell((one or "").encode(), one is not None, delimiter) for one in cells)
        shown_raw = raw.replace(delimiter, b",") if part.delimiter == "\x1f" else raw
        self.rejects.add(self._lines.line(row), at + 1, cause, shown_raw)
        self.dropped.append(row)

    def decision(self, at: int) -> Decision:
        """The type of a forced column, before its cells were counted."""
        return Decision(Candidate(self.columns[at].type), "", settled=True)

    def concluded(
        self, at: int, facts: tuple[str | None, bool | None, int | None], altered: Callable[[str], int]
    ) -> Decision:
        """The type with its format, of the first cell, whether some have seconds, and their longest fraction.

        `altered` counts the cells for which an SQL condition holds.
        """
        forced = self.columns[at]
        reason = f"the caller said {forced.type}"
        if forced.type == "text":
            return Decision(None, reason, settled=True)
        first, seconds, fraction = facts
        format_ = None
        # Dates and times have one, though there be no cell to read it off.
        if first or forced.type in TEMPORAL:
            format_ = forced.format_of(first or "", seconds=bool(seconds), fraction=fraction or 0)
        cell = f"c{at}"
        count = altered(f"{cell} <> '' AND {sql_text(forced.sql_value(cell), forced.type, format_)} <> {cell}")
        if count:
            reason += f"; cells that were written in another way, and are normalised: {count}"
        return Decision(Candidate(forced.type, format_), reason, settled=True)


def facts_of(at: int) -> str:
    """SQL for what `concluded` needs of a column, from numbered rows."""
    cell = f"c{at}"
    return (
        f"arg_min({cell}, r) FILTER ({cell} <> ''), "
        f"bool_or(regexp_matches({cell}, ':[0-9]{{2}}:[0-9]{{2}}')), "
        f"max(length(regexp_extract({cell}, ':[0-9]{{2}}[.]([0-9]{{1,6}})', 1)))"
    )


def merged(rejects: Rejects, others: Rejects) -> None:
    """Add the others to the first, in the order of lines; both are in that order already."""
    rejects.close()
    others.close()
    if not others.count:
        return
    if rejects.count:
        both = rejects.path.with_suffix(".merged")
        with both.open("wb") as file:
            file.writelines(merge(_lines(rejects.path), _lines(others.path), key=_line))
        both.replace(rejects.path)
    else:
        others.path.replace(rejects.path)
        rejects.first = others.first
    rejects.count += others.count


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def _line(record: Any) -> int:
    return int(json.loads(record)["line"] or 0)
