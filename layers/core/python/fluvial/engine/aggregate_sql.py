"""Aggregates of preparations as nodes: the functions of `queries`, with the values that analyses compute.

What `engine.analysis` says of them holds here, too: averages divide an exact sum, medians are exact, and of floats
there is one zero only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from fluvial import queries
from fluvial.engine.expression_sql import Writer, call, cast_to, filled, number, one_zero
from fluvial.expression_types import Cell
from fluvial.query_values import scale
from fluvial.steps import Column

Window = tuple[Sequence[exp.Expr], Sequence[exp.Expr], object]
"""What rows are divided by, their order, and the frame as `step_shapes` has it."""


def key(writer: Writer, each: queries.Group, column: Column) -> exp.Expr:
    """What rows are grouped by."""
    if each.bucket is None:
        return one_zero(writer.cell(column), column.type)
    moment = cast_to(writer.moment(Cell(column.name, column.type, column.format)), "timestamp")
    return cast_to(call("date_trunc", exp.Literal.string(each.bucket), moment), "date")


def aggregate(
    function: str,
    value: exp.Expr | None,
    column: Column | None,
    made: Column,
    position: exp.Expr | None,
    *,
    window: Window | None = None,
) -> exp.Expr:
    """The function over values of a column (without one, over rows), as the type of `made`.

    Floats are added up in the order of `position`: any other could give another sum.
    """

    def computed(name: str, *arguments: exp.Expr) -> exp.Expr:
        found: exp.Expr = call(name, *arguments)
        return found if window is None else over(found, *window)

    if value is None:
        return computed("count", exp.Star())
    type_ = "integer" if column is None else column.type
    value = one_zero(value, type_)
    if function == "count":
        return computed("count", value)
    if function == "count_distinct":
        return computed("count", exp.Distinct(expressions=[value]))
    if function in ("min", "max"):
        return computed(function, value)
    if function == "median":
        # A share that is above a half by less than one in all rows finds the upper of the two in the middle.
        shares = ("0.5", "0.500000000001")
        lower, upper = (computed("quantile_disc", value, exp.Literal.number(share)) for share in shares)
        return cast_to(_middle(lower, upper, type_), made.type)
    added = value
    if type_ == "float" and position is not None and window is None:
        added = exp.Order(this=value, expressions=[exp.Ordered(this=position, nulls_first=False)])
    total = computed("sum", added)
    if function == "sum":
        return cast_to(total, made.type)
    return filled("CAST(s AS DOUBLE) / n", s=total, n=computed("count", value))


def _middle(lower: exp.Expr, upper: exp.Expr, type_: str) -> exp.Expr:
    """The value between two; DuckDB's own median rounds decimals and makes floats of integers."""
    if type_ == "float":
        return filled("CASE WHEN l = u THEN l ELSE l * 0.5 + u * 0.5 END", l=lower, u=upper)
    wide = "HUGEINT" if type_ == "integer" else f"DECIMAL(38, {scale(type_)})"
    half = f"CAST(CAST(l AS {wide}) + u AS DECIMAL(37, {scale(type_)})) * CAST('0.5' AS DECIMAL(1, 1))"
    return filled(half, l=lower, u=upper)


def over(function: exp.Expr, within: Sequence[exp.Expr], order: Sequence[exp.Expr], frame: object = None) -> exp.Expr:
    """The function over the rows of a window; without a frame, for functions that have none."""
    return exp.Window(
        this=function,
        partition_by=list(within),
        order=exp.Order(expressions=list(order)) if order else None,
        spec=None if frame is None else _spec(frame),
    )


def _spec(frame: object) -> exp.Expr:
    before: object = "UNBOUNDED"
    after: object = "UNBOUNDED" if frame == "all" else "CURRENT ROW"
    if isinstance(frame, Mapping):
        before, after = number(frame["preceding"]), number(frame["following"])
    return exp.WindowSpec(
        kind="ROWS",
        start=before,
        start_side="PRECEDING",
        end=after,
        end_side=None if after == "CURRENT ROW" else "FOLLOWING",
    )
