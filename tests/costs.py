"""The calls to AWS that each route makes, and the units they take, counted on moto; docs/operations.md states them.

Another API is another function in MEASURES, and another heading with a table in docs/operations.md. `make costs` writes
the tables' rows; a test compares.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from codefluss import components, pages, preview, sections
from codefluss import documentation as codefluss_documentation
from codefluss import projects as codefluss_projects
from codefluss import versions as codefluss_versions
from flarelight import automations, chart_data, imports, preparations, recipes, reports
from flarelight import documentation as flarelight_documentation
from flarelight import jobs as flarelight_jobs
from flarelight import rows as flarelight_rows
from fluvial import automation_runs, change_queues, config, datasets, ids, part_files, record_replicas
from fluvial import events as core_events
from fluvial import exports as core_exports
from fluvial import projects as core_projects
from fluvial import webhooks as core_webhooks
from fluvial.aws import client
from fluvial.caller import Caller
from fluvial.store import events as outbox
from fluxjiva import analyses
from fluxjiva import data_sources as fluxjiva_data_sources
from fluxjiva import documentation as fluxjiva_documentation
from fluxjiva import projects as fluxjiva_projects
from fluxx import applications, class_documentation, documents, oauth, queues, records
from fluxx import datasets as fluxx_datasets
from fluxx import documentation as fluxx_documentation
from reference import (
    analytics,
    data,
    documentation,
    events,
    exports,
    jobs,
    keys,
    projects,
    rows,
    status,
    users,
    versions,
    webhooks,
)
from tests import capacity, factories, in_moto, template
from tests.contract.client import multipart
from tests.factories import request
from tests.workers.pipeline import Pipeline

SERVICES = ("dynamodb", "s3", "sqs", "events")
OPERATIONS = template.ROOT / "docs/operations.md"
HEAD = "| Route | AWS calls | Read units | Write units |\n|---|---|---|---|\n"
CSV = b"a,b\n1,2\n"


@dataclass(slots=True)
class Cost:
    """AWS calls by name, a transaction with the number of its actions; DynamoDB's read and write units."""

    calls: list[str] = field(default_factory=list)
    reads: float = 0
    writes: int = 0


Measured = dict[str, Cost]


@contextmanager
def counted(cost: Cost) -> Iterator[None]:
    """Adds every AWS call meanwhile."""
    originals = {}
    for service in SERVICES:
        made = client(service)
        originals[service] = made._make_api_call

        def count(operation: str, arguments: dict[str, Any], make: Any = made._make_api_call) -> Any:
            cost.calls.append(_name(operation, arguments))
            keys = capacity.written(operation, arguments)
            before = _items(make, keys)
            answer = make(operation, arguments)
            for (_, times), was, now in zip(keys, before, _items(make, keys), strict=True):
                cost.writes += capacity.write_units(was, now, times, template.indexes())
            cost.reads += capacity.read_units(operation, arguments, answer)
            return answer

        made._make_api_call = count
    try:
        yield
    finally:
        for service, original in originals.items():
            client(service)._make_api_call = original


def _items(make: Any, keys: list[tuple[capacity.Item, int]]) -> list[capacity.Item]:
    table = config.settings().need("table")
    return [make("GetItem", {"TableName": table, "Key": key}).get("Item", {}) for key, _ in keys]


