"""Whether a recipe fits its inputs: names, columns and types through all steps, before a row is read.

`check` makes a plan: each step with what it reads, the columns that it makes, and its values and conditions as typed
trees (`expression_functions`). Whoever runs the plan only writes it down in its own language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fluvial import step_rows, step_tables
from fluvial.errors import InvalidError
from fluvial.step_plan import Checked, Plan
from fluvial.step_shapes import MAX_COLUMNS
from fluvial.step_sources import check_inputs, named_steps, sources_of
from fluvial.steps import Column, Recipe

_CHECKS = {**step_rows.CHECKS, **step_tables.CHECKS}


def check(recipe: Recipe, inputs: Mapping[str, Sequence[Column]]) -> Plan:
    """The plan of a recipe of steps; InvalidError where it does not fit inputs with these columns."""
    check_inputs(inputs)
    known = {name: tuple(columns) for name, columns in inputs.items()}
    places = named_steps(recipe, known)
    done: list[Checked] = []
    for at, step in enumerate(recipe.steps):
        sources = sources_of(at, step, recipe, known, places)
        before = tuple(known[each] if isinstance(each, str) else done[each].columns for each in sources)
        checked = _CHECKS[step.kind](Checked(at, step, sources, before, before[0]), f"steps.{at}")
        if len(checked.columns) > MAX_COLUMNS:
            reason = f"The step would make {len(checked.columns)} columns; at most {MAX_COLUMNS} are kept."
            raise InvalidError(f"steps.{at}", reason, constraint=f"at most {MAX_COLUMNS} columns")
        done.append(checked)
    return Plan(tuple(done), known)
