"""A report as a shop of outdoor goods would have it, with data that look like theirs; the same at every call."""

from __future__ import annotations

import random
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from fluvial import report_sections
from fluvial.report_data import Result
from fluvial.report_sections import Report, Source

MADE = 1_764_417_600_000  # 2025-11-29T12:00:00Z
ORDERS = "data_06y944zmck6"
REGIONS = ("North", "South", "West")
CATEGORIES = (
    "Tents and shelters",
    "Footwear",
    "Packs",
    "Clothing",
    "Stoves and cooking",
    "Climbing",
    "Maps and guides",
)
TYPES = {
    "sold_on": "date",
    "region": "text",
    "category": "text",
    "shop": "text",
    "opened": "date",
    "price": "decimal(12,2)",
    "cost": "decimal(12,2)",
    "customer": "integer",
    "rating": "float",
}
EURO = {"decimals": 0, "suffix": " €"}
CENTS = {"decimals": 2, "suffix": " €"}
YEAR = [{"column": "sold_on", "operator": "ge", "value": {"parameter": "since"}}]

DEFINITION: dict[str, Any] = {
    "title": "Sales since {{since}}",
    "subtitle": "Revenue, margin and shops of all regions",
    "language": "en",
    "parameters": [{"name": "since", "type": "date", "label": "Since", "default": "2024-01-01"}],
    "sections": [
        {
            "type": "text",
            "text": "Revenue grew in **every region**, most of all in the *South*, where two shops opened in spring. "
            "Margins held up, although freight became dearer; see the [note on methods](https://example.org/methods).",
        },
        *(
            {
                "type": "key_figure",
                "label": label,
                "dataset": ORDERS,
                "query": {
                    "filters": YEAR,
                    "aggregates": [
                        {"function": "sum", "column": "price", "as": "revenue"},
                        {"function": "sum", "column": "cost", "as": "revenue_before"},
                        {"function": "count", "as": "orders"},
                        {"function": "count_distinct", "column": "customer", "as": "customers"},
                        {"function": "avg", "column": "price", "as": "basket"},
                    ],
                },
                "value": value,
                **more,
            }
            for label, value, more in (
                ("Revenue", "revenue", {"format": EURO, "compare_with": "revenue_before"}),
                ("Orders", "orders", {"format": {}}),
                ("Customers", "customers", {"format": {}, "note": "with at least one order"}),
                ("Average basket", "basket", {"format": CENTS}),
            )
        ),
        {
            "type": "chart",
            "title": "Revenue by month",
            "caption": "Net of returns. December is the last month with complete data.",
            "dataset": ORDERS,
            "query": {
                "filters": YEAR,
                "group_by": [{"column": "sold_on", "bucket": "month", "as": "month"}, "region"],
                "aggregates": [{"function": "sum", "column": "price", "as": "revenue"}],
                "sort": [{"by": "month"}, {"by": "region"}],
            },
            "chart": {
                "type": "line",
                "dimension": "month",
                "measures": ["revenue"],
                "series": "region",
                "format": EURO,
            },
        },
        {
            "type": "chart",
            "title": "Revenue by category",
            "dataset": ORDERS,
            "width": "half",
            "query": {
                "filters": YEAR,
                "group_by": ["category"],
                "aggregates": [{"function": "sum", "column": "price", "as": "revenue"}],
            },
            "chart": {
                "type": "bar",
                "dimension": "category",
                "measures": ["revenue"],
                "horizontal": True,
                "labels": True,
                "sort": {"by": "value", "order": "desc"},
                "format": {"compact": True, "suffix": " €"},
            },
        },
        {
            "type": "chart",
            "title": "Orders by region",
            "dataset": ORDERS,
            "width": "half",
            "query": {
                "filters": YEAR,
                "group_by": ["region"],
                "aggregates": [{"function": "count", "as": "orders"}],
            },
            "chart": {"type": "donut", "dimension": "region", "measures": ["orders"]},
        },
        {
            "type": "text",
            "text": "# Shops\n\nThe table has the shops by revenue. What to look at:\n\n"
            "- shops with a margin below **30%**,\n- shops that opened less than a year ago.\n\n"
            "> Margins are before rent and wages.",
        },
        {
            "type": "table",
            "title": "Shops by revenue",
            "caption": "The rating is the mean of what customers gave, from 1 to 5.",
            "dataset": ORDERS,
            "query": {
                "filters": YEAR,
                "group_by": ["shop", "opened"],
                "aggregates": [
                    {"function": "count", "as": "orders"},
                    {"function": "sum", "column": "price", "as": "revenue"},
                    {"function": "avg", "column": "rating", "as": "rating"},
                    {"function": "avg", "column": "cost", "as": "margin"},
                ],
                "sort": [{"by": "revenue", "order": "desc"}],
                "limit": 40,
            },
            "columns": [
                {"column": "shop", "label": "Shop"},
                {"column": "opened", "label": "Opened"},
                {"column": "orders", "label": "Orders", "format": {}},
                {"column": "revenue", "label": "Revenue", "format": CENTS},
                {"column": "margin", "label": "Margin", "format": {"percent": True, "decimals": 1}},
                {"column": "rating", "label": "Rating", "format": {"decimals": 2}},
            ],
            "show_rows": 12,
        },
    ],
}