class Meter:
    """Calls routes for one caller, and counts."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.measured: Measured = {}

    def call(self, handler: Callable[..., Any], method: str, resource: str, **arguments: Any) -> dict[str, Any]:
        """The answer's body."""
        cost = Cost()
        with counted(cost):
            found, answered = factories.answer(handler, request(method, resource, caller=self.caller, **arguments))
        assert found < 300, (method, resource, answered)
        # The Fluxx API tells refusals with the status of a success.
        assert not isinstance(answered, dict) or set(answered) != {"error"}, (method, resource, answered)
        self.measured[f"{method} {resource}"] = cost
        body: dict[str, Any] = answered
        return body

    def open(self, handler: Callable[..., Any], method: str, resource: str, **arguments: Any) -> None:
        """The same where the answer is no JSON."""
        with counted(self.measured.setdefault(f"{method} {resource}", Cost())):
            event = request(method, resource, caller=self.caller, **arguments)
            assert handler(event, factories.CONTEXT)["statusCode"] == 200

    def documentation(self, handler: Callable[..., Any]) -> None:
        """The routes of an API's documentation group: open to all, and the page is no JSON."""
        for resource, path in {"/openapi.json": None, "/docs": None, "/docs/{file}": {"file": "start.js"}}.items():
            with counted(self.measured.setdefault(f"GET {resource}", Cost())):
                assert handler(request("GET", resource, path=path), factories.CONTEXT)["statusCode"] == 200


def measure(resources: dict[str, str]) -> dict[str, Measured]:
    """AWS calls by API and route."""
    return {api: of_api(resources) for api, of_api in MEASURES.items()}


def of_reference(resources: dict[str, str]) -> Measured:
    """For an account with one project, one dataset that is ready, an export of it, one key and one endpoint."""
    caller = factories.new_caller()
    project = factories.new_project(caller)
    dataset = factories.new_dataset(caller, project, CSV)
    pipeline = Pipeline(resources)
    pipeline.settle()
    export = core_exports.create(caller, dataset.id, core_exports.Wanted("csv"))
    pipeline.settle()
    meter = Meter(caller)
    _versions(meter, resources, project)
    endpoint = core_webhooks.create(caller, url="http://127.0.0.1:9/", events=["*"])
    of_project = {"id": ids.spell(ids.PROJECT, project.id)}
    of_data = {"id": ids.spell(ids.DATASET, dataset.id)}
    of_endpoint = {"id": ids.spell(ids.ENDPOINT, endpoint.id)}
    call = meter.call

    call(status.handler, "GET", "/status")
    call(projects.handler, "GET", "/projects")
    created = call(projects.handler, "POST", "/projects", body={"name": "Measured"})
    call(projects.handler, "GET", "/projects/{id}", path=of_project)
    call(projects.handler, "PUT", "/projects/{id}", path=of_project, body={"name": "Renamed"})
    call(projects.handler, "DELETE", "/projects/{id}", path={"id": created["id"]})
    call(data.handler, "GET", "/projects/{id}/data", path=of_project)
    uploaded = call(data.handler, "POST", "/data/upload", **_form(project_id=of_project["id"]))
    opened = call(
        data.handler,
        "POST",
        "/data/uploads",
        body={"project_id": of_project["id"], "filename": "data.csv", "size": len(CSV)},
    )
    client("s3").put_object(Bucket=resources["Bucket"], Key=opened["upload"]["fields"]["key"], Body=CSV)
    call(data.handler, "POST", "/data/uploads/{id}/complete", path={"id": opened["id"]})
    of_parts, _ = datasets.open_upload(caller, project_id=project.id, filename="d.csv", size=len(CSV), parts=True)
    call(data.handler, "GET", "/data/uploads/{id}/parts", path={"id": ids.spell(ids.UPLOAD, of_parts.id)})
    call(data.handler, "GET", "/data/{id}", path=of_data)
    call(rows.handler, "GET", "/data/{id}/rows", path=of_data)
    call(rows.handler, "GET", "/data/{id}/rejects", path=of_data)
    call(data.handler, "GET", "/data/{id}/profile", path=of_data)
    call(exports.handler, "POST", "/data/{id}/exports", path=of_data, body={"format": "csv"})
    of_export = {**of_data, "export_id": ids.spell(ids.EXPORT, export.id)}
    call(exports.handler, "GET", "/data/{id}/exports/{export_id}", path=of_export)
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
    call(jobs.handler, "GET", "/jobs", query={"per_page": "2"})
    call(jobs.handler, "GET", "/jobs/{id}", path={"id": ids.spell(ids.JOB, dataset.job)})
    waiting = core_exports.create(caller, dataset.id, core_exports.Wanted("csv"))
    call(jobs.handler, "POST", "/jobs/{id}/cancel", path={"id": ids.spell(ids.JOB, waiting.job)})
    call(analytics.handler, "GET", "/analytics/usage")
    call(users.handler, "GET", "/users/me")
    call(users.handler, "PUT", "/users/me", body={"name": "Measured"})
    meter.documentation(documentation.handler)
    return meter.measured


