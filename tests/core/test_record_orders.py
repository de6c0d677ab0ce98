"""The order of lists: all forms in which callers send it, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from fluvial import record_catalogue, record_orders
from fluvial.errors import InvalidError


@pytest.mark.parametrize(
    ("sort", "attribute", "order", "expected"),
    [
        (None, None, None, []),
        ([], None, None, []),
        ("", "", "", []),
        (["id", "asc"], None, None, [("id", False)]),
        ([["id", "desc"], ["project_title", "asc"]], None, None, [("id", True), ("project_title", False)]),
        ([["id", "DESC"]], None, None, [("id", True)]),
        (["project_title"], None, None, [("project_title", False)]),
        ("project_title", None, None, [("project_title", False)]),
        (None, "project_title", "asc", [("project_title", False)]),
        (None, "project_title", None, [("project_title", False)]),
        (None, "updated_at", "desc", [("updated_at", True)]),
        (["id", "asc"], "updated_at", "desc", [("id", False)]),
        (["program", "asc"], None, None, [("program_id", False)]),
    ],
)
def test_an_order_is_read_in_all_forms(sort: Any, attribute: Any, order: Any, expected: list[tuple[str, bool]]) -> None:
    found = record_orders.parse_order(sort, attribute, order, record_catalogue.model("grant_request"))
    assert [(each.name, descending) for each, descending in found] == expected


@pytest.mark.parametrize(
    ("sort", "attribute", "order", "place", "reason"),
    [
        (["nope", "asc"], None, None, "sort.0", 'grant_request has no field "nope"; it has: id,'),
        ([["id", "up"]], None, None, "sort.0", "The order of 'id' must be one of asc, desc, not \"up\"."),
        (["id", "project_title"], None, None, "sort.0", "must be one of asc, desc"),
        (["id", 1], None, None, "sort.0", "must be one of asc, desc, not 1."),
        ([["id", "asc", "x"]], None, None, "sort.0", '\'sort.0\' must be ["field", "asc"] or ["field", "desc"]'),
        ([["id", "asc"], "name"], None, None, "sort.1", "'sort.1' must be"),
        ([[]], None, None, "sort.0", "'sort.0' must be"),
        ([["id", "asc"], ["id", "desc"]], None, None, "sort", "'sort' names 'id' twice."),
        ([["id", "asc"]] * 11, None, None, "sort", "'sort' must have at most 10 fields, not 11."),
        ({"id": "asc"}, None, None, "sort.0", "grant_request has no field an object"),
        (["notes", "asc"], None, None, "sort.0", "cannot be sorted by 'notes', which has many values"),
        (None, "nope", "asc", "sort_attribute", 'grant_request has no field "nope"'),
        (None, "id", "up", "sort_order", "must be one of asc, desc"),
    ],
)
def test_an_order_that_there_is_not_is_refused(sort: Any, attribute: Any, order: Any, place: str, reason: str) -> None:
    with pytest.raises(InvalidError, match=re.escape(reason)) as caught:
        record_orders.parse_order(sort, attribute, order, record_catalogue.model("grant_request"))
    assert caught.value.field == place
