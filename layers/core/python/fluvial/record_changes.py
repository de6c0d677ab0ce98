"""What a write says of a record: every field that it names is read, and all that is wrong with it is told at once.

    given                                          effect
    "amount_requested": 100                        the field has this value
    "amount_requested": "" or null                 the field is cleared
    "program_id": 1, "program": {"id": 1}          the record points at program 1
    "owner_model": {"model_type": "Program", "id": 1}    it points at a record of a class that is named with it
    "state": "pending"                             the record moves there, from wherever it is
    "deleted_at": "2026-01-01T00:00:00Z"           the record is deleted, now

Clients write back what they have read. So a field that the platform sets is accepted with the value that it has, and
refused with another. Who made and who last changed a record, and when, is the platform's to say: what a client says of
the users, or in an update of the time of the last change, which may be of an older reading, is read and has no effect.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fluvial import record_values
from fluvial.errors import MAX_SHOWN, InvalidError
from fluvial.record_classes import DATETIME, MANY, Field, ModelClass
from fluvial.record_values import Value

if TYPE_CHECKING:
    from fluvial.records import Record

DELETED_AT = Field("deleted_at", DATETIME, "When the record was deleted.")
STATE = "state"
REQUIRED = "can't be blank"
MAX_PACKED_BYTES = 300 * 1024  # DynamoDB's items have at most 400 KB

USER_STAMPS = ("created_by_id", "updated_by_id")
LAST_CHANGE = "updated_at"


@dataclass(slots=True)
class Change:
    """The values that a record would have, and what is wrong with what was given.

    `many` are ids that were given for a field that shows who points here; whether they are the current ones is for
    someone to say who can look.
    """

    values: dict[str, Value]
    problems: dict[str, list[str]] = field(default_factory=dict)
    many: dict[str, list[int]] = field(default_factory=dict)
    deletes: bool = False

    def complain(self, name: str, reason: str) -> None:
        self.problems.setdefault(name, []).append(reason)


def read(
    model: ModelClass,
    given: object,
    before: Record | None,
    *,
    own: Mapping[str, Value | None] | None = None,
    derive: Callable[[dict[str, Value]], None] | None = None,
) -> Change:
    """The change that `given` makes of the record as it is, or of None, where it makes one.

    `own` are values that the platform sets itself, also in fields that are not writable; None clears one. `derive`
    adds values that follow from the rest.
    """
    if not isinstance(given, Mapping):
        raise InvalidError("data", "'data' must be an object.", constraint='{"field": value, …}')
    change = Change({} if before is None else dict(before.values))
    named: dict[str, Value | None] = {}
    for name, value in given.items():
        known = model.field(name)
        if name == DELETED_AT.name:
            change.deletes = _deletes(change, value, before)
        elif known is None and name == "type" and value == model.camel:
            continue  # answers say the class of a record so
        elif known is None:
            change.complain(name, _unknown(model, name))
        else:
            _read_field(change, model, named, known, value, before)
    for name, value in (own or {}).items():
        put(change.values, name, value)
    if derive is not None:
        derive(change.values)
    _complete(change, model, named, before)
    return change


def check_size(model: ModelClass, change: Change, before: Record | None) -> None:
    """Complains of values that take more room than a record has, at the field that takes most of it."""
    stored = None if before is None else before.stored
    size = len(record_values.pack(model, change.values, stored).encode())
    if size > MAX_PACKED_BYTES:
        sizes = {name: len(record_values.pack(model, {name: value}).encode()) for name, value in change.values.items()}
        largest = max(sizes, key=lambda name: sizes[name])
        reason = f"takes {sizes[largest]} bytes, so that the record would take {size}, at most {MAX_PACKED_BYTES}"
        change.complain(largest, reason)


def full_name(values: Mapping[str, Value]) -> Value | None:
    """First and last name, as far as there are any."""
    return " ".join(str(values[name]) for name in ("first_name", "last_name") if name in values) or None


def grant_number(values: Mapping[str, Value]) -> Value | None:
    """The number of a request; once it is granted, with a G for the R with which numbers of requests begin."""
    number = values.get("base_request_id")
    if isinstance(number, str) and number.startswith("R-") and values.get("granted") is True:
        return f"G-{number[2:]}"
    return number


# Fields that are computed of others, by class.
COMPUTED: dict[str, dict[str, Callable[[Mapping[str, Value]], Value | None]]] = {
    "user": {"full_name": full_name},
    "grant_request": {
        "type": lambda _: "GrantRequest",
        "request_id": lambda values: values.get("base_request_id"),
        "grant_id": grant_number,
        "grant_or_request_id": grant_number,
    },
}


def compute(model: ModelClass, values: dict[str, Value]) -> None:
    """Sets the fields that are computed of others."""
    for name, of in COMPUTED.get(model.name, {}).items():
        put(values, name, of(values))


def put(values: dict[str, Value], name: str, value: Value | None) -> None:
    """Sets a value; None clears it."""
    if value is None:
        values.pop(name, None)
    else:
        values[name] = value


def _read_field(
    change: Change,
    model: ModelClass,
    named: dict[str, Value | None],
    known: Field,
    given: object,
    before: Record | None,
) -> None:
    """Reads what is said of one field; `named` are the values that were given before."""
    current = None if before is None else before.value(known.name)
    try:
        if known.type == MANY:
            change.many[known.name] = _ids(known, given)
            return
        if known.type_field is not None and isinstance(given, Mapping) and "model_type" in given:
            type_field = model.field(known.type_field)
            if type_field is not None:
                _read_field(change, model, named, type_field, given["model_type"], before)
            given = {"id": given.get("id", "")}
        value = record_values.read(known, given, current)
    except InvalidError as error:
        named.setdefault(known.name, current)
        change.complain(known.name, without_name(error))
        return
    if known.name in named and value in (current, named[known.name]):
        return  # under two names; who changes one of them writes the other back as it was read
    if named.get(known.name, current) != current:
        change.complain(known.name, "is given twice, with different values")
    named[known.name] = value
    if known.writable:
        put(change.values, known.name, value)
    elif not _is_accepted(known, value, before):
        change.complain(known.name, _not_writable(known, before))


def _is_accepted(known: Field, value: Value | None, before: Record | None) -> bool:
    """Whether a write may say this of a field that the platform sets."""
    if known.name in USER_STAMPS or (before is not None and known.name == LAST_CHANGE):
        return True
    current = None if before is None else before.value(known.name)
    if value is None or current is None:
        return value is current
    # As it was shown: times without their milliseconds.
    return record_values.to_json(known, value) == record_values.to_json(known, current)


def _complete(change: Change, model: ModelClass, named: Mapping[str, Value | None], before: Record | None) -> None:
    """What follows from the values: the first state, fields that go together, and fields that must not be empty."""
    for each in model.fields:
        if before is None and each.default is not None and each.name not in named:
            change.values.setdefault(each.name, each.default)
        if each.type_field is not None and each.name not in change.values and each.name in named:
            change.values.pop(each.type_field, None)
        type_field = model.field(each.type_field or "")
        if type_field and type_field.writable and each.name in change.values and type_field.name not in change.values:
            change.complain(each.name, f"needs '{type_field.name}': the class of the record that it names")
    if model.states and STATE not in change.values and STATE not in change.problems:
        if before is None:
            change.values[STATE] = model.states[0]
        elif STATE in named:
            change.complain(STATE, f"must be one of: {', '.join(model.states)}")
    compute(model, change.values)
    for each in model.fields:
        # A record that was made before a field was required can still be changed.
        looked_at = before is None or each.name in named
        if each.required and looked_at and each.name not in change.values and each.name not in change.problems:
            change.complain(each.name, REQUIRED)


def _deletes(change: Change, given: object, before: Record | None) -> bool:
    try:
        deletes = record_values.read(DELETED_AT, given) is not None
    except InvalidError as error:
        change.complain(DELETED_AT.name, without_name(error))
        return False
    if deletes and before is None:
        change.complain(DELETED_AT.name, "must be empty in a new record")
    return deletes


def _ids(known: Field, given: object) -> list[int]:
    """The ids in a list of ids, or of objects with one."""
    listed = given if isinstance(given, list | tuple) else [] if given in (None, "") else [given]
    found = []
    for each in listed:
        number = each.get("id") if isinstance(each, Mapping) else each
        if isinstance(number, str) and number.isascii() and number.isdigit():
            number = int(number[:20])
        if isinstance(number, bool) or not isinstance(number, int):
            raise InvalidError(known.name, "must be a list of ids.", value=given, constraint="a list of ids")
        found.append(number)
    return found


def many_reason(known: Field) -> str:
    """Why a write does not set who points here."""
    return f"shows the {known.related} records that point here: set '{known.by}' of those instead"


def _not_writable(known: Field, before: Record | None) -> str:
    current = None if before is None else before.value(known.name)
    if current is None:
        return "is set by the platform, and must be left out"
    return f"is set by the platform, and cannot be changed from {record_values.to_json(known, current)}"


def _unknown(model: ModelClass, name: str) -> str:
    close = difflib.get_close_matches(name[:MAX_SHOWN], [each.name for each in model.fields], 1)
    return f"is no field of {model.camel}" + (f": do you mean '{close[0]}'?" if close else "")


def without_name(error: InvalidError) -> str:
    """The reason as it is read behind the field's name."""
    return error.reason.removeprefix(f"'{error.field}' ").removesuffix(".")
