"""Tenants with one thing of each kind, in moto, and the requests that they make."""

from __future__ import annotations

import base64
import importlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import boto3
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3 import s3_backends
from moto.s3.models import FakeBucket, FakeMultipart

from codefluss.wire.common import parse_cursor, spell_cursor
from fluvial import (
    analyses,
    applications,
    automation_runs,
    automations,
    change_batches,
    change_queues,
    clock,
    comparisons,
    datasets,
    documents,
    events,
    executions,
    exports,
    generated_reports,
    ids,
    imports,
    keys,
    pages,
    preparations,
    previews,
    record_schemas,
    records,
    reports,
    sections,
    sites,
    webhooks,
)
from fluvial.caller import Caller
from fluvial.multipart import FilePart
from fluvial.store import events as outbox
from local.openapi import apis
from tests import factories, in_moto
from tests.contract.client import multipart
from tests.isolation.cases import ANALYSIS, CASES, FILE, IN_PLACE_OF, RECIPE
from tests.isolation.documents import BODY, PATH, QUERY, Operation, Place
from tests.workers.pipeline import Pipeline
from tests.workers.test_publish_site import run as publish_site

REGION = in_moto.ENVIRONMENT["AWS_REGION"]
# Of an answer, what is another one each time.
REQUEST_ID = re.compile(r"req_[0-9a-f-]+")
VOLATILE = re.compile(r"x-request-id|(x-)?ratelimit.*")
PLACEHOLDER = re.compile(r"<(\w+)>")

# Lists of Flarelight are read on behind an id of these kinds.
LISTED = (ids.AUTOMATION, ids.DATASET, ids.GENERATED_REPORT, ids.JOB, ids.PREPARATION, ids.REPORT, ids.RUN)

# A bare id and a UUID that nothing has; whole numbers in an answer are no part of the one.
BARE = str(2**52 + 3)
UUID = "7d2b0a54-9f3e-4c61-8a10-5b7c9d2e4f36"

