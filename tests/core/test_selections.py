"""What may be asked of rows: columns, a filter, a sort."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvial import selections
from fluvial.errors import InvalidError
from fluvial.queries import Filter, Sort
from fluvial.selections import Selection

TYPES = {"city": "text", "n": "integer", "a, b": "text", 'say "so"': "text", "-x": "integer"}
BONN = '[{"column": "city", "operator": "eq", "value": "Bonn"}]'


def test_a_selection_is_read_from_query_parameters() -> None:
    assert selections.of_text('city,"a, b","say ""so"""', BONN, '-city,n,-"a, b","-x"') == Selection(
        ("city", "a, b", 'say "so"'),
        (Filter("city", "eq", "Bonn"),),
        (Sort("city", True), Sort("n"), Sort("a, b", True), Sort("-x")),
    )
    assert selections.of_text("-x", None, None).columns == ("-x",)
    assert selections.of_text(None, None, None) == selections.EVERYTHING


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=5, unique=True))
def test_any_names_can_be_written_in_quotes(names: list[str]) -> None:
    quoted = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    assert selections.of_text(quoted, None, None).columns == tuple(names)
    assert [each.by for each in selections.of_text(None, None, quoted).sort[:10]] == names


def test_a_selection_survives_its_json() -> None:
    selection = Selection(("n",), (Filter("city", "in", ["Bonn"]), Filter("n", "is_null")), (Sort("n", True),))
    assert selections.parse(json.loads(json.dumps(selection.to_json()))) == selection
    assert selections.parse({}) == selections.EVERYTHING


@pytest.mark.parametrize(
    ("columns", "filter", "sort", "field", "reason"),
    [
        ("", None, None, "columns", "'columns' must be names with commas"),
        ("a,,b", None, None, "columns", "'columns' must be names with commas"),
        ('"a', None, None, "columns", "'columns' must be names with commas"),
        ("n,n", None, None, "columns", "'columns' names 'n' twice."),
        (None, "city=Bonn", None, "filter", "'filter' must be a list as JSON text"),
        (None, "[" * 100_000, None, "filter", "'filter' must be a list as JSON text"),
        (None, '{"column": "city"}', None, "filter", "'filter' must be a list."),
        (None, '[{"column": "n", "operator": "eq", "value": 1.00000000000000001}]', None, "filter", "more digits"),
        (None, '[{"column": "n", "operator": "eq", "value": NaN}]', None, "filter", "NaN is no number of JSON"),
        (None, '[{"column": "n", "operator": "like", "value": 1}]', None, "filter.0.operator", "must be one of"),
        (None, None, "n,-n", "sort.1", "The rows are sorted by 'n' already."),
        (None, None, ",".join(map(str, range(11))), "sort", "'sort' must have at most 10 entries, not 11."),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    columns: str | None, filter: str | None, sort: str | None, field: str, reason: str
) -> None:
    with pytest.raises(InvalidError) as refused:
        selections.of_text(columns, filter, sort)
    assert (refused.value.field, reason in str(refused.value)) == (field, True), str(refused.value)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"columns": ["nope"]}, "columns.0"),
        ({"filter": [{"column": "nope", "operator": "is_null"}]}, "filter.0.column"),
        ({"sort": [{"column": "nope"}]}, "sort.0"),
    ],
)
def test_an_unknown_column_is_refused_with_those_that_there_are(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as refused:
        selections.check(selections.parse(given), TYPES)
    known = 'city, n, a, b, say "so", -x'
    assert (refused.value.field, str(refused.value)) == (field, f"The data has no column 'nope'; it has: {known}.")


def test_a_value_of_another_type_than_the_column_is_refused() -> None:
    selection = selections.parse({"filter": [{"column": "n", "operator": "eq", "value": "one"}]})
    with pytest.raises(InvalidError) as refused:
        selections.check(selection, TYPES)
    assert refused.value.field == "filter.0.value"


@pytest.mark.parametrize(
    "given",
    [{"columns": "n"}, {"columns": []}, {"columns": [1]}, {"sort": ["n"]}, {"sort": [{"column": "n", "by": 1}]}],
)
def test_json_of_another_shape_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        selections.parse(given)
