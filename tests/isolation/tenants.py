"""Tenants with one thing of each kind, in moto, and the requests that they make."""

from __future__ import annotations

import base64
import importlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import boto3

from codefluss.wire.common import spell_cursor
from fluvial import accounts, analyses, clock, ids, jobs, keys, pages, previews, sections, sites, webhooks
from fluvial.caller import Caller
from local.openapi import apis
from tests import factories
from tests.contract.client import multipart
from tests.isolation.cases import ANALYSIS, CASES, FILE
from tests.isolation.documents import BODY, PATH, QUERY, Operation, Place
from tests.workers.pipeline import Pipeline
from tests.workers.test_publish_site import run as publish_site

# Of an answer, what is another one each time.
REQUEST_ID = re.compile(r"req_[0-9a-f-]+")
VOLATILE = re.compile(r"x-request-id|(x-)?ratelimit.*")
PLACEHOLDER = re.compile(r"<(\w+)>")

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


def absent() -> Kinds:
    """Ids of each kind that nothing has, and that nothing will get."""
    page, section, project = (ids.spell(prefix, 3) for prefix in (ids.PAGE, ids.SECTION, ids.PROJECT))
    spelled = {prefix: ids.spell(prefix, 3) for prefix in ("proj", "data", "ds", "an", "upl", "job", "key", "user")}
    return {
        **spelled,
        "wh": ids.spell(ids.ENDPOINT, 3),
        "page": page,
        "other_page": page,
        "sec": section,
        "proj": project,
        "component": "absent",
        "other_component": "absent",
        "version": "999",
        "evt": f"{ids.spell(ids.EVENT, 3)}0000000000",
        **{f"{kind}_cursor": spell_cursor(3) for kind in ("page", "section", "project", "version")},
    }


def new(mark: str, pipeline: Pipeline, *, versions: int) -> Tenant:
    """A tenant with one thing of each kind, all of them done; its site has so many `versions`."""
    caller = factories.new_caller("enterprise")
    project, elsewhere = factories.new_project(caller, mark), factories.new_project(caller, f"{mark} elsewhere")
    endpoint = webhooks.create(caller, url="http://127.0.0.1:9/" + mark, events=["*"])
    dataset = factories.new_dataset(caller, project, f"city,n\n{mark},1\n".encode())
    pipeline.settle()
    analysis = analyses.create(
        caller, project_id=project.id, name=mark, dataset_id=dataset.id, query={**ANALYSIS, "group_by": ["city"]}
    )
    analyses.run(caller, analysis.id)
    pipeline.settle()
    upload = opened(caller, project.id, mark)
    page, other_page = (
        pages.create(caller, project_id=project.id, title=f"{mark} {name}", status="published")
        for name in ("page", "other")
    )
    component, other_component = f"in-{mark}", f"beside-{mark}"
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
        ExpressionAttributeValues={":pk": {"S": f"{_partition(caller)}events"}},
    )["Items"]
    spelled = {
        ids.PROJECT: project.id,
        ids.DATASET: dataset.id,
        "ds": dataset.id,
        ids.ANALYSIS: analysis.id,
        ids.UPLOAD: upload,
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
            "other_page": ids.spell(ids.PAGE, other_page.id),
            "component": component,
            "other_component": other_component,
            "version": str(versions),
            "evt": event["sk"]["S"],
            "preview": token,
            "project_cursor": spell_cursor(project.id),
            "page_cursor": spell_cursor(page.id),
            "section_cursor": spell_cursor(section.id),
            "version_cursor": spell_cursor(versions),
            "today": clock.iso(clock.now())[:10],
        },
        elsewhere.id,
    )


def opened(caller: Caller, project_id: int, mark: str) -> int:
    """An upload whose file has arrived."""
    from fluvial import datasets

    upload, _ = datasets.open_upload(caller, project_id=project_id, filename=f"{mark}.csv", size=len(FILE))
    boto3.client("s3").put_object(Bucket=_bucket(), Key=upload.incoming, Body=FILE)
    return upload.id


