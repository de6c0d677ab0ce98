"""What an analysis asks of a dataset: filter, group, aggregate, sort, limit. Plain rules, without an engine.

    {"filters":    [{"column": "country", "operator": "in", "value": ["DE", "FR"]}],   all of them must hold
     "group_by":   ["country", {"column": "sold_on", "bucket": "month", "as": "month"}],
     "aggregates": [{"function": "sum", "column": "price", "as": "revenue"}],
     "sort":       [{"by": "revenue", "order": "desc"}],
     "limit":      10}

Nulls are SQL's: a filter never holds for a null cell, `ne` and `not_in` not either; only `is_null` finds them. `count`
without a column counts rows, every other function leaves nulls out. Nulls are a group of their own, and stand last in
either order. Text is compared by code point and exactly: case and accents count.

The shape is checked when a query is given (`parse`), its columns and values once the dataset's columns are known
(`check`). Every refusal names the place, such as `query.filters.0.column`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeVar

from fluvial.errors import InvalidError
from fluvial.query_values import bound, is_decimal, scale
from fluvial.text import checked_line

MAX_FILTERS = 50
MAX_GROUPS = 10
MAX_AGGREGATES = 50
MAX_VALUES = 1_000  # of one `in`
MAX_ROWS = 1_000_000
MAX_NAME_LENGTH = 200
MAX_QUERY_BYTES = 32 * 1024  # an analysis has to fit into one item, and a page of them into one answer

WITHOUT_VALUE = ("is_null", "is_not_null")
WITH_VALUES = ("in", "not_in")
ORDERING = ("lt", "le", "gt", "ge")
OF_TEXT = ("contains", "starts_with")
OPERATORS = ("eq", "ne", *ORDERING, *WITH_VALUES, *OF_TEXT, *WITHOUT_VALUE)
BUCKETS = ("day", "week", "month", "quarter", "year")
BUCKETED = ("date", "timestamp", "timestamp_tz")
FUNCTIONS = ("count", "count_distinct", "sum", "avg", "min", "max", "median")
OF_NUMBERS = ("sum", "avg", "median")
ORDERS = ("asc", "desc")


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on one column. `value` is a scalar, for in and not_in a list, for is_null and is_not_null None."""

    column: str
    operator: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Group:
    """A column of the result that rows are grouped by.

    With a bucket it is the first day of the day, week (Monday), month, quarter or year, as the column's clock shows it.
    """

    column: str
    name: str
    bucket: str | None = None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A column of the result that is computed from each group's rows."""

    function: str
    name: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Sort:
    """`by` names a column of the result."""

    by: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query. Its result has a row per group; without groups, one row."""

    filters: tuple[Filter, ...] = ()
    groups: tuple[Group, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    sort: tuple[Sort, ...] = ()
    limit: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The query with nothing left out; `parse` makes an equal one of it."""
        return {
            "filters": [filter_json(each) for each in self.filters],
            "group_by": [{"column": each.column, "bucket": each.bucket, "as": each.name} for each in self.groups],
            "aggregates": [
                {"function": each.function, "column": each.column, "as": each.name} for each in self.aggregates
            ],
            "sort": [{"by": each.by, "order": ORDERS[each.descending]} for each in self.sort],
            "limit": self.limit,
        }


def parse(given: object, *, field: str = "query") -> Query:
    """The query that plain JSON values describe; InvalidError where they describe none."""
    fields = _fields(field, given, ("filters", "group_by", "aggregates", "sort", "limit"))
    query = Query(
        filters=_each(f"{field}.filters", fields.get("filters"), MAX_FILTERS, _filter),
        groups=_each(f"{field}.group_by", fields.get("group_by"), MAX_GROUPS, _group),
        aggregates=_each(f"{field}.aggregates", fields.get("aggregates"), MAX_AGGREGATES, _aggregate),
        sort=_each(f"{field}.sort", fields.get("sort"), MAX_GROUPS + MAX_AGGREGATES, _sort),
        limit=_limit(f"{field}.limit", fields.get("limit")),
    )
    if not query.groups and not query.aggregates:
        raise InvalidError(field, "A query needs at least one column in 'group_by' or one in 'aggregates'.")
    _check_names(query, field)
    size = len(json.dumps(query.to_json(), ensure_ascii=False).encode())
    if size > MAX_QUERY_BYTES:
        reason = f"'{field}' must take at most {MAX_QUERY_BYTES} bytes as JSON, not {size}."
        raise InvalidError(field, reason, constraint=f"at most {MAX_QUERY_BYTES} bytes")
    return query


