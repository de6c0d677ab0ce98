"""Polling a change queue: entries are handed out in batches, and are gone once their batch is finished.

    idle --poll--> processing --finish--> clearing --its entries are removed--> idle
                      | ^
                      '-' poll: the same answer again

One batch is out at a time. It names its entries one by one, so that an entry which arrives late, with an event that
sorts among theirs, is neither cut nor lost: it waits for the next batch. Each step is one conditional write of the
batch, so of two pollers at once both get the batch of the one that was first. The answer is made once and kept in the
bucket; so a client that has lost it gets the same one, whatever has become of the records since.

Whoever dies on the way leaves nothing undone for good: an answer that was kept and not begun expires, and what is found
clearing is cleared by the next call. A batch that nobody finishes ends after 90 days, when its entries expire.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fluvial import (
    blobs,
    clock,
    events,
    exact_json,
    record_events,
    record_queries,
    record_schemas,
    record_values,
    record_views,
)
from fluvial.attempts import attempts
from fluvial.caller import Caller
from fluvial.errors import InvalidError, NotFoundError, UnknownModelError
from fluvial.record_classes import CUSTOM_KEY, DATETIME, Field, ModelClass, is_custom
from fluvial.record_events import DELETED
from fluvial.record_schemas import Schema
from fluvial.records import Record
from fluvial.store import change_queues as store
from fluvial.store import events as outbox

if TYPE_CHECKING:
    from fluvial.change_queues import NewUuid, Queue

MAX_LIMIT = 1_000
# A client that asks for 1,000 takes an answer of 1,000 to mean that there is more, and polls on before it finishes: it
# would get the same batch for ever. https://github.com/buzzykiwi/zapier-fluxx-community triggers/new_queue.js
MAX_ENTRIES = MAX_LIMIT - 1
MAX_ANSWER_BYTES = 5_500_000  # as Lambda carries it; it takes 6 MB, headers included
RENDERED_AT_ONCE = 100
KEPT_FINISHED = 20
KEPT_MILLISECONDS = events.KEPT_MILLISECONDS

IDLE = "idle"
PROCESSING = "processing"
CLEARING = "clearing"
NO_JOB = "00000000-0000-0000-0000-000000000000"
"""The job of an answer without entries: finishing it clears nothing."""

TABLE_NAMES = {"grant_request": "requests", "analysis": "analyses"}
DELETED_AT = Field("deleted_at", DATETIME, "When the record was deleted.", writable=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One change that a queue has collected: `created` is the time of its event, in milliseconds."""

    event: str
    record: int
    trigger: str
    created: int

    @property
    def key(self) -> str:
        """What the entry is known by; entries sort as their events."""
        return f"{self.event}#{self.record}"


@dataclass(frozen=True, slots=True)
class Batch:
    """What is out of one queue. `entries` are keys, `location` is where the answer is kept.

    `finished` are the jobs that were finished last, each with the number of its entries.
    """

    state: str = IDLE
    job: str = NO_JOB
    entries: tuple[str, ...] = ()
    location: str = ""
    began: int = 0
    finished: Mapping[str, int] = field(default_factory=dict)
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """A batch that was finished, and how many entries it had."""

    job: str
    count: int


def poll(caller: Caller, queue: Queue, *, limit: int, new_uuid: NewUuid, now: clock.Now = clock.now) -> str:
    """At most `limit` entries as JSON text; the batch that is out, where there is one, whatever its size.

    An answer that would grow too large has fewer entries, and the rest waits. At least once: until it is finished, the
    same answer comes again.
    """
    if not 1 <= limit <= MAX_LIMIT:
        allowed = f"a whole number, 1-{MAX_LIMIT}"
        raise InvalidError("limit_num", f"'limit_num' must be {allowed}.", value=limit, constraint=allowed)
    for _ in attempts(f"queue {queue.id}"):
        batch = _settled(queue, store.batch(queue), now())
        if batch is None:
            continue
        if batch.state == PROCESSING:
            kept = blobs.find(batch.location)
            if kept is not None:
                return kept.decode()
            # It was finished this moment; or the bucket has lost the answer, and its entries wait again.
            store.advance(queue, _next(batch, state=IDLE))
            continue
        entries = store.waiting(queue, limit=min(limit, MAX_ENTRIES))
        if not entries:
            return _answer(queue, NO_JOB, [])
        answer = _begin(caller, queue, batch, entries, new_uuid(), now())
        if answer is not None:
            return answer
    raise AssertionError("attempts end with an error")


def finish(queue: Queue, job: str) -> Finished:
    """Removes the entries of the batch with this job for good. Again, it answers the same and has no effect.

    InvalidError for a job that is not the one that is out, nor one of the last that were finished.
    """
    if job == NO_JOB:
        return Finished(job, 0)
    for _ in attempts(f"queue {queue.id}"):
        batch = store.batch(queue)
        if job in batch.finished:
            return Finished(job, batch.finished[job])
        if batch.state == IDLE or batch.job != job:
            reason = "'job_uuid' names no batch that is being processed: poll the queue for the one that is."
            raise InvalidError("job_uuid", reason, value=job[:100])
        if _cleared(queue, batch) is not None:
            return Finished(job, len(batch.entries))
    raise AssertionError("attempts end with an error")