def of_fluxjiva(resources: dict[str, str]) -> Measured:
    """For an account with one project, in it one data source that is ready and one analysis that was run."""
    caller = factories.new_caller()
    pipeline = Pipeline(resources)
    project = factories.new_project(caller)
    dataset = factories.new_dataset(caller, project, CSV)
    pipeline.settle()
    of_project = {"project_id": ids.spell(ids.PROJECT, project.id)}
    source = ids.spell("ds", dataset.id)
    of_source = {**of_project, "data_source_id": source}
    meter = Meter(caller)
    call = meter.call

    handler, base = analyses.handler, "/projects/{project_id}/analyses"
    body = {"name": "Measured", "data_source_id": source, "query": {"group_by": ["a"]}}
    made = call(handler, "POST", base, path=of_project, body=body)
    of_analysis = {**of_project, "analysis_id": made["data"]["id"]}
    call(handler, "POST", f"{base}/{{analysis_id}}/run", path=of_analysis)
    pipeline.settle()
    call(handler, "GET", base, path=of_project)
    call(handler, "GET", f"{base}/{{analysis_id}}", path=of_analysis)
    call(handler, "GET", f"{base}/{{analysis_id}}/result", path=of_analysis)

    handler, base = fluxjiva_projects.handler, "/projects"
    call(handler, "GET", base)
    created = call(handler, "POST", base, body={"name": "Measured"})
    call(handler, "GET", f"{base}/{{project_id}}", path=of_project)
    call(handler, "PUT", f"{base}/{{project_id}}", path=of_project, body={"name": "Renamed"})
    call(handler, "DELETE", f"{base}/{{project_id}}", path={"project_id": created["data"]["id"]})

    handler, base = fluxjiva_data_sources.handler, "/projects/{project_id}/data-sources"
    call(handler, "GET", base, path=of_project)
    uploaded = call(handler, "POST", base, path=of_project, **_form())
    opened = call(handler, "POST", f"{base}/uploads", path=of_project, body={"filename": "d.csv", "size": len(CSV)})
    client("s3").put_object(Bucket=resources["Bucket"], Key=opened["data"]["upload"]["fields"]["key"], Body=CSV)
    of_upload = {**of_project, "upload_id": opened["data"]["id"]}
    call(handler, "POST", f"{base}/uploads/{{upload_id}}/complete", path=of_upload)
    call(handler, "GET", f"{base}/{{data_source_id}}", path=of_source)
    call(handler, "PUT", f"{base}/{{data_source_id}}", path=of_source, body={"name": "Renamed"})
    path = {**of_project, "data_source_id": uploaded["data"]["id"]}
    call(handler, "DELETE", f"{base}/{{data_source_id}}", path=path)

    handler, base = analyses.handler, "/projects/{project_id}/analyses"
    call(handler, "PUT", f"{base}/{{analysis_id}}", path=of_analysis, body={"query": {"group_by": ["b"]}})
    call(handler, "DELETE", f"{base}/{{analysis_id}}", path=of_analysis)
    meter.documentation(fluxjiva_documentation.handler)
    return meter.measured


