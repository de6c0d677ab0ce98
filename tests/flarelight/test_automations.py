"""Automations over HTTP: their whole life, and what is refused in this API's own words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fluvial import clock, config, ids
from fluvial.caller import Caller
from tests import factories
from tests.flarelight.calls import Api, absent, refusal
from tests.workers.automation_pipeline import AutomationPipeline, Clock, settings

WAIT = {"name": "rest", "type": "wait", "seconds": 60}
DAILY = {"type": "schedule", "expression": "cron(0 6 * * ? *)", "timeZone": "Europe/Berlin"}
BODY = {
    "name": "Nightly",
    "description": None,
    "triggers": [{"type": "api"}, DAILY],
    "steps": [
        WAIT,
        {
            "name": "again",
            "type": "condition",
            "conditions": [{"value": "input.again", "operator": "eq", "to": True}],
            "then": "last",
        },
        {"name": "last", "type": "wait", "until": "2026-01-01T00:00:00Z"},
    ],
}


def _reporting(formats: list[str]) -> dict[str, Any]:
    step = {"name": "a", "type": "generate_report", "reportId": absent(ids.REPORT), "formats": formats}
    return {"steps": [step]}


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock()
    monkeypatch.setattr(clock.time, "time_ns", moved.time_ns)
    return moved


@pytest.fixture
def pipeline(aws: dict[str, str], time: Clock, monkeypatch: pytest.MonkeyPatch) -> AutomationPipeline:
    for name, value in settings(aws).items():
        monkeypatch.setenv(name, value)
    config.settings.cache_clear()
    return AutomationPipeline(aws, time)


@pytest.fixture
def made(api: Api) -> dict[str, Any]:
    status, answer = api.post("/Automation", BODY)
    assert (status, answer["messages"]) == (200, []), answer
    data: dict[str, Any] = answer["data"]
    return data


def test_an_automation_is_made_read_changed_listed_and_removed(api: Api, made: dict[str, Any]) -> None:
    assert made == {
        "id": made["id"],
        "name": "Nightly",
        "description": None,
        "enabled": True,
        "triggers": [{"type": "api"}, {**DAILY, "start": None, "end": None}],
        "steps": [
            {**WAIT, "retries": 0, "backoffSeconds": 10},
            {
                **BODY["steps"][1],  # type: ignore[dict-item]
                "retries": 0,
                "backoffSeconds": 10,
                "match": "all",
                "else": "end",
            },
            {**BODY["steps"][2], "retries": 0, "backoffSeconds": 10},  # type: ignore[dict-item]
        ],
        "concurrency": "queue",
        "nextRunAt": made["nextRunAt"],
        "lastRun": None,
        "runningRunId": None,
        "waitingRuns": 0,
        "revision": 1,
        "createdAt": made["createdAt"],
        "updatedAt": made["createdAt"],
    }
    assert made["nextRunAt"] > made["createdAt"]
    path = f"/Automation/{made['id']}"
    assert api.get(path) == (200, {"data": made, "messages": []})

    status, answer = api.put(path, {"enabled": False, "triggers": [{"type": "event", "event": "data.*"}]})
    assert status == 200
    assert answer["data"] == {
        **made,
        "enabled": False,
        "triggers": [{"type": "event", "event": "data.*"}],
        "nextRunAt": None,
        "revision": 2,
        "updatedAt": answer["data"]["updatedAt"],
    }
    other = api.post("/Automation", {**BODY, "name": "Other"})[1]["data"]
    listed = api.get("/Automation/All")[1]
    assert [each["id"] for each in listed["data"]] == [other["id"], made["id"]]
    assert listed["messages"] == []
    first = api.get("/Automation/All", count="1")[1]
    assert [each["id"] for each in first["data"]] == [other["id"]]
    assert first["messages"][0]["code"] == "MORE_ITEMS"
    rest = api.get("/Automation/All", after=other["id"])[1]
    assert [each["id"] for each in rest["data"]] == [made["id"]]

    assert api.delete(path) == (200, {"data": {"id": made["id"], "deleted": True}, "messages": []})
    assert api.get(path) == (404, refusal("NOT_FOUND", f"No automation '{made['id']}' exists."))


def test_what_is_read_of_an_automation_can_be_sent_again(api: Api, made: dict[str, Any]) -> None:
    again = api.put(f"/Automation/{made['id']}", {"steps": made["steps"], "triggers": made["triggers"]})
    assert again[0] == 200, again
    assert (again[1]["data"]["steps"], again[1]["data"]["triggers"]) == (made["steps"], made["triggers"])


def test_an_automation_is_executed_and_its_run_is_read_to_the_end(
    api: Api, made: dict[str, Any], pipeline: AutomationPipeline
) -> None:
    status, answer = api.post(f"/Automation/{made['id']}/Execute", {"input": {"again": False}})
    assert (status, answer["messages"], answer["data"]["status"]) == (200, [], "queued")
    job, run = answer["data"]["jobId"], answer["data"]["runId"]
    assert api.get(f"/Job/{job}")[1]["data"]["status"] == "queued"
    pipeline.finish()
    found = api.get(f"/Automation/Run/{run}")[1]["data"]
    assert found == {
        "id": run,
        "automationId": made["id"],
        "name": "Nightly",
        "status": "succeeded",
        "attempt": 1,
        "jobId": job,
        "trigger": {"type": "api"},
        "error": None,
        "createdAt": found["createdAt"],
        "startedAt": found["startedAt"],
        "endedAt": found["endedAt"],
        "durationMs": found["durationMs"],
        "input": {"again": False},
        "steps": [
            {
                "name": "rest",
                "type": "wait",
                "status": "succeeded",
                "attempts": 1,
                "startedAt": found["steps"][0]["startedAt"],
                "endedAt": found["steps"][0]["endedAt"],
                "until": None,
                "jobId": None,
                "result": {},
                "error": None,
            },
            {**found["steps"][1], "name": "again", "status": "succeeded", "result": {"holds": False}},
            {**found["steps"][2], "name": "last", "status": "skipped", "attempts": 0, "startedAt": None},
        ],
    }
    assert found["durationMs"] >= 60_000
    told = api.get(f"/Job/{job}")[1]["data"]
    assert (told["kind"], told["status"]) == ("automation", "succeeded")
    assert told["source"] == {"type": "automation", "id": made["id"]}
    assert told["outputs"] == {"automationId": made["id"], "runId": run}
    listed = api.get(f"/Automation/{made['id']}/Runs")[1]
    assert listed["data"] == [{name: value for name, value in found.items() if name not in ("input", "steps")}]
    automation = api.get(f"/Automation/{made['id']}")[1]["data"]
    assert automation["lastRun"]["id"] == run


def test_a_wait_may_end_before_all_time_was_counted(api: Api, pipeline: AutomationPipeline) -> None:
    long_ago = {"name": "rest", "type": "wait", "until": "1969-07-20T20:17:40Z"}
    status, answer = api.post("/Automation", {**BODY, "steps": [long_ago]})
    assert (status, answer["data"]["steps"]) == (200, [{**long_ago, "retries": 0, "backoffSeconds": 10}])
    run = api.post(f"/Automation/{answer['data']['id']}/Execute")[1]["data"]["runId"]
    pipeline.finish()
    found = api.get(f"/Automation/Run/{run}")[1]["data"]
    assert (found["status"], found["steps"][0]["status"]) == ("succeeded", "succeeded")


def test_a_run_that_failed_is_resumed_and_one_under_way_cancelled(api: Api, pipeline: AutomationPipeline) -> None:
    step = {"name": "tell", "type": "call_webhook", "url": "http://127.0.0.1:9/"}
    made = api.post("/Automation", {**BODY, "steps": [step, WAIT]})[1]["data"]
    run = api.post(f"/Automation/{made['id']}/Execute")[1]["data"]["runId"]
    pipeline.finish()
    found = api.get(f"/Automation/Run/{run}")[1]["data"]
    assert (found["status"], found["error"]) == (
        "failed",
        "The step 'tell' failed: The receiver refused the connection.",
    )
    status, answer = api.post(f"/Automation/Run/{run}/Resume")
    assert (status, answer["data"]["status"]) == (200, "queued")
    assert answer["data"]["jobId"] != found["jobId"]
    status, answer = api.post(f"/Automation/Run/{run}/Cancel")
    assert (status, answer["data"]["status"], answer["data"]["attempt"]) == (200, "cancelled", 2)
    assert api.post(f"/Automation/Run/{run}/Resume") == (
        409,
        refusal("CONFLICT", "Only a run that failed can be resumed: this one is cancelled."),
    )


def test_a_retry_under_an_idempotency_key_starts_nothing_twice(api: Api, made: dict[str, Any]) -> None:
    path, key = f"/Automation/{made['id']}/Execute", {"Idempotency-Key": "k1"}
    first = api.post(path, {"input": {"a": 1}}, **key)
    assert api.post(path, {"input": {"a": 1}}, **key) == first
    assert api.post(path, {"input": {"a": 2}}, **key)[0] == 422
    assert len(api.get(f"/Automation/{made['id']}/Runs")[1]["data"]) == 1


def test_a_skipped_run_is_answered_with_the_reason(api: Api) -> None:
    made = api.post("/Automation", {**BODY, "concurrency": "skip"})[1]["data"]
    first = api.post(f"/Automation/{made['id']}/Execute")[1]["data"]
    status, answer = api.post(f"/Automation/{made['id']}/Execute")
    assert (status, answer["data"]["status"], answer["data"]["jobId"]) == (200, "skipped", None)
    (message,) = answer["messages"]
    assert (message["type"], message["code"]) == ("information", "RUN_SKIPPED")
    assert first["runId"]


@pytest.mark.parametrize(
    ("change", "field", "told"),
    [
        ({"steps": []}, "steps", "a list of 1-50 steps, not 0"),
        ({"steps": [{**WAIT, "name": "No"}]}, "steps.0.name", "beginning with a letter"),
        ({"steps": [WAIT, WAIT]}, "steps.1.name", "another step is called 'rest'"),
        ({"steps": [{**WAIT, "type": "sleep"}]}, "steps.0.type", "execute_preparation"),
        ({"steps": [{**WAIT, "seconds": 0}]}, "steps.0.seconds", "a whole number from 1 to 31622400"),
        ({"steps": [{**WAIT, "until": "2026-01-01T00:00:00Z"}]}, "steps.0", "and not both"),
        ({"steps": [{**WAIT, "until": "tomorrow"}]}, "steps.0.until", "ISO 8601"),
        ({"steps": [{**WAIT, "seconds": 1, "then": "end"}]}, "steps.0.then", "has no field 'then'"),
        ({"steps": [{**WAIT, "backoff_seconds": 1}]}, "steps.0.backoffSeconds", "camel case"),
        ({"steps": [{"name": "a", "type": "export", "importId": "x"}]}, "steps.0.importId", None),
        (
            {"steps": [{"name": "a", "type": "call_webhook", "url": "ftp://example.com"}]},
            "steps.0.url",
            "must begin with http",
        ),
        (_reporting([]), "steps.0.formats", "must name at least one format"),
        (_reporting(["html", "docx"]), "steps.0.formats", "'docx' is not a format"),
        ({"triggers": []}, "triggers", "a list of 1-12 triggers"),
        ({"triggers": [{"type": "api", "expression": None}]}, "triggers.0.expression", "has no field 'expression'"),
        ({"triggers": [{**DAILY, "event": None}]}, "triggers.0.event", "has no field 'event'"),
        ({"triggers": [{"type": "now"}]}, "triggers.0.type", "one of api, schedule, event"),
        ({"triggers": [DAILY, DAILY]}, "triggers.1", "one schedule at most"),
        ({"triggers": [{**DAILY, "timeZone": "Mars/Base"}]}, "triggers.0.timeZone", "is not a time zone"),
        ({"triggers": [{**DAILY, "expression": "daily"}]}, "triggers.0.expression", "it must be cron"),
        ({"triggers": [{"type": "event", "event": "data.eaten"}]}, "triggers.0.event", "must be the type of an event"),
        ({"concurrency": "all"}, "concurrency", "one of queue, skip"),
        ({"name": ""}, "name", "must not be empty"),
    ],
)
def test_what_makes_no_automation_is_refused_with_the_field(
    api: Api, change: dict[str, Any], field: str, told: str | None
) -> None:
    status, answer = api.post("/Automation", {**BODY, **change})
    (message,) = answer["messages"]
    assert (status, message["field"]) == (404 if told is None else 400, field), answer
    assert told is None or told in message["message"]


@pytest.mark.parametrize("goto", ["rest", "again", "nowhere"])
def test_a_condition_goes_forward_only(api: Api, goto: str) -> None:
    steps = [WAIT, {**BODY["steps"][1], "then": goto}]  # type: ignore[dict-item]
    status, answer = api.post("/Automation", {**BODY, "steps": steps})
    assert (status, answer["messages"][0]["field"]) == (400, "steps.1.then")


def test_an_account_without_the_feature_is_refused(caller: Caller, made: dict[str, Any]) -> None:
    off = Api(replace(caller, features_off=frozenset({"automations"})))
    assert off.get("/Automation/All")[0] == 403
    assert off.post(f"/Automation/{made['id']}/Execute")[1]["messages"][0]["code"] == "FEATURE_NOT_ENABLED"


def test_an_automation_of_somebody_else_is_absent(api: Api, stranger: Api, made: dict[str, Any]) -> None:
    run = api.post(f"/Automation/{made['id']}/Execute")[1]["data"]["runId"]
    missing, gone = absent(ids.AUTOMATION), absent(ids.RUN)
    for method, path in [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/Execute"),
        ("GET", "/Runs"),
    ]:
        status, theirs = stranger.call(method, f"/Automation/{made['id']}{path}")
        assert (status, theirs["messages"][0]["message"]) == (404, f"No automation '{made['id']}' exists.")
        assert stranger.call(method, f"/Automation/{missing}{path}")[0] == 404
    for method, path in [("GET", ""), ("POST", "/Resume"), ("POST", "/Cancel")]:
        assert stranger.call(method, f"/Automation/Run/{run}{path}") == (
            404,
            refusal("NOT_FOUND", f"No run '{run}' exists."),
        )
        assert stranger.call(method, f"/Automation/Run/{gone}{path}")[0] == 404
    assert stranger.get("/Automation/All")[1]["data"] == []


def test_a_viewer_reads_and_starts_nothing(caller: Caller, made: dict[str, Any]) -> None:
    from fluvial import keys, roles

    viewer = factories.new_member(caller, "viewer")
    scopes = roles.effective(["*"], "viewer", keys.SCOPES)
    seeing = Api(replace(caller, user=viewer.id, role="viewer", scopes=scopes))
    assert seeing.get(f"/Automation/{made['id']}")[0] == 200
    assert seeing.post(f"/Automation/{made['id']}/Execute")[0] == 403
