"""Runs of automations: recorded before they begin, driven by a state machine, and never stuck.

    execute, a due schedule, an event
        '──> run, job and place in the line (one transaction)
                '──stream, bus, queue──> start_automation: one execution of the state machine, named after the attempt
                        '──> turn, wait, turn, wait, …  until the run has ended

`turn` is all that the machine calls. It reads the run, lets it go as far as it goes (`automation_machine`), and says
when to come again. What it starts has a key of the step's attempt, so a turn that died is repeated whole, and two at
once do nothing twice; only a webhook can be called twice, under the same Idempotency-Key. The run's end, its job's end,
the event and the next one's turn in the line are one transaction.

An automation has one run under way at a time. Others wait, at most MAX_WAITING, or are skipped; a skipped run is
recorded with the reason. The next one's execution is started by the event of the end of the one before.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fluvial import (
    automation_actions,
    automation_machine,
    automations,
    causes,
    clock,
    events,
    ids,
    jobs,
    machine,
    outbound,
)
from fluvial.attempts import attempts
from fluvial.automation_machine import Run, Wanted
from fluvial.automations import Automation
from fluvial.caller import Caller
from fluvial.config import settings
from fluvial.errors import ConflictError, FluvialError, InvalidError, NotFoundError
from fluvial.idempotency import Once, guard
from fluvial.store import automation_runs as store
from fluvial.store import automations as stored_automations
from fluvial.store import jobs as stored_jobs

AUTOMATION = "automation"  # the kind of its jobs
MAX_WAITING = 100
MAX_INPUT_BYTES = 32 * 1024
MAX_CHAIN = 10
MAX_MOVES = 200  # of one turn: more than any run can make without waiting
MAX_TURN_SECONDS = 20  # then the machine calls again: a webhook that has begun takes 15 more, and a function has 60
KEPT_ANSWER_CHARACTERS = 500  # of a webhook's answer
GONE = "The automation was deleted."
STOPPED = "The automation could not be run: the work on it stopped without an answer again and again."

Trigger = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """What the machine does next: nothing any more (`key` None), or come again after `seconds`.

    With `seconds` None nobody knows how long a job takes: it is asked for in growing pauses. `key` is that of what is
    waited for.
    """

    key: str | None = None
    seconds: int | None = None


DONE = Turn()


def execute(
    caller: Caller,
    automation_id: int,
    given: object = None,
    *,
    once: Once[Run] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Run:
    """Records a run, as the API asks for it. `given` is the input, an object that conditions and webhooks can use.

    ConflictError for an automation that is switched off or that the API does not start, and where too many runs wait.
    """
    automation = automations.get(caller, automation_id)
    if not automation.triggers.api:
        raise ConflictError("The automation is not configured for API triggers: add a trigger of the type 'api'.")
    if not automation.enabled:
        raise _disabled()
    checked = _checked_input(given)
    run = _record(automation, {"type": "api"}, checked, once=once, refuse=True, now=now, new_id=new_id)
    if run is None:
        raise AssertionError("unreachable: a call of the API is no occasion that comes again")
    return run


def occur(
    automation: Automation,
    trigger: Trigger,
    given: Mapping[str, Any],
    *,
    occasion: str,
    chain: tuple[int, ...] = (),
    now: clock.Now = clock.now,
) -> Run | None:
    """Records the run of an occasion: of an event, or a time of a schedule. None where it has one, or may have none.

    `chain` are the automations that led to it. Where this one is among them, or they are too many, the run is recorded
    as skipped, with the reason.
    """
    reason = None
    if automation.id in chain:
        reason = "This automation itself led to the event: it would start itself again and again."
    elif len(chain) >= MAX_CHAIN:
        reason = (
            f"The event comes from a chain of {MAX_CHAIN} automations that started each other, the most there may be."
        )
    try:
        return _record(automation, trigger, given, occasion=occasion, chain=chain, skipped=reason, now=now)
    except NotFoundError:
        return None


def get(caller: Caller, run_id: int) -> Run:
    """The run; NotFoundError for an absent or foreign one, and for one that ended so long ago that it is forgotten."""
    run = store.get(caller.account, run_id)
    if run is None:
        raise NotFoundError("run", run_id)
    return run


def behind(caller: Caller, automation_id: int, after: int | None, *, limit: int) -> tuple[list[Run], bool]:
    """At most `limit` runs of an automation, newest first, behind the id `after`; and whether more follow."""
    automations.get(caller, automation_id)
    return store.behind(caller.account, automation_id, after, limit=limit)


def resume(
    caller: Caller,
    run_id: int,
    *,
    once: Once[Run] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Run:
    """Records the next attempt of a run that failed, from the step that failed on. ConflictError for another run."""
    for _ in attempts(f"run {run_id}"):
        run = get(caller, run_id)
        if run.status != "failed":
            raise ConflictError(f"Only a run that failed can be resumed: this one is {run.status}.")
        automations.get(caller, run.automation)
        line = stored_automations.line(run.account, run.automation)
        if line is None:
            raise NotFoundError("automation", run.automation)
        _check_waiting(line)
        moment = max(now(), run.updated)
        job = jobs.Job(new_id(), run.account, AUTOMATION, {"automation": run.automation, "run": run.id}, moment)
        resumed = _next(automation_machine.resumed(run, job.id, moment), moment)
        if store.resume(resumed, job, line.entered(run.id, now=moment), guard(once, resumed)):
            return resumed
    raise AssertionError("unreachable: attempts end with an error")


def cancel(caller: Caller, run_id: int, *, once: Once[Run] | None = None, now: clock.Now = clock.now) -> Run:
    """Calls a run off, and its job with it; the job of the step under way follows. Cancelling it again changes nothing.

    ConflictError where it has ended otherwise.
    """
    for _ in attempts(f"run {run_id}"):
        run = get(caller, run_id)
        if run.status == "cancelled":
            # The effect is there, whoever had it: the answer is kept alone.
            stored_jobs.note(guard(once, run))
            return run
        if run.status in automation_machine.ENDED or run.job is None:
            raise ConflictError(f"The run has ended already: it is {run.status}.")
        job = stored_jobs.get(run.account, run.job)
        if job is not None:
            fail(job, run, "It was cancelled.", state="cancelled", now=now)
    raise AssertionError("unreachable: attempts end with an error")


def fail(
    job: jobs.Job, run: Run, reason: str, *, state: jobs.Unfinished = "failed", now: clock.Now = clock.now
) -> bool:
    """Ends run and job from outside; False where something changed meanwhile, or the job is not the run's any more."""
    if run.job != job.id or run.status in automation_machine.ENDED:
        return False
    return _end(automation_machine.ended(run, state, reason, now()), job, now())


