"""The expressions of preparations: a small language in SQL's spelling, read into trees whose every node has a type.

    round(price * 1.19, 2)    CASE WHEN country IN ('DE', 'AT') THEN 'near' ELSE 'far' END    "sold on" >= '2025-01-01'

sqlglot reads the text; what this module does not name is refused, so a tree has columns, values and calls of
`expression_functions` only. Exact numbers stay exact: integers and decimals make integers and decimals, and meet floats
by a CAST alone. The language is described in docs/data-model.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError
from sqlglot.parsers.duckdb import DuckDBParser

from fluvial.errors import InvalidError
from fluvial.expression_functions import AGGREGATES, FUNCTIONS
from fluvial.expression_types import (
    Cell,
    Constant,
    Node,
    Refusal,
    arithmetic,
    cast,
    choice,
    comparison,
    concatenated,
    converted,
    exact,
    logic,
    membership,
    negated,
    null_test,
    power,
)
from fluvial.step_shapes import MAX_EXPRESSION_LENGTH
from fluvial.step_values import shown, type_of
from fluvial.steps import Column

MAX_DEPTH = 60
_MOST_NAMED = 20  # columns that a refusal lists
_ARITHMETIC = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.IntDiv: "//", exp.Mod: "%"}
_COMPARED = {
    exp.EQ: "eq",
    exp.NEQ: "ne",
    exp.LT: "lt",
    exp.LTE: "le",
    exp.GT: "gt",
    exp.GTE: "ge",
    exp.NullSafeEQ: "same",
    exp.NullSafeNEQ: "different",
}
_LIKE: dict[type[exp.Expr], str] = {exp.Like: "like", exp.ILike: "ilike"}
_NUMBER = re.compile(r"[0-9]*\.?[0-9]*(?:[eE][+-]?[0-9]+)?")
_SPELLED = {
    "INT": "integer",
    "BIGINT": "integer",
    "DOUBLE": "float",
    "FLOAT": "float",
    "TEXT": "text",
    "VARCHAR": "text",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "timestamp",
    "TIMESTAMPNTZ": "timestamp",
    "TIMESTAMPTZ": "timestamp_tz",
}


class _Calls(DuckDB):
    """DuckDB's grammar without its functions: a call stays a call, with the name and arguments that were written."""

    class Parser(DuckDBParser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
        NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {"CASE": DuckDBParser.NO_PAREN_FUNCTION_PARSERS["CASE"]}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {"CAST": DuckDBParser.FUNCTION_PARSERS["CAST"]}


def parse(text: str, columns: Mapping[str, Column], *, field: str) -> Node:
    """The expression as a tree over these columns; InvalidError where it is none, or does not fit them."""
    if len(text) > MAX_EXPRESSION_LENGTH:
        reason = f"'{field}' must have at most {MAX_EXPRESSION_LENGTH} characters, not {len(text)}."
        raise InvalidError(field, reason, value=text[:100], constraint=f"at most {MAX_EXPRESSION_LENGTH} characters")
    if "\0" in text:
        raise InvalidError(field, f"'{field}' must not contain the character NUL.", value=text[:100])
    try:
        trees = _Calls().parse(text)
    except RecursionError as error:
        raise _too_deep(field, text) from error
    except SqlglotError as error:
        reason = f"'{field}' is no expression: {_plain(str(error))}"
        raise InvalidError(field, reason, value=text[:100]) from error
    if len(trees) != 1 or trees[0] is None:
        raise InvalidError(field, f"'{field}' must be one expression.", value=text[:100])
    return _Reader(columns, field, text).read(trees[0], 0)


def parse_condition(text: str, columns: Mapping[str, Column], *, field: str) -> Node:
    """An expression that is true, false or null."""
    node = parse(text, columns, field=field)
    if node.type not in ("boolean", "null"):
        reason = f"'{field}' must be a condition, which is true or false; its type is {node.type}."
        raise InvalidError(field, reason, value=text[:100], constraint="boolean")
    return converted(node, "boolean")


class _Reader:
    """Reads the nodes of one expression; what it refuses names the part of the text."""

    def __init__(self, columns: Mapping[str, Column], field: str, text: str) -> None:
        self.columns, self.field, self.text = columns, field, text

    def read(self, tree: exp.Expr, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise _too_deep(self.field, self.text)
        try:
            return self._node(tree, depth + 1)
        except Refusal as refusal:
            raise self._refused(tree, refusal.reason, refusal.constraint) from refusal

    def _node(self, tree: exp.Expr, depth: int) -> Node:
        kind = type(tree)
        if kind is exp.Paren:
            self._only(tree, "this")
            return self.read(tree.this, depth)
        if kind is exp.Column:
            return self._column(tree)
        if kind is exp.Literal or kind is exp.Boolean or kind is exp.Null:
            return _constant(tree)
        if kind in _ARITHMETIC:
            return arithmetic(_ARITHMETIC[kind], *self._sides(tree, depth))
        if kind in _COMPARED:
            return comparison(_COMPARED[kind], *self._sides(tree, depth))
        read = _READ.get(kind)
        if read is None:
            raise Refusal(f"{kind.__name__} is not a part of the language")
        return read(self, tree, depth)

    def _column(self, tree: exp.Expr) -> Node:
        self._only(tree, "this")
        if not isinstance(tree.this, exp.Identifier):
            raise Refusal("it is no column")
        column = self.columns.get(tree.this.this)
        if column is None:
            names = list(self.columns)
            known = ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")
            reason = f"The data has no column {shown(tree.this.this)}; it has: {known}."
            raise InvalidError(self.field, reason, value=tree.this.this, constraint=known)
        return Cell(column.name, column.type, column.format)

    def _sides(self, tree: exp.Expr, depth: int) -> tuple[Node, Node]:
        self._only(tree, "this", "expression", "typed", "safe")
        return self.read(tree.this, depth), self.read(tree.expression, depth)

    def _logic(self, tree: exp.Expr, depth: int) -> Node:
        self._only(tree, "this", "expression")
        both = (self.read(tree.this, depth), self.read(tree.expression, depth))
        return logic("and" if isinstance(tree, exp.And) else "or", *both)

    def _not(self, tree: exp.Expr, depth: int) -> Node:
        self._only(tree, "this")
        return logic("not", self.read(tree.this, depth))

    def _negative(self, tree: exp.Expr, depth: int) -> Node:
        self._only(tree, "this")
        return negated(self.read(tree.this, depth))

    def _is(self, tree: exp.Expr, depth: int) -> Node:
        self._only(tree, "this", "expression")
        value = self.read(tree.this, depth)
        if isinstance(tree.expression, exp.Null):
            return null_test(value)
        return comparison("same", value, self.read(tree.expression, depth))

    def _like(self, tree: exp.Expr, depth: int) -> Node:
        self._only(tree, "this", "expression", "negate")
        value, pattern = self.read(tree.this, depth), self.read(tree.expression, depth)
        found = FUNCTIONS[_LIKE[type(tree)]].call((value, pattern))
        return logic("not", found) if tree.args.get("negate") else found

    def _between(self, tree: exp.Expr, depth: int) -> Node:
        self._only(tree, "this", "low", "high")
        value = self.read(tree.this, depth)
        low, high = self.read(tree.args["low"], depth), self.read(tree.args["high"], depth)
        return logic("and", comparison("ge", value, low), comparison("le", value, high))

    def _in(self, tree: exp.Expr, depth: int) -> Node:
        self._only(tree, "this", "expressions")
        return membership(self.read(tree.this, depth), self._each(tree.expressions, depth))

    def _case(self, tree: exp.Expr, depth: int) -> Node:
        self._only(tree, "this", "ifs", "default")
        compared = None if tree.this is None else self.read(tree.this, depth)
        tests, results = [], []
        for each in tree.args["ifs"]:
            self._only(each, "this", "true")
            test = self.read(each.this, depth)
            tests.append(test if compared is None else comparison("eq", compared, test))
            results.append(self.read(each.args["true"], depth))
        default = tree.args.get("default")
        results.append(Constant(None, "null") if default is None else self.read(default, depth))
        return choice(tests, results)

    def _cast(self, tree: exp.Expr, depth: int) -> Node:
        self._only(tree, "this", "to")
        spelled = tree.args["to"]
        if spelled.this is exp.DType.DECIMAL:
            asked = ",".join(str(each.this) for each in spelled.expressions)
            type_ = type_of(self.field, f"decimal({asked})")
        elif spelled.this is exp.DType.USERDEFINED:
            type_ = type_of(self.field, str(spelled.args.get("kind")).lower())
        else:
            name = spelled.this.name if isinstance(spelled.this, exp.DType) else ""
            type_ = type_of(self.field, _SPELLED.get(name, name.lower()))
        return cast(self.read(tree.this, depth), type_)

    def _concat(self, tree: exp.Expr, depth: int) -> Node:
        return concatenated(*self._sides(tree, depth))

    def _power(self, tree: exp.Expr, depth: int) -> Node:
        return power(*self._sides(tree, depth))

    def _call(self, tree: exp.Expr, depth: int) -> Node:
        self._only(tree, "this", "expressions")
        name = tree.this.lower() if isinstance(tree.this, str) else ""
        function = FUNCTIONS.get(name)
        if name in AGGREGATES:
            raise Refusal(f"'{name}' is for the steps group, pivot and window")
        if name == "try_cast":
            raise Refusal("'try_cast' is not here: the step cast counts what fails with on_error null or reject")
        if function is None:
            raise Refusal(f"there is no function {shown(name)}", ", ".join(FUNCTIONS))
        return function.call(self._each(tree.expressions, depth))

    def _each(self, trees: Sequence[exp.Expr], depth: int) -> tuple[Node, ...]:
        return tuple(self.read(each, depth) for each in trees)

    def _only(self, tree: exp.Expr, *known: str) -> None:
        """A member that this module does not know could mean anything."""
        for name, value in tree.args.items():
            if value not in (None, False, []) and name not in known:
                raise Refusal(f"{name.upper()} is not a part of the language")

    def _refused(self, tree: exp.Expr, reason: str, constraint: str | None) -> InvalidError:
        try:
            part = tree.sql("duckdb")
        except (SqlglotError, RecursionError):
            part = self.text
        return InvalidError(
            self.field, f"'{self.field}' has {shown(part)}: {reason}.", value=part[:100], constraint=constraint
        )


_READ: dict[type[exp.Expr], Callable[[_Reader, exp.Expr, int], Node]] = {
    exp.And: _Reader._logic,
    exp.Or: _Reader._logic,
    exp.Not: _Reader._not,
    exp.Neg: _Reader._negative,
    exp.Is: _Reader._is,
    exp.Like: _Reader._like,
    exp.ILike: _Reader._like,
    exp.Between: _Reader._between,
    exp.In: _Reader._in,
    exp.Case: _Reader._case,
    exp.Cast: _Reader._cast,
    exp.DPipe: _Reader._concat,
    exp.Pow: _Reader._power,
    exp.Anonymous: _Reader._call,
}


def _constant(tree: exp.Expr) -> Constant:
    if isinstance(tree, exp.Null):
        return Constant(None, "null")
    if isinstance(tree, exp.Boolean):
        return Constant(bool(tree.this), "boolean")
    text = str(tree.this)
    if tree.is_string:
        return Constant(text, "text")
    if not _NUMBER.fullmatch(text):
        raise Refusal("it is no number")
    if "e" in text.lower():
        number = float(text)
        if number in (float("inf"),):
            raise Refusal("a 64-bit float cannot be so large")
        return Constant(number, "float")
    return exact(Decimal(text))


def _too_deep(field: str, text: str) -> InvalidError:
    reason = f"'{field}' is nested too deeply: at most {MAX_DEPTH} levels. Make two columns of it."
    return InvalidError(field, reason, value=text[:100], constraint=f"at most {MAX_DEPTH} levels")


def _plain(message: str) -> str:
    """The parser's sentence without the colours of a terminal."""
    return re.sub(r"\x1b\[[0-9]*m", "", message).strip().splitlines()[0][:200]
