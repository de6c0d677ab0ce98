"""The shapes of the jobs group."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from fluvial import clock, ids, jobs
from fluvial.errors import MAX_SHOWN, InvalidError
from fluvial.http import Id
from fluvial.http.wire import WRITTEN_WHOLE, Documented, Shape
from fluvial.paging import Scanned
from reference.errors import PREFIXES
from reference.wire.common import DEFAULT_PER_PAGE, MAX_PER_PAGE

JOB = Id("job", PREFIXES["job"])
# Eleven characters hold 55 bits, and an id has 53.
AFTER = f"^{JOB.prefix}_[0-7][{ids.ALPHABET}]{{{ids.SPELLING_LENGTH - 1}}}$"

# What this API calls otherwise than by the name of the thing and `_id`.
CALLED = {"dataset": "data_id", "number": "version"}


class JobsQuery(Shape):
    """Where in the list of jobs, and which of them. A list grows at its beginning, so it has no pages by number."""

    state: Literal[jobs.STATES] | None = None  # type: ignore[valid-type]
    after: Annotated[str, Documented(pattern=AFTER)] | None = None
    per_page: Annotated[int, Field(ge=1, le=MAX_PER_PAGE), WRITTEN_WHOLE] = DEFAULT_PER_PAGE

    def position(self) -> int | None:
        if self.after is None:
            return None
        number = ids.parse(JOB.prefix, self.after)
        if number is None:
            shown = self.after[:MAX_SHOWN]
            raise InvalidError("after", f"'{shown}' is no id of a job.", value=shown, constraint="a job's id")
        return number


class Job(Shape):
    id: str
    kind: str
    state: str
    created_at: str
    started_at: str | None
    ended_at: str | None
    attempt: int
    reason: str | None
    inputs: dict[str, Any]
    outputs: dict[str, Any]

    @classmethod
    def from_core(cls, job: jobs.Job) -> Job:
        return cls(
            id=JOB.spell(job.id),
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


class JobList(Shape):
    """Jobs, newest first; `next` is the `after` of those that follow, null at the end."""

    data: list[Job]
    next: str | None

    @classmethod
    def from_core(cls, found: Scanned[jobs.Job]) -> JobList:
        following = None if found.next is None else JOB.spell(found.next)
        return cls(data=[Job.from_core(job) for job in found.items], next=following)


def _spelled(values: dict[str, Any]) -> dict[str, Any]:
    spelled = {}
    for name, value in values.items():
        prefix = jobs.NAMED[name]
        called = CALLED.get(name, name if prefix is None else f"{name}_id")
        spelled[called] = value if prefix is None or value is None else ids.spell(prefix, value)
    return spelled
