"""Projects, data sources, analyses and pages as records: the same things as in every other API, by the same rules.

Nothing is decided here but names: the fields of a class are spelled as the core's, and the core's refusals name the
class's fields. A caller needs the scopes that the things need elsewhere (`projects:read`, `data:write` and so on). The
core knows no soft deletion of these, and not who made them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fluvial import clock, ids, record_changes
from fluvial.caller import Caller
from fluvial.errors import ConflictError, InvalidError, NotFoundError, RecordInvalidError, StaleError
from fluvial.idempotency import Once, keep
from fluvial.record_classes import ModelClass
from fluvial.record_kinds import KINDS, Kind, with_query_as_text

if TYPE_CHECKING:
    from fluvial.records import Record

UPLOADED = "A data source is made by uploading its file: POST /projects/{project_id}/data-sources of the Fluxjiva API."


def records(caller: Caller, model: ModelClass) -> Iterator[Record]:
    """All that the caller sees of a class; one read for each AT_ONCE of them, and for each project that they are in."""
    kind = _kind(caller, model, "read")
    for thing in kind.all(caller):
        yield kind.record(thing)


def get(caller: Caller, model: ModelClass, record_id: int) -> Record | None:
    """The record; None for one that is absent, foreign or out of the key's reach."""
    return _get(caller, _kind(caller, model, "read"), record_id)


def create(
    caller: Caller,
    model: ModelClass,
    given: object,
    *,
    once: Once[Record] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Record:
    """Makes a thing of the class, with its own event; a data source is a ConflictError, which says how one is made."""
    kind = _kind(caller, model, "write")
    if kind.create is None:
        raise ConflictError(UPLOADED)
    change = record_changes.read(model, with_query_as_text(given), None)
    _refuse_problems(change)

    def shown(thing: Any) -> str:
        return "" if once is None else once.show(kind.record(thing))

    own = None if once is None else replace(once, show=shown)
    with _renamed(kind):
        made = kind.create(caller, change.values, once=own, now=now, new_id=new_id)
    return kind.record(made)


def update(
    caller: Caller,
    model: ModelClass,
    record_id: int,
    given: object,
    *,
    expected: int | None = None,
    once: Once[Record] | None = None,
    now: clock.Now = clock.now,
) -> Record:
    """Changes the fields that are given, with the thing's own event. Of two writers at once, neither is lost.

    NotFoundError for one that is absent, foreign or out of the key's reach. The answer is kept only where nothing
    changes; doing such a change twice is doing it once.
    """
    kind = _kind(caller, model, "write")
    before = _get(caller, kind, record_id)
    if before is None:
        raise NotFoundError(model.name, record_id)
    if expected not in (None, before.revision):
        raise StaleError(model.name, before.revision)
    change = record_changes.read(model, with_query_as_text(given), before)
    _refuse_problems(change)
    if change.deletes:
        kind.delete(caller, record_id, now=now)
        return replace(before, deleted=now())
    names = {*change.values, *before.values}
    changed = frozenset(name for name in names if change.values.get(name) != before.values.get(name))
    if not changed:
        keep(once, before)
        return before
    with _renamed(kind):
        return kind.record(kind.update(caller, record_id, change.values, changed, now=now))


def delete(caller: Caller, model: ModelClass, record_id: int, *, now: clock.Now = clock.now) -> bool:
    """Removes the thing for good, with its own event; False for one that is not there."""
    kind = _kind(caller, model, "write")
    try:
        kind.delete(caller, record_id, now=now)
    except NotFoundError:
        return False
    return True


def _kind(caller: Caller, model: ModelClass, access: str) -> Kind:
    kind = KINDS[model.name]
    caller.require(f"{kind.scope}:{access}")
    return kind


def _get(caller: Caller, kind: Kind, record_id: int) -> Record | None:
    try:
        return kind.record(kind.get(caller, record_id))
    except NotFoundError:
        return None


def _refuse_problems(change: record_changes.Change) -> None:
    for name, given in change.many.items():
        if given:
            change.complain(name, "cannot be set here")
    if change.problems:
        raise RecordInvalidError(change.problems)


@contextmanager
def _renamed(kind: Kind) -> Iterator[None]:
    """Lets the core's refusals name the fields of the class."""
    try:
        yield
    except InvalidError as error:
        if error.field is None:
            raise
        head, _, rest = error.field.partition(".")
        name = kind.names.get(head, head)
        reason = record_changes.without_name(error)
        raise RecordInvalidError({name: [f"{reason} (in '{rest}')" if rest else reason]}) from error
    except NotFoundError as error:
        name = kind.names.get(error.field or f"{error.kind}_id", error.field or f"{error.kind}_id")
        raise RecordInvalidError({name: [f"names {error.kind} {error.name}, and there is none"]}) from error
    except ConflictError as error:
        if error.field is None:
            raise
        raise RecordInvalidError({kind.names.get(error.field, error.field): [str(error).removesuffix(".")]}) from error
