"""A checked preparation as SELECTs for the sandbox, and what came out of it as a report.

A step becomes one SELECT over the steps before it, and one more where casts have to tell which cells they could not
take. The last one leaves the hidden positions out and has its rows in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlglot import exp

from fluvial import steps
from fluvial.engine import manifest, sandbox
from fluvial.engine.sandbox_check import MAX_SQL_BYTES
from fluvial.engine.step_sql import Builder, Names, input_rows, ordered, step_rows
from fluvial.errors import InvalidError
from fluvial.expression_types import FORMATS
from fluvial.step_plan import Plan, Source
from fluvial.step_sources import check_inputs

_CHECKING = sandbox.Bounds(seconds=20, cpu_seconds=10)


@dataclass(frozen=True)
class Compiled:
    """`steps` are for `sandbox.run`, over the plan's `used` inputs by their names.

    `rows` and `failed` name those that made a step's rows, and the cells that its casts could not take, by the step's
    place. `position` is the hidden column of all but the last.
    """

    plan: Plan
    steps: list[sandbox.Step]
    rows: dict[int, str]
    failed: dict[int, str]
    position: str


@dataclass(frozen=True)
class StepReport:
    """What became of a step: `rows_in` by what it read. `failed` counts cells that a cast could not take."""

    at: int
    kind: str
    name: str
    rows_in: dict[str, int]
    rows_out: int
    columns: list[dict[str, Any]]
    sample: list[dict[str, object]]
    failed: int
    failed_sample: list[dict[str, object]]
    milliseconds: int

    def to_json(self) -> dict[str, Any]:
        return {"step": self.kind, **{name: value for name, value in vars(self).items() if name != "kind"}}


def compiled(plan: Plan) -> Compiled:
    """The SQL of a plan. What somebody typed is bound or a quoted identifier, and never a part of it.

    InvalidError for a step whose SQL would be longer than what the sandbox takes.
    """
    names = Names(_free("fluvial_row", _column_names(plan)))
    prefix = _free("step", plan.inputs)
    made: list[sandbox.Step] = []
    rows: dict[int, str] = {}
    failed: dict[int, str] = {}
    for one in plan.steps:
        name = f"{prefix}_{one.at}"
        sources = [_source(each, rows, names) for each in one.sources]
        if one.failing:
            failed[one.at] = f"{name}_failed"
            builder = Builder(one, sources, names)
            made.append(_step(failed[one.at], builder.failed(), builder))
        builder = Builder(one, sources, names)
        select = builder.build()
        if one is plan.steps[-1]:
            select = ordered(select, names, hidden=False)
        rows[one.at] = name
        made.append(_step(name, select, builder))
    return Compiled(plan, made, rows, failed, names.position)


def reports(done: Compiled, results: Iterable[sandbox.StepResult], input_rows: Mapping[str, int]) -> list[StepReport]:
    """What became of each step that was done; of a run that ended early those before its end."""
    by_name = {each.name: each for each in results}
    found: list[StepReport] = []
    for one in done.plan.steps:
        result = by_name.get(done.rows[one.at])
        if result is None:
            break
        cells = by_name.get(done.failed.get(one.at, ""))
        found.append(
            StepReport(
                at=one.at,
                kind=one.step.kind,
                name=one.name,
                rows_in={_called(done.plan, each): _rows(done, each, by_name, input_rows) for each in one.sources},
                rows_out=result.rows,
                columns=[{"name": each.name, "type": each.type, "format": each.format} for each in one.columns],
                sample=[_shown(row, done.position) for row in result.sample],
                failed=cells.rows if cells else 0,
                failed_sample=cells.sample if cells else [],
                milliseconds=result.milliseconds + (cells.milliseconds if cells else 0),
            )
        )
    return found


def result_columns(plan: Plan, found: Sequence[manifest.Column]) -> list[manifest.Column]:
    """The columns of a result's manifest: types and formats of the plan, and what was found in the rows."""
    made = f"made by a preparation of {len(plan.steps)} steps"
    return [
        replace(one, name=column.name, type=column.type, format=column.format or FORMATS.get(column.type), reason=made)
        for column, one in zip(plan.columns, found, strict=True)
    ]


def columns_of(columns: Iterable[manifest.Column]) -> list[steps.Column]:
    """What `step_checks.check` wants to know of an input."""
    return [steps.Column(each.name, each.type, each.format) for each in columns]


def _step(name: str, select: exp.Query, builder: Builder) -> sandbox.Step:
    sql = select.sql("duckdb", comments=False)
    if (size := len(sql.encode())) > MAX_SQL_BYTES:
        reason = f"The step takes {size} bytes of SQL, at most {MAX_SQL_BYTES} are run: make several steps of it."
        raise InvalidError(f"steps.{builder.one.at}", reason, constraint=f"at most {MAX_SQL_BYTES} bytes")
    return sandbox.Step(name, sql, dict(builder.values.bound))


def _source(source: Source, rows: Mapping[int, str], names: Names) -> exp.Expr:
    if isinstance(source, str):
        return input_rows(source, names)
    return step_rows(rows[source])


def _free(name: str, taken: Iterable[str]) -> str:
    """The name, or a longer one, with which none of the taken ones begins."""
    known = [steps.folded(each) for each in taken]
    while any(each.startswith(name) for each in known):
        name += "_"
    return name


def _column_names(plan: Plan) -> set[str]:
    every = [*plan.inputs.values(), *(each.columns for each in plan.steps)]
    return {column.name for columns in every for column in columns}


def _called(plan: Plan, source: Source) -> str:
    return source if isinstance(source, str) else plan.steps[source].name


def _rows(
    done: Compiled, source: Source, results: Mapping[str, sandbox.StepResult], input_rows: Mapping[str, int]
) -> int:
    return input_rows[source] if isinstance(source, str) else results[done.rows[source]].rows


def _shown(row: Mapping[str, object], position: str) -> dict[str, object]:
    return {name: value for name, value in row.items() if name != position}


def select_step(recipe: steps.Recipe, inputs: Iterable[str]) -> sandbox.Step:
    """The one step of a recipe that is a SELECT: the sandbox runs it as its owner wrote it, and judges it."""
    return sandbox.Step(_free("result", inputs), str(recipe.select))


def select_columns(
    recipe: steps.Recipe, inputs: Mapping[str, Sequence[manifest.Column]], *, temp: Path
) -> list[manifest.Column]:
    """The columns that a recipe's SELECT makes, found by running it over no rows; InvalidError where it cannot run."""
    check_inputs(inputs)
    nothing = {name: sandbox.Input([], columns) for name, columns in inputs.items()}
    try:
        return sandbox.run(nothing, [select_step(recipe, inputs)], temp=temp, out=None, bounds=_CHECKING).columns
    except sandbox.SandboxError as error:
        raise InvalidError("select", str(error), value=str(recipe.select)[:100]) from error
