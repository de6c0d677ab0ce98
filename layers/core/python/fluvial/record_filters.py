"""Filters of records: from the JSON that a caller sends to conditions. Pure.

    {"group_type": "and", "conditions": [...]}       also or, not-and (not all of them), not-or (none of them); nested
    ["amount", "gte", 1000]                          a field, an operator, a value; a whole filter, too
    ["state", "null", "-"]                           "-" and "" stand where an operator takes no value
    ["organization_id", "filter", {...}]             of the record that the field names, or of one that points here
    {"program": {"name": ["a", "b"], "retired": 0}}  of the class `program`: for each field one of the values
    {"name": ["a", "b"], "retired": 0}               the same
    [[...], {...}]                                   all of these

Operators are `eq lt lte gt gte null range range-year-cal range-year-fiscal contains like starts_with`, their opposites
with `not-`, and the words of `record_dates`. A missing value equals nothing and is in no range. Every opposite is the
exact complement, so that `not-eq` holds of missing values.

`eq` and the comparisons of order are exact, by characters; `contains`, `like` and `starts_with` have no regard to case.
`like` is `contains`, but a % at one end of its text says that more may stand only there: `"The %"` begins the value,
`"% Fund"` ends it. Of a list of values one has to be it. A multi is compared by its choices: one has to be it.
A group without conditions says nothing, as if it were not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as member
from datetime import date
from typing import Protocol

from fluvial import record_dates
from fluvial import record_operands as operands
from fluvial.errors import MAX_SHOWN, InvalidError
from fluvial.record_classes import (
    BOOLEAN,
    DATE,
    DATETIME,
    DECIMAL,
    INTEGER,
    MANY,
    MULTI,
    RELATION,
    STRING,
    TEXT,
    Field,
    ModelClass,
)
from fluvial.record_operands import FILLERS, Span, shown
from fluvial.record_values import Value

# What a person builds has a handful of levels; each costs a query where it goes to another class.
MAX_DEPTH = 32
# Groups included. SQLite takes more, see `record_sql`, but each is looked at for every record.
MAX_CONDITIONS = 1_000
# Of all conditions together: what is longer is a list of ids, which is better read in parts.
MAX_VALUES = 1_000
MAX_NAMED = 100  # fields that an error lists
CLASS_KEY = "relationship_filter_model_type"  # in a group: the class of records that a relation to several names
_BLANK = re.compile(r"[-_\s]+")

KINDS = {"and": ("and", False), "or": ("or", False), "not-and": ("and", True), "not-or": ("or", True)}
ORDER = ("lt", "lte", "gt", "gte")
WORDS = "yesterday, last-month, this-fiscal-year, last-n-days, days-n-ago and other periods"
_TEXT_OPERATORS = ("eq", *ORDER, "contains", "like", "starts_with", "null")
_NUMBER_OPERATORS = ("eq", *ORDER, "range", "null")
_DATE_OPERATORS = ("eq", *ORDER, "range", "range-year-cal", "range-year-fiscal", "null")
OPERATORS = {
    STRING: _TEXT_OPERATORS,
    TEXT: _TEXT_OPERATORS,
    INTEGER: _NUMBER_OPERATORS,
    DECIMAL: _NUMBER_OPERATORS,
    BOOLEAN: ("eq", "null"),
    DATE: _DATE_OPERATORS,
    DATETIME: _DATE_OPERATORS,
    RELATION: (*_NUMBER_OPERATORS, "filter"),
    MANY: ("eq", "null", "filter"),
    MULTI: ("eq", "contains", "like", "starts_with", "null"),
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field's value compared with others.

    operator       values                               holds where the field's value
    eq             any number                           is one of them
    lt lte gt gte  one                                  is less, ...
    between        two                                  is from the first to the second, both included
    null           none                                 is missing
    contains, starts_with, ends_with: any number        has one of the texts in it, without regard to case
    """

    field: Field
    operator: str
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Related:
    """Holds of records whose relation names a record of `model` for which `inner` holds.

    Of a many: of records at which such a record's field `field.by` points.
    """

    field: Field
    model: str
    inner: Condition


