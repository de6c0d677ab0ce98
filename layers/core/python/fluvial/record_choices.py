"""Which options a record has in its multi-value fields: kept twice, and always in step.

The field has the options' values, for filters and answers. Each of them is a model_attribute_choice record, too, which
says how much of the option it is. A write of either changes the other in the same transaction; the revision of the
record that has the field decides between two writers, so every choice that is made or goes is a change of that record.

    the field is written      choices of options that it has no more are deleted; one is made for each that is new
    a choice is made          its option is added to the field
    a choice is deleted       its option is taken from the field, unless another choice has the same value
    a choice is changed       how much it is, alone: `amount_value`, `choice_number`

Options of the same value can stand below different ones (Texas > Other, Ohio > Other): the field does not tell them
apart, so such a one is chosen by its choice. Choices that follow a field have no events: the record's tells of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from fluvial import events, ids, record_queries
from fluvial import records as core
from fluvial.caller import Caller
from fluvial.errors import MAX_SHOWN, InvalidError
from fluvial.record_catalogue.definitions import CHOICE
from fluvial.record_classes import MANY, MULTI, Field, ModelClass
from fluvial.record_definitions import Option
from fluvial.record_values import MAX_CHOICES, Value
from fluvial.store import events as outbox
from fluvial.store import records as store
from fluvial.store.table import Action

if TYPE_CHECKING:
    from fluvial.record_schemas import Schema
    from fluvial.records import Record

ATTRIBUTE_ID, OPTION_ID, RECORD_ID = "model_attribute_id", "model_attribute_value_id", "model_id"

# Each takes two of a transaction's hundred actions.
MAX_CHANGED = 35

_CHOICES = Field("choices", MANY, "Choices of a record.", related=CHOICE, by=RECORD_ID)


def complete(schema: Schema, values: dict[str, Value]) -> None:
    """Adds the field of a choice's option, where it is left out, and the class that has the field."""
    option_id = values.get(OPTION_ID)
    if ATTRIBUTE_ID not in values and isinstance(option_id, int):
        option = next((each for each in schema.definitions.options if each.id == option_id), None)
        if option is not None:
            values[ATTRIBUTE_ID] = option.attribute
    attribute_id = values.get(ATTRIBUTE_ID)
    found = schema.attribute(attribute_id) if isinstance(attribute_id, int) else None
    if found is not None:
        values["model_type"] = found[0].camel


def follow_record(
    caller: Caller,
    schema: Schema,
    model: ModelClass,
    before: Record | None,
    after: Record,
    *,
    new_id: ids.NewId = ids.new_id,
) -> list[Action]:
    """Brings the choices in step with a record's multi-value fields, as part of the record's transaction.

    InvalidError for a value of several options, and for more changes than a transaction takes.
    """
    if after.deleted is not None:
        return []
    changed = [each for each in _multis(model) if _value(before, each) != _value(after, each)]
    if not changed:
        return []
    existing = [] if before is None else _choices(caller, schema, [after.id])
    pairs: list[tuple[Record, int | None]] = []
    for field in changed:
        options = schema.options(field.attribute or 0)
        by_id = {each.id: each for each in options}
        own = [each for each in existing if each.values.get(ATTRIBUTE_ID) == field.attribute]
        wanted = _value(after, field)
        kept = set()
        for choice in own:
            option = by_id.get(_number(choice, OPTION_ID))
            if option is not None and option.value in wanted:
                kept.add(option.value)
            else:
                gone = replace(choice, deleted=after.updated, updated=after.updated, updated_by=caller.user)
                pairs.append((replace(gone, revision=choice.revision + 1), choice.revision))
        for value in wanted:
            if value not in kept and (option := _the_option(field, options, value)) is not None:
                pairs.append((_made(caller, model, after, option, new_id=new_id), None))
    if len(pairs) > MAX_CHANGED:
        reason = f"changes {len(pairs)} options at once, at most {MAX_CHANGED}: change them in several steps"
        raise InvalidError(changed[0].name, reason, value=len(pairs), constraint=f"at most {MAX_CHANGED}")
    choice_model = schema.model(CHOICE)
    return [each for record, revision in pairs for each in store.writing(choice_model, record, before=revision)]


def follow_choice(caller: Caller, schema: Schema, before: Record | None, after: Record) -> list[Action]:
    """Brings the record's field in step with a choice that is made, changed or deleted, in the choice's transaction.

    InvalidError for a choice of what cannot be chosen, or is chosen already.
    """
    was_there = before is not None and before.deleted is None
    if after.deleted is not None:
        return _without_choice(caller, schema, after) if was_there else []
    if was_there and before is not None:
        for name in (ATTRIBUTE_ID, OPTION_ID, RECORD_ID):
            if before.values.get(name) != after.values.get(name):
                reason = "cannot be changed: delete this choice, and make another"
                raise InvalidError(name, reason, value=after.values.get(name), constraint=str(before.values.get(name)))
        return []
    model, field, option = _chosen(schema, after)
    record = store.get(model, caller.account, _number(after, RECORD_ID))
    if record is None or record.deleted is not None:
        reason = f"names {model.name} {_number(after, RECORD_ID)}, and there is no such record"
        raise InvalidError(RECORD_ID, reason, value=_number(after, RECORD_ID), constraint=f"a {model.name}")
    for choice in _choices(caller, schema, [record.id]):
        if _number(choice, OPTION_ID) == option.id and choice.id != after.id:
            reason = f"is chosen already, by model_attribute_choice {choice.id}"
            raise InvalidError(OPTION_ID, reason, value=option.id, constraint="an option that the record has not")
    value = tuple(dict.fromkeys((*_value(record, field), option.value)))
    if len(value) > MAX_CHOICES:
        reason = f"is one more than the {MAX_CHOICES} options that a record can have in '{field.name}'"
        raise InvalidError(OPTION_ID, reason, value=option.id, constraint=f"at most {MAX_CHOICES}")
    return _changed(caller, model, field, record, value, after.updated)


