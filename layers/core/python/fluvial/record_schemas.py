"""The classes of an account: the core's, with the fields that its administrators defined, and classes of their own.

A definition is an ordinary record: of `machine_model_type` (a class), `model_attribute` (a field) or
`model_attribute_value` (an option). What they say together is the account's schema, which changes in the same
transaction as the record (`record_defining`), so that a class or a field is there at once when its record is.

    a class "Site Visit"                    mac_model_type_dyn_site_visit, MacModelTypeDynSiteVisit
    a field `reviewer` of the type model    reviewer_id, found as reviewer; the class that it names has
                                            reverse_reviewer_MacModelTypeDynSiteVisit
    a field of the type multi_value         one of its options as a string; with multi_allowed, several as a multi
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from fluvial import record_catalogue
from fluvial import record_classes as types
from fluvial.errors import UnknownModelError
from fluvial.record_catalogue.shapes import ATTACHED
from fluvial.record_classes import RELATION_SUFFIX, Field, ModelClass, camel, common_fields
from fluvial.record_definitions import Attribute, CustomClass, Definitions, Option
from fluvial.store import record_schemas as store

MAX_CACHED = 100  # accounts whose schema a process keeps

NOT_GROUPABLE = (types.TEXT, types.MULTI)


class Schema:
    """All classes of an account at one revision of its definitions, which grows by one with each change."""

    def __init__(self, account: int, revision: int = 0, definitions: Definitions | None = None) -> None:
        self.account = account
        self.revision = revision
        self.definitions = definitions or Definitions()
        self._models = {each.name: each for each in _models(self.definitions)}
        self._by_camel = {each.camel: each for each in self._models.values()}

    def model(self, name: str) -> ModelClass:
        """The class of this name, in snake_case or CamelCase; UnknownModelError where there is none."""
        found = self.find(name)
        if found is None:
            raise UnknownModelError(camel(name))
        return found

    def find(self, name: str) -> ModelClass | None:
        """The class of this name, in snake_case or CamelCase; None where there is none."""
        return self._models.get(name) or self._by_camel.get(name)

    def models(self) -> tuple[ModelClass, ...]:
        """All classes, the core's first."""
        return tuple(self._models.values())

    def attribute(self, attribute_id: int) -> tuple[ModelClass, Field] | None:
        """The class and the field that a model_attribute record defines; None where it defines none."""
        defined = self.definitions.attribute(attribute_id)
        model = None if defined is None else self._models.get(defined.model)
        field = None if defined is None or model is None else model.field(field_name(defined))
        return None if model is None or field is None else (model, field)

    def options(self, attribute_id: int) -> tuple[Option, ...]:
        """The options of a field in their order, the retired ones among them."""
        return self.definitions.options_of(attribute_id)


_cache: dict[int, Schema] = {}


def of(account_id: int) -> Schema:
    """The account's schema as it is now. One small read, and one more where it changed since this process read it."""
    revision = store.revision(account_id)
    kept = _cache.get(account_id)
    if kept is None or kept.revision != revision:
        kept = read(account_id) if revision else Schema(account_id)
        _cache.pop(account_id, None)
        while len(_cache) >= MAX_CACHED:
            _cache.pop(next(iter(_cache)))
        _cache[account_id] = kept
    return kept


def read(account_id: int) -> Schema:
    """The account's schema as it is now, read whole."""
    revision, stored = store.definitions(account_id)
    return Schema(account_id, revision, None if stored is None else Definitions.of_stored(stored))


def field_name(attribute: Attribute) -> str:
    """The name of the field that is defined so: that of a relation ends in `_id`."""
    ends = attribute.type != types.RELATION or attribute.name.endswith(RELATION_SUFFIX)
    return attribute.name if ends else attribute.name + RELATION_SUFFIX


def field_of(attribute: Attribute, options: Sequence[Option] = ()) -> Field:
    """The field that is defined so. Only options that are not retired can be chosen."""
    offered = dict.fromkeys(option.value for option in options if not option.retired) if attribute.chosen else {}
    return Field(
        field_name(attribute),
        attribute.type,
        attribute.description,
        related=attribute.related,
        required=attribute.required,
        options=tuple(offered),
        groupable=attribute.type not in NOT_GROUPABLE,
        custom=True,
        attribute=attribute.id,
    )


def _models(definitions: Definitions) -> Iterator[ModelClass]:
    """All classes with all their fields; those of the core to which nothing was added are the catalogue's own."""
    added: dict[str, list[Field]] = defaultdict(list)
    for attribute in definitions.attributes:
        added[attribute.model].append(field_of(attribute, definitions.options_of(attribute.id)))
    for attribute in definitions.attributes:
        if attribute.related is not None:
            added[attribute.related].append(_reverse(attribute))
    for core in record_catalogue.CLASSES:
        yield replace(core, fields=(*core.fields, *added[core.name])) if core.name in added else core
    for custom in definitions.classes:
        yield _custom(custom, added)


def _custom(custom: CustomClass, added: Mapping[str, list[Field]]) -> ModelClass:
    own = tuple(added.get(custom.name, ()))
    names = [each.name for each in own if each.type == types.STRING]
    return ModelClass(
        custom.name,
        custom.description or custom.title,
        (*common_fields(), *own, *ATTACHED),
        custom_type=custom.id,
        label=("name",) if "name" in names else tuple(names[:1]),
    )


def _reverse(attribute: Attribute) -> Field:
    """The records that point at a class by a defined field."""
    return Field(
        f"reverse_{attribute.name}_{camel(attribute.model)}",
        types.MANY,
        f"Records of {camel(attribute.model)} that point here: {attribute.description}",
        writable=False,
        related=attribute.model,
        by=field_name(attribute),
        custom=True,
        attribute=attribute.id,
    )
