"""What a preparation does to its inputs: a list of steps, or one SELECT. Plain rules, without an engine.

    {"steps": [
        {"step": "filter", "from": "sales", "filters": [{"column": "country", "operator": "eq", "value": "DE"}]},
        {"step": "derive", "columns": [{"as": "gross", "expression": "round(price * 1.19, 2)"}], "as": "priced"},
        {"step": "join", "with": "stores", "on": ["store"]}]}

    {"select": "SELECT country, sum(price) AS revenue FROM sales GROUP BY country"}

A step reads what `from` names: an input, or an earlier step by its `as`; without `from` it reads the step before it,
the first one the only input. The rows of a recipe are those of its last step. Rows have an order, which is the inputs'
and stays through every step that does not sort; so the same recipe over the same versions makes the same rows in the
same order.

The shape is checked when a recipe is given (`parse`), names of inputs, columns and types once the inputs are known
(`step_checks.check`). Every refusal names the place, such as `steps.2.columns.0`. What each step takes is in
docs/data-model.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fluvial.errors import InvalidError
from fluvial.step_shapes import SHAPES
from fluvial.step_values import fields_of, listed, name_of, one_of, optional, text_of

MAX_STEPS = 100
MAX_INPUTS = 20
MAX_SELECT_LENGTH = 20_000
MAX_RECIPE_BYTES = 128 * 1024  # a recipe has to fit into one item
KINDS = tuple(SHAPES)
RULES = 1  # raised when the same recipe comes to mean other rows, so that none is taken for executed already


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an input or of a step; type and format are those of `docs/data-model.md`."""

    name: str
    type: str
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `fields` are plain JSON values with nothing left out; what a kind has is in `step_shapes.SHAPES`."""

    kind: str
    fields: Mapping[str, Any]
    source: str | None = None
    name: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {"step": self.kind, "from": self.source, **self.fields, "as": self.name}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Steps, or one SELECT: the other one is empty."""

    steps: tuple[Step, ...] = ()
    select: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The recipe with nothing left out; `parse` makes an equal one of it."""
        if self.select is not None:
            return {"select": self.select}
        return {"steps": [each.to_json() for each in self.steps]}


@dataclass(frozen=True, slots=True)
class Pin:
    """The version of a dataset that an input is."""

    dataset: str
    version: int


@dataclass(frozen=True, slots=True)
class Lineage:
    """What made an output: the recipe, and which version each name stood for. `sha256` is equal if both are."""

    recipe: dict[str, Any]
    recipe_sha256: str
    sha256: str
    inputs: dict[str, Pin] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "sha256": self.sha256,
            "recipe_sha256": self.recipe_sha256,
            "recipe": self.recipe,
            "inputs": [
                {"name": name, "dataset": pin.dataset, "version": pin.version} for name, pin in self.inputs.items()
            ],
        }


def parse(given: object, *, field: str = "recipe") -> Recipe:
    """The recipe that plain JSON values describe; InvalidError where they describe none.

    Places in refusals are those inside the recipe (`steps.0.from`); `field` names the recipe as a whole.
    """
    fields = fields_of(field, given, ("steps", "select"))
    steps, select = fields.get("steps"), fields.get("select")
    if (steps is None) == (select is None):
        raise InvalidError(field, f"'{field}' must have either 'steps' or 'select'.", constraint="steps, select")
    if select is not None:
        text = text_of("select", select, MAX_SELECT_LENGTH)
        if not text.strip():
            raise InvalidError("select", "'select' must be one SELECT.", value=text)
        return Recipe(select=text)
    if isinstance(steps, list | tuple) and not steps:
        raise InvalidError("steps", "'steps' must have at least one step.", constraint=f"1-{MAX_STEPS} steps")
    recipe = Recipe(listed("steps", steps, MAX_STEPS, _step))
    size = len(_canonical(recipe.to_json()))
    if size > MAX_RECIPE_BYTES:
        reason = f"'{field}' must take at most {MAX_RECIPE_BYTES} bytes as JSON, not {size}."
        raise InvalidError(field, reason, constraint=f"at most {MAX_RECIPE_BYTES} bytes")
    return recipe


def lineage(recipe: Recipe, inputs: Mapping[str, Pin]) -> Lineage:
    """What an execution over these versions is recognised by.

    Recipes that differ in the order of members or in defaults that are spelled out are the same.
    """
    known = {name: inputs[name] for name in sorted(inputs)}
    body = recipe.to_json()
    pinned = {name: [pin.dataset, pin.version] for name, pin in known.items()}
    return Lineage(body, _sha256(body), _sha256({"rules": RULES, "recipe": body, "inputs": pinned}), known)


def _step(place: str, given: object) -> Step:
    if not isinstance(given, Mapping):
        raise InvalidError(place, f"'{place}' must be an object.")
    kind = one_of(f"{place}.step", given.get("step"), KINDS)
    shape = SHAPES[kind]
    fields = fields_of(place, given, ("step", "from", *shape.names, "as"))
    source = optional(f"{place}.from", fields.get("from"), name_of)
    name = optional(f"{place}.as", fields.get("as"), name_of)
    own = {each: fields.get(each) for each in shape.names}
    return Step(kind, shape.read(place, own), source, name)


def _canonical(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _sha256(value: object) -> str:
    return hashlib.sha256(_canonical(value)).hexdigest()


def folded(name: str) -> str:
    """Names that are equal in this are one name: the engine knows no case."""
    return name.lower()


def by_name(columns: Sequence[Column]) -> dict[str, Column]:
    return {each.name: each for each in columns}