def stopped(account_id: int, run_id: int, attempt: int) -> bool:
    """Ends a run as failed whose state machine stopped; False where it had ended, or was resumed."""
    for _ in attempts(f"run {run_id}"):
        run = store.get(account_id, run_id)
        if run is None or run.attempt != attempt or run.status in automation_machine.ENDED or run.job is None:
            return False
        job = stored_jobs.get(account_id, run.job)
        if job is None or fail(job, run, STOPPED):
            return job is not None
    raise AssertionError("unreachable: attempts end with an error")


def start_machine(account_id: int, automation_id: int) -> bool:
    """Starts the state machine for the run whose turn it is; False where there is none, or it was started before.

    Safe to repeat: an execution is named after the run and its attempt.
    """
    line = stored_automations.line(account_id, automation_id)
    run = store.get(account_id, line.active) if line is not None and line.active is not None else None
    if run is None or run.status in automation_machine.ENDED:
        return False
    return start_part(account_id, run.id, run.attempt, 0)


def start_part(account_id: int, run_id: int, attempt: int, part: int) -> bool:
    """Starts one execution of the machine; a long run takes several, one after the other."""
    name = f"{ids.spell(ids.RUN, run_id)}-{attempt}-{part}"
    given = {
        "account": ids.spell(ids.ACCOUNT, account_id),
        "run": ids.spell(ids.RUN, run_id),
        "attempt": attempt,
        "part": part,
        "turn": 0,
        "polls": 0,
        "key": "",
    }
    return machine.start(name, given)


def turn(account_id: int, run_id: int, attempt: int, *, now: clock.Now = clock.now) -> Turn:
    """Lets a run go as far as it goes now. Safe to repeat, and to do twice at once.

    Where several meet, those that came later begin again with what the first one stored.
    """
    deadline = time.monotonic() + MAX_TURN_SECONDS
    for _ in range(MAX_MOVES):
        if time.monotonic() > deadline:
            return Turn("again", seconds=1)
        run = store.get(account_id, run_id)
        if run is None or run.attempt != attempt:
            return DONE
        if run.status in automation_machine.ENDED:
            _call_off_step(run)
            return DONE
        with causes.of(run.cause):
            waiting = _move(run, now)
        if waiting is not None:
            return waiting
    raise RuntimeError(f"run {run_id} is changed by too many at once")


