"""The last step of the tour: a report over the data, asked of the Flarelight API as any client would."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from local import show
from local.calls import send
from local.state import LocalError, Stack

TIMEOUT_SECONDS = 120
POLL_SECONDS = 0.2
SAMPLE_COLUMNS = ["zip_code", "latitude", "longitude", "city", "state", "county"]
CHARTS = 3  # of a file of the user's own
LARGEST = 10  # values in each of them
LONGEST_NAME = 100  # of columns


def generate(running: Stack, account: Mapping[str, str], dataset: dict[str, Any]) -> list[str]:
    """Have a report made of the data; returns the addresses of its page and its PDF."""
    began = time.monotonic()
    api = _Flarelight(running.base_url("flarelight"), account)
    # The only one, and the newest if there were others.
    source = api.call("GET", "/Import/All")[0]["id"]
    report = api.call("POST", "/Report", definition(dataset, source))
    started = api.call("POST", f"/Report/{report['id']}/Generate")
    show.progress("generating a report …")
    while (job := api.call("GET", f"/Job/{started['jobId']}"))["status"] in ("queued", "running"):
        if time.monotonic() - began > TIMEOUT_SECONDS:
            raise LocalError(f"the report is not there after {TIMEOUT_SECONDS} s: its job is {job['status']}")
        time.sleep(POLL_SECONDS)
    if job["status"] != "succeeded":
        raise LocalError(f"the report could not be generated: {job['error']}")
    made = api.call("GET", f"/Report/Generated/{started['generatedReportId']}")
    show.step(f"Flarelight {made['name']}: {', '.join(file['path'] for file in made['files'])}", began)
    return [file["url"] for file in made["files"] if file["path"] in ("report.html", "report.pdf")]


class _Flarelight:
    """The API with one key; every answer has its data in an envelope."""

    def __init__(self, base_url: str, account: Mapping[str, str]) -> None:
        self._base_url = base_url
        self._headers = {
            "X-Api-Key": account["api_key"],
            "X-Subscription-Id": account["subscription_id"],
            "Content-Type": "application/json",
        }

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        sent = None if method == "GET" else json.dumps(body or {}).encode()
        return send(method, self._base_url + path, self._headers, sent).json()["data"]


def definition(dataset: dict[str, Any], source: str) -> dict[str, Any]:
    """A report over an import: one made for the sample, or what can be said of any table."""
    columns = [column["name"] for column in dataset["columns"]]
    if columns == SAMPLE_COLUMNS:
        return _of_sample(source)
    return _of_any(dataset, columns, source)


def _of_sample(source: str) -> dict[str, Any]:
    counted = [
        {"function": "count", "as": "rows"},
        {"function": "count_distinct", "column": "city", "as": "cities"},
        {"function": "count_distinct", "column": "county", "as": "counties"},
        {"function": "count_distinct", "column": "state", "as": "states"},
    ]
    figures = [
        {"type": "keyFigure", "label": label, "importId": source, "query": {"aggregates": counted}, "value": value}
        for label, value in (
            ("Postal codes", "rows"),
            ("Names of cities", "cities"),
            ("Names of counties", "counties"),
            ("States and areas", "states"),
        )
    ]
    mainland = [
        {"column": "longitude", "operator": "gt", "value": -130},
        {"column": "longitude", "operator": "lt", "value": -66},
        {"column": "latitude", "operator": "gt", "value": 24},
    ]
    middle = [
        {"function": "avg", "column": "longitude", "as": "Longitude"},
        {"function": "avg", "column": "latitude", "as": "Latitude"},
    ]
    by_state = {
        "groupBy": ["state"],
        "aggregates": [
            *counted[:3],
            {"function": "min", "column": "zip_code", "as": "first"},
            {"function": "max", "column": "zip_code", "as": "last"},
        ],
        "sort": [{"by": "rows", "order": "desc"}],
    }
    return {
        "name": "Postal codes of the United States",
        "subtitle": "Where they are, and how they are spread over states and cities",
        "sections": [
            {
                "type": "text",
                "text": "The United States Postal Service divides the country into **postal codes** of five digits, "
                "from *00501* in Holtsville, New York, to *99950* in Ketchikan, Alaska. They follow the mail and not "
                "the land: where people live close together, so do they.",
            },
            *({**figure, "format": {}} for figure in figures),
            {
                "type": "chart",
                "title": "The middle of each county's postal codes",
                "caption": "One dot for each county of the mainland, at the mean position of its postal codes.",
                "importId": source,
                "query": {"filters": mainland, "groupBy": ["state", "county"], "aggregates": middle},
                "chart": {
                    "type": "scatter",
                    "measures": ["Longitude", "Latitude"],
                    "xFormat": {"decimals": 0},
                    "format": {"decimals": 0},
                },
            },
            {
                "type": "chart",
                "title": "Postal codes by state",
                "importId": source,
                "width": "half",
                "chartQuery": {
                    "dimension": "state",
                    "measures": [{"aggregation": "count", "as": "Postal codes"}],
                    "sort": {"by": "Postal codes", "order": "desc"},
                    "limit": 12,
                },
                "chart": {"type": "bar", "horizontal": True, "labels": True, "format": {}},
            },
            {
                "type": "chart",
                "title": "Names that most cities have",
                "importId": source,
                "width": "half",
                "chartQuery": {
                    "dimension": "city",
                    "measures": [{"aggregation": "distinct", "column": "state", "as": "States with such a city"}],
                    "sort": {"by": "States with such a city", "order": "desc"},
                    "limit": 12,
                },
                "chart": {"type": "bar", "horizontal": True, "labels": True, "format": {}},
            },
            {
                "type": "table",
                "title": "States and areas",
                "caption": "Names are counted once in each state.",
                "importId": source,
                "query": by_state,
                "columns": [
                    {"column": "state", "label": "State"},
                    {"column": "rows", "label": "Postal codes", "format": {}},
                    {"column": "cities", "label": "Cities", "format": {}},
                    {"column": "counties", "label": "Counties", "format": {}},
                    {"column": "first", "label": "First code"},
                    {"column": "last", "label": "Last code"},
                ],
                "showRows": 15,
            },
        ],
    }


def _of_any(dataset: dict[str, Any], columns: list[str], source: str) -> dict[str, Any]:
    # Names that a heading can have.
    shown = [name for name in columns if name.strip() and name.isprintable() and len(name) <= LONGEST_NAME][:CHARTS]
    rows = next(name for name in ("Rows", "Number of rows", "How many rows there are") if name not in columns)
    count = {"function": "count", "as": rows}
    distinct = [{"function": "count_distinct", "column": name, "as": f"Values of {name}"} for name in shown]
    counted = {"aggregates": [count, *distinct]}
    figures = [
        {"type": "keyFigure", "importId": source, "query": counted, "value": each["as"], "format": {}}
        for each in counted["aggregates"]
    ]
    charts = [
        {
            "type": "chart",
            "title": f"Rows by {name}",
            "importId": source,
            "chartQuery": {
                "dimension": name,
                "measures": [{"aggregation": "count", "as": rows}],
                "sort": {"by": rows, "order": "desc"},
                "limit": LARGEST,
            },
            "chart": {"type": "bar", "horizontal": True, "labels": True, "format": {}},
        }
        for name in shown
    ]
    tables = [
        {
            "type": "table",
            "title": f"The commonest values of {name}",
            "importId": source,
            "query": {
                "groupBy": [name],
                "aggregates": [count],
                "sort": [{"by": rows, "order": "desc"}, {"by": name}],
                "limit": 1_000,
            },
            "showRows": 15,
        }
        for name in shown[:1]
    ]
    return {"name": dataset["filename"][:LONGEST_NAME], "sections": [*figures, *charts, *tables]}
