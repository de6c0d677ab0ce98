"""docs/operations.md states the AWS calls of every route; here they are counted."""

from __future__ import annotations

import re

import pytest

from tests import costs, template

SECTION = re.compile(r"^## AWS calls per route$(?P<text>.*?)^## ", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^### (?P<title>.*)$", re.MULTILINE)
ROW = re.compile(r"^\| `(?P<route>[A-Z]+ /[^`]*)` \| (?P<calls>[^|]*) \|$", re.MULTILINE)


def stated(api: str) -> costs.Measured:
    """The rows under the API's heading; `none` is no call."""
    section = SECTION.search((template.ROOT / "docs/operations.md").read_text())
    assert section
    _, *parts = HEADING.split(section["text"])
    tables = {title.lower(): text for title, text in zip(parts[::2], parts[1::2], strict=True)}
    calls = {row["route"]: row["calls"].replace("`", "") for row in ROW.finditer(tables.get(api, ""))}
    return {route: [] if named == "none" else named.split(" + ") for route, named in calls.items()}


def routes() -> dict[str, set[str]]:
    """The routes of the template by API."""
    found: dict[str, set[str]] = {}
    for properties in template.functions().values():
        for event in properties.get("Events", {}).values():
            if event["Type"] == "Api":
                route = f"{event['Properties']['Method']} {event['Properties']['Path']}"
                found.setdefault(properties["Handler"].split(".")[0], set()).add(route)
    return found


@pytest.mark.parametrize("api", routes())
def test_every_route_is_measured_and_makes_the_aws_calls_that_operations_md_states(
    aws: dict[str, str], api: str
) -> None:
    assert api in costs.MEASURES, f"tests/costs.py does not measure {api}"
    measured = costs.MEASURES[api](aws)
    assert set(measured) == routes()[api]
    assert stated(api) == measured
