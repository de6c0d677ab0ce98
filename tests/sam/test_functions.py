"""Every function on its sample event, in the runtime's own image, with the built layers, against a real stack."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from fluvial import (
    analyses,
    automation_runs,
    automations,
    aws,
    change_batches,
    change_queues,
    config,
    documents,
    executions,
    exports,
    generated_reports,
    ids,
    preparations,
    previews,
    record_schemas,
    record_snapshots,
    records,
    reports,
    roles,
    sites,
)
from fluvial.caller import Caller
from fluvial.multipart import FilePart
from fluvial.store.keys import number
from local import server, stack
from local.client import Client
from local.receiver import Receiver
from tests import template
from tests.sam.conftest import Account, Sam
from tests.sam.relay import relay

pytestmark = pytest.mark.sam

NOTHING_FAILED: dict[str, Any] = {"batchItemFailures": []}
CSV = "station,measured_at,level_cm\nCuxhaven,2026-11-19T15:00:00Z,512\nHusum,2026-11-19T15:00:00Z,498\n"

proven: set[str] = set()


def of(handler: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Says which function a test proves."""
    proven.add(handler)
    return lambda test: test


def new_preparation(caller: Caller, dataset_id: int) -> preparations.Preparation:
    recipe = {"steps": [{"step": "limit", "limit": 1}]}
    return preparations.create(caller, name="First", inputs={"levels": preparations.Input(dataset_id)}, recipe=recipe)


def new_automation(caller: Caller, trigger: dict[str, Any]) -> automations.Automation:
    steps = [{"name": "rest", "type": "wait", "seconds": 3_600}]
    return automations.create(caller, name="Nightly", triggers=[trigger], steps=steps)


@pytest.fixture
def account(sam: Sam) -> Account:
    return sam.new_account()


@pytest.fixture
def core_on_emulator(sam: Sam, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Account], Caller]]:
    """Lets this process work on the stack as a function would, for an account's owner."""
    for name, value in {
        "AWS_ENDPOINT_URL": sam.stack.endpoint_url,
        "AWS_ACCESS_KEY_ID": server.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": server.SECRET_KEY,
        "AWS_DEFAULT_REGION": server.REGION,
        "FLUVIAL_TABLE": sam.stack.table,
        "FLUVIAL_BUCKET": sam.stack.bucket,
        "FLUVIAL_SWEEP_QUEUE_URL": sam.stack.resources["SweepQueue"],
    }.items():
        monkeypatch.setenv(name, value)
    config.settings.cache_clear()
    aws._session.cache_clear()
    aws.client.cache_clear()
    yield lambda account: Caller(**account.ids, plan="professional", scopes=frozenset("*"))
    aws._session.cache_clear()
    aws.client.cache_clear()


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "levels.csv"
    path.write_text(CSV)
    return path


def test_every_function_of_the_template_is_run_here() -> None:
    assert {properties["Handler"] for properties in template.functions().values()} == proven


# ---------------------------------------------------------------- authorizer


