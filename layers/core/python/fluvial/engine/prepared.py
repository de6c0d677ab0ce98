"""A recipe of either form over the manifests of its inputs: made ready for the sandbox, and what came out of it."""

# The SQL here is made of our own types and quoted identifiers.
# ruff: noqa: S608

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluvial import step_checks
from fluvial.engine import preparation, sandbox, schema
from fluvial.engine.conditions import sql_type
from fluvial.engine.limits import Limits
from fluvial.engine.load import connect, identifier, write_part
from fluvial.engine.manifest import Column, Manifest, Part
from fluvial.engine.merge import Counts
from fluvial.engine.parts import numbered
from fluvial.engine.preparation import Compiled, StepReport
from fluvial.step_sources import check_inputs
from fluvial.steps import Recipe

MADE_OF = "made by a preparation"
# What is small: a few first rows of parts, and files without rows.
MEMORY_LIMIT_MB = 300
# DuckDB names the kind of its error first, which tells the owner of a recipe nothing.
_KIND = re.compile(r"^[A-Z][A-Za-z-]*( [A-Z][A-Za-z-]*)* Error: ")


@dataclass(frozen=True)
class Ready:
    """`steps` are for `sandbox.run`, over the inputs that are `used`."""

    steps: list[sandbox.Step]
    used: list[str]
    compiled: Compiled | None = None


def ready(recipe: Recipe, inputs: Mapping[str, Sequence[Column]]) -> Ready:
    """The recipe for the sandbox; InvalidError where it does not fit inputs with these columns.

    Of a SELECT that is told only when it is run (`preparation.select_columns`).
    """
    if recipe.select is not None:
        check_inputs(inputs)
        return Ready([preparation.select_step(recipe, inputs)], list(inputs))
    known = {name: preparation.columns_of(columns) for name, columns in inputs.items()}
    compiled = preparation.compiled(step_checks.check(recipe, known))
    return Ready(compiled.steps, compiled.plan.used, compiled)


def reports(work: Ready, done: Iterable[sandbox.StepResult], input_rows: Mapping[str, int]) -> list[StepReport]:
    """What became of each step that was done; a SELECT is one step, over all inputs."""
    if work.compiled is not None:
        return preparation.reports(work.compiled, done, input_rows)
    return [
        StepReport(
            at=0,
            kind="select",
            name="select",
            rows_in=dict(input_rows),
            rows_out=each.rows,
            columns=[{"name": one.name, "type": one.type, "format": one.format} for one in each.columns],
            sample=each.sample,
            failed=0,
            failed_sample=[],
            milliseconds=each.milliseconds,
        )
        for each in done
    ]


def why(work: Ready, error: sandbox.SandboxError) -> tuple[str, str]:
    """The place in the recipe that a run ended at, and a sentence that names it and says why."""
    reason = _KIND.sub("", str(error))
    if work.compiled is None:
        return "select", reason
    named = {**work.compiled.rows, **{at: name for at, name in work.compiled.failed.items() if name == error.step}}
    for one in work.compiled.plan.steps:
        if named[one.at] == error.step:
            called = "" if one.step.name is None else f", '{one.step.name}'"
            return f"steps.{one.at}", f"Step {one.at + 1} ({one.step.kind}{called}): {reason}"
    return "steps", reason


def manifest(work: Ready, outcome: sandbox.Outcome, out: Path) -> Manifest:
    """The manifest of what a run wrote into `out`. Without rows there is a part even so: it says which columns."""
    columns = outcome.columns
    if work.compiled is not None:
        columns = preparation.result_columns(work.compiled.plan, columns)
    parts = outcome.parts or [_empty(columns, out)]
    return Manifest(
        format="parquet",
        compression=None,
        encoding=None,
        dialect=None,
        detected_because=[MADE_OF],
        columns=list(columns),
        rows=outcome.rows,
        rejected=0,
        source_rows=outcome.rows,
        source_bytes=sum(part.bytes for part in parts),
        source_sha256="",
        parts=parts,
        rejects_file=None,
    )


def changes(made: Manifest, before: Manifest | None) -> tuple[dict[str, int], dict[str, Any]]:
    """What a new version does to the rows and columns of the one before, which it replaces."""
    if before is None:
        return Counts(insert=made.rows).described(), schema.Changes().described()
    counts = Counts(insert=made.rows, delete=before.rows)
    return counts.described(), schema.changes(before, made, schema.own(made)).described()


def first_rows(files: Sequence[tuple[Path, int]], columns: Sequence[Column], rows: int, out: Path) -> int:
    """Writes at most the first `rows` of parts, which come with the positions of their first rows; returns how many."""
    names = [column.name for column in columns]
    cells = [f"{identifier(name)} AS c{at}" for at, name in enumerate(names)]
    shown = ", ".join(f"c{at} AS {identifier(name)}" for at, name in enumerate(names))
    select = f"SELECT {shown} FROM {numbered(files, cells, names)} WHERE nr < {rows} ORDER BY nr"
    return _written(select, out, [path.parent for path, _ in files])[0]


def _empty(columns: Sequence[Column], out: Path) -> Part:
    cells = ", ".join(f"CAST(NULL AS {sql_type(each)}) AS {identifier(each.name)}" for each in columns)
    path = out / "part-00000.parquet"
    rows, size = _written(f"SELECT {cells} WHERE false", path, [])
    return Part(path.name, rows, size, 0)


def _written(select: str, path: Path, folders: Sequence[Path]) -> tuple[int, int]:
    with tempfile.TemporaryDirectory() as temp:
        sql = connect(Path(temp), [path.parent, *folders], MEMORY_LIMIT_MB, 1)
        try:
            rows, size, _ = write_part(sql, select, path, Limits())
        finally:
            sql.close()
    return rows, size
