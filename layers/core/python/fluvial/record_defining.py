"""What a record that defines something must say, and how the account's schema follows it.

    record                   cannot change                  deleting it
    machine_model_type       model_type                     it and its fields are gone; refused while others point there
    model_attribute          name, model_type, type         it and its options are gone
    model_attribute_value    model_attribute_id, value      it is retired

The records and values of what is gone stay stored, and are not seen any more. The name of a class that is gone is not
given again; a field that is defined anew under an old name starts without values. Administrators alone define.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fluvial import record_schemas, roles
from fluvial.caller import Caller
from fluvial.errors import MAX_SHOWN, ConflictError, ForbiddenError, InvalidError
from fluvial.record_catalogue import definitions as catalogue
from fluvial.record_catalogue.definitions import ATTRIBUTE, ATTRIBUTE_TYPES, CLASS, OPTION
from fluvial.record_classes import CUSTOM_CAMEL_PREFIX, CUSTOM_PREFIX, MULTI, RELATION, STRING, ModelClass, camel, snake
from fluvial.record_definitions import Attribute, CustomClass, Definitions, Option
from fluvial.record_schemas import Schema
from fluvial.record_values import Value
from fluvial.store import record_schemas as store
from fluvial.store.table import Action

if TYPE_CHECKING:
    from fluvial.records import Record

DEFINING = (CLASS, ATTRIBUTE, OPTION)
MAX_NAME_LENGTH = 60
MAX_DEPTH = 20  # of options below one another

# A letter behind each underscore: the CamelCase form of no two of them is the same.
CLASS_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*")
CLASS_RULE = "lower-case letters, digits and underscores, a letter first and behind each underscore"
FIELD_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
FIELD_RULE = "lower-case letters, digits and underscores, a letter first"
RESERVED = ("type", "deleted_at", "model", "all")

Values = Mapping[str, Value]


def complete(schema: Schema, model_name: str, values: dict[str, Value]) -> None:
    """Adds what follows from the rest: names that were left out, and classes in CamelCase."""
    if model_name == CLASS and "model_type" not in values and "name" in values:
        values["model_type"] = CUSTOM_CAMEL_PREFIX + camel(_derived(str(values["name"]), letters_lead=True))
    if model_name == ATTRIBUTE and "name" not in values and "description" in values:
        values["name"] = _derived(str(values["description"]))
    for name in ("model_type", "value_model_type") if model_name == ATTRIBUTE else ():
        found = schema.find(str(values[name])) if name in values else None
        if found is not None:
            values[name] = found.camel


def change(caller: Caller, model_name: str, before: Record | None, after: Record) -> list[Action]:
    """What else changes in the transaction of a record that defines something; nothing for other classes.

    It reads the definitions as they are, and its actions fail where they changed since: try again then. ForbiddenError
    for whoever is no administrator; InvalidError and ConflictError for what cannot be defined.
    """
    if model_name not in DEFINING:
        return []
    if caller.role not in roles.MANAGERS:
        raise ForbiddenError("Only administrators define classes, fields and options.")
    schema = record_schemas.read(caller.account)
    was_there = before is not None and before.deleted is None
    if after.deleted is not None:
        changed = _without(schema, model_name, after) if was_there else schema.definitions
    else:
        changed = _MAKERS[model_name](schema, after)
    if changed == schema.definitions:
        return []
    return store.change(caller.account, schema.revision, changed.stored())


def _with_class(schema: Schema, record: Record) -> Definitions:
    title, camel_name = str(record.values["name"]), str(record.values.get("model_type", ""))
    name = snake(camel_name) if CUSTOM_CAMEL_PREFIX in camel_name else camel_name
    own = name.removeprefix(CUSTOM_PREFIX)
    if not name.startswith(CUSTOM_PREFIX) or not CLASS_NAME.fullmatch(own) or len(own) > MAX_NAME_LENGTH:
        allowed = f"{CUSTOM_CAMEL_PREFIX} and a name of at most {MAX_NAME_LENGTH} letters and digits in CamelCase"
        reason = f"must be {allowed}, not '{camel_name[:MAX_SHOWN]}'"
        raise InvalidError("model_type", reason, value=camel_name[:MAX_SHOWN], constraint=allowed)
    definitions = schema.definitions
    known = next((each for each in definitions.classes if each.id == record.id), None)
    if known is not None and known.name != name:
        raise _fixed("model_type", camel(known.name), camel_name)
    taken = schema.find(name) is not None if known is None else False
    if taken or definitions.gone.get(name, record.id) != record.id:
        reason = f"is taken: there is, or was, a class {camel(name)}"
        raise InvalidError("model_type", reason, value=camel(name), constraint="a name that no class ever had")
    described = record.values.get("description")
    return definitions.with_class(CustomClass(record.id, name, title, None if described is None else str(described)))


def _with_attribute(schema: Schema, record: Record) -> Definitions:
    values = record.values
    model = _class_with_fields(schema, values)
    name = str(values.get("name", ""))
    if not FIELD_NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
        allowed = f"{FIELD_RULE}, at most {MAX_NAME_LENGTH}"
        reason = f"must have {allowed}, not '{name[:MAX_SHOWN]}'"
        raise InvalidError("name", reason, value=name[:MAX_SHOWN], constraint=allowed)
    given = str(values["attribute_type"])
    several = values.get("multi_allowed") == 1
    type = ATTRIBUTE_TYPES[given]
    attribute = Attribute(
        record.id,
        model.name,
        name,
        STRING if type == MULTI and not several else type,
        str(values.get("description") or name),
        chosen=type == MULTI,
        required=values.get("required") is True,
        related=_related(schema, values) if type == RELATION else None,
    )
    known = schema.definitions.attribute(record.id)
    if known is None:
        _check_free(model, attribute)
    else:
        _check_same(known, attribute, given)
    return schema.definitions.with_attribute(attribute)


def _with_option(schema: Schema, record: Record) -> Definitions:
    values, definitions = record.values, schema.definitions
    attribute_id = _number(values, "model_attribute_id")
    attribute = None if attribute_id is None else definitions.attribute(attribute_id)
    if attribute is None or not attribute.chosen:
        reason = f"must be the id of a model_attribute of the type multi_value, not {attribute_id}"
        raise InvalidError("model_attribute_id", reason, value=attribute_id, constraint="a multi_value field")
    value = str(values.get("value") or values.get("description") or "")
    if not value:
        raise InvalidError("value", "can't be blank where the description is", constraint="a text")
    option = Option(
        record.id,
        attribute.id,
        value,
        str(values.get("description") or value),
        parent=_number(values, "dependent_model_attribute_value_id"),
        order=_number(values, "display_order"),
        retired=values.get("retired") == 1,
    )
    siblings = {each.id: each for each in definitions.options_of(attribute.id)}
    known = next((each for each in definitions.options if each.id == option.id), None)
    if known is not None and known.attribute != option.attribute:
        raise _fixed("model_attribute_id", known.attribute, option.attribute)
    if known is not None and known.value != value:
        raise _fixed("value", known.value, value, "records have it; retire it and make another")
    _check_parent(siblings, option)
    if not option.retired:
        for each in siblings.values():
            if (each.value, each.parent, each.retired) == (value, option.parent, False) and each.id != option.id:
                reason = f"'{value[:MAX_SHOWN]}' is an option already: model_attribute_value {each.id}"
                raise InvalidError("value", reason, value=value[:MAX_SHOWN], constraint="a text that no sibling has")
    return definitions.with_option(option)


_MAKERS = {CLASS: _with_class, ATTRIBUTE: _with_attribute, OPTION: _with_option}


def _without(schema: Schema, model_name: str, record: Record) -> Definitions:
    definitions = schema.definitions
    if model_name == ATTRIBUTE:
        return definitions.without_attribute(record.id)
    if model_name == OPTION:
        known = next((each for each in definitions.options if each.id == record.id), None)
        return definitions if known is None else definitions.with_option(_retired(known))
    removed = next((each for each in definitions.classes if each.id == record.id), None)
    if removed is not None:
        for each in definitions.attributes:
            if each.related == removed.name and each.model != removed.name:
                reason = f"{camel(each.model)}.{each.name} points at {camel(removed.name)}: delete that field first."
                raise ConflictError(reason, field="model_type")
    return definitions.without_class(record.id)


def _retired(option: Option) -> Option:
    return Option(option.id, option.attribute, option.value, option.description, option.parent, option.order, True)


def _class_with_fields(schema: Schema, values: Values) -> ModelClass:
    """The class that is to have the field."""
    named = str(values["model_type"])
    model = schema.find(named)
    if model is None or model.platform or model.name in (*DEFINING, catalogue.CHOICE):
        allowed = "a class that can have such fields: GrantRequest, Organization, a class of your own and so on"
        raise InvalidError("model_type", f"must be {allowed}, not '{named[:MAX_SHOWN]}'", value=named[:MAX_SHOWN])
    return model


def _related(schema: Schema, values: Values) -> str:
    """The class at whose records a field of the type model points."""
    named = str(values.get("value_model_type", ""))
    related = schema.find(named)
    if related is None:
        reason = f"must be the class at whose records the field points, not '{named[:MAX_SHOWN]}'"
        raise InvalidError("value_model_type", reason, value=named[:MAX_SHOWN], constraint="a class, in CamelCase")
    return related.name


def _check_free(model: ModelClass, attribute: Attribute) -> None:
    """InvalidError where a field of the class has one of the new field's names already."""
    made = record_schemas.field_of(attribute)
    for name in (attribute.name, made.name, *made.other_names):
        taken = model.field(name)
        if taken is not None or name in RESERVED:
            kind = "an own field" if taken is None or not taken.custom else "a defined field"
            reason = f"'{name}' is taken: {model.camel} has {kind} of this name"
            raise InvalidError("name", reason, value=name, constraint=f"no name of a field of {model.camel}")


