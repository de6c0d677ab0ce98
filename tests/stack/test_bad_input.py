"""What cannot be accepted, over HTTP: the document's envelope, a clear sentence, and nothing left behind."""

from __future__ import annotations

import gzip
import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fluvial import keys
from local.state import Stack
from tests.contract.client import Answer, Client
from tests.stack.conftest import Account, NewAccount, things_of

pytestmark = pytest.mark.stack

JSON = {"Content-Type": "application/json"}
CSV = b"a,b\n1,2\n"
WAIT_SECONDS = 60


def refused(answer: Answer, status: int, code: str, field: str | None = None) -> str:
    """The sentence of a refusal, once everything else about it is as the document says."""
    body = answer.json()
    assert answer.headers["content-type"].split(";")[0] == "application/json"
    assert list(body) == ["error"]
    error = body["error"]
    assert list(error) == ["code", "message", "field", "request_id"]
    assert (answer.status, error["code"], error["field"]) == (status, code, field), error["message"]
    assert re.fullmatch(r"req_[0-9a-f-]{36}", error["request_id"])
    # A sentence for people: no traceback, no names of classes, no half sentence.
    assert re.fullmatch(r"['A-Z].*\.", error["message"], re.DOTALL)
    assert not re.search(r"Traceback|Error\b|Exception|\bNone\b|codec|Input should", error["message"])
    return str(error["message"])


def without_request_id(answer: Answer) -> tuple[int, bytes, dict[str, str]]:
    """All of an answer that may not differ between two reasons for the same refusal."""
    ours = {name: value for name, value in answer.headers.items() if name not in VOLATILE}
    return answer.status, re.sub(rb"req_[0-9a-f-]{36}", b"req_", answer.body), ours


VOLATILE = {
    "date",
    "x-request-id",
    "x-amzn-requestid",
    "x-amz-request-id",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "ratelimit",
}


@pytest.fixture
def project(account: Account) -> str:
    return str(account.post("/projects", {"name": "Mine"}).json()["id"])


def test_all_bad_keys_are_answered_alike(account: Account) -> None:
    assert account.key is not None
    revoked = account.post("/keys", {"name": "Revoked"}).json()
    assert account.delete(f"/keys/{revoked['id']}").status == 200
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    expired = account.post("/keys", {"name": "Expired", "expires_at": soon}).json()
    deadline = time.monotonic() + WAIT_SECONDS
    while Client(account.base_url, expired["key"]).get("/projects").status == 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    typo = account.key[:-1] + ("a" if account.key[-1] != "a" else "b")
    bad = {
        "malformed": "YOUR_API_KEY",
        "typo": typo,
        "unknown": keys.new_secret(),
        "revoked": revoked["key"],
        "expired": expired["key"],
    }
    answers = {kind: Client(account.base_url, key).get("/projects") for kind, key in bad.items()}
    for answer in answers.values():
        assert refused(answer, 401, "INVALID_API_KEY") == "The API key is invalid or expired."
        assert without_request_id(answer) == without_request_id(answers["unknown"])
    assert account.get("/projects").status == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"Authorization": "Basic YTpi"}])
def test_no_key_at_all_is_a_401_in_the_envelope(stack: Stack, headers: dict[str, str]) -> None:
    answer = Client(stack.base_url("reference")).send("GET", "/projects", headers=headers)
    refused(answer, 401, "INVALID_API_KEY")


