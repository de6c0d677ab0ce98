"""What administrators define: the account's classes follow the records that define them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from fluvial import record_catalogue, record_definitions, record_schemas, records
from fluvial.caller import Caller
from fluvial.errors import ConflictError, ForbiddenError, RecordInvalidError, UnknownModelError
from fluvial.record_classes import ModelClass
from fluvial.record_definitions import Attribute, CustomClass, Definitions, Option
from fluvial.record_schemas import Schema
from fluvial.records import Record
from fluvial.store import keys, table
from tests import factories

CLASS, ATTRIBUTE, OPTION = "machine_model_type", "model_attribute", "model_attribute_value"


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


def schema_of(caller: Caller) -> Schema:
    return record_schemas.of(caller.account)


def make(caller: Caller, model: str, **given: object) -> Record:
    schema = schema_of(caller)
    return records.create(caller, schema, schema.model(model), given)


def change(caller: Caller, record: Record, **given: object) -> Record:
    schema = schema_of(caller)
    return records.update(caller, schema, schema.model(record.model), record.id, given)


def remove(caller: Caller, record: Record, *, hard: bool = False) -> bool:
    schema = schema_of(caller)
    return records.delete(caller, schema, schema.model(record.model), record.id, hard=hard)


def field(caller: Caller, description: str, type: str = "string", of: str = "GrantRequest", **given: object) -> Record:
    return make(caller, ATTRIBUTE, description=description, attribute_type=type, model_type=of, **given)


def refusal(caller: Caller, model: str, **given: object) -> dict[str, list[str]]:
    before = schema_of(caller)
    with pytest.raises(RecordInvalidError) as refused:
        make(caller, model, **given)
    assert schema_of(caller).revision == before.revision
    return refused.value.problems


def names(model: ModelClass) -> set[str]:
    return {each.name for each in model.fields}


def test_an_account_that_defined_nothing_has_the_core_classes_at_one_read(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    monkeypatch.setattr(table, "get", lambda key, **_: reads.append(key))
    schema = schema_of(caller)
    assert reads == [(keys.account(caller.account), "record_schema")]
    assert (schema.account, schema.revision, schema.models()) == (caller.account, 0, record_catalogue.CLASSES)


def test_a_class_is_found_in_both_spellings_and_an_unknown_one_is_told_as_clients_expect(caller: Caller) -> None:
    schema = schema_of(caller)
    assert schema.model("grant_request") is schema.model("GrantRequest") is schema.find("GrantRequest")
    assert schema.find("foo") is None
    for name in ("foo_bar", "FooBar"):
        with pytest.raises(UnknownModelError, match=r"^uninitialized constant FooBar$"):
            schema.model(name)


def test_a_defined_class_is_there_at_once_under_the_name_made_of_its_title(caller: Caller) -> None:
    made = make(caller, CLASS, name="Site Visit 2", description="Visits to grantees.")
    assert made.values["model_type"] == "MacModelTypeDynSiteVisit2"
    model = schema_of(caller).model("mac_model_type_dyn_site_visit2")
    assert (model.camel, model.key, model.custom_type) == ("MacModelTypeDynSiteVisit2", "machine_model", made.id)
    assert (model.description, model.states) == ("Visits to grantees.", ())
    assert {"id", "migrate_id", "model_documents", "notes"} <= names(model)
    assert schema_of(caller).models()[-1] is model


def test_a_class_can_be_named_by_the_caller(caller: Caller) -> None:
    make(caller, CLASS, name="Tickets (old)", model_type="MacModelTypeDynTickets")
    assert schema_of(caller).model("MacModelTypeDynTickets").name == "mac_model_type_dyn_tickets"
    make(caller, CLASS, name="Board", model_type="mac_model_type_dyn_board_meetings")
    assert schema_of(caller).model("MacModelTypeDynBoardMeetings").label == ()


def test_a_class_needs_a_name_that_both_spellings_can_have(caller: Caller) -> None:
    for name in ("Tickets", "MacModelTypeDyn", "MacModelTypeDyn2", "MacModelTypeDynTïckets", "mac_model_type_dyn_a_2"):
        reasons = refusal(caller, CLASS, name="T", model_type=name)
        assert reasons["model_type"][0].startswith("must be MacModelTypeDyn and a name of at most 60")


def test_the_name_of_a_class_is_given_once_also_where_the_class_is_gone(caller: Caller) -> None:
    made = make(caller, CLASS, name="Tickets")
    taken = {"model_type": ["is taken: there is, or was, a class MacModelTypeDynTickets"]}
    assert refusal(caller, CLASS, name="tickets") == taken
    assert remove(caller, made)
    with pytest.raises(UnknownModelError):
        schema_of(caller).model("mac_model_type_dyn_tickets")
    assert refusal(caller, CLASS, name="Tickets") == taken


def test_the_name_of_a_class_does_not_change_but_its_title_does(caller: Caller) -> None:
    made = make(caller, CLASS, name="Tickets")
    change(caller, made, name="Support tickets", description="What people ask.")
    assert schema_of(caller).model("mac_model_type_dyn_tickets").description == "What people ask."
    with pytest.raises(RecordInvalidError) as refused:
        change(caller, made, model_type="MacModelTypeDynOther")
    assert "cannot be changed from 'MacModelTypeDynTickets'" in refused.value.problems["model_type"][0]


def test_a_defined_field_is_there_at_once_and_takes_values(caller: Caller) -> None:
    for type, found, given, value in (
        ("string", "string", "a", "a"),
        ("text", "text", "a", "a"),
        ("integer", "integer", "5", 5),
        ("decimal", "decimal", "5.50", Decimal("5.5")),
        ("currency", "decimal", "5.50", Decimal("5.5")),
        ("boolean", "boolean", "true", True),
        ("datetime", "datetime", "1970-01-01", 0),
    ):
        made = field(caller, f"Board: Meeting no. 1 {type}", type)
        schema = schema_of(caller)
        model = schema.model("grant_request")
        own = model.field(f"board_meeting_no_1_{type}")
        assert own is not None
        assert (own.type, own.description, own.custom) == (found, f"Board: Meeting no. 1 {type}", True)
        assert schema.attribute(made.id) == (model, own)
        grant = make(caller, "grant_request", **{own.name: given})
        assert records.get(caller, schema, model, grant.id) == grant
        assert grant.values[own.name] == value
    assert schema.attribute(0) is None


def test_other_accounts_see_nothing_of_it(caller: Caller) -> None:
    field(caller, "Board meeting")
    assert schema_of(factories.new_caller()).model("grant_request").field("board_meeting") is None
    assert record_catalogue.model("grant_request").field("board_meeting") is None


def test_a_required_field_is_required_of_new_records(caller: Caller) -> None:
    before = make(caller, "note", note="before")
    made = field(caller, "Reason", of="note", required=True)
    assert made.values["model_type"] == "Note"
    assert refusal(caller, "note", note="after") == {"reason": ["can't be blank"]}
    assert change(caller, before, note="still possible").revision == 2


def test_a_field_of_the_type_model_is_a_relation_that_is_seen_from_both_sides(caller: Caller) -> None:
    make(caller, CLASS, name="Board Meetings")
    field(caller, "Board meeting", "model", value_model_type="mac_model_type_dyn_board_meetings")
    schema = schema_of(caller)
    own = schema.model("grant_request").field("board_meeting")
    assert own is not None
    assert (own.name, own.type, own.related) == ("board_meeting_id", "relation", "mac_model_type_dyn_board_meetings")
    back = schema.model("MacModelTypeDynBoardMeetings").field("reverse_board_meeting_GrantRequest")
    assert back is not None
    assert (back.type, back.related, back.by, back.writable) == ("many", "grant_request", "board_meeting_id", False)
    meeting = make(caller, "mac_model_type_dyn_board_meetings")
    grant = make(caller, "grant_request", board_meeting={"id": meeting.id})
    assert grant.values["board_meeting_id"] == meeting.id


def test_a_relation_must_name_a_class(caller: Caller) -> None:
    reasons = refusal(
        caller, ATTRIBUTE, description="A", attribute_type="model", model_type="Note", value_model_type="Nothing"
    )
    assert reasons == {"value_model_type": ["must be the class at whose records the field points, not 'Nothing'"]}


def test_no_field_takes_a_name_that_a_field_of_the_class_has(caller: Caller) -> None:
    for name in ("project_title", "program", "request_report_ids", "type", "deleted_at", "created_by"):
        reasons = refusal(caller, ATTRIBUTE, name=name, attribute_type="string", model_type="GrantRequest")
        assert f"'{name}' is taken: GrantRequest has" in reasons["name"][0]


def test_no_relation_takes_a_name_under_which_it_would_be_found(caller: Caller) -> None:
    field(caller, "Reviewer")
    reasons = refusal(
        caller,
        ATTRIBUTE,
        name="reviewer_id",
        attribute_type="model",
        value_model_type="User",
        model_type="GrantRequest",
    )
    assert reasons == {"name": ["'reviewer' is taken: GrantRequest has a defined field of this name"]}


def test_a_field_needs_a_plain_name(caller: Caller) -> None:
    for name in ("Board", "2nd", "a__b", "a-b", "_a", "ä", "x" * 61):
        reasons = refusal(caller, ATTRIBUTE, name=name, attribute_type="string", model_type="GrantRequest")
        assert reasons["name"][0].startswith("must have lower-case letters, digits and underscores, a letter first, at")


def test_only_some_classes_can_have_own_fields(caller: Caller) -> None:
    for of in ("Nothing", "Project", "model_attribute", "ModelAttributeChoice"):
        reasons = refusal(caller, ATTRIBUTE, name="a", attribute_type="string", model_type=of)
        assert reasons["model_type"][0].startswith("must be a class that can have such fields")


def test_a_type_that_there_is_not_is_refused_with_those_that_there_are(caller: Caller) -> None:
    reasons = refusal(caller, ATTRIBUTE, name="a", attribute_type="adhoc", model_type="Note")
    assert reasons["attribute_type"][0].startswith("must be one of string, text, integer, decimal")


def test_what_records_were_made_by_does_not_change(caller: Caller) -> None:
    made = field(caller, "Reason")
    for name, given in (("name", "other"), ("model_type", "Note"), ("attribute_type", "integer")):
        with pytest.raises(RecordInvalidError) as refused:
            change(caller, made, **{name: given})
        assert "cannot be changed from" in refused.value.problems[name][0]
    several = field(caller, "Places", "multi_value", multi_allowed=1)
    with pytest.raises(RecordInvalidError) as refused:
        change(caller, several, multi_allowed=0)
    assert list(refused.value.problems) == ["multi_allowed"]
    change(caller, made, description="The reason", attribute_type="string", required=True)
    own = schema_of(caller).model("grant_request").field("reason")
    assert own is not None
    assert (own.description, own.required) == ("The reason", True)


def test_a_field_that_goes_takes_its_values_and_one_under_its_name_starts_empty(caller: Caller) -> None:
    first = field(caller, "Reason")
    grant = make(caller, "grant_request", reason="because")
    remove(caller, first)
    schema = schema_of(caller)
    model = schema.model("grant_request")
    assert model.field("reason") is None
    kept = records.get(caller, schema, model, grant.id)
    assert kept is not None
    assert "reason" not in kept.values
    field(caller, "Reason", "decimal")
    schema = schema_of(caller)
    again = change(caller, grant, reason=5)
    assert again.values["reason"] == 5
    assert records.get(caller, schema, schema.model("grant_request"), grant.id) == again


def test_a_class_goes_with_its_fields_unless_others_point_at_it(caller: Caller) -> None:
    made = make(caller, CLASS, name="Meetings")
    field(caller, "Room", of="MacModelTypeDynMeetings")
    field(caller, "Next", "model", of="MacModelTypeDynMeetings", value_model_type="MacModelTypeDynMeetings")
    pointing = field(caller, "Meeting", "model", value_model_type="MacModelTypeDynMeetings")
    with pytest.raises(ConflictError, match=r"GrantRequest\.meeting points at MacModelTypeDynMeetings: delete that"):
        remove(caller, made)
    remove(caller, pointing)
    assert remove(caller, made, hard=True)
    assert schema_of(caller).definitions == Definitions(gone={"mac_model_type_dyn_meetings": made.id})


def test_options_make_a_field_of_one_or_several_values(caller: Caller) -> None:
    status = field(caller, "Progress", "multi_value")
    places = field(caller, "Places", "multi_value", multi_allowed=1)
    make(caller, OPTION, model_attribute_id=status.id, description="On track", display_order=2)
    make(caller, OPTION, model_attribute_id=status.id, value="late", description="Late", display_order=1)
    texas = make(caller, OPTION, model_attribute_id=places.id, value="TX", description="Texas")
    dallas = make(
        caller, OPTION, model_attribute_id=places.id, value="DAL", dependent_model_attribute_value_id=texas.id
    )
    schema = schema_of(caller)
    model = schema.model("grant_request")
    one, several = model.field("progress"), model.field("places")
    assert one is not None
    assert several is not None
    assert (one.type, one.options) == ("string", ("late", "On track"))
    assert (several.type, several.options) == ("multi", ("TX", "DAL"))
    assert schema.options(places.id) == (
        Option(texas.id, places.id, "TX", "Texas"),
        Option(dallas.id, places.id, "DAL", "DAL", parent=texas.id),
    )
    assert refusal(caller, "grant_request", progress="early") == {
        "progress": ['must be one of late, On track, not "early"']
    }


def test_a_retired_or_deleted_option_stays_with_the_records_that_have_it(caller: Caller) -> None:
    status = field(caller, "Progress", "multi_value")
    late, early = (make(caller, OPTION, model_attribute_id=status.id, value=value) for value in ("late", "early"))
    grant = make(caller, "grant_request", progress="late")
    change(caller, late, retired="true")
    remove(caller, early)
    own = schema_of(caller).model("grant_request").field("progress")
    assert own is not None
    assert own.options == ()
    assert [(each.value, each.retired) for each in schema_of(caller).options(status.id)] == [
        ("late", True),
        ("early", True),
    ]
    assert change(caller, grant, progress="late", project_title="A").values["progress"] == "late"
    make(caller, OPTION, model_attribute_id=status.id, value="new")
    assert "progress" in refusal(caller, "grant_request", progress="late")


def test_an_option_is_checked(caller: Caller) -> None:
    reason, places = field(caller, "Reason"), field(caller, "Places", "multi_value", multi_allowed=1)
    other = field(caller, "Other places", "multi_value", multi_allowed=1)
    first = make(caller, OPTION, model_attribute_id=places.id, value="A")
    below = make(caller, OPTION, model_attribute_id=places.id, value="A", dependent_model_attribute_value_id=first.id)
    foreign = make(caller, OPTION, model_attribute_id=other.id, value="A")

    def problems(**given: object) -> dict[str, list[str]]:
        return refusal(caller, OPTION, **given)

    assert "of the type multi_value" in problems(model_attribute_id=reason.id, value="A")["model_attribute_id"][0]
    assert problems(model_attribute_id=places.id) == {"value": ["can't be blank where the description is"]}
    assert "is an option already" in problems(model_attribute_id=places.id, value="A")["value"][0]
    parent = "dependent_model_attribute_value_id"
    assert problems(model_attribute_id=places.id, value="B", **{parent: foreign.id}) == {
        parent: [f"must be an option of the same field, not {foreign.id}"]
    }
    for record, name, given in (
        (first, "value", "B"),
        (first, "model_attribute_id", other.id),
        (first, parent, below.id),
    ):
        with pytest.raises(RecordInvalidError) as refused:
            change(caller, record, **{name: given})
        assert list(refused.value.problems) == [name]
    change(caller, first, description="Letter A", display_order=5)
    assert schema_of(caller).options(places.id)[0].description == "Letter A"


def test_only_administrators_define(caller: Caller) -> None:
    made = field(caller, "Reason")
    for role in ("editor", "viewer"):
        other = replace(caller, role=role)
        with pytest.raises(ForbiddenError, match="Only administrators define"):
            make(other, CLASS, name="Tickets")
        with pytest.raises(ForbiddenError):
            change(other, made, description="Mine")
        with pytest.raises(ForbiddenError):
            remove(other, made)
    assert schema_of(caller).revision == 1
    for role in ("admin", "system"):
        change(replace(caller, role=role), made, description=f"By {role}")
    assert schema_of(caller).revision == 3


def test_what_changes_no_definition_leaves_the_schema_as_it_is(caller: Caller) -> None:
    made = field(caller, "Reason")
    change(caller, made, legacy_name="REASON")
    assert schema_of(caller).revision == 1


def test_the_schema_is_built_once_for_each_revision(caller: Caller) -> None:
    field(caller, "Reason")
    first = schema_of(caller)
    assert schema_of(caller) is first
    field(caller, "Other")
    assert schema_of(caller).revision == first.revision + 1
    assert schema_of(caller).model("organization") is first.model("organization")


def test_two_definitions_at_once_are_both_kept(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    from fluvial.store import record_schemas as store

    read = store.definitions
    meanwhile: list[object] = []

    def interrupted(account: int) -> Any:
        found = read(account)
        if not meanwhile:
            meanwhile.append(True)
            meanwhile.append(field(caller, "Second"))
        return found

    monkeypatch.setattr(store, "definitions", interrupted)
    field(caller, "First")
    assert {"first", "second"} <= names(schema_of(caller).model("grant_request"))
    assert schema_of(caller).revision == 2


def test_definitions_that_do_not_fit_are_refused_with_the_limit(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_definitions, "MAX_STORED_BYTES", 300)
    field(caller, "Reason")
    reasons = refusal(
        caller,
        ATTRIBUTE,
        description="".join(map(chr, range(33, 900))),
        name="b",
        attribute_type="string",
        model_type="Note",
    )
    assert "does not fit: 0 classes, 2 fields and 0 options take" in reasons["name"][0]


def test_thousands_of_definitions_fit() -> None:
    attributes = tuple(
        Attribute(10**15 + number, "grant_request", f"field_{number}", "string", f"Field {number}")
        for number in range(1_000)
    )
    options = tuple(
        Option(10**15 + 7 * number, attributes[number % 50].id, f"Option {number}", f"The option {number}")
        for number in range(10_000)
    )
    definitions = Definitions((CustomClass(1, "mac_model_type_dyn_a", "A"),), attributes, options, {"b": 2})
    assert Definitions.of_stored(definitions.stored()) == definitions
