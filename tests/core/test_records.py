"""Records on moto: what is stored, logged and told, and what two writers, deaths and retries make of it."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from fluvial import aws as aws_clients
from fluvial import events, exact_json, ids, record_changes, record_schemas, record_views, records
from fluvial.aws import client
from fluvial.caller import Caller
from fluvial.errors import NotFoundError, RecordInvalidError, ReusedKeyError, StaleError, UnknownModelError
from fluvial.idempotency import Once
from fluvial.record_classes import Field, ModelClass, common_fields
from fluvial.records import Record
from fluvial.store import keys, table
from fluvial.store import records as store
from fluvial.store.table import ConditionError, GuardError
from tests import factories
from tests.workers.pipeline import Died
from tests.workers.test_crashes import Crash

PROGRAM = ModelClass("program", "Programs.", (*common_fields(), Field("name", "string", "")), label=("name",))
GRANT = ModelClass(
    "grant",
    "Grants.",
    (
        *common_fields(states=("draft", "pending")),
        Field("title", "string", "", required=True),
        Field("summary", "text", ""),
        Field("more_summary", "text", ""),
        Field("amount", "decimal", ""),
        Field("program_id", "relation", "", related="program"),
        Field("parent_id", "relation", "", related="grant"),
        Field("project_id", "relation", "", related="project"),
        Field("owner_id", "relation", "", type_field="owner_type"),
        Field("owner_type", "string", ""),
    ),
    states=("draft", "pending"),
)
PROJECT = ModelClass("project", "Projects.", (*common_fields(), Field("name", "string", "")), platform=True)


class Classes:
    """A schema of three classes."""

    def model(self, name: str) -> ModelClass:
        for each in (PROGRAM, GRANT, PROJECT):
            if name in (each.name, each.camel):
                return each
        raise UnknownModelError(name)


SCHEMA: Any = Classes()


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def crash(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Crash]:
    crash = Crash()
    made = client("dynamodb")
    monkeypatch.setattr(made, "_make_api_call", crash.wrap(made._make_api_call))
    yield crash
    aws_clients.client.cache_clear()


def create(caller: Caller, model: ModelClass = GRANT, **given: Any) -> Record:
    return records.create(caller, SCHEMA, model, {"title": "A grant", **given} if model is GRANT else given)


def get(caller: Caller, record: Record) -> Record | None:
    return records.get(caller, SCHEMA, SCHEMA.model(record.model), record.id)


def update(caller: Caller, record: Record, given: dict[str, Any], **named: Any) -> Record:
    return records.update(caller, SCHEMA, SCHEMA.model(record.model), record.id, given, **named)


def delete(caller: Caller, record: Record, **named: Any) -> bool:
    return records.delete(caller, SCHEMA, SCHEMA.model(record.model), record.id, **named)


def told(caller: Caller) -> list[events.Event]:
    found = events.read(caller, events.position(0), limit=1_000).events
    return [event for event in found if event.type.startswith("record.")]


def logged(caller: Caller, model: ModelClass = GRANT) -> list[tuple[int, int, bool]]:
    return [
        (each.record, each.revision, each.removed) for page in store.log(caller.account, model.name, 0) for each in page
    ]


def problems(caller: Caller, given: dict[str, Any], record: Record | None = None) -> dict[str, list[str]]:
    write = partial(records.create, caller, SCHEMA, GRANT) if record is None else partial(update, caller, record)
    with pytest.raises(RecordInvalidError) as refused:
        write(given)
    return refused.value.problems


def once(caller: Caller, key: str = "k", fingerprint: str = "f") -> Once[Record]:
    return Once(caller.account, "route", key, fingerprint, 200, lambda record: json.dumps([record.id, record.revision]))


def test_a_new_record_is_stored_logged_and_told(caller: Caller) -> None:
    program = create(caller, PROGRAM, name="Water")
    record = records.create(
        caller,
        SCHEMA,
        GRANT,
        {"title": "Wells", "amount": Decimal("1234567890123456789.25"), "program": {"id": program.id}},
        now=lambda: 1_800_000_000_123,
    )
    assert record == Record(
        id=record.id,
        account=caller.account,
        model="grant",
        created=1_800_000_000_123,
        updated=1_800_000_000_123,
        by=caller.user,
        updated_by=caller.user,
        values={
            "title": "Wells",
            "amount": Decimal("1234567890123456789.25"),
            "program_id": program.id,
            "state": "draft",
        },
    )
    assert get(caller, record) == record
    assert logged(caller) == [(record.id, 1, False)]
    event = told(caller)[-1]
    assert (event.type, event.created) == ("record.created", 1_800_000_000_123)
    assert event.data == {
        "class": "Grant",
        "model": "grant",
        "id": record.id,
        "record": {
            "id": record.id,
            "created_at": "2027-01-15T08:00:00Z",
            "updated_at": "2027-01-15T08:00:00Z",
            "created_by_id": caller.user,
            "updated_by_id": caller.user,
            "state": "draft",
            "title": "Wells",
            "amount": "1234567890123456789.25",
            "program_id": program.id,
        },
    }


def test_a_change_is_stored_logged_and_told(caller: Caller) -> None:
    record = create(caller, amount=1)
    other = replace(caller, user=factories.new_member(caller, "editor").id)
    changed = update(other, record, {"amount": "", "state": "pending"}, now=lambda: record.updated + 5_000)
    values = {"title": "A grant", "state": "pending"}
    assert changed == replace(record, values=values, revision=2, updated=record.updated + 5_000, updated_by=other.user)
    assert get(caller, record) == changed
    assert logged(caller) == [(record.id, 1, False), (record.id, 2, False)]
    assert [event.type for event in told(caller)] == ["record.created", "record.updated"]
    assert told(caller)[-1].data["record"]["state"] == "pending"


def test_a_clock_that_goes_back_does_not_turn_time_around(caller: Caller) -> None:
    record = create(caller)
    assert update(caller, record, {"title": "New"}, now=lambda: 0).updated == record.updated


def test_what_changes_nothing_is_no_change(caller: Caller) -> None:
    record = create(caller, amount=Decimal("2.50"))
    assert update(caller, record, {"amount": "2.5", "id": record.id, "title": "A grant"}) == record
    assert len(logged(caller)) == len(told(caller)) == 1


def test_a_record_at_another_revision_than_expected_is_not_changed(caller: Caller) -> None:
    record = create(caller)
    changed = update(caller, record, {"title": "New"}, expected=1)
    with pytest.raises(StaleError):
        update(caller, record, {"title": "Newer"}, expected=1)
    assert get(caller, record) == changed


def test_a_record_that_is_not_there_cannot_be_changed(caller: Caller) -> None:
    record = create(caller)
    delete(caller, record)
    for absent in (record, replace(record, id=ids.new_id())):
        with pytest.raises(NotFoundError):
            update(caller, absent, {"title": "New"})


def test_all_that_is_wrong_is_told_at_once_relations_too(caller: Caller) -> None:
    other = factories.new_caller()
    foreign, gone = create(other, PROGRAM, name="x"), create(caller)
    delete(caller, gone)
    given = {
        "amount": "abc",
        "program_id": foreign.id,
        "parent_id": gone.id,
        "project_id": 7,
        "owner": {"model_type": "Nobody", "id": 1},
    }
    assert problems(caller, given) == {
        "amount": ['must be a number, not "abc"'],
        "title": ["can't be blank"],
        "program_id": [f"names program {foreign.id}, and there is no such record"],
        "parent_id": [f"names grant {gone.id}, and there is no such record"],
        "project_id": ["names project 7, and there is no such record"],
        "owner_type": ["names no class: 'Nobody'"],
    }
    assert len(told(caller)) == 2


@pytest.mark.parametrize("name", ["program_id", "parent_id", "project_id"])
def test_a_relation_to_nothing_is_refused_where_all_else_is_right(caller: Caller, name: str) -> None:
    related = name.removesuffix("_id").replace("parent", "grant")
    expected = {name: [f"names {related} 7, and there is no such record"]}
    assert problems(caller, {"title": "x", name: 7}) == expected
    assert problems(caller, {name: 7}, create(caller)) == expected


def test_a_relation_to_any_class_is_stored_under_the_name_of_the_class(caller: Caller) -> None:
    program = create(caller, PROGRAM, name="Water")
    record = create(caller, owner={"model_type": "program", "id": program.id})
    assert (record.values["owner_id"], record.values["owner_type"]) == (program.id, "Program")
    assert problems(caller, {"owner": {"model_type": "Grant", "id": program.id}}, record) == {
        "owner_id": [f"names grant {program.id}, and there is no such record"]
    }


def test_a_relation_to_a_project_is_looked_up_by_its_own_rules(caller: Caller) -> None:
    project = factories.new_project(caller)
    assert create(caller, project_id=project.id).values["project_id"] == project.id


def test_a_record_can_point_at_itself_and_twice_at_another(caller: Caller) -> None:
    program = create(caller, PROGRAM, name="Water")
    record = create(caller, program_id=program.id, owner={"model_type": "Program", "id": program.id})
    assert update(caller, record, {"parent_id": record.id}).values["parent_id"] == record.id


def test_what_points_at_a_deleted_record_stays_as_it_is(caller: Caller) -> None:
    program = create(caller, PROGRAM, name="Water")
    record = create(caller, program_id=program.id)
    delete(caller, program, hard=True)
    changed = update(caller, record, {"title": "New", "program_id": program.id})
    assert changed.values == {"title": "New", "state": "draft", "program_id": program.id}


def test_a_record_that_is_deleted_while_another_comes_to_point_at_it_is_missed(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, write = create(caller, PROGRAM, name="Water"), store.create

    def deleted_meanwhile(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(store, "create", write)
        delete(caller, program)
        return write(*arguments, **named)

    monkeypatch.setattr(store, "create", deleted_meanwhile)
    assert problems(caller, {"title": "x", "program_id": program.id}).keys() == {"program_id"}


def test_more_relations_than_a_transaction_checks_are_checked(caller: Caller) -> None:
    related = tuple(Field(f"r{number}_id", "relation", "", related="program") for number in range(30))
    wide = ModelClass("wide", "Wide.", (*common_fields(), *related))
    given = {field.name: create(caller, PROGRAM, name=field.name).id for field in related}
    assert records.create(caller, SCHEMA, wide, given).values == given
    with pytest.raises(RecordInvalidError) as refused:
        records.create(caller, SCHEMA, wide, given | {"r29_id": 7})
    assert refused.value.problems == {"r29_id": ["names program 7, and there is no such record"]}


def test_a_deleted_record_is_absent(caller: Caller) -> None:
    record = create(caller)
    assert delete(caller, record, now=lambda: record.updated + 7)
    assert get(caller, record) is None
    kept = store.get(GRANT, caller.account, record.id)
    assert kept is not None
    assert (kept.deleted, kept.updated, kept.revision) == (record.updated + 7, record.updated + 7, 2)
    assert logged(caller) == [(record.id, 1, False), (record.id, 2, False)]
    assert [event.type for event in told(caller)] == ["record.created", "record.deleted"]


def test_deleting_again_is_no_error_and_no_event(caller: Caller) -> None:
    record = create(caller)
    assert [delete(caller, record) for _ in range(3)] == [True] * 3
    assert [event.type for event in told(caller)] == ["record.created", "record.deleted"]


@pytest.mark.parametrize("softly_before", [True, False])
def test_a_record_is_removed_for_good(caller: Caller, softly_before: bool) -> None:
    record = create(caller)
    if softly_before:
        delete(caller, record)
    assert delete(caller, record, hard=True)
    assert store.get(GRANT, caller.account, record.id) is None
    assert not delete(caller, record, hard=True)
    assert [event.type for event in told(caller)] == ["record.created", "record.deleted"]
    assert logged(caller)[-1] == (record.id, 3 if softly_before else 2, True)


def test_a_write_can_delete(caller: Caller) -> None:
    record = create(caller)
    gone = update(caller, record, {"deleted_at": "2026-01-01T00:00:00.000Z", "title": "Last", "updated_by_id": 1})
    assert (gone.id, gone.values["title"], gone.deleted) == (record.id, "Last", gone.updated)
    assert get(caller, record) is None
    assert [event.type for event in told(caller)] == ["record.created", "record.deleted"]


def test_of_two_writers_at_once_neither_is_lost(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    record, write = create(caller), store.update

    def overtaken(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(store, "update", write)
        update(caller, record, {"amount": 5})
        return write(*arguments, **named)

    monkeypatch.setattr(store, "update", overtaken)
    changed = update(caller, record, {"title": "New"})
    assert changed.values == {"title": "New", "amount": Decimal(5), "state": "draft"}
    assert get(caller, record) == changed
    assert [entry[:2] for entry in logged(caller)] == [(record.id, 1), (record.id, 2), (record.id, 3)]


def test_a_write_that_meets_a_deletion_finds_nothing(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    record, write = create(caller), store.update

    def deleted_meanwhile(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(store, "update", write)
        delete(caller, record, hard=True)
        return write(*arguments, **named)

    monkeypatch.setattr(store, "update", deleted_meanwhile)
    with pytest.raises(NotFoundError):
        update(caller, record, {"title": "New"})


def test_to_another_account_a_record_does_not_exist(caller: Caller) -> None:
    record, other = create(caller), factories.new_caller()
    assert get(other, record) is None
    assert not delete(other, record, hard=True)
    with pytest.raises(NotFoundError):
        update(other, record, {"title": "Mine"})
    assert get(caller, record) == record


def test_an_id_of_another_class_is_absent(caller: Caller) -> None:
    assert records.get(caller, SCHEMA, PROGRAM, create(caller).id) is None


def test_a_record_is_at_most_so_large(caller: Caller) -> None:
    field = Field("body", "text", "")
    wide = replace(GRANT, fields=(*GRANT.fields, *(replace(field, name=f"body{number}") for number in range(4))))
    full = {f"body{number}": "x" * 100_000 for number in range(3)}
    record = records.create(caller, SCHEMA, wide, {"title": "x", **full})
    assert records.get(caller, SCHEMA, wide, record.id) == record
    with pytest.raises(RecordInvalidError) as refused:
        records.update(caller, SCHEMA, wide, record.id, {"body3": "é" * 100_000})
    ((name, reasons),) = refused.value.problems.items()
    assert name == "body3"
    assert f"at most {record_changes.MAX_PACKED_BYTES}" in reasons[0]


def test_an_event_says_that_a_large_record_is_left_out(caller: Caller) -> None:
    record = create(caller, summary="x" * 60_000, more_summary="y" * 60_000)
    data = told(caller)[-1].data
    assert (data["id"], data["record"]) == (record.id, None)
    assert "fetch it" in data["omitted"]


def test_what_the_platform_says_itself_is_stored(caller: Caller) -> None:
    numbered = replace(GRANT, fields=(*GRANT.fields, Field("number", "integer", "", writable=False, required=True)))
    record = records.create(caller, SCHEMA, numbered, {"title": "x"}, own={"number": 5})
    changed = records.update(caller, SCHEMA, numbered, record.id, {"number": 5}, own={"number": 6})
    assert (record.values["number"], changed.values["number"]) == (5, 6)


def test_what_is_added_to_the_transaction_happens_with_it_or_not_at_all(caller: Caller) -> None:
    more = table.put((keys.listed(caller.account, "test"), "x"), {"type": "test"})
    record = records.create(caller, SCHEMA, GRANT, {"title": "x"}, more=[more])
    assert table.get(more.key) is not None
    for write in (
        lambda: records.create(caller, SCHEMA, GRANT, {"title": "x"}, more=[more]),
        lambda: records.update(caller, SCHEMA, GRANT, record.id, {"title": "y"}, more=[more]),
    ):
        with pytest.raises(ConditionError):
            write()
    assert (len(told(caller)), get(caller, record)) == (1, record)


def test_under_one_key_a_record_is_made_once(caller: Caller) -> None:
    record = records.create(caller, SCHEMA, GRANT, {"title": "x"}, once=once(caller))
    with pytest.raises(GuardError):
        records.create(caller, SCHEMA, GRANT, {"title": "x"}, once=once(caller))
    found = once(caller).find()
    assert found is not None
    assert json.loads(found.body) == [record.id, 1]
    assert len(told(caller)) == 1
    with pytest.raises(ReusedKeyError):
        once(caller, fingerprint="another").find()


@pytest.mark.parametrize("title", ["New", "A grant"])
def test_under_one_key_a_record_is_changed_once_even_where_nothing_changes(caller: Caller, title: str) -> None:
    record = create(caller)
    changed = update(caller, record, {"title": title}, once=once(caller))
    update(caller, record, {"title": "Newer"})
    with pytest.raises(GuardError):
        update(caller, record, {"title": title}, once=once(caller))
    found = once(caller).find()
    assert found is not None
    assert json.loads(found.body) == [record.id, changed.revision]


def test_a_refused_write_keeps_no_answer(caller: Caller) -> None:
    with pytest.raises(RecordInvalidError):
        records.create(caller, SCHEMA, GRANT, {}, once=once(caller))
    assert once(caller).find() is None


def retried(caller: Caller, key: str, write: Any) -> None:
    """A client that was not answered sends its request again under its key, until it is."""
    for _ in range(3):
        with contextlib.suppress(Died):
            if once(caller, key).find() is not None:
                return
            write(once(caller, key))


@pytest.mark.parametrize("when", ["before", "after"])
def test_writes_survive_a_death_at_any_call(caller: Caller, crash: Crash, when: str) -> None:
    program = create(caller, PROGRAM, name="Water")
    before = len(told(caller))
    for number in itertools.count():
        crash.arm(number, when)
        given = {"title": "x", "program_id": program.id}
        retried(caller, f"c{number}", lambda kept, given=given: records.create(caller, SCHEMA, GRANT, given, once=kept))
        survived = crash.countdown is not None and crash.countdown >= 0
        crash.countdown = None
        found = once(caller, f"c{number}").find()
        assert found is not None
        record = store.get(GRANT, caller.account, json.loads(found.body)[0])
        assert record is not None
        crash.arm(number, when)
        retried(
            caller,
            f"u{number}",
            lambda kept, record=record: update(caller, record, {"amount": 5}, once=kept),
        )
        crash.countdown = None
        changed = get(caller, record)
        assert changed is not None
        assert (changed.values["amount"], changed.revision) == (Decimal(5), 2)
        crash.arm(number, when)
        for _ in range(2):
            with contextlib.suppress(Died):
                delete(caller, record)
        crash.countdown = None
        assert get(caller, record) is None
        happened = [event.type for event in told(caller) if event.data["id"] == record.id]
        assert happened == ["record.created", "record.updated", "record.deleted"], number
        assert [entry[1] for entry in logged(caller) if entry[0] == record.id] == [1, 2, 3]
        if survived:
            break
    assert number >= 2
    assert len(told(caller)) == before + 3 * (number + 1)


def test_requests_for_grants_are_numbered(caller: Caller) -> None:
    schema = record_schemas.of(caller.account)
    model = schema.model("grant_request")
    moment = 1_800_000_000_000

    def made(given: dict[str, Any]) -> Record:
        return records.create(caller, schema, model, given, now=lambda: moment)

    first, second, own = made({"granted": True}), made({"base_request_id": ""}), made({"base_request_id": "R-7"})
    assert [each.values["base_request_id"] for each in (first, second, own)] == ["R-2027-00001", "R-2027-00002", "R-7"]
    assert (first.values["request_id"], first.values["grant_id"]) == ("R-2027-00001", "G-2027-00001")
    with pytest.raises(RecordInvalidError):
        made({"amount_requested": "abc"})
    assert made({}).values["base_request_id"] == "R-2027-00003"
    assert records.get(caller, schema, model, first.id) == first


def test_what_is_stored_of_fields_that_are_not_known_stays(caller: Caller) -> None:
    later = replace(GRANT, fields=(*GRANT.fields, Field("badge", "string", "", custom=True, attribute=5)))
    record = records.create(caller, SCHEMA, later, {"title": "x", "badge": "7"})
    changed = update(caller, record, {"title": "y"})
    assert "badge" not in changed.values
    found = records.get(caller, SCHEMA, later, record.id)
    assert found is not None
    assert (found.values["badge"], found.values["title"]) == ("7", "y")


def test_a_record_that_is_written_back_whole_as_it_was_shown_changes_nothing(caller: Caller) -> None:
    schema = record_schemas.of(caller.account)
    requests, reports = schema.model("grant_request"), schema.model("request_report")
    organization = records.create(caller, schema, schema.model("organization"), {"name": "Acme"})
    given = {"program_organization": {"id": organization.id}, "amount_requested": "25000.50", "granted": True}
    record = records.create(caller, schema, requests, given)
    report = records.create(caller, schema, reports, {"request_id": record.id})
    names = [name for each in requests.fields for name in (each.name, *each.other_names)]
    (shown,) = record_views.show(caller, schema, requests, [record], record_views.view(requests, names, {}))
    assert (shown["request_reports"], shown["program_organization"]) == ([report.id], [organization.id])
    back = json.loads(exact_json.dumps(shown), parse_float=Decimal)
    assert records.update(caller, schema, requests, record.id, back) == record
    changed = records.update(caller, schema, requests, record.id, back | {"program_organization_id": ""})
    assert "program_organization_id" not in changed.values
    with pytest.raises(RecordInvalidError) as refused:
        records.update(caller, schema, requests, record.id, {"request_reports": []})
    assert refused.value.problems == {
        "request_reports": ["shows the request_report records that point here: set 'request_id' of those instead"]
    }
