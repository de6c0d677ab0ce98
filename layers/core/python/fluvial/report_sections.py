"""What a report is made of: its definition, parsed and checked. Plain rules, without an engine.

    {"title": "Sales in {{country}}", "subtitle": null, "language": "en",
     "parameters": [{"name": "country", "type": "text", "default": "DE"}],
     "sections": [
       {"type": "text", "text": "## Summary\\n\\nMarkdown, with **{{country}}**."},
       {"type": "key_figure", "label": "Revenue", "dataset": "data_…", "query": {…}, "value": "revenue",
        "compare_with": "last_year", "format": {…}, "note": "net"},
       {"type": "chart", "title": "By month", "caption": null, "dataset": "data_…", "query": {…}, "chart": {…},
        "width": "full"},
       {"type": "chart", "dataset": "data_…", "chart_query": {…}, "chart": {"type": "area"}},
       {"type": "table", "title": "By shop", "caption": null, "preparation": "prep_…", "query": {…},
        "columns": [{"column": "revenue", "label": "Revenue", "format": {…}}], "show_rows": 50}]}

`query` is one of `queries`; a chart may have one of `chart_queries` instead, with time zones, filled gaps and a rest.
The shape is checked when a definition is given (`parse`), with sample values for its parameters; columns and their
types once those of the sources are known (`check`). A source's id is kept as it is spelled: whose it is, and whether
it exists, is for whoever looks it up. Every refusal names the place, such as `sections.2.query.filters.0.column`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fluvial import chart_queries, number_formats, queries, report_charts, report_parameters
from fluvial.chart_queries import ChartQuery
from fluvial.errors import InvalidError
from fluvial.number_formats import NumberFormat
from fluvial.plain_json import fields_of, name_of, one_of, shown, whole_of
from fluvial.queries import Query
from fluvial.report_charts import Chart
from fluvial.report_parameters import Parameter, Value
from fluvial.text import checked_line, checked_text

MAX_SECTIONS = 100
MAX_TITLE_LENGTH = 200
MAX_CAPTION_LENGTH = 500
MAX_MARKDOWN_LENGTH = 20_000
MAX_ID_LENGTH = 64
MAX_SHOWN_ROWS = 1_000  # of one table, on pages; files have all
DEFAULT_SHOWN_ROWS = 50
MAX_DEFINITION_BYTES = 256 * 1024  # it has to fit into one item
SOURCES = ("dataset", "preparation")
WIDTHS = ("full", "half")
FIELDS = ("title", "subtitle", "language", "parameters", "sections")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a query's rows come from: a dataset, or the result of a preparation."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Question:
    """What has to be computed for a section. Sections that ask the same share the answer: `key` is the same."""

    source: Source
    query: Query | ChartQuery

    @property
    def key(self) -> str:
        text = json.dumps([self.source.kind, self.source.id, self.query.to_json()], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Text:
    """Markdown; `values` go into its plain text when it is drawn, so that none is read as Markdown."""

    text: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One number of a query's only row, and the change from another of its numbers."""

    label: str
    question: Question
    value: str
    compare_with: str | None
    format: NumberFormat | None
    note: str | None


@dataclass(frozen=True, slots=True)
class ChartSection:
    """A drawing of a query's result; two of half the width that follow each other stand side by side."""

    title: str | None
    caption: str | None
    question: Question
    chart: Chart
    width: str


@dataclass(frozen=True, slots=True)
class ShownColumn:
    """A column of a table, as it is called there."""

    column: str
    label: str
    format: NumberFormat | None


@dataclass(frozen=True, slots=True)
class TableSection:
    """Rows of a query's result; `columns` has those that are shown, in order."""

    title: str | None
    caption: str | None
    question: Question
    columns: tuple[ShownColumn, ...]
    show_rows: int


Section = Text | KeyFigure | ChartSection | TableSection


