"""Projects: what an account's data belongs to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from fluvial import clock, events, ids, slugs
from fluvial.caller import Caller
from fluvial.errors import ConflictError, InvalidError, NotFoundError, StaleError
from fluvial.idempotency import Once, guard
from fluvial.paging import Listed, Order, Slice
from fluvial.store import projects as store
from fluvial.text import checked_line, checked_text

MAX_NAME_LENGTH = 200
MAX_DESCRIPTION_LENGTH = 2_000
MAX_INDUSTRY_LENGTH = 100
MAX_SETTINGS_BYTES = 16 * 1024
VISIBILITIES = ("private", "team")

CREATE_ATTEMPTS = 5
DEFAULT_NAME = "Imports"
DEFAULT_DESCRIPTION = "What was imported without naming a project."
NUMBERED_SLUGS = 3  # a name that is used more often gets a slug with a part of the id
UPDATE_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Project:
    """Times in milliseconds; `revision` grows by one with each change.

    `slug` is unique in the account. `published` is the number of the version of its site that is live; None for none.
    """

    id: int
    account: int
    name: str
    slug: str
    description: str | None
    settings: dict[str, Any]
    created: int
    updated: int
    revision: int = 1
    industry: str | None = None
    published: int | None = None

    @property
    def status(self) -> str:
        return "draft" if self.published is None else "published"

    def described(self) -> dict[str, Any]:
        """The project as events show it."""
        return {
            "id": ids.spell(ids.PROJECT, self.id),
            "name": self.name,
            "slug": self.slug,
            "status": self.status,
            "description": self.description,
            "industry": self.industry,
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
    industry: str | None = None
    slug: str | None = None

    def apply(self, project: Project) -> Project:
        """The changed project; InvalidError for a value that it cannot have."""
        if not self.given:
            raise InvalidError(None, "Give at least one field to change.")
        changed = project
        if "name" in self.given:
            if self.name is None:
                raise InvalidError("name", "'name' must not be null.", constraint=f"1-{MAX_NAME_LENGTH} characters")
            changed = replace(changed, name=checked_line("name", self.name, MAX_NAME_LENGTH))
        if "description" in self.given:
            changed = replace(changed, description=_checked_description(self.description))
        if "settings" in self.given:
            changed = replace(changed, settings=_checked_settings(self.settings))
        if "industry" in self.given:
            changed = replace(changed, industry=_checked_industry(self.industry))
        if "slug" in self.given:
            if self.slug is None:
                raise InvalidError("slug", "'slug' must not be null.", constraint=slugs.RULE)
            changed = replace(changed, slug=slugs.checked(self.slug))
        return changed


def create(
    caller: Caller,
    *,
    name: str,
    slug: str | None = None,
    description: str | None = None,
    industry: str | None = None,
    settings: dict[str, Any] | None = None,
    once: Once[Project] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Project:
    """Makes a project, with its event `project.created`. ForbiddenError for a key of one project.

    Without a slug it gets one made of its name. ConflictError for one that another project has.
    """
    caller.require_account()
    moment = now()
    project = Project(
        id=0,
        account=caller.account,
        name=checked_line("name", name, MAX_NAME_LENGTH),
        slug=slugs.of(name, "project") if slug is None else slugs.checked(slug),
        description=_checked_description(description),
        settings=_checked_settings(settings),
        created=moment,
        updated=moment,
        industry=_checked_industry(industry),
    )
    for tried in _tries(project, new_id, slug_is_given=slug is not None):
        event = events.happened(caller.account, "project.created", tried.described(), at=moment)
        outcome = store.create(tried, event, guard(once, tried))
        if outcome == "created":
            return tried
        if outcome == "slug_taken" and slug is not None:
            raise _slug_is_taken(slug)
    raise RuntimeError("no free id was found for a project")


def default(caller: Caller, *, now: clock.Now = clock.now, new_id: ids.NewId = ids.new_id) -> Project:
    """The project of what is made without naming one; made when it is first wanted, and anew after its deletion.

    Of an account there is one at a time. A key of one project has that. Two reads; once five writes more.
    """
    if caller.project is not None:
        return get(caller, caller.project)
    moment = now()
    project = Project(
        id=0,
        account=caller.account,
        name=DEFAULT_NAME,
        slug=slugs.of(DEFAULT_NAME, "project"),
        description=DEFAULT_DESCRIPTION,
        settings={},
        created=moment,
        updated=moment,
    )
    for tried in _tries(project, new_id):
        known, found = store.default(caller.account)
        if found is not None:
            return found
        event = events.happened(caller.account, "project.created", tried.described(), at=moment)
        if store.create(tried, event, None, default_after=known) == "created":
            return tried
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


def behind(caller: Caller, after: int | None, *, limit: int) -> Listed[Project]:
    """At most `limit` of the account's projects behind the one with the id `after`, newest first."""
    if caller.project is not None:
        found = page(caller, Order(), offset=0, limit=limit)
        items = [project for project in found.items if after is None or project.id < after]
        return Listed(items, False, found.total)
    # One more than wanted tells whether anything follows.
    items = store.behind(caller.account, after, limit=limit + 1)
    return Listed(items[:limit], len(items) > limit, store.total(caller.account))


def update(
    caller: Caller, project_id: int, change: Change, *, expected: int | None = None, now: clock.Now = clock.now
) -> Project:
    """Changes the given fields, with the event `project.updated`. Of two writers at once, neither change is lost.

    StaleError where the project is not at the revision that is `expected`.
    """
    for _ in range(UPDATE_ATTEMPTS):
        project = get(caller, project_id)
        if expected not in (None, project.revision):
            raise StaleError("project", project.revision)
        moment = max(now(), project.updated)
        changed = replace(change.apply(project), updated=moment, revision=project.revision + 1)
        event = events.happened(caller.account, "project.updated", changed.described(), at=moment)
        outcome = store.update(project, changed, event)
        if outcome == "updated":
            return changed
        if outcome == "slug_taken":
            raise _slug_is_taken(changed.slug)
    raise RuntimeError(f"project {project_id} is changed by too many at once")


def delete(caller: Caller, project_id: int, *, expected: int | None = None, now: clock.Now = clock.now) -> None:
    """Removes the project, with the event `project.deleted`; what is in it is gone at once, its bytes soon after.

    StaleError where the project is not at the revision that is `expected`.
    """
    for _ in range(UPDATE_ATTEMPTS):
        project = get(caller, project_id)
        if expected not in (None, project.revision):
            raise StaleError("project", project.revision)
        event = events.happened(caller.account, "project.deleted", project.described(), at=now())
        if store.delete(project, event):
            return
    raise RuntimeError(f"project {project_id} is changed by too many at once")


def _tries(project: Project, new_id: ids.NewId, *, slug_is_given: bool = False) -> Iterator[Project]:
    """The project with an id and a slug to try, as often as that makes sense."""
    for attempt in range(1, CREATE_ATTEMPTS + 1):
        ending = attempt if attempt <= NUMBERED_SLUGS else ids.spell("", new_id())[1:]
        slug = project.slug if attempt == 1 or slug_is_given else slugs.ending_in(project.slug, ending)
        yield replace(project, id=new_id(), slug=slug)


def _slug_is_taken(slug: str) -> ConflictError:
    return ConflictError(f"Another project has the slug '{slug}' already.", field="slug")


def _checked_industry(industry: str | None) -> str | None:
    return None if industry is None else checked_line("industry", industry, MAX_INDUSTRY_LENGTH)


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
