"""Datasets that are made of records."""

from __future__ import annotations

from tests.fluxx.calls import Api, form
from tests.fluxx.test_records import V2, made, wrong
from tests.workers.pipeline import Pipeline


def test_the_records_that_fit_a_filter_become_a_data_source(api: Api, aws: dict[str, str]) -> None:
    project = made(api, "project", name="Reports")
    for title, amount in (("Reefs", "10.10"), ("Wells", "2000000000000000.05"), ("Schools", "1")):
        made(api, "grant_request", project_title=title, amount_requested=amount)
    sent = {"project_id": str(project), "name": "Requests", "filter": ["amount_requested", "gt", "5"]}
    status, body = api.post_form(f"{V2}/grant_request/dataset", **sent)
    source = body["data_source"]
    assert status == 200
    assert source == {"id": source["id"], "name": "Requests", "project_id": project, "status": "processing"}
    Pipeline(aws).settle()
    _, body = api.get(f"{V2}/data_source/{source['id']}", cols='["status", "rows"]')
    assert body["data_source"] == {"id": source["id"], "status": "ready", "rows": 2}


def test_a_repeated_request_makes_one_data_source(api: Api) -> None:
    project = made(api, "project", name="Reports")
    made(api, "program", name="Reefs")
    sent = form({"project_id": str(project)})
    sent["headers"] |= {"Idempotency-Key": "k-1"}
    first, second = (api.call("POST", f"{V2}/program/dataset", **sent) for _ in range(2))
    assert first == second
    assert api.get(f"{V2}/data_source")[1]["total_entries"] == 1


def test_what_cannot_be_made_is_told(api: Api, stranger: Api) -> None:
    project = made(api, "project", name="Reports")
    foreign = made(stranger, "project", name="Secret")
    assert "0" in wrong(api.post_form(f"{V2}/program/dataset", project_id=str(project)), "filter")
    made(api, "program", name="Reefs")
    assert str(foreign) in wrong(api.post_form(f"{V2}/program/dataset", project_id=str(foreign)), "project_id")
    wrong(api.post_form(f"{V2}/program/dataset"), "project_id")
    assert api.get(f"{V2}/data_source")[1]["total_entries"] == 0
