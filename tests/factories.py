"""Things that tests need, made by the core itself."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from fluvial import accounts, clock, dataset_versions, datasets, jobs, keys, projects
from fluvial.caller import Caller
from fluvial.store import api_keys

CONTEXT = SimpleNamespace(function_name="test", aws_request_id="test", memory_limit_in_mb=1024)

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def new_caller(plan: str = "professional", scopes: tuple[str, ...] = ("*",)) -> Caller:
    """The owner of a new account."""
    address = f"{secrets.token_hex(6)}@example.com"
    opened = accounts.create(email=address, plan=plan)
    account, user = opened.account, opened.user
    return Caller(account.id, user.id, key=account.id, plan=plan, scopes=frozenset(scopes), role=user.role)


def new_member(caller: Caller, role: str) -> accounts.User:
    """Another user of the caller's account."""
    return accounts.invite(caller, email=f"{secrets.token_hex(6)}@example.com", role=role)


def caller_of(secret: str) -> Caller:
    """Who calls with this key or access token, as the authorizer finds it; LookupError where it opens nothing."""
    found = api_keys.identify(keys.digest(secret), now=clock.now())
    if found is None:
        raise LookupError("this key opens nothing")
    return found[0]


def new_project(caller: Caller, name: str = "A project") -> projects.Project:
    return projects.create(caller, name=name)


def new_dataset(caller: Caller, project: projects.Project, data: bytes = b"a,b\n1,2\n") -> datasets.Dataset:
    return datasets.receive(caller, project_id=project.id, filename="data.csv", data=data)


def end_import(
    job: jobs.Job, dataset: datasets.Dataset, *, failure: str | None = None, now: clock.Now = clock.now
) -> bool:
    """Ends the first import of a dataset, as a worker would that found one row, or as failed."""
    version = dataset_versions.first(dataset, dataset.account)
    if failure is not None:
        return dataset_versions.fail(job, dataset, version, failure, now=now)
    found = dataset_versions.Found(1, 0, 1, "csv", "0" * 64, {"insert": 1}, {}, "x/")
    return dataset_versions.finish(job, dataset, version, found, now=now)


def request(
    method: str,
    resource: str,
    *,
    caller: Caller | None = None,
    path: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    body: object = None,
    headers: dict[str, str] | None = None,
    raw: str | None = None,
    base64: bool = False,
) -> dict[str, Any]:
    """A request as API Gateway hands it to a function. `resource` is the route, `path` fills its parameters."""
    concrete = resource
    for name, value in (path or {}).items():
        concrete = concrete.replace(f"{{{name}}}", value).replace(f"{{{name}+}}", value)
    sent = {name.lower(): value for name, value in (headers or {}).items()}
    context: dict[str, Any] = {"requestId": secrets.token_hex(8), "stage": "v1", "resourcePath": resource}
    if caller is not None:
        context["authorizer"] = caller.context()
    return {
        "httpMethod": method,
        "resource": resource,
        "path": concrete,
        "pathParameters": path,
        "queryStringParameters": query,
        "multiValueQueryStringParameters": None if query is None else {name: [value] for name, value in query.items()},
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "requestContext": context,
        "body": raw if raw is not None else None if body is None else json.dumps(body),
        "isBase64Encoded": base64,
    }


def answer(handler: Handler, event: dict[str, Any]) -> tuple[int, Any]:
    """Status and JSON body of a handler's answer."""
    response = handler(event, CONTEXT)
    return response["statusCode"], json.loads(response["body"])
