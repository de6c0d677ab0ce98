"""What expressions are made of: typed nodes, and the rules of types for operators and casts.

`Refusal` says what does not go together; whoever reads an expression adds the place. Conversions that could change a
value are never made on the way: of two exact types the one that holds both is taken, constants become the type that
they stand beside, everything else needs a CAST.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from fluvial.errors import InvalidError
from fluvial.query_values import MAX_DIGITS, bound, is_decimal

MOMENTS = ("date", "timestamp", "timestamp_tz")
FORMATS = {
    "date": "%Y-%m-%d",
    "time": "%H:%M:%S.%6f",
    "timestamp": "%Y-%m-%dT%H:%M:%S.%6f",
    "timestamp_tz": "%Y-%m-%dT%H:%M:%S.%6fZ",
    "boolean": "true/false",
}
# Their result is one of their arguments.
SELECTING = ("coalesce", "nullif", "greatest", "least", "case")
_CASTS = {
    "integer": ("float", "boolean"),
    "float": ("integer",),
    "boolean": ("integer",),
    "date": ("timestamp",),
    "timestamp": ("date",),
    "timestamp_tz": ("timestamp", "date"),
}


class Refusal(Exception):
    """A part of an expression that cannot be accepted: why, without a full stop."""

    def __init__(self, reason: str, constraint: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.constraint = reason, constraint


@dataclass(frozen=True, slots=True)
class Cell:
    """A column's value."""

    name: str
    type: str
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Constant:
    """A value as `query_values.bound` makes it: text for decimals, dates and times; None is null."""

    value: object
    type: str

    @property
    def format(self) -> str | None:
        return FORMATS.get(self.type)


@dataclass(frozen=True, slots=True)
class Call:
    """A function or operator over nodes that have just the types that it takes."""

    function: str
    arguments: tuple[Node, ...]
    type: str
    format: str | None = None


Node = Cell | Constant | Call


class Shown(Protocol):
    """What has a spelling: a node, or a column."""

    @property
    def format(self) -> str | None: ...


def called(function: str, arguments: Sequence[Node], type_: str) -> Call:
    """A call whose result is shown as its arguments of the same type are."""
    same = [each for each in arguments if each.type == type_ and not _is_null(each)]
    return Call(function, tuple(arguments), type_, joint_format(type_, same, selects=function in SELECTING))


def joint_format(type_: str, shown: Sequence[Shown], *, selects: bool = True) -> str | None:
    """How values are shown that were taken, or computed, from others of their type.

    A spelling may leave out seconds or fractions. So it stays only where values are taken as they are from sources with
    just that spelling; else it is one that shows everything, in the zone of the first.
    """
    formats = [each.format for each in shown]
    if not formats:
        return FORMATS.get(type_)
    if type_ not in ("time", "timestamp", "timestamp_tz"):
        return next((each.format for each in shown if not isinstance(each, Constant)), formats[0])
    if selects and len(set(formats)) == 1:
        return formats[0]
    full = FORMATS[type_].replace("%6f", "%9f") if any(map(has_nanoseconds, formats)) else FORMATS[type_]
    zone = re.search(r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)$", str(formats[0]))
    return full.removesuffix("Z") + zone[0] if type_ == "timestamp_tz" and zone else full


def has_nanoseconds(format_: str | None) -> bool:
    return re.search("%[789]f", str(format_)) is not None


def _is_null(node: Node) -> bool:
    return isinstance(node, Constant) and node.value is None


def is_exact(type_: str) -> bool:
    return type_ == "integer" or is_decimal(type_)


def digits(type_: str) -> tuple[int, int]:
    """Precision and scale of an exact type."""
    if type_ == "integer":
        return 19, 0
    precision, places = type_[len("decimal(") : -1].split(",")
    return int(precision), int(places)


def decimal(precision: int, places: int) -> str:
    """The type, with as many digits as there can be; Refusal where those behind the point alone are too many."""
    if places > MAX_DIGITS:
        raise Refusal(f"it needs {places} digits behind the point, at most {MAX_DIGITS} are kept: round before")
    return f"decimal({min(max(precision, places, 1), MAX_DIGITS)},{places})"