def of_codefluss(resources: dict[str, str]) -> Measured:
    """For an account with one project, in it one page with one section and one component, and two versions."""
    caller = factories.new_caller()
    pipeline = Pipeline(resources)
    of_project = {"project_id": ids.spell(ids.PROJECT, factories.new_project(caller).id)}
    meter = Meter(caller)
    call = meter.call

    handler, base = codefluss_projects.handler, "/projects"
    call(handler, "GET", base)
    created = call(handler, "POST", base, body={"name": "Measured"})
    call(handler, "GET", f"{base}/{{project_id}}", path=of_project)
    call(handler, "PUT", f"{base}/{{project_id}}", path=of_project, body={"name": "Renamed"})
    call(handler, "DELETE", f"{base}/{{project_id}}", path={"project_id": created["data"]["id"]})

    handler, base = pages.handler, "/projects/{project_id}/pages"
    home = call(handler, "POST", base, path=of_project, body={"title": "Home", "status": "published"})["data"]["id"]
    of_page = {"page_id": home}
    call(handler, "GET", base, path=of_project)
    call(handler, "GET", "/pages/{page_id}", path=of_page)
    call(handler, "PUT", "/pages/{page_id}", path=of_page, body={"title": "Start"})

    handler, base = sections.handler, "/pages/{page_id}/sections"
    editor = "/editor/grid-sections-files"
    edited = call(handler, "POST", editor, body={"pageId": home, "type": "text"})["data"]["id"]
    call(handler, "PUT", f"{editor}/{{section_id}}", path={"section_id": edited}, body={"name": "Edited"})
    call(handler, "GET", f"{editor}/{{section_id}}", path={"section_id": edited})
    call(handler, "DELETE", f"{editor}/{{section_id}}", path={"section_id": edited})
    made = call(handler, "POST", base, path=of_page, body={"type": "custom"})["data"]["id"]
    of_section = {"section_id": made}
    call(handler, "GET", editor, query={"pageId": home})
    call(handler, "GET", base, path=of_page)
    call(handler, "PUT", f"{base}/order", path=of_page, body={"sectionIds": [made]})
    call(handler, "GET", "/sections/{section_id}", path=of_section)
    call(handler, "PUT", "/sections/{section_id}", path=of_section, body={"name": "Renamed"})

    handler, base = components.handler, "/sections/{section_id}/components"
    divider = {"id": "line", "type": "divider"}
    of_component = {**of_section, "component_id": "line"}
    call(handler, "POST", base, path=of_section, body={"component": divider})
    call(handler, "PUT", f"{base}/{{component_id}}", path=of_component, body={"type": "container"})
    call(handler, "POST", f"{base}/{{component_id}}/move", path=of_component, body={"parentId": None})
    call(handler, "DELETE", f"{base}/{{component_id}}", path=of_component)

    handler, base = codefluss_versions.handler, "/projects/{project_id}/versions"
    of_version = {**of_project, "version": "1"}
    for _ in range(2):
        call(handler, "POST", "/projects/{project_id}/publish", path=of_project)
        pipeline.settle()
    call(handler, "GET", base, path=of_project)
    call(handler, "GET", f"{base}/{{version}}", path=of_version)
    call(handler, "GET", f"{base}/{{version}}/compare", path=of_version, query={"to": "2"})
    call(handler, "POST", f"{base}/{{version}}/rollback", path=of_version)
    link = call(handler, "POST", f"{base}/{{version}}/preview", path=of_version)["data"]["url"]

    of_link = {"token": link.split("/")[-2], "path": "index.html"}
    for resource, expected in (("/preview/{token}", 302), ("/preview/{token}/{path+}", 200)):
        with counted(meter.measured.setdefault(f"GET {resource}", Cost())):
            opened = preview.handler(request("GET", resource, path=of_link), factories.CONTEXT)
        assert opened["statusCode"] == expected

    call(sections.handler, "POST", "/sections/{section_id}/move", path=of_section, body={"order": 0})
    call(sections.handler, "DELETE", "/sections/{section_id}", path=of_section)
    call(pages.handler, "POST", "/pages/{page_id}/move", path=of_page, body={"parentId": None, "order": 0})
    call(pages.handler, "DELETE", "/pages/{page_id}", path=of_page)
    meter.documentation(codefluss_documentation.handler)
    return meter.measured


