"""A run of an automation that was recorded -> its state machine, if it is its turn.

At least once; an execution is named after the run and its attempt, so a second start of it is none. A run that has to
wait is started when the one before it has ended (`workers.automations`). One that cannot be started ends as failed,
by fail_job.
"""

from __future__ import annotations

from typing import Any

from fluvial import automation_runs, bus, ids
from fluvial.log import write_line
from fluvial.store import jobs
from workers.messages import parse_job


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event whose bodies are EventBridge events of automation jobs."""
    return bus.run_batch(event, _start)


def _start(message: dict[str, Any]) -> None:
    account_id, job_id = parse_job(message)
    job = jobs.get(account_id, job_id)
    if job is not None:
        started = automation_runs.start_machine(account_id, job.inputs["automation"])
        write_line("start_automation", job=ids.spell(ids.JOB, job_id), started=started)
