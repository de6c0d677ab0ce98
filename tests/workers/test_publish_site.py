"""The worker that makes versions of sites: what it stores, and what becomes of the version and the project."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from fluvial import blobs, clock, ids, jobs, pages, projects, sections, sites, snapshots
from fluvial.aws import client
from fluvial.caller import Caller
from fluvial.pages import Change
from fluvial.sites import Version
from fluvial.store import keys, table
from fluvial.store import sites as sites_store
from tests import factories
from tests.workers.pipeline import own_client
from workers import publish_site


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


@pytest.fixture
def project(caller: Caller) -> projects.Project:
    return factories.new_project(caller, "River Bakery")


def new_site(caller: Caller, project: projects.Project) -> pages.Page:
    """Two published pages, a draft, and a section in two languages."""
    home = pages.create(caller, project_id=project.id, title="Home", status="published")
    pages.create(caller, project_id=project.id, title="Team", parent_id=home.id, status="published")
    pages.create(caller, project_id=project.id, title="Secret")
    title = {"en": "Hello", "de": "Hallo"}
    sections.create(caller, home.id, type="hero", content={"title": title}, styles={"color": "red"})
    return home


def run(version: Version, receipt: str = "r") -> list[dict[str, str]]:
    """Gives the worker the message of the version's job; returns what failed."""
    detail = {"account": ids.spell(ids.ACCOUNT, version.account), "job": ids.spell(ids.JOB, version.job)}
    record = {"messageId": "m", "receiptHandle": receipt, "body": json.dumps({"detail": detail})}
    failed: list[dict[str, str]] = publish_site.handler({"Records": [record]}, None)["batchItemFailures"]
    return failed


def publish(caller: Caller, project: projects.Project) -> Version:
    """A new version, made."""
    version = sites.publish(caller, project.id)
    assert run(version) == []
    return sites.get(caller, project.id, version.number)


def stored(aws: dict[str, str]) -> list[str]:
    listed = client("s3").list_objects_v2(Bucket=aws["Bucket"], Prefix="sites/")
    return [item["Key"] for item in listed.get("Contents", [])]


def told(caller: Caller) -> list[tuple[str, Any]]:
    items = table.query(keys.listed(caller.account, "events"))
    return [(item["event_type"], json.loads(item["data"])) for item in items if item["event_type"].startswith("site.")]


def live(caller: Caller, project: projects.Project) -> int | None:
    item = table.get((keys.listed(caller.account, "projects"), keys.number(project.id)))
    assert item is not None
    return item.get("published")


def test_a_version_has_its_files_and_the_project_points_at_it(
    aws: dict[str, str], caller: Caller, project: projects.Project
) -> None:
    new_site(caller, project)
    version = sites.publish(caller, project.id, note="First")
    assert run(version) == []
    done = sites.get(caller, project.id, 1)
    location = f"sites/{keys.number(caller.account)}/{keys.number(project.id)}/1-1/"
    snapshot = blobs.get(f"{location}site.json")
    assert done == replace(
        version,
        status="ready",
        pages=2,
        location=location,
        sha256=hashlib.sha256(snapshot).hexdigest(),
        ended=done.ended,
    )
    assert stored(aws) == sorted(
        f"{location}{path}"
        for path in (
            "public/index.html",
            "public/home/index.html",
            "public/home/team/index.html",
            "public/de/index.html",
            "public/de/home/index.html",
            "public/de/home/team/index.html",
            "public/style.css",
            "site.json",
        )
    )
    head = client("s3").head_object(Bucket=aws["Bucket"], Key=f"{location}public/index.html")
    assert head["ContentType"] == "text/html; charset=utf-8"
    assert b"Hallo" in blobs.get(f"{location}public/de/index.html")
    found = json.loads(snapshot)
    assert (found["name"], found["language"], found["languages"]) == ("River Bakery", "en", ["en", "de"])
    assert [page["path"] for page in found["pages"]] == ["home", "home/team"]
    assert b"Secret" not in snapshot

    job = jobs.get(caller, version.job)
    assert (job.kind, job.state, job.outputs) == ("publish_site", "succeeded", {"version": 1})
    changed = projects.get(caller, project.id)
    assert live(caller, project) == 1
    assert (changed.revision, changed.updated) == (2, done.ended)
    assert told(caller) == [
        (
            "site.published",
            {
                "project_id": ids.spell(ids.PROJECT, project.id),
                "version": 1,
                "status": "ready",
                "pages": 2,
                "note": "First",
                "created_by": ids.spell(ids.USER, caller.user),
                "created_at": clock.iso(version.created),
            },
        )
    ]


def test_a_second_message_for_the_same_job_changes_nothing(
    aws: dict[str, str], caller: Caller, project: projects.Project
) -> None:
    new_site(caller, project)
    version = publish(caller, project)
    before = stored(aws)
    assert run(version) == []
    assert (stored(aws), sites.get(caller, project.id, 1), len(told(caller))) == (before, version, 1)


def test_the_same_pages_make_the_same_snapshot(caller: Caller, project: projects.Project) -> None:
    new_site(caller, project)
    first, second = publish(caller, project), publish(caller, project)
    assert (first.number, second.number) == (1, 2)
    assert first.sha256 == second.sha256
    assert first.location != second.location


