"""Exact limits under callers at once, on the emulator: moto holds no races. The window is given, never timed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from fluvial import ids
from local import server
from local.state import Stack
from tests.contract.client import Answer
from tests.stack.conftest import Account, NewAccount
from tests.template import ROOT

pytestmark = pytest.mark.stack

# The document's own figures for this plan.
API = "fluxjiva"
PLAN = "standard"
LIMIT = 60
WINDOW_SECONDS = 60
PROCESSES = 8
THREADS = 8
NOON = 1_767_268_800_000  # 2026-01-01T12:00:00Z
WAIT_SECONDS = 120

Outcomes = Sequence[tuple[int | None, int]]


def spend(stack: Stack, account: int, key: int, moments: Sequence[int]) -> Outcomes:
    """One request at each of the moments, all of them at once; what remained (None: refused) and the window's end."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "layers/core/python"))),
        "AWS_ENDPOINT_URL": stack.endpoint_url,
        "AWS_ACCESS_KEY_ID": server.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": server.SECRET_KEY,
        "AWS_DEFAULT_REGION": stack.region,
        "FLUVIAL_TABLE": str(stack.table),
    }
    given = {"api": API, "plan": PLAN, "account": account, "key": key, "threads": THREADS}
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.stack.spender", json.dumps({**given, "moments": moments[number::PROCESSES]})],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        answers = [json.loads(worker.communicate(timeout=WAIT_SECONDS)[0]) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    return [(remaining, reset) for answer in answers for remaining, reset in answer]


def number_of(account_id: str) -> int:
    number = ids.parse(ids.ACCOUNT, account_id)
    assert number is not None
    return number


def test_of_500_callers_at_once_exactly_60_pass_a_limit_of_60(stack: Stack, new_account: NewAccount) -> None:
    account = new_account()
    outcomes = spend(stack, number_of(account.id), 1, [NOON + 30_000] * 500)
    assert len(outcomes) == 500
    assert {reset for _, reset in outcomes} == {NOON // 1000 + WINDOW_SECONDS}
    assert sorted(remaining for remaining, _ in outcomes if remaining is not None) == list(range(LIMIT))
    usage = account.get("/analytics/usage?start_date=2026-01-01&end_date=2026-01-01").json()
    assert usage["data"] == [{"date": "2026-01-01", "api_calls": LIMIT, "data_processed": 0, "projects_created": 0}]


def test_two_windows_and_two_keys_do_not_take_from_each_other(stack: Stack, new_account: NewAccount) -> None:
    account = new_account()
    end = NOON + WINDOW_SECONDS * 1000
    moments = [end - 1, end] * 125
    for key in (1, 2):
        outcomes = spend(stack, number_of(account.id), key, moments)
        passed = Counter((remaining, reset) for remaining, reset in outcomes if remaining is not None)
        ends = (end // 1000, end // 1000 + WINDOW_SECONDS)
        assert passed == Counter((remaining, reset) for remaining in range(LIMIT) for reset in ends)
    usage = account.get("/analytics/usage?start_date=2026-01-01&end_date=2026-01-01&granularity=hour").json()
    used = {item["date"]: item["api_calls"] for item in usage["data"] if item["api_calls"]}
    assert used == {"2026-01-01T12:00:00Z": 4 * LIMIT}
    assert usage["summary"]["total_api_calls"] == 4 * LIMIT


def test_every_request_and_project_of_callers_at_once_is_in_the_statistics_once(account: Account) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        made = list(threads.map(lambda number: account.post("/projects", {"name": f"P {number}"}), range(40)))
    assert {answer.status for answer in made} == {201}
    usage = account.get("/analytics/usage").json()
    assert usage["summary"] == {"total_api_calls": 41, "total_data_processed": 0, "total_projects": 40}


@pytest.mark.parametrize(
    ("api", "method", "path", "code"),
    [
        (API, "GET", "/projects", "rate_limit_exceeded"),
        # One class of routes of the API that has several.
        ("fluxx", "DELETE", "/api/rest/v2/program/1", 429),
    ],
)
def test_over_http_exactly_60_pass_each_minute_and_the_headers_count_them_down(
    new_account: NewAccount, api: str, method: str, path: str, code: str | int
) -> None:
    account = new_account(PLAN).of(api)
    answers: list[Answer] = []
    with ThreadPoolExecutor(THREADS) as threads:
        # Until a minute is used up; how many minutes that takes is the machine's business.
        while not any(answer.status == 429 for answer in answers) and len(answers) < 10 * LIMIT:
            answers += threads.map(lambda _: account.send(method, path), range(2 * LIMIT))
    assert {answer.status for answer in answers} == {200, 429}
    assert {answer.headers["x-ratelimit-limit"] for answer in answers} == {str(LIMIT)}
    for reset in {answer.headers["x-ratelimit-reset"] for answer in answers if answer.status == 429}:
        of_this_minute = [answer for answer in answers if answer.headers["x-ratelimit-reset"] == reset]
        passed = [answer for answer in of_this_minute if answer.status == 200]
        assert sorted(int(answer.headers["x-ratelimit-remaining"]) for answer in passed) == list(range(LIMIT))
        assert int(reset) % WINDOW_SECONDS == 0
        refused = next(answer for answer in of_this_minute if answer.status == 429)
        assert refused.json()["error"]["code"] == code
        assert (refused.headers["x-ratelimit-remaining"], 0 < int(refused.headers["retry-after"]) <= 60) == ("0", True)
