"""Typed trees of expressions as nodes of sqlglot: names are quoted identifiers, what somebody typed is bound.

Nothing is pasted: the templates here are our own constants, parsed once, and their cells are replaced by nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import sqlglot
from sqlglot import exp

from fluvial.engine.forced import Forced
from fluvial.engine.temporal import offset_minutes, zone_of
from fluvial.engine.types import sql_text
from fluvial.expression_types import FORMATS, Call, Cell, Constant, Node
from fluvial.query_values import is_decimal, scale
from fluvial.steps import Column

ROW = "t"  # what the rows that a step reads are called in its SQL
SHOWN_CHARACTERS = 60  # of a cell that a message repeats
_DIVISION_BY_ZERO = "error('a division by zero: nullif(…, 0) makes it null')"
_TYPES = {
    "integer": "BIGINT",
    "float": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamp_tz": "TIMESTAMPTZ",
    "text": "VARCHAR",
}
_COMPARED: dict[str, type[exp.Binary]] = {
    "eq": exp.EQ,
    "ne": exp.NEQ,
    "lt": exp.LT,
    "le": exp.LTE,
    "gt": exp.GT,
    "ge": exp.GTE,
    "same": exp.NullSafeEQ,
    "different": exp.NullSafeNEQ,
    "like": exp.Like,
    "ilike": exp.ILike,
    "||": exp.DPipe,
}
_COMPUTED: dict[str, type[exp.Binary]] = {
    "+": exp.Add,
    "-": exp.Sub,
    "*": exp.Mul,
    "/": exp.Div,
    "//": exp.IntDiv,
    "%": exp.Mod,
}
_SAME_NAME = (
    *("upper", "lower", "trim", "ltrim", "rtrim", "reverse", "strip_accents", "length", "left", "right", "substring"),
    *("replace", "split_part", "contains", "starts_with", "ends_with", "concat", "regexp_matches", "regexp_extract"),
    *("abs", "round", "floor", "ceil", "trunc", "sqrt", "exp", "ln", "log10", "power", "coalesce", "nullif"),
    *("greatest", "least", "make_date", "lpad", "rpad", "sign"),
)
_OTHER_NAME = {"position": "strpos", "weekday": "isodow", "day_of_year": "dayofyear"}
_PARTS = ("year", "quarter", "month", "week", "day", "weekday", "day_of_year", "hour", "minute", "second")
_WIDTH_32 = ("lpad", "rpad", "round", "regexp_extract")  # whose counts DuckDB wants in 32 bits


class Values:
    """What is bound, by the names that stand for it in the SQL."""

    def __init__(self) -> None:
        self.bound: dict[str, str] = {}

    def text(self, value: str) -> exp.Expr:
        names = (name for name, known in self.bound.items() if known == value)
        name = next(names, f"v{len(self.bound)}")
        self.bound[name] = value
        return cast_as(exp.Placeholder(this=name), "VARCHAR")


def sql_type(type_: str, format_: str | None = None) -> exp.DataType:
    nanoseconds = type_ == "timestamp" and any(f"%{digits}f" in str(format_) for digits in (7, 8, 9))
    spelled = "TIMESTAMP_NS" if nanoseconds else _TYPES.get(type_, type_)
    return exp.DataType.build(spelled, dialect="duckdb")


def named(name: str, table: str | None = ROW) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(table) if table else None)


def cast_to(node: exp.Expr, type_: str, format_: str | None = None) -> exp.Expr:
    """The node as one of our types."""
    return exp.Cast(this=node, to=sql_type(type_, format_))


def cast_as(node: exp.Expr, spelled: str) -> exp.Expr:
    """The node as a type of DuckDB. `exp.cast` would leave out one from decimal to decimal, whatever their digits."""
    return exp.Cast(this=node, to=exp.DataType.build(spelled, dialect="duckdb"))


def call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=list(arguments))


def number(value: int) -> exp.Expr:
    return exp.Paren(this=exp.Neg(this=exp.Literal.number(-value))) if value < 0 else exp.Literal.number(value)


def filled(template: str, **nodes: exp.Expr) -> exp.Expr:
    """One of our own templates with its columns replaced by nodes, or by copies of those that have a place already."""

    def replaced(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and not node.table and node.name in nodes:
            found = nodes[node.name]
            return found if found.parent is None else found.copy()
        return node

    return exp.Paren(this=_parsed(template).copy().transform(replaced, copy=False))


@lru_cache(maxsize=500)
def _parsed(template: str) -> exp.Expr:
    return sqlglot.parse_one(template, read="duckdb")


def one_zero(node: exp.Expr, type_: str) -> exp.Expr:
    """A value to group and order by: -0.0 and 0.0 are equal, and which one stood for both would be left to chance."""
    return filled("x + CAST(0 AS DOUBLE)", x=node) if type_ == "float" else node


class Writer:
    """Writes trees of one statement; `values` has what is to be bound with it."""

    def __init__(self, values: Values, *, table: str = ROW) -> None:
        self.values, self._table, self._lets = values, table, 0

    def cell(self, column: Column) -> exp.Expr:
        return named(column.name, self._table)

    def write(self, node: Node) -> exp.Expr:
        if isinstance(node, Cell):
            return named(node.name, self._table)
        if isinstance(node, Constant):
            return self.constant(node)
        write = _WRITTEN.get(node.function)
        if write is not None:
            return write(self, node)
        arguments = self._arguments(node)
        if node.function in _COMPARED:
            return exp.Paren(this=_COMPARED[node.function](this=arguments[0], expression=arguments[1]))
        if node.function in _SAME_NAME or node.function in _OTHER_NAME:
            return self._called(node, arguments)
        raise AssertionError(f"{node.function} cannot be written")

    def constant(self, node: Constant) -> exp.Expr:
        if node.value is None:
            return cast_to(exp.Null(), node.type)
        if node.type == "text":
            return self.values.text(str(node.value))
        if node.type == "boolean":
            return exp.Boolean(this=bool(node.value))
        # Digits, dates and times that were checked to be just that.
        return cast_to(exp.Literal.string(str(node.value)), node.type)

    def once(self, node: exp.Expr, build: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
        """What `build` makes of the node, which it may use several times: computed once, or nesting would explode."""
        if isinstance(node, exp.Column):
            return build(node)
        self._lets += 1
        name = exp.to_identifier(f"let{self._lets}")
        function = exp.Lambda(this=build(exp.column(name.copy())), expressions=[name])
        return call("list_extract", call("list_transform", exp.Array(expressions=[node]), function), number(1))

    def moment(self, node: Node) -> exp.Expr:
        """A date or timestamp as the clock that its cells show."""
        written = self.write(node)
        if node.type != "timestamp_tz":
            return written
        return filled(f"CAST(x AS TIMESTAMP) + INTERVAL ({_offset(node)}) MINUTE", x=written)

    def _arguments(self, node: Call) -> list[exp.Expr]:
        return [self.write(each) for each in node.arguments]

    def _called(self, node: Call, arguments: Sequence[exp.Expr]) -> exp.Expr:
        given = list(arguments)
        if node.function in _WIDTH_32:
            for at, each in enumerate(node.arguments):
                if isinstance(each, Constant) and each.type == "integer":
                    given[at] = number(int(str(each.value)))
        if node.function in ("floor", "ceil", "trunc"):
            given = given[:1]
        found: exp.Expr = call(_OTHER_NAME.get(node.function, node.function), *given)
        return cast_to(found, node.type) if node.type in ("integer", "float") or is_decimal(node.type) else found

    def _computed(self, node: Call) -> exp.Expr:
        left, right = self._arguments(node)
        if node.function in ("/", "//", "%"):
            right = self.once(right, _not_zero)
        found = exp.Paren(this=_COMPUTED[node.function](this=left, expression=right))
        return cast_to(found, node.type)

    def _logic(self, node: Call) -> exp.Expr:
        arguments = self._arguments(node)
        if node.function == "not":
            return exp.Paren(this=exp.Not(this=arguments[0]))
        return exp.Paren(this=(exp.and_ if node.function == "and" else exp.or_)(*arguments))

    def _negative(self, node: Call) -> exp.Expr:
        return cast_to(exp.Paren(this=exp.Neg(this=exp.Paren(this=self.write(node.arguments[0])))), node.type)

    def _widened(self, node: Call) -> exp.Expr:
        return cast_to(self.write(node.arguments[0]), node.type)

    def _is_null(self, node: Call) -> exp.Expr:
        return exp.Paren(this=exp.Is(this=self.write(node.arguments[0]), expression=exp.Null()))

    def _in(self, node: Call) -> exp.Expr:
        value, *others = self._arguments(node)
        return exp.Paren(this=exp.In(this=value, expressions=others))

    def _case(self, node: Call) -> exp.Expr:
        arguments = self._arguments(node)
        tests = len(arguments) // 2
        ifs = [exp.If(this=arguments[at], true=arguments[tests + at]) for at in range(tests)]
        return exp.Case(ifs=ifs, default=arguments[-1])

    def _divide(self, node: Call) -> exp.Expr:
        left, right, places = node.arguments
        digits = int(str(places.value)) if isinstance(places, Constant) else 0
        scales = [0 if each.type == "integer" else scale(each.type) for each in (left, right)]
        up, down = (self._whole(each, own) for each, own in zip((left, right), scales, strict=True))
        up = filled("x * y", x=up, y=_power_of_ten(digits + scales[1]))
        down = filled("x * y", x=down, y=_power_of_ten(scales[0]))

        def rounded(pair: exp.Expr) -> exp.Expr:
            x, y = (call("struct_extract_at", pair.copy(), number(at)) for at in (1, 2))
            quotient = "(abs(x) * 2 + abs(y)) // (abs(y) * 2) * CASE WHEN (x < 0) = (y < 0) THEN 1 ELSE -1 END"
            return filled(f"CASE WHEN y = 0 THEN {_DIVISION_BY_ZERO} ELSE {quotient} END", x=x, y=y)

        # One pair, as a function within another takes DuckDB twice as long with every level.
        exact = cast_as(self.once(call("row", up, down), rounded), f"DECIMAL({38 - digits}, 0)")
        if digits:
            one = cast_as(exp.Literal.string(f"0.{'0' * (digits - 1)}1"), f"DECIMAL({digits}, {digits})")
            exact = filled("x * y", x=exact, y=one)
        return cast_to(exact, node.type)

    def _whole(self, node: Node, places: int) -> exp.Expr:
        """A decimal without its point, as a HUGEINT."""
        wide = cast_as(self.write(node), f"DECIMAL(38, {places})")
        ten = cast_as(exp.Literal.string("1" + "0" * places), f"DECIMAL({places + 1}, 0)")
        return filled("CAST(x * y AS HUGEINT)", x=wide, y=ten) if places else filled("CAST(x AS HUGEINT)", x=wide)

    def _part(self, node: Call) -> exp.Expr:
        name = _OTHER_NAME.get(node.function, node.function)
        return cast_to(call(name, self.moment(node.arguments[0])), "integer")

    def _truncated(self, node: Call) -> exp.Expr:
        unit, moment = node.arguments
        literal = exp.Literal.string(str(unit.value) if isinstance(unit, Constant) else "")
        return cast_to(call("date_trunc", literal, cast_to(self.moment(moment), "timestamp")), "date")

    def _shifted(self, node: Call) -> exp.Expr:
        unit, count, moment = node.arguments
        name = str(unit.value) if isinstance(unit, Constant) else ""
        many, template = self.write(count), "x + y"
        if name in ("second", "minute", "hour"):
            interval = call(f"to_{name}s", many)
        else:
            interval = call(f"to_{name}s", cast_as(many, "INT"))
        if node.type == "timestamp_tz":
            template = f"x + y - INTERVAL ({_offset(moment)}) MINUTE"
        return cast_to(filled(template, x=self.moment(moment), y=interval), node.type)

    def _difference(self, node: Call) -> exp.Expr:
        unit, start, end = node.arguments
        literal = exp.Literal.string(str(unit.value) if isinstance(unit, Constant) else "")
        return cast_to(call("date_diff", literal, self.moment(start), self.moment(end)), "integer")

    def _of_moment(self, node: Call) -> exp.Expr:
        return cast_to(self.moment(node.arguments[0]), node.type)

    def _all_replaced(self, node: Call) -> exp.Expr:
        return call("regexp_replace", *self._arguments(node), exp.Literal.string("g"))

    def _split(self, node: Call) -> exp.Expr:
        text, separator, at = (*self._arguments(node)[:2], node.arguments[2])
        place = number(int(str(at.value)) if isinstance(at, Constant) else 1)
        parts = call("string_split", text, separator)
        if node.function == "split_one":
            return call("list_extract", parts, place)
        rest = "CASE WHEN len(p) >= k THEN array_to_string(list_slice(p, k, len(p)), s) END"
        return filled(rest, p=parts, k=place, s=separator)

    def _cast(self, node: Call) -> exp.Expr:
        source, order = _cast_arguments(node)
        value, fails = conversion(source, node.type, order)
        where = f"in column '{source.name}' " if isinstance(source, Cell) else ""

        def build(cell: exp.Expr) -> exp.Expr:
            found = cast_to(filled(value, x=cell), node.type)
            if fails is None or node.function == "try_cast":
                return found
            said = self.values.text(f"' {where}cannot be cast to {node.type}")
            message = f"concat(quote, left(CAST(x AS VARCHAR), {SHOWN_CHARACTERS}), said)"
            stop = f"CASE WHEN {fails} THEN error({message}) ELSE v END"
            return filled(stop, x=cell, v=found, said=said, quote=exp.Literal.string("'"))

        return self.once(self.write(source), build)

    def _cast_fails(self, node: Call) -> exp.Expr:
        source, cast = node.arguments
        assert isinstance(cast, Call)
        _, fails = conversion(source, cast.type, _cast_arguments(cast)[1])
        return exp.Boolean(this=False) if fails is None else filled(fails, x=self.write(source))


def conversion(source: Node, target: str, order: str | None = None) -> tuple[str, str | None]:
    """SQL templates over the cell x: its value as the target type, and what is true where it has none; never null.

    A value that would not come back the same has none; an empty text is null in every type but text.
    """
    from_, to = source.type, _TYPES.get(target, target)
    if target == "text":
        return sql_text("x", from_, source.format or FORMATS.get(from_)), None
    if from_ == "text":
        value = f"CASE WHEN x <> '' THEN {Forced(target, order).sql_value('x')} END"
        return value, f"coalesce(x <> '' AND ({value}) IS NULL, false)"
    if (from_, target) == ("date", "timestamp") or (from_, target) == ("boolean", "integer"):
        return f"CAST(x AS {to})", None
    if target == "boolean":
        value, same = "CASE x WHEN 1 THEN true WHEN 0 THEN false END", "x IN (0, 1)"
    elif from_ in ("timestamp", "timestamp_tz"):
        clock = "CAST(x AS TIMESTAMP)" if from_ == "timestamp_tz" else "x"
        clock = f"({clock} + INTERVAL ({_offset(source)}) MINUTE)" if from_ == "timestamp_tz" else clock
        if target == "timestamp":
            return clock, None
        value = f"TRY_CAST({clock} AS DATE)"
        same = f"TRY_CAST({value} AS TIMESTAMP) = {clock}"
    elif is_decimal(from_) and target == "float":
        # Between decimals and floats stands the shortest text, or 0.1 would be 0.1000000000000000055.
        value = "CAST(CAST(x AS VARCHAR) AS DOUBLE)"
        same = f"TRY_CAST(CAST({value} AS VARCHAR) AS {from_}) = x"
    elif from_ == "float" and is_decimal(target):
        value = f"TRY_CAST(CAST(x AS VARCHAR) AS {to})"
        same = f"TRY_CAST(CAST({value} AS VARCHAR) AS DOUBLE) = x"
    else:
        value = f"TRY_CAST(x AS {to})"
        same = f"TRY_CAST({value} AS {_TYPES.get(from_, from_)}) = x"
    return f"CASE WHEN {same} THEN {value} END", f"(x IS NOT NULL AND NOT coalesce({same}, false))"


def _cast_arguments(node: Call) -> tuple[Node, str | None]:
    source, *order = node.arguments
    return source, str(order[0].value) if order and isinstance(order[0], Constant) and order[0].value else None


def _offset(node: Node) -> int:
    """Minutes east of UTC of the clock that a timestamp's cells show."""
    return offset_minutes(zone_of(node.format or FORMATS["timestamp_tz"]))


