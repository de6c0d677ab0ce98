"""Classes, fields and options that administrators define; `record_schemas` says what such a record does."""

from __future__ import annotations

from fluvial.record_catalogue.shapes import (
    boolean,
    decimal,
    flag,
    integer,
    many,
    model,
    one,
    one_of_any,
    string,
    text,
)
from fluvial.record_classes import RELATION, Field

CLASS, ATTRIBUTE, OPTION, CHOICE = (
    "machine_model_type",
    "model_attribute",
    "model_attribute_value",
    "model_attribute_choice",
)

# What clients call the types of fields, and the type that a field has then.
ATTRIBUTE_TYPES = {
    "string": "string",
    "text": "text",
    "integer": "integer",
    "decimal": "decimal",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "multi_value": "multi",  # one option, and so a string, unless several are allowed
    "model": "relation",
    "relation": "relation",
    "float": "decimal",
    "double": "decimal",
    "currency": "decimal",
    "percent": "decimal",
    "number": "decimal",
    "long": "integer",
    "time": "datetime",
    "timestamp": "datetime",
}

MACHINE_MODEL_TYPE = model(
    CLASS,
    "Classes that administrators define. Each record makes a class.",
    string("name", "Name of the class, as people know it.", required=True),
    string("model_type", "Name of the class, such as MacModelTypeDynSiteVisit; without one it is made of the other."),
    text("description", "What the records are."),
    boolean("show_in_plus_menu", "Whether people are offered to make such records."),
    integer("next_auto_increment_num", "Number of the next record.", writable=False),
)

MODEL_ATTRIBUTE = model(
    ATTRIBUTE,
    "Fields that administrators define. Each record makes a field of a class.",
    string("name", "Name of the field; without one it is made of the description."),
    string("description", "What the field is called."),
    string("model_type", "Class that has the field, such as GrantRequest.", required=True),
    string("attribute_type", "Type of the field.", required=True, options=tuple(ATTRIBUTE_TYPES)),
    flag("multi_allowed", "Whether a multi_value field can have several options."),
    boolean("required", "Whether a record must have a value."),
    string("value_model_type", "Class of the records that a field of the type model points at."),
    string("legacy_name", "Name of the field in the system it came from."),
    string("legacy_table", "Table of the field in the system it came from."),
    string("decimal_format", "How a decimal is written: currency or percent."),
    boolean("include_in_export", "Whether exports have it.", default=True),
    boolean("force_dropdown", "Whether its options are shown as a list."),
    boolean("show_related_tab", "Whether related records are shown on a tab."),
    boolean("translatable", "Whether its text is translated."),
    string("mapped_attribute", "Field of another record that it shows."),
    many("model_attribute_values", OPTION, "model_attribute_id", "Its options."),
    many("model_attribute_choices", CHOICE, "model_attribute_id", "Which records have which options."),
)

MODEL_ATTRIBUTE_VALUE = model(
    OPTION,
    "Options of multi_value fields. Each record makes an option, which can stand below another.",
    one("model_attribute_id", ATTRIBUTE, "The field.", required=True),
    string("value", "The option as records have it."),
    string("description", "The option as people know it."),
    one("dependent_model_attribute_value_id", OPTION, "Option below which it stands."),
    integer("display_order", "Place among its siblings."),
    flag("retired", "Whether it can be chosen no more; records that have it keep it."),
    string("related_model_type", "Class of a record that the option stands for."),
    one_of_any("related_model_id", "related_model_type", "Record that the option stands for."),
    many("children_values", OPTION, "dependent_model_attribute_value_id", "Options below it."),
    many("model_attribute_choices", CHOICE, "model_attribute_value_id", "Records that have it."),
    label=("description",),
)

MODEL_ATTRIBUTE_CHOICE = model(
    CHOICE,
    "Which record has which option of a multi_value field, and how much of it.",
    one("model_attribute_id", ATTRIBUTE, "The field; that of the option, if it is left out."),
    one("model_attribute_value_id", OPTION, "The option.", required=True),
    string("model_type", "Class of the record: that of the field.", writable=False),
    Field("model_id", RELATION, "The record."),
    decimal("amount_value", "How much of the option, in percent."),
    integer("choice_number", "Place among the record's options."),
    label=("model_attribute_value_id",),
)

CLASSES = (MACHINE_MODEL_TYPE, MODEL_ATTRIBUTE, MODEL_ATTRIBUTE_VALUE, MODEL_ATTRIBUTE_CHOICE)