def test_pages_that_make_no_site_any_more_fail_the_version_with_the_reason(
    aws: dict[str, str], caller: Caller, project: projects.Project
) -> None:
    home = new_site(caller, project)
    first = publish(caller, project)
    version = sites.publish(caller, project.id)
    pages.update(caller, home.id, Change(frozenset({"status"}), status="draft"))
    before = stored(aws)
    assert run(version) == []
    failed = sites.get(caller, project.id, 2)
    reason = "The page is published, but the page above it is a draft: publish that, or make this a draft."
    assert failed == replace(version, status="failed", failure=reason, ended=failed.ended)
    assert (jobs.get(caller, version.job).state, jobs.get(caller, version.job).reason) == ("failed", reason)
    kind, data = told(caller)[-1]
    assert (kind, data["version"], data["failure"]) == ("site.publish_failed", 2, {"reason": reason})
    assert (stored(aws), live(caller, project)) == (before, first.number)


def test_more_than_a_version_can_hold_fails_it(
    caller: Caller, project: projects.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_site(caller, project)
    monkeypatch.setattr(sites, "MAX_SNAPSHOT_BYTES", 100)
    assert publish(caller, project).failure == "The published pages must take at most 100 bytes as JSON."
    monkeypatch.undo()
    monkeypatch.setattr(publish_site, "MAX_FILES", 6)
    reason = "Pages in all languages make 7 files, and a version has at most 6."
    assert publish(caller, project).failure == reason


def test_a_snapshot_is_of_one_moment(
    caller: Caller, project: projects.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = new_site(caller, project)
    read, changes = sites._read, ["Two", "Three"]

    def read_while_it_changes(which: projects.Project) -> snapshots.Snapshot:
        snapshot = read(which)
        if changes:
            pages.update(caller, home.id, Change(frozenset({"title"}), title=changes.pop(0)))
        return snapshot

    monkeypatch.setattr(sites, "_read", read_while_it_changes)
    version = publish(caller, project)
    found = json.loads(blobs.get(f"{version.location}site.json"))
    assert found["pages"][0]["title"] == "Three"

    changes.extend(str(number) for number in range(sites.READ_ATTEMPTS))
    with pytest.raises(RuntimeError, match="changed faster than it can be read"):
        sites.take(project)


def test_a_fault_gives_the_job_back_for_the_next_try(
    aws: dict[str, str], caller: Caller, project: projects.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_site(caller, project)
    version = sites.publish(caller, project.id)
    with monkeypatch.context() as broken:
        broken.setattr(sites, "take", lambda project: 1 // 0)
        own_client("sqs").send_message(QueueUrl=aws["PublishSiteQueue"], MessageBody="{}")
        (received,) = own_client("sqs").receive_message(QueueUrl=aws["PublishSiteQueue"])["Messages"]
        assert run(version, received["ReceiptHandle"]) == [{"itemIdentifier": "m"}]
    assert sites.get(caller, project.id, 1).status == "publishing"
    assert run(version) == []
    assert str(sites.get(caller, project.id, 1).location).endswith("/1-2/")


def test_a_version_that_is_overtaken_is_ready_but_does_not_go_live(caller: Caller, project: projects.Project) -> None:
    new_site(caller, project)
    first, second = sites.publish(caller, project.id), sites.publish(caller, project.id)
    assert run(second) == []
    assert run(first) == []
    assert [sites.get(caller, project.id, number).status for number in (1, 2)] == ["ready", "ready"]
    assert live(caller, project) == 2
    assert [data["version"] for _, data in told(caller)] == [2]
    assert jobs.get(caller, first.job).state == "succeeded"


def test_what_is_published_after_a_rollback_goes_live(caller: Caller, project: projects.Project) -> None:
    new_site(caller, project)
    publish(caller, project)
    publish(caller, project)
    sites.roll_back(caller, project.id, 1)
    assert live(caller, project) == 1
    publish(caller, project)
    assert live(caller, project) == 3
    assert sites_store.get(caller.account, project.id).newest == 3


@pytest.mark.parametrize("swept", [False, True])
def test_the_version_of_a_deleted_project_is_given_up_and_leaves_nothing(
    aws: dict[str, str], caller: Caller, project: projects.Project, swept: bool
) -> None:
    new_site(caller, project)
    version = sites.publish(caller, project.id)
    projects.delete(caller, project.id)
    if swept:
        sites.sweep(caller.account, project.id)
    assert run(version) == []
    job = jobs.get(caller, version.job)
    assert (job.state, job.reason) == ("cancelled", "The project was deleted.")
    assert (stored(aws), told(caller)) == ([], [])


def test_a_project_that_is_deleted_while_its_version_is_made_leaves_nothing(
    aws: dict[str, str], caller: Caller, project: projects.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_site(caller, project)
    version = sites.publish(caller, project.id)
    finish = sites.finish

    def too_late(*arguments: Any, **named: Any) -> str:
        projects.delete(caller, project.id)
        return finish(*arguments, **named)

    monkeypatch.setattr(sites, "finish", too_late)
    assert run(version) == []
    assert jobs.get(caller, version.job).state == "cancelled"
    assert (stored(aws), told(caller)) == ([], [])
