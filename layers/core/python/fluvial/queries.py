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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from fluvial.errors import InvalidError
from fluvial.plain_json import fields_of, listed, name_of, one_of, shown, whole_of
from fluvial.query_values import bound, is_decimal, scale
from fluvial.text import checked_line

MAX_FILTERS = 50
MAX_GROUPS = 10
MAX_AGGREGATES = 50
MAX_VALUES = 1_000  # of one `in`
MAX_ROWS = 1_000_000
MAX_NAME_LENGTH = 200
MAX_NAMED = 20  # columns that a refusal lists
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
    fields = fields_of(field, given, ("filters", "group_by", "aggregates", "sort", "limit"))
    query = Query(
        filters=listed(f"{field}.filters", fields.get("filters"), MAX_FILTERS, _filter),
        groups=listed(f"{field}.group_by", fields.get("group_by"), MAX_GROUPS, _group),
        aggregates=listed(f"{field}.aggregates", fields.get("aggregates"), MAX_AGGREGATES, _aggregate),
        sort=listed(f"{field}.sort", fields.get("sort"), MAX_GROUPS + MAX_AGGREGATES, _sort),
        limit=None if fields.get("limit") is None else whole_of(f"{field}.limit", fields["limit"], MAX_ROWS),
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
        type_ = type_of(f"{field}.group_by.{at}.column", group.column, types)
        if group.bucket is not None and type_ not in BUCKETED:
            reason = f"Only dates and timestamps have buckets; the type of {shown(group.column)} is {type_}."
            raise InvalidError(f"{field}.group_by.{at}.bucket", reason, value=group.bucket)
    for at, aggregate in enumerate(query.aggregates):
        if aggregate.column is not None:
            type_ = type_of(f"{field}.aggregates.{at}.column", aggregate.column, types)
            check_function(f"{field}.aggregates.{at}.function", aggregate, type_)


def parse_filters(given: object, *, field: str) -> tuple[Filter, ...]:
    """The conditions of a list of plain JSON values; none for None."""
    return listed(field, given, MAX_FILTERS, _filter)


def check_filters(filters: Sequence[Filter], types: Mapping[str, str], *, field: str) -> None:
    """InvalidError where a condition does not fit a dataset with these types by column name."""
    for at, each in enumerate(filters):
        place = f"{field}.{at}"
        type_ = type_of(f"{place}.column", each.column, types)
        if (each.operator in OF_TEXT and type_ != "text") or (each.operator in ORDERING and type_ == "boolean"):
            reason = f"'{each.operator}' does not apply to {shown(each.column)}, whose type is {type_}."
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
        found[each.name] = result_type(each.function, types[each.column] if each.column is not None else "")
    return found


def result_type(function: str, type_: str) -> str:
    """The type of what the function makes of a column of this type."""
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


def check_function(field: str, aggregate: Aggregate, type_: str) -> None:
    """InvalidError where the function does not apply to a column of this type."""
    if aggregate.function in OF_NUMBERS and not (type_ in ("integer", "float") or is_decimal(type_)):
        reason = f"'{aggregate.function}' needs numbers; the type of {shown(aggregate.column)} is {type_}."
        raise InvalidError(field, reason, value=aggregate.function)
    if aggregate.function == "median" and is_decimal(type_) and scale(type_) > 37:
        reason = f"'median' needs one digit more than {shown(aggregate.column)} has room for: its type is {type_}."
        raise InvalidError(field, reason, value=aggregate.function)


def type_of(field: str, column: str, types: Mapping[str, str]) -> str:
    """The column's type; InvalidError that has the names there are, where there is no such column."""
    found = types.get(column)
    if found is None:
        known = ", ".join(list(types)[:MAX_NAMED]) + (f" and {len(types) - MAX_NAMED} more" * (len(types) > MAX_NAMED))
        raise InvalidError(field, f"The data has no column {shown(column)}.", value=column, constraint=known)
    return found


def _check_names(query: Query, field: str) -> None:
    names: set[str] = set()
    outputs = [(f"group_by.{at}", each.name) for at, each in enumerate(query.groups)]
    outputs += [(f"aggregates.{at}", each.name) for at, each in enumerate(query.aggregates)]
    for place, name in outputs:
        if name in names:
            reason = f"Two columns of the result would be called {shown(name)}: name one of them with 'as'."
            raise InvalidError(f"{field}.{place}.as", reason, value=name)
        names.add(name)
    sorted_by: set[str] = set()
    for at, each in enumerate(query.sort):
        if each.by not in names:
            reason = f"The result has no column {shown(each.by)}: sort by what is grouped by, or by an aggregate."
            raise InvalidError(f"{field}.sort.{at}.by", reason, value=each.by)
        if each.by in sorted_by:
            reason = f"The result is sorted by {shown(each.by)} already."
            raise InvalidError(f"{field}.sort.{at}.by", reason, value=each.by)
        sorted_by.add(each.by)


def _filter(field: str, given: object) -> Filter:
    fields = fields_of(field, given, ("column", "operator", "value"))
    column = name_of(f"{field}.column", fields.get("column"))
    operator = one_of(f"{field}.operator", fields.get("operator"), OPERATORS)
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
    return name_of(field, value) if isinstance(value, str) else value


def _group(field: str, given: object) -> Group:
    if isinstance(given, str):
        return Group(name_of(field, given), given)
    fields = fields_of(field, given, ("column", "bucket", "as"))
    column = name_of(f"{field}.column", fields.get("column"))
    bucket, name = fields.get("bucket"), fields.get("as")
    return Group(
        column,
        column if name is None else name_of(f"{field}.as", name),
        None if bucket is None else one_of(f"{field}.bucket", bucket, BUCKETS),
    )


def _aggregate(field: str, given: object) -> Aggregate:
    fields = fields_of(field, given, ("function", "column", "as"))
    function = one_of(f"{field}.function", fields.get("function"), FUNCTIONS)
    column = fields.get("column")
    if column is None and function != "count":
        raise InvalidError(f"{field}.column", f"'{function}' needs a column.")
    name = checked_line(f"{field}.as", name_of(f"{field}.as", fields.get("as")), MAX_NAME_LENGTH)
    return Aggregate(function, name, None if column is None else name_of(f"{field}.column", column))


def _sort(field: str, given: object) -> Sort:
    fields = fields_of(field, given, ("by", "order"))
    order = fields.get("order")
    descending = order is not None and one_of(f"{field}.order", order, ORDERS) == "desc"
    return Sort(name_of(f"{field}.by", fields.get("by")), descending)
