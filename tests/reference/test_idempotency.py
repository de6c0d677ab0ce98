"""Idempotency-Key on every POST, through the handlers, on moto; races are tested on the emulator."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from fluvial import clock, ids
from fluvial import keys as core_keys
from fluvial.aws import client
from fluvial.caller import Caller
from fluvial.store import table
from reference import data, keys, projects, webhooks
from tests import factories
from tests.factories import CONTEXT, request

CSV = b"a,b\n1,2\n"


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def project_id(caller: Caller) -> str:
    return ids.spell(ids.PROJECT, factories.new_project(caller).id)


def form(project_id: str, boundary: str = "x", content: bytes = CSV) -> dict[str, Any]:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="project_id"\r\n\r\n{project_id}\r\n'.encode(),
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="d.csv"\r\n\r\n'.encode(),
        content,
        f"\r\n--{boundary}--\r\n".encode(),
    ]
    return {
        "raw": base64.b64encode(b"".join(parts)).decode(),
        "base64": True,
        "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    }


def post(handler: Any, resource: str, caller: Caller, key: str | None, **arguments: Any) -> tuple[int, str, bool]:
    """Status, body as text, and whether it was a repetition."""
    headers = {**arguments.pop("headers", {}), **({} if key is None else {"Idempotency-Key": key})}
    answer = handler(request("POST", resource, caller=caller, headers=headers, **arguments), CONTEXT)
    return answer["statusCode"], answer["body"], "Idempotent-Replayed" in answer["multiValueHeaders"]


def everything(resources: dict[str, str]) -> dict[str, Any]:
    """All that is stored, but the counters of the rate limit."""
    items = client("dynamodb").scan(TableName=resources["Table"])["Items"]
    objects = client("s3").list_objects_v2(Bucket=resources["Bucket"]).get("Contents", [])
    kept = {(item["pk"]["S"], item["sk"]["S"]): item for item in items if item["type"]["S"] != "window"}
    return {"items": kept, "objects": sorted(found["Key"] for found in objects)}


@pytest.fixture(params=["project", "upload", "session", "completion", "endpoint", "key"])
def call(request: pytest.FixtureRequest, aws: dict[str, str], caller: Caller, project_id: str) -> dict[str, Any]:
    """One call of each POST of the API."""
    if request.param == "project":
        return {"handler": projects.handler, "resource": "/projects", "body": {"name": "Once"}}
    if request.param == "upload":
        return {"handler": data.handler, "resource": "/data/upload", **form(project_id)}
    session = {"project_id": project_id, "filename": "d.csv", "size": len(CSV)}
    if request.param == "session":
        return {"handler": data.handler, "resource": "/data/uploads", "body": session}
    if request.param == "completion":
        _, body, _ = post(data.handler, "/data/uploads", caller, None, body=session)
        opened = json.loads(body)
        client("s3").put_object(Bucket=aws["Bucket"], Key=opened["upload"]["fields"]["key"], Body=CSV)
        return {"handler": data.handler, "resource": "/data/uploads/{id}/complete", "path": {"id": opened["id"]}}
    if request.param == "endpoint":
        body = {"url": "http://127.0.0.1:9/", "events": ["*"]}
        return {"handler": webhooks.handler, "resource": "/webhooks", "body": body}
    return {"handler": keys.handler, "resource": "/keys", "body": {"name": "Once"}}


def test_a_retry_has_no_second_effect_and_gets_the_first_answer(
    aws: dict[str, str], caller: Caller, call: dict[str, Any]
) -> None:
    status, first, replayed = post(**call, caller=caller, key="retry-1")
    assert (status, replayed) == (201, False)
    before = everything(aws)
    assert post(**call, caller=caller, key="retry-1") == (201, first, True)
    assert everything(aws) == before


def test_two_at_once_have_one_effect_and_one_answer(
    aws: dict[str, str], caller: Caller, call: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fluvial.store import idempotency as store

    _, first, _ = post(**call, caller=caller, key="at-once")
    before = everything(aws)
    # The second call looked before the first had written.
    found, looks = store.get, []

    def look(*arguments: Any, **named: Any) -> Any:
        looks.append(arguments)
        return None if len(looks) == 1 else found(*arguments, **named)

    monkeypatch.setattr(store, "get", look)
    assert post(**call, caller=caller, key="at-once")[:2] == (201, first)
    assert everything(aws) == before


def test_without_a_key_or_with_another_key_each_call_has_its_effect(caller: Caller) -> None:
    call = {"handler": projects.handler, "resource": "/projects", "body": {"name": "Again"}}
    answers = {post(**call, caller=caller, key=key)[1] for key in (None, None, "one", "two")}
    assert len(answers) == 4


def test_a_key_used_for_another_request_is_refused(caller: Caller) -> None:
    post(projects.handler, "/projects", caller, "mine", body={"name": "First"})
    status, body, _ = post(projects.handler, "/projects", caller, "mine", body={"name": "Second"})
    error = json.loads(body)["error"]
    assert (status, error["code"], error["field"]) == (422, "IDEMPOTENCY_KEY_REUSED", "Idempotency-Key")
    listed = projects.handler(request("GET", "/projects", caller=caller), CONTEXT)
    assert json.loads(listed["body"])["pagination"]["total"] == 1


def test_the_same_request_may_be_spelled_differently(caller: Caller, project_id: str) -> None:
    _, first, _ = post(projects.handler, "/projects", caller, "k", raw='{"name": "N", "description": "D"}')
    assert post(projects.handler, "/projects", caller, "k", raw='{"description":"D","name":"N"}')[1] == first
    _, uploaded, _ = post(data.handler, "/data/upload", caller, "u", **form(project_id, "one"))
    assert post(data.handler, "/data/upload", caller, "u", **form(project_id, "other"))[1] == uploaded
    status, _, _ = post(data.handler, "/data/upload", caller, "u", **form(project_id, "other", b"a,b\n1,3\n"))
    assert status == 422


def test_keys_are_the_accounts_own_and_the_routes_own(caller: Caller) -> None:
    stranger = factories.new_caller()
    _, mine, _ = post(projects.handler, "/projects", caller, "shared", body={"name": "N"})
    _, theirs, replayed = post(projects.handler, "/projects", stranger, "shared", body={"name": "N"})
    assert (mine != theirs, replayed) == (True, False)
    assert post(keys.handler, "/keys", caller, "shared", body={"name": "N"})[2] is False


def test_another_user_and_a_key_of_one_project_are_not_told_the_answer(caller: Caller, project_id: str) -> None:
    post(projects.handler, "/projects", caller, "k", body={"name": "N"})
    for other in (replace(caller, user=caller.user + 1), replace(caller, project=ids.parse(ids.PROJECT, project_id))):
        status, body, _ = post(projects.handler, "/projects", other, "k", body={"name": "N"})
        assert (status, "name" in json.loads(body)) == (422, False)


def test_a_failure_is_not_kept(caller: Caller) -> None:
    assert post(projects.handler, "/projects", caller, "k", body={"name": ""})[0] == 400
    assert post(projects.handler, "/projects", caller, "k", body={"name": "Now right"})[0] == 201


def test_after_a_day_a_key_is_new_again(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    _, first, _ = post(projects.handler, "/projects", caller, "k", body={"name": "N"})
    late = clock.time.time_ns
    monkeypatch.setattr(clock.time, "time_ns", lambda: late() + (clock.DAY + clock.SECOND) * 1_000_000)
    _, second, replayed = post(projects.handler, "/projects", caller, "k", body={"name": "N"})
    assert (second != first, replayed) == (True, False)


def test_a_repeated_new_key_works_and_is_stored_nowhere(aws: dict[str, str], caller: Caller) -> None:
    post(keys.handler, "/keys", caller, "k", body={"name": "N"})
    _, body, _ = post(keys.handler, "/keys", caller, "k", body={"name": "N"})
    secret = json.loads(body)["key"]
    assert core_keys.well_formed(secret)
    assert table.get((f"key#{core_keys.digest(secret)}", "identity")) is not None
    assert secret not in str(everything(aws))


@pytest.mark.parametrize("key", ["", "a b", "ü", "k" * 256])
def test_a_key_that_is_none_is_refused(caller: Caller, key: str) -> None:
    status, body, _ = post(projects.handler, "/projects", caller, key, body={"name": "N"})
    assert (status, json.loads(body)["error"]["field"]) == (400, "Idempotency-Key")
