"""A few classes of records, writes that go past their rules, and processes that each have replicas of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

from fluvial import clock, ids, record_replicas
from fluvial.caller import Caller
from fluvial.errors import UnknownModelError
from fluvial.record_classes import Field, ModelClass, common_fields
from fluvial.records import Record
from fluvial.store import records as store

NAME = Field("name", "string", "", groupable=True)
COUNTRY = Field("country", "string", "", groupable=True)
PROGRAM = ModelClass("program", "Programs.", (*common_fields(), NAME, COUNTRY), label=("name",))
TITLE = Field("title", "string", "", groupable=True)
SUMMARY = Field("summary", "text", "")
AMOUNT = Field("amount", "decimal", "")
MONTHS = Field("months", "integer", "", groupable=True)
GRANTED = Field("granted", "boolean", "", groupable=True)
DUE = Field("due", "date", "")
PLACES = Field("places", "multi", "")
PROGRAM_ID = Field("program_id", "relation", "", related="program", groupable=True)
REPORTS = Field("reports", "many", "", related="report", by="grant_id", writable=False)
NOTES = Field("notes", "many", "", related="note", by="notable_id", writable=False)
GRANT = ModelClass(
    "grant",
    "Grants.",
    (
        *common_fields(states=("draft", "pending")),
        *(TITLE, SUMMARY, AMOUNT, MONTHS, GRANTED, DUE, PLACES, PROGRAM_ID, REPORTS, NOTES),
    ),
    states=("draft", "pending"),
)
REPORT = ModelClass(
    "report", "Reports.", (*common_fields(), NAME, Field("grant_id", "relation", "", related="grant", groupable=True))
)
NOTE = ModelClass(
    "note",
    "Notes.",
    (
        *common_fields(),
        Field("note", "text", ""),
        Field("notable_id", "relation", "", type_field="notable_type"),
        Field("notable_type", "string", ""),
    ),
)
PROJECT = ModelClass("project", "Projects.", (*common_fields(), NAME), platform=True)


class Classes:
    """A schema of these classes."""

    def __init__(self, *models: ModelClass) -> None:
        self._models = models or (PROGRAM, GRANT, REPORT, NOTE, PROJECT)

    def model(self, name: str) -> ModelClass:
        for each in self._models:
            if name in (each.name, each.camel):
                return each
        raise UnknownModelError(name)


SCHEMA: Any = Classes()


def made(caller: Caller, model: ModelClass = GRANT, **values: Any) -> Record:
    """A new record, stored."""
    moment = clock.now()
    record = Record(ids.new_id(), caller.account, model.name, moment, moment, caller.user, caller.user, values)
    assert store.create(model, record, None)
    return record


def changed(record: Record, model: ModelClass = GRANT, *, new_id: ids.NewId = ids.new_id, **values: Any) -> Record:
    """The record with these values besides its own, stored."""
    after = replace(record, values={**record.values, **values}, revision=record.revision + 1)
    assert store.update(model, after, None, new_id=new_id)
    return after


def deleted(record: Record, model: ModelClass = GRANT) -> Record:
    """The record, softly deleted."""
    after = replace(record, deleted=clock.now(), revision=record.revision + 1)
    assert store.update(model, after, None)
    return after


def money(text: str) -> Decimal:
    return Decimal(text)


class Process:
    """A process of its own, as far as replicas go."""

    def __init__(self) -> None:
        self._replicas: dict[Any, Any] = {}

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Lets what is done in it be done by this process."""
        others, record_replicas._replicas = record_replicas._replicas, self._replicas
        try:
            yield
        finally:
            record_replicas._replicas = others

    def end(self) -> None:
        with self.at_work():
            record_replicas.forget_all()
