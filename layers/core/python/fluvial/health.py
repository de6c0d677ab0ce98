"""Whether the parts that every request needs answer."""

from __future__ import annotations

from fluvial.log import log
from fluvial.store import table


def storage_answers() -> bool:
    """Reads one key of the table that holds nothing. Any failure counts, so this is the one place that takes all."""
    try:
        table.get(("health", "health"), consistent=False)
    except Exception:
        log.exception("the table does not answer")
        return False
    return True