def _without_choice(caller: Caller, schema: Schema, choice: Record) -> list[Action]:
    """Takes an option that is chosen no more from the record's field, where all of them are still there."""
    found = schema.attribute(_number(choice, ATTRIBUTE_ID))
    if found is None:
        return []
    model, field = found
    record = store.get(model, caller.account, _number(choice, RECORD_ID))
    by_id = {each.id: each for each in schema.options(field.attribute or 0)}
    option = by_id.get(_number(choice, OPTION_ID))
    if record is None or option is None or field.type != MULTI:
        return []
    others = {
        by_id[_number(each, OPTION_ID)].value
        for each in _choices(caller, schema, [record.id])
        if each.id != choice.id and _number(each, OPTION_ID) in by_id
    }
    value = tuple(each for each in _value(record, field) if each != option.value or each in others)
    return _changed(caller, model, field, record, value, choice.updated)


def _chosen(schema: Schema, choice: Record) -> tuple[ModelClass, Field, Option]:
    """The field and the option of a choice that is made."""
    attribute_id, option_id = _number(choice, ATTRIBUTE_ID), _number(choice, OPTION_ID)
    found = schema.attribute(attribute_id)
    if found is None or found[1].type != MULTI:
        allowed = "the id of a multi_value field that can have several options"
        raise InvalidError(
            ATTRIBUTE_ID, f"must be {allowed}, not {attribute_id}", value=attribute_id, constraint=allowed
        )
    option = next((each for each in schema.options(attribute_id) if each.id == option_id), None)
    if option is None or option.retired:
        kind = "no option" if option is None else "a retired option"
        reason = f"names {kind} of '{found[1].name}': {option_id}"
        raise InvalidError(OPTION_ID, reason, value=option_id, constraint=f"an option of '{found[1].name}'")
    return *found, option


def _changed(
    caller: Caller, model: ModelClass, field: Field, record: Record, value: tuple[str, ...], moment: int
) -> list[Action]:
    """The record with another value, and its event if it is there."""
    values: dict[str, Value] = {**record.values, field.name: value}
    if not value:
        del values[field.name]
    changed = replace(
        record,
        values=values,
        updated=max(moment, record.updated),
        updated_by=caller.user,
        revision=record.revision + 1,
    )
    actions = store.writing(model, changed, before=record.revision)
    if record.deleted is None and values != record.values:
        told = changed.described(model)
        actions.append(outbox.record(events.happened(caller.account, "record.updated", told, at=changed.updated)))
    return actions


def _made(caller: Caller, model: ModelClass, record: Record, option: Option, *, new_id: ids.NewId) -> Record:
    """The choice of an option of which nothing is known but that it is chosen."""
    values: dict[str, Value] = {
        ATTRIBUTE_ID: option.attribute,
        OPTION_ID: option.id,
        RECORD_ID: record.id,
        "model_type": model.camel,
    }
    moment = record.updated
    return core.Record(new_id(), caller.account, CHOICE, moment, moment, caller.user, caller.user, values)


def _the_option(field: Field, options: Iterable[Option], value: str) -> Option | None:
    """The option of this value; InvalidError where there are several, None for one that was deleted."""
    found = [each for each in options if each.value == value and not each.retired]
    if len(found) > 1:
        by_id = {each.id: each for each in options}
        where = "; ".join(" > ".join(part.value for part in _line(by_id, each)) for each in found[:10])
        reason = f"has several options '{value[:MAX_SHOWN]}': {where}. Choose one by a model_attribute_choice"
        raise InvalidError(field.name, reason, value=value[:MAX_SHOWN], constraint="a value that one option has")
    return found[0] if found else None


def _choices(caller: Caller, schema: Schema, record_ids: Iterable[int]) -> list[Record]:
    """The choices of records, by id."""
    found = record_queries.pointing(caller, schema, _CHOICES, list(record_ids))
    wanted = [each for group in found.values() for each in group]
    return list(record_queries.some(caller, schema, schema.model(CHOICE), wanted).values())


def _multis(model: ModelClass) -> list[Field]:
    return [each for each in model.fields if each.type == MULTI and each.attribute is not None]


def _value(record: Record | None, field: Field) -> tuple[str, ...]:
    value = None if record is None else record.values.get(field.name)
    return value if isinstance(value, tuple) else ()


def _number(record: Record, name: str) -> int:
    """The value of a relation; 0, which is no id, where it is not set."""
    value = record.values.get(name)
    return value if isinstance(value, int) else 0


def _line(by_id: Mapping[int, Option], option: Option) -> list[Option]:
    """The option behind those above it, the root first. It ends at one that is gone."""
    line: list[Option] = []
    above: Option | None = option
    while above is not None and above not in line:
        line.insert(0, above)
        above = None if above.parent is None else by_id.get(above.parent)
    return line
