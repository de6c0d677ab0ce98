"""One turn of a run of an automation, for the state machine that drives it.

    Turn ──next──> done
     ^     |'─────> wait `seconds` ──.
     '─────'─────────────────────────'

At least once: a turn that died, or whose answer was lost, is repeated whole, and starts nothing twice. An execution has
25,000 events of history and a year; before either ends, a turn starts the next execution and ends its own.
"""

from __future__ import annotations

from typing import Any

from fluvial import automation_runs, clock, ids
from fluvial.log import write_line
from workers.messages import parse_id

MAX_TURNS = 500  # of one execution: at most 9 events each, and 24 more where all retries were needed
MAX_WAIT_SECONDS = 30 * clock.DAY // clock.SECOND
MAX_WAITS = 11  # so long that eleven of them stay below a year
FIRST_POLL_SECONDS = 2
MAX_POLL_SECONDS = 60

Wire = dict[str, Any]


def handler(event: Wire, _: object) -> Wire:
    """Takes what `automation_runs.start_part` sent, and what the turn before answered; with `stopped` it ends the run.

    Answers the same with `next`, `done` or `wait`, and the `seconds` to wait.
    """
    account_id, run_id = parse_id(ids.ACCOUNT, event["account"]), parse_id(ids.RUN, event["run"])
    attempt: int = event["attempt"]
    if event.get("stopped"):
        automation_runs.stopped(account_id, run_id, attempt)
        return {**event, "next": "done"}
    turn = automation_runs.turn(account_id, run_id, attempt)
    answer = {**event, "turn": event["turn"] + 1, "next": "done" if turn.key is None else "wait"}
    if turn.key is not None:
        answer |= _pause(event, turn)
        if _is_long(answer):
            automation_runs.start_part(account_id, run_id, attempt, event["part"] + 1)
            answer["next"] = "done"
    write_line("automation_step", run=event["run"], attempt=attempt, turn=event["turn"], next=answer["next"])
    return answer


def _pause(event: Wire, turn: automation_runs.Turn) -> Wire:
    """How long to wait: as long as is known, or ever longer while a job is asked for."""
    if turn.seconds is not None:
        waits = event.get("waits", 0) + (turn.seconds >= MAX_WAIT_SECONDS)
        return {"seconds": min(turn.seconds, MAX_WAIT_SECONDS), "polls": 0, "key": turn.key, "waits": waits}
    polls = event["polls"] + 1 if event["key"] == turn.key else 0
    # Doubled every third time.
    seconds = min(FIRST_POLL_SECONDS << min(polls // 3, 8), MAX_POLL_SECONDS)
    return {"seconds": seconds, "polls": polls, "key": turn.key}


def _is_long(answer: Wire) -> bool:
    turns: int = answer["turn"]
    waits: int = answer.get("waits", 0)
    return turns >= MAX_TURNS or waits > MAX_WAITS
