"""Replicas of classes of records on moto: as current as the table, whoever wrote, whatever died, however they began."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvial import (
    blobs,
    clock,
    config,
    ids,
    record_columns,
    record_queries,
    record_replicas,
    record_snapshots,
    record_tables,
)
from fluvial.caller import Caller
from fluvial.errors import LimitedError
from fluvial.record_classes import Field, ModelClass
from fluvial.record_filters import Comparison
from fluvial.record_queries import Found, Query
from fluvial.records import Record
from fluvial.store import records as store
from fluvial.store import table
from tests import factories, template
from tests.core.record_sample import (
    AMOUNT,
    GRANT,
    GRANTED,
    PROGRAM,
    SCHEMA,
    SUMMARY,
    TITLE,
    Process,
    changed,
    deleted,
    made,
    money,
)
from tests.workers.pipeline import Died, own_client


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture(autouse=True)
def processes() -> Iterator[list[Process]]:
    """Processes that a test begins; they end with it, and so does its own."""
    begun: list[Process] = []
    yield begun
    for each in begun:
        each.end()
    record_replicas.forget_all()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class is large from three records on, and some changes are many."""
    monkeypatch.setattr(store, "PAGE", 3)
    monkeypatch.setattr(store, "LOG_PAGE", 4)
    monkeypatch.setattr(record_replicas, "MANY_CHANGES", 5)


def listed(caller: Caller, model: ModelClass = GRANT, schema: Any = SCHEMA, **asked: Any) -> Found:
    return record_queries.page(caller, schema, Query(model, **{"per_page": 500, **asked}), walk="test")


def titles(caller: Caller, **asked: Any) -> list[Any]:
    return [record.values.get("title") for record in listed(caller, **asked).records]


def seconds_ago(seconds: int) -> int:
    """An id of an earlier moment."""
    return ids.new_id() - (seconds * clock.SECOND << ids.COUNT_BITS)


def take_snapshot(caller: Caller, model: ModelClass = GRANT) -> None:
    with record_replicas.opened(caller.account, model) as table:
        record_snapshots.store(table)


def asked_for(aws: dict[str, str]) -> list[Any]:
    """What snapshots were asked for."""
    found = own_client("sqs").receive_message(QueueUrl=aws["SnapshotRecordsQueue"], MaxNumberOfMessages=10)
    return [json.loads(each["Body"]) for each in found.get("Messages", ())]


def test_a_record_is_found_at_once_by_whoever_wrote_it_and_by_any_other_process(
    caller: Caller, processes: list[Process]
) -> None:
    processes += [Process(), Process()]
    record = made(caller, title="First")
    for each in processes:
        with each.at_work():
            assert listed(caller) == Found([record], 1)
    with processes[0].at_work():
        record = changed(record, title="Second")
        assert listed(caller) == Found([record], 1)
        other = made(caller, title="Other")
    with processes[1].at_work():
        assert listed(caller) == Found([record, other], 2)


def test_deleted_records_are_gone_softly_or_for_good(caller: Caller, processes: list[Process]) -> None:
    softly, hard, stays = (made(caller, title=title) for title in ("softly", "hard", "stays"))
    assert listed(caller).total == 3
    hidden = deleted(softly)
    assert store.remove(hard, None)
    assert listed(caller) == Found([stays], 1)
    assert store.remove(hidden, None)
    assert listed(caller) == Found([stays], 1)
    processes.append(Process())
    with processes[0].at_work():
        assert listed(caller) == Found([stays], 1)


