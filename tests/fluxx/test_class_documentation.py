"""The documentation pages: what they say is so, every sample works, and nothing that people wrote escapes its place."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
import subprocess
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from fluvial import config, record_dates, record_filters, record_schemas
from fluvial.caller import Caller
from fluvial.record_catalogue import CLASSES
from fluvial.record_classes import Field, ModelClass, common_fields
from fluvial.record_schemas import Schema
from fluxx import pages
from fluxx.pages import samples
from tests.fluxx.calls import Api, Client, form, multipart_form

V2 = "/api/rest/v2"
BASE = "https://fluxx.example.org/v1"
VOID = ("meta", "wbr", "br", "hr", "img", "link", "input")
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)> {{ 7*7 }} $(id) `id` ' --"
# Of records that a sample can only guess.
NOT_THERE = re.compile("no such record|there is none|must be the id of")


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(each if isinstance(each, str) else each.text for each in self.children)

    def all(self, tag: str) -> list[Element]:
        inner = [each for each in self.children if isinstance(each, Element)]
        return [found for each in inner for found in ([each] if each.tag == tag else []) + each.all(tag)]


class Page(HTMLParser):
    """A page as a tree; fails where its tags do not fit."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open = [Element("", {})]
        self.feed(text)
        self.close()
        assert [each.tag for each in self.open] == [""], "a tag is never closed"
        self.root = self.open[0]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attributes))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)

    def all(self, tag: str) -> list[Element]:
        return self.root.all(tag)

    @property
    def commands(self) -> list[str]:
        return [each.text for each in self.all("pre") if each.text.startswith("curl")]


@pytest.fixture(autouse=True)
def address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUVIAL_BASE_URL", BASE)
    config.settings.cache_clear()


@pytest.fixture
def unlimited(caller: Caller) -> Api:
    limits = {f"fluxx-{each}": 100_000 for each in ("list", "get", "write")}
    return Api(replace(caller, limits=limits))


def get(api: Api, path: str = "", status: int = 200) -> Page:
    answer = api.send("GET", f"{V2}{path}/doc")
    assert answer["statusCode"] == status
    assert answer["multiValueHeaders"]["Content-Type"] == ["text/html; charset=utf-8"]
    check_safe(answer)
    return Page(answer["body"])


