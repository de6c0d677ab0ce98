"""Parameters of a report: what whoever generates it may choose. Pure.

    {"name": "country", "type": "text", "label": "Country", "default": "DE", "values": ["DE", "FR"]}

A query takes one as a filter's value, `{"parameter": "country"}`, and texts as `{{country}}`. The value takes the
place of a value or of plain text, never of a name, an operator or markup.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from fluvial.errors import InvalidError
from fluvial.plain_json import fields_of, listed, name_of, one_of
from fluvial.plain_json import shown as shown_name
from fluvial.query_values import bound
from fluvial.text import checked_line, checked_text

TYPES = ("text", "integer", "number", "boolean", "date")
MAX_PARAMETERS = 20
MAX_CHOICES = 100
MAX_VALUE_LENGTH = 200
MAX_LABEL_LENGTH = 100
FIELDS = ("name", "type", "label", "default", "values")

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_NAME_RULE = "a lower-case letter, then at most 39 lower-case letters, digits and _"
_PLACEHOLDER = re.compile(r"\{\{ ?([a-z][a-z0-9_]{0,39}) ?\}\}")

# What stands for a value when a definition is checked before anyone has given one.
_SAMPLES: dict[str, Any] = {"text": "x", "integer": 0, "number": 0, "boolean": True, "date": "2000-01-01"}

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """`default` None: a value has to be given. `values` are all that are allowed; any of the type where it is empty."""

    name: str
    type: str
    label: str
    default: Value | None = None
    values: tuple[Value, ...] = ()

    @property
    def sample(self) -> Value:
        """Some value that is allowed."""
        if self.default is not None:
            return self.default
        found: Value = self.values[0] if self.values else _SAMPLES[self.type]
        return found

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "type": self.type,
            "label": self.label,
            "default": self.default,
            "values": list(self.values),
        }


def parse(given: object, *, field: str = "parameters") -> tuple[Parameter, ...]:
    """The parameters that plain JSON values describe; none for None."""
    found: dict[str, Parameter] = {}
    for at, parameter in enumerate(listed(field, given, MAX_PARAMETERS, _parameter)):
        if parameter.name in found:
            reason = f"Two parameters are called {parameter.name!r}."
            raise InvalidError(f"{field}.{at}.name", reason, value=parameter.name)
        found[parameter.name] = parameter
    return tuple(found.values())


def chosen(
    parameters: tuple[Parameter, ...], given: Mapping[str, Any], *, field: str = "parameters"
) -> dict[str, Value]:
    """A value for each parameter: the given one or the default. InvalidError for one that is not allowed or lacks."""
    known = {each.name: each for each in parameters}
    for name in given:
        if name not in known:
            reason = f"The report has no parameter {shown_name(name)}."
            raise InvalidError(f"{field}.{str(name)[:60]}", reason, value=given[name], constraint=_names(known))
    found: dict[str, Value] = {}
    for name, parameter in known.items():
        value = given.get(name)
        if value is not None:
            found[name] = _allowed(f"{field}.{name}", value, parameter)
        elif parameter.default is not None:
            found[name] = parameter.default
        else:
            raise InvalidError(f"{field}.{name}", f"The report needs a value for the parameter {name!r}.")
    return found


def check_names(field: str, text: str, values: Mapping[str, Value]) -> None:
    """InvalidError where a text has a placeholder that is no parameter's."""
    for name in _PLACEHOLDER.findall(text):
        if name not in values:
            raise InvalidError(field, f"The report has no parameter {name!r}.", value=name, constraint=_names(values))


def filled(text: str, values: Mapping[str, Value]) -> str:
    """Plain text with the values in the place of their placeholders."""
    return _PLACEHOLDER.sub(lambda found: shown(values[found[1]]), text)


def shown(value: Value) -> str:
    """A value as texts show it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def with_values(query: object, values: Mapping[str, Value], *, field: str) -> object:
    """A query's JSON with values in the place of `{"parameter": name}`, which only filters' values may be."""
    if not isinstance(query, Mapping) or not isinstance(query.get("filters"), list | tuple):
        return query
    filters = [
        {**each, "value": _value(f"{field}.filters.{at}.value", each["value"], values)}
        if isinstance(each, Mapping) and "value" in each
        else each
        for at, each in enumerate(query["filters"])
    ]
    return {**query, "filters": filters}


def _value(field: str, given: object, values: Mapping[str, Value]) -> object:
    if isinstance(given, list | tuple):
        return [_value(f"{field}.{at}", each, values) for at, each in enumerate(given)]
    if not isinstance(given, Mapping):
        return given
    name = given.get("parameter")
    if set(given) != {"parameter"} or not isinstance(name, str) or name not in values:
        reason = f"'{field}' must be a value, or an object with the name of a parameter as 'parameter'."
        raise InvalidError(field, reason, constraint=_names(values))
    return values[name]


def _names(values: Mapping[str, Any]) -> str:
    return ", ".join(values) or "there are no parameters"


def _parameter(field: str, given: object) -> Parameter:
    fields = fields_of(field, given, FIELDS)
    name, label, default = fields.get("name"), fields.get("label"), fields.get("default")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidError(f"{field}.name", f"'{field}.name' must be {_NAME_RULE}.", value=name, constraint=_NAME_RULE)
    type_ = one_of(f"{field}.type", fields.get("type"), TYPES)
    if label is not None:
        label = checked_line(f"{field}.label", name_of(f"{field}.label", label), MAX_LABEL_LENGTH)
    values = listed(
        f"{field}.values", fields.get("values"), MAX_CHOICES, lambda place, each: _typed(place, each, type_)
    )
    parameter = Parameter(name, type_, label or name, None, values)
    if default is None:
        return parameter
    return replace(parameter, default=_allowed(f"{field}.default", default, parameter))


def _allowed(field: str, given: object, parameter: Parameter) -> Value:
    value = _typed(field, given, parameter.type)
    if parameter.values and value not in parameter.values:
        allowed = ", ".join(shown(each) for each in parameter.values)
        raise InvalidError(field, f"'{field}' must be one of: {allowed}.", value=given, constraint=allowed)
    return value


def _typed(field: str, given: object, type_: str) -> Value:
    match type_:
        case "boolean" if isinstance(given, bool):
            return given
        case "integer":
            bound(field, given, "integer")
            return int(str(given))
        case "number" if isinstance(given, int | float) and not isinstance(given, bool) and isfinite(given):
            return given
        case "date":
            return str(bound(field, given, "date"))
        case "text" if isinstance(given, str):
            return checked_line(field, checked_text(field, given, MAX_VALUE_LENGTH), MAX_VALUE_LENGTH)
    allowed = {"boolean": "true or false", "number": "a number", "text": "text"}[type_]
    raise InvalidError(field, f"'{field}' must be {allowed}.", value=given, constraint=allowed)
