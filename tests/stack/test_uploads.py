"""Uploads in parts over HTTP: by the API itself, and by `make upload`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local import parts, state, upload
from local.calls import RefusedError
from local.client import Client
from local.state import LocalError, Stack
from tests.contract.client import send
from tests.stack.conftest import Account, NewAccount, account_on, things_of
from tests.stack.test_end_to_end import new_project, until_processed

pytestmark = pytest.mark.stack

MIB = 1024 * 1024
ROWS = 11 * MIB // 4
FILE = b"a,b\n" + b"1,2\n" * ROWS


def open_upload(account: Account, size: int = len(FILE)) -> dict[str, Any]:
    body = {"project_id": new_project(account)["id"], "filename": "large.csv", "size": size, "parts": True}
    answer = account.post("/data/uploads", body)
    assert answer.status == 201, answer.body
    opened: dict[str, Any] = answer.json()
    return opened


def parts_of(account: Account, opened: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = account.get(f"/data/uploads/{opened['id']}/parts").json()["data"]
    return found


def put(part: dict[str, Any], file: bytes = FILE) -> int:
    return send("PUT", part["url"], file[part["offset"] : part["offset"] + part["size"]]).status


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status, answer.json()["error"]["message"]


def test_a_file_in_parts_is_read_like_any_other(account: Account, new_account: NewAccount) -> None:
    opened, stranger = open_upload(account), new_account()
    complete = f"/data/uploads/{opened['id']}/complete"
    first, second = parts_of(account, opened)
    assert put(second) == 200
    # Sent twice, with other bytes the first time.
    assert put(first, FILE.replace(b"1", b"9")) == 200
    assert refusal(stranger.get(f"/data/uploads/{opened['id']}/parts")) == (404, f"No upload '{opened['id']}' exists.")
    assert stranger.post(complete).status == 404
    assert put(first) == 200
    assert [part["etag"] is None for part in parts_of(account, opened)] == [False, False]
    made = account.post(complete)
    assert (made.status, made.json()["id"]) == (201, opened["data_id"])
    assert account.post(complete).json()["id"] == opened["data_id"]
    # Completed, it takes nothing any more.
    assert put(first, FILE.replace(b"1", b"9")) == 404
    found = until_processed(account, opened["data_id"])
    assert (found["status"], found["rows"], found["rejected_rows"], found["size"]) == ("ready", ROWS, 0, len(FILE))
    page = account.get(f"/data/{opened['data_id']}/rows?per_page=1").json()
    assert page["data"] == [{"a": 1, "b": 2}]


def test_an_upload_in_parts_is_not_completed_before_all_of_them_are_there_and_right(account: Account) -> None:
    opened = open_upload(account)
    complete = f"/data/uploads/{opened['id']}/complete"
    first, second = parts_of(account, opened)
    assert refusal(account.post(complete)) == (409, "2 of 2 parts have not arrived yet: 1-2.")
    assert put(second) == 200
    assert refusal(account.post(complete)) == (409, "1 of 2 parts have not arrived yet: 1.")
    # The length is signed, so the bucket itself takes no other.
    for length in (first["size"] - 4, first["size"] + 4):
        assert send("PUT", first["url"], FILE[:length]).status == 403
    assert refusal(account.post(complete)) == (409, "1 of 2 parts have not arrived yet: 1.")
    assert account.get(f"/data/{opened['data_id']}").status == 404
    assert put(first) == 200
    assert account.post(complete).status == 201


def test_with_iam_enforced_parts_are_opened_listed_sent_and_joined(guarded_stack: Stack) -> None:
    account = account_on(guarded_stack)
    opened = open_upload(account)
    assert [put(part) for part in parts_of(account, opened)] == [200, 200]
    assert account.post(f"/data/uploads/{opened['id']}/complete").status == 201
    assert until_processed(account, opened["data_id"])["rows"] == ROWS
    body = {"project_id": opened["project_id"], "filename": "b.csv", "size": len(FILE), "parts": True}
    again = account.post("/data/uploads", body).json()
    assert [put(part) for part in parts_of(account, again)] == [200, 200]
    body = {"upload_id": again["id"], "mode": "replace", "dry_run": True}
    assert account.post(f"/data/{opened['data_id']}/versions/upload", body).status == 201


# ---------------------------------------------------------------- make upload


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file on the disk; what is remembered of its upload is forgotten with it."""
    monkeypatch.setattr(state, "STATE", tmp_path / "state")
    made = tmp_path / "large.csv"
    made.write_bytes(FILE)
    return made


def wanted(account: Account, file: Path, **more: str) -> upload.Wanted:
    return upload.Wanted(file=file, url=account.base_url, key=account.key, **more)


