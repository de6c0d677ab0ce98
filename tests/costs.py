"""The calls to AWS that each route makes, counted on moto. docs/operations.md states them; a test compares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fluvial.aws import client
from reference import analytics, data, documentation, events, jobs, keys, projects, rows, status, users, webhooks
from tests import factories
from tests.factories import request
from workers import ingest, publish

SERVICES = ("dynamodb", "s3", "sqs", "events")
CSV = b"a,b\n1,2\n"


@contextmanager
def counted(calls: list[str]) -> Iterator[None]:
    """Appends the name of every AWS call meanwhile; a transaction names its actions, a batch its keys."""
    originals = {}
    for service in SERVICES:
        made = client(service)
        originals[service] = made._make_api_call

        def count(operation: str, arguments: dict[str, Any], make: Any = made._make_api_call) -> Any:
            calls.append(_name(operation, arguments))
            return make(operation, arguments)

        made._make_api_call = count
    try:
        yield
    finally:
        for service, original in originals.items():
            client(service)._make_api_call = original


def measure(resources: dict[str, str]) -> dict[str, list[str]]:
    """AWS calls by route, for an account with one project, one dataset that is ready, one key and one endpoint."""
    caller = factories.new_caller()
    project = factories.new_project(caller)
    dataset = _ready_dataset(caller, project, resources)
    from fluvial import ids
    from fluvial import webhooks as core

    endpoint = core.create(caller, url="http://127.0.0.1:9/", events=["*"])
    of_project = {"id": ids.spell(ids.PROJECT, project.id)}
    of_data = {"id": ids.spell(ids.DATASET, dataset.id)}
    of_endpoint = {"id": ids.spell(ids.ENDPOINT, endpoint.id)}
    measured: dict[str, list[str]] = {}

    def call(handler: Callable[..., Any], method: str, resource: str, **arguments: Any) -> dict[str, Any]:
        calls: list[str] = []
        with counted(calls):
            found, body = factories.answer(handler, request(method, resource, caller=caller, **arguments))
        assert found < 300, (method, resource, body)
        measured[f"{method} {resource}"] = calls
        return body

    call(status.handler, "GET", "/status")
    call(projects.handler, "GET", "/projects")
    created = call(projects.handler, "POST", "/projects", body={"name": "Measured"})
    call(projects.handler, "GET", "/projects/{id}", path=of_project)
    call(projects.handler, "PUT", "/projects/{id}", path=of_project, body={"name": "Renamed"})
    call(projects.handler, "DELETE", "/projects/{id}", path={"id": created["id"]})
    call(data.handler, "GET", "/projects/{id}/data", path=of_project)
    uploaded = call(data.handler, "POST", "/data/upload", **_form(of_project["id"]))
    opened = call(
        data.handler,
        "POST",
        "/data/uploads",
        body={"project_id": of_project["id"], "filename": "data.csv", "size": len(CSV)},
    )
    client("s3").put_object(Bucket=resources["Bucket"], Key=opened["upload"]["fields"]["key"], Body=CSV)
    call(data.handler, "POST", "/data/uploads/{id}/complete", path={"id": opened["id"]})
    call(data.handler, "GET", "/data/{id}", path=of_data)
    call(rows.handler, "GET", "/data/{id}/rows", path=of_data)
    call(rows.handler, "GET", "/data/{id}/rejects", path=of_data)
    call(data.handler, "DELETE", "/data/{id}", path={"id": uploaded["id"]})
    call(webhooks.handler, "GET", "/webhooks")
    made = call(webhooks.handler, "POST", "/webhooks", body={"url": "http://127.0.0.1:9/", "events": ["*"]})
    call(webhooks.handler, "GET", "/webhooks/{id}", path=of_endpoint)
    call(webhooks.handler, "PUT", "/webhooks/{id}", path=of_endpoint, body={"enabled": True})
    call(webhooks.handler, "DELETE", "/webhooks/{id}", path={"id": made["id"]})
    call(webhooks.handler, "GET", "/webhooks/{id}/deliveries", path=of_endpoint)
    call(keys.handler, "GET", "/keys")
    key = call(keys.handler, "POST", "/keys", body={"name": "Measured"})
    rolled = call(keys.handler, "POST", "/keys/{id}/roll", path={"id": key["id"]}, body={})
    call(keys.handler, "DELETE", "/keys/{id}", path={"id": rolled["id"]})
    call(users.handler, "GET", "/users")
    user = call(users.handler, "POST", "/users", body={"email": "measured@example.com", "role": "viewer"})
    answered = factories.answer(
        keys.handler, request("POST", "/keys", caller=caller, body={"name": "Theirs", "user_id": user["id"]})
    )
    assert answered[0] == 201
    call(users.handler, "PUT", "/users/{id}", path={"id": user["id"]}, body={"role": "editor"})
    call(users.handler, "DELETE", "/users/{id}", path={"id": user["id"]})
    call(events.handler, "GET", "/events")
    call(jobs.handler, "GET", "/jobs/{id}", path={"id": ids.spell(ids.JOB, dataset.job)})
    call(analytics.handler, "GET", "/analytics/usage")
    call(users.handler, "GET", "/users/me")
    call(users.handler, "PUT", "/users/me", body={"name": "Measured"})
    for resource, path in {"/openapi.json": None, "/docs": None, "/docs/{file}": {"file": "start.js"}}.items():
        with counted(measured.setdefault(f"GET {resource}", [])):
            assert documentation.handler(request("GET", resource, path=path), factories.CONTEXT)["statusCode"] == 200
    return measured


def _name(operation: str, arguments: dict[str, Any]) -> str:
    if operation == "TransactWriteItems":
        return f"TransactWriteItems({len(arguments['TransactItems'])})"
    return operation


def _form(project_id: str) -> dict[str, Any]:
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="project_id"\r\n\r\n{project_id}\r\n',
        '--x\r\nContent-Disposition: form-data; name="file"; filename="data.csv"\r\n\r\n' + CSV.decode() + "\r\n",
        "--x--\r\n",
    ]
    return {"raw": "".join(parts), "headers": {"Content-Type": "multipart/form-data; boundary=x"}}


def _ready_dataset(caller: Any, project: Any, resources: dict[str, str]) -> Any:
    dataset = factories.new_dataset(caller, project, CSV)
    table = client("dynamodb").scan(TableName=resources["Table"])["Items"]
    recorded = [item for item in table if item["type"]["S"] == "job"]
    publish.handler({"Records": [{"dynamodb": {"NewImage": item}} for item in recorded]}, None)
    url = resources["IngestQueue"]
    (message,) = client("sqs").receive_message(QueueUrl=url)["Messages"]
    record = {"messageId": "m", "receiptHandle": message["ReceiptHandle"], "body": message["Body"]}
    assert ingest.handler({"Records": [record]}, None) == {"batchItemFailures": []}
    return dataset
