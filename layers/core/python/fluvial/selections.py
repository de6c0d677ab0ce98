"""Which rows and columns of a dataset are wanted, and in which order: for pages of rows, and for exports.

    columns   name,city,"a, b"                                          by name, in the order in which they are wanted
    filter    [{"column": "city", "operator": "eq", "value": "Bonn"}]   all of them must hold, see `queries`
    sort      -price,name                                               - for descending; nulls last in either order

A name that has a comma, a quote or, in `sort`, a - at its start stands in double quotes, with its own quotes doubled.
Rows that are equal in all that is sorted by keep the order of the source, so that no page shows a row twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fluvial import queries
from fluvial.errors import InvalidError

MAX_SORTS = 10
MAX_COLUMNS = 2_000
MAX_NAMED = 20  # columns that a refusal lists
_NAME = re.compile(r'(?P<down>-)?(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^",][^,]*))(?P<end>,|\Z)')


@dataclass(frozen=True, slots=True)
class Selection:
    """`columns` None stands for all of them; `sort` is by columns of the dataset."""

    columns: tuple[str, ...] | None = None
    filters: tuple[queries.Filter, ...] = ()
    sort: tuple[queries.Sort, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, of which `parse` makes an equal one."""
        return {
            "columns": None if self.columns is None else list(self.columns),
            "filter": [queries.filter_json(each) for each in self.filters],
            "sort": [{"column": each.by, "order": queries.ORDERS[each.descending]} for each in self.sort],
        }


EVERYTHING = Selection()


def parse(given: Mapping[str, Any]) -> Selection:
    """The selection that plain JSON values describe; InvalidError where they describe none."""
    columns = given.get("columns")
    return Selection(
        None if columns is None else _checked_columns(columns),
        queries.parse_filters(given.get("filter"), field="filter"),
        _checked_sort([_sort(at, each) for at, each in enumerate(_listed("sort", given.get("sort") or [], MAX_SORTS))]),
    )


def of_text(columns: str | None, filter: str | None, sort: str | None) -> Selection:
    """The selection that query parameters describe; InvalidError where they describe none."""
    names = None if columns is None else [name for _, name in _names("columns", columns, signed=False)]
    order = [] if sort is None else _names("sort", sort, signed=True)
    return Selection(
        None if names is None else _checked_columns(names),
        () if filter is None else queries.parse_filters(_json(filter), field="filter"),
        _checked_sort([queries.Sort(name, descending) for descending, name in order]),
    )


def check(selection: Selection, types: Mapping[str, str]) -> None:
    """InvalidError where the selection does not fit a dataset with these types by column name."""
    for at, name in enumerate(selection.columns or ()):
        _check_name(f"columns.{at}", name, types)
    for at, each in enumerate(selection.filters):
        _check_name(f"filter.{at}.column", each.column, types)
    for at, order in enumerate(selection.sort):
        _check_name(f"sort.{at}", order.by, types)
    queries.check_filters(selection.filters, types, field="filter")


def _check_name(field: str, name: str, types: Mapping[str, str]) -> None:
    if name not in types:
        known = ", ".join(list(types)[:MAX_NAMED]) + (f" and {len(types) - MAX_NAMED} more" * (len(types) > MAX_NAMED))
        reason = f"The data has no column {_shown(name)}; it has: {known}."
        raise InvalidError(field, reason, value=name, constraint=known)


def _names(field: str, text: str, *, signed: bool) -> list[tuple[bool, str]]:
    """The names of a list with commas, each with whether a - stands before it."""
    found, at = [], 0
    while True:
        name = _NAME.match(text, at)
        if name is None:
            reason = f"'{field}' must be names with commas between them; one with a comma or a quote stands in quotes."
            raise InvalidError(field, reason, value=text[:100])
        plain = name["plain"] if name["quoted"] is None else name["quoted"].replace('""', '"')
        down = name["down"] is not None
        if down and not signed:
            plain, down = f"-{plain}", False
        found.append((down, plain))
        if not name["end"]:
            return found
        at = name.end()


def _json(text: str) -> object:
    try:
        return json.loads(text, parse_float=_exact, parse_constant=_no_number)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidError("filter", f"'filter' must be a list as JSON text: {error}.", value=text[:100]) from error


def _exact(text: str) -> float:
    number = float(text)
    if Decimal(text) != Decimal(repr(number)):
        reason = f"The number {text[:100]} has more digits than a 64-bit float keeps: send it as a string."
        raise InvalidError("filter", reason, value=text[:100])
    return number


def _no_number(text: str) -> float:
    raise InvalidError("filter", f"{text} is no number of JSON: send it as a string.", value=text)


def _listed(field: str, given: object, most: int) -> Sequence[object]:
    if not isinstance(given, list | tuple):
        raise InvalidError(field, f"'{field}' must be a list.")
    if len(given) > most:
        reason = f"'{field}' must have at most {most} entries, not {len(given)}."
        raise InvalidError(field, reason, value=len(given), constraint=f"at most {most}")
    return given


def _checked_columns(given: object) -> tuple[str, ...]:
    names: list[str] = []
    for at, name in enumerate(_listed("columns", given, MAX_COLUMNS)):
        if not isinstance(name, str):
            raise InvalidError(f"columns.{at}", f"'columns.{at}' must be text.")
        names.append(name)
    if not names:
        raise InvalidError("columns", "'columns' must name at least one column; without it there are all.")
    if len(set(names)) < len(names):
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise InvalidError("columns", f"'columns' names {_shown(twice)} twice.", value=twice)
    return tuple(names)


def _sort(at: int, given: object) -> queries.Sort:
    fields = given if isinstance(given, Mapping) else {}
    name, order = fields.get("column"), fields.get("order", "asc")
    if not isinstance(name, str) or order not in queries.ORDERS or set(fields) - {"column", "order"}:
        allowed = 'an object such as {"column": "price", "order": "desc"}'
        raise InvalidError(f"sort.{at}", f"'sort.{at}' must be {allowed}.", constraint=allowed)
    return queries.Sort(name, order == "desc")


def _checked_sort(sort: Sequence[queries.Sort]) -> tuple[queries.Sort, ...]:
    _listed("sort", sort, MAX_SORTS)
    for at, each in enumerate(sort):
        if any(each.by == other.by for other in sort[:at]):
            raise InvalidError(f"sort.{at}", f"The rows are sorted by {_shown(each.by)} already.", value=each.by)
    return tuple(sort)


def _shown(name: str) -> str:
    text = repr(name)
    return text if len(text) <= 60 else text[:57] + "..."
