"""Change queues: which changes they collect, and that each is served until it is finished, and then never again."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from fluvial import (
    analyses,
    blobs,
    change_batches,
    change_queues,
    clock,
    events,
    ids,
    pages,
    projects,
    record_events,
    record_schemas,
    records,
    roles,
)
from fluvial.aws import client
from fluvial.caller import Caller
from fluvial.change_batches import Entry
from fluvial.change_queues import Change, Queue
from fluvial.config import settings
from fluvial.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, UnknownModelError
from fluvial.events import Event
from fluvial.record_classes import ModelClass
from fluvial.records import Record
from fluvial.store import change_queues as store
from fluvial.store import events as outbox
from fluvial.store import keys, table
from tests import factories, template

MODEL = "grant_request"
COUNT = {"function": "count", "as": "n"}


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


def new_queue(caller: Caller, model: str = MODEL, **more: Any) -> Queue:
    return change_queues.create(caller, name="A queue", model=model, **more)


def model_of(caller: Caller, name: str = MODEL) -> ModelClass:
    return record_schemas.of(caller.account).model(name)


def new_record(caller: Caller, model: str = MODEL, **values: Any) -> Record:
    schema = record_schemas.of(caller.account)
    return records.create(caller, schema, schema.model(model), values or {"project_title": "Wells"})


def change_record(caller: Caller, record: Record, **values: Any) -> Record:
    schema = record_schemas.of(caller.account)
    return records.update(caller, schema, schema.model(record.model), record.id, values)


def delete_record(caller: Caller, record: Record, *, hard: bool = False) -> None:
    schema = record_schemas.of(caller.account)
    assert records.delete(caller, schema, schema.model(record.model), record.id, hard=hard)


def events_of(caller: Caller) -> list[Event]:
    return outbox.after(caller.account, events.BEGINNING, limit=1_000)


def collect_all(caller: Caller) -> int:
    """Brings all that has happened to the queues, as the worker does; how many entries are new."""
    return sum(change_queues.collect(event) for event in events_of(caller))


def poll_text(caller: Caller, queue: Queue, limit: int = 1_000, **more: Any) -> str:
    return change_batches.poll(caller, queue, limit=limit, new_uuid=change_queues.new_uuid, **more)


def poll(caller: Caller, queue: Queue, limit: int = 1_000, **more: Any) -> tuple[str, list[dict[str, Any]]]:
    """The job, and the entries."""
    answer = json.loads(poll_text(caller, queue, limit, **more), parse_float=Decimal)
    assert answer["api_queue"] == queue.uuid
    return answer["job_uuid"], answer["data"]


def drain(caller: Caller, queue: Queue, limit: int = 1_000) -> list[dict[str, Any]]:
    """Everything that the queue has, each batch finished."""
    found: list[dict[str, Any]] = []
    while True:
        job, data = poll(caller, queue, limit)
        assert change_batches.finish(queue, job).count == len(data)
        if not data:
            return found
        found += data


def waiting(queue: Queue) -> list[Entry]:
    return store.waiting(queue, limit=10_000)


def put_entries(queue: Queue, count: int, start: int = 0) -> list[Entry]:
    """Entries of records that are not there, in the order of their numbers."""
    moment = clock.now()
    made = [
        Entry(f"{ids.spell(ids.EVENT, number)}0123456789", number, "created", moment)
        for number in range(start + 1, start + count + 1)
    ]
    assert store.add(queue, made) == count
    return made


def identities(data: list[dict[str, Any]]) -> list[int]:
    return [entry["identity"] for entry in data]


# ------------------------------------------------------------ definitions


def test_a_queue_collects_all_that_happens_to_a_class_unless_it_says_otherwise(caller: Caller) -> None:
    queue = change_queues.create(caller, name="All", model="GrantRequest")
    assert change_queues.get(caller, queue.id) == queue
    assert (queue.model, queue.filter, queue.columns) == (MODEL, None, None)
    assert queue.triggers == ("created", "updated", "deleted")
    assert change_queues.find(caller, queue.uuid.upper()) == queue


def test_only_administrators_see_and_define_queues(caller: Caller) -> None:
    queue = new_queue(caller)
    for role in (roles.EDITOR, roles.VIEWER):
        lower = replace(caller, role=role)
        for attempt in (
            lambda who=lower: change_queues.all_of(who),
            lambda who=lower: change_queues.get(who, queue.id),
            lambda who=lower: new_queue(who),
            lambda who=lower: change_queues.update(who, queue.id, Change(frozenset({"name"}), "Other")),
            lambda who=lower: change_queues.delete(who, queue.id),
        ):
            with pytest.raises(ForbiddenError):
                attempt()
        assert poll(lower, queue) == (change_batches.NO_JOB, [])
    assert change_queues.all_of(replace(caller, role=roles.SYSTEM)) == [queue]


def test_another_account_s_queue_is_absent(caller: Caller) -> None:
    queue, stranger = new_queue(caller), factories.new_caller()
    for attempt in (
        lambda: change_queues.get(stranger, queue.id),
        lambda: change_queues.find(stranger, queue.uuid),
        lambda: change_queues.delete(stranger, queue.id),
    ):
        with pytest.raises(NotFoundError):
            attempt()
    for absent in ("", "x" * 2_000, queue.uuid[:-1], str(queue.id)):
        with pytest.raises(NotFoundError):
            change_queues.find(caller, absent)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": " "}, "name"),
        ({"triggers": []}, "triggers"),
        ({"triggers": ["moved"]}, "triggers"),
        ({"columns": ["no_such_column"]}, "cols"),
        ({"columns": ["name"] * 201}, "cols"),
        ({"filter": ["project_title", "contains", "x" * 20_000]}, "filter"),
    ],
)
def test_what_a_queue_cannot_have_is_refused_with_its_field(caller: Caller, given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as refused:
        change_queues.create(caller, **{"name": "A queue", "model": MODEL, **given})
    assert refused.value.field == field
    assert change_queues.all_of(caller) == []


@pytest.mark.parametrize("filter", [["no_such_field", "eq", 1], ["project_title", "resembles", "x"], 17])
def test_a_filter_is_read_when_it_is_defined(caller: Caller, filter: object) -> None:
    with pytest.raises(InvalidError):
        new_queue(caller, filter=filter)


def test_the_class_must_be_there(caller: Caller) -> None:
    with pytest.raises(UnknownModelError):
        new_queue(caller, "no_such_class")


def test_an_account_has_at_most_fifty_queues_also_when_they_are_made_at_once(caller: Caller) -> None:
    made = [new_queue(caller) for _ in range(change_queues.MAX_QUEUES)]
    with pytest.raises(ConflictError, match="at most 50 change queues"):
        new_queue(caller)
    change_queues.delete(caller, made[0].id)
    assert new_queue(caller) in change_queues.all_of(caller)
    assert new_queue(factories.new_caller()).id


def test_a_change_leaves_what_it_does_not_name(caller: Caller) -> None:
    queue = new_queue(caller, filter=["amount_requested", "gt", Decimal("0.10")], columns=["project_title"])
    renamed = change_queues.update(caller, queue.id, Change(frozenset({"name"}), "Renamed"))
    assert renamed == replace(queue, name="Renamed", updated=renamed.updated, revision=2)
    cleared = change_queues.update(caller, queue.id, Change(frozenset({"filter", "cols", "triggers"})))
    assert (cleared.filter, cleared.columns, cleared.triggers) == (None, None, change_queues.TRIGGERS)
    assert change_queues.get(caller, queue.id) == cleared
    with pytest.raises(InvalidError):
        change_queues.update(caller, queue.id, Change(frozenset()))


def test_the_numbers_of_a_filter_keep_their_digits(caller: Caller) -> None:
    queue = new_queue(caller, filter=["amount_requested", "eq", Decimal("12345678901234567890.10")])
    assert queue.filter == '["amount_requested","eq",12345678901234567890.10]'
    assert change_queues.get(caller, queue.id).filter_value[2] == Decimal("12345678901234567890.10")


# ------------------------------------------------------------ collecting


def test_each_kind_of_change_is_collected_where_it_is_wanted(caller: Caller) -> None:
    everything = new_queue(caller)
    updates = new_queue(caller, triggers=["updated"])
    others = new_queue(caller, "organization")
    record = new_record(caller)
    change_record(caller, record, project_title="Deep wells")
    delete_record(caller, record)
    assert collect_all(caller) == 4
    assert [entry.trigger for entry in waiting(everything)] == ["created", "updated", "deleted"]
    assert [entry.trigger for entry in waiting(updates)] == ["updated"]
    assert waiting(others) == []


def test_an_event_that_comes_again_adds_nothing_also_after_its_entry_was_served(caller: Caller) -> None:
    queue = new_queue(caller)
    record = new_record(caller)
    assert (collect_all(caller), collect_all(caller)) == (1, 0)
    assert identities(drain(caller, queue)) == [record.id]
    assert collect_all(caller) == 0
    assert poll(caller, queue) == (change_batches.NO_JOB, [])


def test_an_account_hears_of_its_own_records_only(caller: Caller) -> None:
    stranger = factories.new_caller()
    queue = new_queue(stranger)
    new_record(caller)
    assert collect_all(caller) == 0
    assert waiting(queue) == []


def test_a_filter_is_judged_on_the_record_as_it_was_right_after_the_change(caller: Caller) -> None:
    queue = new_queue(caller, filter=["amount_requested", "gte", 100])
    record = new_record(caller, project_title="Wells", amount_requested="100.50")
    change_record(caller, record, amount_requested="99.99")
    change_record(caller, record, amount_requested="200")
    assert collect_all(caller) == 2
    assert [entry.trigger for entry in waiting(queue)] == ["created", "updated"]


def test_a_filter_looks_at_related_records(caller: Caller) -> None:
    acme = new_record(caller, "organization", name="Acme")
    other = new_record(caller, "organization", name="Other")
    queue = new_queue(caller, filter=["program_organization_id", "filter", ["name", "eq", "Acme"]])
    wanted = new_record(caller, project_title="A", program_organization_id=acme.id)
    new_record(caller, project_title="B", program_organization_id=other.id)
    collect_all(caller)
    assert [entry.record for entry in waiting(queue)] == [wanted.id]


@pytest.mark.parametrize("hard", [False, True])
def test_the_filter_of_a_deleted_record_is_judged_on_its_last_values(caller: Caller, hard: bool) -> None:
    queue = new_queue(caller, filter=["project_title", "eq", "Wells"], triggers=["deleted"])
    first, second = new_record(caller), new_record(caller, project_title="Roads")
    delete_record(caller, first, hard=hard)
    delete_record(caller, second, hard=hard)
    assert collect_all(caller) == 1
    assert [entry.record for entry in waiting(queue)] == [first.id]


def test_of_a_record_that_is_too_large_for_its_event_the_stored_one_is_judged(caller: Caller) -> None:
    queue = new_queue(caller, filter=["project_title", "eq", "Wells"])
    wanted = new_record(caller, project_title="Wells", project_summary="ü" * 60_000)
    other = new_record(caller, project_title="Roads", project_summary="ü" * 60_000)
    assert [event.data["record"] for event in events_of(caller) if event.type == "record.created"] == [None, None]
    delete_record(caller, wanted)
    delete_record(caller, other)
    assert collect_all(caller) == 2
    assert [(entry.record, entry.trigger) for entry in waiting(queue)] == [
        (wanted.id, "created"),
        (wanted.id, "deleted"),
    ]


def test_words_for_days_are_meant_from_the_day_of_the_change(caller: Caller) -> None:
    queue = new_queue(caller, filter=["grant_approved_at", "today", ""])
    record = new_record(caller, project_title="Wells", grant_approved_at="2026-01-31")
    (event,) = [each for each in events_of(caller) if each.type == "record.created"]
    then = 1_769_817_600_000  # 2026-01-31T00:00:00Z
    for moment in (then - 1, then + clock.DAY):
        assert change_queues.collect(replace(event, id=f"{event.id[:-1]}{moment % 2}", created=moment)) == 0
    assert change_queues.collect(replace(event, created=then)) == 1
    assert [entry.record for entry in waiting(queue)] == [record.id]


def test_a_silent_event_is_told_to_nobody(caller: Caller) -> None:
    new_queue(caller)
    new_record(caller)
    assert [change_queues.collect(replace(event, silent=True)) for event in events_of(caller)] == [0] * len(
        events_of(caller)
    )


def test_a_change_that_cannot_be_judged_any_more_is_collected_and_the_queue_says_why(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = new_queue(caller, filter=["project_title", "eq", "Roads"])
    schema = record_schemas.of(caller.account)
    assert change_queues.problem(queue, schema) is None
    # As if the field had been removed since.
    broken = replace(queue, filter='["no_such_field","eq",1]', revision=2)
    assert store.update(broken)
    problem = change_queues.problem(broken, schema)
    assert problem is not None
    assert "no_such_field" in problem
    record = new_record(caller)
    assert collect_all(caller) == 1
    assert [entry.record for entry in waiting(queue)] == [record.id]


def test_the_rule_of_the_bus_lets_through_what_queues_can_collect() -> None:
    rule = template.written()["Resources"]["QueueChangesRule"]["Properties"]["EventPattern"]
    assert tuple(rule["detail-type"]) == record_events.TYPES
    assert set(record_events.TYPES) <= set(events.TYPES)


def test_projects_data_analyses_and_pages_are_collected_by_their_own_events(caller: Caller) -> None:
    queues = {name: new_queue(caller, name) for name in ("project", "data_source", "analysis", "page")}
    project = factories.new_project(caller)
    dataset = factories.new_dataset(caller, project)
    analysis = analyses.create(
        caller, project_id=project.id, name="Sums", dataset_id=dataset.id, query={"aggregates": [COUNT]}
    )
    page = pages.create(caller, project_id=project.id, title="About")
    below = pages.create(caller, project_id=project.id, title="Below", parent_id=page.id)
    projects.update(caller, project.id, projects.Change(frozenset({"name"}), name="Renamed"))
    pages.delete(caller, page.id, recursive=True)
    projects.delete(caller, project.id)
    collect_all(caller)
    found = {name: [(entry.record, entry.trigger) for entry in waiting(queue)] for name, queue in queues.items()}
    assert found["project"] == [(project.id, "created"), (project.id, "updated"), (project.id, "deleted")]
    assert found["data_source"] == [(dataset.id, "created")]
    assert found["analysis"] == [(analysis.id, "created")]
    assert found["page"][:2] == [(page.id, "created"), (below.id, "created")]
    assert sorted(found["page"][-2:]) == sorted([(page.id, "deleted"), (below.id, "deleted")])


def test_a_deleted_project_is_judged_and_shown_by_what_its_event_tells(caller: Caller) -> None:
    queue = new_queue(caller, "project", filter=["name", "eq", "Wells"], columns=["name"], triggers=["deleted"])
    wanted, other = factories.new_project(caller, "Wells"), factories.new_project(caller, "Roads")
    projects.delete(caller, wanted.id)
    projects.delete(caller, other.id)
    assert collect_all(caller) == 1
    _, (entry,) = poll(caller, queue)
    deleted = clock.iso(waiting(queue)[0].created)
    assert entry["recordData"] == {"id": wanted.id, "name": "Wells", "deleted_at": deleted}
    assert entry["key"]["table"] == "projects"


# ------------------------------------------------------------ polling


def test_an_entry_has_the_form_that_clients_read(caller: Caller) -> None:
    queue = new_queue(caller, columns=["project_title", "amount_requested", "program_organization", "granted"])
    acme = new_record(caller, "organization", name="Acme")
    record = new_record(
        caller, project_title="Wells", amount_requested="12.50", program_organization_id=acme.id, project_summary="…"
    )
    collect_all(caller)
    (event,) = [each for each in events_of(caller) if each.type == "record.created" and each.data["id"] == record.id]
    job, data = poll(caller, queue)
    assert data == [
        {
            "timestamp": event.created // 1_000,
            "identity": record.id,
            "recordData": {
                "id": record.id,
                "project_title": "Wells",
                "amount_requested": Decimal("12.5"),
                "program_organization": [acme.id],
                "granted": False,
            },
            "key": {
                "timestamp": event.created // 1_000,
                "table": "requests",
                "idColumns": ["id"],
                "id": [record.id],
            },
        }
    ]
    assert change_queues.UUID.fullmatch(job)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("grant_request", "requests"),
        ("organization", "organizations"),
        ("geo_country", "geo_countries"),
        ("analysis", "analyses"),
        ("mac_model_type_dyn_site_visit", "machine_models"),
    ],
)
def test_tables_are_called_by_the_plural_of_the_class(model: str, name: str) -> None:
    assert change_batches.table_name(model) == name


def test_an_unfinished_batch_is_answered_again_as_it_was_whatever_has_happened_since(caller: Caller) -> None:
    queue = new_queue(caller)
    record = new_record(caller)
    collect_all(caller)
    first = poll_text(caller, queue)
    change_record(caller, record, project_title="Roads")
    new_record(caller)
    collect_all(caller)
    change_queues.update(caller, queue.id, Change(frozenset({"cols"}), columns=["id"]))
    assert poll_text(caller, change_queues.get(caller, queue.id), limit=1) == first
    assert len(waiting(queue)) == 3


def test_the_record_is_shown_as_it_is_when_it_is_polled(caller: Caller) -> None:
    queue = new_queue(caller, columns=["project_title"])
    record = new_record(caller)
    change_record(caller, record, project_title="Deep wells")
    collect_all(caller)
    shown = [entry["recordData"] for entry in poll(caller, queue)[1]]
    assert shown == [{"id": record.id, "project_title": "Deep wells"}] * 2


@pytest.mark.parametrize("hard", [False, True])
def test_a_record_that_is_gone_is_shown_as_each_event_told_it(caller: Caller, hard: bool) -> None:
    queue = new_queue(caller, columns=["project_title", "amount_requested"])
    record = new_record(caller, project_title="Wells", amount_requested="0.10")
    change_record(caller, record, project_title="Deep wells")
    delete_record(caller, record, hard=hard)
    collect_all(caller)
    deleted = clock.iso(waiting(queue)[-1].created)
    amount = Decimal("0.1")
    assert [entry["recordData"] for entry in poll(caller, queue)[1]] == [
        {"id": record.id, "project_title": "Wells", "amount_requested": amount},
        {"id": record.id, "project_title": "Deep wells", "amount_requested": amount},
        {"id": record.id, "project_title": "Deep wells", "amount_requested": amount, "deleted_at": deleted},
    ]


def test_of_a_record_that_nobody_knows_any_more_there_is_the_id(caller: Caller) -> None:
    queue = new_queue(caller)
    put_entries(queue, 1)
    assert [entry["recordData"] for entry in poll(caller, queue)[1]] == [{"id": 1}]


def test_entries_are_served_in_the_order_of_their_events_whenever_they_came(caller: Caller) -> None:
    queue = new_queue(caller)
    put_entries(queue, 2, start=10)
    put_entries(queue, 2)
    assert identities(drain(caller, queue, limit=3)) == [1, 2, 11, 12]


def test_finishing_removes_the_batch_for_good_and_again_answers_the_same(caller: Caller) -> None:
    queue = new_queue(caller)
    put_entries(queue, 5)
    job, data = poll(caller, queue, limit=2)
    assert identities(data) == [1, 2]
    finished = change_batches.Finished(job, 2)
    assert [change_batches.finish(queue, job) for _ in range(2)] == [finished] * 2
    second, data = poll(caller, queue, limit=2)
    assert identities(data) == [3, 4]
    # An answer that was lost on the way, while another client went on.
    assert change_batches.finish(queue, job) == finished
    assert identities(poll(caller, queue)[1]) == [3, 4]
    assert change_batches.finish(queue, second).count == 2
    assert change_batches.finish(queue, job) == finished
    assert identities(drain(caller, queue)) == [5]


def test_a_job_that_is_not_the_batch_s_is_refused_and_removes_nothing(caller: Caller) -> None:
    queue, other = new_queue(caller), new_queue(caller)
    put_entries(queue, 1)
    put_entries(other, 1)
    job, _ = poll(caller, queue)
    elsewhere, _ = poll(caller, other)
    for wrong in (elsewhere, change_queues.new_uuid(), "", "null", "x" * 5_000):
        with pytest.raises(InvalidError) as refused:
            change_batches.finish(queue, wrong)
        assert refused.value.field == "job_uuid"
    assert change_batches.finish(queue, job).count == 1


def test_an_empty_queue_answers_no_entries_and_finishing_that_is_no_error(caller: Caller) -> None:
    queue = new_queue(caller)
    assert poll(caller, queue) == (change_batches.NO_JOB, [])
    assert change_batches.finish(queue, change_batches.NO_JOB).count == 0
    # It finishes nothing that came meanwhile either.
    put_entries(queue, 1)
    poll(caller, queue)
    assert change_batches.finish(queue, change_batches.NO_JOB).count == 0
    assert identities(drain(caller, queue)) == [1]


def test_the_last_finished_batches_are_remembered_and_no_more(caller: Caller) -> None:
    queue = new_queue(caller)
    put_entries(queue, change_batches.KEPT_FINISHED + 1)
    jobs = []
    while (found := poll(caller, queue, limit=1))[1]:
        jobs.append(found[0])
        change_batches.finish(queue, found[0])
    with pytest.raises(InvalidError):
        change_batches.finish(queue, jobs[0])
    assert [change_batches.finish(queue, job).count for job in jobs[1:]] == [1] * change_batches.KEPT_FINISHED


def test_an_entry_that_comes_late_among_those_that_are_out_is_neither_lost_nor_removed_unserved(caller: Caller) -> None:
    queue = new_queue(caller)
    put_entries(queue, 1)
    put_entries(queue, 1, start=9)
    job, data = poll(caller, queue)
    assert identities(data) == [1, 10]
    put_entries(queue, 3, start=4)
    assert identities(poll(caller, queue)[1]) == [1, 10]
    assert change_batches.finish(queue, job).count == 2
    assert identities(drain(caller, queue)) == [5, 6, 7]


def test_a_batch_has_at_most_999_entries_for_a_client_that_gets_1000_polls_on_before_it_finishes(
    caller: Caller,
) -> None:
    queue = new_queue(caller)
    put_entries(queue, 1_001)
    job, data = poll(caller, queue, limit=1_000)
    assert identities(data) == list(range(1, 1_000))
    assert change_batches.finish(queue, job).count == 999
    assert identities(drain(caller, queue)) == [1_000, 1_001]


@pytest.mark.parametrize("limit", [0, -1, 1_001])
def test_a_limit_out_of_range_is_refused(caller: Caller, limit: int) -> None:
    queue = new_queue(caller)
    put_entries(queue, 1)
    with pytest.raises(InvalidError) as refused:
        poll(caller, queue, limit)
    assert refused.value.field == "limit_num"


def test_an_answer_that_would_grow_too_large_has_fewer_entries_and_the_rest_waits(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = new_queue(caller, columns=["project_summary"])
    # A character that takes six bytes on the way through Lambda.
    made = [new_record(caller, project_title="Wells", project_summary="ü" * 50_000) for _ in range(6)]
    collect_all(caller)
    monkeypatch.setattr(change_batches, "MAX_ANSWER_BYTES", 1_000_000)
    sizes, seen = [], []
    while (answer := poll_text(caller, queue)) and (data := json.loads(answer)["data"]):
        assert len(json.dumps(answer)) <= 1_001_000
        sizes.append(len(data))
        seen += identities(data)
        change_batches.finish(queue, json.loads(answer)["job_uuid"])
    assert sizes == [3, 3]
    assert seen == [record.id for record in made]


def test_an_entry_that_is_too_large_for_any_answer_is_served_alone(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = new_queue(caller)
    put_entries(queue, 2)
    monkeypatch.setattr(change_batches, "MAX_ANSWER_BYTES", 10)
    assert [identities(poll(caller, queue)[1]), identities(drain(caller, queue))] == [[1], [1, 2]]


def test_the_largest_records_fit_into_an_answer_of_lambda() -> None:
    largest_record_bytes = 400 * 1024 * 6
    assert largest_record_bytes < change_batches.MAX_ANSWER_BYTES
    assert change_batches.MAX_ANSWER_BYTES + 100 * 1024 < 6_000_000


def test_of_two_pollers_at_once_both_get_the_batch_of_the_first(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = new_queue(caller)
    put_entries(queue, 3)
    answers = []
    begin = store.begin

    def begin_second(*given: Any) -> Any:
        """The other polls between this one's reading and its writing."""
        monkeypatch.setattr(store, "begin", begin)
        answers.append(poll_text(caller, queue, limit=2))
        return begin(*given)

    monkeypatch.setattr(store, "begin", begin_second)
    answers.append(poll_text(caller, queue))
    assert answers[0] == answers[1]
    job, data = poll(caller, queue)
    assert identities(data) == [1, 2]
    assert len(kept_answers(queue)) == 1
    change_batches.finish(queue, job)
    assert identities(drain(caller, queue)) == [3]
    assert kept_answers(queue) == []