def sweep(account_id: int, automation_id: int) -> None:
    """Calls off and removes what a deleted automation leaves behind. Safe to repeat."""
    line = stored_automations.line(account_id, automation_id)
    for run_id in () if line is None else (*((line.active,) if line.active else ()), *line.waiting):
        for _ in attempts(f"run {run_id}"):
            run = store.get(account_id, run_id)
            job = stored_jobs.get(account_id, run.job) if run is not None and run.job is not None else None
            if run is None or job is None or run.status in automation_machine.ENDED:
                break
            fail(job, run, GONE, state="cancelled")
            _call_off_step(run)
    store.forget(account_id, automation_id)
    stored_automations.forget_line(account_id, automation_id)


def _move(run: Run, now: clock.Now) -> Turn | None:
    """One move of a run: what was reached is stored, or what is wanted is done. None: the run is to be read again."""
    moment = max(now(), run.updated)
    if run.status == "queued":
        _begin(run, moment)
        return None
    advanced = automation_machine.advance(run, moment)
    if advanced != run:
        _store(advanced, moment)
        return None
    wanted = automation_machine.wants(run, moment)
    if wanted is None:
        raise AssertionError("unreachable: a run that has not ended wants something")
    if wanted.what == "wait":
        return Turn(wanted.key, wanted.seconds)
    told = _do(run, wanted, now)
    if told is None:
        return Turn(wanted.key)
    moment = max(now(), moment)
    _store(automation_machine.advance(told, moment), moment)
    return None


def _do(run: Run, wanted: Wanted, now: clock.Now) -> Run | None:
    """Does what a run wants, and the run that was told what came of it; None where its job is still under way."""
    if wanted.what == "call":
        return _call(run, wanted, now)
    if wanted.what == "start":
        try:
            return automation_machine.started(run, automation_actions.start(run, wanted.step, wanted.key))
        except FluvialError as error:
            return automation_machine.failed(run, str(error), now())
    job = stored_jobs.get(run.account, wanted.state.job or 0)
    if job is None:
        return automation_machine.failed(run, "The step's job is not known any more.", now())
    if job.state not in jobs.ENDED:
        return None
    if job.state != "succeeded":
        return automation_machine.failed(run, job.reason or f"The step's job is {job.state}.", now())
    try:
        result = automation_actions.result(run, wanted.step, job)
    except FluvialError as error:
        return automation_machine.failed(run, str(error), now())
    return automation_machine.succeeded(run, result, now())


def _call(run: Run, wanted: Wanted, now: clock.Now) -> Run:
    """Calls a webhook. At least once: whoever is called knows a repetition by the Idempotency-Key."""
    body = wanted.step.settings.get("body")
    results = {step.name: state.result for step, state in zip(run.steps, run.states, strict=True) if state.result}
    payload = {
        "type": "automation.step",
        "timestamp": clock.iso(now()),
        "data": {
            "automation_id": ids.spell(ids.AUTOMATION, run.automation),
            "run_id": ids.spell(ids.RUN, run.id),
            "step": wanted.step.name,
            "input": run.input,
            "results": results,
            **({} if body is None else {"body": body}),
        },
    }
    answer = outbound.post(
        wanted.step.settings["url"],
        json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode(),
        {"content-type": "application/json", "idempotency-key": wanted.key},
        allow_private=settings().webhooks_allow_private,
    )
    if answer.status is None:
        return automation_machine.failed(run, str(answer.error), now())
    if not 200 <= answer.status < 300:
        shown = answer.body[:KEPT_ANSWER_CHARACTERS]
        return automation_machine.failed(run, f"The receiver answered {answer.status}: {shown}", now())
    result = {"status_code": answer.status, "milliseconds": answer.milliseconds}
    return automation_machine.succeeded(run, result, now())


def _begin(run: Run, now: int) -> None:
    """The run begins, and its job with it; where something came first, nothing, and it is read again."""
    lease_until = now + automation_machine.MAX_RUN_MILLISECONDS + clock.DAY
    store.begin(_next(automation_machine.begun(run, now), now), _job_of(run), lease_until=lease_until)


def _store(run: Run, now: int) -> None:
    """Stores how a run stands; where something came first, nothing, and it is read again."""
    if run.status in automation_machine.ENDED:
        _end(run, _job_of(run), now)
    else:
        store.save(_next(run, now))


