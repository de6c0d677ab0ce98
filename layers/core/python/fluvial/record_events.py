"""What an event says of records: which ones, of which class, what happened to them, and how they were then.

Records tell it themselves (`record.created`). Projects, data, analyses and pages have events of their own; what happens
to them on the way, such as that data was processed, is a change of them, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fluvial import ids, record_values, records, roles
from fluvial.caller import Caller
from fluvial.errors import InvalidError
from fluvial.events import Event
from fluvial.record_classes import RELATION, Field, ModelClass
from fluvial.record_schemas import Schema
from fluvial.record_values import Value
from fluvial.records import Record
from fluvial.store import records as store

CREATED = "created"
UPDATED = "updated"
DELETED = "deleted"

OF_RECORDS = {"record.created": CREATED, "record.updated": UPDATED, "record.deleted": DELETED}
OF_PLATFORM = {
    "project.created": ("project", CREATED),
    "project.updated": ("project", UPDATED),
    "project.deleted": ("project", DELETED),
    "data.uploaded": ("data_source", CREATED),
    "data.processed": ("data_source", UPDATED),
    "data.failed": ("data_source", UPDATED),
    "data.updated": ("data_source", UPDATED),
    "data.version_changed": ("data_source", UPDATED),
    "data.deleted": ("data_source", DELETED),
    "analysis.created": ("analysis", CREATED),
    "analysis.updated": ("analysis", UPDATED),
    "analysis.completed": ("analysis", UPDATED),
    "analysis.failed": ("analysis", UPDATED),
    "analysis.deleted": ("analysis", DELETED),
    "page.created": ("page", CREATED),
    "page.updated": ("page", UPDATED),
    "page.deleted": ("page", DELETED),
}
TYPES = (*OF_RECORDS, *OF_PLATFORM)
# What events of things that are no records call a field otherwise.
TOLD_AS = {
    "data_source": {
        "file_name": "filename",
        "file_size": "size",
        "row_count": "rows",
        "rejected_row_count": "rejected_rows",
    },
    "analysis": {"data_source_id": "data_id", "row_count": "rows"},
    "page": {"position": "order"},
}


@dataclass(frozen=True, slots=True)
class Changed:
    """One record of the class `model`, and what happened to it."""

    model: str
    record: int
    trigger: str


def of(event: Event) -> list[Changed]:
    """The records that the event is about; none for an event about anything else."""
    data = event.data
    if event.type in OF_RECORDS:
        return [Changed(data["model"], data["id"], OF_RECORDS[event.type])]
    if event.type not in OF_PLATFORM:
        return []
    model, trigger = OF_PLATFORM[event.type]
    # A page goes with all that are below it.
    spelled = data.get("deleted_ids") or [data["id"]]
    return [Changed(model, number, trigger) for each in spelled if (number := _number(each)) is not None]


def as_told(caller: Caller, schema: Schema, event: Event, change: Changed) -> Record | None:
    """The record as the event tells it; where it tells only a part, as it is stored now. None where nobody can tell.

    Of projects, data, analyses and pages events tell a part; it is all that is left of deleted ones.
    """
    model = schema.model(change.model)
    if model.platform and change.trigger != DELETED:
        return records.get(caller, schema, model, change.record)
    found = last(event, model, change.record)
    if found is None and not model.platform:
        # A softly deleted one, too.
        found = store.get(model, caller.account, change.record)
    return found


def last(event: Event, model: ModelClass, record_id: int) -> Record | None:
    """The record as the event tells it; None where the event leaves it out."""
    told = event.data.get("record") if event.type in OF_RECORDS else event.data
    if not isinstance(told, Mapping) or _number(told["id"]) != record_id:
        return None
    names = TOLD_AS.get(model.name, {})
    values: dict[str, Value] = {}
    for field in model.fields:
        value = _value(field, told.get(names.get(field.name, field.name)))
        if value is not None:
            values[field.name] = value
    values.pop("id", None)
    return Record(
        id=record_id,
        account=event.account,
        model=model.name,
        created=_taken(values, "created_at", event.created),
        updated=_taken(values, "updated_at", event.created),
        by=_taken(values, "created_by_id", None),
        updated_by=_taken(values, "updated_by_id", None),
        values=values,
    )


def reader(account_id: int) -> Caller:
    """Who looks at records on behalf of the account itself."""
    return Caller(account=account_id, user=0, key=0, plan="", scopes=frozenset({roles.EVERYTHING}), role=roles.SYSTEM)


def _taken(values: dict[str, Value], name: str, otherwise: Any) -> Any:
    """A common field of records, which is kept beside the values."""
    return values.pop(name, otherwise)


def _value(field: Field, told: Any) -> Value | None:
    """The value that an event tells of a field; None where the field cannot have it any more."""
    if not field.kept:
        return None
    if field.type == RELATION and isinstance(told, str):
        return _number(told)
    if isinstance(told, Mapping):
        told = told.get("reason")  # of a failure
    try:
        # What could be chosen then need not be an option any more.
        return record_values.read(replace(field, options=()), told)
    except InvalidError:
        return None


def _number(spelled: Any) -> int | None:
    """An id as events spell it: a number of records, of all else a text with a prefix."""
    if isinstance(spelled, int):
        return spelled
    return ids.parse(str(spelled).rpartition("_")[0], str(spelled))
