"""Automations: steps that are done one after the other, whenever one of their triggers says so. Things of the account.

What is started by a trigger is a run (`automation_runs`), which keeps the steps as they were then. It acts with the
rights of whoever gave the automation its present form: their user, role and scopes are kept, and looked at again when
it runs. So changing an automation makes it the changer's, and nobody gets at more by changing somebody else's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fluvial import automation_actions, automation_steps, automation_triggers, clock, events, ids
from fluvial.attempts import attempts
from fluvial.automation_steps import Step
from fluvial.automation_triggers import Triggers
from fluvial.caller import Caller
from fluvial.errors import ConflictError, InvalidError, NotFoundError
from fluvial.idempotency import Once, guard
from fluvial.pages import check_revision
from fluvial.paging import Listed
from fluvial.store import automations as store
from fluvial.text import checked_line, checked_text

MAX_NAME_LENGTH = 200
MAX_DESCRIPTION_LENGTH = 2_000
MAX_LISTENERS = 100  # automations of an account that start at events; each event is matched against all of them
CONCURRENCIES = ("queue", "skip")
CREATE_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Automation:
    """Times in milliseconds; `revision` grows by one with each change.

    `concurrency` says what becomes of a run that is started while another is under way. `by`, `role` and `scopes` are
    whose rights its runs use. `scheduled` is the revision at which its schedule began to hold: 0 while it has none, or
    is switched off.
    """

    id: int
    account: int
    name: str
    description: str | None
    enabled: bool
    triggers: Triggers
    steps: tuple[Step, ...]
    concurrency: str
    by: int
    role: str
    scopes: tuple[str, ...]
    created: int
    updated: int
    revision: int = 1
    scheduled: int = 0

    def next_run(self, now: int) -> int | None:
        """When its schedule is due next; None where it has none, is switched off, or is never due again."""
        if self.triggers.schedule is None or not self.enabled:
            return None
        return self.triggers.schedule.next(now)

    def described(self) -> dict[str, Any]:
        """The automation as events show it: without its steps, which may be long."""
        return {
            "id": ids.spell(ids.AUTOMATION, self.id),
            "name": self.name,
            "description": self.description,
            "enabled": self.enabled,
            "steps": len(self.steps),
            "created_at": clock.iso(self.created),
            "updated_at": clock.iso(self.updated),
        }


@dataclass(frozen=True, slots=True)
class Line:
    """The runs of one automation that have not ended: the one whose turn it is, and those that wait, in order.

    `last` is the newest run that was given a place here, recorded at `last_at`.
    """

    account: int
    automation: int
    active: int | None = None
    waiting: tuple[int, ...] = ()
    last: int | None = None
    last_at: int | None = None
    revision: int = 1

    def entered(self, run: int, *, now: int) -> Line:
        """With a run that is its turn if nobody else's is, or else waits."""
        line = replace(self, last=run, last_at=now, revision=self.revision + 1)
        return replace(line, active=run) if self.active is None else replace(line, waiting=(*self.waiting, run))

    def left(self, run: int) -> Line:
        """Without a run; the next one's turn comes if it was this one's."""
        waiting = tuple(each for each in self.waiting if each != run)
        active = self.active
        if active == run:
            active, waiting = (waiting[0], waiting[1:]) if waiting else (None, ())
        return replace(self, active=active, waiting=waiting, revision=self.revision + 1)


@dataclass(frozen=True, slots=True)
class Change:
    """New values of an automation's fields; those that are not `given` stay."""

    given: frozenset[str]
    name: str | None = None
    description: str | None = None
    enabled: bool | None = None
    triggers: object = None
    steps: object = None
    concurrency: str | None = None

    def apply(self, automation: Automation, *, now: int) -> Automation:
        """The changed automation; InvalidError for a value that it cannot have."""
        if not self.given:
            known = "name, description, enabled, triggers, steps, concurrency"
            raise InvalidError(None, "Give at least one field to change.", constraint=known)
        for field in self.given - {"description"}:
            if getattr(self, field) is None:
                raise InvalidError(field, f"'{field}' must not be null.")
        if "name" in self.given:
            automation = replace(automation, name=checked_line("name", str(self.name), MAX_NAME_LENGTH))
        if "description" in self.given:
            automation = replace(automation, description=_checked_description(self.description))
        if "enabled" in self.given:
            automation = replace(automation, enabled=bool(self.enabled))
        if "triggers" in self.given:
            automation = replace(automation, triggers=automation_triggers.parse(self.triggers, now=now))
        if "steps" in self.given:
            automation = replace(automation, steps=automation_steps.parse(self.steps))
        if "concurrency" in self.given:
            automation = replace(automation, concurrency=_checked_concurrency(self.concurrency))
        return automation


