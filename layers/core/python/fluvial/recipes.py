"""Whether a recipe fits, and what it makes of the first rows of its inputs: with the engine, while somebody waits."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluvial import datasets, part_files, preparations, steps
from fluvial.caller import Caller
from fluvial.engine import prepared, sandbox
from fluvial.engine.limits import GIB, MIB
from fluvial.engine.manifest import Column, Manifest, Part
from fluvial.engine.preparation import StepReport, select_columns
from fluvial.errors import InvalidError, TooLargeError
from fluvial.preparations import Input
from fluvial.step_sources import check_names
from fluvial.steps import Recipe

PREVIEWED_ROWS = 10_000  # of each input
MAX_SHOWN_ROWS = 100  # of each step
DEFAULT_SHOWN_ROWS = 20
MAX_FETCHED_BYTES = 512 * MIB  # of parts, for the first rows of all inputs
TIMEOUT_SECONDS = 24  # of the 29 that the gateway waits
BOUNDS = sandbox.Bounds(
    cpu_seconds=20,
    memory_bytes=2 * GIB,
    spill_bytes=512 * MIB,
    output_rows=1_000_000,
    sample_bytes=256 * 1024,
)


@dataclass(frozen=True, slots=True)
class Read:
    """What a preview read of an input: its first `rows` of `rows_total`, of this version of the dataset."""

    name: str
    dataset: int
    version: int
    rows: int
    rows_total: int

    @property
    def sampled(self) -> bool:
        return self.rows < self.rows_total


@dataclass(frozen=True, slots=True)
class Preview:
    """What each step made of what was read. Of inputs that are sampled, a whole execution may make other rows."""

    inputs: list[Read]
    steps: list[StepReport]


def check(recipe: Recipe, inputs: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """InvalidError where a recipe does not fit inputs with these columns, which are those of manifests."""
    columns = {name: [Column(**each) for each in listed] for name, listed in inputs.items()}
    prepared.ready(recipe, columns)
    if recipe.select is not None:
        with tempfile.TemporaryDirectory() as temp:
            select_columns(recipe, columns, temp=Path(temp))


def preview(
    caller: Caller, inputs: Mapping[str, Input], recipe: object, *, shown_rows: int = DEFAULT_SHOWN_ROWS
) -> Preview:
    """Runs a recipe over the first PREVIEWED_ROWS rows of each input that it reads; nothing is kept.

    InvalidError for a recipe that does not fit, fails or takes too long, with the step as its field; NotFoundError and
    ConflictError for inputs as in an execution; TooLargeError where the parts with the first rows are too large;
    ForbiddenError for a key that may not read data.
    """
    caller.require(preparations.NEEDED_SCOPE)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    parsed = steps.parse(recipe)
    check_names(parsed, inputs)
    found = {name: preparations.readable(caller, name, each) for name, each in inputs.items()}
    manifests = {name: _manifest(dataset) for name, dataset in found.items()}
    work = prepared.ready(parsed, {name: manifest.columns for name, manifest in manifests.items()})
    _check_size({name: manifests[name] for name in work.used})
    with tempfile.TemporaryDirectory() as temp:
        given: dict[str, sandbox.Input] = {}
        read: list[Read] = []
        for name in work.used:
            path, manifest = Path(temp, f"{len(given)}.parquet"), manifests[name]
            files = [(_file(part.key(str(found[name].location))), part.first_row) for part in _first_parts(manifest)]
            if time.monotonic() > deadline:
                raise _too_slow()
            taken = prepared.first_rows(files, manifest.columns, PREVIEWED_ROWS, path)
            given[name] = sandbox.Input([path], manifest.columns)
            read.append(Read(name, found[name].id, found[name].version, taken, manifest.rows))
        made = _run(work, given, Path(temp), max(deadline - time.monotonic(), 1), shown_rows)
    return Preview(read, prepared.reports(work, made, {each.name: each.rows for each in read}))


def _run(
    work: prepared.Ready, inputs: Mapping[str, sandbox.Input], temp: Path, seconds: float, shown_rows: int
) -> list[sandbox.StepResult]:
    try:
        bounds = sandbox.Bounds(**{**vars(BOUNDS), "seconds": seconds})
        return sandbox.run(inputs, work.steps, temp=temp, out=None, bounds=bounds, sample_rows=shown_rows).steps
    except sandbox.TimeExceededError as error:
        raise _too_slow(prepared.why(work, error)[0]) from error
    except sandbox.SandboxError as error:
        field, reason = prepared.why(work, error)
        raise InvalidError(field, reason) from error


def _manifest(dataset: datasets.Dataset) -> Manifest:
    return Manifest.from_json(_file(f"{dataset.location}{datasets.MANIFEST}").read_bytes())


def _file(key: str) -> Path:
    # Previews follow each other while somebody works on a recipe, so what they read stays on the disk.
    return part_files.fetched(key, keep_bytes=MAX_FETCHED_BYTES)


def _first_parts(manifest: Manifest) -> list[Part]:
    return [part for part in manifest.parts if part.first_row < PREVIEWED_ROWS]


def _check_size(manifests: Mapping[str, Manifest]) -> None:
    size = sum(part.bytes for manifest in manifests.values() for part in _first_parts(manifest))
    if size > MAX_FETCHED_BYTES:
        reason = f"The first rows of the inputs lie in {size} bytes, and a preview reads at most {MAX_FETCHED_BYTES}."
        raise TooLargeError(reason, field="inputs", limit_bytes=MAX_FETCHED_BYTES)


def _too_slow(field: str = "recipe") -> InvalidError:
    reason = f"The preview takes more than {TIMEOUT_SECONDS} s: execute the preparation, which has ten minutes."
    return InvalidError(field, reason, constraint=f"at most {TIMEOUT_SECONDS} s")