@dataclass(frozen=True, slots=True)
class Group:
    """Holds where all parts do (and), or one does (or); where not, if `negated`."""

    kind: str
    negated: bool
    parts: tuple[Condition, ...]


Condition = Comparison | Related | Group


class Schema(Protocol):
    """What the filter needs to know of an account's classes."""

    def model(self, name: str) -> ModelClass:
        """The class of this name."""


def parse(given: object, model: ModelClass, schema: Schema, *, today: date, fiscal_start: int) -> Condition | None:
    """The condition that a filter says; None where it says none.

    InvalidError has the place in the filter (`filter.conditions.0`), the value, and what is allowed. `today` is the day
    in UTC, `fiscal_start` the first month of the fiscal year, 1 to 12.
    """
    if given in FILLERS:
        return None
    return _Reader(schema, today, fiscal_start).condition(given, model, "filter", 1)


def known_field(model: ModelClass, name: object, place: str) -> Field:
    """The field of this name; InvalidError lists those that the class has."""
    found = model.field(name) if isinstance(name, str) else None
    if found is None:
        names = [each.name for each in model.fields]
        known = ", ".join(names[:MAX_NAMED]) + (f" and {len(names) - MAX_NAMED} more" * (len(names) > MAX_NAMED))
        reason = f"{model.name} has no field {shown(name)}; it has: {known}."
        raise InvalidError(place, reason, value=shown(name)[:MAX_SHOWN], constraint=known)
    return found


def negated(condition: Condition) -> Condition:
    """What holds exactly where the condition does not."""
    return Group("and", True, (condition,))


def anything() -> Condition:
    """What holds of every record."""
    return Group("and", False, ())


