"""Numbers by which people know records, such as R-2026-00001: given to new ones that come without."""

from __future__ import annotations

from datetime import UTC, datetime

from fluvial.record_classes import ModelClass
from fluvial.record_values import Value
from fluvial.store import record_numbers as store

NUMBERED = {"grant_request": "base_request_id"}
DIGITS = 5  # at least


def give(account_id: int, model: ModelClass, values: dict[str, Value], *, at: int) -> None:
    """Numbers a new record of a class that is numbered, unless it has a number already. One write."""
    name = NUMBERED.get(model.name)
    if name is None or name in values:
        return
    number = store.next_number(account_id, model.name)
    year = datetime.fromtimestamp(at // 1000, UTC).year
    values[name] = f"R-{year}-{number:0{DIGITS}}"
