"""Identical calls at once, over HTTP: one effect and one answer."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.contract.client import Answer
from tests.stack.conftest import Account, NewAccount

pytestmark = pytest.mark.stack

CALLERS = 50
BARRIER_SECONDS = 60
TRIES = 5


def test_fifty_identical_calls_make_one_key(new_account: NewAccount) -> None:
    account = new_account()
    answers_at_once(account, "/keys", {"name": "Once", "scopes": ["projects:read"]})
    assert account.get("/keys").json()["pagination"]["total"] == 2  # the first key, and this one


def test_fifty_identical_calls_make_one_project_of_fluxjiva(new_account: NewAccount) -> None:
    account = new_account().of("fluxjiva")
    made = answers_at_once(account, "/projects", {"name": "Once"})["data"]
    assert [each["id"] for each in account.get("/projects").json()["data"]] == [made["id"]]


def test_fifty_identical_calls_make_one_page_where_its_slug_can_be_taken_once(new_account: NewAccount) -> None:
    account = new_account().of("codefluss")
    project = account.post("/projects", {"name": "Once"}).json()["data"]
    pages = f"/projects/{project['id']}/pages"
    # What the calls make is in their own way: the second of a slug is refused.
    page = answers_at_once(account, pages, {"title": "Once", "slug": "once"})["data"]
    assert [each["id"] for each in account.get(pages).json()["data"]] == [page["id"]]


def answers_at_once(account: Account, path: str, body: dict[str, Any]) -> Any:
    """The answer to a call that is made by all at once under one key, which is the same for all."""
    content = json.dumps(body).encode()
    together = threading.Barrier(CALLERS)

    def call(_: int) -> Answer:
        together.wait(timeout=BARRIER_SECONDS)
        for _ in range(TRIES):
            answer = account.send("POST", path, content, {"Idempotency-Key": "fifty"})
            # Fifty cold starts can be too much for a busy machine. A client tries again then, and so does this one.
            if answer.status < 500:
                break
        return answer

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(call, range(CALLERS)))
    first = answers[0]
    assert first.status == 201, first.body
    assert {(answer.status, answer.body) for answer in answers} == {(201, first.body)}
    assert sum(answer.headers.get("idempotent-replayed") == "true" for answer in answers) >= CALLERS - 1
    return first.json()