Kinds = dict[str, str]
"""An id of each kind: by the prefix of its spelling, or by a word."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """An account. Whatever it has is called by its `mark`; `of` has an id of each kind."""

    caller: Caller
    mark: str
    of: Kinds
    elsewhere: int
    """Another project of the account, in which nothing is."""


def absent(beside: Kinds | None = None) -> Kinds:
    """Ids of each kind that nothing has; those that are positions, right `beside` others."""
    after = parse_cursor(beside["project_cursor"]) + 1 if beside else 3
    event = beside["evt"][:-1] + ("0" if beside["evt"][-1] != "0" else "1") if beside else ids.spell(ids.EVENT, 3)
    page, section, project = (ids.spell(prefix, 3) for prefix in (ids.PAGE, ids.SECTION, ids.PROJECT))
    spelled = {
        prefix: ids.spell(prefix, 3)
        for prefix in ("proj", "data", "ds", "an", "exp", "cmp", "upl", "job", "key", "user")
    }
    return {
        **spelled,
        "waiting_job": ids.spell(ids.JOB, 3),
        "uuid_waiting_job": ids.uuid(ids.JOB, 3),
        "uuid_data": _uuid_beside(ids.DATASET, beside, "uuid_data"),
        "uuid_proj": ids.uuid(ids.PROJECT, 3),
        "uuid_job": _uuid_beside(ids.JOB, beside, "uuid_job"),
        "uuid_prep": _uuid_beside(ids.PREPARATION, beside, "uuid_prep"),
        "uuid_fresh": ids.uuid(ids.PREPARATION, 3),
        "uuid_execution": ids.uuid(ids.JOB, 3),
        "uuid_rep": _uuid_beside(ids.REPORT, beside, "uuid_rep"),
        "uuid_gen": _uuid_beside(ids.GENERATED_REPORT, beside, "uuid_gen"),
        "uuid_auto": _uuid_beside(ids.AUTOMATION, beside, "uuid_auto"),
        "uuid_failed_run": _uuid_beside(ids.RUN, beside, "uuid_failed_run"),
        "uuid_waiting_run": ids.uuid(ids.RUN, 3),
        "wh": ids.spell(ids.ENDPOINT, 3),
        **dict.fromkeys(("organization", "grant_request", "document", "queue", "application", "bare_project"), BARE),
        **dict.fromkeys(("queue_uuid", "job_uuid"), UUID),
        "page": page,
        "other_page": page,
        "sec": section,
        "proj": project,
        "component": "absent",
        "other_component": "absent",
        "version": "999",
        "data_version": "999",
        "evt": event.ljust(len(ids.EVENT) + 22, "0"),
        **_positions(
            {kind: (ids.of_uuid(kind, beside[f"uuid_{kind}_position"]) or 0) + 1 for kind in LISTED}
            if beside
            else dict.fromkeys(LISTED, 3)
        ),
        "project_cursor": spell_cursor(after),
        **{f"{kind}_cursor": spell_cursor(999) for kind in ("child", "section", "version")},
    }


def _uuid_beside(kind: str, beside: Kinds | None, name: str) -> str:
    number = None if beside is None else ids.of_uuid(kind, beside[name])
    return ids.uuid(kind, 3 if number is None else number + 1)


def _positions(numbers: dict[str, int]) -> Kinds:
    """Positions of lists that are read on behind an id."""
    uuids = {f"uuid_{kind}_position": ids.uuid(kind, number) for kind, number in numbers.items()}
    return {**uuids, "job_position": ids.spell(ids.JOB, numbers[ids.JOB])}


def new(mark: str, pipeline: Pipeline, *, versions: int) -> Tenant:
    """A tenant with one thing of each kind, all of them done; its data and its site have so many `versions`."""
    caller = factories.new_caller("enterprise")
    project, elsewhere = (
        factories.new_project(caller, mark),
        factories.new_project(caller, f"Elsewhere of {mark.lower()}"),
    )
    endpoint = webhooks.create(caller, url=f"http://127.0.0.1:9/{mark}", events=["data.processed"])
    dataset = factories.new_dataset(caller, project, f"city,n\n{mark},1\n".encode())
    pipeline.settle()
    for number in range(2, versions + 1):
        # Another file each time: one that is sent again makes no version.
        more = f"city,n\n{mark},{number}\nragged\n".encode()
        imports.add(caller, dataset.id, imports.Import("append"), filename=f"{mark}.csv", data=more)
        pipeline.settle()
    analysis = analyses.create(
        caller, project_id=project.id, name=mark, dataset_id=dataset.id, query={**ANALYSIS, "group_by": ["city"]}
    )
    analyses.run(caller, analysis.id)
    prepared, fresh = (
        preparations.create(
            caller, name=f"{mark} {name}", inputs={"mine": preparations.Input(dataset.id)}, recipe=RECIPE
        )
        for name in ("prepared", "fresh")
    )
    execution = executions.execute(caller, prepared.id)
    query = {**ANALYSIS, "group_by": ["city"]}
    report = reports.create(
        caller,
        name=mark,
        definition={"sections": [{"type": "table", "dataset": ids.uuid(ids.DATASET, dataset.id), "query": query}]},
        formats=["csv"],
    )
    generated = generated_reports.generate(caller, report.id)
    export = exports.create(caller, dataset.id, exports.Wanted("csv"))
    automation = automations.create(
        caller, name=mark, triggers=[{"type": "api"}], steps=[{"name": "rest", "type": "wait", "seconds": 9}]
    )
    failed_run, waiting_run = (automation_runs.execute(caller, automation.id, {"mark": mark}) for _ in range(2))
    assert automation_runs.stopped(caller.account, failed_run.id, 1)
    comparison = comparisons.create(caller, dataset.id, before=1, after=versions)
    pipeline.settle()
    upload, _ = datasets.open_upload(caller, project_id=project.id, filename=f"{mark}.csv", size=len(FILE), parts=True)
    of_upload = {"Bucket": pipeline.resources["Bucket"], "Key": upload.incoming, "UploadId": upload.multipart}
    boto3.client("s3").upload_part(**of_upload, PartNumber=1, Body=FILE)
    page, other_page = (
        pages.create(caller, project_id=project.id, title=f"{mark} {name}", status="published")
        for name in ("page", "other")
    )
    child = pages.create(caller, project_id=project.id, title=f"{mark} child", parent_id=page.id)
    component, other_component = f"in-{mark.lower()}", f"beside-{mark.lower()}"
    section = sections.create(
        caller,
        page.id,
        type="text",
        name=mark,
        content={
            "components": [
                {"id": component, "type": "container", "components": []},
                {"id": other_component, "type": "heading", "content": {"text": mark}},
            ]
        },
    )
    for _ in range(versions):
        version = sites.publish(caller, project.id, note=mark)
        assert publish_site(version) == []
    token, _ = previews.create(caller, project.id, version.number)
    member = factories.new_member(caller, "editor")
    key, _ = keys.create(caller, name=mark, user_id=member.id)
    (event, *_) = boto3.client("dynamodb").query(
        TableName=pipeline.resources["Table"],
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"{partition(caller)}events"}},
    )["Items"]
    spelled = {
        ids.PROJECT: project.id,
        ids.DATASET: dataset.id,
        "ds": dataset.id,
        ids.ANALYSIS: analysis.id,
        ids.EXPORT: export.id,
        ids.COMPARISON: comparison.id,
        ids.UPLOAD: upload.id,
        ids.JOB: dataset.job,
        ids.KEY: key.id,
        ids.USER: member.id,
        ids.ENDPOINT: endpoint.id,
        ids.PAGE: page.id,
        ids.SECTION: section.id,
    }
    return Tenant(
        caller,
        mark,
        {
            **{prefix: ids.spell(prefix, number) for prefix, number in spelled.items()},
            **_positions(
                {
                    ids.AUTOMATION: automation.id,
                    ids.DATASET: dataset.id,
                    ids.GENERATED_REPORT: generated.id,
                    ids.JOB: dataset.job,
                    ids.PREPARATION: prepared.id,
                    ids.REPORT: report.id,
                    ids.RUN: failed_run.id,
                }
            ),
            "uuid_data": ids.uuid(ids.DATASET, dataset.id),
            "uuid_proj": ids.uuid(ids.PROJECT, project.id),
            "uuid_job": ids.uuid(ids.JOB, dataset.job),
            "uuid_prep": ids.uuid(ids.PREPARATION, prepared.id),
            "uuid_fresh": ids.uuid(ids.PREPARATION, fresh.id),
            "uuid_execution": ids.uuid(ids.JOB, execution.id),
            "uuid_rep": ids.uuid(ids.REPORT, report.id),
            "uuid_gen": ids.uuid(ids.GENERATED_REPORT, generated.id),
            "uuid_auto": ids.uuid(ids.AUTOMATION, automation.id),
            "uuid_failed_run": ids.uuid(ids.RUN, failed_run.id),
            "uuid_waiting_run": ids.uuid(ids.RUN, waiting_run.id),
            "other_page": ids.spell(ids.PAGE, other_page.id),
            "component": component,
            "other_component": other_component,
            "version": str(versions),
            "data_version": str(versions),
            "evt": event["sk"]["S"],
            "preview": token,
            "project_cursor": spell_cursor(project.id),
            "child_cursor": spell_cursor(child.id),
            "section_cursor": spell_cursor(section.id),
            "version_cursor": spell_cursor(versions),
            "mark": mark,
            "today": clock.iso(clock.now())[:10],
            "bare_project": str(project.id),
            **_of_fluxx(caller, mark),
        },
        elsewhere.id,
    )


def _of_fluxx(caller: Caller, mark: str) -> Kinds:
    """Records, an application, and a change queue with a batch that is out."""
    schema = record_schemas.of(caller.account)
    queue = change_queues.create(caller, name=mark, model="grant_request")
    organization = records.create(caller, schema, schema.model("organization"), {"name": mark})
    grant = records.create(
        caller,
        schema,
        schema.model("grant_request"),
        {"project_title": mark, "program_organization_id": organization.id},
    )
    owner = {"model_type": "grant_request", "id": grant.id}
    file = FilePart(f"{mark}.txt", "text/plain", mark.encode())
    document = documents.create(caller, schema, {"owner_model": owner}, file)
    # What it lets its token do is what an application needs who rolls it.
    application, secret = applications.create(caller, name=mark, scopes=["applications:write"])
    for event in outbox.after(caller.account, events.BEGINNING, limit=1_000):
        change_queues.collect(event)
    batch = change_batches.poll(caller, queue, limit=1, new_uuid=change_queues.new_uuid)
    return {
        "organization": str(organization.id),
        "grant_request": str(grant.id),
        "document": str(document.id),
        "queue": str(queue.id),
        "queue_uuid": queue.uuid,
        "job_uuid": json.loads(batch)["job_uuid"],
        "application": str(application.id),
        "client_id": application.client_id,
        "client_secret": secret,
    }


def begin_a_job(tenant: Tenant) -> None:
    """Begins an export, which waits for as long as the pipeline rests."""
    dataset = ids.parse(ids.DATASET, tenant.of[ids.DATASET]) or 0
    waiting = exports.create(tenant.caller, dataset, exports.Wanted("csv"))
    tenant.of["waiting_job"] = ids.spell(ids.JOB, waiting.job)
    tenant.of["uuid_waiting_job"] = ids.uuid(ids.JOB, waiting.job)


# ---------------------------------------------------------------- requests


def send(
    operation: Operation,
    caller: Caller,
    kinds: Kinds,
    instead: dict[Place, str] | None = None,
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    """What the operation's function answers, with these ids in their places, but for those that are given."""
    case, instead = CASES[operation.api][operation.name], instead or {}

    def filled(value: Any, where: str, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: filled(each, where, f"{name}.{key}".lstrip(".")) for key, each in value.items()}
        if isinstance(value, list):
            return [filled(each, where, name) for each in value]
        found = PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            return value
        given = [text for place, text in instead.items() if (place.where, place.name) == (where, name)]
        text = given[0] if given else kinds[found[1]]
        return int(text) if where == BODY and found[1] == "data_version" else text

    in_path = {place.name: f"<{place.prefix}>" for place in operation.places if place.where == PATH and place.prefix}
    arguments: dict[str, Any] = {
        "headers": {**case.get("headers", {}), **(headers or {})},
        "path": filled(in_path | case.get("path", {}), PATH) or None,
        "query": filled(case["query"], QUERY) if "query" in case else None,
        "body": filled(case.get("body"), BODY),
    }
    for place, text in instead.items():
        if (str(operation), place.name) in IN_PLACE_OF:
            del arguments["body"][IN_PLACE_OF[str(operation), place.name][1]]
            arguments["body"][place.name] = text
    if "form" in case:
        body, content_type = multipart(FILE, filled(case["form"], BODY))
        arguments |= {"raw": base64.b64encode(body).decode(), "base64": True}
        arguments["headers"] |= {"Content-Type": content_type}
    handler, resource = handlers()[operation.api, operation.method, operation.path]
    event = factories.request(
        operation.method, resource, caller=None if operation.scope is None else caller, **arguments
    )
    answer: dict[str, Any] = handler(event, factories.CONTEXT)
    if answer["isBase64Encoded"]:
        answer["body"] = base64.b64decode(answer["body"]).decode()
    return answer


