"""Definitions of reports: what is taken, and that a refusal names the place, the value and what is allowed."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any

import pytest

from fluvial import number_formats, report_parameters, report_sections
from fluvial.chart_queries import ChartQuery
from fluvial.errors import InvalidError
from fluvial.number_formats import NumberFormat, spelled
from fluvial.queries import Query
from fluvial.report_sections import ChartSection, Source, TableSection
from tests.core import report_sample

QUERY = {"group_by": ["region"], "aggregates": [{"function": "sum", "column": "price", "as": "revenue"}]}
FIGURE = {"aggregates": [{"function": "sum", "column": "price", "as": "revenue"}]}


def with_section(section: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"title": "A report", "sections": [section], **more}


def chart(**fields: Any) -> dict[str, Any]:
    given = {"type": "bar", "dimension": "region", "measures": ["revenue"], **fields}
    return {"type": "chart", "dataset": "data_1", "query": QUERY, "chart": given}


def table(**fields: Any) -> dict[str, Any]:
    return {"type": "table", "dataset": "data_1", "query": QUERY, **fields}


def figure(**fields: Any) -> dict[str, Any]:
    return {"type": "key_figure", "dataset": "data_1", "query": FIGURE, "value": "revenue", **fields}


def test_a_definition_is_what_parse_makes_of_its_own_json() -> None:
    definition = report_sections.parse(report_sample.DEFINITION)
    again = report_sections.parse(json.loads(json.dumps(definition.given)))
    assert again == definition
    assert definition.sources == (Source("dataset", report_sample.ORDERS),)
    assert again.with_values() == definition.with_values()


def test_sections_that_ask_the_same_share_a_question() -> None:
    report = report_sample.report()
    assert sum(type(each).__name__ == "KeyFigure" for each in report.sections) == 4
    assert len(report.questions()) == 5


def test_values_of_parameters_reach_titles_and_filters() -> None:
    report = report_sections.parse(report_sample.DEFINITION).with_values({"since": "2025-01-01"})
    assert report.title == "Sales since 2025-01-01"
    [*_, last] = report.sections
    assert isinstance(last, TableSection)
    assert isinstance(last.question.query, Query)
    assert last.question.query.filters[0].value == "2025-01-01"


def test_a_parameter_in_a_list_of_values_is_one_of_them() -> None:
    query = {**QUERY, "filters": [{"column": "region", "operator": "in", "value": ["North", {"parameter": "also"}]}]}
    given = with_section(table() | {"query": query}, parameters=[{"name": "also", "type": "text"}])
    [section] = report_sections.parse(given).with_values({"also": "South"}).sections
    assert isinstance(section, TableSection)
    assert isinstance(section.question.query, Query)
    assert section.question.query.filters[0].value == ["North", "South"]


def test_a_chart_may_ask_as_chart_data_does() -> None:
    asked = {"dimension": "region", "measures": [{"aggregation": "sum", "column": "price"}], "limit": 5}
    section = {"type": "chart", "dataset": "data_1", "chart_query": asked, "chart": {"type": "donut"}}
    definition = report_sections.parse(with_section(section))
    [found] = definition.with_values().sections
    assert isinstance(found, ChartSection)
    assert isinstance(found.question.query, ChartQuery)
    assert (found.chart.dimension, found.chart.measures) == ("region", ("sum(price)",))
    report_sections.check(definition.with_values(), {Source("dataset", "data_1"): report_sample.TYPES})


REFUSED: list[tuple[object, str, str | None]] = [
    ([], "definition", None),
    ({"title": "x", "sections": [], "x": 1}, "definition", "title, subtitle, language, parameters, sections"),
    ({"sections": [{"type": "text", "text": "x"}]}, "title", "1-200 characters"),
    ({"title": "x"}, "sections", "1-100 sections"),
    (with_section({"type": "text", "text": "x"}, language="xx"), "language", "en, de"),
    (with_section({"type": "text", "text": "x"}, title="a\nb"), "title", "1-200 characters"),
    (with_section({"type": "text", "text": "{{nobody}}"}), "sections.0.text", "there are no parameters"),
    (with_section({"type": "html"}), "sections.0.type", "text, key_figure, chart, table"),
    (with_section({"type": "text", "text": " "}), "sections.0.text", None),
    (with_section(table(preparation="prep_1")), "sections.0", "dataset or preparation"),
    (with_section(table(dataset=["x"])), "sections.0.dataset", None),
    (with_section(table(show_rows=0)), "sections.0.show_rows", "1-1000"),
    (with_section(table(title="")), "sections.0.title", "1-200 characters"),
    (with_section(chart() | {"title": "\u200b "}), "sections.0.title", "1-200 characters"),
    (with_section(table(query={})), "sections.0.query", None),
    (with_section(table(columns=[{"column": "x"}])), "sections.0.columns.0.column", "region, revenue"),
    (with_section(table(columns=[{"column": "region"}] * 2)), "sections.0.columns.1.column", None),
    (with_section(figure(query=QUERY)), "sections.0.query.group_by", None),
    (with_section(figure(value="x")), "sections.0.value", "revenue"),
    (with_section(figure(format={"decimals": 11})), "sections.0.format.decimals", "0-10"),
    (with_section(figure(format={"suffix": "x" * 11})), "sections.0.format.suffix", "at most 10 characters"),
    (with_section(figure(format={"prefix": "\n"})), "sections.0.format.prefix", None),
    (with_section(figure(format={"percent": True, "compact": True})), "sections.0.format.compact", None),
    (with_section(chart(type="vega")), "sections.0.chart.type", "bar, line, area, pie, donut, scatter"),
    (with_section(chart(dimension="x")), "sections.0.chart.dimension", "region, revenue"),
    (with_section(chart(dimension=None)), "sections.0.chart.dimension", None),
    (with_section(chart(measures=[])), "sections.0.chart.measures", "1-8 columns"),
    (with_section(chart(measures=["region"])), "sections.0.chart.measures.0", None),
    (with_section(chart(type="scatter")), "sections.0.chart.dimension", None),
    (with_section(chart(type="scatter", dimension=None)), "sections.0.chart.measures", "2 measures"),
    (with_section(chart(type="line", arrangement="stacked")), "sections.0.chart.arrangement", None),
    (with_section(chart(type="pie", horizontal=True)), "sections.0.chart.horizontal", None),
    (with_section(chart(spec={"mark": "bar"})), "sections.0.chart", None),
    (with_section(chart(sort={"by": "size"})), "sections.0.chart.sort.by", "query, dimension, value"),
    (with_section(chart() | {"width": "third"}), "sections.0.width", "full, half"),
    (with_section(chart() | {"chart_query": {}}), "sections.0.query", None),
]


@pytest.mark.parametrize(("given", "field", "constraint"), REFUSED, ids=[field for _, field, _ in REFUSED])
def test_a_refusal_names_the_place_and_what_is_allowed(given: object, field: str, constraint: str | None) -> None:
    with pytest.raises(InvalidError) as caught:
        report_sections.parse(given)
    assert caught.value.field == field
    if constraint is not None:
        assert caught.value.constraint == constraint


def test_a_definition_that_fits_into_no_item_is_refused() -> None:
    text = {"type": "text", "text": "x" * 20_000}
    with pytest.raises(InvalidError, match="at most 262144 bytes"):
        report_sections.parse({"title": "x", "sections": [text] * 14})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"column": "nothing"}, "sections.0.query.aggregates.0.column"),
        ({"column": "region", "function": "min"}, "sections.0.chart.measures.0"),
    ],
)
def test_columns_are_checked_once_the_source_is_known(change: dict[str, str], field: str) -> None:
    given = copy.deepcopy(with_section(chart()))
    given["sections"][0]["query"]["aggregates"][0].update(change)
    report = report_sections.parse(given).with_values()
    with pytest.raises(InvalidError) as caught:
        report_sections.check(report, {Source("dataset", "data_1"): report_sample.TYPES})
    assert caught.value.field == field


def test_the_sample_fits_its_source() -> None:
    report_sections.check(report_sample.report(), {Source("dataset", report_sample.ORDERS): report_sample.TYPES})


def test_only_numbers_have_formats() -> None:
    given = with_section(table(columns=[{"column": "region", "format": {}}]))
    with pytest.raises(InvalidError, match="Only numbers have a format") as caught:
        report_sections.check(
            report_sections.parse(given).with_values(), {Source("dataset", "data_1"): report_sample.TYPES}
        )
    assert caught.value.field == "sections.0.columns.0.format"


PARAMETERS = [
    {"name": "country", "type": "text", "values": ["DE", "FR"]},
    {"name": "least", "type": "integer", "default": 5},
    {"name": "share", "type": "number", "default": 0.5},
    {"name": "open", "type": "boolean", "default": False},
]


def test_parameters_have_their_defaults_unless_they_are_given() -> None:
    parameters = report_parameters.parse(PARAMETERS)
    found = report_parameters.chosen(parameters, {"country": "FR", "least": "9"})
    assert found == {"country": "FR", "least": 9, "share": 0.5, "open": False}
    assert report_parameters.filled("{{country}} {{ open }} {{x", found) == "FR false {{x"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "parameters.country"),
        ({"country": "IT"}, "parameters.country"),
        ({"country": "DE", "least": 2**63}, "parameters.least"),
        ({"country": "DE", "share": float("nan")}, "parameters.share"),
        ({"country": "DE", "share": True}, "parameters.share"),
        ({"country": "DE", "open": "yes"}, "parameters.open"),
        ({"country": "DE", "other": 1}, "parameters.other"),
    ],
)
def test_a_value_that_a_parameter_cannot_have_is_refused(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        report_parameters.chosen(report_parameters.parse(PARAMETERS), given)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([{"name": "A", "type": "text"}], "parameters.0.name"),
        ([{"name": "a", "type": "sql"}], "parameters.0.type"),
        ([{"name": "a", "type": "date", "default": "2025-02-30"}], "parameters.0.default"),
        ([{"name": "a", "type": "text", "values": [1]}], "parameters.0.values.0"),
        ([{"name": "a", "type": "text", "default": "x", "values": ["y"]}], "parameters.0.default"),
        ([{"name": "a", "type": "text"}] * 2, "parameters.1.name"),
    ],
)
def test_a_parameter_that_means_nothing_is_refused(given: object, field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        report_parameters.parse(given)
    assert caught.value.field == field


def test_a_parameter_takes_the_place_of_a_value_and_of_nothing_else() -> None:
    query = {**QUERY, "filters": [{"column": {"parameter": "a"}, "operator": "eq", "value": "x"}]}
    given = with_section(table() | {"query": query}, parameters=[{"name": "a", "type": "text"}])
    with pytest.raises(InvalidError) as caught:
        report_sections.parse(given)
    assert caught.value.field == "sections.0.query.filters.0.column"


@pytest.mark.parametrize(
    ("value", "format", "en", "de"),
    [
        (2**63 - 1, NumberFormat(grouping=False), "9223372036854775807", "9223372036854775807"),
        (-(2**63), NumberFormat(), "−9,223,372,036,854,775,808", "−9.223.372.036.854.775.808"),
        (Decimal("9" * 36 + ".99"), NumberFormat(grouping=False), "9" * 36 + ".99", "9" * 36 + ",99"),
        (0.1 + 0.2, NumberFormat(grouping=False), "0.30000000000000004", "0,30000000000000004"),
        (3.0, NumberFormat(grouping=False), "3", "3"),
        (float("inf"), NumberFormat(), "Infinity", "Infinity"),
        (Decimal("2.345"), NumberFormat(decimals=2, suffix=" €"), "2.35\u00a0€", "2,35\u00a0€"),
        (Decimal("-2.345"), NumberFormat(decimals=2), "−2.35", "−2,35"),
        (-0.001, NumberFormat(decimals=1), "0.0", "0,0"),
        (0.1255, NumberFormat(decimals=1, percent=True), "12.6%", "12,6\u00a0%"),
        (999, NumberFormat(compact=True), "999", "999"),
        (999_999, NumberFormat(compact=True), "1M", "1\u00a0Mio."),
        (1_250_000, NumberFormat(compact=True, decimals=2), "1.25M", "1,25\u00a0Mio."),
        (-1234.5, NumberFormat(decimals=2, prefix="$"), "−$1,234.50", "−$1.234,50"),
    ],
)
def test_a_number_is_spelled_exactly_or_as_its_format_says(value: Any, format: NumberFormat, en: str, de: str) -> None:
    assert spelled(value, format, "en") == en
    assert spelled(value, format, "de") == de


def test_the_format_of_a_worksheet_takes_affixes_for_text() -> None:
    assert number_formats.excel(NumberFormat(decimals=2, suffix='"@0'), 2) == '#,##0.00\\"\\@\\0'
    assert number_formats.excel(NumberFormat(percent=True, decimals=1), None) == "#,##0.0%"
    assert number_formats.excel(NumberFormat(compact=True), 0) == "#,##0"
