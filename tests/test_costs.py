"""docs/operations.md states the AWS calls of every route; here they are counted."""

from __future__ import annotations

import re

from tests import costs, template

ROW = re.compile(r"\| `(?P<route>[A-Z]+ /[^`]*)` \| (?P<calls>[^|]*) \|")


def stated() -> dict[str, list[str]]:
    text = (template.ROOT / "docs/operations.md").read_text()
    calls = {row["route"]: row["calls"].replace("`", "").strip() for row in ROW.finditer(text)}
    return {route: [] if named == "none" else named.split(" + ") for route, named in calls.items()}


def test_every_route_makes_the_aws_calls_that_operations_md_states(aws: dict[str, str]) -> None:
    assert stated() == costs.measure(aws)


def test_every_route_of_the_template_is_measured(aws: dict[str, str]) -> None:
    routes = {
        f"{event['Properties']['Method']} {event['Properties']['Path']}"
        for properties in template.functions().values()
        for event in properties.get("Events", {}).values()
        if event["Type"] == "Api"
    }
    assert set(costs.measure(aws)) == routes