def exact(number: Decimal) -> Constant:
    """A number as an integer or as a decimal with the digits that it is written with."""
    _, numerals, exponent = number.as_tuple()
    places = -int(exponent)
    if places <= 0 and -(2**63) <= number < 2**63:
        return Constant(int(number), "integer")
    precision = max(len(numerals), places)
    if precision > MAX_DIGITS:
        raise Refusal(f"a number has at most {MAX_DIGITS} digits")
    return Constant(f"{number:f}", decimal(precision, places))


def converted(node: Node, type_: str) -> Node:
    """The node as this type, which holds all its values; Refusal for a constant that is no such value."""
    if node.type == type_:
        return node
    if not isinstance(node, Constant):
        return called("widen", (node,), type_)
    if node.value is None:
        return Constant(None, type_)
    value = node.value
    if is_decimal(node.type):
        value = str(value) if is_decimal(type_) else float(str(value))
    try:
        return Constant(bound("", value, type_), type_)
    except InvalidError as error:
        allowed = error.constraint or type_
        raise Refusal(f"beside {type_} it must be {allowed}", allowed) from error


def common(nodes: Sequence[Node]) -> str:
    """The type that all nodes have or can have; Refusal where there is none."""
    known = [each for each in nodes if each.type != "null"]
    if not known:
        raise Refusal("the type of null is not known: write CAST(NULL AS type)")
    firm = {each.type for each in known if not isinstance(each, Constant)}
    # What is written out takes the type of what it stands beside, if it can.
    taken = [each for each in known if not _follows(each, firm)] or known
    types = [each.type for each in taken]
    return _common([_own(each) for each in taken] if any(map(is_decimal, types)) else types)


def _own(node: Node) -> str:
    """The type; of an integer that is written out the decimal that has just its digits."""
    if node.type == "integer" and isinstance(node, Constant) and node.value is not None:
        return decimal(len(str(abs(int(str(node.value))))), 0)
    return node.type


def _follows(node: Node, firm: set[str]) -> bool:
    if not isinstance(node, Constant):
        return False
    return (node.type == "text" and "text" not in firm) or (_is_number(node.type) and firm == {"float"})


def _is_number(type_: str) -> bool:
    return type_ == "float" or is_exact(type_)


def _common(types: Sequence[str]) -> str:
    if len(set(types)) == 1:
        return types[0]
    if not all(map(is_exact, types)):
        listed = " and ".join(sorted(set(types)))
        raise Refusal(f"{listed} do not go together: CAST one of them")
    places = max(digits(each)[1] for each in types)
    return decimal(max(digits(each)[0] - digits(each)[1] for each in types) + places, places)


def check_numbers(operator: str, nodes: Sequence[Node]) -> None:
    for each in nodes:
        if each.type in MOMENTS or each.type == "time":
            raise Refusal(f"'{operator}' needs numbers, not {each.type}: use date_add or date_diff", "numbers")
        if each.type != "null" and not _is_number(each.type):
            raise Refusal(f"'{operator}' needs numbers, not {each.type}", "numbers")


def arithmetic(operator: str, left: Node, right: Node) -> Node:
    """Exact with exact is exact, float with float is float."""
    check_numbers(operator, (left, right))
    type_ = common((left, right))
    if operator == "//" and type_ != "integer":
        raise Refusal(f"'//' needs integers, not {type_}: use divide(a, b, digits)", "integer")
    if operator == "/":
        return _quotient(left, right, type_)
    if type_ in ("integer", "float"):
        return called(operator, (converted(left, type_), converted(right, type_)), type_)
    if operator == "*":
        return _product(left, right)
    precision, places = digits(type_)
    wide = decimal(precision + 1, places) if operator in "+-" else type_
    return called(operator, (converted(left, wide), converted(right, wide)), wide)


def _quotient(left: Node, right: Node, type_: str) -> Node:
    if is_decimal(type_):
        raise Refusal("'/' of decimals would round: say how with divide(a, b, digits)", "divide(a, b, digits)")
    sides = [converted(each, type_) for each in (left, right)]
    if type_ == "integer":
        sides = [called("to_float", (each,), "float") for each in sides]
    return called("/", sides, "float")


