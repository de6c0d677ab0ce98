"""What the steps of automations do that others have rules for: the scope that each needs, its start, its result.

A step acts as whoever gave the automation its form (`acting`). Its job is recorded by the same function that the APIs
call, under a key of the step's attempt: however often it is started, there is one job.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fluvial import (
    analyses,
    datasets,
    executions,
    exports,
    generated_reports,
    idempotency,
    keys,
    outbound,
    preparations,
    reports,
    roles,
)
from fluvial.automation_machine import Run
from fluvial.automation_steps import Step
from fluvial.caller import Caller
from fluvial.config import settings
from fluvial.errors import FluvialError, ForbiddenError, InvalidError, NotFoundError
from fluvial.idempotency import Once
from fluvial.jobs import Job
from fluvial.store import accounts as stored_accounts
from fluvial.store import exports as stored_exports
from fluvial.store.table import GuardError

ROUTE = "automation"  # of the records that keep a start from happening twice


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of step that has a job.

    `field` names its thing among the step's settings. `exists` raises NotFoundError where it is not there. `start`
    records the job and returns its id. `result` is what conditions can look at beside the job's own outputs.
    """

    field: str
    scope: str
    exists: Callable[[Caller, int], object]
    start: Callable[[Caller, Mapping[str, Any], Once[int] | None], int]
    result: Callable[[Caller, Job], dict[str, Any]]


def check(caller: Caller, steps: Iterable[Step]) -> None:
    """ForbiddenError for a step that the caller may not do, NotFoundError where its thing is absent or foreign.

    InvalidError for what could not but fail when the step is done.
    """
    seen: set[tuple[str, int]] = set()
    for number, step in enumerate(steps):
        if step.type == "call_webhook":
            _check_url(f"steps.{number}.url", step.settings["url"])
        if step.type == "generate_report":
            reports.checked_formats(step.settings.get("formats"), f"steps.{number}.formats")
        action = ACTIONS.get(step.type)
        if action is None:
            continue
        caller.require(action.scope)
        thing = (action.field, step.settings[action.field])
        if thing not in seen:
            seen.add(thing)
            try:
                action.exists(caller, thing[1])
            except NotFoundError as error:
                raise NotFoundError(error.kind, error.name, field=f"steps.{number}.{action.field}") from error


def acting(run: Run) -> Caller:
    """Who the run acts as: the user whose automation it is, with what is left of their scopes in their present role.

    ForbiddenError where the user is gone. A system key stands for the account.
    """
    role = roles.SYSTEM
    if run.role != roles.SYSTEM:
        user = stored_accounts.get_user(run.account, run.by)
        if user is None:
            raise ForbiddenError(
                "The user whose automation this is was removed: change the automation to make it yours."
            )
        role = user.role
    return Caller(
        account=run.account,
        user=run.by,
        key=0,
        plan="",
        scopes=roles.effective(run.scopes, role, keys.SCOPES),
        role=role,
    )


def start(run: Run, step: Step, key: str) -> int:
    """Records the job of one attempt of a step, and returns its id; with the same key always the same.

    A FluvialError says why it cannot be done now.
    """
    once: Once[int] = Once(
        account=run.account, route=ROUTE, key=key, fingerprint=step.type, status=200, show=lambda job: json.dumps(job)
    )
    action = ACTIONS[step.type]
    try:
        found = once.find()
        if found is not None:
            return int(found.body)
        caller = acting(run)
        if not caller.may(action.scope):
            raise ForbiddenError(
                f"The automation's user may not do this any more: the scope '{action.scope}' is missing."
            )
        return action.start(caller, step.settings, once)
    except (GuardError, FluvialError):
        # Another driver of this run was faster, and what it made may be what is in the way.
        found = once.find()
        if found is None:
            raise
        return int(found.body)


def result(run: Run, step: Step, job: Job) -> dict[str, Any]:
    """What a step's job came to: the ids that it names, and figures for conditions."""
    return {**job.outputs, **ACTIONS[step.type].result(acting(run), job)}


def _recast(once: Once[int] | None, job_of: Callable[[Any], int]) -> Once[Any] | None:
    """The record of a start, for a function that makes a thing: what is kept is the id of its job."""
    if once is None:
        return None
    return idempotency.Once(
        account=once.account,
        route=once.route,
        key=once.key,
        fingerprint=once.fingerprint,
        status=once.status,
        show=lambda made: json.dumps(job_of(made)),
    )


def _execute(caller: Caller, given: Mapping[str, Any], once: Once[int] | None) -> int:
    return executions.execute(caller, given["preparation"], once=_recast(once, lambda job: job.id)).id


def _generate(caller: Caller, given: Mapping[str, Any], once: Once[int] | None) -> int:
    made = generated_reports.generate(
        caller,
        given["report"],
        parameters=given.get("parameters"),
        formats=given.get("formats"),
        once=_recast(once, lambda made: made.job),
    )
    return made.job


def _analyse(caller: Caller, given: Mapping[str, Any], once: Once[int] | None) -> int:
    queued = analyses.run(caller, given["analysis"], once=_recast(once, lambda analysis: analysis.job))
    if queued.job is None:
        raise AssertionError("unreachable: a queued analysis has a job")
    return queued.job


def _export(caller: Caller, given: Mapping[str, Any], once: Once[int] | None) -> int:
    wanted = exports.Wanted(given["format"])
    return exports.create(caller, given["dataset"], wanted, once=_recast(once, lambda export: export.job)).job


def _analysed(caller: Caller, job: Job) -> dict[str, Any]:
    analysis = analyses.get(caller, job.outputs["analysis"])
    return {
        "rows": analysis.rows,
        "groups_total": analysis.groups_total,
        "truncated": analysis.truncated,
        "version": analysis.dataset_version,
    }


def _exported(caller: Caller, job: Job) -> dict[str, Any]:
    export = stored_exports.get(caller.account, job.outputs["dataset"], job.outputs["export"])
    return {} if export is None else {"rows": export.rows, "bytes": export.bytes, "version": export.version}


def _nothing_more(_: Caller, __: Job) -> dict[str, Any]:
    return {}


def _check_url(field: str, url: str) -> None:
    try:
        outbound.check_url(url, allow_private=settings().webhooks_allow_private)
    except InvalidError as error:
        raise InvalidError(field, error.reason, value=error.value, constraint=error.constraint) from error


ACTIONS = {
    "execute_preparation": Action("preparation", "preparations:write", preparations.get, _execute, _nothing_more),
    "generate_report": Action("report", "reports:write", reports.get, _generate, _nothing_more),
    "run_analysis": Action("analysis", "analyses:write", analyses.get, _analyse, _analysed),
    "export": Action("dataset", "data:write", datasets.get, _export, _exported),
}
