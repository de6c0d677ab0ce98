"""Identical calls at once, over HTTP: one effect and one answer."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.stack.conftest import NewAccount

pytestmark = pytest.mark.stack

CALLERS = 50


def test_fifty_identical_calls_at_once_make_one_key_and_all_are_told_it(new_account: NewAccount) -> None:
    account = new_account()
    body = json.dumps({"name": "Once", "scopes": ["projects:read"]}).encode()
    together = threading.Barrier(CALLERS)

    def call(_: int) -> tuple[int, bytes]:
        together.wait(timeout=60)
        answer = account.send("POST", "/keys", body, {"Idempotency-Key": "fifty"})
        return answer.status, answer.body

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(call, range(CALLERS)))
    assert answers[0][0] == 201
    assert answers == [answers[0]] * CALLERS
    assert account.get("/keys").json()["pagination"]["total"] == 2  # the first key, and this one