# ---------------------------------------------------------------- requests


def send(operation: Operation, caller: Caller, kinds: Kinds, instead: dict[Place, str] | None = None) -> dict[str, Any]:
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
        return given[0] if given else kinds[found[1]]

    in_path = {place.name: f"<{place.prefix}>" for place in operation.places if place.where == PATH and place.prefix}
    arguments: dict[str, Any] = {
        "path": filled(in_path | case.get("path", {}), PATH) or None,
        "query": filled(case["query"], QUERY) if "query" in case else None,
        "body": filled(case.get("body"), BODY),
    }
    if "form" in case:
        body, content_type = multipart(FILE, filled(case["form"], BODY))
        arguments |= {"raw": base64.b64encode(body).decode(), "base64": True, "headers": {"Content-Type": content_type}}
    handler, resource = handlers()[operation.api, operation.method, operation.path]
    event = factories.request(
        operation.method, resource, caller=None if operation.scope is None else caller, **arguments
    )
    answer: dict[str, Any] = handler(event, factories.CONTEXT)
    return answer


@cache
def handlers() -> dict[tuple[str, str, str], tuple[Callable[..., Any], str]]:
    """Handler and route by API, method and path of the document."""
    return {
        (api, route.method, route.path.replace("+}", "}")): (importlib.import_module(f"{api}.{group}").handler, route.path)
        for api in apis.names()
        for group, route in apis.load(api).operations.values()
    }


def kind_of(operation: Operation, place: Place) -> str | None:
    """The kind that the operation's case has in this place; None where the case leaves it out."""
    if place.where == PATH and place.prefix:
        return place.prefix
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


Items = dict[tuple[str, str], dict[str, Any]]


def stored(pipeline: Pipeline, caller: Caller) -> tuple[Items, set[tuple[str, str]]]:
    """All that an account has: its items but those that count requests, and its objects with their contents' hashes."""
    s3 = boto3.client("s3")
    number = _partition(caller)[2:-1]
    listed = s3.list_objects_v2(Bucket=pipeline.resources["Bucket"]).get("Contents", [])
    objects = {(each["Key"], each["ETag"]) for each in listed if str(caller.account) in each["Key"] or number in each["Key"]}
    return {key: item for key, item in everything(pipeline).items() if _is_of(item, key[0], caller)}, objects


def everything(pipeline: Pipeline) -> Items:
    paginator = boto3.client("dynamodb").get_paginator("scan")
    return {
        (item["pk"]["S"], item["sk"]["S"]): item
        for page in paginator.paginate(TableName=pipeline.resources["Table"])
        for item in page["Items"]
    }


def restore(pipeline: Pipeline, before: Items) -> None:
    """The table as it was."""
    dynamodb, table = boto3.client("dynamodb"), pipeline.resources["Table"]
    after = everything(pipeline)
    for pk, sk in after.keys() - before.keys():
        dynamodb.delete_item(TableName=table, Key={"pk": {"S": pk}, "sk": {"S": sk}})
    for key, item in before.items():
        if after.get(key) != item:
            dynamodb.put_item(TableName=table, Item=item)


def _is_of(item: dict[str, Any], partition: str, caller: Caller) -> bool:
    own = partition.startswith(_partition(caller)) or partition == _partition(caller)[:-1]
    named = item.get("account", {}).get("N") == str(caller.account)
    return (own or named) and not _counts_requests(partition)


def _counts_requests(partition: str) -> bool:
    return bool(re.search(r"#usage|#windows|^w#|^l#", partition))


def _partition(caller: Caller) -> str:
    return f"a#{ids.spell('', caller.account)[1:]}#"


def _bucket() -> str:
    from fluvial.config import settings

    return settings().bucket


def bound(tenant: Tenant) -> Caller:
    """The tenant's caller with a key of the project in which none of its things is."""
    return replace(tenant.caller, project=tenant.elsewhere)


__all__ = ["Iterator", "accounts", "jobs", "json"]
