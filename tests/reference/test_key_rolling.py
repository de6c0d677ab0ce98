"""Rolling a key, and what is known of its use, through handler and authorizer on moto."""

from __future__ import annotations

from dataclasses import replace
from threading import Event
from typing import Any

import pytest

from authorizer import authorize, identity
from fluvial import accounts, clock, ids, keys
from fluvial.caller import Caller
from fluvial.store import table
from reference.keys import handler
from tests import factories
from tests.costs import Cost, counted
from tests.factories import answer, request

ARN = "arn:aws:execute-api:us-east-1:123456789012:api/v1/GET/projects"
NOW = 1_798_761_600_000  # 2027-01-01T00:00:00Z


class Clock:
    """What the code takes for the time."""

    def __init__(self) -> None:
        self.now = NOW


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock_ = Clock()
    for function in (keys.create, keys.roll, keys.revoke, keys.note_use):
        monkeypatch.setitem(function.__kwdefaults__, "now", lambda: clock_.now)
    monkeypatch.setattr(clock, "now", lambda: clock_.now)
    monkeypatch.setattr(identity, "noted", {})
    return clock_


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


def roll(caller: Caller, key_id: str, headers: dict[str, str] | None = None, **body: Any) -> tuple[int, Any]:
    event = request("POST", "/keys/{id}/roll", caller=caller, path={"id": key_id}, body=body, headers=headers)
    return answer(handler, event)


def create(caller: Caller, **body: Any) -> dict[str, Any]:
    status, key = answer(handler, request("POST", "/keys", caller=caller, body={"name": "Worker", **body}))
    assert status == 201
    return key


def shown(caller: Caller, key_id: str) -> dict[str, Any]:
    _, page = answer(handler, request("GET", "/keys", caller=caller))
    return next(key for key in page["data"] if key["id"] == key_id)


def opens(secret: str) -> bool:
    headers = {"Authorization": f"Bearer {secret}"}
    policy = authorize.handler({"headers": headers, "methodArn": ARN, "requestContext": {"requestId": "r"}}, None)
    return policy["policyDocument"]["Statement"][0]["Effect"] == "Allow"


# ---------------------------------------------------------------- rolling


def test_a_rolled_key_is_answered_whole_and_the_old_one_works_for_the_grace(caller: Caller, time: Clock) -> None:
    old = create(caller, scopes=["data:read"])
    status, new = roll(caller, old["id"], grace_seconds=60)
    assert (status, new) == (
        201,
        {
            "id": new["id"],
            "name": "Worker",
            "type": "user",
            "user_id": ids.spell(ids.USER, caller.user),
            "project_id": None,
            "scopes": ["data:read"],
            "hint": new["key"][-4:],
            "created_at": "2027-01-01T00:00:00Z",
            "expires_at": None,
            "revoked_at": None,
            "replaced_by": None,
            "last_used_at": None,
            "key": new["key"],
        },
    )
    assert new["key"] != old["key"]
    before = {name: value for name, value in old.items() if name != "key"}
    assert shown(caller, old["id"]) == {**before, "expires_at": "2027-01-01T00:01:00Z", "replaced_by": new["id"]}
    assert factories.caller_of(new["key"]).scopes == {"data:read"}
    time.now = NOW + 60_000 - 1
    assert opens(old["key"])
    time.now = NOW + 60_000
    assert not opens(old["key"])
    assert opens(new["key"])


def test_the_grace_is_a_day_unless_told(caller: Caller, time: Clock) -> None:
    old = create(caller)
    assert roll(caller, old["id"])[0] == 201
    assert shown(caller, old["id"])["expires_at"] == "2027-01-02T00:00:00Z"


def test_without_a_grace_the_old_key_ends_at_once(caller: Caller, time: Clock) -> None:
    old = create(caller)
    assert roll(caller, old["id"], grace_seconds=0)[0] == 201
    assert not opens(old["key"])


def test_a_grace_never_prolongs_a_key_and_the_new_one_ends_when_the_old_would_have(caller: Caller, time: Clock) -> None:
    old = create(caller, expires_at="2027-01-01T01:00:00Z")
    _, new = roll(caller, old["id"], grace_seconds=7200)
    assert shown(caller, old["id"])["expires_at"] == new["expires_at"] == "2027-01-01T01:00:00Z"


@pytest.mark.parametrize("grace", [-1, 7 * 24 * 3600 + 1, "60", 1.5, None])
def test_a_grace_out_of_range_is_refused_and_nothing_changes(caller: Caller, time: Clock, grace: object) -> None:
    old = create(caller)
    status, refusal = roll(caller, old["id"], grace_seconds=grace)
    assert (status, refusal["error"]["field"]) == (400, "grace_seconds")
    assert shown(caller, old["id"])["replaced_by"] is None


def test_a_key_is_rolled_once_and_its_successor_again(caller: Caller, time: Clock) -> None:
    old = create(caller)
    _, new = roll(caller, old["id"])
    status, refusal = roll(caller, old["id"])
    assert status == 409
    assert new["id"] in refusal["error"]["message"]
    assert roll(caller, new["id"])[0] == 201
    assert keys.page(caller, offset=0, limit=9).total == 4


def test_a_key_that_is_revoked_or_expired_is_not_rolled(caller: Caller, time: Clock) -> None:
    revoked, expired = create(caller), create(caller, expires_at="2027-01-01T01:00:00Z")
    answer(handler, request("DELETE", "/keys/{id}", caller=caller, path={"id": revoked["id"]}))
    assert roll(caller, revoked["id"])[0] == 409
    time.now = NOW + clock.HOUR
    assert roll(caller, expired["id"])[0] == 409
    assert roll(caller, "key_00000000001")[0] == 404


