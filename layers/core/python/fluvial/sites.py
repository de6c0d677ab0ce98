"""Publishing: the pages of a project become an immutable version, which is shown to the world until another is.

    publish ── version 4 (publishing) and its job, in one transaction
                  │ publish_site worker: one consistent look at all pages -> snapshot, HTML, stylesheet
                  ├─ finish: ready; the project points at it; event site.published
                  └─ fail: failed with a reason, the project points where it did; event site.publish_failed
    roll_back ── the project points at an earlier version again; event site.rolled_back

A version holds what the pages are when the worker looks, so a change right after `publish` may be in it. Rolling back
moves the pointer and nothing else: pages stay as they are, and the next version is made of them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from fluvial import blobs, clock, events, ids, jobs, pages, projects, snapshots, trees
from fluvial.attempts import attempts
from fluvial.caller import Caller
from fluvial.errors import ConflictError, NotFoundError, TooLargeError, UnpublishableError
from fluvial.idempotency import Once, guard
from fluvial.pages import Page
from fluvial.paging import Listed
from fluvial.snapshots import Comparison, Snapshot
from fluvial.store import pages as pages_store
from fluvial.store import sections as sections_store
from fluvial.store import sites as store
from fluvial.store import versions as versions_store
from fluvial.text import checked_text
from fluvial.trees import Tree

PUBLISH_SITE = "publish_site"
PUBLISHING = "publishing"
READY = "ready"
FAILED = "failed"
SNAPSHOT = "site.json"  # under a version's location
PUBLIC = "public/"  # under it, what the world may see
MAX_NOTE_LENGTH = 500
MAX_SNAPSHOT_BYTES = 32 * 1024 * 1024
READ_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Version:
    """Times in milliseconds. `number` counts from 1 within the project; `by` is the user who published.

    `status` is publishing, ready or failed. A ready one has its number of `pages`, the `location` of its files in the
    bucket and the SHA-256 of its snapshot: two versions with the same are the same site.
    """

    account: int
    project: int
    number: int
    job: int
    by: int
    created: int
    status: str = PUBLISHING
    note: str | None = None
    pages: int | None = None
    location: str | None = None
    sha256: str | None = None
    failure: str | None = None
    ended: int | None = None

    def described(self) -> dict[str, Any]:
        """The version as events show it."""
        described: dict[str, Any] = {
            "project_id": ids.spell(ids.PROJECT, self.project),
            "version": self.number,
            "status": self.status,
            "pages": self.pages,
            "note": self.note,
            "created_by": ids.spell(ids.USER, self.by),
            "created_at": clock.iso(self.created),
        }
        if self.failure is not None:
            described["failure"] = {"reason": self.failure}
        return described


def publish(
    caller: Caller,
    project_id: int,
    *,
    note: str | None = None,
    once: Once[Version] | None = None,
    now: clock.Now = clock.now,
    new_id: ids.NewId = ids.new_id,
) -> Version:
    """Begins a version of the site. UnpublishableError, with all reasons, for pages that make none."""
    if note is not None:
        checked_text("note", note, MAX_NOTE_LENGTH)
    for _ in attempts(f"the site of project {project_id}"):
        tree = pages.tree_of(caller, project_id)
        _published(caller.account, tree)
        version = Version(
            account=caller.account,
            project=project_id,
            number=store.get(caller.account, project_id).versions + 1,
            job=new_id(),
            by=caller.user,
            created=now(),
            note=note,
        )
        inputs = {"project": project_id, "number": version.number}
        job = jobs.Job(version.job, caller.account, PUBLISH_SITE, inputs, version.created)
        outcome = versions_store.create(version, job, guard(once, version))
        if outcome == "created":
            return version
        if outcome == "gone":
            raise NotFoundError("project", project_id)
    raise AssertionError("attempts end with an error")


def get(caller: Caller, project_id: int, number: int) -> Version:
    """The version; NotFoundError for one that never was, or whose project is absent, foreign or out of reach."""
    projects.get(caller, project_id)
    # A number that no id could have is no version's, either.
    version = versions_store.get(caller.account, project_id, number) if 0 < number <= ids.MAX_ID else None
    if version is None:
        raise NotFoundError("version", str(number))
    return version


def ready(caller: Caller, project_id: int, number: int) -> Version:
    """The version, if its files can be read."""
    version = get(caller, project_id, number)
    if version.status == PUBLISHING:
        raise ConflictError(f"Version {number} is still being published: try again when its status is 'ready'.")
    if version.status == FAILED:
        raise ConflictError(f"Version {number} has no pages, because publishing it failed: {version.failure}")
    return version


def page(caller: Caller, project_id: int, *, after: int | None = None, limit: int) -> Listed[Version]:
    """At most `limit` versions behind the one with the number `after`, newest first."""
    projects.get(caller, project_id)
    total = store.get(caller.account, project_id).versions
    before = total + 1 if after is None else min(after, total + 1)
    if before <= 1:
        return Listed([], False, total)
    found = versions_store.page(caller.account, project_id, before=before, limit=limit)
    # Numbers have no gaps.
    return Listed(found, before - 1 > limit, total)


def roll_back(
    caller: Caller,
    project_id: int,
    number: int,
    *,
    once: Once[Version] | None = None,
    now: clock.Now = clock.now,
) -> Version:
    """Makes a version that is ready the live one, with the event `site.rolled_back`; nothing where it is already."""
    version = ready(caller, project_id, number)
    moment = now()
    event = events.happened(caller.account, "site.rolled_back", version.described(), at=moment)
    record = guard(once, version)
    if versions_store.roll_back(version, event, record, now=moment) == "refused":
        projects.get(caller, project_id)
        if record is not None:
            versions_store.note(record)
    return version


def compare(caller: Caller, project_id: int, before: int, after: int) -> Comparison:
    """How version `after` differs from version `before`. Two reads of the bucket."""
    first, second = (ready(caller, project_id, number) for number in (before, after))
    return snapshots.compare(_snapshot_of(first), _snapshot_of(second))


def take(project: projects.Project) -> Snapshot:
    """All that is published of a project now, as of one moment: whatever changed while it was read is read again."""
    for _ in range(READ_ATTEMPTS):
        before = store.get(project.account, project.id)
        snapshot = _read(project)
        if store.get(project.account, project.id).revision == before.revision:
            return snapshot
    raise RuntimeError(f"project {project.id} is changed faster than it can be read")


def finish(job: jobs.Job, version: Version, snapshot: Snapshot, *, location: str, now: clock.Now = clock.now) -> str:
    """Ends version and job; `live`, or `ready` where a later version was first, or `lost` where they are not ours."""
    moment = now()
    done = replace(
        version,
        status=READY,
        pages=len(snapshot["pages"]),
        location=location,
        sha256=hashlib.sha256(snapshots.spell(snapshot)).hexdigest(),
        ended=moment,
    )
    event = events.happened(version.account, "site.published", done.described(), at=moment)
    return versions_store.finish(job, done, event, now=moment)


def fail(
    job: jobs.Job, version: Version, reason: str, *, state: jobs.Unfinished = "failed", now: clock.Now = clock.now
) -> bool:
    """Ends version and job as failed; False where the version or the job's lease is gone.

    `state` is the job's: one that was called off is cancelled.
    """
    moment = now()
    failed = replace(version, status=FAILED, failure=reason, ended=moment)
    event = events.happened(version.account, "site.publish_failed", failed.described(), at=moment)
    return versions_store.fail(job, failed, event, state=state, now=moment)


def of_job(job: jobs.Job) -> Version | None:
    """The version that a job makes; None where its project is gone."""
    return versions_store.get(job.account, job.inputs["project"], job.inputs["number"])


def sweep(account_id: int, project_id: int) -> None:
    """Removes what a deleted project's site left behind, files too. Doing it again finds nothing."""
    pages.sweep(account_id, [node.page for node in store.left(account_id, project_id).nodes])
    versions_store.forget(account_id, project_id)
    blobs.delete_all(blobs.sites(account_id, project_id))
    # Last: it is the tree that tells which pages there are.
    store.forget(account_id, project_id)


