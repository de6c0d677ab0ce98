"""From an upload to a verified webhook, over HTTP, through every function of the stack."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.receiver import Receiver, Request
from local.state import Stack
from tests.contract.client import multipart, send
from tests.stack.conftest import Account, NewAccount, account_on, things_of

pytestmark = pytest.mark.stack

CSV = b"a,b\n1,2\n3,4\n"
WAIT_SECONDS = 60


def subscribe(account: Account, receiver: Receiver, *events: str) -> str:
    endpoint = account.post("/webhooks", {"url": receiver.url, "events": list(events or ["*"])}).json()
    receiver.secret = endpoint["secret"]
    return str(endpoint["id"])


def new_project(account: Account, name: str = "A project") -> dict[str, Any]:
    project: dict[str, Any] = account.post("/projects", {"name": name}).json()
    return project


def upload(account: Account, project: str, data: bytes = CSV) -> str:
    answer = account.upload(data, {"project_id": project})
    assert answer.status == 201, answer.body
    return str(answer.json()["id"])


def wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def until_processed(account: Account, data: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def processed() -> bool:
        found.update(account.get(f"/data/{data}").json())
        return found["status"] != "processing"

    wait(processed, f"{data} is still being processed")
    return found


def received(receiver: Receiver, *events: str) -> list[Request]:
    """The requests so far, once there is one of each of these events; of one that is named twice, two."""

    def are_there(requests: list[Request]) -> bool:
        # The same event may come twice, under one id.
        return Counter(events) <= Counter({request.id: request.event for request in requests}.values())

    came = receiver.wait(are_there, WAIT_SECONDS)
    assert came, [request.event for request in receiver.requests]
    return list(receiver.requests)


def test_every_event_reaches_its_receiver_signed(account: Account) -> None:
    with Receiver() as receiver:
        subscribe(account, receiver)
        project = new_project(account, "Before")
        changed = account.put(f"/projects/{project['id']}", {"name": "After"}).json()
        good, bad = upload(account, project["id"]), upload(account, project["id"], b"a,b\n")
        assert until_processed(account, good)["status"] == "ready"
        assert until_processed(account, bad)["status"] == "failed"
        # The sweep after a deletion makes events of its own, so it waits until the others have come.
        received(receiver, "data.processed", "data.failed")
        assert account.delete(f"/projects/{project['id']}").status == 200
        expected = Counter(
            {"project.created": 1, "project.updated": 1, "data.uploaded": 2, "data.processed": 1, "data.failed": 1}
        )
        requests = received(receiver, *expected.elements(), "project.deleted")
    assert all(request.verified and request.status == 200 for request in requests)
    # A receiver may see an event twice, but always under one id.
    bodies = {request.id: request.json() for request in requests}
    assert Counter(body["type"] for body in bodies.values()) >= expected
    for id, body in bodies.items():
        assert re.fullmatch(r"evt_[0-9a-z]+", id)
        assert list(body) == ["type", "timestamp", "data"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["timestamp"])
    by_type = {body["type"]: body["data"] for body in bodies.values()}
    windows = {"slug": by_type["project.created"]["slug"], "status": "draft", "industry": None}
    assert by_type["project.created"] == {**project, **windows}
    assert by_type["project.updated"] == {**changed, **windows}
    assert by_type["project.deleted"] == {**changed, **windows}
    processed = by_type["data.processed"]
    assert (processed["id"], processed["rows"], processed["rejected_rows"]) == (good, 2, 0)
    failed = by_type["data.failed"]
    assert (failed["id"], failed["failure"]) == (bad, {"reason": "The file has a header but no rows."})


def test_a_receiver_that_fails_first_gets_the_same_event_again(account: Account) -> None:
    with Receiver(statuses=[500]) as receiver:
        endpoint = subscribe(account, receiver, "project.created")
        new_project(account)
        assert receiver.wait(lambda requests: len(requests) == 2, WAIT_SECONDS)
        first, second = receiver.requests
        assert (first.status, second.status) == (500, 200)
        assert (first.id, first.body) == (second.id, second.body)
        assert first.verified
        assert second.verified
        path = f"/webhooks/{endpoint}/deliveries"
        wait(lambda: account.get(path).json()["data"][0]["state"] == "delivered", "the delivery is not noted")
        (delivery,) = account.get(path).json()["data"]
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 200]
    assert delivery["event_id"] == first.id


def test_a_large_file_goes_through_the_bucket(stack: Stack, account: Account) -> None:
    project = new_project(account)["id"]
    data = b"a,b\n" + b"1,2\n" * 1_500_000
    opened = account.post("/data/uploads", {"project_id": project, "filename": "large.csv", "size": len(data)})
    assert opened.status == 201
    session = opened.json()
    complete = f"/data/uploads/{session['id']}/complete"
    assert account.post(complete).status == 409
    form = session["upload"]
    # The bucket itself refuses more than was announced.
    body, content_type = multipart(data + b"5,6\n", form["fields"])
    assert send("POST", form["url"], body, {"Content-Type": content_type}).status == 400
    assert account.post(complete).status == 409
    body, content_type = multipart(data, form["fields"])
    assert send("POST", form["url"], body, {"Content-Type": content_type}).status in (200, 201, 204)
    assert account.post(complete).json()["id"] == session["data_id"]
    assert until_processed(account, session["data_id"])["rows"] == 1_500_000
    page = account.get(f"/data/{session['data_id']}/rows?page=15000&per_page=100").json()
    assert (len(page["data"]), page["links"]["next"]) == (100, None)


def test_what_is_deleted_leaves_nothing_in_the_bucket(stack: Stack, account: Account) -> None:
    project = new_project(account)["id"]
    assert until_processed(account, upload(account, project))["status"] == "ready"
    upload(account, project)
    assert account.delete(f"/projects/{project}").status == 200

    def gone() -> bool:
        left = things_of(stack, account)
        return not left["datasets"] and not left["incoming/"] + left["sources/"] + left["datasets/"]

    wait(gone, "a deleted project left something behind")


def test_nothing_of_one_account_is_visible_to_another(account: Account, new_account: NewAccount) -> None:
    other = new_account()
    with Receiver() as mine, Receiver() as theirs:
        endpoint = subscribe(account, mine)
        subscribe(other, theirs)
        project = new_project(account, "Mine")["id"]
        data = upload(account, project)
        until_processed(account, data)
        key = account.post("/keys", {"name": "Mine"}).json()["id"]
        received(mine, "project.created", "data.uploaded", "data.processed")

        for path in ("/projects", "/projects?sort=name", "/projects?sort=updated_at"):
            assert other.get(path).json()["pagination"]["total"] == 0
        assert [found["name"] for found in other.get("/keys").json()["data"]] == ["First key"]
        assert other.get("/webhooks").json()["pagination"]["total"] == 1
        assert other.get("/users/me").json()["email"] == other.email
        for method, path in (
            ("GET", f"/projects/{project}"),
            ("DELETE", f"/projects/{project}"),
            ("GET", f"/projects/{project}/data"),
            ("GET", f"/data/{data}"),
            ("GET", f"/data/{data}/rows"),
            ("GET", f"/data/{data}/rejects"),
            ("DELETE", f"/data/{data}"),
            ("DELETE", f"/keys/{key}"),
            ("GET", f"/webhooks/{endpoint}"),
            ("GET", f"/webhooks/{endpoint}/deliveries"),
            ("DELETE", f"/webhooks/{endpoint}"),
        ):
            assert other.send(method, path).status == 404, path

        new_project(other, "Theirs")
        names = {request.json()["data"].get("name") for request in received(theirs, "project.created")}
        assert names == {"Theirs"}
        assert "Theirs" not in {request.json()["data"].get("name") for request in mine.requests}
    assert account.get(f"/data/{data}").json()["status"] == "ready"


def test_under_its_own_permissions_every_function_can_do_its_work(guarded_stack: Stack) -> None:
    """With IAM enforced; the message names each permission that is missing in template.yaml."""
    account = account_on(guarded_stack)
    with Receiver() as receiver, Receiver(statuses=[410]) as gone, Receiver(statuses=[500]) as failing:
        everything = subscribe(account, receiver)
        closed, _ = subscribe(account, gone, "project.created"), subscribe(account, failing, "project.created")
        project = new_project(account)["id"]
        good, bad = upload(account, project), upload(account, project, b"a,b\n")
        session = account.post("/data/uploads", {"project_id": project, "filename": "x.csv", "size": len(CSV)}).json()
        body, content_type = multipart(CSV, session["upload"]["fields"])
        assert send("POST", session["upload"]["url"], body, {"Content-Type": content_type}).status < 300
        key = account.post("/keys", {"name": "Short-lived"}).json()["id"]
        answers = [
            account.put(f"/projects/{project}", {"name": "After"}),
            *(account.get(f"/projects?sort={sort}") for sort in ("created_at", "updated_at", "name")),
            account.post(f"/data/uploads/{session['id']}/complete"),
            *(account.get(f"/projects/{project}/data?sort={sort}") for sort in ("created_at", "updated_at", "name")),
            account.get("/keys"),
            account.delete(f"/keys/{key}"),
            account.get("/status"),
            account.put("/users/me", {"email": f"new-{account.email}"}),
            account.get("/webhooks"),
            account.put(f"/webhooks/{everything}", {"events": ["*"]}),
        ]
        assert until_processed(account, good)["status"] == "ready"
        assert until_processed(account, bad)["status"] == "failed"
        until_processed(account, session["data_id"])
        answers += [
            account.get(f"/data/{good}/rows"),
            account.get(f"/data/{good}/rejects"),
            account.get(f"/jobs/{account.get(f'/data/{good}').json()['job_id']}"),
            account.get("/events"),
            account.get("/analytics/usage"),
            account.get("/analytics/usage?start_date=2024-01-01&end_date=2024-01-31"),
            account.delete(f"/data/{bad}"),
            account.get(f"/webhooks/{everything}/deliveries"),
        ]
        received(receiver, "project.created", "data.processed", "data.failed", "data.deleted")
        assert failing.wait(lambda requests: len(requests) == 2, WAIT_SECONDS)
        answers += [account.delete(f"/projects/{project}"), account.delete(f"/webhooks/{everything}")]
        assert gone.wait(lambda requests: len(requests) > 0, WAIT_SECONDS)

        def done() -> bool:
            left = things_of(guarded_stack, account)
            return left["datasets"] == 0 and not account.get(f"/webhooks/{closed}").json()["enabled"]

        wait(lambda: bool(denied(guarded_stack)) or done(), "deletion or 410 was not dealt with")
    assert denied(guarded_stack) == set()
    assert {answer.status for answer in answers} == {200, 201}


def denied(stack: Stack) -> set[tuple[str, str]]:
    """Function and action of every call that IAM refused, from the log of the stack's functions."""
    text = Path(stack.log).read_text(errors="replace")
    found = re.findall(r"assumed-role/\S+?-(\w+Function)Role\S* is not authorized to perform: (\S+)", text)
    return {(function, action) for function, action in found}