def test_a_rolled_key_can_still_be_revoked(caller: Caller, time: Clock) -> None:
    old = create(caller)
    roll(caller, old["id"])
    assert answer(handler, request("DELETE", "/keys/{id}", caller=caller, path={"id": old["id"]}))[0] == 200
    assert not opens(old["key"])


def test_a_key_is_not_rolled_by_one_with_less_scopes(caller: Caller, time: Clock) -> None:
    old = create(caller)
    less = replace(caller, scopes=frozenset({"keys:write"}))
    assert roll(less, old["id"])[0] == 403
    assert shown(caller, old["id"])["replaced_by"] is None


def test_the_same_roll_again_under_its_key_answers_the_same_key(caller: Caller, time: Clock) -> None:
    old = create(caller)
    first = roll(caller, old["id"], {"Idempotency-Key": "once"})
    assert first[0] == 201
    assert roll(caller, old["id"], {"Idempotency-Key": "once"}) == first
    assert opens(first[1]["key"])


def test_the_old_key_follows_its_user_until_it_ends(caller: Caller, time: Clock) -> None:
    user = factories.new_member(caller, "editor")
    key, secret = keys.create(caller, name="Theirs", user_id=user.id)
    _, new = keys.roll(caller, key.id, grace_seconds=60)
    accounts.change_role(caller, user.id, "viewer")
    for each in (secret, new):
        assert factories.caller_of(each).role == "viewer"
    # After its end the table may have forgotten the old one, and the role changes all the same.
    time.now = NOW + 60_000
    table.write(table.delete((f"key#{keys.digest(secret)}", "identity")))
    accounts.change_role(caller, user.id, "editor", now=lambda: time.now)
    assert factories.caller_of(new).role == "editor"


def test_of_two_rolls_at_once_one_is_refused(caller: Caller, time: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    old = create(caller)
    real = keys.store.roll

    def roll_twice(*arguments: Any, **named: Any) -> bool:
        monkeypatch.setattr(keys.store, "roll", real)
        assert roll(caller, old["id"])[0] == 201
        return real(*arguments, **named)

    monkeypatch.setattr(keys.store, "roll", roll_twice)
    assert roll(caller, old["id"])[0] == 409
    assert keys.page(caller, offset=0, limit=9).total == 3


# ---------------------------------------------------------------- last use


def test_a_use_is_noted_and_tells_whether_an_old_key_is_still_used(caller: Caller, time: Clock) -> None:
    old = create(caller)
    assert shown(caller, old["id"])["last_used_at"] is None
    _, new = roll(caller, old["id"])
    time.now += 5_000
    assert opens(old["key"])
    assert shown(caller, old["id"])["last_used_at"] == "2027-01-01T00:00:05Z"
    assert shown(caller, new["id"])["last_used_at"] is None


def test_a_use_is_written_at_most_once_a_minute_by_however_many_processes(
    caller: Caller, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = create(caller)
    for seconds, noted in ((0, "00:00:00"), (30, "00:00:00"), (59, "00:00:00"), (60, "00:01:00"), (61, "00:01:00")):
        time.now = NOW + seconds * 1000
        monkeypatch.setattr(identity, "noted", {})  # as in a new process
        assert opens(key["key"])
        assert shown(caller, key["id"])["last_used_at"] == f"2027-01-01T{noted}Z"


def test_one_process_asks_the_table_once_a_minute(caller: Caller, time: Clock) -> None:
    key = create(caller)
    cost = Cost()
    with counted(cost):
        for seconds in (0, 1, 59, 60):
            time.now = NOW + seconds * 1000
            assert opens(key["key"])
    assert cost.calls == ["GetItem", "UpdateItem", "GetItem", "GetItem", "GetItem", "UpdateItem"]


def test_a_request_is_let_in_although_its_use_cannot_be_noted(
    caller: Caller, time: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    key = create(caller)

    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("the table is away")

    monkeypatch.setattr(keys.store, "note_use", fail)
    assert opens(key["key"])
    assert "the use of a key was not noted" in caplog.text
    assert key["key"] not in caplog.text


def test_a_request_does_not_wait_for_a_note_that_hangs(
    caller: Caller, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, released = create(caller), Event()
    monkeypatch.setattr(keys.store, "note_use", lambda *_, **__: released.wait(60))
    monkeypatch.setattr(identity, "NOTE_SECONDS", 0.01)
    assert opens(key["key"])
    assert not released.is_set()
    released.set()


def test_a_use_of_a_key_that_is_unknown_makes_nothing(caller: Caller, time: Clock) -> None:
    keys.note_use(replace(caller, key=1))
    assert keys.page(caller, offset=0, limit=9).total == 1
    assert len(keys.page(caller, offset=0, limit=9).items) == 1


def test_what_a_process_remembers_is_bounded(caller: Caller, time: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "MAX_NOTED", 2)
    for _ in range(5):
        assert opens(create(caller)["key"])
    assert len(identity.noted) <= 2


def test_revoking_keeps_when_a_key_was_last_used(caller: Caller, time: Clock) -> None:
    key = create(caller)
    opens(key["key"])
    answer(handler, request("DELETE", "/keys/{id}", caller=caller, path={"id": key["id"]}))
    assert shown(caller, key["id"])["last_used_at"] == "2027-01-01T00:00:00Z"
