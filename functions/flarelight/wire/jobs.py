"""The shapes of the jobs group."""

from __future__ import annotations

from typing import Any, Literal

from pydantic.alias_generators import to_camel

from flarelight.wire.common import JOB, Answer, ListQuery, Message, Shape
from fluvial import clock, ids, jobs
from fluvial.paging import Scanned

# What this API calls otherwise than by the name of the thing and `Id`.
CALLED = {"dataset": "importId", "number": "version"}
# What a job is about: the first of these that its inputs name.
SOURCES = ("automation", "preparation", "report", "analysis", "dataset", "project")
TYPES = {"dataset": "import"}


class JobsQuery(ListQuery):
    """Jobs of the last 90 days, newest first; with `status` only those, looked for among 1,000 at a time."""

    status: Literal[jobs.STATES] | None = None  # type: ignore[valid-type]


class Source(Shape):
    """What a job is about."""

    type: str
    id: str


class Job(Shape):
    """A job. `status` is queued, running, succeeded, failed or cancelled; `durationMs` is of one that has ended."""

    id: str
    kind: str
    status: str
    source: Source | None
    created_at: str
    started_at: str | None
    ended_at: str | None
    duration_ms: int | None
    error: str | None
    outputs: dict[str, Any]

    @classmethod
    def from_core(cls, job: jobs.Job) -> Job:
        took = None if job.started is None or job.ended is None else job.ended - job.started
        return cls(
            id=JOB.spell(job.id),
            kind=job.kind,
            status=job.state,
            source=_source(job),
            created_at=clock.iso(job.created),
            started_at=None if job.started is None else clock.iso(job.started),
            ended_at=None if job.ended is None else clock.iso(job.ended),
            duration_ms=took,
            error=job.reason,
            outputs=_spelled(job.outputs),
        )


class JobAnswer(Answer):
    data: Job

    @classmethod
    def of_job(cls, job: jobs.Job) -> JobAnswer:
        return cls.of(Job.from_core(job))


class JobList(Answer):
    data: list[Job]

    @classmethod
    def of_found(cls, found: Scanned[jobs.Job]) -> JobList:
        messages = []
        if found.next is not None:
            text = f"There are older jobs: ask for those that follow with 'after={JOB.spell(found.next)}'."
            messages = [Message(code="MORE_ITEMS", message=text, field="after")]
        return cls.of([Job.from_core(job) for job in found.items], *messages)


def _source(job: jobs.Job) -> Source | None:
    for name in SOURCES:
        prefix = jobs.NAMED[name]
        if name in job.inputs and prefix is not None:
            return Source(type=TYPES.get(name, name), id=ids.uuid(prefix, job.inputs[name]))
    return None


def _spelled(values: dict[str, Any]) -> dict[str, Any]:
    spelled = {}
    for name, value in values.items():
        prefix = jobs.NAMED[name]
        called = CALLED.get(name, to_camel(name if prefix is None else f"{name}_id"))
        spelled[called] = value if prefix is None or value is None else ids.uuid(prefix, value)
    return spelled
