"""The core classes: data that fit together."""

from __future__ import annotations

import re

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from fluvial import record_catalogue
from fluvial.record_catalogue.definitions import ATTRIBUTE_TYPES, CHOICE
from fluvial.record_classes import MANY, MULTI, RELATION, STRING, TYPES, Field, ModelClass, camel, common_fields, snake

MODELS = {each.name: each for each in record_catalogue.CLASSES}
NEEDED = {
    *("grant_request", "request_report", "request_user", "organization", "user", "user_organization"),
    *("program", "sub_program", "initiative", "sub_initiative", "geo_country", "geo_state"),
    *("fund", "request_funding_source", "request_transaction", "bank_account", "note", "work_task"),
    *("model_document", "model_document_type", "model_document_sub_type", "machine_model_type"),
    *("model_attribute", "model_attribute_value", "model_attribute_choice"),
    *("project", "data_source", "analysis", "page"),
}
COMMON = ("id", "created_at", "updated_at", "created_by_id", "updated_by_id", "migrate_id")
FIELDS = [
    pytest.param(model, field, id=f"{model.name}.{field.name}") for model in MODELS.values() for field in model.fields
]
CLASSES = pytest.mark.parametrize("model", MODELS.values(), ids=lambda each: each.name)


def test_all_core_classes_are_there_each_once() -> None:
    assert set(MODELS) >= NEEDED
    assert len(MODELS) == len(record_catalogue.CLASSES)
    assert {each.name for each in MODELS.values() if each.platform} == {"project", "data_source", "analysis", "page"}


@CLASSES
def test_a_class_has_the_common_fields_and_at_least_ten_in_all(model: ModelClass) -> None:
    assert tuple(each.name for each in model.fields[: len(COMMON)]) == COMMON
    assert len(model.fields) >= 10
    assert model.description.endswith(".")
    state = model.field("state")
    assert (state.options if state else ()) == model.states
    assert "pending" in model.states or not model.states


@CLASSES
def test_a_name_finds_one_field_whichever_of_its_names_it_is(model: ModelClass) -> None:
    names = [name for each in model.fields for name in (each.name, *each.other_names)]
    assert len(set(names)) == len(names)
    for each in model.fields:
        for name in (each.name, *each.other_names):
            assert model.field(name) == each


@CLASSES
def test_a_record_is_named_by_fields_of_its_class(model: ModelClass) -> None:
    assert model.label
    for name in model.label:
        assert model.field(name) is not None, name


@CLASSES
def test_the_camel_case_form_leads_back_to_the_name(model: ModelClass) -> None:
    assert snake(model.camel) == model.name
    assert model.key == model.name


@forall(st.from_regex(r"[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*", fullmatch=True))
def test_the_camel_case_form_of_every_name_with_a_letter_behind_each_underscore_leads_back(name: str) -> None:
    assert snake(camel(name)) == name
    assert camel(camel(name)) == camel(name)


def test_names_of_custom_classes_are_spelled_as_clients_spell_them() -> None:
    assert camel("mac_model_type_dyn_meetings_and_site_visits3") == "MacModelTypeDynMeetingsAndSiteVisits3"
    assert snake("MacModelTypeDynMeetingsAndSiteVisits3") == "mac_model_type_dyn_meetings_and_site_visits3"
    custom = ModelClass("mac_model_type_dyn_tickets", "", common_fields(), custom_type=1)
    assert (custom.camel, custom.key) == ("MacModelTypeDynTickets", "machine_model")


@pytest.mark.parametrize(("model", "field"), FIELDS)
def test_a_field_is_of_a_known_type_and_described(model: ModelClass, field: Field) -> None:
    assert field.type in TYPES
    assert re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", field.name)
    assert field.description.endswith(".")
    assert not field.custom
    assert field.attribute is None
    assert not (field.required and not field.writable)


@pytest.mark.parametrize(("model", "field"), [each for each in FIELDS if each.values[1].type == RELATION])
def test_a_relation_names_a_class_that_is_there_or_the_field_that_does(model: ModelClass, field: Field) -> None:
    assert field.name.endswith("_id")
    assert model.field(field.name.removesuffix("_id")) == field
    if field.type_field is not None:
        names = model.field(field.type_field)
        assert field.related is None
        assert names is not None
        assert names.type == STRING
    elif (model.name, field.name) != (CHOICE, "model_id"):  # of the class of the choice's field
        assert field.related in MODELS


@pytest.mark.parametrize(("model", "field"), [each for each in FIELDS if each.values[1].type == MANY])
def test_a_many_is_by_a_relation_of_the_other_class_that_points_back(model: ModelClass, field: Field) -> None:
    assert field.related in MODELS
    assert not field.writable
    by = MODELS[field.related].field(field.by or "")
    assert by is not None
    assert by.name == field.by
    assert by.type == RELATION
    assert by.related == model.name or by.type_field is not None


def test_every_relation_of_a_grant_request_to_its_programs_is_seen_from_there() -> None:
    for name in ("program", "sub_program", "initiative", "sub_initiative"):
        many = MODELS[name].field("grant_requests")
        assert many is not None
        assert many.by == f"{name}_id"


def test_a_field_is_a_list_under_every_name_but_one_that_ends_in_id() -> None:
    request = MODELS["request_report"].field("request_id")
    assert request is not None
    listed = {name: request.listed_as(name) for name in (request.name, *request.other_names)}
    assert listed == {"request_id": False, "request": True, "grant_request_id": False, "grant_request": True}
    reports = MODELS["grant_request"].field("request_reports")
    assert reports is not None
    assert (reports.other_names, reports.listed_as("request_report_ids")) == (("request_report_ids",), True)
    assert MODELS["geo_country"].field("geo_state_ids") == MODELS["geo_country"].field("geo_states")
    title = MODELS["grant_request"].field("project_title")
    assert title is not None
    assert (title.short_name, title.other_names, title.listed_as("project_title")) == (None, (), False)


def test_all_but_the_platforms_classes_can_have_documents() -> None:
    without = {name for name, model in MODELS.items() if model.field("model_documents") is None}
    assert without == {"project", "data_source", "analysis", "page", "model_document"}


def test_every_word_for_a_type_of_field_is_of_a_type_that_a_definition_can_have() -> None:
    offered = MODELS["model_attribute"].field("attribute_type")
    assert offered is not None
    assert offered.options == tuple(ATTRIBUTE_TYPES)
    assert set(ATTRIBUTE_TYPES.values()) <= {*TYPES} - {MANY}
    assert ATTRIBUTE_TYPES["multi_value"] == MULTI
    assert ATTRIBUTE_TYPES["model"] == RELATION
