"""Ids and their spellings."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvial import ids

numbers = st.integers(min_value=0, max_value=ids.MAX_ID)


@given(numbers)
def test_what_is_spelled_is_parsed_back(number: int) -> None:
    assert ids.parse("proj", ids.spell("proj", number)) == number


@given(numbers, numbers)
def test_spellings_sort_as_their_numbers_do(one: int, other: int) -> None:
    assert (ids.spell("x", one) < ids.spell("x", other)) == (one < other)


def test_ids_of_one_process_are_distinct_and_exact_in_a_javascript_number() -> None:
    made = [ids.new_id() for _ in range(2000)]
    assert len(set(made)) == len(made)
    assert all(0 < number <= ids.MAX_ID == 2**53 - 1 for number in made)


@pytest.mark.parametrize(
    "spelling",
    ["", "proj", "proj_", "proj_abc", "data_00000000000", "proj_0000000000i", "proj_0000000000A", "proj_zzzzzzzzzzz"],
)
def test_what_spells_no_id_is_none(spelling: str) -> None:
    assert ids.parse("proj", spelling) is None


kinds = st.sampled_from(
    sorted(value for name, value in vars(ids).items() if name.isupper() and isinstance(value, str) and value.isalpha())
)


@given(kinds, numbers)
def test_a_uuid_is_read_back_in_either_case(kind: str, number: int) -> None:
    text = ids.uuid(kind, number)
    assert ids.of_uuid(kind, text) == ids.of_uuid(kind, text.upper()) == number


@given(kinds, numbers)
def test_a_uuid_is_of_version_8_and_of_the_standard_s_variant(kind: str, number: int) -> None:
    parsed = uuid.UUID(ids.uuid(kind, number))
    assert (str(parsed), parsed.version, parsed.variant) == (ids.uuid(kind, number), 8, uuid.RFC_4122)


@given(kinds, kinds, numbers)
def test_a_uuid_of_one_kind_is_none_of_another(kind: str, other: str, number: int) -> None:
    assert (ids.of_uuid(other, ids.uuid(kind, number)) is None) == (kind != other)


@given(kinds, numbers, numbers)
def test_uuids_of_a_kind_sort_as_their_numbers_do(kind: str, one: int, other: int) -> None:
    assert (ids.uuid(kind, one) < ids.uuid(kind, other)) == (one < other)


@given(numbers, st.integers(min_value=0, max_value=127))
def test_a_uuid_with_any_bit_turned_is_no_id(number: int, bit: int) -> None:
    turned = str(uuid.UUID(int=uuid.UUID(ids.uuid("proj", number)).int ^ 1 << bit))
    assert ids.of_uuid("proj", turned) is None


@given(st.uuids() | st.text() | st.just(""))
def test_what_is_no_uuid_of_ours_is_none(text: object) -> None:
    assert ids.of_uuid("proj", str(text)) is None


@pytest.mark.parametrize("form", ["{%s}", "urn:uuid:%s", " %s", "%s\n"])
def test_a_uuid_has_one_form(form: str) -> None:
    assert ids.of_uuid("proj", form % ids.uuid("proj", 123)) is None


def test_a_uuid_without_its_hyphens_is_none() -> None:
    assert ids.of_uuid("proj", ids.uuid("proj", 123).replace("-", "")) is None


def test_uuids_stay_what_they_are() -> None:
    assert ids.uuid("proj", 123) == "00000000-0003-8de4-abf5-022d41b8fa18"
    assert ids.uuid("acc", ids.MAX_ID) == "ffffffff-ffff-8f99-a5fb-346061589e4e"