def create(
    caller: Caller,
    *,
    name: str,
    steps: object,
    triggers: object,
    description: str | None = None,
    enabled: bool = True,
    concurrency: str | None = None,
    once: Once[Automation] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Automation:
    """Makes an automation, with its event `automation.created`. One or two reads for each thing that its steps name.

    NotFoundError for a thing that is absent or foreign, ForbiddenError for a step that the caller's key may not do.
    """
    moment = now()
    automation = Automation(
        id=0,
        account=caller.account,
        name=checked_line("name", name, MAX_NAME_LENGTH),
        description=_checked_description(description),
        enabled=enabled,
        triggers=automation_triggers.parse(triggers, now=moment),
        steps=automation_steps.parse(steps),
        concurrency=_checked_concurrency(concurrency),
        by=caller.user,
        role=caller.role,
        scopes=tuple(sorted(caller.scopes)),
        created=moment,
        updated=moment,
    )
    automation = replace(automation, scheduled=int(_is_scheduled(automation)))
    automation_actions.check(caller, automation.steps)
    _check_listeners(automation, before=None)
    for _ in range(CREATE_ATTEMPTS):
        automation = replace(automation, id=new_id())
        event = events.happened(caller.account, "automation.created", automation.described(), at=moment)
        if store.create(automation, event, guard(once, automation), now=moment):
            return automation
    raise RuntimeError("no free id was found for an automation")


def get(caller: Caller, automation_id: int) -> Automation:
    """The automation; NotFoundError for an absent or foreign one."""
    automation = store.get(caller.account, automation_id)
    if automation is None:
        raise NotFoundError("automation", automation_id)
    return automation


def lines(automations: Sequence[Automation]) -> dict[int, Line]:
    """Which runs of these automations are under way, by automation; one read each."""
    return {line.automation: line for line in store.lines(automations)}


def behind(caller: Caller, after: int | None, *, limit: int) -> Listed[Automation]:
    """At most `limit` of the account's automations, newest first, behind the id `after`, or from the newest on."""
    found = store.behind(caller.account, after, limit=limit + 1)
    return Listed(found[:limit], len(found) > limit, store.total(caller.account))


def update(
    caller: Caller, automation_id: int, change: Change, *, expected: int | None = None, now: clock.Now = clock.now
) -> Automation:
    """Changes what is given, with the event `automation.updated`; its runs use the caller's rights from then on.

    Runs that were started before go on as they are. StaleError where it is not at the revision that is `expected`.
    """
    for _ in attempts(f"automation {automation_id}"):
        automation = get(caller, automation_id)
        check_revision("automation", automation.revision, expected)
        moment = max(now(), automation.updated)
        changed = replace(
            change.apply(automation, now=moment),
            by=caller.user,
            role=caller.role,
            scopes=tuple(sorted(caller.scopes)),
            updated=moment,
            revision=automation.revision + 1,
        )
        # The changer's rights are used from now on, so they have to do for every step.
        automation_actions.check(caller, changed.steps)
        _check_listeners(changed, before=automation)
        scheduled = automation.scheduled
        if (changed.triggers.schedule, changed.enabled) != (automation.triggers.schedule, automation.enabled):
            scheduled = changed.revision if _is_scheduled(changed) else 0
        changed = replace(changed, scheduled=scheduled)
        event = events.happened(caller.account, "automation.updated", changed.described(), at=moment)
        if store.update(changed, event, before=automation, now=moment):
            return changed
    raise AssertionError("unreachable: attempts end with an error")


def delete(caller: Caller, automation_id: int, *, expected: int | None = None, now: clock.Now = clock.now) -> None:
    """Removes the automation, with the event `automation.deleted`. Its runs are called off and swept soon after."""
    for _ in attempts(f"automation {automation_id}"):
        automation = get(caller, automation_id)
        check_revision("automation", automation.revision, expected)
        event = events.happened(caller.account, "automation.deleted", automation.described(), at=now())
        if store.delete(automation, event):
            return


def _is_scheduled(automation: Automation) -> bool:
    return automation.enabled and automation.triggers.schedule is not None


def _check_listeners(automation: Automation, before: Automation | None) -> None:
    """ConflictError where too many automations would start at events. Of many made at once a few more may pass."""
    listened = before is not None and bool(before.triggers.events)
    if automation.triggers.events and not listened and len(store.listeners(automation.account)) >= MAX_LISTENERS:
        reason = f"At most {MAX_LISTENERS} automations of an account start at events: delete one first."
        raise ConflictError(reason, field="triggers")


def _checked_concurrency(given: str | None) -> str:
    allowed = ", ".join(CONCURRENCIES)
    if given is None:
        return CONCURRENCIES[0]
    if given not in CONCURRENCIES:
        raise InvalidError(
            "concurrency", f"'concurrency' must be one of {allowed}.", value=given[:50], constraint=allowed
        )
    return given


def _checked_description(description: str | None) -> str | None:
    return None if description is None else checked_text("description", description, MAX_DESCRIPTION_LENGTH)