def _job_of(run: Run) -> jobs.Job:
    job = None if run.job is None else stored_jobs.get(run.account, run.job)
    if job is None:
        raise LookupError(f"the job of run {run.id} is gone")
    return job


def _end(run: Run, job: jobs.Job, now: int) -> bool:
    """The end of a run that was read; False where something of it changed meanwhile."""
    run = _next(run, max(now, run.updated))
    line = stored_automations.line(run.account, run.automation)
    kind = {"succeeded": "completed"}.get(run.status, run.status)
    with causes.of(run.cause):
        event = events.happened(run.account, f"automation.{kind}", run.described(), at=run.updated)
    return store.end(run, job, event, None if line is None else line.left(run.id))


def _record(
    automation: Automation,
    trigger: Trigger,
    given: Mapping[str, Any],
    *,
    occasion: str | None = None,
    chain: tuple[int, ...] = (),
    skipped: str | None = None,
    once: Once[Run] | None = None,
    refuse: bool = False,
    now: clock.Now,
    new_id: ids.NewId = ids.new_id,
) -> Run | None:
    """Records a run: queued, or skipped for a reason. With `refuse` ConflictError where too many wait.

    None where the occasion has its run already, or the automation was switched off. NotFoundError where it is gone.
    """
    for _ in attempts(f"automation {automation.id}"):
        line = stored_automations.line(automation.account, automation.id)
        if line is None:
            raise NotFoundError("automation", automation.id)
        moment = now()
        if refuse and automation.concurrency == "queue":
            _check_waiting(line)
        reason = skipped or _reason_to_skip(automation, line)
        run = automation_machine.begin(
            automation.steps,
            id=new_id(),
            account=automation.account,
            automation=automation.id,
            name=automation.name,
            trigger=trigger,
            input=given,
            by=automation.by,
            role=automation.role,
            scopes=automation.scopes,
            chain=(*chain, automation.id),
            created=moment,
            updated=moment,
        )
        if reason is not None:
            run = replace(run, status="skipped", ended=moment, error=reason)
            outcome = store.skip(run, occasion=occasion, guard=guard(once, run))
        else:
            run = replace(run, job=new_id())
            inputs = {"automation": run.automation, "run": run.id}
            job = jobs.Job(run.job or 0, run.account, AUTOMATION, inputs, moment, cause=run.cause)
            entered = line.entered(run.id, now=moment)
            outcome = store.queue(run, job, entered, occasion=occasion, guard=guard(once, run))
        if outcome == "queued":
            return run
        if outcome == "disabled" and refuse:
            raise _disabled()
        if outcome != "changed":
            return None
    raise AssertionError("unreachable: attempts end with an error")


def _reason_to_skip(automation: Automation, line: automations.Line) -> str | None:
    if automation.concurrency == "skip" and line.active is not None:
        return f"Another run was under way: {ids.spell(ids.RUN, line.active)}."
    if len(line.waiting) >= MAX_WAITING:
        return f"{MAX_WAITING} runs were waiting already, the most there may be."
    return None


def _check_waiting(line: automations.Line) -> None:
    if len(line.waiting) >= MAX_WAITING:
        reason = f"{MAX_WAITING} runs of the automation wait already, the most there may be: try again later."
        raise ConflictError(reason)


def _call_off_step(run: Run) -> None:
    """Calls off the job of the step that was under way when its run was cancelled."""
    # Here, because what ends jobs of any kind imports this module.
    from fluvial import job_kinds

    job_id = run.states[run.position].job if run.position < len(run.states) else None
    job = stored_jobs.get(run.account, job_id) if run.status == "cancelled" and job_id is not None else None
    if job is not None and job.state not in jobs.ENDED:
        with causes.of(run.cause):
            job_kinds.KINDS[job.kind].end(job, f"The run {ids.spell(ids.RUN, run.id)} was cancelled.", "cancelled")


def _next(run: Run, now: int) -> Run:
    return replace(run, updated=now, revision=run.revision + 1)


def _disabled() -> ConflictError:
    return ConflictError("The automation is switched off: enable it first.")


def _checked_input(given: object) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise InvalidError("input", "'input' must be an object.", constraint="an object")
    size = len(json.dumps(given, ensure_ascii=False).encode())
    if size > MAX_INPUT_BYTES:
        reason = f"The input takes {size} bytes as JSON; at most {MAX_INPUT_BYTES} can be kept."
        raise InvalidError("input", reason, constraint=f"at most {MAX_INPUT_BYTES} bytes")
    return given