@dataclass(frozen=True, slots=True)
class Report:
    """A definition with values for its parameters: what is computed and drawn. `given` is the definition's JSON."""

    given: Mapping[str, Any]
    title: str
    subtitle: str | None
    language: str
    values: tuple[tuple[Parameter, Value], ...]
    sections: tuple[Section, ...]

    def questions(self) -> dict[str, Question]:
        """What has to be computed, each once, by key."""
        return {each.question.key: each.question for each in self.sections if not isinstance(each, Text)}


@dataclass(frozen=True, slots=True)
class Definition:
    """A checked definition. `given` is its JSON, as it is stored; `parse` makes an equal one of it."""

    given: dict[str, Any]
    parameters: tuple[Parameter, ...]
    sources: tuple[Source, ...] = field(default=())

    def with_values(self, given: Mapping[str, Any] | None = None) -> Report:
        """The report for these values; InvalidError for one that is not allowed or lacks."""
        return _report(self.given, self.parameters, report_parameters.chosen(self.parameters, given or {}))


def parse(given: object) -> Definition:
    """The definition that plain JSON values describe; InvalidError where they describe none."""
    fields = fields_of("definition", given, FIELDS)
    size = len(json.dumps(fields, ensure_ascii=False).encode(errors="surrogatepass"))
    if size > MAX_DEFINITION_BYTES:
        reason = f"A report's definition must take at most {MAX_DEFINITION_BYTES} bytes as JSON, not {size}."
        raise InvalidError("definition", reason, constraint=f"at most {MAX_DEFINITION_BYTES} bytes")
    parameters = report_parameters.parse(fields.get("parameters"))
    report = _report(fields, parameters, {each.name: each.sample for each in parameters})
    sources = tuple(dict.fromkeys(each.source for each in report.questions().values()))
    return Definition(dict(report.given), parameters, sources)


def check(report: Report, types: Mapping[Source, Mapping[str, str]]) -> None:
    """InvalidError where a section does not fit its source, whose columns' types are given by name.

    Sections of a source that has no types yet are not looked at.
    """
    for at, section in enumerate(report.sections):
        if isinstance(section, Text) or section.question.source not in types:
            continue
        of_source = types[section.question.source]
        found = _result_types(section.question.query, of_source, f"sections.{at}")
        match section:
            case KeyFigure():
                _check_figure(section, found, f"sections.{at}")
            case ChartSection():
                report_charts.check(section.chart, found, field=f"sections.{at}.chart")
            case TableSection():
                _check_formats(section, found, f"sections.{at}")


def _report(given: Mapping[str, Any], parameters: tuple[Parameter, ...], values: Mapping[str, Value]) -> Report:
    language = given.get("language")
    sections = given.get("sections")
    if not isinstance(sections, list | tuple) or not 0 < len(sections) <= MAX_SECTIONS:
        allowed = f"1-{MAX_SECTIONS} sections"
        raise InvalidError("sections", f"'sections' must be a list of {allowed}.", constraint=allowed)
    title = _line("title", given.get("title"), MAX_TITLE_LENGTH, values)
    if title is None:
        raise InvalidError("title", "A report needs a title.", constraint=f"1-{MAX_TITLE_LENGTH} characters")
    return Report(
        given={name: given.get(name) for name in FIELDS},
        title=title,
        subtitle=_line("subtitle", given.get("subtitle"), MAX_CAPTION_LENGTH, values),
        language="en" if language is None else one_of("language", language, number_formats.LANGUAGES),
        values=tuple((each, values[each.name]) for each in parameters),
        sections=tuple(_section(f"sections.{at}", each, values) for at, each in enumerate(sections)),
    )


def _section(place: str, given: object, values: Mapping[str, Value]) -> Section:
    if not isinstance(given, Mapping):
        raise InvalidError(place, f"'{place}' must be an object.")
    return _SECTIONS[one_of(f"{place}.type", given.get("type"), tuple(_SECTIONS))](place, given, values)


