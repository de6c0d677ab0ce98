"""The analytics group through its handler, on moto."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvial import clock, ids, jobs, limits, projects, usage
from fluvial.caller import Caller
from fluvial.limits import Policy
from fluvial.store import keys, table, windows
from fluvial.store import usage as store
from reference.analytics import handler
from reference.projects import handler as projects_handler
from tests import factories
from tests.factories import answer, request

DAY = "2026-01-01"
NOW = 1_769_947_200_000  # 2026-02-01T12:00:00Z


def set_clock(monkeypatch: pytest.MonkeyPatch, now: int) -> None:
    monkeypatch.setattr(clock.time, "time_ns", lambda: now * 1_000_000)


@pytest.fixture(autouse=True)
def february(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, NOW)


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def get(caller: Caller, **query: str) -> tuple[int, dict[str, Any]]:
    return answer(handler, request("GET", "/analytics/usage", caller=caller, query=query or None))


def item(date: str, api_calls: int = 0, data_processed: int = 0, projects_created: int = 0) -> dict[str, Any]:
    return {
        "date": date,
        "api_calls": api_calls,
        "data_processed": data_processed,
        "projects_created": projects_created,
    }


def summary(api_calls: int = 0, data_processed: int = 0, projects_created: int = 0) -> dict[str, int]:
    return {
        "total_api_calls": api_calls,
        "total_data_processed": data_processed,
        "total_projects": projects_created,
    }


def spend(caller: Caller, moment: int, times: int = 1) -> None:
    for _ in range(times):
        limits.spend(caller, api="reference", now=lambda: moment)


def ingest(caller: Caller, project: projects.Project, data: bytes, moment: int, *, fails: bool = False) -> None:
    """An ingest that ends at this moment."""
    dataset = factories.new_dataset(caller, project, data)
    job = jobs.claim(caller.account, dataset.job, lease_milliseconds=clock.MINUTE)
    assert job is not None
    if fails:
        assert factories.end_import(job, dataset, failure="No.", now=lambda: moment)
    else:
        assert factories.end_import(job, dataset, now=lambda: moment)


def test_use_is_counted_by_day_and_summed_up(caller: Caller) -> None:
    project = projects.create(caller, name="First", now=lambda: at("2026-01-01T23:59:59"))
    projects.create(caller, name="Second", now=lambda: at("2026-01-03T00:00:00"))
    ingest(caller, project, b"a,b\n1,2\n", at("2026-01-01T10:00:00"))
    ingest(caller, project, b"a\n1\n", at("2026-01-01T11:00:00"))
    spend(caller, at("2026-01-01T00:00:00"), 2)
    spend(caller, at("2026-01-03T23:59:59"), 1)
    spend(caller, at("2025-12-31T23:59:59"), 5)
    spend(caller, at("2026-01-04T00:00:00"), 5)
    assert get(caller, start_date="2026-01-01", end_date="2026-01-03", granularity="day") == (
        200,
        {
            "data": [
                item("2026-01-01", api_calls=2, data_processed=12, projects_created=1),
                item("2026-01-02"),
                item("2026-01-03", api_calls=1, projects_created=1),
            ],
            "summary": summary(api_calls=3, data_processed=12, projects_created=2),
        },
    )


def test_every_key_of_the_account_counts_and_no_other_account_s(caller: Caller) -> None:
    second_key = Caller(caller.account, caller.user, caller.key + 1, caller.plan, caller.scopes)
    for number, spender in enumerate((caller, second_key, factories.new_caller()), start=1):
        spend(spender, at("2026-01-01T10:00:00"), number)
    assert get(caller, start_date=DAY, end_date=DAY)[1]["summary"] == summary(api_calls=3)


def test_windows_of_a_minute_and_several_apis_add_up(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(limits.POLICIES, ("minutes", "all"), {"professional": limits.Policy(60, 60)})
    for minute in range(90):
        moment = at("2026-01-01T10:30:00") + minute * clock.MINUTE
        limits.spend(caller, api="minutes", now=lambda moment=moment: moment)
    spend(caller, at("2026-01-01T10:59:59"))
    _, body = get(caller, start_date=DAY, end_date=DAY, granularity="hour")
    assert {each["date"]: each["api_calls"] for each in body["data"] if each["api_calls"]} == {
        "2026-01-01T10:00:00Z": 31,
        "2026-01-01T11:00:00Z": 60,
    }
    assert body["summary"] == summary(api_calls=91)


@pytest.mark.parametrize("policy", [policy for plans in limits.POLICIES.values() for policy in plans.values()])
def test_windows_divide_an_hour_so_that_none_lies_in_two(policy: limits.Policy) -> None:
    assert limits.HOUR_SECONDS % policy.window_seconds == 0


def test_only_what_the_limit_admitted_is_counted(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(limits.POLICIES[("reference", "all")], "professional", limits.Policy(4, 3600))
    event = request("GET", "/projects", caller=caller)
    assert [answer(projects_handler, event)[0] for _ in range(5)] == [200, 200, 200, 200, 429]
    monkeypatch.setitem(limits.POLICIES[("reference", "all")], "professional", limits.Policy(5, 3600))
    # The question itself is the fifth.
    assert get(caller)[1]["summary"] == summary(api_calls=5)


def test_a_file_that_failed_and_an_ingest_that_lost_its_lease_process_nothing(caller: Caller) -> None:
    project = projects.create(caller, name="P", now=lambda: at("2026-01-02T00:00:00"))
    moment = at("2026-01-01T10:00:00")
    ingest(caller, project, b"a,b\n", moment, fails=True)
    dataset = factories.new_dataset(caller, project)
    first = jobs.claim(caller.account, dataset.job, lease_milliseconds=0)
    second = jobs.claim(caller.account, dataset.job, lease_milliseconds=0, now=lambda: NOW + 1)
    assert first is not None
    assert second is not None
    for job, ends in ((first, False), (second, True), (second, False)):
        made = factories.end_import(job, dataset, now=lambda: moment)
        assert made is ends
    _, body = get(caller, start_date=DAY, end_date=DAY)
    assert body["data"] == [item(DAY, data_processed=8)]


def test_a_project_whose_id_was_taken_counts_once(caller: Caller) -> None:
    taken = itertools.chain([7, 7, 8], itertools.count(100))
    for _ in range(2):
        projects.create(caller, name="P", now=lambda: at("2026-01-01T10:00:00"), new_id=lambda: next(taken))
    assert get(caller, start_date=DAY, end_date=DAY)[1]["data"] == [item(DAY, projects_created=2)]


def test_hours_are_spelled_with_their_time_and_those_of_both_ends_count(caller: Caller) -> None:
    for hour in (12, 13, 14, 15, 16):
        spend(caller, at(f"2026-01-01T{hour}:30:00"), hour)
    query = {"start_date": "2026-01-01T13:45:00Z", "end_date": "2026-01-01T16:00:00+01:00", "granularity": "hour"}
    assert get(caller, **query)[1] == {
        "data": [
            item("2026-01-01T13:00:00Z", api_calls=13),
            item("2026-01-01T14:00:00Z", api_calls=14),
            item("2026-01-01T15:00:00Z", api_calls=15),
        ],
        "summary": summary(api_calls=42),
    }
    _, body = get(caller, start_date=DAY, end_date=DAY, granularity="hour")
    assert [each["date"] for each in body["data"]] == [f"2026-01-01T{hour:02}:00:00Z" for hour in range(24)]
    assert body["summary"] == summary(api_calls=70)


def test_weeks_begin_on_monday_and_count_only_what_lies_in_the_range(caller: Caller) -> None:
    # 2026-01-01 is a Thursday.
    for day in ("2025-12-31", "2026-01-01", "2026-01-04", "2026-01-05", "2026-01-06", "2026-01-07"):
        spend(caller, at(f"{day}T10:00:00"))
    assert get(caller, start_date="2026-01-01", end_date="2026-01-06", granularity="week")[1] == {
        "data": [item("2025-12-29", api_calls=2), item("2026-01-05", api_calls=2)],
        "summary": summary(api_calls=4),
    }


def test_months_are_named_by_their_first_day(caller: Caller) -> None:
    spend(caller, at("2025-12-31T23:59:59"), 1)
    spend(caller, at("2026-01-31T23:59:59"), 2)
    spend(caller, at("2026-02-01T00:00:00"), 3)
    _, body = get(caller, start_date="2025-11-15", end_date="2026-02-28", granularity="month")
    assert body["data"] == [
        item("2025-11-01"),
        item("2025-12-01", api_calls=1),
        item("2026-01-01", api_calls=2),
        # And the question itself.
        item("2026-02-01", api_calls=4),
    ]


def test_without_a_range_it_is_the_last_30_days(caller: Caller) -> None:
    _, body = get(caller)
    assert [each["date"] for each in body["data"]][::29] == ["2026-01-03", "2026-02-01"]
    assert body["summary"] == summary(api_calls=1)
    _, body = get(caller, end_date="2026-01-31")
    assert [each["date"] for each in body["data"]][::29] == ["2026-01-02", "2026-01-31"]


@given(
    moments=st.lists(st.integers(at("2025-12-20T00:00:00"), at("2026-01-20T00:00:00")), max_size=8),
    first=st.integers(0, 20),
    days=st.integers(1, 12),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_sum_is_the_same_in_buckets_of_any_size(
    aws: dict[str, str], moments: list[int], first: int, days: int
) -> None:
    caller = factories.new_caller()
    for moment in moments:
        table.write(store.add(caller.account, at=moment, data_processed=7, projects_created=1))
        spend(caller, moment)
    start = at("2025-12-22T00:00:00") + first * clock.DAY
    end = start + days * clock.DAY
    wanted = sum(start <= moment < end for moment in moments)
    for granularity in ("hour", "day", "week", "month"):
        found = usage.over(caller, start=start, end=end, granularity=granularity)
        buckets, total = found.buckets, found.total
        assert total == usage.Counts(wanted, 7 * wanted, wanted)
        assert sum((bucket.counts for bucket in buckets), usage.Counts()) == total


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"start_date": "yesterday"}, "start_date"),
        ({"start_date": ""}, "start_date"),
        ({"start_date": "2026-02-30"}, "start_date"),
        ({"start_date": "2026-1-1"}, "start_date"),
        ({"start_date": "20260101"}, "start_date"),
        ({"start_date": "0001-01-01"}, "start_date"),
        ({"end_date": "9999-12-31"}, "end_date"),
        ({"end_date": "2026-13-01"}, "end_date"),
        ({"end_date": "2026-01-01T10:00:00Z"}, "end_date"),
        ({"end_date": "2026-01-01T10:00:00Z", "granularity": "week"}, "end_date"),
        ({"end_date": "2026-01-01T10:00:00", "granularity": "hour"}, "end_date"),
        ({"end_date": "9999-12-31T10:00:00Z", "granularity": "hour"}, "end_date"),
        ({"start_date": "0001-01-01T10:00:00Z", "granularity": "hour"}, "start_date"),
        ({"start_date": "2026-01-02", "end_date": "2026-01-01"}, "end_date"),
        ({"start_date": "2026-03-01"}, "end_date"),
        ({"granularity": "minute"}, "granularity"),
        ({"granularity": ""}, "granularity"),
        ({"start_date": "2026-01-01", "end_date": "2026-02-12", "granularity": "hour"}, "granularity"),
        ({"start_date": "2026-01-01", "end_date": "2199-12-31", "granularity": "month"}, "granularity"),
        ({"start_date": "x" * 5_000}, "start_date"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_bad_range_is_refused_by_field(caller: Caller, query: dict[str, str], field: str) -> None:
    status, refusal = get(caller, **query)
    assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (400, "VALIDATION_ERROR", field)
    assert len(str(refusal)) < 1_000


def test_a_thousand_buckets_are_answered(caller: Caller) -> None:
    status, body = get(caller, start_date="2026-01-01", end_date="2028-09-26")
    assert (status, len(body["data"]), body["data"][-1]["date"]) == (200, 1_000, "2028-09-26")


def test_a_range_that_may_be_forgotten_in_part_is_refused(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    # What was before a new account is known: nothing.
    assert get(caller, start_date="2024-01-01", end_date="2024-01-31")[0] == 200
    set_clock(monkeypatch, NOW + 500 * clock.DAY)
    known = "2026-05-12T12:00:00Z"  # 400 days before
    status, refusal = get(caller, start_date="2026-05-12", end_date="2026-06-30")
    assert (status, refusal["error"]["field"]) == (400, "start_date")
    assert refusal["error"]["message"] == f"'start_date' must not be before {known}: use is known for 400 days."
    assert get(caller, start_date="2026-05-13", end_date="2026-06-30")[0] == 200


def test_counters_stay_as_long_as_they_can_be_asked_for(caller: Caller) -> None:
    moment = at("2026-01-01T10:00:00")
    projects.create(caller, name="P", now=lambda: moment)
    spend(caller, moment)
    items = table.query(keys.listed(caller.account, "usage"))
    assert {each["type"] for each in items} == {"window", "usage"}
    assert {each["expires"] for each in items} == {at("2026-01-01T11:00:00") // 1000 + 400 * 86_400}


def test_usage_needs_its_scope(caller: Caller) -> None:
    other = Caller(caller.account, caller.user, caller.key, caller.plan, frozenset({"data:read"}))
    assert get(other)[1]["error"]["message"] == "This API key lacks the scope 'analytics:read'."


def test_requests_are_told_by_key_and_by_api_where_that_is_asked_for(caller: Caller) -> None:
    other = replace(caller, key=caller.key + 1)
    for who, api, times in ((caller, "reference", 3), (caller, "fluxjiva", 2), (other, "fluxjiva", 4)):
        for _ in range(times):
            limits.spend(who, api=api, now=lambda: at("2026-01-10T08:30:00"))
    asked = {"start_date": "2026-01-10", "end_date": "2026-01-10"}
    assert "breakdown" not in get(caller, **asked)[1]
    assert get(caller, **asked, breakdown="api")[1]["breakdown"] == [
        {"api": "fluxjiva", "api_calls": 6},
        {"api": "reference", "api_calls": 3},
    ]
    by_key = get(caller, **asked, breakdown="key")[1]
    assert by_key["breakdown"] == [
        {"key_id": ids.spell(ids.KEY, caller.key), "api_calls": 5},
        {"key_id": ids.spell(ids.KEY, other.key), "api_calls": 4},
    ]
    assert by_key["summary"] == summary(api_calls=9)


def test_an_unknown_breakdown_is_refused(caller: Caller) -> None:
    status, body = get(caller, breakdown="user")
    assert (status, body["error"]["field"]) == (400, "breakdown")


def test_windows_of_a_minute_are_counted_apart_and_add_up_to_the_hour(caller: Caller) -> None:
    policy = Policy(2, 60)
    for minute, passed in ((0, 2), (1, 1), (59, 2)):
        moment = at(f"2026-01-10T08:{minute:02d}:30")
        for number in range(3 if passed == 2 else passed):
            start = moment // 1000 // 60 * 60
            used = windows.count(
                caller, api="fluxjiva", route_class="all", start=start, window_seconds=60, limit=policy.limit
            )
            assert used == (number + 1 if number < passed else None)
    found = list(store.between(caller.account, at("2026-01-10T08:00:00"), at("2026-01-10T09:00:00")))
    assert [counted.counts.api_calls for counted in found] == [5]
