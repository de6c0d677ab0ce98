"""The typing rules: a column is more than text only if every cell comes back character by character.

A column's first filled cell names the few candidates it can be (`candidates`). Each further cell can only
strike candidates out, so the outcome on a whole file follows from facts that can be gathered in any order
(`Facts`): where each candidate first failed, and which empties occur. `conclude` turns facts into a decision.
`decide` gathers the facts in plain Python; `load` gathers the same facts in SQL from the same candidates.

Deciding on a prefix is safe where `Decision.settled` holds: more cells can strike out the chosen candidate, but
can never make another one win before it is struck out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from math import isfinite

from fluvial.engine.temporal import format_pattern, formats_of, sql_parse, sql_render, swapped, temporal_type

NULL_WORDS = frozenset({"na", "n/a", "#n/a", "null", "none", "nil", "nan", "-", "--", "?", "\\n", "missing"})
TRUTH_WORDS = (
    ("true", "false"), ("True", "False"), ("TRUE", "FALSE"), ("yes", "no"), ("Yes", "No"), ("YES", "NO"),
)  # fmt: skip
INT64 = range(-(2**63), 2**63)
DECIMAL_COMMA = "decimal comma"
SHORT_FLOAT = "whole numbers without .0"
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.([0-9]+)")
_COMMA = re.compile(r"-?(?:0|[1-9][0-9]*),([0-9]+)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:e[+-][0-9]{2,3})?")

# How DuckDB calls the types of columns, but for decimals.
SQL_TYPES = {
    "integer": "BIGINT",
    "float": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamp_tz": "TIMESTAMPTZ",
    "text": "VARCHAR",
}


@dataclass(frozen=True)
class Style:
    """What a cell alone cannot say: the order of day and month where both fit, and whether a comma is a point.

    A comma is one only where it does not also divide the cells of the file.
    """

    date_order: str | None = None
    decimal_comma: bool = False


PLAIN = Style()


@dataclass(frozen=True)
class Candidate:
    """A type with the one spelling (`format`) that all its cells must have.

    `both` asks for both truth words to occur: a column of nothing but NO is more likely Norway than false.
    """

    type: str
    format: str | None = None
    both: bool = False

    def holds(self, cell: str) -> bool:
        """Whether the cell, read as this type and written again, is the same text."""
        if self.type == "integer":
            return bool(_INTEGER.fullmatch(cell)) and cell != "-0" and len(cell) < 21 and int(cell) in INT64
        if self.type.startswith("decimal"):
            if self.format == DECIMAL_COMMA:
                if not _COMMA.fullmatch(cell):
                    return False
                cell = cell.replace(",", ".")
            return _decimal_holds(cell, *decimal_shape(self.type))
        if self.type == "float":
            return _float_holds(cell, short=self.format is not None)
        if self.type == "boolean":
            return cell in str(self.format).split("/")
        return _temporal_holds(cell, str(self.format))

    def sql_value(self, cell: str) -> str:
        """SQL for the typed value of the text expression `cell`; NULL where it cannot be read."""
        if self.type == "boolean":
            yes, no = str(self.format).split("/")
            return f"(CASE {cell} WHEN '{yes}' THEN true WHEN '{no}' THEN false END)"
        if self.type in ("date", "timestamp", "timestamp_tz", "time"):
            return sql_parse(cell, self.type, str(self.format))
        if self.format == DECIMAL_COMMA:
            # A point would otherwise be read as well, and written back as a comma.
            return f"TRY_CAST(replace(replace({cell}, '.', ' '), ',', '.') AS {self.type})"
        return f"TRY_CAST({cell} AS {SQL_TYPES.get(self.type, self.type)})"

    def sql_holds(self, cell: str, value: str | None = None) -> str:
        """SQL for `holds` on the text expression `cell`; NULL counts as no.

        `value` is a column that has `sql_value` already, so that it is computed once.
        """
        value = value or self.sql_value(cell)
        if self.type == "boolean":
            return f"{value} IS NOT NULL"
        if self.type == "float":
            return _float_sql_holds(cell, value, self.format)
        guard = "true"
        if self.type in ("date", "timestamp", "timestamp_tz", "time"):
            guard = _temporal_guard(cell, str(self.format))
        return f"({guard} AND {sql_text(value, self.type, self.format)} = {cell})"


def _float_sql_holds(cell: str, value: str, format_: str | None) -> str:
    """SQL for `_float_holds`.

    Between these bounds JSON spells a number as a cast does, in a third of the time: by the fewest digits that are
    read as the same number, without an exponent. From 2**50 on, two such spellings can be equally close to a number.
    """
    quick, cast = f"CAST(to_json({value}) AS VARCHAR)", sql_text(value, "float", format_)
    same, zero = f"{quick} = {cell}", "true"
    if format_:
        same = f"({quick} = {cell} || '.0' OR ({same} AND NOT suffix({cell}, '.0')))"
        zero = f"{cell} <> '-0'"
    plain = f"abs({value}) BETWEEN 0.0001 AND 1e15"
    return f"(({plain} AND {same}) OR (isfinite({value}) AND {zero} AND {cast} = {cell}))"


def _temporal_guard(cell: str, format_: str) -> str:
    """SQL that keeps out what only DuckDB reads as a time: 'infinity', 'epoch' and year 0."""
    if format_.startswith("%Y"):
        return f"strlen({cell}) = {_width(format_)} AND {cell} >= '0001'"
    if "%Y" in format_:
        return f"regexp_full_match({cell}, '{format_pattern(format_)}')"
    return f"strlen({cell}) = {_width(format_)}"


def sql_text(value: str, type_: str, format_: str | None) -> str:
    """SQL that writes the typed expression `value` as its source did."""
    if type_ == "boolean":
        yes, no = str(format_ or "true/false").split("/")
        return f"(CASE {value} WHEN true THEN '{yes}' WHEN false THEN '{no}' END)"
    if type_ in ("date", "timestamp", "timestamp_tz", "time"):
        return sql_render(value, type_, str(format_))
    if type_ == "float" and format_ is not None:
        return f"regexp_replace(CAST({value} AS VARCHAR), '\\.0$', '')"
    if format_ == DECIMAL_COMMA:
        return f"replace(CAST({value} AS VARCHAR), '.', ',')"
    return f"CAST({value} AS VARCHAR)"


def decimal_shape(type_: str) -> tuple[int, int]:
    """Precision and scale of `decimal(p,s)`."""
    precision, scale = type_[len("decimal(") : -1].split(",")
    return int(precision), int(scale)


def _decimal_holds(cell: str, precision: int, scale: int) -> bool:
    if len(cell) > precision + 3:
        return False
    found = _DECIMAL.fullmatch(cell) if scale else _INTEGER.fullmatch(cell)
    if found is None or (scale and len(found[1]) != scale):
        return False
    try:
        number = Decimal(cell)
    except InvalidOperation:
        return False
    if number.is_zero() and cell.startswith("-"):
        return False
    return len(number.as_tuple().digits) <= precision


def _float_holds(cell: str, *, short: bool) -> bool:
    if not _FLOAT.fullmatch(cell) or not isfinite(number := float(cell)):
        return False
    text = repr(number)
    if short:
        return text.removesuffix(".0") == cell != "-0"
    return text == cell


@lru_cache(maxsize=256)
def _compiled(format_: str) -> re.Pattern[str]:
    return re.compile(format_pattern(format_, named=True))


@lru_cache(maxsize=256)
def _width(format_: str) -> int:
    """Characters of every text in a format without unpadded fields."""
    widths = {"Y": 4, "b": 3, "n": 9}
    fields = re.findall(r"%([0-9]?)([A-Za-z])", format_)
    literal = len(re.sub(r"%[0-9]?[A-Za-z]", "", format_))
    return literal + sum(int(digits) if digits else widths.get(letter, 2) for digits, letter in fields)


def _temporal_holds(cell: str, format_: str) -> bool:
    if not cell.isascii() or (found := _compiled(format_).fullmatch(cell)) is None:
        return False
    fields = found.groupdict()
    if int(fields.get("H") or 0) > 23 or int(fields.get("M") or 0) > 59 or int(fields.get("S") or 0) > 59:
        return False
    if "Y" not in fields:
        return True
    try:
        month = fields.get("m")
        date(int(fields["Y"]), int(month) if month else 1 + MONTHS.index(fields["b"]), int(fields["d"]))
    except ValueError:
        return False
    return True


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def candidates(cell: str, style: Style = PLAIN) -> tuple[Candidate, ...]:
    """The candidates that hold for a column's first filled cell, most exact first."""
    found: list[Candidate] = [Candidate("integer"), Candidate("decimal(38,0)")]
    if decimal := _DECIMAL.fullmatch(cell):
        scale = len(decimal[1])
        found += [Candidate(f"decimal({precision},{scale})") for precision in (18, 38) if scale <= precision]
    # With three digits behind it, a comma may as well divide thousands.
    elif style.decimal_comma and (decimal := _COMMA.fullmatch(cell)) and (scale := len(decimal[1])) != 3:
        found += [
            Candidate(f"decimal({precision},{scale})", DECIMAL_COMMA) for precision in (18, 38) if scale <= precision
        ]
    found += [Candidate("float"), Candidate("float", SHORT_FLOAT)]
    for index, (yes, no) in enumerate(TRUTH_WORDS):
        found.append(Candidate("boolean", f"{yes}/{no}", both=index > 2))
    found += [Candidate(temporal_type(format_), format_) for format_ in formats_of(cell)]
    return tuple(candidate for candidate in found if candidate.holds(cell))