def test_reading_what_has_not_changed_asks_the_table_once(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    made(caller, title="First")
    listed(caller)
    calls: list[str] = []
    query, batch_get = table.query, table.batch_get
    monkeypatch.setattr(table, "query", lambda *a, **k: calls.append("query") or query(*a, **k))
    monkeypatch.setattr(table, "batch_get", lambda *a, **k: calls.append("batch_get") or batch_get(*a, **k))
    listed(caller)
    assert calls == ["query"]
    made(caller, title="Second")
    calls.clear()
    listed(caller)
    listed(caller)
    assert calls == ["query", "batch_get", "query"]


def test_a_transaction_that_is_committed_late_is_not_missed(caller: Caller) -> None:
    record = made(caller, title="before")
    listed(caller)
    # Made half a minute ago, and committed only now, after the replica has seen the log up to now.
    changed(record, new_id=partial(seconds_ago, 30), title="late")
    assert titles(caller) == ["late"]


def test_functions_of_apis_end_within_half_of_the_time_that_is_read_again() -> None:
    usual = template.written()["Globals"]["Function"]["Timeout"]
    longest = max(
        function.get("Timeout", usual)
        for function in template.functions().values()
        if not function["Handler"].startswith("workers.")
    )
    assert longest * clock.SECOND <= record_replicas.LATE_MILLISECONDS / 2


def test_an_entry_whose_record_does_not_show_its_change_yet_is_read_again(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = made(caller, title="before")
    listed(caller)
    before = store.items(caller.account, GRANT.name, [record.id])
    changed(record, title="after")
    late = made(caller, title="new")
    with monkeypatch.context() as patch:
        # A transaction's items can be seen one after the other: here the entries before the records.
        patch.setattr(store, "items", lambda *_: before)
        assert titles(caller) == ["before"]
        position = record_replicas._replicas[caller.account, GRANT.name].table.position
        listed(caller)
        assert record_replicas._replicas[caller.account, GRANT.name].table.position == position
    assert titles(caller) == ["after", "new"]
    assert late.revision == 1


def test_of_two_writers_of_one_revision_one_is_refused_and_readers_see_the_other(caller: Caller) -> None:
    record = made(caller, title="before")
    listed(caller)
    changed(record, title="winner")
    loser = replace(record, values={"title": "loser"}, revision=2)
    assert not store.update(GRANT, loser, None)
    assert not store.remove(record, None)
    assert titles(caller) == ["winner"]


def test_a_replica_that_the_log_does_not_reach_is_read_anew(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    record = made(caller, title="before")
    listed(caller)
    changed(record, title="after")
    monkeypatch.setattr(store, "log", lambda *_: iter(()))  # as after a week: nothing tells of the change
    assert titles(caller) == ["before"]
    week_later = clock.now() + store.LOG_KEPT_MILLISECONDS
    monkeypatch.setattr(clock, "now", lambda: week_later)
    assert titles(caller) == ["after"]
    assert record_replicas.REACH_MILLISECONDS < store.LOG_KEPT_MILLISECONDS


def test_entries_of_the_log_expire_when_no_replica_needs_them(caller: Caller) -> None:
    record = made(caller)
    (entry,) = table.query(f"a#{ids.spell('', caller.account)[1:]}#r#grant#log")
    assert entry["expires"] >= (record.created + store.LOG_KEPT_MILLISECONDS) // clock.SECOND
    assert {name: entry[name] for name in ("type", "record", "revision")} == {
        "type": "record_change",
        "record": record.id,
        "revision": 1,
    }


@pytest.mark.usefixtures("small")
def test_a_fresh_process_begins_with_the_snapshot_and_catches_up(
    caller: Caller, processes: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [made(caller, title=str(number)) for number in range(8)]
    listed(caller)
    take_snapshot(caller)
    changed(records[0], title="changed")
    deleted(records[1])
    made(caller, title="new")
    pages: list[int] = []
    read = store.pages
    monkeypatch.setattr(store, "pages", lambda *k: (pages.append(len(page)) or page for page in read(*k)))
    processes.append(Process())
    with processes[0].at_work():
        assert titles(caller) == ["changed", "2", "3", "4", "5", "6", "7", "new"]
    assert pages == [3]


@pytest.mark.usefixtures("small")
def test_a_snapshot_that_is_older_than_the_log_is_not_used(
    caller: Caller, processes: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [made(caller, title=str(number)) for number in range(4)]
    listed(caller)
    take_snapshot(caller)
    changed(records[0], title="changed")
    week_later = clock.now() + store.LOG_KEPT_MILLISECONDS
    monkeypatch.setattr(clock, "now", lambda: week_later)
    monkeypatch.setattr(store, "log", lambda *_: iter(()))
    processes.append(Process())
    with processes[0].at_work():
        assert titles(caller) == ["changed", "1", "2", "3"]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("harm", ["torn", "garbage", "no table", "another account's", "another format"])
def test_a_snapshot_that_is_not_what_it_should_be_is_thrown_away(
    caller: Caller, processes: list[Process], harm: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number in range(5):
        made(caller, title=str(number))
    expected = titles(caller)
    take_snapshot(caller)
    key = record_snapshots._key(caller.account, GRANT.name)
    good = blobs.get(key)
    said = {"position": str(clock.now()), "bytes": "1000"}
    if harm == "torn":
        blobs.put(key, good[: len(good) // 2], said=said)
    elif harm == "garbage":
        blobs.put(key, b"\x1f\x8bgarbage", said=said)
    elif harm == "no table":
        blobs.put(key, gzip.compress(b"SQLite format 3\0" + b"x" * 5000), said=said)
    else:
        foreign = tmp_path / "foreign.sqlite"
        foreign.write_bytes(gzip.decompress(good))
        connection = sqlite3.connect(foreign)
        wrong = ("account", caller.account + 1) if harm == "another account's" else ("format", 999)
        connection.execute("UPDATE meta SET value = ? WHERE key = ?", wrong[::-1])
        connection.execute("DELETE FROM records")
        connection.commit()
        connection.close()
        blobs.put(key, gzip.compress(foreign.read_bytes()), said=said)
    processes.append(Process())
    with processes[0].at_work():
        assert titles(caller) == expected


def test_no_account_ever_sees_the_records_of_another(caller: Caller) -> None:
    stranger = factories.new_caller()
    mine, theirs = made(caller, title="mine"), made(stranger, title="theirs")
    assert listed(caller) == Found([mine], 1)
    assert listed(stranger) == Found([theirs], 1)
    assert record_queries.some(caller, SCHEMA, GRANT, [mine.id, theirs.id]) == {mine.id: mine}
    with record_replicas.opened(caller.account, GRANT) as one, record_replicas.opened(stranger.account, GRANT) as other:
        assert (one.account, other.account) == (caller.account, stranger.account)
    record_replicas.forget_all()
    assert record_queries.some(caller, SCHEMA, GRANT, [mine.id, theirs.id]) == {mine.id: mine}


@pytest.mark.usefixtures("small")
def test_a_process_that_had_to_take_in_many_changes_asks_for_a_snapshot_once(
    caller: Caller, aws: dict[str, str]
) -> None:
    records = [made(caller, title=str(number)) for number in range(3)]
    listed(caller)
    asked_for(aws)
    since = record_replicas._replicas[caller.account, GRANT.name].since
    records = [changed(record, title="x") for record in records]
    listed(caller)
    assert asked_for(aws) == []
    for record in records:
        changed(record, title="y")
    listed(caller)
    listed(caller)
    assert asked_for(aws) == [{"account": caller.account, "model": "grant", "than": since}]


@pytest.mark.usefixtures("small")
def test_who_reads_a_large_class_whole_asks_for_a_snapshot_before_the_end(
    caller: Caller, aws: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        made(caller, title=str(number))
    monkeypatch.setattr(record_replicas, "PATIENCE_SECONDS", -1)
    with (
        pytest.raises(LimitedError, match="still being prepared"),
        record_replicas.opened(caller.account, GRANT, patience_seconds=-1),
    ):
        pass
    assert asked_for(aws) == []
    pages = iter([None, None, None])

    def impatient(deadline: float) -> None:
        if next(pages, "over") == "over":
            raise LimitedError("over", retry_after_seconds=60)

    monkeypatch.setattr(record_replicas, "_check_time", impatient)
    with pytest.raises(LimitedError):
        listed(caller)
    assert asked_for(aws) == [{"account": caller.account, "model": "grant", "than": 0}]
    assert record_replicas._replicas == {}


def test_a_process_without_the_queue_asks_for_nothing_and_one_that_cannot_ask_goes_on(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUVIAL_SNAPSHOT_RECORDS_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/none")
    config.settings.cache_clear()
    record_snapshots.ask(caller.account, "grant", than=0)
    monkeypatch.delenv("FLUVIAL_SNAPSHOT_RECORDS_QUEUE_URL")
    config.settings.cache_clear()
    record_snapshots.ask(caller.account, "grant", than=0)


def test_a_field_that_the_class_gets_is_found_in_records_that_have_it_already(
    caller: Caller, processes: list[Process]
) -> None:
    color = Field("color", "string", "", custom=True, attribute=7)
    wider = replace(GRANT, fields=(*GRANT.fields, color))
    red = made(caller, title="red")
    listed(caller)
    changed(red, wider, color="red")
    made(caller, wider, title="blue", color="blue")
    processes.append(Process())
    for each in (Process(), processes[0]):
        with each.at_work():
            assert listed(caller).total == 2  # through the narrower class, as who has not heard of the field
            found = listed(caller, wider, condition=Comparison(color, "eq", ("red",)), order=((color, True),))
            assert [record.values for record in found.records] == [{"title": "red", "color": "red"}]
            assert listed(caller, wider, words="BLUE").total == 1
            each.end()


def test_a_field_that_is_defined_anew_does_not_have_the_values_of_its_predecessor(caller: Caller) -> None:
    old, new = (Field("color", "string", "", custom=True, attribute=number) for number in (7, 8))
    before, after = (replace(GRANT, fields=(*GRANT.fields, each)) for each in (old, new))
    made(caller, before, title="a", color="red")
    assert listed(caller, before, condition=Comparison(old, "eq", ("red",))).total == 1
    assert listed(caller, after, condition=Comparison(new, "eq", ("red",))).total == 0
    assert listed(caller, after, words="red").total == 0
    assert listed(caller, before, condition=Comparison(old, "eq", ("red",))).total == 1
    number = replace(GRANT, fields=(*GRANT.fields, replace(old, type="integer", attribute=9)))
    made(caller, number, title="b", color=12)
    assert listed(caller, number, condition=Comparison(number.fields[-1], "gt", (5,))).total == 1


def test_the_least_recently_used_files_go_when_all_are_too_large(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(caller, title="a")
    made(caller, PROGRAM, name="b")
    with record_replicas.opened(caller.account, GRANT) as grants:
        path = grants.path
    monkeypatch.setenv("FLUVIAL_MAX_RECORD_FILES_BYTES", "1")
    config.settings.cache_clear()
    with record_replicas.opened(caller.account, GRANT) as held:
        assert listed(caller, PROGRAM).total == 1
        assert held.count() == 1  # what is being read stays
    listed(caller, PROGRAM)
    assert list(record_replicas._replicas) == [(caller.account, "program")]
    assert not path.exists()
    assert titles(caller) == ["a"]


def test_files_of_processes_that_are_gone_are_removed_and_those_of_others_stay(tmp_path: Path) -> None:
    code = (
        "from fluvial import record_replicas; import os, sys;"
        "folder = record_replicas._folder(); (folder / 'x.sqlite').write_text('x');"
        "print(folder, flush=True); sys.stdin.readline(); os._exit(1)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}

    def start() -> tuple[subprocess.Popen[str], Path]:
        process = subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    dies, left = start()
    dies.communicate("\n")
    lives, kept = start()
    assert not left.exists()
    third, own = start()
    assert (kept / "x.sqlite").exists()
    assert own != kept
    for each in (lives, third):
        each.communicate("\n")


def test_a_broken_file_is_forgotten_so_that_the_next_reader_has_a_good_one(caller: Caller) -> None:
    made(caller, title="a")
    with pytest.raises(sqlite3.DatabaseError), record_replicas.opened(caller.account, GRANT):
        raise sqlite3.DatabaseError("database disk image is malformed")
    assert record_replicas._replicas == {}
    assert titles(caller) == ["a"]


def test_a_query_that_sqlite_does_not_take_leaves_the_replica_as_it_is(caller: Caller) -> None:
    made(caller, title="a")
    with pytest.raises(sqlite3.OperationalError), record_replicas.opened(caller.account, GRANT) as grants:
        grants.select("SELECT nothing FROM records")
    assert record_replicas.is_warm(caller.account, GRANT.name)


@pytest.mark.parametrize("harmed", ["put", "remove"])
def test_a_reader_that_dies_while_it_catches_up_misses_nothing(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, harmed: str
) -> None:
    records = [made(caller, title=str(number)) for number in range(3)]
    listed(caller)
    for record in records:
        changed(record, title="changed")
    with monkeypatch.context() as patch:
        patch.setattr(record_tables.Table, harmed, lambda *_: (_ for _ in ()).throw(Died()))
        with pytest.raises(Died):
            listed(caller)
    assert record_replicas._replicas == {}
    assert titles(caller) == ["changed"] * 3


def test_threads_take_turns(caller: Caller) -> None:
    for number in range(5):
        made(caller, title=str(number))
    found: list[int] = []

    def read() -> None:
        for _ in range(5):
            found.append(listed(caller).total)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [5] * 20


Step = tuple[str, int, dict[str, Any]]

values = st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from(["a", "B", "ab", "Äpfel", "z 'x'"]),
        "summary": st.sampled_from(["", "clean water", "Water", "school"]),
        "amount": st.sampled_from([money("1.5"), money("-2"), money("10"), money("1E+3")]),
        "granted": st.booleans(),
    },
)
steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["create", "create", "update", "late", "delete", "remove", "read", "read", "restart", "snapshot"]
        ),
        st.integers(0, 30),
        values,
    ),
    max_size=25,
)

QUERIES: list[tuple[dict[str, Any], Any, Any]] = [
    ({}, lambda r: True, lambda r: ()),
    (
        {"condition": Comparison(TITLE, "contains", ("A",)), "order": ((AMOUNT, True),)},
        lambda r: "a" in r.values.get("title", "").casefold(),
        lambda r: -r.values.get("amount", money("-Infinity")),
    ),
    (
        {"condition": Comparison(AMOUNT, "gt", (money("0"),)), "order": ((TITLE, False),)},
        lambda r: r.values.get("amount", 0) > 0,
        lambda r: (record_columns.folded(r.values["title"]),) if "title" in r.values else (),
    ),
    ({"words": "WATER"}, lambda r: "water" in r.values.get("summary", "").casefold(), lambda r: ()),
    (
        {"condition": Comparison(GRANTED, "eq", (True,)), "order": ((GRANTED, False), (SUMMARY, True))},
        lambda r: r.values.get("granted") is True,
        lambda r: (*(-ord(c) for c in record_columns.folded(r.values.get("summary", ""))), 10),
    ),
]
"""What is asked, whether a record fits, and by what it is sorted before its id."""


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
@pytest.mark.usefixtures("small")
def test_every_page_is_what_the_table_holds_whoever_wrote_and_read_before(
    aws: dict[str, str], steps: list[Step]
) -> None:
    caller = Caller(ids.new_id(), 1, 1, "professional", frozenset("*"))
    readers = [Process(), Process()]
    there: dict[int, Record] = {}

    def check(place: int) -> None:
        for asked, fits, by in QUERIES[place % len(QUERIES) :][:2]:
            expected = sorted((each for each in there.values() if fits(each)), key=lambda each: (by(each), each.id))
            found = listed(caller, **asked)
            assert found.total == len(expected)
            assert found.records == expected

    for what, place, given_values in steps:
        picked = list(there.values())[place % len(there)] if there else None
        with readers[place % 2].at_work():
            if what == "create":
                record = made(caller, **given_values)
                there[record.id] = record
            elif what == "read":
                check(place)
            elif what == "restart":
                record_replicas.forget_all()
            elif what == "snapshot":
                take_snapshot(caller)
            elif picked is None:
                continue
            elif what in ("update", "late"):
                new_id = ids.new_id if what == "update" else partial(seconds_ago, place)
                there[picked.id] = changed(picked, new_id=new_id, **given_values)
            elif what == "delete":
                deleted(picked)
                del there[picked.id]
            else:
                assert store.remove(picked, None)
                del there[picked.id]
    for each in readers:
        with each.at_work():
            for place in range(len(QUERIES)):
                check(place)
        each.end()


def test_a_number_that_only_looks_exact_as_a_float_is_found_exactly(caller: Caller) -> None:
    exact = money("12345678901234567890.123456789")
    record = made(caller, amount=exact)
    assert listed(caller, condition=Comparison(AMOUNT, "eq", (exact,))).records == [record]
    assert listed(caller, condition=Comparison(AMOUNT, "eq", (exact + money("0.000000001"),))).records == []
