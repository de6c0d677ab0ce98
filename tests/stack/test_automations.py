"""Automations on the local stack: the real state machine, scheduler and queues of the emulator, with IAM enforced."""

from __future__ import annotations

from typing import Any

import pytest

from local.receiver import Receiver
from local.state import Stack
from tests.stack.conftest import account_on
from tests.stack.test_end_to_end import denied, new_project, until_processed, upload, wait

pytestmark = pytest.mark.stack


def test_a_run_is_driven_to_its_end_by_the_state_machine(guarded_stack: Stack) -> None:
    """An export, a condition on its rows, and a webhook; then what a schedule and an event start."""
    account = account_on(guarded_stack)
    data = upload(account, new_project(account)["id"])
    assert until_processed(account, data)["status"] == "ready"
    api = account.of("flarelight")
    (found,) = api.get("/Import/All").json()["data"]
    with Receiver() as receiver:
        export = {"name": "file", "type": "export", "importId": found["id"], "format": "csv"}
        body = {
            "name": "All",
            "triggers": [{"type": "api"}, {"type": "schedule", "expression": "rate(1 day)"}],
            "steps": [
                export,
                {
                    "name": "any",
                    "type": "condition",
                    "conditions": [{"value": "steps.file.rows", "operator": "gt", "to": 0}],
                },
                {"name": "tell", "type": "call_webhook", "url": receiver.url},
            ],
        }
        made = api.post("/Automation", body).json()["data"]
        listening = {"type": "event", "event": "automation.completed", "automationId": made["id"]}
        rest = {"name": "rest", "type": "wait", "seconds": 1}
        follower = api.post("/Automation", {"name": "Then", "triggers": [listening], "steps": [rest]}).json()["data"]
        started = api.post(f"/Automation/{made['id']}/Execute", {}).json()["data"]

        def ended(path: str) -> dict[str, Any]:
            run: dict[str, Any] = {}

            def over() -> bool:
                run.update(api.get(path).json()["data"])
                return bool(denied(guarded_stack)) or run["status"] not in ("queued", "running")

            wait(over, f"{path} is still under way")
            return run

        run = ended(f"/Automation/Run/{started['runId']}")
        assert denied(guarded_stack) == set()
        assert run["status"] == "succeeded", run
        assert [step["status"] for step in run["steps"]] == ["succeeded"] * 3
        assert api.get(f"/Job/{started['jobId']}").json()["data"]["status"] == "succeeded"
        (told,) = receiver.requests
        assert told.json()["data"]["results"]["file"]["rows"] == run["steps"][0]["result"]["rows"]
        runs = f"/Automation/{follower['id']}/Runs"
        wait(lambda: bool(api.get(runs).json()["data"]), "the event started nothing")
        assert ended(f"/Automation/Run/{api.get(runs).json()['data'][0]['id']}")["status"] == "succeeded"
        assert api.delete(f"/Automation/{made['id']}").status == 200
        wait(lambda: api.get(f"/Automation/Run/{started['runId']}").status == 404, "its runs are still there")
    assert denied(guarded_stack) == set()