@of("authorizer.authorize.handler")
def test_a_key_is_let_in_with_its_identity(sam: Sam, account: Account) -> None:
    answer = sam.invoke("authorizer.authorize.handler", secret=account.secret)

    assert answer["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    assert answer["principalId"] == str(account.ids["key"])
    assert answer["usageIdentifierKey"]
    named = {name: str(value) for name, value in account.ids.items()}
    assert answer["context"] == {**named, "plan": "professional", "scopes": "*", "role": "owner"}


# ---------------------------------------------------------------- reference


@of("authorizer.subscription.handler")
def test_a_key_is_let_in_with_its_subscription_alone(sam: Sam, account: Account) -> None:
    handler = "authorizer.subscription.handler"
    answer = sam.invoke(handler, **account.ids, secret=account.secret)

    assert answer["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    assert answer["principalId"] == str(account.ids["key"])
    stranger = sam.invoke(handler, account=account.ids["account"] + 1, secret=account.secret)
    assert stranger["policyDocument"]["Statement"][0]["Effect"] == "Deny"


@of("reference.status.handler")
def test_the_status_is_operational(sam: Sam) -> None:
    status, body = _answer(sam.invoke("reference.status.handler"))

    assert (status, body["status"]) == (200, "operational")


@of("reference.projects.handler")
def test_a_project_is_created(sam: Sam, account: Account) -> None:
    status, body = _answer(sam.invoke("reference.projects.handler", **account.ids))

    assert status == 201
    assert (body["name"], body["settings"]) == ("Tide gauges", {"timezone": "Europe/Berlin"})
    assert account.client.get(f"/projects/{body['id']}") == body


@of("reference.data.handler")
def test_a_file_in_a_form_is_stored(sam: Sam, account: Account) -> None:
    project = account.new_project()

    status, body = _answer(sam.invoke("reference.data.handler", **account.ids, project=project))

    assert status == 201
    assert (body["project_id"], body["filename"], body["status"]) == (
        ids.spell(ids.PROJECT, project),
        "levels.csv",
        "processing",
    )
    stored = [
        sam.client("s3").get_object(Bucket=sam.stack.bucket, Key=key)["Body"].read().decode()
        for key in _objects(sam, f"incoming/{number(account.ids['account'])}/")
    ]
    assert stored == [CSV.replace("\n", "\r\n")]


@of("reference.rows.handler")
def test_rows_are_read_from_parquet(sam: Sam, account: Account, csv: Path) -> None:
    made = account.upload(account.new_project(), csv)
    sam.on_emulator("workers.ingest.handler", **account.ids, **made)

    status, body = _answer(sam.invoke("reference.rows.handler", **account.ids, **made))

    assert status == 200
    assert [(row["station"], row["level_cm"]) for row in body["data"]] == [("Cuxhaven", 512), ("Husum", 498)]
    assert body["pagination"] == {"total": 2, "page": 1, "per_page": 2, "total_pages": 1}


@of("reference.versions.handler")
def test_the_versions_of_data_are_told(sam: Sam, account: Account, csv: Path) -> None:
    made = account.upload(account.new_project(), csv)
    sam.on_emulator("workers.ingest.handler", **account.ids, **made)

    status, body = _answer(sam.invoke("reference.versions.handler", **account.ids, **made))

    assert (status, body["pagination"]["total"]) == (200, 1)
    (version,) = body["data"]
    assert (version["number"], version["mode"], version["status"], version["rows"]) == (1, "create", "ready", 2)
    assert version == account.client.get(f"/data/{version['data_id']}/versions/1")


@of("reference.exports.handler")
def test_an_export_is_asked_for(sam: Sam, account: Account, csv: Path) -> None:
    made = account.upload(account.new_project(), csv)
    sam.on_emulator("workers.ingest.handler", **account.ids, **made)

    status, body = _answer(sam.invoke("reference.exports.handler", **account.ids, **made))

    assert (status, body["format"], body["status"]) == (202, "csv", "queued")
    assert body["data_id"] == ids.spell(ids.DATASET, made["dataset"])
    assert account.client.get(f"/data/{body['data_id']}/exports/{body['id']}")["version"] == 1


@of("reference.webhooks.handler")
def test_a_webhook_endpoint_is_created(sam: Sam, account: Account) -> None:
    # A name that is looked up needs a network; an address does not.
    url = "http://127.0.0.1:9/fluvial"

    status, body = _answer(sam.invoke("reference.webhooks.handler", **account.ids, url=url))

    assert (status, body["url"], body["enabled"]) == (201, url, True)
    secret = body.pop("secret")
    assert secret.startswith("whsec_")
    assert account.client.get(f"/webhooks/{body['id']}") == body


@of("reference.keys.handler")
def test_a_key_is_created_that_works(sam: Sam, account: Account) -> None:
    status, body = _answer(sam.invoke("reference.keys.handler", **account.ids))

    assert (status, body["name"], body["scopes"]) == (201, "Nightly import", ["data:read", "data:write"])
    project = ids.spell(ids.PROJECT, account.new_project())
    with_it = Client(account.client.base_url, body["key"])
    assert with_it.get(f"/projects/{project}/data")["data"] == []


@of("reference.users.handler")
def test_the_user_of_the_key_is_told(sam: Sam, account: Account) -> None:
    status, body = _answer(sam.invoke("reference.users.handler", **account.ids))

    assert (status, body["email"], body["plan"]) == (200, account.email, "professional")
    assert body == account.client.get("/users/me")


@of("reference.events.handler")
def test_the_log_tells_what_has_happened(sam: Sam, account: Account) -> None:
    project = account.new_project()

    status, body = _answer(sam.invoke("reference.events.handler", **account.ids))

    assert (status, body["next"]) == (200, None)
    (event,) = body["data"]
    assert (event["type"], event["data"]["id"]) == ("project.created", ids.spell(ids.PROJECT, project))


@of("reference.jobs.handler")
def test_the_job_of_an_upload_is_told(sam: Sam, account: Account, csv: Path) -> None:
    made = account.upload(account.new_project(), csv)

    status, body = _answer(sam.invoke("reference.jobs.handler", **account.ids, **made))

    assert (status, body["id"], body["kind"]) == (200, ids.spell(ids.JOB, made["job"]), "ingest")
    assert body["inputs"] == {"data_id": ids.spell(ids.DATASET, made["dataset"]), "version": 1}


@of("reference.analytics.handler")
def test_the_use_of_the_account_is_told(sam: Sam, account: Account) -> None:
    account.new_project()  # one call, another when the account's key was looked up, and the third is this one

    status, body = _answer(sam.invoke("reference.analytics.handler", **account.ids))

    assert (status, len(body["data"])) == (200, 30)
    assert body["summary"] == {"total_api_calls": 3, "total_data_processed": 0, "total_projects": 1}


@of("reference.documentation.handler")
def test_the_document_is_answered_from_the_built_function(sam: Sam) -> None:
    status, body = _answer(sam.invoke("reference.documentation.handler"))

    assert status == 200
    assert body == json.loads((template.ROOT / "functions/reference/openapi.json").read_text())


# ---------------------------------------------------------------- fluxjiva


@of("fluxjiva.projects.handler")
def test_a_project_with_an_industry_is_created(sam: Sam, account: Account) -> None:
    status, body = _answer(sam.invoke("fluxjiva.projects.handler", **account.ids))

    assert status == 201
    project = body["data"]
    assert (project["name"], project["industry"]) == ("Tide gauges", "shipping")
    found = _fluxjiva(sam, account).get(f"/projects/{project['id']}")
    assert found == {"data": {**project, "data_sources": [], "analyses": []}}


@of("fluxjiva.data_sources.handler")
def test_a_file_in_a_form_becomes_a_data_source(sam: Sam, account: Account) -> None:
    project = account.new_project()

    status, body = _answer(sam.invoke("fluxjiva.data_sources.handler", **account.ids, project=project))

    assert status == 201
    assert (body["data"]["name"], body["data"]["type"], body["data"]["rows"]) == ("Tide levels", None, None)
    listed = _fluxjiva(sam, account).get(f"/projects/{ids.spell(ids.PROJECT, project)}/data-sources")
    assert listed == {"data": [body["data"]]}


@of("fluxjiva.analyses.handler")
def test_an_analysis_is_created(sam: Sam, account: Account, csv: Path) -> None:
    project = account.new_project()
    made = account.upload(project, csv)
    sam.on_emulator("workers.ingest.handler", **account.ids, **made)

    status, body = _answer(
        sam.invoke("fluxjiva.analyses.handler", **account.ids, project=project, dataset=made["dataset"])
    )

    assert status == 201
    analysis = body["data"]
    assert (analysis["name"], analysis["status"]) == ("Highest level", "created")
    assert analysis["data_source_id"] == ids.spell("ds", made["dataset"])
    path = f"/projects/{ids.spell(ids.PROJECT, project)}/analyses/{analysis['id']}"
    assert _fluxjiva(sam, account).get(path) == body


@of("fluxjiva.documentation.handler")
def test_the_fluxjiva_document_is_answered_from_the_built_function(sam: Sam) -> None:
    status, body = _answer(sam.invoke("fluxjiva.documentation.handler"))

    assert status == 200
    assert body == json.loads((template.ROOT / "functions/fluxjiva/openapi.json").read_text())


# ---------------------------------------------------------------- codefluss


@of("codefluss.projects.handler")
def test_a_project_gets_its_slug(sam: Sam, account: Account) -> None:
    status, body = _answer(sam.invoke("codefluss.projects.handler", **account.ids))

    assert (status, body["success"]) == (201, True)
    project = body["data"]
    assert (project["name"], project["slug"], project["status"]) == ("River Bakery", "river-bakery", "draft")
    assert _codefluss(sam, account).get(f"/projects/{project['id']}")["data"] == project


@of("codefluss.pages.handler")
def test_a_page_is_created(sam: Sam, account: Account) -> None:
    project = account.new_project()

    status, body = _answer(sam.invoke("codefluss.pages.handler", **account.ids, project=project))

    assert status == 201
    page = body["data"]
    assert (page["path"], page["status"], page["seo"]["title"]) == ("our-bread", "published", "Bread from the river")
    assert _codefluss(sam, account).get(f"/pages/{page['id']}")["data"] == page


@of("codefluss.sections.handler")
def test_a_section_is_created(sam: Sam, account: Account) -> None:
    page = _new_page(sam, account, account.new_project())

    status, body = _answer(sam.invoke("codefluss.sections.handler", **account.ids, page=page))

    assert status == 201
    section = body["data"]
    assert section["content"] == {"title": {"de": "Frisches Brot", "en": "Fresh bread"}, "components": []}
    assert section["responsive"] == {"lg": {"styles": {"padding": "4rem"}}}
    assert _codefluss(sam, account).get(f"/sections/{section['id']}")["data"] == section


@of("codefluss.components.handler")
def test_a_component_is_added(sam: Sam, account: Account) -> None:
    page = ids.spell(ids.PAGE, _new_page(sam, account, account.new_project()))
    made = _codefluss(sam, account).post(f"/pages/{page}/sections", {"type": "custom"})["data"]["id"]
    section = ids.parse(ids.SECTION, made)
    assert section is not None

    status, body = _answer(sam.invoke("codefluss.components.handler", **account.ids, section=section))

    assert status == 201
    (component,) = body["data"]["content"]["components"]
    assert (component["id"], component["content"]) == ("hours", {"text": "From five in the morning"})
    assert _codefluss(sam, account).get(f"/sections/{made}")["data"] == body["data"]


@of("codefluss.versions.handler")
def test_publishing_begins_a_version(sam: Sam, account: Account) -> None:
    project = account.new_project()
    _new_page(sam, account, project)

    status, body = _answer(sam.invoke("codefluss.versions.handler", **account.ids, project=project))

    assert status == 202
    assert (body["data"]["version"], body["data"]["status"], body["data"]["note"]) == (1, "publishing", "Autumn")
    versions = f"/projects/{ids.spell(ids.PROJECT, project)}/versions"
    assert _codefluss(sam, account).get(f"{versions}/1")["data"] == body["data"]


@of("workers.publish_site.handler")
@of("codefluss.preview.handler")
def test_a_version_is_made_and_shown_to_whoever_has_the_link(
    sam: Sam, account: Account, core_on_emulator: Callable[[Account], Caller]
) -> None:
    project = account.new_project()
    _new_page(sam, account, project)
    caller = core_on_emulator(account)
    job = sites.publish(caller, project).job
    assert sam.invoke("workers.publish_site.handler", **account.ids, publishing=job) == NOTHING_FAILED
    assert sites.get(caller, project, 1).status == "ready"
    token, _ = previews.create(caller, project, 1)

    answer = sam.invoke("codefluss.preview.handler", token=token)

    assert answer["statusCode"] == 200
    assert answer["multiValueHeaders"]["Content-Type"] == ["text/html; charset=utf-8"]
    assert "sandbox" in answer["multiValueHeaders"]["Content-Security-Policy"][0]
    assert answer["body"].startswith("<!doctype html>")


@of("codefluss.documentation.handler")
def test_the_codefluss_document_is_answered_from_the_built_function(sam: Sam) -> None:
    status, body = _answer(sam.invoke("codefluss.documentation.handler"))

    assert status == 200
    assert body == json.loads((template.ROOT / "functions/codefluss/openapi.json").read_text())


# ---------------------------------------------------------------- flarelight


@of("flarelight.imports.handler")
def test_records_become_an_import(sam: Sam, account: Account) -> None:
    status, body = _answer(sam.invoke("flarelight.imports.handler", **account.ids))

    assert status == 200
    assert (body["data"]["status"], body["data"]["mode"], body["messages"]) == ("queued", "create", [])
    number = ids.of_uuid(ids.DATASET, body["data"]["id"])
    assert number is not None
    assert account.client.get(f"/data/{ids.spell(ids.DATASET, number)}")["status"] == "processing"


@of("flarelight.rows.handler")
def test_the_records_of_an_import_are_answered(sam: Sam, account: Account, csv: Path) -> None:
    made = account.upload(account.new_project(), csv)
    sam.on_emulator("workers.ingest.handler", **account.ids, **made)

    status, body = _answer(sam.invoke("flarelight.rows.handler", **account.ids, dataset=made["dataset"]))

    assert status == 200
    expected = account.client.get(f"/data/{ids.spell(ids.DATASET, made['dataset'])}/rows?per_page=100")
    assert body["data"]["records"] == expected["data"]
    assert body["data"]["total"] == expected["pagination"]["total"]


@of("flarelight.jobs.handler")
def test_a_job_is_answered_in_the_envelope(sam: Sam, account: Account, csv: Path) -> None:
    made = account.upload(account.new_project(), csv)

    status, body = _answer(sam.invoke("flarelight.jobs.handler", **account.ids, job=made["job"]))

    assert status == 200
    assert (body["data"]["kind"], body["data"]["source"]["type"]) == ("ingest", "import")
    assert body["data"]["source"]["id"] == ids.uuid(ids.DATASET, made["dataset"])


@of("flarelight.documentation.handler")
def test_the_flarelight_document_is_answered_from_the_built_function(sam: Sam) -> None:
    status, body = _answer(sam.invoke("flarelight.documentation.handler"))

    assert status == 200
    assert body == json.loads((template.ROOT / "functions/flarelight/openapi.json").read_text())


@of("flarelight.reports.handler")
def test_a_report_is_defined(sam: Sam, account: Account, csv: Path) -> None:
    made = account.upload(account.new_project(), csv)
    sam.on_emulator("workers.ingest.handler", **account.ids, **made)

    status, body = _answer(sam.invoke("flarelight.reports.handler", **account.ids, dataset=made["dataset"]))

    assert status == 200
    assert (body["data"]["name"], body["messages"]) == ("Stations", [])
    assert body["data"]["sections"][0]["importId"] == ids.uuid(ids.DATASET, made["dataset"])


@of("flarelight.recipes.handler")
def test_a_preparation_is_made(sam: Sam, account: Account, csv: Path) -> None:
    made = account.upload(account.new_project(), csv)
    sam.on_emulator("workers.ingest.handler", **account.ids, **made)

    status, body = _answer(sam.invoke("flarelight.recipes.handler", **account.ids, dataset=made["dataset"]))

    assert status == 200
    assert (body["data"]["name"], body["data"]["status"]) == ("Highest levels", "created")


@of("flarelight.preparations.handler")
def test_a_preparation_is_begun(
    sam: Sam, account: Account, csv: Path, core_on_emulator: Callable[[Account], Caller]
) -> None:
    made = account.upload(account.new_project(), csv)
    sam.on_emulator("workers.ingest.handler", **account.ids, **made)
    prepared = new_preparation(core_on_emulator(account), made["dataset"])

    status, body = _answer(sam.invoke("flarelight.preparations.handler", **account.ids, preparation=prepared.id))

    assert (status, body["data"]["status"], body["data"]["version"]) == (200, "queued", 1)


@of("flarelight.automations.handler")
def test_an_automation_is_executed(sam: Sam, account: Account, core_on_emulator: Callable[[Account], Caller]) -> None:
    made = new_automation(core_on_emulator(account), {"type": "api"})

    status, body = _answer(sam.invoke("flarelight.automations.handler", **account.ids, automation=made.id))

    assert (status, body["data"]["status"]) == (200, "queued")


@of("flarelight.chart_data.handler")
def test_the_data_of_a_chart_are_computed_at_once(sam: Sam, account: Account, csv: Path) -> None:
    made = account.upload(account.new_project(), csv)
    sam.on_emulator("workers.ingest.handler", **account.ids, **made)

    status, body = _answer(sam.invoke("flarelight.chart_data.handler", **account.ids, dataset=made["dataset"]))

    assert status == 200
    assert (body["data"]["labels"], body["data"]["series"][0]["data"]) == (["Cuxhaven", "Husum"], [1, 1])


# ---------------------------------------------------------------- fluxx


@of("fluxx.records.handler")
def test_a_record_is_made_of_a_form(sam: Sam, account: Account) -> None:
    status, body = _answer(sam.invoke("fluxx.records.handler", **account.ids))

    made = body["grant_request"]
    assert (status, made["project_title"], made["amount_requested"]) == (200, "Tide gauges", 25000.5)
    # And a list, which a process of its own brings to its disk.
    cols = quote('["project_title", "amount_requested"]')
    found = _fluxx(sam, account).get(f"/api/rest/v2/grant_request?cols={cols}")
    assert found["records"] == {"grant_request": [made]}


@of("fluxx.documents.handler")
def test_a_document_is_downloaded(sam: Sam, account: Account, core_on_emulator: Callable[[Account], Caller]) -> None:
    caller = core_on_emulator(account)
    schema = record_schemas.of(caller.account)
    grant = records.create(caller, schema, schema.model("grant_request"), {"project_title": "Tide gauges"})
    owner = {"owner_model": {"model_type": "grant_request", "id": grant.id}}
    made = documents.create(caller, schema, owner, FilePart("levels.csv", "text/csv", CSV.encode()))

    answer = sam.invoke("fluxx.documents.handler", **account.ids, document=made.id)

    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, True)
    assert base64.b64decode(answer["body"]).decode() == CSV


@of("fluxx.datasets.handler")
def test_records_become_a_data_source(
    sam: Sam, account: Account, core_on_emulator: Callable[[Account], Caller]
) -> None:
    caller, project = core_on_emulator(account), account.new_project()
    schema = record_schemas.of(caller.account)
    records.create(caller, schema, schema.model("grant_request"), {"project_title": "Tide gauges"})

    status, body = _answer(sam.invoke("fluxx.datasets.handler", **account.ids, project=project))

    assert (status, body["data_source"]["status"]) == (200, "processing")
    data = account.client.get(f"/data/{ids.spell(ids.DATASET, body['data_source']['id'])}")
    assert data["project_id"] == ids.spell(ids.PROJECT, project)


@of("fluxx.class_documentation.handler")
def test_a_class_is_documented_on_a_page(sam: Sam, account: Account) -> None:
    answer = sam.invoke("fluxx.class_documentation.handler", **account.ids)

    assert answer["statusCode"] == 200
    assert answer["multiValueHeaders"]["Content-Type"] == ["text/html; charset=utf-8"]
    assert "<h2>GrantRequest</h2>" in answer["body"]


@of("fluxx.documentation.handler")
def test_the_fluxx_document_is_answered_from_the_built_function(sam: Sam) -> None:
    status, body = _answer(sam.invoke("fluxx.documentation.handler"))

    assert status == 200
    assert body == json.loads((template.ROOT / "functions/fluxx/openapi.json").read_text())


@of("fluxx.oauth.handler")
def test_an_application_gets_a_token_that_works(sam: Sam) -> None:
    made = stack.create_account(sam.stack, f"{secrets.token_hex(6)}@example.com", "professional")
    client = {name: made[name] for name in ("client_id", "client_secret")}

    status, body = _answer(sam.invoke("fluxx.oauth.handler", **client))

    assert (status, body["token_type"], body["expires_in"]) == (200, "bearer", 7200)
    found = Client(sam.stack.base_url("fluxx"), body["access_token"]).get("/oauth/applications")
    assert [each["client_id"] for each in found["records"]["application"]] == [made["client_id"]]


@of("fluxx.applications.handler")
def test_an_application_is_made(sam: Sam, account: Account) -> None:
    status, body = _answer(sam.invoke("fluxx.applications.handler", **account.ids))

    made = body["application"]
    assert (status, made["name"], made["scopes"]) == (200, "Nightly export", ["records:read"])
    found = _fluxx(sam, account).get("/oauth/applications")
    assert found["records"]["application"][0] == {name: made[name] for name in made if name != "client_secret"}


@of("fluxx.queues.handler")
def test_a_change_queue_is_defined(sam: Sam, account: Account) -> None:
    status, body = _answer(sam.invoke("fluxx.queues.handler", **account.ids))

    assert (status, body["queue"]["filter"]) == (200, ["amount_requested", "gte", 10000])
    found = _fluxx(sam, account).get(f"/poll/queues/{body['queue']['id']}")
    assert found == body


# ---------------------------------------------------------------- workers


@of("workers.queue_changes.handler")
def test_a_change_is_put_into_a_change_queue(
    sam: Sam, account: Account, core_on_emulator: Callable[[Account], Caller]
) -> None:
    caller = replace(core_on_emulator(account), role=roles.OWNER)
    wanted = ["amount_requested", "gt", 25000]
    queue = change_queues.create(caller, name="Large", model="grant_request", filter=wanted)

    assert sam.invoke("workers.queue_changes.handler", **account.ids) == NOTHING_FAILED

    answer = change_batches.poll(caller, queue, limit=1, new_uuid=change_queues.new_uuid)
    (entry,) = json.loads(answer)["data"]
    # The record itself is of the sample alone: what is left of it is its id.
    assert entry["recordData"] == {"id": entry["identity"]}
    assert entry["key"]["table"] == "requests"


@of("workers.create_account.handler")
def test_an_account_is_made_whose_key_works(sam: Sam) -> None:
    email = f"{secrets.token_hex(6)}@example.org"

    made = sam.invoke("workers.create_account.handler", email=email)

    user = Client(sam.stack.base_url("reference"), made["api_key"]).get("/users/me")
    assert (user["id"], user["email"], user["name"]) == (made["user_id"], email, "Mira Petersen")


@of("workers.publish.handler")
def test_events_and_jobs_come_through_the_bus_to_their_queues(sam: Sam, account: Account) -> None:
    event, job = ids.spell(ids.EVENT, ids.new_id()) + "0" * 10, ids.new_id()

    assert sam.invoke("workers.publish.handler", **account.ids, event=event, job=job) is None

    told = sam.received("FanOutQueue", event)
    assert (told["detail-type"], told["detail"]["account"]) == ("project.created", _spelled(account))
    queued = sam.received("IngestQueue", ids.spell(ids.JOB, job))
    assert queued["detail"] == {"account": _spelled(account), "job": ids.spell(ids.JOB, job), "kind": "ingest"}


@of("workers.fan_out.handler")
def test_an_event_becomes_a_delivery_of_each_endpoint(sam: Sam, account: Account) -> None:
    endpoint = account.client.post("/webhooks", {"url": "http://127.0.0.1:9/", "events": ["*"]})["id"]
    event = ids.spell(ids.EVENT, ids.new_id()) + "0" * 10

    assert sam.invoke("workers.fan_out.handler", **account.ids, event=event) == NOTHING_FAILED

    (delivery,) = account.client.get(f"/webhooks/{endpoint}/deliveries")["data"]
    assert (delivery["event_id"], delivery["state"]) == (event, "pending")
    message = sam.received("DeliverQueue", event)
    assert message == {
        "account": account.ids["account"],
        "endpoint": ids.parse(ids.ENDPOINT, endpoint),
        "event": event,
        "number": 1,
    }


@of("workers.deliver.handler")
def test_a_delivery_reaches_its_receiver_signed(sam: Sam, account: Account) -> None:
    with Receiver() as receiver, relay(receiver.port) as address:
        made = account.client.post("/webhooks", {"url": f"http://{address}/", "events": ["*"]})
        receiver.secret = made["secret"]
        account.new_project()
        event = _recorded_event(sam, account)
        endpoint = ids.parse(ids.ENDPOINT, made["id"])
        assert endpoint is not None
        sam.on_emulator("workers.fan_out.handler", **account.ids, event=event)

        answer = sam.invoke("workers.deliver.handler", **account.ids, endpoint=endpoint, event=event)

    assert answer == NOTHING_FAILED
    (request,) = receiver.requests
    assert (request.id, request.event, request.verified) == (event, "project.created", True)
    (delivery,) = account.client.get(f"/webhooks/{made['id']}/deliveries")["data"]
    assert (delivery["event_id"], delivery["state"]) == (event, "delivered")


@of("workers.ingest.handler")
def test_a_file_becomes_rows(sam: Sam, account: Account, csv: Path) -> None:
    made = account.upload(account.new_project(), csv)

    assert sam.invoke("workers.ingest.handler", **account.ids, **made) == NOTHING_FAILED

    data = account.client.get(f"/data/{ids.spell(ids.DATASET, made['dataset'])}")
    assert (data["status"], data["rows"], data["rejected_rows"], data["version"]) == ("ready", 2, 0, 1)
    assert [column["name"] for column in data["columns"]] == ["station", "measured_at", "level_cm"]


@of("workers.analyse.handler")
def test_an_analysis_gets_its_result(
    sam: Sam, account: Account, csv: Path, core_on_emulator: Callable[[Account], Caller]
) -> None:
    project = account.new_project()
    made = account.upload(project, csv)
    sam.on_emulator("workers.ingest.handler", **account.ids, **made)
    caller = core_on_emulator(account)
    highest = {"aggregates": [{"function": "max", "column": "level_cm", "as": "highest"}]}
    analysis = analyses.create(caller, project_id=project, name="Highest", dataset_id=made["dataset"], query=highest)
    queued = analyses.run(caller, analysis.id)
    assert queued.job is not None

    assert sam.invoke("workers.analyse.handler", **account.ids, run=queued.job) == NOTHING_FAILED

    assert analyses.get(caller, analysis.id).status == "completed"
    assert analyses.result(caller, analysis.id, offset=0, limit=10).items == [{"highest": 512}]


@of("workers.prepare.handler")
def test_a_preparation_makes_its_output(
    sam: Sam, account: Account, csv: Path, core_on_emulator: Callable[[Account], Caller]
) -> None:
    made = account.upload(account.new_project(), csv)
    sam.on_emulator("workers.ingest.handler", **account.ids, **made)
    caller = core_on_emulator(account)
    prepared = new_preparation(caller, made["dataset"])
    queued = executions.execute(caller, prepared.id)

    assert sam.invoke("workers.prepare.handler", **account.ids, execution=queued.id) == NOTHING_FAILED

    found = preparations.get(caller, prepared.id)
    assert (found.status, found.failure, found.rows) == ("completed", None, 1)


@of("workers.export.handler")
def test_an_export_gets_its_file(
    sam: Sam, account: Account, csv: Path, core_on_emulator: Callable[[Account], Caller]
) -> None:
    made = account.upload(account.new_project(), csv)
    sam.on_emulator("workers.ingest.handler", **account.ids, **made)
    caller = core_on_emulator(account)
    # XLSX takes what the engine's layer has beside DuckDB.
    queued = exports.create(caller, made["dataset"], exports.Wanted("xlsx"))

    assert sam.invoke("workers.export.handler", **account.ids, export=queued.job) == NOTHING_FAILED

    found = exports.get(caller, made["dataset"], queued.id)
    assert (found.status, found.rows) == ("completed", 2)


@of("workers.compute_report.handler")
@of("workers.render_report.handler")
def test_a_report_is_computed_and_drawn_by_two_functions(
    sam: Sam, account: Account, csv: Path, core_on_emulator: Callable[[Account], Caller]
) -> None:
    made = account.upload(account.new_project(), csv)
    sam.on_emulator("workers.ingest.handler", **account.ids, **made)
    caller = core_on_emulator(account)
    source = {"dataset": ids.spell(ids.DATASET, made["dataset"])}
    query = {"group_by": ["station"], "aggregates": [{"function": "max", "column": "level_cm", "as": "highest"}]}
    chart = {"type": "bar", "dimension": "station", "measures": ["highest"]}
    asked = {**source, "query": query}
    sections = [{"type": "chart", **asked, "chart": chart}, {"type": "table", **asked}]
    report = reports.create(caller, name="Levels", definition={"sections": sections})
    queued = generated_reports.generate(caller, report.id)

    assert sam.invoke("workers.compute_report.handler", **account.ids, computing=queued.job) == NOTHING_FAILED
    assert generated_reports.get(caller, queued.id).answers is not None
    assert sam.invoke("workers.render_report.handler", **account.ids, rendering=queued.job) == NOTHING_FAILED

    found = generated_reports.get(caller, queued.id)
    assert (found.status, found.failure) == ("completed", None)
    assert [file.path for file in found.files] == ["report.html", "report.pdf", "report.xlsx", "tables/01-table-1.csv"]


@of("workers.start_automation.handler")
@of("workers.automation_step.handler")
def test_a_run_is_started_and_takes_its_first_turn(
    sam: Sam, account: Account, core_on_emulator: Callable[[Account], Caller]
) -> None:
    caller = core_on_emulator(account)
    run = automation_runs.execute(caller, new_automation(caller, {"type": "api"}).id)
    assert run.job is not None

    answer = sam.invoke("workers.automation_step.handler", **account.ids, automation_run=run.id)
    assert (answer["next"], 3_500 < answer["seconds"] <= 3_600) == ("wait", True)
    assert automation_runs.get(caller, run.id).status == "running"

    started = sam.invoke("workers.start_automation.handler", **account.ids, automation_job=run.job)
    assert started == NOTHING_FAILED
    machine = next(iter(sam.client("stepfunctions").list_state_machines()["stateMachines"]))
    executions = sam.client("stepfunctions").list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]
    assert f"{ids.spell(ids.RUN, run.id)}-1-0" in {each["name"] for each in executions}


