"""A recipe is checked before it runs: shape, names, columns and types, and every refusal names its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fluvial import step_checks, steps
from fluvial.errors import InvalidError
from fluvial.expression_types import Call
from fluvial.expressions import parse as parse_expression
from fluvial.steps import Column, Pin

NASTY = 'a"b; DROP TABLE x'
SALES = [
    Column("id", "integer"),
    Column("country", "text"),
    Column("price", "decimal(18,2)"),
    Column("day", "date", "%d/%m/%Y"),
    Column("at", "timestamp", "%Y-%m-%dT%H:%M"),
    Column("zoned", "timestamp_tz", "%Y-%m-%dT%H:%M:%S+02:00"),
    Column("clock", "time", "%H:%M"),
    Column("ratio", "float"),
    Column("paid", "boolean", "yes/no"),
    Column(NASTY, "text"),
]
STORES = [Column("id", "integer"), Column("city", "text"), Column("rent", "decimal(18,2)")]
INPUTS = {"sales": SALES, "stores": STORES}
KNOWN = steps.by_name(SALES)


def planned(*given: dict[str, Any]) -> Any:
    """The plan of these steps; the first one reads the sales unless it says otherwise."""
    first = {"from": "sales", **given[0]}
    return step_checks.check(steps.parse({"steps": [first, *given[1:]]}), INPUTS)


def made(*given: dict[str, Any]) -> dict[str, str]:
    return {each.name: each.type for each in planned(*given).columns}


def refused(*given: dict[str, Any]) -> InvalidError:
    with pytest.raises(InvalidError) as caught:
        planned(*given)
    return caught.value


def derived(expression: str) -> str:
    return parse_expression(expression, KNOWN, field="expression").type


def no_expression(expression: str) -> InvalidError:
    with pytest.raises(InvalidError) as caught:
        parse_expression(expression, KNOWN, field="steps.0.columns.0.expression")
    assert caught.value.field == "steps.0.columns.0.expression"
    return caught.value


# One step of each kind that fits, with the columns that it makes.
KINDS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "select": ({"columns": ["id", {"column": NASTY, "as": "b"}]}, {"id": "integer", "b": "text"}),
    "rename": (
        {"columns": [{"column": "id", "as": "country"}, {"column": "country", "as": "id"}]},
        {{"id": "country", "country": "id"}.get(each.name, each.name): each.type for each in SALES},
    ),
    "filter": ({"filters": [{"column": "id", "operator": "gt", "value": 1}], "expression": "paid"}, {}),
    "derive": ({"columns": [{"as": "double", "expression": "price * 2"}]}, {"double": "decimal(19,2)"}),
    "cast": ({"columns": [{"column": "id", "type": "text"}]}, {"id": "text"}),
    "fill": ({"columns": ["price"], "value": "1.50"}, {}),
    "replace": ({"column": "country", "values": [{"from": "DE", "to": None}]}, {}),
    "split": (
        {"column": "country", "separator": "-", "into": ["c1", "c2"], "keep": True},
        {"c1": "text", "c2": "text"},
    ),
    "dedupe": ({"columns": ["id"], "keep": "last", "sort": [{"by": "day"}]}, {}),
    "sort": ({"sort": [{"by": "day", "order": "desc"}]}, {}),
    "limit": ({"limit": 3, "offset": 1}, {}),
    "sample": ({"share": 0.5, "seed": 3}, {}),
    "group": (
        {
            "group_by": [{"column": "day", "bucket": "month", "as": "month"}],
            "aggregates": [{"function": "sum", "column": "price", "as": "revenue"}],
        },
        {"month": "date", "revenue": "decimal(38,2)"},
    ),
    "pivot": (
        {"group_by": ["id"], "on": "country", "values": ["DE"], "function": "avg", "column": "price"},
        {"id": "integer", "DE": "float"},
    ),
    "unpivot": (
        {"columns": ["country", NASTY], "name_as": "name", "value_as": "value"},
        {**{each.name: each.type for each in SALES if each.type != "text"}, "name": "text", "value": "text"},
    ),
    "join": ({"with": "stores", "on": ["id"]}, {"city": "text", "rent": "decimal(18,2)"}),
    "union": ({"with": ["sales"]}, {}),
    "window": (
        {"partition_by": ["country"], "sort": [{"by": "day"}], "columns": [{"function": "rank", "as": "place"}]},
        {"place": "integer"},
    ),
}
OWN = ("select", "rename", "group", "pivot", "unpivot")  # kinds whose columns are not the input's with others behind


@pytest.mark.parametrize("kind", steps.KINDS)
def test_every_kind_of_step_makes_the_columns_that_it_says(kind: str) -> None:
    fields, new = KINDS[kind]
    before = {} if kind in OWN else {each.name: each.type for each in SALES}
    assert list(made({"step": kind, **fields}).items()) == list({**before, **new}.items())


@pytest.mark.parametrize("kind", steps.KINDS)
def test_a_recipe_is_made_of_its_own_json_again(kind: str) -> None:
    recipe = steps.parse({"steps": [{"step": kind, "from": "sales", "as": "x", **KINDS[kind][0]}]})
    again = steps.parse(recipe.to_json())
    assert again == recipe
    assert again.to_json() == recipe.to_json()


@pytest.mark.parametrize("kind", steps.KINDS)
def test_a_step_refuses_members_that_it_does_not_have(kind: str) -> None:
    error = refused({"step": kind, **KINDS[kind][0], "colunms": []})
    assert (error.field, error.value) == ("steps.0", "colunms")


@pytest.mark.parametrize(
    ("step", "field", "words"),
    [
        ({"step": "selct"}, "steps.0.step", "select, rename"),
        ({"step": "select", "columns": ["id", "prize"]}, "steps.0.columns.1", "no column 'prize'; it has: id, country"),
        ({"step": "select", "columns": ["id", {"column": "day", "as": "ID"}]}, "steps.0.columns.1", "'ID'"),
        ({"step": "select"}, "steps.0", "either 'columns' or 'except'"),
        ({"step": "select", "except": [each.name for each in SALES]}, "steps.0.except", "No column would be left"),
        ({"step": "rename", "columns": [{"column": "id", "as": "Day"}]}, "steps.0.columns.0.as", "'Day'"),
        ({"step": "filter"}, "steps.0", "'filters' or 'expression'"),
        (
            {"step": "filter", "filters": [{"column": "price", "operator": "eq", "value": "1.505"}]},
            "steps.0.filters.0.value",
            "2 after the point",
        ),
        ({"step": "filter", "expression": "price"}, "steps.0.expression", "decimal(18,2)"),
        ({"step": "derive", "columns": [{"as": "id", "expression": "1"}]}, "steps.0.columns.0.as", "'id'"),
        (
            {"step": "derive", "columns": [{"as": "x", "expression": "1", "replace": True}]},
            "steps.0.columns.0.as",
            "no column 'x'",
        ),
        ({"step": "derive", "columns": [{"as": "x", "expression": "NULL"}]}, "steps.0.columns.0.expression", "CAST("),
        ({"step": "cast", "columns": [{"column": "id", "type": "number"}]}, "steps.0.columns.0.type", "integer"),
        (
            {"step": "cast", "columns": [{"column": "id", "type": "decimal(39,2)"}]},
            "steps.0.columns.0.type",
            "up to 38",
        ),
        (
            {"step": "cast", "columns": [{"column": "day", "type": "integer"}]},
            "steps.0.columns.0.type",
            "cannot become",
        ),
        (
            {"step": "cast", "columns": [{"column": "id", "type": "date", "date_order": "dmy"}]},
            "steps.0.columns.0.type",
            "cannot become date",
        ),
        (
            {"step": "cast", "columns": [{"column": "at", "type": "date", "date_order": "dmy"}]},
            "steps.0.columns.0.date_order",
            "for texts",
        ),
        ({"step": "fill", "columns": ["price"], "value": "x"}, "steps.0.value", "digits"),
        ({"step": "fill", "columns": ["price"], "value": 10**16}, "steps.0.value", "decimal(18,2)"),
        ({"step": "fill", "columns": ["id"]}, "steps.0", "either 'value' or 'method'"),
        (
            {"step": "replace", "column": "id", "values": [{"from": 1, "to": 2}, {"from": 1, "to": 3}]},
            "steps.0.values.1.from",
            "replaced already",
        ),
        (
            {"step": "replace", "column": "id", "values": [{"from": 1, "to": "x"}]},
            "steps.0.values.0.to",
            "whole number",
        ),
        ({"step": "replace", "column": "id", "values": [{"from": 1}]}, "steps.0.values.0.to", "null"),
        ({"step": "split", "column": "id", "separator": ",", "into": ["a"]}, "steps.0.column", "integer"),
        ({"step": "split", "column": "country", "separator": ",", "into": ["day"]}, "steps.0.into.0", "'day'"),
        ({"step": "sort", "sort": [{"by": "prize"}]}, "steps.0.sort.0.by", "no column"),
        ({"step": "sort", "sort": [{"by": "id"}, {"by": "id"}]}, "steps.0.sort.1.by", "already"),
        ({"step": "limit", "limit": -1}, "steps.0.limit", "0-"),
        ({"step": "sample", "share": 1.5}, "steps.0.share", "up to 1"),
        (
            {"step": "group", "aggregates": [{"function": "sum", "column": "country", "as": "x"}]},
            "steps.0.aggregates.0.function",
            "text",
        ),
        (
            {"step": "group", "group_by": ["id"], "aggregates": [{"function": "count", "as": "ID"}]},
            "steps.0.aggregates.0.as",
            "'ID'",
        ),
        (
            {"step": "pivot", "on": "country", "values": ["DE", "DE"], "function": "count"},
            "steps.0.values.1",
            "'DE' has a column already",
        ),
        (
            {"step": "pivot", "on": "id", "values": [{"value": "DE", "as": "x"}], "function": "count"},
            "steps.0.values.0",
            "whole number",
        ),
        (
            {"step": "pivot", "on": "id", "values": [1], "function": "sum", "column": "day"},
            "steps.0.function",
            "needs numbers",
        ),
        (
            {"step": "unpivot", "columns": ["id", "price"], "name_as": "n", "value_as": "v"},
            "steps.0.columns.1",
            "'price' is decimal(18,2), 'id' integer",
        ),
        ({"step": "join", "with": "shops", "on": ["id"]}, "steps.0.with", "'shops'; there are: sales, stores"),
        (
            {"step": "join", "with": "stores", "on": [{"left": "price", "right": "id"}]},
            "steps.0.on.0",
            "'price' is decimal(18,2), 'id' integer",
        ),
        ({"step": "join", "with": "stores", "on": ["day"]}, "steps.0.on.0.right", "no column 'day'"),
        (
            {"step": "join", "with": "stores", "on": ["id"], "columns": [{"column": "city", "as": "Day"}]},
            "steps.0.columns.0",
            "'Day'",
        ),
        (
            {"step": "join", "with": "stores", "on": ["id"], "kind": "semi", "columns": []},
            "steps.0.columns",
            "left side",
        ),
        ({"step": "union", "with": ["stores"]}, "steps.0.with.0", "lacks country, price"),
        (
            {"step": "window", "columns": [{"function": "rank", "as": "r"}]},
            "steps.0.sort",
            "which rows are equal",
        ),
        ({"step": "window", "columns": [{"function": "lag", "as": "r"}]}, "steps.0.columns.0.column", "needs a column"),
        (
            {"step": "window", "columns": [{"function": "sum", "column": "country", "as": "r"}]},
            "steps.0.columns.0.function",
            "needs numbers",
        ),
        ({"step": "window", "columns": [{"function": "count", "as": "ID"}]}, "steps.0.columns.0.as", "'ID'"),
    ],
    ids=lambda value: value["step"] if isinstance(value, dict) else "",
)
def test_a_step_that_does_not_fit_is_refused_at_its_place(step: dict[str, Any], field: str, words: str) -> None:
    error = refused(step)
    assert error.field == field
    assert words in error.reason or words in str(error.constraint)


def test_a_union_of_other_types_names_the_column() -> None:
    error = refused(
        {"step": "select", "from": "stores", "columns": ["id", "city"], "as": "a"},
        {"step": "cast", "columns": [{"column": "id", "type": "text"}]},
        {"step": "union", "with": ["a"]},
    )
    assert error.field == "steps.2.with.0"
    assert error.reason == "'id' is integer there and text here: cast one of them before."


def test_columns_are_followed_through_the_steps() -> None:
    assert refused(
        {"step": "rename", "columns": [{"column": "price", "as": "amount"}]},
        {"step": "derive", "columns": [{"as": "x", "expression": "price + 1"}]},
    ).reason.startswith("The data has no column 'price'")


# ---------------------------------------------------------------- what steps read


def test_a_step_reads_what_it_names_and_else_the_step_before_it() -> None:
    plan = planned(
        {"step": "select", "columns": ["id"], "as": "ids"},
        {"step": "limit", "limit": 1},
        {"step": "join", "from": "stores", "with": "ids", "on": ["id"]},
    )
    assert [each.sources for each in plan.steps] == [("sales",), (0,), ("stores", 0)]
    assert plan.used == ["sales", "stores"]
    assert [each.name for each in plan.steps] == ["ids", "step 2", "step 3"]


def test_the_only_input_need_not_be_named_and_one_of_two_must() -> None:
    recipe = steps.parse({"steps": [{"step": "limit", "limit": 1}]})
    assert step_checks.check(recipe, {"sales": SALES}).steps[0].sources == ("sales",)
    with pytest.raises(InvalidError) as caught:
        step_checks.check(recipe, INPUTS)
    assert (caught.value.field, caught.value.constraint) == ("steps.0.from", "sales, stores")


@pytest.mark.parametrize("name", ["sales", "Sales", "ids", "IDS"])
def test_two_things_with_one_name_are_refused(name: str) -> None:
    error = refused({"step": "limit", "limit": 1, "as": "ids"}, {"step": "limit", "limit": 1, "as": name})
    assert (error.field, error.value) == ("steps.1.as", name)


def test_steps_in_a_circle_are_refused_with_the_way_round() -> None:
    error = refused(
        {"step": "union", "with": ["c"], "as": "a"},
        {"step": "limit", "limit": 1, "from": "a", "as": "b"},
        {"step": "limit", "limit": 1, "from": "b", "as": "c"},
    )
    assert error.field == "steps.0.with.0"
    assert error.reason == "The steps read each other in a circle: steps.0 → steps.2 → steps.1 → steps.0."


def test_a_step_that_reads_itself_is_a_circle() -> None:
    error = refused({"step": "limit", "limit": 1, "from": "a", "as": "a"})
    assert (error.field, "in a circle" in error.reason) == ("steps.0.from", True)


def test_a_step_that_comes_later_cannot_be_read() -> None:
    error = refused(
        {"step": "limit", "limit": 1, "from": "b"}, {"step": "limit", "limit": 1, "from": "sales", "as": "b"}
    )
    assert (error.field, "comes later" in error.reason) == ("steps.0.from", True)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "recipe"),
        ({"steps": []}, "steps"),
        ({"steps": [{}], "select": "x"}, "recipe"),
        ({"select": " "}, "select"),
        ({"select": 1}, "select"),
        ({"steps": [{"step": "limit", "limit": 1}] * (steps.MAX_STEPS + 1)}, "steps"),
        ({"steps": ["limit"]}, "steps.0"),
        (
            {
                "steps": [
                    {"step": "filter", "filters": [{"column": "a", "operator": "in", "value": ["x" * 9_000] * 20}]}
                ]
            },
            "recipe",
        ),
    ],
)
def test_what_is_no_recipe_is_refused(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        steps.parse(given)
    assert caught.value.field == field


# ---------------------------------------------------------------- executed already


def test_the_same_recipe_and_versions_are_recognised_whatever_their_spelling() -> None:
    pins = {"sales": Pin("data_1", 3), "stores": Pin("data_2", 1)}
    short = steps.parse({"steps": [{"step": "limit", "limit": 3}]})
    long = steps.parse({"steps": [{"as": None, "offset": 0, "limit": 3.0, "from": None, "step": "limit"}]})
    one, other = steps.lineage(short, pins), steps.lineage(long, dict(reversed(pins.items())))
    assert one == other
    assert one.to_json() == {
        "sha256": "d15f69b758fbc7c42e1dd4640f716d44cef95d11f5bf19e44e39eaa6cd370f23",
        "recipe_sha256": one.recipe_sha256,
        "recipe": {"steps": [{"step": "limit", "from": None, "limit": 3, "offset": 0, "as": None}]},
        "inputs": [
            {"name": "sales", "dataset": "data_1", "version": 3},
            {"name": "stores", "dataset": "data_2", "version": 1},
        ],
    }


def test_another_recipe_version_dataset_or_name_is_another_execution() -> None:
    recipe = steps.parse({"steps": [{"step": "limit", "limit": 3}]})
    other = steps.parse({"steps": [{"step": "limit", "limit": 4}]})
    pin = Pin("data_1", 3)
    found = {
        steps.lineage(recipe, {"a": pin}).sha256,
        steps.lineage(other, {"a": pin}).sha256,
        steps.lineage(recipe, {"b": pin}).sha256,
        steps.lineage(recipe, {"a": replace(pin, version=4)}).sha256,
        steps.lineage(recipe, {"a": replace(pin, dataset="data_2")}).sha256,
    }
    assert len(found) == 5


# ---------------------------------------------------------------- expressions


@pytest.mark.parametrize(
    ("expression", "type_"),
    [
        ("id + 1", "integer"),
        ("id * id % 3", "integer"),
        ("id // 2", "integer"),
        ("id / 2", "float"),
        ("ratio / 2", "float"),
        ("ratio * 1.5", "float"),
        ("-price", "decimal(18,2)"),
        ("price + price", "decimal(19,2)"),
        ("price + 1", "decimal(19,2)"),
        ("price * 1.19", "decimal(21,4)"),
        ("price * id", "decimal(37,2)"),
        ("round(price * 1.19, 2)", "decimal(20,2)"),
        ("round(price)", "decimal(17,0)"),
        ("floor(ratio)", "float"),
        ("divide(price, id, 4)", "decimal(38,4)"),
        ("CAST(price AS float) * ratio", "float"),
        ("1e3", "float"),
        ("9223372036854775808", "decimal(19,0)"),
        ("-9223372036854775808", "integer"),
        ("price > 1 AND day >= '2025-01-01' OR NOT paid", "boolean"),
        ("day BETWEEN '2025-01-01' AND DATE '2025-12-31'", "boolean"),
        ("country IN ('DE', 'FR')", "boolean"),
        ("country IS NOT DISTINCT FROM NULL", "boolean"),
        ("country NOT ILIKE 'd%'", "boolean"),
        ("CASE WHEN paid THEN 1 ELSE price END", "decimal(18,2)"),
        ("CASE country WHEN 'DE' THEN 1 WHEN 'FR' THEN 2 END", "integer"),
        ("coalesce(price, 0)", "decimal(18,2)"),
        ("coalesce(price, id)", "decimal(21,2)"),
        ("nullif(id, 0)", "integer"),
        ("if(paid, 'a', country)", "text"),
        ("country || '-' || upper(country)", "text"),
        ('length("a""b; DROP TABLE x")', "integer"),
        ("regexp_extract(country, '([A-Z])', 1)", "text"),
        ("date_trunc('month', zoned)", "date"),
        ("date_add('day', id, day)", "date"),
        ("date_add('hour', 1, zoned)", "timestamp_tz"),
        ("date_diff('day', day, '2025-01-01')", "integer"),
        ("date(at)", "date"),
        ("time(at)", "time"),
        ("hour(clock)", "integer"),
        ("make_date(year(day), 1, 1)", "date"),
        ("CAST('2025-01-01' AS date)", "date"),
        ("CAST(NULL AS decimal(9,2))", "decimal(9,2)"),
        ("CAST(country AS timestamptz)", "timestamp_tz"),
    ],
)
def test_the_type_of_an_expression_is_known_before_it_runs(expression: str, type_: str) -> None:
    assert derived(expression) == type_


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("prize + 1", "no column 'prize'; it has: id, country"),
        ("country + 1", "'+' needs numbers, not text"),
        ("day + 1", "date_add"),
        ("price * ratio", "decimal(18,2) and float do not go together"),
        ("price / 2", "divide(a, b, digits)"),
        ("divide(ratio, 2, 2)", "floats have '/'"),
        ("price = '1.505'", "2 after the point"),
        ("country = 1", "do not go together"),
        ("price = NULL", "IS NULL"),
        ("country IN ('DE', NULL)", "IS NULL"),
        ("paid < true", "truth values"),
        ("day >= 'yesterday'", "a date such as"),
        ("day > at", "date and timestamp"),
        ("NOT id", "needs conditions, not integer"),
        ("upper(id)", "needs text, not integer"),
        ("sum(price)", "group, pivot and window"),
        ("row_number() OVER ()", "not a part of the language"),
        ("getenv('HOME')", "no function 'getenv'"),
        ("read_csv('x')", "no function 'read_csv'"),
        ("now()", "no function 'now'"),
        ("current_date", "no column 'current_date'"),
        ("try_cast(country AS integer)", "the step cast"),
        ("CAST(day AS integer)", "cannot become integer"),
        ("CAST(id AS blob)", "must be one of"),
        ("round(price, id)", "must be written out"),
        ("date_trunc('hour', at)", "day, week, month"),
        ("date_add('hour', 1, day)", "the unit"),
        ("(SELECT 1)", "not a part of the language"),
        ("EXISTS (SELECT 1)", "not a part of the language"),
        ("id IN (SELECT 1)", "not a part of the language"),
        ("id IN country", "not a part of the language"),
        ("sales.id", "not a part of the language"),
        ("country[1]", "not a part of the language"),
        ("[1, 2]", "not a part of the language"),
        ("id AS x", "not a part of the language"),
        ("*", "not a part of the language"),
        ("$id", "not a part of the language"),
        ("?", "not a part of the language"),
        ("upper(DISTINCT country)", "not a part of the language"),
        ("round(price, 2) FILTER (WHERE paid)", "not a part of the language"),
        ("country COLLATE nocase", "not a part of the language"),
        ("at AT TIME ZONE 'UTC'", "not a part of the language"),
        ("country -> 'x'", "not a part of the language"),
        ("list_transform(country, lambda x: x)", "no function"),
        ("id; DROP TABLE x", "must be one expression"),
        ("", "must be one expression"),
        ("id +", "is no expression"),
        ("1e999", "64-bit float"),
        ("1" * 39, "at most 38 digits"),
        ("(" * 1_999 + "1" + ")" * 1_999, "nested too deeply"),
        ("+".join(["id"] * 100), "nested too deeply"),
        ("x" * 4_001, "at most 4000 characters"),
        ("'\0'", "NUL"),
        ("regexp_matches(country, country)", "must be written out"),
        ("lpad(country, 1000000000, 'x')", "0-10000"),
        ("divide(price, CAST(price AS decimal(38,30)), 8)", "ask for fewer"),
        ("CAST(1 AS decimal(38,30)) * CAST(1 AS decimal(38,30))", "60 digits behind the point"),
    ],
)
def test_what_is_not_in_the_language_is_refused(expression: str, words: str) -> None:
    error = no_expression(expression)
    assert words in error.reason or words in str(error.constraint)


def test_a_text_beside_a_date_is_a_date_and_one_beside_a_text_a_text() -> None:
    beside_date = parse_expression("day = '2025-01-01'", KNOWN, field="x")
    beside_text = parse_expression("country = '2025-01-01'", KNOWN, field="x")
    assert isinstance(beside_date, Call)
    assert isinstance(beside_text, Call)
    assert [each.type for each in (*beside_date.arguments, *beside_text.arguments)] == ["date", "date", "text", "text"]


@pytest.mark.parametrize(
    ("expression", "format_"),
    [
        ("day", "%d/%m/%Y"),
        ("date_add('day', 1, day)", "%d/%m/%Y"),
        ("coalesce(at, at)", "%Y-%m-%dT%H:%M"),
        ("coalesce(at, '2025-01-01T10:00:05')", "%Y-%m-%dT%H:%M:%S.%6f"),
        ("date_add('second', 1, at)", "%Y-%m-%dT%H:%M:%S.%6f"),
        ("date_add('second', 1, zoned)", "%Y-%m-%dT%H:%M:%S.%6f+02:00"),
        ("paid", "yes/no"),
        ("id > 1", None),
    ],
)
def test_a_spelling_stays_where_it_shows_all_of_the_value(expression: str, format_: str | None) -> None:
    assert parse_expression(expression, KNOWN, field="x").format == format_