def test_make_upload_sends_a_file_in_parts_and_follows_it_to_its_end(stack: Stack, tmp_path: Path) -> None:
    account = account_on(stack)
    file = tmp_path / "large.csv"
    file.write_bytes(FILE)
    environment = {**os.environ, "KEY": account.key, "NO_COLOR": "1"}
    command = [sys.executable, "-m", "local", "upload", "--file", str(file), "--url", account.base_url]
    done = subprocess.run(
        [*command, "--name", "Eleven MiB"], cwd=state.ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "100 %  11.5 MB of 11.5 MB" in done.stdout
    assert f"read {ROWS:,} rows: {ROWS:,} loaded, 0 rejected" in done.stdout
    (project,) = account.get("/projects").json()["data"]
    assert project["name"] == "Uploads"
    (dataset,) = account.get(f"/projects/{project['id']}/data").json()["data"]
    assert (dataset["filename"], dataset["rows"]) == ("large.csv", ROWS)
    with_name = account.of("fluxjiva").get(f"/projects/{project['id']}/data-sources").json()["data"]
    assert [source["name"] for source in with_name] == ["Eleven MiB"]


def test_a_small_file_goes_in_one_request(account: Account, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_bytes(b"a,b\n1,2\n")
    assert upload.run(wanted(account, file, project=new_project(account)["id"])) == 0
    assert "read 1 rows: 1 loaded, 0 rejected" in capsys.readouterr().out


def test_a_file_that_cannot_be_read_as_a_table_ends_with_the_reason(account: Account, file: Path) -> None:
    file.write_bytes(b"%PDF-1.7\n")
    with pytest.raises(LocalError, match=r"^large\.csv cannot be used: .*PDF"):
        upload.run(wanted(account, file))


def test_an_interrupted_upload_goes_on_where_it_ended(
    stack: Stack, account: Account, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent: list[str] = []
    real = parts.send

    def dies_at_the_second(method: str, url: str, *more: Any) -> Any:
        if "partNumber=2" in url:
            raise LocalError("the line was cut")
        answer = real(method, url, *more)
        sent.append(url)
        return answer

    # One after the other, so that the first is there when the second fails.
    monkeypatch.setattr(parts, "AT_ONCE", 1)
    monkeypatch.setattr(parts, "send", dies_at_the_second)
    with pytest.raises(LocalError, match="the line was cut"):
        upload.run(wanted(account, file))
    assert len(sent) == 1
    assert "the same command goes on with the rest" in capsys.readouterr().out
    monkeypatch.setattr(parts, "send", lambda method, url, *more: sent.append(url) or real(method, url, *more))
    assert upload.run(wanted(account, file)) == 0
    out = capsys.readouterr().out
    assert "goes on: 1 of 2 parts have arrived, 8.4 MB of 11.5 MB" in out
    assert f"{ROWS:,} loaded" in out
    assert ["partNumber=1" in url for url in sent] == [True, False]
    assert things_of(stack, account)["uploads"] == 0
    assert list((state.STATE / "uploads").iterdir()) == []


def test_a_file_that_was_changed_since_is_sent_again_where_it_differs(account: Account, file: Path) -> None:
    client = Client(account.base_url, account.key)
    session = parts.open_upload(client, new_project(account)["id"], file)
    parts.send_all(parts.listed(client, session), file, lambda _: None)
    file.write_bytes(FILE[:-4] + b"3,4\n")
    assert parts.send_all(parts.listed(client, session), file, lambda _: None) == 1
    found = until_processed(account, parts.complete(client, session)["id"])
    last = account.get(f"/data/{found['id']}/rows?per_page=1&page={ROWS}").json()["data"]
    assert last == [{"a": 3, "b": 4}]


def test_a_completion_that_nobody_heard_of_is_not_done_twice(
    stack: Stack, account: Account, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = parts.complete

    def dies_after(client: Client, session: str) -> Any:
        real(client, session)
        raise LocalError("the line was cut")

    monkeypatch.setattr(parts, "complete", dies_after)
    with pytest.raises(LocalError, match="the line was cut"):
        upload.run(wanted(account, file))
    monkeypatch.setattr(parts, "complete", real)
    assert upload.run(wanted(account, file)) == 0
    assert "this file was uploaded already, as data_" in capsys.readouterr().out
    assert things_of(stack, account)["datasets"] == 1


def test_a_part_is_sent_again_after_failures_and_with_a_new_url_where_its_own_has_expired(
    account: Account, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(account.base_url, account.key)
    session = parts.open_upload(client, new_project(account)["id"], file)
    fails = {"partNumber=1": [503, 403, None], "partNumber=2": [None]}
    real, progress = parts.send, []

    def fails_first(method: str, url: str, headers: Any, body: Any) -> Any:
        for part, left in fails.items():
            if part in url and left:
                next(body), next(body)
                raise RefusedError("no", left.pop(0))
        return real(method, url, headers, body)

    monkeypatch.setattr("local.calls.FIRST_PAUSE_SECONDS", 0)
    monkeypatch.setattr(parts, "send", fails_first)
    parts.send_all(parts.listed(client, session), file, progress.append)
    assert fails == {"partNumber=1": [], "partNumber=2": []}
    assert (max(progress), progress[-1]) == (len(FILE), len(FILE))
    assert parts.complete(client, session)["size"] == len(FILE)


def test_a_part_that_is_refused_for_good_ends_the_upload_at_once(
    account: Account, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(account.base_url, account.key)
    listed = parts.listed(client, parts.open_upload(client, new_project(account)["id"], file))

    def refuses(*_: Any) -> Any:
        raise RefusedError("no such upload", 404)

    monkeypatch.setattr(parts, "send", refuses)
    with pytest.raises(LocalError, match="no such upload"):
        parts.send_all(listed, file, lambda _: None)


def test_without_a_key_a_local_stack_gets_an_account_for_uploads_once(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = state.directory(stack.port) / "upload-account.json"
    file = tmp_path / "small.csv"
    file.write_bytes(b"a,b\n1,2\n")
    for _ in range(2):
        assert upload.run(upload.Wanted(file=file, port=stack.port)) == 0
    assert capsys.readouterr().out.count("for uploads to this stack") == 1
    assert kept.stat().st_mode & 0o077 == 0
    assert json.loads(kept.read_text())["pid"] == stack.pid


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"url": "https://api.example.com/v1"}, "say with which key"),
        ({"url": "api.example.com", "key": "flv_x"}, "is not the URL of an API"),
        ({"file": Path("/nowhere/x.csv")}, "cannot be read: No such file"),
    ],
)
def test_what_cannot_be_uploaded_is_refused_with_one_sentence(file: Path, more: dict[str, Any], reason: str) -> None:
    with pytest.raises(LocalError, match=reason):
        upload.run(upload.Wanted(**{"file": file, **more}))