def succeeded(answer: dict[str, Any]) -> bool:
    """Whether an answer is that of a success: in some APIs an error has its status, too."""
    if answer["statusCode"] >= 400:
        return False
    is_json = answer["multiValueHeaders"].get("Content-Type") == ["application/json"]
    said = json.loads(answer["body"]) if is_json and answer["body"] else None
    return not (isinstance(said, dict) and set(said) == {"error"})


@cache
def handlers() -> dict[tuple[str, str, str], tuple[Callable[..., Any], str]]:
    """Handler and route by API, method and path of the document."""
    return {
        (api, route.method, route.path.replace("+}", "}")): (
            importlib.import_module(f"{api}.{group}").handler,
            route.path,
        )
        for api in apis.names()
        for group, route in apis.load(api).operations.values()
    }


def kind_of(operation: Operation, place: Place) -> str | None:
    """The kind that the operation's case has in this place; None where the case leaves it out."""
    if place.where == PATH and place.prefix:
        return place.prefix
    if (str(operation), place.name) in IN_PLACE_OF:
        return IN_PLACE_OF[str(operation), place.name][0]
    value: Any = CASES[operation.api].get(operation.name, {})
    value = value.get(place.where, value.get("form") if place.where == BODY else None)
    for name in place.name.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    text = value[0] if isinstance(value, list) and value else value
    found = PLACEHOLDER.fullmatch(text) if isinstance(text, str) else None
    return found[1] if found else None


