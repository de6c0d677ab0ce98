"""Checks of the steps that look at several rows: from dedupe and sort to join, union and window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from fluvial import queries
from fluvial.errors import InvalidError
from fluvial.expression_types import FORMATS, Call, Constant, Node, joint_format
from fluvial.query_values import is_decimal, scale
from fluvial.step_plan import (
    Checked,
    added,
    cell_of,
    check_sort,
    check_unique,
    column_at,
    columns_at,
    constant_at,
    listed_names,
)
from fluvial.step_shapes import ENDS, RANKS, SHIFTS
from fluvial.step_values import shown
from fluvial.steps import Column, by_name


def _dedupe(one: Checked, place: str) -> Checked:
    columns_at(f"{place}.columns", one.step.fields["columns"] or [], one.before[0])
    check_sort(f"{place}.sort", one.step.fields["sort"], one.before[0])
    return one


def _sorted(one: Checked, place: str) -> Checked:
    check_sort(f"{place}.sort", one.step.fields["sort"], one.before[0])
    return one


def _as_it_is(one: Checked, _: str) -> Checked:
    return one


def _group(one: Checked, place: str) -> Checked:
    columns, known = one.before[0], by_name(one.before[0])
    types = {each.name: each.type for each in columns}
    query = queries.parse(dict(one.step.fields), field=place)
    queries.check(query, types, field=place)
    check_unique(
        [
            *((f"{place}.group_by.{at}.as", each.name) for at, each in enumerate(query.groups)),
            *((f"{place}.aggregates.{at}.as", each.name) for at, each in enumerate(query.aggregates)),
        ]
    )
    found = queries.result_types(query, types)
    sources = {each.name: None if each.bucket else each.column for each in query.groups}
    sources |= {each.name: each.column for each in query.aggregates}
    made = []
    for name, type_ in found.items():
        source = known.get(sources[name] or "")
        made.append(_aggregated(name, type_, source))
    return replace(one, columns=tuple(made))


def _aggregated(name: str, type_: str, source: Column | None) -> Column:
    """A computed column is shown as its source is, if it is of the same kind."""
    kept = source is not None and (source.type == type_ or (is_decimal(source.type) and is_decimal(type_)))
    return Column(name, type_, source.format if source is not None and kept else FORMATS.get(type_))


def _aggregate_type(place: str, function: str, column: str | None, columns: Sequence[Column]) -> Column:
    """What an aggregate over the column makes; named by `function`."""
    found = None if column is None else column_at(f"{place}.column", column, columns)
    types = {each.name: each.type for each in columns}
    query = queries.Query(aggregates=(queries.Aggregate(function, "made", column),))
    try:
        queries.check(query, types)
    except InvalidError as error:
        raise InvalidError(f"{place}.function", error.reason, value=function, constraint=error.constraint) from error
    return _aggregated("made", queries.result_types(query, types)["made"], found)


def _pivot(one: Checked, place: str) -> Checked:
    columns, fields = one.before[0], one.step.fields
    keys = columns_at(f"{place}.group_by", fields["group_by"], columns)
    on = column_at(f"{place}.on", fields["on"], columns)
    made = _aggregate_type(place, fields["function"], fields["column"], columns)
    picks: list[Node] = []
    new = []
    for at, each in enumerate(fields["values"]):
        where = f"{place}.values.{at}"
        value = Constant(None, on.type) if each["value"] is None else constant_at(where, each["value"], on)
        pick = Call("same", (cell_of(on), value), "boolean")
        if pick in picks:
            raise InvalidError(where, f"{shown(each['value'])} has a column already.", value=each["value"])
        picks.append(pick)
        new.append((where, replace(made, name=each["as"])))
    return replace(one, columns=added(place, keys, new), picks=tuple(picks))


def _unpivot(one: Checked, place: str) -> Checked:
    columns, fields = one.before[0], one.step.fields
    chosen = columns_at(f"{place}.columns", fields["columns"], columns)
    for at, each in enumerate(chosen):
        if each.type != chosen[0].type:
            reason = (
                f"Columns of one type become one: {shown(each.name)} is {each.type}, {shown(chosen[0].name)} "
                f"{chosen[0].type}. Cast them before."
            )
            raise InvalidError(f"{place}.columns.{at}", reason, value=each.name, constraint=chosen[0].type)
    names = {each.name for each in chosen}
    kept = [each for each in columns if each.name not in names]
    new = [
        (f"{place}.name_as", Column(fields["name_as"], "text")),
        (f"{place}.value_as", replace(chosen[0], name=fields["value_as"])),
    ]
    return replace(one, columns=added(place, kept, new))


def _join(one: Checked, place: str) -> Checked:
    (left, right), fields = one.before, one.step.fields
    for at, each in enumerate(fields["on"]):
        where = f"{place}.on.{at}"
        one_key = column_at(f"{where}.left", each["left"], left)
        other_key = column_at(f"{where}.right", each["right"], right)
        if not _comparable(one_key.type, other_key.type):
            reason = (
                f"Keys must have one type: {shown(one_key.name)} is {one_key.type}, {shown(other_key.name)} "
                f"{other_key.type}. Cast one of them before."
            )
            raise InvalidError(where, reason, value=[one_key.type, other_key.type], constraint=one_key.type)
    if fields["kind"] in ("semi", "anti"):
        if fields["columns"] is not None:
            reason = f"A {fields['kind']} join has the columns of the left side alone."
            raise InvalidError(f"{place}.columns", reason, value=fields["kind"])
        return one
    return replace(one, columns=added(place, _join_keys(one), _of_the_right(one, place)))


def _comparable(one: str, other: str) -> bool:
    """Decimals with as many digits behind the point are compared as they are."""
    return one == other or (is_decimal(one) and is_decimal(other) and scale(one) == scale(other))


def _join_keys(one: Checked) -> list[Column]:
    """The left side's columns; a key holds the right side's value where there is no left one."""
    left, known = one.before[0], by_name(one.before[1])
    if one.step.fields["kind"] not in ("right", "full"):
        return list(left)
    keys = {each["left"]: known[each["right"]] for each in one.step.fields["on"]}
    return [_merged(each, keys.get(each.name, each)) for each in left]


def _merged(one: Column, other: Column) -> Column:
    """The first column with the values of both."""
    type_ = wider(one.type, other.type)
    return replace(one, type=type_, format=joint_format(type_, (one, other)))


def wider(one: str, other: str) -> str:
    """Of two comparable types the one that holds all values of both."""
    return one if not is_decimal(one) or len(one) > len(other) else max(one, other) if len(one) == len(other) else other


def _of_the_right(one: Checked, place: str) -> list[tuple[str, Column]]:
    right, fields = one.before[1], one.step.fields
    if fields["columns"] is None:
        keys = {each["right"] for each in fields["on"]}
        where = f"{place}.columns"
        return [(where, each) for each in right if each.name not in keys]
    chosen = [(f"{place}.columns.{at}", each) for at, each in enumerate(fields["columns"])]
    return [(where, replace(column_at(where, each["column"], right), name=each["as"])) for where, each in chosen]


def _union(one: Checked, place: str) -> Checked:
    columns = list(one.before[0])
    for at, others in enumerate(one.before[1:]):
        where, known = f"{place}.with.{at}", by_name(others)
        missing = [each.name for each in columns if each.name not in known]
        more = [each.name for each in others if each.name not in by_name(columns)]
        if missing or more:
            parts = [f"it lacks {listed_names(missing)}"] * bool(missing) + [
                f"it also has {listed_names(more)}"
            ] * bool(more)
            reason = f"{shown(one.step.fields['with'][at])} must have the same columns: {'; '.join(parts)}."
            raise InvalidError(
                where, reason, value=[*missing, *more], constraint=listed_names([c.name for c in columns])
            )
        for number, each in enumerate(columns):
            other = known[each.name]
            if not _comparable(each.type, other.type):
                reason = f"{shown(each.name)} is {other.type} there and {each.type} here: cast one of them before."
                raise InvalidError(where, reason, value=other.type, constraint=each.type)
            columns[number] = _merged(each, other)
    return replace(one, columns=tuple(columns))


def _window(one: Checked, place: str) -> Checked:
    columns, fields = one.before[0], one.step.fields
    columns_at(f"{place}.partition_by", fields["partition_by"], columns)
    check_sort(f"{place}.sort", fields["sort"], columns)
    new = []
    for at, each in enumerate(fields["columns"]):
        where, function = f"{place}.columns.{at}", each["function"]
        if function in RANKS:
            if function != "row_number" and not fields["sort"]:
                reason = f"'{function}' needs 'sort': it says which rows are equal."
                raise InvalidError(f"{place}.sort", reason, value=function)
            made = Column("", "integer")
        elif function in (*SHIFTS, *ENDS):
            made = column_at(f"{where}.column", each["column"], columns)
        else:
            made = _aggregate_type(where, function, each["column"], columns)
        new.append((f"{where}.as", replace(made, name=each["as"])))
    return replace(one, columns=added(place, columns, new))


CHECKS: dict[str, Callable[[Checked, str], Checked]] = {
    "dedupe": _dedupe,
    "sort": _sorted,
    "limit": _as_it_is,
    "sample": _as_it_is,
    "group": _group,
    "pivot": _pivot,
    "unpivot": _unpivot,
    "join": _join,
    "union": _union,
    "window": _window,
}
