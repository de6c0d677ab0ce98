"""How the catalogue writes a class down: one line for each field."""

from __future__ import annotations

from fluvial import record_classes as types
from fluvial.record_classes import FLAG, Field, ModelClass, common_fields

Options = tuple[str, ...]


def string(
    name: str, description: str, *, required: bool = False, options: Options = (), writable: bool = True
) -> Field:
    return Field(name, types.STRING, description, required=required, options=options, writable=writable, groupable=True)


def text(name: str, description: str, *, writable: bool = True) -> Field:
    return Field(name, types.TEXT, description, writable=writable)


def integer(name: str, description: str, *, writable: bool = True) -> Field:
    return Field(name, types.INTEGER, description, writable=writable, groupable=True)


def decimal(name: str, description: str, *, writable: bool = True) -> Field:
    return Field(name, types.DECIMAL, description, writable=writable, groupable=True)


def boolean(name: str, description: str, *, writable: bool = True, default: bool = False) -> Field:
    """Yes or no. It has a default, for clients look for what is not so by `eq false`."""
    return Field(name, types.BOOLEAN, description, writable=writable, groupable=True, default=default)


def flag(name: str, description: str) -> Field:
    """Yes or no as 1 or 0."""
    return Field(name, types.INTEGER, description, options=FLAG, groupable=True, default=0)


def date(name: str, description: str, *, writable: bool = True) -> Field:
    return Field(name, types.DATE, description, writable=writable, groupable=True)


def moment(name: str, description: str, *, writable: bool = True) -> Field:
    return Field(name, types.DATETIME, description, writable=writable, groupable=True)


def one(
    name: str,
    related: str,
    description: str,
    *,
    required: bool = False,
    writable: bool = True,
    aliases: tuple[str, ...] = (),
) -> Field:
    """A relation to one record of a class."""
    return Field(
        name,
        types.RELATION,
        description,
        related=related,
        required=required,
        writable=writable,
        groupable=True,
        aliases=aliases,
    )


def one_of_any(name: str, type_field: str, description: str, *, aliases: tuple[str, ...] = ()) -> Field:
    """A relation to one record of the class whose CamelCase name is in another field."""
    return Field(name, types.RELATION, description, type_field=type_field, aliases=aliases)


def many(name: str, related: str, by: str, description: str, *, aliases: tuple[str, ...] = ()) -> Field:
    """The records of a class that point here by one of their relations."""
    return Field(name, types.MANY, description, writable=False, related=related, by=by, aliases=aliases)


DOCUMENTS = many("model_documents", "model_document", "documentable_id", "Files that belong to the record.")
NOTES = many("notes", "note", "notable_id", "Notes on the record.")
WORK_TASKS = many("work_tasks", "work_task", "taskable_id", "Tasks to be done about the record.")

ATTACHED = (DOCUMENTS, NOTES, WORK_TASKS)
"""What any record can have."""


def model(
    name: str,
    description: str,
    *fields: Field,
    label: tuple[str, ...] = ("name",),
    states: tuple[str, ...] = (),
    platform: bool = False,
) -> ModelClass:
    """A class with the common fields before its own; all but the platform's can have documents, notes and tasks."""
    attached = () if platform else tuple(each for each in ATTACHED if each.related != name)
    return ModelClass(
        name,
        description,
        (*common_fields(states=states), *fields, *attached),
        states=states,
        platform=platform,
        label=label,
    )