def of_flarelight(resources: dict[str, str]) -> Measured:
    """For an account with one import, and one preparation of it that was executed."""
    caller = factories.new_caller()
    pipeline = Pipeline(resources)
    dataset = factories.new_dataset(caller, factories.new_project(caller), CSV)
    pipeline.settle()
    meter = Meter(caller)
    _imports(meter, pipeline)
    _preparations(meter, pipeline, dataset)
    _reports(meter, pipeline, dataset)
    _automations(meter)
    meter.documentation(flarelight_documentation.handler)
    return meter.measured


def of_fluxx(resources: dict[str, str]) -> Measured:
    """For an account with one organization, a grant request of it with one document, and a queue of its changes."""
    caller = factories.new_caller()
    meter = Meter(caller)
    _signing_in(meter)
    call, base = meter.call, "/api/rest/{version}/{model_type}"
    organizations = {"version": "v2", "model_type": "organization"}
    requests = {"version": "v2", "model_type": "grant_request"}
    cols = {"cols": ["name", "city"]}

    handler = queues.handler
    queue = call(handler, "POST", "/poll/queues", body={"name": "Measured", "model_type": "grant_request"})["queue"]
    of_queue = {"id": str(queue["id"])}
    call(handler, "GET", "/poll/queues")
    call(handler, "GET", "/poll/queues/{id}", path=of_queue)

    handler = records.handler
    body: dict[str, Any] = {"data": {"name": "Measured"}, **cols}
    made = call(handler, "POST", base, path=organizations, body=body)["organization"]["id"]
    of_organization = {**organizations, "id": str(made)}
    body = {"data": {"project_title": "Measured", "program_organization_id": made}}
    grant = factories.answer(handler, request("POST", base, caller=caller, path=requests, body=body))[1]
    one = f"{base}/{{id}}"
    call(handler, "GET", one, path=of_organization, query={"cols": '["name"]'})
    call(handler, "PUT", one, path=of_organization, body={"data": {"city": "Lisbon"}, **cols})
    again = {"X-HTTP-Method-Override": "GET"}
    call(handler, "POST", one, path=of_organization, headers=again, body=cols)
    # The first list of a process brings the class to its disk.
    record_replicas.forget_all()
    call(handler, "GET", f"{base}/list", path=organizations)
    call(handler, "GET", base, path=organizations)
    call(handler, "POST", f"{base}/list", path=organizations, body=cols)
    _documents(meter, grant["grant_request"]["id"])
    project = str(factories.new_project(caller).id)
    call(fluxx_datasets.handler, "POST", f"{base}/dataset", path=requests, body={"project_id": project})
    call(handler, "DELETE", one, path=of_organization)

    handler, poll = queues.handler, "/poll/client/{client_id}/uuid"
    for event in outbox.after(caller.account, core_events.BEGINNING, limit=100):
        change_queues.collect(event)
    of_poll = {"client_id": "1", "queue_uuid": queue["uuid"]}
    record_replicas.forget_all()
    job = call(handler, "GET", f"{poll}/queue/{{queue_uuid}}", path=of_poll)["job_uuid"]
    finished = f"{poll}/queue_finished/{{queue_uuid}}/{{job_uuid}}"
    call(handler, "GET", finished, path={**of_poll, "job_uuid": job})
    call(handler, "PUT", "/poll/queues/{id}", path=of_queue, body={"name": "Renamed"})
    call(handler, "DELETE", "/poll/queues/{id}", path=of_queue)

    of_class = f"{base}/doc"
    meter.open(class_documentation.handler, "GET", "/api/rest/{version}/doc", path={"version": "v2"})
    meter.open(class_documentation.handler, "GET", of_class, path=organizations)
    meter.documentation(fluxx_documentation.handler)
    meter.open(fluxx_documentation.handler, "OPTIONS", "/{proxy+}", path={"proxy": "api/rest/v2/organization"})
    return meter.measured