def _text(place: str, given: Mapping[str, Any], values: Mapping[str, Value]) -> Text:
    fields = fields_of(place, given, ("type", "text"))
    text = fields.get("text")
    if not isinstance(text, str) or not text.strip():
        raise InvalidError(f"{place}.text", f"'{place}.text' must be text.")
    checked_text(f"{place}.text", text, MAX_MARKDOWN_LENGTH)
    report_parameters.check_names(f"{place}.text", text, values)
    return Text(text, values)


def _key_figure(place: str, given: Mapping[str, Any], values: Mapping[str, Value]) -> KeyFigure:
    fields = fields_of(place, given, ("type", "label", *SOURCES, "query", "value", "compare_with", "format", "note"))
    question, names = _question(place, fields, values)
    if isinstance(question.query, Query) and question.query.groups:
        reason = "A key figure is a number of one row: its query has no 'group_by'."
        raise InvalidError(f"{place}.query.group_by", reason)
    value = _output(f"{place}.value", fields.get("value"), names)
    label = _line(f"{place}.label", fields.get("label"), MAX_TITLE_LENGTH, values)
    before = fields.get("compare_with")
    return KeyFigure(
        label=value if label is None else label,
        question=question,
        value=value,
        compare_with=None if before is None else _output(f"{place}.compare_with", before, names),
        format=_format(f"{place}.format", fields.get("format")),
        note=_line(f"{place}.note", fields.get("note"), MAX_CAPTION_LENGTH, values),
    )


def _chart(place: str, given: Mapping[str, Any], values: Mapping[str, Value]) -> ChartSection:
    fields = fields_of(place, given, ("type", "title", "caption", *SOURCES, "query", "chart_query", "chart", "width"))
    if fields.get("chart_query") is not None:
        if fields.get("query") is not None:
            raise InvalidError(f"{place}.query", f"'{place}' has either a query or a chart_query.")
        given_query = report_parameters.with_values(fields["chart_query"], values, field=f"{place}.chart_query")
        asked = chart_queries.parse(given_query, field=f"{place}.chart_query")
        question = Question(_source(place, fields), asked)
        chart = report_charts.parse_over(asked, fields.get("chart"), field=f"{place}.chart")
    else:
        question, names = _question(place, fields, values)
        chart = report_charts.parse(fields.get("chart"), field=f"{place}.chart")
        # Types come later: an empty one passes.
        report_charts.check(chart, dict.fromkeys(names, ""), field=f"{place}.chart")
    width = fields.get("width")
    return ChartSection(
        title=_line(f"{place}.title", fields.get("title"), MAX_TITLE_LENGTH, values),
        caption=_line(f"{place}.caption", fields.get("caption"), MAX_CAPTION_LENGTH, values),
        question=question,
        chart=chart,
        width="full" if width is None else one_of(f"{place}.width", width, WIDTHS),
    )


def _table(place: str, given: Mapping[str, Any], values: Mapping[str, Value]) -> TableSection:
    fields = fields_of(place, given, ("type", "title", "caption", *SOURCES, "query", "columns", "show_rows"))
    question, names = _question(place, fields, values)
    rows = fields.get("show_rows")
    return TableSection(
        title=_line(f"{place}.title", fields.get("title"), MAX_TITLE_LENGTH, values),
        caption=_line(f"{place}.caption", fields.get("caption"), MAX_CAPTION_LENGTH, values),
        question=question,
        columns=_columns(f"{place}.columns", fields.get("columns"), names, values),
        show_rows=DEFAULT_SHOWN_ROWS if rows is None else whole_of(f"{place}.show_rows", rows, MAX_SHOWN_ROWS),
    )


_SECTIONS: dict[str, Callable[[str, Mapping[str, Any], Mapping[str, Value]], Section]] = {
    "text": _text,
    "key_figure": _key_figure,
    "chart": _chart,
    "table": _table,
}


def _question(place: str, fields: Mapping[str, Any], values: Mapping[str, Value]) -> tuple[Question, tuple[str, ...]]:
    """The question of a section, and the names of its result's columns."""
    source = _source(place, fields)
    given = report_parameters.with_values(fields.get("query"), values, field=f"{place}.query")
    query = queries.parse(given, field=f"{place}.query")
    return Question(source, query), _outputs(query)