def told(answer: dict[str, Any], *names: str) -> tuple[int, str, dict[str, Any]]:
    """All of an answer that may not differ: `names` are the ids that were asked for."""
    body = REQUEST_ID.sub("req_", answer["body"])
    if answer["statusCode"] < 400:
        # Only successes tell the time.
        body = re.sub(r'("timestamp": ?")[^"]*', r"\1", body)
    for name in names:
        body = body.replace(name, "<asked>")
    return answer["statusCode"], body, {k: v for k, v in answer["multiValueHeaders"].items() if not _volatile(k)}


def _volatile(name: str) -> bool:
    return VOLATILE.fullmatch(name.lower()) is not None


# ---------------------------------------------------------------- what is stored


Stored = dict[tuple[str, str], Any]
"""Items of the table by their key, the hashes of the bucket's objects, and its open multi-part uploads."""


def stored(pipeline: Pipeline, *, counts_of: Caller | None = None) -> Stored:
    """All that is stored, but for what counts the requests of a caller."""
    counted = None if counts_of is None else f"{partition(counts_of)}usage"
    found: Stored = {
        key: in_moto.wire(attributes)
        for key, attributes in in_moto.items(pipeline.resources["Table"])
        if key[0] != counted
    }
    bucket = _bucket(pipeline)
    found |= {("object", f"{upload.key_name} {upload.id}"): upload for upload in bucket.multiparts.values()}
    return found | {("object", name): key.etag for name, key in bucket.keys.items()}


def restore(pipeline: Pipeline, before: Stored, items: in_moto.Partitions) -> None:
    """The table as it was, and uploads open again. Objects stay: only the items say which of them count."""
    in_moto.put_back(pipeline.resources["Table"], items)
    _bucket(pipeline).multiparts |= {each.id: each for each in before.values() if isinstance(each, FakeMultipart)}


def _bucket(pipeline: Pipeline) -> FakeBucket:
    return s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_bucket(pipeline.resources["Bucket"])


def of(tenant: Tenant, found: Stored) -> Stored:
    """What of it is the tenant's: by its key, or because it names the account."""
    account = tenant.caller.account
    number = ids.spell("", account)[1:]
    return {
        key: item
        for key, item in found.items()
        if number in key[0]
        or number in key[1]
        or (key[0] != "object" and item.get("account", {}).get("N") == str(account))
    }


def partition(caller: Caller) -> str:
    """How the keys of all partitions of an account's things begin."""
    return f"a#{ids.spell('', caller.account)[1:]}#"


def bound(tenant: Tenant) -> Caller:
    """The tenant's caller with a key of the project in which none of its things is."""
    return replace(tenant.caller, project=tenant.elsewhere)
