"""What the steps of a recipe read: inputs and earlier steps by their names."""

from __future__ import annotations

from collections.abc import Mapping

from fluvial.errors import InvalidError
from fluvial.step_plan import Source, listed_names
from fluvial.step_values import shown
from fluvial.steps import MAX_INPUTS, Recipe, Step, folded


def check_inputs(inputs: Mapping[str, object]) -> None:
    """InvalidError for too many names, none, or two that differ in their case alone."""
    if not 0 < len(inputs) <= MAX_INPUTS:
        raise InvalidError("inputs", f"A preparation has 1 to {MAX_INPUTS} inputs.", constraint=f"1-{MAX_INPUTS}")
    seen: set[str] = set()
    for name in inputs:
        if folded(name) in seen:
            raise InvalidError(f"inputs.{name}", f"Two inputs are called {shown(name)}.", value=name)
        seen.add(folded(name))


def check_names(recipe: Recipe, inputs: Mapping[str, object]) -> None:
    """InvalidError where a step reads what is no input and no earlier step: all that can be told without columns."""
    check_inputs(inputs)
    places = named_steps(recipe, inputs)
    for at, step in enumerate(recipe.steps):
        sources_of(at, step, recipe, inputs, places)


def named_steps(recipe: Recipe, inputs: Mapping[str, object]) -> dict[str, int]:
    """The place of each step that has a name."""
    taken = {folded(name): f"the input {shown(name)}" for name in inputs}
    places: dict[str, int] = {}
    for at, step in enumerate(recipe.steps):
        if step.name is None:
            continue
        if (other := taken.get(folded(step.name))) is not None:
            reason = f"{other[0].upper()}{other[1:]} is called {shown(step.name)} already."
            raise InvalidError(f"steps.{at}.as", reason, value=step.name)
        taken[folded(step.name)] = f"step {at}"
        places[step.name] = at
    return places


def sources_of(
    at: int, step: Step, recipe: Recipe, inputs: Mapping[str, object], places: Mapping[str, int]
) -> tuple[Source, ...]:
    found: list[Source] = []
    if step.source is not None:
        found.append(_source(f"steps.{at}.from", step.source, at, recipe, inputs, places))
    elif at:
        found.append(at - 1)
    elif len(inputs) == 1:
        found.append(next(iter(inputs)))
    else:
        listed = ", ".join(inputs)
        reason = f"The first step must say with 'from' which input it reads: {listed}."
        raise InvalidError("steps.0.from", reason, constraint=listed)
    for place, name in _others(step):
        found.append(_source(f"steps.{at}.{place}", name, at, recipe, inputs, places))
    return tuple(found)


def _others(step: Step) -> list[tuple[str, str]]:
    """The further names that a step reads, each with its place."""
    given = step.fields.get("with")
    if given is None:
        return []
    return [("with", given)] if isinstance(given, str) else [(f"with.{at}", name) for at, name in enumerate(given)]


def _source(
    place: str, name: str, at: int, recipe: Recipe, inputs: Mapping[str, object], places: Mapping[str, int]
) -> Source:
    if name in inputs:
        return name
    found = places.get(name)
    if found is None:
        known = [*inputs, *(each for each, where in places.items() if where < at)]
        reason = f"There is no input or earlier step {shown(name)}; there are: {listed_names(known)}."
        raise InvalidError(place, reason, value=name, constraint=listed_names(known))
    if found < at:
        return found
    circle = _circle(found, at, recipe, places)
    if circle:
        shown_circle = " → ".join(f"steps.{each}" for each in circle)
        raise InvalidError(place, f"The steps read each other in a circle: {shown_circle}.", value=name)
    reason = f"{shown(name)} is made by steps.{found}, which comes later: a step reads what stands before it."
    raise InvalidError(place, reason, value=name)


def _circle(start: int, end: int, recipe: Recipe, places: Mapping[str, int]) -> list[int]:
    """The way from a step back to another one that reads it, through what each reads; empty if there is none."""
    ways, seen = [[end, start]], {start}
    while ways:
        way = ways.pop()
        if way[-1] == end:
            return way
        step = recipe.steps[way[-1]]
        named = [step.source, *(name for _, name in _others(step))]
        reads = [places[name] for name in named if name is not None and name in places]
        reads += [way[-1] - 1] if step.source is None and way[-1] else []
        for each in reads:
            if each == end or each not in seen:
                seen.add(each)
                ways.append([*way, each])
    return []