def _source(place: str, fields: Mapping[str, Any]) -> Source:
    kinds = [kind for kind in SOURCES if fields.get(kind) is not None]
    if len(kinds) != 1:
        reason = f"'{place}' must name either a dataset or a preparation."
        raise InvalidError(place, reason, constraint="dataset or preparation")
    id_ = fields[kinds[0]]
    if isinstance(id_, bool) or not isinstance(id_, str | int) or not 0 < len(str(id_)) <= MAX_ID_LENGTH:
        raise InvalidError(f"{place}.{kinds[0]}", f"'{place}.{kinds[0]}' must be an id.", value=id_)
    return Source(kinds[0], str(id_))


def _result_types(query: Query | ChartQuery, types: Mapping[str, str], place: str) -> dict[str, str]:
    """The types of the result's columns; InvalidError where the query does not fit its source."""
    if isinstance(query, ChartQuery):
        chart_queries.check(query, types, field=f"{place}.chart_query")
        return report_charts.types_of(query, types)
    queries.check(query, types, field=f"{place}.query")
    return queries.result_types(query, types)


def _outputs(query: Query) -> tuple[str, ...]:
    return (*(each.name for each in query.groups), *(each.name for each in query.aggregates))


def _output(place: str, given: object, names: tuple[str, ...]) -> str:
    if not isinstance(given, str) or given not in names:
        listed = ", ".join(names)
        reason = f"'{place}' must be a column of the query's result: {listed[:200]}."
        raise InvalidError(place, reason, value=given, constraint=listed)
    return given


def _columns(place: str, given: object, names: tuple[str, ...], values: Mapping[str, Value]) -> tuple[ShownColumn, ...]:
    if given is None:
        return tuple(ShownColumn(name, name, None) for name in names)
    if not isinstance(given, list | tuple) or not 0 < len(given) <= len(names):
        allowed = f"1-{len(names)} columns"
        raise InvalidError(place, f"'{place}' must be a list of {allowed} of the query's result.", constraint=allowed)
    found: list[ShownColumn] = []
    for at, each in enumerate(given):
        fields = fields_of(f"{place}.{at}", each, ("column", "label", "format"))
        column = _output(f"{place}.{at}.column", fields.get("column"), names)
        if column in (other.column for other in found):
            raise InvalidError(
                f"{place}.{at}.column", f"The column {shown(column)} is in the table twice.", value=column
            )
        label = _line(f"{place}.{at}.label", fields.get("label"), MAX_TITLE_LENGTH, values)
        format_ = _format(f"{place}.{at}.format", fields.get("format"))
        found.append(ShownColumn(column, column if label is None else label, format_))
    return tuple(found)


def _check_figure(section: KeyFigure, types: Mapping[str, str], place: str) -> None:
    compared = section.compare_with is not None or section.format is not None
    for name, value in (("value", section.value), ("compare_with", section.compare_with)):
        if value is not None and compared and not report_charts.is_number(types[value]):
            reason = f"Only numbers are compared and formatted; the type of {shown(value)} is {types[value]}."
            raise InvalidError(f"{place}.{name}", reason, value=value)


def _check_formats(section: TableSection, types: Mapping[str, str], place: str) -> None:
    for at, each in enumerate(section.columns):
        if each.format is not None and not report_charts.is_number(types[each.column]):
            reason = f"Only numbers have a format; the type of {shown(each.column)} is {types[each.column]}."
            raise InvalidError(f"{place}.columns.{at}.format", reason)


def _format(place: str, given: object) -> NumberFormat | None:
    return None if given is None else number_formats.parse(given, field=place)


def _line(place: str, given: object, max_length: int, values: Mapping[str, Value]) -> str | None:
    """A line of plain text with its placeholders filled."""
    if given is None:
        return None
    text = checked_line(place, name_of(place, given), max_length)
    report_parameters.check_names(place, text, values)
    return report_parameters.filled(text, values)