def _published(account_id: int, tree: Tree) -> list[Page]:
    """The pages of a version, in the order of the tree; UnpublishableError where they make no site."""
    found = pages_store.some(account_id, tree, [node.page for node in tree.nodes])
    wanted = {page.id: page.status == pages.PUBLISHED for page in found}
    problems = trees.problems(tree, wanted)
    if problems:
        raise UnpublishableError([(None if id is None else tree.path(id), reason) for id, reason in problems])
    return [page for page in found if wanted[page.id]]


def _read(project: projects.Project) -> Snapshot:
    tree = store.tree(project.account, project.id) or Tree()
    shown = _published(project.account, tree)
    sections, size = {}, 0
    for page in shown:
        sections[page.id] = sections_store.some(project.account, page, page.sections)
        size += _size(snapshots.take(project, [page], sections))
        if size > MAX_SNAPSHOT_BYTES:
            reason = f"The published pages must take at most {MAX_SNAPSHOT_BYTES} bytes as JSON."
            raise TooLargeError(reason, limit_bytes=MAX_SNAPSHOT_BYTES)
    return snapshots.take(project, shown, sections)


def _size(snapshot: Snapshot) -> int:
    return len(snapshots.spell(snapshot))


def _snapshot_of(version: Version) -> Snapshot:
    snapshot: Snapshot = json.loads(blobs.get(f"{version.location}{SNAPSHOT}"))
    return snapshot