def _not_zero(node: exp.Expr) -> exp.Expr:
    return filled(f"CASE WHEN x = 0 THEN {_DIVISION_BY_ZERO} ELSE x END", x=node)


def _power_of_ten(exponent: int) -> exp.Expr:
    # 10^38 is the largest that a HUGEINT holds; more digits than that cannot be exact.
    return cast_as(exp.Literal.string("1" + "0" * exponent), "HUGEINT")


_WRITTEN: dict[str, Callable[[Writer, Call], exp.Expr]] = {
    **dict.fromkeys(_COMPUTED, Writer._computed),
    **dict.fromkeys(("and", "or", "not"), Writer._logic),
    "negative": Writer._negative,
    **dict.fromkeys(("widen", "to_float"), Writer._widened),
    "is_null": Writer._is_null,
    "in": Writer._in,
    "case": Writer._case,
    "divide": Writer._divide,
    **dict.fromkeys(_PARTS, Writer._part),
    "date_trunc": Writer._truncated,
    "date_add": Writer._shifted,
    "date_diff": Writer._difference,
    **dict.fromkeys(("date", "time"), Writer._of_moment),
    "regexp_replace": Writer._all_replaced,
    **dict.fromkeys(("split_one", "split_rest"), Writer._split),
    **dict.fromkeys(("cast", "try_cast"), Writer._cast),
    "cast_fails": Writer._cast_fails,
}
