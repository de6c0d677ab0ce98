"""Real things for Schemathesis to find: made over HTTP, their ids set as the examples of the document."""

from __future__ import annotations

import copy
import json
import re
import secrets
import time
from collections.abc import Iterator
from typing import Any

from fluvial.ids import UUID_PATTERN
from local.openapi.examples import NUMBER
from tests.contract.client import multipart
from tests.stack.conftest import Account

WAIT_SECONDS = 60
# With the columns of the examples in the documents of Fluxjiva and of exports.
CSV = b"channel,spend,revenue\nmail,10.50,30\nweb,20.25,25\n"
QUERY = {"group_by": ["channel"], "aggregates": [{"function": "sum", "column": "spend", "as": "spent"}]}
PREFIX = re.compile(r"^\^([a-z]+)_\[")
UUID = re.compile(UUID_PATTERN)
# With the columns of the examples in the document of Flarelight.
RECORDS = [{"city": "Bonn", "n": 1}, {"city": "Kiel", "n": 2}]

# Where the Fluxx API has its records.
RECORD_PATHS = "/api/rest/"

Document = dict[str, Any]
Ids = dict[str, str]
"""An id by the prefix of its kind, what a parameter of this name takes, or a parameter of Flarelight, by its path."""


def made(account: Account) -> Ids:
    """One thing of each kind, for all APIs: they are windows on the same things."""
    reference, fluxjiva, codefluss = (account.of(api) for api in ("reference", "fluxjiva", "codefluss"))
    project = _made(reference, "/projects", {"name": "Kept"})["id"]
    dataset = reference.upload(CSV, {"project_id": project}).json()
    source = dataset["id"].replace("data_", "ds_")
    upload = _made(reference, "/data/uploads", {"project_id": project, "filename": "a.csv", "size": 8})["id"]
    _until(lambda: reference.get(f"/data/{dataset['id']}").json()["status"] == "ready")
    export = reference.post(f"/data/{dataset['id']}/exports", {"format": "csv"}).json()["id"]
    same = {"from_version": 1, "to_version": 1}
    comparison = reference.post(f"/data/{dataset['id']}/comparisons", same).json()["id"]
    analyses = f"/projects/{project}/analyses"
    analysis = _made(fluxjiva, analyses, {"name": "Kept", "data_source_id": source, "query": QUERY})["data"]["id"]
    assert fluxjiva.post(f"{analyses}/{analysis}/run").status == 202
    page = _made(codefluss, f"/projects/{project}/pages", {"title": "Kept", "status": "published"})["data"]["id"]
    components = [{"id": "c1", "type": "container"}]
    section = {"type": "text", "content": {"title": "Kept", "components": components}}
    section_id = _made(codefluss, f"/pages/{page}/sections", section)["data"]["id"]
    versions = f"/projects/{project}/versions"
    assert codefluss.post(f"/projects/{project}/publish", {}).status == 202
    _until(lambda: codefluss.get(f"{versions}/1").json()["data"]["status"] == "ready")
    link = _made(codefluss, f"{versions}/1/preview", {})["data"]["url"]
    _until(lambda: fluxjiva.get(f"{analyses}/{analysis}").json()["data"]["status"] == "completed")
    user = _made(reference, "/users", {"email": f"{secrets.token_hex(6)}@example.com", "role": "viewer"})["id"]
    return {
        "proj": project,
        "data": dataset["id"],
        "ds": source,
        "job": reference.get(f"/data/{dataset['id']}").json()["job_id"],
        "exp": export,
        "cmp": comparison,
        "number": "1",
        "columns": "channel,spend",
        "filter": json.dumps([{"column": "channel", "operator": "eq", "value": "mail"}]),
        "upl": upload,
        "an": analysis,
        "page": page,
        "sec": section_id,
        "component_id": "c1",
        "parentId": page,
        "user": user,
        "key": _made(reference, "/keys", {"name": "Kept", "user_id": user})["id"],
        "wh": _made(reference, "/webhooks", {"url": "http://127.0.0.1:9/", "events": ["*"]})["id"],
        "version": "1",
        "to": "1",
        "token": link.split("/preview/")[1].split("/")[0],
        "path": "index.html",
        "own_key": reference.get("/keys").json()["data"][-1]["id"],
        **_of_flarelight(account.of("flarelight")),
        **_of_fluxx(account.of("fluxx")),
    }