def _product(left: Node, right: Node) -> Node:
    sides = []
    for each in (left, right):
        precision, places = digits(_own(each)) if each.type != "null" else (1, 0)
        sides.append(converted(each, decimal(precision, places)))
    (one, left_places), (two, right_places) = (digits(each.type) for each in sides)
    return called("*", sides, decimal(one + two, left_places + right_places))


def negated(node: Node) -> Node:
    check_numbers("-", (node,))
    if isinstance(node, Constant) and node.value is not None:
        return Constant(-float(str(node.value)), "float") if node.type == "float" else exact(-Decimal(str(node.value)))
    return called("negative", (node,), common((node,)))


def power(base: Node, exponent: Node) -> Node:
    return called("power", (floating(base, "power"), floating(exponent, "power")), "float")


def comparison(operator: str, left: Node, right: Node) -> Call:
    """eq, ne, lt, le, gt, ge are null beside a null; same and different never are."""
    if operator not in ("same", "different") and any(
        isinstance(each, Constant) and each.value is None for each in (left, right)
    ):
        raise Refusal("nothing is equal to null or beside it in order: write IS NULL or IS NOT NULL")
    type_ = common((left, right))
    if type_ == "boolean" and operator in ("lt", "le", "gt", "ge"):
        raise Refusal(f"'{operator}' does not apply to truth values")
    return Call(operator, (converted(left, type_), converted(right, type_)), "boolean")


def null_test(value: Node) -> Node:
    return Call("is_null", (converted(value, common((value,))),), "boolean")


def membership(value: Node, others: Sequence[Node]) -> Node:
    if not others:
        raise Refusal("IN needs at least one value")
    if any(isinstance(each, Constant) and each.value is None for each in others):
        raise Refusal("nothing is equal to null: write IS NULL or IS NOT NULL")
    type_ = common((value, *others))
    return Call("in", tuple(converted(each, type_) for each in (value, *others)), "boolean")


def logic(operator: str, *arguments: Node) -> Call:
    for each in arguments:
        if each.type not in ("boolean", "null"):
            raise Refusal(f"'{operator}' needs conditions, not {each.type}", "boolean")
    return Call(operator, tuple(converted(each, "boolean") for each in arguments), "boolean")


def concatenated(left: Node, right: Node) -> Node:
    return called("||", (text(left, "||"), text(right, "||")), "text")


def choice(tests: Sequence[Node], results: Sequence[Node]) -> Node:
    """CASE: tests, then their results and the one for the rest."""
    type_ = common(results)
    conditions = [logic("WHEN", each).arguments[0] for each in tests]
    shown = called("case", [converted(each, type_) for each in results], type_)
    return Call("case", (*conditions, *shown.arguments), type_, shown.format)


def cast(node: Node, type_: str) -> Node:
    """A conversion that fails, when it runs, for a value that would not come back the same."""
    if node.type == type_:
        return node
    if isinstance(node, Constant) and (node.value is None or node.type == "text"):
        return converted(node, type_)
    check_cast(node.type, type_)
    return Call("cast", (node,), type_, FORMATS.get(type_))


def check_cast(source: str, target: str) -> None:
    """Refusal where values of the first type cannot be any of the second."""
    numbers = _is_number(source) and _is_number(target)
    if "text" in (source, target) or source == target or numbers or target in _CASTS.get(source, ()):
        return
    allowed = ("text", *_CASTS.get(source, ()))
    raise Refusal(f"a value of type {source} cannot become {target}", ", ".join(allowed))


def text(node: Node, function: str) -> Node:
    if node.type not in ("text", "null"):
        raise Refusal(f"'{function}' needs text, not {node.type}: write CAST(… AS text)", "text")
    return converted(node, "text")


def integer(node: Node, function: str) -> Node:
    if node.type not in ("integer", "null"):
        raise Refusal(f"'{function}' needs an integer, not {node.type}", "integer")
    return converted(node, "integer")


def floating(node: Node, function: str) -> Node:
    if node.type != "float" and not isinstance(node, Constant):
        raise Refusal(f"'{function}' needs a float, not {node.type}: write CAST(… AS float)", "float")
    return converted(node, "float")
