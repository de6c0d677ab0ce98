"""What a class of records is: its fields, and how a name on the wire finds one.

A relation to one record is kept in a field whose name ends in `_id` (`program_organization_id`), and is found under its
short name (`program_organization`), too. Many records that point back here (`request_reports`) are a field of the type
`many`, which keeps nothing itself, and is found as `request_report_ids`, too. Some fields have `aliases` besides. Under
a name that ends in `_id` a relation shows the bare id, under every other a list: `Field.listed_as` tells which.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field as member

STRING = "string"
TEXT = "text"
INTEGER = "integer"
DECIMAL = "decimal"
BOOLEAN = "boolean"
DATE = "date"
DATETIME = "datetime"
RELATION = "relation"
MANY = "many"
MULTI = "multi"
TYPES = (STRING, TEXT, INTEGER, DECIMAL, BOOLEAN, DATE, DATETIME, RELATION, MANY, MULTI)

CUSTOM_PREFIX = "mac_model_type_dyn_"
CUSTOM_CAMEL_PREFIX = "MacModelTypeDyn"
CUSTOM_KEY = "machine_model"
RELATION_SUFFIX = "_id"

FLAG = ("0", "1")
"""Options of an integer that says yes or no: clients compare some of these with 0 and 1, not with false and true."""


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a class."""

    name: str  # as on the wire, snake_case
    type: str  # one of TYPES
    description: str
    writable: bool = True  # False: set by the platform ([] on the document page)
    related: str | None = None  # relation, many: the class named, snake_case; None of a polymorphic relation
    type_field: str | None = None  # polymorphic relation: the field with the class's CamelCase name
    by: str | None = None  # many: the relation field of `related` that points back here
    required: bool = False
    options: tuple[str, ...] = ()  # allowed values (string, multi; FLAG of an integer); () is free
    groupable: bool = False
    custom: bool = False  # defined by an administrator
    attribute: int | None = None  # custom: id of its model_attribute record
    aliases: tuple[str, ...] = ()  # other names under which clients ask for it
    default: int | None = None  # of a new record of which nothing else is said; for yes and no

    @property
    def short_name(self) -> str | None:
        """The name of a relation without `_id`; None of every other field."""
        return self.name.removesuffix(RELATION_SUFFIX) if self.type == RELATION else None

    @property
    def other_names(self) -> tuple[str, ...]:
        """All names besides its own that find it."""
        if self.short_name is not None:
            return (self.short_name, *self.aliases)
        if self.type == MANY and self.name.endswith("s"):
            singular = self.name[:-3] + "y" if self.name.endswith("ies") else self.name[:-1]
            return (f"{singular}_ids", *self.aliases)
        return self.aliases

    def listed_as(self, asked: str) -> bool:
        """Whether the field is a list under the name asked for: of ids, or of records where the caller wants more."""
        return self.type == MANY or (self.type == RELATION and not asked.endswith(RELATION_SUFFIX))

    @property
    def kept(self) -> bool:
        """Whether a record has a value for it; a many has none of its own."""
        return self.type != MANY

    @property
    def stored_name(self) -> str:
        """Under which a record's values have it: a defined field is not another one that had its name before."""
        return self.name if self.attribute is None else f"#{self.attribute}"


@dataclass(frozen=True, slots=True)
class ModelClass:
    """A class of records."""

    name: str  # grant_request, or mac_model_type_dyn_<name>
    description: str
    fields: tuple[Field, ...]  # the common ones included
    states: tuple[str, ...] = ()  # workflow states, the first is the initial one; () without workflow
    platform: bool = False  # project, data_source, analysis, page: kept by the core's other modules
    custom_type: int | None = None  # custom class: id of its machine_model_type record
    label: tuple[str, ...] = ()  # fields that name a record to people, e.g. ("name",)
    _fields: dict[str, Field] = member(init=False, repr=False, compare=False, hash=False)
    stored: dict[str, Field] = member(init=False, repr=False, compare=False, hash=False)  # kept ones, by stored name

    def __post_init__(self) -> None:
        """Prepares the look-up by name, in which a field's own name goes before another's other ones."""
        found = {name: each for each in self.fields for name in each.other_names}
        found |= {each.name: each for each in self.fields}
        object.__setattr__(self, "_fields", found)
        object.__setattr__(self, "stored", {each.stored_name: each for each in self.fields if each.kept})

    def field(self, name: str) -> Field | None:
        """The field that has this name, or else the one that has it among its other names."""
        return self._fields.get(name)

    @property
    def camel(self) -> str:
        """The class's name in documents and polymorphic values: GrantRequest, MacModelTypeDynSiteVisit."""
        return camel(self.name)

    @property
    def key(self) -> str:
        """The key under which answers have its records."""
        return CUSTOM_KEY if is_custom(self.name) else self.name


def is_custom(name: str) -> bool:
    """Whether this is the name of a class that an administrator defined."""
    return name.startswith(CUSTOM_PREFIX)


def camel(name: str) -> str:
    """The CamelCase form of a class's name; a name that has this form already stays."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def snake(name: str) -> str:
    """The class's name of its CamelCase form: `_` and the small letter for each capital, as clients do it.

    It undoes `camel` for every name in which a letter follows each underscore, and all classes have such names.
    """
    return re.sub("[A-Z]", lambda capital: f"_{capital.group().lower()}", name).removeprefix("_")


def common_fields(*, states: Iterable[str] = ()) -> tuple[Field, ...]:
    """The fields that every class has before its own: who made and changed a record, and when."""
    given = tuple(states)
    state = Field("state", STRING, "State in the workflow.", options=given, groupable=True)
    return (
        Field("id", INTEGER, "Number of the record, given by the platform.", writable=False),
        Field("created_at", DATETIME, "When the record was made.", writable=False, groupable=True),
        Field("updated_at", DATETIME, "When the record was last changed.", writable=False, groupable=True),
        Field("created_by_id", RELATION, "Who made the record.", writable=False, related="user", groupable=True),
        Field("updated_by_id", RELATION, "Who last changed the record.", writable=False, related="user"),
        Field("migrate_id", STRING, "Number of the record in the system it came from."),
        *((state,) if given else ()),
    )
