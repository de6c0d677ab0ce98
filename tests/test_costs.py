"""docs/operations.md states the AWS calls of every route and their units; here they are counted."""

from __future__ import annotations

import re

import pytest

from tests import costs, template

SECTION = re.compile(r"^## AWS calls per route$(?P<text>.*?)^## ", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^### (?P<title>.*)$", re.MULTILINE)
ROW = re.compile(
    r"^\| `(?P<route>[A-Z]+ /[^`]*)` \| (?P<calls>[^|]*) \| (?P<reads>[\d.]+) \| (?P<writes>\d+) \|$", re.MULTILINE
)


def stated(api: str) -> costs.Measured:
    """The rows under the API's heading; `none` is no call."""
    section = SECTION.search(costs.OPERATIONS.read_text())
    assert section
    _, *parts = HEADING.split(section["text"])
    tables = {title.lower(): text for title, text in zip(parts[::2], parts[1::2], strict=True)}
    return {
        row["route"]: costs.Cost(calls(row["calls"]), float(row["reads"]), int(row["writes"]))
        for row in ROW.finditer(tables.get(api, ""))
    }


def calls(cell: str) -> list[str]:
    return [] if cell == "none" else cell.replace("`", "").split(" + ")


@pytest.mark.parametrize("api", template.routes())
def test_every_route_is_measured_and_costs_what_operations_md_states(aws: dict[str, str], api: str) -> None:
    assert api in costs.MEASURES, f"tests/costs.py does not measure {api}"
    measured = costs.MEASURES[api](aws)
    assert set(measured) == set(template.routes()[api])
    assert stated(api) == measured
