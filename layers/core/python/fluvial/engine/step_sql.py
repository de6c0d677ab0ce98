"""One step of a preparation as a SELECT: every kind of step has a function here.

Each relation has a hidden column with the position of its rows, whose name no other column has. Positions are distinct
and say the order; a step that keeps its rows keeps their positions, one that makes other rows numbers them anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from fluvial import queries
from fluvial.engine.aggregate_sql import aggregate, key, over
from fluvial.engine.expression_sql import (
    ROW,
    Values,
    Writer,
    call,
    cast_as,
    cast_to,
    filled,
    named,
    number,
    one_zero,
    sql_type,
)
from fluvial.step_plan import Checked
from fluvial.step_shapes import ENDS, RANKS, SHIFTS
from fluvial.steps import Column, by_name

OTHER = "other"  # what a join's right side is called


@dataclass(frozen=True)
class Names:
    """Hidden columns: the position, and others while a step is computed."""

    position: str

    @property
    def part(self) -> str:
        return f"{self.position}_part"


class Builder:
    """Builds one step's SELECT, and the values that are bound in it."""

    def __init__(self, one: Checked, sources: Sequence[exp.Expr], names: Names) -> None:
        self.one, self.sources, self.names = one, sources, names
        self.values = Values()
        self.writer = Writer(self.values)
        self.fields: Mapping[str, Any] = one.step.fields
        self.known = by_name(one.before[0])

    def build(self) -> exp.Select:
        """The step's rows with their positions, in their order."""
        if self.one.outputs is not None:
            return self._each_row()
        return _BUILT[self.one.step.kind](self)

    def failed(self) -> exp.Query:
        """The cells that casts of this step cannot take: column, row (a position) and value."""
        parts: list[exp.Select] = []
        for at, each in enumerate(self.one.failing):
            cell = self.known[each.column]
            text = cast_to(self.writer.cell(cell), "text")
            columns = [(number(at), self.names.part), (self.values.text(each.column), "column")]
            shown = [*columns, (self.position(), "row"), (text, "value")]
            parts.append(self._select(shown).where(self.writer.write(each.condition)))
        union: exp.Query = parts[0]
        for part in parts[1:]:
            union = exp.union(union, part, distinct=False, copy=False)
        wanted = [named(name) for name in ("column", "row", "value")]
        order = [named(self.names.part), named("row")]
        return exp.select(*wanted).from_(union.subquery(ROW, copy=False)).order_by(*order)

    # ------------------------------------------------------------ pieces

    def position(self, table: str = ROW) -> exp.Expr:
        return named(self.names.position, table)

    def cells(self, columns: Sequence[Column] | None = None) -> list[tuple[exp.Expr, str]]:
        return [(self.writer.cell(each), each.name) for each in columns or self.one.before[0]]

    def _select(self, outputs: Sequence[tuple[exp.Expr, str]], source: exp.Expr | None = None) -> exp.Select:
        columns = [exp.alias_(node, exp.to_identifier(name, quoted=True)) for node, name in outputs]
        return exp.select(*columns, copy=False).from_(self.sources[0] if source is None else source)

    def _kept(self, outputs: Sequence[tuple[exp.Expr, str]]) -> exp.Select:
        """Outputs of the same rows, which keep their positions."""
        return self._select([(self.position(), self.names.position), *outputs])

    def _in_order(self, select: exp.Select) -> exp.Select:
        return ordered(select, self.names, hidden=True)

    def _numbered(self, outputs: Sequence[tuple[exp.Expr, str]], order: Sequence[exp.Expr], **rest: Any) -> exp.Select:
        """Outputs as new rows, whose positions are the places in an order."""
        window = exp.Window(this=call("row_number"), order=exp.Order(expressions=list(order)))
        return self._select([(window, self.names.position), *outputs], **rest)

    def _terms(self, sort: Sequence[Mapping[str, Any]], *, reverse: bool = False) -> list[exp.Expr]:
        """Nulls stand last in either order; reversed they stand first, as then all is."""
        terms: list[exp.Expr] = []
        for each in sort:
            column = self.known[each["by"]]
            down = (each["order"] == "desc") != reverse
            terms.append(self._term(one_zero(self.writer.cell(column), column.type), down=down, nulls_first=reverse))
        return terms

    def _term(self, node: exp.Expr, *, down: bool = False, nulls_first: bool = False) -> exp.Expr:
        return exp.Ordered(this=node, desc=down, nulls_first=nulls_first)

    def _keys(self, names: Sequence[str]) -> list[exp.Expr]:
        columns = [self.known[name] for name in names]
        return [one_zero(self.writer.cell(each), each.type) for each in columns]

    # ------------------------------------------------------------ the steps

    def _each_row(self) -> exp.Select:
        outputs = [(self.writer.write(node), name) for name, node in self.one.outputs or ()]
        select = self._kept(outputs)
        return select if self.one.condition is None else select.where(self.writer.write(self.one.condition))

    def _fill(self) -> exp.Select:
        filled_columns = set(self.fields["columns"])
        back = self.fields["method"] == "next"
        outputs = []
        for each in self.one.before[0]:
            cell = self.writer.cell(each)
            if each.name in filled_columns:
                last = exp.IgnoreNulls(this=exp.LastValue(this=cell))
                order = [self._term(self.position(), down=back)]
                cell = over(last, self._keys(self.fields["partition_by"]), order, "running")
            outputs.append((cell, each.name))
        return self._in_order(self._kept(outputs))

    def _dedupe(self) -> exp.Select:
        names = self.fields["columns"] or [each.name for each in self.one.before[0]]
        last = self.fields["keep"] == "last"
        order = [*self._terms(self.fields["sort"], reverse=last), self._term(self.position(), down=last)]
        first = over(call("row_number"), self._keys(names), order)
        return self._in_order(self._kept(self.cells()).qualify(exp.EQ(this=first, expression=number(1))))

    def _sort(self) -> exp.Select:
        order = [*self._terms(self.fields["sort"]), self._term(self.position())]
        return self._in_order(self._numbered(self.cells(), order))

    def _limit(self) -> exp.Select:
        select = self._kept(self.cells()).order_by(self._term(self.position()))
        return select.limit(self.fields["limit"]).offset(self.fields["offset"])

    def _sample(self) -> exp.Select:
        """Which rows are taken is a matter of the seed and of their positions alone."""
        seed = exp.Literal.string(f"{self.fields['seed']}:")
        text = call("concat", seed, cast_to(self.position(), "text"))
        if self.fields["rows"] is not None:
            order = [self._term(call("md5", text)), self._term(self.position())]
            return self._in_order(self._kept(self.cells()).order_by(*order).limit(self.fields["rows"]))
        numerator, denominator = self.fields["share"].as_integer_ratio()
        share = cast_as(exp.Literal.string(str(numerator * 2**64 // denominator)), "HUGEINT")
        chance = cast_as(call("md5_number_lower", text), "HUGEINT")
        return self._kept(self.cells()).where(exp.LT(this=chance, expression=share))

    def _group(self) -> exp.Select:
        query = queries.parse(dict(self.fields))
        keys = [(key(self.writer, each, self.known[each.column]), each.name) for each in query.groups]
        made = by_name(self.one.columns)
        computed = []
        for each in query.aggregates:
            column = None if each.column is None else self.known[each.column]
            value = None if column is None else self.writer.cell(column)
            computed.append((aggregate(each.function, value, column, made[each.name], self.position()), each.name))
        return self._grouped(keys, computed)

    def _grouped(self, keys: list[tuple[exp.Expr, str]], computed: list[tuple[exp.Expr, str]]) -> exp.Select:
        """A group stands where its first row stood."""
        first = call("coalesce", call("min", self.position()), number(0))
        select = self._select([(first, self.names.position), *keys, *computed])
        if keys:
            # By number: a name could be the one of a column that went in.
            select = select.group_by(*(number(at + 2) for at in range(len(keys))))
        return self._in_order(select)

    def _pivot(self) -> exp.Select:
        cells = self._keys(self.fields["group_by"])
        column = None if self.fields["column"] is None else self.known[self.fields["column"]]
        computed = []
        for pick, made in zip(self.one.picks, self.one.columns[len(cells) :], strict=True):
            value = number(1) if column is None else self.writer.cell(column)
            picked = filled("CASE WHEN p THEN x END", p=self.writer.write(pick), x=value)
            found = aggregate(self.fields["function"], picked, column, made, self.position())
            computed.append((found, made.name))
        return self._grouped(list(zip(cells, self.fields["group_by"], strict=True)), computed)

    def _unpivot(self) -> exp.Select:
        chosen, name_as, value_as = self.fields["columns"], self.fields["name_as"], self.fields["value_as"]
        kept = [each for each in self.one.before[0] if each.name not in chosen]
        lists = [
            ([number(at) for at in range(len(chosen))], self.names.part),
            ([self.values.text(name) for name in chosen], name_as),
            ([self.writer.cell(self.known[name]) for name in chosen], value_as),
        ]
        unnested = [(call("unnest", exp.Array(expressions=each)), name) for each, name in lists]
        inner = self._kept([*(self.cells(kept) if kept else []), *unnested])
        order = [self._term(self.position()), self._term(named(self.names.part))]
        outputs = [(named(each.name), each.name) for each in self.one.columns]
        select = self._numbered(outputs, order, source=inner.subquery(ROW))
        if self.fields["nulls"] == "drop":
            select = select.where(exp.Not(this=exp.Is(this=named(value_as), expression=exp.Null())))
        return self._in_order(select)

    def _join(self) -> exp.Select:
        kind, right = self.fields["kind"], by_name(self.one.before[1])
        pairs = [
            exp.EQ(this=self.writer.cell(self.known[each["left"]]), expression=named(each["right"], OTHER))
            for each in self.fields["on"]
        ]
        joined = {"on": exp.and_(*pairs), "join_type": kind}
        other = self.sources[1].copy()
        other.set("alias", exp.TableAlias(this=exp.to_identifier(OTHER)))
        if kind in ("semi", "anti"):
            return self._in_order(self._kept(self.cells()).join(other, **joined))
        keys = {each["left"]: right[each["right"]] for each in self.fields["on"]}
        outputs = []
        for made in self.one.columns[: len(self.one.before[0])]:
            cell: exp.Expr = named(made.name)
            if kind in ("right", "full") and made.name in keys:
                both = (cell, named(keys[made.name].name, OTHER))
                cell = call("coalesce", *(cast_to(each, made.type, made.format) for each in both))
            outputs.append((cell, made.name))
        outputs += [(named(source, OTHER), name) for source, name in self._of_the_right()]
        order = [self._term(self.position()), self._term(self.position(OTHER))]
        return self._in_order(self._numbered(outputs, order).join(other, **joined))

    def _of_the_right(self) -> list[tuple[str, str]]:
        if self.fields["columns"] is not None:
            return [(each["column"], each["as"]) for each in self.fields["columns"]]
        keys = {each["right"] for each in self.fields["on"]}
        return [(each.name, each.name) for each in self.one.before[1] if each.name not in keys]

    def _union(self) -> exp.Select:
        parts: list[exp.Select] = []
        for at, source in enumerate(self.sources):
            known = by_name(self.one.before[at])
            cells = [(self._as(known[made.name], made), made.name) for made in self.one.columns]
            hidden = [(self.position(), self.names.position), (number(at), self.names.part)]
            parts.append(self._select([*hidden, *cells], source))
        union: exp.Query = parts[0]
        for part in parts[1:]:
            union = exp.union(union, part, distinct=False)
        outputs = [(named(each.name), each.name) for each in self.one.columns]
        order = [self._term(named(self.names.part)), self._term(self.position())]
        return self._in_order(self._numbered(outputs, order, source=union.subquery(ROW)))

    def _as(self, column: Column, made: Column) -> exp.Expr:
        cell = self.writer.cell(column)
        same = sql_type(column.type, column.format) == sql_type(made.type, made.format)
        return cell if same else cast_to(cell, made.type, made.format)

    def _window(self) -> exp.Select:
        within, sort = self._keys(self.fields["partition_by"]), self._terms(self.fields["sort"])
        total = [*sort, self._term(self.position())]
        made = by_name(self.one.columns)
        outputs = self.cells()
        for each in self.fields["columns"]:
            function, column = each["function"], self.known.get(each["column"] or "")
            cell = None if column is None else self.writer.cell(column)
            if function in RANKS:
                order = total if function == "row_number" else sort
                node = over(call(function), within, order)
            elif function in SHIFTS and cell is not None:
                node = over(call(function, cell, number(each["offset"])), within, total)
            elif function in ENDS and cell is not None:
                node = over(call(f"{function}_value", cell), within, total, self.fields["frame"])
            else:
                window = (within, total, self.fields["frame"])
                node = aggregate(function, cell, column, made[each["as"]], None, window=window)
            outputs.append((node, each["as"]))
        return self._in_order(self._kept(outputs))


def ordered(select: exp.Query, names: Names, *, hidden: bool) -> exp.Select:
    """A relation in the order of its positions, with them or without."""
    position = exp.to_identifier(names.position, quoted=True)
    every = exp.Star() if hidden else exp.Star(except_=[position])
    return exp.select(every).from_(select.subquery(ROW)).order_by(named(names.position))


def input_rows(name: str, names: Names) -> exp.Expr:
    """An input's rows, numbered in the order in which its parts have them."""
    counted = exp.alias_(exp.Window(this=call("row_number")), exp.to_identifier(names.position, quoted=True))
    return exp.select(counted, exp.Star()).from_(exp.to_identifier(name, quoted=True)).subquery(ROW)


def step_rows(name: str) -> exp.Expr:
    """An earlier step's rows."""
    return exp.alias_(exp.Table(this=exp.to_identifier(name, quoted=True)), ROW, table=True)


_BUILT: dict[str, Callable[[Builder], exp.Select]] = {
    "fill": Builder._fill,
    "dedupe": Builder._dedupe,
    "sort": Builder._sort,
    "limit": Builder._limit,
    "sample": Builder._sample,
    "group": Builder._group,
    "pivot": Builder._pivot,
    "unpivot": Builder._unpivot,
    "join": Builder._join,
    "union": Builder._union,
    "window": Builder._window,
}
