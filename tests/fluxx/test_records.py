"""Records through the handlers: the wire form of lists, single records and writes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.fluxx.calls import Api, form, multipart_form, refusal

V2 = "/api/rest/v2"
LISTED = {"total_pages": 1, "current_page": 1, "per_page": 25}


def made(api: Api, model: str, **data: object) -> int:
    """The id of a new record."""
    status, body = api.post_form(f"{V2}/{model}", data=data, cols=["id"])
    assert (status, list(body)) == (200, [model])
    record_id: int = body[model]["id"]
    return record_id


def names(body: Any, column: str = "name") -> list[str]:
    (records,) = body["records"].values()
    return [each[column] for each in records]


def wrong(answer: tuple[int, Any], field: str) -> str:
    """The first reason that an answer gives for a field."""
    status, body = answer
    assert status == 200, body
    assert body["error"]["code"] == 100, body
    reason: str = json.loads(body["error"]["message"])[field][0]
    return reason


# ---------------------------------------------------------------- one record


def test_a_record_is_made_and_fetched_with_the_columns_that_are_asked_for(api: Api) -> None:
    status, body = api.post_form(
        f"{V2}/organization", data={"name": "Ocean Trust", "city": "Lisbon"}, cols=["name", "city"]
    )
    assert status == 200
    organization = body["organization"]["id"]
    assert isinstance(organization, int)
    assert body == {"organization": {"id": organization, "name": "Ocean Trust", "city": "Lisbon"}}
    status, body = api.get(f"{V2}/organization/{organization}", cols='["name"]')
    assert (status, body) == (200, {"organization": {"id": organization, "name": "Ocean Trust"}})


def test_without_columns_all_core_ones_are_shown_and_what_is_blank_is_left_out(api: Api) -> None:
    organization = made(api, "organization", name="Ocean Trust", city="")
    _, body = api.get(f"{V2}/organization/{organization}")
    shown = body["organization"]
    assert next(iter(shown)) == "id"
    assert shown["created_at"].endswith("Z")
    assert isinstance(shown["created_by_id"], int)
    assert "city" not in shown
    assert None not in shown.values()


def test_what_is_not_there_is_answered_with_its_id_alone(api: Api, stranger: Api) -> None:
    foreign = made(stranger, "organization", name="Secret")
    gone = made(api, "organization", name="Gone")
    api.delete(f"{V2}/organization/{gone}")
    for absent in (foreign, gone, 12345):
        assert api.get(f"{V2}/organization/{absent}") == (200, {"organization": {"id": absent}})


def test_a_decimal_keeps_its_digits_and_is_a_number(api: Api) -> None:
    given = Decimal("12345678901234567890.12")
    request = made(api, "grant_request", project_title="Reefs", amount_requested=str(given))
    answer = api.send("GET", f"{V2}/grant_request/{request}", query={"cols": '["amount_requested"]'})
    assert f'"amount_requested":{given}}}' in answer["body"].replace(" ", "")


def test_an_update_changes_what_is_given_and_an_empty_text_clears(api: Api) -> None:
    organization = made(api, "organization", name="Ocean Trust", city="Lisbon")
    status, body = api.put_form(f"{V2}/organization/{organization}", data={"city": ""}, cols=["name", "city"])
    assert (status, body) == (200, {"organization": {"id": organization, "name": "Ocean Trust"}})


def test_a_relation_is_set_and_dropped_in_each_spelling(api: Api) -> None:
    organization = made(api, "organization", name="Ocean Trust")
    cols = ["program_organization_id"]
    for spelling in ({"program_organization_id": organization}, {"program_organization": {"id": organization}}):
        _, body = api.post_form(f"{V2}/grant_request", data={"project_title": "Reefs", **spelling}, cols=cols)
        assert body["grant_request"]["program_organization_id"] == organization
    request = body["grant_request"]["id"]
    _, body = api.put_form(f"{V2}/grant_request/{request}", data={"program_organization_id": {"id": ""}}, cols=cols)
    assert body == {"grant_request": {"id": request}}


def test_the_state_moves_in_the_workflow(api: Api) -> None:
    request = made(api, "grant_request", project_title="Reefs")
    status, body = api.put_form(f"{V2}/grant_request/{request}", data={"state": "pending"}, cols=["state"])
    assert (status, body) == (200, {"grant_request": {"id": request, "state": "pending"}})
    assert "pending" in wrong(api.put_form(f"{V2}/grant_request/{request}", data={"state": "nowhere"}), "state")


def test_a_record_is_deleted_softly_or_for_good(api: Api) -> None:
    first, second = (made(api, "organization", name=name) for name in ("One", "Two"))
    answer = api.send("DELETE", f"{V2}/organization/{first}")
    assert (answer["statusCode"], answer["body"]) == (200, "true")
    assert api.delete(f"{V2}/organization/{second}", hard_delete="1") == (200, True)
    assert api.get(f"{V2}/organization") == (200, {"records": {"organization": []}, "total_entries": 0, **LISTED})


# ---------------------------------------------------------------- spellings of a request


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(form({"data": {"name": "A"}, "cols": ["name"]}), id="form"),
        pytest.param({"body": {"data": {"name": "A"}, "cols": ["name"]}}, id="JSON"),
        pytest.param({"body": {"data": '{"name": "A"}', "cols": '["name"]'}}, id="JSON in JSON"),
        pytest.param(multipart_form({"data": '{"name": "A"}', "cols": '["name"]'}), id="multipart"),
        pytest.param(
            {**form({"data": {"name": "A"}, "cols": ["name"]}), "headers": {"Content-Type": "multipart/form-data"}},
            id="form that is called multipart",
        ),
        pytest.param(
            {"raw": "data%5Bname%5D=A&cols[]=name", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
            id="brackets",
        ),
        pytest.param({"query": {"data": '{"name": "A"}', "cols": '["name"]'}}, id="query"),
        pytest.param({**form({"data": {"name": "A"}}), "query": {"cols": '["name"]'}}, id="form and query"),
        pytest.param({"raw": '{"data": {"name": "A"}, "cols": ["name"]}'}, id="JSON without a label"),
    ],
)
def test_parameters_are_read_wherever_they_are(api: Api, sent: dict[str, Any]) -> None:
    status, body = api.call("POST", f"{V2}/organization", **sent)
    assert status == 200
    assert body == {"organization": {"id": body["organization"]["id"], "name": "A"}}


def test_a_post_stands_for_the_method_that_its_header_names(api: Api) -> None:
    organization = made(api, "organization", name="Ocean Trust")
    path = f"{V2}/organization/{organization}"

    def sent(method: str, **arguments: Any) -> Any:
        headers = {**arguments.pop("headers", {}), "X-HTTP-Method-Override": method}
        return api.call("POST", path, headers=headers, **arguments)[1]

    assert sent("put", **form({"data": {"name": "Sea Trust"}, "cols": ["name"]}))["organization"]["name"] == "Sea Trust"
    assert sent("GET", **form({"cols": ["name"]}))["organization"]["name"] == "Sea Trust"
    assert sent("DELETE") is True
    assert "GET, PUT, DELETE" in wrong(api.call("POST", path), "X-HTTP-Method-Override")


def test_the_old_version_has_styles_in_place_of_columns(api: Api) -> None:
    organization = made(api, "organization", name="Ocean Trust", city="Lisbon")
    _, body = api.get(f"/api/rest/v1/organization/{organization}", style="compact")
    assert body == {"organization": {"id": organization, "name": "Ocean Trust"}}
    for style in ("full", "detail", '"full"'):
        _, body = api.get(f"/api/rest/v1/organization/{organization}", style=style)
        assert body["organization"]["city"] == "Lisbon"
    # Clients still send it to the new one, where it says nothing.
    _, body = api.get(f"{V2}/organization/{organization}", style="compact", cols='["city"]')
    assert body == {"organization": {"id": organization, "city": "Lisbon"}}
    assert api.get("/api/rest/v3/organization")[0] == 404


# ---------------------------------------------------------------- lists


def test_a_list_is_filtered_sorted_and_read_by_page(api: Api) -> None:
    for number in range(7):
        made(api, "program", name=f"Program {number}", description="odd" if number % 2 else "even")
    asked = {"cols": '["name"]', "filter": '["description","eq","even"]', "sort": '["name","desc"]', "per_page": "3"}
    status, body = api.get(f"{V2}/program", **asked)
    assert status == 200
    assert list(body) == ["records", "total_pages", "total_entries", "current_page", "per_page"]
    assert names(body) == ["Program 6", "Program 4", "Program 2"]
    assert {name: body[name] for name in ("total_pages", "total_entries", "current_page", "per_page")} == {
        "total_pages": 2,
        "total_entries": 4,
        "current_page": 1,
        "per_page": 3,
    }
    _, second = api.get(f"{V2}/program", **asked, page="2")
    assert names(second) == ["Program 0"]
    assert (second["current_page"], second["total_entries"]) == (2, 4)
    _, past = api.get(f"{V2}/program", **asked, page="3")
    assert past["records"] == {"program": []}
    _, other = api.post_form(f"{V2}/program/list", **{**asked, "sort": "", "sort_attribute": "name"})
    assert names(other) == ["Program 0", "Program 2", "Program 4"]


def test_words_are_looked_for_in_all_texts(api: Api) -> None:
    made(api, "program", name="Clean Water", description="Wells and pipes")
    made(api, "program", name="Schools", description="Water at schools")
    for query, found in (("water WELLS", ["Clean Water"]), ('"water"', ["Clean Water", "Schools"]), ("fire", [])):
        assert names(api.get(f"{V2}/program", query=query, cols='["name"]')[1]) == found


def test_related_records_are_shown_with_their_columns(api: Api) -> None:
    organization = made(api, "organization", name="Ocean Trust", city="Lisbon")
    request = made(api, "grant_request", project_title="Reefs", program_organization_id=organization)
    relation = {"program_organization_id": ["name"], "program_organization": ["city"], "nothing": ["x"]}
    _, body = api.post_form(f"{V2}/grant_request/list", cols=["project_title"], relation=relation)
    assert body["records"]["grant_request"] == [
        {
            "id": request,
            "project_title": "Reefs",
            "program_organization_id": [{"id": organization, "name": "Ocean Trust"}],
            "program_organization": [{"id": organization, "city": "Lisbon"}],
        }
    ]
    _, body = api.get(f"{V2}/grant_request/{request}", cols='["program_organization", "program_organization_id"]')
    assert body["grant_request"] == {
        "id": request,
        "program_organization": [organization],
        "program_organization_id": organization,
    }
    _, body = api.get(f"{V2}/organization/{organization}", cols='["grant_requests"]')
    assert body["organization"] == {"id": organization, "grant_requests": [request]}


def test_a_filter_goes_through_relations(api: Api) -> None:
    lisbon, porto = (made(api, "organization", name=city, city=city) for city in ("Lisbon", "Porto"))
    for organization in (lisbon, porto):
        made(api, "grant_request", project_title="Reefs", program_organization_id=organization)
    inner = {"group_type": "and", "conditions": [["city", "eq", "Porto"]]}
    _, body = api.post_form(
        f"{V2}/grant_request/list",
        cols=["program_organization_id"],
        filter={"group_type": "or", "conditions": [["program_organization_id", "filter", inner]]},
    )
    assert names(body, "program_organization_id") == [porto]


def test_look_up_classes_are_asked_for_by_equality(api: Api) -> None:
    for name in ("Portugal", "Spain"):
        made(api, "geo_country", name=name)
    for given in (
        {"filter": '{"geo_country": {"name": ["Spain", "France"]}}'},
        {"filter": '{"name": "Spain"}'},
        {"filter[geo_country][name]": "Spain"},
    ):
        assert names(api.get(f"{V2}/geo_country", cols='["name"]', **given)[1]) == ["Spain"]


def test_groups_have_their_sums(api: Api) -> None:
    lisbon = made(api, "organization", name="Ocean Trust", city="Lisbon")
    for amount in ("10.10", "20.20"):
        made(api, "grant_request", project_title="A", amount_requested=amount, program_organization_id=lisbon)
    made(api, "grant_request", project_title="B", amount_requested="5")
    _, body = api.get(
        f"{V2}/grant_request", group='["program_organization_id"]', aggregation='{"amount_requested": "sum"}'
    )
    assert body["records"]["grant_request"] == [
        {"count": 1, "amount_requested": 5},
        {"program_organization_id": lisbon, "count": 2, "amount_requested": Decimal("30.30")},
    ]
    assert body["total_entries"] == 2


def test_a_list_has_nothing_of_another_account(api: Api, stranger: Api) -> None:
    made(stranger, "organization", name="Secret")
    made(api, "organization", name="Open")
    assert names(api.get(f"{V2}/organization", cols='["name"]')[1]) == ["Open"]
    wrong(api.post_form(f"{V2}/grant_request", data={"project_title": "x", "program_organization_id": 12345}),
          "program_organization_id")  # fmt: skip


def test_a_walk_shows_each_record_once_whatever_others_write(api: Api) -> None:
    ids = [made(api, "program", name=f"P{number:02}") for number in range(10)]
    asked = {"cols": '["name"]', "sort": '["name","asc"]', "per_page": "4"}
    seen = names(api.get(f"{V2}/program", **asked)[1])
    api.delete(f"{V2}/program/{ids[0]}")
    api.put_form(f"{V2}/program/{ids[1]}", data={"name": "P99"})
    made(api, "program", name="P00 new")
    for page in ("2", "3"):
        _, body = api.get(f"{V2}/program", **asked, page=page)
        seen += names(body)
        assert body["total_entries"] == 10
    assert seen == [f"P{number:02}" for number in range(10)]


# ---------------------------------------------------------------- custom classes and fields


def test_an_administrator_defines_a_class_with_fields_and_options(api: Api) -> None:
    kind = made(api, "machine_model_type", name="Site Visits")
    _, body = api.get(f"{V2}/machine_model_type/{kind}", cols='["model_type", "name"]')
    assert body["machine_model_type"] == {"id": kind, "model_type": "MacModelTypeDynSiteVisits", "name": "Site Visits"}
    attribute = made(
        api,
        "model_attribute",
        model_type="MacModelTypeDynSiteVisits",
        name="topics",
        description="Topics",
        attribute_type="multi_value",
        multi_allowed=1,
    )
    texas = made(api, "model_attribute_value", model_attribute_id=attribute, value="TX", description="Texas")
    made(
        api,
        "model_attribute_value",
        model_attribute_id=attribute,
        value="HOU",
        description="Houston",
        dependent_model_attribute_value_id=texas,
    )
    visits = f"{V2}/mac_model_type_dyn_site_visits"
    status, body = api.post_form(visits, data={"topics": ["HOU"]}, cols=["topics"])
    visit = body["machine_model"]["id"]
    shown = {"id": visit, "type": "MacModelTypeDynSiteVisits", "topics": ["HOU"]}
    # Some clients look under the one name, some under the other.
    assert (status, body) == (200, {"machine_model": shown, "mac_model_type_dyn_site_visits": shown})
    _, body = api.get(visits, all_dynamic="1", cols="[]")
    assert body["records"] == {"machine_model": [shown]}
    _, body = api.get(f"{visits}/{visit}", cols='["topics"]', show_mavs="true")
    ((first, second),) = body["machine_model"]["topics"]
    assert first == {"id": texas, "val": "TX", "desc": "Texas"}
    assert (second["val"], second["desc"]) == ("HOU", "Houston")
    _, body = api.get(f"{V2}/model_attribute_choice", filter=json.dumps({"model_id": visit}), cols='["model_id"]')
    choice = body["records"]["model_attribute_choice"][0]["id"]
    api.delete(f"{V2}/model_attribute_choice/{choice}")
    assert api.get(f"{visits}/{visit}", cols='["topics"]')[1]["machine_model"] == {
        "id": visit,
        "type": "MacModelTypeDynSiteVisits",
    }
    assert "HOU" in wrong(api.post_form(visits, data={"topics": ["Dallas"]}), "topics")


# ---------------------------------------------------------------- this platform's own classes


def test_projects_are_the_same_things_as_in_the_other_apis(api: Api) -> None:
    project = made(api, "project", name="Sales")
    _, body = api.get(f"{V2}/project", filter='["name","eq","Sales"]', cols='["name"]')
    assert body["records"]["project"] == [{"id": project, "name": "Sales"}]
    api.put_form(f"{V2}/project/{project}", data={"name": "Sold"})
    assert api.get(f"{V2}/project/{project}", cols='["name"]')[1]["project"]["name"] == "Sold"
    assert api.delete(f"{V2}/project/{project}") == (200, True)
    assert api.get(f"{V2}/project/{project}") == (200, {"project": {"id": project}})


# ---------------------------------------------------------------- bad input


def test_an_unknown_class_is_told_in_the_words_that_clients_look_for(api: Api) -> None:
    for method, path in (
        ("GET", "unheard_of"),
        ("POST", "unheard_of"),
        ("GET", "unheard_of/1"),
        ("DELETE", "unheard_of/1"),
    ):
        arguments = form({"data": {}}) if method == "POST" else {}
        assert api.call(method, f"{V2}/{path}", **arguments) == (
            200,
            refusal("#<NameError: uninitialized constant UnheardOf>"),
        )


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"page": "0"}, "page"),
        ({"page": "-1"}, "page"),
        ({"page": "x"}, "page"),
        ({"per_page": "501"}, "per_page"),
        ({"per_page": "0"}, "per_page"),
        ({"cols": "[broken"}, "cols"),
        ({"cols": '{"a": 1}'}, "cols"),
        ({"filter": "{broken"}, "filter"),
        ({"relation": "[1]"}, "relation"),
        ({"relation": "{broken"}, "relation"),
        ({"sort": "{broken"}, "sort"),
        ({"group": "{broken"}, "group"),
        ({"group": '["name"]', "aggregation": '{"name": "sum"}'}, "aggregation.name"),
        ({"all_core": "perhaps"}, "all_core"),
    ],
)
def test_a_parameter_that_cannot_be_read_is_named(api: Api, asked: dict[str, str], field: str) -> None:
    assert field.rpartition(".")[2] in wrong(api.get(f"{V2}/organization", **asked), field)


@pytest.mark.parametrize(
    "given",
    [
        '["name","resembles","x"]',
        '["nothing","eq","x"]',
        '["created_at","eq","soon"]',
        "[" * 100 + "]" * 100,
        "[" * 100_000 + "]" * 100_000,
        json.dumps({"group_type": "and", "conditions": [["name", "eq", "x"]] * 10_000}),
        '{"group_type":"xor","conditions":[["name","eq","x"]]}',
    ],
    ids=["operator", "field", "date", "nested", "nested far too deep", "too many", "group"],
)
def test_a_filter_that_cannot_be_read_is_told(api: Api, given: str) -> None:
    status, body = api.post_form(f"{V2}/organization/list", filter=given)
    assert (status, body["error"]["code"]) == (200, 100)
    assert json.loads(body["error"]["message"])


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"amount_requested": "abc"}, "amount_requested"),
        ({"amount_requested": True}, "amount_requested"),
        ({"grant_begins_at": "31/12/2020"}, "grant_begins_at"),
        ({"granted": "perhaps"}, "granted"),
        ({"program_organization_id": 12345}, "program_organization_id"),
        ({"unheard_of": 1}, "unheard_of"),
        ({"id": 5}, "id"),
    ],
)
def test_a_value_that_a_column_cannot_have_is_refused_and_nothing_is_written(
    api: Api, data: dict[str, object], field: str
) -> None:
    wrong(api.post_form(f"{V2}/grant_request", data={"project_title": "Reefs", **data}), field)
    assert api.get(f"{V2}/grant_request")[1]["total_entries"] == 0


def test_all_that_is_wrong_with_a_record_is_told_at_once(api: Api) -> None:
    _, body = api.post_form(f"{V2}/user", data={"birth_at": "yesterday", "active": "perhaps"})
    assert set(json.loads(body["error"]["message"])) == {"first_name", "last_name", "birth_at", "active"}


def test_a_write_without_data_is_refused(api: Api) -> None:
    for given in ({}, {"data": "[1]"}, {"data": "{broken"}, {"data": ""}):
        wrong(api.post_form(f"{V2}/organization", **given), "data")


def test_a_record_that_is_not_there_is_not_changed(api: Api, stranger: Api) -> None:
    foreign = made(stranger, "organization", name="Secret")
    for absent in (foreign, 12345):
        status, body = api.put_form(f"{V2}/organization/{absent}", data={"name": "Mine"})
        assert (status, body["error"]["code"]) == (200, 100)
        assert str(absent) in body["error"]["message"]
    assert stranger.get(f"{V2}/organization/{foreign}", cols='["name"]')[1]["organization"]["name"] == "Secret"
    assert "whole number" in wrong(api.get(f"{V2}/organization/abc"), "id")


def test_a_repeated_post_under_one_key_makes_one_record(api: Api) -> None:
    sent = form({"data": {"name": "Ocean Trust"}, "cols": ["name"]})
    sent["headers"] |= {"Idempotency-Key": "k-1"}
    first, second = (api.call("POST", f"{V2}/organization", **sent) for _ in range(2))
    assert first == second
    assert api.get(f"{V2}/organization")[1]["total_entries"] == 1
