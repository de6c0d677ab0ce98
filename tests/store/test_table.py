"""The door to the table."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from fluvial.store import attributes, table, totals

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**37), 10**37) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_a_stored_value_comes_back_the_same(value: object) -> None:
    assert attributes.from_wire(attributes.to_wire(value)) == value


@pytest.mark.parametrize("value", [1.5, b"bytes", {1, 2}, object()])
def test_a_value_that_would_change_is_not_stored(value: object) -> None:
    with pytest.raises(TypeError):
        attributes.to_wire(value)


@pytest.mark.usefixtures("aws")
def test_a_transaction_is_all_or_nothing_and_says_which_condition_failed() -> None:
    table.write(table.put(("a", "1"), {"n": 1}))
    with pytest.raises(table.ConditionError) as refusal:
        table.transact([table.put(("a", "2"), {"n": 2}), table.put(("a", "1"), {"n": 3})])
    assert refusal.value.failed == (1,)
    assert table.get(("a", "2")) is None
    assert table.get(("a", "1")) == {"pk": "a", "sk": "1", "n": 1}


@pytest.mark.usefixtures("aws")
def test_a_single_write_says_what_it_found_instead() -> None:
    table.write(table.put(("a", "1"), {"n": 1}))
    with pytest.raises(table.ConditionError) as refusal:
        table.write(table.put(("a", "1"), {"n": 2}))
    assert refusal.value.item == {"pk": "a", "sk": "1", "n": 1}


@pytest.mark.usefixtures("aws")
def test_a_batch_comes_in_the_order_of_its_keys_without_what_is_absent() -> None:
    for number in ("1", "2", "3"):
        table.write(table.put(("a", number), {}))
    found = table.batch_get([("a", "3"), ("a", "9"), ("a", "1")])
    assert [item["sk"] for item in found] == ["3", "1"]


@pytest.mark.usefixtures("aws")
def test_a_query_skips_limits_and_turns_around() -> None:
    for number in "12345":
        table.write(table.put(("a", number), {}))
    assert [item["sk"] for item in table.query("a", skip=1, limit=2)] == ["2", "3"]
    assert [item["sk"] for item in table.query("a", forward=False, limit=2)] == ["5", "4"]
    assert table.query("a", skip=9, limit=2) == []


@pytest.mark.usefixtures("aws")
def test_a_query_between_two_sort_keys_has_both_ends() -> None:
    for number in "12345":
        table.write(table.put(("a", number), {}))
    assert [item["sk"] for item in table.query("a", between=("2", "4"))] == ["2", "3", "4"]
    assert [item["sk"] for item in table.query("a", between=("2", "4"), forward=False, limit=2)] == ["4", "3"]
    # What goes on after an end lies behind it.
    table.write(table.put(("a", "4#1"), {}))
    assert [item["sk"] for item in table.query("a", between=("3 ", "4"))] == ["4"]


@pytest.mark.usefixtures("aws")
def test_a_query_without_a_limit_reads_on_past_a_megabyte() -> None:
    for number in range(30):
        table.write(table.put(("a", f"{number:02}"), {"text": "x" * 60_000}))
    assert len(table.query("a")) == 30


@pytest.mark.usefixtures("aws")
def test_a_total_is_the_sum_of_its_shards() -> None:
    for change in (1, 1, 1, -1, 1):
        table.write(totals.add("list", change))
    assert totals.total("list") == 3
    totals.forget("list")
    assert totals.total("list") == 0


class Dynamodb:
    """Answers transactions with these errors, one after the other, and then takes one."""

    def __init__(self, *errors: dict[str, Any]) -> None:
        self.errors = list(errors)
        self.tokens: list[str] = []

    def transact_write_items(self, *, TransactItems: object, ClientRequestToken: str) -> None:
        self.tokens.append(ClientRequestToken)
        if self.errors:
            raise ClientError(self.errors.pop(0), "TransactWriteItems")


IN_PROGRESS = {"Error": {"Code": "TransactionInProgressException"}}
CONFLICT = {
    "Error": {"Code": "TransactionCanceledException"},
    "CancellationReasons": [{"Code": "TransactionConflict"}],
}


@pytest.mark.parametrize(("error", "tokens"), [(IN_PROGRESS, 1), (CONFLICT, 2)])
def test_a_transaction_keeps_its_token_until_it_was_cancelled_for_certain(
    error: dict[str, Any], tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamodb = Dynamodb(error)
    monkeypatch.setattr(table, "client", lambda _: dynamodb)
    monkeypatch.setenv("FLUVIAL_TABLE", "table")
    table.transact([table.put(("a", "1"), {})])
    assert len(dynamodb.tokens) == 2
    assert len(set(dynamodb.tokens)) == tokens
