"""The members of every kind of step, read from plain JSON values: their shape, not yet whether they fit the data.

`SHAPES` has each kind with the names of its members and what reads them. What is read is plain JSON again, with
defaults spelled out, so that it is the recipe's canonical form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fluvial import queries
from fluvial.errors import InvalidError
from fluvial.step_values import (
    column_of,
    fields_of,
    filled,
    listed,
    name_of,
    one_of,
    optional,
    scalar,
    shown,
    text_of,
    truth,
    type_of,
    whole,
)

MAX_COLUMNS = 2_000
MAX_EXPRESSION_LENGTH = 4_000
MAX_SORTS = 10
MAX_VALUES = 1_000
MAX_SOURCES = 20  # of one union
MAX_ROWS = 1_000_000_000
MAX_SEED = 2**31 - 1
JOINS = ("inner", "left", "right", "full", "semi", "anti")
ON_ERROR = ("fail", "null", "reject")
DATE_ORDERS = ("ymd", "dmy", "mdy")
KEPT = ("first", "last")
NULLS = ("keep", "drop")
FILLED = ("previous", "next")
RANKS = ("row_number", "rank", "dense_rank")
SHIFTS = ("lag", "lead")
ENDS = ("first", "last")
WINDOW_FUNCTIONS = (*RANKS, *SHIFTS, *ENDS, *queries.FUNCTIONS)
FRAMES = ("all", "running")

Read = Callable[[str, Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Shape:
    """`names` are the members beside step, from and as; `read` checks them, given with None for those left out."""

    names: tuple[str, ...]
    read: Read


def columns_of(place: str, given: object) -> list[str]:
    return filled(place, given, MAX_COLUMNS, column_of)


def _chosen(place: str, given: object) -> dict[str, Any]:
    """A column, and the name that it gets: `"a"`, or `{"column": "a", "as": "b"}`."""
    if isinstance(given, str):
        return {"column": column_of(place, given), "as": given}
    fields = fields_of(place, given, ("column", "as"))
    column = column_of(f"{place}.column", fields.get("column"))
    name = optional(f"{place}.as", fields.get("as"), name_of)
    return {"column": column, "as": column if name is None else name}


def _renamed(place: str, given: object) -> dict[str, Any]:
    fields = fields_of(place, given, ("column", "as"))
    return {
        "column": column_of(f"{place}.column", fields.get("column")),
        "as": name_of(f"{place}.as", fields.get("as")),
    }


def _sorted(place: str, given: object) -> list[dict[str, Any]]:
    def read(at: str, each: object) -> dict[str, Any]:
        fields = fields_of(at, each, ("by", "order"))
        order = fields.get("order")
        by = column_of(f"{at}.by", fields.get("by"))
        return {"by": by, "order": "asc" if order is None else one_of(f"{at}.order", order, queries.ORDERS)}

    found = list(listed(place, [] if given is None else given, MAX_SORTS, read))
    for at, each in enumerate(found):
        if each["by"] in [other["by"] for other in found[:at]]:
            reason = f"The rows are sorted by {shown(each['by'])} already."
            raise InvalidError(f"{place}.{at}.by", reason, value=each["by"])
    return found


def _select(place: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    columns, left_out = fields["columns"], fields["except"]
    if (columns is None) == (left_out is None):
        raise InvalidError(place, f"'{place}' must have either 'columns' or 'except'.", constraint="columns, except")
    if left_out is not None:
        return {"columns": None, "except": columns_of(f"{place}.except", left_out)}
    return {"columns": filled(f"{place}.columns", columns, MAX_COLUMNS, _chosen), "except": None}


def _rename(place: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"columns": filled(f"{place}.columns", fields["columns"], MAX_COLUMNS, _renamed)}


def _filter(place: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    filters = queries.parse_filters(fields["filters"], field=f"{place}.filters")
    expression = optional(f"{place}.expression", fields["expression"], _expression)
    if not filters and expression is None:
        raise InvalidError(place, f"'{place}' needs 'filters' or 'expression'.", constraint="filters, expression")
    return {"filters": [queries.filter_json(each) for each in filters], "expression": expression}


def _expression(place: str, given: object) -> str:
    return text_of(place, given, MAX_EXPRESSION_LENGTH)


def _derive(place: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    def read(at: str, each: object) -> dict[str, Any]:
        own = fields_of(at, each, ("as", "expression", "replace"))
        return {
            "as": name_of(f"{at}.as", own.get("as")),
            "expression": _expression(f"{at}.expression", own.get("expression")),
            "replace": own.get("replace") is not None and truth(f"{at}.replace", own["replace"]),
        }

    return {"columns": filled(f"{place}.columns", fields["columns"], MAX_COLUMNS, read)}


def _cast(place: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    def read(at: str, each: object) -> dict[str, Any]:
        own = fields_of(at, each, ("column", "type", "on_error", "date_order"))
        on_error = own.get("on_error")
        return {
            "column": column_of(f"{at}.column", own.get("column")),
            "type": type_of(f"{at}.type", own.get("type")),
            "on_error": "fail" if on_error is None else one_of(f"{at}.on_error", on_error, ON_ERROR),
            "date_order": optional(
                f"{at}.date_order", own.get("date_order"), lambda where, order: one_of(where, order, DATE_ORDERS)
            ),
        }

    return {"columns": filled(f"{place}.columns", fields["columns"], MAX_COLUMNS, read)}


def _fill(place: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    value, method = fields["value"], fields["method"]
    if (value is None) == (method is None):
        raise InvalidError(place, f"'{place}' must have either 'value' or 'method'.", constraint="value, method")
    within = fields["partition_by"]
    if within and method is None:
        raise InvalidError(f"{place}.partition_by", "'partition_by' is for the methods previous and next.")
    return {
        "columns": columns_of(f"{place}.columns", fields["columns"]),
        "value": optional(f"{place}.value", value, scalar),
        "method": optional(f"{place}.method", method, lambda where, given: one_of(where, given, FILLED)),
        "partition_by": list(listed(f"{place}.partition_by", within or [], MAX_COLUMNS, column_of)),
    }


def _replace(place: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    def read(at: str, each: object) -> dict[str, Any]:
        own = fields_of(at, each, ("from", "to"))
        if "to" not in own:
            raise InvalidError(f"{at}.to", f"'{at}.to' must be the new value, or null.")
        return {"from": scalar(f"{at}.from", own.get("from")), "to": optional(f"{at}.to", own["to"], scalar)}

    return {
        "column": column_of(f"{place}.column", fields["column"]),
        "values": filled(f"{place}.values", fields["values"], MAX_VALUES, read),
    }


def _split(place: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    separator = text_of(f"{place}.separator", fields["separator"], 100)
    if not separator:
        raise InvalidError(f"{place}.separator", f"'{place}.separator' must not be empty.", value="")
    keep = fields["keep"]
    return {
        "column": column_of(f"{place}.column", fields["column"]),
        "separator": separator,
        "into": filled(f"{place}.into", fields["into"], 100, name_of),
        "keep": keep is not None and truth(f"{place}.keep", keep),
    }


def _dedupe(place: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    keep = fields["keep"]
    return {
        "columns": optional(f"{place}.columns", fields["columns"], columns_of),
        "keep": "first" if keep is None else one_of(f"{place}.keep", keep, KEPT),
        "sort": _sorted(f"{place}.sort", fields["sort"]),
    }


def _sort(place: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    if not fields["sort"]:
        raise InvalidError(f"{place}.sort", f"'{place}.sort' must have at least one entry.")
    return {"sort": _sorted(f"{place}.sort", fields["sort"])}


def _limit(place: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    offset = fields["offset"]
    return {
        "limit": whole(0, MAX_ROWS)(f"{place}.limit", fields["limit"]),
        "offset": 0 if offset is None else whole(0, MAX_ROWS)(f"{place}.offset", offset),
    }


def _sample(place: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    rows, share, seed = fields["rows"], fields["share"], fields["seed"]
    if (rows is None) == (share is None):
        raise InvalidError(place, f"'{place}' must have either 'rows' or 'share'.", constraint="rows, share")
    if share is not None and (isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1):
        reason = f"'{place}.share' must be a number above 0 and up to 1."
        raise InvalidError(f"{place}.share", reason, value=share, constraint="0-1")
    return {
        "rows": optional(f"{place}.rows", rows, whole(1, MAX_ROWS)),
        "share": None if share is None else float(share),
        "seed": 0 if seed is None else whole(0, MAX_SEED)(f"{place}.seed", seed),
    }


def _group(place: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    asked = {"group_by": fields["group_by"], "aggregates": fields["aggregates"]}
    query = queries.parse(asked, field=place).to_json()
    for at, each in enumerate(query["group_by"]):
        if each["as"] != each["column"]:
            name_of(f"{place}.group_by.{at}.as", each["as"])
    return {"group_by": query["group_by"], "aggregates": query["aggregates"]}


def _pivot(place: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    def read(at: str, each: object) -> dict[str, Any]:
        if not isinstance(each, Mapping):
            return {"value": scalar(at, each), "as": name_of(at, each if isinstance(each, str) else str(each).lower())}
        own = fields_of(at, each, ("value", "as"))
        value = optional(f"{at}.value", own.get("value"), scalar)
        return {"value": value, "as": name_of(f"{at}.as", own.get("as"))}

    function = one_of(f"{place}.function", fields["function"], queries.FUNCTIONS)
    column = optional(f"{place}.column", fields["column"], column_of)
    if column is None and function != "count":
        raise InvalidError(f"{place}.column", f"'{function}' needs a column.")
    return {
        "group_by": list(listed(f"{place}.group_by", fields["group_by"] or [], queries.MAX_GROUPS, column_of)),
        "on": column_of(f"{place}.on", fields["on"]),
        "values": filled(f"{place}.values", fields["values"], MAX_VALUES, read),
        "function": function,
        "column": column,
    }


def _unpivot(place: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    nulls = fields["nulls"]
    return {
        "columns": columns_of(f"{place}.columns", fields["columns"]),
        "name_as": name_of(f"{place}.name_as", fields["name_as"]),
        "value_as": name_of(f"{place}.value_as", fields["value_as"]),
        "nulls": "keep" if nulls is None else one_of(f"{place}.nulls", nulls, NULLS),
    }


def _join(place: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    def read(at: str, each: object) -> dict[str, Any]:
        if isinstance(each, str):
            return {"left": column_of(at, each), "right": each}
        own = fields_of(at, each, ("left", "right"))
        return {side: column_of(f"{at}.{side}", own.get(side)) for side in ("left", "right")}

    kind, columns = fields["kind"], fields["columns"]
    return {
        "with": name_of(f"{place}.with", fields["with"]),
        "kind": "inner" if kind is None else one_of(f"{place}.kind", kind, JOINS),
        "on": filled(f"{place}.on", fields["on"], 20, read),
        "columns": None if columns is None else list(listed(f"{place}.columns", columns, MAX_COLUMNS, _chosen)),
    }


def _union(place: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"with": filled(f"{place}.with", fields["with"], MAX_SOURCES, name_of)}


def _window(place: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    def read(at: str, each: object) -> dict[str, Any]:
        own = fields_of(at, each, ("function", "column", "as", "offset"))
        function = one_of(f"{at}.function", own.get("function"), WINDOW_FUNCTIONS)
        column, offset = own.get("column"), own.get("offset")
        if column is None and function not in (*RANKS, "count"):
            raise InvalidError(f"{at}.column", f"'{function}' needs a column.")
        if column is not None and function in RANKS:
            raise InvalidError(f"{at}.column", f"'{function}' takes no column.", value=column)
        if offset is not None and function not in SHIFTS:
            raise InvalidError(f"{at}.offset", "'offset' is for lag and lead.", value=offset)
        return {
            "function": function,
            "column": optional(f"{at}.column", column, column_of),
            "as": name_of(f"{at}.as", own.get("as")),
            "offset": (1 if offset is None else whole(1, MAX_ROWS)(f"{at}.offset", offset))
            if function in SHIFTS
            else None,
        }

    frame = fields["frame"]
    return {
        "partition_by": list(listed(f"{place}.partition_by", fields["partition_by"] or [], MAX_COLUMNS, column_of)),
        "sort": _sorted(f"{place}.sort", fields["sort"]),
        "frame": _frame(f"{place}.frame", "all" if frame is None else frame),
        "columns": filled(f"{place}.columns", fields["columns"], 200, read),
    }


def _frame(place: str, given: object) -> object:
    """Which rows an aggregate looks at: all of the partition, those up to this one, or some before and after it."""
    if not isinstance(given, Mapping):
        return one_of(place, given, FRAMES)
    fields = fields_of(place, given, ("preceding", "following"))
    read = whole(0, MAX_ROWS)
    return {
        side: 0 if fields.get(side) is None else read(f"{place}.{side}", fields[side])
        for side in ("preceding", "following")
    }


SHAPES: dict[str, Shape] = {
    "select": Shape(("columns", "except"), _select),
    "rename": Shape(("columns",), _rename),
    "filter": Shape(("filters", "expression"), _filter),
    "derive": Shape(("columns",), _derive),
    "cast": Shape(("columns",), _cast),
    "fill": Shape(("columns", "value", "method", "partition_by"), _fill),
    "replace": Shape(("column", "values"), _replace),
    "split": Shape(("column", "separator", "into", "keep"), _split),
    "dedupe": Shape(("columns", "keep", "sort"), _dedupe),
    "sort": Shape(("sort",), _sort),
    "limit": Shape(("limit", "offset"), _limit),
    "sample": Shape(("rows", "share", "seed"), _sample),
    "group": Shape(("group_by", "aggregates"), _group),
    "pivot": Shape(("group_by", "on", "values", "function", "column"), _pivot),
    "unpivot": Shape(("columns", "name_as", "value_as", "nulls"), _unpivot),
    "join": Shape(("with", "kind", "on", "columns"), _join),
    "union": Shape(("with",), _union),
    "window": Shape(("partition_by", "sort", "frame", "columns"), _window),
}