@dataclass(frozen=True)
class Refuted:
    """A type that was considered before the one that was taken, and the 1-based row and cell that speak against it."""

    candidate: Candidate
    row: int
    cell: str


@dataclass
class Facts:
    """What a whole column says: rows are 1-based, `failures[i]` is where candidate i of `first` first fails."""

    first: tuple[int, str] | None = None
    failures: list[tuple[int, str] | None] = field(default_factory=list)
    null_row: int | None = None
    empty_row: int | None = None
    truths: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Decision:
    """A column's type, why, and whether further cells can do more than strike it out (`settled`).

    `quoted_empties`: the column's empty cells are all written as "" and stand for null. `empty`: it has no others,
    and not even those are quoted.
    """

    candidate: Candidate | None
    reason: str
    counter_example: tuple[int, str] | None = None
    settled: bool = False
    quoted_empties: bool = False
    empty: bool = False
    refuted: tuple[Refuted, ...] = ()

    @property
    def type(self) -> str:
        return self.candidate.type if self.candidate else "text"

    @property
    def format(self) -> str | None:
        return self.candidate.format if self.candidate else None


def decide(cells: Iterable[str | None], style: Style = PLAIN) -> Decision:
    """Type a column from all its cells: None is an empty cell, "" a quoted empty one."""
    facts = Facts()
    found: tuple[Candidate, ...] = ()
    truths: set[str] = set()
    for row, cell in enumerate(cells, 1):
        if cell is None:
            facts.null_row = facts.null_row or row
        elif cell == "":
            facts.empty_row = facts.empty_row or row
        else:
            if facts.first is None:
                facts.first = (row, cell)
                found = candidates(cell, style)
                facts.failures = [None] * len(found)
            for index, candidate in enumerate(found):
                if facts.failures[index] is None and not candidate.holds(cell):
                    facts.failures[index] = (row, cell)
            if found and len(truths) < 3:
                truths.add(cell)
    facts.truths = frozenset(truths)
    return conclude(facts, style)