@dataclass(slots=True)
class _Reader:
    """Reads one filter; counts what is in it."""

    schema: Schema
    today: date
    fiscal_start: int
    conditions: int = member(default=0)
    values: int = member(default=0)

    def condition(self, given: object, model: ModelClass, place: str, depth: int) -> Condition | None:
        """One condition of any form, with all that is in it."""
        if depth > MAX_DEPTH:
            reason = f"A filter has at most {MAX_DEPTH} levels."
            raise InvalidError("filter", reason, constraint=f"at most {MAX_DEPTH} levels")
        self._count(place, conditions=1)
        if isinstance(given, Mapping):
            if "conditions" in given or "group_type" in given:
                return self._group(given, model, place, depth)
            return self._look_up(given, model, place, depth)
        if isinstance(given, list | tuple):
            if not given or isinstance(given[0], Mapping | list | tuple):
                return self._joined("and", False, given, model, place, depth)
            return self._triple(given, model, place, depth)
        raise InvalidError(
            place,
            f'{shown(given)} is no condition: it must be ["field", "operator", value] or an object with "group_type" '
            'and "conditions".',
            value=shown(given)[:MAX_SHOWN],
        )

    def _group(self, given: Mapping[str, object], model: ModelClass, place: str, depth: int) -> Condition | None:
        kind = given.get("group_type")
        # Clients leave it out, or null, where there is one condition.
        spelled = "and" if kind in FILLERS else str(kind).strip().lower().replace("_", "-")
        if spelled not in KINDS:
            allowed = ", ".join(KINDS)
            reason = f'"group_type" must be one of {allowed}, not {shown(kind)}.'
            raise InvalidError(f"{place}.group_type", reason, value=shown(kind)[:MAX_SHOWN], constraint=allowed)
        parts = given.get("conditions") or ()
        if not isinstance(parts, list | tuple):
            raise InvalidError(f"{place}.conditions", f'"conditions" must be a list, not {shown(parts)}.')
        return self._joined(*KINDS[spelled], parts, model, f"{place}.conditions", depth)

    def _joined(
        self, kind: str, negated: bool, given: Sequence[object], model: ModelClass, place: str, depth: int
    ) -> Condition | None:
        # A bare triple is what its author took for a list of one.
        if given and not isinstance(given[0], Mapping | list | tuple):
            given = (given,)
        read = (self.condition(each, model, f"{place}.{at}", depth + 1) for at, each in enumerate(given))
        return _of([each for each in read if each is not None], kind, negated)

    def _look_up(self, given: Mapping[str, object], model: ModelClass, place: str, depth: int) -> Condition | None:
        """The equality form: the values of fields, maybe below the name of the class."""
        parts: list[Condition] = []
        for name, value in given.items():
            at = f"{place}.{name[:MAX_SHOWN]}"
            if isinstance(value, Mapping) and name in (model.name, model.camel, model.key):
                found = self.condition(value, model, at, depth + 1)
            elif isinstance(value, Mapping):
                found = self._filter(known_field(model, name, at), value, model, at, depth)
            else:
                self._count(at, conditions=1)
                found = self._equal(known_field(model, name, at), value, model, at)
            parts += [] if found is None else [found]
        return _of(parts, "and", False)

    def _triple(self, given: Sequence[object], model: ModelClass, place: str, depth: int) -> Condition:
        """A condition of a field, an operator and a value; clients leave out the value where there is none."""
        if not 2 <= len(given) <= 3:
            reason = f'A condition is ["field", "operator", value]; this one has {len(given)} parts.'
            raise InvalidError(place, reason, value=len(given), constraint="3 parts")
        found = known_field(model, given[0], place)
        value = given[2] if len(given) == 3 else None
        operator = _spelled(given[1])
        plain = operator.removeprefix("not-")
        word = record_dates.word(plain)
        if word is not None and found.type in (DATE, DATETIME):
            self._count(place, values=1)
            today, start = self.today, self.fiscal_start
            condition = _between(found, operands.period(place, found, word, value, today=today, fiscal_start=start))
        else:
            _check_operator(found, plain, given[1], place)
            if plain == "filter":
                condition = self._filter(found, value, model, place, depth)
            else:
                condition = self._compared(found, plain, value, model, place)
        return condition if plain == operator else negated(condition)

    def _compared(self, found: Field, operator: str, value: object, model: ModelClass, place: str) -> Condition:
        match operator:
            case "null":
                if value not in FILLERS:
                    raise operands.refusal(place, found, value, 'no value by this operator: "-" stands in its place')
                return self._missing(found, model, place)
            case "eq":
                return self._equal(found, value, model, place)
            case "contains" | "starts_with":
                return Comparison(found, operator, tuple(self._texts(found, value, place)))
            case "like":
                return _any([_like(found, text) for text in self._texts(found, value, place)])
        self._count(place, values=1)
        match operator:
            case "range":
                return _between(found, operands.between(place, found, value))
            case "range-year-cal":
                return _between(found, operands.years(place, found, value, fiscal_start=1))
            case "range-year-fiscal":
                return _between(found, operands.years(place, found, value, fiscal_start=self.fiscal_start))
        span = operands.single(place, found, value)
        if span is None:
            raise operands.refusal(place, found, value, f"a value by {operator}")
        return Comparison(found, operator, (span[0] if operator in ("lt", "gte") else span[1],))

    def _equal(self, found: Field, given: object, model: ModelClass, place: str) -> Condition:
        """One of the values; null and the empty text stand for a missing one."""
        if found.type == MANY:
            target = self._target(found, None, place)
            return _related(found, model, target, self._equal(known_field(target, "id", place), given, target, place))
        listed = given if isinstance(given, list | tuple) else (given,)
        self._count(place, values=len(listed))
        spans = [operands.single(place, found, each) for each in listed]
        exact = tuple(span[0] for span in spans if span is not None and span[0] == span[1])
        parts: list[Condition] = [Comparison(found, "eq", exact)] if exact else []
        parts += [_between(found, span) for span in spans if span is not None and span[0] != span[1]]
        parts += [self._missing(found, model, place)] if None in spans else []
        return _any(parts)

    def _texts(self, found: Field, given: object, place: str) -> Iterable[str]:
        listed = given if isinstance(given, list | tuple) else (given,)
        self._count(place, values=len(listed))
        for each in listed:
            span = operands.single(place, found, each)
            if span is None:
                raise operands.refusal(place, found, each, "text that is not empty")
            yield str(span[0])

    def _missing(self, found: Field, model: ModelClass, place: str) -> Condition:
        if found.type == MANY:
            return negated(_related(found, model, self._target(found, None, place), anything()))
        return Comparison(found, "null")

    def _filter(self, found: Field, given: object, model: ModelClass, place: str, depth: int) -> Condition:
        """A condition on the records at the other end of a relation; without one, that there is one."""
        named = given.get(CLASS_KEY) if isinstance(given, Mapping) else None
        target = self._target(found, named, place)
        inner = None if given in FILLERS else self.condition(given, target, f"{place}.filter", depth + 1)
        return _related(found, model, target, anything() if inner is None else inner)

    def _target(self, found: Field, named: object, place: str) -> ModelClass:
        """The class at the other end of a relation."""
        if found.related is not None:
            return self.schema.model(found.related)
        if isinstance(named, str):
            return self.schema.model(named)
        reason = f"'{found.name}' can name records of several classes: say which one with \"{CLASS_KEY}\" in the group."
        raise InvalidError(place, reason, constraint="the name of a class, such as GrantRequest")

    def _count(self, place: str, *, conditions: int = 0, values: int = 0) -> None:
        self.conditions += conditions
        self.values += values
        for what, number, most in (
            ("conditions", self.conditions, MAX_CONDITIONS),
            ("values", self.values, MAX_VALUES),
        ):
            if number > most:
                reason = f"A filter has at most {most} {what}."
                raise InvalidError(place, reason, constraint=f"at most {most} {what}")


