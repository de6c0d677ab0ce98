"""Questions about records: order, words, relations in both directions, groups, platform classes, one record alone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvial import (
    record_columns,
    record_filters,
    record_groups,
    record_platform,
    record_queries,
    record_replicas,
    record_tables,
)
from fluvial.caller import Caller
from fluvial.errors import InvalidError
from fluvial.record_classes import Field, ModelClass
from fluvial.record_groups import Groups
from fluvial.record_queries import Query
from fluvial.records import Record
from fluvial.store import table
from tests import factories
from tests.core.record_sample import (
    AMOUNT,
    DUE,
    GRANT,
    NOTE,
    NOTES,
    PROGRAM,
    PROJECT,
    REPORT,
    REPORTS,
    SCHEMA,
    TITLE,
    changed,
    deleted,
    made,
    money,
)


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    record_replicas.forget_all()
    return factories.new_caller()


def asked(model: ModelClass = GRANT, given: object = None, **other: Any) -> Query:
    condition = record_filters.parse(given, model, SCHEMA, today=date(2026, 11, 29), fiscal_start=1)
    return Query(model, condition, **{"per_page": 500, **other})


def found(caller: Caller, model: ModelClass = GRANT, given: object = None, **other: Any) -> list[int]:
    query = asked(model, given, **other)
    return [each.id for each in record_queries.page(caller, SCHEMA, query, walk="w").records]


def test_a_list_is_in_the_order_of_ids_where_none_is_asked_for(caller: Caller) -> None:
    records = [made(caller, title=title) for title in "cab"]
    assert found(caller) == [each.id for each in records]


def test_texts_are_sorted_without_regard_to_case_what_is_missing_first_and_ids_decide(caller: Caller) -> None:
    b, a, none, upper = made(caller, title="b"), made(caller, title="a"), made(caller), made(caller, title="A")
    assert found(caller, order=((TITLE, False),)) == [none.id, a.id, upper.id, b.id]
    assert found(caller, order=((TITLE, True),)) == [b.id, a.id, upper.id, none.id]


def test_a_second_field_decides_where_the_first_is_equal(caller: Caller) -> None:
    late, soon, other = (
        made(caller, amount=money(amount), due=due)
        for amount, due in [("1.0", date(2026, 2, 1)), ("1", date(2026, 1, 1)), ("0.5", date(2027, 1, 1))]
    )
    assert found(caller, order=((AMOUNT, True), (DUE, False))) == [soon.id, late.id, other.id]


def test_a_page_past_the_end_is_empty_and_knows_the_total(caller: Caller) -> None:
    made(caller)
    assert record_queries.page(caller, SCHEMA, asked(page=3, per_page=1), walk="w") == record_queries.Found([], 1)


def test_every_word_must_occur_somewhere_in_the_texts_without_regard_to_case(caller: Caller) -> None:
    both = made(caller, title="Straßenbahn", summary="Wasser für alle")
    made(caller, title="Wasser")
    assert found(caller, words="WASSER strassen") == [both.id]
    assert found(caller, words="wasser 50% strassen") == []
    assert found(caller, words="  ") == found(caller)
    assert found(caller, words="%") == found(caller, words="_") == found(caller, words="'\" OR 1") == []


def test_too_many_words_are_refused(caller: Caller) -> None:
    with pytest.raises(InvalidError, match="at most 50 words, not 51"):
        found(caller, words=" ".join(map(str, range(51))))


def test_a_condition_looks_through_relations_in_both_directions(caller: Caller) -> None:
    arts, health = made(caller, PROGRAM, name="Arts"), made(caller, PROGRAM, name="Health")
    one, two = made(caller, program_id=arts.id), made(caller, program_id=health.id)
    lost = made(caller, program_id=1)
    made(caller, REPORT, grant_id=two.id, name="late")
    assert found(caller, given=["program_id", "filter", ["name", "eq", "Arts"]]) == [one.id]
    assert found(caller, given=["reports", "filter", ["name", "eq", "late"]]) == [two.id]
    given = ["reports", "filter", ["grant_id", "filter", ["program_id", "filter", ["name", "eq", "Health"]]]]
    assert found(caller, given=given) == [two.id]
    assert found(caller, given={"group_type": "not-and", "conditions": [["program_id", "filter", {}]]}) == [lost.id]
    deleted(health, PROGRAM)
    assert found(caller, given=["program_id", "filter", ["name", "eq", "Health"]]) == []


def test_a_condition_on_its_own_class_sees_one_state_of_it(caller: Caller) -> None:
    parent = Field("parent_id", "relation", "", related="grant")
    child = made(caller, title="x")
    assert found(caller, given=["reports", "filter", ["grant_id", "filter", ["title", "eq", "x"]]]) == []
    made(caller, REPORT, grant_id=child.id)
    assert found(caller, given=["reports", "filter", ["grant_id", "filter", ["title", "eq", "x"]]]) == [child.id]
    assert parent.kept


def test_records_by_id_come_in_the_order_asked_for_whether_the_process_has_the_class_or_not(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [made(caller, title=str(number)) for number in range(3)]
    gone = deleted(made(caller))
    wanted = [records[2].id, gone.id, 1, records[0].id, records[2].id]
    expected = [(records[2].id, records[2]), (records[0].id, records[0])]
    assert not record_replicas.is_warm(caller.account, GRANT.name)
    assert list(record_queries.some(caller, SCHEMA, GRANT, wanted).items()) == expected
    assert not record_replicas.is_warm(caller.account, GRANT.name)
    found(caller)
    monkeypatch.setattr(table, "batch_get", lambda _: [])
    assert list(record_queries.some(caller, SCHEMA, GRANT, wanted).items()) == expected
    assert record_queries.some(caller, SCHEMA, GRANT, []) == {}


def test_what_points_at_records_is_found_by_their_ids(caller: Caller) -> None:
    one, two, none = made(caller), made(caller), made(caller)
    reports = [made(caller, REPORT, grant_id=target.id) for target in (two, one, two)]
    pointing = record_queries.pointing(caller, SCHEMA, REPORTS, [one.id, two.id, none.id])
    assert pointing == {one.id: [reports[1].id], two.id: [reports[0].id, reports[2].id]}
    changed(reports[0], REPORT, grant_id=none.id)
    deleted(reports[1], REPORT)
    pointing = record_queries.pointing(caller, SCHEMA, REPORTS, [one.id, two.id, none.id])
    assert pointing == {two.id: [reports[2].id], none.id: [reports[0].id]}


def test_what_can_point_at_several_classes_is_found_for_its_own(caller: Caller) -> None:
    grant = made(caller)
    mine = made(caller, NOTE, notable_id=grant.id, notable_type="Grant", note="mine")
    made(caller, NOTE, notable_id=grant.id, notable_type="Program", note="of another class")
    assert record_queries.pointing(caller, SCHEMA, NOTES, [grant.id], owner=GRANT) == {grant.id: [mine.id]}
    assert found(caller, given=["notes", "filter", ["note", "eq", "mine"]]) == [grant.id]
    assert found(caller, given=["notes", "filter", ["note", "eq", "of another class"]]) == []


def test_a_condition_is_tried_on_one_record_as_it_is_given(caller: Caller) -> None:
    arts = made(caller, PROGRAM, name="Arts")
    record = Record(1, caller.account, "grant", 1, 2, 1, 1, {"amount": money("5"), "program_id": arts.id})

    def matches(given: object) -> bool:
        condition = record_filters.parse(given, GRANT, SCHEMA, today=date(2026, 1, 1), fiscal_start=1)
        assert condition is not None
        return record_queries.matches(caller, SCHEMA, condition, record)

    assert matches(["amount", "gte", 5])
    assert not matches(["amount", "gt", 5])
    assert matches(["program_id", "filter", ["name", "eq", "Arts"]])
    assert not matches(["reports", "not-null", ""])
    assert matches(["created_by_id", "eq", 1])


def test_things_of_the_platform_are_read_as_records_of_the_request(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["b", "a", "c"]
    projects = [
        Record(10 + at, caller.account, "project", at, at, None, None, {"name": n}) for at, n in enumerate(names)
    ]
    monkeypatch.setattr(record_platform, "records", lambda *_: iter(projects))
    (name,) = (field for field in PROJECT.fields if field.name == "name")
    assert found(caller, PROJECT, order=((name, False),)) == [11, 10, 12]
    assert found(caller, PROJECT, given=["name", "eq", "c"]) == [12]
    assert record_queries.some(caller, SCHEMA, PROJECT, [12, 99]) == {12: projects[2]}
    assert not record_replicas.is_warm(caller.account, "project")


def grouped(caller: Caller, group: object, aggregation: object = None, **other: Any) -> Groups:
    grouping = record_groups.parse(group, aggregation, GRANT, SCHEMA)
    return record_groups.groups(caller, SCHEMA, asked(**other), grouping)


def test_groups_have_exact_sums_and_what_is_missing_is_left_out(caller: Caller) -> None:
    for state, amount, months in [("draft", "0.1", 2**62), ("draft", "0.2", 2**62), ("pending", "-1E+20", None)]:
        values = {} if months is None else {"months": months}
        made(caller, state=state, amount=money(amount), **values)
    made(caller)
    assert grouped(caller, ["state"], {"amount": "sum", "months": "sum"}) == Groups(
        [
            {"count": 1},
            {"state": "draft", "count": 2, "amount": money("0.3"), "months": 2**63},
            {"state": "pending", "count": 1, "amount": money("-1E+20")},
        ],
        3,
    )
    assert grouped(caller, [], {"amount": "max", "months": "avg", "state": "count"}).rows == [
        {"count": 4, "amount": money("0.2"), "months": 2**62, "state": 3}
    ]
    assert grouped(caller, "state", None, given=["amount", "lt", 1], per_page=1, page=2) == Groups(
        [{"state": "pending", "count": 1}], 2
    )


def test_groups_can_be_by_a_column_of_related_records(caller: Caller) -> None:
    places = {name: made(caller, PROGRAM, name=name, country=country) for name, country in
              [("a", "Chile"), ("b", "Chile"), ("c", "Peru")]}  # fmt: skip
    for name, amount in [("a", 1), ("b", 2), ("c", 4)]:
        made(caller, program_id=places[name].id, amount=money(str(amount)), months=1)
    made(caller, amount=money("8"), months=2)
    assert grouped(caller, ["program.country"], {"amount": "sum"}).rows == [
        {"count": 1, "amount": money("8")},
        {"program.country": "Chile", "count": 2, "amount": money("3")},
        {"program.country": "Peru", "count": 1, "amount": money("4")},
    ]
    assert grouped(caller, ["months", "program_id.name"]).total == 4


def test_smallest_and_largest_values_are_shown_as_on_the_wire(caller: Caller) -> None:
    record = made(caller, due=date(2026, 2, 3), title="b")
    made(caller, due=date(2026, 1, 2), title="a")
    created = datetime.fromtimestamp(record.created // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    (row,) = grouped(caller, None, {"due": "min", "title": "max", "updated_at": "min"}).rows
    assert (row["due"], row["title"]) == ("2026-01-02", "b")
    assert str(row["updated_at"])[:13] == created[:13]


@pytest.mark.parametrize(
    ("group", "aggregation", "field"),
    [
        (["nothing"], None, "group.0"),
        (["state", "places"], None, "group.1"),
        (["reports"], None, "group.0"),
        (["title.name"], None, "group.0"),
        ([1], None, "group.0"),
        ([""] * 6, None, "group"),
        ({"a": 1}, None, "group"),
        (["state"], {"title": "sum"}, "aggregation.title"),
        (["state"], {"amount": "median"}, "aggregation.amount"),
        (["state"], {"reports": "count"}, "aggregation.reports"),
        (["state"], ["amount"], "aggregation"),
    ],
)
def test_what_cannot_be_grouped_or_measured_is_refused_by_name(group: Any, aggregation: Any, field: str) -> None:
    with pytest.raises(InvalidError) as refused:
        record_groups.parse(group, aggregation, GRANT, SCHEMA)
    assert refused.value.field == field


@given(st.lists(st.integers(-(10**38), 10**38)))
def test_a_sum_of_decimals_is_what_adding_them_by_hand_is(amounts: list[int]) -> None:
    adding = record_tables._Sum()
    for each in amounts:
        adding.step(record_columns.decimal_key(money(f"{each}E-9")))
    told = adding.finalize()
    assert (None if told is None else money(told)) == (money(f"{sum(amounts)}E-9") if amounts else None)