def forget(batch: Batch) -> None:
    """Removes the answer that a queue which is gone has left behind; one that is forgotten expires."""
    if batch.state != IDLE:
        blobs.delete(batch.location)


def _settled(queue: Queue, batch: Batch, now: int) -> Batch | None:
    """The batch, idle or processing; None where another change of it came first."""
    expired = batch.state == PROCESSING and now - batch.began >= KEPT_MILLISECONDS
    return _cleared(queue, batch) if expired or batch.state == CLEARING else batch


def _cleared(queue: Queue, batch: Batch) -> Batch | None:
    """Ends a batch: first that it is to be cleared is stored, for what was removed in part must not be served again."""
    if batch.state == PROCESSING:
        batch = _next(batch, state=CLEARING)
        if not store.advance(queue, batch):
            return None
    store.remove(queue, batch.entries)
    blobs.delete(batch.location)
    jobs = {**batch.finished, batch.job: len(batch.entries)}
    last = dict(list(jobs.items())[-KEPT_FINISHED:])
    idle = replace(Batch(finished=last), revision=batch.revision + 1)
    return idle if store.advance(queue, idle) else None


def _next(batch: Batch, *, state: str) -> Batch:
    return replace(batch, state=state, revision=batch.revision + 1)


def _begin(caller: Caller, queue: Queue, idle: Batch, entries: Sequence[Entry], job: str, now: int) -> str | None:
    """The answer of a new batch, of as many entries as it has room for; None where another poll came first."""
    shown: list[str] = []
    room = MAX_ANSWER_BYTES
    for text in _rendered(caller, queue, entries):
        # Lambda wraps the text in JSON, which is the size that counts.
        room -= len(json.dumps(text))
        if room < 0 and shown:
            break
        shown.append(text)
    answer = _answer(queue, job, shown)
    location = blobs.change_batch(queue.account, queue.id, job)
    blobs.put(location, answer.encode())
    taken = tuple(entry.key for entry in entries[: len(shown)])
    batch = Batch(PROCESSING, job, taken, location, now, idle.finished, idle.revision + 1)
    outcome = store.begin(queue, batch)
    if outcome == "begun":
        return answer
    blobs.delete(location)
    if outcome == "gone":
        raise NotFoundError("queue", queue.uuid)
    return None


def _answer(queue: Queue, job: str, shown: Sequence[str]) -> str:
    # Older clients take the queue's UUID from the answer, to finish the batch.
    return f'{{"job_uuid":"{job}","data":[{",".join(shown)}],"api_queue":"{queue.uuid}"}}'


def table_name(model: str) -> str:
    """What the answers call a class: the plural of its name, but `requests` of grant requests."""
    if is_custom(model):
        return f"{CUSTOM_KEY}s"
    if model in TABLE_NAMES:
        return TABLE_NAMES[model]
    return f"{model[:-1]}ies" if model.endswith("y") else f"{model}s"


def _rendered(caller: Caller, queue: Queue, entries: Sequence[Entry]) -> Iterator[str]:
    """Each entry as JSON text, read in parts: what does not fit is not read."""
    schema, table = record_schemas.of(caller.account), table_name(queue.model)
    try:
        model = schema.model(queue.model)
    except UnknownModelError:
        model = None
    # Each part of a class that the platform keeps elsewhere costs a look at all of its records.
    at_once = len(entries) if model and model.platform else RENDERED_AT_ONCE
    for start in range(0, len(entries), at_once):
        part = entries[start : start + at_once]
        shown = {} if model is None else _records(caller, schema, model, queue, part)
        for entry in part:
            seconds = entry.created // clock.SECOND
            key = {"timestamp": seconds, "table": table, "idColumns": ["id"], "id": [entry.record]}
            record = shown.get(entry.key, {"id": entry.record})
            if entry.trigger == DELETED:
                record[DELETED_AT.name] = record_values.to_json(DELETED_AT, entry.created)
            yield exact_json.dumps({"timestamp": seconds, "identity": entry.record, "recordData": record, "key": key})


def _records(
    caller: Caller, schema: Schema, model: ModelClass, queue: Queue, entries: Sequence[Entry]
) -> dict[str, record_views.Shown]:
    """The record of each entry, by the entry's key: as it is now, or, once it is gone, as the event tells it.

    Those of which nobody can tell any more are left out.
    """
    there = record_queries.some(caller, schema, model, sorted({entry.record for entry in entries}))
    told = _told(caller.account, model, [entry for entry in entries if entry.record not in there])
    found = {entry.key: there.get(entry.record) or told.get(entry.key) for entry in entries}
    known = {key: record for key, record in found.items() if record is not None}
    view = record_views.view(model, queue.columns, {})
    return dict(zip(known, record_views.show(caller, schema, model, list(known.values()), view), strict=True))


def _told(account_id: int, model: ModelClass, entries: Sequence[Entry]) -> dict[str, Record]:
    """The records of entries as their events tell them, by the entry's key."""
    found = outbox.some(account_id, sorted({entry.event for entry in entries}))
    told = {}
    for entry in entries:
        event = found.get(entry.event)
        record = None if event is None else record_events.last(event, model, entry.record)
        if record is not None:
            told[entry.key] = record
    return told
