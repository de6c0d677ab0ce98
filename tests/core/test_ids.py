"""Ids and their spellings."""

from __future__ import annotations

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
