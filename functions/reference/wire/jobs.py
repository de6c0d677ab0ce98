"""The shapes of the jobs group."""

from __future__ import annotations

from fluvial import clock, ids, jobs
from fluvial.http.wire import Shape

# What a job names in its inputs and outputs, as this API calls and spells it; a number has no prefix.
NAMED: dict[str, tuple[str, str | None]] = {
    "analysis": ("analysis_id", ids.ANALYSIS),
    "comparison": ("comparison_id", ids.COMPARISON),
    "dataset": ("data_id", ids.DATASET),
    "export": ("export_id", ids.EXPORT),
    "number": ("version", None),
    "project": ("project_id", ids.PROJECT),
    "version": ("version", None),
}


class Job(Shape):
    id: str
    kind: str
    state: str
    created_at: str
    started_at: str | None
    ended_at: str | None
    attempt: int
    reason: str | None
    inputs: dict[str, str | int]
    outputs: dict[str, str | int]

    @classmethod
    def from_core(cls, job: jobs.Job) -> Job:
        return cls(
            id=ids.spell(ids.JOB, job.id),
            kind=job.kind,
            state=job.state,
            created_at=clock.iso(job.created),
            started_at=None if job.started is None else clock.iso(job.started),
            ended_at=None if job.ended is None else clock.iso(job.ended),
            attempt=job.attempt,
            reason=job.reason,
            inputs=_spelled(job.inputs),
            outputs=_spelled(job.outputs),
        )


def _spelled(values: dict[str, int]) -> dict[str, str | int]:
    spelled: dict[str, str | int] = {}
    for name, value in values.items():
        called, prefix = NAMED[name]
        spelled[called] = value if prefix is None else ids.spell(prefix, value)
    return spelled
