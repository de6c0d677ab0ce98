"""The shapes of the change queues group."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from fluvial import change_batches, change_queues, clock, exact_json
from fluvial.http import params
from fluvial.http.wire import A_CHANGE, NOT_NULL, WRITTEN_WHOLE, Documented, Request, Shape, line, one_of
from fluxx.wire.applications import BareId

QueueId = Annotated[int, BareId("queue")]
Name = Annotated[str, line(change_queues.MAX_NAME_LENGTH)]
Triggers = Annotated[list[Annotated[str, one_of(change_queues.TRIGGERS)]], Documented(minItems=1)]
Columns = Annotated[list[str], Documented(maxItems=change_queues.MAX_COLUMNS)]
Filter = Annotated[
    Any, WithJsonSchema({"description": "As in lists: a condition, or a group of conditions; as JSON, or as JSON text"})
]


class QueueCreate(Request):
    name: Name
    model_type: str
    filter: Filter = None
    triggers: Triggers | None = None
    cols: Columns | None = None

    @property
    def condition(self) -> Any:
        return _condition(self.filter)


class QueueUpdate(Request):
    model_config = A_CHANGE

    name: Annotated[Name | None, NOT_NULL] = None
    filter: Filter = None
    triggers: Triggers | None = None
    cols: Columns | None = None

    def to_core(self) -> change_queues.Change:
        given = frozenset(self.model_fields_set)
        return change_queues.Change(given, self.name, _condition(self.filter), self.triggers, self.cols)


class PollQuery(Shape):
    limit_num: Annotated[int, Field(ge=1, le=change_batches.MAX_LIMIT), WRITTEN_WHOLE] = change_batches.MAX_LIMIT


class Queue(Shape):
    """A queue. `problem` says why its filter cannot be judged any more; meanwhile every change is collected."""

    id: int
    uuid: str
    name: str
    model_type: str
    filter: Filter
    triggers: list[str]
    cols: list[str] | None
    problem: str | None
    created_at: str
    updated_at: str


class QueueAnswer(Shape):
    queue: Queue


class Queues(Shape):
    queue: list[Queue]


class QueuesPage(Shape):
    """All queues of the account, oldest first, in the form of this API's lists."""

    records: Queues
    total_pages: int
    total_entries: int
    current_page: int
    per_page: int


class Key(Shape):
    timestamp: int
    table: str
    idColumns: list[str]
    id: list[int]


class Entry(Shape):
    """A change: its time in epoch seconds, and the record with the queue's columns."""

    timestamp: int
    identity: int
    recordData: dict[str, Any]
    key: Key


class BatchAnswer(Shape):
    """A batch. `job_uuid` finishes it; without entries it has nothing to finish, and that is no error."""

    job_uuid: str
    data: list[Entry]
    api_queue: str


class FinishedAnswer(Shape):
    job_uuid: str
    clear_count: int


def one(queue: change_queues.Queue, problem: str | None) -> str:
    """The answer with one queue."""
    return exact_json.dumps({"queue": _shown(queue, problem)})


def listed(queues: list[tuple[change_queues.Queue, str | None]]) -> str:
    """The answer with all queues."""
    return exact_json.dumps(
        {
            "records": {"queue": [_shown(*each) for each in queues]},
            "total_pages": 1,
            "total_entries": len(queues),
            "current_page": 1,
            "per_page": change_queues.MAX_QUEUES,
        }
    )


def _shown(queue: change_queues.Queue, problem: str | None) -> dict[str, Any]:
    return {
        "id": queue.id,
        "uuid": queue.uuid,
        "name": queue.name,
        "model_type": queue.model,
        "filter": queue.filter_value,
        "triggers": queue.triggers,
        "cols": queue.columns,
        "problem": problem,
        "created_at": clock.iso(queue.created),
        "updated_at": clock.iso(queue.updated),
    }


def _condition(given: Any) -> Any:
    return _exact(params.json_value("filter", given))


def _exact(value: Any) -> Any:
    """JSON values without floats, whose shortest spellings are what was sent: the app refuses more digits."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, list):
        return [_exact(each) for each in value]
    if isinstance(value, dict):
        return {name: _exact(each) for name, each in value.items()}
    return value
