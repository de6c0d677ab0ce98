"""Walks through lists page by page: each record that is there throughout is seen exactly once."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvial import blobs, clock, ids, record_queries, record_replicas, record_walks
from fluvial.caller import Caller
from fluvial.record_filters import Comparison
from fluvial.record_queries import Found, Query
from fluvial.records import Record
from fluvial.store import records as store
from tests import factories
from tests.core.record_sample import AMOUNT, GRANT, SCHEMA, TITLE, Process, changed, deleted, made, money
from tests.workers.pipeline import own_client


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


def page(
    caller: Caller, number: int, *, walk: str = "w", per_page: int = 2, now: clock.Now = clock.now, **asked: Any
) -> Found:
    query = Query(GRANT, **{"order": ((TITLE, False),), "page": number, "per_page": per_page, **asked})
    return record_queries.page(caller, SCHEMA, query, walk=walk, now=now)


def titles(found: Found) -> list[Any]:
    return [record.values["title"] for record in found.records]


def stored(aws: dict[str, str]) -> list[str]:
    listed = own_client("s3").list_objects_v2(Bucket=aws["Bucket"], Prefix="walks/")
    return [item["Key"] for item in listed.get("Contents", [])]


def test_a_list_whose_page_is_not_full_keeps_nothing(caller: Caller, aws: dict[str, str]) -> None:
    made(caller, title="a")
    assert titles(page(caller, 1)) == ["a"]
    assert stored(aws) == []


def test_behind_a_page_that_was_just_full_is_what_came_since(caller: Caller) -> None:
    for title in "bc":
        made(caller, title=title)
    assert page(caller, 1).total == 2
    made(caller, title="a")
    assert titles(page(caller, 2)) == ["a"]


def test_the_pages_behind_the_first_are_of_the_list_as_it_was_and_show_records_as_they_are(caller: Caller) -> None:
    records = {title: made(caller, title=title) for title in "abcdef"}
    assert titles(page(caller, 1)) == ["a", "b"]
    made(caller, title="0")
    changed(records["c"], title="z")
    deleted(records["e"])
    second, third = page(caller, 2), page(caller, 3)
    assert (titles(second), second.total) == (["z", "d"], 6)
    assert (titles(third), third.total) == (["f"], 6)


def test_a_page_stays_full_though_records_are_gone_by_those_from_the_end_of_the_walk(caller: Caller) -> None:
    records = {title: made(caller, title=title) for title in "abcdefghi"}
    page(caller, 1)
    for title in "cfi":
        deleted(records[title])
    assert titles(page(caller, 2)) == ["h", "d"]
    assert titles(page(caller, 2)) == ["h", "d"]
    assert titles(page(caller, 3)) == ["e", "g"]
    assert titles(page(caller, 4)) == []
    made(caller, title="x")
    assert titles(page(caller, 4)) == ["x"]


def test_two_readers_of_one_walk_who_complete_it_at_once_agree(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    records = {title: made(caller, title=title) for title in "abcdef"}
    page(caller, 1)
    deleted(records["c"])
    rewrite = record_walks.rewrite
    other: list[Found] = []

    def overtaken(*given: Any, **named: Any) -> bool:
        if not other:
            monkeypatch.setattr(record_walks, "rewrite", rewrite)
            other.append(page(caller, 2))
        return rewrite(*given, **named)

    monkeypatch.setattr(record_walks, "rewrite", overtaken)
    assert titles(page(caller, 2)) == titles(other[0]) == ["f", "d"]
    assert titles(page(caller, 3)) == ["e"]


def test_a_record_that_does_not_fit_any_more_is_shown_all_the_same(caller: Caller) -> None:
    records = [made(caller, title="a", amount=money(str(number))) for number in range(4)]
    condition = Comparison(TITLE, "eq", ("a",))
    page(caller, 1, condition=condition)
    changed(records[3], title="other")
    assert titles(page(caller, 2, condition=condition)) == ["a", "other"]


def test_what_came_into_the_list_since_is_shown_behind_its_end_and_stays_there(caller: Caller) -> None:
    for title in "abc":
        made(caller, title=title)
    page(caller, 1)
    for title in ["B", "0", "A"]:
        made(caller, title=title)
    assert titles(page(caller, 2)) == ["c"]
    assert titles(page(caller, 3)) == ["0", "A"]
    made(caller, title="-")
    assert titles(page(caller, 4)) == ["B"]
    assert titles(page(caller, 5)) == ["-"]
    assert titles(page(caller, 6)) == []
    # Asked for again, each page is what it was.
    assert [titles(page(caller, number)) for number in (2, 3, 4, 5)] == [["c"], ["0", "A"], ["B"], ["-"]]


def test_a_page_far_behind_the_end_does_not_skip_what_came_since(caller: Caller) -> None:
    for title in "abc":
        made(caller, title=title)
    page(caller, 1)
    made(caller, title="d")
    assert titles(page(caller, 7)) == []
    assert titles(page(caller, 3)) == ["d"]


def test_the_first_page_is_always_of_the_list_as_it_is(caller: Caller) -> None:
    for title in "abc":
        made(caller, title=title)
    page(caller, 1)
    made(caller, title="0")
    again = page(caller, 1)
    assert (titles(again), again.total) == (["0", "a"], 4)
    assert titles(page(caller, 2)) == ["b", "c"]


def test_walks_are_apart_by_name_account_and_size_of_page(caller: Caller) -> None:
    stranger = factories.new_caller()
    for title in "abcde":
        made(caller, title=title)
        made(stranger, title=title * 2)
    page(caller, 1)
    page(stranger, 1)
    page(caller, 1, walk="other", per_page=3)
    made(caller, title="0")
    assert titles(page(caller, 2)) == ["c", "d"]
    assert titles(page(stranger, 2)) == ["cc", "dd"]
    assert titles(page(caller, 2, walk="other", per_page=3)) == ["d", "e"]
    assert titles(page(caller, 2, per_page=3)) == ["c", "d", "e"]


def test_a_walk_ends_an_hour_after_its_last_use(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    began = clock.now()
    for title in "abcdef":
        made(caller, title=title)
    page(caller, 1, now=lambda: began)
    made(caller, title="0")
    for half in range(1, 6):
        assert titles(page(caller, 2, now=lambda at=began + half * 45 * clock.MINUTE: at)) == ["c", "d"]
    later = began + 5 * 45 * clock.MINUTE + clock.HOUR + 1
    found = page(caller, 2, now=lambda: later)
    assert (titles(found), found.total) == (["b", "c"], 7)
    # From there on, it is a walk again.
    made(caller, title="-")
    assert titles(page(caller, 3, now=lambda: later)) == ["d", "e"]


def test_another_process_goes_on_with_a_walk_without_reading_the_class(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    for title in "abcd":
        made(caller, title=title)
    page(caller, 1)
    other = Process()
    monkeypatch.setattr(store, "pages", lambda *_: pytest.fail("the class was read"))
    with other.at_work():
        assert titles(page(caller, 2)) == ["c", "d"]
    other.end()


def test_a_walk_is_eight_bytes_for_each_record(caller: Caller, aws: dict[str, str]) -> None:
    records = [made(caller, title=title) for title in "abc"]
    page(caller, 1)
    (key,) = stored(aws)
    assert blobs.get(key) == b"".join(each.id.to_bytes(8, "little") for each in records)
    assert "w" not in key.rpartition("/")[2]


Write = tuple[str, int, str]

writes = st.lists(
    st.tuples(
        st.sampled_from(["create", "update", "update", "delete", "read"]),
        st.integers(0, 30),
        st.sampled_from(["a", "b", "C", "d", "zz"]),
    ),
    max_size=4,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    beginning=st.lists(st.sampled_from(["a", "b", "C", "d"]), min_size=0, max_size=9),
    between=st.lists(writes, max_size=8),
    per_page=st.integers(1, 4),
)
def test_what_is_there_throughout_is_seen_exactly_once_and_nothing_twice(
    aws: dict[str, str], beginning: list[str], between: list[list[Write]], per_page: int
) -> None:
    caller = Caller(ids.new_id(), 1, 1, "professional", frozenset("*"))
    there: dict[int, Record] = {}

    def create(title: str) -> None:
        record = made(caller, title=title, amount=money(str(len(there))))
        there[record.id] = record

    for title in beginning:
        create(title)
    throughout = set(there)
    seen: list[int] = []
    for number in itertools.count(1):
        found = page(caller, number, per_page=per_page, order=((TITLE, False), (AMOUNT, True)))
        seen += [record.id for record in found.records]
        if len(found.records) < per_page:
            break  # as many clients do, which take such a page for the last one
        for what, place, title in between[number - 1] if number <= len(between) else ():
            picked = list(there.values())[place % len(there)] if there else None
            if what == "create":
                create(title)
            elif what == "read":
                page(caller, 1, walk="another walk", per_page=per_page)
            elif picked is not None and what == "update":
                there[picked.id] = changed(picked, title=title)
            elif picked is not None:
                deleted(picked)
                throughout.discard(picked.id)
                del there[picked.id]
    record_replicas.forget_all()
    assert throughout <= set(seen)
    assert len(seen) == len(set(seen))
