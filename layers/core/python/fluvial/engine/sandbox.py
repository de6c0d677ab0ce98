"""SELECTs of users over Parquet parts, in a child process with limits (`sandbox_child` says which).

SandboxError
├── SqlRefusedError      not one SELECT, or one that reaches for what it is not given
├── SqlFailedError       the database refused it or failed on it: names, types, values
├── MemoryExceededError, CpuExceededError, TimeExceededError     what it may use while it runs
├── RowsExceededError, OutputExceededError                       what may come out
└── EngineStoppedError   the database broke down over it
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import stat
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fluvial.engine.limits import GIB, MIB
from fluvial.engine.manifest import Column, Part
from fluvial.engine.sandbox_process import Ended, talk

Value = str | int | float | bool | None | list["Value"]
"""What can be bound: what JSON can say. Decimals and dates are text, with a CAST in the SQL."""


@dataclass(frozen=True)
class Input:
    """What SQL reads by a name: Parquet parts of one version, in order, and its manifest's columns."""

    files: Sequence[Path]
    columns: Sequence[Column]


@dataclass(frozen=True)
class Step:
    """One SELECT; later steps read its rows as `name`. `values` are bound to `$name` in it."""

    name: str
    sql: str
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Bounds:
    """What one run may use. `memory_bytes` is of address space, so resident memory is always less."""

    seconds: float = 600
    cpu_seconds: int = 600
    memory_bytes: int = 2 * GIB
    spill_bytes: int = 6 * GIB
    output_rows: int = 20_000_000
    output_bytes: int = 2 * GIB
    part_bytes: int = 128 * MIB
    columns: int = 2_000
    cell_bytes: int = 4 * MIB
    sample_bytes: int = 1 * MIB


@dataclass(frozen=True)
class StepResult:
    """What a step made. `columns` have Fluvial's types; `sample` are its first rows, as `engine.rows` shows rows.

    A sample ends before the row that would make it larger than `Bounds.sample_bytes`.
    """

    name: str
    columns: list[Column]
    rows: int
    sample: list[dict[str, object]]
    milliseconds: int


@dataclass(frozen=True)
class Usage:
    """What the process took: resident memory at its peak, and CPU time."""

    peak_memory_bytes: int
    cpu_seconds: float


@dataclass(frozen=True)
class Outcome:
    """What a run made: all steps, and the last one's rows as Parquet parts with a manifest's columns (nulls, bounds).

    Without `out` there are no parts, and the columns have no bounds.
    """

    steps: list[StepResult]
    columns: list[Column]
    rows: int
    parts: list[Part]
    usage: Usage


