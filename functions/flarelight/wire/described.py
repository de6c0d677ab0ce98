"""What bodies hold that the core reads by itself, as JSON Schemas: for the document alone.

What depends on the data, or on more than one member, no schema says; the core's refusals do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fluvial import (
    automation_steps,
    chart_queries,
    events,
    exports,
    ids,
    number_formats,
    queries,
    report_charts,
    report_parameters,
    report_sections,
    reports,
    schedules,
    steps,
)
from fluvial.http.wire import LINE

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NULL: Schema = {"type": "null"}
TRUTH: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}
SCALAR: Schema = {"type": ["string", "number", "boolean"]}
ID: Schema = {"type": "string", "pattern": f"^{ids.UUID_PATTERN}$"}
TIME: Schema = {"type": "string", "format": "date-time"}


def whole(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def line(most: int) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": most, "pattern": LINE}


def one_of(words: Iterable[str]) -> Schema:
    return {"type": "string", "enum": list(words)}


def many(each: Schema, most: int, least: int = 0) -> Schema:
    return {"type": "array", "items": each, "maxItems": most, **({"minItems": least} if least else {})}


def or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, NULL]}


def object_of(needed: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """An object with these members and no others; a null is as absent in those that it may lack."""
    members = needed | {name: or_null(schema) for name, schema in (optional or {}).items()}
    found: Schema = {"type": "object", "properties": members, "additionalProperties": False}
    return {**found, "required": list(needed)} if needed else found


def called(name: str, schema: Schema) -> Schema:
    """As a component of the document, which has it once."""
    return {"title": name, **schema}


def any_of(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def typed(kind: str, needed: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """An object whose member `type` says what it is."""
    return object_of({"type": {"const": kind}, **needed}, optional)


# ---------------------------------------------------------------- questions


def _filters(value: Schema) -> Schema:
    column = {"column": TEXT}
    several = many(value, queries.MAX_VALUES, 1)
    single = [each for each in queries.OPERATORS if each not in (*queries.WITH_VALUES, *queries.WITHOUT_VALUE)]
    return many(
        any_of(
            object_of({**column, "operator": one_of(single), "value": value}),
            object_of({**column, "operator": one_of(queries.WITH_VALUES), "value": several}),
            object_of({**column, "operator": one_of(queries.WITHOUT_VALUE)}, {"value": NULL}),
        ),
        queries.MAX_FILTERS,
    )


def _sorts(most: int) -> Schema:
    return many(object_of({"by": TEXT}, {"order": one_of(queries.ORDERS)}), most)


_PLACE_IN_TIME = {"bucket": one_of(chart_queries.BUCKETS), "timeZone": {**TEXT, "maxLength": 64}}
DIMENSION = called(
    "ChartDimension",
    any_of(TEXT, object_of({"column": TEXT}, {**_PLACE_IN_TIME, "fill": TRUTH})),
)
SERIES = called(
    "ChartSeriesBy",
    any_of(
        TEXT,
        object_of({"column": TEXT}, {**_PLACE_IN_TIME, "limit": whole(1, chart_queries.MAX_SERIES), "other": TRUTH}),
    ),
)
_NAMED = {"as": line(queries.MAX_NAME_LENGTH)}
MEASURES = called(
    "ChartMeasures",
    many(
        any_of(
            object_of({"aggregation": {"const": "count"}}, {"column": TEXT, "p": NULL, **_NAMED}),
            object_of(
                {
                    "aggregation": one_of(each for each in chart_queries.FUNCTIONS if each != "count"),
                    "column": TEXT,
                },
                {"p": NULL, **_NAMED},
            ),
            object_of(
                {
                    "aggregation": {"const": chart_queries.PERCENTILE},
                    "column": TEXT,
                    "p": {"type": "number", "minimum": 0, "maximum": 100},
                },
                _NAMED,
            ),
        ),
        chart_queries.MAX_MEASURES,
        1,
    ),
)
FILTERS = called(
    "Filters",
    _filters(SCALAR),
)
CHART_SORT = called(
    "ChartSort",
    any_of(_sorts(chart_queries.MAX_MEASURES + 1), object_of({"by": TEXT}, {"order": one_of(queries.ORDERS)})),
)
LABELS = whole(1, chart_queries.MAX_LABELS)

# ---------------------------------------------------------------- reports

_PARAMETER_NAME: Schema = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,39}$"}
PARAMETERS = many(
    object_of(
        {"name": _PARAMETER_NAME, "type": one_of(report_parameters.TYPES)},
        {
            "label": line(report_parameters.MAX_LABEL_LENGTH),
            "default": SCALAR,
            "values": many(SCALAR, report_parameters.MAX_CHOICES),
        },
    ),
    report_parameters.MAX_PARAMETERS,
)
LANGUAGE = one_of(number_formats.LANGUAGES)
# Of queries, charts and formats only the shape: with all of their rules the tests that come of the document (they go
# through every combination) would take an hour.
_FORMAT = OBJECT
_QUERY = object_of(
    {},
    {
        "filters": many(OBJECT, queries.MAX_FILTERS),
        "groupBy": many({"type": ["string", "object"]}, queries.MAX_GROUPS),
        "aggregates": many(OBJECT, queries.MAX_AGGREGATES),
        "sort": many(OBJECT, queries.MAX_GROUPS + queries.MAX_AGGREGATES),
        "limit": whole(1, queries.MAX_ROWS),
    },
)
_CHART: Schema = {"type": "object", "properties": {"type": one_of(report_charts.TYPES)}, "required": ["type"]}
_TITLES = {"title": line(report_sections.MAX_TITLE_LENGTH), "caption": line(report_sections.MAX_CAPTION_LENGTH)}
_SOURCES = {"importId": ID, "preparationId": ID}
SECTION = called(
    "Section",
    any_of(
        typed(
            "text",
            {
                "text": {
                    "type": "string",
                    "pattern": r"[^\s\x1c-\x1f\x85]",
                    "maxLength": report_sections.MAX_MARKDOWN_LENGTH,
                }
            },
        ),
        typed(
            "keyFigure",
            {"query": _QUERY, "value": TEXT},
            {
                **_SOURCES,
                "label": line(report_sections.MAX_TITLE_LENGTH),
                "compareWith": TEXT,
                "format": _FORMAT,
                "note": line(report_sections.MAX_CAPTION_LENGTH),
            },
        ),
        typed(
            "chart",
            {"chart": _CHART},
            {**_SOURCES, **_TITLES, "query": _QUERY, "chartQuery": OBJECT, "width": one_of(report_sections.WIDTHS)},
        ),
        typed(
            "table",
            {"query": _QUERY},
            {
                **_SOURCES,
                **_TITLES,
                "columns": {"type": "array", "items": OBJECT, "minItems": 1},
                "showRows": whole(1, report_sections.MAX_SHOWN_ROWS),
            },
        ),
    ),
)
SECTIONS = many(SECTION, report_sections.MAX_SECTIONS, 1)

# ---------------------------------------------------------------- recipes

# What else a step has depends on its kind: docs/data-model.md.
_RECIPE_STEP: Schema = {"type": "object", "properties": {"step": one_of(steps.KINDS)}, "required": ["step"]}
RECIPE = called(
    "Recipe",
    any_of(
        object_of({"steps": many(_RECIPE_STEP, steps.MAX_STEPS, 1)}, {"select": NULL}),
        object_of(
            {"select": {"type": "string", "minLength": 1, "maxLength": steps.MAX_SELECT_LENGTH}}, {"steps": NULL}
        ),
    ),
)

# ---------------------------------------------------------------- automations

_STEP_NAME: Schema = {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,49}$"}
_NAME_OF_STEP = {"name": {**_STEP_NAME, "not": {"enum": [automation_steps.NEXT, automation_steps.END]}}}
_BACKOFF = {"backoffSeconds": whole(1, automation_steps.MAX_BACKOFF_SECONDS)}
_AGAIN = {"retries": whole(0, automation_steps.MAX_RETRIES), **_BACKOFF}
_NEVER_AGAIN = {"retries": {"const": 0}, **_BACKOFF}
_COMPARED = {
    "value": {
        "type": "string",
        "pattern": r"^(input|steps\.[a-z][a-z0-9_-]{0,49})(\.[A-Za-z0-9_-]{1,100})+$",
        "maxLength": automation_steps.MAX_PATH_CHARACTERS,
    }
}
_CONDITION = called(
    "Condition",
    any_of(
        object_of(
            {**_COMPARED, "operator": one_of(each for each in automation_steps.OPERATORS if each != "in"), "to": {}}
        ),
        object_of({**_COMPARED, "operator": {"const": "in"}, "to": {"type": "array"}}),
        object_of({**_COMPARED, "operator": one_of(automation_steps.EXISTS)}),
    ),
)


def _step(kind: str, needed: dict[str, Schema], optional: dict[str, Schema]) -> Schema:
    return typed(kind, {**_NAME_OF_STEP, **needed}, optional)


STEP = called(
    "Step",
    any_of(
        _step("execute_preparation", {"preparationId": ID}, _AGAIN),
        _step(
            "generate_report",
            {"reportId": ID},
            {
                "parameters": OBJECT,
                "formats": {"type": "array", "minItems": 1, "items": one_of(reports.FORMATS)},
                **_AGAIN,
            },
        ),
        _step("run_analysis", {"analysisId": ID}, _AGAIN),
        _step("export", {"importId": ID, "format": one_of(exports.FORMATS)}, _AGAIN),
        _step(
            "call_webhook",
            {"url": {"type": "string", "format": "uri", "pattern": "^https?://"}},
            {"body": OBJECT, **_AGAIN},
        ),
        _step("wait", {"seconds": whole(1, automation_steps.MAX_WAIT_SECONDS)}, {"until": NULL, **_NEVER_AGAIN}),
        _step("wait", {"until": TIME}, {"seconds": NULL, **_NEVER_AGAIN}),
        _step(
            "condition",
            {"conditions": many(_CONDITION, automation_steps.MAX_CONDITIONS, 1)},
            {
                "match": one_of(automation_steps.MATCHES),
                "then": any_of(one_of([automation_steps.NEXT, automation_steps.END]), _STEP_NAME),
                "else": any_of(one_of([automation_steps.NEXT, automation_steps.END]), _STEP_NAME),
                **_NEVER_AGAIN,
            },
        ),
    ),
)


def _of_events() -> list[str]:
    """Every type of an event, and what stands for several of them."""
    found = {"*"}
    for each in events.TYPES:
        kind, what = each.split(".")
        found |= {each, f"{kind}.*", f"*.{what}", "*.*"}
    return sorted(found)


def triggers_of(things: Iterable[str]) -> Schema:
    """The triggers; an event is narrowed down by the id of one of these things at most."""
    return called(
        "Trigger",
        any_of(
            typed("api", {}),
            typed(
                "schedule",
                {
                    "expression": {
                        "type": "string",
                        "pattern": r"^(cron|rate)\([^()]*\)$",
                        "maxLength": schedules.MAX_EXPRESSION_CHARACTERS,
                        "examples": ["rate(15 minutes)", "cron(30 8 ? * MON-FRI *)"],
                    }
                },
                {"timeZone": {"type": "string", "examples": ["Europe/Berlin"]}, "start": TIME, "end": TIME},
            ),
            {
                **typed("event", {"event": one_of(_of_events())}, dict.fromkeys(things, ID)),
                "maxProperties": 3,
            },
        ),
    )