def conclude(facts: Facts, style: Style = PLAIN) -> Decision:
    """The decision that the facts of a column force."""
    if facts.first is None:
        if facts.empty_row:
            return Decision(None, 'every cell is empty (written "")')
        return Decision(None, "every cell is empty", empty=True)
    row, cell = facts.first
    found = candidates(cell, style)
    if not found:
        return Decision(None, f"row {row} holds {shown(cell)}, {why_text(cell)}", facts.first, settled=True)
    alive = [candidate for candidate, failure in zip(found, facts.failures, strict=True) if failure is None]
    if not alive:
        return _struck_out(found, facts)
    if facts.empty_row and facts.null_row:
        later = max(facts.empty_row, facts.null_row)
        reason = f'empty cells are written both bare and as "" (row {later}), which only text keeps apart'
        return Decision(None, reason, (later, ""))
    chosen = next((one for one in alive if _decided(one, alive, facts.truths, style.date_order)), None)
    if chosen is None:
        if alive[0].both:
            reason = f"only {shown(cell)} occurs, which may be a word as well as a truth value"
        else:
            reason = (
                f"day and month cannot be told apart: every cell fits both orders, such as row {row}: {shown(cell)}"
            )
        return Decision(None, reason, facts.first)
    quoted = facts.empty_row is not None
    reason = _why_typed(chosen) + ('; empty cells, written "", are null' if quoted else "")
    twin = swapped(chosen.format) if chosen.format else None
    if twin and any(other.format == twin for other in alive):
        reason += f"; every cell fits both orders of day and month, and the caller said {style.date_order}"
    # What comes before the first that still holds has failed for good, also where this is but a sample.
    before = found[: found.index(alive[0])] if chosen is alive[0] else ()
    settled = chosen is alive[0]
    return Decision(chosen, reason, settled=settled, quoted_empties=quoted, refuted=_refuted(before, facts))


