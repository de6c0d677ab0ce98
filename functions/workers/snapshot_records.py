"""A wish for a snapshot of a class of records -> the snapshot, from which fresh processes begin.

At least once; a second message for the same wish finds a newer snapshot and does nothing. Two runs at once make
two, and one of them stays: each says itself up to when it is complete.
"""

from __future__ import annotations

from typing import Any

from fluvial import bus, ids, record_replicas, record_schemas, record_snapshots
from fluvial.errors import UnknownModelError
from fluvial.log import write_line

PATIENCE_SECONDS = 600.0  # to read the class; what is left of the function's 15 minutes is for storing it


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an SQS event whose bodies are what `record_snapshots.ask` sends."""
    return bus.run_batch(event, _run)


def _run(message: dict[str, Any]) -> None:
    account_id, name = message["account"], message["model"]
    outcome, size = _make(account_id, name, than=message["than"])
    write_line("snapshot_records", account=ids.spell(ids.ACCOUNT, account_id), model=name, outcome=outcome, bytes=size)


def _make(account_id: int, name: str, *, than: int) -> tuple[str, int]:
    """Makes a snapshot unless there is one that is newer `than` a time; returns how it ended, and its bytes."""
    if record_snapshots.position(account_id, name) > than:
        return "there", 0
    try:
        model = record_schemas.of(account_id).model(name)
    except UnknownModelError:
        return "gone", 0
    with record_replicas.opened(account_id, model, patience_seconds=PATIENCE_SECONDS) as table:
        return "made", record_snapshots.store(table)