def test_a_foreign_project_is_answered_byte_for_byte_like_an_absent_one(
    account: Account, project: str, new_account: NewAccount
) -> None:
    stranger = new_account()
    absent = "proj_00000000000"
    for method, suffix, body in (
        ("GET", "", None),
        ("PUT", "", b'{"name":"n"}'),
        ("DELETE", "", None),
        ("GET", "/data", None),
    ):
        foreign = stranger.send(method, f"/projects/{project}{suffix}", body, JSON)
        missing = stranger.send(method, f"/projects/{absent}{suffix}", body, JSON)
        refused(foreign, 404, "RESOURCE_NOT_FOUND")
        status, told, headers = without_request_id(foreign)
        assert (status, told.replace(project.encode(), absent.encode()), headers) == without_request_id(missing)
    foreign = stranger.upload(CSV, {"project_id": project})
    missing = stranger.upload(CSV, {"project_id": absent})
    refused(foreign, 404, "RESOURCE_NOT_FOUND", "project_id")
    assert without_request_id(foreign)[1].replace(project.encode(), absent.encode()) == without_request_id(missing)[1]
    assert account.get(f"/projects/{project}").json()["name"] == "Mine"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("GET", "/projects/proj_1/nothing"),
        ("GET", "/data"),
        ("PATCH", "/projects"),
        ("PUT", "/projects"),
        ("DELETE", "/users/me"),
        ("POST", "/status"),
        ("GET", "/data/upload/x/y"),
    ],
)
def test_an_unknown_route_and_a_wrong_method_are_a_404(account: Account, method: str, path: str) -> None:
    refused(account.send(method, path, b"{}" if method != "GET" else None, JSON), 404, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/projects?sort=colour", "sort"),
        ("/projects?order=up", "order"),
        ("/projects?per_page=101", "per_page"),
        ("/projects?per_page=0", "per_page"),
        ("/projects?per_page=", "per_page"),
        ("/projects?page=0", "page"),
        ("/projects?page=-1", "page"),
        ("/projects?page=one", "page"),
        ("/projects?page=1_0", "page"),
        ("/projects?page=99999999999999999999", "page"),
        ("/keys?page=0", "page"),
        ("/webhooks?per_page=101", "per_page"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(account: Account, path: str, field: str) -> None:
    refused(account.get(path), 400, "VALIDATION_ERROR", field)


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/projects", b"", "name"),
        ("POST", "/projects", b"{nope", None),
        ("POST", "/projects", b"[]", None),
        ("POST", "/projects", b'"name"', None),
        ("POST", "/projects", b"name=New+Project", None),
        ("POST", "/projects", b'{"name": 5}', "name"),
        ("POST", "/projects", b'{"name": true}', "name"),
        ("POST", "/projects", b'{"name": ""}', "name"),
        ("POST", "/projects", b'{"name": "   "}', "name"),
        ("POST", "/projects", b'{"name": "' + b"n" * 201 + b'"}', "name"),
        ("POST", "/projects", b'{"name": "n", "settings": "private"}', "settings"),
        ("POST", "/projects", b'{"name": "n", "colour": "red"}', "colour"),
        ("POST", "/projects", b'{"name": "n", "' + b"x" * 2_000 + b'": 1}', "<any>"),
        ("PUT", "/users/me", b'{"email": "nobody"}', "email"),
        ("PUT", "/users/me", b"{}", None),
        ("POST", "/keys", b'{"name": "n", "scopes": ["fly"]}', "scopes"),
        ("POST", "/webhooks", b'{"url": "ftp://example.com/", "events": ["*"]}', "url"),
        ("POST", "/webhooks", b'{"url": "http://169.254.169.254/", "events": ["*"]}', "url"),
        ("POST", "/webhooks", b'{"url": "http://127.0.0.1:9/", "events": ["nothing"]}', "events"),
        ("POST", "/data/uploads", b'{"project_id": "proj_1", "filename": "a.csv", "size": 0}', "size"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_bad_body_is_refused_by_field_and_leaves_nothing_behind(
    stack: Stack, account: Account, method: str, path: str, body: bytes, field: str | None
) -> None:
    before = things_of(stack, account)
    answer = account.send(method, path, body, JSON)
    refused(answer, 400, "VALIDATION_ERROR", answer.json()["error"]["field"] if field == "<any>" else field)
    assert len(answer.body) < 1_000
    assert things_of(stack, account) == before


@pytest.mark.parametrize(
    ("data", "fields", "status", "code", "field"),
    [
        (None, {"project_id": "<own>"}, 400, "VALIDATION_ERROR", "file"),
        (CSV, {}, 400, "VALIDATION_ERROR", "project_id"),
        (CSV, {"project_id": "proj_abc123"}, 404, "RESOURCE_NOT_FOUND", "project_id"),
        (b"", {"project_id": "<own>"}, 400, "VALIDATION_ERROR", "file"),
        (CSV, {"project_id": "<own>", "format": "doc"}, 400, "VALIDATION_ERROR", "format"),
    ],
    ids=["no file", "no project", "an absent project", "an empty file", "an unknown format"],
)
def test_a_bad_upload_is_refused_and_leaves_nothing_behind(
    stack: Stack,
    account: Account,
    project: str,
    data: bytes | None,
    fields: dict[str, str],
    status: int,
    code: str,
    field: str,
) -> None:
    before = things_of(stack, account)
    sent = {name: project if value == "<own>" else value for name, value in fields.items()}
    refused(account.upload(data, sent), status, code, field)
    assert things_of(stack, account) == before


def test_a_body_that_is_no_form_is_refused_without_naming_a_field(stack: Stack, account: Account) -> None:
    before = things_of(stack, account)
    for body, content_type in (
        (b'{"file": "a,b"}', "application/json"),
        (b"--x\r\nContent-Dis", "multipart/form-data; boundary=x"),
        (CSV, "multipart/form-data"),
    ):
        refused(account.send("POST", "/data/upload", body, {"Content-Type": content_type}), 400, "VALIDATION_ERROR")
    assert things_of(stack, account) == before


def test_a_file_over_the_gateway_s_limit_is_sent_to_the_other_way(stack: Stack, account: Account, project: str) -> None:
    before = things_of(stack, account)
    answer = account.upload(b"a,b\n" + b"1,2\n" * 1_125_000, {"project_id": project})
    assert "POST /v1/data/uploads" in refused(answer, 413, "PAYLOAD_TOO_LARGE", "file")
    assert things_of(stack, account) == before


def test_files_that_cannot_be_read_fail_with_their_reason_and_leave_no_rows(
    stack: Stack, account: Account, project: str
) -> None:
    files = {
        "header.csv": (b"a,b\n", "The file has a header but no rows."),
        "junk.csv": (bytes(range(256)) * 20, "The file is binary, not a table in text form; export it as CSV."),
        "nul.csv": (
            b"a,b\n1,x\x00y\n",
            "Line 2 contains a NUL byte, which text never has; save the file as plain text in UTF-8.",
        ),
        "bomb.csv": (
            gzip.compress(b"a\n" + b"0" * (100 * 1024 * 1024), 9),
            "The gzip file unpacks to more than 200 times its size, as no table does; it is not unpacked.",
        ),
    }
    made = {}
    for name, (data, _) in files.items():
        answer = account.upload(data, {"project_id": project}, filename=name)
        assert answer.status == 201
        made[name] = answer.json()["id"]
    for name, (_, reason) in files.items():
        found = until_processed(account, made[name])
        assert (found["status"], found["failure"], found["rows"]) == ("failed", {"reason": reason}, None)
        sentence = refused(account.get(f"/data/{made[name]}/rows"), 409, "CONFLICT")
        assert reason in sentence
    left = things_of(stack, account)
    # The original bytes are kept with the reason; nothing was made of them.
    assert (left["incoming/"], left["sources/"], left["datasets/"]) == (0, 4, 0)


def until_processed(account: Client, id: str) -> Any:
    deadline = time.monotonic() + WAIT_SECONDS
    while (found := json.loads(account.get(f"/data/{id}").body))["status"] == "processing":
        assert time.monotonic() < deadline, f"{id} is still being processed"
        time.sleep(0.05)
    return found
