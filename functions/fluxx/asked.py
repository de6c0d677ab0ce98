"""What requests for records ask for: the class in the path, and the condition in their filter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fluvial import clock, record_filters, record_schemas
from fluvial.caller import Caller
from fluvial.config import settings
from fluvial.errors import NotFoundError
from fluvial.record_classes import ModelClass
from fluvial.record_filters import Condition
from fluvial.record_schemas import Schema
from fluxx.wire.records import VERSIONS


def class_of(caller: Caller, version: str, model_type: str) -> tuple[Schema, ModelClass]:
    """The account's classes, and the one in the path."""
    if version not in VERSIONS:
        raise NotFoundError("route", f"/api/rest/{version}")
    schema = record_schemas.of(caller.account)
    return schema, schema.model(model_type)


def condition(given: Any, model: ModelClass, schema: Schema) -> Condition | None:
    """The condition that a filter says; words such as `this-month` go by the day in UTC."""
    today = datetime.fromtimestamp(clock.now() // clock.SECOND, UTC).date()
    return record_filters.parse(given, model, schema, today=today, fiscal_start=settings().fiscal_year_start_month)