MEASURES: dict[str, Callable[[dict[str, str]], Measured]] = {
    "reference": of_reference,
    "fluxjiva": of_fluxjiva,
    "codefluss": of_codefluss,
    "flarelight": of_flarelight,
    "fluxx": of_fluxx,
}


def write() -> None:
    """Writes the rows of every table in docs/operations.md."""
    with in_moto.stack(json.dumps(template.data_plane())) as (resources, settings):
        os.environ |= in_moto.ENVIRONMENT | settings
        config.settings.cache_clear()
        measured = measure(resources)
    text = OPERATIONS.read_text()
    for api, routes in template.routes().items():
        table = re.compile(rf"(^### {api.capitalize()}\n\n)(?:^\|.*\n)+", re.MULTILINE)
        rows = HEAD + "".join(_row(route, measured[api][route]) for route in routes)
        text = table.sub(lambda found, rows=rows: found[1] + rows, text)
    OPERATIONS.write_text(text)


def _row(route: str, cost: Cost) -> str:
    calls = " + ".join(f"`{name}`" for name in cost.calls) or "none"
    return f"| `{route}` | {calls} | {cost.reads:g} | {cost.writes} |\n"


def _name(operation: str, arguments: dict[str, Any]) -> str:
    if operation == "TransactWriteItems":
        return f"TransactWriteItems({len(arguments['TransactItems'])})"
    return operation


def _versions(meter: Meter, resources: dict[str, str], project: core_projects.Project) -> None:
    """The routes of versions, for data with one record that was rejected."""
    pipeline, call = Pipeline(resources), meter.call
    dataset = factories.new_dataset(meter.caller, project, b"a,b\n1,2\n3\n")
    pipeline.settle()
    of_data = {"id": ids.spell(ids.DATASET, dataset.id)}
    call(versions.handler, "POST", "/data/{id}/versions", path=of_data, **_form(mode="append"))
    pipeline.settle()
    call(versions.handler, "GET", "/data/{id}/versions", path=of_data)
    of_version = {**of_data, "number": "2"}
    call(versions.handler, "GET", "/data/{id}/versions/{number}", path=of_version)
    call(rows.handler, "GET", "/data/{id}/versions/{number}/rows", path=of_version)
    call(rows.handler, "GET", "/data/{id}/versions/{number}/rejects", path={**of_data, "number": "1"})
    call(versions.handler, "POST", "/data/{id}/undo", path=of_data, body={})
    call(versions.handler, "PUT", "/data/{id}", path=of_data, body={"drift": "reject"})
    call(versions.handler, "GET", "/data/{id}/rejects/download", path=of_data)
    wanted_pair = {"from_version": 1, "to_version": 2}
    made = call(versions.handler, "POST", "/data/{id}/comparisons", path=of_data, body=wanted_pair)
    pipeline.settle()
    of_comparison = {**of_data, "comparison_id": made["id"]}
    call(versions.handler, "GET", "/data/{id}/comparisons/{comparison_id}", path=of_comparison)
    replayed = {"version": 1, "rows": [{"a": "3", "b": "4"}]}
    call(versions.handler, "POST", "/data/{id}/rejects/replay", path=of_data, body=replayed)
    pipeline.settle()
    call(versions.handler, "POST", "/data/{id}/reparse", path=of_data, body={"options": {"header": False}})
    pipeline.settle()
    upload, _ = datasets.open_upload(meter.caller, project_id=project.id, filename="data.csv", size=len(CSV))
    client("s3").put_object(Bucket=resources["Bucket"], Key=upload.incoming, Body=CSV)
    wanted = {"upload_id": ids.spell(ids.UPLOAD, upload.id), "mode": "replace"}
    call(versions.handler, "POST", "/data/{id}/versions/upload", path=of_data, body=wanted)