TOWNS = (
    "Aachen",
    "Augsburg",
    "Bamberg",
    "Berlin-Mitte",
    "Berlin-Wedding",
    "Bielefeld",
    "Bonn",
    "Bremen",
    "Chemnitz",
    "Dortmund",
    "Dresden",
    "Erfurt",
    "Essen",
    "Flensburg",
    "Frankfurt",
    "Freiburg",
    "Göttingen",
    "Halle",
    "Hamburg-Altona",
    "Hannover",
    "Heidelberg",
    "Jena",
    "Karlsruhe",
    "Kassel",
    "Kiel",
    "Köln",
    "Konstanz",
    "Leipzig",
    "Lübeck",
    "Mainz",
    "Mannheim",
    "München",
    "Münster",
    "Nürnberg",
    "Passau",
    "Potsdam",
    "Regensburg",
    "Rostock",
    "Stuttgart",
    "Ulm",
)


def report() -> Report:
    return report_sections.parse(DEFINITION).with_values()


def results() -> dict[str, Result]:
    """An answer for each question of the report."""
    chance = random.Random(7)
    found: dict[str, Result] = {}
    for key, question in report().questions().items():
        names = tuple(each.name for each in (*question.query.groups, *question.query.aggregates))
        types, rows = _ROWS[names](chance)
        total = 112 if "shop" in names else len(rows)
        found[key] = result(types, rows, total=total)
    return found


def result(types: dict[str, str], rows: list[tuple[Any, ...]], *, total: int | None = None) -> Result:
    """An answer about the orders."""
    source = Source("dataset", ORDERS)
    return Result(source, "Orders", 14, types, rows, len(rows) if total is None else total, 1_284_377)


def _money(value: float) -> Decimal:
    return Decimal(str(value)).quantize(Decimal("0.01"), ROUND_HALF_UP)


def _figures(chance: random.Random) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
    types = {
        "revenue": "decimal(38,2)",
        "revenue_before": "decimal(38,2)",
        "orders": "integer",
        "customers": "integer",
        "basket": "float",
    }
    return types, [(Decimal("8412306.45"), Decimal("7730118.20"), 128_441, 61_902, 65.4954761)]


def _months(chance: random.Random) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
    season = (0.7, 0.72, 0.95, 1.1, 1.25, 1.3, 1.35, 1.2, 0.95, 0.85, 0.9, 1.15)
    rows = [
        (
            f"{2024 + at // 12}-{at % 12 + 1:02}-01",
            region,
            _money(level * season[at % 12] * (1 + at * 0.006 * growth) * chance.uniform(0.95, 1.05)),
        )
        for at in range(24)
        for region, level, growth in (("North", 118_000, 1.0), ("South", 96_000, 2.6), ("West", 131_000, 0.7))
    ]
    return {"month": "date", "region": "text", "revenue": "decimal(38,2)"}, rows


def _categories(chance: random.Random) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
    levels = (2_140_000, 1_870_000, 1_310_500, 1_255_000, 690_400, 612_000, 98_300)
    rows = [(name, _money(level * chance.uniform(0.98, 1.02))) for name, level in zip(CATEGORIES, levels, strict=True)]
    return {"category": "text", "revenue": "decimal(38,2)"}, rows


def _regions(chance: random.Random) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
    return {"region": "text", "orders": "integer"}, [("North", 44_102), ("South", 39_877), ("West", 44_462)]


def _shops(chance: random.Random) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
    types = {
        "shop": "text",
        "opened": "date",
        "orders": "integer",
        "revenue": "decimal(38,2)",
        "rating": "float",
        "margin": "float",
    }
    rows = []
    for at, town in enumerate(TOWNS):
        orders = round(6_400 * 0.95**at * chance.uniform(0.97, 1.03))
        opened = f"{chance.randrange(1998, 2026)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 28):02}"
        rating = None if at == 7 else round(chance.uniform(3.6, 4.9), 6)
        margin = round(chance.uniform(0.27, 0.41), 6)
        rows.append((town, opened, orders, _money(orders * chance.uniform(62, 68)), rating, margin))
    return types, rows


_ROWS = {
    ("revenue", "revenue_before", "orders", "customers", "basket"): _figures,
    ("month", "region", "revenue"): _months,
    ("category", "revenue"): _categories,
    ("region", "orders"): _regions,
    ("shop", "opened", "orders", "revenue", "rating", "margin"): _shops,
}