def _of_flarelight(account: Account) -> Ids:
    """All ids are UUIDs there: what one is of its path tells, and of fields their name."""

    def import_id(name: str) -> tuple[str, str, str]:
        begun = _made(account, "/Import/Data", {"name": name, "data": RECORDS}, 200)["data"]
        _until(lambda: account.get(f"/Import/{begun['id']}").json()["data"]["status"] == "ready")
        return begun["id"], begun["jobId"], begun["projectId"]

    (kept, job, project), (changed, *_) = import_id("Kept"), import_id("Changed")
    preparation = _made(
        account,
        "/Preparation",
        {
            "name": "Kept",
            "inputs": {"orders": {"importId": kept}},
            "recipe": {"steps": [{"step": "filter", "expression": "n > 1"}]},
        },
        200,
    )["data"]["id"]
    execution = _made(account, f"/Preparation/{preparation}/Execute", {}, 200)["data"]["jobId"]
    report = _made(account, "/Report", {"name": "Kept", "sections": [{"type": "text", "text": "Well."}]}, 200)
    report_id = report["data"]["id"]
    generated = _made(account, f"/Report/{report_id}/Generate", {"formats": ["html"]}, 200)["data"]
    steps = [{"name": "rest", "type": "wait", "seconds": 1}]
    automation = _made(account, "/Automation", {"name": "Kept", "triggers": [{"type": "api"}], "steps": steps}, 200)
    automation_id = automation["data"]["id"]
    run = _made(account, f"/Automation/{automation_id}/Execute", {}, 200)["data"]["runId"]
    for each in (execution, generated["jobId"]):
        _until(lambda each=each: account.get(f"/Job/{each}").json()["data"]["status"] == "succeeded")
    return {
        "/Import/{id}": kept,
        "/Job/{id}": job,
        "/Preparation/{id}": preparation,
        "/Report/{id}": report_id,
        "/Report/Generated/{id}": generated["generatedReportId"],
        "/Automation/{id}": automation_id,
        "/Automation/Run/{id}": run,
        "/Import/All after": kept,
        "/Job/All after": job,
        "/Preparation/All after": preparation,
        "/Preparation/{id}/Executions after": execution,
        "/Report/All after": generated["generatedReportId"],
        "/Report/Definitions after": report_id,
        "/Automation/All after": automation_id,
        "/Automation/{id}/Runs after": run,
        "jobId": execution,
        "importId": kept,
        "preparationId": preparation,
        "reportId": report_id,
        "generatedReportId": generated["generatedReportId"],
        "automationId": automation_id,
        "projectId": project,
        # Of an import that takes more records.
        "id": changed,
    }


def _of_fluxx(account: Account) -> Ids:
    """Ids are bare numbers there: what one is of its path tells."""
    rest, client = "/api/rest/v2", {"name": "Kept", "scopes": ["records:read"]}
    queue = _made(account, "/poll/queues", {"name": "Kept", "model_type": "grant_request"}, 200)["queue"]
    organization = _made(account, f"{rest}/organization", {"data": {"name": "Kept"}}, 200)["organization"]["id"]
    data = {"project_title": "Kept", "program_organization_id": organization}
    grant = _made(account, f"{rest}/grant_request", {"data": data}, 200)["grant_request"]["id"]
    owner = {"model_type": "grant_request", "id": grant}
    body, content_type = multipart(CSV, {"data": json.dumps({"owner_model": owner})}, part="content")
    document = account.send("POST", f"{rest}/model_document", body, {"Content-Type": content_type}).json()
    poll = f"/poll/client/1/uuid/queue/{queue['uuid']}"
    _until(lambda: account.get(poll).json()["data"])
    return {
        "/api/rest/{version}/{model_type}/{id}": str(organization),
        "/api/rest/{version}/model_document_download/{id}": str(document["model_document"]["id"]),
        "/poll/queues/{id}": str(queue["id"]),
        "client_id": "1",
        "queue_uuid": queue["uuid"],
        "job_uuid": account.get(poll).json()["job_uuid"],
        "application_id": str(_made(account, "/oauth/applications", client, 200)["application"]["id"]),
        "project_id": str(_made(account, f"{rest}/project", {"data": {"name": "Kept"}}, 200)["project"]["id"]),
    }


def with_examples(document: Document, ids: Ids) -> Document:
    """The document with these ids as its examples. What deletes keeps those of the document, which nothing has."""
    document = copy.deepcopy(document)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                content.update({name: _with_ids(content[name], ids) for name in ("example",) if name in content})
            if method == "delete":
                continue
            for parameter in operation.get("parameters", []):
                if path.startswith(RECORD_PATHS) and parameter["name"] != "id":
                    continue  # of the same name in other APIs, and otherwise
                if found := _of_place(path, parameter["name"], ids) or _id_of(
                    parameter["name"], parameter["schema"], ids
                ):
                    parameter["example"] = found
    for schema in _objects(document["components"]["schemas"]):
        for name, field in schema.get("properties", {}).items():
            if isinstance(field, dict) and (found := _id_of(name, field, ids)) and "pattern" in str(field):
                field["examples"] = [found]
    return document


def _of_place(path: str, name: str, ids: Ids) -> str | None:
    """What Flarelight has in this place."""
    if name == "id":
        return ids.get(path[: path.find("{id}") + len("{id}")])
    return ids.get(f"{path} {name}")


def _with_ids(example: Any, ids: Ids) -> Any:
    """The body with these ids in the place of UUIDs, and of the number that all things have in examples."""
    if isinstance(example, dict):
        return {
            name: ids.get(name, value) if UUID.fullmatch(str(value)) or value == NUMBER else _with_ids(value, ids)
            for name, value in example.items()
        }
    return [_with_ids(each, ids) for each in example] if isinstance(example, list) else example


def _id_of(name: str, schema: Document, ids: Ids) -> str | None:
    for each in (schema, *schema.get("anyOf", [])):
        if prefix := PREFIX.match(each.get("pattern", "")):
            return ids.get(prefix[1])
    return ids.get(name)


def _objects(node: Any) -> Iterator[Document]:
    if isinstance(node, dict):
        yield node
        for each in node.values():
            yield from _objects(each)


def _made(account: Account, path: str, body: object, status: int = 201) -> Any:
    answer = account.post(path, body)
    assert answer.status == status, answer.body
    return answer.json()


def _until(done: Any) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)
