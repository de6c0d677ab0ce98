"""That what a record points at is there, when it begins to point there: of the same account, and not deleted.

The checks are a part of the write's transaction, so that no record comes to point at one that is deleted in the same
moment. They cost no read. Only where one fails, or the write is refused anyway, are the records looked up, to tell all
that is wrong. Projects, data sources, analyses and pages are looked up first, through their own rules; so are records
beyond MAX_CHECKS.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fluvial import record_changes, record_platform, record_queries
from fluvial.caller import Caller
from fluvial.errors import MAX_SHOWN, UnknownModelError
from fluvial.record_changes import Change
from fluvial.record_classes import RELATION, Field, ModelClass
from fluvial.store import records as store
from fluvial.store import table

if TYPE_CHECKING:
    from fluvial.record_schemas import Schema
    from fluvial.records import Record

# Of the hundred actions of a transaction: the write itself has four, and options that are chosen up to seventy.
MAX_CHECKS = 25

Target = tuple[Field, ModelClass, int]


def checks(
    caller: Caller,
    schema: Schema,
    model: ModelClass,
    change: Change,
    before: Record | None,
    *,
    look: bool,
) -> list[table.Action]:
    """Checks of all records that the record would newly point at, for its transaction; it itself needs none.

    Complains in the change of classes that there are not, and of platform classes' things that are not there: of all
    records that are not there if there are other problems, or if told to `look`.
    """
    # All of them first: that a class is not there is a problem, too.
    targets = list(_targets(schema, model, change, before))
    look = look or bool(change.problems)
    found: dict[table.Key, table.Action] = {}
    for known, related, target in targets:
        checked = not related.platform and len(found) < MAX_CHECKS
        if checked:
            key = store.key(caller.account, related.name, target)
            found[key] = table.check(key, "attribute_exists(pk) AND attribute_not_exists(deleted)")
        if (look or not checked) and not _is_there(caller, related, target):
            change.complain(known.name, _not_there(related, target))
    return list(found.values())


def check_many(caller: Caller, schema: Schema, model: ModelClass, change: Change, record_id: int | None) -> None:
    """Complains of ids that were given for a field which shows who points here, where they are not the current ones."""
    for name, given in change.many.items():
        known = model.field(name)
        if known is None:
            continue
        current: Iterable[int] = ()
        if record_id is not None:
            current = record_queries.pointing(caller, schema, known, [record_id], owner=model).get(record_id, ())
        if set(given) != set(current):
            change.complain(name, record_changes.many_reason(known))


def _targets(schema: Schema, model: ModelClass, change: Change, before: Record | None) -> Iterable[Target]:
    """The relations that change, with class and id of what they would point at."""
    old = {} if before is None else before.values
    for known in model.fields:
        target = change.values.get(known.name)
        # What the platform sets itself is its own business.
        if known.type != RELATION or not isinstance(target, int) or not known.writable:
            continue
        type_field = known.type_field
        named = change.values.get(type_field) if type_field else known.related
        same_type = type_field is None or old.get(type_field) == named
        if not isinstance(named, str) or (old.get(known.name) == target and same_type):
            continue
        try:
            related = schema.model(named)
        except UnknownModelError:
            change.complain(type_field or known.name, f"names no class: '{named[:MAX_SHOWN]}'")
            continue
        if type_field is not None:
            change.values[type_field] = related.camel
        if before is None or (related.name, target) != (model.name, before.id):
            yield known, related, target


def _is_there(caller: Caller, related: ModelClass, target: int) -> bool:
    if related.platform:
        return record_platform.get(caller, related, target) is not None
    record = store.get(related, caller.account, target)
    return record is not None and record.deleted is None


def _not_there(related: ModelClass, target: int) -> str:
    return f"names {related.name} {target}, and there is no such record"
