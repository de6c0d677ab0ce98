"""Data and definitions that the tests of charts and reports share."""

from __future__ import annotations

from typing import Any

from fluvial import datasets, ids
from fluvial.caller import Caller
from tests import factories
from tests.workers.pipeline import Pipeline

CSV = (
    b"sold_on,city,n,price\n"
    b"2025-01-01,Bonn,1,1.50\n"
    b"2025-01-15,Kiel,9007199254740993,2.25\n"
    b"2025-03-01,Bonn,9007199254740993,2.50\n"
    b"2025-03-02,Ulm,3,4.00\n"
)


def new_import(caller: Caller, pipeline: Pipeline, data: bytes = CSV) -> datasets.Dataset:
    """An import whose rows can be read."""
    made = factories.new_dataset(caller, factories.new_project(caller), data)
    pipeline.settle()
    return datasets.ready(caller, made.id)


def import_id(dataset: datasets.Dataset) -> str:
    return ids.uuid(ids.DATASET, dataset.id)


def definition(source: str) -> dict[str, Any]:
    """A report with a section of every kind over an import."""
    revenue = {"function": "sum", "column": "price", "as": "revenue"}
    since = [{"column": "sold_on", "operator": "ge", "value": {"parameter": "since"}}]
    return {
        "name": "Sales",
        "description": "What was sold",
        "title": "Sales since {{since}}",
        "parameters": [{"name": "since", "type": "date", "default": "2025-01-01"}],
        "sections": [
            {"type": "text", "text": "Sold **since {{since}}**."},
            {
                "type": "keyFigure",
                "label": "Revenue",
                "importId": source,
                "query": {"filters": since, "aggregates": [revenue, {"function": "count", "as": "orders"}]},
                "value": "revenue",
                "compareWith": "orders",
            },
            {
                "type": "chart",
                "title": "By city",
                "importId": source,
                "query": {"filters": since, "groupBy": ["city"], "aggregates": [revenue]},
                "chart": {"type": "bar", "dimension": "city", "measures": ["revenue"], "yTitle": "Euro"},
            },
            {
                "type": "chart",
                "title": "By month",
                "importId": source,
                "chartQuery": {
                    "dimension": {"column": "sold_on", "bucket": "month", "fill": True},
                    "measures": [{"aggregation": "sum", "column": "price", "as": "revenue"}],
                },
                "chart": {"type": "line"},
            },
            {
                "type": "table",
                "title": "Cities",
                "importId": source,
                "query": {
                    "filters": since,
                    "groupBy": ["city"],
                    "aggregates": [revenue, {"function": "sum", "column": "n", "as": "n"}],
                    "sort": [{"by": "revenue", "order": "desc"}, {"by": "city"}],
                },
                "showRows": 2,
            },
        ],
    }
