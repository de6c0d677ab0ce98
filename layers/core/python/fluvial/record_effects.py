"""What a write does besides: definitions change the classes of the account, and choices follow their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluvial import record_choices, record_defining, record_schemas
from fluvial.caller import Caller
from fluvial.record_catalogue.definitions import CHOICE
from fluvial.record_classes import ModelClass
from fluvial.record_values import Value
from fluvial.store.table import Action

if TYPE_CHECKING:
    from fluvial.record_schemas import Schema
    from fluvial.records import Record


def complete(schema: Schema, model: ModelClass, values: dict[str, Value]) -> None:
    """Adds what follows from the given values and the account's classes, before they are checked."""
    if model.name == CHOICE:
        record_choices.complete(schema, values)
    else:
        record_defining.complete(schema, model.name, values)


def actions(caller: Caller, schema: Schema, model: ModelClass, before: Record | None, after: Record) -> list[Action]:
    """What has to happen in the transaction that makes of `before` (None: nothing) `after`, which may be deleted.

    Conditions fail where something changed since: all is to be read anew then, and this asked again. ForbiddenError,
    InvalidError and ConflictError for a write that must not be.
    """
    if model.name == CHOICE:
        return record_choices.follow_choice(caller, record_schemas.of(caller.account), before, after)
    if model.name in record_defining.DEFINING:
        return record_defining.change(caller, model.name, before, after)
    return record_choices.follow_record(caller, schema, model, before, after)