def check(query: Query, types: Mapping[str, str], *, field: str = "query") -> None:
    """InvalidError where the query does not fit a dataset with these types by column name."""
    check_filters(query.filters, types, field=f"{field}.filters")
    for at, group in enumerate(query.groups):
        type_ = _type_of(f"{field}.group_by.{at}.column", group.column, types)
        if group.bucket is not None and type_ not in BUCKETED:
            reason = f"Only dates and timestamps have buckets; the type of {_shown(group.column)} is {type_}."
            raise InvalidError(f"{field}.group_by.{at}.bucket", reason, value=group.bucket)
    for at, aggregate in enumerate(query.aggregates):
        if aggregate.column is not None:
            type_ = _type_of(f"{field}.aggregates.{at}.column", aggregate.column, types)
            _check_function(f"{field}.aggregates.{at}.function", aggregate, type_)


def parse_filters(given: object, *, field: str) -> tuple[Filter, ...]:
    """The conditions of a list of plain JSON values; none for None."""
    return _each(field, given, MAX_FILTERS, _filter)


def check_filters(filters: Sequence[Filter], types: Mapping[str, str], *, field: str) -> None:
    """InvalidError where a condition does not fit a dataset with these types by column name."""
    for at, each in enumerate(filters):
        place = f"{field}.{at}"
        type_ = _type_of(f"{place}.column", each.column, types)
        if (each.operator in OF_TEXT and type_ != "text") or (each.operator in ORDERING and type_ == "boolean"):
            reason = f"'{each.operator}' does not apply to {_shown(each.column)}, whose type is {type_}."
            raise InvalidError(f"{place}.operator", reason, value=each.operator)
        filter_values(each, type_, field=place)


def filter_json(each: Filter) -> dict[str, Any]:
    """The condition as `parse_filters` reads it."""
    fields: dict[str, Any] = {"column": each.column, "operator": each.operator}
    return fields if each.operator in WITHOUT_VALUE else {**fields, "value": each.value}


def filter_values(each: Filter, type_: str, *, field: str = "filter") -> list[Any]:
    """The filter's values as the engine compares them with a column of this type; InvalidError for one of another."""
    if each.operator in WITHOUT_VALUE:
        return []
    if each.operator in WITH_VALUES:
        return [bound(f"{field}.value.{at}", value, type_) for at, value in enumerate(each.value)]
    return [bound(f"{field}.value", each.value, type_)]


def result_types(query: Query, types: Mapping[str, str]) -> dict[str, str]:
    """The type of each column of the result, in order."""
    found = {each.name: "date" if each.bucket else types[each.column] for each in query.groups}
    for each in query.aggregates:
        found[each.name] = _result_type(each.function, types[each.column] if each.column is not None else "")
    return found


def _result_type(function: str, type_: str) -> str:
    if function in ("count", "count_distinct"):
        return "integer"
    if function == "avg":
        return "float"
    if function in ("min", "max") or type_ == "float":
        return type_
    if function == "sum":
        return f"decimal(38,{scale(type_)})" if is_decimal(type_) else type_
    # The middle between two neighbours needs one digit more.
    return f"decimal(38,{scale(type_) + 1})"


def _check_function(field: str, aggregate: Aggregate, type_: str) -> None:
    if aggregate.function in OF_NUMBERS and not (type_ in ("integer", "float") or is_decimal(type_)):
        reason = f"'{aggregate.function}' needs numbers; the type of {_shown(aggregate.column)} is {type_}."
        raise InvalidError(field, reason, value=aggregate.function)
    if aggregate.function == "median" and is_decimal(type_) and scale(type_) > 37:
        reason = f"'median' needs one digit more than {_shown(aggregate.column)} has room for: its type is {type_}."
        raise InvalidError(field, reason, value=aggregate.function)


def _type_of(field: str, column: str, types: Mapping[str, str]) -> str:
    found = types.get(column)
    if found is None:
        raise InvalidError(field, f"The data has no column {_shown(column)}.", value=column)
    return found


def _check_names(query: Query, field: str) -> None:
    names: set[str] = set()
    outputs = [(f"group_by.{at}", each.name) for at, each in enumerate(query.groups)]
    outputs += [(f"aggregates.{at}", each.name) for at, each in enumerate(query.aggregates)]
    for place, name in outputs:
        if name in names:
            reason = f"Two columns of the result would be called {_shown(name)}: name one of them with 'as'."
            raise InvalidError(f"{field}.{place}.as", reason, value=name)
        names.add(name)
    sorted_by: set[str] = set()
    for at, each in enumerate(query.sort):
        if each.by not in names:
            reason = f"The result has no column {_shown(each.by)}: sort by what is grouped by, or by an aggregate."
            raise InvalidError(f"{field}.sort.{at}.by", reason, value=each.by)
        if each.by in sorted_by:
            reason = f"The result is sorted by {_shown(each.by)} already."
            raise InvalidError(f"{field}.sort.{at}.by", reason, value=each.by)
        sorted_by.add(each.by)


