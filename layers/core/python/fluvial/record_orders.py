"""The order of lists, from what a caller sends. Pure.

sort=["name", "asc"]   sort=[["name", "asc"], ["id", "desc"]]   sort=["name"]   sort_attribute=name&sort_order=asc
"""

from __future__ import annotations

from fluvial.errors import MAX_SHOWN, InvalidError
from fluvial.record_classes import MANY, MULTI, Field, ModelClass
from fluvial.record_filters import known_field
from fluvial.record_operands import FILLERS, shown

MAX_SORTS = 10
ORDERS = {"asc": False, "desc": True}

Order = tuple[tuple[Field, bool], ...]
"""Fields, each with whether it is descending."""


def parse_order(sort: object, sort_attribute: object, sort_order: object, model: ModelClass) -> Order:
    """The order; () where none is given. `sort` goes before the other two. InvalidError says what is allowed."""
    if sort in FILLERS or sort == []:
        if sort_attribute in FILLERS:
            return ()
        return (_pair([sort_attribute, sort_order], model, "sort_attribute", "sort_order"),)
    listed = sort if isinstance(sort, list | tuple) else [sort]
    if not isinstance(listed[0], list | tuple):
        listed = [listed]
    if len(listed) > MAX_SORTS:
        reason = f"'sort' must have at most {MAX_SORTS} fields, not {len(listed)}."
        raise InvalidError("sort", reason, value=len(listed), constraint=f"at most {MAX_SORTS}")
    order = tuple(_pair(each, model, f"sort.{at}", f"sort.{at}") for at, each in enumerate(listed))
    names = [field.name for field, _ in order]
    if len(set(names)) < len(names):
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise InvalidError("sort", f"'sort' names '{twice}' twice.", value=twice)
    return order


def _pair(given: object, model: ModelClass, place: str, order_place: str) -> tuple[Field, bool]:
    if not isinstance(given, list | tuple) or not 1 <= len(given) <= 2:
        allowed = '["field", "asc"] or ["field", "desc"]'
        reason = f"'{place}' must be {allowed}, not {shown(given)}."
        raise InvalidError(place, reason, value=shown(given)[:MAX_SHOWN], constraint=allowed)
    field = known_field(model, given[0], place)
    if field.type in (MANY, MULTI):
        raise InvalidError(
            place, f"Records cannot be sorted by '{field.name}', which has many values.", value=field.name
        )
    order = given[1] if len(given) == 2 and given[1] not in FILLERS else "asc"
    descending = ORDERS.get(order.strip().lower()) if isinstance(order, str) else None
    if descending is None:
        allowed = ", ".join(ORDERS)
        reason = f"The order of '{field.name}' must be one of {allowed}, not {shown(order)}."
        raise InvalidError(order_place, reason, value=shown(order)[:MAX_SHOWN], constraint=allowed)
    return field, descending
