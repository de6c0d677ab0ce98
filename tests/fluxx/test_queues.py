"""The change queues group of the Fluxx API through its handler, on moto."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from fluvial import change_batches, change_queues, clock, events, record_schemas, records, roles
from fluvial.caller import Caller
from fluvial.change_batches import Entry
from fluvial.store import change_queues as store
from fluvial.store import events as outbox
from fluvial.store import keys, table
from tests.fluxx.calls import Api, refusal

PATH = "/poll/queues"
QUEUE = {"name": "Large requests", "model_type": "grant_request"}
ABSENT = "7d2b0a54-9f3e-4c61-8a10-5b7c9d2e4f36"
# As a client of the Fluxx API sends it, which does not replace it.
CLIENT = ":client_id"


def create(api: Api, **body: Any) -> dict[str, Any]:
    status, answer = api.post(PATH, {**QUEUE, **body})
    assert (status, list(answer)) == (200, ["queue"]), answer
    made: dict[str, Any] = answer["queue"]
    return made


def ask(api: Api, queue_uuid: str, client: str = CLIENT, **query: str) -> Any:
    status, answer = api.get(f"/poll/client/{client}/uuid/queue/{queue_uuid}", **query)
    assert status == 200
    return answer


def finish(api: Api, queue_uuid: str, job: str, client: str = CLIENT) -> Any:
    status, answer = api.get(f"/poll/client/{client}/uuid/queue_finished/{queue_uuid}/{job}")
    assert status == 200
    return answer


def new_record(caller: Caller, **values: Any) -> records.Record:
    schema = record_schemas.of(caller.account)
    return records.create(caller, schema, schema.model("grant_request"), values)


def collect_all(caller: Caller) -> None:
    for event in outbox.after(caller.account, events.BEGINNING, limit=1_000):
        change_queues.collect(event)


def put_entries(caller: Caller, queue: dict[str, Any], count: int) -> None:
    made = [Entry(f"evt_{number:011d}0123456789", number, "created", clock.now()) for number in range(1, count + 1)]
    assert store.add(change_queues.get(caller, queue["id"]), made) == count


def test_a_new_queue_is_answered_whole_with_its_id_and_uuid(api: Api) -> None:
    made = create(
        api,
        filter=["amount_requested", "gte", 0.1],
        triggers=["deleted", "created"],
        cols=["project_title", "program_organization"],
    )
    assert made == {
        "id": made["id"],
        "uuid": made["uuid"],
        "name": "Large requests",
        "model_type": "grant_request",
        "filter": ["amount_requested", "gte", Decimal("0.1")],
        "triggers": ["created", "deleted"],
        "cols": ["project_title", "program_organization"],
        "problem": None,
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
    }
    assert change_queues.UUID.fullmatch(made["uuid"])
    assert api.get(f"{PATH}/{made['id']}") == (200, {"queue": made})
    stored = change_queues.get(api.caller, made["id"])
    assert (stored.uuid, stored.filter) == (made["uuid"], '["amount_requested","gte",0.1]')


def test_the_filter_can_be_json_text_as_in_lists(api: Api) -> None:
    group = {"group_type": "and", "conditions": [["project_title", "contains", "well"]]}
    assert create(api, filter=json.dumps(group))["filter"] == group
    assert create(api, filter="")["filter"] is None
    assert api.post(PATH, {**QUEUE, "filter": "["})[1]["error"]["code"] == 100


def test_queues_are_listed_oldest_first_in_the_form_of_this_api(api: Api) -> None:
    assert api.get(PATH) == (200, listed())
    made = [create(api, name=f"Number {number}") for number in range(3)]
    assert api.get(PATH) == (200, listed(*made))


def listed(*queues: dict[str, Any]) -> dict[str, Any]:
    found = {"records": {"queue": list(queues)}, "total_pages": 1, "total_entries": len(queues)}
    return {**found, "current_page": 1, "per_page": 50}


def test_a_change_leaves_what_it_does_not_name_and_null_takes_away(api: Api) -> None:
    made = create(api, filter=["project_title", "eq", "Wells"], cols=["project_title"])
    status, answer = api.put(f"{PATH}/{made['id']}", {"name": "Renamed", "cols": None})
    changed = answer["queue"]
    assert (status, changed) == (200, {**made, "name": "Renamed", "cols": None, "updated_at": changed["updated_at"]})
    assert api.get(f"{PATH}/{made['id']}") == (200, {"queue": changed})


def test_a_deleted_queue_is_gone(api: Api) -> None:
    made = create(api)
    assert api.delete(f"{PATH}/{made['id']}") == (200, True)
    gone = refusal({"base": [f"No queue '{made['id']}' exists."]})
    assert api.get(f"{PATH}/{made['id']}") == (200, gone)
    assert api.delete(f"{PATH}/{made['id']}") == (200, gone)
    assert api.put(f"{PATH}/{made['id']}", {"name": "Renamed"}) == (200, gone)
    assert ask(api, made["uuid"]) == refusal({"base": [f"No queue '{made['uuid']}' exists."]})


def test_under_one_idempotency_key_there_is_one_queue(api: Api) -> None:
    first = api.send("POST", PATH, body=QUEUE, headers={"Idempotency-Key": "one"})
    again = api.send("POST", PATH, body=QUEUE, headers={"Idempotency-Key": "one"})
    assert again["body"] == first["body"]
    assert again["multiValueHeaders"]["Idempotent-Replayed"] == ["true"]
    other = api.call("POST", PATH, body={**QUEUE, "name": "Other"}, headers={"Idempotency-Key": "one"})
    assert other[1]["error"]["code"] == 100
    assert len(table.query(keys.listed(api.caller.account, "queues"))) == 1


def test_the_fifty_first_queue_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_queues, "MAX_QUEUES", 1)
    create(api)
    message = {"base": ["An account has at most 1 change queues: delete one first."]}
    assert api.post(PATH, QUEUE) == (200, refusal(message))
    assert len(change_queues.all_of(api.caller)) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"cols": ["no_such_column"]}, "cols"),
        ({"cols": "project_title"}, "cols"),
        ({"triggers": ["moved"]}, "triggers"),
        ({"filter": ["no_such_field", "eq", 1]}, "filter"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_cannot_be_is_a_200_with_the_reason_by_its_field(api: Api, body: dict[str, Any], field: str) -> None:
    status, answer = api.post(PATH, {**QUEUE, **body})
    assert (status, answer["error"]["code"]) == (200, 100)
    (named,) = json.loads(answer["error"]["message"])
    assert named.startswith(field)
    assert change_queues.all_of(api.caller) == []


def test_an_unknown_class_is_told_in_the_words_that_clients_look_for(api: Api) -> None:
    message = "#<NameError: uninitialized constant NoSuchClass>"
    assert api.post(PATH, {**QUEUE, "model_type": "no_such_class"}) == (200, refusal(message))


def test_definitions_are_for_administrators_and_polling_for_whoever_reads_records(api: Api, caller: Caller) -> None:
    made = create(api)
    put_entries(caller, made, 1)
    reader = Api(replace(caller, role=roles.VIEWER, scopes=frozenset({"records:read"})))
    for method, path, body in (
        ("GET", PATH, None),
        ("GET", f"{PATH}/{made['id']}", None),
        ("POST", PATH, QUEUE),
        ("PUT", f"{PATH}/{made['id']}", {"name": "Renamed"}),
        ("DELETE", f"{PATH}/{made['id']}", None),
    ):
        assert reader.call(method, path, body=body)[1]["error"]["code"] == 403
    answer = ask(reader, made["uuid"])
    assert finish(reader, made["uuid"], answer["job_uuid"])["clear_count"] == 1
    nobody = Api(replace(caller, scopes=frozenset({"projects:read"})))
    assert ask(nobody, made["uuid"])["error"]["code"] == 403


def test_another_account_s_queue_looks_like_one_that_is_not_there(api: Api, stranger: Api) -> None:
    made = create(api)
    foreign = json.dumps(ask(stranger, made["uuid"])).replace(made["uuid"], ABSENT)
    assert foreign == json.dumps(ask(stranger, ABSENT))
    assert finish(stranger, made["uuid"], ABSENT)["error"]["code"] == 100
    assert stranger.get(f"{PATH}/{made['id']}")[1]["error"]["code"] == 100
    assert stranger.get(PATH) == (200, listed())


def test_a_batch_is_polled_again_until_it_is_finished(api: Api, caller: Caller) -> None:
    made = create(api, cols=["project_title", "amount_requested"])
    record = new_record(caller, project_title="Wells", amount_requested="12345678901234567890.25")
    later = new_record(caller, project_title="Roads")
    collect_all(caller)
    first = api.send("GET", f"/poll/client/{CLIENT}/uuid/queue/{made['uuid']}", query={"limit_num": "1"})
    assert '"amount_requested":12345678901234567890.25' in first["body"]
    answer = json.loads(first["body"], parse_float=Decimal)
    (entry,) = answer["data"]
    seconds, amount = entry["timestamp"], Decimal("12345678901234567890.25")
    assert list(answer) == ["job_uuid", "data", "api_queue"]
    assert entry == {
        "timestamp": seconds,
        "identity": record.id,
        "recordData": {
            "id": record.id,
            "project_title": "Wells",
            "amount_requested": amount,
        },
        "key": {"timestamp": seconds, "table": "requests", "idColumns": ["id"], "id": [record.id]},
    }
    again = api.send("GET", f"/poll/client/1/uuid/queue/{made['uuid']}")
    assert again["body"] == first["body"]
    done = {"job_uuid": answer["job_uuid"], "clear_count": 1}
    assert [finish(api, made["uuid"], answer["job_uuid"]) for _ in range(2)] == [done, done]
    rest = ask(api, made["uuid"])
    assert [each["identity"] for each in rest["data"]] == [later.id]
    assert finish(api, made["uuid"], rest["job_uuid"])["clear_count"] == 1
    empty = ask(api, made["uuid"])
    assert empty == {"job_uuid": change_batches.NO_JOB, "data": [], "api_queue": made["uuid"]}
    assert finish(api, made["uuid"], empty["job_uuid"]) == {"job_uuid": change_batches.NO_JOB, "clear_count": 0}


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "many", "1.5", ""])
def test_a_limit_out_of_range_is_refused(api: Api, caller: Caller, limit: str) -> None:
    made = create(api)
    put_entries(caller, made, 1)
    answer = ask(api, made["uuid"], limit_num=limit)
    assert list(json.loads(answer["error"]["message"])) == ["limit_num"]


def test_a_job_that_is_not_the_batch_s_is_refused(api: Api, caller: Caller) -> None:
    made = create(api)
    put_entries(caller, made, 1)
    ask(api, made["uuid"])
    reason = "'job_uuid' names no batch that is being processed: poll the queue for the one that is."
    assert finish(api, made["uuid"], ABSENT) == refusal({"job_uuid": [reason]})


@pytest.mark.parametrize("count", [3, 999, 1_000, 1_200])
def test_a_client_that_polls_on_until_fewer_come_than_it_asked_for_gets_all_and_is_done(
    api: Api, caller: Caller, count: int
) -> None:
    """As https://github.com/buzzykiwi/zapier-fluxx-community (triggers/new_queue.js) polls, run after run."""
    made = create(api)
    put_entries(caller, made, count)
    seen: list[int] = []
    while run := one_run(api, made["uuid"]):
        seen += run
    assert seen == list(range(1, count + 1))


def one_run(api: Api, queue_uuid: str) -> list[int]:
    limit = 1_000
    found: list[int] = []
    for _ in range(4):
        answer = ask(api, queue_uuid, limit_num=str(limit))
        found += [entry["identity"] for entry in answer["data"]]
        if len(answer["data"]) != limit:
            break
    else:
        raise AssertionError("the client polls for ever")
    if found:
        assert finish(api, queue_uuid, answer["job_uuid"])["clear_count"] == len(found)
    return found
