"""Checks of the steps that make each row of one row: select, rename, filter, derive, cast, fill, replace, split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fluvial import queries
from fluvial.errors import InvalidError
from fluvial.expression_types import FORMATS, Call, Constant, Node, Refusal, called, check_cast, joint_format
from fluvial.expressions import parse as parse_expression
from fluvial.expressions import parse_condition
from fluvial.query_values import is_decimal, scale
from fluvial.step_plan import (
    Checked,
    Failing,
    added,
    cell_of,
    check_unique,
    column_at,
    column_made,
    columns_at,
    constant_at,
)
from fluvial.step_values import shown
from fluvial.steps import Column, by_name


def _select(one: Checked, place: str) -> Checked:
    columns, fields = one.before[0], one.step.fields
    if fields["columns"] is None:
        left_out = {each.name for each in columns_at(f"{place}.except", fields["except"], columns)}
        kept = [each for each in columns if each.name not in left_out]
        if not kept:
            raise InvalidError(f"{place}.except", "No column would be left.", value=fields["except"])
        return _rows(one, [(each.name, cell_of(each)) for each in kept])
    chosen = fields["columns"]
    found = [column_at(f"{place}.columns.{at}", each["column"], columns) for at, each in enumerate(chosen)]
    check_unique([(f"{place}.columns.{at}", each["as"]) for at, each in enumerate(chosen)])
    return _rows(one, [(each["as"], cell_of(column)) for each, column in zip(chosen, found, strict=True)])


def _rename(one: Checked, place: str) -> Checked:
    columns, given = one.before[0], one.step.fields["columns"]
    columns_at(f"{place}.columns", [each["column"] for each in given], columns)
    names = {each["column"]: (f"{place}.columns.{at}.as", each["as"]) for at, each in enumerate(given)}
    stay = [(place, each.name) for each in columns if each.name not in names]
    check_unique([*stay, *names.values()])
    return _rows(one, [(names.get(each.name, ("", each.name))[1], cell_of(each)) for each in columns])


def _filter(one: Checked, place: str) -> Checked:
    columns, fields = one.before[0], one.step.fields
    filters = queries.parse_filters(fields["filters"], field=f"{place}.filters")
    queries.check_filters(filters, {each.name: each.type for each in columns}, field=f"{place}.filters")
    known = by_name(columns)
    holds = [filter_node(each, known[each.column]) for each in filters]
    if fields["expression"] is not None:
        holds.append(parse_condition(fields["expression"], known, field=f"{place}.expression"))
    condition = holds[0] if len(holds) == 1 else Call("and", tuple(holds), "boolean")
    return replace(_rows(one, [(each.name, cell_of(each)) for each in columns]), condition=condition)


def filter_node(each: queries.Filter, column: Column) -> Node:
    """A checked condition of a query as a tree; what it compares with may have more digits than the cells."""
    cell = cell_of(column)
    if each.operator in queries.WITHOUT_VALUE:
        found = Call("is_null", (cell,), "boolean")
        return found if each.operator == "is_null" else Call("not", (found,), "boolean")
    type_ = f"decimal(38,{scale(column.type)})" if is_decimal(column.type) else column.type
    values = [Constant(value, type_) for value in queries.filter_values(each, column.type)]
    if each.operator in queries.WITH_VALUES:
        found = Call("in", (cell, *values), "boolean")
        return found if each.operator == "in" else Call("not", (found,), "boolean")
    return Call(each.operator, (cell, values[0]), "boolean")


def _derive(one: Checked, place: str) -> Checked:
    columns, known = one.before[0], by_name(one.before[0])
    outputs: dict[str, Node] = {each.name: cell_of(each) for each in columns}
    named = [(place, each.name) for each in columns]
    for at, each in enumerate(one.step.fields["columns"]):
        where, name = f"{place}.columns.{at}", each["as"]
        node = parse_expression(each["expression"], known, field=f"{where}.expression")
        if node.type == "null":
            reason = "The type of null is not known: write CAST(NULL AS type)."
            raise InvalidError(f"{where}.expression", reason, value=each["expression"])
        if each["replace"]:
            column_at(f"{where}.as", name, columns)
            if any(name == other["as"] for other in one.step.fields["columns"][:at]):
                raise InvalidError(f"{where}.as", f"{shown(name)} is replaced already.", value=name)
        else:
            named.append((f"{where}.as", name))
        outputs[name] = node
    check_unique(named)
    return _rows(one, list(outputs.items()))


def _cast(one: Checked, place: str) -> Checked:
    columns, given = one.before[0], one.step.fields["columns"]
    columns_at(f"{place}.columns", [each["column"] for each in given], columns)
    outputs: dict[str, Node] = {each.name: cell_of(each) for each in columns}
    failing, rejecting = [], []
    for at, each in enumerate(given):
        where, column = f"{place}.columns.{at}", by_name(columns)[each["column"]]
        _check_cast(where, each, column)
        if column.type == each["type"]:
            continue
        order = Constant(each["date_order"], "text")
        function = "cast" if each["on_error"] == "fail" else "try_cast"
        node = Call(function, (cell_of(column), order), each["type"], FORMATS.get(each["type"]))
        outputs[column.name] = node
        if function == "try_cast":
            fails = Call("cast_fails", (cell_of(column), node), "boolean")
            failing.append(Failing(column.name, fails))
            rejecting += [Call("not", (fails,), "boolean")] if each["on_error"] == "reject" else []
    kept = Call("and", tuple(rejecting), "boolean") if rejecting else None
    return replace(_rows(one, list(outputs.items())), condition=kept, failing=tuple(failing))


def _check_cast(place: str, given: Mapping[str, Any], column: Column) -> None:
    try:
        check_cast(column.type, given["type"])
    except Refusal as refusal:
        reason = f"{shown(column.name)}: {refusal.reason}."
        raise InvalidError(f"{place}.type", reason, value=given["type"], constraint=refusal.constraint) from refusal
    dated = given["type"] in ("date", "timestamp", "timestamp_tz")
    if given["date_order"] is not None and not (column.type == "text" and dated):
        reason = "'date_order' is for texts that become dates or timestamps."
        raise InvalidError(f"{place}.date_order", reason, value=given["date_order"])


def _fill(one: Checked, place: str) -> Checked:
    columns, fields = one.before[0], one.step.fields
    filled = {each.name for each in columns_at(f"{place}.columns", fields["columns"], columns)}
    within = columns_at(f"{place}.partition_by", fields["partition_by"], columns)
    for at, each in enumerate(within):
        if each.name in filled:
            reason = f"{shown(each.name)} is filled: rows cannot be divided by it as well."
            raise InvalidError(f"{place}.partition_by.{at}", reason, value=each.name)
    if fields["method"] is not None:
        return one
    outputs: list[tuple[str, Node]] = []
    for each in columns:
        node: Node = cell_of(each)
        if each.name in filled:
            node = called("coalesce", (node, constant_at(f"{place}.value", fields["value"], each)), each.type)
        outputs.append((each.name, node))
    return _rows(one, outputs)


def _replace(one: Checked, place: str) -> Checked:
    columns, fields = one.before[0], one.step.fields
    column = column_at(f"{place}.column", fields["column"], columns)
    null = Constant(None, column.type)
    tests: list[Node] = []
    results: list[Node] = []
    for at, each in enumerate(fields["values"]):
        where = f"{place}.values.{at}"
        old = constant_at(f"{where}.from", each["from"], column)
        test = Call("eq", (cell_of(column), old), "boolean")
        if test in tests:
            raise InvalidError(f"{where}.from", f"{shown(each['from'])} is replaced already.", value=each["from"])
        tests.append(test)
        results.append(null if each["to"] is None else constant_at(f"{where}.to", each["to"], column))
    rest = cell_of(column)
    shown_as = joint_format(column.type, [rest, *(each for each in results if each != null)])
    node = Call("case", (*tests, *results, rest), column.type, shown_as)
    return _rows(one, [(each.name, node if each.name == column.name else cell_of(each)) for each in columns])


def _split(one: Checked, place: str) -> Checked:
    columns, fields = one.before[0], one.step.fields
    column = column_at(f"{place}.column", fields["column"], columns)
    if column.type != "text":
        reason = f"Only text can be split; the type of {shown(column.name)} is {column.type}."
        raise InvalidError(f"{place}.column", reason, value=column.name, constraint="text")
    into, separator = fields["into"], Constant(fields["separator"], "text")
    kept = [each for each in columns if fields["keep"] or each.name != column.name]
    new = [(f"{place}.into.{at}", Column(name, "text")) for at, name in enumerate(into)]
    added(place, kept, new)
    outputs: list[tuple[str, Node]] = [(each.name, cell_of(each)) for each in kept]
    for at, name in enumerate(into):
        function = "split_rest" if at == len(into) - 1 else "split_one"
        arguments = (cell_of(column), separator, Constant(at + 1, "integer"))
        outputs.append((name, Call(function, arguments, "text")))
    return _rows(one, outputs)


def _rows(one: Checked, outputs: Sequence[tuple[str, Node]]) -> Checked:
    return replace(one, outputs=tuple(outputs), columns=tuple(column_made(name, node) for name, node in outputs))


CHECKS: dict[str, Callable[[Checked, str], Checked]] = {
    "select": _select,
    "rename": _rename,
    "filter": _filter,
    "derive": _derive,
    "cast": _cast,
    "fill": _fill,
    "replace": _replace,
    "split": _split,
}