T = TypeVar("T")


def _each(field: str, given: object, most: int, read: Callable[[str, object], T]) -> tuple[T, ...]:
    if given is None:
        return ()
    if not isinstance(given, list | tuple):
        raise InvalidError(field, f"'{field}' must be a list.")
    if len(given) > most:
        reason = f"'{field}' must have at most {most} entries, not {len(given)}."
        raise InvalidError(field, reason, value=len(given), constraint=f"at most {most}")
    return tuple(read(f"{field}.{at}", each) for at, each in enumerate(given))


def _filter(field: str, given: object) -> Filter:
    fields = _fields(field, given, ("column", "operator", "value"))
    column = _name(f"{field}.column", fields.get("column"))
    operator = _one_of(f"{field}.operator", fields.get("operator"), OPERATORS)
    place, value = f"{field}.value", fields.get("value")
    if operator in WITHOUT_VALUE:
        if value is not None:
            raise InvalidError(place, f"'{operator}' takes no value.", value=value)
        return Filter(column, operator)
    if operator not in WITH_VALUES:
        return Filter(column, operator, _scalar(place, value))
    if not isinstance(value, list | tuple) or not 0 < len(value) <= MAX_VALUES:
        reason = f"'{operator}' needs a list of 1 to {MAX_VALUES} values."
        raise InvalidError(place, reason, constraint=f"1-{MAX_VALUES} values")
    return Filter(column, operator, [_scalar(f"{place}.{at}", each) for at, each in enumerate(value)])


def _scalar(field: str, value: object) -> object:
    if value is None:
        raise InvalidError(field, f"'{field}' must not be null: use is_null or is_not_null to look for nulls.")
    if not isinstance(value, str | int | float) or (isinstance(value, float) and not isfinite(value)):
        raise InvalidError(field, f"'{field}' must be text, a number or a truth value.")
    return _name(field, value) if isinstance(value, str) else value


def _group(field: str, given: object) -> Group:
    if isinstance(given, str):
        return Group(_name(field, given), given)
    fields = _fields(field, given, ("column", "bucket", "as"))
    column = _name(f"{field}.column", fields.get("column"))
    bucket, name = fields.get("bucket"), fields.get("as")
    return Group(
        column,
        column if name is None else _name(f"{field}.as", name),
        None if bucket is None else _one_of(f"{field}.bucket", bucket, BUCKETS),
    )


def _aggregate(field: str, given: object) -> Aggregate:
    fields = _fields(field, given, ("function", "column", "as"))
    function = _one_of(f"{field}.function", fields.get("function"), FUNCTIONS)
    column = fields.get("column")
    if column is None and function != "count":
        raise InvalidError(f"{field}.column", f"'{function}' needs a column.")
    name = checked_line(f"{field}.as", _name(f"{field}.as", fields.get("as")), MAX_NAME_LENGTH)
    return Aggregate(function, name, None if column is None else _name(f"{field}.column", column))


def _sort(field: str, given: object) -> Sort:
    fields = _fields(field, given, ("by", "order"))
    order = fields.get("order")
    descending = order is not None and _one_of(f"{field}.order", order, ORDERS) == "desc"
    return Sort(_name(f"{field}.by", fields.get("by")), descending)


def _limit(field: str, given: object) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int) or not 0 < given <= MAX_ROWS:
        allowed = f"1-{MAX_ROWS}"
        raise InvalidError(field, f"'{field}' must be a whole number, {allowed}.", value=given, constraint=allowed)
    return given


def _fields(field: str, given: object, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise InvalidError(field, f"'{field}' must be an object.")
    for name in given:
        if name not in known:
            raise InvalidError(field, f"'{field}' has no field {_shown(name)}.", constraint=", ".join(known))
    return given


def _name(field: str, given: object) -> str:
    if not isinstance(given, str):
        raise InvalidError(field, f"'{field}' must be text.")
    if any("\ud800" <= character <= "\udfff" for character in given):
        raise InvalidError(field, f"'{field}' has half of a surrogate pair, which is no character.")
    return given


def _one_of(field: str, given: object, allowed: tuple[str, ...]) -> str:
    if not isinstance(given, str) or given not in allowed:
        listed = ", ".join(allowed)
        raise InvalidError(field, f"'{field}' must be one of: {listed}.", value=given, constraint=listed)
    return given


def _shown(name: object) -> str:
    text = repr(name)
    return text if len(text) <= 60 else text[:57] + "..."
