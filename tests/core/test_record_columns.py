"""Values in the columns of SQLite: they compare as what they are, and come back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluvial import record_columns
from tests.core.record_worlds import DECIMALS, THING, WORLDS, World

EXACT = st.builds(
    lambda negative, digits, exponent: Decimal((int(negative), tuple(digits), exponent)),
    st.booleans(),
    st.lists(st.integers(0, 9), min_size=1, max_size=38),
    st.integers(-167, 125),
)


@given(EXACT | DECIMALS, EXACT | DECIMALS)
@settings(max_examples=500)
def test_texts_of_decimals_sort_as_the_numbers_do(one: Decimal, other: Decimal) -> None:
    first, second = record_columns.decimal_key(one), record_columns.decimal_key(other)
    assert (first < second, first == second) == (one < other, one == other)
    assert record_columns.decimal_of_key(first) == one
    assert record_columns.decimal_of_key(record_columns.decimal_key(-one.copy_abs())) == -one.copy_abs()


@given(EXACT, st.integers(1, 40))
def test_decimals_that_differ_in_the_last_digit_are_told_apart(number: Decimal, digits: int) -> None:
    sign, found, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    longer = Decimal((sign, (*found, *[0] * (digits - 1), 1), exponent - digits))
    first, second = record_columns.decimal_key(number), record_columns.decimal_key(longer)
    assert (first < second) == (number < longer)
    assert (first == second) is (number == longer) is False


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1E5000", "-1E-5000", "1E999999"])
def test_what_does_not_sort_has_no_text(text: str) -> None:
    with pytest.raises(OverflowError):
        record_columns.decimal_key(Decimal(text))


@given(WORLDS)
def test_a_value_comes_back_from_its_column(world: World) -> None:
    for row in world["thing"]:
        for field in THING.fields:
            if field.kept:
                assert record_columns.value(field, record_columns.column(field, row[field.name])) == row[field.name]


def test_blank_values_are_missing_ones() -> None:
    name, colours = THING.fields[1], THING.fields[9]
    assert [record_columns.column(name, ""), record_columns.column(colours, ())] == [None, None]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Straße", "STRASSE", True),
        ("É", "e\u0301", True),
        ("ſ", "S", True),
        ("a", "b", False),
        ("\u0345", "\u03b9", True),
    ],
)
def test_folded_texts_have_no_regard_to_case(one: str, other: str, same: bool) -> None:
    assert (record_columns.folded(one) == record_columns.folded(other)) is same


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    once = record_columns.folded(text)
    assert record_columns.folded(once) == once