def _spelled(operator: object) -> str:
    """An operator as it is compared: with hyphens, but for that of starts_with."""
    if not isinstance(operator, str):
        return ""
    return _BLANK.sub("-", operator.strip().lower()).replace("starts-with", "starts_with")


def _check_operator(found: Field, operator: str, given: object, place: str) -> None:
    if operator not in OPERATORS[found.type]:
        names = [*OPERATORS[found.type], *(f"not-{name}" for name in OPERATORS[found.type])]
        allowed = ", ".join(names) + (f", {WORDS}" if found.type in (DATE, DATETIME) else "")
        reason = f"'{found.name}' cannot be compared by {shown(given)}; the operators of a {found.type} are: {allowed}."
        raise InvalidError(place, reason, value=shown(given)[:MAX_SHOWN], constraint=allowed)


def _of(parts: Sequence[Condition], kind: str, opposite: bool) -> Condition | None:
    if not parts:
        return None
    return parts[0] if len(parts) == 1 and not opposite else Group(kind, opposite, tuple(parts))


def _any(parts: Sequence[Condition]) -> Condition:
    """One of the parts; of none, what holds of no record."""
    return parts[0] if len(parts) == 1 else Group("or", False, tuple(parts))


def _between(found: Field, span: Span) -> Condition:
    return Comparison(found, "between", span)


def _like(found: Field, text: str) -> Comparison:
    begins, ends = not text.startswith("%"), not text.endswith("%")
    operator = "contains" if begins == ends else "starts_with" if begins else "ends_with"
    return Comparison(found, operator, (text.removeprefix("%").removesuffix("%"),))


def _related(found: Field, model: ModelClass, target: ModelClass, inner: Condition) -> Condition:
    """The relation, and where a relation can name several classes, that it names this one."""
    if found.type == MANY:
        back = target.field(found.by or "")
        if back is not None and back.type_field is not None:
            named = Comparison(known_field(target, back.type_field, "filter"), "eq", (model.camel,))
            inner = Group("and", False, (named, inner))
        return Related(found, target.name, inner)
    condition = Related(found, target.name, inner)
    if found.type_field is None:
        return condition
    named = Comparison(known_field(model, found.type_field, "filter"), "eq", (target.camel,))
    return Group("and", False, (named, condition))
