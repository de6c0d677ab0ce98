"""Filters of the core classes: sent as JSON, and written as conditions."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from fluvial import record_catalogue, record_filters
from fluvial.errors import InvalidError, UnknownModelError
from fluvial.record_classes import Field, ModelClass
from fluvial.record_filters import Comparison, Condition, Group

TODAY = date(2024, 2, 29)
DAY = 86_400_000
SITE_VISIT = ModelClass(
    "mac_model_type_dyn_site_visit",
    "Visits",
    (
        Field("id", "integer", "", writable=False),
        Field("sectors", "multi", "", custom=True),
        Field("visited_on", "date", "", custom=True),
        Field("grant_request_id", "relation", "", related="grant_request", custom=True),
    ),
)


class Schema:
    def model(self, name: str) -> ModelClass:
        known = {each.camel: each for each in record_catalogue.CLASSES} | record_catalogue.BY_NAME
        if name not in known:
            raise UnknownModelError(name)
        return known[name]


def parse(sent: Any, model: str | ModelClass = "grant_request", *, fiscal_start: int = 7) -> Condition | None:
    wanted = record_catalogue.model(model) if isinstance(model, str) else model
    # Through JSON, as it arrives: numbers with a point are Decimals.
    arrived = json.loads(json.dumps(sent), parse_float=Decimal)
    return record_filters.parse(arrived, wanted, Schema(), today=TODAY, fiscal_start=fiscal_start)


def field(name: str, model: str = "grant_request") -> Field:
    found = record_catalogue.model(model).field(name)
    assert found is not None
    return found


def eq(name: str, *values: Any, model: str = "grant_request") -> Comparison:
    return Comparison(field(name, model), "eq", values)


def all_of(*parts: Condition) -> Group:
    return Group("and", False, parts)


def any_of(*parts: Condition) -> Group:
    return Group("or", False, parts)


def days(first: str, last: str) -> tuple[int, int]:
    """The moments from one day to another."""
    start, end = ((date.fromisoformat(each) - date(1970, 1, 1)).days for each in (first, last))
    return start * DAY, end * DAY + DAY - 1


def refused(sent: Any, model: str | ModelClass = "grant_request") -> InvalidError:
    with pytest.raises(InvalidError) as caught:
        parse(sent, model)
    return caught.value