def _check_same(known: Attribute, attribute: Attribute, given_type: str) -> None:
    """InvalidError where what records were made by would change."""
    if known.model != attribute.model:
        raise _fixed("model_type", camel(known.model), camel(attribute.model))
    if known.name != attribute.name:
        raise _fixed("name", known.name, attribute.name)
    if known.chosen and attribute.chosen and known.type != attribute.type:
        raise _fixed("multi_allowed", int(known.type == MULTI), int(attribute.type == MULTI))
    if (known.type, known.chosen) != (attribute.type, attribute.chosen):
        raise _fixed("attribute_type", "multi_value" if known.chosen else known.type, given_type)
    if known.related != attribute.related:
        raise _fixed("value_model_type", camel(known.related or ""), camel(attribute.related or ""))


def _check_parent(siblings: Mapping[int, Option], option: Option) -> None:
    """InvalidError unless an option's ancestors are options of the same field, and not itself."""
    name = "dependent_model_attribute_value_id"
    above, depth = option.parent, 0
    while above is not None:
        parent, depth = siblings.get(above), depth + 1
        if parent is None and depth == 1:
            reason = f"must be an option of the same field, not {above}"
            raise InvalidError(name, reason, value=above, constraint="an option of the same field")
        if above == option.id or depth > MAX_DEPTH:
            reason = f"puts the option below itself, or deeper than {MAX_DEPTH} levels"
            raise InvalidError(name, reason, value=option.parent, constraint=f"at most {MAX_DEPTH} levels")
        above = None if parent is None else parent.parent


def _derived(title: str, *, letters_lead: bool = False) -> str:
    """A name made of what people call it. It may still be none that is allowed: of a title without letters."""
    words = [word for word in re.split("[^a-z0-9]+", title.lower()) if word]
    if not letters_lead:
        return "_".join(words)
    name = ""
    for word in words:
        name += f"_{word}" if name and word[0].isalpha() else word
    return name


def _number(values: Values, name: str) -> int | None:
    value: Any = values.get(name)
    return value if isinstance(value, int) else None


def _fixed(field: str, known: object, given: object, why: str = "records were made by it") -> InvalidError:
    reason = f"cannot be changed from '{str(known)[:MAX_SHOWN]}': {why}"
    return InvalidError(field, reason, value=str(given)[:MAX_SHOWN], constraint=str(known)[:MAX_SHOWN])
