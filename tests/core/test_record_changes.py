"""What a write says of a record: pure rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from fluvial import record_changes
from fluvial.errors import InvalidError
from fluvial.record_classes import Field, ModelClass, common_fields
from fluvial.records import Record

GRANT = ModelClass(
    "grant",
    "Grants.",
    (
        *common_fields(states=("draft", "pending")),
        Field("title", "string", "", required=True),
        Field("amount", "decimal", ""),
        Field("starts_on", "date", ""),
        Field("grant_number", "string", "", writable=False),
        Field("program_id", "relation", "", related="program"),
        Field("owner_id", "relation", "", type_field="owner_type"),
        Field("owner_type", "string", ""),
        Field("reports", "many", "", writable=False, related="report", by="grant_id"),
    ),
    states=("draft", "pending"),
)
USER = ModelClass(
    "user",
    "People.",
    (
        *common_fields(),
        Field("first_name", "string", ""),
        Field("last_name", "string", ""),
        Field("full_name", "string", "", writable=False),
    ),
)
BEFORE = Record(
    id=5,
    account=1,
    model="grant",
    created=1_700_000_000_123,
    updated=1_700_000_050_456,
    by=7,
    updated_by=8,
    values={"title": "Old", "state": "draft", "amount": Decimal("1.5"), "grant_number": "G-1"},
)


def problems(given: object, before: Record | None = BEFORE, model: ModelClass = GRANT) -> dict[str, list[str]]:
    return record_changes.read(model, given, before).problems


def test_fields_that_are_not_given_stay() -> None:
    change = record_changes.read(GRANT, {"amount": Decimal("2.25"), "starts_on": "2026-01-31"}, BEFORE)
    assert change.problems == {}
    assert change.values == dict(BEFORE.values) | {"amount": Decimal("2.25"), "starts_on": date(2026, 1, 31)}


@pytest.mark.parametrize("nothing", ["", None])
def test_an_empty_value_clears_the_field(nothing: object) -> None:
    assert "amount" not in record_changes.read(GRANT, {"amount": nothing}, BEFORE).values


def test_all_that_is_wrong_is_told_at_once() -> None:
    given = {"amount": "abc", "titel": "x", "state": "gone", "reports": [1], "title": "", "grant_number": "G-2"}
    assert record_changes.read(GRANT, given, BEFORE).many == {"reports": [1]}
    assert problems(given) == {
        "amount": ['must be a number, not "abc"'],
        "titel": ["is no field of Grant: do you mean 'title'?"],
        "state": ['must be one of draft, pending, not "gone"'],
        "title": ["can't be blank"],
        "grant_number": ["is set by the platform, and cannot be changed from G-1"],
    }


def test_a_record_that_is_written_back_as_it_was_read_changes_nothing() -> None:
    shown = {
        "id": 5,
        "created_at": "2023-11-14T22:13:20Z",
        "updated_at": "2023-11-14T22:14:10Z",
        "created_by_id": 7,
        "updated_by_id": 8,
        "title": "Old",
        "state": "draft",
        "amount": Decimal("1.5"),
        "grant_number": "G-1",
        "type": "Grant",
    }
    change = record_changes.read(GRANT, shown, BEFORE)
    assert (change.problems, change.values) == ({}, dict(BEFORE.values))


def test_an_older_reading_can_be_written_back() -> None:
    assert problems({"updated_at": "2023-11-14T22:13:59Z", "updated_by_id": 9, "title": "New"}) == {}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("id", 6, "is set by the platform, and cannot be changed from 5"),
        (
            "created_at",
            "2020-01-01T00:00:00Z",
            "is set by the platform, and cannot be changed from 2023-11-14T22:13:20Z",
        ),
        ("grant_number", "", "is set by the platform, and cannot be changed from G-1"),
    ],
)
def test_what_the_platform_sets_cannot_be_changed(name: str, value: object, reason: str) -> None:
    assert problems({name: value}) == {name: [reason]}


@pytest.mark.parametrize("name", ["id", "created_at", "updated_at", "grant_number"])
def test_what_the_platform_sets_is_left_out_of_a_new_record(name: str) -> None:
    given = {"title": "x", name: "2020-01-01T00:00:00Z" if name.endswith("_at") else 5}
    assert problems(given, None) == {name: ["is set by the platform, and must be left out"]}
    assert problems({"title": "x", name: ""}, None) == {}


def test_a_client_may_say_who_it_is_for_and_that_has_no_effect() -> None:
    change = record_changes.read(GRANT, {"title": "x", "created_by_id": 99, "updated_by": "98"}, None)
    assert (change.problems, change.values) == ({}, {"title": "x", "state": "draft"})
    assert problems({"title": "x", "created_by_id": "me"}, None).keys() == {"created_by_id"}


def test_a_new_record_is_in_the_first_state() -> None:
    assert record_changes.read(GRANT, {"title": "x"}, None).values["state"] == "draft"
    assert record_changes.read(GRANT, {"title": "x", "state": "pending"}, None).values["state"] == "pending"


def test_a_record_is_always_in_a_state() -> None:
    assert problems({"state": ""}) == {"state": ["must be one of: draft, pending"]}


def test_a_new_record_has_all_required_fields() -> None:
    assert problems({"amount": 1}, None) == {"title": ["can't be blank"]}


def test_a_record_from_before_a_field_was_required_can_be_changed() -> None:
    old = replace(BEFORE, values={"state": "draft"})
    assert problems({"amount": 1}, old) == {}
    assert problems({"amount": 1, "title": None}, old) == {"title": ["can't be blank"]}


@pytest.mark.parametrize(
    "given",
    [
        {"program_id": 3},
        {"program_id": "3"},
        {"program": {"id": 3}},
        {"program_id": {"id": "3"}},
        {"program": 3},
        {"program": [{"id": 3}]},
        {"program_id": 3, "program": ["3"]},
    ],
)
def test_a_relation_is_set_in_each_of_its_spellings(given: dict[str, Any]) -> None:
    change = record_changes.read(GRANT, given, BEFORE)
    assert (change.problems, change.values["program_id"]) == ({}, 3)


@pytest.mark.parametrize("nothing", [{"id": ""}, {"id": None}, "", None, []])
def test_a_relation_is_dropped(nothing: object) -> None:
    related = replace(BEFORE, values=dict(BEFORE.values) | {"program_id": 3})
    assert "program_id" not in record_changes.read(GRANT, {"program_id": nothing}, related).values


def test_a_field_given_under_two_names_has_one_value() -> None:
    assert problems({"program_id": 3, "program": {"id": 4}}) == {
        "program_id": ["is given twice, with different values"]
    }
    assert problems({"program_id": 3, "program": [3]}) == {}


@pytest.mark.parametrize(
    "given", [{"program_id": 4, "program": [3]}, {"program": [3], "program_id": "4"}, {"program": [4], "program_id": 3}]
)
def test_who_changes_a_field_under_one_name_writes_the_other_back_as_it_was(given: dict[str, Any]) -> None:
    related = replace(BEFORE, values=dict(BEFORE.values) | {"program_id": 3})
    change = record_changes.read(GRANT, given, related)
    assert (change.problems, change.values["program_id"]) == ({}, 4)


def test_a_relation_to_any_class_names_it() -> None:
    change = record_changes.read(GRANT, {"owner": {"model_type": "Program", "id": "9"}}, BEFORE)
    assert change.problems == {}
    assert (change.values["owner_id"], change.values["owner_type"]) == (9, "Program")
    assert problems({"owner_id": 9}) == {"owner_id": ["needs 'owner_type': the class of the record that it names"]}


def test_with_such_a_relation_its_class_is_dropped() -> None:
    related = replace(BEFORE, values=dict(BEFORE.values) | {"owner_id": 9, "owner_type": "Program"})
    assert record_changes.read(GRANT, {"owner": {"id": ""}}, related).values == dict(BEFORE.values)


def test_a_time_of_deletion_deletes() -> None:
    change = record_changes.read(GRANT, {"deleted_at": "2026-01-01T00:00:00.000Z"}, BEFORE)
    assert (change.problems, change.deletes) == ({}, True)
    assert not record_changes.read(GRANT, {"deleted_at": None}, BEFORE).deletes
    assert problems({"deleted_at": "soon"}).keys() == {"deleted_at"}
    assert problems({"title": "x", "deleted_at": "2026-01-01"}, None) == {
        "deleted_at": ["must be empty in a new record"]
    }


def test_a_full_name_follows_its_parts() -> None:
    change = record_changes.read(USER, {"first_name": "Ada", "last_name": "Lovelace"}, None)
    assert change.values["full_name"] == "Ada Lovelace"
    ada = replace(BEFORE, model="user", values=change.values)
    given = {"first_name": "", "last_name": "King", "full_name": "Ada Lovelace"}
    changed = record_changes.read(USER, given, ada)
    assert (changed.problems, changed.values) == ({}, {"last_name": "King", "full_name": "King"})


@pytest.mark.parametrize("given", [None, [], "text", 5])
def test_what_is_no_object_is_refused(given: object) -> None:
    with pytest.raises(InvalidError) as refused:
        record_changes.read(GRANT, given, None)
    assert refused.value.field == "data"


def test_a_record_that_is_too_large_is_told_at_its_largest_field() -> None:
    change = record_changes.read(GRANT, {"title": "x"}, None)
    change.values["owner_type"] = "é" * (record_changes.MAX_PACKED_BYTES // 2)
    record_changes.check_size(GRANT, change, None)
    ((name, reasons),) = change.problems.items()
    assert name == "owner_type"
    assert str(record_changes.MAX_PACKED_BYTES) in reasons[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "model_type", "x"]), inner),
    max_leaves=6,
)
NAMES = [name for each in GRANT.fields for name in (each.name, *each.other_names)]


@forall(
    st.dictionaries(st.sampled_from([*NAMES, "deleted_at", "other"]), JSON, max_size=6), st.sampled_from([None, BEFORE])
)
def test_whatever_is_given_is_read_or_complained_of(given: dict[str, Any], before: Record | None) -> None:
    change = record_changes.read(GRANT, given, before)
    for name in given:
        known = GRANT.field(name)
        assert known is not None or name == "deleted_at" or name in change.problems
    assert all(isinstance(reason, str) and reason for reasons in change.problems.values() for reason in reasons)
    if before is None and not change.problems:
        assert {"title", "state"} <= change.values.keys()