@of("workers.snapshot_records.handler")
def test_a_snapshot_of_a_class_of_records_is_stored(
    sam: Sam, account: Account, core_on_emulator: Callable[[Account], Caller]
) -> None:
    core_on_emulator(account)

    assert sam.invoke("workers.snapshot_records.handler", **account.ids) == NOTHING_FAILED

    assert record_snapshots.position(account.ids["account"], "grant_request") > 0


@of("workers.automation_events.handler")
def test_an_event_starts_an_automation(
    sam: Sam, account: Account, core_on_emulator: Callable[[Account], Caller]
) -> None:
    caller = core_on_emulator(account)
    made = new_automation(caller, {"type": "event", "event": "data.processed"})

    assert sam.invoke("workers.automation_events.handler", **account.ids) == NOTHING_FAILED

    (run,), _ = automation_runs.behind(caller, made.id, None, limit=10)
    assert (run.status, run.trigger["event"]) == ("queued", "data.processed")


@of("workers.automations.handler")
def test_a_time_of_a_schedule_starts_an_automation(
    sam: Sam, account: Account, core_on_emulator: Callable[[Account], Caller]
) -> None:
    caller = core_on_emulator(account)
    made = new_automation(caller, {"type": "schedule", "expression": "cron(0 6 * * ? *)"})

    assert sam.invoke("workers.automations.handler", **account.ids, automation=made.id) == NOTHING_FAILED

    (run,), _ = automation_runs.behind(caller, made.id, None, limit=10)
    assert run.trigger == {"type": "schedule", "scheduled_at": "2026-11-20T06:00:00Z"}


