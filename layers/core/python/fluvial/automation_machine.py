"""A run of an automation as a machine: what happens to it, and what it wants next. Pure.

    run     queued ───begun───> running ──> succeeded     its steps came to their end
               ^                   '──────> failed        a step failed, and had no retry left
               '───resume── failed                        from the step that failed on, as the run's next attempt
            (cancelled and skipped are said from outside)

    step    pending ──> running ──> succeeded
               ^           |  ^'──> failed
             resume        v  '── waiting      a retry is due after its backoff
            (skipped: a condition went past it)

Whoever drives it reads the run, lets it `advance`, stores that, does what it `wants`, tells it what came of that, and
stores that. Each store is conditional on the revision that was read, and each thing that is wanted has a key of its
own (`Wanted.key`): so after a death, or with two drivers at once, everything can be repeated from what is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fluvial import automation_steps, clock, ids
from fluvial.automation_steps import Found, Step
from fluvial.causes import Cause

MAX_RUN_MILLISECONDS = 366 * clock.DAY
MAX_ERROR_CHARACTERS = 1_000
ENDED = ("succeeded", "failed", "cancelled", "skipped")
UNDER_WAY = ("queued", "running")
STEP_STATUSES = ("pending", "running", "waiting", "succeeded", "failed", "cancelled", "skipped")


@dataclass(frozen=True, slots=True)
class State:
    """How a step stands. Times in milliseconds; `attempts` counts all it ever had, `failures` those since a resume.

    `until` is the end of a wait, or when a retry is due. `job` is that of the last attempt.
    """

    status: str = "pending"
    attempts: int = 0
    failures: int = 0
    started: int | None = None
    ended: int | None = None
    until: int | None = None
    job: int | None = None
    result: Mapping[str, Any] | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `steps` are those of the automation when it began, `states` how each of them stands.

    `trigger` says what started it (api, schedule or event, with the time or the event), `input` what it was given.
    `by`, `role` and `scopes` are whose rights it uses, as the automation has them. `position` is that of the step under
    way. `attempt` counts the resumes, and `job` is that of this attempt; a skipped run has none. `chain` are the
    automations whose events led here, this one the last.
    """

    id: int
    account: int
    automation: int
    name: str
    trigger: Mapping[str, Any]
    input: Mapping[str, Any]
    steps: tuple[Step, ...]
    by: int
    role: str
    scopes: tuple[str, ...]
    chain: tuple[int, ...]
    created: int
    updated: int
    states: tuple[State, ...] = ()
    status: str = "queued"
    position: int = 0
    attempt: int = 1
    job: int | None = None
    started: int | None = None
    ended: int | None = None
    error: str | None = None
    revision: int = 1

    @property
    def cause(self) -> Cause:
        """What the run makes carries this."""
        return Cause(self.id, self.chain)

    def described(self) -> dict[str, Any]:
        """The run as events show it: without steps, input and results, which may be long."""
        described: dict[str, Any] = {
            "id": ids.spell(ids.AUTOMATION, self.automation),
            "name": self.name,
            "run_id": ids.spell(ids.RUN, self.id),
            "status": self.status,
            "attempt": self.attempt,
            "job_id": None if self.job is None else ids.spell(ids.JOB, self.job),
            "trigger": self.trigger["type"],
            "started_at": None if self.started is None else clock.iso(self.started),
            "ended_at": None if self.ended is None else clock.iso(self.ended),
        }
        if self.error is not None:
            described["failure"] = {"reason": self.error}
        return described


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run wants done. `what` is `start` (a job), `poll` (its job), `call` (a webhook) or `wait` (`seconds`).

    `key` is the attempt's own, the same however often it is wanted.
    """

    what: str
    step: Step
    state: State
    key: str
    seconds: int = 0


def begin(steps: Sequence[Step], **fields: Any) -> Run:
    """A new run that waits for its turn."""
    return Run(steps=tuple(steps), states=tuple(State() for _ in steps), **fields)


def begun(run: Run, now: int) -> Run:
    """A run whose turn has come."""
    return replace(run, status="running", started=now)


def advance(run: Run, now: int) -> Run:
    """The run after everything that needs nobody: steps that begin, conditions, waits that are over, the end.

    Run on what it returned it changes nothing more, until time passes or something is told. A run that has not begun,
    or has ended, stays.
    """
    if run.status != "running":
        return run
    if run.started is not None and now - run.started > MAX_RUN_MILLISECONDS:
        return _failed_run(run, f"The run took longer than {MAX_RUN_MILLISECONDS // clock.DAY} days.", now)
    while run.status == "running":
        if run.position == len(run.steps):
            return replace(run, status="succeeded", ended=now)
        changed = _advance_step(run, now)
        if changed == run:
            break
        run = changed
    return run


def wants(run: Run, now: int) -> Wanted | None:
    """What a run that was advanced wants done; None for one that has ended."""
    if run.status != "running":
        return None
    step, state = run.steps[run.position], run.states[run.position]
    key = f"{run.id}:{run.position}:{state.attempts}"
    if state.until is not None:
        return Wanted("wait", step, state, key, seconds=max(-(-(state.until - now) // clock.SECOND), 1))
    if step.type == "call_webhook":
        return Wanted("call", step, state, key)
    return Wanted("start" if state.job is None else "poll", step, state, key)


def started(run: Run, job: int) -> Run:
    """The job of the step under way was recorded."""
    return _with(run, replace(run.states[run.position], job=job))


def succeeded(run: Run, result: Mapping[str, Any], now: int) -> Run:
    """The step under way is done."""
    return _done(run, result, run.position + 1, now)


def failed(run: Run, error: str, now: int) -> Run:
    """The attempt of the step under way failed: a retry is due later, or the run fails with it."""
    step, state = run.steps[run.position], run.states[run.position]
    told = error if len(error) <= MAX_ERROR_CHARACTERS else error[: MAX_ERROR_CHARACTERS - 1] + "…"
    state = replace(state, failures=state.failures + 1, error=told)
    if state.failures <= step.retries:
        pause = step.backoff_seconds * 2 ** (state.failures - 1) * clock.SECOND
        return _with(run, replace(state, status="waiting", until=now + pause))
    run = _with(run, replace(state, status="failed", ended=now))
    return _failed_run(run, f"The step '{step.name}' failed: {told}", now)


def ended(run: Run, status: str, reason: str | None, now: int) -> Run:
    """The run as it ends from outside: cancelled, or failed because nobody drives it any more."""
    if run.position < len(run.steps) and run.states[run.position].status in ("running", "waiting"):
        state = run.states[run.position]
        run = _with(run, replace(state, status=status, until=None, ended=now, error=state.error or reason))
    return replace(run, status=status, ended=now, error=reason)


def resumed(run: Run, job: int, now: int) -> Run:
    """The next attempt of a run that failed, from the step that failed on: what was done stays done."""
    states = list(run.states)
    if run.position < len(states):
        states[run.position] = State(attempts=states[run.position].attempts)
    return replace(
        run,
        status="queued",
        states=tuple(states),
        attempt=run.attempt + 1,
        job=job,
        started=None,
        ended=None,
        error=None,
        updated=now,
    )


def look_up(run: Run, path: str) -> Found:
    """What is at a path of a condition: in the run's input, or in how an earlier step ended."""
    head, *rest = path.split(".")
    value: Any = run.input
    if head == "steps":
        name, *rest = rest
        state = next(state for step, state in zip(run.steps, run.states, strict=True) if step.name == name)
        value = {**(state.result or {}), "status": state.status, "error": state.error}
    for part in rest:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and len(part) < 6 and int(part) < len(value):
            value = value[int(part)]
        else:
            return False, None
    return True, value


