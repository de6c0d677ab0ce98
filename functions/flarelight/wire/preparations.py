"""The shapes of preparations and their executions. The members of recipes are in camel case here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from flarelight.errors import STEP_MEMBERS
from flarelight.wire.common import IMPORT, JOB, PREPARATION, PROJECT, Answer, IdText, Message, Shape, Started
from flarelight.wire.jobs import Job
from fluvial import clock, executions, ids, jobs, steps
from fluvial.http.wire import WRITTEN_WHOLE
from fluvial.http.wire import Shape as AnyShape
from fluvial.preparations import Preparation as Core

Count = Annotated[int, Field(ge=1, le=steps.MAX_STEPS), WRITTEN_WHOLE]
Start = Annotated[int, Field(ge=0, le=steps.MAX_STEPS), WRITTEN_WHOLE]


class ReportQuery(AnyShape):
    """Of which execution (without: of the last one), and which of its steps."""

    jobId: IdText | None = None
    start: Start = 0
    count: Count = steps.MAX_STEPS

    def job(self) -> int | None:
        return None if self.jobId is None else JOB.parse(self.jobId, field="jobId")


class PreparationInput(Shape):
    """What the recipe calls by a name: an import, at its current version where that is null."""

    import_id: str
    version: int | None


class PreparationOutput(Shape):
    """The import that executions make versions of; its id is null until the first one."""

    name: str
    project_id: str | None
    import_id: str | None


class LastExecution(Shape):
    """How the last execution ended. `same`: it was recognised, and the version was there already."""

    job_id: str
    ended_at: str | None
    version: int | None
    rows: int | None
    same: bool | None
    error: str | None


class PreparationListed(Shape):
    """A preparation. `status` is created, executing, completed, failed or cancelled."""

    id: str
    name: str
    description: str | None
    status: str
    inputs: dict[str, PreparationInput]
    output: PreparationOutput
    last_execution: LastExecution | None
    created_at: str
    updated_at: str

    @classmethod
    def from_core(cls, preparation: Core) -> PreparationListed:
        return cls(**_listed(preparation))


class Preparation(PreparationListed):
    recipe: dict[str, Any]

    @classmethod
    def from_core(cls, preparation: Core) -> Preparation:
        return cls(**_listed(preparation), recipe=renamed(preparation.recipe, STEP_MEMBERS))


class PreparationAnswer(Answer):
    data: Preparation

    @classmethod
    def of_core(cls, preparation: Core) -> PreparationAnswer:
        return cls.of(Preparation.from_core(preparation))


class PreparationList(Answer):
    data: list[PreparationListed]


class ExecutionStarted(Started):
    """The version of the output that is going to be made; where it was made already, the job's outputs say which."""

    import_id: str
    version: int


class ExecutionAnswer(Answer):
    data: ExecutionStarted

    @classmethod
    def of_core(cls, job: jobs.Job) -> ExecutionAnswer:
        return cls.of(
            ExecutionStarted(
                job_id=JOB.spell(job.id),
                status=job.state,
                import_id=IMPORT.spell(job.inputs["dataset"]),
                version=job.inputs["version"],
            )
        )


class StepColumn(Shape):
    name: str
    type: str
    format: str | None


class StepReport(Shape):
    """A step: rows of each thing that it read, rows that it made, and its first ones.

    `failed` counts cells that a cast could not take, and that became null or took their rows along.
    """

    at: int
    step: str
    name: str
    rows_in: dict[str, int]
    rows_out: int
    columns: list[StepColumn]
    sample: list[dict[str, Any]]
    failed: int
    failed_sample: list[dict[str, Any]]
    milliseconds: int


class PinnedInput(Shape):
    name: str
    import_id: str
    version: int


class Lineage(Shape):
    """What was executed. `sha256` is equal where recipe and inputs are, `recipeSha256` where the recipe is."""

    sha256: str
    recipe_sha256: str
    recipe: dict[str, Any]
    inputs: list[PinnedInput]

    @classmethod
    def of_told(cls, told: Mapping[str, Any]) -> Lineage:
        return cls(
            sha256=told["sha256"],
            recipe_sha256=told["recipe_sha256"],
            recipe=renamed(told["recipe"], STEP_MEMBERS),
            inputs=[
                PinnedInput(
                    name=each["name"],
                    import_id=IMPORT.spell(ids.parse(ids.DATASET, each["dataset"]) or 0),
                    version=each["version"],
                )
                for each in told["inputs"]
            ],
        )


class ExecutionReport(Shape):
    """What an execution did. There are no steps where none was done: it was recognised, or failed before the first."""

    job: Job
    lineage: Lineage | None
    start: int
    total: int
    steps: list[StepReport]
    peak_memory_bytes: int | None
    cpu_seconds: float | None


class ExecutionReportAnswer(Answer):
    data: ExecutionReport

    @classmethod
    def of_core(cls, report: executions.Report, query: ReportQuery) -> ExecutionReportAnswer:
        shown = report.steps[query.start : query.start + query.count]
        messages = []
        if query.start + len(shown) < len(report.steps):
            text = f"These are {len(shown)} of {len(report.steps)} steps: ask for more with 'start' and 'count'."
            messages = [Message(code="MORE_ITEMS", message=text, field="start")]
        return cls.of(
            ExecutionReport(
                job=Job.from_core(report.job),
                lineage=None if report.lineage is None else Lineage.of_told(report.lineage),
                start=query.start,
                total=len(report.steps),
                steps=[StepReport(**each) for each in shown],
                peak_memory_bytes=report.peak_memory_bytes,
                cpu_seconds=report.cpu_seconds,
            ),
            *messages,
        )


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """A recipe, or a part of one, with its members under other names. No name that somebody chose is a member."""
    if isinstance(value, list):
        return [renamed(each, names) for each in value]
    if isinstance(value, dict):
        return {names.get(name, name): renamed(each, names) for name, each in value.items()}
    return value


def _listed(preparation: Core) -> dict[str, Any]:
    last = None
    if preparation.job is not None:
        last = LastExecution(
            job_id=JOB.spell(preparation.job),
            ended_at=None if preparation.ended is None else clock.iso(preparation.ended),
            version=preparation.version,
            rows=preparation.rows,
            same=preparation.same,
            error=preparation.failure,
        )
    project = preparation.output_project
    return {
        "id": PREPARATION.spell(preparation.id),
        "name": preparation.name,
        "description": preparation.description,
        "status": preparation.status,
        "inputs": {
            name: PreparationInput(import_id=IMPORT.spell(each.dataset), version=each.version)
            for name, each in preparation.inputs.items()
        },
        "output": PreparationOutput(
            name=preparation.title,
            project_id=None if project is None else PROJECT.spell(project),
            import_id=None if preparation.output is None else IMPORT.spell(preparation.output),
        ),
        "last_execution": last,
        "created_at": clock.iso(preparation.created),
        "updated_at": clock.iso(preparation.updated),
    }
