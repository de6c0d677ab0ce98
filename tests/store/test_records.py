"""Records in the table: one transaction for all of a write, and a log that tells what changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from fluvial import clock, events, ids
from fluvial.caller import Caller
from fluvial.record_classes import ModelClass
from fluvial.records import Record
from fluvial.store import events as outbox
from fluvial.store import keys, table
from fluvial.store import records as store
from tests import factories
from tests.core.record_sample import GRANT, PROGRAM, changed, deleted, made, money

VALUES: dict[str, Any] = {
    "title": "Bread & Ink „x“",
    "amount": money("12345678901234567890.123456789"),
    "months": -(2**63),
    "granted": False,
    "due": date(2026, 2, 28),
    "places": ("here", "there"),
    "program_id": ids.MAX_ID,
    "state": "draft",
}


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


def new(caller: Caller, model: ModelClass = GRANT, **values: Any) -> Record:
    """A record that is not stored."""
    return Record(ids.new_id(), caller.account, model.name, 1, 2, caller.user, None, values)


def logged(caller: Caller, since: int = 0) -> list[store.Change]:
    return [change for page in store.log(caller.account, GRANT.name, since) for change in page]


def happened(caller: Caller) -> events.Event:
    return events.happened(caller.account, "record.created", {}, at=1)


def test_a_record_comes_back_as_it_was_stored(caller: Caller) -> None:
    record = new(caller, **VALUES)
    assert store.create(GRANT, record, None)
    assert store.get(GRANT, caller.account, record.id) == record
    gone = replace(record, deleted=3, revision=2)
    assert store.update(GRANT, gone, None)
    assert store.get(GRANT, caller.account, record.id) == gone


def test_a_write_is_its_record_its_entry_in_the_log_its_event_and_what_else_it_brings(caller: Caller) -> None:
    event, record = happened(caller), new(caller)
    more = [table.put(("a#x", str(number)), {}) for number in range(90)]
    assert store.create(GRANT, record, event, table.put(("a#x", "guard"), {}), more)
    assert outbox.get(caller.account, event.id) == event
    assert len(table.query("a#x")) == 91
    assert logged(caller) == [store.Change(record.id, 1, removed=False)]


def test_nothing_of_a_write_is_there_if_anything_cannot_be(caller: Caller) -> None:
    record, event = new(caller), happened(caller)
    table.write(table.put(("a#x", "taken"), {}))
    free, taken = table.put(("a#x", "free"), {}), table.put(("a#x", "taken"), {})
    with pytest.raises(table.ConditionError) as refused:
        store.create(GRANT, record, event, None, [free, taken])
    assert refused.value.failed == (1,)
    with pytest.raises(table.ConditionError) as refused:
        store.create(GRANT, record, None, None, [free, taken])
    assert refused.value.failed == (1,)
    with pytest.raises(table.GuardError):
        store.create(GRANT, record, event, taken, [free])
    assert store.get(GRANT, caller.account, record.id) is None
    assert logged(caller) == []
    assert outbox.get(caller.account, event.id) is None
    assert [item["sk"] for item in table.query("a#x")] == ["taken"]


def test_an_id_is_used_once(caller: Caller) -> None:
    record = made(caller, title="first")
    assert not store.create(GRANT, replace(record, values={"title": "second"}), None)
    assert store.get(GRANT, caller.account, record.id) == record


def test_a_change_is_of_the_revision_that_was_read(caller: Caller) -> None:
    record = made(caller, title="first")
    second = changed(record, title="second")
    assert not store.update(GRANT, replace(record, values={}, revision=2), None)
    assert not store.remove(record, None)
    assert store.get(GRANT, caller.account, record.id) == second
    assert store.remove(second, None)
    assert not store.remove(second, None)
    assert not store.update(GRANT, replace(second, revision=3), None)
    assert store.get(GRANT, caller.account, record.id) is None


def test_the_log_tells_of_every_change_in_order_from_a_moment_on(caller: Caller) -> None:
    record = made(caller)
    record = deleted(changed(record, title="x"))
    before = clock.now()
    long_ago = ids.new_id() - (clock.HOUR << ids.COUNT_BITS)
    other = new(caller)
    assert store.create(GRANT, other, None, new_id=lambda: long_ago)
    assert store.remove(record, None)
    assert logged(caller) == [
        store.Change(other.id, 1, removed=False),
        *(store.Change(record.id, number, removed=False) for number in (1, 2, 3)),
        store.Change(record.id, 4, removed=True),
    ]
    assert logged(caller, before - 60 * clock.SECOND) == logged(caller)[1:]
    assert logged(caller, clock.now() + clock.SECOND) == []


def test_two_entries_of_one_moment_are_two(caller: Caller) -> None:
    one, other = new(caller), new(caller)
    moment = ids.new_id()
    for each in (one, other):
        assert store.create(GRANT, each, None, new_id=lambda: moment)
    assert {change.record for change in logged(caller)} == {one.id, other.id}


def test_pages_and_the_log_are_read_on_until_all_is_read(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PAGE", 2)
    monkeypatch.setattr(store, "LOG_PAGE", 2)
    records = [made(caller) for _ in range(4)]
    made(caller, PROGRAM, name="another class")
    pages = list(store.pages(caller.account, GRANT.name))
    assert [[item["id"] for item in page] for page in pages] == [
        [each.id for each in records[:2]],
        [each.id for each in records[2:]],
    ]
    assert [change.record for change in logged(caller)] == [each.id for each in records]
    assert list(store.pages(caller.account, "none")) == []


def test_many_records_are_read_in_the_order_asked_for(caller: Caller) -> None:
    records = [made(caller) for _ in range(102)]
    asked = [each.id for each in reversed(records)]
    found = store.items(caller.account, GRANT.name, [1, *asked])
    assert [item["id"] for item in found] == asked


def test_what_is_stored_is_of_the_account_by_its_key_and_expires_if_it_is_of_the_log(caller: Caller) -> None:
    record = made(caller, title="x")
    item = table.get((keys.records(caller.account, "grant"), keys.number(record.id)))
    assert item == {
        "pk": f"{keys.account(caller.account)}#r#grant",
        "sk": keys.number(record.id),
        "type": "record",
        "id": record.id,
        "account": caller.account,
        "model": "grant",
        "values": '{"title":"x"}',
        "created": record.created,
        "updated": record.updated,
        "by": caller.user,
        "updated_by": caller.user,
        "revision": 1,
    }
    (entry,) = table.query(keys.record_log(caller.account, "grant"))
    moment = (keys.parsed(entry["sk"][:11]) >> ids.COUNT_BITS) + ids.EPOCH_MILLISECONDS
    assert entry["expires"] == (moment + store.LOG_KEPT_MILLISECONDS) // clock.SECOND
