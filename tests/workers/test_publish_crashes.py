"""The worker that makes versions may die before or after any call to AWS: nothing is lost, twice or stuck."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import PurePosixPath

import pytest

from fluvial import clock, jobs, pages, projects, sections, sites
from fluvial.caller import Caller
from fluvial.store import keys, table
from tests import factories
from tests.workers.pipeline import Pipeline, own_client
from tests.workers.test_crashes import Clock, Crash, count_calls, crash, settle_after_deaths, time
from tests.workers.test_publish_site import live
from workers import publish_site

__all__ = ["crash", "time"]


@pytest.fixture
def caller(aws: dict[str, str]) -> Caller:
    return factories.new_caller()


def new_small_site(caller: Caller, project: projects.Project) -> None:
    """One page with one section: each file is a call that is died at."""
    home = pages.create(caller, project_id=project.id, title="Home", status="published")
    sections.create(caller, home.id, type="text", content={"title": "Hello"})


def files(aws: dict[str, str]) -> Counter[str]:
    """What is stored of sites, by version."""
    listed = own_client("s3").list_objects_v2(Bucket=aws["Bucket"], Prefix="sites/")
    return Counter(PurePosixPath(item["Key"]).parts[3].split("-")[0] for item in listed.get("Contents", []))


def published(caller: Caller) -> Counter[str]:
    items = table.query(keys.listed(caller.account, "events"))
    return Counter(item["event_type"] for item in items if item["event_type"].startswith("site."))


@pytest.fixture
def project(caller: Caller) -> projects.Project:
    return factories.new_project(caller)


def test_a_version_survives_a_death_at_any_call(
    aws: dict[str, str], crash: Crash, time: Clock, caller: Caller, project: projects.Project
) -> None:
    new_small_site(caller, project)
    pipeline = Pipeline(aws)
    pipeline.settle()
    sites.publish(caller, project.id)
    calls = count_calls(crash, pipeline.settle)
    # Claim, version, project, twice the counters, tree, pages, sections, 4 files, the end, and what carries it.
    assert calls >= 14
    (of_one,) = files(aws).values()
    deaths = list(itertools.product(range(calls), ("before", "after")))
    for before, (number, when) in enumerate(deaths, start=1):
        version = sites.publish(caller, project.id)
        crash.arm(number, when)
        pipeline.settle()
        crash.countdown = None
        settle_after_deaths(pipeline, time)
        found = sites.get(caller, project.id, version.number)
        assert (found.number, found.status, found.pages) == (before + 1, "ready", 1), (number, when)
        assert jobs.get(caller, version.job).state == "succeeded", (number, when)
        assert live(caller, project) == version.number, (number, when)
        assert published(caller) == {"site.published": before + 1}, (number, when)
        # Whatever a dead run left is gone, and no version has lost a file.
        assert set(files(aws).values()) == {of_one}, (number, when)
    assert pipeline.deaths >= 2 * (calls - 1)


def test_a_worker_that_always_dies_leaves_the_version_to_fail_job(
    aws: dict[str, str], crash: Crash, time: Clock, caller: Caller, project: projects.Project
) -> None:
    new_small_site(caller, project)
    version = sites.publish(caller, project.id)
    pipeline = Pipeline(aws)
    while pipeline.stream():
        pass
    for _ in range(5):
        crash.arm(8, "before")
        pipeline.drain("PublishSiteQueue", publish_site.handler)
        crash.countdown = None
        time.skipped += 30 * clock.MINUTE
    assert pipeline.deaths == 5
    # What fail_job does with the dead letter.
    job = jobs.claim(caller.account, version.job, lease_milliseconds=clock.MINUTE)
    assert job is not None
    assert job.attempt == 6
    made = sites.of_job(job)
    assert made is not None
    assert sites.fail(job, made, "It stopped again and again.")
    assert sites.get(caller, project.id, 1).status == "failed"
    assert published(caller) == {"site.publish_failed": 1}
    # Its message, should one come yet, finds nothing to do.
    pipeline.drain("PublishSiteQueue", publish_site.handler)
    assert sites.get(caller, project.id, 1).status == "failed"


def test_a_worker_that_was_thought_dead_cannot_end_what_another_has_taken(
    aws: dict[str, str], time: Clock, caller: Caller, project: projects.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_small_site(caller, project)
    version = sites.publish(caller, project.id)
    pipeline = Pipeline(aws)
    finish, slow = sites.finish, [True]

    def finish_late(job: jobs.Job, *arguments: object, **named: object) -> str:
        if slow and slow.pop():
            time.skipped += 30 * clock.MINUTE
            other = jobs.claim(caller.account, job.id, lease_milliseconds=clock.MINUTE)
            assert other is not None
        return finish(job, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(sites, "finish", finish_late)
    pipeline.settle()
    assert sites.get(caller, project.id, 1).status == "publishing"
    assert files(aws) == {}
    assert jobs.get(caller, version.job).state == "running"
    assert published(caller) == {}
