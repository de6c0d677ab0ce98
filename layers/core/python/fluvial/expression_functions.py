"""The functions of expressions by name: how each is written, what it takes, and the type that it makes.

How they are computed is the engine's business (`engine.expression_sql`); what they mean is in docs/data-model.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fluvial.expression_types import (
    FORMATS,
    MOMENTS,
    Call,
    Constant,
    Node,
    Refusal,
    called,
    check_numbers,
    choice,
    common,
    comparison,
    converted,
    decimal,
    digits,
    floating,
    has_nanoseconds,
    integer,
    is_exact,
    power,
    text,
)
from fluvial.queries import BUCKETED, BUCKETS
from fluvial.query_values import MAX_DIGITS

AGGREGATES = (
    *("sum", "avg", "min", "max", "count", "count_distinct", "median", "mean", "stddev", "first", "last", "any_value"),
    *("row_number", "rank", "dense_rank", "lag", "lead", "ntile", "string_agg", "list", "array_agg", "quantile"),
)
UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
CLOCKS = ("timestamp", "timestamp_tz", "time")
MAX_PAD = 10_000


def _moment(node: Node, function: str, allowed: Sequence[str] = MOMENTS) -> Node:
    if node.type not in allowed:
        listed = ", ".join(allowed)
        raise Refusal(f"'{function}' needs one of {listed}, not {node.type}", listed)
    return node


_KINDS: dict[str, Callable[[Node, str], Node]] = {"text": text, "integer": integer, "float": floating}


@dataclass(frozen=True)
class Function:
    """A function of the language: how it is written, and what reads its arguments."""

    written: str
    least: int
    most: int
    read: Callable[[tuple[Node, ...]], Node]

    def call(self, arguments: tuple[Node, ...]) -> Node:
        if not self.least <= len(arguments) <= self.most:
            raise Refusal(f"it is written {self.written}", self.written)
        return self.read(arguments)


FUNCTIONS: dict[str, Function] = {}


def _add(written: str, least: int, most: int, read: Callable[[tuple[Node, ...]], Node]) -> None:
    FUNCTIONS[written.split("(")[0]] = Function(written, least, most, read)


def _plain(written: str, kinds: str, result: str, *, optional: int = 0) -> None:
    """A function whose arguments have one type each."""
    name, wanted = written.split("(")[0], kinds.split()

    def read(arguments: tuple[Node, ...]) -> Node:
        checked = [_KINDS[kind](each, name) for kind, each in zip(wanted, arguments, strict=False)]
        return called(name, checked, result)

    _add(written, len(wanted) - optional, len(wanted), read)


def _constant_of(node: Node, function: str, what: str, allowed: Sequence[object]) -> object:
    # True and 1.0 are equal to 1, and are no integers.
    fits = isinstance(node, Constant) and type(node.value) is type(allowed[0]) and node.value in allowed
    if not isinstance(node, Constant) or not fits:
        listed = ", ".join(map(str, allowed)) if len(allowed) < 20 else f"{allowed[0]}-{allowed[-1]}"
        raise Refusal(f"{what} of '{function}' must be written out as one of: {listed}", listed)
    return node.value


def _rounded(name: str) -> Callable[[tuple[Node, ...]], Node]:
    def read(arguments: tuple[Node, ...]) -> Node:
        node = arguments[0]
        check_numbers(name, (node,))
        if node.type == "null":
            raise Refusal("the type of null is not known: write CAST(NULL AS type)")
        places = 0
        if len(arguments) == 2:
            most = 15 if node.type == "float" else MAX_DIGITS - 1
            places = int(str(_constant_of(arguments[1], name, "the digits", range(most + 1))))
        if node.type == "float":
            return called(name, (node, Constant(places, "integer")), "float")
        precision, old = digits(node.type)
        if places >= old:
            return node
        return called(name, (node, Constant(places, "integer")), decimal(precision - old + places + 1, places))

    return read


def _divide(arguments: tuple[Node, ...]) -> Node:
    left, right, places = arguments
    for each in (left, right):
        if not is_exact(each.type):
            raise Refusal(f"'divide' needs integers or decimals, not {each.type}: floats have '/'", "integer, decimal")
    digits_ = int(str(_constant_of(places, "divide", "the digits", range(MAX_DIGITS))))
    if digits_ + digits(right.type)[1] >= MAX_DIGITS:
        raise Refusal(f"{digits_} digits of a quotient of {left.type} and {right.type} cannot be exact: ask for fewer")
    return Call("divide", (left, right, Constant(digits_, "integer")), decimal(MAX_DIGITS, digits_))


def _same_number(name: str) -> Callable[[tuple[Node, ...]], Call]:
    def read(arguments: tuple[Node, ...]) -> Call:
        check_numbers(name, arguments)
        return called(name, arguments, common(arguments))

    return read


def _any(name: str) -> Callable[[tuple[Node, ...]], Node]:
    def read(arguments: tuple[Node, ...]) -> Node:
        type_ = common(arguments)
        return called(name, [converted(each, type_) for each in arguments], type_)

    return read


def _joined(arguments: tuple[Node, ...]) -> Node:
    return called("concat", [text(each, "concat") for each in arguments], "text")


def _part(name: str, allowed: Sequence[str]) -> None:
    def read(arguments: tuple[Node, ...]) -> Node:
        return Call(name, (_moment(arguments[0], name, allowed),), "integer")

    _add(f"{name}({' or '.join(allowed)})", 1, 1, read)


def _truncated(arguments: tuple[Node, ...]) -> Node:
    unit = _constant_of(arguments[0], "date_trunc", "the unit", BUCKETS)
    return Call("date_trunc", (Constant(unit, "text"), _moment(arguments[1], "date_trunc")), "date", FORMATS["date"])


def _shifted(arguments: tuple[Node, ...]) -> Node:
    unit, count, moment = arguments
    moment = _moment(moment, "date_add")
    if has_nanoseconds(moment.format):
        raise Refusal("'date_add' keeps microseconds, and its timestamps have more digits")
    units = [each for each in UNITS if moment.type != "date" or each not in ("second", "minute", "hour")]
    _constant_of(unit, "date_add", "the unit", units)
    return called("date_add", (unit, integer(count, "date_add"), moment), moment.type)


def _difference(arguments: tuple[Node, ...]) -> Node:
    unit, start, end = arguments
    type_ = common((start, end))
    if type_ not in BUCKETED:
        raise Refusal(f"'date_diff' needs dates or timestamps, not {type_}", ", ".join(BUCKETED))
    _constant_of(unit, "date_diff", "the unit", UNITS)
    return Call("date_diff", (unit, converted(start, type_), converted(end, type_)), "integer")


def _of_moment(name: str, result: str) -> None:
    def read(arguments: tuple[Node, ...]) -> Node:
        return Call(name, (_moment(arguments[0], name, ("timestamp", "timestamp_tz")),), result, FORMATS[result])

    _add(f"{name}(timestamp)", 1, 1, read)


def _made_date(arguments: tuple[Node, ...]) -> Node:
    return Call("make_date", tuple(integer(each, "make_date") for each in arguments), "date", FORMATS["date"])


def _if(arguments: tuple[Node, ...]) -> Node:
    return choice(arguments[:1], arguments[1:])


def _nullif(arguments: tuple[Node, ...]) -> Node:
    value, other = arguments
    same = comparison("eq", value, other)
    assert isinstance(same, Call)
    return called("nullif", same.arguments, same.arguments[0].type)


def _padded(name: str) -> None:
    def read(arguments: tuple[Node, ...]) -> Node:
        value, width, filling = arguments
        _constant_of(width, name, "the width", range(MAX_PAD + 1))
        if isinstance(filling, Constant) and filling.value == "":
            raise Refusal(f"'{name}' cannot fill with an empty text")
        return called(name, (text(value, name), width, text(filling, name)), "text")

    _add(f"{name}(text, width, text)", 3, 3, read)


def _regexp(written: str, result: str, parts: int) -> None:
    name = written.split("(")[0]

    def read(arguments: tuple[Node, ...]) -> Node:
        if not isinstance(arguments[1], Constant) or arguments[1].type != "text":
            raise Refusal(f"the pattern of '{name}' must be written out")
        checked = [text(each, name) for each in arguments[:parts]]
        if len(arguments) > parts:
            checked.append(Constant(_constant_of(arguments[parts], name, "the group", range(10)), "integer"))
        return called(name, checked, result)

    most = parts + (name == "regexp_extract")
    _add(written, parts, most, read)


for _name in ("upper", "lower", "trim", "ltrim", "rtrim", "reverse", "strip_accents"):
    _plain(f"{_name}(text)", "text", "text")
_plain("length(text)", "text", "integer")
_plain("left(text, count)", "text integer", "text")
_plain("right(text, count)", "text integer", "text")
_plain("substring(text, from 1, count)", "text integer integer", "text", optional=1)
_plain("replace(text, old, new)", "text text text", "text")
_plain("split_part(text, separator, number from 1)", "text text integer", "text")
_plain("position(text, part)", "text text", "integer")
for _name in ("contains", "starts_with", "ends_with", "like", "ilike"):
    _plain(f"{_name}(text, text)", "text text", "boolean")
_padded("lpad")
_padded("rpad")
_add("concat(text, …)", 1, 100, _joined)
_regexp("regexp_matches(text, 'pattern')", "boolean", 2)
_regexp("regexp_extract(text, 'pattern', group)", "text", 2)
_regexp("regexp_replace(text, 'pattern', text)", "text", 3)
_add("abs(number)", 1, 1, _same_number("abs"))
_add("sign(number)", 1, 1, lambda arguments: Call("sign", _same_number("sign")(arguments).arguments, "integer"))
_add("round(number, digits)", 1, 2, _rounded("round"))
for _name in ("floor", "ceil", "trunc"):
    _add(f"{_name}(number)", 1, 1, _rounded(_name))
_add("divide(number, number, digits)", 3, 3, _divide)
for _name in ("sqrt", "exp", "ln", "log10"):
    _plain(f"{_name}(float)", "float", "float")
_add("power(float, float)", 2, 2, lambda arguments: power(*arguments))
for _name in ("greatest", "least", "coalesce"):
    _add(f"{_name}(value, …)", 1, 100, _any(_name))
_add("nullif(value, value)", 2, 2, _nullif)
_add("if(condition, value, value)", 3, 3, _if)
for _name in ("year", "quarter", "month", "week", "day", "weekday", "day_of_year"):
    _part(_name, MOMENTS)
for _name in ("hour", "minute", "second"):
    _part(_name, CLOCKS)
_add("date_trunc('unit', moment)", 2, 2, _truncated)
_add("date_add('unit', count, moment)", 3, 3, _shifted)
_add("date_diff('unit', start, end)", 3, 3, _difference)
_of_moment("date", "date")
_of_moment("time", "time")
_add("make_date(year, month, day)", 3, 3, _made_date)