def _advance_step(run: Run, now: int) -> Run:
    step, state = run.steps[run.position], run.states[run.position]
    if state.status == "pending" or (state.status == "waiting" and state.until is not None and state.until <= now):
        return _begun(run, step, state, now)
    if step.type == "wait" and state.until is not None and state.until <= now:
        return _done(run, {}, run.position + 1, now)
    if step.type == "condition" and state.status == "running":
        holding = automation_steps.holds(step, lambda path: look_up(run, path))
        goto = automation_steps.target(step, holding, run.position, run.steps)
        return _done(run, {"holds": holding}, goto, now)
    return run


def _begun(run: Run, step: Step, state: State, now: int) -> Run:
    until = None
    if step.type == "wait":
        seconds = step.settings.get("seconds")
        until = step.settings["until"] if seconds is None else now + seconds * clock.SECOND
    begun = replace(
        state,
        status="running",
        attempts=state.attempts + 1,
        started=state.started or now,
        ended=None,
        until=until,
        job=None,
    )
    return _with(run, begun)


def _done(run: Run, result: Mapping[str, Any], goto: int, now: int) -> Run:
    state = replace(run.states[run.position], status="succeeded", ended=now, until=None, result=result, error=None)
    run = _with(run, state)
    states = tuple(
        replace(each, status="skipped") if run.position < at < goto else each for at, each in enumerate(run.states)
    )
    return replace(run, states=states, position=goto)


def _failed_run(run: Run, reason: str, now: int) -> Run:
    return replace(run, status="failed", ended=now, error=reason)


def _with(run: Run, state: State) -> Run:
    """The run with another state of the step under way."""
    return replace(run, states=(*run.states[: run.position], state, *run.states[run.position + 1 :]))