def _imports(meter: Meter, pipeline: Pipeline) -> None:
    """The routes of imports, for a new one into the default project that is there, and of their jobs."""
    call = meter.call
    core_projects.default(meter.caller)
    body = {"data": [{"a": 1}], "name": "Measured"}
    of_import = {"id": call(imports.handler, "POST", "/Import/Data", body=body)["data"]["id"]}
    of_job = {"id": call(imports.handler, "POST", "/Import/File", **_form())["data"]["jobId"]}
    call(flarelight_jobs.handler, "POST", "/Job/{id}/Cancel", path=of_job)
    pipeline.settle()
    call(flarelight_jobs.handler, "GET", "/Job/All", query={"count": "2"})
    call(flarelight_jobs.handler, "GET", "/Job/{id}", path=of_job)
    call(imports.handler, "GET", "/Import/All")
    call(imports.handler, "GET", "/Import/{id}", path=of_import)
    shutil.rmtree(part_files.FOLDER, ignore_errors=True)
    call(flarelight_rows.handler, "GET", "/Import/{id}/Data", path=of_import)
    call(imports.handler, "PUT", "/Import/{id}", path=of_import, body={"name": "Renamed"})
    call(imports.handler, "DELETE", "/Import/{id}", path=of_import)


def _preparations(meter: Meter, pipeline: Pipeline, dataset: datasets.Dataset) -> None:
    """The routes of preparations, whose output was made by an earlier execution."""
    call = meter.call
    inputs = {"data": {"importId": ids.uuid(ids.DATASET, dataset.id)}}
    recipe = {"steps": [{"step": "limit", "limit": 1}]}
    body = {"name": "Measured", "inputs": inputs, "recipe": recipe}
    made = call(recipes.handler, "POST", "/Preparation", body=body)["data"]["id"]
    of_preparation = {"id": made}
    for _ in range(2):
        call(preparations.handler, "POST", "/Preparation/{id}/Execute", path=of_preparation)
        pipeline.settle()
    call(preparations.handler, "GET", "/Preparation/All")
    call(preparations.handler, "GET", "/Preparation/{id}", path=of_preparation)
    call(preparations.handler, "GET", "/Preparation/{id}/Executions", path=of_preparation)
    call(preparations.handler, "GET", "/Preparation/{id}/Report", path=of_preparation)
    shutil.rmtree(part_files.FOLDER, ignore_errors=True)
    call(recipes.handler, "POST", "/Preparation/Preview", body={"inputs": inputs, "recipe": recipe})
    call(recipes.handler, "POST", "/Preparation/{id}/Preview", path=of_preparation, body={})
    wanted = {"recipe": {"steps": [{"step": "limit", "limit": 2}]}}
    call(recipes.handler, "PUT", "/Preparation/{id}", path=of_preparation, body=wanted)
    call(preparations.handler, "DELETE", "/Preparation/{id}", path=of_preparation)


def _reports(meter: Meter, pipeline: Pipeline, dataset: datasets.Dataset) -> None:
    """The routes of reports over one import, of which one was generated; and of charts, asked of a cold function."""
    call = meter.call
    data = ids.uuid(ids.DATASET, dataset.id)
    section = {"type": "table", "importId": data, "query": {"groupBy": ["a"]}}
    body = {"name": "Measured", "sections": [section], "formats": ["csv"]}
    of_report = {"id": call(reports.handler, "POST", "/Report", body=body)["data"]["id"]}
    started = call(reports.handler, "POST", "/Report/{id}/Generate", path=of_report)["data"]
    pipeline.settle()
    of_generated = {"id": started["generatedReportId"]}
    call(reports.handler, "POST", "/Report/Generated/{id}/Regenerate", path=of_generated)
    pipeline.settle()
    call(reports.handler, "GET", "/Report/All")
    call(reports.handler, "GET", "/Report/Definitions")
    call(reports.handler, "GET", "/Report/{id}", path=of_report)
    call(reports.handler, "GET", "/Report/Generated/{id}", path=of_generated)
    call(reports.handler, "PUT", "/Report/{id}", path=of_report, body={"sections": [section]})
    call(reports.handler, "DELETE", "/Report/Generated/{id}", path=of_generated)
    call(reports.handler, "DELETE", "/Report/{id}", path=of_report)
    shutil.rmtree(part_files.FOLDER, ignore_errors=True)
    asked = {"importId": data, "dimension": "a", "measures": [{"aggregation": "count"}]}
    call(chart_data.handler, "POST", "/Report/ChartData", body=asked)