class SandboxError(Exception):
    """A run ended without a result; `str(error)` is a sentence for the owner of the SQL.

    `step` is the name of the step that was under way, None if none was; `done` are those before it. `detail` is for the
    log: what the process itself said, which is not for the owner.
    """

    def __init__(
        self,
        message: str,
        *,
        step: str | None = None,
        done: Sequence[StepResult] = (),
        usage: Usage | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.step, self.done, self.usage, self.detail = step, list(done), usage, detail


class SqlRefusedError(SandboxError):
    """The text is not one SELECT, or reaches for what it is not given."""


class SqlFailedError(SandboxError):
    """The database refused the SELECT or failed on a value: its own message."""


class MemoryExceededError(SandboxError):
    """It needs more memory than a run has."""


class CpuExceededError(SandboxError):
    """It computes for longer than a run may."""


class TimeExceededError(SandboxError):
    """It took longer than a run may take."""


class RowsExceededError(SandboxError):
    """A step makes more rows than are kept."""


class OutputExceededError(SandboxError):
    """The result takes more bytes, columns or a larger cell than is kept."""


class EngineStoppedError(SandboxError):
    """The database broke down over it."""


_KINDS: dict[str, type[SandboxError]] = {
    "refused": SqlRefusedError,
    "failed": SqlFailedError,
    "memory": MemoryExceededError,
    "rows": RowsExceededError,
    "output": OutputExceededError,
    "stopped": EngineStoppedError,
}
_OUT_OF_MEMORY = ("bad_alloc", "MemoryError", "out of memory", "Out of Memory")
_CHILD = Path(__file__).with_name("sandbox_child.py")
_PART = re.compile(r"part-[0-9]{5}\.parquet")


def run(
    inputs: Mapping[str, Input],
    steps: Sequence[Step],
    *,
    temp: Path,
    out: Path | None,
    bounds: Bounds | None = None,
    sample_rows: int = 20,
    part_rows: int = 250_000,
    on_step: Callable[[StepResult], None] = lambda _: None,
) -> Outcome:
    """Runs the steps in order in a process of its own; the last one's rows go to `out`, in the order of its SELECT.

    `temp` is a folder for the run's own files, on the file system of the inputs if these are not to be copied; nothing
    is left in it. The inputs' files become read-only. `on_step` is told of every step that is done; what it raises ends
    the run. Raises SandboxError. Names of inputs and steps must differ in more than their case (ValueError).
    """
    names = [name.lower() for name in (*inputs, *(step.name for step in steps))]
    if not steps or len(set(names)) < len(names):
        raise ValueError("a run has steps, and no two of its names are equal")
    bounds = bounds or Bounds()
    with tempfile.TemporaryDirectory(dir=temp, prefix="sandbox-") as folder:
        work = Path(folder).resolve()
        request = {
            "work": str(work),
            "paths": _paths(),
            "inputs": _given(inputs, work),
            "steps": [asdict(step) for step in steps],
            "bounds": asdict(bounds),
            "sample_rows": sample_rows,
            "part_rows": part_rows,
            "write": out is not None,
        }
        (work / "out").mkdir()
        answer = _Answer(on_step)
        ended = talk(_CHILD, json.dumps(request).encode(), seconds=bounds.seconds, folder=work, on_line=answer.take)
        if answer.done is None:
            raise _error(answer, ended, bounds)
        return _outcome(answer, ended, work / "out", out)


class _Answer:
    """What the process has said so far."""

    def __init__(self, on_step: Callable[[StepResult], None]) -> None:
        self.step: str | None = None
        self.made: list[StepResult] = []
        self.done: dict[str, Any] | None = None
        self.failed: tuple[str, str] | None = None
        self._on_step = on_step

    def take(self, line: bytes) -> None:
        said = json.loads(line)
        if "started" in said:
            self.step = said["started"]
        elif "made" in said:
            made = {**said["made"], "columns": [Column(**column) for column in said["made"]["columns"]]}
            self.made.append(StepResult(**made))
            self._on_step(self.made[-1])
        elif "failed" in said:
            self.failed = said["failed"]["kind"], said["failed"]["message"]
        else:
            self.done = said["done"]


def _paths() -> list[str]:
    """Where the process finds our core and DuckDB, which are all that it imports beside the standard library."""
    found = importlib.util.find_spec("duckdb")
    if found is None or found.origin is None:
        raise ValueError("DuckDB is not installed")
    return [str(Path(__file__).parents[2]), str(Path(found.origin).parents[1])]


def _given(inputs: Mapping[str, Input], work: Path) -> dict[str, dict[str, Any]]:
    """The inputs, with links to their files in the run's own folder: the process knows no other."""
    given = {}
    for at, (name, each) in enumerate(inputs.items()):
        files = []
        for number, file in enumerate(each.files):
            link = work / "inputs" / f"{at}-{number:05d}.parquet"
            link.parent.mkdir(exist_ok=True)
            try:
                os.link(file.resolve(), link)
            except OSError:
                shutil.copyfile(file, link)
            link.chmod(stat.S_IRUSR)
            files.append(str(link))
        given[name] = {"files": files, "columns": [asdict(column) for column in each.columns]}
    return given


def _error(answer: _Answer, ended: Ended, bounds: Bounds) -> SandboxError:
    """Why there is no result."""
    kind: type[SandboxError] = EngineStoppedError
    message = "The database broke down over this SQL: write it in another way."
    if answer.failed is not None:
        kind, message = _KINDS[answer.failed[0]], answer.failed[1]
    elif ended.late:
        kind, message = TimeExceededError, f"The SQL took longer than {bounds.seconds:g} s and was stopped."
    elif ended.signal == signal.SIGXCPU:
        kind, message = CpuExceededError, f"The SQL took more than {bounds.cpu_seconds} s of CPU and was stopped."
    elif ended.signal == signal.SIGKILL or any(sign in ended.said for sign in _OUT_OF_MEMORY):
        # Nobody but the system ends it so, and only for its memory.
        kind = MemoryExceededError
        message = "The SQL needs more memory than a run has: filter, group or sort less at once."
    usage = Usage(ended.peak_memory_bytes, ended.cpu_seconds)
    return kind(message, step=answer.step, done=answer.made, usage=usage, detail=ended.said)


def _outcome(answer: _Answer, ended: Ended, written: Path, out: Path | None) -> Outcome:
    """The result, with its parts moved out of the run's folder."""
    done, last = answer.done or {}, answer.made[-1]
    parts = [Part(**part) for part in done["parts"]]
    for part in parts:
        if out is None or not _PART.fullmatch(part.file) or not stat.S_ISREG((written / part.file).lstat().st_mode):
            raise ValueError(f"the process wrote {part.file!r}")
        shutil.move(written / part.file, out / part.file)
    columns = [Column(**column) for column in done.get("columns", ())] or last.columns
    return Outcome(answer.made, columns, last.rows, parts, Usage(ended.peak_memory_bytes, ended.cpu_seconds))