def _refuted(found: Sequence[Candidate], facts: Facts) -> tuple[Refuted, ...]:
    """With where each of these, the first of the candidates, failed."""
    pairs = zip(found, facts.failures, strict=False)
    return tuple(Refuted(candidate, *failure) for candidate, failure in pairs if failure)


def _decided(candidate: Candidate, alive: list[Candidate], truths: frozenset[str], order: str | None) -> bool:
    if candidate.both:
        return len(truths) > 1
    twin = swapped(candidate.format) if candidate.format else None
    if twin is None or all(other.format != twin for other in alive):
        return True
    day_first = str(candidate.format).lstrip("%-").startswith("d")
    return order == ("dmy" if day_first else "mdy")


def _struck_out(found: tuple[Candidate, ...], facts: Facts) -> Decision:
    """Text, explained by the candidate that came furthest."""
    reached = [failure or (0, "") for failure in facts.failures]
    furthest = max(range(len(found)), key=lambda index: (reached[index][0], -index))
    row, cell = reached[furthest]
    reason = f"{_called(found[furthest])} up to row {row}, which holds {shown(cell)}, {why_text(cell)}"
    return Decision(None, reason, (row, cell), settled=True, refuted=_refuted(found, facts))


def _called(candidate: Candidate) -> str:
    return f"{candidate.type} ({candidate.format})" if candidate.format else candidate.type


def _why_typed(candidate: Candidate) -> str:
    if candidate.type == "float":
        return "every cell is a number that a 64-bit float keeps digit by digit"
    if candidate.format == DECIMAL_COMMA:
        return f"every cell is a number with {decimal_shape(candidate.type)[1]} digits after a decimal comma"
    if candidate.type == "decimal(38,0)":
        return "every cell is a whole number, and some are beyond 64 bits"
    if candidate.type.startswith("decimal"):
        return f"every cell is a number with {decimal_shape(candidate.type)[1]} digits after the point"
    if candidate.type == "integer":
        return "every cell is a whole number"
    return f"every cell is a {candidate.type} written as {candidate.format}"


def shown(cell: str) -> str:
    """A cell as reasons quote it: cut to 60 characters."""
    return repr(cell if len(cell) <= 60 else cell[:57] + "...")


_WHY = (
    (r"[+-]?0[0-9]+(?:\.[0-9]+)?", "which has leading zeros"),
    (r"\+[0-9.]+", "which has a plus sign"),
    (r"-0+(?:\.0+)?", "a negative zero, whose sign a number would lose"),
    (r"[+-]?[0-9.]+[eE][+-]?[0-9]+", "whose exponent would be written in another way"),
    (r"(?i)[+-]?(?:nan|inf|infinity)", "which is no finite number"),
    (r"-?[0-9]{1,3}(?:[,' \u00a0\u202f][0-9]{3})+(?:\.[0-9]+)?", "which has thousands separators"),
    (r"-?[0-9]+,[0-9]+", "which has a decimal comma"),
    (r"-?[0-9]{39,}", "which has more than 38 digits"),
    (r"-?[0-9]*\.[0-9]*", "whose digits would be written in another way"),
    (r"-?[0-9]+", "which is a whole number and does not fit what comes before"),
)


def why_text(cell: str) -> str:
    """Why a cell is not, or not the same, number, date or truth value."""
    if cell != cell.strip():
        return "which has spaces around it"
    if cell.lower() in NULL_WORDS:
        return "a word that is kept as text, because only an empty cell is null"
    for pattern, reason in _WHY:
        if re.fullmatch(pattern, cell):
            return reason
    return "which does not have that form" if formats_of(cell) else "which is text"
