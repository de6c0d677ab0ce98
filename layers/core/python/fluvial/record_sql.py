"""Conditions as SQL of SQLite, for a table with the columns of `record_columns`. No value is ever a part of the text.

Every condition holds or does not: a comparison with a missing value is NULL in SQL, which selects nothing, and of such
a one the opposite is `(...) IS NOT 1`, which then holds. Opposites are moved inwards to the comparisons, so that AND
and OR are all that stands between them, for which NULL is as good as 0.

SQLite has limits. Its parser keeps at most 100 symbols that it can make nothing of yet, three for each `(a AND (` and
one for each `((`, and an expression is at most 1,000 deep. So a group is joined as a tree: two parts with the least
need of the parser first, and of two parts the one with the greater need on the left. 32 levels of groups with 2,000
comparisons in all then need at most about 32 + 3 * 11. Ids are one parameter, however many they are.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fluvial.record_classes import MANY, MULTI, Field
from fluvial.record_columns import column, folded
from fluvial.record_filters import Comparison, Condition, Group, Related

Parameters = list[int | str]

_EACH = "(SELECT value FROM json_each(?))"
_SIGNS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_SUBQUERY_NEED = 10  # of what stands before the WHERE of one
_LAST_CHARACTER = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


@dataclass(frozen=True, slots=True)
class _Part:
    """SQL that stands between AND and OR as it is; `need` is what its parentheses cost the parser."""

    sql: str
    parameters: Parameters
    need: int = 0


def where(condition: Condition, related: Callable[[Related], list[int]]) -> tuple[str, Parameters]:
    """The text behind WHERE, with ? for its parameters.

    `related` answers ids for a relation: of the records of `model` for which `inner` holds; for a many: of the records
    at which such records point, that is, the values of their field `field.by`.
    """
    part = _part(condition, False, related)
    return part.sql, part.parameters


def quoted(name: str) -> str:
    """A name as SQL."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def column_name(field: Field) -> str:
    """The column with a field's values, as SQL; records are stored by their id."""
    return quoted("id" if field.name == "id" else f"f_{field.name}")


def folded_name(field: Field) -> str:
    """The column with a string's or text's values without regard to case, as SQL."""
    return quoted(f"t_{field.name}")


def _part(condition: Condition, opposite: bool, related: Callable[[Related], list[int]]) -> _Part:
    match condition:
        case Group(kind, negated, parts):
            opposite = opposite != negated
            conjunction = "AND" if (kind == "and") != opposite else "OR"
            return _joined(conjunction, [_part(each, opposite, related) for each in parts])
        case Related(field, _, _):
            name = quoted("id") if field.type == MANY else column_name(field)
            ids = json.dumps(related(condition), separators=(",", ":"))
            part = _Part(f"{name} IN {_EACH}", [ids])
        case Comparison():
            part = _compared(condition)
    return _Part(f"({part.sql}) IS NOT 1", part.parameters, part.need + 1) if opposite else part


def _joined(conjunction: str, parts: list[_Part]) -> _Part:
    if not parts:
        return _Part("1" if conjunction == "AND" else "0", [])
    heap = [(part.need, place, part) for place, part in enumerate(parts)]
    heapq.heapify(heap)
    place = len(heap)
    while len(heap) > 1:
        _, _, less = heapq.heappop(heap)
        _, _, more = heapq.heappop(heap)
        need = max(more.need + 1, less.need + 3)
        sql = f"({more.sql} {conjunction} {less.sql})"
        heapq.heappush(heap, (need, place, _Part(sql, more.parameters + less.parameters, need)))
        place += 1
    return heap[0][2]


def _compared(condition: Comparison) -> _Part:
    field, operator, values = condition.field, condition.operator, condition.values
    name = column_name(field)
    if operator == "null":
        return _Part(f"{name} IS NULL", [])
    if operator in ("contains", "starts_with", "ends_with"):
        return _worded(field, operator, [folded(str(value)) for value in values])
    operands = [kept for kept in (column(field, value) for value in values) if kept is not None]
    if operator == "eq":
        return _one_of(field, name, operands)
    if operator == "between":
        return _Part(f"{name} BETWEEN ? AND ?", operands)
    return _Part(f"{name} {_SIGNS[operator]} ?", operands)


def _one_of(field: Field, name: str, operands: Parameters) -> _Part:
    if not operands:
        return _Part("0", [])
    # JSON texts cannot have all characters, but numbers are few bytes and one parameter.
    ids = all(isinstance(each, int) for each in operands)
    if field.type == MULTI:
        choices = f"SELECT 1 FROM json_each({name}, '$[0]') AS choice WHERE choice.value"  # noqa: S608
        return _Part(f"EXISTS ({choices} IN ({_marks(operands)}))", operands)
    if len(operands) == 1:
        return _Part(f"{name} = ?", operands)
    if ids:
        return _Part(f"{name} IN {_EACH}", [json.dumps(operands, separators=(",", ":"))])
    return _Part(f"{name} IN ({_marks(operands)})", operands)


def _worded(field: Field, operator: str, texts: Iterable[str]) -> _Part:
    if field.type != MULTI:
        return _joined("OR", [_text_part(folded_name(field), operator, text) for text in texts])
    part = _joined("OR", [_text_part("choice.value", operator, text) for text in texts])
    choices = f"SELECT 1 FROM json_each({column_name(field)}, '$[1]') AS choice"  # noqa: S608
    return _Part(f"EXISTS ({choices} WHERE {part.sql})", part.parameters, part.need + _SUBQUERY_NEED)


def _text_part(name: str, operator: str, text: str) -> _Part:
    if not text:
        return _Part(f"{name} IS NOT NULL", [])
    if operator == "contains":
        return _Part(f"instr({name}, ?) > 0", [text])
    if operator == "ends_with":
        # Of bytes, since substr ends a text where it has the character 0. An ending in UTF-8 begins with a character.
        return _Part(f"substr(CAST({name} AS BLOB), ?) = CAST(? AS BLOB)", [-len(text.encode()), text])
    after = _after(text)
    if after is None:
        return _Part(f"{name} >= ?", [text])
    return _Part(f"({name} >= ? AND {name} < ?)", [text, after], 3)


def _after(text: str) -> str | None:
    """The first text in the order of characters that is behind all that begin with this one; None if there is none."""
    rest = text.rstrip(chr(_LAST_CHARACTER))
    if not rest:
        return None
    following = ord(rest[-1]) + 1
    return rest[:-1] + chr(_SURROGATES.stop if following in _SURROGATES else following)


def _marks(operands: Parameters) -> str:
    return ", ".join("?" * len(operands))