def test_a_poller_that_read_before_a_whole_batch_went_by_serves_nothing_again(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = new_queue(caller)
    put_entries(queue, 2)
    seen: list[int] = []
    begin = store.begin

    def begin_later(*given: Any) -> Any:
        monkeypatch.setattr(store, "begin", begin)
        job, data = poll(caller, queue, limit=1)
        seen.extend(identities(data))
        change_batches.finish(queue, job)
        return begin(*given)

    monkeypatch.setattr(store, "begin", begin_later)
    assert [*seen, *identities(drain(caller, queue))] == [2]
    assert seen == [1]


def test_of_two_that_finish_at_once_both_are_told_the_same(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = new_queue(caller)
    put_entries(queue, 3)
    job, _ = poll(caller, queue)
    remove = store.remove
    finished = []

    def remove_second(*given: Any) -> None:
        monkeypatch.setattr(store, "remove", remove)
        finished.append(change_batches.finish(queue, job))
        put_entries(queue, 1, start=7)
        assert identities(poll(caller, queue)[1]) == [8]
        remove(*given)

    monkeypatch.setattr(store, "remove", remove_second)
    finished.append(change_batches.finish(queue, job))
    assert finished == [change_batches.Finished(job, 3)] * 2
    assert identities(drain(caller, queue)) == [8]


def test_a_batch_that_nobody_finishes_ends_with_its_entries(caller: Caller) -> None:
    queue = new_queue(caller)
    put_entries(queue, 2)
    job, _ = poll(caller, queue, limit=1)
    almost, after = (clock.now() + 90 * clock.DAY + more for more in (-clock.MINUTE, clock.MINUTE))
    assert identities(poll(caller, queue, now=lambda: almost)[1]) == [1]
    assert identities(poll(caller, queue, now=lambda: after)[1]) == [2]
    assert change_batches.finish(queue, job).count == 1


def test_entries_expire_with_their_events(caller: Caller) -> None:
    queue = new_queue(caller)
    new_record(caller)
    collect_all(caller)
    (event,) = table.query(keys.listed(caller.account, "events"), between=("evt_", "evt_~"))[-1:]
    entry, seen = table.query(keys.change_queue(caller.account, queue.id))
    assert (entry["type"], seen["type"]) == ("change_entry", "change_seen")
    assert entry["expires"] == seen["expires"] == event["expires"]


def test_an_answer_that_the_bucket_has_lost_is_made_again(caller: Caller) -> None:
    queue = new_queue(caller)
    put_entries(queue, 2)
    job, data = poll(caller, queue)
    blobs.delete(store.batch(queue).location)
    again, same = poll(caller, queue)
    assert (again != job, same) == (True, data)
    assert change_batches.finish(queue, again).count == 2


def test_a_queue_that_is_deleted_takes_its_batch_along(caller: Caller) -> None:
    queue = new_queue(caller)
    put_entries(queue, 2)
    job, _ = poll(caller, queue, limit=1)
    change_queues.delete(caller, queue.id)
    for attempt in (
        lambda: change_queues.get(caller, queue.id),
        lambda: change_queues.find(caller, queue.uuid),
        lambda: change_queues.delete(caller, queue.id),
        # A poll that had found the queue before it went.
        lambda: poll(caller, queue),
    ):
        with pytest.raises(NotFoundError):
            attempt()
    with pytest.raises(InvalidError):
        change_batches.finish(queue, job)
    assert kept_answers(queue) == []
    assert {item["type"] for item in table.query(keys.change_queue(caller.account, queue.id))} == {
        "change_entry",
        "change_seen",
    }


@pytest.mark.parametrize("seed", range(8))
def test_whatever_comes_in_whatever_order_each_entry_is_finished_exactly_once(caller: Caller, seed: int) -> None:
    """Entries come in any order and again; clients poll, lose answers, finish, finish again, and finish wrongly."""
    chance = random.Random(seed)
    queue = new_queue(caller)
    coming = [Entry(f"evt_{number:011d}0123456789", number, "created", clock.now()) for number in range(1, 41)]
    chance.shuffle(coming)
    came: list[Entry] = []
    served: list[int] = []
    out: tuple[str, list[int]] | None = None
    done: list[tuple[str, int]] = []
    while coming or out or waiting(queue):
        step = chance.choice(("come", "come again", "poll", "finish", "finish again"))
        if step == "come" and coming:
            some = [coming.pop() for _ in range(min(chance.randint(1, 6), len(coming)))]
            assert store.add(queue, some) == len(some)
            came += some
        elif step == "come again" and came:
            assert store.add(queue, chance.sample(came, min(3, len(came)))) == 0
        elif step == "poll":
            job, data = poll(caller, queue, chance.randint(1, 7))
            if out:
                assert (job, identities(data)) == out
            elif data:
                out = (job, identities(data))
        elif step == "finish" and out:
            assert change_batches.finish(queue, out[0]).count == len(out[1])
            served += out[1]
            done.append((out[0], len(out[1])))
            out = None
        elif step == "finish again" and done:
            job, count = chance.choice(done[-5:])
            assert change_batches.finish(queue, job).count == count
    assert sorted(served) == list(range(1, 41))


def kept_answers(queue: Queue) -> list[str]:
    prefix = blobs.change_batch(queue.account, queue.id, "")
    found = client("s3").list_objects_v2(Bucket=settings().bucket, Prefix=prefix)
    return [item["Key"] for item in found.get("Contents", [])]
