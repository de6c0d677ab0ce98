"""Where chosen options stand in their trees: what a multi-value field shows when it is asked for in full.

    [[{"id": 9001, "val": "TX", "desc": "Texas"}, {"id": 9044, "val": "HOU", "desc": "Houston"}]]

One path for each choice, from the root to the option; each option has its text and its description, and the
choice's amount where it has one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from fluvial import record_queries
from fluvial.record_classes import Field
from fluvial.record_filters import Comparison, Group
from fluvial.records import Record

if TYPE_CHECKING:
    from fluvial.caller import Caller
    from fluvial.record_definitions import Option
    from fluvial.record_schemas import Schema

CHOICE = "model_attribute_choice"
MAX_LEVELS = 32  # no tree is deeper, and a parent that is its own child must not hold us for ever

Path = list[dict[str, object]]


def paths(caller: Caller, schema: Schema, field: Field, records: Sequence[Record]) -> dict[int, list[Path]]:
    """The paths of all options that each record has in this field, by the record's id."""
    if field.attribute is None:
        return {}
    options = {option.id: option for option in schema.options(field.attribute)}
    found: dict[int, list[Path]] = defaultdict(list)
    for choice in _choices(caller, schema, field.attribute, [each.id for each in records]):
        chosen, owner = choice.value("model_attribute_value_id"), choice.value("model_id")
        if isinstance(chosen, int) and chosen in options and isinstance(owner, int):
            amount = choice.value("amount_value")
            found[owner].append(_path(options, options[chosen], amount if isinstance(amount, Decimal) else None))
    return dict(found)


def _choices(caller: Caller, schema: Schema, attribute_id: int, record_ids: list[int]) -> list[Record]:
    """The choices of these records, oldest first."""
    model = schema.model(CHOICE)
    attribute, owner = model.field("model_attribute_id"), model.field("model_id")
    if attribute is None or owner is None:
        raise LookupError(f"{CHOICE} lacks a field")
    condition = Group(
        "and", False, (Comparison(attribute, "eq", (attribute_id,)), Comparison(owner, "eq", tuple(record_ids)))
    )
    return record_queries.every(caller, schema, model, condition)


def _path(options: dict[int, Option], option: Option, amount: Decimal | None) -> Path:
    path: Path = []
    at: Option | None = option
    while at is not None and len(path) < MAX_LEVELS:
        # Clients call text methods on both, also where they are blank.
        said: dict[str, object] = {"id": at.id, "val": at.value, "desc": at.description or ""}
        path.insert(0, said if amount is None else said | {"amount_value": amount})
        at = None if at.parent is None else options.get(at.parent)
    return path