def check_safe(answer: dict[str, Any]) -> None:
    """Nothing of a page runs, is fetched, or is sent anywhere; its one style is the one that the policy allows."""
    page = Page(answer["body"])
    (policy,) = answer["multiValueHeaders"]["Content-Security-Policy"]
    (style,) = page.all("style")
    digest = base64.b64encode(hashlib.sha256(style.text.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    for tag in ("script", "img", "iframe", "link", "form", "base", "object", "svg"):
        assert page.all(tag) == []
    for each in (element for tag in ("a", "td", "p", "li", "div", "pre") for element in page.all(tag)):
        assert not [name for name in each.attributes if name.startswith("on") or name in ("style", "src")]
    assert "url(" not in style.text
    assert "@import" not in style.text


def arguments(words: list[str]) -> tuple[str, str, dict[str, Any]]:
    """What curl would send: method, path, and the arguments of a request to the handlers."""
    assert words.pop(0) == "curl"
    method, url, in_query, headers = None, "", False, {}
    data: list[tuple[str, str]] = []
    parts: dict[str, str] = {}
    content = None
    while words:
        word = words.pop(0)
        if word in ("-g", "-s", "-L"):
            continue
        if word == "-G":
            in_query = True
        elif word == "-X":
            method = words.pop(0)
        elif word == "-o":
            words.pop(0)
        elif word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name] = value
        elif word in ("--data-urlencode", "-d"):
            name, _, value = words.pop(0).partition("=")
            data.append((name, value))
        elif word == "-F":
            name, _, value = words.pop(0).partition("=")
            if value.startswith("@"):
                assert name == "content"
                content = b"%PDF-1.7"
            else:
                parts[name] = value
        else:
            assert not word.startswith("-")
            assert not url
            url = word
    assert url.startswith(BASE)
    parsed = urlsplit(url.removeprefix(BASE))
    sent: dict[str, Any] = {}
    if in_query:
        sent["query"] = dict(data)
    elif data:
        sent = form(dict(data))
    elif parts:
        sent = multipart_form(parts, content, "report.pdf")
    if parsed.query:
        sent["query"] = dict(pair.split("=") for pair in parsed.query.split("&"))
    method = method or ("GET" if in_query or not (data or parts) else "POST")
    sent["headers"] = {**sent.get("headers", {}), **headers}
    return method, unquote(parsed.path), sent


def run(api: Api, command: str, **variables: object) -> dict[str, Any]:
    """What the API answers to a command."""
    for name, value in variables.items():
        command = command.replace(f"${name}", str(value))
    method, path, sent = arguments(shlex.split(command.replace("\\\n", " ")))
    assert "$" not in path
    assert sent["headers"].pop("Authorization") == "Bearer $TOKEN"
    return api.send(method, path, **sent)


def define(api: Api, model: str, **values: Any) -> int:
    status, body = api.post_form(f"{V2}/{model}", data=values)
    assert (status, "error" in body) == (200, False), body
    made: int = body[model]["id"]
    return made


def test_the_page_of_a_class_has_its_names_its_samples_and_its_fields(api: Api) -> None:
    page = get(api, "/grant_request")
    assert page.all("h2")[0].text == "GrantRequest"
    assert page.all("h3")[0].text == record_schemas.Schema(1).model("grant_request").description
    assert [each.text for each in page.all("h4")] == [
        "Before you begin",
        "Sample List/Search Queries",
        "Sample Fetch Queries",
        "Sample POST Query",
        "Sample PUT Query",
        "Sample DELETE Query",
        "Sample Aggregation Queries",
        "Fields",
    ]
    titles = [each.text for each in page.all("p") if each.attributes.get("class") == "does"]
    assert titles == [
        "Load the first page of grant_request:",
        "Load the first page of grant_request using an alternate path:",
        "Load the second page of grant_request:",
        "Do a full text search for grant_request:",
        "Do an advanced search using POST instead of GET for grant_request:",
        "Fetch one grant_request record with specific fields:",
        "Fetch one grant_request record and pull in the relation program_organization, with specific fields:",
        "Create a grant_request record:",
        "Update one grant_request record and return back the record with specific fields:",
        "Promote one grant_request record to state draft:",
        "Delete a grant_request record:",
        "Count the grant_request records by state, with the sum of amount_requested:",
    ]


def test_the_first_table_of_a_class_s_page_is_its_fields_as_scripts_read_them(api: Api) -> None:
    define(api, "model_attribute", description="Board meeting", model_type="Program", attribute_type="date")
    table = get(api, "/program").all("table")
    assert len(table) == 1
    head, *rows = table[0].all("tr")
    names = [each.text for each in head.all("th")]
    assert names == ["name", "description", "permission", "data_type", "related_class", "type", "groupable?"]
    found = {}
    for row in rows:
        cells = [each.text.strip() for each in row.all("td")]
        assert len(cells) == len(names)
        found[cells[0]] = cells[1:]
    assert list(found) == sorted(found)
    assert {name.removesuffix("*") for name in found} == {
        each.name for each in record_schemas.of(api.caller.account).model("program").fields
    }
    assert found["name"][1:] == ["[:create, :update]", "string", "", "column", "Yes"]
    assert found["created_at"][1:] == ["[]", "datetime", "", "column", "Yes"]
    assert found["created_by_id"][1:] == ["[]", "User", "User", "relation", "Yes"]
    assert found["sub_programs"][1:] == ["[]", "SubProgram", "SubProgram", "relation", "No"]
    assert found["board_meeting*"] == ["Board meeting", "[:create, :update]", "date", "", "column", "Yes"]


def test_a_long_name_may_break_and_is_the_same_to_who_reads_it(api: Api) -> None:
    cells = [row.all("td")[0] for row in get(api, "/grant_request").all("table")[0].all("tr")[1:]]
    long = next(each for each in cells if each.text.strip() == "board_authorization_required")
    assert len(long.all("wbr")) == 1
    assert [each for each in long.all("b")[0].children if isinstance(each, str)] == [
        "board_authorization_",
        "required",
    ]


def test_a_relation_links_the_page_of_its_class_under_the_stage(api: Api) -> None:
    (link,) = {each.attributes["href"] for each in get(api, "/sub_program").all("a") if each.text.strip() == "Program"}
    assert link == "/v1/api/rest/v2/program/doc"


def test_every_link_of_every_page_leads_somewhere(unlimited: Api) -> None:
    index = get(unlimited)
    links = {str(each.attributes["href"]) for each in index.all("a")}
    assert {each for each in links if each.endswith("/doc")} >= {
        f"/v1{V2}/{each.name}/doc" for each in record_schemas.of(unlimited.caller.account).models()
    }
    checked = set()
    waiting = [("", index)]
    while waiting:
        path, page = waiting.pop()
        anchors = {each.attributes["id"] for each in page.all("section")}
        for link in {str(each.attributes["href"]) for each in page.all("a")}:
            target, _, anchor = link.partition("#")
            assert not target or target.startswith(f"/v1{V2}/")
            assert not anchor or target or anchor in anchors, f"{path}{link}"
            if target and target not in checked:
                checked.add(target)
                name = target.removeprefix(f"/v1{V2}").removesuffix("/doc")
                waiting.append((name, get(unlimited, name)))
    assert len(checked) == len(CLASSES) + 1


def test_the_samples_of_every_class_work(unlimited: Api) -> None:
    for model in record_schemas.of(unlimited.caller.account).models():
        page = get(unlimited, f"/{model.name}")
        groups = samples.of(model, record_schemas.of(unlimited.caller.account), f"{BASE}{V2}")
        assert page.commands == [each.command for group in groups for each in group.samples]
        record_id = 1
        for group in groups:
            if group.anchor == "create":
                record_id = check_created(unlimited, model, group.samples[0].command) or record_id
        for group in groups:
            for sample in group.samples:
                if group.anchor != "create":
                    check_works(unlimited, model, group.anchor, run(unlimited, sample.command, ID=record_id))


def check_created(api: Api, model: ModelClass, command: str) -> int | None:
    """The id of what the sample made; None where it names records that are not there."""
    answer = run(api, command)
    body = json.loads(answer["body"])
    if "error" not in body:
        made: int = body[model.key]["id"]
        return made
    problems = json.loads(body["error"]["message"])
    reasons = [reason for each in problems.values() for reason in each]
    assert all(NOT_THERE.search(each) or "exists" in each for each in reasons), f"{model.name}: {reasons}"
    return None


def check_works(api: Api, model: ModelClass, anchor: str, answer: dict[str, Any]) -> None:
    body = json.loads(answer["body"])
    assert answer["statusCode"] == 200
    where = f"{model.name}, {anchor}: {answer['body'][:500]}"
    if anchor in ("lists", "aggregation"):
        assert list(body["records"]) == [model.key], where
    elif anchor == "fetch":
        assert next(iter(body)) == model.key, where
    elif anchor == "delete":
        assert body is True, where
    elif "error" in body:
        # No sample could make one.
        assert json.loads(body["error"]["message"]) == {"base": [f"No {model.name} '1' exists."]}, where
    else:
        assert next(iter(body)) == model.key, where


def test_the_samples_of_the_first_page_work(unlimited: Api) -> None:
    grant = define(unlimited, "grant_request", project_title="Clean water")
    document = unlimited.call(
        "POST",
        f"{V2}/model_document",
        **multipart_form(
            {"data": json.dumps({"owner_model": {"model_type": "grant_request", "id": grant}})}, b"x", "x.pdf"
        ),
    )[1]["model_document"]["id"]
    _, queue = unlimited.post("/poll/queues", {"name": "Grants", "model_type": "grant_request"})
    uuid = queue["queue"]["uuid"]
    commands = get(unlimited).commands
    assert len(commands) == 8
    for command in commands:
        command = command.replace('"id":1}', f'"id":{grant}}}')
        if "queue_finished" in command:
            continue
        answer = run(unlimited, command, ID=document, QUEUE=uuid)
        assert answer["statusCode"] == 200, command
        if "model_document_download" not in command and "upload_id" not in command:
            assert "error" not in json.loads(answer["body"]), command


def test_the_first_sample_sets_the_token(api: Api, client: Client) -> None:
    (command,) = [each.text for each in get(api).all("pre") if each.text.startswith("TOKEN=")]
    found = re.fullmatch(r"TOKEN=\$\((curl .*)\| (sed .*)\)", command.replace("\\\n", " "))
    assert found is not None
    asked = found[1].replace("YOUR_CLIENT_ID", client.client_id).replace("YOUR_CLIENT_SECRET", client.client_secret)
    method, path, sent = arguments(shlex.split(asked))
    answer = api.send(method, path, **sent)
    token = json.loads(answer["body"])["access_token"]
    read = subprocess.run(shlex.split(found[2]), input=answer["body"], capture_output=True, text=True, check=True)
    assert read.stdout.strip() == token


def test_the_words_and_operators_of_the_first_page_are_those_of_filters(api: Api) -> None:
    sections = {each.attributes["id"]: each for each in get(api).all("section")}
    words = [each.text for each in sections["dates"].all("code") if not each.text.startswith("[")]
    assert len(words) > 15
    assert [each for each in words if record_dates.word(each) is None] == []
    (table,) = sections["filters"].all("table")
    rows = [[each.text for each in row.all("code")] for row in table.all("tr")[1:]]
    assert rows == [list(names) for names in record_filters.OPERATORS.values()]


def test_the_limits_are_the_caller_s_own(caller: Caller) -> None:
    for limits, shown in (({}, ["1,500", "180", "60"]), ({"fluxx-write": 7000}, ["1,500", "180", "7,000"])):
        page = get(Api(replace(caller, limits=limits)))
        (section,) = [each for each in page.all("section") if each.attributes["id"] == "limits"]
        assert [row.all("td")[1].text for row in section.all("tr")[1:]] == shown


def test_classes_and_fields_that_administrators_define_are_there_at_once_and_escaped(unlimited: Api) -> None:
    api = unlimited
    define(api, "machine_model_type", name="Site Visits", description=HOSTILE)
    model = "MacModelTypeDynSiteVisits"
    define(api, "model_attribute", name="place", description=HOSTILE, model_type=model, attribute_type="string")
    chosen = define(
        api, "model_attribute", name="mood", description="Mood", model_type=model, attribute_type="multi_value"
    )
    define(api, "model_attribute_value", model_attribute_id=chosen, value=HOSTILE, description=HOSTILE)
    index = get(api)
    listed = next(each for each in index.all("li") if model in each.text)
    assert HOSTILE in listed.text
    path = "/mac_model_type_dyn_site_visits"
    page = get(api, path)
    assert page.all("h2")[0].text == model
    assert page.all("h3")[0].text == HOSTILE
    cells = {row.all("td")[0].text.strip(): row.all("td")[1].text for row in page.all("table")[0].all("tr")[1:]}
    assert cells["place*"] == HOSTILE
    assert HOSTILE in cells["mood*"]
    (create,) = [each for each in page.commands if "-X POST" in each and "/list" not in each]
    _, _, sent = arguments(shlex.split(create.replace("\\\n", " ")))
    body = json.loads(run(api, create)["body"])
    assert body["machine_model"]["id"]
    assert sent["raw"]


def test_no_option_gets_out_of_the_quotes_of_a_command() -> None:
    option = "it's; rm -rf ~ $(id) `id` \\ \"\n#"
    model = ModelClass(
        "mac_model_type_dyn_x",
        "",
        (*common_fields(), Field("mood", "string", "", options=(option,), required=True, custom=True)),
        custom_type=1,
        label=("mood",),
    )
    (create,) = [group for group in samples.of(model, Schema(1), BASE + V2) if group.anchor == "create"]
    words = shlex.split(create.samples[0].command.replace(" \\\n  ", " "))
    (data,) = [each for each in words if each.startswith("data=")]
    assert json.loads(data.removeprefix("data=")) == {"mood": option}
    told = subprocess.run(
        ["bash", "-c", create.samples[0].command.replace("curl -g", "printf '%s\\n'")],
        capture_output=True,
        text=True,
        check=True,
        env={"TOKEN": "t", "PATH": "/usr/bin:/bin"},
    )
    assert data in told.stdout.split("\n")


@pytest.mark.parametrize("role", ["editor", "viewer"])
@pytest.mark.parametrize("path", ["", "/grant_request", "/planet"])
def test_the_pages_are_for_administrators(caller: Caller, role: str, path: str) -> None:
    page = get(Api(replace(caller, role=role)), path, status=403)
    assert page.all("h2")[0].text == "For administrators only"
    assert page.commands == []


def test_a_token_without_the_right_gets_no_page(caller: Caller) -> None:
    weak = Api(replace(caller, scopes=frozenset({"applications:read"})))
    status, body = weak.get(f"{V2}/doc")
    assert (status, body["error"]["code"]) == (403, 403)


def test_a_class_that_is_not_there_has_a_page_that_says_so(api: Api) -> None:
    page = get(api, f"/planet_{'x' * 200}", status=404)
    assert page.all("h2")[0].text == "No such class"
    assert page.all("p")[0].text.startswith("uninitialized constant Planet")


def test_a_class_is_found_in_camel_case_and_by_the_old_version(api: Api) -> None:
    assert get(api, "/GrantRequest").all("h2")[0].text == "GrantRequest"
    old = api.send("GET", "/api/rest/v1/grant_request/doc")
    assert old["statusCode"] == 200
    assert f"{BASE}/api/rest/v1/grant_request" in old["body"]
    assert api.send("GET", "/api/rest/v9/grant_request/doc")["statusCode"] == 404


def test_another_account_s_classes_are_not_shown(api: Api, stranger: Api) -> None:
    define(api, "machine_model_type", name="Secret Visits")
    assert "SecretVisits" not in stranger.send("GET", f"{V2}/doc")["body"]
    get(stranger, "/mac_model_type_dyn_secret_visits", status=404)


@pytest.mark.parametrize(
    "host",
    ["evil.example.org/$(id)", "evil.example.org`id`", "x'; id #", 'x" onload="', "<script>", "ä.example.org", ""],
)
def test_an_address_that_a_shell_would_read_is_in_no_command(
    api: Api, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLUVIAL_BASE_URL")
    config.settings.cache_clear()
    answer = api.send("GET", f"{V2}/grant_request/doc", headers={"Host": host})
    check_safe(answer)
    for command in Page(answer["body"]).commands:
        assert pages.ANY_ADDRESS in command


def test_without_a_setting_the_address_is_the_request_s(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLUVIAL_BASE_URL")
    config.settings.cache_clear()
    answer = api.send("GET", f"{V2}/grant_request/doc", headers={"Host": "abc.execute-api.eu-central-1.amazonaws.com"})
    for command in Page(answer["body"]).commands:
        assert "https://abc.execute-api.eu-central-1.amazonaws.com/api/rest/v2/grant_request" in command
