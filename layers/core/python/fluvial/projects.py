"""Projects: what an account's data belongs to."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from fluvial import clock, events, ids
from fluvial.caller import Caller
from fluvial.errors import InvalidError, NotFoundError
from fluvial.idempotency import Once, guard
from fluvial.paging import Order, Slice
from fluvial.store import projects as store
from fluvial.text import checked_line, checked_text

MAX_NAME_LENGTH = 200
MAX_DESCRIPTION_LENGTH = 2_000
MAX_SETTINGS_BYTES = 16 * 1024
VISIBILITIES = ("private", "team")

CREATE_ATTEMPTS = 3
UPDATE_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Project:
    """Times in milliseconds; `revision` grows by one with each change."""

    id: int
    account: int
    name: str
    description: str | None
    settings: dict[str, Any]
    created: int
    updated: int
    revision: int = 1

    def described(self) -> dict[str, Any]:
        """The project as events show it."""
        return {
            "id": ids.spell(ids.PROJECT, self.id),
            "name": self.name,
            "description": self.description,
            "settings": self.settings,
            "created_at": clock.iso(self.created),
            "updated_at": clock.iso(self.updated),
        }


@dataclass(frozen=True, slots=True)
class Change:
    """New values of a project's fields; fields that are not `given` stay."""

    given: frozenset[str]
    name: str | None = None
    description: str | None = None
    settings: dict[str, Any] | None = None

    def apply(self, project: Project) -> Project:
        """The changed project; InvalidError for a value that it cannot have."""
        if not self.given:
            raise InvalidError(None, "Give at least one field to change.", constraint="name, description, settings")
        changed = project
        if "name" in self.given:
            if self.name is None:
                raise InvalidError("name", "'name' must not be null.", constraint=f"1-{MAX_NAME_LENGTH} characters")
            changed = replace(changed, name=checked_line("name", self.name, MAX_NAME_LENGTH))
        if "description" in self.given:
            changed = replace(changed, description=_checked_description(self.description))
        if "settings" in self.given:
            changed = replace(changed, settings=_checked_settings(self.settings))
        return changed


def create(
    caller: Caller,
    *,
    name: str,
    description: str | None = None,
    settings: dict[str, Any] | None = None,
    once: Once[Project] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Project:
    """Makes a project, with its event `project.created`. ForbiddenError for a key of one project."""
    caller.require_account()
    moment = now()
    project = Project(
        id=0,
        account=caller.account,
        name=checked_line("name", name, MAX_NAME_LENGTH),
        description=_checked_description(description),
        settings=_checked_settings(settings),
        created=moment,
        updated=moment,
    )
    for _ in range(CREATE_ATTEMPTS):
        project = replace(project, id=new_id())
        event = events.happened(caller.account, "project.created", project.described(), at=moment)
        if store.create(project, event, guard(once, project)):
            return project
    raise RuntimeError("no free id was found for a project")


def get(caller: Caller, project_id: int, *, field: str | None = None) -> Project:
    """The project; NotFoundError for one that is absent, foreign or out of the key's reach.

    The error names the request's `field` if the id came in one.
    """
    project = store.get(caller.account, project_id) if caller.reaches(project_id) else None
    if project is None:
        raise NotFoundError("project", project_id, field=field)
    return project


def page(caller: Caller, order: Order, *, offset: int, limit: int) -> Slice[Project]:
    """The account's projects from `offset` on; past the end there are none. A key of one project sees just that."""
    if caller.project is not None:
        only = store.get(caller.account, caller.project)
        found = [] if only is None else [only]
        return Slice(found[offset : offset + limit], offset, len(found))
    total = store.total(caller.account)
    items = store.page(caller.account, order, skip=offset, limit=limit) if offset < total else []
    return Slice(items, offset, total)


def update(caller: Caller, project_id: int, change: Change, *, now: clock.Now = clock.now) -> Project:
    """Changes the given fields, with the event `project.updated`. Of two writers at once, neither change is lost."""
    for _ in range(UPDATE_ATTEMPTS):
        project = get(caller, project_id)
        moment = max(now(), project.updated)
        changed = replace(change.apply(project), updated=moment, revision=project.revision + 1)
        event = events.happened(caller.account, "project.updated", changed.described(), at=moment)
        if store.update(changed, event):
            return changed
    raise RuntimeError(f"project {project_id} is changed by too many at once")


def delete(caller: Caller, project_id: int, *, now: clock.Now = clock.now) -> None:
    """Removes the project, with the event `project.deleted`; what is in it is gone at once, its bytes soon after."""
    project = get(caller, project_id)
    event = events.happened(caller.account, "project.deleted", project.described(), at=now())
    if not store.delete(project, event):
        raise NotFoundError("project", project_id)


def _checked_description(description: str | None) -> str | None:
    return None if description is None else checked_text("description", description, MAX_DESCRIPTION_LENGTH)


def _checked_settings(settings: dict[str, Any] | None) -> dict[str, Any]:
    if settings is None:
        return {}
    try:
        size = len(json.dumps(settings, allow_nan=False).encode())
    except ValueError as error:
        raise InvalidError("settings", "'settings' has a number that JSON cannot hold.") from error
    if size > MAX_SETTINGS_BYTES:
        reason = f"'settings' must take at most {MAX_SETTINGS_BYTES} bytes as JSON, not {size}."
        raise InvalidError("settings", reason, constraint=f"at most {MAX_SETTINGS_BYTES} bytes")
    visibility = settings.get("visibility", VISIBILITIES[0])
    if visibility not in VISIBILITIES:
        raise InvalidError(
            "settings.visibility",
            "'settings.visibility' must be private or team.",
            value=visibility,
            constraint=", ".join(VISIBILITIES),
        )
    return settings
