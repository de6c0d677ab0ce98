"""The events group through its handler, on moto."""

from __future__ import annotations

from typing import Any

import pytest

from fluvial import events, ids
from fluvial.caller import Caller
from fluvial.store import events as outbox
from fluvial.store import table
from reference.events import handler
from tests import factories
from tests.factories import answer, request

NOON = 1_767_268_800_000  # 2026-01-01T12:00:00Z
SECOND = 1_000


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


def record(caller: Caller, *types: str, at: int = NOON) -> list[str]:
    """Records one event of each type, a second apart; their ids in this order."""
    made = []
    for number, type in enumerate(types):
        moment = at + number * SECOND
        event_id = f"{events.position(moment)}{number:010x}"
        table.write(outbox.record(events.Event(event_id, caller.account, type, moment, {"number": number})))
        made.append(event_id)
    return made


def read(caller: Caller, **query: str) -> tuple[int, dict[str, Any]]:
    return answer(handler, request("GET", "/events", caller=caller, query=query or None))


def read_on(caller: Caller, **query: str) -> list[list[str]]:
    """The ids of every stretch until the log's end."""
    stretches = []
    for _ in range(100):
        status, body = read(caller, **query)
        assert status == 200
        stretches.append([event["id"] for event in body["data"]])
        if body["next"] is None:
            return stretches
        query["since"] = body["next"]
    raise AssertionError("the log does not end")


def test_events_come_oldest_first_as_webhooks_tell_them(caller: Caller) -> None:
    project = factories.new_project(caller)
    dataset = factories.new_dataset(caller, project)
    status, body = read(caller)
    first, second = body["data"]
    assert (status, body) == (
        200,
        {
            "data": [
                {
                    "id": first["id"],
                    "type": "project.created",
                    "created_at": project.described()["created_at"],
                    "data": project.described(),
                },
                {
                    "id": second["id"],
                    "type": "data.uploaded",
                    "created_at": dataset.described()["created_at"],
                    "data": dataset.described(),
                },
            ],
            "next": None,
        },
    )
    assert first["id"] < second["id"]
    assert first["id"].startswith("evt_")


def test_an_empty_log_is_an_empty_list(caller: Caller) -> None:
    assert read(caller) == (200, {"data": [], "next": None})


@pytest.mark.parametrize(("per_page", "sizes"), [("1", [1] * 7), ("3", [3, 3, 1]), ("7", [7]), ("100", [7])])
def test_reading_on_at_next_gives_every_event_once(caller: Caller, per_page: str, sizes: list[int]) -> None:
    made = record(caller, *["project.updated"] * 7)
    stretches = read_on(caller, per_page=per_page)
    assert [len(stretch) for stretch in stretches] == sizes
    assert [event for stretch in stretches for event in stretch] == made


def test_since_an_event_are_those_behind_it(caller: Caller) -> None:
    made = record(caller, *["project.updated"] * 4)
    _, body = read(caller, since=made[1])
    assert [event["id"] for event in body["data"]] == made[2:]
    assert read(caller, since=made[-1]) == (200, {"data": [], "next": None})


def test_since_a_time_are_those_of_this_moment_and_later(caller: Caller) -> None:
    made = record(caller, *["project.updated"] * 4)
    for since, wanted in {
        "2026-01-01T12:00:02Z": made[2:],
        "2026-01-01T13:00:02+01:00": made[2:],
        "2026-01-01T12:00:02.001Z": made[3:],
        "1999-01-01T00:00:00Z": made,
        "9999-12-31T00:00:00Z": [],
    }.items():
        assert [event["id"] for event in read(caller, since=since)[1]["data"]] == wanted, since


def test_one_type_is_found_however_far_apart_it_is_and_nothing_is_left_out(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "LOOKED_AT_ONCE", 4)
    monkeypatch.setattr(events, "MAX_LOOKED_AT", 8)
    types = ["project.updated"] * 30
    for position in (0, 9, 10, 29):
        types[position] = "data.failed"
    made = record(caller, *types)
    wanted = [made[position] for position in (0, 9, 10, 29)]
    for per_page in ("1", "2", "100"):
        stretches = read_on(caller, type="data.failed", per_page=per_page)
        assert [event for stretch in stretches for event in stretch] == wanted, per_page
    # A stretch without any match says where to look on.
    _, body = read(caller, type="data.failed", since=made[10])
    assert body == {"data": [], "next": made[18]}


def test_a_request_looks_at_a_bounded_number_of_events(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    after = outbox.after

    def counting(account: int, position: str, *, limit: int) -> list[events.Event]:
        asked.append(limit)
        return after(account, position, limit=limit)

    monkeypatch.setattr(outbox, "after", counting)
    monkeypatch.setattr(events, "LOOKED_AT_ONCE", 4)
    monkeypatch.setattr(events, "MAX_LOOKED_AT", 10)
    record(caller, *["project.updated"] * 30)
    read(caller, type="data.failed")
    assert asked == [4, 4, 2]


def test_another_account_s_events_are_not_in_the_log(caller: Caller) -> None:
    made = record(caller, "project.created", "project.updated")
    stranger = factories.new_caller()
    assert read(stranger) == (200, {"data": [], "next": None})
    # A foreign event's id is a place in one's own log, and no more.
    own = record(stranger, "data.deleted", at=NOON + 60 * SECOND)
    assert [event["id"] for event in read(stranger, since=made[0])[1]["data"]] == own


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-01-01"}, "since"),
        ({"since": "2026-01-01T12:00:00"}, "since"),
        ({"since": ""}, "since"),
        ({"since": "evt_abc123"}, "since"),
        ({"since": f"evt_{'0' * 11}{'z' * 10}"}, "since"),
        ({"since": "evt_" + "x" * 5_000}, "since"),
        ({"type": "project.exploded"}, "type"),
        ({"type": "*"}, "type"),
        ({"type": ""}, "type"),
        ({"per_page": "0"}, "per_page"),
        ({"per_page": "101"}, "per_page"),
        ({"per_page": "1_0"}, "per_page"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(caller: Caller, query: dict[str, str], field: str) -> None:
    status, refusal = read(caller, **query)
    assert (status, refusal["error"]["code"], refusal["error"]["field"]) == (400, "VALIDATION_ERROR", field)
    assert len(str(refusal)) < 2_000


def test_the_log_needs_its_scope(caller: Caller) -> None:
    other = Caller(caller.account, caller.user, caller.key, caller.plan, frozenset({"data:read"}))
    assert read(other)[1]["error"]["message"] == "This API key lacks the scope 'events:read'."


def test_positions_are_before_all_ids_of_their_time() -> None:
    moment = ids.EPOCH_MILLISECONDS + 1
    assert events.position(moment) > events.BEGINNING
    assert events.position(moment) < f"{ids.spell(ids.EVENT, 1 << ids.COUNT_BITS)}0000000000"
    assert events.position(moment) > f"{ids.spell(ids.EVENT, (1 << ids.COUNT_BITS) - 1)}ffffffffff"