def _automations(meter: Meter) -> None:
    """The routes of an automation of one step that has no trigger but the API; of its runs one failed, one waits."""
    call = meter.call
    step = {"name": "rest", "type": "wait", "seconds": 9}
    body = {"name": "Measured", "triggers": [{"type": "api"}], "steps": [step]}
    of_automation = {"id": call(automations.handler, "POST", "/Automation", body=body)["data"]["id"]}
    failed = call(automations.handler, "POST", "/Automation/{id}/Execute", path=of_automation)["data"]["runId"]
    automation_runs.stopped(meter.caller.account, ids.of_uuid(ids.RUN, failed) or 0, 1)
    of_run = {"id": failed}
    call(automations.handler, "GET", "/Automation/All")
    call(automations.handler, "GET", "/Automation/{id}", path=of_automation)
    call(automations.handler, "GET", "/Automation/{id}/Runs", path=of_automation)
    call(automations.handler, "GET", "/Automation/Run/{id}", path=of_run)
    call(automations.handler, "POST", "/Automation/Run/{id}/Resume", path=of_run)
    call(automations.handler, "POST", "/Automation/Run/{id}/Cancel", path=of_run)
    call(automations.handler, "PUT", "/Automation/{id}", path=of_automation, body={"steps": [step]})
    call(automations.handler, "DELETE", "/Automation/{id}", path=of_automation)


def _signing_in(meter: Meter) -> None:
    """The routes of applications, and of one's token."""
    call, handler, base = meter.call, applications.handler, "/oauth/applications"
    made = call(handler, "POST", base, body={"name": "Measured"})["application"]
    of_application = {"application_id": str(made["id"])}
    signed = {"grant_type": "client_credentials", **{name: made[name] for name in ("client_id", "client_secret")}}
    call(oauth.handler, "POST", "/oauth/token", body=signed)
    call(handler, "GET", base)
    call(handler, "POST", f"{base}/{{application_id}}/roll", path=of_application, body={})
    call(handler, "DELETE", f"{base}/{{application_id}}", path=of_application)


def _documents(meter: Meter, grant: int) -> None:
    """The routes of the content of documents, for one of a few bytes; making one is a record, and measured as one."""
    owner = {"owner_model": {"model_type": "grant_request", "id": grant}}
    body, content_type = multipart(CSV, {"data": json.dumps(owner)}, part="content")
    of_documents = {"version": "v2", "model_type": "model_document"}
    event = request(
        "POST",
        "/api/rest/{version}/{model_type}",
        caller=meter.caller,
        path=of_documents,
        raw=body.decode(),
        headers={"Content-Type": content_type},
    )
    document = factories.answer(records.handler, event)[1]["model_document"]["id"]
    download = "/api/rest/{version}/model_document_download/{id}"
    path = {"version": "v2", "id": str(document)}
    for method in ("GET", "HEAD"):
        meter.open(documents.handler, method, download, path=path, headers={"Accept": "*/*"})
    opened = {"data": {**owner, "file_name": "data.csv", "size": len(CSV)}}
    upload = "/api/rest/{version}/model_document_upload"
    meter.call(documents.handler, "POST", upload, path={"version": "v2"}, body=opened)


def _form(**fields: str) -> dict[str, Any]:
    """The arguments of a request whose body is a form with these fields and a file."""
    body, content_type = multipart(CSV, fields)
    return {"raw": body.decode(), "headers": {"Content-Type": content_type}}


if __name__ == "__main__":
    write()