@of("workers.fail_job.handler")
def test_a_job_whose_worker_keeps_dying_fails(sam: Sam, account: Account, csv: Path) -> None:
    made = account.upload(account.new_project(), csv)

    assert sam.invoke("workers.fail_job.handler", **account.ids, **made) == NOTHING_FAILED

    data = account.client.get(f"/data/{ids.spell(ids.DATASET, made['dataset'])}")
    assert data["status"] == "failed"
    assert "stopped without an answer" in data["failure"]["reason"]


@of("workers.sweep.handler")
def test_what_a_deleted_dataset_leaves_behind_goes(sam: Sam, account: Account) -> None:
    dataset = ids.new_id()
    place = f"{number(account.ids['account'])}/{number(dataset)}"
    for key in (f"sources/{place}", f"datasets/{place}/0-1/part-0.parquet", f"datasets/{place}/0-1/manifest.json"):
        sam.client("s3").put_object(Bucket=sam.stack.bucket, Key=key, Body=b"left")

    assert sam.invoke("workers.sweep.handler", **account.ids, dataset=dataset) == NOTHING_FAILED

    assert _objects(sam, f"sources/{place}") == _objects(sam, f"datasets/{place}/") == []


def _answer(answer: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Status and body, once the headers that every answer has are there."""
    assert answer["multiValueHeaders"]["X-Request-Id"][0].startswith("req_")
    return answer["statusCode"], json.loads(answer["body"])


def _fluxjiva(sam: Sam, account: Account) -> Client:
    return Client(sam.stack.base_url("fluxjiva"), account.secret)


def _fluxx(sam: Sam, account: Account) -> Client:
    return Client(sam.stack.base_url("fluxx"), account.secret)


def _codefluss(sam: Sam, account: Account) -> Client:
    return Client(sam.stack.base_url("codefluss"), account.secret)


def _new_page(sam: Sam, account: Account, project: int) -> int:
    path = f"/projects/{ids.spell(ids.PROJECT, project)}/pages"
    made = _codefluss(sam, account).post(path, {"title": "Home", "status": "published"})["data"]["id"]
    page = ids.parse(ids.PAGE, made)
    assert page is not None
    return page


def _spelled(account: Account) -> str:
    return ids.spell(ids.ACCOUNT, account.ids["account"])


def _objects(sam: Sam, prefix: str) -> list[str]:
    listed = sam.client("s3").list_objects_v2(Bucket=sam.stack.bucket, Prefix=prefix)
    return [item["Key"] for item in listed.get("Contents", ())]


def _recorded_event(sam: Sam, account: Account) -> str:
    """The id of the only event that the account has in the outbox."""
    partition = {":pk": {"S": f"a#{number(account.ids['account'])}#events"}}
    found = sam.client("dynamodb").query(
        TableName=sam.stack.table, KeyConditionExpression="pk = :pk", ExpressionAttributeValues=partition
    )
    (item,) = found["Items"]
    event: str = item["id"]["S"]
    return event
